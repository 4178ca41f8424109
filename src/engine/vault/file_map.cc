#include "engine/vault/file_map.h"

#include <algorithm>
#include <string>

#include "engine/crypto/digest.h"

namespace coffer::vault {
namespace {

constexpr size_t kMapBlockRefSize = 32 + 16 + 4;
constexpr size_t kMapBlockRefsMax = (kChunkSizeMax - 4) / kMapBlockRefSize;

Error bad_map(const std::string& what) { return Error{ErrorCode::kCorruption, "file map: " + what, {}}; }

/// What the group's runs say, checked against each other and against its page count.
Status check_runs(const PageGroup& group) {
  uint32_t pages = 0;
  uint32_t used = 0;
  for (uint8_t i = 0; i < group.run_count; ++i) {
    const PageRun& run = group.runs[i];
    if (run.pages == 0) return bad_map("a run of no pages");
    pages += run.pages;
    if (run.chunk == kZeroRun) {
      if (run.first_page_in_chunk != 0) return bad_map("a run of zeros that names a page");
      continue;
    }
    if (run.chunk >= group.chunk_count) return bad_map("a run names a chunk that the group does not have");
    if (uint32_t{run.first_page_in_chunk} + run.pages > kGroupPages) return bad_map("a run leads outside its chunk");
    used |= uint32_t{1} << run.chunk;
  }
  if (pages != group.page_count()) return bad_map("the runs of a group do not cover its pages");
  if (used != (uint32_t{1} << group.chunk_count) - 1) return bad_map("a chunk of a group is used by no run");
  return ok_status();
}

Status decode_group(ByteReader& in, uint32_t size_bytes, PageGroup& group) {
  group.size_bytes = size_bytes;
  group.crc32c = in.u32();
  group.chunk_count = in.u8();
  group.run_count = in.u8();
  if (!in.ok()) return bad_map("too short");
  if (group.chunk_count > kGroupChunksMax) return bad_map("a group of more than 4 chunks");
  if (group.run_count > kGroupPages) return bad_map("a group of more than 16 runs");
  for (uint8_t i = 0; i < group.chunk_count; ++i) group.chunks[i].bytes = in.array<32>();
  for (uint8_t i = 0; i < group.run_count; ++i) {
    const uint8_t pages = in.u8(), chunk = in.u8(), first = in.u8();
    group.runs[i] = PageRun{.pages = pages, .chunk = chunk, .first_page_in_chunk = first};
  }
  const uint32_t page_count = group.page_count();
  for (uint32_t i = 0; i < page_count; ++i) group.fingerprints[i] = in.array<16>();
  if (!in.ok()) return bad_map("too short");
  return check_runs(group);
}

std::array<std::byte, 16> cut(const crypto::Digest256& digest) {
  std::array<std::byte, 16> out{};
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

}  // namespace

std::array<PageGroup::Place, kGroupPages> PageGroup::places() const {
  std::array<Place, kGroupPages> out{};
  uint32_t page = 0;
  for (uint8_t i = 0; i < run_count; ++i) {
    for (uint8_t k = 0; k < runs[i].pages && page < kGroupPages; ++k, ++page) {
      if (runs[i].chunk == kZeroRun) continue;
      out[page] = Place{runs[i].chunk, static_cast<uint8_t>(runs[i].first_page_in_chunk + k)};
    }
  }
  return out;
}

bool PageGroup::set_places(const std::array<Place, kGroupPages>& places, const std::vector<ChunkId>& ids) {
  std::array<ChunkId, kGroupChunksMax> new_chunks;
  std::array<PageRun, kGroupPages> new_runs;
  uint8_t new_chunk_count = 0, new_run_count = 0;
  const uint32_t page_total = page_count();
  for (uint32_t page = 0; page < page_total; ++page) {
    Place place = places[page];
    if (place.chunk == kZeroRun) {
      place.page_in_chunk = 0;
    } else {
      COFFER_ASSERT(place.chunk < ids.size() && place.page_in_chunk < kGroupPages);
      const auto end = new_chunks.begin() + new_chunk_count;
      const auto known = std::find(new_chunks.begin(), end, ids[place.chunk]);
      if (known == end) {
        if (new_chunk_count == kGroupChunksMax) return false;
        new_chunks[new_chunk_count++] = ids[place.chunk];
      }
      place.chunk = static_cast<uint8_t>(known - new_chunks.begin());
    }
    if (new_run_count > 0) {
      PageRun& last = new_runs[new_run_count - 1u];
      if (last.chunk == place.chunk &&
          (place.chunk == kZeroRun || last.first_page_in_chunk + last.pages == place.page_in_chunk)) {
        ++last.pages;
        continue;
      }
    }
    new_runs[new_run_count++] = PageRun{1, place.chunk, place.page_in_chunk};
  }
  std::copy_n(new_chunks.begin(), new_chunk_count, chunks.begin());
  std::copy_n(new_runs.begin(), new_run_count, runs.begin());
  chunk_count = new_chunk_count;
  run_count = new_run_count;
  return true;
}

Bytes encode_map_block(const MapBlock& block) {
  COFFER_ASSERT(!block.empty() && block.size() <= kGroupsPerMapBlock);
  Bytes out;
  out.reserve(6 + block.size() * (6 + 32 + 3 + kGroupPages * 16));
  ByteWriter w(out);
  w.u16(static_cast<uint16_t>(block.size()));
  w.u32(block.back().size_bytes);
  for (const PageGroup& group : block) {
    COFFER_ASSERT(group.size_bytes == kGroupSize ||
                  (&group == &block.back() && group.size_bytes > 0 && group.size_bytes < kGroupSize));
    w.u32(group.crc32c);
    w.u8(group.chunk_count);
    w.u8(group.run_count);
    for (uint8_t i = 0; i < group.chunk_count; ++i) w.bytes(group.chunks[i].bytes);
    for (uint8_t i = 0; i < group.run_count; ++i) {
      w.u8(group.runs[i].pages);
      w.u8(group.runs[i].chunk);
      w.u8(group.runs[i].first_page_in_chunk);
    }
    const uint32_t page_count = group.page_count();
    for (uint32_t i = 0; i < page_count; ++i) w.bytes(group.fingerprints[i]);
  }
  return out;
}

Result<MapBlock> decode_map_block(ByteView bytes) {
  ByteReader in(bytes);
  const uint16_t count = in.u16();
  const uint32_t last_size = in.u32();
  if (!in.ok()) return bad_map("too short");
  if (count == 0 || count > kGroupsPerMapBlock) return bad_map("a block of " + std::to_string(count) + " groups");
  if (last_size == 0 || last_size > kGroupSize)
    return bad_map("a last group of " + std::to_string(last_size) + " bytes");
  MapBlock block(count);
  for (uint16_t i = 0; i < count; ++i) {
    COFFER_CHECK_OK(decode_group(in, i + 1 == count ? last_size : kGroupSize, block[i]));
  }
  if (!in.done()) return bad_map("bytes behind the last group");
  return block;
}

Bytes encode_map_root(const std::vector<MapBlockRef>& refs) {
  COFFER_ASSERT(!refs.empty() && refs.size() <= kMapBlockRefsMax);
  Bytes out;
  out.reserve(4 + refs.size() * kMapBlockRefSize);
  ByteWriter w(out);
  w.u32(static_cast<uint32_t>(refs.size()));
  for (const MapBlockRef& ref : refs) {
    w.bytes(ref.id.bytes);
    w.bytes(ref.digest);
    w.u32(ref.crc32c);
  }
  return out;
}

Result<std::vector<MapBlockRef>> decode_map_root(ByteView bytes) {
  ByteReader in(bytes);
  const uint32_t count = in.u32();
  if (!in.ok() || count == 0 || count > kMapBlockRefsMax || in.left() != count * kMapBlockRefSize) {
    return bad_map("the map root's count does not fit its size");
  }
  std::vector<MapBlockRef> refs(count);
  for (MapBlockRef& ref : refs) {
    ref.id.bytes = in.array<32>();
    ref.digest = in.array<16>();
    ref.crc32c = in.u32();
  }
  return refs;
}

std::array<std::byte, 16> map_block_digest(const MapBlock& block) {
  crypto::Sha256 hash;
  for (const PageGroup& group : block) {
    for (uint32_t i = 0; i < group.page_count(); ++i) hash.update(group.fingerprints[i]);
  }
  return cut(hash.finish());
}

std::array<std::byte, 16> file_digest(uint64_t size_bytes, const std::vector<MapBlockRef>& refs) {
  crypto::Sha256 hash;
  Bytes size;
  ByteWriter(size).u64(size_bytes);
  hash.update(size);
  for (const MapBlockRef& ref : refs) hash.update(ref.digest);
  return cut(hash.finish());
}

uint32_t map_block_crc32c(const MapBlock& block) {
  uint32_t crc = 0;
  for (const PageGroup& group : block) crc = crypto::crc32c_combine(crc, group.crc32c, group.size_bytes);
  return crc;
}

uint32_t file_crc32c(uint64_t size_bytes, const std::vector<MapBlockRef>& refs) {
  uint32_t crc = 0;
  uint64_t left = size_bytes;
  for (const MapBlockRef& ref : refs) {
    const uint64_t span = std::min(left, kMapBlockSpan);
    crc = crypto::crc32c_combine(crc, ref.crc32c, span);
    left -= span;
  }
  return crc;
}

}  // namespace coffer::vault
