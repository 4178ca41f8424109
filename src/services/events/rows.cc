#include "services/events/rows.h"

#include <algorithm>

#include "services/api/value_json.h"

namespace coffer::events::rows {
namespace {

using catalog::Parameter;
using catalog::Row;

constexpr std::string_view kBusColumns = "account, region, name, policy, settings, created, modified, revision";
constexpr std::string_view kRuleColumns =
    "account, region, bus, name, pattern, schedule, state, description, role, managed_by, created_by, created, "
    "next_run, anchor";
constexpr std::string_view kTargetColumns = "account, region, bus, rule, id, arn, settings";
constexpr std::string_view kDeliveryColumns =
    "id, message, event_id, account, region, bus, rule, target, order_key, lane, created, wake, attempts, token, "
    "error_code, error_message";
constexpr std::string_view kLetterColumns =
    "id, account, region, bus, rule, target, target_arn, event_id, event, error_code, error_message, exhausted, "
    "attempts, created, sent_to";
constexpr std::string_view kEndpointColumns =
    "kind, account, region, name, id, settings, secret, state, created, modified, authorized";
constexpr std::string_view kArchiveColumns =
    "account, region, name, bus, pattern, description, kms_key, retention_days, created, events, size_bytes";
constexpr std::string_view kReplayColumns =
    "account, region, name, archive, description, state, reason, from_time, until_time, started, ended, last_time, "
    "last_id, destination";

using Parameters = std::initializer_list<Parameter>;

Status change(Transaction& t, std::string_view sql, Parameters parameters) {
  COFFER_CHECK_OK(t.run(sql, parameters));
  return ok_status();
}

/// The rows of a SELECT, each as `read` has it.
template <class T>
Result<std::vector<T>> select(Transaction& t, std::string_view columns, std::string_view rest, Parameters parameters,
                              Result<T> (*read)(const Row&)) {
  COFFER_TRY(const catalog::Rows rows,
             t.run("SELECT " + std::string(columns) + " FROM " + std::string(rest), parameters));
  std::vector<T> all;
  all.reserve(rows.size());
  for (const Row& row : rows) {
    COFFER_TRY(T one, read(row));
    all.push_back(std::move(one));
  }
  return all;
}
template <class T>
Result<std::optional<T>> first(Result<std::vector<T>> all) {
  if (!all.ok()) return std::move(all).error();
  return all->empty() ? std::nullopt : std::optional<T>(std::move(all->front()));
}

/// Beyond every name that begins with `prefix`: names are letters, digits and "/.-_".
std::string end_of(std::string_view prefix) { return std::string(prefix) + "~"; }

std::string json_of(const api::Value& value) { return api::to_json(value.is_null() ? api::Value::object() : value); }

Result<Bus> read_bus(const Row& row) {
  Bus bus;
  bus.name = {row.text(0), row.text(1), row.text(2)};
  bus.policy = row.text(3);
  COFFER_TRY(bus.settings, api::from_json(row.text(4)));
  bus.created = row.time(5);
  bus.modified = row.time(6);
  bus.revision = row.integer(7);
  return bus;
}

Result<Rule> read_rule(const Row& row) {
  Rule rule;
  rule.name = {{row.text(0), row.text(1), row.text(2)}, row.text(3)};
  std::string* texts[] = {&rule.pattern, &rule.schedule,   &rule.state,     &rule.description,
                          &rule.role,    &rule.managed_by, &rule.created_by};
  for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(4 + i);
  rule.created = row.time(11);
  rule.next_run = row.time_if(12);
  rule.anchor = row.time(13);
  return rule;
}

Result<Target> read_target(const Row& row) {
  Target target;
  target.rule = {{row.text(0), row.text(1), row.text(2)}, row.text(3)};
  target.id = row.text(4);
  target.arn = row.text(5);
  COFFER_TRY(target.settings, api::from_json(row.text(6)));
  return target;
}

Delivery delivery_of(const Row& row) {
  Delivery d;
  d.id = row.integer(0);
  d.message = row.integer(1);
  d.event_id = row.text(2);
  d.rule = {{row.text(3), row.text(4), row.text(5)}, row.text(6)};
  d.target = row.text(7);
  d.order_key = row.text(8);
  d.lane = row.integer(9);
  d.created = row.time(10);
  d.wake = row.time(11);
  d.attempts = row.integer(12);
  d.token = row.integer(13);
  d.error_code = row.text(14);
  d.error_message = row.text(15);
  return d;
}

Result<DeadLetter> read_letter(const Row& row) {
  DeadLetter letter;
  letter.id = row.integer(0);
  letter.rule = {{row.text(1), row.text(2), row.text(3)}, row.text(4)};
  std::string* texts[] = {&letter.target,     &letter.target_arn,    &letter.event_id, &letter.event,
                          &letter.error_code, &letter.error_message, &letter.exhausted};
  for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(5 + i);
  letter.attempts = row.integer(12);
  letter.created = row.time(13);
  letter.sent_to = row.text(14);
  return letter;
}

Result<Endpoint> read_endpoint(const Row& row) {
  Endpoint e;
  std::string* texts[] = {&e.kind, &e.account, &e.region, &e.name, &e.id};
  for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(i);
  COFFER_TRY(e.settings, api::from_json(row.text(5)));
  e.secret = row.blob(6);
  e.state = row.text(7);
  e.created = row.time(8);
  e.modified = row.time(9);
  e.authorized = row.time(10);
  return e;
}

Result<Archive> read_archive(const Row& row) {
  Archive a;
  std::string* texts[] = {&a.account, &a.region, &a.name, &a.bus, &a.pattern, &a.description, &a.kms_key};
  for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(i);
  a.retention_days = row.integer(7);
  a.created = row.time(8);
  a.events = row.integer(9);
  a.size_bytes = row.integer(10);
  return a;
}

Result<Replay> read_replay(const Row& row) {
  Replay r;
  std::string* texts[] = {&r.account, &r.region, &r.name, &r.archive, &r.description, &r.state, &r.reason};
  for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(i);
  r.from = row.time(7);
  r.until = row.time(8);
  r.started = row.time(9);
  r.ended = row.time_if(10);
  r.last_time = row.time(11);
  r.last_id = row.integer(12);
  COFFER_TRY(r.destination, api::from_json(row.text(13)));
  return r;
}

Result<int64_t> count(Transaction& t, std::string_view sql, Parameters parameters) {
  COFFER_TRY(const auto row, t.first(sql, parameters));
  return row ? row->integer(0) : 0;
}

}  // namespace

// ---- buses

Result<std::optional<Bus>> find_bus(Transaction& t, const BusName& n) {
  return first(select<Bus>(t, kBusColumns, "events_buses WHERE account = $1 AND region = $2 AND name = $3",
                           {n.account, n.region, n.name}, read_bus));
}
Result<std::vector<Bus>> list_buses(Transaction& t, std::string_view account, std::string_view region,
                                    std::string_view prefix, std::string_view after, int64_t limit) {
  return select<Bus>(t, kBusColumns,
                     "events_buses WHERE account = $1 AND region = $2 AND name >= $3 AND name < $4 AND name > $5 "
                     "ORDER BY name LIMIT $6",
                     {account, region, prefix, end_of(prefix), after, limit}, read_bus);
}
Status put_bus(Transaction& t, const Bus& b) {
  return change(
      t,
      "INSERT INTO events_buses (" + std::string(kBusColumns) +
          ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (account, region, name) DO UPDATE SET "
          "policy = excluded.policy, settings = excluded.settings, modified = excluded.modified",
      {b.name.account, b.name.region, b.name.name, b.policy, json_of(b.settings), b.created, b.modified, b.revision});
}
Status remove_bus(Transaction& t, const BusName& n) {
  return change(t, "DELETE FROM events_buses WHERE account = $1 AND region = $2 AND name = $3",
                {n.account, n.region, n.name});
}
Status touch_bus(Transaction& t, const BusName& n) {
  return change(t, "UPDATE events_buses SET revision = revision + 1 WHERE account = $1 AND region = $2 AND name = $3",
                {n.account, n.region, n.name});
}

// ---- rules

Result<std::optional<Rule>> find_rule(Transaction& t, const RuleName& n) {
  return first(select<Rule>(t, kRuleColumns,
                            "events_rules WHERE account = $1 AND region = $2 AND bus = $3 AND name = $4",
                            {n.bus.account, n.bus.region, n.bus.name, n.name}, read_rule));
}
Result<std::vector<Rule>> list_rules(Transaction& t, const BusName& b, std::string_view prefix, std::string_view after,
                                     int64_t limit) {
  return select<Rule>(t, kRuleColumns,
                      "events_rules WHERE account = $1 AND region = $2 AND bus = $3 AND name >= $4 AND name < $5 AND "
                      "name > $6 ORDER BY name LIMIT $7",
                      {b.account, b.region, b.name, prefix, end_of(prefix), after, limit}, read_rule);
}
Result<int64_t> count_rules(Transaction& t, const BusName& b) {
  return count(t, "SELECT count(*) FROM events_rules WHERE account = $1 AND region = $2 AND bus = $3",
               {b.account, b.region, b.name});
}
Result<std::vector<Rule>> due_rules(Transaction& t, WallTime now, int64_t limit) {
  return select<Rule>(t, kRuleColumns, "events_rules WHERE next_run <= $1 ORDER BY next_run LIMIT $2", {now, limit},
                      read_rule);
}
Status put_rule(Transaction& t, const Rule& r) {
  return change(t,
                "INSERT INTO events_rules (" + std::string(kRuleColumns) +
                    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) "
                    "ON CONFLICT (account, region, bus, name) DO UPDATE SET pattern = excluded.pattern, "
                    "schedule = excluded.schedule, state = excluded.state, description = excluded.description, "
                    "role = excluded.role, next_run = excluded.next_run, anchor = excluded.anchor",
                {r.name.bus.account, r.name.bus.region, r.name.bus.name, r.name.name, r.pattern, r.schedule, r.state,
                 r.description, r.role, r.managed_by, r.created_by, r.created, r.next_run, r.anchor});
}
Status remove_rule(Transaction& t, const RuleName& n) {
  return change(t, "DELETE FROM events_rules WHERE account = $1 AND region = $2 AND bus = $3 AND name = $4",
                {n.bus.account, n.bus.region, n.bus.name, n.name});
}

