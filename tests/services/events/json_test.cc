#include "services/events/json.h"

#include <gtest/gtest.h>

#include "services/events/numbers.h"

namespace coffer::events {
namespace {

std::string again(const std::string& text) {
  const auto parsed = parse_json(text);
  return parsed.ok() ? write_json(*parsed) : "";
}

TEST(Json, ComesBackAsItWas) {
  for (const char* text :
       {R"({"a":[1,2.50,-3e+7,12345678901234567890],"b":{"c":null,"d":[true,false,{}]},"":"x\"\\\n\t\u0001"})", "[]",
        "\"é\"", "0"})
    EXPECT_EQ(again(text), text);
}

TEST(Json, OfMembersWithOneNameTheLastCounts) { EXPECT_EQ(again(R"({"a":1,"b":2,"a":3})"), R"({"b":2,"a":3})"); }

TEST(Json, EscapesAreCharacters) {
  EXPECT_EQ(again(R"("\u00e9\ud83d\ude00\/\b")"), "\"é😀/\\u0008\"");
  EXPECT_EQ(again(R"("\ud83d x")"), "\"\xEF\xBF\xBD x\"");
}

TEST(Json, WhatIsNoJsonIsRefused) {
  for (const char* text :
       {"",         " ",   "{",     "[1,]", "{\"a\"}", "{\"a\":1,}", "01",       "1.",           "1e",
        "-",        "+1",  "nul",   "\"",   "\"\\x\"", "\"\\u12\"",  "\"\x01\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"",
        "\"\xFF\"", "1 2", "{a:1}", "NaN"})
    EXPECT_FALSE(parse_json(text).ok()) << text;
}

TEST(Json, DepthHasALimit) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(kJsonDepthMax)).ok());
  EXPECT_FALSE(parse_json(nested(kJsonDepthMax + 1)).ok());
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')).ok());
}

TEST(Numbers, OnlyThoseThatADoubleKeepsCompareByValue) {
  EXPECT_EQ(exact_number("300"), 300);
  EXPECT_EQ(exact_number("3.00e2"), 300);
  EXPECT_EQ(exact_number("0.1"), 0.1);
  EXPECT_EQ(exact_number("-0"), 0);
  EXPECT_EQ(exact_number("1e400"), std::nullopt);
  EXPECT_EQ(exact_number("12345678901234567890"), std::nullopt);
  EXPECT_EQ(exact_number("0.1000000000000000055511151231257827"), std::nullopt);
  EXPECT_EQ(exact_number("1e-5"), exact_number("0.00001"));
}

}  // namespace
}  // namespace coffer::events
