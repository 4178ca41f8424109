#include "base/base64.h"
#include "engine/crypto/checksum.h"
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

std::string checksum(crypto::ChecksumKind kind, std::string_view text) {
  return base64_encode(crypto::checksum_of(kind, as_bytes(text)));
}
std::string md5_hex(std::string_view text) {
  return to_hex(crypto::checksum_of(crypto::ChecksumKind::kMd5, as_bytes(text)));
}

class PutGet : public World {
 protected:
  PutGet() { make_bucket(); }
  void allow_customer_keys(const std::string& algorithm = "AES256") {
    did("PutBucketEncryption",
        object({{"Bucket", kBucket},
                {"ServerSideEncryptionConfiguration",
                 object({{"Rules",
                          api::List{object(
                              {{"ApplyServerSideEncryptionByDefault", object({{"SSEAlgorithm", algorithm}})},
                               {"BlockedEncryptionTypes", object({{"EncryptionType", api::List{"NONE"}}})}})}}})}}));
  }
  static Value customer_key(char fill = 'k') {
    const std::string key(32, fill);
    return object({{"SSECustomerAlgorithm", "AES256"},
                   {"SSECustomerKey", base64_encode(as_bytes(key))},
                   {"SSECustomerKeyMD5", checksum(crypto::ChecksumKind::kMd5, key)}});
  }
};

TEST_F(PutGet, WhatWasPutComesBackWhateverItsSize) {
  for (const size_t size : {0U, 1U, 1024U, 1025U, 1U << 20, (1U << 20) + 1, 3'500'000U}) {
    const std::string text = noise(size);
    const Answer answer = put("k" + std::to_string(size), text);
    ASSERT_EQ(answer.error(), "");
    EXPECT_EQ(answer.text("ETag"), '"' + md5_hex(text) + '"');
    EXPECT_EQ(answer.text("ChecksumCRC64NVME"), checksum(crypto::ChecksumKind::kCrc64Nvme, text));
    EXPECT_EQ(answer.text("ChecksumType"), "FULL_OBJECT");
    EXPECT_EQ(answer.text("ServerSideEncryption"), "AES256");
    EXPECT_FALSE(answer.value().has("VersionId"));
    const Answer read = get("k" + std::to_string(size));
    EXPECT_TRUE(read.body == text) << size;
    EXPECT_EQ(read.reply.body_size, size);
    EXPECT_EQ(read.value().integer("ContentLength"), static_cast<int64_t>(size));
    EXPECT_FALSE(read.value().has("ContentRange"));
  }
}

TEST_F(PutGet, SmallObjectsLieInTheCatalogAndLargeOnesInBlocks) {
  put("small", noise(1024));
  EXPECT_EQ(blocks(), 0U);
  EXPECT_EQ(rows_in("s3_inline"), 1);
  put("large", noise(3'000'000));
  EXPECT_EQ(blocks(), 3U);
  put("empty", "");
  EXPECT_EQ(rows_in("s3_inline"), 1);
}

TEST_F(PutGet, OverwritingLetsGoOfTheOldBytes) {
  put("k", noise(2'000'000, 1));
  put("k", noise(10, 2));
  EXPECT_EQ(got("k"), noise(10, 2));
  put("k", noise(20, 3));
  EXPECT_EQ(rows_in("s3_inline"), 1);
  EXPECT_EQ(rows_in("s3_versions"), 1);
  EXPECT_EQ(blocks(), 2U) << "somebody may still read them";
  collect();
  EXPECT_EQ(blocks(), 0U);
  EXPECT_EQ(rows_in("s3_discarded"), 0);
  EXPECT_EQ(rows_in("s3_pieces"), 0);
}

