// Regular expressions of the service models, matched in time linear in the text. std::regex goes back and recurses: a
// long text of an unfriendly client would end the process.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "edge/wire/unicode.h"

namespace coffer::wire {

/// A set of code points: a bitmap for ASCII, ranges beyond it.
struct CodePointSet {
  uint64_t ascii[2] = {0, 0};
  std::vector<CodePointRange> beyond;  // ascending, from 0x80 on; no two touch
  [[nodiscard]] bool has(char32_t c) const;
};

/// Safe from many threads once compiled.
class PatternMatcher {
 public:
  /// Null for a construct that is not known (back references): the caller then checks nothing.
  static std::unique_ptr<PatternMatcher> compile(std::string_view pattern);
  /// Does the whole of `text` (UTF-8) match? As Java's Matcher.matches(), by which AWS reads its patterns.
  [[nodiscard]] bool matches(std::string_view text) const;

  struct State {
    enum class Kind : uint8_t { kSet, kSplit, kStart, kEnd, kLook, kMatch } kind = Kind::kMatch;
    int32_t index = 0;  // of the set or the look-around
    int32_t next = -1, other = -1;
  };
  struct Program {
    std::vector<State> states;
    int32_t start = 0;
  };
  /// A look-around: where its program (of the mirrored expression, for a look ahead) ends at a position, it holds
  /// there.
  struct Look {
    Program program;
    bool ahead = true, negated = false;
  };

 private:
  friend class PatternCompiler;
  Program main_;
  std::vector<Look> looks_;  // an inner one stands before the one it is in
  std::vector<CodePointSet> sets_;
  // Most patterns are one set, repeated: then this is it, and the program is not needed.
  int32_t only_set_ = -1;
  size_t only_least_ = 0, only_most_ = 0;
};

}  // namespace coffer::wire
