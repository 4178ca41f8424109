// GetObject and HeadObject: which version, whether its conditions hold, which of its bytes.
#include <charconv>

#include "base/base64.h"
#include "engine/sigv4/time.h"
#include "services/s3/object_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;
using rows::Version;

constexpr int64_t kSecondMicros = 1'000'000;

struct Nothing final : ByteSource {
  Result<size_t> read(const Context&, MutableByteView) override { return size_t{0}; }
};

bool is_later(WallTime modified, WallTime than) {
  // Dates in headers have whole seconds.
  return modified.micros / kSecondMicros > than.micros / kSecondMicros;
}

Error not_modified(const Request& r, const BucketView& bucket, const Version& version) {
  r.error_header("ETag", quoted(version.etag));
  r.error_header("Last-Modified", sigv4::format_http_date(version.modified));
  if (!bucket.bucket.versioning.empty()) r.error_header("x-amz-version-id", version.version_id);
  if (const auto control = version.metadata.text_if("CacheControl")) r.error_header("Cache-Control", *control);
  return api::fault(ErrorCode::kFailedPrecondition, "NotModified", "Not Modified");
}

/// If-Match decides alone where it is there, and so does If-None-Match: RFC 9110, section 13.2.2.
Status check_conditions(const Request& r, const BucketView& bucket, const Version& version) {
  const Value& input = r.input();
  if (const auto match = input.text_if("IfMatch")) {
    if (!matches_etag(*match, version.etag)) return precondition_failed(r, "If-Match");
  } else if (const auto since = input.time("IfUnmodifiedSince")) {
    if (is_later(version.modified, *since)) return precondition_failed(r, "If-Unmodified-Since");
  }
  if (const auto none_match = input.text_if("IfNoneMatch")) {
    if (matches_etag(*none_match, version.etag)) return not_modified(r, bucket, version);
  } else if (const auto since = input.time("IfModifiedSince")) {
    if (!is_later(version.modified, *since)) return not_modified(r, bucket, version);
  }
  return ok_status();
}

/// What of the object is asked for.
struct Selection {
  ByteRange range;
  bool partial = false;
  const Piece* part = nullptr;
  int64_t part_count = 0;  // of a multipart object, when a part was asked for
};

Result<Selection> select_part(const Request& r, const Version& version, int64_t number) {
  Selection selection;
  const auto size = static_cast<uint64_t>(version.size_bytes);
  const bool multipart = !version.layout.empty() && version.layout.front().part_number > 0;
  if (!multipart && number == 1) {
    selection.range = {0, size};
    selection.partial = size > 0;
    return selection;
  }
  if (multipart) {
    for (const Piece& piece : version.layout) {
      if (selection.part_count++ == number - 1) selection.part = &piece;
      if (!selection.part) selection.range.offset += piece.size_bytes;
    }
  }
  if (!selection.part) {
    r.error_element("PartNumberRequested", std::to_string(number));
    r.error_element("ActualPartCount", std::to_string(multipart ? selection.part_count : 1));
    return api::fault(ErrorCode::kInvalidArgument, "InvalidPartNumber", "The requested partnumber is not satisfiable");
  }
  selection.range.length = selection.part->size_bytes;
  selection.partial = size > 0;
  return selection;
}

Result<Selection> select(const Request& r, const Version& version) {
  const auto number = r.input().integer("PartNumber");
  const std::string range_text = r.text("Range");
  const auto size = static_cast<uint64_t>(version.size_bytes);
  if (number && !range_text.empty())
    return invalid_request("Cannot specify both Range header and partNumber query parameter");
  if (number) {
    if (*number < 1 || *number > 10000)
      return invalid_argument(r, "partNumber", std::to_string(*number),
                              "Part number must be an integer between 1 and 10000, inclusive");
    return select_part(r, version, *number);
  }
  Selection selection;
  selection.range = {0, size};
  COFFER_TRY(const auto range, parse_range(r, range_text, size));
  if (range) {
    selection.range = *range;
    selection.partial = true;
  }
  return selection;
}

