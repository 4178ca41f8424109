// Server access logs: a line a request, in an object of the target bucket, when its policy lets the delivery write.
#include "services/s3/access_logs.h"

#include <gmock/gmock.h>

#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

class AccessLogsTest : public World {
 protected:
  void SetUp() override {
    must(s3("CreateBucket", object({{"Bucket", kBucket}})).output);
    must(s3("CreateBucket", object({{"Bucket", "logs"}})).output);
    must(s3("PutBucketLogging",
            object({{"Bucket", kBucket},
                    {"BucketLoggingStatus",
                     object({{"LoggingEnabled", object({{"TargetBucket", "logs"}, {"TargetPrefix", "of/"}})}})}}))
             .output);
  }
  void let_it_deliver() {
    must(s3("PutBucketPolicy",
            object({{"Bucket", "logs"},
                    {"Policy", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:PutObject",
                       "Principal":{"Service":"logging.s3.amazonaws.com"},"Resource":"arn:aws:s3:::logs/*"}]})"}}))
             .output);
  }
  AccessRecord request(std::string key = "a key") {
    AccessRecord record;
    record.time = clock_.wall();
    record.bucket = kBucket;
    record.key = std::move(key);
    record.request_id = "R1";
    record.operation = "REST.GET.OBJECT";
    record.method = "GET";
    record.target = "/bucket/a%20key";
    record.status = 200;
    return record;
  }
  Status deliver() {
    return s3_->deliver_access_logs(
        Context(), clock_.wall(),
        [this](const api::Call& call, const iam::Identity* identity, const Value& input, api::RequestBody* body,
               api::Reply* reply) { return gate_->run(call, identity, input, body, reply); });
  }
  std::vector<std::string> logs() {
    std::vector<std::string> texts;
    const Answer listed = s3("ListObjectsV2", object({{"Bucket", "logs"}}));
    for (const Value& one : listed.value().list("Contents")) {
      EXPECT_THAT(std::string(one.text("Key")), testing::MatchesRegex("of/[0-9-]*-[0-9A-F]*"));
      texts.push_back(s3("GetObject", object({{"Bucket", "logs"}, {"Key", one.text("Key")}})).body);
    }
    return texts;
  }
};

TEST_F(AccessLogsTest, ALineTellsTheRequestInTheDocumentedOrder) {
  AccessRecord record = request();
  record.time = WallTime{1'770'336'038'000'000};
  record.remote_ip = "192.0.2.3";
  record.requester = "arn:aws:iam::111111111111:user/a b";
  record.error_code = "NoSuchKey";
  record.status = 404;
  record.bytes_sent = 113;
  record.total_ms = 7;
  record.user_agent = "say \"hi\"\n";
  record.signature_version = "SigV4";
  record.auth_type = "AuthHeader";
  record.host = "localhost:9420";
  EXPECT_EQ(access_line("owner", record),
            "owner bucket [06/Feb/2026:00:00:38 +0000] 192.0.2.3 arn:aws:iam::111111111111:user/a%20b R1 "
            "REST.GET.OBJECT a%20key \"GET /bucket/a%20key HTTP/1.1\" 404 NoSuchKey 113 - 7 7 \"-\" "
            "\"say %22hi%22%0a\" - - SigV4 - AuthHeader localhost:9420 - - -\n");
}

TEST_F(AccessLogsTest, RequestsAreDeliveredTogetherAfterAMinute) {
  let_it_deliver();
  must(deliver());  // learns which buckets have a log
  s3_->note_access(request("one"));
  s3_->note_access(request("two"));
  must(deliver());
  EXPECT_TRUE(logs().empty());
  clock_.advance(std::chrono::seconds(60));
  must(deliver());
  ASSERT_EQ(logs().size(), 1U);
  EXPECT_THAT(logs()[0], testing::AllOf(testing::HasSubstr(" one \""), testing::HasSubstr(" two \"")));
  clock_.advance(std::chrono::seconds(60));
  must(deliver());
  EXPECT_EQ(logs().size(), 1U) << "nothing is delivered twice";
}

TEST_F(AccessLogsTest, OtherBucketsHaveNone) {
  let_it_deliver();
  must(deliver());
  AccessRecord record = request();
  record.bucket = "logs";
  s3_->note_access(record);
  clock_.advance(std::chrono::hours(1));
  must(deliver());
  EXPECT_TRUE(logs().empty());
}

TEST_F(AccessLogsTest, WithoutTheTargetsPolicyNothingIsWrittenAndTheDaemonIsTold) {
  must(deliver());
  s3_->note_access(request());
  clock_.advance(std::chrono::seconds(61));
  const Status refused = deliver();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message, testing::HasSubstr(kBucket));
  EXPECT_TRUE(logs().empty());
}

}  // namespace
}  // namespace coffer::s3
