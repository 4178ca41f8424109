// How a failure looks on the wire.
#include <algorithm>

#include "edge/wire/codec.h"
#include "edge/wire/error_names.h"
#include "edge/wire/protocol_ids.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

const Member* find_member(const Shape* shape, std::string_view lower_name) {
  if (!shape) return nullptr;
  for (const Member& member : shape->members) {
    const std::string_view name = member.name;
    const bool same = std::equal(name.begin(), name.end(), lower_name.begin(), lower_name.end(), [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
    });
    if (same) return &member;
  }
  return nullptr;
}

void append_member(std::string_view name, std::string_view text, std::string& body) {
  body += body.empty() ? '{' : ',';
  append_json_string(name, body);
  body += ':';
  append_json_string(text, body);
}

/// The members that the exception has in the model; "message" where the model has no say.
void encode_json_error(const ServiceModel& service, const WireError& shown, std::string_view reason,
                       Response& response) {
  response.headers.set("Content-Type", json_content_type(service));
  response.headers.set("x-amzn-ErrorType", shown.code);
  std::string& body = response.body;
  const bool rest = service.protocol == ProtocolKind::kRestJson;
  if (!rest) append_member("__type", shown.code, body);
  if (rest && find_member(shown.shape, "code")) append_member("Code", shown.code, body);
  const Member* message = find_member(shown.shape, "message");
  append_member(message ? wire_name_of(*message) : "message", shown.message, body);
  if (rest && find_member(shown.shape, "type"))
    append_member("Type",
                  service.id == "lambda" ? (shown.status >= 500 ? "Service" : "User")
                                         : (shown.status >= 500 ? "Receiver" : "Sender"),
                  body);
  if (!reason.empty()) append_member("Reason", reason, body);
  body += '}';
}

void encode_query_error(const ServiceModel& service, const WireError& shown, std::string_view request_id,
                        Response& response) {
  response.headers.set("Content-Type", "text/xml");
  std::string& body = response.body;
  body.append("<ErrorResponse xmlns=\"").append(service.xml_namespace).append("\"><Error><Type>");
  body.append(shown.status >= 500 ? "Receiver" : "Sender").append("</Type><Code>");
  append_xml_text(shown.code, body);
  body.append("</Code><Message>");
  append_xml_text(shown.message, body);
  body.append("</Message></Error><RequestId>").append(request_id).append("</RequestId></ErrorResponse>");
}

void encode_xml_error(const WireError& shown, std::string_view request_id, Response& response) {
  response.headers.set("Content-Type", "application/xml");
  std::string& body = response.body;
  body.append("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>");
  append_xml_text(shown.code, body);
  body.append("</Code><Message>");
  append_xml_text(shown.message, body);
  const std::string id = s3_request_id(request_id);
  body.append("</Message><RequestId>").append(id).append("</RequestId><HostId>").append(request_id);
  body.append("</HostId></Error>");
}

}  // namespace

std::string s3_request_id(std::string_view request_id) {
  std::string id;
  for (char c : request_id) {
    if (id.size() == 16) break;
    if (c != '-') id += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  return id;
}

void set_request_id(const ServiceModel* service, std::string_view request_id, Response& response) {
  if (speaks_rest_xml(service)) {
    response.headers.set("x-amz-request-id", s3_request_id(request_id));
    response.headers.set("x-amz-id-2", std::string(request_id));
  } else {
    response.headers.set("x-amzn-RequestId", std::string(request_id));
  }
}

Response encode_error(const ServiceModel* service, const OperationModel* operation, const Error& error,
                      std::string_view request_id) {
  const WireError shown = wire_error(service, operation, error);
  Response response;
  response.status = shown.status;
  set_request_id(service, request_id, response);
  if (speaks_rest_xml(service)) {
    encode_xml_error(shown, request_id, response);
  } else if (service->protocol == ProtocolKind::kQuery) {
    encode_query_error(*service, shown, request_id, response);
  } else {
    encode_json_error(*service, shown, shown.hidden ? "" : api::reason_of(error), response);
  }
  return response;
}

}  // namespace coffer::wire
