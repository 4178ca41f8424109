// Faults, names, tags, pages, events, connections: what the operations share.
#include <algorithm>

#include "engine/crypto/digest.h"
#include "services/api/event.h"
#include "services/api/fault.h"
#include "services/api/page_marker.h"
#include "services/catalog/outbox.h"
#include "services/rds/operations.h"
#include "services/rds/service_keys.h"

namespace coffer::rds {
namespace {

using api::Value;

constexpr size_t kTagsMax = 50, kTagKeyMax = 128, kTagValueMax = 256;
constexpr int64_t kPageMin = 20, kPageMax = 100;
constexpr std::string_view kPrincipal = "rds.amazonaws.com";
constexpr std::string_view kResourceContext = "aws:rds:dbi-resource-id";

std::string small(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string scope_of(const Request& r) {
  return api::page_scope(r.call().operation, r.account() + "/" + r.region(), r.input(), {"Marker", "MaxRecords"});
}
Secret marker_key(const Request& r) { return api::page_marker_key(r.setting.root, "rds list markers v1"); }

struct Told {
  std::string account, region, arn, identifier;
  EventSource source;
  const std::map<std::string, std::string>& tags;
};

Status tell_of(catalog::Transaction& t, Entropy& entropy, WallTime now, const Told& about, std::string_view number,
               std::string_view category, std::string message) {
  const bool database = about.source == EventSource::kDatabase;
  const std::string id = "RDS-EVENT-" + std::string(number);
  COFFER_CHECK_OK(rows::insert_event(t, {0,
                                         about.account,
                                         about.region,
                                         database ? "db-instance" : "db-snapshot",
                                         about.identifier,
                                         about.arn,
                                         id,
                                         message,
                                         {std::string(category)},
                                         now}));
  api::Event event;
  event.id = random_uuid(entropy);
  event.source = "aws.rds";
  event.detail_type = database ? "RDS DB Instance Event" : "RDS DB Snapshot Event";
  event.account = about.account;
  event.region = about.region;
  event.time = now;
  event.resources = {about.arn};
  event.detail = Value::object({{"EventCategories", api::text_list({std::string(category)})},
                                {"SourceType", database ? "DB_INSTANCE" : "SNAPSHOT"},
                                {"SourceArn", about.arn},
                                {"Date", api::event_time(now)},
                                {"Message", std::move(message)},
                                {"SourceIdentifier", about.identifier},
                                {"EventID", id},
                                {"Tags", api::text_map(about.tags)}});
  return catalog::outbox_append(t, api::kEventTopic, api::event_json(event), now);
}

ServiceIdentity itself(const Database& database) { return {std::string(kPrincipal), database.account, database.arn()}; }

}  // namespace

Error invalid_parameter(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidParameterValue", std::move(message));
}
Error invalid_combination(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidParameterCombination", std::move(message));
}
Error no_database(std::string_view name) {
  return api::fault(ErrorCode::kNotFound, "DBInstanceNotFound", "DBInstance " + std::string(name) + " not found.");
}
Error no_snapshot(std::string_view name) {
  return api::fault(ErrorCode::kNotFound, "DBSnapshotNotFound", "DBSnapshot " + std::string(name) + " not found.");
}

Error key_fault(Error error) {
  switch (error.code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kConflict:
    case ErrorCode::kCancelled:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kInternal: return error;
    default: break;
  }
  return api::fault(
      ErrorCode::kFailedPrecondition, "KMSKeyNotAccessibleFault",
      "The specified KMS key does not exist, is not enabled or you do not have permissions to access it: " +
          error.message);
}

bool is_passing(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kThrottled:
    case ErrorCode::kConflict:
    case ErrorCode::kCancelled: return true;
    default: return false;
  }
}

Result<std::string> new_name(const Request& r, std::string_view member, size_t size_max) {
  const std::string name = small(r.input().text(member));
  const bool fits =
      !name.empty() && is_letter(name.front()) && name.back() != '-' && name.find("--") == std::string::npos &&
      std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
  if (!fits)
    return invalid_parameter("The parameter " + std::string(member) +
                             " is not a valid identifier. Identifiers must begin with a letter; must contain only "
                             "ASCII letters, digits, and "
                             "hyphens; and must not end with a hyphen or contain two consecutive hyphens.");
  if (name.size() > size_max)
    return invalid_parameter("The parameter " + std::string(member) + " must be at most " + std::to_string(size_max) +
                             " characters long.");
  return name;
}

std::string name_of(const Request& r, std::string_view member, std::string_view type) {
  const std::string_view text = r.input().text(member);
  const auto arn = parse_arn(text);
  if (arn && arn->type == type && arn->account == r.account() && arn->region == r.region()) return small(arn->name);
  return small(text);
}

Result<Database> database_named(const Request& r, std::string_view member) {
  const std::string name = name_of(r, member, "db");
  COFFER_TRY(auto found, rows::find_database(r.t(), r.account(), r.region(), name));
  if (!found) return no_database(name);
  return std::move(*found);
}

bool is_shared_with(const Snapshot& snapshot, std::string_view account) {
  return std::any_of(snapshot.restore_accounts.begin(), snapshot.restore_accounts.end(),
                     [&](const std::string& one) { return one == "all" || one == account; });
}

Result<Snapshot> snapshot_named(const Request& r, std::string_view member) {
  const std::string name = name_of(r, member, "snapshot");
  if (const auto arn = parse_arn(name); arn && arn->type == "snapshot") {
    COFFER_TRY(auto foreign, rows::find_snapshot(r.t(), arn->account, arn->region, arn->name));
    // One that is not shared is as if it were not there.
    if (!foreign || (arn->account != r.account() && !is_shared_with(*foreign, r.account()))) return no_snapshot(name);
    return std::move(*foreign);
  }
  COFFER_TRY(auto found, rows::find_snapshot(r.t(), r.account(), r.region(), name));
  if (!found) return no_snapshot(name);
  return std::move(*found);
}

std::string new_resource_id(Entropy& entropy) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string id = "db-";
  for (std::byte b : entropy.array<26>()) id += kAlphabet[static_cast<size_t>(b) & 31];
  return id;
}

