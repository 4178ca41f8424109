// ByteSource: bytes that are read piece by piece, so that a large body never stands in memory.
#pragma once
#include "base/bytes.h"
#include "base/context.h"
#include "base/result.h"

namespace coffer {

/// Not for several threads at once.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Up to out.size() bytes; 0 at the end. kUnavailable when the other side went away, kDeadlineExceeded when it is too
  /// slow.
  virtual Result<size_t> read(const Context& context, MutableByteView out) = 0;
};

}  // namespace coffer