TEST_F(PutGet, MetadataComesBackAsItWasGiven) {
  put("k", "x",
      object({{"ContentType", "text/plain"},
              {"CacheControl", "no-cache"},
              {"ContentDisposition", "inline"},
              {"ContentEncoding", "aws-chunked, gzip"},
              {"ContentLanguage", "de"},
              {"WebsiteRedirectLocation", "/y"},
              {"Metadata", api::text_map({{"a", "1"}, {"b", "zwei"}})},
              {"Tagging", "t=1&u=2"}}));
  for (const Answer& answer : {get("k"), head("k")}) {
    EXPECT_EQ(answer.text("ContentType"), "text/plain");
    EXPECT_EQ(answer.text("CacheControl"), "no-cache");
    EXPECT_EQ(answer.text("ContentDisposition"), "inline");
    EXPECT_EQ(answer.text("ContentEncoding"), "gzip");
    EXPECT_EQ(answer.text("ContentLanguage"), "de");
    EXPECT_EQ(answer.text("WebsiteRedirectLocation"), "/y");
    EXPECT_EQ(answer.value().text_map("Metadata"), (std::map<std::string, std::string>{{"a", "1"}, {"b", "zwei"}}));
    EXPECT_EQ(answer.value().integer("TagCount"), 2);
    EXPECT_EQ(answer.text("AcceptRanges"), "bytes");
    EXPECT_EQ(answer.value().time("LastModified"), clock_.wall());
  }
  put("plain", "x");
  EXPECT_EQ(get("plain").text("ContentType"), "binary/octet-stream");
}

TEST_F(PutGet, WhatARequestMayNotSayIsRefusedBeforeItsBodyIsRead) {
  const Value long_value = object({{"Metadata", api::text_map({{"a", std::string(2048, 'x')}})}});
  std::string eleven;
  for (int i = 0; i < 11; ++i) eleven += (i ? "&k" : "k") + std::to_string(i) + "=v";
  struct Case {
    Value more;
    const char* error;
  };
  const Case cases[] = {
      {long_value, "MetadataTooLarge"},
      {object({{"Tagging", eleven}}), "BadRequest"},
      {object({{"Tagging", "a=1&a=2"}}), "InvalidArgument"},
      {object({{"Tagging", std::string(129, 'k') + "=v"}}), "InvalidTag"},
      {object({{"StorageClass", "SNOW"}}), "InvalidStorageClass"},
      {object({{"ContentMD5", "short"}}), "InvalidDigest"},
      {object({{"ChecksumCRC32", "short"}}), "InvalidRequest"},
      {object({{"ChecksumCRC32", "AAAAAA=="}, {"ChecksumCRC32C", "AAAAAA=="}}), "InvalidRequest"},
      {object({{"ObjectLockMode", "GOVERNANCE"}, {"ObjectLockRetainUntilDate", clock_.wall() + std::chrono::hours(1)}}),
       "InvalidRequest"},
      {object({{"IfNoneMatch", "\"abc\""}}), "NotImplemented"},
  };
  for (const Case& c : cases) {
    bool read = false;
    TextBody body("x");
    body.on_end = [&] { read = true; };
    EXPECT_EQ(s3("PutObject", at("k", c.more), &body).error(), c.error);
    EXPECT_FALSE(read) << c.error;
  }
  EXPECT_EQ(put(std::string(1025, 'k'), "x").error(), "KeyTooLongError");
  EXPECT_EQ(put(std::string(1024, 'k'), "x").error(), "");
  EXPECT_EQ(s3("PutObject", object({{"Bucket", "nobody"}, {"Key", "k"}})).error(), "NoSuchBucket");
  EXPECT_EQ(put("k", "x", object({{"ExpectedBucketOwner", kOther}})).error(), "AccessDenied");
  EXPECT_EQ(rows_in("s3_versions"), 1);
}

