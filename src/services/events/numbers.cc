#include "services/events/numbers.h"

#include <array>
#include <charconv>
#include <string>

namespace coffer::events {
namespace {

/// A decimal as sign, digits without zeros at either end, and the power of ten behind the first of them.
struct Decimal {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;
  friend bool operator==(const Decimal&, const Decimal&) = default;
};

Decimal decimal_of(std::string_view text) {
  Decimal d;
  int64_t exponent = 0;
  if (const size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view digits = text.substr(e + 1);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    // An exponent that does not fit belongs to a number that no double has, or to zero.
    std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    text = text.substr(0, e);
  }
  if (text.starts_with('-')) {
    d.negative = true;
    text.remove_prefix(1);
  }
  int64_t whole = 0;
  bool behind_point = false;
  for (char c : text) {
    if (c == '.') {
      behind_point = true;
      continue;
    }
    if (!behind_point) ++whole;
    d.digits += c;
  }
  const size_t first = d.digits.find_first_not_of('0');
  if (first == std::string::npos) return {};
  d.exponent = exponent + whole - static_cast<int64_t>(first);
  d.digits.erase(0, first);
  d.digits.erase(d.digits.find_last_not_of('0') + 1);
  return d;
}

}  // namespace

std::optional<double> exact_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  std::array<char, 64> shortest{};
  const auto written = std::to_chars(shortest.data(), shortest.data() + shortest.size(), value);
  const std::string_view back(shortest.data(), static_cast<size_t>(written.ptr - shortest.data()));
  if (back != text && decimal_of(back) != decimal_of(text)) return std::nullopt;
  return value == 0 ? 0.0 : value;
}

}  // namespace coffer::events
