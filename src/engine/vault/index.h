// The chunk index: sealed, sorted, fixed-width entries, looked up by interpolation through a mapping; never loaded
// whole. Derived data: rebuild_index() makes it from the packs' tables of contents.
//
// Plain bytes of an index object: a header block of 4096 bytes ("COFRIDX1", u64 entry count, u32 pack count, 16-byte
// group id, u32 part, u8 1 in the last part, zeros); entries of 64 bytes in order of id, then pack, so that none
// crosses a segment of 4096; fences (the first 8 bytes of each 64th entry's id, from the first on: a lookup opens one
// segment); packs (16-byte id, u64 sealed size). A large index is a group of parts. A pack is covered only when every
// part of a group that names it is there.
//
// Removing a pack while others merge or rebuild (no lock is held): whoever publishes an index made from older objects
// looks afterwards whether these are still there, and withdraws it if not; the collector rewrites indexes before it
// removes packs, and looks for new indexes once more after it. So one of the two always sees the other.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/filesystem.h"
#include "base/result.h"
#include "engine/vault/chunk.h"
#include "engine/vault/vault.h"

namespace coffer::vault {

inline constexpr size_t kIndexEntrySize = 64;

Bytes encode_index_entry(const IndexEntry& entry);      // kIndexEntrySize bytes, memcmp order = id order
Result<IndexEntry> decode_index_entry(ByteView bytes);  // kCorruption when a field is out of range

/// A pack that an index covers, with its sealed size: lets a rebuild and a check find what no index covers.
struct IndexedPack {
  PackId id{};
  uint64_t sealed_size_bytes = 0;
};

/// Writes one index object of entries that come in ascending order of their ids from `next` (nothing at the end); of
/// equal ids in one pack the first stays. `packs` are those whose entries it holds. An index larger than an object may
/// be is split: the ids of all objects written are returned.
Result<std::vector<crypto::ObjectId>> write_index(const Context& context, const Vault& vault,
                                                  const std::vector<IndexedPack>& packs,
                                                  const std::function<Result<std::optional<IndexEntry>>()>& next);

/// The order of entries: by id, then by pack.
bool comes_before(const IndexEntry& a, const IndexEntry& b);

/// Gives entries in their order. Reads on behind the caller: a few KiB for each index object.
class IndexCursor {
 public:
  virtual ~IndexCursor() = default;
  virtual Result<std::optional<IndexEntry>> next() = 0;
};

/// One opened index object.
class IndexReader {
 public:
  static Result<std::unique_ptr<IndexReader>> open(const Context& context, const Vault& vault,
                                                   const crypto::ObjectId& id);
  virtual ~IndexReader() = default;
  [[nodiscard]] virtual uint64_t count() const = 0;
  /// Any place of it. Thread-safe, as is find_all().
  Result<std::optional<ChunkPlace>> find(const ChunkId& id) const;
  /// Adds every place of it to `places`.
  virtual Status find_all(const ChunkId& id, std::vector<ChunkPlace>& places) const = 0;
  virtual Result<std::vector<IndexedPack>> packs() const = 0;
  /// Ascending over all entries. Order and fields are checked; kCorruption names the index.
  virtual Status visit(const std::function<Status(const IndexEntry&)>& each) const = 0;
  /// The reader outlives the cursor.
  [[nodiscard]] virtual std::unique_ptr<IndexCursor> cursor() const = 0;
  /// Which part of which group it is.
  struct Part {
    crypto::ObjectId group{};
    uint32_t number = 0;
    bool last = true;
  };
  [[nodiscard]] virtual Part part() const = 0;
};

/// All index objects of a vault at the time of load(). Thread-safe. Skips (and reports in `damaged()`) an index that
/// does not open, so that the caller can rebuild.
class IndexSet {
 public:
  static Result<std::unique_ptr<IndexSet>> load(const Context& context, const Vault& vault);
  virtual ~IndexSet() = default;
  virtual Result<std::optional<ChunkPlace>> find(const ChunkId& id) const = 0;
  /// From now on find() gives a place in one of these packs only when there is no other. For tombstoned packs.
  virtual void avoid(std::set<PackId> packs) = 0;
  /// Adds an index written since.
  virtual Status add(const Context& context, const crypto::ObjectId& id) = 0;
  /// Forgets an index that was replaced.
  virtual void drop(const crypto::ObjectId& id) = 0;
  [[nodiscard]] virtual std::vector<crypto::ObjectId> ids() const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& damaged() const = 0;
  /// The packs whose every chunk is in it: those of incomplete groups are left out.
  virtual Result<std::vector<IndexedPack>> packs() const = 0;
  virtual Status visit_all(const std::function<Status(const IndexEntry&)>& each) const = 0;  // index by index
  [[nodiscard]] virtual uint64_t count() const = 0;
  /// All entries in id order; the places of one id come one after the other. A snapshot: lives on its own.
  [[nodiscard]] virtual std::unique_ptr<IndexCursor> cursor() const = 0;
};

/// Makes index objects from the tables of contents of every pack (found by listing) that `covered` does not name, in
/// bounded memory. Packs that do not open are returned in `unreadable`, by key, with the error. kConflict: a pack was
/// removed meanwhile.
struct RebuildResult {
  std::vector<crypto::ObjectId> written;
  uint64_t packs = 0, chunks = 0;
  std::vector<std::string> unreadable;
};
Result<RebuildResult> rebuild_index(const Context& context, const Vault& vault, Directory& scratch,
                                    const std::vector<IndexedPack>& covered);
/// Replaces the smaller indexes by one (a merge) when there are more than `keep_max` groups; the old objects are
/// removed only after the new one was read back and holds every entry. Safe beside backups, collections and other
/// merges.
Status merge_indexes(const Context& context, const Vault& vault, IndexSet& set, size_t keep_max);

/// Rewrites the index objects that `concerns` picks from `set` without the entries that `keep` refuses and without the
/// packs in `leave_out`, then removes them; `set` follows. An entry in one of the packs `replaced` is dropped as well
/// where its id has another place, in a pack that is neither replaced nor avoided by `set`. Nothing is removed before
/// the new objects were read back. kConflict: another program replaced one of them meanwhile; the vault is as it was,
/// load the set again.
struct IndexRewrite {
  std::function<bool(const IndexReader&)> concerns;
  std::function<bool(const IndexEntry&)> keep;
  std::set<PackId> leave_out, replaced;
};
struct IndexRewriteResult {
  std::vector<crypto::ObjectId> written;
  uint64_t removed = 0;
};
Result<IndexRewriteResult> rewrite_indexes(const Context& context, const Vault& vault, IndexSet& set,
                                           const IndexRewrite& rewrite);

}  // namespace coffer::vault
