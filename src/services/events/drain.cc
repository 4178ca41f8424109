// From the outbox to deliveries.
#include "services/api/event.h"
#include "services/catalog/outbox.h"
#include "services/events/delivery.h"

namespace coffer::events {
namespace {

constexpr int64_t kBatch = 64;
constexpr std::chrono::seconds kDrainLease{15};
constexpr std::string_view kDrainLeaseName = "events-drain";

/// What services wrote by api::event_json() as plain JSON: it marks bytes and times by names that begin with '$', and
/// gives such names of a detail one more.
void undo_marks(Json& value) {
  for (Json& item : value.items) undo_marks(item);
  if (value.members.size() == 1 && value.members[0].name == "$time" && value.members[0].value.is(Json::Type::kNumber)) {
    value = Json::string(api::event_time(WallTime{std::strtoll(value.members[0].value.text.c_str(), nullptr, 10)}));
    return;
  }
  if (value.members.size() == 1 && value.members[0].name == "$bytes" && value.members[0].value.is_string()) {
    value = Json(std::move(value.members[0].value));
    return;
  }
  for (auto& [name, member] : value.members) {
    if (name.starts_with("$$")) name.erase(0, 1);
    undo_marks(member);
  }
}

/// An entry of the outbox: where the event goes, and which of the rules there may have it.
struct Told {
  BusName bus;
  Json event;
  int64_t passed = 0;
  std::string direct;              // a rule that gets it whatever its pattern: its schedule
  std::vector<std::string> rules;  // ARNs, when only these may have it
};

Result<Told> read_entry(const std::string& payload) {
  COFFER_TRY(Json json, parse_json(payload));
  if (!json.is_object()) return Error{ErrorCode::kCorruption, "no object", {}};
  Told told;
  if (Json* event = json.find("event"); event && json.find("bus")) {
    auto bus = parse_bus_arn(json.text_of("bus"));
    if (!bus) return Error{ErrorCode::kCorruption, "no bus", {}};
    told.bus = std::move(*bus);
    if (const Json* passed = json.find("passed")) told.passed = std::strtoll(passed->text.c_str(), nullptr, 10);
    told.direct = json.text_of("to");
    if (const Json* rules = json.find("rules")) {
      for (const Json& rule : rules->items) told.rules.push_back(rule.text);
    }
    told.event = Json(std::move(*event));
  } else {
    undo_marks(json);
    told.bus = {std::string(json.text_of("account")), std::string(json.text_of("region")), std::string(kDefaultBus)};
    told.event = std::move(json);
  }
  if (!told.event.is_object()) return Error{ErrorCode::kCorruption, "no event", {}};
  return told;
}

std::string order_of(const Json& event) {
  const Json* resources = event.find("resources");
  if (resources && !resources->items.empty() && resources->items[0].is_string()) return resources->items[0].text;
  return std::string(event.text_of("source"));
}

class Router {
 public:
  Router(const Setting& setting, catalog::Transaction& t, WallTime now) : setting_(setting), t_(t), now_(now) {}

  Status route(const catalog::OutboxEntry& entry) {
    auto told = read_entry(entry.payload);
    if (!told.ok()) return bury(entry, told.error());
    COFFER_TRY(const auto rules, setting_.rules.find(t_, told->bus));
    if (!rules) return ok_status();
    const bool replayed = told->event.find("replay-name") != nullptr;
    std::vector<const BusRules::Entry*> takers;
    if (!told->direct.empty()) {
      for (const BusRules::Entry& rule : rules->entries) {
        if (!rule.archive && rule.rule.name == told->direct) takers.push_back(&rule);
      }
    } else {
      for (uint32_t index : rules->matcher->match(told->event)) {
        const BusRules::Entry& rule = rules->entries[index];
        const bool wanted = told->rules.empty() ||
                            std::find(told->rules.begin(), told->rules.end(), rule.rule.arn()) != told->rules.end();
        if (rule.archive ? !replayed : wanted) takers.push_back(&rule);
      }
    }
    for (const BusRules::Entry* taker : takers) COFFER_CHECK_OK(give(*told, *taker, entry.created));
    return ok_status();
  }

