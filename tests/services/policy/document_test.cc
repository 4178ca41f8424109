#include "services/policy/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/policy/statement.h"

namespace coffer::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Kind kAllKinds[] = {Kind::kIdentity, Kind::kResource, Kind::kKey,
                              Kind::kTrust,    Kind::kService,  Kind::kResourceControl};

std::string policy(const std::string& statement) { return R"({"Version":"2012-10-17","Statement":)" + statement + "}"; }

/// The message of the refusal; "" when it is taken.
std::string refusal(const std::string& text, Kind kind = Kind::kIdentity) {
  const auto document = Document::parse(text, kind);
  if (document.ok()) return "";
  EXPECT_EQ(document.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(document.error().name, "MalformedPolicyDocument");
  return document.error().message;
}

const char* const kAllow = R"({"Effect":"Allow","Action":"s3:*","Resource":"*"})";
const char* const kBucket = R"({"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"})";
const char* const kAssume = R"({"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"})";

struct Refusal {
  Kind kind;
  const char* statement;
  const char* message;
};

class RefusedStatement : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedStatement, SaysWhy) {
  EXPECT_THAT(refusal(policy(GetParam().statement), GetParam().kind), HasSubstr(GetParam().message))
      << GetParam().statement;
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, RefusedStatement,
    ::testing::Values(
        Refusal{Kind::kIdentity, R"([])", "Syntax errors in policy."},
        Refusal{Kind::kIdentity, R"("x")", "Syntax errors in policy."},
        Refusal{Kind::kIdentity, R"([[]])", "Syntax errors in policy."},
        Refusal{Kind::kIdentity, R"({"Action":"s3:*","Resource":"*"})", "Missing required field Effect"},
        Refusal{Kind::kIdentity, R"({"Effect":"allow","Action":"s3:*","Resource":"*"})", "Invalid effect: allow"},
        Refusal{Kind::kIdentity, R"({"Effect":["Allow"],"Action":"s3:*","Resource":"*"})", "Invalid effect"},
        Refusal{Kind::kIdentity, R"({"effect":"Allow","Action":"s3:*","Resource":"*"})", "Unknown element effect"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Resource":"*"})", "Policy statement must contain actions."},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":[],"Resource":"*"})",
                "Policy statement must contain actions."},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:*"})", "Policy statement must contain resources."},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:*","Resource":[]})",
                "Policy statement must contain resources."},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:*","NotAction":"s3:*","Resource":"*"})",
                "exclude each other"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:*","NotResource":"*","Resource":"*"})",
                "exclude each other"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Effect":"Deny","Action":"s3:*","Resource":"*"})",
                "stands twice"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"GetObject","Resource":"*"})",
                "Actions/Conditions must be prefaced by a vendor"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s*:Get","Resource":"*"})", "Vendor s* is not valid"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":":Get","Resource":"*"})", "Vendor  is not valid"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:","Resource":"*"})", "Invalid action"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:a:b","Resource":"*"})", "only one colon"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:${aws:username}","Resource":"*"})",
                "only one colon"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":{"s3":"*"},"Resource":"*"})", "list of strings"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":["s3:*",1],"Resource":"*"})", "list of strings"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:*","Resource":"bucket"})",
                "Resource bucket must be in ARN format or \"*\"."},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:awz:s3:::b"})",
                "Partition \"awz\" is not valid for resource \"arn:awz:s3:::b\"."},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s*:::b"})",
                "Resource vendor must be fully qualified and cannot contain regexes."},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws"})",
                "Resource vendor must be fully qualified and cannot contain regexes."},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3::${aws:userid}:b"})",
                "Policy variables may only stand after the fifth colon"},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"})",
                "Policy document should not specify a principal."},
        Refusal{Kind::kIdentity, R"({"Sid":"a b","Effect":"Allow","Action":"s3:*","Resource":"*"})",
                "Statement IDs (SID) must be alpha-numeric."},
        Refusal{Kind::kIdentity, R"({"Sid":7,"Effect":"Allow","Action":"s3:*","Resource":"*"})",
                "Sid must be a string"},
        Refusal{Kind::kIdentity,
                R"([{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"},
                    {"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"}])",
                "Statement IDs (SID) in a single policy must be unique."},
        Refusal{Kind::kIdentity, R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":[]})",
                "Condition must be an object"},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringIs":{"aws:a":"b"}}})",
                "Invalid Condition type : StringIs."},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"NullIfExists":{"aws:a":"true"}}})",
                "Invalid Condition type"},
        Refusal{
            Kind::kIdentity,
            R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"ForSomeValue:Bool":{"aws:a":"true"}}})",
            "Invalid Condition type"},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":"x"}})",
                "must hold keys"},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"key":"x"}}})",
                "must be prefaced by a vendor"},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:a":null}}})",
                "must be a string"},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:a":[["x"]]}}})",
                "must be a string"},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"NumericEquals":{"aws:a":"ten"}}})",
                "Invalid value for NumericEquals: ten"},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"DateLessThan":{"aws:a":"soon"}}})",
                "Invalid value for DateLessThan: soon"},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:a":"yes"}}})",
                "Invalid value for Bool: yes"},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Null":{"aws:a":"x"}}})",
                "Invalid value for Null: x"},
        Refusal{
            Kind::kIdentity,
            R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"IpAddress":{"aws:a":"10.0.0.0/40"}}})",
            "Invalid value for IpAddress"},
        Refusal{Kind::kIdentity,
                R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"BinaryEquals":{"aws:a":"%%"}}})",
                "Invalid value for BinaryEquals"},
        Refusal{Kind::kResource, kAllow, "Missing required field Principal"},
        Refusal{Kind::kResource, R"({"Effect":"Allow","Principal":"x","Action":"s3:*","Resource":"*"})",
                "Invalid principal in policy"},
        Refusal{Kind::kResource, R"({"Effect":"Allow","Principal":{},"Action":"s3:*","Resource":"*"})",
                "Invalid principal in policy"},
        Refusal{Kind::kResource, R"({"Effect":"Allow","Principal":{"AWS":[]},"Action":"s3:*","Resource":"*"})",
                "Invalid principal in policy"},
        Refusal{Kind::kResource, R"({"Effect":"Allow","Principal":{"User":"x"},"Action":"s3:*","Resource":"*"})",
                "Invalid principal in policy"},
        Refusal{Kind::kResource, R"({"Effect":"Allow","Principal":{"Service":"*"},"Action":"s3:*","Resource":"*"})",
                "Invalid principal in policy: \"Service\":\"*\""},
        Refusal{Kind::kResource,
                R"({"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"*"})",
                "NotPrincipal is for Deny only."},
        Refusal{Kind::kResource, R"({"Effect":"Deny","NotPrincipal":"*","Action":"s3:*","Resource":"*"})",
                "means nobody"},
        Refusal{Kind::kResource,
                R"({"Effect":"Deny","NotPrincipal":"*","Principal":"*","Action":"s3:*","Resource":"*"})",
                "means nobody"},
        Refusal{
            Kind::kResource,
            R"({"Effect":"Deny","Principal":"*","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"*"})",
            "exclude each other"},
        Refusal{Kind::kTrust, R"({"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"})",
                "Has prohibited field Resource"},
        Refusal{Kind::kTrust, R"({"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","NotResource":"*"})",
                "Has prohibited field NotResource"},
        Refusal{Kind::kTrust, R"({"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"})",
                "Has prohibited field NotPrincipal"},
        Refusal{Kind::kTrust, R"({"Effect":"Allow","Action":"sts:AssumeRole"})", "Missing required field Principal"},
        Refusal{Kind::kTrust, R"({"Effect":"Allow","Principal":"*","Action":"s3:*"})",
                "AssumeRole policy may only specify STS AssumeRole actions."},
        Refusal{Kind::kTrust, R"({"Effect":"Allow","Principal":"*","Action":"*"})",
                "AssumeRole policy may only specify STS AssumeRole actions."},
        Refusal{Kind::kTrust, R"({"Effect":"Allow","Principal":"*","Action":"sts:GetCallerIdentity"})",
                "AssumeRole policy may only specify STS AssumeRole actions."},
        Refusal{Kind::kService, kBucket, "Has prohibited field Principal"},
        Refusal{Kind::kResourceControl, R"({"Effect":"Deny","Action":"s3:*","Resource":"*"})",
                "Missing required field Principal"},
        Refusal{Kind::kResourceControl,
                R"({"Effect":"Deny","Principal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"*"})",
                "must be \"*\""},
        Refusal{Kind::kResourceControl, R"({"Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:*","Resource":"*"})",
                "must be \"*\""},
        Refusal{Kind::kResourceControl, kBucket, "may only deny"},
        Refusal{Kind::kResourceControl, R"({"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"})",
                "must name a service"},
        Refusal{Kind::kResourceControl, R"({"Effect":"Deny","Principal":"*","NotAction":"s3:*","Resource":"*"})",
                "Has prohibited field NotAction"},
        Refusal{Kind::kResourceControl,
                R"({"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"*"})",
                "Has prohibited field NotPrincipal"},
        Refusal{Kind::kKey,
                R"({"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*",
                    "Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContext:app":"x"}}})",
                "overly permissive"},
        Refusal{Kind::kKey, R"({"Effect":"Allow","Action":"kms:*","Resource":"*"})",
                "Missing required field Principal"}));

