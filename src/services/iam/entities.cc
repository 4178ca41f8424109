// Users, groups and roles: what they have in common is written once.
#include "services/iam/faults.h"
#include "services/iam/operations.h"
#include "services/iam/pages.h"
#include "services/iam/quotas.h"
#include "services/iam/tags.h"
#include "services/iam/trust.h"

namespace coffer::iam {

using api::Value;
using rows::Entity;
using rows::Kind;

namespace {

constexpr std::string_view kServiceLinkedPath = "/aws-service-role/";

/// The root user asks for itself.
Result<Value> root_value(const Request& r) {
  COFFER_TRY(auto account, rows::find_account(r.t(), r.account()));
  return Value::object({{"User", Value::object({{"Path", "/"},
                                                {"UserName", "root"},
                                                {"UserId", r.account()},
                                                {"Arn", r.caller().arn},
                                                {"CreateDate", account ? account->created : r.now()}})}});
}

/// Path, trust policy and the like of a role that is about to be made.
Status take_role(const Request& r, Entity& e) {
  if (e.path.starts_with(kServiceLinkedPath)) {
    return validation_error("The path " + std::string(kServiceLinkedPath) +
                            " is reserved for roles that services make for themselves.");
  }
  e.trust = r.text("AssumeRolePolicyDocument");
  COFFER_TRY(e.trust_resolved, resolve_trust(r.t(), e.trust));
  e.description = r.text("Description");
  e.max_session_s = r.input().integer("MaxSessionDuration").value_or(3600);
  return ok_status();
}

}  // namespace

const Words& words_of(Kind kind) {
  static constexpr Words kUser{"User", "UserName", "Users", "AIDA", "user"};
  static constexpr Words kGroup{"Group", "GroupName", "Groups", "AGPA", "group"};
  static constexpr Words kRole{"Role", "RoleName", "Roles", "AROA", "role"};
  return kind == Kind::kUser ? kUser : kind == Kind::kGroup ? kGroup : kRole;
}

Result<Entity> entity_named(const Request& r, Kind kind) {
  const Words& words = words_of(kind);
  const std::string name = r.text(words.name);
  COFFER_TRY(auto entity, rows::find(r.t(), kind, r.account(), name));
  if (!entity) return no_such_entity("The " + std::string(words.kind) + " with name " + name + " cannot be found.");
  return std::move(*entity);
}

Result<Entity> user_or_self(const Request& r) {
  if (r.input().has("UserName")) return entity_named(r, Kind::kUser);
  if (r.caller().kind == api::Caller::Kind::kUser) {
    COFFER_TRY(auto user, rows::find_by_id(r.t(), r.caller().principal_id));
    if (user) return std::move(*user);
  }
  return validation_error("Must specify userName when calling with non-User credentials");
}

Status check_modifiable(const Entity& entity) {
  if (!entity.service_linked()) return ok_status();
  return unmodifiable("Cannot perform the operation on the protected role '" + entity.name +
                      "' - this role is only modifiable by AWS");
}

Status check_path(std::string_view path) {
  if (!path.empty() && path.front() == '/' && path.back() == '/') return ok_status();
  return validation_error(
      "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters "
      "and/or / characters.");
}

Result<Value> described(const Request& r, const Entity& e, Detail detail) {
  const Words& words = words_of(e.kind);
  Value value = Value::object({{"Path", e.path},
                               {std::string(words.name), e.name},
                               {std::string(words.noun) + "Id", e.id},
                               {"Arn", e.arn()},
                               {"CreateDate", e.created}});
  if (e.kind == Kind::kGroup) return value;
  if (e.kind == Kind::kRole) {
    COFFER_TRY(std::string trust, shown_trust(r.t(), e));
    value.set("AssumeRolePolicyDocument", std::move(trust));
    if (!e.description.empty()) value.set("Description", e.description);
    value.set("MaxSessionDuration", e.max_session_s);
  }
  if (detail == Detail::kInList) return value;
  if (!e.boundary.empty()) {
    value.set("PermissionsBoundary", Value::object({{"PermissionsBoundaryType", "PermissionsBoundaryPolicy"},
                                                    {"PermissionsBoundaryArn", e.boundary}}));
  }
  COFFER_TRY(auto tags, rows::tags(r.t(), e.id));
  if (!tags.empty()) value.set("Tags", tag_list(tags));
  if (e.kind == Kind::kRole) {
    Value used = Value::object();
    if (e.last_used) used.set("LastUsedDate", *e.last_used).set("Region", e.last_used_region);
    value.set("RoleLastUsed", std::move(used));
  }
  return value;
}

template <Kind K>
Result<Value> Entities<K>::create(const Request& r) {
  const Words& words = words_of(K);
  Entity e;
  e.kind = K;
  e.account = r.account();
  e.name = r.text(words.name);
  e.created = r.now();
  if (r.input().has("Path")) e.path = r.text("Path");
  COFFER_CHECK_OK(check_path(e.path));
  COFFER_TRY(auto tags, tags_of_input(r.input()));
  if constexpr (K == Kind::kRole) COFFER_CHECK_OK(take_role(r, e));
  if (r.input().has("PermissionsBoundary")) {
    COFFER_TRY(e.boundary, boundary_of_input(r));
  }
  COFFER_TRY(auto taken, rows::find(r.t(), K, e.account, e.name));
  if (taken) return already_exists(std::string(words.noun) + " with name " + e.name + " already exists.");
  COFFER_TRY(int64_t there, rows::count(r.t(), K, e.account));
  if (there >= quotas::entities(K)) return quota_exceeded(std::string(words.list) + "PerAccount", quotas::entities(K));
  e.id = new_id(words.id_prefix, r.setting.entropy, 17);
  COFFER_CHECK_OK(rows::insert(r.t(), e));
  COFFER_CHECK_OK(put_tags(r, e.id, tags));
  COFFER_CHECK_OK(rows::changed(r.t()));
  COFFER_TRY(Value value, described(r, e, Detail::kWhole));
  value.set("RoleLastUsed", Value());
  return Value::object({{std::string(words.noun), std::move(value)}});
}

template <Kind K>
Result<Value> Entities<K>::get(const Request& r) {
  if constexpr (K == Kind::kUser) {
    if (!r.input().has("UserName") && r.caller().kind == api::Caller::Kind::kRoot) return root_value(r);
    COFFER_TRY(Entity user, user_or_self(r));
    COFFER_TRY(Value value, described(r, user, Detail::kWhole));
    return Value::object({{"User", std::move(value)}});
  }
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_TRY(Value value, described(r, e, Detail::kWhole));
  if constexpr (K == Kind::kGroup) {
    COFFER_TRY(auto members, rows::members_of(r.t(), e.id));
    std::vector<PageItem> users;
    for (const Entity& member : members)
      users.push_back({rows::lower(member.name), [&r, member] { return described(r, member, Detail::kInList); }});
    COFFER_TRY(Value output, page_of(r, "Users", std::move(users)));
    output.set("Group", std::move(value));
    return output;
  }
  return Value::object({{std::string(words_of(K).noun), std::move(value)}});
}

template <Kind K>
Result<Value> Entities<K>::list(const Request& r) {
  COFFER_TRY(Page page, Page::of(r));
  COFFER_TRY(auto found, rows::list(r.t(), K, r.account(), r.text("PathPrefix"), page.after(),
                                    static_cast<int64_t>(page.size()) + 1));
  const bool more = found.size() > page.size();
  if (more) found.pop_back();
  api::List items;
  for (const Entity& e : found) {
    COFFER_TRY(Value value, described(r, e, Detail::kInList));
    items.push_back(std::move(value));
  }
  Value output = Value::object({{std::string(words_of(K).list), std::move(items)}});
  page.finish(r, output, more, found.empty() ? "" : rows::lower(found.back().name));
  return output;
}

template <Kind K>
Result<Value> Entities<K>::update(const Request& r) {
  const Words& words = words_of(K);
  COFFER_TRY(Entity e, entity_named(r, K));
  if constexpr (K == Kind::kRole) {
    if (r.input().has("MaxSessionDuration")) COFFER_CHECK_OK(check_modifiable(e));
    if (r.input().has("Description")) e.description = r.text("Description");
    if (auto seconds = r.input().integer("MaxSessionDuration")) e.max_session_s = *seconds;
  } else {
    if (r.input().has("NewPath")) e.path = r.text("NewPath");
    COFFER_CHECK_OK(check_path(e.path));
    if (const std::string name = r.text("New" + std::string(words.name)); !name.empty()) {
      COFFER_TRY(auto taken, rows::find(r.t(), K, r.account(), name));
      if (taken && taken->id != e.id)
        return already_exists(std::string(words.noun) + " with name " + name + " already exists.");
      e.name = name;
    }
  }
  COFFER_CHECK_OK(rows::update(r.t(), e));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

template <Kind K>
Result<Value> Entities<K>::remove(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_CHECK_OK(check_modifiable(e));
  if constexpr (K == Kind::kUser) {
    COFFER_TRY(auto keys, rows::access_keys_of(r.t(), e.account, e.id));
    if (!keys.empty()) return delete_conflict("Cannot delete entity, must delete access keys first.");
    COFFER_TRY(auto groups, rows::groups_of(r.t(), e.id));
    if (!groups.empty()) return delete_conflict("Cannot delete entity, must remove users from group first.");
  }
  if constexpr (K == Kind::kGroup) {
    COFFER_TRY(auto members, rows::members_of(r.t(), e.id));
    if (!members.empty()) return delete_conflict("Cannot delete entity, must remove users from group first.");
  }
  COFFER_TRY(auto arns, rows::attached(r.t(), e.id));
  if (!arns.empty()) return delete_conflict("Cannot delete entity, must detach all policies first.");
  COFFER_TRY(auto inlines, rows::inline_policies(r.t(), e.id));
  if (!inlines.empty()) return delete_conflict("Cannot delete entity, must delete policies first.");
  COFFER_CHECK_OK(rows::remove(r.t(), e));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

template <Kind K>
Result<Value> Entities<K>::tag(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_CHECK_OK(check_modifiable(e));
  COFFER_TRY(auto tags, tags_of_input(r.input()));
  COFFER_CHECK_OK(put_tags(r, e.id, tags));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

template <Kind K>
Result<Value> Entities<K>::untag(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_CHECK_OK(check_modifiable(e));
  COFFER_CHECK_OK(remove_tags(r, e.id));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

template <Kind K>
Result<Value> Entities<K>::list_tags(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  return iam::list_tags(r, e.id);
}

template struct Entities<Kind::kUser>;
template struct Entities<Kind::kGroup>;
template struct Entities<Kind::kRole>;

}  // namespace coffer::iam
