// The catalog rows of the organization's tree: organizations, accounts, units, tags, handshakes, delegation. Policies
// and what they are attached to are in policy_rows.h. Every list is ordered by id and begins after `after`.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "services/catalog/database.h"

namespace coffer::organizations::rows {

using catalog::Transaction;

struct Organization {
  std::string id, management, root, feature_set;
  WallTime created;
};
Result<std::optional<Organization>> organization(Transaction&, std::string_view id);
Result<bool> root_exists(Transaction&, std::string_view root);
Status insert(Transaction&, const Organization&);
Status set_feature_set(Transaction&, std::string_view organization, std::string_view feature_set);
/// With everything that hangs on it: accounts leave, units, policies, tags, delegation go. Handshakes stay as a record.
Status remove_organization(Transaction&, std::string_view organization);

/// How an account is called; known for every account that ever was in an organization.
struct Contact {
  std::string account, name, email;
};
Result<std::optional<Contact>> contact(Transaction&, std::string_view account);
Result<std::optional<std::string>> account_by_email(Transaction&, std::string_view email);
Status insert(Transaction&, const Contact&);

/// A member (or the management account) of an organization.
struct Account {
  std::string id, organization, parent, name, email, joined_method;
  WallTime joined;
  std::optional<WallTime> closed;
};
Result<std::optional<Account>> account(Transaction&, std::string_view id);
Result<std::vector<Account>> accounts(Transaction&, std::string_view organization, std::string_view after,
                                      int64_t limit);
Result<std::vector<Account>> accounts_of_parent(Transaction&, std::string_view parent, std::string_view after,
                                                int64_t limit);
Result<int64_t> count_accounts(Transaction&, std::string_view organization);
Result<int64_t> count_closed_since(Transaction&, std::string_view organization, WallTime since);
Result<std::vector<std::string>> accounts_closed_before(Transaction&, std::string_view organization, WallTime before);
/// Name and e-mail are a Contact's and not written here.
Status insert(Transaction&, const Account&);
Status set_parent(Transaction&, std::string_view account, std::string_view parent);
Status set_closed(Transaction&, std::string_view account, WallTime when);
/// With its attachments, tags and delegations.
Status remove_account(Transaction&, std::string_view account);

struct Unit {
  std::string id, organization, parent, name;
  int64_t depth = 1;  // 1: below the root
};
Result<std::optional<Unit>> unit(Transaction&, std::string_view id);
Result<std::optional<Unit>> unit_by_name(Transaction&, std::string_view parent, std::string_view name);
Result<std::vector<Unit>> units_of_parent(Transaction&, std::string_view parent, std::string_view after, int64_t limit);
Result<int64_t> count_units(Transaction&, std::string_view organization);
Status insert(Transaction&, const Unit&);
Status rename_unit(Transaction&, std::string_view id, std::string_view name);
/// With its attachments and tags.
Status remove_unit(Transaction&, std::string_view id);

/// Ids from the root to `parent`, which is a root or a unit.
Result<std::vector<std::string>> chain_to(Transaction&, std::string_view root, std::string_view parent);

using Tags = std::vector<std::pair<std::string, std::string>>;
Result<Tags> tags(Transaction&, std::string_view resource, std::string_view after = "", int64_t limit = 1000);
Status set_tag(Transaction&, std::string_view organization, std::string_view resource, std::string_view key,
               std::string_view value);
Status remove_tag(Transaction&, std::string_view resource, std::string_view key);
Status remove_tags(Transaction&, std::string_view resource);
Status move_tags(Transaction&, std::string_view from, std::string_view to);

struct Handshake {
  std::string id, organization, management, action;
  std::string account;               // who answers
  std::string party_type, party;     // the invited one as the sender wrote it; empty: the organization alone
  std::string parent, state, notes;  // state as stored: expiry is told by the clock
  std::string master_name, master_email, feature_set;  // at the time of the request
  WallTime requested, expires, changed;
};
Result<std::optional<Handshake>> handshake(Transaction&, std::string_view id);
struct HandshakeFilter {
  std::string organization, account, action, parent;  // empty: any
  WallTime now;
  std::chrono::microseconds kept;  // how long an answered or expired one is shown
};
Result<std::vector<Handshake>> handshakes(Transaction&, const HandshakeFilter&, std::string_view after, int64_t limit);
/// Of `organization`, neither answered nor expired. Empty `account`, `action`: any.
Result<std::vector<Handshake>> pending_handshakes(Transaction&, std::string_view organization, std::string_view action,
                                                  std::string_view account, WallTime now);
Status insert(Transaction&, const Handshake&);
Status set_handshake_state(Transaction&, std::string_view id, std::string_view state, WallTime now);

struct CreateRequest {
  std::string id, organization, name, state, account, failure;
  WallTime requested, completed;
};
Result<std::optional<CreateRequest>> create_request(Transaction&, std::string_view organization, std::string_view id);
Result<std::vector<CreateRequest>> create_requests(Transaction&, std::string_view organization,
                                                   const std::vector<std::string>& states, std::string_view after,
                                                   int64_t limit);
Status insert(Transaction&, const CreateRequest&);

struct Service {
  std::string principal;
  WallTime enabled;
};
Result<bool> service_enabled(Transaction&, std::string_view organization, std::string_view principal);
Result<std::vector<Service>> services(Transaction&, std::string_view organization, std::string_view after,
                                      int64_t limit);
Status enable_service(Transaction&, std::string_view organization, std::string_view principal, WallTime now);
/// With the delegations for it.
Status disable_service(Transaction&, std::string_view organization, std::string_view principal);

struct Delegate {
  Account account;
  WallTime enabled;  // of its first delegation
};
Result<bool> is_delegate(Transaction&, std::string_view account);
Result<bool> is_delegate_for(Transaction&, std::string_view account, std::string_view principal);
Result<int64_t> count_delegates(Transaction&, std::string_view organization, std::string_view principal);
/// Empty `principal`: for any service.
Result<std::vector<Delegate>> delegates(Transaction&, std::string_view organization, std::string_view principal,
                                        std::string_view after, int64_t limit);
Result<std::vector<Service>> delegated_services(Transaction&, std::string_view account, std::string_view after,
                                                int64_t limit);
Status add_delegate(Transaction&, std::string_view organization, std::string_view account, std::string_view principal,
                    WallTime now);
Status remove_delegate(Transaction&, std::string_view account, std::string_view principal);

struct ResourcePolicy {
  std::string id, content;
};
Result<std::optional<ResourcePolicy>> resource_policy(Transaction&, std::string_view organization);
Status set_resource_policy(Transaction&, std::string_view organization, const ResourcePolicy&);
Status remove_resource_policy(Transaction&, std::string_view organization);

/// The key that authenticates page tokens; made with the first organization of the installation.
Result<std::optional<Bytes>> page_key(Transaction&);
Status set_page_key(Transaction&, ByteView key);

}  // namespace coffer::organizations::rows
