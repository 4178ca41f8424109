#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "services/api/fault.h"
#include "services/iam/principals.h"
#include "services/iam/service.h"
#include "services/organizations/service.h"

namespace coffer::iam {
namespace {

constexpr size_t kCacheMax = 10'000;
constexpr std::chrono::milliseconds kLookAtOthersEvery{500};
constexpr std::chrono::seconds kWriteUsesEvery{1};

Error invalid_key() {
  return api::fault(ErrorCode::kUnauthenticated, "InvalidClientTokenId",
                    "The security token included in the request is invalid.");
}

class CachingAuthority final : public Authority {
 public:
  CachingAuthority(catalog::Database& database, Clock& clock, Secret root)
      : database_(database), clock_(clock), root_(std::move(root)) {}
  ~CachingAuthority() override { write_uses(); }

  Result<Credential> find_credential(const Context& context, std::string_view access_key_id,
                                     std::string_view session_token, WallTime now) override {
    const std::string name = std::string(access_key_id) + "/" + std::string(session_token);
    const uint64_t epoch = current_epoch(context);
    {
      std::shared_lock lock(mutex_);
      const auto found = cache_.find(name);
      if (found != cache_.end() && found->second.epoch == epoch) {
        if (found->second.expires && now >= *found->second.expires) return expired();
        return found->second.credential;
      }
    }
    Entry entry;
    entry.epoch = epoch;
    COFFER_TRY(auto transaction, database_.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(entry.credential, load(*transaction, access_key_id, session_token, now, entry.expires));
    std::unique_lock lock(mutex_);
    if (cache_.size() >= kCacheMax) cache_.clear();
    return cache_.insert_or_assign(name, std::move(entry)).first->second.credential;
  }

  Result<std::shared_ptr<const Identity>> assume_for_service(catalog::Transaction& t, std::string_view role_arn,
                                                             std::string_view service_principal,
                                                             const api::Call& call) override {
    const Error refused = Error{ErrorCode::kPermissionDenied,
                                std::string(service_principal) + " cannot assume the role " + std::string(role_arn),
                                {}};
    if (role_arn.size() < 27) return refused;
    COFFER_TRY(auto role,
               rows::find(t, rows::Kind::kRole, role_arn.substr(13, 12), role_arn.substr(role_arn.rfind('/') + 1)));
    if (!role || role->arn() != role_arn) return refused;
    api::Call as_service = call;
    as_service.caller = {};
    as_service.caller.kind = api::Caller::Kind::kService;
    as_service.caller.arn = service_principal;
    COFFER_TRY(auto trust, trust_document(*role));
    const policy::RequestContext context = policy::global_context(as_service);
    const policy::Query query{as_service.caller, "sts:AssumeRole", role_arn, role->account, context};
    policy::ResourceSide side;
    side.policy = trust.get();
    side.policy_required = true;
    if (!policy::evaluate(query, {}, side).allowed()) return refused;
    Session session;
    session.caller.kind = api::Caller::Kind::kRoleSession;
    session.caller.account = role->account;
    session.caller.session_name = std::string(service_principal.substr(0, service_principal.find('.')));
    session.caller.arn =
        "arn:aws:sts::" + role->account + ":assumed-role/" + role->name + "/" + session.caller.session_name;
    session.caller.principal_arn = role->arn();
    session.caller.principal_id = role->id;
    session.caller.user_id = role->id + ":" + session.caller.session_name;
    session.caller.token_issued = call.time;
    session.caller.service_linked = role->service_linked();
    COFFER_TRY(Identity identity, identity_of_session(t, session));
    return std::make_shared<const Identity>(std::move(identity));
  }

  Status authorize(catalog::Transaction& t, const api::Call& call, const Identity& identity,
                   const std::vector<api::AccessRequest>& requests) override {
    const policy::RequestContext global = policy::global_context(call);
    for (const api::AccessRequest& request : requests) {
      policy::RequestContext context = global;
      if (!identity.organization_id.empty()) {
        context.set("aws:PrincipalOrgID", identity.organization_id);
        context.set("aws:PrincipalOrgPaths", std::vector<std::string>{identity.organization_path});
      }
      const std::string& owner = request.resource_account.empty() ? call.caller.account : request.resource_account;
      if (!owner.empty()) context.set("aws:ResourceAccount", owner);
      if (!owner.empty() && owner == call.caller.account && !identity.organization_id.empty()) {
        context.set("aws:ResourceOrgID", identity.organization_id);
      } else if (!owner.empty() && owner != call.caller.account) {
        COFFER_TRY(auto membership, organizations::membership(t, owner));
        if (membership) context.set("aws:ResourceOrgID", membership->organization_id);
      }
      for (const auto& [key, values] : request.conditions) context.set(key, values);
      const policy::Query query{call.caller, request.action, request.resource, request.resource_account, context};
      policy::ResourceSide side;
      side.policy = request.resource_policy.get();
      side.policy_required = request.resource_policy_required;
      side.granted = request.granted;
      const policy::Decision decision = policy::evaluate(query, *identity.policies, side);
      if (!decision.allowed()) return Error{ErrorCode::kPermissionDenied, policy::denial_message(query, decision), {}};
    }
    return ok_status();
  }

  Result<bool> principal_exists(catalog::Transaction& t, std::string_view principal) override {
    if (principal.ends_with(".amazonaws.com") || principal == "*") return true;
    if (principal.size() == 12 || principal.ends_with(":root")) return true;
    if (!principal.starts_with("arn:")) {
      COFFER_TRY(auto entity, rows::find_by_id(t, principal));
      return entity.has_value();
    }
    if (principal.size() < 27 || principal.starts_with("arn:aws:sts::")) return principal.size() >= 27;
    COFFER_TRY(bool ours, rows::account_exists(t, principal.substr(13, 12)));
    if (!ours) return true;  // another installation's: not known here
    const std::string_view resource = principal.substr(26);
    const auto kind = resource.starts_with("user/") ? rows::Kind::kUser : rows::Kind::kRole;
    COFFER_TRY(auto entity, rows::find(t, kind, principal.substr(13, 12), resource.substr(resource.rfind('/') + 1)));
    return entity && entity->arn() == principal;
  }

  void note_use(std::string_view access_key_id, std::string_view service, std::string_view region,
                WallTime now) override {
    if (!access_key_id.starts_with("AKIA")) return;
    bool write = false;
    {
      std::lock_guard lock(uses_mutex_);
      uses_.insert_or_assign(std::string(access_key_id), Use{std::string(service), std::string(region), now});
      const MonoTime mono = clock_.mono();
      write = mono - uses_written_ >= kWriteUsesEvery;
      if (write) uses_written_ = mono;
    }
    if (write) write_uses();
  }

 private:
  struct Entry {
    uint64_t epoch = 0;
    Credential credential;
    std::optional<WallTime> expires;
  };
  struct Use {
    std::string service, region;
    WallTime at;
  };

  static Error expired() {
    return api::fault(ErrorCode::kUnauthenticated, "ExpiredToken",
                      "The security token included in the request is expired");
  }

  Result<Credential> load(catalog::Transaction& t, std::string_view access_key_id, std::string_view token, WallTime now,
                          std::optional<WallTime>& expires) {
    Credential credential;
    if (!token.empty()) {
      COFFER_TRY(Session session, open_session(root_.view(), access_key_id, token));
      if (now >= session.expires) return expired();
      expires = session.expires;
      COFFER_TRY(Identity identity, identity_of_session(t, session));
      credential.identity = std::make_shared<const Identity>(std::move(identity));
      credential.secret_access_key = std::make_shared<const Secret>(std::move(session.secret_access_key));
      return credential;
    }
    COFFER_TRY(auto key, rows::find_access_key(t, access_key_id));
    if (!key || !key->active) return invalid_key();
    COFFER_TRY(Secret secret, open_secret(root_.view(), access_key_id, key->sealed_secret));
    Identity identity;
    if (key->user_id.empty()) {
      COFFER_TRY(identity, identity_of_root(t, key->account));
    } else {
      COFFER_TRY(auto user, rows::find_by_id(t, key->user_id));
      if (!user) return invalid_key();
      COFFER_TRY(identity, identity_of_user(t, *user));
    }
    credential.identity = std::make_shared<const Identity>(std::move(identity));
    credential.secret_access_key = std::make_shared<const Secret>(std::move(secret));
    return credential;
  }

  /// Changes with every change of IAM or the organization; those of other processes are noticed within half a second.
  uint64_t current_epoch(const Context& context) {
    if (database_.shared()) {
      const int64_t now = clock_.mono().nanos;
      int64_t looked = looked_at_others_.load();
      if (now - looked > std::chrono::nanoseconds(kLookAtOthersEvery).count() &&
          looked_at_others_.compare_exchange_strong(looked, now)) {
        auto transaction = database_.begin(context, catalog::Database::Mode::kRead);
        if (transaction.ok()) {
          const int64_t sum = catalog::generation(**transaction, kGeneration).value_or(0) * 1'000'003 +
                              catalog::generation(**transaction, organizations::kGeneration).value_or(0);
          others_.store(static_cast<uint64_t>(sum));
        }
      }
    }
    return catalog::generation_epoch() + others_.load() * 1'000'000'007ULL;
  }

  void write_uses() {
    std::unordered_map<std::string, Use> uses;
    {
      std::lock_guard lock(uses_mutex_);
      uses.swap(uses_);
    }
    if (uses.empty()) return;
    // A lost note of a use is no harm; the call it is about is in the audit log.
    static_cast<void>(catalog::in_transaction(database_, Context(), [&](catalog::Transaction& t) -> Status {
                        for (const auto& [id, use] : uses)
                          COFFER_CHECK_OK(rows::note_access_key_use(t, id, use.service, use.region, use.at));
                        return ok_status();
                      }).ok());
  }

  catalog::Database& database_;
  Clock& clock_;
  Secret root_;
  std::shared_mutex mutex_;
  std::unordered_map<std::string, Entry> cache_;
  std::atomic<int64_t> looked_at_others_{0};
  std::atomic<uint64_t> others_{0};
  std::mutex uses_mutex_;
  std::unordered_map<std::string, Use> uses_;
  MonoTime uses_written_;
};

}  // namespace

std::unique_ptr<Authority> open_authority(catalog::Database& database, Clock& clock, Entropy&, Secret sealing_root) {
  return std::make_unique<CachingAuthority>(database, clock, std::move(sealing_root));
}

}  // namespace coffer::iam
