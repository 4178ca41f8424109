// What the operations share: names, pages, tags, the way into the outbox.
#include "services/api/event.h"
#include "services/api/fault.h"
#include "services/api/page_marker.h"
#include "services/catalog/outbox.h"
#include "services/events/operations.h"

namespace coffer::events {
namespace {

constexpr size_t kTagsMax = 50;

Secret key_of_markers(const Request& r) { return api::page_marker_key(r.setting.root, "events list markers v1"); }
std::string scope_of(const Request& r) {
  return api::page_scope(r.call().operation, r.account() + "/" + r.region(), r.input(), {"NextToken", "Limit"});
}

}  // namespace

Error validation(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "ValidationException", std::move(message));
}
Error not_found(std::string message) {
  return api::fault(ErrorCode::kNotFound, "ResourceNotFoundException", std::move(message));
}

BusName bus_named(const Request& r, std::string_view name_or_arn) {
  if (name_or_arn.empty()) name_or_arn = kDefaultBus;
  if (auto bus = parse_bus_arn(name_or_arn)) return std::move(*bus);
  return {r.account(), r.region(), std::string(name_or_arn)};
}

Result<rows::Bus> existing_bus(const Request& r, const BusName& name) {
  // Only the owner manages a bus; others may send to it.
  if (name.account == r.account()) {
    COFFER_TRY(auto bus, rows::find_bus(r.t(), name));
    if (bus) return std::move(*bus);
    if (name.is_default()) {
      rows::Bus made;
      made.name = name;
      made.created = made.modified = r.now();
      return made;
    }
  }
  return not_found("Event bus " + name.name + " does not exist.");
}

Result<rows::Bus> bus_to_change(const Request& r, const BusName& name) {
  COFFER_TRY(rows::Bus bus, existing_bus(r, name));
  if (name.is_default()) COFFER_CHECK_OK(rows::put_bus(r.t(), bus));
  return bus;
}

RuleName rule_named(const Request& r, std::string_view member) {
  return {bus_named(r, r.input().text("EventBusName")), r.text(member)};
}

Result<rows::Rule> existing_rule(const Request& r, const RuleName& name) {
  COFFER_CHECK_OK(existing_bus(r, name.bus));
  COFFER_TRY(auto rule, rows::find_rule(r.t(), name));
  if (rule) return std::move(*rule);
  return not_found("Rule " + name.name + " does not exist on EventBus " + name.bus.name + ".");
}

Result<std::shared_ptr<const policy::Document>> bus_policy(const rows::Bus& bus) {
  if (bus.policy.empty()) return std::shared_ptr<const policy::Document>();
  return policy::Document::parse(bus.policy, policy::Kind::kResource);
}

Result<Page> page_of(const Request& r, int64_t most) {
  Page page;
  page.limit = r.input().integer("Limit").value_or(most);
  if (!r.input().has("NextToken")) return page;
  auto after = api::open_page_marker(key_of_markers(r).view(), scope_of(r), r.input().text("NextToken"));
  if (!after) return validation("The specified token is not valid.");
  page.after = std::move(*after);
  return page;
}

std::string next_token(const Request& r, std::string_view after) {
  return api::make_page_marker(key_of_markers(r).view(), scope_of(r), after);
}

Status put_tags(const Request& r, std::string_view arn) {
  for (const api::Value& tag : r.input().list("Tags"))
    COFFER_CHECK_OK(rows::put_tag(r.t(), arn, tag.text("Key"), tag.text("Value")));
  COFFER_TRY(const auto all, rows::tags(r.t(), arn));
  if (all.size() > kTagsMax) return validation("A resource can have at most " + std::to_string(kTagsMax) + " tags.");
  return ok_status();
}

Status append_event(catalog::Transaction& t, const BusName& bus, std::string_view event_json, WallTime now,
                    int64_t passed, std::string_view only_rules) {
  std::string payload = R"({"bus":)";
  write_json_string(payload, bus.arn());
  if (passed > 0) payload += R"(,"passed":)" + std::to_string(passed);
  if (!only_rules.empty()) payload += R"(,"rules":)" + std::string(only_rules);
  payload += R"(,"event":)" + std::string(event_json) + "}";
  return catalog::outbox_append(t, api::kEventTopic, payload, now);
}

namespace {

/// A bus or rule of the caller that tags hang on.
Status check_taggable(const Request& r, const std::string& arn) {
  if (const auto bus = parse_bus_arn(arn))
    return existing_bus(r, *bus).ok() ? ok_status() : Status(not_found("Event bus " + bus->name + " does not exist."));
  if (const auto rule = parse_rule_arn(arn); rule && rule->bus.account == r.account()) {
    COFFER_TRY(const auto found, rows::find_rule(r.t(), *rule));
    if (found) return ok_status();
    return not_found("Rule " + rule->name + " does not exist on EventBus " + rule->bus.name + ".");
  }
  return not_found("Resource " + arn + " does not exist.");
}

}  // namespace

Result<api::Value> tag_resource(const Request& r) {
  const std::string arn = r.text("ResourceARN");
  COFFER_CHECK_OK(check_taggable(r, arn));
  COFFER_CHECK_OK(put_tags(r, arn));
  return api::Value::object();
}

Result<api::Value> untag_resource(const Request& r) {
  const std::string arn = r.text("ResourceARN");
  COFFER_CHECK_OK(check_taggable(r, arn));
  for (const std::string& key : r.input().texts("TagKeys")) COFFER_CHECK_OK(rows::remove_tag(r.t(), arn, key));
  return api::Value::object();
}

Result<api::Value> list_tags_for_resource(const Request& r) {
  const std::string arn = r.text("ResourceARN");
  COFFER_CHECK_OK(check_taggable(r, arn));
  COFFER_TRY(const auto tags, rows::tags(r.t(), arn));
  api::List list;
  for (const auto& [key, value] : tags) list.push_back(api::Value::object({{"Key", key}, {"Value", value}}));
  return api::Value::object({{"Tags", std::move(list)}});
}

}  // namespace coffer::events
