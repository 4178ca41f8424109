// Two accounts, EventBridge behind the real gate and the real IAM, and things that targets mean: functions and log
// groups that remember what they were asked, a web that answers what a test wants.
#pragma once
#include <deque>

#include "services/api/event.h"
#include "services/audit/audit_log.h"
#include "services/catalog/outbox.h"
#include "services/events/json.h"
#include "services/events/service.h"
#include "services/gate/gate.h"
#include "services/iam/house.h"

namespace coffer::events {

using api::Value;
using iam::allow;
using iam::error_of;
using iam::Keys;
using iam::kOther;
using iam::must;
using iam::object;
using iam::texts;

inline const std::string kHome = iam::kAccount;
constexpr const char* kRegion = "us-east-1";

/// A call that reached a target.
struct Reached {
  std::string operation;
  Value input;
  api::Call call;
  [[nodiscard]] std::string payload() const { return to_text(input.blob("Payload")); }
};

class FakeWeb final : public Web {
 public:
  Result<Answer> send(const Context&, const Request& request) override {
    sent.push_back(request);
    if (answers.empty()) return Answer{200, "", ""};
    Result<Answer> answer = std::move(answers.front());
    answers.pop_front();
    return answer;
  }
  std::vector<Request> sent;
  std::deque<Result<Answer>> answers;
};

class World : public iam::House {
 protected:
  World() : World(":memory:") {}
  explicit World(const std::string& where) : House(where) {
    std::vector<catalog::Migration> all;
    for (auto some :
         {catalog::migrations(), iam::migrations(), organizations::migrations(), migrations(), audit::migrations()})
      all.insert(all.end(), some.begin(), some.end());
    must(database_->migrate(Context(), all));
    open_events();
  }
  ~World() override { close_events(); }

  void open_events(Options options = {}) {
    close_events();
    audit_ = must(audit::open_audit_log(*database_, clock_, entropy_, Secret(Bytes(32, std::byte{5}))));
    gate_ = std::make_unique<gate::Gate>(*database_, *authority_, *audit_, clock_);
    options.regions = {kRegion, "eu-west-1"};
    options.transfer = [this](const api::Call& call, const iam::Identity* identity, const Value& input,
                              api::RequestBody* body,
                              api::Reply* reply) { return gate_->run(call, identity, input, body, reply); };
    events_ = open_service(
        *database_, *authority_,
        [this](const api::Call& call, const iam::Identity* identity, const Value& input) {
          return gate_->run(call, identity, input);
        },
        web_, root_.clone(), clock_, entropy_, std::move(options));
    gate_->add(events_->actions());
    for (const auto& [service, operations] :
         std::vector<std::pair<std::string, std::vector<std::string>>>{{"lambda", {"Invoke"}},
                                                                       {"logs", {"CreateLogStream", "PutLogEvents"}},
                                                                       {"rds", {"StartExportTask"}},
                                                                       {"s3", {"PutObject"}}}) {
      api::ServiceTable table{service, {}};
      for (const std::string& operation : operations) table.actions.push_back(remembering(service, operation));
      gate_->add(std::move(table));
    }
  }
  void close_events() {
    gate_.reset();
    events_.reset();
    audit_.reset();
  }

  api::Action remembering(const std::string& service, const std::string& operation) {
    api::Action action;
    action.operation = operation;
    action.access = [this, service, operation](const api::Operation& o) -> Result<std::vector<api::AccessRequest>> {
      api::AccessRequest request;
      request.action = service + ":" + (operation == "Invoke" ? "InvokeFunction" : operation);
      request.resource = o.input.has("FunctionName") ? std::string(o.input.text("FunctionName")) : "*";
      if (o.input.has("logGroupName"))
        request.resource =
            "arn:aws:logs:us-east-1:" + kHome + ":log-group:" + std::string(o.input.text("logGroupName"));
      request.resource_account = kHome;
      COFFER_TRY(request.resource_policy, policy::Document::parse(resource_policy_, policy::Kind::kResource));
      return std::vector{std::move(request)};
    };
    action.run = [this, operation](const api::Operation& o) -> Result<Value> {
      if (!failures_.empty()) {
        Error error = failures_.front();
        failures_.pop_front();
        return error;
      }
      Value input = o.input;
      if (o.body) {
        Bytes text(1 << 20);
        COFFER_TRY(const size_t size, o.body->read(Context(), text));
        text.resize(size);
        input.set("Body", std::move(text));
      }
      reached_.push_back({operation, std::move(input), o.call});
      return Value::object();
    };
    return action;
  }

