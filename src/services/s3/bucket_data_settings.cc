// What happens to the data of a bucket: versioning, encryption, Object Lock, lifecycle.
#include <algorithm>

#include "services/s3/bucket_operations.h"
#include "services/s3/lifecycle_rules.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr int64_t kLockDaysMax = 36'500, kLockYearsMax = 100;

Error not_implemented(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "NotImplemented", std::move(message));
}
Error invalid_state(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "InvalidBucketState", std::move(message));
}

Status update(const Request& r, const rows::Bucket& bucket) {
  COFFER_CHECK_OK(rows::update_bucket(r.t(), bucket));
  return r.setting.buckets.changed(r.t());
}

/// A rule of a ServerSideEncryptionConfiguration as it is kept: with its defaults said.
Result<Value> encryption_rule(const Request& r, const BucketView& bucket, const Value& wanted) {
  const Value* by_default = wanted.find("ApplyServerSideEncryptionByDefault");
  const std::string algorithm(by_default ? by_default->text("SSEAlgorithm") : std::string_view("AES256"));
  const auto key = by_default ? by_default->text_if("KMSMasterKeyID") : std::nullopt;
  if (algorithm == "aws:kms:dsse" || algorithm == "aws:fsx")
    return not_implemented("The encryption " + algorithm + " is not implemented.");
  if (algorithm != "AES256" && algorithm != "aws:kms") return malformed_xml();
  if (algorithm == "AES256" && key)
    return invalid_argument(
        r, "ApplyServerSideEncryptionByDefault", *key,
        "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse");
  Value kept = Value::object({{"SSEAlgorithm", algorithm}});
  if (key && !key->empty()) kept.set("KMSMasterKeyID", *key);
  Value rule = Value::object(
      {{"ApplyServerSideEncryptionByDefault", std::move(kept)}, {"BucketKeyEnabled", wanted.flag("BucketKeyEnabled")}});
  if (const Value* blocked = wanted.find("BlockedEncryptionTypes")) {
    const auto types = blocked->texts("EncryptionType");
    if (types.size() != 1 || (types.front() != "NONE" && types.front() != "SSE-C")) return malformed_xml();
    rule.set("BlockedEncryptionTypes", *blocked);
  } else if (const Value* now = default_encryption(bucket); now && now->has("BlockedEncryptionTypes")) {
    // A client that does not know of it must not let SSE-C in again.
    rule.set("BlockedEncryptionTypes", *now->find("BlockedEncryptionTypes"));
  }
  return rule;
}

Status check_default_retention(const Request& r, const Value& retention) {
  const std::string_view mode = retention.text("Mode");
  const auto days = retention.integer("Days"), years = retention.integer("Years");
  if ((mode != "GOVERNANCE" && mode != "COMPLIANCE") || days.has_value() == years.has_value()) return malformed_xml();
  const int64_t count = days ? *days : *years;
  const char* unit = days ? "Days" : "Years";
  if (count < 1)
    return invalid_argument(r, unit, std::to_string(count),
                            "Default retention period must be a positive integer value.");
  if (count > (days ? kLockDaysMax : kLockYearsMax))
    return invalid_argument(r, unit, std::to_string(count), "Default retention period is too large.");
  return ok_status();
}

}  // namespace

Result<api::Value> put_bucket_versioning(const Request& r) {
  COFFER_TRY(const auto view, bucket_of(r));
  const Value* wanted = r.input().find("VersioningConfiguration");
  const std::string status(wanted ? wanted->text("Status") : std::string_view());
  if (status.empty())
    return api::fault(ErrorCode::kInvalidArgument, "IllegalVersioningConfigurationException",
                      "The Versioning element must be specified");
  if (status != "Enabled" && status != "Suspended") return malformed_xml();
  if (wanted->text("MFADelete") == "Enabled") return not_implemented("MFA delete is not implemented.");
  if (status == "Suspended") {
    if (view->bucket.lock_enabled)
      return invalid_state(
          "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.");
    if (view->setting("replication"))
      return invalid_state(
          "A replication configuration is present on this bucket, so the versioning state cannot be changed.");
  }
  rows::Bucket bucket = view->bucket;
  bucket.versioning = status;
  COFFER_CHECK_OK(update(r, bucket));
  return Value::object();
}

