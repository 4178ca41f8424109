#include "services/organizations/rows.h"

#include "services/organizations/names.h"
#include "services/organizations/policy_rows.h"

namespace coffer::organizations::rows {
namespace {

using catalog::Row;
using catalog::Rows;

/// The rows as values of T, by `make`.
template <class Make>
auto all(Result<Rows> rows, Make make) -> Result<std::vector<decltype(make(std::declval<const Row&>()))>> {
  if (!rows.ok()) return std::move(rows).error();
  std::vector<decltype(make(std::declval<const Row&>()))> made;
  made.reserve(rows->size());
  for (const Row& row : *rows) made.push_back(make(row));
  return made;
}
template <class Make>
auto one(Result<Rows> rows, Make make) -> Result<std::optional<decltype(make(std::declval<const Row&>()))>> {
  if (!rows.ok()) return std::move(rows).error();
  if (rows->empty()) return std::optional<decltype(make(std::declval<const Row&>()))>();
  return std::optional(make(rows->front()));
}
Status done(Result<Rows> rows) {
  COFFER_CHECK_OK(std::move(rows));
  return ok_status();
}
Result<bool> any(Result<Rows> rows) {
  if (!rows.ok()) return std::move(rows).error();
  return !rows->empty();
}
Result<int64_t> number(Result<Rows> rows) {
  if (!rows.ok()) return std::move(rows).error();
  return rows->empty() ? 0 : rows->front().integer(0);
}

Organization make_organization(const Row& r) { return {r.text(0), r.text(1), r.text(2), r.text(3), r.time(4)}; }

constexpr std::string_view kAccountColumns =
    "SELECT a.account, a.organization, a.parent, c.name, c.email, a.joined_method, a.joined, a.closed "
    "FROM org_account a JOIN org_contact c ON c.account = a.account ";
Account make_account(const Row& r) {
  return {r.text(0), r.text(1), r.text(2), r.text(3), r.text(4), r.text(5), r.time(6), r.time_if(7)};
}
std::string account_query(std::string_view rest) { return std::string(kAccountColumns) + std::string(rest); }

Unit make_unit(const Row& r) { return {r.text(0), r.text(1), r.text(2), r.text(3), r.integer(4)}; }
constexpr std::string_view kUnitColumns = "SELECT id, organization, parent, name, depth FROM org_unit ";

constexpr std::string_view kHandshakeColumns =
    "SELECT id, organization, management, action, account, party_type, party, parent, state, notes, master_name, "
    "master_email, feature_set, requested, expires, changed FROM org_handshake ";
Handshake make_handshake(const Row& r) {
  Handshake h;
  h.id = r.text(0), h.organization = r.text(1), h.management = r.text(2), h.action = r.text(3), h.account = r.text(4);
  h.party_type = r.text(5), h.party = r.text(6), h.parent = r.text(7), h.state = r.text(8), h.notes = r.text(9);
  h.master_name = r.text(10), h.master_email = r.text(11), h.feature_set = r.text(12);
  h.requested = r.time(13), h.expires = r.time(14), h.changed = r.time(15);
  return h;
}

CreateRequest make_create_request(const Row& r) {
  return {r.text(0), r.text(1), r.text(2), r.text(3), r.text(4), r.text(5), r.time(6), r.time(7)};
}
constexpr std::string_view kCreateRequestColumns =
    "SELECT id, organization, name, state, account, failure, requested, completed FROM org_create_request ";

}  // namespace

Result<std::optional<Organization>> organization(Transaction& t, std::string_view id) {
  return one(t.run("SELECT id, management, root, feature_set, created FROM org_organization WHERE id = $1", {id}),
             make_organization);
}
Result<bool> root_exists(Transaction& t, std::string_view root) {
  return any(t.run("SELECT id FROM org_organization WHERE root = $1", {root}));
}
Status insert(Transaction& t, const Organization& o) {
  return done(
      t.run("INSERT INTO org_organization (id, management, root, feature_set, created) VALUES ($1, $2, $3, $4, $5)",
            {o.id, o.management, o.root, o.feature_set, o.created}));
}
Status set_feature_set(Transaction& t, std::string_view organization, std::string_view feature_set) {
  return done(t.run("UPDATE org_organization SET feature_set = $2 WHERE id = $1", {organization, feature_set}));
}
Status remove_organization(Transaction& t, std::string_view organization) {
  for (std::string_view table :
       {"org_account", "org_unit", "org_policy", "org_attachment", "org_policy_type", "org_tag", "org_service",
        "org_delegate", "org_resource_policy", "org_create_request"}) {
    COFFER_CHECK_OK(t.run("DELETE FROM " + std::string(table) + " WHERE organization = $1", {organization}));
  }
  return done(t.run("DELETE FROM org_organization WHERE id = $1", {organization}));
}

Result<std::optional<Contact>> contact(Transaction& t, std::string_view account) {
  return one(t.run("SELECT account, name, email FROM org_contact WHERE account = $1", {account}), [](const Row& r) {
    return Contact{r.text(0), r.text(1), r.text(2)};
  });
}
Result<std::optional<std::string>> account_by_email(Transaction& t, std::string_view email) {
  return one(t.run("SELECT account FROM org_contact WHERE email_lower = $1", {lower_case(email)}),
             [](const Row& r) { return r.text(0); });
}
Status insert(Transaction& t, const Contact& c) {
  return done(t.run("INSERT INTO org_contact (account, name, email, email_lower) VALUES ($1, $2, $3, $4)",
                    {c.account, c.name, c.email, lower_case(c.email)}));
}

Result<std::optional<Account>> account(Transaction& t, std::string_view id) {
  static const std::string kQuery = account_query("WHERE a.account = $1");
  return one(t.run(kQuery, {id}), make_account);
}
Result<std::vector<Account>> accounts(Transaction& t, std::string_view organization, std::string_view after,
                                      int64_t limit) {
  static const std::string kQuery =
      account_query("WHERE a.organization = $1 AND a.account > $2 ORDER BY a.account LIMIT $3");
  return all(t.run(kQuery, {organization, after, limit}), make_account);
}
Result<std::vector<Account>> accounts_of_parent(Transaction& t, std::string_view parent, std::string_view after,
                                                int64_t limit) {
  static const std::string kQuery = account_query("WHERE a.parent = $1 AND a.account > $2 ORDER BY a.account LIMIT $3");
  return all(t.run(kQuery, {parent, after, limit}), make_account);
}
Result<int64_t> count_accounts(Transaction& t, std::string_view organization) {
  return number(t.run("SELECT COUNT(*) FROM org_account WHERE organization = $1", {organization}));
}
Result<int64_t> count_closed_since(Transaction& t, std::string_view organization, WallTime since) {
  return number(
      t.run("SELECT COUNT(*) FROM org_account WHERE organization = $1 AND closed > $2", {organization, since}));
}
Result<std::vector<std::string>> accounts_closed_before(Transaction& t, std::string_view organization,
                                                        WallTime before) {
  return all(t.run("SELECT account FROM org_account WHERE organization = $1 AND closed <= $2", {organization, before}),
             [](const Row& r) { return r.text(0); });
}
Status insert(Transaction& t, const Account& a) {
  return done(
      t.run("INSERT INTO org_account (account, organization, parent, joined_method, joined) "
            "VALUES ($1, $2, $3, $4, $5)",
            {a.id, a.organization, a.parent, a.joined_method, a.joined}));
}
Status set_parent(Transaction& t, std::string_view account, std::string_view parent) {
  return done(t.run("UPDATE org_account SET parent = $2 WHERE account = $1", {account, parent}));
}
Status set_closed(Transaction& t, std::string_view account, WallTime when) {
  return done(t.run("UPDATE org_account SET closed = $2 WHERE account = $1", {account, when}));
}
Status remove_account(Transaction& t, std::string_view account) {
  COFFER_CHECK_OK(t.run("DELETE FROM org_delegate WHERE account = $1", {account}));
  COFFER_CHECK_OK(remove_tags(t, account));
  COFFER_CHECK_OK(detach_all_of_target(t, account));
  return done(t.run("DELETE FROM org_account WHERE account = $1", {account}));
}

Result<std::optional<Unit>> unit(Transaction& t, std::string_view id) {
  static const std::string kQuery = std::string(kUnitColumns) + "WHERE id = $1";
  return one(t.run(kQuery, {id}), make_unit);
}
Result<std::optional<Unit>> unit_by_name(Transaction& t, std::string_view parent, std::string_view name) {
  static const std::string kQuery = std::string(kUnitColumns) + "WHERE parent = $1 AND name = $2";
  return one(t.run(kQuery, {parent, name}), make_unit);
}
Result<std::vector<Unit>> units_of_parent(Transaction& t, std::string_view parent, std::string_view after,
                                          int64_t limit) {
  static const std::string kQuery = std::string(kUnitColumns) + "WHERE parent = $1 AND id > $2 ORDER BY id LIMIT $3";
  return all(t.run(kQuery, {parent, after, limit}), make_unit);
}
Result<int64_t> count_units(Transaction& t, std::string_view organization) {
  return number(t.run("SELECT COUNT(*) FROM org_unit WHERE organization = $1", {organization}));
}
Status insert(Transaction& t, const Unit& u) {
  return done(t.run("INSERT INTO org_unit (id, organization, parent, name, depth) VALUES ($1, $2, $3, $4, $5)",
                    {u.id, u.organization, u.parent, u.name, u.depth}));
}
Status rename_unit(Transaction& t, std::string_view id, std::string_view name) {
  return done(t.run("UPDATE org_unit SET name = $2 WHERE id = $1", {id, name}));
}
Status remove_unit(Transaction& t, std::string_view id) {
  COFFER_CHECK_OK(remove_tags(t, id));
  COFFER_CHECK_OK(detach_all_of_target(t, id));
  return done(t.run("DELETE FROM org_unit WHERE id = $1", {id}));
}

Result<std::vector<std::string>> chain_to(Transaction& t, std::string_view root, std::string_view parent) {
  std::vector<std::string> chain;
  std::string at(parent);
  while (at != root) {
    COFFER_TRY(std::optional<Unit> found, unit(t, at));
    COFFER_ASSERT(found && chain.size() < 32);  // units hang below their root, in no circle
    chain.insert(chain.begin(), at);
    at = found->parent;
  }
  chain.insert(chain.begin(), at);
  return chain;
}

Result<Tags> tags(Transaction& t, std::string_view resource, std::string_view after, int64_t limit) {
  return all(t.run("SELECT key, value FROM org_tag WHERE resource = $1 AND key > $2 ORDER BY key LIMIT $3",
                   {resource, after, limit}),
             [](const Row& r) { return std::pair(r.text(0), r.text(1)); });
}
Status set_tag(Transaction& t, std::string_view organization, std::string_view resource, std::string_view key,
               std::string_view value) {
  return done(
      t.run("INSERT INTO org_tag (organization, resource, key, value) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (resource, key) DO UPDATE SET value = $4",
            {organization, resource, key, value}));
}
Status remove_tag(Transaction& t, std::string_view resource, std::string_view key) {
  return done(t.run("DELETE FROM org_tag WHERE resource = $1 AND key = $2", {resource, key}));
}
Status remove_tags(Transaction& t, std::string_view resource) {
  return done(t.run("DELETE FROM org_tag WHERE resource = $1", {resource}));
}
Status move_tags(Transaction& t, std::string_view from, std::string_view to) {
  return done(t.run("UPDATE org_tag SET resource = $2 WHERE resource = $1", {from, to}));
}

Result<std::optional<Handshake>> handshake(Transaction& t, std::string_view id) {
  static const std::string kQuery = std::string(kHandshakeColumns) + "WHERE id = $1";
  return one(t.run(kQuery, {id}), make_handshake);
}
Result<std::vector<Handshake>> handshakes(Transaction& t, const HandshakeFilter& filter, std::string_view after,
                                          int64_t limit) {
  // One of the two is given, so that an index bears the search; the empty string stands for "any" in the others.
  static const std::string kRest =
      " AND ($2 = '' OR action = $2) AND ($3 = '' OR parent = $3) AND expires > $4 AND "
      "(state IN ('OPEN', 'REQUESTED') OR changed > $4) AND id > $5 ORDER BY id LIMIT $6";
  static const std::string kByOrganization = std::string(kHandshakeColumns) + "WHERE organization = $1" + kRest;
  static const std::string kByAccount = std::string(kHandshakeColumns) + "WHERE account = $1" + kRest;
  const bool by_account = !filter.account.empty();
  return all(t.run(by_account ? kByAccount : kByOrganization,
                   {by_account ? filter.account : filter.organization, filter.action, filter.parent,
                    filter.now - filter.kept, after, limit}),
             make_handshake);
}
Result<std::vector<Handshake>> pending_handshakes(Transaction& t, std::string_view organization,
                                                  std::string_view action, std::string_view account, WallTime now) {
  static const std::string kQuery = std::string(kHandshakeColumns) +
                                    "WHERE organization = $1 AND ($2 = '' OR action = $2) AND ($3 = '' OR account = $3)"
                                    " AND state IN ('OPEN', 'REQUESTED') AND expires > $4 ORDER BY id";
  return all(t.run(kQuery, {organization, action, account, now}), make_handshake);
}
Status insert(Transaction& t, const Handshake& h) {
  return done(t.run(
      "INSERT INTO org_handshake (id, organization, management, action, account, party_type, party, parent, state, "
      "notes, master_name, master_email, feature_set, requested, expires, changed) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
      {h.id, h.organization, h.management, h.action, h.account, h.party_type, h.party, h.parent, h.state, h.notes,
       h.master_name, h.master_email, h.feature_set, h.requested, h.expires, h.changed}));
}
Status set_handshake_state(Transaction& t, std::string_view id, std::string_view state, WallTime now) {
  return done(t.run("UPDATE org_handshake SET state = $2, changed = $3 WHERE id = $1", {id, state, now}));
}

Result<std::optional<CreateRequest>> create_request(Transaction& t, std::string_view organization,
                                                    std::string_view id) {
  static const std::string kQuery = std::string(kCreateRequestColumns) + "WHERE organization = $1 AND id = $2";
  return one(t.run(kQuery, {organization, id}), make_create_request);
}
Result<std::vector<CreateRequest>> create_requests(Transaction& t, std::string_view organization,
                                                   const std::vector<std::string>& states, std::string_view after,
                                                   int64_t limit) {
  static const std::string kQuery =
      std::string(kCreateRequestColumns) +
      "WHERE organization = $1 AND id > $2 AND ($3 = '' OR state IN ($3, $4, $5)) ORDER BY id LIMIT $6";
  const auto state = [&](size_t i) { return i < states.size() ? states[i] : states.empty() ? "" : states[0]; };
  return all(t.run(kQuery, {organization, after, state(0), state(1), state(2), limit}), make_create_request);
}
Status insert(Transaction& t, const CreateRequest& r) {
  return done(
      t.run("INSERT INTO org_create_request (id, organization, name, state, account, failure, requested, "
            "completed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            {r.id, r.organization, r.name, r.state, r.account, r.failure, r.requested, r.completed}));
}

Result<bool> service_enabled(Transaction& t, std::string_view organization, std::string_view principal) {
  return any(
      t.run("SELECT principal FROM org_service WHERE organization = $1 AND principal = $2", {organization, principal}));
}
Result<std::vector<Service>> services(Transaction& t, std::string_view organization, std::string_view after,
                                      int64_t limit) {
  return all(t.run("SELECT principal, enabled FROM org_service WHERE organization = $1 AND principal > $2 "
                   "ORDER BY principal LIMIT $3",
                   {organization, after, limit}),
             [](const Row& r) {
               return Service{r.text(0), r.time(1)};
             });
}
Status enable_service(Transaction& t, std::string_view organization, std::string_view principal, WallTime now) {
  return done(
      t.run("INSERT INTO org_service (organization, principal, enabled) VALUES ($1, $2, $3) "
            "ON CONFLICT (organization, principal) DO NOTHING",
            {organization, principal, now}));
}
Status disable_service(Transaction& t, std::string_view organization, std::string_view principal) {
  COFFER_CHECK_OK(
      t.run("DELETE FROM org_delegate WHERE organization = $1 AND principal = $2", {organization, principal}));
  return done(t.run("DELETE FROM org_service WHERE organization = $1 AND principal = $2", {organization, principal}));
}

Result<bool> is_delegate(Transaction& t, std::string_view account) {
  return any(t.run("SELECT account FROM org_delegate WHERE account = $1 LIMIT 1", {account}));
}
Result<bool> is_delegate_for(Transaction& t, std::string_view account, std::string_view principal) {
  return any(t.run("SELECT account FROM org_delegate WHERE account = $1 AND principal = $2", {account, principal}));
}
Result<int64_t> count_delegates(Transaction& t, std::string_view organization, std::string_view principal) {
  return number(
      t.run("SELECT COUNT(*) FROM org_delegate WHERE organization = $1 AND principal = $2", {organization, principal}));
}
Result<std::vector<Delegate>> delegates(Transaction& t, std::string_view organization, std::string_view principal,
                                        std::string_view after, int64_t limit) {
  return all(t.run("SELECT a.account, a.organization, a.parent, c.name, c.email, a.joined_method, a.joined, a.closed, "
                   "d.first FROM (SELECT account, MIN(enabled) AS first FROM org_delegate WHERE organization = $1 AND "
                   "($2 = '' OR principal = $2) AND account > $3 GROUP BY account) d "
                   "JOIN org_account a ON a.account = d.account JOIN org_contact c ON c.account = a.account "
                   "ORDER BY a.account LIMIT $4",
                   {organization, principal, after, limit}),
             [](const Row& r) {
               return Delegate{make_account(r), r.time(8)};
             });
}
Result<std::vector<Service>> delegated_services(Transaction& t, std::string_view account, std::string_view after,
                                                int64_t limit) {
  return all(t.run("SELECT principal, enabled FROM org_delegate WHERE account = $1 AND principal > $2 "
                   "ORDER BY principal LIMIT $3",
                   {account, after, limit}),
             [](const Row& r) {
               return Service{r.text(0), r.time(1)};
             });
}
Status add_delegate(Transaction& t, std::string_view organization, std::string_view account, std::string_view principal,
                    WallTime now) {
  return done(t.run("INSERT INTO org_delegate (organization, account, principal, enabled) VALUES ($1, $2, $3, $4)",
                    {organization, account, principal, now}));
}
Status remove_delegate(Transaction& t, std::string_view account, std::string_view principal) {
  return done(t.run("DELETE FROM org_delegate WHERE account = $1 AND principal = $2", {account, principal}));
}

Result<std::optional<ResourcePolicy>> resource_policy(Transaction& t, std::string_view organization) {
  return one(t.run("SELECT id, content FROM org_resource_policy WHERE organization = $1", {organization}),
             [](const Row& r) {
               return ResourcePolicy{r.text(0), r.text(1)};
             });
}
Status set_resource_policy(Transaction& t, std::string_view organization, const ResourcePolicy& p) {
  return done(
      t.run("INSERT INTO org_resource_policy (organization, id, content) VALUES ($1, $2, $3) "
            "ON CONFLICT (organization) DO UPDATE SET content = $3",
            {organization, p.id, p.content}));
}
Status remove_resource_policy(Transaction& t, std::string_view organization) {
  return done(t.run("DELETE FROM org_resource_policy WHERE organization = $1", {organization}));
}

Result<std::optional<Bytes>> page_key(Transaction& t) {
  return one(t.run("SELECT secret FROM org_secret WHERE name = 'pages'"), [](const Row& r) { return r.blob(0); });
}
Status set_page_key(Transaction& t, ByteView key) {
  return done(t.run("INSERT INTO org_secret (name, secret) VALUES ('pages', $1)", {key}));
}

}  // namespace coffer::organizations::rows
