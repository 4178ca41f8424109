#include "services/backup/job_work.h"

#include <algorithm>

#include "services/backup/events.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Job;

constexpr std::chrono::seconds kLookEvery{1};
constexpr std::chrono::minutes kRetryFirst{1}, kRetry{10};
constexpr int64_t kRetriesMax = 3;
constexpr std::string_view kStopped = "Backup job was stopped by user.";

/// What the first transaction of an attempt found.
struct Ready {
  bool go = false;
  Job job;
  rows::Vault vault;
  rds::Database database;
};

bool is_refusal(const Error& error) {
  return error.code == ErrorCode::kPermissionDenied || error.code == ErrorCode::kNotFound ||
         error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kFailedPrecondition;
}

Result<bool> is_resource_busy(catalog::Transaction& t, const Job& job) {
  COFFER_TRY(const auto other, t.first("SELECT id FROM backup_jobs WHERE resource = $1 AND deadline IS NOT NULL AND "
                                       "state IN ('RUNNING', 'ABORTING') AND id <> $2 LIMIT 1",
                                       {job.resource, job.id}));
  return other.has_value();
}

/// What must hold when a job starts: that the vault is there and takes it, that the database is there, that the role
/// may. A refusal is the job's failure.
Status check_start(const Setting& s, const Context& context, catalog::Transaction& t, Ready& ready, WallTime now) {
  const Job& job = ready.job;
  COFFER_TRY(auto vault, rows::find_vault(t, job.account, job.region, job.vault));
  if (!vault) return not_found("Backup vault " + job.vault + " does not exist.");
  ready.vault = std::move(*vault);
  COFFER_CHECK_OK(check_retention(lock_of(ready.vault), delete_after_days(job.detail.find("Lifecycle"))));
  COFFER_TRY(auto database, rds::find_database(t, job.resource));
  if (!database) return not_found("The resource " + job.resource + " does not exist.");
  ready.database = std::move(*database);
  COFFER_TRY(const Assumed assumed, assume(s, context, t, job.role, job.account, job.region, ready.vault.arn(), now));
  api::AccessRequest snapshot;
  snapshot.action = "rds:CreateDBSnapshot";
  snapshot.resource = job.resource;
  snapshot.resource_account = job.account;
  return s.authority.authorize(t, assumed.call, *assumed.identity, {snapshot});
}

Status fail(const Setting& s, catalog::Transaction& t, const work::Item& item, Job& job, const Error& error,
            WallTime now) {
  const char* category = error.code == ErrorCode::kPermissionDenied  ? "AccessDenied"
                         : error.code == ErrorCode::kInvalidArgument ? "InvalidParameters"
                                                                     : "JobFailed";
  COFFER_CHECK_OK(change_job(s, t, job, "FAILED", error.message, category, now));
  return work::finish(t, item);
}

/// Decides what this attempt does, and says RUNNING when it is the first that gets so far.
Status begin(const Setting& s, const Context& context, catalog::Transaction& t, const work::Item& item, Ready& ready) {
  ready = {};
  const WallTime now = s.clock.wall();
  COFFER_CHECK_OK(work::check_fence(t, item));
  COFFER_TRY(auto job, rows::find_job(t, item.subject));
  if (!job) return work::finish(t, item);
  ready.job = std::move(*job);
  Job& j = ready.job;
  COFFER_TRY(const bool busy, is_resource_busy(t, j));
  const JobStep step = next_step({j.state, j.start_by, j.complete_by, busy}, now);
  switch (step) {
    case JobStep::kNothing: return work::finish(t, item);
    case JobStep::kAbort:
    case JobStep::kExpire: {
      // An earlier attempt may have left a point in the vault.
      if (j.started) {
        COFFER_TRY(const auto vault, rows::find_vault(t, j.account, j.region, j.vault));
        if (vault) COFFER_CHECK_OK(forget_later(t, place_of(*vault), j.label(), now));
      }
      if (step == JobStep::kAbort) {
        COFFER_CHECK_OK(change_job(s, t, j, "ABORTED", kStopped, "", now));
      } else {
        COFFER_CHECK_OK(change_job(s, t, j, "EXPIRED",
                                   j.started ? "Backup job expired before completion."
                                             : "Backup job expired: it was not started within its start window.",
                                   "JobExpired", now));
      }
      return work::finish(t, item);
    }
    case JobStep::kWait:
      if (j.state == "CREATED")
        COFFER_CHECK_OK(change_job(s, t, j, "PENDING", "There is a running job for the same resource.", "", now));
      return work::postpone(t, item, std::min(now + kRetry, j.start_by), {}, false);
    case JobStep::kStart:
    case JobStep::kGoOn: break;
  }
  if (const Status checked = check_start(s, context, t, ready, now); !checked.ok()) {
    if (!is_refusal(checked.error())) return checked;
    if (step == JobStep::kGoOn && !ready.vault.name.empty())
      COFFER_CHECK_OK(forget_later(t, place_of(ready.vault), j.label(), now));
    return fail(s, t, item, j, checked.error(), now);
  }
  if (step == JobStep::kStart) {
    j.size_bytes = ready.database.size_bytes;
    COFFER_CHECK_OK(change_job(s, t, j, "RUNNING", "", "", now));
  }
  ready.go = true;
  return ok_status();
}

