// The checksums that S3 knows, as streams. MD5 and SHA-1 are here for what clients send and expect, never for security.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace coffer::crypto {

enum class ChecksumKind : uint8_t {
  kCrc32,
  kCrc32c,
  kCrc64Nvme,
  kSha1,
  kSha256,
  kSha512,
  kMd5,
  kXxHash64,
  kXxHash3,
  kXxHash128
};

/// "CRC32", "CRC64NVME", "SHA256" ... as the S3 model names them.
std::string_view name_of(ChecksumKind kind);
std::optional<ChecksumKind> checksum_kind(std::string_view name);
/// Of the digest, in bytes.
size_t checksum_size(ChecksumKind kind);

/// Bytes in, digest out, big-endian as S3 encodes it.
class Checksum {
 public:
  explicit Checksum(ChecksumKind kind);
  ~Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;
  [[nodiscard]] ChecksumKind kind() const;
  void update(ByteView data);
  /// May be called once.
  Bytes finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The digest of a byte string.
Bytes checksum_of(ChecksumKind kind, ByteView data);
/// The checksum of two byte strings joined, from their own and the length of the second. Only for the CRCs.
Bytes combine_checksums(ChecksumKind kind, ByteView first, ByteView second, uint64_t second_size_bytes);

}  // namespace coffer::crypto
