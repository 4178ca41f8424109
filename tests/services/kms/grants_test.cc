// Grants: what they allow, to whom, under which constraints, who hands them on and who ends them.
#include <set>

#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class Grants : public World {
 protected:
  Result<Value> granted(const Keys& keys, const std::string& principal, Value operations, Value more = {}) {
    Value input = more.is_null() ? object({}) : std::move(more);
    input.set("KeyId", arn(id));
    input.set("GranteePrincipal", principal);
    input.set("Operations", std::move(operations));
    return kms(keys, "CreateGrant", input);
  }
  Value grant(const std::string& principal, Value operations, Value more = {}) {
    return must(granted(root(), principal, std::move(operations), std::move(more)));
  }
  static Value constraint(const char* kind, Pairs pairs) {
    return object({{"Constraints", object({{kind, map_of(pairs)}})}});
  }
  std::vector<Value> grants() { return must(kms("ListGrants", object({{"KeyId", id}}))).list("Grants"); }
  std::string retire(const Keys& keys, const Value& made) {
    return error_of(kms(keys, "RetireGrant", object({{"GrantToken", made.text("GrantToken")}})));
  }
  std::string revoke(const Keys& keys, const Value& made) {
    return error_of(kms(keys, "RevokeGrant", object({{"KeyId", arn(id)}, {"GrantId", made.text("GrantId")}})));
  }
  const std::string id = key();
  const Keys alice = user("alice"), bob = user("bob");
};

TEST_F(Grants, AllowTheirOperationsToTheirGranteeAlone) {
  grant(user_arn("alice"), texts({"Encrypt"}));
  EXPECT_EQ(using_key(alice, id), "");
  EXPECT_EQ(using_key(bob, id), kDenied);
  EXPECT_EQ(using_key(alice, key()), kDenied);
  EXPECT_EQ(error_of(kms(alice, "DescribeKey", object({{"KeyId", id}}))), kDenied);
  EXPECT_EQ(error_of(kms(alice, "Decrypt", object({{"CiphertextBlob", encrypt(id, "x")}}))), kDenied);
}

TEST_F(Grants, ADenyBeatsThem) {
  const Keys carol = user("carol", iam::deny("kms:Encrypt"));
  grant(user_arn("carol"), texts({"Encrypt", "DescribeKey"}));
  EXPECT_EQ(using_key(carol, id), kDenied);
  EXPECT_EQ(error_of(kms(carol, "DescribeKey", object({{"KeyId", id}}))), "");
}

TEST_F(Grants, AreShownAsTheyWereMade) {
  const Value made = grant(user_arn("alice"), texts({"Encrypt", "Decrypt"}),
                           object({{"Name", "n"},
                                   {"RetiringPrincipal", user_arn("bob")},
                                   {"Constraints", object({{"EncryptionContextSubset", map_of({{"a", "b"}})}})}}));
  EXPECT_EQ(made.text("GrantId").size(), 64U);
  ASSERT_EQ(grants().size(), 1U);
  const Value shown = grants()[0];
  EXPECT_EQ(shown.text("GrantId"), made.text("GrantId"));
  EXPECT_EQ(shown.text("KeyId"), arn(id));
  EXPECT_EQ(shown.text("Name"), "n");
  EXPECT_EQ(shown.text("GranteePrincipal"), user_arn("alice"));
  EXPECT_EQ(shown.text("RetiringPrincipal"), user_arn("bob"));
  EXPECT_EQ(shown.text("IssuingAccount"), root_arn(kHome));
  EXPECT_EQ(shown.texts("Operations"), (std::vector<std::string>{"Decrypt", "Encrypt"}));
  EXPECT_EQ(shown.find("Constraints")->text_map("EncryptionContextSubset"),
            (std::map<std::string, std::string>{{"a", "b"}}));
}

TEST_F(Grants, ConstraintsBindTheContext) {
  grant(user_arn("alice"), texts({"Encrypt", "DescribeKey"}), constraint("EncryptionContextEquals", {{"a", "b"}}));
  grant(user_arn("bob"), texts({"Encrypt"}), constraint("EncryptionContextSubset", {{"a", "b"}}));
  EXPECT_EQ(using_key(alice, id, map_of({{"a", "b"}})), "");
  EXPECT_EQ(using_key(alice, id, map_of({{"a", "b"}, {"c", "d"}})), kDenied);
  EXPECT_EQ(using_key(alice, id, map_of({{"a", "B"}})), kDenied);
  EXPECT_EQ(using_key(alice, id), kDenied);
  EXPECT_EQ(error_of(kms(alice, "DescribeKey", object({{"KeyId", id}}))), "");  // has no context
  EXPECT_EQ(using_key(bob, id, map_of({{"a", "b"}, {"c", "d"}})), "");
  EXPECT_EQ(using_key(bob, id, map_of({{"c", "d"}})), kDenied);
}

