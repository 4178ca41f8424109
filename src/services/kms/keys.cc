// Keys: making, describing, states, tags, policies, multi-Region replicas.
#include <algorithm>

#include "engine/crypto/digest.h"
#include "services/api/fault.h"
#include "services/kms/operations.h"
#include "services/kms/specs.h"

namespace coffer::kms {
namespace {

using api::Value;
using rows::Key;

Error unsupported(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "UnsupportedOperationException", std::move(message));
}
Error tag_error(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "TagException", std::move(message));
}

bool is_hmac(std::string_view spec) { return spec.starts_with("HMAC_"); }

Status check_tags(const Request& r, std::vector<rows::Tag>& tags) {
  for (const Value& tag : r.input().list("Tags")) {
    const std::string key(tag.text("TagKey"));
    if (key.starts_with("aws:")) return tag_error("Tags beginning with aws: are reserved.");
    if (std::any_of(tags.begin(), tags.end(), [&](const rows::Tag& other) { return other.key == key; }))
      return tag_error("Duplicate tag keys.");
    tags.push_back({key, std::string(tag.text("TagValue"))});
  }
  return tags.size() > 50 ? Status(tag_error("A key has at most 50 tags.")) : ok_status();
}

std::string new_key_id(const Request& r, bool multi_region) {
  return multi_region ? "mrk-" + to_hex(r.setting.entropy.array<16>()) : random_uuid(r.setting.entropy);
}

/// As a key is that was made for material of its owner, in one Region or in one more.
void await_import(Key& key) {
  key.state = "PendingImport";
  key.material = 0;
  key.valid_to.reset();
}

Status set_state(const Request& r, Key& key, std::string state) {
  key.state = std::move(state);
  return rows::update_key(r.t(), key);
}

}  // namespace

Result<Value> metadata(const Request& r, const Key& key) {
  Value value = Value::object({{"AWSAccountId", key.account},
                               {"KeyId", key.id},
                               {"Arn", key.arn()},
                               {"CreationDate", key.created},
                               {"Enabled", key.state == "Enabled"},
                               {"Description", key.description},
                               {"KeyUsage", key.usage},
                               {"KeyState", key.state},
                               {"Origin", key.origin},
                               {"KeyManager", key.manager},
                               {"CustomerMasterKeySpec", key.spec},
                               {"KeySpec", key.spec},
                               {"MultiRegion", key.multi_region()}});
  const Spec* spec = find_spec(key.spec);
  if (spec && key.usage == "ENCRYPT_DECRYPT")
    value.set("EncryptionAlgorithms", api::text_list(encryption_algorithms(*spec)));
  if (spec && key.usage == "SIGN_VERIFY") value.set("SigningAlgorithms", api::text_list(signing_algorithms(*spec)));
  if (spec && key.usage == "KEY_AGREEMENT") value.set("KeyAgreementAlgorithms", api::text_list({"ECDH"}));
  if (is_hmac(key.spec)) value.set("MacAlgorithms", api::text_list({"HMAC_SHA_" + key.spec.substr(5)}));
  if (key.deletion && key.state == "PendingDeletion") value.set("DeletionDate", *key.deletion);
  if (key.state == "PendingReplicaDeletion") value.set("PendingDeletionWindowInDays", key.pending_window_days);
  if (key.origin == "EXTERNAL" && key.material != 0) {
    value.set("ExpirationModel", key.valid_to ? "KEY_MATERIAL_EXPIRES" : "KEY_MATERIAL_DOES_NOT_EXPIRE");
    if (key.valid_to) value.set("ValidTo", *key.valid_to);
  }
  if (key.symmetric()) {
    COFFER_TRY(auto material, rows::material(r.t(), key.account, key.id, key.material));
    if (material) value.set("CurrentKeyMaterialId", material->digest);
  }
  if (key.multi_region()) {
    COFFER_TRY(auto all, rows::replicas(r.t(), key.account, key.id));
    Value primary;
    api::List replicas;
    for (const Key& one : all) {
      Value region = Value::object({{"Arn", one.arn()}, {"Region", one.region}});
      if (one.region == one.primary_region) {
        primary = region;
      } else {
        replicas.push_back(region);
      }
    }
    value.set("MultiRegionConfiguration",
              Value::object({{"MultiRegionKeyType", key.is_replica() ? "REPLICA" : "PRIMARY"},
                             {"PrimaryKey", primary},
                             {"ReplicaKeys", std::move(replicas)}}));
  }
  return value;
}

