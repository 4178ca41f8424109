// A command line, taken apart by the command table.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "edge/cli/command_table.h"

namespace coffer::cli {

using EnvironmentVariables = std::map<std::string, std::string>;

class Arguments {
 public:
  Arguments(const CommandSpec& command, std::map<std::string, std::vector<std::string>> values,
            const EnvironmentVariables& environment)
      : command_(&command), values_(std::move(values)), environment_(&environment) {}

  [[nodiscard]] const CommandSpec& command() const { return *command_; }
  [[nodiscard]] bool flag(std::string_view option) const;
  /// An option's or a positional argument's value; from the environment when the command line has none.
  [[nodiscard]] std::optional<std::string> text(std::string_view name) const;
  /// The same, or kInvalidArgument that says how to give it.
  [[nodiscard]] Result<std::string> required(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;

 private:
  const CommandSpec* command_;
  std::map<std::string, std::vector<std::string>> values_;  // options without dashes, positionals by their name
  const EnvironmentVariables* environment_;                 // borrowed
};

struct ParsedLine {
  std::optional<Arguments> arguments;
  /// --help was asked for: of this command, of a group ("vault"), or of the whole tool (empty).
  std::optional<std::string> help_on;
};
/// `words` without the program's name. kInvalidArgument says what is wrong, and what was probably meant.
Result<ParsedLine> parse_command_line(const std::vector<std::string>& words, const EnvironmentVariables& environment);

/// The one of `candidates` that `word` was probably meant to be; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace coffer::cli