TEST_F(PutGet, ABodyIsCheckedAgainstAllThatWasSaidOfIt) {
  const std::string text = noise(2'000'000);
  using crypto::ChecksumKind;
  EXPECT_EQ(put("k", text, object({{"ContentMD5", checksum(ChecksumKind::kMd5, text)}})).error(), "");
  EXPECT_EQ(put("bad", text, object({{"ContentMD5", checksum(ChecksumKind::kMd5, "other")}})).error(), "BadDigest");
  for (const auto kind : {ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme, ChecksumKind::kSha1,
                          ChecksumKind::kSha256}) {
    const std::string member = "Checksum" + std::string(crypto::name_of(kind));
    const Answer good = put("k", text, object({{member, checksum(kind, text)}}));
    EXPECT_EQ(good.text(member), checksum(kind, text));
    EXPECT_EQ(head("k", object({{"ChecksumMode", "ENABLED"}})).text(member), checksum(kind, text));
    EXPECT_FALSE(head("k").value().has(member));
    EXPECT_EQ(put("bad", text, object({{member, checksum(kind, "other")}})).error(), "BadDigest");
  }
  EXPECT_EQ(got("bad"), "NoSuchKey");
  collect();
  EXPECT_EQ(blocks(), 2U) << "nothing of what was refused";
}

TEST_F(PutGet, AChecksumMayComeBehindTheBody) {
  const std::string text = "123456789";
  for (const bool announced : {false, true}) {
    for (const auto& [sent, error] : {std::pair{"y/Q5Jg==", ""}, {"AAAAAA==", "BadDigest"}}) {
      TextBody body(text, {{"ChecksumCRC32", sent}},
                    announced ? std::vector<std::string>{"ChecksumCRC32"} : std::vector<std::string>{});
      const Answer answer =
          s3("PutObject", at("k", announced ? Value() : object({{"ChecksumAlgorithm", "CRC32"}})), &body);
      EXPECT_EQ(answer.error(), error);
      EXPECT_EQ(answer.output.ok() ? answer.text("ChecksumCRC32") : "y/Q5Jg==", "y/Q5Jg==");
    }
  }
  TextBody missing(text);
  EXPECT_EQ(s3("PutObject", at("k", object({{"ChecksumAlgorithm", "CRC32"}})), &missing).error(), "InvalidRequest");
  TextBody unexpected(text, {{"ChecksumCRC32C", "4waSgw=="}});
  EXPECT_EQ(s3("PutObject", at("k"), &unexpected).error(), "InvalidRequest");
}

TEST_F(PutGet, ABodyThatEndsEarlyLeavesNothingBehind) {
  TextBody body(noise(3'000'000));
  body.fails_at = 2'500'000;
  EXPECT_EQ(s3("PutObject", at("k"), &body).error(), "IncompleteBody");
  EXPECT_EQ(blocks(), 0U);
  EXPECT_EQ(got("k"), "NoSuchKey");
}

