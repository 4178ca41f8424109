// EventBridge's rows. Settings that no query looks at are kept as one Value.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/api/value.h"
#include "services/catalog/database.h"
#include "services/events/arns.h"

namespace coffer::events::rows {

using catalog::Transaction;

struct Bus {
  BusName name;
  std::string policy;   // JSON text, or empty
  api::Value settings;  // Description, KmsKeyIdentifier, DeadLetterConfig, LogConfig
  WallTime created, modified;
  /// Grows with every change of its rules and targets: what a compiled set of them is compared by.
  int64_t revision = 0;
};
Result<std::optional<Bus>> find_bus(Transaction&, const BusName&);
Result<std::vector<Bus>> list_buses(Transaction&, std::string_view account, std::string_view region,
                                    std::string_view prefix, std::string_view after, int64_t limit);
Status put_bus(Transaction&, const Bus&);
Status remove_bus(Transaction&, const BusName&);
/// A rule or target of the bus changed.
Status touch_bus(Transaction&, const BusName&);

struct Rule {
  RuleName name;
  std::string pattern, schedule, state = "ENABLED", description, role, managed_by, created_by;
  WallTime created;
  std::optional<WallTime> next_run;  // of an enabled schedule
  WallTime anchor;                   // what rate() counts from
  [[nodiscard]] bool enabled() const { return state != "DISABLED"; }
};
Result<std::optional<Rule>> find_rule(Transaction&, const RuleName&);
Result<std::vector<Rule>> list_rules(Transaction&, const BusName&, std::string_view prefix, std::string_view after,
                                     int64_t limit);
Result<int64_t> count_rules(Transaction&, const BusName&);
/// Enabled ones with a schedule that is due.
Result<std::vector<Rule>> due_rules(Transaction&, WallTime now, int64_t limit);
Status put_rule(Transaction&, const Rule&);
Status remove_rule(Transaction&, const RuleName&);

struct Target {
  RuleName rule;
  std::string id, arn;
  api::Value settings;  // the whole Target of the API
};
Result<std::optional<Target>> find_target(Transaction&, const RuleName&, std::string_view id);
Result<std::vector<Target>> list_targets(Transaction&, const RuleName&, std::string_view after, int64_t limit);
Result<std::vector<std::string>> rules_of_target(Transaction&, const BusName&, std::string_view arn,
                                                 std::string_view after, int64_t limit);
Result<int64_t> count_targets(Transaction&, const RuleName&);
Status put_target(Transaction&, const Target&);
Status remove_target(Transaction&, const RuleName&, std::string_view id);

Result<std::map<std::string, std::string>> tags(Transaction&, std::string_view arn);
Status put_tag(Transaction&, std::string_view arn, std::string_view key, std::string_view value);
Status remove_tag(Transaction&, std::string_view arn, std::string_view key);
Status remove_tags(Transaction&, std::string_view arn);

/// One event for one target, until it is delivered or given up.
struct Delivery {
  int64_t id = 0, message = 0;
  std::string event_id;  // with the replay's name behind '/', for replayed events
  RuleName rule;
  std::string target;
  std::string order_key;  // deliveries of one key go out one after the other
  int64_t lane = 0;
  WallTime created, wake;
  int64_t attempts = 0;  // begun
  std::string holder;
  int64_t token = 0;
  std::string error_code, error_message;  // of the last attempt
};
Result<int64_t> insert_message(Transaction&, std::string_view event);
Result<std::optional<std::string>> find_message(Transaction&, int64_t id);
/// False: there is one for this event, rule and target already.
Result<bool> insert_delivery(Transaction&, const Delivery&);
/// Takes up to `limit` that are due, of one lane; a delivery waits while an earlier one of its key is younger than
/// `patience`.
Result<std::vector<Delivery>> claim_deliveries(Transaction&, int64_t lane, std::string_view holder, WallTime now,
                                               std::chrono::seconds lease, std::chrono::seconds patience,
                                               int64_t limit);
Result<bool> has_due_delivery(Transaction&, int64_t lane, WallTime now);
/// kFailedPrecondition when somebody else holds it now.
Status check_fence(Transaction&, const Delivery&);
/// With its message when nobody else needs it.
Status remove_delivery(Transaction&, const Delivery&);
Status postpone_delivery(Transaction&, const Delivery&, WallTime wake);

struct DeadLetter {
  int64_t id = 0;
  RuleName rule;
  std::string target, target_arn, event_id, event, error_code, error_message, exhausted;
  int64_t attempts = 0;
  WallTime created;
  std::string sent_to;  // the bucket or log group that has it too
};
Result<int64_t> insert_dead_letter(Transaction&, const DeadLetter&);
Result<std::vector<DeadLetter>> list_dead_letters(Transaction&, std::string_view account, std::string_view region,
                                                  int64_t after, int64_t limit);
Result<std::optional<DeadLetter>> find_dead_letter(Transaction&, std::string_view account, int64_t id);
Status remove_dead_letter(Transaction&, int64_t id);
Status remove_dead_letters_before(Transaction&, WallTime time);

/// A connection or an API destination: kinds of one shape.
struct Endpoint {
  std::string kind;  // "connection", "api-destination"
  std::string account, region, name, id;
  api::Value settings;
  Bytes secret;  // sealed; connections
  std::string state;
  WallTime created, modified, authorized;
  [[nodiscard]] std::string arn() const {
    return "arn:aws:events:" + region + ":" + account + ":" + kind + "/" + name + "/" + id;
  }
};
Result<std::optional<Endpoint>> find_endpoint(Transaction&, std::string_view kind, std::string_view account,
                                              std::string_view region, std::string_view name);
Result<std::vector<Endpoint>> list_endpoints(Transaction&, std::string_view kind, std::string_view account,
                                             std::string_view region, std::string_view prefix, std::string_view after,
                                             int64_t limit);
Status put_endpoint(Transaction&, const Endpoint&);
Status remove_endpoint(Transaction&, const Endpoint&);

struct Archive {
  std::string account, region, name, bus, pattern, description, kms_key;
  int64_t retention_days = 0;
  WallTime created;
  int64_t events = 0, size_bytes = 0;
  [[nodiscard]] std::string arn() const { return "arn:aws:events:" + region + ":" + account + ":archive/" + name; }
  [[nodiscard]] BusName bus_name() const { return {account, region, bus}; }
};
Result<std::optional<Archive>> find_archive(Transaction&, std::string_view account, std::string_view region,
                                            std::string_view name);
Result<std::vector<Archive>> list_archives(Transaction&, std::string_view account, std::string_view region,
                                           std::string_view prefix, std::string_view after, int64_t limit);
Result<std::vector<Archive>> archives_of(Transaction&, const BusName&);
Result<std::vector<Archive>> archives_with_retention(Transaction&);
Status put_archive(Transaction&, const Archive&);
/// With its events.
Status remove_archive(Transaction&, const Archive&);

struct ArchivedEvent {
  int64_t id = 0;
  WallTime time;
  std::string event;
};
Status archive_event(Transaction&, const Archive&, WallTime time, std::string_view event);
/// Those of [from, until) behind `after`, by time and id.
Result<std::vector<ArchivedEvent>> archived_events(Transaction&, const Archive&, WallTime from, WallTime until,
                                                   std::pair<WallTime, int64_t> after, int64_t limit);
Status forget_archived_before(Transaction&, const Archive&, WallTime time);

struct Replay {
  std::string account, region, name, archive, description, state = "STARTING", reason;
  WallTime from, until, started;
  std::optional<WallTime> ended;
  WallTime last_time;  // the last event that was replayed, with its id
  int64_t last_id = 0;
  api::Value destination;
  [[nodiscard]] std::string arn() const { return "arn:aws:events:" + region + ":" + account + ":replay/" + name; }
  [[nodiscard]] bool running() const { return state == "STARTING" || state == "RUNNING" || state == "CANCELLING"; }
};
Result<std::optional<Replay>> find_replay(Transaction&, std::string_view account, std::string_view region,
                                          std::string_view name);
Result<std::vector<Replay>> list_replays(Transaction&, std::string_view account, std::string_view region,
                                         std::string_view prefix, std::string_view after, int64_t limit);
Result<std::vector<Replay>> running_replays(Transaction&, int64_t limit);
Status put_replay(Transaction&, const Replay&);
Status remove_replays_ended_before(Transaction&, WallTime time);

}  // namespace coffer::events::rows
