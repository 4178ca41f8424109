// From an event to the function: what arrives, in which order, how often.
#include "world.h"

namespace coffer::events {
namespace {

using Delivery = World;

TEST_F(Delivery, AMatchingEventReachesTheFunctionWhole) {
  rule("r", R"({"source":["my.app"],"detail":{"state":["COMPLETED"]}})", {target("1", function_arn())});
  const std::string id = put(R"({"state":"COMPLETED","n":1.50})");
  put(R"({"state":"FAILED"})");
  deliver();
  ASSERT_EQ(reached_.size(), 1U);
  EXPECT_EQ(reached_[0].input.text("FunctionName"), function_arn());
  EXPECT_EQ(reached_[0].input.text("InvocationType"), "Event");
  EXPECT_EQ(reached_[0].call.caller.arn, "events.amazonaws.com");
  EXPECT_EQ(reached_[0].call.source_arn, "arn:aws:events:us-east-1:" + kHome + ":rule/r");
  EXPECT_EQ(reached_[0].call.source_account, kHome);
  EXPECT_EQ(reached_[0].payload(),
            R"({"version":"0","id":")" + id + R"(","detail-type":"T","source":"my.app","account":")" + kHome +
                R"(","time":")" + format_utc(clock_.wall()) +
                R"(","region":"us-east-1","resources":[],"detail":{"state":"COMPLETED","n":1.50}})");
  EXPECT_EQ(deliver(), 0);
  EXPECT_EQ(count("events_deliveries"), 0);
  EXPECT_EQ(count("events_messages"), 0);
}

TEST_F(Delivery, WhatAServiceTellsReachesTheDefaultBusOfItsAccount) {
  rule("r", R"({"source":["aws.backup"]})", {target("1", function_arn())});
  const std::string id = tell("aws.backup", object({{"state", "COMPLETED"}, {"$odd", 1}}), {"arn:aws:rds:x"});
  tell("aws.backup", object({}), {}, kOther);
  deliver();
  ASSERT_EQ(reached_.size(), 1U);
  const Json event = json(reached_[0].payload());
  EXPECT_EQ(event.text_of("id"), id);
  EXPECT_NE(event.find("detail")->find("$odd"), nullptr);
}

TEST_F(Delivery, EveryRuleAndEveryTargetGetsTheEventOnce) {
  rule("a", R"({"source":["my.app"]})", {target("1", function_arn("f1")), target("2", function_arn("f2"))});
  rule("b", R"({"detail":{"x":[1]}})", {target("1", function_arn("f3"))});
  put(R"({"x":1})");
  deliver();
  EXPECT_EQ(reached_.size(), 3U);
}

TEST_F(Delivery, ADisabledRuleSleeps) {
  rule("r", R"({"source":["my.app"]})", {target("1", function_arn())});
  must(events("DisableRule", object({{"Name", "r"}})));
  put("{}");
  deliver();
  EXPECT_TRUE(reached_.empty());
  must(events("EnableRule", object({{"Name", "r"}})));
  put("{}");
  deliver();
  EXPECT_EQ(reached_.size(), 1U);
}

TEST_F(Delivery, AFailureOfAMomentIsTriedAgain) {
  rule("r", R"({"source":["my.app"]})", {target("1", function_arn())});
  failures_ = {Error{ErrorCode::kThrottled, "slow down", {}}, Error{ErrorCode::kUnavailable, "away", {}}};
  const std::string id = put("{}");
  deliver();
  EXPECT_TRUE(reached_.empty());
  pass(std::chrono::seconds(10), std::chrono::seconds(1));
  ASSERT_EQ(reached_.size(), 1U);
  EXPECT_EQ(json(reached_[0].payload()).text_of("id"), id);
  EXPECT_TRUE(dead().empty());
}

TEST_F(Delivery, WhatIsForbiddenIsADeadLetterAtOnce) {
  resource_policy_ = policy_for(R"({"Service":"s3.amazonaws.com"})");
  rule("r", R"({"source":["my.app"]})", {target("1", function_arn())});
  const std::string id = put("{}");
  deliver();
  EXPECT_TRUE(reached_.empty());
  const auto letters = dead();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].error_code, "NO_PERMISSIONS");
  EXPECT_EQ(letters[0].event_id, id);
  EXPECT_EQ(letters[0].attempts, 1);
  EXPECT_EQ(letters[0].exhausted, "");
  EXPECT_EQ(json(letters[0].event).text_of("id"), id);
  EXPECT_EQ(count("events_deliveries"), 0);
}

TEST_F(Delivery, TheFunctionsPolicyCanNameTheRule) {
  resource_policy_ = policy_for(R"({"Service":"events.amazonaws.com"})",
                                R"(,"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:events:*:*:rule/good"}})");
  rule("good", R"({"source":["my.app"]})", {target("1", function_arn())});
  rule("bad", R"({"source":["my.app"]})", {target("1", function_arn())});
  put("{}");
  deliver();
  EXPECT_EQ(reached_.size(), 1U);
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_TRUE(dead()[0].rule_arn.ends_with("rule/bad"));
}

