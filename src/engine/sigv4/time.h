// The two spellings of a moment that signed requests carry.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace coffer::sigv4 {

/// YYYYMMDDTHHMMSSZ.
std::string format_signing_time(WallTime time);
std::optional<WallTime> parse_signing_time(std::string_view text);
/// "Fri, 24 May 2013 00:00:00 GMT". The weekday is not compared with the date.
std::optional<WallTime> parse_http_date(std::string_view text);

}  // namespace coffer::sigv4
