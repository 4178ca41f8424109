#include "edge/wire/s3_cors.h"

#include <algorithm>

#include "edge/wire/sigv4_canonical.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

/// `pattern` may have one '*', for any characters.
bool fits(std::string_view pattern, std::string_view text) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  const std::string_view before = pattern.substr(0, star), after = pattern.substr(star + 1);
  return text.size() >= before.size() + after.size() && text.starts_with(before) && text.ends_with(after);
}

bool any_fits(const std::vector<std::string>& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& one) { return fits(one, text); });
}

std::string joined(const std::vector<std::string>& items) {
  std::string all;
  for (const std::string& item : items) all.append(all.empty() ? "" : ", ").append(item);
  return all;
}

bool fits_rule(const api::Value& rule, const CorsQuestion& question) {
  const auto methods = rule.texts("AllowedMethods");
  if (std::find(methods.begin(), methods.end(), question.method) == methods.end()) return false;
  if (!any_fits(rule.texts("AllowedOrigins"), question.origin)) return false;
  std::vector<std::string> headers = rule.texts("AllowedHeaders");
  for (std::string& header : headers) header = lower_case(header);
  return std::all_of(question.headers.begin(), question.headers.end(),
                     [&](const std::string& header) { return any_fits(headers, header); });
}

}  // namespace

Result<CorsQuestion> preflight_question(const Request& request) {
  CorsQuestion question{request.headers.get("origin"), request.headers.get("access-control-request-method"), {}};
  if (question.origin.empty())
    return api::fault(ErrorCode::kInvalidArgument, "BadRequest",
                      "Insufficient information. Origin request header needed.");
  static constexpr std::string_view kMethods[] = {"GET", "PUT", "HEAD", "POST", "DELETE"};
  if (std::find(std::begin(kMethods), std::end(kMethods), question.method) == std::end(kMethods))
    return api::fault(ErrorCode::kInvalidArgument, "BadRequest",
                      "Invalid Access-Control-Request-Method: " +
                          (question.method.empty() ? "null" : std::string(question.method.substr(0, 32))));
  for (std::string_view rest = request.headers.get("access-control-request-headers"); !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    if (const std::string_view name = trimmed(rest.substr(0, comma)); !name.empty())
      question.headers.push_back(lower_case(name));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return question;
}

bool allow_cors(const api::Value& configuration, const CorsQuestion& question, Response& response) {
  const api::List& rules = configuration.list("CORSRules");
  const auto rule =
      std::find_if(rules.begin(), rules.end(), [&](const api::Value& one) { return fits_rule(one, question); });
  if (rule == rules.end()) return false;
  const auto origins = rule->texts("AllowedOrigins");
  const bool for_all = std::find(origins.begin(), origins.end(), "*") != origins.end();
  response.headers.set("Access-Control-Allow-Origin", for_all ? "*" : std::string(question.origin));
  if (!for_all) response.headers.set("Access-Control-Allow-Credentials", "true");
  response.headers.set("Access-Control-Allow-Methods", joined(rule->texts("AllowedMethods")));
  if (!question.headers.empty()) response.headers.set("Access-Control-Allow-Headers", joined(question.headers));
  if (const auto exposed = rule->texts("ExposeHeaders"); !exposed.empty())
    response.headers.set("Access-Control-Expose-Headers", joined(exposed));
  if (const auto age = rule->integer("MaxAgeSeconds"))
    response.headers.set("Access-Control-Max-Age", std::to_string(*age));
  response.headers.set("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
  return true;
}

}  // namespace coffer::wire
