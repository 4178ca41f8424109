// What the settings of buckets have in common, and what they mean for whoever acts by them.
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

const Value* encryption_rule(const BucketView& bucket) {
  const Value* document = bucket.setting("encryption");
  return document && !document->list("Rules").empty() ? &document->list("Rules").front() : nullptr;
}

}  // namespace

Error malformed_xml() {
  return api::fault(ErrorCode::kInvalidArgument, "MalformedXML",
                    "The XML you provided was not well-formed or did not validate against our published schema");
}
Error invalid_argument(const Request& r, std::string_view argument, std::string value, std::string message) {
  r.error_element("ArgumentName", std::string(argument));
  r.error_element("ArgumentValue", std::move(value));
  return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument", std::move(message));
}
Error invalid_request(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidRequest", std::move(message));
}

Status put_setting(const Request& r, const BucketView& bucket, std::string_view kind, const Value& document) {
  COFFER_CHECK_OK(rows::put_setting(r.t(), bucket.bucket.id, kind, document));
  return r.setting.buckets.changed(r.t());
}

Result<Value> setting_or(const BucketView& bucket, std::string_view kind, std::string_view absent,
                         std::string_view message) {
  if (const Value* document = bucket.setting(kind)) return *document;
  return api::fault(ErrorCode::kNotFound, absent, std::string(message));
}

const Value* default_encryption(const BucketView& bucket) { return encryption_rule(bucket); }

Value new_bucket_encryption() {
  const Value rule =
      Value::object({{"ApplyServerSideEncryptionByDefault", Value::object({{"SSEAlgorithm", "AES256"}})},
                     {"BucketKeyEnabled", false},
                     {"BlockedEncryptionTypes", Value::object({{"EncryptionType", api::List{"SSE-C"}}})}});
  return Value::object({{"Rules", api::List{rule}}});
}

bool blocks_customer_keys(const BucketView& bucket) {
  const Value* rule = encryption_rule(bucket);
  const Value* blocked = rule ? rule->find("BlockedEncryptionTypes") : nullptr;
  if (!blocked) return false;
  for (const std::string& type : blocked->texts("EncryptionType")) {
    if (type == "SSE-C") return true;
  }
  return false;
}

std::optional<DefaultRetention> default_retention(const BucketView& bucket) {
  constexpr int64_t kDaysOfYear = 365;
  const Value* document = bucket.setting("object-lock");
  const Value* rule = document ? document->find("Rule") : nullptr;
  const Value* retention = rule ? rule->find("DefaultRetention") : nullptr;
  if (!retention) return std::nullopt;
  const int64_t days = retention->integer("Days").value_or(0) + kDaysOfYear * retention->integer("Years").value_or(0);
  return DefaultRetention{std::string(retention->text("Mode")), days};
}

bool is_owner_enforced(const BucketView& bucket) {
  const Value* controls = bucket.setting("ownership");
  return controls && !controls->list("Rules").empty() &&
         controls->list("Rules").front().text("ObjectOwnership") == "BucketOwnerEnforced";
}

}  // namespace coffer::s3
