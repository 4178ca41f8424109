// The middle of the backup pipeline: pieces of source files become map blocks and file entries.
// page check -> fingerprint -> changed? -> chunk -> ChunkWriter; what did not change keeps the parent's places.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "engine/postgres/source.h"
#include "engine/vault/chunk_reader.h"
#include "engine/vault/chunk_writer.h"
#include "engine/vault/external_sorter.h"
#include "engine/vault/file_list.h"
#include "engine/vault/file_map.h"
#include "engine/vault/manifest.h"

namespace coffer::jobs {

/// What all workers of a backup share. Thread-safe.
class IntakeShared {
 public:
  IntakeShared(const vault::Vault& vault, const vault::IndexSet& index, vault::PackCache& packs, Directory& scratch,
               Progress& progress, postgres::Lsn backup_start, const std::optional<vault::Manifest>& parent);

  /// Counts from the source's own files.
  struct Totals {
    uint64_t files = 0, directories = 0, size_bytes = 0, bytes_read = 0, pages_changed = 0;
  };
  [[nodiscard]] Totals totals() const;
  /// Ends the intake: the entries in path order.
  Result<std::unique_ptr<vault::ExternalSorter::Stream>> sorted_entries();
  [[nodiscard]] std::vector<vault::DamagedPage> damaged_pages() const;  // the first 1000
  [[nodiscard]] uint64_t damaged_page_count() const { return damaged_count_; }
  /// The server's own manifest, when the source brought one of reasonable size.
  [[nodiscard]] const Bytes& server_manifest() const { return server_manifest_; }

 private:
  friend class FileIntake;
  // A file of more than one piece, put together by whoever brings its last piece.
  struct Assembly {
    std::optional<vault::FileEntry> parent;
    std::vector<vault::MapBlockRef> parent_refs;
    std::vector<vault::MapBlockRef> refs;
    size_t pieces_left = 0;
    bool damaged = false;
  };
  const vault::Vault& vault_;
  const vault::IndexSet& index_;
  vault::PackCache& packs_;
  Progress& progress_;
  const postgres::Lsn backup_start_;
  const std::vector<vault::ListBlockRef> parent_list_;

  mutable std::mutex mutex_;  // guards what follows
  vault::ExternalSorter entries_;
  std::map<const postgres::SourceFile*, std::shared_ptr<Assembly>> assemblies_;
  std::vector<vault::DamagedPage> damaged_;
  Bytes server_manifest_;
  std::atomic<uint64_t> damaged_count_{0}, files_{0}, directories_{0}, size_bytes_{0}, bytes_read_{0},
      pages_changed_{0};
};

/// One worker's side. Not thread-safe.
class FileIntake {
 public:
  FileIntake(IntakeShared& shared, vault::ChunkWriter& writer);
  Status take(const Context& context, postgres::Piece piece);

 private:
  struct ParentBlock {
    bool present = false;
    vault::MapBlock groups;
  };
  Status take_directory(const postgres::SourceFile& file);
  Result<vault::MapBlockRef> take_piece(const Context& context, const postgres::Piece& piece,
                                        const std::optional<vault::FileEntry>& parent,
                                        const std::vector<vault::MapBlockRef>& parent_refs, vault::MapBlock* keep_block,
                                        bool& damaged);
  Status take_group(const Context& context, const postgres::Piece& piece, uint64_t offset, MutableByteView bytes,
                    const vault::PageGroup* parent, bool check_all_pages, vault::PageGroup& group, bool& damaged);
  /// True when the second look brought other bytes into `page`.
  Result<bool> check_page(const postgres::Piece& piece, uint64_t offset, MutableByteView page, bool& damaged);
  Result<std::optional<vault::FileEntry>> find_parent(const Context& context, const std::string& path);
  Result<std::vector<vault::MapBlockRef>> parent_refs_of(const Context& context, const vault::FileEntry& parent);
  Result<vault::MapBlock> load_block(const Context& context, const vault::FileEntry& parent,
                                     const vault::MapBlockRef& ref);
  Status emit(const vault::FileEntry& entry);

  IntakeShared& shared_;
  vault::ChunkWriter& writer_;
  vault::ChunkReader reader_;
  vault::FileListReader parent_list_;
  crypto::Fingerprinter fingerprinter_;
  crypto::Fingerprint zero_page_;
  Bytes buffer_, chunk_;
};

}  // namespace coffer::jobs
