#include "services/logs/world.h"

namespace coffer::logs {
namespace {

class Access : public World {
 protected:
  Access() { make("g", {"s"}); }
  static std::string policy(const std::string& principal, const std::string& action, const std::string& resource,
                            const std::string& more = "", const std::string& effect = "Allow") {
    return R"({"Version":"2012-10-17","Statement":[{"Sid":"same","Effect":")" + effect + R"(","Principal":)" +
           principal + R"(,"Action":)" + action + R"(,"Resource":")" + resource + "\"" + more + "}]}";
  }
  void put_policy(const std::string& name, const std::string& document) {
    must(logs("PutResourcePolicy", object({{"policyName", name}, {"policyDocument", document}})));
  }
  Value batch() {
    Value input = in("g", "s");
    input.set("logEvents", api::List{event(now(), "x")});
    return input;
  }
  const std::string events_ = R"({"Service":"events.amazonaws.com"})";
  const std::string write_ = R"(["logs:CreateLogStream","logs:PutLogEvents"])";
};

TEST_F(Access, PoliciesNameGroupsWithAStarAtTheEnd) {
  const Keys narrow = user("narrow", allow("logs:PutLogEvents", arn("g") + ":*"));
  EXPECT_EQ(error_of(logs(narrow, "PutLogEvents", batch())), "");
  EXPECT_EQ(error_of(logs(narrow, "GetLogEvents", in("g", "s"))), kDenied);
  const Keys of_stream = user("stream", allow("logs:*", arn("g") + ":log-stream:t"));
  EXPECT_EQ(error_of(logs(of_stream, "PutLogEvents", batch())), kDenied);
  EXPECT_EQ(error_of(logs(of_stream, "CreateLogStream", in("g", "t"))), "");
  EXPECT_EQ(error_of(logs(of_stream, "DescribeLogGroups")), kDenied);
  const Keys reader = user("reader", allow("logs:DescribeLogGroups", "*"));
  EXPECT_EQ(error_of(logs(reader, "DescribeLogGroups")), "");
}

TEST_F(Access, TaggingIsAskedForUnderTheGroupsOwnArn) {
  const Keys tagger = user("tagger", allow("logs:TagResource", arn("g")));
  const Value input = object({{"resourceArn", arn("g")}, {"tags", object({{"a", "1"}})}});
  EXPECT_EQ(error_of(logs(tagger, "TagResource", input)), "");
  EXPECT_EQ(error_of(logs(tagger, "ListTagsForResource", object({{"resourceArn", arn("g")}}))), kDenied);
}

TEST_F(Access, TagsOfAGroupAreConditionKeys) {
  const Keys by_tag = user("by-tag", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*",
    "Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"db"}}}]})");
  EXPECT_EQ(error_of(logs(by_tag, "PutLogEvents", batch())), kDenied);
  must(logs("TagResource", object({{"resourceArn", arn("g")}, {"tags", object({{"team", "db"}})}})));
  EXPECT_EQ(error_of(logs(by_tag, "PutLogEvents", batch())), "");
}

TEST_F(Access, AGroupThatIsMadeWithTagsNeedsTheRightToTag) {
  const Keys maker = user("maker", allow("logs:CreateLogGroup"));
  EXPECT_EQ(error_of(logs(maker, "CreateLogGroup", object({{"logGroupName", "a"}, {"tags", object({{"k", "v"}})}}))),
            kDenied);
  EXPECT_EQ(error_of(logs(maker, "CreateLogGroup", object({{"logGroupName", "a"}}))), "");
}

TEST_F(Access, AServiceWritesByAResourcePolicy) {
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "PutLogEvents", batch())), kDenied);
  put_policy("other", policy(R"({"Service":"delivery.logs.amazonaws.com"})", write_, arn("g") + ":*"));
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "PutLogEvents", batch())), kDenied);
  put_policy("events", policy(events_, write_, arn("g") + ":*"));
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "CreateLogStream", in("g", "new"))), "");
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "PutLogEvents", batch())), "");
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "GetLogEvents", in("g", "s"))), kDenied);
}

