#include "services/policy/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/policy/situation.h"

namespace coffer::policy::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pointee;

std::string policy(const std::string& statement) { return R"({"Version":"2012-10-17","Statement":)" + statement + "}"; }
const std::string kAllowAll = policy(R"({"Effect":"Allow","Action":"*","Resource":"*"})");
const std::string kAllowS3 = policy(R"({"Effect":"Allow","Action":"s3:*","Resource":"*"})");
const std::string kDenyS3 = policy(R"({"Effect":"Deny","Action":"s3:*","Resource":"*"})");

Situation alice_gets_an_object() {
  Situation s;
  s.caller = user("111122223333", "alice");
  s.action = "s3:GetObject";
  s.resource = "arn:aws:s3:::b/k";
  return s;
}

std::string message(Situation s) {
  const RequestContext context;
  const Query query{s.caller, s.action, s.resource, s.resource_account, context};
  return denial_message(query, decide(s));
}

// ---- messages

TEST(DenialMessage, NamesThePolicyThatDoesNotAllow) {
  Situation s = alice_gets_an_object();
  const std::string who =
      "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: s3:GetObject on resource: "
      "arn:aws:s3:::b/k ";
  EXPECT_EQ(message(s), who + "because no identity-based policy allows the s3:GetObject action");

  s.identity = {kAllowAll};
  s.boundary = policy(R"({"Effect":"Allow","Action":"kms:*","Resource":"*"})");
  EXPECT_EQ(message(s), who + "because no permissions boundary allows the s3:GetObject action");

  s.boundary.reset();
  s.session.emplace();
  EXPECT_EQ(message(s), who + "because no session policy allows the s3:GetObject action");

  s.service_control = {{}};
  EXPECT_EQ(message(s), who + "because no service control policy allows the s3:GetObject action");

  s.resource_control = {{}};
  EXPECT_EQ(message(s), who + "because no resource control policy allows the s3:GetObject action");

  Situation other = alice_gets_an_object();
  other.resource_account = "444455556666";
  EXPECT_EQ(message(other), who + "because no resource-based policy allows the s3:GetObject action");
}

TEST(DenialMessage, NamesThePolicyThatDenies) {
  const std::string who =
      "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: s3:GetObject on resource: "
      "arn:aws:s3:::b/k with an explicit deny in ";
  Situation s = alice_gets_an_object();
  s.session = {kDenyS3};
  EXPECT_EQ(message(s), who + "a session policy");
  s.boundary = kDenyS3;
  EXPECT_EQ(message(s), who + "a permissions boundary");
  s.identity = {kDenyS3};
  EXPECT_EQ(message(s), who + "an identity-based policy");
  s.resource_policy = policy(R"({"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"})");
  EXPECT_EQ(message(s), who + "a resource-based policy");
  s.resource_control = {{*s.resource_policy}};
  EXPECT_EQ(message(s), who + "a resource control policy");
  s.service_control = {{kDenyS3}};
  EXPECT_EQ(message(s), who + "a service control policy");
}

TEST(DenialMessage, LeavesOutAResourceThatIsNone) {
  Situation s = alice_gets_an_object();
  s.caller = role_session("111122223333", "team/deploy", "s1");
  s.action = "s3:ListAllMyBuckets";
  s.resource = "*";
  EXPECT_EQ(message(s),
            "User: arn:aws:sts::111122223333:assumed-role/deploy/s1 is not authorized to perform: s3:ListAllMyBuckets "
            "because no identity-based policy allows the s3:ListAllMyBuckets action");
}

TEST(DenialMessage, CallsATrustPolicyByItsName) {
  Situation s = alice_gets_an_object();
  s.action = "sts:AssumeRole";
  s.resource = "arn:aws:iam::111122223333:role/r";
  s.resource_kind = Kind::kTrust;
  s.resource_policy = policy(R"({"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"sts:AssumeRole"})");
  EXPECT_EQ(message(s),
            "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: sts:AssumeRole on resource: "
            "arn:aws:iam::111122223333:role/r because no role trust policy allows the sts:AssumeRole action");
}

