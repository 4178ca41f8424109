// DB instances: shown, modified, deleted, restored.
#include <algorithm>

#include "services/api/fault.h"
#include "services/api/value_json.h"
#include "services/rds/operations.h"
#include "services/rds/row_text.h"
#include "services/rds/service_keys.h"

namespace coffer::rds {
namespace {

using api::Value;

constexpr std::string_view kEngine = "postgres";
constexpr int64_t kRetentionMax = 35;
constexpr int kMajors[] = {13, 14, 15, 16, 17, 18};

std::string setting_or(const Database& d, const std::string& name, std::string otherwise) {
  const auto found = d.settings.find(name);
  return found == d.settings.end() ? std::move(otherwise) : found->second;
}

std::string major_of(std::string_view version) { return std::string(version.substr(0, version.find('.'))); }

/// "hh24:mi-hh24:mi".
bool is_window(std::string_view text) {
  const auto time = [](std::string_view t) {
    if (t.size() != 5 || t[2] != ':') return false;
    for (size_t i : {0, 1, 3, 4}) {
      if (t[i] < '0' || t[i] > '9') return false;
    }
    return t.substr(0, 2) < "24" && t.substr(3, 2) < "60";
  };
  return text.size() == 11 && text[5] == '-' && time(text.substr(0, 5)) && time(text.substr(6));
}

/// What a restore needs that lies outside of its transaction.
struct RestorePlan {
  Snapshot snapshot;
  std::string until;
};

/// Work of kind "rds.restore", by the database's resource id.
Status add_restore(catalog::Transaction& t, const Database& database, const RestorePlan& plan, WallTime now) {
  const Value payload = Value::object({{"Database", database.arn()},
                                       {"Snapshot", plan.snapshot.arn()},
                                       {"Until", plan.until},
                                       {"PlaceAccount", plan.snapshot.place.account},
                                       {"PlaceRegion", plan.snapshot.place.region},
                                       {"PlaceName", plan.snapshot.place.name},
                                       {"PlaceKey", plan.snapshot.place.key_arn},
                                       {"Reference", plan.snapshot.reference}});
  return work::add(t, "rds.restore", database.resource_id, api::to_json(payload), now);
}

Result<Value> begin_restore(const Request& r, const std::string& name, const RestorePlan& plan,
                            std::string_view tags_member) {
  const Snapshot& snapshot = plan.snapshot;
  COFFER_TRY(const auto taken, rows::find_database(r.t(), r.account(), r.region(), name));
  if (taken) return api::fault(ErrorCode::kAlreadyExists, "DBInstanceAlreadyExists", "DB instance already exists");
  if (r.setting.options.restore_root.empty())
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidRestoreFault",
                      "This installation has no folder for restored databases.");
  Database d;
  d.account = r.account();
  d.region = r.region();
  d.identifier = name;
  d.resource_id = new_resource_id(r.setting.entropy);
  d.engine_version = snapshot.engine_version;
  d.status = "creating";
  d.user = snapshot.user;
  d.port = r.input().integer("Port").value_or(snapshot.port);
  d.database_name = "postgres";
  d.size_bytes = snapshot.size_bytes;
  d.kms_key_arn = snapshot.place.key_arn;
  d.data_directory = r.setting.options.restore_root + "/" + d.account + "/" + name;
  d.deletion_protection = r.input().flag("DeletionProtection");
  if (const std::string wished = r.text("DBInstanceClass"); !wished.empty()) d.settings["DBInstanceClass"] = wished;
  if (r.input().flag("CopyTagsToSnapshot")) d.settings["CopyTagsToSnapshot"] = "true";
  COFFER_TRY(d.tags, tags_of_input(r, tags_member));
  d.created = r.now();
  d.probed = r.now();
  COFFER_CHECK_OK(rows::insert_database(r.t(), d, {}));
  COFFER_CHECK_OK(add_restore(r.t(), d, plan, r.now()));
  return Value::object({{"DBInstance", database_value(d)}});
}

}  // namespace

