#include "world.h"

namespace coffer::organizations {
namespace {

using std::chrono::hours;

class Accounts : public OrganizationsTest {
 protected:
  void SetUp() override { world.organize(); }
  Value status_of(std::initializer_list<api::Members::value_type> input) {
    return *world.ok(kMain, "CreateAccount", Value::object(input)).find("CreateAccountStatus");
  }
};

TEST_F(Accounts, CreatedAccountIsAMemberWithItsRole) {
  const Value status = status_of({{"AccountName", "prod"}, {"Email", "prod@example.com"}});
  EXPECT_EQ(status.text("State"), "SUCCEEDED");
  EXPECT_TRUE(status.text("Id").starts_with("car-"));
  const std::string id(status.text("AccountId"));
  ASSERT_EQ(world.made.size(), 1u);
  EXPECT_EQ(world.made[0].account, id);
  EXPECT_EQ(world.made[0].name, "prod");
  EXPECT_EQ(world.made[0].role, "OrganizationAccountAccessRole");
  EXPECT_EQ(world.made[0].management, kMain);
  const Value account = *world.ok(kMain, "DescribeAccount", Value::object({{"AccountId", id}})).find("Account");
  EXPECT_EQ(account.text("Name"), "prod");
  EXPECT_EQ(account.text("Email"), "prod@example.com");
  EXPECT_EQ(account.text("Status"), "ACTIVE");
  EXPECT_EQ(account.text("State"), "ACTIVE");
  EXPECT_EQ(account.text("JoinedMethod"), "CREATED");
  EXPECT_EQ(account.time("JoinedTimestamp"), kStart);
  const std::string organization(world.ok(kMain, "DescribeOrganization").find("Organization")->text("Id"));
  EXPECT_EQ(account.texts("Paths"), std::vector{organization + "/" + world.root() + "/" + id + "/"});
}

TEST_F(Accounts, StatusOfACreationIsKept) {
  const Value good = status_of({{"AccountName", "a"}, {"Email", "a@example.com"}});
  const Value bad = status_of({{"AccountName", "b"}, {"Email", "A@Example.com"}});
  EXPECT_EQ(bad.text("State"), "FAILED");
  EXPECT_EQ(bad.text("FailureReason"), "EMAIL_ALREADY_EXISTS");
  EXPECT_FALSE(bad.has("AccountId"));
  const Value described =
      world.ok(kMain, "DescribeCreateAccountStatus", Value::object({{"CreateAccountRequestId", bad.text("Id")}}));
  EXPECT_EQ(*described.find("CreateAccountStatus"), bad);
  EXPECT_EQ(world.fault(kMain, "DescribeCreateAccountStatus",
                        Value::object({{"CreateAccountRequestId", "car-aaaaaaaaaaaa"}})),
            "CreateAccountStatusNotFoundException");
  const auto list = [&](std::vector<std::string> states) {
    return world.ids(kMain, "ListCreateAccountStatus", "CreateAccountStatuses",
                     Value::object({{"States", api::text_list(states)}}));
  };
  EXPECT_EQ(list({}).size(), 2u);
  EXPECT_EQ(list({"FAILED"}), std::vector{std::string(bad.text("Id"))});
  EXPECT_EQ(list({"SUCCEEDED", "SUCCEEDED"}), std::vector{std::string(good.text("Id"))});
  EXPECT_TRUE(list({"IN_PROGRESS"}).empty());
  EXPECT_EQ(list({"IN_PROGRESS", "FAILED", "SUCCEEDED"}).size(), 2u);
}

TEST_F(Accounts, BadAddressesFailAsAWSsDo) {
  for (const char* email : {".a@example.com", "a,b@example.com", "a@-example.com", "a@example.com.", "a@exa_mple.com",
                            "a@@example.com", "a(b)@example.com"}) {
    EXPECT_EQ(status_of({{"AccountName", "a"}, {"Email", email}}).text("FailureReason"), "INVALID_EMAIL") << email;
  }
  EXPECT_TRUE(world.made.empty());
}

TEST_F(Accounts, ReservedRoleNamesAreRefused) {
  EXPECT_EQ(world.fault(
                kMain, "CreateAccount",
                Value::object({{"AccountName", "a"}, {"Email", "a@example.com"}, {"RoleName", "AWSServiceRoleForX"}})),
            "InvalidInputException/INVALID_ROLE_NAME");
  status_of({{"AccountName", "a"}, {"Email", "a@example.com"}, {"RoleName", "Admin"}});
  EXPECT_EQ(world.made.at(0).role, "Admin");
}

TEST_F(Accounts, AnIdThatIsTakenStartsTheCallAgain) {
  world.make_account_fails = "taken";
  auto result = world.call(kMain, "CreateAccount", Value::object({{"AccountName", "a"}, {"Email", "a@example.com"}}));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.code(), ErrorCode::kConflict);
  EXPECT_EQ(result.error().name, "");  // so that the gate tries again
}

TEST_F(Accounts, NumberIsLimitedWithPendingInvitationsCounted) {
  const std::string organization(world.ok(kMain, "DescribeOrganization").find("Organization")->text("Id"));
  world.write(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9998) "
      "INSERT INTO org_account (account, organization, parent, joined_method, joined) "
      "SELECT 'x' || i, $1, $2, 'CREATED', 0 FROM n",
      {organization, world.root()});
  const std::string invitation = world.invite(kOther);  // the last place
  const Value create = Value::object({{"AccountName", "a"}, {"Email", "a@example.com"}});
  EXPECT_EQ(world.fault(kMain, "CreateAccount", create), "ConstraintViolationException/ACCOUNT_NUMBER_LIMIT_EXCEEDED");
  EXPECT_EQ(world.fault(kMain, "InviteAccountToOrganization",
                        Value::object({{"Target", Value::object({{"Id", kThird}, {"Type", "ACCOUNT"}})}})),
            "HandshakeConstraintViolationException/ACCOUNT_NUMBER_LIMIT_EXCEEDED");
  world.ok(kMain, "CancelHandshake", Value::object({{"HandshakeId", invitation}}));
  EXPECT_EQ(world.fault(kMain, "CreateAccount", create), "");
}

