// The operations on buckets, their settings, listings, tags and locks, and what they share. For the files of this
// folder.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "services/s3/operations.h"

namespace coffer::s3 {

// ---- tags.cc

inline constexpr size_t kObjectTagsMax = 10, kBucketTagsMax = 50;
/// The tags of a `Tagging` structure: "InvalidTag" for what no tag may be, "BadRequest" for more than `count_max`.
Result<std::map<std::string, std::string>> tags_of(const api::Value& tagging, size_t count_max);
/// The tags of the header x-amz-tagging, "key=value&key2=value2": "InvalidArgument".
Result<std::map<std::string, std::string>> tags_of_header(std::string_view header);
/// As a `TagSet`.
api::Value tag_set_value(const std::map<std::string, std::string>& tags);

// ---- bucket_settings.cc: what settings mean, for whoever acts by them

/// The rule of the bucket's default encryption; null: SSE-S3.
const api::Value* default_encryption(const BucketView& bucket);
/// What a new bucket has, and what DeleteBucketEncryption gives back: SSE-S3, and SSE-C blocked.
api::Value new_bucket_encryption();
/// Is SSE-C refused for new objects?
bool blocks_customer_keys(const BucketView& bucket);
/// How long a new version is locked when its request does not say; nothing when the bucket has no such rule.
struct DefaultRetention {
  std::string mode;
  int64_t days = 0;
};
std::optional<DefaultRetention> default_retention(const BucketView& bucket);
/// Are access control lists off?
bool is_owner_enforced(const BucketView& bucket);
/// May the canned ACL or the grants of a request be? Those of operations that make objects and of PutBucketAcl and
/// PutObjectAcl. "AccessControlListNotSupported", "InvalidRequest", "AccessDenied", "NotImplemented".
Status check_acl(const Request& r, const BucketView& bucket);

/// Stores a setting (null: removes it) in the operation's transaction.
Status put_setting(const Request& r, const BucketView& bucket, std::string_view kind, const api::Value& document);
/// The stored document, or a 404 of this name.
Result<api::Value> setting_or(const BucketView& bucket, std::string_view kind, std::string_view absent,
                              std::string_view message);
/// "MalformedXML" with S3's text.
Error malformed_xml();
Error invalid_argument(const Request& r, std::string_view argument, std::string value, std::string message);
Error invalid_request(std::string message);

// ---- pages.cc

/// A token that continues `list` behind `after`; no other list takes it.
std::string make_token(const Request& r, std::string_view list, std::string_view after);
/// What the input's ContinuationToken continues behind; empty without one. "InvalidArgument".
Result<std::string> open_token(const Request& r, std::string_view list);

// ---- buckets.cc

Result<std::vector<api::AccessRequest>> access_create_bucket(const Request& r);
Result<std::vector<api::AccessRequest>> access_list_buckets(const Request& r);
Result<api::Value> create_bucket(const Request& r);
Result<api::Value> head_bucket(const Request& r);
Result<api::Value> delete_bucket(const Request& r);
Result<api::Value> get_bucket_location(const Request& r);
Result<api::Value> list_buckets(const Request& r);

// ---- bucket_policy.cc

Result<api::Value> put_bucket_policy(const Request& r);
Result<api::Value> get_bucket_policy(const Request& r);
Result<api::Value> delete_bucket_policy(const Request& r);
Result<api::Value> get_bucket_policy_status(const Request& r);

// ---- bucket_access_settings.cc

Result<api::Value> put_public_access_block(const Request& r);
Result<api::Value> get_public_access_block(const Request& r);
Result<api::Value> delete_public_access_block(const Request& r);
Result<api::Value> put_ownership_controls(const Request& r);
Result<api::Value> get_ownership_controls(const Request& r);
Result<api::Value> delete_ownership_controls(const Request& r);
Result<api::Value> put_bucket_acl(const Request& r);
Result<api::Value> get_bucket_acl(const Request& r);
Result<api::Value> put_object_acl(const Request& r);
Result<api::Value> get_object_acl(const Request& r);

// ---- bucket_data_settings.cc

Result<api::Value> put_bucket_versioning(const Request& r);
Result<api::Value> get_bucket_versioning(const Request& r);
Result<api::Value> put_bucket_encryption(const Request& r);
Result<api::Value> get_bucket_encryption(const Request& r);
Result<api::Value> delete_bucket_encryption(const Request& r);
Result<api::Value> put_object_lock_configuration(const Request& r);
Result<api::Value> get_object_lock_configuration(const Request& r);
Result<api::Value> put_bucket_lifecycle(const Request& r);
Result<api::Value> get_bucket_lifecycle(const Request& r);
Result<api::Value> delete_bucket_lifecycle(const Request& r);

// ---- bucket_replication.cc

Result<std::vector<api::AccessRequest>> access_put_replication(const Request& r);
Result<api::Value> put_bucket_replication(const Request& r);
Result<api::Value> get_bucket_replication(const Request& r);
Result<api::Value> delete_bucket_replication(const Request& r);

// ---- bucket_notification.cc

Result<api::Value> put_bucket_notification(const Request& r);
Result<api::Value> get_bucket_notification(const Request& r);

// ---- bucket_plain_settings.cc

Result<api::Value> put_bucket_logging(const Request& r);
Result<api::Value> get_bucket_logging(const Request& r);
Result<api::Value> put_bucket_cors(const Request& r);
Result<api::Value> get_bucket_cors(const Request& r);
Result<api::Value> delete_bucket_cors(const Request& r);
Result<api::Value> put_bucket_tagging(const Request& r);
Result<api::Value> get_bucket_tagging(const Request& r);
Result<api::Value> delete_bucket_tagging(const Request& r);
Result<api::Value> put_request_payment(const Request& r);
Result<api::Value> get_request_payment(const Request& r);
Result<api::Value> put_accelerate(const Request& r);
Result<api::Value> get_accelerate(const Request& r);
Result<api::Value> get_bucket_website(const Request& r);
Result<api::Value> delete_bucket_website(const Request& r);

// ---- list_objects.cc

Result<api::Value> list_objects_v2(const Request& r);
Result<api::Value> list_objects(const Request& r);
Result<api::Value> list_object_versions(const Request& r);

// ---- object_tagging.cc

Result<api::Value> put_object_tagging(const Request& r);
Result<api::Value> get_object_tagging(const Request& r);
Result<api::Value> delete_object_tagging(const Request& r);

// ---- lock.cc

Result<api::Value> put_object_retention(const Request& r);
Result<api::Value> get_object_retention(const Request& r);
Result<api::Value> put_object_legal_hold(const Request& r);
Result<api::Value> get_object_legal_hold(const Request& r);

// ---- restore.cc

Result<api::Value> restore_object(const Request& r);

}  // namespace coffer::s3
