// PostgreSQL pages: header and checksum (postgres-backup.md 2.6).
#pragma once
#include <cstdint>

#include "base/bytes.h"
#include "engine/postgres/lsn.h"

namespace coffer::postgres {

inline constexpr size_t kPageSize = 8192;

/// The checksum that PostgreSQL would store in this 8192-byte page at `block_number` (counted over all segments of the
/// relation fork). Vectorised; about as fast as memory.
uint16_t page_checksum(const std::byte* page, uint32_t block_number);

inline Lsn page_lsn(const std::byte* page) {
  return {static_cast<uint64_t>(load_le<uint32_t>(page)) << 32 | load_le<uint32_t>(page + 4)};
}
inline uint16_t stored_checksum(const std::byte* page) { return load_le<uint16_t>(page + 8); }
/// pd_upper == 0: a page that was allocated and never used. Its checksum is not judged.
inline bool is_new_page(const std::byte* page) { return load_le<uint16_t>(page + 14) == 0; }

enum class PageVerdict {
  kGood,
  kNotJudged,  // new page, or changed since the backup began: WAL replay restores it
  kBad,        // checksum wrong at an LSN before the backup's start: re-read, then report
};
/// The server's own rule for one page during an online backup that started at `backup_start`.
PageVerdict judge_page(const std::byte* page, uint32_t block_number, Lsn backup_start);

}  // namespace coffer::postgres
