#include "engine/vault/json_fields.h"

namespace coffer::vault {

namespace {

bool stands_for_itself(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '%'; }

const nlohmann::json& nothing() {
  static const nlohmann::json null;
  return null;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string escape_text(std::string_view raw) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(raw.size());
  for (char c : raw) {
    auto byte = static_cast<unsigned char>(c);
    if (stands_for_itself(byte)) {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 0xf]};
    }
  }
  return out;
}

std::optional<std::string> unescape_text(std::string_view escaped) {
  std::string out;
  out.reserve(escaped.size());
  for (size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '%') {
      out += escaped[i];
      continue;
    }
    if (escaped.size() - i < 3) return std::nullopt;
    int high = digit(escaped[i + 1]), low = digit(escaped[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

Result<nlohmann::json> parse_document(ByteView bytes, std::string_view schema, std::string_view what) {
  const std::string_view text = as_text(bytes);
  auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) return Error{ErrorCode::kCorruption, std::string(what) + ": this is no JSON object", {}};
  auto it = json.find("schema");
  if (it == json.end() || !it->is_string())
    return Error{ErrorCode::kCorruption, std::string(what) + ": it names no schema", {}};
  if (*it != schema)
    return Error{ErrorCode::kCorruption,
                 std::string(what) + ": it has the schema '" + escape_text(it->get_ref<const std::string&>()) +
                     "', not '" + std::string(schema) + "'",
                 "read it with the version of coffer that wrote it, or a later one"};
  return json;
}

const nlohmann::json& JsonFields::member(const nlohmann::json& object, const char* name) {
  if (error_) return nothing();
  auto it = object.find(name);
  if (it != object.end()) return *it;
  fail(name, "is missing");
  return nothing();
}

uint64_t JsonFields::number_of(const nlohmann::json& value, const char* name, uint64_t max) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > max) {
    fail(name, "is not a whole number up to " + std::to_string(max));
    return 0;
  }
  return value.get<uint64_t>();
}

uint64_t JsonFields::number(const nlohmann::json& object, const char* name, uint64_t max) {
  return number_of(member(object, name), name, max);
}

int64_t JsonFields::signed_number(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = member(object, name);
  const bool too_large =
      value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!value.is_number_integer() || too_large) {
    fail(name, "is not a whole number");
    return 0;
  }
  return value.get<int64_t>();
}

bool JsonFields::boolean(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = member(object, name);
  if (!value.is_boolean()) {
    fail(name, "is neither true nor false");
    return false;
  }
  return value.get<bool>();
}

std::string JsonFields::text_of(const nlohmann::json& value, const char* name) {
  auto raw = value.is_string() ? unescape_text(value.get_ref<const std::string&>()) : std::nullopt;
  if (!raw) fail(name, "is not escaped text");
  return raw.value_or("");
}

std::string JsonFields::text(const nlohmann::json& object, const char* name) {
  return text_of(member(object, name), name);
}

WallTime JsonFields::time(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = member(object, name);
  auto time = value.is_string() ? parse_utc(value.get_ref<const std::string&>()) : Result<WallTime>(Error{});
  // Only what format_utc writes, so that encoding a decoded document gives it back.
  if (!time.ok() || format_utc(*time, true) != value.get_ref<const std::string&>()) {
    fail(name, "is not a time");
    return {};
  }
  return *time;
}

const nlohmann::json& JsonFields::array(const nlohmann::json& object, const char* name) {
  static const nlohmann::json empty = nlohmann::json::array();
  const nlohmann::json& value = member(object, name);
  if (value.is_array()) return value;
  fail(name, "is not an array");
  return empty;
}

const nlohmann::json& JsonFields::object(const nlohmann::json& object, const char* name) {
  static const nlohmann::json empty = nlohmann::json::object();
  const nlohmann::json& value = member(object, name);
  if (value.is_object()) return value;
  fail(name, "is not an object");
  return empty;
}

bool JsonFields::is_tuple(const nlohmann::json& value, const char* name, size_t size) {
  if (value.is_array() && value.size() == size) return true;
  fail(name, "has an element that is not an array of " + std::to_string(size));
  return false;
}

void JsonFields::fail(const char* name, const std::string& why) {
  if (!error_) error_ = Error{ErrorCode::kCorruption, what_ + ": '" + name + "' " + why, {}};
}

Status JsonFields::status() const {
  if (error_) return *error_;
  return ok_status();
}

}  // namespace coffer::vault
