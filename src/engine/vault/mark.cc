// What a point needs, from its manifest down.
#include "engine/vault/chunk_reader.h"
#include "engine/vault/collector.h"
#include "engine/vault/file_list.h"
#include "engine/vault/file_map.h"

namespace coffer::vault {
namespace {

class PointMarker {
 public:
  PointMarker(const Context& context, const Vault& vault, const IndexSet& index,
              const std::function<bool(const ChunkId&)>& first_time, const std::function<Status(const ChunkId&)>& visit)
      : context_(context), packs_(vault), reader_(vault, index, packs_), first_time_(first_time), visit_(visit) {}

  Status mark(const Manifest& manifest) {
    for (const ListBlockRef& block : manifest.list) {
      COFFER_CHECK_OK(context_.check());
      COFFER_CHECK_OK(visit_(block.id));
      if (!is_new(block.id)) continue;
      FileListReader list(reader_, {block});
      COFFER_CHECK_OK(list.visit(context_, [this](FileEntry&& entry) {
        auto marked = mark_file(entry);
        if (!marked.ok()) return Status(std::move(marked).error().in(entry.path));
        return marked;
      }));
    }
    return ok_status();
  }

 private:
  bool is_new(const ChunkId& id) { return !first_time_ || first_time_(id); }

  Status mark_file(const FileEntry& entry) {
    switch (entry.map_kind) {
      case MapKind::kNone: return ok_status();
      case MapKind::kInline: return mark_groups(entry.inline_map);
      case MapKind::kBlock: return mark_map_block(entry.map);
      case MapKind::kRoot: return mark_map_root(entry.map);
    }
    return ok_status();
  }
  Status mark_map_root(const ChunkId& id) {
    COFFER_CHECK_OK(visit_(id));
    if (!is_new(id)) return ok_status();
    COFFER_TRY(const ByteView bytes, reader_.get(context_, id));
    COFFER_TRY(const auto blocks, decode_map_root(bytes));
    for (const MapBlockRef& block : blocks) COFFER_CHECK_OK(mark_map_block(block.id));
    return ok_status();
  }
  Status mark_map_block(const ChunkId& id) {
    COFFER_CHECK_OK(context_.check());
    COFFER_CHECK_OK(visit_(id));
    if (!is_new(id)) return ok_status();
    COFFER_TRY(const ByteView bytes, reader_.get(context_, id));
    return mark_groups(bytes);
  }
  Status mark_groups(ByteView map_block) {
    COFFER_TRY(const MapBlock groups, decode_map_block(map_block));
    for (const PageGroup& group : groups) {
      for (uint8_t i = 0; i < group.chunk_count; ++i) COFFER_CHECK_OK(visit_(group.chunks[i]));
    }
    return ok_status();
  }

  const Context& context_;
  PackCache packs_;
  ChunkReader reader_;
  const std::function<bool(const ChunkId&)>& first_time_;
  const std::function<Status(const ChunkId&)>& visit_;
};

}  // namespace

Status mark_point(const Context& context, const Vault& vault, const IndexSet& index, const Manifest& manifest,
                  const std::function<bool(const ChunkId&)>& first_time,
                  const std::function<Status(const ChunkId&)>& visit) {
  auto marked = PointMarker(context, vault, index, first_time, visit).mark(manifest);
  if (!marked.ok()) return std::move(marked).error().in("point " + manifest.id);
  return marked;
}

}  // namespace coffer::vault
