#include "services/audit/actions.h"

#include "base/base64.h"
#include "engine/crypto/digest.h"
#include "services/api/fault.h"
#include "services/audit/audit_log.h"
#include "services/audit/filing.h"

namespace coffer::audit {
namespace {

using api::Value;

constexpr int64_t kPageMax = 50;
constexpr size_t kTagSize = 8;

Error invalid(std::string_view name, std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, name, std::move(message));
}

struct Lookup {
  std::optional<LookupFilter> filter;
  std::optional<WallTime> from, until;
};

Result<Lookup> lookup_of(const Value& input) {
  Lookup lookup;
  const api::List& attributes = input.list("LookupAttributes");
  if (attributes.size() > 1)
    return invalid("InvalidLookupAttributesException", "Only one lookup attribute can be specified.");
  if (!attributes.empty()) {
    lookup.filter = LookupFilter{std::string(attributes.front().text("AttributeKey")),
                                 std::string(attributes.front().text("AttributeValue"))};
    const LookupFilter& filter = *lookup.filter;
    if (filter.value.find('\0') != std::string::npos)
      return invalid("InvalidLookupAttributesException", "The value of a lookup attribute must be text.");
    if (filter.key == "ReadOnly" && filter.value != "true" && filter.value != "false")
      return invalid("InvalidLookupAttributesException", "The value of ReadOnly must be true or false.");
  }
  lookup.from = input.time("StartTime");
  lookup.until = input.time("EndTime");
  if (lookup.from && lookup.until && *lookup.until < *lookup.from)
    return invalid("InvalidTimeRangeException", "The start time must be before the end time.");
  return lookup;
}

/// Which list a token belongs to: one of another list would silently leave events out.
Bytes tag_of(const Lookup& lookup, std::string_view account) {
  std::string text(account);
  if (lookup.filter) text += "\nattribute " + lookup.filter->key + "=" + lookup.filter->value;
  if (lookup.from) text += "\nfrom " + std::to_string(lookup.from->micros);
  if (lookup.until) text += "\nuntil " + std::to_string(lookup.until->micros);
  const auto digest = crypto::sha256(as_bytes(text));
  return to_bytes(ByteView(digest).first(kTagSize));
}

std::string token_of(int64_t sequence, const Lookup& lookup, std::string_view account) {
  Bytes token = tag_of(lookup, account);
  ByteWriter(token).u64(static_cast<uint64_t>(sequence));
  return base64_encode(token);
}

Result<int64_t> sequence_of(std::string_view token, const Lookup& lookup, std::string_view account) {
  const auto bytes = base64_decode(token);
  if (bytes && bytes->size() == kTagSize + 8 && equal(ByteView(*bytes).first(kTagSize), tag_of(lookup, account)))
    return static_cast<int64_t>(ByteReader(ByteView(*bytes).subspan(kTagSize)).u64());
  return invalid("InvalidNextTokenException", "The specified token is invalid or was used with other parameters.");
}

Result<Value> event_of(const std::string& record) {
  COFFER_TRY(const Filing filing, filing_of(record));
  Value event = Value::object({{"EventId", filing.event_id},
                               {"EventName", filing.event_name},
                               {"ReadOnly", filing.read_only ? "true" : "false"}});
  if (!filing.access_key_id.empty()) event.set("AccessKeyId", filing.access_key_id);
  event.set("EventTime", filing.time);
  event.set("EventSource", filing.event_source);
  if (!filing.user_name.empty()) event.set("Username", filing.user_name);
  api::List resources;
  for (const Resource& resource : filing.resources) {
    Value one = Value::object();
    if (!resource.type.empty()) one.set("ResourceType", resource.type);
    one.set("ResourceName", resource.arn);
    resources.push_back(std::move(one));
  }
  event.set("Resources", std::move(resources));
  event.set("CloudTrailEvent", record);
  return event;
}

Result<Value> lookup_events(const api::Operation& operation) {
  const Value& input = operation.input;
  const std::string& account = operation.call.caller.account;
  COFFER_TRY(const Lookup wanted, lookup_of(input));
  const int64_t limit = input.integer("MaxResults").value_or(kPageMax);
  if (limit < 1 || limit > kPageMax)
    return invalid("InvalidMaxResultsException", "The number of results must be between 1 and 50.");
  std::optional<int64_t> next;
  if (const std::string_view token = input.text("NextToken"); !token.empty()) {
    COFFER_TRY(next, sequence_of(token, wanted, account));
  }
  LookupPage page;
  // Insight events are made by an analysis that this installation does not do: there are none.
  if (!input.has("EventCategory")) {
    COFFER_TRY(page, lookup(operation.transaction, account, wanted.filter, wanted.from, wanted.until, next, limit));
  }
  api::List events;
  for (const std::string& record : page.events) {
    COFFER_TRY(Value event, event_of(record));
    events.push_back(std::move(event));
  }
  Value output = Value::object({{"Events", std::move(events)}});
  if (page.next) output.set("NextToken", token_of(*page.next, wanted, account));
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
