#include "edge/cli/arguments.h"

#include <gtest/gtest.h>

#include <set>

#include "edge/cli/help.h"

namespace coffer::cli {
namespace {

const EnvironmentVariables kNone;

Result<ParsedLine> parse(const std::vector<std::string>& words, const EnvironmentVariables& environment = kNone) {
  return parse_command_line(words, environment);
}
std::string refusal(const std::vector<std::string>& words) {
  auto parsed = parse(words);
  if (parsed.ok()) return "accepted";
  return parsed.error().message + " / " + parsed.error().next_step;
}

TEST(ParseCommandLine, FindsTheCommandItsOptionsAndArguments) {
  auto parsed = parse({"restore", "latest", "--to", "/x", "--tablespace", "/a=/b", "--delta", "--tablespace=16384=/c"});
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const Arguments& a = *parsed->arguments;
  EXPECT_EQ(a.command().name, "restore");
  EXPECT_EQ(a.text("POINT"), "latest");
  EXPECT_EQ(a.text("to"), "/x");
  EXPECT_TRUE(a.flag("delta"));
  EXPECT_FALSE(a.flag("standby"));
  EXPECT_EQ(a.all("tablespace"), (std::vector<std::string>{"/a=/b", "16384=/c"}));
}

TEST(ParseCommandLine, ARepeatableOptionDoesNotSwallowTheNextWord) {
  auto parsed = parse({"restore", "--tablespace", "/a=/b", "latest", "--to", "/x"});
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->arguments->text("POINT"), "latest");
}

TEST(ParseCommandLine, CommandsOfTwoWordsAndWordsThatAreCommandsElsewhere) {
  EXPECT_EQ(parse({"vault", "init"})->arguments->command().name, "vault init");
  EXPECT_EQ(parse({"keys", "add", "backup", "--new-key", "k"})->arguments->text("NAME"), "backup");
  EXPECT_EQ(parse({"help", "backup"})->arguments->all("TOPIC"), std::vector<std::string>{"backup"});
  EXPECT_EQ(parse({"help", "vault", "init"})->arguments->all("TOPIC"), (std::vector<std::string>{"vault", "init"}));
}

TEST(ParseCommandLine, TheCommandLineComesBeforeTheEnvironment) {
  const EnvironmentVariables environment{{"COFFER_VAULT", "/from/environment"}, {"COFFER_KEY", "k"}};
  EXPECT_EQ(parse({"points"}, environment)->arguments->text("vault"), "/from/environment");
  EXPECT_EQ(parse({"points", "--vault", "/given"}, environment)->arguments->text("vault"), "/given");
}

TEST(ParseCommandLine, HelpIsFoundEverywhere) {
  EXPECT_EQ(parse({})->help_on, "");
  EXPECT_EQ(parse({"--help"})->help_on, "");
  EXPECT_EQ(parse({"vault"})->help_on, "vault");
  EXPECT_EQ(parse({"vault", "--help"})->help_on, "vault");
  EXPECT_EQ(parse({"restore", "-h"})->help_on, "restore");  // although POINT is missing
  EXPECT_EQ(parse({"--version"})->arguments->command().name, "version");
}

TEST(ParseCommandLine, TellsWhatIsWrongAndWhatWasProbablyMeant) {
  EXPECT_EQ(refusal({"bakup"}), "there is no command 'bakup' / did you mean 'backup'? see 'coffer help'");
  EXPECT_EQ(refusal({"vault", "inti"}),
            "there is no command 'vault inti' / did you mean 'init'? see 'coffer vault --help'");
  EXPECT_EQ(refusal({"backup", "--jbos", "3"}),
            "there is no option '--jbos' / did you mean '--jobs'? see 'coffer backup --help'");
  EXPECT_EQ(refusal({"backup", "--source", "locl"}),
            "there is no value of --source 'locl' / did you mean 'local'? see 'coffer backup --help'");
  EXPECT_EQ(refusal({"points", "--vault", "a", "--vault", "b"}), "--vault is given twice / see 'coffer points --help'");
  EXPECT_NE(refusal({"prove"}).find("coffer prove needs POINT"), std::string::npos);
  EXPECT_NE(refusal({"points", "extra"}).find("'extra' was not expected"), std::string::npos);
  EXPECT_NE(refusal({"points", "--vault"}), "accepted");
  EXPECT_NE(refusal({"points", "--json=maybe"}), "accepted");
  EXPECT_NE(refusal({"xyzzy"}).find("see 'coffer help'"), std::string::npos);
}

TEST(CommandTable, EachRowIsComplete) {
  std::set<std::string> names;
  for (const CommandSpec& c : command_table()) {
    EXPECT_TRUE(names.insert(c.name).second) << c.name;
    EXPECT_NE(c.run, nullptr) << c.name;
    EXPECT_GE(c.examples.size(), 2U) << c.name;
    EXPECT_FALSE(c.summary.empty()) << c.name;
    std::set<std::string> options;
    for (const OptionSpec& o : c.options) {
      EXPECT_TRUE(options.insert(o.name).second) << c.name << " --" << o.name;
      EXPECT_FALSE(o.help.empty()) << c.name << " --" << o.name;
      EXPECT_FALSE(o.help.ends_with('.')) << c.name << " --" << o.name;
    }
  }
}

TEST(CommandTable, TheExamplesParse) {
  for (const CommandSpec& c : command_table())
    for (const Example& e : c.examples) {
      ASSERT_TRUE(e.command.starts_with("coffer " + c.name)) << e.command;
      std::vector<std::string> words;
      std::string word;
      bool quoted = false, any = false;
      const std::string line = e.command.substr(7);
      for (char x : line + " ") {
        if (x == '\'') {
          quoted = !quoted, any = true;
        } else if (x == ' ' && !quoted) {
          if (any || !word.empty()) words.push_back(word);
          word.clear(), any = false;
        } else {
          word += x;
        }
      }
      for (size_t i = 0; i < words.size(); ++i)
        if (words[i] == "|" || words[i] == ">") words.resize(i);
      auto parsed = parse(words);
      EXPECT_TRUE(parsed.ok()) << e.command << ": " << (parsed.ok() ? "" : parsed.error().message);
    }
}

TEST(Help, BeginsWithTwoExamplesAndFitsTheTerminal) {
  for (const CommandSpec& c : command_table()) {
    const std::string text = help_text(c.name, 60);
    EXPECT_TRUE(text.starts_with("  coffer " + c.name)) << text;
    for (const OptionSpec& o : c.options) EXPECT_NE(text.find("--" + o.name), std::string::npos);
  }
}

TEST(Nearest, AWordThatIsFarFromAllIsNothing) {
  EXPECT_EQ(nearest("verfy", {"verify", "version"}), "verify");
  EXPECT_EQ(nearest("zzzzzz", {"verify", "version"}), "");
}

}  // namespace
}  // namespace coffer::cli