TEST_F(Delivery, RetriesEndWithTheirNumber) {
  rule("r", R"({"source":["my.app"]})",
       {target("1", function_arn(), object({{"RetryPolicy", object({{"MaximumRetryAttempts", 2}})}}))});
  failures_.assign(10, Error{ErrorCode::kUnavailable, "away", {}});
  put("{}");
  deliver();
  pass(std::chrono::minutes(5), std::chrono::seconds(1));
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].exhausted, "MaximumRetryAttempts");
  EXPECT_EQ(dead()[0].attempts, 3);
  EXPECT_EQ(failures_.size(), 7U);
}

TEST_F(Delivery, RetriesEndWithTheEventsAge) {
  rule("r", R"({"source":["my.app"]})",
       {target("1", function_arn(), object({{"RetryPolicy", object({{"MaximumEventAgeInSeconds", 60}})}}))});
  failures_.assign(200, Error{ErrorCode::kUnavailable, "away", {}});
  put("{}");
  deliver();
  pass(std::chrono::seconds(59), std::chrono::seconds(1));
  EXPECT_TRUE(dead().empty());
  pass(std::chrono::seconds(2), std::chrono::seconds(1));
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].exhausted, "MaximumEventAgeInSeconds");
}

TEST_F(Delivery, EventsOfOneResourceArriveInTheirOrder) {
  rule("r", R"({"source":["aws.backup"]})", {target("1", function_arn())});
  std::vector<std::string> first, second;
  for (int i = 0; i < 5; ++i) {
    first.push_back(tell("aws.backup", object({{"n", i}}), {"arn:one"}));
    second.push_back(tell("aws.backup", object({{"n", i}}), {"arn:two"}));
  }
  failures_ = {Error{ErrorCode::kUnavailable, "away", {}}};
  deliver();
  // The first of arn:one failed and holds back the others of it; those of arn:two went out.
  ASSERT_EQ(reached_.size(), 5U);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(json(reached_[i].payload()).text_of("id"), second[i]);
  pass(std::chrono::seconds(3), std::chrono::seconds(1));
  ASSERT_EQ(reached_.size(), 10U);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(json(reached_[5 + i].payload()).text_of("id"), first[i]);
}

TEST_F(Delivery, ALongRetryDoesNotHoldBackWhatComesAfterAMinute) {
  rule("r", R"({"source":["aws.backup"]})", {target("1", function_arn())});
  tell("aws.backup", object({}), {"arn:one"});
  failures_.assign(7, Error{ErrorCode::kUnavailable, "away", {}});
  deliver();
  const std::string later = tell("aws.backup", object({}), {"arn:one"});
  pass(std::chrono::seconds(58), std::chrono::seconds(1));
  EXPECT_TRUE(reached_.empty());
  pass(std::chrono::seconds(5), std::chrono::seconds(1));
  ASSERT_GE(reached_.size(), 1U);
}

TEST_F(Delivery, AProcessThatDiesBetweenSendingAndKnowingSendsAgainWithTheSameId) {
  rule("r", R"({"source":["my.app"]})", {target("1", function_arn())});
  const std::string id = put("{}");
  deliver();
  // As if the row that says "done" had not been written: the lease runs out, another process takes over.
  change([&](catalog::Transaction& t) -> Status {
    COFFER_TRY(const auto message, t.first("INSERT INTO events_messages (event) VALUES ($1) RETURNING id",
                                           {R"({"ingested":1,"passed":0,"event":)" + reached_[0].payload() + "}"}));
    return t.run(
                "INSERT INTO events_deliveries (message, event_id, account, region, bus, rule, target, order_key, "
                "lane, "
                "created, wake, attempts, holder, token, error_code, error_message) VALUES "
                "($1, $2, $3, 'us-east-1', 'default', 'r', '1', 'k', 0, $4, $5, 1, 'dead', 1, '', '')",
                {message->integer(0), id, kHome, clock_.wall(), clock_.wall() + std::chrono::seconds(60)})
                   .ok()
               ? ok_status()
               : Status(Error{});
  });
  deliver();
  EXPECT_EQ(reached_.size(), 1U);
  pass(std::chrono::seconds(61), std::chrono::seconds(61));
  ASSERT_EQ(reached_.size(), 2U);
  EXPECT_EQ(json(reached_[1].payload()).text_of("id"), id);
}

TEST_F(Delivery, AnEntryThatCannotBeReadStopsNothing) {
  rule("r", R"({"source":["my.app"]})", {target("1", function_arn())});
  change([&](catalog::Transaction& t) {
    return catalog::outbox_append(t, api::kEventTopic, "{\"no json", clock_.wall());
  });
  put("{}");
  deliver();
  EXPECT_EQ(reached_.size(), 1U);
  EXPECT_EQ(count("events_dead_letters"), 1);
}

TEST_F(Delivery, AfterARestartNothingIsMissing) {
  rule("r", R"({"source":["my.app"]})", {target("1", function_arn())});
  put("{}");
  open_events();
  deliver();
  EXPECT_EQ(reached_.size(), 1U);
}

TEST_F(Delivery, ATargetThatWasRemovedGetsNothingMore) {
  rule("r", R"({"source":["my.app"]})", {target("1", function_arn())});
  failures_ = {Error{ErrorCode::kUnavailable, "away", {}}};
  put("{}");
  deliver();
  must(events("RemoveTargets", object({{"Rule", "r"}, {"Ids", texts({"1"})}})));
  pass(std::chrono::seconds(5), std::chrono::seconds(1));
  EXPECT_TRUE(reached_.empty());
  EXPECT_EQ(count("events_deliveries"), 0);
}

}  // namespace
}  // namespace coffer::events
