#include "services/api/arn.h"

namespace coffer::api {

std::optional<Arn> parse_arn(std::string_view text) {
  Arn arn;
  std::string first;
  for (std::string* part : {&first, &arn.partition, &arn.service, &arn.region, &arn.account}) {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    *part = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (first != "arn" || text.empty()) return std::nullopt;
  arn.resource = text;
  return arn;
}

}  // namespace coffer::api
