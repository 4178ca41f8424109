// Who may do what: key policies, IAM policies, other accounts, condition keys.
#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class Policies : public World {
 protected:
  std::string put(const std::string& id, const std::string& policy, const Keys& keys, bool bypass = false) {
    Value input = object({{"KeyId", id}, {"Policy", policy}});
    if (bypass) input.set("BypassPolicyLockoutSafetyCheck", true);
    return error_of(kms(keys, "PutKeyPolicy", input));
  }
  std::string put(const std::string& id, const std::string& policy) { return put(id, policy, root()); }
};

TEST_F(Policies, TheDefaultLeavesTheDecisionToIam) {
  const std::string id = key();
  EXPECT_EQ(using_key(user("nobody"), id), kDenied);
  EXPECT_EQ(using_key(user("may", allow("kms:Encrypt", arn(id))), id), "");
  EXPECT_EQ(using_key(user("else", allow("kms:Encrypt", arn("other"))), id), kDenied);
}

TEST_F(Policies, WithoutTheAccountIamAllowsNothing) {
  user("named");
  const std::string id = key_with_policy(key_policy({key_statement(user_arn("named"), "kms:Encrypt")}));
  const Keys admin = user("admin", allow("kms:*"));
  EXPECT_EQ(using_key(admin, id), kDenied);
  EXPECT_EQ(error_of(kms(admin, "DescribeKey", object({{"KeyId", id}}))), kDenied);
}

TEST_F(Policies, ANamedPrincipalNeedsNoIamPolicy) {
  const Keys named = user("named"), other = user("other");
  const std::string id =
      key(object({{"Policy", key_policy({account_statement(), key_statement(user_arn("named"), "kms:Encrypt")})}}));
  EXPECT_EQ(using_key(named, id), "");
  EXPECT_EQ(using_key(other, id), kDenied);
  EXPECT_EQ(error_of(kms(named, "DescribeKey", object({{"KeyId", id}}))), kDenied);
}

TEST_F(Policies, ADenyAnywhereWins) {
  const Keys in_key = user("in-key", allow("kms:*"));
  const Keys in_iam = user("in-iam", iam::deny("kms:Encrypt"));
  const std::string id =
      key(object({{"Policy", key_policy({account_statement(), key_statement(user_arn("in-iam")),
                                         key_statement(user_arn("in-key"), "kms:Encrypt", "", "Deny")})}}));
  EXPECT_EQ(using_key(in_key, id), kDenied);
  EXPECT_EQ(using_key(in_iam, id), kDenied);
  EXPECT_EQ(error_of(kms(in_key, "DescribeKey", object({{"KeyId", id}}))), "");
}

TEST_F(Policies, NobodyLocksHimselfOut) {
  const std::string id = key();
  const Keys admin = user("admin", allow("kms:*"));
  user("other");
  const std::string locks_out = key_policy({key_statement(user_arn("other"))});
  const auto failure = kms(admin, "PutKeyPolicy", object({{"KeyId", id}, {"Policy", locks_out}}));
  EXPECT_EQ(error_of(failure), "MalformedPolicyDocumentException");
  EXPECT_EQ(failure.error().message, "The new key policy will not allow you to update the key policy in the future.");
  EXPECT_EQ(error_of(kms(admin, "CreateKey", object({{"Policy", locks_out}}))), "MalformedPolicyDocumentException");
  EXPECT_EQ(put(id, key_policy({key_statement(user_arn("admin"), "kms:Encrypt")}), admin),
            "MalformedPolicyDocumentException");
  EXPECT_EQ(put(id, key_policy({account_statement(), key_statement(user_arn("admin"), "kms:PutKeyPolicy", "", "Deny")}),
                admin),
            "MalformedPolicyDocumentException");
  EXPECT_EQ(put(id, key_policy({key_statement(user_arn("admin"))}), admin), "");
  EXPECT_EQ(put(id, locks_out, admin, true), "");
  EXPECT_EQ(put(id, key_policy({account_statement()}), admin), kDenied);  // as it asked for
}

TEST_F(Policies, AreReadAndReplacedAsTheyWereWritten) {
  const std::string text = "{ \"Version\": \"2012-10-17\",\n \"Statement\": [" + account_statement() + "] }";
  const std::string id = key(object({{"Policy", text}}));
  EXPECT_EQ(must(kms("GetKeyPolicy", object({{"KeyId", id}}))).text("Policy"), text);
  EXPECT_EQ(must(kms("GetKeyPolicy", object({{"KeyId", id}, {"PolicyName", "default"}}))).text("PolicyName"),
            "default");
  EXPECT_EQ(error_of(kms("GetKeyPolicy", object({{"KeyId", id}, {"PolicyName", "other"}}))), "NotFoundException");
  EXPECT_EQ(must(kms("ListKeyPolicies", object({{"KeyId", id}}))).texts("PolicyNames"),
            std::vector<std::string>{"default"});
}

