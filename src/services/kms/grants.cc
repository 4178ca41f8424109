#include <algorithm>
#include <array>

#include "base/base64.h"
#include "services/api/fault.h"
#include "services/kms/operations.h"

namespace coffer::kms {
namespace {

using api::Value;
using rows::Grant;
using rows::Key;

constexpr size_t kGrantsMax = 50'000;
constexpr size_t kConstraintPairsMax = 8, kConstraintSizeMax = 384;
constexpr int64_t kPageSize = 50;

Error validation(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "ValidationException", std::move(message));
}

bool fits_key(std::string_view operation, const Key& key) {
  static constexpr std::array<std::string_view, 3> kAlways = {"CreateGrant", "RetireGrant", "DescribeKey"};
  const auto in = [&](std::initializer_list<std::string_view> list) {
    return std::find(list.begin(), list.end(), operation) != list.end();
  };
  if (std::find(kAlways.begin(), kAlways.end(), operation) != kAlways.end()) return true;
  if (key.symmetric())
    return in({"Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom",
               "ReEncryptTo", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"});
  if (key.usage == "GENERATE_VERIFY_MAC") return in({"GenerateMac", "VerifyMac"});
  if (key.usage == "SIGN_VERIFY") return in({"Sign", "Verify", "GetPublicKey"});
  if (key.usage == "KEY_AGREEMENT") return in({"DeriveSharedSecret", "GetPublicKey"});
  return in({"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"});
}

Status read_constraints(const Request& r, Grant& grant) {
  const Value* constraints = r.input().find("Constraints");
  if (!constraints) return ok_status();
  const bool subset = constraints->has("EncryptionContextSubset"), equals = constraints->has("EncryptionContextEquals");
  if (subset && equals) return validation("A grant has one kind of constraint.");
  if (!subset && !equals) return ok_status();
  grant.constraint = subset ? "EncryptionContextSubset" : "EncryptionContextEquals";
  grant.context = constraints->text_map(grant.constraint);
  size_t size = 0;
  for (const auto& [key, value] : grant.context) size += key.size() + value.size();
  if (grant.context.size() > kConstraintPairsMax || size > kConstraintSizeMax)
    return validation("A grant constraint has at most 8 pairs and 384 characters.");
  return ok_status();
}

/// Empty for what has no unique id: accounts, sessions, services, principals of other installations.
Result<std::string> id_of(const Request& r, const std::string& principal) {
  COFFER_TRY(std::string name, r.setting.authority.stable_name(r.t(), principal));
  return name == principal ? std::string() : name;
}

/// Who is gone is shown by the unique id, as in policies.
Result<std::string> shown(const Request& r, const std::string& principal, const std::string& id) {
  if (id.empty()) return principal;
  COFFER_TRY(std::string now, r.setting.authority.stable_name(r.t(), principal));
  return now == id ? principal : id;
}

Result<Value> described(const Request& r, const Key& key, const Grant& grant) {
  COFFER_TRY(std::string grantee, shown(r, grant.grantee, grant.grantee_id));
  COFFER_TRY(std::string retiring, shown(r, grant.retiring, grant.retiring_id));
  Value value = Value::object({{"KeyId", key.arn()},
                               {"GrantId", grant.id},
                               {"Name", grant.name},
                               {"CreationDate", grant.created},
                               {"GranteePrincipal", std::move(grantee)},
                               {"IssuingAccount", "arn:aws:iam::" + grant.issuing_account + ":root"},
                               {"Operations", api::text_list(grant.operations)}});
  if (!retiring.empty()) value.set("RetiringPrincipal", std::move(retiring));
  if (!grant.constraint.empty())
    value.set("Constraints", Value::object({{grant.constraint, api::text_map(grant.context)}}));
  return value;
}

/// A grantee who hands a grant on may not give more than it has (KMS guide, "Grant constraints").
bool is_within(const Grant& child, const Grant& parent) {
  if (!std::all_of(child.operations.begin(), child.operations.end(),
                   [&](const std::string& operation) { return parent.allows(operation); }))
    return false;
  if (parent.constraint.empty()) return true;
  if (parent.constraint == "EncryptionContextEquals")
    return child.constraint == parent.constraint && child.context == parent.context;
  return !child.constraint.empty() && std::all_of(parent.context.begin(), parent.context.end(), [&](const auto& pair) {
    const auto found = child.context.find(pair.first);
    return found != child.context.end() && found->second == pair.second;
  });
}

Result<Value> page(const Request& r, const std::vector<std::pair<Key, Grant>>& all) {
  const auto limit = static_cast<size_t>(r.input().integer("Limit").value_or(kPageSize));
  COFFER_TRY(std::string after, begin_of_page(r));
  api::List items;
  std::string last;
  bool more = false;
  for (const auto& [key, grant] : all) {
    if (grant.id <= after) continue;
    if (items.size() == limit) {
      more = true;
      break;
    }
    COFFER_TRY(Value one, described(r, key, grant));
    items.push_back(std::move(one));
    last = grant.id;
  }
  Value output = Value::object({{"Grants", std::move(items)}, {"Truncated", more}});
  if (more) output.set("NextMarker", marker_behind(r, last));
  return output;
}

/// The grant on this key that the input's GrantId names.
Result<Grant> grant_of_key(const Request& r, const Key& key) {
  COFFER_TRY(auto grant, rows::find_grant(r.t(), r.text("GrantId")));
  if (grant && grant->key_id == key.id && grant->account == key.account && grant->region == key.region)
    return std::move(*grant);
  return api::fault(ErrorCode::kNotFound, "NotFoundException",
                    "Grant ID " + r.text("GrantId") + " not found for key " + key.arn());
}

}  // namespace

bool is_principal_of_grant(const api::Caller& caller, std::string_view principal, std::string_view id,
                           std::string_view owner) {
  if (!id.empty()) return id == caller.principal_id;
  if (principal.empty()) return false;
  if (!caller.account.empty() && principal == "arn:aws:iam::" + caller.account + ":root")
    return caller.kind == api::Caller::Kind::kRoot || caller.account != owner;
  return principal == caller.arn || principal == caller.principal_arn;
}

bool hands_on(const Request& r, const Grant& parent) {
  Grant child;
  child.operations = r.input().texts("Operations");
  return read_constraints(r, child).ok() && is_within(child, parent);
}

Status check_grant_tokens(const Request& r) {
  for (const std::string& token : r.input().texts("GrantTokens")) {
    COFFER_TRY(auto grant, rows::find_grant_by_token(r.t(), token));
    if (!grant)
      return api::fault(ErrorCode::kInvalidArgument, "InvalidGrantTokenException", "The grant token is not valid.");
  }
  return ok_status();
}

Result<Value> create_grant(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_state(key, Needs::kUsable));
  Grant grant;
  grant.account = key.account;
  grant.region = key.region;
  grant.key_id = key.id;
  grant.name = r.text("Name");
  grant.grantee = r.text("GranteePrincipal");
  grant.retiring = r.text("RetiringPrincipal");
  grant.issuing_account = r.account();
  grant.operations = r.input().texts("Operations");
  grant.created = r.now();
  std::sort(grant.operations.begin(), grant.operations.end());
  grant.operations.erase(std::unique(grant.operations.begin(), grant.operations.end()), grant.operations.end());
  for (const std::string& operation : grant.operations) {
    if (!fits_key(operation, key))
      return validation("The operation " + operation + " does not fit a key of " + key.spec + " for " + key.usage +
                        ".");
  }
  for (const std::string* principal : {&grant.grantee, &grant.retiring}) {
    if (principal->empty()) continue;
    const bool service = principal->ends_with(".amazonaws.com");
    COFFER_TRY(bool exists, r.setting.authority.principal_exists(r.t(), *principal));
    if (!exists || (service && r.call().via_service.empty() && r.call().caller.kind != api::Caller::Kind::kService) ||
        (!service && !principal->starts_with("arn:")))
      return api::fault(ErrorCode::kInvalidArgument, "InvalidArnException",
                        *principal + " is not a principal that a grant can name.");
  }
  COFFER_CHECK_OK(read_constraints(r, grant));
  COFFER_TRY(grant.grantee_id, id_of(r, grant.grantee));
  COFFER_TRY(grant.retiring_id, id_of(r, grant.retiring));
  COFFER_TRY(auto there, rows::grants_of(r.t(), key));
  COFFER_CHECK_OK(stop_dry_run(r));
  if (!grant.name.empty()) {
    for (Grant& other : there) {
      if (other.name != grant.name || other.grantee != grant.grantee || other.retiring != grant.retiring ||
          other.grantee_id != grant.grantee_id || other.retiring_id != grant.retiring_id ||
          other.operations != grant.operations || other.constraint != grant.constraint ||
          other.context != grant.context)
        continue;
      return Value::object({{"GrantToken", other.token}, {"GrantId", other.id}});
    }
  }
  if (there.size() >= kGrantsMax)
    return api::fault(ErrorCode::kResourceExhausted, "LimitExceededException", "A key has at most 50000 grants.");
  grant.id = to_hex(r.setting.entropy.array<32>());
  grant.token = base64_encode(r.setting.entropy.array<48>());
  COFFER_CHECK_OK(rows::insert_grant(r.t(), grant));
  return Value::object({{"GrantToken", grant.token}, {"GrantId", grant.id}});
}

Result<Value> list_grants(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_TRY(auto grants, rows::grants_of(r.t(), key));
  std::vector<std::pair<Key, Grant>> all;
  for (Grant& grant : grants) {
    if (r.input().has("GrantId") && grant.id != r.text("GrantId")) continue;
    if (r.input().has("GranteePrincipal") && grant.grantee != r.text("GranteePrincipal")) continue;
    all.emplace_back(key, std::move(grant));
  }
  if (r.input().has("GrantId") && all.empty())
    return api::fault(ErrorCode::kInvalidArgument, "InvalidGrantIdException",
                      "The grant " + r.text("GrantId") + " is not found.");
  return page(r, all);
}

Result<Value> list_retirable_grants(const Request& r) {
  const std::string principal = r.text("RetiringPrincipal");
  if (principal.find(":" + r.account() + ":") == std::string::npos)
    return Error{ErrorCode::kPermissionDenied, principal + " is not a principal of this account.", {}};
  COFFER_TRY(const std::string id, id_of(r, principal));
  COFFER_TRY(auto grants, rows::grants_retirable_by(r.t(), r.call().region, principal));
  std::vector<std::pair<Key, Grant>> all;
  for (Grant& grant : grants) {
    if (grant.retiring_id != id) continue;
    COFFER_TRY(auto key, rows::find_key(r.t(), grant.account, grant.region, grant.key_id));
    if (key) all.emplace_back(std::move(*key), std::move(grant));
  }
  return page(r, all);
}

Result<Grant> grant_to_retire(const Request& r) {
  if (r.input().has("GrantToken")) {
    COFFER_TRY(auto grant, rows::find_grant_by_token(r.t(), r.text("GrantToken")));
    if (grant && grant->region == r.call().region) return std::move(*grant);
    return api::fault(ErrorCode::kInvalidArgument, "InvalidGrantTokenException", "The grant token is not valid.");
  }
  if (!r.input().has("KeyId") || !r.input().has("GrantId"))
    return validation("Give the grant token, or both the key and the grant's id.");
  COFFER_TRY(const Key key, key_of(r, Naming::kNoAlias));
  return grant_of_key(r, key);
}

Result<Value> retire_grant(const Request& r) {
  COFFER_TRY(const Grant grant, grant_to_retire(r));
  COFFER_CHECK_OK(stop_dry_run(r));
  COFFER_CHECK_OK(rows::remove_grant(r.t(), grant.id));
  return Value();
}

Result<Value> revoke_grant(const Request& r) {
  COFFER_TRY(const Key key, key_of(r, Naming::kNoAlias));
  COFFER_TRY(const Grant grant, grant_of_key(r, key));
  COFFER_CHECK_OK(stop_dry_run(r));
  COFFER_CHECK_OK(rows::remove_grant(r.t(), grant.id));
  return Value();
}

}  // namespace coffer::kms