// ---- targets

Result<std::optional<Target>> find_target(Transaction& t, const RuleName& n, std::string_view id) {
  return first(select<Target>(
      t, kTargetColumns, "events_targets WHERE account = $1 AND region = $2 AND bus = $3 AND rule = $4 AND id = $5",
      {n.bus.account, n.bus.region, n.bus.name, n.name, id}, read_target));
}
Result<std::vector<Target>> list_targets(Transaction& t, const RuleName& n, std::string_view after, int64_t limit) {
  return select<Target>(t, kTargetColumns,
                        "events_targets WHERE account = $1 AND region = $2 AND bus = $3 AND rule = $4 AND id > $5 "
                        "ORDER BY id LIMIT $6",
                        {n.bus.account, n.bus.region, n.bus.name, n.name, after, limit}, read_target);
}
Result<std::vector<std::string>> rules_of_target(Transaction& t, const BusName& b, std::string_view arn,
                                                 std::string_view after, int64_t limit) {
  COFFER_TRY(const catalog::Rows rows,
             t.run("SELECT DISTINCT rule FROM events_targets WHERE account = $1 AND region = $2 AND bus = $3 AND "
                   "arn = $4 AND rule > $5 ORDER BY rule LIMIT $6",
                   {b.account, b.region, b.name, arn, after, limit}));
  std::vector<std::string> names;
  for (const Row& row : rows) names.push_back(row.text(0));
  return names;
}
Result<int64_t> count_targets(Transaction& t, const RuleName& n) {
  return count(t, "SELECT count(*) FROM events_targets WHERE account = $1 AND region = $2 AND bus = $3 AND rule = $4",
               {n.bus.account, n.bus.region, n.bus.name, n.name});
}
Status put_target(Transaction& t, const Target& g) {
  return change(
      t,
      "INSERT INTO events_targets (" + std::string(kTargetColumns) +
          ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account, region, bus, rule, id) DO UPDATE SET "
          "arn = excluded.arn, settings = excluded.settings",
      {g.rule.bus.account, g.rule.bus.region, g.rule.bus.name, g.rule.name, g.id, g.arn, json_of(g.settings)});
}
Status remove_target(Transaction& t, const RuleName& n, std::string_view id) {
  return change(t,
                "DELETE FROM events_targets WHERE account = $1 AND region = $2 AND bus = $3 AND rule = $4 AND id = $5",
                {n.bus.account, n.bus.region, n.bus.name, n.name, id});
}

