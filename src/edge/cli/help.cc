#include "edge/cli/help.h"

#include <algorithm>
#include <set>

#include "edge/cli/exit_codes.h"
#include "edge/cli/text_table.h"

namespace coffer::cli {

namespace {

constexpr size_t kIndent = 2, kHelpIndent = 6;

std::string usage_of(const CommandSpec& command) {
  std::string text = "coffer " + command.name;
  for (const ArgumentSpec& a : command.arguments) {
    const std::string name = a.name + (a.repeatable ? "..." : "");
    text += a.required ? " " + name : " [" + name + "]";
  }
  return text + (command.options.empty() ? "" : " [OPTIONS]");
}

std::string option_title(const OptionSpec& option) {
  return "--" + option.name + (option.value.empty() ? "" : " " + option.value) + (option.repeatable ? " ..." : "");
}

std::string list_of(const std::vector<const CommandSpec*>& commands) {
  size_t width = 0;
  for (const CommandSpec* c : commands) width = std::max(width, c->name.size());
  std::string text;
  for (const CommandSpec* c : commands)
    text += "  " + c->name + std::string(width - c->name.size() + 2, ' ') + c->summary + "\n";
  return text;
}

std::string command_help(const CommandSpec& command, size_t width) {
  std::string text;
  for (const Example& e : command.examples) text += "  " + e.command + "\n      " + e.says + "\n";
  text += "\ncoffer " + command.name + ": " + command.summary + "\n\nusage: " + usage_of(command) + "\n";
  for (const std::string& paragraph : command.description) text += "\n" + wrap(paragraph, width, 0);
  if (!command.arguments.empty()) text += "\narguments\n";
  for (const ArgumentSpec& a : command.arguments)
    text += std::string(kIndent, ' ') + a.name + "\n" + wrap(a.help, width, kHelpIndent);
  if (!command.options.empty()) text += "\noptions\n";
  for (const OptionSpec& o : command.options)
    text += std::string(kIndent, ' ') + option_title(o) + "\n" +
            wrap(o.help + (o.environment.empty() ? "" : " [" + o.environment + "]"), width, kHelpIndent);
  return text;
}

std::string group_help(std::string_view group) {
  const auto members = commands_of_group(group);
  std::string text;
  for (const CommandSpec* c : members) text += "  " + c->examples.front().command + "\n";
  return text + "\ncommands\n" + list_of(members) + "\nSee 'coffer " + std::string(group) + " COMMAND --help'.\n";
}

std::string overview(size_t width) {
  std::vector<const CommandSpec*> all;
  for (const CommandSpec& c : command_table()) all.push_back(&c);
  return "  coffer backup --vault /srv/vault --key /etc/coffer/ops.key --conninfo 'host=/var/run/postgresql'\n"
         "  coffer prove latest --vault /srv/vault --key /etc/coffer/ops.key\n\n" +
         wrap(
             "coffer protects PostgreSQL clusters: encrypted, deduplicated, immutable recovery points, and the proof "
             "that they can be restored.",
             width, 0) +
         "\ncommands\n" + list_of(all) + "\n" +
         wrap(
             "See 'coffer COMMAND --help', and 'coffer help' with exit-codes, keys or environment. Data goes to "
             "standard output, everything else to standard error.",
             width, 0);
}

std::string exit_code_topic(size_t width) {
  std::string text = "The exit code decides whether a command succeeded. Codes that are not listed mean failure.\n\n";
  for (const ExitCode& e : exit_codes()) {
    const std::string number = std::to_string(e.code);
    const std::string lines = wrap(e.meaning, width, 7);
    text += "  " + std::string(3 - number.size(), ' ') + number + "  " + lines.substr(7);
  }
  return text;
}

std::string key_topic(size_t width) {
  TextTable table({{"KEY"}, {"WHAT IT IS"}});
  table.add({"file:PATH, or PATH", "a key file, made by coffer keys generate"});
  table.add({"passphrase-file:PATH", "a passphrase in a file; a newline at its end does not count"});
  table.add({"passphrase-env:NAME", "a passphrase in an environment variable"});
  table.add({"passphrase-command:COMMAND", "what a shell command prints, for a password manager"});
  table.add({"kms:KEY", "a KMS key by ARN, id or alias"});
  table.add({"escrow:SHARE,SHARE,...", "files with shares of an escrow, as many as it takes"});
  table.add({"passphrase", "asked for at the terminal, without echo"});
  return table.text() + "\n" +
         wrap(
             "A vault has slots; each holds the vault's root wrapped for one key, and any one slot opens the vault. "
             "Keep at least two, under different "
             "hands: whoever loses the last key has lost every point. coffer keys add and coffer keys remove change "
             "the slots; no data is rewritten.",
             width, 0);
}

std::string environment_topic(size_t width) {
  std::string text =
      wrap("An option on the command line comes before the environment, the environment before what is built in.",
           width, 0) +
      "\n";
  std::set<std::string> seen;
  for (const CommandSpec& c : command_table())
    for (const OptionSpec& o : c.options)
      if (!o.environment.empty() && seen.insert(o.environment).second)
        text += "  " + o.environment + "\n" + wrap("--" + o.name + ": " + o.help, width, kHelpIndent);
  text += "  COFFER_PG_BIN_<MAJOR>\n" +
          wrap("--pg-bin: where the server programs of a major version are", width, kHelpIndent);
  text += "  TMPDIR\n" + wrap("where scratch directories are made when neither --scratch nor COFFER_SCRATCH is given",
                              width, kHelpIndent);
  text += "  PGHOST, PGPORT, PGUSER, PGPASSFILE, ...\n" +
          wrap("libpq's own, for what a connection string leaves out", width, kHelpIndent);
  return text;
}

}  // namespace

std::string help_text(std::string_view name, size_t width) {
  width = std::min<size_t>(width, 100);
  if (const CommandSpec* command = find_command(name)) return command_help(*command, width);
  return name.empty() ? overview(width) : group_help(name);
}

Result<std::string> topic_text(std::string_view topic, size_t width) {
  width = std::min<size_t>(width, 100);
  if (topic == "exit-codes") return exit_code_topic(width);
  if (topic == "keys") return key_topic(width);
  if (topic == "environment") return environment_topic(width);
  return Error{ErrorCode::kNotFound, "there is no help on '" + std::string(topic) + "'",
               "topics are exit-codes, keys and environment, and every command"};
}

}  // namespace coffer::cli
