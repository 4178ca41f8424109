// Resource policies: who else may invoke a function.
#include <algorithm>
#include <boost/json.hpp>

#include "services/api/fault.h"
#include "services/lambda/operations.h"
#include "services/policy/document.h"

namespace coffer::lambda {
namespace {

namespace json = boost::json;
using api::Value;

constexpr size_t kPolicySizeMax = 20'480;

/// Statements hang on the function, a version or an alias. $LATEST has those of the function.
std::string policy_qualifier(const Target& target) { return target.qualifier == "$LATEST" ? "" : target.qualifier; }

Error no_resource() { return not_found("The resource you requested does not exist."); }

Result<Target> existing_target(const Request& r) {
  COFFER_TRY(Target target, target_of(r));
  if (target.qualifier == "$LATEST")
    return invalid_parameter("We currently do not support adding policies for $LATEST.");
  if (target.qualifier.empty()) {
    COFFER_CHECK_OK(function_of(r.t(), target.key));
  } else {
    COFFER_CHECK_OK(resolve(r.t(), target, r.setting.entropy));
  }
  return target;
}

Result<json::value> principal_of(const Request& r) {
  const std::string principal = r.text("Principal");
  if (principal == "*") return json::value("*");
  if (is_number(principal) && principal.size() == 12)
    return json::value(json::object{{"AWS", "arn:aws:iam::" + principal + ":root"}});
  if (principal.starts_with("arn:aws:")) {
    COFFER_TRY(const bool known, r.setting.authority.principal_exists(r.t(), principal));
    if (!known)
      return invalid_parameter("The provided principal was invalid. Please check the principal and try again.");
    return json::value(json::object{{"AWS", principal}});
  }
  const bool service = principal.ends_with(".amazonaws.com") && principal.find_first_of("*?$") == std::string::npos;
  if (!service) {
    return invalid_parameter("The provided principal was invalid. Please check the principal and try again.");
  }
  return json::value(json::object{{"Service", principal}});
}

Result<std::string> statement_of(const Request& r, const Target& target) {
  json::object statement;
  statement["Sid"] = r.text("StatementId");
  statement["Effect"] = "Allow";
  COFFER_TRY(statement["Principal"], principal_of(r));
  statement["Action"] = r.text("Action");
  statement["Resource"] = target.arn();
  json::object like, equal;
  if (r.input().has("SourceArn")) like["AWS:SourceArn"] = r.text("SourceArn");
  if (r.input().has("SourceAccount")) equal["AWS:SourceAccount"] = r.text("SourceAccount");
  if (r.input().has("EventSourceToken")) equal["lambda:EventSourceToken"] = r.text("EventSourceToken");
  if (r.input().has("PrincipalOrgID")) equal["aws:PrincipalOrgID"] = r.text("PrincipalOrgID");
  if (r.input().has("FunctionUrlAuthType")) equal["lambda:FunctionUrlAuthType"] = r.text("FunctionUrlAuthType");
  json::object condition;
  if (!equal.empty()) condition["StringEquals"] = std::move(equal);
  if (!like.empty()) condition["ArnLike"] = std::move(like);
  if (!condition.empty()) statement["Condition"] = std::move(condition);
  return json::serialize(statement);
}

std::string document_of(const std::vector<rows::Statement>& statements) {
  std::string text = R"({"Version":"2012-10-17","Id":"default","Statement":[)";
  for (const rows::Statement& statement : statements) {
    if (text.back() == '}') text += ',';
    text += statement.json;
  }
  return text + "]}";
}

/// The policy's own revision, beside the function's.
Status check_policy_revision(const Request& r, const std::vector<rows::Statement>& statements) {
  if (statements.empty()) return ok_status();
  return check_revision(r, statements.front().revision);
}

}  // namespace

Result<std::shared_ptr<const policy::Document>> policy_of(catalog::Transaction& t, const Target& target) {
  COFFER_TRY(const auto statements, rows::statements(t, target.key, policy_qualifier(target)));
  if (statements.empty()) return std::shared_ptr<const policy::Document>();
  return policy::Document::parse(document_of(statements), policy::Kind::kResource);
}

Result<Value> add_permission(const Request& r) {
  COFFER_TRY(const Target target, existing_target(r));
  COFFER_TRY(auto statements, rows::statements(r.t(), target.key, policy_qualifier(target)));
  COFFER_CHECK_OK(check_policy_revision(r, statements));
  rows::Statement added;
  added.sid = r.text("StatementId");
  for (const rows::Statement& statement : statements) {
    if (statement.sid == added.sid) {
      return conflict("The statement id (" + added.sid +
                      ") provided already exists. Please provide a new statement id, or remove the existing "
                      "statement.");
    }
    added.number = std::max(added.number, statement.number + 1);
  }
  COFFER_TRY(added.json, statement_of(r, target));
  added.revision = random_uuid(r.setting.entropy);
  statements.push_back(added);
  const std::string document = document_of(statements);
  if (document.size() > kPolicySizeMax)
    return api::fault(ErrorCode::kResourceExhausted, "PolicyLengthExceededException",
                      "The final policy size (" + std::to_string(document.size()) + ") is bigger than the limit (" +
                          std::to_string(kPolicySizeMax) + ").");
  if (auto parsed = policy::Document::parse(document, policy::Kind::kResource); !parsed.ok())
    return invalid_parameter(parsed.error().message);
  COFFER_CHECK_OK(rows::insert_statement(r.t(), target.key, policy_qualifier(target), added));
  COFFER_CHECK_OK(rows::set_policy_revision(r.t(), target.key, policy_qualifier(target), added.revision));
  return Value::object({{"Statement", added.json}});
}

Result<Value> get_policy(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_TRY(const auto statements, rows::statements(r.t(), target.key, policy_qualifier(target)));
  if (statements.empty()) return no_resource();
  return Value::object({{"Policy", document_of(statements)}, {"RevisionId", statements.front().revision}});
}

Result<Value> remove_permission(const Request& r) {
  COFFER_TRY(const Target target, existing_target(r));
  const std::string qualifier = policy_qualifier(target), sid = r.text("StatementId");
  COFFER_TRY(const auto statements, rows::statements(r.t(), target.key, qualifier));
  if (statements.empty()) return no_resource();
  COFFER_CHECK_OK(check_policy_revision(r, statements));
  const bool known = std::any_of(statements.begin(), statements.end(), [&](const auto& one) { return one.sid == sid; });
  if (!known) return not_found("Statement " + sid + " is not found in resource policy.");
  COFFER_CHECK_OK(rows::remove_statement(r.t(), target.key, qualifier, sid));
  COFFER_CHECK_OK(rows::set_policy_revision(r.t(), target.key, qualifier, random_uuid(r.setting.entropy)));
  return Value::object();
}

}  // namespace coffer::lambda
