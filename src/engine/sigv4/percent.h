// Percent encoding as signatures need it: both sides must agree on every byte.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coffer::sigv4 {

/// Decodes %XX; nullopt for an escape that is none. `plus_is_space` for forms.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
/// RFC 3986 unreserved characters stay; `keep_slash` for paths.
std::string percent_encode(std::string_view text, bool keep_slash = false);
/// name=value pairs of a query string or form, decoded, in order; nullopt when an escape is broken.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query, bool plus_is_space);

}  // namespace coffer::sigv4
