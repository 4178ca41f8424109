#include "base/bytes.h"

#include <limits>
#include <random>

#include "base/testing.h"

namespace coffer {
namespace {

Bytes sample() {
  Bytes out;
  ByteWriter writer(out);
  writer.u8(0x01);
  writer.u16(0x0203);
  writer.u32(0x04050607);
  writer.u64(0x08090a0b0c0d0e0f);
  writer.varint(300);
  writer.string16("name");
  writer.bytes(as_bytes("tail"));
  return out;
}

bool reads_sample(ByteReader& reader) {
  const bool same = reader.u8() == 0x01 && reader.u16() == 0x0203 && reader.u32() == 0x04050607 &&
                    reader.u64() == 0x08090a0b0c0d0e0f && reader.varint() == 300 && reader.string16() == "name" &&
                    as_text(reader.bytes(4)) == "tail";
  return same && reader.done();
}

TEST(ByteWriter, WritesBigEndian) {
  EXPECT_EQ(to_hex(sample()), "0102030405060708090a0b0c0d0e0fac0200046e616d657461696c");
}

TEST(ByteReader, ReadsWhatTheWriterWrote) {
  const Bytes bytes = sample();
  ByteReader reader(bytes);

  EXPECT_TRUE(reads_sample(reader));
}

TEST(ByteReader, NoticesEveryCut) {
  const Bytes bytes = sample();
  for (size_t size = 0; size < bytes.size(); ++size) {
    ByteReader reader(ByteView(bytes).first(size));
    EXPECT_FALSE(reads_sample(reader)) << "cut to " << size;
    EXPECT_FALSE(reader.ok()) << "cut to " << size;
  }
}

TEST(ByteReader, NoticesBytesThatAreLeft) {
  Bytes bytes = sample();
  bytes.push_back(std::byte{0});
  ByteReader reader(bytes);

  EXPECT_FALSE(reads_sample(reader));
  EXPECT_TRUE(reader.ok());
}

TEST(ByteReader, StaysFailedAfterAReadPastTheEnd) {
  const Bytes bytes(3);
  ByteReader reader(bytes);
  (void)reader.u32();

  EXPECT_EQ(reader.u8(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.done());
}

TEST(ByteReader, HugeLengthIsRefusedAndNotAdded) {
  const Bytes bytes(3);
  ByteReader reader(bytes);
  (void)reader.u8();

  EXPECT_TRUE(reader.bytes(std::numeric_limits<uint64_t>::max()).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(Varint, RoundTripsAtEveryWidth) {
  for (int bit = 0; bit < 64; ++bit) {
    for (uint64_t number : {uint64_t{1} << bit, (uint64_t{1} << bit) - 1, ~uint64_t{0} >> bit}) {
      Bytes bytes;
      ByteWriter(bytes).varint(number);
      ByteReader reader(bytes);
      EXPECT_EQ(reader.varint(), number);
      EXPECT_TRUE(reader.done());
    }
  }
}

TEST(Varint, OneThatExceeds64BitsIsRefused) {
  for (std::string_view hex : {"ffffffffffffffffff02", "ffffffffffffffffffff01", "80808080808080808080808001"}) {
    const Bytes bytes = must(from_hex(hex));
    ByteReader reader(bytes);
    (void)reader.varint();
    EXPECT_FALSE(reader.ok()) << hex;
  }
}

TEST(Varint, OneWithoutAnEndIsRefused) {
  const Bytes bytes = must(from_hex("ffff"));
  ByteReader reader(bytes);
  (void)reader.varint();

  EXPECT_FALSE(reader.ok());
}

TEST(Hex, RoundTripsRandomBytes) {
  std::mt19937_64 random(1);
  for (size_t size = 0; size < 100; ++size) {
    Bytes bytes(size);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    EXPECT_EQ(must(from_hex(to_hex(bytes))), bytes);
  }
}

TEST(Hex, ReadsBothCases) { EXPECT_EQ(to_hex(must(from_hex("aBCdeF09"))), "abcdef09"); }

TEST(Hex, OtherTextIsRefused) {
  for (std::string_view text : {"a", "abc", "0g", "g0", " 0", "0x", "\xff\xff"})
    EXPECT_TRUE(fails_with(from_hex(text), ErrorCode::kInvalidArgument)) << text;
}

TEST(IsZero, FindsOneSetBitAnywhere) {
  for (size_t size = 0; size < 70; ++size) {
    Bytes bytes(size);
    EXPECT_TRUE(is_zero(bytes));
    for (size_t at = 0; at < size; ++at) {
      bytes[at] = std::byte{0x80};
      EXPECT_FALSE(is_zero(bytes)) << at << " of " << size;
      bytes[at] = std::byte{0};
    }
  }
}

TEST(Equal, ComparesSizeAndContent) {
  EXPECT_TRUE(equal({}, {}));
  EXPECT_TRUE(equal(as_bytes("abc"), as_bytes("abc")));
  EXPECT_FALSE(equal(as_bytes("abc"), as_bytes("abd")));
  EXPECT_FALSE(equal(as_bytes("abc"), as_bytes("ab")));
}

}  // namespace
}  // namespace coffer
