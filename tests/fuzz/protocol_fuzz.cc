// Requests of every protocol: read into a value of valid text, or refused by name; and patterns from anywhere on texts
// from anywhere.
#include <string>
#include <string_view>

#include "edge/wire/codec.h"
#include "edge/wire/pattern_matcher.h"
#include "edge/wire/protocol.h"
#include "fuzz/require.h"

namespace {

using namespace coffer;
using namespace coffer::wire;

void require_text(const api::Value& value) {
  if (const auto* text = value.get_if<std::string>()) require(is_utf8(*text));
  for (const api::Value& item : value.items()) require_text(item);
  for (const auto& [name, one] : value.entries()) {
    require(is_utf8(name));
    require_text(one);
  }
}

std::string_view take_line(std::string_view& input) {
  const std::string_view line = input.substr(0, input.find('\n'));
  input.remove_prefix(std::min(line.size() + 1, input.size()));
  return line;
}

/// First line: the service; second: the target header or the method; third: path and query; then the body.
void try_request(std::string_view input) {
  const ServiceModel* service = find_service(take_line(input));
  Request request;
  const std::string second(take_line(input));
  request.target = std::string(take_line(input));
  request.body = std::string(input);
  const bool targeted = !service || service->protocol == ProtocolKind::kJson;
  request.method = targeted ? "POST" : second;
  if (targeted) request.headers.add("x-amz-target", second);
  request.headers.add("x-amz-meta-a", second);
  static_cast<void>(guess_service(request));
  if (!service) return;
  Result<Route> route = find_route(*service, request);
  if (!route.ok()) return require(!route.error().name.empty());
  Result<api::Value> value = decode_input(*route, request);
  if (!value.ok()) return require(!value.error().name.empty() && value.code() == ErrorCode::kInvalidArgument);
  require_text(*value);
  Status valid = validate(*service, *route->operation, *value);
  require(valid.ok() || is_utf8(valid.error().message));
}

void try_pattern(std::string_view input) {
  const std::string_view pattern = take_line(input);
  const auto matcher = PatternMatcher::compile(pattern);
  if (!matcher || !is_utf8(input)) return;
  const bool matched = matcher->matches(input);
  require(matched == matcher->matches(input));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  input.front() == 'p' ? try_pattern(input.substr(1)) : try_request(input.substr(1));
  return 0;
}
