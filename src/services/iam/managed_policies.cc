#include <algorithm>
#include <set>

#include "services/api/fault.h"
#include "services/iam/operations.h"

namespace coffer::iam {
namespace {

using api::Value;
using rows::ManagedPolicy;

constexpr size_t kDocumentSizeMax = 6144;
constexpr size_t kVersionsMax = 5;

Error limit(std::string message) {
  return api::fault(ErrorCode::kResourceExhausted, "LimitExceeded", std::move(message));
}
Error conflict(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "DeleteConflict", std::move(message));
}

std::string version_name(int64_t number) { return "v" + std::to_string(number); }
std::optional<int64_t> version_number(std::string_view name) {
  if (name.size() < 2 || name.size() > 12 || name[0] != 'v') return std::nullopt;
  int64_t number = 0;
  for (char c : name.substr(1)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

const AwsPolicy* aws_policy(std::string_view arn) {
  for (const AwsPolicy& known : aws_policies()) {
    if (known.arn == arn) return &known;
  }
  return nullptr;
}

ManagedPolicy of_aws(const AwsPolicy& known) {
  ManagedPolicy policy;
  policy.name = known.name;
  policy.path = known.path;
  policy.arn = known.arn;
  policy.description = known.description;
  policy.id = "ANPA";
  // The same everywhere and for ever: made of the name.
  for (size_t i = 0; policy.id.size() < 21; ++i) {
    const char c = known.name[i % known.name.size()];
    policy.id += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  policy.created = policy.updated = WallTime{1'420'070'400'000'000};
  policy.aws = true;
  return policy;
}

/// Of the caller's account, or AWS's. `own`: it is to be changed.
Result<ManagedPolicy> policy_named(const Request& r, bool own) {
  const std::string arn = r.text("PolicyArn");
  const AwsPolicy* known = aws_policy(arn);
  if (known && own)
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied",
                      "The policy " + arn + " is AWS's own and cannot be changed.");
  if (known) return of_aws(*known);
  COFFER_TRY(auto policy, rows::find_policy(r.t(), arn));
  if (!policy || policy->account != r.account())
    return api::fault(ErrorCode::kNotFound, "NoSuchEntity", "Policy " + arn + " was not found.");
  return std::move(*policy);
}

Result<Value> described(const Request& r, const ManagedPolicy& p, bool whole) {
  COFFER_TRY(auto users, rows::attached_to(r.t(), r.account(), p.arn));
  COFFER_TRY(auto bounded, rows::bounded_by(r.t(), r.account(), p.arn));
  Value value = Value::object({{"PolicyName", p.name},
                               {"PolicyId", p.id},
                               {"Arn", p.arn},
                               {"Path", p.path},
                               {"DefaultVersionId", version_name(p.default_version)},
                               {"AttachmentCount", static_cast<int64_t>(users.size())},
                               {"PermissionsBoundaryUsageCount", static_cast<int64_t>(bounded.size())},
                               {"IsAttachable", true},
                               {"CreateDate", p.created},
                               {"UpdateDate", p.updated}});
  if (!whole) return value;
  if (!p.description.empty()) value.set("Description", p.description);
  COFFER_TRY(auto tags, rows::tags(r.t(), p.id));
  api::List list;
  for (const auto& tag : tags) list.push_back(Value::object({{"Key", tag.key}, {"Value", tag.value}}));
  if (!list.empty()) value.set("Tags", std::move(list));
  return value;
}

Result<std::string> checked_document(const Request& r) {
  std::string document = r.text("PolicyDocument");
  if (policy::size_without_whitespace(document) > kDocumentSizeMax)
    return limit("Cannot exceed quota for PolicySize: 6144");
  COFFER_TRY(auto parsed, parse_document(document, policy::Kind::kIdentity));
  return document;
}

Value version_value(const ManagedPolicy& p, const rows::PolicyVersion& v, bool with_document) {
  Value value = Value::object({{"VersionId", version_name(v.number)},
                               {"IsDefaultVersion", v.number == p.default_version},
                               {"CreateDate", v.created}});
  if (with_document) value.set("Document", v.document);
  return value;
}

Result<std::vector<rows::PolicyVersion>> versions_of(const Request& r, const ManagedPolicy& p) {
  if (p.aws) return std::vector<rows::PolicyVersion>{{1, std::string(aws_policy(p.arn)->document), p.created}};
  return rows::versions(r.t(), p.arn);
}

Result<rows::PolicyVersion> version_named(const Request& r, const ManagedPolicy& p) {
  const std::optional<int64_t> number = version_number(r.text("VersionId"));
  COFFER_TRY(auto all, versions_of(r, p));
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& v) { return number && v.number == *number; });
  if (found == all.end())
    return api::fault(ErrorCode::kNotFound, "NoSuchEntity",
                      "Policy " + p.arn + " version " + r.text("VersionId") + " does not exist or is not attachable.");
  return *found;
}

Value done() { return Value::object(); }

}  // namespace

Result<Value> create_policy(const Request& r) {
  ManagedPolicy p;
  p.account = r.account();
  p.name = r.text("PolicyName");
  if (r.input().has("Path")) p.path = r.text("Path");
  if (p.path.front() != '/' || p.path.back() != '/')
    return api::fault(ErrorCode::kInvalidArgument, "ValidationError",
                      "The specified value for path is invalid. It must begin and end with /.");
  p.description = r.text("Description");
  p.arn = "arn:aws:iam::" + p.account + ":policy" + p.path + p.name;
  p.id = new_id("ANPA", r.setting.entropy, 17);
  p.created = p.updated = r.now();
  COFFER_TRY(std::string document, checked_document(r));
  COFFER_TRY(auto all, rows::list_policies(r.t(), p.account));
  if (all.size() >= 1500) return limit("Cannot exceed quota for PoliciesPerAccount: 1500");
  for (const ManagedPolicy& other : all) {
    if (rows::lower(other.name) == rows::lower(p.name))
      return api::fault(ErrorCode::kAlreadyExists, "EntityAlreadyExists",
                        "A policy called " + p.name + " already exists. Duplicate names are not allowed.");
  }
  COFFER_CHECK_OK(rows::insert_policy(r.t(), p));
  COFFER_CHECK_OK(rows::insert_version(r.t(), p.arn, {1, document, r.now()}));
  for (const Value& tag : r.input().list("Tags"))
    COFFER_CHECK_OK(rows::put_tag(r.t(), p.id, {std::string(tag.text("Key")), std::string(tag.text("Value"))}));
  COFFER_TRY(Value value, described(r, p, true));
  value.set("Description", Value());
  return Value::object({{"Policy", value}});
}

Result<Value> get_policy(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, false));
  COFFER_TRY(Value value, described(r, p, true));
  return Value::object({{"Policy", value}});
}