struct Taken {
  Kind kind;
  const char* statement;
};
class TakenStatement : public ::testing::TestWithParam<Taken> {};

TEST_P(TakenStatement, IsTaken) { EXPECT_EQ(refusal(policy(GetParam().statement), GetParam().kind), ""); }

INSTANTIATE_TEST_SUITE_P(
    Grammar, TakenStatement,
    ::testing::Values(
        Taken{Kind::kIdentity, kAllow}, Taken{Kind::kResource, kBucket}, Taken{Kind::kKey, kBucket},
        Taken{Kind::kTrust, kAssume}, Taken{Kind::kService, kAllow},
        Taken{
            Kind::kIdentity,
            R"([{"Sid":"","Effect":"Allow","Action":["s3:Get*","*"],"NotResource":["arn:aws:s3:::b","arn:aws-cn:s3:*"]},
                  {"Sid":"","Effect":"Deny","NotAction":"iam:*","Resource":"*","Condition":{}}])"},
        Taken{Kind::kIdentity,
              R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{
                  "NumericLessThan":{"s3:max-keys":10},"Bool":{"aws:SecureTransport":true},
                  "DateLessThanIfExists":{"aws:CurrentTime":1700000000},"ForAnyValue:StringLike":{"aws:TagKeys":[]},
                  "StringEquals":{"aws:RequestTag/n":5}}})"},
        Taken{Kind::kResource,
              R"({"Sid":"any text, twice","Effect":"Deny","NotPrincipal":{"AWS":["111122223333",
                  "arn:aws:iam::111122223333:user/a/b/c","arn:aws:sts::111122223333:assumed-role/r/s@x",
                  "arn:aws:sts::111122223333:federated-user/f"],"Service":"s3.amazonaws.com"},
                  "Action":"s3:*","Resource":"arn:aws:s3:::b/*"})"},
        Taken{Kind::kResource,
              R"({"Effect":"Allow","Principal":{"Federated":"cognito-identity.amazonaws.com","CanonicalUser":"79a5"},
                  "Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:userid}"})"},
        Taken{Kind::kKey, R"({"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*"})"},
        Taken{Kind::kKey, R"({"Effect":"Allow","Principal":{"AWS":"111122223333"},"Resource":"*"})"},
        Taken{Kind::kTrust, R"({"Sid":"","Effect":"Allow","Principal":{"Service":["a.amazonaws.com"],"Federated":
                  "arn:aws:iam::111122223333:saml-provider/p"},"Action":["sts:AssumeRole*","sts:TagSession"]})"},
        Taken{Kind::kResourceControl,
              R"({"Effect":"Deny","Principal":"*","Action":["s3:*","sts:*"],"NotResource":"*"})"},
        Taken{Kind::kResourceControl, R"({"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"})"}));

