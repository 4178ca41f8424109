// What Simulate and GetContextKeys say, and that it is what a call would meet.
#include "services/iam/house.h"

namespace coffer::iam {
namespace {

class SimulateTest : public House {
 protected:
  static std::string user_arn(const std::string& name) { return "arn:aws:iam::" + kAccount + ":user/" + name; }
  Value one(Value input, const std::string& operation = "SimulateCustomPolicy") {
    const Value page = must(iam(operation, std::move(input)));
    EXPECT_EQ(page.list("EvaluationResults").size(), 1U);
    return page.list("EvaluationResults").at(0);
  }
};

TEST_F(SimulateTest, ACustomPolicyIsDecidedForEachActionAndResource) {
  const Value page =
      must(iam("SimulateCustomPolicy",
               object({{"PolicyInputList",
                        texts({allow("s3:Get*", "arn:aws:s3:::a/*"), deny("s3:GetObject", "arn:aws:s3:::a/secret")})},
                       {"ActionNames", texts({"s3:GetObject", "s3:PutObject"})},
                       {"ResourceArns", texts({"arn:aws:s3:::a/k", "arn:aws:s3:::a/secret", "arn:aws:s3:::b/k"})}})));
  const api::List& results = page.list("EvaluationResults");
  ASSERT_EQ(results.size(), 6U);
  const char* expected[] = {"allowed", "explicitDeny", "implicitDeny", "implicitDeny", "implicitDeny", "implicitDeny"};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(results[i].text("EvalDecision"), expected[i]) << i;
  EXPECT_EQ(results[1].text("EvalActionName"), "s3:GetObject");
  EXPECT_EQ(results[1].text("EvalResourceName"), "arn:aws:s3:::a/secret");
  ASSERT_EQ(results[1].list("ResourceSpecificResults").size(), 1U);
  EXPECT_EQ(results[1].list("ResourceSpecificResults")[0].text("EvalResourceDecision"), "explicitDeny");
  ASSERT_FALSE(results[0].list("MatchedStatements").empty());
  const Value& matched = results[0].list("MatchedStatements")[0];
  EXPECT_EQ(matched.text("SourcePolicyId"), "PolicyInputList.1");
  EXPECT_EQ(matched.find("StartPosition")->integer("Line"), 1);
  EXPECT_GT(matched.find("EndPosition")->integer("Column").value_or(0),
            matched.find("StartPosition")->integer("Column").value_or(0));
}

TEST_F(SimulateTest, MissingContextIsNamedAndGivenContextIsUsed) {
  const std::string policy =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"},"NumericLessThan":{"s3:max-keys":"10"}}}]})";
  Value input = object({{"PolicyInputList", texts({policy})}, {"ActionNames", texts({"s3:ListBucket"})}});
  Value result = one(input);
  EXPECT_EQ(result.text("EvalDecision"), "implicitDeny");
  EXPECT_EQ(result.texts("MissingContextValues"), (std::vector<std::string>{"aws:SecureTransport", "s3:max-keys"}));
  const auto entry = [](const char* key, const char* type, const char* value) {
    return object({{"ContextKeyName", key}, {"ContextKeyType", type}, {"ContextKeyValues", texts({value})}});
  };
  input.set("ContextEntries",
            api::List{entry("aws:SecureTransport", "boolean", "true"), entry("s3:max-keys", "numeric", "5")});
  EXPECT_EQ(one(input).text("EvalDecision"), "allowed");
  for (const Value& bad : {entry("k", "numeric", "five"), entry("k", "boolean", "yes"), entry("k", "date", "soon"),
                           entry("k", "binary", "%")}) {
    input.set("ContextEntries", api::List{bad});
    EXPECT_EQ(error_of(iam("SimulateCustomPolicy", input)), "InvalidInput");
  }
  input.set("ContextEntries",
            api::List{object(
                {{"ContextKeyName", "k"}, {"ContextKeyType", "string"}, {"ContextKeyValues", texts({"a", "b"})}})});
  EXPECT_EQ(error_of(iam("SimulateCustomPolicy", input)), "InvalidInput");
}

TEST_F(SimulateTest, APrincipalIsSimulatedWithGroupsAndBoundary) {
  user("alice", allow("s3:GetObject"));
  must(iam("CreateGroup", object({{"GroupName", "g"}})));
  must(iam("PutGroupPolicy", object({{"GroupName", "g"}, {"PolicyName", "p"}, {"PolicyDocument", allow("kms:*")}})));
  must(iam("AddUserToGroup", object({{"GroupName", "g"}, {"UserName", "alice"}})));
  must(iam("PutUserPermissionsBoundary",
           object({{"UserName", "alice"}, {"PermissionsBoundary", managed("b", allow("s3:*"))}})));
  const auto decision = [&](const std::string& action, const std::string& source) {
    return one(object({{"PolicySourceArn", source}, {"ActionNames", texts({action})}}), "SimulatePrincipalPolicy");
  };
  EXPECT_EQ(decision("s3:GetObject", user_arn("alice")).text("EvalDecision"), "allowed");
  const Value bounded = decision("kms:Encrypt", user_arn("alice"));
  EXPECT_EQ(bounded.text("EvalDecision"), "implicitDeny");
  EXPECT_FALSE(bounded.find("PermissionsBoundaryDecisionDetail")->flag("AllowedByPermissionsBoundary", true));
  EXPECT_EQ(bounded.list("MatchedStatements").at(0).text("SourcePolicyId"), "group_g_p");
  const Value of_group = decision("kms:Encrypt", "arn:aws:iam::" + kAccount + ":group/g");
  EXPECT_EQ(of_group.text("EvalDecision"), "allowed");
  EXPECT_FALSE(of_group.has("PermissionsBoundaryDecisionDetail"));
  role("r", trust(service("s3.amazonaws.com")), allow("s3:*"));
  EXPECT_EQ(decision("s3:GetObject", "arn:aws:iam::" + kAccount + ":role/r").text("EvalDecision"), "allowed");
}

TEST_F(SimulateTest, InputAddsPoliciesAndReplacesTheBoundary) {
  user("alice", allow("s3:GetObject"));
  Value input = object({{"PolicySourceArn", user_arn("alice")}, {"ActionNames", texts({"s3:GetObject"})}});
  input.set("PolicyInputList", texts({deny("s3:GetObject")}));
  EXPECT_EQ(one(input, "SimulatePrincipalPolicy").text("EvalDecision"), "explicitDeny");
  input.set("PolicyInputList", Value());
  input.set("PermissionsBoundaryPolicyInputList", texts({allow("kms:*")}));
  EXPECT_EQ(one(input, "SimulatePrincipalPolicy").text("EvalDecision"), "implicitDeny");
  input.set("PermissionsBoundaryPolicyInputList", texts({allow("kms:*"), allow("s3:*")}));
  EXPECT_EQ(error_of(iam("SimulatePrincipalPolicy", input)), "InvalidInput");
}

TEST_F(SimulateTest, AResourcePolicyCounts) {
  user("alice");
  const std::string bucket_policy = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":")" +
                                    user_arn("alice") +
                                    R"("},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]})";
  Value input = object({{"PolicySourceArn", user_arn("alice")},
                        {"ActionNames", texts({"s3:GetObject"})},
                        {"ResourceArns", texts({"arn:aws:s3:::b/k"})},
                        {"ResourcePolicy", bucket_policy}});
  EXPECT_EQ(one(input, "SimulatePrincipalPolicy").text("EvalDecision"), "allowed");
  input.set("ResourceOwner", "arn:aws:iam::" + kOther + ":root");
  EXPECT_EQ(one(input, "SimulatePrincipalPolicy").text("EvalDecision"), "implicitDeny");
  input.set("PolicyInputList", texts({allow("s3:*")}));
  EXPECT_EQ(one(input, "SimulatePrincipalPolicy").text("EvalDecision"), "allowed");
  input.set("ResourceOwner", "me");
  EXPECT_EQ(error_of(iam("SimulatePrincipalPolicy", input)), "InvalidInput");
  Value custom = object({{"PolicyInputList", texts({allow("kms:*")})},
                         {"ActionNames", texts({"s3:GetObject"})},
                         {"ResourceArns", texts({"arn:aws:s3:::b/k"})},
                         {"ResourcePolicy", bucket_policy}});
  EXPECT_EQ(error_of(iam("SimulateCustomPolicy", custom)), "InvalidInput");
  custom.set("CallerArn", user_arn("alice"));
  EXPECT_EQ(one(custom).text("EvalDecision"), "allowed");
  custom.set("CallerArn", "arn:aws:iam::" + kAccount + ":group/g");
  EXPECT_EQ(error_of(iam("SimulateCustomPolicy", custom)), "InvalidInput");
}

