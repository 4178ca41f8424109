// Schedules and time zone files: parsed or refused; what is parsed runs after the time it is asked for, in order.
#include "fuzz/require.h"
#include "services/schedule/schedule.h"
#include "services/schedule/zone_times.h"

using namespace coffer;
using namespace coffer::schedule;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(changes_of_rule(text, 2026, 2030).ok());
  if (auto times = ZoneTimes::parse(as_bytes(text)); times.ok()) {
    for (const int64_t utc : {int64_t{0}, int64_t{1'800'000'000}, int64_t{7'000'000'000}}) {
      const auto first = times->first_utc(times->local(utc));
      require(first && *first <= utc && times->local(*first) == times->local(utc));
    }
  }
  for (const char* word : {"", "cron(", "rate(", "at("}) {
    const std::string expression = word + std::string(text) + (*word ? ")" : "");
    auto schedule = Schedule::parse(expression);
    if (!schedule.ok()) continue;
    WallTime after{1'800'000'000'000'000};
    for (const WallTime run : schedule->runs(after, WallTime{after.micros * 2}, Zone::utc(), 5)) {
      require(run > after);
      after = run;
    }
  }
  return 0;
}
