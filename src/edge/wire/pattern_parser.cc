#include <algorithm>

#include "edge/wire/pattern_compiler.h"

namespace coffer::wire {
namespace {

constexpr char32_t kLast = 0x10FFFF;
constexpr int kDepthMax = 30;
constexpr int kRepeatMax = 1'000;

using Ranges = std::vector<CodePointRange>;

const Ranges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const Ranges kDigit = {{'0', '9'}};
const Ranges kSpace = {{9, 13}, {' ', ' '}};
const Ranges kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}};

/// Ascending, merged.
Ranges normal(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.from < b.from; });
  Ranges merged;
  for (const CodePointRange& range : ranges) {
    if (!merged.empty() && range.from <= merged.back().to + 1) {
      merged.back().to = std::max(merged.back().to, range.to);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

Ranges inverse(const Ranges& ranges) {
  Ranges rest;
  char32_t from = 0;
  for (const CodePointRange& range : normal(ranges)) {
    if (range.from > from) rest.push_back({from, range.from - 1});
    from = range.to + 1;
  }
  if (from <= kLast) rest.push_back({from, kLast});
  return rest;
}

CodePointSet set_of(const Ranges& ranges) {
  CodePointSet set;
  for (const CodePointRange& range : normal(ranges)) {
    for (char32_t c = range.from; c <= range.to && c < 0x80; ++c) set.ascii[c >> 6] |= uint64_t{1} << (c & 63);
    if (range.to >= 0x80) set.beyond.push_back({std::max<char32_t>(range.from, 0x80), range.to});
  }
  return set;
}

bool is_single(const Ranges& ranges) { return ranges.size() == 1 && ranges[0].from == ranges[0].to; }

}  // namespace

PatternNode PatternParser::set_node(Ranges ranges, bool negated) {
  PatternNode node;
  node.kind = PatternNode::Kind::kSet;
  node.set = static_cast<int32_t>(sets_.size());
  sets_.push_back(set_of(negated ? inverse(ranges) : ranges));
  return node;
}

std::optional<PatternNode> PatternParser::parse() {
  std::optional<PatternNode> all = alternatives(0);
  return all && at_end() ? std::move(all) : std::nullopt;
}

std::optional<PatternNode> PatternParser::alternatives(int depth) {
  if (depth > kDepthMax) return std::nullopt;
  PatternNode node;
  node.kind = PatternNode::Kind::kAlternatives;
  do {
    std::optional<PatternNode> one = sequence(depth);
    if (!one) return std::nullopt;
    node.parts.push_back(std::move(*one));
  } while (sees("|") && ++at_);
  if (node.parts.size() > 1) return node;
  PatternNode only = std::move(node.parts[0]);
  return only;
}

std::optional<PatternNode> PatternParser::sequence(int depth) {
  PatternNode node;
  node.kind = PatternNode::Kind::kSequence;
  while (!at_end() && text_[at_] != '|' && text_[at_] != ')') {
    std::optional<PatternNode> one = repeated(depth);
    if (!one) return std::nullopt;
    if (one->kind != PatternNode::Kind::kEmpty) node.parts.push_back(std::move(*one));
  }
  return node;
}

std::optional<PatternNode> PatternParser::repeated(int depth) {
  std::optional<PatternNode> piece = atom(depth);
  if (!piece || at_end()) return piece;
  PatternNode node;
  node.kind = PatternNode::Kind::kRepeat;
  node.least = node.most = 1;
  if (!quantifier(node.least, node.most)) return std::nullopt;
  if (node.least == 1 && node.most == 1) return piece;
  node.parts.push_back(std::move(*piece));
  return node;
}

/// Leaves both alone when no quantifier follows. False: one that is not understood.
bool PatternParser::quantifier(int& least, int& most) {
  switch (text_[at_]) {
    case '*': least = 0, most = -1; break;
    case '+': least = 1, most = -1; break;
    case '?': least = 0, most = 1; break;
    case '{': {
      ++at_;
      const auto number = [&](int& into) {
        const size_t from = at_;
        into = 0;
        while (!at_end() && text_[at_] >= '0' && text_[at_] <= '9' && into <= kRepeatMax)
          into = into * 10 + (text_[at_++] - '0');
        return at_ > from && into <= kRepeatMax;
      };
      if (!number(least)) return false;
      most = least;
      if (sees(",")) {
        ++at_;
        most = -1;
        if (!sees("}") && (!number(most) || most < least)) return false;
      }
      if (!sees("}")) return false;
      break;
    }
    default: return true;
  }
  ++at_;
  // Lazy and possessive ones: which way is tried first changes nothing in whether the whole text matches, but a
  // possessive one may give up a match; the models have none.
  if (sees("+")) return false;
  if (sees("?")) ++at_;
  return true;
}

std::optional<PatternNode> PatternParser::atom(int depth) {
  PatternNode node;
  switch (text_[at_]) {
    case '(': return group(depth);
    case '[': return bracket();
    case '^': ++at_, node.kind = PatternNode::Kind::kStart; return node;
    case '$': ++at_, node.kind = PatternNode::Kind::kEnd; return node;
    case '.': ++at_; return set_node(dot_takes_all_ ? Ranges() : kLineEnds, true);
    case '*':
    case '+':
    case '?':
    case '{': return std::nullopt;
    default: break;
  }
  Ranges ranges;
  if (!character_or_class(ranges)) return std::nullopt;
  return set_node(std::move(ranges), false);
}

std::optional<PatternNode> PatternParser::group(int depth) {
  struct Opening {
    std::string_view text;
    bool look, ahead, negated;
  };
  static constexpr Opening kOpenings[] = {{"(?:", false, false, false},
                                          {"(?=", true, true, false},
                                          {"(?!", true, true, true},
                                          {"(?<=", true, false, false},
                                          {"(?<!", true, false, true}};
  if (sees("(?s)")) {
    at_ += 4;
    dot_takes_all_ = true;
    return PatternNode();
  }
  Opening opening{"(", false, false, false};
  for (const Opening& one : kOpenings) {
    if (sees(one.text)) opening = one;
  }
  at_ += opening.text.size();
  if (opening.text == "(" && sees("?")) return std::nullopt;
  std::optional<PatternNode> inner = alternatives(depth + 1);
  if (!inner || !sees(")")) return std::nullopt;
  ++at_;
  if (!opening.look) return inner;
  PatternNode node;
  node.kind = PatternNode::Kind::kLook;
  node.ahead = opening.ahead;
  node.negated = opening.negated;
  node.parts.push_back(std::move(*inner));
  return node;
}

std::optional<PatternNode> PatternParser::bracket() {
  ++at_;
  const bool negated = sees("^");
  if (negated) ++at_;
  Ranges set;
  for (bool first = true; first || !sees("]"); first = false) {
    if (at_end() || sees("[") || sees("&&")) return std::nullopt;  // Java's unions and intersections
    Ranges one;
    if (!character_or_class(one)) return std::nullopt;
    // A dash makes a range only between two characters: in [\w-.] and [0-9-_] it is itself.
    if (is_single(one) && sees("-") && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
      const size_t dash = at_++;
      Ranges last;
      if (!character_or_class(last)) return std::nullopt;
      if (is_single(last) && last[0].to >= one[0].from) {
        one[0].to = last[0].to;
      } else {
        at_ = dash;
      }
    }
    set.insert(set.end(), one.begin(), one.end());
  }
  ++at_;
  return set_node(std::move(set), negated);
}

bool PatternParser::character_or_class(Ranges& ranges) {
  if (text_[at_] != '\\') {
    const char32_t code = next_code_point(text_, at_);
    ranges = {{code, code}};
    return true;
  }
  ++at_;
  return !at_end() && escape(ranges);
}

bool PatternParser::escape(Ranges& ranges) {
  const char kind = text_[at_++];
  const auto one = [&](char32_t code) {
    ranges = {{code, code}};
    return true;
  };
  switch (kind) {
    case 'w': ranges = kWord; return true;
    case 'W': ranges = inverse(kWord); return true;
    case 'd': ranges = kDigit; return true;
    case 'D': ranges = inverse(kDigit); return true;
    case 's': ranges = kSpace; return true;
    case 'S': ranges = inverse(kSpace); return true;
    case 'n': return one('\n');
    case 'r': return one('\r');
    case 't': return one('\t');
    case 'f': return one('\f');
    case 'p': return property(false, ranges);
    case 'P': return property(true, ranges);
    case 'x': {
      char32_t code = 0;
      return hexadecimal(2, code) && one(code);
    }
    case 'u': {
      char32_t code = 0, low = 0;
      if (!hexadecimal(4, code)) return false;
      // Java takes two escaped surrogates for the character that they stand for.
      if (code >= 0xD800 && code < 0xDC00 && sees("\\u")) {
        const size_t before = at_;
        at_ += 2;
        if (hexadecimal(4, low) && low >= 0xDC00 && low < 0xE000)
          return one(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
        at_ = before;
      }
      return one(code);
    }
    default: break;
  }
  const bool letter_or_digit =
      (kind >= '0' && kind <= '9') || (kind >= 'a' && kind <= 'z') || (kind >= 'A' && kind <= 'Z');
  return !letter_or_digit && one(static_cast<unsigned char>(kind));
}

bool PatternParser::hexadecimal(int digits, char32_t& code) {
  code = 0;
  for (int i = 0; i < digits; ++i, ++at_) {
    if (at_end()) return false;
    const char c = text_[at_];
    const int value = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (value < 0) return false;
    code = code << 4 | static_cast<char32_t>(value);
  }
  return true;
}

/// \p{L} and its like: the major categories.
bool PatternParser::property(bool negated, Ranges& ranges) {
  const size_t end = text_.find('}', at_);
  if (!sees("{") || end != at_ + 2) return false;
  const auto category = unicode_category(text_[at_ + 1]);
  at_ = end + 1;
  ranges.assign(category.begin(), category.end());
  if (negated) ranges = inverse(ranges);
  return !category.empty();
}

}  // namespace coffer::wire
