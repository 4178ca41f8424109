#include "edge/functions/runtime_api.h"

#include <utility>

namespace coffer::functions {
namespace {

constexpr std::string_view kRoot = "/2018-06-01/runtime/";
constexpr std::string_view kJson = "application/json";
constexpr size_t kInitErrorMax = 256 << 10;

std::string answer(int status, std::string_view body) { return http_response(status, kJson, {}, body); }
std::string refusal(int status, std::string_view type, std::string_view message) {
  std::string body = R"({"errorMessage":")";
  body.append(message).append(R"(","errorType":")").append(type).append("\"}\n");
  return answer(status, body);
}
std::string accepted() { return answer(202, "{\"status\":\"OK\"}\n"); }

}  // namespace

std::optional<std::string> RuntimeApi::handle(const HttpRequest& request) {
  std::string_view path = request.path;
  if (!path.starts_with(kRoot)) return refusal(404, "NotFound", "unknown path");
  path.remove_prefix(kRoot.size());
  if (request.method == "GET" && path == "invocation/next") return next();
  if (request.method != "POST") return refusal(404, "NotFound", "unknown path");
  if (path == "init/error") {
    if (current_.empty() && !init_error_)
      init_error_ = request.body.size() <= kInitErrorMax ? request.body : std::string();
    return accepted();
  }
  constexpr std::string_view kInvocation = "invocation/";
  if (!path.starts_with(kInvocation)) return refusal(404, "NotFound", "unknown path");
  path.remove_prefix(kInvocation.size());
  const size_t slash = path.find('/');
  const std::string_view id = path.substr(0, slash);
  const std::string_view what = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  if (what != "response" && what != "error") return refusal(404, "NotFound", "unknown path");
  if (current_.empty()) return refusal(403, "InvalidStateTransition", "State transition is not allowed");
  if (id != current_) return refusal(400, "InvalidRequestID", "Invalid request ID");
  return respond(request, what == "error");
}

std::optional<std::string> RuntimeApi::next() {
  if (!current_.empty() || waiting_) return refusal(403, "InvalidStateTransition", "State transition is not allowed");
  waiting_ = true;
  return std::nullopt;
}

std::string RuntimeApi::respond(const HttpRequest& request, bool is_error) {
  current_.clear();
  if (request.body_size > kResponseSizeMax) {
    result_ = Result{true, R"({"errorMessage":"Response payload size exceeded maximum allowed payload size ()" +
                               std::to_string(kResponseSizeMax) +
                               R"( bytes).","errorType":"Function.ResponseSizeTooLarge"})"};
    return refusal(413, "RequestEntityTooLarge",
                   "Exceeded maximum allowed payload size (" + std::to_string(kResponseSizeMax) + " bytes).");
  }
  // A streamed response that failed underway says so behind its body.
  const bool failed_underway = !request.header("lambda-runtime-function-error-type").empty();
  result_ = Result{is_error || failed_underway, request.body};
  return accepted();
}

std::string RuntimeApi::give(const lambda::Invocation& invocation, WallTime deadline) {
  waiting_ = false;
  current_ = invocation.request_id;
  result_.reset();
  std::vector<std::pair<std::string, std::string>> headers{
      {"Lambda-Runtime-Aws-Request-Id", invocation.request_id},
      {"Lambda-Runtime-Deadline-Ms", std::to_string(deadline.micros / 1000)},
      {"Lambda-Runtime-Invoked-Function-Arn", invocation.invoked_arn},
      {"Lambda-Runtime-Trace-Id", invocation.trace_id}};
  if (!invocation.client_context.empty())
    headers.emplace_back("Lambda-Runtime-Client-Context", invocation.client_context);
  return http_response(200, kJson, headers, as_text(invocation.payload));
}

std::optional<RuntimeApi::Result> RuntimeApi::take_result() { return std::exchange(result_, std::nullopt); }

}  // namespace coffer::functions
