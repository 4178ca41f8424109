// GetAccountAuthorizationDetails: everything that grants anything in an account.
#include <algorithm>
#include <map>

#include "services/iam/aws_policies.h"
#include "services/iam/operations.h"
#include "services/iam/pages.h"
#include "services/iam/quotas.h"

namespace coffer::iam {

using api::Value;
using rows::Entity;
using rows::Kind;
using rows::ManagedPolicy;

namespace {

Result<Value> entity_details(const Request& r, const Entity& e) {
  const Words& words = words_of(e.kind);
  COFFER_TRY(Value value, described(r, e, Detail::kWhole));
  value.set("Description", Value()).set("MaxSessionDuration", Value());  // not in these shapes
  COFFER_TRY(auto inlines, rows::inline_policies(r.t(), e.id));
  api::List documents;
  for (const auto& one : inlines)
    documents.push_back(Value::object({{"PolicyName", one.name}, {"PolicyDocument", one.document}}));
  value.set(std::string(words.noun) + "PolicyList", std::move(documents));
  COFFER_TRY(auto attached, attached_values(r, e));
  value.set("AttachedManagedPolicies", api::List(attached.begin(), attached.end()));
  if (e.kind == Kind::kUser) {
    COFFER_TRY(auto groups, rows::groups_of(r.t(), e.id));
    api::List names;
    for (const Entity& group : groups) names.emplace_back(group.name);
    value.set("GroupList", std::move(names));
  }
  if (e.kind == Kind::kRole) value.set("InstanceProfileList", api::List{});
  return value;
}

Result<Value> policy_details(const Request& r, const ManagedPolicy& p) {
  COFFER_TRY(Value value, described(r, p, Detail::kWhole));
  value.set("Tags", Value());  // not in this shape
  COFFER_TRY(auto versions, versions_of(r, p));
  api::List list;
  for (const auto& version : versions) list.push_back(described(p, version, true));
  value.set("PolicyVersionList", std::move(list));
  return value;
}

/// The list that a detail belongs to, by what only its kind has.
std::string_view list_of(const Value& detail) {
  if (detail.has("UserName")) return "UserDetailList";
  if (detail.has("GroupName")) return "GroupDetailList";
  return detail.has("RoleName") ? "RoleDetailList" : "Policies";
}

}  // namespace

Result<Value> account_authorization_details(const Request& r) {
  const auto filter = r.input().texts("Filter");
  const auto wanted = [&](std::string_view kind) {
    return filter.empty() || std::find(filter.begin(), filter.end(), kind) != filter.end();
  };
  // One page over all kinds, in this order.
  std::vector<PageItem> items;
  for (const Kind kind : {Kind::kUser, Kind::kGroup, Kind::kRole}) {
    if (!wanted(words_of(kind).noun)) continue;
    COFFER_TRY(auto entities, rows::list(r.t(), kind, r.account(), "", "", quotas::entities(kind)));
    for (const Entity& e : entities) {
      std::string key = std::to_string(static_cast<int>(kind)) + "/" + rows::lower(e.name);
      items.push_back({std::move(key), [&r, e] { return entity_details(r, e); }});
    }
  }
  std::vector<ManagedPolicy> policies;
  if (wanted("LocalManagedPolicy")) {
    COFFER_TRY(policies, rows::list_policies(r.t(), r.account()));
  }
  if (wanted("AWSManagedPolicy")) {  // those that are in use
    for (const AwsPolicy& known : aws_policies()) {
      COFFER_TRY(int64_t attached, rows::count_attached(r.t(), r.account(), arn_of(known)));
      COFFER_TRY(int64_t bounded, rows::count_bounded(r.t(), r.account(), arn_of(known)));
      if (attached + bounded > 0) policies.push_back(row_of(known));
    }
  }
  for (const ManagedPolicy& p : policies) {
    std::string key = (p.aws ? "5/" : "4/") + rows::lower(p.name);
    items.push_back({std::move(key), [&r, p] { return policy_details(r, p); }});
  }
  COFFER_TRY(Value page, page_of(r, "All", std::move(items)));
  std::map<std::string_view, api::List> lists{
      {"UserDetailList", {}}, {"GroupDetailList", {}}, {"RoleDetailList", {}}, {"Policies", {}}};
  for (const Value& item : page.list("All")) lists[list_of(item)].push_back(item);
  page.set("All", Value());
  for (auto& [name, list] : lists) page.set(name, std::move(list));
  return page;
}

}  // namespace coffer::iam
