#include "base/base64.h"
#include "engine/crypto/checksum.h"
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

using crypto::ChecksumKind;

constexpr size_t kPart = 5U << 20;

Bytes digest(ChecksumKind kind, std::string_view text) { return crypto::checksum_of(kind, as_bytes(text)); }
std::string shown(ChecksumKind kind, std::string_view text) { return base64_encode(digest(kind, text)); }

class Multipart : public World {
 protected:
  Multipart() { make_bucket(); }
  Answer complete(const std::string& key, const std::string& upload, const std::vector<Value>& parts,
                  const Value& more = {}) {
    return s3("CompleteMultipartUpload", at(key, with(with(object({{"UploadId", upload}}), parts_list(parts)), more)));
  }
  Value part(const std::string& key, const std::string& upload, int number, const std::string& text,
             const Value& more = {}) {
    const Answer answer = put_part(key, upload, number, text, more);
    return part_entry(number, std::string(must(answer.output).text("ETag")));
  }
};

TEST_F(Multipart, PartsBecomeAnObjectWithoutBeingMoved) {
  const std::string a = noise(kPart, 1), b = noise(kPart + 77, 2), c = noise(10, 3);
  const std::string upload =
      begin_upload("k", object({{"ContentType", "a/b"}, {"Tagging", "t=1"}, {"StorageClass", "STANDARD_IA"}}));
  const Value pc = part("k", upload, 7, c), pa = part("k", upload, 2, a), pb = part("k", upload, 3, b);
  const size_t before = blocks();
  EXPECT_EQ(got("k"), "NoSuchKey");
  const Answer done = complete("k", upload, {pa, pb, pc});
  ASSERT_EQ(done.error(), "");
  Bytes digests;
  for (const std::string& one : {a, b, c}) append(digests, digest(ChecksumKind::kMd5, one));
  EXPECT_EQ(done.text("ETag"), '"' + to_hex(crypto::checksum_of(ChecksumKind::kMd5, digests)) + "-3\"");
  EXPECT_EQ(done.text("ChecksumCRC64NVME"), shown(ChecksumKind::kCrc64Nvme, a + b + c));
  EXPECT_EQ(done.text("ChecksumType"), "FULL_OBJECT");
  EXPECT_EQ(done.text("Key"), "k");
  EXPECT_EQ(blocks(), before);
  EXPECT_TRUE(got("k") == a + b + c);
  EXPECT_TRUE(got("k", object({{"Range", "bytes=5242870-5242890"}})) == (a + b).substr(5'242'870, 21));
  const Answer second = get("k", object({{"PartNumber", 2}}));
  EXPECT_TRUE(second.body == b);
  EXPECT_EQ(second.value().integer("PartsCount"), 3);
  EXPECT_EQ(second.text("ContentRange"),
            "bytes 5242880-" + std::to_string(2 * kPart + 76) + "/" + std::to_string(2 * kPart + 87));
  EXPECT_EQ(get("k", object({{"PartNumber", 4}})).error(), "InvalidPartNumber");
  const Answer described = head("k");
  EXPECT_EQ(described.text("ContentType"), "a/b");
  EXPECT_EQ(described.text("StorageClass"), "STANDARD_IA");
  EXPECT_EQ(described.value().integer("TagCount"), 1);
  EXPECT_EQ(rows_in("s3_uploads"), 0);
  EXPECT_EQ(rows_in("s3_parts"), 0);
  restart();
  EXPECT_TRUE(got("k") == a + b + c);
  remove("k");
  collect();
  EXPECT_EQ(blocks(), 0U);
  EXPECT_EQ(rows_in("s3_pieces"), 0);
  EXPECT_EQ(rows_in("s3_inline"), 0);
}

TEST_F(Multipart, APartIsReplacedByOneOfTheSameNumber) {
  const std::string upload = begin_upload("k");
  const Value old = part("k", upload, 1, noise(2'000'000, 1));
  const Value now = part("k", upload, 1, noise(2'000'000, 2));
  EXPECT_EQ(complete("k", upload, {old}).error(), "InvalidPart");
  EXPECT_EQ(complete("k", upload, {now}).error(), "");
  EXPECT_TRUE(got("k") == noise(2'000'000, 2));
  collect();
  EXPECT_EQ(blocks(), 2U);
}

