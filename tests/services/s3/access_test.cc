// Who may do what to a bucket and what is in it.
#include "services/s3/bucket_world.h"

namespace coffer::s3 {
namespace {

class AccessTest : public BucketWorld {
 protected:
  AccessTest() {
    make_bucket();
    must(put("k", "text").output);
  }
};

TEST_F(AccessTest, TheOwnersRootUserMayDoEverything) {
  EXPECT_EQ(reading(root()), "");
  EXPECT_EQ(writing(root()), "");
  EXPECT_EQ(listing(root()), "");
}

TEST_F(AccessTest, AUserOfTheAccountMayDoWhatItsPolicyAllows) {
  const Keys none = user("none"), reader = user("reader", allow("s3:GetObject", objects_arn()));
  EXPECT_EQ(reading(none), "denied");
  EXPECT_EQ(reading(reader), "");
  EXPECT_EQ(writing(reader), "denied");
  EXPECT_EQ(listing(reader), "denied");
}

TEST_F(AccessTest, ABucketPolicyAloneIsEnoughForAUserOfTheAccount) {
  const Keys keys = user("u");
  policy({said("Allow", iam::aws(user_arn("u")), "s3:GetObject", objects_arn())});
  EXPECT_EQ(reading(keys), "");
  EXPECT_EQ(writing(keys), "denied");
}

TEST_F(AccessTest, AnotherAccountNeedsBothSides) {
  const Keys with_policy = stranger("with", allow("s3:*")), without = stranger("without");
  EXPECT_EQ(reading(with_policy), "denied");
  EXPECT_EQ(reading(root(kOther)), "denied");
  policy({said("Allow", iam::aws(kms::root_arn(kOther)), "s3:GetObject", objects_arn())});
  EXPECT_EQ(reading(with_policy), "");
  EXPECT_EQ(reading(root(kOther)), "");
  EXPECT_EQ(reading(without), "denied");
  EXPECT_EQ(writing(with_policy), "denied");
  // Naming the user is not enough either when the user's own account says nothing.
  policy({said("Allow", iam::aws(user_arn("without", kOther)), "s3:GetObject", objects_arn())});
  EXPECT_EQ(reading(without), "denied");
}

TEST_F(AccessTest, AnonymousCallersMayDoWhatThePolicyGivesEveryone) {
  EXPECT_EQ(refusal(anonymously("GetObject", at("k"))), "denied");
  block_public_access(false);
  policy({said("Allow", kAnyone, "s3:GetObject", objects_arn())});
  EXPECT_EQ(refusal(anonymously("GetObject", at("k"))), "");
  EXPECT_EQ(refusal(anonymously("HeadObject", at("k"))), "");
  EXPECT_EQ(refusal(anonymously("ListObjectsV2", on_bucket())), "denied");
  EXPECT_EQ(refusal(anonymously("DeleteObject", at("k"))), "denied");
  EXPECT_EQ(refusal(anonymously("ListBuckets", {})), "denied");
  EXPECT_EQ(refusal(anonymously("CreateBucket", on_bucket({}, "other-bucket"))), "denied");
  EXPECT_EQ(reading(root(kOther)), "");
}

TEST_F(AccessTest, RestrictPublicBucketsCutsOthersOff) {
  block_public_access(false);
  const Keys mine = user("mine", allow("s3:GetObject", objects_arn()));
  policy({said("Allow", kAnyone, "s3:GetObject", objects_arn())});
  did("PutPublicAccessBlock",
      on_bucket(object({{"PublicAccessBlockConfiguration", object({{"RestrictPublicBuckets", true}})}})));
  EXPECT_EQ(refusal(anonymously("GetObject", at("k"))), "denied");
  EXPECT_EQ(reading(root(kOther)), "denied");
  EXPECT_EQ(reading(mine), "");
  // A policy that names whom it means is not public: nothing is cut off.
  policy({said("Allow", iam::aws(kms::root_arn(kOther)), "s3:GetObject", objects_arn())});
  EXPECT_EQ(reading(root(kOther)), "");
}

TEST_F(AccessTest, BlockPublicPolicyRefusesThePublicOnes) {
  const std::string open = policy_of({said("Allow", kAnyone, "s3:GetObject", objects_arn())});
  EXPECT_EQ(refusal(put_policy(root(), open)), "denied");
  EXPECT_EQ(put_policy(root(), policy_of({said("Allow", kAnyone, "s3:GetObject", objects_arn(),
                                               condition("StringEquals", "aws:PrincipalOrgID", "o-abcdefghij"))}))
                .error(),
            "");
  EXPECT_EQ(put_policy(root(), policy_of({said("Deny", kAnyone, "s3:DeleteObject", objects_arn())})).error(), "");
  block_public_access(false);
  EXPECT_EQ(put_policy(root(), open).error(), "");
}

TEST_F(AccessTest, ADenyWinsAlsoAgainstTheRootUserButThePolicyCanAlwaysGo) {
  policy({said("Deny", kAnyone, "s3:*", bucket_arn()), said("Deny", kAnyone, "s3:*", objects_arn())});
  EXPECT_EQ(reading(root()), "denied");
  EXPECT_EQ(listing(root()), "denied");
  EXPECT_EQ(refusal(s3("GetBucketPolicy", on_bucket())), "");
  const Keys admin = user("admin", allow("*"));
  EXPECT_EQ(refusal(s3(admin, "DeleteBucketPolicy", on_bucket())), "denied");
  EXPECT_EQ(refusal(s3("DeleteBucketPolicy", on_bucket())), "");
  EXPECT_EQ(reading(root()), "");
}

TEST_F(AccessTest, UploadsWithoutTheDemandedEncryptionAreDenied) {
  policy({said("Deny", kAnyone, "s3:PutObject", objects_arn(),
               condition("StringNotEquals", "s3:x-amz-server-side-encryption", "AES256"))});
  EXPECT_EQ(writing(root()), "denied");
  EXPECT_EQ(writing(root(), "new", object({{"ServerSideEncryption", "aws:kms"}})), "denied");
  EXPECT_EQ(writing(root(), "new", object({{"ServerSideEncryption", "AES256"}})), "");
}

TEST_F(AccessTest, OneKeyCanBeDemanded) {
  const std::string id = key(), other = key();
  policy({said("Deny", kAnyone, "s3:PutObject", objects_arn(),
               condition("StringNotEqualsIfExists", "s3:x-amz-server-side-encryption-aws-kms-key-id", arn(id)))});
  const auto by_key = [&](const std::string& name) {
    return writing(root(), "new", object({{"ServerSideEncryption", "aws:kms"}, {"SSEKMSKeyId", name}}));
  };
  EXPECT_EQ(by_key(arn(id)), "");
  EXPECT_EQ(by_key(id), "");
  EXPECT_EQ(by_key(other), "denied");
  // A negated comparison holds for an absent key too.
  EXPECT_EQ(writing(root()), "denied");
}

TEST_F(AccessTest, AUserMayBeKeptToAPrefix) {
  const Keys keys =
      user("u", R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":")" +
                    bucket_arn() + R"(","Condition":{"StringLike":{"s3:prefix":"home/${aws:username}/*"}}}})");
  EXPECT_EQ(listing(keys), "denied");
  EXPECT_EQ(listing(keys, object({{"Prefix", "home/"}})), "denied");
  EXPECT_EQ(listing(keys, object({{"Prefix", "home/u/"}})), "");
  EXPECT_EQ(refusal(s3(keys, "ListObjects", on_bucket(object({{"Prefix", "home/u/x"}})))), "");
  EXPECT_EQ(refusal(s3(keys, "ListObjectVersions", on_bucket(object({{"Prefix", "home/u/x"}})))), "denied");
}

