// What writing and deleting mean, by the versioning of the bucket.
#include "services/s3/object_operations.h"

namespace coffer::s3 {
namespace {

using rows::Version;

constexpr std::string_view kNull = "null";
constexpr int64_t kDayMicros = 86'400'000'000;

Error locked() {
  return api::fault(ErrorCode::kPermissionDenied, "AccessDenied",
                    "Access Denied because object protected by object lock.");
}

/// A version goes for good, with its bytes.
Status erase(const Request& r, const Version& version) {
  COFFER_CHECK_OK(rows::delete_version(r.t(), version));
  return rows::discard_pieces(r.t(), version.layout, r.now());
}

/// Makes room for a version `null`: there is one of a key at most.
Status erase_null_version(const Request& r, const BucketView& bucket, std::string_view key) {
  COFFER_TRY(const auto old, rows::find_version(r.t(), bucket.bucket.id, key, kNull));
  if (!old) return ok_status();
  if (is_locked(*old, r.now(), false)) return locked();
  return erase(r, *old);
}

/// What is the latest now has a successor from now on.
Status end_latest(const Request& r, const Version& successor) {
  COFFER_TRY(const auto latest, rows::latest_version(r.t(), successor.bucket_id, successor.key));
  return latest ? rows::set_latest(r.t(), *latest, false, r.now()) : ok_status();
}

/// Puts a version, or a marker, before all others of its key.
Status put_first(const Request& r, const BucketView& bucket, Version& version) {
  version.latest = true;
  const std::string& versioning = bucket.bucket.versioning;
  if (versioning == "Enabled") {
    version.version_id = new_version_id(r.setting.entropy);
  } else {
    version.version_id = kNull;
    COFFER_CHECK_OK(erase_null_version(r, bucket, version.key));
  }
  if (!versioning.empty()) COFFER_CHECK_OK(end_latest(r, version));
  return rows::insert_version(r.t(), version);
}

Result<Deletion> put_marker(const Request& r, const BucketView& bucket, std::string_view key, Change change) {
  Version marker;
  marker.bucket_id = bucket.bucket.id;
  marker.key = key;
  marker.marker = true;
  marker.modified = r.now();
  marker.owner = bucket.bucket.account;
  COFFER_CHECK_OK(put_first(r, bucket, marker));
  COFFER_CHECK_OK(tell(r, bucket, marker, change, "DeleteObject"));
  return Deletion{.marker_created = true, .marker_removed = false, .version_id = marker.version_id};
}

/// A version by its id; the newest of the others takes its place when it was the latest.
Status remove_version(const Request& r, const BucketView& bucket, const Version& version, Change change) {
  COFFER_CHECK_OK(erase(r, version));
  if (version.latest) {
    COFFER_TRY(const auto next, rows::next_latest(r.t(), bucket.bucket.id, version.key, version.sequence));
    if (next) COFFER_CHECK_OK(rows::set_latest(r.t(), *next, true, std::nullopt));
  }
  return tell(r, bucket, version, change, "DeleteObject");
}

}  // namespace

Error precondition_failed(const Request& r, std::string_view condition) {
  r.error_element("Condition", std::string(condition));
  return api::fault(ErrorCode::kFailedPrecondition, "PreconditionFailed",
                    "At least one of the pre-conditions you specified did not hold");
}
Error no_such_key(const Request& r, std::string_view key) {
  r.error_element("Key", std::string(key));
  return api::fault(ErrorCode::kNotFound, "NoSuchKey", "The specified key does not exist.");
}
Error access_denied() { return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", "Access Denied"); }

std::string quoted(std::string_view etag) { return '"' + std::string(etag) + '"'; }

bool matches_etag(std::string_view condition, std::string_view etag) {
  while (!condition.empty()) {
    const size_t comma = condition.find(',');
    std::string_view one = condition.substr(0, comma);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one == "*") return true;
    if (one.size() >= 2 && one.front() == '"' && one.back() == '"') one = one.substr(1, one.size() - 2);
    if (one == etag) return true;
    condition = comma == std::string_view::npos ? std::string_view() : condition.substr(comma + 1);
  }
  return false;
}

bool is_locked(const Version& version, WallTime now, bool bypass_governance) {
  if (version.legal_hold) return true;
  if (version.lock_mode.empty() || !version.retain_until || *version.retain_until <= now) return false;
  return !(bypass_governance && version.lock_mode == "GOVERNANCE");
}

bool is_archived(const Version& version) {
  const bool cold = version.storage_class == "GLACIER" || version.storage_class == "DEEP_ARCHIVE";
  return cold && (version.restore.empty() || version.restore == "ongoing");
}
Error archived(const Request& r, const Version& version) {
  r.error_element("StorageClass", version.storage_class);
  return api::fault(ErrorCode::kPermissionDenied, "InvalidObjectState",
                    "The operation is not valid for the object's storage class");
}

// Version ids need no order: sequences have it. 64 characters that a URL leaves as they are, 6 bits each.
std::string new_version_id(Entropy& entropy) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
  std::string id;
  for (std::byte b : entropy.array<32>()) id += kAlphabet[static_cast<uint8_t>(b) & 63];
  return id;
}

