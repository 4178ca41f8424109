// Decisions as data: every line of matrix/*.txt is one case. How the tables are written is told in matrix/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "services/policy/situation.h"

namespace coffer::policy::testing {
namespace {

namespace fs = std::filesystem;
constexpr const char* kOwn = "111122223333";

struct Case {
  std::string file, title, expected;
  int line = 0;
  Situation situation;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.file << ":" << c.line; }

/// Words between spaces; double quotes keep spaces together.
std::vector<std::string> words(const std::string& line) {
  std::vector<std::string> all;
  std::string word;
  bool quoted = false, any = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if (c == ' ' && !quoted) {
      if (any) all.push_back(std::move(word));
      word.clear();
      any = false;
    } else {
      word += c;
      any = true;
    }
  }
  if (any) all.push_back(word);
  return all;
}

/// A statement, a list of them, or a whole policy.
std::string document(const std::string& json) {
  if (json.find("\"Statement\"") != std::string::npos) return json;
  return R"({"Version":"2012-10-17","Statement":)" + json + "}";
}

api::Caller caller(const std::vector<std::string>& w) {
  const auto at = std::find(w.begin(), w.end(), "in");
  const std::string account = at == w.end() ? kOwn : *(at + 1);
  api::Caller c;
  if (w[0] == "user") c = user(account, w[1]);
  if (w[0] == "root") c = root(account);
  if (w[0] == "role") c = role_session(account, w[1], w[2]);
  if (w[0] == "federated") c = federated_user(account, w[1]);
  if (w[0] == "service") c = service(w[1]);
  if (std::find(w.begin(), w.end(), "service-linked") != w.end()) c.service_linked = true;
  if (std::find(w.begin(), w.end(), "by-root") != w.end()) c.principal_id = account;
  for (const std::string& word : w) {
    const size_t equals = word.find('=');
    if (word.starts_with("tag:")) c.tags[word.substr(4, equals - 4)] = word.substr(equals + 1);
  }
  return c;
}

/// "key=value", "key=[a,b]", "key=[]"; "key=absent" takes a key away.
void add_context(const std::string& word, Situation& s) {
  const size_t equals = word.find('=');
  std::string value = word.substr(equals + 1);
  std::vector<std::string> values;
  if (value.starts_with('[')) {
    std::istringstream list(value.substr(1, value.size() - 2));
    for (std::string item; std::getline(list, item, ',');) values.push_back(item);
  } else if (value != "absent") {
    values.push_back(value);
  }
  s.context[word.substr(0, equals)] = values;
}

/// One "name: value" line of a section. False: it is none.
bool set_up(const std::string& line, Situation& s) {
  const size_t colon = line.find(": ");
  const std::string name = line.substr(0, colon);
  const std::string value = colon == std::string::npos ? "" : line.substr(colon + 2);
  if (line == "granted") return s.granted = true;
  if (colon == std::string::npos) return false;
  if (name == "caller") {
    s.caller = caller(words(value));
  } else if (name == "identity") {
    s.identity.push_back(document(value));
  } else if (name == "boundary") {
    s.boundary = document(value);
  } else if (name == "session") {
    if (!s.session) s.session.emplace();
    if (value != "none") s.session->push_back(document(value));
  } else if (name == "scp" || name == "rcp") {
    auto& levels = name == "scp" ? s.service_control : s.resource_control;
    levels.emplace_back();
    if (value != "none") levels.back().push_back(document(value));
  } else if (name == "same scp" || name == "same rcp") {
    (name == "same scp" ? s.service_control : s.resource_control).back().push_back(document(value));
  } else if (name == "resource" || name == "key" || name == "trust") {
    s.resource_policy = document(value);
    s.resource_kind = name == "resource" ? Kind::kResource : name == "key" ? Kind::kKey : Kind::kTrust;
  } else if (name == "owner") {
    s.resource_account = value;
  } else if (name == "context") {
    for (const std::string& word : words(value)) add_context(word, s);
  } else {
    return false;
  }
  return true;
}

std::vector<Case> read_cases(const fs::path& path) {
  std::vector<Case> cases;
  std::ifstream in(path);
  std::string title;
  Situation section;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (line.starts_with("== ")) {
      title = line.substr(3);
      section = Situation{};
      section.caller = user(kOwn, "alice");
      continue;
    }
    // A long value goes on in indented lines.
    while (in.peek() == ' ') {
      std::string more;
      std::getline(in, more);
      ++number;
      line += more.substr(more.find_first_not_of(' '));
    }
    if (set_up(line, section)) continue;
    const std::vector<std::string> w = words(line);
    if (w.size() < 3) throw std::runtime_error(path.string() + ":" + std::to_string(number) + ": no case: " + line);
    Case c{path.stem().string(), title, w[0], number, section};
    c.situation.action = w[1];
    c.situation.resource = w[2];
    for (size_t i = 3; i < w.size(); ++i) add_context(w[i], c.situation);
    cases.push_back(std::move(c));
  }
  return cases;
}

std::vector<Case> all_cases() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(__FILE__).parent_path() / "matrix")) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Case> all;
  for (const fs::path& file : files) {
    std::vector<Case> cases = read_cases(file);
    std::move(cases.begin(), cases.end(), std::back_inserter(all));
  }
  return all;
}

class Matrix : public ::testing::TestWithParam<Case> {};

TEST_P(Matrix, DecidesAsTheTableSays) {
  const Case& c = GetParam();
  SCOPED_TRACE(c.title + "\n" + describe(c.situation));

  EXPECT_EQ(describe(decide(c.situation)), c.expected) << c.file << ".txt:" << c.line;
}

INSTANTIATE_TEST_SUITE_P(Tables, Matrix, ::testing::ValuesIn(all_cases()),
                         [](const auto& test) { return test.param.file + "_" + std::to_string(test.param.line); });

// The tables are the promise; losing one must not go unnoticed.
TEST(MatrixTables, HoldThreeHundredCases) { EXPECT_GE(all_cases().size(), 300U); }

}  // namespace
}  // namespace coffer::policy::testing
