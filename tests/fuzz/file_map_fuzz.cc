// File maps and map roots: refused, or every page of every group lies inside a chunk of the group, and the bytes are
// the only ones that say so.

#include "engine/vault/file_map.h"
#include "fuzz/require.h"

namespace {

using namespace coffer;
using namespace coffer::vault;

void check_group(const PageGroup& group) {
  require(group.chunk_count <= kGroupChunksMax && group.run_count <= kGroupPages && group.page_count() <= kGroupPages);
  const auto places = group.places();
  std::vector<ChunkId> ids(group.chunks.begin(), group.chunks.begin() + group.chunk_count);
  for (const auto& place : places) {
    require(place.chunk == kZeroRun || place.chunk < group.chunk_count);
    require(place.page_in_chunk < kGroupPages);
  }
  PageGroup again = group;
  require(again.set_places(places, ids));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  if (auto block = decode_map_block(bytes); block.ok()) {
    require(!block->empty() && block->size() <= kGroupsPerMapBlock);
    for (const PageGroup& group : *block) check_group(group);
    require(equal(encode_map_block(*block), bytes));
    (void)map_block_digest(*block);
    (void)map_block_crc32c(*block);
  }
  if (auto root = decode_map_root(bytes); root.ok()) require(!root->empty() && equal(encode_map_root(*root), bytes));
  return 0;
}
