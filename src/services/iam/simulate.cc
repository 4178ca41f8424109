// Simulate* and GetContextKeys*: the one evaluator, asked what it would say.
#include <algorithm>
#include <charconv>
#include <set>

#include "base/base64.h"
#include "services/iam/arns.h"
#include "services/iam/faults.h"
#include "services/iam/operations.h"
#include "services/iam/pages.h"
#include "services/organizations/service.h"

namespace coffer::iam {
namespace {

using api::Value;
using policy::NamedDocument;
using CallerKind = api::Caller::Kind;

/// Who is asked about, with what binds him.
struct Subject {
  api::Caller caller;
  policy::PrincipalPolicies policies;
  std::string organization_id, organization_path;
};

Result<std::vector<NamedDocument>> documents_of_input(const Request& r, std::string_view member) {
  std::vector<NamedDocument> documents;
  for (const std::string& text : r.input().texts(member)) {
    const std::string id = std::string(member) + "." + std::to_string(documents.size() + 1);
    auto parsed = policy::Document::parse(text, policy::Kind::kIdentity);
    if (!parsed.ok()) return invalid_input("Invalid Input " + id + ": " + parsed.error().message);
    documents.push_back({id, "IAM Policy", std::move(*parsed)});
  }
  return documents;
}

/// What the input adds to the subject's policies; a boundary of the input stands instead of the subject's.
Status add_input(const Request& r, Subject& subject) {
  COFFER_TRY(auto more, documents_of_input(r, "PolicyInputList"));
  for (NamedDocument& document : more) subject.policies.identity.push_back(std::move(document));
  COFFER_TRY(auto boundaries, documents_of_input(r, "PermissionsBoundaryPolicyInputList"));
  if (boundaries.size() > 1) return invalid_input("Only one permissions boundary can be simulated.");
  if (!boundaries.empty()) subject.policies.boundary = std::move(boundaries.front());
  return ok_status();
}

/// The caller under a user's, role's or session's ARN. It need not exist; if it does, it comes with its id and tags.
Result<api::Caller> caller_of(const Request& r, const std::string& arn) {
  api::Caller caller;
  caller.arn = caller.principal_arn = arn;
  caller.account = account_of_arn(arn);
  std::optional<rows::Entity> entity;
  if (const auto session = parse_session_arn(arn)) {
    caller.kind = CallerKind::kRoleSession;
    caller.session_name = arn.substr(arn.rfind('/') + 1);
    COFFER_TRY(entity, rows::find(r.t(), rows::Kind::kRole, session->account, session->name));
    if (entity) caller.principal_arn = entity->arn();
  } else if (const auto parsed = parse_entity_arn(arn); parsed && parsed->kind != rows::Kind::kGroup) {
    caller.kind = parsed->kind == rows::Kind::kUser ? CallerKind::kUser : CallerKind::kRoleSession;
    if (caller.kind == CallerKind::kUser) caller.user_name = parsed->name;
    COFFER_TRY(entity, entity_of_arn(r.t(), arn));
  } else {
    return invalid_input("Invalid Entity Arn: " + arn + " is neither a user nor a role.");
  }
  if (!entity || entity->account != r.account()) return caller;  // others' tags are not for him to see
  caller.principal_id = entity->id;
  caller.user_id = caller.session_name.empty() ? entity->id : entity->id + ":" + caller.session_name;
  caller.service_linked = entity->service_linked();
  COFFER_TRY(auto tags, rows::tags(r.t(), entity->id));
  for (const rows::Tag& tag : tags) caller.tags[tag.key] = tag.value;
  return caller;
}

Result<rows::Entity> source_entity(const Request& r) {
  const std::string arn = r.text("PolicySourceArn");
  const auto parsed = parse_entity_arn(arn);
  if (!parsed || parsed->account != r.account()) return invalid_input("Invalid Entity Arn: " + arn);
  COFFER_TRY(auto entity, entity_of_arn(r.t(), arn));
  if (entity) return std::move(*entity);
  return no_such_entity("The " + std::string(words_of(parsed->kind).kind) + " with name " + parsed->name +
                        " cannot be found.");
}

Result<Subject> subject_of(const Request& r, const rows::Entity& entity) {
  Subject subject;
  COFFER_TRY(subject.policies, policies_of(r.t(), entity));
  COFFER_TRY(auto membership, organizations::membership(r.t(), r.account()));
  if (membership) {
    subject.organization_id = membership->organization_id;
    subject.organization_path = membership->path;
    COFFER_TRY(subject.policies.service_control, organizations::service_control_levels(r.t(), r.account()));
  }
  if (entity.kind == rows::Kind::kGroup) return subject;  // the caller is set by who asks
  COFFER_TRY(subject.caller, caller_of(r, entity.arn()));
  return subject;
}

/// Some user of the account: what a policy says of nobody in particular.
api::Caller somebody(const Request& r) {
  api::Caller caller;
  caller.kind = CallerKind::kUser;
  caller.account = r.account();
  caller.arn = caller.principal_arn = "arn:aws:iam::" + r.account() + ":user/simulated";
  return caller;
}

bool is_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool has_type(std::string_view value, std::string_view type) {
  if (type.starts_with("numeric")) return is_number(value);
  if (type.starts_with("boolean")) return value == "true" || value == "false";
  if (type.starts_with("date")) return is_number(value) || parse_utc(value).ok();
  if (type.starts_with("binary")) return base64_decode(value).has_value();
  return true;
}

/// Keys about the caller and the time are there as in a call; of all others there is what the input gives.
Result<policy::RequestContext> context_of_input(const Request& r, const Subject& subject, const std::string& owner) {
  policy::RequestContext context;
  const api::Caller& caller = subject.caller;
  const auto set = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) context.set(key, value);
  };
  set("aws:PrincipalArn", caller.principal_arn);
  set("aws:PrincipalAccount", caller.account);
  set("aws:PrincipalType", caller.kind == CallerKind::kUser ? "User" : "AssumedRole");
  set("aws:userid", caller.user_id);
  set("aws:username", caller.user_name);
  for (const auto& [key, value] : caller.tags) context.set("aws:PrincipalTag/" + key, value);
  set("aws:PrincipalOrgID", subject.organization_id);
  if (!subject.organization_path.empty()) context.set("aws:PrincipalOrgPaths", std::vector{subject.organization_path});
  set("aws:ResourceAccount", owner.empty() ? caller.account : owner);
  set("aws:CurrentTime", format_utc(r.now()));
  set("aws:EpochTime", std::to_string(r.now().micros / 1'000'000));
  for (const Value& entry : r.input().list("ContextEntries")) {
    const std::string key(entry.text("ContextKeyName")), type(entry.text("ContextKeyType"));
    std::vector<std::string> values = entry.texts("ContextKeyValues");
    const bool fits = std::all_of(values.begin(), values.end(), [&](const auto& v) { return has_type(v, type); });
    if (!fits || (values.size() > 1 && !type.ends_with("List")))
      return invalid_input("Invalid Context Value: the values of " + key + " are not of type " + type + ".");
    context.set(key, std::move(values));
  }
  return context;
}

