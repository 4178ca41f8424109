// Who is in which group.
#include <algorithm>

#include "services/iam/faults.h"
#include "services/iam/operations.h"
#include "services/iam/pages.h"
#include "services/iam/quotas.h"

namespace coffer::iam {

using api::Value;
using rows::Entity;
using rows::Kind;

Result<Value> add_user_to_group(const Request& r) {
  COFFER_TRY(Entity group, entity_named(r, Kind::kGroup));
  COFFER_TRY(Entity user, entity_named(r, Kind::kUser));
  COFFER_TRY(auto groups, rows::groups_of(r.t(), user.id));
  if (std::any_of(groups.begin(), groups.end(), [&](const Entity& g) { return g.id == group.id; }))
    return Value::object();
  if (static_cast<int64_t>(groups.size()) >= quotas::kGroupsPerUser)
    return quota_exceeded("GroupsPerUser", quotas::kGroupsPerUser);
  COFFER_CHECK_OK(rows::add_member(r.t(), group.id, user.id));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

Result<Value> remove_user_from_group(const Request& r) {
  COFFER_TRY(Entity group, entity_named(r, Kind::kGroup));
  COFFER_TRY(Entity user, entity_named(r, Kind::kUser));
  COFFER_TRY(bool was_member, rows::remove_member(r.t(), group.id, user.id));
  if (!was_member) return no_such_entity("User " + user.name + " not in group " + group.name);
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

Result<Value> list_groups_for_user(const Request& r) {
  COFFER_TRY(Entity user, entity_named(r, Kind::kUser));
  COFFER_TRY(auto groups, rows::groups_of(r.t(), user.id));
  std::vector<PageItem> items;
  for (const Entity& group : groups)
    items.push_back({rows::lower(group.name), [&r, group] { return described(r, group, Detail::kInList); }});
  return page_of(r, "Groups", std::move(items));
}

}  // namespace coffer::iam
