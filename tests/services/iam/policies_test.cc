// Managed policies with their versions, attached and inline policies, permissions boundaries.
#include "services/iam/house.h"

namespace coffer::iam {
namespace {

const std::string kReadOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess";

class PoliciesTest : public House {
 protected:
  Value get(const std::string& arn) { return *must(iam("GetPolicy", object({{"PolicyArn", arn}}))).find("Policy"); }
  Result<Value> with(const std::string& operation, const std::string& arn, const std::string& version = "v1") {
    return iam(operation, object({{"PolicyArn", arn}, {"VersionId", version}}));
  }
  Result<Value> new_version(const std::string& arn, const std::string& document, bool is_default = false) {
    return iam("CreatePolicyVersion",
               object({{"PolicyArn", arn}, {"PolicyDocument", document}, {"SetAsDefault", is_default}}));
  }
  Result<Value> attach(const std::string& user, const std::string& arn) {
    return iam("AttachUserPolicy", object({{"UserName", user}, {"PolicyArn", arn}}));
  }
  static std::string arn_of(const std::string& name) { return "arn:aws:iam::" + kAccount + ":policy/" + name; }
};

TEST_F(PoliciesTest, ACreatedPolicyIsShownWithItsFirstVersion) {
  const std::string document = allow("s3:GetObject");
  const Value made = *must(iam("CreatePolicy", object({{"PolicyName", "Readers"},
                                                       {"Path", "/x/"},
                                                       {"PolicyDocument", document},
                                                       {"Description", "d"},
                                                       {"Tags", tags({{"a", "b"}})}})))
                          .find("Policy");
  const std::string arn(made.text("Arn"));
  EXPECT_EQ(arn, "arn:aws:iam::" + kAccount + ":policy/x/Readers");
  EXPECT_TRUE(made.text("PolicyId").starts_with("ANPA"));
  EXPECT_EQ(made.text("DefaultVersionId"), "v1");
  EXPECT_EQ(get(arn).text("Description"), "d");
  EXPECT_EQ(get(arn).integer("AttachmentCount"), 0);
  const Value version = *must(with("GetPolicyVersion", arn)).find("PolicyVersion");
  EXPECT_EQ(version.text("Document"), document);
  EXPECT_TRUE(version.flag("IsDefaultVersion"));
  const auto again = iam("CreatePolicy", object({{"PolicyName", "READERS"}, {"PolicyDocument", document}}));
  EXPECT_EQ(error_of(again), "EntityAlreadyExists");
  EXPECT_EQ(again.error().message, "A policy called READERS already exists. Duplicate names are not allowed.");
}

TEST_F(PoliciesTest, DocumentsAreCheckedAndCounted) {
  const auto create = [&](const std::string& document) {
    return error_of(iam("CreatePolicy", object({{"PolicyName", "p"}, {"PolicyDocument", document}})));
  };
  EXPECT_EQ(create("not json"), "MalformedPolicyDocument");
  EXPECT_EQ(create(trust(service("s3.amazonaws.com"))), "MalformedPolicyDocument");
  const std::string six_thousand = allow("s3:GetObject", "arn:aws:s3:::b/" + std::string(6000, 'k'));
  EXPECT_EQ(create(allow("s3:GetObject", "arn:aws:s3:::b/" + std::string(6200, 'k'))), "LimitExceeded");
  EXPECT_EQ(create(std::string(5000, ' ') + six_thousand), "");  // whitespace is free
}

TEST_F(PoliciesTest, TheDefaultVersionCounts) {
  const Keys alice = user("alice");
  const std::string arn = managed("p", allow("s3:GetObject"));
  must(attach("alice", arn));
  EXPECT_TRUE(may(alice, "s3:GetObject"));
  EXPECT_EQ(must(new_version(arn, allow("s3:PutObject"))).find("PolicyVersion")->text("VersionId"), "v2");
  EXPECT_FALSE(may(alice, "s3:PutObject"));
  must(with("SetDefaultPolicyVersion", arn, "v2"));
  EXPECT_TRUE(may(alice, "s3:PutObject"));
  EXPECT_FALSE(may(alice, "s3:GetObject"));
  must(new_version(arn, allow("s3:ListBucket"), true));
  EXPECT_TRUE(may(alice, "s3:ListBucket"));
  EXPECT_EQ(get(arn).text("DefaultVersionId"), "v3");
}

TEST_F(PoliciesTest, FiveVersionsAtMostAndNumbersAreNotUsedAgain) {
  const std::string arn = managed("p", allow("s3:*"));
  for (int i = 2; i <= 5; ++i) must(new_version(arn, allow("s3:*")));
  EXPECT_EQ(error_of(new_version(arn, allow("s3:*"))), "LimitExceeded");
  must(with("DeletePolicyVersion", arn, "v5"));
  EXPECT_EQ(must(new_version(arn, allow("s3:*"))).find("PolicyVersion")->text("VersionId"), "v6");
  const Value first = must(iam("ListPolicyVersions", object({{"PolicyArn", arn}, {"MaxItems", 2}})));
  ASSERT_EQ(first.list("Versions").size(), 2U);
  EXPECT_EQ(first.list("Versions")[0].text("VersionId"), "v6");
  EXPECT_FALSE(first.list("Versions")[0].has("Document"));
  const Value rest =
      must(iam("ListPolicyVersions", object({{"PolicyArn", arn}, {"MaxItems", 10}, {"Marker", first.text("Marker")}})));
  EXPECT_EQ(rest.list("Versions").size(), 3U);
}

TEST_F(PoliciesTest, VersionsThatAreNotThereAreNoSuchEntity) {
  const std::string arn = managed("p", allow("s3:*"));
  for (const char* version : {"v2", "v0", "v", "1", "v1x", "v99999999999999999999", "v01"}) {
    EXPECT_EQ(error_of(with("GetPolicyVersion", arn, version)), "NoSuchEntity") << version;
    EXPECT_EQ(error_of(with("SetDefaultPolicyVersion", arn, version)), "NoSuchEntity") << version;
  }
  EXPECT_EQ(with("DeletePolicyVersion", arn).error().message, "Cannot delete the default version of a policy.");
  EXPECT_EQ(error_of(with("DeletePolicyVersion", arn)), "DeleteConflict");
}

TEST_F(PoliciesTest, PoliciesThatAreNotThereAreNoSuchEntity) {
  for (const char* operation : {"GetPolicy", "DeletePolicy", "ListPolicyVersions", "ListEntitiesForPolicy", "TagPolicy",
                                "ListPolicyTags", "UntagPolicy", "GetPolicyVersion"}) {
    EXPECT_EQ(error_of(with(operation, arn_of("nothing"))), "NoSuchEntity") << operation;
    EXPECT_EQ(error_of(with(operation, "arn:aws:s3:::a-bucket-and-no-policy")), "InvalidInput") << operation;
  }
}

TEST_F(PoliciesTest, AnotherAccountsPolicyIsNobodysBusiness) {
  const std::string arn = managed("p", allow("s3:*"));
  EXPECT_EQ(error_of(iam(root(kOther), "GetPolicy", object({{"PolicyArn", arn}}))), "permission_denied");
  must(iam(root(kOther), "CreateUser", object({{"UserName", "u"}})));
  EXPECT_EQ(error_of(iam(root(kOther), "AttachUserPolicy", object({{"UserName", "u"}, {"PolicyArn", arn}}))),
            "NoSuchEntity");
}

TEST_F(PoliciesTest, APolicyInUseIsNotDeleted) {
  user("alice");
  const std::string arn = managed("p", allow("s3:*"));
  must(attach("alice", arn));
  EXPECT_EQ(with("DeletePolicy", arn).error().message, "Cannot delete a policy attached to entities.");
  EXPECT_EQ(error_of(with("DeletePolicy", arn)), "DeleteConflict");
  must(iam("DetachUserPolicy", object({{"UserName", "alice"}, {"PolicyArn", arn}})));
  must(iam("PutUserPermissionsBoundary", object({{"UserName", "alice"}, {"PermissionsBoundary", arn}})));
  EXPECT_EQ(error_of(with("DeletePolicy", arn)), "DeleteConflict");
  must(iam("DeleteUserPermissionsBoundary", object({{"UserName", "alice"}})));
  must(new_version(arn, allow("s3:*")));
  EXPECT_EQ(error_of(with("DeletePolicy", arn)), "DeleteConflict");
  must(with("DeletePolicyVersion", arn, "v2"));
  must(with("DeletePolicy", arn));
  EXPECT_EQ(error_of(with("GetPolicy", arn)), "NoSuchEntity");
}

TEST_F(PoliciesTest, AwsPoliciesAreThereToReadAndAttach) {
  for (const char* name :
       {"AdministratorAccess", "ReadOnlyAccess", "PowerUserAccess", "IAMFullAccess", "AWSBackupFullAccess",
        "AWSKeyManagementServicePowerUser", "service-role/AWSBackupServiceRolePolicyForBackup",
        "service-role/AWSBackupServiceRolePolicyForRestores"}) {
    const std::string arn = "arn:aws:iam::aws:policy/" + std::string(name);
    EXPECT_EQ(get(arn).text("Arn"), arn);
    const Value version = *must(with("GetPolicyVersion", arn)).find("PolicyVersion");
    EXPECT_TRUE(policy::Document::parse(version.text("Document"), policy::Kind::kIdentity).ok()) << name;
    for (const char* operation :
         {"DeletePolicy", "CreatePolicyVersion", "DeletePolicyVersion", "TagPolicy", "SetDefaultPolicyVersion"})
      EXPECT_EQ(error_of(with(operation, arn)), "permission_denied") << operation;
  }
  const Keys alice = user("alice");
  must(attach("alice", kReadOnly));
  EXPECT_TRUE(may(alice, "kms:DescribeKey"));
  EXPECT_FALSE(may(alice, "kms:Encrypt"));
  EXPECT_EQ(get(kReadOnly).integer("AttachmentCount"), 1);
  EXPECT_EQ(must(iam(root(kOther), "GetPolicy", object({{"PolicyArn", kReadOnly}})))
                .find("Policy")
                ->integer("AttachmentCount"),
            0);
  EXPECT_EQ(error_of(attach("alice", "arn:aws:iam::aws:policy/aws-service-role/AmazonRDSServiceRolePolicy")),
            "PolicyNotAttachable");
}

TEST_F(PoliciesTest, EveryAwsPolicyIsADocument) {
  const Value all = must(iam("ListPolicies", object({{"Scope", "AWS"}, {"MaxItems", 1000}})));
  EXPECT_GE(all.list("Policies").size(), 10U);
  for (const Value& policy : all.list("Policies")) {
    const Value version = *must(with("GetPolicyVersion", std::string(policy.text("Arn")))).find("PolicyVersion");
    EXPECT_TRUE(policy::Document::parse(version.text("Document"), policy::Kind::kIdentity).ok()) << policy.text("Arn");
  }
}

TEST_F(PoliciesTest, AListShowsScopesPathsAndUse) {
  user("alice");
  managed("a", allow("s3:*"));
  const std::string b = managed("b", allow("s3:*")), c = managed("c", allow("s3:*"));
  must(attach("alice", b));
  must(attach("alice", kReadOnly));
  must(iam("PutUserPermissionsBoundary", object({{"UserName", "alice"}, {"PermissionsBoundary", c}})));
  const auto names = [&](Value input) {
    const Value page = must(iam("ListPolicies", std::move(input)));
    std::string all;
    for (const Value& policy : page.list("Policies")) all += std::string(policy.text("PolicyName")) + " ";
    return all;
  };
  EXPECT_EQ(names(object({{"Scope", "Local"}})), "a b c ");
  EXPECT_EQ(names(object({{"Scope", "Local"}, {"OnlyAttached", true}})), "b ");
  EXPECT_EQ(names(object({{"OnlyAttached", true}})), "b ReadOnlyAccess ");
  EXPECT_EQ(names(object({{"PolicyUsageFilter", "PermissionsBoundary"}, {"OnlyAttached", true}})), "c ");
  EXPECT_EQ(names(object({{"PolicyUsageFilter", "PermissionsBoundary"}})), "c ");
  EXPECT_EQ(names(object({{"Scope", "AWS"}, {"PathPrefix", "/service-role/"}})),
            "AWSBackupServiceRolePolicyForBackup AWSBackupServiceRolePolicyForRestores ");
}

TEST_F(PoliciesTest, HoldersOfAPolicyAreListedByKind) {
  user("alice");
  must(iam("CreateGroup", object({{"GroupName", "g"}})));
  role("r", trust(service("s3.amazonaws.com")));
  const std::string arn = managed("p", allow("s3:*"));
  must(attach("alice", arn));
  must(iam("AttachGroupPolicy", object({{"GroupName", "g"}, {"PolicyArn", arn}})));
  must(iam("PutRolePermissionsBoundary", object({{"RoleName", "r"}, {"PermissionsBoundary", arn}})));
  const auto holders = [&](Value input) {
    input.set("PolicyArn", arn);
    const Value page = must(iam("ListEntitiesForPolicy", std::move(input)));
    return std::vector<size_t>{page.list("PolicyUsers").size(), page.list("PolicyGroups").size(),
                               page.list("PolicyRoles").size()};
  };
  EXPECT_EQ(holders(object({})), (std::vector<size_t>{1, 1, 1}));
  EXPECT_EQ(holders(object({{"EntityFilter", "Group"}})), (std::vector<size_t>{0, 1, 0}));
  EXPECT_EQ(holders(object({{"PolicyUsageFilter", "PermissionsBoundary"}})), (std::vector<size_t>{0, 0, 1}));
  EXPECT_EQ(holders(object({{"PolicyUsageFilter", "PermissionsPolicy"}})), (std::vector<size_t>{1, 1, 0}));
  EXPECT_EQ(holders(object({{"PathPrefix", "/x/"}})), (std::vector<size_t>{0, 0, 0}));
  EXPECT_EQ(holders(object({{"MaxItems", 2}})), (std::vector<size_t>{0, 1, 1}));
}

TEST_F(PoliciesTest, PoliciesHaveTags) {
  const std::string arn = managed("p", allow("s3:*"));
  must(iam("TagPolicy", object({{"PolicyArn", arn}, {"Tags", tags({{"a", "1"}, {"b", "2"}})}})));
  must(iam("UntagPolicy", object({{"PolicyArn", arn}, {"TagKeys", texts({"A"})}})));
  EXPECT_EQ(must(iam("ListPolicyTags", object({{"PolicyArn", arn}}))).list("Tags").size(), 1U);
  EXPECT_EQ(get(arn).list("Tags")[0].text("Key"), "b");
  EXPECT_EQ(error_of(iam("TagPolicy", object({{"PolicyArn", arn}, {"Tags", tags({{"aws:a", "1"}})}}))), "InvalidInput");
}

TEST_F(PoliciesTest, TenPoliciesAreAttachedAtMost) {
  user("alice");
  for (int i = 0; i < 11; ++i) managed("p" + std::to_string(i), allow("s3:*"));
  for (int i = 0; i < 10; ++i) must(attach("alice", arn_of("p" + std::to_string(i))));
  EXPECT_EQ(attach("alice", arn_of("p10")).error().message, "Cannot exceed quota for PoliciesPerUser: 10");
  EXPECT_EQ(error_of(attach("alice", arn_of("p3"))), "");  // it is already
  EXPECT_EQ(error_of(attach("alice", arn_of("nothing"))), "NoSuchEntity");
  EXPECT_EQ(error_of(attach("alice", "arn:aws:iam::aws:policy/Nothing")), "NoSuchEntity");
  EXPECT_EQ(error_of(iam("DetachUserPolicy", object({{"UserName", "alice"}, {"PolicyArn", arn_of("p10")}}))),
            "NoSuchEntity");
  const Value first = must(iam("ListAttachedUserPolicies", object({{"UserName", "alice"}, {"MaxItems", 7}})));
  EXPECT_EQ(first.list("AttachedPolicies")[0].text("PolicyArn"), arn_of("p0"));
  EXPECT_EQ(first.list("AttachedPolicies")[0].text("PolicyName"), "p0");
  EXPECT_EQ(must(iam("ListAttachedUserPolicies",
                     object({{"UserName", "alice"}, {"MaxItems", 7}, {"Marker", first.text("Marker")}})))
                .list("AttachedPolicies")
                .size(),
            3U);
  EXPECT_TRUE(must(iam("ListAttachedUserPolicies", object({{"UserName", "alice"}, {"PathPrefix", "/x/"}})))
                  .list("AttachedPolicies")
                  .empty());
}

TEST_F(PoliciesTest, InlinePoliciesArePutReadListedAndDeleted) {
  const struct {
    const char *kind, *member;
  } kinds[] = {{"User", "UserName"}, {"Group", "GroupName"}, {"Role", "RoleName"}};
  user("x");
  must(iam("CreateGroup", object({{"GroupName", "x"}})));
  role("x", trust(service("s3.amazonaws.com")));
  for (const auto& [kind_text, member] : kinds) {
    const std::string kind(kind_text);
    Value input = object({{member, "x"}, {"PolicyName", "one"}, {"PolicyDocument", allow("s3:*")}});
    must(iam("Put" + kind + "Policy", input));
    input.set("PolicyDocument", allow("kms:*"));
    must(iam("Put" + kind + "Policy", input));  // replaces
    const Value got = must(iam("Get" + kind + "Policy", input));
    EXPECT_EQ(got.text(member), "x");
    EXPECT_EQ(got.text("PolicyDocument"), allow("kms:*"));
    input.set("PolicyName", "two");
    EXPECT_EQ(error_of(iam("Get" + kind + "Policy", input)), "NoSuchEntity");
    EXPECT_EQ(error_of(iam("Delete" + kind + "Policy", input)), "NoSuchEntity");
    must(iam("Put" + kind + "Policy", input));
    const Value first = must(iam("List" + kind + "Policies", object({{member, "x"}, {"MaxItems", 1}})));
    EXPECT_EQ(first.texts("PolicyNames"), std::vector<std::string>{"one"});
    EXPECT_EQ(must(iam("List" + kind + "Policies",
                       object({{member, "x"}, {"MaxItems", 1}, {"Marker", first.text("Marker")}})))
                  .texts("PolicyNames"),
              std::vector<std::string>{"two"});
    must(iam("Delete" + kind + "Policy", input));
    input.set("PolicyDocument", "{}");
    EXPECT_EQ(error_of(iam("Put" + kind + "Policy", input)), "MalformedPolicyDocument");
    // All inline policies of one share a size.
    const size_t most = kind == "User" ? 2048 : kind == "Group" ? 5120 : 10240;
    input.set("PolicyDocument", allow("s3:GetObject", "arn:aws:s3:::b/" + std::string(most - 300, 'k')));
    EXPECT_EQ(error_of(iam("Put" + kind + "Policy", input)), "");
    input.set("PolicyName", "three");
    const auto refused = iam("Put" + kind + "Policy", input);
    EXPECT_EQ(error_of(refused), "LimitExceeded");
    EXPECT_TRUE(
        refused.error().message.starts_with("Maximum policy size of " + std::to_string(most) + " bytes exceeded for"))
        << refused.error().message;
  }
}

TEST_F(PoliciesTest, ABoundaryLimitsWhatPoliciesGive) {
  const Keys alice = user("alice", allow("*"));
  const std::string boundary = managed("b", allow("s3:*"));
  EXPECT_TRUE(may(alice, "kms:Encrypt"));
  must(iam("PutUserPermissionsBoundary", object({{"UserName", "alice"}, {"PermissionsBoundary", boundary}})));
  EXPECT_FALSE(may(alice, "kms:Encrypt"));
  EXPECT_TRUE(may(alice, "s3:GetObject"));
  EXPECT_NE(
      asked(alice, "kms:Encrypt").error().message.find("because no permissions boundary allows the kms:Encrypt action"),
      std::string::npos);
  const Value shown = *must(iam("GetUser", object({{"UserName", "alice"}}))).find("User")->find("PermissionsBoundary");
  EXPECT_EQ(shown.text("PermissionsBoundaryArn"), boundary);
  EXPECT_EQ(get(boundary).integer("PermissionsBoundaryUsageCount"), 1);
  must(iam("DeleteUserPermissionsBoundary", object({{"UserName", "alice"}})));
  EXPECT_TRUE(may(alice, "kms:Encrypt"));
  EXPECT_EQ(error_of(iam("DeleteUserPermissionsBoundary", object({{"UserName", "alice"}}))), "NoSuchEntity");
  EXPECT_EQ(error_of(iam("PutUserPermissionsBoundary",
                         object({{"UserName", "alice"}, {"PermissionsBoundary", arn_of("nothing")}}))),
            "NoSuchEntity");
  EXPECT_EQ(error_of(iam("PutUserPermissionsBoundary",
                         object({{"UserName", "alice"}, {"PermissionsBoundary", "arn:aws:s3:::no-policy-at-all"}}))),
            "InvalidInput");
  EXPECT_EQ(error_of(iam("CreateUser", object({{"UserName", "bob"}, {"PermissionsBoundary", arn_of("nothing")}}))),
            "NoSuchEntity");
}

TEST_F(PoliciesTest, ADelegatedAdministratorMakesOnlyBoundedUsers) {
  const std::string boundary = managed("b", allow("s3:*"));
  const Keys admin = user(
      "admin",
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:CreateUser","iam:PutUserPolicy","iam:AttachUserPolicy"],
    "Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":")" +
          boundary + R"("}}}]})");
  EXPECT_EQ(error_of(iam(admin, "CreateUser", object({{"UserName", "u"}}))), "permission_denied");
  EXPECT_EQ(error_of(iam(admin, "CreateUser", object({{"UserName", "u"}, {"PermissionsBoundary", boundary}}))), "");
  EXPECT_EQ(error_of(iam(admin, "AttachUserPolicy", object({{"UserName", "u"}, {"PolicyArn", kReadOnly}}))), "");
  user("free");
  EXPECT_EQ(error_of(iam(admin, "AttachUserPolicy", object({{"UserName", "free"}, {"PolicyArn", kReadOnly}}))),
            "permission_denied");
  EXPECT_EQ(error_of(iam(admin, "PutUserPolicy",
                         object({{"UserName", "nobody"}, {"PolicyName", "p"}, {"PolicyDocument", "{}"}}))),
            "permission_denied");
}

