// help, version, completion, man.
#include <nlohmann/json.hpp>

#include "edge/cli/commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/help.h"

namespace coffer::cli {

namespace {

// "vault init" from its words, or the name of a group.
Result<std::string> command_named(const std::vector<std::string>& words) {
  std::string name;
  for (const std::string& word : words) name += (name.empty() ? "" : " ") + word;
  if (name.empty() || find_command(name) != nullptr || !commands_of_group(name).empty()) return name;
  std::vector<std::string> known;
  for (const CommandSpec& c : command_table()) known.push_back(c.name);
  const std::string near = nearest(name, known);
  return Error{ErrorCode::kNotFound, "there is no command '" + name + "'",
               near.empty() ? "see 'coffer help'" : "did you mean '" + near + "'?"};
}

}  // namespace

Result<int> run_help(Invocation& invocation) {
  const auto words = invocation.arguments().all("TOPIC");
  const auto width = static_cast<size_t>(std::max(invocation.world().out.columns(), 40));
  if (words.size() == 1 && find_command(words[0]) == nullptr && commands_of_group(words[0]).empty()) {
    COFFER_TRY(std::string text, topic_text(words[0], width));
    invocation.print(text);
    return kExitDone;
  }
  COFFER_TRY(std::string name, command_named(words));
  invocation.print(help_text(name, width));
  return kExitDone;
}

Result<int> run_version(Invocation& invocation) {
  if (invocation.json())
    invocation.print_document(nlohmann::ordered_json{{"schema", "coffer.version/1"},
                                                     {"version", COFFER_VERSION},
                                                     {"vault_format", 1},
                                                     {"postgresql", {13, 14, 15, 16, 17, 18}}});
  else
    invocation.print("coffer " COFFER_VERSION "\n");
  return kExitDone;
}

Result<int> run_completion(Invocation& invocation) {
  COFFER_TRY(std::string shell, invocation.arguments().required("SHELL"));
  invocation.print(shell == "zsh" ? zsh_completion() : bash_completion());
  return kExitDone;
}

Result<int> run_man(Invocation& invocation) {
  COFFER_TRY(std::string name, command_named(invocation.arguments().all("COMMAND")));
  if (!name.empty() && find_command(name) == nullptr)
    return Error{ErrorCode::kNotFound, "'" + name + "' is a group of commands, not a command",
                 "see 'coffer " + name + " --help'"};
  invocation.print(man_page(name));
  return kExitDone;
}

}  // namespace coffer::cli
