#include "engine/postgres/lsn.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>

namespace coffer::postgres {
namespace {

constexpr size_t kWalPageSize = 8192;
constexpr size_t kLongHeaderSize = 40, kShortHeaderSize = 24;
constexpr uint16_t kLongHeaderFlag = 0x0002, kKnownFlags = 0x000f;
constexpr size_t kHistorySwitchesMax = 100'000;

Error corrupt(std::string message) { return {ErrorCode::kCorruption, std::move(message), {}}; }

/// Exactly the digits of `text`, of either case, at most 16 of them.
bool parse_hex(std::string_view text, uint64_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_segment_size(uint64_t size_bytes) {
  return std::has_single_bit(size_bytes) && size_bytes >= (uint64_t{1} << 20) && size_bytes <= (uint64_t{1} << 30);
}

uint16_t page_magic(int major) {
  switch (major) {
    case 13: return 0xD106;
    case 14: return 0xD10D;
    case 15: return 0xD110;
    case 16: return 0xD113;
    case 17: return 0xD116;
    case 18: return 0xD118;
    default: return 0;
  }
}

std::string hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llX", static_cast<unsigned long long>(value));
  return text;
}

/// The fields that the header of every WAL page has. `timeline_min` is that of the page before.
Status check_page_header(const std::byte* page, uint64_t address, uint16_t magic, Timeline timeline_min,
                         Timeline timeline_max) {
  auto wrong = [&](const std::string& what) { return corrupt("WAL page at " + format_lsn({address}) + ": " + what); };
  if (uint16_t found = load_le<uint16_t>(page); found != magic) {
    return wrong("magic " + hex(found) + " where " + hex(magic) + " belongs");
  }
  if (uint16_t info = load_le<uint16_t>(page + 2); (info & ~kKnownFlags) != 0)
    return wrong("unknown flags " + hex(info));
  // The first pages of a timeline's first segment are copied from its parent, header and all.
  if (Timeline found = load_le<uint32_t>(page + 4); found < timeline_min || found > timeline_max) {
    return wrong("timeline " + std::to_string(found) + " in a segment of timeline " + std::to_string(timeline_max));
  }
  if (uint64_t found = load_le<uint64_t>(page + 8); found != address) {
    return wrong("its header says " + format_lsn({found}));
  }
  return ok_status();
}

Status check_long_header(const std::byte* page, const WalExpectation& expected) {
  if ((load_le<uint16_t>(page + 2) & kLongHeaderFlag) == 0)
    return corrupt("the segment does not begin with a long header");
  if (uint64_t found = load_le<uint64_t>(page + 24); found != expected.system_identifier) {
    return corrupt("WAL of system " + std::to_string(found) + ", not of " + std::to_string(expected.system_identifier));
  }
  if (uint32_t found = load_le<uint32_t>(page + 32); found != expected.segment_size_bytes) {
    return corrupt("the segment was written for segments of " + std::to_string(found) + " bytes");
  }
  if (uint32_t found = load_le<uint32_t>(page + 36); found != kWalPageSize) {
    return corrupt("the segment was written for WAL pages of " + std::to_string(found) + " bytes");
  }
  return ok_status();
}

bool parse_history_line(std::string_view line, TimelineSwitch& out) {
  size_t digits_end = line.find_first_not_of("0123456789");
  if (digits_end == 0 || digits_end == std::string_view::npos) return false;
  auto [end, error] = std::from_chars(line.data(), line.data() + digits_end, out.parent);
  if (error != std::errc() || end != line.data() + digits_end || out.parent == 0) return false;
  size_t lsn_begin = line.find_first_not_of(" \t", digits_end);
  if (lsn_begin == digits_end || lsn_begin == std::string_view::npos) return false;
  std::string_view rest = line.substr(lsn_begin);
  auto lsn = parse_lsn(rest.substr(0, rest.find_first_of(" \t\r")));
  if (!lsn.ok()) return false;
  out.switch_point = *lsn;
  return true;
}

}  // namespace

std::string format_lsn(Lsn lsn) {
  char text[24];
  std::snprintf(text, sizeof text, "%X/%X", static_cast<unsigned>(lsn.value >> 32), static_cast<unsigned>(lsn.value));
  return text;
}

Result<Lsn> parse_lsn(std::string_view text) {
  size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    std::string_view high = text.substr(0, slash), low = text.substr(slash + 1);
    uint64_t high_value = 0, low_value = 0;
    if (high.size() <= 8 && low.size() <= 8 && parse_hex(high, high_value) && parse_hex(low, low_value)) {
      return Lsn{high_value << 32 | low_value};
    }
  }
  return Error{ErrorCode::kInvalidArgument, "'" + std::string(text.substr(0, 40)) + "' is not an LSN",
               "an LSN is written as 0/1A2B3C4D"};
}