Status override_headers(const Request& r, Value& output) {
  for (const auto& [member, header] : {std::pair{"ResponseCacheControl", "CacheControl"},
                                       {"ResponseContentDisposition", "ContentDisposition"},
                                       {"ResponseContentEncoding", "ContentEncoding"},
                                       {"ResponseContentLanguage", "ContentLanguage"},
                                       {"ResponseContentType", "ContentType"},
                                       {"ResponseExpires", "Expires"}}) {
    const Value* value = r.input().find(member);
    if (!value) continue;
    if (r.call().caller.kind == api::Caller::Kind::kAnonymous)
      return invalid_request("Request specific response headers cannot be used for anonymous GET requests.");
    const auto* date = value->get_if<WallTime>();  // a header again, which may be any text
    output.set(header, date ? Value(sigv4::format_http_date(*date)) : *value);
  }
  return ok_status();
}

/// What only those see who may ask for it by itself.
Status show_guarded(const Request& r, const BucketView& bucket, const Version& version, Value& output) {
  const std::string infix = r.input().has("VersionId") ? "Version" : "";
  if (!version.tags.empty()) {
    COFFER_TRY(const bool may, is_allowed(r, bucket, "s3:GetObject" + infix + "Tagging", version.key));
    if (may) output.set("TagCount", static_cast<int64_t>(version.tags.size()));
  }
  if (!version.lock_mode.empty() && version.retain_until) {
    COFFER_TRY(const bool may, is_allowed(r, bucket, "s3:GetObjectRetention", version.key));
    if (may) output.set("ObjectLockMode", version.lock_mode).set("ObjectLockRetainUntilDate", *version.retain_until);
  }
  if (version.legal_hold) {
    COFFER_TRY(const bool may, is_allowed(r, bucket, "s3:GetObjectLegalHold", version.key));
    if (may) output.set("ObjectLockLegalHoldStatus", "ON");
  }
  return ok_status();
}