TEST_F(PutGet, RangesAreThoseOfRfc9110) {
  const std::string text = noise(2'500'000);
  put("k", text);
  struct Case {
    const char* range;
    size_t offset, length;
  };
  for (const Case& c : {Case{"bytes=0-0", 0, 1}, Case{"bytes=10-19", 10, 10}, Case{"bytes=2499999-", 2'499'999, 1},
                        Case{"bytes=1000000-1100000", 1'000'000, 100'001}, Case{"bytes=-5", 2'499'995, 5},
                        Case{"bytes=-9999999", 0, 2'500'000}, Case{"bytes=0-99999999999999999999999", 0, 2'500'000}}) {
    const Answer answer = get("k", object({{"Range", c.range}}));
    EXPECT_TRUE(answer.body == text.substr(c.offset, c.length)) << c.range;
    EXPECT_EQ(answer.text("ContentRange"),
              "bytes " + std::to_string(c.offset) + "-" + std::to_string(c.offset + c.length - 1) + "/2500000");
    EXPECT_EQ(answer.value().integer("ContentLength"), static_cast<int64_t>(c.length));
  }
  for (const char* range : {"bytes=2500000-", "bytes=-0", "bytes=99999999999999999999999-"}) {
    const Answer answer = get("k", object({{"Range", range}}));
    EXPECT_EQ(answer.error(), "InvalidRange") << range;
    EXPECT_EQ(answer.error_element("ActualObjectSize"), "2500000");
    EXPECT_EQ(answer.error_header("Content-Range"), "bytes */2500000");
  }
  for (const char* range : {"bytes=5-4", "bytes=a-b", "bytes=", "bytes=1-2,4-5", "items=0-1", "bytes=--1", "bytes=-"}) {
    const Answer answer = get("k", object({{"Range", range}}));
    ASSERT_EQ(answer.error(), "") << range;
    EXPECT_EQ(answer.body.size(), text.size()) << range;
    EXPECT_FALSE(answer.value().has("ContentRange"));
  }
  put("empty", "");
  EXPECT_EQ(get("empty", object({{"Range", "bytes=0-"}})).error(), "InvalidRange");
  EXPECT_EQ(get("k", object({{"Range", "bytes=0-1"}, {"PartNumber", 1}})).error(), "InvalidRequest");
  EXPECT_EQ(get("k", object({{"PartNumber", 1}})).text("ContentRange"), "bytes 0-2499999/2500000");
  EXPECT_EQ(get("k", object({{"PartNumber", 2}})).error(), "InvalidPartNumber");
}

TEST_F(PutGet, ConditionsOfAReadAreTakenInTheirOrder) {
  const std::string etag = put("k", "x").text("ETag");
  const WallTime then = clock_.wall();
  clock_.advance(std::chrono::hours(1));
  const WallTime before = then - std::chrono::hours(1), after = then + std::chrono::minutes(1);
  struct Case {
    Value more;
    const char* error;
  };
  const Case cases[] = {
      {object({{"IfMatch", etag}}), ""},
      {object({{"IfMatch", "*"}}), ""},
      {object({{"IfMatch", "\"other\", " + etag}}), ""},
      {object({{"IfMatch", "\"other\""}}), "PreconditionFailed"},
      {object({{"IfMatch", etag}, {"IfUnmodifiedSince", before}}), ""},
      {object({{"IfUnmodifiedSince", before}}), "PreconditionFailed"},
      {object({{"IfUnmodifiedSince", then}}), ""},
      {object({{"IfNoneMatch", etag}}), "NotModified"},
      {object({{"IfNoneMatch", "*"}}), "NotModified"},
      {object({{"IfNoneMatch", "\"other\""}}), ""},
      {object({{"IfNoneMatch", "\"other\""}, {"IfModifiedSince", after}}), ""},
      {object({{"IfNoneMatch", etag}, {"IfModifiedSince", before}}), "NotModified"},
      {object({{"IfModifiedSince", then}}), "NotModified"},
      {object({{"IfModifiedSince", before}}), ""},
      {object({{"IfMatch", "\"other\""}, {"IfNoneMatch", etag}}), "PreconditionFailed"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(get("k", c.more).error(), c.error);
    EXPECT_EQ(head("k", c.more).error(), c.error);
  }
  const Answer unchanged = get("k", object({{"IfNoneMatch", etag}}));
  EXPECT_EQ(unchanged.error_header("ETag"), etag);
  EXPECT_EQ(unchanged.error_header("Last-Modified"), "Fri, 15 Jan 2027 08:00:00 GMT");
}

TEST_F(PutGet, ConditionalWritesCreateOrReplaceAndNothingElse) {
  const Value create = object({{"IfNoneMatch", "*"}});
  EXPECT_EQ(put("k", "1", create).error(), "");
  const Answer again = put("k", "2", create);
  EXPECT_EQ(again.error(), "PreconditionFailed");
  EXPECT_EQ(again.error_element("Condition"), "If-None-Match");
  const std::string etag = head("k").text("ETag");
  EXPECT_EQ(put("k", "3", object({{"IfMatch", "\"0\""}})).error(), "PreconditionFailed");
  EXPECT_EQ(put("k", "4", object({{"IfMatch", etag}})).error(), "");
  EXPECT_EQ(put("k", "5", object({{"IfMatch", etag}})).error(), "PreconditionFailed");
  EXPECT_EQ(put("none", "6", object({{"IfMatch", etag}})).error(), "NoSuchKey");
  EXPECT_EQ(got("k"), "4");
}

TEST_F(PutGet, ADeleteMarkerIsNoObjectForConditionalWrites) {
  set_versioning("Enabled");
  put("k", "1");
  remove("k");
  EXPECT_EQ(put("k", "2", object({{"IfMatch", "*"}})).error(), "NoSuchKey");
  EXPECT_EQ(put("k", "3", object({{"IfNoneMatch", "*"}})).error(), "");
}

TEST_F(PutGet, OfTwoWhoCreateAtTheSameTimeOneWinsAndTheOthersBytesGo) {
  TextBody body(noise(2'000'000));
  body.on_end = [&] { EXPECT_EQ(put("k", "first", object({{"IfNoneMatch", "*"}})).error(), ""); };
  EXPECT_EQ(s3("PutObject", at("k", object({{"IfNoneMatch", "*"}})), &body).error(), "PreconditionFailed");
  EXPECT_EQ(got("k"), "first");
  EXPECT_EQ(blocks(), 0U);
}

TEST_F(PutGet, ABucketThatGoesWhileABodyArrivesTakesItsBytesAlong) {
  TextBody body(noise(2'000'000));
  body.on_end = [&] { did("DeleteBucket", object({{"Bucket", kBucket}})); };
  EXPECT_EQ(s3("PutObject", at("k"), &body).error(), "NoSuchBucket");
  EXPECT_EQ(blocks(), 0U);
}

TEST_F(PutGet, ResponseHeadersAreOverriddenForThoseWhoSign) {
  put("k", "x", object({{"ContentType", "a/b"}}));
  const Value more = object({{"ResponseContentType", "c/d"}, {"ResponseCacheControl", "private"}});
  EXPECT_EQ(get("k", more).text("ContentType"), "c/d");
  EXPECT_EQ(get("k", more).text("CacheControl"), "private");
  did("DeletePublicAccessBlock", object({{"Bucket", kBucket}}));
  did("PutBucketPolicy",
      object({{"Bucket", kBucket},
              {"Policy", R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":)"
                         R"("arn:aws:s3:::bucket/*"}})"}}));
  const Way nobody{.anonymous = true};
  EXPECT_EQ(s3(root(), "GetObject", at("k"), nullptr, nobody).body, "x");
  EXPECT_EQ(s3(root(), "GetObject", at("k", more), nullptr, nobody).error(), "InvalidRequest");
  EXPECT_EQ(s3(root(), "PutObject", at("k"), nullptr, nobody).error(), kms::kDenied);
}

TEST_F(PutGet, WhetherAKeyIsThereOnlyThoseLearnWhoMayList) {
  const Keys reader = user("reader", allow("s3:GetObject", "arn:aws:s3:::bucket/*"));
  const Keys lister =
      user("lister", R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:GetObject",)"
                     R"("s3:ListBucket"],"Resource":"*"}})");
  put("k", "x");
  EXPECT_EQ(s3(reader, "GetObject", at("k")).body, "x");
  EXPECT_EQ(s3(reader, "GetObject", at("none")).error(), "AccessDenied");
  EXPECT_EQ(s3(lister, "GetObject", at("none")).error(), "NoSuchKey");
}

TEST_F(PutGet, TagsAndLocksTakeRightsOfTheirOwn) {
  const Keys writer = user("writer", allow("s3:PutObject"));
  TextBody plain("x"), tagged("x");
  EXPECT_EQ(s3(writer, "PutObject", at("k"), &plain).error(), "");
  EXPECT_NE(s3(writer, "PutObject", at("k", object({{"Tagging", "a=b"}})), &tagged).error(), "");
}

TEST_F(PutGet, VersionsAreReadByTheirIds) {
  set_versioning("Enabled");
  const std::string first = put("k", "1").text("VersionId"), second = put("k", "2").text("VersionId");
  EXPECT_EQ(first.size(), 32U);
  EXPECT_NE(first, second);
  EXPECT_EQ(got("k"), "2");
  EXPECT_EQ(got("k", object({{"VersionId", first}})), "1");
  EXPECT_EQ(get("k").text("VersionId"), second);
  EXPECT_EQ(got("k", object({{"VersionId", "none"}})), "NoSuchVersion");
  EXPECT_EQ(got("k", object({{"VersionId", ""}})), "InvalidArgument");
  const std::string marker = remove("k").text("VersionId");
  const Answer gone = get("k");
  EXPECT_EQ(gone.error(), "NoSuchKey");
  EXPECT_EQ(gone.error_header("x-amz-delete-marker"), "true");
  EXPECT_EQ(gone.error_header("x-amz-version-id"), marker);
  const Answer addressed = head("k", object({{"VersionId", marker}}));
  EXPECT_EQ(addressed.error(), "MethodNotAllowed");
  EXPECT_EQ(addressed.error_header("x-amz-delete-marker"), "true");
  EXPECT_EQ(got("k", object({{"VersionId", second}})), "2");
}

TEST_F(PutGet, ArchivedObjectsAreDescribedButNotRead) {
  put("k", "x", object({{"StorageClass", "GLACIER"}}));
  EXPECT_EQ(head("k").text("StorageClass"), "GLACIER");
  const Answer answer = get("k");
  EXPECT_EQ(answer.error(), "InvalidObjectState");
  EXPECT_EQ(answer.error_element("StorageClass"), "GLACIER");
  put("ir", "x", object({{"StorageClass", "GLACIER_IR"}}));
  EXPECT_EQ(got("ir"), "x");
}

TEST_F(PutGet, AKmsKeyIsAskedForWhoeverWritesAndReads) {
  const std::string id = key();
  const std::string text = noise(1'500'000);
  const Answer stored = put("k", text, object({{"ServerSideEncryption", "aws:kms"}, {"SSEKMSKeyId", arn(id)}}));
  ASSERT_EQ(stored.error(), "");
  EXPECT_EQ(stored.text("ServerSideEncryption"), "aws:kms");
  EXPECT_EQ(stored.text("SSEKMSKeyId"), arn(id));
  EXPECT_NE(stored.text("ETag"), '"' + md5_hex(text) + '"');
  EXPECT_EQ(stored.text("ETag").size(), 34U);
  EXPECT_TRUE(got("k") == text);
  EXPECT_TRUE(got("k", object({{"Range", "bytes=1048570-1048590"}})) == text.substr(1'048'570, 21));
  const Keys reader = user("reader", allow("s3:*"));
  EXPECT_EQ(s3(reader, "GetObject", at("k")).error(), "AccessDenied");
  EXPECT_EQ(s3(reader, "HeadObject", at("k")).error(), "");
  must(kms("DisableKey", object({{"KeyId", id}})));
  EXPECT_EQ(get("k").error().substr(0, 4), "KMS.");
  EXPECT_EQ(
      put("k2", "x", object({{"ServerSideEncryption", "aws:kms"}, {"SSEKMSKeyId", arn(id)}})).error().substr(0, 4),
      "KMS.");
}

TEST_F(PutGet, ACustomersKeyOpensWhatItClosed) {
  EXPECT_EQ(put("k", "x", customer_key()).error(), "AccessDenied") << "new buckets block SSE-C";
  allow_customer_keys();
  const Answer stored = put("k", "secret", customer_key());
  ASSERT_EQ(stored.error(), "");
  EXPECT_EQ(stored.text("SSECustomerAlgorithm"), "AES256");
  EXPECT_EQ(got("k", customer_key()), "secret");
  EXPECT_NE(get("k").error(), "");
  EXPECT_NE(head("k").error(), "");
  EXPECT_NE(get("k", customer_key('o')).error(), "");
  EXPECT_EQ(head("k", customer_key()).error(), "");
}

TEST_F(PutGet, EverythingIsThereAfterARestart) {
  set_versioning("Enabled");
  const std::string large = noise(2'500'000);
  const std::string first = put("k", large).text("VersionId");
  put("k", "small");
  restart();
  EXPECT_EQ(got("k"), "small");
  EXPECT_TRUE(got("k", object({{"VersionId", first}})) == large);
}

TEST_F(PutGet, WithObjectLockAWriteNeedsAChecksumAndIsLocked) {
  make_bucket("locked", "", object({{"ObjectLockEnabledForBucket", true}}));
  const auto put_locked = [&](const Value& more) {
    TextBody body("x");
    return s3("PutObject", with(object({{"Bucket", "locked"}, {"Key", "k"}}), more), &body);
  };
  const Value sum = object({{"ChecksumCRC32", checksum(crypto::ChecksumKind::kCrc32, "x")}});
  const WallTime until = clock_.wall() + std::chrono::hours(48);
  const Value lock = object({{"ObjectLockMode", "COMPLIANCE"}, {"ObjectLockRetainUntilDate", until}});
  EXPECT_EQ(put_locked(lock).error(), "InvalidRequest");
  EXPECT_EQ(put_locked(with(sum, object({{"ObjectLockMode", "COMPLIANCE"}}))).error(), "InvalidArgument");
  EXPECT_EQ(put_locked(with(sum, with(lock, object({{"ObjectLockRetainUntilDate", clock_.wall()}})))).error(),
            "InvalidArgument");
  const std::string version = put_locked(with(sum, lock)).text("VersionId");
  const Value locked_key = object({{"Bucket", "locked"}, {"Key", "k"}});
  const Value shown = did("HeadObject", locked_key);
  EXPECT_EQ(shown.text("ObjectLockMode"), "COMPLIANCE");
  EXPECT_EQ(shown.time("ObjectLockRetainUntilDate"), until);
  const Value one = with(locked_key, object({{"VersionId", version}, {"BypassGovernanceRetention", true}}));
  EXPECT_EQ(s3("DeleteObject", one).error(), "AccessDenied");
  EXPECT_EQ(s3("DeleteObject", locked_key).error(), "") << "a marker hides it";
  clock_.advance(std::chrono::hours(49));
  EXPECT_EQ(s3("DeleteObject", one).error(), "");

  did("PutObjectLockConfiguration",
      object({{"Bucket", "locked"},
              {"ObjectLockConfiguration",
               object({{"ObjectLockEnabled", "Enabled"},
                       {"Rule", object({{"DefaultRetention", object({{"Mode", "GOVERNANCE"}, {"Days", 3}})}})}})}}));
  EXPECT_EQ(put_locked({}).error(), "InvalidRequest");
  const std::string governed = put_locked(sum).text("VersionId");
  EXPECT_EQ(did("HeadObject", locked_key).time("ObjectLockRetainUntilDate"), clock_.wall() + std::chrono::hours(72));
  EXPECT_EQ(s3("DeleteObject", with(locked_key, object({{"VersionId", governed}}))).error(), "AccessDenied");
  const Keys plain =
      user("plain", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":)"
                    R"("*"},{"Effect":"Deny","Action":"s3:BypassGovernanceRetention","Resource":"*"}]})");
  const Value bypass = with(locked_key, object({{"VersionId", governed}, {"BypassGovernanceRetention", true}}));
  EXPECT_EQ(s3(plain, "DeleteObject", bypass).error(), "AccessDenied");
  EXPECT_EQ(s3("DeleteObject", bypass).error(), "");
  const std::string held = put_locked(with(sum, object({{"ObjectLockLegalHoldStatus", "ON"}}))).text("VersionId");
  EXPECT_EQ(
      s3("DeleteObject", with(locked_key, object({{"VersionId", held}, {"BypassGovernanceRetention", true}}))).error(),
      "AccessDenied");
}

}  // namespace
}  // namespace coffer::s3
