// What the operations on multipart uploads share. For the files of this folder.
#pragma once
#include "engine/crypto/checksum.h"
#include "services/s3/object_operations.h"

namespace coffer::s3 {

inline constexpr int32_t kPartNumberMax = 10000;

/// The upload that the request names: "NoSuchUpload" when it is none of this bucket and key.
Result<rows::Upload> upload_of(const Request& r, catalog::Transaction& t, const BucketView& bucket);
Error no_such_upload(const Request& r);

/// How the parts of an upload, and the object that they make, are checked.
struct UploadChecksum {
  crypto::ChecksumKind kind = crypto::ChecksumKind::kCrc64Nvme;
  bool composite = false;
  bool chosen = false;  // by the client, who then sees it; else CRC64NVME of the whole object
};
UploadChecksum checksum_of(const rows::Upload& upload);

/// {ID, DisplayName} of who began an upload.
api::Value initiator_value(const rows::Upload& upload);
ObjectIdentity identity_of(const BucketView& bucket, const rows::Upload& upload);

}  // namespace coffer::s3
