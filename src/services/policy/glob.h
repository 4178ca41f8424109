// Wildcards, matched in linear time.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace coffer::policy {

/// Inside a Glob wildcards are control characters, which no policy holds.
enum class Wildcard : char {
  kAnyRun = 1,     // '*'
  kAnyOne = 2,     // '?': one character, which in UTF-8 may be several bytes
  kRunInPart = 3,  // '*' that does not pass a ':'
  kOneInPart = 4,  // '?' that is no ':'
};

/// A sequence of literal text and wildcards. Time to match: linear in the text where the pattern has only '*';
/// otherwise at most text × pattern / 64 steps. No pattern makes it try again.
class Glob {
 public:
  void add(std::string_view literal);
  void add(Wildcard wildcard);
  [[nodiscard]] bool match(std::string_view text) const;

 private:
  [[nodiscard]] size_t size() const { return literal_controls_ ? wide_.size() : bytes_.size(); }
  [[nodiscard]] char16_t element(size_t i) const;
  [[nodiscard]] bool match_greedily(std::string_view text) const;
  [[nodiscard]] bool match_states(std::string_view text) const;

  std::string bytes_;              // literals, and wildcards as control characters
  std::u16string wide_;            // instead of bytes_ once a literal has such a character itself:
  bool literal_controls_ = false;  // wildcards are at kWildcardBase
  bool has_run_ = false, has_one_ = false, has_part_ = false;
};

}  // namespace coffer::policy
