#include "services/organizations/request.h"

#include <set>

#include "services/organizations/faults.h"

namespace coffer::organizations {

constexpr size_t kTagsMax = 50;

Result<Seat> seat_of(catalog::Transaction& transaction, std::string_view account) {
  Seat seat;
  COFFER_TRY(seat.account, rows::account(transaction, account));
  if (!seat.account) return seat;
  COFFER_TRY(seat.organization, rows::organization(transaction, seat.account->organization));
  COFFER_ASSERT(seat.organization);
  COFFER_TRY(seat.delegated, rows::is_delegate(transaction, account));
  return seat;
}

Status check_seat(catalog::Transaction& transaction, const Seat& seat, Who who) {
  if (who == Who::kAnyone) return ok_status();
  if (!seat.organization) return not_in_use();
  if (seat.account->closed) return access_denied();
  if (who == Who::kMember || seat.is_management()) return ok_status();
  if (who == Who::kReader && seat.delegated) return ok_status();
  if (can_be_delegated(who)) {
    // The gate has asked this policy (see access_of in actions.cc); without one nobody has.
    COFFER_TRY(auto delegation, rows::resource_policy(transaction, seat.organization->id));
    if (delegation) return ok_status();
  }
  return access_denied();
}

Result<rows::Tags> read_tags(const api::Value& input) {
  rows::Tags tags;
  std::set<std::string, std::less<>> keys;
  for (const api::Value& tag : input.list("Tags")) {
    std::string key(tag.text("Key"));
    if (lower_case(key).starts_with("aws:"))
      return invalid_input("INVALID_SYSTEM_TAGS_PARAMETER",
                           "You specified a tag key that is a system tag. You can't add, edit, or delete system tags.");
    if (!keys.insert(key).second)
      return invalid_input("DUPLICATE_TAG_KEY", "You can't use the same tag key more than once in a request.");
    tags.emplace_back(std::move(key), tag.text("Value"));
  }
  if (tags.size() > kTagsMax)
    return constraint("MAX_TAG_LIMIT_EXCEEDED", "You have exceeded the number of tags allowed on this resource.");
  return tags;
}

Status store_tags(const Request& r, std::string_view resource, const rows::Tags& tags) {
  for (const auto& [key, value] : tags)
    COFFER_CHECK_OK(rows::set_tag(r.transaction(), r.organization().id, resource, key, value));
  COFFER_TRY(rows::Tags all, rows::tags(r.transaction(), resource));
  if (all.size() > kTagsMax)
    return constraint("MAX_TAG_LIMIT_EXCEEDED", "You have exceeded the number of tags allowed on this resource.");
  return ok_status();
}

Result<std::optional<Target>> find_target(const Request& r, std::string_view id) {
  std::optional<Target> none;
  if (id == r.organization().root) return std::optional(Target{std::string(id), "Root", "ROOT"});
  if (id.starts_with("ou-")) {
    COFFER_TRY(auto unit, rows::unit(r.transaction(), id));
    if (!unit || unit->organization != r.organization().id) return none;
    return std::optional(Target{unit->id, unit->name, "ORGANIZATIONAL_UNIT"});
  }
  COFFER_TRY(auto account, rows::account(r.transaction(), id));
  if (!account || account->organization != r.organization().id) return none;
  return std::optional(Target{account->id, account->name, "ACCOUNT"});
}

Result<std::optional<Parent>> find_parent(const Request& r, std::string_view id) {
  if (id == r.organization().root) return std::optional(Parent{std::string(id), 0});
  COFFER_TRY(auto unit, rows::unit(r.transaction(), id));
  if (!unit || unit->organization != r.organization().id) return std::optional<Parent>();
  return std::optional(Parent{unit->id, unit->depth});
}

Result<rows::Account> find_member(const Request& r, std::string_view id) {
  COFFER_TRY(auto account, rows::account(r.transaction(), id));
  if (!account || account->organization != r.organization().id) return account_not_found();
  return std::move(*account);
}

std::string target_arn(const Request& r, const Target& target) {
  return r.arn(target.kind == "ROOT" ? "root" : target.kind == "ACCOUNT" ? "account" : "ou", target.id);
}

Result<rows::Contact> contact_of(const Request& r, std::string_view account) {
  COFFER_TRY(auto known, rows::contact(r.transaction(), account));
  if (known) return std::move(*known);
  std::string name(account);
  if (r.installation.find_account) {
    COFFER_TRY(auto found, r.installation.find_account(r.transaction(), account));
    if (found && !found->empty()) name = std::move(*found);
  }
  return rows::Contact{std::string(account), std::move(name), std::string(account) + "@coffer.invalid"};
}

}  // namespace coffer::organizations
