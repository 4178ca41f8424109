// AES-256-GCM under one key, one direction; internal to this folder. Everybody else uses sealed objects.
#pragma once
#include <array>

#include "base/bytes.h"
#include "engine/crypto/openssl_handles.h"

namespace coffer::crypto {

inline constexpr size_t kGcmKeySize = 32;
inline constexpr size_t kGcmNonceSize = 12;
inline constexpr size_t kGcmTagSize = 16;
/// OpenSSL takes lengths as int.
inline constexpr size_t kGcmMessageSizeMax = size_t{1} << 30;

using GcmNonce = std::array<std::byte, kGcmNonceSize>;

/// The key is set up once, each message only brings its nonce. A nonce must never come twice with different plaintexts.
class GcmSealer {
 public:
  explicit GcmSealer(ByteView key);
  /// Writes plain.size() + kGcmTagSize bytes to `out`, which may begin where `plain` does.
  void seal(const GcmNonce& nonce, ByteView plain, std::byte* out);

 private:
  CipherContext context_;
};

class GcmOpener {
 public:
  explicit GcmOpener(ByteView key);
  /// Writes sealed.size() - kGcmTagSize bytes to `out`, which may begin where `sealed` does. False when the tag does
  /// not hold; what stands in `out` is then meaningless and must not leave the caller.
  [[nodiscard]] bool open(const GcmNonce& nonce, ByteView sealed, std::byte* out);

 private:
  CipherContext context_;
};

}  // namespace coffer::crypto
