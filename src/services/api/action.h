// The table of a service's operations: how each is authorised and which function does it. One service has one such
// table, in its actions.cc. services/gate runs a call through it.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_source.h"
#include "services/api/call.h"
#include "services/api/value.h"

namespace coffer::catalog {
class Transaction;
}
namespace coffer::policy {
class Document;
}
namespace coffer::iam {
struct Identity;
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

/// The streamed body of a request: what the model calls its payload, when that is not a part of the input Value.
class RequestBody : public ByteSource {
 public:
  /// As the client announced it; it is an error of read() when it does not hold.
  [[nodiscard]] virtual std::optional<uint64_t> size() const = 0;
  /// Once read() gave 0: members of the input that the client sent behind the body ("ChecksumCRC32").
  [[nodiscard]] virtual const Members& trailing_members() const {
    static const Members kNone;
    return kNone;
  }
  /// The names of the members that will be behind the body, as far as the client said so before it.
  [[nodiscard]] virtual std::vector<std::string> announced_members() const { return {}; }
  /// It is the file of a browser's form (POST Object).
  [[nodiscard]] virtual bool is_form() const { return false; }
};

/// What an answer has besides the output Value.
struct Reply {
  std::unique_ptr<ByteSource> body;  // the output's streamed payload; lives on after the operation's transaction
  uint64_t body_size = 0;
  /// What the answer of a failure says besides code and message, by the name of the header or element
  /// ("x-amz-delete-marker", "ActualObjectSize").
  std::vector<std::pair<std::string, std::string>> error_headers, error_elements;
};

/// What an operation's handler works in: the call, its validated input, and a transaction. A handler of a changing
/// action gets a writing transaction, committed together with the audit record after it returned; others get a reading
/// one.
struct Operation {
  const Call& call;
  const Value& input;
  catalog::Transaction& transaction;
  const iam::Identity* identity = nullptr;   // null: anonymous, or a service by itself
  RequestBody* body = nullptr;               // null: the request has none
  Reply* reply = nullptr;                    // null: the caller takes no body (a call between services)
  std::shared_ptr<void> prepared = nullptr;  // what the action's prepare() made
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
  /// Whether a call with this input takes well under a millisecond and waits for nobody (another writer, a peer, a long
  /// computation): such calls are answered where requests are read. Only for what changes nothing; null: never.
  bool (*brief)(const Value& input) = nullptr;
  /// For work that takes longer than a transaction may, like reading a body: done once, after the decision and before
  /// run(), which may be tried several times. Each statement of its transaction stands alone.
  std::function<Result<std::shared_ptr<void>>(const Operation&)> prepare = nullptr;
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

/// How one service calls another for a user: the gate's run(). `call.via_service` names the calling service.
using Invoke = std::function<Result<Value>(const Call& call, const iam::Identity* identity, const Value& input)>;

/// The same with bodies: `body` of the request and, in `reply`, of the answer; null for those that a call has not.
using Transfer = std::function<Result<Value>(const Call& call, const iam::Identity* identity, const Value& input,
                                             RequestBody* body, Reply* reply)>;

/// A service as the gate sees it.
struct ServiceTable {
  std::string signing_name;  // "kms"
  std::vector<Action> actions;
};

}  // namespace coffer::api
