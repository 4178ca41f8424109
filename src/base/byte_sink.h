// ByteSink: where bytes go piece by piece, and BytePipe, which makes of a sink a source that another task reads.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/byte_source.h"

namespace coffer {

/// Not for several threads at once.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status write(const Context& context, ByteView bytes) = 0;
};

/// Bounded: a writer waits while the reader has not taken what there is. One writer and one reader.
class BytePipe final : public ByteSink, public ByteSource {
 public:
  explicit BytePipe(size_t capacity) : capacity_(capacity) {}

  /// Gives the reader's failure once it has left.
  Status write(const Context& context, ByteView bytes) override {
    while (!bytes.empty()) {
      std::unique_lock lock(mutex_);
      while (!left_ && held_.size() - taken_ >= capacity_) {
        COFFER_CHECK_OK(context.check());
        changed_.wait_for(lock, kPoll);
      }
      if (left_) return *left_;
      const size_t size = std::min(bytes.size(), capacity_ - (held_.size() - taken_));
      held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(taken_));
      taken_ = 0;
      append(held_, bytes.first(size));
      bytes = bytes.subspan(size);
      changed_.notify_all();
    }
    return ok_status();
  }
  /// The end: of a whole stream, or of one that failed, which the reader then gets as an error after what is held.
  void close(Status how) {
    std::lock_guard lock(mutex_);
    if (!ended_) ended_ = std::move(how);
    changed_.notify_all();
  }

  Result<size_t> read(const Context& context, MutableByteView out) override {
    std::unique_lock lock(mutex_);
    while (held_.size() == taken_ && !ended_) {
      COFFER_CHECK_OK(context.check());
      changed_.wait_for(lock, kPoll);
    }
    if (held_.size() == taken_) {
      if (!ended_->ok()) return ended_->error();
      return size_t{0};
    }
    const size_t size = std::min(out.size(), held_.size() - taken_);
    std::copy_n(held_.begin() + static_cast<ptrdiff_t>(taken_), size, out.begin());
    taken_ += size;
    changed_.notify_all();
    return size;
  }
  /// The reader goes: later writes fail with `why`.
  void leave(Error why) {
    std::lock_guard lock(mutex_);
    if (!left_) left_ = std::move(why);
    changed_.notify_all();
  }

 private:
  // A stop request has no way to wake us, so both sides look at it this often.
  static constexpr std::chrono::milliseconds kPoll{50};
  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Bytes held_;
  size_t taken_ = 0;  // of `held_`, from the front
  std::optional<Status> ended_;
  std::optional<Error> left_;
};

}  // namespace coffer
