// The same on a shared catalog: every statement on PostgreSQL.
#include "services/catalog/catalogs.h"
#include "services/logs/world.h"

namespace coffer::logs {
namespace {

std::string postgres_or_memory() {
  return testing_support::TestServer::binaries(15) ? catalog::SharedServer::new_database() : ":memory:";
}

class OnPostgres : public World {
 protected:
  OnPostgres() : World(postgres_or_memory()) {}
  void SetUp() override { COFFER_NEED_POSTGRES(15); }
};

TEST_F(OnPostgres, ALifeOfGroupsStreamsAndEvents) {
  make("g", {"b", "a", "C"});
  EXPECT_EQ(error_of(logs("CreateLogGroup", object({{"logGroupName", "g"}}))), "ResourceAlreadyExistsException");
  must(logs("PutRetentionPolicy", object({{"logGroupName", "g"}, {"retentionInDays", 1}})));
  must(logs("TagResource", object({{"resourceArn", arn("g")}, {"tags", object({{"k", "1"}, {"l", "2"}})}})));
  must(logs("TagResource", object({{"resourceArn", arn("g")}, {"tags", object({{"k", "3"}})}})));
  must(logs("UntagResource", object({{"resourceArn", arn("g")}, {"tagKeys", texts({"l"})}})));
  EXPECT_EQ(must(logs("ListTagsForResource", object({{"resourceArn", arn("g")}}))).text_map("tags").at("k"), "3");

  api::List many;
  for (int i = 0; i < 200; ++i) many.push_back(event(now() - 200 + i, std::to_string(i)));
  must(put("g", "a", many));
  must(put("g", "b", {event(now(), std::string("\0x", 2))}));
  Value page = must(logs("GetLogEvents", in("g", "a")));
  EXPECT_EQ(page.list("events").size(), 200U);
  Value back = in("g", "a");
  back.set("limit", 2);
  EXPECT_EQ(messages(must(logs("GetLogEvents", back))), "198 199");
  EXPECT_EQ(filtered(object({{"logGroupName", "g"}, {"filterPattern", "19"}, {"limit", 3}})),
            "19 119 190 191 192 193 194 195 196 197 198 199");
  Value streams = object({{"logGroupName", "g"}, {"orderBy", "LastEventTime"}, {"descending", true}, {"limit", 1}});
  std::string names;
  for (;;) {
    page = must(logs("DescribeLogStreams", streams));
    names += page.list("logStreams").at(0).text("logStreamName");
    if (!page.has("nextToken")) break;
    streams.set("nextToken", page.text("nextToken"));
  }
  EXPECT_EQ(names, "baC");
  EXPECT_EQ(must(logs("DescribeLogGroups", object({{"logGroupNamePrefix", "g"}})))
                .list("logGroups")
                .at(0)
                .integer("storedBytes"),
            492);

  const std::string policy = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":
    "events.amazonaws.com"},"Action":"logs:CreateLogStream","Resource":"*"}]})";
  must(logs("PutResourcePolicy", object({{"policyName", "p"}, {"policyDocument", policy}})));
  EXPECT_EQ(error_of(as_service("events.amazonaws.com", "CreateLogStream", in("g", "d"))), "");
  must(logs("DeleteResourcePolicy", object({{"policyName", "p"}})));

  pass(std::chrono::hours(25));
  EXPECT_EQ(rows_in("logs_events"), 0);
  must(put("g", "a", {event(now(), "x")}));
  must(logs("DeleteLogStream", in("g", "a")));
  must(logs("DeleteLogGroup", object({{"logGroupName", "g"}})));
  pass(std::chrono::hours(0));
  EXPECT_EQ(rows_in("logs_events"), 0);
  EXPECT_EQ(rows_in("logs_remains"), 0);
}

}  // namespace
}  // namespace coffer::logs
