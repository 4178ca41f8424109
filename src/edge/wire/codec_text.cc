#include <charconv>
#include <cmath>

#include "base/base64.h"
#include "edge/wire/codec.h"

namespace coffer::wire {

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U; };
    const unsigned first = byte(0);
    const size_t length = first < 0x80                    ? 1
                          : first >= 0xC2 && first < 0xE0 ? 2
                          : first >= 0xE0 && first < 0xF0 ? 3
                          : first >= 0xF0 && first < 0xF5 ? 4
                                                          : 0;
    if (length == 0) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((byte(k) & 0xC0) != 0x80) return false;
    }
    if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) || (first == 0xF0 && byte(1) < 0x90) ||
        (first == 0xF4 && byte(1) > 0x8F))
      return false;
    i += length;
  }
  return true;
}

std::optional<api::Value> scalar_of(const Shape& shape, std::string_view text) {
  const char* end = text.data() + text.size();
  switch (shape.type) {
    case ShapeType::kString: return is_utf8(text) ? std::optional<api::Value>(text) : std::nullopt;
    case ShapeType::kBlob: {
      std::optional<Bytes> bytes = base64_decode(text);
      return bytes ? std::optional<api::Value>(std::move(*bytes)) : std::nullopt;
    }
    case ShapeType::kBoolean:
      if (text == "true" || text == "True") return api::Value(true);
      if (text == "false" || text == "False") return api::Value(false);
      return std::nullopt;
    case ShapeType::kInteger:
    case ShapeType::kLong: {
      int64_t number = 0;
      const auto [stop, failed] = std::from_chars(text.data(), end, number);
      if (failed != std::errc() || stop != end) return std::nullopt;
      if (shape.type == ShapeType::kInteger && (number > INT32_MAX || number < INT32_MIN)) return std::nullopt;
      return api::Value(number);
    }
    case ShapeType::kFloat:
    case ShapeType::kDouble: {
      double number = 0;
      const auto [stop, failed] = std::from_chars(text.data(), end, number);
      if (failed != std::errc() || stop != end) return std::nullopt;
      return api::Value(number);
    }
    case ShapeType::kTimestamp: {
      double seconds = 0;
      const auto [stop, failed] = std::from_chars(text.data(), end, seconds);
      if (failed == std::errc() && stop == end && std::abs(seconds) < 1e11)
        return api::Value(WallTime{std::llround(seconds * 1e6)});
      Result<WallTime> time = parse_utc(text);
      return time.ok() ? std::optional<api::Value>(*time) : std::nullopt;
    }
    default: return std::nullopt;
  }
}

std::string format_timestamp(WallTime time, TimestampFormat format) {
  if (format == TimestampFormat::kEpoch) {
    const int64_t millis = time.micros / 1000;
    std::string text = std::to_string(millis / 1000);
    if (const int64_t rest = millis % 1000; rest > 0) {
      const std::string digits = std::to_string(1000 + rest);
      text += "." + digits.substr(1);
    }
    return text;
  }
  const std::string iso = format_utc(time);
  if (format != TimestampFormat::kRfc822) return iso;
  static constexpr std::string_view kDays[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const int64_t days = time.micros / 86'400'000'000;
  const auto month = static_cast<size_t>((iso[5] - '0') * 10 + iso[6] - '0' - 1);
  return std::string(kDays[static_cast<size_t>(days % 7)]) + ", " + iso.substr(8, 2) + " " +
         std::string(kMonths[month]) + " " + iso.substr(0, 4) + " " + iso.substr(11, 8) + " GMT";
}

std::string text_of(const Shape& shape, const api::Value& value, TimestampFormat format) {
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