TEST(DenialMessage, KnowsNobody) {
  Situation s = alice_gets_an_object();
  s.caller = anonymous();
  s.resource_account = "111122223333";
  EXPECT_EQ(message(s),
            "User: anonymous is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/k because no "
            "resource-based policy allows the s3:GetObject action");
}

// ---- explanations

TEST(Explanation, ShowsTheStatementsThatAllow) {
  Situation s = alice_gets_an_object();
  s.identity = {policy(R"({"Effect":"Allow","Action":"kms:*","Resource":"*"})"),
                "{\"Version\":\"2012-10-17\",\n\"Statement\":[\n  {\"Effect\":\"Deny\",\"Action\":\"iam:*\","
                "\"Resource\":\"*\"},\n  {\"Effect\":\"Allow\",\"Action\":\"s3:*\",\n   \"Resource\":\"*\"}]}"};
  Explanation explanation;

  ASSERT_TRUE(decide(s, &explanation).allowed());

  ASSERT_EQ(explanation.matched.size(), 1U);
  const MatchedStatement& matched = explanation.matched[0];
  EXPECT_EQ(matched.policy_id, "policy-2");
  EXPECT_EQ(matched.policy_type, "IAM Policy");
  EXPECT_EQ(matched.start_line, 4U);
  EXPECT_EQ(matched.start_column, 3U);
  EXPECT_EQ(matched.end_line, 5U);
  EXPECT_EQ(matched.end_column, 19U);
}

TEST(Explanation, ShowsOnlyTheDenyWhenThereIsOne) {
  Situation s = alice_gets_an_object();
  s.identity = {kAllowAll, kDenyS3};
  Explanation explanation;

  ASSERT_EQ(describe(decide(s, &explanation)), "deny:identity");

  ASSERT_EQ(explanation.matched.size(), 1U);
  EXPECT_EQ(explanation.matched[0].policy_id, "policy-2");
}

TEST(Explanation, ShowsTheResourcePolicy) {
  Situation s = alice_gets_an_object();
  s.resource_policy = policy(R"({"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"})");
  Explanation explanation;

  ASSERT_TRUE(decide(s, &explanation).allowed());

  ASSERT_EQ(explanation.matched.size(), 1U);
  EXPECT_EQ(explanation.matched[0].policy_id, "ResourcePolicy");
}

