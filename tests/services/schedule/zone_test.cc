#include <cstdlib>
#include <ctime>
#include <random>

#include "base/filesystem.h"
#include "services/schedule/testing.h"
#include "services/schedule/zone_times.h"

namespace coffer::schedule {
namespace {

constexpr const char* kZones[] = {"Europe/Berlin",     "America/New_York",  "Australia/Lord_Howe", "Asia/Kolkata",
                                  "America/Sao_Paulo", "Pacific/Apia",      "Africa/Casablanca",   "Europe/Dublin",
                                  "Antarctica/Troll",  "Asia/Tehran",       "America/Nuuk",        "Etc/GMT+5",
                                  "Africa/Monrovia",   "Pacific/Kiritimati"};

ZoneTimes times_of(const std::string& name) {
  PosixFileSystem files;
  return ZoneTimes::parse(files.read_file("/usr/share/zoneinfo/" + name).value()).value();
}

/// Runs `use` while the C library's local time is that of the zone.
template <class Use>
void in_zone_of_c(const char* name, Use use) {
  const char* before = std::getenv("TZ");
  const std::string kept = before ? before : "";
  setenv("TZ", name, 1);
  tzset();
  use();
  before ? setenv("TZ", kept.c_str(), 1) : unsetenv("TZ");
  tzset();
}

TEST(Zone, FindsWhatTheDatabaseHas) {
  EXPECT_EQ(zone("Europe/Berlin").name(), "Europe/Berlin");
  EXPECT_EQ(zone("").name(), "UTC");
  EXPECT_EQ(zone("UTC").name(), "UTC");
  EXPECT_EQ(zone("Etc/UTC").name(), "Etc/UTC");
}

TEST(Zone, RefusesEverythingElse) {
  for (const char* name :
       {"Europe/Atlantis", "Europe", "Europe/", "/etc/passwd", "../../../etc/passwd", "Europe/../UTC", "Europe//Berlin",
        "tzdata.zi", "zone.tab", ".", "Europe/Berlin\n", "right/Europe/Berlin"})
    EXPECT_EQ(Zone::find(name).ok() ? ErrorCode::kInternal : Zone::find(name).code(), ErrorCode::kInvalidArgument)
        << name;
  EXPECT_FALSE(Zone::find(std::string_view("UTC\0", 4)).ok());
  EXPECT_FALSE(Zone::find(std::string(10000, 'A')).ok());
}

TEST(ZoneTimes, ShowWhatTheCLibraryShows) {
  std::mt19937_64 random(1);
  for (const char* name : kZones) {
    const ZoneTimes times = times_of(name);
    in_zone_of_c(name, [&] {
      for (int i = 0; i < 3000; ++i) {
        const auto utc = static_cast<time_t>(random() % (uint64_t{7'258'118'400}));  // until 2200
        tm shown{};
        localtime_r(&utc, &shown);
        ASSERT_EQ(times.local(utc) - utc, shown.tm_gmtoff) << name << " " << utc;
      }
    });
  }
}

TEST(ZoneTimes, FirstUtcIsTheFirstOfTheMomentsThatShowALocalTime) {
  std::mt19937_64 random(2);
  for (const char* name : kZones) {
    const ZoneTimes times = times_of(name);
    for (int i = 0; i < 3000; ++i) {
      // Around a change of the offset, where there is anything to get wrong.
      const auto& changes = times.changes();
      const int64_t about = changes.size() > 1 ? changes[1 + random() % (changes.size() - 1)].from : 0;
      const int64_t local = about + static_cast<int64_t>(random() % 200'000) - 100'000;
      std::optional<int64_t> expected;
      for (const auto& change : changes) {
        const int64_t utc = local - change.offset;
        if (times.local(utc) == local && (!expected || utc < *expected)) expected = utc;
      }
      ASSERT_EQ(times.first_utc(local), expected) << name << " " << local;
      if (expected) {
        ASSERT_EQ(times.utc_counted_on(local), *expected);
      }
    }
  }
}

TEST(ZoneTimes, ACutFileIsRefusedAtEveryLength) {
  PosixFileSystem files;
  const Bytes file = files.read_file("/usr/share/zoneinfo/Europe/Berlin").value();
  for (size_t size = 0; size < file.size(); ++size)
    ASSERT_FALSE(ZoneTimes::parse(ByteView(file).first(size)).ok()) << size;
}

TEST(ZoneTimes, AFlippedByteDoesNoHarm) {
  PosixFileSystem files;
  const Bytes file = files.read_file("/usr/share/zoneinfo/Europe/Berlin").value();
  for (size_t at = 0; at < file.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      Bytes bad = file;
      bad[at] ^= static_cast<std::byte>(flip);
      if (auto times = ZoneTimes::parse(bad); times.ok()) {
        static_cast<void>(times->local(1'800'000'000));
        static_cast<void>(times->first_utc(1'800'000'000));
      }
    }
  }
}

TEST(ZoneRule, FormsOfPosix) {
  const auto at_2026 = [](const char* rule) {
    auto changes = changes_of_rule(rule, 2026, 2026);
    std::string shown;
    for (const OffsetChange& change : changes.value())
      shown += format_utc({change.from * 1'000'000}) + " " + std::to_string(change.offset) + ";";
    return shown;
  };
  EXPECT_EQ(at_2026("CET-1CEST,M3.5.0,M10.5.0/3"), "2026-03-29T01:00:00Z 7200;2026-10-25T01:00:00Z 3600;");
  EXPECT_EQ(at_2026("EST5EDT,M3.2.0,M11.1.0"), "2026-03-08T07:00:00Z -14400;2026-11-01T06:00:00Z -18000;");
  EXPECT_EQ(at_2026("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"), "2026-04-04T15:00:00Z 37800;2026-10-03T15:30:00Z 39600;");
  EXPECT_EQ(at_2026("AAA3BBB,J60/0,59/24"), "2026-03-01T03:00:00Z -7200;2026-03-02T02:00:00Z -10800;");
  EXPECT_EQ(at_2026("IST-1GMT0,M10.5.0,M3.5.0/1"), "2026-03-29T01:00:00Z 3600;2026-10-25T01:00:00Z 0;");
  EXPECT_EQ(at_2026("<-02>2<-01>,M3.5.0/-1,M10.5.0/0"), "2026-03-29T01:00:00Z -3600;2026-10-25T01:00:00Z -7200;");
  EXPECT_EQ(changes_of_rule("<+0545>-5:45", 2026, 2026).value().at(0).offset, 20700);
}

TEST(ZoneRule, RefusesWhatItDoesNotUnderstand) {
  const std::string whole = "CET-1CEST,M3.5.0,M10.5.0";
  for (size_t size = 0; size < whole.size(); ++size) {
    if (whole.substr(0, size) == "CET-1") continue;
    EXPECT_FALSE(changes_of_rule(whole.substr(0, size), 2026, 2026).ok()) << size;
  }
  for (const char* rule : {"", "C", "CET", "CET-1CEST", "CET-25CEST,M3.5.0,M10.5.0", "CET-1CEST,M13.5.0,M10.5.0",
                           "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,J0,J366", "CET--1",
                           "CET-1CEST,M3.5.0,M10.5.0,", "<CET-1", "CET-1CEST,M3.5.0/168,M10.5.0"})
    EXPECT_FALSE(changes_of_rule(rule, 2026, 2026).ok()) << rule;
}

TEST(CronInZones, ATimeThatTheClocksSkipInSpringDoesNotRun) {
  EXPECT_EQ(next("cron(30 2 * * ? *)", "2026-03-28T12:00:00Z", "Europe/Berlin"), "2026-03-30T00:30:00Z");
  EXPECT_EQ(next("cron(30 2 * * ? *)", "2026-03-07T12:00:00Z", "America/New_York"), "2026-03-09T06:30:00Z");
  EXPECT_EQ(next("cron(0 0 30 12 ? 2011)", "2011-01-01T00:00:00Z", "Pacific/Apia"), "never");  // a day that was not
  EXPECT_EQ(next("cron(* * * * ? *)", "2026-03-29T00:59:00Z", "Europe/Berlin"), "2026-03-29T01:00:00Z");
}

TEST(CronInZones, ATimeThatTheClocksShowTwiceInAutumnRunsOnce) {
  EXPECT_EQ(next("cron(30 2 * * ? *)", "2026-10-24T12:00:00Z", "Europe/Berlin"), "2026-10-25T00:30:00Z");
  EXPECT_EQ(next("cron(30 2 * * ? *)", "2026-10-25T00:30:00Z", "Europe/Berlin"), "2026-10-26T01:30:00Z");
  EXPECT_EQ(next("cron(30 1 * * ? *)", "2026-11-01T00:00:00Z", "America/New_York"), "2026-11-01T05:30:00Z");
  EXPECT_EQ(next("cron(30 1 * * ? *)", "2026-11-01T05:30:00Z", "America/New_York"), "2026-11-02T06:30:00Z");
  EXPECT_EQ(next("cron(* * * * ? *)", "2026-10-25T00:59:00Z", "Europe/Berlin"), "2026-10-25T02:00:00Z");
  EXPECT_EQ(next("cron(45 1 * * ? *)", "2026-04-04T00:00:00Z", "Australia/Lord_Howe"), "2026-04-04T14:45:00Z");
}

TEST(CronInZones, AnHourOfTheDayStaysThatHourAllYear) {
  EXPECT_EQ(next("cron(0 5 ? * * *)", "2026-01-15T12:00:00Z", "Europe/Berlin"), "2026-01-16T04:00:00Z");
  EXPECT_EQ(next("cron(0 5 ? * * *)", "2026-07-15T12:00:00Z", "Europe/Berlin"), "2026-07-16T03:00:00Z");
  EXPECT_EQ(next("cron(0 5 ? * * *)", "2150-07-15T12:00:00Z", "Europe/Berlin"), "2150-07-16T03:00:00Z");
  EXPECT_EQ(next("cron(0 5 ? * * *)", "2026-07-15T12:00:00Z", "Asia/Kolkata"), "2026-07-15T23:30:00Z");
  EXPECT_EQ(next("cron(0 23 L * ? *)", "2026-07-15T12:00:00Z", "America/New_York"), "2026-08-01T03:00:00Z");
}

}  // namespace
}  // namespace coffer::schedule
