#include "services/organizations/effective.h"

#include <gtest/gtest.h>

namespace coffer::organizations {
namespace {

using Levels = std::vector<std::vector<std::string>>;

std::string merged(const Levels& levels) {
  for (const auto& level : levels) {
    for (const std::string& policy : level) {
      const Status checked = check_management_policy(policy, "");
      if (!checked.ok()) return "refused: " + checked.error().message;
    }
  }
  const auto result = merge_management_policies(levels);
  if (!result.ok()) return "failed: " + result.error().message;
  return result->value_or("nothing");
}

// The examples of the User Guide, "Inheritance examples".
constexpr const char* kCostCenter =
    R"({"tags":{"costcenter":{"tag_key":{"@@assign":"CostCenter"},"tag_value":{"@@assign":["Development","Support"]}}}})";

TEST(EffectivePolicy, AssignReplacesWhatWasInherited) {
  EXPECT_EQ(
      merged(
          {{kCostCenter},
           {R"({"tags":{"costcenter":{"tag_value":{"@@assign":["Sandbox"]},"enforced_for":{"@@assign":["redshift:*"]}}}})"}}),
      R"({"tags":{"costcenter":{"tag_key":"CostCenter","tag_value":["Sandbox"],"enforced_for":["redshift:*"]}}})");
}

TEST(EffectivePolicy, AppendAddsAndRemoveTakesAway) {
  EXPECT_EQ(merged({{kCostCenter}, {R"({"tags":{"costcenter":{"tag_value":{"@@append":["Marketing","Support"]}}}})"}}),
            R"({"tags":{"costcenter":{"tag_key":"CostCenter","tag_value":["Development","Support","Marketing"]}}})");
  EXPECT_EQ(merged({{kCostCenter}, {}, {R"({"tags":{"costcenter":{"tag_value":{"@@remove":["Support","X"]}}}})"}}),
            R"({"tags":{"costcenter":{"tag_key":"CostCenter","tag_value":["Development"]}}})");
  EXPECT_EQ(merged({{R"({"tags":{"a":{"tag_value":{"@@append":["x"]}}}})"}}), R"({"tags":{"a":{"tag_value":["x"]}}})");
}

TEST(EffectivePolicy, ParentsSayWhichOperatorsTheirChildrenMayUse) {
  const std::string locked =
      R"({"tags":{"project":{"tag_key":{"@@operators_allowed_for_child_policies":["@@none"],"@@assign":"PROJECT"},
          "tag_value":{"@@operators_allowed_for_child_policies":["@@append"],"@@assign":["Maintenance"]}}}})";
  EXPECT_EQ(
      merged(
          {{locked},
           {R"({"tags":{"project":{"tag_key":{"@@assign":"project"},"tag_value":{"@@append":["Escalation"],"@@remove":["Maintenance"]}}}})",
            R"({"tags":{"project":{"tag_value":{"@@assign":["Other"]}}}})"}}),
      R"({"tags":{"project":{"tag_key":"PROJECT","tag_value":["Maintenance","Escalation"]}}})");
}

TEST(EffectivePolicy, ALockAroundASettingHoldsUnlessSomethingNearerSaysOtherwise) {
  const std::string locked =
      R"({"services":{"@@operators_allowed_for_child_policies":["@@none"],
          "default":{"opt_out_policy":{"@@assign":"optOut"}},
          "lex":{"opt_out_policy":{"@@operators_allowed_for_child_policies":["@@all"],"@@assign":"optOut"}}}})";
  EXPECT_EQ(merged({{locked}, {R"({"services":{"default":{"opt_out_policy":{"@@assign":"optIn"}},
                         "lex":{"opt_out_policy":{"@@assign":"optIn"}},"new":{"opt_out_policy":{"@@assign":"optIn"}}}})"}}),
            R"({"services":{"default":{"opt_out_policy":"optOut"},"lex":{"opt_out_policy":"optIn"}}})");
}

