// Digests, MACs and key derivation, all by OpenSSL. Algorithms are fetched once per process; contexts are reused per
// thread.
#pragma once
#include <array>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::crypto {

using Digest256 = std::array<std::byte, 32>;

Digest256 sha256(ByteView data);
/// Streaming SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(ByteView data);
  /// May be called once.
  Digest256 finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// HMAC-SHA-256 with a key that is set up once: two SHA-256 states are kept, so a short message costs two blocks.
/// Safe to call from many threads at once.
class HmacSha256 {
 public:
  explicit HmacSha256(ByteView key);
  ~HmacSha256();
  HmacSha256(const HmacSha256&) = delete;
  HmacSha256& operator=(const HmacSha256&) = delete;
  [[nodiscard]] Digest256 of(ByteView data) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// HKDF-Expand with SHA-512 (RFC 5869): `prk` is used as it is. `length_bytes` is at most 255 * 64.
Bytes hkdf_expand_sha512(ByteView prk, ByteView info, size_t length_bytes);

/// Constant time for equal lengths.
bool equal_constant_time(ByteView a, ByteView b);

/// CRC-32C (Castagnoli) as PostgreSQL uses it: initial value and final XOR 0xFFFFFFFF are applied inside.
/// `crc` continues an earlier value (0 to begin).
uint32_t crc32c(ByteView data, uint32_t crc = 0);
/// The CRC-32C of two byte strings joined, from their own and the length of the second.
uint32_t crc32c_combine(uint32_t first, uint32_t second, uint64_t second_size_bytes);

}  // namespace coffer::crypto
