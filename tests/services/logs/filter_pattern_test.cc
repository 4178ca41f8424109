#include "services/logs/filter_pattern.h"

#include <gtest/gtest.h>

#include <random>

namespace coffer::logs {
namespace {

bool matches(std::string_view pattern, std::string_view message) {
  auto parsed = FilterPattern::parse(pattern);
  EXPECT_TRUE(parsed.ok()) << pattern << ": " << parsed.error().message;
  return parsed.ok() && parsed->matches(message);
}

TEST(FilterTerms, AllOfThemMustBeThere) {
  EXPECT_TRUE(matches("", "anything"));
  EXPECT_TRUE(matches("ERROR", "[ERROR 400] BAD REQUEST"));
  EXPECT_FALSE(matches("ERROR", "an error"));  // case counts
  EXPECT_TRUE(matches("ERROR REQUEST", "[ERROR 400] BAD REQUEST"));
  EXPECT_FALSE(matches("ERROR missing", "[ERROR 400] BAD REQUEST"));
  EXPECT_TRUE(matches("\"BAD REQUEST\"", "[ERROR 400] BAD REQUEST"));
  EXPECT_FALSE(matches("\"REQUEST BAD\"", "[ERROR 400] BAD REQUEST"));
  EXPECT_TRUE(matches(R"("say \"hi\"")", R"(they say "hi")"));
}

TEST(FilterTerms, ExcludedOnesMustNot) {
  EXPECT_TRUE(matches("ERROR -ARGUMENTS", "ERROR MISSING"));
  EXPECT_FALSE(matches("ERROR -ARGUMENTS", "ERROR ARGUMENTS"));
  EXPECT_FALSE(matches("-\"two words\"", "has two words"));
}

TEST(FilterTerms, OptionalOnesCountWhenTheyStandAlone) {
  EXPECT_TRUE(matches("?ERROR ?WARN", "a WARN"));
  EXPECT_FALSE(matches("?ERROR ?WARN", "INFO"));
  EXPECT_TRUE(matches("?ERROR ?WARN INFO", "INFO"));
}

TEST(FilterJson, ComparesTextsNumbersAndWords) {
  const char* message =
      R"({"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","arrayKey":["value","another value"],)"
      R"("objectList":[{"name":"a","id":1},{"name":"b","id":2}],"SomeObject":null,"cluster.name":"c","ok":true,)"
      R"("no":false,"code":404,"latency":1.5,"nested":{"deep":{"x":"y"}}})";
  for (const char* pattern : {R"({ $.eventType = "UpdateTrail" })",
                              R"({$.eventType=UpdateTrail})",
                              R"({ $.eventType = "Update*" })",
                              R"({ $.sourceIPAddress != 123.123.* })",
                              R"({ $.arrayKey[0] = "value" })",
                              R"({ $.objectList[1].id = 2 })",
                              R"({ $.objectList[*].name = "b" })",
                              R"({ $.SomeObject IS NULL })",
                              R"({ $.SomeOtherObject NOT EXISTS })",
                              R"({ $.ok IS TRUE })",
                              R"({ $.no is false })",
                              R"({ $['cluster.name'] = "c" })",
                              R"({ $.code >= 404 })",
                              R"({ $.code = 404 })",
                              R"({ $.code = 404.0 })",
                              R"({ $.code = 4* })",
                              R"({ $.latency < 2 })",
                              R"({ $.nested.deep.x = y })",
                              R"({ $.code > 400 && $.eventType = "UpdateTrail" })",
                              R"({ ($.code = 1 || $.code = 404) && $.ok IS TRUE })",
                              R"({ $.code = 404 || $.x = 1 && $.y = 2 })"})
    EXPECT_TRUE(matches(pattern, message)) << pattern;
  for (const char* pattern :
       {R"({ $.eventType = "updateTrail" })", R"({ $.missing = "x" })", R"({ $.missing != "x" })",
        R"({ $.arrayKey[7] = "value" })", R"({ $.arrayKey = "value" })", R"({ $.eventType IS NULL })",
        R"({ $.SomeObject NOT EXISTS })", R"({ $.ok IS FALSE })", R"({ $.code < 404 })", R"({ $.eventType > 1 })",
        R"({ ($.code = 404 || $.x = 1) && $.y = 2 })"})
    EXPECT_FALSE(matches(pattern, message)) << pattern;
  EXPECT_FALSE(matches("{ $.x NOT EXISTS }", "no JSON at all"));
  EXPECT_FALSE(matches("{ $.x NOT EXISTS }", "{\"x\":"));
  EXPECT_FALSE(matches("{ $.x NOT EXISTS }", std::string(100'000, '[')));
}

TEST(FilterFields, AreTheWordsOfALine) {
  const char* line = R"(127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534)";
  for (const char* pattern :
       {"[ip, identity, user, time, request, status, bytes]", "[ip, ..., bytes]",
        "[ip, user_id, username, timestamp, request = *html*, status = 4*, bytes]", "[..., status = 404, bytes > 1000]",
        "[ip = \"127.0.0.1\", ...]", "[..., request = *index.html* , status_code = 4* || status_code = 5*, size]",
        "[ip != 10.*, ..., bytes >= 1534 && bytes < 2000]"})
    EXPECT_TRUE(matches(pattern, line)) << pattern;
  for (const char* pattern : {"[ip, user]", "[..., status = 5*, bytes]", "[..., bytes < 1000]",
                              "[a, b, c, d, e, f, g, h, ...]", "[..., bytes < 2000 && bytes > 1600]"})
    EXPECT_FALSE(matches(pattern, line)) << pattern;
}

TEST(FilterPattern, ExtractsWhatItNames) {
  EXPECT_EQ(FilterPattern::parse("{ $.code > 1 && $.name = * }")->extract(R"({"code":2,"name":"n"})"),
            (std::map<std::string, std::string>{{"$.code", "2"}, {"$.name", "n"}}));
  EXPECT_EQ(FilterPattern::parse("[a, ..., z]")->extract("1 2 3"),
            (std::map<std::string, std::string>{{"$a", "1"}, {"$z", "3"}}));
  EXPECT_TRUE(FilterPattern::parse("x")->extract("x").empty());
}

TEST(FilterPattern, RefusesWhatItDoesNotUnderstand) {
  for (const std::string& pattern : {std::string("\"open"),
                                     std::string("?"),
                                     std::string("-"),
                                     std::string("a\"b"),
                                     std::string("%regex%"),
                                     std::string("{"),
                                     std::string("{}"),
                                     std::string("{ $.x }"),
                                     std::string("{ $.x = }"),
                                     std::string("{ x = 1 }"),
                                     std::string("{ $ = 1 }"),
                                     std::string("{ $.x = 1 && }"),
                                     std::string("{ ($.x = 1 }"),
                                     std::string("{ $.x = 1) }"),
                                     std::string("{ $.x[ = 1 }"),
                                     std::string("{ $.x[y] = 1 }"),
                                     std::string("{ $.x IS MAYBE }"),
                                     std::string("{ $.x NOT }"),
                                     std::string("{ $.x < \"text\" }"),
                                     std::string("{ $.x = \"open }"),
                                     std::string("{ $.x = %a% }"),
                                     std::string("{ $.x = 1 } tail"),
                                     std::string("["),
                                     std::string("[]"),
                                     std::string("[a b]"),
                                     std::string("[a, ..., b, ...]"),
                                     std::string("[a,, b]"),
                                     std::string("[a = 1 && b = 2]"),
                                     std::string(1025, 'x'),
                                     "{ " + std::string(500, '(') + "$.x = 1" + std::string(500, ')') + " }"})
    EXPECT_FALSE(FilterPattern::parse(pattern).ok()) << pattern;
}

TEST(FilterPattern, SurvivesTextMadeToHurt) {
  std::mt19937 random(3);
  const std::string_view alphabet = "{}[]()$.'\"*=!<>&|?-%, \\ax0ISNULOTEX\xff\n";
  const std::string message = R"({"a":{"x":[0,"a",null,true]}} a x 0)";
  for (int i = 0; i < 30'000; ++i) {
    std::string text;
    for (size_t size = random() % 24; size > 0; --size) text.push_back(alphabet[random() % alphabet.size()]);
    for (const std::string& pattern : {text, "{ $." + text + "}", "[" + text + "]"}) {
      if (auto parsed = FilterPattern::parse(pattern); parsed.ok()) {
        static_cast<void>(parsed->matches(message));
        static_cast<void>(parsed->extract(message));
      }
    }
  }
}

TEST(FilterPattern, ManyStarsTakeNoTimeWithoutEnd) {
  std::string stars;
  for (int i = 0; i < 300; ++i) stars += "*a";
  EXPECT_FALSE(matches("{ $.x = " + stars + "b }", "{\"x\":\"" + std::string(100'000, 'a') + "\"}"));
}

}  // namespace
}  // namespace coffer::logs
