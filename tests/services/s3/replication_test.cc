// Replication between two accounts of one catalog: what the rules queue, what the role may, what the destination says.
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

constexpr const char* kCopies = "copies";
constexpr const char* kRole = "crr";

class Replication : public World, public ReplicaDestinations {
 protected:
  Replication() {
    make_bucket(kBucket, "Enabled");
    must(s3(root(kOther), "CreateBucket", object({{"Bucket", kCopies}})).output);
    must(s3(root(kOther), "PutBucketVersioning",
            object({{"Bucket", kCopies}, {"VersioningConfiguration", object({{"Status", "Enabled"}})}}))
             .output);
    allow_in_copies(R"("s3:ReplicateObject","s3:ReplicateDelete","s3:ReplicateTags")");
    must(
        iam(root(), "CreateRole",
            object({{"RoleName", kRole}, {"AssumeRolePolicyDocument", iam::trust(iam::service("s3.amazonaws.com"))}})));
    may(R"("s3:*","kms:*")");
    configure(rule());
  }

  // ---- the network between the two
  Result<Value> call(const api::Call& asked, const iam::Identity& identity, std::string_view account,
                     const Value& input, api::RequestBody* body) override {
    ++calls;
    asked_account = account;
    if (away > 0) {
      --away;
      return Error{ErrorCode::kUnavailable, "the other side is away", {}};
    }
    return gate_->run(asked, &identity, input, body);
  }
  int away = 0, calls = 0;
  std::string asked_account;

