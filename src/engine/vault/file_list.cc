#include "engine/vault/file_list.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <utility>

#include "base/filesystem.h"
#include "engine/vault/file_map.h"

namespace coffer::vault {
namespace {

constexpr size_t kBlockSizeMin = 16 << 10;
constexpr size_t kBlockSizeMax = 256 << 10;
constexpr uint64_t kCutMask = 0xff;  // entries of about 200 bytes then make blocks of about 64 KiB
constexpr size_t kInlineMapSizeMax = 1024;
constexpr size_t kEntrySizeMax = 8 << 10;  // a path of at most 4000 bytes, an inline map and fixed fields
constexpr size_t kBlocksCached = 4;

constexpr uint8_t kFlagDirectory = 1, kFlagDamaged = 2;
constexpr int kMapKindShift = 2;

Error bad_entry(const std::string& what) { return Error{ErrorCode::kCorruption, "file list entry: " + what, {}}; }

/// The path of an encoded entry; nothing when it has no end.
std::optional<std::string_view> path_of(ByteView entry) {
  const std::string_view text = as_text(entry);
  const size_t end = text.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  return text.substr(0, end);
}

/// FNV-1a. Part of no format, but blocks are shared between points only while it stays the same.
uint64_t hash_of(std::string_view path) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash ^ hash >> 32;
}

Status check_inline_map(const FileEntry& entry) {
  COFFER_TRY(const MapBlock block, decode_map_block(entry.inline_map));
  uint64_t size = 0;
  for (const PageGroup& group : block) size += group.size_bytes;
  if (block.size() > kInlineGroups || size != entry.size_bytes) return bad_entry("its map is of another size");
  return ok_status();
}

Status decode_map(ByteReader& in, uint8_t kind, FileEntry& entry) {
  switch (kind) {
    case static_cast<uint8_t>(MapKind::kNone):
      if (!entry.is_directory && entry.size_bytes != 0) return bad_entry("a file with content and without a map");
      return ok_status();
    case static_cast<uint8_t>(MapKind::kInline): {
      const uint64_t size = in.varint();
      if (!in.ok() || size > kInlineMapSizeMax || size > in.left()) return bad_entry("its map is too long");
      entry.inline_map = to_bytes(in.bytes(size));
      return check_inline_map(entry);
    }
    case static_cast<uint8_t>(MapKind::kBlock):
      if (entry.size_bytes == 0 || entry.size_bytes > kMapBlockSpan)
        return bad_entry("one map block does not fit its size");
      break;
    default:
      if (entry.size_bytes == 0) return bad_entry("an empty file with a map");
      break;
  }
  entry.map.bytes = in.array<32>();
  return ok_status();
}

}  // namespace

Bytes encode_file_entry(const FileEntry& entry) {
  COFFER_ASSERT(entry.path.find('\0') == std::string::npos);
  Bytes out;
  out.reserve(entry.path.size() + 96 + entry.inline_map.size());
  ByteWriter w(out);
  w.bytes(as_bytes(entry.path));
  w.u8(0);
  const auto kind = static_cast<uint8_t>(entry.map_kind);
  w.u8(static_cast<uint8_t>((entry.is_directory ? kFlagDirectory : 0) | (entry.damaged_pages ? kFlagDamaged : 0) |
                            kind << kMapKindShift));
  w.varint(entry.mode);
  w.u64(static_cast<uint64_t>(entry.mtime_ns));
  w.u64(static_cast<uint64_t>(entry.ctime_ns));
  w.varint(entry.inode);
  w.varint(entry.size_bytes);
  if (entry.is_directory) {
    COFFER_ASSERT(entry.map_kind == MapKind::kNone);
    return out;
  }
  w.u32(entry.crc32c);
  w.bytes(entry.digest);
  if (entry.map_kind == MapKind::kInline) {
    w.varint(entry.inline_map.size());
    w.bytes(entry.inline_map);
  } else if (entry.map_kind != MapKind::kNone) {
    w.bytes(entry.map.bytes);
  }
  return out;
}

