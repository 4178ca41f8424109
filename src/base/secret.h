// Secret: bytes that are wiped when they go, and that no log or stream accepts.
#pragma once
#include "base/bytes.h"

namespace coffer {

/// Key material or a passphrase. Movable, not copyable: a copy is asked for by name, so that it can be searched for.
class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes bytes) : bytes_(std::move(bytes)) {}
  /// Takes a copy; the caller wipes its own.
  static Secret copy_of(ByteView bytes) { return Secret(to_bytes(bytes)); }
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  Secret& operator=(Secret&& other) noexcept {
    wipe();
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(); }

  [[nodiscard]] ByteView view() const { return bytes_; }
  [[nodiscard]] size_t size() const { return bytes_.size(); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] Secret clone() const { return copy_of(bytes_); }

 private:
  void wipe();
  Bytes bytes_;
};

/// Overwrites `bytes` in a way the compiler may not leave out.
void wipe(MutableByteView bytes);

}  // namespace coffer
