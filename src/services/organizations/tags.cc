// Tags of accounts, units, the root, policies and the resource policy.
#include "services/organizations/faults.h"
#include "services/organizations/operations.h"
#include "services/organizations/page.h"
#include "services/organizations/policy_rows.h"

namespace coffer::organizations {
namespace {

using api::Value;

constexpr int64_t kTagsOnPage = 50;

/// ResourceId of the input names something of the organization that may carry tags. AWS's own policies may not.
Result<std::string> find_resource(const Request& r) {
  std::string id(r.input().text("ResourceId"));
  bool found = false;
  if (id.starts_with("p-")) {
    COFFER_TRY(auto policy, rows::policy(r.transaction(), r.organization().id, id));
    found = policy && !policy->organization.empty();
  } else if (id.starts_with("rp-")) {
    COFFER_TRY(auto policy, rows::resource_policy(r.transaction(), r.organization().id));
    found = policy && policy->id == id;
  } else {
    COFFER_TRY(auto target, find_target(r, id));
    found = target.has_value();
  }
  if (!found) return target_not_found();
  return id;
}

}  // namespace

Result<Value> tag_resource(const Request& r) {
  COFFER_TRY(rows::Tags tags, read_tags(r.input()));
  COFFER_TRY(std::string resource, find_resource(r));
  COFFER_CHECK_OK(store_tags(r, resource, tags));
  return Value::object();
}

Result<Value> untag_resource(const Request& r) {
  COFFER_TRY(std::string resource, find_resource(r));
  for (const std::string& key : r.input().texts("TagKeys"))
    COFFER_CHECK_OK(rows::remove_tag(r.transaction(), resource, key));
  return Value::object();
}

Result<Value> list_tags_for_resource(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation, kTagsOnPage));
  COFFER_TRY(std::string resource, find_resource(r));
  COFFER_TRY(rows::Tags tags, rows::tags(r.transaction(), resource, page.after(), page.wanted()));
  std::vector<Page::Item> items;
  for (const auto& [key, value] : tags) items.push_back({key, Value::object({{"Key", key}, {"Value", value}})});
  return page.output("Tags", std::move(items));
}

}  // namespace coffer::organizations
