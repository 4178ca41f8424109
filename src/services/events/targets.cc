// Targets of rules: what they may be and how many.
#include "services/api/fault.h"
#include "services/events/input.h"
#include "services/events/operations.h"

namespace coffer::events {
namespace {

using api::Value;
using Kind = TargetKind::Kind;

/// Parameters of kinds of targets that this installation does not have.
constexpr const char* kForeignParameters[] = {
    "KinesisParameters", "RunCommandParameters",   "EcsParameters",     "BatchParameters",
    "SqsParameters",     "RedshiftDataParameters", "AppSyncParameters", "SageMakerPipelineParameters"};

Error wrong_parameter(const std::string& value, const std::string& reason) {
  return validation("Parameter " + value + " is not valid. Reason: " + reason);
}

/// Queues do not exist here: a bucket or a log group takes their place.
Status check_dead_letters(const Value& target) {
  const Value* config = target.find("DeadLetterConfig");
  if (!config || config->text("Arn").empty()) return ok_status();
  const std::string text(config->text("Arn"));
  const auto arn = parse_arn(text);
  if (!arn) return wrong_parameter(text, "Provided Arn is not in correct format.");
  const bool bucket = arn->service == "s3" && arn->region.empty() && arn->account.empty();
  if (bucket || (arn->service == "logs" && arn->resource.starts_with("log-group:"))) return ok_status();
  return wrong_parameter(text,
                         "Dead letters are kept by the installation; besides, they can go to an S3 bucket or a log "
                         "group, not to another service.");
}

Status check_target(const Request& r, const Value& target) {
  const std::string text(target.text("Arn")), id(target.text("Id"));
  if (!parse_arn(text)) return wrong_parameter(text, "Provided Arn is not in correct format.");
  const auto kind = parse_target(text);
  if (!kind) return wrong_parameter(text, "Targets of this kind are not supported.");
  for (const char* member : kForeignParameters) {
    if (target.has(member)) return wrong_parameter(member, "It does not belong to the target " + id + ".");
  }
  if (target.has("HttpParameters") && kind->kind != Kind::kDestination)
    return validation("HttpParameters is not supported for target " + id + ".");
  const bool outside = kind->kind == Kind::kDestination || kind->kind == Kind::kCommand;
  const bool foreign_bus = kind->kind == Kind::kBus && kind->arn.account != r.account();
  if (outside && !target.has("RoleArn")) return validation("RoleArn is required for target " + text + ".");
  if (!outside && !foreign_bus && kind->kind != Kind::kCommand && kind->arn.account != r.account() &&
      kind->kind != Kind::kFunction)
    return wrong_parameter(text, "Provided Arn belongs to another account.");
  COFFER_CHECK_OK(check_dead_letters(target));
  return check_input(target);
}

}  // namespace

Result<Value> put_targets(const Request& r) {
  COFFER_TRY(const rows::Rule rule, existing_rule(r, rule_named(r, "Rule")));
  if (!rule.managed_by.empty() && !r.by_service())
    return api::fault(ErrorCode::kFailedPrecondition, "ManagedRuleException",
                      "Rule " + rule.name.name + " is managed by " + rule.managed_by + ".");
  for (const Value& target : r.input().list("Targets")) {
    COFFER_CHECK_OK(check_target(r, target));
    rows::Target row;
    row.rule = rule.name;
    row.id = target.text("Id");
    row.arn = target.text("Arn");
    row.settings = target;
    COFFER_CHECK_OK(rows::put_target(r.t(), row));
  }
  COFFER_TRY(const int64_t count, rows::count_targets(r.t(), rule.name));
  if (count > r.setting.options.targets_per_rule)
    return api::fault(ErrorCode::kResourceExhausted, "LimitExceededException",
                      "The requested resource exceeds the maximum number allowed.");
  COFFER_CHECK_OK(rows::touch_bus(r.t(), rule.name.bus));
  return Value::object({{"FailedEntryCount", 0}, {"FailedEntries", api::List{}}});
}

Result<Value> remove_targets(const Request& r) {
  COFFER_TRY(const rows::Rule rule, existing_rule(r, rule_named(r, "Rule")));
  if (!rule.managed_by.empty() && !r.by_service() && !r.input().flag("Force"))
    return api::fault(ErrorCode::kFailedPrecondition, "ManagedRuleException",
                      "Rule " + rule.name.name + " is managed by " + rule.managed_by + ".");
  api::List failed;
  for (const std::string& id : r.input().texts("Ids")) {
    COFFER_TRY(const auto target, rows::find_target(r.t(), rule.name, id));
    if (target) {
      COFFER_CHECK_OK(rows::remove_target(r.t(), rule.name, id));
      continue;
    }
    failed.push_back(Value::object({{"TargetId", id},
                                    {"ErrorCode", "ResourceNotFoundException"},
                                    {"ErrorMessage", "Rule " + rule.name.name + " does not have target " + id + "."}}));
  }
  COFFER_CHECK_OK(rows::touch_bus(r.t(), rule.name.bus));
  return Value::object(
      {{"FailedEntryCount", static_cast<int64_t>(failed.size())}, {"FailedEntries", std::move(failed)}});
}

Result<Value> list_targets_by_rule(const Request& r) {
  COFFER_TRY(const rows::Rule rule, existing_rule(r, rule_named(r, "Rule")));
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(auto targets, rows::list_targets(r.t(), rule.name, page.after, page.limit + 1));
  Value out = Value::object();
  end_page(
      r, page, targets, [](const rows::Target& target) { return target.id; }, out);
  api::List list;
  for (rows::Target& target : targets) list.push_back(std::move(target.settings));
  out.set("Targets", std::move(list));
  return out;
}

}  // namespace coffer::events
