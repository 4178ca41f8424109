#include "edge/wire/http.h"

#include <gtest/gtest.h>

#include <random>

namespace coffer::wire {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(Headers, AreFoundWithoutCaseAndTheFirstWins) {
  Headers headers;
  headers.add("X-Amz-Date", "one");
  headers.add("x-amz-date", "two");
  EXPECT_EQ(headers.get("X-AMZ-DATE"), "one");
  EXPECT_TRUE(headers.has("x-Amz-date"));
  EXPECT_FALSE(headers.has("x-amz-dat"));
  EXPECT_EQ(headers.get("host"), "");
}

TEST(Headers, SetReplacesAllOfTheName) {
  Headers headers;
  headers.add("A", "1");
  headers.add("a", "2");
  headers.add("b", "3");
  headers.set("A", "4");
  EXPECT_EQ(headers.fields().size(), 2U);
  EXPECT_EQ(headers.get("a"), "4");
}

TEST(Request, HasItsPathAndQueryApart) {
  Request request;
  request.target = "/a%20b/c?x=1&y=2?3";
  EXPECT_EQ(request.path(), "/a%20b/c");
  EXPECT_EQ(request.query(), "x=1&y=2?3");
  request.target = "/a";
  EXPECT_EQ(request.query(), "");
  EXPECT_EQ(request.path(), "/a");
}

TEST(PercentDecode, TakesEscapesOfBothCasesAndRefusesBrokenOnes) {
  EXPECT_EQ(percent_decode("a%2fb%2Fc%C3%A4"), "a/b/cä");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
  EXPECT_EQ(percent_decode(""), "");
  for (const char* broken : {"%", "%2", "%2g", "a%", "%%20", "% 20", "%-1"})
    EXPECT_FALSE(percent_decode(broken)) << broken;
}

TEST(PercentEncode, KeepsUnreservedCharactersAlone) {
  EXPECT_EQ(percent_encode("AZaz09-_.~ /+%ä"), "AZaz09-_.~%20%2F%2B%25%C3%A4");
  EXPECT_EQ(percent_encode("a b/c", true), "a%20b/c");
}

TEST(PercentDecode, UndoesEncodeForAnyBytes) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(percent_decode(percent_encode(bytes)), bytes);
    EXPECT_EQ(percent_decode(percent_encode(bytes, true), true), bytes);
  }
}

TEST(ParseQuery, GivesPairsInOrder) {
  EXPECT_EQ(parse_query("b=2&a=1&b=3", false), (Pairs{{"b", "2"}, {"a", "1"}, {"b", "3"}}));
  EXPECT_EQ(parse_query("uploads&x=&=y&&z=a=b", false), (Pairs{{"uploads", ""}, {"x", ""}, {"", "y"}, {"z", "a=b"}}));
  EXPECT_EQ(parse_query("a+b=c%20d", true), (Pairs{{"a b", "c d"}}));
  EXPECT_EQ(parse_query("", true), Pairs());
  EXPECT_FALSE(parse_query("a=%2", true));
  EXPECT_FALSE(parse_query("%zz=1", false));
}

}  // namespace
}  // namespace coffer::wire
