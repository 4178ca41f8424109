#include "edge/wire/server_tasks.h"

#include <utility>

namespace coffer::wire {

TaskPool::TaskPool(size_t tasks_max, size_t queued_max) : places_(tasks_max + queued_max), group_(Context()) {
  for (size_t i = 0; i < tasks_max; ++i) group_.spawn([this] { return work(); });
}

bool TaskPool::reserve() {
  if (places_taken_.fetch_add(1, std::memory_order_relaxed) < places_) return true;
  places_taken_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void TaskPool::submit(std::unique_ptr<Job> job) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
    wake = idle_ > 0;
  }
  if (wake) changed_.notify_one();
}

void TaskPool::close() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
  }
  changed_.notify_all();
  (void)group_.wait();
}

Status TaskPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) return ok_status();
    std::unique_ptr<Job> job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    try {
      job->run();
    } catch (...) {
      // No memory to go on with one request: its connection is closed with the job, and this task takes the next.
    }
    job.reset();
    places_taken_.fetch_sub(1, std::memory_order_relaxed);
    lock.lock();
  }
}

}  // namespace coffer::wire
