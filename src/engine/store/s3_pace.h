// How fast the S3 store asks: requests at once by additive increase and multiplicative decrease, and what retries may
// cost.
#pragma once
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/clock.h"
#include "base/context.h"
#include "base/entropy.h"
#include "base/result.h"

namespace coffer::store {

/// Requests in flight, at most a window that grows by one a window of successes and halves when the store says that it
/// is too much. Safe from many threads.
class RequestWindow {
 public:
  RequestWindow(Clock& clock, double start, double most) : clock_(clock), window_(start), most_(most) {}

  /// Gives its place back when destroyed.
  class Place {
   public:
    explicit Place(RequestWindow& window) : window_(&window) {}
    Place(Place&& other) noexcept : window_(std::exchange(other.window_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (window_) window_->leave();
    }

   private:
    RequestWindow* window_;
  };
  /// Waits for a place. kCancelled.
  Result<Place> enter(const Context& context);
  void succeeded();
  /// Answers that were under way together count as one complaint.
  void too_fast();
  [[nodiscard]] double size() const;

 private:
  void leave();
  Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  double window_;
  const double most_;
  int in_flight_ = 0;
  MonoTime halved_{};
  bool ever_halved_ = false;
};

/// Retries are paid for from what first attempts bring in, so that a store that fails everything is not asked twice as
/// often as a healthy one. Nobody is refused: who finds it empty waits longer.
class RetryBudget {
 public:
  void first_attempt();
  /// False: empty.
  bool take();

 private:
  static constexpr double kMost = 100, kEarned = 0.2;
  std::mutex mutex_;
  double tokens_ = kMost;
};

struct Backoff {
  std::chrono::milliseconds base{100}, most{20'000};
};
/// Between nothing and base * 2^retry, at most `most`: full jitter. `retry` counts from 0. With an empty budget the
/// whole of the longest wait is drawn from.
std::chrono::nanoseconds backoff_delay(const Backoff& backoff, int retry, bool budget_empty, uint64_t random);
/// Sleeps in short pieces. kCancelled as soon as the context is stopped.
Status sleep_unless_stopped(const Context& context, Clock& clock, std::chrono::nanoseconds delay);

}  // namespace coffer::store
