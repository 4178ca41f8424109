// What a policy of each type may say, checked before it is stored; and parsed policy documents, shared.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "services/policy/document.h"

namespace coffer::organizations {

/// ConstraintViolationException POLICY_CONTENT_LIMIT_EXCEEDED for a size, MalformedPolicyDocumentException for what it
/// says.
Status check_content(std::string_view type, std::string_view content);
/// How many of the type an organization may have, and one target.
int64_t policies_max(std::string_view type);
int64_t attachments_max(std::string_view type);

/// Parsed once as long as it is in use: the same text is the same document in every organization.
Result<std::shared_ptr<const policy::Document>> parsed_document(std::string_view content, policy::Kind kind);

/// A resource policy of an organization: who of its members may read and manage policies besides the management
/// account.
Status check_resource_policy(std::string_view content);

}  // namespace coffer::organizations
