// The table of a service's operations: how each is authorised and which function does it. One service has one such
// table, in its actions.cc. services/gate runs a call through it.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/api/call.h"
#include "services/api/value.h"

namespace coffer::catalog {
class Transaction;
}
namespace coffer::policy {
class Document;
}

namespace coffer::api {

/// Condition keys of one request that the service adds to the global ones: key as documented
/// ("kms:EncryptionContext:app"), values.
using ConditionKeys = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// One decision that a call needs: action on a resource, in a context.
struct AccessRequest {
  std::string action;            // "kms:Encrypt"
  std::string resource = "*";    // ARN, or "*" for actions that know no resource
  std::string resource_account;  // owner of the resource; empty: the caller's
  ConditionKeys conditions = {};
  /// The policy that hangs on the resource (key policy, trust policy, bucket policy); null: there is none.
  std::shared_ptr<const policy::Document> resource_policy = nullptr;
  /// Key and trust policies must allow by themselves: an identity policy of the same account is not enough.
  bool resource_policy_required = false;
  /// Something other than a policy allows this (a KMS grant): stands in for resource and identity policies; a Deny
  /// wins.
  bool granted = false;
};

/// What an operation's handler works in: the call, its validated input, and a transaction. A handler of a changing
/// action gets a writing transaction, committed together with the audit record after it returned; others get a reading
/// one.
struct Operation {
  const Call& call;
  const Value& input;
  catalog::Transaction& transaction;
};

struct Action {
  std::string operation;  // "CreateKey"
  bool changes = false;   // writes to the catalog
  /// What must be allowed. Empty list: any valid credentials will do. An Error here (no such key) is the call's answer.
  std::function<Result<std::vector<AccessRequest>>(const Operation&)> access;
  std::function<Result<Value>(const Operation&)> run;
  /// ARNs for the audit record, of what the call touched; null: the AccessRequests' resources.
  std::function<std::vector<std::string>(const Value& input, const Value& output)> resources = nullptr;
  bool anonymous = false;  // works without credentials
};

/// Access of an action that has one action name on one resource computed from the call.
inline auto allow_on(std::string action, std::function<std::string(const Operation&)> resource) {
  return [action = std::move(action),
          resource = std::move(resource)](const Operation& o) -> Result<std::vector<AccessRequest>> {
    AccessRequest request;
    request.action = action;
    request.resource = resource(o);
    return std::vector<AccessRequest>{std::move(request)};
  };
}

/// A service as the gate sees it.
struct ServiceTable {
  std::string signing_name;  // "kms"
  std::vector<Action> actions;
};

}  // namespace coffer::api
