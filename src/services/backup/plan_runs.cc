// Plans that are due: a run of a rule becomes a job for each database that its selections mean. Rules about time:
//  - A job begins as early in its start window as a worker is free and nothing else runs for its database.
//  - A run that nobody made in time (no daemon ran) is made late while its start window is open. Of several such runs
//    only the latest is made: the others would take the same backup again.
//  - The other missed runs are told of in one event, and the latest ten of them stand as EXPIRED jobs.
//  - After the wall clock went back, runs that were made are not made again.
#include <algorithm>
#include <set>

#include "services/backup/events.h"
#include "services/backup/plan_documents.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Job;
using rows::Plan;

/// A database that a run backs up, and by which role.
struct Chosen {
  std::string resource, role;
};

/// What a run of one rule works with.
struct RuleRun {
  const Setting& setting;
  catalog::Transaction& t;
  const Plan& plan;
  const rows::PlanVersion& version;
  const Value& rule;
  const Timing& timing;
  std::vector<Chosen> chosen;
  WallTime now;
};

Result<std::vector<Chosen>> choose(catalog::Transaction& t, const Plan& plan) {
  COFFER_TRY(const auto selections,
             rows::select<rows::Selection>(t, "WHERE plan = $1 ORDER BY created, id", {plan.id}));
  std::vector<Chosen> chosen;
  if (selections.empty()) return chosen;
  COFFER_TRY(const auto databases, rds::list_databases(t, plan.account, plan.region));
  COFFER_TRY(const bool opted_in, is_opted_in(t, plan.account, plan.region, kResourceType));
  std::vector<Candidate> candidates;
  for (const rds::Database& database : databases) candidates.push_back({database.arn(), kResourceType, database.tags});
  std::set<std::string> seen;
  for (const rows::Selection& selection : selections) {
    const SelectionRule rule(selection.document);
    for (const Candidate& candidate : candidates) {
      if (rule.selects(candidate, opted_in) && seen.insert(candidate.arn).second)
        chosen.push_back({candidate.arn, selection.role});
    }
  }
  return chosen;
}

Job job_for(const RuleRun& run, const Chosen& one, WallTime scheduled) {
  Job job;
  job.id = new_job_id(run.setting.entropy);
  job.account = run.plan.account;
  job.region = run.plan.region;
  job.vault = run.rule.text("TargetBackupVaultName");
  job.resource = one.resource;
  job.role = one.role;
  job.plan = run.plan.id;
  job.rule = run.rule.text("RuleId");
  job.created = run.now;
  job.scheduled = scheduled;
  const Window window = window_of(scheduled, run.timing.start_window, run.timing.completion_window);
  job.start_by = window.start_by;
  job.complete_by = window.complete_by;
  job.deadline = job.start_by;
  job.detail = Value::object(
      {{"CreatedBy", Value::object({{"BackupPlanId", run.plan.id},
                                    {"BackupPlanArn", run.plan.arn()},
                                    {"BackupPlanName", run.plan.name},
                                    {"BackupPlanVersion", run.version.version},
                                    {"BackupRuleId", run.rule.text("RuleId")},
                                    {"BackupRuleName", run.rule.text("RuleName")},
                                    {"BackupRuleCron", run.rule.text("ScheduleExpression")},
                                    {"BackupRuleTimezone", run.rule.text("ScheduleExpressionTimezone")}})}});
  for (const char* member : {"Lifecycle", "RecoveryPointTags", "CopyActions"}) {
    if (const Value* found = run.rule.find(member)) job.detail.set(member, *found);
  }
  if (run.rule.flag("EnableContinuousBackup")) job.detail.set("Continuous", true);
  return job;
}

/// Whether another rule of the plan takes the same backup at the same time and keeps it longer. A rule that also copies
/// is never left out.
Result<bool> is_covered(const RuleRun& run, WallTime scheduled) {
  if (!run.rule.list("CopyActions").empty()) return false;
  std::vector<const Value*> same;
  for (const Value& rule : run.version.document.list("Rules")) {
    if (rule.text("TargetBackupVaultName") != run.rule.text("TargetBackupVaultName")) continue;
    COFFER_TRY(const Timing timing, timing_of(rule, run.plan.created));
    const WallTime before = scheduled - std::chrono::microseconds(1);
    if (timing.schedule.next(before, timing.zone, timing.anchor) == scheduled) same.push_back(&rule);
  }
  std::vector<std::optional<int64_t>> days;
  for (const Value* rule : same) days.push_back(delete_after_days(rule->find("Lifecycle")));
  return !same.empty() && same[longest_kept(days)] != &run.rule;
}

Status make_jobs(const RuleRun& run, WallTime scheduled) {
  COFFER_TRY(const bool covered, is_covered(run, scheduled));
  if (covered) return ok_status();
  COFFER_TRY(const auto made, run.t.run("SELECT resource FROM backup_jobs WHERE rule = $1 AND scheduled = $2 AND "
                                        "missed = 0",
                                        {run.rule.text("RuleId"), scheduled}));
  std::set<std::string> there;
  for (const auto& row : made) there.insert(row.text(0));
  for (size_t i = 0; i < run.chosen.size(); ++i) {
    if (there.contains(run.chosen[i].resource)) continue;
    const Job job = job_for(run, run.chosen[i], scheduled);
    const WallTime due = run.now + start_offset(i, run.chosen.size(), run.timing.start_window, job.id);
    // A late run begins late, but inside its window.
    COFFER_CHECK_OK(insert_job(run.setting, run.t, job,
                               std::min(due, std::max(run.now, job.start_by - std::chrono::seconds(30))), run.now));
  }
  return ok_status();
}

