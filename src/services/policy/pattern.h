// Texts of policies: literal parts, wildcards and policy variables, prepared once for many requests.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/policy/glob.h"

namespace coffer::policy {

class RequestContext;

/// A literal text, or a policy variable: "${aws:username}", "${aws:PrincipalTag/team, 'none'}".
struct Variable {
  std::string key;
  std::optional<std::string> otherwise;
};

class Pattern {
 public:
  enum class Use {
    kText,        // StringEquals: no wildcards, but ${*}, ${?} and ${$} stand for these characters
    kIgnoreCase,  // StringEqualsIgnoreCase
    kLike,        // StringLike
    kResource,    // Resource element: '*' within the first five parts of an ARN stays there unless it ends its part
    kArn,         // Arn operators: the six parts are matched one by one
    kAction,      // no variables; compared with a text in lower case
  };
  /// `variables`: the document's Version knows policy variables.
  Pattern(std::string_view text, Use use, bool variables);

  enum class Answer {
    kNo,
    kYes,
    kUnresolved,  // a variable has neither one value in the context nor a default
  };
  [[nodiscard]] Answer match(std::string_view text, const RequestContext& context) const;
  [[nodiscard]] bool matches(std::string_view text, const RequestContext& context) const {
    return match(text, context) == Answer::kYes;
  }
  [[nodiscard]] std::vector<Variable> variables() const;
  /// No wildcard and no variable: it stands for one text.
  [[nodiscard]] bool is_fixed() const;
  /// A variable stands before the fifth colon.
  [[nodiscard]] bool has_early_variable() const { return early_variable_; }

 private:
  struct Piece {
    std::string literal;
    std::optional<Wildcard> wildcard;
    std::optional<Variable> variable;
  };
  /// Matched as one, with `glob` made beforehand when there are no variables.
  struct Section {
    std::vector<Piece> pieces;
    Glob glob;
    bool fixed = false;
  };
  [[nodiscard]] static std::optional<Glob> expand(const Section& section, const RequestContext& context,
                                                  bool ignore_case);
  [[nodiscard]] Answer match_section(const Section& section, std::string_view text,
                                     const RequestContext& context) const;
  [[nodiscard]] Answer match_arn(std::string_view text, const RequestContext& context) const;
  void add_literal(char c);
  void add_wildcard(Wildcard wildcard);

  Use use_;
  std::vector<Section> sections_;  // six for an ARN that is matched part by part, else one
  bool matches_all_ = false;       // the pattern is "*"
  bool early_variable_ = false;
};

}  // namespace coffer::policy
