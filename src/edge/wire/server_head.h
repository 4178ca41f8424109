// The head of a request: where it ends, and what it says. What two servers in a row might read differently is refused.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "edge/wire/http.h"

namespace coffer::wire {

/// Why a request is answered before any handler sees it.
struct Refusal {
  int status = 400;
  std::string_view text;  // a literal
};

struct HeadLimits {
  size_t size_max_bytes = 0, count_max = 0;
};

/// Looks for the end of a head in bytes that arrive in pieces, and for what makes reading on pointless.
class HeadScanner {
 public:
  explicit HeadScanner(const HeadLimits& limits) : limits_(limits) {}
  enum class State { kPartial, kComplete, kRefused };
  /// `bytes` is all that arrived so far, the earlier calls' bytes unchanged before the new ones.
  State scan(std::string_view bytes);
  /// Of the head, with the empty line. After kComplete.
  [[nodiscard]] size_t size() const { return line_begin_; }
  /// After kRefused.
  [[nodiscard]] const Refusal& refusal() const { return refusal_; }

 private:
  State refuse(int status, std::string_view text);

  const HeadLimits limits_;
  size_t line_begin_ = 0, scanned_ = 0, line_count_ = 0;
  Refusal refusal_;
};

struct Head {
  std::string method, target;
  Headers headers;
  std::optional<uint64_t> content_length;
  bool is_chunked = false;
  bool keep_alive = false;
  bool expects_continue = false;
  bool is_http_1_0 = false;
};

/// `bytes` is what a HeadScanner found complete.
std::variant<Head, Refusal> parse_head(std::string_view bytes);

}  // namespace coffer::wire
