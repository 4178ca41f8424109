// Simulate* and GetContextKeys*: the one evaluator, asked what it would say.
#include <set>

#include "services/api/fault.h"
#include "services/iam/operations.h"

namespace coffer::iam {
namespace {

using api::Value;

struct Subject {
  api::Caller caller;
  policy::PrincipalPolicies policies;
};

Error invalid(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidInput", std::move(message));
}

Result<policy::NamedDocument> parse_input(const std::string& text, size_t number, std::string_view list) {
  auto parsed = policy::Document::parse(text, policy::Kind::kIdentity);
  if (!parsed.ok()) return invalid("Invalid policy in " + std::string(list) + ": " + parsed.error().message);
  return policy::NamedDocument{std::string(list) + "." + std::to_string(number), "PolicyInput", std::move(*parsed)};
}

Status add_inputs(const Request& r, Subject& subject) {
  size_t number = 0;
  for (const std::string& text : r.input().texts("PolicyInputList")) {
    COFFER_TRY(auto document, parse_input(text, ++number, "PolicyInputList"));
    subject.policies.identity.push_back(std::move(document));
  }
  number = 0;
  for (const std::string& text : r.input().texts("PermissionsBoundaryPolicyInputList")) {
    COFFER_TRY(auto document, parse_input(text, ++number, "PermissionsBoundaryPolicyInputList"));
    subject.policies.boundary = std::move(document);
  }
  return ok_status();
}

/// A caller for an ARN: of a user, role session or account.
Result<api::Caller> caller_of(const std::string& arn) {
  if (arn.size() < 27 || !(arn.starts_with("arn:aws:iam::") || arn.starts_with("arn:aws:sts::")))
    return invalid("Invalid Entity Arn: " + arn);
  api::Caller caller;
  caller.account = arn.substr(13, 12);
  caller.arn = caller.principal_arn = arn;
  const std::string resource = arn.substr(26);
  caller.kind = resource.starts_with("user/") ? api::Caller::Kind::kUser : api::Caller::Kind::kRoleSession;
  if (caller.kind == api::Caller::Kind::kUser) caller.user_name = resource.substr(resource.rfind('/') + 1);
  return caller;
}

std::string_view outcome_name(policy::Outcome outcome) {
  return outcome == policy::Outcome::kAllowed        ? "allowed"
         : outcome == policy::Outcome::kExplicitDeny ? "explicitDeny"
                                                     : "implicitDeny";
}

Value matched_value(const std::vector<policy::MatchedStatement>& matched) {
  api::List list;
  for (const auto& m : matched) {
    const auto place = [](uint32_t line, uint32_t column) {
      return Value::object({{"Line", static_cast<int64_t>(line)}, {"Column", static_cast<int64_t>(column)}});
    };
    list.push_back(Value::object({{"SourcePolicyId", m.policy_id},
                                  {"SourcePolicyType", m.policy_type},
                                  {"StartPosition", place(m.start_line, m.start_column)},
                                  {"EndPosition", place(m.end_line, m.end_column)}}));
  }
  return list;
}

Result<Value> simulate(const Request& r, const Subject& subject) {
  api::Call call = r.operation.call;
  call.caller = subject.caller;
  call.source_ip.clear();
  policy::RequestContext context = policy::global_context(call);
  for (const Value& entry : r.input().list("ContextEntries"))
    context.set(entry.text("ContextKeyName"), entry.texts("ContextKeyValues"));
  std::shared_ptr<const policy::Document> resource_policy;
  if (r.input().has("ResourcePolicy")) {
    auto parsed = policy::Document::parse(r.input().text("ResourcePolicy"), policy::Kind::kResource);
    if (!parsed.ok()) return invalid("Invalid resource policy: " + parsed.error().message);
    resource_policy = std::move(*parsed);
  }
  std::vector<std::string> resources = r.input().texts("ResourceArns");
  if (resources.empty()) resources.emplace_back("*");
  std::string owner = r.text("ResourceOwner");
  if (owner.starts_with("arn:aws:iam::") && owner.size() >= 25) owner = owner.substr(13, 12);
  std::vector<std::pair<std::string, Value>> results;
  for (const std::string& action : r.input().texts("ActionNames")) {
    if (action.find(':') == std::string::npos && action != "*") return invalid("Invalid Action Name: " + action);
    for (const std::string& resource : resources) {
      const policy::Query query{subject.caller, action, resource, owner, context};
      policy::ResourceSide side;
      side.policy = resource_policy.get();
      policy::Explanation why;
      const policy::Decision decision = policy::evaluate(query, subject.policies, side, &why);
      Value result = Value::object({{"EvalActionName", action},
                                    {"EvalResourceName", resource},
                                    {"EvalDecision", outcome_name(decision.outcome)},
                                    {"MatchedStatements", matched_value(why.matched)},
                                    {"MissingContextValues", api::text_list(why.missing_keys)}});
      if (!subject.policies.service_control.empty())
        result.set("OrganizationsDecisionDetail",
                   Value::object({{"AllowedByOrganizations", why.allowed_by_organization}}));
      if (subject.policies.boundary)
        result.set("PermissionsBoundaryDecisionDetail",
                   Value::object({{"AllowedByPermissionsBoundary", why.allowed_by_boundary}}));
      const std::string number = std::to_string(1'000'000 + results.size());
      results.emplace_back(number, std::move(result));
    }
  }
  return page_of(r, "EvaluationResults", results);
}

Result<rows::Entity> source_entity(const Request& r) {
  const std::string arn = r.text("PolicySourceArn");
  if (arn.size() < 27 || !arn.starts_with("arn:aws:iam::" + r.account() + ":"))
    return invalid("Invalid Entity Arn: " + arn);
  const std::string resource = arn.substr(26);
  const auto kind = resource.starts_with("user/")    ? rows::Kind::kUser
                    : resource.starts_with("group/") ? rows::Kind::kGroup
                                                     : rows::Kind::kRole;
  COFFER_TRY(auto entity, rows::find(r.t(), kind, r.account(), resource.substr(resource.rfind('/') + 1)));
  if (!entity || entity->arn() != arn) return no_such(rows::kind_name(kind), resource.substr(resource.rfind('/') + 1));
  return std::move(*entity);
}

Value context_keys_value(const std::vector<policy::NamedDocument>& documents) {
  std::set<std::string> keys;
  for (const auto& named : documents) {
    for (const std::string& key : named.document->context_keys()) keys.insert(key);
  }
  return Value::object({{"ContextKeyNames", api::text_list({keys.begin(), keys.end()})}});
}

}  // namespace

Result<Value> simulate_custom_policy(const Request& r) {
  Subject subject;
  const std::string arn =
      r.input().has("CallerArn") ? r.text("CallerArn") : "arn:aws:iam::" + r.account() + ":user/simulated";
  COFFER_TRY(subject.caller, caller_of(arn));
  COFFER_CHECK_OK(add_inputs(r, subject));
  return simulate(r, subject);
}

Result<Value> simulate_principal_policy(const Request& r) {
  COFFER_TRY(rows::Entity entity, source_entity(r));
  Subject subject;
  if (entity.kind == rows::Kind::kUser) {
    COFFER_TRY(Identity identity, identity_of_user(r.t(), entity));
    subject = {identity.caller, *identity.policies};
  } else {
    COFFER_TRY(subject.policies, policies_of(r.t(), entity));
    COFFER_TRY(subject.caller, caller_of(entity.arn()));
    subject.caller.principal_id = entity.id;
  }
  if (r.input().has("CallerArn")) {
    COFFER_TRY(subject.caller, caller_of(r.text("CallerArn")));
  }
  COFFER_CHECK_OK(add_inputs(r, subject));
  return simulate(r, subject);
}

Result<Value> context_keys_for_custom_policy(const Request& r) {
  Subject subject;
  COFFER_CHECK_OK(add_inputs(r, subject));
  return context_keys_value(subject.policies.identity);
}

Result<Value> context_keys_for_principal_policy(const Request& r) {
  COFFER_TRY(rows::Entity entity, source_entity(r));
  Subject subject;
  COFFER_TRY(subject.policies, policies_of(r.t(), entity));
  COFFER_CHECK_OK(add_inputs(r, subject));
  return context_keys_value(subject.policies.identity);
}

}  // namespace coffer::iam
