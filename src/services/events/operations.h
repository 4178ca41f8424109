// The operations behind actions.cc, by area. For the files of this folder.
#pragma once
#include <memory>
#include <mutex>

#include "services/api/request.h"
#include "services/events/matcher.h"
#include "services/events/pace.h"
#include "services/events/rows.h"
#include "services/events/service.h"

namespace coffer::events {

/// The enabled rules of one bus with their targets, and its archives, ready to match.
struct BusRules {
  int64_t revision = 0;
  struct Entry {
    RuleName rule;
    std::vector<std::pair<std::string, std::string>> targets;  // id and ARN
    std::optional<rows::Archive> archive;                      // instead: an archive that takes what matches
  };
  std::vector<Entry> entries;  // as the matcher counts them
  std::shared_ptr<const Matcher> matcher;
};

/// Compiled rules by bus, each for the revision that the bus has in the transaction that asks. Safe from many threads.
class RuleCache {
 public:
  /// Null: there is no such bus.
  Result<std::shared_ptr<const BusRules>> find(catalog::Transaction& t, const BusName& bus);

 private:
  std::mutex mutex_;
  std::map<BusName, std::shared_ptr<const BusRules>> cache_;
};

/// What every operation works with.
struct Setting {
  catalog::Database& database;
  iam::Authority& authority;
  api::Invoke invoke;
  Web& web;
  ByteView root;
  Clock& clock;
  Entropy& entropy;
  Options options;
  RuleCache& rules;
  Pace& pace;
};
using Request = api::Request<Setting>;

// ---- common.cc
Error validation(std::string message);
Error not_found(std::string message);
/// The bus that a name or ARN means to the caller; an empty text is the default bus.
BusName bus_named(const Request&, std::string_view name_or_arn);
/// The bus, which for the default one need not have a row yet: ResourceNotFoundException.
Result<rows::Bus> existing_bus(const Request&, const BusName&);
/// The same, and it has a row afterwards: for what changes it or its rules.
Result<rows::Bus> bus_to_change(const Request&, const BusName&);
RuleName rule_named(const Request&, std::string_view member);
Result<rows::Rule> existing_rule(const Request&, const RuleName&);
/// A parsed bus policy; null for an empty text.
Result<std::shared_ptr<const policy::Document>> bus_policy(const rows::Bus&);

/// A page of a list: where it begins, and how many it may have.
struct Page {
  std::string after;
  int64_t limit = 0;
};
Result<Page> page_of(const Request&, int64_t most = 100);
/// Sets NextToken when `all` has more than the page may have; drops what is too much.
template <class T, class Name>
void end_page(const Request& r, const Page& page, std::vector<T>& all, Name name, api::Value& output);
std::string next_token(const Request&, std::string_view after);

template <class T, class Name>
void end_page(const Request& r, const Page& page, std::vector<T>& all, Name name, api::Value& output) {
  if (all.size() <= static_cast<size_t>(page.limit)) return;
  all.resize(static_cast<size_t>(page.limit));
  output.set("NextToken", next_token(r, name(all.back())));
}

Status put_tags(const Request&, std::string_view arn);
/// The event that is told to the rules of a bus: written to the outbox in the transaction of the caller. `ingested` is
/// when the first bus took it; `passed`: over how many buses it came.
Status append_event(catalog::Transaction& t, const BusName& bus, std::string_view event_json, WallTime now,
                    int64_t passed = 0, std::string_view only_rules = {});

// ---- operations
Result<api::Value> create_event_bus(const Request&);
Result<api::Value> update_event_bus(const Request&);
Result<api::Value> describe_event_bus(const Request&);
Result<api::Value> list_event_buses(const Request&);
Result<api::Value> delete_event_bus(const Request&);
Result<api::Value> put_permission(const Request&);
Result<api::Value> remove_permission(const Request&);
Result<api::Value> put_rule(const Request&);
Result<api::Value> describe_rule(const Request&);
Result<api::Value> list_rules(const Request&);
Result<api::Value> list_rule_names_by_target(const Request&);
Result<api::Value> enable_rule(const Request&);
Result<api::Value> disable_rule(const Request&);
Result<api::Value> delete_rule(const Request&);
Result<api::Value> put_targets(const Request&);
Result<api::Value> remove_targets(const Request&);
Result<api::Value> list_targets_by_rule(const Request&);
Result<api::Value> put_events(const Request&);
Result<api::Value> test_event_pattern(const Request&);
Result<api::Value> tag_resource(const Request&);
Result<api::Value> untag_resource(const Request&);
Result<api::Value> list_tags_for_resource(const Request&);
Result<api::Value> create_connection(const Request&);
Result<api::Value> update_connection(const Request&);
Result<api::Value> describe_connection(const Request&);
Result<api::Value> list_connections(const Request&);
Result<api::Value> deauthorize_connection(const Request&);
Result<api::Value> delete_connection(const Request&);
Result<api::Value> create_api_destination(const Request&);
Result<api::Value> update_api_destination(const Request&);
Result<api::Value> describe_api_destination(const Request&);
Result<api::Value> list_api_destinations(const Request&);
Result<api::Value> delete_api_destination(const Request&);
Result<api::Value> create_archive(const Request&);
Result<api::Value> update_archive(const Request&);
Result<api::Value> describe_archive(const Request&);
Result<api::Value> list_archives(const Request&);
Result<api::Value> delete_archive(const Request&);
Result<api::Value> start_replay(const Request&);
Result<api::Value> describe_replay(const Request&);
Result<api::Value> list_replays(const Request&);
Result<api::Value> cancel_replay(const Request&);

// ---- schedules.cc
/// rate() or cron(): "Parameter ScheduleExpression is not valid."
Status check_schedule(std::string_view expression);
/// The first run after `now`.
std::optional<WallTime> next_run(std::string_view expression, WallTime now, WallTime anchor);
/// Tells the events of schedules that are due, and continues replays and ends of retention.
Status run_schedules(const Setting&, const Context&, WallTime now);
Status run_archives(const Setting&, const Context&, WallTime now);

}  // namespace coffer::events
