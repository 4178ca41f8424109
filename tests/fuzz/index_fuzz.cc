// Index entries and tombstones: refused, or a place inside a pack and a frame; the bytes are the only ones that say so.

#include "engine/vault/index.h"
#include "engine/vault/tombstone.h"
#include "fuzz/require.h"

using namespace coffer;
using namespace coffer::vault;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  if (auto entry = decode_index_entry(bytes); entry.ok()) {
    const ChunkPlace& place = entry->place;
    require(uint64_t{place.frame_offset} + place.frame_stored_size <= kPackSizeMax);
    require(place.size > 0 && place.offset_in_frame + place.size <= kFramePlainMax);
    require(equal(encode_index_entry(*entry), bytes));
  }
  if (auto packs = decode_tombstone(bytes); packs.ok()) require(equal(encode_tombstone(*packs), bytes));
  return 0;
}
