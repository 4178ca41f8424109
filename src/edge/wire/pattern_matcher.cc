#include "edge/wire/pattern_matcher.h"

#include <algorithm>
#include <optional>

namespace coffer::wire {
namespace {

constexpr char32_t kLast = 0x10FFFF;
constexpr size_t kStatesMax = 20'000;
constexpr int kRepeatMax = 512;  // more than this counts as "any number": lengths are checked apart

char32_t next_code_point(std::string_view text, size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  char32_t code = first & (0x3FU >> more);
  for (int i = 0; i < more && at < text.size(); ++i)
    code = code << 6 | (static_cast<unsigned char>(text[at++]) & 0x3FU);
  return code;
}

}  // namespace

/// Thompson's construction: each piece is a fragment with one entry and a list of loose ends.
class PatternCompiler {
 public:
  PatternCompiler(std::string_view pattern, PatternMatcher& into) : text_(pattern), out_(into) {}

  bool run() {
    std::optional<Fragment> all = alternatives(0);
    if (!all || at_ != text_.size()) return false;
    const int match = state({PatternMatcher::State::Kind::kMatch, -1, -1, -1});
    join(*all, match);
    out_.start_ = all->entry;
    return out_.states_.size() <= kStatesMax;
  }

 private:
  using State = PatternMatcher::State;
  using Set = PatternMatcher::Set;
  using Range = PatternMatcher::Range;
  struct End {
    int state = 0;
    bool other = false;
  };
  struct Fragment {
    int entry = 0;
    std::vector<End> ends;
  };

  int state(State s) {
    out_.states_.push_back(s);
    return static_cast<int>(out_.states_.size()) - 1;
  }
  void join(const Fragment& fragment, int to) {
    for (const End& end : fragment.ends) {
      State& s = out_.states_[static_cast<size_t>(end.state)];
      (end.other ? s.other : s.next) = to;
    }
  }
  Fragment nothing() {
    const int s = state({State::Kind::kSplit, -1, -1, -1});
    return {s, {{s, false}}};
  }

  std::optional<Fragment> alternatives(int depth) {
    if (depth > 30) return std::nullopt;
    std::optional<Fragment> left = sequence(depth);
    while (left && at_ < text_.size() && text_[at_] == '|') {
      ++at_;
      std::optional<Fragment> right = sequence(depth);
      if (!right) return std::nullopt;
      const int split = state({State::Kind::kSplit, -1, left->entry, right->entry});
      left->entry = split;
      left->ends.insert(left->ends.end(), right->ends.begin(), right->ends.end());
    }
    return left;
  }

  std::optional<Fragment> sequence(int depth) {
    Fragment all = nothing();
    while (at_ < text_.size() && text_[at_] != '|' && text_[at_] != ')') {
      std::optional<Fragment> piece = repeated(depth);
      if (!piece) return std::nullopt;
      join(all, piece->entry);
      all.ends = std::move(piece->ends);
    }
    return all;
  }

  std::optional<Fragment> repeated(int depth) {
    const size_t begin = at_;
    std::optional<Fragment> piece = atom(depth);
    if (!piece || at_ >= text_.size()) return piece;
    int least = 1, most = 1;
    if (!count(least, most)) return std::nullopt;
    if (least == 1 && most == 1) return piece;
    const size_t end = at_;
    // The atom is read again for each copy.
    const auto copy = [&]() -> std::optional<Fragment> {
      at_ = begin;
      std::optional<Fragment> again = atom(depth);
      at_ = end;
      return again;
    };
    Fragment all = nothing();
    const auto append = [&](Fragment next) {
      join(all, next.entry);
      all.ends = std::move(next.ends);
    };
    for (int i = 0; i < least; ++i) {
      std::optional<Fragment> one = i == 0 ? std::move(piece) : copy();
      if (!one || out_.states_.size() > kStatesMax) return std::nullopt;
      append(std::move(*one));
    }
    if (most < 0) {
      std::optional<Fragment> one = copy();
      if (!one) return std::nullopt;
      const int split = state({State::Kind::kSplit, -1, one->entry, -1});
      join(*one, split);
      append({split, {{split, true}}});
      return all;
    }
    std::vector<End> skipped;
    for (int i = least; i < most; ++i) {
      std::optional<Fragment> one = copy();
      if (!one || out_.states_.size() > kStatesMax) return std::nullopt;
      const int split = state({State::Kind::kSplit, -1, one->entry, -1});
      skipped.push_back({split, true});
      append({split, std::move(one->ends)});
    }
    all.ends.insert(all.ends.end(), skipped.begin(), skipped.end());
    return all;
  }

