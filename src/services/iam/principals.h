// From rows to what a decision needs: callers with their policies. For the files of this folder.
#pragma once
#include "services/iam/authority.h"
#include "services/iam/rows.h"
#include "services/iam/secrets.h"

namespace coffer::iam {

/// A managed policy's default version, parsed; of this account's or AWS's own. Nothing when there is none.
Result<std::optional<policy::NamedDocument>> managed_document(catalog::Transaction&, std::string_view arn);
/// Inline and attached policies of one entity.
Status collect_policies(catalog::Transaction&, const rows::Entity&, std::vector<policy::NamedDocument>& into);
/// Identity, boundary and organization policies of a user (with its groups) or a role.
Result<policy::PrincipalPolicies> policies_of(catalog::Transaction&, const rows::Entity&);

Result<Identity> identity_of_root(catalog::Transaction&, std::string_view account);
Result<Identity> identity_of_user(catalog::Transaction&, const rows::Entity& user);
/// kUnauthenticated when the role or user behind the session is gone.
Result<Identity> identity_of_session(catalog::Transaction&, const Session& session);

/// The trust policy with its principals as unique ids.
Result<std::shared_ptr<const policy::Document>> trust_document(const rows::Entity& role);
/// `document` with ARNs of users and roles that exist replaced by their unique ids. "MalformedPolicyDocument" for
/// principals that do not exist.
Result<std::string> resolve_principals(catalog::Transaction&, const policy::Document& document);

/// AWS's own managed policies that this product knows: name with path -> document.
struct AwsPolicy {
  std::string_view arn, name, path, description, document;
};
std::span<const AwsPolicy> aws_policies();

}  // namespace coffer::iam
