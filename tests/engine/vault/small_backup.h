// Backups of made-up files, small enough for sweeps: what a backup job does to a vault, without a source.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/crypto/digest.h"
#include "engine/vault/chunk_reader.h"
#include "engine/vault/chunk_writer.h"
#include "engine/vault/collector.h"
#include "engine/vault/file_list.h"
#include "engine/vault/file_map.h"
#include "engine/vault/points.h"
#include "support/vault_world.h"

namespace coffer::vault {

/// A file is a list of pages, a page is a seed; 0 is a page of zeros.
using SmallFile = std::vector<uint64_t>;
using SmallFiles = std::map<std::string, SmallFile>;

inline Bytes page_of(uint64_t seed) {
  Bytes page(kPageSize);
  if (seed != 0) SeededEntropy(seed).fill(page);
  return page;
}

/// One backup, step by step, so that a test can stop in between.
class SmallBackup {
 public:
  explicit SmallBackup(const Vault& vault) : vault_(vault) {}

  Status begin() {
    COFFER_TRY(log_, CommitLog::load(context_, vault_));
    COFFER_TRY(lease_, Lease::acquire(context_, vault_, *log_, "backup"));
    COFFER_CHECK_OK(log_->refresh(context_));
    COFFER_TRY(doomed_, tombstoned_packs(context_, vault_, log_->state()));
    COFFER_TRY(index_, IndexSet::load(context_, vault_));
    index_->avoid(doomed_);
    return ok_status();
  }
  /// Stores the files; then everything but the commit is done.
  Status write(const SmallFiles& files, const std::vector<Bytes>& unused_chunks = {}) {
    WriteOptions options;
    options.compression = {Codec::kNone, 0};
    options.frame_size_bytes = 16 << 10;
    options.pack_size_bytes = 32 << 10;
    session_ = std::make_unique<WriteSession>(context_, vault_, *index_, budget_, options, doomed_);
    {
      ChunkWriter writer(*session_);
      FileListWriter list([&](ByteView block) { return writer.put(context_, block); });
      for (const auto& [path, file] : files) {
        COFFER_TRY(const FileEntry entry, write_file(writer, path, file));
        COFFER_CHECK_OK(list.add(encode_file_entry(entry)));
      }
      for (const Bytes& chunk : unused_chunks) COFFER_CHECK_OK(writer.put(context_, chunk));
      COFFER_TRY(manifest_.list, list.finish());
      COFFER_CHECK_OK(writer.close(context_));
    }
    COFFER_CHECK_OK(session_->finish(context_));
    return ok_status();
  }
  Status commit() {
    manifest_.vault_uuid = vault_.format().uuid;
    manifest_.epoch = vault_.current().epoch;
    manifest_.started = manifest_.finished = vault_.clock().wall();
    manifest_.system_identifier = 7;
    manifest_.start_lsn = manifest_.stop_lsn = "0/1000000";
    manifest_.packs = session_->packs();
    manifest_.written = session_->totals();
    manifest_.id = new_point_id(manifest_.finished, vault_.entropy());
    COFFER_CHECK_OK(commit_point(context_, vault_, *log_, *lease_, manifest_));
    return lease_->release(context_);
  }
  [[nodiscard]] const std::string& id() const { return manifest_.id; }
  [[nodiscard]] const WriteSession& session() const { return *session_; }
  [[nodiscard]] Lease& lease() { return *lease_; }
  [[nodiscard]] CommitLog& log() { return *log_; }
  [[nodiscard]] const Manifest& manifest() const { return manifest_; }