Result<FileEntry> decode_file_entry(ByteView bytes) {
  if (bytes.size() > kEntrySizeMax) return bad_entry("too long");
  const auto path = path_of(bytes);
  if (!path) return bad_entry("its path has no end");
  if (auto checked = check_relative_path(*path); !checked.ok()) return bad_entry(checked.error().message);
  FileEntry entry;
  entry.path = std::string(*path);
  ByteReader in(bytes.subspan(path->size() + 1));
  const uint8_t flags = in.u8();
  if (flags >> (kMapKindShift + 2) != 0) return bad_entry("unknown flags");
  entry.is_directory = (flags & kFlagDirectory) != 0;
  entry.damaged_pages = (flags & kFlagDamaged) != 0;
  const auto kind = static_cast<uint8_t>(flags >> kMapKindShift);
  entry.map_kind = static_cast<MapKind>(kind);
  const uint64_t mode = in.varint();
  if (mode > 07777) return bad_entry("its mode is more than permission bits");
  entry.mode = static_cast<uint32_t>(mode);
  entry.mtime_ns = static_cast<int64_t>(in.u64());
  entry.ctime_ns = static_cast<int64_t>(in.u64());
  entry.inode = in.varint();
  entry.size_bytes = in.varint();
  if (entry.is_directory) {
    if (entry.map_kind != MapKind::kNone) return bad_entry("a directory with a map");
  } else {
    entry.crc32c = in.u32();
    entry.digest = in.array<16>();
    if (!in.ok()) return bad_entry("too short");
    COFFER_CHECK_OK(decode_map(in, kind, entry));
  }
  if (!in.done()) return bad_entry(in.ok() ? "bytes behind its end" : "too short");
  return entry;
}

struct FileListWriter::State {
  PutChunk put_chunk;
  Bytes block;
  std::string first_path, last_path;
  uint32_t entries = 0;
  bool any = false;
  std::vector<ListBlockRef> refs;

  Status cut() {
    if (entries == 0) return ok_status();
    COFFER_TRY(const ChunkId id, put_chunk(block));
    refs.push_back(ListBlockRef{.first_path = std::exchange(first_path, {}), .id = id, .entries = entries});
    block.clear();
    entries = 0;
    return ok_status();
  }
};

FileListWriter::FileListWriter(PutChunk put_chunk) : state_(std::make_unique<State>()) {
  state_->put_chunk = std::move(put_chunk);
}
FileListWriter::~FileListWriter() = default;

Status FileListWriter::add(ByteView encoded_entry) {
  State& s = *state_;
  const auto path = path_of(encoded_entry);
  if (!path || path->empty() || encoded_entry.size() > kEntrySizeMax) return bad_entry("not an entry");
  if (s.any && *path <= s.last_path) {
    return Error{
        ErrorCode::kCorruption, "file list: '" + std::string(*path) + "' comes after '" + s.last_path + "'", {}};
  }
  if (s.block.size() + 4 + encoded_entry.size() > kBlockSizeMax) COFFER_CHECK_OK(s.cut());
  if (s.entries == 0) s.first_path = std::string(*path);
  s.any = true;
  s.last_path = std::string(*path);
  ByteWriter w(s.block);
  w.u32(static_cast<uint32_t>(encoded_entry.size()));
  w.bytes(encoded_entry);
  ++s.entries;
  if (s.block.size() >= kBlockSizeMin && (hash_of(*path) & kCutMask) == 0) return s.cut();
  return ok_status();
}

Result<std::vector<ListBlockRef>> FileListWriter::finish() {
  COFFER_CHECK_OK(state_->cut());
  return std::move(state_->refs);
}

