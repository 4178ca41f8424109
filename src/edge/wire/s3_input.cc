#include "edge/wire/s3_input.h"

#include <algorithm>

#include "edge/wire/codec.h"
#include "edge/wire/sigv4_canonical.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

Error malformed_xml() {
  return api::fault(ErrorCode::kInvalidArgument, "MalformedXML",
                    "The XML you provided was not well-formed or did not validate against our published schema");
}

bool is_known(const Shape& shape, const api::Value& value) {
  const auto* text = value.get_if<std::string>();
  if (!text || shape.values.empty() || shape.name == "BucketLocationConstraint") return true;
  return std::find(shape.values.begin(), shape.values.end(), *text) != shape.values.end();
}

/// Of a document and everything in it.
Status check_in_document(const Shape& shape, const api::Value& value) {
  switch (shape.type) {
    case ShapeType::kStructure:
      for (const Member& member : shape.members) {
        const api::Value* found = value.find(member.name);
        if (!found && member.required) return malformed_xml();
        if (found) COFFER_CHECK_OK(check_in_document(*member.shape, *found));
      }
      return ok_status();
    case ShapeType::kList:
      for (const api::Value& item : value.items()) COFFER_CHECK_OK(check_in_document(*shape.members[0].shape, item));
      return ok_status();
    default: break;
  }
  if (is_known(shape, value)) return ok_status();
  if (shape.name == "Event")
    return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument", "The event is not supported for notifications");
  return malformed_xml();
}

std::string message_for(const Member& member) {
  const std::string_view shape = member.shape->name;
  if (shape == "ServerSideEncryption") return "The encryption method specified is not supported";
  if (shape == "EncodingType") return "Invalid Encoding Method specified in Request";
  if (shape == "ObjectLockMode") return "Unknown wormMode directive.";
  if (shape == "ObjectLockLegalHoldStatus") return "Legal hold must be either of 'ON' or 'OFF'";
  if (shape == "MetadataDirective") return "Unknown metadata directive.";
  if (shape == "TaggingDirective") return "Unknown tagging directive.";
  if (shape == "ChecksumAlgorithm" || shape == "ChecksumType")
    return "Value for " + std::string(wire_name_of(member)) + " header is invalid.";
  return "The value of " + std::string(wire_name_of(member)) + " is not one that is known.";
}

Error unknown_value(const Member& member, const api::Value& value, ErrorElements& elements) {
  if (member.shape->name == "StorageClass")
    return api::fault(ErrorCode::kInvalidArgument, "InvalidStorageClass",
                      "The storage class you specified is not valid");
  const bool is_checksum = member.shape->name == "ChecksumAlgorithm" || member.shape->name == "ChecksumType";
  elements.emplace_back("ArgumentName", std::string(wire_name_of(member)));
  if (const auto* text = value.get_if<std::string>()) elements.emplace_back("ArgumentValue", *text);
  return api::fault(ErrorCode::kInvalidArgument, is_checksum ? "InvalidRequest" : "InvalidArgument",
                    message_for(member));
}

bool is_signing_parameter(std::string_view lower) {
  static constexpr std::string_view kNames[] = {"x-amz-algorithm", "x-amz-credential",    "x-amz-date",
                                                "x-amz-expires",   "x-amz-signedheaders", "x-amz-security-token",
                                                "x-amz-signature"};
  return std::find(std::begin(kNames), std::end(kNames), lower) != std::end(kNames);
}

}  // namespace

Status validate_s3(const OperationModel& operation, const api::Value& input, ErrorElements& elements) {
  if (!operation.input) return ok_status();
  for (const Member& member : operation.input->members) {
    if (member.streaming || member.shape->streaming) continue;  // who reads the stream learns whether it is there
    const api::Value* found = input.find(member.name);
    const bool is_document = member.location == Location::kBody;
    if (!found && !member.required) continue;
    if (!found && is_document)
      return api::fault(ErrorCode::kInvalidArgument, "MissingRequestBodyError", "Request Body is empty");
    if (!found) {
      const std::string_view where = member.location == Location::kHeader ? "header" : "parameter";
      return api::fault(
          ErrorCode::kInvalidArgument, "InvalidArgument",
          "Missing required " + std::string(where) + " for this request: " + std::string(wire_name_of(member)));
    }
    if (is_document) {
      COFFER_CHECK_OK(check_in_document(*member.shape, *found));
    } else if (member.shape->type == ShapeType::kList) {
      for (const api::Value& item : found->items()) {
        if (!is_known(*member.shape->members[0].shape, item)) return unknown_value(member, item, elements);
      }
    } else if (!is_known(*member.shape, *found)) {
      return unknown_value(member, *found, elements);
    }
  }
  return ok_status();
}

void take_headers_from_query(Request& request) {
  const auto query = parse_query(request.query(), false);
  if (!query) return;
  for (const auto& [name, value] : *query) {
    std::string lower = lower_case(name);
    if (!lower.starts_with("x-amz-") || is_signing_parameter(lower) || request.headers.has(lower)) continue;
    request.headers.add(std::move(lower), value);
  }
}

}  // namespace coffer::wire
