#include "engine/postgres/cluster_facts.h"

#include <utility>

namespace coffer::postgres {
namespace {

// lc_collate is a setting up to 15; later each database has its own, and the one connected to stands for all.
constexpr const char* kSettings =
    "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ("
    "'server_version', 'max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', "
    "'max_locks_per_transaction', 'wal_level', 'data_checksums', 'wal_segment_size', 'block_size', 'server_encoding', "
    "'shared_preload_libraries', 'full_page_writes', 'wal_log_hints') AND setting IS NOT NULL "
    "UNION ALL SELECT 'lc_collate', datcollate FROM pg_catalog.pg_database "
    "WHERE datname = pg_catalog.current_database() AND datcollate IS NOT NULL";

constexpr const char* kDatabases =
    "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn ORDER BY datname COLLATE \"C\"";

constexpr const char* kOwners =
    "SELECT rolname FROM pg_catalog.pg_roles WHERE oid IN (SELECT datdba FROM pg_catalog.pg_database "
    "UNION SELECT spcowner FROM pg_catalog.pg_tablespace) ORDER BY rolname COLLATE \"C\"";

constexpr const char* kSuperuser =
    "SELECT rolname, pg_catalog.pg_is_in_recovery() FROM pg_catalog.pg_roles WHERE oid = 10";

Result<std::vector<std::string>> first_column(const Context& context, Connection& connection, const char* sql) {
  COFFER_TRY(Rows rows, connection.query(context, sql));
  std::vector<std::string> out;
  for (const Row& row : rows) out.push_back(row.text(0));
  return out;
}

}  // namespace

Result<ClusterFacts> collect_cluster_facts(const Context& context, Connection& connection) {
  ClusterFacts facts;
  COFFER_TRY(Rows settings, connection.query(context, kSettings));
  for (const Row& row : settings) facts.settings[row.text(0)] = row.text(1);
  COFFER_TRY(facts.databases, first_column(context, connection, kDatabases));
  COFFER_TRY(facts.roles_needed, first_column(context, connection, kOwners));
  COFFER_TRY(Rows superuser, connection.query(context, kSuperuser));
  if (superuser.size() == 1) {
    facts.superuser = superuser[0].text(0);
    facts.in_recovery = superuser[0].text(1) == "t";
  }
  return facts;
}

void apply(ClusterFacts&& facts, SourceStart& start) {
  for (auto& [name, value] : facts.settings) start.settings[name] = std::move(value);
  start.databases = std::move(facts.databases);
  start.roles_needed = std::move(facts.roles_needed);
  start.superuser = std::move(facts.superuser);
}

}  // namespace coffer::postgres
