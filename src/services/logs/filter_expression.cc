#include "services/logs/filter_expression.h"

#include <algorithm>
#include <charconv>

#include "services/api/fault.h"

namespace coffer::logs {
namespace {

constexpr int kDepthMax = 32;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/// Of a value that is not quoted: everything but what ends it.
bool is_bare(char c) { return !is_blank(c) && std::string_view("(){}[],&|=<>!\"").find(c) == std::string_view::npos; }

bool compare(Test test, double a, double b) {
  switch (test) {
    case Test::kLess: return a < b;
    case Test::kLessOrEqual: return a <= b;
    case Test::kGreater: return a > b;
    case Test::kGreaterOrEqual: return a >= b;
    default: return false;
  }
}

}  // namespace

Error invalid_pattern(std::string what) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidParameterException", "Invalid filter pattern: " + what);
}

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value - value != 0) return std::nullopt;
  return value;
}

bool fits(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool Condition::holds(const std::vector<Scalar>& found) const {
  if (test == Test::kAlways) return true;
  if (test == Test::kNotExists) return found.empty();
  return std::any_of(found.begin(), found.end(), [&](const Scalar& value) {
    using Kind = Scalar::Kind;
    if (test == Test::kIsNull) return value.kind == Kind::kNull;
    if (test == Test::kIsTrue) return value.kind == Kind::kBool && value.text == "true";
    if (test == Test::kIsFalse) return value.kind == Kind::kBool && value.text == "false";
    if (value.kind == Kind::kComposite) return false;
    if (test == Test::kEqual || test == Test::kNotEqual) {
      const bool same = number && value.number ? *number == *value.number : fits(text, value.text);
      return same == (test == Test::kEqual);
    }
    return number && value.number && compare(test, *value.number, *number);
  });
}

bool Expression::holds(const Lookup& look_up) const {
  const auto part_holds = [&](const Expression& part) { return part.holds(look_up); };
  switch (kind) {
    case Kind::kAll: return std::all_of(parts.begin(), parts.end(), part_holds);
    case Kind::kAny: return std::any_of(parts.begin(), parts.end(), part_holds);
    case Kind::kCondition: break;
  }
  return condition.holds(look_up(condition.selector));
}

void Expression::collect_selectors(std::vector<std::string>& into) const {
  if (kind == Kind::kCondition) into.push_back(condition.selector);
  for (const Expression& part : parts) part.collect_selectors(into);
}

Error ExpressionReader::wrong(std::string_view what) const {
  return invalid_pattern(std::string(what) + " at character " + std::to_string(at_ + 1));
}

void ExpressionReader::skip_blanks() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
}

bool ExpressionReader::at_end() {
  skip_blanks();
  return at_ == text_.size();
}

bool ExpressionReader::next_is(char c) { return !at_end() && text_[at_] == c; }

bool ExpressionReader::skip(std::string_view word) {
  skip_blanks();
  if (!text_.substr(at_).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

/// A word of letters, in any case, that ends where it ends.
bool ExpressionReader::skip_word(std::string_view word) {
  skip_blanks();
  const std::string_view next = text_.substr(at_, word.size());
  const auto same = [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; };
  if (next.size() != word.size() || !std::equal(next.begin(), next.end(), word.begin(), same)) return false;
  if (at_ + word.size() < text_.size() && is_word(text_[at_ + word.size()])) return false;
  at_ += word.size();
  return true;
}

Result<std::string> ExpressionReader::selector() {
  skip_blanks();
  const size_t begin = at_;
  if (!is_json_) {
    while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '$')) ++at_;
    if (at_ == begin) return wrong("a field needs a name");
    return std::string(text_.substr(begin, at_ - begin));
  }
  if (at_ == text_.size() || text_[at_] != '$') return wrong("a selector begins with '$'");
  ++at_;
  while (at_ < text_.size()) {
    if (text_[at_] == '.') {
      const size_t name = ++at_;
      while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '@' || text_[at_] == ':' || text_[at_] == '/'))
        ++at_;
      if (at_ == name) return wrong("a name is missing");
    } else if (text_[at_] == '[') {
      const bool quoted = text_.substr(at_ + 1).starts_with("'");
      const size_t end = text_.find(quoted ? "']" : "]", at_ + (quoted ? 2 : 1));
      if (end == std::string_view::npos) return wrong("a bracket is not closed");
      const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
      const bool is_index = !inside.empty() && inside.size() <= 9 &&
                            std::all_of(inside.begin(), inside.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!quoted && inside != "*" && !is_index) return wrong("brackets hold a number, * or a 'name'");
      at_ = end + (quoted ? 2 : 1);
    } else {
      break;
    }
  }
  if (at_ - begin < 2) return wrong("a selector needs a name behind its '$'");
  return std::string(text_.substr(begin, at_ - begin));
}

