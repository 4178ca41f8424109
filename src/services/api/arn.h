// Amazon Resource Names, "arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE", in their parts. What a part has to be, the
// service decides that it belongs to.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace coffer::api {

struct Arn {
  std::string partition, service, region, account;
  std::string resource;  // all behind the fifth colon; never empty
};
/// Nothing for what has not the six parts, or does not begin with "arn".
std::optional<Arn> parse_arn(std::string_view text);

}  // namespace coffer::api
