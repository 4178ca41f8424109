// Retention and legal hold of versions.
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

struct Found {
  std::shared_ptr<const BucketView> bucket;
  rows::Version version;
};
Result<Found> version_in_locked_bucket(const Request& r) {
  COFFER_TRY(auto bucket, bucket_of(r));
  if (!bucket->bucket.lock_enabled) return invalid_request("Bucket is missing Object Lock Configuration");
  COFFER_TRY(auto version, version_of(r, *bucket, r.input().text("Key"), r.input().text("VersionId")));
  return Found{std::move(bucket), std::move(version)};
}

Error no_lock() {
  return api::fault(ErrorCode::kNotFound, "NoSuchObjectLockConfiguration",
                    "The specified object does not have a ObjectLock configuration");
}

struct Retention {
  std::string mode;
  std::optional<WallTime> until;
};
/// Nothing at all is a retention too: none.
Result<Retention> wanted_retention(const Request& r) {
  const Value* wanted = r.input().find("Retention");
  if (!wanted) return malformed_xml();
  Retention retention{std::string(wanted->text("Mode")), wanted->time("RetainUntilDate")};
  if (retention.mode.empty() && !retention.until) return retention;
  if ((retention.mode != "GOVERNANCE" && retention.mode != "COMPLIANCE") || !retention.until) return malformed_xml();
  if (*retention.until <= r.now())
    return invalid_argument(r, "RetainUntilDate", format_utc(*retention.until),
                            "The retain until date must be in the future!");
  return retention;
}

/// May `wanted` take the place of what locks the version now? A lock that is over holds nothing.
Status check_change(const Request& r, const Found& found, const Retention& wanted) {
  const rows::Version& now = found.version;
  if (now.lock_mode.empty() || !now.retain_until || *now.retain_until <= r.now()) return ok_status();
  if (wanted.mode == now.lock_mode && *wanted.until >= *now.retain_until) return ok_status();
  const Error refused = api::fault(ErrorCode::kPermissionDenied, "AccessDenied",
                                   "Access Denied because object protected by object lock.");
  if (now.lock_mode == "COMPLIANCE" || !r.input().flag("BypassGovernanceRetention")) return refused;
  COFFER_TRY(const bool may, is_allowed(r, *found.bucket, "s3:BypassGovernanceRetention", now.key));
  return may ? ok_status() : Status(refused);
}

}  // namespace

Result<api::Value> put_object_retention(const Request& r) {
  COFFER_TRY(Found found, version_in_locked_bucket(r));
  COFFER_TRY(Retention wanted, wanted_retention(r));
  COFFER_CHECK_OK(check_change(r, found, wanted));
  found.version.lock_mode = std::move(wanted.mode);
  found.version.retain_until = wanted.until;
  COFFER_CHECK_OK(rows::update_version(r.t(), found.version));
  COFFER_CHECK_OK(tell(r, *found.bucket, found.version, Change::kLockChanged, r.call().operation));
  return Value::object();
}

Result<api::Value> get_object_retention(const Request& r) {
  COFFER_TRY(const Found found, version_in_locked_bucket(r));
  if (found.version.lock_mode.empty() || !found.version.retain_until) return no_lock();
  return Value::object({{"Retention", Value::object({{"Mode", found.version.lock_mode},
                                                     {"RetainUntilDate", *found.version.retain_until}})}});
}

Result<api::Value> put_object_legal_hold(const Request& r) {
  COFFER_TRY(Found found, version_in_locked_bucket(r));
  const Value* wanted = r.input().find("LegalHold");
  const std::string_view status = wanted ? wanted->text("Status") : std::string_view();
  if (status != "ON" && status != "OFF") return malformed_xml();
  found.version.legal_hold = status == "ON";
  COFFER_CHECK_OK(rows::update_version(r.t(), found.version));
  COFFER_CHECK_OK(tell(r, *found.bucket, found.version, Change::kLockChanged, r.call().operation));
  return Value::object();
}

Result<api::Value> get_object_legal_hold(const Request& r) {
  COFFER_TRY(const Found found, version_in_locked_bucket(r));
  return Value::object({{"LegalHold", Value::object({{"Status", found.version.legal_hold ? "ON" : "OFF"}})}});
}

}  // namespace coffer::s3
