// Trusted access of services, delegated administrators, and the organization's resource policy.
#include <algorithm>

#include "services/organizations/documents.h"
#include "services/organizations/faults.h"
#include "services/organizations/operations.h"
#include "services/organizations/page.h"
#include "services/organizations/shapes.h"

namespace coffer::organizations {
namespace {

using api::Value;

constexpr int64_t kDelegatesPerServiceMax = 5;

/// "backup.amazonaws.com": lower-case labels in Amazon's domain.
Status check_principal(std::string_view principal) {
  constexpr std::string_view kDomain = ".amazonaws.com";
  const bool fits = principal.size() > kDomain.size() && principal.ends_with(kDomain) && principal.front() != '.' &&
                    principal.find("..") == std::string_view::npos &&
                    std::all_of(principal.begin(), principal.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
                    });
  if (fits) return ok_status();
  return invalid_input("UNRECOGNIZED_SERVICE_PRINCIPAL", "You specified an unrecognized service principal.");
}

Status check_all_features(const Request& r) {
  if (r.organization().feature_set == kAllFeatures) return ok_status();
  return constraint("ORGANIZATION_NOT_IN_ALL_FEATURES_MODE",
                    "This operation requires that all features are enabled for your organization.");
}

Value service_shape(const rows::Service& service, std::string_view date_member) {
  Value shape = Value::object({{"ServicePrincipal", service.principal}});
  return shape.set(date_member, service.enabled);
}

Error account_not_registered() {
  return failed_precondition("AccountNotRegisteredException",
                             "The provided account is not a registered delegated administrator for your organization.");
}

Error resource_policy_not_found() {
  return not_found("ResourcePolicyNotFoundException", "We can't find a resource policy for your organization.");
}

Value resource_policy_output(const Request& r, const rows::ResourcePolicy& policy) {
  Value summary = Value::object({{"Id", policy.id}, {"Arn", r.arn("resourcepolicy", policy.id)}});
  return Value::object({{"ResourcePolicy",
                         Value::object({{"ResourcePolicySummary", std::move(summary)}, {"Content", policy.content}})}});
}

}  // namespace

Result<Value> enable_aws_service_access(const Request& r) {
  COFFER_CHECK_OK(check_all_features(r));
  const std::string principal(r.input().text("ServicePrincipal"));
  COFFER_CHECK_OK(check_principal(principal));
  COFFER_CHECK_OK(rows::enable_service(r.transaction(), r.organization().id, principal, r.now));
  return Value::object();
}

Result<Value> disable_aws_service_access(const Request& r) {
  COFFER_CHECK_OK(check_all_features(r));
  const std::string principal(r.input().text("ServicePrincipal"));
  COFFER_CHECK_OK(check_principal(principal));
  COFFER_CHECK_OK(rows::disable_service(r.transaction(), r.organization().id, principal));
  return Value::object();
}

Result<Value> list_aws_service_access(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  COFFER_TRY(auto services, rows::services(r.transaction(), r.organization().id, page.after(), page.wanted()));
  std::vector<Page::Item> items;
  for (const rows::Service& s : services) items.push_back({s.principal, service_shape(s, "DateEnabled")});
  return page.output("EnabledServicePrincipals", std::move(items));
}

Result<Value> register_delegated_administrator(const Request& r) {
  COFFER_CHECK_OK(check_all_features(r));
  const std::string principal(r.input().text("ServicePrincipal"));
  COFFER_CHECK_OK(check_principal(principal));
  COFFER_TRY(rows::Account account, find_member(r, r.input().text("AccountId")));
  if (account.id == r.organization().management)
    return constraint("CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
                      "You cannot register master account/yourself as delegated administrator for your organization.");
  if (account.closed)
    return constraint("CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR",
                      "You cannot register a suspended account as a delegated administrator.");
  COFFER_TRY(bool enabled, rows::service_enabled(r.transaction(), r.organization().id, principal));
  if (!enabled)
    return constraint("SERVICE_ACCESS_NOT_ENABLED",
                      "You attempted to register a delegated administrator before you enabled service access. Call the "
                      "EnableAWSServiceAccess API first.");
  COFFER_TRY(bool already, rows::is_delegate_for(r.transaction(), account.id, principal));
  if (already)
    return already_exists("AccountAlreadyRegisteredException",
                          "The provided account is already a delegated administrator for your organization.");
  COFFER_TRY(int64_t count, rows::count_delegates(r.transaction(), r.organization().id, principal));
  if (count >= kDelegatesPerServiceMax)
    return constraint("MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED",
                      "You have exceeded the number of delegated administrators allowed for the service principal.");
  COFFER_CHECK_OK(rows::add_delegate(r.transaction(), r.organization().id, account.id, principal, r.now));
  return Value::object();
}

