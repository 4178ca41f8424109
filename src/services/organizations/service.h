// Organizations: accounts of this installation joined under one management account, organizational units, service
// control policies, trusted access. docs: AWS Organizations User Guide; API version 2016-11-28.
//
// Vocabulary. organization: accounts under one management account. root, unit (OU): the tree in which member accounts
// hang. target: what a policy is attached to (root, unit, account). authorization policy: a service control policy
// (binds principals) or a resource control policy (binds resources). management policy: backup, tag and the like, whose
// levels are merged into one effective policy. handshake: an invitation, answered by the other side.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "services/api/action.h"
#include "services/catalog/database.h"
#include "services/policy/evaluate.h"

namespace coffer::organizations {

/// Where an account stands, for global condition keys and for the policies that bind it.
struct Membership {
  std::string organization_id;     // "o-..."
  std::string path;                // "o-.../r-.../ou-.../"
  std::string management_account;  // 12 digits
  [[nodiscard]] bool is_management(std::string_view account) const { return management_account == account; }
};
/// Nothing when the account is in no organization.
Result<std::optional<Membership>> membership(catalog::Transaction& transaction, std::string_view account);
/// The service control policies that bind principals of `account`, a level from root to account; empty (no levels) for
/// the management account, outside an organization, and when the policy type is not enabled. A closed account has one
/// level without policies, which allows nothing.
Result<std::vector<std::vector<policy::NamedDocument>>> service_control_levels(catalog::Transaction& transaction,
                                                                               std::string_view account);
/// The resource control policies that bind resources of `account`; empty as above.
Result<std::vector<std::vector<policy::NamedDocument>>> resource_control_levels(catalog::Transaction& transaction,
                                                                                std::string_view account);
/// The management policy of `type` ("BACKUP_POLICY") that is in force for `account`, as DescribeEffectivePolicy shows
/// it; nothing when there is none.
Result<std::optional<std::string>> effective_policy(catalog::Transaction& transaction, std::string_view account,
                                                    std::string_view type);
/// Has the organization of `account` enabled trusted access for `service_principal`?
Result<bool> trusted_access(catalog::Transaction& transaction, std::string_view account,
                            std::string_view service_principal);

/// What CreateAccount needs of IAM: an account of this installation with its root credentials and the role that trusts
/// the management account. Called in the operation's transaction.
using MakeAccount = std::function<Status(catalog::Transaction&, std::string_view account, std::string_view name,
                                         std::string_view role_name, std::string_view management_account)>;
/// The name of an account of this installation, nothing when there is no such account.
using FindAccount = std::function<Result<std::optional<std::string>>(catalog::Transaction&, std::string_view account)>;
/// The table of the service's operations. `clock` and `entropy` outlive it. Without `find_account` every account id can
/// be invited, and an account that was not created here is called by its id.
api::ServiceTable actions(MakeAccount make_account, Clock& clock, Entropy& entropy, FindAccount find_account = nullptr);

/// The generation counter (catalog::generation) that every change of membership or policies bumps.
inline constexpr std::string_view kGeneration = "organizations";
std::span<const catalog::Migration> migrations();  // numbers 400-499

}  // namespace coffer::organizations
