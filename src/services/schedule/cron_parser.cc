#include <array>
#include <span>
#include <string>
#include <vector>

#include "services/schedule/cron.h"

namespace coffer::schedule {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                      "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdays = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};
constexpr int kStepMax = 9999;

/// What a field may hold.
struct FieldRule {
  std::string_view name;
  int min, max;
  std::span<const std::string_view> names = {};  // the first one is `min`
  bool wraps = true;                             // "20-2" goes on at the smallest value
};

enum FieldIndex { kMinute, kHour, kDay, kMonth, kWeekday, kYear, kFieldCount };
const std::array<FieldRule, kFieldCount> kRules = {{
    {.name = "minute", .min = 0, .max = 59},
    {.name = "hour", .min = 0, .max = 23},
    {.name = "day-of-month", .min = 1, .max = 31},
    {.name = "month", .min = 1, .max = 12, .names = kMonths},
    {.name = "day-of-week", .min = 1, .max = 7, .names = kWeekdays},
    {.name = "year", .min = kYearMin, .max = kYearMax, .wraps = false},
}};

std::optional<int> number(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<int> value_of(const FieldRule& rule, std::string_view text) {
  for (size_t i = 0; i < rule.names.size(); ++i) {
    if (text == rule.names[i]) return rule.min + static_cast<int>(i);
  }
  const auto value = number(text);
  return value && *value >= rule.min && *value <= rule.max ? value : std::nullopt;
}

Error refuse(const FieldRule& rule, std::string_view item, std::string_view why) {
  return Error{ErrorCode::kInvalidArgument,
               "cron: '" + std::string(item) + "' in the field " + std::string(rule.name) + " " + std::string(why),
               {}};
}

Error not_a_value(const FieldRule& rule, std::string_view item) {
  return refuse(rule, item, "is none of " + std::to_string(rule.min) + "-" + std::to_string(rule.max));
}

/// "*", "5", "MON-FRI", "0/15", "20-2", "10-50/20": what all fields have.
Status add_item(const FieldRule& rule, std::string_view item, std::vector<int>& into) {
  std::string_view base = item;
  int step = 1;
  bool stepped = false;
  if (const size_t slash = item.find('/'); slash != std::string_view::npos) {
    const auto given = number(item.substr(slash + 1));
    if (!given || *given < 1 || *given > kStepMax) return refuse(rule, item, "has no step of 1 or more behind its '/'");
    step = *given;
    stepped = true;
    base = item.substr(0, slash);
  }
  int first = rule.min, last = rule.max;
  if (base != "*") {
    const size_t dash = base.find('-');
    const auto from = value_of(rule, base.substr(0, dash));
    if (!from) return not_a_value(rule, item);
    first = *from;
    if (dash != std::string_view::npos) {
      const auto to = value_of(rule, base.substr(dash + 1));
      if (!to) return not_a_value(rule, item);
      last = *to;
    } else if (!stepped) {
      last = first;
    }
  }
  const int size = rule.max - rule.min + 1;
  if (last < first) {
    if (!rule.wraps) return refuse(rule, item, "ends before it begins");
    last += size;
  }
  for (int value = first; value <= last; value += step) into.push_back(value > rule.max ? value - size : value);
  return ok_status();
}

uint64_t bits_of(const std::vector<int>& values, int less = 0) {
  uint64_t bits = 0;
  for (const int value : values) bits |= uint64_t{1} << (value - less);
  return bits;
}

Status add_day(Cron& cron, std::string_view item) {
  const FieldRule& rule = kRules[kDay];
  if (item == "L") return cron.last_day = true, ok_status();
  if (item == "LW") return cron.last_weekday = true, ok_status();
  if (item.ends_with('W')) {
    const auto day = value_of(rule, item.substr(0, item.size() - 1));
    if (!day) return refuse(rule, item, "needs one day, 1-31, before its 'W'");
    cron.near_days |= 1u << *day;
    return ok_status();
  }
  std::vector<int> values;
  COFFER_CHECK_OK(add_item(rule, item, values));
  cron.days |= static_cast<uint32_t>(bits_of(values));
  return ok_status();
}

Status add_weekday(Cron& cron, std::string_view item, bool alone) {
  const FieldRule& rule = kRules[kWeekday];
  if (const size_t hash = item.find('#'); hash != std::string_view::npos) {
    const auto day = value_of(rule, item.substr(0, hash));
    const auto nth = number(item.substr(hash + 1));
    if (!day || !nth || *nth < 1 || *nth > 5) return refuse(rule, item, "needs a day before its '#' and 1-5 behind it");
    if (!alone) return refuse(rule, item, "must stand alone: '#' is not for lists");
    cron.nth_weekday = *day - 1;
    cron.nth = *nth;
    return ok_status();
  }
  if (item.size() > 1 && item.ends_with('L')) {
    const auto day = value_of(rule, item.substr(0, item.size() - 1));
    if (!day) return refuse(rule, item, "needs one day before its 'L'");
    cron.last_of_weekdays |= 1u << (*day - 1);
    return ok_status();
  }
  std::vector<int> values;
  if (item == "L") {
    values.push_back(rule.max);
  } else {
    COFFER_CHECK_OK(add_item(rule, item, values));
  }
  cron.weekdays |= static_cast<uint32_t>(bits_of(values, 1));
  return ok_status();
}

template <class Add>
Status each_item(std::string_view field, Add add) {
  for (;;) {
    const size_t comma = field.find(',');
    COFFER_CHECK_OK(add(field.substr(0, comma)));
    if (comma == std::string_view::npos) return ok_status();
    field.remove_prefix(comma + 1);
  }
}

Result<std::vector<std::string_view>> split(std::string_view text) {
  std::vector<std::string_view> fields;
  while (!text.empty()) {
    const size_t end = text.find(' ');
    fields.push_back(text.substr(0, end));
    const size_t next = text.find_first_not_of(' ', fields.back().size());
    if (fields.back().empty() || (end != std::string_view::npos && next == std::string_view::npos))
      return Error{ErrorCode::kInvalidArgument, "cron: the fields must not begin or end with a blank", {}};
    text.remove_prefix(next == std::string_view::npos ? text.size() : next);
  }
  if (fields.size() != kFieldCount)
    return Error{ErrorCode::kInvalidArgument,
                 "cron: it needs six fields (minute hour day-of-month month day-of-week year) and has " +
                     std::to_string(fields.size()),
                 {}};
  return fields;
}

Status set_days(Cron& cron, std::string_view day, std::string_view weekday) {
  if ((day == "?") == (weekday == "?"))
    return Error{ErrorCode::kInvalidArgument, "cron: exactly one of day-of-month and day-of-week must be '?'", {}};
  cron.by_weekday = day == "?";
  if (!cron.by_weekday) return each_item(day, [&](std::string_view item) { return add_day(cron, item); });
  const bool alone = weekday.find(',') == std::string_view::npos;
  return each_item(weekday, [&](std::string_view item) { return add_weekday(cron, item, alone); });
}

}  // namespace

Result<Cron> parse_cron(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  COFFER_TRY(const auto fields, split(upper));
  Cron cron;
  COFFER_CHECK_OK(set_days(cron, fields[kDay], fields[kWeekday]));
  std::array<std::vector<int>, kFieldCount> values;
  for (const size_t at : {kMinute, kHour, kMonth, kYear}) {
    COFFER_CHECK_OK(
        each_item(fields[at], [&](std::string_view item) { return add_item(kRules[at], item, values[at]); }));
  }
  cron.minutes = bits_of(values[kMinute]);
  cron.hours = static_cast<uint32_t>(bits_of(values[kHour]));
  cron.months = static_cast<uint32_t>(bits_of(values[kMonth]));
  for (const int year : values[kYear]) cron.years.set(static_cast<size_t>(year - kYearMin));
  return cron;
}

}  // namespace coffer::schedule
