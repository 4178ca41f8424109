// The table of operations on buckets, their settings, listings, tags and locks.
#include <algorithm>

#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using Requests = std::vector<api::AccessRequest>;

/// The name of an action as a template's argument.
template <size_t kSize>
struct Name {
  constexpr Name(const char (&name)[kSize]) { std::copy_n(name, kSize, text); }  // NOLINT: implicit on purpose
  char text[kSize] = {};
};

/// `kAction` on the bucket of the input.
template <Name kAction>
Result<Requests> bucket(const Request& r) {
  COFFER_TRY(const auto view, bucket_of(r));
  return Requests{access_to(r, *view, kAction.text)};
}

/// `kAction` on the object of the input, or `kVersionAction` when a version is named.
template <Name kAction, Name kVersionAction>
Result<Requests> object(const Request& r) {
  COFFER_TRY(const auto view, bucket_of(r));
  const bool is_version = !r.input().text("VersionId").empty();
  return Requests{access_to(r, *view, is_version ? kVersionAction.text : kAction.text, r.input().text("Key"))};
}

}  // namespace

std::span<const Entry> bucket_entries() {
  static const Entry kEntries[] = {
      {"CreateBucket", true, access_create_bucket, create_bucket},
      {"HeadBucket", false, bucket<"s3:ListBucket">, head_bucket},
      {"DeleteBucket", true, bucket<"s3:DeleteBucket">, delete_bucket},
      {"GetBucketLocation", false, bucket<"s3:GetBucketLocation">, get_bucket_location},
      {"ListBuckets", false, access_list_buckets, list_buckets},

      {"PutBucketPolicy", true, bucket<"s3:PutBucketPolicy">, put_bucket_policy},
      {"GetBucketPolicy", false, bucket<"s3:GetBucketPolicy">, get_bucket_policy},
      {"DeleteBucketPolicy", true, bucket<"s3:DeleteBucketPolicy">, delete_bucket_policy},
      {"GetBucketPolicyStatus", false, bucket<"s3:GetBucketPolicyStatus">, get_bucket_policy_status},
      {"PutPublicAccessBlock", true, bucket<"s3:PutBucketPublicAccessBlock">, put_public_access_block},
      {"GetPublicAccessBlock", false, bucket<"s3:GetBucketPublicAccessBlock">, get_public_access_block},
      {"DeletePublicAccessBlock", true, bucket<"s3:PutBucketPublicAccessBlock">, delete_public_access_block},
      {"PutBucketOwnershipControls", true, bucket<"s3:PutBucketOwnershipControls">, put_ownership_controls},
      {"GetBucketOwnershipControls", false, bucket<"s3:GetBucketOwnershipControls">, get_ownership_controls},
      {"DeleteBucketOwnershipControls", true, bucket<"s3:PutBucketOwnershipControls">, delete_ownership_controls},
      {"PutBucketAcl", true, bucket<"s3:PutBucketAcl">, put_bucket_acl},
      {"GetBucketAcl", false, bucket<"s3:GetBucketAcl">, get_bucket_acl},
      {"PutObjectAcl", true, object<"s3:PutObjectAcl", "s3:PutObjectVersionAcl">, put_object_acl},
      {"GetObjectAcl", false, object<"s3:GetObjectAcl", "s3:GetObjectVersionAcl">, get_object_acl},

      {"PutBucketVersioning", true, bucket<"s3:PutBucketVersioning">, put_bucket_versioning},
      {"GetBucketVersioning", false, bucket<"s3:GetBucketVersioning">, get_bucket_versioning},
      {"PutBucketEncryption", true, bucket<"s3:PutEncryptionConfiguration">, put_bucket_encryption},
      {"GetBucketEncryption", false, bucket<"s3:GetEncryptionConfiguration">, get_bucket_encryption},
      {"DeleteBucketEncryption", true, bucket<"s3:PutEncryptionConfiguration">, delete_bucket_encryption},
      {"PutObjectLockConfiguration", true, bucket<"s3:PutBucketObjectLockConfiguration">,
       put_object_lock_configuration},
      {"GetObjectLockConfiguration", false, bucket<"s3:GetBucketObjectLockConfiguration">,
       get_object_lock_configuration},
      {"PutBucketLifecycleConfiguration", true, bucket<"s3:PutLifecycleConfiguration">, put_bucket_lifecycle},
      {"GetBucketLifecycleConfiguration", false, bucket<"s3:GetLifecycleConfiguration">, get_bucket_lifecycle},
      {"DeleteBucketLifecycle", true, bucket<"s3:PutLifecycleConfiguration">, delete_bucket_lifecycle},
      {"PutBucketReplication", true, access_put_replication, put_bucket_replication},
      {"GetBucketReplication", false, bucket<"s3:GetReplicationConfiguration">, get_bucket_replication},
      {"DeleteBucketReplication", true, bucket<"s3:PutReplicationConfiguration">, delete_bucket_replication},

      {"PutBucketNotificationConfiguration", true, bucket<"s3:PutBucketNotification">, put_bucket_notification},
      {"GetBucketNotificationConfiguration", false, bucket<"s3:GetBucketNotification">, get_bucket_notification},
      {"PutBucketLogging", true, bucket<"s3:PutBucketLogging">, put_bucket_logging},
      {"GetBucketLogging", false, bucket<"s3:GetBucketLogging">, get_bucket_logging},
      {"PutBucketCors", true, bucket<"s3:PutBucketCORS">, put_bucket_cors},
      {"GetBucketCors", false, bucket<"s3:GetBucketCORS">, get_bucket_cors},
      {"DeleteBucketCors", true, bucket<"s3:PutBucketCORS">, delete_bucket_cors},
      {"PutBucketTagging", true, bucket<"s3:PutBucketTagging">, put_bucket_tagging},
      {"GetBucketTagging", false, bucket<"s3:GetBucketTagging">, get_bucket_tagging},
      {"DeleteBucketTagging", true, bucket<"s3:PutBucketTagging">, delete_bucket_tagging},
      {"PutBucketRequestPayment", true, bucket<"s3:PutBucketRequestPayment">, put_request_payment},
      {"GetBucketRequestPayment", false, bucket<"s3:GetBucketRequestPayment">, get_request_payment},
      {"PutBucketAccelerateConfiguration", true, bucket<"s3:PutAccelerateConfiguration">, put_accelerate},
      {"GetBucketAccelerateConfiguration", false, bucket<"s3:GetAccelerateConfiguration">, get_accelerate},
      {"GetBucketWebsite", false, bucket<"s3:GetBucketWebsite">, get_bucket_website},
      {"DeleteBucketWebsite", true, bucket<"s3:DeleteBucketWebsite">, delete_bucket_website},

      {"ListObjectsV2", false, bucket<"s3:ListBucket">, list_objects_v2},
      {"ListObjects", false, bucket<"s3:ListBucket">, list_objects},
      {"ListObjectVersions", false, bucket<"s3:ListBucketVersions">, list_object_versions},

      {"PutObjectTagging", true, object<"s3:PutObjectTagging", "s3:PutObjectVersionTagging">, put_object_tagging},
      {"GetObjectTagging", false, object<"s3:GetObjectTagging", "s3:GetObjectVersionTagging">, get_object_tagging},
      {"DeleteObjectTagging", true, object<"s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging">,
       delete_object_tagging},
      {"PutObjectRetention", true, object<"s3:PutObjectRetention", "s3:PutObjectRetention">, put_object_retention},
      {"GetObjectRetention", false, object<"s3:GetObjectRetention", "s3:GetObjectRetention">, get_object_retention},
      {"PutObjectLegalHold", true, object<"s3:PutObjectLegalHold", "s3:PutObjectLegalHold">, put_object_legal_hold},
      {"GetObjectLegalHold", false, object<"s3:GetObjectLegalHold", "s3:GetObjectLegalHold">, get_object_legal_hold},
      {"RestoreObject", true, object<"s3:RestoreObject", "s3:RestoreObject">, restore_object},
  };
  return kEntries;
}

}  // namespace coffer::s3
