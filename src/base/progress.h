// Progress: how a long job tells what it is doing, in numbers, to whoever shows them.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace coffer {

/// Given to a job; called from many threads at once, often. The engine counts, the caller draws.
class Progress {
 public:
  virtual ~Progress() = default;
  /// A new step begins ("copy", "read back", "commit"); `total_bytes` 0 means unknown. Resets the counter.
  virtual void step(std::string_view name, uint64_t total_bytes) = 0;
  virtual void advance(uint64_t bytes) = 0;
  /// Something a person should read once, now or in the log: a fallback, a skipped file, a damaged page.
  virtual void note(std::string_view text) = 0;
};

/// For callers that show nothing.
class NoProgress final : public Progress {
 public:
  void step(std::string_view, uint64_t) override {}
  void advance(uint64_t) override {}
  void note(std::string_view) override {}
};

}  // namespace coffer
