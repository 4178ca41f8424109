#include "engine/postgres/control_file.h"

#include <bit>

#include "engine/crypto/digest.h"
#include "engine/postgres/page.h"

namespace coffer::postgres {
namespace {

constexpr size_t kControlFileSizeMin = 296;

/// Where the CRC stands; 0 for a version that is not known.
size_t crc_offset(uint32_t control_version) {
  switch (control_version) {
    case 1300:  // 13 to 16
    case 1700: return 288;
    case 1800: return 292;
    default: return 0;
  }
}

Status check_sizes(const ControlFile& control) {
  if (control.block_size_bytes != kPageSize) {
    return Error{ErrorCode::kFailedPrecondition,
                 "the cluster was built with blocks of " + std::to_string(control.block_size_bytes) +
                     " bytes; only 8192 is supported",
                 {}};
  }
  uint64_t segment = control.wal_segment_size_bytes;
  if (!std::has_single_bit(segment) || segment < (uint64_t{1} << 20) || segment > (uint64_t{1} << 30)) {
    return Error{ErrorCode::kCorruption, "pg_control: impossible WAL segment size " + std::to_string(segment), {}};
  }
  if (control.wal_block_size_bytes != kPageSize) {
    return Error{ErrorCode::kFailedPrecondition,
                 "the cluster was built with WAL blocks of " + std::to_string(control.wal_block_size_bytes) +
                     " bytes; only 8192 is supported",
                 {}};
  }
  if (control.blocks_per_segment == 0) return Error{ErrorCode::kCorruption, "pg_control: segments of no block", {}};
  return ok_status();
}

}  // namespace

Result<ControlFile> parse_control_file(ByteView contents) {
  if (contents.size() < kControlFileSizeMin) {
    return Error{ErrorCode::kCorruption, "pg_control has only " + std::to_string(contents.size()) + " bytes", {}};
  }
  const std::byte* at = contents.data();
  ControlFile control;
  control.control_version = load_le<uint32_t>(at + 8);
  size_t crc_at = crc_offset(control.control_version);
  if (crc_at == 0) {
    return Error{ErrorCode::kFailedPrecondition,
                 "pg_control version " + std::to_string(control.control_version) + " is not known",
                 "PostgreSQL 13 to 18 on little-endian machines are supported"};
  }
  if (crypto::crc32c(contents.first(crc_at)) != load_le<uint32_t>(at + crc_at)) {
    return Error{ErrorCode::kCorruption, "pg_control: the checksum is wrong", {}};
  }
  control.system_identifier = load_le<uint64_t>(at);
  control.catalog_version = load_le<uint32_t>(at + 12);
  control.major = major_of_catalog_version(control.catalog_version);
  control.state = load_le<int32_t>(at + 16);
  control.checkpoint = {load_le<uint64_t>(at + 32)};
  control.redo = {load_le<uint64_t>(at + 40)};
  control.timeline = load_le<uint32_t>(at + 48);
  control.min_recovery_point = {load_le<uint64_t>(at + 136)};
  control.min_recovery_timeline = load_le<uint32_t>(at + 144);
  control.wal_level = load_le<int32_t>(at + 172);
  control.wal_log_hints = at[176] != std::byte{0};
  control.max_connections = load_le<int32_t>(at + 180);
  control.max_worker_processes = load_le<int32_t>(at + 184);
  control.max_wal_senders = load_le<int32_t>(at + 188);
  control.max_prepared_transactions = load_le<int32_t>(at + 192);
  control.max_locks_per_transaction = load_le<int32_t>(at + 196);
  control.block_size_bytes = load_le<uint32_t>(at + 216);
  control.blocks_per_segment = load_le<uint32_t>(at + 220);
  control.wal_block_size_bytes = load_le<uint32_t>(at + 224);
  control.wal_segment_size_bytes = load_le<uint32_t>(at + 228);
  control.data_checksum_version = load_le<uint32_t>(at + 252);
  COFFER_CHECK_OK(check_sizes(control));
  return control;
}

std::string control_state_name(int32_t state) {
  switch (state) {
    case 0: return "starting up";
    case 1: return "shut down";
    case 2: return "shut down in recovery";
    case 3: return "shutting down";
    case 4: return "in crash recovery";
    case 5: return "in archive recovery";
    case 6: return "in production";
    default: return "unknown state " + std::to_string(state);
  }
}

int major_of_catalog_version(uint32_t catalog_version) {
  switch (catalog_version) {
    case 202007201: return 13;
    case 202107181: return 14;
    case 202209061: return 15;
    case 202307071: return 16;
    case 202406281: return 17;
    case 202506291: return 18;
    default: return 0;
  }
}

}  // namespace coffer::postgres
