#include "services/policy/json_tree.h"

namespace coffer::policy {
namespace {

constexpr int kDepthMax = 32;

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
    if (text_[at_++] == '\n') {
      ++place_.line;
      place_.column = 1;
    } else {
      ++place_.column;
    }
  }
  void skip_space() {
    while (at_ < text_.size() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) advance();
  }
  bool take(char c) {
    if (at_ >= text_.size() || peek() != c) return false;
    advance();
    return true;
  }

  Status value(Node& node, int depth) {
    if (depth > kDepthMax) return wrong("nested too deeply");
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
      if (node.find(name)) return wrong("the name \"" + name + "\" stands twice in one object");
      skip_space();
      if (!take(':')) return wrong("':' is expected");
      skip_space();
      node.members.emplace_back(std::move(name), Node{});
      COFFER_CHECK_OK(value(node.members.back().second, depth + 1));
      skip_space();
      if (take('}')) return ok_status();
      if (!take(',')) return wrong("',' or '}' is expected");
      skip_space();
    }
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
      const char c = peek();
      if (c == '"') {
        advance();
        return ok_status();
      }
      if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r')
        return wrong("a control character");
      if (static_cast<unsigned char>(c) > 0xC3) return wrong("a character that policies may not hold");
      advance();
      if (c != '\\') {
        out += c;
        continue;
      }
      COFFER_CHECK_OK(escape(out));
    }
  }

  Status escape(std::string& out) {
    const char c = peek();
    if (at_ >= text_.size()) return wrong("a string has no end");
    advance();
    switch (c) {
      case '"':
      case '\\':
      case '/': out += c; return ok_status();
      case 'b': out += '\b'; return ok_status();
      case 'f': out += '\f'; return ok_status();
      case 'n': out += '\n'; return ok_status();
      case 'r': out += '\r'; return ok_status();
      case 't': out += '\t'; return ok_status();
      case 'u': break;
      default: return wrong("an unknown escape");
    }
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
    if (code > 0xFF || (code < 0x20 && code != 9 && code != 10 && code != 13))
      return wrong("a character that policies may not hold");
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else {
      out += static_cast<char>(0xC0 | code >> 6);
      out += static_cast<char>(0x80 | (code & 0x3F));
    }
    return ok_status();
  }

  Status scalar(Node& node) {
    while (at_ < text_.size()) {
      const char c = peek();
      const bool part =
          (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' || c == '+' || c == '-' || c == '.';
      if (!part || node.text.size() > 64) break;
      node.text += c;
      advance();
    }
    if (node.text == "true" || node.text == "false") {
      node.type = Node::Type::kBool;
    } else if (node.text == "null") {
      node.type = Node::Type::kNull;
    } else if (is_number(node.text)) {
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

const Node* Node::find(std::string_view name) const {
  for (const auto& [key, node] : members) {
    if (key == name) return &node;
  }
  return nullptr;
}

Result<Node> parse_json(std::string_view text) { return Parser(text).whole(); }

}  // namespace coffer::policy
