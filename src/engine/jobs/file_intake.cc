#include "engine/jobs/file_intake.h"

#include <algorithm>

#include "engine/postgres/page.h"

namespace coffer::jobs {

using namespace vault;
using postgres::Piece;
using postgres::SourceFile;

static_assert(postgres::kPieceSize == kMapBlockSpan, "a piece is what one map block covers");

namespace {

constexpr size_t kSorterMemory = 16 << 20;
constexpr size_t kDamagedPagesMax = 1000;
constexpr size_t kServerManifestMax = 256 << 20;
// Groups read by one call: large enough to be cheap, small enough to stay in the processor's cache.
constexpr uint64_t kReadSpan = 4 * kGroupSize;

FileEntry entry_of(const SourceFile& file) {
  FileEntry e;
  e.path = file.path;
  e.is_directory = file.is_directory;
  e.mode = file.mode;
  e.mtime_ns = file.mtime_ns;
  e.ctime_ns = file.ctime_ns;
  e.inode = file.inode;
  e.size_bytes = file.is_directory ? 0 : file.size_bytes;
  return e;
}

// May the blocks [first, first + count) of this segment differ from the parent's?
bool may_have_changed(const postgres::ChangedBlocks& changed, uint64_t first, uint64_t count) {
  if (first + count > changed.all_from) return true;
  auto it = std::lower_bound(changed.blocks.begin(), changed.blocks.end(), first);
  return it != changed.blocks.end() && *it < first + count;
}

}  // namespace

IntakeShared::IntakeShared(const Vault& vault, const IndexSet& index, PackCache& packs, Directory& scratch,
                           Progress& progress, postgres::Lsn backup_start, const std::optional<Manifest>& parent)
    : vault_(vault),
      index_(index),
      packs_(packs),
      progress_(progress),
      backup_start_(backup_start),
      parent_list_(parent ? parent->list : std::vector<ListBlockRef>{}),
      entries_(scratch, kSorterMemory) {}

IntakeShared::Totals IntakeShared::totals() const {
  return {files_, directories_, size_bytes_, bytes_read_, pages_changed_};
}

Result<std::unique_ptr<ExternalSorter::Stream>> IntakeShared::sorted_entries() {
  std::lock_guard lock(mutex_);
  COFFER_ASSERT(assemblies_.empty());
  return entries_.finish();
}

std::vector<DamagedPage> IntakeShared::damaged_pages() const {
  std::lock_guard lock(mutex_);
  return damaged_;
}

FileIntake::FileIntake(IntakeShared& shared, ChunkWriter& writer)
    : shared_(shared),
      writer_(writer),
      reader_(shared.vault_, shared.index_, shared.packs_),
      parent_list_(reader_, shared.parent_list_),
      fingerprinter_(shared.vault_.current().fingerprints->clone()),
      buffer_(kReadSpan) {
  zero_page_ = fingerprinter_.of(ByteView(buffer_).first(kPageSize));
}

Status FileIntake::emit(const FileEntry& entry) {
  Bytes record = encode_file_entry(entry);
  std::lock_guard lock(shared_.mutex_);
  return shared_.entries_.add(record);
}

Status FileIntake::take_directory(const SourceFile& file) {
  ++shared_.directories_;
  return emit(entry_of(file));
}

Result<std::optional<FileEntry>> FileIntake::find_parent(const Context& context, const std::string& path) {
  if (shared_.parent_list_.empty()) return std::optional<FileEntry>();
  COFFER_TRY(std::optional<FileEntry> found, parent_list_.find(context, path));
  if (found && (found->is_directory || found->map_kind == MapKind::kNone)) found.reset();
  return found;
}

Result<std::vector<MapBlockRef>> FileIntake::parent_refs_of(const Context& context, const FileEntry& parent) {
  if (parent.map_kind == MapKind::kRoot) {
    COFFER_TRY(ByteView root, reader_.get(context, parent.map));
    return decode_map_root(root);
  }
  // One block, whose digest and CRC are the file's own business: they are recomputed when the block is looked at.
  std::vector<MapBlockRef> refs(1);
  if (parent.map_kind == MapKind::kBlock) refs[0].id = parent.map;
  return refs;
}

Result<MapBlock> FileIntake::load_block(const Context& context, const FileEntry& parent, const MapBlockRef& ref) {
  if (parent.map_kind == MapKind::kInline) return decode_map_block(parent.inline_map);
  COFFER_TRY(ByteView bytes, reader_.get(context, ref.id));
  return decode_map_block(bytes);
}

// A wrong checksum is looked at twice: a page that a concurrent write tore changes under our eyes or gets a newer LSN,
// and the WAL of the backup restores it. One that stays the same was wrong before the backup began.
Result<bool> FileIntake::check_page(const Piece& piece, uint64_t offset, MutableByteView page, bool& damaged) {
  const SourceFile& file = *piece.file;
  const auto block_in_file = static_cast<uint32_t>(offset / kPageSize);
  // Segments are always 1 GiB: begin() refuses other block or segment sizes.
  const uint32_t block = file.relation->segment * 131072 + block_in_file;
  if (postgres::judge_page(page.data(), block, shared_.backup_start_) != postgres::PageVerdict::kBad) return false;
  bool changed = false;
  if (piece.reader) {
    Bytes again(kPageSize);
    COFFER_CHECK_OK(piece.reader->read_at(offset, again));
    changed = !equal(again, page);
    std::memcpy(page.data(), again.data(), kPageSize);
    if (changed || postgres::judge_page(page.data(), block, shared_.backup_start_) != postgres::PageVerdict::kBad)
      return changed;
  }
  damaged = true;
  DamagedPage d{file.path, block_in_file, postgres::stored_checksum(page.data()),
                postgres::page_checksum(page.data(), block)};
  const uint64_t count = ++shared_.damaged_count_;
  if (count <= 10)
    shared_.progress_.note("damaged page in the source: " + d.path + " block " + std::to_string(d.block) +
                           " (checksum " + std::to_string(d.stored) + " stored, " + std::to_string(d.computed) +
                           " computed); the backup goes on and is marked");
  std::lock_guard lock(shared_.mutex_);
  if (shared_.damaged_.size() < kDamagedPagesMax) shared_.damaged_.push_back(std::move(d));
  return changed;
}

Status FileIntake::take_group(const Context& context, const Piece& piece, uint64_t offset, MutableByteView bytes,
                              const PageGroup* parent, bool check_all_pages, PageGroup& group, bool& damaged) {
  const bool check_pages = piece.file->has_page_checksums;
  group = {};
  group.size_bytes = static_cast<uint32_t>(bytes.size());
  const uint32_t pages = group.page_count();
  std::array<PageGroup::Place, kGroupPages> places{}, parent_places{};
  if (parent) parent_places = parent->places();
  const uint32_t parent_pages = parent ? parent->page_count() : 0;

  uint32_t changed_mask = 0, zero_mask = 0;
  for (uint32_t p = 0; p < pages; ++p) {
    MutableByteView page = bytes.subspan(p * kPageSize, std::min<size_t>(kPageSize, bytes.size() - p * kPageSize));
    group.fingerprints[p] = fingerprinter_.of(page);
    bool same = p < parent_pages && group.fingerprints[p] == parent->fingerprints[p];
    if (check_pages && page.size() == kPageSize && (!same || check_all_pages)) {
      COFFER_TRY(const bool reread, check_page(piece, offset + p * kPageSize, page, damaged));
      if (reread) {
        group.fingerprints[p] = fingerprinter_.of(page);
        same = p < parent_pages && group.fingerprints[p] == parent->fingerprints[p];
      }
    }
    if (same) {
      places[p] = parent_places[p];
    } else if (page.size() == kPageSize ? group.fingerprints[p] == zero_page_ : is_zero(page)) {
      zero_mask |= 1U << p;
    } else {
      changed_mask |= 1U << p;
    }
  }
  if (changed_mask == 0 && zero_mask == 0 && parent && parent->size_bytes == group.size_bytes) {
    group = *parent;
    return ok_status();
  }
  shared_.pages_changed_ += static_cast<uint64_t>(__builtin_popcount(changed_mask | zero_mask));
  group.crc32c = crypto::crc32c(bytes);

  // Stores the pages of `mask` as one chunk, one behind the other.
  auto store_pages = [&](uint32_t mask, std::vector<ChunkId>& ids) -> Status {
    if (mask == 0) return ok_status();
    ByteView plain = bytes;
    const uint32_t all = pages == 32 ? ~0U : (1U << pages) - 1;
    if (mask != all) {
      chunk_.clear();
      for (uint32_t p = 0; p < pages; ++p)
        if (mask >> p & 1)
          append(chunk_, bytes.subspan(p * kPageSize, std::min<size_t>(kPageSize, bytes.size() - p * kPageSize)));
      plain = chunk_;
    }
    COFFER_TRY(ChunkId id, writer_.put(context, plain));
    uint8_t n = 0;
    for (uint32_t p = 0; p < pages; ++p)
      if (mask >> p & 1) places[p] = {static_cast<uint8_t>(ids.size()), n++};
    ids.push_back(id);
    return ok_status();
  };
  std::vector<ChunkId> ids;
  if (parent) ids.assign(parent->chunks.begin(), parent->chunks.begin() + parent->chunk_count);
  for (uint32_t p = 0; p < pages; ++p)
    if ((changed_mask | zero_mask) >> p & 1) places[p] = {kZeroRun, 0};
  COFFER_CHECK_OK(store_pages(changed_mask, ids));
  if (!group.set_places(places, ids)) {
    // Too many chunks for one group: a restore would jump about. Write the group whole.
    ids.clear();
    uint32_t mask = 0;
    for (uint32_t p = 0; p < pages; ++p)
      if (places[p].chunk != kZeroRun) mask |= 1U << p;
    COFFER_CHECK_OK(store_pages(mask, ids));
    COFFER_ASSERT(group.set_places(places, ids));
  }
  return ok_status();
}

// One map block's worth of a file. Without a look at the bytes where WAL summaries vouch for them; else every page is
// fingerprinted and compared with the parent's.
Result<MapBlockRef> FileIntake::take_piece(const Context& context, const Piece& piece,
                                           const std::optional<FileEntry>& parent,
                                           const std::vector<MapBlockRef>& parent_refs, MapBlock* keep_block,
                                           bool& damaged) {
  const SourceFile& file = *piece.file;
  const uint64_t block_number = piece.offset / kMapBlockSpan;
  const bool has_parent_block = parent && block_number < parent_refs.size();
  const bool vouched = has_parent_block && file.changed && !parent->damaged_pages;
  const uint64_t parent_length =
      has_parent_block
          ? std::min<uint64_t>(kMapBlockSpan, parent->size_bytes - std::min(parent->size_bytes, piece.offset))
          : 0;

  if (vouched && parent->map_kind == MapKind::kRoot && parent_length == piece.length &&
      !may_have_changed(*file.changed, piece.offset / kPageSize, (piece.length + kPageSize - 1) / kPageSize)) {
    shared_.progress_.advance(piece.length);
    return parent_refs[block_number];
  }
  MapBlock parent_block;
  if (has_parent_block) {
    COFFER_TRY(parent_block, load_block(context, *parent, parent_refs[block_number]));
  }
  const size_t group_count = (piece.length + kGroupSize - 1) / kGroupSize;
  MapBlock block(group_count);
  auto group_size = [&](size_t g) { return std::min<uint64_t>(kGroupSize, piece.length - g * kGroupSize); };
  auto parent_group = [&](size_t g) -> const PageGroup* {
    return g < parent_block.size() ? &parent_block[g] : nullptr;
  };
  auto vouched_group = [&](size_t g) {
    return vouched && parent_group(g) && parent_group(g)->size_bytes == group_size(g) &&
           !may_have_changed(*file.changed, (piece.offset + g * kGroupSize) / kPageSize,
                             (group_size(g) + kPageSize - 1) / kPageSize);
  };

  for (size_t g = 0; g < group_count;) {
    COFFER_CHECK_OK(context.check());
    if (vouched_group(g)) {
      block[g] = *parent_group(g);
      shared_.progress_.advance(group_size(g));
      ++g;
      continue;
    }
    size_t end = g;
    uint64_t span = 0;
    while (end < group_count && span + group_size(end) <= kReadSpan && !(end > g && vouched_group(end)))
      span += group_size(end++);
    MutableByteView bytes = MutableByteView(buffer_).first(span);
    if (piece.reader) {
      COFFER_CHECK_OK(piece.reader->read_at(piece.offset + g * kGroupSize, bytes));
    } else {
      std::memcpy(bytes.data(), piece.data.data() + g * kGroupSize, span);
    }
    shared_.bytes_read_ += span;
    for (; g < end; ++g) {
      COFFER_CHECK_OK(take_group(context, piece, piece.offset + g * kGroupSize, bytes.first(group_size(g)),
                                 parent_group(g), parent && parent->damaged_pages, block[g], damaged));
      bytes = bytes.subspan(group_size(g));
    }
    shared_.progress_.advance(span);
  }

  MapBlockRef ref;
  ref.digest = map_block_digest(block);
  ref.crc32c = map_block_crc32c(block);
  if (keep_block) {
    *keep_block = std::move(block);
    return ref;
  }
  COFFER_TRY(ref.id, writer_.put(context, encode_map_block(block)));
  return ref;
}

Status FileIntake::take(const Context& context, Piece piece) {
  const SourceFile& file = *piece.file;
  auto at = [&](Error e) { return std::move(e).in(file.path); };
  if (file.is_directory) return take_directory(file);

  if (file.path == "backup_manifest" && !piece.reader) {
    std::lock_guard lock(shared_.mutex_);
    if (shared_.server_manifest_.size() + piece.data.size() <= kServerManifestMax)
      append(shared_.server_manifest_, piece.data);
  }
  if (file.size_bytes <= kMapBlockSpan) {
    FileEntry entry = entry_of(file);
    if (file.size_bytes > 0) {
      COFFER_TRY(std::optional<FileEntry> parent, find_parent(context, file.path));
      std::vector<MapBlockRef> refs;
      if (parent) {
        COFFER_TRY(refs, parent_refs_of(context, *parent));
      }
      MapBlock block;
      auto taken = take_piece(context, piece, parent, refs, &block, entry.damaged_pages);
      if (!taken.ok()) return at(std::move(taken).error());
      entry.digest = file_digest(entry.size_bytes, {*taken});
      entry.crc32c = file_crc32c(entry.size_bytes, {*taken});
      Bytes encoded = encode_map_block(block);
      if (block.size() <= kInlineGroups) {
        entry.map_kind = MapKind::kInline;
        entry.inline_map = std::move(encoded);
      } else {
        entry.map_kind = MapKind::kBlock;
        COFFER_TRY(entry.map, writer_.put(context, encoded));
      }
    }
    ++shared_.files_;
    shared_.size_bytes_ += file.size_bytes;
    return emit(entry);
  }

  std::shared_ptr<IntakeShared::Assembly> assembly;
  {
    std::lock_guard lock(shared_.mutex_);
    if (auto it = shared_.assemblies_.find(&file); it != shared_.assemblies_.end()) assembly = it->second;
  }
  if (!assembly) {
    auto fresh = std::make_shared<IntakeShared::Assembly>();
    COFFER_TRY(fresh->parent, find_parent(context, file.path));
    if (fresh->parent) {
      COFFER_TRY(fresh->parent_refs, parent_refs_of(context, *fresh->parent));
    }
    fresh->refs.resize(map_block_count(file.size_bytes));
    fresh->pieces_left = fresh->refs.size();
    std::lock_guard lock(shared_.mutex_);
    assembly = shared_.assemblies_.try_emplace(&file, fresh).first->second;  // another worker may have been faster
  }
  bool damaged = false;
  auto taken = take_piece(context, piece, assembly->parent, assembly->parent_refs, nullptr, damaged);
  if (!taken.ok()) return at(std::move(taken).error());
  {
    std::lock_guard lock(shared_.mutex_);
    assembly->refs[piece.offset / kMapBlockSpan] = *taken;
    assembly->damaged = assembly->damaged || damaged;
    if (--assembly->pieces_left > 0) return ok_status();
    shared_.assemblies_.erase(&file);
  }
  FileEntry entry = entry_of(file);
  entry.damaged_pages = assembly->damaged;
  entry.digest = file_digest(entry.size_bytes, assembly->refs);
  entry.crc32c = file_crc32c(entry.size_bytes, assembly->refs);
  entry.map_kind = MapKind::kRoot;
  COFFER_TRY(entry.map, writer_.put(context, encode_map_root(assembly->refs)));
  ++shared_.files_;
  shared_.size_bytes_ += file.size_bytes;
  return emit(entry);
}

}  // namespace coffer::jobs
