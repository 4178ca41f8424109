// Users, groups and roles: what they have in common is written once.
#include <algorithm>
#include <set>

#include "services/api/fault.h"
#include "services/iam/operations.h"

namespace coffer::iam {
namespace {

using api::Value;
using rows::Entity;
using rows::Kind;

constexpr size_t kTagsMax = 50;
constexpr size_t kAttachedMax = 10;

struct Words {
  std::string_view noun, name, list, id_prefix;
  size_t inline_size_max;
  int64_t quota;
};
constexpr Words words_of(Kind kind) {
  switch (kind) {
    case Kind::kUser: return {"User", "UserName", "Users", "AIDA", 2048, 5000};
    case Kind::kGroup: return {"Group", "GroupName", "Groups", "AGPA", 5120, 300};
    case Kind::kRole: return {"Role", "RoleName", "Roles", "AROA", 10240, 1000};
  }
  return {};
}

Error limit(std::string message) {
  return api::fault(ErrorCode::kResourceExhausted, "LimitExceeded", std::move(message));
}
Error conflict(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "DeleteConflict", std::move(message));
}
Error invalid(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidInput", std::move(message));
}

Result<std::vector<rows::Tag>> tags_of(const Value& input) {
  std::vector<rows::Tag> tags;
  std::set<std::string> seen;
  for (const Value& tag : input.list("Tags")) {
    rows::Tag one{std::string(tag.text("Key")), std::string(tag.text("Value"))};
    if (rows::lower(one.key).starts_with("aws:")) return invalid("Tag keys that begin with aws: are reserved.");
    if (!seen.insert(rows::lower(one.key)).second)
      return invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
    tags.push_back(std::move(one));
  }
  if (tags.size() > kTagsMax) return limit("Cannot exceed quota for TagsPerResource: 50");
  return tags;
}

Status put_tags(const Request& r, std::string_view owner, const std::vector<rows::Tag>& tags) {
  COFFER_TRY(auto there, rows::tags(r.t(), owner));
  std::set<std::string> keys;
  for (const auto& tag : there) keys.insert(tag.key);
  for (const auto& tag : tags) keys.insert(tag.key);
  if (keys.size() > kTagsMax) return limit("Cannot exceed quota for TagsPerResource: 50");
  for (const auto& tag : tags) COFFER_CHECK_OK(rows::put_tag(r.t(), owner, tag));
  return ok_status();
}

Value tag_list(const std::vector<rows::Tag>& tags) {
  api::List list;
  for (const auto& tag : tags) list.push_back(Value::object({{"Key", tag.key}, {"Value", tag.value}}));
  return list;
}

Result<std::string> boundary_of(const Request& r) {
  const std::string arn = r.text("PermissionsBoundary");
  COFFER_TRY(auto document, managed_document(r.t(), arn));
  if (!document) return no_such("policy", arn);
  if (!arn.starts_with("arn:aws:iam::aws:") && arn.substr(13, 12) != r.account())
    return invalid("The permissions boundary belongs to another account.");
  return arn;
}

Status check_path(const std::string& path) {
  if (path.empty() || (path.front() == '/' && path.back() == '/')) return ok_status();
  return api::fault(ErrorCode::kInvalidArgument, "ValidationError",
                    "The specified value for path is invalid. It must begin and end with / and contain only "
                    "alphanumeric characters and/or / characters.");
}

/// A service's own role is changed by the service alone.
Status check_modifiable(const Entity& entity) {
  if (!entity.service_linked()) return ok_status();
  return api::fault(
      ErrorCode::kFailedPrecondition, "UnmodifiableEntity",
      "Cannot perform the operation on the protected role '" + entity.name + "' - this role is only modifiable by AWS");
}

Value done() { return Value::object(); }

}  // namespace

Error no_such(std::string_view kind, std::string_view name) {
  const std::string noun(kind);
  if (noun == "policy")
    return api::fault(ErrorCode::kNotFound, "NoSuchEntity",
                      "Policy " + std::string(name) + " does not exist or is not attachable.");
  return api::fault(ErrorCode::kNotFound, "NoSuchEntity",
                    "The " + noun + " with name " + std::string(name) + " cannot be found.");
}

Result<std::shared_ptr<const policy::Document>> parse_document(std::string_view text, policy::Kind kind) {
  return policy::Document::parse(text, kind);
}

