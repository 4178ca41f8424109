#include "services/policy/scalars.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "services/policy/text.h"

namespace coffer::policy {
namespace {

template <class Int>
std::optional<Int> parse_digits(std::string_view text) {
  Int number = 0;
  if (!all_digits(text)) return std::nullopt;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Takes fixed-width parts off a date from the left.
class DateReader {
 public:
  explicit DateReader(std::string_view text) : left_(text) {}
  [[nodiscard]] bool done() const { return left_.empty(); }
  bool take(char c) {
    if (!left_.starts_with(c)) return false;
    left_.remove_prefix(1);
    return true;
  }
  /// A number of `width` digits up to `most`; nothing marks the whole date as wrong.
  std::optional<int> number(size_t width, int most) {
    const auto digits = parse_digits<int>(left_.substr(0, width));
    if (left_.size() < width || !digits || *digits > most) return std::nullopt;
    left_.remove_prefix(width);
    return digits;
  }
  /// Digits after a point, as microseconds; more than six are cut.
  std::optional<int64_t> fraction() {
    size_t size = 0;
    int64_t micros = 0, unit = 100'000;
    for (; size < left_.size() && is_digit(left_[size]); ++size, unit /= 10) micros += (left_[size] - '0') * unit;
    if (size == 0) return std::nullopt;
    left_.remove_prefix(size);
    return micros;
  }

 private:
  std::string_view left_;
};

std::optional<int64_t> parse_iso_micros(std::string_view text) {
  constexpr int64_t kSecond = 1'000'000, kMinute = 60 * kSecond, kHour = 60 * kMinute;
  DateReader reader(text);
  int month = 1, day = 1;
  int64_t micros = 0;
  const std::optional<int> year = reader.number(4, 9999);
  if (!year) return std::nullopt;
  const auto part = [&](size_t width, int most, int& value) {
    const std::optional<int> read = reader.number(width, most);
    if (read) value = *read;
    return read.has_value();
  };
  bool has_time = false;
  if (reader.take('-')) {
    if (!part(2, 12, month)) return std::nullopt;
    if (reader.take('-')) {
      if (!part(2, 31, day)) return std::nullopt;
      has_time = reader.take('T');
    }
  }
  if (has_time) {
    int hour = 0, minute = 0, second = 0;
    if (!part(2, 23, hour) || !reader.take(':') || !part(2, 59, minute)) return std::nullopt;
    if (reader.take(':')) {
      if (!part(2, 59, second)) return std::nullopt;
      if (reader.take('.')) {
        const std::optional<int64_t> fraction = reader.fraction();
        if (!fraction) return std::nullopt;
        micros = *fraction;
      }
    }
    micros += hour * kHour + minute * kMinute + second * kSecond;
    const bool plus = reader.take('+'), minus = !plus && reader.take('-');
    if (plus || minus) {
      if (!part(2, 23, hour) || !reader.take(':') || !part(2, 59, minute)) return std::nullopt;
      micros -= (plus ? 1 : -1) * (hour * kHour + minute * kMinute);
    } else {
      reader.take('Z');
    }
  }
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!reader.done() || !date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * 24 * kHour + micros;
}

}  // namespace

std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? std::strong_ordering::less : std::strong_ordering::greater;
  const auto by_size = [](const Decimal& x, const Decimal& y) {
    if (const auto order = x.whole.size() <=> y.whole.size(); order != 0) return order;
    if (const auto order = x.whole.compare(y.whole) <=> 0; order != 0) return order;
    return x.fraction.compare(y.fraction) <=> 0;
  };
  return a.negative ? by_size(b, a) : by_size(a, b);
}

std::optional<Decimal> parse_decimal(std::string_view text) {
  constexpr size_t kSizeMax = 64;
  if (text.size() > kSizeMax) return std::nullopt;
  Decimal number;
  number.negative = text.starts_with('-');
  if (number.negative || text.starts_with('+')) text.remove_prefix(1);
  const size_t point = text.find('.');
  std::string_view whole = text.substr(0, point);
  if (!all_digits(whole)) return std::nullopt;
  if (point != std::string_view::npos) {
    std::string_view fraction = text.substr(point + 1);
    if (!all_digits(fraction)) return std::nullopt;
    while (fraction.ends_with('0')) fraction.remove_suffix(1);
    number.fraction = fraction;
  }
  while (whole.starts_with('0')) whole.remove_prefix(1);
  number.whole = whole;
  if (number.whole.empty() && number.fraction.empty()) number.negative = false;
  return number;
}

std::optional<int64_t> parse_date_micros(std::string_view text) {
  constexpr size_t kYearDigits = 4, kEpochDigitsMax = 12;
  if (all_digits(text) && text.size() != kYearDigits) {
    if (text.size() > kEpochDigitsMax) return std::nullopt;
    const auto seconds = parse_digits<int64_t>(text);
    return seconds ? std::optional(*seconds * 1'000'000) : std::nullopt;
  }
  return parse_iso_micros(text);
}

std::optional<AddressBlock> parse_address_block(std::string_view text) {
  constexpr size_t kSizeMax = 64;
  static constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (text.size() > kSizeMax) return std::nullopt;
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  // inet_pton reads up to a NUL.
  if (address.find('\0') != std::string::npos) return std::nullopt;
  AddressBlock block;
  if (::inet_pton(AF_INET, address.c_str(), block.address.data()) == 1) {
    block.size_bytes = 4;
  } else if (::inet_pton(AF_INET6, address.c_str(), block.address.data()) == 1) {
    block.size_bytes = 16;
  } else {
    return std::nullopt;
  }
  block.prefix_bits = block.size_bytes * 8;
  if (slash != std::string_view::npos) {
    const auto bits = parse_digits<int>(text.substr(slash + 1));
    if (!bits || *bits > block.prefix_bits) return std::nullopt;
    block.prefix_bits = *bits;
  }
  constexpr int kMappedBits = 96;
  if (block.size_bytes == 16 && block.prefix_bits >= kMappedBits &&
      std::equal(kMapped.begin(), kMapped.end(), block.address.begin(),
                 [](unsigned char a, std::byte b) { return std::byte{a} == b; })) {
    std::copy(block.address.begin() + 12, block.address.end(), block.address.begin());
    block.size_bytes = 4;
    block.prefix_bits -= kMappedBits;
  }
  return block;
}

bool AddressBlock::contains(const AddressBlock& other) const {
  if (size_bytes != other.size_bytes || other.prefix_bits < prefix_bits) return false;
  int bits = prefix_bits;
  for (size_t i = 0; bits > 0; ++i, bits -= 8) {
    const auto mask = static_cast<std::byte>(bits >= 8 ? 0xff : 0xff << (8 - bits) & 0xff);
    if ((address[i] & mask) != (other.address[i] & mask)) return false;
  }
  return true;
}

}  // namespace coffer::policy