namespace {

/// A block as it was read, with where each entry is.
struct LoadedBlock {
  struct Entry {
    uint32_t offset, size, path_size;
  };
  Bytes bytes;
  std::vector<Entry> entries;
  [[nodiscard]] std::string_view path(const Entry& e) const { return as_text(bytes).substr(e.offset, e.path_size); }
  [[nodiscard]] ByteView entry(const Entry& e) const { return ByteView(bytes).subspan(e.offset, e.size); }
};

Result<std::shared_ptr<const LoadedBlock>> parse_block(ByteView bytes, const ListBlockRef& ref) {
  auto bad = [&](const std::string& what) {
    return Error{
        ErrorCode::kCorruption, "file list block " + ref.id.hex() + " (from '" + ref.first_path + "'): " + what, {}};
  };
  auto block = std::make_shared<LoadedBlock>();
  block->bytes = to_bytes(bytes);
  ByteReader in(block->bytes);
  while (in.left() > 0) {
    const uint32_t size = in.u32();
    const auto offset = static_cast<uint32_t>(in.position());
    const ByteView entry = in.bytes(size);
    if (!in.ok()) return bad("an entry is cut off");
    const auto path = path_of(entry);
    if (!path) return bad("a path has no end");
    if (!block->entries.empty() && *path <= block->path(block->entries.back()))
      return bad("its entries are not in order");
    block->entries.push_back({offset, size, static_cast<uint32_t>(path->size())});
  }
  if (block->entries.size() != ref.entries || block->entries.empty())
    return bad("another number of entries than the manifest says");
  if (block->path(block->entries.front()) != ref.first_path) return bad("it begins with another path");
  return std::shared_ptr<const LoadedBlock>(std::move(block));
}

}  // namespace

struct FileListReader::State {
  ChunkReader& reader;
  std::vector<ListBlockRef> blocks;
  struct Cached {
    size_t number;
    std::shared_ptr<const LoadedBlock> block;
  };
  std::list<Cached> cache;  // most recently used first

  Result<std::shared_ptr<const LoadedBlock>> load(const Context& context, size_t number) {
    const auto known = std::find_if(cache.begin(), cache.end(), [&](const Cached& c) { return c.number == number; });
    if (known != cache.end()) {
      cache.splice(cache.begin(), cache, known);
      return cache.front().block;
    }
    auto bytes = reader.get(context, blocks[number].id, true);
    if (!bytes.ok()) return std::move(bytes).error().in("file list from '" + blocks[number].first_path + "'");
    COFFER_TRY(auto block, parse_block(*bytes, blocks[number]));
    cache.push_front({number, block});
    if (cache.size() > kBlocksCached) cache.pop_back();
    return block;
  }
};

FileListReader::FileListReader(ChunkReader& reader, std::vector<ListBlockRef> blocks)
    : state_(new State{.reader = reader, .blocks = std::move(blocks), .cache = {}}) {}
FileListReader::~FileListReader() = default;

Result<std::optional<FileEntry>> FileListReader::find(const Context& context, std::string_view path) {
  State& s = *state_;
  const auto after = std::upper_bound(s.blocks.begin(), s.blocks.end(), path,
                                      [](std::string_view p, const ListBlockRef& ref) { return p < ref.first_path; });
  if (after == s.blocks.begin()) return std::optional<FileEntry>{};
  COFFER_TRY(const auto block, s.load(context, static_cast<size_t>(after - s.blocks.begin()) - 1));
  const auto at = std::lower_bound(block->entries.begin(), block->entries.end(), path,
                                   [&](const LoadedBlock::Entry& e, std::string_view p) { return block->path(e) < p; });
  if (at == block->entries.end() || block->path(*at) != path) return std::optional<FileEntry>{};
  COFFER_TRY(FileEntry entry, decode_file_entry(block->entry(*at)));
  return std::optional<FileEntry>(std::move(entry));
}

Status FileListReader::visit(const Context& context, const std::function<Status(FileEntry&&)>& each) {
  State& s = *state_;
  std::string last_path;
  for (size_t number = 0; number < s.blocks.size(); ++number) {
    COFFER_CHECK_OK(context.check());
    if (number > 0 && s.blocks[number].first_path <= last_path) {
      return Error{ErrorCode::kCorruption,
                   "file list block " + s.blocks[number].id.hex() + ": it begins before its predecessor ends",
                   {}};
    }
    COFFER_TRY(const auto block, s.load(context, number));
    for (const LoadedBlock::Entry& e : block->entries) {
      auto entry = decode_file_entry(block->entry(e));
      if (!entry.ok()) return std::move(entry).error().in("file list block " + s.blocks[number].id.hex());
      COFFER_CHECK_OK(each(std::move(entry).value()));
    }
    last_path = std::string(block->path(block->entries.back()));
  }
  return ok_status();
}

}  // namespace coffer::vault
