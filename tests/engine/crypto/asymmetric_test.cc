#include "engine/crypto/asymmetric.h"

#include <gtest/gtest.h>

#include "engine/crypto/digest.h"
#include "engine/crypto/key_wrap.h"
#include "engine/crypto/testing.h"

namespace coffer::crypto {
namespace {

struct Signing {
  KeyKind kind;
  SignatureScheme scheme;
  Hash hash;
};
constexpr Signing kSignings[] = {
    {KeyKind::kRsa2048, SignatureScheme::kRsaPkcs1, Hash::kSha256},
    {KeyKind::kRsa2048, SignatureScheme::kRsaPss, Hash::kSha512},
    {KeyKind::kP256, SignatureScheme::kEcdsa, Hash::kSha256},
    {KeyKind::kP384, SignatureScheme::kEcdsa, Hash::kSha384},
    {KeyKind::kP521, SignatureScheme::kEcdsa, Hash::kSha512},
    {KeyKind::kSecp256k1, SignatureScheme::kEcdsa, Hash::kSha256},
    {KeyKind::kEd25519, SignatureScheme::kEd25519, Hash::kSha512},
};

TEST(KeyPair, SignaturesHoldForTheMessageAndTheKeyAlone) {
  for (const Signing& s : kSignings) {
    const KeyPair pair = KeyPair::generate(s.kind);
    const Bytes digest = hash_of(s.hash, as_bytes("message"));
    const Bytes signature = pair.sign(s.scheme, s.hash, digest);
    EXPECT_TRUE(pair.verify(s.scheme, s.hash, digest, signature));
    EXPECT_TRUE(verify_with(pair.public_key(), s.scheme, s.hash, digest, signature));
    EXPECT_FALSE(pair.verify(s.scheme, s.hash, hash_of(s.hash, as_bytes("massage")), signature));
    for (size_t i = 0; i < signature.size(); i += 7) {
      Bytes changed = signature;
      changed[i] ^= std::byte{4};
      EXPECT_FALSE(pair.verify(s.scheme, s.hash, digest, changed)) << i;
    }
    EXPECT_FALSE(pair.verify(s.scheme, s.hash, digest, ByteView(signature).first(signature.size() - 1)));
    EXPECT_FALSE(pair.verify(s.scheme, s.hash, digest, {}));
    EXPECT_FALSE(KeyPair::generate(s.kind).verify(s.scheme, s.hash, digest, signature));
  }
}

TEST(KeyPair, Pkcs8CarriesTheWholeKey) {
  for (const Signing& s : kSignings) {
    const KeyPair pair = KeyPair::generate(s.kind);
    const Secret der = pair.pkcs8();
    for (auto read : {KeyPair::from_pkcs8, KeyPair::from_own_pkcs8}) {
      auto again = read(s.kind, der.view());
      ASSERT_TRUE(again.ok()) << again.error().message;
      EXPECT_EQ(again->public_key(), pair.public_key());
      const Bytes digest = hash_of(s.hash, as_bytes("m"));
      EXPECT_TRUE(pair.verify(s.scheme, s.hash, digest, again->sign(s.scheme, s.hash, digest)));
      EXPECT_FALSE(read(s.kind, der.view().first(der.size() - 1)).ok());
    }
  }
}

TEST(KeyPair, HostilePrivateKeysAreRefused) {
  const KeyPair pair = KeyPair::generate(KeyKind::kP256);
  const Secret der = pair.pkcs8();
  for (size_t size = 0; size < der.size(); ++size)
    EXPECT_FALSE(KeyPair::from_pkcs8(KeyKind::kP256, der.view().first(size)).ok()) << size;
  Bytes longer = to_bytes(der.view());
  longer.push_back(std::byte{0});
  EXPECT_FALSE(KeyPair::from_pkcs8(KeyKind::kP256, longer).ok());
  EXPECT_FALSE(KeyPair::from_pkcs8(KeyKind::kSecp256k1, der.view()).ok());
  EXPECT_FALSE(KeyPair::from_pkcs8(KeyKind::kRsa2048, der.view()).ok());
  // Whatever a flipped byte makes of it, it must not crash.
  for (size_t i = 0; i < der.size(); ++i) {
    Bytes changed = to_bytes(der.view());
    changed[i] ^= std::byte{0x11};
    static_cast<void>(KeyPair::from_pkcs8(KeyKind::kP256, changed).ok());
  }
}

TEST(KeyPair, OaepRoundTripAndLimits) {
  const KeyPair pair = KeyPair::generate(KeyKind::kRsa2048);
  for (const auto& [hash, size_max] : {std::pair{Hash::kSha1, size_t{214}}, std::pair{Hash::kSha256, size_t{190}}}) {
    const Bytes plain = random_bytes(size_max, 3);
    auto sealed = encrypt_oaep_to(pair.public_key(), hash, plain);
    ASSERT_TRUE(sealed.ok());
    EXPECT_TRUE(equal(pair.decrypt_oaep(hash, *sealed)->view(), plain));
    EXPECT_FALSE(pair.encrypt_oaep(hash, random_bytes(size_max + 1, 3)).ok());
    for (size_t i = 0; i < sealed->size(); i += 17) {
      Bytes changed = *sealed;
      changed[i] ^= std::byte{1};
      EXPECT_TRUE(fails_with(pair.decrypt_oaep(hash, changed), ErrorCode::kCorruption, "does not open"));
    }
    EXPECT_FALSE(pair.decrypt_oaep(hash, ByteView(*sealed).first(255)).ok());
  }
}

TEST(KeyPair, BothSidesDeriveTheSameSecret) {
  for (const auto& [kind, size] : {std::pair{KeyKind::kP256, size_t{32}}, std::pair{KeyKind::kP384, size_t{48}},
                                   std::pair{KeyKind::kP521, size_t{66}}}) {
    const KeyPair a = KeyPair::generate(kind), b = KeyPair::generate(kind);
    auto ab = a.derive(b.public_key()), ba = b.derive(a.public_key());
    ASSERT_TRUE(ab.ok() && ba.ok());
    EXPECT_TRUE(equal(ab->view(), ba->view()));
    EXPECT_EQ(ab->size(), size);
    const Bytes other = b.public_key();
    for (size_t i = 0; i < other.size(); ++i) EXPECT_FALSE(a.derive(ByteView(other).first(i)).ok()) << i;
    Bytes off_curve = other;
    off_curve.back() ^= std::byte{1};
    EXPECT_FALSE(a.derive(off_curve).ok());
  }
  EXPECT_FALSE(KeyPair::generate(KeyKind::kP256).derive(KeyPair::generate(KeyKind::kSecp256k1).public_key()).ok());
}

// RFC 4231, test case 2.
TEST(Hmac, KnownAnswers) {
  const ByteView key = as_bytes("Jefe"), data = as_bytes("what do ya want for nothing?");
  EXPECT_EQ(to_hex(hmac_of(Hash::kSha224, key, data)), "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44");
  EXPECT_EQ(to_hex(hmac_of(Hash::kSha256, key, data)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_of(Hash::kSha384, key, data)),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
  EXPECT_EQ(to_hex(hmac_of(Hash::kSha512, key, data)),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d"
            "4a6b4b636e070a38bce737");
}

// RFC 5649 has vectors for 192-bit keys alone; this holds both ways against each other and against changes.
TEST(KeyWrap, RoundTripAndTampering) {
  const Bytes key = random_bytes(32, 1);
  for (size_t size : {1, 7, 8, 9, 32, 1217}) {
    const Bytes plain = random_bytes(size, size);
    const Bytes wrapped = wrap_key_padded(key, plain);
    EXPECT_EQ(wrapped.size(), (size + 7) / 8 * 8 + 8);
    auto opened = unwrap_key_padded(key, wrapped);
    ASSERT_TRUE(opened.ok());
    EXPECT_TRUE(equal(opened->view(), plain));
    for (size_t i = 0; i < wrapped.size(); i += 5) {
      Bytes changed = wrapped;
      changed[i] ^= std::byte{1};
      EXPECT_FALSE(unwrap_key_padded(key, changed).ok());
      EXPECT_FALSE(unwrap_key_padded(key, ByteView(wrapped).first(i)).ok());
    }
  }
}

}  // namespace
}  // namespace coffer::crypto