TEST_F(AccessTest, TagsOfTheObjectDecide) {
  const Keys keys = user("u");
  policy({said("Allow", iam::aws(user_arn("u")), "s3:GetObject*", objects_arn(),
               condition("StringEquals", "s3:ExistingObjectTag/class", "open"))});
  const auto tag = [&](const std::string& value) {
    did("PutObjectTagging",
        at("k", object({{"Tagging", object({{"TagSet", iam::tags({{"class", value.c_str()}})}})}})));
  };
  EXPECT_EQ(reading(keys), "denied");
  tag("secret");
  EXPECT_EQ(reading(keys), "denied");
  tag("open");
  EXPECT_EQ(reading(keys), "");
  // The same from an identity policy.
  did("DeleteBucketPolicy", on_bucket());
  EXPECT_EQ(reading(keys), "denied");
  const Keys other =
      user("v", R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":")" +
                    objects_arn() + R"(","Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"open"}}}})");
  EXPECT_EQ(reading(other), "");
  tag("secret");
  EXPECT_EQ(reading(other), "denied");
}

TEST_F(AccessTest, TagsThatARequestBringsDecide) {
  const Keys keys = user("u");
  policy({said("Allow", iam::aws(user_arn("u")), "s3:PutObject", objects_arn()),
          said("Allow", iam::aws(user_arn("u")), "s3:PutObjectTagging", objects_arn(),
               condition("StringEquals", "s3:RequestObjectTag/class", "open"))});
  EXPECT_EQ(writing(keys, "new", object({{"Tagging", "class=open"}})), "");
  EXPECT_EQ(writing(keys, "new", object({{"Tagging", "class=secret"}})), "denied");
  EXPECT_EQ(writing(keys, "new"), "");
}

