// The Runtime API (2018-06-01) of one environment: what a runtime may ask when, without any socket.
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "edge/functions/http_reader.h"
#include "services/lambda/service.h"

namespace coffer::functions {

inline constexpr size_t kResponseSizeMax = 6'291'556;

class RuntimeApi {
 public:
  /// The answer to a request, or nothing: it asks for the next invocation, and waits until give().
  std::optional<std::string> handle(const HttpRequest& request);

  /// A runtime waits for the next invocation.
  [[nodiscard]] bool is_ready() const { return waiting_; }
  /// Initialisation failed by the runtime's own word: the error object.
  [[nodiscard]] const std::optional<std::string>& init_error() const { return init_error_; }

  /// The answer for the waiting request. is_ready() holds.
  std::string give(const lambda::Invocation& invocation, WallTime deadline);
  /// The connection on which a runtime waited has gone.
  void stop_waiting() { waiting_ = false; }

  struct Result {
    bool is_error = false;
    std::string payload;
  };
  /// What the runtime answered to the last invocation that was given; taken once.
  std::optional<Result> take_result();

 private:
  std::optional<std::string> next();
  std::string respond(const HttpRequest& request, bool is_error);
  bool waiting_ = false;
  std::string current_;  // the id of the invocation at work; empty: none
  std::optional<Result> result_;
  std::optional<std::string> init_error_;
};

}  // namespace coffer::functions
