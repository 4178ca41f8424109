// Registered databases: what an account's DB instances are. And the snapshots of them, whoever made them. Rows of the
// catalog, for this service and for services/backup.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/catalog/database.h"
#include "services/rds/engine.h"

namespace coffer::rds {

struct Database {
  std::string account, region, identifier;
  std::string resource_id;  // "db-" and 26 characters: stays over a change of the name
  [[nodiscard]] std::string arn() const;
  uint64_t system_identifier = 0;  // pinned at registration: another cluster at the same address is refused
  std::string engine_version;
  std::string status = "available";  // of the last probe: available, stopped, incompatible-network, ...
  std::string status_message;
  std::string host, user, database_name, data_directory;
  int64_t port = 5432;
  int64_t size_bytes = 0;
  std::string kms_key_arn;  // under which the conninfo is sealed
  bool deletion_protection = false;
  int64_t backup_retention_days = 0;
  std::map<std::string, std::string> settings;  // what is told as it was asked for: "PreferredBackupWindow", ...
  std::map<std::string, std::string> tags;
  WallTime created, probed;
};
/// By ARN ("arn:aws:rds:R:A:db:NAME"); nothing when there is none.
Result<std::optional<Database>> find_database(catalog::Transaction& transaction, std::string_view arn);
/// All of an account in a Region ("" every Region), by identifier.
Result<std::vector<Database>> list_databases(catalog::Transaction& transaction, std::string_view account,
                                             std::string_view region);

struct Snapshot {
  std::string account, region, identifier;  // "awsbackup:job-<uuid>", "rds:orders-2026-01-05-05-00", "mine"
  [[nodiscard]] std::string arn() const;
  std::string type = "manual";      // manual, automated, awsbackup
  std::string status = "creating";  // creating, available, copying, deleting, failed
  std::string status_message;
  int64_t percent = 0;
  // The database as it was.
  std::string database_identifier, resource_id, engine_version, user;
  int64_t port = 5432, size_bytes = 0;
  WallTime created, original_created, database_created;
  std::string source_arn;  // of a copy
  VaultPlace place;
  std::string reference;  // the engine's; empty until it is available
  std::map<std::string, std::string> tags;
  std::vector<std::string> restore_accounts;  // the `restore` attribute; "all" is public
};
/// "arn:aws:rds:R:A:db:NAME" in its parts. The name of a snapshot may have colons.
struct Arn {
  std::string region, account, type, name;
};
/// Nothing for a text that is no ARN of RDS.
std::optional<Arn> parse_arn(std::string_view text);

/// Inserts or replaces.
Status put_snapshot(catalog::Transaction& transaction, const Snapshot& snapshot);
Result<std::optional<Snapshot>> find_snapshot(catalog::Transaction& transaction, std::string_view arn);
Status remove_snapshot(catalog::Transaction& transaction, std::string_view arn);
/// Of an account in a Region, behind the name `after`, by name; at most `limit`.
Result<std::vector<Snapshot>> list_snapshots(catalog::Transaction& transaction, std::string_view account,
                                             std::string_view region, std::string_view after, int64_t limit);

}  // namespace coffer::rds
