#include "services/s3/access_lists.h"

#include <algorithm>
#include <array>

#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;
using Kind = api::Caller::Kind;

constexpr std::string_view kPrivate = "private";
constexpr std::string_view kEverybody = "http://acs.amazonaws.com/groups/global/AllUsers";
constexpr std::string_view kUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
constexpr std::array<std::string_view, 6> kCanned = {kPrivate,
                                                     "public-read",
                                                     "public-read-write",
                                                     "authenticated-read",
                                                     "bucket-owner-read",
                                                     "bucket-owner-full-control"};

bool is_one_of(std::string_view action, std::initializer_list<std::string_view> actions) {
  return std::find(actions.begin(), actions.end(), action) != actions.end();
}

/// What READ on a bucket means, and WRITE, and READ on an object: User Guide, "Mapping of ACL permissions and access
/// policy permissions".
bool reads_bucket(std::string_view action) {
  return is_one_of(action, {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"});
}
bool writes_bucket(std::string_view action) {
  return is_one_of(action, {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"});
}
bool reads_object(std::string_view action) { return is_one_of(action, {"s3:GetObject", "s3:GetObjectVersion"}); }

bool ignores_public(const BucketView& bucket) {
  const Value* block = bucket.setting("public-access");
  return block && block->flag("IgnorePublicAcls");
}

/// Does the list let this caller read (or write), as one of everybody or of all users of AWS?
bool lets_all(std::string_view list, const BucketView& bucket, const api::Caller& caller, bool write) {
  if (ignores_public(bucket)) return false;
  if (write) return list == "public-read-write";
  if (list == "authenticated-read") return caller.kind != Kind::kAnonymous && caller.kind != Kind::kService;
  return list == "public-read" || list == "public-read-write";
}

Value grant_to(Value grantee, std::string_view type, std::string_view permission) {
  grantee.set("Type", type);
  return Value::object({{"Grantee", std::move(grantee)}, {"Permission", permission}});
}

}  // namespace

std::string_view list_of_bucket(const BucketView& bucket) {
  const Value* setting = is_owner_enforced(bucket) ? nullptr : bucket.setting("acl");
  return setting && setting->has("ACL") ? setting->text("ACL") : kPrivate;
}

std::string_view list_of_object(const BucketView& bucket, const rows::Version& version) {
  return !is_owner_enforced(bucket) && version.metadata.has("ACL") ? version.metadata.text("ACL") : kPrivate;
}

Value spelled_out(std::string_view list, std::string_view owner, std::string_view bucket_owner) {
  const Value all = owner_value(owner);
  api::List grants{grant_to(all, "CanonicalUser", "FULL_CONTROL")};
  const auto to_group = [&](std::string_view group, std::string_view permission) {
    grants.push_back(grant_to(Value::object({{"URI", group}}), "Group", permission));
  };
  if (list.starts_with("public-read")) to_group(kEverybody, "READ");
  if (list == "public-read-write") to_group(kEverybody, "WRITE");
  if (list == "authenticated-read") to_group(kUsers, "READ");
  if (owner != bucket_owner && list.starts_with("bucket-owner-"))
    grants.push_back(
        grant_to(owner_value(bucket_owner), "CanonicalUser", list == "bucket-owner-read" ? "READ" : "FULL_CONTROL"));
  return Value::object({{"Owner", all}, {"Grants", std::move(grants)}});
}

std::string_view canned_name(const Value& policy, std::string_view owner, std::string_view bucket_owner) {
  /// (who, what) of each grant, in order.
  const auto grants_of = [](const Value& list) {
    std::vector<std::pair<std::string, std::string>> grants;
    for (const Value& grant : list.list("Grants")) {
      const Value* grantee = grant.find("Grantee");
      if (!grantee) continue;
      grants.emplace_back(grantee->has("URI") ? grantee->text("URI") : grantee->text("ID"), grant.text("Permission"));
    }
    std::sort(grants.begin(), grants.end());
    grants.erase(std::unique(grants.begin(), grants.end()), grants.end());
    return grants;
  };
  const auto wanted = grants_of(policy);
  for (std::string_view name : kCanned) {
    if (grants_of(spelled_out(name, owner, bucket_owner)) == wanted) return name;
  }
  return {};
}

std::string owner_of_new(const Request& r, const BucketView& bucket, std::string_view list) {
  const api::Caller& caller = r.call().caller;
  const Value* controls = bucket.setting("ownership");
  const bool preferred = controls && !controls->list("Rules").empty() &&
                         controls->list("Rules").front().text("ObjectOwnership") == "BucketOwnerPreferred";
  // What nobody in particular writes belongs to who keeps it.
  if (is_owner_enforced(bucket) || caller.account.empty() || caller.kind == Kind::kService ||
      (preferred && list == "bucket-owner-full-control"))
    return bucket.bucket.account;
  return caller.account;
}

bool depends_on_object_list(const BucketView& bucket, std::string_view action) {
  if (is_owner_enforced(bucket)) return false;
  return action.starts_with("s3:GetObject") || is_one_of(action, {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"});
}

void apply_lists(const Request& r, const BucketView& bucket, const rows::Version* version,
                 api::AccessRequest& request) {
  if (is_owner_enforced(bucket)) return;
  const api::Caller& caller = r.call().caller;
  if (!version) {
    const std::string_view list = list_of_bucket(bucket);
    request.granted |= (reads_bucket(request.action) && lets_all(list, bucket, caller, false)) ||
                       (writes_bucket(request.action) && lets_all(list, bucket, caller, true));
    return;
  }
  const std::string_view list = list_of_object(bucket, *version);
  const std::string& owner = version->owner;
  if (owner != bucket.bucket.account) {
    request.resource_account = owner;
    if (caller.account == bucket.bucket.account)
      request.granted |=
          list == "bucket-owner-full-control" || (list == "bucket-owner-read" && reads_object(request.action));
  }
  request.granted |= reads_object(request.action) && lets_all(list, bucket, caller, false);
}

}  // namespace coffer::s3
