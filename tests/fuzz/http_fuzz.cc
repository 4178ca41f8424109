// Requests off the wire: read the same however they arrive in pieces; what is accepted holds no character that could
// end a line; what is coded comes back.
#include <string>

#include "edge/wire/server_body.h"
#include "edge/wire/server_head.h"
#include "fuzz/require.h"

namespace {

using namespace coffer;
using namespace coffer::wire;

constexpr HeadLimits kLimits{.size_max_bytes = 2048, .count_max = 20};

/// The outcome as text.
std::string scan(std::string_view input, size_t step, size_t& head_size) {
  HeadScanner scanner(kLimits);
  for (size_t size = std::min(step, input.size());; size = std::min(size + step, input.size())) {
    const HeadScanner::State state = scanner.scan(input.substr(0, size));
    if (state == HeadScanner::State::kRefused) return std::string(scanner.refusal().text);
    if (state == HeadScanner::State::kComplete) {
      head_size = scanner.size();
      return "head " + std::to_string(head_size);
    }
    if (size == input.size()) return "more";
  }
}

std::string unframe(BodyFraming framing, std::string_view input, size_t in_size, size_t out_size) {
  std::string data;
  Bytes out(out_size);
  while (!input.empty() && !framing.is_done() && !framing.is_broken()) {
    const auto step = framing.step(input.substr(0, in_size), out);
    require(step.consumed > 0 || step.produced > 0);
    data += as_text(ByteView(out).first(step.produced));
    input.remove_prefix(step.consumed);
  }
  return data + (framing.is_broken() ? "!" : framing.is_done() ? "." + std::to_string(input.size()) : "?");
}

bool has_control(std::string_view text) {
  for (char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return true;
  return false;
}

void check(const Head& head) {
  require(!has_control(head.method) && !has_control(head.target) && !head.target.empty());
  require(head.target.find(' ') == std::string::npos);
  size_t lengths = 0, encodings = 0;
  for (const auto& [name, value] : head.headers.fields()) {
    require(!name.empty() && !has_control(name) && !has_control(value));
    Headers one;
    one.add(name, value);
    lengths += one.has("content-length");
    encodings += one.has("transfer-encoding");
  }
  require(lengths + encodings <= 1);
  require(head.content_length.has_value() == (lengths == 1) && head.is_chunked == (encodings == 1));
}

void check_coding(std::string_view input) {
  require(percent_decode(percent_encode(input)) == input);
  require(percent_decode(percent_encode(input, true)) == input);
  (void)parse_query(input, true);
  if (auto pairs = parse_query(input, false)) {
    std::string again;
    for (const auto& [name, value] : *pairs) again += percent_encode(name) + "=" + percent_encode(value) + "&";
    require(parse_query(again, false) == pairs);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_coding(input);
  size_t head_size = 0, same_size = 0;
  require(scan(input, SIZE_MAX / 2, head_size) == scan(input, 1 + size % 13, same_size) && head_size == same_size);
  std::string_view rest = input;
  if (head_size > 0) {
    const auto parsed = parse_head(input.substr(0, head_size));
    if (const Head* head = std::get_if<Head>(&parsed)) check(*head);
    rest = input.substr(head_size);
  }
  require(unframe(BodyFraming::of_chunks(), rest, 4096, 4096) ==
          unframe(BodyFraming::of_chunks(), rest, 1 + size % 7, 1 + size % 5));
  return 0;
}
