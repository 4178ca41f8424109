// What the functions behind a service's table of operations are given, and how that table becomes the gate's.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/api/action.h"

namespace coffer::api {

/// A call at work in a service, whose parts are its `Setting`.
template <class Setting>
struct Request {
  const Setting& setting;
  const Operation& operation;
  [[nodiscard]] catalog::Transaction& t() const { return operation.transaction; }
  [[nodiscard]] const Value& input() const { return operation.input; }
  [[nodiscard]] const Call& call() const { return operation.call; }
  /// Of the calling account; of the account for which a service acts.
  [[nodiscard]] const std::string& account() const {
    return call().caller.account.empty() ? call().source_account : call().caller.account;
  }
  [[nodiscard]] const std::string& region() const { return call().region; }
  [[nodiscard]] std::string text(std::string_view name) const { return std::string(operation.input.text(name)); }
  [[nodiscard]] WallTime now() const { return call().time; }
  [[nodiscard]] bool by_service() const { return call().caller.kind == Caller::Kind::kService; }
  /// What prepare() of the action made.
  template <class T>
  [[nodiscard]] const T& prepared() const {
    COFFER_ASSERT(operation.prepared);
    return *static_cast<const T*>(operation.prepared.get());
  }
};

/// A line of a service's table. `Request`: what its functions take.
template <class Request>
struct Entry {
  const char* operation;
  bool changes;
  Result<std::vector<AccessRequest>> (*access)(const Request&);
  Result<Value> (*run)(const Request&);
  Result<std::shared_ptr<void>> (*prepare)(const Request&) = nullptr;
};

/// The line as the gate takes it. `setting` is borrowed.
template <class Request, class Setting>
Action action_of(const Entry<Request>& entry, const Setting& setting) {
  Action action;
  action.operation = entry.operation;
  action.changes = entry.changes;
  action.access = [&setting, access = entry.access](const Operation& o) { return access(Request{setting, o}); };
  action.run = [&setting, run = entry.run](const Operation& o) { return run(Request{setting, o}); };
  if (entry.prepare)
    action.prepare = [&setting, prepare = entry.prepare](const Operation& o) { return prepare(Request{setting, o}); };
  return action;
}

/// The whole table; `signing_name`: the service's.
template <class Request, class Setting>
ServiceTable table_of(std::string signing_name, std::span<const Entry<Request>> entries, const Setting& setting) {
  ServiceTable table{std::move(signing_name), {}};
  for (const Entry<Request>& entry : entries) table.actions.push_back(action_of(entry, setting));
  return table;
}

}  // namespace coffer::api
