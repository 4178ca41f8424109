#include "services/events/json.h"

#include <algorithm>
#include <unordered_map>

namespace coffer::events {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, uint32_t code) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6), put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 0x3F)), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  }
}

/// How many bytes the UTF-8 character at the begin of `text` has; 0 when it is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  size_t length = 0;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE0 && first <= 0xEF) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F)) return 0;
  if ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F)) return 0;
  return length;
}

/// Of members with one name only the last stays, in its place.
void drop_duplicates(std::vector<JsonMember>& members) {
  if (members.size() < 2) return;
  std::unordered_map<std::string_view, size_t> last;
  for (size_t i = 0; i < members.size(); ++i) last[members[i].name] = i;
  if (last.size() == members.size()) return;
  std::vector<JsonMember> kept;
  kept.reserve(last.size());
  std::vector<size_t> wanted;
  for (const auto& [name, index] : last) wanted.push_back(index);
  std::sort(wanted.begin(), wanted.end());
  for (size_t index : wanted) kept.push_back(std::move(members[index]));
  members = std::move(kept);
}

class Parser {
 public:
  Parser(std::string_view text, Duplicates duplicates, int depth_max)
      : text_(text), duplicates_(duplicates), depth_max_(depth_max) {}

  Result<Json> parse() {
    Json value;
    COFFER_CHECK_OK(parse_value(value, 0));
    skip_space();
    if (at_ != text_.size()) return wrong("text behind the value");
    return value;
  }

 private:
  [[nodiscard]] Error wrong(std::string_view what) const {
    return Error{ErrorCode::kInvalidArgument, std::string(what) + " at byte " + std::to_string(at_), {}};
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  Status parse_value(Json& value, int depth) {
    skip_space();
    switch (peek()) {
      case '{': return parse_object(value, depth);
      case '[': return parse_array(value, depth);
      case '"': {
        value.type = Json::Type::kString;
        value.at = static_cast<uint32_t>(at_ + 1);
        return parse_string(value.text);
      }
      case 't': return parse_word("true", Json::Type::kTrue, value);
      case 'f': return parse_word("false", Json::Type::kFalse, value);
      case 'n': return parse_word("null", Json::Type::kNull, value);
      default: return parse_number(value);
    }
  }

  Status parse_word(std::string_view word, Json::Type type, Json& value) {
    if (text_.substr(at_, word.size()) != word) return wrong("no value");
    at_ += word.size();
    value.type = type;
    value.at = static_cast<uint32_t>(at_);
    return ok_status();
  }

  bool skip_digits() {
    const size_t begin = at_;
    while (is_digit(peek())) ++at_;
    return at_ > begin;
  }
  Status parse_number(Json& value) {
    const size_t begin = at_;
    take('-');
    if (!take('0') && !skip_digits()) return wrong("no value");
    if (is_digit(peek())) return wrong("a number with a leading zero");
    if (take('.') && !skip_digits()) return wrong("a number without digits behind its point");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!skip_digits()) return wrong("a number without an exponent");
    }
    value.type = Json::Type::kNumber;
    value.text = text_.substr(begin, at_ - begin);
    value.at = static_cast<uint32_t>(at_);
    return ok_status();
  }

  std::optional<uint32_t> take_hex() {
    if (text_.size() - at_ < 4) return std::nullopt;
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_ + static_cast<size_t>(i)];
      const int digit = is_digit(c)            ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return std::nullopt;
      code = code << 4 | static_cast<uint32_t>(digit);
    }
    at_ += 4;
    return code;
  }
  Status parse_escape(std::string& out) {
    static constexpr std::string_view kShort = "\"\\/bfnrt", kMeaning = "\"\\/\b\f\n\r\t";
    const char c = peek();
    if (const size_t known = at_ < text_.size() ? kShort.find(c) : std::string_view::npos; known != kShort.npos) {
      out += kMeaning[known];
      ++at_;
      return ok_status();
    }
    if (!take('u')) return wrong("an unknown escape");
    const auto code = take_hex();
    if (!code) return wrong("an escape without four hexadecimal digits");
    uint32_t character = *code;
    if (character >= 0xD800 && character < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      const size_t before = at_;
      at_ += 2;
      const auto low = take_hex();
      if (!low) return wrong("an escape without four hexadecimal digits");
      if (*low >= 0xDC00 && *low < 0xE000) {
        character = 0x10000 + ((character - 0xD800) << 10) + (*low - 0xDC00);
      } else {
        at_ = before;
      }
    }
    append_utf8(out, character >= 0xD800 && character < 0xE000 ? 0xFFFD : character);
    return ok_status();
  }
  Status parse_string(std::string& out) {
    ++at_;
    for (;;) {
      const size_t begin = at_;
      while (at_ < text_.size()) {
        const auto c = static_cast<unsigned char>(text_[at_]);
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
        ++at_;
      }
      out.append(text_.substr(begin, at_ - begin));
      if (at_ == text_.size()) return wrong("a string without its end");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c < 0x20) return wrong("a control character in a string");
      if (c >= 0x80) {
        const size_t length = utf8_length(text_.substr(at_));
        if (length == 0) return wrong("bytes that are no UTF-8");
        out.append(text_.substr(at_, length));
        at_ += length;
        continue;
      }
      ++at_;
      if (c == '"') return ok_status();
      COFFER_CHECK_OK(parse_escape(out));
    }
  }

  Status parse_array(Json& value, int depth) {
    if (depth == depth_max_) return wrong("more than " + std::to_string(depth_max_) + " levels");
    ++at_;
    value.type = Json::Type::kArray;
    value.at = static_cast<uint32_t>(at_);
    skip_space();
    if (take(']')) return ok_status();
    for (;;) {
      COFFER_CHECK_OK(parse_value(value.items.emplace_back(), depth + 1));
      skip_space();
      if (take(']')) return ok_status();
      if (!take(',')) return wrong("no ',' or ']'");
    }
  }
  Status parse_object(Json& value, int depth) {
    if (depth == depth_max_) return wrong("more than " + std::to_string(depth_max_) + " levels");
    ++at_;
    value.type = Json::Type::kObject;
    value.at = static_cast<uint32_t>(at_);
    skip_space();
    if (take('}')) return ok_status();
    for (;;) {
      skip_space();
      if (peek() != '"' || at_ == text_.size()) return wrong("no name of a member");
      JsonMember& member = value.members.emplace_back();
      COFFER_CHECK_OK(parse_string(member.name));
      skip_space();
      if (!take(':')) return wrong("no ':'");
      COFFER_CHECK_OK(parse_value(member.value, depth + 1));
      skip_space();
      if (take('}')) break;
      if (!take(',')) return wrong("no ',' or '}'");
    }
    if (duplicates_ == Duplicates::kLastWins) drop_duplicates(value.members);
    return ok_status();
  }

  std::string_view text_;
  Duplicates duplicates_;
  int depth_max_;
  size_t at_ = 0;
};

