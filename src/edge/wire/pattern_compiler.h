// From the text of a pattern to the programs of a PatternMatcher.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "edge/wire/pattern_matcher.h"

namespace coffer::wire {

/// An expression as read. `parts` are its operands.
struct PatternNode {
  enum class Kind { kEmpty, kSet, kSequence, kAlternatives, kRepeat, kStart, kEnd, kLook };
  Kind kind = Kind::kEmpty;
  int32_t set = -1;
  int least = 0, most = 0;  // kRepeat; most -1: any number
  bool ahead = true, negated = false;
  std::vector<PatternNode> parts;
};

/// Reads the syntax that the models use: a subset of Java's.
class PatternParser {
 public:
  PatternParser(std::string_view pattern, std::vector<CodePointSet>& sets) : text_(pattern), sets_(sets) {}
  std::optional<PatternNode> parse();

 private:
  using Ranges = std::vector<CodePointRange>;
  std::optional<PatternNode> alternatives(int depth);
  std::optional<PatternNode> sequence(int depth);
  std::optional<PatternNode> repeated(int depth);
  std::optional<PatternNode> atom(int depth);
  std::optional<PatternNode> group(int depth);
  std::optional<PatternNode> bracket();
  bool quantifier(int& least, int& most);
  bool character_or_class(Ranges& ranges);
  bool escape(Ranges& ranges);
  bool hexadecimal(int digits, char32_t& code);
  bool property(bool negated, Ranges& ranges);
  PatternNode set_node(Ranges ranges, bool negated);
  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  [[nodiscard]] bool sees(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  std::string_view text_;
  size_t at_ = 0;
  bool dot_takes_all_ = false;  // (?s)
  std::vector<CodePointSet>& sets_;
};

/// The code point at `at` of UTF-8 text, which moves behind it.
char32_t next_code_point(std::string_view text, size_t& at);

}  // namespace coffer::wire
