// Which bucket is meant, and what must be allowed on it.
#include <algorithm>

#include "engine/crypto/digest.h"
#include "services/policy/statement.h"
#include "services/policy/text.h"
#include "services/s3/access_lists.h"
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using Kind = api::Caller::Kind;

constexpr std::string_view kExistingTag = "s3:existingobjecttag/";

bool reads_existing_tags(const policy::Pattern& pattern) {
  const auto variables = pattern.variables();
  return std::any_of(variables.begin(), variables.end(),
                     [](const auto& v) { return policy::lower_case(v.key).starts_with(kExistingTag); });
}
bool reads_existing_tags(const policy::Document& document) {
  for (const policy::Statement& statement : document.statements()) {
    for (const policy::Condition& condition : statement.conditions) {
      if (condition.key.size() > kExistingTag.size() && policy::lower_case(condition.key).starts_with(kExistingTag))
        return true;
      if (std::any_of(condition.patterns.begin(), condition.patterns.end(),
                      [](const auto& p) { return reads_existing_tags(p); }))
        return true;
    }
    if (std::any_of(statement.resources.begin(), statement.resources.end(),
                    [](const auto& p) { return reads_existing_tags(p); }))
      return true;
  }
  return false;
}

/// Does anything that decides this request look at the tags of the object?
bool reads_existing_tags(const Request& r, const BucketView& bucket) {
  if (bucket.policy && reads_existing_tags(*bucket.policy)) return true;
  const iam::Identity* identity = r.operation.identity;
  if (!identity) return false;
  const auto any = [](const std::vector<policy::NamedDocument>& documents) {
    return std::any_of(documents.begin(), documents.end(),
                       [](const auto& named) { return reads_existing_tags(*named.document); });
  };
  const policy::PrincipalPolicies& policies = *identity->policies;
  return any(policies.identity) || (policies.session && any(*policies.session)) ||
         (policies.boundary && reads_existing_tags(*policies.boundary->document)) ||
         std::any_of(policies.service_control.begin(), policies.service_control.end(), any) ||
         std::any_of(identity->resource_control.begin(), identity->resource_control.end(), any);
}

/// The condition keys of S3 that a request's members give.
class Keys {
 public:
  Keys(const Request& r, api::ConditionKeys& keys) : r_(r), keys_(keys) {}

  void set(std::string key, std::string value) {
    const bool known = std::any_of(keys_.begin(), keys_.end(), [&](const auto& entry) { return entry.first == key; });
    if (!known) keys_.emplace_back(std::move(key), std::vector<std::string>{std::move(value)});
  }
  void member(std::string_view name, std::string_view key) {
    if (auto text = r_.input().text_if(name)) set(std::string(key), std::move(*text));
  }
  void moment(const api::Value& in, std::string_view name) {
    if (const auto until = in.time(name)) {
      set("s3:object-lock-retain-until-date", format_utc(*until));
      // A part of a day counts as a whole one.
      constexpr int64_t kDayMicros = 86'400'000'000;
      const int64_t left = until->micros - r_.now().micros;
      set("s3:object-lock-remaining-retention-days", std::to_string((left + kDayMicros - 1) / kDayMicros));
    }
  }
  void request_tags(const std::map<std::string, std::string>& tags) {
    std::vector<std::string> names;
    for (const auto& [key, value] : tags) {
      set("s3:RequestObjectTag/" + key, value);
      names.push_back(key);
    }
    keys_.emplace_back("s3:RequestObjectTagKeys", std::move(names));
  }

 private:
  const Request& r_;
  api::ConditionKeys& keys_;
};

/// A key as policies compare it: its ARN.
std::string key_arn(const Request& r, std::string key) {
  if (key.empty() || key.starts_with("arn:")) return key;
  return "arn:aws:kms:" + r.call().region + ":" + r.call().caller.account + ":" +
         (key.starts_with("alias/") ? key : "key/" + key);
}

