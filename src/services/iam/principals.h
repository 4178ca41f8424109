// From rows to what a decision needs: callers with their policies. For the files of this folder.
#pragma once
#include "services/iam/authority.h"
#include "services/iam/rows.h"
#include "services/iam/secrets.h"

namespace coffer::iam {

/// A managed policy's default version, parsed; of an account or AWS's own. Nothing when there is none.
Result<std::optional<policy::NamedDocument>> managed_document(catalog::Transaction&, std::string_view arn);
/// Inline and attached policies of one entity.
Status collect_policies(catalog::Transaction&, const rows::Entity&, std::vector<policy::NamedDocument>& into);
/// Identity policies and boundary of a user (with its groups'), a group or a role.
Result<policy::PrincipalPolicies> policies_of(catalog::Transaction&, const rows::Entity&);

// With the organization's policies.
Result<Identity> identity_of_root(catalog::Transaction&, std::string_view account);
Result<Identity> identity_of_user(catalog::Transaction&, const rows::Entity& user);
/// kUnauthenticated when the role or user behind the session is gone.
Result<Identity> identity_of_session(catalog::Transaction&, const Session& session);

}  // namespace coffer::iam
