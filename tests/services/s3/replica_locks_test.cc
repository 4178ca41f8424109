// What whoever may write replicas can do to the locks of the bucket that keeps them: make them longer.
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

using std::chrono::hours;

class ReplicaLocks : public World {
 protected:
  ReplicaLocks() { make_bucket(kBucket, "", object({{"ObjectLockEnabledForBucket", true}})); }
  static constexpr const char* kVersion = "replicated.from.elsewhere.000001";

  Answer replicate(const Value& more = {}, const std::string& text = "text") {
    TextBody body(text);
    return s3("ReplicateObject",
              at("k", with(object({{"VersionId", kVersion},
                                   {"LastModified", clock_.wall() - hours(24 * 365)},
                                   {"Size", static_cast<int64_t>(text.size())},
                                   {"StorageClass", "STANDARD"},
                                   {"ETag", "1cb251ec0d568de6a929b520c4aed8d1"}}),
                           more)),
              &body);
  }
  std::string change(const Value& more = {}) {
    return s3("ReplicateMetadata", at("k", with(object({{"VersionId", kVersion}}), more))).error();
  }
  Value lock(const char* mode, hours length) {
    return object({{"ObjectLockMode", mode}, {"ObjectLockRetainUntilDate", clock_.wall() + length}});
  }
  /// "MODE hours", and whether there is a legal hold.
  std::string locked() {
    const Answer answer = head("k", object({{"VersionId", kVersion}}));
    const auto until = answer.value().time("ObjectLockRetainUntilDate");
    const auto left = until ? (until->micros - clock_.wall().micros) / 3'600'000'000 : 0;
    return answer.text("ObjectLockMode") + " " + std::to_string(left) +
           (answer.text("ObjectLockLegalHoldStatus") == "ON" ? " held" : "");
  }
  void keep_by_default(const char* mode, int days) {
    did("PutObjectLockConfiguration",
        object({{"Bucket", kBucket},
                {"ObjectLockConfiguration",
                 object({{"ObjectLockEnabled", "Enabled"},
                         {"Rule", object({{"DefaultRetention", object({{"Mode", mode}, {"Days", days}})}})}})}}));
  }
};

TEST_F(ReplicaLocks, AReplicaWithoutALockGetsTheDefaultOfItsOwnBucketFromItsArrivalOn) {
  keep_by_default("COMPLIANCE", 30);
  must(replicate().output);
  EXPECT_EQ(locked(), "COMPLIANCE 720");
  EXPECT_EQ(remove("k", object({{"VersionId", kVersion}, {"BypassGovernanceRetention", true}})).error(),
            "AccessDenied");
}

TEST_F(ReplicaLocks, LaterChangesOfTheSourceNeverShortenARetention) {
  must(replicate(lock("GOVERNANCE", hours(100))).output);
  EXPECT_EQ(change(), "");
  EXPECT_EQ(change(lock("GOVERNANCE", hours(1))), "");
  EXPECT_EQ(change(lock("COMPLIANCE", hours(1))), "");
  EXPECT_EQ(locked(), "GOVERNANCE 100");
  EXPECT_EQ(change(lock("COMPLIANCE", hours(100))), "");
  EXPECT_EQ(locked(), "COMPLIANCE 100");
  EXPECT_EQ(change(lock("GOVERNANCE", hours(500))), "");
  EXPECT_EQ(locked(), "COMPLIANCE 100");
  EXPECT_EQ(change(lock("COMPLIANCE", hours(500))), "");
  EXPECT_EQ(locked(), "COMPLIANCE 500");
}

TEST_F(ReplicaLocks, ALegalHoldStaysUntilItsOwnBucketEndsIt) {
  must(replicate(object({{"ObjectLockLegalHoldStatus", "ON"}})).output);
  EXPECT_EQ(change(), "");
  EXPECT_EQ(change(object({{"ObjectLockLegalHoldStatus", "OFF"}})), "");
  EXPECT_EQ(locked(), " 0 held");
  did("PutObjectLegalHold", at("k", object({{"VersionId", kVersion}, {"LegalHold", object({{"Status", "OFF"}})}})));
  EXPECT_EQ(locked(), " 0");
}

TEST_F(ReplicaLocks, TheSameVersionIdDoesNotOverwrite) {
  must(replicate().output);
  must(replicate({}, "other").output);
  must(replicate(object({{"DeleteMarker", true}})).output);
  EXPECT_EQ(got("k", object({{"VersionId", kVersion}})), "text");
}

TEST_F(ReplicaLocks, LocksNeedTheRightToReplicateObjects) {
  must(replicate().output);
  const Keys tagger = stranger("tagger", allow("s3:*"));
  did("PutBucketPolicy",
      object({{"Bucket", kBucket},
              {"Policy", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":")" +
                             user_arn("tagger", kOther) +
                             R"("},"Action":"s3:ReplicateTags","Resource":"arn:aws:s3:::bucket/*"}]})"}}));
  const Value input = at("k", object({{"VersionId", kVersion}}));
  EXPECT_EQ(s3(tagger, "ReplicateMetadata", with(input, object({{"Tags", object({{"a", "b"}})}}))).error(), "");
  EXPECT_EQ(s3(tagger, "ReplicateMetadata", with(input, lock("COMPLIANCE", hours(24 * 36500)))).error(), kms::kDenied);
  EXPECT_EQ(locked(), " 0");
}

TEST_F(ReplicaLocks, WhatIsNoVersionIsRefused) {
  EXPECT_EQ(replicate(object({{"VersionId", ""}})).error(), "InvalidArgument");
  EXPECT_EQ(replicate(object({{"Key", ""}})).error(), "InvalidArgument");
  EXPECT_EQ(replicate(lock("FOREVER", hours(1))).error(), "InvalidArgument");
  EXPECT_EQ(replicate(object({{"Key", std::string(1025, 'k')}})).error(), "KeyTooLongError");
}

TEST_F(ReplicaLocks, NoncurrentVersionsGoByWhenTheyWereReplacedNotByTheDateOfWhatReplacedThem) {
  did("PutBucketLifecycleConfiguration",
      object({{"Bucket", kBucket},
              {"LifecycleConfiguration",
               object({{"Rules",
                        api::List{object({{"ID", "r"},
                                          {"Status", "Enabled"},
                                          {"Filter", object({{"Prefix", ""}})},
                                          {"NoncurrentVersionExpiration", object({{"NoncurrentDays", 5}})}})}}})}}));
  const std::string first = put("k", "first").text("VersionId");
  must(replicate().output);  // a year old where it comes from
  clock_.advance(hours(24 * 4));
  must(s3_->run_due(Context(), clock_.wall()));
  EXPECT_EQ(got("k", object({{"VersionId", first}})), "first");
  clock_.advance(hours(24 * 2));
  must(s3_->run_due(Context(), clock_.wall()));
  EXPECT_EQ(got("k", object({{"VersionId", first}})), "NoSuchVersion");
}

}  // namespace
}  // namespace coffer::s3
