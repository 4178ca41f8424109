// Multipart uploads: begun and given up.
#include "services/s3/uploads.h"

#include <limits>

namespace coffer::s3 {
namespace {

using api::Value;
using crypto::ChecksumKind;

/// Of the input, what the object will be made of. The rest is the client's secret or no longer of use.
constexpr std::string_view kKept[] = {"ContentType",
                                      "CacheControl",
                                      "ContentDisposition",
                                      "ContentEncoding",
                                      "ContentLanguage",
                                      "Expires",
                                      "WebsiteRedirectLocation",
                                      "Metadata",
                                      "StorageClass",
                                      "Tagging",
                                      "ObjectLockMode",
                                      "ObjectLockRetainUntilDate",
                                      "ObjectLockLegalHoldStatus",
                                      "ChecksumAlgorithm"};

bool is_crc(ChecksumKind kind) {
  return kind == ChecksumKind::kCrc32 || kind == ChecksumKind::kCrc32c || kind == ChecksumKind::kCrc64Nvme;
}

/// Which types a kind may have: CRCs of parts can be joined to that of the whole, hashes can not; and CRC64NVME is
/// always of the whole.
Result<std::string> checksum_type_of(const Request& r) {
  const std::string algorithm = r.text("ChecksumAlgorithm"), type = r.text("ChecksumType");
  if (algorithm.empty()) {
    if (!type.empty())
      return invalid_request(
          "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.");
    return std::string();
  }
  const auto kind = crypto::checksum_kind(algorithm);
  if (!kind)
    return invalid_request(
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, "
        "CRC64NVME, SHA1, SHA256]");
  const bool whole_only = *kind == ChecksumKind::kCrc64Nvme;
  if (type.empty()) return std::string(whole_only ? "FULL_OBJECT" : "COMPOSITE");
  if (type != "FULL_OBJECT" && type != "COMPOSITE")
    return invalid_request("Value for x-amz-checksum-type header is invalid.");
  if ((type == "COMPOSITE" && whole_only) || (type == "FULL_OBJECT" && !is_crc(*kind)))
    return invalid_request("The " + type + " checksum type cannot be used with the " + algorithm +
                           " checksum algorithm.");
  return type;
}

/// Begins with the time, so that a key's uploads are listed in the order in which they began.
std::string new_upload_id(const Request& r) {
  Bytes id;
  ByteWriter(id).u64(static_cast<uint64_t>(r.now().micros));
  append(id, r.setting.entropy.array<24>());
  return to_hex(id);
}

}  // namespace

Error no_such_upload(const Request& r) {
  r.error_element("UploadId", r.text("UploadId"));
  return api::fault(ErrorCode::kNotFound, "NoSuchUpload",
                    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
                    "aborted or completed.");
}

Result<rows::Upload> upload_of(const Request& r, catalog::Transaction& t, const BucketView& bucket) {
  COFFER_TRY(auto upload, rows::find_upload(t, r.text("UploadId")));
  if (!upload || upload->bucket_id != bucket.bucket.id || upload->key != r.text("Key")) return no_such_upload(r);
  return std::move(*upload);
}

UploadChecksum checksum_of(const rows::Upload& upload) {
  UploadChecksum checksum;
  const auto kind = crypto::checksum_kind(upload.input.text("ChecksumAlgorithm"));
  if (!kind) return checksum;
  return {*kind, upload.input.text("ChecksumType") == "COMPOSITE", true};
}

Value initiator_value(const rows::Upload& upload) {
  const std::string& arn = upload.initiator_arn;
  const size_t slash = arn.rfind('/');
  return Value::object({{"ID", arn}, {"DisplayName", slash == std::string::npos ? arn : arn.substr(slash + 1)}});
}

ObjectIdentity identity_of(const BucketView& bucket, const rows::Upload& upload) {
  return {bucket.bucket.name, upload.key, upload.id};
}

Result<std::shared_ptr<void>> prepare_create_upload(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const std::string key = r.text("Key");
  // Everything that would be refused at the end is refused now.
  COFFER_CHECK_OK(new_version(r, *bucket, key));
  auto upload = std::make_shared<rows::Upload>();
  COFFER_TRY(const std::string type, checksum_type_of(r));
  upload->id = new_upload_id(r);
  upload->bucket_id = bucket->bucket.id;
  upload->key = key;
  upload->initiated = r.now();
  upload->initiator_arn = r.call().caller.arn;
  upload->input = Value::object();
  for (std::string_view member : kKept) {
    if (const Value* value = r.input().find(member)) upload->input.set(member, *value);
  }
  if (!type.empty()) upload->input.set("ChecksumType", type);
  COFFER_TRY(Encryptor::NewRoot root, root_for(r, *bucket, key, upload->id));
  upload->encryption = std::move(root.stored);
  return std::shared_ptr<void>(std::move(upload));
}

Result<Value> create_upload(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  rows::Upload upload = *std::static_pointer_cast<rows::Upload>(r.operation.prepared);
  upload.bucket_id = bucket->bucket.id;
  COFFER_CHECK_OK(rows::insert_upload(r.t(), upload));
  Value output = Value::object({{"Bucket", bucket->bucket.name}, {"Key", upload.key}, {"UploadId", upload.id}});
  if (checksum_of(upload).chosen) {
    output.set("ChecksumAlgorithm", upload.input.text("ChecksumAlgorithm"));
    output.set("ChecksumType", upload.input.text("ChecksumType"));
  }
  Encryptor::show(upload.encryption, output);
  return output;
}

Result<Value> abort_upload(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const rows::Upload upload, upload_of(r, r.t(), *bucket));
  if (const auto initiated = r.input().time("IfMatchInitiatedTime");
      initiated && initiated->micros / 1'000'000 != upload.initiated.micros / 1'000'000)
    return precondition_failed(r, "x-amz-if-match-initiated-time");
  COFFER_TRY(const auto parts, rows::list_parts(r.t(), upload.id, 0, kPartNumberMax));
  Layout pieces;
  for (const rows::Part& part : parts) pieces.push_back(part.piece);
  COFFER_CHECK_OK(rows::delete_upload(r.t(), upload.id));
  COFFER_CHECK_OK(rows::discard_pieces(r.t(), pieces, r.now()));
  return Value::object();
}

}  // namespace coffer::s3
