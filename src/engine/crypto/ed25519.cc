#include "engine/crypto/ed25519.h"

#include "engine/crypto/openssl_handles.h"

namespace coffer::crypto {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

const unsigned char* raw(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

Key private_key(ByteView seed) {
  COFFER_ASSERT(seed.size() == 32);
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(seed), seed.size()));
  COFFER_ASSERT(key);
  return key;
}

}  // namespace

Ed25519PublicKey ed25519_public_key(ByteView seed) {
  const Key key = private_key(seed);
  Ed25519PublicKey out;
  size_t size = out.size();
  COFFER_ASSERT(EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(out.data()), &size) == 1 &&
                size == out.size());
  return out;
}

Ed25519Signature ed25519_sign(ByteView seed, ByteView message) {
  const Key key = private_key(seed);
  const DigestContext context = new_digest_context();
  Ed25519Signature out;
  size_t size = out.size();
  COFFER_ASSERT(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  COFFER_ASSERT(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, raw(message),
                               message.size()) == 1 &&
                size == out.size());
  return out;
}

bool ed25519_verify(ByteView public_key, ByteView message, ByteView signature) {
  if (public_key.size() != 32 || signature.size() != 64) return false;
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(public_key), public_key.size()));
  if (!key) return false;
  const DigestContext context = new_digest_context();
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(message), message.size()) == 1;
}

}  // namespace coffer::crypto