Status check_tag_count(const std::map<std::string, std::string>& tags) {
  if (tags.size() <= kTagsMax) return ok_status();
  return invalid_parameter("A resource has at most 50 tags.");
}

Result<std::map<std::string, std::string>> tags_of_input(const Request& r, std::string_view member) {
  std::map<std::string, std::string> tags;
  for (const Value& tag : r.input().list(member)) {
    std::string key(tag.text("Key"));
    if (key.empty() || key.size() > kTagKeyMax || tag.text("Value").size() > kTagValueMax)
      return invalid_parameter("Tag keys have 1 to 128 characters and values at most 256.");
    if (key.starts_with("aws:") || key.starts_with("rds:"))
      return invalid_parameter("Tag keys that begin with aws: or rds: are reserved.");
    tags[std::move(key)] = tag.text("Value");
  }
  COFFER_CHECK_OK(check_tag_count(tags));
  return tags;
}

Value tag_list(const std::map<std::string, std::string>& tags) {
  api::List list;
  for (const auto& [key, value] : tags) list.push_back(Value::object({{"Key", key}, {"Value", value}}));
  return list;
}

Result<int64_t> page_size(const Request& r) {
  const int64_t size = r.input().integer("MaxRecords").value_or(kPageMax);
  if (size < kPageMin || size > kPageMax)
    return invalid_parameter("Invalid value " + std::to_string(size) + " for MaxRecords. Must be between 20 and 100");
  return size;
}

std::string marker_behind(const Request& r, std::string_view after) {
  return api::make_page_marker(marker_key(r).view(), scope_of(r), after);
}

Result<std::string> begin_of_page(const Request& r) {
  if (r.input().text("Marker").empty()) return std::string();
  auto after = api::open_page_marker(marker_key(r).view(), scope_of(r), r.input().text("Marker"));
  if (after) return std::move(*after);
  return invalid_parameter("Invalid value for Marker");
}

