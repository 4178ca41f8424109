#include "services/audit/chain.h"

#include <gtest/gtest.h>

namespace coffer::audit {
namespace {

Checkpoint sample() {
  Checkpoint checkpoint;
  checkpoint.number = 2;
  checkpoint.size = 1234;
  checkpoint.chain_hash.fill(std::byte{0xab});
  checkpoint.merkle_root.fill(std::byte{0xcd});
  checkpoint.time = WallTime{1'795'522'800'123'456};
  checkpoint.previous = std::string(64, 'e');
  return checkpoint;
}

// Bytes of a released format, also computed by the example in docs/audit.md.
TEST(Chain, HashesAreThoseOfTheFormat) {
  const crypto::Digest256 start{};
  EXPECT_EQ(to_hex(next_hash(start, 1, "{}")),
            to_hex(crypto::sha256(as_bytes(std::string(32, '\0') + std::string("\0\0\0\0\0\0\0\1{}", 10)))));
  EXPECT_EQ(to_hex(record_leaf(258, "{}")),
            to_hex(crypto::merkle_leaf(as_bytes(std::string("\0\0\0\0\0\0\1\2{}", 10)))));
}

TEST(Checkpoint, IsCanonicalJson) {
  EXPECT_EQ(encode_checkpoint(sample()),
            "{\"chainHash\":\"abababababababababababababababababababababababababababababababab\",\"merkleRoot\":"
            "\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\",\"number\":2,\"previous\":"
            "\"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\",\"size\":1234,\"time\":"
            "\"2026-11-24T12:20:00.123456Z\",\"type\":\"coffer audit checkpoint v1\"}");
}

TEST(Checkpoint, ComesBackFromItsText) {
  const Checkpoint checkpoint = decode_checkpoint(encode_checkpoint(sample())).value();
  EXPECT_EQ(encode_checkpoint(checkpoint), encode_checkpoint(sample()));
  EXPECT_EQ(checkpoint.size, 1234);
}

TEST(Checkpoint, EveryOtherTextIsRefused) {
  const std::string text = encode_checkpoint(sample());
  for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(decode_checkpoint(text.substr(0, size)).ok()) << size;
  EXPECT_FALSE(decode_checkpoint(text + "\n").ok());
  EXPECT_FALSE(decode_checkpoint(" " + text).ok());
  for (size_t at = 0; at < text.size(); ++at) {
    std::string flipped = text;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x80);
    const auto decoded = decode_checkpoint(flipped);
    EXPECT_TRUE(!decoded.ok() || encode_checkpoint(*decoded) == flipped) << flipped;
  }
}

}  // namespace
}  // namespace coffer::audit
