// What a copy has to bring: what a point needs and the mirror does not have, told by chunks, never by names of packs.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <unordered_set>
#include <vector>

#include "engine/jobs/environment.h"
#include "engine/vault/collector.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/index.h"
#include "engine/vault/manifest.h"
#include "engine/vault/vault.h"

namespace coffer::jobs {

using ChunkIds = std::unordered_set<vault::ChunkId, vault::ChunkIdHash>;

/// The packs of a mirror as a copy may rely on them. To be opened under a lease, after the log was refreshed.
class MirrorPacks {
 public:
  /// Packs that no index names (an earlier copy was killed) are read whole before they are indexed. `packs` of
  /// `manifest` that are there are compared with the digests in it.
  static Result<std::unique_ptr<MirrorPacks>> open(const Context& context, const Environment& environment,
                                                   const vault::Vault& mirror, const vault::LogState& state,
                                                   const vault::Manifest& manifest);
  /// Is the chunk in a pack that is there, whole as far as is known, and under no tombstone?
  [[nodiscard]] Result<bool> has(const vault::ChunkId& id) const;
  [[nodiscard]] const vault::IndexSet& index() const { return *index_; }
  [[nodiscard]] vault::IndexSet& index() { return *index_; }
  /// Under a tombstone: they may go at any time, and their names are not free yet.
  [[nodiscard]] const std::set<vault::PackId>& doomed() const { return doomed_; }
  /// Named by an index or a manifest, and missing or of other bytes.
  [[nodiscard]] const std::set<vault::PackId>& damaged() const { return damaged_; }
  /// Reads every pack of the mirror whole: what damage hides behind the damage that was found first.
  Status read_all(const Context& context, const Environment& environment);
  /// Takes in what was put since: `arrived` is whole, whatever was known of it before.
  Status add_arrived(const Context& context, const Environment& environment, const std::set<vault::PackId>& arrived);

 private:
  explicit MirrorPacks(const vault::Vault& mirror) : mirror_(mirror) {}
  Status look(const Context& context, const Environment& environment, const vault::Manifest& manifest);
  Status check_digests(const Context& context, const vault::Manifest& manifest);
  Status index_uncovered(const Context& context, const Environment& environment);
  void avoid_unsound();

  const vault::Vault& mirror_;
  std::unique_ptr<vault::IndexSet> index_;
  std::set<vault::PackId> doomed_, damaged_;
};

/// Blocks of lists and maps that a live point of the mirror needs as well, so that all below them is there. Empty where
/// the mirror is damaged: then everything is looked at.
Result<ChunkIds> known_blocks(const Context& context, const vault::Vault& mirror, const MirrorPacks& packs,
                              const vault::LogState& state, const vault::Manifest& manifest);

struct CopyNeeds {
  std::map<vault::PackId, uint64_t> packs;  // of the source: sealed sizes
  ChunkIds reseal;                          // chunks whose only pack has, in the mirror, a tombstone
};
/// Walks the point in the source, below `known` no further. kNotFound: the source has no place for a chunk.
Result<CopyNeeds> find_needs(const Context& context, const vault::Vault& source, const vault::IndexSet& source_index,
                             const MirrorPacks& packs, const vault::Manifest& manifest, ChunkIds known);

/// Walks the point in the mirror with the mirror's own keys; kCorruption names the first chunk that is missing.
Status check_complete(const Context& context, const vault::Vault& mirror, const MirrorPacks& packs,
                      const vault::Manifest& manifest, ChunkIds known);

}  // namespace coffer::jobs
