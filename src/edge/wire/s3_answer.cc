#include "edge/wire/s3_answer.h"

#include <algorithm>

#include "base/base64.h"
#include "edge/wire/codec.h"
#include "edge/wire/error_names.h"
#include "edge/wire/protocol_ids.h"
#include "edge/wire/sigv4_canonical.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kMetadataPrefix = "x-amz-meta-";
constexpr std::string_view kXmlHead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// The user's metadata may be any UTF-8; a header field may not. S3 uses the encoding of mail headers (RFC 2047).
void encode_metadata(Headers& headers) {
  const bool all_ascii = std::all_of(headers.fields().begin(), headers.fields().end(),
                                     [](const auto& field) { return is_ascii(field.second); });
  if (all_ascii) return;
  Headers encoded;
  for (const auto& [name, value] : headers.fields()) {
    const bool is_metadata = lower_case(name).starts_with(kMetadataPrefix);
    encoded.add(name, is_metadata && !is_ascii(value) ? "=?UTF-8?B?" + base64_encode(as_bytes(value)) + "?=" : value);
  }
  headers = std::move(encoded);
}

/// Its root is the text itself, and empty for us-east-1.
std::string location_document(const api::Value& output) {
  std::string body(kXmlHead);
  body += "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  const std::string_view region = output.text("LocationConstraint");
  if (region != "us-east-1") append_xml_text(region, body);
  return body + "</LocationConstraint>";
}

bool has_field(const std::vector<std::pair<std::string, std::string>>& fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(), [&](const auto& field) { return field.first == name; });
}

void append_element(std::string_view name, std::string_view text, std::string& body) {
  body.append("<").append(name).append(">");
  append_xml_text(text, body);
  body.append("</").append(name).append(">");
}

}  // namespace

Response encode_s3_output(Progress& at, const api::Value& output) {
  const std::string_view operation = at.route.operation->name;
  Response response = encode_output(at.route, output, at.call.request_id);
  if (operation == "GetBucketLocation") {
    response.body = location_document(output);
  } else if (operation == "GetBucketPolicy") {
    response.headers.set("Content-Type", "application/json");
  } else if (operation == "GetObject" || operation == "HeadObject") {
    if (output.text("ContentType").empty()) response.headers.set("Content-Type", "binary/octet-stream");
    if (output.has("ContentRange")) response.status = 206;
  } else if (operation == "PutBucketPolicy") {
    response.status = 204;
  }
  if (at.reply.body) {
    response.stream_size = at.reply.body_size;
    response.stream = std::move(at.reply.body);
  }
  encode_metadata(response.headers);
  return response;
}

Response encode_s3_error(const Progress& at, const Error& error) {
  const WireError shown = wire_error(at.service, at.route.operation, error);
  Response response;
  response.status = shown.status;
  set_request_id(at.service, at.call.request_id, response);
  for (const auto& [name, value] : at.reply.error_headers) response.headers.set(name, value);
  if (shown.status == 304) return response;
  response.headers.set("Content-Type", "application/xml");
  std::string& body = response.body;
  body = kXmlHead;
  body += "<Error>";
  append_element("Code", shown.code, body);
  append_element("Message", shown.message, body);
  const auto& more = at.reply.error_elements;
  if (!shown.hidden) {
    if (shown.code == "NoSuchBucket" && !has_field(more, "BucketName")) append_element("BucketName", at.bucket, body);
    if (shown.code == "NoSuchKey" && !has_field(more, "Key")) append_element("Key", at.key, body);
    for (const auto& [name, value] : more) append_element(name, value, body);
  }
  if (!at.resource.empty() && !has_field(more, "Resource")) append_element("Resource", at.resource, body);
  append_element("RequestId", s3_request_id(at.call.request_id), body);
  append_element("HostId", at.call.request_id, body);
  body += "</Error>";
  return response;
}

}  // namespace coffer::wire