TEST(Document, TopLevelIsStrict) {
  EXPECT_THAT(refusal(""), HasSubstr("the document ends early (line 1, column 1)"));
  EXPECT_THAT(refusal("[]"), HasSubstr("Syntax errors in policy."));
  EXPECT_THAT(refusal(R"({"Version":"2012-10-17"})"), HasSubstr("Missing required field Statement"));
  EXPECT_THAT(refusal(R"({"Version":"2012-10-18","Statement":[]})"),
              HasSubstr("Policy document must be version 2012-10-17 or greater."));
  EXPECT_THAT(refusal(R"({"version":"2012-10-17","Statement":[]})"), HasSubstr("Unknown element version"));
  EXPECT_THAT(refusal(policy(kAllow) + "x"), HasSubstr("something follows"));
  EXPECT_THAT(refusal(R"({"Id":"x","Statement":)" + std::string(kAllow) + "}"), HasSubstr("prohibited field Id"));
  EXPECT_EQ(refusal(R"({"Id":"x","Statement":)" + std::string(kBucket) + "}", Kind::kResource), "");
  EXPECT_EQ(refusal(R"({"Version":"2008-10-17","Statement":)" + std::string(kAllow) + "}"), "");
}

TEST(Document, SaysWhereItIsWrong) {
  EXPECT_THAT(refusal("{\n  \"Statement\": [\n    {\"Effect\": \"Perhaps\"}]}"), HasSubstr("(line 3, column 16)"));
  EXPECT_THAT(refusal("{\n\t\"Statement\": }"), HasSubstr("(line 2, column 15)"));
}

