// The operations behind actions.cc, by area. For the files of this folder.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "services/api/request.h"
#include "services/rds/rows.h"
#include "services/rds/service.h"

namespace coffer::rds {

/// What every operation works with.
struct Setting {
  catalog::Database& database;
  iam::Authority& authority;
  api::Invoke invoke;
  Engine& engine;
  ByteView root;
  Clock& clock;
  Entropy& entropy;
  Options options;
};

using Request = api::Request<Setting>;
using Requests = std::vector<api::AccessRequest>;
using Prepared = Result<std::shared_ptr<void>>;

// faults
Error invalid_parameter(std::string message);
Error invalid_combination(std::string message);
Error no_database(std::string_view name);
Error no_snapshot(std::string_view name);
/// As RDS tells that it cannot use a key: "KMSKeyNotAccessibleFault".
Error key_fault(Error error);
/// May it go by itself? Then the work is tried again.
bool is_passing(const Error& error);

// names
/// Of a new database ("DBInstanceIdentifier", 63) or snapshot (255): RDS's rules; in small letters.
Result<std::string> new_name(const Request&, std::string_view member, size_t size_max);
/// A name, or the ARN of this account and Region; in small letters.
std::string name_of(const Request&, std::string_view member, std::string_view type);
/// "DBInstanceNotFound".
Result<Database> database_named(const Request&, std::string_view member);
/// Of the account, or (by ARN) one that is shared with it. "DBSnapshotNotFound".
Result<Snapshot> snapshot_named(const Request&, std::string_view member);
std::string new_resource_id(Entropy& entropy);
bool is_shared_with(const Snapshot& snapshot, std::string_view account);

// tags
/// Of the input's `Tags`. "InvalidParameterValue" for reserved keys, "TagQuotaExceeded..." for more than 50.
Result<std::map<std::string, std::string>> tags_of_input(const Request&, std::string_view member = "Tags");
Status check_tag_count(const std::map<std::string, std::string>& tags);
api::Value tag_list(const std::map<std::string, std::string>& tags);

// lists
/// How many at most: MaxRecords, 20 to 100.
Result<int64_t> page_size(const Request&);
std::string marker_behind(const Request&, std::string_view after);
/// "" at the start; "InvalidParameterValue" for what is no marker of this list.
Result<std::string> begin_of_page(const Request&);
/// The values of `Filters` by name; "InvalidParameterValue" for names that are not among `known`.
Result<std::map<std::string, std::vector<std::string>>> filters_of(const Request&,
                                                                   std::initializer_list<std::string_view> known);
bool passes(const std::map<std::string, std::vector<std::string>>& filters, std::string_view name,
            std::initializer_list<std::string_view> values);

// what an answer shows
api::Value database_value(const Database& database);
api::Value snapshot_value(const Snapshot& snapshot);
api::Value export_value(const rows::ExportTask& task);
int64_t gib(int64_t bytes);

// events
enum class EventSource { kDatabase, kSnapshot };
/// Written for DescribeEvents and, as an event of aws.rds, to the bus.
Status tell(catalog::Transaction& t, Entropy& entropy, WallTime now, const Database& database, std::string_view number,
            std::string_view category, std::string message);
Status tell(catalog::Transaction& t, Entropy& entropy, WallTime now, const Snapshot& snapshot, std::string_view number,
            std::string_view category, std::string message);

// connections
/// Sealed under the KMS key of the database, by the service itself.
Result<Bytes> seal_connection(const Setting&, const Database& database, const Secret& conninfo);
Result<Secret> open_connection(const Setting&, const Database& database, ByteView sealed);
/// Unsealed; "InvalidDBInstanceState" for one that has no connection.
Result<DatabaseAccess> access_to(const Setting&, const Context& context, const Database& database);

// places
/// What RDS keeps itself under a key.
VaultPlace own_place(const std::string& account, const std::string& region, const std::string& key_arn);
/// Under what a snapshot's point is taken: two of one name after each other differ.
std::string label_of(const Snapshot& snapshot);

// DB instances
Result<api::Value> describe_instances(const Request&);
Result<api::Value> modify_instance(const Request&);
Result<api::Value> delete_instance(const Request&);
Result<api::Value> describe_engine_versions(const Request&);
Result<api::Value> describe_automated_backups(const Request&);
Result<api::Value> restore_from_snapshot(const Request&);
Result<api::Value> restore_to_time(const Request&);
/// A database that exists as a folder; the same again is a success.
Status insert_restored(const Setting&, catalog::Transaction& t, Database database);

// snapshots
Result<api::Value> create_snapshot(const Request&);
Result<api::Value> describe_snapshots(const Request&);
Result<api::Value> delete_snapshot(const Request&);
Prepared prepare_copy(const Request&);
Result<api::Value> copy_snapshot(const Request&);
Result<api::Value> describe_attributes(const Request&);
Result<api::Value> modify_attribute(const Request&);
/// Inserts one of `database` in state creating and the work that makes it; `then_remove`: the database goes with it.
Result<Snapshot> begin_snapshot(const Setting&, catalog::Transaction& t, WallTime now, const Database& database,
                                const std::string& name, const std::string& type,
                                std::map<std::string, std::string> tags, bool then_remove);
/// Removes the row; its point is forgotten by work that follows.
Status drop_snapshot(const Setting&, catalog::Transaction& t, WallTime now, const Snapshot& snapshot);

// tags of both
Result<api::Value> add_tags(const Request&);
Result<api::Value> remove_tags(const Request&);
Result<api::Value> list_tags(const Request&);

// exports
Prepared prepare_export(const Request&);
Result<api::Value> start_export(const Request&);
Result<api::Value> describe_exports(const Request&);
Result<api::Value> cancel_export(const Request&);

// events
Result<api::Value> describe_events(const Request&);
Result<api::Value> describe_event_categories(const Request&);

// coffer
Prepared prepare_registration(const Request&);
Result<api::Value> register_database(const Request&);
Result<api::Value> deregister_database(const Request&);
Prepared prepare_check(const Request&);
Result<api::Value> check_database(const Request&);
Result<api::Value> describe_databases(const Request&);

// by the clock and by work
/// Registers what this service's items are done by.
void add_work(const Setting&, work::Runner& runner);
/// Databases that were not looked at for a minute get a work item: a server that does not answer holds nobody up.
Status probe_due(const Setting&, const Context& context, WallTime now);
/// Item "rds.probe", by the resource id: the status follows what the server says.
Status run_probe(const Setting&, const Context& context, const work::Item& item);
/// Automated snapshots of databases that keep some: taken once a day in their window, and removed after their days.
Status automate_due(const Setting&, const Context& context, WallTime now);

}  // namespace coffer::rds
