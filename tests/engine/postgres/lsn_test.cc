#include "engine/postgres/lsn.h"

#include <gtest/gtest.h>

#include <cstring>

namespace coffer::postgres {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST(Lsn, TextGoesBothWays) {
  for (uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{0x1A2B3C4D}, uint64_t{0x100000000}, UINT64_MAX}) {
    auto parsed = parse_lsn(format_lsn({value}));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->value, value);
  }
  EXPECT_EQ(format_lsn({0x16B374D848}), "16/B374D848");
  EXPECT_EQ(parse_lsn("16/b374d848")->value, 0x16B374D848U);
  EXPECT_EQ(parse_lsn("00000016/0000000A")->value, 0x160000000AU);
}

TEST(Lsn, OtherTextIsRefused) {
  for (std::string_view text : {"", "/", "0/", "/0", "0", "0/0/0", "g/0", "0/-1", "+0/1", " 0/1", "0/1 ", "123456789/0",
                                "0/123456789", "0x1/2"}) {
    EXPECT_EQ(parse_lsn(text).code(), ErrorCode::kInvalidArgument) << text;
  }
}

TEST(WalSegmentName, KnownNamesOfSeveralSegmentSizes) {
  EXPECT_EQ(wal_segment_name({1, 0x82}, 16 * kMiB), "000000010000000000000082");
  EXPECT_EQ(wal_segment_name({1, 0x100}, 16 * kMiB), "000000010000000100000000");
  EXPECT_EQ(wal_segment_name({0xA, 0xFFF}, kMiB), "0000000A0000000000000FFF");
  EXPECT_EQ(wal_segment_name({1, 5}, 1024 * kMiB), "000000010000000100000001");
}

TEST(WalSegmentName, NamesGoBothWays) {
  for (uint64_t size = kMiB; size <= 1024 * kMiB; size *= 2) {
    for (uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{4095}, uint64_t{4096}, uint64_t{0xFFFFFFFF}}) {
      WalSegment segment{77, number};
      EXPECT_EQ(*parse_wal_segment_name(wal_segment_name(segment, size), size), segment);
    }
  }
}

TEST(WalSegmentName, ImpossibleNamesAreRefused) {
  for (std::string_view name : {"", "00000001000000000000008", "0000000100000000000000820", "00000001000000000000008g",
                                "00000001000000000000008a", "000000000000000000000082", "000000010000000000000100",
                                "000000010000000000000082.partial", "00000002.history", "../../../../../../../xx"}) {
    EXPECT_EQ(parse_wal_segment_name(name, 16 * kMiB).code(), ErrorCode::kInvalidArgument) << name;
  }
  EXPECT_FALSE(parse_wal_segment_name("000000010000000000000082", 3 * kMiB).ok());
  EXPECT_FALSE(parse_wal_segment_name("000000010000000000000082", 0).ok());
}

/// A segment as a server of version 15 writes it.
struct FakeSegment {
  WalSegment segment{2, 3};
  WalExpectation expected{15, 4711, kMiB};
  Bytes bytes = Bytes(kMiB);

  FakeSegment() {
    for (size_t at = 0; at < kMiB; at += 8192) {
      put<uint16_t>(at, 0xD110);
      put<uint16_t>(at + 2, at == 0 ? 2 : 1);
      put<uint32_t>(at + 4, 2);
      put<uint64_t>(at + 8, start() + at);
      bytes[at + 100] = std::byte{1};
    }
    put<uint64_t>(24, 4711);
    put<uint32_t>(32, static_cast<uint32_t>(kMiB));
    put<uint32_t>(36, 8192);
  }
  [[nodiscard]] uint64_t start() const { return segment.number * kMiB; }
  template <class T>
  void put(size_t at, T value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }
  void zero(size_t from, size_t to) {
    std::fill(bytes.begin() + static_cast<long>(from), bytes.begin() + static_cast<long>(to), std::byte{0});
  }
  [[nodiscard]] Status check(uint64_t end_offset = kMiB) const {
    return check_wal_segment(bytes, segment, expected, {start() + end_offset});
  }
};

TEST(WalSegment, AWholeSegmentPasses) { EXPECT_TRUE(FakeSegment().check().ok()); }

