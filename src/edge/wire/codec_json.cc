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
      case ShapeType::kDouble:
        if (!given.is_number()) return wrong(given, "a Double");
        return api::Value(given.to_number<double>());
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
      const json::value* found =
          given.get_object().if_contains(member.wire_name.empty() ? member.name : member.wire_name);
      if (!found) continue;
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

  static Result<api::Value> timestamp(const json::value& given) {
    if (given.is_number()) {
      const double seconds = given.to_number<double>();
      if (std::abs(seconds) > 1e11) return unreadable("A timestamp is out of range.");
      return api::Value(WallTime{std::llround(seconds * 1e6)});
    }
    if (given.is_string()) {
      Result<WallTime> time = parse_utc(std::string_view(given.get_string()));
      if (time.ok()) return api::Value(*time);
    }
    return wrong(given, "a Timestamp");
  }
};

}  // namespace

Result<api::Value> decode_json(const Shape& shape, std::string_view text) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code failed;
  json::monotonic_resource memory;
  const json::value parsed = json::parse(text.empty() ? std::string_view("{}") : text, failed, &memory, options);
  if (failed) return unreadable("The request body is not valid JSON: " + failed.message() + ".");
  if (!parsed.is_object()) return unreadable("The request body is no JSON object.");
  return Decoder().value(shape, parsed);
}

void append_json_string(std::string_view text, std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kDigits[c >> 4];
          out += kDigits[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void encode_json(const Shape& shape, const api::Value& value, std::string& out) {
  if (shape.type == ShapeType::kStructure || shape.type == ShapeType::kMap) {
    out += '{';
    bool first = true;
    for (const auto& [name, one] : value.entries()) {
      if (one.is_null()) continue;
      const Shape* inner = nullptr;
      std::string_view wire_name = name;
      if (shape.type == ShapeType::kMap) {
        inner = shape.members[1].shape;
      } else {
        const auto member =
            std::find_if(shape.members.begin(), shape.members.end(), [&](const Member& m) { return m.name == name; });
        COFFER_ASSERT(member != shape.members.end());
        inner = member->shape;
        if (!member->wire_name.empty()) wire_name = member->wire_name;
      }
      if (!first) out += ',';
      first = false;
      append_json_string(wire_name, out);
      out += ':';
      encode_json(*inner, one, out);
    }
    out += '}';
  } else if (shape.type == ShapeType::kList) {
    out += '[';
    bool first = true;
    for (const api::Value& item : value.items()) {
      if (!first) out += ',';
      first = false;
      encode_json(*shape.members[0].shape, item, out);
    }
    out += ']';
  } else if (const auto* text = value.get_if<std::string>()) {
    append_json_string(*text, out);
  } else if (const auto* time = value.get_if<WallTime>()) {
    const bool as_text = shape.timestamp == TimestampFormat::kIso8601 || shape.timestamp == TimestampFormat::kRfc822;
    const std::string written = format_timestamp(*time, as_text ? shape.timestamp : TimestampFormat::kEpoch);
    as_text ? append_json_string(written, out) : static_cast<void>(out += written);
  } else if (value.get_if<Bytes>()) {
    append_json_string(text_of(shape, value, TimestampFormat::kEpoch), out);
  } else if (value.is_null()) {
    out += "null";
  } else {
    const std::string written = text_of(shape, value, TimestampFormat::kEpoch);
    written == "NaN" || written.ends_with("Infinity") ? append_json_string(written, out)
                                                      : static_cast<void>(out += written);
  }
}

}  // namespace coffer::wire
