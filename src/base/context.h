// Context: what every call that may wait is given. Its deadline and stop token are honoured by the callee.
#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace coffer {

/// Asked by the owner (a signal handler, another stage that failed), seen by everyone who holds a copy of the Context.
/// Safe from any thread and from a signal handler.
class StopSource {
 public:
  StopSource() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void request_stop() { flag_->store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool stop_requested() const { return flag_->load(std::memory_order_relaxed); }
  [[nodiscard]] std::shared_ptr<const std::atomic<bool>> flag() const { return flag_; }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

/// Cheap to copy; passed as `const Context&`, first argument.
class Context {
 public:
  Context() = default;
  explicit Context(const StopSource& stop) : stop_(stop.flag()) {}
  /// The same context, also stopped by `inner` (a task group's own stop).
  [[nodiscard]] Context with_stop(const StopSource& inner) const {
    Context c = *this;
    c.inner_ = inner.flag();
    return c;
  }
  [[nodiscard]] bool stopped() const {
    return (stop_ && stop_->load(std::memory_order_relaxed)) || (inner_ && inner_->load(std::memory_order_relaxed));
  }
  /// kCancelled once somebody asked to stop. Loops call it once an item.
  [[nodiscard]] Status check() const {
    if (stopped()) return Error{ErrorCode::kCancelled, "stopped on request", {}};
    return ok_status();
  }

 private:
  std::shared_ptr<const std::atomic<bool>> stop_, inner_;
};

}  // namespace coffer
