// WAL segments, their names and history files from anywhere: checked or refused, never a crash.
#include <cstring>

#include "engine/postgres/lsn.h"
#include "fuzz/require.h"

namespace {

using namespace coffer;
using namespace coffer::postgres;

constexpr uint64_t kSegmentSize = uint64_t{1} << 20;

void try_segment(ByteView input) {
  static Bytes segment(kSegmentSize);
  std::memset(segment.data(), 0, segment.size());
  std::memcpy(segment.data(), input.data(), std::min<size_t>(input.size(), segment.size()));
  WalExpectation expected{.major = 15, .system_identifier = 4711, .segment_size_bytes = kSegmentSize};
  (void)check_wal_segment(segment, {1, 3}, expected, {4 * kSegmentSize});
  (void)check_wal_segment(input, {1, 3}, expected, {4 * kSegmentSize});
}

void try_text(std::string_view text) {
  if (auto lsn = parse_lsn(text); lsn.ok()) require(*parse_lsn(format_lsn(*lsn)) == *lsn);
  for (uint64_t size = kSegmentSize; size <= uint64_t{1} << 30; size *= 4) {
    if (auto segment = parse_wal_segment_name(text, size); segment.ok())
      require(wal_segment_name(*segment, size) == text);
  }
  if (auto history = parse_timeline_history(text); history.ok()) {
    for (size_t i = 1; i < history->size(); ++i) require((*history)[i - 1].parent < (*history)[i].parent);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteView input = std::as_bytes(std::span(data, size));
  try_segment(input);
  try_text(as_text(input));
  return 0;
}
