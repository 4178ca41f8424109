#include "base/base64.h"
#include "engine/crypto/checksum.h"
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

class Copying : public World {
 protected:
  Copying() {
    make_bucket();
    make_bucket("other");
  }
  Answer copy(const std::string& from, const std::string& to, const Value& more = {}) {
    return s3("CopyObject", at(to, with(object({{"CopySource", from}}), more)));
  }
};

TEST_F(Copying, BytesMetadataAndTagsComeAlong) {
  const std::string text = noise(2'500'000);
  put("from", text,
      object({{"ContentType", "a/b"},
              {"Metadata", api::text_map({{"m", "1"}})},
              {"Tagging", "t=1"},
              {"WebsiteRedirectLocation", "/x"}}));
  clock_.advance(std::chrono::hours(1));
  const Answer answer = copy("bucket/from", "to");
  ASSERT_EQ(answer.error(), "");
  const Value& result = *answer.value().find("CopyObjectResult");
  EXPECT_EQ(result.text("ETag"), head("from").text("ETag"));
  EXPECT_EQ(result.time("LastModified"), clock_.wall());
  EXPECT_EQ(result.text("ChecksumCRC64NVME"),
            base64_encode(crypto::checksum_of(crypto::ChecksumKind::kCrc64Nvme, as_bytes(text))));
  EXPECT_TRUE(got("to") == text);
  const Answer shown = head("to");
  EXPECT_EQ(shown.text("ContentType"), "a/b");
  EXPECT_EQ(shown.value().text_map("Metadata").at("m"), "1");
  EXPECT_EQ(shown.value().integer("TagCount"), 1);
  EXPECT_FALSE(shown.value().has("WebsiteRedirectLocation"));
  remove("from");
  collect();
  EXPECT_TRUE(got("to") == text) << "the copy has bytes of its own";
}

TEST_F(Copying, DirectivesSayWhatIsReplaced) {
  put("from", "x", object({{"ContentType", "a/b"}, {"Tagging", "t=1"}}));
  copy("bucket/from", "to",
       object({{"MetadataDirective", "REPLACE"},
               {"TaggingDirective", "REPLACE"},
               {"ContentType", "c/d"},
               {"Tagging", "u=1&v=2"},
               {"StorageClass", "STANDARD_IA"}}));
  const Answer shown = head("to");
  EXPECT_EQ(shown.text("ContentType"), "c/d");
  EXPECT_EQ(shown.value().integer("TagCount"), 2);
  EXPECT_EQ(shown.text("StorageClass"), "STANDARD_IA");
  EXPECT_EQ(copy("bucket/from", "to", object({{"MetadataDirective", "MERGE"}})).error(), "InvalidArgument");
}

TEST_F(Copying, OntoItselfOnlyWithAChange) {
  put("k", "x", object({{"ContentType", "a/b"}}));
  EXPECT_EQ(copy("bucket/k", "k").error(), "InvalidRequest");
  EXPECT_EQ(copy("bucket/k", "k", object({{"MetadataDirective", "REPLACE"}, {"ContentType", "c/d"}})).error(), "");
  EXPECT_EQ(head("k").text("ContentType"), "c/d");
  EXPECT_EQ(copy("bucket/k", "k", object({{"StorageClass", "STANDARD_IA"}})).error(), "");
  EXPECT_EQ(copy("bucket/k", "k", object({{"ServerSideEncryption", "AES256"}})).error(), "");
  EXPECT_EQ(got("k"), "x");
  EXPECT_EQ(rows_in("s3_versions"), 1);
}

TEST_F(Copying, AnOldVersionIsRestoredByCopyingItOntoItsKey) {
  set_versioning("Enabled");
  const std::string old = put("k", "old").text("VersionId");
  put("k", "new");
  const Answer answer = copy("bucket/k?versionId=" + old, "k");
  ASSERT_EQ(answer.error(), "");
  EXPECT_EQ(answer.text("CopySourceVersionId"), old);
  EXPECT_EQ(got("k"), "old");
  const std::string marker = remove("k").text("VersionId");
  EXPECT_EQ(copy("bucket/k", "k2").error(), "NoSuchKey");
  EXPECT_EQ(copy("bucket/k?versionId=" + marker, "k2").error(), "InvalidRequest");
  EXPECT_EQ(copy("bucket/k?versionId=none", "k2").error(), "NoSuchVersion");
}

