// Asynchronous invocations: tried again after function errors, kept while there is no room, and told to destinations.
#include <algorithm>
#include <boost/json.hpp>

#include "services/api/event.h"
#include "services/api/fault.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

namespace json = boost::json;
using api::Value;

constexpr int64_t kRetriesDefault = 2, kAgeDefault = 21'600;
constexpr std::chrono::seconds kFirstDelay{1}, kDelayMax{300};
constexpr std::chrono::minutes kRetryAfter[] = {std::chrono::minutes(1), std::chrono::minutes(2)};
// Of PutLogEvents.
constexpr size_t kEventSizeMax = 256 << 10, kEventsMax = 10'000, kBatchSizeMax = 1'000'000, kEventOverhead = 26;

/// What is worth another try later, whatever the function does.
bool is_passing(const Error& error) {
  switch (error.code) {
    case ErrorCode::kThrottled:
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kCancelled:
    case ErrorCode::kConflict:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kInternal: return true;
    default: return false;
  }
}

std::chrono::seconds delay_of(int64_t tries) {
  return std::min(kDelayMax, kFirstDelay * (int64_t{1} << std::min<int64_t>(tries, 9)));
}

json::value json_of(ByteView payload) {
  json::error_code error;
  json::value value = json::parse(as_text(payload), error);
  return error ? json::value(as_text(payload)) : value;
}

/// How an invocation ended for good.
struct End {
  std::string condition;  // "Success", "RetriesExhausted", "EventAgeExceeded", "ZeroReservedConcurrency"
  std::string version = "$LATEST", function_error = {};
  Bytes response = {};
  bool ran = false;
};

std::string record_of(const rows::Async& async, const End& end, WallTime now, int64_t count) {
  json::object context{{"requestId", async.request_id},
                       {"functionArn", function_arn(async.key.region, async.key.account, async.key.name,
                                                    async.qualifier.empty() ? "$LATEST" : async.qualifier)},
                       {"condition", end.condition},
                       {"approximateInvokeCount", count}};
  json::object record{{"version", "1.0"},
                      {"timestamp", api::event_time(now)},
                      {"requestContext", std::move(context)},
                      {"requestPayload", json_of(async.payload)}};
  if (end.ran) {
    json::object response{{"statusCode", 200}, {"executedVersion", end.version}};
    if (!end.function_error.empty()) response["functionError"] = end.function_error;
    record["responseContext"] = std::move(response);
    record["responsePayload"] = json_of(end.response);
  }
  return json::serialize(record);
}

/// One call to another service under the function's role.
class AsRole {
 public:
  AsRole(const Setting& setting, const Context& context, const rows::Key& key) : setting_(setting), key_(key) {
    call_.context = context;
    call_.time = setting.clock.wall();
    call_.request_id = random_uuid(setting.entropy);
  }
  Status open(const std::string& role) {
    COFFER_TRY(auto t, setting_.database.begin(call_.context, catalog::Database::Mode::kRead));
    COFFER_TRY(identity_, assume_role(setting_, *t, key_, role, call_));
    return ok_status();
  }
  Result<Value> ask(std::string service, std::string operation, const Value& input) {
    call_.service = std::move(service);
    call_.operation = std::move(operation);
    return setting_.invoke(call_, identity_.get(), input);
  }
  Status put_object(const Value& input, ByteView body) {
    call_.service = "s3";
    call_.operation = "PutObject";
    return lambda::put_object(setting_, call_, identity_.get(), input, body);
  }
  [[nodiscard]] const api::Call& call() const { return call_; }

 private:
  const Setting& setting_;
  const rows::Key& key_;
  api::Call call_;
  std::shared_ptr<const iam::Identity> identity_;
};

std::string part_of_arn(std::string_view arn, int number) {
  for (; number > 0; --number) {
    const size_t colon = arn.find(':');
    if (colon == std::string_view::npos) return "";
    arn.remove_prefix(colon + 1);
  }
  return std::string(arn.substr(0, arn.find(':')));
}

