#include "engine/crypto/aes_gcm.h"

#include <openssl/err.h>

namespace coffer::crypto {
namespace {

const unsigned char* in_ptr(ByteView v) { return reinterpret_cast<const unsigned char*>(v.data()); }
const unsigned char* in_ptr(const GcmNonce& n) { return reinterpret_cast<const unsigned char*>(n.data()); }
unsigned char* out_ptr(std::byte* p) { return reinterpret_cast<unsigned char*>(p); }

}  // namespace

GcmSealer::GcmSealer(ByteView key) : context_(new_cipher_context()) {
  COFFER_ASSERT(key.size() == kGcmKeySize);
  COFFER_ASSERT(EVP_EncryptInit_ex(context_.get(), aes_256_gcm_algorithm(), nullptr, in_ptr(key), nullptr) == 1);
}

void GcmSealer::seal(const GcmNonce& nonce, ByteView plain, std::byte* out) {
  COFFER_ASSERT(plain.size() <= kGcmMessageSizeMax);
  EVP_CIPHER_CTX* context = context_.get();
  int size = 0;
  COFFER_ASSERT(EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, in_ptr(nonce)) == 1);
  if (!plain.empty()) {
    COFFER_ASSERT(EVP_EncryptUpdate(context, out_ptr(out), &size, in_ptr(plain), static_cast<int>(plain.size())) == 1);
    COFFER_ASSERT(static_cast<size_t>(size) == plain.size());
  }
  std::byte* tag = out + plain.size();
  COFFER_ASSERT(EVP_EncryptFinal_ex(context, out_ptr(tag), &size) == 1 && size == 0);
  COFFER_ASSERT(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, tag) == 1);
}

GcmOpener::GcmOpener(ByteView key) : context_(new_cipher_context()) {
  COFFER_ASSERT(key.size() == kGcmKeySize);
  COFFER_ASSERT(EVP_DecryptInit_ex(context_.get(), aes_256_gcm_algorithm(), nullptr, in_ptr(key), nullptr) == 1);
}

bool GcmOpener::open(const GcmNonce& nonce, ByteView sealed, std::byte* out) {
  if (sealed.size() < kGcmTagSize || sealed.size() > kGcmMessageSizeMax) return false;
  EVP_CIPHER_CTX* context = context_.get();
  size_t plain_size = sealed.size() - kGcmTagSize;
  std::array<std::byte, kGcmTagSize> tag;
  std::memcpy(tag.data(), sealed.data() + plain_size, tag.size());
  int size = 0;
  COFFER_ASSERT(EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, in_ptr(nonce)) == 1);
  COFFER_ASSERT(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kGcmTagSize, tag.data()) == 1);
  if (plain_size > 0) {
    COFFER_ASSERT(EVP_DecryptUpdate(context, out_ptr(out), &size, in_ptr(sealed), static_cast<int>(plain_size)) == 1);
  }
  // The final call writes nothing with GCM, but gets a place of its own: `out` may be exactly plain_size long.
  unsigned char nothing[kGcmTagSize];
  if (EVP_DecryptFinal_ex(context, nothing, &size) == 1) return true;
  ERR_clear_error();
  return false;
}

}  // namespace coffer::crypto
