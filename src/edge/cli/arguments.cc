#include "edge/cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <numeric>

namespace coffer::cli {

namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string first_word(std::string_view name) { return std::string(name.substr(0, name.find(' '))); }

// One command's place in the parser. CLI11 keeps pointers to the vectors, so they stay where they are.
struct Bound {
  const CommandSpec* spec = nullptr;
  CLI::App* app = nullptr;
  CLI::Option* help = nullptr;
  std::deque<std::pair<std::string, CLI::Option*>> flags;
  std::map<std::string, std::vector<std::string>> values;
};

void bind(Bound& bound, CLI::App& app, const CommandSpec& spec) {
  bound.spec = &spec;
  bound.app = &app;
  app.set_help_flag();
  bound.help = app.add_flag("-h,--help");
  for (const OptionSpec& o : spec.options) {
    if (o.value.empty()) {
      bound.flags.emplace_back(o.name, app.add_flag("--" + o.name));
      continue;
    }
    CLI::Option* option = app.add_option("--" + o.name, bound.values[o.name]);
    if (!o.repeatable) option->expected(1);
    option->allow_extra_args(false);  // one value each time: the next word is no second one
    option->multi_option_policy(o.repeatable ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::Throw);
  }
  for (const ArgumentSpec& a : spec.arguments) {
    CLI::Option* option = app.add_option(a.name, bound.values[a.name]);
    if (a.repeatable)
      option->expected(0, 10000);
    else
      option->expected(1);
  }
}

class Parser {
 public:
  explicit Parser(const EnvironmentVariables& environment) : environment_(environment) {
    app_.set_help_flag();
    top_help_ = app_.add_flag("-h,--help");
    top_version_ = app_.add_flag("--version");
    app_.require_subcommand(0, 1);
    for (const CommandSpec& spec : command_table()) {
      const size_t space = spec.name.find(' ');
      CLI::App* parent = &app_;
      if (space != std::string::npos) parent = group(spec.name.substr(0, space));
      bind(bound_.emplace_back(),
           *parent->add_subcommand(space == std::string::npos ? spec.name : spec.name.substr(space + 1)), spec);
    }
  }

  Result<ParsedLine> parse(const std::vector<std::string>& words) {
    COFFER_CHECK_OK(check_command(words));
    std::vector<std::string> reversed(words.rbegin(), words.rend());  // as CLI11 wants them
    try {
      app_.parse(reversed);
    } catch (const CLI::ParseError& error) {
      return refusal(error, words);
    }
    // CLI11 takes a value for any flag; "--yes=false" must not mean yes.
    if (Bound* bound = selected())
      for (const std::string& word : words) {
        if (word == "--") break;
        for (const auto& [flag, option] : bound->flags)
          if (word.starts_with("--" + flag + "="))
            return Error{ErrorCode::kInvalidArgument, "--" + flag + " takes no value", "leave out what follows it"};
      }
    return chosen();
  }

 private:
  struct Group {
    CLI::App* app;
    CLI::Option* help;
  };

  CLI::App* group(const std::string& name) {
    auto found = groups_.find(name);
    if (found == groups_.end()) {
      CLI::App* app = app_.add_subcommand(name);
      app->set_help_flag();
      app->require_subcommand(0, 1);
      found = groups_.emplace(name, Group{app, app->add_flag("-h,--help")}).first;
    }
    return found->second.app;
  }

  // A mistyped command is told before anything else: what follows it means nothing.
  Status check_command(const std::vector<std::string>& words) const {
    if (words.empty() || words[0].starts_with("-")) return ok_status();
    std::vector<std::string> known;
    for (const CommandSpec& spec : command_table()) known.push_back(first_word(spec.name));
    if (std::find(known.begin(), known.end(), words[0]) == known.end())
      return unknown("command", words[0], known, "see 'coffer help'");
    if (!groups_.contains(words[0])) return ok_status();
    std::vector<std::string> members;
    for (const CommandSpec* spec : commands_of_group(words[0]))
      members.push_back(spec->name.substr(words[0].size() + 1));
    if (words.size() > 1 && !words[1].starts_with("-") &&
        std::find(members.begin(), members.end(), words[1]) == members.end())
      return unknown("command", words[0] + " " + words[1], members, "see 'coffer " + words[0] + " --help'", words[1]);
    return ok_status();
  }

  static Error unknown(const std::string& what, const std::string& word, const std::vector<std::string>& known,
                       const std::string& otherwise, const std::string& compared = {}) {
    const std::string near = nearest(compared.empty() ? word : compared, known);
    return {ErrorCode::kInvalidArgument, "there is no " + what + " '" + word + "'",
            near.empty() ? otherwise : "did you mean '" + near + "'? " + otherwise};
  }

  Bound* selected() {
    for (Bound& bound : bound_)
      if (bound.app->parsed()) return &bound;
    return nullptr;
  }

