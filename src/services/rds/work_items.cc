// What goes on after the answer: snapshots are taken and copied, points forgotten, databases restored. Each item finds
// out what an earlier attempt did, and ends in one transaction with its state and its event.
#include <mutex>

#include "services/api/value_json.h"
#include "services/rds/export_work.h"
#include "services/rds/operations.h"

namespace coffer::rds {
namespace {

using api::Value;

constexpr int64_t kAttemptsMax = 6;  // of what fails for a reason that may go by itself
constexpr std::chrono::minutes kExportedAgain{5};
constexpr std::chrono::hours kCollectAgain{25};  // the collector's grace, and a little

/// Shows how far a snapshot is, now and then.
class SnapshotProgress final : public Progress {
 public:
  SnapshotProgress(const Setting& setting, const Context& context, std::string arn)
      : setting_(setting), context_(context), arn_(std::move(arn)), shown_(setting.clock.mono()) {}

  void step(std::string_view, uint64_t total_bytes) override {
    std::lock_guard lock(mutex_);
    total_ = total_bytes;
    done_ = 0;
  }
  void advance(uint64_t bytes) override {
    std::unique_lock lock(mutex_);
    done_ += bytes;
    if (total_ == 0 || setting_.clock.mono() - shown_ < kEvery) return;
    shown_ = setting_.clock.mono();
    const auto percent = static_cast<int64_t>(std::min<uint64_t>(99, done_ * 100 / total_));
    if (percent <= percent_) return;
    percent_ = percent;
    lock.unlock();
    // A snapshot whose progress cannot be told is taken all the same.
    static_cast<void>(catalog::in_transaction(setting_.database, context_, [&](catalog::Transaction& t) -> Status {
                        COFFER_TRY(auto snapshot, find_snapshot(t, arn_));
                        if (!snapshot || snapshot->status == "available") return ok_status();
                        snapshot->percent = percent;
                        return put_snapshot(t, *snapshot);
                      }).ok());
  }
  void note(std::string_view) override {}

