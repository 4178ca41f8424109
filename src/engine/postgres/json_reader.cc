#include "engine/postgres/json_reader.h"

#include <charconv>
#include <cstdio>

namespace coffer::postgres {
namespace {

void append_utf8(std::string& out, uint32_t code) {
  auto byte = [&](uint32_t v) { out += static_cast<char>(v); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) return byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f));
  if (code < 0x10000) return byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f));
  byte(0xf0 | code >> 18);
  byte(0x80 | (code >> 12 & 0x3f));
  byte(0x80 | (code >> 6 & 0x3f));
  byte(0x80 | (code & 0x3f));
}

}  // namespace

Error JsonReader::wrong(std::string_view what) const {
  return {ErrorCode::kCorruption, "JSON, byte " + std::to_string(at_) + ": " + std::string(what), {}};
}

void JsonReader::skip_space() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
    ++at_;
}

bool JsonReader::take(char c) {
  skip_space();
  if (at_ == text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

Status JsonReader::expect(char c) {
  if (!take(c)) return wrong(std::string("'") + c + "' is missing");
  return ok_status();
}

Status JsonReader::end() {
  skip_space();
  if (at_ != text_.size()) return wrong("something follows the end");
  return ok_status();
}

Status JsonReader::object(const std::function<Status(const std::string& key)>& member) {
  COFFER_CHECK_OK(expect('{'));
  if (take('}')) return ok_status();
  do {
    COFFER_TRY(std::string key, string());
    COFFER_CHECK_OK(expect(':'));
    COFFER_CHECK_OK(member(key));
  } while (take(','));
  return expect('}');
}

Status JsonReader::array(const std::function<Status()>& element) {
  COFFER_CHECK_OK(expect('['));
  if (take(']')) return ok_status();
  do {
    COFFER_CHECK_OK(element());
  } while (take(','));
  return expect(']');
}

Result<uint64_t> JsonReader::number() {
  skip_space();
  size_t end = at_;
  while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9') ++end;
  uint64_t value = 0;
  auto [stop, error] = std::from_chars(text_.data() + at_, text_.data() + end, value);
  bool leading_zero = end - at_ > 1 && text_[at_] == '0';
  if (end == at_ || error != std::errc() || stop != text_.data() + end || leading_zero)
    return wrong("not a whole number");
  if (end < text_.size() && (text_[end] == '.' || text_[end] == 'e' || text_[end] == 'E'))
    return wrong("not a whole number");
  at_ = end;
  return value;
}

Result<uint32_t> JsonReader::hex4() {
  uint32_t value = 0;
  if (text_.size() - at_ < 4) return wrong("a cut escape");
  auto [stop, error] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, value, 16);
  if (error != std::errc() || stop != text_.data() + at_ + 4) return wrong("not four hexadecimal digits");
  at_ += 4;
  return value;
}

/// The rest of an escape, after its backslash.
Status JsonReader::escape(std::string& out) {
  if (at_ == text_.size()) return wrong("a cut escape");
  switch (char c = text_[at_++]) {
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
  COFFER_TRY(uint32_t code, hex4());
  if (code >= 0xd800 && code < 0xdc00) {
    if (text_.substr(at_, 2) != "\\u") return wrong("half of a surrogate pair");
    at_ += 2;
    COFFER_TRY(uint32_t low, hex4());
    if (low < 0xdc00 || low > 0xdfff) return wrong("half of a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xdc00 && code <= 0xdfff) {
    return wrong("half of a surrogate pair");
  }
  if (code == 0) return wrong("a NUL in a string");
  append_utf8(out, code);
  return ok_status();
}

Result<std::string> JsonReader::string() {
  COFFER_CHECK_OK(expect('"'));
  std::string out;
  for (;;) {
    if (at_ == text_.size()) return wrong("a string without end");
    char c = text_[at_++];
    if (c == '"') break;
    if (static_cast<unsigned char>(c) < 0x20) return wrong("a control character in a string");
    if (c == '\\') {
      COFFER_CHECK_OK(escape(out));
    } else {
      out += c;
    }
    if (out.size() > kStringSizeMax) return wrong("a string of more than 8 KiB");
  }
  if (!is_valid_utf8(out)) return wrong("a string that is not UTF-8");
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char escaped[8];
          std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
          out += escaped;
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    auto byte = [&](size_t at) { return static_cast<uint32_t>(static_cast<unsigned char>(text[at])); };
    uint32_t first = byte(i);
    size_t more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : 3;
    if (more == 3 && (first < 0xf0 || first > 0xf4)) return false;
    if (text.size() - i <= more) return false;
    uint32_t code = more == 0 ? first : first & (0x3f >> more);
    for (size_t k = 1; k <= more; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
      code = code << 6 | (byte(i + k) & 0x3f);
    }
    if (more == 2 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) return false;
    if (more == 3 && (code < 0x10000 || code > 0x10ffff)) return false;
    i += more + 1;
  }
  return true;
}

}  // namespace coffer::postgres
