#include "services/iam/authority.h"

#include <atomic>

#include "services/iam/arns.h"
#include "services/iam/credential_cache.h"
#include "services/iam/faults.h"
#include "services/iam/principals.h"
#include "services/iam/service.h"
#include "services/iam/trust.h"
#include "services/iam/uses.h"
#include "services/organizations/service.h"

namespace coffer::iam {
namespace {

using api::AccessRequest;
using policy::RequestContext;

/// How long a change by another process may go unseen.
constexpr std::chrono::milliseconds kLookAtOthersEvery{500};

/// Resource control policies bind the resources of these services.
bool is_resource_controlled(std::string_view action) {
  for (std::string_view service : {"s3:", "sts:", "kms:", "sqs:", "secretsmanager:"}) {
    if (action.starts_with(service)) return true;
  }
  return false;
}

/// Where an account stands in an organization.
struct Standing {
  std::string organization_id, organization_path;
  std::vector<std::vector<policy::NamedDocument>> resource_control;
};

Result<Standing> standing_of(catalog::Transaction& t, std::string_view account) {
  Standing standing;
  COFFER_TRY(auto membership, organizations::membership(t, account));
  if (!membership) return standing;
  standing.organization_id = membership->organization_id;
  standing.organization_path = membership->path;
  COFFER_TRY(standing.resource_control, organizations::resource_control_levels(t, account));
  return standing;
}

void set_organization(RequestContext& context, const std::string& whose, const std::string& id,
                      const std::string& path) {
  if (id.empty()) return;
  context.set("aws:" + whose + "OrgID", id);
  context.set("aws:" + whose + "OrgPaths", std::vector{path});
}

/// The session of a role that a service assumes.
Session session_of_service(const rows::Entity& role, std::string_view service_principal, const api::Call& call) {
  Session session;
  api::Caller& caller = session.caller;
  caller.kind = api::Caller::Kind::kRoleSession;
  caller.account = role.account;
  caller.session_name = std::string(service_principal.substr(0, service_principal.find('.')));
  if (!call.request_id.empty()) caller.session_name += "-" + call.request_id.substr(0, 8);
  caller.arn = "arn:aws:sts::" + role.account + ":assumed-role/" + role.name + "/" + caller.session_name;
  caller.principal_arn = role.arn();
  caller.principal_id = role.id;
  caller.user_id = role.id + ":" + caller.session_name;
  caller.token_issued = call.time;
  caller.service_linked = role.service_linked();
  return session;
}

class CachingAuthority final : public Authority {
 public:
  CachingAuthority(catalog::Database& database, Clock& clock, Secret root)
      : database_(database), clock_(clock), root_(std::move(root)), uses_(database, clock) {}
  ~CachingAuthority() override { uses_.write(); }

  Result<Credential> find_credential(const Context& context, std::string_view access_key_id,
                                     std::string_view session_token, WallTime now) override {
    const uint64_t epoch = current_epoch(context);
    if (auto known = cache_.find(access_key_id, session_token, epoch, now)) return std::move(*known);
    COFFER_TRY(auto transaction, database_.begin(context, catalog::Database::Mode::kRead));
    CredentialCache::Entry entry{epoch, std::string(session_token), {}, {}};
    if (session_token.empty()) {
      COFFER_TRY(entry.credential, find_long_term(*transaction, access_key_id));
    } else {
      COFFER_TRY(entry.credential, find_session(*transaction, access_key_id, session_token, now, entry.expires));
    }
    Credential found = entry.credential;
    cache_.put(access_key_id, std::move(entry));
    return found;
  }

