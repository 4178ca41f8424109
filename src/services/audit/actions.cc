#include "services/audit/actions.h"

#include <boost/json.hpp>
#include <charconv>

#include "services/api/fault.h"
#include "services/audit/audit_log.h"

namespace coffer::audit {
namespace {

namespace json = boost::json;
using api::Value;

constexpr int64_t kPageMax = 50;

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* member = object.if_contains(name);
  return member && member->is_string() ? std::string(member->get_string()) : std::string();
}

Value event_of(const std::string& text) {
  const json::object record = json::parse(text).as_object();
  const json::object& identity = record.at("userIdentity").as_object();
  Value event = Value::object({{"EventId", text_of(record, "eventID")},
                               {"EventName", text_of(record, "eventName")},
                               {"ReadOnly", record.at("readOnly").as_bool() ? "true" : "false"},
                               {"EventSource", text_of(record, "eventSource")},
                               {"CloudTrailEvent", text}});
  if (Result<WallTime> time = parse_utc(text_of(record, "eventTime")); time.ok()) event.set("EventTime", *time);
  if (const std::string key = text_of(identity, "accessKeyId"); !key.empty()) event.set("AccessKeyId", key);
  std::string user = text_of(identity, "userName");
  if (user.empty()) {
    const std::string arn = text_of(identity, "arn");
    user = text_of(identity, "type") == "Root" ? "root" : arn.substr(arn.rfind('/') + 1);
  }
  event.set("Username", user);
  api::List resources;
  if (const json::value* list = record.if_contains("resources")) {
    for (const json::value& one : list->as_array())
      resources.push_back(Value::object({{"ResourceName", text_of(one.as_object(), "ARN")}}));
  }
  event.set("Resources", std::move(resources));
  return event;
}

Result<Value> lookup_events(const api::Operation& operation) {
  const Value& input = operation.input;
  const int64_t limit = input.integer("MaxResults").value_or(kPageMax);
  std::optional<LookupFilter> filter;
  for (const Value& attribute : input.list("LookupAttributes"))
    filter = LookupFilter{std::string(attribute.text("AttributeKey")), std::string(attribute.text("AttributeValue"))};
  std::optional<int64_t> next;
  if (const std::string_view token = input.text("NextToken"); !token.empty()) {
    int64_t sequence = 0;
    const auto [end, failed] = std::from_chars(token.data(), token.data() + token.size(), sequence);
    if (failed != std::errc() || end != token.data() + token.size() || sequence < 1)
      return api::fault(ErrorCode::kInvalidArgument, "InvalidNextTokenException",
                        "The token does not belong to this lookup.");
    next = sequence;
  }
  const auto from = input.time("StartTime"), until = input.time("EndTime");
  if (from && until && *until < *from)
    return api::fault(ErrorCode::kInvalidArgument, "InvalidTimeRangeException",
                      "The start time is after the end time.");
  COFFER_TRY(LookupPage page,
             lookup(operation.transaction, operation.call.caller.account, filter, from, until, next, limit));
  api::List events;
  for (const std::string& text : page.events) events.push_back(event_of(text));
  Value output = Value::object({{"Events", std::move(events)}});
  if (page.next) output.set("NextToken", std::to_string(*page.next));
  return output;
}

}  // namespace

api::ServiceTable actions() {
  api::Action action;
  action.operation = "LookupEvents";
  action.access = api::allow_on("cloudtrail:LookupEvents", [](const api::Operation&) { return "*"; });
  action.run = lookup_events;
  return {"cloudtrail", {std::move(action)}};
}

}  // namespace coffer::audit
