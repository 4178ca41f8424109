#include "edge/wire/pattern_matcher.h"

#include <gtest/gtest.h>

#include <string>

#include "edge/wire/model.h"

namespace coffer::wire {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
  const auto matcher = PatternMatcher::compile(pattern);
  EXPECT_TRUE(matcher) << pattern;
  return matcher && matcher->matches(text);
}

TEST(PatternMatcher, MatchesTheWholeText) {
  EXPECT_TRUE(matches("[a-z]+", "abc"));
  EXPECT_FALSE(matches("[a-z]+", "abc1"));
  EXPECT_FALSE(matches("[a-z]+", "1abc"));
  EXPECT_FALSE(matches("[a-z]+", ""));
  EXPECT_TRUE(matches("^[a-z]*$", ""));
  EXPECT_TRUE(matches("a|bc|", "bc"));
  EXPECT_TRUE(matches("a|bc|", ""));
  EXPECT_FALSE(matches("a|bc|", "b"));
}

TEST(PatternMatcher, Counts) {
  EXPECT_TRUE(matches("\\d{12}", "123456789012"));
  EXPECT_FALSE(matches("\\d{12}", "12345678901"));
  EXPECT_FALSE(matches("\\d{12}", "1234567890123"));
  EXPECT_TRUE(matches("(ab){2,3}c?", "ababab"));
  EXPECT_FALSE(matches("(ab){2,3}c?", "abababab"));
  EXPECT_TRUE(matches("([a-z]+-){2,3}\\d+", "us-gov-east-1"));
  EXPECT_TRUE(matches("a{2,}", "aaaaa"));
  EXPECT_FALSE(matches("a{2,}", "a"));
}

TEST(PatternMatcher, ReadsClassesAsJavaDoes) {
  EXPECT_TRUE(matches("[\\w+=,.@-]+", "a_B9+=,.@-"));
  EXPECT_FALSE(matches("[\\w+=,.@-]+", "ä"));
  EXPECT_TRUE(matches("[0-9A-Za-z-_.]+", "a-_."));
  EXPECT_TRUE(matches("[\\w-.]+", "-.w"));
  EXPECT_FALSE(matches("[\\w-.]+", ","));
  EXPECT_TRUE(matches("[^/\\s]+", "abc"));
  EXPECT_FALSE(matches("[^/\\s]+", "a b"));
  EXPECT_TRUE(matches("[\\s\\S]*", "a\nb\r"));
  EXPECT_TRUE(matches("[\\u0020-\\u00FF]*", "aÿ"));
  EXPECT_FALSE(matches("[\\u0020-\\u00FF]*", "Ā"));
  EXPECT_TRUE(matches("[\\uD800\\uDC00-\\uDBFF\\uDFFF]", "😀"));
  EXPECT_TRUE(matches("[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", "Schlüssel 字 ½"));
  EXPECT_FALSE(matches("[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", "a#b"));
  EXPECT_FALSE(matches("[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*", "😀"));
  EXPECT_FALSE(matches(".*", "a\nb"));
  EXPECT_TRUE(matches("(?s).*", "a\nb"));
}

TEST(PatternMatcher, LooksAround) {
  const char* alias = "^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$";
  EXPECT_TRUE(matches(alias, "my-alias-1"));
  EXPECT_FALSE(matches(alias, "my--alias"));
  EXPECT_TRUE(matches("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "1a"));
  EXPECT_FALSE(matches("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "123"));
  EXPECT_TRUE(matches("[a-z.]*(?<!\\.)", "a.b"));
  EXPECT_FALSE(matches("[a-z.]*(?<!\\.)", "a.b."));
  EXPECT_TRUE(matches("(?=a)[a-z]+", "abc"));
  EXPECT_FALSE(matches("(?=a)[a-z]+", "bbc"));
  EXPECT_TRUE(matches("(?!a(?!b))[a-z]+", "abc"));
  EXPECT_FALSE(matches("(?!a(?!b))[a-z]+", "acc"));
}

TEST(PatternMatcher, ARepeatedLookAroundCostsNoMoreThanOne) {
  EXPECT_TRUE(matches("(a(?!.*--)){1,900}", std::string(900, 'a')));
  EXPECT_FALSE(matches("(a(?!.*--)|-){1,900}", std::string(800, 'a') + "--"));
}

TEST(PatternMatcher, RefusesWhatItDoesNotKnow) {
  for (const char* pattern : {"(a)\\1", "a++", "[a", "a)", "(a", "*a", "a{x}", "a{3,2}", "\\p{Foo}", "[a&&b]", "\\k<a>",
                              "a{99999}", "((a{1000}){1000}){1000}", "\\", "(?<name>a)", "[[a]b]"})
    EXPECT_FALSE(PatternMatcher::compile(pattern)) << pattern;
  EXPECT_FALSE(PatternMatcher::compile(std::string(1000, '(') + std::string(1000, ')')));
}

TEST(PatternMatcher, CompilesEveryPatternOfTheModels) {
  size_t count = 0;
  for (const ServiceModel& service : service_models()) {
    for (const OperationModel& operation : service.operations) {
      std::vector<const Shape*> open = {operation.input, operation.output};
      for (int depth = 0; depth < 4; ++depth) {
        std::vector<const Shape*> next;
        for (const Shape* shape : open) {
          if (!shape) continue;
          for (const Member& member : shape->members) next.push_back(member.shape);
          if (shape->pattern.empty()) continue;
          ++count;
          EXPECT_TRUE(PatternMatcher::compile(shape->pattern))
              << service.id << " " << shape->name << " " << shape->pattern;
        }
        open = std::move(next);
      }
    }
  }
  EXPECT_GT(count, 1000U);
}

TEST(PatternMatcher, TakesTimeInProportionToTheText) {
  // With a matcher that goes back these are exponential, and recursive ones run out of stack.
  const std::string many(100'000, 'a');
  EXPECT_FALSE(matches("(a*)*b", many));
  EXPECT_FALSE(matches("(a|a)*b", many));
  EXPECT_FALSE(matches("(a|aa)+$b", many));
  EXPECT_TRUE(matches("([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\\-]*[a-zA-Z0-9])*", many));
  EXPECT_TRUE(matches("(?!.*--)[a-z]+", many));
  EXPECT_FALSE(matches("(?!.*--)[a-z-]+", many + "--"));
}

}  // namespace
}  // namespace coffer::wire
