// Units, tables, exit codes: how numbers and names reach a person.
#include <gtest/gtest.h>

#include <set>

#include "edge/cli/exit_codes.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"

namespace coffer::cli {
namespace {

TEST(Units, BytesAreReadable) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(10 << 20), "10 MiB");
  EXPECT_EQ(human_bytes((uint64_t{1} << 30) - 1), "1.0 GiB");  // not "1024 MiB"
  EXPECT_EQ(human_bytes(1288490189), "1.2 GiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16 EiB");
}

TEST(Units, SizesAreReadAsPeopleWriteThem) {
  const std::pair<const char*, uint64_t> cases[] = {
      {"0", 0},  {"4096", 4096}, {"64k", 65536}, {"300M", 300u << 20}, {"1.5GiB", 3u << 29}, {"2 T", uint64_t{2} << 40},
      {"7B", 7}, {"1KiB", 1024}};
  for (const auto& [text, size] : cases) {
    auto parsed = parse_bytes(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, size) << text;
  }
  for (const char* text : {"", "M", "-1", "1X", "1MM", "1e30", "nan", "99999999999999G", "1 2", "0x10"})
    EXPECT_FALSE(parse_bytes(text).ok()) << text;
}

TEST(Units, NumbersHaveALimitAndNoSign) {
  EXPECT_EQ(*parse_number("--jobs", "12", 256), 12U);
  for (const char* text : {"", "-1", "+1", "257", "1.0", "99999999999999999999", " 1"})
    EXPECT_FALSE(parse_number("--jobs", text, 256).ok()) << text;
}

TEST(Units, AgesAreWords) {
  const WallTime now{100'000'000'000};
  EXPECT_EQ(age(now, now), "just now");
  EXPECT_EQ(age(now - std::chrono::minutes(4), now), "4 min ago");
  EXPECT_EQ(age(now + std::chrono::minutes(4), now), "in the future");
}

TEST(Table, AlignsByWhatIsSeenNotByBytes) {
  TextTable table({{"NAME"}, {"SIZE", true}, {"NOTE"}});
  table.add({"caf\xc3\xa9", "1.2 GiB", ""});
  table.add({"x", "17 B", "yes"});
  EXPECT_EQ(table.text(), "NAME     SIZE  NOTE\ncaf\xc3\xa9  1.2 GiB\nx        17 B  yes\n");
}

TEST(Printable, NothingSteersTheTerminal) {
  EXPECT_EQ(printable("a\x1b]0;evil\x07"
                      "b\n"),
            "a?]0;evil?b?");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "?31m");                       // CSI as one C1 character
  EXPECT_EQ(printable("\xff\xc3"), "??");  // no UTF-8
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f"
                      "e"),
            "gr\xc3\xbc\xc3\x9f"
            "e");
  EXPECT_EQ(printable_lines("one\n\ntwo\x07\n"), "one\n    two?");
}

TEST(Wrap, BreaksBetweenWordsOnly) {
  EXPECT_EQ(wrap("one two three", 9, 2), "  one two\n  three\n");
  EXPECT_EQ(wrap("averyveryverylongword", 5, 0), "averyveryverylongword\n");
  EXPECT_EQ(wrap("", 5, 0), "");
}

TEST(ExitCodes, EachErrorCodeHasOneOfTheTable) {
  std::set<int> listed;
  int last = -1;
  for (const ExitCode& e : exit_codes()) {
    EXPECT_GT(e.code, last);
    last = e.code;
    listed.insert(e.code);
  }
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    const int exit = exit_code_of(static_cast<ErrorCode>(code));
    EXPECT_TRUE(listed.contains(exit));
    EXPECT_NE(exit, kExitDone);
    EXPECT_NE(exit, kExitFindings);
  }
  EXPECT_EQ(exit_code_of(ErrorCode::kCorruption), 9);
  EXPECT_EQ(exit_code_of(ErrorCode::kNotProven), 10);
  EXPECT_EQ(exit_code_of(ErrorCode::kCancelled), 130);
}

}  // namespace
}  // namespace coffer::cli
