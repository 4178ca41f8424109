#include "services/backup/decisions.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/resource.h>

#include <algorithm>

namespace coffer::backup {
namespace {

using api::Value;
using std::chrono::hours;
using std::chrono::minutes;

constexpr int64_t kSecond = 1'000'000, kHour = 3'600 * kSecond, kDay = 24 * kHour;
constexpr WallTime kStart{1'800'000'000 * kSecond};

Timing timing(const std::string& expression, int64_t start_window) {
  return {schedule::Schedule::parse(expression).value(), schedule::Zone::utc(), kStart, minutes(start_window),
          minutes(10'080)};
}

void holds(bool result) { EXPECT_TRUE(result); }

// Whatever the daemon's looks are apart, each run is made or missed, once, and made ones are inside their window.
TEST(Runs, EveryRunIsMadeOrMissedOnceHoweverRarelyAnybodyLooks) {
  const std::vector<std::string> expressions{"cron(0 5 ? * * *)", "cron(0/30 * ? * * *)", "cron(15 0/6 ? * MON-FRI *)",
                                             "rate(45 minutes)"};
  holds(rc::check([&] {
    const Timing rule = timing(*rc::gen::elementOf(expressions), *rc::gen::inRange<int64_t>(1, 1'000));
    WallTime considered = kStart, now = kStart;
    std::vector<WallTime> seen;
    int64_t told = 0;
    for (int look = 0; look < 20; ++look) {
      now = now + std::chrono::seconds(*rc::gen::inRange<int64_t>(1, 200'000));
      const RunsDue due = runs_due(rule, considered, now);
      if (due.make) {
        RC_ASSERT(*due.make > considered && *due.make <= now && now - *due.make < rule.start_window);
        seen.push_back(*due.make);
        ++told;
      }
      told += due.missed_count;
      RC_ASSERT(due.missed.size() <= kMissedRunsMax);
      RC_ASSERT(std::is_sorted(due.missed.begin(), due.missed.end()));
      RC_ASSERT(static_cast<int64_t>(due.missed.size()) <= due.missed_count);
      RC_ASSERT(!due.next || *due.next > now);
      considered = now;
    }
    const auto all = rule.schedule.runs(kStart, now, rule.zone, 1'000'000, rule.anchor);
    RC_ASSERT(told == static_cast<int64_t>(all.size()));
    for (const WallTime run : seen) RC_ASSERT(std::binary_search(all.begin(), all.end(), run));
  }));
}

TEST(Runs, AJumpOfAHundredYearsIsLookedAtQuicklyAndBoundedly) {
  const Timing rule = timing("cron(* * ? * * *)", 480);
  const RunsDue due = runs_due(rule, kStart, kStart + hours(24 * 36'500));
  EXPECT_TRUE(due.make);
  EXPECT_EQ(due.missed.size(), kMissedRunsMax);
  EXPECT_LE(due.missed_count, static_cast<int64_t>(kRunsLookedAtMax));
}

TEST(Windows, AJobStartsInItsStartWindowAndExpiresOutsideOfIt) {
  holds(rc::check([] {
    const auto start = minutes(*rc::gen::inRange<int64_t>(1, 10'000)),
               completion = minutes(*rc::gen::inRange<int64_t>(1, 20'000));
    const Window window = window_of(kStart, start, completion);
    RC_ASSERT(window.start_by == kStart + start && window.complete_by >= window.start_by);
    const WallTime now = kStart + minutes(*rc::gen::inRange<int64_t>(0, 30'000));
    const std::string state =
        *rc::gen::element<std::string>("CREATED", "PENDING", "RUNNING", "ABORTING", "COMPLETED", "EXPIRED", "FAILED");
    const bool busy = *rc::gen::arbitrary<bool>();
    const JobStep step = next_step({state, window.start_by, window.complete_by, busy}, now);
    if (is_terminal(state)) RC_ASSERT(step == JobStep::kNothing);
    if (step == JobStep::kStart) RC_ASSERT(now < window.start_by && !busy);
    if (step == JobStep::kGoOn) RC_ASSERT(now < window.complete_by && state == "RUNNING");
    if (state == "CREATED" && now >= window.start_by) RC_ASSERT(step == JobStep::kExpire);
  }));
}

TEST(Windows, JobsOfARunAreSpreadInsideTheWindowAndTheSameEveryTime) {
  holds(rc::check([] {
    const auto count = *rc::gen::inRange<size_t>(1, 2'000);
    const auto index = *rc::gen::inRange<size_t>(0, count);
    const auto window = minutes(*rc::gen::inRange<int64_t>(1, 1'000));
    const std::string job = std::to_string(*rc::gen::arbitrary<uint64_t>());
    const auto offset = start_offset(index, count, window, job);
    RC_ASSERT(offset == start_offset(index, count, window, job));
    RC_ASSERT(offset.count() >= 0 && offset <= std::chrono::seconds(window) / 4);
    if (index < 4) RC_ASSERT(offset.count() == 0);
  }));
}

TEST(Windows, TheLongestRetentionWins) {
  EXPECT_EQ(longest_kept({7, 30, 14}), 1u);
  EXPECT_EQ(longest_kept({7, std::nullopt, 36'500}), 1u);
  EXPECT_EQ(longest_kept({7, 7}), 0u);
}

// The clocks of a daemon that is watched, paused, restarted and lied to.
TEST(Time, ProvenTimeNeverRunsFasterThanTimeItself) {
  holds(rc::check([] {
    WatchedTime watched{{0}, kStart, kStart};
    int64_t truth = 0;
    WallTime wall = kStart, largest = kStart;
    for (int look = 0; look < 50; ++look) {
      const int64_t passed = *rc::gen::inRange<int64_t>(0, 40 * kDay);
      truth += passed;
      wall = wall + std::chrono::microseconds(*rc::gen::inRange<int64_t>(-36'500 * kDay, 36'500 * kDay));
      largest = std::max(largest, wall);
      std::optional<std::chrono::nanoseconds> known;
      if (*rc::gen::arbitrary<bool>()) known = std::chrono::microseconds(passed);
      const WatchedTime before = watched;
      watched = watch(watched, known, wall);
      RC_ASSERT(watched.proven.micros <= truth && watched.proven >= before.proven);
      RC_ASSERT(watched.latest == largest && watched.wall == wall);
    }
  }));
}

// A point's life under clocks that jump: it is never deleted before its days have really passed, and when both clocks
// agree that they have, it goes within the grace.
TEST(Retention, NothingIsDeletedBeforeItsTimeHasReallyPassed) {
  holds(rc::check([] {
    const int64_t days = *rc::gen::inRange<int64_t>(1, 40);
    const WallTime born = kStart;
    std::string status = "COMPLETED";
    std::optional<WallTime> doomed;
    WatchedTime watched{{0}, kStart, kStart};
    int64_t truth = 0;
    for (int look = 0; look < 100; ++look) {
      const int64_t passed = *rc::gen::inRange<int64_t>(0, 2 * kDay);
      truth += passed;
      const int64_t lie = *rc::gen::weightedElement<int64_t>({{8, 0}, {1, 36'500 * kDay}, {1, -36'500 * kDay}});
      const WallTime wall = kStart + std::chrono::microseconds(truth + lie);
      const bool down = *rc::gen::weightedElement<bool>({{4, false}, {1, true}});
      watched =
          watch(watched,
                down ? std::nullopt : std::optional<std::chrono::nanoseconds>(std::chrono::microseconds(passed)), wall);
      const bool held = *rc::gen::weightedElement<bool>({{9, false}, {1, true}});
      const PointFacts facts{status, born + hours(24 * days), days, WallTime{0}, doomed, held, false};
      const Verdict verdict = judge(facts, wall, watched.proven);
      switch (verdict.fate) {
        case Fate::kDelete:
          RC_ASSERT(truth >= days * kDay + std::chrono::microseconds(kDeletionGrace).count());
          RC_ASSERT(!held && doomed);
          return;
        case Fate::kDoom:
          RC_ASSERT(truth >= days * kDay);
          doomed = watched.proven;
          break;
        case Fate::kSpare: doomed.reset(); break;
        case Fate::kExpire: RC_ASSERT(held && truth >= days * kDay); break;
        case Fate::kKeep: RC_ASSERT(verdict.look_at && *verdict.look_at > wall); break;
      }
    }
  }));
}

TEST(Retention, APointThatIsKeptForEverIsNeverLookedAt) {
  const Verdict verdict = judge({"COMPLETED", std::nullopt, std::nullopt, WallTime{0}, {}, false, false},
                                kStart + hours(24 * 36'500), WallTime{36'500 * kDay});
  EXPECT_EQ(verdict.fate, Fate::kKeep);
  EXPECT_FALSE(verdict.look_at);
}

TEST(Retention, TheLastProvenPointIsKnown) {
  EXPECT_TRUE(is_last_proven("PROVEN", {"COMPLETED", "VERIFIED"}));
  EXPECT_FALSE(is_last_proven("PROVEN", {"PROVEN"}));
  EXPECT_FALSE(is_last_proven("COMPLETED", {"VERIFIED"}));
  EXPECT_TRUE(is_last_proven("COMPLETED", {"DAMAGED"}));
  EXPECT_FALSE(is_last_proven("DAMAGED", {}));
}

TEST(Retention, ALockTakesWhatIsInItsRange) {
  holds(rc::check([] {
    Lock lock;
    lock.locked = true;
    if (*rc::gen::arbitrary<bool>()) lock.min_days = *rc::gen::inRange<int64_t>(1, 50);
    if (*rc::gen::arbitrary<bool>()) lock.max_days = *rc::gen::inRange<int64_t>(50, 100);
    std::optional<int64_t> days;
    if (*rc::gen::arbitrary<bool>()) days = *rc::gen::inRange<int64_t>(1, 120);
    const bool fits =
        (!lock.min_days || !days || *days >= *lock.min_days) && (!lock.max_days || (days && *days <= *lock.max_days));
    RC_ASSERT(check_retention(lock, days).ok() == fits);
  }));
}

TEST(Retention, AnImmutableLockStaysSo) {
  Lock lock{true, false, 1, 2, kStart};
  EXPECT_FALSE(is_immutable(lock, kStart - hours(1)));
  EXPECT_TRUE(is_immutable(lock, kStart));
  lock.lock_date.reset();
  EXPECT_FALSE(is_immutable(lock, kStart + hours(24 * 36'500)));
}

TEST(Selections, AreUnionsFilteredByConditionsLessExclusions) {
  const auto tag = [](const char* key, const char* value) {
    return Value::object({{"ConditionType", "STRINGEQUALS"}, {"ConditionKey", key}, {"ConditionValue", value}});
  };
  const auto condition = [](const char* key, const char* value) {
    return Value::object({{"ConditionKey", std::string("aws:ResourceTag/") + key}, {"ConditionValue", value}});
  };
  const Candidate orders{"arn:aws:rds:us-east-1:111111111111:db:orders", "RDS", {{"stage", "prod"}, {"team", "a"}}};
  const Candidate users{"arn:aws:rds:us-east-1:111111111111:db:users", "RDS", {{"stage", "test"}}};
  const auto both = [&](const Value& selection, bool opted_in = true) {
    const SelectionRule rule(selection);
    return std::pair(rule.selects(orders, opted_in), rule.selects(users, opted_in));
  };
  using Pair = std::pair<bool, bool>;
  EXPECT_EQ(both(Value::object({{"Resources", api::text_list({orders.arn})}})), Pair(true, false));
  EXPECT_EQ(both(Value::object({{"Resources", api::text_list({"arn:aws:rds:*:*:db:*"})}})), Pair(true, true));
  EXPECT_EQ(both(Value::object({{"ListOfTags", api::List{tag("stage", "prod"), tag("stage", "test")}}})),
            Pair(true, true));
  EXPECT_EQ(
      both(Value::object({{"Resources", api::text_list({users.arn})}, {"ListOfTags", api::List{tag("team", "a")}}})),
      Pair(true, true));
  EXPECT_EQ(both(Value::object({{"Resources", api::text_list({"*"})}, {"NotResources", api::text_list({"*:db:us*"})}})),
            Pair(true, false));
  EXPECT_EQ(
      both(Value::object({{"Conditions", Value::object({{"StringEquals", api::List{condition("stage", "prod")}}})}})),
      Pair(true, false));
  EXPECT_EQ(
      both(Value::object({{"Conditions", Value::object({{"StringNotEquals", api::List{condition("team", "a")}}})}})),
      Pair(false, true));
  EXPECT_EQ(
      both(Value::object({{"Conditions", Value::object({{"StringLike", api::List{condition("stage", "p*")}},
                                                        {"StringNotLike", api::List{condition("team", "b*")}}})}})),
      Pair(true, false));
  EXPECT_EQ(both(Value::object()), Pair(false, false));
  // A type that is not opted in is meant only by name.
  EXPECT_EQ(both(Value::object({{"Resources", api::text_list({"*"})}}), false), Pair(false, false));
  EXPECT_EQ(both(Value::object({{"Resources", api::text_list({orders.arn})}}), false), Pair(true, false));
  EXPECT_EQ(both(Value::object({{"Resources", api::text_list({"arn:aws:rds:*:*:db:*"})}}), false), Pair(true, true));
  EXPECT_EQ(both(Value::object({{"ListOfTags", api::List{tag("team", "a")}}}), false), Pair(false, false));
}

TEST(Selections, ConditionsAndExclusionsOnlyEverTakeAway) {
  holds(rc::check([] {
    const auto letters = rc::gen::container<std::string>(rc::gen::element('a', 'b', '*'));
    const auto name = rc::gen::container<std::string>(rc::gen::element('a', 'b'));
    const Candidate candidate{"arn:aws:rds:r:1:db:" + *name, "RDS", {{"k", *name}}};
    Value selection = Value::object({{"Resources", api::text_list({"arn:aws:rds:r:1:db:" + *letters})}});
    const bool wide = SelectionRule(selection).selects(candidate, true);
    selection.set("NotResources", api::text_list({"arn:aws:rds:r:1:db:" + *letters}));
    const bool narrower = SelectionRule(selection).selects(candidate, true);
    selection.set("Conditions",
                  Value::object({{"StringLike", api::List{Value::object({{"ConditionKey", "aws:ResourceTag/k"},
                                                                         {"ConditionValue", *letters}})}}}));
    const bool narrowest = SelectionRule(selection).selects(candidate, true);
    RC_ASSERT(wide >= narrower && narrower >= narrowest);
  }));
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) + static_cast<double>(usage.ru_utime.tv_usec) / 1e6;
}

// The goal is 2 000 simulated days with 500 databases in one second of an optimised build; this guards the order of
// magnitude in any build.
TEST(Decisions, ADayOfFiveHundredDatabasesCostsWellUnderAMillisecond) {
  constexpr int kDays = 200, kDatabases = 500, kPlans = 50;
  std::vector<Timing> rules;
  for (int i = 0; i < kPlans; ++i) rules.push_back(timing("cron(" + std::to_string(i) + " 5 ? * * *)", 480));
  const double before = cpu_seconds();
  int64_t made = 0, deleted = 0;
  std::vector<std::optional<WallTime>> doomed(kDatabases);
  for (int day = 1; day <= kDays; ++day) {
    const WallTime now = kStart + hours(24 * day);
    std::vector<RunsDue> due;
    for (const Timing& rule : rules) due.push_back(runs_due(rule, now - hours(24), now));
    for (int database = 0; database < kDatabases; ++database) {
      const RunsDue& run = due[static_cast<size_t>(database % kPlans)];
      const WallTime scheduled = run.make.value_or(now);
      const Window window = window_of(scheduled, minutes(480), minutes(10'080));
      made += next_step({"CREATED", window.start_by, window.complete_by, false}, scheduled) == JobStep::kStart;
      const PointFacts point{"COMPLETED", scheduled, 7, WallTime{0}, doomed[static_cast<size_t>(database)],
                             false,       false};
      deleted += judge(point, now, WallTime{day * kDay}).fate == Fate::kDoom;
    }
  }
  const double spent = cpu_seconds() - before;
  EXPECT_GT(made, 0);
  EXPECT_GT(deleted, 0);
  std::cout << kDays / spent << " days of 500 databases in a CPU second\n";
  EXPECT_GT(kDays / spent, 200);
}

}  // namespace
}  // namespace coffer::backup