TEST_F(Accounts, MoveNeedsTheTrueSourceAndAnotherDestination) {
  const std::string root = world.root(), unit = world.unit(root, "u");
  const std::string a = world.account("a");
  const auto move = [&](std::string_view account, std::string_view from, std::string_view to) {
    return world.fault(kMain, "MoveAccount",
                       Value::object({{"AccountId", account}, {"SourceParentId", from}, {"DestinationParentId", to}}));
  };
  EXPECT_EQ(move(kOther, root, unit), "AccountNotFoundException");
  EXPECT_EQ(move(a, "ou-zzzz-zzzzzzzz", unit), "SourceParentNotFoundException");
  EXPECT_EQ(move(a, root, "ou-zzzz-zzzzzzzz"), "DestinationParentNotFoundException");
  EXPECT_EQ(move(a, unit, root), "AccountNotFoundException");
  EXPECT_EQ(move(a, root, root), "DuplicateAccountException");
  EXPECT_EQ(move(a, root, unit), "");
  EXPECT_EQ(world.ids(kMain, "ListAccountsForParent", "Accounts", Value::object({{"ParentId", unit}})), std::vector{a});
  EXPECT_EQ(move(kMain, root, unit), "");  // the management account moves like others
}

TEST_F(Accounts, ClosedAccountIsSuspendedAndGoneAfterNinetyDays) {
  const std::string a = world.account("a");
  const Value one = Value::object({{"AccountId", a}});
  EXPECT_EQ(world.fault(kMain, "CloseAccount", Value::object({{"AccountId", kMain}})),
            "ConstraintViolationException/CANNOT_CLOSE_MANAGEMENT_ACCOUNT");
  EXPECT_EQ(world.fault(kMain, "CloseAccount", Value::object({{"AccountId", kOther}})), "AccountNotFoundException");
  world.ok(kMain, "CloseAccount", one);
  const Value closed = *world.ok(kMain, "DescribeAccount", one).find("Account");
  EXPECT_EQ(closed.text("Status"), "SUSPENDED");
  EXPECT_EQ(closed.text("State"), "CLOSED");
  EXPECT_EQ(world.fault(kMain, "CloseAccount", one), "AccountAlreadyClosedException");
  EXPECT_EQ(world.fault(a, "DescribeOrganization"), "AccessDeniedException");
  EXPECT_EQ(world.fault(kMain, "DeleteOrganization"), "OrganizationNotEmptyException");
  world.clock.advance(hours(24 * 8));
  EXPECT_EQ(world.fault(kMain, "RemoveAccountFromOrganization", one),
            "ConstraintViolationException/ACCOUNT_CANNOT_LEAVE_ORGANIZATION");
  world.clock.advance(hours(24 * 82));
  world.unit(world.root(), "any change");
  EXPECT_EQ(world.fault(kMain, "DescribeAccount", one), "AccountNotFoundException");
}

