#include "services/api/value_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/base64.h"

namespace coffer::api {
namespace {

// Deeper than any document of a service model; keeps hostile rows from exhausting the stack.
constexpr int kDepthMax = 100;

void write_text(std::string_view text, std::string& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (code < 0x20 || code == 0x7f) {
      out += "\\u00";
      out += kDigits[code >> 4];
      out += kDigits[code & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

/// The shortest text that reads back as the same number, and that no integer has.
void write_double(double number, std::string& out) {
  if (!std::isfinite(number)) {
    out += std::isnan(number) ? R"({"$double":"nan"})" : number < 0 ? R"({"$double":"-inf"})" : R"({"$double":"inf"})";
    return;
  }
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number);
  const std::string_view written(text, static_cast<size_t>(end.ptr - text));
  out += written;
  if (written.find_first_of(".e") == std::string_view::npos) out += ".0";
}

void write(const Value& value, std::string& out) {
  if (const auto* flag = value.get_if<bool>()) {
    out += *flag ? "true" : "false";
  } else if (const auto* integer = value.get_if<int64_t>()) {
    out += std::to_string(*integer);
  } else if (const auto* number = value.get_if<double>()) {
    write_double(*number, out);
  } else if (const auto* text = value.get_if<std::string>()) {
    write_text(*text, out);
  } else if (const auto* bytes = value.get_if<Bytes>()) {
    out += R"({"$bytes":")" + base64_encode(*bytes) + R"("})";
  } else if (const auto* time = value.get_if<WallTime>()) {
    out += R"({"$time":)" + std::to_string(time->micros) + "}";
  } else if (const auto* items = value.get_if<List>()) {
    out += '[';
    for (const Value& item : *items) {
      if (&item != &items->front()) out += ',';
      write(item, out);
    }
    out += ']';
  } else if (const auto* members = value.get_if<Members>()) {
    out += '{';
    for (const auto& member : *members) {
      if (&member != &members->front()) out += ',';
      write_text(member.first.starts_with('$') ? "$" + member.first : member.first, out);
      out += ':';
      write(member.second, out);
    }
    out += '}';
  } else {
    out += "null";
  }
}

/// Reads exactly what write() writes. After the first mistake everything fails.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::optional<Value> all() {
    auto read = value(0);
    return read && at_ == text_.size() ? read : std::nullopt;
  }

 private:
  bool take(std::string_view expected) {
    if (!text_.substr(at_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }

  std::optional<Value> value(int depth) {
    if (depth > kDepthMax || at_ == text_.size()) return std::nullopt;
    switch (text_[at_]) {
      case '{': return object(depth);
      case '[': return list(depth);
      case '"': return text();
      case 't': return take("true") ? std::optional<Value>(true) : std::nullopt;
      case 'f': return take("false") ? std::optional<Value>(false) : std::nullopt;
      case 'n': return take("null") ? std::optional<Value>(Value()) : std::nullopt;
      default: return number();
    }
  }

  std::optional<std::string> text() {
    if (!take("\"")) return std::nullopt;
    std::string out;
    for (;;) {
      const size_t end = text_.find_first_of("\"\\", at_);
      if (end == std::string_view::npos) return std::nullopt;
      for (char c : text_.substr(at_, end - at_)) {
        if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') return std::nullopt;
      }
      out += text_.substr(at_, end - at_);
      at_ = end;
      if (take("\"")) return out;
      if (take("\\\"")) {
        out += '"';
      } else if (take("\\\\")) {
        out += '\\';
      } else if (take("\\u00")) {
        const auto c = control_character();
        if (!c) return std::nullopt;
        out += *c;
      } else {
        return std::nullopt;
      }
    }
  }

  std::optional<char> control_character() {
    const std::string_view digits = text_.substr(at_, 2);
    unsigned code = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (ec != std::errc() || digits.size() != 2 || end != digits.data() + 2) return std::nullopt;
    if ((code >= 0x20 && code != 0x7f) || digits.find_first_of("ABCDEF") != std::string_view::npos) return std::nullopt;
    at_ += 2;
    return static_cast<char>(code);
  }

  std::optional<int64_t> integer() {
    int64_t integer = 0;
    const auto [end, ec] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), integer);
    const auto size = static_cast<size_t>(end - text_.data()) - at_;
    // "007" and "-0" read as numbers, and are not what is written for them.
    if (ec != std::errc() || text_.substr(at_, size) != std::to_string(integer)) return std::nullopt;
    at_ += size;
    return integer;
  }

  std::optional<Value> number() {
    const size_t size = std::min(text_.find_first_not_of("+-.0123456789e", at_), text_.size()) - at_;
    const std::string_view written = text_.substr(at_, size);
    if (written.find_first_of(".e") == std::string_view::npos) {
      const auto read = integer();
      return read ? std::optional<Value>(*read) : std::nullopt;
    }
    double number = 0;
    const auto [end, ec] = std::from_chars(written.data(), written.data() + written.size(), number);
    if (ec != std::errc() || end != written.data() + written.size()) return std::nullopt;
    std::string again;
    write_double(number, again);
    if (again != written) return std::nullopt;
    at_ += size;
    return Value(number);
  }

  std::optional<Value> list(int depth) {
    List items;
    if (!take("[")) return std::nullopt;
    if (take("]")) return Value(std::move(items));
    for (;;) {
      auto item = value(depth + 1);
      if (!item) return std::nullopt;
      items.push_back(std::move(*item));
      if (take("]")) return Value(std::move(items));
      if (!take(",")) return std::nullopt;
    }
  }

  std::optional<Value> object(int depth) {
    if (take(R"({"$time":)")) {
      const auto micros = integer();
      return micros && take("}") ? std::optional<Value>(WallTime{*micros}) : std::nullopt;
    }
    if (take(R"({"$bytes":)")) {
      const auto encoded = text();
      auto bytes = encoded ? base64_decode(*encoded) : std::nullopt;
      return bytes && take("}") ? std::optional<Value>(std::move(*bytes)) : std::nullopt;
    }
    if (take(R"({"$double":"nan"})")) return Value(std::nan(""));
    if (take(R"({"$double":"inf"})")) return Value(HUGE_VAL);
    if (take(R"({"$double":"-inf"})")) return Value(-HUGE_VAL);
    Members members;
    if (!take("{")) return std::nullopt;
    if (take("}")) return Value(std::move(members));
    for (;;) {
      auto name = text();
      if (!name || !take(":")) return std::nullopt;
      if (name->starts_with('$')) {
        if (!name->starts_with("$$")) return std::nullopt;
        name->erase(0, 1);
      }
      auto member = value(depth + 1);
      if (!member) return std::nullopt;
      members.emplace_back(std::move(*name), std::move(*member));
      if (take("}")) return Value(std::move(members));
      if (!take(",")) return std::nullopt;
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::string to_json(const Value& value) {
  std::string out;
  write(value, out);
  return out;
}

Result<Value> from_json(std::string_view text) {
  if (auto value = Reader(text).all()) return std::move(*value);
  return Error{ErrorCode::kCorruption, "a stored document is not as it was written", {}};
}

}  // namespace coffer::api
