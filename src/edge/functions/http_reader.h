// HTTP/1.1 requests as runtimes in a sandbox send them, piece by piece. Foreign bytes: everything has a limit. The
// server of edge/wire listens on networks; a sandbox has only a socket in a folder, one runtime and four paths.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace coffer::functions {

struct HttpRequest {
  std::string method, path;                                  // path: without a query
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case; trailers at the end
  std::string body;
  uint64_t body_size = 0;  // of what was sent; larger than body.size() when it was too large to keep
  bool keep_alive = true;

  [[nodiscard]] std::string_view header(std::string_view lower_name) const;
};

/// Not for several threads.
class HttpReader {
 public:
  /// Bodies beyond `body_size_max` are read to their end and not kept.
  explicit HttpReader(size_t body_size_max) : body_size_max_(body_size_max) {}
  /// More bytes of the connection. kInvalidArgument: no HTTP, or beyond a limit; the connection is of no use any more.
  Status feed(std::string_view bytes);
  /// The next complete request.
  std::optional<HttpRequest> take();
  /// A request has begun whose client waits for "100 Continue" before it sends the body. Told once a request.
  bool wants_continue();

 private:
  enum class At { kHead, kBody, kChunkSize, kChunk, kChunkEnd, kTrailers, kComplete };
  Status parse();
  Status parse_head(std::string_view head);
  Status parse_fields(std::string_view fields);
  void keep(std::string_view bytes);
  /// Takes a line without its end from the buffer; nothing when it is not there yet.
  std::optional<std::string> line();

  size_t body_size_max_;
  std::string buffer_;
  size_t begin_ = 0;  // what is before was parsed
  At at_ = At::kHead;
  uint64_t left_ = 0;  // of the body, or of a chunk
  bool continue_ = false;
  HttpRequest request_;
};

/// An answer with a body of known length.
std::string http_response(int status, std::string_view content_type,
                          const std::vector<std::pair<std::string, std::string>>& headers, std::string_view body);

}  // namespace coffer::functions
