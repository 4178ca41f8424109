// Shows a job's progress: one redrawn line on a terminal, a line a step and one each 30 s or 10 % elsewhere, JSON lines
// for programs (schemas coffer.progress/1 and coffer.note/1).
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/progress.h"
#include "base/tasks.h"
#include "edge/cli/terminal.h"

namespace coffer::cli {

struct ProgressStyle {
  enum class Kind { kTerminal, kLines, kJson, kQuiet };
  Kind kind = Kind::kLines;
  bool unicode = false;
};

/// Bytes per second over the last ten seconds.
class RateWindow {
 public:
  void add(MonoTime now, uint64_t done_bytes);
  [[nodiscard]] double bytes_per_second() const;
  void clear() { samples_.clear(); }

 private:
  struct Sample {
    MonoTime at;
    uint64_t done_bytes = 0;
  };
  std::deque<Sample> samples_;
};

struct ProgressView {
  std::string step;
  uint64_t done_bytes = 0, total_bytes = 0;  // total 0: unknown
  double bytes_per_second = 0;
  std::chrono::nanoseconds elapsed{};
};
/// 0 to 100; nothing while the total is unknown.
std::optional<int> percent_of(const ProgressView& view);
/// Nothing while there is no rate or no total.
std::optional<std::chrono::seconds> eta_of(const ProgressView& view);
/// At most `columns` wide. What fits least is left out first: the bar, then the time, then the rate.
std::string progress_line(const ProgressView& view, int columns, bool unicode);

class ProgressRenderer final : public Progress {
 public:
  enum class Ticker { kOwnTask, kByHand };  // by hand: tests call tick()
  ProgressRenderer(Sink& sink, Clock& clock, ProgressStyle style, Ticker ticker = Ticker::kOwnTask);
  ~ProgressRenderer() override;
  ProgressRenderer(const ProgressRenderer&) = delete;
  ProgressRenderer& operator=(const ProgressRenderer&) = delete;

  void step(std::string_view name, uint64_t total_bytes) override;
  void advance(uint64_t bytes) override { done_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void note(std::string_view text) override;
  /// Looks at the counter and writes what is due.
  void tick();
  /// Ends the last step; nothing is drawn afterwards. Called again it does nothing.
  void finish();

 private:
  [[nodiscard]] ProgressView view() const;
  void begin_step();
  void end_step();
  void draw();
  void erase();
  void json_line();
  void periodic_line();

  Sink& sink_;
  Clock& clock_;
  const ProgressStyle style_;
  const Ticker ticker_;
  std::atomic<uint64_t> done_bytes_{0};

  mutable std::mutex mutex_;  // of all that follows
  std::condition_variable changed_;
  std::string step_;  // empty: none runs
  uint64_t total_bytes_ = 0, sequence_ = 0;
  MonoTime began_, last_line_;
  int last_tenth_ = 0;
  RateWindow rate_;
  bool drawn_ = false, finished_ = false;
  std::optional<TaskGroup> tasks_;
};

}  // namespace coffer::cli
