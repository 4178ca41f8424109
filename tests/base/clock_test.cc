#include "base/clock.h"

#include <random>

#include "base/testing.h"

namespace coffer {
namespace {

using std::chrono::seconds;

TEST(FormatUtc, WritesSecondsOrMicroseconds) {
  EXPECT_EQ(format_utc({0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_utc({1'795'521'600'000'000}), "2026-11-24T12:00:00Z");
  EXPECT_EQ(format_utc({1'795'521'600'000'001}, true), "2026-11-24T12:00:00.000001Z");
}

TEST(FormatUtc, RoundsDownBefore1970) {
  EXPECT_EQ(format_utc({-1}, true), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_utc({-1}), "1969-12-31T23:59:59Z");
}

TEST(ParseUtc, ReadsBackWhatFormatWrote) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    // The years 1800 to 2200.
    const WallTime time{static_cast<int64_t>(random() % 12'600'000'000'000'000) - 5'300'000'000'000'000};
    EXPECT_EQ(must(parse_utc(format_utc(time, true))), time);
  }
}

TEST(ParseUtc, AllFormsOfOneMomentAgree) {
  for (std::string_view text :
       {"2026-11-24T12:00:00Z", "2026-11-24 12:00:00Z", "2026-11-24T12:00Z", "2026-11-24T12:00:00.000Z",
        "2026-11-24 13:00:00+01", "2026-11-24T13:00:00+01:00", "2026-11-24T13:00:00+0100", "2026-11-24 06:30:00-05:30",
        "2026-11-24 12:00:00 +00", "2026-11-25T00:00:00+12"})
    EXPECT_EQ(format_utc(must(parse_utc(text))), "2026-11-24T12:00:00Z") << text;
}

TEST(ParseUtc, KeepsFractionsToTheMicrosecond) {
  EXPECT_EQ(must(parse_utc("1970-01-01T00:00:00.5Z")).micros, 500'000);
  EXPECT_EQ(must(parse_utc("1970-01-01T00:00:00.000001Z")).micros, 1);
}

// Without a zone a time means different moments to different people.
TEST(ParseUtc, TimeWithoutZoneIsRefused) {
  EXPECT_TRUE(fails_with(parse_utc("2026-11-24T12:00:00"), ErrorCode::kInvalidArgument, "zone"));
}

TEST(ParseUtc, OtherTextIsRefused) {
  for (std::string_view text : {"",
                                "now",
                                "2026",
                                "2026-13-01T00:00:00Z",
                                "2026-02-29T00:00:00Z",
                                "2026-00-10T00:00:00Z",
                                "2026-01-00T00:00:00Z",
                                "2026-01-01",
                                "2026-01-01T24:00:00Z",
                                "2026-01-01T00:60:00Z",
                                "2026-01-01T00:00:60Z",
                                "2026-01-01T00:00:00.Z",
                                "2026-01-01T00:00:00.1234567Z",
                                "2026-01-01T00:00:00Zjunk",
                                "2026-01-01T00:00:00+1",
                                "2026-01-01T00:00:00+16",
                                "2026-01-01T00:00:00+01:6",
                                "2026-01-01T00:00:00+01:60",
                                "-026-01-01T00:00:00Z",
                                "2026-1-1T00:00:00Z"})
    EXPECT_TRUE(fails_with(parse_utc(text), ErrorCode::kInvalidArgument)) << text;
}

TEST(ParseUtc, LeapDayExists) { EXPECT_TRUE(succeeds(parse_utc("2028-02-29T00:00:00Z"))); }

TEST(ParseUtc, EveryCutIsRefused) {
  const std::string_view text = "2026-11-24T12:00:00.250000+01:00";
  for (size_t size = 0; size < text.size(); ++size) {
    // "+01" and "+01:00" without its colon part are complete forms.
    if (text.substr(0, size).ends_with("+01")) continue;
    EXPECT_TRUE(fails_with(parse_utc(text.substr(0, size)), ErrorCode::kInvalidArgument)) << text.substr(0, size);
  }
}

TEST(ParseDuration, ReadsUnitsAndSums) {
  EXPECT_EQ(must(parse_duration("10s")), seconds(10));
  EXPECT_EQ(must(parse_duration("90m")), seconds(5400));
  EXPECT_EQ(must(parse_duration("36h")), seconds(36 * 3600));
  EXPECT_EQ(must(parse_duration("7d")), seconds(7 * 86400));
  EXPECT_EQ(must(parse_duration("2w")), seconds(14 * 86400));
  EXPECT_EQ(must(parse_duration("1d12h")), seconds(36 * 3600));
  EXPECT_EQ(must(parse_duration("0s")), seconds(0));
}

TEST(ParseDuration, OtherTextIsRefused) {
  for (std::string_view text :
       {"", "5", "d", "-1d", "+1d", "1 d", "1d ", "1y", "1.5h", "99999999999999999999s", "1dd", "1000000001s"})
    EXPECT_TRUE(fails_with(parse_duration(text), ErrorCode::kInvalidArgument)) << text;
}

TEST(FormatDuration, ShowsTheTwoLargestUnits) {
  EXPECT_EQ(format_duration(seconds(3)), "3 s");
  EXPECT_EQ(format_duration(seconds(240)), "4 min");
  EXPECT_EQ(format_duration(seconds(245)), "4 min 5 s");
  EXPECT_EQ(format_duration(seconds(2 * 3600 + 5 * 60 + 7)), "2 h 5 min");
  EXPECT_EQ(format_duration(seconds(6 * 86400 + 3 * 3600 + 59)), "6 d 3 h");
  EXPECT_EQ(format_duration(seconds(-60)), "-1 min");
}

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(WallTime{1'000'000});
  clock.sleep_for(seconds(2));
  clock.jump_to(WallTime{5});

  EXPECT_EQ(clock.wall(), WallTime{5});
  EXPECT_EQ(clock.mono().nanos, 2'000'000'000);
}

TEST(SystemClock, MonotonicTimeNeverGoesBack) {
  const SystemClock clock;
  MonoTime last = clock.mono();
  for (int i = 0; i < 1000; ++i) {
    const MonoTime now = clock.mono();
    EXPECT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace coffer
