#include "edge/wire/pattern_matcher.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>

#include "edge/wire/pattern_compiler.h"

namespace coffer::wire {
namespace {

using State = PatternMatcher::State;
using Program = PatternMatcher::Program;
constexpr size_t kStatesMax = 20'000;  // of one program
constexpr size_t kLooksMax = 32;

}  // namespace

char32_t next_code_point(std::string_view text, size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  char32_t code = first & (0x3FU >> more);
  for (int i = 0; i < more && at < text.size(); ++i)
    code = code << 6 | (static_cast<unsigned char>(text[at++]) & 0x3FU);
  return code;
}

bool CodePointSet::has(char32_t c) const {
  if (c < 0x80) return ascii[c >> 6] >> (c & 63) & 1;
  const auto found =
      std::partition_point(beyond.begin(), beyond.end(), [&](const CodePointRange& range) { return range.to < c; });
  return found != beyond.end() && found->from <= c;
}

/// Thompson's construction, from the end to the front: each expression is compiled knowing what comes after it.
class PatternCompiler {
 public:
  /// The look-arounds that are compiled, by where they stand: a repeated one has many copies of the one state only.
  using Looks = std::map<const PatternNode*, int32_t>;
  PatternCompiler(PatternMatcher& into, Looks& looks) : into_(into), known_looks_(looks) {}

  std::optional<Program> program(const PatternNode& node, bool mirrored) {
    Program program;
    std::swap(program, current_);
    mirrored_ = mirrored;
    const int32_t match = state({State::Kind::kMatch, 0, -1, -1});
    current_.start = expression(node, match);
    std::swap(program, current_);
    return failed_ ? std::nullopt : std::optional<Program>(std::move(program));
  }

  static std::unique_ptr<PatternMatcher> compile(std::string_view pattern) {
    auto matcher = std::make_unique<PatternMatcher>();
    std::optional<PatternNode> node = PatternParser(pattern, matcher->sets_).parse();
    if (!node) return nullptr;
    note_single_set(*node, *matcher);
    Looks looks;
    std::optional<Program> main = PatternCompiler(*matcher, looks).program(*node, false);
    if (!main) return nullptr;
    matcher->main_ = std::move(*main);
    return matcher;
  }

 private:
  /// "^[set]{m,n}$", with or without anchors and count.
  static void note_single_set(const PatternNode& node, PatternMatcher& into) {
    using Kind = PatternNode::Kind;
    const PatternNode* found = nullptr;
    if (node.kind != Kind::kSequence) return;
    for (size_t i = 0; i < node.parts.size(); ++i) {
      const PatternNode& part = node.parts[i];
      if ((part.kind == Kind::kStart && i == 0) || (part.kind == Kind::kEnd && i + 1 == node.parts.size())) continue;
      if (found || part.kind != Kind::kRepeat || part.parts[0].kind != Kind::kSet) return;
      found = &part;
    }
    if (!found) return;
    into.only_set_ = found->parts[0].set;
    into.only_least_ = static_cast<size_t>(found->least);
    into.only_most_ = found->most < 0 ? std::numeric_limits<size_t>::max() : static_cast<size_t>(found->most);
  }

  int32_t state(State s) {
    if (current_.states.size() >= kStatesMax) failed_ = true;
    if (failed_) return 0;
    current_.states.push_back(s);
    return static_cast<int32_t>(current_.states.size()) - 1;
  }

  int32_t expression(const PatternNode& node, int32_t next) {
    if (failed_) return 0;
    switch (node.kind) {
      case PatternNode::Kind::kEmpty: return next;
      case PatternNode::Kind::kSet: return state({State::Kind::kSet, node.set, next, -1});
      case PatternNode::Kind::kStart: return state({State::Kind::kStart, 0, next, -1});
      case PatternNode::Kind::kEnd: return state({State::Kind::kEnd, 0, next, -1});
      case PatternNode::Kind::kLook: return look(node, next);
      case PatternNode::Kind::kRepeat: return repeat(node, next);
      case PatternNode::Kind::kSequence:
        if (mirrored_) {
          for (const PatternNode& part : node.parts) next = expression(part, next);
        } else {
          for (auto part = node.parts.rbegin(); part != node.parts.rend(); ++part) next = expression(*part, next);
        }
        return next;
      case PatternNode::Kind::kAlternatives: {
        int32_t entry = expression(node.parts[0], next);
        for (size_t i = 1; i < node.parts.size(); ++i) {
          const int32_t other = expression(node.parts[i], next);
          entry = state({State::Kind::kSplit, 0, entry, other});
        }
        return entry;
      }
    }
    return next;
  }

  int32_t repeat(const PatternNode& node, int32_t next) {
    const PatternNode& body = node.parts[0];
    int32_t entry = next;
    if (node.most < 0) {
      entry = state({State::Kind::kSplit, 0, -1, next});
      const int32_t again = expression(body, entry);
      if (!failed_) current_.states[static_cast<size_t>(entry)].next = again;
    } else {
      // Each of the optional copies may leave at once for what follows, so that few states are open at a time.
      for (int i = node.least; i < node.most; ++i) {
        const int32_t copy = expression(body, entry);
        entry = state({State::Kind::kSplit, 0, copy, next});
      }
    }
    for (int i = 0; i < node.least; ++i) entry = expression(body, entry);
    return entry;
  }