// ---- tags

Result<std::map<std::string, std::string>> tags(Transaction& t, std::string_view arn) {
  COFFER_TRY(const catalog::Rows rows, t.run("SELECT key, value FROM events_tags WHERE arn = $1", {arn}));
  std::map<std::string, std::string> all;
  for (const Row& row : rows) all[row.text(0)] = row.text(1);
  return all;
}
Status put_tag(Transaction& t, std::string_view arn, std::string_view key, std::string_view value) {
  return change(t,
                "INSERT INTO events_tags (arn, key, value) VALUES ($1, $2, $3) ON CONFLICT (arn, key) DO UPDATE SET "
                "value = excluded.value",
                {arn, key, value});
}
Status remove_tag(Transaction& t, std::string_view arn, std::string_view key) {
  return change(t, "DELETE FROM events_tags WHERE arn = $1 AND key = $2", {arn, key});
}
Status remove_tags(Transaction& t, std::string_view arn) {
  return change(t, "DELETE FROM events_tags WHERE arn = $1", {arn});
}

// ---- deliveries

Result<int64_t> insert_message(Transaction& t, std::string_view event) {
  COFFER_TRY(const auto row, t.first("INSERT INTO events_messages (event) VALUES ($1) RETURNING id", {event}));
  return row->integer(0);
}
Result<std::optional<std::string>> find_message(Transaction& t, int64_t id) {
  COFFER_TRY(const auto row, t.first("SELECT event FROM events_messages WHERE id = $1", {id}));
  return row ? std::optional(row->text(0)) : std::nullopt;
}
Result<bool> insert_delivery(Transaction& t, const Delivery& d) {
  COFFER_TRY(const auto row,
             t.first("INSERT INTO events_deliveries (message, event_id, account, region, bus, rule, target, order_key, "
                     "lane, created, wake, attempts, token, error_code, error_message) "
                     "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, '', '') "
                     "ON CONFLICT (event_id, account, region, bus, rule, target) DO NOTHING RETURNING id",
                     {d.message, d.event_id, d.rule.bus.account, d.rule.bus.region, d.rule.bus.name, d.rule.name,
                      d.target, d.order_key, d.lane, d.created, d.wake}));
  return row.has_value();
}
Result<std::vector<Delivery>> claim_deliveries(Transaction& t, int64_t lane, std::string_view holder, WallTime now,
                                               std::chrono::seconds lease, std::chrono::seconds patience,
                                               int64_t limit) {
  COFFER_TRY(const catalog::Rows rows,
             t.run("UPDATE events_deliveries SET holder = $1, wake = $2, token = token + 1, attempts = attempts + 1 "
                   "WHERE id IN (SELECT id FROM events_deliveries d WHERE d.lane = $3 AND d.wake <= $4 AND NOT EXISTS "
                   "(SELECT 1 FROM events_deliveries e WHERE e.order_key = d.order_key AND e.id < d.id AND "
                   "e.created > $5) ORDER BY d.wake, d.id LIMIT $6 {skip_locked}) RETURNING " +
                       std::string(kDeliveryColumns),
                   {holder, now + lease, lane, now, now - patience, limit}));
  std::vector<Delivery> all;
  for (const Row& row : rows) {
    all.push_back(delivery_of(row));
    all.back().holder = holder;
  }
  std::sort(all.begin(), all.end(), [](const Delivery& a, const Delivery& b) { return a.id < b.id; });
  return all;
}
Result<bool> has_due_delivery(Transaction& t, int64_t lane, WallTime now) {
  COFFER_TRY(
      const auto row,
      t.first("SELECT id FROM events_deliveries WHERE lane = $1 AND wake <= $2 ORDER BY wake LIMIT 1", {lane, now}));
  return row.has_value();
}
Status check_fence(Transaction& t, const Delivery& d) {
  COFFER_TRY(const auto row, t.first("SELECT token FROM events_deliveries WHERE id = $1", {d.id}));
  if (row && row->integer(0) == d.token) return ok_status();
  return Error{ErrorCode::kFailedPrecondition,
               "the delivery of event " + d.event_id + " to " + d.rule.name + "/" + d.target + " was taken over",
               {}};
}
Status remove_delivery(Transaction& t, const Delivery& d) {
  COFFER_CHECK_OK(change(t, "DELETE FROM events_deliveries WHERE id = $1", {d.id}));
  return change(t,
                "DELETE FROM events_messages WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM events_deliveries WHERE "
                "message = $1)",
                {d.message});
}
Status postpone_delivery(Transaction& t, const Delivery& d, WallTime wake) {
  return change(
      t,
      "UPDATE events_deliveries SET holder = NULL, wake = $2, error_code = $3, error_message = $4, attempts = $5 "
      "WHERE id = $1",
      {d.id, wake, d.error_code, d.error_message, d.attempts});
}

