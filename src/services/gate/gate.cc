#include "services/gate/gate.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "services/api/fault.h"

namespace coffer::gate {
namespace {

using catalog::Database;
using catalog::Transaction;

constexpr int kAttemptsMax = 10;

/// Begins when the first statement comes: calls that are answered from caches never open a transaction.
class LazyRead final : public Transaction {
 public:
  LazyRead(Database& database, const Context& context) : database_(database), context_(context) {}
  Result<catalog::Rows> run(std::string_view sql, std::span<const catalog::Parameter> parameters) override {
    if (!begun_) {
      COFFER_TRY(begun_, database_.begin(context_, Database::Mode::kRead));
    }
    return begun_->run(sql, parameters);
  }
  Status commit() override { return ok_status(); }
  [[nodiscard]] bool writes() const override { return false; }

 private:
  Database& database_;
  const Context& context_;
  std::unique_ptr<Transaction> begun_;
};

/// Each statement sees the newest state, and nothing is held in between.
class SingleReads final : public Transaction {
 public:
  SingleReads(Database& database, const Context& context) : database_(database), context_(context) {}
  Result<catalog::Rows> run(std::string_view sql, std::span<const catalog::Parameter> parameters) override {
    COFFER_TRY(auto transaction, database_.begin(context_, Database::Mode::kRead));
    return transaction->run(sql, parameters);
  }
  Status commit() override { return ok_status(); }
  [[nodiscard]] bool writes() const override { return false; }

 private:
  Database& database_;
  const Context& context_;
};

const iam::Identity& identity_or_nobody(const iam::Identity* identity) {
  static const iam::Identity kNobody{{}, std::make_shared<const policy::PrincipalPolicies>(), {}, {}};
  return identity ? *identity : kNobody;
}

/// The same failure without what an outsider must not learn. The full text goes into the audit record.
Error internal_error(std::string message) { return Error{ErrorCode::kInternal, std::move(message), {}}; }

/// As CloudTrail's records name a failure that the service did not name itself.
std::string error_name(const Error& error) {
  if (!error.name.empty()) return error.name;
  switch (error.code) {
    case ErrorCode::kPermissionDenied: return "AccessDenied";
    case ErrorCode::kInvalidArgument: return "ValidationException";
    case ErrorCode::kUnauthenticated: return "UnrecognizedClientException";
    case ErrorCode::kNotFound: return "ResourceNotFoundException";
    case ErrorCode::kAlreadyExists: return "AlreadyExistsException";
    case ErrorCode::kFailedPrecondition: return "InvalidStateException";
    case ErrorCode::kConflict: return "ConflictException";
    case ErrorCode::kResourceExhausted: return "LimitExceededException";
    case ErrorCode::kThrottled: return "ThrottlingException";
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kCancelled: return "ServiceUnavailable";
    default: return "InternalFailure";
  }
}

}  // namespace

struct Gate::State {
  Database& database;
  iam::Authority& authority;
  audit::AuditLog& audit;
  Clock& clock;
  std::map<std::string, std::unordered_map<std::string, api::Action>, std::less<>> services;
  std::set<std::string, std::less<>> brief;  // operations that may be

  struct Attempt {
    std::vector<api::AccessRequest> requests;
    Result<api::Value> result = internal_error("not run");
    bool recorded = false;  // the record was committed with the effect
  };
  /// What a call has that its action's attempts share.
  struct Asked {
    const api::Action& action;
    const api::Call& call;
    const iam::Identity* identity;
    const api::Value& input;
    api::RequestBody* body;
    api::Reply* reply;
    std::shared_ptr<void> prepared;

    [[nodiscard]] api::Operation in(Transaction& transaction) const {
      return {call, input, transaction, identity, body, reply, prepared};
    }
  };

  Status decide(const Asked& asked, Transaction& transaction, Attempt& a) {
    if (!asked.action.access) return ok_status();
    COFFER_TRY(a.requests, asked.action.access(asked.in(transaction)));
    if (a.requests.empty()) return ok_status();
    return authority.authorize(transaction, asked.call, identity_or_nobody(asked.identity), a.requests);
  }

  /// Decision and preparation of an action that has one; its run() comes afterwards, decided already.
  Status prepare(Asked& asked, Attempt& a) {
    {
      LazyRead transaction(database, asked.call.context);
      COFFER_CHECK_OK(decide(asked, transaction, a));
    }
    SingleReads reads(database, asked.call.context);
    COFFER_TRY(asked.prepared, asked.action.prepare(asked.in(reads)));
    return ok_status();
  }

  Result<api::Value> in_one_transaction(const Asked& asked, Attempt& a) {
    const api::Action& action = asked.action;
    std::unique_ptr<Transaction> transaction;
    if (action.changes) {
      COFFER_TRY(transaction, database.begin(asked.call.context, Database::Mode::kWrite));
    } else {
      transaction = std::make_unique<LazyRead>(database, asked.call.context);
    }
    if (!action.prepare) COFFER_CHECK_OK(decide(asked, *transaction, a));
    COFFER_TRY(api::Value output, action.run(asked.in(*transaction)));
    if (action.changes) {
      for (const audit::Record& record : records_of(action, asked.call, asked.input, &output, nullptr, a.requests)) {
        COFFER_CHECK_OK(audit.append(*transaction, record));
      }
      COFFER_CHECK_OK(transaction->commit());
      a.recorded = true;
    }
    return output;
  }