TEST_F(Access, ADenyInOnePolicyStandsAgainstAnotherOnesAllow) {
  put_policy("a", policy(events_, write_, "*"));
  put_policy("b", policy(events_, R"("logs:PutLogEvents")", "*", "", "Deny"));
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "PutLogEvents", batch())), kDenied);
}

TEST_F(Access, ConditionsOfAResourcePolicyCount) {
  put_policy("a",
             policy(events_, write_, "*",
                    R"(,"Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:us-east-1:111111111111:rule/r"}})"));
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "PutLogEvents", batch())), kDenied);
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "PutLogEvents", batch(),
                                "arn:aws:events:us-east-1:111111111111:rule/r")),
            "");
}

TEST_F(Access, AGroupHasAPolicyOfItsOwnWithRevisions) {
  make("h", {"s"});
  const std::string document = policy(events_, write_, arn("g") + ":*");
  const Value made = must(logs("PutResourcePolicy", object({{"resourceArn", arn("g")}, {"policyDocument", document}})));
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "PutLogEvents", batch())), "");
  EXPECT_EQ(error_of(logs(
                "PutResourcePolicy",
                object({{"resourceArn", arn("g")}, {"policyDocument", document}, {"expectedRevisionId", "stale"}}))),
            "OperationAbortedException");
  EXPECT_EQ(must(logs("DescribeResourcePolicies", object({{"resourceArn", arn("g")}}))).list("resourcePolicies").size(),
            1U);
  EXPECT_TRUE(must(logs("DescribeResourcePolicies")).list("resourcePolicies").empty());
  EXPECT_EQ(error_of(logs("DeleteResourcePolicy",
                          object({{"resourceArn", arn("g")}, {"expectedRevisionId", made.text("revisionId")}}))),
            "");
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "PutLogEvents", batch())), kDenied);
}

TEST_F(Access, AnotherAccountReadsByAResourcePolicy) {
  must(logs("PutResourcePolicy", object({{"resourceArn", arn("g")},
                                         {"policyDocument", policy(iam::aws("arn:aws:iam::" + kOther + ":root"),
                                                                   R"("logs:FilterLogEvents")", arn("g") + ":*")}})));
  const Value input = object({{"logGroupIdentifier", arn("g")}});
  EXPECT_EQ(error_of(logs(root(kOther), "FilterLogEvents", input)), "");
  EXPECT_EQ(error_of(logs(root(kOther), "DescribeLogStreams", input)), kDenied);
}

TEST_F(Access, ResourcePoliciesAreListedLimitedAndChecked) {
  for (int i = 0; i < 10; ++i) put_policy("p" + std::to_string(i), policy(events_, write_, "*"));
  EXPECT_EQ(error_of(logs("PutResourcePolicy",
                          object({{"policyName", "p10"}, {"policyDocument", policy(events_, write_, "*")}}))),
            "LimitExceededException");
  put_policy("p3", policy(events_, R"("logs:PutLogEvents")", "*"));
  const Value page = must(logs("DescribeResourcePolicies", object({{"limit", 6}})));
  EXPECT_EQ(page.list("resourcePolicies").size(), 6U);
  const Value rest =
      must(logs("DescribeResourcePolicies", object({{"limit", 6}, {"nextToken", page.text("nextToken")}})));
  EXPECT_EQ(rest.list("resourcePolicies").size(), 4U);
  EXPECT_FALSE(rest.has("nextToken"));
  EXPECT_EQ(error_of(logs("PutResourcePolicy", object({{"policyName", "p1"}, {"policyDocument", "{}"}}))),
            "InvalidParameterException");
  EXPECT_EQ(error_of(logs("PutResourcePolicy", object({{"policyName", "p1"}, {"policyDocument", "{"}}))),
            "InvalidParameterException");
  EXPECT_EQ(error_of(logs("DeleteResourcePolicy", object({{"policyName", "none"}}))), "ResourceNotFoundException");
  EXPECT_EQ(error_of(logs("DeleteResourcePolicy")), "InvalidParameterException");
}

}  // namespace
}  // namespace coffer::logs
