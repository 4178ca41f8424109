// The codecs behind protocol.h, one file a format. Each goes by the shape alone.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "edge/wire/http.h"
#include "edge/wire/model.h"
#include "edge/wire/protocol.h"
#include "services/api/value.h"

namespace coffer::wire {

/// Of JSON and XML documents, and of the structures in a query.
inline constexpr int kDepthMax = 64;

inline std::string_view wire_name_of(const Member& member) {
  return member.wire_name.empty() ? member.name : member.wire_name;
}
/// The member of a structure shape by its model name; asserts that there is one.
const Member& member_of(const Shape& shape, std::string_view name);
/// Asserts that a service's value has the type that its shape wants.
void check_type(const Shape& shape, const api::Value& value);

// ---- codec_text.cc: scalars as text, in query strings, headers and XML

/// Nothing when `text` is no value of the shape. Timestamps are taken in every format that AWS knows.
std::optional<api::Value> scalar_of(const Shape& shape, std::string_view text);
/// The other way. `format` is for timestamps whose shape names none.
std::string text_of(const Shape& shape, const api::Value& value, TimestampFormat format);
/// kDefault is kEpoch. Milliseconds are written where they are not zero (kEpoch, kIso8601), or always.
std::string format_timestamp(WallTime time, TimestampFormat format, bool millis_always = false);
/// Seconds since 1970, within the years 1 to 9999.
std::optional<WallTime> time_of_seconds(double seconds);
std::optional<WallTime> parse_timestamp(std::string_view text);
bool is_utf8(std::string_view text);
/// The text itself when it is UTF-8; else a copy with U+FFFD for each broken byte.
std::string_view valid_utf8(std::string_view text, std::string& copy);

// ---- codec_json.cc

/// A structure from JSON text; empty text is an empty object. "SerializationException".
Result<api::Value> decode_json(const Shape& shape, std::string_view text);
/// Appends a value as JSON.
void encode_json(const Shape& shape, const api::Value& value, TimestampFormat format, std::string& out);
/// The members of a structure that belong in its body, as an object.
void encode_json_body(const Shape& shape, const api::Value& value, std::string& out);
void append_json_string(std::string_view text, std::string& out);

// ---- codec_query.cc

using Parameters = std::map<std::string, std::string>;
/// Of the query string and of the form in the body. "MalformedQueryString".
Result<Parameters> parameters_of(const Request& request);
/// An input structure from query parameters; "MalformedInput" with the parameter's name.
Result<api::Value> decode_query(const Shape& shape, const Parameters& parameters);

// ---- codec_xml.cc

struct XmlStyle {
  bool policy_documents_escaped = false;  // IAM
  bool millis = false;                    // in every timestamp
};
/// A structure from the root element of `text`. "MalformedXML".
Result<api::Value> decode_xml(const Shape& shape, std::string_view text);
/// Appends the body members of a structure as elements.
void encode_xml_members(const Shape& shape, const api::Value& value, const XmlStyle& style, std::string& out);
void append_xml_text(std::string_view text, std::string& out);

// ---- codec_rest.cc: what is in paths, query strings, headers and payloads

Result<api::Value> decode_rest(const Route& route, const Request& request);
void encode_rest(const OperationModel& operation, const ServiceModel& service, const api::Value& output,
                 Response& response);

}  // namespace coffer::wire
