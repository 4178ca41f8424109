// Doing many things at once: TaskGroup, Channel and ByteBudget. Nothing else starts a thread.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace coffer {

/// Joins its tasks before its scope ends. The first failure stops the others (through `context()`) and reaches the
/// owner from `wait()`. A std::exception in a task becomes kInternal; anything else that is thrown (a simulated crash)
/// is thrown again by `wait()`.
class TaskGroup {
 public:
  explicit TaskGroup(const Context& parent) : context_(parent.with_stop(stop_)) {}
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// What tasks pass on to the calls they make.
  [[nodiscard]] const Context& context() const { return context_; }
  void spawn(std::function<Status()> task);
  /// Asks the tasks to stop without an error of its own.
  void request_stop() { stop_.request_stop(); }
  /// Waits for all tasks; the first failure, or success. May be called once.
  Status wait();

 private:
  StopSource stop_;
  Context context_;
  std::mutex mutex_;
  std::optional<Error> first_error_;
  std::exception_ptr foreign_exception_;
  std::vector<std::thread> threads_;
};

/// A bounded queue between tasks. `close()` ends it for readers once it is empty; `push` then returns false.
/// Both sides give up (false / nothing) when the context is stopped.
template <class T>
class Channel {
 public:
  explicit Channel(size_t capacity) : capacity_(capacity) {}
  bool push(const Context& context, T item) {
    std::unique_lock lock(mutex_);
    while (!closed_ && items_.size() >= capacity_) {
      if (context.stopped()) return false;
      changed_.wait_for(lock, kPoll);
    }
    if (closed_ || context.stopped()) return false;
    items_.push_back(std::move(item));
    changed_.notify_all();
    return true;
  }
  std::optional<T> pop(const Context& context) {
    std::unique_lock lock(mutex_);
    while (items_.empty()) {
      if (closed_ || context.stopped()) return std::nullopt;
      changed_.wait_for(lock, kPoll);
    }
    T item = std::move(items_.front());
    items_.pop_front();
    changed_.notify_all();
    return item;
  }
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  // A stop request has no way to wake us, so waiters look at it this often.
  static constexpr std::chrono::milliseconds kPoll{50};
  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> items_;
  bool closed_ = false;
};

/// The bytes that may be in flight in this process: one budget covers every buffer of every pipeline.
class ByteBudget {
 public:
  explicit ByteBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}
  /// A quarter of the machine's memory, at most 1 GiB (design.md section 7).
  static uint64_t default_limit();
  [[nodiscard]] uint64_t limit_bytes() const { return limit_bytes_; }

  /// Gives its bytes back when destroyed.
  class Share {
   public:
    Share() = default;
    Share(ByteBudget& budget, uint64_t size) : budget_(&budget), size_bytes_(size) {}
    Share(Share&& o) noexcept : budget_(std::exchange(o.budget_, nullptr)), size_bytes_(o.size_bytes_) {}
    Share& operator=(Share&& o) noexcept {
      release();
      budget_ = std::exchange(o.budget_, nullptr);
      size_bytes_ = o.size_bytes_;
      return *this;
    }
    ~Share() { release(); }
    void release();

   private:
    ByteBudget* budget_ = nullptr;
    uint64_t size_bytes_ = 0;
  };
  /// Waits until `size_bytes` fit. A share larger than the whole budget is granted alone, so nobody starves.
  Result<Share> take(const Context& context, uint64_t size_bytes);

 private:
  const uint64_t limit_bytes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t used_bytes_ = 0;
};

}  // namespace coffer
