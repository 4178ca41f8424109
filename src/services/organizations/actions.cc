// The table of operations: whose calls each answers, which resources it asks IAM about, and which function does it.
#include <algorithm>

#include "services/organizations/documents.h"
#include "services/organizations/faults.h"
#include "services/organizations/operations.h"
#include "services/organizations/policy_rows.h"
#include "services/organizations/shapes.h"

namespace coffer::organizations {
namespace {

using api::AccessRequest;
using api::Operation;
using api::Value;

struct Entry {
  std::string_view operation;
  bool changes;
  Who who;
  Handler handler;
  std::vector<std::string_view> resources = {};  // input members that name one; none: the action knows no resource
};

std::vector<Entry> entries() {
  constexpr bool kReads = false, kChanges = true;
  return {
      {"CreateOrganization", kChanges, Who::kAnyone, create_organization},
      {"DescribeOrganization", kReads, Who::kMember, describe_organization},
      {"DeleteOrganization", kChanges, Who::kManagement, delete_organization},
      {"EnableAllFeatures", kChanges, Who::kManagement, enable_all_features},
      {"ListRoots", kReads, Who::kReader, list_roots},

      {"CreateAccount", kChanges, Who::kManagement, create_account},
      {"DescribeCreateAccountStatus", kReads, Who::kReader, describe_create_account_status},
      {"ListCreateAccountStatus", kReads, Who::kReader, list_create_account_status},
      {"DescribeAccount", kReads, Who::kReader, describe_account, {"AccountId"}},
      {"ListAccounts", kReads, Who::kReader, list_accounts},
      {"ListAccountsForParent", kReads, Who::kReader, list_accounts_for_parent, {"ParentId"}},
      {"MoveAccount", kChanges, Who::kManagement, move_account, {"AccountId", "SourceParentId", "DestinationParentId"}},
      {"CloseAccount", kChanges, Who::kManagement, close_account, {"AccountId"}},
      {"RemoveAccountFromOrganization", kChanges, Who::kManagement, remove_account_from_organization, {"AccountId"}},
      {"LeaveOrganization", kChanges, Who::kMember, leave_organization},

      {"InviteAccountToOrganization", kChanges, Who::kManagement, invite_account_to_organization, {"Target"}},
      {"AcceptHandshake", kChanges, Who::kAnyone, accept_handshake, {"HandshakeId"}},
      {"DeclineHandshake", kChanges, Who::kAnyone, decline_handshake, {"HandshakeId"}},
      {"CancelHandshake", kChanges, Who::kAnyone, cancel_handshake, {"HandshakeId"}},
      {"DescribeHandshake", kReads, Who::kAnyone, describe_handshake, {"HandshakeId"}},
      {"ListHandshakesForAccount", kReads, Who::kAnyone, list_handshakes_for_account},
      {"ListHandshakesForOrganization", kReads, Who::kReader, list_handshakes_for_organization},

      {"CreateOrganizationalUnit", kChanges, Who::kManagement, create_organizational_unit, {"ParentId"}},
      {"DescribeOrganizationalUnit", kReads, Who::kReader, describe_organizational_unit, {"OrganizationalUnitId"}},
      {"UpdateOrganizationalUnit", kChanges, Who::kManagement, update_organizational_unit, {"OrganizationalUnitId"}},
      {"DeleteOrganizationalUnit", kChanges, Who::kManagement, delete_organizational_unit, {"OrganizationalUnitId"}},
      {"ListOrganizationalUnitsForParent", kReads, Who::kReader, list_organizational_units_for_parent, {"ParentId"}},
      {"ListParents", kReads, Who::kReader, list_parents, {"ChildId"}},
      {"ListChildren", kReads, Who::kReader, list_children, {"ParentId"}},

      {"CreatePolicy", kChanges, Who::kPolicyAdmin, create_policy},
      {"DescribePolicy", kReads, Who::kReader, describe_policy, {"PolicyId"}},
      {"UpdatePolicy", kChanges, Who::kPolicyAdmin, update_policy, {"PolicyId"}},
      {"DeletePolicy", kChanges, Who::kPolicyAdmin, delete_policy, {"PolicyId"}},
      {"ListPolicies", kReads, Who::kReader, list_policies},
      {"AttachPolicy", kChanges, Who::kPolicyAdmin, attach_policy, {"PolicyId", "TargetId"}},
      {"DetachPolicy", kChanges, Who::kPolicyAdmin, detach_policy, {"PolicyId", "TargetId"}},
      {"ListPoliciesForTarget", kReads, Who::kReader, list_policies_for_target, {"TargetId"}},
      {"ListTargetsForPolicy", kReads, Who::kReader, list_targets_for_policy, {"PolicyId"}},
      {"EnablePolicyType", kChanges, Who::kPolicyAdmin, enable_policy_type, {"RootId"}},
      {"DisablePolicyType", kChanges, Who::kPolicyAdmin, disable_policy_type, {"RootId"}},
      {"DescribeEffectivePolicy", kReads, Who::kMember, describe_effective_policy, {"TargetId"}},

      {"EnableAWSServiceAccess", kChanges, Who::kManagement, enable_aws_service_access},
      {"DisableAWSServiceAccess", kChanges, Who::kManagement, disable_aws_service_access},
      {"ListAWSServiceAccessForOrganization", kReads, Who::kReader, list_aws_service_access},
      {"RegisterDelegatedAdministrator", kChanges, Who::kManagement, register_delegated_administrator, {"AccountId"}},
      {"DeregisterDelegatedAdministrator",
       kChanges,
       Who::kManagement,
       deregister_delegated_administrator,
       {"AccountId"}},
      {"ListDelegatedAdministrators", kReads, Who::kReader, list_delegated_administrators},
      {"ListDelegatedServicesForAccount", kReads, Who::kReader, list_delegated_services_for_account, {"AccountId"}},
      {"PutResourcePolicy", kChanges, Who::kManagement, put_resource_policy, {"resourcepolicy"}},
      {"DescribeResourcePolicy", kReads, Who::kReader, describe_resource_policy, {"resourcepolicy"}},
      {"DeleteResourcePolicy", kChanges, Who::kManagement, delete_resource_policy, {"resourcepolicy"}},

      {"TagResource", kChanges, Who::kPolicyAdmin, tag_resource, {"ResourceId"}},
      {"UntagResource", kChanges, Who::kPolicyAdmin, untag_resource, {"ResourceId"}},
      {"ListTagsForResource", kReads, Who::kReader, list_tags_for_resource, {"ResourceId"}},
  };
}

/// Something that an action touches, as IAM is asked about it.
struct Resource {
  std::string arn = "*";
  std::string id;    // for its tags
  std::string type;  // of a policy
};

/// What `id` names, by its form. "*" for what is not there: who may do it to everything is told that it is missing.
Result<Resource> find_resource(catalog::Transaction& transaction, const Seat& seat, const std::string& id) {
  if (id.starts_with("h-")) {
    COFFER_TRY(auto handshake, rows::handshake(transaction, id));
    return handshake ? Resource{handshake_arn(*handshake), id, {}} : Resource{};
  }
  if (!seat.organization) return Resource{};
  const rows::Organization& o = *seat.organization;
  const auto resource = [&](std::string_view kind) { return Resource{arn_of(o.management, kind, o.id, id), id, {}}; };
  if (id.starts_with("r-")) return resource("root");
  if (id.starts_with("ou-")) return resource("ou");
  if (id.starts_with("rp-")) return resource("resourcepolicy");
  if (is_account_id(id)) return resource("account");
  if (id.starts_with("p-")) {
    COFFER_TRY(auto policy, rows::policy(transaction, o.id, id));
    if (policy) return Resource{policy_arn(o.management, policy->organization, policy->type, id), id, policy->type};
  }
  return Resource{};
}

Result<std::vector<Resource>> resources_of(const Operation& o, const Seat& seat, const Entry& entry) {
  std::vector<Resource> resources;
  for (std::string_view member : entry.resources) {
    std::string id(o.input.text(member));
    if (member == "resourcepolicy" && seat.organization) {
      COFFER_TRY(auto policy, rows::resource_policy(o.transaction, seat.organization->id));
      if (policy) id = policy->id;
    } else if (const Value* target = o.input.find(member); target && target->is_object()) {
      id = target->text("Id");
    } else if (id.empty() && entry.operation == "DescribeEffectivePolicy") {
      id = o.call.caller.account;
    }
    COFFER_TRY(Resource resource, find_resource(o.transaction, seat, id));
    resources.push_back(std::move(resource));
  }
  if (resources.empty()) resources.emplace_back();
  return resources;
}

Result<api::ConditionKeys> conditions_of(const Operation& o, const std::vector<Resource>& all, const Resource& one) {
  api::ConditionKeys keys;
  std::string type(o.input.text("PolicyType"));
  if (type.empty()) type = o.input.text("Type");
  if (type.empty()) type = o.input.text("Filter");
  for (const Resource& resource : all) {
    if (type.empty()) type = resource.type;
  }
  if (!type.empty()) keys.push_back({"organizations:PolicyType", {type}});
  if (auto service = o.input.text_if("ServicePrincipal"))
    keys.push_back({"organizations:ServicePrincipal", {std::move(*service)}});
  std::vector<std::string> tag_keys = o.input.texts("TagKeys");
  for (const Value& tag : o.input.list("Tags")) {
    tag_keys.emplace_back(tag.text("Key"));
    keys.push_back({"aws:RequestTag/" + tag_keys.back(), {std::string(tag.text("Value"))}});
  }
  if (!tag_keys.empty()) keys.push_back({"aws:TagKeys", std::move(tag_keys)});
  if (!one.id.empty() && !one.id.starts_with("h-")) {
    COFFER_TRY(rows::Tags tags, rows::tags(o.transaction, one.id));
    for (auto& [key, value] : tags) keys.push_back({"aws:ResourceTag/" + key, {std::move(value)}});
  }
  return keys;
}

/// Which seat the call needs: a member may always look at its own effective policy.
Who who_of(const Operation& o, const Entry& entry) {
  if (entry.operation != "DescribeEffectivePolicy") return entry.who;
  return o.input.text_if("TargetId").value_or(o.call.caller.account) == o.call.caller.account ? Who::kMember
                                                                                              : Who::kReader;
}

/// One request for each resource. For a member that is let in by the organization's resource policy alone, the resource
/// belongs to the management account: so that policy and the member's own must allow it, as across any two accounts.
Result<std::vector<AccessRequest>> access_of(const Operation& o, const Entry& entry) {
  COFFER_TRY(Seat seat, seat_of(o.transaction, o.call.caller.account));
  const Who who = who_of(o, entry);
  std::shared_ptr<const policy::Document> delegation;
  const bool reads_as_delegate = who == Who::kReader && seat.delegated;
  if (seat.organization && !seat.is_management() && can_be_delegated(who) && !reads_as_delegate) {
    COFFER_TRY(auto stored, rows::resource_policy(o.transaction, seat.organization->id));
    if (stored) {
      COFFER_TRY(delegation, parsed_document(stored->content, policy::Kind::kResource));
    }
  }
  COFFER_TRY(std::vector<Resource> resources, resources_of(o, seat, entry));
  std::vector<AccessRequest> requests;
  const auto ask = [&](std::string_view action, const Resource& resource) -> Status {
    AccessRequest request;
    request.action = "organizations:" + std::string(action);
    request.resource = resource.arn;
    COFFER_TRY(request.conditions, conditions_of(o, resources, resource));
    if (delegation) {
      request.resource_account = seat.organization->management;
      request.resource_policy = delegation;
    }
    requests.push_back(std::move(request));
    return ok_status();
  };
  for (const Resource& resource : resources) COFFER_CHECK_OK(ask(entry.operation, resource));
  if (!o.input.list("Tags").empty() && entry.operation != "TagResource")
    COFFER_CHECK_OK(ask("TagResource", Resource{}));
  return requests;
}

Result<Value> run(const Operation& o, const Entry& entry, const Installation& installation) {
  if (o.call.caller.account.empty()) return access_denied();
  COFFER_TRY(Seat seat, seat_of(o.transaction, o.call.caller.account));
  COFFER_CHECK_OK(check_seat(o.transaction, seat, entry.who));
  const Request request{o, installation, seat, installation.clock.wall()};
  if (!entry.changes) return entry.handler(request);
  COFFER_CHECK_OK(forget_closed_accounts(request));
  COFFER_TRY(Value output, entry.handler(request));
  COFFER_CHECK_OK(catalog::bump_generation(o.transaction, kGeneration));
  return output;
}

}  // namespace

api::ServiceTable actions(MakeAccount make_account, Clock& clock, Entropy& entropy, FindAccount find_account) {
  auto installation = std::make_shared<const Installation>(
      Installation{std::move(make_account), std::move(find_account), clock, entropy});
  api::ServiceTable table{"organizations", {}};
  for (Entry& made : entries()) {
    auto entry = std::make_shared<const Entry>(std::move(made));
    api::Action action;
    action.operation = entry->operation;
    action.changes = entry->changes;
    action.access = [entry](const Operation& o) { return access_of(o, *entry); };
    action.run = [entry, installation](const Operation& o) { return run(o, *entry, *installation); };
    table.actions.push_back(std::move(action));
  }
  return table;
}

}  // namespace coffer::organizations
