#include "engine/postgres/wal_tail.h"

#include <gtest/gtest.h>

namespace coffer::postgres {
namespace {

constexpr uint64_t kSize = 16 << 20;

std::vector<std::string> names(Lsn start, Lsn stop, Timeline timeline = 1,
                               const std::vector<TimelineSwitch>& history = {}) {
  std::vector<std::string> out;
  for (const WalSegment& s : segments_between(start, stop, timeline, history, kSize))
    out.push_back(std::to_string(s.timeline) + ":" + std::to_string(s.number));
  return out;
}

TEST(WalTail, TakesTheSegmentsOfTheFirstAndTheLastByte) {
  EXPECT_EQ(names({2 * kSize + 40}, {2 * kSize + 41}), std::vector<std::string>{"1:2"});
  EXPECT_EQ(names({2 * kSize}, {3 * kSize}), std::vector<std::string>{"1:2"});
  EXPECT_EQ(names({2 * kSize + 5}, {3 * kSize + 1}), (std::vector<std::string>{"1:2", "1:3"}));
  EXPECT_TRUE(names({5}, {5}).empty());
}

TEST(WalTail, ReadsEachSegmentFromTheNewestTimelineThatHadBegunInIt) {
  const std::vector<TimelineSwitch> history = {{1, {3 * kSize + 100}}, {2, {5 * kSize}}};
  EXPECT_EQ(names({2 * kSize}, {7 * kSize}, 3, history), (std::vector<std::string>{"1:2", "2:3", "2:4", "3:5", "3:6"}));
}

TEST(WalTail, ATimelineThatEndedInTheSegmentWhereItBeganIsPassedOver) {
  const std::vector<TimelineSwitch> history = {{1, {3 * kSize + 100}}, {2, {3 * kSize + 200}}};
  EXPECT_EQ(names({2 * kSize}, {4 * kSize}, 3, history), (std::vector<std::string>{"1:2", "3:3"}));
}

}  // namespace
}  // namespace coffer::postgres
