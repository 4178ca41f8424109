// The one reader of a point's bytes: restore, verify, prove and export all go through it.
#pragma once
#include <optional>
#include <vector>

#include "engine/vault/chunk_reader.h"
#include "engine/vault/file_list.h"
#include "engine/vault/file_map.h"
#include "engine/vault/vault.h"

namespace coffer::jobs {

/// One task's reader. Not thread-safe.
class PointReader {
 public:
  /// All borrowed.
  PointReader(const vault::Vault& vault, const vault::IndexSet& index, vault::PackCache& packs);

  /// One reference per map block of a file, checked against the entry's digest where the map root tells it.
  Result<std::vector<vault::MapBlockRef>> blocks_of(const Context& context, const vault::FileEntry& entry);
  /// Block `number`, checked against its reference's digest and the size that the file has there.
  Result<vault::MapBlock> block(const Context& context, const vault::FileEntry& entry,
                                const std::vector<vault::MapBlockRef>& refs, uint64_t number);
  /// The bytes of a group, `group.size_bytes` of them, each page checked against its fingerprint; kCorruption else.
  Status read_group(const Context& context, const vault::PageGroup& group, MutableByteView out);
  /// Do these bytes (of a file that is there already) have the group's fingerprints?
  bool matches(const vault::PageGroup& group, ByteView bytes);
  [[nodiscard]] vault::ChunkReader& chunks() { return chunks_; }

 private:
  vault::ChunkReader chunks_;
  crypto::Fingerprinter fingerprinter_;
};

}  // namespace coffer::jobs
