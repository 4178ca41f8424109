// Buses and who may send to them.
#include <algorithm>

#include "services/api/fault.h"
#include "services/events/json.h"
#include "services/events/operations.h"
#include "services/policy/text.h"

namespace coffer::events {
namespace {

using api::Value;

constexpr size_t kPolicySizeMax = 10'240;

void set_if_there(const Request& r, Value& settings, std::initializer_list<const char*> members) {
  for (const char* member : members) {
    if (const Value* value = r.input().find(member)) settings.set(member, *value);
  }
}

Value settings_of(const Request& r, Value settings) {
  if (settings.is_null()) settings = Value::object();
  set_if_there(r, settings, {"Description", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig"});
  return settings;
}

Value described(const rows::Bus& bus) {
  Value out = Value::object({{"Name", bus.name.name}, {"Arn", bus.name.arn()}});
  for (const auto& [member, value] : bus.settings.entries()) out.set(member, value);
  if (!bus.policy.empty()) out.set("Policy", bus.policy);
  out.set("CreationTime", bus.created);
  out.set("LastModifiedTime", bus.modified);
  return out;
}

Json policy_of(const rows::Bus& bus) {
  if (!bus.policy.empty()) {
    if (auto parsed = parse_json(bus.policy); parsed.ok() && parsed->is_object()) return std::move(*parsed);
  }
  Json made = Json::object();
  made.set("Version", Json::string("2012-10-17"));
  return made;
}

/// The statements of a policy as a list, also when it has one without.
std::vector<Json> statements_of(Json& policy) {
  Json* statement = policy.find("Statement");
  if (!statement) return {};
  if (statement->is_object()) return {std::move(*statement)};
  return std::move(statement->items);
}

Status store_policy(const Request& r, rows::Bus& bus, std::string text) {
  if (text.size() > kPolicySizeMax)
    return api::fault(ErrorCode::kResourceExhausted, "PolicyLengthExceededException",
                      "The policy of the event bus is longer than " + std::to_string(kPolicySizeMax) + " bytes.");
  if (!text.empty()) {
    const auto document = policy::Document::parse(text, policy::Kind::kResource);
    if (!document.ok()) return validation("Parameter Policy is not valid. Reason: " + document.error().message);
  }
  bus.policy = std::move(text);
  bus.modified = r.now();
  return rows::put_bus(r.t(), bus);
}

}  // namespace

Result<Value> create_event_bus(const Request& r) {
  const std::string name = r.text("Name");
  if (r.input().has("EventSourceName"))
    return not_found("Event source " + r.text("EventSourceName") + " does not exist.");
  if (name.find('/') != std::string::npos) return validation("Event bus name must not contain '/'.");
  rows::Bus bus;
  bus.name = {r.account(), r.region(), name};
  COFFER_TRY(const auto there, rows::find_bus(r.t(), bus.name));
  if (there || bus.name.is_default())
    return api::fault(ErrorCode::kAlreadyExists, "ResourceAlreadyExistsException",
                      "Event bus " + name + " already exists.");
  bus.settings = settings_of(r, {});
  bus.created = bus.modified = r.now();
  COFFER_CHECK_OK(rows::put_bus(r.t(), bus));
  COFFER_CHECK_OK(put_tags(r, bus.name.arn()));
  Value out = Value::object({{"EventBusArn", bus.name.arn()}});
  for (const auto& [member, value] : bus.settings.entries()) out.set(member, value);
  return out;
}

Result<Value> update_event_bus(const Request& r) {
  COFFER_TRY(rows::Bus bus, bus_to_change(r, bus_named(r, r.input().text("Name"))));
  bus.settings = settings_of(r, std::move(bus.settings));
  bus.modified = r.now();
  COFFER_CHECK_OK(rows::put_bus(r.t(), bus));
  Value out = Value::object({{"Arn", bus.name.arn()}, {"Name", bus.name.name}});
  for (const auto& [member, value] : bus.settings.entries()) out.set(member, value);
  return out;
}

Result<Value> describe_event_bus(const Request& r) {
  COFFER_TRY(const rows::Bus bus, existing_bus(r, bus_named(r, r.input().text("Name"))));
  return described(bus);
}

Result<Value> list_event_buses(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  const std::string prefix = r.text("NamePrefix");
  COFFER_TRY(auto buses, rows::list_buses(r.t(), r.account(), r.region(), prefix, page.after, page.limit + 1));
  // The default bus is there from the start, in its place among the others.
  const BusName common{r.account(), r.region(), std::string(kDefaultBus)};
  COFFER_TRY(const auto row, rows::find_bus(r.t(), common));
  if (!row && common.name.starts_with(prefix) && common.name > page.after) {
    rows::Bus made;
    made.name = common;
    made.created = made.modified = r.now();
    buses.insert(std::upper_bound(buses.begin(), buses.end(), made,
                                  [](const auto& a, const auto& b) { return a.name.name < b.name.name; }),
                 std::move(made));
  }
  Value out = Value::object();
  end_page(
      r, page, buses, [](const rows::Bus& bus) { return bus.name.name; }, out);
  api::List list;
  for (const rows::Bus& bus : buses) {
    Value one = Value::object({{"Name", bus.name.name}, {"Arn", bus.name.arn()}});
    if (bus.settings.has("Description")) one.set("Description", bus.settings.text("Description"));
    if (!bus.policy.empty()) one.set("Policy", bus.policy);
    one.set("CreationTime", bus.created);
    one.set("LastModifiedTime", bus.modified);
    list.push_back(std::move(one));
  }
  out.set("EventBuses", std::move(list));
  return out;
}

Result<Value> delete_event_bus(const Request& r) {
  const BusName name = bus_named(r, r.input().text("Name"));
  if (name.is_default()) return validation("Cannot delete event bus default.");
  if (name.account != r.account()) return Value::object();
  COFFER_TRY(const int64_t rules, rows::count_rules(r.t(), name));
  if (rules > 0) return validation("Event bus " + name.name + " can't be deleted since it has rules.");
  COFFER_CHECK_OK(rows::remove_tags(r.t(), name.arn()));
  COFFER_CHECK_OK(rows::remove_bus(r.t(), name));
  return Value::object();
}

Result<Value> put_permission(const Request& r) {
  COFFER_TRY(rows::Bus bus, bus_to_change(r, bus_named(r, r.input().text("EventBusName"))));
  if (r.input().has("Policy")) {
    COFFER_CHECK_OK(store_policy(r, bus, r.text("Policy")));
    return Value::object();
  }
  const std::string principal = r.text("Principal"), id = r.text("StatementId"), action = r.text("Action");
  if (principal.empty() || id.empty() || action.empty())
    return validation("Parameters Action, Principal and StatementId must be specified, or Policy.");
  if (action != "events:PutEvents") return validation("Provided value in parameter 'action' is not supported.");
  Json statement = Json::object();
  statement.set("Sid", Json::string(id));
  statement.set("Effect", Json::string("Allow"));
  if (principal == "*") {
    statement.set("Principal", Json::string("*"));
  } else {
    Json who = Json::object();
    who.set("AWS", Json::string("arn:aws:iam::" + principal + ":root"));
    statement.set("Principal", std::move(who));
  }
  statement.set("Action", Json::string(action));
  statement.set("Resource", Json::string(bus.name.arn()));
  if (const Value* condition = r.input().find("Condition")) {
    if (condition->text("Type") != "StringEquals" || condition->text("Key") != "aws:PrincipalOrgID")
      return validation(
          "Parameter Condition is not valid. Reason: only StringEquals of aws:PrincipalOrgID is supported.");
    Json value = Json::object(), test = Json::object();
    value.set("aws:PrincipalOrgID", Json::string(condition->text("Value")));
    test.set("StringEquals", std::move(value));
    statement.set("Condition", std::move(test));
  }
  Json document = policy_of(bus);
  Json list = Json::with(Json::Type::kArray);
  for (Json& one : statements_of(document)) {
    if (one.text_of("Sid") != id) list.items.push_back(std::move(one));
  }
  list.items.push_back(std::move(statement));
  document.set("Statement", std::move(list));
  COFFER_CHECK_OK(store_policy(r, bus, write_json(document)));
  return Value::object();
}

Result<Value> remove_permission(const Request& r) {
  COFFER_TRY(rows::Bus bus, bus_to_change(r, bus_named(r, r.input().text("EventBusName"))));
  if (r.input().flag("RemoveAllPermissions")) {
    COFFER_CHECK_OK(store_policy(r, bus, ""));
    return Value::object();
  }
  const std::string id = r.text("StatementId");
  if (id.empty()) return validation("Parameter StatementId must be specified.");
  if (bus.policy.empty()) return not_found("EventBus does not have a policy.");
  Json document = policy_of(bus);
  Json list = Json::with(Json::Type::kArray);
  bool found = false;
  for (Json& one : statements_of(document)) {
    if (one.text_of("Sid") == id) {
      found = true;
    } else {
      list.items.push_back(std::move(one));
    }
  }
  if (!found) return not_found("Statement with the provided id does not exist.");
  const bool empty = list.items.empty();
  document.set("Statement", std::move(list));
  COFFER_CHECK_OK(store_policy(r, bus, empty ? "" : write_json(document)));
  return Value::object();
}

}  // namespace coffer::events