rows::Tags point_tags(const Ready& ready) {
  rows::Tags tags = ready.job.detail.text_map("RecoveryPointTags");
  for (const auto& [key, value] : ready.database.tags) {
    if (tags.size() >= 50) break;
    if (!key.starts_with("aws:")) tags.emplace(key, value);
  }
  return tags;
}

Status start_copies(const Setting& s, catalog::Transaction& t, const Job& job, const rows::Point& point, WallTime now) {
  for (const Value& action : job.detail.list("CopyActions")) {
    rows::Copy copy;
    copy.id = new_job_id(s.entropy);
    copy.account = job.account;
    copy.region = job.region;
    copy.source_vault = job.vault_arn();
    copy.source_point = point.arn;
    copy.destination_vault = action.text("DestinationBackupVaultArn");
    copy.resource = job.resource;
    copy.role = job.role;
    copy.created = now;
    copy.size_bytes = point.size_bytes;
    copy.detail = Value::object({{"CreatedByBackupJobId", job.id}});
    if (const Value* by = job.detail.find("CreatedBy")) copy.detail.set("CreatedBy", *by);
    if (const Value* lifecycle = action.find("Lifecycle")) copy.detail.set("Lifecycle", *lifecycle);
    COFFER_CHECK_OK(insert_copy(s, t, copy, now));
  }
  return ok_status();
}

Status complete(const Setting& s, catalog::Transaction& t, const Ready& ready, Job& job, const rds::Point& taken,
                WallTime now) {
  NewPoint made;
  rows::Point& p = made.point;
  p.account = job.account;
  p.region = job.region;
  p.vault = job.vault;
  p.arn = "arn:aws:rds:" + job.region + ":" + job.account + ":snapshot:awsbackup:job-" + job.label();
  p.resource = job.resource;
  p.plan = job.plan;
  p.role = job.role;
  p.created = job.created;
  p.started = *job.started;
  p.completed = now;
  p.size_bytes = static_cast<int64_t>(taken.size_bytes);
  p.proven = job.proven;
  p.proof = taken.state;
  p.reference = taken.reference;
  p.label = job.label();
  p.key_arn = ready.vault.key_arn;
  p.detail = Value::object({{"BackupJobId", job.id}, {"EngineVersion", taken.engine_version}});
  if (const Value* by = job.detail.find("CreatedBy")) p.detail.set("CreatedBy", *by);
  const Value* lifecycle = job.detail.find("Lifecycle");
  set_lifecycle(p, lifecycle ? *lifecycle : Value::object());
  made.tags = point_tags(ready);
  made.database = ready.database;
  made.engine_version = taken.engine_version;
  COFFER_CHECK_OK(add_point(s, t, made, now));
  job.point = p.arn;
  job.percent = 100;
  job.size_bytes = p.size_bytes;
  job.transferred_bytes = static_cast<int64_t>(taken.transferred_bytes);
  std::string issues;
  for (const std::string& warning : taken.warnings) issues += (issues.empty() ? "" : " ") + warning;
  if (job.detail.flag("Continuous"))
    issues = "Continuous backup is not available; a snapshot was made instead." + (issues.empty() ? "" : " " + issues);
  COFFER_CHECK_OK(change_job(s, t, job, "COMPLETED", issues, issues.empty() ? "SUCCESS" : "CompletedWithIssues", now));
  return start_copies(s, t, job, p, now);
}

