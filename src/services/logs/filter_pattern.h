// The filter pattern language of CloudWatch Logs: which messages FilterLogEvents shows.
//   terms          ERROR "access denied" -DEBUG      all of these, none of those; ?a ?b alone: any of them
//   JSON           { $.level = "ERROR" && ($.code >= 500 || $.user NOT EXISTS) }
//   fields         [host, ..., status = 4*, size > 1000]     words of a line that is separated by spaces
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::logs {

/// Immutable once parsed; cheap to copy.
class FilterPattern {
 public:
  /// kInvalidArgument, "InvalidParameterException", says what is wrong.
  static Result<FilterPattern> parse(std::string_view text);
  [[nodiscard]] bool matches(std::string_view message) const;
  /// Of a message that matches: the values of what the pattern names, by selector ("$.code") or field ("$status").
  [[nodiscard]] std::map<std::string, std::string> extract(std::string_view message) const;

  class Form;

 private:
  std::shared_ptr<const Form> form_;
};

}  // namespace coffer::logs
