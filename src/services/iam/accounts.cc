// Accounts, their aliases and summaries; access keys.
#include <algorithm>

#include "services/api/fault.h"
#include "services/iam/operations.h"
#include "services/iam/service.h"

namespace coffer::iam {
namespace {

using api::Value;

constexpr size_t kKeysPerUser = 2;

Result<RootCredentials> insert_account(catalog::Transaction& t, std::string_view account, std::string_view name,
                                       ByteView root, Clock& clock, Entropy& entropy) {
  COFFER_TRY(bool there, rows::account_exists(t, account));
  if (there) return Error{ErrorCode::kAlreadyExists, "account " + std::string(account) + " exists", {}};
  COFFER_CHECK_OK(
      t.run("INSERT INTO iam_accounts (id, name, created) VALUES ($1, $2, $3)", {account, name, clock.wall()}));
  rows::AccessKey key;
  key.id = new_id("AKIA", entropy);
  key.account = account;
  key.created = clock.wall();
  const Secret secret = new_secret_access_key(entropy);
  key.sealed_secret = seal_secret(root, key.id, secret, entropy);
  COFFER_CHECK_OK(rows::insert_access_key(t, key));
  COFFER_CHECK_OK(rows::changed(t));
  return RootCredentials{key.id, std::string(as_text(secret.view()))};
}

/// The user whose key an operation is about; nothing: the root's.
Result<std::optional<rows::Entity>> key_owner(const Request& r) {
  if (!r.input().has("UserName") && r.operation.call.caller.kind == api::Caller::Kind::kRoot)
    return std::optional<rows::Entity>();
  COFFER_TRY(rows::Entity user, user_or_self(r));
  return std::optional(std::move(user));
}
std::string owner_name(const std::optional<rows::Entity>& owner) { return owner ? owner->name : "root"; }

Result<rows::AccessKey> key_named(const Request& r, const std::optional<rows::Entity>& owner) {
  COFFER_TRY(auto key, rows::find_access_key(r.t(), r.text("AccessKeyId")));
  if (!key || key->account != r.account() || key->user_id != (owner ? owner->id : ""))
    return api::fault(ErrorCode::kNotFound, "NoSuchEntity",
                      "The Access Key with id " + r.text("AccessKeyId") + " cannot be found");
  return std::move(*key);
}

Result<Value> policy_details(const Request& r, const rows::Entity& e) {
  COFFER_TRY(auto names, rows::inline_names(r.t(), e.id));
  api::List list;
  for (const std::string& name : names) {
    COFFER_TRY(auto document, rows::inline_policy(r.t(), e.id, name));
    list.push_back(Value::object({{"PolicyName", name}, {"PolicyDocument", document.value_or("")}}));
  }
  return Value(std::move(list));
}

Result<Value> attached_details(const Request& r, const rows::Entity& e) {
  COFFER_TRY(auto arns, rows::attached(r.t(), e.id));
  api::List list;
  for (const std::string& arn : arns)
    list.push_back(Value::object({{"PolicyName", arn.substr(arn.rfind('/') + 1)}, {"PolicyArn", arn}}));
  return Value(std::move(list));
}

}  // namespace

Result<RootCredentials> create_account(catalog::Transaction& t, std::string_view account, std::string_view name,
                                       ByteView root, Clock& clock, Entropy& entropy) {
  return insert_account(t, account, name, root, clock, entropy);
}

Status create_member_account(catalog::Transaction& t, std::string_view account, std::string_view name,
                             std::string_view role_name, std::string_view management_account, ByteView root,
                             Clock& clock, Entropy& entropy) {
  COFFER_TRY(RootCredentials unused, insert_account(t, account, name, root, clock, entropy));
  wipe({reinterpret_cast<std::byte*>(unused.secret_access_key.data()), unused.secret_access_key.size()});
  rows::Entity role;
  role.kind = rows::Kind::kRole;
  role.account = account;
  role.name = role_name.empty() ? "OrganizationAccountAccessRole" : std::string(role_name);
  role.id = new_id("AROA", entropy, 17);
  role.created = clock.wall();
  role.trust = role.trust_resolved =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::)" +
      std::string(management_account) + R"(:root"},"Action":"sts:AssumeRole"}]})";
  COFFER_CHECK_OK(rows::insert(t, role));
  COFFER_CHECK_OK(rows::attach(t, role.id, "arn:aws:iam::aws:policy/AdministratorAccess"));
  return rows::changed(t);
}

Result<std::vector<Account>> list_accounts(catalog::Transaction& t) {
  COFFER_TRY(auto rows, t.run("SELECT id, name, created FROM iam_accounts ORDER BY id"));
  std::vector<Account> all;
  for (const auto& row : rows) all.push_back({row.text(0), row.text(1), row.time(2)});
  return all;
}

