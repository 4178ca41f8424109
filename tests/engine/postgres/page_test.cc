#include "engine/postgres/page.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

namespace coffer::postgres {
namespace {

constexpr std::array<uint32_t, 32> kStart = {
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
    0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
    0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
    0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756};

/// The definition, word by word: what the vectorised form must agree with.
uint16_t plain_checksum(Bytes page, uint32_t block_number) {
  page[8] = page[9] = std::byte{0};
  std::array<uint32_t, 32> lanes = kStart;
  auto step = [](uint32_t& lane, uint32_t value) {
    uint32_t t = lane ^ value;
    lane = t * 16777619U ^ t >> 17;
  };
  for (size_t row = 0; row < 64; ++row) {
    for (size_t i = 0; i < 32; ++i) step(lanes[i], load_le<uint32_t>(page.data() + (row * 32 + i) * 4));
  }
  uint32_t folded = 0;
  for (uint32_t& lane : lanes) {
    step(lane, 0);
    step(lane, 0);
    folded ^= lane;
  }
  return static_cast<uint16_t>((folded ^ block_number) % 65535 + 1);
}

Bytes random_page(uint32_t seed) {
  std::mt19937 random(seed);
  Bytes page(kPageSize);
  for (std::byte& b : page) b = static_cast<std::byte>(random());
  return page;
}

template <class T>
void put(Bytes& page, size_t at, T value) {
  std::memcpy(page.data() + at, &value, sizeof value);
}

/// A page that is in use, last changed at `lsn`, with a right checksum.
Bytes good_page(uint64_t lsn, uint32_t block_number) {
  Bytes page = random_page(block_number + 1);
  put<uint32_t>(page, 0, static_cast<uint32_t>(lsn >> 32));
  put<uint32_t>(page, 4, static_cast<uint32_t>(lsn));
  put<uint16_t>(page, 14, 8000);
  put<uint16_t>(page, 8, page_checksum(page.data(), block_number));
  return page;
}

TEST(PageChecksum, AgreesWithItsDefinition) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    Bytes page = random_page(seed);
    ASSERT_EQ(page_checksum(page.data(), seed * 77777), plain_checksum(page, seed * 77777)) << seed;
  }
  Bytes zeros(kPageSize);
  EXPECT_EQ(page_checksum(zeros.data(), 0), plain_checksum(zeros, 0));
}

TEST(PageChecksum, WorksAtAnyAlignment) {
  Bytes page = random_page(7), buffer(kPageSize + 64);
  for (size_t shift = 0; shift < 64; ++shift) {
    std::memcpy(buffer.data() + shift, page.data(), kPageSize);
    ASSERT_EQ(page_checksum(buffer.data() + shift, 3), plain_checksum(page, 3));
  }
}

TEST(PageChecksum, DoesNotDependOnTheStoredOne) {
  Bytes page = random_page(1);
  uint16_t before = page_checksum(page.data(), 9);
  put<uint16_t>(page, 8, 0x1234);
  EXPECT_EQ(page_checksum(page.data(), 9), before);
  put<uint16_t>(page, 10, 0x1234);
  EXPECT_NE(page_checksum(page.data(), 9), before);
}

TEST(JudgePage, AFlippedBitIsBadWhereverItIs) {
  const Bytes page = good_page(100, 5);
  EXPECT_EQ(judge_page(page.data(), 5, {200}), PageVerdict::kGood);
  for (size_t at = 24; at < kPageSize; at += 97) {
    Bytes broken = page;
    broken[at] ^= std::byte{1};
    EXPECT_EQ(judge_page(broken.data(), 5, {200}), PageVerdict::kBad) << at;
  }
  EXPECT_EQ(judge_page(page.data(), 6, {200}), PageVerdict::kBad) << "a page in the wrong place";
}

TEST(JudgePage, NewAndChangedPagesAreNotJudged) {
  Bytes torn = good_page((uint64_t{1} << 32) + 50, 5);
  torn[5000] ^= std::byte{1};
  EXPECT_EQ(judge_page(torn.data(), 5, {(uint64_t{1} << 32) + 50}), PageVerdict::kNotJudged);
  EXPECT_EQ(judge_page(torn.data(), 5, {(uint64_t{1} << 32) + 51}), PageVerdict::kBad);
  Bytes zeros(kPageSize);
  EXPECT_EQ(judge_page(zeros.data(), 0, {200}), PageVerdict::kNotJudged);
}

}  // namespace
}  // namespace coffer::postgres
