// CopyObject: the bytes of the source, decrypted and encrypted anew, under another name, or the same with something
// changed.
#include "base/base64.h"
#include "services/s3/copy_source.h"

namespace coffer::s3 {
namespace {

using api::Value;

struct PreparedCopy {
  explicit PreparedCopy(ObjectData& data) : piece(data) {}
  rows::Version version;
  std::string source_version_id;  // as shown; empty: the source's bucket has no versions
  UnclaimedPiece piece;
};

/// COPY is the default.
Result<bool> replaces(const Request& r, std::string_view member, std::string_view what) {
  const std::string directive = r.text(member);
  if (directive.empty() || directive == "COPY") return false;
  if (directive == "REPLACE") return true;
  return invalid_argument(r, member, directive, "Unknown " + std::string(what) + " directive.");
}

Status check_changes_itself(const Request& r, const BucketView& bucket, const OpenedSource& opened) {
  const bool same = opened.source.bucket->bucket.id == bucket.bucket.id && opened.source.key == r.text("Key") &&
                    opened.version.latest;
  if (!same || r.text("MetadataDirective") == "REPLACE") return ok_status();
  for (const char* member : {"StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption", "SSEKMSKeyId",
                             "SSECustomerAlgorithm", "BucketKeyEnabled"}) {
    if (r.input().has(member)) return ok_status();
  }
  return invalid_request(
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
      "metadata, storage class, website redirect location or encryption attributes.");
}

/// The new object's own properties, from the request or from the source as the directives say.
Result<rows::Version> version_of_copy(const Request& r, const BucketView& bucket, const OpenedSource& opened) {
  COFFER_TRY(const bool new_metadata, replaces(r, "MetadataDirective", "metadata"));
  COFFER_TRY(const bool new_tags, replaces(r, "TaggingDirective", "tagging"));
  COFFER_TRY(rows::Version version, new_version(r, bucket, r.text("Key")));
  if (!new_metadata) {
    Value metadata = opened.version.metadata;
    // Not copied, but set by a request that has it.
    metadata.set("WebsiteRedirectLocation",
                 r.text("WebsiteRedirectLocation").empty() ? Value() : Value(r.text("WebsiteRedirectLocation")));
    // Nor is who may read it.
    metadata.set("ACL", version.metadata.has("ACL") ? Value(version.metadata.text("ACL")) : Value());
    version.metadata = std::move(metadata);
  }
  if (!new_tags) version.tags = opened.version.tags;
  return version;
}

/// Which checksum the copy gets: the one asked for, else the source's kind.
std::string checksum_kind_of(const Request& r, const rows::Version& source) {
  if (r.input().has("ChecksumAlgorithm")) return r.text("ChecksumAlgorithm");
  return source.checksum_kind;
}

}  // namespace

Result<std::shared_ptr<void>> prepare_copy_object(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const std::string key = r.text("Key");
  COFFER_TRY(OpenedSource opened, open_copy_source(r, nullptr));
  COFFER_CHECK_OK(check_changes_itself(r, *bucket, opened));
  auto prepared = std::make_shared<PreparedCopy>(r.setting.data);
  rows::Version& version = prepared->version;
  COFFER_TRY(version, version_of_copy(r, *bucket, opened));
  COFFER_CHECK_OK(check_write_conditions(r, *bucket, key));
  version.root_identity = new_version_id(r.setting.entropy);
  COFFER_TRY(Encryptor::NewRoot root, root_for(r, *bucket, key, version.root_identity));
  version.encryption = std::move(root.stored);

  // The MD5 of an object of one part is known already.
  const rows::Version& source = opened.version;
  const bool own_key = version.encryption.mode == EncryptionMode::kS3;
  const bool etag_is_md5 = source.encryption.mode == EncryptionMode::kS3 && source.etag.size() == 32;
  CopiedBody body(std::move(opened.bytes), static_cast<uint64_t>(source.size_bytes));
  const Value nothing = Value::object();
  const api::Operation& o = r.operation;
  const api::Operation inner{o.call, nothing, o.transaction, o.identity, &body, nullptr, nullptr};
  COFFER_TRY(ReceivedBody received, receive_body(Request{r.setting, inner}, root.root.view(), own_key && !etag_is_md5,
                                                 checksum_kind_of(r, source)));
  version.etag = !own_key ? opaque_etag(r.setting.entropy) : etag_is_md5 ? source.etag : received.md5_hex;
  version.checksum_kind = received.checksum_kind;
  version.checksum = base64_encode(as_bytes(received.checksum));
  version.size_bytes = static_cast<int64_t>(received.written.piece.size_bytes);
  if (version.size_bytes > 0) {
    version.layout = {received.written.piece};
    prepared->piece.set(std::move(received.written));
  }
  if (!opened.source.bucket->bucket.versioning.empty()) prepared->source_version_id = source.version_id;
  return std::shared_ptr<void>(std::move(prepared));
}

Result<Value> copy_object(const Request& r) {
  const auto prepared = std::static_pointer_cast<PreparedCopy>(r.operation.prepared);
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(prepared->piece.begin_claim(r));
  COFFER_CHECK_OK(check_write_conditions(r, *bucket, prepared->version.key));
  rows::Version version = prepared->version;
  version.bucket_id = bucket->bucket.id;
  COFFER_CHECK_OK(store_version(r, *bucket, version, "CopyObject"));
  Value output = Value::object();
  show_version(*bucket, version, false, output);
  Value result = Value::object({{"ETag", output.text("ETag")}, {"LastModified", version.modified}});
  result.set("Checksum" + version.checksum_kind, version.checksum);
  result.set("ChecksumType", "FULL_OBJECT");
  output.set("ETag", {});
  output.set("CopyObjectResult", std::move(result));
  if (!prepared->source_version_id.empty()) output.set("CopySourceVersionId", prepared->source_version_id);
  prepared->piece.claimed();
  return output;
}

}  // namespace coffer::s3
