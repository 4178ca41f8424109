// AWS managed keys: the key that an account has for one service, made when the service first needs it.
#include "services/api/fault.h"
#include "services/kms/operations.h"

namespace coffer::kms {
namespace {

constexpr int64_t kRotationDays = 365;

/// "s3" of "s3.amazonaws.com".
std::string short_name(const Request& r) {
  const std::string& principal = r.call().caller.arn;
  return principal.substr(0, principal.find('.'));
}

/// Everybody in the account, through the service; and the account looks at the key. A service that works when nobody
/// asks (a backup at night) uses its key by itself.
std::string policy_of(const std::string& service, const std::string& account, const std::string& region) {
  const std::string uses =
      "\"kms:Encrypt\", \"kms:Decrypt\", \"kms:ReEncrypt*\", \"kms:GenerateDataKey*\", \"kms:DescribeKey\"";
  const bool by_itself = service != "s3";
  std::string policy =
      "{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"auto-" + service +
      "-2\",\n  \"Statement\" : [ {\n    \"Sid\" : \"Allow access through " + service +
      " for all principals in the account that are authorized to use " + service +
      "\",\n    \"Effect\" : \"Allow\",\n    \"Principal\" : {\n      \"AWS\" : \"*\"\n    },\n    \"Action\" : [ " +
      uses + (by_itself ? ", \"kms:CreateGrant\", \"kms:ListGrants\"" : "") +
      " ],\n"
      "    \"Resource\" : \"*\",\n    \"Condition\" : {\n      \"StringEquals\" : {\n        \"kms:CallerAccount\" "
      ": "
      "\"" +
      account + "\",\n        \"kms:ViaService\" : \"" + service + "." + region +
      ".amazonaws.com\"\n      }\n    }\n  }, ";
  if (by_itself)
    policy += "{\n    \"Sid\" : \"Allow " + service + " by itself for the account\",\n    \"Effect\" : \"Allow\",\n" +
              "    \"Principal\" : {\n      \"Service\" : \"" + service +
              ".amazonaws.com\"\n    },\n    \"Action\" : [ " + uses +
              " ],\n    \"Resource\" : \"*\",\n    \"Condition\" : {\n      \"StringEquals\" : {\n        "
              "\"aws:SourceAccount\" : \"" +
              account + "\"\n      }\n    }\n  }, ";
  return policy +
         "{\n    \"Sid\" : \"Allow direct access to key metadata to the "
         "account\",\n    \"Effect\" : \"Allow\",\n    \"Principal\" : {\n      \"AWS\" : \"arn:aws:iam::" +
         account +
         ":root\"\n    },\n    \"Action\" : [ \"kms:Describe*\", \"kms:Get*\", \"kms:List*\" ],\n    \"Resource\" : "
         "\"*\"\n  } ]\n}";
}

}  // namespace

Result<std::vector<api::AccessRequest>> only_for_services(const Request& r) {
  // No request from outside comes here: the model has no such operation. This is for the day when one could.
  if (r.call().caller.kind != api::Caller::Kind::kService || r.account().empty())
    return api::fault(ErrorCode::kPermissionDenied, "AccessDeniedException", "Only services make AWS managed keys.");
  return std::vector<api::AccessRequest>();
}

Result<api::Value> create_aws_managed_key(const Request& r) {
  const std::string service = short_name(r);
  rows::Alias alias{r.account(), r.call().region, "alias/aws/" + service, {}, r.now(), r.now()};
  COFFER_TRY(const auto there, rows::find_alias(r.t(), alias.account, alias.region, alias.name));
  if (there) return api::Value::object({{"KeyId", there->key_id}});
  rows::Key key;
  key.account = alias.account;
  key.region = alias.region;
  key.id = random_uuid(r.setting.entropy);
  key.spec = "SYMMETRIC_DEFAULT";
  key.usage = "ENCRYPT_DECRYPT";
  key.manager = "AWS";
  key.description = "Default key that protects my " + service + (service == "s3" ? " objects" : " data") +
                    " when no other key is defined";
  key.policy = policy_of(service, key.account, key.region);
  key.created = r.now();
  key.rotates = true;
  key.rotation_days = kRotationDays;
  key.next_rotation = r.now() + std::chrono::hours(24 * kRotationDays);
  COFFER_CHECK_OK(parse_key_policy(key.policy));
  COFFER_CHECK_OK(rows::insert_key(r.t(), key));
  COFFER_TRY(const Secret secret, generate_material(r, key.spec));
  COFFER_TRY(const rows::Material material, make_material(r, key, 1, secret, ""));
  COFFER_CHECK_OK(rows::insert_material(r.t(), key.account, key.id, material));
  alias.key_id = key.id;
  COFFER_CHECK_OK(rows::put_alias(r.t(), alias));
  return api::Value::object({{"KeyId", key.id}});
}

}  // namespace coffer::kms
