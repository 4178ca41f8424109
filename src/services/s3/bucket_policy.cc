// Bucket policies.
#include <algorithm>

#include "services/policy/evaluate.h"
#include "services/policy/json_tree.h"
#include "services/policy/text.h"
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;
using policy::Node;

constexpr size_t kPolicySizeMax = 20 * 1024;
constexpr std::string_view kArnStart = "arn:aws:s3:::";

Error malformed(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "MalformedPolicy", std::move(message));
}

const Node* member_of(const Node& object, std::string_view name) {
  for (const policy::Member& member : object.members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}
/// The strings of "Action" or "NotAction"; both never stand together.
std::vector<std::string> texts_of(const Node& statement, std::string_view name) {
  std::vector<std::string> texts;
  for (const Node* node : {member_of(statement, name), member_of(statement, "Not" + std::string(name))}) {
    if (!node) continue;
    if (node->type != Node::Type::kArray) texts.push_back(node->text);
    for (const Node& item : node->items) texts.push_back(item.text);
  }
  return texts;
}

/// Is it an action on objects? By its name: what names Object, and parts of uploads, but not the bucket's settings.
bool is_object_action(std::string_view lowered) {
  static constexpr std::string_view kOthers[] = {"s3:getbucketobjectlockconfiguration",
                                                 "s3:putbucketobjectlockconfiguration",
                                                 "s3:listmultipartuploadparts",
                                                 "s3:abortmultipartupload",
                                                 "s3:bypassgovernanceretention",
                                                 "s3:replicatetags",
                                                 "s3:replicatedelete"};
  if (lowered == kOthers[0] || lowered == kOthers[1]) return false;
  if (std::find(std::begin(kOthers), std::end(kOthers), lowered) != std::end(kOthers)) return true;
  return lowered.find("object") != std::string_view::npos;
}

/// The bucket's own actions that are spelled out in a policy without wildcards, where only objects are named, are a
/// mistake that S3 refuses, and the other way round.
Status check_levels(const std::vector<std::string>& actions, bool has_bucket, bool has_objects) {
  for (const std::string& action : actions) {
    if (policy::has_wildcard(action)) continue;
    const bool on_object = is_object_action(policy::lower_case(action));
    if (on_object ? !has_objects : !has_bucket)
      return malformed("Action does not apply to any resource(s) in statement");
  }
  return ok_status();
}

Status check_statement(const Node& statement, std::string_view bucket) {
  const std::vector<std::string> actions = texts_of(statement, "Action");
  for (const std::string& action : actions) {
    if (action != "*" && !policy::lower_case(action).starts_with("s3:")) return malformed("Policy has invalid action");
  }
  bool has_bucket = false, has_objects = false;
  for (const std::string& resource : texts_of(statement, "Resource")) {
    std::string_view rest = resource;
    if (!rest.starts_with(kArnStart)) return malformed("Policy has invalid resource");
    rest.remove_prefix(kArnStart.size());
    if (!rest.starts_with(bucket)) return malformed("Policy has invalid resource");
    rest.remove_prefix(bucket.size());
    const bool is_all = rest == "*";
    if (!rest.empty() && rest.front() != '/' && !is_all) return malformed("Policy has invalid resource");
    has_bucket |= rest.empty() || is_all;
    has_objects |= !rest.empty();
  }
  const bool is_plain = member_of(statement, "Action") && member_of(statement, "Resource");
  return is_plain ? check_levels(actions, has_bucket, has_objects) : ok_status();
}

/// Every statement is about this bucket and what is in it.
Status check_resources(std::string_view text, std::string_view bucket) {
  COFFER_TRY(const Node root, policy::parse_json(text));
  const Node* statements = member_of(root, "Statement");
  if (statements->type != Node::Type::kArray) return check_statement(*statements, bucket);
  for (const Node& statement : statements->items) COFFER_CHECK_OK(check_statement(statement, bucket));
  return ok_status();
}

/// Would the caller, if its own policies let it do everything, still be able to change the policy?
Result<bool> shuts_out_caller(const Request& r, const BucketView& bucket,
                              std::shared_ptr<const policy::Document> document) {
  // The root user has a way back.
  if (r.call().caller.kind == api::Caller::Kind::kRoot) return false;
  static const auto kAll = policy::Document::parse(R"({"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})",
                                                   policy::Kind::kIdentity);
  policy::PrincipalPolicies everything;
  everything.identity.push_back({"all", "IAM Policy", *kAll});
  BucketView after = bucket;
  after.policy = std::move(document);
  const api::AccessRequest access = access_to(r, after, "s3:PutBucketPolicy");
  policy::RequestContext context = policy::global_context(r.call());
  for (const auto& [key, values] : access.conditions) context.set(key, values);
  policy::ResourceSide side;
  side.policy = access.resource_policy.get();
  const policy::Query query{r.call().caller, access.action, access.resource, access.resource_account, context};
  return !policy::evaluate(query, everything, side).allowed();
}

