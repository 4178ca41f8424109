// What the collector knows of each pack: that it is there, how much of it some live point needs.
#pragma once
#include <set>
#include <unordered_map>

#include "base/context.h"
#include "base/result.h"
#include "engine/vault/external_sorter.h"
#include "engine/vault/index.h"

namespace coffer::vault {

struct PackFacts {
  uint64_t sealed_size_bytes = 0;
  uint64_t total_bytes = 0;  // of its chunks, as the indexes name them
  uint64_t live_bytes = 0;   // of those that a live point needs, wherever else they are too
  bool present = false;      // in the store
  bool listed = false;       // was in the listing; what was put since may belong to a job that has just begun
  bool old_epoch = false;    // a live chunk of it has its id from another epoch than the current
};
struct PackIdHash {
  size_t operator()(const PackId& id) const { return load_le<uint64_t>(id.data()); }
};
/// About 100 bytes a pack.
using PackTable = std::unordered_map<PackId, PackFacts, PackIdHash>;

/// Packs by listing.
Result<PackTable> list_packs(const Context& context, const Vault& vault);

/// Sorted ids as they were collected, each once.
class UniqueIds {
 public:
  explicit UniqueIds(ExternalSorter::Stream& sorted) : sorted_(sorted) {}
  Result<std::optional<ChunkId>> next();

 private:
  ExternalSorter::Stream& sorted_;
  std::optional<ChunkId> last_;
};

/// All places of one id.
class PlacesById {
 public:
  explicit PlacesById(std::unique_ptr<IndexCursor> cursor) : cursor_(std::move(cursor)) {}
  /// False at the end. `places` has at least one place otherwise.
  Result<bool> next(ChunkId& id, std::vector<ChunkPlace>& places);

 private:
  std::unique_ptr<IndexCursor> cursor_;
  std::optional<IndexEntry> ahead_;
};

struct SurveyResult {
  uint64_t live_chunks = 0;
  std::set<PackId> rescued;  // doomed packs that hold the only place of a live chunk
  std::set<PackId> gone;     // packs that an index names and the store does not have
  uint64_t missing_chunks = 0;
  ChunkId first_missing;
};
/// Joins the live ids with the indexes and fills in `packs`. A pack that was not listed is asked for by name before it
/// counts as gone. `doomed` are the packs of open tombstones. Every live id is also given to `keep`, when there is one.
Result<SurveyResult> survey_packs(const Context& context, const Vault& vault, const IndexSet& index, UniqueIds& live,
                                  const std::set<PackId>& doomed, PackTable& packs, ExternalSorter* keep);

}  // namespace coffer::vault
