// The operations on objects and uploads, and what they share among themselves. For the files of this folder.
#pragma once
#include <optional>

#include "services/s3/bucket_operations.h"

namespace coffer::s3 {

// ---- bodies.cc

/// A piece that no row refers to yet. Its blocks go with it, unless a transaction that refers to it may have been
/// committed.
class UnclaimedPiece {
 public:
  explicit UnclaimedPiece(ObjectData& data) : data_(data) {}
  UnclaimedPiece(ObjectData& data, WrittenPiece written) : data_(data), written_(std::move(written)) {}
  UnclaimedPiece(const UnclaimedPiece&) = delete;
  UnclaimedPiece& operator=(const UnclaimedPiece&) = delete;
  ~UnclaimedPiece();

  [[nodiscard]] const Piece& piece() const { return written_->piece; }
  [[nodiscard]] bool has_piece() const { return written_.has_value(); }
  void set(WrittenPiece written) { written_ = std::move(written); }
  /// At the beginning of every try of run(): what an earlier one did did not happen. Stores inline bytes.
  /// "RequestTimeout" when the piece is too old to be referred to.
  Status begin_claim(const Request& r);
  /// At the end of run(), when all has succeeded: what happens now is up to the commit.
  void claimed() { claimed_ = true; }

 private:
  ObjectData& data_;
  std::optional<WrittenPiece> written_;
  bool claimed_ = false;
};
/// 32 hexadecimal digits that say nothing: the ETag of what is encrypted with a key that is not ours.
std::string opaque_etag(Entropy& entropy);
/// Of how many bytes an object or a part may be made at once.
inline constexpr uint64_t kUploadSizeMax = uint64_t{5} << 30;

/// Bytes of an object as a request's body: what is copied, and what is replicated.
class CopiedBody final : public api::RequestBody {
 public:
  CopiedBody(std::unique_ptr<ByteSource> bytes, uint64_t size) : bytes_(std::move(bytes)), size_bytes_(size) {}
  Result<size_t> read(const Context& context, MutableByteView out) override { return bytes_->read(context, out); }
  [[nodiscard]] std::optional<uint64_t> size() const override { return size_bytes_; }

 private:
  std::unique_ptr<ByteSource> bytes_;
  uint64_t size_bytes_;
};

// ---- versions.cc

/// An error of a condition that does not hold, as `condition` ("If-Match").
Error precondition_failed(const Request& r, std::string_view condition);
Error no_such_key(const Request& r, std::string_view key);
Error access_denied();
/// A list of ETags, quoted or not, or "*".
bool matches_etag(std::string_view condition, std::string_view etag);
std::string quoted(std::string_view etag);
/// Is the version kept from deletion at `now`, by a retention that the caller may not bypass, or a legal hold?
bool is_locked(const rows::Version& version, WallTime now, bool bypass_governance);
/// The bucket's default retention, counted from `since`, for a version that has none of its own.
void lock_by_default(const BucketView& bucket, rows::Version& version, WallTime since);
/// Lifecycle: the latest version of a key expires, as a deletion of the key does it, and is told of as what it is.
Status expire_object(const Request& r, const BucketView& bucket, const rows::Version& version);
/// Lifecycle: a version or marker goes for good. The caller has asked is_locked().
Status erase_expired(const Request& r, const BucketView& bucket, const rows::Version& version);
bool is_archived(const rows::Version& version);
Error archived(const Request& r, const rows::Version& version);
/// x-amz-expiration of a version by the bucket's lifecycle rules; empty: none concerns it.
std::string expiration_of(const BucketView& bucket, const rows::Version& version);

// ---- new_version.cc

/// As new_version(), from the members of an earlier request: what was checked then is not checked again.
Result<rows::Version> version_from(const Request& r, const BucketView& bucket, std::string_view key,
                                   const api::Value& input);
/// The metadata members, and nothing else.
Result<api::Value> metadata_from(const Request& r, const api::Value& input);
/// "KeyTooLongError".
Status check_key(std::string_view key);
/// A request that locks what it writes, or writes into a bucket that does, must bring a checksum.
Status check_locked_write_has_checksum(const Request& r, const BucketView& bucket);
/// A new root for an object of `r`, with the request's or the bucket's encryption.
Result<Encryptor::NewRoot> root_for(const Request& r, const BucketView& bucket, std::string_view key,
                                    std::string_view identity);

// ---- get_object.cc

/// The bytes of a version, for whoever sends or copies them. `t` is a view in which the version was found.
Result<std::unique_ptr<ByteSource>> open_version(const Request& r, catalog::Transaction& t, const BucketView& bucket,
                                                 const rows::Version& version, const Secret* customer_key,
                                                 uint64_t offset, uint64_t length);
struct ByteRange {
  uint64_t offset = 0, length = 0;
};
/// "bytes=a-b", "bytes=a-", "bytes=-n" of `size` bytes; nothing when it is no range of that form; "InvalidRange".
Result<std::optional<ByteRange>> parse_range(const Request& r, std::string_view text, uint64_t size);

// ---- object_access.cc: what must be allowed

Result<std::vector<api::AccessRequest>> access_put_object(const Request& r);
Result<std::vector<api::AccessRequest>> access_get_object(const Request& r);
Result<std::vector<api::AccessRequest>> access_delete_object(const Request& r);
/// Nothing for the call: every key is decided by itself.
Result<std::vector<api::AccessRequest>> access_delete_objects(const Request& r);
Result<std::vector<api::AccessRequest>> access_copy_object(const Request& r);
Result<std::vector<api::AccessRequest>> access_get_object_attributes(const Request& r);
Result<std::vector<api::AccessRequest>> access_create_upload(const Request& r);
Result<std::vector<api::AccessRequest>> access_upload_part(const Request& r);
Result<std::vector<api::AccessRequest>> access_upload_part_copy(const Request& r);
Result<std::vector<api::AccessRequest>> access_abort_upload(const Request& r);
Result<std::vector<api::AccessRequest>> access_list_parts(const Request& r);
Result<std::vector<api::AccessRequest>> access_list_uploads(const Request& r);

// ---- put_object.cc

Result<std::shared_ptr<void>> prepare_put_object(const Request& r);
Result<api::Value> put_object(const Request& r);

// ---- get_object.cc

Result<api::Value> get_object(const Request& r);
Result<api::Value> head_object(const Request& r);

// ---- delete_objects.cc

Result<api::Value> delete_object(const Request& r);
Result<api::Value> delete_objects(const Request& r);

// ---- copy_object.cc

Result<std::shared_ptr<void>> prepare_copy_object(const Request& r);
Result<api::Value> copy_object(const Request& r);

// ---- uploads.cc, upload_part.cc, complete_upload.cc, list_uploads.cc

Result<std::shared_ptr<void>> prepare_create_upload(const Request& r);
Result<api::Value> create_upload(const Request& r);
Result<std::shared_ptr<void>> prepare_upload_part(const Request& r);
Result<api::Value> upload_part(const Request& r);
Result<std::shared_ptr<void>> prepare_upload_part_copy(const Request& r);
Result<api::Value> upload_part_copy(const Request& r);
Result<api::Value> complete_upload(const Request& r);
Result<api::Value> abort_upload(const Request& r);
Result<api::Value> list_parts(const Request& r);
Result<api::Value> list_uploads(const Request& r);

// ---- attributes.cc

Result<api::Value> get_object_attributes(const Request& r);

}  // namespace coffer::s3
