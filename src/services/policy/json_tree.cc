#include "services/policy/json_tree.h"

#include <algorithm>

namespace coffer::policy {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Node> whole() {
    skip_space();
    Node node;
    COFFER_CHECK_OK(value(node, 0));
    skip_space();
    if (at_ != text_.size()) return wrong("something follows the document");
    return node;
  }

 private:
  [[nodiscard]] Error wrong(std::string_view what) const {
    return Error{
        ErrorCode::kInvalidArgument,
        std::string(what) + " (line " + std::to_string(place_.line) + ", column " + std::to_string(place_.column) + ")",
        {}};
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void advance() {
    const char c = text_[at_++];
    if (c == '\n') {
      ++place_.line;
      place_.column = 1;
    } else if (!is_continuation(c)) {
      ++place_.column;
    }
  }
  void skip_space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') advance();
  }
  bool take(char c) {
    if (at_ >= text_.size() || peek() != c) return false;
    advance();
    return true;
  }

  Status value(Node& node, int depth) {
    if (depth > kJsonDepthMax) return wrong("nested too deeply");
    node.begin = place_;
    const char c = peek();
    Status read = c == '{'   ? object(node, depth)
                  : c == '[' ? array(node, depth)
                  : c == '"' ? string_value(node)
                             : scalar(node);
    node.end = place_;
    return read;
  }

  Status object(Node& node, int depth) {
    node.type = Node::Type::kObject;
    advance();
    skip_space();
    if (take('}')) return ok_status();
    for (;;) {
      if (peek() != '"') return wrong("a member's name in quotes is expected");
      std::string name;
      COFFER_CHECK_OK(string(name));
      skip_space();
      if (!take(':')) return wrong("':' is expected");
      skip_space();
      node.members.push_back({std::move(name), Node{}});
      COFFER_CHECK_OK(value(node.members.back().value, depth + 1));
      skip_space();
      if (take('}')) return check_names(node);
      if (!take(',')) return wrong("',' or '}' is expected");
      skip_space();
    }
  }

  /// Sorted, so that an object of many names costs no more than its size asks for.
  [[nodiscard]] Status check_names(const Node& node) const {
    std::vector<std::string_view> names;
    names.reserve(node.members.size());
    for (const Member& member : node.members) names.emplace_back(member.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) return wrong("the name \"" + std::string(*twice) + "\" stands twice in one object");
    return ok_status();
  }

  Status array(Node& node, int depth) {
    node.type = Node::Type::kArray;
    advance();
    skip_space();
    if (take(']')) return ok_status();
    for (;;) {
      node.items.emplace_back();
      COFFER_CHECK_OK(value(node.items.back(), depth + 1));
      skip_space();
      if (take(']')) return ok_status();
      if (!take(',')) return wrong("',' or ']' is expected");
      skip_space();
    }
  }

  Status string_value(Node& node) {
    node.type = Node::Type::kString;
    return string(node.text);
  }

  Status string(std::string& out) {
    advance();
    for (;;) {
      if (at_ >= text_.size()) return wrong("a string has no end");
      const auto c = static_cast<unsigned char>(peek());
      if (c == '"') {
        advance();
        return ok_status();
      }
      if (c == '\\') {
        advance();
        COFFER_CHECK_OK(escape(out));
        continue;
      }
      // U+0080 to U+00FF are the two-byte sequences that begin with C2 and C3.
      const bool wide = c == 0xC2 || c == 0xC3;
      if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c >= 0x80 && !wide))
        return wrong("a character that policies may not hold");
      if (wide && (at_ + 1 >= text_.size() || !is_continuation(text_[at_ + 1]))) return wrong("the text is not UTF-8");
      for (int i = 0; i < (wide ? 2 : 1); ++i) {
        out += peek();
        advance();
      }
    }
  }

  Status escape(std::string& out) {
    if (at_ >= text_.size()) return wrong("a string has no end");
    const char c = peek();
    advance();
    switch (c) {
      case '"':
      case '\\':
      case '/': out += c; return ok_status();
      case 'n': out += '\n'; return ok_status();
      case 'r': out += '\r'; return ok_status();
      case 't': out += '\t'; return ok_status();
      case 'b':
      case 'f': return wrong("a character that policies may not hold");
      case 'u': return hexadecimal(out);
      default: return wrong("an unknown escape");
    }
  }

  Status hexadecimal(std::string& out) {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      const char digit = peek();
      const int v = digit >= '0' && digit <= '9'   ? digit - '0'
                    : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                    : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                                   : -1;
      if (v < 0) return wrong("\\u needs four hexadecimal digits");
      code = code << 4 | static_cast<uint32_t>(v);
      advance();
    }
    if (code > 0xFF || (code < 0x20 && code != '\t' && code != '\n' && code != '\r'))
      return wrong("a character that policies may not hold");
    if (code >= 0x80) out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(code < 0x80 ? code : 0x80 | (code & 0x3F));
    return ok_status();
  }

  Status scalar(Node& node) {
    constexpr size_t kSizeMax = 64;
    while (at_ < text_.size() && node.text.size() <= kSizeMax) {
      const char c = peek();
      const bool part =
          (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' || c == '+' || c == '-' || c == '.';
      if (!part) break;
      node.text += c;
      advance();
    }
    if (node.text == "true" || node.text == "false") {
      node.type = Node::Type::kBool;
    } else if (node.text == "null") {
      node.type = Node::Type::kNull;
    } else if (node.text.size() <= kSizeMax && is_number(node.text)) {
      node.type = Node::Type::kNumber;
    } else {
      return wrong(node.text.empty() && at_ >= text_.size() ? "the document ends early" : "a value is expected");
    }
    return ok_status();
  }

  static bool is_number(std::string_view t) {
    size_t i = 0;
    const auto digits = [&] {
      const size_t from = i;
      while (i < t.size() && t[i] >= '0' && t[i] <= '9') ++i;
      return i > from;
    };
    if (i < t.size() && t[i] == '-') ++i;
    const size_t first = i;
    if (!digits() || (t[first] == '0' && i - first > 1)) return false;
    if (i < t.size() && t[i] == '.' && (++i, !digits())) return false;
    if (i < t.size() && (t[i] == 'e' || t[i] == 'E')) {
      ++i;
      if (i < t.size() && (t[i] == '+' || t[i] == '-')) ++i;
      if (!digits()) return false;
    }
    return i == t.size();
  }

  std::string_view text_;
  size_t at_ = 0;
  Place place_;
};

}  // namespace

Result<Node> parse_json(std::string_view text) { return Parser(text).whole(); }

}  // namespace coffer::policy
