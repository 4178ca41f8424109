#include "engine/vault/external_sorter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "base/filesystem.h"
#include "engine/vault/scratch_directory.h"

namespace coffer::vault {
namespace {

std::vector<std::string> drain(ExternalSorter& sorter) {
  std::vector<std::string> out;
  auto stream = sorter.finish();
  EXPECT_TRUE(stream.ok());
  while (true) {
    auto record = (*stream)->next();
    EXPECT_TRUE(record.ok()) << (record.ok() ? "" : record.error().message);
    if (!record.ok() || !*record) return out;
    out.push_back(to_text(**record));
  }
}

std::vector<std::string> random_records(size_t count, size_t size_max, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::string> out;
  for (size_t i = 0; i < count; ++i) {
    std::string record(random() % (size_max + 1), '\0');
    for (char& c : record) c = static_cast<char>(random() % 5 * 63);
    out.push_back(std::move(record));
  }
  return out;
}

void expect_sorts(size_t memory, std::vector<std::string> records) {
  ScratchDirectory scratch;
  ExternalSorter sorter(scratch.directory(), memory);
  for (const auto& record : records) ASSERT_TRUE(sorter.add(as_bytes(record)).ok());
  EXPECT_EQ(sorter.count(), records.size());
  std::sort(records.begin(), records.end(), [](const std::string& a, const std::string& b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
      return static_cast<unsigned char>(x) < static_cast<unsigned char>(y);
    });
  });
  EXPECT_EQ(drain(sorter), records);
}

TEST(ExternalSorter, NothingInGivesNothingOut) { expect_sorts(1 << 20, {}); }

TEST(ExternalSorter, SortsInMemoryByUnsignedBytesAndLength) {
  expect_sorts(1 << 20, {"b", "", "a", "\xff", "ab", std::string("a\0", 2), "a", "abcdefgh", "abcdefghi", "abcdefg"});
}

TEST(ExternalSorter, SortsThroughManyRunsAndSeveralMergePasses) {
  expect_sorts(64 << 10, random_records(60000, 40, 1));  // about 50 runs, 4 at a time
}

TEST(ExternalSorter, TakesRecordsLargerThanItsMemory) {
  auto records = random_records(2000, 100, 2);
  records.push_back(std::string(1 << 20, 'x'));
  records.push_back(std::string(70000, 'x'));
  records.push_back(std::string(1 << 20, '\0'));
  expect_sorts(64 << 10, std::move(records));
}

TEST(ExternalSorter, RefusesARecordOfMoreThanAMebibyte) {
  ScratchDirectory scratch;
  ExternalSorter sorter(scratch.directory(), 1 << 20);
  EXPECT_EQ(sorter.add(Bytes((1 << 20) + 1)).code(), ErrorCode::kInvalidArgument);
}

TEST(ExternalSorter, LeavesNoNamedFileBehindWhileItWorks) {
  ScratchDirectory scratch;
  ExternalSorter sorter(scratch.directory(), 64 << 10);
  for (const auto& record : random_records(20000, 40, 3)) ASSERT_TRUE(sorter.add(as_bytes(record)).ok());
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(ExternalSorter, AFullScratchDiskIsAnErrorNotALoss) {
  ScratchDirectory scratch;
  auto missing = scratch.directory().open_directory("gone");
  ASSERT_FALSE(missing.ok());
  std::filesystem::create_directory(scratch.path() + "/gone");
  auto directory = scratch.directory().open_directory("gone");
  ASSERT_TRUE(directory.ok());
  std::filesystem::remove(scratch.path() + "/gone");
  ExternalSorter sorter(**directory, 64 << 10);
  bool failed = false;
  for (const auto& record : random_records(20000, 40, 3)) {
    if (!sorter.add(as_bytes(record)).ok()) {
      failed = true;
      break;
    }
  }
  EXPECT_TRUE(failed);
}

}  // namespace
}  // namespace coffer::vault
