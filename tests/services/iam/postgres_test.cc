// The same on a shared catalog: every statement on PostgreSQL, and changes that another process makes.
#include <set>

#include "services/catalog/catalogs.h"
#include "services/iam/house.h"

namespace coffer::iam {
namespace {

std::string postgres_or_memory() {
  return testing_support::TestServer::binaries(15) ? catalog::SharedServer::new_database() : ":memory:";
}

class PostgresHouse : public House {
 protected:
  PostgresHouse() : House(postgres_or_memory()) {}
  void SetUp() override { COFFER_NEED_POSTGRES(15); }
  /// As another process would: nothing of this one is told.
  void change_behind_its_back(std::string_view sql, std::initializer_list<catalog::Parameter> parameters) {
    auto transaction = coffer::iam::must(database_->begin(Context(), catalog::Database::Mode::kWrite));
    coffer::iam::must(transaction->run(sql, parameters));
    coffer::iam::must(transaction->run("UPDATE catalog_generations SET value = value + 1 WHERE name = 'iam'"));
    must(transaction->commit());
  }
};

TEST_F(PostgresHouse, ALifeOfUsersGroupsRolesAndPolicies) {
  const Keys alice = user("Alice", allow("sts:AssumeRole"));
  EXPECT_EQ(error_of(iam("CreateUser", object({{"UserName", "aLICE"}}))), "EntityAlreadyExists");
  for (const char* name : {"b_c", "B-a", "zoe", "Bob"})
    must(iam("CreateUser", object({{"UserName", name}, {"Path", "/t/"}})));
  std::set<std::string> seen;
  Value input = object({{"PathPrefix", "/t/"}, {"MaxItems", 1}});
  for (;;) {
    const Value page = must(iam("ListUsers", input));
    for (const Value& one : page.list("Users")) EXPECT_TRUE(seen.emplace(one.text("UserName")).second);
    if (!page.flag("IsTruncated")) break;
    input.set("Marker", page.text("Marker"));
  }
  EXPECT_EQ(seen.size(), 4U);
  must(iam("CreateGroup", object({{"GroupName", "g"}})));
  must(iam("AddUserToGroup", object({{"GroupName", "g"}, {"UserName", "alice"}})));
  must(iam("AddUserToGroup", object({{"GroupName", "g"}, {"UserName", "alice"}})));
  const std::string arn = managed("p", allow("s3:*"));
  must(iam("AttachGroupPolicy", object({{"GroupName", "g"}, {"PolicyArn", arn}})));
  must(iam("CreatePolicyVersion",
           object({{"PolicyArn", arn}, {"PolicyDocument", allow("kms:*")}, {"SetAsDefault", true}})));
  EXPECT_TRUE(may(alice, "kms:Encrypt"));
  EXPECT_FALSE(may(alice, "s3:GetObject"));
  must(iam("TagUser", object({{"UserName", "alice"}, {"Tags", tags({{"a", "1"}})}})));
  must(iam("TagUser", object({{"UserName", "alice"}, {"Tags", tags({{"A", "2"}})}})));
  EXPECT_EQ(identity(alice)->caller.tags.at("A"), "2");
  must(iam("PutUserPermissionsBoundary", object({{"UserName", "alice"}, {"PermissionsBoundary", arn}})));
  EXPECT_EQ(
      must(iam("GetPolicy", object({{"PolicyArn", arn}}))).find("Policy")->integer("PermissionsBoundaryUsageCount"), 1);
  EXPECT_EQ(must(iam("ListEntitiesForPolicy", object({{"PolicyArn", arn}}))).list("PolicyUsers").size(), 1U);
  must(iam("DeleteUserPermissionsBoundary", object({{"UserName", "alice"}})));
  const Keys session = keys_of(must(assume(alice, role("r", trust(aws(kAccount)), allow("s3:*")))));
  EXPECT_TRUE(may(session, "s3:GetObject"));
  clock_.advance(std::chrono::minutes(1));
  authority_->note_use(session.id, "s3", "us-east-1", clock_.wall());
  EXPECT_EQ(must(iam("GetRole", object({{"RoleName", "r"}}))).find("Role")->find("RoleLastUsed")->text("Region"),
            "us-east-1");
  authority_->note_use(alice.id, "s3", "us-east-1", clock_.wall());
  reopen();
  EXPECT_EQ(must(iam("GetAccessKeyLastUsed", object({{"AccessKeyId", alice.id}})))
                .find("AccessKeyLastUsed")
                ->text("ServiceName"),
            "s3");
  must(iam("CreateAccountAlias", object({{"AccountAlias", "acme"}})));
  must(iam("DeleteAccountAlias", object({{"AccountAlias", "acme"}})));
  EXPECT_EQ(must(iam("GetAccountAuthorizationDetails")).list("UserDetailList").size(), 5U);
  must(iam("UpdateAccessKey", object({{"UserName", "alice"}, {"AccessKeyId", alice.id}, {"Status", "Inactive"}})));
  EXPECT_EQ(error_of(find(alice)), "InvalidClientTokenId");
  must(iam("DeleteAccessKey", object({{"UserName", "alice"}, {"AccessKeyId", alice.id}})));
  must(iam("RemoveUserFromGroup", object({{"GroupName", "g"}, {"UserName", "alice"}})));
  must(iam("DetachGroupPolicy", object({{"GroupName", "g"}, {"PolicyArn", arn}})));
  must(iam("DeletePolicyVersion", object({{"PolicyArn", arn}, {"VersionId", "v1"}})));
  must(iam("DeletePolicy", object({{"PolicyArn", arn}})));
  must(iam("DeleteUserPolicy", object({{"UserName", "alice"}, {"PolicyName", "p"}})));
  must(iam("DeleteUser", object({{"UserName", "alice"}})));
}

TEST_F(PostgresHouse, WhatAnotherProcessChangesIsSeenWithinHalfASecond) {
  const Keys alice = user("alice", allow("s3:*"));
  EXPECT_TRUE(may(alice, "s3:GetObject"));
  clock_.advance(std::chrono::milliseconds(500));
  EXPECT_TRUE(may(alice, "s3:GetObject"));
  change_behind_its_back("UPDATE iam_access_keys SET active = 0 WHERE id = $1", {alice.id});
  clock_.advance(std::chrono::milliseconds(499));
  EXPECT_EQ(error_of(find(alice)), "");
  clock_.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(error_of(find(alice)), "InvalidClientTokenId");
}

}  // namespace
}  // namespace coffer::iam
