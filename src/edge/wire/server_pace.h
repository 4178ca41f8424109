// How long a slow client is waited for.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>

namespace coffer::wire {

/// Bytes a second. A client that is slower than this for longer than the stall timeout holds a place that others need.
constexpr uint64_t kLowestSpeed = 1024;

/// Counts only the time that was spent waiting for the client. One more stall timeout than its bytes deserve is
/// granted.
class Pace {
 public:
  explicit Pace(std::chrono::nanoseconds stall_timeout) : stall_timeout_(stall_timeout) {}
  void moved(uint64_t size_bytes) { size_bytes_ += size_bytes; }
  void waited(std::chrono::nanoseconds time) { waited_ += time; }
  /// For the next bytes. Not above zero: it was too slow.
  [[nodiscard]] std::chrono::nanoseconds patience() const {
    const auto earned = std::chrono::seconds(size_bytes_ / kLowestSpeed);
    return std::min<std::chrono::nanoseconds>(stall_timeout_, stall_timeout_ + earned - waited_);
  }

 private:
  const std::chrono::nanoseconds stall_timeout_;
  std::chrono::nanoseconds waited_{0};
  uint64_t size_bytes_ = 0;
};

}  // namespace coffer::wire
