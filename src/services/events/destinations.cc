// Sending to an API destination: a request over the network, with what its connection adds.
#include "base/base64.h"
#include "services/events/connections.h"
#include "services/events/delivery.h"
#include "services/events/input.h"
#include "services/policy/text.h"

namespace coffer::events {
namespace {

using api::Value;

constexpr int64_t kRateDefault = 300;

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (policy::is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += "%" + to_hex(as_bytes(std::string_view(&c, 1)));
    }
  }
  return out;
}

/// A parameter of a target: a constant, or a path into the event.
std::string resolved(std::string_view text, const Json& event) {
  if (!text.starts_with("$.")) return std::string(text);
  const Json* value = find_path(event, text);
  if (!value) return "";
  return value->is_string() ? value->text : write_json(*value);
}

/// No line break, no other control character: it would be another header.
bool is_header_text(std::string_view text) {
  for (char c : text) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F) return false;
  }
  return true;
}

class RequestBuilder {
 public:
  RequestBuilder(const Parcel& parcel, const rows::Endpoint& destination) : parcel_(parcel) {
    request_.method = destination.settings.text("HttpMethod");
    request_.url = destination.settings.text("InvocationEndpoint");
    request_.body = parcel.body;
    set_header("User-Agent", "Amazon/EventBridge/ApiDestinations");
    set_header("Content-Type", "application/json; charset=utf-8");
  }

  void set_header(const std::string& name, std::string value) {
    for (auto& [known, text] : request_.headers) {
      if (policy::equal_without_case(known, name)) {
        text = std::move(value);
        return;
      }
    }
    request_.headers.emplace_back(name, std::move(value));
  }
  void add_query(std::string_view name, std::string_view value) {
    request_.url += request_.url.find('?') == std::string::npos ? '?' : '&';
    request_.url += percent_encoded(name) + "=" + percent_encoded(value);
  }

  void add_target_parameters(const Value& parameters) {
    for (const std::string& value : parameters.texts("PathParameterValues")) {
      const size_t star = request_.url.find('*');
      if (star == std::string::npos) break;
      request_.url.replace(star, 1, percent_encoded(resolved(value, parcel_.event)));
    }
    for (const auto& [name, value] : parameters.text_map("HeaderParameters"))
      set_header(name, resolved(value, parcel_.event));
    for (const auto& [name, value] : parameters.text_map("QueryStringParameters"))
      add_query(name, resolved(value, parcel_.event));
  }

  /// The connection's own parameters come last: a target cannot replace them.
  void add_connection_parameters(const Value& parameters) {
    for (const Value& one : parameters.list("HeaderParameters"))
      set_header(std::string(one.text("Key")), std::string(one.text("Value")));
    for (const Value& one : parameters.list("QueryStringParameters")) add_query(one.text("Key"), one.text("Value"));
    const api::List& in_body = parameters.list("BodyParameters");
    if (in_body.empty()) return;
    auto body = parse_json(request_.body);
    if (!body.ok() || !body->is_object()) return;
    for (const Value& one : in_body) body->set(one.text("Key"), Json::string(one.text("Value")));
    request_.body = write_json(*body);
  }

  Result<Web::Request> finished() {
    for (const auto& [name, value] : request_.headers) {
      if (name.empty() || name.find_first_of(" :\t\r\n") != std::string::npos || !is_header_text(value))
        return Error{ErrorCode::kInvalidArgument, "the header " + name + " has characters that no header may have", {}};
    }
    if (request_.method == "GET" || request_.method == "HEAD") request_.body.clear();
    return std::move(request_);
  }

 private:
  const Parcel& parcel_;
  Web::Request request_;
};

Outcome refused_by(const Web::Answer& answer) {
  const std::string message = "the endpoint answered with HTTP status " + std::to_string(answer.status);
  const int status = answer.status;
  if (status == 401 || status == 407 || status == 409 || status == 429 || status >= 500) {
    Outcome later{Outcome::Kind::kLater, status == 429 ? "THROTTLING" : "SDK_CLIENT_ERROR", message};
    if (policy::all_digits(answer.retry_after) && answer.retry_after.size() < 6)
      later.not_before = std::chrono::seconds(std::stoi(answer.retry_after));
    return later;
  }
  return {Outcome::Kind::kFailed, status == 403 ? "NO_PERMISSIONS" : "SDK_CLIENT_ERROR", message};
}

