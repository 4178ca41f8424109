#include "engine/crypto/digest.h"

#include <thread>

#include "engine/crypto/crc32c_portable.h"
#include "engine/crypto/testing.h"

namespace coffer::crypto {
namespace {

TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, InPiecesGivesTheSameAsAtOnce) {
  std::mt19937_64 random(1);
  Bytes data = random_bytes(10000, 1);
  for (int round = 0; round < 50; ++round) {
    Sha256 hash;
    for (ByteView rest = data; !rest.empty();) {
      ByteView piece = rest.first(std::min<size_t>(rest.size(), up_to(random, 700)));
      hash.update(piece);
      // Another digest on this thread in between must not disturb this one.
      (void)sha256(piece);
      rest = rest.subspan(piece.size());
    }
    EXPECT_EQ(hash.finish(), sha256(data));
  }
}

// RFC 4231, test cases 1, 2, 6 (a key longer than a block) and 7.
TEST(HmacSha256, GivesTheVectorsOfRfc4231) {
  EXPECT_EQ(to_hex(HmacSha256(Bytes(20, std::byte{0x0b})).of(as_bytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(HmacSha256(as_bytes("Jefe")).of(as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  HmacSha256 long_key(Bytes(131, std::byte{0xaa}));
  EXPECT_EQ(to_hex(long_key.of(as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(to_hex(long_key.of(
                as_bytes("This is a test using a larger than block-size key and a larger than block-size data. "
                         "The key needs to be hashed before being used by the HMAC algorithm."))),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST(HmacSha256, AnEmptyKeyAndAnEmptyMessageAreAllowed) {
  EXPECT_EQ(to_hex(HmacSha256({}).of({})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(HmacSha256, OneObjectServesManyThreadsAtOnce) {
  HmacSha256 hmac(as_bytes("key"));
  std::vector<Digest256> expected;
  for (size_t i = 0; i < 64; ++i) expected.push_back(HmacSha256(as_bytes("key")).of(counting_bytes(i * 37)));
  std::array<int, 4> wrong{};
  std::vector<std::thread> threads;
  for (int& mine : wrong) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        for (size_t i = 0; i < expected.size(); ++i) mine += hmac.of(counting_bytes(i * 37)) != expected[i];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::array<int, 4>{}));
}

TEST(Hkdf, GivesTheKeyCheckOfTheFormatDocument) {
  Bytes info = to_bytes("keyset check v1");
  info.push_back(std::byte{0});
  append(info, hex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"));
  EXPECT_EQ(to_hex(hkdf_expand_sha512(vector_root(), info, 32)),
            "ee4ae337ef112d951e1c7398d4fc2a680b6caa1cc24a433aa79369e7b633cf29");
}

TEST(Hkdf, AShorterOutputIsThePrefixOfALongerOne) {
  Bytes longest = hkdf_expand_sha512(vector_root(), as_bytes("info"), 255 * 64);
  for (size_t size : {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{1000}}) {
    EXPECT_EQ(hkdf_expand_sha512(vector_root(), as_bytes("info"), size), to_bytes(ByteView(longest).first(size)));
  }
}

TEST(Hkdf, TakesAnInfoOfAKibibyteAndAnEmptyOne) {
  EXPECT_EQ(hkdf_expand_sha512(vector_root(), counting_bytes(1024), 32).size(), 32u);
  EXPECT_NE(hkdf_expand_sha512(vector_root(), {}, 32), hkdf_expand_sha512(vector_root(), counting_bytes(1), 32));
}

TEST(Hkdf, MoreThanTheAlgorithmGivesIsABrokenInvariant) {
  EXPECT_THROW((void)hkdf_expand_sha512(vector_root(), {}, 255 * 64 + 1), std::logic_error);
  EXPECT_THROW((void)hkdf_expand_sha512({}, {}, 32), std::logic_error);
}

TEST(EqualConstantTime, IsEquality) {
  EXPECT_TRUE(equal_constant_time({}, {}));
  EXPECT_TRUE(equal_constant_time(as_bytes("same"), as_bytes("same")));
  EXPECT_FALSE(equal_constant_time(as_bytes("same"), as_bytes("sane")));
  EXPECT_FALSE(equal_constant_time(as_bytes("same"), as_bytes("sam")));
}

/// One bit at a time, straight from the definition.
uint32_t crc32c_by_definition(ByteView data) {
  uint32_t crc = 0xffffffff;
  for (std::byte byte : data) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

// RFC 3720, appendix B.4, and the check value of the CRC catalogues.
TEST(Crc32c, GivesThePublishedValues) {
  EXPECT_EQ(crc32c({}), 0u);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c(Bytes(32)), 0x8a9136aau);
  EXPECT_EQ(crc32c(Bytes(32, std::byte{0xff})), 0x62a8ab43u);
}

TEST(Crc32c, TheFastAndThePortableWayAgreeWithTheDefinitionAtEveryLengthAndAlignment) {
  Bytes data = random_bytes(4200, 2);
  for (size_t size = 0; size <= 4100; size += size < 500 ? 1 : 37) {
    ByteView view = ByteView(data).subspan(size % 9, size);
    uint32_t expected = crc32c_by_definition(view);
    ASSERT_EQ(crc32c(view), expected) << size;
    ASSERT_EQ(crc32c_portable(view), expected) << size;
  }
  Bytes large = random_bytes(128 << 10, 3);
  EXPECT_EQ(crc32c(large), crc32c_by_definition(large));
  EXPECT_EQ(crc32c_portable(large), crc32c_by_definition(large));
}

TEST(Crc32c, ContinuesAnEarlierValue) {
  Bytes data = random_bytes(9000, 4);
  std::mt19937_64 random(4);
  for (int round = 0; round < 200; ++round) {
    ByteView all = ByteView(data).first(up_to(random, data.size()));
    size_t cut = up_to(random, all.size());
    EXPECT_EQ(crc32c(all.subspan(cut), crc32c(all.first(cut))), crc32c(all));
    EXPECT_EQ(crc32c_portable(all.subspan(cut), crc32c_portable(all.first(cut))), crc32c(all));
  }
}

TEST(Crc32c, CombineGivesTheValueOfTheJoinedBytes) {
  Bytes data = random_bytes(20000, 5);
  std::mt19937_64 random(5);
  for (int round = 0; round < 300; ++round) {
    // Mostly one length again and again, as for pages, sometimes another, sometimes a very short one.
    size_t second_size = round % 3 == 0 ? up_to(random, 10000) : (round % 3 == 1 ? 8192 : up_to(random, 8));
    ByteView first = ByteView(data).first(up_to(random, 10000)), second = ByteView(data).last(second_size);
    Bytes joined = to_bytes(first);
    append(joined, second);
    EXPECT_EQ(crc32c_combine(crc32c(first), crc32c(second), second.size()), crc32c(joined));
    EXPECT_EQ(crc32c_combine_portable(crc32c(first), crc32c(second), second.size()), crc32c(joined));
  }
}

// Lengths that nobody hashes in a test: 2^a + 2^b zero bytes joined in two ways must agree.
TEST(Crc32c, CombineHoldsForHugeLengths) {
  auto of_zeros = [](int log2_size) {
    uint32_t crc = crc32c(Bytes(1));
    for (int k = 0; k < log2_size; ++k) crc = crc32c_combine(crc, crc, uint64_t{1} << k);
    return crc;
  };
  for (int a : {20, 31, 32, 40, 60}) {
    for (int b : {3, 30, 33, 59}) {
      uint32_t x = of_zeros(a), y = of_zeros(b);
      EXPECT_EQ(crc32c_combine(x, y, uint64_t{1} << b), crc32c_combine(y, x, uint64_t{1} << a)) << a << " " << b;
      EXPECT_EQ(crc32c_combine(x, y, uint64_t{1} << b), crc32c_combine_portable(x, y, uint64_t{1} << b));
    }
  }
  EXPECT_EQ(of_zeros(16), crc32c(Bytes(1 << 16)));
}

}  // namespace
}  // namespace coffer::crypto