/// PutLogEvents, with the group and the stream made when they are missing and the role may.
Status put_lines(AsRole& role, const std::string& group, const std::string& stream, const api::List& events) {
  const Value input = Value::object({{"logGroupName", group}, {"logStreamName", stream}, {"logEvents", events}});
  auto put = role.ask("logs", "PutLogEvents", input);
  if (put.ok() || put.error().name != "ResourceNotFoundException") return put.ok() ? ok_status() : Status(put.error());
  const auto made = [](const Result<Value>& one) {
    return one.ok() || one.error().name == "ResourceAlreadyExistsException";
  };
  const Value names = Value::object({{"logGroupName", group}, {"logStreamName", stream}});
  auto made_stream = role.ask("logs", "CreateLogStream", names);
  if (!made(made_stream)) {
    auto made_group = role.ask("logs", "CreateLogGroup", Value::object({{"logGroupName", group}}));
    if (!made(made_group)) return std::move(made_group).error();
    made_stream = role.ask("logs", "CreateLogStream", names);
    if (!made(made_stream)) return std::move(made_stream).error();
  }
  COFFER_CHECK_OK(role.ask("logs", "PutLogEvents", input));
  return ok_status();
}

Value log_event(WallTime time, std::string message) {
  return Value::object({{"timestamp", time.micros / 1000}, {"message", std::move(message)}});
}

Status tell_bus(AsRole& role, const rows::Async& async, bool success) {
  const std::string arn = function_arn(async.key.region, async.key.account, async.key.name,
                                       async.qualifier.empty() ? "$LATEST" : async.qualifier);
  const Value entry = Value::object(
      {{"EventBusName", async.destination},
       {"Source", "lambda"},
       {"DetailType", std::string("Lambda Function Invocation Result - ") + (success ? "Success" : "Failure")},
       {"Resources", api::text_list({async.destination, arn})},
       {"Detail", async.record}});
  COFFER_TRY(const Value output, role.ask("events", "PutEvents", Value::object({{"Entries", api::List{entry}}})));
  for (const Value& one : output.list("Entries")) {
    if (!one.text("ErrorCode").empty())
      return Error{ErrorCode::kFailedPrecondition,
                   "the bus did not take the event: " + std::string(one.text("ErrorMessage")),
                   {}};
  }
  return ok_status();
}

Status tell_bucket(const Setting& setting, AsRole& role, const rows::Async& async) {
  std::string time = format_utc(setting.clock.wall());  // 2026-01-05T10:11:12Z
  std::string day = time.substr(0, 10);
  std::replace(day.begin(), day.end(), '-', '/');
  time.pop_back();
  std::replace(time.begin(), time.end(), ':', '.');
  const std::string key = "aws/lambda/async/" + async.key.name + "/" + day + "/" + time + "-" + async.request_id;
  return role.put_object(
      Value::object({{"Bucket", part_of_arn(async.destination, 5)}, {"Key", key}, {"ContentType", "application/json"}}),
      as_bytes(async.record));
}

/// Tells the destination of an invocation that has ended.
Status tell(const Setting& setting, const Context& context, const rows::Async& async) {
  std::string role_arn;
  {
    COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(const auto version, resolve(*t, {async.key, async.qualifier}, setting.entropy));
    role_arn = version.configuration.text("Role");
  }
  AsRole role(setting, context, async.key);
  COFFER_CHECK_OK(role.open(role_arn));
  const std::string service = part_of_arn(async.destination, 2);
  const bool success = async.record.find("\"condition\":\"Success\"") != std::string::npos;
  if (service == "events") return tell_bus(role, async, success);
  if (service == "s3") return tell_bucket(setting, role, async);
  if (service == "lambda") {
    COFFER_CHECK_OK(role.ask(
        "lambda", "Invoke",
        Value::object(
            {{"FunctionName", async.destination}, {"InvocationType", "Event"}, {"Payload", to_bytes(async.record)}})));
    return ok_status();
  }
  std::string group = part_of_arn(async.destination, 6);
  return put_lines(role, group, "lambda-destination",
                   {log_event(setting.clock.wall(), async.record.substr(0, kEventSizeMax - 64))});
}

