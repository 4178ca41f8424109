#include "edge/wire/protocol.h"

#include <algorithm>

#include "edge/wire/codec.h"
#include "edge/wire/error_names.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kTarget = "x-amz-target";

/// Parameters of a query request: of the query string, and of the form in its body.
Result<Parameters> parameters_of(const Request& request) {
  Parameters parameters;
  const auto take = [&](std::string_view text) {
    auto pairs = parse_query(text, true);
    if (!pairs) return false;
    for (auto& [name, value] : *pairs) parameters.insert_or_assign(std::move(name), std::move(value));
    return true;
  };
  if (!take(request.query()) || !take(request.body))
    return api::fault(ErrorCode::kInvalidArgument, "MalformedQueryString", "The query string has a broken escape.");
  return parameters;
}

Result<Route> route_by_target(const ServiceModel& service, const Request& request) {
  const std::string_view target = request.headers.get(kTarget);
  const size_t dot = target.rfind('.');
  if (request.method != "POST" || dot == std::string_view::npos || target.substr(0, dot) != service.target_prefix)
    return api::fault(ErrorCode::kInvalidArgument, "UnknownOperationException",
                      "The target of the request is not known.");
  const OperationModel* operation = find_operation(service, target.substr(dot + 1));
  if (!operation)
    return api::fault(ErrorCode::kInvalidArgument, "UnknownOperationException", "The operation is not known.");
  return Route{&service, operation, {}};
}

Result<Route> route_by_action(const ServiceModel& service, const Request& request) {
  COFFER_TRY(Parameters parameters, parameters_of(request));
  const auto action = parameters.find("Action");
  if (action == parameters.end())
    return api::fault(ErrorCode::kInvalidArgument, "MissingAction", "The request must contain the parameter Action.");
  const OperationModel* operation = find_operation(service, action->second);
  const auto version = parameters.find("Version");
  const bool same_version = version == parameters.end() || version->second == service.api_version;
  if (!operation || !same_version) {
    return api::fault(ErrorCode::kInvalidArgument, "InvalidAction",
                      "Could not find operation " + action->second + " for version " +
                          (version == parameters.end() ? "NO_VERSION_SPECIFIED" : version->second));
  }
  return Route{&service, operation, {}};
}

}  // namespace

Result<Route> find_route(const ServiceModel& service, const Request& request) {
  switch (service.protocol) {
    case ProtocolKind::kJson: return route_by_target(service, request);
    case ProtocolKind::kQuery: return route_by_action(service, request);
    default:
      return api::fault(ErrorCode::kInvalidArgument, "UnknownOperationException",
                        "This installation does not have the service yet.");
  }
}

const ServiceModel* guess_service(const Request& request) {
  const std::string_view target = request.headers.get(kTarget);
  if (const size_t dot = target.rfind('.'); dot != std::string_view::npos) {
    for (const ServiceModel& service : service_models()) {
      if (!service.target_prefix.empty() && service.target_prefix == target.substr(0, dot)) return &service;
    }
    return nullptr;
  }
  Result<Parameters> parameters = parameters_of(request);
  if (!parameters.ok()) return nullptr;
  const auto version = parameters->find("Version");
  const auto action = parameters->find("Action");
  if (version == parameters->end() || action == parameters->end()) return nullptr;
  for (const ServiceModel& service : service_models()) {
    if (service.protocol == ProtocolKind::kQuery && service.api_version == version->second) return &service;
  }
  return nullptr;
}

Result<api::Value> decode_input(const Route& route, const Request& request) {
  const Shape* shape = route.operation->input;
  if (!shape) return api::Value::object();
  if (route.service->protocol == ProtocolKind::kJson) return decode_json(*shape, request.body);
  COFFER_TRY(Parameters parameters, parameters_of(request));
  return decode_query(*shape, parameters);
}

Response encode_output(const Route& route, const api::Value& output, std::string_view request_id) {
  const OperationModel& operation = *route.operation;
  Response response;
  response.status = operation.success_status;
  response.headers.set("x-amzn-RequestId", std::string(request_id));
  if (route.service->protocol == ProtocolKind::kJson) {
    response.headers.set("Content-Type", "application/x-amz-json-" + std::string(route.service->json_version));
    if (operation.output)
      encode_json(*operation.output, output.is_null() ? api::Value::object() : output, response.body);
    return response;
  }
  response.headers.set("Content-Type", "text/xml");
  std::string& body = response.body;
  body.append("<")
      .append(operation.name)
      .append("Response xmlns=\"")
      .append(route.service->xml_namespace)
      .append("\">");
  if (operation.output) {
    const std::string wrapper(operation.result_wrapper);
    if (!wrapper.empty()) body += "<" + wrapper + ">";
    encode_xml_members(*operation.output, output, route.service->id == "iam", body);
    if (!wrapper.empty()) body += "</" + wrapper + ">";
  }
  body.append("<ResponseMetadata><RequestId>").append(request_id).append("</RequestId></ResponseMetadata></");
  body.append(operation.name).append("Response>");
  return response;
}

Response encode_error(const ServiceModel* service, const OperationModel* operation, const Error& error,
                      std::string_view request_id) {
  const WireError shown = wire_error(service, operation, error);
  Response response;
  response.status = shown.status;
  response.headers.set("x-amzn-RequestId", std::string(request_id));
  std::string& body = response.body;
  if (service && service->protocol == ProtocolKind::kJson) {
    response.headers.set("Content-Type", "application/x-amz-json-" + std::string(service->json_version));
    response.headers.set("x-amzn-ErrorType", shown.code);
    body += "{\"__type\":";
    append_json_string(shown.code, body);
    body += ",\"message\":";
    append_json_string(shown.message, body);
    if (const std::string_view reason = api::reason_of(error); !reason.empty() && !shown.hidden) {
      body += ",\"Reason\":";
      append_json_string(reason, body);
    }
    body += "}";
    return response;
  }
  response.headers.set("Content-Type", "text/xml");
  const bool ours = shown.status >= 500;
  body.append("<ErrorResponse");
  if (service) body.append(" xmlns=\"").append(service->xml_namespace).append("\"");
  body.append("><Error><Type>").append(ours ? "Receiver" : "Sender").append("</Type><Code>");
  append_xml_text(shown.code, body);
  body.append("</Code><Message>");
  append_xml_text(shown.message, body);
  body.append("</Message></Error><RequestId>").append(request_id).append("</RequestId></ErrorResponse>");
  return response;
}

}  // namespace coffer::wire
