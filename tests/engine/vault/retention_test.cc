#include "engine/vault/retention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace coffer::vault {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

WallTime at(const std::string& text) {
  auto time = parse_utc(text);
  EXPECT_TRUE(time.ok()) << text;
  return *time;
}

RetentionPoint point(std::string id, const std::string& time, PointState state = PointState::kVerified,
                     uint64_t cluster = 1) {
  return {.id = std::move(id), .system_identifier = cluster, .committed = at(time), .state = state};
}

std::map<std::string, RetentionLine> by_id(const std::vector<RetentionLine>& lines) {
  std::map<std::string, RetentionLine> out;
  for (const auto& line : lines) out[line.id] = line;
  return out;
}

std::set<std::string> kept(const std::vector<RetentionLine>& lines) {
  std::set<std::string> out;
  for (const auto& line : lines) {
    if (line.keep) out.insert(line.id);
  }
  return out;
}
using Ids = std::set<std::string>;

const WallTime kNow = at("2026-11-24T12:00:00Z");

TEST(Retention, AnEmptyPolicyKeepsEverything) {
  const auto lines = plan_retention({point("a", "2001-01-01T00:00:00Z")}, {}, kNow);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].keep);
  EXPECT_EQ(lines[0].reason, "no rule was given");
}

TEST(Retention, KeepWithinIncludesItsBoundary) {
  RetentionPolicy policy;
  policy.keep_within = hours(24);
  const auto lines =
      by_id(plan_retention({point("inside", "2026-11-23T12:00:00Z"), point("outside", "2026-11-23T11:59:58Z"),
                            point("now", "2026-11-24T12:00:00Z")},
                           policy, kNow));
  EXPECT_TRUE(lines.at("inside").keep);
  EXPECT_EQ(lines.at("inside").reason, "within 1 d");
  EXPECT_TRUE(lines.at("now").keep);
  EXPECT_FALSE(lines.at("outside").keep);
  EXPECT_EQ(lines.at("outside").reason, "no rule keeps it");
}

TEST(Retention, KeepLastCountsTheNewest) {
  RetentionPolicy policy;
  policy.keep_last = 2;
  EXPECT_EQ(kept(plan_retention({point("b", "2026-11-22T00:00:00Z"), point("c", "2026-11-23T00:00:00Z"),
                                 point("a", "2026-11-21T00:00:00Z")},
                                policy, kNow)),
            (Ids{"b", "c"}));
}

TEST(Retention, KeepDailyTakesTheNewestOfEachDayInUtcAndSkipsEmptyDays) {
  RetentionPolicy policy;
  policy.keep_daily = 2;
  const auto lines =
      by_id(plan_retention({point("late", "2026-11-20T23:59:59Z"), point("early", "2026-11-20T00:00:00Z"),
                            point("next", "2026-11-23T00:00:00Z"), point("old", "2026-11-19T23:59:59Z")},
                           policy, kNow));
  EXPECT_TRUE(lines.at("late").keep);
  EXPECT_EQ(lines.at("late").reason, "daily 2026-11-20");
  EXPECT_FALSE(lines.at("early").keep);
  EXPECT_TRUE(lines.at("next").keep);
  EXPECT_FALSE(lines.at("old").keep);
}

TEST(Retention, WeeksAreIsoWeeks) {
  RetentionPolicy policy;
  policy.keep_weekly = 10;
  const auto lines =
      by_id(plan_retention({point("thursday", "2026-12-31T00:00:00Z"), point("sunday", "2027-01-03T00:00:00Z"),
                            point("monday", "2027-01-04T00:00:00Z"), point("w1", "2024-12-30T00:00:00Z")},
                           policy, at("2027-02-01T00:00:00Z")));
  EXPECT_FALSE(lines.at("thursday").keep) << "the same week as the Sunday after it";
  EXPECT_NE(lines.at("sunday").reason.find("weekly 2026-W53"), std::string::npos) << lines.at("sunday").reason;
  EXPECT_NE(lines.at("monday").reason.find("weekly 2027-W01"), std::string::npos);
  EXPECT_NE(lines.at("w1").reason.find("weekly 2025-W01"), std::string::npos);
}