Result<Value> list_policies(const Request& r) {
  const std::string scope = r.input().has("Scope") ? r.text("Scope") : "All";
  const std::string prefix = r.text("PathPrefix");
  std::vector<ManagedPolicy> all;
  if (scope != "AWS") {
    COFFER_TRY(all, rows::list_policies(r.t(), r.account()));
  }
  if (scope != "Local") {
    for (const AwsPolicy& known : aws_policies()) all.push_back(of_aws(known));
  }
  std::vector<std::pair<std::string, Value>> shown;
  for (const ManagedPolicy& p : all) {
    if (!p.path.starts_with(prefix)) continue;
    COFFER_TRY(Value value, described(r, p, false));
    const bool boundary = r.text("PolicyUsageFilter") == "PermissionsBoundary";
    if (r.input().flag("OnlyAttached") &&
        value.integer(boundary ? "PermissionsBoundaryUsageCount" : "AttachmentCount") == 0)
      continue;
    if (boundary && value.integer("PermissionsBoundaryUsageCount") == 0) continue;
    shown.emplace_back(p.arn, std::move(value));
  }
  std::sort(shown.begin(), shown.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return page_of(r, "Policies", shown);
}

Result<Value> delete_policy(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  COFFER_TRY(auto attached, rows::attached_to(r.t(), p.account, p.arn));
  COFFER_TRY(auto bounded, rows::bounded_by(r.t(), p.account, p.arn));
  if (!attached.empty() || !bounded.empty()) return conflict("Cannot delete a policy attached to entities.");
  COFFER_TRY(auto all, rows::versions(r.t(), p.arn));
  if (all.size() > 1)
    return conflict(
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions.");
  COFFER_CHECK_OK(rows::remove_policy(r.t(), p));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

Result<Value> create_policy_version(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  COFFER_TRY(std::string document, checked_document(r));
  COFFER_TRY(auto all, rows::versions(r.t(), p.arn));
  if (all.size() >= kVersionsMax)
    return limit(
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing "
        "version.");
  const rows::PolicyVersion made{p.next_version, document, r.now()};
  COFFER_CHECK_OK(rows::insert_version(r.t(), p.arn, made));
  ++p.next_version;
  if (r.input().flag("SetAsDefault")) p.default_version = made.number;
  p.updated = r.now();
  COFFER_CHECK_OK(rows::update_policy(r.t(), p));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object({{"PolicyVersion", version_value(p, made, false)}});
}

Result<Value> get_policy_version(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, false));
  COFFER_TRY(auto version, version_named(r, p));
  return Value::object({{"PolicyVersion", version_value(p, version, true)}});
}

Result<Value> list_policy_versions(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, false));
  COFFER_TRY(auto all, versions_of(r, p));
  std::vector<std::pair<std::string, Value>> shown;
  for (const auto& version : all) {
    std::string key = std::to_string(1'000'000'000 - version.number);  // newest first
    shown.emplace_back(std::move(key), version_value(p, version, false));
  }
  return page_of(r, "Versions", shown);
}

