#include "engine/crypto/fingerprint.h"

#include <openssl/evp.h>

#include <set>

#include "engine/crypto/testing.h"

namespace coffer::crypto {
namespace {

Fingerprinter with_key(uint64_t seed) { return Fingerprinter(random_bytes(32, seed)); }

// NIST's GCM test case 13: with key and nonce zero and no data, the tag is the encrypted first counter block.
TEST(Fingerprint, IsGmacUnderAZeroNonce) {
  Fingerprinter zero_key((Bytes(32)));
  EXPECT_EQ(to_hex(zero_key.of({})), "530f8afbc74536b9a963b4f1c4cb738b");
}

// Two ways into OpenSSL, one function: the GMAC interface and ours.
TEST(Fingerprint, AgreesWithOpensslsGmac) {
  Bytes key = random_bytes(32, 7);
  Fingerprinter fingerprinter(key);
  for (size_t size : {1u, 15u, 16u, 17u, 100u, 8192u, 131072u}) {
    Bytes data = random_bytes(size, size);
    std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac(EVP_MAC_fetch(nullptr, "GMAC", nullptr), EVP_MAC_free);
    char cipher[] = "AES-256-GCM";
    unsigned char nonce[12] = {}, tag[16];
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("cipher", cipher, 0),
                               OSSL_PARAM_construct_octet_string("iv", nonce, sizeof nonce),
                               OSSL_PARAM_construct_end()};
    std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_new(mac.get()), EVP_MAC_CTX_free);
    size_t tag_size = 0;
    ASSERT_EQ(EVP_MAC_init(context.get(), reinterpret_cast<unsigned char*>(key.data()), key.size(), parameters), 1);
    ASSERT_EQ(EVP_MAC_update(context.get(), reinterpret_cast<unsigned char*>(data.data()), data.size()), 1);
    ASSERT_EQ(EVP_MAC_final(context.get(), tag, &tag_size, sizeof tag), 1);
    EXPECT_TRUE(equal(fingerprinter.of(data), std::as_bytes(std::span(tag)))) << size;
  }
}

TEST(Fingerprint, OfTheSameBytesIsTheSameWhateverCameBefore) {
  Fingerprinter fingerprinter = with_key(1);
  Bytes page = random_bytes(8192, 2), other = random_bytes(100, 3);
  Fingerprint first = fingerprinter.of(page);
  (void)fingerprinter.of(other);
  (void)fingerprinter.of({});
  EXPECT_EQ(fingerprinter.of(page), first);
}

TEST(Fingerprint, OneChangedBitAnywhereChangesIt) {
  Fingerprinter fingerprinter = with_key(1);
  Bytes page = random_bytes(8192, 2);
  Fingerprint original = fingerprinter.of(page);
  for (size_t bit = 0; bit < page.size() * 8; bit += 11) {
    page[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_NE(fingerprinter.of(page), original) << bit;
    page[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST(Fingerprint, TheLengthTakesPart) {
  Fingerprinter fingerprinter = with_key(1);
  std::set<Fingerprint> seen;
  for (size_t size = 0; size < 100; ++size) seen.insert(fingerprinter.of(Bytes(size)));
  EXPECT_EQ(seen.size(), 100u);
}

TEST(Fingerprint, AnotherKeyGivesAnother) {
  Bytes page = random_bytes(8192, 2);
  EXPECT_NE(with_key(1).of(page), with_key(2).of(page));
}

TEST(Fingerprint, ACloneAndAMovedObjectGiveTheSame) {
  Fingerprinter prototype = with_key(1);
  Bytes page = random_bytes(8192, 2);
  Fingerprint original = prototype.of(page);
  Fingerprinter clone = prototype.clone();
  Fingerprinter moved = std::move(prototype);
  EXPECT_EQ(clone.of(page), original);
  EXPECT_EQ(moved.of(page), original);
}

}  // namespace
}  // namespace coffer::crypto
