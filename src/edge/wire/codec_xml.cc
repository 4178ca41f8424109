#include <algorithm>

#include "edge/wire/codec.h"
#include "edge/wire/xml_tree.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

/// Shapes whose text IAM percent-encodes in its answers (IAM API reference, GetRolePolicy).
constexpr std::string_view kEscapedShapes[] = {"policyDocumentType"};

std::string_view item_name(const Member& member, std::string_view list_name, bool flattened) {
  const Member& item = member.shape->members[0];
  if (!item.wire_name.empty()) return item.wire_name;
  return flattened ? list_name : "member";
}

class Encoder {
 public:
  Encoder(const XmlStyle& style, std::string& out) : style_(style), out_(out) {}

  void members(const Shape& shape, const api::Value& value) {
    for (const auto& [name, one] : value.entries()) {
      const Member& member = member_of(shape, name);
      if (one.is_null() || member.location != Location::kBody || member.xml_attribute) continue;
      element(member, wire_name_of(member), one);
    }
  }

  void element(const Member& member, std::string_view name, const api::Value& value) {
    const Shape& shape = *member.shape;
    check_type(shape, value);
    const bool flattened = shape.flattened || member.flattened;
    if (shape.type == ShapeType::kList || shape.type == ShapeType::kMap) {
      if (!flattened) open(name);
      shape.type == ShapeType::kList ? items(member, name, flattened, value) : entries(shape, name, flattened, value);
      if (!flattened) close(name);
      return;
    }
    open(name, &member, &value);
    if (shape.type == ShapeType::kStructure) {
      members(shape, value);
    } else {
      scalar(member, value);
    }
    close(name);
  }

 private:
  void items(const Member& member, std::string_view name, bool flattened, const api::Value& value) {
    const std::string_view each = item_name(member, name, flattened);
    for (const api::Value& one : value.items()) element(member.shape->members[0], each, one);
  }

  void entries(const Shape& shape, std::string_view name, bool flattened, const api::Value& value) {
    const Member &key_member = shape.members[0], &value_member = shape.members[1];
    const std::string_view each = flattened ? name : "entry";
    for (const auto& [key, one] : value.entries()) {
      open(each);
      element(key_member, wire_name_of(key_member), api::Value(key));
      element(value_member, wire_name_of(value_member), one);
      close(each);
    }
  }

  void scalar(const Member& member, const api::Value& value) {
    const Shape& shape = *member.shape;
    if (const auto* time = value.get_if<WallTime>()) {
      TimestampFormat format = member.timestamp != TimestampFormat::kDefault ? member.timestamp : shape.timestamp;
      if (format == TimestampFormat::kDefault) format = TimestampFormat::kIso8601;
      out_ += format_timestamp(*time, format, style_.millis && format == TimestampFormat::kIso8601);
      return;
    }
    const bool escaped =
        style_.policy_documents_escaped &&
        std::find(std::begin(kEscapedShapes), std::end(kEscapedShapes), shape.name) != std::end(kEscapedShapes);
    const std::string text = text_of(shape, value, TimestampFormat::kIso8601);
    append_xml_text(escaped ? percent_encode(text) : text, out_);
  }

  /// With the attributes that a structure's members are, and their namespace.
  void open(std::string_view name, const Member* member = nullptr, const api::Value* value = nullptr) {
    out_.append("<").append(name);
    if (member) {
      const bool own = !member->xml_namespace.empty();
      const std::string_view space = own ? member->xml_namespace : member->shape->xml_namespace;
      const std::string_view prefix = own ? member->xml_prefix : member->shape->xml_prefix;
      // Without a prefix it is the root's, which is written there.
      if (!prefix.empty()) out_.append(" xmlns:").append(prefix).append("=\"").append(space).append("\"");
    }
    if (member && member->shape->type == ShapeType::kStructure) {
      for (const Member& attribute : member->shape->members) {
        const api::Value* given = attribute.xml_attribute ? value->find(attribute.name) : nullptr;
        if (!given) continue;
        out_.append(" ").append(wire_name_of(attribute)).append("=\"");
        append_xml_text(text_of(*attribute.shape, *given, TimestampFormat::kIso8601), out_);
        out_.append("\"");
      }
    }
    out_.append(">");
  }
  void close(std::string_view name) { out_.append("</").append(name).append(">"); }

  const XmlStyle& style_;
  std::string& out_;
};