std::string requested_spec(const Request& r) {
  for (const char* member : {"KeySpec", "CustomerMasterKeySpec"}) {
    if (r.input().has(member)) return r.text(member);
  }
  return "SYMMETRIC_DEFAULT";
}

Result<Value> create_key(const Request& r) {
  const std::string old_spec = r.text("CustomerMasterKeySpec");
  Key key;
  key.spec = requested_spec(r);
  if (!old_spec.empty() && old_spec != key.spec)
    return api::fault(ErrorCode::kInvalidArgument, "ValidationException",
                      "You cannot specify KeySpec and CustomerMasterKeySpec in the same request.");
  const Spec* spec = find_spec(key.spec);
  if (!spec) return unsupported("The key spec " + key.spec + " is not supported here.");
  key.usage = r.input().has("KeyUsage") ? r.text("KeyUsage") : std::string(spec->default_usage());
  if (key.usage.empty())
    return api::fault(ErrorCode::kInvalidArgument, "ValidationException",
                      "You must specify a KeyUsage value for an asymmetric key.");
  if (r.input().has("CustomKeyStoreId") || r.input().has("XksKeyId"))
    return unsupported("This installation has no custom key stores.");
  if (r.input().has("Origin")) key.origin = r.text("Origin");
  if (key.origin != "AWS_KMS" && key.origin != "EXTERNAL")
    return unsupported("The origin " + key.origin + " is not supported here.");
  if (key.origin == "EXTERNAL" && !key.symmetric())
    return unsupported("Only symmetric keys take imported material here.");
  if (!spec->allows(key.usage))
    return api::fault(ErrorCode::kInvalidArgument, "ValidationException",
                      "KeyUsage " + key.usage + " is not compatible with KeySpec " + key.spec);
  key.account = r.account();
  key.region = r.call().region;
  const bool multi_region = r.input().flag("MultiRegion");
  key.id = new_key_id(r, multi_region);
  if (multi_region) key.primary_region = key.region;
  key.description = r.text("Description");
  key.created = r.now();
  key.policy = r.input().has("Policy") ? r.text("Policy") : default_key_policy(key.account);
  if (key.origin == "EXTERNAL") await_import(key);
  COFFER_CHECK_OK(check_key_policy(r, key, key.policy, r.input().flag("BypassPolicyLockoutSafetyCheck")));
  std::vector<rows::Tag> tags;
  COFFER_CHECK_OK(check_tags(r, tags));
  COFFER_CHECK_OK(rows::insert_key(r.t(), key));
  for (const auto& tag : tags) COFFER_CHECK_OK(rows::put_tag(r.t(), key, tag));
  if (key.origin == "AWS_KMS") {
    COFFER_TRY(Secret secret, generate_material(r, key.spec));
    COFFER_TRY(rows::Material material, make_material(r, key, 1, secret, ""));
    COFFER_CHECK_OK(rows::insert_material(r.t(), key.account, key.id, material));
  }
  COFFER_TRY(Value value, metadata(r, key));
  return Value::object({{"KeyMetadata", value}});
}

Result<Value> describe_key(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kAny));
  COFFER_TRY(Value value, metadata(r, key));
  return Value::object({{"KeyMetadata", value}});
}