Result<Entity> entity_named(const Request& r, Kind kind, std::string_view member) {
  const std::string name = r.text(member);
  COFFER_TRY(auto entity, rows::find(r.t(), kind, r.account(), name));
  if (!entity) return no_such(rows::kind_name(kind), name);
  return std::move(*entity);
}

Result<Entity> user_or_self(const Request& r) {
  if (r.input().has("UserName")) return entity_named(r, Kind::kUser, "UserName");
  const api::Caller& caller = r.operation.call.caller;
  COFFER_TRY(auto user, rows::find_by_id(r.t(), caller.principal_id));
  if (!user || user->kind != Kind::kUser)
    return api::fault(ErrorCode::kInvalidArgument, "ValidationError",
                      "Must specify userName when calling with non-User credentials");
  return std::move(*user);
}

Result<Value> described(const Request& r, const Entity& e, bool with_tags) {
  const Words words = words_of(e.kind);
  Value value = Value::object({{"Path", e.path},
                               {std::string(words.name), e.name},
                               {std::string(words.noun) + "Id", e.id},
                               {"Arn", e.arn()},
                               {"CreateDate", e.created}});
  if (e.kind == Kind::kRole) {
    // A principal that is gone shows as its unique id.
    value.set("AssumeRolePolicyDocument", e.trust);
    if (!e.description.empty()) value.set("Description", e.description);
    value.set("MaxSessionDuration", e.max_session_s);
    if (with_tags) {
      Value used = Value::object();
      if (e.last_used) used = Value::object({{"LastUsedDate", *e.last_used}, {"Region", e.last_used_region}});
      value.set("RoleLastUsed", used);
    }
  }
  if (!e.boundary.empty() && e.kind != Kind::kGroup)
    value.set("PermissionsBoundary",
              Value::object({{"PermissionsBoundaryType", "Policy"}, {"PermissionsBoundaryArn", e.boundary}}));
  if (with_tags && e.kind != Kind::kGroup) {
    COFFER_TRY(auto tags, rows::tags(r.t(), e.id));
    if (!tags.empty()) value.set("Tags", tag_list(tags));
  }
  return value;
}

Result<Value> page_of(const Request& r, std::string_view member,
                      const std::vector<std::pair<std::string, Value>>& all) {
  const auto limit_of = static_cast<size_t>(r.input().integer("MaxItems").value_or(100));
  const std::string list = r.operation.call.operation + "/" + r.account();
  std::string after;
  if (r.input().has("Marker")) {
    COFFER_TRY(after, open_marker(r.setting.root, list, r.input().text("Marker")));
  }
  auto begin =
      std::find_if(all.begin(), all.end(), [&](const auto& item) { return after.empty() || item.first > after; });
  api::List items;
  std::string last;
  for (; begin != all.end() && items.size() < limit_of; ++begin) {
    items.push_back(begin->second);
    last = begin->first;
  }
  const bool more = begin != all.end();
  Value output = Value::object({{std::string(member), std::move(items)}, {"IsTruncated", more}});
  if (more) output.set("Marker", seal_marker(r.setting.root, list, last, r.setting.entropy));
  return output;
}

template <Kind K>
Result<Value> EntityOperations<K>::create(const Request& r) {
  constexpr Words words = words_of(K);
  Entity e;
  e.kind = K;
  e.account = r.account();
  e.name = r.text(words.name);
  if (r.input().has("Path")) e.path = r.text("Path");
  COFFER_CHECK_OK(check_path(e.path));
  e.id = new_id(words.id_prefix, r.setting.entropy, 17);
  e.created = r.now();
  if (r.input().has("PermissionsBoundary")) {
    COFFER_TRY(e.boundary, boundary_of(r));
  }
  if constexpr (K == Kind::kRole) {
    e.trust = r.text("AssumeRolePolicyDocument");
    if (policy::size_without_whitespace(e.trust) > 4096) return limit("Cannot exceed quota for ACLSizePerRole: 4096");
    COFFER_TRY(auto document, parse_document(e.trust, policy::Kind::kTrust));
    COFFER_TRY(e.trust_resolved, resolve_principals(r.t(), *document));
    e.description = r.text("Description");
    e.max_session_s = r.input().integer("MaxSessionDuration").value_or(3600);
    if (e.path.starts_with("/aws-service-role/"))
      return api::fault(ErrorCode::kInvalidArgument, "ValidationError",
                        "The path /aws-service-role/ is reserved for service-linked roles.");
  }
  COFFER_TRY(int64_t there, rows::count(r.t(), K, e.account));
  if (there >= words.quota)
    return limit("Cannot exceed quota for " + std::string(words.list) + "PerAccount: " + std::to_string(words.quota));
  COFFER_TRY(auto tags, tags_of(r.input()));
  COFFER_TRY(auto taken, rows::find(r.t(), K, e.account, e.name));
  if (taken)
    return api::fault(ErrorCode::kAlreadyExists, "EntityAlreadyExists",
                      std::string(words.noun) + " with name " + e.name + " already exists.");
  COFFER_CHECK_OK(rows::insert(r.t(), e));
  COFFER_CHECK_OK(put_tags(r, e.id, tags));
  COFFER_CHECK_OK(rows::changed(r.t()));
  COFFER_TRY(Value value, described(r, e, true));
  if (K == Kind::kRole) value.set("RoleLastUsed", Value());
  return Value::object({{std::string(words.noun), value}});
}

