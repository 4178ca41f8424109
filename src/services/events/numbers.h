// Numbers as patterns compare them.
#pragma once
#include <optional>
#include <string_view>

namespace coffer::events {

/// The value of a JSON number that a double keeps without loss ("300", "3e2", "0.1"); nothing for the others, which
/// only compare by their text ("12345678901234567890"). Never -0.
std::optional<double> exact_number(std::string_view text);

}  // namespace coffer::events