 private:
  static constexpr std::chrono::seconds kEvery{2};
  const Setting& setting_;
  const Context& context_;
  const std::string arn_;
  std::mutex mutex_;
  uint64_t total_ = 0, done_ = 0;
  int64_t percent_ = 0;
  MonoTime shown_;
};

Result<Value> payload_of(const work::Item& item) { return api::from_json(item.payload); }

VaultPlace place_in(const Value& payload, const std::string& prefix = "") {
  return {std::string(payload.text(prefix + "Account")), std::string(payload.text(prefix + "Region")),
          std::string(payload.text(prefix + "Name")), std::string(payload.text(prefix + "Key"))};
}

/// Is this failure to be tried again later by itself?
bool goes_on(const Error& error, const Context& context, const work::Item& item) {
  return context.stopped() || error.code == ErrorCode::kCancelled ||
         (is_passing(error) && item.attempts < kAttemptsMax);
}

Status finish(const Setting& setting, const Context& context, const work::Item& item,
              const std::function<Status(catalog::Transaction&)>& effect) {
  static_cast<void>(context);  // what was done must be said also when everything stops
  return catalog::in_transaction(setting.database, Context(), [&](catalog::Transaction& t) -> Status {
    COFFER_CHECK_OK(effect(t));
    return work::finish(t, item);
  });
}

Result<std::optional<Snapshot>> read_snapshot(const Setting& setting, const Context& context, std::string_view arn) {
  COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
  return find_snapshot(*t, arn);
}

Status fail_snapshot(const Setting& setting, catalog::Transaction& t, Snapshot s, const Error& error) {
  s.status = "failed";
  s.status_message = error.message;
  COFFER_CHECK_OK(put_snapshot(t, s));
  // RDS has no event of its own for this; the instance's failure category is where people look.
  return tell(t, setting.entropy, setting.clock.wall(), s, "0175", "failure",
              "The snapshot failed: " + error.message +
                  (error.next_step.empty() ? std::string() : ". Next: " + error.next_step));
}

Result<Point> take_point(const Setting& setting, const Context& context, const Snapshot& s,
                         std::string_view database_arn) {
  std::optional<Database> d;
  {
    COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(d, find_database(*t, database_arn));
  }
  if (!d || d->resource_id != s.resource_id)
    return Error{ErrorCode::kNotFound, "the database was removed before its snapshot was taken", {}};
  COFFER_TRY(const DatabaseAccess access, access_to(setting, context, *d));
  SnapshotProgress progress(setting, context, s.arn());
  return setting.engine.take(context, s.place, access, label_of(s), progress);
}

Status run_snapshot(const Setting& setting, const Context& context, const work::Item& item) {
  COFFER_TRY(const Value payload, payload_of(item));
  COFFER_TRY(auto s, read_snapshot(setting, context, payload.text("Snapshot")));
  if (!s || label_of(*s) != item.subject || s->status != "creating")
    return finish(setting, context, item, [](catalog::Transaction&) { return ok_status(); });
  Result<Point> point = take_point(setting, context, *s, payload.text("Database"));
  if (!point.ok() && goes_on(point.error(), context, item)) return std::move(point).error();
  return finish(setting, context, item, [&](catalog::Transaction& t) -> Status {
    COFFER_TRY(const auto now_there, find_snapshot(t, s->arn()));
    if (!now_there) return ok_status();
    COFFER_TRY(auto d, find_database(t, payload.text("Database")));
    const bool last = payload.flag("ThenRemove") && d && d->resource_id == s->resource_id;
    if (!point.ok()) {
      if (last) {
        // Without its last snapshot the database stays.
        d->status = "available";
        COFFER_CHECK_OK(rows::update_database(t, *d));
      }
      return fail_snapshot(setting, t, *now_there, point.error());
    }
    Snapshot done = *now_there;
    done.status = "available";
    done.percent = 100;
    done.reference = point->reference;
    done.size_bytes = static_cast<int64_t>(point->size_bytes);
    done.engine_version = point->engine_version;
    COFFER_CHECK_OK(put_snapshot(t, done));
    const bool manual = done.type == "manual";
    COFFER_CHECK_OK(tell(t, setting.entropy, setting.clock.wall(), done, manual ? "0042" : "0091", "creation",
                         manual ? "Manual snapshot created" : "Automated snapshot created"));
    if (!last) return ok_status();
    COFFER_CHECK_OK(rows::remove_database(t, *d));
    return tell(t, setting.entropy, setting.clock.wall(), *d, "0003", "deletion", "DB instance deleted");
  });
}

Status run_copy(const Setting& setting, const Context& context, const work::Item& item) {
  COFFER_TRY(const Value payload, payload_of(item));
  COFFER_TRY(auto s, read_snapshot(setting, context, payload.text("Snapshot")));
  if (!s || label_of(*s) != item.subject || s->status != "creating")
    return finish(setting, context, item, [](catalog::Transaction&) { return ok_status(); });
  SnapshotProgress progress(setting, context, s->arn());
  Result<Point> point =
      setting.engine.copy(context, place_in(payload), payload.text("Reference"), s->place, label_of(*s), progress);
  if (!point.ok() && goes_on(point.error(), context, item)) return std::move(point).error();
  return finish(setting, context, item, [&](catalog::Transaction& t) -> Status {
    COFFER_TRY(const auto now_there, find_snapshot(t, s->arn()));
    if (!now_there) return ok_status();
    if (!point.ok()) return fail_snapshot(setting, t, *now_there, point.error());
    Snapshot done = *now_there;
    done.status = "available";
    done.percent = 100;
    done.reference = point->reference;
    COFFER_CHECK_OK(put_snapshot(t, done));
    const bool local = payload.flag("Local");
    const WallTime now = setting.clock.wall();
    const int64_t minutes = std::chrono::duration_cast<std::chrono::minutes>(now - done.created).count();
    return tell(t, setting.entropy, now, done, local ? "0197" : "0060", "notification",
                "Finished copy of snapshot " + std::string(payload.text("Source")) +
                    (local ? "" : " in " + std::to_string(minutes) + " minutes"));
  });
}

Status run_forget(const Setting& setting, const Context& context, const work::Item& item) {
  COFFER_TRY(const Value payload, payload_of(item));
  const VaultPlace place = place_in(payload);
  const std::string reference(payload.text("Reference"));
  {
    COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
    // What is being exported stays until that is over, and what a snapshot still is stays with it.
    COFFER_TRY(const bool exported, rows::is_exported(*t, place, reference));
    COFFER_TRY(const int64_t others, rows::snapshots_of_point(*t, place, reference));
    t.reset();
    if (others > 0) return finish(setting, context, item, [](catalog::Transaction&) { return ok_status(); });
    if (exported)
      return catalog::in_transaction(setting.database, context, [&](catalog::Transaction& writing) {
        return work::postpone(writing, item, setting.clock.wall() + kExportedAgain, {}, false);
      });
  }
  COFFER_CHECK_OK(setting.engine.forget(context, place, reference, payload.text("Reason")));
  COFFER_CHECK_OK(setting.engine.collect(context, place));
  return finish(setting, context, item, [&](catalog::Transaction& t) {
    // What this found unneeded may be removed once its grace is over.
    return work::add(t, "rds.collect", place.account + "/" + place.region + "/" + place.name, item.payload,
                     setting.clock.wall() + kCollectAgain);
  });
}

Status run_collect(const Setting& setting, const Context& context, const work::Item& item) {
  COFFER_TRY(const Value payload, payload_of(item));
  COFFER_CHECK_OK(setting.engine.collect(context, place_in(payload)));
  return finish(setting, context, item, [](catalog::Transaction&) { return ok_status(); });
}

Status run_restore(const Setting& setting, const Context& context, const work::Item& item) {
  COFFER_TRY(const Value payload, payload_of(item));
  std::optional<Database> d;
  {
    COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(d, find_database(*t, payload.text("Database")));
  }
  if (!d || d->resource_id != item.subject || d->status != "creating")
    return finish(setting, context, item, [](catalog::Transaction&) { return ok_status(); });
  NoProgress progress;
  const RestoreRequest request{std::string(payload.text("Reference")), d->data_directory,
                               std::string(payload.text("Until"))};
  Result<RestoreResult> restored = setting.engine.restore(context, place_in(payload, "Place"), request, progress);
  if (!restored.ok() && goes_on(restored.error(), context, item)) return std::move(restored).error();
  return finish(setting, context, item, [&](catalog::Transaction& t) -> Status {
    COFFER_TRY(auto now_there, find_database(t, d->arn()));
    if (!now_there || now_there->resource_id != d->resource_id) return ok_status();
    const WallTime now = setting.clock.wall();
    if (!restored.ok()) {
      now_there->status = "restore-error";
      now_there->status_message = restored.error().message;
      COFFER_CHECK_OK(rows::update_database(t, *now_there));
      return tell(t, setting.entropy, now, *now_there, "0031", "failure",
                  "The DB instance has failed to restore: " + restored.error().message);
    }
    now_there->status = "stopped";
    now_there->status_message =
        "restored to " + d->data_directory + "; start a server there and register it under this name";
    now_there->system_identifier = restored->system_identifier;
    now_there->size_bytes = static_cast<int64_t>(restored->size_bytes);
    now_there->probed = now;
    COFFER_CHECK_OK(rows::update_database(t, *now_there));
    const auto snapshot = parse_arn(payload.text("Snapshot"));
    return tell(t, setting.entropy, now, *now_there, "0043", "restoration",
                "Restored from snapshot " + (snapshot ? snapshot->name : std::string()));
  });
}

}  // namespace

void add_work(const Setting& setting, work::Runner& runner) {
  const std::pair<const char*, Status (*)(const Setting&, const Context&, const work::Item&)> kinds[] = {
      {"rds.snapshot", run_snapshot}, {"rds.copy", run_copy},       {"rds.forget", run_forget},
      {"rds.collect", run_collect},   {"rds.restore", run_restore}, {"rds.export", run_export},
      {"rds.probe", run_probe}};
  for (const auto& [kind, handler] : kinds) {
    runner.handle(kind, [&setting, handler = handler](const Context& context, const work::Item& item) {
      return handler(setting, context, item);
    });
  }
}

}  // namespace coffer::rds