// ---- dead letters

Result<int64_t> insert_dead_letter(Transaction& t, const DeadLetter& l) {
  COFFER_TRY(
      const auto row,
      t.first("INSERT INTO events_dead_letters (account, region, bus, rule, target, target_arn, event_id, event, "
              "error_code, error_message, exhausted, attempts, created, sent_to) "
              "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id",
              {l.rule.bus.account, l.rule.bus.region, l.rule.bus.name, l.rule.name, l.target, l.target_arn, l.event_id,
               l.event, l.error_code, l.error_message, l.exhausted, l.attempts, l.created, l.sent_to}));
  return row->integer(0);
}
Result<std::vector<DeadLetter>> list_dead_letters(Transaction& t, std::string_view account, std::string_view region,
                                                  int64_t after, int64_t limit) {
  return select<DeadLetter>(t, kLetterColumns,
                            "events_dead_letters WHERE account = $1 AND region = $2 AND id > $3 ORDER BY id LIMIT $4",
                            {account, region, after, limit}, read_letter);
}
Result<std::optional<DeadLetter>> find_dead_letter(Transaction& t, std::string_view account, int64_t id) {
  return first(select<DeadLetter>(t, kLetterColumns, "events_dead_letters WHERE account = $1 AND id = $2",
                                  {account, id}, read_letter));
}
Status remove_dead_letter(Transaction& t, int64_t id) {
  return change(t, "DELETE FROM events_dead_letters WHERE id = $1", {id});
}
Status remove_dead_letters_before(Transaction& t, WallTime time) {
  return change(t, "DELETE FROM events_dead_letters WHERE created < $1", {time});
}

