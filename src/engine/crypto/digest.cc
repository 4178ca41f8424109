#include "engine/crypto/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include "base/secret.h"
#include "engine/crypto/openssl_handles.h"

namespace coffer::crypto {
namespace {

constexpr size_t kSha256BlockSize = 64;

/// A context of this thread for calls that begin and end inside one function.
EVP_MD_CTX* thread_context() {
  thread_local const DigestContext context = new_digest_context();
  return context.get();
}

void begin(EVP_MD_CTX* context) { COFFER_ASSERT(EVP_DigestInit_ex2(context, sha256_algorithm(), nullptr) == 1); }

void add(EVP_MD_CTX* context, ByteView data) {
  COFFER_ASSERT(EVP_DigestUpdate(context, data.data(), data.size()) == 1);
}

Digest256 end(EVP_MD_CTX* context) {
  Digest256 digest;
  unsigned int size = 0;
  COFFER_ASSERT(EVP_DigestFinal_ex(context, reinterpret_cast<unsigned char*>(digest.data()), &size) == 1);
  COFFER_ASSERT(size == digest.size());
  return digest;
}

}  // namespace

Digest256 sha256(ByteView data) {
  EVP_MD_CTX* context = thread_context();
  begin(context);
  add(context, data);
  return end(context);
}

struct Sha256::State {
  DigestContext context = new_digest_context();
};

Sha256::Sha256() : state_(std::make_unique<State>()) { begin(state_->context.get()); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
void Sha256::update(ByteView data) { add(state_->context.get(), data); }
Digest256 Sha256::finish() { return end(state_->context.get()); }

// The state after the key's block, inside and outside. Only ever copied from, so threads may share it.
struct HmacSha256::State {
  DigestContext inner = new_digest_context();
  DigestContext outer = new_digest_context();
};

HmacSha256::HmacSha256(ByteView key) : state_(std::make_unique<State>()) {
  std::array<std::byte, kSha256BlockSize> block{};
  if (key.size() > block.size()) {
    Digest256 hashed = sha256(key);
    std::memcpy(block.data(), hashed.data(), hashed.size());
    wipe(hashed);
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  for (std::byte& b : block) b ^= std::byte{0x36};
  begin(state_->inner.get());
  add(state_->inner.get(), block);
  for (std::byte& b : block) b ^= std::byte{0x36 ^ 0x5c};
  begin(state_->outer.get());
  add(state_->outer.get(), block);
  wipe(block);
}

HmacSha256::~HmacSha256() = default;

Digest256 HmacSha256::of(ByteView data) const {
  EVP_MD_CTX* context = thread_context();
  COFFER_ASSERT(EVP_MD_CTX_copy_ex(context, state_->inner.get()) == 1);
  add(context, data);
  Digest256 inner = end(context);
  COFFER_ASSERT(EVP_MD_CTX_copy_ex(context, state_->outer.get()) == 1);
  add(context, inner);
  return end(context);
}

Bytes hkdf_expand_sha512(ByteView prk, ByteView info, size_t length_bytes) {
  COFFER_ASSERT(!prk.empty() && length_bytes > 0 && length_bytes <= 255 * 64);
  const KdfContext context(EVP_KDF_CTX_new(hkdf_algorithm()));
  COFFER_ASSERT(context != nullptr);
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  char digest_name[] = "SHA512";
  // OSSL_PARAM has no const; the key and the info are only read.
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<std::byte*>(prk.data()), prk.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<std::byte*>(info.data()), info.size()),
      OSSL_PARAM_construct_end(),
  };
  Bytes out(length_bytes);
  COFFER_ASSERT(EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(out.data()), out.size(), parameters) ==
                1);
  return out;
}

bool equal_constant_time(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace coffer::crypto