  Result<Value> events(const Keys& keys, const std::string& operation, Value input = {},
                       const std::string& region = kRegion) {
    COFFER_TRY(iam::Credential credential, find(keys));
    if (input.is_null()) input = Value::object();
    api::Call call = call_of(*credential.identity, "events", operation);
    call.region = region;
    return gate_->run(call, credential.identity.get(), input);
  }
  /// As the root of kHome.
  Result<Value> events(const std::string& operation, Value input = {}) {
    return events(root(), operation, std::move(input));
  }

  static std::string bus_arn(const std::string& name, const std::string& account = kHome) {
    return "arn:aws:events:us-east-1:" + account + ":event-bus/" + name;
  }
  static std::string function_arn(const std::string& name = "f") {
    return "arn:aws:lambda:us-east-1:" + kHome + ":function:" + name;
  }
  static Value target(const std::string& id, const std::string& arn, Value more = {}) {
    Value value = object({{"Id", id}, {"Arn", arn}});
    for (const auto& [name, member] : more.entries()) value.set(name, member);
    return value;
  }

  void rule(const std::string& name, const std::string& pattern, std::vector<Value> targets = {},
            const std::string& bus = "default", const Keys* keys = nullptr) {
    const Keys& who = keys ? *keys : root();
    must(events(who, "PutRule", object({{"Name", name}, {"EventPattern", pattern}, {"EventBusName", bus}})));
    if (targets.empty()) return;
    must(events(
        who, "PutTargets",
        object({{"Rule", name}, {"EventBusName", bus}, {"Targets", api::List(targets.begin(), targets.end())}})));
  }

  static Value entry(const std::string& detail, const std::string& source = "my.app", const std::string& type = "T") {
    return object({{"Source", source}, {"DetailType", type}, {"Detail", detail}});
  }
  /// The ids of the events, or the errors.
  std::vector<std::string> put(const Keys& keys, std::vector<Value> entries) {
    const Value out = must(events(keys, "PutEvents", object({{"Entries", api::List(entries.begin(), entries.end())}})));
    std::vector<std::string> ids;
    for (const Value& one : out.list("Entries"))
      ids.emplace_back(one.has("EventId") ? one.text("EventId") : one.text("ErrorCode"));
    return ids;
  }
  std::string put(const std::string& detail) { return put(root(), {entry(detail)}).at(0); }

  /// What a service of the house tells.
  std::string tell(const std::string& source, Value detail, std::vector<std::string> resources = {},
                   const std::string& account = kHome) {
    api::Event event;
    event.id = random_uuid(entropy_);
    event.source = source;
    event.detail_type = "Told";
    event.account = account;
    event.region = kRegion;
    event.time = clock_.wall();
    event.resources = std::move(resources);
    event.detail = std::move(detail);
    change([&](catalog::Transaction& t) {
      return catalog::outbox_append(t, api::kEventTopic, api::event_json(event), clock_.wall());
    });
    return event.id;
  }

  int64_t deliver() { return must(events_->deliver(Context(), clock_.wall())); }
  /// Time passes in steps of `step`, and the daemon's loops run.
  void pass(std::chrono::seconds time, std::chrono::seconds step = std::chrono::seconds(60)) {
    for (std::chrono::seconds passed{0}; passed < time; passed += step) {
      clock_.advance(step);
      must(events_->run_due(Context(), clock_.wall()));
      deliver();
    }
  }
  std::vector<DeadLetter> dead(const std::string& account = kHome) {
    return must(events_->dead_letters(Context(), account, kRegion, 0, 100));
  }
  int64_t count(const std::string& table) {
    return iam::must(read()->run("SELECT count(*) FROM " + table)).at(0).integer(0);
  }
  static Json json(const std::string& text) { return must(parse_json(text)); }

  static std::string policy_for(const std::string& principal, const std::string& rest = "") {
    return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":)" + principal +
           R"(,"Action":"*","Resource":"*")" + rest + "}]}";
  }

  FakeWeb web_;
  std::vector<Reached> reached_;
  std::deque<Error> failures_;
  std::string resource_policy_ = policy_for(R"({"Service":"events.amazonaws.com"})");
  std::unique_ptr<audit::AuditLog> audit_;
  std::unique_ptr<Service> events_;
  std::unique_ptr<gate::Gate> gate_;
};

}  // namespace coffer::events
