#include "services/rds/databases.h"

#include "services/api/arn.h"
#include "services/rds/row_text.h"
#include "services/rds/rows.h"

namespace coffer::rds {
namespace {

constexpr std::string_view kDatabaseColumns =
    "account, region, identifier, resource_id, system_identifier, engine_version, status, status_message, host, "
    "user_name, database_name, data_directory, port, size_bytes, kms_key, deletion_protection, retention_days, "
    "settings, "
    "tags, created, probed";
constexpr std::string_view kSnapshotColumns =
    "account, region, identifier, kind, status, status_message, percent, database_identifier, resource_id, "
    "engine_version, user_name, port, size_bytes, created, original_created, database_created, source_arn, "
    "place_account, place_region, place_name, place_key, reference, tags, restore_accounts";

Database database_of(const catalog::Row& row) {
  Database d;
  std::string* texts[] = {&d.account, &d.region, &d.identifier, &d.resource_id};
  for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(i);
  d.system_identifier = number_of(row.text(4));
  std::string* more[] = {&d.engine_version, &d.status,        &d.status_message, &d.host,
                         &d.user,           &d.database_name, &d.data_directory};
  for (size_t i = 0; i < std::size(more); ++i) *more[i] = row.text(5 + i);
  d.port = row.integer(12);
  d.size_bytes = row.integer(13);
  d.kms_key_arn = row.text(14);
  d.deletion_protection = row.flag(15);
  d.backup_retention_days = row.integer(16);
  d.settings = map_of(row.text(17));
  d.tags = map_of(row.text(18));
  d.created = row.time(19);
  d.probed = row.time(20);
  return d;
}

Result<std::vector<Database>> databases(catalog::Transaction& t, std::string_view rest,
                                        std::initializer_list<catalog::Parameter> parameters) {
  COFFER_TRY(const auto rows,
             t.run("SELECT " + std::string(kDatabaseColumns) + " FROM rds_databases " + std::string(rest), parameters));
  std::vector<Database> all;
  all.reserve(rows.size());
  for (const auto& row : rows) all.push_back(database_of(row));
  return all;
}

Snapshot snapshot_of(const catalog::Row& row) {
  Snapshot s;
  std::string* texts[] = {&s.account, &s.region, &s.identifier, &s.type, &s.status, &s.status_message};
  for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(i);
  s.percent = row.integer(6);
  std::string* of_database[] = {&s.database_identifier, &s.resource_id, &s.engine_version, &s.user};
  for (size_t i = 0; i < std::size(of_database); ++i) *of_database[i] = row.text(7 + i);
  s.port = row.integer(11);
  s.size_bytes = row.integer(12);
  s.created = row.time(13);
  s.original_created = row.time(14);
  s.database_created = row.time(15);
  s.source_arn = row.text(16);
  s.place = {row.text(17), row.text(18), row.text(19), row.text(20)};
  s.reference = row.text(21);
  s.tags = map_of(row.text(22));
  s.restore_accounts = list_of(row.text(23));
  return s;
}

Result<std::vector<Snapshot>> snapshots(catalog::Transaction& t, std::string_view rest,
                                        std::initializer_list<catalog::Parameter> parameters) {
  COFFER_TRY(const auto rows,
             t.run("SELECT " + std::string(kSnapshotColumns) + " FROM rds_snapshots " + std::string(rest), parameters));
  std::vector<Snapshot> all;
  all.reserve(rows.size());
  for (const auto& row : rows) all.push_back(snapshot_of(row));
  return all;
}

template <class T>
std::optional<T> first_of(std::vector<T> all) {
  return all.empty() ? std::nullopt : std::optional<T>(std::move(all.front()));
}

}  // namespace

std::optional<Arn> parse_arn(std::string_view text) {
  const auto arn = api::parse_arn(text);
  if (!arn || arn->partition != "aws" || arn->service != "rds" || arn->region.empty() || arn->account.empty())
    return std::nullopt;
  const size_t colon = arn->resource.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == arn->resource.size()) return std::nullopt;
  return Arn{arn->region, arn->account, arn->resource.substr(0, colon), arn->resource.substr(colon + 1)};
}

std::string Database::arn() const { return "arn:aws:rds:" + region + ":" + account + ":db:" + identifier; }
std::string Snapshot::arn() const { return "arn:aws:rds:" + region + ":" + account + ":snapshot:" + identifier; }

