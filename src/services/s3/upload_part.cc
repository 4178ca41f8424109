// The parts of an upload, from a body or from another object. All are sealed under the upload's root, so that
// completing it moves no bytes.
#include "base/base64.h"
#include "services/s3/copy_source.h"
#include "services/s3/uploads.h"

namespace coffer::s3 {
namespace {

using api::Value;

struct PreparedPart {
  explicit PreparedPart(ObjectData& data) : piece(data) {}
  rows::Part part;
  std::string source_version_id;
  UnclaimedPiece piece;
};

Result<int32_t> part_number_of(const Request& r) {
  const int64_t number = r.input().integer("PartNumber").value_or(0);
  if (number >= 1 && number <= kPartNumberMax) return static_cast<int32_t>(number);
  return invalid_argument(r, "partNumber", std::to_string(number),
                          "Part number must be an integer between 1 and 10000, inclusive");
}

std::string lower_case(std::string_view text) {
  std::string out;
  for (char c : text) out += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return out;
}

/// A client that chose a kind for the upload keeps to it.
Status check_kind(const Request& r, const UploadChecksum& wanted) {
  if (!wanted.chosen) return ok_status();
  std::string sent = r.text("ChecksumAlgorithm");
  for (const auto& [name, value] : r.input().entries()) {
    if (name.starts_with("Checksum") && crypto::checksum_kind(std::string_view(name).substr(8))) sent = name.substr(8);
  }
  if (sent.empty() || crypto::checksum_kind(sent) == wanted.kind) return ok_status();
  return invalid_request("Checksum Type mismatch occurred, expected checksum Type: " +
                         lower_case(crypto::name_of(wanted.kind)) + ", actual checksum Type: " + lower_case(sent));
}

/// `body` is the request's own, or with `copied` that of a source.
Result<std::shared_ptr<PreparedPart>> receive_part(const Request& r, const BucketView& bucket, CopiedBody* copied) {
  auto prepared = std::make_shared<PreparedPart>(r.setting.data);
  COFFER_TRY(const int32_t number, part_number_of(r));
  COFFER_TRY(const rows::Upload upload, upload_of(r, r.t(), bucket));
  const UploadChecksum wanted = checksum_of(upload);
  if (!copied) COFFER_CHECK_OK(check_kind(r, wanted));
  COFFER_TRY(const auto customer_key, Encryptor::customer_key_of(r.operation));
  COFFER_TRY(const Secret root,
             r.setting.encryptor.open_root(r.operation, upload.encryption, identity_of(bucket, upload),
                                           customer_key ? &*customer_key : nullptr));
  const bool own_key = upload.encryption.mode == EncryptionMode::kS3;
  const api::Operation& o = r.operation;
  const Value nothing = Value::object();
  const api::Operation inner{o.call, nothing, o.transaction, o.identity, copied, nullptr, nullptr};
  COFFER_TRY(ReceivedBody body,
             receive_body(copied ? Request{r.setting, inner} : r, root.view(), own_key, crypto::name_of(wanted.kind)));
  rows::Part& part = prepared->part;
  part.upload_id = upload.id;
  part.number = number;
  part.piece = body.written.piece;
  part.piece.part_number = number;
  part.piece.checksum = body.checksum;
  part.checksum = body.checksum;
  part.etag = own_key ? body.md5_hex : opaque_etag(r.setting.entropy);
  part.modified = r.now();
  prepared->piece.set(std::move(body.written));
  return prepared;
}

/// Puts the part in its place, and lets go what was there.
Result<rows::Upload> keep_part(const Request& r, const BucketView& bucket, PreparedPart& prepared) {
  COFFER_TRY(rows::Upload upload, upload_of(r, r.t(), bucket));
  COFFER_CHECK_OK(prepared.piece.begin_claim(r));
  COFFER_TRY(const auto replaced, rows::put_part(r.t(), prepared.part));
  if (replaced) COFFER_CHECK_OK(rows::discard_pieces(r.t(), {replaced->piece}, r.now()));
  return upload;
}

void show_checksum(const rows::Upload& upload, const rows::Part& part, Value& output) {
  output.set("Checksum" + std::string(crypto::name_of(checksum_of(upload).kind)),
             base64_encode(as_bytes(part.checksum)));
}

}  // namespace

Result<std::shared_ptr<void>> prepare_upload_part(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(auto prepared, receive_part(r, *bucket, nullptr));
  return std::shared_ptr<void>(std::move(prepared));
}

Result<Value> upload_part(const Request& r) {
  const auto prepared = std::static_pointer_cast<PreparedPart>(r.operation.prepared);
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const rows::Upload upload, keep_part(r, *bucket, *prepared));
  Value output = Value::object({{"ETag", quoted(prepared->part.etag)}});
  show_checksum(upload, prepared->part, output);
  Encryptor::show(upload.encryption, output);
  prepared->piece.claimed();
  return output;
}

Result<std::shared_ptr<void>> prepare_upload_part_copy(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  // Before a source is opened for an upload that is not there.
  COFFER_CHECK_OK(part_number_of(r));
  COFFER_CHECK_OK(upload_of(r, r.t(), *bucket));
  ByteRange range;
  COFFER_TRY(OpenedSource opened, open_copy_source(r, &range));
  CopiedBody body(std::move(opened.bytes), range.length);
  COFFER_TRY(auto prepared, receive_part(r, *bucket, &body));
  if (!opened.source.bucket->bucket.versioning.empty()) prepared->source_version_id = opened.version.version_id;
  return std::shared_ptr<void>(std::move(prepared));
}

Result<Value> upload_part_copy(const Request& r) {
  const auto prepared = std::static_pointer_cast<PreparedPart>(r.operation.prepared);
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const rows::Upload upload, keep_part(r, *bucket, *prepared));
  Value result = Value::object({{"ETag", quoted(prepared->part.etag)}, {"LastModified", prepared->part.modified}});
  show_checksum(upload, prepared->part, result);
  Value output = Value::object({{"CopyPartResult", std::move(result)}});
  if (!prepared->source_version_id.empty()) output.set("CopySourceVersionId", prepared->source_version_id);
  Encryptor::show(upload.encryption, output);
  prepared->piece.claimed();
  return output;
}

}  // namespace coffer::s3
