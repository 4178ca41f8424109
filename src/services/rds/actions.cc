// The tables of RDS's operations and of the service "coffer"'s, and the service behind both.
#include "services/api/fault.h"
#include "services/rds/operations.h"

namespace coffer::rds {
namespace {

using api::AccessRequest;

std::string arn_of(const Request& r, std::string_view type, const std::string& name) {
  return "arn:aws:rds:" + r.region() + ":" + r.account() + ":" + std::string(type) + ":" + name;
}

AccessRequest on(const Request& r, std::string resource) {
  AccessRequest request;
  request.action = (r.call().service == "coffer" ? "coffer:" : "rds:") + r.call().operation;
  request.resource = std::move(resource);
  return request;
}

void add_request_tags(const Request& r, api::ConditionKeys& conditions) {
  std::vector<std::string> keys = r.input().texts("TagKeys");
  for (const api::Value& tag : r.input().list("Tags")) {
    keys.emplace_back(tag.text("Key"));
    conditions.emplace_back("aws:RequestTag/" + keys.back(), std::vector<std::string>{std::string(tag.text("Value"))});
    conditions.emplace_back("rds:req-tag/" + keys.back(), std::vector<std::string>{std::string(tag.text("Value"))});
  }
  if (!keys.empty()) conditions.emplace_back("aws:TagKeys", std::move(keys));
}

void add_resource_tags(const std::map<std::string, std::string>& tags, const std::string& own_prefix,
                       api::ConditionKeys& conditions) {
  for (const auto& [key, value] : tags) {
    conditions.emplace_back("aws:ResourceTag/" + key, std::vector<std::string>{value});
    conditions.emplace_back(own_prefix + key, std::vector<std::string>{value});
  }
}

/// With the tags of what is there; what is not there is the operation's to tell.
Result<AccessRequest> on_database(const Request& r, std::string_view member) {
  const std::string name = name_of(r, member, "db");
  AccessRequest request = on(r, arn_of(r, "db", name.empty() ? "*" : name));
  COFFER_TRY(const auto found, rows::find_database(r.t(), r.account(), r.region(), name));
  if (found) add_resource_tags(found->tags, "rds:db-tag/", request.conditions);
  add_request_tags(r, request.conditions);
  return request;
}

Result<AccessRequest> on_snapshot(const Request& r, std::string_view member) {
  const std::string name = name_of(r, member, "snapshot");
  const bool foreign = name.starts_with("arn:");
  AccessRequest request = on(r, foreign ? name : arn_of(r, "snapshot", name.empty() ? "*" : name));
  if (!foreign) {
    COFFER_TRY(const auto found, rows::find_snapshot(r.t(), r.account(), r.region(), name));
    if (found) add_resource_tags(found->tags, "rds:snapshot-tag/", request.conditions);
  }
  add_request_tags(r, request.conditions);
  return request;
}

template <const char* kMember>
Result<Requests> database(const Request& r) {
  COFFER_TRY(AccessRequest request, on_database(r, kMember));
  return Requests{std::move(request)};
}
template <const char* kMember>
Result<Requests> snapshot(const Request& r) {
  COFFER_TRY(AccessRequest request, on_snapshot(r, kMember));
  return Requests{std::move(request)};
}
Result<Requests> anything(const Request& r) { return Requests{on(r, "*")}; }

constexpr char kDatabaseName[] = "DBInstanceIdentifier";
constexpr char kSnapshotName[] = "DBSnapshotIdentifier";

Result<Requests> listing_snapshots(const Request& r) {
  if (r.text(kSnapshotName).empty() && !r.text(kDatabaseName).empty()) return database<kDatabaseName>(r);
  return snapshot<kSnapshotName>(r);
}

/// On the new snapshot and on its database.
Result<Requests> creating_snapshot(const Request& r) {
  COFFER_TRY(AccessRequest made, on_snapshot(r, kSnapshotName));
  COFFER_TRY(AccessRequest from, on_database(r, kDatabaseName));
  return Requests{std::move(made), std::move(from)};
}

Result<Requests> copying(const Request& r) {
  COFFER_TRY(AccessRequest from, on_snapshot(r, "SourceDBSnapshotIdentifier"));
  COFFER_TRY(AccessRequest made, on_snapshot(r, "TargetDBSnapshotIdentifier"));
  return Requests{std::move(from), std::move(made)};
}

Result<Requests> restoring(const Request& r) {
  COFFER_TRY(AccessRequest from, on_snapshot(r, kSnapshotName));
  COFFER_TRY(AccessRequest made, on_database(r, kDatabaseName));
  return Requests{std::move(from), std::move(made)};
}

Result<Requests> restoring_to_time(const Request& r) {
  COFFER_TRY(AccessRequest from, on_database(r, "SourceDBInstanceIdentifier"));
  COFFER_TRY(AccessRequest made, on_database(r, "TargetDBInstanceIdentifier"));
  return Requests{std::move(from), std::move(made)};
}

Result<Requests> deleting_database(const Request& r) {
  COFFER_TRY(Requests requests, database<kDatabaseName>(r));
  if (!r.text("FinalDBSnapshotIdentifier").empty()) {
    AccessRequest last = on(r, arn_of(r, "snapshot", r.text("FinalDBSnapshotIdentifier")));
    last.action = "rds:CreateDBSnapshot";
    requests.push_back(std::move(last));
  }
  return requests;
}

Result<Requests> tagging(const Request& r) {
  const auto arn = parse_arn(r.text("ResourceName"));
  if (arn && arn->type == "snapshot") {
    COFFER_TRY(AccessRequest request, on_snapshot(r, "ResourceName"));
    return Requests{std::move(request)};
  }
  if (arn && arn->type == "db") {
    COFFER_TRY(AccessRequest request, on_database(r, "ResourceName"));
    return Requests{std::move(request)};
  }
  return Requests{on(r, r.text("ResourceName"))};
}

/// And the role is handed to the exporting service.
Result<Requests> exporting(const Request& r) {
  AccessRequest pass;
  pass.action = "iam:PassRole";
  pass.resource = r.text("IamRoleArn");
  // "arn:aws:iam::ACCOUNT:role/..."
  const std::string_view role = pass.resource;
  if (role.starts_with("arn:aws:iam::") && role.size() > 25) pass.resource_account = role.substr(13, 12);
  pass.conditions.emplace_back("iam:PassedToService", std::vector<std::string>{"export.rds.amazonaws.com"});
  return Requests{on(r, "*"), std::move(pass)};
}

const api::Entry<Request> kEntries[] = {
    {"DescribeDBInstances", false, database<kDatabaseName>, describe_instances},
    {"ModifyDBInstance", true, database<kDatabaseName>, modify_instance},
    {"DeleteDBInstance", true, deleting_database, delete_instance},
    {"DescribeDBEngineVersions", false, anything, describe_engine_versions},
    {"DescribeDBInstanceAutomatedBackups", false, database<kDatabaseName>, describe_automated_backups},
    {"RestoreDBInstanceFromDBSnapshot", true, restoring, restore_from_snapshot},
    {"RestoreDBInstanceToPointInTime", true, restoring_to_time, restore_to_time},
    {"CreateDBSnapshot", true, creating_snapshot, create_snapshot},
    {"DescribeDBSnapshots", false, listing_snapshots, describe_snapshots},
    {"DeleteDBSnapshot", true, snapshot<kSnapshotName>, delete_snapshot},
    {"CopyDBSnapshot", true, copying, copy_snapshot, prepare_copy},
    {"DescribeDBSnapshotAttributes", false, snapshot<kSnapshotName>, describe_attributes},
    {"ModifyDBSnapshotAttribute", true, snapshot<kSnapshotName>, modify_attribute},
    {"AddTagsToResource", true, tagging, add_tags},
    {"RemoveTagsFromResource", true, tagging, remove_tags},
    {"ListTagsForResource", false, tagging, list_tags},
    {"StartExportTask", true, exporting, start_export, prepare_export},
    {"DescribeExportTasks", false, anything, describe_exports},
    {"CancelExportTask", true, anything, cancel_export},
    {"DescribeEvents", false, anything, describe_events},
    {"DescribeEventCategories", false, anything, describe_event_categories},
};

const api::Entry<Request> kCofferEntries[] = {
    {"RegisterDatabase", true, database<kDatabaseName>, register_database, prepare_registration},
    {"DeregisterDatabase", true, database<kDatabaseName>, deregister_database},
    {"CheckDatabase", false, database<kDatabaseName>, check_database, prepare_check},
    {"DescribeDatabases", false, database<kDatabaseName>, describe_databases},
};

class DatabaseService final : public Service {
 public:
  DatabaseService(catalog::Database& database, iam::Authority& authority, api::Invoke invoke, Engine& engine,
                  Secret root, Clock& clock, Entropy& entropy, Options options)
      : root_(std::move(root)), setting_{database,     authority, std::move(invoke), engine,
                                         root_.view(), clock,     entropy,           std::move(options)} {}

