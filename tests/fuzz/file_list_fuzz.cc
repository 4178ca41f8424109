// File list entries: refused, or a path that stays below the data directory and a map that fits the size; and what was
// decoded is decoded again from what it is encoded to.

#include "base/filesystem.h"
#include "engine/vault/file_list.h"
#include "engine/vault/file_map.h"
#include "fuzz/require.h"

using namespace coffer;
using namespace coffer::vault;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  if (auto entry = decode_file_entry(bytes); entry.ok()) {
    require(check_relative_path(entry->path).ok());
    if (entry->map_kind == MapKind::kInline) {
      auto block = decode_map_block(entry->inline_map);
      require(block.ok() && block->size() <= kInlineGroups);
    }
    // Numbers of varying length have longer forms too, so the bytes may differ; the meaning may not.
    const Bytes again = encode_file_entry(*entry);
    auto second = decode_file_entry(again);
    require(second.ok() && encode_file_entry(*second) == again);
  }
  // Whatever is no entry is refused by the writer, not stored.
  FileListWriter writer([](ByteView) -> Result<ChunkId> { return ChunkId{}; });
  if (writer.add(bytes).ok()) require(writer.finish().ok());
  return 0;
}
