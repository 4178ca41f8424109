// The table of operations on objects and uploads.
#include "services/s3/object_operations.h"

namespace coffer::s3 {

std::span<const Entry> object_entries() {
  static constexpr Entry kEntries[] = {
      {"PutObject", true, access_put_object, put_object, prepare_put_object},
      {"GetObject", false, access_get_object, get_object},
      {"HeadObject", false, access_get_object, head_object},
      {"GetObjectAttributes", false, access_get_object_attributes, get_object_attributes},
      {"DeleteObject", true, access_delete_object, delete_object},
      {"DeleteObjects", true, access_delete_objects, delete_objects},
      {"CopyObject", true, access_copy_object, copy_object, prepare_copy_object},
      {"CreateMultipartUpload", true, access_create_upload, create_upload, prepare_create_upload},
      {"UploadPart", true, access_upload_part, upload_part, prepare_upload_part},
      {"UploadPartCopy", true, access_upload_part_copy, upload_part_copy, prepare_upload_part_copy},
      {"CompleteMultipartUpload", true, access_upload_part, complete_upload},
      {"AbortMultipartUpload", true, access_abort_upload, abort_upload},
      {"ListParts", false, access_list_parts, list_parts},
      {"ListMultipartUploads", false, access_list_uploads, list_uploads},
  };
  return kEntries;
}

}  // namespace coffer::s3