TEST(EffectivePolicy, AChildCannotUnlockAndEveryParentMustAllow) {
  const auto control = [](const char* allowed) {
    return std::string(R"({"t":{"v":{"@@operators_allowed_for_child_policies":)") + allowed + "}}}";
  };
  const std::string base = R"({"t":{"v":{"@@assign":["a"]}}})", add = R"({"t":{"v":{"@@append":["b"]}}})";
  EXPECT_EQ(merged({{base, control(R"(["@@none"])")}, {control(R"(["@@all"])")}, {add}}), R"({"t":{"v":["a"]}})");
  EXPECT_EQ(merged({{base, control(R"(["@@append"])"), control(R"(["@@remove"])")}, {add}}), R"({"t":{"v":["a"]}})");
  EXPECT_EQ(merged({{base, control(R"(["@@append","@@remove"])"), control(R"(["@@append"])")}, {add}}),
            R"({"t":{"v":["a","b"]}})");
  // Not its own level.
  EXPECT_EQ(merged({{control(R"(["@@none"])"), base, add}}), R"({"t":{"v":["a","b"]}})");
}

TEST(EffectivePolicy, FirstAssignmentOfALevelWinsAndAdditionsOfTheLevelStand) {
  EXPECT_EQ(merged({{R"({"t":{"k":{"@@assign":"PROJECT"},"v":{"@@append":["x"]}}})",
                     R"({"t":{"k":{"@@assign":"project"},"v":{"@@assign":["y"]}}})"}}),
            R"({"t":{"k":"PROJECT","v":["y","x"]}})");
}

TEST(EffectivePolicy, NothingRemainsOfEmptySettings) {
  EXPECT_EQ(merged({}), "nothing");
  EXPECT_EQ(merged({{R"({"plans":{}})"}}), "nothing");
  EXPECT_EQ(merged({{R"({"plans":{"a":{"r":{"@@assign":["x"]}}}})"}, {R"({"plans":{"a":{"r":{"@@remove":["x"]}}}})"}}),
            "nothing");
}

TEST(EffectivePolicy, OperatorsOfTheWrongKindChangeNothing) {
  EXPECT_EQ(merged({{R"({"t":{"k":{"@@assign":"one"}}})"}, {R"({"t":{"k":{"@@append":["two"],"@@remove":["one"]}}})"}}),
            R"({"t":{"k":"one"}})");
  // A setting of one level may be a container in another: the value stands.
  EXPECT_EQ(merged({{R"({"t":{"k":{"@@assign":"one"}}})"}, {R"({"t":{"k":{"deeper":{"@@assign":"two"}}}})"}}),
            R"({"t":{"k":"one"}})");
}

TEST(ManagementPolicyGrammar, RefusesWhatItCannotMerge) {
  for (const char* bad :
       {"", "[]", "null", "{", R"({"plans":1})", R"({"plans":{"a":"b"}})", R"({"plans":{"a":{"@@assign":{"b":1}}}})",
        R"({"plans":{"a":{"@@append":"x"}}})", R"({"plans":{"a":{"@@assign":["x",["y"]]}}})",
        R"({"plans":{"a":{"@@change":"x"}}})", R"({"plans":{"a":{"@@assign":"x","b":{}}}})",
        R"({"plans":{"@@operators_allowed_for_child_policies":"@@all"}})",
        R"({"plans":{"@@operators_allowed_for_child_policies":[]}})",
        R"({"plans":{"@@operators_allowed_for_child_policies":["@@some"]}})",
        R"({"plans":{"@@operators_allowed_for_child_policies":["@@none","@@assign"]}})", R"({"other":{}})",
        R"({"plans":{},"other":{}})", R"({"@@assign":"x"})", R"({"plans":{"a":{"@@assign":null}}})"}) {
    const Status checked = check_management_policy(bad, "plans");
    ASSERT_FALSE(checked.ok()) << bad;
    EXPECT_EQ(checked.error().name, "MalformedPolicyDocumentException") << bad;
  }
}

TEST(ManagementPolicyGrammar, RefusesEveryTruncationAndSurvivesEveryFlip) {
  const std::string whole = kCostCenter;
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(check_management_policy(whole.substr(0, n), "tags").ok()) << n;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      if (check_management_policy(flipped, "").ok()) {
        EXPECT_TRUE(merge_management_policies({{flipped}}).ok());
      }
    }
  }
}

TEST(ManagementPolicyGrammar, DeepNestingIsRefusedNotFollowed) {
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += R"({"a":)";
  deep += "{}" + std::string(5000, '}');
  EXPECT_FALSE(check_management_policy(deep, "").ok());
}

}  // namespace
}  // namespace coffer::organizations
