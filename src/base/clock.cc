#include "base/clock.h"

#include <time.h>  // NOLINT: clock_gettime is POSIX

#include <charconv>
#include <cstdio>
#include <thread>

namespace coffer {

WallTime SystemClock::wall() const {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return {t.tv_sec * 1'000'000 + t.tv_nsec / 1000};
}

MonoTime SystemClock::mono() const {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return {t.tv_sec * 1'000'000'000 + t.tv_nsec};
}

void SystemClock::sleep_for(std::chrono::nanoseconds d) { std::this_thread::sleep_for(d); }

namespace {

/// Writes `value` with `digits` digits into the places before `end`.
void put_digits(char* end, int64_t value, int digits) {
  for (; digits > 0; --digits, value /= 10) *--end = static_cast<char>('0' + value % 10);
}

/// Of the years 1970 to 9999: what records and answers have, several times each.
std::string format_common(int64_t seconds, int64_t micros, bool with_micros) {
  const int64_t days = seconds / 86'400, second = seconds % 86'400;
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  std::string text = with_micros ? "0000-00-00T00:00:00.000000Z" : "0000-00-00T00:00:00Z";
  put_digits(&text[4], static_cast<int>(date.year()), 4);
  put_digits(&text[7], static_cast<unsigned>(date.month()), 2);
  put_digits(&text[10], static_cast<unsigned>(date.day()), 2);
  put_digits(&text[13], second / 3600, 2);
  put_digits(&text[16], second / 60 % 60, 2);
  put_digits(&text[19], second % 60, 2);
  if (with_micros) put_digits(&text[26], micros, 6);
  return text;
}

}  // namespace

std::string format_utc(WallTime time, bool with_micros) {
  int64_t seconds = time.micros / 1'000'000, micros = time.micros % 1'000'000;
  if (micros < 0) micros += 1'000'000, --seconds;
  if (seconds >= 0 && seconds < 253'402'300'800) return format_common(seconds, micros, with_micros);
  time_t t = seconds;
  tm parts{};
  gmtime_r(&t, &parts);
  char text[64];
  if (with_micros) {
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", parts.tm_year + 1900, parts.tm_mon + 1,
             parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, static_cast<int>(micros));
  } else {
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
             parts.tm_hour, parts.tm_min, parts.tm_sec);
  }
  return text;
}

namespace {

// Reads exactly `digits` decimal digits at the front of `text`; -1 when they are not there.
int take_digits(std::string_view& text, size_t digits) {
  int value = 0;
  if (text.size() < digits) return -1;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_char(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

Result<WallTime> parse_utc(std::string_view text) {
  const std::string whole(text);
  auto bad = [&](std::string_view why) {
    return Error{ErrorCode::kInvalidArgument, "cannot read the time '" + whole + "': " + std::string(why),
                 "write it as 2026-11-24T12:00:00Z or with an offset, 2026-11-24T13:00:00+01:00"};
  };
  int year = take_digits(text, 4);
  if (year < 0 || !take_char(text, '-')) return bad("it does not begin with YYYY-MM-DD");
  int month = take_digits(text, 2);
  if (month < 1 || month > 12 || !take_char(text, '-')) return bad("the month is not 01 to 12");
  int day = take_digits(text, 2);
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day < 0 ? 0 : day))};
  if (!date.ok()) return bad("there is no such day");
  if (!take_char(text, 'T') && !take_char(text, ' ')) return bad("the date is not followed by a time of day");
  int hour = take_digits(text, 2);
  if (hour < 0 || hour > 23 || !take_char(text, ':')) return bad("the hour is not 00 to 23");
  int minute = take_digits(text, 2);
  if (minute < 0 || minute > 59) return bad("the minute is not 00 to 59");
  int second = 0;
  int64_t micros = 0;
  if (take_char(text, ':')) {
    second = take_digits(text, 2);
    if (second < 0 || second > 59) return bad("the second is not 00 to 59");
    if (take_char(text, '.')) {
      int64_t unit = 100'000;
      size_t digits = 0;
      for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; ++digits, unit /= 10)
        micros += unit * take_digits(text, 1);
      if (digits == 0 || digits > 6) return bad("a fraction has 1 to 6 digits");
    }
  }
  int offset_minutes = 0;
  if (!take_char(text, 'Z')) {
    take_char(text, ' ');
    bool minus = !text.empty() && text[0] == '-';
    if (!take_char(text, '+') && !take_char(text, '-')) return bad("it names no time zone");
    int oh = take_digits(text, 2);
    if (oh < 0 || oh > 15) return bad("the offset is not +HH or +HH:MM");
    int om = 0;
    if (!text.empty()) {
      take_char(text, ':');
      om = take_digits(text, 2);
      if (om < 0 || om > 59) return bad("the offset is not +HH or +HH:MM");
    }
    offset_minutes = (oh * 60 + om) * (minus ? -1 : 1);
  }
  if (!text.empty()) return bad("there is text after it");
  int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  int64_t seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset_minutes * 60;
  return WallTime{seconds * 1'000'000 + micros};
}

Result<std::chrono::seconds> parse_duration(std::string_view text) {
  const std::string whole(text);
  Error bad{ErrorCode::kInvalidArgument, "cannot read the duration '" + whole + "'",
            "write a number and s, m, h, d or w, as 36h, 7d or 1d12h"};
  if (text.empty()) return bad;
  int64_t total = 0;
  while (!text.empty()) {
    int64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || n < 0 || n > 1'000'000'000 || end == text.data() + text.size()) return bad;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    int64_t unit = 0;
    switch (text[0]) {
      case 's': unit = 1; break;
      case 'm': unit = 60; break;
      case 'h': unit = 3600; break;
      case 'd': unit = 86400; break;
      case 'w': unit = 7 * 86400; break;
      default: return bad;
    }
    text.remove_prefix(1);
    total += n * unit;
  }
  return std::chrono::seconds(total);
}

std::string format_duration(std::chrono::seconds duration) {
  int64_t s = duration.count();
  if (s < 0) return std::string("-").append(format_duration(-duration));
  auto two = [](int64_t big, const char* big_unit, int64_t small, const char* small_unit) {
    std::string text = std::to_string(big) + " " + big_unit;
    if (small) text.append(" ").append(std::to_string(small)).append(" ").append(small_unit);
    return text;
  };
  if (s >= 86400) return two(s / 86400, "d", s % 86400 / 3600, "h");
  if (s >= 3600) return two(s / 3600, "h", s % 3600 / 60, "min");
  if (s >= 60) return two(s / 60, "min", s % 60, "s");
  return std::to_string(s) + " s";
}

}  // namespace coffer
