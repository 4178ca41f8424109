#include "services/schedule/cron.h"

#include <bit>
#include <chrono>

namespace coffer::schedule {
namespace {

constexpr int64_t kMinutesOfDay = 1440;

/// The bits of `set` from bit `from` on.
template <class Set>
Set from_bit(Set set, unsigned from) {
  return from >= sizeof(Set) * 8 ? Set{0} : static_cast<Set>(set >> from << from);
}

/// A month as its days lie in it: weekday of the first (0 is Sunday) and how many.
struct MonthShape {
  unsigned first_weekday, size;

  MonthShape(int year, unsigned month) {
    using namespace std::chrono;
    const auto at = std::chrono::year(year) / std::chrono::month(month);
    first_weekday = weekday(sys_days(at / 1)).c_encoding();
    size = static_cast<unsigned>((at / last).day());
  }
  [[nodiscard]] unsigned weekday_of(unsigned day) const { return (first_weekday + day - 1) % 7; }
  /// The first day of the month that is this weekday.
  [[nodiscard]] unsigned first(unsigned weekday) const { return 1 + (weekday + 7 - first_weekday) % 7; }
  /// Monday to Friday nearest to `day`, never in another month.
  [[nodiscard]] unsigned working_day_near(unsigned day) const {
    if (weekday_of(day) == 6) return day == 1 ? 3 : day - 1;
    if (weekday_of(day) == 0) return day == size ? day - 2 : day + 1;
    return day;
  }
  [[nodiscard]] unsigned last_working_day() const {
    const unsigned weekday = weekday_of(size);
    return weekday == 6 ? size - 1 : weekday == 0 ? size - 2 : size;
  }
};

}  // namespace

uint32_t Cron::days_of(int year, unsigned month) const {
  const MonthShape shape(year, month);
  const uint32_t all = static_cast<uint32_t>((uint64_t{1} << (shape.size + 1)) - 2);
  uint32_t chosen = 0;
  if (!by_weekday) {
    chosen = days & all;
    for (uint32_t left = near_days & all; left != 0; left &= left - 1)
      chosen |= 1u << shape.working_day_near(static_cast<unsigned>(std::countr_zero(left)));
    if (last_day) chosen |= 1u << shape.size;
    if (last_weekday) chosen |= 1u << shape.last_working_day();
    return chosen;
  }
  for (uint32_t left = weekdays; left != 0; left &= left - 1) {
    for (unsigned day = shape.first(static_cast<unsigned>(std::countr_zero(left))); day <= shape.size; day += 7)
      chosen |= 1u << day;
  }
  for (uint32_t left = last_of_weekdays; left != 0; left &= left - 1) {
    const unsigned first = shape.first(static_cast<unsigned>(std::countr_zero(left)));
    chosen |= 1u << (first + (shape.size - first) / 7 * 7);
  }
  if (nth_weekday >= 0) {
    const unsigned day = shape.first(static_cast<unsigned>(nth_weekday)) + 7 * (static_cast<unsigned>(nth) - 1);
    if (day <= shape.size) chosen |= 1u << day;
  }
  return chosen;
}

std::optional<int64_t> Cron::next_local(int64_t local) const {
  using namespace std::chrono;
  constexpr int64_t kEnd = int64_t{sys_days(year(kYearMax + 1) / 1 / 1).time_since_epoch().count()} * kMinutesOfDay;
  const int64_t minute = local < 0 ? 0 : local / 60 + 1;
  if (minute >= kEnd) return std::nullopt;

  const sys_days today(std::chrono::days(static_cast<int>(minute / kMinutesOfDay)));
  const year_month_day date(today);
  const auto in_year = [&](int y) { return y <= kYearMax && years.test(static_cast<size_t>(y - kYearMin)); };
  const auto at = [&](sys_days day, unsigned hour, unsigned m) {
    return int64_t{day.time_since_epoch().count()} * 86400 + int64_t{hour} * 3600 + int64_t{m} * 60;
  };
  const unsigned first_hour = static_cast<unsigned>(std::countr_zero(hours));
  const unsigned first_minute = static_cast<unsigned>(std::countr_zero(minutes));

  int y = static_cast<int>(date.year());
  unsigned from_month = static_cast<unsigned>(date.month()), from_day = static_cast<unsigned>(date.day());
  if (in_year(y) && (months >> from_month & 1) && (days_of(y, from_month) >> from_day & 1)) {
    const auto of_day = static_cast<unsigned>(minute % kMinutesOfDay);
    const unsigned hour = of_day / 60;
    if (hours >> hour & 1) {
      if (const uint64_t left = from_bit(minutes, of_day % 60))
        return at(today, hour, static_cast<unsigned>(std::countr_zero(left)));
    }
    if (const uint32_t left = from_bit(hours, hour + 1))
      return at(today, static_cast<unsigned>(std::countr_zero(left)), first_minute);
  }
  ++from_day;
  for (; y <= kYearMax; ++y, from_month = 1, from_day = 1) {
    if (!in_year(y)) continue;
    for (uint32_t left = from_bit(months, from_month); left != 0; left &= left - 1) {
      const auto month = static_cast<unsigned>(std::countr_zero(left));
      const uint32_t chosen = from_bit(days_of(y, month), month == from_month ? from_day : 1);
      if (chosen == 0) continue;
      const sys_days day =
          year(y) / std::chrono::month(month) / std::chrono::day(static_cast<unsigned>(std::countr_zero(chosen)));
      return at(day, first_hour, first_minute);
    }
  }
  return std::nullopt;
}

}  // namespace coffer::schedule
