// Long work of the engine, watched: it ends when its job is to stop, and its job shows how far it is.
#pragma once
#include <functional>
#include <mutex>

#include "base/progress.h"
#include "services/backup/operations.h"

namespace coffer::backup {

/// Looks at the job now and then while the engine works. Neither look nor note ever fails the work: the transaction
/// that ends the job decides.
class WatchedWork final : public Progress {
 public:
  /// `look`: given the percentage, whether the work is to go on.
  WatchedWork(const Context& outer, Clock& clock, std::function<bool(int64_t percent)> look);
  [[nodiscard]] const Context& context() const { return context_; }

  void step(std::string_view name, uint64_t total_bytes) override;
  void advance(uint64_t bytes) override;
  void note(std::string_view text) override;

 private:
  void look_now_and_then();

  const Context& outer_;
  Clock& clock_;
  std::function<bool(int64_t)> look_;
  StopSource stop_;
  Context context_;
  std::mutex mutex_;
  MonoTime last_look_;
  uint64_t done_ = 0, total_ = 0;
  int64_t percent_ = 0;
};

}  // namespace coffer::backup
