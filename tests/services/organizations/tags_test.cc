#include "world.h"

namespace coffer::organizations {
namespace {

class Tags : public OrganizationsTest {
 protected:
  void SetUp() override { world.organize(); }
  std::string tag(std::string_view id, Value list) {
    return world.fault(kMain, "TagResource", Value::object({{"ResourceId", id}, {"Tags", std::move(list)}}));
  }
  std::map<std::string, std::string> of(std::string_view id) {
    std::map<std::string, std::string> all;
    for (const Value& t : world.list(kMain, "ListTagsForResource", "Tags", Value::object({{"ResourceId", id}})))
      all[std::string(t.text("Key"))] = t.text("Value");
    return all;
  }
};

TEST_F(Tags, HangOnRootUnitsAccountsAndPolicies) {
  const std::string root = world.root();
  for (const std::string& id : {root, world.unit(root, "u"), world.account("a"), world.policy("p", kDenyKms)}) {
    EXPECT_EQ(tag(id, tags({{"a", "1"}, {"b", "2"}})), "") << id;
    EXPECT_EQ(tag(id, tags({{"b", "3"}})), "") << id;
    EXPECT_EQ(of(id), (std::map<std::string, std::string>{{"a", "1"}, {"b", "3"}})) << id;
    world.ok(kMain, "UntagResource",
             Value::object({{"ResourceId", id}, {"TagKeys", api::text_list({"a", "not there"})}}));
    EXPECT_EQ(of(id), (std::map<std::string, std::string>{{"b", "3"}})) << id;
  }
}

TEST_F(Tags, NeedAResourceOfTheOrganization) {
  for (const char* id :
       {"222222222222", "ou-zzzz-zzzzzzzz", "r-zzzz", "p-zzzzzzzz", "rp-zzzzzzzz", "p-FullAWSAccess"}) {
    EXPECT_EQ(tag(id, tags({{"a", "1"}})), "TargetNotFoundException") << id;
    EXPECT_EQ(world.fault(kMain, "ListTagsForResource", Value::object({{"ResourceId", id}})),
              "TargetNotFoundException");
    EXPECT_EQ(
        world.fault(kMain, "UntagResource", Value::object({{"ResourceId", id}, {"TagKeys", api::text_list({"a"})}})),
        "TargetNotFoundException");
  }
}

TEST_F(Tags, AreCheckedWhereverTheyAreGiven) {
  const std::string root = world.root();
  EXPECT_EQ(tag(root, tags({{"aws:x", "1"}})), "InvalidInputException/INVALID_SYSTEM_TAGS_PARAMETER");
  EXPECT_EQ(tag(root, tags({{"AWS:x", "1"}})), "InvalidInputException/INVALID_SYSTEM_TAGS_PARAMETER");
  EXPECT_EQ(tag(root, tags({{"a", "1"}, {"a", "2"}})), "InvalidInputException/DUPLICATE_TAG_KEY");
  EXPECT_EQ(tag(root, tags({{"a", "1"}, {"A", "2"}})), "");
  for (const char* operation : {"CreateAccount", "CreateOrganizationalUnit", "CreatePolicy",
                                "InviteAccountToOrganization", "PutResourcePolicy"}) {
    EXPECT_EQ(world.fault(kMain, operation, Value::object({{"Tags", tags({{"a", "1"}, {"a", "2"}})}})),
              "InvalidInputException/DUPLICATE_TAG_KEY")
        << operation;
  }
}

TEST_F(Tags, AreFiftyAtMost) {
  const std::string root = world.root();
  const auto many = [](int from, int to) {
    Value list = List();
    for (int i = from; i < to; ++i) list.push_back(Value::object({{"Key", std::to_string(i)}, {"Value", ""}}));
    return list;
  };
  EXPECT_EQ(tag(root, many(0, 51)), "ConstraintViolationException/MAX_TAG_LIMIT_EXCEEDED");
  EXPECT_EQ(tag(root, many(0, 50)), "");
  EXPECT_EQ(tag(root, many(10, 40)), "");
  EXPECT_EQ(tag(root, many(50, 51)), "ConstraintViolationException/MAX_TAG_LIMIT_EXCEEDED");
  EXPECT_EQ(of(root).size(), 50u);
}

TEST_F(Tags, OfADeletedResourceAreGone) {
  const std::string unit = world.unit(world.root(), "u"), policy = world.policy("p", kDenyKms);
  tag(unit, tags({{"a", "1"}}));
  tag(policy, tags({{"a", "1"}}));
  world.ok(kMain, "DeleteOrganizationalUnit", Value::object({{"OrganizationalUnitId", unit}}));
  world.ok(kMain, "DeletePolicy", Value::object({{"PolicyId", policy}}));
  auto transaction = world.read();
  EXPECT_TRUE(take(transaction->run("SELECT key FROM org_tag")).empty());
}

}  // namespace
}  // namespace coffer::organizations
