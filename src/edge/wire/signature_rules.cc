#include "edge/wire/signature_rules.h"

#include <algorithm>

#include "edge/wire/sigv4_canonical.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr size_t kSignedHeadersMax = 100;

}  // namespace

Status check_signing_time(WallTime signed_at, WallTime now) {
  if (signed_at >= now - kSkewMax && signed_at <= now + kSkewMax) return ok_status();
  return api::fault(ErrorCode::kUnauthenticated, "RequestTimeTooSkewed",
                    "The difference between the request time and the current time is too large.");
}

bool read_signed_headers(std::string_view text, std::vector<std::string>& names) {
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find(';', at), text.size());
    std::string_view name = text.substr(at, end - at);
    if (name.empty() || name != lower_case(name) || names.size() == kSignedHeadersMax) return false;
    if (name.find_first_of(" \t,=:\r\n") != std::string_view::npos) return false;
    names.emplace_back(name);
    at = end + 1;
  }
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

Error one_mechanism_only() {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidRequest",
                    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
                    "parameter or the Authorization header should be specified");
}

}  // namespace coffer::wire
