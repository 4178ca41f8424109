#include "edge/cli/account_doctor.h"

#include <algorithm>

#include "edge/cli/account_findings.h"
#include "services/policy/document.h"

namespace coffer::cli {

using nlohmann::json;

namespace {

constexpr int kPagesMax = 200;

}  // namespace

const json& member_of(const json& object, const char* member) {
  static const json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(member);
  return found == object.end() ? kNothing : *found;
}

std::string text_of(const json& object, const char* member) {
  const json& value = member_of(object, member);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::vector<std::string> texts_of(const json& value) {
  if (value.is_string()) return {value.get<std::string>()};
  std::vector<std::string> texts;
  if (!value.is_array()) return texts;
  for (const json& item : value) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

std::vector<json> allowing_statements(const json& policy) {
  const json& statements = member_of(policy, "Statement");
  std::vector<json> allowing;
  const auto add = [&](const json& statement) {
    if (text_of(statement, "Effect") == "Allow") allowing.push_back(statement);
  };
  if (statements.is_array()) {
    std::for_each(statements.begin(), statements.end(), add);
  } else {
    add(statements);
  }
  return allowing;
}

bool allows_action(const json& statement, std::string_view action) {
  const auto patterns = texts_of(member_of(statement, "Action"));
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return policy::glob_match(pattern, action, true); });
}

std::string listed(const std::set<std::string>& names) {
  std::string text;
  size_t left = names.size();
  for (const std::string& name : names) {
    text += name;
    if (--left > 0) text += left == 1 ? " and " : ", ";
  }
  return text;
}

Result<std::vector<json>> all_pages(const std::function<Result<json>(const std::string&)>& ask, const char* member,
                                    const char* token) {
  std::vector<json> items;
  std::string next;
  for (int page = 0; page < kPagesMax; ++page) {
    COFFER_TRY(const json answer, ask(next));
    const json& list = member_of(answer, member);
    if (list.is_array()) items.insert(items.end(), list.begin(), list.end());
    next = text_of(answer, token);
    if (next.empty()) break;
  }
  return items;
}

std::vector<jobs::DoctorLine> examine_accounts(std::vector<ExaminedAccount>& accounts,
                                               const ReadSources& read_sources) {
  Findings findings;
  std::vector<ExaminedAccount*> known;
  for (ExaminedAccount& account : accounts) {
    const auto identity = account.api->query("sts", "GetCallerIdentity", {});
    if (!identity.ok()) {
      findings.could_not("account", "asking who the profile " + account.profile + " is", identity.error());
      continue;
    }
    account.id = identity->text_of("Account");
    known.push_back(&account);
  }
  for (ExaminedAccount* account : known) {
    const size_t before = findings.trouble();
    examine_keys(*account, findings);
    examine_roles(*account, findings);
    examine_rules(*account, read_sources, findings);
    examine_buckets(*account, accounts, findings);
    examine_vaults(*account, findings);
    if (findings.trouble() == before)
      findings.good("account", "account " + account->id +
                                   ": nothing is wrong with its keys, roles, rules, functions, buckets and vaults");
  }
  return findings.take();
}

}  // namespace coffer::cli
