// Restores carried out: into a folder, which becomes a registered database when it has a name.
#include "services/backup/events.h"
#include "services/backup/job_work.h"
#include "services/backup/restores.h"

namespace coffer::backup {
namespace {

using rows::Restore;

constexpr std::chrono::minutes kRetry{5};
constexpr int64_t kRetriesMax = 3;
constexpr std::string_view kIdLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

struct Ready {
  bool go = false;
  Restore job;
  rows::Point point;
  RestoreTarget target;
};

/// "db-" and 26 characters, as RDS has them.
std::string new_resource_id(Entropy& entropy) {
  std::string id = "db-";
  for (const std::byte b : entropy.array<26>()) id += kIdLetters[static_cast<size_t>(b) % kIdLetters.size()];
  return id;
}

Status check(const Setting& s, const Context& context, catalog::Transaction& t, Ready& ready, WallTime now) {
  const Restore& job = ready.job;
  COFFER_TRY(auto point, rows::find_point(t, job.point));
  if (!point || point->status == "DELETING")
    return not_found("Recovery point " + job.point + " does not exist any more.");
  ready.point = std::move(*point);
  COFFER_TRY(ready.target, restore_target(job.metadata.text_map("Metadata"), s.options.restore_root, job.account));
  COFFER_TRY(const Assumed assumed, assume(s, context, t, job.role, job.account, job.region, job.vault, now));
  api::AccessRequest restore;
  restore.action = "rds:RestoreDBInstanceFromDBSnapshot";
  restore.resource = job.point;
  restore.resource_account = job.account;
  return s.authority.authorize(t, assumed.call, *assumed.identity, {restore});
}

Status fail(const Setting& s, catalog::Transaction& t, const work::Item& item, Restore& job, const Error& error,
            WallTime now) {
  COFFER_CHECK_OK(change_restore(s, t, job, "FAILED", error.message, now));
  return work::finish(t, item);
}

Status begin(const Setting& s, const Context& context, catalog::Transaction& t, const work::Item& item, Ready& ready) {
  ready = {};
  const WallTime now = s.clock.wall();
  COFFER_CHECK_OK(work::check_fence(t, item));
  COFFER_TRY(auto job, rows::find_restore(t, item.subject));
  if (!job || !job->active) return work::finish(t, item);
  ready.job = std::move(*job);
  if (const Status checked = check(s, context, t, ready, now); !checked.ok()) {
    if (is_passing(checked.error()) || checked.code() == ErrorCode::kInternal) return checked;
    return fail(s, t, item, ready.job, checked.error(), now);
  }
  if (ready.job.state != "RUNNING") COFFER_CHECK_OK(change_restore(s, t, ready.job, "RUNNING", "", now));
  ready.go = true;
  return ok_status();
}

Status register_database(const Setting& s, catalog::Transaction& t, const Ready& ready, Restore& job,
                         const rds::RestoreResult& restored, WallTime now) {
  COFFER_TRY(const auto snapshot, rds::find_snapshot(t, job.point));
  rds::Database database;
  database.account = job.account;
  database.region = job.region;
  database.identifier = ready.target.identifier;
  database.resource_id = new_resource_id(s.entropy);
  database.system_identifier = restored.system_identifier;
  database.engine_version = ready.point.detail.text("EngineVersion");
  database.status = "stopped";
  database.status_message = "Restored; no server has been started on it yet.";
  database.data_directory = ready.target.folder;
  database.port = ready.target.port;
  database.size_bytes = static_cast<int64_t>(restored.size_bytes);
  database.kms_key_arn = ready.point.key_arn;
  database.created = database.probed = now;
  if (snapshot) database.user = snapshot->user;
  if (job.metadata.flag("CopySourceTagsToRestoredResource")) {
    COFFER_TRY(database.tags, rows::tags(t, job.point));
  }
  COFFER_CHECK_OK(s.rds.register_restored(t, database));
  job.created_resource = database.arn();
  return ok_status();
}

Status end(const Setting& s, const Context& context, catalog::Transaction& t, const work::Item& item,
           const Ready& ready, const Result<rds::RestoreResult>& restored) {
  const WallTime now = s.clock.wall();
  COFFER_CHECK_OK(work::check_fence(t, item));
  COFFER_TRY(auto job, rows::find_restore(t, item.subject));
  if (!job || !job->active) return work::finish(t, item);
  if (restored.ok()) {
    if (!ready.target.identifier.empty()) {
      const Status registered = register_database(s, t, ready, *job, *restored, now);
      // The folder is there; that the name was taken meanwhile does not undo it.
      if (!registered.ok() && registered.code() == ErrorCode::kConflict && registered.error().name.empty())
        return registered;
      if (!registered.ok())
        return fail(s, t, item, *job,
                    Error(registered.error()).in("restored into " + ready.target.folder + ", but not registered"), now);
    } else {
      job->created_resource = ready.target.folder;
    }
    job->percent = 100;
    job->size_bytes = static_cast<int64_t>(restored->size_bytes);
    std::string notes;
    for (const std::string& note : restored->notes) notes += (notes.empty() ? "" : " ") + note;
    COFFER_CHECK_OK(change_restore(s, t, *job, "COMPLETED", notes, now));
    COFFER_TRY(auto point, rows::find_point(t, job->point));
    if (point) {
      point->last_restore = now;
      COFFER_CHECK_OK(rows::update(t, *point));
    }
    return work::finish(t, item);
  }
  if (context.stopped()) return restored.error();
  if (is_passing(restored.error()) && job->retries < kRetriesMax) {
    ++job->retries;
    COFFER_CHECK_OK(rows::update(t, *job));
    return work::postpone(t, item, now + kRetry);
  }
  return fail(s, t, item, *job, restored.error(), now);
}

}  // namespace

Status insert_restore(const Setting& s, catalog::Transaction& t, const Restore& job, WallTime now) {
  COFFER_CHECK_OK(rows::insert(t, job));
  // AWS tells of CREATED and then of PENDING; the API knows only the second.
  for (const char* state : {"CREATED", "PENDING"}) {
    Restore told = job;
    told.state = state;
    COFFER_CHECK_OK(tell_restore(t, s.entropy, told, now));
  }
  return work::add(t, kRestoreWork, job.id, "", now);
}

Status carry_out_restore(const Setting& s, const Context& context, const work::Item& item) {
  Ready ready;
  COFFER_CHECK_OK(catalog::in_transaction(s.database, context,
                                          [&](catalog::Transaction& t) { return begin(s, context, t, item, ready); }));
  if (!ready.go) return ok_status();
  const auto look = [&](int64_t percent) {
    auto t = s.database.begin(Context(), catalog::Database::Mode::kRead);
    if (!t.ok()) return true;
    const auto job = rows::find_restore(**t, item.subject);
    t->reset();
    if (!job.ok()) return true;
    if (!*job || !(*job)->active) return false;
    if (percent < (*job)->percent + 5) return true;
    const Status written = catalog::in_transaction(
        s.database, Context(),
        [&](catalog::Transaction& w) -> Status {
          COFFER_CHECK_OK(
              w.run("UPDATE backup_restores SET percent = $2 WHERE id = $1 AND active = 1", {item.subject, percent}));
          return ok_status();
        },
        1);
    static_cast<void>(written.ok());  // it is only shown
    return true;
  };
  WatchedWork watched(context, s.clock, look);
  const rds::VaultPlace place{ready.point.account, ready.point.region, ready.point.vault, ready.point.key_arn};
  const Result<rds::RestoreResult> restored = s.engine.restore(
      watched.context(), place, {ready.point.reference, ready.target.folder, ready.target.until}, watched);
  return catalog::in_transaction(s.database, Context(),
                                 [&](catalog::Transaction& t) { return end(s, context, t, item, ready, restored); });
}

}  // namespace coffer::backup
