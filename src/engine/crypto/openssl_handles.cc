#include "engine/crypto/openssl_handles.h"

#include <new>

#include "base/result.h"

namespace coffer::crypto {
namespace {

template <class T>
T* required(T* algorithm) {
  COFFER_ASSERT(algorithm != nullptr);  // an OpenSSL without its default provider: nothing here can work
  return algorithm;
}

template <class T>
T* allocated(T* context) {
  if (context == nullptr) throw std::bad_alloc();
  return context;
}

}  // namespace

DigestContext new_digest_context() { return DigestContext(allocated(EVP_MD_CTX_new())); }
CipherContext new_cipher_context() { return CipherContext(allocated(EVP_CIPHER_CTX_new())); }

const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const algorithm = required(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  return algorithm;
}

const EVP_CIPHER* aes_256_gcm_algorithm() {
  static const EVP_CIPHER* const algorithm = required(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
  return algorithm;
}

EVP_KDF* hkdf_algorithm() {
  static EVP_KDF* const algorithm = required(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  return algorithm;
}

EVP_KDF* scrypt_algorithm() {
  static EVP_KDF* const algorithm = required(EVP_KDF_fetch(nullptr, "SCRYPT", nullptr));
  return algorithm;
}

}  // namespace coffer::crypto
