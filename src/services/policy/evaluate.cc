#include "services/policy/evaluate.h"

#include <algorithm>
#include <utility>

#include "services/policy/statement.h"
#include "services/policy/text.h"

namespace coffer::policy {
namespace {

using CallerKind = api::Caller::Kind;

/// What the documents of one kind say together.
struct Verdict {
  bool denies = false;
  Named allows = Named::kNot;
  [[nodiscard]] bool allow() const { return allows != Named::kNot; }
};

/// Matches statements against one query, and notes what Simulate shows if somebody wants to know.
class Matcher {
 public:
  Matcher(const Query& query, Explanation* explanation)
      : query_(query), action_(lower_case(query.action)), explanation_(explanation) {}

  void look_at(const Document& document, std::string_view id, std::string_view type, Verdict& verdict) {
    for (const Statement& statement : document.statements()) {
      const Named named = names_caller(statement);
      if (named == Named::kNot || !matches(statement)) continue;
      if (statement.allows) {
        verdict.allows = std::max(verdict.allows, named);
      } else {
        verdict.denies = true;
      }
      if (explanation_) note_match(statement, id, type);
    }
  }
  Verdict look_at(const std::vector<NamedDocument>& documents) {
    Verdict all;
    for (const NamedDocument& named : documents) look_at(*named.document, named.id, named.type, all);
    return all;
  }
  Verdict look_at(const NamedDocument& named) {
    Verdict verdict;
    look_at(*named.document, named.id, named.type, verdict);
    return verdict;
  }
  /// Every level must allow.
  Verdict look_at_levels(const std::vector<std::vector<NamedDocument>>& levels) {
    Verdict all{false, Named::kExactly};
    for (const auto& level : levels) {
      const Verdict one = look_at(level);
      all.denies |= one.denies;
      all.allows = std::min(all.allows, one.allows);
    }
    return all;
  }

  /// A deny is explained by the statements that deny, everything else by those that allow.
  void finish(bool denied) {
    if (!explanation_) return;
    explanation_->matched = std::move(denied ? denies_ : allows_);
    auto& missing = explanation_->missing_keys;
    const auto less = [](const std::string& a, const std::string& b) { return lower_case(a) < lower_case(b); };
    std::sort(missing.begin(), missing.end(), less);
    missing.erase(std::unique(missing.begin(), missing.end(), equal_without_case), missing.end());
  }

 private:
  [[nodiscard]] Named names_caller(const Statement& statement) const {
    if (!statement.has_principal) return Named::kExactly;
    if (!statement.principal_negated) return how_named(statement.principals, query_.caller);
    return is_exempt(statement.principals, query_.caller) ? Named::kNot : Named::kLoosely;
  }

  [[nodiscard]] bool matches_resource(const Statement& statement) const {
    // Trust policies have none.
    if (statement.resources.empty()) return true;
    bool unresolved = false;
    for (const Pattern& pattern : statement.resources) {
      const Pattern::Answer answer = pattern.match(query_.resource, query_.context);
      if (answer == Pattern::Answer::kYes) return !statement.resource_negated;
      unresolved |= answer == Pattern::Answer::kUnresolved;
    }
    // What an unresolved NotResource leaves out is unknown: that must not allow, and must not spare from a Deny.
    return statement.resource_negated && !(unresolved && statement.allows);
  }

  bool matches(const Statement& statement) {
    if (statement.idle) return false;
    const bool has_action =
        std::any_of(statement.actions.begin(), statement.actions.end(),
                    [&](const Pattern& pattern) { return pattern.matches(action_, query_.context); });
    if (has_action == statement.action_negated) return false;
    if (explanation_) note_missing_keys(statement);
    return matches_resource(statement) &&
           std::all_of(statement.conditions.begin(), statement.conditions.end(),
                       [&](const Condition& condition) { return condition_holds(condition, query_.context); });
  }

  void note_missing_keys(const Statement& statement) {
    const auto note = [&](const std::string& key) {
      if (!query_.context.find(key)) explanation_->missing_keys.push_back(key);
    };
    const auto note_variables = [&](const Pattern& pattern) {
      for (const Variable& variable : pattern.variables()) {
        if (!variable.otherwise) note(variable.key);
      }
    };
    for (const Pattern& resource : statement.resources) note_variables(resource);
    for (const Condition& condition : statement.conditions) {
      note(condition.key);
      for (const Pattern& pattern : condition.patterns) note_variables(pattern);
    }
  }

  void note_match(const Statement& statement, std::string_view id, std::string_view type) {
    (statement.allows ? allows_ : denies_)
        .push_back({std::string(id), std::string(type), statement.begin.line, statement.begin.column,
                    statement.end.line, statement.end.column});
  }

