// The table of KMS's operations.
#include "services/api/fault.h"
#include "services/kms/operations.h"

namespace coffer::kms {
namespace {

using api::AccessRequest;
using Requests = std::vector<AccessRequest>;

/// Decided by IAM policies alone: there is no key yet, or none at all.
template <const char* kName>
Result<Requests> without_key(const Request&) {
  AccessRequest request;
  request.action = kName;
  return Requests{std::move(request)};
}

Result<Requests> on_key(const Request& r, Naming naming, std::string_view grant_operation, bool foreign_too,
                        const std::map<std::string, std::string>& context, api::ConditionKeys more = {}) {
  COFFER_TRY(rows::Key key, key_of(r, naming));
  if (!foreign_too) COFFER_CHECK_OK(check_own(r, key));
  COFFER_TRY(AccessRequest request,
             access_to_key(r, key, "kms:" + r.call().operation, grant_operation, context, std::move(more)));
  return Requests{std::move(request)};
}

void add_tags(const Request& r, api::ConditionKeys& conditions) {
  std::vector<std::string> keys = r.input().texts("TagKeys");
  for (const api::Value& tag : r.input().list("Tags")) {
    keys.emplace_back(tag.text("TagKey"));
    conditions.emplace_back("aws:RequestTag/" + keys.back(),
                            std::vector<std::string>{std::string(tag.text("TagValue"))});
  }
  if (!keys.empty()) conditions.emplace_back("aws:TagKeys", std::move(keys));
}

/// A key that is made with tags needs the permission to tag; it has no policy yet that could give it.
void add_tagging(const Request& r, Requests& requests) {
  if (r.input().list("Tags").empty()) return;
  AccessRequest request;
  request.action = "kms:TagResource";
  request.resource = "arn:aws:kms:" + r.call().region + ":" + r.account() + ":key/*";
  add_tags(r, request.conditions);
  requests.push_back(std::move(request));
}

/// Management of a key of the own account.
Result<Requests> manage(const Request& r) {
  api::ConditionKeys more;
  if (const auto days = r.input().integer("PendingWindowInDays"))
    more.emplace_back("kms:ScheduleKeyDeletionPendingWindowInDays", std::vector<std::string>{std::to_string(*days)});
  if (const auto days = r.input().integer("RotationPeriodInDays"))
    more.emplace_back("kms:RotationPeriodInDays", std::vector<std::string>{std::to_string(*days)});
  if (r.input().has("BypassPolicyLockoutSafetyCheck"))
    more.emplace_back("kms:BypassPolicyLockoutSafetyCheck",
                      std::vector<std::string>{r.input().flag("BypassPolicyLockoutSafetyCheck") ? "true" : "false"});
  add_tags(r, more);
  if (r.input().has("ReplicaRegion"))
    more.emplace_back("kms:ReplicaRegion", std::vector<std::string>{r.text("ReplicaRegion")});
  return on_key(r, Naming::kNoAlias, "", false, {}, std::move(more));
}
/// On the primary key; and the replica is a new key.
Result<Requests> replicate(const Request& r) {
  COFFER_TRY(Requests requests, manage(r));
  AccessRequest create;
  create.action = "kms:CreateKey";
  create.conditions = requests.front().conditions;
  requests.push_back(std::move(create));
  add_tagging(r, requests);
  return requests;
}

/// On the old primary key and on the new one.
Result<Requests> move_primary(const Request& r) {
  const api::ConditionKeys region{{"kms:PrimaryRegion", {r.text("PrimaryRegion")}}};
  COFFER_TRY(Requests requests, on_key(r, Naming::kNoAlias, "", false, {}, region));
  COFFER_TRY(const rows::Key primary, key_of(r, Naming::kNoAlias));
  COFFER_TRY(const rows::Key next, next_primary(r, primary));
  COFFER_TRY(AccessRequest request, access_to_key(r, next, "kms:UpdatePrimaryRegion", "", {}, region));
  requests.push_back(std::move(request));
  return requests;
}
Result<Requests> look_at(const Request& r) { return on_key(r, Naming::kAny, "DescribeKey", true, {}); }
Result<Requests> rotation_status(const Request& r) { return on_key(r, Naming::kNoAlias, "", true, {}); }

/// Use of a key: grants count, other accounts may.
Result<Requests> use(const Request& r) {
  api::ConditionKeys more;
  for (const auto& [member, key] : {std::pair{"EncryptionAlgorithm", "kms:EncryptionAlgorithm"},
                                    {"SigningAlgorithm", "kms:SigningAlgorithm"},
                                    {"MacAlgorithm", "kms:MacAlgorithm"},
                                    {"MessageType", "kms:MessageType"},
                                    {"KeyPairSpec", "kms:DataKeyPairSpec"},
                                    {"KeyAgreementAlgorithm", "kms:KeyAgreementAlgorithm"}}) {
    if (r.input().has(member)) more.emplace_back(key, std::vector<std::string>{r.text(member)});
  }
  if (r.call().operation == "Encrypt" && !r.input().has("EncryptionAlgorithm"))
    more.emplace_back("kms:EncryptionAlgorithm", std::vector<std::string>{"SYMMETRIC_DEFAULT"});
  return on_key(r, Naming::kAny, r.call().operation, true, r.input().text_map("EncryptionContext"), std::move(more));
}

std::string algorithm(const Request& r, std::string_view member) {
  return r.input().has(member) ? r.text(member) : "SYMMETRIC_DEFAULT";
}

Result<Requests> use_to_decrypt(const Request& r) {
  const std::string name = algorithm(r, "EncryptionAlgorithm");
  COFFER_TRY(rows::Key key, decrypting_key(r, "CiphertextBlob", "KeyId", name));
  COFFER_TRY(AccessRequest request,
             access_to_key(r, key, "kms:Decrypt", "Decrypt", r.input().text_map("EncryptionContext"),
                           {{"kms:EncryptionAlgorithm", {name}}}));
  return Requests{std::move(request)};
}

Result<Requests> use_to_re_encrypt(const Request& r) {
  COFFER_TRY(rows::Key source,
             decrypting_key(r, "CiphertextBlob", "SourceKeyId", algorithm(r, "SourceEncryptionAlgorithm")));
  COFFER_TRY(rows::Key destination, key_of(r, Naming::kAny, "DestinationKeyId"));
  const std::string same = source.id == destination.id && source.account == destination.account ? "true" : "false";
  COFFER_TRY(AccessRequest from,
             access_to_key(r, source, "kms:ReEncryptFrom", "ReEncryptFrom",
                           r.input().text_map("SourceEncryptionContext"), {{"kms:ReEncryptOnSameKey", {same}}}));
  COFFER_TRY(AccessRequest to,
             access_to_key(r, destination, "kms:ReEncryptTo", "ReEncryptTo",
                           r.input().text_map("DestinationEncryptionContext"), {{"kms:ReEncryptOnSameKey", {same}}}));
  return Requests{std::move(from), std::move(to)};
}

/// kms:GrantIsForAWSResource: only a service of this installation that acts for the user makes it true; no header can.
std::string for_aws_resource(const Request& r) {
  return !r.call().via_service.empty() || r.call().caller.kind == api::Caller::Kind::kService ? "true" : "false";
}

Result<Requests> make_grant(const Request& r) {
  api::ConditionKeys more{{"kms:GrantIsForAWSResource", {for_aws_resource(r)}},
                          {"kms:GranteePrincipal", {r.text("GranteePrincipal")}},
                          {"kms:GrantOperations", r.input().texts("Operations")}};
  if (r.input().has("RetiringPrincipal"))
    more.emplace_back("kms:RetiringPrincipal", std::vector<std::string>{r.text("RetiringPrincipal")});
  std::map<std::string, std::string> context;
  if (const api::Value* constraints = r.input().find("Constraints")) {
    for (const char* kind : {"EncryptionContextEquals", "EncryptionContextSubset"}) {
      if (!constraints->has(kind)) continue;
      more.emplace_back("kms:GrantConstraintType", std::vector<std::string>{kind});
      context = constraints->text_map(kind);
    }
  }
  return on_key(r, Naming::kNoAlias, "CreateGrant", true, context, std::move(more));
}
Result<Requests> look_at_grants(const Request& r) {
  return on_key(r, Naming::kNoAlias, "", true, {}, {{"kms:GrantIsForAWSResource", {for_aws_resource(r)}}});
}

std::string alias_arn(const Request& r) {
  return "arn:aws:kms:" + r.call().region + ":" + r.account() + ":" + r.text("AliasName");
}

/// On the alias by IAM policies, and on its key by the key policy.
Result<Requests> change_alias(const Request& r) {
  AccessRequest on_alias;
  on_alias.action = "kms:" + r.call().operation;
  on_alias.resource = alias_arn(r);
  Requests requests{std::move(on_alias)};
  const auto add = [&](const rows::Key& key) -> Status {
    COFFER_TRY(AccessRequest request, access_to_key(r, key, "kms:" + r.call().operation, "", {}));
    requests.push_back(std::move(request));
    return ok_status();
  };
  if (r.call().operation != "CreateAlias") {
    COFFER_TRY(auto alias, rows::find_alias(r.t(), r.account(), r.call().region, r.text("AliasName")));
    if (alias) {
      COFFER_TRY(auto key, rows::find_key(r.t(), alias->account, alias->region, alias->key_id));
      if (key) COFFER_CHECK_OK(add(*key));
    }
  }
  if (r.input().has("TargetKeyId")) {
    COFFER_TRY(rows::Key key, key_of(r, Naming::kNoAlias, "TargetKeyId"));
    COFFER_CHECK_OK(add(key));
  }
  return requests;
}

/// RetireGrant is decided by the grant: its retiring principal may, its grantee when the grant says so, and those whom
/// the account lets that issued it or is named in it. Key policies have no say.
Result<Requests> by_the_grant(const Request& r) {
  COFFER_TRY(const rows::Grant grant, grant_to_retire(r));
  const api::Caller& caller = r.call().caller;
  const std::string account = "arn:aws:iam::" + caller.account + ":root";
  const bool by_itself = grant.allows("RetireGrant");
  const auto is_caller = [&](const std::string& principal, const std::string& id) {
    return is_principal_of_grant(caller, principal, id, caller.account);
  };
  AccessRequest request;
  request.action = "kms:RetireGrant";
  request.resource = "arn:aws:kms:" + grant.region + ":" + grant.account + ":key/" + grant.key_id;
  request.granted =
      is_caller(grant.retiring, grant.retiring_id) || (by_itself && is_caller(grant.grantee, grant.grantee_id));
  // Where the account may retire it, the account's IAM policies decide; nobody else is left.
  request.resource_policy_required =
      grant.issuing_account != caller.account && grant.retiring != account && !(by_itself && grant.grantee == account);
  return Requests{std::move(request)};
}

Result<Requests> create(const Request& r) {
  AccessRequest request;
  request.action = "kms:CreateKey";
  const std::string spec = requested_spec(r);
  request.conditions = {
      {"kms:KeySpec", {spec}},
      {"kms:KeyUsage", {r.input().has("KeyUsage") ? r.text("KeyUsage") : "ENCRYPT_DECRYPT"}},
      {"kms:KeyOrigin", {r.input().has("Origin") ? r.text("Origin") : "AWS_KMS"}},
      {"kms:MultiRegion", {r.input().flag("MultiRegion") ? "true" : "false"}},
      {"kms:BypassPolicyLockoutSafetyCheck", {r.input().flag("BypassPolicyLockoutSafetyCheck") ? "true" : "false"}}};
  add_tags(r, request.conditions);
  Requests requests{std::move(request)};
  add_tagging(r, requests);
  return requests;
}

constexpr char kListKeys[] = "kms:ListKeys", kListAliases[] = "kms:ListAliases",
               kGenerateRandom[] = "kms:GenerateRandom", kListRetirableGrants[] = "kms:ListRetirableGrants";

constexpr api::Entry<Request> kEntries[] = {
    {"CreateKey", true, create, create_key},
    {"CreateAwsManagedKey", true, only_for_services, create_aws_managed_key},
    {"DescribeKey", false, look_at, describe_key},
    {"ListKeys", false, without_key<kListKeys>, list_keys},
    {"EnableKey", true, manage, enable_key},
    {"DisableKey", true, manage, disable_key},
    {"UpdateKeyDescription", true, manage, update_key_description},
    {"ScheduleKeyDeletion", true, manage, schedule_key_deletion},
    {"CancelKeyDeletion", true, manage, cancel_key_deletion},
    {"TagResource", true, manage, tag_resource},
    {"UntagResource", true, manage, untag_resource},
    {"ListResourceTags", false, manage, list_resource_tags},
    {"GetKeyPolicy", false, manage, get_key_policy},
    {"PutKeyPolicy", true, manage, put_key_policy},
    {"ListKeyPolicies", false, manage, list_key_policies},
    {"CreateAlias", true, change_alias, create_alias},
    {"UpdateAlias", true, change_alias, update_alias},
    {"DeleteAlias", true, change_alias, delete_alias},
    {"ListAliases", false, without_key<kListAliases>, list_aliases},
    {"CreateGrant", true, make_grant, create_grant},
    {"ListGrants", false, look_at_grants, list_grants},
    {"ListRetirableGrants", false, without_key<kListRetirableGrants>, list_retirable_grants},
    {"RetireGrant", true, by_the_grant, retire_grant},
    {"RevokeGrant", true, look_at_grants, revoke_grant},
    {"Encrypt", false, use, encrypt},
    {"Decrypt", false, use_to_decrypt, decrypt},
    {"ReEncrypt", false, use_to_re_encrypt, re_encrypt},
    {"GenerateDataKey", false, use, generate_data_key},
    {"GenerateDataKeyWithoutPlaintext", false, use, generate_data_key_without_plaintext},
    {"GenerateDataKeyPair", false, use, generate_data_key_pair},
    {"GenerateDataKeyPairWithoutPlaintext", false, use, generate_data_key_pair_without_plaintext},
    {"GenerateRandom", false, without_key<kGenerateRandom>, generate_random},
    {"Sign", false, use, sign},
    {"Verify", false, use, verify},
    {"GetPublicKey", false, use, get_public_key},
    {"DeriveSharedSecret", false, use, derive_shared_secret},
    {"GenerateMac", false, use, generate_mac},
    {"VerifyMac", false, use, verify_mac},
    {"EnableKeyRotation", true, manage, enable_key_rotation},
    {"DisableKeyRotation", true, manage, disable_key_rotation},
    {"GetKeyRotationStatus", false, rotation_status, get_key_rotation_status},
    {"ListKeyRotations", false, manage, list_key_rotations},
    {"RotateKeyOnDemand", true, manage, rotate_key_on_demand},
    {"ReplicateKey", true, replicate, replicate_key},
    {"UpdatePrimaryRegion", true, move_primary, update_primary_region},
    {"GetKeyLastUsage", false, manage, get_key_last_usage},
    {"GetParametersForImport", false, manage, get_parameters_for_import},
    {"ImportKeyMaterial", true, manage, import_key_material},
    {"DeleteImportedKeyMaterial", true, manage, delete_imported_key_material},
};

/// Those whose time does not grow with the key, when it is a symmetric one.
bool is_brief(std::string_view operation) {
  for (std::string_view known : {"Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
                                 "GenerateRandom", "GenerateMac", "VerifyMac"}) {
    if (operation == known) return true;
  }
  return false;
}

/// An RSA key would take milliseconds.
bool without_key_pair(const api::Value& input) {
  return !input.has("EncryptionAlgorithm") || input.text("EncryptionAlgorithm") == "SYMMETRIC_DEFAULT";
}

class KeyService final : public Service {
 public:
  KeyService(catalog::Database& database, iam::Authority& authority, Secret root, Clock& clock, Entropy& entropy,
             Options options)
      : database_(database),
        root_(std::move(root)),
        materials_(root_.view(), clock),
        keys_(database, clock),
        setting_{authority, root_.view(), clock, entropy, std::move(options), materials_, keys_} {}

