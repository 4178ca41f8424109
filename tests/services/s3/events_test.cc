#include "services/api/value_json.h"
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

class Events : public World {
 protected:
  Events() { make_bucket(kBucket, "Enabled"); }
  void configure(Value configuration) {
    const std::string text = api::to_json(configuration);
    auto t = must(database_->begin(Context(), catalog::Database::Mode::kWrite));
    const auto bucket = must(rows::find_bucket(*t, kBucket));
    must(rows::put_setting(*t, bucket->id, "notification", must(api::from_json(text))));
    must(catalog::bump_generation(*t, "s3"));
    must(t->commit());
  }
  std::vector<Value> events(const std::string& topic) {
    std::vector<Value> all;
    for (const std::string& text : outbox(topic)) all.push_back(must(api::from_json(text)));
    return all;
  }
};

TEST_F(Events, NothingIsToldWhenNobodyAsked) {
  put("k", "x");
  remove("k");
  EXPECT_TRUE(outbox("events").empty());
  EXPECT_TRUE(outbox("s3-notifications").empty());
}

TEST_F(Events, EventBridgeIsToldInItsOwnForm) {
  configure(object({{"EventBridgeConfiguration", Value::object()}}));
  const std::string version = put("a key", "hello").text("VersionId");
  const std::string marker = remove("a key").text("VersionId");
  remove("a key", object({{"VersionId", version}}));
  const auto all = events("events");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].text("source"), "aws.s3");
  EXPECT_EQ(all[0].text("detail-type"), "Object Created");
  EXPECT_EQ(all[0].text("account"), kHome);
  EXPECT_EQ(all[0].text("region"), "us-east-1");
  EXPECT_EQ(all[0].texts("resources"), std::vector<std::string>{"arn:aws:s3:::bucket"});
  const Value& created = *all[0].find("detail");
  EXPECT_EQ(created.text("version"), "0");
  EXPECT_EQ(created.text("reason"), "PutObject");
  EXPECT_EQ(created.text("requester"), kHome);
  EXPECT_EQ(created.text("source-ip-address"), "192.0.2.1");
  EXPECT_EQ(created.find("bucket")->text("name"), kBucket);
  const Value& created_object = *created.find("object");
  EXPECT_EQ(created_object.text("key"), "a key");
  EXPECT_EQ(created_object.integer("size"), 5);
  EXPECT_EQ(created_object.text("etag"), "5d41402abc4b2a76b9719d911017c592");
  EXPECT_EQ(created_object.text("version-id"), version);
  EXPECT_EQ(all[1].text("detail-type"), "Object Deleted");
  EXPECT_EQ(all[1].find("detail")->text("deletion-type"), "Delete Marker Created");
  EXPECT_EQ(all[1].find("detail")->find("object")->text("version-id"), marker);
  EXPECT_FALSE(all[1].find("detail")->find("object")->has("size"));
  EXPECT_EQ(all[2].find("detail")->text("deletion-type"), "Permanently Deleted");
  EXPECT_EQ(all[2].find("detail")->text("reason"), "DeleteObject");
}

TEST_F(Events, SequencersAreOfOneLengthAndGrow) {
  configure(object({{"EventBridgeConfiguration", Value::object()}}));
  std::string last;
  for (int i = 0; i < 3; ++i) {
    clock_.advance(std::chrono::milliseconds(1));
    put("k", "x");
    const std::string sequencer(events("events").back().find("detail")->find("object")->text("sequencer"));
    EXPECT_EQ(sequencer.size(), 18U);
    EXPECT_GT(sequencer, last);
    last = sequencer;
  }
}

TEST_F(Events, QueuesTopicsAndFunctionsAreToldOfWhatTheyWant) {
  const auto entry = [](const char* member, const char* arn, std::initializer_list<std::string> names,
                        Value filter = {}) {
    Value one = object({{"Id", "id"}, {member, arn}, {"Events", api::text_list(std::vector<std::string>(names))}});
    if (!filter.is_null()) one.set("Filter", std::move(filter));
    return api::List{std::move(one)};
  };
  const Value filter =
      object({{"Key", object({{"FilterRules", api::List{object({{"Name", "prefix"}, {"Value", "in/"}}),
                                                        object({{"Name", "suffix"}, {"Value", ".txt"}})}}})}});
  configure(
      object({{"QueueConfigurations", entry("QueueArn", "queue", {"s3:ObjectCreated:*"}, filter)},
              {"TopicConfigurations", entry("TopicArn", "topic", {"s3:ObjectRemoved:DeleteMarkerCreated"})},
              {"LambdaFunctionConfigurations", entry("LambdaFunctionArn", "function", {"s3:ObjectCreated:Copy"})}}));
  put("in/a b.txt", "x");
  put("in/a.bin", "x");
  put("out/a.txt", "x");
  s3("CopyObject", at("copy", object({{"CopySource", "bucket/in/a.bin"}})));
  remove("copy");
  const auto all = events("s3-notifications");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].text("target"), "queue");
  EXPECT_EQ(all[1].text("target"), "function");
  EXPECT_EQ(all[2].text("target"), "topic");
  const Value& record = all[0].find("message")->list("Records")[0];
  EXPECT_EQ(record.text("eventVersion"), "2.1");
  EXPECT_EQ(record.text("eventSource"), "aws:s3");
  EXPECT_EQ(record.text("eventName"), "ObjectCreated:Put");
  EXPECT_EQ(record.text("eventTime"), "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(record.find("s3")->text("configurationId"), "id");
  EXPECT_EQ(record.find("s3")->find("object")->text("key"), "in/a+b.txt");
  EXPECT_EQ(record.find("s3")->find("object")->integer("size"), 1);
  EXPECT_EQ(record.find("s3")->find("bucket")->text("arn"), "arn:aws:s3:::bucket");
  EXPECT_EQ(all[2].find("message")->list("Records")[0].text("eventName"), "ObjectRemoved:DeleteMarkerCreated");
}

TEST_F(Events, WhatIsRefusedIsNotToldOf) {
  configure(object({{"EventBridgeConfiguration", Value::object()}}));
  put("k", "x", object({{"IfMatch", "\"0\""}}));
  s3("DeleteObject", at("k", object({{"VersionId", "none"}})));
  EXPECT_TRUE(outbox("events").empty());
}

}  // namespace
}  // namespace coffer::s3