TEST_F(SimulateTest, WhatIsNotThereOrNotSensibleIsRefused) {
  const auto principal = [&](const std::string& arn) {
    return error_of(
        iam("SimulatePrincipalPolicy", object({{"PolicySourceArn", arn}, {"ActionNames", texts({"s3:GetObject"})}})));
  };
  EXPECT_EQ(principal(user_arn("nobody")), "NoSuchEntity");
  EXPECT_EQ(principal("arn:aws:iam::aws:policy/ReadOnlyAccess"), "InvalidInput");
  EXPECT_EQ(principal("arn:aws:s3:::bucket-of-somebody"), "InvalidInput");
  EXPECT_EQ(error_of(iam("SimulateCustomPolicy",
                         object({{"PolicyInputList", texts({"{}"})}, {"ActionNames", texts({"s3:GetObject"})}}))),
            "InvalidInput");
  for (const char* action : {"GetObject", ":GetObject", "s3:"})
    EXPECT_EQ(error_of(iam("SimulateCustomPolicy",
                           object({{"PolicyInputList", texts({allow("s3:*")})}, {"ActionNames", texts({action})}}))),
              "InvalidInput")
        << action;
  must(iam(root(kOther), "CreateUser", object({{"UserName", "u"}})));
  EXPECT_NE(principal("arn:aws:iam::" + kOther + ":user/u"), "");
}