Result<api::Value> get_bucket_versioning(const Request& r) {
  COFFER_TRY(const auto view, bucket_of(r));
  const std::string& status = view->bucket.versioning;
  return Value::object({{"Status", status.empty() ? Value() : Value(status)}});
}

Result<api::Value> put_bucket_encryption(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* wanted = r.input().find("ServerSideEncryptionConfiguration");
  if (!wanted || wanted->list("Rules").size() != 1) return malformed_xml();
  COFFER_TRY(Value rule, encryption_rule(r, *bucket, wanted->list("Rules").front()));
  COFFER_CHECK_OK(put_setting(r, *bucket, "encryption", Value::object({{"Rules", api::List{std::move(rule)}}})));
  return Value::object();
}

Result<api::Value> get_bucket_encryption(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(Value document, setting_or(*bucket, "encryption", "ServerSideEncryptionConfigurationNotFoundError",
                                        "The server side encryption configuration was not found"));
  return Value::object({{"ServerSideEncryptionConfiguration", std::move(document)}});
}

Result<api::Value> delete_bucket_encryption(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(put_setting(r, *bucket, "encryption", new_bucket_encryption()));
  return Value::object();
}

Result<api::Value> put_object_lock_configuration(const Request& r) {
  COFFER_TRY(const auto view, bucket_of(r));
  const Value* wanted = r.input().find("ObjectLockConfiguration");
  if (!wanted || wanted->text("ObjectLockEnabled") != "Enabled") return malformed_xml();
  Value document = Value::object({{"ObjectLockEnabled", "Enabled"}});
  if (const Value* rule = wanted->find("Rule")) {
    const Value* retention = rule->find("DefaultRetention");
    if (!retention) return malformed_xml();
    COFFER_CHECK_OK(check_default_retention(r, *retention));
    document.set("Rule", Value::object({{"DefaultRetention", *retention}}));
  }
  if (view->bucket.versioning != "Enabled")
    return invalid_state("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration");
  if (!view->bucket.lock_enabled) {
    rows::Bucket bucket = view->bucket;
    bucket.lock_enabled = true;
    COFFER_CHECK_OK(rows::update_bucket(r.t(), bucket));
  }
  COFFER_CHECK_OK(put_setting(r, *view, "object-lock", document));
  return Value::object();
}

Result<api::Value> get_object_lock_configuration(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  auto document = setting_or(*bucket, "object-lock", "ObjectLockConfigurationNotFoundError",
                             "Object Lock configuration does not exist for this bucket");
  if (!document.ok()) {
    r.error_element("BucketName", bucket->bucket.name);
    return std::move(document).error();
  }
  return Value::object({{"ObjectLockConfiguration", std::move(*document)}});
}

Result<api::Value> put_bucket_lifecycle(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* wanted = r.input().find("LifecycleConfiguration");
  if (!wanted) return malformed_xml();
  const std::string smallest = r.input().has("TransitionDefaultMinimumObjectSize")
                                   ? r.text("TransitionDefaultMinimumObjectSize")
                                   : "all_storage_classes_128K";
  Value document = Value::object({{"TransitionDefaultMinimumObjectSize", smallest}});
  api::List rules;
  for (Value rule : wanted->list("Rules")) {
    if (rule.text("ID").empty()) rule.set("ID", to_hex(r.setting.entropy.array<24>()));
    rules.push_back(std::move(rule));
  }
  document.set("Rules", std::move(rules));
  COFFER_CHECK_OK(parse_lifecycle(document));
  COFFER_CHECK_OK(put_setting(r, *bucket, "lifecycle", document));
  return Value::object({{"TransitionDefaultMinimumObjectSize", smallest}});
}

Result<api::Value> get_bucket_lifecycle(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  auto document =
      setting_or(*bucket, "lifecycle", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist");
  if (!document.ok()) r.error_element("BucketName", bucket->bucket.name);
  return document;
}

Result<api::Value> delete_bucket_lifecycle(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(put_setting(r, *bucket, "lifecycle", Value()));
  return Value::object();
}

}  // namespace coffer::s3
