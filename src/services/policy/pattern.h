// Patterns of policies: text with wildcards and policy variables, prepared once, matched in linear time.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::policy {

class RequestContext;

/// Inside a prepared pattern wildcards are control characters, which no policy holds: what comes out of a variable
/// stays literal.
inline constexpr char kAnyRun = '\x01';     // '*'
inline constexpr char kAnyOne = '\x02';     // '?'
inline constexpr char kRunInPart = '\x03';  // '*' that does not pass a ':'
inline constexpr char kOneInPart = '\x04';  // '?' that is no ':'

/// Does the prepared text match? Time grows with the product of the lengths at worst, and linearly for patterns without
/// '?'.
bool match_prepared(std::string_view pattern, std::string_view text, bool ignore_case = false);

class Pattern {
 public:
  enum class Use {
    kText,      // "StringEquals": no wildcards, but ${*} escapes and variables
    kLike,      // "StringLike"
    kResource,  // Resource element: '*' within the first five parts of an ARN stays there unless it ends the part
    kArn,       // Arn operators: the six parts are matched one by one
    kAction,    // no variables; without case
  };
  Pattern() = default;
  /// `variables`: the document's Version knows policy variables.
  Pattern(std::string_view text, Use use, bool variables);

  /// Nothing when a variable has no value (and no default) in the context.
  [[nodiscard]] std::optional<bool> match(std::string_view text, const RequestContext& context,
                                          bool ignore_case = false) const;
  [[nodiscard]] const std::string& written() const { return written_; }
  /// The names of its variables.
  [[nodiscard]] std::vector<std::string> variables() const;

 private:
  struct Piece {
    std::string text;       // prepared, or a variable's name
    std::string otherwise;  // a variable's default
    bool is_variable = false, has_default = false;
  };
  [[nodiscard]] bool match_text(std::string_view prepared, std::string_view text, bool ignore_case) const;
  std::string written_;
  Use use_ = Use::kText;
  std::vector<Piece> pieces_;
  std::string prepared_;  // when there are no variables
};

}  // namespace coffer::policy
