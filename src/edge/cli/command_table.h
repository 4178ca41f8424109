// The one table of commands and options. Parsing, --help, completion and man pages are all made from it.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::cli {

class Invocation;

/// What may stand in a place: for completion.
enum class Values { kAny, kFile, kDirectory, kChoice, kPoint, kCommand, kSlot };

struct OptionSpec {
  std::string name;         // without dashes
  std::string value;        // "PATH"; empty: a flag
  std::string help;         // one sentence without the full stop
  std::string environment;  // read when the option is absent; empty: none
  Values values = Values::kAny;
  std::vector<std::string> choices;
  bool repeatable = false;
};

struct ArgumentSpec {
  std::string name;  // "POINT"
  std::string help;
  Values values = Values::kAny;
  bool required = true;
  bool repeatable = false;
  std::vector<std::string> choices;
};

struct Example {
  std::string command, says;
};

struct CommandSpec {
  std::string name;                      // "vault init"
  std::string summary;                   // one line
  std::vector<std::string> description;  // paragraphs
  std::vector<Example> examples;         // two or more
  std::vector<ArgumentSpec> arguments;
  std::vector<OptionSpec> options;
  Result<int> (*run)(Invocation&) = nullptr;  // gives the exit code
};

/// In the order in which they are listed.
const std::vector<CommandSpec>& command_table();
/// Null when there is none of this name.
const CommandSpec* find_command(std::string_view name);
/// The commands whose name begins with the word `group`: "vault" -> vault init, vault info.
std::vector<const CommandSpec*> commands_of_group(std::string_view group);

}  // namespace coffer::cli