TEST(Retention, MonthsAndYearsAreCalendarOnes) {
  RetentionPolicy policy;
  policy.keep_monthly = 2;
  policy.keep_yearly = 2;
  const auto lines = by_id(plan_retention(
      {point("nov", "2026-11-01T00:00:00Z"), point("oct", "2026-10-31T23:59:59Z"), point("sep", "2026-09-30T00:00:00Z"),
       point("2025", "2025-12-31T23:59:59Z"), point("2024", "2024-12-31T00:00:00Z")},
      policy, kNow));
  EXPECT_EQ(lines.at("nov").reason,
            "monthly 2026-11, yearly 2026, newest point of this cluster, of which none is proven");
  EXPECT_EQ(lines.at("oct").reason, "monthly 2026-10");
  EXPECT_FALSE(lines.at("sep").keep);
  EXPECT_EQ(lines.at("2025").reason, "yearly 2025");
  EXPECT_FALSE(lines.at("2024").keep);
}

TEST(Retention, ClustersDoNotCompete) {
  RetentionPolicy policy;
  policy.keep_last = 1;
  EXPECT_EQ(kept(plan_retention({point("a", "2026-11-20T00:00:00Z", PointState::kVerified, 1),
                                 point("b", "2026-11-21T00:00:00Z", PointState::kVerified, 2),
                                 point("c", "2026-11-22T00:00:00Z", PointState::kVerified, 2)},
                                policy, kNow)),
            (Ids{"a", "c"}));
}

TEST(Retention, TheLastProvenPointStaysHoweverOld) {
  RetentionPolicy policy;
  policy.keep_last = 1;
  const auto lines = by_id(plan_retention({point("old", "2020-01-01T00:00:00Z", PointState::kProven),
                                           point("older", "2019-01-01T00:00:00Z", PointState::kProven),
                                           point("new", "2026-11-22T00:00:00Z", PointState::kCompleted)},
                                          policy, kNow));
  EXPECT_TRUE(lines.at("old").keep);
  EXPECT_EQ(lines.at("old").reason, "last proven point of this cluster");
  EXPECT_FALSE(lines.at("older").keep);
}

TEST(Retention, AnUnprovenPointTakesNoPeriodFromAProvenOne) {
  RetentionPolicy policy;
  policy.keep_daily = 3;
  EXPECT_EQ(kept(plan_retention({point("proven", "2026-11-23T01:00:00Z", PointState::kProven),
                                 point("later", "2026-11-23T02:00:00Z", PointState::kCompleted),
                                 point("between", "2026-11-23T01:30:00Z", PointState::kVerified),
                                 point("today", "2026-11-24T02:00:00Z", PointState::kProven)},
                                policy, kNow)),
            (Ids{"proven", "later", "today"}));
}

TEST(Retention, ADamagedPointFillsNoSlotAndGoesOnlyWhenANewerVerifiedOneStays) {
  RetentionPolicy policy;
  policy.keep_last = 1;
  auto lines = by_id(plan_retention({point("good", "2026-11-20T00:00:00Z", PointState::kVerified),
                                     point("damaged", "2026-11-21T00:00:00Z", PointState::kDamaged)},
                                    policy, kNow));
  EXPECT_TRUE(lines.at("good").keep) << "the damaged one is not the last one";
  EXPECT_TRUE(lines.at("damaged").keep) << "its newer data is nowhere else";
  lines = by_id(plan_retention({point("newer", "2026-11-22T00:00:00Z", PointState::kVerified),
                                point("damaged", "2026-11-21T00:00:00Z", PointState::kDamaged)},
                               policy, kNow));
  EXPECT_FALSE(lines.at("damaged").keep);
  EXPECT_EQ(lines.at("damaged").reason, "damaged, and a newer verified point remains");
  lines = by_id(plan_retention({point("newer", "2026-11-22T00:00:00Z", PointState::kCompleted),
                                point("damaged", "2026-11-21T00:00:00Z", PointState::kDamaged)},
                               policy, kNow));
  EXPECT_TRUE(lines.at("damaged").keep) << "nobody has checked the newer one";
}

TEST(Retention, APointOfTheFutureIsKeptAndTakesNoSlot) {
  RetentionPolicy policy;
  policy.keep_last = 1;
  const auto lines = by_id(plan_retention({point("future", "2026-11-24T12:00:01Z", PointState::kProven),
                                           point("good", "2026-11-20T00:00:00Z", PointState::kProven)},
                                          policy, kNow));
  EXPECT_EQ(lines.at("future").reason, "its time lies in the future");
  EXPECT_TRUE(lines.at("good").keep);
}

