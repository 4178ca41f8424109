// Selections: which databases a plan backs up, by which role.
#include <algorithm>

#include "services/backup/plan_documents.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Plan;
using rows::Selection;

constexpr size_t kSelectionsMax = 100, kArnsMax = 500, kWildcardsMax = 30, kTagsMax = 30;

Result<Plan> plan_of(const Request& r) {
  const std::string id = r.text("BackupPlanId");
  COFFER_TRY(auto plan, rows::first<Plan>(r.t(), "WHERE id = $1", {id}));
  if (plan && plan->account == r.account() && plan->region == r.region() && !plan->deleted) return std::move(*plan);
  return not_found("Cannot find Backup plan with ID " + id);
}

Result<Selection> selection_of(const Request& r, const Plan& plan) {
  const std::string id = r.text("SelectionId");
  COFFER_TRY(auto selection, rows::first<Selection>(r.t(), "WHERE plan = $1 AND id = $2", {plan.id, id}));
  if (selection) return std::move(*selection);
  return not_found("Cannot find Backup selection with ID " + id);
}

Status check_arns(const std::vector<std::string>& arns) {
  size_t wildcards = 0;
  for (const std::string& arn : arns) {
    const bool wild = arn.find_first_of("*?") != std::string::npos;
    wildcards += wild;
    if (arn != "*" && !arn.starts_with("arn:")) return invalid("Invalid ARN: " + arn);
  }
  if (wildcards > kWildcardsMax) return invalid("A selection has at most 30 ARNs with wildcards.");
  if (arns.size() - wildcards > kArnsMax) return invalid("A selection has at most 500 ARNs.");
  return ok_status();
}

Status check(const Value& selection) {
  const std::string name(selection.text("SelectionName"));
  if (!is_name(name)) return invalid("Invalid selection name: " + name);
  if (!is_role_arn(selection.text("IamRoleArn")))
    return invalid("Invalid IAM role ARN: " + std::string(selection.text("IamRoleArn")));
  COFFER_CHECK_OK(check_arns(selection.texts("Resources")));
  COFFER_CHECK_OK(check_arns(selection.texts("NotResources")));
  size_t conditions = 0;
  if (const Value* all = selection.find("Conditions")) {
    for (const char* kind : {"StringEquals", "StringNotEquals", "StringLike", "StringNotLike"}) {
      for (const Value& one : all->list(kind)) {
        ++conditions;
        if (!one.text("ConditionKey").starts_with("aws:ResourceTag/"))
          return invalid("A ConditionKey of Conditions begins with aws:ResourceTag/: " +
                         std::string(one.text("ConditionKey")));
      }
    }
  }
  if (conditions > kTagsMax || selection.list("ListOfTags").size() > kTagsMax)
    return invalid("A selection has at most 30 tags and 30 conditions.");
  for (const Value& tag : selection.list("ListOfTags")) {
    if (tag.text("ConditionType") != "STRINGEQUALS") return invalid("The ConditionType of a tag is STRINGEQUALS.");
  }
  if (selection.list("Resources").empty() && selection.list("ListOfTags").empty() && conditions == 0)
    return invalid("A selection names resources, tags or conditions.");
  return ok_status();
}

Value created(const Selection& selection) {
  return Value::object(
      {{"SelectionId", selection.id}, {"BackupPlanId", selection.plan}, {"CreationDate", selection.created}});
}

}  // namespace

Result<Value> create_selection(const Request& r) {
  COFFER_TRY(const Plan plan, plan_of(r));
  const Value* input = r.input().find("BackupSelection");
  if (!input) return missing("BackupSelection is missing.");
  COFFER_CHECK_OK(check(*input));
  Selection selection;
  selection.plan = plan.id;
  selection.id = random_uuid(r.setting.entropy);
  selection.name = input->text("SelectionName");
  selection.role = input->text("IamRoleArn");
  selection.document = *input;
  selection.request_id = r.text("CreatorRequestId");
  selection.created = r.now();
  COFFER_TRY(const auto all, rows::select<Selection>(r.t(), "WHERE plan = $1", {plan.id}));
  for (const Selection& other : all) {
    if (!selection.request_id.empty() && other.request_id == selection.request_id) return created(other);
    if (other.name == selection.name && content_of(other.document) == content_of(selection.document))
      return already_exists("Backup selection with the same document already exists: " + other.id);
  }
  if (all.size() >= kSelectionsMax) return limit_exceeded("A backup plan has at most 100 selections.");
  const auto assumed =
      assume(r.setting, r.call().context, r.t(), selection.role, r.account(), r.region(), plan.arn(), r.now());
  if (!assumed.ok()) {
    if (assumed.code() != ErrorCode::kPermissionDenied) return assumed.error();
    return invalid("IAM Role " + selection.role + " cannot be assumed by AWS Backup");
  }
  COFFER_CHECK_OK(rows::insert(r.t(), selection));
  return created(selection);
}

Result<Value> get_selection(const Request& r) {
  COFFER_TRY(const Plan plan, plan_of(r));
  COFFER_TRY(const Selection selection, selection_of(r, plan));
  Value output = created(selection);
  output.set("BackupSelection", selection.document);
  if (!selection.request_id.empty()) output.set("CreatorRequestId", selection.request_id);
  return output;
}

Result<Value> list_selections(const Request& r) {
  COFFER_TRY(const Plan plan, plan_of(r));
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(const auto all, rows::select<Selection>(r.t(), "WHERE plan = $1 AND id > $2 ORDER BY id LIMIT $3",
                                                     {plan.id, page.after, static_cast<int64_t>(page.limit) + 1}));
  Value output = Value::object();
  api::List list;
  for (const Selection& selection : all) {
    if (list.size() == page.limit) {
      COFFER_CHECK_OK(set_next(r, output, all[page.limit - 1].id));
      break;
    }
    Value member = created(selection);
    member.set("SelectionName", selection.name);
    member.set("IamRoleArn", selection.role);
    if (!selection.request_id.empty()) member.set("CreatorRequestId", selection.request_id);
    list.push_back(std::move(member));
  }
  output.set("BackupSelectionsList", std::move(list));
  return output;
}

Result<Value> delete_selection(const Request& r) {
  COFFER_TRY(const Plan plan, plan_of(r));
  COFFER_TRY(const Selection selection, selection_of(r, plan));
  COFFER_CHECK_OK(rows::remove(r.t(), selection));
  return Value::object();
}

}  // namespace coffer::backup
