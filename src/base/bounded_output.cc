#include "base/bounded_output.h"

#include <algorithm>

namespace coffer {

void BoundedOutput::append(std::string_view more) {
  const size_t to_head = std::min(more.size(), kHeadSizeMax - head_.size());
  head_ += more.substr(0, to_head);
  more.remove_prefix(to_head);
  if (more.size() > kTailSizeMax) {
    left_out_bytes_ += more.size() - kTailSizeMax;
    more.remove_prefix(more.size() - kTailSizeMax);
  }
  tail_ += more;
  if (tail_.size() > 2 * kTailSizeMax) {
    left_out_bytes_ += tail_.size() - kTailSizeMax;
    tail_.erase(0, tail_.size() - kTailSizeMax);
  }
}

std::string BoundedOutput::text() const {
  const size_t tail_begin = tail_.size() > kTailSizeMax ? tail_.size() - kTailSizeMax : 0;
  const uint64_t left_out_bytes = left_out_bytes_ + tail_begin;
  std::string text = head_;
  if (left_out_bytes != 0) text += "\n[" + std::to_string(left_out_bytes) + " bytes left out]\n";
  return text.append(tail_, tail_begin);
}

}  // namespace coffer