/// The resources that have a job of this run, made or missed.
Result<std::set<std::string>> dealt_with(const RuleRun& run, WallTime scheduled) {
  COFFER_TRY(const auto rows_found, run.t.run("SELECT resource FROM backup_jobs WHERE rule = $1 AND scheduled = $2",
                                              {run.rule.text("RuleId"), scheduled}));
  std::set<std::string> there;
  for (const auto& row : rows_found) there.insert(row.text(0));
  return there;
}

/// Runs that a wall clock that went back and forth passes twice were dealt with the first time.
Status tell_of_missed(const RuleRun& run, WallTime considered, const RunsDue& due) {
  std::vector<Job> jobs;
  std::vector<WallTime> really;
  for (const WallTime scheduled : due.missed) {
    COFFER_TRY(const auto there, dealt_with(run, scheduled));
    const size_t before = jobs.size();
    for (const Chosen& one : run.chosen) {
      if (there.contains(one.resource)) continue;
      Job job = job_for(run, one, scheduled);
      job.missed = true;
      job.state = "EXPIRED";
      job.category = "JobExpired";
      job.message = "Backup job expired: nobody was there to start it within its start window.";
      job.completed = run.now;
      job.deadline.reset();
      jobs.push_back(std::move(job));
    }
    if (jobs.size() > before) really.push_back(scheduled);
  }
  if (really.empty()) return ok_status();
  COFFER_TRY(const auto older, run.t.first("SELECT COUNT(DISTINCT scheduled) FROM backup_jobs WHERE rule = $1 AND "
                                           "scheduled > $2 AND scheduled < $3",
                                           {run.rule.text("RuleId"), considered, due.missed.front()}));
  const int64_t unlisted = due.missed_count - static_cast<int64_t>(due.missed.size()) - older->integer(0);
  const Missed missed{run.plan,
                      std::string(run.rule.text("RuleId")),
                      std::string(run.rule.text("RuleName")),
                      really.front(),
                      really.back(),
                      static_cast<int64_t>(really.size()) + std::max<int64_t>(unlisted, 0),
                      due.make};
  COFFER_CHECK_OK(tell_missed(run.t, run.setting.entropy, missed, run.now));
  for (const Job& job : jobs) COFFER_CHECK_OK(insert_job(run.setting, run.t, job, run.now, run.now));
  return ok_status();
}

Status run_rule(const Setting& s, catalog::Transaction& t, rows::RuleClock clock, WallTime now) {
  COFFER_TRY(auto plan, rows::first<Plan>(t, "WHERE id = $1", {clock.plan}));
  COFFER_TRY(const auto version, rows::find_version(t, clock.plan, ""));
  const Value* rule = version ? rule_of(version->document, clock.rule) : nullptr;
  if (!plan || plan->deleted || !rule) return rows::remove(t, clock);
  COFFER_TRY(const Timing timing, timing_of(*rule, plan->created));
  const RunsDue due = runs_due(timing, clock.considered, now);
  if (due.make || !due.missed.empty()) {
    RuleRun run{s, t, *plan, *version, *rule, timing, {}, now};
    COFFER_TRY(run.chosen, choose(t, *plan));
    // A plan without databases promises nothing: nothing of it can be missed.
    if (!due.missed.empty() && !run.chosen.empty()) COFFER_CHECK_OK(tell_of_missed(run, clock.considered, due));
    if (due.make) {
      COFFER_CHECK_OK(make_jobs(run, *due.make));
      plan->executed = *due.make;
      COFFER_CHECK_OK(rows::update(t, *plan));
    }
  }
  clock.considered = std::max(clock.considered, now);
  clock.next_run = due.next;
  return rows::update(t, clock);
}

}  // namespace

Status run_plan(const Setting& s, const Context&, catalog::Transaction& t, std::string_view plan, WallTime now) {
  COFFER_TRY(const auto clocks, rows::select<rows::RuleClock>(
                                    t, "WHERE plan = $1 AND next_run <= $2 ORDER BY next_run, rule", {plan, now}));
  for (const rows::RuleClock& clock : clocks) COFFER_CHECK_OK(run_rule(s, t, clock, now));
  return ok_status();
}

Status run_plans(const Setting& s, const Context& context, WallTime now) {
  for (;;) {
    {
      COFFER_TRY(auto t, s.database.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(const auto due, t->first("SELECT plan FROM backup_rule_clocks WHERE next_run <= $1 LIMIT 1", {now}));
      if (!due) return ok_status();
    }
    COFFER_CHECK_OK(catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) -> Status {
      COFFER_TRY(const auto due,
                 t.first("SELECT plan FROM backup_rule_clocks WHERE next_run <= $1 ORDER BY next_run LIMIT 1", {now}));
      return due ? run_plan(s, context, t, due->text(0), now) : ok_status();
    }));
    COFFER_CHECK_OK(context.check());
  }
}

Status reset_rule_clocks(catalog::Transaction& t, WallTime now) {
  COFFER_TRY(const auto clocks, rows::select<rows::RuleClock>(t, "WHERE considered > $1", {now}));
  for (rows::RuleClock clock : clocks) {
    COFFER_TRY(const auto plan, rows::first<Plan>(t, "WHERE id = $1", {clock.plan}));
    COFFER_TRY(const auto version, rows::find_version(t, clock.plan, ""));
    const Value* rule = version ? rule_of(version->document, clock.rule) : nullptr;
    if (!plan || !rule) continue;
    COFFER_TRY(const Timing timing, timing_of(*rule, plan->created));
    clock.considered = now;
    clock.next_run = timing.schedule.next(now, timing.zone, timing.anchor);
    COFFER_CHECK_OK(rows::update(t, clock));
  }
  return ok_status();
}

}  // namespace coffer::backup
