// Buckets: made, found, listed, removed.
#include <algorithm>

#include "services/policy/text.h"
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr int64_t kPageSizeMax = 10'000;
constexpr size_t kNameSizeMin = 3, kNameSizeMax = 63;

bool is_address(std::string_view name) {
  int parts = 1;
  size_t digits = 0;
  for (char c : name) {
    if (c == '.') {
      if (digits == 0) return false;
      ++parts, digits = 0;
    } else if (!policy::is_digit(c) || ++digits > 3) {
      return false;
    }
  }
  return parts == 4 && digits > 0;
}

/// User Guide, "General purpose buckets naming rules".
bool is_bucket_name(std::string_view name) {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || policy::is_digit(c); };
  if (name.size() < kNameSizeMin || name.size() > kNameSizeMax) return false;
  if (!is_plain(name.front()) || !is_plain(name.back())) return false;
  if (!std::all_of(name.begin(), name.end(), [&](char c) { return is_plain(c) || c == '.' || c == '-'; })) return false;
  for (std::string_view part : {"..", ".-", "-."}) {
    if (name.find(part) != std::string_view::npos) return false;
  }
  for (std::string_view prefix : {"xn--", "sthree-", "amzn-s3-demo-"}) {
    if (name.starts_with(prefix)) return false;
  }
  for (std::string_view suffix : {"-s3alias", "--ol-s3", "--x-s3", "--table-s3", ".mrap"}) {
    if (name.ends_with(suffix)) return false;
  }
  return !is_address(name);
}

Error not_implemented(std::string what) {
  return api::fault(ErrorCode::kFailedPrecondition, "NotImplemented", std::move(what));
}

/// The Region of a new bucket: User Guide, "LocationConstraint".
Result<std::string> region_of(const Request& r) {
  const Value* configuration = r.input().find("CreateBucketConfiguration");
  std::string wanted(configuration ? configuration->text("LocationConstraint") : std::string_view());
  const std::string& here = r.call().region;
  if (wanted == "EU") wanted = "eu-west-1";
  const auto illegal = [](const std::string& which) {
    return api::fault(
        ErrorCode::kInvalidArgument, "IllegalLocationConstraintException",
        "The " + which +
            " location constraint is incompatible for the region specific endpoint this request was sent to.");
  };
  constexpr std::string_view kDefault = "us-east-1";
  if (wanted.empty()) return here == kDefault ? Result<std::string>(here) : illegal("unspecified");
  const auto& known = r.setting.options.regions;
  if (wanted == kDefault || std::find(known.begin(), known.end(), wanted) == known.end()) {
    r.error_element("LocationConstraint", wanted);
    return api::fault(ErrorCode::kInvalidArgument, "InvalidLocationConstraint",
                      "The specified location-constraint is not valid");
  }
  // The default Region's endpoint makes buckets everywhere.
  if (wanted != here && here != kDefault) return illegal(wanted);
  return wanted;
}

bool has_grants(const Value& input) {
  for (const char* name : {"GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"}) {
    if (input.has(name)) return true;
  }
  return false;
}

/// ACLs of a bucket that is being made: only the one that gives nobody anything.
Status check_new_acl(const Request& r, std::string_view ownership) {
  const std::string_view acl = r.input().text("ACL");
  if (has_grants(r.input()) && !acl.empty())
    return invalid_request("Specifying both Canned ACLs and Header Grants is not allowed");
  if ((acl.empty() || acl == "private") && !has_grants(r.input())) return ok_status();
  if (ownership == "BucketOwnerEnforced")
    return api::fault(ErrorCode::kInvalidArgument, "InvalidBucketAclWithObjectOwnership",
                      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting");
  if (acl.starts_with("public-read") || acl == "authenticated-read")
    return api::fault(ErrorCode::kInvalidArgument, "InvalidBucketAclWithBlockPublicAccessError",
                      "Bucket cannot have public ACLs set with BlockPublicAccess enabled");
  return not_implemented("Access control lists other than private are not implemented.");
}

Status put_defaults(const Request& r, const rows::Bucket& bucket, std::string_view ownership,
                    const std::map<std::string, std::string>& tags) {
  const auto put = [&](std::string_view kind, const Value& document) {
    return rows::put_setting(r.t(), bucket.id, kind, document);
  };
  COFFER_CHECK_OK(
      put("ownership",
          Value::object({{"Rules", api::List{Value::object({{"ObjectOwnership", std::string(ownership)}})}}})));
  COFFER_CHECK_OK(put("public-access", Value::object({{"BlockPublicAcls", true},
                                                      {"IgnorePublicAcls", true},
                                                      {"BlockPublicPolicy", true},
                                                      {"RestrictPublicBuckets", true}})));
  COFFER_CHECK_OK(put("encryption", new_bucket_encryption()));
  if (!tags.empty()) COFFER_CHECK_OK(put("tagging", Value::object({{"TagSet", tag_set_value(tags)}})));
  if (bucket.lock_enabled) COFFER_CHECK_OK(put("object-lock", Value::object({{"ObjectLockEnabled", "Enabled"}})));
  return ok_status();
}

/// A token belongs to the account that got it.
std::string list_of(const Request& r) { return "buckets/" + r.call().caller.account; }

}  // namespace

