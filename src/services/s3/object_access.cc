// What must be allowed for the operations on objects and uploads.
#include "services/s3/copy_source.h"
#include "services/s3/object_operations.h"

namespace coffer::s3 {
namespace {

using Requests = std::vector<api::AccessRequest>;

/// What writing an object with the members of `r` takes: tags and locks are rights of their own.
Result<Requests> writing(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const std::string key = r.text("Key");
  Requests requests{access_to(r, *bucket, "s3:PutObject", key)};
  const api::Value& input = r.input();
  // Who may write may also say who reads, if lists count at all: by a list itself, or as a right of its own.
  const std::string_view list = input.text("ACL");
  if (!is_owner_enforced(*bucket) && (list.starts_with("public-") || list == "authenticated-read")) {
    const bool granted = requests.front().granted;
    requests.push_back(access_to(r, *bucket, "s3:PutObjectAcl", key));
    requests.back().granted |= granted;
    // It is about the new object, whoever may own what is there.
    requests.back().resource_account = bucket->bucket.account;
  }
  if (input.has("Tagging")) requests.push_back(access_to(r, *bucket, "s3:PutObjectTagging", key));
  if (input.has("ObjectLockMode") || input.has("ObjectLockRetainUntilDate"))
    requests.push_back(access_to(r, *bucket, "s3:PutObjectRetention", key));
  if (input.has("ObjectLockLegalHoldStatus")) requests.push_back(access_to(r, *bucket, "s3:PutObjectLegalHold", key));
  return requests;
}

Result<Requests> on_key(const Request& r, std::string action) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  return Requests{access_to(r, *bucket, std::move(action), r.text("Key"))};
}

/// The action's name for a version that is named, or for the latest.
std::string by_version(const Request& r, std::string_view before, std::string_view behind = "") {
  return std::string(before) + (r.input().has("VersionId") ? "Version" : "") + std::string(behind);
}

/// `requests` with those for reading the source of a copy.
Result<Requests> with_source(const Request& r, Requests requests, bool with_tags) {
  COFFER_TRY(const CopySource source, copy_source_of(r));
  const std::string version = source.version_id.empty() ? "" : "Version";
  requests.push_back(access_to(r, *source.bucket, "s3:GetObject" + version, source.key));
  if (!with_tags) return requests;
  COFFER_TRY(const auto found,
             source.version_id.empty()
                 ? rows::latest_version(r.t(), source.bucket->bucket.id, source.key)
                 : rows::find_version(r.t(), source.bucket->bucket.id, source.key, source.version_id));
  if (found && !found->tags.empty())
    requests.push_back(access_to(r, *source.bucket, "s3:GetObject" + version + "Tagging", source.key));
  return requests;
}

}  // namespace

Result<Requests> access_put_object(const Request& r) { return writing(r); }
Result<Requests> access_create_upload(const Request& r) { return writing(r); }
Result<Requests> access_upload_part(const Request& r) { return on_key(r, "s3:PutObject"); }
Result<Requests> access_get_object(const Request& r) { return on_key(r, by_version(r, "s3:GetObject")); }
Result<Requests> access_delete_object(const Request& r) { return on_key(r, by_version(r, "s3:DeleteObject")); }
Result<Requests> access_abort_upload(const Request& r) { return on_key(r, "s3:AbortMultipartUpload"); }
Result<Requests> access_list_parts(const Request& r) { return on_key(r, "s3:ListMultipartUploadParts"); }

Result<Requests> access_delete_objects(const Request& r) {
  COFFER_CHECK_OK(bucket_of(r));
  return Requests{};
}

Result<Requests> access_get_object_attributes(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const std::string key = r.text("Key");
  return Requests{access_to(r, *bucket, by_version(r, "s3:GetObject"), key),
                  access_to(r, *bucket, by_version(r, "s3:GetObject", "Attributes"), key)};
}

Result<Requests> access_copy_object(const Request& r) {
  COFFER_TRY(Requests requests, writing(r));
  return with_source(r, std::move(requests), r.text("TaggingDirective") != "REPLACE");
}
Result<Requests> access_upload_part_copy(const Request& r) {
  COFFER_TRY(Requests requests, on_key(r, "s3:PutObject"));
  return with_source(r, std::move(requests), false);
}

Result<Requests> access_list_uploads(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  return Requests{access_to(r, *bucket, "s3:ListBucketMultipartUploads")};
}

}  // namespace coffer::s3