Result<Value> delete_policy_version(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  COFFER_TRY(auto version, version_named(r, p));
  if (version.number == p.default_version) return conflict("Cannot delete the default version of a policy.");
  COFFER_CHECK_OK(rows::remove_version(r.t(), p.arn, version.number));
  return done();
}

Result<Value> set_default_policy_version(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  COFFER_TRY(auto version, version_named(r, p));
  p.default_version = version.number;
  p.updated = r.now();
  COFFER_CHECK_OK(rows::update_policy(r.t(), p));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return done();
}

Result<Value> list_entities_for_policy(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, false));
  const std::string usage = r.text("PolicyUsageFilter"), filter = r.text("EntityFilter"), prefix = r.text("PathPrefix");
  std::vector<rows::Entity> entities;
  if (usage != "PermissionsBoundary") {
    COFFER_TRY(entities, rows::attached_to(r.t(), r.account(), p.arn));
  }
  if (usage != "PermissionsPolicy") {
    COFFER_TRY(auto bounded, rows::bounded_by(r.t(), r.account(), p.arn));
    entities.insert(entities.end(), bounded.begin(), bounded.end());
  }
  std::map<std::string, std::pair<rows::Kind, Value>> all;
  for (const rows::Entity& e : entities) {
    const std::string noun = e.kind == rows::Kind::kUser ? "User" : e.kind == rows::Kind::kGroup ? "Group" : "Role";
    if ((!filter.empty() && filter != noun) || !e.path.starts_with(prefix)) continue;
    all[noun + "/" + rows::lower(e.name)] = {e.kind, Value::object({{noun + "Name", e.name}, {noun + "Id", e.id}})};
  }
  std::vector<std::pair<std::string, Value>> shown;
  for (auto& [key, item] : all) shown.emplace_back(key, item.second);
  COFFER_TRY(Value page, page_of(r, "All", shown));
  api::List users, groups, roles;
  for (const Value& item : page.list("All"))
    (item.has("UserName") ? users : item.has("GroupName") ? groups : roles).push_back(item);
  page.set("All", Value());
  page.set("PolicyUsers", std::move(users)).set("PolicyGroups", std::move(groups)).set("PolicyRoles", std::move(roles));
  return page;
}

Result<Value> tag_policy(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  for (const Value& tag : r.input().list("Tags"))
    COFFER_CHECK_OK(rows::put_tag(r.t(), p.id, {std::string(tag.text("Key")), std::string(tag.text("Value"))}));
  COFFER_TRY(auto tags, rows::tags(r.t(), p.id));
  if (tags.size() > 50) return limit("Cannot exceed quota for TagsPerResource: 50");
  return done();
}

Result<Value> untag_policy(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  for (const std::string& key : r.input().texts("TagKeys")) COFFER_CHECK_OK(rows::remove_tag(r.t(), p.id, key));
  return done();
}

Result<Value> list_policy_tags(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, false));
  COFFER_TRY(auto tags, rows::tags(r.t(), p.id));
  std::vector<std::pair<std::string, Value>> all;
  for (const auto& tag : tags) all.emplace_back(tag.key, Value::object({{"Key", tag.key}, {"Value", tag.value}}));
  return page_of(r, "Tags", all);
}

}  // namespace coffer::iam
