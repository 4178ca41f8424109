// The table of EventBridge's operations, and the service itself.
#include "services/events/delivery.h"
#include "services/events/operations.h"

namespace coffer::events {
namespace {

using api::AccessRequest;
using Requests = std::vector<AccessRequest>;

std::string action_of(const Request& r) { return "events:" + r.call().operation; }

AccessRequest on(const Request& r, std::string resource) {
  AccessRequest request;
  request.action = action_of(r);
  request.resource = std::move(resource);
  return request;
}

void add_tags(const Request& r, Requests& requests) {
  std::vector<std::string> keys = r.input().texts("TagKeys");
  api::ConditionKeys conditions;
  for (const api::Value& tag : r.input().list("Tags")) {
    keys.emplace_back(tag.text("Key"));
    conditions.emplace_back("aws:RequestTag/" + keys.back(), std::vector<std::string>{std::string(tag.text("Value"))});
  }
  if (keys.empty()) return;
  conditions.emplace_back("aws:TagKeys", std::move(keys));
  const bool making = r.input().has("Tags") && r.call().operation != "TagResource";
  requests.front().conditions.insert(requests.front().conditions.end(), conditions.begin(), conditions.end());
  if (!making) return;
  AccessRequest tagging;
  tagging.action = "events:TagResource";
  tagging.resource = requests.front().resource;
  tagging.conditions = std::move(conditions);
  requests.push_back(std::move(tagging));
}

Result<Requests> anywhere(const Request& r) { return Requests{on(r, "*")}; }

Result<Requests> on_bus(const Request& r) {
  const char* member = r.input().has("EventBusName") ? "EventBusName" : "Name";
  Requests requests{on(r, bus_named(r, r.input().text(member)).arn())};
  add_tags(r, requests);
  return requests;
}

/// A role that is handed over must be allowed to be.
void add_pass_role(Requests& requests, std::string_view role) {
  if (role.empty()) return;
  AccessRequest pass;
  pass.action = "iam:PassRole";
  pass.resource = role;
  pass.conditions = {{"iam:PassedToService", {std::string(kPrincipal)}}};
  requests.push_back(std::move(pass));
}

Result<Requests> on_rule(const Request& r) {
  Requests requests{on(r, rule_named(r, r.input().has("Rule") ? "Rule" : "Name").arn())};
  add_tags(r, requests);
  if (!r.by_service()) add_pass_role(requests, r.input().text("RoleArn"));
  return requests;
}

Result<Requests> on_targets(const Request& r) {
  COFFER_TRY(Requests requests, on_rule(r));
  std::vector<std::string> arns;
  for (const api::Value& target : r.input().list("Targets")) {
    arns.emplace_back(target.text("Arn"));
    if (!r.by_service()) add_pass_role(requests, target.text("RoleArn"));
  }
  requests.front().conditions.emplace_back("events:TargetArn", std::move(arns));
  return requests;
}

Result<Requests> on_rules(const Request& r) {
  return Requests{on(r, "arn:aws:events:" + r.region() + ":" + r.account() + ":rule/*")};
}

/// Who may send to a bus: its policy has a say.
Result<Requests> send_to_buses(const Request& r) {
  Requests requests;
  for (const api::Value& entry : r.input().list("Entries")) {
    const BusName bus = bus_named(r, entry.text("EventBusName"));
    AccessRequest request = on(r, bus.arn());
    request.resource_account = bus.account;
    request.conditions = {{"events:source", {std::string(entry.text("Source"))}},
                          {"events:detail-type", {std::string(entry.text("DetailType"))}}};
    COFFER_TRY(const auto row, rows::find_bus(r.t(), bus));
    if (row) {
      COFFER_TRY(request.resource_policy, bus_policy(*row));
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

Result<Requests> on_tagged(const Request& r) {
  Requests requests{on(r, r.text("ResourceARN"))};
  add_tags(r, requests);
  return requests;
}

template <const char* kKind>
Result<Requests> on_named(const Request& r) {
  std::string member = "Name";
  for (const char* other : {"ArchiveName", "ReplayName"}) {
    if (r.input().has(other)) member = other;
  }
  return Requests{on(r, "arn:aws:events:" + r.region() + ":" + r.account() + ":" + kKind + "/" + r.text(member))};
}
constexpr char kConnections[] = "connection", kDestinations[] = "api-destination", kArchives[] = "archive",
               kReplays[] = "replay";

constexpr api::Entry<Request> kEntries[] = {
    {"CreateEventBus", true, on_bus, create_event_bus},
    {"UpdateEventBus", true, on_bus, update_event_bus},
    {"DescribeEventBus", false, on_bus, describe_event_bus},
    {"ListEventBuses", false, anywhere, list_event_buses},
    {"DeleteEventBus", true, on_bus, delete_event_bus},
    {"PutPermission", true, on_bus, put_permission},
    {"RemovePermission", true, on_bus, remove_permission},
    {"PutRule", true, on_rule, put_rule},
    {"DescribeRule", false, on_rule, describe_rule},
    {"ListRules", false, on_rules, list_rules},
    {"ListRuleNamesByTarget", false, on_rules, list_rule_names_by_target},
    {"EnableRule", true, on_rule, enable_rule},
    {"DisableRule", true, on_rule, disable_rule},
    {"DeleteRule", true, on_rule, delete_rule},
    {"PutTargets", true, on_targets, put_targets},
    {"RemoveTargets", true, on_rule, remove_targets},
    {"ListTargetsByRule", false, on_rule, list_targets_by_rule},
    {"PutEvents", true, send_to_buses, put_events},
    {"TestEventPattern", false, anywhere, test_event_pattern},
    {"TagResource", true, on_tagged, tag_resource},
    {"UntagResource", true, on_tagged, untag_resource},
    {"ListTagsForResource", false, on_tagged, list_tags_for_resource},
    {"CreateConnection", true, on_named<kConnections>, create_connection},
    {"UpdateConnection", true, on_named<kConnections>, update_connection},
    {"DescribeConnection", false, on_named<kConnections>, describe_connection},
    {"ListConnections", false, anywhere, list_connections},
    {"DeauthorizeConnection", true, on_named<kConnections>, deauthorize_connection},
    {"DeleteConnection", true, on_named<kConnections>, delete_connection},
    {"CreateApiDestination", true, on_named<kDestinations>, create_api_destination},
    {"UpdateApiDestination", true, on_named<kDestinations>, update_api_destination},
    {"DescribeApiDestination", false, on_named<kDestinations>, describe_api_destination},
    {"ListApiDestinations", false, anywhere, list_api_destinations},
    {"DeleteApiDestination", true, on_named<kDestinations>, delete_api_destination},
    {"CreateArchive", true, on_named<kArchives>, create_archive},
    {"UpdateArchive", true, on_named<kArchives>, update_archive},
    {"DescribeArchive", false, on_named<kArchives>, describe_archive},
    {"ListArchives", false, anywhere, list_archives},
    {"DeleteArchive", true, on_named<kArchives>, delete_archive},
    {"StartReplay", true, on_named<kReplays>, start_replay},
    {"DescribeReplay", false, on_named<kReplays>, describe_replay},
    {"ListReplays", false, anywhere, list_replays},
    {"CancelReplay", true, on_named<kReplays>, cancel_replay},
};

class EventService final : public Service {
 public:
  EventService(catalog::Database& database, iam::Authority& authority, api::Invoke invoke, Web& web, Secret root,
               Clock& clock, Entropy& entropy, Options options)
      : root_(std::move(root)),
        setting_{database, authority, std::move(invoke),  web,    root_.view(),
                 clock,    entropy,   std::move(options), rules_, pace_},
        delivering_(setting_) {}

  api::ServiceTable actions() override { return api::table_of<Request>("events", kEntries, setting_); }

  Result<int64_t> deliver(const Context& context, WallTime now, Lane lane) override {
    return delivering_.deliver(context, now, lane);
  }

  Status run_due(const Context& context, WallTime now) override {
    COFFER_CHECK_OK(run_schedules(setting_, context, now));
    return run_archives(setting_, context, now);
  }

  Result<std::optional<WallTime>> next_due(const Context& context) override {
    COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
    std::optional<WallTime> earliest;
    for (const char* query : {"SELECT wake FROM events_deliveries ORDER BY wake LIMIT 1",
                              "SELECT next_run FROM events_rules WHERE next_run > 0 ORDER BY next_run LIMIT 1"}) {
      COFFER_TRY(const auto row, t->first(query));
      if (row && (!earliest || row->time(0) < *earliest)) earliest = row->time(0);
    }
    return earliest;
  }

  Result<std::vector<DeadLetter>> dead_letters(const Context& context, std::string_view account,
                                               std::string_view region, int64_t after, int64_t limit) override {
    COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(auto kept, rows::list_dead_letters(*t, account, region, after, limit));
    std::vector<DeadLetter> all;
    for (rows::DeadLetter& letter : kept)
      all.push_back({letter.id, letter.rule.arn(), std::move(letter.target), std::move(letter.target_arn),
                     std::move(letter.event_id), std::move(letter.event), std::move(letter.error_code),
                     std::move(letter.error_message), std::move(letter.exhausted), letter.attempts, letter.created,
                     std::move(letter.sent_to)});
    return all;
  }

 private:
  Secret root_;
  RuleCache rules_;
  Pace pace_;
  Setting setting_;
  Delivering delivering_;
};

}  // namespace

std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, api::Invoke invoke,
                                      Web& web, Secret sealing_root, Clock& clock, Entropy& entropy, Options options) {
  return std::make_unique<EventService>(database, authority, std::move(invoke), web, std::move(sealing_root), clock,
                                        entropy, std::move(options));
}

}  // namespace coffer::events
