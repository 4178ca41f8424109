#include "services/iam/access.h"

#include "services/api/fault.h"
#include "services/iam/arns.h"

namespace coffer::iam::access {
namespace {

using api::AccessRequest;
using rows::Entity;
using rows::Kind;
using Requests = Result<std::vector<AccessRequest>>;

AccessRequest on(const Request& r, std::string resource) {
  AccessRequest request;
  request.action = "iam:" + r.operation.call.operation;
  request.resource = std::move(resource);
  return request;
}

void add(AccessRequest& request, std::string key, std::string value) {
  request.conditions.emplace_back(std::move(key), std::vector{std::move(value)});
}

std::string arn_of(const Request& r, std::string_view kind, std::string_view name) {
  std::string path = r.input().has("Path") ? r.text("Path") : "/";
  return "arn:aws:iam::" + r.account() + ":" + std::string(kind) + path + std::string(name);
}

Status add_resource_tags(const Request& r, AccessRequest& request, std::string_view owner_id) {
  COFFER_TRY(auto tags, rows::tags(r.t(), owner_id));
  for (const rows::Tag& tag : tags) {
    add(request, "aws:ResourceTag/" + tag.key, tag.value);
    add(request, "iam:ResourceTag/" + tag.key, tag.value);
  }
  return ok_status();
}

/// What the input brings: tags, the policy that is attached, a boundary. A boundary that the request does not set is
/// the one that the target has, so that an administrator can be held to bounded targets.
void add_input(const Request& r, AccessRequest& request, const std::string& boundary_of_target) {
  std::vector<std::string> keys;
  for (const api::Value& tag : r.input().list("Tags")) {
    keys.emplace_back(tag.text("Key"));
    add(request, "aws:RequestTag/" + keys.back(), std::string(tag.text("Value")));
  }
  for (const std::string& key : r.input().texts("TagKeys")) keys.push_back(key);
  if (!keys.empty()) request.conditions.emplace_back("aws:TagKeys", std::move(keys));
  const std::string& operation = r.operation.call.operation;
  if (operation.starts_with("Attach") || operation.starts_with("Detach"))
    add(request, "iam:PolicyARN", r.text("PolicyArn"));
  const std::string boundary =
      r.input().has("PermissionsBoundary") ? r.text("PermissionsBoundary") : boundary_of_target;
  if (!boundary.empty()) add(request, "iam:PermissionsBoundary", boundary);
}

/// An entity that may not exist: whoever is not allowed is refused before he learns whether it does.
Requests entity(const Request& r, Kind kind, std::string_view name, const std::optional<Entity>& found) {
  AccessRequest request = on(r, found ? found->arn() : arn_of(r, rows::kind_name(kind), name));
  if (found) COFFER_CHECK_OK(add_resource_tags(r, request, found->id));
  add_input(r, request, found ? found->boundary : std::string());
  return std::vector{std::move(request)};
}

Requests named(const Request& r, Kind kind, std::string_view member) {
  const std::string name = r.text(member);
  COFFER_TRY(auto found, rows::find(r.t(), kind, r.account(), name));
  return entity(r, kind, name, found);
}

Requests created(const Request& r, Kind kind, std::string_view member) {
  AccessRequest request = on(r, arn_of(r, rows::kind_name(kind), r.text(member)));
  add_input(r, request, {});
  return std::vector{std::move(request)};
}

/// Both ARNs must be allowed: otherwise a rename leads out of (or into) what somebody may touch.
Requests renamed(const Request& r, Kind kind, std::string_view member) {
  COFFER_TRY(auto requests, named(r, kind, member));
  COFFER_TRY(auto found, rows::find(r.t(), kind, r.account(), r.text(member)));
  if (!found) return requests;
  const std::string new_member = "New" + std::string(member);
  Entity after = *found;
  if (r.input().has(new_member)) after.name = r.text(new_member);
  if (r.input().has("NewPath")) after.path = r.text("NewPath");
  if (after.arn() == found->arn()) return requests;
  requests.push_back(requests.front());
  requests.back().resource = after.arn();
  return requests;
}

}  // namespace

Requests everything(const Request& r) {
  AccessRequest request = on(r, "*");
  return std::vector{std::move(request)};
}

Requests user(const Request& r) {
  if (r.input().has("UserName")) return named(r, Kind::kUser, "UserName");
  const api::Caller& caller = r.caller();
  if (caller.kind == api::Caller::Kind::kRoot) return std::vector{on(r, caller.arn)};
  COFFER_TRY(Entity self, user_or_self(r));
  return entity(r, Kind::kUser, self.name, self);
}

Requests group(const Request& r) { return named(r, Kind::kGroup, "GroupName"); }
Requests role(const Request& r) { return named(r, Kind::kRole, "RoleName"); }

Requests policy(const Request& r) {
  const std::string arn = r.text("PolicyArn");
  AccessRequest request = on(r, arn);
  request.resource_account = account_of_arn(arn);  // empty for AWS's own, which are as good as the caller's
  COFFER_TRY(auto found, rows::find_policy(r.t(), arn));
  if (found && found->account == r.account()) COFFER_CHECK_OK(add_resource_tags(r, request, found->id));
  add_input(r, request, {});
  return std::vector{std::move(request)};
}

Requests key_owner(const Request& r) {
  COFFER_TRY(auto key, rows::find_access_key(r.t(), r.text("AccessKeyId")));
  std::optional<Entity> owner;
  if (key && key->account == r.account() && !key->user_id.empty()) {
    COFFER_TRY(owner, rows::find_by_id(r.t(), key->user_id));
  }
  return entity(r, Kind::kUser, "*", owner);
}

Requests policy_source(const Request& r) {
  const std::string arn = r.text("PolicySourceArn");
  AccessRequest request = on(r, arn);
  request.resource_account = account_of_arn(arn);
  return std::vector{std::move(request)};
}

Requests new_user(const Request& r) { return created(r, Kind::kUser, "UserName"); }
Requests new_group(const Request& r) { return created(r, Kind::kGroup, "GroupName"); }
Requests new_role(const Request& r) { return created(r, Kind::kRole, "RoleName"); }

Requests new_policy(const Request& r) {
  AccessRequest request = on(r, arn_of(r, "policy", r.text("PolicyName")));
  add_input(r, request, {});
  return std::vector{std::move(request)};
}

Requests new_service_linked_role(const Request& r) {
  const std::string service = r.text("AWSServiceName");
  AccessRequest request = on(r, "arn:aws:iam::" + r.account() + ":role/aws-service-role/" + service + "/*");
  add(request, "iam:AWSServiceName", service);
  return std::vector{std::move(request)};
}

Requests renamed_user(const Request& r) { return renamed(r, Kind::kUser, "UserName"); }
Requests renamed_group(const Request& r) { return renamed(r, Kind::kGroup, "GroupName"); }

Status check_credentials(const api::Caller& caller) {
  using Caller = api::Caller::Kind;
  const bool of_a_user = caller.kind == Caller::kUser || caller.kind == Caller::kRoot;
  if (caller.kind != Caller::kFederatedUser && !(of_a_user && caller.token_issued)) return ok_status();
  return api::fault(ErrorCode::kUnauthenticated, "InvalidClientTokenId",
                    "The security token included in the request is invalid.");
}

}  // namespace coffer::iam::access