// ---- connections and API destinations

Result<std::optional<Endpoint>> find_endpoint(Transaction& t, std::string_view kind, std::string_view account,
                                              std::string_view region, std::string_view name) {
  return first(select<Endpoint>(t, kEndpointColumns,
                                "events_endpoints WHERE kind = $1 AND account = $2 AND region = $3 AND name = $4",
                                {kind, account, region, name}, read_endpoint));
}
Result<std::vector<Endpoint>> list_endpoints(Transaction& t, std::string_view kind, std::string_view account,
                                             std::string_view region, std::string_view prefix, std::string_view after,
                                             int64_t limit) {
  return select<Endpoint>(t, kEndpointColumns,
                          "events_endpoints WHERE kind = $1 AND account = $2 AND region = $3 AND name >= $4 AND "
                          "name < $5 AND name > $6 ORDER BY name LIMIT $7",
                          {kind, account, region, prefix, end_of(prefix), after, limit}, read_endpoint);
}
Status put_endpoint(Transaction& t, const Endpoint& e) {
  return change(t,
                "INSERT INTO events_endpoints (" + std::string(kEndpointColumns) +
                    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
                    "ON CONFLICT (kind, account, region, name) DO UPDATE SET settings = excluded.settings, "
                    "secret = excluded.secret, state = excluded.state, modified = excluded.modified, "
                    "authorized = excluded.authorized",
                {e.kind, e.account, e.region, e.name, e.id, json_of(e.settings), e.secret, e.state, e.created,
                 e.modified, e.authorized});
}
Status remove_endpoint(Transaction& t, const Endpoint& e) {
  return change(t, "DELETE FROM events_endpoints WHERE kind = $1 AND account = $2 AND region = $3 AND name = $4",
                {e.kind, e.account, e.region, e.name});
}