  Result<std::shared_ptr<const Identity>> assume_for_service(catalog::Transaction& t, std::string_view role_arn,
                                                             std::string_view service_principal,
                                                             const api::Call& call) override {
    api::Call of_service = call;
    of_service.caller = {};
    of_service.caller.kind = api::Caller::Kind::kService;
    of_service.caller.arn = service_principal;
    const Error refused{ErrorCode::kPermissionDenied,
                        std::string(service_principal) + " is not able to assume the role " + std::string(role_arn) +
                            ": it does not exist or its trust policy does not allow it.",
                        {}};
    COFFER_TRY(auto role, role_of_arn(t, role_arn));
    if (!role) return refused;
    AccessRequest assume;
    assume.action = "sts:AssumeRole";
    assume.resource = role_arn;
    assume.resource_account = role->account;
    assume.resource_policy_required = true;
    COFFER_TRY(assume.resource_policy, trust_document(*role));
    static const Identity kNobody{{}, std::make_shared<const policy::PrincipalPolicies>(), {}, {}, {}};
    const Status allowed = authorize(t, of_service, kNobody, {assume});
    if (!allowed.ok()) return allowed.code() == ErrorCode::kPermissionDenied ? refused : allowed.error();
    COFFER_TRY(Identity identity, identity_of_session(t, session_of_service(*role, service_principal, call)));
    uses_.note(role->id, {"sts", call.region, call.time});
    return std::make_shared<const Identity>(std::move(identity));
  }

  Status authorize(catalog::Transaction& t, const api::Call& call, const Identity& identity,
                   const std::vector<AccessRequest>& requests) override {
    Standing source;
    if (!call.source_account.empty()) {
      COFFER_TRY(source, standing_of(t, call.source_account));
    }
    for (const AccessRequest& request : requests) COFFER_CHECK_OK(decide(t, call, identity, request, source));
    return ok_status();
  }

  Result<bool> principal_exists(catalog::Transaction& t, std::string_view principal) override {
    if (principal == "*" || principal.ends_with(".amazonaws.com")) return true;
    // Accounts of other installations cannot be known here; neither can what is in them.
    if (is_account_id(principal)) return true;
    if (!principal.starts_with("arn:")) {
      COFFER_TRY(auto entity, rows::find_by_id(t, principal));
      return entity && entity->kind != rows::Kind::kGroup;
    }
    const std::string account = account_of_arn(principal);
    if (account.empty()) return false;
    COFFER_TRY(bool ours, rows::account_exists(t, account));
    if (!ours || principal.ends_with(":root")) return true;
    if (const auto session = parse_session_arn(principal)) {
      COFFER_TRY(auto role, rows::find(t, rows::Kind::kRole, account, session->name));
      return role.has_value();
    }
    if (principal.starts_with("arn:aws:sts::")) return principal.find(":federated-user/") != std::string_view::npos;
    COFFER_TRY(auto entity, entity_of_arn(t, principal));
    return entity && entity->kind != rows::Kind::kGroup;
  }

  Result<std::string> stable_name(catalog::Transaction& t, std::string_view principal) override {
    if (!principal.starts_with("arn:aws:iam::")) return std::string(principal);
    COFFER_TRY(auto entity, entity_of_arn(t, principal));
    if (!entity || entity->kind == rows::Kind::kGroup) return std::string(principal);
    return entity->id;
  }

  void note_use(std::string_view id, std::string_view service, std::string_view region, WallTime now) override {
    note_use_briefly(id, service, region, now);
    if (!id.starts_with("AROA")) uses_.write_if_due();  // that is from within a call: its transaction is still open
  }
  void note_use_briefly(std::string_view id, std::string_view service, std::string_view region, WallTime now) override {
    const AccessKeyUse use{std::string(service), std::string(region), now};
    if (id.starts_with("AROA") || id.starts_with("AKIA")) uses_.note(id, use);
    if (const std::string role = id.starts_with("ASIA") ? cache_.role_of(id) : ""; !role.empty()) uses_.note(role, use);
  }
  void write_uses() override { uses_.write_if_due(); }

  std::optional<AccessKeyUse> noted_use(std::string_view access_key_id) override { return uses_.find(access_key_id); }

 private:
  Result<Credential> find_long_term(catalog::Transaction& t, std::string_view access_key_id) {
    COFFER_TRY(auto key, rows::find_access_key(t, access_key_id));
    if (!key || !key->active) return invalid_token();
    COFFER_TRY(Secret secret, open_secret(root_.view(), access_key_id, key->sealed_secret));
    Identity identity;
    if (key->user_id.empty()) {
      COFFER_TRY(identity, identity_of_root(t, key->account));
    } else {
      COFFER_TRY(auto user, rows::find_by_id(t, key->user_id));
      if (!user) return invalid_token();
      COFFER_TRY(identity, identity_of_user(t, *user));
    }
    return Credential{std::make_shared<const Secret>(std::move(secret)),
                      std::make_shared<const Identity>(std::move(identity))};
  }

