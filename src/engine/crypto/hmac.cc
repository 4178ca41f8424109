#include "engine/crypto/hmac.h"

#include <openssl/hmac.h>

#include "engine/crypto/hashes.h"

namespace coffer::crypto {

const EVP_MD* algorithm_of(Hash hash) {
  switch (hash) {
    case Hash::kSha1: return EVP_sha1();
    case Hash::kSha224: return EVP_sha224();
    case Hash::kSha256: return EVP_sha256();
    case Hash::kSha384: return EVP_sha384();
    case Hash::kSha512: return EVP_sha512();
  }
  return nullptr;
}

size_t hash_size(Hash hash) { return static_cast<size_t>(EVP_MD_get_size(algorithm_of(hash))); }

Bytes hash_of(Hash hash, ByteView data) {
  Bytes out(hash_size(hash));
  unsigned int size = 0;
  COFFER_ASSERT(EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(out.data()), &size,
                           algorithm_of(hash), nullptr) == 1 &&
                size == out.size());
  return out;
}

Bytes hmac_of(Hash hash, ByteView key, ByteView data) {
  Bytes out(hash_size(hash));
  unsigned int size = 0;
  // An empty key is a key to HMAC; OpenSSL only wants a pointer that is not null.
  const void* bytes = key.empty() ? static_cast<const void*>("") : key.data();
  COFFER_ASSERT(HMAC(algorithm_of(hash), bytes, static_cast<int>(key.size()),
                     reinterpret_cast<const unsigned char*>(data.data()), data.size(),
                     reinterpret_cast<unsigned char*>(out.data()), &size) != nullptr);
  COFFER_ASSERT(size == out.size());
  return out;
}

}  // namespace coffer::crypto
