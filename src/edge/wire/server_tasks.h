// The tasks that handlers run on: a fixed number of threads before a bounded queue.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "base/tasks.h"

namespace coffer::wire {

class TaskPool {
 public:
  class Job {
   public:
    virtual ~Job() = default;
    virtual void run() = 0;
  };

  /// At most `tasks_max` jobs run and `queued_max` wait.
  TaskPool(size_t tasks_max, size_t queued_max);
  ~TaskPool() { close(); }

  /// Takes a place, which submit() then fills; false when all are taken. The two are apart so that a refusal is known
  /// before the caller lets go of itself.
  [[nodiscard]] bool reserve();
  void submit(std::unique_ptr<Job> job);
  /// Runs what is queued, then joins. From one thread, not from a job.
  void close();

 private:
  Status work();

  const size_t places_;
  std::atomic<size_t> places_taken_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Job>> queue_;
  size_t idle_ = 0;
  bool closed_ = false;
  TaskGroup group_;
};

}  // namespace coffer::wire
