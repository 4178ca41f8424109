// The HTTP server: sockets, TLS, framing, limits, timeouts. Boost.Beast lives in server*.cc alone.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/result.h"
#include "edge/wire/http.h"

namespace coffer::wire {

/// A streamed body (request.stream) lives until its request is answered: a handler may leave it unread, or move it into
/// the response's stream, but not keep it. It and a response's stream are read on the handler's task. `Expect:
/// 100-continue` is answered by the first read of the body, which is then streamed however short it is. Clients that
/// are slower than 1 KiB a second for a stall timeout are cut off.
class Server {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    uint16_t port = 0;  // 0: any free one, told by port()
    /// PEM files; empty: plain HTTP, which is refused off loopback unless plain_http_anywhere.
    std::string certificate_file, private_key_file;
    bool plain_http_anywhere = false;
    size_t tasks_max = 16;     // handlers at work
    size_t queued_max = 1024;  // requests that wait for a task; the next one is answered 503
    size_t connections_max = 10'000;
    size_t header_size_max_bytes = 16 * 1024;
    size_t header_count_max = 100;
    size_t small_body_size_bytes = 1 << 20;  // larger ones are streamed to the handler
    std::chrono::milliseconds header_timeout = std::chrono::seconds(30), idle_timeout = std::chrono::seconds(75),
                              body_stall_timeout = std::chrono::seconds(30);
    /// Asked first about requests whose body is small: going over to a task costs more than a short answer does.
    BriefHandler brief_handler = nullptr;
    /// Told what the server could not do for a reason that no client has caused: a handler threw, no memory was left
    /// for a connection. Called from its threads, with nothing of the request but its method; may be null.
    std::function<void(std::string_view text)> on_failure = nullptr;
  };
  /// Listens when it returns. kInvalidArgument for a bad address or certificate, kUnavailable for a taken port.
  static Result<std::unique_ptr<Server>> start(const Options& options, Handler handler);
  virtual ~Server() = default;
  [[nodiscard]] virtual uint16_t port() const = 0;
  /// Reads certificate and key anew; the old stay in use when the new are bad.
  virtual Status reload_certificate() = 0;
  /// No new connections; requests at work are finished, at most this long.
  virtual void stop(std::chrono::seconds grace) = 0;
  struct Counts {
    uint64_t connections_open = 0, connections_total = 0, requests_total = 0, malformed_total = 0;
  };
  [[nodiscard]] virtual Counts counts() const = 0;
};

}  // namespace coffer::wire
