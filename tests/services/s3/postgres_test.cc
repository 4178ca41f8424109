// The operations on a shared catalog: every statement on PostgreSQL, and writers that meet.
#include <thread>

#include "services/catalog/catalogs.h"
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

std::string postgres_or_memory() {
  return testing_support::TestServer::binaries(15) ? catalog::SharedServer::new_database() : ":memory:";
}

class PostgresWorld : public World {
 protected:
  PostgresWorld() : World(postgres_or_memory()) {}
  void SetUp() override { COFFER_NEED_POSTGRES(15); }
};

TEST_F(PostgresWorld, ALifeOfObjectsVersionsCopiesAndUploads) {
  make_bucket(kBucket, "Enabled");
  const std::string first = put("a/\xc3\xa4", noise(3'000'000), object({{"Tagging", "t=1"}})).text("VersionId");
  put("a/\xc3\xa4", "second", object({{"Metadata", api::text_map({{"m", "\xe2\x82\xac"}})}}));
  EXPECT_EQ(got("a/\xc3\xa4"), "second");
  EXPECT_TRUE(got("a/\xc3\xa4", object({{"VersionId", first}})) == noise(3'000'000));
  const Answer copied = s3("CopyObject", at("copy", object({{"CopySource", "bucket/a/%C3%A4?versionId=" + first}})));
  EXPECT_EQ(copied.error(), "");
  EXPECT_EQ(head("copy").value().integer("TagCount"), 1);
  const std::string upload = begin_upload("m");
  const std::string etag = put_part("m", upload, 3, "part").text("ETag");
  EXPECT_EQ(put_part("m", upload, 4, "other").error(), "");
  EXPECT_EQ(did("ListParts", at("m", object({{"UploadId", upload}}))).list("Parts").size(), 2U);
  EXPECT_EQ(did("ListMultipartUploads", object({{"Bucket", kBucket}})).list("Uploads").size(), 1U);
  const Value done = with(object({{"UploadId", upload}}), parts_list({part_entry(3, etag)}));
  EXPECT_EQ(s3("CompleteMultipartUpload", at("m", done)).error(), "");
  EXPECT_EQ(s3("CompleteMultipartUpload", at("m", done)).error(), "");
  EXPECT_EQ(got("m"), "part");
  EXPECT_EQ(did("ListObjectsV2", object({{"Bucket", kBucket}})).list("Contents").size(), 3U);
  remove("a/\xc3\xa4");
  EXPECT_EQ(did("ListObjectsV2", object({{"Bucket", kBucket}})).list("Contents").size(), 2U);
  EXPECT_EQ(did("ListObjectVersions", object({{"Bucket", kBucket}})).list("Versions").size(), 4U);
  set_versioning("Suspended");
  put("m", "null");
  remove("m");
  EXPECT_EQ(got("m"), "NoSuchKey");
  restart();
  EXPECT_TRUE(got("copy") == noise(3'000'000));
}

TEST_F(PostgresWorld, OfManyWhoCreateAKeyOneDoes) {
  make_bucket();
  constexpr int kWriters = 6;
  std::atomic<int> created = 0, refused = 0;
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      TextBody body(noise(2'000'000, static_cast<uint64_t>(i)));
      const std::string error = s3("PutObject", at("k", object({{"IfNoneMatch", "*"}})), &body).error();
      (error.empty() ? created : refused) += 1;
      EXPECT_TRUE(error.empty() || error == "PreconditionFailed") << error;
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(created, 1);
  EXPECT_EQ(refused, kWriters - 1);
  EXPECT_EQ(blocks(), 2U);
  EXPECT_EQ(rows_in("s3_versions"), 1);
}

TEST_F(PostgresWorld, ManyWhoOverwriteAKeyLeaveOneObject) {
  make_bucket();
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      for (int k = 0; k < 3; ++k) {
        TextBody body(noise(1'500'000, static_cast<uint64_t>(10 * i + k)));
        const std::string error = s3("PutObject", at("k"), &body).error();
        EXPECT_TRUE(error.empty() || error == "conflict") << error;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(rows_in("s3_versions"), 1);
  collect();
  EXPECT_EQ(blocks(), 2U);
  EXPECT_EQ(get("k").body.size(), 1'500'000U);
}

}  // namespace
}  // namespace coffer::s3