TEST_F(Copying, TheSourceIsNamedAsInAUrl) {
  put("a b+c/\xc3\xa4?x", "1");
  EXPECT_EQ(copy("/bucket/a%20b%2Bc/%C3%A4%3Fx", "to").error(), "");
  EXPECT_EQ(got("to"), "1");
  for (const char* bad : {"", "bucket", "bucket/", "/bucket", "/bucket/", "bucket/%zz", "bucket/k?versionId="})
    EXPECT_EQ(copy(bad, "to").error(), "InvalidArgument") << bad;
  EXPECT_EQ(copy("nobody/k", "to").error(), "NoSuchBucket");
  EXPECT_EQ(copy("bucket/none", "to").error(), "NoSuchKey");
  EXPECT_EQ(copy("bucket/to", "x", object({{"ExpectedSourceBucketOwner", kOther}})).error(), "AccessDenied");
}

TEST_F(Copying, ConditionsOnTheSourceAllFailWithPreconditionFailed) {
  const std::string etag = put("k", "x").text("ETag");
  const WallTime then = clock_.wall(), before = then - std::chrono::hours(1);
  struct Case {
    Value more;
    const char* error;
  };
  for (const Case& c : {Case{object({{"CopySourceIfMatch", etag}}), ""},
                        Case{object({{"CopySourceIfMatch", "\"o\""}}), "PreconditionFailed"},
                        Case{object({{"CopySourceIfNoneMatch", etag}}), "PreconditionFailed"},
                        Case{object({{"CopySourceIfNoneMatch", "\"o\""}}), ""},
                        Case{object({{"CopySourceIfModifiedSince", then}}), "PreconditionFailed"},
                        Case{object({{"CopySourceIfModifiedSince", before}}), ""},
                        Case{object({{"CopySourceIfUnmodifiedSince", before}}), "PreconditionFailed"},
                        Case{object({{"CopySourceIfMatch", etag}, {"CopySourceIfUnmodifiedSince", before}}), ""}})
    EXPECT_EQ(copy("bucket/k", "to", c.more).error(), c.error);
  EXPECT_EQ(copy("bucket/k", "to", object({{"IfNoneMatch", "*"}})).error(), "PreconditionFailed");
}

TEST_F(Copying, ReadingTheSourceAndWritingTheCopyAreRightsOfTheirOwn) {
  put("k", "x", object({{"Tagging", "a=b"}}));
  const auto may = [&](const std::string& name, const std::string& actions) {
    const Keys keys = user(
        name, R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":)" + actions + R"(,"Resource":"*"}})");
    return s3(keys, "CopyObject", at("to", object({{"CopySource", "bucket/k"}}))).error();
  };
  EXPECT_EQ(may("a", R"(["s3:PutObject"])"), kms::kDenied);
  EXPECT_EQ(may("b", R"(["s3:GetObject","s3:GetObjectTagging"])"), kms::kDenied);
  EXPECT_EQ(may("c", R"(["s3:PutObject","s3:GetObject"])"), kms::kDenied);
  EXPECT_EQ(may("d", R"(["s3:PutObject","s3:GetObject","s3:GetObjectTagging"])"), "");
}

TEST_F(Copying, EncryptionOfBothSidesIsItsOwn) {
  const std::string id = key();
  const std::string text = noise(1'200'000);
  put("k", text);
  const Value kms = object({{"ServerSideEncryption", "aws:kms"}, {"SSEKMSKeyId", arn(id)}});
  const Answer closed = copy("bucket/k", "closed", kms);
  ASSERT_EQ(closed.error(), "");
  EXPECT_EQ(closed.text("ServerSideEncryption"), "aws:kms");
  EXPECT_TRUE(got("closed") == text);
  const Answer open = copy("bucket/closed", "open");
  ASSERT_EQ(open.error(), "");
  EXPECT_EQ(open.text("ServerSideEncryption"), "AES256");
  EXPECT_EQ(open.value().find("CopyObjectResult")->text("ETag"), head("k").text("ETag"));
  EXPECT_TRUE(got("open") == text);
}

TEST_F(Copying, ASourceThatIsReplacedMeanwhileIsCopiedWhole) {
  put("k", noise(500, 1));
  const std::string text = noise(500, 1);
  EXPECT_EQ(copy("bucket/k", "to").error(), "");
  put("k", "other");
  EXPECT_TRUE(got("to") == text);
}

TEST_F(Copying, WhatIsRefusedLeavesNothingBehind) {
  put("k", noise(3'000'000));
  put("to", "x");
  EXPECT_EQ(copy("bucket/k", "to", object({{"IfNoneMatch", "*"}})).error(), "PreconditionFailed");
  EXPECT_EQ(copy("bucket/k", "to", object({{"IfMatch", "\"0\""}})).error(), "PreconditionFailed");
  EXPECT_EQ(blocks(), 3U);
}

}  // namespace
}  // namespace coffer::s3