  Result<Credential> find_session(catalog::Transaction& t, std::string_view access_key_id, std::string_view token,
                                  WallTime now, std::optional<WallTime>& expires) {
    COFFER_TRY(Session session, open_session(root_.view(), access_key_id, token));
    if (now >= session.expires) return expired_token();
    expires = session.expires;
    COFFER_TRY(Identity identity, identity_of_session(t, session));
    return Credential{std::make_shared<const Secret>(std::move(session.secret_access_key)),
                      std::make_shared<const Identity>(std::move(identity))};
  }

  Status decide(catalog::Transaction& t, const api::Call& call, const Identity& identity, const AccessRequest& request,
                const Standing& source) {
    const std::string& owner = request.resource_account.empty() ? call.caller.account : request.resource_account;
    Standing standing;
    const bool own = owner == identity.caller.account;
    if (!own && !owner.empty()) {
      COFFER_TRY(standing, standing_of(t, owner));
    }
    const RequestContext context([&] {
      RequestContext all = policy::global_context(call);
      set_organization(all, "Principal", identity.organization_id, identity.organization_path);
      set_organization(all, "Source", source.organization_id, source.organization_path);
      set_organization(all, "Resource", own ? identity.organization_id : standing.organization_id,
                       own ? identity.organization_path : standing.organization_path);
      if (!owner.empty()) all.set("aws:ResourceAccount", owner);
      for (const auto& [key, values] : request.conditions) all.set(key, values);
      return all;
    });

    policy::ResourceSide side;
    side.policy = request.resource_policy.get();
    side.policy_required = request.resource_policy_required;
    side.granted = request.granted;
    if (is_resource_controlled(request.action))
      side.resource_control = own ? identity.resource_control : std::move(standing.resource_control);
    const policy::Query query{call.caller, request.action, request.resource, request.resource_account, context};
    const policy::Decision decision = policy::evaluate(query, *identity.policies, side);
    if (decision.allowed()) return ok_status();
    return Error{ErrorCode::kPermissionDenied, policy::denial_message(query, decision), {}};
  }

  /// Another number after every change of IAM or an organization: at once for changes of this process, within half a
  /// second for those of others.
  uint64_t current_epoch(const Context& context) {
    if (database_.shared()) look_at_others(context);
    return catalog::generation_epoch() + changes_of_others_.load(std::memory_order_acquire);
  }

  void look_at_others(const Context& context) {
    const int64_t now = clock_.mono().nanos;
    int64_t looked = looked_at_others_.load(std::memory_order_relaxed);
    const bool due = now - looked >= std::chrono::nanoseconds(kLookAtOthersEvery).count();
    if (!due || !looked_at_others_.compare_exchange_strong(looked, now)) return;
    const auto read = [&]() -> Result<std::pair<int64_t, int64_t>> {
      COFFER_TRY(auto transaction, database_.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(int64_t iam, catalog::generation(*transaction, kGeneration));
      COFFER_TRY(int64_t organizations, catalog::generation(*transaction, organizations::kGeneration));
      return std::pair{iam, organizations};
    };
    const auto generations = read();
    std::lock_guard lock(generations_mutex_);
    // When it is not known whether something changed, it did.
    if (generations.ok() && generations_ == *generations) return;
    if (generations.ok()) generations_ = *generations;
    changes_of_others_.fetch_add(kOthersStep, std::memory_order_release);
  }

  /// Steps of another size than the counter of this process, so that the sum of both never comes back.
  static constexpr uint64_t kOthersStep = uint64_t{1} << 40;

  catalog::Database& database_;
  Clock& clock_;
  Secret root_;
  CredentialCache cache_;
  UseNotes uses_;
  std::atomic<int64_t> looked_at_others_{0};
  std::atomic<uint64_t> changes_of_others_{0};
  std::mutex generations_mutex_;
  std::pair<int64_t, int64_t> generations_;
};

}  // namespace

std::unique_ptr<Authority> open_authority(catalog::Database& database, Clock& clock, Entropy&, Secret sealing_root) {
  return std::make_unique<CachingAuthority>(database, clock, std::move(sealing_root));
}

}  // namespace coffer::iam
