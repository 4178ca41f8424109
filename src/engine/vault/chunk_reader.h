// Reading chunks: index lookup, frame cache, open packs. The one reader of restore, verify, prove and export.
#pragma once
#include <memory>

#include "base/context.h"
#include "base/result.h"
#include "engine/vault/index.h"

namespace coffer::vault {

/// Opened packs, shared by the readers of a job; bounded number. Thread-safe. Packs are read by ranges, not mapped: a
/// mapping of hundreds of packs would count as resident memory. Where every range would be a journey (a distant store),
/// a job that needs most of each pack fetches packs whole, a bounded number at a time.
class PackCache {
 public:
  enum class Need { kSome, kMost };
  PackCache(const Vault& vault, Need need = Need::kSome, size_t packs_max = 256);
  ~PackCache();
  /// kCorruption or kNotFound naming the pack's key.
  Result<std::shared_ptr<const crypto::SealedReader>> open(const Context& context, const PackId& id);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One task's reader; keeps the last few decompressed frames. Not thread-safe.
class ChunkReader {
 public:
  /// All borrowed.
  ChunkReader(const Vault& vault, const IndexSet& index, PackCache& packs, size_t frames_cached = 8);
  ~ChunkReader();
  /// The chunk's bytes, valid until `frames_cached` other frames were read. kCorruption names the chunk and the pack;
  /// the id is recomputed when `check_id` (map and list chunks: always; page chunks are checked by their fingerprints
  /// instead).
  Result<ByteView> get(const Context& context, const ChunkId& id, bool check_id = true);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::vault
