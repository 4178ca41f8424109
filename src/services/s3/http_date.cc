#include "services/s3/http_date.h"

#include <chrono>
#include <string_view>

namespace coffer::s3 {

std::string format_http_date(WallTime time) {
  static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds =
      std::chrono::sys_seconds(std::chrono::floor<std::chrono::seconds>(std::chrono::microseconds(time.micros)));
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  const auto two = [](int64_t number) { return std::to_string(100 + number).substr(1); };
  return std::string(kDays[std::chrono::weekday(day).c_encoding()]) + ", " + two(unsigned(date.day())) + " " +
         std::string(kMonths[unsigned(date.month()) - 1]) + " " + std::to_string(int(date.year())) + " " +
         two(clock.hours().count()) + ":" + two(clock.minutes().count()) + ":" + two(clock.seconds().count()) + " GMT";
}

}  // namespace coffer::s3
