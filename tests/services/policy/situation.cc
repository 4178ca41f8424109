#include "services/policy/situation.h"

#include <stdexcept>

namespace coffer::policy::testing {
namespace {

DocumentPtr parsed(const std::string& text, Kind kind) {
  Result<DocumentPtr> document = Document::parse(text, kind);
  if (!document.ok()) throw std::runtime_error(document.error().message + "\nin " + text);
  return std::move(document).value();
}

std::vector<NamedDocument> named(const std::vector<std::string>& texts, Kind kind) {
  std::vector<NamedDocument> documents;
  for (size_t i = 0; i < texts.size(); ++i)
    documents.push_back({"policy-" + std::to_string(i + 1), "IAM Policy", parsed(texts[i], kind)});
  return documents;
}

std::vector<std::vector<NamedDocument>> levels(const std::vector<Level>& texts, Kind kind) {
  std::vector<std::vector<NamedDocument>> all;
  for (const Level& level : texts) all.push_back(named(level, kind));
  return all;
}

}  // namespace

api::Caller user(std::string account, std::string name) {
  api::Caller caller;
  caller.kind = api::Caller::Kind::kUser;
  caller.arn = caller.principal_arn = "arn:aws:iam::" + account + ":user/" + name;
  caller.user_name = name.substr(name.rfind('/') + 1);
  caller.account = std::move(account);
  caller.principal_id = caller.user_id = "AIDA0000000000000USER";
  return caller;
}

api::Caller root(std::string account) {
  api::Caller caller;
  caller.kind = api::Caller::Kind::kRoot;
  caller.arn = caller.principal_arn = "arn:aws:iam::" + account + ":root";
  caller.principal_id = caller.user_id = account;
  caller.account = std::move(account);
  return caller;
}

api::Caller role_session(std::string account, std::string role, std::string session) {
  api::Caller caller;
  caller.kind = api::Caller::Kind::kRoleSession;
  caller.principal_arn = "arn:aws:iam::" + account + ":role/" + role;
  caller.arn = "arn:aws:sts::" + account + ":assumed-role/" + role.substr(role.rfind('/') + 1) + "/" + session;
  caller.account = std::move(account);
  caller.principal_id = "AROA0000000000000ROLE";
  caller.user_id = caller.principal_id + ":" + session;
  caller.session_name = std::move(session);
  caller.token_issued = WallTime{1'700'000'000'000'000};
  return caller;
}

api::Caller federated_user(std::string account, std::string name) {
  api::Caller caller;
  caller.kind = api::Caller::Kind::kFederatedUser;
  caller.arn = caller.principal_arn = "arn:aws:sts::" + account + ":federated-user/" + name;
  caller.user_id = account + ":" + name;
  caller.account = std::move(account);
  caller.principal_id = "AIDA0000000000000USER";
  caller.session_name = std::move(name);
  caller.token_issued = WallTime{1'700'000'000'000'000};
  return caller;
}

api::Caller service(std::string principal) {
  api::Caller caller;
  caller.kind = api::Caller::Kind::kService;
  caller.arn = caller.principal_arn = std::move(principal);
  return caller;
}

api::Caller anonymous() { return {}; }

RequestContext context_of(const Situation& situation) {
  api::Call call;
  call.caller = situation.caller;
  call.region = "us-east-1";
  call.source_ip = "192.0.2.7";
  call.user_agent = "aws-cli/2.15";
  call.secure_transport = true;
  call.time = WallTime{1'709'208'000'000'000};  // 2024-02-29T12:00:00Z
  RequestContext context = global_context(call);
  for (const auto& [key, values] : situation.context) context.set(key, values);
  return context;
}

Decision decide(const Situation& s, Explanation* explanation) {
  PrincipalPolicies policies;
  policies.identity = named(s.identity, Kind::kIdentity);
  if (s.boundary) policies.boundary = NamedDocument{"boundary", "IAM Policy", parsed(*s.boundary, Kind::kIdentity)};
  if (s.session) policies.session = named(*s.session, Kind::kIdentity);
  policies.service_control = levels(s.service_control, Kind::kService);
  ResourceSide side;
  DocumentPtr resource_policy;
  if (s.resource_policy) resource_policy = parsed(*s.resource_policy, s.resource_kind);
  side.policy = resource_policy.get();
  side.policy_required = s.resource_kind == Kind::kKey || s.resource_kind == Kind::kTrust;
  side.granted = s.granted;
  side.resource_control = levels(s.resource_control, Kind::kResourceControl);
  const RequestContext context = context_of(s);
  const Query query{s.caller, s.action, s.resource, s.resource_account, context};
  return evaluate(query, policies, side, explanation);
}

std::string describe(const Decision& decision) {
  static constexpr const char* kBy[] = {"nothing", "identity", "resource", "boundary", "session", "scp", "rcp"};
  if (decision.allowed()) return "allow";
  return std::string(decision.outcome == Outcome::kExplicitDeny ? "deny:" : "none:") +
         kBy[static_cast<size_t>(decision.decided_by)];
}

std::string describe(const Situation& s) {
  std::string text = "caller " + (s.caller.arn.empty() ? "anonymous" : s.caller.arn) + "\n";
  const auto add = [&](const char* name, const std::string& value) { text += std::string(name) + ": " + value + "\n"; };
  for (const auto& document : s.identity) add("identity", document);
  if (s.boundary) add("boundary", *s.boundary);
  if (s.session && s.session->empty()) add("session", "none");
  if (s.session) {
    for (const auto& document : *s.session) add("session", document);
  }
  for (const auto& level : s.service_control) {
    add("scp level", "");
    for (const auto& document : level) add("scp", document);
  }
  for (const auto& level : s.resource_control) {
    add("rcp level", "");
    for (const auto& document : level) add("rcp", document);
  }
  if (s.resource_policy) add("resource policy", *s.resource_policy);
  if (s.granted) add("granted", "");
  add("owner", s.resource_account);
  add("asks", s.action + " " + s.resource);
  for (const auto& [key, values] : s.context) {
    for (const auto& value : values) add(key.c_str(), value);
  }
  return text;
}

}  // namespace coffer::policy::testing
