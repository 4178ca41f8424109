#include "edge/cli/units.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace coffer::cli {

std::string human_bytes(uint64_t size_bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(size_bytes);
  size_t unit = 0;
  // 1023.7 would be printed as 1024 of the smaller unit.
  while (value >= 1023.5) value /= 1024, ++unit;
  char text[32];
  const bool one_digit = unit > 0 && value < 9.95;
  std::snprintf(text, sizeof text, one_digit ? "%.1f %s" : "%.0f %s", value, kUnits[unit]);
  return text;
}

Result<uint64_t> parse_bytes(std::string_view text) {
  const auto refuse = [&] {
    return Error{ErrorCode::kInvalidArgument, "'" + std::string(text) + "' is not a size",
                 "write it like 512M or 1.5G"};
  };
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (failure != std::errc() || value < 0) return refuse();
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  int shift = 0;
  if (!unit.empty() && unit != "B") {
    const size_t letter = std::string_view("kKmMgGtT").find(unit.front());
    if (letter == std::string_view::npos) return refuse();
    shift = 10 * static_cast<int>(letter / 2 + 1);
    unit.remove_prefix(1);
    if (!unit.empty() && unit != "B" && unit != "iB") return refuse();
  }
  const double bytes = std::ldexp(value, shift);
  if (!(bytes < 9.2e18)) return refuse();
  return static_cast<uint64_t>(bytes);
}

Result<uint64_t> parse_number(std::string_view what, std::string_view text, uint64_t most) {
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || text.empty() || value > most)
    return Error{
        ErrorCode::kInvalidArgument,
        std::string(what) + ": '" + std::string(text) + "' is not a whole number of at most " + std::to_string(most),
        {}};
  return value;
}

std::string age(WallTime then, WallTime now) {
  if (then > now) return "in the future";
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - then);
  return seconds.count() == 0 ? "just now" : format_duration(seconds) + " ago";
}

std::string counted(uint64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string took(int64_t milliseconds) {
  if (milliseconds < 10'000) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(milliseconds) / 1000);
    return text;
  }
  return format_duration(std::chrono::seconds(milliseconds / 1000));
}

}  // namespace coffer::cli
