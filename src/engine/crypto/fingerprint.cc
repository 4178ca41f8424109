#include "engine/crypto/fingerprint.h"

#include <algorithm>

#include "base/secret.h"
#include "engine/crypto/aes_gcm.h"

namespace coffer::crypto {

struct Fingerprinter::State {
  Secret key;
  CipherContext context = new_cipher_context();
};

Fingerprinter::Fingerprinter(ByteView key) : state_(std::make_unique<State>()) {
  COFFER_ASSERT(key.size() == kGcmKeySize);
  state_->key = Secret::copy_of(key);
  COFFER_ASSERT(EVP_EncryptInit_ex(state_->context.get(), aes_256_gcm_algorithm(), nullptr,
                                   reinterpret_cast<const unsigned char*>(key.data()), nullptr) == 1);
}

Fingerprinter::~Fingerprinter() = default;
Fingerprinter::Fingerprinter(Fingerprinter&&) noexcept = default;
Fingerprinter& Fingerprinter::operator=(Fingerprinter&&) noexcept = default;

Fingerprinter Fingerprinter::clone() const { return Fingerprinter(state_->key.view()); }

Fingerprint Fingerprinter::of(ByteView page) {
  static constexpr unsigned char kFixedNonce[kGcmNonceSize] = {};
  EVP_CIPHER_CTX* context = state_->context.get();
  int size = 0;
  COFFER_ASSERT(EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, kFixedNonce) == 1);
  for (; !page.empty();) {  // an output of nullptr makes it associated data: hashed, not encrypted
    ByteView part = page.first(std::min(page.size(), kGcmMessageSizeMax));
    COFFER_ASSERT(EVP_EncryptUpdate(context, nullptr, &size, reinterpret_cast<const unsigned char*>(part.data()),
                                    static_cast<int>(part.size())) == 1);
    page = page.subspan(part.size());
  }
  unsigned char nothing[kGcmTagSize];
  Fingerprint fingerprint;
  COFFER_ASSERT(EVP_EncryptFinal_ex(context, nothing, &size) == 1);
  COFFER_ASSERT(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, fingerprint.data()) == 1);
  return fingerprint;
}

}  // namespace coffer::crypto
