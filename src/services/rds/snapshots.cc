// Snapshots: made, listed, copied, shared, deleted.
#include <algorithm>
#include <set>

#include "services/api/fault.h"
#include "services/api/value_json.h"
#include "services/rds/operations.h"
#include "services/rds/service_keys.h"

namespace coffer::rds {
namespace {

using api::Value;

constexpr int64_t kManualMax = 100;
constexpr size_t kSharedMax = 20;  // accounts that a snapshot is shared with

Error wrong_state(const Snapshot& s, std::string_view doing) {
  return api::fault(ErrorCode::kFailedPrecondition, "InvalidDBSnapshotState",
                    "Cannot " + std::string(doing) + " the snapshot " + s.identifier +
                        " because it is not currently in the available state: it is " + s.status + ".");
}

Status check_quota(catalog::Transaction& t, const std::string& account, const std::string& region) {
  COFFER_TRY(const int64_t count, rows::manual_snapshots(t, account, region));
  if (count < kManualMax) return ok_status();
  return api::fault(ErrorCode::kResourceExhausted, "SnapshotQuotaExceeded",
                    "Cannot create more than 100 manual snapshots");
}

Status check_free(catalog::Transaction& t, const std::string& account, const std::string& region,
                  const std::string& name) {
  COFFER_TRY(const auto there, rows::find_snapshot(t, account, region, name));
  if (!there) return ok_status();
  return api::fault(ErrorCode::kAlreadyExists, "DBSnapshotAlreadyExists",
                    "Cannot create the snapshot because a snapshot with the identifier " + name + " already exists.");
}

Value attributes_value(const Snapshot& s) {
  const Value restore =
      Value::object({{"AttributeName", "restore"}, {"AttributeValues", api::text_list(s.restore_accounts)}});
  return Value::object({{"DBSnapshotAttributesResult", Value::object({{"DBSnapshotIdentifier", s.identifier},
                                                                      {"DBSnapshotAttributes", api::List{restore}}})}});
}

bool is_account(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Value snapshot_value(const Snapshot& s) {
  Value value = Value::object({{"DBSnapshotIdentifier", s.identifier},
                               {"DBInstanceIdentifier", s.database_identifier},
                               {"SnapshotCreateTime", s.created},
                               {"Engine", "postgres"},
                               {"AllocatedStorage", gib(s.size_bytes)},
                               {"Status", s.status},
                               {"Port", s.port},
                               {"InstanceCreateTime", s.database_created},
                               {"MasterUsername", s.user},
                               {"EngineVersion", s.engine_version},
                               {"LicenseModel", "postgresql-license"},
                               {"SnapshotType", s.type},
                               {"PercentProgress", s.percent},
                               {"StorageType", "registered"},
                               {"Encrypted", true},
                               {"StorageEncryptionType", "sse-kms"},
                               {"KmsKeyId", s.place.key_arn},
                               {"DBSnapshotArn", s.arn()},
                               {"IAMDatabaseAuthenticationEnabled", false},
                               {"DbiResourceId", s.resource_id},
                               {"OriginalSnapshotCreateTime", s.original_created},
                               {"SnapshotDatabaseTime", s.original_created},
                               {"SnapshotTarget", "region"},
                               {"TagList", tag_list(s.tags)}});
  if (const auto source = parse_arn(s.source_arn)) {
    value.set("SourceRegion", source->region);
    value.set("SourceDBSnapshotIdentifier", s.source_arn);
  }
  return value;
}

Result<Snapshot> begin_snapshot(const Setting& setting, catalog::Transaction& t, WallTime now, const Database& d,
                                const std::string& name, const std::string& type,
                                std::map<std::string, std::string> tags, bool then_remove) {
  COFFER_CHECK_OK(check_free(t, d.account, d.region, name));
  if (type == "manual" && !then_remove) COFFER_CHECK_OK(check_quota(t, d.account, d.region));
  Snapshot s;
  s.account = d.account;
  s.region = d.region;
  s.identifier = name;
  s.type = type;
  s.database_identifier = d.identifier;
  s.resource_id = d.resource_id;
  s.engine_version = d.engine_version;
  s.user = d.user;
  s.port = d.port;
  s.size_bytes = d.size_bytes;
  s.created = s.original_created = now;
  s.database_created = d.created;
  s.place = own_place(d.account, d.region, d.kms_key_arn);
  s.tags = std::move(tags);
  COFFER_CHECK_OK(put_snapshot(t, s));
  const bool manual = type == "manual";
  COFFER_CHECK_OK(tell(t, setting.entropy, now, s, manual ? "0040" : "0090", "creation",
                       manual ? "Creating manual snapshot" : "Creating automated snapshot"));
  const Value payload = Value::object({{"Snapshot", s.arn()}, {"Database", d.arn()}, {"ThenRemove", then_remove}});
  COFFER_CHECK_OK(work::add(t, "rds.snapshot", label_of(s), api::to_json(payload), now));
  return s;
}

Result<Value> create_snapshot(const Request& r) {
  COFFER_TRY(const std::string name, new_name(r, "DBSnapshotIdentifier", 255));
  COFFER_TRY(const Database d, database_named(r, "DBInstanceIdentifier"));
  if (d.status != "available")
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidDBInstanceState",
                      "Instance " + d.identifier + " is not currently in the available state: it is " + d.status + ".");
  COFFER_TRY(auto tags, tags_of_input(r));
  const auto copies = d.settings.find("CopyTagsToSnapshot");
  if (copies != d.settings.end() && copies->second == "true") tags.insert(d.tags.begin(), d.tags.end());
  COFFER_TRY(const Snapshot s, begin_snapshot(r.setting, r.t(), r.now(), d, name, "manual", std::move(tags), false));
  return Value::object({{"DBSnapshot", snapshot_value(s)}});
}

Result<Value> describe_snapshots(const Request& r) {
  COFFER_TRY(const auto filters,
             filters_of(r, {"db-instance-id", "db-snapshot-id", "dbi-resource-id", "snapshot-type", "engine"}));
  const std::string type = r.text("SnapshotType"), database = name_of(r, "DBInstanceIdentifier", "db"),
                    resource = r.text("DbiResourceId");
  static const std::set<std::string, std::less<>> kTypes = {"", "automated", "manual", "shared", "public", "awsbackup"};
  if (!kTypes.contains(type)) return invalid_parameter("Invalid snapshot type: " + type);
  const auto is_wanted = [&](const Snapshot& s, bool own) {
    const bool is_public = std::count(s.restore_accounts.begin(), s.restore_accounts.end(), "all") > 0;
    if (own) {
      if (type == "shared" || type == "public") return false;
      // Those of Backup are told when they are asked for: by their type, their name, or a filter.
      if (type.empty() && s.type == "awsbackup" && !filters.contains("snapshot-type") &&
          !filters.contains("db-snapshot-id"))
        return false;
      if (!type.empty() && s.type != type) return false;
    } else {
      if (!is_shared_with(s, r.account())) return false;
      const bool by_type = (type == "shared" && !is_public) || (type == "public" && is_public);
      const bool included = (type.empty() || type == "manual") && ((is_public && r.input().flag("IncludePublic")) ||
                                                                   (!is_public && r.input().flag("IncludeShared")));
      if (!by_type && !included) return false;
    }
    if ((!database.empty() && s.database_identifier != database) || (!resource.empty() && s.resource_id != resource))
      return false;
    return passes(
               filters, "db-instance-id",
               {s.database_identifier, "arn:aws:rds:" + s.region + ":" + s.account + ":db:" + s.database_identifier}) &&
           passes(filters, "db-snapshot-id", {s.identifier, s.arn()}) &&
           passes(filters, "dbi-resource-id", {s.resource_id}) && passes(filters, "snapshot-type", {s.type}) &&
           passes(filters, "engine", {"postgres"});
  };
  if (r.input().has("DBSnapshotIdentifier")) {
    COFFER_TRY(const Snapshot s, snapshot_named(r, "DBSnapshotIdentifier"));
    const bool fits = (database.empty() || s.database_identifier == database) &&
                      (type.empty() || type == "shared" || type == "public" || s.type == type);
    if (!fits) return no_snapshot(s.identifier);
    return Value::object({{"DBSnapshots", api::List{snapshot_value(s)}}});
  }
  COFFER_TRY(const int64_t size, page_size(r));
  COFFER_TRY(std::string after, begin_of_page(r));
  api::List list;
  Value answer = Value::object();
  for (bool more = true; more;) {
    COFFER_TRY(const auto page, list_snapshots(r.t(), r.account(), r.region(), after, size));
    for (const Snapshot& s : page) {
      if (is_wanted(s, true)) {
        if (static_cast<int64_t>(list.size()) == size) {
          answer.set("Marker", marker_behind(r, after));
          return answer.set("DBSnapshots", std::move(list));
        }
        list.push_back(snapshot_value(s));
      }
      after = s.identifier;
    }
    more = static_cast<int64_t>(page.size()) == size;
  }
  // Those of others stand behind the last own one.
  COFFER_TRY(const auto foreign, rows::shared_snapshots(r.t(), r.account(), r.region()));
  for (const Snapshot& s : foreign) {
    if (is_wanted(s, false)) list.push_back(snapshot_value(s));
  }
  return answer.set("DBSnapshots", std::move(list));
}

Status drop_snapshot(const Setting& setting, catalog::Transaction& t, WallTime now, const Snapshot& s) {
  COFFER_CHECK_OK(remove_snapshot(t, s.arn()));
  COFFER_CHECK_OK(tell(t, setting.entropy, now, s, "0041", "deletion",
                       s.type == "automated" ? "Deleted automated snapshot" : "Deleted manual snapshot"));
  if (s.reference.empty()) return ok_status();
  const Value payload = Value::object({{"Account", s.place.account},
                                       {"Region", s.place.region},
                                       {"Name", s.place.name},
                                       {"Key", s.place.key_arn},
                                       {"Reference", s.reference},
                                       {"Reason", "snapshot " + s.arn() + " was deleted"}});
  return work::add(t, "rds.forget", label_of(s), api::to_json(payload), now);
}

Result<Value> delete_snapshot(const Request& r) {
  COFFER_TRY(Snapshot s, snapshot_named(r, "DBSnapshotIdentifier"));
  if (s.account != r.account()) return no_snapshot(s.identifier);
  if (s.type == "awsbackup")
    return api::fault(
        ErrorCode::kFailedPrecondition, "InvalidDBSnapshotState",
        "The snapshot " + s.identifier + " is a recovery point of AWS Backup: delete the recovery point there.");
  if (s.type != "manual")
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidDBSnapshotState",
                      "Only manual snapshots may be deleted. " + s.identifier + " is " + s.type + ".");
  if (s.status != "available" && s.status != "failed") return wrong_state(s, "delete");
  COFFER_CHECK_OK(drop_snapshot(r.setting, r.t(), r.now(), s));
  s.status = "deleted";
  return Value::object({{"DBSnapshot", snapshot_value(s)}});
}

Prepared prepare_copy(const Request& r) {
  COFFER_TRY(const Snapshot source, snapshot_named(r, "SourceDBSnapshotIdentifier"));
  const std::string wish = r.text("KmsKeyId");
  const bool near = source.region == r.region() && source.account == r.account();
  if (wish.empty() && !near)
    return invalid_combination(
        "KmsKeyId is required when an encrypted snapshot of another Region or account is copied.");
  auto key = std::make_shared<std::string>(source.place.key_arn);
  if (!wish.empty()) {
    auto found = find_key(r.setting.invoke, r.operation, wish, "rds", r.setting.entropy);
    if (!found.ok()) return key_fault(std::move(found).error());
    *key = *found;
  }
  if (Status granted = let_service_use_key(r.setting.invoke, r.operation, *key, "rds.amazonaws.com"); !granted.ok())
    return key_fault(std::move(granted).error());
  return std::shared_ptr<void>(std::move(key));
}

Result<Value> copy_snapshot(const Request& r) {
  COFFER_TRY(const std::string name, new_name(r, "TargetDBSnapshotIdentifier", 255));
  COFFER_TRY(const Snapshot source, snapshot_named(r, "SourceDBSnapshotIdentifier"));
  if (source.status != "available") return wrong_state(source, "copy");
  COFFER_CHECK_OK(check_free(r.t(), r.account(), r.region(), name));
  COFFER_CHECK_OK(check_quota(r.t(), r.account(), r.region()));
  Snapshot copy = source;
  copy.account = r.account();
  copy.region = r.region();
  copy.identifier = name;
  copy.type = "manual";
  copy.status = "creating";
  copy.percent = 0;
  copy.created = r.now();
  copy.source_arn = source.arn();
  copy.place = own_place(r.account(), r.region(), r.prepared<std::string>());
  copy.reference.clear();
  copy.restore_accounts.clear();
  COFFER_TRY(copy.tags, tags_of_input(r));
  if (r.input().flag("CopyTags") && copy.tags.empty()) copy.tags = source.tags;
  COFFER_CHECK_OK(put_snapshot(r.t(), copy));
  const bool local = source.region == r.region();
  COFFER_CHECK_OK(tell(r.t(), r.setting.entropy, r.now(), copy, local ? "0196" : "0059", "notification",
                       local ? "Started copy of snapshot " + source.identifier
                             : "Started copy of snapshot " + source.identifier + " from region " + source.region));
  const Value payload = Value::object({{"Snapshot", copy.arn()},
                                       {"Local", local},
                                       {"Account", source.place.account},
                                       {"Region", source.place.region},
                                       {"Name", source.place.name},
                                       {"Key", source.place.key_arn},
                                       {"Reference", source.reference},
                                       {"Source", source.identifier}});
  COFFER_CHECK_OK(work::add(r.t(), "rds.copy", label_of(copy), api::to_json(payload), r.now()));
  return Value::object({{"DBSnapshot", snapshot_value(copy)}});
}

Result<Value> describe_attributes(const Request& r) {
  COFFER_TRY(const Snapshot s, snapshot_named(r, "DBSnapshotIdentifier"));
  if (s.account != r.account()) return no_snapshot(s.identifier);
  return attributes_value(s);
}

Result<Value> modify_attribute(const Request& r) {
  COFFER_TRY(Snapshot s, snapshot_named(r, "DBSnapshotIdentifier"));
  if (s.account != r.account()) return no_snapshot(s.identifier);
  if (r.text("AttributeName") != "restore")
    return invalid_parameter("Invalid snapshot attribute: " + r.text("AttributeName"));
  if (s.type != "manual")
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidDBSnapshotState", "Only manual snapshots can be shared.");
  if (s.status != "available") return wrong_state(s, "share");
  std::set<std::string> accounts(s.restore_accounts.begin(), s.restore_accounts.end());
  for (const std::string& one : r.input().texts("ValuesToRemove")) accounts.erase(one);
  for (const std::string& one : r.input().texts("ValuesToAdd")) {
    if (one == "all") return invalid_parameter("An encrypted snapshot cannot be made public.");
    if (!is_account(one)) return invalid_parameter("Invalid account: " + one);
    accounts.insert(one);
  }
  if (accounts.size() > kSharedMax)
    return api::fault(ErrorCode::kResourceExhausted, "SharedSnapshotQuotaExceeded",
                      "A snapshot is shared with at most 20 accounts.");
  s.restore_accounts.assign(accounts.begin(), accounts.end());
  COFFER_CHECK_OK(put_snapshot(r.t(), s));
  return attributes_value(s);
}

namespace {

/// The resource that `ResourceName` means, as one of the two.
struct Tagged {
  std::optional<Database> database;
  std::optional<Snapshot> snapshot;
  std::map<std::string, std::string>& tags() { return database ? database->tags : snapshot->tags; }
};

Result<Tagged> tagged(const Request& r) {
  const std::string name = r.text("ResourceName");
  const auto arn = parse_arn(name);
  if (!arn) return invalid_parameter("Invalid resource name: " + name);
  const bool own = arn->account == r.account() && arn->region == r.region();
  Tagged found;
  if (arn->type == "db") {
    if (own) {
      COFFER_TRY(found.database, rows::find_database(r.t(), arn->account, arn->region, arn->name));
    }
    if (!found.database) return no_database(arn->name);
    return found;
  }
  if (arn->type != "snapshot") return invalid_parameter("Invalid resource name: " + name);
  if (own) {
    COFFER_TRY(found.snapshot, rows::find_snapshot(r.t(), arn->account, arn->region, arn->name));
  }
  if (!found.snapshot) return no_snapshot(arn->name);
  return found;
}

Status keep(const Request& r, const Tagged& one) {
  return one.database ? rows::update_database(r.t(), *one.database) : put_snapshot(r.t(), *one.snapshot);
}

}  // namespace

Result<Value> add_tags(const Request& r) {
  COFFER_TRY(Tagged one, tagged(r));
  COFFER_TRY(const auto more, tags_of_input(r));
  for (const auto& [key, value] : more) one.tags()[key] = value;
  COFFER_CHECK_OK(check_tag_count(one.tags()));
  COFFER_CHECK_OK(keep(r, one));
  return Value::object();
}

Result<Value> remove_tags(const Request& r) {
  COFFER_TRY(Tagged one, tagged(r));
  for (const std::string& key : r.input().texts("TagKeys")) one.tags().erase(key);
  COFFER_CHECK_OK(keep(r, one));
  return Value::object();
}

Result<Value> list_tags(const Request& r) {
  COFFER_TRY(Tagged one, tagged(r));
  return Value::object({{"TagList", tag_list(one.tags())}});
}

}  // namespace coffer::rds
