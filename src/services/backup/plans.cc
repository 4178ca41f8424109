// Plans: made, changed (every change is a version), shown, deleted; as templates.
#include <boost/json.hpp>

#include "base/base64.h"
#include "services/backup/events.h"
#include "services/backup/plan_documents.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Plan;
using rows::PlanVersion;

constexpr int64_t kPlansMax = 300, kVersionsMax = 2'000, kTemplateSizeMax = 256 * 1024;
constexpr int kTemplateDepthMax = 16;

/// AWS's form: a UUID in base64, 48 characters.
std::string new_version(Entropy& entropy) { return base64_encode(as_bytes(random_uuid(entropy))); }

Result<Plan> plan_of(const Request& r, bool deleted_too = false) {
  const std::string id = r.text("BackupPlanId");
  COFFER_TRY(auto plan, rows::first<Plan>(r.t(), "WHERE id = $1", {id}));
  if (plan && plan->account == r.account() && plan->region == r.region() && (deleted_too || !plan->deleted))
    return std::move(*plan);
  return not_found("Cannot find Backup plan with ID " + id);
}

Result<PlanVersion> version_of(const Request& r, const Plan& plan) {
  COFFER_TRY(auto version, rows::find_version(r.t(), plan.id, r.text("VersionId")));
  if (version) return std::move(*version);
  return not_found("Cannot find version " + r.text("VersionId") + " of Backup plan " + plan.id);
}

Value answer(const Plan& plan, const Value& document, WallTime created) {
  Value output = Value::object({{"BackupPlanId", plan.id},
                                {"BackupPlanArn", plan.arn()},
                                {"CreationDate", created},
                                {"VersionId", plan.version}});
  if (const Value* settings = document.find("AdvancedBackupSettings")) output.set("AdvancedBackupSettings", *settings);
  return output;
}

Result<std::optional<Plan>> same_content(const Request& r, const std::string& content, std::string_view except) {
  return rows::first<Plan>(
      r.t(), "WHERE account = $1 AND region = $2 AND content = $3 AND deleted IS NULL AND id <> $4 LIMIT 1",
      {r.account(), r.region(), content, except});
}

Status store_version(const Request& r, const Plan& plan, int64_t number, const Value& document) {
  return rows::insert(r.t(), PlanVersion{plan.id, number, plan.version, document, r.now()});
}

Value list_member(const Plan& plan, const PlanVersion& version) {
  Value value = Value::object({{"BackupPlanArn", plan.arn()},
                               {"BackupPlanId", plan.id},
                               {"CreationDate", version.created},
                               {"VersionId", version.version},
                               {"BackupPlanName", version.document.text("BackupPlanName")}});
  if (plan.deleted) value.set("DeletionDate", *plan.deleted);
  if (plan.executed) value.set("LastExecutionDate", *plan.executed);
  if (!plan.request_id.empty()) value.set("CreatorRequestId", plan.request_id);
  if (const Value* settings = version.document.find("AdvancedBackupSettings"))
    value.set("AdvancedBackupSettings", *settings);
  return value;
}

Result<api::List> runs_preview(const Plan& plan, const Value& document, WallTime now, size_t count) {
  struct Planned {
    WallTime at;
    std::string rule;
  };
  std::vector<Planned> planned;
  for (const Value& rule : document.list("Rules")) {
    COFFER_TRY(const Timing timing, timing_of(rule, plan.created));
    WallTime at = now;
    for (size_t i = 0; i < count; ++i) {
      const auto next = timing.schedule.next(at, timing.zone, timing.anchor);
      if (!next) break;
      planned.push_back({*next, std::string(rule.text("RuleId"))});
      at = *next;
    }
  }
  std::stable_sort(planned.begin(), planned.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  api::List list;
  for (const Planned& run : planned) {
    if (list.size() == count) break;
    list.push_back(
        Value::object({{"ExecutionTime", run.at}, {"RuleId", run.rule}, {"RuleExecutionType", "SNAPSHOTS"}}));
  }
  return list;
}

/// Templates are JSON as the wire has it: plain text, numbers and lists.
boost::json::value to_template(const Value& value) {
  if (value.is_object()) {
    boost::json::object object;
    for (const auto& [name, member] : value.entries()) object[name] = to_template(member);
    return object;
  }
  if (value.is_list()) {
    boost::json::array array;
    for (const Value& item : value.items()) array.push_back(to_template(item));
    return array;
  }
  if (const auto* text = value.get_if<std::string>()) return boost::json::string(*text);
  if (const auto* number = value.get_if<int64_t>()) return *number;
  if (const auto* flag = value.get_if<bool>()) return *flag;
  if (const auto* fraction = value.get_if<double>()) return *fraction;
  return nullptr;
}
Value from_template(const boost::json::value& json) {
  if (const auto* object = json.if_object()) {
    Value value = Value::object();
    for (const auto& [name, member] : *object) value.set(std::string_view(name), from_template(member));
    return value;
  }
  if (const auto* array = json.if_array()) {
    api::List list;
    for (const auto& item : *array) list.push_back(from_template(item));
    return list;
  }
  if (const auto* text = json.if_string()) return std::string_view(*text);
  if (const auto* number = json.if_int64()) return *number;
  if (const auto* flag = json.if_bool()) return *flag;
  if (const auto* fraction = json.if_double()) return *fraction;
  return {};
}

}  // namespace