 private:
  Status give(const Told& told, const BusRules::Entry& taker, WallTime ingested) {
    if (taker.archive) {
      const auto time = parse_utc(told.event.text_of("time"));
      return rows::archive_event(t_, *taker.archive, time.ok() ? *time : ingested, write_json(told.event));
    }
    rows::Delivery delivery;
    for (const auto& [target, arn] : taker.targets) {
      if (delivery.message == 0) {
        COFFER_TRY(delivery.message, rows::insert_message(t_, message_of(told, ingested)));
      }
      delivery.event_id = told.event.text_of("id");
      if (const auto replay = told.event.text_of("replay-name"); !replay.empty())
        delivery.event_id += "/" + std::string(replay);
      delivery.rule = taker.rule;
      delivery.target = target;
      delivery.order_key = taker.rule.arn() + " " + target + " " + order_of(told.event);
      const auto kind = parse_target(arn);
      delivery.lane =
          static_cast<int64_t>(kind && kind->kind == TargetKind::Kind::kDestination ? Lane::kOutside : Lane::kHouse);
      delivery.created = ingested;
      delivery.wake = now_;
      COFFER_CHECK_OK(rows::insert_delivery(t_, delivery));
    }
    return ok_status();
  }

  static std::string message_of(const Told& told, WallTime ingested) {
    return R"({"ingested":)" + std::to_string(ingested.micros) + R"(,"passed":)" + std::to_string(told.passed) +
           R"(,"event":)" + write_json(told.event) + "}";
  }

  /// What cannot be read must not stop what comes behind it, and must not vanish.
  Status bury(const catalog::OutboxEntry& entry, const Error& error) {
    rows::DeadLetter letter;
    letter.event_id = "outbox-" + std::to_string(entry.sequence);
    letter.event = entry.payload;
    letter.error_code = "MALFORMED_EVENT";
    letter.error_message = error.message;
    letter.created = now_;
    COFFER_CHECK_OK(rows::insert_dead_letter(t_, letter));
    return ok_status();
  }

  const Setting& setting_;
  catalog::Transaction& t_;
  WallTime now_;
};

}  // namespace

Result<bool> Delivering::may_drain(const Context& context, WallTime now) {
  if (!setting_.database.shared()) return true;
  if (lease_ && lease_->until > now + kDrainLease / 2) return true;
  bool ours = false;
  COFFER_CHECK_OK(catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
    auto lease = catalog::claim_lease(t, kDrainLeaseName, holder_, now, kDrainLease);
    ours = lease.ok();
    if (ours) lease_ = *lease;
    return ours || lease.code() == ErrorCode::kConflict ? ok_status() : Status(std::move(lease).error());
  }));
  if (!ours) lease_.reset();
  return ours;
}

Result<int64_t> Delivering::drain(const Context& context, WallTime now) {
  const std::unique_lock lock(draining_, std::try_to_lock);
  if (!lock) return 0;
  int64_t drained = 0;
  for (bool more = true; more && !context.stopped();) {
    {
      COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(const auto waiting, catalog::outbox_due(*t, api::kEventTopic, now, 1));
      if (waiting.empty()) break;
    }
    COFFER_TRY(const bool ours, may_drain(context, now));
    if (!ours) break;
    int64_t count = 0;
    const Status routed = catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
      if (lease_) COFFER_CHECK_OK(catalog::check_fence(t, *lease_));
      COFFER_TRY(const auto entries, catalog::outbox_due(t, api::kEventTopic, now, kBatch));
      count = static_cast<int64_t>(entries.size());
      for (const catalog::OutboxEntry& entry : entries) {
        COFFER_CHECK_OK(Router(setting_, t, now).route(entry));
        COFFER_CHECK_OK(catalog::outbox_done(t, entry.sequence));
      }
      return ok_status();
    });
    if (!routed.ok()) {
      lease_.reset();
      if (routed.code() == ErrorCode::kFailedPrecondition) break;  // another daemon took over
      return routed.error();
    }
    drained += count;
    more = count == kBatch;
  }
  return drained;
}

}  // namespace coffer::events
