// A month of five plans and twenty databases, with everything that goes wrong: downtime, clocks that jump, an engine
// that fails and is slow, a process that dies at any commit, people who stop, delete and hold. The seed decides all of
// it. COFFER_SIMULATION_SEEDS: how many (5 by default); COFFER_SIMULATION_SEED: this one alone, which repeats a
// failure.
#include <cstdlib>
#include <map>
#include <set>

#include "services/backup/island.h"
#include "services/schedule/schedule.h"

namespace coffer::backup {
namespace {

using api::Value;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;

constexpr int kPlans = 5, kDatabases = 20, kDays = 30;
constexpr int64_t kDay = 86'400'000'000;
const char* const kSchedules[kPlans] = {"cron(0 5 ? * * *)", "cron(30 1/12 ? * * *)", "cron(15 3 ? * MON,THU *)",
                                        "cron(0 0 1,15 * ? *)", "cron(45 22 ? * * *)"};
const int64_t kKept[kPlans] = {7, 2, 14, 0, 1};  // days; 0: for ever

constexpr int64_t kKeptOnDemand = 3;

Value object(std::initializer_list<api::Members::value_type> members) { return Value::object(members); }

bool is_end(const std::string& state) {
  return state == "COMPLETED" || state == "FAILED" || state == "EXPIRED" || state == "ABORTED";
}

class Month {
 public:
  Month(uint64_t seed, bool clocks_jump) : random_(seed), jumps_(clocks_jump), island_(seed) {
    const int64_t today = island_.clock.wall().micros % kDay;
    island_.clock.advance(microseconds(kDay - today));
    began_ = island_.clock.wall();
    make();
    island_.engine.before = [this](std::string_view what) -> Status {
      if (what == "take" && failing_ > 0 && chance(failing_))
        return Error{chance(50) ? ErrorCode::kUnavailable : ErrorCode::kFailedPrecondition, "the engine fails", {}};
      return ok_status();
    };
    island_.engine.meanwhile = [this](const Context& context, Progress& progress) {
      return meanwhile(context, progress);
    };
    island_.between = [this] { note_births(); };
    island_.engine.after = [this](std::string_view what) {
      // Time of birth and of death, as they really were.
      if (what == "forget") died_[island_.engine.forgotten.back()] = truth_;
    };
  }

  void run() {
    while (truth_ < microseconds(kDay * kDays)) {
      step();
      check_now();
      if (testing::Test::HasFailure()) return;
    }
    // Peace: whatever began comes to its end.
    failing_ = 0;
    peace_ = true;
    set_lie(microseconds(0));
    for (int i = 0; i < 24 * 9 && !testing::Test::HasFailure(); ++i) {
      pass(hours(1));
      tick();
    }
    check_end();
  }

