// The two spellings of a moment that signed requests carry, as this folder calls them.
#pragma once
#include "engine/sigv4/time.h"

namespace coffer::wire {

using sigv4::format_http_date;
using sigv4::format_signing_time;
using sigv4::parse_http_date;
using sigv4::parse_signing_time;

}  // namespace coffer::wire