TEST_F(SimulateTest, ResultsArePaged) {
  Value input = object(
      {{"PolicyInputList", texts({allow("s3:*")})}, {"ActionNames", texts({"s3:A", "s3:B", "s3:C"})}, {"MaxItems", 2}});
  const Value first = must(iam("SimulateCustomPolicy", input));
  EXPECT_EQ(first.list("EvaluationResults").size(), 2U);
  input.set("Marker", first.text("Marker"));
  const Value second = must(iam("SimulateCustomPolicy", input));
  ASSERT_EQ(second.list("EvaluationResults").size(), 1U);
  EXPECT_EQ(second.list("EvaluationResults")[0].text("EvalActionName"), "s3:C");
}

TEST_F(SimulateTest, ContextKeysAreThoseThatPoliciesLookAt) {
  const std::string conditional =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*","Condition":{"StringEquals":{"s3:prefix":"x"}}}]})";
  const Value custom = must(iam("GetContextKeysForCustomPolicy", object({{"PolicyInputList", texts({conditional})}})));
  const auto keys = custom.texts("ContextKeyNames");
  EXPECT_NE(std::find(keys.begin(), keys.end(), "s3:prefix"), keys.end());
  user("alice", conditional);
  const Value principal =
      must(iam("GetContextKeysForPrincipalPolicy", object({{"PolicySourceArn", user_arn("alice")}})));
  EXPECT_EQ(principal.texts("ContextKeyNames"), keys);
  EXPECT_EQ(error_of(iam("GetContextKeysForPrincipalPolicy", object({{"PolicySourceArn", user_arn("nobody")}}))),
            "NoSuchEntity");
  EXPECT_EQ(error_of(iam("GetContextKeysForCustomPolicy", object({{"PolicyInputList", texts({"x"})}}))),
            "InvalidInput");
}

}  // namespace
}  // namespace coffer::iam
