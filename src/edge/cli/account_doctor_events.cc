// Rules, the functions that they call, vaults and plans.
#include <algorithm>
#include <map>

#include "edge/cli/account_findings.h"
#include "edge/cli/python_source.h"
#include "edge/wire/http.h"

namespace coffer::cli {

using nlohmann::json;

namespace {

constexpr int64_t kTimeoutLow = 3;  // seconds: what a function has that nobody gave one
constexpr const char* kRetired[] = {"python2.7",  "python3.6",  "python3.7",  "python3.8",    "nodejs10.x",
                                    "nodejs12.x", "nodejs14.x", "nodejs16.x", "nodejs18.x",   "ruby2.5",
                                    "ruby2.7",    "go1.x",      "java8",      "dotnetcore3.1"};

int64_t number_of(const json& object, const char* member, int64_t otherwise) {
  const json& value = member_of(object, member);
  return value.is_number_integer() ? value.get<int64_t>() : otherwise;
}

bool holds(const json& list, std::string_view text) {
  const auto texts = texts_of(list);
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

/// "copyBackupSnapshot" of "arn:aws:lambda:us-east-2:123456789012:function:copyBackupSnapshot:alias"; "" for others.
std::string function_of_arn(const std::string& arn) {
  const size_t at = arn.find(":function:");
  if (!arn.starts_with("arn:aws:lambda:") || at == std::string::npos) return {};
  const std::string name = arn.substr(at + 10);
  return name.substr(0, name.find(':'));
}

/// A function that at least one rule calls, and whether all of those keep what they could not deliver.
struct CalledFunction {
  std::set<std::string> rules;
  bool targets_have_dead_letters = true;
};

class Rules {
 public:
  Rules(ExaminedAccount& account, Findings& findings) : account_(account), findings_(findings) {}

  bool run() {
    const auto rules = all_pages(
        [&](const std::string& token) {
          json input = json::object();
          if (!token.empty()) input["NextToken"] = token;
          return account_.api->call("events", "AWSEvents.ListRules", input);
        },
        "Rules", "NextToken");
    if (!rules.ok()) {
      findings_.could_not("rule", "listing the rules of account " + account_.id, rules.error());
      return false;
    }
    for (const json& rule : *rules) examine(rule);
    if (sees_success && !sees_failure) {
      findings_.warn("rule.no_failure", "no rule of account " + account_.id + " takes backup jobs that failed",
                     "a backup that did not happen tells nobody; it is missed on the day it is needed",
                     "add a rule on aws.backup with the states FAILED, ABORTED and EXPIRED, and a target that a "
                     "person reads");
    }
    return true;
  }

  std::map<std::string, CalledFunction> functions;
  bool sees_success = false, sees_failure = false;

 private:
  void examine(const json& rule) {
    const std::string name = text_of(rule, "Name");
    const json pattern = json::parse(text_of(rule, "EventPattern"), nullptr, false);
    const json& detail = member_of(pattern, "detail");
    const bool of_jobs = holds(member_of(pattern, "source"), "aws.backup") &&
                         (member_of(pattern, "detail-type").is_null() ||
                          holds(member_of(pattern, "detail-type"), "Backup Job State Change"));
    if (of_jobs) {
      const json& state = member_of(detail, "state");
      sees_success = sees_success || state.is_null() || holds(state, "COMPLETED");
      sees_failure = sees_failure || state.is_null() || holds(state, "FAILED");
      if (member_of(detail, "resourceType").is_null() && member_of(pattern, "resources").is_null()) {
        findings_.warn("rule.no_resource_type", "rule " + name + " takes backup jobs of every kind of resource",
                       "a recovery point of a file system or volume in the same vault reaches a function that is "
                       "written for databases, and fails there",
                       "add \"resourceType\": [\"RDS\"] to the pattern's detail");
      }
    }
    const auto targets = all_pages(
        [&](const std::string& token) {
          json input = {{"Rule", name}};
          if (!token.empty()) input["NextToken"] = token;
          return account_.api->call("events", "AWSEvents.ListTargetsByRule", input);
        },
        "Targets", "NextToken");
    if (!targets.ok()) return findings_.could_not("rule", "listing the targets of rule " + name, targets.error());
    for (const json& target : *targets) {
      const std::string function = function_of_arn(text_of(target, "Arn"));
      if (function.empty()) continue;
      CalledFunction& called = functions[function];
      called.rules.insert(name);
      if (text_of(member_of(target, "DeadLetterConfig"), "Arn").empty()) called.targets_have_dead_letters = false;
    }
  }

  ExaminedAccount& account_;
  Findings& findings_;
};

void examine_code(ExaminedAccount& account, const std::string& function, const json& code,
                  const ReadSources& read_sources, Findings& findings) {
  const auto zip = account.api->download(text_of(code, "Location"));
  if (!zip.ok()) return findings.could_not("function", "getting the code of function " + function, zip.error());
  const auto sources = read_sources(*zip);
  if (!sources.ok()) return findings.could_not("function", "reading the code of function " + function, sources.error());
  for (const auto& [name, text] : *sources) {
    for (const LoadTimeValue& value : load_time_values(text)) {
      findings.bad("function.import_time",
                   "function " + function + " computes " + value.call + "() when its module is loaded: " + name +
                       ", line " + std::to_string(value.line),
                   "a process serves many calls: the next one gets the same value, and an identifier that is made of "
                   "it is already taken, so that an export is refused and lost after two retries",
                   "compute it in the handler, from what the event is about: the job's id or the recovery point");
    }
  }
}

bool has_destination(ExaminedAccount& account, const std::string& function) {
  const auto config =
      account.api->get("lambda", "/2019-09-25/functions/" + wire::percent_encode(function) + "/event-invoke-config");
  if (!config.ok()) return false;
  return !text_of(member_of(member_of(*config, "DestinationConfig"), "OnFailure"), "Destination").empty();
}

void examine_function(ExaminedAccount& account, const std::string& name, const CalledFunction& called,
                      const ReadSources& read_sources, Findings& findings) {
  const auto got = account.api->get("lambda", "/2015-03-31/functions/" + wire::percent_encode(name));
  if (!got.ok() && got.code() == ErrorCode::kNotFound) {
    return findings.bad("function.missing",
                        "function " + name + " does not exist, and rule " + listed(called.rules) + " calls it",
                        "its events are dropped", "make the function, or remove the rule's target");
  }
  if (!got.ok()) return findings.could_not("function", "looking at function " + name, got.error());
  const json& configuration = member_of(*got, "Configuration");
  const int64_t timeout = number_of(configuration, "Timeout", kTimeoutLow);
  const std::string by = ", which rule " + listed(called.rules) + " calls,";
  if (timeout <= kTimeoutLow) {
    findings.bad("function.timeout", "function " + name + by + " has " + std::to_string(timeout) + " seconds",
                 "the first call after a pause has to load its libraries and is cut off; what it had begun by then "
                 "goes on, and the retry fails on it or does it twice",
                 "aws lambda update-function-configuration --function-name " + name + " --timeout 60");
  }
  const std::string runtime = text_of(configuration, "Runtime");
  if (std::find(std::begin(kRetired), std::end(kRetired), runtime) != std::end(kRetired)) {
    findings.warn("function.runtime", "function " + name + " runs on " + runtime + ", which is retired",
                  "nobody mends it any more, and the function can no longer be changed at AWS",
                  "move it to a runtime that is kept up");
  }
  if (!called.targets_have_dead_letters ||
      (text_of(member_of(configuration, "DeadLetterConfig"), "TargetArn").empty() && !has_destination(account, name))) {
    findings.warn("function.no_dead_letter", "what function " + name + by + " fails to do is kept nowhere",
                  "after the last retry the event is dropped, and nobody learns that an export is missing",
                  "give the rule's target a DeadLetterConfig, and the function an OnFailure destination");
  }
  if (runtime.starts_with("python")) examine_code(account, name, member_of(*got, "Code"), read_sources, findings);
}

void examine_plan(ExaminedAccount& account, const json& plan, Findings& findings) {
  const std::string name = text_of(plan, "BackupPlanName");
  const auto got =
      account.api->get("backup", "/backup/plans/" + wire::percent_encode(text_of(plan, "BackupPlanId")) + "/");
  if (!got.ok()) return findings.could_not("plan", "looking at the backup plan " + name, got.error());
  bool copies = false;
  int64_t longest = 0;
  const json& rules = member_of(member_of(*got, "BackupPlan"), "Rules");
  for (const json& rule : rules.is_array() ? rules : json::array()) {
    // A copy that stays in the account goes with it.
    for (const json& action :
         member_of(rule, "CopyActions").is_array() ? member_of(rule, "CopyActions") : json::array())
      copies = copies || text_of(action, "DestinationBackupVaultArn").find(":" + account.id + ":") == std::string::npos;
    longest = std::max(longest, number_of(member_of(rule, "Lifecycle"), "DeleteAfterDays", 36'500));
  }
  if (!copies) {
    findings.warn("plan.no_copy", "backup plan " + name + " copies nothing into another account",
                  "what can be restored as it was goes with account " + account.id + "; exports hold the rows alone",
                  "add CopyActions to its rules, with a vault of the second account");
  }
  if (longest <= 7) {
    findings.warn("plan.short_retention",
                  "backup plan " + name + " keeps nothing for longer than " + std::to_string(longest) + " days",
                  "damage that is found later than that cannot be undone",
                  "add a weekly and a monthly rule that keep their recovery points for longer");
  }
}

}  // namespace

void examine_rules(ExaminedAccount& account, const ReadSources& read_sources, Findings& findings) {
  Rules rules(account, findings);
  if (!rules.run()) return;
  for (const auto& [name, called] : rules.functions) examine_function(account, name, called, read_sources, findings);
}

void examine_vaults(ExaminedAccount& account, Findings& findings) {
  const auto pages_of = [&](std::string path) {
    return [&account, path = std::move(path)](const std::string& token) {
      return account.api->get("backup", token.empty() ? path : path + "?nextToken=" + wire::percent_encode(token));
    };
  };
  const auto vaults = all_pages(pages_of("/backup-vaults/"), "BackupVaultList", "NextToken");
  if (!vaults.ok())
    return findings.could_not("vault", "listing the backup vaults of account " + account.id, vaults.error());
  for (const json& vault : *vaults) {
    if (member_of(vault, "Locked").is_boolean() && member_of(vault, "Locked").get<bool>()) continue;
    const std::string name = text_of(vault, "BackupVaultName");
    findings.warn("vault.no_lock", "backup vault " + name + " of account " + account.id + " has no lock",
                  "whoever may delete recovery points can delete all of them, and so can whoever takes over one of "
                  "them",
                  "aws backup put-backup-vault-lock-configuration --backup-vault-name " + name +
                      " --min-retention-days 7 --changeable-for-days 3");
  }
  const auto plans = all_pages(pages_of("/backup/plans/"), "BackupPlansList", "NextToken");
  if (!plans.ok())
    return findings.could_not("plan", "listing the backup plans of account " + account.id, plans.error());
  for (const json& plan : *plans) examine_plan(account, plan, findings);
}

}  // namespace coffer::cli