TEST(WalSegment, EachHeaderFieldIsChecked) {
  for (size_t at : {0U, 3U, 4U, 8U, 12U, 24U, 31U, 32U, 36U, 8192U, 8195U, 8196U, 8200U, 1040384U}) {
    FakeSegment broken;
    broken.bytes[at] ^= std::byte{0x40};
    EXPECT_EQ(broken.check().code(), ErrorCode::kCorruption) << at;
  }
}

TEST(WalSegment, AnotherLengthIsRefused) {
  FakeSegment fake;
  for (size_t size :
       {size_t{0}, size_t{1}, size_t{40}, size_t{8192}, static_cast<size_t>(kMiB) - 1, static_cast<size_t>(kMiB) + 1}) {
    fake.bytes.resize(size);
    EXPECT_EQ(fake.check().code(), ErrorCode::kCorruption) << size;
  }
}

TEST(WalSegment, BeyondTheEndAnythingMayFollow) {
  FakeSegment fake;
  fake.put<uint64_t>(5 * 8192 + 8, 12345);
  EXPECT_FALSE(fake.check().ok());
  EXPECT_FALSE(fake.check(5 * 8192 + 1).ok());
  EXPECT_TRUE(fake.check(5 * 8192).ok());
  // The first page is looked at in any case.
  fake.put<uint64_t>(8, 12345);
  EXPECT_FALSE(fake.check(0).ok());
}

TEST(WalSegment, ZerosMayFollowASwitchButNothingMayFollowThem) {
  FakeSegment fake;
  fake.zero(10 * 8192, kMiB);
  EXPECT_TRUE(fake.check().ok());
  FakeSegment hole;
  hole.zero(10 * 8192, 11 * 8192);
  EXPECT_EQ(hole.check().code(), ErrorCode::kCorruption);
  FakeSegment empty;
  empty.zero(0, kMiB);
  EXPECT_EQ(empty.check().code(), ErrorCode::kCorruption);
}

TEST(WalSegment, PagesCopiedFromTheParentTimelinePassAndNoOthers) {
  FakeSegment fake;
  for (size_t at = 0; at < 4 * 8192; at += 8192) fake.put<uint32_t>(at + 4, 1);
  EXPECT_TRUE(fake.check().ok());
  fake.put<uint32_t>(6 * 8192 + 4, 1);
  EXPECT_FALSE(fake.check().ok()) << "back to the parent";
  FakeSegment later;
  later.put<uint32_t>(6 * 8192 + 4, 3);
  EXPECT_FALSE(later.check().ok()) << "a timeline that is not yet";
}

TEST(WalSegment, AnotherMajorIsRefused) {
  for (int major : {13, 14, 16, 17, 18}) {
    FakeSegment fake;
    fake.expected.major = major;
    EXPECT_EQ(fake.check().code(), ErrorCode::kCorruption);
  }
  FakeSegment unknown;
  unknown.expected.major = 12;
  EXPECT_EQ(unknown.check().code(), ErrorCode::kFailedPrecondition);
}

TEST(TimelineHistory, LinesAreReadAndReasonsIgnored) {
  auto parsed = parse_timeline_history("# comment\n\n1\t0/3000110\tno recovery target specified\n2\t1/0\n");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  ASSERT_EQ(parsed->size(), 2U);
  EXPECT_EQ((*parsed)[0].parent, 1U);
  EXPECT_EQ((*parsed)[0].switch_point.value, 0x3000110U);
  EXPECT_EQ((*parsed)[1].switch_point.value, uint64_t{1} << 32);
  EXPECT_TRUE(parse_timeline_history("")->empty());
}

TEST(TimelineHistory, WhatIsOutOfFormIsRefused) {
  for (std::string_view text : {"x", "1", "1\t", "0\t0/1\n", "1\t0\n", "1\t0/x\n", "2\t0/1\n1\t0/2\n",
                                "1\t0/1\n1\t0/2\n", "-1\t0/1\n", "4294967296\t0/1\n", "1x\t0/1\n"}) {
    EXPECT_EQ(parse_timeline_history(text).code(), ErrorCode::kCorruption) << text;
  }
}

}  // namespace
}  // namespace coffer::postgres
