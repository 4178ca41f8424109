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

}  // namespace coffer::s3