  const Query& query_;
  const std::string action_;
  Explanation* explanation_;
  std::vector<MatchedStatement> allows_, denies_;
};

/// What all policies say about one query.
struct Verdicts {
  Verdict resource, identity, boundary, session, service_control, resource_control;
  bool is_bounded = false, is_limited_by_session = false, is_controlled = false, resource_is_controlled = false;
};

bool has_own_policies(const api::Caller& caller) {
  return caller.kind == CallerKind::kUser || caller.kind == CallerKind::kRoleSession ||
         caller.kind == CallerKind::kFederatedUser;
}

Verdicts gather(const Query& query, const PrincipalPolicies& policies, const ResourceSide& resource, Matcher& matcher) {
  const api::Caller& caller = query.caller;
  const bool has_account = has_own_policies(caller) || caller.kind == CallerKind::kRoot;
  Verdicts v;
  if (resource.policy) matcher.look_at(*resource.policy, "ResourcePolicy", "Resource Policy", v.resource);
  if (has_own_policies(caller)) {
    v.identity = matcher.look_at(policies.identity);
    v.is_bounded = policies.boundary.has_value();
    if (v.is_bounded) v.boundary = matcher.look_at(*policies.boundary);
    // A federated user without a session policy gets nothing from the policies of the user behind it.
    v.is_limited_by_session = policies.session.has_value() || caller.kind == CallerKind::kFederatedUser;
    if (policies.session) v.session = matcher.look_at(*policies.session);
    // The root user may do everything, so its federated users may do what their session policies say.
    if (caller.kind == CallerKind::kFederatedUser && caller.principal_id == caller.account)
      v.identity.allows = Named::kExactly;
  }
  if (caller.kind == CallerKind::kRoot) v.identity.allows = Named::kExactly;
  v.is_controlled = has_account && !caller.service_linked && !policies.service_control.empty();
  if (v.is_controlled) v.service_control = matcher.look_at_levels(policies.service_control);
  // Retiring a grant gives up a right; no organization keeps anyone from it.
  v.resource_is_controlled = !resource.resource_control.empty() && !caller.service_linked &&
                             !equal_without_case(query.action, "kms:RetireGrant");
  if (v.resource_is_controlled) v.resource_control = matcher.look_at_levels(resource.resource_control);
  return v;
}

Decision allow(DecidedBy by) { return {Outcome::kAllowed, by}; }
Decision not_allowed(DecidedBy by) { return {Outcome::kImplicitDeny, by}; }

Decision decide(const Query& query, const ResourceSide& resource, const Verdicts& v) {
  const std::pair<const Verdict*, DecidedBy> denials[] = {{&v.service_control, DecidedBy::kServiceControl},
                                                          {&v.resource_control, DecidedBy::kResourceControl},
                                                          {&v.resource, DecidedBy::kResource},
                                                          {&v.identity, DecidedBy::kIdentity},
                                                          {&v.boundary, DecidedBy::kBoundary},
                                                          {&v.session, DecidedBy::kSession}};
  for (const auto& [verdict, by] : denials) {
    if (verdict->denies) return {Outcome::kExplicitDeny, by};
  }
  if (v.resource_is_controlled && !v.resource_control.allow()) return not_allowed(DecidedBy::kResourceControl);
  if (v.is_controlled && !v.service_control.allow()) return not_allowed(DecidedBy::kServiceControl);

  const api::Caller& caller = query.caller;
  if (caller.kind == CallerKind::kService || caller.kind == CallerKind::kAnonymous) {
    return v.resource.allow() || resource.granted ? allow(DecidedBy::kResource) : not_allowed(DecidedBy::kResource);
  }
  // The caller's own side: what it has, cut down by boundary and session policy.
  const auto within_limits = [&](DecidedBy granted_by) {
    if (v.is_bounded && !v.boundary.allow()) return not_allowed(DecidedBy::kBoundary);
    if (v.is_limited_by_session && !v.session.allow()) return not_allowed(DecidedBy::kSession);
    return allow(granted_by);
  };
  const bool same_account = query.resource_account.empty() || query.resource_account == caller.account;
  if (!same_account && !v.resource.allow() && !resource.granted) return not_allowed(DecidedBy::kResource);
  if (same_account) {
    if (v.resource.allows == Named::kExactly) return allow(DecidedBy::kResource);
    if (v.resource.allows == Named::kLoosely || resource.granted) {
      // Either side may allow; what the resource's side gives is limited no more than what the identity's side gives.
      return within_limits(DecidedBy::kResource);
    }
    if (resource.policy_required && !v.resource.allow()) return not_allowed(DecidedBy::kResource);
  }
  if (!v.identity.allow()) return not_allowed(DecidedBy::kIdentity);
  return within_limits(DecidedBy::kIdentity);
}

}  // namespace

void RequestContext::made() const {
  if (!make_) return;
  const std::function<RequestContext()> make = std::exchange(make_, nullptr);
  keys_ = make().keys_;
}

void RequestContext::set(std::string_view key, std::vector<std::string> values) {
  made();
  std::string name = lower_case(key);
  const auto known = std::find_if(keys_.begin(), keys_.end(), [&](const auto& entry) { return entry.first == name; });
  if (known != keys_.end()) {
    known->second = std::move(values);
  } else {
    keys_.emplace_back(std::move(name), std::move(values));
  }
}

const std::vector<std::string>* RequestContext::find(std::string_view key) const {
  made();
  for (const auto& [name, values] : keys_) {
    if (equal_without_case(name, key)) return &values;
  }
  return nullptr;
}

Decision evaluate(const Query& query, const PrincipalPolicies& policies, const ResourceSide& resource,
                  Explanation* explanation) {
  Matcher matcher(query, explanation);
  const Verdicts verdicts = gather(query, policies, resource, matcher);
  const Decision decision = decide(query, resource, verdicts);
  if (explanation) {
    const auto passes = [](bool applies, const Verdict& v) { return !applies || (v.allow() && !v.denies); };
    explanation->allowed_by_boundary = passes(verdicts.is_bounded, verdicts.boundary);
    explanation->allowed_by_organization = passes(verdicts.is_controlled, verdicts.service_control) &&
                                           passes(verdicts.resource_is_controlled, verdicts.resource_control);
    matcher.finish(decision.outcome == Outcome::kExplicitDeny);
  }
  return decision;
}

}  // namespace coffer::policy
