#include <algorithm>
#include <charconv>
#include <chrono>

#include "services/schedule/zone_times.h"

namespace coffer::schedule {
namespace {

constexpr int64_t kDay = 86400;

/// One of the two days of a year on which the clocks are set, and when on it by the clock that was valid before.
struct SettingDay {
  enum class Form { kMonthWeekDay, kJulian, kZeroBased };
  Form form = Form::kMonthWeekDay;
  int month = 0, week = 0, day = 0;
  int64_t time = 7200;

  /// Local seconds since 1970, by the clock that is valid before.
  [[nodiscard]] int64_t in(int year) const {
    using namespace std::chrono;
    const std::chrono::year y{year};
    sys_days date;
    if (form == Form::kZeroBased) {
      date = sys_days(y / 1 / 1) + days(day);
    } else if (form == Form::kJulian) {  // 29 February is never counted
      date = sys_days(y / 1 / 1) + days(day - 1 + (y.is_leap() && day >= 60 ? 1 : 0));
    } else {
      const std::chrono::weekday on{static_cast<unsigned>(day)};
      const auto in_month = y / std::chrono::month(static_cast<unsigned>(month));
      date = week == 5 ? sys_days(in_month / on[last]) : sys_days(in_month / on[static_cast<unsigned>(week)]);
    }
    return int64_t{date.time_since_epoch().count()} * kDay + time;
  }
};

/// Reads through a rule; after the first fault everything fails.
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : text_(text) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return text_.empty(); }
  [[nodiscard]] bool next_is(char c) const { return !text_.empty() && text_.front() == c; }
  bool skip(char c) {
    if (!next_is(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void want(char c) { ok_ = skip(c) && ok_; }
  /// "CET" or "<+03>".
  void abbreviation() {
    const bool quoted = skip('<');
    size_t size = 0;
    const auto is_part = [&](char c) {
      const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
      return letter || (quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-'));
    };
    while (size < text_.size() && is_part(text_[size])) ++size;
    if (size < 3) ok_ = false;
    text_.remove_prefix(size);
    if (quoted) want('>');
  }
  int number(int min, int max) {
    int value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc() || next_is('-') || value < min || value > max) return ok_ = false, min;
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    return value;
  }
  /// "-1", "5:30", "+03:00:20", in seconds.
  int64_t hours(int max) {
    const bool negative = skip('-');
    if (!negative) skip('+');
    int64_t seconds = int64_t{number(0, max)} * 3600;
    if (skip(':')) seconds += int64_t{number(0, 59)} * 60;
    if (skip(':')) seconds += number(0, 59);
    return negative ? -seconds : seconds;
  }
  SettingDay setting_day() {
    SettingDay day;
    if (skip('M')) {
      day.month = number(1, 12);
      want('.');
      day.week = number(1, 5);
      want('.');
      day.day = number(0, 6);
    } else if (skip('J')) {
      day.form = SettingDay::Form::kJulian;
      day.day = number(1, 365);
    } else {
      day.form = SettingDay::Form::kZeroBased;
      day.day = number(0, 365);
    }
    if (skip('/')) day.time = hours(167);
    return day;
  }

 private:
  std::string_view text_;
  bool ok_ = true;
};

}  // namespace

Result<std::vector<OffsetChange>> changes_of_rule(std::string_view rule, int first, int last) {
  const auto refuse = [&] {
    return Error{ErrorCode::kCorruption, "time zone rule '" + std::string(rule) + "' is not understood", {}};
  };
  RuleReader reader(rule);
  reader.abbreviation();
  const auto standard = static_cast<int32_t>(-reader.hours(24));
  if (!reader.ok()) return refuse();
  if (reader.at_end()) return std::vector<OffsetChange>{{.offset = standard}};
  reader.abbreviation();
  int32_t summer = standard + 3600;
  if (!reader.next_is(',') && !reader.at_end()) summer = static_cast<int32_t>(-reader.hours(24));
  // Without days the rule leaves them to the implementation; the zone files always have them.
  reader.want(',');
  const SettingDay begin = reader.setting_day();
  reader.want(',');
  const SettingDay end = reader.setting_day();
  if (!reader.ok() || !reader.at_end()) return refuse();

  std::vector<OffsetChange> changes;
  for (int year = first; year <= last; ++year) {
    const OffsetChange on{.from = begin.in(year)-standard, .offset = summer};
    const OffsetChange off{.from = end.in(year)-summer, .offset = standard};
    // Equal moments: the one that takes effect is the next year's, which is added later.
    changes.push_back(on.from < off.from ? on : off);
    changes.push_back(on.from < off.from ? off : on);
  }
  std::stable_sort(changes.begin(), changes.end(),
                   [](const OffsetChange& a, const OffsetChange& b) { return a.from < b.from; });
  return changes;
}

}  // namespace coffer::schedule