Status end(const Setting& s, const Context& context, catalog::Transaction& t, const work::Item& item,
           const Ready& ready, const Result<rds::Point>& taken) {
  const WallTime now = s.clock.wall();
  COFFER_CHECK_OK(work::check_fence(t, item));
  COFFER_TRY(auto found, rows::find_job(t, item.subject));
  if (!found || is_terminal(found->state)) return work::finish(t, item);
  Job& job = *found;
  const bool stopping = job.state == "ABORTING";
  if (stopping || now >= job.complete_by) {
    COFFER_CHECK_OK(forget_later(t, place_of(ready.vault), job.label(), now));
    COFFER_CHECK_OK(change_job(s, t, job, stopping ? "ABORTED" : "EXPIRED",
                               stopping ? kStopped : "Backup job expired before completion.",
                               stopping ? "" : "JobExpired", now));
    return work::finish(t, item);
  }
  if (taken.ok()) {
    COFFER_TRY(const auto vault, rows::find_vault(t, job.account, job.region, job.vault));
    if (!vault) return fail(s, t, item, job, not_found("Backup vault " + job.vault + " does not exist."), now);
    COFFER_CHECK_OK(complete(s, t, ready, job, *taken, now));
    return work::finish(t, item);
  }
  if (context.stopped()) return taken.error();  // the daemon ends or lost its lease: whoever is next goes on
  if (is_passing(taken.error()) && (now < job.start_by || job.retries < kRetriesMax)) {
    const WallTime again = now + (job.retries == 0 ? kRetryFirst : kRetry);
    ++job.retries;
    COFFER_CHECK_OK(rows::update(t, job));
    return work::postpone(t, item, std::min(again, job.complete_by));
  }
  // The engine said no, but an earlier attempt that was cut off may have said yes to nobody.
  COFFER_CHECK_OK(forget_later(t, place_of(ready.vault), job.label(), now));
  return fail(s, t, item, job, taken.error(), now);
}

/// Does the job go on? Writes only when there is visible progress.
bool look_at_job(const Setting& s, const work::Item& item, int64_t percent) {
  constexpr int64_t kVisible = 5;
  const auto read = [&](catalog::Transaction& t) -> Result<std::optional<Job>> {
    return rows::find_job(t, item.subject);
  };
  auto reading = s.database.begin(Context(), catalog::Database::Mode::kRead);
  if (!reading.ok()) return true;
  const auto job = read(**reading);
  reading->reset();
  if (!job.ok()) return true;
  if (!*job || (*job)->state != "RUNNING" || s.clock.wall() >= (*job)->complete_by) return false;
  if (percent < (*job)->percent + kVisible) return true;
  const Status written = catalog::in_transaction(
      s.database, Context(),
      [&](catalog::Transaction& t) -> Status {
        COFFER_CHECK_OK(
            t.run("UPDATE backup_jobs SET percent = $2 WHERE id = $1 AND state = 'RUNNING'", {item.subject, percent}));
        return ok_status();
      },
      1);
  static_cast<void>(written.ok());  // it is only shown
  return true;
}

}  // namespace

WatchedWork::WatchedWork(const Context& outer, Clock& clock, std::function<bool(int64_t)> look)
    : outer_(outer),
      clock_(clock),
      look_(std::move(look)),
      context_(outer.with_stop(stop_)),
      last_look_(clock.mono()) {}

void WatchedWork::step(std::string_view, uint64_t total_bytes) {
  {
    const std::lock_guard lock(mutex_);
    done_ = 0;
    total_ = total_bytes;
  }
  look_now_and_then();
}
void WatchedWork::advance(uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    // Of the step at hand; it never seems to go back, and never to be done before it is.
    if (total_ > 0) percent_ = std::max(percent_, static_cast<int64_t>(std::min(done_, total_) * 99 / total_));
  }
  look_now_and_then();
}
void WatchedWork::note(std::string_view) { look_now_and_then(); }

void WatchedWork::look_now_and_then() {
  int64_t percent = 0;
  {
    const std::lock_guard lock(mutex_);
    if (outer_.stopped()) stop_.request_stop();
    const MonoTime now = clock_.mono();
    if (now - last_look_ < kLookEvery) return;
    last_look_ = now;
    percent = percent_;
  }
  if (!look_(percent)) stop_.request_stop();
}

Status carry_out_backup(const Setting& s, const Context& context, const work::Item& item) {
  Ready ready;
  COFFER_CHECK_OK(catalog::in_transaction(s.database, context,
                                          [&](catalog::Transaction& t) { return begin(s, context, t, item, ready); }));
  if (!ready.go) return ok_status();
  const rds::VaultPlace place = place_of(ready.vault);
  const auto look = [&](int64_t percent) { return look_at_job(s, item, percent); };
  WatchedWork watched(context, s.clock, look);
  const auto take = [&]() -> Result<rds::Point> {
    COFFER_CHECK_OK(s.engine.open_vault(watched.context(), place));
    COFFER_TRY(const rds::DatabaseAccess access, s.rds.access_of(watched.context(), ready.database));
    return s.engine.take(watched.context(), place, access, ready.job.label(), watched);
  };
  const Result<rds::Point> taken = take();
  return catalog::in_transaction(s.database, Context(),
                                 [&](catalog::Transaction& t) { return end(s, context, t, item, ready, taken); });
}

}  // namespace coffer::backup
