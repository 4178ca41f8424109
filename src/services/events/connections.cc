#include "services/events/connections.h"

#include "engine/crypto/sealed_object.h"
#include "services/api/fault.h"
#include "services/api/value_json.h"

namespace coffer::events {
namespace {

using api::Value;

constexpr std::string_view kAuthorized = "AUTHORIZED", kDeauthorized = "DEAUTHORIZED";

std::string place_of(const rows::Endpoint& e) {
  return "events/" + e.kind + "/" + e.account + "/" + e.region + "/" + e.name + "/" + e.id;
}

Status seal_parameters(const Setting& s, rows::Endpoint& connection, const Value& parameters) {
  crypto::SealParameters seal;
  seal.object_id = s.entropy.array<16>();
  seal.kind = crypto::ObjectKind::kCredential;
  seal.place = place_of(connection);
  seal.segment_log2 = 12;
  std::string text = api::to_json(parameters);
  connection.secret = crypto::seal(s.root, seal, as_bytes(std::string_view(text)), s.entropy);
  wipe({reinterpret_cast<std::byte*>(text.data()), text.size()});
  return ok_status();
}

Error no_connection(const std::string& name) {
  return not_found("Failed to describe the connection(s). Connection '" + name + "' does not exist.");
}
Error exists_already(const std::string& what, const std::string& name) {
  return api::fault(ErrorCode::kAlreadyExists, "ResourceAlreadyExistsException",
                    what + " " + name + " already exists.");
}

/// Parameters in headers, query or body; the value of a secret one is not shown.
Value shown_http_parameters(const Value& parameters) {
  Value out = Value::object();
  for (const char* list : {"HeaderParameters", "QueryStringParameters", "BodyParameters"}) {
    if (!parameters.has(list)) continue;
    api::List shown;
    for (const Value& one : parameters.list(list)) {
      Value entry = Value::object({{"Key", one.text("Key")}, {"IsValueSecret", one.flag("IsValueSecret", true)}});
      if (!one.flag("IsValueSecret", true)) entry.set("Value", one.text("Value"));
      shown.push_back(std::move(entry));
    }
    out.set(list, std::move(shown));
  }
  return out;
}

Value shown_parameters(const Value& parameters) {
  Value out = Value::object();
  if (const Value* basic = parameters.find("BasicAuthParameters"))
    out.set("BasicAuthParameters", Value::object({{"Username", basic->text("Username")}}));
  if (const Value* key = parameters.find("ApiKeyAuthParameters"))
    out.set("ApiKeyAuthParameters", Value::object({{"ApiKeyName", key->text("ApiKeyName")}}));
  if (const Value* oauth = parameters.find("OAuthParameters")) {
    Value shown = Value::object(
        {{"AuthorizationEndpoint", oauth->text("AuthorizationEndpoint")}, {"HttpMethod", oauth->text("HttpMethod")}});
    if (const Value* client = oauth->find("ClientParameters"))
      shown.set("ClientParameters", Value::object({{"ClientID", client->text("ClientID")}}));
    if (const Value* http = oauth->find("OAuthHttpParameters"))
      shown.set("OAuthHttpParameters", shown_http_parameters(*http));
    out.set("OAuthParameters", std::move(shown));
  }
  if (const Value* http = parameters.find("InvocationHttpParameters"))
    out.set("InvocationHttpParameters", shown_http_parameters(*http));
  return out;
}

Status check_endpoint(const Request& r, std::string_view member, std::string_view url) {
  const bool allowed = url.starts_with("https://") || (r.setting.options.plain_http && url.starts_with("http://"));
  if (allowed && url.find_first_of(" \t\r\n\"<>\\") == std::string_view::npos) return ok_status();
  return validation("Parameter " + std::string(member) + " is not valid. Reason: " + std::string(member) +
                    " must be an https URL.");
}

/// That the parameters are those of the authorization type.
Status check_parameters(const Request& r, const std::string& type, const Value& parameters) {
  const std::pair<std::string_view, const char*> types[] = {{"BASIC", "BasicAuthParameters"},
                                                            {"API_KEY", "ApiKeyAuthParameters"},
                                                            {"OAUTH_CLIENT_CREDENTIALS", "OAuthParameters"}};
  for (const auto& [name, member] : types) {
    if (parameters.has(member) != (name == type))
      return validation("Authorization parameters do not match the authorization type " + type + ".");
  }
  if (parameters.has("ConnectivityParameters") || r.input().has("InvocationConnectivityParameters"))
    return validation("Private connectivity is not supported by this installation.");
  if (const Value* oauth = parameters.find("OAuthParameters"))
    return check_endpoint(r, "AuthorizationEndpoint", oauth->text("AuthorizationEndpoint"));
  return ok_status();
}

Result<rows::Endpoint> existing_connection(const Request& r, const std::string& name) {
  COFFER_TRY(auto found, rows::find_endpoint(r.t(), kConnection, r.account(), r.region(), name));
  if (!found) return no_connection(name);
  return std::move(*found);
}

Value summary_of(const rows::Endpoint& connection) {
  return Value::object({{"ConnectionArn", connection.arn()},
                        {"ConnectionState", connection.state},
                        {"CreationTime", connection.created},
                        {"LastModifiedTime", connection.modified},
                        {"LastAuthorizedTime", connection.authorized}});
}

/// `changes` over what was there, structure by structure.
Value merged(const Value& old, const Value& changes) {
  if (!old.is_object() || !changes.is_object()) return changes;
  Value out = old;
  for (const auto& [name, value] : changes.entries()) {
    const Value* before = old.find(name);
    out.set(name, before ? merged(*before, value) : value);
  }
  return out;
}

Result<rows::Endpoint> existing_destination(const Request& r, const std::string& name) {
  COFFER_TRY(auto found, rows::find_endpoint(r.t(), kDestination, r.account(), r.region(), name));
  if (!found) return not_found("An api-destination '" + name + "' does not exist.");
  return std::move(*found);
}

/// The connection that an ARN means: of the caller, in this Region.
Status check_connection(const Request& r, const std::string& arn) {
  const std::string begin = "arn:aws:events:" + r.region() + ":" + r.account() + ":connection/";
  if (!arn.starts_with(begin))
    return validation("Parameter " + arn + " is not valid. Reason: Provided Arn is not in correct format.");
  const std::string name = arn.substr(begin.size(), arn.find('/', begin.size()) - begin.size());
  COFFER_TRY(const auto found, rows::find_endpoint(r.t(), kConnection, r.account(), r.region(), name));
  if (found && found->arn() == arn) return ok_status();
  return not_found("Connection '" + arn + "' does not exist.");
}

Value described_destination(const rows::Endpoint& destination) {
  Value out = Value::object({{"ApiDestinationArn", destination.arn()}, {"Name", destination.name}});
  for (const auto& [member, value] : destination.settings.entries()) out.set(member, value);
  out.set("ApiDestinationState", destination.state);
  out.set("CreationTime", destination.created);
  out.set("LastModifiedTime", destination.modified);
  return out;
}

constexpr const char* kDestinationMembers[] = {"Description", "ConnectionArn", "InvocationEndpoint", "HttpMethod",
                                               "InvocationRateLimitPerSecond"};

Result<Value> store_destination(const Request& r, rows::Endpoint destination) {
  for (const char* member : kDestinationMembers) {
    if (const Value* value = r.input().find(member)) destination.settings.set(member, *value);
  }
  COFFER_CHECK_OK(check_connection(r, std::string(destination.settings.text("ConnectionArn"))));
  COFFER_CHECK_OK(check_endpoint(r, "InvocationEndpoint", destination.settings.text("InvocationEndpoint")));
  destination.modified = r.now();
  COFFER_CHECK_OK(rows::put_endpoint(r.t(), destination));
  return Value::object({{"ApiDestinationArn", destination.arn()},
                        {"ApiDestinationState", destination.state},
                        {"CreationTime", destination.created},
                        {"LastModifiedTime", destination.modified}});
}

}  // namespace

Result<Value> open_parameters(const Setting& s, const rows::Endpoint& connection) {
  COFFER_TRY(Bytes plain,
             crypto::open_sealed(s.root, crypto::ObjectKind::kCredential, place_of(connection), connection.secret));
  auto value = api::from_json(to_text(plain));
  wipe(plain);
  return value;
}

Result<Value> create_connection(const Request& r) {
  rows::Endpoint connection;
  connection.kind = kConnection;
  connection.account = r.account();
  connection.region = r.region();
  connection.name = r.text("Name");
  COFFER_TRY(const auto there, rows::find_endpoint(r.t(), kConnection, r.account(), r.region(), connection.name));
  if (there) return exists_already("Connection", connection.name);
  const Value* parameters = r.input().find("AuthParameters");
  if (!parameters) return validation("Parameter AuthParameters must be specified.");
  const std::string type = r.text("AuthorizationType");
  COFFER_CHECK_OK(check_parameters(r, type, *parameters));
  connection.id = random_uuid(r.setting.entropy);
  connection.settings = Value::object({{"AuthorizationType", type}, {"AuthParameters", shown_parameters(*parameters)}});
  for (const char* member : {"Description", "KmsKeyIdentifier"}) {
    if (r.input().has(member)) connection.settings.set(member, r.text(member));
  }
  connection.state = kAuthorized;
  connection.created = connection.modified = connection.authorized = r.now();
  COFFER_CHECK_OK(seal_parameters(r.setting, connection, *parameters));
  COFFER_CHECK_OK(rows::put_endpoint(r.t(), connection));
  Value out = summary_of(connection);
  out.set("LastAuthorizedTime", Value());
  return out;
}

Result<Value> update_connection(const Request& r) {
  COFFER_TRY(rows::Endpoint connection, existing_connection(r, r.text("Name")));
  COFFER_TRY(Value parameters, open_parameters(r.setting, connection));
  if (const Value* changes = r.input().find("AuthParameters")) {
    const bool other_type = r.input().has("AuthorizationType") &&
                            r.text("AuthorizationType") != connection.settings.text("AuthorizationType");
    parameters = other_type ? *changes : merged(parameters, *changes);
  }
  if (r.input().has("AuthorizationType")) connection.settings.set("AuthorizationType", r.text("AuthorizationType"));
  COFFER_CHECK_OK(check_parameters(r, std::string(connection.settings.text("AuthorizationType")), parameters));
  connection.settings.set("AuthParameters", shown_parameters(parameters));
  for (const char* member : {"Description", "KmsKeyIdentifier"}) {
    if (r.input().has(member)) connection.settings.set(member, r.text(member));
  }
  connection.state = kAuthorized;
  connection.modified = connection.authorized = r.now();
  COFFER_CHECK_OK(seal_parameters(r.setting, connection, parameters));
  COFFER_CHECK_OK(rows::put_endpoint(r.t(), connection));
  return summary_of(connection);
}

Result<Value> describe_connection(const Request& r) {
  COFFER_TRY(const rows::Endpoint connection, existing_connection(r, r.text("Name")));
  Value out = summary_of(connection);
  out.set("Name", connection.name);
  for (const auto& [member, value] : connection.settings.entries()) out.set(member, value);
  return out;
}

Result<Value> list_connections(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(auto all, rows::list_endpoints(r.t(), kConnection, r.account(), r.region(), r.input().text("NamePrefix"),
                                            page.after, page.limit + 1));
  Value out = Value::object();
  end_page(
      r, page, all, [](const rows::Endpoint& one) { return one.name; }, out);
  api::List list;
  for (const rows::Endpoint& connection : all) {
    if (r.input().has("ConnectionState") && r.text("ConnectionState") != connection.state) continue;
    Value one = summary_of(connection);
    one.set("Name", connection.name);
    one.set("AuthorizationType", connection.settings.text("AuthorizationType"));
    list.push_back(std::move(one));
  }
  out.set("Connections", std::move(list));
  return out;
}

Result<Value> deauthorize_connection(const Request& r) {
  COFFER_TRY(rows::Endpoint connection, existing_connection(r, r.text("Name")));
  connection.state = kDeauthorized;
  connection.modified = r.now();
  COFFER_CHECK_OK(seal_parameters(r.setting, connection, Value::object()));
  COFFER_CHECK_OK(rows::put_endpoint(r.t(), connection));
  return summary_of(connection);
}

Result<Value> delete_connection(const Request& r) {
  COFFER_TRY(rows::Endpoint connection, existing_connection(r, r.text("Name")));
  COFFER_CHECK_OK(rows::remove_endpoint(r.t(), connection));
  connection.state = "DELETING";
  return summary_of(connection);
}

Result<Value> create_api_destination(const Request& r) {
  rows::Endpoint destination;
  destination.kind = kDestination;
  destination.account = r.account();
  destination.region = r.region();
  destination.name = r.text("Name");
  COFFER_TRY(const auto there, rows::find_endpoint(r.t(), kDestination, r.account(), r.region(), destination.name));
  if (there) return exists_already("An api-destination", destination.name);
  destination.id = random_uuid(r.setting.entropy);
  destination.settings = Value::object({{"InvocationRateLimitPerSecond", 300}});
  destination.state = "ACTIVE";
  destination.created = r.now();
  return store_destination(r, std::move(destination));
}

Result<Value> update_api_destination(const Request& r) {
  COFFER_TRY(rows::Endpoint destination, existing_destination(r, r.text("Name")));
  return store_destination(r, std::move(destination));
}

Result<Value> describe_api_destination(const Request& r) {
  COFFER_TRY(const rows::Endpoint destination, existing_destination(r, r.text("Name")));
  return described_destination(destination);
}

Result<Value> list_api_destinations(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(auto all, rows::list_endpoints(r.t(), kDestination, r.account(), r.region(), r.input().text("NamePrefix"),
                                            page.after, page.limit + 1));
  Value out = Value::object();
  end_page(
      r, page, all, [](const rows::Endpoint& one) { return one.name; }, out);
  api::List list;
  for (const rows::Endpoint& destination : all) {
    if (r.input().has("ConnectionArn") && r.text("ConnectionArn") != destination.settings.text("ConnectionArn"))
      continue;
    Value one = described_destination(destination);
    one.set("Description", Value());
    list.push_back(std::move(one));
  }
  out.set("ApiDestinations", std::move(list));
  return out;
}

Result<Value> delete_api_destination(const Request& r) {
  COFFER_TRY(const rows::Endpoint destination, existing_destination(r, r.text("Name")));
  COFFER_CHECK_OK(rows::remove_endpoint(r.t(), destination));
  return Value::object();
}

}  // namespace coffer::events
