#include "engine/crypto/key_wrap.h"

#include <openssl/err.h>

#include "engine/crypto/openssl_handles.h"

namespace coffer::crypto {
namespace {

constexpr size_t kKeySize = 32;
constexpr size_t kPlainSizeMax = 1 << 16;  // far above any key

const unsigned char* in_ptr(ByteView v) { return reinterpret_cast<const unsigned char*>(v.data()); }
unsigned char* out_ptr(Bytes& b) { return reinterpret_cast<unsigned char*>(b.data()); }

CipherContext wrap_context() {
  CipherContext context = new_cipher_context();
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  return context;
}

}  // namespace

Bytes wrap_key_padded(ByteView key, ByteView plain) {
  COFFER_ASSERT(key.size() == kKeySize && !plain.empty() && plain.size() <= kPlainSizeMax);
  const CipherContext context = wrap_context();
  COFFER_ASSERT(EVP_EncryptInit_ex(context.get(), EVP_aes_256_wrap_pad(), nullptr, in_ptr(key), nullptr) == 1);
  Bytes out((plain.size() + 7) / 8 * 8 + 8);
  int size = 0;
  COFFER_ASSERT(EVP_EncryptUpdate(context.get(), out_ptr(out), &size, in_ptr(plain), static_cast<int>(plain.size())) ==
                1);
  COFFER_ASSERT(static_cast<size_t>(size) == out.size());
  return out;
}

Result<Secret> unwrap_key_padded(ByteView key, ByteView wrapped) {
  COFFER_ASSERT(key.size() == kKeySize);
  const Error refused{ErrorCode::kCorruption, "the wrapped key does not open", {}};
  if (wrapped.size() < 16 || wrapped.size() % 8 != 0 || wrapped.size() > kPlainSizeMax + 16) return refused;
  const CipherContext context = wrap_context();
  COFFER_ASSERT(EVP_DecryptInit_ex(context.get(), EVP_aes_256_wrap_pad(), nullptr, in_ptr(key), nullptr) == 1);
  Bytes out(wrapped.size());
  int size = 0;
  const int done =
      EVP_DecryptUpdate(context.get(), out_ptr(out), &size, in_ptr(wrapped), static_cast<int>(wrapped.size()));
  Secret whole(std::move(out));
  if (done != 1 || size <= 0) {
    ERR_clear_error();
    return refused;
  }
  return Secret::copy_of(whole.view().first(static_cast<size_t>(size)));
}

}  // namespace coffer::crypto
