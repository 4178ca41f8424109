// Writing chunks: dedup, frames, compression, packs. One WriteSession a backup, one ChunkWriter a worker.
#pragma once
#include <atomic>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/tasks.h"
#include "engine/vault/index.h"
#include "engine/vault/pack.h"

namespace coffer::vault {

struct Compression {
  Codec codec = Codec::kZstd;
  int level = 1;
};
/// "zstd:1" to "zstd:19", "zstd" (1), "lz4", "none".
Result<Compression> parse_compression(std::string_view text);

struct WriteOptions {
  Compression compression;
  uint32_t frame_size_bytes = 512 << 10;   // plain bytes gathered into one frame
  uint64_t pack_size_bytes = 8 << 20;      // sealed bytes after which a pack is published
  size_t index_flush_entries = 128 << 10;  // new chunks after which an index object is written
};

struct WriteTotals {
  uint64_t chunks = 0, plain_bytes = 0;  // new chunks, and their bytes before compression
  uint64_t reused_chunks = 0, reused_bytes = 0;
  uint64_t packs = 0, stored_bytes = 0;  // sealed bytes put, packs and indexes
};

/// A pack that this session published: the manifest lists them with length and digest.
struct WrittenPack {
  PackId id{};
  uint64_t sealed_size_bytes = 0;
  crypto::Digest256 digest{};  // sealed_digest()
};

/// Shared by the writers of one backup. Chunks in packs named in `doomed` (tombstoned) are never adopted.
class WriteSession {
 public:
  /// `vault`, `index` and `budget` are borrowed and outlive the session.
  WriteSession(const Context& context, const Vault& vault, IndexSet& index, ByteBudget& budget, WriteOptions options,
               std::set<PackId> doomed);
  ~WriteSession();
  WriteSession(const WriteSession&) = delete;
  WriteSession& operator=(const WriteSession&) = delete;

  /// Flushes the last index object. Call after every writer was closed. Then totals() and packs() are final.
  Status finish(const Context& context);
  [[nodiscard]] WriteTotals totals() const;
  [[nodiscard]] std::vector<WrittenPack> packs() const;
  [[nodiscard]] std::vector<crypto::ObjectId> indexes() const;

 private:
  friend class ChunkWriter;
  struct State;
  std::unique_ptr<State> state_;
};

/// One task's pipeline end: chunk -> dedup -> frame -> compress, verify -> pack -> seal, verify; the session's own
/// tasks put sealed packs and read them back, so that a worker does not wait for the disk. The pack under way is
/// private to the writer: writers wait for each other only on the dedup table, and for the store when it is the slowest
/// part.
class ChunkWriter {
 public:
  explicit ChunkWriter(WriteSession& session);
  ~ChunkWriter();
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;

  /// The id of `plain`; stores it unless the vault or this session has it. The chunk is durable only after close().
  Result<ChunkId> put(const Context& context, ByteView plain);
  /// Publishes what is left.
  Status close(const Context& context);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::vault
