#include <algorithm>

#include "edge/wire/codec.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

Error unreadable(const ServiceModel& service, std::string_view where, std::string_view name) {
  const bool xml = service.protocol == ProtocolKind::kRestXml;
  return api::fault(ErrorCode::kInvalidArgument, xml ? "InvalidArgument" : "SerializationException",
                    "The value of the " + std::string(where) + " " + std::string(name) + " cannot be read.");
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool begins_without_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) { return lower(a) == lower(b); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

const Member* payload_of(const Shape& shape) {
  return shape.payload.empty() ? nullptr : &member_of(shape, shape.payload);
}
bool is_streaming(const Member& member) { return member.streaming || member.shape->streaming; }

/// Collects the members that a request has outside its body.
class Bindings {
 public:
  Bindings(const Route& route, const Request& request) : route_(route), request_(request) {}

  Status read(api::Members& into) {
    auto query = parse_query(request_.query(), true);
    if (!query) return unreadable(*route_.service, "request's", "query string");
    query_ = std::move(*query);
    for (const Member& member : route_.operation->input->members) {
      Result<api::Value> one = value(member);
      if (!one.ok()) return std::move(one).error();
      if (!one->is_null()) into.emplace_back(std::string(member.name), std::move(*one));
    }
    return ok_status();
  }

 private:
  Result<api::Value> value(const Member& member) {
    switch (member.location) {
      case Location::kUri: {
        const auto label = std::find_if(route_.labels.begin(), route_.labels.end(),
                                        [&](const auto& one) { return one.first == member.name; });
        return label == route_.labels.end() ? api::Value() : scalar(*member.shape, "path label", member, label->second);
      }
      case Location::kQuery: return from_query(member);
      case Location::kHeader: return from_header(member);
      case Location::kHeaderMap: return from_headers(member);
      default: return api::Value();
    }
  }

  Result<api::Value> scalar(const Shape& shape, std::string_view where, const Member& member, std::string_view text) {
    std::optional<api::Value> found = scalar_of(shape, text);
    if (!found) return unreadable(*route_.service, where, wire_name_of(member));
    return std::move(*found);
  }

  Result<api::Value> from_query(const Member& member) {
    const std::string_view name = wire_name_of(member);
    const Shape& shape = *member.shape;
    api::List items;
    for (const auto& [key, text] : query_) {
      if (key != name) continue;
      COFFER_TRY(api::Value one, scalar(shape.type == ShapeType::kList ? *shape.members[0].shape : shape,
                                        "query parameter", member, text));
      if (shape.type != ShapeType::kList) return one;
      items.push_back(std::move(one));
    }
    return items.empty() ? api::Value() : api::Value(std::move(items));
  }

  Result<api::Value> from_header(const Member& member) {
    const std::string_view name = wire_name_of(member);
    const Shape& shape = *member.shape;
    if (!request_.headers.has(name)) return api::Value();
    if (shape.type != ShapeType::kList) return scalar(shape, "header", member, trimmed(request_.headers.get(name)));
    api::List items;
    for (const auto& [field, text] : request_.headers.fields()) {
      if (field.size() != name.size() || !begins_without_case(field, name)) continue;
      for (std::string_view rest = text;;) {
        const size_t comma = rest.find(',');
        COFFER_TRY(api::Value one, scalar(*shape.members[0].shape, "header", member, trimmed(rest.substr(0, comma))));
        items.push_back(std::move(one));
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
      }
    }
    return api::Value(std::move(items));
  }

  Result<api::Value> from_headers(const Member& member) {
    api::Members found;
    for (const auto& [field, text] : request_.headers.fields()) {
      if (!begins_without_case(field, member.wire_name)) continue;
      std::string key = field.substr(member.wire_name.size());
      std::transform(key.begin(), key.end(), key.begin(), lower);
      COFFER_TRY(api::Value one, scalar(*member.shape->members[1].shape, "header", member, trimmed(text)));
      const auto same = std::find_if(found.begin(), found.end(), [&](const auto& entry) { return entry.first == key; });
      if (same == found.end()) {
        found.emplace_back(std::move(key), std::move(one));
      } else if (auto* before = same->second.get_if<std::string>(); before && one.get_if<std::string>()) {
        before->append(",").append(*one.get_if<std::string>());  // as HTTP joins repeated fields
      }
    }
    return found.empty() ? api::Value() : api::Value(std::move(found));
  }

  const Route& route_;
  const Request& request_;
  std::vector<std::pair<std::string, std::string>> query_;
};

Result<api::Value> decode_document(const Route& route, const Shape& shape, std::string_view body) {
  return route.service->protocol == ProtocolKind::kRestXml ? decode_xml(shape, body) : decode_json(shape, body);
}

// ---- answers

/// A field's value cannot have control characters: they would begin a field of somebody else's choice.
std::string header_text(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return text;
}

void put_header(const Member& member, const api::Value& value, Response& response) {
  const Shape& shape = *member.shape;
  const TimestampFormat format =
      member.timestamp != TimestampFormat::kDefault ? member.timestamp : TimestampFormat::kRfc822;
  if (shape.type == ShapeType::kMap) {
    for (const auto& [key, one] : value.entries()) {
      response.headers.set(std::string(member.wire_name) + header_text(key),
                           header_text(text_of(*shape.members[1].shape, one, format)));
    }
    return;
  }
  std::string text;
  if (shape.type == ShapeType::kList) {
    for (const api::Value& one : value.items())
      text.append(text.empty() ? "" : ", ").append(text_of(*shape.members[0].shape, one, format));
  } else {
    text = text_of(shape, value, format);
  }
  response.headers.set(wire_name_of(member), header_text(std::move(text)));
}

/// The models do not say how S3 calls the root elements of its answers; most clients do not look at it.
constexpr std::pair<std::string_view, std::string_view> kRoots[] = {
    {"CompleteMultipartUpload", "CompleteMultipartUploadResult"},
    {"CreateMultipartUpload", "InitiateMultipartUploadResult"},
    {"DeleteObjects", "DeleteResult"},
    {"GetBucketAcl", "AccessControlPolicy"},
    {"GetBucketCors", "CORSConfiguration"},
    {"GetBucketLifecycleConfiguration", "LifecycleConfiguration"},
    {"GetBucketLogging", "BucketLoggingStatus"},
    {"GetBucketNotificationConfiguration", "NotificationConfiguration"},
    {"GetBucketRequestPayment", "RequestPaymentConfiguration"},
    {"GetBucketTagging", "Tagging"},
    {"GetBucketVersioning", "VersioningConfiguration"},
    {"GetBucketWebsite", "WebsiteConfiguration"},
    {"GetObjectAcl", "AccessControlPolicy"},
    {"GetObjectAttributes", "GetObjectAttributesResponse"},
    {"GetObjectTagging", "Tagging"},
    {"ListBuckets", "ListAllMyBucketsResult"},
    {"ListMultipartUploads", "ListMultipartUploadsResult"},
    {"ListObjectVersions", "ListVersionsResult"},
    {"ListObjects", "ListBucketResult"},
    {"ListObjectsV2", "ListBucketResult"},
    {"ListParts", "ListPartsResult"},
};

std::string_view root_of(const OperationModel& operation, const Shape& shape, const Member* payload) {
  if (payload && !payload->wire_name.empty()) return payload->wire_name;
  if (!shape.wire_name.empty()) return shape.wire_name;
  const auto* known = std::find_if(std::begin(kRoots), std::end(kRoots),
                                   [&](const auto& root) { return root.first == operation.name; });
  if (!payload && known != std::end(kRoots)) return known->second;
  return shape.name;
}

void put_document(const OperationModel& operation, const ServiceModel& service, const Shape& shape,
                  const Member* payload, const api::Value& value, Response& response) {
  std::string& body = response.body;
  if (service.protocol == ProtocolKind::kRestJson) {
    response.headers.set("Content-Type", "application/json");
    encode_json_body(shape, value, body);
    return;
  }
  response.headers.set("Content-Type", "application/xml");
  const std::string_view root = root_of(operation, shape, payload);
  const std::string_view space = payload && !payload->xml_namespace.empty() ? payload->xml_namespace
                                 : !service.xml_namespace.empty()
                                     ? service.xml_namespace
                                     : std::string_view("http://s3.amazonaws.com/doc/2006-03-01/");
  body.append("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<").append(root);
  body.append(" xmlns=\"").append(space).append("\">");
  encode_xml_members(shape, value, {.policy_documents_escaped = false, .millis = true}, body);
  body.append("</").append(root).append(">");
}

void put_payload(const OperationModel& operation, const ServiceModel& service, const Member& payload,
                 const api::Value* value, Response& response) {
  if (!value) return;
  if (payload.shape->type == ShapeType::kStructure) {
    check_type(*payload.shape, *value);
    put_document(operation, service, *payload.shape, &payload, *value, response);
    return;
  }
  check_type(*payload.shape, *value);
  if (!response.headers.has("content-type"))
    response.headers.set("Content-Type",
                         payload.shape->type == ShapeType::kBlob ? "application/octet-stream" : "text/plain");
  if (const auto* bytes = value->get_if<Bytes>()) response.body = to_text(*bytes);
  if (const auto* text = value->get_if<std::string>()) response.body = *text;
}

}  // namespace

