#include "engine/postgres/wal_summary.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>

namespace coffer::postgres {
namespace {

constexpr uint32_t kSegmentBlocks = 131072;
constexpr size_t kRoomy = size_t{64} << 20;

ChangedBlockTable::RelationFork fork_of(uint32_t relation, Fork fork = Fork::kMain) {
  return {1663, 5, relation, fork};
}
RelationFile file_of(uint32_t relation, uint32_t segment = 0, Fork fork = Fork::kMain) {
  return {1663, 5, relation, fork, segment, false};
}

TEST(ChangedBlockTable, ARelationThatNoSummaryNamesHasNoChangedBlock) {
  ChangedBlockTable table(kRoomy);
  table.add_block(fork_of(100), 7);
  table.finish();
  auto changed = table.changed(file_of(101), kSegmentBlocks);
  ASSERT_TRUE(changed.has_value());
  EXPECT_TRUE(changed->blocks.empty());
  EXPECT_EQ(changed->all_from, UINT32_MAX);
}

TEST(ChangedBlockTable, BlocksAreCountedFromTheStartOfTheirSegment) {
  ChangedBlockTable table(kRoomy);
  for (uint32_t block : {131073U, 5U, 131071U, 131072U, 262144U, 5U}) table.add_block(fork_of(100), block);
  table.finish();
  EXPECT_EQ(table.changed(file_of(100, 0), kSegmentBlocks)->blocks, (std::vector<uint32_t>{5, 131071}));
  EXPECT_EQ(table.changed(file_of(100, 1), kSegmentBlocks)->blocks, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(table.changed(file_of(100, 2), kSegmentBlocks)->blocks, (std::vector<uint32_t>{0}));
}

TEST(ChangedBlockTable, ALimitBlockMakesAllAfterItChangedInItsAndLaterSegments) {
  ChangedBlockTable table(kRoomy);
  table.add_block(fork_of(100), 3);
  table.add_limit(fork_of(100), 131080);
  table.add_limit(fork_of(100), 200000);
  table.finish();
  auto first = table.changed(file_of(100, 0), kSegmentBlocks), second = table.changed(file_of(100, 1), kSegmentBlocks),
       third = table.changed(file_of(100, 2), kSegmentBlocks);
  EXPECT_EQ(first->blocks, std::vector<uint32_t>{3});
  EXPECT_EQ(first->all_from, UINT32_MAX);
  EXPECT_EQ(second->all_from, 8U);
  EXPECT_EQ(third->all_from, 0U);
}

TEST(ChangedBlockTable, ARelationMadeAnewIsReadWhole) {
  ChangedBlockTable table(kRoomy);
  table.add_limit(fork_of(100), 0);
  table.finish();
  EXPECT_EQ(table.changed(file_of(100), kSegmentBlocks)->all_from, 0U);
}

TEST(ChangedBlockTable, AnEntryForRelationZeroMakesItsWholeDatabaseChanged) {
  ChangedBlockTable table(kRoomy);
  table.add_limit(fork_of(0), 0);
  table.finish();
  EXPECT_EQ(table.changed(file_of(4711, 3), kSegmentBlocks)->all_from, 0U);
  EXPECT_EQ(table.changed(file_of(4711, 0, Fork::kInit), kSegmentBlocks)->all_from, 0U);
  RelationFile other = file_of(4711);
  other.database_oid = 6;
  EXPECT_EQ(table.changed(other, kSegmentBlocks)->all_from, UINT32_MAX);
}

TEST(ChangedBlockTable, ForksAreToldApart) {
  ChangedBlockTable table(kRoomy);
  table.add_block(fork_of(100, Fork::kInit), 0);
  table.finish();
  EXPECT_TRUE(table.changed(file_of(100), kSegmentBlocks)->blocks.empty());
  EXPECT_EQ(table.changed(file_of(100, 0, Fork::kInit), kSegmentBlocks)->blocks.size(), 1U);
}

// Summaries of 17.10 do not name a visibility map's page when bits in it are cleared.
TEST(ChangedBlockTable, FreeSpaceAndVisibilityMapsAreNeverVouchedFor) {
  ChangedBlockTable table(kRoomy);
  table.add_block(fork_of(100, Fork::kVisibilityMap), 0);
  table.finish();
  EXPECT_FALSE(table.changed(file_of(100, 0, Fork::kVisibilityMap), kSegmentBlocks).has_value());
  EXPECT_FALSE(table.changed(file_of(100, 0, Fork::kFreeSpaceMap), kSegmentBlocks).has_value());
}

TEST(ChangedBlockTable, SaysNoOnceItsMemoryIsUsedUp) {
  ChangedBlockTable table(1 << 20);
  uint32_t added = 0;
  while (table.add_block(fork_of(100), added)) ++added;
  EXPECT_GT(added, 100'000U);
  EXPECT_LT(added, 300'000U);
  ChangedBlockTable many(1 << 20);
  uint32_t relations = 0;
  while (many.add_limit(fork_of(++relations), 0)) {
  }
  EXPECT_LT(relations, 10'000U);
}

TEST(ChangedBlockTable, DoublesOfManySummariesDoNotUseItUp) {
  ChangedBlockTable table(1 << 20);
  for (int summary = 0; summary < 200; ++summary)
    for (uint32_t block = 0; block < 20'000; ++block) ASSERT_TRUE(table.add_block(fork_of(100), block));
  table.finish();
  EXPECT_EQ(table.changed(file_of(100), kSegmentBlocks)->blocks.size(), 20'000U);
}

TEST(ChangedBlockTable, AgreesWithASetOfBlocks) {
  EXPECT_TRUE(rc::check([] {
    const auto blocks = *rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(0, 64));
    const auto limit = *rc::gen::inRange<uint32_t>(0, 100);
    ChangedBlockTable table(kRoomy);
    std::set<uint32_t> model;
    for (uint32_t b : blocks) table.add_block(fork_of(1), b), model.insert(b);
    if (limit < 64) table.add_limit(fork_of(1), limit);
    table.finish();
    for (uint32_t b = 0; b < 64; ++b) {
      auto in_segment = table.changed(file_of(1, b / 16), 16);
      const bool changed = b % 16 >= in_segment->all_from ||
                           std::binary_search(in_segment->blocks.begin(), in_segment->blocks.end(), b % 16);
      RC_ASSERT(changed == (model.contains(b) || b >= limit));
    }
  }));
}

WalSummary summary(uint64_t start, uint64_t end, Timeline timeline = 1) { return {timeline, Lsn{start}, Lsn{end}}; }

TEST(CoveringSummaries, TakesTheFilesThatTouchTheRangeInOrder) {
  Lsn to;
  auto files = covering_summaries({summary(30, 40), summary(0, 10), summary(10, 20), summary(20, 30), summary(40, 50)},
                                  1, Lsn{15}, Lsn{35}, to);
  ASSERT_TRUE(files.has_value());
  ASSERT_EQ(files->size(), 3U);
  EXPECT_EQ((*files)[0].start.value, 10U);
  EXPECT_EQ((*files)[2].end.value, 40U);
}

TEST(CoveringSummaries, AHoleIsNoCoverageAndSaysWhereItBegins) {
  Lsn to;
  EXPECT_FALSE(covering_summaries({summary(0, 10), summary(11, 40)}, 1, Lsn{5}, Lsn{35}, to).has_value());
  EXPECT_EQ(to.value, 10U);
  EXPECT_FALSE(covering_summaries({summary(6, 40)}, 1, Lsn{5}, Lsn{35}, to).has_value());
  EXPECT_EQ(to.value, 5U);
  EXPECT_FALSE(covering_summaries({summary(0, 34)}, 1, Lsn{5}, Lsn{35}, to).has_value());
  EXPECT_EQ(to.value, 34U);
}

TEST(CoveringSummaries, OtherTimelinesDoNotCount) {
  Lsn to;
  EXPECT_FALSE(covering_summaries({summary(0, 10), summary(10, 40, 2)}, 1, Lsn{5}, Lsn{35}, to).has_value());
}

TEST(CoveringSummaries, NothingIsNeededForAnEmptyRange) {
  Lsn to;
  auto files = covering_summaries({}, 1, Lsn{5}, Lsn{5}, to);
  ASSERT_TRUE(files.has_value());
  EXPECT_TRUE(files->empty());
}

TEST(SummaryLine, BlocksAndLimitsReachTheTable) {
  ChangedBlockTable table(kRoomy);
  auto added = add_summary_line("1663\t5\t100\t0\t42\tf", table);
  ASSERT_TRUE(added.ok());
  EXPECT_TRUE(*added);
  ASSERT_TRUE(add_summary_line("1663\t5\t101\t3\t7\tt", table).ok());
  table.finish();
  EXPECT_EQ(table.changed(file_of(100), kSegmentBlocks)->blocks, std::vector<uint32_t>{42});
  EXPECT_EQ(table.changed(file_of(101, 0, Fork::kInit), kSegmentBlocks)->all_from, 7U);
}

TEST(SummaryLine, EveryCutAndEveryStrangeFieldIsRefused) {
  ChangedBlockTable table(kRoomy);
  const std::string good = "1663\t5\t100\t0\t42\tf";
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_FALSE(add_summary_line(good.substr(0, length), table).ok()) << length;
  for (const char* bad :
       {"1663\t5\t100\t0\t42\tf\tx", "1663\t5\t100\t4\t42\tf", "1663\t5\t100\t0\t4294967296\tf",
        "1663\t5\t100\t0\t-1\tf", "1663\t\\N\t100\t0\t42\tf", "1663\t5\t100\t0\t42\tn", "1663\t5\t100\t0\t42 \tf"})
    EXPECT_FALSE(add_summary_line(bad, table).ok()) << bad;
}

}  // namespace
}  // namespace coffer::postgres