Result<Value> list_keys(const Request& r) {
  const auto limit = r.input().integer("Limit").value_or(100);
  COFFER_TRY(std::string after, begin_of_page(r));
  COFFER_TRY(auto keys, rows::list_keys(r.t(), r.account(), r.call().region, after, limit + 1));
  api::List list;
  for (const Key& key : keys) {
    if (static_cast<int64_t>(list.size()) < limit)
      list.push_back(Value::object({{"KeyId", key.id}, {"KeyArn", key.arn()}}));
  }
  const bool more = static_cast<int64_t>(keys.size()) > limit;
  Value output = Value::object({{"Keys", std::move(list)}, {"Truncated", more}});
  if (more) output.set("NextMarker", marker_behind(r, keys[static_cast<size_t>(limit) - 1].id));
  return output;
}

Result<Value> enable_key(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_state(key, Needs::kEnabledOrDisabled));
  COFFER_CHECK_OK(set_state(r, key, "Enabled"));
  return Value();
}

Result<Value> disable_key(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_state(key, Needs::kEnabledOrDisabled));
  COFFER_CHECK_OK(set_state(r, key, "Disabled"));
  return Value();
}

Result<Value> update_key_description(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_state(key, Needs::kNotPending));
  key.description = r.text("Description");
  COFFER_CHECK_OK(rows::update_key(r.t(), key));
  return Value();
}

Result<Value> schedule_key_deletion(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_state(key, Needs::kNotPending));
  const int64_t days = r.input().integer("PendingWindowInDays").value_or(30);
  if (days < 7 || days > 30)
    return api::fault(ErrorCode::kInvalidArgument, "ValidationException",
                      "PendingWindowInDays must be between 7 and 30 days.");
  if (key.manager == "AWS") return unsupported("AWS managed keys cannot be deleted.");
  COFFER_TRY(auto all, rows::replicas(r.t(), key.account, key.id));
  const bool waits = !key.is_replica() && all.size() > 1;
  key.pending_window_days = days;
  key.deletion = waits ? std::nullopt : std::optional(r.now() + std::chrono::hours(24 * days));
  key.state = waits ? "PendingReplicaDeletion" : "PendingDeletion";
  COFFER_CHECK_OK(rows::update_key(r.t(), key));
  Value output = Value::object({{"KeyId", key.arn()}, {"KeyState", key.state}, {"PendingWindowInDays", days}});
  if (key.deletion) output.set("DeletionDate", *key.deletion);
  return output;
}

Result<Value> cancel_key_deletion(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_state(key, Needs::kPendingDeletion));
  key.deletion.reset();
  key.pending_window_days = 0;
  COFFER_CHECK_OK(set_state(r, key, key.material == 0 ? "PendingImport" : "Disabled"));
  return Value::object({{"KeyId", key.arn()}});
}

Result<Value> tag_resource(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_state(key, Needs::kNotPending));
  std::vector<rows::Tag> tags;
  COFFER_CHECK_OK(check_tags(r, tags));
  for (const auto& tag : tags) COFFER_CHECK_OK(rows::put_tag(r.t(), key, tag));
  COFFER_TRY(auto all, rows::tags(r.t(), key));
  if (all.size() > 50) return tag_error("A key has at most 50 tags.");
  return Value();
}

Result<Value> untag_resource(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_state(key, Needs::kNotPending));
  for (const std::string& name : r.input().texts("TagKeys")) COFFER_CHECK_OK(rows::remove_tag(r.t(), key, name));
  return Value();
}

Result<Value> list_resource_tags(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_TRY(std::string after, begin_of_page(r));
  const auto limit = static_cast<size_t>(r.input().integer("Limit").value_or(50));
  COFFER_TRY(auto tags, rows::tags(r.t(), key));
  api::List list;
  std::string last;
  bool more = false;
  for (const auto& tag : tags) {
    if (tag.key <= after) continue;
    if (list.size() == limit) {
      more = true;
      break;
    }
    list.push_back(Value::object({{"TagKey", tag.key}, {"TagValue", tag.value}}));
    last = tag.key;
  }
  Value output = Value::object({{"Tags", std::move(list)}, {"Truncated", more}});
  if (more) output.set("NextMarker", marker_behind(r, last));
  return output;
}

