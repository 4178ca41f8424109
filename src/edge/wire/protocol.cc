#include "edge/wire/protocol.h"

#include "edge/wire/codec.h"
#include "edge/wire/protocol_ids.h"

namespace coffer::wire {
namespace {

void encode_query(const Route& route, const api::Value& output, std::string_view request_id, std::string& body) {
  const OperationModel& operation = *route.operation;
  const std::string response = std::string(operation.name) + "Response";
  body.append("<").append(response).append(" xmlns=\"").append(route.service->xml_namespace).append("\">");
  if (operation.output) {
    const std::string_view wrapper = operation.result_wrapper;
    const XmlStyle style{.policy_documents_escaped = route.service->id == "iam", .millis = route.service->id == "rds"};
    if (!wrapper.empty()) body.append("<").append(wrapper).append(">");
    encode_xml_members(*operation.output, output, style, body);
    if (!wrapper.empty()) body.append("</").append(wrapper).append(">");
  }
  body.append("<ResponseMetadata><RequestId>").append(request_id).append("</RequestId></ResponseMetadata>");
  body.append("</").append(response).append(">");
}

}  // namespace

Result<api::Value> decode_input(const Route& route, const Request& request) {
  const Shape* shape = route.operation->input;
  if (!shape) return api::Value::object();
  switch (route.service->protocol) {
    case ProtocolKind::kJson: return decode_json(*shape, request.body);
    case ProtocolKind::kQuery: {
      COFFER_TRY(const Parameters parameters, parameters_of(request));
      return decode_query(*shape, parameters);
    }
    default: return decode_rest(route, request);
  }
}

Response encode_output(const Route& route, const api::Value& output, std::string_view request_id) {
  const OperationModel& operation = *route.operation;
  Response response;
  response.status = operation.success_status;
  set_request_id(route.service, request_id, response);
  switch (route.service->protocol) {
    case ProtocolKind::kJson:
      response.headers.set("Content-Type", json_content_type(*route.service));
      if (operation.output) encode_json_body(*operation.output, output, response.body);
      break;
    case ProtocolKind::kQuery:
      response.headers.set("Content-Type", "text/xml");
      encode_query(route, output, request_id, response.body);
      break;
    default: encode_rest(operation, *route.service, output, response);
  }
  return response;
}

}  // namespace coffer::wire
