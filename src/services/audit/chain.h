// The chain and its checkpoints, as bytes and as rows (docs/audit.md). For the files of this folder and their tests.
//
// Vocabulary. A record's *sequence* is its place, from 1. Its *hash* covers the one before it, so the last one stands
// for all. The *head* is one row: how many records there are, the last hash, and the Merkle frontier. A *checkpoint* is
// a signed head. *Pending* records were committed with their effects on a database that several daemons write to, and
// have no place yet: the chain is one row, and calls that change nothing in common must not wait for each other there.
#pragma once
#include "engine/crypto/digest.h"
#include "engine/crypto/ed25519.h"
#include "engine/crypto/merkle.h"
#include "services/catalog/database.h"

namespace coffer::audit {

struct Head {
  int64_t size = 0;          // records so far; the last one's sequence
  crypto::Digest256 hash{};  // of the last one; zeros at the start
  crypto::MerkleFrontier tree;
  int64_t checkpoints = 0;  // the last one's number
};
Result<Head> read_head(catalog::Transaction& transaction);
Status write_head(catalog::Transaction& transaction, const Head& head);

/// SHA-256(previous, sequence as u64 big-endian, json).
crypto::Digest256 next_hash(const crypto::Digest256& previous, int64_t sequence, std::string_view json);
/// A record's leaf in the Merkle tree: of (sequence as u64 big-endian, json).
crypto::Digest256 record_leaf(int64_t sequence, std::string_view json);

/// A group has at most so many records, from at most such a span of time: whoever looks for the groups around a record
/// or a moment need not look further.
constexpr int64_t kGroupRecordsMax = 1024;
constexpr std::chrono::minutes kGroupSpanMax{1};

/// Puts records, as their JSON, at the end of the chain, in one writing transaction.
Status append_to_chain(catalog::Transaction& transaction, std::span<const std::string> records);

Status append_pending(catalog::Transaction& transaction, std::string_view record);
/// Moves the oldest `limit` pending records into the chain, then `records` behind them. How many were moved.
Result<size_t> chain_pending(catalog::Transaction& transaction, size_t limit, std::span<const std::string> records);

struct Checkpoint {
  int64_t number = 0;              // 1, 2, 3 ...
  int64_t size = 0;                // records that it covers
  crypto::Digest256 chain_hash{};  // of record `size`
  crypto::Digest256 merkle_root{};
  WallTime time;
  std::string previous;  // SHA-256 of the checkpoint before, in hexadecimal; empty for the first
};
/// What is signed and kept: canonical JSON.
std::string encode_checkpoint(const Checkpoint& checkpoint);
/// kCorruption for any text that encode_checkpoint() does not write.
Result<Checkpoint> decode_checkpoint(std::string_view text);
/// What the next checkpoint calls `previous`.
std::string checkpoint_hash(std::string_view text);

}  // namespace coffer::audit