void write(std::string& out, const Json& value) {
  switch (value.type) {
    case Json::Type::kNull: out += "null"; break;
    case Json::Type::kFalse: out += "false"; break;
    case Json::Type::kTrue: out += "true"; break;
    case Json::Type::kNumber: out += value.text; break;
    case Json::Type::kString: write_json_string(out, value.text); break;
    case Json::Type::kArray:
      out += '[';
      for (size_t i = 0; i < value.items.size(); ++i) {
        if (i > 0) out += ',';
        write(out, value.items[i]);
      }
      out += ']';
      break;
    case Json::Type::kObject:
      out += '{';
      for (size_t i = 0; i < value.members.size(); ++i) {
        if (i > 0) out += ',';
        write_json_string(out, value.members[i].name);
        out += ':';
        write(out, value.members[i].value);
      }
      out += '}';
      break;
  }
}

}  // namespace

const Json* Json::find(std::string_view name) const {
  for (const JsonMember& member : members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}
Json* Json::find(std::string_view name) { return const_cast<Json*>(std::as_const(*this).find(name)); }

std::string_view Json::text_of(std::string_view name) const {
  const Json* member = find(name);
  return member && member->is_string() ? std::string_view(member->text) : std::string_view();
}

void Json::set(std::string_view name, Json value) {
  if (Json* member = find(name)) {
    *member = std::move(value);
    return;
  }
  members.push_back({std::string(name), std::move(value)});
}

Json Json::object() { return with(Type::kObject); }

Json Json::with(Type type) {
  Json value;
  value.type = type;
  return value;
}

Json Json::string(std::string_view text) {
  Json value = with(Type::kString);
  value.text = text;
  return value;
}

Result<Json> parse_json(std::string_view text, Duplicates duplicates, int depth_max) {
  return Parser(text, duplicates, depth_max).parse();
}

std::string write_json(const Json& value) {
  std::string out;
  write(out, value);
  return out;
}

void write_json_string(std::string& out, std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace coffer::events
