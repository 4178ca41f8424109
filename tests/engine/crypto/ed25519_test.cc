#include "engine/crypto/ed25519.h"

#include <gtest/gtest.h>

namespace coffer::crypto {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

TEST(Ed25519, GivesTheVectorsOfRfc8032) {
  const Bytes empty_seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  EXPECT_EQ(to_hex(ed25519_public_key(empty_seed)), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(to_hex(ed25519_sign(empty_seed, {})),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f059"
            "5bbe24655141438e7a100b");
  const Bytes seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  const Bytes message = hex("72");
  EXPECT_EQ(to_hex(ed25519_sign(seed, message)),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4"
            "302aeeb00d291612bb0c00");
}

TEST(Ed25519, AnyChangedBitIsRefused) {
  const Bytes seed(32, std::byte{7});
  const Bytes message = to_bytes("checkpoint");
  const auto key = ed25519_public_key(seed);
  const auto signature = ed25519_sign(seed, message);
  EXPECT_TRUE(ed25519_verify(key, message, signature));
  for (size_t i = 0; i < signature.size(); ++i) {
    auto other = signature;
    other[i] ^= std::byte{1};
    EXPECT_FALSE(ed25519_verify(key, message, other)) << i;
  }
  for (size_t i = 0; i < message.size(); ++i) {
    Bytes other = message;
    other[i] ^= std::byte{1};
    EXPECT_FALSE(ed25519_verify(key, other, signature)) << i;
  }
  EXPECT_FALSE(ed25519_verify(ByteView(key).first(31), message, signature));
}

}  // namespace
}  // namespace coffer::crypto