Result<std::optional<Database>> find_database(catalog::Transaction& t, std::string_view arn) {
  const auto parts = parse_arn(arn);
  if (!parts || parts->type != "db") return std::optional<Database>();
  return rows::find_database(t, parts->account, parts->region, parts->name);
}

Result<std::vector<Database>> list_databases(catalog::Transaction& t, std::string_view account,
                                             std::string_view region) {
  if (region.empty()) return databases(t, "WHERE account = $1 ORDER BY identifier, region", {account});
  return databases(t, "WHERE account = $1 AND region = $2 ORDER BY identifier", {account, region});
}

Status put_snapshot(catalog::Transaction& t, const Snapshot& s) {
  const std::string tags = text_of(s.tags), accounts = text_of(s.restore_accounts);
  COFFER_CHECK_OK(t.run("INSERT INTO rds_snapshots (" + std::string(kSnapshotColumns) +
                            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
                            "$18, $19, $20, $21, $22, $23, $24) ON CONFLICT (account, region, identifier) DO UPDATE "
                            "SET kind = $4, status = $5, status_message = $6, percent = $7, database_identifier = $8, "
                            "resource_id = $9, engine_version = $10, user_name = $11, port = $12, size_bytes = $13, "
                            "created = $14, original_created = $15, database_created = $16, source_arn = $17, "
                            "place_account = $18, place_region = $19, place_name = $20, place_key = $21, reference = "
                            "$22, tags = $23, restore_accounts = $24",
                        {s.account,
                         s.region,
                         s.identifier,
                         s.type,
                         s.status,
                         s.status_message,
                         s.percent,
                         s.database_identifier,
                         s.resource_id,
                         s.engine_version,
                         s.user,
                         s.port,
                         s.size_bytes,
                         s.created,
                         s.original_created,
                         s.database_created,
                         s.source_arn,
                         s.place.account,
                         s.place.region,
                         s.place.name,
                         s.place.key_arn,
                         s.reference,
                         tags,
                         accounts}));
  return ok_status();
}

Result<std::optional<Snapshot>> find_snapshot(catalog::Transaction& t, std::string_view arn) {
  const auto parts = parse_arn(arn);
  if (!parts || parts->type != "snapshot") return std::optional<Snapshot>();
  return rows::find_snapshot(t, parts->account, parts->region, parts->name);
}

Status remove_snapshot(catalog::Transaction& t, std::string_view arn) {
  const auto parts = parse_arn(arn);
  if (!parts || parts->type != "snapshot") return ok_status();
  COFFER_CHECK_OK(t.run("DELETE FROM rds_snapshots WHERE account = $1 AND region = $2 AND identifier = $3",
                        {parts->account, parts->region, parts->name}));
  return ok_status();
}

Result<std::vector<Snapshot>> list_snapshots(catalog::Transaction& t, std::string_view account, std::string_view region,
                                             std::string_view after, int64_t limit) {
  return snapshots(t, "WHERE account = $1 AND region = $2 AND identifier > $3 ORDER BY identifier LIMIT $4",
                   {account, region, after, limit});
}

