// Rules: which events, or when, and whether.
#include "services/api/fault.h"
#include "services/events/operations.h"

namespace coffer::events {
namespace {

using api::Value;

Value described(const rows::Rule& rule) {
  Value out = Value::object({{"Name", rule.name.name}, {"Arn", rule.name.arn()}});
  const std::pair<const char*, const std::string*> members[] = {
      {"EventPattern", &rule.pattern},        {"State", &rule.state},  {"Description", &rule.description},
      {"ScheduleExpression", &rule.schedule}, {"RoleArn", &rule.role}, {"ManagedBy", &rule.managed_by}};
  for (const auto& [name, text] : members) {
    if (!text->empty()) out.set(name, *text);
  }
  out.set("EventBusName", rule.name.bus.name);
  return out;
}

Status check_managed(const Request& r, const rows::Rule& rule) {
  if (rule.managed_by.empty() || r.by_service() || r.input().flag("Force")) return ok_status();
  return api::fault(ErrorCode::kFailedPrecondition, "ManagedRuleException",
                    "Rule " + rule.name.name + " is managed by " + rule.managed_by + ".");
}

Status change_state(const Request& r, const std::string& state) {
  COFFER_TRY(rows::Rule rule, existing_rule(r, rule_named(r, "Name")));
  COFFER_CHECK_OK(check_managed(r, rule));
  if ((state == "DISABLED") == !rule.enabled()) return ok_status();
  rule.state = state;
  rule.anchor = r.now();
  rule.next_run = rule.enabled() && !rule.schedule.empty() ? next_run(rule.schedule, r.now(), r.now()) : std::nullopt;
  COFFER_CHECK_OK(rows::put_rule(r.t(), rule));
  return rows::touch_bus(r.t(), rule.name.bus);
}

}  // namespace

Result<Value> put_rule(const Request& r) {
  rows::Rule rule;
  rule.name = rule_named(r, "Name");
  rule.pattern = r.text("EventPattern");
  rule.schedule = r.text("ScheduleExpression");
  if (rule.pattern.empty() && rule.schedule.empty())
    return validation("Parameter(s) EventPattern or ScheduleExpression must be specified.");
  if (!rule.schedule.empty()) {
    if (!rule.name.bus.is_default())
      return validation("ScheduleExpression is supported only on the default event bus.");
    COFFER_CHECK_OK(check_schedule(rule.schedule));
  }
  if (!rule.pattern.empty()) COFFER_CHECK_OK(parse_pattern(rule.pattern));
  COFFER_CHECK_OK(bus_to_change(r, rule.name.bus));
  COFFER_TRY(const auto old, rows::find_rule(r.t(), rule.name));
  if (old) {
    COFFER_CHECK_OK(check_managed(r, *old));
  } else {
    COFFER_TRY(const int64_t count, rows::count_rules(r.t(), rule.name.bus));
    if (count >= r.setting.options.rules_per_bus)
      return api::fault(ErrorCode::kResourceExhausted, "LimitExceededException",
                        "The requested resource exceeds the maximum number allowed.");
  }
  if (r.input().has("State")) rule.state = r.text("State");
  rule.description = r.text("Description");
  rule.role = r.text("RoleArn");
  rule.managed_by = old ? old->managed_by : r.by_service() ? r.call().caller.arn : "";
  rule.created_by = old ? old->created_by : r.account();
  rule.created = old ? old->created : r.now();
  rule.anchor = r.now();
  if (!rule.schedule.empty() && rule.enabled()) {
    const bool goes_on = old && old->enabled() && old->schedule == rule.schedule;
    rule.anchor = goes_on ? old->anchor : r.now();
    rule.next_run = goes_on ? old->next_run : next_run(rule.schedule, r.now(), r.now());
  }
  COFFER_CHECK_OK(rows::put_rule(r.t(), rule));
  COFFER_CHECK_OK(rows::touch_bus(r.t(), rule.name.bus));
  if (!old) COFFER_CHECK_OK(put_tags(r, rule.name.arn()));
  return Value::object({{"RuleArn", rule.name.arn()}});
}

Result<Value> describe_rule(const Request& r) {
  COFFER_TRY(const rows::Rule rule, existing_rule(r, rule_named(r, "Name")));
  Value out = described(rule);
  out.set("CreatedBy", rule.created_by);
  return out;
}

Result<Value> list_rules(const Request& r) {
  const BusName bus = bus_named(r, r.input().text("EventBusName"));
  COFFER_CHECK_OK(existing_bus(r, bus));
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(auto rules, rows::list_rules(r.t(), bus, r.input().text("NamePrefix"), page.after, page.limit + 1));
  Value out = Value::object();
  end_page(
      r, page, rules, [](const rows::Rule& rule) { return rule.name.name; }, out);
  api::List list;
  for (const rows::Rule& rule : rules) list.push_back(described(rule));
  out.set("Rules", std::move(list));
  return out;
}

Result<Value> list_rule_names_by_target(const Request& r) {
  const BusName bus = bus_named(r, r.input().text("EventBusName"));
  COFFER_CHECK_OK(existing_bus(r, bus));
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(auto names, rows::rules_of_target(r.t(), bus, r.input().text("TargetArn"), page.after, page.limit + 1));
  Value out = Value::object();
  end_page(
      r, page, names, [](const std::string& name) { return name; }, out);
  out.set("RuleNames", api::text_list(names));
  return out;
}

Result<Value> enable_rule(const Request& r) {
  COFFER_CHECK_OK(change_state(r, "ENABLED"));
  return Value::object();
}
Result<Value> disable_rule(const Request& r) {
  COFFER_CHECK_OK(change_state(r, "DISABLED"));
  return Value::object();
}

Result<Value> delete_rule(const Request& r) {
  const RuleName name = rule_named(r, "Name");
  COFFER_CHECK_OK(existing_bus(r, name.bus));
  COFFER_TRY(const auto rule, rows::find_rule(r.t(), name));
  if (!rule) return Value::object();
  COFFER_CHECK_OK(check_managed(r, *rule));
  COFFER_TRY(const int64_t targets, rows::count_targets(r.t(), name));
  if (targets > 0) return validation("Rule can't be deleted since it has targets.");
  COFFER_CHECK_OK(rows::remove_rule(r.t(), name));
  COFFER_CHECK_OK(rows::remove_tags(r.t(), name.arn()));
  COFFER_CHECK_OK(rows::touch_bus(r.t(), name.bus));
  return Value::object();
}

}  // namespace coffer::events
