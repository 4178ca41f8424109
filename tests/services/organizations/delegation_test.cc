#include "world.h"

namespace coffer::organizations {
namespace {

constexpr const char* kBackup = "backup.amazonaws.com";

class Delegation : public OrganizationsTest {
 protected:
  void SetUp() override {
    world.organize();
    world.join(kOther);
  }
  static Value service(std::string_view principal = kBackup) {
    return Value::object({{"ServicePrincipal", principal}});
  }
  static Value pair(std::string_view account, std::string_view principal = kBackup) {
    return Value::object({{"AccountId", account}, {"ServicePrincipal", principal}});
  }
  bool trusted(std::string_view account, std::string_view principal = kBackup) {
    auto transaction = world.read();
    return take(trusted_access(*transaction, account, principal));
  }
  void delegate(std::string_view account) {
    world.ok(kMain, "EnableAWSServiceAccess", service());
    world.ok(kMain, "RegisterDelegatedAdministrator", pair(account));
  }
  static std::string statement(std::string_view action, std::string_view principal = "222222222222",
                               std::string_view more = "") {
    return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":")" + std::string(principal) +
           R"("},"Action":)" + std::string(action) + R"(,"Resource":"*")" + std::string(more) + "}]}";
  }
  std::string put(const std::string& content) {
    return world.fault(kMain, "PutResourcePolicy", Value::object({{"Content", content}}));
  }
};

TEST_F(Delegation, TrustedAccessHoldsForEveryMember) {
  EXPECT_FALSE(trusted(kMain));
  world.ok(kMain, "EnableAWSServiceAccess", service());
  world.clock.advance(std::chrono::hours(1));
  world.ok(kMain, "EnableAWSServiceAccess", service());  // again: nothing happens
  EXPECT_TRUE(trusted(kMain));
  EXPECT_TRUE(trusted(kOther));
  EXPECT_FALSE(trusted(kThird));
  EXPECT_FALSE(trusted(kOther, "config.amazonaws.com"));
  const Value listed = world.list(kMain, "ListAWSServiceAccessForOrganization", "EnabledServicePrincipals").at(0);
  EXPECT_EQ(listed.text("ServicePrincipal"), kBackup);
  EXPECT_EQ(listed.time("DateEnabled"), kStart);
  world.ok(kMain, "DisableAWSServiceAccess", service());
  world.ok(kMain, "DisableAWSServiceAccess", service());
  EXPECT_FALSE(trusted(kOther));
  EXPECT_EQ(world.fault(kOther, "EnableAWSServiceAccess", service()), "AccessDeniedException");
}

TEST_F(Delegation, PrincipalsAreOfAws) {
  for (const char* bad : {"backup", "backup.example.com", ".amazonaws.com", "a..amazonaws.com", "Backup.amazonaws.com",
                          "a/b.amazonaws.com"}) {
    EXPECT_EQ(world.fault(kMain, "EnableAWSServiceAccess", service(bad)),
              "InvalidInputException/UNRECOGNIZED_SERVICE_PRINCIPAL")
        << bad;
  }
  EXPECT_EQ(world.fault(kMain, "EnableAWSServiceAccess", service("member.org.stacksets.cloudformation.amazonaws.com")),
            "");
}

