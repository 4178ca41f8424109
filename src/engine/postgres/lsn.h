// LSNs, timelines and WAL segment names: pure arithmetic, never asked of the server (pg_walfile_name changed in 17).
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::postgres {

/// A position in the WAL, in bytes. Text form "X/X" in upper-case hexadecimal without padding.
struct Lsn {
  uint64_t value = 0;
  friend auto operator<=>(Lsn, Lsn) = default;
};
std::string format_lsn(Lsn lsn);
Result<Lsn> parse_lsn(std::string_view text);

using Timeline = uint32_t;

/// One WAL segment file. `number` counts segments from the start of the WAL: LSN = number * segment size.
struct WalSegment {
  Timeline timeline = 1;
  uint64_t number = 0;
  friend auto operator<=>(const WalSegment&, const WalSegment&) = default;
};
/// `segment_size_bytes` is a power of two from 1 MiB to 1 GiB.
std::string wal_segment_name(WalSegment segment, uint64_t segment_size_bytes);
/// 24 hexadecimal digits with a segment part that is possible for this size; kInvalidArgument otherwise.
Result<WalSegment> parse_wal_segment_name(std::string_view name, uint64_t segment_size_bytes);

/// Checks the first page of a segment, and the header of every further page up to `end` (an LSN in or after this
/// segment), beyond which anything may follow. All-zero pages after a WAL switch are allowed.
struct WalExpectation {
  int major = 0;  // 13 to 18
  uint64_t system_identifier = 0;
  uint64_t segment_size_bytes = 0;
};
Status check_wal_segment(ByteView contents, WalSegment segment, const WalExpectation& expected, Lsn end);

/// One line of a timeline history file: `parent` ended at `switch_point`.
struct TimelineSwitch {
  Timeline parent = 0;
  Lsn switch_point;
};
/// Oldest first. Comment lines and text after the LSN are ignored; anything else out of form is kCorruption.
Result<std::vector<TimelineSwitch>> parse_timeline_history(std::string_view text);

}  // namespace coffer::postgres
