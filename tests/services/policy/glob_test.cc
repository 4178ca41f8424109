#include "services/policy/glob.h"

#include <gtest/gtest.h>

#include "services/policy/document.h"
#include "services/policy/random_situation.h"
#include "services/policy/reference_evaluator.h"

namespace coffer::policy::testing {
namespace {

std::string repeated(std::string_view text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string random_text(Chance& chance, std::string_view letters, size_t size_max, bool wide) {
  std::string text;
  for (size_t size = chance.number(size_max + 1); size > 0; --size) {
    if (wide && chance.one_in(4)) {
      text += chance.one_in(2) ? "é" : "א";
    } else {
      text += chance.pick(letters);
    }
  }
  return text;
}

TEST(Glob, AgreesWithRecursion) {
  int hits = 0;
  for (uint64_t seed = 0; seed < 50'000; ++seed) {
    Chance chance(seed);
    const bool wide = chance.one_in(3);
    const std::string pattern = random_text(chance, "ab*?", 7, wide), text = random_text(chance, "ab", 9, wide);
    const bool expected = reference_glob(pattern, text);
    hits += expected;
    ASSERT_EQ(glob_match(pattern, text), expected) << "'" << pattern << "' on '" << text << "'";
  }
  EXPECT_GT(hits, 1'000);
}

TEST(Glob, LongTextsAgreeWithRecursion) {
  // Long enough for the search by bits, few enough stars for recursion.
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Chance chance(seed);
    const std::string part = random_text(chance, "ab?", 100, false), pattern = "*" + part + "*" + part.substr(0, 3);
    std::string text = random_text(chance, "ab", 200, false);
    if (chance.one_in(2)) {
      std::string filled = part;
      for (char& c : filled) c = c == '?' ? chance.pick(std::string_view("ab")) : c;
      text.insert(chance.number(text.size() + 1), filled);
    }
    ASSERT_EQ(glob_match(pattern, text), reference_glob(pattern, text)) << "'" << pattern << "' on '" << text << "'";
  }
}

TEST(Glob, QuestionMarkIsOneCharacterOfAnySize) {
  EXPECT_TRUE(glob_match("a?c", "aéc"));
  EXPECT_TRUE(glob_match("a?c", "a€c"));
  EXPECT_FALSE(glob_match("a??c", "aéc"));
  EXPECT_TRUE(glob_match("*?", "é"));
  EXPECT_FALSE(glob_match("*??", "é"));
}

TEST(Glob, IgnoresCaseWhenAsked) {
  EXPECT_TRUE(glob_match("S3:get*", "s3:GetObject", true));
  EXPECT_FALSE(glob_match("S3:get*", "s3:GetObject", false));
}

TEST(Glob, EmptyPatternMatchesEmptyTextOnly) {
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_TRUE(glob_match("***", ""));
  EXPECT_FALSE(glob_match("?", ""));
}

// A text that holds the characters by which wildcards are kept inside must not act as one.
TEST(Glob, ControlCharactersAreLiteral) {
  EXPECT_FALSE(glob_match("a\x01", "abc"));
  EXPECT_TRUE(glob_match("a\x01", "a\x01"));
  EXPECT_FALSE(glob_match("\x02", "a"));
  EXPECT_TRUE(glob_match("*\x03?", "ab\x03z"));
  EXPECT_FALSE(glob_match("*\x03?", "abcz"));
}

TEST(Glob, WildcardsOfAPartStopAtColons) {
  Glob glob;
  glob.add("a");
  glob.add(Wildcard::kRunInPart);
  glob.add("b");
  glob.add(Wildcard::kOneInPart);
  EXPECT_TRUE(glob.match("abx"));
  EXPECT_TRUE(glob.match("a--bbé"));
  EXPECT_FALSE(glob.match("a:bx"));
  EXPECT_FALSE(glob.match("ab:"));
}

TEST(Glob, InvalidUtf8IsMatchedByteByByte) {
  EXPECT_TRUE(glob_match("*", "\xff\xfe"));
  EXPECT_TRUE(glob_match("\xff*", "\xff\x80\x80"));
  EXPECT_TRUE(glob_match("??", "\xff\xfe"));
  EXPECT_FALSE(glob_match("?", "\xff\xfe"));
}

// With backtracking these would not end in a lifetime.
TEST(Glob, HostilePatternsCostNoMoreThanTheirSize) {
  const std::string text(200'000, 'a');
  EXPECT_FALSE(glob_match(repeated("a*", 10'000) + "b", text));
  EXPECT_FALSE(glob_match(repeated("*a", 10'000) + "b*", text));
  EXPECT_TRUE(glob_match(repeated("*", 100'000), text));
  EXPECT_FALSE(glob_match("*" + repeated("a?", 2'000) + "b*", text));
  EXPECT_FALSE(glob_match(repeated("*?a", 1'000) + "*b*", text.substr(0, 20'000)));
  EXPECT_TRUE(glob_match(repeated("*?a", 1'000), text.substr(0, 20'000)));
}

}  // namespace
}  // namespace coffer::policy::testing
