// Invocations: what a function gets, what its caller gets, and the lines that are logged about it.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "base/base64.h"
#include "services/api/fault.h"
#include "services/iam/service.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

using api::Value;

constexpr size_t kPayloadMax = 6'291'456, kAsyncPayloadMax = 1'048'576, kClientContextMax = 3'583;
constexpr size_t kTailSize = 4096;
/// Credentials that end during an invocation would end its calls.
constexpr std::chrono::seconds kCredentialsMargin{900};

std::string decimals(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}
double millis_of(std::chrono::microseconds time) { return static_cast<double>(time.count()) / 1000.0; }

/// "2026/01/05/[$LATEST]0123..."
std::string stream_of(WallTime now, const std::string& version, const std::string& environment) {
  std::string day = format_utc(now).substr(0, 10);
  std::replace(day.begin(), day.end(), '-', '/');
  return day + "/[" + version + "]" + environment;
}

std::string log_group_of(const rows::Version& version) {
  const Value* logging = version.configuration.find("LoggingConfig");
  return logging && !logging->text("LogGroup").empty() ? std::string(logging->text("LogGroup"))
                                                       : "/aws/lambda/" + version.key.name;
}

bool logs_json(const rows::Version& version) {
  const Value* logging = version.configuration.find("LoggingConfig");
  return logging && logging->text("LogFormat") == "JSON";
}

