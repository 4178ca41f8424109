// A whole question to the evaluation, in a form that tests can write down: who calls, what all policies say as JSON,
// what is asked, and the context.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/policy/evaluate.h"

namespace coffer::policy::testing {

using Level = std::vector<std::string>;  // documents of one level of an organization

struct Situation {
  api::Caller caller;
  std::vector<std::string> identity;
  std::optional<std::string> boundary;
  std::optional<std::vector<std::string>> session;
  std::vector<Level> service_control, resource_control;
  std::optional<std::string> resource_policy;
  Kind resource_kind = Kind::kResource;
  bool granted = false;
  std::string resource_account;

  std::string action, resource;
  std::map<std::string, std::vector<std::string>> context;
};

api::Caller user(std::string account, std::string name);
api::Caller root(std::string account);
api::Caller role_session(std::string account, std::string role, std::string session);
api::Caller federated_user(std::string account, std::string name);
api::Caller service(std::string principal);
api::Caller anonymous();

/// What the caller's own keys say, as global_context sets them for a plain call; then `context` over it.
RequestContext context_of(const Situation& situation);
/// Parses the documents and evaluates. A document that does not parse throws std::runtime_error with its error.
Decision decide(const Situation& situation, Explanation* explanation = nullptr);

/// "allow", "deny:identity", "none:boundary".
std::string describe(const Decision& decision);
/// All of it as text, for a failed test.
std::string describe(const Situation& situation);

}  // namespace coffer::policy::testing