Status set_rule_clocks(catalog::Transaction& t, const Plan& plan, const Value& document, WallTime now) {
  COFFER_CHECK_OK(t.run("DELETE FROM backup_rule_clocks WHERE plan = $1", {plan.id}));
  for (const Value& rule : document.list("Rules")) {
    COFFER_TRY(const Timing timing, timing_of(rule, plan.created));
    COFFER_CHECK_OK(rows::insert(t, rows::RuleClock{plan.id, std::string(rule.text("RuleId")), now,
                                                    timing.schedule.next(now, timing.zone, timing.anchor)}));
  }
  return ok_status();
}

Result<Value> create_plan(const Request& r) {
  const Value* input = r.input().find("BackupPlan");
  if (!input) return missing("BackupPlan is missing.");
  COFFER_CHECK_OK(check_plan(*input));
  const auto tags = r.input().text_map("BackupPlanTags");
  COFFER_CHECK_OK(check_tags(tags));
  const std::string request_id = r.text("CreatorRequestId");
  if (!request_id.empty()) {
    if (!is_name(request_id)) return invalid("Invalid CreatorRequestId.");
    COFFER_TRY(const auto there, rows::first<Plan>(r.t(),
                                                   "WHERE account = $1 AND region = $2 AND request_id = $3 AND "
                                                   "deleted IS NULL LIMIT 1",
                                                   {r.account(), r.region(), request_id}));
    if (there) {
      COFFER_TRY(const auto version, rows::find_version(r.t(), there->id, ""));
      return answer(*there, version ? version->document : Value(), there->created);
    }
  }
  Plan plan;
  plan.id = random_uuid(r.setting.entropy);
  plan.account = r.account();
  plan.region = r.region();
  plan.name = input->text("BackupPlanName");
  plan.version = new_version(r.setting.entropy);
  plan.request_id = request_id;
  plan.created = plan.changed = r.now();
  const Value document = complete_plan(*input, nullptr, r.setting.entropy);
  plan.content = content_of(document);
  COFFER_TRY(const auto twin, same_content(r, plan.content, ""));
  if (twin) return already_exists("Backup plan with the same plan document already exists: " + twin->arn());
  COFFER_TRY(const auto count,
             r.t().first("SELECT COUNT(*) FROM backup_plans WHERE account = $1 AND region = $2 AND deleted IS NULL",
                         {r.account(), r.region()}));
  if (count->integer(0) >= kPlansMax) return limit_exceeded("An account has at most 300 backup plans in a Region.");
  COFFER_CHECK_OK(make_page_key(r));
  COFFER_CHECK_OK(rows::insert(r.t(), plan));
  COFFER_CHECK_OK(store_version(r, plan, 1, document));
  COFFER_CHECK_OK(set_rule_clocks(r.t(), plan, document, r.now()));
  COFFER_CHECK_OK(rows::put_tags(r.t(), plan.arn(), tags));
  COFFER_CHECK_OK(tell_plan(r.t(), r.setting.entropy, plan, "CREATED", r.now()));
  return answer(plan, document, plan.created);
}

Result<Value> update_plan(const Request& r) {
  COFFER_TRY(Plan plan, plan_of(r));
  const Value* input = r.input().find("BackupPlan");
  if (!input) return missing("BackupPlan is missing.");
  COFFER_CHECK_OK(check_plan(*input));
  COFFER_TRY(const auto current, rows::find_version(r.t(), plan.id, ""));
  if (!current) return Error{ErrorCode::kCorruption, "plan " + plan.id + " has no version", {}};
  if (current->number >= kVersionsMax) return invalid("A backup plan has at most 2000 versions.");
  // What has come due until now is still the old version's.
  COFFER_CHECK_OK(run_plan(r.setting, r.call().context, r.t(), plan.id, r.now()));
  COFFER_TRY(plan, plan_of(r));
  const Value document = complete_plan(*input, &current->document, r.setting.entropy);
  plan.name = input->text("BackupPlanName");
  plan.version = new_version(r.setting.entropy);
  plan.content = content_of(document);
  plan.changed = r.now();
  COFFER_CHECK_OK(rows::update(r.t(), plan));
  COFFER_CHECK_OK(store_version(r, plan, current->number + 1, document));
  COFFER_CHECK_OK(set_rule_clocks(r.t(), plan, document, r.now()));
  COFFER_CHECK_OK(tell_plan(r.t(), r.setting.entropy, plan, "MODIFIED", r.now()));
  return answer(plan, document, r.now());
}