namespace rows {

Status insert_database(Transaction& t, const Database& d, ByteView sealed) {
  const std::string settings = text_of(d.settings), tags = text_of(d.tags),
                    system_identifier = std::to_string(d.system_identifier);
  COFFER_CHECK_OK(t.run("INSERT INTO rds_databases (" + std::string(kDatabaseColumns) +
                            ", sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
                            "$17, $18, $19, $20, $21, $22)",
                        {d.account,
                         d.region,
                         d.identifier,
                         d.resource_id,
                         system_identifier,
                         d.engine_version,
                         d.status,
                         d.status_message,
                         d.host,
                         d.user,
                         d.database_name,
                         d.data_directory,
                         d.port,
                         d.size_bytes,
                         d.kms_key_arn,
                         d.deletion_protection,
                         d.backup_retention_days,
                         settings,
                         tags,
                         d.created,
                         d.probed,
                         sealed}));
  return ok_status();
}

Status update_database(Transaction& t, const Database& d) {
  const std::string settings = text_of(d.settings), tags = text_of(d.tags),
                    system_identifier = std::to_string(d.system_identifier);
  COFFER_CHECK_OK(t.run(
      "UPDATE rds_databases SET system_identifier = $4, engine_version = $5, status = $6, status_message = $7, host = "
      "$8, user_name = $9, database_name = $10, data_directory = $11, port = $12, size_bytes = $13, kms_key = $14, "
      "deletion_protection = $15, retention_days = $16, settings = $17, tags = $18, created = $19, probed = $20 WHERE "
      "account = $1 AND region = $2 AND identifier = $3",
      {d.account,
       d.region,
       d.identifier,
       system_identifier,
       d.engine_version,
       d.status,
       d.status_message,
       d.host,
       d.user,
       d.database_name,
       d.data_directory,
       d.port,
       d.size_bytes,
       d.kms_key_arn,
       d.deletion_protection,
       d.backup_retention_days,
       settings,
       tags,
       d.created,
       d.probed}));
  return ok_status();
}

Status update_connection(Transaction& t, const Database& d, ByteView sealed) {
  COFFER_CHECK_OK(t.run("UPDATE rds_databases SET sealed = $4 WHERE account = $1 AND region = $2 AND identifier = $3",
                        {d.account, d.region, d.identifier, sealed}));
  return ok_status();
}

Result<Bytes> connection_of(Transaction& t, const Database& d) {
  COFFER_TRY(const auto row,
             t.first("SELECT sealed FROM rds_databases WHERE account = $1 AND region = $2 AND identifier = $3",
                     {d.account, d.region, d.identifier}));
  return row ? row->blob(0) : Bytes();
}

Status remove_database(Transaction& t, const Database& d) {
  COFFER_CHECK_OK(t.run("DELETE FROM rds_databases WHERE account = $1 AND region = $2 AND identifier = $3",
                        {d.account, d.region, d.identifier}));
  return ok_status();
}

Result<std::optional<Database>> find_database(Transaction& t, std::string_view account, std::string_view region,
                                              std::string_view identifier) {
  COFFER_TRY(auto all,
             databases(t, "WHERE account = $1 AND region = $2 AND identifier = $3", {account, region, identifier}));
  return first_of(std::move(all));
}

Result<std::vector<Database>> databases_probed_before(Transaction& t, WallTime time, int64_t limit) {
  return databases(t, "WHERE probed < $1 ORDER BY probed, account, region, identifier LIMIT $2", {time, limit});
}

Result<std::vector<Database>> automated_databases(Transaction& t) {
  return databases(t, "WHERE retention_days > 0 ORDER BY account, region, identifier", {});
}

Result<std::vector<Database>> databases_behind(Transaction& t, std::string_view account, std::string_view region,
                                               std::string_view after, int64_t limit) {
  return databases(t, "WHERE account = $1 AND region = $2 AND identifier > $3 ORDER BY identifier LIMIT $4",
                   {account, region, after, limit});
}

Result<std::optional<Snapshot>> find_snapshot(Transaction& t, std::string_view account, std::string_view region,
                                              std::string_view identifier) {
  COFFER_TRY(auto all,
             snapshots(t, "WHERE account = $1 AND region = $2 AND identifier = $3", {account, region, identifier}));
  return first_of(std::move(all));
}

Result<std::vector<Snapshot>> shared_snapshots(Transaction& t, std::string_view account, std::string_view region) {
  return snapshots(t, "WHERE region = $2 AND account <> $1 AND restore_accounts <> '' ORDER BY account, identifier",
                   {account, region});
}

Result<int64_t> snapshots_of_point(Transaction& t, const VaultPlace& place, std::string_view reference) {
  COFFER_TRY(const auto row,
             t.first("SELECT COUNT(*) FROM rds_snapshots WHERE place_account = $1 AND place_region = $2 "
                     "AND place_name = $3 AND reference = $4",
                     {place.account, place.region, place.name, reference}));
  return row ? row->integer(0) : 0;
}

Result<int64_t> manual_snapshots(Transaction& t, std::string_view account, std::string_view region) {
  COFFER_TRY(const auto row,
             t.first("SELECT COUNT(*) FROM rds_snapshots WHERE account = $1 AND region = $2 AND kind = 'manual'",
                     {account, region}));
  return row ? row->integer(0) : 0;
}

}  // namespace rows
}  // namespace coffer::rds
