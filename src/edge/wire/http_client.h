// A blocking HTTP client for calls that this program makes itself: a KMS key behind a vault's slot, a peer
// installation.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "base/context.h"
#include "base/result.h"
#include "edge/wire/address_guard.h"
#include "edge/wire/http.h"

namespace coffer::wire {

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  /// Sends `request` (its target beneath `endpoint`, "https://host:port"; body from `request.body`, or from
  /// `request.stream` with `request.content_length`) and reads the whole answer, at most 1 MiB. An HTTP status is no
  /// error. kUnavailable when the host cannot be reached or its certificate is not trusted, kDeadlineExceeded when it
  /// does not answer or a streamed body stands still. An error of the stream is given back as it is. Redirects are not
  /// followed.
  virtual Result<Response> send(const Context& context, const std::string& endpoint, const Request& request) = 0;
};

/// Over libcurl. Honours proxies from the environment as curl does; certificates are checked against the system's
/// roots, or `ca_bundle_file` when it is not empty.
std::unique_ptr<HttpClient> curl_client(std::string ca_bundle_file = {},
                                        std::chrono::seconds timeout = std::chrono::seconds(30));
/// For URLs that users give: only addresses that `guard` allows are connected to, looked at after the name was resolved
/// and with no proxy in between (kPermissionDenied for others).
std::unique_ptr<HttpClient> guarded_client(AddressGuard guard, std::string ca_bundle_file = {},
                                           std::chrono::seconds timeout = std::chrono::seconds(5));

}  // namespace coffer::wire
