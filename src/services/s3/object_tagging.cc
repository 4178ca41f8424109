// Tags of objects.
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

Value version_id_of(const BucketView& bucket, const rows::Version& version) {
  Value output = Value::object();
  if (!bucket.bucket.versioning.empty()) output.set("VersionId", version.version_id);
  return output;
}

Result<api::Value> replace_tags(const Request& r, std::map<std::string, std::string> tags) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(rows::Version version, version_of(r, *bucket, r.input().text("Key"), r.input().text("VersionId")));
  const Change change = tags.empty() ? Change::kUntagged : Change::kTagged;
  version.tags = std::move(tags);
  COFFER_CHECK_OK(rows::update_version(r.t(), version));
  COFFER_CHECK_OK(tell(r, *bucket, version, change, r.call().operation));
  return version_id_of(*bucket, version);
}

}  // namespace

Result<api::Value> put_object_tagging(const Request& r) {
  const Value* tagging = r.input().find("Tagging");
  if (!tagging) return malformed_xml();
  COFFER_TRY(auto tags, tags_of(*tagging, kObjectTagsMax));
  return replace_tags(r, std::move(tags));
}

Result<api::Value> delete_object_tagging(const Request& r) { return replace_tags(r, {}); }

Result<api::Value> get_object_tagging(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const rows::Version version, version_of(r, *bucket, r.input().text("Key"), r.input().text("VersionId")));
  Value output = version_id_of(*bucket, version);
  output.set("TagSet", tag_set_value(version.tags));
  return output;
}

}  // namespace coffer::s3