Result<Value> deregister_delegated_administrator(const Request& r) {
  const std::string principal(r.input().text("ServicePrincipal"));
  COFFER_CHECK_OK(check_principal(principal));
  COFFER_TRY(rows::Account account, find_member(r, r.input().text("AccountId")));
  COFFER_TRY(bool registered, rows::is_delegate_for(r.transaction(), account.id, principal));
  if (!registered) return account_not_registered();
  COFFER_CHECK_OK(rows::remove_delegate(r.transaction(), account.id, principal));
  return Value::object();
}

Result<Value> list_delegated_administrators(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  COFFER_TRY(auto delegates, rows::delegates(r.transaction(), r.organization().id, r.input().text("ServicePrincipal"),
                                             page.after(), page.wanted()));
  std::vector<Page::Item> items;
  for (const rows::Delegate& d : delegates) {
    items.push_back({d.account.id, Value::object({{"Id", d.account.id},
                                                  {"Arn", r.arn("account", d.account.id)},
                                                  {"Email", d.account.email},
                                                  {"Name", d.account.name},
                                                  {"Status", account_status(d.account)},
                                                  {"State", account_state(d.account)},
                                                  {"JoinedMethod", d.account.joined_method},
                                                  {"JoinedTimestamp", d.account.joined},
                                                  {"DelegationEnabledDate", d.enabled}})});
  }
  return page.output("DelegatedAdministrators", std::move(items));
}

Result<Value> list_delegated_services_for_account(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  COFFER_TRY(rows::Account account, find_member(r, r.input().text("AccountId")));
  COFFER_TRY(bool registered, rows::is_delegate(r.transaction(), account.id));
  if (!registered) return account_not_registered();
  COFFER_TRY(auto services, rows::delegated_services(r.transaction(), account.id, page.after(), page.wanted()));
  std::vector<Page::Item> items;
  for (const rows::Service& s : services) items.push_back({s.principal, service_shape(s, "DelegationEnabledDate")});
  return page.output("DelegatedServices", std::move(items));
}

Result<Value> put_resource_policy(const Request& r) {
  COFFER_CHECK_OK(check_all_features(r));
  COFFER_TRY(rows::Tags tags, read_tags(r.input()));
  rows::ResourcePolicy policy{{}, std::string(r.input().text("Content"))};
  COFFER_CHECK_OK(check_resource_policy(policy.content));
  COFFER_TRY(auto present, rows::resource_policy(r.transaction(), r.organization().id));
  if (present && !tags.empty())
    return constraint("UPDATE_EXISTING_RESOURCE_POLICY_WITH_TAGS_NOT_SUPPORTED",
                      "Tags can be given only when the resource policy is created. Use TagResource.");
  policy.id = present ? present->id : random_id(r.installation.entropy, "rp-", 8);
  COFFER_CHECK_OK(rows::set_resource_policy(r.transaction(), r.organization().id, policy));
  COFFER_CHECK_OK(store_tags(r, policy.id, tags));
  return resource_policy_output(r, policy);
}

Result<Value> describe_resource_policy(const Request& r) {
  COFFER_TRY(auto policy, rows::resource_policy(r.transaction(), r.organization().id));
  if (!policy) return resource_policy_not_found();
  return resource_policy_output(r, *policy);
}

Result<Value> delete_resource_policy(const Request& r) {
  COFFER_TRY(auto policy, rows::resource_policy(r.transaction(), r.organization().id));
  if (!policy) return resource_policy_not_found();
  COFFER_CHECK_OK(rows::remove_tags(r.transaction(), policy->id));
  COFFER_CHECK_OK(rows::remove_resource_policy(r.transaction(), r.organization().id));
  return Value::object();
}

}  // namespace coffer::organizations