Result<Value> describe(const Request& r, const BucketView& bucket, const Version& version, const Selection& selection) {
  Value output = version.metadata;
  output.set("ACL", {});
  const bool with_checksum = r.text("ChecksumMode") == "ENABLED";
  const bool whole = !selection.partial || selection.range.length == static_cast<uint64_t>(version.size_bytes);
  show_version(bucket, version, with_checksum && whole && !selection.part, output);
  if (with_checksum && selection.part && !selection.part->checksum.empty()) {
    output.set("Checksum" + version.checksum_kind, base64_encode(as_bytes(selection.part->checksum)));
    output.set("ChecksumType", version.checksum_composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  output.set("AcceptRanges", "bytes");
  output.set("LastModified", version.modified);
  output.set("ContentLength", static_cast<int64_t>(selection.range.length));
  if (selection.partial) {
    const ByteRange& range = selection.range;
    const uint64_t last = range.length == 0 ? range.offset : range.offset + range.length - 1;
    output.set("ContentRange", "bytes " + std::to_string(range.offset) + "-" + std::to_string(last) + "/" +
                                   std::to_string(version.size_bytes));
  }
  if (selection.part_count > 0) output.set("PartsCount", selection.part_count);
  if (version.storage_class != "STANDARD") output.set("StorageClass", version.storage_class);
  if (version.restore == "ongoing") {
    output.set("Restore", "ongoing-request=\"true\"");
  } else if (!version.restore.empty()) {
    output.set("Restore", "ongoing-request=\"false\", expiry-date=\"" + version.restore + "\"");
  }
  if (!version.replication.empty()) output.set("ReplicationStatus", version.replication);
  COFFER_CHECK_OK(show_guarded(r, bucket, version, output));
  COFFER_CHECK_OK(override_headers(r, output));
  return output;
}

struct Found {
  std::shared_ptr<const BucketView> bucket;
  Version version;
  Selection selection;
  std::optional<Secret> customer_key;
};

Result<Found> find(const Request& r) {
  Found found;
  COFFER_TRY(found.bucket, bucket_of(r));
  const auto version_id = r.input().text_if("VersionId");
  if (version_id && version_id->empty())
    return invalid_argument(r, "versionId", "", "Version id cannot be the empty string");
  COFFER_TRY(found.version, version_of(r, *found.bucket, r.text("Key"), version_id.value_or("")));
  COFFER_CHECK_OK(check_conditions(r, *found.bucket, found.version));
  COFFER_TRY(found.customer_key, Encryptor::customer_key_of(r.operation));
  COFFER_TRY(found.selection, select(r, found.version));
  return found;
}

const Secret* key_of(const Found& found) { return found.customer_key ? &*found.customer_key : nullptr; }

bool read_number(std::string_view text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  // More digits than fit are a position beyond every object.
  if (error == std::errc::result_out_of_range) number = UINT64_MAX;
  return !text.empty() && end == text.data() + text.size() && error != std::errc::invalid_argument;
}

}  // namespace

Result<std::optional<ByteRange>> parse_range(const Request& r, std::string_view text, uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  const std::string whole(text);
  if (!text.starts_with(kUnit)) return std::optional<ByteRange>();
  text.remove_prefix(kUnit.size());
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::optional<ByteRange>();
  const std::string_view from = text.substr(0, dash), to = text.substr(dash + 1);
  const auto unsatisfiable = [&] {
    r.error_element("RangeRequested", whole);
    r.error_element("ActualObjectSize", std::to_string(size));
    r.error_header("Content-Range", "bytes */" + std::to_string(size));
    return api::fault(ErrorCode::kInvalidArgument, "InvalidRange", "The requested range is not satisfiable");
  };
  uint64_t first = 0, last = UINT64_MAX;
  if (from.empty()) {
    uint64_t count = 0;
    if (!read_number(to, count)) return std::optional<ByteRange>();
    if (count == 0 || size == 0) return unsatisfiable();
    count = std::min(count, size);
    return std::optional(ByteRange{size - count, count});
  }
  if (!read_number(from, first) || (!to.empty() && !read_number(to, last)) || last < first)
    return std::optional<ByteRange>();
  if (first >= size) return unsatisfiable();
  last = std::min(last, size - 1);
  return std::optional(ByteRange{first, last - first + 1});
}

Result<std::unique_ptr<ByteSource>> open_version(const Request& r, catalog::Transaction& t, const BucketView& bucket,
                                                 const Version& version, const Secret* customer_key, uint64_t offset,
                                                 uint64_t length) {
  COFFER_TRY(Secret root,
             r.setting.encryptor.open_root(r.operation, version.encryption,
                                           {bucket.bucket.name, version.key, version.root_identity}, customer_key));
  if (length == 0) return std::unique_ptr<ByteSource>(std::make_unique<Nothing>());
  return r.setting.data.open(r.context(), std::move(root), version.layout, offset, length,
                             [&t](const PieceId& id) { return rows::find_inline(t, id); });
}

Result<Value> get_object(const Request& r) {
  COFFER_TRY(const Found found, find(r));
  if (is_archived(found.version)) return archived(r, found.version);
  COFFER_TRY(Value output, describe(r, *found.bucket, found.version, found.selection));
  const ByteRange& range = found.selection.range;
  COFFER_TRY(auto body,
             open_version(r, r.t(), *found.bucket, found.version, key_of(found), range.offset, range.length));
  if (r.operation.reply) {
    r.operation.reply->body = std::move(body);
    r.operation.reply->body_size = range.length;
  }
  return output;
}

Result<Value> head_object(const Request& r) {
  COFFER_TRY(const Found found, find(r));
  // Who asks for more than the object's own headers shows that the key is theirs to use.
  const bool checksum = r.text("ChecksumMode") == "ENABLED" && found.version.encryption.mode == EncryptionMode::kKms;
  if (checksum || found.customer_key || found.version.encryption.mode == EncryptionMode::kCustomer)
    COFFER_CHECK_OK(open_version(r, r.t(), *found.bucket, found.version, key_of(found), 0, 0));
  return describe(r, *found.bucket, found.version, found.selection);
}

}  // namespace coffer::s3