Error malformed(std::string_view element) {
  return api::fault(ErrorCode::kInvalidArgument, "MalformedXML",
                    "The XML you provided was not well-formed or did not validate against our published schema: the "
                    "content of " +
                        std::string(element) + " cannot be read.");
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

const XmlElement* child_of(const XmlElement& element, std::string_view name) {
  const auto found = std::find_if(element.children.begin(), element.children.end(),
                                  [&](const XmlElement& child) { return child.name == name; });
  return found == element.children.end() ? nullptr : &*found;
}

Result<api::Value> decode_structure(const Shape& shape, const XmlElement& element);

/// `element` is the list's or map's parent when it is flattened.
Result<api::Value> decode_member(const Member& member, const XmlElement& element, std::string_view name,
                                 bool flattened) {
  const Shape& shape = *member.shape;
  if (shape.type == ShapeType::kStructure) return decode_structure(shape, element);
  if (shape.type == ShapeType::kList) {
    const std::string_view each = item_name(member, name, flattened);
    api::List items;
    for (const XmlElement& child : element.children) {
      if (child.name != each) continue;
      COFFER_TRY(api::Value one, decode_member(shape.members[0], child, each, false));
      items.push_back(std::move(one));
    }
    return api::Value(std::move(items));
  }
  if (shape.type == ShapeType::kMap) {
    api::Members members;
    for (const XmlElement& child : element.children) {
      if (child.name != (flattened ? name : "entry")) continue;
      const XmlElement* key = child_of(child, wire_name_of(shape.members[0]));
      const XmlElement* value = child_of(child, wire_name_of(shape.members[1]));
      if (!key || !value) return malformed(child.name);
      COFFER_TRY(api::Value one, decode_member(shape.members[1], *value, value->name, false));
      members.emplace_back(key->text, std::move(one));
    }
    return api::Value(std::move(members));
  }
  std::optional<api::Value> scalar =
      scalar_of(shape, shape.type == ShapeType::kString ? std::string_view(element.text) : trimmed(element.text));
  if (!scalar) return malformed(element.name);
  return std::move(*scalar);
}

Result<api::Value> decode_structure(const Shape& shape, const XmlElement& element) {
  api::Members members;
  for (const Member& member : shape.members) {
    if (member.location != Location::kBody) continue;
    const std::string_view name = wire_name_of(member);
    if (member.xml_attribute) {
      const auto found = std::find_if(element.attributes.begin(), element.attributes.end(),
                                      [&](const auto& attribute) { return attribute.first == name; });
      if (found == element.attributes.end()) continue;
      std::optional<api::Value> scalar = scalar_of(*member.shape, found->second);
      if (!scalar) return malformed(name);
      members.emplace_back(std::string(member.name), std::move(*scalar));
      continue;
    }
    const bool flattened = (member.flattened || member.shape->flattened) &&
                           (member.shape->type == ShapeType::kList || member.shape->type == ShapeType::kMap);
    const std::string_view sought =
        flattened && member.shape->type == ShapeType::kList ? item_name(member, name, true) : name;
    const XmlElement* found = child_of(element, sought);
    if (!found) continue;
    COFFER_TRY(api::Value one, decode_member(member, flattened ? element : *found, name, flattened));
    members.emplace_back(std::string(member.name), std::move(one));
  }
  return api::Value(std::move(members));
}

}  // namespace

Result<api::Value> decode_xml(const Shape& shape, std::string_view text) {
  COFFER_TRY(const XmlElement root, parse_xml(text));
  return decode_structure(shape, root);
}

void append_xml_text(std::string_view text, std::string& out) {
  std::string copy;
  text = valid_utf8(text, copy);
  size_t plain = 0;  // begin of what is written as it is
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    std::string_view instead;
    switch (c) {
      case '&': instead = "&amp;"; break;
      case '<': instead = "&lt;"; break;
      case '>': instead = "&gt;"; break;
      case '"': instead = "&quot;"; break;
      case '\r': instead = "&#13;"; break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') continue;
        // XML 1.0 has no way to say these, and a client whose parser stops there never sees the error it was sent.
        instead = "\xEF\xBF\xBD";
    }
    out.append(text, plain, i - plain).append(instead);
    plain = i + 1;
  }
  out.append(text, plain);
}

void encode_xml_members(const Shape& shape, const api::Value& value, const XmlStyle& style, std::string& out) {
  Encoder(style, out).members(shape, value);
}

}  // namespace coffer::wire