TEST_F(Accounts, ClosingIsLimitedInThirtyDays) {
  std::vector<std::string> all;
  for (char c = 'a'; c < 'a' + 11; ++c) all.push_back(world.account(std::string(1, c)));
  for (int i = 0; i < 10; ++i) world.ok(kMain, "CloseAccount", Value::object({{"AccountId", all[i]}}));
  const Value last = Value::object({{"AccountId", all[10]}});
  EXPECT_EQ(world.fault(kMain, "CloseAccount", last), "ConstraintViolationException/CLOSE_ACCOUNT_QUOTA_EXCEEDED");
  world.clock.advance(hours(24 * 31));
  EXPECT_EQ(world.fault(kMain, "CloseAccount", last), "");
}

TEST_F(Accounts, CreatedAccountStaysSevenDays) {
  const std::string a = world.account("a");
  const Value one = Value::object({{"AccountId", a}});
  world.clock.advance(hours(24 * 7) - std::chrono::microseconds(1));
  EXPECT_EQ(world.fault(kMain, "RemoveAccountFromOrganization", one),
            "ConstraintViolationException/WAIT_PERIOD_ACTIVE");
  EXPECT_EQ(world.fault(a, "LeaveOrganization"), "ConstraintViolationException/WAIT_PERIOD_ACTIVE");
  world.clock.advance(std::chrono::microseconds(1));
  EXPECT_EQ(world.fault(kMain, "RemoveAccountFromOrganization", one), "");
  EXPECT_EQ(world.fault(a, "DescribeOrganization"), "AWSOrganizationsNotInUseException");
}

TEST_F(Accounts, ManagementAccountNeverLeaves) {
  EXPECT_EQ(world.fault(kMain, "LeaveOrganization"), "MasterCannotLeaveOrganizationException");
  EXPECT_EQ(world.fault(kMain, "RemoveAccountFromOrganization", Value::object({{"AccountId", kMain}})),
            "MasterCannotLeaveOrganizationException");
}

TEST_F(Accounts, DelegatedAdministratorsAreNotRemoved) {
  world.join(kOther);
  world.ok(kMain, "EnableAWSServiceAccess", Value::object({{"ServicePrincipal", "backup.amazonaws.com"}}));
  const Value delegation = Value::object({{"AccountId", kOther}, {"ServicePrincipal", "backup.amazonaws.com"}});
  world.ok(kMain, "RegisterDelegatedAdministrator", delegation);
  EXPECT_EQ(world.fault(kOther, "LeaveOrganization"),
            "ConstraintViolationException/CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG");
  world.ok(kMain, "DeregisterDelegatedAdministrator", delegation);
  EXPECT_EQ(world.fault(kOther, "LeaveOrganization"), "");
}

TEST_F(Accounts, WhatLeavesTakesItsTagsAndAttachmentsAway) {
  world.enable("SERVICE_CONTROL_POLICY");
  world.join(kOther);
  const std::string deny = world.policy("deny", kDenyKms);
  world.attach(deny, kOther);
  world.ok(kMain, "TagResource", Value::object({{"ResourceId", kOther}, {"Tags", tags({{"k", "v"}})}}));
  world.ok(kOther, "LeaveOrganization");
  EXPECT_EQ(world.fault(kMain, "DeletePolicy", Value::object({{"PolicyId", deny}})), "");
  world.join(kOther);
  EXPECT_TRUE(world.ids(kMain, "ListTagsForResource", "Tags", Value::object({{"ResourceId", kOther}}), "Key").empty());
  EXPECT_EQ(world.ids(kMain, "ListPoliciesForTarget", "Policies",
                      Value::object({{"TargetId", kOther}, {"Filter", "SERVICE_CONTROL_POLICY"}})),
            std::vector<std::string>{"p-FullAWSAccess"});
}

TEST_F(Accounts, ListsAreForReaders) {
  world.join(kOther);
  for (const char* operation : {"ListAccounts", "ListRoots", "ListCreateAccountStatus", "ListHandshakesForOrganization",
                                "ListAWSServiceAccessForOrganization", "ListDelegatedAdministrators"}) {
    EXPECT_EQ(world.fault(kOther, operation), "AccessDeniedException") << operation;
    EXPECT_EQ(world.fault(kThird, operation), "AWSOrganizationsNotInUseException") << operation;
    EXPECT_EQ(world.fault(kMain, operation), "") << operation;
  }
  EXPECT_EQ(world.fault(kMain, "ListAccountsForParent", Value::object({{"ParentId", "ou-zzzz-zzzzzzzz"}})),
            "ParentNotFoundException");
  EXPECT_EQ(world.fault(kMain, "DescribeAccount", Value::object({{"AccountId", kThird}})), "AccountNotFoundException");
}

}  // namespace
}  // namespace coffer::organizations
