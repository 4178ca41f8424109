#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/base64.h"
#include "edge/wire/codec.h"
#include "edge/wire/sigv4_time.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr int64_t kSecondsMin = -62'135'596'800, kSecondsMax = 253'402'300'799;  // the years 1 to 9999

/// Bytes of the UTF-8 sequence at the front of `text`; 0: it is broken.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xC2 && first < 0xE0   ? 2
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong_or_surrogate = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
                                     (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F);
  return overlong_or_surrogate ? 0 : length;
}

/// How many bytes at the front are ASCII.
size_t ascii_length(std::string_view text) {
  size_t at = 0;
  for (uint64_t eight = 0; at + 8 <= text.size(); at += 8) {
    std::memcpy(&eight, text.data() + at, 8);
    if (eight & 0x8080808080808080U) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

template <class T>
std::optional<T> number_of(std::string_view text) {
  T number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<double> double_of(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  const std::optional<double> number = number_of<double>(text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<WallTime> parse_rfc822(std::string_view text) {
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return std::nullopt;
  const auto* month = std::find(std::begin(kMonths), std::end(kMonths), text.substr(8, 3));
  if (month == std::end(kMonths)) return std::nullopt;
  const std::string number = std::to_string(101 + (month - std::begin(kMonths)));
  std::string iso(text.substr(12, 4));
  iso.append("-").append(number.substr(1)).append("-").append(text.substr(5, 2)).append("T");
  iso.append(text.substr(17, 8)).append("Z");
  Result<WallTime> time = parse_utc(iso);
  return time.ok() ? std::optional<WallTime>(*time) : std::nullopt;
}

}  // namespace

const Member& member_of(const Shape& shape, std::string_view name) {
  for (const Member& member : shape.members) {
    if (member.name == name) return member;
  }
  throw std::logic_error("the model's " + std::string(shape.name) + " has no member " + std::string(name));
}

void check_type(const Shape& shape, const api::Value& value) {
  const bool fits = [&] {
    switch (shape.type) {
      case ShapeType::kStructure:
      case ShapeType::kMap: return value.is_object();
      case ShapeType::kList: return value.is_list();
      case ShapeType::kString: return value.get_if<std::string>() != nullptr;
      case ShapeType::kBlob: return value.get_if<Bytes>() != nullptr;
      case ShapeType::kBoolean: return value.get_if<bool>() != nullptr;
      case ShapeType::kInteger:
      case ShapeType::kLong: return value.get_if<int64_t>() != nullptr;
      case ShapeType::kFloat:
      case ShapeType::kDouble: return value.get_if<double>() || value.get_if<int64_t>();
      case ShapeType::kTimestamp: return value.get_if<WallTime>() != nullptr;
    }
    return false;
  }();
  if (!fits) throw std::logic_error("a service answered with another type than the model's " + std::string(shape.name));
}

bool is_utf8(std::string_view text) {
  for (;;) {
    text.remove_prefix(ascii_length(text));
    if (text.empty()) return true;
    const size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
}

std::string_view valid_utf8(std::string_view text, std::string& copy) {
  if (is_utf8(text)) return text;
  copy.clear();
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    copy.append(length ? text.substr(0, length) : std::string_view("\xEF\xBF\xBD"));
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return copy;
}

std::optional<WallTime> time_of_seconds(double seconds) {
  if (!(seconds >= static_cast<double>(kSecondsMin) && seconds <= static_cast<double>(kSecondsMax)))
    return std::nullopt;
  return WallTime{std::llround(seconds * 1e6)};
}

std::optional<WallTime> parse_timestamp(std::string_view text) {
  if (const std::optional<double> seconds = number_of<double>(text)) return time_of_seconds(*seconds);
  if (const std::optional<WallTime> time = parse_rfc822(text)) return time;
  Result<WallTime> time = parse_utc(text);
  return time.ok() ? std::optional<WallTime>(*time) : std::nullopt;
}

std::optional<api::Value> scalar_of(const Shape& shape, std::string_view text) {
  const auto value = [](auto&& found) {
    return found ? std::optional<api::Value>(std::move(*found)) : std::optional<api::Value>();
  };
  switch (shape.type) {
    case ShapeType::kString: return is_utf8(text) ? std::optional<api::Value>(text) : std::nullopt;
    case ShapeType::kBlob: return value(base64_decode(text));
    case ShapeType::kBoolean:
      if (text == "true" || text == "True") return api::Value(true);
      if (text == "false" || text == "False") return api::Value(false);
      return std::nullopt;
    case ShapeType::kInteger: {
      const std::optional<int32_t> number = number_of<int32_t>(text);
      return number ? std::optional<api::Value>(*number) : std::nullopt;
    }
    case ShapeType::kLong: return value(number_of<int64_t>(text));
    case ShapeType::kFloat:
    case ShapeType::kDouble: return value(double_of(text));
    case ShapeType::kTimestamp: return value(parse_timestamp(text));
    default: return std::nullopt;
  }
}

std::string format_timestamp(WallTime time, TimestampFormat format, bool millis_always) {
  // Rounded down to milliseconds, also before 1970.
  const int64_t all_millis = (time.micros - ((time.micros % 1000) + 1000) % 1000) / 1000;
  const auto with_fraction = [&](std::string text, int64_t millis) {
    if (millis || millis_always) text.append(".").append(std::to_string(1000 + millis), 1);
    return text;
  };
  if (format == TimestampFormat::kEpoch || format == TimestampFormat::kDefault) {
    const int64_t size = std::abs(all_millis);
    return with_fraction((all_millis < 0 ? "-" : "") + std::to_string(size / 1000), size % 1000);
  }
  const int64_t millis = ((all_millis % 1000) + 1000) % 1000;
  return format == TimestampFormat::kIso8601 ? with_fraction(format_utc(time).substr(0, 19), millis) + "Z"
                                             : format_http_date(time);
}

std::string text_of(const Shape& shape, const api::Value& value, TimestampFormat format) {
  check_type(shape, value);
  if (const auto* text = value.get_if<std::string>()) return *text;
  if (const auto* flag = value.get_if<bool>()) return *flag ? "true" : "false";
  if (const auto* number = value.get_if<int64_t>()) return std::to_string(*number);
  if (const auto* bytes = value.get_if<Bytes>()) return base64_encode(*bytes);
  if (const auto* time = value.get_if<WallTime>())
    return format_timestamp(*time, shape.timestamp != TimestampFormat::kDefault ? shape.timestamp : format);
  if (const auto* number = value.get_if<double>()) {
    if (std::isnan(*number)) return "NaN";
    if (std::isinf(*number)) return *number > 0 ? "Infinity" : "-Infinity";
    char buffer[64];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, *number).ptr};
  }
  return {};
}

}  // namespace coffer::wire
