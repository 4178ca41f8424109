#include "base/base64.h"
#include "services/lambda/world.h"

namespace coffer::lambda {
namespace {

class Invoke : public World {
 protected:
  void permit(const std::string& principal, const Value& more = {}) {
    Value input = object(
        {{"FunctionName", "f"}, {"StatementId", "s"}, {"Action", "lambda:InvokeFunction"}, {"Principal", principal}});
    for (const auto& [member, value] : more.entries()) input.set(member, value);
    must(lambda("AddPermission", input));
  }
  static constexpr const char* kRule = "arn:aws:events:us-east-1:111111111111:rule/r";
  Result<Value> from_rule(const std::string& rule = kRule) {
    return as_events(
        "Invoke", object({{"FunctionName", arn("f")}, {"InvocationType", "Event"}, {"Payload", to_bytes("{}")}}), rule);
  }
};

TEST_F(Invoke, TheResultIsTheAnswer) {
  create();
  executor_.answers = {R"({"x":1})"};
  const Value output = must(invoke("f", R"({"in":true})"));
  EXPECT_EQ(output.integer("StatusCode"), 200);
  EXPECT_EQ(to_text(output.blob("Payload")), R"({"x":1})");
  EXPECT_EQ(output.text("ExecutedVersion"), "$LATEST");
  EXPECT_FALSE(output.has("FunctionError"));
  EXPECT_FALSE(output.has("LogResult"));
  EXPECT_EQ(to_text(executor_.invocations.at(0).payload), R"({"in":true})");
  EXPECT_EQ(executor_.invocations.at(0).timeout, std::chrono::seconds(3));
}

TEST_F(Invoke, AFunctionsErrorIsASuccessfulCallWithAHeader) {
  create();
  executor_.fails = 1;
  const Value output = must(invoke("f"));
  EXPECT_EQ(output.text("FunctionError"), "Unhandled");
  EXPECT_EQ(to_text(output.blob("Payload")), R"({"errorMessage":"no","errorType":"ValueError"})");
}

TEST_F(Invoke, TailShowsTheEndOfTheLog) {
  create();
  executor_.log = std::string(5000, 'a') + "\nthe last line\n";
  const Value output = must(invoke("f", "{}", object({{"LogType", "Tail"}})));
  const std::string log = to_text(*base64_decode(output.text("LogResult")));
  EXPECT_EQ(log.size(), 4096U);
  EXPECT_NE(log.find("\nthe last line\nEND RequestId: "), std::string::npos);
  EXPECT_NE(log.find("\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t"),
            std::string::npos);
}

TEST_F(Invoke, WhatServesTheRuntimeIsSaidInTheLog) {
  create();
  const Value output = must(invoke("f", "{}", object({{"LogType", "Tail"}})));
  EXPECT_TRUE(to_text(*base64_decode(output.text("LogResult")))
                  .starts_with("INIT_START Runtime Version: python3.11 (for python3.8)\t"));
}

TEST_F(Invoke, ADryRunRunsNothing) {
  create();
  EXPECT_EQ(must(invoke("f", "{}", object({{"InvocationType", "DryRun"}}))).integer("StatusCode"), 204);
  EXPECT_TRUE(executor_.invocations.empty());
  EXPECT_EQ(error_of(invoke("g", "{}", object({{"InvocationType", "DryRun"}}))), "ResourceNotFoundException");
}

TEST_F(Invoke, PayloadsAreJsonOfALimitedSize) {
  create();
  EXPECT_EQ(error_of(invoke("f", "{nope")), "InvalidRequestContentException");
  EXPECT_EQ(error_of(invoke("f", "\"" + std::string(6'291'456, 'x') + "\"")), "RequestTooLargeException");
  EXPECT_EQ(error_of(invoke("f", "\"" + std::string(6'291'454, 'x') + "\"")), "");
  EXPECT_EQ(error_of(send("f", "\"" + std::string(1'048'576, 'x') + "\"")), "RequestTooLargeException");
  must(lambda("Invoke", object({{"FunctionName", "f"}})));
  EXPECT_EQ(to_text(executor_.invocations.back().payload), "{}");
}

TEST_F(Invoke, AClientContextIsJsonInBase64) {
  create();
  must(invoke("f", "{}", object({{"ClientContext", base64_encode(as_bytes(R"({"a":1})"))}})));
  EXPECT_EQ(executor_.invocations.back().client_context, R"({"a":1})");
  EXPECT_EQ(error_of(invoke("f", "{}", object({{"ClientContext", "%"}}))), "InvalidRequestContentException");
}

TEST_F(Invoke, AMissingFunctionIsNotFound) {
  EXPECT_EQ(must(lambda("ListFunctions")).list("Functions").size(), 0U);
  const auto result = invoke("nope");
  EXPECT_EQ(error_of(result), "ResourceNotFoundException");
  EXPECT_EQ(result.error().message, "Function not found: " + arn("nope"));
}

TEST_F(Invoke, NoRoomIsThrottling) {
  create();
  executor_.refuses = Error{ErrorCode::kThrottled, "no room", {}};
  const auto result = invoke("f");
  EXPECT_EQ(error_of(result), "TooManyRequestsException");
  EXPECT_EQ(api::reason_of(result.error()), "ConcurrentInvocationLimitExceeded");
}

TEST_F(Invoke, ReservedConcurrencyIsALimit) {
  create();
  must(lambda("PutFunctionConcurrency", object({{"FunctionName", "f"}, {"ReservedConcurrentExecutions", 1}})));
  std::string inner;
  executor_.meanwhile = [&] {
    executor_.meanwhile = nullptr;
    const auto second = invoke("f");
    inner = error_of(second) + " " + std::string(api::reason_of(second.error()));
  };
  must(invoke("f"));
  EXPECT_EQ(inner, "TooManyRequestsException ReservedFunctionConcurrentInvocationLimitExceeded");
  EXPECT_EQ(error_of(invoke("f")), "");
  must(lambda("PutFunctionConcurrency", object({{"FunctionName", "f"}, {"ReservedConcurrentExecutions", 0}})));
  EXPECT_EQ(error_of(invoke("f")), "TooManyRequestsException");
}

TEST_F(Invoke, AnEnvironmentHoldsTheFunctionsVariablesAndTheRolesCredentials) {
  create("f", object({{"Environment", object({{"Variables", object({{"COLOUR", "blue"}})}})}}));
  must(invoke("f"));
  const auto& all = executor_.content.variables;
  EXPECT_EQ(all.at("COLOUR"), "blue");
  EXPECT_EQ(all.at("AWS_LAMBDA_FUNCTION_NAME"), "f");
  EXPECT_EQ(all.at("AWS_EXECUTION_ENV"), "AWS_Lambda_python3.8");
  EXPECT_EQ(all.at("AWS_ENDPOINT_URL"), "http://127.0.0.1:9000");
  EXPECT_EQ(all.at("AWS_LAMBDA_LOG_STREAM_NAME"), "2027/01/15/[$LATEST]" + std::string(32, 'e'));
  const Keys keys{all.at("AWS_ACCESS_KEY_ID"), all.at("AWS_SECRET_ACCESS_KEY"), all.at("AWS_SESSION_TOKEN")};
  EXPECT_EQ(identity(keys)->caller.arn, "arn:aws:sts::111111111111:assumed-role/fn/f");
  EXPECT_TRUE(may(keys, "rds:StartExportTask"));
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(error_of(find(keys)), "ExpiredToken");
  EXPECT_LT(executor_.content.valid_until, clock_.wall());
}

TEST_F(Invoke, ARoleThatCannotBeAssumedStopsTheFunction) {
  create();
  must(iam("DeleteRolePolicy", object({{"RoleName", "fn"}, {"PolicyName", "p"}})));
  must(iam("DeleteRole", object({{"RoleName", "fn"}})));
  EXPECT_EQ(error_of(invoke("f")), kDenied);
}

TEST_F(Invoke, LinesGoToTheFunctionsGroupUnderItsRole) {
  create();
  executor_.log = "hello\n";
  failures_["PutLogEvents"] = {api::fault(ErrorCode::kNotFound, "ResourceNotFoundException", "no group")};
  failures_["CreateLogStream"] = {api::fault(ErrorCode::kNotFound, "ResourceNotFoundException", "no group")};
  must(invoke("f"));
  must(lambda_->write_logs(Context()));
  ASSERT_EQ(inputs_of("PutLogEvents").size(), 2U);
  const Value put = inputs_of("PutLogEvents")[1];
  EXPECT_EQ(put.text("logGroupName"), "/aws/lambda/f");
  EXPECT_EQ(put.text("logStreamName"), "2027/01/15/[$LATEST]" + std::string(32, 'e'));
  EXPECT_EQ(put.list("logEvents").at(2).text("message"), "hello");
  EXPECT_EQ(inputs_of("CreateLogGroup").size(), 1U);
  EXPECT_NE(callers_.back().find("assumed-role/fn/"), std::string::npos);
  asked_.clear();
  must(lambda_->write_logs(Context()));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(Invoke, LinesWaitWhileTheirServiceIsAway) {
  create();
  failures_["PutLogEvents"] = {Error{ErrorCode::kUnavailable, "away", {}}};
  must(invoke("f"));
  must(lambda_->write_logs(Context()));
  must(lambda_->write_logs(Context()));
  ASSERT_EQ(inputs_of("PutLogEvents").size(), 2U);
  EXPECT_EQ(inputs_of("PutLogEvents")[1], inputs_of("PutLogEvents")[0]);
  must(lambda_->write_logs(Context()));
  EXPECT_EQ(inputs_of("PutLogEvents").size(), 2U);
}

TEST_F(Invoke, ManyLinesGoInSeveralBatches) {
  create();
  for (int i = 0; i < 12'000; ++i) executor_.log += "x\n";
  executor_.log += std::string(300'000, 'y') + "\n";
  must(invoke("f"));
  must(lambda_->write_logs(Context()));
  const auto all = inputs_of("PutLogEvents");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].list("logEvents").size(), 10'000U);
  EXPECT_EQ(all[1].list("logEvents").size(), 2'005U);
}

TEST_F(Invoke, ARoleThatMayNotLogLeavesNoLines) {
  must(iam("DeleteRolePolicy", object({{"RoleName", "fn"}, {"PolicyName", "p"}})));
  create();
  must(invoke("f"));
  must(lambda_->write_logs(Context()));
  EXPECT_TRUE(inputs_of("PutLogEvents").empty());
}

TEST_F(Invoke, EventBridgeNeedsAPermissionForItsRule) {
  create();
  EXPECT_EQ(error_of(from_rule()), kDenied);
  permit("events.amazonaws.com", object({{"SourceArn", kRule}}));
  EXPECT_EQ(error_of(from_rule()), "");
  EXPECT_EQ(error_of(from_rule("arn:aws:events:us-east-1:111111111111:rule/other")), kDenied);
  must(lambda("RemovePermission", object({{"FunctionName", "f"}, {"StatementId", "s"}})));
  EXPECT_EQ(error_of(from_rule()), kDenied);
}

TEST_F(Invoke, AnotherAccountNeedsAPermissionAndItsOwnPolicies) {
  create();
  const Value input = object({{"FunctionName", arn("f")}});
  EXPECT_EQ(error_of(call_lambda(root(kOther), "Invoke", input)), kDenied);
  permit(kOther);
  EXPECT_EQ(error_of(call_lambda(root(kOther), "Invoke", input)), "");
  EXPECT_EQ(error_of(call_lambda(root(kOther), "GetFunction", input)), kDenied);
}

TEST_F(Invoke, APolicyIsShownAsAWSWritesIt) {
  create();
  EXPECT_EQ(error_of(lambda("GetPolicy", object({{"FunctionName", "f"}}))), "ResourceNotFoundException");
  permit("events.amazonaws.com", object({{"SourceArn", kRule}, {"SourceAccount", "111111111111"}}));
  const Value policy = must(lambda("GetPolicy", object({{"FunctionName", "f"}})));
  EXPECT_EQ(policy.text("Policy"),
            R"({"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"Service":)"
            R"("events.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":")" +
                arn("f") +
                R"(","Condition":{"StringEquals":{"AWS:SourceAccount":"111111111111"},"ArnLike":{"AWS:SourceArn":)"
                R"("arn:aws:events:us-east-1:111111111111:rule/r"}}}]})");
  EXPECT_EQ(error_of(lambda("AddPermission", object({{"FunctionName", "f"},
                                                     {"StatementId", "s"},
                                                     {"Action", "lambda:InvokeFunction"},
                                                     {"Principal", "events.amazonaws.com"}}))),
            "ResourceConflictException");
}

}  // namespace
}  // namespace coffer::lambda