template <Kind K>
Result<Value> EntityOperations<K>::get(const Request& r) {
  constexpr Words words = words_of(K);
  if constexpr (K == Kind::kUser) {
    if (!r.input().has("UserName") && r.operation.call.caller.kind == api::Caller::Kind::kRoot) {
      return Value::object({{"User", Value::object({{"Path", "/"},
                                                    {"UserName", "root"},
                                                    {"UserId", r.account()},
                                                    {"Arn", r.operation.call.caller.arn},
                                                    {"CreateDate", r.now()}})}});
    }
    COFFER_TRY(Entity user, user_or_self(r));
    COFFER_TRY(Value value, described(r, user, true));
    return Value::object({{"User", value}});
  } else {
    COFFER_TRY(Entity e, entity_named(r, K, words.name));
    COFFER_TRY(Value value, described(r, e, true));
    if constexpr (K == Kind::kGroup) {
      COFFER_TRY(auto members, rows::members_of(r.t(), e.id));
      std::vector<std::pair<std::string, Value>> users;
      for (const Entity& member : members) {
        COFFER_TRY(Value user, described(r, member, false));
        users.emplace_back(rows::lower(member.name), std::move(user));
      }
      COFFER_TRY(Value output, page_of(r, "Users", users));
      output.set("Group", value);
      return output;
    }
    return Value::object({{std::string(words.noun), value}});
  }
}

template <Kind K>
Result<Value> EntityOperations<K>::list(const Request& r) {
  constexpr Words words = words_of(K);
  const std::string prefix = r.input().has("PathPrefix") ? r.text("PathPrefix") : "/";
  const int64_t limit_of = r.input().integer("MaxItems").value_or(100);
  const std::string name = "List" + std::string(words.list) + "/" + r.account() + prefix;
  std::string after;
  if (r.input().has("Marker")) {
    COFFER_TRY(after, open_marker(r.setting.root, name, r.input().text("Marker")));
  }
  COFFER_TRY(auto found, rows::list(r.t(), K, r.account(), prefix, after, limit_of + 1));
  api::List items;
  for (const Entity& e : found) {
    if (items.size() == static_cast<size_t>(limit_of)) break;
    COFFER_TRY(Value value, described(r, e, false));
    items.push_back(std::move(value));
  }
  const bool more = found.size() > static_cast<size_t>(limit_of);
  Value output = Value::object({{std::string(words.list), std::move(items)}, {"IsTruncated", more}});
  if (more)
    output.set("Marker", seal_marker(r.setting.root, name, rows::lower(found[static_cast<size_t>(limit_of) - 1].name),
                                     r.setting.entropy));
  return output;
}

