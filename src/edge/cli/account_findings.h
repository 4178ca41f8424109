// For the files of account_doctor: the lines that are written, and what the checks share.
#pragma once
#include <algorithm>
#include <set>

#include "edge/cli/account_doctor.h"

namespace coffer::cli {

using Level = jobs::DoctorLine::Level;

class Findings {
 public:
  void good(std::string id, std::string what) {
    lines_.push_back({Level::kGood, std::move(id), std::move(what), {}, {}});
  }
  void warn(std::string id, std::string what, std::string why, std::string next) {
    lines_.push_back({Level::kWarning, std::move(id), std::move(what), std::move(why), std::move(next)});
  }
  void bad(std::string id, std::string what, std::string why, std::string next) {
    lines_.push_back({Level::kBad, std::move(id), std::move(what), std::move(why), std::move(next)});
  }
  void could_not(std::string id, const std::string& doing, const Error& error) {
    warn(std::move(id), doing + " failed: " + error.message, "what cannot be looked at may be wrong",
         error.code == ErrorCode::kPermissionDenied ? "use the credentials of an administrator" : error.next_step);
  }
  [[nodiscard]] size_t trouble() const {
    return static_cast<size_t>(std::count_if(lines_.begin(), lines_.end(),
                                             [](const jobs::DoctorLine& line) { return line.level != Level::kGood; }));
  }
  std::vector<jobs::DoctorLine> take() { return std::move(lines_); }

 private:
  std::vector<jobs::DoctorLine> lines_;
};

void examine_keys(ExaminedAccount& account, Findings& findings);
void examine_roles(ExaminedAccount& account, Findings& findings);
void examine_rules(ExaminedAccount& account, const ReadSources& read_sources, Findings& findings);
void examine_buckets(ExaminedAccount& account, std::vector<ExaminedAccount>& all, Findings& findings);
void examine_vaults(ExaminedAccount& account, Findings& findings);

// JSON of answers and policies, in which anything may be missing.
std::string text_of(const nlohmann::json& object, const char* member);
const nlohmann::json& member_of(const nlohmann::json& object, const char* member);
/// A string, or a list of them.
std::vector<std::string> texts_of(const nlohmann::json& value);
/// The statements of a policy that allow something.
std::vector<nlohmann::json> allowing_statements(const nlohmann::json& policy);
/// Does a statement's Action take this one?
bool allows_action(const nlohmann::json& statement, std::string_view action);
/// "a, b and c"
std::string listed(const std::set<std::string>& names);
/// All items of a paged list: `member` of the answers of `ask`, which gets the `token` member of the one before.
Result<std::vector<nlohmann::json>> all_pages(const std::function<Result<nlohmann::json>(const std::string&)>& ask,
                                              const char* member, const char* token);

}  // namespace coffer::cli
