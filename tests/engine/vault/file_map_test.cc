#include "engine/vault/file_map.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/crypto/digest.h"

namespace coffer::vault {
namespace {

ChunkId chunk(uint8_t n) {
  ChunkId id;
  id.bytes.fill(static_cast<std::byte>(n));
  return id;
}

PageGroup random_group(std::mt19937_64& random, uint32_t size_bytes) {
  PageGroup group;
  group.size_bytes = size_bytes;
  group.crc32c = static_cast<uint32_t>(random());
  std::array<PageGroup::Place, kGroupPages> places{};
  for (auto& place : places) {
    place.chunk = random() % 5 == 0 ? kZeroRun : static_cast<uint8_t>(random() % 4);
    place.page_in_chunk = place.chunk == kZeroRun ? uint8_t{0} : static_cast<uint8_t>(random() % kGroupPages);
  }
  std::vector<ChunkId> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(chunk(static_cast<uint8_t>(random() % 200)));
  EXPECT_TRUE(group.set_places(places, ids));
  for (auto& f : group.fingerprints) {
    for (auto& b : f) b = static_cast<std::byte>(random());
  }
  return group;
}

MapBlock random_block(std::mt19937_64& random, size_t groups, uint32_t last_size) {
  MapBlock block;
  for (size_t i = 0; i < groups; ++i) block.push_back(random_group(random, i + 1 == groups ? last_size : kGroupSize));
  return block;
}

void expect_same(const MapBlock& a, const MapBlock& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].size_bytes, b[i].size_bytes);
    EXPECT_EQ(a[i].crc32c, b[i].crc32c);
    ASSERT_EQ(a[i].chunk_count, b[i].chunk_count);
    ASSERT_EQ(a[i].run_count, b[i].run_count);
    for (uint8_t k = 0; k < a[i].chunk_count; ++k) EXPECT_EQ(a[i].chunks[k], b[i].chunks[k]);
    for (uint8_t k = 0; k < a[i].run_count; ++k) EXPECT_EQ(a[i].runs[k], b[i].runs[k]);
    for (uint32_t k = 0; k < a[i].page_count(); ++k) EXPECT_EQ(a[i].fingerprints[k], b[i].fingerprints[k]);
  }
}

TEST(FileMap, DecodeGivesBackWhatWasEncodedForEveryLastSize) {
  std::mt19937_64 random(1);
  for (uint32_t last : {1u, 100u, kPageSize, kPageSize + 1, 5 * kPageSize, kGroupSize - 1, kGroupSize}) {
    for (size_t groups : {1u, 2u, 63u, 64u}) {
      const MapBlock block = random_block(random, groups, last);
      auto decoded = decode_map_block(encode_map_block(block));
      ASSERT_TRUE(decoded.ok()) << decoded.error().message;
      expect_same(block, *decoded);
    }
  }
}

TEST(FileMap, PlacesAreMergedToRunsAndComeBackAsTheyWere) {
  PageGroup group;
  group.size_bytes = kGroupSize;
  std::array<PageGroup::Place, kGroupPages> places{};
  for (uint8_t i = 0; i < 8; ++i) places[i] = {2, i};          // one run
  for (uint8_t i = 8; i < 12; ++i) places[i] = {kZeroRun, 0};  // zeros
  places[12] = {0, 3};
  places[13] = {0, 5};  // not the next page: a run of its own
  places[14] = {2, 14};
  places[15] = {2, 15};
  ASSERT_TRUE(group.set_places(places, {chunk(10), chunk(11), chunk(12)}));
  EXPECT_EQ(group.run_count, 5);
  EXPECT_EQ(group.runs[0], (PageRun{8, 0, 0}));
  EXPECT_EQ(group.runs[1], (PageRun{4, kZeroRun, 0}));
  ASSERT_EQ(group.chunk_count, 2) << "the chunk that no place uses is dropped";
  EXPECT_EQ(group.chunks[0], chunk(12));
  EXPECT_EQ(group.chunks[1], chunk(10));
  const auto back = group.places();
  for (uint32_t i = 0; i < kGroupPages; ++i) {
    if (places[i].chunk == kZeroRun) {
      EXPECT_EQ(back[i].chunk, kZeroRun);
    } else {
      EXPECT_EQ(group.chunks[back[i].chunk], chunk(static_cast<uint8_t>(10 + places[i].chunk)));
      EXPECT_EQ(back[i].page_in_chunk, places[i].page_in_chunk);
    }
  }
}

