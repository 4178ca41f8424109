#include "services/backup/plan_documents.h"

#include <algorithm>
#include <set>

#include "services/api/value_json.h"

namespace coffer::backup {
namespace {

using api::Value;

constexpr size_t kRulesMax = 10, kCopiesMax = 5;
constexpr int64_t kContinuousDaysMax = 35;

Status check_window(const Value& rule, const char* member, std::chrono::minutes least) {
  const auto minutes = rule.integer(member);
  if (!minutes || (*minutes >= least.count() && *minutes <= kWindowMax.count())) return ok_status();
  return invalid("Invalid " + std::string(member) + " of rule " + std::string(rule.text("RuleName")) + ".");
}

Status check_copy(const Value& copy) {
  const auto vault = parse_arn(copy.text("DestinationBackupVaultArn"));
  if (!vault || vault->service != "backup" || !vault->resource.starts_with("backup-vault:"))
    return invalid("Invalid ARN of a destination backup vault: " + std::string(copy.text("DestinationBackupVaultArn")));
  const Value* lifecycle = copy.find("Lifecycle");
  return lifecycle ? check_lifecycle(*lifecycle) : ok_status();
}

Status check_rule(const Value& rule) {
  const std::string name(rule.text("RuleName"));
  if (!is_name(name)) return invalid("Invalid rule name: " + name);
  if (!is_name(rule.text("TargetBackupVaultName")))
    return invalid("Invalid TargetBackupVaultName of rule " + name + ".");
  const auto timing = timing_of(rule, {});
  if (!timing.ok()) return invalid(timing.error().message);
  COFFER_CHECK_OK(check_window(rule, "StartWindowMinutes", kStartWindowMin));
  COFFER_CHECK_OK(check_window(rule, "CompletionWindowMinutes", std::chrono::minutes(1)));
  const Value* lifecycle = rule.find("Lifecycle");
  if (lifecycle) COFFER_CHECK_OK(check_lifecycle(*lifecycle));
  if (rule.flag("EnableContinuousBackup")) {
    const auto days = delete_after_days(lifecycle);
    if (!days || *days > kContinuousDaysMax)
      return invalid("Continuous backups are kept for 1 to 35 days: DeleteAfterDays of rule " + name + ".");
    if (lifecycle->integer("MoveToColdStorageAfterDays").value_or(0) > 0)
      return invalid("Continuous backups have no cold storage: rule " + name + ".");
  }
  COFFER_CHECK_OK(check_tags(rule.text_map("RecoveryPointTags")));
  if (rule.list("CopyActions").size() > kCopiesMax) return invalid("A rule has at most 5 copy actions.");
  for (const Value& copy : rule.list("CopyActions")) COFFER_CHECK_OK(check_copy(copy));
  return ok_status();
}

void append_sorted(const Value& value, std::string& out) {
  if (value.is_object()) {
    std::vector<std::pair<std::string, const Value*>> members;
    for (const auto& [name, member] : value.entries()) {
      if (name != "RuleId") members.emplace_back(name, &member);
    }
    std::sort(members.begin(), members.end());
    out += '{';
    for (const auto& [name, member] : members) {
      out += api::to_json(Value(name)) + ':';
      append_sorted(*member, out);
    }
    out += '}';
  } else if (value.is_list()) {
    out += '[';
    for (const Value& item : value.items()) append_sorted(item, out), out += ',';
    out += ']';
  } else {
    out += api::to_json(value);
  }
}

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 50 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_' || c == '.';
  });
}

bool is_role_arn(std::string_view text) {
  const auto arn = parse_arn(text);
  return arn && arn->service == "iam" && arn->region.empty() && arn->account.size() == 12 &&
         arn->resource.starts_with("role/") && arn->resource.size() > 5;
}

Status check_plan(const Value& plan) {
  const std::string name(plan.text("BackupPlanName"));
  if (!is_name(name)) return invalid("Invalid backup plan name: " + name);
  const api::List& rules = plan.list("Rules");
  if (rules.empty() || rules.size() > kRulesMax) return invalid("A backup plan has 1 to 10 rules.");
  std::set<std::string_view> names;
  for (const Value& rule : rules) {
    COFFER_CHECK_OK(check_rule(rule));
    if (!names.insert(rule.text("RuleName")).second)
      return invalid("Rule names of a backup plan must be unique: " + std::string(rule.text("RuleName")));
  }
  return ok_status();
}

Value complete_plan(const Value& plan, const Value* earlier, Entropy& entropy) {
  Value whole = plan;
  api::List rules;
  for (Value rule : plan.list("Rules")) {
    if (rule.text("ScheduleExpression").empty()) rule.set("ScheduleExpression", kDefaultSchedule);
    if (rule.text("ScheduleExpressionTimezone").empty()) rule.set("ScheduleExpressionTimezone", "Etc/UTC");
    if (!rule.has("StartWindowMinutes")) rule.set("StartWindowMinutes", kStartWindow.count());
    if (!rule.has("CompletionWindowMinutes")) rule.set("CompletionWindowMinutes", kCompletionWindow.count());
    if (!rule.has("EnableContinuousBackup")) rule.set("EnableContinuousBackup", false);
    std::string id;
    if (earlier) {
      for (const Value& old : earlier->list("Rules")) {
        if (old.text("RuleName") == rule.text("RuleName")) id = old.text("RuleId");
      }
    }
    rule.set("RuleId", id.empty() ? random_uuid(entropy) : id);
    rules.push_back(std::move(rule));
  }
  whole.set("Rules", std::move(rules));
  return whole;
}

std::string content_of(const Value& plan) {
  std::string out;
  append_sorted(plan, out);
  return out;
}

Result<Timing> timing_of(const Value& rule, WallTime anchor) {
  const auto or_default = [&](const char* member, std::chrono::minutes otherwise) {
    return std::chrono::minutes(rule.integer(member).value_or(otherwise.count()));
  };
  std::string expression(rule.text("ScheduleExpression"));
  if (expression.empty()) expression = kDefaultSchedule;
  COFFER_TRY(schedule::Schedule schedule, schedule::Schedule::parse(expression));
  if (schedule.kind() == schedule::Schedule::Kind::kAt)
    return Error{ErrorCode::kInvalidArgument, "A backup rule takes a cron expression: " + expression, {}};
  COFFER_TRY(schedule::Zone zone, schedule::Zone::find(rule.text("ScheduleExpressionTimezone")));
  return Timing{std::move(schedule), std::move(zone), anchor, or_default("StartWindowMinutes", kStartWindow),
                or_default("CompletionWindowMinutes", kCompletionWindow)};
}

const Value* rule_of(const Value& plan, std::string_view rule_id) {
  for (const Value& rule : plan.list("Rules")) {
    if (rule.text("RuleId") == rule_id) return &rule;
  }
  return nullptr;
}

}  // namespace coffer::backup
