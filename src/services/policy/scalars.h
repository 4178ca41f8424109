// Numbers, dates and addresses, as conditions and requests write them.
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace coffer::policy {

/// An integer or decimal number of any size, kept exactly.
struct Decimal {
  bool negative = false;
  std::string whole, fraction;  // digits, without leading and trailing zeros
  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b);
  friend bool operator==(const Decimal& a, const Decimal& b) = default;
};
/// "-12.50": digits with an optional sign and fraction, at most 64 characters.
std::optional<Decimal> parse_decimal(std::string_view text);

/// Microseconds since 1970. ISO 8601 as W3C profiles it, from "2024" to "2024-02-29T10:00:00.5+01:00" (UTC when no zone
/// is given), or seconds since 1970 as digits; four digits are a year.
std::optional<int64_t> parse_date_micros(std::string_view text);

/// A block of addresses: 4 or 16 bytes and how many of its first bits count. IPv4 addresses that are mapped into IPv6
/// become IPv4.
struct AddressBlock {
  std::array<std::byte, 16> address{};
  int size_bytes = 0;
  int prefix_bits = 0;
  [[nodiscard]] bool contains(const AddressBlock& other) const;
};
/// "10.0.0.0/8", "2001:db8::1"; without a length it is one address.
std::optional<AddressBlock> parse_address_block(std::string_view text);

}  // namespace coffer::policy
