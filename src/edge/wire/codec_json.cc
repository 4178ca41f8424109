#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "base/base64.h"
#include "edge/wire/codec.h"

namespace coffer::wire {
namespace {

namespace json = boost::json;

Error unreadable(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message), {}, "SerializationException"};
}

std::string_view kind_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::string: return "STRING_VALUE";
    case json::kind::bool_: return value.get_bool() ? "TRUE_VALUE" : "FALSE_VALUE";
    case json::kind::object: return "Start of structure or map";
    case json::kind::array: return "Start of list";
    default: return "NUMBER_VALUE";
  }
}

class Decoder {
 public:
  Result<api::Value> value(const Shape& shape, const json::value& given) {
    if (given.is_null()) return api::Value();
    switch (shape.type) {
      case ShapeType::kStructure: return structure(shape, given);
      case ShapeType::kMap: return map(shape, given);
      case ShapeType::kList: return list(shape, given);
      case ShapeType::kString:
        if (!given.is_string()) return wrong(given, "a String");
        return api::Value(std::string_view(given.get_string()));
      case ShapeType::kBlob: {
        if (!given.is_string()) return wrong(given, "a Blob");
        std::optional<Bytes> bytes = base64_decode(given.get_string());
        if (!bytes) return unreadable("A blob is not valid base64.");
        return api::Value(std::move(*bytes));
      }
      case ShapeType::kBoolean:
        if (!given.is_bool()) return wrong(given, "a Boolean");
        return api::Value(given.get_bool());
      case ShapeType::kInteger: return integer(given, INT32_MIN, INT32_MAX, "an Integer");
      case ShapeType::kLong: return integer(given, INT64_MIN, INT64_MAX, "a Long");
      case ShapeType::kFloat:
      case ShapeType::kDouble: return number(shape, given);
      case ShapeType::kTimestamp: return timestamp(given);
    }
    return unreadable("An unknown shape.");
  }

 private:
  static Error wrong(const json::value& given, std::string_view wanted) {
    return unreadable(std::string(kind_name(given)) + " can not be converted to " + std::string(wanted));
  }

  Result<api::Value> structure(const Shape& shape, const json::value& given) {
    if (!given.is_object()) return wrong(given, "a Structure");
    api::Members members;
    for (const Member& member : shape.members) {
      const json::value* found = given.get_object().if_contains(wire_name_of(member));
      if (!found || member.location != Location::kBody) continue;
      COFFER_TRY(api::Value one, value(*member.shape, *found));
      if (!one.is_null()) members.emplace_back(std::string(member.name), std::move(one));
    }
    return api::Value(std::move(members));
  }

  Result<api::Value> map(const Shape& shape, const json::value& given) {
    if (!given.is_object()) return wrong(given, "a Map");
    api::Members members;
    for (const auto& entry : given.get_object()) {
      COFFER_TRY(api::Value one, value(*shape.members[1].shape, entry.value()));
      members.emplace_back(std::string(entry.key()), std::move(one));
    }
    return api::Value(std::move(members));
  }

  Result<api::Value> list(const Shape& shape, const json::value& given) {
    if (!given.is_array()) return wrong(given, "a List");
    api::List items;
    for (const json::value& item : given.get_array()) {
      COFFER_TRY(api::Value one, value(*shape.members[0].shape, item));
      items.push_back(std::move(one));
    }
    return api::Value(std::move(items));
  }

  static Result<api::Value> integer(const json::value& given, int64_t min, int64_t max, std::string_view wanted) {
    if (!given.is_number()) return wrong(given, wanted);
    boost::system::error_code failed;
    const auto number = given.to_number<int64_t>(failed);
    if (failed || number < min || number > max)
      return unreadable("A number is out of the range of " + std::string(wanted) + ".");
    return api::Value(number);
  }

