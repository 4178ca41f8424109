// What a request says of the object that it makes: metadata, tags, storage class, locks, encryption.
#include <algorithm>

#include "engine/crypto/checksum.h"
#include "services/s3/access_lists.h"
#include "services/s3/object_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr size_t kKeySizeMax = 1024, kUserMetadataSizeMax = 2048;
constexpr std::string_view kStorageClasses[] = {
    "STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE"};
constexpr std::string_view kPlainMembers[] = {"CacheControl", "ContentDisposition", "ContentLanguage", "Expires",
                                              "WebsiteRedirectLocation"};

Error argument(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument", std::move(message));
}

Result<std::string> storage_class_of(const Value& input) {
  const std::string_view name = input.text("StorageClass");
  // Reduced redundancy is kept as well as everything else is.
  if (name.empty() || name == "REDUCED_REDUNDANCY") return std::string("STANDARD");
  if (std::find(std::begin(kStorageClasses), std::end(kStorageClasses), name) == std::end(kStorageClasses))
    return api::fault(ErrorCode::kInvalidArgument, "InvalidStorageClass",
                      "The storage class you specified is not valid");
  return std::string(name);
}

/// How the body came over the wire is no property of the object.
std::string without_aws_chunked(std::string_view encodings) {
  std::string kept;
  while (!encodings.empty()) {
    const size_t comma = encodings.find(',');
    std::string_view one = encodings.substr(0, comma);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (!one.empty() && one != "aws-chunked") kept.append(kept.empty() ? "" : ",").append(one);
    encodings = comma == std::string_view::npos ? std::string_view() : encodings.substr(comma + 1);
  }
  return kept;
}

bool has_lock(const Value& input) {
  return input.has("ObjectLockMode") || input.has("ObjectLockRetainUntilDate") ||
         input.has("ObjectLockLegalHoldStatus");
}

Status check_lock(const Request& r, const BucketView& bucket, const Value& input) {
  if (!has_lock(input)) return ok_status();
  if (!bucket.bucket.lock_enabled) return invalid_request("Bucket is missing Object Lock Configuration");
  const std::string_view mode = input.text("ObjectLockMode");
  const auto until = input.time("ObjectLockRetainUntilDate");
  if (mode.empty() != !until)
    return argument("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied");
  if (!mode.empty() && mode != "GOVERNANCE" && mode != "COMPLIANCE") return argument("Unknown wormMode directive.");
  if (until && *until <= r.now()) return argument("The retain until date must be in the future!");
  const std::string_view hold = input.text("ObjectLockLegalHoldStatus");
  if (!hold.empty() && hold != "ON" && hold != "OFF") return argument("Legal Hold must be either of 'ON' or 'OFF'");
  return ok_status();
}

}  // namespace

Status check_key(std::string_view key) {
  if (key.size() <= kKeySizeMax) return ok_status();
  return api::fault(ErrorCode::kInvalidArgument, "KeyTooLongError", "Your key is too long");
}

Result<Value> metadata_from(const Request& r, const Value& input) {
  Value metadata = Value::object();
  const std::string_view type = input.text("ContentType");
  metadata.set("ContentType", type.empty() ? std::string_view("binary/octet-stream") : type);
  if (std::string encoding = without_aws_chunked(input.text("ContentEncoding")); !encoding.empty())
    metadata.set("ContentEncoding", std::move(encoding));
  for (std::string_view member : kPlainMembers) {
    if (const Value* value = input.find(member)) metadata.set(member, *value);
  }
  const auto user = input.text_map("Metadata");
  size_t size = 0;
  for (const auto& [name, value] : user) size += name.size() + value.size();
  if (size > kUserMetadataSizeMax) {
    r.error_element("Size", std::to_string(size));
    r.error_element("MaxSizeAllowed", std::to_string(kUserMetadataSizeMax));
    return api::fault(ErrorCode::kInvalidArgument, "MetadataTooLarge",
                      "Your metadata headers exceed the maximum allowed metadata size");
  }
  if (!user.empty()) metadata.set("Metadata", api::text_map(user));
  return metadata;
}

Result<rows::Version> version_from(const Request& r, const BucketView& bucket, std::string_view key,
                                   const Value& input) {
  rows::Version version;
  version.bucket_id = bucket.bucket.id;
  version.key = key;
  version.modified = r.now();
  const std::string list(input.text("ACL"));
  version.owner = owner_of_new(r, bucket, list);
  COFFER_TRY(version.storage_class, storage_class_of(input));
  COFFER_TRY(version.metadata, metadata_from(r, input));
  if (!list.empty() && !is_owner_enforced(bucket)) version.metadata.set("ACL", list);
  COFFER_TRY(version.tags, tags_of_header(input.text("Tagging")));
  version.lock_mode = input.text("ObjectLockMode");
  version.retain_until = input.time("ObjectLockRetainUntilDate");
  version.legal_hold = input.text("ObjectLockLegalHoldStatus") == "ON";
  return version;
}

Result<rows::Version> new_version(const Request& r, const BucketView& bucket, std::string_view key) {
  COFFER_CHECK_OK(check_key(key));
  COFFER_CHECK_OK(check_acl(r, bucket));
  COFFER_CHECK_OK(check_lock(r, bucket, r.input()));
  return version_from(r, bucket, key, r.input());
}

Status check_locked_write_has_checksum(const Request& r, const BucketView& bucket) {
  const Value& input = r.input();
  if (!has_lock(input) && !default_retention(bucket)) return ok_status();
  if (input.has("ContentMD5") || input.has("ChecksumAlgorithm")) return ok_status();
  if (r.operation.body && !r.operation.body->announced_members().empty()) return ok_status();
  for (const auto& [name, value] : input.entries()) {
    if (name.starts_with("Checksum") && crypto::checksum_kind(std::string_view(name).substr(8))) return ok_status();
  }
  return invalid_request(
      "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters");
}

Result<Encryptor::NewRoot> root_for(const Request& r, const BucketView& bucket, std::string_view key,
                                    std::string_view identity) {
  COFFER_TRY(const EncryptionWish wish, Encryptor::wish_of(r.operation, default_encryption(bucket)));
  if (wish.mode == EncryptionMode::kCustomer && blocks_customer_keys(bucket)) return access_denied();
  return r.setting.encryptor.make_root(r.operation, wish,
                                       {bucket.bucket.name, std::string(key), std::string(identity)});
}

}  // namespace coffer::s3
