// Schedules as AWS writes them: cron(...) of six fields, rate(...), at(...), in a time zone. Pure functions.
// Grammar and semantics: EventBridge's documented dialect ("?", L, W, #, lists, ranges, steps).
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace coffer::schedule {

/// An IANA time zone ("Europe/Berlin") from the system's database. Cheap to copy.
class Zone {
 public:
  /// "" and "UTC" are UTC. kInvalidArgument for a name that the database does not have.
  static Result<Zone> find(std::string_view name);
  static Zone utc();
  [[nodiscard]] const std::string& name() const;

 private:
  friend class Schedule;
  struct Rules;
  std::shared_ptr<const Rules> rules_;
};

class Schedule {
 public:
  enum class Kind { kCron, kRate, kAt };
  /// kInvalidArgument says what is wrong and where.
  static Result<Schedule> parse(std::string_view expression);
  [[nodiscard]] Kind kind() const;
  /// The first run strictly after `after`. cron: fields are evaluated in `zone`; a local time that does not exist (a
  /// clock set forward) is skipped, one that exists twice runs once, at the first of the two. rate: `anchor` plus a
  /// whole number of periods, the first of them one period after it. Nothing: never again (years are over).
  [[nodiscard]] std::optional<WallTime> next(WallTime after, const Zone& zone, WallTime anchor = {}) const;
  /// All runs in (after, until], at most `limit`, the earliest first.
  [[nodiscard]] std::vector<WallTime> runs(WallTime after, WallTime until, const Zone& zone, size_t limit,
                                           WallTime anchor = {}) const;
  /// rate only.
  [[nodiscard]] std::chrono::seconds period() const;

 private:
  struct Fields;
  std::shared_ptr<const Fields> fields_;
};

}  // namespace coffer::schedule
