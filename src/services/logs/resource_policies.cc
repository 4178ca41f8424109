// Resource policies: by which another service, or another account, may write to log groups.
#include <algorithm>

#include "services/logs/operations.h"
#include "services/policy/document.h"

namespace coffer::logs {
namespace {

constexpr size_t kPoliciesMax = 10;  // of an account in a Region
constexpr int64_t kPageMax = 50;

/// Of the account under its name, or of a log group.
struct Key {
  std::string name, resource_arn;
};

Result<Key> key_of(const Request& r) {
  const bool by_name = r.input().has("policyName"), by_arn = r.input().has("resourceArn");
  if (by_name == by_arn) return invalid("Exactly one of policyName and resourceArn must be given.");
  if (by_name) return Key{r.text("policyName"), ""};
  COFFER_TRY(const GroupName group, group_of_arn(r.input().text("resourceArn")));
  if (group.account != r.account()) return no_such_group();
  COFFER_TRY(const rows::Group found, find_group(r, group));
  return Key{"", name_of(found).arn()};
}

api::Value show(const rows::ResourcePolicy& policy) {
  api::Value value = api::Value::object({{"policyDocument", policy.document},
                                         {"lastUpdatedTime", policy.updated},
                                         {"policyScope", policy.resource_arn.empty() ? "ACCOUNT" : "RESOURCE"},
                                         {"revisionId", policy.revision}});
  if (policy.resource_arn.empty()) {
    value.set("policyName", policy.name);
  } else {
    value.set("resourceArn", policy.resource_arn);
  }
  return value;
}

/// The policies of the account and the one that is meant, if it is there.
struct Known {
  std::vector<rows::ResourcePolicy> all;
  const rows::ResourcePolicy* meant = nullptr;
};

Result<Known> known_policies(const Request& r, const Key& key) {
  Known known;
  COFFER_TRY(known.all, rows::resource_policies(r.t(), r.account(), r.call().region));
  for (const rows::ResourcePolicy& policy : known.all) {
    if (policy.name == key.name && policy.resource_arn == key.resource_arn) known.meant = &policy;
  }
  return known;
}

/// "OperationAbortedException" when somebody changed the policy since the caller read it.
Status check_revision(const Request& r, const rows::ResourcePolicy* policy) {
  const auto expected = r.input().text_if("expectedRevisionId");
  if (!expected || (policy && policy->revision == *expected)) return ok_status();
  return api::fault(ErrorCode::kFailedPrecondition, "OperationAbortedException",
                    "The policy has another revision than the expected one.");
}

}  // namespace

Result<api::Value> put_resource_policy(const Request& r) {
  COFFER_TRY(const Key key, key_of(r));
  const std::string document = r.text("policyDocument");
  if (document.empty()) return invalid("policyDocument must be given.");
  const auto parsed = policy::Document::parse(document, policy::Kind::kResource);
  if (!parsed.ok()) return invalid("Failed to parse policy document. " + parsed.error().message);
  COFFER_TRY(const Known known, known_policies(r, key));
  COFFER_CHECK_OK(check_revision(r, known.meant));
  const auto of_account = std::count_if(known.all.begin(), known.all.end(),
                                        [](const rows::ResourcePolicy& p) { return p.resource_arn.empty(); });
  if (!known.meant && key.resource_arn.empty() && of_account >= static_cast<int64_t>(kPoliciesMax))
    return api::fault(ErrorCode::kResourceExhausted, "LimitExceededException", "Resource limit exceeded.");
  rows::ResourcePolicy policy;
  policy.account = r.account();
  policy.region = r.call().region;
  policy.name = key.name;
  policy.resource_arn = key.resource_arn;
  policy.document = document;
  policy.revision = random_uuid(r.setting.entropy);
  policy.updated = r.now_millis();
  COFFER_CHECK_OK(rows::put_resource_policy(r.t(), policy));
  return api::Value::object({{"resourcePolicy", show(policy)}, {"revisionId", policy.revision}});
}

Result<api::Value> describe_resource_policies(const Request& r) {
  COFFER_TRY(const auto all, rows::resource_policies(r.t(), r.account(), r.call().region));
  COFFER_TRY(const auto begin, begin_of_page(r));
  const bool of_resources = r.input().text("policyScope") == "RESOURCE" || r.input().has("resourceArn");
  const std::string arn = r.text("resourceArn");
  const auto limit = static_cast<size_t>(r.input().integer("limit").value_or(kPageMax));
  api::List shown;
  std::string last, next;
  for (const rows::ResourcePolicy& policy : all) {
    const std::string place = policy.name + "\n" + policy.resource_arn;
    if (of_resources == policy.resource_arn.empty() || (!arn.empty() && arn != policy.resource_arn)) continue;
    if (begin && place <= *begin) continue;
    if (shown.size() == limit) {
      next = last;
      break;
    }
    shown.push_back(show(policy));
    last = place;
  }
  api::Value output = api::Value::object({{"resourcePolicies", std::move(shown)}});
  if (!next.empty()) output.set("nextToken", token_behind(r, next));
  return output;
}

Result<api::Value> delete_resource_policy(const Request& r) {
  COFFER_TRY(const Key key, key_of(r));
  COFFER_TRY(const Known known, known_policies(r, key));
  if (!known.meant)
    return api::fault(ErrorCode::kNotFound, "ResourceNotFoundException",
                      key.name.empty() ? "The log group has no resource policy."
                                       : "Policy with name [" + key.name + "] does not exist.");
  COFFER_CHECK_OK(check_revision(r, known.meant));
  COFFER_TRY(const bool removed,
             rows::remove_resource_policy(r.t(), r.account(), r.call().region, key.name, key.resource_arn));
  COFFER_ASSERT(removed);
  return api::Value::object();
}

}  // namespace coffer::logs
