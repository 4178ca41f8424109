// Accounts: made, listed, named, summed up.
#include "services/iam/house.h"

namespace coffer::iam {
namespace {

class AccountsTest : public House {};

TEST_F(AccountsTest, AnAccountIsMadeOnceWithARootThatMayDoEverything) {
  EXPECT_TRUE(may(root(), "kms:CreateKey"));
  change([&](catalog::Transaction& t) -> Status {
    EXPECT_EQ(create_account(t, kAccount, "again", root_.view(), clock_, entropy_).code(), ErrorCode::kAlreadyExists);
    for (const char* id : {"", "1", "11111111111", "1111111111111", "11111111111x"})
      EXPECT_EQ(create_account(t, id, "x", root_.view(), clock_, entropy_).code(), ErrorCode::kInvalidArgument) << id;
    return ok_status();
  });
  auto t = read();
  const auto accounts = must(list_accounts(*t));
  ASSERT_EQ(accounts.size(), 2U);
  EXPECT_EQ(accounts[0].id, kAccount);
  EXPECT_EQ(accounts[0].name, "account " + kAccount);
  EXPECT_EQ(accounts[0].created, clock_.wall());
}

TEST_F(AccountsTest, AMemberAccountIsEnteredByItsRole) {
  change([&](catalog::Transaction& t) {
    return create_member_account(t, "333333333333", "member", "Entrance", kAccount, root_.view(), clock_, entropy_);
  });
  const Keys admin = user("admin", allow("sts:AssumeRole"));
  const std::string role_arn = "arn:aws:iam::333333333333:role/Entrance";
  const Keys inside = keys_of(must(assume(admin, role_arn)));
  EXPECT_TRUE(may(inside, "kms:CreateKey"));
  EXPECT_EQ(must(sts(inside, "GetCallerIdentity")).text("Account"), "333333333333");
  EXPECT_EQ(error_of(assume(user("nobody"), role_arn)), "permission_denied");
  EXPECT_EQ(must(iam(inside, "GetAccountSummary")).find("SummaryMap")->integer("AccountAccessKeysPresent"), 0);
  change([&](catalog::Transaction& t) {
    return create_member_account(t, "444444444444", "member", "", kAccount, root_.view(), clock_, entropy_);
  });
  EXPECT_EQ(error_of(assume(admin, "arn:aws:iam::444444444444:role/OrganizationAccountAccessRole")), "");
}

TEST_F(AccountsTest, AnAliasIsOneAccountsAlone) {
  EXPECT_TRUE(must(iam("ListAccountAliases")).list("AccountAliases").empty());
  must(iam("CreateAccountAlias", object({{"AccountAlias", "acme"}})));
  EXPECT_EQ(error_of(iam(root(kOther), "CreateAccountAlias", object({{"AccountAlias", "acme"}}))),
            "EntityAlreadyExists");
  must(iam("CreateAccountAlias", object({{"AccountAlias", "acme-2"}})));  // there is one at a time
  EXPECT_EQ(must(iam("ListAccountAliases")).texts("AccountAliases"), std::vector<std::string>{"acme-2"});
  EXPECT_EQ(error_of(iam("DeleteAccountAlias", object({{"AccountAlias", "acme"}}))), "NoSuchEntity");
  must(iam("DeleteAccountAlias", object({{"AccountAlias", "acme-2"}})));
  EXPECT_TRUE(must(iam("ListAccountAliases")).list("AccountAliases").empty());
}

TEST_F(AccountsTest, TheSummaryCounts) {
  user("alice");
  user("bob");
  must(iam("CreateGroup", object({{"GroupName", "g"}})));
  role("r", trust(service("s3.amazonaws.com")));
  const std::string arn = managed("p", allow("s3:*"));
  must(iam("CreatePolicyVersion", object({{"PolicyArn", arn}, {"PolicyDocument", allow("s3:*")}})));
  const Value map = *must(iam("GetAccountSummary")).find("SummaryMap");
  EXPECT_EQ(map.integer("Users"), 2);
  EXPECT_EQ(map.integer("Groups"), 1);
  EXPECT_EQ(map.integer("Roles"), 1);
  EXPECT_EQ(map.integer("Policies"), 1);
  EXPECT_EQ(map.integer("PolicyVersionsInUse"), 2);
  EXPECT_EQ(map.integer("AccountAccessKeysPresent"), 1);
  EXPECT_EQ(map.integer("AccessKeysPerUserQuota"), 2);
}

TEST_F(AccountsTest, AuthorizationDetailsShowEverythingThatGrants) {
  user("alice", allow("s3:*"));
  must(iam("CreateGroup", object({{"GroupName", "g"}})));
  must(iam("AddUserToGroup", object({{"GroupName", "g"}, {"UserName", "alice"}})));
  role("r", trust(service("s3.amazonaws.com")), allow("kms:*"));
  const std::string arn = managed("p", allow("s3:*"));
  must(iam("AttachGroupPolicy", object({{"GroupName", "g"}, {"PolicyArn", arn}})));
  must(iam("AttachRolePolicy", object({{"RoleName", "r"}, {"PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess"}})));

  const Value all = must(iam("GetAccountAuthorizationDetails"));
  ASSERT_EQ(all.list("UserDetailList").size(), 1U);
  const Value& alice = all.list("UserDetailList")[0];
  EXPECT_EQ(alice.texts("GroupList"), std::vector<std::string>{"g"});
  EXPECT_EQ(alice.list("UserPolicyList")[0].text("PolicyDocument"), allow("s3:*"));
  ASSERT_EQ(all.list("GroupDetailList").size(), 1U);
  EXPECT_EQ(all.list("GroupDetailList")[0].list("AttachedManagedPolicies")[0].text("PolicyArn"), arn);
  ASSERT_EQ(all.list("RoleDetailList").size(), 1U);
  EXPECT_EQ(all.list("RoleDetailList")[0].list("RolePolicyList")[0].text("PolicyName"), "p");
  ASSERT_EQ(all.list("Policies").size(), 2U);
  EXPECT_EQ(all.list("Policies")[0].text("Arn"), arn);
  EXPECT_EQ(all.list("Policies")[0].list("PolicyVersionList")[0].text("Document"), allow("s3:*"));
  EXPECT_FALSE(all.flag("IsTruncated"));

  const Value roles = must(iam("GetAccountAuthorizationDetails", object({{"Filter", texts({"Role"})}})));
  EXPECT_TRUE(roles.list("UserDetailList").empty());
  EXPECT_EQ(roles.list("RoleDetailList").size(), 1U);
  size_t seen = 0;
  Value input = object({{"MaxItems", 2}});
  for (;;) {
    const Value page = must(iam("GetAccountAuthorizationDetails", input));
    for (const char* list : {"UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"})
      seen += page.list(list).size();
    if (!page.flag("IsTruncated")) break;
    input.set("Marker", page.text("Marker"));
  }
  EXPECT_EQ(seen, 5U);
}

}  // namespace
}  // namespace coffer::iam
