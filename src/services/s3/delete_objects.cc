#include "services/s3/object_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr size_t kKeysMax = 1000;

/// "If the ETag does not match, the operation returns a 412; it succeeds when it does, or when there is no object."
Status check_match(const Request& r, const BucketView& bucket, std::string_view key, std::string_view version_id,
                   std::string_view etag) {
  COFFER_TRY(const auto version, version_id.empty() ? rows::latest_version(r.t(), bucket.bucket.id, key)
                                                    : rows::find_version(r.t(), bucket.bucket.id, key, version_id));
  if (!version || version->marker || matches_etag(etag, version->etag)) return ok_status();
  return precondition_failed(r, "If-Match");
}

/// A lock is asked only of what is named by its version, and bypassing it is a right of its own.
Result<bool> may_bypass(const Request& r, const BucketView& bucket, std::string_view key, std::string_view version_id) {
  if (version_id.empty() || !r.input().flag("BypassGovernanceRetention")) return false;
  return is_allowed(r, bucket, "s3:BypassGovernanceRetention", key);
}

Result<Deletion> delete_one(const Request& r, const BucketView& bucket, const Value& object) {
  const std::string_view key = object.text("Key"), version_id = object.text("VersionId");
  COFFER_CHECK_OK(check_key(key));
  const bool versioned = object.has("VersionId");
  COFFER_TRY(const bool may, is_allowed(r, bucket, versioned ? "s3:DeleteObjectVersion" : "s3:DeleteObject", key));
  if (!may) return access_denied();
  if (object.has("LastModifiedTime") || object.has("Size"))
    return api::fault(ErrorCode::kInvalidArgument, "NotImplemented",
                      "A header you provided implies functionality that is not implemented");
  if (const auto etag = object.text_if("ETag")) COFFER_CHECK_OK(check_match(r, bucket, key, version_id, *etag));
  COFFER_TRY(const bool bypass, may_bypass(r, bucket, key, version_id));
  return remove_object(r, bucket, key, version_id, bypass);
}

Value deleted_entry(const Value& object, const Deletion& deletion) {
  Value entry = Value::object({{"Key", object.text("Key")}});
  if (object.has("VersionId")) entry.set("VersionId", object.text("VersionId"));
  if (deletion.marker_created || deletion.marker_removed)
    entry.set("DeleteMarker", true).set("DeleteMarkerVersionId", deletion.version_id);
  return entry;
}

Value error_entry(const Value& object, const Error& error) {
  Value entry = Value::object({{"Key", object.text("Key")}});
  if (object.has("VersionId")) entry.set("VersionId", object.text("VersionId"));
  entry.set("Code", error.name).set("Message", error.message);
  return entry;
}

}  // namespace

Result<Value> delete_object(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value& input = r.input();
  if (input.has("IfMatchLastModifiedTime") || input.has("IfMatchSize"))
    return api::fault(ErrorCode::kInvalidArgument, "NotImplemented",
                      "A header you provided implies functionality that is not implemented");
  const std::string key = r.text("Key");
  const auto version_id = input.text_if("VersionId");
  if (version_id && version_id->empty())
    return invalid_argument(r, "versionId", "", "Version id cannot be the empty string");
  const std::string version = version_id.value_or("");
  if (const auto etag = input.text_if("IfMatch")) COFFER_CHECK_OK(check_match(r, *bucket, key, version, *etag));
  COFFER_TRY(const bool bypass, may_bypass(r, *bucket, key, version));
  COFFER_TRY(const Deletion deletion, remove_object(r, *bucket, key, version, bypass));
  Value output = Value::object();
  if (deletion.marker_created || deletion.marker_removed) output.set("DeleteMarker", true);
  if (!deletion.version_id.empty()) output.set("VersionId", deletion.version_id);
  return output;
}

Result<Value> delete_objects(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* wanted = r.input().find("Delete");
  const api::List& objects = (wanted ? *wanted : r.input()).list("Objects");
  if (objects.empty() || objects.size() > kKeysMax) return malformed_xml();
  api::List deleted, errors;
  for (const Value& object : objects) {
    const Result<Deletion> deletion = delete_one(r, *bucket, object);
    if (deletion.ok()) {
      deleted.push_back(deleted_entry(object, *deletion));
    } else if (deletion.error().name.empty()) {
      return deletion.error();  // nobody's key: the catalog
    } else {
      errors.push_back(error_entry(object, deletion.error()));
    }
  }
  Value output = Value::object();
  if (!deleted.empty() && !wanted->flag("Quiet")) output.set("Deleted", std::move(deleted));
  if (!errors.empty()) output.set("Errors", std::move(errors));
  return output;
}

}  // namespace coffer::s3