  /// A quantifier, if there is one. `most` -1: any number.
  bool count(int& least, int& most) {
    switch (text_[at_]) {
      case '*': least = 0, most = -1; break;
      case '+': least = 1, most = -1; break;
      case '?': least = 0, most = 1; break;
      case '{': {
        size_t at = at_ + 1;
        const auto number = [&](int& into) {
          const size_t from = at;
          into = 0;
          while (at < text_.size() && text_[at] >= '0' && text_[at] <= '9' && into < 10'000'000)
            into = into * 10 + (text_[at++] - '0');
          return at > from;
        };
        if (!number(least)) return false;
        most = least;
        if (at < text_.size() && text_[at] == ',') {
          ++at;
          if (!number(most)) most = -1;
        }
        if (at >= text_.size() || text_[at] != '}') return false;
        least = std::min(least, kRepeatMax);
        if (most > kRepeatMax) most = -1;
        at_ = at;
        break;
      }
      default: return true;
    }
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '?' || text_[at_] == '+'))
      ++at_;  // lazy or possessive: the same for whole matches
    return true;
  }

  Fragment one_of(Set set) {
    out_.sets_.push_back(std::move(set));
    const int s = state({State::Kind::kSet, static_cast<int>(out_.sets_.size()) - 1, -1, -1});
    return {s, {{s, false}}};
  }

  std::optional<Fragment> atom(int depth) {
    const char c = text_[at_];
    if (c == '(') {
      ++at_;
      if (text_.substr(at_, 2) == "?:") {
        at_ += 2;
      } else if (at_ < text_.size() && text_[at_] == '?') {
        return std::nullopt;
      }
      std::optional<Fragment> inner = alternatives(depth + 1);
      if (!inner || at_ >= text_.size() || text_[at_] != ')') return std::nullopt;
      ++at_;
      return inner;
    }
    if (c == '^' || c == '$') {
      ++at_;
      const int s = state({c == '^' ? State::Kind::kStart : State::Kind::kEnd, -1, -1, -1});
      return Fragment{s, {{s, false}}};
    }
    if (c == '[') return bracket();
    if (c == '.') {
      ++at_;
      return one_of({{{'\n', '\n'}, {'\r', '\r'}}, true});
    }
    if (c == '*' || c == '+' || c == '?') return std::nullopt;
    Set set;
    if (!character_or_class(set)) return std::nullopt;
    return one_of(std::move(set));
  }

  std::optional<Fragment> bracket() {
    ++at_;
    Set set;
    if (at_ < text_.size() && text_[at_] == '^') {
      set.negated = true;
      ++at_;
    }
    bool first = true;
    while (at_ < text_.size() && (text_[at_] != ']' || first)) {
      first = false;
      if (text_.substr(at_, 2) == "&&" || text_[at_] == '[') {
        if (text_[at_] != '[') return std::nullopt;
      }
      Set one;
      if (!character_or_class(one)) return std::nullopt;
      const bool single = one.ranges.size() == 1 && one.ranges[0].from == one.ranges[0].to && !one.negated;
      if (single && at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        const size_t dash = at_++;
        Set last;
        if (!character_or_class(last)) return std::nullopt;
        if (last.ranges.size() == 1 && last.ranges[0].from == last.ranges[0].to &&
            last.ranges[0].to >= one.ranges[0].from) {
          one.ranges[0].to = last.ranges[0].to;
        } else {
          at_ = dash;  // "\w-." : the dash is a character
        }
      }
      if (one.negated) {
        if (!invert(one)) return std::nullopt;
      }
      set.ranges.insert(set.ranges.end(), one.ranges.begin(), one.ranges.end());
    }
    if (at_ >= text_.size()) return std::nullopt;
    ++at_;
    return one_of(std::move(set));
  }

  static bool invert(Set& set) {
    std::sort(set.ranges.begin(), set.ranges.end(), [](const Range& a, const Range& b) { return a.from < b.from; });
    std::vector<Range> rest;
    char32_t from = 0;
    for (const Range& range : set.ranges) {
      if (range.from > from) rest.push_back({from, range.from - 1});
      from = std::max<char32_t>(from, range.to + 1);
    }
    if (from <= kLast) rest.push_back({from, kLast});
    set = {std::move(rest), false};
    return true;
  }

  bool character_or_class(Set& set) {
    const char c = text_[at_];
    if (c != '\\') {
      const char32_t code = next_code_point(text_, at_);
      set.ranges = {{code, code}};
      return true;
    }
    if (++at_ >= text_.size()) return false;
    const char kind = text_[at_++];
    static const std::vector<Range> kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    static const std::vector<Range> kSpace = {{9, 13}, {' ', ' '}};
    switch (kind) {
      case 'w': set.ranges = kWord; return true;
      case 'W': set = {kWord, true}; return true;
      case 'd': set.ranges = {{'0', '9'}}; return true;
      case 'D': set = {{{'0', '9'}}, true}; return true;
      case 's': set.ranges = kSpace; return true;
      case 'S': set = {kSpace, true}; return true;
      case 'n': set.ranges = {{'\n', '\n'}}; return true;
      case 'r': set.ranges = {{'\r', '\r'}}; return true;
      case 't': set.ranges = {{'\t', '\t'}}; return true;
      case 'u':
      case 'x': return hexadecimal(kind == 'u' ? 4 : 2, set);
      case 'p': return property(set);
      default: break;
    }
    if ((kind >= '0' && kind <= '9') || (kind >= 'a' && kind <= 'z') || (kind >= 'A' && kind <= 'Z')) return false;
    set.ranges = {{static_cast<unsigned char>(kind), static_cast<unsigned char>(kind)}};
    return true;
  }

  bool hexadecimal(int digits, Set& set) {
    char32_t code = 0;
    bool braces = at_ < text_.size() && text_[at_] == '{';
    if (braces) {
      ++at_;
      digits = 8;
    }
    int seen = 0;
    for (; seen < digits && at_ < text_.size(); ++seen, ++at_) {
      const char c = text_[at_];
      const int value = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (value < 0) break;
      code = code << 4 | static_cast<char32_t>(value);
    }
    if (braces) {
      if (at_ >= text_.size() || text_[at_] != '}') return false;
      ++at_;
    } else if (seen != digits) {
      return false;
    }
    set.ranges = {{code, code}};
    return true;
  }

  /// \p{L} and its like, to within what the models need: everything beyond ASCII counts as a letter, mark and number.
  bool property(Set& set) {
    const size_t end = text_.find('}', at_);
    if (at_ >= text_.size() || text_[at_] != '{' || end == std::string_view::npos) return false;
    const std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    if (name.starts_with("L") || name == "IsAlphabetic" || name == "Alpha") {
      set.ranges = {{'A', 'Z'}, {'a', 'z'}, {0xAA, kLast}};
    } else if (name.starts_with("N") || name == "Digit") {
      set.ranges = {{'0', '9'}, {0xB2, kLast}};
    } else if (name.starts_with("Z") || name == "Space") {
      set.ranges = {{' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                    {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
    } else if (name.starts_with("M")) {
      set.ranges = {{0x300, kLast}};
    } else if (name.starts_with("P") || name.starts_with("S")) {
      set.ranges = {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}, {0xA1, kLast}};
    } else if (name == "ASCII") {
      set.ranges = {{0, 0x7F}};
    } else if (name.starts_with("C")) {
      set.ranges = {{0, 31}, {127, 159}};
    } else if (name == "Print" || name == "Graph") {
      set.ranges = {{0x20, 0x7E}};
    } else {
      return false;
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  PatternMatcher& out_;
};

bool PatternMatcher::Set::has(char32_t c) const {
  const bool inside =
      std::any_of(ranges.begin(), ranges.end(), [&](const Range& r) { return c >= r.from && c <= r.to; });
  return inside != negated;
}

std::unique_ptr<PatternMatcher> PatternMatcher::compile(std::string_view pattern) {
  auto matcher = std::make_unique<PatternMatcher>();
  return PatternCompiler(pattern, *matcher).run() ? std::move(matcher) : nullptr;
}

void PatternMatcher::add(std::vector<int>& list, std::vector<char>& marks, int first, bool at_start,
                         bool at_end) const {
  std::vector<int> open{first};
  while (!open.empty()) {
    const int index = open.back();
    open.pop_back();
    if (index < 0 || marks[static_cast<size_t>(index)]) continue;
    marks[static_cast<size_t>(index)] = 1;
    const State& s = states_[static_cast<size_t>(index)];
    switch (s.kind) {
      case State::Kind::kSplit:
        open.push_back(s.next);
        open.push_back(s.other);
        break;
      case State::Kind::kStart:
        if (at_start) open.push_back(s.next);
        break;
      case State::Kind::kEnd:
        if (at_end) open.push_back(s.next);
        break;
      default: list.push_back(index);
    }
  }
}

bool PatternMatcher::matches(std::string_view text) const {
  std::vector<int> now, next;
  std::vector<char> marks(states_.size(), 0);
  add(now, marks, start_, true, text.empty());
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    next.clear();
    std::fill(marks.begin(), marks.end(), 0);
    for (int index : now) {
      const State& s = states_[static_cast<size_t>(index)];
      if (s.kind == State::Kind::kSet && sets_[static_cast<size_t>(s.set)].has(c))
        add(next, marks, s.next, false, at >= text.size());
    }
    if (next.empty()) return false;
    now.swap(next);
  }
  return std::any_of(now.begin(), now.end(),
                     [&](int index) { return states_[static_cast<size_t>(index)].kind == State::Kind::kMatch; });
}

}  // namespace coffer::wire
