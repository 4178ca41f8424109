// The two spellings of a moment that requests and their signatures carry.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace coffer::sigv4 {

/// YYYYMMDDTHHMMSSZ.
std::string format_signing_time(WallTime time);
std::optional<WallTime> parse_signing_time(std::string_view text);
/// "Fri, 24 May 2013 00:00:00 GMT" (RFC 9110, section 5.6.7). The weekday is not compared with the date.
std::optional<WallTime> parse_http_date(std::string_view text);
std::string format_http_date(WallTime time);

}  // namespace coffer::sigv4
