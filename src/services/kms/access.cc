// Which key is meant, in which state it must be, and what must be allowed.
#include <algorithm>
#include <mutex>

#include "services/api/fault.h"
#include "services/kms/operations.h"
#include "services/policy/evaluate.h"

namespace coffer::kms {
namespace {

constexpr size_t kPolicySizeMax = 32'768;
constexpr size_t kPoliciesCachedMax = 4'096;

Error not_found(std::string_view what) {
  return api::fault(ErrorCode::kNotFound, "NotFoundException", std::string(what));
}
Error invalid_state(const rows::Key& key, std::string_view what) {
  return api::fault(ErrorCode::kFailedPrecondition, "KMSInvalidStateException",
                    key.arn() + " is " + std::string(what) + ".");
}

/// What is said about all keys of other accounts that are not there or not to be touched, so that it tells neither.
Error not_for_strangers(const Request& r) {
  return Error{ErrorCode::kPermissionDenied,
               "User: " + r.call().caller.arn + " is not authorized to perform: kms:" + r.call().operation +
                   " on this resource because the resource does not exist in this Region, no resource-based policies "
                   "allow access, or a resource-based policy explicitly denies access",
               {}};
}

bool constraint_holds(const rows::Grant& grant, const std::map<std::string, std::string>& context) {
  if (grant.constraint.empty()) return true;
  if (grant.constraint == "EncryptionContextEquals") return context == grant.context;
  return std::all_of(grant.context.begin(), grant.context.end(), [&](const auto& pair) {
    const auto found = context.find(pair.first);
    return found != context.end() && found->second == pair.second;
  });
}

bool takes_context(std::string_view operation) {
  for (std::string_view known :
       {"Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
        "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"}) {
    if (operation == known) return true;
  }
  return false;
}

std::optional<std::string_view> part_of_arn(std::string_view arn, int number) {
  for (; number > 0; --number) {
    const size_t colon = arn.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    arn.remove_prefix(colon + 1);
  }
  return arn.substr(0, arn.find(':'));
}

}  // namespace

Result<rows::Key> resolve(const Request& r, std::string_view name, Naming naming) {
  std::string account = r.account();
  std::string region = r.call().region;
  std::string_view resource = name;
  if (name.starts_with("arn:")) {
    const auto service = part_of_arn(name, 2), in = part_of_arn(name, 3), owner = part_of_arn(name, 4),
               rest = part_of_arn(name, 5);
    if (!service || *service != "kms" || !rest || owner->size() != 12)
      return api::fault(ErrorCode::kInvalidArgument, "InvalidArnException", "Invalid arn " + std::string(name));
    region = *in;
    account = *owner;
    resource = *rest;
    if (region != r.call().region) return not_found("Invalid arn " + region);
    if (resource.starts_with("key/")) resource.remove_prefix(4);
  }
  const auto absent = [&](std::string message) {
    return account == r.account() ? not_found(message) : not_for_strangers(r);
  };
  std::string id(resource);
  if (resource.starts_with("alias/")) {
    if (naming == Naming::kNoAlias)
      return api::fault(ErrorCode::kInvalidArgument, "InvalidArnException", "Invalid keyId " + std::string(name));
    COFFER_TRY(id, r.setting.keys.key_id_of_alias(r.call().context, r.t(), account, region, resource));
    if (id.empty())
      return absent("Alias arn:aws:kms:" + region + ":" + account + ":" + std::string(resource) + " is not found.");
  }
  COFFER_TRY(auto facts, r.setting.keys.find(r.call().context, r.t(), region, id));
  if (!facts || facts->key.account != account)
    return absent("Key 'arn:aws:kms:" + region + ":" + account + ":key/" + id + "' does not exist");
  return facts->key;
}

Status check_own(const Request& r, const rows::Key& key) {
  return key.account == r.account() ? ok_status() : Status(not_for_strangers(r));
}

Result<KeyFactsPtr> facts_of(const Request& r, const rows::Key& key) {
  COFFER_TRY(auto facts, r.setting.keys.find(r.call().context, r.t(), key.region, key.id));
  if (!facts) return not_found("Key '" + key.arn() + "' does not exist");  // it was removed meanwhile
  return facts;
}

Result<rows::Key> key_of(const Request& r, Naming naming, std::string_view member) {
  return resolve(r, r.input().text(member), naming);
}

Result<rows::Key> key_of_blob(const Request& r, ByteView blob) {
  const Error invalid = api::fault(ErrorCode::kInvalidArgument, "InvalidCiphertextException", "");
  const auto header = crypto::parse_kms_blob(blob);
  if (!header.ok()) return invalid;
  const std::string hex = to_hex(header->key_uuid);
  const std::string uuid = hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
                           hex.substr(16, 4) + "-" + hex.substr(20);
  COFFER_TRY(auto facts, r.setting.keys.find(r.call().context, r.t(), r.call().region, uuid));
  if (facts) return facts->key;
  COFFER_TRY(facts, r.setting.keys.find(r.call().context, r.t(), r.call().region, "mrk-" + hex));
  if (facts) return facts->key;
  return invalid;
}

bool is_pending_deletion(const rows::Key& key) {
  return key.state == "PendingDeletion" || key.state == "PendingReplicaDeletion";
}

Status check_state(const rows::Key& key, Needs needs) {
  const std::string& state = key.state;
  const bool pending = is_pending_deletion(key);
  if (needs == Needs::kPendingDeletion) return pending ? ok_status() : invalid_state(key, "not pending deletion");
  if (pending) return invalid_state(key, "pending deletion");
  if (needs == Needs::kNotPending) return ok_status();
  if (state == "PendingImport") {
    if (needs == Needs::kRotatable)
      return api::fault(ErrorCode::kFailedPrecondition, "UnsupportedOperationException",
                        key.arn() + " has imported key material.");
    return invalid_state(key, "pending import");
  }
  if (needs == Needs::kEnabledOrDisabled) return ok_status();
  if (state == "Disabled")
    return api::fault(ErrorCode::kFailedPrecondition, "DisabledException", key.arn() + " is disabled.");
  return ok_status();
}

Status check_usage(const rows::Key& key, std::string_view usage) {
  if (key.usage == usage) return ok_status();
  return api::fault(ErrorCode::kInvalidArgument, "InvalidKeyUsageException",
                    key.arn() + " key usage is " + key.usage + " which is not valid for this operation.");
}

Result<std::shared_ptr<const policy::Document>> parse_key_policy(std::string_view text) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::shared_ptr<const policy::Document>> cache;
  {
    std::lock_guard lock(mutex);
    if (const auto found = cache.find(std::string(text)); found != cache.end()) return found->second;
  }
  COFFER_TRY(auto document, policy::Document::parse(text, policy::Kind::kKey));
  std::lock_guard lock(mutex);
  if (cache.size() >= kPoliciesCachedMax) cache.clear();
  cache[std::string(text)] = document;
  return document;
}

