#include "engine/sigv4/time.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace coffer::sigv4 {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// -1 unless all of `text` is digits.
int digits(std::string_view text) {
  if (text.empty() || text.size() > 4) return -1;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return -1;
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<WallTime> moment(int year, int month, int day, int hour, int minute, int second) {
  if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 59)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return WallTime{(days * 86400 + hour * 3600 + minute * 60 + second) * 1'000'000};
}

}  // namespace

std::string format_signing_time(WallTime time) {
  std::string text = format_utc(time);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

std::optional<WallTime> parse_signing_time(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  return moment(digits(text.substr(0, 4)), digits(text.substr(4, 2)), digits(text.substr(6, 2)),
                digits(text.substr(9, 2)), digits(text.substr(11, 2)), digits(text.substr(13, 2)));
}

std::optional<WallTime> parse_http_date(std::string_view text) {
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' ||
      text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT")
    return std::nullopt;
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  if (month == kMonths.end()) return std::nullopt;
  return moment(digits(text.substr(12, 4)), static_cast<int>(month - kMonths.begin()) + 1, digits(text.substr(5, 2)),
                digits(text.substr(17, 2)), digits(text.substr(20, 2)), digits(text.substr(23, 2)));
}

std::string format_http_date(WallTime time) {
  static constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  const auto day = std::chrono::sys_days(std::chrono::floor<std::chrono::days>(std::chrono::microseconds(time.micros)));
  const std::string iso = format_utc(time);  // 2026-11-24T12:00:00Z
  std::string text(kDays[std::chrono::weekday(day).c_encoding()]);
  text.append(", ").append(iso, 8, 2).append(" ");
  text.append(kMonths[unsigned(std::chrono::year_month_day(day).month()) - 1]).append(" ");
  return text.append(iso, 0, 4).append(" ").append(iso, 11, 8).append(" GMT");
}

}  // namespace coffer::sigv4
