// Tokens between the pages of lists. They carry a position in a list that the request itself has to be allowed to read,
// and so need no secret; the code in them keeps a token from being taken for one of another list.
#include "services/api/page_marker.h"
#include "services/logs/operations.h"

namespace coffer::logs {
namespace {

ByteView key_of_tokens() {
  static constexpr std::string_view kKey = "logs list tokens v1";
  return as_bytes(kKey);
}

std::string scope_of(const Request& r) {
  return api::page_scope(r.call().operation, r.account() + "/" + r.call().region, r.input(), {"nextToken", "limit"});
}

}  // namespace

std::string token_behind(const Request& r, std::string_view after) {
  return api::make_page_marker(key_of_tokens(), scope_of(r), after);
}

Result<std::optional<std::string>> begin_of_page(const Request& r) {
  if (!r.input().has("nextToken")) return std::optional<std::string>();
  auto after = api::open_page_marker(key_of_tokens(), scope_of(r), r.input().text("nextToken"));
  if (!after) return invalid("The specified nextToken is invalid.");
  return after;
}

std::string padded(int64_t number, size_t width) {
  std::string digits = std::to_string(number);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return digits;
}

}  // namespace coffer::logs