Result<std::shared_ptr<const policy::Document>> resource_policy_of_input(const Request& r) {
  if (!r.input().has("ResourcePolicy")) return std::shared_ptr<const policy::Document>();
  auto parsed = policy::Document::parse(r.input().text("ResourcePolicy"), policy::Kind::kResource);
  if (!parsed.ok()) return invalid_input("Invalid Input ResourcePolicy: " + parsed.error().message);
  return std::move(*parsed);
}

std::string_view name_of(policy::Outcome outcome) {
  switch (outcome) {
    case policy::Outcome::kAllowed: return "allowed";
    case policy::Outcome::kExplicitDeny: return "explicitDeny";
    case policy::Outcome::kImplicitDeny: return "implicitDeny";
  }
  return {};
}

Value matched_value(const std::vector<policy::MatchedStatement>& matched) {
  const auto position = [](uint32_t line, uint32_t column) {
    return Value::object({{"Line", static_cast<int64_t>(line)}, {"Column", static_cast<int64_t>(column)}});
  };
  api::List list;
  for (const policy::MatchedStatement& m : matched) {
    list.push_back(Value::object({{"SourcePolicyId", m.policy_id},
                                  {"SourcePolicyType", m.policy_type},
                                  {"StartPosition", position(m.start_line, m.start_column)},
                                  {"EndPosition", position(m.end_line, m.end_column)}}));
  }
  return list;
}

struct Question {
  const Subject& subject;
  const policy::RequestContext& context;
  const policy::Document* resource_policy;
  std::string owner, action, resource;
  bool named_resource;  // the input has ResourceArns
};