/// A token for client credentials, asked for with every delivery: the authorization server decides how long it lives,
/// and nothing of it is kept.
Result<std::string> oauth_token(const Setting& s, const Context& context, const Value& oauth) {
  const Value* client = oauth.find("ClientParameters");
  Web::Request request;
  request.method = oauth.text("HttpMethod");
  request.url = oauth.text("AuthorizationEndpoint");
  std::string form = "grant_type=client_credentials";
  if (client)
    form += "&client_id=" + percent_encoded(client->text("ClientID")) +
            "&client_secret=" + percent_encoded(client->text("ClientSecret"));
  if (const Value* more = oauth.find("OAuthHttpParameters")) {
    for (const Value& one : more->list("BodyParameters"))
      form += "&" + percent_encoded(one.text("Key")) + "=" + percent_encoded(one.text("Value"));
    for (const Value& one : more->list("HeaderParameters"))
      request.headers.emplace_back(one.text("Key"), one.text("Value"));
    for (const Value& one : more->list("QueryStringParameters"))
      request.url += (request.url.find('?') == std::string::npos ? "?" : "&") + percent_encoded(one.text("Key")) + "=" +
                     percent_encoded(one.text("Value"));
  }
  if (request.method == "GET") {
    request.url += (request.url.find('?') == std::string::npos ? "?" : "&") + form;
  } else {
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.body = std::move(form);
  }
  COFFER_TRY(const Web::Answer answer, s.web.send(context, request));
  const auto json = parse_json(answer.body);
  const std::string token(json.ok() ? json->text_of("access_token") : std::string_view());
  if (answer.status / 100 == 2 && !token.empty()) return token;
  return Error{ErrorCode::kUnavailable,
               "the authorization endpoint gave no token, HTTP status " + std::to_string(answer.status),
               {}};
}

Status authorize(const Setting& s, const Parcel& parcel, RequestBuilder& builder, const Value& parameters) {
  if (const Value* basic = parameters.find("BasicAuthParameters")) {
    const std::string both = std::string(basic->text("Username")) + ":" + std::string(basic->text("Password"));
    builder.set_header("Authorization", "Basic " + base64_encode(as_bytes(std::string_view(both))));
  }
  if (const Value* key = parameters.find("ApiKeyAuthParameters"))
    builder.set_header(std::string(key->text("ApiKeyName")), std::string(key->text("ApiKeyValue")));
  if (const Value* oauth = parameters.find("OAuthParameters")) {
    COFFER_TRY(const std::string token, oauth_token(s, parcel.context, *oauth));
    builder.set_header("Authorization", "Bearer " + token);
  }
  return ok_status();
}

/// The request, and how often the destination may be called in a second.
struct Prepared {
  Web::Request request;
  std::string destination;
  int64_t per_second = 0;
};

Result<Prepared> prepare(const Setting& s, const Parcel& parcel) {
  rows::Endpoint destination, connection;
  {
    COFFER_TRY(const RoleCall call, call_for(s, parcel, "events", "InvokeApiDestination", parcel.kind.arn.region));
    COFFER_TRY(auto t, s.database.begin(parcel.context, catalog::Database::Mode::kRead));
    COFFER_TRY(auto found, rows::find_endpoint(*t, kDestination, parcel.kind.arn.account, parcel.kind.arn.region,
                                               parcel.kind.name));
    if (!found || found->id != parcel.kind.id)
      return Error{ErrorCode::kNotFound, "the API destination " + parcel.kind.name + " does not exist", {}};
    destination = std::move(*found);
    if (!call.identity) return Error{ErrorCode::kPermissionDenied, "the target has no role", {}};
    api::AccessRequest access;
    access.action = "events:InvokeApiDestination";
    access.resource = destination.arn();
    access.resource_account = destination.account;
    COFFER_CHECK_OK(s.authority.authorize(*t, call.call, *call.identity, {access}));
    const auto arn = parse_arn(destination.settings.text("ConnectionArn"));
    const std::string resource = arn ? arn->resource : "";
    const size_t first = resource.find('/'), last = resource.rfind('/');
    if (first == std::string::npos || first == last)
      return Error{ErrorCode::kNotFound, "the API destination has no connection", {}};
    COFFER_TRY(found, rows::find_endpoint(*t, kConnection, arn->account, arn->region,
                                          resource.substr(first + 1, last - first - 1)));
    if (!found || found->arn() != destination.settings.text("ConnectionArn"))
      return Error{ErrorCode::kNotFound, "the connection of the API destination does not exist", {}};
    connection = std::move(*found);
  }
  if (connection.state != "AUTHORIZED")
    return Error{ErrorCode::kPermissionDenied, "the connection is " + connection.state, {}};
  COFFER_TRY(const Value parameters, open_parameters(s, connection));
  RequestBuilder builder(parcel, destination);
  if (const Value* http = parcel.target.settings.find("HttpParameters")) builder.add_target_parameters(*http);
  COFFER_CHECK_OK(authorize(s, parcel, builder, parameters));
  if (const Value* http = parameters.find("InvocationHttpParameters")) builder.add_connection_parameters(*http);
  Prepared prepared;
  COFFER_TRY(prepared.request, builder.finished());
  prepared.destination = destination.arn();
  prepared.per_second = destination.settings.integer("InvocationRateLimitPerSecond").value_or(kRateDefault);
  return prepared;
}

}  // namespace

Outcome send_to_destination(const Setting& s, const Parcel& parcel) {
  const auto prepared = prepare(s, parcel);
  if (!prepared.ok()) return outcome_of(prepared.error());
  if (!s.pace.allows(prepared->destination, prepared->per_second, s.clock.mono())) {
    Outcome later{Outcome::Kind::kLater, "THROTTLING", "the rate limit of the API destination is reached"};
    later.counts = false;
    return later;
  }
  const auto answer = s.web.send(parcel.context, prepared->request);
  if (!answer.ok()) return outcome_of(answer.error());
  return answer->status / 100 == 2 ? Outcome{} : refused_by(*answer);
}

}  // namespace coffer::events
