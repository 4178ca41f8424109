#include "engine/parquet/source_type.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

namespace coffer::parquet {

using nlohmann::ordered_json;

namespace {

constexpr std::array<std::string_view, 6> kKinds = {"base", "enum", "array", "composite", "range", "multirange"};
constexpr size_t kPartsMax = 1600;

Error malformed(std::string_view what) {
  return {ErrorCode::kCorruption, "the description of a type has no sound " + std::string(what), {}};
}

Result<std::vector<std::string>> strings_of(const ordered_json& json, const char* name) {
  std::vector<std::string> out;
  if (!json.contains(name)) return out;
  if (!json[name].is_array()) return malformed(name);
  for (const auto& item : json[name]) {
    if (!item.is_string()) return malformed(name);
    out.push_back(item.get<std::string>());
  }
  return out;
}

}  // namespace

ordered_json type_to_json(const SourceType& type) {
  ordered_json json{{"kind", kKinds[static_cast<size_t>(type.kind)]}, {"oid", type.oid}};
  if (type.wire_oid != type.oid) json["wire_oid"] = type.wire_oid;
  json["name"] = type.name;
  if (type.modifier != -1) json["modifier"] = type.modifier;
  json["send"] = type.send;
  json["output"] = type.output;
  if (!type.parts.empty()) {
    json["parts"] = ordered_json::array();
    for (const SourceType& part : type.parts) json["parts"].push_back(type_to_json(part));
  }
  if (!type.part_names.empty()) json["part_names"] = type.part_names;
  if (!type.labels.empty()) json["labels"] = type.labels;
  return json;
}

Result<SourceType> type_from_json(const ordered_json& json, int depth) {
  if (depth > kTypeDepthMax || !json.is_object()) return malformed("form");
  SourceType type;
  auto text = [&](const char* name, std::string& to) {
    if (!json.contains(name) || !json[name].is_string()) return false;
    to = json[name].get<std::string>();
    return true;
  };
  auto number = [&](const char* name, auto& to, bool required) {
    if (!json.contains(name)) return !required;
    if (!json[name].is_number_integer()) return false;
    const auto value = json[name].get<int64_t>();
    to = static_cast<std::remove_reference_t<decltype(to)>>(value);
    return static_cast<int64_t>(to) == value;
  };
  std::string kind;
  if (!text("kind", kind)) return malformed("kind");
  size_t index = 0;
  while (index < kKinds.size() && kKinds[index] != kind) ++index;
  if (index == kKinds.size()) return malformed("kind");
  type.kind = static_cast<SourceType::Kind>(index);
  if (!number("oid", type.oid, true)) return malformed("oid");
  type.wire_oid = type.oid;
  if (!number("wire_oid", type.wire_oid, false)) return malformed("wire_oid");
  if (!number("modifier", type.modifier, false)) return malformed("modifier");
  if (!text("name", type.name) || !text("send", type.send) || !text("output", type.output)) return malformed("name");
  if (json.contains("parts")) {
    if (!json["parts"].is_array() || json["parts"].size() > kPartsMax) return malformed("parts");
    for (const auto& part : json["parts"]) {
      COFFER_TRY(SourceType read, type_from_json(part, depth + 1));
      type.parts.push_back(std::move(read));
    }
  }
  COFFER_TRY(type.part_names, strings_of(json, "part_names"));
  COFFER_TRY(type.labels, strings_of(json, "labels"));
  const bool one_part = type.kind == SourceType::Kind::kArray || type.kind == SourceType::Kind::kRange ||
                        type.kind == SourceType::Kind::kMultirange;
  if (one_part && type.parts.size() != 1) return malformed("parts");
  if (type.kind == SourceType::Kind::kComposite && type.parts.size() != type.part_names.size())
    return malformed("part_names");
  return type;
}

}  // namespace coffer::parquet
