// Where policies hold: policy types of the root, attachments to root, units and accounts, and what follows for an
// account.
#include <algorithm>

#include "services/organizations/documents.h"
#include "services/organizations/effective.h"
#include "services/organizations/faults.h"
#include "services/organizations/levels.h"
#include "services/organizations/operations.h"
#include "services/organizations/page.h"
#include "services/organizations/shapes.h"

namespace coffer::organizations {
namespace {

using api::Value;

Result<bool> is_enabled(const Request& r, std::string_view type) {
  COFFER_TRY(auto enabled, rows::enabled_types(r.transaction(), r.organization().id));
  return std::find(enabled.begin(), enabled.end(), type) != enabled.end();
}

Error type_not_enabled() {
  return failed_precondition("PolicyTypeNotEnabledException",
                             "This operation can be performed only for enabled policy types.");
}

struct Pair {
  rows::Policy policy;
  Target target;
};
Result<Pair> find_pair(const Request& r) {
  COFFER_TRY(auto policy, rows::policy(r.transaction(), r.organization().id, r.input().text("PolicyId")));
  if (!policy) return policy_not_found();
  COFFER_TRY(auto target, find_target(r, r.input().text("TargetId")));
  if (!target) return target_not_found();
  return Pair{std::move(*policy), std::move(*target)};
}

Status check_root(const Request& r) {
  if (r.input().text("RootId") == r.organization().root) return ok_status();
  return not_found("RootNotFoundException", "You specified a root that doesn't exist.");
}

Result<Value> root_output(const Request& r) {
  COFFER_TRY(Value root, root_shape(r));
  return Value::object({{"Root", std::move(root)}});
}

}  // namespace

Result<Value> attach_policy(const Request& r) {
  COFFER_TRY(Pair pair, find_pair(r));
  COFFER_TRY(bool enabled, is_enabled(r, pair.policy.type));
  if (!enabled) return type_not_enabled();
  COFFER_TRY(bool attached, rows::is_attached(r.transaction(), pair.policy.id, pair.target.id));
  if (attached)
    return already_exists("DuplicatePolicyAttachmentException",
                          "A policy with the specified name and type is already attached to the specified target.");
  COFFER_TRY(int64_t count, rows::count_attached(r.transaction(), pair.target.id, pair.policy.type));
  if (count >= attachments_max(pair.policy.type))
    return constraint("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                      "You have attached the maximum number of policies of this type to the specified target.");
  COFFER_CHECK_OK(
      rows::attach(r.transaction(), r.organization().id, pair.policy.id, pair.policy.type, pair.target.id, r.now));
  return Value::object();
}

Result<Value> detach_policy(const Request& r) {
  COFFER_TRY(Pair pair, find_pair(r));
  if (pair.policy.id == kResourceFullAccess)
    return invalid_input("NON_DETACHABLE_POLICY", "You can't detach this policy.");
  COFFER_TRY(bool attached, rows::is_attached(r.transaction(), pair.policy.id, pair.target.id));
  if (!attached)
    return failed_precondition("PolicyNotAttachedException",
                               "The specified policy isn't attached to the specified target.");
  COFFER_TRY(int64_t count, rows::count_attached(r.transaction(), pair.target.id, pair.policy.type));
  if (pair.policy.type == kServiceControl && count <= 1)
    return constraint("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                      "You can't detach the last policy of this type from the specified target.");
  COFFER_CHECK_OK(rows::detach(r.transaction(), pair.policy.id, pair.target.id));
  return Value::object();
}

Result<Value> list_policies_for_target(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  COFFER_TRY(auto target, find_target(r, r.input().text("TargetId")));
  if (!target) return target_not_found();
  COFFER_TRY(auto ids, rows::policies_of_target(r.transaction(), target->id, r.input().text("Filter"), page.after(),
                                                page.wanted()));
  std::vector<Page::Item> items;
  for (const std::string& id : ids) {
    COFFER_TRY(auto policy, rows::policy(r.transaction(), r.organization().id, id));
    COFFER_ASSERT(policy);
    items.push_back({id, policy_summary(r, *policy)});
  }
  return page.output("Policies", std::move(items));
}

Result<Value> list_targets_for_policy(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  COFFER_TRY(auto policy, rows::policy(r.transaction(), r.organization().id, r.input().text("PolicyId")));
  if (!policy) return policy_not_found();
  COFFER_TRY(auto ids,
             rows::targets_of_policy(r.transaction(), r.organization().id, policy->id, page.after(), page.wanted()));
  std::vector<Page::Item> items;
  for (const std::string& id : ids) {
    COFFER_TRY(auto target, find_target(r, id));
    COFFER_ASSERT(target);
    items.push_back(
        {id, Value::object(
                 {{"TargetId", id}, {"Arn", target_arn(r, *target)}, {"Name", target->name}, {"Type", target->kind}})});
  }
  return page.output("Targets", std::move(items));
}

Result<Value> enable_policy_type(const Request& r) {
  COFFER_CHECK_OK(check_root(r));
  const std::string type(r.input().text("PolicyType"));
  if (r.organization().feature_set != kAllFeatures)
    return failed_precondition("PolicyTypeNotAvailableForOrganizationException",
                               "You can't use the specified policy type with the feature set currently enabled for "
                               "this organization.");
  COFFER_TRY(bool enabled, is_enabled(r, type));
  if (enabled)
    return already_exists("PolicyTypeAlreadyEnabledException", "The specified policy type is already enabled.");
  COFFER_CHECK_OK(rows::enable_type(r.transaction(), r.organization().id, type, r.now));
  return root_output(r);
}

Result<Value> disable_policy_type(const Request& r) {
  COFFER_CHECK_OK(check_root(r));
  const std::string type(r.input().text("PolicyType"));
  COFFER_TRY(bool enabled, is_enabled(r, type));
  if (!enabled) return type_not_enabled();
  COFFER_CHECK_OK(rows::disable_type(r.transaction(), r.organization().id, type));
  return root_output(r);
}

Result<Value> describe_effective_policy(const Request& r) {
  const std::string type(r.input().text("PolicyType"));
  const std::string target = r.input().text_if("TargetId").value_or(r.caller());
  // A member sees its own; who may read the organization sees all (a resource policy was asked by the gate).
  if (target != r.caller()) COFFER_CHECK_OK(check_seat(r.transaction(), r.seat, Who::kReader));
  COFFER_TRY(auto found, find_target(r, target));
  if (!found || found->kind != "ACCOUNT") return target_not_found();
  COFFER_TRY(auto content, effective_policy(r.transaction(), target, type));
  if (!content)
    return not_found("EffectivePolicyNotFoundException", "The account does not have an effective policy of this type.");
  COFFER_TRY(WallTime updated, last_change(r.transaction(), target, type));
  return Value::object({{"EffectivePolicy", Value::object({{"PolicyContent", *content},
                                                           {"LastUpdatedTimestamp", updated},
                                                           {"TargetId", target},
                                                           {"PolicyType", type}})}});
}

}  // namespace coffer::organizations
