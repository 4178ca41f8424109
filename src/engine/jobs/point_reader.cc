#include "engine/jobs/point_reader.h"

#include <algorithm>

namespace coffer::jobs {

using namespace vault;

PointReader::PointReader(const Vault& vault, const IndexSet& index, PackCache& packs)
    : chunks_(vault, index, packs), fingerprinter_(vault.current().fingerprints->clone()) {}

Result<std::vector<MapBlockRef>> PointReader::blocks_of(const Context& context, const FileEntry& entry) {
  const uint64_t count = map_block_count(entry.size_bytes);
  std::vector<MapBlockRef> refs(entry.map_kind == MapKind::kNone ? 0 : 1);
  if (entry.map_kind == MapKind::kBlock) refs[0].id = entry.map;
  if (entry.map_kind == MapKind::kRoot) {
    COFFER_TRY(ByteView root, chunks_.get(context, entry.map));
    COFFER_TRY(refs, decode_map_root(root));
    if (refs.size() == count && file_digest(entry.size_bytes, refs) != entry.digest)
      return Error{ErrorCode::kCorruption, "the map root has another digest than the file list says", {}}.in(
          entry.path);
  }
  if (refs.size() != count)
    return Error{ErrorCode::kCorruption, "the file map does not fit the file's size", {}}.in(entry.path);
  return refs;
}

Result<MapBlock> PointReader::block(const Context& context, const FileEntry& entry,
                                    const std::vector<MapBlockRef>& refs, uint64_t number) {
  COFFER_ASSERT(number < refs.size());
  MapBlock block;
  if (entry.map_kind == MapKind::kInline) {
    COFFER_TRY(block, decode_map_block(entry.inline_map));
  } else {
    COFFER_TRY(ByteView bytes, chunks_.get(context, refs[number].id));
    COFFER_TRY(block, decode_map_block(bytes));
  }
  uint64_t covered = 0;
  for (const PageGroup& g : block) covered += g.size_bytes;
  const uint64_t expected = std::min<uint64_t>(kMapBlockSpan, entry.size_bytes - number * kMapBlockSpan);
  const auto digest = map_block_digest(block);
  MapBlockRef whole;
  whole.digest = digest;
  const bool digest_good = entry.map_kind == MapKind::kRoot ? digest == refs[number].digest
                                                            : file_digest(entry.size_bytes, {whole}) == entry.digest;
  if (covered != expected || !digest_good)
    return Error{ErrorCode::kCorruption, "map block " + std::to_string(number) + " does not fit the file", {}}.in(
        entry.path);
  return block;
}

Status PointReader::read_group(const Context& context, const PageGroup& group, MutableByteView out) {
  COFFER_ASSERT(out.size() == group.size_bytes);
  size_t at = 0;
  for (uint8_t r = 0; r < group.run_count; ++r) {
    const PageRun& run = group.runs[r];
    const size_t size = std::min<size_t>(size_t{run.pages} * kPageSize, out.size() - at);
    MutableByteView to = out.subspan(at, size);
    if (run.chunk == kZeroRun) {
      std::memset(to.data(), 0, to.size());
    } else {
      // Page chunks are not hashed again: the fingerprints below tell the same, of every page, and cheaper.
      COFFER_TRY(ByteView chunk, chunks_.get(context, group.chunks[run.chunk], false));
      const size_t from = size_t{run.first_page_in_chunk} * kPageSize;
      if (from + size > chunk.size())
        return Error{ErrorCode::kCorruption, "a file map points outside chunk " + group.chunks[run.chunk].hex(), {}};
      std::memcpy(to.data(), chunk.data() + from, size);
    }
    at += size;
  }
  if (at != out.size()) return Error{ErrorCode::kCorruption, "a file map leaves out pages", {}};
  if (!matches(group, out)) return Error{ErrorCode::kCorruption, "a page does not have its fingerprint", {}};
  return ok_status();
}

bool PointReader::matches(const PageGroup& group, ByteView bytes) {
  if (bytes.size() != group.size_bytes) return false;
  for (uint32_t p = 0; p < group.page_count(); ++p) {
    ByteView page = bytes.subspan(p * kPageSize, std::min<size_t>(kPageSize, bytes.size() - p * kPageSize));
    if (fingerprinter_.of(page) != group.fingerprints[p]) return false;
  }
  return true;
}

}  // namespace coffer::jobs