std::string default_key_policy(std::string_view account) {
  return "{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {\n    \"Sid\" : "
         "\"Enable IAM User Permissions\",\n"
         "    \"Effect\" : \"Allow\",\n    \"Principal\" : {\n      \"AWS\" : \"arn:aws:iam::" +
         std::string(account) + ":root\"\n    },\n    \"Action\" : \"kms:*\",\n    \"Resource\" : \"*\"\n  } ]\n}";
}

Result<api::AccessRequest> access_to_key(const Request& r, const rows::Key& key, std::string action,
                                         std::string_view grant_operation,
                                         const std::map<std::string, std::string>& context, api::ConditionKeys more) {
  api::AccessRequest request;
  request.action = std::move(action);
  request.resource = key.arn();
  request.resource_account = key.account;
  COFFER_TRY(request.resource_policy, parse_key_policy(key.policy));
  request.resource_policy_required = true;
  const api::Call& call = r.call();
  api::ConditionKeys& conditions = request.conditions;
  conditions = std::move(more);
  conditions.emplace_back("kms:CallerAccount", std::vector<std::string>{call.caller.account});
  if (!call.via_service.empty()) {
    std::string via = call.via_service;
    if (const size_t dot = via.find('.'); dot != std::string::npos) via.insert(dot, "." + call.region);
    conditions.emplace_back("kms:ViaService", std::vector<std::string>{via});
  }
  conditions.emplace_back("kms:KeySpec", std::vector<std::string>{key.spec});
  conditions.emplace_back("kms:KeyUsage", std::vector<std::string>{key.usage});
  conditions.emplace_back("kms:KeyOrigin", std::vector<std::string>{key.origin});
  conditions.emplace_back("kms:MultiRegion", std::vector<std::string>{key.multi_region() ? "true" : "false"});
  if (key.multi_region())
    conditions.emplace_back("kms:MultiRegionKeyType",
                            std::vector<std::string>{key.is_replica() ? "REPLICA" : "PRIMARY"});
  if (!context.empty()) {
    std::vector<std::string> keys;
    for (const auto& [name, value] : context) {
      conditions.emplace_back("kms:EncryptionContext:" + name, std::vector<std::string>{value});
      keys.push_back(name);
    }
    conditions.emplace_back("kms:EncryptionContextKeys", std::move(keys));
  }
  if (const std::string_view name = r.input().text("KeyId"); name.find("alias/") != std::string_view::npos)
    conditions.emplace_back("kms:RequestAlias",
                            std::vector<std::string>{std::string(name.substr(name.find("alias/")))});
  COFFER_TRY(const KeyFactsPtr facts, facts_of(r, key));
  if (!facts->aliases.empty()) {
    std::vector<std::string> names;
    for (const auto& alias : facts->aliases) names.push_back(alias.name);
    conditions.emplace_back("kms:ResourceAliases", std::move(names));
  }
  for (const auto& tag : facts->tags)
    conditions.emplace_back("aws:ResourceTag/" + tag.key, std::vector<std::string>{tag.value});
  if (grant_operation.empty()) return request;
  COFFER_CHECK_OK(check_grant_tokens(r));
  request.granted = std::any_of(facts->grants.begin(), facts->grants.end(), [&](const rows::Grant& grant) {
    return is_principal_of_grant(call.caller, grant.grantee, grant.grantee_id, key.account) &&
           grant.allows(grant_operation) && (!takes_context(grant_operation) || constraint_holds(grant, context)) &&
           (grant_operation != "CreateGrant" || hands_on(r, grant));
  });
  return request;
}

