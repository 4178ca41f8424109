// Public access block, ownership controls and access control lists.
#include <array>

#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr std::array kBlocks = {"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"};
constexpr std::array kGrants = {"GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"};

/// The one list that every bucket and object has: all for the owner.
Value owners_list(const BucketView& bucket) {
  const Value owner = owner_value(bucket.bucket.account);
  Value grantee = owner;
  grantee.set("Type", "CanonicalUser");
  const Value grant = Value::object({{"Grantee", std::move(grantee)}, {"Permission", "FULL_CONTROL"}});
  return Value::object({{"Owner", owner}, {"Grants", api::List{grant}}});
}

/// Does a list that a request brings say what is so anyway?
bool is_owners_list(const Value& list, const BucketView& bucket) {
  const std::string id(owner_value(bucket.bucket.account).text("ID"));
  for (const Value& grant : list.list("Grants")) {
    const Value* grantee = grant.find("Grantee");
    if (!grantee || grantee->text("ID") != id || grant.text("Permission") != "FULL_CONTROL") return false;
  }
  return list.list("Grants").size() == 1;
}

Error acl_not_supported() {
  return api::fault(ErrorCode::kInvalidArgument, "AccessControlListNotSupported", "The bucket does not allow ACLs");
}

bool is_public_acl(std::string_view acl) { return acl.starts_with("public-read") || acl == "authenticated-read"; }

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

Status check_there(const Request& r, const BucketView& bucket) {
  COFFER_CHECK_OK(version_of(r, bucket, r.input().text("Key"), r.input().text("VersionId")));
  return ok_status();
}

Status put_acl(const Request& r, const BucketView& bucket) {
  const bool has_list = r.input().has("AccessControlPolicy");
  bool has_grants = false;
  for (const char* name : kGrants) has_grants |= r.input().has(name);
  if (!has_list && !has_grants && !r.input().has("ACL"))
    return api::fault(ErrorCode::kInvalidArgument, "MissingSecurityHeader",
                      "Your request was missing a required header");
  if (has_list && (has_grants || r.input().has("ACL")))
    return api::fault(ErrorCode::kInvalidArgument, "UnexpectedContent", "This request does not support content");
  return check_acl(r, bucket);
}

}  // namespace

Status check_acl(const Request& r, const BucketView& bucket) {
  const Value& input = r.input();
  const std::string_view acl = input.text("ACL");
  bool has_grants = false;
  for (const char* name : kGrants) has_grants |= input.has(name);
  if (has_grants && !acl.empty())
    return invalid_request("Specifying both Canned ACLs and Header Grants is not allowed");
  const Value* list = input.find("AccessControlPolicy");
  // What says no more than that the owner has everything is true of all that is in a bucket.
  const bool is_harmless = !has_grants && (acl.empty() || acl == "private" || acl == "bucket-owner-full-control") &&
                           (!list || is_owners_list(*list, bucket));
  if (is_harmless) return ok_status();
  if (is_owner_enforced(bucket)) return acl_not_supported();
  const Value* block = bucket.setting("public-access");
  if (block && block->flag("BlockPublicAcls") && (is_public_acl(acl) || grants_to_everybody(input)))
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", "Access Denied");
  return api::fault(ErrorCode::kFailedPrecondition, "NotImplemented",
                    "Access control lists that grant anything to others are not implemented: use a bucket policy.");
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
  COFFER_CHECK_OK(put_acl(r, *bucket));
  return Value::object();
}

Result<api::Value> get_bucket_acl(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  return owners_list(*bucket);
}

Result<api::Value> put_object_acl(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(check_there(r, *bucket));
  COFFER_CHECK_OK(put_acl(r, *bucket));
  return Value::object();
}

Result<api::Value> get_object_acl(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(check_there(r, *bucket));
  return owners_list(*bucket);
}

}  // namespace coffer::s3