TEST(FileMap, FiveChunksInOneGroupAreRefusedAndLeaveItAlone) {
  PageGroup group;
  group.size_bytes = kGroupSize;
  std::array<PageGroup::Place, kGroupPages> places{};
  for (uint8_t i = 0; i < kGroupPages; ++i) places[i] = {0, i};
  ASSERT_TRUE(group.set_places(places, {chunk(1)}));
  for (uint8_t i = 0; i < kGroupPages; ++i) places[i] = {static_cast<uint8_t>(i % 5), i};
  EXPECT_FALSE(group.set_places(places, {chunk(1), chunk(2), chunk(3), chunk(4), chunk(5)}));
  EXPECT_EQ(group.chunk_count, 1);
  EXPECT_EQ(group.run_count, 1);
  EXPECT_EQ(group.runs[0].pages, kGroupPages);
}

TEST(FileMap, PlacesBeyondTheLastPageDoNotCount) {
  PageGroup group;
  group.size_bytes = kPageSize + 1;
  std::array<PageGroup::Place, kGroupPages> places{};
  for (uint8_t i = 0; i < kGroupPages; ++i) places[i] = {static_cast<uint8_t>(i % 6), 0};
  ASSERT_TRUE(group.set_places(places, {chunk(1), chunk(2), chunk(3), chunk(4), chunk(5), chunk(6)}));
  EXPECT_EQ(group.chunk_count, 2);
  EXPECT_EQ(group.run_count, 2);
}

TEST(FileMap, EveryTruncationIsRefused) {
  std::mt19937_64 random(2);
  const Bytes whole = encode_map_block(random_block(random, 3, 20000));
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(decode_map_block(ByteView(whole).first(n)).code(), ErrorCode::kCorruption) << n;
  }
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_map_block(longer).ok());
}

TEST(FileMap, WhateverDecodesAfterAFlippedBitStaysInsideItsBounds) {
  std::mt19937_64 random(3);
  const Bytes whole = encode_map_block(random_block(random, 4, 77777));
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes flipped = whole;
    flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    auto decoded = decode_map_block(flipped);
    if (!decoded.ok()) continue;
    for (const PageGroup& group : *decoded) {
      uint32_t pages = 0;
      for (uint8_t i = 0; i < group.run_count; ++i) {
        pages += group.runs[i].pages;
        if (group.runs[i].chunk == kZeroRun) continue;
        EXPECT_LT(group.runs[i].chunk, group.chunk_count);
        EXPECT_LE(group.runs[i].first_page_in_chunk + group.runs[i].pages, int{kGroupPages});
      }
      EXPECT_EQ(pages, group.page_count());
    }
    EXPECT_EQ(encode_map_block(*decoded), flipped) << "an encoding that is read is the only one of its meaning";
  }
}

struct BadGroup {
  const char* what;
  std::function<void(PageGroup&)> spoil;
};

TEST(FileMap, HostileGroupsAreRefused) {
  const std::vector<BadGroup> cases = {
      {"a run beyond the chunk", [](PageGroup& g) { g.runs[0].first_page_in_chunk = 1; }},
      {"an unknown chunk", [](PageGroup& g) { g.runs[0].chunk = 2; }},
      {"a chunk nobody uses", [](PageGroup& g) { g.chunk_count = 2; }},
      {"too few pages", [](PageGroup& g) { g.runs[0].pages = 15; }},
      {"too many pages",
       [](PageGroup& g) {
         g.run_count = 2, g.runs[1] = {1, kZeroRun, 0};
       }},
      {"an empty run",
       [](PageGroup& g) {
         g.run_count = 2, g.runs[1] = {0, kZeroRun, 0};
       }},
      {"zeros with a page",
       [](PageGroup& g) {
         g.chunk_count = 0, g.runs[0] = {16, kZeroRun, 1};
       }},
      {"no runs", [](PageGroup& g) { g.run_count = 0; }},
  };
  for (const auto& bad : cases) {
    PageGroup group;
    group.size_bytes = kGroupSize;
    group.chunk_count = 1;
    group.run_count = 1;
    group.runs[0] = {16, 0, 0};
    EXPECT_TRUE(decode_map_block(encode_map_block({group})).ok());
    bad.spoil(group);
    EXPECT_EQ(decode_map_block(encode_map_block({group})).code(), ErrorCode::kCorruption) << bad.what;
  }
}