 private:
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low));
  }

  void make() {
    Island::must(island_.call("CreateBackupVault", object({{"BackupVaultName", "away"}}), "eu-west-1"));
    for (const char* name : {"daily", "locked"})
      Island::must(island_.call("CreateBackupVault", object({{"BackupVaultName", name}})));
    Island::must(island_.call("PutBackupVaultLockConfiguration",
                              object({{"BackupVaultName", "locked"}, {"MinRetentionDays", 1}})));
    for (int i = 0; i < kDatabases; ++i)
      databases_.push_back(island_.add_database("db" + std::to_string(i), {{"plan", std::to_string(i % kPlans)}}));
    for (int i = 0; i < kPlans; ++i) {
      Value rule = object({{"RuleName", "rule"},
                           {"TargetBackupVaultName", i % 2 ? "locked" : "daily"},
                           {"ScheduleExpression", kSchedules[i]},
                           {"StartWindowMinutes", 60 + 60 * i},
                           {"CompletionWindowMinutes", 600}});
      if (kKept[i] > 0) rule.set("Lifecycle", object({{"DeleteAfterDays", kKept[i]}}));
      if (i == 2)
        rule.set(
            "CopyActions",
            api::List{object({{"DestinationBackupVaultArn", "arn:aws:backup:eu-west-1:111111111111:backup-vault:away"},
                              {"Lifecycle", object({{"DeleteAfterDays", 3}})}})});
      const std::string id(
          Island::must(island_.call("CreateBackupPlan",
                                    object({{"BackupPlan", object({{"BackupPlanName", "plan" + std::to_string(i)},
                                                                   {"Rules", api::List{rule}}})}})))
              .text("BackupPlanId"));
      plans_.push_back(id);
      Island::must(island_.call(
          "CreateBackupSelection",
          object({{"BackupPlanId", id},
                  {"BackupSelection",
                   object({{"SelectionName", "s"},
                           {"IamRoleArn", kIslandRole},
                           {"ListOfTags", api::List{object({{"ConditionType", "STRINGEQUALS"},
                                                            {"ConditionKey", "plan"},
                                                            {"ConditionValue", std::to_string(i)}})}}})}})));
    }
  }

  /// Time really passes.
  void pass(microseconds time) {
    island_.clock.advance(time);
    truth_ += time;
  }
  void set_lie(microseconds lie) { island_.clock.jump_to(began_ + truth_ + lie); }

  void tick() {
    if (!island_.tick()) {
      ++crashes_;
      note_births();
      island_.reopen();
      watched_since_ = truth_;
      return;
    }
    // A daemon that lived through the whole time since its last look has measured it.
    watched_ += truth_ - watched_since_;
    watched_since_ = truth_;
  }

  /// Jobs that were just made: from then on the age of their points counts.
  void note_births() {
    auto t = island_.read();
    for (const auto& row : Island::must(t->run("SELECT id, plan FROM backup_jobs WHERE deadline IS NOT NULL"))) {
      rows::Job job;
      job.id = row.text(0);
      if (births_.contains(job.label())) continue;
      const auto plan = std::find(plans_.begin(), plans_.end(), row.text(1)) - plans_.begin();
      births_[job.label()] = {truth_, watched_, plan < kPlans ? kKept[plan] : kKeptOnDemand};
    }
  }

  /// In the middle of a backup.
  Status meanwhile(const Context& context, Progress& progress) {
    std::map<std::string, int> running;
    for (const rows::Job& job :
         island_.all<rows::Job>("WHERE deadline IS NOT NULL AND state IN ('RUNNING', 'ABORTING')"))
      ++running[job.resource];
    for (const auto& [resource, count] : running) EXPECT_EQ(count, 1) << "two jobs at once for " << resource;
    if (peace_ || island_.database.dead()) return ok_status();
    if (chance(10)) {
      pass(minutes(between(1, chance(30) ? 1'000 : 200)));
      const Status looked = island_.service->run_due(Context(), island_.clock.wall());
      if (!looked.ok() && !island_.database.dead()) ADD_FAILURE() << looked.error().message;
      note_births();
      // Another worker of the same daemon.
      if (depth_ == 0 && !island_.database.dead()) {
        ++depth_;
        const auto ran = island_.runner->run_due(Context());
        --depth_;
        if (!ran.ok() && !island_.database.dead()) ADD_FAILURE() << ran.error().message;
      }
    }
    progress.advance(1);
    if (chance(2)) throw testing_support::Died();  // in the engine, with nothing to show for it
    return context.check();
  }

  void step() {
    if (chance(1)) {
      island_.close();
      pass(minutes(between(5, 60 * 50)));  // downtime, at most two days
      island_.open();
      watched_since_ = truth_;
    }
    if (jumps_ && chance(1)) {
      static constexpr int64_t kSizes[] = {1'000'000, 600'000'000, 7'200'000'000, 3 * kDay, 36'500 * kDay};
      set_lie(microseconds(kSizes[random_() % 5] * (chance(50) ? 1 : -1)));
      lying_ = between(1, 6);
    } else if (lying_ > 0 && --lying_ == 0) {
      set_lie(microseconds(0));
    }
    if (chance(2)) failing_ = static_cast<int>(between(0, 2)) * 60;
    if (chance(3)) island_.database.die_at(between(1, 40), chance(50));
    if (chance(5)) meddle();
    pass(minutes(between(5, 60)));
    tick();
  }

  /// What people do.
  void meddle() {
    try {
      const auto jobs = island_.all<rows::Job>("WHERE deadline IS NOT NULL LIMIT 3");
      const auto points = island_.all<rows::Point>("WHERE status = 'COMPLETED' LIMIT 20");
      const auto any = [&](const auto& all) -> const auto& { return all[random_() % all.size()]; };
      const int64_t what = between(0, 5);
      if (what == 0 && !jobs.empty()) {
        static_cast<void>(island_.call("StopBackupJob", object({{"BackupJobId", any(jobs).id}})).ok());
      } else if (what == 1 && !points.empty()) {
        const rows::Point& point = any(points);
        const auto deleted = island_.call("DeleteRecoveryPoint",
                                          object({{"BackupVaultName", point.vault}, {"RecoveryPointArn", point.arn}}));
        if (point.vault == "locked" && deleted.ok()) ADD_FAILURE() << "a locked point was deleted";
        if (held_.contains(point.arn) && deleted.ok()) ADD_FAILURE() << "a held point was deleted";
        if (deleted.ok() || island_.database.dead()) by_hand_.insert(point.label);
      } else if (what == 2 && !points.empty() && holds_.size() < 3) {
        const Value hold = Island::must(island_.call(
            "CreateLegalHold", object({{"Title", "t"},
                                       {"Description", "d"},
                                       {"RecoveryPointSelection",
                                        object({{"ResourceIdentifiers", api::text_list({any(points).resource})}})}})));
        holds_.emplace_back(hold.text("LegalHoldId"));
        for (const auto& row : Island::must(island_.read()->run("SELECT arn FROM backup_held_points")))
          held_.insert(row.text(0));
      } else if (what == 4) {
        static_cast<void>(Island::must(
            island_.call("StartBackupJob", object({{"BackupVaultName", "locked"},
                                                   {"ResourceArn", any(databases_)},
                                                   {"IamRoleArn", kIslandRole},
                                                   {"StartWindowMinutes", 60},
                                                   {"Lifecycle", object({{"DeleteAfterDays", kKeptOnDemand}})}}))));
        note_births();
      } else if (what == 3 && !holds_.empty() && chance(30)) {
        Island::must(
            island_.call("CancelLegalHold", object({{"LegalHoldId", holds_.back()}, {"CancelDescription", "over"}})));
        holds_.pop_back();
        held_.clear();
        for (const auto& row : Island::must(island_.read()->run("SELECT arn FROM backup_held_points")))
          held_.insert(row.text(0));
      }
    } catch (const testing_support::Died&) {
      refresh_holds();
      note_births();
    }
    if (island_.database.dead()) {
      ++crashes_;
      island_.reopen();
      watched_since_ = truth_;
    }
  }
  /// After a death nobody knows whether the call had its effect.
  void refresh_holds() {
    holds_.clear();
    held_.clear();
    for (const rows::Hold& hold : island_.all<rows::Hold>("WHERE status = 'ACTIVE'")) holds_.push_back(hold.id);
    for (const auto& row : Island::must(island_.read()->run("SELECT arn FROM backup_held_points")))
      held_.insert(row.text(0));
  }

  void check_now() {
    for (const std::string& arn : held_)
      EXPECT_TRUE(Island::must(rows::find_point(*island_.read(), arn))) << "a held point is gone: " << arn;
    for (auto death = died_.begin(); death != died_.end(); death = died_.erase(death)) {
      const auto job = Island::must(rows::find_job(*island_.read(), death->first));
      // Leftovers of jobs that came to nothing, and what was deleted by hand, have no age to reach.
      if (!job || job->state != "COMPLETED" || by_hand_.contains(death->first)) continue;
      const auto birth = births_.find(death->first);
      ASSERT_NE(birth, births_.end());
      EXPECT_GE(death->second - birth->second.at, hours(24 * birth->second.days)) << "deleted early";
      EXPECT_GT(birth->second.days, 0) << "deleted though kept for ever";
      ++expired_;
    }
  }

  struct Birth {
    microseconds at, watched;
    int64_t days;
  };

  void check_events(const std::vector<rows::Job>& jobs) {
    std::map<std::string, std::vector<std::string>> told;
    std::set<std::string> ids;
    auto t = island_.read();
    for (const auto& entry : Island::must(catalog::outbox_due(*t, api::kEventTopic, WallTime{INT64_MAX}, 10'000'000))) {
      const auto event = boost::json::parse(entry.payload).as_object();
      EXPECT_TRUE(ids.insert(std::string(event.at("id").as_string())).second) << "an event's id twice";
      if (event.at("detail-type").as_string() != "Backup Job State Change") continue;
      const auto& detail = event.at("detail").as_object();
      told[std::string(detail.at("backupJobId").as_string())].emplace_back(detail.at("state").as_string());
    }
    EXPECT_EQ(told.size(), jobs.size()) << "events of jobs that are not there, or none of some that are";
    for (const rows::Job& job : jobs) {
      const auto& states = told[job.id];
      ASSERT_FALSE(states.empty()) << "no event of job " << job.id;
      EXPECT_EQ(states.back(), job.state);
      EXPECT_EQ(std::count_if(states.begin(), states.end(), is_end), 1) << "of job " << job.id;
      EXPECT_TRUE(is_end(states.back()));
      EXPECT_EQ(std::set<std::string>(states.begin(), states.end()).size(), states.size()) << "a state told twice";
      EXPECT_EQ(states.front(), job.missed ? "EXPIRED" : "CREATED");
      EXPECT_TRUE(job.state != "COMPLETED" || std::count(states.begin(), states.end(), "RUNNING"));
    }
  }

  void check_end() {
    const auto jobs = island_.all<rows::Job>();
    const auto points = island_.all<rows::Point>();
    check_events(jobs);
    std::set<std::tuple<std::string, int64_t, std::string>> made;
    std::map<std::tuple<std::string, int64_t, std::string>, int> any;
    int completed = 0;
    for (const rows::Job& job : jobs) {
      EXPECT_TRUE(job.ended()) << job.id << " is " << job.state;
      const bool only =
          job.missed || job.rule.empty() || made.emplace(job.rule, job.scheduled.micros, job.resource).second;
      EXPECT_TRUE(only) << "a job twice";
      ++any[{job.plan, job.scheduled.micros, job.resource}];
      EXPECT_LT(job.started.value_or(WallTime{INT64_MIN}), job.start_by) << "started outside of its window";
      if (job.state != "COMPLETED") {
        EXPECT_TRUE(job.point.empty());
        continue;
      }
      ++completed;
      EXPECT_LT(*job.completed, job.complete_by) << "completed outside of its window";
      EXPECT_EQ(island_.engine.taken[job.label()], 1) << "taken more than once";
      EXPECT_FALSE(job.point.empty());
    }
    EXPECT_GT(completed, 100);
    std::set<std::string> in_engine, in_catalog;
    for (const auto& [place, of_place] : island_.engine.points) {
      for (const auto& [label, point] : of_place) in_engine.insert(point.reference);
    }
    for (const rows::Point& point : points) in_catalog.insert(point.reference);
    EXPECT_EQ(in_engine, in_catalog) << "points without bytes, or bytes without a point";
    check_overdue(points);
    if (!jumps_) check_every_run(any);
    RecordProperty();
  }

  /// What is past its time by both clocks is gone, once a daemon has had the time to see it.
  void check_overdue(const std::vector<rows::Point>& points) {
    const WallTime now = island_.clock.wall();
    for (const rows::Point& point : points) {
      if (!point.delete_at || held_.contains(point.arn) || point.status == "EXPIRED") continue;
      const auto birth = births_.find(point.label);
      if (birth == births_.end()) continue;
      const bool overdue =
          now - *point.delete_at > hours(12) && watched_ - birth->second.watched > hours(24 * birth->second.days + 12);
      EXPECT_FALSE(overdue) << point.arn << " is kept beyond its rule, " << point.status;
    }
  }

  /// Without jumping clocks every run of the month has one job for each of its databases, made or missed.
  void check_every_run(const std::map<std::tuple<std::string, int64_t, std::string>, int>& any) {
    for (int i = 0; i < kPlans; ++i) {
      const auto runs = schedule::Schedule::parse(kSchedules[i])
                            .value()
                            .runs(began_, began_ + microseconds(kDay * kDays), schedule::Zone::utc(), 10'000);
      for (const WallTime run : runs) {
        for (int d = i; d < kDatabases; d += kPlans) {
          const auto found = any.find({plans_[static_cast<size_t>(i)], run.micros, databases_[static_cast<size_t>(d)]});
          EXPECT_TRUE(found != any.end() && found->second == 1)
              << "run " << format_utc(run) << " of plan " << i << " for " << databases_[static_cast<size_t>(d)];
        }
      }
    }
  }
  void RecordProperty() const {
    if (std::getenv("COFFER_SIMULATION_SEED"))
      std::cout << crashes_ << " crashes, " << expired_ << " points expired, " << births_.size() << " points\n";
  }

  std::mt19937_64 random_;
  const bool jumps_;
  Island island_;
  WallTime began_;
  microseconds truth_{0};    // since began_
  microseconds watched_{0};  // of it, as daemons have measured it for certain
  microseconds watched_since_{0};
  std::vector<std::string> databases_, plans_, holds_;
  std::set<std::string> held_, by_hand_;
  std::map<std::string, Birth> births_;       // by label
  std::map<std::string, microseconds> died_;  // since the last check
  int depth_ = 0, failing_ = 0, crashes_ = 0, expired_ = 0;
  int64_t lying_ = 0;
  bool peace_ = false;
};

class Simulation : public testing::TestWithParam<bool> {};

TEST_P(Simulation, AMonthBreaksNoWindowLosesNoEventDeletesNothingEarly) {
  uint64_t first = 1, count = 5;
  if (const char* seeds = std::getenv("COFFER_SIMULATION_SEEDS")) count = std::strtoull(seeds, nullptr, 10);
  if (const char* seed = std::getenv("COFFER_SIMULATION_SEED")) first = std::strtoull(seed, nullptr, 10), count = 1;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("COFFER_SIMULATION_SEED=" + std::to_string(seed));
    Month(seed, GetParam()).run();
    if (HasFailure()) return;
  }
}
INSTANTIATE_TEST_SUITE_P(Clocks, Simulation, testing::Bool(), [](const testing::TestParamInfo<bool>& clocks) {
  return clocks.param ? "ThatJump" : "ThatAreRight";
});

}  // namespace
}  // namespace coffer::backup