TEST_F(PoliciesTest, WhichPolicyIsAttachedCanBeLimited) {
  const Keys admin = user(
      "admin", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:AttachUserPolicy","Resource":"*",
    "Condition":{"ArnLike":{"iam:PolicyARN":"arn:aws:iam::aws:policy/Read*"}}}]})");
  user("u");
  EXPECT_EQ(error_of(iam(admin, "AttachUserPolicy", object({{"UserName", "u"}, {"PolicyArn", kReadOnly}}))), "");
  EXPECT_EQ(error_of(iam(admin, "AttachUserPolicy",
                         object({{"UserName", "u"}, {"PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess"}}))),
            "permission_denied");
}

TEST_F(PoliciesTest, AMarkerWorksForItsListAlone) {
  for (int i = 0; i < 4; ++i) managed("p" + std::to_string(i), allow("s3:*"));
  const std::string marker(must(iam("ListPolicies", object({{"Scope", "Local"}, {"MaxItems", 2}}))).text("Marker"));
  EXPECT_EQ(error_of(iam("ListPolicies", object({{"Scope", "Local"}, {"MaxItems", 3}, {"Marker", marker}}))), "");
  EXPECT_EQ(error_of(iam("ListPolicies", object({{"Scope", "All"}, {"Marker", marker}}))), "ValidationError");
  EXPECT_EQ(error_of(iam("ListUsers", object({{"Marker", marker}}))), "ValidationError");
  EXPECT_EQ(error_of(iam(root(kOther), "ListPolicies", object({{"Scope", "Local"}, {"Marker", marker}}))),
            "ValidationError");
  for (size_t i = 0; i < marker.size(); ++i) {
    std::string forged = marker;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(error_of(iam("ListPolicies", object({{"Scope", "Local"}, {"Marker", forged}}))), "ValidationError") << i;
  }
  for (size_t i = 1; i < marker.size(); ++i)
    EXPECT_EQ(error_of(iam("ListPolicies", object({{"Scope", "Local"}, {"Marker", marker.substr(0, i)}}))),
              "ValidationError")
        << i;
}

}  // namespace
}  // namespace coffer::iam
