// The chunk index: sealed, sorted, fixed-width entries, looked up by interpolation through a mapping; never loaded whole.
// Derived data: rebuild_index() makes it from the packs' tables of contents.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/context.h"
#include "base/filesystem.h"
#include "base/result.h"
#include "engine/vault/chunk.h"
#include "engine/vault/vault.h"

namespace coffer::vault {

inline constexpr size_t kIndexEntrySize = 64;

Bytes encode_index_entry(const IndexEntry& entry);                 // kIndexEntrySize bytes, memcmp order = id order
Result<IndexEntry> decode_index_entry(ByteView bytes);             // kCorruption when a field is out of range

/// A pack that an index covers, with its sealed size: lets a rebuild and a check find what no index covers.
struct IndexedPack {
  PackId id{};
  uint64_t sealed_size_bytes = 0;
};

/// Writes one index object of entries that come in ascending order from `next` (nothing at the end); duplicates of one id
/// are dropped but the first. `packs` are those whose entries it holds. An index larger than an object may be is split:
/// the ids of all objects written are returned.
Result<std::vector<crypto::ObjectId>> write_index(const Context& context, const Vault& vault, const std::vector<IndexedPack>& packs,
                                                  const std::function<Result<std::optional<IndexEntry>>()>& next);

/// One opened index object.
class IndexReader {
 public:
  static Result<std::unique_ptr<IndexReader>> open(const Context& context, const Vault& vault, const crypto::ObjectId& id);
  virtual ~IndexReader() = default;
  [[nodiscard]] virtual uint64_t count() const = 0;
  virtual Result<std::optional<ChunkPlace>> find(const ChunkId& id) const = 0;   // thread-safe
  virtual Result<std::vector<IndexedPack>> packs() const = 0;
  /// Ascending over all entries.
  virtual Status visit(const std::function<Status(const IndexEntry&)>& each) const = 0;
};

/// All index objects of a vault at the time of load(). Thread-safe. Skips (and reports in `damaged()`) an index that does not
/// open, so that the caller can rebuild.
class IndexSet {
 public:
  static Result<std::unique_ptr<IndexSet>> load(const Context& context, const Vault& vault);
  virtual ~IndexSet() = default;
  virtual Result<std::optional<ChunkPlace>> find(const ChunkId& id) const = 0;
  /// Adds an index written since.
  virtual Status add(const Context& context, const crypto::ObjectId& id) = 0;
  [[nodiscard]] virtual std::vector<crypto::ObjectId> ids() const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& damaged() const = 0;
  /// The packs that all of them cover.
  virtual Result<std::vector<IndexedPack>> packs() const = 0;
  virtual Status visit_all(const std::function<Status(const IndexEntry&)>& each) const = 0;  // index by index
  [[nodiscard]] virtual uint64_t count() const = 0;
};

/// Makes index objects from the tables of contents of every pack (found by listing) that `covered` does not name, in bounded
/// memory. Packs that do not open are returned in `unreadable`, by key, with the error.
struct RebuildResult {
  std::vector<crypto::ObjectId> written;
  uint64_t packs = 0, chunks = 0;
  std::vector<std::string> unreadable;
};
Result<RebuildResult> rebuild_index(const Context& context, const Vault& vault, Directory& scratch, const std::vector<IndexedPack>& covered);
/// Replaces many small indexes by one (a merge) when there are more than `keep_max`; the old objects are removed only after
/// the new one was read back and holds every entry.
Status merge_indexes(const Context& context, const Vault& vault, IndexSet& set, size_t keep_max);

}  // namespace coffer::vault