// ---- archives

Result<std::optional<Archive>> find_archive(Transaction& t, std::string_view account, std::string_view region,
                                            std::string_view name) {
  return first(select<Archive>(t, kArchiveColumns, "events_archives WHERE account = $1 AND region = $2 AND name = $3",
                               {account, region, name}, read_archive));
}
Result<std::vector<Archive>> list_archives(Transaction& t, std::string_view account, std::string_view region,
                                           std::string_view prefix, std::string_view after, int64_t limit) {
  return select<Archive>(t, kArchiveColumns,
                         "events_archives WHERE account = $1 AND region = $2 AND name >= $3 AND name < $4 AND name > "
                         "$5 ORDER BY name LIMIT $6",
                         {account, region, prefix, end_of(prefix), after, limit}, read_archive);
}
Result<std::vector<Archive>> archives_of(Transaction& t, const BusName& b) {
  return select<Archive>(t, kArchiveColumns,
                         "events_archives WHERE account = $1 AND region = $2 AND bus = $3 ORDER BY name",
                         {b.account, b.region, b.name}, read_archive);
}
Result<std::vector<Archive>> archives_with_retention(Transaction& t) {
  return select<Archive>(t, kArchiveColumns, "events_archives WHERE retention_days > 0", {}, read_archive);
}
Status put_archive(Transaction& t, const Archive& a) {
  return change(t,
                "INSERT INTO events_archives (" + std::string(kArchiveColumns) +
                    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (account, region, name) DO "
                    "UPDATE SET pattern = excluded.pattern, description = excluded.description, "
                    "kms_key = excluded.kms_key, retention_days = excluded.retention_days",
                {a.account, a.region, a.name, a.bus, a.pattern, a.description, a.kms_key, a.retention_days, a.created,
                 a.events, a.size_bytes});
}
Status remove_archive(Transaction& t, const Archive& a) {
  COFFER_CHECK_OK(change(t, "DELETE FROM events_archived WHERE account = $1 AND region = $2 AND archive = $3",
                         {a.account, a.region, a.name}));
  return change(t, "DELETE FROM events_archives WHERE account = $1 AND region = $2 AND name = $3",
                {a.account, a.region, a.name});
}
Status archive_event(Transaction& t, const Archive& a, WallTime time, std::string_view event) {
  COFFER_CHECK_OK(change(
      t,
      "INSERT INTO events_archived (account, region, archive, time, size_bytes, event) VALUES ($1, $2, $3, $4, $5, $6)",
      {a.account, a.region, a.name, time, static_cast<int64_t>(event.size()), event}));
  return change(t,
                "UPDATE events_archives SET events = events + 1, size_bytes = size_bytes + $4 WHERE account = $1 AND "
                "region = $2 AND name = $3",
                {a.account, a.region, a.name, static_cast<int64_t>(event.size())});
}
Result<std::vector<ArchivedEvent>> archived_events(Transaction& t, const Archive& a, WallTime from, WallTime until,
                                                   std::pair<WallTime, int64_t> after, int64_t limit) {
  COFFER_TRY(
      const catalog::Rows rows,
      t.run("SELECT id, time, event FROM events_archived WHERE account = $1 AND region = $2 AND archive = $3 AND "
            "time >= $4 AND time < $5 AND (time > $6 OR (time = $6 AND id > $7)) ORDER BY time, id LIMIT $8",
            {a.account, a.region, a.name, from, until, after.first, after.second, limit}));
  std::vector<ArchivedEvent> all;
  for (const Row& row : rows) all.push_back({row.integer(0), row.time(1), row.text(2)});
  return all;
}
Status forget_archived_before(Transaction& t, const Archive& a, WallTime time) {
  COFFER_TRY(const catalog::Rows rows,
             t.run("DELETE FROM events_archived WHERE account = $1 AND region = $2 AND archive = $3 AND time < $4 "
                   "RETURNING size_bytes",
                   {a.account, a.region, a.name, time}));
  if (rows.empty()) return ok_status();
  int64_t size = 0;
  for (const Row& row : rows) size += row.integer(0);
  return change(t,
                "UPDATE events_archives SET events = events - $4, size_bytes = size_bytes - $5 WHERE account = $1 AND "
                "region = $2 AND name = $3",
                {a.account, a.region, a.name, static_cast<int64_t>(rows.size()), size});
}

