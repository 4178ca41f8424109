// Page fingerprints: 16 bytes that tell whether a page is the page we stored.
//
// The fingerprint is GMAC under a key and a nonce that are fixed for one vault epoch, both derived from its root. A
// fixed nonce makes it a universal hash (collision of two given pages of 8 KiB: at most 2^-118) whose key must stay
// secret: that is so, because fingerprints only ever leave the process inside sealed objects. It is not an
// authenticator towards somebody who sees fingerprints; the seal is that.
#pragma once
#include <array>
#include <memory>

#include "base/bytes.h"

namespace coffer::crypto {

using Fingerprint = std::array<std::byte, 16>;

/// Holds one cipher context: one object per thread, cheap to copy from a prototype by clone().
class Fingerprinter {
 public:
  /// `key` is 32 bytes.
  explicit Fingerprinter(ByteView key);
  ~Fingerprinter();
  Fingerprinter(Fingerprinter&&) noexcept;
  Fingerprinter& operator=(Fingerprinter&&) noexcept;
  [[nodiscard]] Fingerprinter clone() const;
  /// Of any number of bytes; the length takes part.
  Fingerprint of(ByteView page);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::crypto