  Error refusal(const CLI::ParseError& error, const std::vector<std::string>& words) {
    Bound* bound = selected();
    const std::string see = bound == nullptr ? "see 'coffer help'" : "see 'coffer " + bound->spec->name + " --help'";
    if (bound != nullptr) {
      std::vector<std::string> known = {"--help"};
      for (const OptionSpec& o : bound->spec->options) known.push_back("--" + o.name);
      for (const std::string& word : words) {
        const std::string name = word.substr(0, word.find('='));
        if (word == "--") break;
        if (name.starts_with("--") && std::find(known.begin(), known.end(), name) == known.end())
          return unknown("option", name, known, see);
      }
      for (const OptionSpec& o : bound->spec->options) {
        const auto times = std::count_if(words.begin(), words.end(), [&](const std::string& w) {
          return w == "--" + o.name || w.starts_with("--" + o.name + "=");
        });
        if (!o.repeatable && !o.value.empty() && times > 1)
          return {ErrorCode::kInvalidArgument, "--" + o.name + " is given twice", see};
      }
      // The words of the values, too, would be in CLI11's list of extras; the first is what a person looks for.
      if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
        const std::vector<std::string> extras = app_.remaining(true);
        return {ErrorCode::kInvalidArgument,
                "'" + (extras.empty() ? std::string() : extras.front()) + "' was not expected by 'coffer " +
                    bound->spec->name + "'",
                see};
      }
    }
    return {ErrorCode::kInvalidArgument, error.what(), see};
  }

  Result<ParsedLine> chosen() {
    ParsedLine line;
    if (Bound* bound = selected()) {
      if (bound->help->count() > 0) {
        line.help_on = bound->spec->name;
        return line;
      }
      for (const auto& [name, option] : bound->flags)
        if (option->count() > 0) bound->values[name] = {"true"};
      COFFER_CHECK_OK(check_values(*bound));
      line.arguments.emplace(*bound->spec, std::move(bound->values), environment_);
      return line;
    }
    for (const auto& [name, group] : groups_)
      if (group.app->parsed()) {
        line.help_on = name;
        return line;
      }
    if (top_version_->count() > 0) {
      line.arguments.emplace(*find_command("version"), std::map<std::string, std::vector<std::string>>(), environment_);
      return line;
    }
    line.help_on = "";
    return line;
  }

  static Status check_values(const Bound& bound) {
    const std::string see = "see 'coffer " + bound.spec->name + " --help'";
    const auto check_choice = [&](const std::string& what, const std::vector<std::string>& choices) -> Status {
      for (const std::string& value : bound.values.at(what.starts_with("--") ? what.substr(2) : what))
        if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end())
          return unknown("value of " + what, value, choices, see);
      return ok_status();
    };
    for (const OptionSpec& o : bound.spec->options) {
      if (o.value.empty()) continue;
      COFFER_CHECK_OK(check_choice("--" + o.name, o.choices));
    }
    for (const ArgumentSpec& a : bound.spec->arguments) {
      if (a.required && bound.values.at(a.name).empty())
        return Error{ErrorCode::kInvalidArgument, "coffer " + bound.spec->name + " needs " + a.name + ": " + a.help,
                     see};
      COFFER_CHECK_OK(check_choice(a.name, a.choices));
    }
    return ok_status();
  }

  const EnvironmentVariables& environment_;
  CLI::App app_;
  CLI::Option* top_help_ = nullptr;
  CLI::Option* top_version_ = nullptr;
  std::map<std::string, Group> groups_;
  std::deque<Bound> bound_;
};

}  // namespace

bool Arguments::flag(std::string_view option) const { return values_.contains(std::string(option)); }

std::optional<std::string> Arguments::text(std::string_view name) const {
  if (auto found = values_.find(std::string(name)); found != values_.end() && !found->second.empty())
    return found->second.front();
  for (const OptionSpec& o : command_->options) {
    if (o.name != name || o.environment.empty()) continue;
    if (auto found = environment_->find(o.environment); found != environment_->end() && !found->second.empty())
      return found->second;
  }
  return std::nullopt;
}

Result<std::string> Arguments::required(std::string_view name) const {
  if (auto value = text(name)) return *value;
  for (const OptionSpec& o : command_->options) {
    if (o.name != name) continue;
    return Error{ErrorCode::kInvalidArgument, "coffer " + command_->name + " needs --" + o.name + ": " + o.help,
                 o.environment.empty() ? "give --" + o.name + " " + o.value
                                       : "give --" + o.name + " " + o.value + ", or set " + o.environment};
  }
  return Error{ErrorCode::kInvalidArgument, "coffer " + command_->name + " needs " + std::string(name),
               "see 'coffer " + command_->name + " --help'"};
}

std::vector<std::string> Arguments::all(std::string_view name) const {
  auto found = values_.find(std::string(name));
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = word.size() / 3 + 2;  // beyond that it is another word
  for (const std::string& candidate : candidates)
    if (const size_t distance = edit_distance(word, candidate); distance < best_distance)
      best = candidate, best_distance = distance;
  return best;
}

Result<ParsedLine> parse_command_line(const std::vector<std::string>& words, const EnvironmentVariables& environment) {
  return Parser(environment).parse(words);
}

}  // namespace coffer::cli