TEST_F(Multipart, TheListOfPartsMustBeRight) {
  const std::string upload = begin_upload("k");
  const Value a = part("k", upload, 1, noise(100, 1)), b = part("k", upload, 2, noise(kPart, 2)),
              c = part("k", upload, 3, "c");
  EXPECT_EQ(complete("k", upload, {}).error(), "MalformedXML");
  EXPECT_EQ(complete("k", upload, {c, b}).error(), "InvalidPartOrder");
  EXPECT_EQ(complete("k", upload, {b, b}).error(), "InvalidPartOrder");
  EXPECT_EQ(complete("k", upload, {b, part_entry(4, "\"0\"")}).error(), "InvalidPart");
  EXPECT_EQ(complete("k", upload, {part_entry(2, "\"0\"")}).error(), "InvalidPart");
  const Answer small = complete("k", upload, {a, b});
  EXPECT_EQ(small.error(), "EntityTooSmall");
  EXPECT_EQ(small.error_element("PartNumber"), "1");
  EXPECT_EQ(complete("k", upload, {b, c}, object({{"MpuObjectSize", 5}})).error(), "InvalidRequest");
  EXPECT_EQ(complete("other", upload, {b}).error(), "NoSuchUpload");
  EXPECT_EQ(complete("k", "none", {b}).error(), "NoSuchUpload");
  EXPECT_EQ(rows_in("s3_versions"), 0);
  EXPECT_EQ(complete("k", upload, {b, c}, object({{"MpuObjectSize", static_cast<int64_t>(kPart + 1)}})).error(), "");
  EXPECT_EQ(rows_in("s3_inline"), 1) << "of the part that was left out nothing stays";
}

TEST_F(Multipart, WhoeverLostTheAnswerMayAskAgain) {
  const std::string upload = begin_upload("k");
  const Value a = part("k", upload, 1, "a");
  const Answer first = complete("k", upload, {a}), second = complete("k", upload, {a});
  EXPECT_EQ(must(second.output), must(first.output));
  EXPECT_EQ(complete("k", upload, {part_entry(1, "\"0\"")}).error(), "NoSuchUpload");
  EXPECT_EQ(rows_in("s3_versions"), 1);
  clock_.advance(std::chrono::hours(30));
  collect();
  EXPECT_EQ(complete("k", upload, {a}).error(), "NoSuchUpload");
}

TEST_F(Multipart, CompositeChecksumsAreThoseOfTheParts) {
  for (const auto kind : {ChecksumKind::kSha256, ChecksumKind::kCrc32}) {
    const std::string name(crypto::name_of(kind)), member = "Checksum" + name;
    const std::string a = noise(kPart, 1), b = "b";
    const std::string upload = begin_upload("k", object({{"ChecksumAlgorithm", name}}));
    Value pa = part("k", upload, 1, a, object({{member, shown(kind, a)}}));
    Value pb = part("k", upload, 2, b);
    EXPECT_EQ(put_part("k", upload, 3, b, object({{"ChecksumCRC32C", shown(ChecksumKind::kCrc32c, b)}})).error(),
              "InvalidRequest");
    EXPECT_EQ(complete("k", upload, {pa, pb}).error(), "InvalidRequest");
    pa.set(member, shown(kind, a));
    pb.set(member, shown(kind, a));
    EXPECT_EQ(complete("k", upload, {pa, pb}).error(), "InvalidPart");
    pb.set(member, shown(kind, b));
    EXPECT_EQ(complete("k", upload, {pa, pb}, object({{"ChecksumType", "FULL_OBJECT"}})).error(), "InvalidRequest");
    EXPECT_EQ(complete("k", upload, {pa, pb}, object({{member, shown(kind, a)}})).error(), "BadDigest");
    Bytes digests = digest(kind, a);
    append(digests, digest(kind, b));
    const std::string expected = base64_encode(crypto::checksum_of(kind, digests)) + "-2";
    const Answer done = complete("k", upload, {pa, pb}, object({{member, expected}}));
    ASSERT_EQ(done.error(), "");
    EXPECT_EQ(done.text(member), expected);
    EXPECT_EQ(done.text("ChecksumType"), "COMPOSITE");
    const Value mode = object({{"ChecksumMode", "ENABLED"}});
    EXPECT_EQ(head("k", mode).text(member), expected);
    EXPECT_EQ(head("k", with(mode, object({{"PartNumber", 2}}))).text(member), shown(kind, b));
  }
}

