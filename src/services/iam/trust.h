// Trust policies: whom they name is settled when they are saved. For the files of this folder.
//
// A role or user in a trust policy means the one that existed when the policy was saved. Another one made later under
// the same name is not meant, and the policy then shows the unique id instead of the ARN.
#pragma once
#include <memory>
#include <string>

#include "services/iam/rows.h"
#include "services/policy/document.h"

namespace coffer::iam {

/// The trust policy `text` with ARNs of users and roles replaced by their unique ids. "MalformedPolicyDocument" for a
/// text that is no trust policy and for principals that do not exist; "LimitExceeded" for a text that is too long.
/// Principals of accounts that this installation does not have are left as they are: nobody here can know them.
Result<std::string> resolve_trust(catalog::Transaction& transaction, const std::string& text);
/// What decides: the policy as it was resolved.
Result<std::shared_ptr<const policy::Document>> trust_document(const rows::Entity& role);
/// What GetRole shows: the policy as it was written, unless a principal of it is gone or was renamed since.
Result<std::string> shown_trust(catalog::Transaction& transaction, const rows::Entity& role);

}  // namespace coffer::iam
