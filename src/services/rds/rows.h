// RDS's rows besides databases.h: the sealed connections, export tasks, the events that DescribeEvents shows. For the
// files of this folder.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/catalog/database.h"
#include "services/rds/databases.h"

namespace coffer::rds::rows {

using catalog::Transaction;

/// With its connection, as it was sealed. "DBInstanceAlreadyExists" when the name is taken.
Status insert_database(Transaction&, const Database&, ByteView sealed);
Status update_database(Transaction&, const Database&);
Status update_connection(Transaction&, const Database&, ByteView sealed);
/// Empty: there is no connection (restored to a folder, no server yet).
Result<Bytes> connection_of(Transaction&, const Database&);
Status remove_database(Transaction&, const Database&);
Result<std::optional<Database>> find_database(Transaction&, std::string_view account, std::string_view region,
                                              std::string_view identifier);
/// Those whose last probe is older, the oldest first.
Result<std::vector<Database>> databases_probed_before(Transaction&, WallTime time, int64_t limit);
/// Those that keep automated snapshots.
Result<std::vector<Database>> automated_databases(Transaction&);
Result<std::vector<Database>> databases_behind(Transaction&, std::string_view account, std::string_view region,
                                               std::string_view after, int64_t limit);

Result<std::optional<Snapshot>> find_snapshot(Transaction&, std::string_view account, std::string_view region,
                                              std::string_view identifier);
/// Those of other accounts in a Region that some account may restore.
Result<std::vector<Snapshot>> shared_snapshots(Transaction&, std::string_view account, std::string_view region);
/// How many snapshots are this point of this place.
Result<int64_t> snapshots_of_point(Transaction&, const VaultPlace&, std::string_view reference);
/// How many there are of type manual.
Result<int64_t> manual_snapshots(Transaction&, std::string_view account, std::string_view region);

struct ExportTask {
  std::string account, region, identifier;
  std::string source_arn, bucket, prefix, role_arn, kms_key;
  std::string layout = "rds";
  std::string status = "STARTING";  // STARTING, IN_PROGRESS, CANCELING, CANCELED, COMPLETE, FAILED
  std::string failure_cause, warning;
  std::vector<std::string> only;
  int64_t percent = 0, extracted_bytes = 0;
  WallTime snapshot_time, created;
  std::optional<WallTime> started, ended;
  // The point behind it: a snapshot may go while it is exported.
  VaultPlace place;
  std::string reference, snapshot_identifier, database_identifier;
  std::string grant_id;  // by which the role may use the key while the task runs

  [[nodiscard]] bool ended_already() const {
    return status == "COMPLETE" || status == "FAILED" || status == "CANCELED";
  }
};
Status insert_export(Transaction&, const ExportTask&);
Status update_export(Transaction&, const ExportTask&);
Result<std::optional<ExportTask>> find_export(Transaction&, std::string_view account, std::string_view region,
                                              std::string_view identifier);
Result<std::vector<ExportTask>> exports_behind(Transaction&, std::string_view account, std::string_view region,
                                               std::string_view after, int64_t limit);
/// Not over yet.
Result<std::vector<ExportTask>> running_exports(Transaction&, std::string_view account, std::string_view region);
/// Is the point still being exported by some task?
Result<bool> is_exported(Transaction&, const VaultPlace&, std::string_view reference);

/// What DescribeEvents shows for 14 days.
struct EventRow {
  int64_t sequence = 0;
  std::string account, region, source_type, source_identifier, source_arn, event_id, message;
  std::vector<std::string> categories;
  WallTime time;
};
Status insert_event(Transaction&, const EventRow&);
/// In [from, until), behind `after`, oldest first.
Result<std::vector<EventRow>> events_between(Transaction&, std::string_view account, std::string_view region,
                                             WallTime from, WallTime until, int64_t after, int64_t limit);
Status remove_events_before(Transaction&, WallTime time);

}  // namespace coffer::rds::rows
