#include "edge/wire/server_head.h"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>

#include "edge/wire/sigv4_canonical.h"

namespace coffer::wire {
namespace {

namespace http = boost::beast::http;

constexpr Refusal kMalformed{400, "The request is not well-formed HTTP/1.1.\n"};

bool is_method_character(char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; }

/// The first line ends in HTTP/ and two numbers.
bool names_a_version(std::string_view bytes) {
  const size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos || end < 9) return false;
  const std::string_view word = bytes.substr(end - 9, 9);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return word.starts_with(" HTTP/") && is_digit(word[6]) && word[7] == '.' && is_digit(word[8]);
}

/// Digits only: no sign, no list.
std::optional<uint64_t> read_length(std::string_view text) {
  uint64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return length;
}

bool is_target(std::string_view text) {
  if (text == "*") return true;
  return !text.empty() && text[0] == '/' && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '#';
  });
}

/// Framing and the fields that must stand alone.
std::optional<Refusal> read_meaning(Head& head) {
  size_t hosts = 0, lengths = 0, encodings = 0;
  for (const auto& [name, value] : head.headers.fields()) {
    if (same_name(name, "host")) {
      ++hosts;
    } else if (same_name(name, "content-length")) {
      ++lengths;
      head.content_length = read_length(value);
      if (!head.content_length) return Refusal{400, "The Content-Length is not a number.\n"};
    } else if (same_name(name, "transfer-encoding")) {
      ++encodings;
      if (!same_name(value, "chunked")) return Refusal{501, "The only Transfer-Encoding spoken here is chunked.\n"};
      head.is_chunked = true;
    } else if (same_name(name, "expect")) {
      if (!value.empty() && !same_name(value, "100-continue"))
        return Refusal{417, "The only expectation met here is 100-continue.\n"};
      head.expects_continue = !value.empty() && !head.is_http_1_0;
    }
  }
  if (hosts > 1 || (hosts == 0 && !head.is_http_1_0)) return Refusal{400, "The request needs exactly one Host.\n"};
  if (lengths > 1 || encodings > 1 || (lengths > 0 && encodings > 0) || (encodings > 0 && head.is_http_1_0))
    return Refusal{400, "The length of the request's body is ambiguous.\n"};
  return std::nullopt;
}

}  // namespace

HeadScanner::State HeadScanner::refuse(int status, std::string_view text) {
  refusal_ = {status, text};
  return State::kRefused;
}

HeadScanner::State HeadScanner::scan(std::string_view bytes) {
  // TLS on a plain port, or noise: no reason to wait for its end.
  if (scanned_ == 0 && !bytes.empty() && !is_method_character(bytes[0]))
    return refuse(kMalformed.status, kMalformed.text);
  while (scanned_ < bytes.size()) {
    const size_t feed = bytes.find('\n', scanned_);
    if (feed >= limits_.size_max_bytes && bytes.size() > limits_.size_max_bytes) break;
    if (feed == std::string_view::npos) {
      scanned_ = bytes.size();
      return State::kPartial;
    }
    scanned_ = feed + 1;
    if (feed == line_begin_ || bytes[feed - 1] != '\r')
      return refuse(400, "A line of the request's header does not end in CR LF.\n");
    const std::string_view line = bytes.substr(line_begin_, feed - 1 - line_begin_);
    line_begin_ = feed + 1;
    if (line.empty()) return State::kComplete;
    if (line[0] == ' ' || line[0] == '\t') return refuse(400, "A line of the request's header is folded.\n");
    if (line_count_++ > limits_.count_max) return refuse(431, "The request has more header fields than are read.\n");
  }
  if (bytes.size() <= limits_.size_max_bytes) return State::kPartial;
  return refuse(431, "The request's header is longer than is read.\n");
}

std::variant<Head, Refusal> parse_head(std::string_view bytes) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<uint32_t>(std::min<size_t>(bytes.size(), UINT32_MAX)));
  parser.body_limit(boost::none);
  boost::system::error_code failed;
  const size_t used = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), failed);
  if (failed == http::error::bad_version && names_a_version(bytes))
    return Refusal{505, "The versions spoken here are HTTP/1.1 and HTTP/1.0.\n"};
  if (failed || !parser.is_header_done() || used != bytes.size()) return kMalformed;
  const auto& message = parser.get();
  Head head;
  head.method = message.method_string();
  head.target = message.target();
  head.is_http_1_0 = message.version() < 11;
  for (const auto& field : message) head.headers.add(std::string(field.name_string()), std::string(field.value()));
  if (!is_target(head.target)) return kMalformed;
  if (auto refusal = read_meaning(head)) return *refusal;
  head.keep_alive = parser.keep_alive();
  return head;
}

}  // namespace coffer::wire
