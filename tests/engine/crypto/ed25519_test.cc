#include "engine/crypto/ed25519.h"

#include "engine/crypto/testing.h"

namespace coffer::crypto {
namespace {

struct Vector {
  std::string_view seed, public_key, message, signature;
};
// RFC 8032 section 7.1, tests 1 to 3.
constexpr Vector kVectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246"
     "551"
     "41438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb"
     "00d"
     "291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc"
     "027"
     "beceea1ec40a"},
};

TEST(Ed25519, GivesThePublishedKeysAndSignatures) {
  for (const Vector& v : kVectors) {
    EXPECT_EQ(to_hex(ed25519_public_key(hex(v.seed))), v.public_key);
    EXPECT_EQ(to_hex(ed25519_sign(hex(v.seed), hex(v.message))), v.signature);
    EXPECT_TRUE(ed25519_verify(hex(v.public_key), hex(v.message), hex(v.signature)));
  }
}

TEST(Ed25519, RefusesEveryFlippedByteAndEveryOtherSize) {
  const Vector& v = kVectors[2];
  const Bytes key = hex(v.public_key), message = hex(v.message), signature = hex(v.signature);
  const auto flipped = [](Bytes bytes, size_t at) {
    bytes[at] ^= std::byte{1};
    return bytes;
  };
  for (size_t i = 0; i < key.size(); ++i) EXPECT_FALSE(ed25519_verify(flipped(key, i), message, signature));
  for (size_t i = 0; i < message.size(); ++i) EXPECT_FALSE(ed25519_verify(key, flipped(message, i), signature));
  for (size_t i = 0; i < signature.size(); ++i) EXPECT_FALSE(ed25519_verify(key, message, flipped(signature, i)));
  for (size_t size = 0; size < signature.size(); ++size)
    EXPECT_FALSE(ed25519_verify(key, message, ByteView(signature).first(size)));
  for (size_t size = 0; size < key.size(); ++size)
    EXPECT_FALSE(ed25519_verify(ByteView(key).first(size), message, signature));
}

}  // namespace
}  // namespace coffer::crypto
