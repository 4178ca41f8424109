// Managed policies: the account's own, and AWS's to read and attach.
#include <algorithm>
#include <map>

#include "services/iam/aws_policies.h"
#include "services/iam/faults.h"
#include "services/iam/operations.h"
#include "services/iam/pages.h"
#include "services/iam/quotas.h"
#include "services/iam/tags.h"

namespace coffer::iam {

using api::Value;
using rows::Entity;
using rows::Kind;
using rows::ManagedPolicy;

namespace {

constexpr std::string_view kBoundaries = "PermissionsBoundary", kPermissions = "PermissionsPolicy";

/// Does ListPolicies show it, as far as its use goes?
Result<bool> is_used_as_asked(const Request& r, const ManagedPolicy& p) {
  if (r.text("PolicyUsageFilter") == kBoundaries) {
    COFFER_TRY(int64_t count, rows::count_bounded(r.t(), r.account(), p.arn));
    return count > 0;
  }
  if (!r.input().flag("OnlyAttached")) return true;
  COFFER_TRY(int64_t count, rows::count_attached(r.t(), r.account(), p.arn));
  return count > 0;
}

/// Users, groups and roles that have the policy, or have it as their boundary.
Result<std::vector<Entity>> holders(const Request& r, const ManagedPolicy& p) {
  const std::string usage = r.text("PolicyUsageFilter");
  std::vector<Entity> entities;
  if (usage != kBoundaries) {
    COFFER_TRY(entities, rows::attached_to(r.t(), r.account(), p.arn));
  }
  if (usage != kPermissions) {
    COFFER_TRY(auto bounded, rows::bounded_by(r.t(), r.account(), p.arn));
    entities.insert(entities.end(), bounded.begin(), bounded.end());
  }
  return entities;
}

}  // namespace

Result<ManagedPolicy> policy_named(const Request& r, bool to_change) {
  const std::string arn = r.text("PolicyArn");
  if (const AwsPolicy* known = find_aws_policy(arn)) {
    if (!to_change) return row_of(*known);
    return Error{ErrorCode::kPermissionDenied, "The policy " + arn + " is managed by AWS and cannot be changed.", {}};
  }
  COFFER_TRY(auto policy, rows::find_policy(r.t(), arn));
  if (policy && policy->account == r.account()) return std::move(*policy);
  if (!arn.starts_with("arn:aws:iam::") || arn.find(":policy/") == std::string::npos)
    return invalid_input("ARN " + arn + " is not valid.");
  return no_such_entity("Policy " + arn + " was not found.");
}

Result<Value> described(const Request& r, const ManagedPolicy& p, Detail detail) {
  COFFER_TRY(int64_t attached, rows::count_attached(r.t(), r.account(), p.arn));
  COFFER_TRY(int64_t bounded, rows::count_bounded(r.t(), r.account(), p.arn));
  Value value = Value::object({{"PolicyName", p.name},
                               {"PolicyId", p.id},
                               {"Arn", p.arn},
                               {"Path", p.path},
                               {"DefaultVersionId", version_name(p.default_version)},
                               {"AttachmentCount", attached},
                               {"PermissionsBoundaryUsageCount", bounded},
                               {"IsAttachable", true},
                               {"CreateDate", p.created},
                               {"UpdateDate", p.updated}});
  if (detail == Detail::kInList) return value;
  if (!p.description.empty()) value.set("Description", p.description);
  COFFER_TRY(auto tags, rows::tags(r.t(), p.id));
  if (!tags.empty()) value.set("Tags", tag_list(tags));
  return value;
}

Result<Value> create_policy(const Request& r) {
  ManagedPolicy p;
  p.account = r.account();
  p.name = r.text("PolicyName");
  if (r.input().has("Path")) p.path = r.text("Path");
  COFFER_CHECK_OK(check_path(p.path));
  p.description = r.text("Description");
  p.arn = "arn:aws:iam::" + p.account + ":policy" + p.path + p.name;
  p.created = p.updated = r.now();
  COFFER_TRY(auto tags, tags_of_input(r.input()));
  COFFER_TRY(std::string document, managed_document_of_input(r));
  COFFER_TRY(bool taken, rows::policy_name_taken(r.t(), p.account, p.name));
  if (taken) return already_exists("A policy called " + p.name + " already exists. Duplicate names are not allowed.");
  COFFER_TRY(int64_t there, rows::count_policies(r.t(), p.account));
  if (there >= quotas::kPolicies) return quota_exceeded("PoliciesPerAccount", quotas::kPolicies);
  p.id = new_id("ANPA", r.setting.entropy, 17);
  COFFER_CHECK_OK(rows::insert_policy(r.t(), p));
  COFFER_CHECK_OK(rows::insert_version(r.t(), p.arn, {p.default_version, document, p.created}));
  COFFER_CHECK_OK(put_tags(r, p.id, tags));
  COFFER_TRY(Value value, described(r, p, Detail::kWhole));
  value.set("Description", Value());  // only GetPolicy shows it
  return Value::object({{"Policy", std::move(value)}});
}

Result<Value> get_policy(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r));
  COFFER_TRY(Value value, described(r, p, Detail::kWhole));
  return Value::object({{"Policy", std::move(value)}});
}

