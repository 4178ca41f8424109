// Temporary credentials: who gets them, what they may do, when they end.
#include "services/iam/house.h"

namespace coffer::iam {
namespace {

class StsTest : public House {
 protected:
  static std::string user_arn(const std::string& name = "alice", const std::string& account = kAccount) {
    return "arn:aws:iam::" + account + ":user/" + name;
  }
  std::string context_key(const Keys& keys, const std::string& key) {
    const auto known = identity(keys);
    const policy::RequestContext context = policy::global_context(call_of(*known, "s3", "GetObject"));
    const auto* values = context.find(key);
    return values && !values->empty() ? values->front() : "";
  }
};

TEST_F(StsTest, CallerIdentityNamesRootUserAndSession) {
  const Keys alice = user("alice", deny("*"));  // no policy can refuse it
  const Value root_identity = must(sts(root(), "GetCallerIdentity"));
  EXPECT_EQ(root_identity.text("Arn"), "arn:aws:iam::" + kAccount + ":root");
  EXPECT_EQ(root_identity.text("UserId"), kAccount);
  const Value user_identity = must(sts(alice, "GetCallerIdentity"));
  EXPECT_EQ(user_identity.text("Arn"), user_arn());
  EXPECT_TRUE(user_identity.text("UserId").starts_with("AIDA"));

  const Keys bob = user("bob");
  const Value assumed = must(assume(bob, role("worker", trust(aws(user_arn("bob"))))));
  const Value session_identity = must(sts(keys_of(assumed), "GetCallerIdentity"));
  EXPECT_EQ(session_identity.text("Arn"), "arn:aws:sts::" + kAccount + ":assumed-role/worker/session");
  EXPECT_EQ(session_identity.text("UserId"), assumed.find("AssumedRoleUser")->text("AssumedRoleId"));
  EXPECT_EQ(session_identity.text("Arn"), assumed.find("AssumedRoleUser")->text("Arn"));
  EXPECT_TRUE(session_identity.text("UserId").starts_with("AROA"));
  EXPECT_EQ(session_identity.text("Account"), kAccount);
}

TEST_F(StsTest, InItsOwnAccountANamedUserNeedsNoPolicyAndOthersDo) {
  const Keys alice = user("alice"), bob = user("bob", allow("sts:AssumeRole"));
  const std::string by_name = role("named", trust(aws(user_arn())));
  EXPECT_EQ(error_of(assume(alice, by_name)), "");
  EXPECT_EQ(error_of(assume(bob, by_name)), "permission_denied");
  const std::string by_account = role("account", trust(aws(kAccount)));
  EXPECT_EQ(error_of(assume(alice, by_account)), "permission_denied");
  EXPECT_EQ(error_of(assume(bob, by_account)), "");
  const Keys carol = user("carol", deny("sts:AssumeRole"));
  const std::string carols = role("carols", trust(aws(user_arn("carol"))));
  EXPECT_EQ(error_of(assume(carol, carols)), "permission_denied");
}

TEST_F(StsTest, AcrossAccountsBothSidesMustAllow) {
  const Keys alice = user("alice"), bob = user("bob", allow("sts:AssumeRole"));
  const std::string named = role("named", trust(aws(user_arn())), "", kOther);
  EXPECT_EQ(error_of(assume(alice, named)), "permission_denied");
  const std::string trusting = role("trusting", trust(aws(kAccount)), allow("s3:*"), kOther);
  const std::string trusting_none = role("closed", trust(service("s3.amazonaws.com")), "", kOther);
  EXPECT_EQ(error_of(assume(alice, trusting)), "permission_denied");
  EXPECT_EQ(error_of(assume(bob, trusting_none)), "permission_denied");
  const Keys session = keys_of(must(assume(bob, trusting)));
  EXPECT_EQ(identity(session)->caller.account, kOther);
  EXPECT_TRUE(may(session, "s3:GetObject"));
  EXPECT_FALSE(may(session, "kms:Encrypt"));
}

TEST_F(StsTest, ARoleThatIsNotThereLooksLikeOneThatDoesNotTrust) {
  const Keys bob = user("bob", allow("sts:AssumeRole"));
  const std::string closed = role("closed", trust(service("s3.amazonaws.com")), "", kOther);
  const auto refused = assume(bob, closed), missing = assume(bob, "arn:aws:iam::" + kOther + ":role/absent");
  ASSERT_EQ(error_of(refused), "permission_denied");
  ASSERT_EQ(error_of(missing), "permission_denied");
  std::string message = refused.error().message;
  message.replace(message.find("role/closed"), 11, "role/absent");
  EXPECT_EQ(missing.error().message, message);
  for (const char* arn : {"arn:aws:iam::222222222222:user/closed", "arn:aws:iam::22222222222:role/closed", "nonsense",
                          "arn:aws:s3:::bucket/role/closed", "arn:aws:iam::222222222222:role/x/closed"})
    EXPECT_EQ(error_of(assume(bob, arn)), "permission_denied") << arn;
}

TEST_F(StsTest, TheRootUserAssumesNoRole) {
  const std::string arn = role("r", trust(aws(kAccount)), "", kOther);
  const auto refused = assume(root(), arn);
  EXPECT_EQ(error_of(refused), "permission_denied");
  EXPECT_EQ(refused.error().message, "Roles may not be assumed by root accounts.");
}

TEST_F(StsTest, AnExternalIdIsAskedFor) {
  const Keys bob = user("bob", allow("sts:AssumeRole"));
  const std::string arn = role(
      "r",
      trust(aws(kAccount), R"("sts:AssumeRole")", R"(,"Condition":{"StringEquals":{"sts:ExternalId":"secret-42"}})"),
      "", kOther);
  EXPECT_EQ(error_of(assume(bob, arn)), "permission_denied");
  EXPECT_EQ(error_of(assume(bob, arn, object({{"ExternalId", "secret-43"}}))), "permission_denied");
  EXPECT_EQ(error_of(assume(bob, arn, object({{"ExternalId", "secret-42"}}))), "");
}

TEST_F(StsTest, DurationsHaveBounds) {
  const Keys alice = user("alice");
  const std::string arn = role("r", trust(aws(user_arn())));
  const auto lasting = [&](int64_t seconds) { return assume(alice, arn, object({{"DurationSeconds", seconds}})); };
  EXPECT_EQ(must(lasting(900)).find("Credentials")->time("Expiration"), clock_.wall() + std::chrono::seconds(900));
  EXPECT_EQ(must(assume(alice, arn)).find("Credentials")->time("Expiration"), clock_.wall() + std::chrono::hours(1));
  const auto longer = lasting(3601);
  EXPECT_EQ(error_of(longer), "ValidationError");
  EXPECT_EQ(longer.error().message, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
  must(iam("UpdateRole", object({{"RoleName", "r"}, {"MaxSessionDuration", 43200}})));
  EXPECT_EQ(error_of(lasting(43200)), "");
  EXPECT_EQ(error_of(lasting(899)), "ValidationError");
}

TEST_F(StsTest, ASessionEndsWhenItsTimeIsOver) {
  const Keys alice = user("alice");
  const Keys session = keys_of(must(assume(alice, role("r", trust(aws(user_arn()))))));
  clock_.advance(std::chrono::seconds(3599));
  EXPECT_EQ(error_of(find(session)), "");
  EXPECT_EQ(error_of(find(session)), "");  // from the cache
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(error_of(find(session)), "ExpiredToken");
}

TEST_F(StsTest, ASessionEndsWithItsRole) {
  const Keys alice = user("alice");
  const Keys session = keys_of(must(assume(alice, role("r", trust(aws(user_arn()))))));
  ASSERT_TRUE(find(session).ok());
  must(iam("DeleteRole", object({{"RoleName", "r"}})));
  EXPECT_EQ(error_of(find(session)), "InvalidClientTokenId");
  role("r", trust(aws(user_arn())));
  EXPECT_EQ(error_of(find(session)), "InvalidClientTokenId");
}

TEST_F(StsTest, AChainedSessionLastsAnHour) {
  const Keys alice = user("alice");
  const Keys first = keys_of(must(assume(alice, role("first", trust(aws(user_arn())), allow("sts:AssumeRole")))));
  const std::string second = role("second", trust(aws("arn:aws:iam::" + kAccount + ":role/first")));
  must(iam("UpdateRole", object({{"RoleName", "second"}, {"MaxSessionDuration", 43200}})));
  EXPECT_EQ(error_of(assume(first, second)), "");
  EXPECT_EQ(error_of(assume(first, second, object({{"DurationSeconds", 3600}}))), "");
  const auto longer = assume(first, second, object({{"DurationSeconds", 3601}}));
  EXPECT_EQ(error_of(longer), "ValidationError");
  EXPECT_NE(longer.error().message.find("role chaining"), std::string::npos);
}

TEST_F(StsTest, SessionPoliciesCutDownAndNeverAdd) {
  const Keys alice = user("alice");
  const std::string arn = role("r", trust(aws(user_arn())), allow("s3:*"));
  const Value made = must(assume(
      alice, arn,
      object(
          {{"Policy",
            R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","kms:*"],"Resource":"*"}]})"}})));
  EXPECT_GT(made.integer("PackedPolicySize").value_or(0), 0);
  const Keys by_text = keys_of(made);
  EXPECT_TRUE(may(by_text, "s3:GetObject"));
  EXPECT_FALSE(may(by_text, "s3:PutObject"));
  EXPECT_FALSE(may(by_text, "kms:Encrypt"));
  const std::string policy = managed("session", allow("s3:PutObject"));
  const Keys by_arn = keys_of(must(assume(alice, arn, object({{"PolicyArns", api::List{object({{"arn", policy}})}}}))));
  EXPECT_TRUE(may(by_arn, "s3:PutObject"));
  EXPECT_FALSE(may(by_arn, "s3:GetObject"));
  must(iam("DeletePolicy", object({{"PolicyArn", policy}})));
  EXPECT_FALSE(may(by_arn, "s3:PutObject"));  // a policy that is gone allows nothing
}

TEST_F(StsTest, SessionPoliciesMustBePoliciesAndFit) {
  const Keys alice = user("alice");
  const std::string arn = role("r", trust(aws(user_arn())), allow("s3:*"));
  EXPECT_EQ(error_of(assume(alice, arn, object({{"Policy", "{}"}}))), "MalformedPolicyDocument");
  EXPECT_EQ(error_of(assume(alice, arn, object({{"Policy", allow("s3:*", "arn:aws:s3:::" + std::string(2048, 'x'))}}))),
            "ValidationError");
  const auto with_arns = [&](std::vector<std::string> arns) {
    api::List list;
    for (const std::string& one : arns) list.push_back(object({{"arn", one}}));
    return error_of(assume(alice, arn, object({{"PolicyArns", list}})));
  };
  EXPECT_EQ(with_arns({"arn:aws:iam::aws:policy/ReadOnlyAccess"}), "");
  EXPECT_EQ(with_arns({"arn:aws:iam::aws:policy/Nothing"}), "ValidationError");
  must(iam(root(kOther), "CreatePolicy", object({{"PolicyName", "p"}, {"PolicyDocument", allow("s3:*")}})));
  EXPECT_EQ(with_arns({"arn:aws:iam::" + kOther + ":policy/p"}), "ValidationError");
  EXPECT_EQ(with_arns(std::vector<std::string>(11, "arn:aws:iam::aws:policy/ReadOnlyAccess")), "ValidationError");
  must(iam("UpdateAssumeRolePolicy",
           object({{"RoleName", "r"},
                   {"PolicyDocument", trust(aws(user_arn()), R"(["sts:AssumeRole","sts:TagSession"])")}})));
  api::List many;
  for (int i = 0; i < 30; ++i)
    many.push_back(object({{"Key", "k" + std::to_string(i)}, {"Value", std::string(200, 'v')}}));
  EXPECT_EQ(error_of(assume(alice, arn, object({{"Tags", many}}))), "PackedPolicyTooLarge");
}

TEST_F(StsTest, SessionTagsNeedTheTrustPolicysLeave) {
  const Keys alice = user("alice");
  const Value tagged = object({{"Tags", tags({{"Team", "db"}})}});
  const std::string closed = role("closed", trust(aws(user_arn())));
  EXPECT_EQ(error_of(assume(alice, closed, tagged)), "permission_denied");
  const std::string open = role("open", trust(aws(user_arn()), R"(["sts:AssumeRole","sts:TagSession"])",
                                              R"(,"Condition":{"StringEquals":{"aws:RequestTag/Team":"db"}})"));
  must(iam("TagRole", object({{"RoleName", "open"}, {"Tags", tags({{"team", "of the role"}, {"Cost", "7"}})}})));
  const Keys session = keys_of(must(assume(alice, open, tagged)));
  EXPECT_EQ(context_key(session, "aws:PrincipalTag/Team"), "db");
  EXPECT_EQ(context_key(session, "aws:PrincipalTag/Cost"), "7");
  EXPECT_EQ(identity(session)->caller.tags.size(), 2U);
  EXPECT_EQ(error_of(assume(alice, open, object({{"Tags", tags({{"Team", "web"}})}}))), "permission_denied");
}

TEST_F(StsTest, TagsThatCannotBeAreRefused) {
  const Keys alice = user("alice");
  const std::string arn = role("r", trust(aws(user_arn()), R"(["sts:AssumeRole","sts:TagSession"])"));
  EXPECT_EQ(error_of(assume(alice, arn, object({{"Tags", tags({{"a", "1"}, {"A", "2"}})}}))), "ValidationError");
  EXPECT_EQ(error_of(assume(alice, arn, object({{"Tags", tags({{"aws:a", "1"}})}}))), "ValidationError");
  EXPECT_EQ(error_of(assume(alice, arn, object({{"Tags", tags({{"a", "1"}})}, {"TransitiveTagKeys", texts({"b"})}}))),
            "ValidationError");
}

TEST_F(StsTest, TransitiveTagsGoAlongTheChain) {
  const Keys alice = user("alice");
  const std::string both = R"(["sts:AssumeRole","sts:TagSession"])";
  const std::string first = role("first", trust(aws(user_arn()), both), allow("sts:*"));
  const std::string second = role("second", trust(aws(first), both), allow("sts:*"));
  const std::string third = role("third", trust(aws(second), both));
  const Keys one = keys_of(
      must(assume(alice, first,
                  object({{"Tags", tags({{"Team", "db"}, {"Local", "x"}})}, {"TransitiveTagKeys", texts({"Team"})}}))));
  const Keys two = keys_of(must(assume(one, second)));
  EXPECT_EQ(context_key(two, "aws:PrincipalTag/Team"), "db");
  EXPECT_EQ(context_key(two, "aws:PrincipalTag/Local"), "");
  EXPECT_EQ(error_of(assume(one, second, object({{"Tags", tags({{"team", "web"}})}}))), "ValidationError");
  const Keys three = keys_of(must(assume(two, third, object({{"Tags", tags({{"More", "1"}})}}))));
  EXPECT_EQ(context_key(three, "aws:PrincipalTag/Team"), "db");
  EXPECT_EQ(context_key(three, "aws:PrincipalTag/More"), "1");
}

TEST_F(StsTest, ASourceIdentityStaysToTheEndOfTheChain) {
  const Keys alice = user("alice");
  const std::string all = R"(["sts:AssumeRole","sts:SetSourceIdentity"])";
  const std::string first = role("first", trust(aws(user_arn()), all), allow("sts:*"));
  const std::string closed = role("closed", trust(aws(user_arn())));
  EXPECT_EQ(error_of(assume(alice, closed, object({{"SourceIdentity", "alice"}}))), "permission_denied");
  const Value made = must(assume(alice, first, object({{"SourceIdentity", "alice"}})));
  EXPECT_EQ(made.text("SourceIdentity"), "alice");
  const Keys one = keys_of(made);
  EXPECT_EQ(context_key(one, "aws:SourceIdentity"), "alice");
  const std::string second = role("second", trust(aws(first), all));
  const Value chained = must(assume(one, second));
  EXPECT_EQ(chained.text("SourceIdentity"), "alice");
  EXPECT_EQ(error_of(assume(one, second, object({{"SourceIdentity", "mallory"}}))), "ValidationError");
}

TEST_F(StsTest, ASessionTokenOfAUserIsTheUserWithoutIam) {
  const Keys alice = user("alice", allow("*"));
  const Keys session = keys_of(must(sts(alice, "GetSessionToken", object({{"DurationSeconds", 900}}))));
  EXPECT_EQ(must(sts(session, "GetCallerIdentity")).text("Arn"), user_arn());
  EXPECT_TRUE(may(session, "s3:GetObject"));
  EXPECT_EQ(error_of(iam(session, "ListUsers")), "InvalidClientTokenId");
  EXPECT_EQ(error_of(sts(session, "GetSessionToken")), "permission_denied");
  EXPECT_EQ(error_of(sts(session, "GetFederationToken", object({{"Name", "bob"}}))), "permission_denied");
  EXPECT_EQ(error_of(assume(session, role("r", trust(aws(user_arn()))))), "");
  must(iam("PutUserPolicy", object({{"UserName", "alice"}, {"PolicyName", "p"}, {"PolicyDocument", allow("kms:*")}})));
  EXPECT_FALSE(may(session, "s3:GetObject"));
  clock_.advance(std::chrono::seconds(900));
  EXPECT_EQ(error_of(find(session)), "ExpiredToken");
  EXPECT_EQ(error_of(sts(alice, "GetSessionToken",
                         object({{"SerialNumber", "arn:aws:iam::1:mfa/x"}, {"TokenCode", "123456"}}))),
            "permission_denied");
}

TEST_F(StsTest, TokensOfTheRootUserLastAnHourAtMost) {
  const Value of_root = must(sts(root(), "GetSessionToken", object({{"DurationSeconds", 129600}})));
  EXPECT_EQ(of_root.find("Credentials")->time("Expiration"), clock_.wall() + std::chrono::hours(1));
  EXPECT_TRUE(may(keys_of(of_root), "s3:GetObject"));
  const Value of_user = must(sts(user("alice"), "GetSessionToken"));
  EXPECT_EQ(of_user.find("Credentials")->time("Expiration"), clock_.wall() + std::chrono::hours(12));
}

TEST_F(StsTest, AFederatedUserHasWhatPolicyAndUserBothAllow) {
  const Keys alice = user("alice", allow("*"));
  const Value made =
      must(sts(alice, "GetFederationToken",
               object({{"Name", "bob"}, {"Policy", allow("s3:GetObject")}, {"Tags", tags({{"T", "1"}})}})));
  EXPECT_EQ(made.find("FederatedUser")->text("Arn"), "arn:aws:sts::" + kAccount + ":federated-user/bob");
  EXPECT_EQ(made.find("FederatedUser")->text("FederatedUserId"), kAccount + ":bob");
  const Keys bob = keys_of(made);
  EXPECT_EQ(must(sts(bob, "GetCallerIdentity")).text("UserId"), kAccount + ":bob");
  EXPECT_TRUE(may(bob, "s3:GetObject"));
  EXPECT_FALSE(may(bob, "s3:PutObject"));
  EXPECT_EQ(context_key(bob, "aws:PrincipalTag/T"), "1");
  EXPECT_EQ(context_key(bob, "aws:PrincipalType"), "FederatedUser");
  EXPECT_EQ(error_of(iam(bob, "ListUsers")), "InvalidClientTokenId");
  EXPECT_EQ(error_of(assume(bob, role("r", trust("\"*\"")))), "permission_denied");
  const Keys without = keys_of(must(sts(alice, "GetFederationToken", object({{"Name", "carol"}}))));
  EXPECT_FALSE(may(without, "s3:GetObject"));
  const Keys of_root =
      keys_of(must(sts(root(), "GetFederationToken", object({{"Name", "dave"}, {"Policy", allow("s3:*")}}))));
  EXPECT_TRUE(may(of_root, "s3:GetObject"));
  EXPECT_FALSE(may(of_root, "kms:Encrypt"));
  EXPECT_EQ(error_of(sts(user("erin"), "GetFederationToken", object({{"Name", "x1"}}))), "permission_denied");
}

TEST_F(StsTest, AKeysAccountIsTold) {
  const Keys alice = user("alice", allow("sts:GetAccessKeyInfo"));
  const Keys session = keys_of(must(assume(alice, role("r", trust(aws(user_arn()))))));
  EXPECT_TRUE(session.id.starts_with("ASIA"));
  EXPECT_EQ(session.id.size(), 20U);
  for (const std::string& id : {alice.id, session.id, root().id})
    EXPECT_EQ(must(sts(alice, "GetAccessKeyInfo", object({{"AccessKeyId", id}}))).text("Account"), kAccount);
  EXPECT_EQ(must(sts(alice, "GetAccessKeyInfo", object({{"AccessKeyId", root(kOther).id}}))).text("Account"), kOther);
  for (const char* id :
       {"AKIAAAAAAAAAAAAAAAAA", "ASIAAAAAAAAAAAAAAAAA", "ASIA7777777777777777", "ASIA1", "ASIA----------------"})
    EXPECT_EQ(error_of(sts(alice, "GetAccessKeyInfo", object({{"AccessKeyId", id}}))), "ValidationError") << id;
}

TEST_F(StsTest, AnAuthorizationMessageIsReadByWhoMay) {
  const std::string json = R"({"allowed":false,"explicitDeny":true})";
  const std::string message = encode_authorization_message(root_.view(), json, entropy_);
  EXPECT_EQ(message.find("allowed"), std::string::npos);
  const Keys alice = user("alice", allow("sts:DecodeAuthorizationMessage")), bob = user("bob");
  const auto decode = [&](const Keys& keys, const std::string& text) {
    return sts(keys, "DecodeAuthorizationMessage", object({{"EncodedMessage", text}}));
  };
  EXPECT_EQ(must(decode(alice, message)).text("DecodedMessage"), json);
  EXPECT_EQ(error_of(decode(bob, message)), "permission_denied");
  for (size_t i = 0; i < message.size(); i += 7) {
    std::string forged = message;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(error_of(decode(alice, forged)), "InvalidAuthorizationMessageException") << i;
  }
}

// A function's credentials: of the role that a service assumed, and no longer than they say.
TEST_F(StsTest, CredentialsOfAServicesRoleActAsTheRoleUntilTheyExpire) {
  const std::string arn = role("fn", trust(service("lambda.amazonaws.com")), allow("s3:GetObject"));
  api::Call call;
  call.time = clock_.wall();
  const auto assumed = must(authority_->assume_for_service(*read(), arn, "lambda.amazonaws.com", call));
  const SessionCredentials made = issue_credentials(*assumed, "copyBackupSnapshot", std::chrono::minutes(15),
                                                    root_.view(), clock_.wall(), entropy_);
  const Keys keys{made.access_key_id, made.secret_access_key, made.session_token};
  EXPECT_EQ(must(sts(keys, "GetCallerIdentity")).text("Arn"),
            "arn:aws:sts::111111111111:assumed-role/fn/copyBackupSnapshot");
  EXPECT_TRUE(may(keys, "s3:GetObject"));
  EXPECT_FALSE(may(keys, "s3:PutObject"));
  must(iam("DeleteRolePolicy", object({{"RoleName", "fn"}, {"PolicyName", "p"}})));
  EXPECT_FALSE(may(keys, "s3:GetObject"));
  clock_.advance(std::chrono::minutes(15));
  EXPECT_EQ(error_of(find(keys)), "ExpiredToken");
}

}  // namespace
}  // namespace coffer::iam
