#include "services/schedule/zone_times.h"

#include <algorithm>
#include <chrono>

namespace coffer::schedule {
namespace {

constexpr int32_t kOffsetMax = 26 * 3600;  // no offset of a zone file is larger (RFC 8536, 3.2)

struct Header {
  char version = 0;
  uint32_t ut_count = 0, standard_count = 0, leap_count = 0, time_count = 0, type_count = 0, char_count = 0;

  [[nodiscard]] uint64_t block_size(uint64_t time_size) const {
    return uint64_t{time_count} * (time_size + 1) + uint64_t{type_count} * 6 + char_count +
           uint64_t{leap_count} * (time_size + 4) + standard_count + ut_count;
  }
};

Error damaged(std::string_view what) {
  return Error{ErrorCode::kCorruption, "time zone file: " + std::string(what), {}};
}

Result<Header> read_header(ByteReader& in) {
  Header header;
  if (as_text(in.bytes(4)) != "TZif") return damaged("it does not begin with TZif");
  header.version = static_cast<char>(in.u8());
  in.bytes(15);
  header.ut_count = in.u32();
  header.standard_count = in.u32();
  header.leap_count = in.u32();
  header.time_count = in.u32();
  header.type_count = in.u32();
  header.char_count = in.u32();
  if (!in.ok()) return damaged("it ends within its header");
  if (header.type_count == 0 || header.type_count > 256) return damaged("it has no or too many kinds of local time");
  return header;
}

Result<std::vector<OffsetChange>> read_changes(ByteReader& in, const Header& header, uint64_t time_size) {
  if (header.block_size(time_size) > in.left()) return damaged("it ends within its data");
  if (header.leap_count != 0)
    return Error{ErrorCode::kInvalidArgument, "time zones that count leap seconds are not supported", {}};
  std::vector<int64_t> times(header.time_count);
  for (int64_t& time : times) time = time_size == 8 ? static_cast<int64_t>(in.u64()) : static_cast<int32_t>(in.u32());
  std::vector<uint8_t> kinds(header.time_count);
  for (uint8_t& kind : kinds) kind = in.u8();
  std::vector<int32_t> offsets(header.type_count);
  for (int32_t& offset : offsets) {
    offset = static_cast<int32_t>(in.u32());
    in.bytes(2);
    if (offset < -kOffsetMax || offset > kOffsetMax) return damaged("an offset from UTC is more than a day");
  }
  in.bytes(uint64_t{header.char_count} + header.standard_count + header.ut_count);
  std::vector<OffsetChange> changes{{.offset = offsets[0]}};
  for (size_t i = 0; i < times.size(); ++i) {
    if (kinds[i] >= offsets.size()) return damaged("a change has no kind of local time");
    if (times[i] <= changes.back().from) return damaged("its changes are not in order");
    changes.push_back({.from = times[i], .offset = offsets[kinds[i]]});
  }
  return changes;
}

/// What stands behind the data: a line with the rule for the time after the last change.
Result<std::string_view> read_footer(ByteReader& in) {
  const std::string_view rest = as_text(in.bytes(in.left()));
  const size_t end = rest.empty() || rest.front() != '\n' ? std::string_view::npos : rest.find('\n', 1);
  if (end == std::string_view::npos) return damaged("it ends without its rule");
  return rest.substr(1, end - 1);
}

Status continue_by_rule(std::vector<OffsetChange>& changes, std::string_view rule) {
  using namespace std::chrono;
  int first = kYearMin;
  // One year earlier than the last change: what lies before it is left out below.
  const int64_t last_known = changes.back().from;
  const int64_t end = int64_t{sys_days(year(kYearMax) / 1 / 1).time_since_epoch().count()} * 86400;
  if (last_known > end) return ok_status();
  if (last_known > 0) {
    const sys_days day(days(static_cast<int>(last_known / 86400)));
    first = std::max(first, static_cast<int>(year_month_day(day).year()) - 1);
  }
  COFFER_TRY(auto more, changes_of_rule(rule, first, kYearMax + 1));
  for (const OffsetChange& change : more) {
    if (change.from < changes.back().from || (change.from == last_known && changes.size() > 1)) continue;
    if (change.from == changes.back().from) {
      changes.back() = change;
    } else {
      changes.push_back(change);
    }
  }
  return ok_status();
}

}  // namespace

Result<ZoneTimes> ZoneTimes::parse(ByteView tzif) {
  ByteReader in(tzif);
  COFFER_TRY(Header header, read_header(in));
  ZoneTimes times;
  if (header.version == 0) {
    COFFER_TRY(times.changes_, read_changes(in, header, 4));
    return times;
  }
  // Version 2 and later: the same again with 64 bits, which alone counts.
  if (header.block_size(4) > in.left()) return damaged("it ends within its data");
  in.bytes(header.block_size(4));
  COFFER_TRY(header, read_header(in));
  COFFER_TRY(times.changes_, read_changes(in, header, 8));
  COFFER_TRY(const std::string_view rule, read_footer(in));
  if (!rule.empty()) COFFER_CHECK_OK(continue_by_rule(times.changes_, rule));
  return times;
}

int64_t ZoneTimes::local(int64_t utc) const {
  if (changes_.size() == 1) return utc + changes_.front().offset;
  const auto after = std::upper_bound(changes_.begin() + 1, changes_.end(), utc,
                                      [](int64_t t, const OffsetChange& change) { return t < change.from; });
  return utc + std::prev(after)->offset;
}

std::optional<int64_t> ZoneTimes::first_utc(int64_t local) const {
  if (changes_.size() == 1) return local - changes_.front().offset;
  auto at = std::prev(std::upper_bound(changes_.begin() + 1, changes_.end(), local - kOffsetMax,
                                       [](int64_t t, const OffsetChange& change) { return t < change.from; }));
  for (; at != changes_.end() && at->from <= local + kOffsetMax; ++at) {
    const int64_t utc = local - at->offset;
    const auto next = std::next(at);
    if (utc >= at->from && (next == changes_.end() || utc < next->from)) return utc;
  }
  return std::nullopt;
}

int64_t ZoneTimes::utc_counted_on(int64_t local) const {
  if (const auto utc = first_utc(local)) return *utc;
  // In a gap: the change that made it is the first whose new clock is past `local` already.
  for (size_t i = 1; i < changes_.size(); ++i) {
    if (changes_[i].from + changes_[i].offset > local && changes_[i].from + changes_[i - 1].offset <= local)
      return local - changes_[i - 1].offset;
  }
  return local - changes_.back().offset;
}

}  // namespace coffer::schedule