  static Result<api::Value> number(const Shape& shape, const json::value& given) {
    if (given.is_number() && std::isfinite(given.to_number<double>())) return api::Value(given.to_number<double>());
    if (given.is_string()) {
      // What JSON has no number for comes as text.
      const std::string_view text = given.get_string();
      if (text == "NaN" || text == "Infinity" || text == "-Infinity") return *scalar_of(shape, text);
    }
    return wrong(given, "a Double");
  }

  static Result<api::Value> timestamp(const json::value& given) {
    std::optional<WallTime> time;
    if (given.is_number()) {
      time = time_of_seconds(given.to_number<double>());
    } else if (given.is_string()) {
      time = parse_timestamp(given.get_string());
    }
    if (time) return api::Value(*time);
    return given.is_number() ? unreadable("A timestamp is out of range.") : wrong(given, "a Timestamp");
  }
};

}  // namespace

Result<api::Value> decode_json(const Shape& shape, std::string_view text) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code failed;
  unsigned char front[4096];  // enough for most requests
  json::monotonic_resource memory(front, sizeof front);
  const json::value parsed = json::parse(text.empty() ? std::string_view("{}") : text, failed, &memory, options);
  if (failed) return unreadable("The request body is not valid JSON: " + failed.message() + ".");
  if (!parsed.is_object()) return unreadable("The request body is no JSON object.");
  return Decoder().value(shape, parsed);
}

void append_json_string(std::string_view text, std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string copy;
  text = valid_utf8(text, copy);
  out += '"';
  size_t plain = 0;  // begin of what is written as it is
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: out.append("\\u00").append({kDigits[static_cast<unsigned char>(c) >> 4], kDigits[c & 15]});
    }
  }
  out.append(text, plain).append("\"");
}

namespace {

void encode_scalar(const Shape& shape, const api::Value& value, TimestampFormat format, std::string& out) {
  if (const auto* text = value.get_if<std::string>()) {
    append_json_string(*text, out);
    return;
  }
  if (shape.timestamp != TimestampFormat::kDefault) format = shape.timestamp;
  const std::string text = text_of(shape, value, format);
  const auto* number = value.get_if<double>();
  const bool quoted =
      value.get_if<Bytes>() || (number && !std::isfinite(*number)) ||
      (value.get_if<WallTime>() && (format == TimestampFormat::kIso8601 || format == TimestampFormat::kRfc822));
  quoted ? append_json_string(text, out) : static_cast<void>(out += text);
}

}  // namespace

void encode_json_body(const Shape& shape, const api::Value& value, std::string& out) {
  out += '{';
  bool first = true;
  for (const auto& [name, one] : value.entries()) {
    const Member& member = member_of(shape, name);
    if (one.is_null() || member.location != Location::kBody) continue;
    if (!first) out += ',';
    first = false;
    append_json_string(wire_name_of(member), out);
    out += ':';
    encode_json(*member.shape, one, member.timestamp, out);
  }
  out += '}';
}

void encode_json(const Shape& shape, const api::Value& value, TimestampFormat format, std::string& out) {
  if (value.is_null()) {
    out += "null";
    return;
  }
  check_type(shape, value);
  if (shape.type == ShapeType::kStructure) {
    encode_json_body(shape, value, out);
  } else if (shape.type == ShapeType::kMap) {
    const Member& of = shape.members[1];
    out += '{';
    for (size_t i = 0; i < value.entries().size(); ++i) {
      const auto& [key, one] = value.entries()[i];
      if (i > 0) out += ',';
      append_json_string(key, out);
      out += ':';
      encode_json(*of.shape, one, of.timestamp, out);
    }
    out += '}';
  } else if (shape.type == ShapeType::kList) {
    const Member& of = shape.members[0];
    out += '[';
    for (size_t i = 0; i < value.items().size(); ++i) {
      if (i > 0) out += ',';
      encode_json(*of.shape, value.items()[i], of.timestamp, out);
    }
    out += ']';
  } else {
    encode_scalar(shape, value, format, out);
  }
}

}  // namespace coffer::wire
