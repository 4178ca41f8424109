// Wall time and monotonic time are different types, and both come from a Clock that is handed in.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace coffer {

/// Microseconds since 1970-01-01 00:00 UTC. May jump; never used to prove that something is safe to delete.
struct WallTime {
  int64_t micros = 0;
  friend auto operator<=>(WallTime, WallTime) = default;
  WallTime operator+(std::chrono::microseconds d) const { return {micros + d.count()}; }
  WallTime operator-(std::chrono::microseconds d) const { return {micros - d.count()}; }
  std::chrono::microseconds operator-(WallTime o) const { return std::chrono::microseconds(micros - o.micros); }
};

/// Nanoseconds since an arbitrary start; never goes back.
struct MonoTime {
  int64_t nanos = 0;
  friend auto operator<=>(MonoTime, MonoTime) = default;
  std::chrono::nanoseconds operator-(MonoTime o) const { return std::chrono::nanoseconds(nanos - o.nanos); }
};

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime wall() const = 0;
  [[nodiscard]] virtual MonoTime mono() const = 0;
  virtual void sleep_for(std::chrono::nanoseconds) = 0;
};

/// The machine's clock. One per process, made by the composition root.
class SystemClock final : public Clock {
 public:
  WallTime wall() const override;
  MonoTime mono() const override;
  void sleep_for(std::chrono::nanoseconds) override;
};

/// A clock that moves only when told to (or slept on), for tests and simulation. Not thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start) : wall_(start) {}
  WallTime wall() const override { return wall_; }
  MonoTime mono() const override { return mono_; }
  void sleep_for(std::chrono::nanoseconds d) override { advance(d); }
  void advance(std::chrono::nanoseconds d) {
    wall_.micros += d.count() / 1000;
    mono_.nanos += d.count();
  }
  /// Steps the wall clock alone, as NTP or an administrator does.
  void jump_to(WallTime t) { wall_ = t; }

 private:
  WallTime wall_;
  MonoTime mono_;
};

/// ISO 8601 in UTC with second ("2026-11-24T12:00:00Z") or microsecond precision.
std::string format_utc(WallTime time, bool with_micros = false);
/// What format_utc writes, and the forms with an offset ("2026-11-24 13:00:00+01", "...T13:00:00.5+01:00").
/// A time without zone is refused: it means different moments to different people.
Result<WallTime> parse_utc(std::string_view text);
/// "36h", "7d", "90m", "10s", "2w", or a sum of these ("1d12h"). kInvalidArgument otherwise.
Result<std::chrono::seconds> parse_duration(std::string_view text);
/// "3 s", "4 min", "2 h 5 min", "6 d 3 h": the two largest units.
std::string format_duration(std::chrono::seconds duration);

}  // namespace coffer