  int32_t look(const PatternNode& node, int32_t next) {
    const auto known = known_looks_.find(&node);
    if (known != known_looks_.end()) return state({State::Kind::kLook, known->second, next, -1});
    std::optional<Program> program = PatternCompiler(into_, known_looks_).program(node.parts[0], node.ahead);
    if (!program || into_.looks_.size() >= kLooksMax) {
      failed_ = true;
      return 0;
    }
    const auto index = static_cast<int32_t>(into_.looks_.size());
    into_.looks_.push_back({std::move(*program), node.ahead, node.negated});
    known_looks_.emplace(&node, index);
    return state({State::Kind::kLook, index, next, -1});
  }

  PatternMatcher& into_;
  Looks& known_looks_;
  Program current_;
  bool mirrored_ = false, failed_ = false;
};

namespace {

/// One program on one text: the states that are open after each character.
class Run {
 public:
  using Holds = std::vector<std::vector<bool>>;  // by look-around and position
  Run(const Program& program, const std::vector<CodePointSet>& sets, const std::u32string& text, const Holds& holds)
      : program_(program), sets_(sets), text_(text), holds_(holds), marks_(program.states.size(), 0) {}

  bool whole() {
    open(program_.start, 0);
    for (size_t at = 0; at < text_.size(); ++at) {
      if (open_.empty()) return false;
      step(text_[at], at + 1);
    }
    return matched_;
  }

  /// For each position, whether the expression matches some text that ends there (or begins there: mirrored).
  std::vector<bool> anywhere(bool mirrored) {
    std::vector<bool> found(text_.size() + 1);
    for (size_t i = 0; i <= text_.size(); ++i) {
      const size_t at = mirrored ? text_.size() - i : i;
      if (i > 0) step(mirrored ? text_[at] : text_[at - 1], at);
      open(program_.start, at);
      found[at] = matched_;
    }
    return found;
  }

 private:
  void step(char32_t c, size_t to) {
    before_.swap(open_);
    open_.clear();
    ++mark_;
    matched_ = false;
    for (int32_t index : before_) {
      const State& s = program_.states[static_cast<size_t>(index)];
      if (sets_[static_cast<size_t>(s.index)].has(c)) open(s.next, to);
    }
  }

  /// Opens a state and what is reached from it without a character.
  void open(int32_t first, size_t at) {
    pending_.assign(1, first);
    while (!pending_.empty()) {
      const int32_t index = pending_.back();
      pending_.pop_back();
      if (marks_[static_cast<size_t>(index)] == mark_) continue;
      marks_[static_cast<size_t>(index)] = mark_;
      const State& s = program_.states[static_cast<size_t>(index)];
      switch (s.kind) {
        case State::Kind::kSet: open_.push_back(index); break;
        case State::Kind::kMatch: matched_ = true; break;
        case State::Kind::kSplit:
          pending_.push_back(s.next);
          pending_.push_back(s.other);
          break;
        case State::Kind::kStart:
          if (at == 0) pending_.push_back(s.next);
          break;
        case State::Kind::kEnd:
          if (at == text_.size()) pending_.push_back(s.next);
          break;
        case State::Kind::kLook:
          if (holds_[static_cast<size_t>(s.index)][at]) pending_.push_back(s.next);
          break;
      }
    }
  }

  const Program& program_;
  const std::vector<CodePointSet>& sets_;
  const std::u32string& text_;
  const Holds& holds_;
  std::vector<uint32_t> marks_;
  uint32_t mark_ = 1;
  std::vector<int32_t> open_, before_, pending_;
  bool matched_ = false;
};

}  // namespace

std::unique_ptr<PatternMatcher> PatternMatcher::compile(std::string_view pattern) {
  return PatternCompiler::compile(pattern);
}

bool PatternMatcher::matches(std::string_view text) const {
  if (only_set_ >= 0) {
    const CodePointSet& set = sets_[static_cast<size_t>(only_set_)];
    size_t count = 0;
    for (size_t at = 0; at < text.size(); ++count) {
      const auto byte = static_cast<unsigned char>(text[at]);
      if (byte < 0x80) {
        if (!(set.ascii[byte >> 6] >> (byte & 63) & 1)) return false;
        ++at;
      } else if (!set.has(next_code_point(text, at))) {
        return false;
      }
    }
    return count >= only_least_ && count <= only_most_;
  }
  std::u32string points;
  points.reserve(text.size());
  for (size_t at = 0; at < text.size();) points.push_back(next_code_point(text, at));
  Run::Holds holds;
  for (const Look& look : looks_) {
    std::vector<bool> found = Run(look.program, sets_, points, holds).anywhere(look.ahead);
    if (look.negated) found.flip();
    holds.push_back(std::move(found));
  }
  return Run(main_, sets_, points, holds).whole();
}

}  // namespace coffer::wire
