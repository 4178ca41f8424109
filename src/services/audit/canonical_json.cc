#include "services/audit/canonical_json.h"

#include <algorithm>

namespace coffer::audit {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

/// Bytes of the well-formed character that `text` begins with; 0 when there is none.
size_t character_size(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const uint8_t first = at(0), second = at(1);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies above U+10FFFF.
  const bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                     (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return wrong ? 0 : size;
}

void append_escaped(char c, std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '"':
    case '\\': out += {'\\', c}; return;
    case '\b': out += "\\b"; return;
    case '\t': out += "\\t"; return;
    case '\n': out += "\\n"; return;
    case '\f': out += "\\f"; return;
    case '\r': out += "\\r"; return;
    default: out += {'\\', 'u', '0', '0', kDigits[(c >> 4) & 15], kDigits[c & 15]};
  }
}

bool is_plain(char c) { return static_cast<signed char>(c) >= 0x20 && c != '"' && c != '\\'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string clean_text(std::string_view text, size_t size_max) {
  const auto is_ascii = [](char c) { return static_cast<signed char>(c) > 0; };
  if (text.size() <= size_max && std::all_of(text.begin(), text.end(), is_ascii)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const size_t size = text.front() == '\0' ? 0 : character_size(text);
    const std::string_view next = size ? text.substr(0, size) : kReplacement;
    if (out.size() + next.size() > size_max) break;
    out += next;
    text.remove_prefix(size ? size : 1);
  }
  return out;
}

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const size_t size = character_size(text);
    if (size > 1) {
      out += text.substr(0, size);
    } else if (size == 0) {
      out += kReplacement;
    } else {
      append_escaped(text.front(), out);
    }
    text.remove_prefix(size ? size : 1);
  }
  out += '"';
}

std::string_view JsonCursor::raw_string() {
  take('"');
  for (size_t i = 0; i < rest_.size(); ++i) {
    if (rest_[i] == '\\') {
      ++i;
    } else if (rest_[i] == '"') {
      const std::string_view inner = rest_.substr(0, i);
      rest_.remove_prefix(i + 1);
      return inner;
    }
  }
  fail();
  return {};
}

std::string JsonCursor::string() {
  std::string_view raw = raw_string();
  std::string out;
  out.reserve(raw.size());
  while (!raw.empty()) {
    const size_t plain = std::min(raw.find('\\'), raw.size());
    out += raw.substr(0, plain);
    raw.remove_prefix(plain);
    if (raw.size() < 2) break;
    const char kind = raw[1];
    raw.remove_prefix(2);
    static constexpr std::string_view kLetters = "\"\\btnfr", kMeanings = "\"\\\b\t\n\f\r";
    if (const size_t known = kLetters.find(kind); known != std::string_view::npos) {
      out += kMeanings[known];
    } else if (kind == 'u' && raw.starts_with("00") && raw.size() >= 4 && hex_digit(raw[2]) >= 0 &&
               hex_digit(raw[3]) >= 0) {
      out += static_cast<char>(hex_digit(raw[2]) * 16 + hex_digit(raw[3]));
      raw.remove_prefix(4);
    } else {
      fail();
      return {};
    }
  }
  return out;
}

std::string_view JsonCursor::skip() {
  const std::string_view begin = rest_;
  int depth = 0;
  do {
    if (rest_.empty()) {
      fail();
      return {};
    }
    const char c = rest_.front();
    if (c == '"') {
      raw_string();
    } else if (c == '{' || c == '[') {
      if (++depth > kDepthMax) fail();
      if (ok_) rest_.remove_prefix(1);
    } else if (c == '}' || c == ']') {
      if (--depth < 0) fail();
      if (ok_) rest_.remove_prefix(1);
    } else if (c == ',' || c == ':') {
      if (depth == 0) fail();
      if (ok_) rest_.remove_prefix(1);
    } else {
      const size_t end = std::min(rest_.find_first_of(",:{}[]\""), rest_.size());
      rest_.remove_prefix(end);
    }
  } while (ok_ && depth > 0);
  return ok_ ? begin.substr(0, begin.size() - rest_.size()) : std::string_view{};
}

}  // namespace coffer::audit
