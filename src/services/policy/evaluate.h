// The decision: may this principal do this action on this resource, now? The algorithm of the IAM User Guide, "Policy
// evaluation logic", in one pure function. Every decision of this installation is made here: API calls, PassRole, KMS
// keys, trust policies, and the Simulate operations.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "services/api/call.h"
#include "services/policy/document.h"

namespace coffer::policy {

/// Condition keys and their values. Names are matched without case. Not for several threads at once.
class RequestContext {
 public:
  RequestContext() = default;
  /// `make` gives all keys, when the first one is asked for: most decisions look at none.
  explicit RequestContext(std::function<RequestContext()> make) : make_(std::move(make)) {}
  void set(std::string_view key, std::string value) { set(key, std::vector<std::string>{std::move(value)}); }
  void set(std::string_view key, std::vector<std::string> values);
  /// Null when the key is absent. An empty list is a present key without values.
  [[nodiscard]] const std::vector<std::string>* find(std::string_view key) const;

 private:
  void made() const;

  mutable std::vector<std::pair<std::string, std::vector<std::string>>> keys_;  // lower case
  mutable std::function<RequestContext()> make_;
};

using DocumentPtr = std::shared_ptr<const Document>;
/// A document and how it is called in Simulate's MatchedStatements.
struct NamedDocument {
  std::string id;    // policy ARN, or "user_name_policyname" for an inline one
  std::string type;  // "IAM Policy", ...
  DocumentPtr document;
};

/// All policies that bind a principal, gathered by services/iam. Immutable and shared between requests.
struct PrincipalPolicies {
  std::vector<NamedDocument> identity;    // user's, its groups', or the role's
  std::optional<NamedDocument> boundary;  // permissions boundary
  std::optional<std::vector<NamedDocument>>
      session;  // present: a session policy was passed (may be empty: allows nothing)
  /// One element a level from the root to the account; absent outside an organization and for its management account.
  std::vector<std::vector<NamedDocument>> service_control;
};

/// What is asked.
struct Query {
  const api::Caller& caller;
  std::string_view action;            // "kms:Encrypt"
  std::string_view resource;          // ARN or "*"
  std::string_view resource_account;  // empty: the caller's
  const RequestContext& context;
};

/// The resource's side.
struct ResourceSide {
  const Document* policy = nullptr;
  bool policy_required = false;  // key and trust policies: identity policies alone never suffice
  bool granted = false;          // a KMS grant allows it
  std::vector<std::vector<NamedDocument>> resource_control;  // levels of the resource's account
};

enum class Outcome { kAllowed, kExplicitDeny, kImplicitDeny };
/// Which kind of policy decided; for a denial, which one denied or failed to allow.
enum class DecidedBy { kNone, kIdentity, kResource, kBoundary, kSession, kServiceControl, kResourceControl };

struct MatchedStatement {
  std::string policy_id, policy_type;
  uint32_t start_line = 0, start_column = 0, end_line = 0, end_column = 0;  // in the document's text, from 1
};

struct Decision {
  Outcome outcome = Outcome::kImplicitDeny;
  DecidedBy decided_by = DecidedBy::kNone;
  [[nodiscard]] bool allowed() const { return outcome == Outcome::kAllowed; }
};
/// What Simulate shows besides; filled only when asked for, because it costs.
struct Explanation {
  std::vector<MatchedStatement> matched;
  std::vector<std::string> missing_keys;  // condition keys that a policy asked for and the context lacks
  bool allowed_by_boundary = true, allowed_by_organization = true;
};

Decision evaluate(const Query& query, const PrincipalPolicies& policies, const ResourceSide& resource,
                  Explanation* explanation = nullptr);

/// "User: arn:... is not authorized to perform: kms:Encrypt on resource: arn:... because no identity-based policy
/// allows the kms:Encrypt action", and the variants with an explicit deny.
std::string denial_message(const Query& query, const Decision& decision);

/// The global condition keys (aws:PrincipalArn, aws:SourceIp, aws:CurrentTime, ...) of a call. Keys about the
/// organization and the resource's tags are added by who knows them.
RequestContext global_context(const api::Call& call);

}  // namespace coffer::policy