std::string wal_segment_name(WalSegment segment, uint64_t segment_size_bytes) {
  COFFER_ASSERT(is_segment_size(segment_size_bytes));
  uint64_t per_high = (uint64_t{1} << 32) / segment_size_bytes;
  char text[32];
  std::snprintf(text, sizeof text, "%08X%08X%08X", segment.timeline, static_cast<unsigned>(segment.number / per_high),
                static_cast<unsigned>(segment.number % per_high));
  return text;
}

Result<WalSegment> parse_wal_segment_name(std::string_view name, uint64_t segment_size_bytes) {
  Error not_one{
      ErrorCode::kInvalidArgument, "'" + std::string(name.substr(0, 64)) + "' is not the name of a WAL segment", {}};
  if (!is_segment_size(segment_size_bytes)) {
    return Error{
        ErrorCode::kInvalidArgument, std::to_string(segment_size_bytes) + " is not a size of WAL segments", {}};
  }
  // PostgreSQL writes upper case only, and reads nothing else.
  if (name.size() != 24 || name.find_first_not_of("0123456789ABCDEF") != std::string_view::npos) return not_one;
  uint64_t timeline = 0, high = 0, low = 0;
  parse_hex(name.substr(0, 8), timeline);
  parse_hex(name.substr(8, 8), high);
  parse_hex(name.substr(16, 8), low);
  uint64_t per_high = (uint64_t{1} << 32) / segment_size_bytes;
  if (timeline == 0 || low >= per_high) return not_one;
  return WalSegment{static_cast<Timeline>(timeline), high * per_high + low};
}

Status check_wal_segment(ByteView contents, WalSegment segment, const WalExpectation& expected, Lsn end) {
  if (!is_segment_size(expected.segment_size_bytes)) {
    return Error{ErrorCode::kInvalidArgument, "impossible WAL segment size", {}};
  }
  uint16_t magic = page_magic(expected.major);
  if (magic == 0) {
    return Error{
        ErrorCode::kFailedPrecondition, "WAL of PostgreSQL " + std::to_string(expected.major) + " is not known", {}};
  }
  if (contents.size() != expected.segment_size_bytes) {
    return corrupt("a WAL segment of " + std::to_string(contents.size()) + " bytes where " +
                   std::to_string(expected.segment_size_bytes) + " belong");
  }
  static_assert(kShortHeaderSize <= kLongHeaderSize && kLongHeaderSize <= kWalPageSize);
  uint64_t first = segment.number * expected.segment_size_bytes;
  COFFER_CHECK_OK(check_page_header(contents.data(), first, magic, 1, segment.timeline));
  COFFER_CHECK_OK(check_long_header(contents.data(), expected));

  Timeline timeline = load_le<uint32_t>(contents.data() + 4);
  bool switched = false;
  for (size_t at = kWalPageSize; at < contents.size() && first + at < end.value; at += kWalPageSize) {
    // After a WAL switch the rest of the segment is zeros: what follows a zero page must be zero, too.
    bool zero = is_zero(contents.subspan(at, kWalPageSize));
    if (zero) {
      switched = true;
      continue;
    }
    if (switched) return corrupt("WAL page at " + format_lsn({first + at}) + ": follows pages of zeros");
    COFFER_CHECK_OK(check_page_header(contents.data() + at, first + at, magic, timeline, segment.timeline));
    timeline = load_le<uint32_t>(contents.data() + at + 4);
  }
  return ok_status();
}

Result<std::vector<TimelineSwitch>> parse_timeline_history(std::string_view text) {
  std::vector<TimelineSwitch> switches;
  for (size_t line_number = 1; !text.empty(); ++line_number) {
    size_t length = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos || line[begin] == '#') continue;
    TimelineSwitch next;
    std::string where = "timeline history, line " + std::to_string(line_number);
    if (!parse_history_line(line.substr(begin), next)) return corrupt(where + ": not \"timeline LSN reason\"");
    if (!switches.empty() && next.parent <= switches.back().parent) return corrupt(where + ": timelines do not ascend");
    if (switches.size() == kHistorySwitchesMax) return corrupt("timeline history: too long");
    switches.push_back(next);
  }
  return switches;
}

}  // namespace coffer::postgres