  api::ServiceTable actions() override {
    api::ServiceTable table = api::table_of<Request>("kms", kEntries, setting_);
    for (api::Action& action : table.actions) {
      if (is_brief(action.operation)) action.brief = without_key_pair;
    }
    return table;
  }

  Status run_due(const Context& context, WallTime now) override {
    materials_.forget_old();
    return catalog::in_transaction(database_, context, [&](catalog::Transaction& t) -> Status {
      COFFER_TRY(auto due, rows::due(t, now));
      for (rows::Key& key : due) COFFER_CHECK_OK(settle(context, t, key, now));
      return ok_status();
    });
  }

 private:
  Status settle(const Context& context, catalog::Transaction& t, rows::Key key, WallTime now) {
    if (key.deletion && *key.deletion <= now) {
      COFFER_CHECK_OK(rows::remove_key(t, key));
      materials_.forget(key);
      // The primary of a multi-Region key waited for its last replica; its own window begins now.
      COFFER_TRY(auto left, rows::replicas(t, key.account, key.id));
      if (left.size() == 1 && left[0].state == "PendingReplicaDeletion") {
        left[0].state = "PendingDeletion";
        left[0].deletion = now + std::chrono::hours(24 * left[0].pending_window_days);
        COFFER_CHECK_OK(rows::update_key(t, left[0]));
      }
      return ok_status();
    }
    if (key.valid_to && *key.valid_to <= now) return drop_imported_material(t, materials_, key);
    // A replica turns with its primary; a disabled key when it is enabled again.
    if (!key.rotates || !key.next_rotation || *key.next_rotation > now || key.state != "Enabled" || key.is_replica())
      return ok_status();
    api::Call call;
    call.context = context;
    call.time = now;
    const api::Value nothing;
    return rotate(Request{setting_, api::Operation{call, nothing, t}}, key, "AUTOMATIC");
  }

