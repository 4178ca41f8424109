// JSON as events and patterns need it: numbers keep their text, duplicate names have a rule, and every value knows
// where it stands, for messages about patterns.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::events {

struct JsonMember;
struct Json {
  enum class Type : uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };
  Type type = Type::kNull;
  uint32_t at = 0;   // in the text: just behind the token, or behind a string's opening quote
  std::string text;  // of a string, decoded; of a number as written
  std::vector<Json> items;
  std::vector<JsonMember> members;

  [[nodiscard]] bool is(Type t) const { return type == t; }
  [[nodiscard]] bool is_object() const { return type == Type::kObject; }
  [[nodiscard]] bool is_string() const { return type == Type::kString; }
  /// The member of an object; null when it has none of this name.
  [[nodiscard]] const Json* find(std::string_view name) const;
  [[nodiscard]] Json* find(std::string_view name);
  /// The text of a string member; empty when there is none.
  [[nodiscard]] std::string_view text_of(std::string_view name) const;
  void set(std::string_view name, Json value);

  static Json string(std::string_view text);
  static Json object();
  static Json with(Type type);
};
struct JsonMember {
  std::string name;
  Json value;
};

/// How deep a detail may be, and the whole event around it on its way.
inline constexpr int kDetailDepthMax = 1000, kJsonDepthMax = kDetailDepthMax + 8;

enum class Duplicates { kLastWins, kKeepAll };
/// The whole of `text` as one value. kInvalidArgument says what is wrong at which byte. Half of a surrogate pair
/// becomes U+FFFD.
Result<Json> parse_json(std::string_view text, Duplicates duplicates = Duplicates::kLastWins,
                        int depth_max = kJsonDepthMax);
/// Compact, members in their order.
std::string write_json(const Json& value);
/// A string with its quotes.
void write_json_string(std::string& out, std::string_view text);

}  // namespace coffer::events
