// What IAM is asked for each operation.
#include "world.h"

namespace coffer::organizations {
namespace {

class Access : public OrganizationsTest {
 protected:
  void SetUp() override {
    organization = world.organize();
    root = world.root();
  }
  std::vector<std::string> resources(std::string_view operation, Value input, const char* by = kMain) {
    world.asked.clear();
    static_cast<void>(world.call(by, operation, std::move(input)).ok());
    std::vector<std::string> all;
    for (const api::AccessRequest& request : world.asked) {
      EXPECT_TRUE(request.action == "organizations:" + std::string(operation) ||
                  request.action == "organizations:TagResource")
          << request.action;
      all.push_back(request.resource);
    }
    return all;
  }
  std::vector<std::string> condition(std::string_view key, size_t request = 0) {
    for (const auto& [name, values] : world.asked.at(request).conditions) {
      if (name == key) return values;
    }
    return {};
  }
  std::string arn(std::string_view kind, std::string_view id) {
    return "arn:aws:organizations::111111111111:" + std::string(kind) + "/" + organization + "/" + std::string(id);
  }
  using All = std::vector<std::string>;
  std::string organization, root;
};

TEST_F(Access, EveryOperationIsAskedUnderItsOwnName) {
  std::set<std::string> names;
  for (const api::Action& action : world.all_actions()) {
    EXPECT_TRUE(names.insert(action.operation).second) << action.operation;
    resources(action.operation, Value::object({{"Target", Value::object({{"Id", "x"}})}}), kThird);
    ASSERT_FALSE(world.asked.empty()) << action.operation;
    EXPECT_EQ(world.asked[0].action, "organizations:" + action.operation);
  }
  EXPECT_EQ(names.size(), 54u);
}

TEST_F(Access, ResourcesAreNamedByTheirArns) {
  const std::string unit = world.unit(root, "u"), policy = world.policy("p", kDenyKms);
  EXPECT_EQ(resources("ListRoots", Value::object()), All{"*"});
  EXPECT_EQ(resources("DescribeAccount", Value::object({{"AccountId", kOther}})), All{arn("account", kOther)});
  EXPECT_EQ(resources("DescribeOrganizationalUnit", Value::object({{"OrganizationalUnitId", unit}})),
            All{arn("ou", unit)});
  EXPECT_EQ(resources("AttachPolicy", Value::object({{"PolicyId", policy}, {"TargetId", root}})),
            (All{arn("policy", "service_control_policy/" + policy), arn("root", root)}));
  EXPECT_EQ(resources("DescribePolicy", Value::object({{"PolicyId", "p-FullAWSAccess"}})),
            All{"arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"});
  EXPECT_EQ(resources("DescribePolicy", Value::object({{"PolicyId", "p-zzzzzzzz"}})), All{"*"});
  EXPECT_EQ(resources("MoveAccount",
                      Value::object({{"AccountId", kMain}, {"SourceParentId", root}, {"DestinationParentId", unit}})),
            (All{arn("account", kMain), arn("root", root), arn("ou", unit)}));
  EXPECT_EQ(resources("DescribeEffectivePolicy", Value::object({{"PolicyType", "BACKUP_POLICY"}})),
            All{arn("account", kMain)});
  const Value target = Value::object({{"Target", Value::object({{"Id", kOther}, {"Type", "ACCOUNT"}})}});
  EXPECT_EQ(resources("InviteAccountToOrganization", target), All{arn("account", kOther)});
  const std::string invitation = world.invite(kThird);
  EXPECT_EQ(resources("AcceptHandshake", Value::object({{"HandshakeId", invitation}}), kThird),
            All{arn("handshake", "invite/" + invitation)});
  EXPECT_EQ(resources("DescribeResourcePolicy", Value::object()), All{"*"});
}

TEST_F(Access, ConditionsCarryPolicyTypeServiceAndTags) {
  const std::string policy = world.policy("p", kDenyKms);
  resources("ListPolicies", Value::object({{"Filter", "TAG_POLICY"}}));
  EXPECT_EQ(condition("organizations:PolicyType"), All{"TAG_POLICY"});
  resources("DetachPolicy", Value::object({{"PolicyId", policy}, {"TargetId", root}}));
  EXPECT_EQ(condition("organizations:PolicyType", 1), All{"SERVICE_CONTROL_POLICY"});
  resources("EnableAWSServiceAccess", Value::object({{"ServicePrincipal", "backup.amazonaws.com"}}));
  EXPECT_EQ(condition("organizations:ServicePrincipal"), All{"backup.amazonaws.com"});
  world.ok(kMain, "TagResource", Value::object({{"ResourceId", policy}, {"Tags", tags({{"team", "blue"}})}}));
  resources("DescribePolicy", Value::object({{"PolicyId", policy}}));
  EXPECT_EQ(condition("aws:ResourceTag/team"), All{"blue"});
  EXPECT_EQ(resources("CreateOrganizationalUnit",
                      Value::object({{"ParentId", root}, {"Name", "x"}, {"Tags", tags({{"k", "v"}, {"l", "w"}})}})),
            (All{arn("root", root), "*"}));
  EXPECT_EQ(world.asked.at(1).action, "organizations:TagResource");
  EXPECT_EQ(condition("aws:RequestTag/l", 1), All{"w"});
  EXPECT_EQ(condition("aws:TagKeys"), (All{"k", "l"}));
  resources("UntagResource", Value::object({{"ResourceId", root}, {"TagKeys", api::text_list({"z"})}}));
  EXPECT_EQ(condition("aws:TagKeys"), All{"z"});
}

TEST_F(Access, ServicePrincipalsHaveNoSeat) {
  EXPECT_EQ(world.fault("", "CreateOrganization"), "AccessDeniedException");
}

}  // namespace
}  // namespace coffer::organizations
