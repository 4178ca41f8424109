// What happens by the clock: schedules, archives, replays.
#include "world.h"

namespace coffer::events {
namespace {

using Schedules = World;

TEST_F(Schedules, ARateRunsOncePerPeriodAndOnlyForItsRule) {
  must(events("PutRule", object({{"Name", "r"}, {"ScheduleExpression", "rate(5 minutes)"}})));
  must(events("PutTargets", object({{"Rule", "r"}, {"Targets", api::List{target("1", function_arn())}}})));
  rule("all", R"({"source":["aws.events"]})", {target("1", function_arn("other"))});
  pass(std::chrono::minutes(16));
  ASSERT_EQ(reached_.size(), 3U);
  const Json event = json(reached_[0].payload());
  EXPECT_EQ(event.text_of("source"), "aws.events");
  EXPECT_EQ(event.text_of("detail-type"), "Scheduled Event");
  EXPECT_EQ(event.find("resources")->items.at(0).text, "arn:aws:events:us-east-1:" + kHome + ":rule/r");
  EXPECT_TRUE(event.find("detail")->members.empty());
  must(events("DisableRule", object({{"Name", "r"}})));
  pass(std::chrono::minutes(10));
  EXPECT_EQ(reached_.size(), 3U);
}

TEST_F(Schedules, RunsMissedWhileNobodyRanAreOne) {
  must(events("PutRule", object({{"Name", "r"}, {"ScheduleExpression", "rate(1 minute)"}})));
  must(events("PutTargets", object({{"Rule", "r"}, {"Targets", api::List{target("1", function_arn())}}})));
  pass(std::chrono::hours(5), std::chrono::hours(5));
  EXPECT_EQ(reached_.size(), 1U);
  pass(std::chrono::minutes(2));
  EXPECT_EQ(reached_.size(), 3U);
}

TEST_F(Schedules, ACronRunsAtItsTime) {
  must(events("PutRule", object({{"Name", "r"}, {"ScheduleExpression", "cron(0 5 * * ? *)"}})));
  must(events("PutTargets", object({{"Rule", "r"}, {"Targets", api::List{target("1", function_arn())}}})));
  pass(std::chrono::hours(48), std::chrono::minutes(10));
  ASSERT_EQ(reached_.size(), 2U);
  EXPECT_EQ(json(reached_[0].payload()).text_of("time").substr(11), "05:00:00Z");
  EXPECT_EQ(error_of(events("PutRule", object({{"Name", "x"}, {"ScheduleExpression", "at(2030-01-01T00:00:00)"}}))),
            "ValidationException");
}

class Archives : public World {
 protected:
  void make(const std::string& pattern = "", int days = 0) {
    Value input = object({{"ArchiveName", "a"}, {"EventSourceArn", bus_arn("default")}, {"RetentionDays", days}});
    if (!pattern.empty()) input.set("EventPattern", pattern);
    must(events("CreateArchive", input));
  }
  Result<Value> replay(const std::string& name, Value destination = {}) {
    if (destination.is_null()) destination = object({{"Arn", bus_arn("default")}});
    return events("StartReplay", object({{"ReplayName", name},
                                         {"EventSourceArn", "arn:aws:events:us-east-1:" + kHome + ":archive/a"},
                                         {"EventStartTime", WallTime{1'800'000'000'000'000} - std::chrono::hours(1)},
                                         {"EventEndTime", clock_.wall() + std::chrono::seconds(1)},
                                         {"Destination", std::move(destination)}}));
  }
  std::string state(const std::string& name) {
    return std::string(must(events("DescribeReplay", object({{"ReplayName", name}}))).text("State"));
  }
};

TEST_F(Archives, AReplayBringsBackWhatWasKept) {
  make(R"({"detail":{"keep":[true]}})");
  const std::string id = put(R"({"keep":true})");
  put(R"({"keep":false})");
  deliver();
  EXPECT_EQ(must(events("DescribeArchive", object({{"ArchiveName", "a"}}))).integer("EventCount"), 1);
  rule("late", R"({"source":["my.app"]})", {target("1", function_arn())});
  must(replay("again"));
  pass(std::chrono::seconds(2), std::chrono::seconds(1));
  ASSERT_EQ(reached_.size(), 1U);
  const Json event = json(reached_[0].payload());
  EXPECT_EQ(event.text_of("id"), id);
  EXPECT_EQ(event.text_of("replay-name"), "again");
  EXPECT_EQ(state("again"), "COMPLETED");
  EXPECT_EQ(must(events("DescribeArchive", object({{"ArchiveName", "a"}}))).integer("EventCount"), 1);  // not once more
  must(replay("third"));
  pass(std::chrono::seconds(2), std::chrono::seconds(1));
  EXPECT_EQ(reached_.size(), 2U);
}

TEST_F(Archives, AReplayCanBeForSomeRulesOnly) {
  make();
  put("{}");
  deliver();
  rule("a", R"({"source":["my.app"]})", {target("1", function_arn("a"))});
  rule("b", R"({"source":["my.app"]})", {target("1", function_arn("b"))});
  must(replay("r", object({{"Arn", bus_arn("default")},
                           {"FilterArns", texts({"arn:aws:events:us-east-1:111111111111:rule/b"})}})));
  pass(std::chrono::seconds(2), std::chrono::seconds(1));
  ASSERT_EQ(reached_.size(), 1U);
  EXPECT_EQ(reached_[0].input.text("FunctionName"), function_arn("b"));
}

TEST_F(Archives, ALargeReplayGoesOnInBatchesAndCanBeStopped) {
  make();
  for (int i = 0; i < 250; ++i) put("{}");
  deliver();
  rule("a", R"({"source":["my.app"]})", {target("1", function_arn("a"))});
  must(replay("r"));
  must(replay("stopped"));
  must(events("CancelReplay", object({{"ReplayName", "stopped"}})));
  pass(std::chrono::seconds(2), std::chrono::seconds(1));
  EXPECT_EQ(reached_.size(), 250U);
  EXPECT_EQ(state("stopped"), "CANCELLED");
  EXPECT_EQ(error_of(events("CancelReplay", object({{"ReplayName", "r"}}))), "IllegalStatusException");
}

TEST_F(Archives, RetentionForgets) {
  make("", 1);
  put("{}");
  deliver();
  pass(std::chrono::hours(25), std::chrono::hours(1));
  EXPECT_EQ(must(events("DescribeArchive", object({{"ArchiveName", "a"}}))).integer("EventCount"), 0);
  EXPECT_EQ(must(events("DescribeArchive", object({{"ArchiveName", "a"}}))).integer("SizeBytes"), 0);
}

TEST_F(Archives, WhatIsNoArchiveOrReplayIsRefused) {
  make();
  EXPECT_EQ(error_of(events("CreateArchive", object({{"ArchiveName", "a"}, {"EventSourceArn", bus_arn("default")}}))),
            "ResourceAlreadyExistsException");
  EXPECT_EQ(error_of(events("CreateArchive", object({{"ArchiveName", "b"}, {"EventSourceArn", bus_arn("none")}}))),
            "ResourceNotFoundException");
  EXPECT_EQ(
      error_of(events("CreateArchive",
                      object({{"ArchiveName", "b"}, {"EventSourceArn", bus_arn("default")}, {"EventPattern", "{}"}}))),
      "InvalidEventPatternException");
  EXPECT_EQ(error_of(replay("r", object({{"Arn", bus_arn("other")}}))), "ValidationException");
  must(replay("r"));
  EXPECT_EQ(error_of(replay("r")), "ResourceAlreadyExistsException");
  must(events("DeleteArchive", object({{"ArchiveName", "a"}})));
  EXPECT_EQ(error_of(events("DescribeArchive", object({{"ArchiveName", "a"}}))), "ResourceNotFoundException");
  pass(std::chrono::seconds(1), std::chrono::seconds(1));
  EXPECT_EQ(state("r"), "FAILED");
}

}  // namespace
}  // namespace coffer::events
