// Secrets of IAM at rest and on the way: secret access keys in the catalog, session tokens. All are sealed objects
// under the installation's root, each bound to its place.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/secret.h"
#include "services/api/call.h"

namespace coffer::iam {

/// 16 random upper-case letters and digits (A-Z, 2-7) behind a prefix: "AKIA...", "AROA...".
std::string new_id(std::string_view prefix, Entropy& entropy, size_t digits = 16);
/// 40 base64 characters.
Secret new_secret_access_key(Entropy& entropy);

Bytes seal_secret(ByteView root, std::string_view access_key_id, const Secret& secret, Entropy& entropy);
Result<Secret> open_secret(ByteView root, std::string_view access_key_id, ByteView sealed);

/// What a session token holds. Only this process can read it; it is bound to its access key id.
struct Session {
  api::Caller caller;  // with issue time; its tags are the session's alone
  WallTime expires;
  Secret secret_access_key;
  std::vector<std::string> transitive_tags;
  bool has_policies = false;          // a session policy was given, or none may be inherited
  std::vector<std::string> policies;  // documents
  std::vector<std::string> policy_arns;
};
std::string seal_session(ByteView root, const Session& session, Entropy& entropy);
/// kUnauthenticated "InvalidClientTokenId" for anything else than seal_session() wrote for this access key.
Result<Session> open_session(ByteView root, std::string_view access_key_id, std::string_view token);

/// An encoded authorization message, as DecodeAuthorizationMessage takes it.
std::string seal_message(ByteView root, std::string_view json, Entropy& entropy);
Result<std::string> open_message(ByteView root, std::string_view encoded);

}  // namespace coffer::iam
