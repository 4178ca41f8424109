#include "services/s3/copy_source.h"

#include "engine/sigv4/percent.h"

namespace coffer::s3 {
namespace {

constexpr int64_t kSecondMicros = 1'000'000;

Result<rows::Version> find_source(const Request& r, catalog::Transaction& t, const CopySource& source) {
  if (source.version_id.empty()) {
    COFFER_TRY(auto latest, rows::latest_version(t, source.bucket->bucket.id, source.key));
    if (latest && !latest->marker) return std::move(*latest);
    COFFER_TRY(const bool may_list, is_allowed(r, *source.bucket, "s3:ListBucket"));
    return may_list ? no_such_key(r, source.key) : access_denied();
  }
  COFFER_TRY(auto version, rows::find_version(t, source.bucket->bucket.id, source.key, source.version_id));
  if (!version) {
    r.error_element("Key", source.key);
    r.error_element("VersionId", source.version_id);
    return api::fault(ErrorCode::kNotFound, "NoSuchVersion", "The specified version does not exist.");
  }
  if (version->marker)
    return invalid_request("The source of a copy request may not specifically refer to a delete marker by version id.");
  return std::move(*version);
}

/// Unlike those of a read, all of these fail with 412.
Status check_conditions(const Request& r, const rows::Version& version) {
  const api::Value& input = r.input();
  const auto modified = version.modified.micros / kSecondMicros;
  if (const auto match = input.text_if("CopySourceIfMatch")) {
    if (!matches_etag(*match, version.etag)) return precondition_failed(r, "x-amz-copy-source-If-Match");
  } else if (const auto since = input.time("CopySourceIfUnmodifiedSince")) {
    if (modified > since->micros / kSecondMicros)
      return precondition_failed(r, "x-amz-copy-source-If-Unmodified-Since");
  }
  if (const auto none_match = input.text_if("CopySourceIfNoneMatch")) {
    if (matches_etag(*none_match, version.etag)) return precondition_failed(r, "x-amz-copy-source-If-None-Match");
  } else if (const auto since = input.time("CopySourceIfModifiedSince")) {
    if (modified <= since->micros / kSecondMicros) return precondition_failed(r, "x-amz-copy-source-If-Modified-Since");
  }
  return ok_status();
}

/// Both ends must be there, and within the source.
Result<ByteRange> range_of_source(const Request& r, uint64_t size) {
  const auto text = r.input().text_if("CopySourceRange");
  if (!text) return ByteRange{0, size};
  const size_t dash = text->find('-');
  const auto range = parse_range(r, *text, UINT64_MAX);
  if (!range.ok() || !*range || text->starts_with("bytes=-") || dash + 1 == text->size())
    return invalid_argument(r, "x-amz-copy-source-range", *text,
                            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and "
                            "last are the zero-based offsets of the first and last bytes to copy");
  if ((*range)->offset >= size || (*range)->length > size - (*range)->offset)
    return invalid_argument(r, "x-amz-copy-source-range", *text,
                            "Range specified is not valid for source object of size: " + std::to_string(size));
  return **range;
}

}  // namespace

Result<CopySource> copy_source_of(const Request& r) {
  constexpr std::string_view kVersion = "?versionId=";
  std::string text = r.text("CopySource");
  const Error invalid = invalid_argument(r, "x-amz-copy-source", text,
                                         "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  CopySource source;
  if (const size_t at = text.rfind(kVersion); at != std::string::npos) {
    const auto version = sigv4::percent_decode(std::string_view(text).substr(at + kVersion.size()));
    if (!version || version->empty()) return invalid;
    source.version_id = *version;
    text.resize(at);
  }
  const auto path = sigv4::percent_decode(text, true);
  if (!path) return invalid;
  std::string_view rest = *path;
  if (rest.starts_with('/')) rest.remove_prefix(1);
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == rest.size()) return invalid;
  source.key = rest.substr(slash + 1);
  COFFER_TRY(source.bucket, bucket_named(r, rest.substr(0, slash), r.input().text("ExpectedSourceBucketOwner")));
  return source;
}

Result<OpenedSource> open_copy_source(const Request& r, ByteRange* range) {
  OpenedSource opened;
  COFFER_TRY(opened.source, copy_source_of(r));
  // One view for the version and its bytes: those that lie in the catalog go with the row.
  COFFER_TRY(const auto view, r.setting.database.begin(r.context(), catalog::Database::Mode::kRead));
  COFFER_TRY(opened.version, find_source(r, *view, opened.source));
  COFFER_CHECK_OK(check_conditions(r, opened.version));
  if (is_archived(opened.version)) return archived(r, opened.version);
  ByteRange wanted{0, static_cast<uint64_t>(opened.version.size_bytes)};
  if (range) {
    COFFER_TRY(wanted, range_of_source(r, wanted.length));
    *range = wanted;
  }
  if (wanted.length > kUploadSizeMax)
    return invalid_request("The specified copy source is larger than the maximum allowable size for a copy source: " +
                           std::to_string(kUploadSizeMax));
  COFFER_TRY(const auto key, Encryptor::customer_key_of(r.operation, "CopySource"));
  COFFER_TRY(opened.bytes, open_version(r, *view, *opened.source.bucket, opened.version, key ? &*key : nullptr,
                                        wanted.offset, wanted.length));
  return opened;
}

}  // namespace coffer::s3
