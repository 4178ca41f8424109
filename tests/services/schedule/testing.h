// What the tests of schedules share.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "services/schedule/schedule.h"

namespace coffer::schedule {

inline WallTime at(std::string_view utc) {
  auto time = parse_utc(utc);
  EXPECT_TRUE(time.ok()) << utc;
  return time.ok() ? *time : WallTime{};
}

inline Schedule parsed(std::string_view expression) {
  auto schedule = Schedule::parse(expression);
  if (!schedule.ok()) throw std::logic_error(std::string(expression) + ": " + schedule.error().message);
  return *schedule;
}

inline Zone zone(std::string_view name) {
  auto found = Zone::find(name);
  if (!found.ok()) throw std::logic_error(found.error().message);
  return *found;
}

/// The next run as text, "never" when there is none.
inline std::string next(std::string_view expression, std::string_view after, std::string_view in_zone = "UTC") {
  const auto run = parsed(expression).next(at(after), zone(in_zone));
  return run ? format_utc(*run) : "never";
}

}  // namespace coffer::schedule
