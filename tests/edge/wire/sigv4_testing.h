// What the tests of signatures share.
#pragma once
#include <string>
#include <string_view>

#include "base/secret.h"
#include "base/testing.h"
#include "edge/wire/sigv4.h"
#include "engine/crypto/digest.h"

namespace coffer::wire {

inline std::string sha256_hex(std::string_view text) { return to_hex(crypto::sha256(as_bytes(text))); }

/// "GET /path HTTP/1.1", then name:value lines, an empty line, the body. Lines end in LF.
inline Request request_of(std::string_view text) {
  const auto take_line = [&text] {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
  };
  Request request;
  const std::string_view first = take_line();
  const size_t space = first.find(' ');
  request.method = first.substr(0, space);
  request.target = first.substr(space + 1, first.rfind(" HTTP/1.1") - space - 1);
  for (std::string_view line = take_line(); !line.empty(); line = take_line()) {
    const size_t colon = line.find(':');
    request.headers.add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 1)));
  }
  request.body = text;
  return request;
}

/// The error's name; "ok" when there is none.
template <class T>
std::string name_of(const Result<T>& result) {
  return result.ok() ? "ok" : result.error().name;
}

inline WallTime at(std::string_view text) { return must(parse_utc(text)); }

/// The claim of a request that has one.
inline SignatureClaim claim_of(const Request& request) {
  auto claim = must(read_signature_claim(request));
  if (!claim) throw std::runtime_error("the request is not signed");
  return std::move(*claim);
}

}  // namespace coffer::wire
