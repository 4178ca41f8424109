// The vocabulary of the vault's data side.
//
// chunk: up to 1 MiB of plain bytes that has an address. chunk id: 30 bytes of HMAC-SHA-256 under a key of the epoch,
//   then the epoch: the same bytes have one id in one epoch, and an outsider learns nothing from it.
// frame: consecutive chunks that were compressed together; the unit that a reader fetches and decompresses.
// pack: a sealed object of frames back to back with a table of contents at its end; at most 64 MiB.
// index: sealed, sorted list of chunk id -> place; derived from packs, rebuildable.
// page group: 16 pages (128 KiB) of a file at a fixed offset. file map: where the pages of each group are, their
//   fingerprints. file list: the sorted entries of a point. manifest: what makes a point; see manifest.h.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "engine/crypto/sealed_object.h"

namespace coffer::vault {

inline constexpr uint32_t kPageSize = 8192;
inline constexpr uint32_t kGroupPages = 16;
inline constexpr uint32_t kGroupSize = kPageSize * kGroupPages;
inline constexpr uint32_t kGroupsPerMapBlock = 64;  // 8 MiB of file
inline constexpr uint64_t kMapBlockSpan = uint64_t{kGroupsPerMapBlock} * kGroupSize;
inline constexpr uint32_t kChunkSizeMax = 1 << 20;
inline constexpr uint32_t kFramePlainMax = 2 << 20;
inline constexpr uint64_t kPackSizeMax = uint64_t{64} << 20;

struct ChunkId {
  std::array<std::byte, 32> bytes{};
  friend auto operator<=>(const ChunkId& a, const ChunkId& b) {
    return std::memcmp(a.bytes.data(), b.bytes.data(), 32) <=> 0;
  }
  friend bool operator==(const ChunkId& a, const ChunkId& b) { return a.bytes == b.bytes; }
  [[nodiscard]] uint16_t epoch() const {
    return static_cast<uint16_t>(static_cast<uint16_t>(bytes[30]) << 8 | static_cast<uint16_t>(bytes[31]));
  }
  [[nodiscard]] std::string hex() const { return to_hex(bytes); }
};

struct ChunkIdHash {
  size_t operator()(const ChunkId& id) const { return load_le<uint64_t>(id.bytes.data()); }
};

using PackId = crypto::ObjectId;
/// "packs/<first two hex digits>/<32 hex digits>".
std::string pack_key(const PackId& id);
std::string index_key(const crypto::ObjectId& id);

enum class Codec : uint8_t { kNone = 0, kZstd = 1, kLz4 = 2 };

/// Where a chunk is.
struct ChunkPlace {
  PackId pack{};
  uint32_t frame_offset = 0;       // in the pack's plain bytes
  uint32_t frame_stored_size = 0;  // compressed; under 2^24
  Codec codec = Codec::kNone;
  uint32_t offset_in_frame = 0;  // in the decompressed frame; under 2^24
  uint32_t size = 0;             // under 2^24
};
struct IndexEntry {
  ChunkId id;
  ChunkPlace place;
};

}  // namespace coffer::vault
