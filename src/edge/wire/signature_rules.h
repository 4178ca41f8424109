// What the kinds of signatures that a request may have share. For the files of this folder.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace coffer::wire {

/// How far a client's clock may be from ours.
inline constexpr std::chrono::minutes kSkewMax{15};

/// "RequestTimeTooSkewed" unless a request was signed within kSkewMax of `now`.
Status check_signing_time(WallTime signed_at, WallTime now);
/// The list "host;x-amz-date", sorted. False for an empty name, one that is not in lower case, one that is named twice,
/// or too many.
bool read_signed_headers(std::string_view text, std::vector<std::string>& names);
/// "InvalidRequest": the request is signed in two ways at once.
Error one_mechanism_only();

}  // namespace coffer::wire
