// The gate: the one way into a service. For a call it finds the action, asks IAM, runs the handler in a transaction and
// writes the audit record with it. Requests from the wire and calls from one service to another both come through here.
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "services/api/action.h"
#include "services/audit/audit_log.h"
#include "services/catalog/database.h"
#include "services/iam/authority.h"

namespace coffer::gate {

class Gate {
 public:
  /// All are borrowed and outlive the gate.
  Gate(catalog::Database& database, iam::Authority& authority, audit::AuditLog& audit, Clock& clock);
  ~Gate();
  /// Before the first call.
  void add(api::ServiceTable table);

  /// The action, or null: the operation is in the model but this installation does not have it.
  [[nodiscard]] const api::Action* find(std::string_view service, std::string_view operation) const;

  /// Whether some operation of this name may be brief just now (api::Action): not while audit records queue up, and not
  /// on a database that is another process.
  [[nodiscard]] bool may_be_brief(std::string_view operation) const;
  [[nodiscard]] bool is_brief(const api::Action& action, const api::Value& input) const;

  /// Runs a call whose caller has been authenticated and whose input has been validated. `identity` null: anonymous.
  /// A conflict with another writer is tried again here; everything else is answered. What the handler throws becomes
  /// kInternal.
  /// `body` and `reply` carry what streams, for the operations that have it.
  Result<api::Value> run(const api::Call& call, const iam::Identity* identity, const api::Value& input,
                         api::RequestBody* body = nullptr, api::Reply* reply = nullptr);

  /// The audit record of a request that never became a call (bad signature, malformed input).
  void record_refusal(const api::Call& call, const Error& error);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::gate
