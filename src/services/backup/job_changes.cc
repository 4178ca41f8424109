// Changes of state of jobs: date, row and event in one transaction.
#include <algorithm>

#include "services/api/value_json.h"
#include "services/backup/events.h"
#include "services/backup/operations.h"

namespace coffer::backup {
namespace {

using rows::Job;

constexpr std::chrono::minutes kStopGrace{10};  // for a running backup to notice that it is to stop
constexpr std::chrono::minutes kForgetAfter{10};
constexpr std::chrono::hours kCopyStart{2};
constexpr std::chrono::hours kCopyEnd{24 * 7};

/// The next one of those that wait for this resource may begin at once.
Status wake_next(catalog::Transaction& t, const Job& job, WallTime now) {
  COFFER_TRY(const auto next, t.first("SELECT id FROM backup_jobs WHERE resource = $1 AND deadline IS NOT NULL AND "
                                      "state = 'PENDING' AND id <> $2 ORDER BY scheduled, id LIMIT 1",
                                      {job.resource, job.id}));
  return next ? work::add(t, kBackupWork, next->text(0), "", now) : ok_status();
}

}  // namespace

Status change_job(const Setting& s, catalog::Transaction& t, Job& job, std::string_view state, std::string_view message,
                  std::string_view category, WallTime now) {
  COFFER_ASSERT(!is_terminal(job.state));
  job.state = state;
  job.message = message;
  job.category = category;
  if (state == "RUNNING") {
    job.started = now;
    job.deadline = job.complete_by;
  } else if (state == "ABORTING") {
    job.deadline = std::min(job.complete_by, now + kStopGrace);
  } else if (is_terminal(state)) {
    job.completed = now;
    job.deadline.reset();
  }
  COFFER_CHECK_OK(rows::update(t, job));
  COFFER_CHECK_OK(tell_job(t, s.entropy, job, now));
  return is_terminal(state) ? wake_next(t, job, now) : ok_status();
}

Status insert_job(const Setting& s, catalog::Transaction& t, const Job& job, WallTime due, WallTime now) {
  COFFER_CHECK_OK(rows::insert(t, job));
  COFFER_CHECK_OK(tell_job(t, s.entropy, job, now));
  return job.ended() ? ok_status() : work::add(t, kBackupWork, job.id, "", due);
}

Status change_copy(const Setting& s, catalog::Transaction& t, rows::Copy& copy, std::string_view state,
                   std::string_view message, WallTime now) {
  COFFER_ASSERT(!copy.ended());
  copy.state = state;
  copy.message = message;
  if (state == "RUNNING") {
    copy.started = now;
    copy.deadline = now + kCopyEnd;
  } else if (is_terminal(state)) {
    copy.completed = now;
    copy.deadline.reset();
    copy.category = state == "COMPLETED" ? "SUCCESS" : copy.category;
  }
  COFFER_CHECK_OK(rows::update(t, copy));
  return tell_copy(t, s.entropy, copy, now);
}

Status insert_copy(const Setting& s, catalog::Transaction& t, const rows::Copy& copy, WallTime now) {
  rows::Copy with_deadline = copy;
  with_deadline.deadline = now + kCopyStart;
  COFFER_CHECK_OK(rows::insert(t, with_deadline));
  COFFER_CHECK_OK(tell_copy(t, s.entropy, with_deadline, now));
  return work::add(t, kCopyWork, copy.id, "", now);
}

Status change_restore(const Setting& s, catalog::Transaction& t, rows::Restore& job, std::string_view state,
                      std::string_view message, WallTime now) {
  COFFER_ASSERT(job.active);
  job.state = state;
  job.message = message;
  if (state == "RUNNING") job.started = now;
  if (is_terminal(state)) {
    job.completed = now;
    job.active = false;
  }
  COFFER_CHECK_OK(rows::update(t, job));
  return tell_restore(t, s.entropy, job, now);
}

Status forget_later(catalog::Transaction& t, const rds::VaultPlace& place, std::string_view label, WallTime now) {
  const api::Value payload = api::Value::object(
      {{"account", place.account}, {"region", place.region}, {"name", place.name}, {"key", place.key_arn}});
  return work::add(t, kForgetWork, label, api::to_json(payload), now + kForgetAfter);
}

Status end_windows(const Setting& s, const Context& context, WallTime now) {
  constexpr int64_t kBatch = 100;
  for (;;) {
    size_t ended = 0;
    COFFER_CHECK_OK(catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) -> Status {
      COFFER_TRY(auto jobs, rows::select<Job>(t, "WHERE deadline <= $1 ORDER BY deadline LIMIT $2", {now, kBatch}));
      ended = jobs.size();
      for (Job& job : jobs) {
        const bool began = job.started.has_value(), stopping = job.state == "ABORTING";
        COFFER_CHECK_OK(change_job(s, t, job, stopping ? "ABORTED" : "EXPIRED",
                                   stopping ? "Backup job was stopped by user."
                                   : began  ? "Backup job expired before completion."
                                            : "Backup job expired: it was not started within its start window.",
                                   stopping ? "" : "JobExpired", now));
        // Whoever still works on it loses the item, and with it every later write.
        COFFER_CHECK_OK(work::cancel(t, kBackupWork, job.id));
        if (!began) continue;
        COFFER_TRY(const auto vault, rows::find_vault(t, job.account, job.region, job.vault));
        if (vault) COFFER_CHECK_OK(forget_later(t, place_of(*vault), job.label(), now));
      }
      COFFER_TRY(auto copies,
                 rows::select<rows::Copy>(t, "WHERE deadline <= $1 ORDER BY deadline LIMIT $2", {now, kBatch}));
      ended += copies.size();
      for (rows::Copy& copy : copies) {
        const bool began = copy.started.has_value();
        COFFER_CHECK_OK(change_copy(s, t, copy, "FAILED", "The copy job did not end in its time.", now));
        COFFER_CHECK_OK(work::cancel(t, kCopyWork, copy.id));
        if (!began) continue;
        COFFER_TRY(const auto vault, rows::find_vault(t, copy.destination_vault));
        if (vault) COFFER_CHECK_OK(forget_later(t, place_of(*vault), copy.label(), now));
      }
      return ok_status();
    }));
    if (ended == 0) return ok_status();
    COFFER_CHECK_OK(context.check());
  }
}

}  // namespace coffer::backup
