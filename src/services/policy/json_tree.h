// JSON as policies need it: duplicate names are refused, and every value knows where it stands in the text.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::policy {

/// Line and column of a character, both from 1.
struct Place {
  uint32_t line = 1, column = 1;
};

struct Member;
struct Node {
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };
  Type type = Type::kNull;
  std::string text;  // of a string; a number or true/false as written
  std::vector<Node> items;
  std::vector<Member> members;
  Place begin, end;  // end: just after the last character

  [[nodiscard]] bool is_scalar() const { return type == Type::kString || type == Type::kNumber || type == Type::kBool; }
};

struct Member {
  std::string name;
  Node value;
};

inline constexpr int kJsonDepthMax = 32;

/// The whole of `text`, which is UTF-8, as one value. kInvalidArgument says what is wrong at which line and column.
/// Only the characters that policies may hold are taken: U+0009, U+000A, U+000D, U+0020 to U+00FF.
Result<Node> parse_json(std::string_view text);

}  // namespace coffer::policy
