// The four AWS protocols: between a Request and an operation's input Value, between an output Value or an Error and a
// Response. Each is driven by the model tables; nothing is written for a single shape.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "edge/wire/http.h"
#include "edge/wire/model.h"
#include "services/api/value.h"

namespace coffer::wire {

/// An operation as found from a request, with the labels of its path.
struct Route {
  const ServiceModel* service = nullptr;
  const OperationModel* operation = nullptr;
  std::vector<std::pair<std::string, std::string>> labels;  // member name, decoded value
};

/// By target header, Action parameter, or method and path within `service`. Error names: "UnknownOperationException"
/// (json, rest-json), "InvalidAction", "MissingAction" (query), "MethodNotAllowed" (rest-xml).
Result<Route> find_route(const ServiceModel& service, const Request& request);
/// The service of a request without a credential scope: by target header, Host, Action's Version, path. Null: S3 or
/// unknown.
const ServiceModel* guess_service(const Request& request);

/// The input, decoded but not validated. Unknown members are ignored. Error names "SerializationException" (json),
/// "MalformedInput", "MalformedXML" (rest-xml), "MalformedQueryString". Depth is limited to 64. A streaming payload is
/// left in request.stream.
Result<api::Value> decode_input(const Route& route, const Request& request);

/// Required members, ranges, lengths, patterns, enums. The Error is named "ValidationException" / "ValidationError" /
/// "InvalidParameterValue" by protocol and service, with AWS's text ("1 validation error detected: Value null at
/// 'keyId' failed to satisfy constraint: Member must not be null").
Status validate(const ServiceModel& service, const OperationModel& operation, const api::Value& input);

/// The answer; `request_id` stands where the protocol wants it.
Response encode_output(const Route& route, const api::Value& output, std::string_view request_id);
/// The answer for a failure. `service` may be null (nobody knows for whom the request was): then rest-xml is spoken.
/// kInternal and kCorruption never show their message.
Response encode_error(const ServiceModel* service, const OperationModel* operation, const Error& error,
                      std::string_view request_id);

}  // namespace coffer::wire