Value database_value(const Database& d) {
  Value value =
      Value::object({{"DBInstanceIdentifier", d.identifier},
                     {"DBInstanceClass", setting_or(d, "DBInstanceClass", "db.registered")},
                     {"Engine", kEngine},
                     {"DBInstanceStatus", d.status},
                     {"MasterUsername", d.user},
                     {"DBName", d.database_name},
                     {"AllocatedStorage", gib(d.size_bytes)},
                     {"InstanceCreateTime", d.created},
                     {"PreferredBackupWindow", setting_or(d, "PreferredBackupWindow", "05:00-05:30")},
                     {"BackupRetentionPeriod", d.backup_retention_days},
                     {"DBSecurityGroups", api::List()},
                     {"VpcSecurityGroups", api::List()},
                     {"DBParameterGroups", api::List()},
                     {"PreferredMaintenanceWindow", setting_or(d, "PreferredMaintenanceWindow", "sun:06:00-sun:06:30")},
                     {"PendingModifiedValues", Value::object()},
                     {"MultiAZ", false},
                     {"EngineVersion", d.engine_version},
                     {"AutoMinorVersionUpgrade", false},
                     {"ReadReplicaDBInstanceIdentifiers", api::List()},
                     {"LicenseModel", "postgresql-license"},
                     {"OptionGroupMemberships", api::List()},
                     {"PubliclyAccessible", false},
                     {"StorageType", "registered"},
                     {"DbInstancePort", 0},
                     {"StorageEncrypted", true},
                     {"KmsKeyId", d.kms_key_arn},
                     {"DbiResourceId", d.resource_id},
                     {"CopyTagsToSnapshot", setting_or(d, "CopyTagsToSnapshot", "false") == "true"},
                     {"DBInstanceArn", d.arn()},
                     {"IAMDatabaseAuthenticationEnabled", false},
                     {"DeletionProtection", d.deletion_protection},
                     {"TagList", tag_list(d.tags)}});
  if (!d.host.empty()) value.set("Endpoint", Value::object({{"Address", d.host}, {"Port", d.port}}));
  if (!d.status_message.empty())
    value.set("StatusInfos", api::List{Value::object({{"StatusType", "probe"},
                                                      {"Normal", d.status == "available"},
                                                      {"Status", d.status},
                                                      {"Message", d.status_message}})});
  return value;
}

Result<Value> describe_instances(const Request& r) {
  COFFER_TRY(const auto filters,
             filters_of(r, {"db-cluster-id", "db-instance-id", "dbi-resource-id", "domain", "engine"}));
  const auto is_wanted = [&](const Database& d) {
    return passes(filters, "db-instance-id", {d.identifier, d.arn()}) &&
           passes(filters, "dbi-resource-id", {d.resource_id}) && passes(filters, "engine", {kEngine}) &&
           passes(filters, "db-cluster-id", {}) && passes(filters, "domain", {});
  };
  if (r.input().has("DBInstanceIdentifier")) {
    COFFER_TRY(const Database d, database_named(r, "DBInstanceIdentifier"));
    api::List one;
    if (is_wanted(d)) one.push_back(database_value(d));
    return Value::object({{"DBInstances", std::move(one)}});
  }
  COFFER_TRY(const int64_t size, page_size(r));
  COFFER_TRY(std::string after, begin_of_page(r));
  api::List list;
  Value answer = Value::object();
  for (bool more = true; more;) {
    COFFER_TRY(const auto page, rows::databases_behind(r.t(), r.account(), r.region(), after, size));
    for (const Database& d : page) {
      if (is_wanted(d) && static_cast<int64_t>(list.size()) == size) {
        answer.set("Marker", marker_behind(r, after));
        return answer.set("DBInstances", std::move(list));
      }
      if (is_wanted(d)) list.push_back(database_value(d));
      after = d.identifier;
    }
    more = static_cast<int64_t>(page.size()) == size;
  }
  return answer.set("DBInstances", std::move(list));
}

