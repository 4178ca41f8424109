#include "base/base64.h"
#include "services/s3/object_operations.h"

namespace coffer::s3 {
namespace {

/// What prepare made: all of the version but its place among the others.
struct PreparedPut {
  explicit PreparedPut(ObjectData& data) : piece(data) {}
  rows::Version version;
  UnclaimedPiece piece;
};

}  // namespace

Result<std::shared_ptr<void>> prepare_put_object(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const std::string key = r.text("Key");
  if (r.input().has("WriteOffsetBytes"))
    return api::fault(ErrorCode::kInvalidArgument, "NotImplemented",
                      "A header you provided implies functionality that is not implemented");
  auto prepared = std::make_shared<PreparedPut>(r.setting.data);
  rows::Version& version = prepared->version;
  COFFER_TRY(version, new_version(r, *bucket, key));
  COFFER_CHECK_OK(check_locked_write_has_checksum(r, *bucket));
  COFFER_CHECK_OK(check_write_conditions(r, *bucket, key));
  version.root_identity = new_version_id(r.setting.entropy);
  COFFER_TRY(Encryptor::NewRoot root, root_for(r, *bucket, key, version.root_identity));
  version.encryption = std::move(root.stored);
  const bool own_key = version.encryption.mode == EncryptionMode::kS3;
  COFFER_TRY(ReceivedBody body, receive_body(r, root.root.view(), own_key));
  version.etag = own_key ? body.md5_hex : opaque_etag(r.setting.entropy);
  version.checksum_kind = body.checksum_kind;
  version.checksum = base64_encode(as_bytes(body.checksum));
  version.size_bytes = static_cast<int64_t>(body.written.piece.size_bytes);
  if (version.size_bytes > 0) {
    version.layout = {body.written.piece};
    prepared->piece.set(std::move(body.written));
  }
  return std::shared_ptr<void>(std::move(prepared));
}

Result<api::Value> put_object(const Request& r) {
  const auto prepared = std::static_pointer_cast<PreparedPut>(r.operation.prepared);
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(prepared->piece.begin_claim(r));
  COFFER_CHECK_OK(check_write_conditions(r, *bucket, prepared->version.key));
  rows::Version version = prepared->version;
  version.bucket_id = bucket->bucket.id;
  const bool is_form = r.operation.body && r.operation.body->is_form();
  COFFER_CHECK_OK(store_version(r, *bucket, version, is_form ? "POST Object" : "PutObject"));
  api::Value output = api::Value::object();
  show_version(*bucket, version, true, output);
  prepared->piece.claimed();
  return output;
}

}  // namespace coffer::s3
