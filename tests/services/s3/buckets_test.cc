// Buckets: made, found, listed, removed.
#include "services/s3/bucket_world.h"

namespace coffer::s3 {
namespace {

class BucketsTest : public BucketWorld {
 protected:
  std::string making(const std::string& name, const Value& more = Value::object(), const Way& way = Way{}) {
    return s3(root(), "CreateBucket", on_bucket(more, name), nullptr, way).error();
  }
  static Value in(const std::string& region) {
    return object({{"CreateBucketConfiguration", object({{"LocationConstraint", region}})}});
  }
  std::vector<std::string> names(const Keys& keys, const Value& input = Value::object()) {
    std::vector<std::string> all;
    const Answer answer = s3(keys, "ListBuckets", input);
    for (const Value& bucket : answer.value().list("Buckets")) all.emplace_back(bucket.text("Name"));
    return all;
  }
};

TEST_F(BucketsTest, NamesFollowTheRules) {
  for (const char* name : {"abc", "a-b", "1.2.3", "a.b.c", "123", "1.2.3.4.5",
                           "a1234567890123456789012345678901234567890"
                           "1234567890123456789012"})
    EXPECT_EQ(making(name), "") << name;
  for (const std::string& name : {std::string("ab"),
                                  std::string(64, 'a'),
                                  std::string("Abc"),
                                  std::string("a_b"),
                                  std::string("-ab"),
                                  std::string("ab-"),
                                  std::string("a..b"),
                                  std::string(".ab"),
                                  std::string("192.168.0.1"),
                                  std::string("1.2.3.4"),
                                  std::string("xn--abc"),
                                  std::string("sthree-abc"),
                                  std::string("amzn-s3-demo-abc"),
                                  std::string("abc-s3alias"),
                                  std::string("abc--ol-s3"),
                                  std::string("abc--x-s3"),
                                  std::string("abc.mrap"),
                                  std::string("a b"),
                                  std::string("a/b"),
                                  std::string("b\xc3\xa4r"),
                                  std::string("")})
    EXPECT_EQ(making(name), "InvalidBucketName") << name;
}

TEST_F(BucketsTest, WhatIsNoNameIsNoBucket) {
  for (const std::string& name : {std::string("missing"), std::string("a\xff"), std::string("a\0b", 3),
                                  std::string("a b"), std::string(2000, 'a')})
    EXPECT_EQ(s3("HeadBucket", on_bucket({}, name)).error(), "NoSuchBucket");
}

TEST_F(BucketsTest, ANewBucketIsPrivateEncryptedAndWithoutLists) {
  make_bucket();
  const Value block = *did("GetPublicAccessBlock", on_bucket()).find("PublicAccessBlockConfiguration");
  for (const char* name : {"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"})
    EXPECT_TRUE(block.flag(name)) << name;
  EXPECT_EQ(did("GetBucketOwnershipControls", on_bucket())
                .find("OwnershipControls")
                ->list("Rules")[0]
                .text("ObjectOwnership"),
            "BucketOwnerEnforced");
  const Value rule =
      did("GetBucketEncryption", on_bucket()).find("ServerSideEncryptionConfiguration")->list("Rules")[0];
  EXPECT_EQ(rule.find("ApplyServerSideEncryptionByDefault")->text("SSEAlgorithm"), "AES256");
  EXPECT_EQ(rule.find("BlockedEncryptionTypes")->texts("EncryptionType"), std::vector<std::string>{"SSE-C"});
  EXPECT_EQ(did("GetBucketVersioning", on_bucket()), Value::object());
}

TEST_F(BucketsTest, MadeAgain) {
  EXPECT_EQ(making("one"), "");
  EXPECT_EQ(making("one"), "");
  EXPECT_EQ(s3(root(kOther), "CreateBucket", on_bucket({}, "one")).error(), "BucketAlreadyExists");
  EXPECT_EQ(making("far", in(kms::kFar)), "");
  EXPECT_EQ(making("far", in(kms::kFar)), "BucketAlreadyOwnedByYou");
  EXPECT_EQ(making("far"), "BucketAlreadyOwnedByYou");
}

TEST_F(BucketsTest, LocationConstraints) {
  const Way far{.region = kms::kFar};
  EXPECT_EQ(making("b-1", in("us-east-1")), "InvalidLocationConstraint");
  EXPECT_EQ(making("b-2", in("mars-1")), "InvalidLocationConstraint");
  EXPECT_EQ(making("b-3", in("EU")), "");
  EXPECT_EQ(making("b-4", {}, far), "IllegalLocationConstraintException");
  EXPECT_EQ(making("b-5", in(kms::kFar), far), "");
  EXPECT_EQ(making("b-6"), "");
  EXPECT_EQ(did("GetBucketLocation", on_bucket({}, "b-6")), Value::object());
  EXPECT_EQ(did("GetBucketLocation", on_bucket({}, "b-5")).text("LocationConstraint"), kms::kFar);
}

TEST_F(BucketsTest, ABucketOfAnotherRegionSaysWhereItIs) {
  ASSERT_EQ(making("far", in(kms::kFar)), "");
  const Answer answer = s3("HeadBucket", on_bucket({}, "far"));
  EXPECT_EQ(answer.error(), "PermanentRedirect");
  EXPECT_EQ(answer.error_header("x-amz-bucket-region"), kms::kFar);
  const Answer there = s3(root(), "HeadBucket", on_bucket({}, "far"), nullptr, Way{.region = kms::kFar});
  EXPECT_EQ(there.text("BucketRegion"), kms::kFar);
}

TEST_F(BucketsTest, ListsAtCreation) {
  const auto acl = [](const char* name) { return object({{"ACL", name}}); };
  const auto owned = [](const char* acl_name, const char* ownership) {
    return object({{"ACL", acl_name}, {"ObjectOwnership", ownership}});
  };
  EXPECT_EQ(making("b-1", acl("private")), "");
  EXPECT_EQ(making("b-2", acl("public-read")), "InvalidBucketAclWithObjectOwnership");
  EXPECT_EQ(making("b-3", owned("public-read", "ObjectWriter")), "InvalidBucketAclWithBlockPublicAccessError");
  EXPECT_EQ(making("b-4", object({{"ObjectOwnership", "BucketOwnerPreferred"}})), "");
  EXPECT_EQ(making("b-5", object({{"ObjectOwnership", "Nobody"}})), "InvalidArgument");
  EXPECT_EQ(making("b-6", object({{"GrantRead", "id=1"}})), "InvalidBucketAclWithObjectOwnership");
}

TEST_F(BucketsTest, LockAtCreationTurnsVersioningOnAndNeedsItsRights) {
  const Value locked = object({{"ObjectLockEnabledForBucket", true}});
  const Keys plain = user("plain", allow("s3:CreateBucket"));
  EXPECT_EQ(refusal(s3(plain, "CreateBucket", on_bucket(locked))), "denied");
  EXPECT_EQ(refusal(s3(plain, "CreateBucket", on_bucket({}, "plain"))), "");
  make_bucket(kBucket, "", locked);
  EXPECT_EQ(did("GetBucketVersioning", on_bucket()).text("Status"), "Enabled");
  EXPECT_EQ(did("GetObjectLockConfiguration", on_bucket()).find("ObjectLockConfiguration")->text("ObjectLockEnabled"),
            "Enabled");
}

TEST_F(BucketsTest, OnlyAnEmptyBucketIsRemoved) {
  make_bucket(kBucket, "Enabled");
  must(put("k", "text").output);
  must(remove("k").output);
  EXPECT_EQ(s3("DeleteBucket", on_bucket()).error(), "BucketNotEmpty");
  for (const char* member : {"Versions", "DeleteMarkers"}) {
    for (const Value& version : api::List(did("ListObjectVersions", on_bucket()).list(member)))
      must(remove("k", object({{"VersionId", version.text("VersionId")}})).output);
  }
  EXPECT_EQ(s3("DeleteBucket", on_bucket()).error(), "");
  EXPECT_EQ(s3("HeadBucket", on_bucket()).error(), "NoSuchBucket");
  EXPECT_EQ(s3(root(kOther), "CreateBucket", on_bucket()).error(), "");
  EXPECT_EQ(refusal(s3("GetBucketVersioning", on_bucket())), "denied");
}

TEST_F(BucketsTest, AnUploadKeepsTheBucket) {
  make_bucket();
  const std::string upload = begin_upload("k");
  const std::string error = s3("DeleteBucket", on_bucket()).error();
  EXPECT_EQ(error, "BucketNotEmpty");
  did("AbortMultipartUpload", at("k", object({{"UploadId", upload}})));
  EXPECT_EQ(s3("DeleteBucket", on_bucket()).error(), "");
}

TEST_F(BucketsTest, EveryoneListsItsOwn) {
  for (const char* name : {"c-1", "a-1", "b-1"}) ASSERT_EQ(making(name), "");
  must(s3(root(kOther), "CreateBucket", on_bucket({}, "x-1")).output);
  EXPECT_EQ(names(root()), (std::vector<std::string>{"a-1", "b-1", "c-1"}));
  EXPECT_EQ(names(root(kOther)), (std::vector<std::string>{"x-1"}));
  EXPECT_EQ(names(root(), object({{"Prefix", "b"}})), (std::vector<std::string>{"b-1"}));
  EXPECT_EQ(refusal(s3(user("u"), "ListBuckets")), "denied");
}

TEST_F(BucketsTest, PagesOfBuckets) {
  std::vector<std::string> all;
  for (int i = 0; i < 25; ++i) {
    all.push_back("bucket-" + std::to_string(100 + i));
    ASSERT_EQ(making(all.back(), i % 5 == 0 ? in(kms::kFar) : Value::object()), "");
  }
  std::vector<std::string> seen;
  Value input = object({{"MaxBuckets", 7}});
  std::string token;
  do {
    const Value page = did("ListBuckets", input);
    EXPECT_LE(page.list("Buckets").size(), 7u);
    for (const Value& bucket : page.list("Buckets")) seen.emplace_back(bucket.text("Name"));
    token = page.text("ContinuationToken");
    input.set("ContinuationToken", token);
  } while (!token.empty());
  EXPECT_EQ(seen, all);
  EXPECT_EQ(names(root(), object({{"BucketRegion", kms::kFar}, {"MaxBuckets", 3}})).size(), 3u);
  EXPECT_EQ(names(root(), object({{"BucketRegion", kms::kFar}})).size(), 5u);
  for (const int count : {0, 10'001}) {
    EXPECT_EQ(s3("ListBuckets", object({{"MaxBuckets", count}})).error(), "InvalidArgument");
  }
}

TEST_F(BucketsTest, TokensOfOthersAndForgedOnesAreNone) {
  for (const char* name : {"a-1", "b-1", "c-1"}) ASSERT_EQ(making(name), "");
  const std::string token(did("ListBuckets", object({{"MaxBuckets", 1}})).text("ContinuationToken"));
  const auto asking = [&](const Keys& keys, const std::string& with_token) {
    return s3(keys, "ListBuckets", object({{"ContinuationToken", with_token}})).error();
  };
  EXPECT_EQ(asking(root(), token), "");
  EXPECT_EQ(asking(root(kOther), token), "InvalidArgument");
  EXPECT_EQ(asking(root(), "a-1"), "InvalidArgument");
  for (size_t size = 1; size < token.size(); ++size)
    EXPECT_EQ(asking(root(), token.substr(0, size)), "InvalidArgument") << size;
  for (size_t i = 0; i < token.size(); i += 7) {
    std::string forged = token;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(asking(root(), forged), "InvalidArgument") << i;
  }
}

TEST_F(BucketsTest, TagsAtCreation) {
  const Value tags = object({{"CreateBucketConfiguration", object({{"Tags", iam::tags({{"team", "a"}})}})}});
  EXPECT_EQ(making("tagged", tags), "");
  EXPECT_EQ(did("GetBucketTagging", on_bucket({}, "tagged")).list("TagSet").size(), 1u);
  EXPECT_EQ(refusal(s3(user("u", allow("s3:CreateBucket")), "CreateBucket", on_bucket(tags, "other"))), "denied");
}

}  // namespace
}  // namespace coffer::s3
