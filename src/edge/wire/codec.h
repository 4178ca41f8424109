// The codecs behind protocol.h, one file a format. Each goes by the shape alone.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "edge/wire/model.h"
#include "services/api/value.h"

namespace coffer::wire {

inline constexpr int kDepthMax = 64;

/// A scalar as text (query strings, headers, XML). Nothing when `text` is no value of the shape.
std::optional<api::Value> scalar_of(const Shape& shape, std::string_view text);
/// The other way. `format` decides for timestamps.
std::string text_of(const Shape& shape, const api::Value& value, TimestampFormat format);
std::string format_timestamp(WallTime time, TimestampFormat format);
bool is_utf8(std::string_view text);

/// An input structure from JSON text; "SerializationException".
Result<api::Value> decode_json(const Shape& shape, std::string_view text);
/// Appends a value as JSON.
void encode_json(const Shape& shape, const api::Value& value, std::string& out);
void append_json_string(std::string_view text, std::string& out);

using Parameters = std::map<std::string, std::string>;
/// An input structure from query parameters; "MalformedInput" with the parameter's name.
Result<api::Value> decode_query(const Shape& shape, const Parameters& parameters);

/// Appends the members of a structure as XML elements. `escape_documents`: IAM's policy documents are percent-encoded.
void encode_xml_members(const Shape& shape, const api::Value& value, bool escape_documents, std::string& out);
void append_xml_text(std::string_view text, std::string& out);

}  // namespace coffer::wire