Result<Value> list_policies(const Request& r) {
  const std::string scope = r.text("Scope");
  std::vector<ManagedPolicy> all;
  if (scope != "AWS") {
    COFFER_TRY(all, rows::list_policies(r.t(), r.account()));
  }
  if (scope != "Local") {
    for (const AwsPolicy& known : aws_policies()) all.push_back(row_of(known));
  }
  std::vector<PageItem> items;
  for (const ManagedPolicy& p : all) {
    if (!p.path.starts_with(r.text("PathPrefix"))) continue;
    COFFER_TRY(bool shown, is_used_as_asked(r, p));
    if (shown)
      items.push_back(
          {rows::lower(p.name) + (p.aws ? "/aws" : "/"), [&r, p] { return described(r, p, Detail::kInList); }});
  }
  return page_of(r, "Policies", std::move(items));
}

Result<Value> delete_policy(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  COFFER_TRY(int64_t attached, rows::count_attached(r.t(), p.account, p.arn));
  COFFER_TRY(int64_t bounded, rows::count_bounded(r.t(), p.account, p.arn));
  if (attached + bounded > 0) return delete_conflict("Cannot delete a policy attached to entities.");
  COFFER_TRY(auto versions, rows::versions(r.t(), p.arn));
  if (versions.size() > 1) {
    return delete_conflict(
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The "
        "default version is deleted with the policy.");
  }
  COFFER_CHECK_OK(rows::remove_policy(r.t(), p));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

Result<Value> list_entities_for_policy(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r));
  COFFER_TRY(auto entities, holders(r, p));
  const std::string filter = r.text("EntityFilter"), prefix = r.text("PathPrefix");
  // One page over all three kinds; whoever has the policy both ways is shown once.
  std::map<std::string, PageItem> items;
  for (const Entity& e : entities) {
    const Words& words = words_of(e.kind);
    const bool kind_wanted = filter.empty() || filter == words.noun;
    if (!kind_wanted || !e.path.starts_with(prefix)) continue;
    const std::string key = std::string(words.kind) + "/" + rows::lower(e.name);
    items[key] = {key, [e, &words]() -> Result<Value> {
                    return Value::object({{std::string(words.name), e.name}, {std::string(words.noun) + "Id", e.id}});
                  }};
  }
  std::vector<PageItem> all;
  for (auto& [key, item] : items) all.push_back(std::move(item));
  COFFER_TRY(Value page, page_of(r, "All", std::move(all)));
  api::List users, groups, roles;
  for (const Value& item : page.list("All"))
    (item.has("UserName") ? users : item.has("GroupName") ? groups : roles).push_back(item);
  page.set("All", Value());
  page.set("PolicyUsers", std::move(users)).set("PolicyGroups", std::move(groups)).set("PolicyRoles", std::move(roles));
  return page;
}

Result<Value> tag_policy(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  COFFER_TRY(auto tags, tags_of_input(r.input()));
  COFFER_CHECK_OK(put_tags(r, p.id, tags));
  return Value::object();
}

Result<Value> untag_policy(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  COFFER_CHECK_OK(remove_tags(r, p.id));
  return Value::object();
}

Result<Value> list_policy_tags(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r));
  return iam::list_tags(r, p.id);
}

}  // namespace coffer::iam
