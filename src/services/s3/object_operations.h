// The operations on objects and uploads, and what they share among themselves. For the files of this folder.
#pragma once
#include "services/s3/operations.h"

namespace coffer::s3 {

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

// ---- multipart.cc, list_uploads.cc

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