struct Rules {
  int64_t retries = kRetriesDefault, age_seconds = kAgeDefault;
  std::string on_success, on_failure;
};

Result<Rules> rules_of(catalog::Transaction& t, const rows::Async& async) {
  Rules rules;
  COFFER_TRY(auto config, rows::find_event_config(t, async.key, async.qualifier == "$LATEST" ? "" : async.qualifier));
  if (!config) return rules;
  const Value& all = config->configuration;
  rules.retries = all.integer("MaximumRetryAttempts").value_or(kRetriesDefault);
  rules.age_seconds = all.integer("MaximumEventAgeInSeconds").value_or(kAgeDefault);
  const auto side = [&](const char* name) {
    const Value* destinations = all.find("DestinationConfig");
    const Value* one = destinations ? destinations->find(name) : nullptr;
    return std::string(one ? one->text("Destination") : std::string_view());
  };
  rules.on_success = side("OnSuccess");
  rules.on_failure = side("OnFailure");
  return rules;
}

class Attempt {
 public:
  Attempt(const Setting& setting, const Context& context, const work::Item& item)
      : setting_(setting), context_(context), item_(item) {}

  Status run() {
    std::optional<rows::Function> function;
    {
      COFFER_TRY(auto t, setting_.database.begin(context_, catalog::Database::Mode::kRead));
      COFFER_TRY(auto found, rows::find_async(*t, item_.subject));
      if (!found) return end();  // the function was deleted, or an earlier attempt had just finished
      async_ = std::move(*found);
      COFFER_TRY(function, rows::find_function(*t, async_.key));
      COFFER_TRY(rules_, rules_of(*t, async_));
    }
    if (!async_.destination.empty()) return tell_destination();
    if (!function) return end();
    if (function->reserved == 0) return ended({.condition = "ZeroReservedConcurrency"});
    if (now() - async_.queued > std::chrono::seconds(rules_.age_seconds))
      return ended({.condition = "EventAgeExceeded"});
    return invoke();
  }

 private:
  [[nodiscard]] WallTime now() const { return setting_.clock.wall(); }

  Status invoke() {
    const InvocationOrder order{
        {async_.key, async_.qualifier}, async_.request_id, async_.client_context, async_.payload};
    Result<Ran> ran = run_function(setting_, context_, order);
    if (!ran.ok()) return refused(ran.error());
    End done{.condition = "Success", .version = ran->version, .response = ran->outcome.payload, .ran = true};
    if (ran->outcome.kind == Outcome::Kind::kResult) return ended(std::move(done));
    ++async_.failures;
    done.function_error = "Unhandled";
    done.condition = "RetriesExhausted";
    if (async_.failures > rules_.retries) return ended(std::move(done));
    const auto after = kRetryAfter[std::min<size_t>(static_cast<size_t>(async_.failures), std::size(kRetryAfter)) - 1];
    if (now() + after - async_.queued > std::chrono::seconds(rules_.age_seconds)) {
      done.condition = "EventAgeExceeded";
      return ended(std::move(done));
    }
    return again(now() + after);
  }

  /// Nothing ran.
  Status refused(const Error& error) {
    if (is_passing(error)) return again(now() + delay_of(async_.throttles++));
    End failed{.condition = "RetriesExhausted", .ran = true};
    failed.function_error = "Unhandled";
    failed.response = to_bytes(json::serialize(
        json::object{{"errorMessage", error.message},
                     {"errorType", error.name.empty() ? std::string(error_code_name(error.code)) : error.name}}));
    return ended(std::move(failed));
  }

  Status again(WallTime due) {
    return catalog::in_transaction(setting_.database, context_, [&](catalog::Transaction& t) -> Status {
      COFFER_CHECK_OK(work::postpone(t, item_, due));
      return rows::update_async(t, async_);
    });
  }