Status check_key_policy(const Request& r, const rows::Key& key, std::string_view text, bool bypass) {
  if (text.size() > kPolicySizeMax)
    return api::fault(ErrorCode::kResourceExhausted, "LimitExceededException",
                      "The key policy is longer than 32768 bytes.");
  const auto malformed = [](std::string message) {
    return api::fault(ErrorCode::kInvalidArgument, "MalformedPolicyDocumentException", std::move(message));
  };
  auto document = parse_key_policy(text);
  if (!document.ok()) return malformed(document.error().message);
  for (const policy::PrincipalEntry& entry : (*document)->principals()) {
    if (entry.type != policy::PrincipalEntry::Type::kAws) continue;
    COFFER_TRY(bool exists, r.setting.authority.principal_exists(r.t(), entry.value));
    if (!exists) return malformed("Policy contains a statement with one or more invalid principals.");
  }
  if (bypass) return ok_status();
  // The caller by itself must be able to undo it: a policy that only others can change would lock this account out.
  const policy::RequestContext context = policy::global_context(r.call());
  policy::PrincipalPolicies everything;
  COFFER_TRY(auto all, policy::Document::parse(R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})",
                                               policy::Kind::kIdentity));
  everything.identity.push_back({"all", "IAM Policy", all});
  policy::ResourceSide side;
  side.policy = document->get();
  side.policy_required = true;
  const std::string arn = key.arn();
  const policy::Query query{r.call().caller, "kms:PutKeyPolicy", arn, key.account, context};
  if (!policy::evaluate(query, everything, side).allowed())
    return malformed("The new key policy will not allow you to update the key policy in the future.");
  return ok_status();
}

Status stop_dry_run(const Request& r) {
  if (!r.input().flag("DryRun")) return ok_status();
  return api::fault(ErrorCode::kFailedPrecondition, "DryRunOperationException",
                    "The request would have succeeded, but the DryRun option is set.");
}

}  // namespace coffer::kms
