// The chain and its checkpoints, as bytes (docs/audit.md). For the files of this folder and their tests.
#pragma once
#include "services/catalog/database.h"

namespace coffer::audit {

struct Head {
  int64_t size = 0;  // records so far; the last one's sequence
  Bytes hash;        // of the last one; 32 zero bytes at the start
};
Result<Head> read_head(catalog::Transaction& transaction);

/// SHA-256(previous, sequence as u64 big-endian, json).
Bytes next_hash(ByteView previous, int64_t sequence, std::string_view json);

struct Checkpoint {
  int64_t number = 0;  // 1, 2, 3 ...
  int64_t size = 0;    // records that it covers
  WallTime time;
  Bytes chain;     // the hash of record `size`
  Bytes previous;  // SHA-256 of the checkpoint before; empty for the first
};
/// What is signed.
Bytes encode_checkpoint(const Checkpoint& checkpoint);

}  // namespace coffer::audit
