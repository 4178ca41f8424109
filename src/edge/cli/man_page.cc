// Manual pages in mdoc(7), from the command table.
#include <algorithm>
#include <set>

#include "edge/cli/exit_codes.h"
#include "edge/cli/help.h"
#include "edge/cli/text_table.h"

namespace coffer::cli {

namespace {

// The date of the pages' contents, not of the build: the same sources give the same page.
constexpr size_t kLineMax = 78;
constexpr const char* kDate = "November 24, 2026";

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

// Text between macros: a new sentence begins a new line, as mdoc wants it, and no line is long. A line that begins with
// a dot or a quote would be a request.
std::string prose(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(". "), text.size() - 1) + 1;
    std::string lines = wrap(escaped(text.substr(0, end)), kLineMax, 0);
    for (size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1)
      if (lines[at] == '.' || lines[at] == '\'') lines.insert(at, "\\&");
    out += lines;
    text.remove_prefix(std::min(text.find_first_not_of(' ', end), text.size()));
  }
  return out;
}

// An argument of a macro: quoted, so that its words stay together and none is taken for a macro.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : escaped(text)) out += c == '"' ? std::string("\\(dq") : std::string(1, c);
  return out + "\"";
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c == ' ' ? '-' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); });
  return text;
}

std::string page_name(std::string_view command) {
  std::string name = "coffer-" + std::string(command);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string head(const std::string& name, const std::string& summary) {
  return std::string(".Dd ") + kDate + "\n.Dt " + upper(name) + " 1\n.Os\n.Sh NAME\n.Nm " + name + "\n.Nd " +
         escaped(summary) + "\n";
}

std::string exit_status() {
  std::string text = ".Sh EXIT STATUS\n.Bl -tag -width 4n -compact\n";
  for (const ExitCode& e : exit_codes()) text += ".It " + std::to_string(e.code) + "\n" + prose(e.meaning);
  return text + ".El\n.Pp\nCodes that are not listed mean failure.\n";
}

std::string environment_of(const std::vector<OptionSpec>& options) {
  std::string text;
  std::set<std::string> seen;
  for (const OptionSpec& o : options)
    if (!o.environment.empty() && seen.insert(o.environment).second)
      text += ".It Ev " + o.environment + "\nIn place of\n.Fl \\-" + escaped(o.name) + " .\n";
  return text.empty() ? text : ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n" + text + ".El\n";
}

std::string synopsis(const CommandSpec& command) {
  std::string text = ".Sh SYNOPSIS\n.Nm coffer\n.Cm " + command.name + "\n";
  for (const ArgumentSpec& a : command.arguments) {
    const std::string ellipsis = a.repeatable ? " ..." : "";
    text += a.required ? ".Ar " + a.name + ellipsis + "\n" : ".Op Ar " + a.name + ellipsis + "\n";
  }
  for (const OptionSpec& o : command.options)
    text += ".Op Fl \\-" + escaped(o.name) + (o.value.empty() ? "" : " Ar " + quoted(o.value)) +
            (o.repeatable ? " ..." : "") + "\n";
  return text;
}

std::string command_page(const CommandSpec& command) {
  std::string text = head(page_name(command.name), command.summary) + synopsis(command) + ".Sh DESCRIPTION\n";
  bool first = true;
  for (const std::string& paragraph : command.description)
    text += (std::exchange(first, false) ? "" : ".Pp\n") + prose(paragraph);
  if (command.description.empty()) text += prose("Does what its name says.");
  if (!command.arguments.empty() || !command.options.empty()) {
    text += ".Bl -tag -width Ds\n";
    for (const ArgumentSpec& a : command.arguments) text += ".It Ar " + a.name + "\n" + prose(a.help + ".");
    for (const OptionSpec& o : command.options)
      text += ".It Fl \\-" + escaped(o.name) + (o.value.empty() ? "" : " Ar " + quoted(o.value)) + "\n" +
              prose(o.help + ".");
    text += ".El\n";
  }
  text += environment_of(command.options) + exit_status() + ".Sh EXAMPLES\n.Bl -tag -width Ds\n";
  for (const Example& e : command.examples) text += ".It Li " + quoted(e.command) + "\n" + prose(e.says + ".");
  return text + ".El\n.Sh SEE ALSO\n.Xr coffer 1\n";
}

std::string tool_page() {
  std::string text = head("coffer", "protect PostgreSQL clusters, and prove it") +
                     ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Sh DESCRIPTION\n" +
                     prose(
                         "Takes encrypted, deduplicated, immutable recovery points of running PostgreSQL clusters into "
                         "a vault, and restores, verifies and "
                         "proves them. Data goes to standard output, everything else to standard error; the exit code "
                         "decides whether a command "
                         "succeeded.") +
                     ".Pp\nThe commands:\n.Bl -tag -width Ds\n";
  for (const CommandSpec& c : command_table()) text += ".It Cm " + c.name + "\n" + prose(c.summary + ".");
  text += ".El\n";
  std::vector<OptionSpec> options;
  for (const CommandSpec& c : command_table()) options.insert(options.end(), c.options.begin(), c.options.end());
  text += environment_of(options) + exit_status() + ".Sh EXAMPLES\n.Bl -tag -width Ds\n";
  for (const char* name : {"vault init", "backup", "prove", "recover"})
    text += ".It Li " + quoted(find_command(name)->examples.front().command) + "\n" +
            prose(find_command(name)->summary + ".");
  text += ".El\n.Sh SEE ALSO\n";
  std::vector<std::string> pages;
  for (const CommandSpec& c : command_table()) pages.push_back(page_name(c.name));
  std::sort(pages.begin(), pages.end());
  for (const std::string& page : pages) text += ".Xr " + page + " 1" + (page == pages.back() ? "\n" : " ,\n");
  return text;
}

}  // namespace

std::string man_page(std::string_view name) {
  const CommandSpec* command = find_command(name);
  return command == nullptr ? tool_page() : command_page(*command);
}

}  // namespace coffer::cli
