// A body that is in memory, for calls of this house that bring one.
#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>

#include "services/api/action.h"

namespace coffer::api {

/// The bytes are borrowed.
class MemoryBody final : public RequestBody {
 public:
  explicit MemoryBody(ByteView bytes) : left_(bytes), size_bytes_(bytes.size()) {}
  Result<size_t> read(const Context&, MutableByteView out) override {
    const size_t size = std::min(out.size(), left_.size());
    std::copy_n(left_.begin(), size, out.begin());
    left_ = left_.subspan(size);
    return size;
  }
  [[nodiscard]] std::optional<uint64_t> size() const override { return size_bytes_; }

 private:
  ByteView left_;
  uint64_t size_bytes_;
};

}  // namespace coffer::api
