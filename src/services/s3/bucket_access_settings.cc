// Public access block, ownership controls and access control lists.
#include <array>

#include "services/s3/access_lists.h"
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr std::array kBlocks = {"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"};
constexpr std::array kGrants = {"GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"};

Error acl_not_supported() {
  return api::fault(ErrorCode::kInvalidArgument, "AccessControlListNotSupported", "The bucket does not allow ACLs");
}

bool is_public_acl(std::string_view acl) { return acl.starts_with("public-read") || acl == "authenticated-read"; }

Error grants_not_implemented() {
  return api::fault(ErrorCode::kFailedPrecondition, "NotImplemented",
                    "Access control lists other than the canned ones are not implemented: use a bucket policy.");
}

/// A list that lets in everybody, or every user, may be forbidden.
Status check_public(const BucketView& bucket) {
  const Value* block = bucket.setting("public-access");
  if (!block || !block->flag("BlockPublicAcls")) return ok_status();
  return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", "Access Denied");
}

bool grants_to_everybody(const Value& input) {
  for (const char* name : kGrants) {
    const std::string_view grantees = input.text(name);
    if (grantees.find("groups/global/AllUsers") != std::string_view::npos ||
        grantees.find("groups/global/AuthenticatedUsers") != std::string_view::npos)
      return true;
  }
  const Value* list = input.find("AccessControlPolicy");
  if (!list) return false;
  for (const Value& grant : list->list("Grants")) {
    const Value* grantee = grant.find("Grantee");
    if (grantee && grantee->text("URI").find("groups/global/A") != std::string_view::npos) return true;
  }
  return false;
}

/// The canned name of what a PutBucketAcl or PutObjectAcl asks for.
Result<std::string> wanted_list(const Request& r, const BucketView& bucket, std::string_view owner) {
  const Value& input = r.input();
  const Value* list = input.find("AccessControlPolicy");
  bool has_grants = false;
  for (const char* name : kGrants) has_grants |= input.has(name);
  if (!list && !has_grants && !input.has("ACL"))
    return api::fault(ErrorCode::kInvalidArgument, "MissingSecurityHeader",
                      "Your request was missing a required header");
  if (list && (has_grants || input.has("ACL")))
    return api::fault(ErrorCode::kInvalidArgument, "UnexpectedContent", "This request does not support content");
  if (!list) {
    COFFER_CHECK_OK(check_acl(r, bucket));
    return r.text("ACL");
  }
  const std::string_view name = canned_name(*list, owner, bucket.bucket.account);
  // What says no more than that the owner has everything is true where lists are off, too.
  if (name == "private") return std::string(name);
  if (is_owner_enforced(bucket)) return acl_not_supported();
  if (grants_to_everybody(input)) COFFER_CHECK_OK(check_public(bucket));
  if (name.empty()) return grants_not_implemented();
  return std::string(name);
}

}  // namespace

Status check_acl(const Request& r, const BucketView& bucket) {
  const Value& input = r.input();
  const std::string_view acl = input.text("ACL");
  bool has_grants = false;
  for (const char* name : kGrants) has_grants |= input.has(name);
  if (has_grants && !acl.empty())
    return invalid_request("Specifying both Canned ACLs and Header Grants is not allowed");
  if (!has_grants && (acl.empty() || acl == "private" || acl == "bucket-owner-full-control")) return ok_status();
  if (is_owner_enforced(bucket)) return acl_not_supported();
  if (is_public_acl(acl) || grants_to_everybody(input)) COFFER_CHECK_OK(check_public(bucket));
  return has_grants || acl == "aws-exec-read" || acl == "log-delivery-write" ? Status(grants_not_implemented())
                                                                             : ok_status();
}

Result<api::Value> put_public_access_block(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* wanted = r.input().find("PublicAccessBlockConfiguration");
  if (!wanted) return malformed_xml();
  Value document = Value::object();
  // What is not said is off.
  for (const char* name : kBlocks) document.set(name, wanted->flag(name));
  COFFER_CHECK_OK(put_setting(r, *bucket, "public-access", document));
  return Value::object();
}

Result<api::Value> get_public_access_block(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(Value document, setting_or(*bucket, "public-access", "NoSuchPublicAccessBlockConfiguration",
                                        "The public access block configuration was not found"));
  return Value::object({{"PublicAccessBlockConfiguration", std::move(document)}});
}

Result<api::Value> delete_public_access_block(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(put_setting(r, *bucket, "public-access", Value()));
  return Value::object();
}

Result<api::Value> put_ownership_controls(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* controls = r.input().find("OwnershipControls");
  if (!controls || controls->list("Rules").size() != 1) return malformed_xml();
  const std::string ownership(controls->list("Rules").front().text("ObjectOwnership"));
  if (ownership != "BucketOwnerEnforced" && ownership != "BucketOwnerPreferred" && ownership != "ObjectWriter")
    return malformed_xml();
  const Value rule = Value::object({{"ObjectOwnership", ownership}});
  COFFER_CHECK_OK(put_setting(r, *bucket, "ownership", Value::object({{"Rules", api::List{rule}}})));
  return Value::object();
}

Result<api::Value> get_ownership_controls(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(Value document, setting_or(*bucket, "ownership", "OwnershipControlsNotFoundError",
                                        "The bucket ownership controls were not found"));
  return Value::object({{"OwnershipControls", std::move(document)}});
}

Result<api::Value> delete_ownership_controls(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(put_setting(r, *bucket, "ownership", Value()));
  return Value::object();
}

Result<api::Value> put_bucket_acl(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const std::string list, wanted_list(r, *bucket, bucket->bucket.account));
  const bool unset = list == "private" || is_owner_enforced(*bucket);
  COFFER_CHECK_OK(put_setting(r, *bucket, "acl", unset ? Value() : Value::object({{"ACL", list}})));
  return Value::object();
}

Result<api::Value> get_bucket_acl(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const std::string& owner = bucket->bucket.account;
  return spelled_out(list_of_bucket(*bucket), owner, owner);
}

Result<api::Value> put_object_acl(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(rows::Version version, version_of(r, *bucket, r.input().text("Key"), r.input().text("VersionId")));
  COFFER_TRY(const std::string list, wanted_list(r, *bucket, version.owner));
  if (is_owner_enforced(*bucket)) return Value::object();
  version.metadata.set("ACL", list);
  COFFER_CHECK_OK(rows::update_version(r.t(), version));
  return Value::object();
}

Result<api::Value> get_object_acl(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const rows::Version version, version_of(r, *bucket, r.input().text("Key"), r.input().text("VersionId")));
  // Where lists are off, the bucket's owner owns all.
  const std::string& owner = is_owner_enforced(*bucket) ? bucket->bucket.account : version.owner;
  return spelled_out(list_of_object(*bucket, version), owner, bucket->bucket.account);
}

}  // namespace coffer::s3