  /// One for the caller's account, and one for each other account whose resource was asked for.
  std::vector<audit::Record> records_of(const api::Action& action, const api::Call& call, const api::Value& input,
                                        const api::Value* output, const Error* error,
                                        const std::vector<api::AccessRequest>& requests) {
    audit::Record record;
    record.time = call.time;
    record.caller = call.caller;
    record.account = call.caller.account.empty() ? call.source_account : call.caller.account;
    record.service = call.service;
    record.operation = call.operation;
    record.region = call.region;
    record.source_ip = call.source_ip;
    record.user_agent = call.user_agent;
    record.request_id = call.request_id;
    record.via_service = call.via_service;
    record.read_only = !action.changes;
    record.request_parameters = audit::loggable_json(input);
    if (action.changes && output) record.response_elements = audit::loggable_json(*output);
    if (error) {
      record.error_code = error_name(*error);
      record.error_message = error->message;
    }
    if (output && action.resources) {
      record.resources = action.resources(input, *output);
    } else {
      for (const api::AccessRequest& request : requests) {
        if (request.resource != "*") record.resources.push_back(request.resource);
      }
    }
    std::vector<audit::Record> records;
    std::vector<std::string> accounts{record.account};
    for (const api::AccessRequest& request : requests) {
      const std::string& owner = request.resource_account;
      if (!owner.empty() && std::find(accounts.begin(), accounts.end(), owner) == accounts.end())
        accounts.push_back(owner);
    }
    for (size_t i = 1; i < accounts.size(); ++i) {
      records.push_back(record);
      records.back().account = accounts[i];
    }
    records.insert(records.begin(), std::move(record));
    return records;
  }
};

Gate::Gate(Database& database, iam::Authority& authority, audit::AuditLog& audit, Clock& clock)
    : state_(std::make_unique<State>(State{database, authority, audit, clock, {}, {}})) {}
Gate::~Gate() = default;

void Gate::add(api::ServiceTable table) {
  auto& service = state_->services[table.signing_name];
  for (api::Action& action : table.actions) {
    std::string name = action.operation;
    if (action.brief) state_->brief.insert(name);
    COFFER_ASSERT(action.run);
    COFFER_ASSERT(service.emplace(std::move(name), std::move(action)).second);
  }
}

const api::Action* Gate::find(std::string_view service, std::string_view operation) const {
  const auto found = state_->services.find(service);
  if (found == state_->services.end()) return nullptr;
  const auto action = found->second.find(std::string(operation));
  return action == found->second.end() ? nullptr : &action->second;
}

bool Gate::may_be_brief(std::string_view operation) const {
  return state_->brief.contains(operation) && !state_->database.shared() && !state_->audit.is_crowded();
}

bool Gate::is_brief(const api::Action& action, const api::Value& input) const {
  return action.brief && !action.changes && !action.prepare && action.brief(input);
}

Result<api::Value> Gate::run(const api::Call& call, const iam::Identity* identity, const api::Value& input,
                             api::RequestBody* body, api::Reply* reply) {
  const api::Action* action = find(call.service, call.operation);
  COFFER_ASSERT(action);
  if (!identity && !action->anonymous && call.caller.kind != api::Caller::Kind::kService)
    return api::fault(ErrorCode::kUnauthenticated, "MissingAuthenticationToken", "Missing Authentication Token");
  State::Asked asked{*action, call, identity, input, body, reply, nullptr};
  State::Attempt done;
  const auto guarded = [&](const std::function<void()>& step) {
    try {
      step();
    } catch (const std::exception& thrown) {
      done.result = internal_error(call.service + ":" + call.operation + ": " + thrown.what());
      done.recorded = false;
    }
  };
  bool ready = true;
  if (action->prepare) {
    ready = false;
    guarded([&] {
      Status prepared = state_->prepare(asked, done);
      ready = prepared.ok();
      if (!ready) done.result = std::move(prepared).error();
    });
  }
  for (int attempts = 1; ready; ++attempts) {
    guarded([&] { done.result = state_->in_one_transaction(asked, done); });
    // A conflict without a name is the database's: somebody else wrote first, and nothing of ours happened.
    if (done.result.ok() || done.result.code() != ErrorCode::kConflict || !done.result.error().name.empty()) break;
    if (attempts == kAttemptsMax) break;
    COFFER_CHECK_OK(call.context.check());
  }
  if (done.recorded) return std::move(done.result);
  const Error* error = done.result.ok() ? nullptr : &done.result.error();
  const api::Value* output = done.result.ok() ? &done.result.value() : nullptr;
  for (audit::Record& record : state_->records_of(*action, call, input, output, error, done.requests)) {
    if (Status queued = state_->audit.enqueue(std::move(record)); !queued.ok())
      return std::move(queued).error().in("recording the call");
  }
  return std::move(done.result);
}

void Gate::record_refusal(const api::Call& call, const Error& error) {
  static const api::Action kNone{};
  for (audit::Record& record : state_->records_of(kNone, call, api::Value::object(), nullptr, &error, {})) {
    // The request is refused whether or not this succeeds, and nothing was done for it.
    static_cast<void>(state_->audit.enqueue(std::move(record)).ok());
  }
}

}  // namespace coffer::gate
