#include "services/logs/world.h"

namespace coffer::logs {
namespace {

class Groups : public World {
 protected:
  std::string names(const Value& output, const char* list = "logGroups", const char* member = "logGroupName") {
    std::string all;
    for (const Value& one : output.list(list)) all += (all.empty() ? "" : " ") + std::string(one.text(member));
    return all;
  }
  std::string listed(Value input) {
    std::string all;
    for (;;) {
      const Value page = must(logs("DescribeLogGroups", input));
      all += (all.empty() ? "" : " ") + names(page);
      if (!page.has("nextToken")) return all;
      input.set("nextToken", page.text("nextToken"));
    }
  }
};

TEST_F(Groups, TellWhatTheyAre) {
  must(logs("CreateLogGroup", object({{"logGroupName", "/aws/lambda/f"}})));
  must(logs("PutRetentionPolicy", object({{"logGroupName", "/aws/lambda/f"}, {"retentionInDays", 7}})));
  const Value group = must(logs("DescribeLogGroups")).list("logGroups").at(0);
  EXPECT_EQ(group.text("logGroupName"), "/aws/lambda/f");
  EXPECT_EQ(group.text("arn"), arn("/aws/lambda/f") + ":*");
  EXPECT_EQ(group.text("logGroupArn"), arn("/aws/lambda/f"));
  EXPECT_EQ(group.integer("retentionInDays"), 7);
  EXPECT_EQ(group.integer("creationTime"), now());
  EXPECT_EQ(group.integer("storedBytes"), 0);
  EXPECT_EQ(group.text("logGroupClass"), "STANDARD");
}

TEST_F(Groups, ANameIsTakenOnceAndFreeAgainAfterDeletion) {
  make("g");
  EXPECT_EQ(error_of(logs("CreateLogGroup", object({{"logGroupName", "g"}}))), "ResourceAlreadyExistsException");
  must(logs("DeleteLogGroup", object({{"logGroupName", "g"}})));
  EXPECT_EQ(error_of(logs("DeleteLogGroup", object({{"logGroupName", "g"}}))), "ResourceNotFoundException");
  EXPECT_EQ(error_of(logs("CreateLogGroup", object({{"logGroupName", "g"}}))), "");
}

TEST_F(Groups, AKeyOfTheirOwnIsRefusedNotForgotten) {
  EXPECT_EQ(error_of(logs("CreateLogGroup", object({{"logGroupName", "g"}, {"kmsKeyId", "k"}}))),
            "InvalidParameterException");
}

TEST_F(Groups, DeletionProtectionHolds) {
  must(logs("CreateLogGroup", object({{"logGroupName", "g"}, {"deletionProtectionEnabled", true}})));
  EXPECT_EQ(error_of(logs("DeleteLogGroup", object({{"logGroupName", "g"}}))), "ValidationException");
  must(logs("PutLogGroupDeletionProtection",
            object({{"logGroupIdentifier", arn("g")}, {"deletionProtectionEnabled", false}})));
  EXPECT_EQ(error_of(logs("DeleteLogGroup", object({{"logGroupName", "g"}}))), "");
}

TEST_F(Groups, ListsGoByNamePageByPageAndByPrefixOrPattern) {
  for (const char* name : {"b", "a/2", "a/1", "c", "A"}) make(name);
  EXPECT_EQ(listed(object({{"limit", 2}})), "A a/1 a/2 b c");
  EXPECT_EQ(listed(object({{"limit", 1}, {"logGroupNamePrefix", "a"}})), "a/1 a/2");
  EXPECT_EQ(listed(object({{"limit", 1}, {"logGroupNamePattern", "/"}})), "a/1 a/2");
  EXPECT_EQ(listed(object({{"logGroupNamePattern", "no"}})), "");
  EXPECT_EQ(names(must(logs("DescribeLogGroups", object({{"logGroupIdentifiers", texts({"c", arn("b"), "none"})}})))),
            "c b");
  EXPECT_EQ(error_of(logs("DescribeLogGroups", object({{"logGroupNamePrefix", "a"}, {"logGroupNamePattern", "a"}}))),
            "InvalidParameterException");
  EXPECT_EQ(error_of(logs("DescribeLogGroups", object({{"nextToken", "nonsense"}}))), "InvalidParameterException");
}

TEST_F(Groups, ATokenContinuesOnlyItsOwnList) {
  for (const char* name : {"a", "b", "c"}) make(name);
  const Value page = must(logs("DescribeLogGroups", object({{"limit", 1}})));
  EXPECT_EQ(
      error_of(logs("DescribeLogGroups", object({{"logGroupNamePrefix", "a"}, {"nextToken", page.text("nextToken")}}))),
      "InvalidParameterException");
}

TEST_F(Groups, AnAccountSeesItsOwnOnly) {
  make("mine");
  EXPECT_EQ(names(must(logs(root(kOther), "DescribeLogGroups"))), "");
  EXPECT_EQ(error_of(logs(root(kOther), "DescribeLogStreams", object({{"logGroupIdentifier", arn("mine")}}))), kDenied);
}

TEST_F(Groups, RetentionIsOneOfTheDaysOfAws) {
  make("g");
  for (const int days : {0, 2, 8, 364, 4000, -1})
    EXPECT_EQ(error_of(logs("PutRetentionPolicy", object({{"logGroupName", "g"}, {"retentionInDays", days}}))),
              "InvalidParameterException");
  must(logs("PutRetentionPolicy", object({{"logGroupName", "g"}, {"retentionInDays", 3653}})));
  must(logs("DeleteRetentionPolicy", object({{"logGroupName", "g"}})));
  EXPECT_FALSE(must(logs("DescribeLogGroups")).list("logGroups").at(0).has("retentionInDays"));
}

TEST_F(Groups, NamesThatAreNoneAndArnsOfOtherThingsAreRefused) {
  for (const char* identifier : {"a b", "arn:aws:logs:us-east-1:111111111111:destination:x", "arn:aws:logs", "arn:",
                                 "arn:aws:logs:us-east-1:1:log-group:g", "arn:aws:logs::111111111111:log-group:g",
                                 "arn:aws:logs:us-east-1:111111111111:log-group:", "g:*"})
    EXPECT_EQ(error_of(logs("DescribeLogStreams", object({{"logGroupIdentifier", identifier}}))),
              "InvalidParameterException")
        << identifier;
  EXPECT_EQ(error_of(logs("DescribeLogStreams")), "InvalidParameterException");
  EXPECT_EQ(error_of(logs("DescribeLogStreams", object({{"logGroupName", "g"}, {"logGroupIdentifier", "g"}}))),
            "InvalidParameterException");
}

TEST_F(Groups, TagsComeAndGoUnderBothNames) {
  must(logs("CreateLogGroup", object({{"logGroupName", "g"}, {"tags", object({{"team", "db"}, {"a", "1"}})}})));
  must(logs("TagResource", object({{"resourceArn", arn("g")}, {"tags", object({{"a", "2"}, {"b", ""}})}})));
  must(logs("UntagLogGroup", object({{"logGroupName", "g"}, {"tags", texts({"team"})}})));
  const auto tags = must(logs("ListTagsForResource", object({{"resourceArn", arn("g") + ":*"}}))).text_map("tags");
  EXPECT_EQ(tags, (std::map<std::string, std::string>{{"a", "2"}, {"b", ""}}));
  must(logs("UntagResource", object({{"resourceArn", arn("g")}, {"tagKeys", texts({"a", "b"})}})));
  must(logs("TagLogGroup", object({{"logGroupName", "g"}, {"tags", object({{"c", "3"}})}})));
  EXPECT_EQ(must(logs("ListTagsLogGroup", object({{"logGroupName", "g"}}))).text_map("tags").size(), 1U);
  EXPECT_EQ(error_of(logs("TagResource", object({{"resourceArn", arn("g")}, {"tags", object({{"aws:x", "1"}})}}))),
            "InvalidParameterException");
  Value many = Value::object();
  for (int i = 0; i < 50; ++i) many.set("k" + std::to_string(i), "v");
  EXPECT_EQ(error_of(logs("TagResource", object({{"resourceArn", arn("g")}, {"tags", many}}))), "TooManyTagsException");
  EXPECT_EQ(error_of(logs("ListTagsForResource", object({{"resourceArn", arn("none")}}))), "ResourceNotFoundException");
}

TEST_F(Groups, StreamsAreListedByNameOrLastEvent) {
  make("g", {"b", "a", "c", "never"});
  must(put("g", "a", {event(now() - 3000, "1")}));
  must(put("g", "b", {event(now() - 1000, "1")}));
  must(put("g", "c", {event(now() - 2000, "1"), event(now() - 1500, "2")}));
  const auto streams = [&](Value input) {
    input.set("logGroupName", "g");
    input.set("limit", 1);
    std::string all;
    for (;;) {
      const Value page = must(logs("DescribeLogStreams", input));
      all += (all.empty() ? "" : " ") + names(page, "logStreams", "logStreamName");
      if (!page.has("nextToken")) return all;
      input.set("nextToken", page.text("nextToken"));
    }
  };
  EXPECT_EQ(streams(Value::object()), "a b c never");
  EXPECT_EQ(streams(object({{"descending", true}})), "never c b a");
  EXPECT_EQ(streams(object({{"orderBy", "LastEventTime"}})), "never a c b");
  EXPECT_EQ(streams(object({{"orderBy", "LastEventTime"}, {"descending", true}})), "b c a never");
  EXPECT_EQ(streams(object({{"logStreamNamePrefix", "n"}})), "never");
  EXPECT_EQ(error_of(logs("DescribeLogStreams",
                          object({{"logGroupName", "g"}, {"orderBy", "LastEventTime"}, {"logStreamNamePrefix", "a"}}))),
            "InvalidParameterException");
  const Value c = must(logs("DescribeLogStreams", object({{"logGroupName", "g"}, {"logStreamNamePrefix", "c"}})))
                      .list("logStreams")
                      .at(0);
  EXPECT_EQ(c.text("arn"), arn("g") + ":log-stream:c");
  EXPECT_EQ(c.integer("firstEventTimestamp"), now() - 2000);
  EXPECT_EQ(c.integer("lastEventTimestamp"), now() - 1500);
  EXPECT_EQ(c.integer("lastIngestionTime"), now());
}

TEST_F(Groups, AStreamHasOneNameInItsGroup) {
  make("g", {"s"});
  make("h", {"s"});
  EXPECT_EQ(error_of(logs("CreateLogStream", in("g", "s"))), "ResourceAlreadyExistsException");
  EXPECT_EQ(error_of(logs("CreateLogStream", in("none", "s"))), "ResourceNotFoundException");
  must(logs("DeleteLogStream", in("g", "s")));
  EXPECT_EQ(error_of(logs("DeleteLogStream", in("g", "s"))), "ResourceNotFoundException");
}

}  // namespace
}  // namespace coffer::logs
