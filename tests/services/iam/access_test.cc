// What every operation asks to be allowed: the table as a whole.
#include <set>

#include "services/iam/house.h"

namespace coffer::iam {
namespace {

class AccessTest : public House {
 protected:
  Result<std::vector<api::AccessRequest>> access(const Keys& keys, const std::string& name, const Value& input) {
    const auto known = identity(keys);
    const size_t colon = name.find(':');
    const api::Call call = call_of(*known, name.substr(0, colon), name.substr(colon + 1));
    auto t = read();
    return actions_.at(name).access(api::Operation{call, input, *t});
  }
  static const std::vector<std::string>* condition(const api::AccessRequest& request, const std::string& key) {
    for (const auto& [name, values] : request.conditions) {
      if (name == key) return &values;
    }
    return nullptr;
  }
};

TEST_F(AccessTest, EveryOperationOfIamAsksForTheActionOfItsName) {
  const Value input = object({{"UserName", "u"},
                              {"GroupName", "g"},
                              {"RoleName", "r"},
                              {"PolicyName", "p"},
                              {"PolicyArn", "arn:aws:iam::" + kAccount + ":policy/p"},
                              {"AccessKeyId", "AKIAAAAAAAAAAAAAAAAA"},
                              {"PolicySourceArn", "arn:aws:iam::" + kAccount + ":user/u"},
                              {"AWSServiceName", "backup.amazonaws.com"}});
  size_t count = 0;
  for (const auto& [name, action] : actions_) {
    if (!name.starts_with("iam:")) continue;
    ++count;
    const auto requests = must(access(root(), name, input));
    ASSERT_FALSE(requests.empty()) << name;
    for (const api::AccessRequest& request : requests) {
      EXPECT_EQ(request.action, name);
      EXPECT_TRUE(request.resource == "*" || request.resource.starts_with("arn:aws:iam::" + kAccount + ":"))
          << request.resource;
    }
    const bool reads = action.operation.starts_with("Get") || action.operation.starts_with("List") ||
                       action.operation.starts_with("Simulate");
    EXPECT_EQ(action.changes, !reads) << name;
  }
  EXPECT_EQ(count, 82U);
}

TEST_F(AccessTest, NobodyWithoutPoliciesGetsAnything) {
  const Keys alice = user("alice");
  const Value input = object({{"UserName", "u"},
                              {"GroupName", "g"},
                              {"RoleName", "r"},
                              {"PolicyName", "p"},
                              {"PolicyArn", "arn:aws:iam::" + kAccount + ":policy/p"},
                              {"AccessKeyId", "AKIAAAAAAAAAAAAAAAAA"},
                              {"PolicySourceArn", "arn:aws:iam::" + kAccount + ":user/u"},
                              {"AWSServiceName", "backup.amazonaws.com"}});
  for (const auto& [name, action] : actions_) {
    if (!name.starts_with("iam:")) continue;
    EXPECT_EQ(error_of(call(alice, "iam", action.operation, input)), "permission_denied") << name;
  }
}

TEST_F(AccessTest, AResourceIsNamedWithItsPath) {
  must(iam("CreateUser", object({{"UserName", "alice"}, {"Path", "/team/"}, {"Tags", tags({{"Team", "db"}})}})));
  const auto of_user = must(access(root(), "iam:GetUser", object({{"UserName", "ALICE"}})));
  EXPECT_EQ(of_user[0].resource, "arn:aws:iam::" + kAccount + ":user/team/alice");
  ASSERT_NE(condition(of_user[0], "aws:ResourceTag/Team"), nullptr);
  ASSERT_NE(condition(of_user[0], "iam:ResourceTag/Team"), nullptr);
  EXPECT_EQ(must(access(root(), "iam:GetUser", object({{"UserName", "bob"}})))[0].resource,
            "arn:aws:iam::" + kAccount + ":user/bob");
  const auto created = must(access(root(), "iam:CreateRole",
                                   object({{"RoleName", "r"},
                                           {"Path", "/p/"},
                                           {"Tags", tags({{"a", "1"}, {"b", "2"}})},
                                           {"PermissionsBoundary", "arn:b"}})));
  EXPECT_EQ(created[0].resource, "arn:aws:iam::" + kAccount + ":role/p/r");
  EXPECT_EQ(*condition(created[0], "aws:TagKeys"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(*condition(created[0], "aws:RequestTag/b"), std::vector<std::string>{"2"});
  EXPECT_EQ(*condition(created[0], "iam:PermissionsBoundary"), std::vector<std::string>{"arn:b"});
  const auto untag =
      must(access(root(), "iam:UntagUser", object({{"UserName", "alice"}, {"TagKeys", texts({"Team"})}})));
  EXPECT_EQ(*condition(untag[0], "aws:TagKeys"), std::vector<std::string>{"Team"});
  const auto linked =
      must(access(root(), "iam:CreateServiceLinkedRole", object({{"AWSServiceName", "backup.amazonaws.com"}})));
  EXPECT_EQ(*condition(linked[0], "iam:AWSServiceName"), std::vector<std::string>{"backup.amazonaws.com"});
}

TEST_F(AccessTest, TagsOfTheTargetDecide) {
  const Keys admin = user(
      "admin",
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:DeleteUser","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Team":"db"}}}]})");
  must(iam("CreateUser", object({{"UserName", "ours"}, {"Tags", tags({{"Team", "db"}})}})));
  must(iam("CreateUser", object({{"UserName", "theirs"}, {"Tags", tags({{"Team", "web"}})}})));
  EXPECT_EQ(error_of(iam(admin, "DeleteUser", object({{"UserName", "theirs"}}))), "permission_denied");
  EXPECT_EQ(error_of(iam(admin, "DeleteUser", object({{"UserName", "ours"}}))), "");
}

TEST_F(AccessTest, TheAccountOfAnArnDoesNotDecideWhoseIamItIs) {
  // An account's IAM is its own, whatever its policies say about others.
  const Keys alice = user("alice", allow("*"));
  must(iam(root(kOther), "CreatePolicy", object({{"PolicyName", "p"}, {"PolicyDocument", allow("s3:*")}})));
  for (const char* operation : {"GetPolicy", "DeletePolicy", "ListPolicyVersions", "ListEntitiesForPolicy"})
    EXPECT_EQ(error_of(iam(alice, operation, object({{"PolicyArn", "arn:aws:iam::" + kOther + ":policy/p"}}))),
              "permission_denied")
        << operation;
}

}  // namespace
}  // namespace coffer::iam
