#include "services/schedule/schedule.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "services/schedule/cron.h"
#include "services/schedule/zone_times.h"

namespace coffer::schedule {
namespace {

constexpr size_t kExpressionMax = 256;  // characters, as the Scheduler's model limits it
constexpr int64_t kMicros = 1'000'000;

Error refuse(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message), {}}; }

int64_t floor_seconds(WallTime time) { return time.micros / kMicros - (time.micros % kMicros < 0 ? 1 : 0); }

/// The first second after all schedules.
int64_t end_of_time() {
  using namespace std::chrono;
  constexpr sys_days kEnd = year(kYearMax + 1) / 1 / 1;
  return int64_t{kEnd.time_since_epoch().count()} * 86400;
}

/// "5 minutes": a number from 1 on, one blank, and the unit in the number that fits.
Result<std::chrono::seconds> parse_rate(std::string_view text) {
  const auto wrong = [&] {
    return refuse("rate: '" + std::string(text) +
                  "' is not a number of 1 or more, one blank and minute, hour or day (minutes, hours, days from 2 on)");
  };
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos || blank > 9) return wrong();
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + blank, count);
  if (error != std::errc() || end != text.data() + blank || count < 1) return wrong();
  std::string_view unit = text.substr(blank + 1);
  if (unit.ends_with('s') != (count > 1)) return wrong();
  if (count > 1) unit.remove_suffix(1);
  if (unit == "minute") return std::chrono::seconds(count * 60);
  if (unit == "hour") return std::chrono::seconds(count * 3600);
  if (unit == "day") return std::chrono::seconds(count * 86400);
  return wrong();
}

/// "2026-11-24T05:00:00" as local seconds since 1970.
Result<int64_t> parse_local_time(std::string_view text) {
  const auto wrong = [&] { return refuse("at: '" + std::string(text) + "' is no time like 2026-11-24T05:00:00"); };
  constexpr std::string_view kForm = "nnnn-nn-nnTnn:nn:nn";
  if (text.size() != kForm.size()) return wrong();
  for (size_t i = 0; i < text.size(); ++i) {
    if (kForm[i] == 'n' ? text[i] < '0' || text[i] > '9' : text[i] != kForm[i]) return wrong();
  }
  const auto part = [&](size_t from, size_t size) {
    int value = 0;
    for (const char c : text.substr(from, size)) value = value * 10 + (c - '0');
    return value;
  };
  using namespace std::chrono;
  const year_month_day date =
      year(part(0, 4)) / month(static_cast<unsigned>(part(5, 2))) / day(static_cast<unsigned>(part(8, 2)));
  const int hour = part(11, 2), minute = part(14, 2), second = part(17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return wrong();
  const int in_year = static_cast<int>(date.year());
  if (in_year < kYearMin || in_year > kYearMax)
    return refuse("at: the year must be one of " + std::to_string(kYearMin) + "-" + std::to_string(kYearMax));
  return int64_t{sys_days(date).time_since_epoch().count()} * 86400 + hour * 3600 + minute * 60 + second;
}

}  // namespace

struct Schedule::Fields {
  Kind kind = Kind::kCron;
  Cron cron;
  std::chrono::seconds period{0};
  int64_t local = 0;  // of at()
};

Result<Schedule> Schedule::parse(std::string_view expression) {
  if (expression.size() > kExpressionMax) return refuse("a schedule has at most 256 characters");
  const auto inside = [&](std::string_view word) -> std::optional<std::string_view> {
    if (!expression.starts_with(word) || !expression.ends_with(')')) return std::nullopt;
    return expression.substr(word.size(), expression.size() - word.size() - 1);
  };
  Fields fields;
  if (const auto cron = inside("cron(")) {
    COFFER_TRY(fields.cron, parse_cron(*cron));
  } else if (const auto rate = inside("rate(")) {
    fields.kind = Kind::kRate;
    COFFER_TRY(fields.period, parse_rate(*rate));
  } else if (const auto at = inside("at(")) {
    fields.kind = Kind::kAt;
    COFFER_TRY(fields.local, parse_local_time(*at));
  } else {
    return refuse("a schedule is cron(...), rate(...) or at(...)");
  }
  Schedule schedule;
  schedule.fields_ = std::make_shared<const Fields>(std::move(fields));
  return schedule;
}

Schedule::Kind Schedule::kind() const { return fields_->kind; }

std::chrono::seconds Schedule::period() const { return fields_->period; }

std::optional<WallTime> Schedule::next(WallTime after, const Zone& zone, WallTime anchor) const {
  const int64_t now = floor_seconds(after);
  if (now >= end_of_time()) return std::nullopt;
  const ZoneTimes& times = zone.rules_->times;
  if (fields_->kind == Kind::kRate) {
    const int64_t period = fields_->period.count();
    if (std::abs(floor_seconds(anchor)) >= end_of_time() || period >= end_of_time()) return std::nullopt;
    const int64_t passed = after < anchor ? 0 : (after - anchor).count() / (period * kMicros);
    const WallTime run = anchor + std::chrono::seconds(period) * (passed + 1);
    return floor_seconds(run) < end_of_time() ? std::optional(run) : std::nullopt;
  }
  if (fields_->kind == Kind::kAt) {
    const WallTime run{times.utc_counted_on(fields_->local) * kMicros};
    return run > after ? std::optional(run) : std::nullopt;
  }
  // Local times that the clocks skip, and those that they show for the second time, are passed over one by one: there
  // are at most a day's minutes of them.
  std::optional<int64_t> local = fields_->cron.next_local(times.local(std::max<int64_t>(now, -2 * 86400)));
  for (; local; local = fields_->cron.next_local(*local)) {
    if (const auto utc = times.first_utc(*local); utc && *utc > now) return WallTime{*utc * kMicros};
  }
  return std::nullopt;
}

std::vector<WallTime> Schedule::runs(WallTime after, WallTime until, const Zone& zone, size_t limit,
                                     WallTime anchor) const {
  std::vector<WallTime> found;
  while (found.size() < limit) {
    const auto run = next(after, zone, anchor);
    if (!run || *run > until) break;
    found.push_back(*run);
    after = *run;
  }
  return found;
}

}  // namespace coffer::schedule