TEST_F(AccessTest, AVersionHasActionsOfItsOwn) {
  set_versioning("Enabled");
  const std::string id = put("k", "2").text("VersionId");
  const Keys latest = user("latest", allow("s3:GetObject", objects_arn()));
  const Keys versions = user("versions", allow("s3:GetObjectVersion", objects_arn()));
  EXPECT_EQ(refusal(s3(latest, "GetObject", at("k"))), "");
  EXPECT_EQ(refusal(s3(latest, "GetObject", at("k", object({{"VersionId", id}})))), "denied");
  EXPECT_EQ(refusal(s3(versions, "GetObject", at("k", object({{"VersionId", id}})))), "");
  EXPECT_EQ(refusal(s3(versions, "GetObject", at("k"))), "denied");
}

TEST_F(AccessTest, WhatIsNotThereIsOnlyToldToWhoMayList) {
  const Keys reader = user("reader", allow("s3:GetObject", objects_arn()));
  const Keys lister = user("lister", allow("s3:*"));
  EXPECT_EQ(reading(reader, "missing"), "denied");
  EXPECT_EQ(reading(lister, "missing"), "NoSuchKey");
}

TEST_F(AccessTest, PlainHttpCanBeRefused) {
  policy({said("Deny", kAnyone, "s3:*", objects_arn(), condition("Bool", "aws:SecureTransport", "false"))});
  EXPECT_EQ(refusal(s3(root(), "GetObject", at("k"), nullptr, Way{})), "");
  EXPECT_EQ(refusal(s3(root(), "GetObject", at("k"), nullptr, Way{.secure = false})), "denied");
}

TEST_F(AccessTest, TheExpectedOwnerIsChecked) {
  EXPECT_EQ(s3("GetObject", at("k", object({{"ExpectedBucketOwner", kHome}}))).error(), "");
  EXPECT_EQ(s3("GetObject", at("k", object({{"ExpectedBucketOwner", kOther}}))).error(), "AccessDenied");
  EXPECT_EQ(s3("GetBucketVersioning", on_bucket(object({{"ExpectedBucketOwner", kOther}}))).error(), "AccessDenied");
}

TEST_F(AccessTest, AChangedPolicyHoldsAtOnce) {
  const Keys keys = user("u");
  for (int i = 0; i < 5; ++i) {
    policy({said("Allow", iam::aws(user_arn("u")), "s3:GetObject", objects_arn())});
    EXPECT_EQ(reading(keys), "");
    did("DeleteBucketPolicy", on_bucket());
    EXPECT_EQ(reading(keys), "denied");
  }
}

TEST_F(AccessTest, OtherAccountsNeverWorkWithThePolicyItself) {
  policy({said("Allow", iam::aws(kms::root_arn(kOther)), "s3:*", bucket_arn())});
  const std::string text = policy_of({said("Allow", iam::aws(kms::root_arn(kOther)), "s3:*", objects_arn())});
  for (const char* operation : {"PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy"}) {
    const Answer answer = s3(root(kOther), operation, on_bucket(object({{"Policy", text}})));
    EXPECT_EQ(answer.error(), "MethodNotAllowed") << operation;
  }
  EXPECT_EQ(s3(root(kOther), "GetBucketVersioning", on_bucket()).error(), "");
}

TEST_F(AccessTest, PassRoleIsAskedForReplication) {
  set_versioning("Enabled");
  make_bucket("destination", "Enabled");
  const std::string role_arn = role("copier", iam::trust(iam::service("s3.amazonaws.com")));
  const Value rule =
      object({{"Status", "Enabled"}, {"Prefix", ""}, {"Destination", object({{"Bucket", bucket_arn("destination")}})}});
  const Value input =
      on_bucket(object({{"ReplicationConfiguration", object({{"Role", role_arn}, {"Rules", api::List{rule}}})}}));
  const Keys without = user("without", allow("s3:*"));
  EXPECT_EQ(refusal(s3(without, "PutBucketReplication", input)), "denied");
  const Keys with_pass =
      user("with", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},
        {"Effect":"Allow","Action":"iam:PassRole","Resource":")" +
                       role_arn + R"(","Condition":{"StringEquals":{"iam:PassedToService":"s3.amazonaws.com"}}}]})");
  EXPECT_EQ(refusal(s3(with_pass, "PutBucketReplication", input)), "");
}