void set_request_keys(const Request& r, bool is_object, api::ConditionKeys& all) {
  Keys keys(r, all);
  const api::Value& input = r.input();
  keys.member("VersionId", "s3:VersionId");
  keys.member("ACL", "s3:x-amz-acl");
  keys.member("GrantFullControl", "s3:x-amz-grant-full-control");
  keys.member("GrantRead", "s3:x-amz-grant-read");
  keys.member("GrantReadACP", "s3:x-amz-grant-read-acp");
  keys.member("GrantWrite", "s3:x-amz-grant-write");
  keys.member("GrantWriteACP", "s3:x-amz-grant-write-acp");
  keys.member("ObjectOwnership", "s3:x-amz-object-ownership");
  if (const auto& signature = r.call().signature) {
    keys.set("s3:signatureversion", signature->version);
    keys.set("s3:authType", signature->auth_type);
    // A signature of Version 2 does not tell when it was made; its age is 0 for policies.
    const int64_t age_micros = signature->time ? r.now().micros - signature->time->micros : 0;
    keys.set("s3:signatureAge", std::to_string(age_micros / 1000));
    keys.set("s3:x-amz-content-sha256", signature->content_sha256);
  }
  if (r.call().operation.starts_with("List")) {
    keys.member("Prefix", "s3:prefix");
    keys.member("Delimiter", "s3:delimiter");
    if (const auto count = input.integer("MaxKeys")) keys.set("s3:max-keys", std::to_string(*count));
  }
  if (is_object) {
    keys.member("CopySource", "s3:x-amz-copy-source");
    keys.member("MetadataDirective", "s3:x-amz-metadata-directive");
    keys.member("StorageClass", "s3:x-amz-storage-class");
    keys.member("WebsiteRedirectLocation", "s3:x-amz-website-redirect-location");
    keys.member("ServerSideEncryption", "s3:x-amz-server-side-encryption");
    keys.member("SSECustomerAlgorithm", "s3:x-amz-server-side-encryption-customer-algorithm");
    if (auto key = input.text_if("SSEKMSKeyId"))
      keys.set("s3:x-amz-server-side-encryption-aws-kms-key-id", key_arn(r, std::move(*key)));
    keys.member("ObjectLockMode", "s3:object-lock-mode");
    keys.member("ObjectLockLegalHoldStatus", "s3:object-lock-legal-hold");
    keys.moment(input, "ObjectLockRetainUntilDate");
    if (const api::Value* retention = input.find("Retention")) {
      if (auto mode = retention->text_if("Mode")) keys.set("s3:object-lock-mode", std::move(*mode));
      keys.moment(*retention, "RetainUntilDate");
    }
    if (const api::Value* hold = input.find("LegalHold"))
      keys.set("s3:object-lock-legal-hold", std::string(hold->text("Status")));
    keys.member("IfMatch", "s3:if-match");
    keys.member("IfNoneMatch", "s3:if-none-match");
    if (const api::Value* tagging = input.find("Tagging")) {
      // What is no tag set is refused by the operation itself.
      const auto tags =
          tagging->is_object() ? tags_of(*tagging, kObjectTagsMax) : tags_of_header(input.text("Tagging"));
      if (tags.ok()) keys.request_tags(*tags);
    }
  }
}

Error no_such_bucket(const Request& r, std::string_view name) {
  r.error_element("BucketName", std::string(name));
  return api::fault(ErrorCode::kNotFound, "NoSuchBucket", "The specified bucket does not exist");
}

/// A policy that is public gives nothing to other accounts while RestrictPublicBuckets is on.
bool is_cut_off(const Request& r, const BucketView& bucket) {
  const api::Caller& caller = r.call().caller;
  if (caller.kind == Kind::kService || caller.account == bucket.bucket.account) return false;
  const api::Value* block = bucket.setting("public-access");
  return block && block->flag("RestrictPublicBuckets") && is_public(*bucket.policy);
}

/// What the owner's root user may always do, so that no policy locks everybody out for good.
bool is_way_back(const Request& r, const BucketView& bucket, std::string_view action) {
  const api::Caller& caller = r.call().caller;
  return caller.kind == Kind::kRoot && caller.account == bucket.bucket.account &&
         (action == "s3:DeleteBucketPolicy" || action == "s3:GetBucketPolicy" || action == "s3:PutBucketPolicy");
}

/// Denies everything: for what could not be looked up.
std::shared_ptr<const policy::Document> nothing() {
  static const auto document = policy::Document::parse(
      R"({"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}})", policy::Kind::kResource);
  return *document;
}

}  // namespace