TEST_F(Policies, ThatAreNoneAreRefused) {
  const std::string id = key(), bad = "MalformedPolicyDocumentException";
  EXPECT_EQ(put(id, "{"), bad);
  EXPECT_EQ(put(id, "{}"), bad);
  EXPECT_EQ(put(id, allow("kms:*")), bad);  // no principal
  EXPECT_EQ(put(id, key_policy({account_statement(), key_statement(user_arn("nobody"))})), bad);
  EXPECT_EQ(put(id, key_policy({account_statement(), key_statement(user_arn("of-others", "999999999999"))})), "");
  EXPECT_EQ(put(id, key_policy({account_statement()}) + std::string(32'768, ' ')), "LimitExceededException");
}

TEST_F(Policies, OtherAccountsNeedBothSides) {
  const std::string shared = key(object({{"Policy", key_policy({account_statement(), account_statement(kOther)})}}));
  const std::string closed = key();
  const Keys with = stranger("with", allow("kms:*")), without = stranger("without");
  EXPECT_EQ(using_key(with, shared), "");
  EXPECT_EQ(using_key(without, shared), kDenied);
  EXPECT_EQ(using_key(with, closed), kDenied);
  // Not even one that the policy names directly does without its own account.
  const std::string named = key(object(
      {{"Policy", key_policy({account_statement(), key_statement(user_arn("without", kOther), "kms:Encrypt")})}}));
  EXPECT_EQ(using_key(without, named), kDenied);
  EXPECT_EQ(using_key(with, named), kDenied);
}

TEST_F(Policies, OtherAccountsDecryptWithoutNamingTheKey) {
  const std::string shared = key(object({{"Policy", key_policy({account_statement(), account_statement(kOther)})}}));
  const Value input = object({{"CiphertextBlob", encrypt(shared, "x")}});
  const Keys with = stranger("with", allow("kms:Decrypt"));
  EXPECT_EQ(must(kms(with, "Decrypt", input)).text("KeyId"), arn(shared));
  EXPECT_EQ(error_of(kms(stranger("without"), "Decrypt", input)), kDenied);
}

TEST_F(Policies, OtherAccountsUseKeysAndNeverManageThem) {
  const std::string id = key(object({{"Policy", key_policy({account_statement(), account_statement(kOther)})}}));
  const Keys with = stranger("with", allow("kms:*"));
  const auto done = [&](const char* operation, Value more = object({})) {
    more.set("KeyId", arn(id));
    return error_of(kms(with, operation, std::move(more)));
  };
  EXPECT_EQ(done("DescribeKey"), "");
  EXPECT_EQ(done("GetKeyRotationStatus"), "");
  EXPECT_EQ(done("ListGrants"), "");
  for (const char* operation : {"DisableKey", "EnableKey", "ScheduleKeyDeletion", "GetKeyPolicy", "ListKeyPolicies",
                                "ListResourceTags", "EnableKeyRotation", "RotateKeyOnDemand", "ListKeyRotations"})
    EXPECT_NE(done(operation), "") << operation;
  EXPECT_NE(done("UpdateKeyDescription", object({{"Description", "x"}})), "");
  EXPECT_NE(done("PutKeyPolicy", object({{"Policy", key_policy({account_statement(kOther)})}})), "");
  EXPECT_NE(done("TagResource", object({{"Tags", tag_list({{"a", "b"}})}})), "");
  EXPECT_EQ(state(id), "Enabled");
  // An id alone means a key of the caller's own account.
  EXPECT_EQ(error_of(kms(with, "DescribeKey", object({{"KeyId", id}}))), "NotFoundException");
}

TEST_F(Policies, ManagingAKeyOfOthersTellsNotWhetherItExists) {
  const Keys with = stranger("with", allow("kms:*"));
  const auto answer = [&](const std::string& id) {
    const auto result = kms(with, "DisableKey", object({{"KeyId", arn(id)}}));
    return error_of(result) + result.error().message;
  };
  EXPECT_EQ(answer(key()), answer("12345678-1234-1234-1234-123456789012"));
}

TEST_F(Policies, ReEncryptNeedsBothKeys) {
  const std::string from = key(), to = key();
  const Value input = object({{"CiphertextBlob", encrypt(from, "x")}, {"DestinationKeyId", to}});
  EXPECT_EQ(error_of(kms(user("from", allow("kms:ReEncryptFrom", arn(from))), "ReEncrypt", input)), kDenied);
  EXPECT_EQ(error_of(kms(user("to", allow("kms:ReEncryptTo", arn(to))), "ReEncrypt", input)), kDenied);
  EXPECT_EQ(error_of(kms(user("both", allow("kms:ReEncrypt*")), "ReEncrypt", input)), "");
}

TEST_F(Policies, ConditionsSeeTheEncryptionContext) {
  const Keys alice = user("alice");
  const std::string id = key(object(
      {{"Policy", key_policy({account_statement(),
                              key_statement(user_arn("alice"), "kms:Encrypt",
                                            R"(,"Condition":{"StringEquals":{"kms:EncryptionContext:App":"x"}})")})}}));
  EXPECT_EQ(using_key(alice, id, map_of({{"App", "x"}})), "");
  EXPECT_EQ(using_key(alice, id, map_of({{"App", "y"}})), kDenied);
  EXPECT_EQ(using_key(alice, id), kDenied);
}

TEST_F(Policies, ConditionsSeeTheServiceThatCallsForTheUser) {
  const Keys alice = user("alice");
  const std::string id = key(
      object({{"Policy",
               key_policy({account_statement(), key_statement(user_arn("alice"), "kms:Encrypt",
                                                              R"(,"Condition":{"StringEquals":{"kms:ViaService":)"
                                                              R"("s3.us-east-1.amazonaws.com","kms:CallerAccount":")" +
                                                                  kHome + R"("}})")})}}));
  EXPECT_EQ(using_key(alice, id, {}, Way{.via_service = "s3.amazonaws.com"}), "");
  EXPECT_EQ(using_key(alice, id, {}, Way{.via_service = "rds.amazonaws.com"}), kDenied);
  EXPECT_EQ(using_key(alice, id), kDenied);
}

TEST_F(Policies, ConditionsSeeKeySpecTagsAndAliases) {
  const std::string id = key(object({{"Tags", tag_list({{"team", "blue"}})}}));
  const auto with = [&](const char* name, const std::string& condition) {
    return using_key(user(name, R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*",)"
                                R"("Resource":"*","Condition":)" +
                                    condition + "}]}"),
                     id);
  };
  EXPECT_EQ(with("a", R"({"StringEquals":{"aws:ResourceTag/team":"blue"}})"), "");
  EXPECT_EQ(with("b", R"({"StringEquals":{"aws:ResourceTag/team":"red"}})"), kDenied);
  EXPECT_EQ(with("c", R"({"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT","kms:KeyUsage":"ENCRYPT_DECRYPT",)"
                      R"("kms:KeyOrigin":"AWS_KMS"},"Bool":{"kms:MultiRegion":"false"}})"),
            "");
  const std::string of_alias = R"({"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/prod*"}})";
  EXPECT_EQ(with("d", of_alias), kDenied);
  must(kms("CreateAlias", object({{"AliasName", "alias/prod-1"}, {"TargetKeyId", id}})));
  EXPECT_EQ(with("e", of_alias), "");
}

TEST_F(Policies, CreationIsDecidedByIamWithWhatIsAskedFor) {
  const Keys alice = user("alice", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:CreateKey",)"
                                   R"("Resource":"*","Condition":{"StringEquals":{"kms:KeySpec":"HMAC_256"}}}]})");
  EXPECT_EQ(error_of(kms(alice, "CreateKey", object({{"KeySpec", "HMAC_256"}}))), "");
  EXPECT_EQ(error_of(kms(alice, "CreateKey", object({{"CustomerMasterKeySpec", "HMAC_256"}}))), "");
  EXPECT_EQ(error_of(kms(alice, "CreateKey", object({{"KeySpec", "HMAC_512"}}))), kDenied);
  EXPECT_EQ(error_of(kms(alice, "CreateKey", object({{"CustomerMasterKeySpec", "HMAC_512"}}))), kDenied);
  EXPECT_EQ(error_of(kms(alice, "CreateKey")), kDenied);
}

TEST_F(Policies, MakingAKeyWithTagsNeedsThePermissionToTag) {
  const Value tagged = object({{"Tags", tag_list({{"team", "blue"}})}});
  const Keys plain = user("plain", allow("kms:CreateKey"));
  EXPECT_EQ(error_of(kms(plain, "CreateKey")), "");
  EXPECT_EQ(error_of(kms(plain, "CreateKey", tagged)), kDenied);
  const Keys tagger = user("tagger", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":)"
                                     R"(["kms:CreateKey","kms:TagResource"],"Resource":"*",)"
                                     R"("Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":"team"}}}]})");
  EXPECT_EQ(error_of(kms(tagger, "CreateKey", tagged)), "");
  EXPECT_EQ(error_of(kms(tagger, "CreateKey", object({{"Tags", tag_list({{"cost", "1"}})}}))), kDenied);
}

TEST_F(Policies, TaggingConditionsSeeTheKeysOfTags) {
  const std::string id = key(object({{"Tags", tag_list({{"team", "blue"}, {"cost", "1"}})}}));
  const Keys alice =
      user("alice", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*",)"
                    R"("Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"cost"}}}]})");
  const auto untagged = [&](const char* name) {
    return error_of(kms(alice, "UntagResource", object({{"KeyId", id}, {"TagKeys", texts({name})}})));
  };
  EXPECT_EQ(untagged("team"), kDenied);
  EXPECT_EQ(untagged("cost"), "");
}

TEST_F(Policies, ReplicatingIsAlsoMakingAKey) {
  const std::string id = key(object({{"MultiRegion", true}}));
  const Value input = object({{"KeyId", id}, {"ReplicaRegion", kFar}});
  EXPECT_EQ(error_of(kms(user("half", allow("kms:ReplicateKey")), "ReplicateKey", input)), kDenied);
  const Keys whole = user("whole", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":)"
                                   R"(["kms:ReplicateKey","kms:CreateKey"],"Resource":"*"}]})");
  EXPECT_EQ(error_of(kms(whole, "ReplicateKey", input)), "");
}

}  // namespace
}  // namespace coffer::kms
