#include "services/policy/scalars.h"

#include <gtest/gtest.h>

namespace coffer::policy {
namespace {

TEST(Decimal, ComparesExactly) {
  const auto less = [](const char* a, const char* b) { return *parse_decimal(a) < *parse_decimal(b); };
  EXPECT_TRUE(less("9", "10"));
  EXPECT_TRUE(less("-10", "-9"));
  EXPECT_TRUE(less("-0.1", "0"));
  EXPECT_TRUE(less("1.09", "1.1"));
  EXPECT_TRUE(less("99999999999999999999998", "99999999999999999999999"));
  EXPECT_EQ(*parse_decimal("-0.0"), *parse_decimal("+00"));
  EXPECT_EQ(*parse_decimal("01.500"), *parse_decimal("1.5"));
}

TEST(Decimal, RefusesWhatIsNoNumber) {
  for (const char* text : {"", "-", "+", ".", "1.", ".5", "1e3", "0x10", " 1", "1 ", "1,5", "--1", "1.2.3", "NaN",
                           "ten", "11111111111111111111111111111111111111111111111111111111111111111"})
    EXPECT_FALSE(parse_decimal(text).has_value()) << text;
}

TEST(Date, ReadsTheFormsOfIso8601) {
  constexpr int64_t kSecond = 1'000'000;
  const std::pair<const char*, int64_t> cases[] = {{"1970", 0},
                                                   {"1970-01", 0},
                                                   {"1970-01-02", 86'400 * kSecond},
                                                   {"1970-01-01T00:01Z", 60 * kSecond},
                                                   {"1970-01-01T00:00:01", kSecond},
                                                   {"1970-01-01T00:00:01.25Z", kSecond + 250'000},
                                                   {"1970-01-01T00:00:00.1234567Z", 123'456},
                                                   {"1970-01-01T01:00:00+01:00", 0},
                                                   {"1969-12-31T23:30:00-00:30", 0},
                                                   {"2024-02-29T12:00:00Z", 1'709'208'000 * kSecond},
                                                   {"1709208000", 1'709'208'000 * kSecond},
                                                   {"0", 0}};
  for (const auto& [text, micros] : cases) EXPECT_EQ(parse_date_micros(text), micros) << text;
}

TEST(Date, RefusesWhatIsNoDate) {
  for (const char* text :
       {"", "now", "2023-02-29", "2024-13-01", "2024-00-01", "2024-01-32", "2024-1-1", "2024-01-01T", "2024-01-01T12",
        "2024-01-01T12:00:", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00+1", "2024-01-01T00:00:00Zx", "2024-01-01 00:00:00Z", "1234567890123", "-5"})
    EXPECT_FALSE(parse_date_micros(text).has_value()) << text;
}

TEST(AddressBlock, ContainsWhatSharesItsPrefix) {
  const auto contains = [](const char* block, const char* one) {
    return parse_address_block(block)->contains(*parse_address_block(one));
  };
  EXPECT_TRUE(contains("0.0.0.0/0", "255.1.2.3"));
  EXPECT_TRUE(contains("10.1.2.3/8", "10.255.0.0"));
  EXPECT_FALSE(contains("10.1.2.0/25", "10.1.2.128"));
  EXPECT_TRUE(contains("::/0", "2001:db8::1"));
  EXPECT_FALSE(contains("::/0", "10.0.0.1"));
  EXPECT_TRUE(contains("::ffff:10.0.0.0/104", "10.7.7.7"));
  EXPECT_FALSE(contains("10.0.0.0/24", "10.0.0.0/8"));
}

TEST(AddressBlock, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "/", "10.0.0", "10.0.0.0.0", "256.0.0.1", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
                           "10.0.0.0/8x", "::1/129", "fe80::1%eth0", "host", "*"})
    EXPECT_FALSE(parse_address_block(text).has_value()) << text;
}

}  // namespace
}  // namespace coffer::policy
