// Policies as documents: created, changed, listed, deleted. attachments.cc says where they hold.
#include "services/organizations/documents.h"
#include "services/organizations/faults.h"
#include "services/organizations/operations.h"
#include "services/organizations/page.h"
#include "services/organizations/shapes.h"

namespace coffer::organizations {
namespace {

using api::Value;

Error duplicate_name() {
  return already_exists("DuplicatePolicyException", "A policy with the same name already exists.");
}

Result<rows::Policy> find_policy(const Request& r) {
  COFFER_TRY(auto policy, rows::policy(r.transaction(), r.organization().id, r.input().text("PolicyId")));
  if (!policy) return policy_not_found();
  return std::move(*policy);
}

/// One of the organization's own, which may be changed.
Result<rows::Policy> find_own_policy(const Request& r) {
  COFFER_TRY(rows::Policy policy, find_policy(r));
  if (policy.organization.empty())
    return invalid_input("IMMUTABLE_POLICY", "You specified a policy that is managed by AWS and can't be modified.");
  return policy;
}

Value policy_output(const Request& r, const rows::Policy& policy) {
  return Value::object({{"Policy", policy_shape(r, policy)}});
}

}  // namespace

Result<Value> create_policy(const Request& r) {
  COFFER_TRY(rows::Tags tags, read_tags(r.input()));
  if (r.organization().feature_set != kAllFeatures)
    return failed_precondition("PolicyTypeNotAvailableForOrganizationException",
                               "You can't use the specified policy type with the feature set currently enabled for "
                               "this organization.");
  rows::Policy policy;
  policy.id = random_id(r.installation.entropy, "p-", 10);
  policy.organization = r.organization().id;
  policy.type = r.input().text("Type");
  policy.name = r.input().text("Name");
  policy.description = r.input().text("Description");
  policy.content = r.input().text("Content");
  policy.updated = r.now;
  COFFER_CHECK_OK(check_content(policy.type, policy.content));
  COFFER_TRY(auto twin, rows::policy_by_name(r.transaction(), policy.organization, policy.type, policy.name));
  if (twin) return duplicate_name();
  COFFER_TRY(int64_t count, rows::count_policies(r.transaction(), policy.organization, policy.type));
  if (count >= policies_max(policy.type))
    return constraint("POLICY_NUMBER_LIMIT_EXCEEDED",
                      "You have exceeded the allowed number of policies of this type in your organization.");
  COFFER_CHECK_OK(rows::insert(r.transaction(), policy));
  COFFER_CHECK_OK(store_tags(r, policy.id, tags));
  return policy_output(r, policy);
}

Result<Value> describe_policy(const Request& r) {
  COFFER_TRY(rows::Policy policy, find_policy(r));
  return policy_output(r, policy);
}

Result<Value> update_policy(const Request& r) {
  COFFER_TRY(rows::Policy policy, find_own_policy(r));
  if (auto content = r.input().text_if("Content")) {
    COFFER_CHECK_OK(check_content(policy.type, *content));
    policy.content = std::move(*content);
  }
  if (auto description = r.input().text_if("Description")) policy.description = std::move(*description);
  if (auto name = r.input().text_if("Name"); name && *name != policy.name) {
    COFFER_TRY(auto twin, rows::policy_by_name(r.transaction(), policy.organization, policy.type, *name));
    if (twin) return duplicate_name();
    policy.name = std::move(*name);
  }
  policy.updated = r.now;
  COFFER_CHECK_OK(rows::update(r.transaction(), policy));
  return policy_output(r, policy);
}

Result<Value> delete_policy(const Request& r) {
  COFFER_TRY(rows::Policy policy, find_own_policy(r));
  COFFER_TRY(auto targets, rows::targets_of_policy(r.transaction(), policy.organization, policy.id, "", 1));
  if (!targets.empty())
    return failed_precondition("PolicyInUseException",
                               "The policy is attached to one or more entities. You must detach it from all roots, "
                               "OUs, and accounts before performing this operation.");
  COFFER_CHECK_OK(rows::remove_policy(r.transaction(), policy.id));
  return Value::object();
}

Result<Value> list_policies(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  const std::string type(r.input().text("Filter"));
  std::vector<Page::Item> items;
  // AWS's own stands first. A token with its id must not hide organization policies whose ids sort before it.
  const rows::Policy* own = rows::default_policy(type);
  const bool all_features = r.organization().feature_set == kAllFeatures;
  if (own && all_features && page.after().empty()) items.push_back({own->id, policy_summary(r, *own)});
  const std::string after = own && page.after() == own->id ? "" : page.after();
  COFFER_TRY(auto policies, rows::policies(r.transaction(), r.organization().id, type, after, page.wanted()));
  for (const rows::Policy& policy : policies) items.push_back({policy.id, policy_summary(r, policy)});
  return page.output("Policies", std::move(items));
}

}  // namespace coffer::organizations