// ---- replays

Result<std::optional<Replay>> find_replay(Transaction& t, std::string_view account, std::string_view region,
                                          std::string_view name) {
  return first(select<Replay>(t, kReplayColumns, "events_replays WHERE account = $1 AND region = $2 AND name = $3",
                              {account, region, name}, read_replay));
}
Result<std::vector<Replay>> list_replays(Transaction& t, std::string_view account, std::string_view region,
                                         std::string_view prefix, std::string_view after, int64_t limit) {
  return select<Replay>(t, kReplayColumns,
                        "events_replays WHERE account = $1 AND region = $2 AND name >= $3 AND name < $4 AND name > $5 "
                        "ORDER BY name LIMIT $6",
                        {account, region, prefix, end_of(prefix), after, limit}, read_replay);
}
Result<std::vector<Replay>> running_replays(Transaction& t, int64_t limit) {
  return select<Replay>(t, kReplayColumns,
                        "events_replays WHERE state IN ('STARTING', 'RUNNING', 'CANCELLING') ORDER BY started LIMIT $1",
                        {limit}, read_replay);
}
Status put_replay(Transaction& t, const Replay& r) {
  return change(t,
                "INSERT INTO events_replays (" + std::string(kReplayColumns) +
                    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) "
                    "ON CONFLICT (account, region, name) DO UPDATE SET state = excluded.state, "
                    "reason = excluded.reason, ended = excluded.ended, last_time = excluded.last_time, "
                    "last_id = excluded.last_id",
                {r.account, r.region, r.name, r.archive, r.description, r.state, r.reason, r.from, r.until, r.started,
                 r.ended, r.last_time, r.last_id, json_of(r.destination)});
}
Status remove_replays_ended_before(Transaction& t, WallTime time) {
  return change(t, "DELETE FROM events_replays WHERE ended < $1", {time});
}

}  // namespace coffer::events::rows