TEST_F(Delegation, DelegatedAdministratorReadsAndDoesNotChange) {
  EXPECT_EQ(world.fault(kMain, "RegisterDelegatedAdministrator", pair(kOther)),
            "ConstraintViolationException/SERVICE_ACCESS_NOT_ENABLED");
  delegate(kOther);
  EXPECT_EQ(world.ids(kOther, "ListAccounts", "Accounts").size(), 2u);
  EXPECT_EQ(world.fault(kOther, "CreateAccount", Value::object({{"AccountName", "a"}, {"Email", "a@example.com"}})),
            "AccessDeniedException");
  EXPECT_EQ(
      world.fault(kOther, "EnablePolicyType", Value::object({{"RootId", "r-aaaa"}, {"PolicyType", "TAG_POLICY"}})),
      "AccessDeniedException");
  const Value d = world.list(kMain, "ListDelegatedAdministrators", "DelegatedAdministrators").at(0);
  EXPECT_EQ(d.text("Id"), kOther);
  EXPECT_EQ(d.text("Status"), "ACTIVE");
  EXPECT_EQ(d.text("JoinedMethod"), "INVITED");
  EXPECT_EQ(d.time("DelegationEnabledDate"), kStart);
  EXPECT_TRUE(
      world.list(kMain, "ListDelegatedAdministrators", "DelegatedAdministrators", service("config.amazonaws.com"))
          .empty());
  EXPECT_EQ(world.ids(kMain, "ListDelegatedServicesForAccount", "DelegatedServices",
                      Value::object({{"AccountId", kOther}}), "ServicePrincipal"),
            std::vector<std::string>{kBackup});
}

TEST_F(Delegation, RegistrationIsChecked) {
  world.ok(kMain, "EnableAWSServiceAccess", service());
  const auto registered = [&](std::string_view account) {
    return world.fault(kMain, "RegisterDelegatedAdministrator", pair(account));
  };
  EXPECT_EQ(registered(kMain), "ConstraintViolationException/CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR");
  EXPECT_EQ(registered(kThird), "AccountNotFoundException");
  EXPECT_EQ(registered(kOther), "");
  EXPECT_EQ(registered(kOther), "AccountAlreadyRegisteredException");
  const std::string closed = world.account("closed");
  world.ok(kMain, "CloseAccount", Value::object({{"AccountId", closed}}));
  EXPECT_EQ(registered(closed),
            "ConstraintViolationException/CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR");
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_EQ(registered(world.account(name)), "");
  EXPECT_EQ(registered(world.account("e")),
            "ConstraintViolationException/MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED");
}

TEST_F(Delegation, DeregisteringEndsIt) {
  delegate(kOther);
  EXPECT_EQ(world.fault(kMain, "DeregisterDelegatedAdministrator", pair(kThird)), "AccountNotFoundException");
  EXPECT_EQ(world.fault(kMain, "DeregisterDelegatedAdministrator", pair(kOther, "config.amazonaws.com")),
            "AccountNotRegisteredException");
  world.ok(kMain, "DeregisterDelegatedAdministrator", pair(kOther));
  EXPECT_EQ(world.fault(kOther, "ListAccounts"), "AccessDeniedException");
  EXPECT_EQ(world.fault(kMain, "ListDelegatedServicesForAccount", Value::object({{"AccountId", kOther}})),
            "AccountNotRegisteredException");
  world.ok(kMain, "RegisterDelegatedAdministrator", pair(kOther));
  world.ok(kMain, "DisableAWSServiceAccess", service());  // takes the delegations along
  EXPECT_EQ(world.fault(kOther, "ListAccounts"), "AccessDeniedException");
}

TEST_F(Delegation, ResourcePolicyIsStoredUnderOneId) {
  EXPECT_EQ(world.fault(kMain, "DescribeResourcePolicy"), "ResourcePolicyNotFoundException");
  EXPECT_EQ(world.fault(kMain, "DeleteResourcePolicy"), "ResourcePolicyNotFoundException");
  const std::string first = statement(R"("organizations:ListAccounts")");
  const Value made =
      *world.ok(kMain, "PutResourcePolicy", Value::object({{"Content", first}, {"Tags", tags({{"a", "b"}})}}))
           .find("ResourcePolicy");
  EXPECT_EQ(made.text("Content"), first);
  const std::string id(made.find("ResourcePolicySummary")->text("Id"));
  EXPECT_TRUE(made.find("ResourcePolicySummary")->text("Arn").ends_with("/" + id));
  EXPECT_EQ(world.ids(kMain, "ListTagsForResource", "Tags", Value::object({{"ResourceId", id}}), "Key"),
            std::vector<std::string>{"a"});
  const std::string second = statement(R"("organizations:ListRoots")");
  EXPECT_EQ(world.fault(kMain, "PutResourcePolicy", Value::object({{"Content", second}, {"Tags", tags({{"c", "d"}})}})),
            "ConstraintViolationException/UPDATE_EXISTING_RESOURCE_POLICY_WITH_TAGS_NOT_SUPPORTED");
  EXPECT_EQ(put(second), "");
  const Value now = *world.ok(kMain, "DescribeResourcePolicy").find("ResourcePolicy");
  EXPECT_EQ(now.text("Content"), second);
  EXPECT_EQ(now.find("ResourcePolicySummary")->text("Id"), id);
  world.ok(kMain, "DeleteResourcePolicy");
  EXPECT_EQ(world.fault(kMain, "DescribeResourcePolicy"), "ResourcePolicyNotFoundException");
  EXPECT_EQ(world.fault(kMain, "ListTagsForResource", Value::object({{"ResourceId", id}})), "TargetNotFoundException");
}

