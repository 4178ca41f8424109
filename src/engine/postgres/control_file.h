// global/pg_control, read without a server (postgres-backup.md 2.8).
#pragma once
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/postgres/lsn.h"

namespace coffer::postgres {

struct ControlFile {
  uint64_t system_identifier = 0;
  uint32_t control_version = 0;
  uint32_t catalog_version = 0;
  int major = 0;      // 13 to 18, from the catalog version; 0 when unknown
  int32_t state = 0;  // 1 shut down ... 6 in production
  Lsn checkpoint, redo;
  Timeline timeline = 0;
  Lsn min_recovery_point;
  Timeline min_recovery_timeline = 0;
  int32_t wal_level = 0;
  bool wal_log_hints = false;
  int32_t max_connections = 0, max_worker_processes = 0, max_wal_senders = 0, max_prepared_transactions = 0,
          max_locks_per_transaction = 0;
  uint32_t block_size_bytes = 0, blocks_per_segment = 0, wal_block_size_bytes = 0, wal_segment_size_bytes = 0;
  uint32_t data_checksum_version = 0;  // 0: off
};

/// kCorruption when the CRC is wrong (a torn read: read again) or sizes are impossible; kFailedPrecondition names a
/// version or block size that is not supported.
Result<ControlFile> parse_control_file(ByteView contents);
/// "shut down", "in production", ... for messages.
std::string control_state_name(int32_t state);
/// 202209061 -> 15; 0 when unknown.
int major_of_catalog_version(uint32_t catalog_version);

}  // namespace coffer::postgres