TEST(Document, AwsPrincipalsAreCheckedForForm) {
  const auto with = [](const std::string& principal) {
    return refusal(
        policy(R"({"Effect":"Allow","Principal":{"AWS":")" + principal + R"("},"Action":"s3:*","Resource":"*"})"),
        Kind::kResource);
  };
  for (const char* good : {"*", "111122223333", "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:user/a",
                           "arn:aws-cn:iam::111122223333:role/p/q/a", "AIDAJQABLZS4A3QDU576Q", "AROAJQABLZS4A3QDU576Q",
                           "arn:aws:sts::111122223333:assumed-role/r/s", "arn:aws:sts::111122223333:federated-user/f"})
    EXPECT_EQ(with(good), "") << good;
  for (const char* bad : {"",
                          "11112222333",
                          "1111222233334",
                          "arn:aws:iam::111122223333:user/*",
                          "arn:aws:iam::*:root",
                          "arn:aws:iam::111122223333:role/",
                          "arn:aws:iam::111122223333:group/g",
                          "arn:aws:iam::12345:root",
                          "arn:aws:s3:::b",
                          "arn:aws:iam:us-east-1:111122223333:root",
                          "arn:aws:iam::111122223333:user/a b",
                          "arn:awz:iam::111122223333:root",
                          "arn:aws:sts::111122223333:assumed-role/r",
                          "AKIAJQABLZS4A3QDU576Q",
                          "arn:aws:sts::111122223333:assumed-role/r/*",
                          "arn:aws:iam::111122223333:role/${aws:username}",
                          "alice",
                          "arn:aws:iam::111122223333:Root",
                          "arn:aws:iam::111122223333",
                          "AROA*"})
    EXPECT_THAT(with(bad), HasSubstr("Invalid principal in policy: \"AWS\":\"" + std::string(bad) + "\"")) << bad;
}

TEST(Document, KnowsWhereStatementsStand) {
  const auto good = Document::parse(
      "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Effect\": \"Allow\", \"Action\": \"s3:*\",\n"
      "     \"Resource\": \"arn:aws:s3:::é\"}, " +
          std::string(kAllow) + "]}",
      Kind::kIdentity);
  ASSERT_TRUE(good.ok());
  const auto& statements = (*good)->statements();
  ASSERT_EQ(statements.size(), 2U);
  EXPECT_EQ(statements[0].begin.line, 4U);
  EXPECT_EQ(statements[0].begin.column, 5U);
  EXPECT_EQ(statements[0].end.line, 5U);
  EXPECT_EQ(statements[0].end.column, 35U);
  EXPECT_EQ(statements[1].begin.line, 5U);
  EXPECT_EQ(statements[1].begin.column, 37U);
}