Status check_write_conditions(const Request& r, const BucketView& bucket, std::string_view key) {
  const auto match = r.input().text_if("IfMatch");
  const auto none_match = r.input().text_if("IfNoneMatch");
  if (!match && !none_match) return ok_status();
  if (none_match && *none_match != "*")
    return api::fault(ErrorCode::kInvalidArgument, "NotImplemented",
                      "A header you provided implies functionality that is not implemented");
  COFFER_TRY(const auto latest, rows::latest_version(r.t(), bucket.bucket.id, key));
  const bool exists = latest && !latest->marker;
  if (none_match && exists) return precondition_failed(r, "If-None-Match");
  if (!match) return ok_status();
  if (!exists) return no_such_key(r, key);
  return matches_etag(*match, latest->etag) ? ok_status() : Status(precondition_failed(r, "If-Match"));
}

void lock_by_default(const BucketView& bucket, Version& version, WallTime since) {
  if (!bucket.bucket.lock_enabled || !version.lock_mode.empty()) return;
  const auto retention = default_retention(bucket);
  if (!retention) return;
  version.lock_mode = retention->mode;
  version.retain_until = WallTime{since.micros + retention->days * kDayMicros};
}

Status store_version(const Request& r, const BucketView& bucket, Version& version, std::string_view reason) {
  lock_by_default(bucket, version, version.modified);
  COFFER_CHECK_OK(put_first(r, bucket, version));
  return tell(r, bucket, version, Change::kCreated, reason);
}

Result<Deletion> remove_object(const Request& r, const BucketView& bucket, std::string_view key,
                               std::string_view version_id, bool bypass_governance) {
  const std::string& versioning = bucket.bucket.versioning;
  if (version_id.empty() && !versioning.empty()) return put_marker(r, bucket, key, Change::kMarkerCreated);
  COFFER_TRY(const auto version,
             rows::find_version(r.t(), bucket.bucket.id, key, version_id.empty() ? kNull : version_id));
  Deletion deletion;
  deletion.version_id = version_id;
  if (!version) return deletion;
  if (is_locked(*version, r.now(), bypass_governance)) return locked();
  COFFER_CHECK_OK(remove_version(r, bucket, *version, Change::kRemoved));
  deletion.marker_removed = version->marker;
  return deletion;
}

Status expire_object(const Request& r, const BucketView& bucket, const Version& version) {
  if (bucket.bucket.versioning.empty()) return remove_version(r, bucket, version, Change::kExpired);
  COFFER_CHECK_OK(put_marker(r, bucket, version.key, Change::kExpiredMarker));
  return ok_status();
}
Status erase_expired(const Request& r, const BucketView& bucket, const Version& version) {
  return remove_version(r, bucket, version, Change::kExpired);
}

Result<Version> version_of(const Request& r, const BucketView& bucket, std::string_view key,
                           std::string_view version_id) {
  const auto say_marker = [&](const Version& marker) {
    r.error_header("x-amz-delete-marker", "true");
    r.error_header("x-amz-version-id", marker.version_id);
  };
  if (version_id.empty()) {
    COFFER_TRY(auto latest, rows::latest_version(r.t(), bucket.bucket.id, key));
    if (latest && !latest->marker) return std::move(*latest);
    // Whether a key is there is what a listing tells.
    COFFER_TRY(const bool may_list, is_allowed(r, bucket, "s3:ListBucket"));
    if (!may_list) return access_denied();
    if (latest) say_marker(*latest);
    return no_such_key(r, key);
  }
  COFFER_TRY(auto version, rows::find_version(r.t(), bucket.bucket.id, key, version_id));
  if (!version) {
    r.error_element("Key", std::string(key));
    r.error_element("VersionId", std::string(version_id));
    return api::fault(ErrorCode::kNotFound, "NoSuchVersion", "The specified version does not exist.");
  }
  if (version->marker) {
    say_marker(*version);
    r.error_element("Method", r.call().operation == "HeadObject" ? "HEAD" : "GET");
    r.error_element("ResourceType", "DeleteMarker");
    return api::fault(ErrorCode::kFailedPrecondition, "MethodNotAllowed",
                      "The specified method is not allowed against this resource.");
  }
  return std::move(*version);
}

void show_version(const BucketView& bucket, const Version& version, bool with_checksum, api::Value& output) {
  output.set("ETag", quoted(version.etag));
  if (!bucket.bucket.versioning.empty()) output.set("VersionId", version.version_id);
  if (with_checksum && !version.checksum_kind.empty()) {
    output.set("Checksum" + version.checksum_kind, version.checksum);
    output.set("ChecksumType", version.checksum_composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  if (std::string expiration = expiration_of(bucket, version); !expiration.empty())
    output.set("Expiration", std::move(expiration));
  Encryptor::show(version.encryption, output);
}

}  // namespace coffer::s3