Result<Value> create_access_key(const Request& r) {
  COFFER_TRY(auto owner, key_owner(r));
  rows::AccessKey key;
  key.account = r.account();
  key.user_id = owner ? owner->id : "";
  COFFER_TRY(auto there, rows::access_keys_of(r.t(), key.account, key.user_id));
  if (there.size() >= kKeysPerUser)
    return api::fault(ErrorCode::kResourceExhausted, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2");
  key.id = new_id("AKIA", r.setting.entropy);
  key.created = r.now();
  const Secret secret = new_secret_access_key(r.setting.entropy);
  key.sealed_secret = seal_secret(r.setting.root, key.id, secret, r.setting.entropy);
  COFFER_CHECK_OK(rows::insert_access_key(r.t(), key));
  return Value::object({{"AccessKey", Value::object({{"UserName", owner_name(owner)},
                                                     {"AccessKeyId", key.id},
                                                     {"Status", "Active"},
                                                     {"SecretAccessKey", as_text(secret.view())},
                                                     {"CreateDate", key.created}})}});
}

Result<Value> list_access_keys(const Request& r) {
  COFFER_TRY(auto owner, key_owner(r));
  COFFER_TRY(auto keys, rows::access_keys_of(r.t(), r.account(), owner ? owner->id : ""));
  std::vector<std::pair<std::string, Value>> all;
  for (const auto& key : keys) {
    all.emplace_back(key.id, Value::object({{"UserName", owner_name(owner)},
                                            {"AccessKeyId", key.id},
                                            {"Status", key.active ? "Active" : "Inactive"},
                                            {"CreateDate", key.created}}));
  }
  return page_of(r, "AccessKeyMetadata", all);
}

Result<Value> update_access_key(const Request& r) {
  COFFER_TRY(auto owner, key_owner(r));
  COFFER_TRY(auto key, key_named(r, owner));
  if (r.text("Status") == "Expired")
    return api::fault(ErrorCode::kInvalidArgument, "InvalidInput", "A key is set to Active or Inactive.");
  COFFER_CHECK_OK(rows::set_access_key_active(r.t(), key.id, r.text("Status") == "Active"));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

Result<Value> delete_access_key(const Request& r) {
  COFFER_TRY(auto owner, key_owner(r));
  COFFER_TRY(auto key, key_named(r, owner));
  COFFER_CHECK_OK(rows::remove_access_key(r.t(), key.id));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

Result<Value> access_key_last_used(const Request& r) {
  COFFER_TRY(auto key, rows::find_access_key(r.t(), r.text("AccessKeyId")));
  if (!key || key->account != r.account())
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied",
                      "The access key " + r.text("AccessKeyId") + " is not of this account.");
  Value used = Value::object({{"ServiceName", key->last_used ? key->last_service : "N/A"},
                              {"Region", key->last_used ? key->last_region : "N/A"}});
  if (key->last_used) used.set("LastUsedDate", *key->last_used);
  Value output = Value::object({{"AccessKeyLastUsed", used}});
  if (!key->user_id.empty()) {
    COFFER_TRY(auto user, rows::find_by_id(r.t(), key->user_id));
    if (user) output.set("UserName", user->name);
  }
  return output;
}

Result<Value> create_account_alias(const Request& r) {
  const std::string alias = r.text("AccountAlias");
  COFFER_TRY(auto taken, r.t().first("SELECT id FROM iam_accounts WHERE alias = $1", {alias}));
  if (taken)
    return api::fault(ErrorCode::kAlreadyExists, "EntityAlreadyExists",
                      "The account alias " + alias + " already exists.");
  COFFER_CHECK_OK(r.t().run("UPDATE iam_accounts SET alias = $2 WHERE id = $1", {r.account(), alias}));
  return Value::object();
}

Result<Value> list_account_aliases(const Request& r) {
  COFFER_TRY(auto row, r.t().first("SELECT alias FROM iam_accounts WHERE id = $1", {r.account()}));
  api::List aliases;
  if (row && !row->is_null(0)) aliases.emplace_back(row->text(0));
  return Value::object({{"AccountAliases", std::move(aliases)}, {"IsTruncated", false}});
}

Result<Value> delete_account_alias(const Request& r) {
  COFFER_TRY(auto row, r.t().first("SELECT alias FROM iam_accounts WHERE id = $1", {r.account()}));
  if (!row || row->text(0) != r.text("AccountAlias"))
    return api::fault(ErrorCode::kNotFound, "NoSuchEntity",
                      "The account alias " + r.text("AccountAlias") + " does not exist.");
  COFFER_CHECK_OK(r.t().run("UPDATE iam_accounts SET alias = NULL WHERE id = $1", {r.account()}));
  return Value::object();
}

Result<Value> account_summary(const Request& r) {
  COFFER_TRY(int64_t users, rows::count(r.t(), rows::Kind::kUser, r.account()));
  COFFER_TRY(int64_t groups, rows::count(r.t(), rows::Kind::kGroup, r.account()));
  COFFER_TRY(int64_t roles, rows::count(r.t(), rows::Kind::kRole, r.account()));
  COFFER_TRY(auto policies, rows::list_policies(r.t(), r.account()));
  COFFER_TRY(auto keys, rows::access_keys_of(r.t(), r.account(), ""));
  Value map = Value::object({{"Users", users},
                             {"UsersQuota", 5000},
                             {"Groups", groups},
                             {"GroupsQuota", 300},
                             {"Roles", roles},
                             {"RolesQuota", 1000},
                             {"Policies", static_cast<int64_t>(policies.size())},
                             {"PoliciesQuota", 1500},
                             {"PolicySizeQuota", 6144},
                             {"VersionsPerPolicyQuota", 5},
                             {"AccessKeysPerUserQuota", 2},
                             {"GroupsPerUserQuota", 10},
                             {"UserPolicySizeQuota", 2048},
                             {"GroupPolicySizeQuota", 5120},
                             {"AssumeRolePolicySizeQuota", 4096},
                             {"AttachedPoliciesPerUserQuota", 10},
                             {"AttachedPoliciesPerGroupQuota", 10},
                             {"AttachedPoliciesPerRoleQuota", 10},
                             {"AccountAccessKeysPresent", static_cast<int64_t>(keys.size())},
                             {"AccountMFAEnabled", 0},
                             {"MFADevices", 0},
                             {"MFADevicesInUse", 0}});
  return Value::object({{"SummaryMap", map}});
}

Result<Value> account_authorization_details(const Request& r) {
  const auto filter = r.input().texts("Filter");
  const auto wanted = [&](std::string_view kind) {
    return filter.empty() || std::find(filter.begin(), filter.end(), kind) != filter.end();
  };
  // One page over all kinds: an item's key says its kind.
  std::vector<std::pair<std::string, Value>> all;
  for (auto [kind, name] :
       {std::pair{rows::Kind::kUser, "User"}, {rows::Kind::kGroup, "Group"}, {rows::Kind::kRole, "Role"}}) {
    if (!wanted(name)) continue;
    COFFER_TRY(auto entities, rows::list(r.t(), kind, r.account(), "/", "", 100'000));
    for (const rows::Entity& e : entities) {
      COFFER_TRY(Value value, described(r, e, true));
      COFFER_TRY(Value inlines, policy_details(r, e));
      COFFER_TRY(Value attached, attached_details(r, e));
      value.set(std::string(name) + "PolicyList", inlines).set("AttachedManagedPolicies", attached);
      value.set("Description", Value()).set("MaxSessionDuration", Value());
      if (kind == rows::Kind::kUser) {
        COFFER_TRY(auto groups, rows::groups_of(r.t(), e.id));
        api::List names;
        for (const auto& group : groups) names.emplace_back(group.name);
        value.set("GroupList", std::move(names));
      }
      if (kind == rows::Kind::kRole) value.set("InstanceProfileList", api::List{});
      all.emplace_back(std::string(name) + "/" + rows::lower(e.name), std::move(value));
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (wanted("LocalManagedPolicy")) {
    COFFER_TRY(auto policies, rows::list_policies(r.t(), r.account()));
    for (const auto& p : policies) {
      COFFER_TRY(auto versions, rows::versions(r.t(), p.arn));
      COFFER_TRY(auto attached, rows::attached_to(r.t(), r.account(), p.arn));
      api::List list;
      for (const auto& v : versions)
        list.push_back(Value::object({{"VersionId", "v" + std::to_string(v.number)},
                                      {"Document", v.document},
                                      {"IsDefaultVersion", v.number == p.default_version},
                                      {"CreateDate", v.created}}));
      all.emplace_back("policy/" + rows::lower(p.name),
                       Value::object({{"PolicyName", p.name},
                                      {"PolicyId", p.id},
                                      {"Arn", p.arn},
                                      {"Path", p.path},
                                      {"DefaultVersionId", "v" + std::to_string(p.default_version)},
                                      {"AttachmentCount", static_cast<int64_t>(attached.size())},
                                      {"IsAttachable", true},
                                      {"CreateDate", p.created},
                                      {"UpdateDate", p.updated},
                                      {"PolicyVersionList", std::move(list)}}));
    }
  }
  COFFER_TRY(Value page, page_of(r, "All", all));
  api::List users, groups, roles, policies;
  for (const Value& item : page.list("All"))
    (item.has("UserName")    ? users
     : item.has("GroupName") ? groups
     : item.has("RoleName")  ? roles
                             : policies)
        .push_back(item);
  page.set("All", Value());
  page.set("UserDetailList", std::move(users)).set("GroupDetailList", std::move(groups));
  page.set("RoleDetailList", std::move(roles)).set("Policies", std::move(policies));
  return page;
}

}  // namespace coffer::iam