TEST_F(Multipart, CrcsOfPartsAreJoinedToThatOfTheWhole) {
  for (const auto kind : {ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme}) {
    const std::string name(crypto::name_of(kind)), member = "Checksum" + name;
    const std::string a = noise(kPart, 1), b = noise(1000, 2);
    const std::string upload =
        begin_upload("k", object({{"ChecksumAlgorithm", name}, {"ChecksumType", "FULL_OBJECT"}}));
    const Value pa = part("k", upload, 1, a), pb = part("k", upload, 2, b);
    EXPECT_EQ(complete("k", upload, {pa, pb}, object({{member, shown(kind, a)}})).error(), "BadDigest");
    EXPECT_EQ(complete("k", upload, {pa, pb}, object({{member, shown(kind, a + b)}})).text(member), shown(kind, a + b));
  }
}

TEST_F(Multipart, TypesThatAKindDoesNotHaveAreRefusedAtTheStart) {
  const auto begin = [&](const Value& more) { return s3("CreateMultipartUpload", at("k", more)).error(); };
  EXPECT_EQ(begin(object({{"ChecksumAlgorithm", "SHA256"}, {"ChecksumType", "FULL_OBJECT"}})), "InvalidRequest");
  EXPECT_EQ(begin(object({{"ChecksumAlgorithm", "CRC64NVME"}, {"ChecksumType", "COMPOSITE"}})), "InvalidRequest");
  EXPECT_EQ(begin(object({{"ChecksumType", "COMPOSITE"}})), "InvalidRequest");
  EXPECT_EQ(begin(object({{"Tagging", "a=1&a=1"}})), "InvalidArgument");
  EXPECT_EQ(begin(object({{"StorageClass", "SNOW"}})), "InvalidStorageClass");
  const Value crc = did("CreateMultipartUpload", at("k", object({{"ChecksumAlgorithm", "CRC32"}})));
  EXPECT_EQ(crc.text("ChecksumType"), "COMPOSITE");
  EXPECT_FALSE(did("CreateMultipartUpload", at("k")).has("ChecksumAlgorithm"));
}

TEST_F(Multipart, ConditionsAreAskedWhenItIsCompleted) {
  const std::string upload = begin_upload("k");
  const Value a = part("k", upload, 1, "multipart");
  put("k", "x");
  EXPECT_EQ(complete("k", upload, {a}, object({{"IfNoneMatch", "*"}})).error(), "PreconditionFailed");
  EXPECT_EQ(complete("k", upload, {a}, object({{"IfMatch", "\"0\""}})).error(), "PreconditionFailed");
  EXPECT_EQ(got("k"), "x");
  EXPECT_EQ(complete("k", upload, {a}, object({{"IfMatch", head("k").text("ETag")}})).error(), "");
  EXPECT_EQ(got("k"), "multipart");
}

TEST_F(Multipart, WhatIsAbortedIsGone) {
  const std::string upload = begin_upload("k");
  part("k", upload, 1, noise(3'000'000));
  part("k", upload, 2, "x");
  EXPECT_EQ(s3("AbortMultipartUpload", at("other", object({{"UploadId", upload}}))).error(), "NoSuchUpload");
  EXPECT_EQ(s3("AbortMultipartUpload", at("k", object({{"UploadId", upload}}))).error(), "");
  EXPECT_EQ(s3("AbortMultipartUpload", at("k", object({{"UploadId", upload}}))).error(), "NoSuchUpload");
  EXPECT_EQ(put_part("k", upload, 1, "x").error(), "NoSuchUpload");
  collect();
  EXPECT_EQ(blocks(), 0U);
  EXPECT_EQ(rows_in("s3_inline"), 0);
  EXPECT_EQ(rows_in("s3_pieces"), 0);
}

TEST_F(Multipart, APartThatArrivesAfterTheAbortLeavesNothing) {
  const std::string upload = begin_upload("k");
  TextBody body(noise(2'000'000));
  body.on_end = [&] { did("AbortMultipartUpload", at("k", object({{"UploadId", upload}}))); };
  EXPECT_EQ(s3("UploadPart", at("k", object({{"UploadId", upload}, {"PartNumber", 1}})), &body).error(),
            "NoSuchUpload");
  EXPECT_EQ(blocks(), 0U);
}

TEST_F(Multipart, PartNumbersHaveLimits) {
  const std::string upload = begin_upload("k");
  EXPECT_EQ(put_part("k", upload, 0, "x").error(), "InvalidArgument");
  EXPECT_EQ(put_part("k", upload, 10001, "x").error(), "InvalidArgument");
  EXPECT_EQ(put_part("k", upload, 10000, "x").error(), "");
}

