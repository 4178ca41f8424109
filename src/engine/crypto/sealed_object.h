// Sealed object v1: the one encrypted container of this project (docs/format.md, "Sealed object").
//
// 128-byte header, then segments of AES-256-GCM. Key, nonce and a commitment come from HKDF-Expand-SHA-512 over the
// root, the header and the object's logical identity (`place`), so an object that is moved, swapped or renamed does not
// open. Every failure is one kind: kCorruption "authentication failed" (no oracle about which check).
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"

namespace coffer::crypto {

inline constexpr size_t kSealedHeaderSize = 128;
inline constexpr size_t kSealedTagSize = 16;
inline constexpr size_t kRootSize = 64;

enum class ObjectKind : uint16_t {
  kPack = 1,
  kIndex = 2,
  kManifest = 3,
  kExportPart = 4,
  kLogEntry = 5,
  kLease = 6,
  kAttestation = 7,
  kTombstone = 8,
  kWal = 9,
  kKeyMaterial = 10,  // of a KMS key
  kCredential = 11,   // a secret access key, a session token, a list's marker
  kObjectBlock = 12,  // of the bytes of an S3 object
  kObjectKey = 13,    // the root of an S3 object
};

using KeyId = std::array<std::byte, 16>;
using ObjectId = std::array<std::byte, 16>;

/// What is sealed into the header and the key derivation. `place` is not stored: the reader must know it.
struct SealParameters {
  KeyId key_id{};  // names the keyset (the epoch) whose root is used
  ObjectId object_id{};
  ObjectKind kind = ObjectKind::kPack;
  std::string place;          // logical identity, UTF-8, under 512 bytes: "vault:<uuid>/packs/<id>"
  uint8_t segment_log2 = 16;  // 12 to 24
};

/// The sealed size of `plain_size` bytes.
uint64_t sealed_size(uint64_t plain_size, uint8_t segment_log2 = 16);

/// The whole sealed object. A fresh salt is drawn from `entropy` by every call: never two plaintexts under one salt.
/// `root` is kRootSize bytes.
Bytes seal(ByteView root, const SealParameters& parameters, ByteView plain, Entropy& entropy);
/// The same into `sealed`, whose old contents go and whose memory is used again: for megabytes, the page faults of
/// fresh memory cost more than the encryption. `plain` may not lie in `sealed`.
void seal_into(Bytes& sealed, ByteView root, const SealParameters& parameters, ByteView plain, Entropy& entropy);
/// The same with a given salt; only for test vectors.
Bytes seal_with_salt(ByteView root, const SealParameters& parameters, ByteView plain, ByteView salt32);

/// What stands in clear in a header; nothing of it is trusted before the object was opened.
struct SealedHeader {
  KeyId key_id{};
  ObjectId object_id{};
  ObjectKind kind{};
  uint8_t segment_log2 = 16;
};
Result<SealedHeader> parse_sealed_header(ByteView first_128_bytes);

/// A sealed object opened for random access. Immutable, safe from many threads at once; keys are wiped with it.
class SealedReader {
 public:
  /// Checks the header, kind, place and the commitment, then the last segment, so that plain_size() is authentic.
  /// `sealed_size_bytes` is the size of the stored object; `read` gives exact ranges of it and must outlive nothing but
  /// the calls made here and by read_plain (it is stored).
  using ReadRange = std::function<Result<Bytes>(uint64_t offset, uint64_t length)>;
  static Result<SealedReader> open(ByteView root, ObjectKind kind, std::string_view place, uint64_t sealed_size_bytes,
                                   ReadRange read);
  SealedReader(SealedReader&&) noexcept;
  SealedReader& operator=(SealedReader&&) noexcept;
  ~SealedReader();

  [[nodiscard]] uint64_t plain_size() const;
  [[nodiscard]] const SealedHeader& header() const;
  /// Exactly out.size() plain bytes from `offset`, each segment verified before a byte of it is released.
  Status read_plain(uint64_t offset, MutableByteView out) const;

 private:
  struct State;
  explicit SealedReader(std::unique_ptr<State>);
  std::unique_ptr<State> state_;
};

/// Opens a whole object that is in memory.
Result<Bytes> open_sealed(ByteView root, ObjectKind kind, std::string_view place, ByteView sealed);

}  // namespace coffer::crypto
