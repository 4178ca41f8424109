// What the .cc files of this folder share of OpenSSL: owners of its contexts, and the algorithms, fetched once per
// process (a fetch per call is slower than hashing a page).
#pragma once
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <memory>

namespace coffer::crypto {

struct OpensslFree {
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
  void operator()(EVP_KDF_CTX* p) const { EVP_KDF_CTX_free(p); }
};
/// Freeing a context also wipes the key and state in it.
using DigestContext = std::unique_ptr<EVP_MD_CTX, OpensslFree>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, OpensslFree>;
using KdfContext = std::unique_ptr<EVP_KDF_CTX, OpensslFree>;

DigestContext new_digest_context();
CipherContext new_cipher_context();

/// Never freed: they live as long as the process.
const EVP_MD* sha256_algorithm();
const EVP_CIPHER* aes_256_gcm_algorithm();
EVP_KDF* hkdf_algorithm();
EVP_KDF* scrypt_algorithm();

}  // namespace coffer::crypto
