// Against a reader of cron expressions that asks each minute by itself whether it runs: slow, and written differently.
#include <chrono>
#include <random>

#include "base/filesystem.h"
#include "services/schedule/testing.h"
#include "services/schedule/zone_times.h"

namespace coffer::schedule {
namespace {

constexpr int64_t kDay = 86400;

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == by) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

/// Whether `value` is in an item of numbers ("*", "5", "3-7", "2/4", "20-2/3") of a field from min to max.
bool in_item(const std::string& item, int value, int min, int max) {
  const auto slash = split(item, '/');
  const int step = slash.size() > 1 ? std::stoi(slash[1]) : 1;
  if (slash[0] == "*") return (value - min) % step == 0;
  const auto dash = split(slash[0], '-');
  const int low = std::stoi(dash[0]);
  if (dash.size() == 1) return slash.size() == 1 ? value == low : value >= low && (value - low) % step == 0;
  const int high = std::stoi(dash[1]), size = max - min + 1;
  const int behind = (value - low + size) % size, span = (high - low + size) % size;
  return behind <= span && behind % step == 0;
}

bool in_field(const std::string& field, int value, int min, int max) {
  for (const std::string& item : split(field, ',')) {
    if (in_item(item, value, min, max)) return true;
  }
  return false;
}

struct Date {
  int year, month, day, weekday, size;  // weekday 1 is Sunday; size of the month

  static Date of(int64_t days) {
    using namespace std::chrono;
    const sys_days at(std::chrono::days(static_cast<int>(days)));
    const year_month_day d(at);
    return {static_cast<int>(d.year()), static_cast<int>(static_cast<unsigned>(d.month())),
            static_cast<int>(static_cast<unsigned>(d.day())),
            static_cast<int>(std::chrono::weekday(at).c_encoding()) + 1,
            static_cast<int>(static_cast<unsigned>((d.year() / d.month() / last).day()))};
  }
  [[nodiscard]] int weekday_of(int other) const { return ((weekday - 1 + other - day) % 7 + 7) % 7 + 1; }
  [[nodiscard]] bool works(int other) const { return weekday_of(other) != 1 && weekday_of(other) != 7; }
  /// The nearest working day of the month by trying all; nothing when the month has no such day.
  [[nodiscard]] int near(int wanted) const {
    if (wanted > size) return 0;
    int best = 0;
    for (int other = 1; other <= size; ++other) {
      if (works(other) && (best == 0 || std::abs(other - wanted) < std::abs(best - wanted))) best = other;
    }
    return best;
  }
};

bool runs_on(const std::vector<std::string>& fields, const Date& date) {
  if (!in_field(fields[5], date.year, kYearMin, kYearMax) || !in_field(fields[3], date.month, 1, 12)) return false;
  if (fields[2] != "?") {
    for (const std::string& item : split(fields[2], ',')) {
      if (item == "L"          ? date.day == date.size
          : item == "LW"       ? date.day == date.near(date.size)
          : item.back() == 'W' ? date.day == date.near(std::stoi(item))
                               : in_item(item, date.day, 1, 31))
        return true;
    }
    return false;
  }
  for (const std::string& item : split(fields[4], ',')) {
    const bool last_week = date.day + 7 > date.size;
    if (item == "L"                           ? date.weekday == 7
        : item.find('#') != std::string::npos ? date.weekday == item[0] - '0' && (date.day - 1) / 7 + 1 == item[2] - '0'
        : item.back() == 'L'                  ? date.weekday == item[0] - '0' && last_week
                                              : in_item(item, date.weekday, 1, 7))
      return true;
  }
  return false;
}

struct Maker {
  std::mt19937 random;
  int upto(int max) { return static_cast<int>(random() % static_cast<unsigned>(max + 1)); }
  int from(int min, int max) { return min + upto(max - min); }

