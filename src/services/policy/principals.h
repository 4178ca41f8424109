// Whom a statement of a resource policy means, and how closely it names a caller.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/api/call.h"
#include "services/policy/document.h"

namespace coffer::policy {

struct Principal {
  enum class Form {
    kAnyone,
    kAccount,    // `name`: 12 digits
    kRole,       // ARN of a role
    kPrincipal,  // ARN of a user, a role's session or a federated user
    kUniqueId,   // AIDA..., AROA...
    kService,
    kForeign,  // other identity providers and canonical users: none of our callers
  };
  Form form = Form::kAnyone;
  std::string name;
  PrincipalEntry written;
};

/// Nothing when the text is no principal of this type. `entry` of type kAws may be "*", which is anyone.
std::optional<Principal> parse_principal(PrincipalEntry entry);

/// How a resource policy names the caller, loosest first. It decides which implicit denies of the caller's own policies
/// still count (User Guide, "Evaluating policies within a single account").
enum class Named {
  kNot,
  kAccount,  // all it does is let the account's own policies decide
  kLoosely,  // its role, or anyone: no identity policy is needed; boundary and session policy still limit
  kExactly,  // the user, session, federated user, root user or service itself: enough alone
};
Named how_named(const std::vector<Principal>& principals, const api::Caller& caller);

/// Does a NotPrincipal leave the caller out? Only if it lists all that the caller is: the account, and the user, or the
/// role and the session.
bool is_exempt(const std::vector<Principal>& principals, const api::Caller& caller);

}  // namespace coffer::policy
