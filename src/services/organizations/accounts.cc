// Accounts of an organization: how they come, move, close and go.
#include <algorithm>

#include "services/organizations/faults.h"
#include "services/organizations/operations.h"
#include "services/organizations/page.h"
#include "services/organizations/shapes.h"

namespace coffer::organizations {
namespace {

using api::Value;
using std::chrono::hours;

constexpr std::string_view kDefaultRole = "OrganizationAccountAccessRole";
constexpr hours kCreatedStays{7 * 24};       // before it may leave
constexpr hours kClosedIsKept{90 * 24};      // before it is gone for good
constexpr hours kCloseQuotaWindow{30 * 24};  // in which at most ...
constexpr int64_t kCloseQuotaMin = 10;       // ... a tenth of the members may be closed, within these bounds
constexpr int64_t kCloseQuotaMax = 1000;

Result<Value> account_page(const Request& r, const Page& page, const std::vector<rows::Account>& accounts) {
  Paths paths(r);
  std::vector<Page::Item> items;
  for (const rows::Account& account : accounts) {
    COFFER_TRY(Value shape, account_shape(r, account, paths));
    items.push_back({account.id, std::move(shape)});
  }
  return page.output("Accounts", std::move(items));
}

/// The rules common to removing a member and to leaving.
Status take_out(const Request& r, const rows::Account& account) {
  if (account.id == r.organization().management)
    return failed_precondition("MasterCannotLeaveOrganizationException",
                               "You can't remove a management account from an organization.");
  if (account.closed)
    return constraint("ACCOUNT_CANNOT_LEAVE_ORGANIZATION",
                      "You can't remove a closed account from the organization before it is permanently closed.");
  COFFER_TRY(bool delegate, rows::is_delegate(r.transaction(), account.id));
  if (delegate)
    return constraint("CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG",
                      "You can't remove an account that is registered as a delegated administrator for a service "
                      "integrated with your organization. Deregister it first.");
  if (account.joined_method == "CREATED" && r.now < account.joined + kCreatedStays)
    return constraint("WAIT_PERIOD_ACTIVE",
                      "This operation requires a wait period. Try again later: an account can be removed at least "
                      "seven days after it was created.");
  COFFER_CHECK_OK(rows::remove_account(r.transaction(), account.id));
  COFFER_TRY(auto asked,
             rows::pending_handshakes(r.transaction(), r.organization().id, "ENABLE_ALL_FEATURES", account.id, r.now));
  for (const rows::Handshake& h : asked)
    COFFER_CHECK_OK(rows::set_handshake_state(r.transaction(), h.id, "CANCELED", r.now));
  return advance_all_features(r, r.organization().id);
}

/// What CreateAccount answers and keeps: SUCCEEDED with the account, or FAILED with the reason.
Result<Value> finish_create(const Request& r, std::string account, std::string failure) {
  rows::CreateRequest q;
  q.id = random_id(r.installation.entropy, "car-", 32);
  q.organization = r.organization().id;
  q.name = r.input().text("AccountName");
  q.state = failure.empty() ? "SUCCEEDED" : "FAILED";
  q.account = std::move(account);
  q.failure = std::move(failure);
  q.requested = q.completed = r.now;
  COFFER_CHECK_OK(rows::insert(r.transaction(), q));
  return Value::object({{"CreateAccountStatus", create_request_shape(q)}});
}

/// The rules that the model's pattern leaves open.
bool is_email_address(std::string_view email) {
  const size_t at = email.find('@');
  if (at == 0 || at == std::string_view::npos || email.find('@', at + 1) != std::string_view::npos) return false;
  const std::string_view local = email.substr(0, at), domain = email.substr(at + 1);
  const auto is_plain = [](char c) { return c > ' ' && c < 0x7f; };
  if (!std::all_of(email.begin(), email.end(), is_plain)) return false;
  if (local.front() == '.' || local.find_first_of("\"'()<>[]:;,\\|%&") != std::string_view::npos) return false;
  if (domain.find('.') == std::string_view::npos) return false;
  const auto is_edge = [](char c) { return c == '-' || c == '.'; };
  if (is_edge(domain.front()) || is_edge(domain.back())) return false;
  return std::all_of(domain.begin(), domain.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

}  // namespace

Result<int64_t> accounts_left(const Request& r, std::string_view organization) {
  COFFER_TRY(int64_t members, rows::count_accounts(r.transaction(), organization));
  COFFER_TRY(auto invited, rows::pending_handshakes(r.transaction(), organization, "INVITE", "", r.now));
  return kAccountsMax - members - static_cast<int64_t>(invited.size());
}

Status join(const Request& r, const rows::Organization& organization, std::string_view account,
            std::string_view joined_method) {
  COFFER_TRY(auto known, rows::contact(r.transaction(), account));
  if (!known) {
    COFFER_TRY(rows::Contact contact, contact_of(r, account));
    COFFER_CHECK_OK(rows::insert(r.transaction(), contact));
  }
  rows::Account row;
  row.id = account;
  row.organization = organization.id;
  row.parent = organization.root;
  row.joined_method = joined_method;
  row.joined = r.now;
  COFFER_CHECK_OK(rows::insert(r.transaction(), row));
  return rows::attach_defaults(r.transaction(), organization.id, account, r.now);
}

Status forget_closed_accounts(const Request& r) {
  if (!r.seat.organization) return ok_status();
  COFFER_TRY(auto gone, rows::accounts_closed_before(r.transaction(), r.organization().id, r.now - kClosedIsKept));
  for (const std::string& account : gone) COFFER_CHECK_OK(rows::remove_account(r.transaction(), account));
  return ok_status();
}

Result<Value> create_account(const Request& r) {
  const std::string email(r.input().text("Email")), name(r.input().text("AccountName"));
  const std::string role = r.input().text_if("RoleName").value_or(std::string(kDefaultRole));
  if (role.starts_with("AWSServiceRoleFor"))
    return invalid_input("INVALID_ROLE_NAME",
                         "You provided a role name that isn't valid. A role name can't begin with the reserved prefix "
                         "AWSServiceRoleFor.");
  COFFER_TRY(rows::Tags tags, read_tags(r.input()));
  COFFER_TRY(int64_t left, accounts_left(r, r.organization().id));
  if (left <= 0)
    return constraint("ACCOUNT_NUMBER_LIMIT_EXCEEDED",
                      "You have exceeded the allowed number of AWS accounts in your organization.");
  if (!is_email_address(email)) return finish_create(r, "", "INVALID_EMAIL");
  COFFER_TRY(auto taken, rows::account_by_email(r.transaction(), email));
  if (taken) return finish_create(r, "", "EMAIL_ALREADY_EXISTS");

  const std::string account = random_account(r.installation.entropy);
  Status made = r.installation.make_account(r.transaction(), account, name, role, r.organization().management);
  // One of 9 * 10^11 ids was drawn twice: everything again, with another.
  if (!made.ok() && made.code() == ErrorCode::kAlreadyExists)
    return Error{ErrorCode::kConflict, "account " + account + " is already there", {}};
  COFFER_CHECK_OK(std::move(made));
  COFFER_CHECK_OK(rows::insert(r.transaction(), rows::Contact{account, name, email}));
  COFFER_CHECK_OK(join(r, r.organization(), account, "CREATED"));
  COFFER_CHECK_OK(store_tags(r, account, tags));
  return finish_create(r, account, "");
}

Result<Value> describe_create_account_status(const Request& r) {
  COFFER_TRY(auto found,
             rows::create_request(r.transaction(), r.organization().id, r.input().text("CreateAccountRequestId")));
  if (!found)
    return not_found("CreateAccountStatusNotFoundException",
                     "We can't find a create account request with the CreateAccountRequestId that you specified.");
  return Value::object({{"CreateAccountStatus", create_request_shape(*found)}});
}

Result<Value> list_create_account_status(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  std::vector<std::string> states = r.input().texts("States");
  std::sort(states.begin(), states.end());
  states.erase(std::unique(states.begin(), states.end()), states.end());
  COFFER_TRY(auto found,
             rows::create_requests(r.transaction(), r.organization().id, states, page.after(), page.wanted()));
  std::vector<Page::Item> items;
  for (const rows::CreateRequest& q : found) items.push_back({q.id, create_request_shape(q)});
  return page.output("CreateAccountStatuses", std::move(items));
}

Result<Value> describe_account(const Request& r) {
  COFFER_TRY(rows::Account account, find_member(r, r.input().text("AccountId")));
  Paths paths(r);
  COFFER_TRY(Value shape, account_shape(r, account, paths));
  return Value::object({{"Account", std::move(shape)}});
}

Result<Value> list_accounts(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  COFFER_TRY(auto accounts, rows::accounts(r.transaction(), r.organization().id, page.after(), page.wanted()));
  return account_page(r, page, accounts);
}

Result<Value> list_accounts_for_parent(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  COFFER_TRY(auto parent, find_parent(r, r.input().text("ParentId")));
  if (!parent) return parent_not_found();
  COFFER_TRY(auto accounts, rows::accounts_of_parent(r.transaction(), parent->id, page.after(), page.wanted()));
  return account_page(r, page, accounts);
}

Result<Value> move_account(const Request& r) {
  COFFER_TRY(rows::Account account, find_member(r, r.input().text("AccountId")));
  COFFER_TRY(auto source, find_parent(r, r.input().text("SourceParentId")));
  if (!source) return not_found("SourceParentNotFoundException", "You specified a source parent that doesn't exist.");
  COFFER_TRY(auto destination, find_parent(r, r.input().text("DestinationParentId")));
  if (!destination)
    return not_found("DestinationParentNotFoundException", "You specified a destination parent that doesn't exist.");
  if (account.parent != source->id) return account_not_found();
  if (destination->id == source->id)
    return already_exists("DuplicateAccountException", "That account is already present in the specified destination.");
  COFFER_CHECK_OK(rows::set_parent(r.transaction(), account.id, destination->id));
  return Value::object();
}

Result<Value> close_account(const Request& r) {
  if (r.organization().feature_set != kAllFeatures)
    return constraint("ORGANIZATION_NOT_IN_ALL_FEATURES_MODE",
                      "You can close an account only when all features are enabled for your organization.");
  COFFER_TRY(rows::Account account, find_member(r, r.input().text("AccountId")));
  if (account.id == r.organization().management)
    return constraint("CANNOT_CLOSE_MANAGEMENT_ACCOUNT", "You can't close the management account.");
  if (account.closed) return failed_precondition("AccountAlreadyClosedException", "The account is already closed.");
  COFFER_TRY(int64_t members, rows::count_accounts(r.transaction(), r.organization().id));
  COFFER_TRY(int64_t closed, rows::count_closed_since(r.transaction(), r.organization().id, r.now - kCloseQuotaWindow));
  if (closed >= std::clamp(members / 10, kCloseQuotaMin, kCloseQuotaMax))
    return constraint("CLOSE_ACCOUNT_QUOTA_EXCEEDED", "You have exceeded close account quota for the past 30 days.");
  COFFER_CHECK_OK(rows::set_closed(r.transaction(), account.id, r.now));
  return Value::object();
}

Result<Value> remove_account_from_organization(const Request& r) {
  COFFER_TRY(rows::Account account, find_member(r, r.input().text("AccountId")));
  COFFER_CHECK_OK(take_out(r, account));
  return Value::object();
}

Result<Value> leave_organization(const Request& r) {
  COFFER_CHECK_OK(take_out(r, *r.seat.account));
  return Value::object();
}

}  // namespace coffer::organizations
