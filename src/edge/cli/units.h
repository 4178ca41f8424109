// Numbers as people read and write them.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace coffer::cli {

/// "17 B", "1.2 GiB", "410 MiB": three significant digits at most.
std::string human_bytes(uint64_t size_bytes);
/// "300M", "1.5GiB", "4096", "64k": powers of 1024. kInvalidArgument otherwise.
Result<uint64_t> parse_bytes(std::string_view text);
/// A whole number without sign, of at most `most`. kInvalidArgument names `what`.
Result<uint64_t> parse_number(std::string_view what, std::string_view text, uint64_t most);
/// "3 h 5 min ago"; "just now" below a second; "in the future" when `then` is after `now`.
std::string age(WallTime then, WallTime now);
/// "1 point", "3 points".
std::string counted(uint64_t count, std::string_view noun);
/// "0.4 s", "12 s", "4 min 3 s".
std::string took(int64_t milliseconds);

}  // namespace coffer::cli
