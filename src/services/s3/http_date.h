// Dates as headers have them. For the files of this folder.
#pragma once
#include <string>

#include "base/clock.h"

namespace coffer::s3 {

/// "Tue, 24 Nov 2026 12:00:00 GMT" (RFC 9110, section 5.6.7).
std::string format_http_date(WallTime time);

}  // namespace coffer::s3
