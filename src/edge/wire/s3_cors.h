// Cross-origin requests: what a browser is told about a bucket's "cors" setting.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edge/wire/http.h"
#include "services/api/value.h"

namespace coffer::wire {

struct CorsQuestion {
  std::string_view origin, method;
  std::vector<std::string> headers;  // that the browser wants to send; lower case
};
/// From Access-Control-Request-Method and -Headers of an OPTIONS request. "BadRequest" when they or Origin are not
/// there.
Result<CorsQuestion> preflight_question(const Request& request);

/// Sets the Access-Control-* headers by the first rule of a CORSConfiguration that fits. False: none does.
bool allow_cors(const api::Value& configuration, const CorsQuestion& question, Response& response);

}  // namespace coffer::wire