template <Kind K>
Result<Value> EntityOperations<K>::update(const Request& r) {
  constexpr Words words = words_of(K);
  COFFER_TRY(Entity e, entity_named(r, K, words.name));
  const std::string old_name = e.name;
  if constexpr (K == Kind::kRole) {
    COFFER_CHECK_OK(check_modifiable(e));
    if (r.input().has("Description")) e.description = r.text("Description");
    if (auto seconds = r.input().integer("MaxSessionDuration")) e.max_session_s = *seconds;
  } else {
    if (r.input().has("NewPath")) e.path = r.text("NewPath");
    COFFER_CHECK_OK(check_path(e.path));
    if (const std::string name = r.text("New" + std::string(words.name)); !name.empty()) {
      COFFER_TRY(auto taken, rows::find(r.t(), K, r.account(), name));
      if (taken && taken->id != e.id)
        return api::fault(ErrorCode::kAlreadyExists, "EntityAlreadyExists",
                          std::string(words.noun) + " with name " + name + " already exists.");
      e.name = name;
    }
  }
  COFFER_CHECK_OK(rows::update(r.t(), e, old_name));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

template <Kind K>
Result<Value> EntityOperations<K>::remove(const Request& r) {
  constexpr Words words = words_of(K);
  COFFER_TRY(Entity e, entity_named(r, K, words.name));
  COFFER_CHECK_OK(check_modifiable(e));
  COFFER_TRY(auto inlines, rows::inline_names(r.t(), e.id));
  if (!inlines.empty()) return conflict("Cannot delete entity, must delete policies first.");
  COFFER_TRY(auto arns, rows::attached(r.t(), e.id));
  if (!arns.empty()) return conflict("Cannot delete entity, must detach all policies first.");
  if constexpr (K == Kind::kUser) {
    COFFER_TRY(auto keys, rows::access_keys_of(r.t(), e.account, e.id));
    if (!keys.empty()) return conflict("Cannot delete entity, must delete access keys first.");
    COFFER_TRY(auto groups, rows::groups_of(r.t(), e.id));
    if (!groups.empty()) return conflict("Cannot delete entity, must remove users from group first.");
  }
  if constexpr (K == Kind::kGroup) {
    COFFER_TRY(auto members, rows::members_of(r.t(), e.id));
    if (!members.empty()) return conflict("Cannot delete entity, must remove users from group first.");
  }
  COFFER_CHECK_OK(rows::remove(r.t(), e));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

template <Kind K>
Result<Value> EntityOperations<K>::tag(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K, words_of(K).name));
  COFFER_TRY(auto tags, tags_of(r.input()));
  COFFER_CHECK_OK(put_tags(r, e.id, tags));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

template <Kind K>
Result<Value> EntityOperations<K>::untag(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K, words_of(K).name));
  for (const std::string& key : r.input().texts("TagKeys")) COFFER_CHECK_OK(rows::remove_tag(r.t(), e.id, key));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

template <Kind K>
Result<Value> EntityOperations<K>::list_tags(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K, words_of(K).name));
  COFFER_TRY(auto tags, rows::tags(r.t(), e.id));
  std::vector<std::pair<std::string, Value>> all;
  for (const auto& tag : tags) all.emplace_back(tag.key, Value::object({{"Key", tag.key}, {"Value", tag.value}}));
  return page_of(r, "Tags", all);
}

template <Kind K>
Result<Value> EntityOperations<K>::put_boundary(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K, words_of(K).name));
  COFFER_CHECK_OK(check_modifiable(e));
  COFFER_TRY(e.boundary, boundary_of(r));
  COFFER_CHECK_OK(rows::update(r.t(), e, e.name));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

template <Kind K>
Result<Value> EntityOperations<K>::delete_boundary(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K, words_of(K).name));
  COFFER_CHECK_OK(check_modifiable(e));
  if (e.boundary.empty())
    return api::fault(ErrorCode::kNotFound, "NoSuchEntity", "The entity has no permissions boundary.");
  e.boundary.clear();
  COFFER_CHECK_OK(rows::update(r.t(), e, e.name));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

template <Kind K>
Result<Value> EntityOperations<K>::attach(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K, words_of(K).name));
  COFFER_CHECK_OK(check_modifiable(e));
  const std::string arn = r.text("PolicyArn");
  COFFER_TRY(auto document, managed_document(r.t(), arn));
  if (!document || (!arn.starts_with("arn:aws:iam::aws:") && arn.substr(13, 12) != r.account()))
    return no_such("policy", arn);
  COFFER_TRY(auto arns, rows::attached(r.t(), e.id));
  const bool there = std::find(arns.begin(), arns.end(), arn) != arns.end();
  if (!there && arns.size() >= kAttachedMax)
    return limit("Cannot exceed quota for PoliciesPer" + std::string(words_of(K).noun) + ": 10");
  COFFER_CHECK_OK(rows::attach(r.t(), e.id, arn));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

template <Kind K>
Result<Value> EntityOperations<K>::detach(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K, words_of(K).name));
  COFFER_CHECK_OK(check_modifiable(e));
  COFFER_TRY(bool was, rows::detach(r.t(), e.id, r.text("PolicyArn")));
  if (!was)
    return api::fault(ErrorCode::kNotFound, "NoSuchEntity", "Policy " + r.text("PolicyArn") + " was not found.");
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

