// What the clocks of a zone show: the changes of its offset from UTC, as the system's time zone files tell them.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "services/schedule/schedule.h"

namespace coffer::schedule {

/// No schedule runs outside of these years.
inline constexpr int kYearMin = 1970, kYearMax = 2199;

/// From `from` (seconds since 1970, UTC) on, local time is UTC plus `offset` seconds.
struct OffsetChange {
  int64_t from = std::numeric_limits<int64_t>::min();
  int32_t offset = 0;
  friend bool operator==(const OffsetChange&, const OffsetChange&) = default;
};

/// Local times are seconds since 1970-01-01 00:00 as the zone's clocks show them.
class ZoneTimes {
 public:
  /// UTC.
  ZoneTimes() : changes_(1) {}
  /// A TZif file (RFC 8536) of version 1 to 4. The rule at its end is spelled out for all years up to kYearMax.
  static Result<ZoneTimes> parse(ByteView tzif);

  [[nodiscard]] int64_t local(int64_t utc) const;
  /// The first moment at which the clocks show `local`; nothing when they never do.
  [[nodiscard]] std::optional<int64_t> first_utc(int64_t local) const;
  /// The same; a local time that does not exist counts on from before the clocks were set.
  [[nodiscard]] int64_t utc_counted_on(int64_t local) const;
  [[nodiscard]] const std::vector<OffsetChange>& changes() const { return changes_; }

 private:
  std::vector<OffsetChange> changes_;  // ascending by `from`, no two alike; the first one is valid since ever
};

/// The changes that a rule in the form of POSIX ("CET-1CEST,M3.5.0,M10.5.0/3") makes in the years `first` to `last`,
/// ascending; for one without daylight saving a single change since ever.
Result<std::vector<OffsetChange>> changes_of_rule(std::string_view rule, int first, int last);

struct Zone::Rules {
  std::string name;
  ZoneTimes times;
};

}  // namespace coffer::schedule
