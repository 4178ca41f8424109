// What the rest of the house asks IAM: whose access key this is, which policies bind a principal, whether a call is
// allowed.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "services/api/action.h"
#include "services/catalog/database.h"
#include "services/policy/evaluate.h"

namespace coffer::iam {

/// A principal as found by its access key.
struct Identity {
  api::Caller caller;
  std::shared_ptr<const policy::PrincipalPolicies> policies;
  std::string organization_id, organization_path;  // empty outside an organization: "o-x", "o-x/r-y/ou-z/"
  /// Resource control policies of the account, a level from the root to it: they bind its resources.
  std::vector<std::vector<policy::NamedDocument>> resource_control = {};
};

/// The secret to check a signature with, and whom it proves.
struct Credential {
  std::shared_ptr<const Secret> secret_access_key;
  std::shared_ptr<const Identity> identity;
};

/// A use of an access key, for GetAccessKeyLastUsed.
struct AccessKeyUse {
  std::string service, region;
  WallTime at;
};

/// Safe from many threads; answers from a cache that IAM's own changes invalidate at once.
class Authority {
 public:
  virtual ~Authority() = default;
  /// kUnauthenticated with name "InvalidClientTokenId" (unknown or inactive key, token missing or of another key) or
  /// "ExpiredToken". `session_token` is empty for long-term keys.
  virtual Result<Credential> find_credential(const Context& context, std::string_view access_key_id,
                                             std::string_view session_token, WallTime now) = 0;
  /// A role as a service assumes it for a user (Backup, replication, export): trust policy checked for
  /// `service_principal` with aws:SourceArn and aws:SourceAccount of `call`. kPermissionDenied otherwise.
  virtual Result<std::shared_ptr<const Identity>> assume_for_service(catalog::Transaction& transaction,
                                                                     std::string_view role_arn,
                                                                     std::string_view service_principal,
                                                                     const api::Call& call) = 0;
  /// Decides all of `requests` for the call; success, or kPermissionDenied with AWS's message for the first that is
  /// refused.
  virtual Status authorize(catalog::Transaction& transaction, const api::Call& call, const Identity& identity,
                           const std::vector<api::AccessRequest>& requests) = 0;
  /// Does this ARN (or account id, or unique id) name a principal that exists? Service principals always do.
  virtual Result<bool> principal_exists(catalog::Transaction& transaction, std::string_view principal) = 0;
  /// What a stored policy or grant keeps of a principal: the unique id of a user or role, so that whoever takes its
  /// name later takes none of its rights; everything else as it is.
  virtual Result<std::string> stable_name(catalog::Transaction& transaction, std::string_view principal) {
    static_cast<void>(transaction);
    return std::string(principal);
  }
  /// Notes the use for GetAccessKeyLastUsed; kept in memory and written now and then.
  virtual void note_use(std::string_view access_key_id, std::string_view service, std::string_view region,
                        WallTime now) = 0;
  /// The same without ever writing, which waits for the catalog's other writers: for callers that must not.
  virtual void note_use_briefly(std::string_view access_key_id, std::string_view service, std::string_view region,
                                WallTime now) {
    note_use(access_key_id, service, region, now);
  }
  /// Writes what was noted, if it is time to. Called now and then, with no transaction open.
  virtual void write_uses() {}
  /// The last use that was noted and is not written yet.
  virtual std::optional<AccessKeyUse> noted_use(std::string_view /*access_key_id*/) { return std::nullopt; }
};

}  // namespace coffer::iam
