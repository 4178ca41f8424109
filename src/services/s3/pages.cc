// Tokens that continue a list.
#include "services/api/page_marker.h"
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

Secret key_of(const Request& r) { return api::page_marker_key(r.setting.sealing_root, "s3 list tokens v1"); }

}  // namespace

std::string make_token(const Request& r, std::string_view list, std::string_view after) {
  return api::make_page_marker(key_of(r).view(), list, after);
}

Result<std::string> open_token(const Request& r, std::string_view list) {
  const std::string token = r.text("ContinuationToken");
  if (token.empty()) return std::string();
  auto after = api::open_page_marker(key_of(r).view(), list, token);
  if (!after) return invalid_argument(r, "continuation-token", token, "The continuation token provided is incorrect");
  return std::move(*after);
}

}  // namespace coffer::s3
