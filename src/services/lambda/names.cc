#include "services/lambda/names.h"

#include <algorithm>
#include <vector>

namespace coffer::lambda {
namespace {

std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t colon = text.find(':');
    parts.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

bool is_account(std::string_view text) { return text.size() == 12 && is_number(text); }

}  // namespace

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_plain_name(std::string_view text, size_t size_max) {
  return !text.empty() && text.size() <= size_max && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

std::optional<FunctionReference> parse_function(std::string_view text) {
  FunctionReference found;
  std::vector<std::string_view> parts = parts_of(text);
  size_t at = 0;
  if (parts.size() >= 6 && parts[0] == "arn") {
    if (parts[2] != "lambda" || parts[3].empty()) return std::nullopt;
    found.region = parts[3];
    at = 4;
  }
  if (parts.size() - at >= 3 && parts[at + 1] == "function") {
    if (!is_account(parts[at])) return std::nullopt;
    found.account = parts[at];
    at += 2;
  } else if (at != 0) {
    return std::nullopt;
  } else if (parts.size() >= 2 && parts[0] == "function") {
    at = 1;
  }
  if (parts.size() - at > 2) return std::nullopt;
  found.name = parts[at];
  if (!is_plain_name(found.name, 64)) return std::nullopt;
  if (parts.size() - at == 2) {
    found.qualifier = parts[at + 1];
    if (found.qualifier != "$LATEST" && !is_plain_name(found.qualifier, 128)) return std::nullopt;
  }
  return found;
}

std::string function_arn(std::string_view region, std::string_view account, std::string_view name,
                         std::string_view qualifier) {
  std::string arn = "arn:aws:lambda:";
  arn.append(region).append(":").append(account).append(":function:").append(name);
  if (!qualifier.empty()) arn.append(":").append(qualifier);
  return arn;
}

}  // namespace coffer::lambda