Result<api::Value> decode_rest(const Route& route, const Request& request) {
  const Shape& shape = *route.operation->input;
  api::Members members;
  if (const Member* payload = payload_of(shape)) {
    const std::string& body = request.body;
    if (is_streaming(*payload) || (body.empty() && payload->shape->type != ShapeType::kString)) {
      // The service reads a stream itself; nothing sent is nothing there.
    } else if (payload->shape->type == ShapeType::kStructure) {
      COFFER_TRY(api::Value document, decode_document(route, *payload->shape, body));
      members.emplace_back(std::string(payload->name), std::move(document));
    } else if (payload->shape->type == ShapeType::kBlob) {
      members.emplace_back(std::string(payload->name), to_bytes(body));
    } else if (!body.empty()) {
      std::optional<api::Value> text = scalar_of(*payload->shape, body);
      if (!text) return unreadable(*route.service, "request's", "body");
      members.emplace_back(std::string(payload->name), std::move(*text));
    }
  } else if (!request.body.empty() && std::any_of(shape.members.begin(), shape.members.end(), [](const Member& member) {
               return member.location == Location::kBody;
             })) {
    COFFER_TRY(api::Value document, decode_document(route, shape, request.body));
    if (api::Members* read = document.get_if<api::Members>()) members = std::move(*read);
  }
  COFFER_CHECK_OK(Bindings(route, request).read(members));
  return api::Value(std::move(members));
}

void encode_rest(const OperationModel& operation, const ServiceModel& service, const api::Value& output,
                 Response& response) {
  if (!operation.output) return;
  const Shape& shape = *operation.output;
  bool has_body_members = false;
  for (const Member& member : shape.members) {
    has_body_members = has_body_members || member.location == Location::kBody;
    const api::Value* value = output.find(member.name);
    if (!value) continue;
    if (member.location == Location::kHeader || member.location == Location::kHeaderMap)
      put_header(member, *value, response);
    if (member.location == Location::kStatus)
      response.status = static_cast<int>(output.integer(member.name).value_or(200));
  }
  if (const Member* payload = payload_of(shape)) {
    put_payload(operation, service, *payload, output.find(payload->name), response);
  } else if (has_body_members || service.protocol == ProtocolKind::kRestJson) {
    if (response.status != 204) put_document(operation, service, shape, nullptr, output, response);
  }
}

}  // namespace coffer::wire
