#include "base/tasks.h"

#include <unistd.h>

#include <algorithm>

namespace coffer {

TaskGroup::~TaskGroup() {
  stop_.request_stop();
  for (auto& t : threads_)
    if (t.joinable()) t.join();
}

void TaskGroup::spawn(std::function<Status()> task) {
  threads_.emplace_back([this, task = std::move(task)] {
    Status status = [&]() -> Status {
      try {
        return task();
      } catch (const std::exception& e) {
        return Error{ErrorCode::kInternal, e.what(), "this is a defect of coffer: please report it with this text"};
      } catch (...) {
        std::lock_guard lock(mutex_);
        if (!foreign_exception_) foreign_exception_ = std::current_exception();
        return Error{ErrorCode::kCancelled, "another task ended this one", {}};
      }
    }();
    if (status.ok()) return;
    {
      std::lock_guard lock(mutex_);
      // A task that only saw the stop has nothing new to say.
      if (!first_error_ || (first_error_->code == ErrorCode::kCancelled && status.code() != ErrorCode::kCancelled))
        first_error_ = status.error();
    }
    stop_.request_stop();
  });
}

Status TaskGroup::wait() {
  for (auto& t : threads_) t.join();
  threads_.clear();
  std::lock_guard lock(mutex_);
  if (foreign_exception_) std::rethrow_exception(foreign_exception_);
  if (first_error_) return *first_error_;
  return ok_status();
}

uint64_t ByteBudget::default_limit() {
  uint64_t memory = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return std::min<uint64_t>(memory / 4, uint64_t{1} << 30);
}

Result<ByteBudget::Share> ByteBudget::take(const Context& context, uint64_t size_bytes) {
  std::unique_lock lock(mutex_);
  while (used_bytes_ != 0 && used_bytes_ + size_bytes > limit_bytes_) {
    COFFER_CHECK_OK(context.check());
    changed_.wait_for(lock, std::chrono::milliseconds(50));
  }
  used_bytes_ += size_bytes;
  return Share(*this, size_bytes);
}

void ByteBudget::Share::release() {
  if (!budget_) return;
  {
    std::lock_guard lock(budget_->mutex_);
    budget_->used_bytes_ -= size_bytes_;
  }
  budget_->changed_.notify_all();
  budget_ = nullptr;
}

}  // namespace coffer
