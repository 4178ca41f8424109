// ListMultipartUploads and ListParts.
#include <algorithm>

#include "base/base64.h"
#include "engine/sigv4/percent.h"
#include "services/s3/uploads.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr int64_t kPageMax = 1000;

/// A limit of a listing: at most, and when none is said, 1000.
Result<int64_t> limit_of(const Request& r, std::string_view member, std::string_view argument) {
  const auto limit = r.input().integer(member);
  if (limit && *limit < 0)
    return invalid_argument(r, argument, std::to_string(*limit),
                            "Argument " + std::string(argument) + " must be an integer between 0 and 2147483647");
  return std::min(limit.value_or(kPageMax), kPageMax);
}

Value upload_entry(const BucketView& bucket, const rows::Upload& upload, std::string key) {
  const std::string_view storage_class = upload.input.text("StorageClass");
  Value entry = Value::object({{"UploadId", upload.id},
                               {"Key", std::move(key)},
                               {"Initiated", upload.initiated},
                               {"StorageClass", storage_class.empty() ? "STANDARD" : storage_class},
                               {"Owner", owner_value(bucket.bucket.account)},
                               {"Initiator", initiator_value(upload)}});
  if (checksum_of(upload).chosen) {
    entry.set("ChecksumAlgorithm", upload.input.text("ChecksumAlgorithm"));
    entry.set("ChecksumType", upload.input.text("ChecksumType"));
  }
  return entry;
}

/// A page of uploads and of what their keys have in common up to the delimiter.
class Page {
 public:
  Page(const Request& r, const BucketView& bucket, int64_t limit)
      : r_(r), bucket_(bucket), limit_(limit), prefix_(r.text("Prefix")), delimiter_(r.text("Delimiter")) {}

  Status fill(std::string key_after, std::string id_after) {
    // A marker that is a common prefix itself stands for all keys below it.
    if (!delimiter_.empty() && id_after.empty() && key_after.starts_with(prefix_) && key_after.ends_with(delimiter_))
      last_prefix_ = common_prefix(key_after);
    while (limit_ > 0) {
      COFFER_TRY(const auto found,
                 rows::list_uploads(r_.t(), bucket_.bucket.id, prefix_, key_after, id_after, kPageMax));
      for (const rows::Upload& upload : found) {
        const std::string common = common_prefix(upload.key);
        if (!common.empty() && common == last_prefix_) continue;
        if (count() == limit_) {
          truncated = true;
          return ok_status();
        }
        if (common.empty()) {
          uploads.push_back(upload_entry(bucket_, upload, shown(upload.key)));
          next_key = upload.key;
          next_id = upload.id;
        } else {
          prefixes.push_back(Value::object({{"Prefix", shown(common)}}));
          last_prefix_ = next_key = common;
          next_id.clear();
        }
      }
      if (static_cast<int64_t>(found.size()) < kPageMax) return ok_status();
      key_after = found.back().key;
      id_after = found.back().id;
    }
    return ok_status();
  }
  [[nodiscard]] std::string shown(const std::string& text) const {
    return r_.text("EncodingType") == "url" ? sigv4::percent_encode(text, true) : text;
  }

  api::List uploads, prefixes;
  bool truncated = false;
  std::string next_key, next_id;

 private:
  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(uploads.size() + prefixes.size()); }
  [[nodiscard]] std::string common_prefix(const std::string& key) const {
    if (delimiter_.empty()) return {};
    const size_t at = key.find(delimiter_, prefix_.size());
    return at == std::string::npos ? std::string() : key.substr(0, at + delimiter_.size());
  }

  const Request& r_;
  const BucketView& bucket_;
  int64_t limit_;
  std::string prefix_, delimiter_, last_prefix_;
};

}  // namespace

Result<Value> list_uploads(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const int64_t limit, limit_of(r, "MaxUploads", "max-uploads"));
  const std::string key_marker = r.text("KeyMarker");
  Page page(r, *bucket, limit);
  // The marker of an upload says nothing without that of its key.
  COFFER_CHECK_OK(page.fill(key_marker, key_marker.empty() ? "" : r.text("UploadIdMarker")));
  Value output = Value::object({{"Bucket", bucket->bucket.name},
                                {"KeyMarker", page.shown(key_marker)},
                                {"UploadIdMarker", r.text("UploadIdMarker")},
                                {"MaxUploads", limit},
                                {"IsTruncated", page.truncated}});
  if (r.input().has("Prefix")) output.set("Prefix", page.shown(r.text("Prefix")));
  if (r.input().has("Delimiter")) output.set("Delimiter", page.shown(r.text("Delimiter")));
  if (r.input().has("EncodingType")) output.set("EncodingType", r.text("EncodingType"));
  if (page.truncated) output.set("NextKeyMarker", page.shown(page.next_key));
  if (page.truncated) output.set("NextUploadIdMarker", page.next_id);
  if (!page.uploads.empty()) output.set("Uploads", std::move(page.uploads));
  if (!page.prefixes.empty()) output.set("CommonPrefixes", std::move(page.prefixes));
  return output;
}

Result<Value> list_parts(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const rows::Upload upload, upload_of(r, r.t(), *bucket));
  COFFER_TRY(const int64_t limit, limit_of(r, "MaxParts", "max-parts"));
  const int64_t after = std::clamp<int64_t>(r.input().integer("PartNumberMarker").value_or(0), 0, kPartNumberMax);
  COFFER_TRY(auto parts, rows::list_parts(r.t(), upload.id, static_cast<int32_t>(after), limit + 1));
  const bool truncated = static_cast<int64_t>(parts.size()) > limit;
  if (truncated) parts.resize(static_cast<size_t>(limit));
  const UploadChecksum checksum = checksum_of(upload);
  api::List list;
  for (const rows::Part& part : parts) {
    Value one = Value::object({{"PartNumber", int64_t{part.number}},
                               {"LastModified", part.modified},
                               {"ETag", quoted(part.etag)},
                               {"Size", static_cast<int64_t>(part.piece.size_bytes)}});
    if (checksum.chosen)
      one.set("Checksum" + std::string(crypto::name_of(checksum.kind)), base64_encode(as_bytes(part.checksum)));
    list.push_back(std::move(one));
  }
  Value output = upload_entry(*bucket, upload, upload.key);
  output.set("Initiated", {});
  output.set("Bucket", bucket->bucket.name);
  output.set("PartNumberMarker", after);
  output.set("NextPartNumberMarker", parts.empty() ? int64_t{0} : int64_t{parts.back().number});
  output.set("MaxParts", limit);
  output.set("IsTruncated", truncated);
  if (!list.empty()) output.set("Parts", std::move(list));
  return output;
}

}  // namespace coffer::s3
