// How functions are named by callers and in ARNs.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace coffer::lambda {

/// A function as a caller names it: "name", "name:qualifier", "account:function:name", or an ARN.
struct FunctionReference {
  std::string account, region;  // empty: the caller's
  std::string name;
  std::string qualifier;  // empty: none
};
std::optional<FunctionReference> parse_function(std::string_view text);

/// arn:aws:lambda:R:A:function:NAME[:QUALIFIER]
std::string function_arn(std::string_view region, std::string_view account, std::string_view name,
                         std::string_view qualifier = {});
/// [a-zA-Z0-9-_]+ of at most `size_max` characters.
bool is_plain_name(std::string_view text, size_t size_max);
/// Digits only.
bool is_number(std::string_view text);

}  // namespace coffer::lambda