Result<std::vector<api::AccessRequest>> access_create_bucket(const Request& r) {
  // A name that cannot be is refused whoever asks.
  const std::string name = r.text("Bucket");
  if (!is_bucket_name(name)) {
    r.error_element("BucketName", name);
    return api::fault(ErrorCode::kInvalidArgument, "InvalidBucketName", "The specified bucket is not valid.");
  }
  BucketView fresh;
  fresh.bucket.name = name;
  fresh.bucket.account = r.call().caller.account;
  std::vector<std::string> actions{"s3:CreateBucket"};
  if (r.input().flag("ObjectLockEnabledForBucket"))
    actions.insert(actions.end(), {"s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"});
  if (r.input().has("ObjectOwnership")) actions.emplace_back("s3:PutBucketOwnershipControls");
  const Value* configuration = r.input().find("CreateBucketConfiguration");
  if (configuration && !configuration->list("Tags").empty()) actions.emplace_back("s3:TagResource");
  api::ConditionKeys more;
  if (configuration && configuration->has("LocationConstraint"))
    more.emplace_back("s3:LocationConstraint",
                      std::vector<std::string>{std::string(configuration->text("LocationConstraint"))});
  std::vector<api::AccessRequest> requests;
  for (std::string& action : actions) requests.push_back(access_to(r, fresh, std::move(action), {}, more));
  return requests;
}

Result<api::Value> create_bucket(const Request& r) {
  const Value& input = r.input();
  const Value* configuration = input.find("CreateBucketConfiguration");
  if (r.call().caller.account.empty()) return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", "Access Denied");
  if (input.has("BucketNamespace") && input.text("BucketNamespace") != "global")
    return not_implemented("Namespaces of accounts are not implemented.");
  if (configuration && (configuration->has("Location") || configuration->has("Bucket")))
    return not_implemented("Directory buckets are not implemented.");
  rows::Bucket bucket;
  bucket.name = r.text("Bucket");
  bucket.account = r.call().caller.account;
  bucket.created = r.now();
  COFFER_TRY(bucket.region, region_of(r));
  const std::string ownership(input.has("ObjectOwnership") ? input.text("ObjectOwnership") : "BucketOwnerEnforced");
  if (ownership != "BucketOwnerEnforced" && ownership != "BucketOwnerPreferred" && ownership != "ObjectWriter")
    return invalid_argument(r, "x-amz-object-ownership", ownership, "Invalid x-amz-object-ownership header");
  COFFER_CHECK_OK(check_new_acl(r, ownership));
  bucket.lock_enabled = input.flag("ObjectLockEnabledForBucket");
  if (bucket.lock_enabled) bucket.versioning = "Enabled";
  std::map<std::string, std::string> tags;
  if (configuration) {
    COFFER_TRY(tags, tags_of(Value::object({{"TagSet", configuration->list("Tags")}}), kBucketTagsMax));
  }

  const Value output = Value::object({{"Location", "/" + bucket.name}, {"BucketArn", bucket.arn()}});
  COFFER_TRY(const auto known, rows::find_bucket(r.t(), bucket.name));
  if (known) {
    r.error_element("BucketName", bucket.name);
    if (known->account != bucket.account)
      return api::fault(ErrorCode::kAlreadyExists, "BucketAlreadyExists",
                        "The requested bucket name is not available. The bucket namespace is shared by all users of "
                        "the system. Please select a different name and try again.");
    // The oldest Region has always taken this for a success.
    if (known->region == "us-east-1" && bucket.region == "us-east-1") return output;
    return api::fault(ErrorCode::kAlreadyExists, "BucketAlreadyOwnedByYou",
                      "Your previous request to create the named bucket succeeded and you already own it.");
  }
  COFFER_CHECK_OK(rows::insert_bucket(r.t(), bucket));
  COFFER_CHECK_OK(put_defaults(r, bucket, ownership, tags));
  COFFER_CHECK_OK(r.setting.buckets.changed(r.t()));
  return output;
}