TEST(Retention, ForgettingByNameSparesTheLastProvenPointUnlessToldSo) {
  const std::vector<RetentionPoint> points = {point("p1", "2026-11-20T00:00:00Z", PointState::kProven),
                                              point("p2", "2026-11-21T00:00:00Z", PointState::kProven),
                                              point("c", "2026-11-22T00:00:00Z", PointState::kCompleted),
                                              point("other", "2026-11-01T00:00:00Z", PointState::kProven, 2)};
  auto lines = by_id(plan_forget_by_id(points, {"p1", "p2", "c", "other", "nonsense"}, false));
  EXPECT_FALSE(lines.at("p1").keep);
  EXPECT_TRUE(lines.at("p2").keep);
  EXPECT_EQ(lines.at("p2").reason, "last proven point of this cluster");
  EXPECT_FALSE(lines.at("c").keep);
  EXPECT_TRUE(lines.at("other").keep);
  EXPECT_TRUE(lines.at("nonsense").keep);
  lines = by_id(plan_forget_by_id(points, {"p2", "other"}, true));
  EXPECT_FALSE(lines.at("p2").keep);
  EXPECT_FALSE(lines.at("other").keep);
  EXPECT_TRUE(plan_forget_by_id(points, {}, true).empty());
}

// Generated histories.
class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {
    const size_t count = random_() % 30;
    for (size_t i = 0; i < count; ++i) points_.push_back(honest("p" + std::to_string(i)));
    if (chance(2)) policy_.keep_within = seconds(static_cast<int64_t>(random_() % (40 * 86400)));
    if (chance(2)) policy_.keep_last = static_cast<uint32_t>(random_() % 6);
    if (chance(2)) policy_.keep_daily = static_cast<uint32_t>(random_() % 10);
    if (chance(3)) policy_.keep_weekly = static_cast<uint32_t>(random_() % 6);
    if (chance(3)) policy_.keep_monthly = static_cast<uint32_t>(random_() % 6);
    if (chance(4)) policy_.keep_yearly = static_cast<uint32_t>(random_() % 3);
  }
  bool chance(uint64_t n) { return random_() % n == 0; }
  std::mt19937_64& random() { return random_; }
  [[nodiscard]] const std::vector<RetentionPoint>& points() const { return points_; }
  [[nodiscard]] const RetentionPolicy& policy() const { return policy_; }

  RetentionPoint honest(std::string id) {
    constexpr std::array kStates = {PointState::kCompleted, PointState::kVerified, PointState::kProven,
                                    PointState::kDamaged};
    return {.id = std::move(id),
            .system_identifier = random_() % 2,
            .committed = kNow - seconds(static_cast<int64_t>(random_() % (60 * 86400))),
            .state = kStates[random_() % 4]};
  }
  /// Whatever somebody who may write points can add: any time, any state that no proof has earned.
  RetentionPoint hostile(std::string id) {
    RetentionPoint p = honest(std::move(id));
    if (p.state == PointState::kProven) p.state = PointState::kVerified;
    switch (random_() % 4) {
      case 0: p.committed = WallTime{static_cast<int64_t>(random_())}; break;
      case 1: p.committed = kNow + seconds(static_cast<int64_t>(random_() % 1000)); break;
      case 2: p.committed = kNow; break;
      default: break;
    }
    return p;
  }

 private:
  std::mt19937_64 random_;
  std::vector<RetentionPoint> points_;
  RetentionPolicy policy_;
};

constexpr uint64_t kHistories = 100'000;

