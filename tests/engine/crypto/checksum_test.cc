#include "engine/crypto/checksum.h"

#include "base/base64.h"
#include "engine/crypto/crc_reflected.h"
#include "engine/crypto/testing.h"

namespace coffer::crypto {
namespace {

constexpr std::array kAll = {ChecksumKind::kCrc32,    ChecksumKind::kCrc32c,   ChecksumKind::kCrc64Nvme,
                             ChecksumKind::kSha1,     ChecksumKind::kSha256,   ChecksumKind::kSha512,
                             ChecksumKind::kMd5,      ChecksumKind::kXxHash64, ChecksumKind::kXxHash3,
                             ChecksumKind::kXxHash128};

std::string hex_of(ChecksumKind kind, std::string_view text) { return to_hex(checksum_of(kind, as_bytes(text))); }

TEST(Checksum, GivesTheCheckValues) {
  const std::string_view digits = "123456789";
  EXPECT_EQ(hex_of(ChecksumKind::kCrc32, digits), "cbf43926");
  EXPECT_EQ(hex_of(ChecksumKind::kCrc32c, digits), "e3069283");
  EXPECT_EQ(hex_of(ChecksumKind::kCrc64Nvme, digits), "ae8b14860a799888");
  EXPECT_EQ(base64_encode(checksum_of(ChecksumKind::kCrc32, as_bytes(digits))), "y/Q5Jg==");
  EXPECT_EQ(base64_encode(checksum_of(ChecksumKind::kCrc32c, as_bytes(digits))), "4waSgw==");
  EXPECT_EQ(base64_encode(checksum_of(ChecksumKind::kCrc64Nvme, as_bytes(digits))), "rosUhgp5mIg=");
}

TEST(Checksum, GivesThePublishedDigests) {
  EXPECT_EQ(hex_of(ChecksumKind::kMd5, ""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex_of(ChecksumKind::kMd5, "abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex_of(ChecksumKind::kSha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex_of(ChecksumKind::kSha256, "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_of(ChecksumKind::kSha512, "abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
            "454d4423643ce80e2a9ac94fa54ca49f");
  EXPECT_EQ(hex_of(ChecksumKind::kXxHash64, ""), "ef46db3751d8e999");
  EXPECT_EQ(hex_of(ChecksumKind::kXxHash64, "abc"), "44bc2cf5ad770999");
  EXPECT_EQ(hex_of(ChecksumKind::kXxHash3, ""), "2d06800538d394c2");
  EXPECT_EQ(hex_of(ChecksumKind::kXxHash3, "abc"), "78af5f94892f3950");
  EXPECT_EQ(hex_of(ChecksumKind::kXxHash128, ""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hex_of(ChecksumKind::kXxHash128, "abc"), "06b05ab6733a618578af5f94892f3950");
}

TEST(Checksum, NamesAndSizesAreThoseOfTheModel) {
  for (ChecksumKind kind : kAll) {
    EXPECT_EQ(checksum_kind(name_of(kind)), kind);
    EXPECT_EQ(checksum_of(kind, {}).size(), checksum_size(kind)) << name_of(kind);
    EXPECT_EQ(Checksum(kind).kind(), kind);
  }
  EXPECT_EQ(name_of(ChecksumKind::kCrc64Nvme), "CRC64NVME");
  EXPECT_FALSE(checksum_kind("crc32"));
  EXPECT_FALSE(checksum_kind(""));
}

TEST(Checksum, InPiecesGivesTheSameAsAtOnce) {
  std::mt19937_64 random(1);
  const Bytes data = random_bytes(20000, 1);
  for (ChecksumKind kind : kAll) {
    for (int round = 0; round < 20; ++round) {
      Checksum checksum(kind);
      for (ByteView rest = data; !rest.empty();) {
        const ByteView piece = rest.first(std::min<size_t>(rest.size(), up_to(random, 3000)));
        checksum.update(piece);
        rest = rest.subspan(piece.size());
      }
      EXPECT_EQ(checksum.finish(), checksum_of(kind, data)) << name_of(kind);
    }
  }
}

TEST(ReflectedCrc, TheFastFormAgreesWithTheTablesAtEveryLengthAndAlignment) {
  const Bytes data = random_bytes(2000, 2);
  for (size_t size = 0; size < 700; ++size) {
    const ByteView piece = ByteView(data).subspan(size % 17, size);
    EXPECT_EQ(crc32(piece), crc32_portable(piece)) << size;
    EXPECT_EQ(crc64_nvme(piece), crc64_nvme_portable(piece)) << size;
    EXPECT_EQ(crc32(piece, 0x12345678), crc32_portable(piece, 0x12345678)) << size;
    EXPECT_EQ(crc64_nvme(piece, 0x123456789abcdef0), crc64_nvme_portable(piece, 0x123456789abcdef0)) << size;
  }
}

TEST(ReflectedCrc, TheTablesAgreeWithTheDefinition) {
  const Bytes data = random_bytes(301, 3);
  uint64_t crc = ~uint64_t{0};
  for (std::byte b : data) {
    crc ^= static_cast<uint8_t>(b);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x9A6C9329AC4BC9B5 : 0);
  }
  EXPECT_EQ(crc64_nvme_portable(data), ~crc);
}

TEST(Checksum, CombinedCrcsAreThoseOfTheWhole) {
  const Bytes data = random_bytes(5000, 4);
  for (ChecksumKind kind : {ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme}) {
    for (size_t cut : {size_t{0}, size_t{1}, size_t{7}, size_t{2048}, size_t{4999}, size_t{5000}}) {
      const ByteView first = ByteView(data).first(cut), second = ByteView(data).subspan(cut);
      EXPECT_EQ(combine_checksums(kind, checksum_of(kind, first), checksum_of(kind, second), second.size()),
                checksum_of(kind, data))
          << name_of(kind) << " " << cut;
    }
  }
}

// 2^40 zero bytes are 2^20 times 2^20 of them.
TEST(Checksum, CombiningKnowsTheLengthsOfLargeObjects) {
  for (ChecksumKind kind : {ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme}) {
    Bytes whole = checksum_of(kind, Bytes(1 << 20));
    for (uint64_t size = 1 << 20; size < uint64_t{1} << 40; size *= 2)
      whole = combine_checksums(kind, whole, whole, size);
    const Bytes front = checksum_of(kind, as_bytes("front"));
    Bytes stepwise = front;
    Bytes half = checksum_of(kind, Bytes(1 << 20));
    for (uint64_t size = 1 << 20; size < uint64_t{1} << 39; size *= 2) half = combine_checksums(kind, half, half, size);
    for (int i = 0; i < 2; ++i) stepwise = combine_checksums(kind, stepwise, half, uint64_t{1} << 39);
    EXPECT_EQ(combine_checksums(kind, front, whole, uint64_t{1} << 40), stepwise) << name_of(kind);
  }
}

TEST(Checksum, OnlyCrcsCombine) {
  const Bytes digest = checksum_of(ChecksumKind::kSha256, {});
  EXPECT_THROW((void)combine_checksums(ChecksumKind::kSha256, digest, digest, 0), std::logic_error);
  EXPECT_THROW((void)combine_checksums(ChecksumKind::kCrc32, digest, digest, 0), std::logic_error);
}

}  // namespace
}  // namespace coffer::crypto
