// How each kind of target is reached.
#include <algorithm>

#include "services/api/memory_body.h"
#include "services/events/delivery.h"

namespace coffer::events {
namespace {

using api::Value;

/// JSON as an operation's input, for when no model is at hand: names are the model's, numbers whole or not.
Value value_of(const Json& json) {
  switch (json.type) {
    case Json::Type::kNull: return {};
    case Json::Type::kFalse: return false;
    case Json::Type::kTrue: return true;
    case Json::Type::kString: return json.text;
    case Json::Type::kNumber:
      if (json.text.find_first_of(".eE") == std::string::npos && json.text.size() < 19)
        return static_cast<int64_t>(std::stoll(json.text));
      return std::strtod(json.text.c_str(), nullptr);
    case Json::Type::kArray: {
      api::List list;
      for (const Json& item : json.items) list.push_back(value_of(item));
      return list;
    }
    case Json::Type::kObject: {
      Value object = Value::object();
      for (const auto& [name, member] : json.members) object.set(name, value_of(member));
      return object;
    }
  }
  return {};
}

template <class T>
Outcome outcome(const Result<T>& result) {
  return result.ok() ? Outcome{} : outcome_of(result.error());
}

Result<Value> invoke(const Setting& s, const Parcel& parcel, std::string_view service, std::string_view operation,
                     std::string_view region, const Value& input) {
  COFFER_TRY(const RoleCall call, call_for(s, parcel, service, operation, region));
  return s.invoke(call.call, call.identity.get(), input);
}

Outcome send_to_function(const Setting& s, const Parcel& parcel) {
  return outcome(invoke(
      s, parcel, "lambda", "Invoke", parcel.kind.arn.region,
      Value::object(
          {{"FunctionName", parcel.target.arn}, {"InvocationType", "Event"}, {"Payload", to_bytes(parcel.body)}})));
}

/// One stream a delivery, as EventBridge makes them: nobody else writes there.
Result<Value> write_to_group(const Setting& s, const Parcel& parcel, const std::string& region,
                             const std::string& group, const std::string& message) {
  const std::string stream(parcel.event.text_of("id"));
  const auto made = invoke(s, parcel, "logs", "CreateLogStream", region,
                           Value::object({{"logGroupName", group}, {"logStreamName", stream}}));
  if (!made.ok() && made.code() != ErrorCode::kAlreadyExists) return made;
  Value line = Value::object({{"timestamp", parcel.now.micros / 1000}, {"message", message}});
  return invoke(
      s, parcel, "logs", "PutLogEvents", region,
      Value::object({{"logGroupName", group}, {"logStreamName", stream}, {"logEvents", api::List{std::move(line)}}}));
}

/// {"timestamp": ..., "message": ...} of an input transformer, or the whole.
std::string log_message(const std::string& body) {
  const auto json = parse_json(body);
  const Json* message = json.ok() ? json->find("message") : nullptr;
  if (!message || !json->find("timestamp") || json->members.size() != 2) return body;
  return message->is_string() ? message->text : write_json(*message);
}

Outcome run_command(const Setting& s, const Parcel& parcel) {
  const auto json = parse_json(parcel.body);
  if (!json.ok() || !json->is_object())
    return {Outcome::Kind::kFailed, "INVALID_PARAMETER", "the input of a command is a JSON object", {}};
  Value input;
  if (s.options.read_input) {
    auto read = s.options.read_input(parcel.kind.service, parcel.kind.name, parcel.body);
    if (!read.ok()) return outcome_of(read.error());
    input = std::move(*read);
  } else {
    input = value_of(*json);
  }
  return outcome(invoke(s, parcel, parcel.kind.service, parcel.kind.name, parcel.rule.bus.region, input));
}

}  // namespace

Result<RoleCall> call_for(const Setting& s, const Parcel& parcel, std::string_view service, std::string_view operation,
                          std::string_view region) {
  RoleCall made;
  api::Call& call = made.call;
  call.context = parcel.context;
  call.service = service;
  call.operation = operation;
  call.region = region;
  call.request_id = random_uuid(s.entropy);
  call.user_agent = kPrincipal;
  call.secure_transport = true;
  call.time = parcel.now;
  call.source_arn = parcel.rule.arn();
  call.source_account = parcel.rule.bus.account;
  const std::string role(parcel.target.settings.text("RoleArn"));
  if (role.empty()) {
    call.caller.kind = api::Caller::Kind::kService;
    call.caller.arn = kPrincipal;
    return made;
  }
  COFFER_TRY(auto t, s.database.begin(parcel.context, catalog::Database::Mode::kRead));
  COFFER_TRY(made.identity, s.authority.assume_for_service(*t, role, kPrincipal, call));
  call.caller = made.identity->caller;
  call.via_service = kPrincipal;
  call.source_arn.clear();
  call.source_account.clear();
  return made;
}

Outcome send(const Setting& s, const Parcel& parcel) {
  switch (parcel.kind.kind) {
    case TargetKind::Kind::kFunction: return send_to_function(s, parcel);
    case TargetKind::Kind::kLogGroup:
      return outcome(write_to_group(s, parcel, parcel.kind.arn.region, parcel.kind.name, log_message(parcel.body)));
    case TargetKind::Kind::kCommand: return run_command(s, parcel);
    case TargetKind::Kind::kDestination: return send_to_destination(s, parcel);
    case TargetKind::Kind::kBus: break;
  }
  return {};
}

std::string send_dead_letter(const Setting& s, const Parcel& parcel, const Outcome& failure, std::string_view exhausted,
                             int64_t attempts, std::string& why) {
  const Value* config = parcel.target.settings.find("DeadLetterConfig");
  if (!config || config->text("Arn").empty()) return "";
  const std::string arn_text(config->text("Arn"));
  const auto arn = parse_arn(arn_text);
  if (!arn) return "";
  Json attributes = Json::object();
  attributes.set("RULE_ARN", Json::string(parcel.rule.arn()));
  attributes.set("TARGET_ARN", Json::string(parcel.target.arn));
  attributes.set("ERROR_CODE", Json::string(failure.code));
  attributes.set("ERROR_MESSAGE", Json::string(failure.message));
  if (!exhausted.empty()) attributes.set("EXHAUSTED_RETRY_CONDITION", Json::string(exhausted));
  attributes.set("RETRY_ATTEMPTS", Json::string(std::to_string(std::max<int64_t>(0, attempts - 1))));
  Json letter = Json::object();
  letter.set("attributes", std::move(attributes));
  letter.set("event", parcel.event);
  const std::string text = write_json(letter);
  Parcel as_service = parcel;
  as_service.target.settings.set("RoleArn", Value());  // the queue's own policy lets the service in
  Result<Value> sent = Error{ErrorCode::kInternal, "not sent", {}};
  try {
    if (arn->service == "s3") {
      COFFER_ASSERT(s.options.transfer);
      auto call = call_for(s, as_service, "s3", "PutObject", parcel.rule.bus.region);
      if (call.ok()) {
        api::MemoryBody body(as_bytes(text));
        api::Reply reply;
        const std::string key = "dead-letters/" + parcel.rule.name + "/" + parcel.target.id + "/" +
                                std::string(parcel.event.text_of("id")) + ".json";
        sent = s.options.transfer(
            call->call, nullptr,
            Value::object({{"Bucket", arn->resource}, {"Key", key}, {"ContentType", "application/json"}}), &body,
            &reply);
      } else {
        sent = std::move(call).error();
      }
    } else {
      const auto group = parse_target(arn_text);
      COFFER_ASSERT(group);
      sent = write_to_group(s, as_service, arn->region, group->name, text);
    }
  } catch (const std::exception& thrown) {
    sent = Error{ErrorCode::kInternal, thrown.what(), {}};
  }
  if (sent.ok()) return arn_text;
  why = arn_text + " did not take it: " + sent.error().message;
  return "";
}

}  // namespace coffer::events
