#include "engine/crypto/ed25519.h"

#include <memory>

#include "engine/crypto/openssl_handles.h"

namespace coffer::crypto {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

const unsigned char* octets(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

Key key_of(ByteView seed) {
  COFFER_ASSERT(seed.size() == kEd25519SeedSize);
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, octets(seed), seed.size()));
  COFFER_ASSERT(key);
  return key;
}

}  // namespace

Ed25519PublicKey ed25519_public_key(ByteView seed) {
  Ed25519PublicKey out;
  size_t size = out.size();
  COFFER_ASSERT(EVP_PKEY_get_raw_public_key(key_of(seed).get(), reinterpret_cast<unsigned char*>(out.data()), &size) ==
                1);
  return out;
}

Ed25519Signature ed25519_sign(ByteView seed, ByteView message) {
  const Key key = key_of(seed);
  DigestContext context = new_digest_context();
  Ed25519Signature out;
  size_t size = out.size();
  COFFER_ASSERT(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  COFFER_ASSERT(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, octets(message),
                               message.size()) == 1);
  return out;
}

bool ed25519_verify(ByteView public_key, ByteView message, ByteView signature) {
  if (public_key.size() != Ed25519PublicKey().size() || signature.size() != Ed25519Signature().size()) return false;
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(public_key), public_key.size()));
  if (!key) return false;
  DigestContext context = new_digest_context();
  if (EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1) return false;
  return EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(message), message.size()) == 1;
}

}  // namespace coffer::crypto
