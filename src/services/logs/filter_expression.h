// Conditions and how they are joined: what JSON and field patterns have in common. For the files of this folder.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::logs {

/// A value that a condition looks at.
struct Scalar {
  enum class Kind { kText, kNumber, kBool, kNull, kComposite };
  Kind kind = Kind::kText;
  std::string text;  // as it is compared with text
  std::optional<double> number;
};

enum class Test {
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kIsNull,
  kIsTrue,
  kIsFalse,
  kNotExists,
  kAlways
};

struct Condition {
  std::string selector;
  Test test = Test::kAlways;
  std::string text;              // to compare with; '*' stands for any characters
  std::optional<double> number;  // when the text is one that was not quoted
  /// Over what the selector finds, which may be nothing or, with [*], several: one that holds is enough.
  [[nodiscard]] bool holds(const std::vector<Scalar>& found) const;
};

/// A condition, or others joined.
struct Expression {
  enum class Kind { kCondition, kAll, kAny };
  Kind kind = Kind::kCondition;
  Condition condition;
  std::vector<Expression> parts;

  using Lookup = std::function<std::vector<Scalar>(const std::string& selector)>;
  [[nodiscard]] bool holds(const Lookup& look_up) const;
  void collect_selectors(std::vector<std::string>& into) const;
};

/// Reads `text` from `at` on: conditions, &&, ||, parentheses. Stops at what is no part of it. `is_selector` tells the
/// characters of a selector besides those in ['quoted names'].
class ExpressionReader {
 public:
  ExpressionReader(std::string_view text, bool is_json) : text_(text), is_json_(is_json) {}
  Result<Expression> read();
  [[nodiscard]] bool at_end();
  [[nodiscard]] bool next_is(char c);
  bool skip(std::string_view word);
  Result<std::string> selector();
  /// What may stand behind a selector; kAlways when there is nothing.
  Result<Condition> condition(std::string selector);

 private:
  Result<Expression> any(int depth);
  Result<Expression> all(int depth);
  Result<Expression> one(int depth);
  Status value(Condition& into);
  void skip_blanks();
  bool skip_word(std::string_view word);
  [[nodiscard]] Error wrong(std::string_view what) const;

  std::string_view text_;
  size_t at_ = 0;
  bool is_json_;
};

/// Whether `text` fits `pattern`, in which '*' stands for any characters. Linear for one '*', and never worse than the
/// product of both sizes.
bool fits(std::string_view pattern, std::string_view text);
std::optional<double> number_of(std::string_view text);
Error invalid_pattern(std::string what);

}  // namespace coffer::logs
