#include <random>

#include "services/schedule/testing.h"

namespace coffer::schedule {
namespace {

bool accepted(std::string_view expression) { return Schedule::parse(expression).ok(); }

TEST(ScheduleParse, TakesTheExpressionsThatAwsTakes) {
  for (const char* expression : {"cron(0 2 ? * SAT *)",
                                 "cron(5,35 14 * * ? *)",
                                 "cron(15 10 ? * 6L 2002-2005)",
                                 "cron(* * ? * SAT#3 *)",
                                 "cron(0/5 5 ? JAN 1-5 2022)",
                                 "cron(0/30 20-23 ? * MON-FRI *)",
                                 "cron(0 5 ? * * *)",
                                 "cron(0 12 * * ? *)",
                                 "cron(0 20-2 * * ? *)",
                                 "cron(0 0 LW * ? *)",
                                 "cron(0 0 L * ? *)",
                                 "cron(0 0 15W * ? *)",
                                 "cron(0 0 ? * L *)",
                                 "cron(0 0 ? * FRI-MON *)",
                                 "cron(0 0 1,15,L * ? *)",
                                 "cron(*/15 * * * ? *)",
                                 "cron(0 8 1 1/3 ? *)",
                                 "cron(10-50/20 * * * ? *)",
                                 "cron(0 0 ? NOV-FEB TUE,THU 2025/2)",
                                 "cron(0 0 1 1 ? 1970,2199)",
                                 "rate(1 minute)",
                                 "rate(5 minutes)",
                                 "rate(1 hour)",
                                 "rate(12 hours)",
                                 "rate(1 day)",
                                 "rate(7 days)",
                                 "at(2026-11-24T05:00:00)",
                                 "at(2028-02-29T23:59:59)"})
    EXPECT_TRUE(accepted(expression)) << expression << ": " << Schedule::parse(expression).error().message;
}

TEST(ScheduleParse, TakesNamesInAnyCase) {
  EXPECT_EQ(next("cron(0 2 ? * sat *)", "2026-11-24T00:00:00Z"), "2026-11-28T02:00:00Z");
  EXPECT_EQ(next("cron(0 2 ? Dec Mon *)", "2026-11-24T00:00:00Z"), "2026-12-07T02:00:00Z");
}

TEST(ScheduleParse, RefusesWhatAwsRefuses) {
  for (const char* expression : {"cron(0 1 * * * *)",
                                 "cron(7 20 * * NOT *)",
                                 "cron(INVALID)",
                                 "cron(0 dummy ? * MON-FRI *)",
                                 "cron(71 8 1 * ? *)",
                                 "cron(0 0 ? * ? *)",
                                 "cron(0 0 1 * ?)",
                                 "cron(0 0 1 * ? * *)",
                                 "cron()",
                                 "cron(0 0 1 1 ? 1969)",
                                 "cron(0 0 1 1 ? 2200)",
                                 "cron(0 24 * * ? *)",
                                 "cron(0 0 0 * ? *)",
                                 "cron(0 0 32 * ? *)",
                                 "cron(0 0 1 0 ? *)",
                                 "cron(0 0 1 13 ? *)",
                                 "cron(0 0 ? * 0 *)",
                                 "cron(0 0 ? * 8 *)",
                                 "cron(0 0 ? * 3#6 *)",
                                 "cron(0 0 ? * 3#0 *)",
                                 "cron(0 0 ? * 3#1,4#2 *)",
                                 "cron(0 0 W * ? *)",
                                 "cron(0 0 32W * ? *)",
                                 "cron(0 0 1-5W * ? *)",
                                 "cron(0 0 ? * 3W *)",
                                 "cron(? 0 1 * ? *)",
                                 "cron(0 0 1 ? ? *)",
                                 "cron(0 0 1 * ? ?)",
                                 "cron(0 0 1L * ? *)",
                                 "cron(0 0 ?,1 * ? *)",
                                 "cron(0/0 0 1 * ? *)",
                                 "cron(0/ 0 1 * ? *)",
                                 "cron(/5 0 1 * ? *)",
                                 "cron(0, 0 1 * ? *)",
                                 "cron(,0 0 1 * ? *)",
                                 "cron(1- 0 1 * ? *)",
                                 "cron(-1 0 1 * ? *)",
                                 "cron(1-2-3 0 1 * ? *)",
                                 "cron(0 0 1 * ? 2027-2026)",
                                 "cron( 0 0 1 * ? *)",
                                 "cron(0 0 1 * ? * )",
                                 "CRON(0 0 1 * ? *)",
                                 "cron(0 0 1 * ? *",
                                 " cron(0 0 1 * ? *)",
                                 "cron(0 0 1 * ? *) ",
                                 "cron(0\t0 1 * ? *)",
                                 "cron(0 0 1 MONDAY ? *)",
                                 "rate(10 seconds)",
                                 "rate(1 minutes)",
                                 "rate(10 minute)",
                                 "rate()",
                                 "rate(10)",
                                 "rate(0 minutes)",
                                 "rate(-10 minutes)",
                                 "rate(10 MINUTES)",
                                 "rate( 10 minutes )",
                                 " rate(10 minutes)",
                                 "rate(10  minutes)",
                                 "rate(1.5 hours)",
                                 "rate(99999999999 days)",
                                 "rate(+5 minutes)",
                                 "at(2026-11-24)",
                                 "at(2026-11-24T05:00)",
                                 "at(2026-11-24T05:00:00Z)",
                                 "at(2026-02-29T05:00:00)",
                                 "at(2026-13-01T05:00:00)",
                                 "at(2026-11-24T24:00:00)",
                                 "at(2026-11-24 05:00:00)",
                                 "at(1969-11-24T05:00:00)",
                                 "at(2200-01-01T00:00:00)",
                                 "",
                                 "(",
                                 "cron",
                                 "every day"})
    EXPECT_FALSE(accepted(expression)) << expression;
}

TEST(ScheduleParse, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(Schedule::parse("cron(71 8 1 * ? *)").error().message, "cron: '71' in the field minute is none of 0-59");
  EXPECT_EQ(Schedule::parse("cron(0 1 * * * *)").error().message,
            "cron: exactly one of day-of-month and day-of-week must be '?'");
  EXPECT_EQ(Schedule::parse("cron(0 1 * * ?)").error().message,
            "cron: it needs six fields (minute hour day-of-month month day-of-week year) and has 5");
  EXPECT_EQ(Schedule::parse("cron(0 1 * * ? x)").code(), ErrorCode::kInvalidArgument);
}

TEST(ScheduleParse, SurvivesTextMadeToHurt) {
  std::mt19937 random(7);
  const std::string_view alphabet = "0123456789*?/,-#LWlw SUNMOJAcronrateat():T\x80\xff";
  size_t good = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string inner;
    for (size_t size = random() % 40; size > 0; --size) inner.push_back(alphabet[random() % alphabet.size()]);
    for (const char* word : {"cron(", "rate(", "at("}) {
      auto schedule = Schedule::parse(word + inner + ")");
      if (schedule.ok()) ++good, static_cast<void>(schedule->next(at("2026-11-24T00:00:00Z"), Zone::utc()));
    }
  }
  EXPECT_FALSE(accepted("cron(" + std::string(100000, '0') + ")"));
  EXPECT_FALSE(accepted(std::string_view("cron(0 0 1 * ? *)\0", 18)));
  EXPECT_LT(good, 60000u);
}

TEST(ScheduleParse, EveryCutOfAGoodExpressionIsRefused) {
  const std::string whole = "cron(0/30 20-23 ? JAN,MAR MON#2 2026-2030)";
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(accepted(whole.substr(0, size))) << size;
}

TEST(CronNext, WeekdayNearestToADay) {
  EXPECT_EQ(next("cron(0 0 31W * ? *)", "2026-01-15T00:00:00Z"), "2026-01-30T00:00:00Z");
  EXPECT_EQ(next("cron(0 0 31W * ? *)", "2026-04-01T00:00:00Z"), "2026-05-29T00:00:00Z");  // no 31st in April
  EXPECT_EQ(next("cron(0 0 1W * ? *)", "2026-07-31T00:00:00Z"), "2026-08-03T00:00:00Z");
  EXPECT_EQ(next("cron(0 0 LW * ? *)", "2026-01-15T00:00:00Z"), "2026-01-30T00:00:00Z");
  EXPECT_EQ(next("cron(0 0 30W 11 ? 2025)", "2025-01-15T00:00:00Z"), "2025-11-28T00:00:00Z");  // the 30th is a Sunday
  EXPECT_EQ(next("cron(0 0 15W 11 ? 2026)", "2026-01-15T00:00:00Z"), "2026-11-16T00:00:00Z");
}

TEST(CronNext, LastAndNthDays) {
  EXPECT_EQ(next("cron(0 0 L 2 ? 2028)", "2026-01-01T00:00:00Z"), "2028-02-29T00:00:00Z");
  EXPECT_EQ(next("cron(0 12 ? * 3#2 2026)", "2026-01-01T00:00:00Z"), "2026-01-13T12:00:00Z");
  EXPECT_EQ(next("cron(15 10 ? * 6L 2026)", "2026-01-01T00:00:00Z"), "2026-01-30T10:15:00Z");
  EXPECT_EQ(next("cron(0 0 ? * L *)", "2026-11-24T00:00:00Z"), "2026-11-28T00:00:00Z");  // L alone: Saturday
  EXPECT_EQ(next("cron(0 0 ? * 1#5 *)", "2026-11-24T00:00:00Z"), "2026-11-29T00:00:00Z");
  EXPECT_EQ(next("cron(0 0 ? 2 1#5 *)", "2026-11-24T00:00:00Z"), "2032-02-29T00:00:00Z");
}

TEST(CronNext, StepsRangesAndLists) {
  EXPECT_EQ(next("cron(0/15 * * * ? *)", "2026-11-24T10:15:00Z"), "2026-11-24T10:30:00Z");
  EXPECT_EQ(next("cron(7/20 * * * ? *)", "2026-11-24T10:50:00Z"), "2026-11-24T11:07:00Z");
  EXPECT_EQ(next("cron(0 20-2 * * ? *)", "2026-11-24T02:00:00Z"), "2026-11-24T20:00:00Z");
  EXPECT_EQ(next("cron(0 20-2/3 * * ? *)", "2026-11-24T20:00:00Z"), "2026-11-24T23:00:00Z");
  EXPECT_EQ(next("cron(0 20-2/3 * * ? *)", "2026-11-24T23:00:00Z"), "2026-11-25T02:00:00Z");
  EXPECT_EQ(next("cron(0 8 1/10 * ? *)", "2026-11-24T00:00:00Z"), "2026-12-01T08:00:00Z");
  EXPECT_EQ(next("cron(0 5 ? * FRI-MON *)", "2026-11-24T00:00:00Z"), "2026-11-27T05:00:00Z");
  EXPECT_EQ(next("cron(5,35 14 * * ? *)", "2026-11-24T14:05:00Z"), "2026-11-24T14:35:00Z");
}

TEST(CronNext, DaysThatAMonthLacksAreSkippedNotRolledOver) {
  EXPECT_EQ(next("cron(0 0 31 * ? *)", "2026-03-31T00:00:00Z"), "2026-05-31T00:00:00Z");
  EXPECT_EQ(next("cron(0 0 29 2 ? *)", "2026-03-01T00:00:00Z"), "2028-02-29T00:00:00Z");
  EXPECT_EQ(next("cron(0 0 29 2 ? *)", "2096-03-01T00:00:00Z"), "2104-02-29T00:00:00Z");  // 2100 is no leap year
  EXPECT_EQ(next("cron(0 0 30 2 ? *)", "2026-03-01T00:00:00Z"), "never");
}

TEST(CronNext, ARunIsStrictlyAfter) {
  EXPECT_EQ(next("cron(0 5 ? * * *)", "2026-11-24T04:59:59.999999Z"), "2026-11-24T05:00:00Z");
  EXPECT_EQ(next("cron(0 5 ? * * *)", "2026-11-24T05:00:00Z"), "2026-11-25T05:00:00Z");
  EXPECT_EQ(next("cron(* * * * ? *)", "2026-12-31T23:59:30Z"), "2027-01-01T00:00:00Z");
}

TEST(CronNext, EndsWhenItsYearsAreOver) {
  EXPECT_EQ(next("cron(15 10 ? * 6L 2002-2005)", "2026-01-01T00:00:00Z"), "never");
  EXPECT_EQ(next("cron(59 23 31 12 ? 2199)", "2026-01-01T00:00:00Z"), "2199-12-31T23:59:00Z");
  EXPECT_EQ(next("cron(* * * * ? *)", "2199-12-31T23:58:00Z"), "2199-12-31T23:59:00Z");
  EXPECT_EQ(next("cron(* * * * ? *)", "2199-12-31T23:59:00Z"), "never");
  EXPECT_EQ(next("cron(* * * * ? 1970)", "1969-12-31T23:59:59Z"), "1970-01-01T00:00:00Z");
}

TEST(CronNext, TimesAtTheEdgesOfTheTypeDoNoHarm) {
  const Schedule every = parsed("cron(* * * * ? *)"), rate = parsed("rate(999999999 days)");
  const WallTime first{std::numeric_limits<int64_t>::min()}, last{std::numeric_limits<int64_t>::max()};
  EXPECT_EQ(every.next(first, zone("Europe/Berlin")), at("1969-12-31T23:00:00Z"));
  EXPECT_FALSE(every.next(last, zone("Europe/Berlin")));
  EXPECT_FALSE(rate.next(last, Zone::utc(), last));
  EXPECT_FALSE(rate.next(first, Zone::utc(), first));
  EXPECT_FALSE(parsed("rate(1 minute)").next(last, Zone::utc(), first));
}

TEST(Rate, RunsOnePeriodAfterItsAnchorAndThenEachPeriod) {
  const Schedule rate = parsed("rate(12 hours)");
  const WallTime anchor = at("2026-11-24T00:00:30Z");
  EXPECT_EQ(rate.period(), std::chrono::hours(12));
  EXPECT_EQ(rate.next(at("2026-01-01T00:00:00Z"), Zone::utc(), anchor), at("2026-11-24T12:00:30Z"));
  EXPECT_EQ(rate.next(anchor, Zone::utc(), anchor), at("2026-11-24T12:00:30Z"));
  EXPECT_EQ(rate.next(at("2026-11-24T12:00:30Z"), Zone::utc(), anchor), at("2026-11-25T00:00:30Z"));
  EXPECT_EQ(rate.next(at("2027-11-24T12:00:31Z"), Zone::utc(), anchor), at("2027-11-25T00:00:30Z"));
}

TEST(Rate, ADayIs24HoursByTheClock) {
  const WallTime anchor = at("2026-03-27T05:00:00Z");
  EXPECT_EQ(
      parsed("rate(1 day)").runs(anchor, at("2026-03-30T05:00:00Z"), zone("Europe/Berlin"), 10, anchor),
      (std::vector<WallTime>{at("2026-03-28T05:00:00Z"), at("2026-03-29T05:00:00Z"), at("2026-03-30T05:00:00Z")}));
}

TEST(At, RunsOnceInItsZone) {
  EXPECT_EQ(next("at(2026-11-24T05:00:00)", "2026-01-01T00:00:00Z", "Europe/Berlin"), "2026-11-24T04:00:00Z");
  EXPECT_EQ(next("at(2026-11-24T05:00:00)", "2026-11-24T05:00:00Z"), "never");
  EXPECT_EQ(next("at(2026-11-24T05:00:01)", "2026-11-24T05:00:00Z"), "2026-11-24T05:00:01Z");
}

// A single run must not be lost because the clocks were set that night.
TEST(At, ATimeThatTheClocksSkipCountsOnFromBefore) {
  EXPECT_EQ(next("at(2026-03-29T02:30:00)", "2026-01-01T00:00:00Z", "Europe/Berlin"), "2026-03-29T01:30:00Z");
  EXPECT_EQ(next("at(2026-10-25T02:30:00)", "2026-01-01T00:00:00Z", "Europe/Berlin"), "2026-10-25T00:30:00Z");
}

TEST(Runs, AreThoseOfTheIntervalAndNoMoreThanTheLimit) {
  const Schedule daily = parsed("cron(0 5 ? * * *)");
  EXPECT_EQ(daily.runs(at("2026-11-24T05:00:00Z"), at("2026-11-26T05:00:00Z"), Zone::utc(), 10),
            (std::vector<WallTime>{at("2026-11-25T05:00:00Z"), at("2026-11-26T05:00:00Z")}));
  EXPECT_EQ(daily.runs(at("2026-11-24T05:00:00Z"), at("2027-11-26T05:00:00Z"), Zone::utc(), 3).size(), 3u);
  EXPECT_TRUE(daily.runs(at("2026-11-24T05:00:00Z"), at("2026-11-25T04:59:59Z"), Zone::utc(), 10).empty());
}

}  // namespace
}  // namespace coffer::schedule
