// File maps: where the pages of a file are, and how to know them. docs/format.md "File map".
//
// A file is cut at fixed offsets into page groups of 128 KiB (16 pages of 8 KiB; the last group and page may be
// shorter). 64 groups form a map block (8 MiB of file), which is stored as a chunk. So a changed page costs its page
// and one map block.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/crypto/fingerprint.h"
#include "engine/vault/chunk.h"

namespace coffer::vault {

inline constexpr uint8_t kZeroRun = 0xff;
inline constexpr size_t kGroupChunksMax = 4;  // more: the group is rewritten whole

/// `pages` pages that lie one behind the other in chunk number `chunk` of the group from page `first_page_in_chunk`;
/// chunk == kZeroRun: pages of zeros, stored nowhere.
struct PageRun {
  uint8_t pages = 0;
  uint8_t chunk = kZeroRun;
  uint8_t first_page_in_chunk = 0;
  friend bool operator==(const PageRun&, const PageRun&) = default;
};

/// One page group. Flat, no allocation.
struct PageGroup {
  uint32_t size_bytes = 0;  // kGroupSize, or less at the end of the file
  uint32_t crc32c = 0;      // of the group's bytes
  uint8_t chunk_count = 0;
  uint8_t run_count = 0;
  std::array<ChunkId, kGroupChunksMax> chunks;
  std::array<PageRun, kGroupPages> runs;
  std::array<crypto::Fingerprint, kGroupPages> fingerprints{};
  [[nodiscard]] uint32_t page_count() const { return (size_bytes + kPageSize - 1) / kPageSize; }
  /// Which run and page within the chunk hold page `page`: {chunk index or kZeroRun, page in chunk}.
  struct Place {
    uint8_t chunk = kZeroRun;
    uint8_t page_in_chunk = 0;
  };
  [[nodiscard]] std::array<Place, kGroupPages> places() const;
  /// Sets runs and chunks from places and ids (chunks no place uses are dropped). False when it needs more than
  /// kGroupChunksMax.
  bool set_places(const std::array<Place, kGroupPages>& places, const std::vector<ChunkId>& ids);
};

using MapBlock = std::vector<PageGroup>;  // at most kGroupsPerMapBlock
/// A file of `size_bytes` has this many map blocks.
constexpr uint64_t map_block_count(uint64_t size_bytes) { return (size_bytes + kMapBlockSpan - 1) / kMapBlockSpan; }

Bytes encode_map_block(const MapBlock& block);
/// Every count, run sum and page index is checked: a decoded block cannot lead outside a chunk of its own size rules.
Result<MapBlock> decode_map_block(ByteView bytes);

/// What the map root says of each map block: enough for the file's digest and CRC without loading it.
struct MapBlockRef {
  ChunkId id;
  std::array<std::byte, 16> digest{};  // map_block_digest()
  uint32_t crc32c = 0;                 // of the bytes it covers
};
Bytes encode_map_root(const std::vector<MapBlockRef>& refs);
Result<std::vector<MapBlockRef>> decode_map_root(ByteView bytes);

/// SHA-256 over the fingerprints of a block in order, cut to 16 bytes: tells content, not how it is stored.
std::array<std::byte, 16> map_block_digest(const MapBlock& block);
/// The digest of a whole file: SHA-256 over its size and its blocks' digests, cut to 16 bytes.
std::array<std::byte, 16> file_digest(uint64_t size_bytes, const std::vector<MapBlockRef>& refs);
uint32_t map_block_crc32c(const MapBlock& block);
uint32_t file_crc32c(uint64_t size_bytes, const std::vector<MapBlockRef>& refs);

}  // namespace coffer::vault