Result<api::Value> head_bucket(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  return Value::object(
      {{"BucketRegion", bucket->bucket.region}, {"BucketArn", bucket->bucket.arn()}, {"AccessPointAlias", false}});
}

Result<api::Value> delete_bucket(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const bool empty, rows::bucket_is_empty(r.t(), bucket->bucket.id));
  if (!empty) {
    r.error_element("BucketName", bucket->bucket.name);
    return api::fault(ErrorCode::kFailedPrecondition, "BucketNotEmpty",
                      bucket->bucket.versioning.empty()
                          ? "The bucket you tried to delete is not empty"
                          : "The bucket you tried to delete is not empty. You must delete all versions in the bucket.");
  }
  COFFER_CHECK_OK(rows::delete_bucket(r.t(), bucket->bucket.id));
  COFFER_CHECK_OK(r.setting.buckets.changed(r.t()));
  return Value::object();
}

Result<api::Value> get_bucket_location(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const std::string& region = bucket->bucket.region;
  return Value::object({{"LocationConstraint", region == "us-east-1" ? Value() : Value(region)}});
}

Result<std::vector<api::AccessRequest>> access_list_buckets(const Request& r) {
  api::AccessRequest request;
  request.action = "s3:ListAllMyBuckets";
  if (r.call().caller.kind == api::Caller::Kind::kAnonymous)
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", "Access Denied");
  return std::vector<api::AccessRequest>{std::move(request)};
}

Result<api::Value> list_buckets(const Request& r) {
  const int64_t size = r.input().integer("MaxBuckets").value_or(kPageSizeMax);
  if (size < 1 || size > kPageSizeMax)
    return invalid_argument(r, "max-buckets", std::to_string(size),
                            "Argument max-buckets must be an integer between 1 and 10000");
  COFFER_TRY(std::string after, open_token(r, list_of(r)));
  const std::string region = r.text("BucketRegion");
  const std::string& account = r.call().caller.account;
  std::vector<rows::Bucket> found;
  // One more than the page, to know whether there are more.
  while (static_cast<int64_t>(found.size()) <= size) {
    COFFER_TRY(auto some, rows::list_buckets(r.t(), account, after, r.input().text("Prefix"), size + 1));
    const bool is_last = static_cast<int64_t>(some.size()) <= size;
    if (!some.empty()) after = some.back().name;
    for (rows::Bucket& bucket : some) {
      if (region.empty() || bucket.region == region) found.push_back(std::move(bucket));
    }
    if (is_last) break;
  }
  const bool more = static_cast<int64_t>(found.size()) > size;
  if (more) found.resize(static_cast<size_t>(size));
  api::List list;
  for (const rows::Bucket& bucket : found) {
    Value value = Value::object({{"Name", bucket.name}, {"CreationDate", bucket.created}});
    // Only who asks for pages is told more: older clients compare the whole element.
    if (r.input().has("MaxBuckets")) value.set("BucketRegion", bucket.region).set("BucketArn", bucket.arn());
    list.push_back(std::move(value));
  }
  Value output = Value::object({{"Buckets", std::move(list)}, {"Owner", owner_value(account)}});
  if (r.input().has("Prefix")) output.set("Prefix", r.text("Prefix"));
  if (more) output.set("ContinuationToken", make_token(r, list_of(r), found.back().name));
  return output;
}

}  // namespace coffer::s3