TEST_F(Grants, ConstraintsHaveLimits) {
  const auto refused = [&](Value constraints) {
    return error_of(
        granted(root(), user_arn("alice"), texts({"Encrypt"}), object({{"Constraints", std::move(constraints)}})));
  };
  Value nine = object({});
  for (int i = 0; i < 9; ++i) nine.set(std::to_string(i), "v");
  EXPECT_EQ(refused(object({{"EncryptionContextEquals", nine}})), "ValidationException");
  EXPECT_EQ(refused(object({{"EncryptionContextSubset", object({{"k", std::string(384, 'v')}})}})),
            "ValidationException");
  EXPECT_EQ(refused(object({{"EncryptionContextSubset", map_of({{"a", "b"}})},
                            {"EncryptionContextEquals", map_of({{"a", "b"}})}})),
            "ValidationException");
}

TEST_F(Grants, OperationsFitTheKey) {
  EXPECT_EQ(error_of(granted(root(), user_arn("alice"), texts({"Sign"}))), "ValidationException");
  EXPECT_EQ(error_of(granted(root(), user_arn("alice"), texts({"GenerateMac"}))), "ValidationException");
  const std::string signer = key(object({{"KeySpec", "ECC_NIST_P256"}, {"KeyUsage", "SIGN_VERIFY"}}));
  Value input = object(
      {{"KeyId", signer}, {"GranteePrincipal", user_arn("alice")}, {"Operations", texts({"Sign", "GetPublicKey"})}});
  EXPECT_EQ(error_of(kms("CreateGrant", input)), "");
  EXPECT_EQ(error_of(kms(alice, "GetPublicKey", object({{"KeyId", signer}}))), "");
  input.set("Operations", texts({"Encrypt"}));
  EXPECT_EQ(error_of(kms("CreateGrant", input)), "ValidationException");
}

TEST_F(Grants, NamePrincipalsThatExist) {
  for (const std::string& principal :
       {user_arn("nobody"), std::string("alice"), kHome, std::string("s3.amazonaws.com"), std::string("*")})
    EXPECT_EQ(error_of(granted(root(), principal, texts({"Encrypt"}))), "InvalidArnException") << principal;
  EXPECT_EQ(error_of(granted(root(), user_arn("bob"), texts({"Encrypt"}), object({{"RetiringPrincipal", "bob"}}))),
            "InvalidArnException");
}

TEST_F(Grants, ANameMakesARetryHarmless) {
  const Value named = object({{"Name", "once"}});
  const Value first = grant(user_arn("alice"), texts({"Encrypt", "Decrypt"}), named);
  EXPECT_EQ(grant(user_arn("alice"), texts({"Decrypt", "Encrypt"}), named).text("GrantId"), first.text("GrantId"));
  EXPECT_NE(grant(user_arn("alice"), texts({"Encrypt"}), named).text("GrantId"), first.text("GrantId"));
  EXPECT_NE(grant(user_arn("alice"), texts({"Encrypt"})).text("GrantId"),
            grant(user_arn("alice"), texts({"Encrypt"})).text("GrantId"));
  EXPECT_EQ(error_of(granted(root(), user_arn("alice"), texts({"Encrypt", "Decrypt"}),
                             object({{"Name", "once"}, {"DryRun", true}}))),
            "DryRunOperationException");
  EXPECT_EQ(grants().size(), 4U);
}

TEST_F(Grants, TokensAreTakenWhenTheyAreOnes) {
  const Value made = grant(user_arn("alice"), texts({"Encrypt"}));
  Value input = object({{"KeyId", id}, {"Plaintext", to_bytes("x")}});
  input.set("GrantTokens", texts({std::string(made.text("GrantToken"))}));
  EXPECT_EQ(error_of(kms(alice, "Encrypt", input)), "");
  input.set("GrantTokens", texts({"junk"}));
  EXPECT_EQ(error_of(kms(alice, "Encrypt", input)), "InvalidGrantTokenException");
}

