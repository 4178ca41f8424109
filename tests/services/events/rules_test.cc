// Buses, rules and targets as their API shows them.
#include "world.h"

namespace coffer::events {
namespace {

using Rules = World;

std::string message_of(const Result<Value>& result) { return result.ok() ? "" : result.error().message; }

TEST_F(Rules, TheDefaultBusIsThereFromTheStart) {
  EXPECT_EQ(must(events("DescribeEventBus")).text("Arn"), bus_arn("default"));
  EXPECT_EQ(must(events("ListEventBuses")).list("EventBuses").size(), 1U);
  EXPECT_EQ(error_of(events("DeleteEventBus", object({{"Name", "default"}}))), "ValidationException");
  EXPECT_EQ(error_of(events("CreateEventBus", object({{"Name", "default"}}))), "ResourceAlreadyExistsException");
}

TEST_F(Rules, ABusLivesUntilItsRulesAreGone) {
  EXPECT_EQ(must(events("CreateEventBus", object({{"Name", "app"}, {"Description", "d"}}))).text("EventBusArn"),
            bus_arn("app"));
  EXPECT_EQ(error_of(events("CreateEventBus", object({{"Name", "app"}}))), "ResourceAlreadyExistsException");
  rule("r", R"({"a":[1]})", {}, "app");
  EXPECT_EQ(error_of(events("DeleteEventBus", object({{"Name", "app"}}))), "ValidationException");
  must(events("DeleteRule", object({{"Name", "r"}, {"EventBusName", bus_arn("app")}})));
  must(events("DeleteEventBus", object({{"Name", "app"}})));
  must(events("DeleteEventBus", object({{"Name", "app"}})));  // gone is gone
  const auto described = events("DescribeEventBus", object({{"Name", "app"}}));
  EXPECT_EQ(error_of(described), "ResourceNotFoundException");
  EXPECT_EQ(message_of(described), "Event bus app does not exist.");
}

TEST_F(Rules, APutReplacesTheRuleAndKeepsTargetsAndTags) {
  const Value made = must(events("PutRule", object({{"Name", "r"},
                                                    {"EventPattern", R"({"a":[1]})"},
                                                    {"State", "DISABLED"},
                                                    {"Description", "d"},
                                                    {"Tags", iam::tags({{"k", "v"}})}})));
  EXPECT_EQ(made.text("RuleArn"), "arn:aws:events:us-east-1:" + kHome + ":rule/r");
  must(events("PutTargets", object({{"Rule", "r"}, {"Targets", api::List{target("1", function_arn())}}})));
  must(events("PutRule", object({{"Name", "r"}, {"EventPattern", R"({"a":[2]})"}, {"Tags", iam::tags({{"x", "y"}})}})));
  const Value rule = must(events("DescribeRule", object({{"Name", "r"}})));
  EXPECT_EQ(rule.text("State"), "ENABLED");
  EXPECT_FALSE(rule.has("Description"));
  EXPECT_EQ(rule.text("EventPattern"), R"({"a":[2]})");
  EXPECT_EQ(rule.text("EventBusName"), "default");
  EXPECT_EQ(rule.text("CreatedBy"), kHome);
  EXPECT_EQ(must(events("ListTargetsByRule", object({{"Rule", "r"}}))).list("Targets").size(), 1U);
  const Value tags = must(events("ListTagsForResource", object({{"ResourceARN", made.text("RuleArn")}})));
  ASSERT_EQ(tags.list("Tags").size(), 1U);
  EXPECT_EQ(tags.list("Tags")[0].text("Key"), "k");
}

TEST_F(Rules, WhatIsNoRuleIsRefused) {
  EXPECT_EQ(error_of(events("PutRule", object({{"Name", "r"}}))), "ValidationException");
  EXPECT_EQ(error_of(events("PutRule", object({{"Name", "r"}, {"EventPattern", "{"}}))),
            "InvalidEventPatternException");
  const auto schedule = events("PutRule", object({{"Name", "r"}, {"ScheduleExpression", "rate(10 minute)"}}));
  EXPECT_EQ(message_of(schedule), "Parameter ScheduleExpression is not valid.");
  must(events("CreateEventBus", object({{"Name", "app"}})));
  const auto elsewhere =
      events("PutRule", object({{"Name", "r"}, {"ScheduleExpression", "rate(1 hour)"}, {"EventBusName", "app"}}));
  EXPECT_EQ(message_of(elsewhere), "ScheduleExpression is supported only on the default event bus.");
  EXPECT_EQ(
      error_of(events("PutRule", object({{"Name", "r"}, {"EventPattern", "{\"a\":[1]}"}, {"EventBusName", "none"}}))),
      "ResourceNotFoundException");
  EXPECT_EQ(message_of(events("DescribeRule", object({{"Name", "r"}}))), "Rule r does not exist on EventBus default.");
}

TEST_F(Rules, ARuleWithTargetsStays) {
  rule("r", R"({"a":[1]})", {target("1", function_arn())});
  EXPECT_EQ(message_of(events("DeleteRule", object({{"Name", "r"}}))), "Rule can't be deleted since it has targets.");
  must(events("RemoveTargets", object({{"Rule", "r"}, {"Ids", texts({"1"})}})));
  must(events("DeleteRule", object({{"Name", "r"}})));
  must(events("DeleteRule", object({{"Name", "r"}})));
}

TEST_F(Rules, TargetsAreFiveAndOfKnownKinds) {
  rule("r", R"({"a":[1]})");
  const auto put_target = [&](const Value& one) {
    return events("PutTargets", object({{"Rule", "r"}, {"Targets", api::List{one}}}));
  };
  for (int i = 0; i < 5; ++i) must(put_target(target(std::to_string(i), function_arn())));
  must(put_target(target("4", function_arn("other"))));
  EXPECT_EQ(error_of(put_target(target("5", function_arn()))), "LimitExceededException");
  EXPECT_EQ(message_of(put_target(target("4", "nonsense"))),
            "Parameter nonsense is not valid. Reason: Provided Arn is not in correct format.");
  EXPECT_EQ(error_of(put_target(target("4", "arn:aws:sqs:us-east-1:" + kHome + ":q"))), "ValidationException");
  EXPECT_EQ(error_of(put_target(target("4", "arn:aws:scheduler:::aws-sdk:rds:startExportTask"))),
            "ValidationException");
  const auto both = put_target(target("4", function_arn(), object({{"Input", "1"}, {"InputPath", "$"}})));
  EXPECT_EQ(message_of(both), "Only one of Input, InputPath, or InputTransformer must be provided for target 4.");
  EXPECT_EQ(error_of(put_target(target(
                "4", function_arn(), object({{"DeadLetterConfig", object({{"Arn", "arn:aws:sqs:us-east-1:1:q"}})}})))),
            "ValidationException");
  const auto placeholder = put_target(
      target("4", function_arn(),
             object({{"InputTransformer",
                      object({{"InputPathsMap", object({{"a", "$.a"}})}, {"InputTemplate", "{\"x\":<b>}"}})}})));
  EXPECT_EQ(message_of(placeholder), "InputTemplate for target 4 contains invalid placeholder b.");
}

TEST_F(Rules, ListsComeInPages) {
  for (int i = 0; i < 7; ++i) rule("r" + std::to_string(i), R"({"a":[1]})", {target("t", function_arn())});
  rule("other", R"({"a":[1]})");
  std::vector<std::string> names;
  Value input = object({{"NamePrefix", "r"}, {"Limit", 3}});
  for (;;) {
    const Value page = must(events("ListRules", input));
    for (const Value& one : page.list("Rules")) names.emplace_back(one.text("Name"));
    if (!page.has("NextToken")) break;
    input.set("NextToken", page.text("NextToken"));
  }
  EXPECT_EQ(names.size(), 7U);
  EXPECT_EQ(must(events("ListRuleNamesByTarget", object({{"TargetArn", function_arn()}}))).texts("RuleNames").size(),
            7U);
  EXPECT_EQ(error_of(events("ListRules", object({{"NextToken", "nonsense"}}))), "ValidationException");
}

TEST_F(Rules, IamDecides) {
  const Keys reader = user("reader", allow("events:Describe*"));
  EXPECT_EQ(error_of(events(reader, "DescribeEventBus")), "");
  EXPECT_EQ(error_of(events(reader, "PutRule", object({{"Name", "r"}, {"EventPattern", R"({"a":[1]})"}}))),
            "permission_denied");
  const Keys writer = user("writer", allow("events:*"));
  EXPECT_EQ(error_of(events(writer, "PutRule", object({{"Name", "r"}, {"EventPattern", R"({"a":[1]})"}}))), "");
  EXPECT_EQ(
      error_of(events(
          writer, "PutRule",
          object({{"Name", "r"}, {"EventPattern", R"({"a":[1]})"}, {"RoleArn", "arn:aws:iam::111111111111:role/x"}}))),
      "permission_denied");  // iam:PassRole
}

TEST_F(Rules, RulesPerBusHaveALimit) {
  Options options;
  options.rules_per_bus = 2;
  open_events(options);
  rule("a", R"({"a":[1]})");
  rule("b", R"({"a":[1]})");
  EXPECT_EQ(error_of(events("PutRule", object({{"Name", "c"}, {"EventPattern", R"({"a":[1]})"}}))),
            "LimitExceededException");
  rule("b", R"({"a":[2]})");
}

TEST_F(Rules, PermissionsAreStatementsOfTheBusPolicy) {
  must(events("PutPermission", object({{"Action", "events:PutEvents"}, {"Principal", kOther}, {"StatementId", "s1"}})));
  must(events("PutPermission", object({{"Action", "events:PutEvents"}, {"Principal", "*"}, {"StatementId", "s2"}})));
  const Json policy = json(std::string(must(events("DescribeEventBus")).text("Policy")));
  ASSERT_EQ(policy.find("Statement")->items.size(), 2U);
  EXPECT_EQ(policy.find("Statement")->items[0].find("Principal")->text_of("AWS"), "arn:aws:iam::" + kOther + ":root");
  must(events("RemovePermission", object({{"StatementId", "s1"}})));
  EXPECT_EQ(error_of(events("RemovePermission", object({{"StatementId", "s1"}}))), "ResourceNotFoundException");
  must(events("RemovePermission", object({{"RemoveAllPermissions", true}})));
  EXPECT_FALSE(must(events("DescribeEventBus")).has("Policy"));
  EXPECT_EQ(error_of(events("PutPermission", object({{"Policy", "{\"Statement\":1}"}}))), "ValidationException");
  EXPECT_EQ(error_of(events("PutPermission", object({{"Policy", std::string(20'000, ' ')}}))),
            "PolicyLengthExceededException");
}

TEST_F(Rules, TestEventPatternAnswersWithoutABus) {
  const auto ask = [&](const std::string& pattern, const std::string& event) {
    return events("TestEventPattern", object({{"EventPattern", pattern}, {"Event", event}}));
  };
  const std::string event =
      R"({"id":"1","account":"1","source":"s","time":"t","region":"r","resources":[],"detail-type":"d","detail":{"n":1}})";
  EXPECT_TRUE(must(ask(R"({"detail":{"n":[1]}})", event)).flag("Result"));
  EXPECT_FALSE(must(ask(R"({"detail":{"n":[2]}})", event)).flag("Result"));
  EXPECT_EQ(message_of(ask(R"({"a":[1]})", R"({"id":"1"})")), "Parameter Event is not valid.");
  EXPECT_EQ(error_of(ask("[]", event)), "InvalidEventPatternException");
}

using PutEvents = World;

TEST_F(PutEvents, EachEntryHasItsAnswer) {
  EXPECT_EQ(put(root(), {entry("{}", "aws.backup"), entry("[]"), entry("{", "a"),
                         object({{"Detail", "{}"}, {"DetailType", "d"}})}),
            (std::vector<std::string>{"NotAuthorizedForSourceException", "MalformedDetail", "MalformedDetail",
                                      "InvalidArgument"}));
  Value unknown = entry("{}");
  unknown.set("EventBusName", "nowhere");
  EXPECT_EQ(put(root(), {unknown})[0].size(), 36U);
  EXPECT_EQ(deliver(), 1);
}

TEST_F(PutEvents, TheWholeHasALimit) {
  const std::string large = R"({"x":")" + std::string(256 * 1024, 'x') + "\"}";
  EXPECT_EQ(error_of(events("PutEvents", object({{"Entries", api::List{entry(large)}}}))), "ValidationException");
}

TEST_F(PutEvents, DeepDetailsPassAndDeeperOnesDoNot) {
  rule("r", R"({"source":["my.app"]})", {target("1", function_arn())});
  const auto nested = [](int depth) {
    std::string text = "{}";
    for (int i = 1; i < depth; ++i) text = "{\"a\":" + text + "}";
    return text;
  };
  EXPECT_EQ(put(nested(1000)).size(), 36U);
  EXPECT_EQ(put(nested(1001)), "MalformedDetail");
  deliver();
  EXPECT_EQ(reached_.size(), 1U);
}

TEST_F(PutEvents, OfDuplicateNamesTheLastCounts) {
  rule("r", R"({"detail":{"a":[2]}})", {target("1", function_arn())});
  put(R"({"a":1,"a":2})");
  put(R"({"a":2,"a":1})");
  deliver();
  EXPECT_EQ(reached_.size(), 1U);
}

}  // namespace
}  // namespace coffer::events
