// The six fields of a cron expression as sets, and the first local minute that is in all of them.
#pragma once
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "services/schedule/zone_times.h"

namespace coffer::schedule {

/// Sets are bits by value; bit 0 of `weekdays` is Sunday.
struct Cron {
  uint64_t minutes = 0;
  uint32_t hours = 0;
  uint32_t months = 0;
  std::bitset<kYearMax - kYearMin + 1> years;

  // Either days of the month or days of the week decide.
  bool by_weekday = false;
  uint32_t days = 0;
  uint32_t near_days = 0;  // nW: the weekday nearest to the n-th of the month
  bool last_day = false, last_weekday = false;
  uint32_t weekdays = 0;
  uint32_t last_of_weekdays = 0;  // nL: the last such day of the month
  int nth_weekday = -1, nth = 0;  // d#k: the k-th d of the month

  /// The days of a month that run, bit 1 for the first.
  [[nodiscard]] uint32_t days_of(int year, unsigned month) const;
  /// The first run after `local` (seconds since 1970 by the zone's clock), in the same seconds.
  [[nodiscard]] std::optional<int64_t> next_local(int64_t local) const;
};

/// The text between the parentheses of cron(...).
Result<Cron> parse_cron(std::string_view fields);

}  // namespace coffer::schedule
