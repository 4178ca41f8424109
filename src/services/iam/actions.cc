// The operations of IAM: for each, what must be allowed and which function does it.
#include "services/iam/access.h"
#include "services/iam/service.h"

namespace coffer::iam {
namespace {

using Users = Entities<rows::Kind::kUser>;
using UserPolicies = Policies<rows::Kind::kUser>;
using Groups = Entities<rows::Kind::kGroup>;
using GroupPolicies = Policies<rows::Kind::kGroup>;
using Roles = Entities<rows::Kind::kRole>;
using RolePolicies = Policies<rows::Kind::kRole>;

constexpr bool kReads = false, kChanges = true;

struct Row {
  std::string_view operation;
  bool changes;
  access::Of access;
  Run run;
};

constexpr Row kRows[] = {
    {"AddUserToGroup", kChanges, access::group, add_user_to_group},
    {"AttachGroupPolicy", kChanges, access::group, GroupPolicies::attach},
    {"AttachRolePolicy", kChanges, access::role, RolePolicies::attach},
    {"AttachUserPolicy", kChanges, access::user, UserPolicies::attach},
    {"CreateAccessKey", kChanges, access::user, create_access_key},
    {"CreateAccountAlias", kChanges, access::everything, create_account_alias},
    {"CreateGroup", kChanges, access::new_group, Groups::create},
    {"CreatePolicy", kChanges, access::new_policy, create_policy},
    {"CreatePolicyVersion", kChanges, access::policy, create_policy_version},
    {"CreateRole", kChanges, access::new_role, Roles::create},
    {"CreateServiceLinkedRole", kChanges, access::new_service_linked_role, create_service_linked_role},
    {"CreateUser", kChanges, access::new_user, Users::create},
    {"DeleteAccessKey", kChanges, access::user, delete_access_key},
    {"DeleteAccountAlias", kChanges, access::everything, delete_account_alias},
    {"DeleteGroup", kChanges, access::group, Groups::remove},
    {"DeleteGroupPolicy", kChanges, access::group, GroupPolicies::delete_inline},
    {"DeletePolicy", kChanges, access::policy, delete_policy},
    {"DeletePolicyVersion", kChanges, access::policy, delete_policy_version},
    {"DeleteRole", kChanges, access::role, Roles::remove},
    {"DeleteRolePermissionsBoundary", kChanges, access::role, RolePolicies::delete_boundary},
    {"DeleteRolePolicy", kChanges, access::role, RolePolicies::delete_inline},
    {"DeleteServiceLinkedRole", kChanges, access::role, delete_service_linked_role},
    {"DeleteUser", kChanges, access::user, Users::remove},
    {"DeleteUserPermissionsBoundary", kChanges, access::user, UserPolicies::delete_boundary},
    {"DeleteUserPolicy", kChanges, access::user, UserPolicies::delete_inline},
    {"DetachGroupPolicy", kChanges, access::group, GroupPolicies::detach},
    {"DetachRolePolicy", kChanges, access::role, RolePolicies::detach},
    {"DetachUserPolicy", kChanges, access::user, UserPolicies::detach},
    {"GetAccessKeyLastUsed", kReads, access::key_owner, access_key_last_used},
    {"GetAccountAuthorizationDetails", kReads, access::everything, account_authorization_details},
    {"GetAccountSummary", kReads, access::everything, account_summary},
    {"GetContextKeysForCustomPolicy", kReads, access::everything, context_keys_for_custom_policy},
    {"GetContextKeysForPrincipalPolicy", kReads, access::policy_source, context_keys_for_principal_policy},
    {"GetGroup", kReads, access::group, Groups::get},
    {"GetGroupPolicy", kReads, access::group, GroupPolicies::get_inline},
    {"GetPolicy", kReads, access::policy, get_policy},
    {"GetPolicyVersion", kReads, access::policy, get_policy_version},
    {"GetRole", kReads, access::role, Roles::get},
    {"GetRolePolicy", kReads, access::role, RolePolicies::get_inline},
    {"GetServiceLinkedRoleDeletionStatus", kReads, access::everything, service_linked_role_deletion_status},
    {"GetUser", kReads, access::user, Users::get},
    {"GetUserPolicy", kReads, access::user, UserPolicies::get_inline},
    {"ListAccessKeys", kReads, access::user, list_access_keys},
    {"ListAccountAliases", kReads, access::everything, list_account_aliases},
    {"ListAttachedGroupPolicies", kReads, access::group, GroupPolicies::list_attached},
    {"ListAttachedRolePolicies", kReads, access::role, RolePolicies::list_attached},
    {"ListAttachedUserPolicies", kReads, access::user, UserPolicies::list_attached},
    {"ListEntitiesForPolicy", kReads, access::policy, list_entities_for_policy},
    {"ListGroupPolicies", kReads, access::group, GroupPolicies::list_inline},
    {"ListGroups", kReads, access::everything, Groups::list},
    {"ListGroupsForUser", kReads, access::user, list_groups_for_user},
    {"ListInstanceProfilesForRole", kReads, access::role, list_instance_profiles_for_role},
    {"ListPolicies", kReads, access::everything, list_policies},
    {"ListPolicyTags", kReads, access::policy, list_policy_tags},
    {"ListPolicyVersions", kReads, access::policy, list_policy_versions},
    {"ListRolePolicies", kReads, access::role, RolePolicies::list_inline},
    {"ListRoleTags", kReads, access::role, Roles::list_tags},
    {"ListRoles", kReads, access::everything, Roles::list},
    {"ListUserPolicies", kReads, access::user, UserPolicies::list_inline},
    {"ListUserTags", kReads, access::user, Users::list_tags},
    {"ListUsers", kReads, access::everything, Users::list},
    {"PutGroupPolicy", kChanges, access::group, GroupPolicies::put_inline},
    {"PutRolePermissionsBoundary", kChanges, access::role, RolePolicies::put_boundary},
    {"PutRolePolicy", kChanges, access::role, RolePolicies::put_inline},
    {"PutUserPermissionsBoundary", kChanges, access::user, UserPolicies::put_boundary},
    {"PutUserPolicy", kChanges, access::user, UserPolicies::put_inline},
    {"RemoveUserFromGroup", kChanges, access::group, remove_user_from_group},
    {"SetDefaultPolicyVersion", kChanges, access::policy, set_default_policy_version},
    {"SimulateCustomPolicy", kReads, access::everything, simulate_custom_policy},
    {"SimulatePrincipalPolicy", kReads, access::policy_source, simulate_principal_policy},
    {"TagPolicy", kChanges, access::policy, tag_policy},
    {"TagRole", kChanges, access::role, Roles::tag},
    {"TagUser", kChanges, access::user, Users::tag},
    {"UntagPolicy", kChanges, access::policy, untag_policy},
    {"UntagRole", kChanges, access::role, Roles::untag},
    {"UntagUser", kChanges, access::user, Users::untag},
    {"UpdateAccessKey", kChanges, access::user, update_access_key},
    {"UpdateAssumeRolePolicy", kChanges, access::role, update_assume_role_policy},
    {"UpdateGroup", kChanges, access::renamed_group, Groups::update},
    {"UpdateRole", kChanges, access::role, Roles::update},
    {"UpdateRoleDescription", kChanges, access::role, update_role_description},
    {"UpdateUser", kChanges, access::renamed_user, Users::update},
};

}  // namespace

api::ServiceTable iam_actions(Authority& authority, ByteView sealing_root, Clock& clock, Entropy& entropy) {
  const auto setting = std::make_shared<const Setting>(Setting{authority, sealing_root, clock, entropy});
  api::ServiceTable table{"iam", {}};
  for (const Row& row : kRows) {
    api::Action action;
    action.operation = row.operation;
    action.changes = row.changes;
    action.access = [setting, access = row.access](const api::Operation& o) -> Result<std::vector<api::AccessRequest>> {
      COFFER_CHECK_OK(access::check_credentials(o.call.caller));
      return access(Request{*setting, o});
    };
    action.run = [setting, run = row.run](const api::Operation& o) { return run(Request{*setting, o}); };
    table.actions.push_back(std::move(action));
  }
  return table;
}

}  // namespace coffer::iam