TEST_F(Multipart, AnEmptyPartIsAPart) {
  const std::string upload = begin_upload("k");
  EXPECT_EQ(complete("k", upload, {part("k", upload, 1, "")}).error(), "");
  EXPECT_EQ(got("k"), "");
  EXPECT_EQ(head("k").text("ETag"), "\"59adb24ef3cdbe0297f05b395827453f-1\"");
}

TEST_F(Multipart, PartsAreCopiedFromRangesOfObjects) {
  const std::string text = noise(6'000'000);
  put("from", text);
  const std::string upload = begin_upload("k");
  const auto copy = [&](int number, const std::string& source, const Value& more = {}) {
    return s3("UploadPartCopy",
              at("k", with(object({{"UploadId", upload}, {"PartNumber", number}, {"CopySource", source}}), more)));
  };
  const Answer first = copy(1, "bucket/from", object({{"CopySourceRange", "bytes=0-5242879"}}));
  ASSERT_EQ(first.error(), "");
  const Answer second = copy(2, "bucket/from", object({{"CopySourceRange", "bytes=100-199"}}));
  for (const char* range : {"bytes=0-6000000", "bytes=6000000-6000001"})
    EXPECT_EQ(copy(3, "bucket/from", object({{"CopySourceRange", range}})).error(), "InvalidArgument") << range;
  for (const char* range : {"bytes=1-", "bytes=-5", "0-5", "bytes=5-4", "bytes=a-b"})
    EXPECT_EQ(copy(3, "bucket/from", object({{"CopySourceRange", range}})).error(), "InvalidArgument") << range;
  EXPECT_EQ(copy(3, "bucket/none").error(), "NoSuchKey");
  const Answer whole = copy(3, "bucket/from");
  const auto entry = [](int number, const Answer& answer) {
    return part_entry(number, std::string(answer.value().find("CopyPartResult")->text("ETag")));
  };
  EXPECT_EQ(complete("k", upload, {entry(1, first), entry(3, whole)}).error(), "");
  EXPECT_TRUE(got("k") == text.substr(0, kPart) + text);
  static_cast<void>(second);
}

TEST_F(Multipart, AllPartsAreUnderTheUploadsKey) {
  const std::string id = key();
  const std::string upload = begin_upload("k", object({{"ServerSideEncryption", "aws:kms"}, {"SSEKMSKeyId", arn(id)}}));
  const std::string a = noise(kPart, 1), b = noise(900, 2);
  const Answer first = put_part("k", upload, 1, a);
  EXPECT_EQ(first.text("SSEKMSKeyId"), arn(id));
  const Value pa = part_entry(1, first.text("ETag")), pb = part("k", upload, 2, b);
  const Answer done = complete("k", upload, {pa, pb});
  ASSERT_EQ(done.error(), "");
  EXPECT_EQ(done.text("ServerSideEncryption"), "aws:kms");
  EXPECT_TRUE(got("k") == a + b);
}

TEST_F(Multipart, PartsAreListedPageByPage) {
  const std::string upload = begin_upload("k", object({{"ChecksumAlgorithm", "SHA1"}}));
  for (const int number : {1, 5, 9}) part("k", upload, number, noise(static_cast<size_t>(number)));
  const Value first = did("ListParts", at("k", object({{"UploadId", upload}, {"MaxParts", 2}})));
  EXPECT_TRUE(first.flag("IsTruncated"));
  ASSERT_EQ(first.list("Parts").size(), 2U);
  EXPECT_EQ(first.integer("NextPartNumberMarker"), 5);
  EXPECT_EQ(first.list("Parts")[1].integer("Size"), 5);
  EXPECT_EQ(first.list("Parts")[1].text("ChecksumSHA1"), shown(ChecksumKind::kSha1, noise(5)));
  EXPECT_EQ(first.text("StorageClass"), "STANDARD");
  const Value second =
      did("ListParts", at("k", object({{"UploadId", upload}, {"MaxParts", 2}, {"PartNumberMarker", 5}})));
  EXPECT_FALSE(second.flag("IsTruncated"));
  ASSERT_EQ(second.list("Parts").size(), 1U);
  EXPECT_EQ(second.list("Parts")[0].integer("PartNumber"), 9);
  EXPECT_EQ(s3("ListParts", at("k", object({{"UploadId", "none"}}))).error(), "NoSuchUpload");
}

