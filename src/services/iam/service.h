// IAM and STS: accounts, users, groups, roles, managed and inline policies, access keys, temporary credentials. API
// versions 2010-05-08 (iam) and 2011-06-15 (sts).
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/secret.h"
#include "services/api/action.h"
#include "services/catalog/database.h"
#include "services/iam/authority.h"

namespace coffer::iam {

struct RootCredentials {
  std::string access_key_id;
  std::string secret_access_key;
};
/// Creates the account (kAlreadyExists when it is there) with a root access key. `sealing_root` wraps secrets at rest.
Result<RootCredentials> create_account(catalog::Transaction& transaction, std::string_view account,
                                       std::string_view name, ByteView sealing_root, Clock& clock, Entropy& entropy);
/// As organizations' CreateAccount makes one: with a role `role_name` that trusts `management_account` and may do
/// everything.
Status create_member_account(catalog::Transaction& transaction, std::string_view account, std::string_view name,
                             std::string_view role_name, std::string_view management_account, ByteView sealing_root,
                             Clock& clock, Entropy& entropy);
struct Account {
  std::string id, name;
  WallTime created;
};
Result<std::vector<Account>> list_accounts(catalog::Transaction& transaction);

/// `sealing_root`: 64 bytes, the installation's root; secrets and session tokens are sealed under keys derived from it.
std::unique_ptr<Authority> open_authority(catalog::Database& database, Clock& clock, Entropy& entropy,
                                          Secret sealing_root);

/// The tables of operations. All arguments outlive them.
api::ServiceTable iam_actions(Authority& authority, ByteView sealing_root, Clock& clock, Entropy& entropy);
api::ServiceTable sts_actions(Authority& authority, ByteView sealing_root, Clock& clock, Entropy& entropy);

/// Temporary credentials of a session.
struct SessionCredentials {
  std::string access_key_id, secret_access_key, session_token;
  WallTime expires;
};
/// Credentials for code that works with a role which a service has assumed (`role`: of Authority::assume_for_service),
/// like a function's. Whoever holds them acts as the role, in a session of this name, until they expire; the trust
/// policy was decided when the role was assumed.
SessionCredentials issue_credentials(const Identity& role, std::string_view session_name, std::chrono::seconds duration,
                                     ByteView sealing_root, WallTime now, Entropy& entropy);

/// The facts of a denial (JSON) as an EncodedMessage: only who may call sts:DecodeAuthorizationMessage reads them.
std::string encode_authorization_message(ByteView sealing_root, std::string_view json, Entropy& entropy);

/// The generation counter that every change bumps.
inline constexpr std::string_view kGeneration = "iam";
std::span<const catalog::Migration> migrations();  // numbers 100-199

}  // namespace coffer::iam