  catalog::Database& database_;
  Secret root_;
  MaterialCache materials_;
  KeyCache keys_;
  Setting setting_;
};

class KmsSlot final : public crypto::SlotKey {
 public:
  KmsSlot(KeyClient& client, std::string key) : client_(client), key_(std::move(key)) {}
  [[nodiscard]] std::string type() const override { return "kms"; }

  Result<crypto::KeySlot> wrap(std::string_view name, ByteView root, ByteView binding, Entropy&) override {
    crypto::KeySlot slot{type(), std::string(name), to_bytes(key_), {}};
    COFFER_TRY(slot.wrapped, client_.encrypt(key_, root, context_of(binding)));
    // A slot that does not open again would be found missing on the day it is needed.
    COFFER_TRY(Secret again, client_.decrypt(key_, slot.wrapped, context_of(binding)));
    if (!equal(again.view(), root))
      return Error{ErrorCode::kCorruption, "the key service gives back other bytes than it was given", {}};
    return slot;
  }

  Result<Secret> unwrap(const crypto::KeySlot& slot, ByteView binding) override {
    return client_.decrypt(to_text(slot.parameters), slot.wrapped, context_of(binding));
  }

 private:
  /// The vault's identity, so that a slot does not open in another vault's place; it stands in the key's audit records.
  static std::vector<std::pair<std::string, std::string>> context_of(ByteView binding) {
    return {{"coffer:keyset", to_hex(binding)}};
  }

  KeyClient& client_;
  std::string key_;
};

}  // namespace

std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, Secret root, Clock& clock,
                                      Entropy& entropy, Options options) {
  return std::make_unique<KeyService>(database, authority, std::move(root), clock, entropy, std::move(options));
}

std::unique_ptr<crypto::SlotKey> kms_slot(KeyClient& client, std::string key_arn) {
  return std::make_unique<KmsSlot>(client, std::move(key_arn));
}

}  // namespace coffer::kms
