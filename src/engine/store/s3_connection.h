// HTTP exchanges of the S3 store: a pool of kept connections over libcurl's multi interface. One thread drives them
// all; callers block until their own exchange is done.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/context.h"
#include "base/result.h"
#include "engine/sigv4/canonical.h"

namespace coffer::store {

/// Borrows its body until exchange() returns.
struct HttpExchange {
  std::string method, url;
  sigv4::HeaderFields headers;
  ByteView body;
  uint64_t answer_limit_bytes = 1 << 20;              // of a success
  std::chrono::milliseconds deadline{30'000};         // for the whole exchange
  std::chrono::milliseconds connect_deadline{5'000};  // for reaching the server
  bool fresh_connection = false;                      // nothing of earlier exchanges is used: no connection, no address
  bool no_proxy = false;                              // for addresses of this very machine or its cloud's services
};

struct HttpAnswer {
  int status = 0;
  sigv4::HeaderFields headers;
  Bytes body;

  /// The first of this name, which is in lower case; empty when absent.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

class HttpConnections {
 public:
  virtual ~HttpConnections() = default;
  /// An HTTP status is no error. kUnavailable: not reached, not trusted, or cut before the whole answer was here;
  /// kDeadlineExceeded: too slow; kCancelled; kCorruption: an answer larger than its limit. After any of them the
  /// request may or may not have been carried out. Redirects are not followed.
  virtual Result<HttpAnswer> exchange(const Context& context, const HttpExchange& exchange) = 0;
};

/// Honours proxies from the environment as curl does. Certificates are checked against the system's roots, or
/// `ca_bundle_file` when it is not empty.
std::unique_ptr<HttpConnections> open_connections(std::string ca_bundle_file = {});

}  // namespace coffer::store