TEST_F(Multipart, UploadsAreListedByKeyWithPrefixesAndPages) {
  for (const char* key : {"a/1", "a/2", "b", "b", "c/x/1", "d"}) {
    clock_.advance(std::chrono::seconds(1));
    begin_upload(key);
  }
  const auto list = [&](const Value& more, size_t limit) {
    std::string all;
    Value input = with(object({{"Bucket", kBucket}, {"MaxUploads", static_cast<int64_t>(limit)}}), more);
    for (int pages = 0; pages < 20; ++pages) {
      const Value page = did("ListMultipartUploads", input);
      EXPECT_LE(page.list("Uploads").size() + page.list("CommonPrefixes").size(), limit);
      std::vector<std::string> names;
      for (const Value& one : page.list("Uploads")) names.emplace_back(one.text("Key"));
      for (const Value& one : page.list("CommonPrefixes")) names.push_back("<" + std::string(one.text("Prefix")));
      std::sort(names.begin(), names.end(), [](const std::string& x, const std::string& y) {
        return x.substr(x[0] == '<') < y.substr(y[0] == '<');
      });
      for (const std::string& name : names) all += name + " ";
      if (!page.flag("IsTruncated")) break;
      input.set("KeyMarker", page.text("NextKeyMarker"));
      input.set("UploadIdMarker",
                page.text("NextUploadIdMarker").empty() ? Value() : Value(page.text("NextUploadIdMarker")));
    }
    return all;
  };
  for (const size_t limit : {1U, 2U, 3U, 1000U}) {
    EXPECT_EQ(list({}, limit), "a/1 a/2 b b c/x/1 d ") << limit;
    EXPECT_EQ(list(object({{"Prefix", "a/"}}), limit), "a/1 a/2 ") << limit;
    EXPECT_EQ(list(object({{"Delimiter", "/"}}), limit), "<a/ b b <c/ d ") << limit;
    EXPECT_EQ(list(object({{"Prefix", "c/"}, {"Delimiter", "/"}}), limit), "<c/x/ ") << limit;
  }
  EXPECT_EQ(list(object({{"KeyMarker", "b"}}), 1000), "c/x/1 d ");
}

TEST_F(Multipart, AttributesTellOfThePartsByPages) {
  const std::string a = noise(kPart, 1);
  const std::string upload = begin_upload("k", object({{"ChecksumAlgorithm", "SHA256"}}));
  Value pa = part("k", upload, 1, a), pb = part("k", upload, 2, "b");
  pa.set("ChecksumSHA256", shown(ChecksumKind::kSha256, a));
  pb.set("ChecksumSHA256", shown(ChecksumKind::kSha256, "b"));
  complete("k", upload, {pa, pb});
  const Value wanted =
      object({{"ObjectAttributes", api::text_list({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})}});
  const Value all = did("GetObjectAttributes", at("k", wanted));
  EXPECT_EQ('"' + std::string(all.text("ETag")) + '"', head("k").text("ETag"));
  EXPECT_EQ(all.integer("ObjectSize"), static_cast<int64_t>(kPart + 1));
  EXPECT_EQ(all.text("StorageClass"), "STANDARD");
  EXPECT_EQ(all.find("Checksum")->text("ChecksumType"), "COMPOSITE");
  EXPECT_EQ(all.find("ObjectParts")->integer("TotalPartsCount"), 2);
  EXPECT_EQ(all.find("ObjectParts")->list("Parts")[1].text("ChecksumSHA256"), shown(ChecksumKind::kSha256, "b"));
  const Value page = *did("GetObjectAttributes", at("k", with(wanted, object({{"MaxParts", 1}})))).find("ObjectParts");
  EXPECT_TRUE(page.flag("IsTruncated"));
  EXPECT_EQ(page.integer("NextPartNumberMarker"), 1);
  put("plain", "x");
  const Value plain = did("GetObjectAttributes", at("plain", wanted));
  EXPECT_FALSE(plain.has("ObjectParts"));
  EXPECT_FALSE(
      did("GetObjectAttributes", at("k", object({{"ObjectAttributes", api::text_list({"ETag"})}}))).has("ObjectSize"));
  EXPECT_EQ(s3("GetObjectAttributes", at("k", object({{"ObjectAttributes", api::text_list({"X"})}}))).error(),
            "InvalidArgument");
}

}  // namespace
}  // namespace coffer::s3
