// Access keys of users, and of an account's root user.
#include "services/iam/faults.h"
#include "services/iam/operations.h"
#include "services/iam/pages.h"
#include "services/iam/quotas.h"

namespace coffer::iam {

using api::Value;
using rows::AccessKey;
using rows::Entity;

namespace {

/// Whose keys an operation is about: a user's, or the root user's.
struct Owner {
  std::string id, name;  // id: as in the rows; empty: the root user
};

Result<Owner> owner_of(const Request& r) {
  if (!r.input().has("UserName") && r.caller().kind == api::Caller::Kind::kRoot) return Owner{"", "root"};
  COFFER_TRY(Entity user, user_or_self(r));
  return Owner{user.id, user.name};
}

Result<AccessKey> key_named(const Request& r, const Owner& owner) {
  const std::string id = r.text("AccessKeyId");
  COFFER_TRY(auto key, rows::find_access_key(r.t(), id));
  if (!key || key->account != r.account() || key->user_id != owner.id)
    return no_such_entity("The Access Key with id " + id + " cannot be found");
  return std::move(*key);
}

Value metadata(const AccessKey& key, const Owner& owner) {
  return Value::object({{"UserName", owner.name},
                        {"AccessKeyId", key.id},
                        {"Status", key.active ? "Active" : "Inactive"},
                        {"CreateDate", key.created}});
}

}  // namespace

Result<Value> create_access_key(const Request& r) {
  COFFER_TRY(Owner owner, owner_of(r));
  COFFER_TRY(auto there, rows::access_keys_of(r.t(), r.account(), owner.id));
  if (static_cast<int64_t>(there.size()) >= quotas::kAccessKeysPerUser)
    return quota_exceeded("AccessKeysPerUser", quotas::kAccessKeysPerUser);
  AccessKey key;
  key.id = new_id("AKIA", r.setting.entropy);
  key.account = r.account();
  key.user_id = owner.id;
  key.created = r.now();
  const Secret secret = new_secret_access_key(r.setting.entropy);
  key.sealed_secret = seal_secret(r.setting.root, key.id, secret, r.setting.entropy);
  COFFER_CHECK_OK(rows::insert_access_key(r.t(), key));
  Value shown = metadata(key, owner);
  shown.set("SecretAccessKey", as_text(secret.view()));  // once and never again
  return Value::object({{"AccessKey", std::move(shown)}});
}

Result<Value> list_access_keys(const Request& r) {
  COFFER_TRY(Owner owner, owner_of(r));
  COFFER_TRY(auto keys, rows::access_keys_of(r.t(), r.account(), owner.id));
  std::vector<PageItem> items;
  for (const AccessKey& key : keys)
    items.push_back({key.id, [key, owner]() -> Result<Value> { return metadata(key, owner); }});
  return page_of(r, "AccessKeyMetadata", std::move(items));
}

Result<Value> update_access_key(const Request& r) {
  COFFER_TRY(Owner owner, owner_of(r));
  COFFER_TRY(AccessKey key, key_named(r, owner));
  const std::string status = r.text("Status");
  if (status != "Active" && status != "Inactive")
    return invalid_input("The status of an access key can be set to Active and Inactive only.");
  COFFER_CHECK_OK(rows::set_access_key_active(r.t(), key.id, status == "Active"));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

Result<Value> delete_access_key(const Request& r) {
  COFFER_TRY(Owner owner, owner_of(r));
  COFFER_TRY(AccessKey key, key_named(r, owner));
  COFFER_CHECK_OK(rows::remove_access_key(r.t(), key.id));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

Result<Value> access_key_last_used(const Request& r) {
  const std::string id = r.text("AccessKeyId");
  COFFER_TRY(auto key, rows::find_access_key(r.t(), id));
  if (!key || key->account != r.account()) {
    // Whether another account has such a key is nobody's business here.
    return Error{ErrorCode::kPermissionDenied,
                 "User: " + r.caller().arn +
                     " is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key " + id,
                 {}};
  }
  AccessKeyUse use{key->last_service, key->last_region, key->last_used.value_or(WallTime{})};
  const auto noted = r.setting.authority.noted_use(id);  // what is not written yet
  if (noted && noted->at >= use.at) use = *noted;
  const bool used = noted || key->last_used;
  Value last = Value::object({{"ServiceName", used ? use.service : "N/A"}, {"Region", used ? use.region : "N/A"}});
  if (used) last.set("LastUsedDate", use.at);
  Value output = Value::object({{"AccessKeyLastUsed", std::move(last)}});
  if (!key->user_id.empty()) {
    COFFER_TRY(auto user, rows::find_by_id(r.t(), key->user_id));
    if (user) output.set("UserName", user->name);
  }
  return output;
}

}  // namespace coffer::iam