TEST_F(Grants, GoToOtherAccountsTogetherWithTheirIam) {
  const Keys with = stranger("with", allow("kms:*")), without = stranger("without");
  grant(user_arn("with", kOther), texts({"Encrypt"}));
  grant(user_arn("without", kOther), texts({"Encrypt"}));
  EXPECT_EQ(using_key(with, id), "");
  EXPECT_EQ(using_key(without, id), kDenied);
  EXPECT_EQ(using_key(stranger("more", allow("kms:*")), id), kDenied);
  grant(root_arn(kOther), texts({"Encrypt"}));
  EXPECT_EQ(using_key(stranger("many", allow("kms:*")), id), "");
  EXPECT_EQ(using_key(without, id), kDenied);
}

TEST_F(Grants, ToTheOwnAccountMeanItsRootUser) {
  const std::string closed = key_with_policy(key_policy({key_statement(user_arn("bob"))}));
  EXPECT_EQ(using_key(root(), closed), kDenied);
  must(kms(bob, "CreateGrant",
           object({{"KeyId", closed}, {"GranteePrincipal", root_arn(kHome)}, {"Operations", texts({"Encrypt"})}})));
  EXPECT_EQ(using_key(root(), closed), "");
  EXPECT_EQ(using_key(alice, closed), kDenied);
}

TEST_F(Grants, ToARoleCoverItsSessions) {
  const std::string role_arn = role("worker", iam::trust(iam::aws(root_arn(kHome))));
  grant(role_arn, texts({"Encrypt"}));
  const Keys boss = user("boss", allow("sts:AssumeRole"));
  EXPECT_EQ(using_key(iam::keys_of(must(assume(boss, role_arn))), id), "");
}

TEST_F(Grants, DoNotPassToWhoTakesTheNameLater) {
  grant(user_arn("alice"), texts({"Encrypt"}), object({{"RetiringPrincipal", user_arn("bob")}}));
  for (const char* name : {"alice", "bob"}) {
    const std::string key_id(
        must(iam("ListAccessKeys", object({{"UserName", name}}))).list("AccessKeyMetadata").at(0).text("AccessKeyId"));
    must(iam("DeleteAccessKey", object({{"UserName", name}, {"AccessKeyId", key_id}})));
    must(iam("DeleteUser", object({{"UserName", name}})));
  }
  EXPECT_TRUE(grants()[0].text("GranteePrincipal").starts_with("AIDA"));
  const Keys second = user("alice"), second_bob = user("bob");
  EXPECT_EQ(using_key(second, id), kDenied);
  EXPECT_EQ(
      error_of(kms(second_bob, "RetireGrant", object({{"KeyId", arn(id)}, {"GrantId", grants()[0].text("GrantId")}}))),
      kDenied);
  EXPECT_TRUE(
      must(kms("ListRetirableGrants", object({{"RetiringPrincipal", user_arn("bob")}}))).list("Grants").empty());
  EXPECT_TRUE(grants()[0].text("GranteePrincipal").starts_with("AIDA"));
}

// Handing on.

TEST_F(Grants, AGranteeHandsOnNoMoreThanItHas) {
  grant(user_arn("alice"), texts({"CreateGrant", "Encrypt", "Decrypt"}));
  const auto handed = [&](Value operations) {
    return error_of(granted(alice, user_arn("bob"), std::move(operations)));
  };
  EXPECT_EQ(handed(texts({"Encrypt"})), "");
  EXPECT_EQ(handed(texts({"Encrypt", "CreateGrant"})), "");
  EXPECT_EQ(handed(texts({"GenerateDataKey"})), kDenied);
  EXPECT_EQ(handed(texts({"Encrypt", "RetireGrant"})), kDenied);
  EXPECT_EQ(using_key(bob, id), "");
}

TEST_F(Grants, WithoutCreateGrantNothingIsHandedOn) {
  grant(user_arn("alice"), texts({"Encrypt"}));
  EXPECT_EQ(error_of(granted(alice, user_arn("bob"), texts({"Encrypt"}))), kDenied);
}