TEST(FileMap, ABlockOfNoneOrOf65GroupsIsRefused) {
  Bytes none;
  ByteWriter(none).u16(0), ByteWriter(none).u32(1);
  EXPECT_FALSE(decode_map_block(none).ok());
  Bytes many;
  ByteWriter(many).u16(65), ByteWriter(many).u32(1);
  many.resize(1 << 20);
  EXPECT_FALSE(decode_map_block(many).ok());
}

TEST(FileMap, RootsComeBackAndOtherLengthsAreRefused) {
  std::mt19937_64 random(4);
  std::vector<MapBlockRef> refs(5);
  for (auto& ref : refs) {
    ref.id = chunk(static_cast<uint8_t>(random()));
    ref.digest.fill(static_cast<std::byte>(random()));
    ref.crc32c = static_cast<uint32_t>(random());
  }
  const Bytes bytes = encode_map_root(refs);
  auto decoded = decode_map_root(bytes);
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->size(), refs.size());
  for (size_t i = 0; i < refs.size(); ++i) {
    EXPECT_EQ((*decoded)[i].id, refs[i].id);
    EXPECT_EQ((*decoded)[i].digest, refs[i].digest);
    EXPECT_EQ((*decoded)[i].crc32c, refs[i].crc32c);
  }
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(decode_map_root(ByteView(bytes).first(n)).ok()) << n;
  Bytes huge = bytes;
  huge[0] = std::byte{0xff};
  EXPECT_FALSE(decode_map_root(huge).ok());
}

TEST(FileMap, TheCrcOfAFileIsTheCrcOfItsBytes) {
  std::mt19937_64 random(5);
  const size_t size = 2 * kMapBlockSpan + 3 * kGroupSize + 12345;
  Bytes file(size);
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    std::memcpy(file.data() + i, &word, 8);
  }
  std::vector<MapBlockRef> refs;
  for (size_t at = 0; at < size; at += kMapBlockSpan) {
    MapBlock block;
    const size_t end = std::min<size_t>(size, at + kMapBlockSpan);
    for (size_t group_at = at; group_at < end; group_at += kGroupSize) {
      PageGroup group;
      group.size_bytes = static_cast<uint32_t>(std::min<size_t>(kGroupSize, end - group_at));
      group.crc32c = crypto::crc32c(ByteView(file).subspan(group_at, group.size_bytes));
      block.push_back(group);
    }
    EXPECT_EQ(map_block_crc32c(block), crypto::crc32c(ByteView(file).subspan(at, end - at)));
    refs.push_back({.id = {}, .digest = map_block_digest(block), .crc32c = map_block_crc32c(block)});
  }
  EXPECT_EQ(file_crc32c(size, refs), crypto::crc32c(file));
}

TEST(FileMap, DigestsTellContentNotPlace) {
  std::mt19937_64 random(6);
  MapBlock a = random_block(random, 2, kGroupSize);
  MapBlock b = a;
  b[0].chunks[0] = chunk(250);
  EXPECT_EQ(map_block_digest(a), map_block_digest(b));
  b[1].fingerprints[15][15] ^= std::byte{1};
  EXPECT_NE(map_block_digest(a), map_block_digest(b));
  const std::vector<MapBlockRef> refs = {{.id = {}, .digest = map_block_digest(a), .crc32c = 0}};
  EXPECT_NE(file_digest(2 * kGroupSize, refs), file_digest(2 * kGroupSize - 1, refs)) << "the size takes part";
}

}  // namespace
}  // namespace coffer::vault
