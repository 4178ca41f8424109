// Settings that stand for themselves: logging, CORS, tags, and those of which there is only the default.
#include <algorithm>

#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr size_t kCorsRulesMax = 100, kIdSizeMax = 255;

Error not_implemented(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "NotImplemented", std::move(message));
}

bool has_many_wildcards(std::string_view text) { return std::count(text.begin(), text.end(), '*') > 1; }

Status check_cors_rule(const Value& rule) {
  static constexpr std::string_view kMethods[] = {"GET", "PUT", "HEAD", "POST", "DELETE"};
  if (rule.text("ID").size() > kIdSizeMax) return invalid_request("The rule ID cannot be longer than 255 characters.");
  const auto methods = rule.texts("AllowedMethods"), origins = rule.texts("AllowedOrigins");
  if (methods.empty() || origins.empty()) return malformed_xml();
  for (const std::string& method : methods) {
    if (std::find(std::begin(kMethods), std::end(kMethods), method) == std::end(kMethods))
      return invalid_request("Found unsupported HTTP method in CORS config. Unsupported method is " + method);
  }
  for (const std::string& origin : origins) {
    if (has_many_wildcards(origin))
      return invalid_request("AllowedOrigin \"" + origin + "\" can not have more than one wildcard.");
  }
  for (const std::string& header : rule.texts("AllowedHeaders")) {
    if (has_many_wildcards(header))
      return invalid_request("AllowedHeader \"" + header + "\" can not have more than one wildcard.");
  }
  for (const std::string& header : rule.texts("ExposeHeaders")) {
    if (header.find('*') != std::string::npos)
      return invalid_request("ExposeHeader \"" + header +
                             "\" contains wildcard. We currently do not support wildcard for ExposeHeader.");
  }
  return ok_status();
}

Status check_logging(const Request& r, const BucketView& bucket, const Value& wanted) {
  const auto refused = [](std::string message) {
    return api::fault(ErrorCode::kInvalidArgument, "InvalidTargetBucketForLogging", std::move(message));
  };
  if (!wanted.has("TargetBucket") || !wanted.has("TargetPrefix")) return malformed_xml();
  const std::string name(wanted.text("TargetBucket"));
  COFFER_TRY(const auto target, r.setting.buckets.find(r.t(), name));
  if (!target) {
    r.error_element("TargetBucket", name);
    return refused("The target bucket for logging does not exist");
  }
  if (target->bucket.account != bucket.bucket.account) {
    r.error_element("TargetBucket", name);
    return refused("The owner for the bucket to be logged and the target bucket must be the same.");
  }
  if (target->bucket.region != bucket.bucket.region)
    return api::fault(ErrorCode::kPermissionDenied, "CrossLocationLoggingProhibited",
                      "Cross S3 location logging not allowed.");
  if (!wanted.list("TargetGrants").empty())
    return api::fault(ErrorCode::kInvalidArgument, "AccessControlListNotSupported", "The bucket does not allow ACLs");
  return ok_status();
}

}  // namespace

Result<api::Value> put_bucket_logging(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* status = r.input().find("BucketLoggingStatus");
  if (!status) return malformed_xml();
  const Value* wanted = status->find("LoggingEnabled");
  if (wanted) COFFER_CHECK_OK(check_logging(r, *bucket, *wanted));
  COFFER_CHECK_OK(put_setting(r, *bucket, "logging", wanted ? *wanted : Value()));
  return Value::object();
}

Result<api::Value> get_bucket_logging(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* document = bucket->setting("logging");
  return Value::object({{"LoggingEnabled", document ? *document : Value()}});
}

Result<api::Value> put_bucket_cors(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* wanted = r.input().find("CORSConfiguration");
  if (!wanted || wanted->list("CORSRules").empty() || wanted->list("CORSRules").size() > kCorsRulesMax)
    return malformed_xml();
  for (const Value& rule : wanted->list("CORSRules")) COFFER_CHECK_OK(check_cors_rule(rule));
  COFFER_CHECK_OK(put_setting(r, *bucket, "cors", Value::object({{"CORSRules", wanted->list("CORSRules")}})));
  return Value::object();
}

Result<api::Value> get_bucket_cors(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  auto document = setting_or(*bucket, "cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist");
  if (!document.ok()) r.error_element("BucketName", bucket->bucket.name);
  return document;
}

Result<api::Value> delete_bucket_cors(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(put_setting(r, *bucket, "cors", Value()));
  return Value::object();
}

Result<api::Value> put_bucket_tagging(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* tagging = r.input().find("Tagging");
  if (!tagging) return malformed_xml();
  COFFER_TRY(const auto tags, tags_of(*tagging, kBucketTagsMax));
  const Value document = Value::object({{"TagSet", tag_set_value(tags)}});
  COFFER_CHECK_OK(put_setting(r, *bucket, "tagging", tags.empty() ? Value() : document));
  return Value::object();
}

Result<api::Value> get_bucket_tagging(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  auto document = setting_or(*bucket, "tagging", "NoSuchTagSet", "The TagSet does not exist");
  if (!document.ok()) r.error_element("BucketName", bucket->bucket.name);
  return document;
}

Result<api::Value> delete_bucket_tagging(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(put_setting(r, *bucket, "tagging", Value()));
  return Value::object();
}

Result<api::Value> put_request_payment(const Request& r) {
  COFFER_CHECK_OK(bucket_of(r));
  const Value* wanted = r.input().find("RequestPaymentConfiguration");
  const std::string_view payer = wanted ? wanted->text("Payer") : std::string_view();
  if (payer == "Requester") return not_implemented("Requests are paid by nobody but the bucket's owner.");
  if (payer != "BucketOwner") return malformed_xml();
  return Value::object();
}

Result<api::Value> get_request_payment(const Request& r) {
  COFFER_CHECK_OK(bucket_of(r));
  return Value::object({{"Payer", "BucketOwner"}});
}

Result<api::Value> put_accelerate(const Request& r) {
  COFFER_CHECK_OK(bucket_of(r));
  const Value* wanted = r.input().find("AccelerateConfiguration");
  const std::string_view status = wanted ? wanted->text("Status") : std::string_view();
  if (status == "Enabled") return not_implemented("Transfer acceleration is not implemented.");
  if (status != "Suspended") return malformed_xml();
  return Value::object();
}

Result<api::Value> get_accelerate(const Request& r) {
  COFFER_CHECK_OK(bucket_of(r));
  return Value::object();
}

Result<api::Value> get_bucket_website(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  r.error_element("BucketName", bucket->bucket.name);
  return api::fault(ErrorCode::kNotFound, "NoSuchWebsiteConfiguration",
                    "The specified bucket does not have a website configuration");
}

Result<api::Value> delete_bucket_website(const Request& r) {
  COFFER_CHECK_OK(bucket_of(r));
  return Value::object();
}

}  // namespace coffer::s3
