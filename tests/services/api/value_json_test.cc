#include "services/api/value_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace coffer::api {
namespace {

Value back(const Value& value) {
  const std::string text = to_json(value);
  auto read = from_json(text);
  EXPECT_TRUE(read.ok()) << text;
  return read.ok() ? *read : Value("not read");
}

Value example() {
  Value rule = Value::object({{"ID", "a \"quoted\" \\ name\n\x01"}, {"Days", 30}, {"Enabled", true}});
  rule.set("Date", WallTime{1'790'000'000'123'456});
  rule.set("Digest", Bytes{std::byte{0}, std::byte{255}, std::byte{7}});
  rule.set("Share", 0.1);
  rule.set("$time", "a member's own name");
  rule.set("$$", "another");
  rule.set("", "the empty name");
  return Value::object({{"Rules", List{rule, Value(), Value(List{}), Value(Members{}), "text"}}, {"None", false}});
}

TEST(ValueJson, GivesBackEveryKindOfValue) {
  EXPECT_EQ(back(example()), example());
  for (const Value& one : {Value(), Value(true), Value(false), Value(0), Value(-1), Value(""), Value(Bytes{}),
                           Value(WallTime{-5}), Value(List{}), Value(Members{})})
    EXPECT_EQ(back(one), one);
  for (int64_t edge : {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()})
    EXPECT_EQ(back(Value(edge)), Value(edge));
}

TEST(ValueJson, KeepsDoublesApartFromIntegers) {
  for (double one : {0.0, 1.0, -3.0, 0.1, 1e300, 5e-324, 1e21, HUGE_VAL, -HUGE_VAL}) {
    EXPECT_EQ(back(Value(one)), Value(one)) << one;
    EXPECT_NE(back(Value(one)), Value(static_cast<int64_t>(1))) << one;
  }
  const Value minus_zero = back(Value(-0.0));
  ASSERT_TRUE(minus_zero.get_if<double>());
  EXPECT_TRUE(std::signbit(*minus_zero.get_if<double>()));
  const Value nan = back(Value(std::nan("")));
  ASSERT_TRUE(nan.get_if<double>());
  EXPECT_TRUE(std::isnan(*nan.get_if<double>()));
}

TEST(ValueJson, IsTheTextThatItWas) {
  EXPECT_EQ(to_json(Value::object({{"Status", "Enabled"}, {"Days", 3}})), R"({"Status":"Enabled","Days":3})");
  EXPECT_EQ(to_json(Value(WallTime{12})), R"({"$time":12})");
  EXPECT_EQ(to_json(Value(Bytes{std::byte{1}})), R"({"$bytes":"AQ=="})");
  EXPECT_EQ(to_json(Value::object({{"$x", 1}})), R"({"$$x":1})");
  EXPECT_EQ(to_json(Value(std::string("\0é", 3))), "\"\\u0000é\"");
}

TEST(ValueJson, EveryByteOfTextComesBack) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(back(Value(all)), Value(all));
}

TEST(ValueJson, RefusesEveryTruncation) {
  const std::string text = to_json(example());
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_EQ(from_json(text.substr(0, size)).code(), ErrorCode::kCorruption) << size;
}

TEST(ValueJson, WhateverItReadsIsWhatItWrites) {
  const std::string text = to_json(example());
  std::mt19937 random(6);
  for (int round = 0; round < 20'000; ++round) {
    std::string flipped = text;
    flipped[random() % flipped.size()] = static_cast<char>(random() % 128);
    const auto read = from_json(flipped);
    EXPECT_TRUE(!read.ok() || to_json(*read) == flipped) << flipped;
  }
}

TEST(ValueJson, RefusesWhatIsNotWrittenSo) {
  for (std::string_view text : {"",
                                " 1",
                                "1 ",
                                "01",
                                "-0",
                                "+1",
                                "1.",
                                "1.50",
                                ".5",
                                "9223372036854775808",
                                "1e400",
                                "nan",
                                "truex",
                                "tru",
                                R"("a)",
                                "\"\n\"",
                                R"("\n")",
                                R"("\u0041")",
                                R"("\u001F")",
                                R"("\u00g1")",
                                "[1,]",
                                "[1 ,2]",
                                "[",
                                R"({"a":})",
                                R"({"a":1,})",
                                R"({"a" :1})",
                                R"({a:1})",
                                R"({"$a":1})",
                                R"({"$time":1.5})",
                                R"({"$time":1,"b":2})",
                                R"({"$bytes":"AQ"})",
                                R"({"$bytes":1})",
                                R"({"$double":"1"})",
                                "nulll",
                                "{}{}"})
    EXPECT_EQ(from_json(text).code(), ErrorCode::kCorruption) << text;
}

TEST(ValueJson, DepthHasALimit) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(from_json(nested(50)).ok());
  EXPECT_EQ(from_json(nested(1000)).code(), ErrorCode::kCorruption);
  EXPECT_EQ(from_json(nested(1'000'000)).code(), ErrorCode::kCorruption);
}

}  // namespace
}  // namespace coffer::api