Result<std::map<std::string, std::vector<std::string>>> filters_of(const Request& r,
                                                                   std::initializer_list<std::string_view> known) {
  std::map<std::string, std::vector<std::string>> filters;
  for (const Value& filter : r.input().list("Filters")) {
    const std::string name(filter.text("Name"));
    if (std::find(known.begin(), known.end(), name) == known.end())
      return invalid_parameter("Unrecognized filter name: " + name);
    std::vector<std::string> values = filter.texts("Values");
    if (values.empty()) return invalid_parameter("The filter " + name + " has no values");
    auto& all = filters[name];
    all.insert(all.end(), values.begin(), values.end());
  }
  return filters;
}

bool passes(const std::map<std::string, std::vector<std::string>>& filters, std::string_view name,
            std::initializer_list<std::string_view> values) {
  const auto found = filters.find(std::string(name));
  if (found == filters.end()) return true;
  return std::any_of(found->second.begin(), found->second.end(), [&](const std::string& wanted) {
    return std::any_of(values.begin(), values.end(),
                       [&](std::string_view value) { return small(wanted) == small(value); });
  });
}

Status tell(catalog::Transaction& t, Entropy& entropy, WallTime now, const Database& d, std::string_view number,
            std::string_view category, std::string message) {
  return tell_of(t, entropy, now, {d.account, d.region, d.arn(), d.identifier, EventSource::kDatabase, d.tags}, number,
                 category, std::move(message));
}
Status tell(catalog::Transaction& t, Entropy& entropy, WallTime now, const Snapshot& s, std::string_view number,
            std::string_view category, std::string message) {
  return tell_of(t, entropy, now, {s.account, s.region, s.arn(), s.identifier, EventSource::kSnapshot, s.tags}, number,
                 category, std::move(message));
}

Result<Bytes> seal_connection(const Setting& setting, const Database& database, const Secret& conninfo) {
  const auto client = service_key_client(setting.invoke, setting.clock, setting.entropy, itself(database));
  return client->encrypt(database.kms_key_arn, conninfo.view(),
                         {{std::string(kResourceContext), database.resource_id}});
}

Result<Secret> open_connection(const Setting& setting, const Database& database, ByteView sealed) {
  const auto client = service_key_client(setting.invoke, setting.clock, setting.entropy, itself(database));
  Result<Secret> conninfo =
      client->decrypt(database.kms_key_arn, sealed, {{std::string(kResourceContext), database.resource_id}});
  if (!conninfo.ok())
    return std::move(conninfo)
        .error()
        .in("opening the connection of " + database.identifier)
        .advise("see that the key " + database.kms_key_arn +
                " is enabled and that its grant to rds.amazonaws.com is there");
  return conninfo;
}

Result<DatabaseAccess> access_to(const Setting& setting, const Context& context, const Database& database) {
  Bytes sealed;
  {
    COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(sealed, rows::connection_of(*t, database));
  }
  if (sealed.empty())
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidDBInstanceState",
                      "Instance " + database.identifier + " has no connection: it was restored to " +
                          database.data_directory +
                          " and has no server yet. Start one there and register it under this name.");
  DatabaseAccess access;
  COFFER_TRY(access.conninfo, open_connection(setting, database, sealed));
  access.data_directory = database.data_directory;
  access.system_identifier = database.system_identifier;
  return access;
}

VaultPlace own_place(const std::string& account, const std::string& region, const std::string& key_arn) {
  // A vault is opened by one key: what is under different keys lies in different vaults.
  return {account, region, "aws/rds/" + key_arn.substr(key_arn.rfind('/') + 1), key_arn};
}

std::string label_of(const Snapshot& s) { return s.arn() + "@" + std::to_string(s.created.micros); }

int64_t gib(int64_t bytes) { return (bytes + (int64_t{1} << 30) - 1) >> 30; }

}  // namespace coffer::rds