int64_t day_number(WallTime time) { return time.micros / 86'400'000'000; }

TEST(RetentionProperty, EachClusterKeepsItsLastProvenPointOrItsNewestGoodOne) {
  for (uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    const auto lines = plan_retention(history.points(), history.policy(), kNow);
    ASSERT_EQ(lines.size(), history.points().size());
    for (uint64_t cluster : {0U, 1U}) {
      const RetentionPoint* last_proven = nullptr;
      const RetentionPoint* newest = nullptr;
      for (size_t i = 0; i < lines.size(); ++i) {
        const RetentionPoint& p = history.points()[i];
        ASSERT_EQ(lines[i].id, p.id);
        ASSERT_FALSE(lines[i].reason.empty());
        if (p.system_identifier != cluster || p.state == PointState::kDamaged) continue;
        if (newest == nullptr || p.committed > newest->committed) newest = &p;
        if (p.state == PointState::kProven && (last_proven == nullptr || p.committed > last_proven->committed))
          last_proven = &p;
      }
      const RetentionPoint* must_stay = last_proven != nullptr ? last_proven : newest;
      if (must_stay == nullptr) continue;
      ASSERT_TRUE(lines[static_cast<size_t>(must_stay - history.points().data())].keep) << "seed " << seed;
    }
  }
}

TEST(RetentionProperty, TheOrderOfPointsChangesNothing) {
  for (uint64_t seed = 0; seed < kHistories / 4; ++seed) {
    History history(seed);
    auto shuffled = history.points();
    std::shuffle(shuffled.begin(), shuffled.end(), history.random());
    const auto a = by_id(plan_retention(history.points(), history.policy(), kNow));
    const auto b = by_id(plan_retention(shuffled, history.policy(), kNow));
    for (const auto& [id, line] : a) {
      ASSERT_EQ(line.keep, b.at(id).keep) << "seed " << seed;
      ASSERT_EQ(line.reason, b.at(id).reason) << "seed " << seed;
    }
  }
}

TEST(RetentionProperty, NoPointThatSomebodyAddsShortensTheTimeThatAProvenPointWasPromised) {
  for (uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    auto flooded = history.points();
    const size_t more = history.random()() % 40;
    for (size_t i = 0; i < more; ++i) flooded.push_back(history.hostile("x" + std::to_string(i)));
    const auto lines = by_id(plan_retention(flooded, history.policy(), kNow));
    const RetentionPolicy& policy = history.policy();
    for (const RetentionPoint& p : history.points()) {
      if (p.state != PointState::kProven) continue;
      const int64_t age_seconds = (kNow.micros - p.committed.micros) / 1'000'000;
      const bool within =
          policy.keep_within && policy.keep_within->count() > 0 && age_seconds <= policy.keep_within->count();
      // Days promise a date only to the newest proven point of each.
      const bool newest_of_day =
          std::none_of(history.points().begin(), history.points().end(), [&](const RetentionPoint& o) {
            return o.system_identifier == p.system_identifier && o.state == PointState::kProven &&
                   day_number(o.committed) == day_number(p.committed) &&
                   std::pair(o.committed, o.id) > std::pair(p.committed, p.id);
          });
      const bool daily = newest_of_day && day_number(kNow) - day_number(p.committed) < int64_t{policy.keep_daily};
      ASSERT_TRUE(!(within || daily) || lines.at(p.id).keep) << "seed " << seed << " " << p.id;
    }
  }
}

TEST(RetentionProperty, RunningThePlanAgainOnWhatItKeptKeepsAllOfIt) {
  for (uint64_t seed = 0; seed < kHistories / 4; ++seed) {
    History history(seed);
    const auto lines = by_id(plan_retention(history.points(), history.policy(), kNow));
    std::vector<RetentionPoint> left;
    for (const RetentionPoint& p : history.points()) {
      if (lines.at(p.id).keep) left.push_back(p);
    }
    for (const auto& line : plan_retention(left, history.policy(), kNow))
      ASSERT_TRUE(line.keep) << "seed " << seed << " " << line.id;
  }
}

TEST(RetentionProperty, TimesAtTheEdgesOfTheirTypeAreHandled) {
  RetentionPolicy policy;
  policy.keep_within = seconds::max();
  policy.keep_daily = policy.keep_weekly = policy.keep_monthly = policy.keep_yearly = 3;
  std::vector<RetentionPoint> points;
  for (int64_t micros : {INT64_MIN, INT64_MIN + 1, int64_t{-1}, int64_t{0}, INT64_MAX}) {
    points.push_back(
        {.id = std::to_string(micros), .system_identifier = 1, .committed = {micros}, .state = PointState::kCompleted});
  }
  for (WallTime now : {WallTime{INT64_MIN}, WallTime{0}, WallTime{INT64_MAX}}) {
    for (const auto& line : plan_retention(points, policy, now)) EXPECT_TRUE(line.keep) << line.id;
  }
}

}  // namespace
}  // namespace coffer::vault
