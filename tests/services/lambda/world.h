// Two accounts, IAM, KMS and Lambda behind the gate, with an executor that is told what functions answer. Logs, events
// and buckets are stand-ins behind the same gate, which remember what they were asked.
#pragma once
#include <deque>

#include "services/audit/audit_log.h"
#include "services/gate/gate.h"
#include "services/iam/house.h"
#include "services/kms/service.h"
#include "services/lambda/service.h"
#include "support/zip_builder.h"

namespace coffer::lambda {

using api::Value;
using iam::allow;
using iam::error_of;
using iam::Keys;
using iam::kOther;
using iam::must;
using iam::object;
using iam::texts;
using testing_support::zip_of;

inline const std::string kHome = iam::kAccount;
constexpr const char* kDenied = "permission_denied";

class FakeExecutor final : public Executor {
 public:
  Result<Outcome> run(const Context& context, const EnvironmentSpec& spec, const Invocation& invocation) override {
    invocations.push_back(invocation);
    specs.push_back(spec);
    if (refuses) return *refuses;
    Outcome outcome;
    if (fresh) {
      COFFER_TRY(content, spec.content(context, std::string(32, 'e')));
      outcome.cold = true;
      outcome.interpreter = "python3.11 (for python3.8)";
    }
    if (meanwhile) meanwhile();
    outcome.environment = std::string(32, 'e');
    outcome.duration = std::chrono::microseconds(1234);
    outcome.max_memory_mb = 40;
    outcome.log = log;
    outcome.payload = to_bytes(answers.empty() ? std::string("null") : answers.front());
    if (!answers.empty()) answers.pop_front();
    if (fails > 0) {
      --fails;
      outcome.kind = Outcome::Kind::kFunctionError;
      outcome.payload = to_bytes(std::string(R"({"errorMessage":"no","errorType":"ValueError"})"));
      outcome.cause = "error";
    }
    return outcome;
  }
  void forget(std::string_view arn) override { forgotten.emplace_back(arn); }
  Result<std::string> interpreter_of(std::string_view runtime) override {
    if (!runtime.starts_with("python"))
      return Error{ErrorCode::kInvalidArgument, "nothing serves " + std::string(runtime), {}};
    return "python3.11 (for " + std::string(runtime) + ")";
  }

  std::vector<Invocation> invocations;
  std::vector<EnvironmentSpec> specs;
  std::vector<std::string> forgotten;
  std::deque<std::string> answers;
  std::string log;
  EnvironmentContent content;
  std::optional<Error> refuses;
  std::function<void()> meanwhile;
  int fails = 0;
  bool fresh = true;
};

class Text final : public ByteSource {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  Result<size_t> read(const Context&, MutableByteView out) override {
    const size_t size = std::min(out.size(), text_.size() - at_);
    std::copy_n(as_bytes(text_).begin() + static_cast<std::ptrdiff_t>(at_), size, out.begin());
    at_ += size;
    return size;
  }

 private:
  std::string text_;
  size_t at_ = 0;
};

class World : public iam::House {
 protected:
  World() : World(":memory:") {}
  explicit World(const std::string& where) : House(where) {
    std::vector<catalog::Migration> all;
    for (auto some : {catalog::migrations(), iam::migrations(), organizations::migrations(), kms::migrations(),
                      audit::migrations(), work::migrations(), migrations()})
      all.insert(all.end(), some.begin(), some.end());
    must(database_->migrate(Context(), all));
    audit_ = must(audit::open_audit_log(*database_, clock_, entropy_, Secret(Bytes(32, std::byte{5}))));
    kms_ = kms::open_service(*database_, *authority_, root_.clone(), clock_, entropy_, {{"us-east-1"}});
    gate_ = std::make_unique<gate::Gate>(*database_, *authority_, *audit_, clock_);
    code_ = store::open_memory();
    Options options{{"us-east-1"}, [] { return std::string("http://127.0.0.1:9000"); }};
    options.transfer = [this](const api::Call& call, const iam::Identity* identity, const Value& input,
                              api::RequestBody* body,
                              api::Reply* reply) { return gate_->run(call, identity, input, body, reply); };
    lambda_ = open_service(
        *database_, *authority_, *code_,
        [this](const api::Call& call, const iam::Identity* identity, const Value& input) {
          return gate_->run(call, identity, input);
        },
        executor_, root_.clone(), clock_, entropy_, options);
    gate_->add(kms_->actions());
    gate_->add(lambda_->actions());
    for (const auto& [service, operations] : std::map<std::string, std::vector<std::string>>{
             {"logs", {"PutLogEvents", "CreateLogGroup", "CreateLogStream"}},
             {"events", {"PutEvents"}},
             {"s3", {"GetObject", "PutObject"}}})
      gate_->add(stand_in(service, operations));
    runner_ = std::make_unique<work::Runner>(*database_, clock_, work::RunnerOptions{"here"},
                                             [](std::string_view, std::string_view) {});
    lambda_->add_handlers(*runner_);
    role_ = role("fn", iam::trust(iam::service("lambda.amazonaws.com")), allow("*"));
  }