/// A bucket whose lists count.
class ListsTest : public AccessTest {
 protected:
  ListsTest() {
    block_public_access(false);
    own("ObjectWriter");
  }
  void own(const std::string& ownership) {
    const Value rule = object({{"ObjectOwnership", ownership}});
    did("PutBucketOwnershipControls", on_bucket(object({{"OwnershipControls", object({{"Rules", api::List{rule}}})}})));
  }
  void list_bucket_as(const std::string& acl) { did("PutBucketAcl", on_bucket(object({{"ACL", acl}}))); }
  void list_object_as(const std::string& acl) { did("PutObjectAcl", at("k", object({{"ACL", acl}}))); }
  std::string reading_by_nobody() { return refusal(anonymously("GetObject", at("k"))); }
  std::string listing_by_nobody() { return refusal(anonymously("ListObjectsV2", on_bucket())); }
};

TEST_F(ListsTest, ACannedListLetsIn) {
  EXPECT_EQ(reading_by_nobody(), "denied");
  list_object_as("authenticated-read");
  EXPECT_EQ(reading_by_nobody(), "denied");
  EXPECT_EQ(reading(root(kOther)), "");
  list_object_as("public-read");
  EXPECT_EQ(reading_by_nobody(), "");
  EXPECT_EQ(did("GetObjectAcl", at("k")).list("Grants").size(), 2u);
  EXPECT_FALSE(did("GetObject", at("k")).has("ACL"));
  EXPECT_EQ(refusal(anonymously("PutObjectAcl", at("k", object({{"ACL", "private"}})))), "denied");
  EXPECT_EQ(listing_by_nobody(), "denied");
  list_bucket_as("public-read");
  EXPECT_EQ(listing_by_nobody(), "");
  EXPECT_EQ(writing(root(kOther)), "denied");
  list_bucket_as("public-read-write");
  EXPECT_EQ(writing(root(kOther)), "");
  list_bucket_as("private");
  EXPECT_EQ(listing_by_nobody(), "denied");
}

TEST_F(ListsTest, ADenyWinsAndAStrangersUserNeedsItsOwnAccountToo) {
  list_object_as("public-read");
  EXPECT_EQ(reading(stranger("without")), "denied");
  policy({said("Deny", kAnyone, "s3:GetObject", objects_arn())});
  EXPECT_EQ(reading_by_nobody(), "denied");
}

TEST_F(ListsTest, WhatIsBlockedOrSwitchedOffLetsNobodyIn) {
  list_object_as("public-read");
  list_bucket_as("public-read");
  block_public_access(true);
  EXPECT_EQ(reading_by_nobody(), "denied");
  EXPECT_EQ(listing_by_nobody(), "denied");
  block_public_access(false);
  EXPECT_EQ(reading_by_nobody(), "");
  own("BucketOwnerEnforced");
  EXPECT_EQ(reading_by_nobody(), "denied");
  EXPECT_EQ(listing_by_nobody(), "denied");
  EXPECT_EQ(did("GetObjectAcl", at("k")).list("Grants").size(), 1u);
}

TEST_F(ListsTest, AWriterOwnsWhatItWroteUntilListsAreOff) {
  list_bucket_as("public-read-write");
  ASSERT_EQ(writing(root(kOther), "theirs"), "");
  EXPECT_EQ(reading(root(), "theirs"), "denied");
  EXPECT_EQ(reading(root(kOther), "theirs"), "");
  ASSERT_EQ(writing(root(kOther), "shared", object({{"ACL", "bucket-owner-read"}})), "");
  EXPECT_EQ(reading(root(), "shared"), "");
  EXPECT_EQ(refusal(s3(root(), "GetObjectAcl", at("shared"))), "denied");
  ASSERT_EQ(writing(root(kOther), "given", object({{"ACL", "bucket-owner-full-control"}})), "");
  EXPECT_EQ(refusal(s3(root(), "GetObjectAcl", at("given"))), "");
  own("BucketOwnerPreferred");
  ASSERT_EQ(writing(root(kOther), "given", object({{"ACL", "bucket-owner-full-control"}})), "");
  EXPECT_EQ(reading(root(kOther), "given"), "denied");
  EXPECT_EQ(reading(root(), "theirs"), "denied");
  own("BucketOwnerEnforced");
  EXPECT_EQ(reading(root(), "theirs"), "");
}

TEST_F(ListsTest, WhoMayOnlyWriteMakesNothingPublic) {
  const Keys writer = user("writer", allow("s3:PutObject", objects_arn()));
  EXPECT_EQ(writing(writer), "");
  EXPECT_EQ(writing(writer, "new", object({{"ACL", "public-read"}})), "denied");
}

TEST_F(ListsTest, ACopyIsNotPublicBecauseItsSourceIs) {
  list_object_as("public-read");
  did("CopyObject", at("copy", object({{"CopySource", std::string(kBucket) + "/k"}})));
  EXPECT_EQ(refusal(anonymously("GetObject", at("copy"))), "denied");
}

}  // namespace
}  // namespace coffer::s3
