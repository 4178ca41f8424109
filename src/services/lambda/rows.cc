#include "services/lambda/rows.h"

#include "services/api/value_json.h"

namespace coffer::lambda::rows {
namespace {

constexpr std::string_view kVersionColumns =
    "account, region, name, number, configuration, environment, environment_key, code, code_sha256, code_size, "
    "revision, modified";
constexpr std::string_view kOfFunction = "account = $1 AND region = $2 AND name = $3";

Status change(Transaction& t, std::string_view sql, std::initializer_list<catalog::Parameter> parameters) {
  COFFER_CHECK_OK(t.run(sql, parameters));
  return ok_status();
}

/// Each row as `read` has it; the first that cannot be read is the answer.
template <class T>
Result<std::vector<T>> all_of(Result<catalog::Rows> found, Result<T> (*read)(const catalog::Row&)) {
  if (!found.ok()) return std::move(found).error();
  std::vector<T> all;
  all.reserve(found->size());
  for (const catalog::Row& row : *found) {
    COFFER_TRY(T one, read(row));
    all.push_back(std::move(one));
  }
  return all;
}

template <class T>
Result<std::optional<T>> first_of(Result<std::vector<T>> all) {
  if (!all.ok()) return std::move(all).error();
  return all->empty() ? std::optional<T>() : std::optional<T>(std::move(all->front()));
}

Key key_of(const catalog::Row& row) { return {row.text(0), row.text(1), row.text(2)}; }

Result<Function> function_of(const catalog::Row& row) {
  Function function{key_of(row), row.integer(3), {}};
  if (!row.is_null(4)) function.reserved = row.integer(4);
  return function;
}

Result<Version> version_of(const catalog::Row& row) {
  Version v;
  v.key = key_of(row);
  v.number = row.integer(3);
  COFFER_TRY(v.configuration, api::from_json(row.text(4)));
  v.environment = row.blob(5);
  v.environment_key = row.blob(6);
  v.code = row.text(7);
  v.code_sha256 = row.text(8);
  v.code_size = row.integer(9);
  v.revision = row.text(10);
  v.modified = row.time(11);
  return v;
}

Result<std::vector<Version>> versions(Transaction& t, std::string_view rest,
                                      std::initializer_list<catalog::Parameter> parameters) {
  return all_of(
      t.run("SELECT " + std::string(kVersionColumns) + " FROM lambda_versions WHERE " + std::string(rest), parameters),
      version_of);
}

Result<Alias> alias_of(const catalog::Row& row) {
  return Alias{key_of(row), row.text(3), row.text(4), row.text(5), row.text(6), row.integer(7)};
}
Result<Statement> statement_of(const catalog::Row& row) {
  return Statement{row.text(0), row.text(1), row.text(2), row.integer(3)};
}
Result<EventConfig> event_config_of(const catalog::Row& row) {
  COFFER_TRY(api::Value configuration, api::from_json(row.text(1)));
  return EventConfig{row.text(0), std::move(configuration), row.time(2)};
}

Result<int64_t> number(Transaction& t, std::string_view sql, std::string_view account, std::string_view region) {
  COFFER_TRY(auto row, t.first(sql, {account, region}));
  return row ? row->integer(0) : 0;
}

}  // namespace

Result<std::optional<Function>> find_function(Transaction& t, const Key& k) {
  return first_of(all_of(t.run("SELECT account, region, name, next_version, reserved FROM lambda_functions WHERE " +
                                   std::string(kOfFunction),
                               {k.account, k.region, k.name}),
                         function_of));
}
Status insert_function(Transaction& t, const Function& f) {
  return change(
      t, "INSERT INTO lambda_functions (account, region, name, next_version, reserved) VALUES ($1, $2, $3, $4, $5)",
      {f.key.account, f.key.region, f.key.name, f.next_version, f.reserved});
}
Status update_function(Transaction& t, const Function& f) {
  return change(t,
                "UPDATE lambda_functions SET next_version = $4, reserved = $5 WHERE account = $1 AND region = $2 AND "
                "name = $3",
                {f.key.account, f.key.region, f.key.name, f.next_version, f.reserved});
}
Status remove_function(Transaction& t, const Key& k) {
  for (std::string_view table : {"lambda_functions", "lambda_versions", "lambda_aliases", "lambda_statements",
                                 "lambda_tags", "lambda_event_configs", "lambda_async"}) {
    COFFER_CHECK_OK(change(t, "DELETE FROM " + std::string(table) + " WHERE " + std::string(kOfFunction),
                           {k.account, k.region, k.name}));
  }
  return ok_status();
}
Result<int64_t> count_functions(Transaction& t, std::string_view account, std::string_view region) {
  return number(t, "SELECT COUNT(*) FROM lambda_functions WHERE account = $1 AND region = $2", account, region);
}
Result<int64_t> reserved_concurrency(Transaction& t, std::string_view account, std::string_view region) {
  return number(t,
                "SELECT CAST(COALESCE(SUM(reserved), 0) AS BIGINT) FROM lambda_functions WHERE account = $1 AND "
                "region = $2",
                account, region);
}
Result<int64_t> total_code_size(Transaction& t, std::string_view account, std::string_view region) {
  return number(t,
                "SELECT CAST(COALESCE(SUM(code_size), 0) AS BIGINT) FROM lambda_versions WHERE account = $1 AND "
                "region = $2",
                account, region);
}

Result<std::optional<Version>> find_version(Transaction& t, const Key& k, int64_t number) {
  return first_of(versions(t, std::string(kOfFunction) + " AND number = $4", {k.account, k.region, k.name, number}));
}
Result<std::vector<Version>> list_versions(Transaction& t, const Key& k, int64_t after, int64_t limit) {
  return versions(t, std::string(kOfFunction) + " AND number > $4 ORDER BY number LIMIT $5",
                  {k.account, k.region, k.name, after, limit});
}
Result<std::vector<Version>> list_latest(Transaction& t, std::string_view account, std::string_view region,
                                         std::string_view after, int64_t limit) {
  return versions(t, "account = $1 AND region = $2 AND name > $3 AND number = 0 ORDER BY name LIMIT $4",
                  {account, region, after, limit});
}
Result<std::vector<Version>> list_all(Transaction& t, std::string_view account, std::string_view region,
                                      std::string_view after_name, int64_t after_number, int64_t limit) {
  return versions(t,
                  "account = $1 AND region = $2 AND (name > $3 OR (name = $3 AND number > $4)) ORDER BY name, number "
                  "LIMIT $5",
                  {account, region, after_name, after_number, limit});
}
Status put_version(Transaction& t, const Version& v) {
  return change(t,
                "INSERT INTO lambda_versions (" + std::string(kVersionColumns) +
                    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (account, region, name, "
                    "number) DO UPDATE SET configuration = $5, environment = $6, environment_key = $7, code = $8, "
                    "code_sha256 = $9, code_size = $10, revision = $11, modified = $12",
                {v.key.account, v.key.region, v.key.name, v.number, api::to_json(v.configuration), v.environment,
                 v.environment_key, v.code, v.code_sha256, v.code_size, v.revision, v.modified});
}
Status remove_version(Transaction& t, const Key& k, int64_t number) {
  return change(t, "DELETE FROM lambda_versions WHERE " + std::string(kOfFunction) + " AND number = $4",
                {k.account, k.region, k.name, number});
}
Result<bool> code_in_use(Transaction& t, std::string_view code) {
  COFFER_TRY(auto row, t.first("SELECT 1 FROM lambda_versions WHERE code = $1 LIMIT 1", {code}));
  return row.has_value();
}
Result<std::vector<std::string>> codes_of(Transaction& t, const Key& k) {
  COFFER_TRY(const catalog::Rows found,
             t.run("SELECT DISTINCT code FROM lambda_versions WHERE " + std::string(kOfFunction),
                   {k.account, k.region, k.name}));
  std::vector<std::string> codes;
  for (const catalog::Row& row : found) codes.push_back(row.text(0));
  return codes;
}

Result<std::optional<Alias>> find_alias(Transaction& t, const Key& k, std::string_view name) {
  return first_of(all_of(t.run("SELECT account, region, name, alias, description, routing, revision, number FROM "
                               "lambda_aliases WHERE " +
                                   std::string(kOfFunction) + " AND alias = $4",
                               {k.account, k.region, k.name, name}),
                         alias_of));
}
Result<std::vector<Alias>> list_aliases(Transaction& t, const Key& k, std::string_view after, int64_t limit) {
  return all_of(t.run("SELECT account, region, name, alias, description, routing, revision, number FROM "
                      "lambda_aliases WHERE " +
                          std::string(kOfFunction) + " AND alias > $4 ORDER BY alias LIMIT $5",
                      {k.account, k.region, k.name, after, limit}),
                alias_of);
}
Status put_alias(Transaction& t, const Alias& a) {
  return change(t,
                "INSERT INTO lambda_aliases (account, region, name, alias, number, description, routing, revision) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (account, region, name, alias) DO UPDATE SET "
                "number = $5, description = $6, routing = $7, revision = $8",
                {a.key.account, a.key.region, a.key.name, a.name, a.number, a.description, a.routing, a.revision});
}
Status remove_alias(Transaction& t, const Key& k, std::string_view name) {
  return change(t, "DELETE FROM lambda_aliases WHERE " + std::string(kOfFunction) + " AND alias = $4",
                {k.account, k.region, k.name, name});
}

Result<std::vector<Statement>> statements(Transaction& t, const Key& k, std::string_view qualifier) {
  return all_of(t.run("SELECT sid, statement, revision, number FROM lambda_statements WHERE " +
                          std::string(kOfFunction) + " AND qualifier = $4 ORDER BY number",
                      {k.account, k.region, k.name, qualifier}),
                statement_of);
}
Status insert_statement(Transaction& t, const Key& k, std::string_view qualifier, const Statement& s) {
  return change(t,
                "INSERT INTO lambda_statements (account, region, name, qualifier, sid, number, statement, revision) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                {k.account, k.region, k.name, qualifier, s.sid, s.number, s.json, s.revision});
}
Status remove_statement(Transaction& t, const Key& k, std::string_view qualifier, std::string_view sid) {
  return change(t,
                "DELETE FROM lambda_statements WHERE " + std::string(kOfFunction) + " AND qualifier = $4 AND sid = $5",
                {k.account, k.region, k.name, qualifier, sid});
}
Status set_policy_revision(Transaction& t, const Key& k, std::string_view qualifier, std::string_view revision) {
  return change(t,
                "UPDATE lambda_statements SET revision = $5 WHERE account = $1 AND region = $2 AND name = $3 AND "
                "qualifier = $4",
                {k.account, k.region, k.name, qualifier, revision});
}

Result<std::map<std::string, std::string>> tags(Transaction& t, const Key& k) {
  COFFER_TRY(const catalog::Rows found,
             t.run("SELECT tag_key, tag_value FROM lambda_tags WHERE " + std::string(kOfFunction),
                   {k.account, k.region, k.name}));
  std::map<std::string, std::string> all;
  for (const catalog::Row& row : found) all[row.text(0)] = row.text(1);
  return all;
}
Status put_tag(Transaction& t, const Key& k, std::string_view tag, std::string_view value) {
  return change(t,
                "INSERT INTO lambda_tags (account, region, name, tag_key, tag_value) VALUES ($1, $2, $3, $4, $5) ON "
                "CONFLICT (account, region, name, tag_key) DO UPDATE SET tag_value = $5",
                {k.account, k.region, k.name, tag, value});
}
Status remove_tag(Transaction& t, const Key& k, std::string_view tag) {
  return change(t, "DELETE FROM lambda_tags WHERE " + std::string(kOfFunction) + " AND tag_key = $4",
                {k.account, k.region, k.name, tag});
}

Result<std::optional<EventConfig>> find_event_config(Transaction& t, const Key& k, std::string_view qualifier) {
  return first_of(all_of(t.run("SELECT qualifier, configuration, modified FROM lambda_event_configs WHERE " +
                                   std::string(kOfFunction) + " AND qualifier = $4",
                               {k.account, k.region, k.name, qualifier}),
                         event_config_of));
}
Result<std::vector<EventConfig>> list_event_configs(Transaction& t, const Key& k, std::string_view after,
                                                    int64_t limit) {
  return all_of(t.run("SELECT qualifier, configuration, modified FROM lambda_event_configs WHERE " +
                          std::string(kOfFunction) + " AND qualifier > $4 ORDER BY qualifier LIMIT $5",
                      {k.account, k.region, k.name, after, limit}),
                event_config_of);
}
Status put_event_config(Transaction& t, const Key& k, const EventConfig& c) {
  return change(t,
                "INSERT INTO lambda_event_configs (account, region, name, qualifier, configuration, modified) VALUES "
                "($1, $2, $3, $4, $5, $6) ON CONFLICT (account, region, name, qualifier) DO UPDATE SET configuration "
                "= $5, modified = $6",
                {k.account, k.region, k.name, c.qualifier, api::to_json(c.configuration), c.modified});
}
Status remove_event_config(Transaction& t, const Key& k, std::string_view qualifier) {
  return change(t, "DELETE FROM lambda_event_configs WHERE " + std::string(kOfFunction) + " AND qualifier = $4",
                {k.account, k.region, k.name, qualifier});
}

Result<std::optional<Async>> find_async(Transaction& t, std::string_view request_id) {
  COFFER_TRY(auto row, t.first("SELECT account, region, name, qualifier, payload, client_context, queued, failures, "
                               "throttles, destination, record FROM lambda_async WHERE request_id = $1",
                               {request_id}));
  if (!row) return std::optional<Async>();
  return std::optional(Async{std::string(request_id), key_of(*row), row->text(3), row->blob(4), row->text(5),
                             row->time(6), row->integer(7), row->integer(8), row->text(9), row->text(10)});
}
Status insert_async(Transaction& t, const Async& a) {
  return change(t,
                "INSERT INTO lambda_async (request_id, account, region, name, qualifier, payload, client_context, "
                "queued, failures, throttles, destination, record) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
                "$11, $12)",
                {a.request_id, a.key.account, a.key.region, a.key.name, a.qualifier, a.payload, a.client_context,
                 a.queued, a.failures, a.throttles, a.destination, a.record});
}
Status update_async(Transaction& t, const Async& a) {
  return change(t,
                "UPDATE lambda_async SET failures = $2, throttles = $3, destination = $4, record = $5 WHERE "
                "request_id = $1",
                {a.request_id, a.failures, a.throttles, a.destination, a.record});
}
Status remove_async(Transaction& t, std::string_view request_id) {
  return change(t, "DELETE FROM lambda_async WHERE request_id = $1", {request_id});
}

}  // namespace coffer::lambda::rows
