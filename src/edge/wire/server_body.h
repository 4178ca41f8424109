// The framing of a request's body: so many bytes, or chunks.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace coffer::wire {

/// Takes a body out of the bytes of a connection, in pieces of any size. The trailer of a chunked body is read and
/// dropped: nobody signed it.
class BodyFraming {
 public:
  static BodyFraming none() { return of_length(0); }
  static BodyFraming of_length(uint64_t size);
  static BodyFraming of_chunks();

  struct Step {
    size_t consumed = 0, produced = 0;
  };
  /// Moves what it can from `in` to `out`. Both zero: more bytes are needed, or it is done or broken.
  Step step(std::string_view in, MutableByteView out);
  [[nodiscard]] bool is_done() const { return at_ == At::kEnd; }
  /// Chunks that are none; stays so.
  [[nodiscard]] bool is_broken() const { return at_ == At::kBroken; }
  /// What is still to come of a body of known length: those bytes may be read around step() and told to skip().
  [[nodiscard]] std::optional<uint64_t> left() const;
  void skip(uint64_t size);

 private:
  enum class At {
    kData,
    kSizeFirst,
    kSize,
    kExtension,
    kSizeFeed,
    kDataReturn,
    kDataFeed,
    kTrailer,
    kTrailerLine,
    kTrailerFeed,
    kLastFeed,
    kEnd,
    kBroken
  };

  /// One byte of what is not data.
  void take(char c);
  void take_size(char c);

  At at_ = At::kEnd;
  bool is_chunked_ = false;
  uint64_t left_ = 0;     // of the body or of the chunk
  size_t line_size_ = 0;  // of the line that is being read
  size_t trailer_size_ = 0;
};

}  // namespace coffer::wire