Value answer(const Question& q) {
  const policy::Query query{q.subject.caller, q.action, q.resource, q.owner, q.context};
  policy::ResourceSide side;
  side.policy = q.resource_policy;
  policy::Explanation why;
  const std::string_view decision = name_of(policy::evaluate(query, q.subject.policies, side, &why).outcome);
  Value result = Value::object({{"EvalActionName", q.action},
                                {"EvalResourceName", q.resource},
                                {"EvalDecision", decision},
                                {"MatchedStatements", matched_value(why.matched)},
                                {"MissingContextValues", api::text_list(why.missing_keys)}});
  if (!q.subject.policies.service_control.empty()) {
    result.set("OrganizationsDecisionDetail", Value::object({{"AllowedByOrganizations", why.allowed_by_organization}}));
  }
  Value by_boundary;
  if (q.subject.policies.boundary)
    by_boundary = Value::object({{"AllowedByPermissionsBoundary", why.allowed_by_boundary}});
  result.set("PermissionsBoundaryDecisionDetail", by_boundary);
  if (q.named_resource) {
    result.set("ResourceSpecificResults",
               api::List{Value::object({{"EvalResourceName", q.resource},
                                        {"EvalResourceDecision", decision},
                                        {"MatchedStatements", matched_value(why.matched)},
                                        {"MissingContextValues", api::text_list(why.missing_keys)},
                                        {"PermissionsBoundaryDecisionDetail", by_boundary}})});
  }
  return result;
}

Result<Value> simulate(const Request& r, const Subject& subject) {
  COFFER_TRY(auto resource_policy, resource_policy_of_input(r));
  std::string owner = r.text("ResourceOwner");
  if (!account_of_arn(owner).empty()) owner = account_of_arn(owner);
  if (!owner.empty() && !is_account_id(owner)) return invalid_input("Invalid ResourceOwner: " + owner);
  COFFER_TRY(auto context, context_of_input(r, subject, owner));
  std::vector<std::string> resources = r.input().texts("ResourceArns");
  const bool named = !resources.empty();
  if (!named) resources.emplace_back("*");
  std::vector<PageItem> items;
  for (const std::string& action : r.input().texts("ActionNames")) {
    const size_t colon = action.find(':');
    if (colon == 0 || colon == std::string::npos || colon + 1 == action.size())
      return invalid_input("Invalid Action Name: " + action);
    for (const std::string& resource : resources) {
      const Question question{subject, context, resource_policy.get(), owner, action, resource, named};
      items.push_back({index_key(items.size()), [question]() -> Result<Value> { return answer(question); }});
    }
  }
  return page_of(r, "EvaluationResults", std::move(items));
}

Value context_keys_value(const Subject& subject) {
  std::set<std::string> keys;
  const auto add = [&](const NamedDocument& named) {
    for (const std::string& key : named.document->context_keys()) keys.insert(key);
  };
  for (const NamedDocument& named : subject.policies.identity) add(named);
  if (subject.policies.boundary) add(*subject.policies.boundary);
  return Value::object({{"ContextKeyNames", api::text_list({keys.begin(), keys.end()})}});
}

}  // namespace

Result<Value> simulate_custom_policy(const Request& r) {
  Subject subject;
  subject.caller = somebody(r);
  if (r.input().has("CallerArn")) {
    COFFER_TRY(subject.caller, caller_of(r, r.text("CallerArn")));
  } else if (r.input().has("ResourcePolicy")) {
    return invalid_input("CallerArn is required with a ResourcePolicy.");
  }
  COFFER_CHECK_OK(add_input(r, subject));
  return simulate(r, subject);
}

Result<Value> simulate_principal_policy(const Request& r) {
  COFFER_TRY(rows::Entity entity, source_entity(r));
  COFFER_TRY(Subject subject, subject_of(r, entity));
  if (r.input().has("CallerArn")) {
    COFFER_TRY(subject.caller, caller_of(r, r.text("CallerArn")));
  } else if (entity.kind == rows::Kind::kGroup) {
    if (r.input().has("ResourcePolicy"))
      return invalid_input("CallerArn is required with a ResourcePolicy when PolicySourceArn is not a user.");
    subject.caller = somebody(r);
  }
  COFFER_CHECK_OK(add_input(r, subject));
  return simulate(r, subject);
}

Result<Value> context_keys_for_custom_policy(const Request& r) {
  Subject subject;
  COFFER_CHECK_OK(add_input(r, subject));
  return context_keys_value(subject);
}

Result<Value> context_keys_for_principal_policy(const Request& r) {
  COFFER_TRY(rows::Entity entity, source_entity(r));
  Subject subject;
  COFFER_TRY(subject.policies, policies_of(r.t(), entity));
  COFFER_CHECK_OK(add_input(r, subject));
  return context_keys_value(subject);
}

}  // namespace coffer::iam