TEST(Explanation, ListsMissingKeysOfStatementsAboutTheAction) {
  Situation s = alice_gets_an_object();
  s.identity = {policy(R"([
    {"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${t:folder}","Condition":{
       "StringEquals":{"t:b":"1","aws:username":"alice","T:A":"${t:c}"},"Bool":{"t:a":"true"}}},
    {"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${t:given, 'x'}"},
    {"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"Bool":{"t:other":"true"}}}])")};
  Explanation explanation;

  EXPECT_EQ(describe(decide(s, &explanation)), "none:identity");

  EXPECT_THAT(explanation.matched, IsEmpty());
  EXPECT_EQ(explanation.missing_keys.size(), 4U);
  for (std::string& key : explanation.missing_keys) key[0] = 't';
  EXPECT_THAT(explanation.missing_keys, ElementsAre(::testing::AnyOf("t:a", "t:A"), "t:b", "t:c", "t:folder"));
}

TEST(Explanation, TellsBoundaryAndOrganizationApart) {
  Situation s = alice_gets_an_object();
  s.identity = {kAllowAll};
  Explanation explanation;
  static_cast<void>(decide(s, &explanation));
  EXPECT_TRUE(explanation.allowed_by_boundary);
  EXPECT_TRUE(explanation.allowed_by_organization);

  s.boundary = policy(R"({"Effect":"Allow","Action":"kms:*","Resource":"*"})");
  s.service_control = {{kAllowS3}};
  explanation = {};
  static_cast<void>(decide(s, &explanation));
  EXPECT_FALSE(explanation.allowed_by_boundary);
  EXPECT_TRUE(explanation.allowed_by_organization);

  s.boundary = kAllowS3;
  s.service_control = {{kAllowS3}, {kDenyS3}};
  explanation = {};
  static_cast<void>(decide(s, &explanation));
  EXPECT_TRUE(explanation.allowed_by_boundary);
  EXPECT_FALSE(explanation.allowed_by_organization);
}

// ---- context

const std::vector<std::string>* value(const RequestContext& context, std::string_view key) { return context.find(key); }
auto is(const char* text) { return Pointee(ElementsAre(std::string(text))); }

api::Call call_of(api::Caller caller) {
  api::Call call;
  call.caller = std::move(caller);
  call.region = "us-east-1";
  call.source_ip = "192.0.2.7";
  call.user_agent = "aws-cli";
  call.time = WallTime{1'709'208'000'500'000};
  return call;
}

TEST(RequestContext, NamesAreFoundWithoutCase) {
  RequestContext context;
  context.set("aws:PrincipalTag/Team", "red");
  context.set("AWS:principaltag/TEAM", "blue");
  EXPECT_THAT(value(context, "aws:principalTag/team"), is("blue"));
  EXPECT_EQ(value(context, "aws:principalTag/tea"), nullptr);
}

TEST(GlobalContext, OfAUser) {
  api::Caller caller = user("111122223333", "team/alice");
  caller.tags = {{"Team", "red"}, {"empty", ""}};
  const RequestContext context = global_context(call_of(caller));
  EXPECT_THAT(value(context, "aws:PrincipalArn"), is("arn:aws:iam::111122223333:user/team/alice"));
  EXPECT_THAT(value(context, "aws:PrincipalAccount"), is("111122223333"));
  EXPECT_THAT(value(context, "aws:PrincipalType"), is("User"));
  EXPECT_THAT(value(context, "aws:userid"), is("AIDA0000000000000USER"));
  EXPECT_THAT(value(context, "aws:username"), is("alice"));
  EXPECT_THAT(value(context, "aws:PrincipalTag/team"), is("red"));
  EXPECT_THAT(value(context, "aws:PrincipalTag/empty"), is(""));
  EXPECT_THAT(value(context, "aws:PrincipalIsAWSService"), is("false"));
  EXPECT_THAT(value(context, "aws:SourceIp"), is("192.0.2.7"));
  EXPECT_THAT(value(context, "aws:SecureTransport"), is("false"));
  EXPECT_THAT(value(context, "aws:UserAgent"), is("aws-cli"));
  EXPECT_THAT(value(context, "aws:CurrentTime"), is("2024-02-29T12:00:00Z"));
  EXPECT_THAT(value(context, "aws:EpochTime"), is("1709208000"));
  EXPECT_THAT(value(context, "aws:RequestedRegion"), is("us-east-1"));
  EXPECT_THAT(value(context, "aws:ViaAWSService"), is("false"));
  for (const char* absent : {"aws:TokenIssueTime", "aws:MultiFactorAuthPresent", "aws:SourceArn", "aws:CalledVia",
                             "aws:PrincipalServiceName", "aws:SourceIdentity"})
    EXPECT_EQ(value(context, absent), nullptr) << absent;
}

TEST(GlobalContext, OfASession) {
  api::Caller caller = role_session("111122223333", "team/deploy", "s1");
  caller.source_identity = "alice@example.com";
  const RequestContext context = global_context(call_of(caller));
  EXPECT_THAT(value(context, "aws:PrincipalArn"), is("arn:aws:iam::111122223333:role/team/deploy"));
  EXPECT_THAT(value(context, "aws:PrincipalType"), is("AssumedRole"));
  EXPECT_THAT(value(context, "aws:userid"), is("AROA0000000000000ROLE:s1"));
  EXPECT_THAT(value(context, "aws:TokenIssueTime"), is("2023-11-14T22:13:20Z"));
  EXPECT_THAT(value(context, "aws:MultiFactorAuthPresent"), is("false"));
  EXPECT_THAT(value(context, "aws:SourceIdentity"), is("alice@example.com"));
  EXPECT_EQ(value(context, "aws:username"), nullptr);
}

TEST(GlobalContext, OfRootFederatedUserAndNobody) {
  RequestContext context = global_context(call_of(root("111122223333")));
  EXPECT_THAT(value(context, "aws:PrincipalType"), is("Account"));
  EXPECT_THAT(value(context, "aws:userid"), is("111122223333"));
  EXPECT_THAT(value(context, "aws:PrincipalArn"), is("arn:aws:iam::111122223333:root"));
  context = global_context(call_of(federated_user("111122223333", "fred")));
  EXPECT_THAT(value(context, "aws:PrincipalType"), is("FederatedUser"));
  EXPECT_THAT(value(context, "aws:userid"), is("111122223333:fred"));
  EXPECT_EQ(value(context, "aws:username"), nullptr);
  context = global_context(call_of(anonymous()));
  EXPECT_THAT(value(context, "aws:PrincipalType"), is("Anonymous"));
  EXPECT_THAT(value(context, "aws:userid"), is("anonymous"));
  for (const char* absent : {"aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalIsAWSService"})
    EXPECT_EQ(value(context, absent), nullptr) << absent;
}

TEST(GlobalContext, OfAService) {
  api::Call call = call_of(service("backup.amazonaws.com"));
  call.source_arn = "arn:aws:backup:us-east-1:111122223333:backup-vault:v";
  call.source_account = "111122223333";
  const RequestContext context = global_context(call);
  EXPECT_THAT(value(context, "aws:PrincipalIsAWSService"), is("true"));
  EXPECT_THAT(value(context, "aws:PrincipalServiceName"), is("backup.amazonaws.com"));
  EXPECT_THAT(value(context, "aws:PrincipalServiceNamesList"), is("backup.amazonaws.com"));
  EXPECT_THAT(value(context, "aws:SourceArn"), is("arn:aws:backup:us-east-1:111122223333:backup-vault:v"));
  EXPECT_THAT(value(context, "aws:SourceAccount"), is("111122223333"));
  for (const char* absent :
       {"aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:userid", "aws:SourceIp"})
    EXPECT_EQ(value(context, absent), nullptr) << absent;
}

TEST(GlobalContext, OfACallThroughAService) {
  api::Call call = call_of(user("111122223333", "alice"));
  call.via_service = "s3.amazonaws.com";
  const RequestContext context = global_context(call);
  EXPECT_THAT(value(context, "aws:ViaAWSService"), is("true"));
  EXPECT_THAT(value(context, "aws:CalledVia"), is("s3.amazonaws.com"));
  EXPECT_THAT(value(context, "aws:CalledViaFirst"), is("s3.amazonaws.com"));
  EXPECT_THAT(value(context, "aws:CalledViaLast"), is("s3.amazonaws.com"));
  EXPECT_EQ(value(context, "aws:SourceIp"), nullptr);
}

// ---- values from outside

// A request's own text put into a pattern stays text, also when it holds the characters that stand for wildcards
// inside.
TEST(Evaluation, VariablesCannotSmuggleInWildcards) {
  Situation s = alice_gets_an_object();
  s.identity = {policy(R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${s3:prefix}/k"})")};
  for (const char* evil : {"*", "\x01", "?????", "\x02\x02\x02\x02\x02"}) {
    s.context["s3:prefix"] = {evil};
    s.resource = "arn:aws:s3:::b/other/k";
    EXPECT_EQ(describe(decide(s)), "none:identity") << evil;
    s.resource = "arn:aws:s3:::b/" + std::string(evil) + "/k";
    EXPECT_EQ(describe(decide(s)), "allow") << evil;
  }
}

TEST(Evaluation, HostileQueriesAreJustNotAllowed) {
  Situation s = alice_gets_an_object();
  s.identity = {policy(R"({"Effect":"Allow","Action":"s3:G*","Resource":"arn:aws:s3:::b/*",
      "Condition":{"StringLike":{"t:k":"*a*a*a*a*a*a*a*a*b"},"IpAddress":{"t:ip":"10.0.0.0/8"}}})")};
  for (const std::string& text :
       {std::string(), std::string(100'000, 'a'), std::string("\0", 1), std::string("\xff")}) {
    s.action = s.resource = text;
    s.context["t:k"] = s.context["t:ip"] = {text};
    EXPECT_EQ(describe(decide(s)), "none:identity");
  }
}

}  // namespace
}  // namespace coffer::policy::testing