  void may(const std::string& actions) {
    must(iam(root(), "PutRolePolicy",
             object({{"RoleName", kRole},
                     {"PolicyName", "p"},
                     {"PolicyDocument", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[)" +
                                            actions + R"(],"Resource":"*"}]})"}})));
  }
  void allow_in_copies(const std::string& actions) {
    must(s3(root(kOther), "PutBucketPolicy",
            object({{"Bucket", kCopies},
                    {"Policy",
                     R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::)" +
                         std::string(kHome) + R"(:root"},"Action":[)" + actions +
                         R"(],"Resource":"arn:aws:s3:::copies/*"}]})"}}))
             .output);
  }
  static Value rule(const char* id = "all", const Value& more = {}) {
    return with(
        object({{"ID", id},
                {"Priority", 1},
                {"Status", "Enabled"},
                {"Filter", object({{"Prefix", ""}})},
                {"DeleteMarkerReplication", object({{"Status", "Enabled"}})},
                {"Destination", object({{"Bucket", "arn:aws:s3:::copies"}, {"Account", std::string(kOther)}})}}),
        more);
  }
  void configure(const Value& one) {
    did("PutBucketReplication",
        object({{"Bucket", kBucket},
                {"ReplicationConfiguration", object({{"Role", std::string("arn:aws:iam::") + kHome + ":role/" + kRole},
                                                     {"Rules", api::List{one}}})}}));
  }

  /// Until nothing is due.
  void replicate() {
    while (must(s3_->replicate(Context(), clock_.wall(), *this)) > 0) {
    }
  }
  std::string status(const std::string& key, const Value& more = {}) {
    return head(key, more).text("ReplicationStatus");
  }
  Answer copy(const std::string& operation, const std::string& key, const Value& more = {}) {
    return s3(root(kOther), operation, with(object({{"Bucket", kCopies}, {"Key", key}}), more));
  }
  std::string copied(const std::string& key, const Value& more = {}) {
    const Answer answer = copy("GetObject", key, more);
    return answer.output.ok() ? answer.body : answer.error();
  }
  const Keys& root(const std::string& account = kHome) { return roots_.at(account); }
};

TEST_F(Replication, AnObjectArrivesWithItsVersionMetadataTagsAndDate) {
  const Answer made =
      put("a/b", noise(5000),
          object({{"ContentType", "text/x"}, {"Metadata", object({{"who", "me"}})}, {"Tagging", "team=db"}}));
  EXPECT_EQ(status("a/b"), "PENDING");
  EXPECT_EQ(copied("a/b"), "NoSuchKey");
  clock_.advance(std::chrono::minutes(5));
  replicate();
  EXPECT_EQ(asked_account, kOther);
  EXPECT_EQ(status("a/b"), "COMPLETED");
  const Answer replica = copy("GetObject", "a/b");
  EXPECT_EQ(replica.body, noise(5000));
  EXPECT_EQ(replica.text("VersionId"), made.text("VersionId"));
  EXPECT_EQ(replica.text("ETag"), made.text("ETag"));
  EXPECT_EQ(replica.text("ReplicationStatus"), "REPLICA");
  EXPECT_EQ(replica.text("ContentType"), "text/x");
  EXPECT_EQ(replica.value().text_map("Metadata").at("who"), "me");
  EXPECT_EQ(replica.value().time("LastModified"), head("a/b").value().time("LastModified"));
  EXPECT_EQ(copy("GetObjectTagging", "a/b").value().list("TagSet").at(0).text("Value"), "db");
}

TEST_F(Replication, LargeEmptyAndMultipartObjectsArrive) {
  put("large", noise(3'500'000));
  put("empty", "");
  const std::string upload = begin_upload("parts");
  const std::string first = put_part("parts", upload, 1, noise(5 << 20, 2)).text("ETag");
  const std::string second = put_part("parts", upload, 2, noise(100, 3)).text("ETag");
  const Value made = did("CompleteMultipartUpload", with(at("parts", object({{"UploadId", upload}})),
                                                         parts_list({part_entry(1, first), part_entry(2, second)})));
  replicate();
  EXPECT_EQ(copied("large"), noise(3'500'000));
  EXPECT_EQ(copied("empty"), "");
  EXPECT_EQ(copied("parts"), noise(5 << 20, 2) + noise(100, 3));
  EXPECT_EQ(copy("HeadObject", "parts").text("ETag"), made.text("ETag"));
}

TEST_F(Replication, VersionsOfAKeyArriveInTheirOrderAndDeleteMarkersToo) {
  for (int i = 0; i < 5; ++i) put("k", "v" + std::to_string(i));
  remove("k");
  replicate();
  const Value list = s3(root(kOther), "ListObjectVersions", object({{"Bucket", kCopies}})).value();
  ASSERT_EQ(list.list("Versions").size(), 5U);
  ASSERT_EQ(list.list("DeleteMarkers").size(), 1U);
  EXPECT_TRUE(list.list("DeleteMarkers").at(0).flag("IsLatest"));
  EXPECT_EQ(copied("k"), "NoSuchKey");
  for (int i = 0; i < 5; ++i) {
    const std::string version(list.list("Versions").at(static_cast<size_t>(4 - i)).text("VersionId"));
    EXPECT_EQ(copied("k", object({{"VersionId", version}})), "v" + std::to_string(i));
  }
}

TEST_F(Replication, DeletingAVersionIsNotReplicated) {
  const std::string version = put("k", "kept").text("VersionId");
  replicate();
  remove("k", object({{"VersionId", version}}));
  replicate();
  EXPECT_EQ(got("k"), "NoSuchKey");
  EXPECT_EQ(copied("k"), "kept");
}

TEST_F(Replication, ADestinationThatIsAwayDelaysAndKeepsTheOrder) {
  away = 3;
  put("k", "first");
  put("k", "second");
  put("other", "x");
  replicate();
  EXPECT_EQ(status("k"), "PENDING");
  for (int i = 0; i < 20 && status("k") != "COMPLETED"; ++i) {
    clock_.advance(std::chrono::seconds(30));
    replicate();
  }
  EXPECT_EQ(status("k"), "COMPLETED");
  EXPECT_EQ(copied("k"), "second");
  EXPECT_EQ(copied("other"), "x");
}

TEST_F(Replication, ARestartForgetsNothing) {
  put("k", "text");
  restart();
  replicate();
  EXPECT_EQ(copied("k"), "text");
  EXPECT_EQ(status("k"), "COMPLETED");
}

TEST_F(Replication, WhatTheRoleMayNotReadFails) {
  may(R"("s3:ReplicateObject")");
  put("k", "text");
  replicate();
  EXPECT_EQ(status("k"), "FAILED");
  EXPECT_EQ(copied("k"), "NoSuchKey");
}

TEST_F(Replication, WhatTheDestinationForbidsFailsAndLeavesNothingBehind) {
  allow_in_copies(R"("s3:ReplicateTags")");
  const size_t before = blocks();
  put("k", noise(2'000'000));
  replicate();
  EXPECT_EQ(status("k"), "FAILED");
  EXPECT_EQ(copied("k"), "NoSuchKey");
  EXPECT_EQ(blocks() - before, 2U);  // the source's own
}

TEST_F(Replication, ARoleThatS3MayNotAssumeFails) {
  must(iam(root(), "UpdateAssumeRolePolicy",
           object({{"RoleName", kRole}, {"PolicyDocument", iam::trust(iam::service("ec2.amazonaws.com"))}})));
  put("k", "text");
  replicate();
  EXPECT_EQ(status("k"), "FAILED");
}

TEST_F(Replication, ADestinationWithoutVersionsFails) {
  must(s3(root(kOther), "PutBucketVersioning",
          object({{"Bucket", kCopies}, {"VersioningConfiguration", object({{"Status", "Suspended"}})}}))
           .output);
  put("k", "text");
  replicate();
  EXPECT_EQ(status("k"), "FAILED");
}

TEST_F(Replication, ObjectsFromBeforeTheRuleStay) {
  did("DeleteBucketReplication", object({{"Bucket", kBucket}}));
  put("old", "text");
  configure(rule());
  put("new", "text");
  replicate();
  EXPECT_EQ(copied("old"), "NoSuchKey");
  EXPECT_EQ(copied("new"), "text");
  EXPECT_EQ(status("old"), "");
}

TEST_F(Replication, ExistingVersionsAreReplicatedWhenAskedForInTheirOrder) {
  did("DeleteBucketReplication", object({{"Bucket", kBucket}}));
  put("k", "first");
  put("k", "second");
  put("l", "x");
  const auto existing = [&](std::vector<std::string> statuses) {
    return replicate_existing(*database_, Context(), clock_, kBucket, statuses);
  };
  EXPECT_EQ(existing({"NONE"}).code(), ErrorCode::kFailedPrecondition);
  configure(rule());
  EXPECT_EQ(must(existing({"FAILED"})), 0);
  EXPECT_EQ(must(existing({"NONE", "FAILED"})), 3);
  EXPECT_EQ(must(existing({"NONE", "FAILED"})), 0);  // they wait already
  replicate();
  EXPECT_EQ(copied("k"), "second");
  EXPECT_EQ(copied("l"), "x");
  EXPECT_EQ(status("k"), "COMPLETED");
  EXPECT_EQ(replicate_existing(*database_, Context(), clock_, "nobody", {"NONE"}).code(), ErrorCode::kNotFound);
}

TEST_F(Replication, KmsObjectsNeedARuleAndTheReplicaHasTheOtherAccountsKey) {
  const std::string ours = arn(key()),
                    theirs_id = key(root(kOther), object({{"Policy", R"({"Version":"2012-10-17","Statement":[
      {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"kms:*","Resource":"*"},
      {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":["kms:Encrypt","kms:GenerateDataKey"],"Resource":"*"}]})"}}));
  const std::string theirs = arn(theirs_id, "us-east-1", kOther);
  const Value kms_object = object({{"ServerSideEncryption", "aws:kms"}, {"SSEKMSKeyId", ours}});
  put("before", "text", kms_object);
  replicate();
  EXPECT_EQ(copied("before"), "NoSuchKey");
  Value with_keys = rule();
  with_keys.set("SourceSelectionCriteria", object({{"SseKmsEncryptedObjects", object({{"Status", "Enabled"}})}}));
  with_keys.set("Destination", object({{"Bucket", "arn:aws:s3:::copies"},
                                       {"Account", std::string(kOther)},
                                       {"EncryptionConfiguration", object({{"ReplicaKmsKeyID", theirs}})}}));
  configure(with_keys);
  put("after", "secret text", kms_object);
  replicate();
  EXPECT_EQ(status("after"), "COMPLETED");
  const Answer replica = copy("GetObject", "after");
  EXPECT_EQ(replica.body, "secret text");
  EXPECT_EQ(replica.text("SSEKMSKeyId"), theirs);
  must(kms("DisableKey", object({{"KeyId", ours}})));
  EXPECT_EQ(copied("after"), "secret text");  // nothing of the first account's keys is needed
}

TEST_F(Replication, AFailureIsToldToWhoAskedForItsMetrics) {
  Value measured = rule("watched");
  measured.set("Destination", object({{"Bucket", "arn:aws:s3:::copies"},
                                      {"Account", std::string(kOther)},
                                      {"Metrics", object({{"Status", "Enabled"}})}}));
  configure(measured);
  did("PutBucketNotificationConfiguration",
      object({{"Bucket", kBucket},
              {"SkipDestinationValidation", true},
              {"NotificationConfiguration",
               object({{"QueueConfigurations", api::List{object({{"QueueArn", "arn:aws:sqs:us-east-1:111111111111:q"},
                                                                 {"Events", iam::texts({"s3:Replication:*"})}})}}})}}));
  may(R"("s3:ReplicateObject")");
  put("k", "text");
  replicate();
  const auto told = outbox("s3-notifications");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].find("\"failureReason\":\"SrcGetObjectNotPermitted\""), std::string::npos) << told[0];
  EXPECT_NE(told[0].find("\"replicationRuleId\":\"watched\""), std::string::npos) << told[0];
}

TEST_F(Replication, LaterTagsFollowTheVersion) {
  put("k", "text");
  replicate();
  did("PutObjectTagging",
      at("k", object({{"Tagging", object({{"TagSet", api::List{object({{"Key", "a"}, {"Value", "b"}})}}})}})));
  replicate();
  EXPECT_EQ(copy("GetObjectTagging", "k").value().list("TagSet").size(), 1U);
}

TEST_F(Replication, ReplicasAreNotReplicatedFurther) {
  must(s3(root(kOther), "CreateBucket", object({{"Bucket", "third"}})).output);
  put("k", "text");
  replicate();
  const int so_far = calls;
  replicate();
  EXPECT_EQ(calls, so_far);
}

}  // namespace
}  // namespace coffer::s3
