// What a target gets.
#include "services/events/input.h"

#include <gtest/gtest.h>

namespace coffer::events {
namespace {

using api::Value;

const char* const kEvent =
    R"({"version":"0","id":"e","detail-type":"T","source":"s","account":"1","time":"2026-01-05T00:00:00Z",)"
    R"("region":"r","resources":["a1","a2"],"detail":{"state":"ON","n":1.50,"flag":true,"none":null,)"
    R"("list":["ON","OFF"],"object":{"a":"b"},"quote":"say \"hi\""}})";

std::string made(const Value& target) {
  const auto event = parse_json(kEvent);
  const InputFacts facts{{{"123456789012", "us-east-1", "default"}, "rule"}, WallTime{1'767'571'200'000'000}};
  const auto body = make_input(target, *event, facts);
  return body.ok() ? *body : "nothing";
}
Value transformer(const std::string& text, const std::map<std::string, std::string>& paths) {
  return Value::object(
      {{"InputTransformer", Value::object({{"InputTemplate", text}, {"InputPathsMap", api::text_map(paths)}})}});
}
std::string transformed(const std::string& text) {
  return made(transformer(text, {{"state", "$.detail.state"},
                                 {"n", "$.detail.n"},
                                 {"flag", "$.detail.flag"},
                                 {"none", "$.detail.none"},
                                 {"list", "$.detail.list"},
                                 {"object", "$.detail.object"},
                                 {"quote", "$.detail.quote"},
                                 {"missing", "$.detail.missing"},
                                 {"second", "$.resources[1]"}}));
}

TEST(Input, IsTheEventAConstantOrAPart) {
  EXPECT_EQ(made(Value::object()), kEvent);
  EXPECT_EQ(made(Value::object({{"Input", R"({"x": 1})"}})), R"({"x": 1})");
  EXPECT_EQ(made(Value::object({{"InputPath", "$.detail.object"}})), R"({"a":"b"})");
  EXPECT_EQ(made(Value::object({{"InputPath", "$.detail.state"}})), "\"ON\"");
  EXPECT_EQ(made(Value::object({{"InputPath", "$.resources[0]"}})), "\"a1\"");
  EXPECT_EQ(made(Value::object({{"InputPath", "$"}})), kEvent);
  EXPECT_EQ(made(Value::object({{"InputPath", "$.detail.missing"}})), "null");
}

TEST(Input, JsonTemplatesTakeValuesAsJson) {
  EXPECT_EQ(transformed(R"({"a":<state>,"b":<n>,"c":<flag>,"d":<list>,"e":<object>,"f":<none>,"g":<second>})"),
            R"({"a":"ON","b":1.50,"c":true,"d":["ON","OFF"],"e":{"a":"b"},"f":null,"g":"a2"})");
  EXPECT_EQ(transformed(R"({"a":"it is <state>, <n>, <flag>","b":<missing>,"c":"<missing>"})"),
            R"({"a":"it is ON, 1.50, true","b":"","c":""})");
  EXPECT_EQ(transformed(R"({"a":<quote>,"b":"<quote>"})"), R"({"a":"say \"hi\"","b":"say \"hi\""})");
}

TEST(Input, AQuotedListInAJsonTemplateGivesNothing) { EXPECT_EQ(transformed(R"({"x":"<list>"})"), "nothing"); }

TEST(Input, TextTemplatesKeepTheirQuotesAndLines) {
  EXPECT_EQ(transformed(R"("state <state>, <object>, <list>, <flag>")"), R"("state ON, {a:b}, [ON,OFF], true")");
  EXPECT_EQ(transformed("\"one <state>\"\n\"two <n>\""), "\"one ON\"\n\"two 1.50\"");
}

TEST(Input, TextWithoutQuotesGivesNothing) { EXPECT_EQ(transformed("state is <state>"), "nothing"); }

TEST(Input, KnowsThePredefinedNames) {
  EXPECT_EQ(
      transformed(R"({"a":<aws.events.rule-arn>,"b":<aws.events.rule-name>,"t":<aws.events.event.ingestion-time>})"),
      R"({"a":"arn:aws:events:us-east-1:123456789012:rule/rule","b":"rule","t":"2026-01-05T00:00:00Z"})");
  EXPECT_EQ(transformed("{\"e\":<aws.events.event.json>}"), "{\"e\":" + std::string(kEvent) + "}");
  const std::string without = transformed("<aws.events.event>");
  EXPECT_EQ(without.find("detail\":"), std::string::npos);
  EXPECT_NE(without.find("\"detail-type\""), std::string::npos);
}

TEST(Input, PathsThatAreNoneAreRefused) {
  for (const char* path : {"", "detail", "$detail", "$.", "$.a..b", "$.a[", "$.a[x]", "$.a[-1]"})
    EXPECT_FALSE(is_path(path)) << path;
  for (const char* path : {"$", "$.a", "$.a-b.c", "$.a[0][1].b", "$['a b'].c"}) EXPECT_TRUE(is_path(path)) << path;
}

}  // namespace
}  // namespace coffer::events
