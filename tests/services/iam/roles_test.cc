// Roles: trust policies and whom they mean, service-linked roles.
#include "services/iam/house.h"

namespace coffer::iam {
namespace {

class RolesTest : public House {
 protected:
  Value get(const std::string& name) { return *must(iam("GetRole", object({{"RoleName", name}}))).find("Role"); }
  Result<Value> create(const std::string& name, const std::string& policy) {
    return iam("CreateRole", object({{"RoleName", name}, {"AssumeRolePolicyDocument", policy}}));
  }
  static std::string user_arn(const std::string& name) { return "arn:aws:iam::" + kAccount + ":user/" + name; }
};

TEST_F(RolesTest, ACreatedRoleIsShownAsItWasMade) {
  const std::string policy = trust(service("backup.amazonaws.com"));
  const Value made = must(iam("CreateRole", object({{"RoleName", "Backup"},
                                                    {"Path", "/service-role/"},
                                                    {"AssumeRolePolicyDocument", policy},
                                                    {"Description", "backs up"},
                                                    {"MaxSessionDuration", 7200},
                                                    {"Tags", tags({{"a", "b"}})}})));
  Value role = get("BACKUP");
  EXPECT_EQ(role.text("Arn"), "arn:aws:iam::" + kAccount + ":role/service-role/Backup");
  EXPECT_TRUE(role.text("RoleId").starts_with("AROA"));
  EXPECT_EQ(role.text("AssumeRolePolicyDocument"), policy);
  EXPECT_EQ(role.text("Description"), "backs up");
  EXPECT_EQ(role.integer("MaxSessionDuration"), 7200);
  ASSERT_NE(role.find("RoleLastUsed"), nullptr);
  EXPECT_TRUE(role.find("RoleLastUsed")->entries().empty());
  role.set("RoleLastUsed", Value());
  EXPECT_EQ(role, *made.find("Role"));
  EXPECT_EQ(error_of(create("backup", policy)), "EntityAlreadyExists");
  const Value listed = must(iam("ListRoles", object({{"PathPrefix", "/service-role/"}})));
  ASSERT_EQ(listed.list("Roles").size(), 1U);
  EXPECT_EQ(listed.list("Roles")[0].text("AssumeRolePolicyDocument"), policy);
}

TEST_F(RolesTest, ATrustPolicyMustBeOne) {
  for (const std::string& policy :
       {std::string("{"), std::string("{}"), allow("s3:*"), trust("\"*\"", "\"s3:GetObject\""),
        trust(R"({"AWS":"arn:aws:iam::*:user/x"})"), trust(aws("alice"))}) {
    EXPECT_EQ(error_of(create("r", policy)), "MalformedPolicyDocument") << policy;
  }
  std::string huge = trust(service("backup.amazonaws.com"));
  huge.insert(huge.size() - 3, R"(,"Sid":")" + std::string(4100, 'x') + "\"");
  EXPECT_EQ(error_of(create("r", huge)), "LimitExceeded");
}

TEST_F(RolesTest, AnUnknownPrincipalIsRefusedByName) {
  for (const std::string& arn :
       {user_arn("nobody"), "arn:aws:iam::" + kAccount + ":role/nothing", std::string("AIDAAAAAAAAAAAAAAAAAA"),
        "arn:aws:iam::" + kAccount + ":group/g", "arn:aws:sts::" + kAccount + ":assumed-role/nothing/session"}) {
    const auto made = create("r", trust(aws(arn)));
    EXPECT_EQ(error_of(made), "MalformedPolicyDocument") << arn;
  }
  const auto made = create("r", trust(aws(user_arn("nobody"))));
  EXPECT_EQ(made.error().message, "Invalid principal in policy: \"AWS\":\"" + user_arn("nobody") + "\"");
  must(iam("CreateUser", object({{"UserName", "alice"}, {"Path", "/x/"}})));
  EXPECT_EQ(error_of(create("r", trust(aws(user_arn("alice"))))), "MalformedPolicyDocument") << "another path";
  EXPECT_EQ(error_of(create("r", trust(aws(user_arn("x/alice"))))), "");
}

TEST_F(RolesTest, AccountsOfThisHouseAndOfOthersMayBeTrusted) {
  EXPECT_EQ(error_of(create("a", trust(aws(kOther)))), "");
  EXPECT_EQ(error_of(create("b", trust(aws("arn:aws:iam::" + kOther + ":root")))), "");
  EXPECT_EQ(error_of(create("c", trust(aws("arn:aws:iam::999999999999:root")))), "");
  EXPECT_EQ(error_of(create("d", trust("\"*\""))), "");
}

TEST_F(RolesTest, AUserMadeAgainIsNotTheOneThatWasTrusted) {
  const Keys alice = user("alice");
  const std::string id(must(iam("GetUser", object({{"UserName", "alice"}}))).find("User")->text("UserId"));
  const std::string arn = role("r", trust(aws(user_arn("alice"))));
  EXPECT_EQ(error_of(assume(alice, arn)), "");
  must(iam("DeleteAccessKey", object({{"UserName", "alice"}, {"AccessKeyId", alice.id}})));
  must(iam("DeleteUser", object({{"UserName", "alice"}})));
  const Keys again = user("alice", allow("sts:AssumeRole"));
  EXPECT_EQ(error_of(assume(again, arn)), "permission_denied");
  const std::string shown(get("r").text("AssumeRolePolicyDocument"));
  EXPECT_NE(shown.find(id), std::string::npos) << shown;
  EXPECT_EQ(shown.find(user_arn("alice")), std::string::npos) << shown;
  must(iam("UpdateAssumeRolePolicy", object({{"RoleName", "r"}, {"PolicyDocument", trust(aws(user_arn("alice")))}})));
  EXPECT_EQ(error_of(assume(again, arn)), "");
}

TEST_F(RolesTest, ATrustedUserThatIsRenamedStaysTrusted) {
  const Keys alice = user("alice");
  const std::string arn = role("r", trust(aws(user_arn("alice"))));
  must(iam("UpdateUser", object({{"UserName", "alice"}, {"NewUserName", "anna"}})));
  EXPECT_EQ(error_of(assume(alice, arn)), "");
  EXPECT_NE(get("r").text("AssumeRolePolicyDocument").find(user_arn("anna")), std::string::npos);
  user("alice");  // another one under the old name
  EXPECT_NE(get("r").text("AssumeRolePolicyDocument").find(user_arn("anna")), std::string::npos);
}

TEST_F(RolesTest, OnlyPrincipalsAreSettledAndNotWhatLooksLikeThem) {
  const Keys alice = user("alice");
  const std::string condition = R"(,"Condition":{"ArnEquals":{"aws:PrincipalArn":")" + user_arn("alice") + R"("}})";
  const std::string arn =
      role("r", trust(R"({"AWS":[")" + user_arn("alice") + R"("]})", R"("sts:AssumeRole")", condition));
  EXPECT_EQ(error_of(assume(alice, arn)), "");
}

TEST_F(RolesTest, UpdatesChangeWhatTheyName) {
  role("r", trust(service("backup.amazonaws.com")));
  must(iam("UpdateRole", object({{"RoleName", "r"}, {"MaxSessionDuration", 43200}})));
  must(iam("UpdateRole", object({{"RoleName", "r"}, {"Description", "d"}})));
  EXPECT_EQ(get("r").integer("MaxSessionDuration"), 43200);
  EXPECT_EQ(get("r").text("Description"), "d");
  EXPECT_EQ(must(iam("UpdateRoleDescription", object({{"RoleName", "r"}, {"Description", "e"}})))
                .find("Role")
                ->text("Description"),
            "e");
  EXPECT_EQ(error_of(iam("UpdateAssumeRolePolicy", object({{"RoleName", "r"}, {"PolicyDocument", "x"}}))),
            "MalformedPolicyDocument");
  EXPECT_TRUE(must(iam("ListInstanceProfilesForRole", object({{"RoleName", "r"}}))).list("InstanceProfiles").empty());
  for (const char* operation :
       {"GetRole", "DeleteRole", "UpdateRole", "UpdateAssumeRolePolicy", "ListRoleTags", "ListRolePolicies",
        "ListAttachedRolePolicies", "ListInstanceProfilesForRole", "DeleteServiceLinkedRole", "UpdateRoleDescription"})
    EXPECT_EQ(error_of(iam(operation, object({{"RoleName", "x"}, {"PolicyDocument", "{}"}}))), "NoSuchEntity")
        << operation;
}

TEST_F(RolesTest, DeletingWaitsUntilNoPoliciesAreLeft) {
  role("r", trust(service("backup.amazonaws.com")), allow("s3:*"));
  const auto remove = [&] { return iam("DeleteRole", object({{"RoleName", "r"}})); };
  must(iam("AttachRolePolicy",
           object({{"RoleName", "r"}, {"PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess"}})));
  EXPECT_EQ(remove().error().message, "Cannot delete entity, must detach all policies first.");
  must(iam("DetachRolePolicy",
           object({{"RoleName", "r"}, {"PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess"}})));
  EXPECT_EQ(remove().error().message, "Cannot delete entity, must delete policies first.");
  must(iam("DeleteRolePolicy", object({{"RoleName", "r"}, {"PolicyName", "p"}})));
  must(remove());
}

TEST_F(RolesTest, AServiceLinkedRoleIsItsServicesAlone) {
  const Value made = must(iam("CreateServiceLinkedRole", object({{"AWSServiceName", "backup.amazonaws.com"}})));
  EXPECT_EQ(made.find("Role")->text("Arn"),
            "arn:aws:iam::" + kAccount + ":role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup");
  EXPECT_EQ(error_of(iam("CreateServiceLinkedRole", object({{"AWSServiceName", "backup.amazonaws.com"}}))),
            "InvalidInput");
  EXPECT_EQ(error_of(iam("CreateServiceLinkedRole", object({{"AWSServiceName", "x.amazonaws.com"}}))), "InvalidInput");
  const std::string name = "AWSServiceRoleForBackup", arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
  const Value input = object({{"RoleName", name},
                              {"PolicyArn", arn},
                              {"PolicyName", "p"},
                              {"PolicyDocument", allow("*")},
                              {"PermissionsBoundary", arn},
                              {"MaxSessionDuration", 3600},
                              {"Tags", tags({{"a", "b"}})}});
  for (const char* operation :
       {"AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRole", "UpdateRole", "TagRole",
        "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "UpdateAssumeRolePolicy"})
    EXPECT_EQ(error_of(iam(operation, input)), "UnmodifiableEntity") << operation;
  EXPECT_EQ(error_of(create("r", trust(service("backup.amazonaws.com")))), "");
  EXPECT_EQ(error_of(iam("DeleteServiceLinkedRole", object({{"RoleName", "r"}}))), "NoSuchEntity");
  EXPECT_EQ(error_of(iam("CreateRole", object({{"RoleName", "s"},
                                               {"Path", "/aws-service-role/backup.amazonaws.com/"},
                                               {"AssumeRolePolicyDocument", trust(service("backup.amazonaws.com"))}}))),
            "ValidationError");
}

TEST_F(RolesTest, ADeletionTaskIsKnownToTheAccountThatBeganIt) {
  must(iam("CreateServiceLinkedRole", object({{"AWSServiceName", "rds.amazonaws.com"}})));
  const std::string task(
      must(iam("DeleteServiceLinkedRole", object({{"RoleName", "AWSServiceRoleForRDS"}}))).text("DeletionTaskId"));
  EXPECT_TRUE(task.starts_with("task/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS/")) << task;
  EXPECT_EQ(must(iam("GetServiceLinkedRoleDeletionStatus", object({{"DeletionTaskId", task}}))).text("Status"),
            "SUCCEEDED");
  EXPECT_EQ(error_of(iam("GetRole", object({{"RoleName", "AWSServiceRoleForRDS"}}))), "NoSuchEntity");
  EXPECT_EQ(error_of(iam(root(kOther), "GetServiceLinkedRoleDeletionStatus", object({{"DeletionTaskId", task}}))),
            "NoSuchEntity");
  std::string forged = task;
  forged.back() = forged.back() == '0' ? '1' : '0';
  EXPECT_EQ(error_of(iam("GetServiceLinkedRoleDeletionStatus", object({{"DeletionTaskId", forged}}))), "NoSuchEntity");
  for (const char* text : {"", "task", "task/aws-service-role/", "task/aws-service-role/x"})
    EXPECT_NE(error_of(iam("GetServiceLinkedRoleDeletionStatus", object({{"DeletionTaskId", text}}))), "");
}

TEST_F(RolesTest, ARoleThatIsUsedSaysWhen) {
  const Keys alice = user("alice");
  const Keys session = keys_of(must(assume(alice, role("r", trust(aws(user_arn("alice")))))));
  must(find(session));
  clock_.advance(std::chrono::hours(1) - std::chrono::seconds(5));
  authority_->note_use(session.id, "kms", "eu-central-1", clock_.wall());
  clock_.advance(std::chrono::seconds(30));
  authority_->note_use(alice.id, "kms", "eu-central-1", clock_.wall());
  EXPECT_EQ(get("r").find("RoleLastUsed")->text("Region"), "eu-central-1");
}

}  // namespace
}  // namespace coffer::iam