  /// A service whose operations need its action on "*", are remembered, and fail when told so.
  api::ServiceTable stand_in(const std::string& service, const std::vector<std::string>& operations) {
    api::ServiceTable table{service, {}};
    for (const std::string& operation : operations) {
      api::Action action;
      action.operation = operation;
      action.access = api::allow_on(service + ":" + operation, [](const api::Operation&) { return "*"; });
      action.run = [this, operation](const api::Operation& o) -> Result<Value> {
        asked_.emplace_back(operation, o.input);
        callers_.push_back(o.call.caller.arn);
        if (auto failure = failures_.find(operation); failure != failures_.end() && !failure->second.empty()) {
          Error error = failure->second.front();
          failure->second.pop_front();
          return error;
        }
        if (operation == "GetObject") {
          o.reply->body = std::make_unique<Text>(to_text(object_));
          o.reply->body_size = object_.size();
        }
        if (operation == "PutObject") {
          Bytes piece(1000);
          for (size_t n = 0; (n = must(o.body->read(o.call.context, piece))) > 0;)
            put_ += as_text(ByteView(piece).first(n));
        }
        return Value::object();
      };
      table.actions.push_back(std::move(action));
    }
    return table;
  }

  Result<Value> call_lambda(const Keys& keys, const std::string& operation, Value input = {}) {
    COFFER_TRY(iam::Credential credential, find(keys));
    if (input.is_null()) input = Value::object();
    api::Call call = call_of(*credential.identity, "lambda", operation);
    call.request_id = random_uuid(entropy_);
    return gate_->run(call, credential.identity.get(), input);
  }
  Result<Value> lambda(const std::string& operation, Value input = {}) {
    return call_lambda(root(), operation, std::move(input));
  }
  /// As EventBridge for a rule.
  Result<Value> as_events(const std::string& operation, Value input, const std::string& rule) {
    api::Call call;
    call.caller.kind = api::Caller::Kind::kService;
    call.caller.arn = "events.amazonaws.com";
    call.source_arn = rule;
    call.source_account = kHome;
    call.service = "lambda";
    call.operation = operation;
    call.region = "us-east-1";
    call.time = clock_.wall();
    call.request_id = random_uuid(entropy_);
    return gate_->run(call, nullptr, input);
  }

  Value creation(const std::string& name) {
    return object({{"FunctionName", name},
                   {"Runtime", "python3.8"},
                   {"Role", role_},
                   {"Handler", "lambda_function.lambda_handler"},
                   {"Code", object({{"ZipFile", zip_of("lambda_function.py", "def lambda_handler(e, c): pass\n")}})}});
  }
  Value create(const std::string& name = "f", const Value& more = {}) {
    Value input = creation(name);
    for (const auto& [member, value] : more.entries()) input.set(member, value);
    return must(lambda("CreateFunction", input));
  }
  Result<Value> invoke(const std::string& name, const std::string& payload = "{}", const Value& more = {}) {
    Value input = object({{"FunctionName", name}, {"Payload", to_bytes(payload)}});
    for (const auto& [member, value] : more.entries()) input.set(member, value);
    return lambda("Invoke", input);
  }
  Result<Value> send(const std::string& name, const std::string& payload = "{}") {
    return invoke(name, payload, object({{"InvocationType", "Event"}}));
  }
  void run_work() { must(runner_->run_due(Context())); }
  void pass(std::chrono::seconds time) {
    clock_.advance(time);
    run_work();
  }
  std::vector<Value> inputs_of(const std::string& operation) {
    std::vector<Value> all;
    for (const auto& [name, input] : asked_) {
      if (name == operation) all.push_back(input);
    }
    return all;
  }
  static std::string arn(const std::string& name, const std::string& qualifier = "") {
    return "arn:aws:lambda:us-east-1:" + kHome + ":function:" + name + (qualifier.empty() ? "" : ":" + qualifier);
  }
  size_t stored() {
    size_t count = 0;
    must(code_->list(Context(), "", [&](const store::ObjectInfo&) { return ++count, true; }));
    return count;
  }

  FakeExecutor executor_;
  Bytes object_;
  std::string put_, role_;
  std::vector<std::pair<std::string, Value>> asked_;
  std::vector<std::string> callers_;
  std::map<std::string, std::deque<Error>> failures_;
  std::unique_ptr<audit::AuditLog> audit_;
  std::unique_ptr<kms::Service> kms_;
  std::unique_ptr<gate::Gate> gate_;
  std::unique_ptr<store::ObjectStore> code_;
  std::unique_ptr<Service> lambda_;
  std::unique_ptr<work::Runner> runner_;
};

}  // namespace coffer::lambda