TEST_F(Grants, ConstraintsOnlyGetStricterOnTheWay) {
  const auto handed = [&](const Keys& keys, Value more) {
    return error_of(granted(keys, root_arn(kOther), texts({"Encrypt"}), std::move(more)));
  };
  grant(user_arn("alice"), texts({"CreateGrant", "Encrypt"}), constraint("EncryptionContextSubset", {{"a", "b"}}));
  EXPECT_EQ(handed(alice, constraint("EncryptionContextSubset", {{"a", "b"}})), "");
  EXPECT_EQ(handed(alice, constraint("EncryptionContextSubset", {{"a", "b"}, {"c", "d"}})), "");
  EXPECT_EQ(handed(alice, constraint("EncryptionContextEquals", {{"a", "b"}, {"c", "d"}})), "");
  EXPECT_EQ(handed(alice, constraint("EncryptionContextEquals", {{"c", "d"}})), kDenied);
  EXPECT_EQ(handed(alice, constraint("EncryptionContextSubset", {{"a", "x"}})), kDenied);
  EXPECT_EQ(handed(alice, {}), kDenied);
  grant(user_arn("bob"), texts({"CreateGrant", "Encrypt"}), constraint("EncryptionContextEquals", {{"a", "b"}}));
  EXPECT_EQ(handed(bob, constraint("EncryptionContextEquals", {{"a", "b"}})), "");
  EXPECT_EQ(handed(bob, constraint("EncryptionContextEquals", {{"a", "b"}, {"c", "d"}})), kDenied);
  EXPECT_EQ(handed(bob, constraint("EncryptionContextSubset", {{"a", "b"}})), kDenied);
}

TEST_F(Grants, WhoMayByPolicyIsNotBoundByAGrantBesides) {
  const Keys admin = user("admin", allow("kms:CreateGrant"));
  grant(user_arn("admin"), texts({"CreateGrant", "Encrypt"}));
  EXPECT_EQ(error_of(granted(admin, user_arn("bob"), texts({"Decrypt"}))), "");
}

TEST_F(Grants, AnAccountHandsOnNoMoreThanItHas) {
  grant(root_arn(kOther), texts({"CreateGrant", "Encrypt"}));
  const Keys with = stranger("with", allow("kms:*"));
  EXPECT_EQ(error_of(granted(with, user_arn("with", kOther), texts({"Decrypt"}))), kDenied);
  EXPECT_EQ(error_of(granted(with, user_arn("with", kOther), texts({"Encrypt"}))), "");
}

// Ending.

TEST_F(Grants, RevokingNeedsAPermissionOnTheKey) {
  const Value made = grant(user_arn("alice"), texts({"Encrypt"}));
  EXPECT_EQ(revoke(alice, made), kDenied);
  EXPECT_EQ(using_key(alice, id), "");
  EXPECT_EQ(revoke(user("admin", allow("kms:RevokeGrant")), made), "");
  EXPECT_EQ(using_key(alice, id), kDenied);
  EXPECT_EQ(revoke(root(), made), "NotFoundException");
}

TEST_F(Grants, AreRevokedThroughTheirOwnKeyAndRegion) {
  const std::string first = key(object({{"MultiRegion", true}}));
  must(kms("ReplicateKey", object({{"KeyId", first}, {"ReplicaRegion", kFar}})));
  const Value made = must(
      kms("CreateGrant",
          object({{"KeyId", first}, {"GranteePrincipal", user_arn("alice")}, {"Operations", texts({"Encrypt"})}})));
  const Value input = object({{"KeyId", first}, {"GrantId", made.text("GrantId")}});
  EXPECT_EQ(revoke(root(), made), "NotFoundException");  // through another key
  EXPECT_EQ(error_of(far("RevokeGrant", input)), "NotFoundException");
  EXPECT_EQ(error_of(far("RetireGrant", input)), "NotFoundException");
  EXPECT_EQ(error_of(far("RetireGrant", object({{"GrantToken", made.text("GrantToken")}}))),
            "InvalidGrantTokenException");
  EXPECT_EQ(error_of(kms("RevokeGrant", input)), "");
}

TEST_F(Grants, AreRetiredByWhomTheyName) {
  const auto made = [&](Value operations = texts({"Encrypt"})) {
    return grant(user_arn("alice"), std::move(operations), object({{"RetiringPrincipal", user_arn("bob")}}));
  };
  EXPECT_EQ(retire(bob, made()), "");
  EXPECT_EQ(retire(alice, made()), kDenied);
  EXPECT_EQ(retire(alice, made(texts({"Encrypt", "RetireGrant"}))), "");
  EXPECT_EQ(retire(root(), made()), "");
  EXPECT_EQ(retire(user("may", allow("kms:RetireGrant")), made()), "");
  EXPECT_EQ(retire(user("may-not"), made()), kDenied);
  EXPECT_EQ(retire(stranger("far-off", allow("kms:*")), made()), kDenied);
  const Value by_id = made();
  EXPECT_EQ(error_of(kms(bob, "RetireGrant", object({{"KeyId", arn(id)}, {"GrantId", by_id.text("GrantId")}}))), "");
  EXPECT_EQ(retire(bob, by_id), "InvalidGrantTokenException");
  EXPECT_EQ(error_of(kms(bob, "RetireGrant", object({{"KeyId", arn(id)}}))), "ValidationException");
}