  api::ServiceTable actions() override { return api::table_of<Request>("rds", kEntries, setting_); }
  api::ServiceTable coffer_actions() override { return api::table_of<Request>("coffer", kCofferEntries, setting_); }
  void add_handlers(work::Runner& runner) override { add_work(setting_, runner); }

  Status run_due(const Context& context, WallTime now) override {
    COFFER_CHECK_OK(probe_due(setting_, context, now));
    COFFER_CHECK_OK(automate_due(setting_, context, now));
    if (now < tidied_ + kTidyEvery && now >= tidied_) return ok_status();
    tidied_ = now;
    return catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) {
      return rows::remove_events_before(t, now - kEventsKept);
    });
  }

  Result<DatabaseAccess> access_of(const Context& context, const Database& database) override {
    return access_to(setting_, context, database);
  }
  Status register_restored(catalog::Transaction& t, const Database& database) override {
    return insert_restored(setting_, t, database);
  }

 private:
  static constexpr std::chrono::hours kEventsKept{14 * 24}, kTidyEvery{1};

  Secret root_;
  Setting setting_;
  WallTime tidied_;  // of run_due() alone
};

}  // namespace

std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, api::Invoke invoke,
                                      Engine& engine, Secret sealing_root, Clock& clock, Entropy& entropy,
                                      Options options) {
  return std::make_unique<DatabaseService>(database, authority, std::move(invoke), engine, std::move(sealing_root),
                                           clock, entropy, std::move(options));
}

}  // namespace coffer::rds
