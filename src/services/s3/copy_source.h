// The source of CopyObject and UploadPartCopy. For the files of this folder.
#pragma once
#include "services/s3/object_operations.h"

namespace coffer::s3 {

struct CopySource {
  std::shared_ptr<const BucketView> bucket;
  std::string key, version_id;  // version_id empty: the latest
};
/// Of the input's CopySource, "bucket/key?versionId=x" percent-encoded; ExpectedSourceBucketOwner is checked.
Result<CopySource> copy_source_of(const Request& r);

/// A source that is being read: its version, as it was in one view of the catalog, and its bytes.
struct OpenedSource {
  CopySource source;
  rows::Version version;
  std::unique_ptr<ByteSource> bytes;
};
/// Finds the version, checks the conditions of the request on it ("PreconditionFailed"), and opens it, or the part that
/// CopySourceRange names ("InvalidArgument", "InvalidRange"). For prepare(): it has a view of its own.
Result<OpenedSource> open_copy_source(const Request& r, ByteRange* range);

/// A source as a request's body, which receive_body() takes.
class CopiedBody final : public api::RequestBody {
 public:
  CopiedBody(std::unique_ptr<ByteSource> bytes, uint64_t size) : bytes_(std::move(bytes)), size_bytes_(size) {}
  Result<size_t> read(const Context& context, MutableByteView out) override { return bytes_->read(context, out); }
  [[nodiscard]] std::optional<uint64_t> size() const override { return size_bytes_; }

 private:
  std::unique_ptr<ByteSource> bytes_;
  uint64_t size_bytes_;
};

}  // namespace coffer::s3