/// The owner's account alone works with the policy, whatever the policy itself allows others.
Status check_owner(const Request& r, const BucketView& bucket) {
  if (r.call().caller.account == bucket.bucket.account) return ok_status();
  r.error_element("Method", r.call().operation.starts_with("Put")   ? "PUT"
                            : r.call().operation.starts_with("Get") ? "GET"
                                                                    : "DELETE");
  r.error_element("ResourceType", "BUCKETPOLICY");
  return api::fault(ErrorCode::kFailedPrecondition, "MethodNotAllowed",
                    "The specified method is not allowed against this resource.");
}

}  // namespace

Result<api::Value> put_bucket_policy(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(check_owner(r, *bucket));
  const std::string text = r.text("Policy");
  if (text.size() > kPolicySizeMax) return malformed("Policy exceeds the maximum allowed document size.");
  if (text.find_first_not_of(" \t\r\n") == std::string::npos || text[text.find_first_not_of(" \t\r\n")] != '{')
    return malformed("Policies must be valid JSON and the first byte must be '{'");
  auto document = policy::Document::parse(text, policy::Kind::kResource);
  if (!document.ok()) return malformed(document.error().message);
  COFFER_CHECK_OK(check_resources(text, bucket->bucket.name));
  for (const policy::PrincipalEntry& entry : (*document)->principals()) {
    if (entry.type != policy::PrincipalEntry::Type::kAws) continue;
    COFFER_TRY(const bool exists, r.setting.authority.principal_exists(r.t(), entry.value));
    if (exists) continue;
    r.error_element("Detail", "\"AWS\" : \"" + entry.value + "\"");
    return malformed("Invalid principal in policy");
  }
  const Value* block = bucket->setting("public-access");
  if (block && block->flag("BlockPublicPolicy") && is_public(**document))
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied",
                      "User: " + r.call().caller.arn +
                          " is not authorized to perform: s3:PutBucketPolicy on resource: \"" + bucket->bucket.arn() +
                          "\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block "
                          "Public Access.");
  if (!r.input().flag("ConfirmRemoveSelfBucketAccess")) {
    COFFER_TRY(const bool shut_out, shuts_out_caller(r, *bucket, *document));
    if (shut_out)
      return malformed(
          "The new bucket policy will not allow you to change the policy in the future. Confirm it with the header "
          "x-amz-confirm-remove-self-bucket-access.");
  }
  COFFER_CHECK_OK(put_setting(r, *bucket, "policy", Value(text)));
  return Value::object();
}

Result<api::Value> get_bucket_policy(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(check_owner(r, *bucket));
  auto text = setting_or(*bucket, "policy", "NoSuchBucketPolicy", "The bucket policy does not exist");
  if (!text.ok()) {
    r.error_element("BucketName", bucket->bucket.name);
    return std::move(text).error();
  }
  return Value::object({{"Policy", std::move(*text)}});
}

Result<api::Value> delete_bucket_policy(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(check_owner(r, *bucket));
  COFFER_CHECK_OK(put_setting(r, *bucket, "policy", Value()));
  return Value::object();
}

Result<api::Value> get_bucket_policy_status(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  if (!bucket->policy) {
    r.error_element("BucketName", bucket->bucket.name);
    return api::fault(ErrorCode::kNotFound, "NoSuchBucketPolicy", "The bucket policy does not exist");
  }
  return Value::object({{"PolicyStatus", Value::object({{"IsPublic", is_public(*bucket->policy)}})}});
}

}  // namespace coffer::s3
