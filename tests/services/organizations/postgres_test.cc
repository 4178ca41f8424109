// The same statements on the other catalog: one tour through all of them.
#include "services/catalog/catalogs.h"
#include "world.h"

namespace coffer::organizations {
namespace {

TEST(OrganizationsOnPostgres, EveryStatementHoldsThere) {
  COFFER_NEED_POSTGRES(15);
  World world(catalog::SharedServer::new_database());
  world.organize();
  const std::string root = world.root(), unit = world.unit(root, "u"), inner = world.unit(unit, "v");
  world.enable("SERVICE_CONTROL_POLICY");
  world.enable("BACKUP_POLICY");
  const std::string a = world.account("a");
  world.move(a, inner);
  world.join(kOther);
  const std::string invitation = world.invite(kThird);

  const std::string deny = world.policy("deny", kDenyKms);
  world.attach(deny, unit);
  world.attach(deny, a);
  world.attach(world.policy("b", R"({"plans":{"p":{"regions":{"@@assign":["us-east-1"]}}}})", "BACKUP_POLICY"), root);
  world.ok(kMain, "UpdatePolicy", Value::object({{"PolicyId", deny}, {"Name", "renamed"}}));
  world.ok(kMain, "UpdateOrganizationalUnit", Value::object({{"OrganizationalUnitId", unit}, {"Name", "w"}}));
  const Value effective =
      world.ok(kMain, "DescribeEffectivePolicy", Value::object({{"PolicyType", "BACKUP_POLICY"}, {"TargetId", a}}));
  EXPECT_EQ(effective.find("EffectivePolicy")->text("PolicyContent"), R"({"plans":{"p":{"regions":["us-east-1"]}}})");
  {
    auto transaction = world.read();
    const auto levels = take(service_control_levels(*transaction, a));
    ASSERT_EQ(levels.size(), 4u);
    EXPECT_EQ(levels[1].size(), 2u);
    EXPECT_EQ(levels[2].size(), 1u);
    EXPECT_EQ(levels[3].size(), 2u);
    EXPECT_TRUE(take(membership(*transaction, a))->path.ends_with("/" + unit + "/" + inner + "/"));
  }

  const Value service = Value::object({{"ServicePrincipal", "backup.amazonaws.com"}});
  const Value delegation = Value::object({{"AccountId", a}, {"ServicePrincipal", "backup.amazonaws.com"}});
  world.ok(kMain, "EnableAWSServiceAccess", service);
  world.ok(kMain, "EnableAWSServiceAccess", service);
  world.ok(kMain, "RegisterDelegatedAdministrator", delegation);
  for (const char* key : {"k", "l", "k"})
    world.ok(kMain, "TagResource", Value::object({{"ResourceId", a}, {"Tags", tags({{key, "v"}})}}));
  world.ok(kMain, "UntagResource", Value::object({{"ResourceId", a}, {"TagKeys", api::text_list({"l"})}}));
  const std::string allow =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"222222222222"},"Action":"organizations:ListRoots","Resource":"*"}]})";
  for (int i = 0; i < 2; ++i) world.ok(kMain, "PutResourcePolicy", Value::object({{"Content", allow}}));
  EXPECT_EQ(world.fault(kOther, "ListRoots"), "");

  const auto count = [&](const char* operation, const char* member, Value input, size_t expected) {
    EXPECT_EQ(world.list(kMain, operation, member, input, 1).size(), expected) << operation;
  };
  count("ListAccounts", "Accounts", Value::object(), 3);
  count("ListAccountsForParent", "Accounts", Value::object({{"ParentId", inner}}), 1);
  count("ListChildren", "Children", Value::object({{"ParentId", root}, {"ChildType", "ACCOUNT"}}), 2);
  count("ListOrganizationalUnitsForParent", "OrganizationalUnits", Value::object({{"ParentId", root}}), 1);
  count("ListPolicies", "Policies", Value::object({{"Filter", "SERVICE_CONTROL_POLICY"}}), 2);
  count("ListPoliciesForTarget", "Policies", Value::object({{"TargetId", a}, {"Filter", "SERVICE_CONTROL_POLICY"}}), 2);
  count("ListTargetsForPolicy", "Targets", Value::object({{"PolicyId", "p-FullAWSAccess"}}), 6);
  count("ListCreateAccountStatus", "CreateAccountStatuses", Value::object({{"States", api::text_list({"SUCCEEDED"})}}),
        1);
  count("ListHandshakesForOrganization", "Handshakes", Value::object(), 2);
  count("ListHandshakesForOrganization", "Handshakes",
        Value::object({{"Filter", Value::object({{"ActionType", "INVITE"}})}}), 2);
  count("ListAWSServiceAccessForOrganization", "EnabledServicePrincipals", Value::object(), 1);
  count("ListDelegatedAdministrators", "DelegatedAdministrators", Value::object(), 1);
  count("ListDelegatedAdministrators", "DelegatedAdministrators", service, 1);
  count("ListDelegatedServicesForAccount", "DelegatedServices", Value::object({{"AccountId", a}}), 1);
  EXPECT_EQ(world.list(kMain, "ListTagsForResource", "Tags", Value::object({{"ResourceId", a}})).size(), 1u);
  EXPECT_EQ(world.ids(kThird, "ListHandshakesForAccount", "Handshakes"), std::vector{invitation});

  world.ok(kMain, "DeregisterDelegatedAdministrator", delegation);
  world.ok(kMain, "DisableAWSServiceAccess", service);
  world.ok(kMain, "DeleteResourcePolicy");
  world.detach(deny, unit);
  world.ok(kMain, "CloseAccount", Value::object({{"AccountId", a}}));
  world.clock.advance(std::chrono::hours(24 * 91));
  world.ok(kOther, "LeaveOrganization");
  world.ok(kMain, "DeletePolicy", Value::object({{"PolicyId", deny}}));
  world.ok(kMain, "DeleteOrganizationalUnit", Value::object({{"OrganizationalUnitId", inner}}));
  world.ok(kMain, "DisablePolicyType", Value::object({{"RootId", root}, {"PolicyType", "BACKUP_POLICY"}}));
  world.ok(kMain, "DeleteOrganization");
}

}  // namespace
}  // namespace coffer::organizations
