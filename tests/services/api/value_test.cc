#include "services/api/value.h"

#include <gtest/gtest.h>

namespace coffer::api {
namespace {

TEST(Value, AnAbsentMemberAndOneOfAnotherTypeReadAsEmpty) {
  const Value value = Value::object({{"Name", "a"}, {"Limit", 3}, {"None", Value()}});
  EXPECT_EQ(value.text("Name"), "a");
  EXPECT_EQ(value.text("Limit"), "");
  EXPECT_EQ(value.integer("Limit"), 3);
  EXPECT_FALSE(value.integer("Name"));
  EXPECT_FALSE(value.has("None"));
  EXPECT_FALSE(value.text_if("Other"));
  EXPECT_TRUE(value.list("Name").empty());
  EXPECT_TRUE(Value().text("x").empty());
}

TEST(Value, SettingReplacesAndSettingNullLeavesOut) {
  Value value;
  value.set("a", 1).set("b", "x").set("a", 2);
  EXPECT_EQ(value, Value::object({{"a", 2}, {"b", "x"}}));
  value.set("b", Value());
  EXPECT_EQ(value, Value::object({{"a", 2}}));
}

TEST(Value, TextsAndMapsComeBackAsTheyWentIn) {
  const std::map<std::string, std::string> map{{"b", "2"}, {"a", "1"}};
  const Value value = Value::object({{"Tags", text_map(map)}, {"Names", text_list({"x", "y"})}});
  EXPECT_EQ(value.text_map("Tags"), map);
  EXPECT_EQ(value.texts("Names"), (std::vector<std::string>{"x", "y"}));
}

}  // namespace
}  // namespace coffer::api