Status ExpressionReader::value(Condition& into) {
  skip_blanks();
  if (at_ < text_.size() && text_[at_] == '"') {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      into.text += text_[at_];
    }
    if (at_ == text_.size()) return wrong("a quoted text is not closed");
    ++at_;
    return ok_status();
  }
  const size_t begin = at_;
  while (at_ < text_.size() && is_bare(text_[at_])) ++at_;
  if (at_ == begin) return wrong("a value is missing");
  into.text = text_.substr(begin, at_ - begin);
  if (into.text.size() > 1 && into.text.front() == '%' && into.text.back() == '%')
    return invalid_pattern("regular expressions (%...%) are not supported");
  into.number = number_of(into.text);
  return ok_status();
}

Result<Condition> ExpressionReader::condition(std::string selector) {
  Condition condition;
  condition.selector = std::move(selector);
  if (is_json_ && skip_word("IS")) {
    if (skip_word("NULL")) return condition.test = Test::kIsNull, condition;
    if (skip_word("TRUE")) return condition.test = Test::kIsTrue, condition;
    if (skip_word("FALSE")) return condition.test = Test::kIsFalse, condition;
    return wrong("IS needs NULL, TRUE or FALSE");
  }
  if (is_json_ && skip_word("NOT")) {
    if (!skip_word("EXISTS")) return wrong("NOT needs EXISTS");
    return condition.test = Test::kNotExists, condition;
  }
  constexpr std::pair<std::string_view, Test> kTests[] = {
      {"!=", Test::kNotEqual}, {"<=", Test::kLessOrEqual}, {">=", Test::kGreaterOrEqual},
      {"=", Test::kEqual},     {"<", Test::kLess},         {">", Test::kGreater}};
  for (const auto& [sign, test] : kTests) {
    if (!skip(sign)) continue;
    condition.test = test;
    COFFER_CHECK_OK(value(condition));
    const bool is_order = test != Test::kEqual && test != Test::kNotEqual;
    if (is_order && !condition.number) return wrong("only numbers are less or greater");
    return condition;
  }
  if (is_json_) return wrong("a comparison is missing");
  return condition;
}

Result<Expression> ExpressionReader::one(int depth) {
  if (depth > kDepthMax) return wrong("too many parentheses");
  if (skip("(")) {
    COFFER_TRY(Expression inner, any(depth + 1));
    if (!skip(")")) return wrong("a parenthesis is not closed");
    return inner;
  }
  COFFER_TRY(std::string name, selector());
  Expression expression;
  COFFER_TRY(expression.condition, condition(std::move(name)));
  return expression;
}

Result<Expression> ExpressionReader::all(int depth) {
  COFFER_TRY(Expression first, one(depth));
  if (!skip("&&")) return first;
  Expression joined{Expression::Kind::kAll, {}, {}};
  joined.parts.push_back(std::move(first));
  do {
    COFFER_TRY(Expression next, one(depth));
    joined.parts.push_back(std::move(next));
  } while (skip("&&"));
  return joined;
}

Result<Expression> ExpressionReader::any(int depth) {
  COFFER_TRY(Expression first, all(depth));
  if (!skip("||")) return first;
  Expression joined{Expression::Kind::kAny, {}, {}};
  joined.parts.push_back(std::move(first));
  do {
    COFFER_TRY(Expression next, all(depth));
    joined.parts.push_back(std::move(next));
  } while (skip("||"));
  return joined;
}

Result<Expression> ExpressionReader::read() { return any(0); }

}  // namespace coffer::logs
