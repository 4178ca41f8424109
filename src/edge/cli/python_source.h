// What a Python module computes when it is loaded. Not a parser: enough of the language to tell strings, comments and
// functions from the statements around them.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::cli {

struct LoadTimeValue {
  size_t line = 0;   // from 1
  std::string call;  // "datetime.now"
};

/// Calls outside of all functions that give the present time or something random: in a process that serves many calls
/// they give the same for all of them.
std::vector<LoadTimeValue> load_time_values(std::string_view source);

}  // namespace coffer::cli