Result<Value> modify_instance(const Request& r) {
  COFFER_TRY(Database d, database_named(r, "DBInstanceIdentifier"));
  static constexpr std::string_view kTaken[] = {
      "DBInstanceIdentifier", "ApplyImmediately",      "DeletionProtection",    "CopyTagsToSnapshot",
      "DBInstanceClass",      "BackupRetentionPeriod", "PreferredBackupWindow", "PreferredMaintenanceWindow"};
  for (const auto& [name, value] : r.input().entries()) {
    if (value.is_null() || (value.is_list() && value.items().empty())) continue;
    if (value.get_if<bool>() && !*value.get_if<bool>()) continue;
    if (std::find(std::begin(kTaken), std::end(kTaken), name) == std::end(kTaken))
      return invalid_combination("A registered database's " + name +
                                 " is its server's: it is changed there, and not through this service.");
  }
  if (const auto days = r.input().integer("BackupRetentionPeriod")) {
    if (*days < 0 || *days > kRetentionMax)
      return invalid_parameter("Invalid backup retention period. Must be between 0 and 35");
    d.backup_retention_days = *days;
  }
  for (const char* name : {"PreferredBackupWindow", "PreferredMaintenanceWindow", "DBInstanceClass"}) {
    if (const std::string text = r.text(name); !text.empty()) {
      if (name == std::string_view("PreferredBackupWindow") && !is_window(text))
        return invalid_parameter("Invalid PreferredBackupWindow. Must be hh24:mi-hh24:mi, in UTC");
      d.settings[name] = text;
    }
  }
  if (r.input().has("CopyTagsToSnapshot"))
    d.settings["CopyTagsToSnapshot"] = r.input().flag("CopyTagsToSnapshot") ? "true" : "false";
  if (r.input().has("DeletionProtection")) d.deletion_protection = r.input().flag("DeletionProtection");
  COFFER_CHECK_OK(rows::update_database(r.t(), d));
  COFFER_CHECK_OK(tell(r.t(), r.setting.entropy, r.now(), d, "0014", "configuration change",
                       "Finished applying modification to the DB instance"));
  return Value::object({{"DBInstance", database_value(d)}});
}

Result<Value> delete_instance(const Request& r) {
  COFFER_TRY(Database d, database_named(r, "DBInstanceIdentifier"));
  const bool skip = r.input().flag("SkipFinalSnapshot");
  const bool has_final = !r.text("FinalDBSnapshotIdentifier").empty();
  if (d.deletion_protection)
    return invalid_combination(
        "Cannot delete protected DB Instance, please disable deletion protection and try again.");
  if (skip && has_final)
    return invalid_combination(
        "FinalDBSnapshotIdentifier can not be specified when deleting an instance with SkipFinalSnapshot.");
  if (!skip && !has_final)
    return invalid_combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.");
  if (d.status == "deleting" || d.status == "creating")
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidDBInstanceState",
                      "Instance " + d.identifier + " is currently " + d.status + ".");
  d.status = "deleting";
  const Value answer = Value::object({{"DBInstance", database_value(d)}});
  if (skip) {
    COFFER_CHECK_OK(tell(r.t(), r.setting.entropy, r.now(), d, "0003", "deletion", "DB instance deleted"));
    COFFER_CHECK_OK(rows::remove_database(r.t(), d));
    return answer;
  }
  COFFER_TRY(const std::string name, new_name(r, "FinalDBSnapshotIdentifier", 255));
  COFFER_CHECK_OK(rows::update_database(r.t(), d));
  COFFER_CHECK_OK(begin_snapshot(r.setting, r.t(), r.now(), d, name, "manual", d.tags, true));
  return answer;
}

Result<Value> describe_engine_versions(const Request& r) {
  if (!r.text("Engine").empty() && r.text("Engine") != kEngine)
    return Value::object({{"DBEngineVersions", api::List()}});
  COFFER_TRY(const auto filters,
             filters_of(r, {"db-parameter-group-family", "engine", "engine-mode", "engine-version", "status"}));
  api::List list;
  for (int major : kMajors) {
    const std::string version = std::to_string(major), family = "postgres" + version;
    const std::string wanted = r.text("EngineVersion"), wanted_family = r.text("DBParameterGroupFamily");
    if (!wanted.empty() && major_of(wanted) != version) continue;
    if (!wanted_family.empty() && wanted_family != family) continue;
    if (!passes(filters, "engine", {kEngine}) || !passes(filters, "engine-version", {version}) ||
        !passes(filters, "db-parameter-group-family", {family}) || !passes(filters, "status", {"available"}) ||
        !passes(filters, "engine-mode", {"provisioned"}))
      continue;
    list.push_back(Value::object({{"Engine", kEngine},
                                  {"EngineVersion", version},
                                  {"DBParameterGroupFamily", family},
                                  {"DBEngineDescription", "PostgreSQL"},
                                  {"DBEngineVersionDescription", "PostgreSQL " + version},
                                  {"MajorEngineVersion", version},
                                  {"Status", "available"},
                                  {"SupportsReadReplica", false},
                                  {"SupportsGlobalDatabases", false}}));
  }
  if (r.input().flag("DefaultOnly") && list.size() > 1) list.erase(list.begin(), list.end() - 1);
  return Value::object({{"DBEngineVersions", std::move(list)}});
}