TEST(Document, ListsPrincipalsAndContextKeys) {
  const auto document = Document::parse(
      policy(R"([{"Effect":"Allow","Principal":{"AWS":["111122223333","arn:aws:iam::111122223333:role/r"],
                  "Service":"s3.amazonaws.com"},"Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}",
                  "Condition":{"StringEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID, 'x'}"},
                               "Bool":{"aws:SecureTransport":"true"}}},
                 {"Effect":"Deny","NotPrincipal":{"AWS":"AIDAJQABLZS4A3QDU576Q"},"Action":"s3:*","Resource":"*",
                  "Condition":{"Bool":{"aws:SecureTransport":"false"}}}])"),
      Kind::kResource);
  ASSERT_TRUE(document.ok()) << document.error().message;
  std::vector<std::string> names;
  for (const PrincipalEntry& entry : (*document)->principals()) names.push_back(entry.value);
  EXPECT_THAT(names, ElementsAre("111122223333", "arn:aws:iam::111122223333:role/r", "s3.amazonaws.com",
                                 "AIDAJQABLZS4A3QDU576Q"));
  EXPECT_THAT((*document)->context_keys(),
              ElementsAre("aws:PrincipalOrgID", "aws:ResourceOrgID", "aws:SecureTransport", "aws:username"));
}

TEST(Document, HoldsOnlyTheCharactersOfPolicies) {
  const auto sid = [](const std::string& text) {
    return refusal(
        policy(R"({"Sid":")" + text + R"(","Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"})"),
        Kind::kResource);
  };
  EXPECT_EQ(sid("tab\tand é ÿ \\u00e9 \\n"), "");
  for (const char* bad :
       {"א", "€", "\x01", "\\u0001", "\\u05d0", "\\ud83d\\ude00", "\xff", "\xc3", "\xc3(", "\x80", "\\b"})
    EXPECT_THAT(sid(bad), HasSubstr("Syntax errors in policy.")) << bad;
}

TEST(Document, CutAnywhereIsRefused) {
  const std::string whole = policy(R"([{"Sid":"é","Effect":"Deny","NotPrincipal":{"AWS":["111122223333"]},
      "Action":["s3:Get*"],"NotResource":"arn:aws:s3:::b/${aws:username, 'x'}",
      "Condition":{"ForAnyValue:StringLikeIfExists":{"aws:a":["x\u00e9\\",-1.5e3,true]}}}])");
  ASSERT_EQ(refusal(whole, Kind::kResource), "");
  for (size_t size = 0; size < whole.size(); ++size)
    ASSERT_NE(refusal(whole.substr(0, size), Kind::kResource), "") << size;
}

TEST(Document, FlippedBytesNeverCrash) {
  const std::string whole = policy(kBucket);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ 1 << bit);
      for (const Kind kind : kAllKinds) static_cast<void>(Document::parse(flipped, kind).ok());
    }
  }
}

TEST(Document, DeepAndLargeDocumentsAreRefused) {
  const std::string deep = std::string(100'000, '[');
  EXPECT_THAT(refusal(deep), HasSubstr("nested too deeply"));
  std::string objects;
  for (int i = 0; i < 10'000; ++i) objects += R"({"a":)";
  EXPECT_THAT(refusal(objects), HasSubstr("nested too deeply"));
  EXPECT_THAT(refusal(std::string(1 << 20, ' ')), HasSubstr("too large"));
}

// Names are compared by sorting: tens of thousands in one object are no burden.
TEST(Document, ManyNamesInOneObject) {
  std::string keys;
  for (int i = 0; i < 8'000; ++i) keys += (i ? ",\"" : "\"") + ("aws:k" + std::to_string(i)) + R"(":"")";
  const std::string statement =
      R"({"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{)" + keys;
  EXPECT_EQ(refusal(policy(statement + "}}}")), "");
  EXPECT_THAT(refusal(policy(statement + R"(,"aws:k0":""}}})")), HasSubstr("stands twice"));
}

TEST(PolicySize, CountsCharactersOutsideOfWhitespace) {
  EXPECT_EQ(size_without_whitespace("{ \"a b\" :\n\t1 }"), 9U);
  EXPECT_EQ(size_without_whitespace(R"("\" x")"), 6U);
  EXPECT_EQ(size_without_whitespace("\"é\""), 3U);
  EXPECT_EQ(size_without_whitespace(""), 0U);
}

}  // namespace
}  // namespace coffer::policy