template <Kind K>
Result<Value> EntityOperations<K>::list_attached(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K, words_of(K).name));
  COFFER_TRY(auto arns, rows::attached(r.t(), e.id));
  std::vector<std::pair<std::string, Value>> all;
  for (const std::string& arn : arns)
    all.emplace_back(arn, Value::object({{"PolicyName", arn.substr(arn.rfind('/') + 1)}, {"PolicyArn", arn}}));
  return page_of(r, "AttachedPolicies", all);
}

template <Kind K>
Result<Value> EntityOperations<K>::put_inline(const Request& r) {
  constexpr Words words = words_of(K);
  COFFER_TRY(Entity e, entity_named(r, K, words.name));
  COFFER_CHECK_OK(check_modifiable(e));
  const std::string name = r.text("PolicyName"), document = r.text("PolicyDocument");
  COFFER_TRY(auto parsed, parse_document(document, policy::Kind::kIdentity));
  size_t size = policy::size_without_whitespace(document);
  COFFER_TRY(auto names, rows::inline_names(r.t(), e.id));
  for (const std::string& other : names) {
    if (other == name) continue;
    COFFER_TRY(auto text, rows::inline_policy(r.t(), e.id, other));
    size += policy::size_without_whitespace(text.value_or(""));
  }
  if (size > words.inline_size_max)
    return limit("Maximum policy size of " + std::to_string(words.inline_size_max) + " bytes exceeded for " +
                 std::string(rows::kind_name(K)) + " " + e.name);
  COFFER_CHECK_OK(rows::put_inline(r.t(), e.id, name, document));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

template <Kind K>
Result<Value> EntityOperations<K>::get_inline(const Request& r) {
  constexpr Words words = words_of(K);
  COFFER_TRY(Entity e, entity_named(r, K, words.name));
  COFFER_TRY(auto document, rows::inline_policy(r.t(), e.id, r.text("PolicyName")));
  if (!document)
    return api::fault(
        ErrorCode::kNotFound, "NoSuchEntity",
        "The " + std::string(rows::kind_name(K)) + " policy with name " + r.text("PolicyName") + " cannot be found.");
  return Value::object(
      {{std::string(words.name), e.name}, {"PolicyName", r.text("PolicyName")}, {"PolicyDocument", *document}});
}

template <Kind K>
Result<Value> EntityOperations<K>::list_inline(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K, words_of(K).name));
  COFFER_TRY(auto names, rows::inline_names(r.t(), e.id));
  std::vector<std::pair<std::string, Value>> all;
  for (const std::string& name : names) all.emplace_back(name, Value(name));
  return page_of(r, "PolicyNames", all);
}

template <Kind K>
Result<Value> EntityOperations<K>::delete_inline(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K, words_of(K).name));
  COFFER_CHECK_OK(check_modifiable(e));
  COFFER_TRY(auto document, rows::inline_policy(r.t(), e.id, r.text("PolicyName")));
  if (!document)
    return api::fault(
        ErrorCode::kNotFound, "NoSuchEntity",
        "The " + std::string(rows::kind_name(K)) + " policy with name " + r.text("PolicyName") + " cannot be found.");
  COFFER_CHECK_OK(rows::remove_inline(r.t(), e.id, r.text("PolicyName")));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

template struct EntityOperations<Kind::kUser>;
template struct EntityOperations<Kind::kGroup>;
template struct EntityOperations<Kind::kRole>;

