#include "services/policy/evaluate.h"

#include <algorithm>

#include "services/policy/statement.h"

namespace coffer::policy {
namespace {

using CallerKind = api::Caller::Kind;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// How a resource policy names the caller, weakest first: it decides which other policies still bind (User Guide,
/// "Evaluating policies within a single account").
enum class Named { kNot, kAccount, kRoleOrAnyone, kSelf };

bool is_account(std::string_view value, std::string_view account) {
  if (account.empty()) return false;
  return value == account || (value.size() == account.size() + 18 && value.starts_with("arn:aws:iam::") &&
                              value.substr(13, account.size()) == account && value.ends_with(":root"));
}

Named names(const PrincipalEntry& entry, const api::Caller& caller) {
  if (entry.type == PrincipalEntry::Type::kAnyone) return Named::kRoleOrAnyone;
  if (entry.type == PrincipalEntry::Type::kService)
    return caller.kind == CallerKind::kService && entry.value == caller.arn ? Named::kSelf : Named::kNot;
  if (entry.type != PrincipalEntry::Type::kAws || caller.kind == CallerKind::kService || caller.kind == CallerKind::kAnonymous)
    return Named::kNot;
  if (is_account(entry.value, caller.account)) return caller.kind == CallerKind::kRoot ? Named::kSelf : Named::kAccount;
  if (entry.value == caller.arn) return Named::kSelf;
  const bool user = caller.kind == CallerKind::kUser;
  if (entry.value == caller.principal_id && !caller.principal_id.empty())
    return user ? Named::kSelf : Named::kRoleOrAnyone;
  if (caller.kind == CallerKind::kRoleSession && entry.value == caller.principal_arn) return Named::kRoleOrAnyone;
  return Named::kNot;
}

/// NotPrincipal exempts only whom it lists in every form: the account, and the user, or the role and its session.
bool exempted(const std::vector<PrincipalEntry>& entries, const api::Caller& caller) {
  const auto lists = [&](std::string_view value) {
    return std::any_of(entries.begin(), entries.end(), [&](const PrincipalEntry& e) { return e.value == value; });
  };
  const bool anyone = std::any_of(entries.begin(), entries.end(),
                                  [](const PrincipalEntry& e) { return e.type == PrincipalEntry::Type::kAnyone; });
  if (anyone) return true;
  const bool account = std::any_of(entries.begin(), entries.end(),
                                   [&](const PrincipalEntry& e) { return is_account(e.value, caller.account); });
  switch (caller.kind) {
    case CallerKind::kAnonymous: return false;
    case CallerKind::kService: return lists(caller.arn);
    case CallerKind::kRoot: return account;
    case CallerKind::kUser:
    case CallerKind::kFederatedUser: return account && lists(caller.arn);
    case CallerKind::kRoleSession: return account && lists(caller.principal_arn) && lists(caller.arn);
  }
  return false;
}

Named names(const Statement& statement, const api::Caller& caller) {
  if (!statement.has_principal) return Named::kSelf;
  if (statement.principal_negated) return exempted(statement.principals, caller) ? Named::kNot : Named::kRoleOrAnyone;
  Named best = Named::kNot;
  for (const PrincipalEntry& entry : statement.principals) best = std::max(best, names(entry, caller));
  return best;
}

class Evaluation {
 public:
  Evaluation(const Query& query, Explanation* explanation) : query_(query), explanation_(explanation) {}

  struct Verdict {
    bool denies = false;
    Named allows = Named::kNot;
  };

  Verdict look_at(const Document& document, std::string_view id, std::string_view type) {
    Verdict verdict;
    for (const Statement& statement : document.statements()) {
      const Named named = names(statement, query_.caller);
      if (named == Named::kNot || !matches(statement, document.kind())) continue;
      if (statement.allows) {
        verdict.allows = std::max(verdict.allows, named);
      } else {
        verdict.denies = true;
      }
      if (explanation_) {
        explanation_->matched.push_back({std::string(id), std::string(type), statement.begin.line,
                                         statement.begin.column, statement.end.line, statement.end.column});
      } else if (verdict.denies) {
        return verdict;
      }
    }
    return verdict;
  }
  Verdict look_at(const NamedDocument& named) { return look_at(*named.document, named.id, named.type); }
  /// Of several documents of one kind.
  Verdict look_at(const std::vector<NamedDocument>& documents) {
    Verdict all;
    for (const NamedDocument& document : documents) {
      const Verdict one = look_at(document);
      all.denies |= one.denies;
      all.allows = std::max(all.allows, one.allows);
    }
    return all;
  }
  /// Every level must allow.
  Verdict look_at_levels(const std::vector<std::vector<NamedDocument>>& levels) {
    Verdict all{false, Named::kSelf};
    for (const auto& level : levels) {
      const Verdict one = look_at(level);
      all.denies |= one.denies;
      all.allows = std::min(all.allows, one.allows);
    }
    return all;
  }

