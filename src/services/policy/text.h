// Letters and digits as policies see them: ASCII, whatever the locale.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>

namespace coffer::policy {

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
inline std::string lower_case(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
  return lowered;
}
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
inline bool is_letter_or_digit(char c) { return is_digit(c) || is_letter(c); }
inline bool equal_without_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}
inline bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}
inline bool has_wildcard(std::string_view text) { return text.find_first_of("*?") != std::string_view::npos; }
inline bool is_account_id(std::string_view text) { return text.size() == 12 && all_digits(text); }

}  // namespace coffer::policy