Result<std::shared_ptr<const BucketView>> bucket_named(const Request& r, std::string_view name,
                                                       std::string_view expected_owner) {
  // What is no text is no name either, and catalogs take nothing but text.
  if (!std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < '\x7f'; }))
    return no_such_bucket(r, name);
  COFFER_TRY(auto view, r.setting.buckets.find(r.t(), name));
  if (!view) return no_such_bucket(r, name);
  if (!expected_owner.empty() && expected_owner != view->bucket.account)
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", "Access Denied");
  return view;
}

Result<std::shared_ptr<const BucketView>> bucket_of(const Request& r, std::string_view member) {
  COFFER_TRY(auto view, bucket_named(r, r.input().text(member), r.input().text("ExpectedBucketOwner")));
  const std::string& region = view->bucket.region;
  // An anonymous request names no Region, nor does Signature Version 2; whoever asks for the location does not know it.
  const auto& signature = r.call().signature;
  const bool names_region = r.call().caller.kind != Kind::kAnonymous && !(signature && signature->version == "AWS");
  const bool is_elsewhere = region != r.call().region && names_region && r.call().operation != "GetBucketLocation";
  if (!is_elsewhere) return view;
  r.error_header("x-amz-bucket-region", region);
  r.error_element("Bucket", view->bucket.name);
  r.error_element("Endpoint", "s3." + region + ".amazonaws.com");
  return api::fault(ErrorCode::kFailedPrecondition, "PermanentRedirect",
                    "The bucket you are attempting to access must be addressed using the specified endpoint. Please "
                    "send all future requests to this endpoint.");
}

api::AccessRequest access_to(const Request& r, const BucketView& bucket, std::string action, std::string_view key,
                             api::ConditionKeys more) {
  api::AccessRequest request;
  request.resource = bucket.bucket.arn();
  if (!key.empty()) request.resource.append("/").append(key);
  request.resource_account = bucket.bucket.account;
  request.conditions = std::move(more);
  set_request_keys(r, !key.empty(), request.conditions);
  request.conditions.emplace_back("s3:ResourceAccount", std::vector<std::string>{bucket.bucket.account});
  if (bucket.policy && !is_way_back(r, bucket, action) && !is_cut_off(r, bucket))
    request.resource_policy = bucket.policy;
  const bool needs_tags = !key.empty() && reads_existing_tags(r, bucket);
  request.action = std::move(action);
  const bool needs_list = !key.empty() && depends_on_object_list(bucket, request.action);
  if (needs_tags || needs_list) {
    const std::string_view version_id = r.input().text("VersionId");
    const auto version = version_id.empty() ? rows::latest_version(r.t(), bucket.bucket.id, key)
                                            : rows::find_version(r.t(), bucket.bucket.id, key, version_id);
    if (!version.ok()) {
      request.resource_policy = nothing();
    } else if (*version) {
      for (const auto& [name, value] : (*version)->tags)
        request.conditions.emplace_back("s3:ExistingObjectTag/" + name, std::vector<std::string>{value});
      if (needs_list) apply_lists(r, bucket, &**version, request);
    }
  }
  if (!needs_list) apply_lists(r, bucket, nullptr, request);
  return request;
}

Result<bool> is_allowed(const Request& r, const BucketView& bucket, std::string action, std::string_view key) {
  static const iam::Identity kNobody{{}, std::make_shared<const policy::PrincipalPolicies>(), {}, {}, {}};
  const iam::Identity& identity = r.operation.identity ? *r.operation.identity : kNobody;
  const Status decision =
      r.setting.authority.authorize(r.t(), r.call(), identity, {access_to(r, bucket, std::move(action), key)});
  if (decision.ok()) return true;
  if (decision.code() == ErrorCode::kPermissionDenied) return false;
  return decision.error();
}

api::Value owner_value(std::string_view account) {
  const crypto::Digest256 digest = crypto::sha256(as_bytes("coffer canonical user " + std::string(account)));
  return api::Value::object({{"DisplayName", std::string(account)}, {"ID", to_hex(digest)}});
}

void Request::error_header(std::string_view name, std::string value) const {
  if (operation.reply) operation.reply->error_headers.emplace_back(std::string(name), std::move(value));
}
void Request::error_element(std::string_view name, std::string value) const {
  if (operation.reply) operation.reply->error_elements.emplace_back(std::string(name), std::move(value));
}

}  // namespace coffer::s3