 private:
  bool matches(const Statement& statement, Kind kind) {
    const auto any = [&](const std::vector<Pattern>& patterns, std::string_view text) {
      return std::any_of(patterns.begin(), patterns.end(),
                         [&](const Pattern& p) { return p.match(text, query_.context).value_or(false); });
    };
    if (statement.actions.empty() || any(statement.actions, query_.action) == statement.action_negated) return false;
    if (statement.has_resource) {
      if (any(statement.resources, query_.resource) == statement.resource_negated) return false;
    } else if (kind != Kind::kTrust) {
      return false;
    }
    std::vector<std::string>* missing = explanation_ ? &explanation_->missing_keys : nullptr;
    bool holds = true;
    for (const Condition& condition : statement.conditions) {
      holds = condition_holds(condition, query_.context, missing) && holds;
      if (!holds && !missing) return false;
    }
    return holds;
  }

  const Query& query_;
  Explanation* explanation_;
};

void sort_and_unique(std::vector<std::string>& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

Decision deny(DecidedBy by) { return {Outcome::kExplicitDeny, by}; }
Decision not_allowed(DecidedBy by) { return {Outcome::kImplicitDeny, by}; }
Decision allow(DecidedBy by) { return {Outcome::kAllowed, by}; }

}  // namespace

void RequestContext::set(std::string_view key, std::vector<std::string> values) {
  std::string name(key);
  std::transform(name.begin(), name.end(), name.begin(), lower);
  for (auto& [known, old] : keys_) {
    if (known != name) continue;
    old = std::move(values);
    return;
  }
  keys_.emplace_back(std::move(name), std::move(values));
}

const std::vector<std::string>* RequestContext::find(std::string_view key) const {
  for (const auto& [name, values] : keys_) {
    if (name.size() == key.size() &&
        std::equal(key.begin(), key.end(), name.begin(), [](char a, char b) { return lower(a) == b; }))
      return &values;
  }
  return nullptr;
}

Decision evaluate(const Query& query, const PrincipalPolicies& policies, const ResourceSide& resource,
                  Explanation* explanation) {
  using Verdict = Evaluation::Verdict;
  const api::Caller& caller = query.caller;
  Evaluation evaluation(query, explanation);
  const bool is_principal = caller.kind != CallerKind::kService && caller.kind != CallerKind::kAnonymous;
  const bool same_account = query.resource_account.empty() || query.resource_account == caller.account;

  const Verdict on_resource =
      resource.policy ? evaluation.look_at(*resource.policy, "ResourcePolicy", "Resource Policy") : Verdict{};
  const Verdict identity = is_principal ? evaluation.look_at(policies.identity) : Verdict{};
  const bool bounded = is_principal && policies.boundary.has_value();
  const Verdict boundary = bounded ? evaluation.look_at(*policies.boundary) : Verdict{};
  const bool in_session = is_principal && policies.session.has_value();
  const Verdict session = in_session ? evaluation.look_at(*policies.session) : Verdict{};
  const bool controlled = is_principal && !caller.service_linked && !policies.service_control.empty();
  const Verdict service_control = controlled ? evaluation.look_at_levels(policies.service_control) : Verdict{};
  const Verdict resource_control = evaluation.look_at_levels(resource.resource_control);

  const bool boundary_allows = !bounded || boundary.allows != Named::kNot;
  const bool session_allows = !in_session || session.allows != Named::kNot;
  const bool organization_allows = !controlled || service_control.allows != Named::kNot;
  if (explanation) {
    explanation->allowed_by_boundary = boundary_allows && !boundary.denies;
    explanation->allowed_by_organization = organization_allows && !service_control.denies;
    sort_and_unique(explanation->missing_keys);
  }

  if (service_control.denies) return deny(DecidedBy::kServiceControl);
  if (resource_control.denies) return deny(DecidedBy::kResourceControl);
  if (on_resource.denies) return deny(DecidedBy::kResource);
  if (boundary.denies) return deny(DecidedBy::kBoundary);
  if (session.denies) return deny(DecidedBy::kSession);
  if (identity.denies) return deny(DecidedBy::kIdentity);

  if (!resource.resource_control.empty() && resource_control.allows == Named::kNot)
    return not_allowed(DecidedBy::kResourceControl);
  if (!organization_allows) return not_allowed(DecidedBy::kServiceControl);
  if (!is_principal) {
    return on_resource.allows != Named::kNot || resource.granted ? allow(DecidedBy::kResource)
                                                                 : not_allowed(DecidedBy::kResource);
  }

  const bool identity_allows = identity.allows != Named::kNot || caller.kind == CallerKind::kRoot;
  const auto by_identity = [&](DecidedBy when_nothing_allows) {
    if (!identity_allows) return not_allowed(when_nothing_allows);
    if (!boundary_allows) return not_allowed(DecidedBy::kBoundary);
    if (!session_allows) return not_allowed(DecidedBy::kSession);
    return allow(DecidedBy::kIdentity);
  };
  const bool resource_names = on_resource.allows != Named::kNot;
  if (!same_account) {
    if (!resource_names && !resource.granted) return not_allowed(DecidedBy::kResource);
    return by_identity(DecidedBy::kIdentity);
  }
  if (resource.granted || on_resource.allows == Named::kSelf) return allow(DecidedBy::kResource);
  if (on_resource.allows == Named::kRoleOrAnyone) {
    if (!boundary_allows) return not_allowed(DecidedBy::kBoundary);
    if (!session_allows) return not_allowed(DecidedBy::kSession);
    return allow(DecidedBy::kResource);
  }
  // Only the account is named, or nobody: its own policies must allow, and a key's or role's policy must at least name
  // the account.
  if (resource.policy_required && !resource_names) return not_allowed(DecidedBy::kResource);
  return by_identity(DecidedBy::kIdentity);
}

std::string denial_message(const Query& query, const Decision& decision) {
  std::string message = "User: " + (query.caller.arn.empty() ? std::string("anonymous") : query.caller.arn) +
                        " is not authorized to perform: " + std::string(query.action);
  if (!query.resource.empty() && query.resource != "*") message += " on resource: " + std::string(query.resource);
  std::string_view kind;
  switch (decision.decided_by) {
    case DecidedBy::kResource: kind = "resource-based policy"; break;
    case DecidedBy::kBoundary: kind = "permissions boundary"; break;
    case DecidedBy::kSession: kind = "session policy"; break;
    case DecidedBy::kServiceControl: kind = "service control policy"; break;
    case DecidedBy::kResourceControl: kind = "resource control policy"; break;
    default: kind = "identity-based policy"; break;
  }
  if (decision.outcome == Outcome::kExplicitDeny)
    return message + " with an explicit deny in " + (decision.decided_by == DecidedBy::kIdentity ? "an " : "a ") +
           std::string(kind);
  return message + " because no " + std::string(kind) + " allows the " + std::string(query.action) + " action";
}

RequestContext global_context(const api::Call& call) {
  RequestContext context;
  const api::Caller& caller = call.caller;
  const auto set = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) context.set(key, value);
  };
  const auto flag = [](bool value) { return std::string(value ? "true" : "false"); };
  const bool service = caller.kind == CallerKind::kService;
  if (!service && caller.kind != CallerKind::kAnonymous) {
    set("aws:PrincipalArn", caller.principal_arn.empty() ? caller.arn : caller.principal_arn);
    set("aws:PrincipalAccount", caller.account);
    set("aws:userid", caller.user_id);
    set("aws:username", caller.user_name);
    set("aws:SourceIdentity", caller.source_identity);
    for (const auto& [key, value] : caller.tags) context.set("aws:PrincipalTag/" + key, value);
    if (caller.token_issued) {
      set("aws:TokenIssueTime", format_utc(*caller.token_issued));
      context.set("aws:MultiFactorAuthPresent", "false");
    }
  }
  static constexpr std::string_view kTypes[] = {"Anonymous",   "Account",       "User",
                                                "AssumedRole", "FederatedUser", "Service"};
  if (!service) context.set("aws:PrincipalType", std::string(kTypes[static_cast<size_t>(caller.kind)]));
  context.set("aws:PrincipalIsAWSService", flag(service));
  if (service) {
    context.set("aws:PrincipalServiceName", caller.arn);
    context.set("aws:PrincipalServiceNamesList", std::vector<std::string>{caller.arn});
  }
  set("aws:SourceArn", call.source_arn);
  set("aws:SourceAccount", call.source_account);
  context.set("aws:ViaAWSService", flag(!call.via_service.empty()));
  if (!call.via_service.empty()) {
    context.set("aws:CalledVia", std::vector<std::string>{call.via_service});
    context.set("aws:CalledViaFirst", call.via_service);
    context.set("aws:CalledViaLast", call.via_service);
  } else if (!service) {
    set("aws:SourceIp", call.source_ip);
  }
  context.set("aws:SecureTransport", flag(call.secure_transport));
  set("aws:UserAgent", call.user_agent);
  set("aws:RequestedRegion", call.region);
  context.set("aws:CurrentTime", format_utc(call.time));
  context.set("aws:EpochTime", std::to_string(call.time.micros / 1'000'000));
  return context;
}

}  // namespace coffer::policy
