#include "services/organizations/shapes.h"

namespace coffer::organizations {

using api::List;
using api::Value;

Value organization_shape(const rows::Organization& o) {
  List types;
  if (o.feature_set == kAllFeatures) types.push_back(Value::object({{"Type", kServiceControl}, {"Status", "ENABLED"}}));
  return Value::object({{"Id", o.id},
                        {"Arn", organization_arn(o.management, o.id)},
                        {"FeatureSet", o.feature_set},
                        {"MasterAccountArn", arn_of(o.management, "account", o.id, o.management)},
                        {"MasterAccountId", o.management},
                        {"AvailablePolicyTypes", std::move(types)}});
}

Result<std::string> Paths::of(std::string_view parent) {
  for (const auto& [id, path] : known_) {
    if (id == parent) return path;
  }
  COFFER_TRY(auto chain, rows::chain_to(request_.transaction(), request_.organization().root, parent));
  std::string path = request_.organization().id + "/";
  for (const std::string& id : chain) path += id + "/";
  known_.emplace_back(parent, path);
  return path;
}

std::string_view account_status(const rows::Account& a) { return a.closed ? "SUSPENDED" : "ACTIVE"; }
std::string_view account_state(const rows::Account& a) { return a.closed ? "CLOSED" : "ACTIVE"; }

Result<Value> account_shape(const Request& r, const rows::Account& a, Paths& paths) {
  COFFER_TRY(std::string path, paths.of(a.parent));
  return Value::object({{"Id", a.id},
                        {"Arn", r.arn("account", a.id)},
                        {"Email", a.email},
                        {"Name", a.name},
                        {"Status", account_status(a)},
                        {"State", account_state(a)},
                        {"Paths", List{path + a.id + "/"}},
                        {"JoinedMethod", a.joined_method},
                        {"JoinedTimestamp", a.joined}});
}

Result<Value> unit_shape(const Request& r, const rows::Unit& u) {
  COFFER_TRY(std::string path, Paths(r).of(u.id));
  return Value::object({{"Id", u.id}, {"Arn", r.arn("ou", u.id)}, {"Name", u.name}, {"Path", std::move(path)}});
}

Result<Value> root_shape(const Request& r) {
  COFFER_TRY(auto enabled, rows::enabled_types(r.transaction(), r.organization().id));
  List types;
  for (const std::string& type : enabled) types.push_back(Value::object({{"Type", type}, {"Status", "ENABLED"}}));
  const std::string& id = r.organization().root;
  return Value::object({{"Id", id}, {"Arn", r.arn("root", id)}, {"Name", "Root"}, {"PolicyTypes", std::move(types)}});
}

Value policy_summary(const Request& r, const rows::Policy& p) {
  return Value::object({{"Id", p.id},
                        {"Arn", policy_arn(r.organization().management, p.organization, p.type, p.id)},
                        {"Name", p.name},
                        {"Description", p.description},
                        {"Type", p.type},
                        {"AwsManaged", p.organization.empty()}});
}

Value policy_shape(const Request& r, const rows::Policy& p) {
  return Value::object({{"PolicySummary", policy_summary(r, p)}, {"Content", p.content}});
}

std::string_view handshake_state(const rows::Handshake& h, WallTime now) {
  const bool pending = h.state == "OPEN" || h.state == "REQUESTED";
  return pending && h.expires <= now ? std::string_view("EXPIRED") : std::string_view(h.state);
}

std::string handshake_arn(const rows::Handshake& h) {
  return arn_of(h.management, "handshake", h.organization, lower_case(h.action) + "/" + h.id);
}

Value handshake_shape(const rows::Handshake& h, WallTime now) {
  const auto resource = [](std::string_view type, std::string_view value) {
    return Value::object({{"Value", value}, {"Type", type}});
  };
  List parties{Value::object({{"Id", h.organization}, {"Type", "ORGANIZATION"}})};
  Value organization = resource("ORGANIZATION", h.organization);
  List resources;
  if (!h.party.empty()) {
    parties.push_back(Value::object({{"Id", h.party}, {"Type", h.party_type}}));
    organization.set("Resources", List{resource("MASTER_EMAIL", h.master_email), resource("MASTER_NAME", h.master_name),
                                       resource("ORGANIZATION_FEATURE_SET", h.feature_set)});
  }
  resources.push_back(std::move(organization));
  if (!h.party.empty()) resources.push_back(resource(h.party_type, h.party));
  if (!h.notes.empty()) resources.push_back(resource("NOTES", h.notes));
  if (!h.parent.empty()) resources.push_back(resource("PARENT_HANDSHAKE", h.parent));
  return Value::object({{"Id", h.id},
                        {"Arn", handshake_arn(h)},
                        {"Parties", std::move(parties)},
                        {"State", handshake_state(h, now)},
                        {"RequestedTimestamp", h.requested},
                        {"ExpirationTimestamp", h.expires},
                        {"Action", h.action},
                        {"Resources", std::move(resources)}});
}

Value create_request_shape(const rows::CreateRequest& q) {
  Value shape = Value::object({{"Id", q.id},
                               {"AccountName", q.name},
                               {"State", q.state},
                               {"RequestedTimestamp", q.requested},
                               {"CompletedTimestamp", q.completed}});
  if (!q.account.empty()) shape.set("AccountId", q.account);
  if (!q.failure.empty()) shape.set("FailureReason", q.failure);
  return shape;
}

}  // namespace coffer::organizations
