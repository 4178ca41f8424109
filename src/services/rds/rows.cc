#include "services/rds/rows.h"

#include <charconv>

#include "services/api/value_json.h"
#include "services/rds/row_text.h"
#include "services/rds/service.h"

namespace coffer::rds {

std::string text_of(const std::map<std::string, std::string>& map) {
  return map.empty() ? std::string() : api::to_json(api::text_map(map));
}
std::string text_of(const std::vector<std::string>& list) {
  return list.empty() ? std::string() : api::to_json(api::text_list(list));
}

std::map<std::string, std::string> map_of(std::string_view text) {
  if (text.empty()) return {};
  const auto value = api::from_json(text);
  return value.ok() ? api::Value::object({{"m", *value}}).text_map("m") : std::map<std::string, std::string>();
}
std::vector<std::string> list_of(std::string_view text) {
  if (text.empty()) return {};
  const auto value = api::from_json(text);
  return value.ok() ? api::Value::object({{"l", *value}}).texts("l") : std::vector<std::string>();
}

uint64_t number_of(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

namespace rows {
namespace {

constexpr std::string_view kExportColumns =
    "account, region, identifier, source_arn, bucket, prefix, role_arn, kms_key, layout, status, failure_cause, "
    "warning, only_these, percent, extracted_bytes, snapshot_time, created, started, ended, place_account, "
    "place_region, place_name, place_key, reference, snapshot_identifier, database_identifier, grant_id";
constexpr std::string_view kOver = "('COMPLETE', 'FAILED', 'CANCELED')";

ExportTask export_of(const catalog::Row& row) {
  ExportTask e;
  std::string* texts[] = {&e.account,  &e.region,  &e.identifier, &e.source_arn, &e.bucket,        &e.prefix,
                          &e.role_arn, &e.kms_key, &e.layout,     &e.status,     &e.failure_cause, &e.warning};
  for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(i);
  e.only = list_of(row.text(12));
  e.percent = row.integer(13);
  e.extracted_bytes = row.integer(14);
  e.snapshot_time = row.time(15);
  e.created = row.time(16);
  e.started = row.time_if(17);
  e.ended = row.time_if(18);
  e.place = {row.text(19), row.text(20), row.text(21), row.text(22)};
  e.reference = row.text(23);
  e.snapshot_identifier = row.text(24);
  e.database_identifier = row.text(25);
  e.grant_id = row.text(26);
  return e;
}

Result<std::vector<ExportTask>> exports(Transaction& t, std::string_view rest,
                                        std::initializer_list<catalog::Parameter> parameters) {
  COFFER_TRY(const auto rows,
             t.run("SELECT " + std::string(kExportColumns) + " FROM rds_exports " + std::string(rest), parameters));
  std::vector<ExportTask> all;
  all.reserve(rows.size());
  for (const auto& row : rows) all.push_back(export_of(row));
  return all;
}

}  // namespace

Status insert_export(Transaction& t, const ExportTask& e) {
  const std::string only = text_of(e.only);
  COFFER_CHECK_OK(t.run("INSERT INTO rds_exports (" + std::string(kExportColumns) +
                            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
                            "$18, $19, $20, $21, $22, $23, $24, $25, $26, $27)",
                        {e.account,
                         e.region,
                         e.identifier,
                         e.source_arn,
                         e.bucket,
                         e.prefix,
                         e.role_arn,
                         e.kms_key,
                         e.layout,
                         e.status,
                         e.failure_cause,
                         e.warning,
                         only,
                         e.percent,
                         e.extracted_bytes,
                         e.snapshot_time,
                         e.created,
                         e.started,
                         e.ended,
                         e.place.account,
                         e.place.region,
                         e.place.name,
                         e.place.key_arn,
                         e.reference,
                         e.snapshot_identifier,
                         e.database_identifier,
                         e.grant_id}));
  return ok_status();
}

Status update_export(Transaction& t, const ExportTask& e) {
  COFFER_CHECK_OK(
      t.run("UPDATE rds_exports SET status = $4, failure_cause = $5, warning = $6, percent = $7, extracted_bytes = $8, "
            "started = $9, ended = $10 WHERE account = $1 AND region = $2 AND identifier = $3",
            {e.account, e.region, e.identifier, e.status, e.failure_cause, e.warning, e.percent, e.extracted_bytes,
             e.started, e.ended}));
  return ok_status();
}

Result<std::optional<ExportTask>> find_export(Transaction& t, std::string_view account, std::string_view region,
                                              std::string_view identifier) {
  COFFER_TRY(auto all,
             exports(t, "WHERE account = $1 AND region = $2 AND identifier = $3", {account, region, identifier}));
  return all.empty() ? std::nullopt : std::optional<ExportTask>(std::move(all.front()));
}

Result<std::vector<ExportTask>> exports_behind(Transaction& t, std::string_view account, std::string_view region,
                                               std::string_view after, int64_t limit) {
  return exports(t, "WHERE account = $1 AND region = $2 AND identifier > $3 ORDER BY identifier LIMIT $4",
                 {account, region, after, limit});
}

Result<std::vector<ExportTask>> running_exports(Transaction& t, std::string_view account, std::string_view region) {
  return exports(t,
                 "WHERE account = $1 AND region = $2 AND status NOT IN " + std::string(kOver) + " ORDER BY identifier",
                 {account, region});
}

Result<bool> is_exported(Transaction& t, const VaultPlace& place, std::string_view reference) {
  COFFER_TRY(const auto row, t.first("SELECT COUNT(*) FROM rds_exports WHERE place_account = $1 AND place_region = $2 "
                                     "AND place_name = $3 AND reference = $4 AND status NOT IN " +
                                         std::string(kOver),
                                     {place.account, place.region, place.name, reference}));
  return row && row->integer(0) > 0;
}

Status insert_event(Transaction& t, const EventRow& e) {
  const std::string categories = text_of(e.categories);
  COFFER_CHECK_OK(
      t.run("INSERT INTO rds_events (account, region, source_type, source_identifier, source_arn, event_id, "
            "message, categories, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            {e.account, e.region, e.source_type, e.source_identifier, e.source_arn, e.event_id, e.message, categories,
             e.time}));
  return ok_status();
}

Result<std::vector<EventRow>> events_between(Transaction& t, std::string_view account, std::string_view region,
                                             WallTime from, WallTime until, int64_t after, int64_t limit) {
  COFFER_TRY(const auto rows,
             t.run("SELECT sequence, account, region, source_type, source_identifier, source_arn, event_id, message, "
                   "categories, created FROM rds_events WHERE account = $1 AND region = $2 AND created >= $3 AND "
                   "created < $4 AND sequence > $5 ORDER BY sequence LIMIT $6",
                   {account, region, from, until, after, limit}));
  std::vector<EventRow> all;
  for (const auto& row : rows) {
    EventRow e;
    e.sequence = row.integer(0);
    std::string* texts[] = {&e.account,    &e.region,   &e.source_type, &e.source_identifier,
                            &e.source_arn, &e.event_id, &e.message};
    for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(1 + i);
    e.categories = list_of(row.text(8));
    e.time = row.time(9);
    all.push_back(std::move(e));
  }
  return all;
}

Status remove_events_before(Transaction& t, WallTime time) {
  COFFER_CHECK_OK(t.run("DELETE FROM rds_events WHERE created < $1", {time}));
  return ok_status();
}

}  // namespace rows

std::span<const catalog::Migration> migrations() {
  static constexpr catalog::Migration kMigrations[] = {
      {900, "rds: databases, snapshots, export tasks, events",
       "CREATE TABLE rds_databases (account TEXT NOT NULL, region TEXT NOT NULL, identifier TEXT NOT NULL, resource_id "
       "TEXT NOT NULL UNIQUE, system_identifier TEXT NOT NULL, engine_version TEXT NOT NULL, status TEXT NOT NULL, "
       "status_message TEXT NOT NULL, host TEXT NOT NULL, user_name TEXT NOT NULL, database_name TEXT NOT NULL, "
       "data_directory TEXT NOT NULL, port BIGINT NOT NULL, size_bytes BIGINT NOT NULL, kms_key TEXT NOT NULL, "
       "deletion_protection BIGINT NOT NULL, retention_days BIGINT NOT NULL, settings TEXT NOT NULL, tags TEXT NOT "
       "NULL, created BIGINT NOT NULL, probed BIGINT NOT NULL, sealed {blob} NOT NULL, PRIMARY KEY (account, region, "
       "identifier));\n"
       "CREATE INDEX rds_databases_probed ON rds_databases (probed);\n"
       "CREATE TABLE rds_snapshots (account TEXT NOT NULL, region TEXT NOT NULL, identifier TEXT NOT NULL, kind TEXT "
       "NOT NULL, status TEXT NOT NULL, status_message TEXT NOT NULL, percent BIGINT NOT NULL, database_identifier "
       "TEXT NOT NULL, resource_id TEXT NOT NULL, engine_version TEXT NOT NULL, user_name TEXT NOT NULL, port BIGINT "
       "NOT NULL, size_bytes BIGINT NOT NULL, created BIGINT NOT NULL, original_created BIGINT NOT NULL, "
       "database_created BIGINT NOT NULL, source_arn TEXT NOT NULL, place_account TEXT NOT NULL, place_region TEXT NOT "
       "NULL, place_name TEXT NOT NULL, place_key TEXT NOT NULL, reference TEXT NOT NULL, tags TEXT NOT NULL, "
       "restore_accounts TEXT NOT NULL, PRIMARY KEY (account, region, identifier));\n"
       "CREATE INDEX rds_snapshots_point ON rds_snapshots (reference);\n"
       "CREATE TABLE rds_exports (account TEXT NOT NULL, region TEXT NOT NULL, identifier TEXT NOT NULL, source_arn "
       "TEXT NOT NULL, bucket TEXT NOT NULL, prefix TEXT NOT NULL, role_arn TEXT NOT NULL, kms_key TEXT NOT NULL, "
       "layout TEXT NOT NULL, status TEXT NOT NULL, failure_cause TEXT NOT NULL, warning TEXT NOT NULL, only_these "
       "TEXT "
       "NOT NULL, percent BIGINT NOT NULL, extracted_bytes BIGINT NOT NULL, snapshot_time BIGINT NOT NULL, created "
       "BIGINT NOT NULL, started BIGINT, ended BIGINT, place_account TEXT NOT NULL, place_region TEXT NOT NULL, "
       "place_name TEXT NOT NULL, place_key TEXT NOT NULL, reference TEXT NOT NULL, snapshot_identifier TEXT NOT NULL, "
       "database_identifier TEXT NOT NULL, grant_id TEXT NOT NULL, PRIMARY KEY (account, region, identifier));\n"
       "CREATE INDEX rds_exports_point ON rds_exports (reference);\n"
       "CREATE TABLE rds_events (sequence {identity}, account TEXT NOT NULL, region TEXT NOT NULL, source_type TEXT "
       "NOT "
       "NULL, source_identifier TEXT NOT NULL, source_arn TEXT NOT NULL, event_id TEXT NOT NULL, message TEXT NOT "
       "NULL, "
       "categories TEXT NOT NULL, created BIGINT NOT NULL);\n"
       "CREATE INDEX rds_events_account ON rds_events (account, region, created);\n"},
  };
  return kMigrations;
}

}  // namespace coffer::rds