  Status end() {
    return catalog::in_transaction(setting_.database, context_, [&](catalog::Transaction& t) -> Status {
      COFFER_CHECK_OK(work::finish(t, item_));
      return rows::remove_async(t, item_.subject);
    });
  }

  /// Whether or not anybody is to be told.
  Status ended(End how) {
    async_.destination = how.condition == "Success" ? rules_.on_success : rules_.on_failure;
    if (async_.destination.empty()) return end();
    const int64_t count = how.condition == "Success" ? async_.failures + 1 : async_.failures;
    async_.record = record_of(async_, how, now(), count);
    async_.throttles = 0;
    // Remembered first: a daemon that dies now tells the destination, and does not run the function once more.
    COFFER_CHECK_OK(catalog::in_transaction(setting_.database, context_, [&](catalog::Transaction& t) -> Status {
      COFFER_CHECK_OK(work::check_fence(t, item_));
      return rows::update_async(t, async_);
    }));
    return tell_destination();
  }

  Status tell_destination() {
    const Status told = tell(setting_, context_, async_);
    if (!told.ok() && is_passing(told.error()) && now() - async_.queued < std::chrono::seconds(kAgeDefault))
      return again(now() + delay_of(async_.throttles++));
    return end();
  }

  const Setting& setting_;
  const Context& context_;
  const work::Item& item_;
  rows::Async async_;
  Rules rules_;
};

}  // namespace

Status check_destination(std::string_view arn) {
  const std::string service = part_of_arn(arn, 2);
  const bool known = arn.starts_with("arn:aws:") &&
                     ((service == "events" && part_of_arn(arn, 5).starts_with("event-bus/")) ||
                      (service == "lambda" && part_of_arn(arn, 5) == "function") ||
                      (service == "s3" && !part_of_arn(arn, 5).empty()) ||
                      (service == "logs" && part_of_arn(arn, 5) == "log-group" && !part_of_arn(arn, 6).empty()));
  if (known) return ok_status();
  return invalid_parameter("The provided destination config DestinationConfig is invalid: '" + std::string(arn) +
                           "' is no event bus, function, bucket or log group.");
}

Status carry_out_async(const Setting& setting, const Context& context, const work::Item& item) {
  return Attempt(setting, context, item).run();
}

Status write_logs(const Setting& setting, const Context& context) {
  // Those of one stream together: a call each.
  std::map<std::tuple<std::string, std::string, std::string, std::string, std::string>, LogQueue::Batch> streams;
  for (LogQueue::Batch& batch : setting.logs.take()) {
    auto& all = streams[{batch.key.account, batch.key.region, batch.group, batch.stream, batch.role}];
    if (all.group.empty()) {
      all = std::move(batch);
    } else {
      std::move(batch.lines.begin(), batch.lines.end(), std::back_inserter(all.lines));
    }
  }
  for (auto& stream : streams) {
    LogQueue::Batch& batch = stream.second;
    AsRole role(setting, context, batch.key);
    // A role that may not write logs, or is gone, leaves none: so it is on AWS, too.
    if (!role.open(batch.role).ok()) continue;
    while (!batch.lines.empty()) {
      size_t count = 0, size = 0;
      api::List events;
      for (; count < std::min(kEventsMax, batch.lines.size()); ++count) {
        const auto& [time, line] = batch.lines[count];
        const std::string_view text = std::string_view(line).substr(0, kEventSizeMax - kEventOverhead);
        if (count > 0 && size + text.size() + kEventOverhead > kBatchSizeMax) break;
        size += text.size() + kEventOverhead;
        events.push_back(log_event(time, std::string(text)));
      }
      const Status put = put_lines(role, batch.group, batch.stream, events);
      if (!put.ok() && is_passing(put.error())) {
        setting.logs.add(std::move(batch));  // for the next time
        break;
      }
      batch.lines.erase(batch.lines.begin(), batch.lines.begin() + static_cast<std::ptrdiff_t>(count));
    }
  }
  return ok_status();
}

}  // namespace coffer::lambda
