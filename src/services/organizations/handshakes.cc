// Invitations and the change to all features: one side asks, the other answers, the clock ends it.
#include "services/organizations/faults.h"
#include "services/organizations/operations.h"
#include "services/organizations/page.h"
#include "services/organizations/shapes.h"

namespace coffer::organizations {
namespace {

using api::Value;
using std::chrono::hours;

constexpr hours kInvitationLasts{15 * 24};
constexpr hours kAllFeaturesLasts{90 * 24};
constexpr hours kAnsweredIsShown{30 * 24};

constexpr std::string_view kInvite = "INVITE";
constexpr std::string_view kEnableAllFeatures = "ENABLE_ALL_FEATURES";

Value handshake_output(const Request& r, const rows::Handshake& h) {
  return Value::object({{"Handshake", handshake_shape(h, r.now)}});
}

Error handshake_not_found() {
  return not_found("HandshakeNotFoundException", "You specified a handshake that doesn't exist.");
}

/// The handshake that the caller may know of: as recipient, or from within the organization that sent it.
Result<rows::Handshake> find_handshake(const Request& r) {
  COFFER_TRY(auto h, rows::handshake(r.transaction(), r.input().text("HandshakeId")));
  if (!h) return handshake_not_found();
  const bool sent_from_here = r.seat.organization && r.organization().id == h->organization;
  if (h->account != r.caller() && h->management != r.caller() && !sent_from_here) return handshake_not_found();
  if (std::max(h->changed, h->expires) + kAnsweredIsShown <= r.now) return handshake_not_found();
  return std::move(*h);
}

/// A pending one may take the answer; anything else says why not.
Status check_transition(const Request& r, const rows::Handshake& h, std::string_view wanted) {
  const std::string_view state = handshake_state(h, r.now);
  if (state == wanted)
    return failed_precondition(
        "HandshakeAlreadyInStateException",
        "The specified handshake is already in the requested state: " + std::string(state) + ".");
  if (state != "OPEN" && state != "REQUESTED")
    return failed_precondition(
        "InvalidHandshakeTransitionException",
        "You can't perform the operation on the handshake in its current state: " + std::string(state) + ".");
  return ok_status();
}

Result<Value> answer(const Request& r, rows::Handshake h, std::string_view state) {
  COFFER_CHECK_OK(rows::set_handshake_state(r.transaction(), h.id, state, r.now));
  if (state != "ACCEPTED") COFFER_CHECK_OK(rows::remove_tags(r.transaction(), h.id));
  h.state = state;
  h.changed = r.now;
  return handshake_output(r, h);
}

rows::Handshake new_handshake(const Request& r, std::string_view action, std::string_view state, hours lasts) {
  rows::Handshake h;
  h.id = random_id(r.installation.entropy, "h-", 16);
  h.organization = r.organization().id;
  h.management = r.organization().management;
  h.action = action;
  h.state = state;
  h.feature_set = r.organization().feature_set;
  h.requested = h.changed = r.now;
  h.expires = r.now + lasts;
  return h;
}

Status sign(const Request& r, rows::Handshake& h) {
  COFFER_TRY(auto master, rows::contact(r.transaction(), h.management));
  if (master) h.master_name = master->name, h.master_email = master->email;
  return ok_status();
}

/// The account behind a Target: by id, or by an e-mail address that this installation knows.
Result<std::string> invited_account(const Request& r, std::string_view type, std::string_view id) {
  if (type == "EMAIL") {
    COFFER_TRY(auto known, rows::account_by_email(r.transaction(), id));
    if (known) return std::move(*known);
    const std::string_view local = id.substr(0, id.find('@'));
    if (is_account_id(local)) {  // the address that an account without one is given
      COFFER_TRY(rows::Contact contact, contact_of(r, local));
      if (lower_case(contact.email) == lower_case(id)) return std::string(local);
    }
    return invalid_input("INVALID_EMAIL_ADDRESS_TARGET",
                         "You specified an invalid email address for the invited account owner: no account of this "
                         "installation has it.");
  }
  if (type != "ACCOUNT")
    return invalid_input("INVALID_PARTY_TYPE_TARGET",
                         "You specified the wrong type of entity (account, organization, or email) as a party.");
  if (!is_account_id(id))
    return invalid_input("INVALID_PATTERN",
                         "You provided a value that doesn't match the required pattern: "
                         "an account ID has exactly 12 digits.");
  if (r.installation.find_account) {
    COFFER_TRY(auto found, r.installation.find_account(r.transaction(), id));
    if (!found)
      return invalid_input("INVALID_PATTERN_TARGET_ID",
                           "You specified an account that is not one of this installation.");
  }
  return std::string(id);
}

Status join_by(const Request& r, const rows::Handshake& h) {
  if (r.seat.organization) {
    if (r.seat.is_management())
      return failed_precondition("MasterCannotLeaveOrganizationException",
                                 "You can't remove a management account from an organization. Delete the organization "
                                 "before joining another.");
    return handshake_constraint("ALREADY_IN_AN_ORGANIZATION",
                                "The provided account is already a member of an organization.");
  }
  COFFER_TRY(auto organization, rows::organization(r.transaction(), h.organization));
  if (!organization) return handshake_not_found();
  COFFER_TRY(int64_t members, rows::count_accounts(r.transaction(), h.organization));
  if (members >= kAccountsMax)
    return handshake_constraint("ACCOUNT_NUMBER_LIMIT_EXCEEDED",
                                "You have exceeded the allowed number of AWS accounts in your organization.");
  COFFER_CHECK_OK(join(r, *organization, h.account, "INVITED"));
  return rows::move_tags(r.transaction(), h.id, h.account);
}

/// The management account's own last word; `h` is OPEN once every invited member has agreed.
Status finish_all_features(const Request& r, const rows::Handshake& h) {
  if (h.state != "OPEN")
    return failed_precondition("InvalidHandshakeTransitionException",
                               "You can't perform the operation on the handshake in its current state: not all invited "
                               "accounts have approved yet.");
  return rows::set_feature_set(r.transaction(), h.organization, kAllFeatures);
}

Result<Value> list(const Request& r, rows::HandshakeFilter filter) {
  COFFER_TRY(Page page, Page::open(r.operation));
  if (const Value* asked = r.input().find("Filter")) {
    filter.action = asked->text("ActionType");
    filter.parent = asked->text("ParentHandshakeId");
    if (!filter.action.empty() && !filter.parent.empty())
      return invalid_input("MAX_LIMIT_EXCEEDED_FILTER", "You can specify only one filter parameter for the operation.");
  }
  filter.now = r.now;
  filter.kept = kAnsweredIsShown;
  COFFER_TRY(auto found, rows::handshakes(r.transaction(), filter, page.after(), page.wanted()));
  std::vector<Page::Item> items;
  for (const rows::Handshake& h : found) items.push_back({h.id, handshake_shape(h, r.now)});
  return page.output("Handshakes", std::move(items));
}

}  // namespace

Result<Value> invite_account_to_organization(const Request& r) {
  COFFER_TRY(rows::Tags tags, read_tags(r.input()));
  const Value* target = r.input().find("Target");
  COFFER_ASSERT(target);
  const std::string type(target->text("Type")), id(target->text("Id"));
  COFFER_TRY(std::string account, invited_account(r, type, id));
  COFFER_TRY(auto member, rows::account(r.transaction(), account));
  if (member && member->organization == r.organization().id)
    return handshake_constraint("ALREADY_IN_AN_ORGANIZATION",
                                "The provided account is already a member of your organization.");
  COFFER_TRY(auto changing,
             rows::pending_handshakes(r.transaction(), r.organization().id, kEnableAllFeatures, "", r.now));
  if (!changing.empty())
    return handshake_constraint("INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES",
                                "You can't issue new invitations to join an organization while it's in the process of "
                                "enabling all features.");
  COFFER_TRY(auto pending, rows::pending_handshakes(r.transaction(), r.organization().id, kInvite, account, r.now));
  if (!pending.empty())
    return already_exists("DuplicateHandshakeException",
                          "A handshake with the same action and target already exists: " + pending.front().id + ".");
  COFFER_TRY(int64_t left, accounts_left(r, r.organization().id));
  if (left <= 0)
    return handshake_constraint("ACCOUNT_NUMBER_LIMIT_EXCEEDED",
                                "You have exceeded the allowed number of AWS accounts in your organization.");
  rows::Handshake h = new_handshake(r, kInvite, "OPEN", kInvitationLasts);
  h.account = account;
  h.party_type = type;
  h.party = id;
  h.notes = r.input().text("Notes");
  COFFER_CHECK_OK(sign(r, h));
  COFFER_CHECK_OK(rows::insert(r.transaction(), h));
  COFFER_CHECK_OK(store_tags(r, h.id, tags));
  return handshake_output(r, h);
}

Result<Value> accept_handshake(const Request& r) {
  COFFER_TRY(rows::Handshake h, find_handshake(r));
  if (h.account != r.caller()) return access_denied();
  COFFER_CHECK_OK(check_transition(r, h, "ACCEPTED"));
  if (h.action == kInvite) {
    COFFER_CHECK_OK(join_by(r, h));
  } else if (h.parent.empty()) {
    COFFER_CHECK_OK(finish_all_features(r, h));
  }
  COFFER_TRY(Value output, answer(r, h, "ACCEPTED"));
  if (!h.parent.empty()) COFFER_CHECK_OK(advance_all_features(r, h.organization));
  return output;
}

Result<Value> decline_handshake(const Request& r) {
  COFFER_TRY(rows::Handshake h, find_handshake(r));
  if (h.account != r.caller() || h.account == h.management) return access_denied();
  COFFER_CHECK_OK(check_transition(r, h, "DECLINED"));
  return answer(r, std::move(h), "DECLINED");
}

Result<Value> cancel_handshake(const Request& r) {
  COFFER_TRY(rows::Handshake h, find_handshake(r));
  if (h.management != r.caller()) return access_denied();
  COFFER_CHECK_OK(check_transition(r, h, "CANCELED"));
  if (h.action == kEnableAllFeatures && h.parent.empty()) {
    COFFER_TRY(auto asked, rows::pending_handshakes(r.transaction(), h.organization, kEnableAllFeatures, "", r.now));
    for (const rows::Handshake& child : asked)
      COFFER_CHECK_OK(rows::set_handshake_state(r.transaction(), child.id, "CANCELED", r.now));
  }
  return answer(r, std::move(h), "CANCELED");
}

Result<Value> describe_handshake(const Request& r) {
  COFFER_TRY(rows::Handshake h, find_handshake(r));
  return handshake_output(r, h);
}

Result<Value> list_handshakes_for_account(const Request& r) {
  rows::HandshakeFilter filter;
  filter.account = r.caller();
  return list(r, std::move(filter));
}

Result<Value> list_handshakes_for_organization(const Request& r) {
  rows::HandshakeFilter filter;
  filter.organization = r.organization().id;
  return list(r, std::move(filter));
}

// The request of the management account has no party; each invited member gets one whose parent it is. Created accounts
// are not asked: their approval is taken for granted.
Result<Value> enable_all_features(const Request& r) {
  const rows::Organization& o = r.organization();
  if (o.feature_set == kAllFeatures)
    return handshake_constraint("ORGANIZATION_ALREADY_HAS_ALL_FEATURES",
                                "The organization has already enabled all features.");
  COFFER_TRY(auto changing, rows::pending_handshakes(r.transaction(), o.id, kEnableAllFeatures, "", r.now));
  if (!changing.empty())
    return handshake_constraint("ORGANIZATION_IS_ALREADY_PENDING_ALL_FEATURES_MIGRATION",
                                "The organization has already started the process to enable all features.");
  rows::Handshake parent = new_handshake(r, kEnableAllFeatures, "REQUESTED", kAllFeaturesLasts);
  parent.account = o.management;
  COFFER_CHECK_OK(sign(r, parent));
  COFFER_CHECK_OK(rows::insert(r.transaction(), parent));
  COFFER_TRY(auto members, rows::accounts(r.transaction(), o.id, "", kAccountsMax));
  for (const rows::Account& member : members) {
    if (member.joined_method != "INVITED" || member.closed || member.id == o.management) continue;
    rows::Handshake child = new_handshake(r, kEnableAllFeatures, "OPEN", kAllFeaturesLasts);
    child.account = child.party = member.id;
    child.party_type = "ACCOUNT";
    child.parent = parent.id;
    child.master_name = parent.master_name;
    child.master_email = parent.master_email;
    COFFER_CHECK_OK(rows::insert(r.transaction(), child));
  }
  COFFER_CHECK_OK(advance_all_features(r, o.id));
  COFFER_TRY(auto stored, rows::handshake(r.transaction(), parent.id));
  return handshake_output(r, *stored);
}

Status advance_all_features(const Request& r, std::string_view organization) {
  COFFER_TRY(auto pending, rows::pending_handshakes(r.transaction(), organization, kEnableAllFeatures, "", r.now));
  const rows::Handshake* parent = nullptr;
  for (const rows::Handshake& h : pending) {
    if (h.parent.empty()) parent = &h;
  }
  if (!parent || pending.size() > 1) return ok_status();
  // A member that declined keeps its word until it leaves: the request then waits for its end.
  rows::HandshakeFilter filter;
  filter.organization = organization;
  filter.parent = parent->id;
  filter.now = r.now;
  filter.kept = kAllFeaturesLasts;
  COFFER_TRY(auto children, rows::handshakes(r.transaction(), filter, "", kAccountsMax));
  for (const rows::Handshake& child : children) {
    if (child.state != "DECLINED") continue;
    COFFER_TRY(auto member, rows::account(r.transaction(), child.account));
    if (member && member->organization == organization) return ok_status();
  }
  return rows::set_handshake_state(r.transaction(), parent->id, "OPEN", r.now);
}

}  // namespace coffer::organizations
