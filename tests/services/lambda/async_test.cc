#include <boost/json.hpp>

#include "services/lambda/world.h"

namespace coffer::lambda {
namespace {

namespace json = boost::json;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class Async : public World {
 protected:
  static constexpr const char* kBus = "arn:aws:events:us-east-1:111111111111:event-bus/default";
  void configure(const std::string& success, const std::string& failure, const Value& more = {}) {
    Value input = object({{"FunctionName", "f"},
                          {"DestinationConfig", object({{"OnSuccess", object({{"Destination", success}})},
                                                        {"OnFailure", object({{"Destination", failure}})}})}});
    for (const auto& [member, value] : more.entries()) input.set(member, value);
    must(lambda("PutFunctionEventInvokeConfig", input));
  }
  size_t runs() const { return executor_.invocations.size(); }
  int64_t waiting() {
    return must(read()->run("SELECT COUNT(*) FROM lambda_async"))[0].integer(0) +
           must(read()->run("SELECT COUNT(*) FROM work_items"))[0].integer(0);
  }
  json::object told_to_bus() {
    const auto all = inputs_of("PutEvents");
    if (all.empty()) return {};
    return json::parse(std::string(all.back().list("Entries")[0].text("Detail"))).as_object();
  }
};

TEST_F(Async, AnEventIsTakenAndRunLater) {
  create();
  EXPECT_EQ(must(send("f", R"({"n":1})")).integer("StatusCode"), 202);
  EXPECT_EQ(runs(), 0U);
  run_work();
  ASSERT_EQ(runs(), 1U);
  EXPECT_EQ(to_text(executor_.invocations[0].payload), R"({"n":1})");
  EXPECT_EQ(waiting(), 0);
}

TEST_F(Async, AFunctionErrorIsTriedAgainAfterOneAndTwoMinutesWithTheSameId) {
  create();
  executor_.fails = 3;
  must(send("f"));
  run_work();
  pass(seconds(59));
  EXPECT_EQ(runs(), 1U);
  pass(seconds(1));
  EXPECT_EQ(runs(), 2U);
  pass(seconds(119));
  EXPECT_EQ(runs(), 2U);
  pass(seconds(1));
  EXPECT_EQ(runs(), 3U);
  EXPECT_EQ(waiting(), 0);
  EXPECT_EQ(executor_.invocations[0].request_id, executor_.invocations[2].request_id);
}

TEST_F(Async, TheNumberOfRetriesIsTheFunctions) {
  create();
  configure("", kBus, object({{"MaximumRetryAttempts", 0}}));
  executor_.fails = 1;
  must(send("f", R"({"n":1})"));
  run_work();
  EXPECT_EQ(runs(), 1U);
  const json::object told = told_to_bus();
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.at("requestContext").at("condition"), "RetriesExhausted");
  EXPECT_EQ(told.at("requestContext").at("approximateInvokeCount"), 1);
  EXPECT_EQ(told.at("requestContext").at("functionArn").as_string(), arn("f", "$LATEST"));
  EXPECT_EQ(told.at("requestPayload").at("n"), 1);
  EXPECT_EQ(told.at("responseContext").at("functionError"), "Unhandled");
  EXPECT_EQ(told.at("responsePayload").at("errorType"), "ValueError");
  const Value entry = inputs_of("PutEvents")[0].list("Entries")[0];
  EXPECT_EQ(entry.text("Source"), "lambda");
  EXPECT_EQ(entry.text("DetailType"), "Lambda Function Invocation Result - Failure");
}

TEST_F(Async, ASuccessIsToldUnderTheFunctionsRole) {
  create();
  configure(kBus, "");
  executor_.answers = {R"({"done":true})"};
  must(send("f"));
  run_work();
  EXPECT_EQ(told_to_bus().at("requestContext").at("condition"), "Success");
  EXPECT_EQ(told_to_bus().at("responsePayload").at("done"), true);
  EXPECT_NE(callers_.back().find("assumed-role/fn/"), std::string::npos);
}

TEST_F(Async, ThrottlingIsTriedAgainWithGrowingDelaysUntilTheEventIsTooOld) {
  create();
  configure("", kBus, object({{"MaximumEventAgeInSeconds", 60}}));
  executor_.refuses = Error{ErrorCode::kThrottled, "no room", {}};
  must(send("f"));
  run_work();
  EXPECT_EQ(runs(), 1U);
  pass(seconds(1));
  EXPECT_EQ(runs(), 2U);
  pass(seconds(1));
  EXPECT_EQ(runs(), 2U);
  pass(seconds(1));
  EXPECT_EQ(runs(), 3U);
  for (int i = 0; i < 60; ++i) pass(seconds(2));
  EXPECT_EQ(told_to_bus().at("requestContext").at("condition"), "EventAgeExceeded");
  EXPECT_FALSE(told_to_bus().contains("responsePayload"));
  EXPECT_EQ(waiting(), 0);
}

TEST_F(Async, ThrottlingCostsNoRetries) {
  create();
  executor_.refuses = Error{ErrorCode::kUnavailable, "sandbox", {}};
  must(send("f"));
  for (int i = 0; i < 10; ++i) pass(minutes(6));
  EXPECT_EQ(waiting(), 2);
  executor_.refuses.reset();
  pass(minutes(6));
  EXPECT_EQ(waiting(), 0);
}

TEST_F(Async, ReservedConcurrencyOfZeroStopsAtOnce) {
  create();
  configure("", kBus);
  must(send("f"));
  must(lambda("PutFunctionConcurrency", object({{"FunctionName", "f"}, {"ReservedConcurrentExecutions", 0}})));
  run_work();
  EXPECT_EQ(runs(), 0U);
  EXPECT_EQ(told_to_bus().at("requestContext").at("condition"), "ZeroReservedConcurrency");
}

TEST_F(Async, AnotherFunctionIsADestination) {
  create();
  create("g");
  configure(arn("g"), "");
  must(send("f", R"({"n":7})"));
  run_work();
  ASSERT_EQ(runs(), 2U);
  EXPECT_EQ(json::parse(to_text(executor_.invocations[1].payload)).at("requestPayload").at("n"), 7);
}

TEST_F(Async, ABucketIsADestination) {
  create();
  configure("arn:aws:s3:::results", "");
  must(send("f"));
  run_work();
  ASSERT_EQ(inputs_of("PutObject").size(), 1U);
  EXPECT_EQ(inputs_of("PutObject")[0].text("Bucket"), "results");
  EXPECT_TRUE(inputs_of("PutObject")[0].text("Key").starts_with("aws/lambda/async/f/2027/01/15/2027-01-15T08.00.00-"));
  EXPECT_EQ(json::parse(put_).at("version"), "1.0");
}

TEST_F(Async, ALogGroupIsADestination) {
  create();
  configure("arn:aws:logs:us-east-1:111111111111:log-group:results", "");
  must(send("f"));
  run_work();
  ASSERT_EQ(inputs_of("PutLogEvents").size(), 1U);
  EXPECT_EQ(inputs_of("PutLogEvents")[0].text("logGroupName"), "results");
}

TEST_F(Async, ADestinationThatIsAwayIsToldLaterAndTheFunctionRunsOnce) {
  create();
  configure(kBus, "");
  failures_["PutEvents"] = {Error{ErrorCode::kUnavailable, "away", {}}};
  must(send("f"));
  run_work();
  EXPECT_EQ(waiting(), 2);
  pass(seconds(1));
  EXPECT_EQ(inputs_of("PutEvents").size(), 2U);
  EXPECT_EQ(runs(), 1U);
  EXPECT_EQ(waiting(), 0);
}

TEST_F(Async, ADestinationThatRefusesIsGivenUp) {
  create();
  configure(kBus, "");
  failures_["PutEvents"] = {Error{ErrorCode::kPermissionDenied, "no", {}}};
  must(send("f"));
  run_work();
  EXPECT_EQ(waiting(), 0);
}

TEST_F(Async, EventsOfADeletedFunctionGo) {
  create();
  must(send("f"));
  must(lambda("DeleteFunction", object({{"FunctionName", "f"}})));
  run_work();
  EXPECT_EQ(runs(), 0U);
  EXPECT_EQ(waiting(), 0);
}

TEST_F(Async, ARoleThatIsGoneIsAFailureForGood) {
  create();
  configure("", kBus);
  must(iam("DeleteRolePolicy", object({{"RoleName", "fn"}, {"PolicyName", "p"}})));
  must(iam("DeleteRole", object({{"RoleName", "fn"}})));
  must(send("f"));
  run_work();
  EXPECT_EQ(runs(), 1U);
  EXPECT_EQ(waiting(), 0);
}

TEST_F(Async, InvokeAsyncIsTheOldFormOfIt) {
  create();
  EXPECT_EQ(
      must(lambda("InvokeAsync", object({{"FunctionName", "f"}, {"InvokeArgs", to_bytes("{}")}}))).integer("Status"),
      202);
  run_work();
  EXPECT_EQ(runs(), 1U);
}

}  // namespace
}  // namespace coffer::lambda
