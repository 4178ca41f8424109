#include "edge/wire/server_body.h"

#include <algorithm>

namespace coffer::wire {
namespace {

constexpr size_t kSizeLineMax = 256;  // digits and extensions
constexpr size_t kTrailerSizeMax = 8192;

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_text(char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); }

}  // namespace

BodyFraming BodyFraming::of_length(uint64_t size) {
  BodyFraming framing;
  framing.left_ = size;
  framing.at_ = size > 0 ? At::kData : At::kEnd;
  return framing;
}

BodyFraming BodyFraming::of_chunks() {
  BodyFraming framing;
  framing.is_chunked_ = true;
  framing.at_ = At::kSizeFirst;
  return framing;
}

BodyFraming::Step BodyFraming::step(std::string_view in, MutableByteView out) {
  Step step;
  while (step.consumed < in.size() && at_ != At::kEnd && at_ != At::kBroken) {
    if (at_ != At::kData) {
      take(in[step.consumed++]);
      continue;
    }
    const size_t size =
        static_cast<size_t>(std::min<uint64_t>({left_, in.size() - step.consumed, out.size() - step.produced}));
    if (size == 0) break;  // no room
    std::memcpy(out.data() + step.produced, in.data() + step.consumed, size);
    step.consumed += size;
    step.produced += size;
    skip(size);
  }
  return step;
}

std::optional<uint64_t> BodyFraming::left() const {
  if (is_chunked_) return std::nullopt;
  return left_;
}

void BodyFraming::skip(uint64_t size) {
  left_ -= size;
  if (left_ == 0) at_ = is_chunked_ ? At::kDataReturn : At::kEnd;
}

void BodyFraming::take_size(char c) {
  const int value = digit(c);
  if (value >= 0) {
    if (left_ >> 60 != 0) {
      at_ = At::kBroken;
      return;
    }
    left_ = left_ << 4 | static_cast<uint64_t>(value);
    at_ = At::kSize;
  } else if (at_ == At::kSizeFirst) {
    at_ = At::kBroken;  // no digit at all
  } else if (c == '\r') {
    at_ = At::kSizeFeed;
  } else {
    at_ = c == ';' ? At::kExtension : At::kBroken;
  }
}

void BodyFraming::take(char c) {
  const auto expect = [&](char wanted, At next) { at_ = c == wanted ? next : At::kBroken; };
  switch (at_) {
    case At::kSizeFirst:
    case At::kSize:
      if (++line_size_ > kSizeLineMax)
        at_ = At::kBroken;
      else
        take_size(c);
      break;
    case At::kExtension:
      if (c == '\r')
        at_ = At::kSizeFeed;
      else if (++line_size_ > kSizeLineMax || !is_text(c))
        at_ = At::kBroken;
      break;
    case At::kSizeFeed:
      line_size_ = 0;
      expect('\n', left_ > 0 ? At::kData : At::kTrailer);
      break;
    case At::kDataReturn: expect('\r', At::kDataFeed); break;
    case At::kDataFeed: expect('\n', At::kSizeFirst); break;
    case At::kTrailer:
    case At::kTrailerLine:
      if (c == '\r')
        at_ = at_ == At::kTrailer ? At::kLastFeed : At::kTrailerFeed;
      else if (++trailer_size_ > kTrailerSizeMax || !is_text(c))
        at_ = At::kBroken;
      else
        at_ = At::kTrailerLine;
      break;
    case At::kTrailerFeed: expect('\n', At::kTrailer); break;
    case At::kLastFeed: expect('\n', At::kEnd); break;
    case At::kData:
    case At::kEnd:
    case At::kBroken: break;
  }
}

}  // namespace coffer::wire
