// Accounts: how they are made, their alias, their summary.
#include "services/iam/arns.h"
#include "services/iam/aws_policies.h"
#include "services/iam/faults.h"
#include "services/iam/operations.h"
#include "services/iam/quotas.h"
#include "services/iam/service.h"

namespace coffer::iam {

using api::Value;
using rows::Kind;

namespace {

Status insert_account(catalog::Transaction& t, std::string_view account, std::string_view name, WallTime now) {
  if (!is_account_id(account)) {
    return Error{ErrorCode::kInvalidArgument, "an account id is 12 digits, not '" + std::string(account) + "'", {}};
  }
  COFFER_TRY(bool there, rows::account_exists(t, account));
  if (there) return Error{ErrorCode::kAlreadyExists, "account " + std::string(account) + " exists", {}};
  COFFER_CHECK_OK(rows::insert_account(t, {std::string(account), std::string(name), now, {}}));
  return rows::changed(t);
}

}  // namespace

Result<RootCredentials> create_account(catalog::Transaction& t, std::string_view account, std::string_view name,
                                       ByteView root, Clock& clock, Entropy& entropy) {
  COFFER_CHECK_OK(insert_account(t, account, name, clock.wall()));
  rows::AccessKey key;
  key.id = new_id("AKIA", entropy);
  key.account = account;
  key.created = clock.wall();
  const Secret secret = new_secret_access_key(entropy);
  key.sealed_secret = seal_secret(root, key.id, secret, entropy);
  COFFER_CHECK_OK(rows::insert_access_key(t, key));
  return RootCredentials{key.id, std::string(as_text(secret.view()))};
}

Status create_member_account(catalog::Transaction& t, std::string_view account, std::string_view name,
                             std::string_view role_name, std::string_view management_account, ByteView, Clock& clock,
                             Entropy& entropy) {
  // Its root user has no key: nobody would be there to be given it. The role is the way in.
  COFFER_CHECK_OK(insert_account(t, account, name, clock.wall()));
  rows::Entity role;
  role.kind = Kind::kRole;
  role.account = account;
  role.name = role_name.empty() ? "OrganizationAccountAccessRole" : std::string(role_name);
  role.id = new_id("AROA", entropy, 17);
  role.created = clock.wall();
  role.trust = role.trust_resolved =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::)" +
      std::string(management_account) + R"(:root"},"Action":"sts:AssumeRole"}]})";
  COFFER_CHECK_OK(rows::insert(t, role));
  COFFER_CHECK_OK(rows::attach(t, role.id, std::string(kAwsPolicyPrefix) + "AdministratorAccess"));
  return rows::changed(t);
}

Result<std::vector<Account>> list_accounts(catalog::Transaction& t) {
  COFFER_TRY(auto found, rows::list_accounts(t));
  std::vector<Account> all;
  for (auto& one : found) all.push_back({std::move(one.id), std::move(one.name), one.created});
  return all;
}

Result<Value> create_account_alias(const Request& r) {
  const std::string alias = r.text("AccountAlias");
  COFFER_TRY(bool taken, rows::alias_taken(r.t(), alias));
  if (taken) return already_exists("The account alias " + alias + " already exists.");
  COFFER_CHECK_OK(rows::set_alias(r.t(), r.account(), alias));
  return Value::object();
}

Result<Value> list_account_aliases(const Request& r) {
  COFFER_TRY(auto account, rows::find_account(r.t(), r.account()));
  api::List aliases;
  if (account && account->alias) aliases.emplace_back(*account->alias);
  return Value::object({{"AccountAliases", std::move(aliases)}, {"IsTruncated", false}});
}

Result<Value> delete_account_alias(const Request& r) {
  COFFER_TRY(auto account, rows::find_account(r.t(), r.account()));
  if (!account || account->alias != r.text("AccountAlias"))
    return no_such_entity("The account alias " + r.text("AccountAlias") + " cannot be found.");
  COFFER_CHECK_OK(rows::set_alias(r.t(), r.account(), std::nullopt));
  return Value::object();
}

Result<Value> account_summary(const Request& r) {
  COFFER_TRY(int64_t users, rows::count(r.t(), Kind::kUser, r.account()));
  COFFER_TRY(int64_t groups, rows::count(r.t(), Kind::kGroup, r.account()));
  COFFER_TRY(int64_t roles, rows::count(r.t(), Kind::kRole, r.account()));
  COFFER_TRY(auto policies, rows::list_policies(r.t(), r.account()));
  COFFER_TRY(auto root_keys, rows::access_keys_of(r.t(), r.account(), ""));
  int64_t versions = 0;
  for (const auto& policy : policies) {
    COFFER_TRY(auto of_policy, rows::versions(r.t(), policy.arn));
    versions += static_cast<int64_t>(of_policy.size());
  }
  return Value::object({{"SummaryMap", Value::object({
                                           {"Users", users},
                                           {"UsersQuota", quotas::kUsers},
                                           {"Groups", groups},
                                           {"GroupsQuota", quotas::kGroups},
                                           {"Roles", roles},
                                           {"RolesQuota", quotas::kRoles},
                                           {"Policies", static_cast<int64_t>(policies.size())},
                                           {"PoliciesQuota", quotas::kPolicies},
                                           {"PolicyVersionsInUse", versions},
                                           {"PolicyVersionsInUseQuota", quotas::kPolicies * quotas::kVersionsPerPolicy},
                                           {"PolicySizeQuota", quotas::kManagedPolicySize},
                                           {"VersionsPerPolicyQuota", quotas::kVersionsPerPolicy},
                                           {"UserPolicySizeQuota", quotas::kInlineOfUser},
                                           {"GroupPolicySizeQuota", quotas::kInlineOfGroup},
                                           {"RolePolicySizeQuota", quotas::kInlineOfRole},
                                           {"AssumeRolePolicySizeQuota", quotas::kTrustPolicySize},
                                           {"AttachedPoliciesPerUserQuota", quotas::kAttachedPolicies},
                                           {"AttachedPoliciesPerGroupQuota", quotas::kAttachedPolicies},
                                           {"AttachedPoliciesPerRoleQuota", quotas::kAttachedPolicies},
                                           {"GroupsPerUserQuota", quotas::kGroupsPerUser},
                                           {"AccessKeysPerUserQuota", quotas::kAccessKeysPerUser},
                                           {"AccountAccessKeysPresent", root_keys.empty() ? 0 : 1},
                                           {"AccountPasswordPresent", 0},
                                           {"AccountMFAEnabled", 0},
                                           {"AccountSigningCertificatesPresent", 0},
                                           {"MFADevices", 0},
                                           {"MFADevicesInUse", 0},
                                           {"InstanceProfiles", 0},
                                           {"Providers", 0},
                                           {"ServerCertificates", 0},
                                           {"GlobalEndpointTokenVersion", 2},
                                       })}});
}

}  // namespace coffer::iam