Result<Value> get_key_policy(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  if (r.input().has("PolicyName") && r.text("PolicyName") != "default")
    return api::fault(ErrorCode::kNotFound, "NotFoundException", "No such policy exists");
  return Value::object({{"Policy", key.policy}, {"PolicyName", "default"}});
}

Result<Value> put_key_policy(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  if (r.input().has("PolicyName") && r.text("PolicyName") != "default")
    return api::fault(ErrorCode::kInvalidArgument, "ValidationException", "The only valid policy name is default.");
  if (key.manager == "AWS") return unsupported("The policy of an AWS managed key cannot be changed.");
  COFFER_CHECK_OK(check_key_policy(r, key, r.input().text("Policy"), r.input().flag("BypassPolicyLockoutSafetyCheck")));
  key.policy = r.text("Policy");
  COFFER_CHECK_OK(rows::update_key(r.t(), key));
  return Value();
}

Result<Value> list_key_policies(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  // There is one page, so no marker was ever given; the model has no name for a wrong one here.
  if (r.input().has("Marker"))
    return api::fault(ErrorCode::kInvalidArgument, "ValidationException", "The marker does not belong to this list.");
  return Value::object({{"PolicyNames", api::text_list({"default"})}, {"Truncated", false}});
}

Result<Value> replicate_key(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_state(key, Needs::kUsable));
  if (!key.multi_region() || key.is_replica()) return unsupported(key.arn() + " is not a multi-Region primary key.");
  const std::string region = r.text("ReplicaRegion");
  const auto& regions = r.setting.options.regions;
  if (std::find(regions.begin(), regions.end(), region) == regions.end())
    return unsupported("This installation has no Region " + region + ".");
  Key replica = key;
  replica.region = region;
  replica.created = r.now();
  if (replica.origin == "EXTERNAL") await_import(replica);
  replica.description = r.text("Description");
  replica.policy = r.input().has("Policy") ? r.text("Policy") : default_key_policy(key.account);
  COFFER_TRY(auto taken, rows::find_key(r.t(), key.account, region, key.id));
  if (taken) return api::fault(ErrorCode::kAlreadyExists, "AlreadyExistsException", replica.arn() + " already exists.");
  COFFER_CHECK_OK(check_key_policy(r, replica, replica.policy, r.input().flag("BypassPolicyLockoutSafetyCheck")));
  std::vector<rows::Tag> tags;
  COFFER_CHECK_OK(check_tags(r, tags));
  COFFER_CHECK_OK(rows::insert_key(r.t(), replica));
  for (const auto& tag : tags) COFFER_CHECK_OK(rows::put_tag(r.t(), replica, tag));
  COFFER_TRY(Value value, metadata(r, replica));
  return Value::object({{"ReplicaKeyMetadata", value},
                        {"ReplicaPolicy", replica.policy},
                        {"ReplicaTags", Value(r.input().list("Tags"))}});
}

Result<Key> next_primary(const Request& r, const Key& primary) {
  const std::string region = r.text("PrimaryRegion");
  if (!primary.multi_region() || primary.is_replica() || region == primary.region)
    return unsupported("The primary Region moves from a multi-Region primary key to one of its replicas.");
  COFFER_TRY(auto replica, rows::find_key(r.t(), primary.account, region, primary.id));
  if (replica) return std::move(*replica);
  return api::fault(ErrorCode::kNotFound, "NotFoundException", primary.arn() + " has no replica in " + region + ".");
}

Result<Value> update_primary_region(const Request& r) {
  COFFER_TRY(const Key primary, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_state(primary, Needs::kUsable));
  COFFER_TRY(const Key next, next_primary(r, primary));
  COFFER_CHECK_OK(check_state(next, Needs::kUsable));
  // One transaction moves all of them, so none is ever seen Updating.
  COFFER_TRY(auto all, rows::replicas(r.t(), primary.account, primary.id));
  for (Key& one : all) {
    one.primary_region = next.region;
    COFFER_CHECK_OK(rows::update_key(r.t(), one));
  }
  return Value();
}

}  // namespace coffer::kms