Result<Value> get_plan(const Request& r) {
  // A deleted plan is shown only to who names one of its versions.
  COFFER_TRY(const Plan plan, plan_of(r, !r.text("VersionId").empty()));
  COFFER_TRY(const PlanVersion version, version_of(r, plan));
  Value output = Value::object({{"BackupPlan", version.document},
                                {"BackupPlanId", plan.id},
                                {"BackupPlanArn", plan.arn()},
                                {"VersionId", version.version},
                                {"CreationDate", version.created}});
  if (!plan.request_id.empty()) output.set("CreatorRequestId", plan.request_id);
  if (plan.deleted) output.set("DeletionDate", *plan.deleted);
  if (plan.executed) output.set("LastExecutionDate", *plan.executed);
  if (const Value* settings = version.document.find("AdvancedBackupSettings"))
    output.set("AdvancedBackupSettings", *settings);
  const int64_t runs = r.input().integer("MaxScheduledRunsPreview").value_or(0);
  if (runs < 0 || runs > 10) return invalid("MaxScheduledRunsPreview must be between 0 and 10.");
  if (runs > 0 && !plan.deleted) {
    COFFER_TRY(api::List preview, runs_preview(plan, version.document, r.now(), static_cast<size_t>(runs)));
    output.set("ScheduledRunsPreview", std::move(preview));
  }
  return output;
}

Result<Value> delete_plan(const Request& r) {
  COFFER_TRY(Plan plan, plan_of(r));
  COFFER_TRY(const auto selection, r.t().first("SELECT id FROM backup_selections WHERE plan = $1 LIMIT 1", {plan.id}));
  if (selection) return refused("Related backup plan selections must be deleted prior to backup plan deletion");
  plan.deleted = r.now();
  COFFER_CHECK_OK(rows::update(r.t(), plan));
  COFFER_CHECK_OK(r.t().run("DELETE FROM backup_rule_clocks WHERE plan = $1", {plan.id}));
  COFFER_CHECK_OK(rows::remove_tags(r.t(), plan.arn()));
  COFFER_CHECK_OK(tell_plan(r.t(), r.setting.entropy, plan, "DELETED", r.now()));
  return Value::object({{"BackupPlanId", plan.id},
                        {"BackupPlanArn", plan.arn()},
                        {"DeletionDate", *plan.deleted},
                        {"VersionId", plan.version}});
}

Result<Value> list_plans(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(const auto plans,
             rows::select<Plan>(r.t(),
                                "WHERE account = $1 AND region = $2 AND id > $3 AND ($4 = 1 OR deleted IS NULL) "
                                "ORDER BY id LIMIT $5",
                                {r.account(), r.region(), page.after, r.input().flag("IncludeDeleted"),
                                 static_cast<int64_t>(page.limit) + 1}));
  Value output = Value::object();
  api::List list;
  for (const Plan& plan : plans) {
    if (list.size() == page.limit) {
      COFFER_CHECK_OK(set_next(r, output, plans[page.limit - 1].id));
      break;
    }
    COFFER_TRY(const auto version, rows::find_version(r.t(), plan.id, ""));
    if (version) list.push_back(list_member(plan, *version));
  }
  output.set("BackupPlansList", std::move(list));
  return output;
}

Result<Value> list_plan_versions(const Request& r) {
  COFFER_TRY(const Plan plan, plan_of(r, true));
  COFFER_TRY(const Page page, page_of(r));
  const int64_t after = page.after.empty() ? 0 : open_time_key(page.after).first;
  COFFER_TRY(const auto versions,
             rows::select<PlanVersion>(r.t(), "WHERE plan = $1 AND number > $2 ORDER BY number LIMIT $3",
                                       {plan.id, after, static_cast<int64_t>(page.limit) + 1}));
  Value output = Value::object();
  api::List list;
  for (const PlanVersion& version : versions) {
    if (list.size() == page.limit) {
      COFFER_CHECK_OK(set_next(r, output, std::to_string(versions[page.limit - 1].number)));
      break;
    }
    list.push_back(list_member(plan, version));
  }
  output.set("BackupPlanVersionsList", std::move(list));
  return output;
}

Result<Value> export_plan(const Request& r) {
  COFFER_TRY(const Plan plan, plan_of(r));
  COFFER_TRY(const PlanVersion version, version_of(r, plan));
  boost::json::value document = to_template(version.document);
  for (boost::json::value& rule : document.as_object()["Rules"].as_array()) rule.as_object().erase("RuleId");
  return Value::object({{"BackupPlanTemplateJson", std::string(boost::json::serialize(document))}});
}

Result<Value> plan_from_json(const Request& r) {
  const std::string text = r.text("BackupPlanTemplateJson");
  if (text.size() > static_cast<size_t>(kTemplateSizeMax)) return limit_exceeded("The template is too long.");
  boost::system::error_code failed;
  const boost::json::value json = boost::json::parse(text, failed, {}, {.max_depth = kTemplateDepthMax});
  if (failed || !json.is_object()) return invalid("The document is not a valid backup plan template.");
  const Value plan = from_template(json);
  COFFER_CHECK_OK(check_plan(plan));
  return Value::object({{"BackupPlan", complete_plan(plan, nullptr, r.setting.entropy)}});
}

Result<Value> plan_from_template(const Request& r) {
  return not_found("Cannot find Backup plan template with ID " + r.text("BackupPlanTemplateId"));
}

Result<Value> list_plan_templates(const Request&) { return Value::object({{"BackupPlanTemplatesList", api::List()}}); }

}  // namespace coffer::backup