Result<Value> add_user_to_group(const Request& r) {
  COFFER_TRY(Entity group, entity_named(r, Kind::kGroup, "GroupName"));
  COFFER_TRY(Entity user, entity_named(r, Kind::kUser, "UserName"));
  COFFER_TRY(auto groups, rows::groups_of(r.t(), user.id));
  if (groups.size() >= 10) return limit("Cannot exceed quota for GroupsPerUser: 10");
  COFFER_CHECK_OK(rows::add_member(r.t(), group.id, user.id));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

Result<Value> remove_user_from_group(const Request& r) {
  COFFER_TRY(Entity group, entity_named(r, Kind::kGroup, "GroupName"));
  COFFER_TRY(Entity user, entity_named(r, Kind::kUser, "UserName"));
  COFFER_TRY(bool was, rows::remove_member(r.t(), group.id, user.id));
  if (!was)
    return api::fault(ErrorCode::kNotFound, "NoSuchEntity",
                      "User " + user.name + " is not in group " + group.name + ".");
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

Result<Value> list_groups_for_user(const Request& r) {
  COFFER_TRY(Entity user, entity_named(r, Kind::kUser, "UserName"));
  COFFER_TRY(auto groups, rows::groups_of(r.t(), user.id));
  std::vector<std::pair<std::string, Value>> all;
  for (const Entity& group : groups) {
    COFFER_TRY(Value value, described(r, group, false));
    all.emplace_back(rows::lower(group.name), std::move(value));
  }
  return page_of(r, "Groups", all);
}

Result<Value> update_assume_role_policy(const Request& r) {
  COFFER_TRY(Entity role, entity_named(r, Kind::kRole, "RoleName"));
  COFFER_CHECK_OK(check_modifiable(role));
  role.trust = r.text("PolicyDocument");
  if (policy::size_without_whitespace(role.trust) > 4096) return limit("Cannot exceed quota for ACLSizePerRole: 4096");
  COFFER_TRY(auto document, parse_document(role.trust, policy::Kind::kTrust));
  COFFER_TRY(role.trust_resolved, resolve_principals(r.t(), *document));
  COFFER_CHECK_OK(rows::update(r.t(), role, role.name));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

Result<Value> update_role_description(const Request& r) {
  COFFER_TRY(Entity role, entity_named(r, Kind::kRole, "RoleName"));
  role.description = r.text("Description");
  COFFER_CHECK_OK(rows::update(r.t(), role, role.name));
  COFFER_TRY(Value value, described(r, role, true));
  return Value::object({{"Role", value}});
}

Result<Value> create_service_linked_role(const Request& r) {
  const std::string service = r.text("AWSServiceName"), suffix = r.text("CustomSuffix");
  struct Known {
    std::string_view service, name;
  };
  static constexpr Known kKnown[] = {{"backup.amazonaws.com", "AWSServiceRoleForBackup"},
                                     {"rds.amazonaws.com", "AWSServiceRoleForRDS"},
                                     {"organizations.amazonaws.com", "AWSServiceRoleForOrganizations"},
                                     {"reports.backup.amazonaws.com", "AWSServiceRoleForBackupReports"},
                                     {"restore-testing.backup.amazonaws.com", "AWSServiceRoleForBackupRestoreTesting"}};
  const auto* known =
      std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& k) { return k.service == service; });
  if (known == std::end(kKnown))
    return invalid("Service Principal " + service + " is not known to have service-linked roles here.");
  if (!suffix.empty()) return invalid("Custom suffix is not allowed for " + service);
  Entity role;
  role.kind = Kind::kRole;
  role.account = r.account();
  role.name = known->name;
  role.path = "/aws-service-role/" + service + "/";
  role.id = new_id("AROA", r.setting.entropy, 17);
  role.created = r.now();
  role.description = r.text("Description");
  role.trust = role.trust_resolved =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":")" + service +
      R"("},"Action":"sts:AssumeRole"}]})";
  COFFER_TRY(auto taken, rows::find(r.t(), Kind::kRole, role.account, role.name));
  if (taken)
    return invalid("Service role name " + role.name +
                   " has been taken in this account, please try a different suffix.");
  COFFER_CHECK_OK(rows::insert(r.t(), role));
  COFFER_CHECK_OK(rows::changed(r.t()));
  COFFER_TRY(Value value, described(r, role, false));
  return Value::object({{"Role", value}});
}

Result<Value> delete_service_linked_role(const Request& r) {
  COFFER_TRY(Entity role, entity_named(r, Kind::kRole, "RoleName"));
  if (!role.service_linked()) return no_such("role", role.name);
  COFFER_CHECK_OK(rows::remove(r.t(), role));
  COFFER_CHECK_OK(rows::changed(r.t()));
  const std::string service = role.path.substr(18, role.path.size() - 19);
  return Value::object({{"DeletionTaskId",
                         "task/aws-service-role/" + service + "/" + role.name + "/" + random_uuid(r.setting.entropy)}});
}

Result<Value> service_linked_role_deletion_status(const Request& r) {
  const std::string task = r.text("DeletionTaskId");
  if (!task.starts_with("task/aws-service-role/")) return invalid("The deletion task id " + task + " is not valid.");
  return Value::object({{"Status", "SUCCEEDED"}});  // the role was gone when DeleteServiceLinkedRole answered
}

Result<Value> list_instance_profiles_for_role(const Request& r) {
  COFFER_TRY(Entity role, entity_named(r, Kind::kRole, "RoleName"));
  return Value::object({{"InstanceProfiles", api::List{}}, {"IsTruncated", false}});
}

}  // namespace coffer::iam
