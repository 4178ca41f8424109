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

Value described(const Key& key, const Grant& grant) {
  Value value = Value::object({{"KeyId", key.arn()},
                               {"GrantId", grant.id},
                               {"Name", grant.name},
                               {"CreationDate", grant.created},
                               {"GranteePrincipal", grant.grantee},
                               {"IssuingAccount", "arn:aws:iam::" + grant.issuing_account + ":root"},
                               {"Operations", api::text_list(grant.operations)}});
  if (!grant.retiring.empty()) value.set("RetiringPrincipal", grant.retiring);
  if (!grant.constraint.empty())
    value.set("Constraints", Value::object({{grant.constraint, api::text_map(grant.context)}}));
  return value;
}

/// A grantee who hands a grant on may not give more than it has (KMS guide, "Grant constraints").
bool is_within(const Grant& child, const Grant& parent) {
  const bool operations =
      std::all_of(child.operations.begin(), child.operations.end(), [&](const std::string& operation) {
        return std::find(parent.operations.begin(), parent.operations.end(), operation) != parent.operations.end();
      });
  if (!operations) return false;
  if (parent.constraint.empty()) return true;
  if (parent.constraint == "EncryptionContextEquals")
    return child.constraint == parent.constraint && child.context == parent.context;
  return !child.constraint.empty() && std::all_of(parent.context.begin(), parent.context.end(), [&](const auto& pair) {
    const auto found = child.context.find(pair.first);
    return found != child.context.end() && found->second == pair.second;
  });
}

Result<Value> page(const Request& r, std::string_view list, const std::vector<std::pair<Key, Grant>>& all) {
  const auto limit = static_cast<size_t>(r.input().integer("Limit").value_or(kPageSize));
  COFFER_TRY(std::string after, open_marker(r, list));
  api::List shown;
  std::string last;
  bool more = false;
  for (const auto& [key, grant] : all) {
    if (grant.id <= after) continue;
    if (shown.size() == limit) {
      more = true;
      break;
    }
    shown.push_back(described(key, grant));
    last = grant.id;
  }
  Value output = Value::object({{"Grants", std::move(shown)}, {"Truncated", more}});
  if (more) output.set("NextMarker", seal_marker(r, list, last));
  return output;
}

}  // namespace

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
  COFFER_TRY(auto there, rows::grants_of(r.t(), key));
  COFFER_TRY(std::vector<Grant> parents, [&]() -> Result<std::vector<Grant>> {
    std::vector<Grant> own;
    for (const Grant& other : there) {
      if ((other.grantee == r.call().caller.arn || other.grantee == r.call().caller.principal_arn) &&
          std::find(other.operations.begin(), other.operations.end(), "CreateGrant") != other.operations.end())
        own.push_back(other);
    }
    return own;
  }());
  if (!parents.empty() && !r.call().caller.account.empty() &&
      std::none_of(parents.begin(), parents.end(), [&](const Grant& parent) { return is_within(grant, parent); }))
    return Error{ErrorCode::kPermissionDenied, "A grant can only hand on what the grantee's own grant allows.", {}};
  if (!grant.name.empty()) {
    for (Grant& other : there) {
      if (other.name != grant.name || other.grantee != grant.grantee || other.retiring != grant.retiring ||
          other.operations != grant.operations || other.constraint != grant.constraint ||
          other.context != grant.context)
        continue;
      return Value::object({{"GrantToken", other.token}, {"GrantId", other.id}});
    }
  }
  if (there.size() >= kGrantsMax)
    return api::fault(ErrorCode::kResourceExhausted, "LimitExceededException", "A key has at most 50000 grants.");
  COFFER_CHECK_OK(stop_dry_run(r));
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
  return page(r, "grants", all);
}

Result<Value> list_retirable_grants(const Request& r) {
  COFFER_TRY(auto grants, rows::grants_retirable_by(r.t(), r.call().region, r.text("RetiringPrincipal")));
  std::vector<std::pair<Key, Grant>> all;
  for (Grant& grant : grants) {
    COFFER_TRY(auto key, rows::find_key(r.t(), grant.account, grant.region, grant.key_id));
    if (key) all.emplace_back(std::move(*key), std::move(grant));
  }
  return page(r, "retirable-grants", all);
}

Result<Value> retire_grant(const Request& r) {
  std::optional<Grant> grant;
  if (r.input().has("GrantToken")) {
    COFFER_TRY(grant, rows::find_grant_by_token(r.t(), r.text("GrantToken")));
    if (!grant)
      return api::fault(ErrorCode::kInvalidArgument, "InvalidGrantTokenException", "The grant token is not valid.");
  } else if (r.input().has("KeyId") && r.input().has("GrantId")) {
    COFFER_TRY(grant, rows::find_grant(r.t(), r.text("GrantId")));
    if (!grant || !r.text("KeyId").ends_with(grant->key_id))
      return api::fault(ErrorCode::kNotFound, "NotFoundException", "Grant " + r.text("GrantId") + " is not found.");
  } else {
    return validation("Give the grant token, or both the key and the grant's id.");
  }
  const api::Caller& caller = r.call().caller;
  const bool retires_itself =
      std::find(grant->operations.begin(), grant->operations.end(), "RetireGrant") != grant->operations.end();
  const auto is = [&](const std::string& principal) {
    return !principal.empty() && (principal == caller.arn || principal == caller.principal_arn ||
                                  principal == "arn:aws:iam::" + caller.account + ":root");
  };
  const bool issuer = caller.kind == api::Caller::Kind::kRoot && grant->issuing_account == caller.account;
  if (!is(grant->retiring) && !(retires_itself && is(grant->grantee)) && !issuer)
    return Error{ErrorCode::kPermissionDenied,
                 "User: " + caller.arn + " is not authorized to perform: kms:RetireGrant on this grant",
                 {}};
  COFFER_CHECK_OK(stop_dry_run(r));
  COFFER_CHECK_OK(rows::remove_grant(r.t(), grant->id));
  return Value();
}

Result<Value> revoke_grant(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_TRY(auto grant, rows::find_grant(r.t(), r.text("GrantId")));
  if (!grant || grant->key_id != key.id || grant->account != key.account)
    return api::fault(ErrorCode::kNotFound, "NotFoundException",
                      "Grant ID " + r.text("GrantId") + " not found for key " + key.arn());
  COFFER_CHECK_OK(stop_dry_run(r));
  COFFER_CHECK_OK(rows::remove_grant(r.t(), grant->id));
  return Value();
}

}  // namespace coffer::kms
