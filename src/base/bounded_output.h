// BoundedOutput: what a program wrote, in bounded memory.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace coffer {

/// Keeps the first and the last 64 KiB: the head tells what was tried, the tail why it ended.
class BoundedOutput {
 public:
  static constexpr size_t kHeadSizeMax = 64 << 10, kTailSizeMax = 64 << 10;
  void append(std::string_view more);
  /// Head and tail; between them a line that says how much was left out, if anything was.
  [[nodiscard]] std::string text() const;

 private:
  std::string head_;
  std::string tail_;  // at most twice kTailSizeMax, so that it is shortened seldom
  uint64_t left_out_bytes_ = 0;
};

}  // namespace coffer
