#include "services/policy/evaluate.h"
#include "services/policy/text.h"

namespace coffer::policy {
namespace {

/// Is the resource's policy, for this action, a role's trust policy?
bool is_about_trust(std::string_view action) {
  const std::string name = lower_case(action);
  return name.starts_with("sts:assumerole") || name == "sts:tagsession" || name == "sts:setsourceidentity";
}

/// The kind of policy that decided, as AWS calls it, with its article.
std::pair<std::string_view, std::string_view> policy_kind(std::string_view action, DecidedBy by) {
  switch (by) {
    case DecidedBy::kIdentity: return {"an", "identity-based policy"};
    case DecidedBy::kResource:
      return is_about_trust(action) ? std::pair{"the", "role trust policy"} : std::pair{"a", "resource-based policy"};
    case DecidedBy::kBoundary: return {"a", "permissions boundary"};
    case DecidedBy::kSession: return {"a", "session policy"};
    case DecidedBy::kServiceControl: return {"a", "service control policy"};
    case DecidedBy::kResourceControl: return {"a", "resource control policy"};
    case DecidedBy::kNone: break;
  }
  return {};
}

}  // namespace

std::string denial_message(const Query& query, const Decision& decision) {
  const std::string action(query.action);
  std::string message = "User: " + (query.caller.arn.empty() ? std::string("anonymous") : query.caller.arn) +
                        " is not authorized to perform: " + action;
  if (!query.resource.empty() && query.resource != "*") message += " on resource: " + std::string(query.resource);
  const auto [article, kind] = policy_kind(query.action, decision.decided_by);
  if (kind.empty()) return message;
  if (decision.outcome == Outcome::kExplicitDeny)
    return message + " with an explicit deny in " + std::string(article) + " " + std::string(kind);
  return message + " because no " + std::string(kind) + " allows the " + action + " action";
}

}  // namespace coffer::policy
