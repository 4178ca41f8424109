#include "world.h"

namespace coffer::organizations {
namespace {

class Organization : public OrganizationsTest {};

TEST_F(Organization, CreatorBecomesTheManagementAccountAndItsFirstMember) {
  const Value out = world.ok(kMain, "CreateOrganization");
  const Value& o = *out.find("Organization");
  EXPECT_EQ(o.text("FeatureSet"), "ALL");
  EXPECT_EQ(o.text("MasterAccountId"), kMain);
  EXPECT_EQ(o.text("MasterAccountEmail"), "111111111111@coffer.invalid");
  EXPECT_TRUE(o.text("Id").starts_with("o-"));
  EXPECT_EQ(o.text("Id").size(), 12u);
  EXPECT_EQ(o.text("Arn"), "arn:aws:organizations::111111111111:organization/" + std::string(o.text("Id")));
  EXPECT_EQ(o.text("MasterAccountArn"),
            "arn:aws:organizations::111111111111:account/" + std::string(o.text("Id")) + "/111111111111");
  EXPECT_EQ(o.list("AvailablePolicyTypes").at(0).text("Type"), "SERVICE_CONTROL_POLICY");
  EXPECT_EQ(world.ids(kMain, "ListAccounts", "Accounts"), std::vector<std::string>{kMain});
  const Value described = world.ok(kMain, "DescribeOrganization");
  EXPECT_EQ(*described.find("Organization"), o);
}

TEST_F(Organization, OneAccountIsInOneOrganization) {
  world.organize();
  EXPECT_EQ(world.fault(kMain, "CreateOrganization"), "AlreadyInOrganizationException");
  world.join(kOther);
  EXPECT_EQ(world.fault(kOther, "CreateOrganization"), "AlreadyInOrganizationException");
}

TEST_F(Organization, MembersSeeItAndStrangersLearnThatTheyAreInNone) {
  world.organize();
  EXPECT_EQ(world.fault(kOther, "DescribeOrganization"), "AWSOrganizationsNotInUseException");
  world.join(kOther);
  EXPECT_EQ(world.ok(kOther, "DescribeOrganization").find("Organization")->text("MasterAccountId"), kMain);
}

TEST_F(Organization, RootHasNoPolicyTypesAtFirst) {
  world.organize();
  const Value out = world.ok(kMain, "ListRoots");
  const Value& root = out.list("Roots").at(0);
  EXPECT_EQ(out.list("Roots").size(), 1u);
  EXPECT_EQ(root.text("Name"), "Root");
  EXPECT_TRUE(root.text("Id").starts_with("r-"));
  EXPECT_TRUE(root.list("PolicyTypes").empty());
}

TEST_F(Organization, IsDeletedOnlyWithoutMembersAndThenLeavesNothing) {
  const std::string id = world.organize();
  world.enable("SERVICE_CONTROL_POLICY");
  world.join(kOther);
  world.attach(world.policy("p", kAllowS3), world.unit(world.root(), "unit"));
  EXPECT_EQ(world.fault(kOther, "DeleteOrganization"), "AccessDeniedException");
  EXPECT_EQ(world.fault(kMain, "DeleteOrganization"), "OrganizationNotEmptyException");
  world.ok(kOther, "LeaveOrganization");
  const std::string pending = world.invite(kThird);
  world.ok(kMain, "DeleteOrganization");
  EXPECT_EQ(world.fault(kMain, "DescribeOrganization"), "AWSOrganizationsNotInUseException");
  EXPECT_EQ(
      world.ok(kThird, "DescribeHandshake", Value::object({{"HandshakeId", pending}})).find("Handshake")->text("State"),
      "CANCELED");
  auto transaction = world.read();
  for (const char* table : {"org_organization", "org_account", "org_unit", "org_policy", "org_attachment",
                            "org_policy_type", "org_tag", "org_service", "org_delegate"}) {
    EXPECT_TRUE(take(transaction->run(std::string("SELECT organization FROM ") +
                                      (std::string(table) == "org_organization"
                                           ? "(SELECT id AS organization FROM org_organization) x"
                                           : table)))
                    .empty())
        << table;
  }
  transaction.reset();
  EXPECT_NE(world.organize(), id);
}

TEST_F(Organization, EveryChangeBumpsTheGenerationAndNoReadDoes) {
  int64_t before = world.generation();
  world.organize();
  EXPECT_GT(world.generation(), before);
  before = world.generation();
  world.ok(kMain, "ListAccounts");
  EXPECT_EQ(world.generation(), before);
  EXPECT_NE(world.fault(kMain, "CreateOrganization"), "");
  EXPECT_EQ(world.generation(), before);
  world.unit(world.root(), "unit");
  EXPECT_GT(world.generation(), before);
}

TEST_F(Organization, ConsolidatedBillingHasNoPoliciesUntilAllFeaturesAreEnabled) {
  world.organize("CONSOLIDATED_BILLING");
  EXPECT_TRUE(world.ok(kMain, "DescribeOrganization").find("Organization")->list("AvailablePolicyTypes").empty());
  EXPECT_EQ(world.fault(kMain, "EnablePolicyType",
                        Value::object({{"RootId", world.root()}, {"PolicyType", "SERVICE_CONTROL_POLICY"}})),
            "PolicyTypeNotAvailableForOrganizationException");
  EXPECT_EQ(world.fault(kMain, "CreatePolicy",
                        Value::object({{"Name", "a"}, {"Content", kAllowS3}, {"Type", "SERVICE_CONTROL_POLICY"}})),
            "PolicyTypeNotAvailableForOrganizationException");
  EXPECT_TRUE(
      world.ids(kMain, "ListPolicies", "Policies", Value::object({{"Filter", "SERVICE_CONTROL_POLICY"}})).empty());
  const std::string reason = "ConstraintViolationException/ORGANIZATION_NOT_IN_ALL_FEATURES_MODE";
  const Value service = Value::object({{"ServicePrincipal", "backup.amazonaws.com"}});
  EXPECT_EQ(world.fault(kMain, "EnableAWSServiceAccess", service), reason);
  EXPECT_EQ(world.fault(kMain, "DisableAWSServiceAccess", service), reason);
  EXPECT_EQ(world.fault(kMain, "CloseAccount", Value::object({{"AccountId", kMain}})), reason);
  EXPECT_EQ(world.fault(kMain, "PutResourcePolicy", Value::object({{"Content", "{}"}})), reason);
}

}  // namespace
}  // namespace coffer::organizations
