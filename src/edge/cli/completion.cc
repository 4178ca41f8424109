// Completion scripts for bash and zsh, from the command table. Both are a lookup of what may follow a command; points
// are asked of the tool itself, when vault and key come from the environment and nobody has to be asked for a
// passphrase.
#include "edge/cli/help.h"

namespace coffer::cli {

namespace {

// What completes a place, as a word that the scripts understand.
std::string kind_of(Values values, const std::vector<std::string>& choices) {
  switch (values) {
    case Values::kFile: return "@file";
    case Values::kDirectory: return "@dir";
    case Values::kPoint: return "@point";
    case Values::kCommand: return "@command";
    case Values::kSlot: return "@slot";
    case Values::kChoice: {
      std::string text;
      for (const std::string& c : choices) text += (text.empty() ? "" : " ") + c;
      return text;
    }
    case Values::kAny: break;
  }
  return "@none";
}

std::string first_words() {
  std::string text;
  std::string last;
  for (const CommandSpec& c : command_table()) {
    const std::string word = c.name.substr(0, c.name.find(' '));
    if (word != last) text += (text.empty() ? "" : " ") + word;
    last = word;
  }
  return text;
}

std::string groups() {
  std::string text, last;
  for (const CommandSpec& c : command_table()) {
    const size_t space = c.name.find(' ');
    if (space == std::string::npos || c.name.substr(0, space) == last) continue;
    last = c.name.substr(0, space);
    text += (text.empty() ? "" : "|") + last;
  }
  return text;
}

std::string group_cases() {
  std::string text, last;
  for (const CommandSpec& c : command_table()) {
    const size_t space = c.name.find(' ');
    if (space == std::string::npos) continue;
    const std::string group = c.name.substr(0, space);
    if (group == last) continue;
    last = group;
    std::string members;
    for (const CommandSpec* m : commands_of_group(group))
      members += (members.empty() ? "" : " ") + m->name.substr(space + 1);
    text += "    " + group + ") echo '" + members + "' ;;\n";
  }
  return text;
}

// Shell functions that both scripts share; plain enough for either shell.
std::string lookups() {
  std::string options, values, arguments;
  for (const CommandSpec& c : command_table()) {
    std::string names = "--help";
    for (const OptionSpec& o : c.options) names += " --" + o.name;
    options += "    '" + c.name + "') echo '" + names + "' ;;\n";
    for (const OptionSpec& o : c.options)
      if (!o.value.empty())
        values += "    '" + c.name + " --" + o.name + "') echo '" + kind_of(o.values, o.choices) + "' ;;\n";
    if (!c.arguments.empty())
      arguments += "    '" + c.name + "') echo '" + kind_of(c.arguments[0].values, c.arguments[0].choices) + "' ;;\n";
  }
  return "_coffer_members() {\n  case \"$1\" in\n    '') echo '" + first_words() + "' ;;\n" + group_cases() +
         "  esac\n}\n" + "_coffer_options() {\n  case \"$1\" in\n" + options + "  esac\n}\n" +
         "# What an option's value is; nothing for a flag.\n_coffer_value() {\n  case \"$1\" in\n" + values +
         "  esac\n}\n" + "_coffer_argument() {\n  case \"$1\" in\n" + arguments + "  esac\n}\n" +
         "_coffer_points() {\n  [ -n \"$COFFER_VAULT\" ] && [ -n \"$COFFER_KEY\" ] && coffer points --ids --quiet "
         "</dev/null 2>/dev/null && echo latest\n}\n" +
         "_coffer_slots() {\n  [ -n \"$COFFER_VAULT\" ] && coffer keys list --quiet </dev/null 2>/dev/null | sed -n "
         "'2,$s/ .*//p'\n}\n";
}

}  // namespace

std::string bash_completion() {
  return "# bash completion for coffer, printed by: coffer completion bash\n" + lookups() +
         R"SH(_coffer() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= i kind
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in -*) break ;; esac
    if [ -z "$command" ]; then
      command=${COMP_WORDS[i]}
    else
      case $command in )SH" +
         groups() + R"SH() command="$command ${COMP_WORDS[i]}" ;; esac
      break
    fi
  done
  local words=
  if [ -n "$command" ] && [ "${previous#--}" != "$previous" ]; then kind=$(_coffer_value "$command $previous"); fi
  if [ -z "$kind" ]; then
    case $current in
      -*) words=$(_coffer_options "$command") ;;
      *)
        words=$(_coffer_members "$command")
        [ -z "$words" ] && kind=$(_coffer_argument "$command") ;;
    esac
  fi
  case $kind in
    @file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    @dir) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    @point) words=$(_coffer_points) ;;
    @slot) words=$(_coffer_slots) ;;
    @command) words="$(_coffer_members '') exit-codes keys environment" ;;
    @none) return ;;
    *) [ -n "$kind" ] && words=$kind ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _coffer coffer
)SH";
}

std::string zsh_completion() {
  return "#compdef coffer\n# zsh completion for coffer, printed by: coffer completion zsh\n" + lookups() +
         R"SH(_coffer() {
  local current=${words[CURRENT]} previous=${words[CURRENT - 1]} command= kind= i
  local -a reply
  for ((i = 2; i < CURRENT; i++)); do
    case ${words[i]} in -*) break ;; esac
    if [[ -z $command ]]; then
      command=${words[i]}
    else
      case $command in )SH" +
         groups() + R"SH() command="$command ${words[i]}" ;; esac
      break
    fi
  done
  if [[ -n $command && $previous == --* ]]; then kind=$(_coffer_value "$command $previous"); fi
  if [[ -z $kind ]]; then
    if [[ $current == -* ]]; then
      reply=(${=$(_coffer_options "$command")})
      compadd -- $reply
      return
    fi
    reply=(${=$(_coffer_members "$command")})
    if (( ${#reply} )); then compadd -- $reply; return; fi
    kind=$(_coffer_argument "$command")
  fi
  case $kind in
    @file) _files ;;
    @dir) _files -/ ;;
    @point) reply=(${=$(_coffer_points)}); compadd -- $reply ;;
    @slot) reply=(${=$(_coffer_slots)}); compadd -- $reply ;;
    @command) reply=(${=$(_coffer_members '')} exit-codes keys environment); compadd -- $reply ;;
    @none) ;;
    ?*) reply=(${=kind}); compadd -- $reply ;;
  esac
}
if [ "$funcstack[1]" = "_coffer" ]; then _coffer "$@"; else compdef _coffer coffer; fi
)SH";
}

}  // namespace coffer::cli
