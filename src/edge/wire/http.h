// Request and Response as everything but the server itself sees them. Nothing here knows Beast.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_source.h"
#include "engine/sigv4/percent.h"

namespace coffer::wire {

/// Header fields in order of arrival. Names are compared without case.
class Headers {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  /// Replaces all of this name.
  void set(std::string_view name, std::string value);
  /// The first of this name; empty when absent.
  [[nodiscard]] std::string_view get(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

using BodySource = ByteSource;

struct Request {
  std::string method;
  std::string target;  // as sent: path and query, not decoded
  Headers headers;
  /// The whole body when it was small (Server::Options::small_body_size_bytes); else empty and `stream` is set.
  std::string body;
  std::unique_ptr<BodySource> stream;
  std::optional<uint64_t> content_length;
  std::string remote_ip;
  bool secure = false;  // came over TLS

  [[nodiscard]] std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  /// After the '?', not decoded; empty when there is none.
  [[nodiscard]] std::string_view query() const;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  std::unique_ptr<BodySource> stream;  // set: sent instead of `body`, chunked unless stream_size is known
  std::optional<uint64_t> stream_size;
};

/// Called on a task of the bounded pool. What it throws becomes a 500 without detail.
using Handler = std::function<Response(const Context&, Request&)>;
/// Called on the thread that reads requests, before a Handler: nothing when an answer might have to wait for anything,
/// or take long. Without a stream in the answer.
using BriefHandler = std::function<std::optional<Response>(const Context&, Request&)>;

using sigv4::parse_query;
using sigv4::percent_decode;
using sigv4::percent_encode;

}  // namespace coffer::wire
