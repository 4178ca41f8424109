// Archives keep what a bus took; replays give it to the bus again.
#include <algorithm>

#include "services/api/fault.h"
#include "services/events/operations.h"

namespace coffer::events {
namespace {

using api::Value;

constexpr size_t kReplaysMax = 10;
constexpr int64_t kReplayBatch = 200, kReplayedPerRun = 2'000;
constexpr std::chrono::hours kReplaysKept{24 * 90};
constexpr std::chrono::hours kDay{24};

Result<rows::Archive> existing_archive(const Request& r, const std::string& name) {
  COFFER_TRY(auto archive, rows::find_archive(r.t(), r.account(), r.region(), name));
  if (!archive) return not_found("Archive " + name + " does not exist.");
  return std::move(*archive);
}

Result<rows::Replay> existing_replay(const Request& r, const std::string& name) {
  COFFER_TRY(auto replay, rows::find_replay(r.t(), r.account(), r.region(), name));
  if (!replay) return not_found("Replay " + name + " does not exist.");
  return std::move(*replay);
}

Status check_pattern(const std::string& pattern) {
  if (pattern.empty()) return ok_status();
  COFFER_CHECK_OK(parse_pattern(pattern));
  return ok_status();
}

Value summary_of(const rows::Archive& archive) {
  return Value::object({{"ArchiveName", archive.name},
                        {"EventSourceArn", archive.bus_name().arn()},
                        {"State", "ENABLED"},
                        {"RetentionDays", archive.retention_days},
                        {"SizeBytes", archive.size_bytes},
                        {"EventCount", archive.events},
                        {"CreationTime", archive.created}});
}

Value summary_of(const rows::Replay& replay) {
  Value out = Value::object(
      {{"ReplayName", replay.name},
       {"EventSourceArn", "arn:aws:events:" + replay.region + ":" + replay.account + ":archive/" + replay.archive},
       {"State", replay.state},
       {"EventStartTime", replay.from},
       {"EventEndTime", replay.until},
       {"ReplayStartTime", replay.started}});
  if (!replay.reason.empty()) out.set("StateReason", replay.reason);
  if (replay.last_time.micros > 0) out.set("EventLastReplayedTime", replay.last_time);
  if (replay.ended) out.set("ReplayEndTime", *replay.ended);
  return out;
}

/// The archive that an ARN means: of the caller, in this Region.
Result<rows::Archive> archive_of_arn(const Request& r, const std::string& text) {
  constexpr std::string_view kPrefix = "archive/";
  const auto arn = parse_arn(text);
  if (!arn || arn->service != "events" || arn->account != r.account() || arn->region != r.region() ||
      !arn->resource.starts_with(kPrefix))
    return validation("Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN.");
  return existing_archive(r, arn->resource.substr(kPrefix.size()));
}

/// The next events of a replay go to the outbox, in the transaction that remembers how far it came.
Status continue_replay(catalog::Transaction& t, rows::Replay& replay, WallTime now, int64_t& done) {
  done = 0;
  const auto end = [&](const char* state, std::string reason = "") {
    replay.state = state;
    replay.reason = std::move(reason);
    replay.ended = now;
    return rows::put_replay(t, replay);
  };
  if (replay.state == "CANCELLING") return end("CANCELLED");
  COFFER_TRY(const auto archive, rows::find_archive(t, replay.account, replay.region, replay.archive));
  if (!archive) return end("FAILED", "The archive does not exist any more.");
  COFFER_TRY(const auto events, rows::archived_events(t, *archive, replay.from, replay.until,
                                                      {replay.last_time, replay.last_id}, kReplayBatch));
  std::string rules;
  for (const std::string& arn : replay.destination.texts("FilterArns")) {
    rules += rules.empty() ? "[" : ",";
    write_json_string(rules, arn);
  }
  if (!rules.empty()) rules += "]";
  for (const rows::ArchivedEvent& archived : events) {
    COFFER_TRY(Json event, parse_json(archived.event));
    event.set("replay-name", Json::string(replay.name));
    COFFER_CHECK_OK(append_event(t, archive->bus_name(), write_json(event), now, 0, rules));
    replay.last_time = archived.time;
    replay.last_id = archived.id;
  }
  done = static_cast<int64_t>(events.size());
  if (done < kReplayBatch) return end("COMPLETED");
  replay.state = "RUNNING";
  return rows::put_replay(t, replay);
}

}  // namespace

Result<Value> create_archive(const Request& r) {
  rows::Archive archive;
  archive.account = r.account();
  archive.region = r.region();
  archive.name = r.text("ArchiveName");
  COFFER_TRY(const auto there, rows::find_archive(r.t(), archive.account, archive.region, archive.name));
  if (there)
    return api::fault(ErrorCode::kAlreadyExists, "ResourceAlreadyExistsException",
                      "Archive " + archive.name + " already exists.");
  const auto bus = parse_bus_arn(r.input().text("EventSourceArn"));
  if (!bus || bus->region != r.region())
    return validation("Parameter EventSourceArn is not valid. Reason: Must contain an event bus ARN.");
  archive.bus = bus->name;
  archive.pattern = r.text("EventPattern");
  archive.description = r.text("Description");
  archive.kms_key = r.text("KmsKeyIdentifier");
  archive.retention_days = r.input().integer("RetentionDays").value_or(0);
  archive.created = r.now();
  COFFER_CHECK_OK(check_pattern(archive.pattern));
  COFFER_CHECK_OK(bus_to_change(r, *bus));
  COFFER_CHECK_OK(rows::put_archive(r.t(), archive));
  COFFER_CHECK_OK(rows::touch_bus(r.t(), *bus));
  return Value::object({{"ArchiveArn", archive.arn()}, {"State", "ENABLED"}, {"CreationTime", archive.created}});
}

Result<Value> update_archive(const Request& r) {
  COFFER_TRY(rows::Archive archive, existing_archive(r, r.text("ArchiveName")));
  for (const auto& [member, text] : {std::pair{"EventPattern", &archive.pattern},
                                     {"Description", &archive.description},
                                     {"KmsKeyIdentifier", &archive.kms_key}}) {
    if (r.input().has(member)) *text = r.text(member);
  }
  archive.retention_days = r.input().integer("RetentionDays").value_or(archive.retention_days);
  COFFER_CHECK_OK(check_pattern(archive.pattern));
  COFFER_CHECK_OK(rows::put_archive(r.t(), archive));
  COFFER_CHECK_OK(rows::touch_bus(r.t(), archive.bus_name()));
  return Value::object({{"ArchiveArn", archive.arn()}, {"State", "ENABLED"}, {"CreationTime", archive.created}});
}

Result<Value> describe_archive(const Request& r) {
  COFFER_TRY(const rows::Archive archive, existing_archive(r, r.text("ArchiveName")));
  Value out = summary_of(archive);
  out.set("ArchiveArn", archive.arn());
  for (const auto& [member, text] : {std::pair{"EventPattern", &archive.pattern},
                                     {"Description", &archive.description},
                                     {"KmsKeyIdentifier", &archive.kms_key}}) {
    if (!text->empty()) out.set(member, *text);
  }
  return out;
}

Result<Value> list_archives(const Request& r) {
  int filters = 0;
  for (const char* member : {"NamePrefix", "EventSourceArn", "State"}) filters += r.input().has(member) ? 1 : 0;
  if (filters > 1)
    return validation(
        "At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix.");
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(auto all, rows::list_archives(r.t(), r.account(), r.region(), r.input().text("NamePrefix"), page.after,
                                           page.limit + 1));
  Value out = Value::object();
  end_page(
      r, page, all, [](const rows::Archive& archive) { return archive.name; }, out);
  api::List list;
  for (const rows::Archive& archive : all) {
    if (r.input().has("EventSourceArn") && r.text("EventSourceArn") != archive.bus_name().arn()) continue;
    if (r.input().has("State") && r.text("State") != "ENABLED") continue;
    list.push_back(summary_of(archive));
  }
  out.set("Archives", std::move(list));
  return out;
}

Result<Value> delete_archive(const Request& r) {
  COFFER_TRY(const rows::Archive archive, existing_archive(r, r.text("ArchiveName")));
  COFFER_CHECK_OK(rows::remove_archive(r.t(), archive));
  COFFER_CHECK_OK(rows::touch_bus(r.t(), archive.bus_name()));
  return Value::object();
}

Result<Value> start_replay(const Request& r) {
  rows::Replay replay;
  replay.account = r.account();
  replay.region = r.region();
  replay.name = r.text("ReplayName");
  COFFER_TRY(const auto there, rows::find_replay(r.t(), replay.account, replay.region, replay.name));
  if (there)
    return api::fault(ErrorCode::kAlreadyExists, "ResourceAlreadyExistsException",
                      "Replay " + replay.name + " already exists.");
  COFFER_TRY(const rows::Archive archive, archive_of_arn(r, r.text("EventSourceArn")));
  const Value* destination = r.input().find("Destination");
  if (!destination || destination->text("Arn") != archive.bus_name().arn())
    return validation("Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.");
  replay.archive = archive.name;
  replay.description = r.text("Description");
  replay.from = r.input().time("EventStartTime").value_or(WallTime{});
  replay.until = r.input().time("EventEndTime").value_or(r.now());
  if (replay.from >= replay.until)
    return validation("Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.");
  COFFER_TRY(const auto running, rows::running_replays(r.t(), 1'000));
  const auto own = std::count_if(running.begin(), running.end(), [&](const rows::Replay& other) {
    return other.account == replay.account && other.region == replay.region;
  });
  if (static_cast<size_t>(own) >= kReplaysMax)
    return api::fault(ErrorCode::kResourceExhausted, "LimitExceededException",
                      "At most " + std::to_string(kReplaysMax) + " replays run at the same time.");
  replay.started = r.now();
  replay.destination = *destination;
  COFFER_CHECK_OK(rows::put_replay(r.t(), replay));
  return Value::object({{"ReplayArn", replay.arn()}, {"State", replay.state}, {"ReplayStartTime", replay.started}});
}

Result<Value> describe_replay(const Request& r) {
  COFFER_TRY(const rows::Replay replay, existing_replay(r, r.text("ReplayName")));
  Value out = summary_of(replay);
  out.set("ReplayArn", replay.arn());
  if (!replay.description.empty()) out.set("Description", replay.description);
  out.set("Destination", replay.destination);
  return out;
}

Result<Value> list_replays(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(auto all, rows::list_replays(r.t(), r.account(), r.region(), r.input().text("NamePrefix"), page.after,
                                          page.limit + 1));
  Value out = Value::object();
  end_page(
      r, page, all, [](const rows::Replay& replay) { return replay.name; }, out);
  api::List list;
  for (const rows::Replay& replay : all) {
    Value one = summary_of(replay);
    if (r.input().has("State") && r.text("State") != replay.state) continue;
    if (r.input().has("EventSourceArn") && r.text("EventSourceArn") != one.text("EventSourceArn")) continue;
    list.push_back(std::move(one));
  }
  out.set("Replays", std::move(list));
  return out;
}

Result<Value> cancel_replay(const Request& r) {
  COFFER_TRY(rows::Replay replay, existing_replay(r, r.text("ReplayName")));
  if (replay.state != "STARTING" && replay.state != "RUNNING")
    return api::fault(ErrorCode::kFailedPrecondition, "IllegalStatusException",
                      "Replay " + replay.name + " is not in a valid state for this operation.");
  replay.state = "CANCELLING";
  COFFER_CHECK_OK(rows::put_replay(r.t(), replay));
  return Value::object({{"ReplayArn", replay.arn()}, {"State", replay.state}});
}

Status run_archives(const Setting& s, const Context& context, WallTime now) {
  std::vector<rows::Replay> running;
  bool any_retention = false;
  {
    COFFER_TRY(auto t, s.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(running, rows::running_replays(*t, 100));
    COFFER_TRY(const auto kept, rows::archives_with_retention(*t));
    for (const rows::Archive& archive : kept) {
      COFFER_TRY(const auto old, rows::archived_events(*t, archive, {}, now - kDay * archive.retention_days, {}, 1));
      any_retention |= !old.empty();
    }
    COFFER_TRY(const auto letter,
               t->first("SELECT id FROM events_dead_letters WHERE created < $1 LIMIT 1", {now - kDeadLettersKept}));
    any_retention |= letter.has_value();
  }
  for (rows::Replay& replay : running) {
    int64_t total = 0;
    for (int64_t done = kReplayBatch; done == kReplayBatch && total < kReplayedPerRun && !context.stopped();) {
      COFFER_CHECK_OK(catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) -> Status {
        done = 0;
        COFFER_TRY(auto current, rows::find_replay(t, replay.account, replay.region, replay.name));
        if (!current || !current->running()) return ok_status();
        return continue_replay(t, *current, now, done);
      }));
      total += done;
    }
  }
  if (!any_retention) return ok_status();
  return catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) -> Status {
    COFFER_TRY(const auto kept, rows::archives_with_retention(t));
    for (const rows::Archive& archive : kept)
      COFFER_CHECK_OK(rows::forget_archived_before(t, archive, now - kDay * archive.retention_days));
    COFFER_CHECK_OK(rows::remove_dead_letters_before(t, now - kDeadLettersKept));
    return rows::remove_replays_ended_before(t, now - kReplaysKept);
  });
}

}  // namespace coffer::events