/// The variables that Lambda sets, beside those of the runtime itself.
std::map<std::string, std::string> reserved_variables(const Setting& setting, const rows::Version& version,
                                                      const std::string& environment,
                                                      const iam::SessionCredentials& credentials) {
  const std::string memory = std::to_string(version.configuration.integer("MemorySize").value_or(128));
  std::map<std::string, std::string> all{
      {"_HANDLER", std::string(version.configuration.text("Handler"))},
      {"AWS_REGION", version.key.region},
      {"AWS_DEFAULT_REGION", version.key.region},
      {"AWS_LAMBDA_FUNCTION_NAME", version.key.name},
      {"AWS_LAMBDA_FUNCTION_VERSION", version.text()},
      {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory},
      {"AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"},
      {"AWS_LAMBDA_LOG_GROUP_NAME", log_group_of(version)},
      {"AWS_LAMBDA_LOG_STREAM_NAME", stream_of(setting.clock.wall(), version.text(), environment)},
      {"AWS_LAMBDA_LOG_FORMAT", logs_json(version) ? "JSON" : "Text"},
      {"AWS_ACCESS_KEY_ID", credentials.access_key_id},
      {"AWS_SECRET_ACCESS_KEY", credentials.secret_access_key},
      {"AWS_SESSION_TOKEN", credentials.session_token},
      {"AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"},
      {"LAMBDA_TASK_ROOT", "/var/task"},
      {"LAMBDA_RUNTIME_DIR", "/var/runtime"},
      {"TZ", ":UTC"},
  };
  const std::string runtime(version.configuration.text("Runtime"));
  if (!runtime.starts_with("provided")) all["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + runtime;
  if (const Value* logging = version.configuration.find("LoggingConfig");
      logging && logging->has("ApplicationLogLevel"))
    all["AWS_LAMBDA_LOG_LEVEL"] = std::string(logging->text("ApplicationLogLevel"));
  if (setting.options.endpoint_url) all["AWS_ENDPOINT_URL"] = setting.options.endpoint_url();
  return all;
}

Result<EnvironmentContent> content_of(const Setting& setting, const Context& context, const rows::Version& version,
                                      const std::string& environment, const std::string& request_id) {
  api::Call call;
  call.context = context;
  call.region = version.key.region;
  call.request_id = request_id;
  call.time = setting.clock.wall();
  std::shared_ptr<const iam::Identity> role;
  {
    COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
    auto assumed = assume_role(setting, *t, version.key, std::string(version.configuration.text("Role")), call);
    if (!assumed.ok() && assumed.code() == ErrorCode::kPermissionDenied)
      return Error{ErrorCode::kPermissionDenied, "The role defined for the function cannot be assumed by Lambda.", {}};
    COFFER_TRY(role, std::move(assumed));
  }
  COFFER_TRY(auto variables, open_environment(setting, call, role.get(), version));
  const iam::SessionCredentials credentials = iam::issue_credentials(
      *role, version.key.name, setting.options.role_session, setting.root, call.time, setting.entropy);
  for (auto& [name, value] : reserved_variables(setting, version, environment, credentials)) {
    // Which endpoint a function talks to is its owner's choice.
    if (name == "AWS_ENDPOINT_URL" || name == "TZ") {
      variables.emplace(name, value);
    } else {
      variables[name] = value;
    }
  }
  COFFER_TRY(Bytes zip, load_code(setting, context, version));
  return EnvironmentContent{std::move(zip), std::move(variables), credentials.expires - kCredentialsMargin};
}

EnvironmentSpec spec_of(const Setting& setting, const rows::Version& version, const std::string& request_id) {
  EnvironmentSpec spec;
  const Value& all = version.configuration;
  const Value* storage = all.find("EphemeralStorage");
  spec.function_arn = function_arn(version.key.region, version.key.account, version.key.name, version.text());
  spec.revision = version.revision;
  spec.name = version.key.name;
  spec.version = version.text();
  spec.runtime = all.text("Runtime");
  spec.handler = all.text("Handler");
  spec.memory_mb = all.integer("MemorySize").value_or(128);
  spec.tmp_mb = storage ? storage->integer("Size").value_or(512) : 512;
  spec.content = [&setting, version, request_id](const Context& context, const std::string& environment) {
    return content_of(setting, context, version, environment, request_id);
  };
  return spec;
}

std::string trace_id(const Setting& setting) {
  char seconds[16];
  std::snprintf(seconds, sizeof seconds, "%08x", static_cast<unsigned>(setting.clock.wall().micros / 1'000'000));
  return "Root=1-" + std::string(seconds) + "-" + to_hex(setting.entropy.array<12>()) +
         ";Parent=" + to_hex(setting.entropy.array<8>()) + ";Sampled=0";
}

// ---- log lines

/// A line of the platform's own: as text, or as a JSON record.
class PlatformLines {
 public:
  PlatformLines(bool json, WallTime now, std::string& out) : json_(json), now_(now), out_(out) {}
  void write(std::string_view type, boost::json::object record, const std::string& text) {
    if (!json_) {
      out_ += text + "\n";
      return;
    }
    boost::json::object line{{"time", format_utc(now_, true)}, {"type", type}, {"record", std::move(record)}};
    out_ += boost::json::serialize(line) + "\n";
  }

 private:
  bool json_;
  WallTime now_;
  std::string& out_;
};

void append_lines(std::string_view text, std::string& out) {
  out += text;
  if (!text.empty() && text.back() != '\n') out += '\n';
}

std::string log_text(const Setting& setting, const rows::Version& version, const std::string& request_id,
                     const Outcome& outcome) {
  const WallTime now = setting.clock.wall();
  std::string out;
  PlatformLines lines(logs_json(version), now, out);
  if (outcome.cold) {
    const std::string runtime = outcome.interpreter.substr(0, outcome.interpreter.find(' '));
    const std::string arn = "arn:aws:lambda:" + version.key.region + "::runtime:" + runtime;
    lines.write("platform.initStart",
                {{"runtimeVersion", outcome.interpreter}, {"runtimeVersionArn", arn}, {"phase", "init"}},
                "INIT_START Runtime Version: " + outcome.interpreter + "\tRuntime Version ARN: " + arn);
    append_lines(outcome.init_log, out);
  }
  lines.write("platform.start", {{"requestId", request_id}, {"version", version.text()}},
              "START RequestId: " + request_id + " Version: " + version.text());
  append_lines(outcome.log, out);
  if (outcome.cause == "timeout") {
    const double limit = static_cast<double>(version.configuration.integer("Timeout").value_or(3));
    append_lines(format_utc(now) + " " + request_id + " Task timed out after " + decimals(limit) + " seconds\n", out);
  }
  if (!logs_json(version)) out += "END RequestId: " + request_id + "\n";
  const double duration = millis_of(outcome.duration);
  const int64_t memory = version.configuration.integer("MemorySize").value_or(128);
  const auto billed = static_cast<int64_t>(std::ceil(duration));
  boost::json::object metrics{{"durationMs", duration},
                              {"billedDurationMs", billed},
                              {"memorySizeMB", memory},
                              {"maxMemoryUsedMB", outcome.max_memory_mb}};
  std::string report = "REPORT RequestId: " + request_id + "\tDuration: " + decimals(duration) +
                       " ms\tBilled Duration: " + std::to_string(billed) +
                       " ms\tMemory Size: " + std::to_string(memory) +
                       " MB\tMax Memory Used: " + std::to_string(outcome.max_memory_mb) + " MB\t";
  if (outcome.cold) {
    report += "Init Duration: " + decimals(millis_of(outcome.init_duration)) + " ms\t";
    metrics["initDurationMs"] = millis_of(outcome.init_duration);
  }
  if (!outcome.cause.empty()) report += "Status: " + outcome.cause + "\t";
  lines.write("platform.report",
              {{"requestId", request_id},
               {"status", outcome.cause.empty() ? "success" : outcome.cause},
               {"metrics", std::move(metrics)}},
              report);
  return out;
}

void queue_lines(const Setting& setting, const rows::Version& version, const Outcome& outcome, std::string_view text) {
  LogQueue::Batch batch;
  batch.key = version.key;
  batch.group = log_group_of(version);
  batch.stream = stream_of(setting.clock.wall(), version.text(), outcome.environment);
  batch.role = version.configuration.text("Role");
  const WallTime now = setting.clock.wall();
  while (!text.empty()) {
    const size_t end = text.find('\n');
    batch.lines.emplace_back(now, std::string(text.substr(0, end)));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  std::erase_if(batch.lines, [](const auto& line) { return line.second.empty(); });
  setting.logs.add(std::move(batch));
}

// ---- what comes in

Status check_json(ByteView payload) {
  boost::json::error_code error;
  boost::json::stream_parser parser;
  parser.write(reinterpret_cast<const char*>(payload.data()), payload.size(), error);
  if (!error) parser.finish(error);
  if (!error) return ok_status();
  return api::fault(ErrorCode::kInvalidArgument, "InvalidRequestContentException",
                    "Could not parse request body into json: " + error.message());
}

Result<Bytes> payload_of(const Request& r, std::string_view member, size_t size_max) {
  Bytes payload = to_bytes(r.input().blob(member));
  if (const std::string_view text = r.input().text(member); payload.empty() && !text.empty()) payload = to_bytes(text);
  if (payload.size() > size_max) {
    return api::fault(
        ErrorCode::kInvalidArgument, "RequestTooLargeException",
        "Request must be smaller than " + std::to_string(size_max) + " bytes for the InvokeFunction operation");
  }
  // No payload is an object without members to a function.
  if (payload.empty()) return to_bytes(std::string_view("{}"));
  COFFER_CHECK_OK(check_json(payload));
  return payload;
}

/// JSON in base64, as the function gets it: the JSON.
Result<std::string> client_context_of(const Request& r) {
  const std::string text = r.text("ClientContext");
  if (text.empty()) return std::string();
  auto decoded = text.size() > kClientContextMax ? std::nullopt : base64_decode(text);
  if (!decoded || !check_json(*decoded).ok()) {
    return api::fault(ErrorCode::kInvalidArgument, "InvalidRequestContentException",
                      "Client context must be a valid Base64-encoded JSON object.");
  }
  return to_text(*decoded);
}

Result<Value> enqueue(const Request& r, const Target& target, Bytes payload, std::string client_context) {
  rows::Async async;
  async.request_id = r.call().request_id.empty() ? random_uuid(r.setting.entropy) : r.call().request_id;
  async.key = target.key;
  async.qualifier = target.qualifier;
  async.payload = std::move(payload);
  async.client_context = std::move(client_context);
  async.queued = r.now();
  COFFER_CHECK_OK(catalog::in_transaction(r.setting.database, r.call().context, [&](catalog::Transaction& t) -> Status {
    // A service may use one request id for several calls.
    COFFER_TRY(auto same, rows::find_async(t, async.request_id));
    if (same) async.request_id = random_uuid(r.setting.entropy);
    COFFER_CHECK_OK(rows::insert_async(t, async));
    return work::add(t, "lambda.async", async.request_id, "", async.queued);
  }));
  if (r.setting.wake) r.setting.wake();
  return Value::object({{"StatusCode", 202}, {"Payload", Bytes()}});
}

Result<Value> invoke_now(const Request& r, const Target& target, Bytes payload, std::string client_context) {
  InvocationOrder order{target, r.call().request_id.empty() ? random_uuid(r.setting.entropy) : r.call().request_id,
                        std::move(client_context), std::move(payload)};
  COFFER_TRY(Ran ran, run_function(r.setting, r.call().context, order));
  Value output = Value::object({{"StatusCode", 200}, {"ExecutedVersion", ran.version}});
  if (ran.outcome.kind == Outcome::Kind::kFunctionError) output.set("FunctionError", "Unhandled");
  if (r.input().text("LogType") == "Tail") {
    const std::string_view log = ran.log;
    output.set("LogResult", base64_encode(as_bytes(log.substr(log.size() - std::min(log.size(), kTailSize)))));
  }
  output.set("Payload", std::move(ran.outcome.payload));
  return output;
}

Result<Value> invoke(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  if (r.call().operation == "InvokeAsync") {
    COFFER_TRY(Bytes payload, payload_of(r, "InvokeArgs", kAsyncPayloadMax));
    COFFER_CHECK_OK(resolve(r.t(), target, r.setting.entropy));
    COFFER_CHECK_OK(enqueue(r, target, std::move(payload), ""));
    return Value::object({{"Status", 202}});
  }
  const std::string type = r.input().has("InvocationType") ? r.text("InvocationType") : "RequestResponse";
  COFFER_TRY(Bytes payload, payload_of(r, "Payload", type == "Event" ? kAsyncPayloadMax : kPayloadMax));
  COFFER_TRY(std::string client_context, client_context_of(r));
  if (type == "RequestResponse") return invoke_now(r, target, std::move(payload), std::move(client_context));
  COFFER_CHECK_OK(resolve(r.t(), target, r.setting.entropy));
  if (type == "DryRun") return Value::object({{"StatusCode", 204}});
  return enqueue(r, target, std::move(payload), std::move(client_context));
}

}  // namespace

Result<std::shared_ptr<const iam::Identity>> assume_role(const Setting& setting, catalog::Transaction& t,
                                                         const rows::Key& key, const std::string& role,
                                                         api::Call& call) {
  call.source_arn = function_arn(key.region, key.account, key.name);
  call.source_account = key.account;
  call.region = key.region;
  COFFER_TRY(auto identity, setting.authority.assume_for_service(t, role, "lambda.amazonaws.com", call));
  call.source_arn.clear();
  call.source_account.clear();
  call.caller = identity->caller;
  call.via_service = "lambda.amazonaws.com";
  return identity;
}

Result<Ran> run_function(const Setting& setting, const Context& context, const InvocationOrder& order) {
  rows::Version version;
  rows::Function function;
  int64_t reserved = 0;
  {
    // Ended before the function begins, which takes its time.
    COFFER_TRY(auto reads, setting.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(version, resolve(*reads, order.target, setting.entropy));
    COFFER_TRY(function, function_of(*reads, order.target.key));
    if (!function.reserved) {
      COFFER_TRY(reserved, rows::reserved_concurrency(*reads, function.key.account, function.key.region));
    }
  }
  COFFER_TRY(const Running::Share share,
             setting.running.enter(function, setting.options.concurrent_executions, reserved));
  const EnvironmentSpec spec = spec_of(setting, version, order.request_id);
  Invocation invocation;
  invocation.request_id = order.request_id;
  invocation.invoked_arn = order.target.arn();
  invocation.trace_id = trace_id(setting);
  invocation.client_context = order.client_context;
  invocation.payload = order.payload;
  invocation.timeout = std::chrono::seconds(version.configuration.integer("Timeout").value_or(3));
  Result<Outcome> outcome = setting.executor.run(context, spec, invocation);
  if (!outcome.ok()) {
    Error error = std::move(outcome).error();
    if (error.code == ErrorCode::kThrottled)
      return api::fault(ErrorCode::kThrottled, "TooManyRequestsException", "Rate Exceeded.",
                        "ConcurrentInvocationLimitExceeded");
    return error;
  }
  Ran ran{std::move(*outcome), version.text(), ""};
  ran.log = log_text(setting, version, order.request_id, ran.outcome);
  queue_lines(setting, version, ran.outcome, ran.log);
  return ran;
}

Result<std::shared_ptr<void>> prepare_invoke(const Request& r) {
  COFFER_TRY(Value output, invoke(r));
  return std::shared_ptr<void>(std::make_shared<Value>(std::move(output)));
}

Result<Value> prepared_answer(const Request& r) {
  auto* output = static_cast<Value*>(r.operation.prepared.get());
  COFFER_ASSERT(output);
  return std::move(*output);
}

}  // namespace coffer::lambda
