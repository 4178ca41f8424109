#include "engine/store/s3_pace.h"

namespace coffer::store {
namespace {

constexpr std::chrono::milliseconds kStopPoll{50};
constexpr std::chrono::milliseconds kOneComplaint{500};

}  // namespace

Result<RequestWindow::Place> RequestWindow::enter(const Context& context) {
  std::unique_lock lock(mutex_);
  for (;;) {
    COFFER_CHECK_OK(context.check());
    if (in_flight_ < static_cast<int>(window_)) break;
    changed_.wait_for(lock, kStopPoll);
  }
  ++in_flight_;
  return Place(*this);
}

void RequestWindow::leave() {
  std::lock_guard lock(mutex_);
  --in_flight_;
  changed_.notify_one();
}

void RequestWindow::succeeded() {
  std::lock_guard lock(mutex_);
  window_ = std::min(most_, window_ + 1 / window_);
}

void RequestWindow::too_fast() {
  std::lock_guard lock(mutex_);
  const MonoTime now = clock_.mono();
  if (ever_halved_ && now - halved_ < kOneComplaint) return;
  ever_halved_ = true;
  halved_ = now;
  window_ = std::max(1.0, window_ / 2);
}

double RequestWindow::size() const {
  std::lock_guard lock(mutex_);
  return window_;
}

void RetryBudget::first_attempt() {
  std::lock_guard lock(mutex_);
  tokens_ = std::min(kMost, tokens_ + kEarned);
}

bool RetryBudget::take() {
  std::lock_guard lock(mutex_);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

std::chrono::nanoseconds backoff_delay(const Backoff& backoff, int retry, bool budget_empty, uint64_t random) {
  const std::chrono::nanoseconds most = backoff.most;
  std::chrono::nanoseconds span = backoff.base;
  for (int i = 0; i < retry && span < most; ++i) span *= 2;
  if (budget_empty || span > most) span = most;
  return std::chrono::nanoseconds(static_cast<int64_t>(random % static_cast<uint64_t>(span.count() + 1)));
}

Status sleep_unless_stopped(const Context& context, Clock& clock, std::chrono::nanoseconds delay) {
  while (delay > std::chrono::nanoseconds::zero()) {
    COFFER_CHECK_OK(context.check());
    const std::chrono::nanoseconds piece = std::min<std::chrono::nanoseconds>(delay, kStopPoll);
    clock.sleep_for(piece);
    delay -= piece;
  }
  return context.check();
}

}  // namespace coffer::store
