// Regular expressions of the service models, matched in time linear in the text. std::regex goes back and recurses: a
// long text of an unfriendly client would end the process.
#pragma once
#include <memory>
#include <string_view>
#include <vector>

namespace coffer::wire {

class PatternMatcher {
 public:
  /// Null for a construct that is not known (look-around, back references): the caller then checks nothing.
  static std::unique_ptr<PatternMatcher> compile(std::string_view pattern);
  /// Does the whole of `text` (UTF-8) match?
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  friend class PatternCompiler;
  struct Range {
    char32_t from = 0, to = 0;
  };
  struct Set {
    std::vector<Range> ranges;
    bool negated = false;
    [[nodiscard]] bool has(char32_t c) const;
  };
  struct State {
    enum class Kind { kSet, kSplit, kStart, kEnd, kMatch } kind = Kind::kMatch;
    int set = -1;
    int next = -1, other = -1;
  };
  void add(std::vector<int>& list, std::vector<char>& marks, int state, bool at_start, bool at_end) const;
  std::vector<State> states_;
  std::vector<Set> sets_;
  int start_ = 0;
};

}  // namespace coffer::wire