Result<Value> describe_automated_backups(const Request& r) {
  COFFER_TRY(const auto filters, filters_of(r, {"status", "db-instance-id", "dbi-resource-id"}));
  const std::string name = name_of(r, "DBInstanceIdentifier", "db"), resource = r.text("DbiResourceId");
  COFFER_TRY(const auto all, list_databases(r.t(), r.account(), r.region()));
  api::List list;
  for (const Database& d : all) {
    if (d.backup_retention_days == 0) continue;
    if ((!name.empty() && d.identifier != name) || (!resource.empty() && d.resource_id != resource)) continue;
    if (!passes(filters, "db-instance-id", {d.identifier}) || !passes(filters, "dbi-resource-id", {d.resource_id}))
      continue;
    COFFER_TRY(const auto snapshots, list_snapshots(r.t(), r.account(), r.region(), "rds:" + d.identifier + "-", 1000));
    std::optional<WallTime> earliest, latest;
    for (const Snapshot& s : snapshots) {
      if (s.type != "automated" || s.resource_id != d.resource_id || s.status != "available") continue;
      if (!earliest || s.created < *earliest) earliest = s.created;
      if (!latest || s.created > *latest) latest = s.created;
    }
    const std::string status = latest ? "active" : "creating";
    if (!passes(filters, "status", {status})) continue;
    Value one = Value::object({{"DBInstanceArn", d.arn()},
                               {"DbiResourceId", d.resource_id},
                               {"Region", d.region},
                               {"DBInstanceIdentifier", d.identifier},
                               {"AllocatedStorage", gib(d.size_bytes)},
                               {"Status", status},
                               {"Port", d.port},
                               {"InstanceCreateTime", d.created},
                               {"MasterUsername", d.user},
                               {"Engine", kEngine},
                               {"EngineVersion", d.engine_version},
                               {"LicenseModel", "postgresql-license"},
                               {"Encrypted", true},
                               {"StorageType", "registered"},
                               {"KmsKeyId", d.kms_key_arn},
                               {"BackupRetentionPeriod", d.backup_retention_days},
                               {"PreferredBackupWindow", setting_or(d, "PreferredBackupWindow", "05:00-05:30")},
                               {"TagList", tag_list(d.tags)}});
    if (latest) one.set("RestoreWindow", Value::object({{"EarliestTime", *earliest}, {"LatestTime", *latest}}));
    list.push_back(std::move(one));
  }
  if (list.empty() && !(name.empty() && resource.empty()))
    return api::fault(ErrorCode::kNotFound, "DBInstanceAutomatedBackupNotFound",
                      "DBInstanceAutomatedBackup " + (name.empty() ? resource : name) + " not found.");
  return Value::object({{"DBInstanceAutomatedBackups", std::move(list)}});
}

Result<Value> restore_from_snapshot(const Request& r) {
  COFFER_TRY(const std::string name, new_name(r, "DBInstanceIdentifier", 63));
  if (!r.text("DBClusterSnapshotIdentifier").empty())
    return api::fault(ErrorCode::kNotFound, "DBClusterSnapshotNotFoundFault",
                      "DBClusterSnapshot " + r.text("DBClusterSnapshotIdentifier") + " not found.");
  if (r.text("DBSnapshotIdentifier").empty())
    return invalid_combination("The parameter DBSnapshotIdentifier must be provided.");
  if (const std::string engine = r.text("Engine"); !engine.empty() && engine != kEngine)
    return invalid_combination("The engine " + engine + " is not compatible with the snapshot's, which is postgres.");
  COFFER_TRY(Snapshot snapshot, snapshot_named(r, "DBSnapshotIdentifier"));
  if (snapshot.status != "available")
    return api::fault(
        ErrorCode::kFailedPrecondition, "InvalidDBSnapshotState",
        "Cannot restore from snapshot " + snapshot.identifier + " because it is " + snapshot.status + ".");
  if (snapshot.region != r.region())
    return invalid_parameter("The snapshot is in " + snapshot.region + ": copy it to " + r.region() + " first.");
  return begin_restore(r, name, {std::move(snapshot), {}}, "Tags");
}

