// Two accounts with users, and CloudWatch Logs behind the gate: every call is authorised by the real IAM.
#pragma once
#include "services/audit/audit_log.h"
#include "services/gate/gate.h"
#include "services/iam/house.h"
#include "services/logs/service.h"

namespace coffer::logs {

using api::Value;
using iam::allow;
using iam::error_of;
using iam::Keys;
using iam::kOther;
using iam::must;
using iam::object;
using iam::texts;

inline const std::string kHome = iam::kAccount;
constexpr const char* kDenied = "permission_denied";
constexpr int64_t kHour = 3'600'000;

class World : public iam::House {
 protected:
  World() : World(":memory:") {}
  explicit World(const std::string& where) : House(where) {
    std::vector<catalog::Migration> all;
    for (auto some :
         {catalog::migrations(), iam::migrations(), organizations::migrations(), migrations(), audit::migrations()})
      all.insert(all.end(), some.begin(), some.end());
    must(database_->migrate(Context(), all));
    audit_ = must(audit::open_audit_log(*database_, clock_, entropy_, Secret(Bytes(32, std::byte{5}))));
    logs_ = open_service(*database_, *authority_, clock_, entropy_);
    gate_ = std::make_unique<gate::Gate>(*database_, *authority_, *audit_, clock_);
    gate_->add(logs_->actions());
  }
  ~World() override {
    gate_.reset();
    logs_.reset();
    audit_.reset();
  }

  template <class T>
  static T must(Result<T> result) {
    return coffer::iam::must(std::move(result));
  }

  Result<Value> logs(const Keys& keys, const std::string& operation, Value input = {}) {
    COFFER_TRY(iam::Credential credential, find(keys));
    if (input.is_null()) input = Value::object();
    const api::Call call = call_of(*credential.identity, "logs", operation);
    return gate_->run(call, credential.identity.get(), input);
  }
  /// As the root of kHome.
  Result<Value> logs(const std::string& operation, Value input = {}) {
    return logs(root(), operation, std::move(input));
  }
  /// As a service that acts for a resource of kHome.
  Result<Value> as_service(const std::string& principal, const std::string& operation, Value input,
                           const std::string& source_arn = "") {
    api::Call call;
    call.caller.kind = api::Caller::Kind::kService;
    call.caller.arn = principal;
    call.source_account = kHome;
    call.source_arn = source_arn;
    call.service = "logs";
    call.operation = operation;
    call.region = "us-east-1";
    call.request_id = "00000000-0000-4000-8000-000000000000";
    call.time = clock_.wall();
    return gate_->run(call, nullptr, input);
  }

  void make(const std::string& group, std::initializer_list<const char*> streams = {}) {
    must(logs("CreateLogGroup", object({{"logGroupName", group}})));
    for (const char* stream : streams) must(logs("CreateLogStream", in(group, stream)));
  }
  static Value in(const std::string& group, const std::string& stream) {
    return object({{"logGroupName", group}, {"logStreamName", stream}});
  }
  static Value event(int64_t time, const std::string& message) {
    return object({{"timestamp", time}, {"message", message}});
  }
  Result<Value> put(const std::string& group, const std::string& stream, api::List events) {
    Value input = in(group, stream);
    input.set("logEvents", std::move(events));
    return logs("PutLogEvents", input);
  }
  [[nodiscard]] int64_t now() { return clock_.wall().micros / 1000; }
  static std::string arn(const std::string& group, const std::string& account = kHome) {
    return "arn:aws:logs:us-east-1:" + account + ":log-group:" + group;
  }
  /// The messages of an answer, joined by blanks.
  static std::string messages(const Value& output) {
    std::string all;
    for (const Value& event : output.list("events"))
      all += (all.empty() ? "" : " ") + std::string(event.text("message"));
    return all;
  }
  /// Of all pages of FilterLogEvents.
  std::string filtered(Value input) {
    std::string all;
    for (;;) {
      const Value page = must(logs("FilterLogEvents", input));
      const std::string some = messages(page);
      all += (all.empty() || some.empty() ? "" : " ") + some;
      if (!page.has("nextToken")) return all;
      input.set("nextToken", page.text("nextToken"));
    }
  }
  void pass(std::chrono::hours time) {
    clock_.advance(time);
    must(logs_->run_due(Context(), clock_.wall()));
  }
  int64_t rows_in(const std::string& table) {
    auto t = read();
    return must(t->run("SELECT CAST(COUNT(*) AS BIGINT) FROM " + table)).at(0).integer(0);
  }

  std::unique_ptr<audit::AuditLog> audit_;
  std::unique_ptr<Service> logs_;
  std::unique_ptr<gate::Gate> gate_;
};

}  // namespace coffer::logs
