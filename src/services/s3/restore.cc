// RestoreObject: archived objects become readable for some days. Nothing is really far away here, so a restore is done
// at once; what clients see is what S3 shows them when it is done.
#include "engine/sigv4/time.h"
#include "services/s3/bucket_operations.h"
#include "services/s3/lifecycle_rules.h"

namespace coffer::s3 {
namespace {

using api::Value;

Result<int64_t> wanted_days(const Request& r, const rows::Version& version) {
  const Value* wanted = r.input().find("RestoreRequest");
  if (!wanted) return malformed_xml();
  if (wanted->has("Type") || wanted->has("SelectParameters") || wanted->has("OutputLocation"))
    return api::fault(ErrorCode::kFailedPrecondition, "NotImplemented", "Select restores are not implemented.");
  const Value* job = wanted->find("GlacierJobParameters");
  const std::string tier(job ? job->text("Tier") : wanted->text("Tier"));
  if (!tier.empty() && tier != "Standard" && tier != "Bulk" && tier != "Expedited") return malformed_xml();
  if (tier == "Expedited" && version.storage_class == "DEEP_ARCHIVE")
    return invalid_argument(r, "Tier", tier, "Expedited retrievals are not available for DEEP_ARCHIVE.");
  const auto days = wanted->integer("Days");
  if (!days) return malformed_xml();
  if (*days < 1) return invalid_argument(r, "Days", std::to_string(*days), "restoration days should be at least 1");
  return *days;
}

}  // namespace

Result<api::Value> restore_object(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(rows::Version version, version_of(r, *bucket, r.input().text("Key"), r.input().text("VersionId")));
  if (version.storage_class != "GLACIER" && version.storage_class != "DEEP_ARCHIVE") {
    r.error_element("StorageClass", version.storage_class);
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidObjectState",
                      "Restore is not allowed for the object's current storage class");
  }
  COFFER_TRY(const int64_t days, wanted_days(r, version));
  if (version.restore == "ongoing")
    return api::fault(ErrorCode::kFailedPrecondition, "RestoreAlreadyInProgress",
                      "Object restore is already in progress");
  const auto until = sigv4::parse_http_date(version.restore);
  const bool is_restored = until && *until > r.now();
  version.restore = sigv4::format_http_date(due_after(r.now(), days));
  COFFER_CHECK_OK(rows::update_version(r.t(), version));
  if (!is_restored) COFFER_CHECK_OK(tell(r, *bucket, version, Change::kRestored, r.call().operation));
  return Value::object();
}

}  // namespace coffer::s3