TEST_F(Grants, AnotherAccountRetiresWhatNamesIt) {
  const Value made = grant(user_arn("alice"), texts({"Encrypt"}), object({{"RetiringPrincipal", root_arn(kOther)}}));
  EXPECT_EQ(retire(stranger("without"), made), kDenied);
  EXPECT_EQ(retire(stranger("with", allow("kms:RetireGrant")), made), "");
}

TEST_F(Grants, DryRunsEndNothing) {
  const Value made = grant(user_arn("alice"), texts({"Encrypt"}));
  EXPECT_EQ(error_of(kms("RevokeGrant", object({{"KeyId", id}, {"GrantId", made.text("GrantId")}, {"DryRun", true}}))),
            "DryRunOperationException");
  EXPECT_EQ(error_of(kms("RetireGrant", object({{"GrantToken", made.text("GrantToken")}, {"DryRun", true}}))),
            "DryRunOperationException");
  EXPECT_EQ(grants().size(), 1U);
}

// Services.

TEST_F(Grants, OnlyAServiceMakesThemForAnAwsResource) {
  const Keys carol = user("carol");
  must(kms("PutKeyPolicy",
           object({{"KeyId", id},
                   {"Policy",
                    key_policy({account_statement(), key_statement(user_arn("carol"), "kms:CreateGrant",
                                                                   R"(,"Condition":{"Bool":)"
                                                                   R"({"kms:GrantIsForAWSResource":"true"}})")})}})));
  EXPECT_EQ(error_of(granted(carol, user_arn("alice"), texts({"Encrypt"}))), kDenied);
  const Value input =
      object({{"KeyId", id}, {"GranteePrincipal", user_arn("alice")}, {"Operations", texts({"Encrypt"})}});
  EXPECT_EQ(error_of(kms(carol, "CreateGrant", input, Way{.via_service = "rds.amazonaws.com"})), "");
}

// Lists.

TEST_F(Grants, ListInPagesAndByFilter) {
  std::set<std::string> all;
  for (int i = 0; i < 5; ++i)
    all.emplace(
        grant(user_arn(i < 2 ? "alice" : "bob"), texts({"Encrypt"}), object({{"RetiringPrincipal", user_arn("bob")}}))
            .text("GrantId"));
  for (int limit : {1, 2, 5, 100}) {
    std::set<std::string> seen, retirable;
    for (const Value& one : list("ListGrants", "Grants", object({{"KeyId", id}}), limit))
      seen.emplace(one.text("GrantId"));
    for (const Value& one :
         list("ListRetirableGrants", "Grants", object({{"RetiringPrincipal", user_arn("bob")}}), limit))
      retirable.emplace(one.text("GrantId"));
    EXPECT_EQ(seen, all) << limit;
    EXPECT_EQ(retirable, all) << limit;
  }
  const auto found = [&](Value more) {
    more.set("KeyId", id);
    return must(kms("ListGrants", more)).list("Grants").size();
  };
  EXPECT_EQ(found(object({{"GranteePrincipal", user_arn("alice")}})), 2U);
  EXPECT_EQ(found(object({{"GrantId", *all.begin()}})), 1U);
  EXPECT_EQ(error_of(kms("ListGrants", object({{"KeyId", id}, {"GrantId", std::string(64, '0')}}))),
            "InvalidGrantIdException");
}

TEST_F(Grants, RetirableOnesAreListedForPrincipalsOfTheAccount) {
  grant(user_arn("alice"), texts({"Encrypt"}), object({{"RetiringPrincipal", user_arn("bob")}}));
  const Value input = object({{"RetiringPrincipal", user_arn("bob")}});
  EXPECT_EQ(must(kms("ListRetirableGrants", input)).list("Grants").size(), 1U);
  EXPECT_EQ(error_of(kms(root(kOther), "ListRetirableGrants", input)), kDenied);
}

}  // namespace
}  // namespace coffer::kms
