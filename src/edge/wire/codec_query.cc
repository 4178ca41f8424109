#include <algorithm>
#include <charconv>
#include <set>

#include "edge/wire/codec.h"
#include "edge/wire/http.h"

namespace coffer::wire {
namespace {

Error malformed(const std::string& name, std::string_view why) {
  return Error{ErrorCode::kInvalidArgument,
               "The value of the parameter " + name + " " + std::string(why) + ".",
               {},
               "MalformedInput"};
}

class Decoder {
 public:
  explicit Decoder(const Parameters& parameters) : parameters_(parameters) {}

  /// Null when nothing of `name` was sent.
  Result<api::Value> value(const Shape& shape, const std::string& name, int depth) const {
    if (depth > kDepthMax) return malformed(name, "is nested too deeply");
    if (!present(name)) return api::Value();
    switch (shape.type) {
      case ShapeType::kStructure: return structure(shape, name + ".", depth);
      case ShapeType::kList: return list(shape, name, depth);
      case ShapeType::kMap: return map(shape, name, depth);
      default: break;
    }
    const auto found = parameters_.find(name);
    if (found == parameters_.end()) return malformed(name, "must not have parts");
    std::optional<api::Value> scalar = scalar_of(shape, found->second);
    if (!scalar) return malformed(name, "cannot be read");
    return std::move(*scalar);
  }

  Result<api::Value> structure(const Shape& shape, const std::string& prefix, int depth) const {
    api::Members members;
    for (const Member& member : shape.members) {
      const std::string name = prefix + std::string(member.wire_name.empty() ? member.name : member.wire_name);
      COFFER_TRY(api::Value one, value(*member.shape, name, depth + 1));
      if (!one.is_null()) members.emplace_back(std::string(member.name), std::move(one));
    }
    return api::Value(std::move(members));
  }

 private:
  [[nodiscard]] bool present(const std::string& name) const {
    const auto found = parameters_.lower_bound(name);
    if (found == parameters_.end()) return false;
    if (found->first == name) return true;
    const auto beneath = parameters_.lower_bound(name + ".");
    return beneath != parameters_.end() && beneath->first.starts_with(name + ".");
  }

  /// The numbers N for which prefix + N (+ "." ...) was sent, ascending; gaps are allowed.
  [[nodiscard]] std::set<int> numbers(const std::string& prefix) const {
    std::set<int> found;
    for (auto it = parameters_.lower_bound(prefix); it != parameters_.end() && it->first.starts_with(prefix); ++it) {
      int number = 0;
      const char* begin = it->first.data() + prefix.size();
      const char* end = it->first.data() + it->first.size();
      const auto [stop, failed] = std::from_chars(begin, end, number);
      if (failed == std::errc() && number > 0 && (stop == end || *stop == '.')) found.insert(number);
    }
    return found;
  }

  Result<api::Value> list(const Shape& shape, const std::string& name, int depth) const {
    const Member& item = shape.members[0];
    api::List items;
    std::set<std::string> prefixes;
    if (!item.wire_name.empty()) prefixes.insert(name + "." + std::string(item.wire_name) + ".");
    prefixes.insert(name + ".member.");
    if (shape.flattened) prefixes = {name + "."};
    for (const std::string& prefix : prefixes) {
      for (int number : numbers(prefix)) {
        COFFER_TRY(api::Value one, value(*item.shape, prefix + std::to_string(number), depth + 1));
        items.push_back(std::move(one));
      }
    }
    return api::Value(std::move(items));
  }

  Result<api::Value> map(const Shape& shape, const std::string& name, int depth) const {
    const std::string prefix = shape.flattened ? name + "." : name + ".entry.";
    const auto part = [](const Member& member, std::string_view otherwise) {
      return std::string(member.wire_name.empty() ? otherwise : member.wire_name);
    };
    api::Members members;
    for (int number : numbers(prefix)) {
      const std::string entry = prefix + std::to_string(number) + ".";
      const auto key = parameters_.find(entry + part(shape.members[0], "key"));
      if (key == parameters_.end()) return malformed(entry + "key", "is missing");
      COFFER_TRY(api::Value one, value(*shape.members[1].shape, entry + part(shape.members[1], "value"), depth + 1));
      members.emplace_back(key->second, std::move(one));
    }
    return api::Value(std::move(members));
  }

  const Parameters& parameters_;
};

std::string_view name_of(const Member& member) { return member.wire_name.empty() ? member.name : member.wire_name; }

void encode_xml(const Member& member, std::string_view name, const api::Value& value, bool escape_documents,
                std::string& out) {
  const Shape& shape = *member.shape;
  const auto open = [&](std::string_view element) { out.append("<").append(element).append(">"); };
  const auto close = [&](std::string_view element) { out.append("</").append(element).append(">"); };
  if (shape.type == ShapeType::kList) {
    const bool flattened = shape.flattened || member.flattened;
    const Member& item = shape.members[0];
    const std::string_view element = flattened ? (item.wire_name.empty() ? name : item.wire_name)
                                               : (item.wire_name.empty() ? std::string_view("member") : item.wire_name);
    if (!flattened) open(name);
    for (const api::Value& one : value.items()) encode_xml(item, element, one, escape_documents, out);
    if (!flattened) close(name);
    return;
  }
  if (shape.type == ShapeType::kMap) {
    const bool flattened = shape.flattened || member.flattened;
    const std::string_view element = flattened ? name : std::string_view("entry");
    if (!flattened) open(name);
    for (const auto& [key, one] : value.entries()) {
      open(element);
      const std::string_view key_name = shape.members[0].wire_name.empty() ? "key" : shape.members[0].wire_name;
      open(key_name);
      append_xml_text(key, out);
      close(key_name);
      encode_xml(shape.members[1], shape.members[1].wire_name.empty() ? "value" : shape.members[1].wire_name, one,
                 escape_documents, out);
      close(element);
    }
    if (!flattened) close(name);
    return;
  }
  open(name);
  if (shape.type == ShapeType::kStructure) {
    encode_xml_members(shape, value, escape_documents, out);
  } else {
    const std::string text = text_of(shape, value, TimestampFormat::kIso8601);
    // IAM gives policy documents percent-encoded (IAM API reference, GetRolePolicy).
    append_xml_text(escape_documents && shape.name == "policyDocumentType" ? percent_encode(text) : text, out);
  }
  close(name);
}

}  // namespace

Result<api::Value> decode_query(const Shape& shape, const Parameters& parameters) {
  return Decoder(parameters).structure(shape, "", 0);
}

void append_xml_text(std::string_view text, std::string& out) {
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\r': out += "&#13;"; break;
      default: out += c;
    }
  }
}

void encode_xml_members(const Shape& shape, const api::Value& value, bool escape_documents, std::string& out) {
  for (const auto& [name, one] : value.entries()) {
    if (one.is_null()) continue;
    const auto member =
        std::find_if(shape.members.begin(), shape.members.end(), [&](const Member& m) { return m.name == name; });
    COFFER_ASSERT(member != shape.members.end());
    encode_xml(*member, name_of(*member), one, escape_documents, out);
  }
}

}  // namespace coffer::wire