 private:
  Result<FileEntry> write_file(ChunkWriter& writer, const std::string& path, const SmallFile& file) {
    FileEntry entry;
    entry.path = path;
    entry.size_bytes = file.size() * kPageSize;
    if (file.empty()) return entry;
    crypto::Fingerprinter fingerprinter = vault_.current().fingerprints->clone();
    std::vector<MapBlock> blocks;
    for (size_t first = 0; first < file.size(); first += kGroupPages) {
      if (first % (kGroupPages * kGroupsPerMapBlock) == 0) blocks.emplace_back();
      PageGroup group;
      const size_t pages = std::min<size_t>(kGroupPages, file.size() - first);
      group.size_bytes = static_cast<uint32_t>(pages * kPageSize);
      std::array<PageGroup::Place, kGroupPages> places{};
      Bytes chunk;
      for (size_t i = 0; i < pages; ++i) {
        const Bytes page = page_of(file[first + i]);
        group.crc32c = crypto::crc32c(page, group.crc32c);
        group.fingerprints[i] = fingerprinter.of(page);
        if (file[first + i] == 0) continue;
        places[i] = {0, static_cast<uint8_t>(chunk.size() / kPageSize)};
        append(chunk, page);
      }
      std::vector<ChunkId> ids;
      if (!chunk.empty()) {
        COFFER_TRY(const ChunkId id, writer.put(context_, chunk));
        ids.push_back(id);
      }
      EXPECT_TRUE(group.set_places(places, ids));
      blocks.back().push_back(group);
    }
    std::vector<MapBlockRef> refs;
    for (const MapBlock& block : blocks) {
      MapBlockRef ref{.id = {}, .digest = map_block_digest(block), .crc32c = map_block_crc32c(block)};
      if (blocks.size() == 1 && block.size() <= kInlineGroups) {
        entry.map_kind = MapKind::kInline;
        entry.inline_map = encode_map_block(block);
      } else {
        COFFER_TRY(ref.id, writer.put(context_, encode_map_block(block)));
        entry.map_kind = MapKind::kBlock;
        entry.map = ref.id;
      }
      refs.push_back(ref);
    }
    entry.digest = file_digest(entry.size_bytes, refs);
    entry.crc32c = file_crc32c(entry.size_bytes, refs);
    if (blocks.size() > 1) {
      COFFER_TRY(entry.map, writer.put(context_, encode_map_root(refs)));
      entry.map_kind = MapKind::kRoot;
    }
    return entry;
  }

  const Vault& vault_;
  Context context_;
  ByteBudget budget_{16 << 20};
  std::unique_ptr<CommitLog> log_;
  std::unique_ptr<Lease> lease_;
  std::set<PackId> doomed_;
  std::unique_ptr<IndexSet> index_;
  std::unique_ptr<WriteSession> session_;
  Manifest manifest_;
};

inline Result<std::string> small_backup(const Vault& vault, const SmallFiles& files) {
  SmallBackup backup(vault);
  COFFER_CHECK_OK(backup.begin());
  COFFER_CHECK_OK(backup.write(files));
  COFFER_CHECK_OK(backup.commit());
  return backup.id();
}

/// Reads a point back, page by page.
inline Result<SmallFiles> small_restore(const Vault& vault, const std::string& id, const SmallFiles& expected) {
  const Context context;
  COFFER_TRY(auto log, CommitLog::load(context, vault));
  COFFER_TRY(const Manifest manifest, read_manifest(context, vault, log->state(), id));
  COFFER_TRY(auto index, IndexSet::load(context, vault));
  PackCache packs(vault);
  ChunkReader reader(vault, *index, packs), list_reader(vault, *index, packs);
  FileListReader list(list_reader, manifest.list);
  SmallFiles files;
  COFFER_CHECK_OK(list.visit(context, [&](FileEntry&& entry) -> Status {
    std::vector<MapBlock> blocks;
    auto load = [&](const ChunkId& block) -> Status {
      COFFER_TRY(const ByteView bytes, reader.get(context, block));
      COFFER_TRY(blocks.emplace_back(), decode_map_block(bytes));
      return ok_status();
    };
    if (entry.map_kind == MapKind::kInline) {
      COFFER_TRY(blocks.emplace_back(), decode_map_block(entry.inline_map));
    } else if (entry.map_kind == MapKind::kBlock) {
      COFFER_CHECK_OK(load(entry.map));
    } else if (entry.map_kind == MapKind::kRoot) {
      COFFER_TRY(const ByteView bytes, reader.get(context, entry.map));
      COFFER_TRY(const auto refs, decode_map_root(bytes));
      for (const MapBlockRef& ref : refs) COFFER_CHECK_OK(load(ref.id));
    }
    SmallFile& file = files[entry.path];
    const auto known = expected.find(entry.path);
    if (known == expected.end()) return Error{ErrorCode::kCorruption, entry.path + " was not backed up", {}};
    for (const MapBlock& block : blocks) {
      for (const PageGroup& group : block) {
        const auto places = group.places();
        for (uint32_t i = 0; i < group.page_count(); ++i) {
          const uint64_t seed = file.size() < known->second.size() ? known->second[file.size()] : ~uint64_t{0};
          Bytes page(kPageSize);
          if (places[i].chunk != kZeroRun) {
            COFFER_TRY(const ByteView chunk, reader.get(context, group.chunks[places[i].chunk]));
            page = to_bytes(chunk.subspan(places[i].page_in_chunk * size_t{kPageSize}, kPageSize));
          }
          if (page != page_of(seed)) return Error{ErrorCode::kCorruption, entry.path + " has another page", {}};
          file.push_back(seed);
        }
      }
    }
    return ok_status();
  }));
  return files;
}

}  // namespace coffer::vault