Result<Value> restore_to_time(const Request& r) {
  COFFER_TRY(const std::string name, new_name(r, "TargetDBInstanceIdentifier", 63));
  const std::string source = r.text("SourceDBInstanceIdentifier"), resource = r.text("SourceDbiResourceId"),
                    automated = r.text("SourceDBInstanceAutomatedBackupsArn");
  if (!automated.empty())
    return api::fault(ErrorCode::kNotFound, "DBInstanceAutomatedBackupNotFound",
                      "DBInstanceAutomatedBackup " + automated + " not found.");
  if (source.empty() == resource.empty())
    return invalid_combination("One of SourceDBInstanceIdentifier and SourceDbiResourceId must be specified.");
  const bool latest = r.input().flag("UseLatestRestorableTime");
  const auto time = r.input().time("RestoreTime");
  if (latest == time.has_value())
    return invalid_combination("One of RestoreTime and UseLatestRestorableTime must be specified.");
  COFFER_TRY(const auto all, list_databases(r.t(), r.account(), r.region()));
  const std::string wanted = name_of(r, "SourceDBInstanceIdentifier", "db");
  const auto found = std::find_if(all.begin(), all.end(), [&](const Database& d) {
    return source.empty() ? d.resource_id == resource : d.identifier == wanted;
  });
  if (found == all.end()) return no_database(source.empty() ? resource : wanted);
  // The WAL that is stored is each point's own, so that a point is exactly one time that can be restored to.
  std::optional<Snapshot> newest, exact;
  std::string after;
  for (;;) {
    COFFER_TRY(const auto page, list_snapshots(r.t(), r.account(), r.region(), after, 100));
    for (const Snapshot& s : page) {
      if (s.resource_id != found->resource_id || s.status != "available") continue;
      if (!newest || s.created > newest->created) newest = s;
      if (time && s.created.micros / 1'000'000 == time->micros / 1'000'000) exact = s;
    }
    if (page.empty()) break;
    after = page.back().identifier;
  }
  if (!newest)
    return api::fault(ErrorCode::kFailedPrecondition, "PointInTimeRestoreNotEnabled",
                      "DB Instance " + found->identifier + " has no snapshot that could be restored from.");
  if (time && *time > newest->created + std::chrono::seconds(1))
    return invalid_parameter("The specified time is not before the latest restorable time, " +
                             format_utc(newest->created) + ".");
  if (time && !exact)
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidRestoreFault",
                      "Between snapshots no WAL is stored. The instance can be restored to the times of its snapshots; "
                      "the newest one is of " +
                          format_utc(newest->created) + ".");
  return begin_restore(r, name, {latest ? std::move(*newest) : std::move(*exact), {}}, "Tags");
}

Status insert_restored(const Setting& setting, catalog::Transaction& t, Database d) {
  COFFER_TRY(const auto there, rows::find_database(t, d.account, d.region, d.identifier));
  if (there && there->data_directory == d.data_directory && there->system_identifier == d.system_identifier)
    return ok_status();
  if (there) return api::fault(ErrorCode::kAlreadyExists, "DBInstanceAlreadyExists", "DB instance already exists");
  if (d.resource_id.empty()) d.resource_id = new_resource_id(setting.entropy);
  const WallTime now = setting.clock.wall();
  if (d.created == WallTime()) d.created = now;
  d.probed = now;
  d.status = "stopped";
  if (d.status_message.empty()) d.status_message = "restored to " + d.data_directory + "; no server runs there yet";
  COFFER_CHECK_OK(rows::insert_database(t, d, {}));
  return tell(t, setting.entropy, now, d, "0043", "restoration", "Restored from snapshot");
}

}  // namespace coffer::rds
