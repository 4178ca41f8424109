// The handlers, by area; actions.cc holds the table that leads to them.
#pragma once
#include "services/organizations/request.h"

namespace coffer::organizations {

// organization.cc
Result<api::Value> create_organization(const Request&);
Result<api::Value> describe_organization(const Request&);
Result<api::Value> delete_organization(const Request&);
Result<api::Value> list_roots(const Request&);

// accounts.cc
Result<api::Value> create_account(const Request&);
Result<api::Value> describe_create_account_status(const Request&);
Result<api::Value> list_create_account_status(const Request&);
Result<api::Value> describe_account(const Request&);
Result<api::Value> list_accounts(const Request&);
Result<api::Value> list_accounts_for_parent(const Request&);
Result<api::Value> move_account(const Request&);
Result<api::Value> close_account(const Request&);
Result<api::Value> remove_account_from_organization(const Request&);
Result<api::Value> leave_organization(const Request&);

// units.cc
Result<api::Value> create_organizational_unit(const Request&);
Result<api::Value> describe_organizational_unit(const Request&);
Result<api::Value> update_organizational_unit(const Request&);
Result<api::Value> delete_organizational_unit(const Request&);
Result<api::Value> list_organizational_units_for_parent(const Request&);
Result<api::Value> list_parents(const Request&);
Result<api::Value> list_children(const Request&);

// handshakes.cc
Result<api::Value> invite_account_to_organization(const Request&);
Result<api::Value> accept_handshake(const Request&);
Result<api::Value> decline_handshake(const Request&);
Result<api::Value> cancel_handshake(const Request&);
Result<api::Value> describe_handshake(const Request&);
Result<api::Value> list_handshakes_for_account(const Request&);
Result<api::Value> list_handshakes_for_organization(const Request&);
Result<api::Value> enable_all_features(const Request&);

// policies.cc
Result<api::Value> create_policy(const Request&);
Result<api::Value> describe_policy(const Request&);
Result<api::Value> update_policy(const Request&);
Result<api::Value> delete_policy(const Request&);
Result<api::Value> list_policies(const Request&);

// attachments.cc
Result<api::Value> attach_policy(const Request&);
Result<api::Value> detach_policy(const Request&);
Result<api::Value> list_policies_for_target(const Request&);
Result<api::Value> list_targets_for_policy(const Request&);
Result<api::Value> enable_policy_type(const Request&);
Result<api::Value> disable_policy_type(const Request&);
Result<api::Value> describe_effective_policy(const Request&);

// delegation.cc
Result<api::Value> enable_aws_service_access(const Request&);
Result<api::Value> disable_aws_service_access(const Request&);
Result<api::Value> list_aws_service_access(const Request&);
Result<api::Value> register_delegated_administrator(const Request&);
Result<api::Value> deregister_delegated_administrator(const Request&);
Result<api::Value> list_delegated_administrators(const Request&);
Result<api::Value> list_delegated_services_for_account(const Request&);
Result<api::Value> put_resource_policy(const Request&);
Result<api::Value> describe_resource_policy(const Request&);
Result<api::Value> delete_resource_policy(const Request&);

// tags.cc
Result<api::Value> tag_resource(const Request&);
Result<api::Value> untag_resource(const Request&);
Result<api::Value> list_tags_for_resource(const Request&);

// Shared between areas.

/// Accounts of an organization and pending invitations, at most. AWS begins with 10 and raises it on request; here
/// nobody is asked.
inline constexpr int64_t kAccountsMax = 10000;
/// Makes `account` a member below the root of `organization`, with AWS's own policies attached. It is in none.
Status join(const Request&, const rows::Organization& organization, std::string_view account,
            std::string_view joined_method);
/// Accounts that were closed 90 days ago leave the organization for good.
Status forget_closed_accounts(const Request&);
/// How many more accounts may join, pending invitations counted.
Result<int64_t> accounts_left(const Request&, std::string_view organization);
/// An invited member has gone or agreed: when nobody is left to answer, the management account may finish.
Status advance_all_features(const Request&, std::string_view organization);

}  // namespace coffer::organizations