  std::string item(int min, int max, bool wraps) {
    const int low = from(min, max), high = wraps ? from(min, max) : from(low, max);
    const std::string range = std::to_string(low) + "-" + std::to_string(high);
    switch (upto(6)) {
      case 0: return "*";
      case 1: return range;
      case 2: return range + "/" + std::to_string(from(1, max - min));
      case 3: return std::to_string(low) + "/" + std::to_string(from(1, max - min));
      case 4: return "*/" + std::to_string(from(1, max - min));
      default: return std::to_string(low);
    }
  }
  std::string list(int min, int max, bool wraps = true) {
    std::string text = item(min, max, wraps);
    while (upto(2) == 0) text += "," + item(min, max, wraps);
    return text;
  }
  std::string day() {
    switch (upto(5)) {
      case 0: return "L";
      case 1: return "LW";
      case 2: return std::to_string(from(1, 31)) + "W";
      case 3: return list(1, 31) + "," + std::to_string(from(1, 31)) + "W";
      default: return list(1, 31);
    }
  }
  std::string weekday() {
    switch (upto(5)) {
      case 0: return "L";
      case 1: return std::to_string(from(1, 7)) + "L";
      case 2: return std::to_string(from(1, 7)) + "#" + std::to_string(from(1, 5));
      case 3: return list(1, 7) + "," + std::to_string(from(1, 7)) + "L";
      default: return list(1, 7);
    }
  }
  std::vector<std::string> fields() {
    const bool by_weekday = upto(1) == 0;
    return {list(0, 59),
            list(0, 23),
            by_weekday ? "?" : day(),
            upto(1) ? "*" : list(1, 12),
            by_weekday ? weekday() : "?",
            upto(2) ? "*" : list(2020, 2036, false)};
  }
};

std::string joined(const std::vector<std::string>& fields) {
  std::string text = "cron(";
  for (const std::string& field : fields) text += (text.size() > 5 ? " " : "") + field;
  return text + ")";
}

/// The first minute after `after` whose local time is in all fields and was never shown before, within ten years.
std::optional<int64_t> scan(const std::vector<std::string>& fields, const ZoneTimes& times, int64_t after) {
  int64_t shown = std::numeric_limits<int64_t>::min(), day = shown;
  bool day_runs = false;
  // From two days earlier, to have seen what was shown before.
  for (int64_t utc = after / 60 * 60 - 2 * kDay; utc < after + 3652 * kDay; utc += 60) {
    const int64_t local = times.local(utc);
    if (local <= shown) continue;
    shown = local;
    if (const int64_t today = local / kDay; today != day) {
      day = today;
      day_runs = runs_on(fields, Date::of(today));
    }
    if (!day_runs || utc <= after) continue;
    const auto of_day = static_cast<int>(local % kDay / 60);
    if (in_field(fields[1], of_day / 60, 0, 23) && in_field(fields[0], of_day % 60, 0, 59)) return utc;
  }
  return std::nullopt;
}

void compare(unsigned seed, const char* zone_name, int expressions, int steps) {
  Maker maker{.random = std::mt19937(seed)};
  const Zone zone = coffer::schedule::zone(zone_name);
  PosixFileSystem files;
  const ZoneTimes times =
      ZoneTimes::parse(files.read_file(std::string("/usr/share/zoneinfo/") + zone_name).value()).value();
  for (int i = 0; i < expressions; ++i) {
    const auto fields = maker.fields();
    const Schedule schedule = parsed(joined(fields));
    int64_t after = 1'767'225'600 + int64_t{maker.upto(365 * 1440)} * 60 + maker.upto(59);
    for (int step = 0; step < steps; ++step) {
      const auto expected = scan(fields, times, after);
      const auto run = schedule.next({after * 1'000'000}, zone);
      if (!expected) {
        ASSERT_TRUE(!run || run->micros / 1'000'000 >= after + 3652 * kDay) << joined(fields) << " " << after;
        break;
      }
      ASSERT_TRUE(run && run->micros == *expected * 1'000'000)
          << joined(fields) << " in " << zone_name << " after " << after << ": " << (run ? format_utc(*run) : "never")
          << " instead of " << format_utc({*expected * 1'000'000});
      after = *expected + maker.upto(1) * maker.upto(20 * 1440) * 60;
    }
  }
}

TEST(CronAgainstAMinuteScan, InUtc) { compare(11, "Etc/UTC", 30, 6); }
TEST(CronAgainstAMinuteScan, InBerlin) { compare(12, "Europe/Berlin", 25, 6); }
TEST(CronAgainstAMinuteScan, OnLordHoweWhereClocksMoveHalfAnHour) { compare(13, "Australia/Lord_Howe", 25, 6); }

// Two thousand days of five hundred schedules in a CPU second, measured optimised; without optimisation ten times that.
TEST(CronNext, AMillionRunsAreAMatterOfSeconds) {
  const Schedule daily = parsed("cron(0 5 ? * * *)");
  const Zone berlin = zone("Europe/Berlin");
  WallTime after = at("2026-01-01T00:00:00Z");
  const clock_t begin = clock();
  for (int i = 0; i < 50'000; ++i) after = *daily.next(after, berlin);
  const double seconds = double(clock() - begin) / CLOCKS_PER_SEC;
  EXPECT_LT(seconds * 20, 60.0);
  RecordProperty("nanoseconds_each", std::to_string(seconds * 1e9 / 50'000));
}

}  // namespace
}  // namespace coffer::schedule
