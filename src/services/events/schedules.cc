// Rules that run by the clock.
#include <algorithm>

#include "services/api/event.h"
#include "services/catalog/outbox.h"
#include "services/events/operations.h"
#include "services/schedule/schedule.h"

namespace coffer::events {
namespace {

constexpr int64_t kBatch = 100;

bool is_well_formed(const schedule::Schedule& parsed) { return parsed.kind() != schedule::Schedule::Kind::kAt; }

/// The event of a schedule goes to its own rule alone.
Status tell(const Setting& s, catalog::Transaction& t, const rows::Rule& rule, WallTime at, WallTime now) {
  api::Event event;
  event.id = random_uuid(s.entropy);
  event.source = "aws.events";
  event.detail_type = "Scheduled Event";
  event.account = rule.name.bus.account;
  event.region = rule.name.bus.region;
  event.time = at;
  event.resources = {rule.name.arn()};
  std::string payload = R"({"bus":)";
  write_json_string(payload, rule.name.bus.arn());
  payload += R"(,"to":)";
  write_json_string(payload, rule.name.name);
  payload += R"(,"event":)" + api::event_json(event) + "}";
  return catalog::outbox_append(t, api::kEventTopic, payload, now);
}

}  // namespace

Status check_schedule(std::string_view expression) {
  const auto parsed = schedule::Schedule::parse(expression);
  if (parsed.ok() && is_well_formed(*parsed)) return ok_status();
  return validation("Parameter ScheduleExpression is not valid.");
}

std::optional<WallTime> next_run(std::string_view expression, WallTime now, WallTime anchor) {
  const auto parsed = schedule::Schedule::parse(expression);
  return parsed.ok() ? parsed->next(now, schedule::Zone::utc(), anchor) : std::nullopt;
}

Status run_schedules(const Setting& s, const Context& context, WallTime now) {
  for (bool more = true; more && !context.stopped();) {
    {
      COFFER_TRY(auto t, s.database.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(const auto due, rows::due_rules(*t, now, 1));
      if (due.empty()) return ok_status();
    }
    COFFER_CHECK_OK(catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) -> Status {
      COFFER_TRY(auto due, rows::due_rules(t, now, kBatch));
      more = due.size() == kBatch;
      for (rows::Rule& rule : due) {
        // Runs that were missed while nobody ran are one run: the last of them.
        const WallTime at = *rule.next_run;
        rule.next_run = next_run(rule.schedule, now, rule.anchor);
        COFFER_CHECK_OK(rows::put_rule(t, rule));
        COFFER_CHECK_OK(tell(s, t, rule, at, now));
      }
      return ok_status();
    }));
  }
  return ok_status();
}

}  // namespace coffer::events