TEST_F(Delegation, ResourcePolicyNamesMembersAndReadingOrPolicyActions) {
  EXPECT_EQ(put("{"), "InvalidInputException/INVALID_RESOURCE_POLICY_JSON");
  EXPECT_EQ(
      put(R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"organizations:ListRoots","Resource":"*"}]})"),
      "InvalidInputException/INVALID_RESOURCE_POLICY_JSON");
  EXPECT_EQ(
      put(R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"backup.amazonaws.com"},"Action":"organizations:ListRoots","Resource":"*"}]})"),
      "InvalidInputException/INVALID_PRINCIPAL");
  for (const char* action : {R"("organizations:CreateAccount")", R"("organizations:LeaveOrganization")", R"("s3:*")",
                             R"(["organizations:ListRoots","organizations:MoveAccount"])"}) {
    EXPECT_EQ(put(statement(action)), "InvalidInputException/UNSUPPORTED_ACTION_IN_RESOURCE_POLICY") << action;
  }
  EXPECT_EQ(put(statement(R"(["organizations:List*","organizations:describeOrganization"])")), "");
}

TEST_F(Delegation, ResourcePolicyLetsAMemberDoWhatItSaysAndNoMore) {
  EXPECT_EQ(put(statement(R"(["organizations:ListPolicies","organizations:CreatePolicy"])", "222222222222",
                          R"(,"Condition":{"StringEquals":{"organizations:PolicyType":"BACKUP_POLICY"}})")),
            "");
  world.join(kThird);
  const auto create = [&](const char* by, const char* type, const char* content) {
    return world.fault(by, "CreatePolicy",
                       Value::object({{"Name", "n"}, {"Content", content}, {"Description", ""}, {"Type", type}}));
  };
  EXPECT_EQ(create(kOther, "BACKUP_POLICY", R"({"plans":{}})"), "");
  EXPECT_EQ(create(kOther, "SERVICE_CONTROL_POLICY", kDenyKms), "AccessDeniedException");
  EXPECT_EQ(create(kThird, "BACKUP_POLICY", R"({"plans":{}})"), "AccessDeniedException");
  EXPECT_EQ(world.fault(kOther, "ListPolicies", Value::object({{"Filter", "BACKUP_POLICY"}})), "");
  EXPECT_EQ(world.fault(kOther, "ListAccounts"), "AccessDeniedException");
  EXPECT_EQ(world.fault(kOther, "CreateOrganizationalUnit", Value::object({{"ParentId", "r-aaaa"}, {"Name", "x"}})),
            "AccessDeniedException");
  // The request is across accounts: for the owner of the policy, by the member.
  world.fault(kOther, "ListPolicies", Value::object({{"Filter", "BACKUP_POLICY"}}));
  EXPECT_EQ(world.asked.at(0).resource_account, kMain);
  EXPECT_NE(world.asked.at(0).resource_policy, nullptr);
  world.ok(kMain, "DeleteResourcePolicy");
  EXPECT_EQ(world.fault(kOther, "ListPolicies", Value::object({{"Filter", "BACKUP_POLICY"}})), "AccessDeniedException");
}

}  // namespace
}  // namespace coffer::organizations
