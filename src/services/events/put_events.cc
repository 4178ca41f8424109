// Events from outside, and the test of a pattern.
#include "services/api/fault.h"
#include "services/events/json.h"
#include "services/events/operations.h"

namespace coffer::events {
namespace {

using api::Value;

constexpr size_t kEntriesSizeMax = 256 * 1024;
constexpr size_t kTimeSize = 14;

size_t size_of(const Value& entry) {
  size_t size = entry.has("Time") ? kTimeSize : 0;
  for (const char* member : {"Source", "DetailType", "Detail"}) size += entry.text(member).size();
  for (const std::string& resource : entry.texts("Resources")) size += resource.size();
  return size;
}

Value refused(std::string code, std::string message) {
  return Value::object({{"ErrorCode", std::move(code)}, {"ErrorMessage", std::move(message)}});
}

/// The entry's place in the answer.
Result<Value> put_entry(const Request& r, const Value& entry) {
  for (const char* member : {"Source", "DetailType", "Detail"}) {
    if (entry.text(member).empty())
      return refused("InvalidArgument", std::string("Parameter ") + member + " is not valid. Reason: " + member +
                                            " is a required argument.");
  }
  const std::string_view source = entry.text("Source");
  if (source.starts_with("aws.") && !r.by_service())
    return refused("NotAuthorizedForSourceException", "Not authorized for the source.");
  auto detail = parse_json(entry.text("Detail"), Duplicates::kLastWins, kDetailDepthMax);
  if (!detail.ok() || !detail->is_object()) return refused("MalformedDetail", "Detail is malformed.");
  const std::string id = random_uuid(r.setting.entropy);
  Json event = Json::object();
  event.set("version", Json::string("0"));
  event.set("id", Json::string(id));
  event.set("detail-type", Json::string(entry.text("DetailType")));
  event.set("source", Json::string(source));
  event.set("account", Json::string(r.account()));
  event.set("time", Json::string(format_utc(entry.time("Time").value_or(r.now()))));
  event.set("region", Json::string(r.region()));
  Json resources = Json::with(Json::Type::kArray);
  for (const std::string& resource : entry.texts("Resources")) resources.items.push_back(Json::string(resource));
  event.set("resources", std::move(resources));
  event.set("detail", std::move(*detail));
  COFFER_CHECK_OK(append_event(r.t(), bus_named(r, entry.text("EventBusName")), write_json(event), r.now()));
  return Value::object({{"EventId", id}});
}

}  // namespace

Result<Value> put_events(const Request& r) {
  size_t size = 0;
  for (const Value& entry : r.input().list("Entries")) size += size_of(entry);
  if (size >= kEntriesSizeMax) return validation("Total size of the entries in the request is over the limit.");
  api::List entries;
  int64_t failed = 0;
  for (const Value& entry : r.input().list("Entries")) {
    COFFER_TRY(Value answer, put_entry(r, entry));
    failed += answer.has("ErrorCode") ? 1 : 0;
    entries.push_back(std::move(answer));
  }
  return Value::object({{"FailedEntryCount", failed}, {"Entries", std::move(entries)}});
}

Result<Value> test_event_pattern(const Request& r) {
  COFFER_TRY(Pattern pattern, parse_pattern(r.input().text("EventPattern")));
  const Error wrong = validation("Parameter Event is not valid.");
  const auto event = parse_json(r.input().text("Event"));
  if (!event.ok() || !event->is_object()) return wrong;
  for (const char* member : {"id", "account", "source", "time", "region", "detail-type"}) {
    const Json* value = event->find(member);
    if (!value || !value->is_string()) return wrong;
  }
  const Json* resources = event->find("resources");
  if (!resources || !resources->is(Json::Type::kArray)) return wrong;
  return Value::object({{"Result", !Matcher({std::move(pattern)}).match(*event).empty()}});
}

}  // namespace coffer::events
