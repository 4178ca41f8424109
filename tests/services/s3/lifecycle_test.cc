// Lifecycle rules by the clock.
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

using std::chrono::hours;

class LifecycleTest : public World {
 protected:
  void rules(std::vector<Value> all) {
    did("PutBucketLifecycleConfiguration",
        object(
            {{"Bucket", kBucket}, {"LifecycleConfiguration", object({{"Rules", api::List(all.begin(), all.end())}})}}));
  }
  static Value rule(const Value& more) {
    return with(object({{"ID", "r"}, {"Status", "Enabled"}, {"Filter", object({{"Prefix", ""}})}}), more);
  }
  static Value expire_after(int days) { return object({{"Expiration", object({{"Days", days}})}}); }
  void run() { must(s3_->run_due(Context(), clock_.wall())); }
  void days(int count) {
    clock_.advance(hours(24) * count);
    run();
  }
  /// The clock stands at this hour of the day.
  void hour(int64_t wanted) {
    constexpr int64_t kHour = 3'600'000'000;
    const int64_t now = clock_.wall().micros / kHour % 24;
    clock_.advance(hours((wanted - now + 24) % 24));
  }
  size_t versions(const char* member = "Versions") {
    return did("ListObjectVersions", object({{"Bucket", kBucket}})).list(member).size();
  }
};

TEST_F(LifecycleTest, AnObjectGoesAtTheMidnightAfterItsDays) {
  make_bucket();
  rules({rule(expire_after(3))});
  hour(10);
  const Answer made = put("k", noise(5000));
  EXPECT_NE(made.text("Expiration").find("rule-id=\"r\""), std::string::npos) << made.text("Expiration");
  clock_.advance(hours(24) * 3 + hours(13));  // an hour before the fourth midnight
  run();
  EXPECT_EQ(got("k"), noise(5000));
  clock_.advance(hours(1));
  run();
  EXPECT_EQ(got("k"), "NoSuchKey");
  collect();
  EXPECT_EQ(blocks(), 0U);
}

TEST_F(LifecycleTest, InAVersionedBucketAMarkerComesAndTheVersionStays) {
  make_bucket(kBucket, "Enabled");
  rules({rule(expire_after(1))});
  const std::string version = put("k", "text").text("VersionId");
  days(2);
  EXPECT_EQ(got("k"), "NoSuchKey");
  EXPECT_EQ(got("k", object({{"VersionId", version}})), "text");
  days(5);
  EXPECT_EQ(versions("DeleteMarkers"), 1U);  // not one more each day
}

TEST_F(LifecycleTest, InASuspendedBucketTheNullVersionGoes) {
  make_bucket();
  put("k", "text");
  set_versioning("Suspended");
  rules({rule(expire_after(1))});
  days(2);
  EXPECT_EQ(versions(), 0U);
  EXPECT_EQ(versions("DeleteMarkers"), 1U);
}

TEST_F(LifecycleTest, NoncurrentVersionsGoByTheAgeOfTheirSuccessorAndSomeAreKept) {
  make_bucket(kBucket, "Enabled");
  for (int i = 0; i < 6; ++i) put("k", std::to_string(i));
  put("once", "x");
  rules({rule(
      object({{"NoncurrentVersionExpiration", object({{"NoncurrentDays", 2}, {"NewerNoncurrentVersions", 2}})}}))});
  days(1);
  EXPECT_EQ(versions(), 7U);
  days(2);
  EXPECT_EQ(versions(), 4U);
  EXPECT_EQ(got("k"), "5");
  EXPECT_EQ(got("once"), "x");
}

TEST_F(LifecycleTest, AMarkerThatHasNothingBehindItGoes) {
  make_bucket(kBucket, "Enabled");
  const std::string version = put("gone", "x").text("VersionId");
  remove("gone");
  put("kept", "x");
  remove("kept");
  remove("gone", object({{"VersionId", version}}));
  rules({rule(object({{"Expiration", object({{"ExpiredObjectDeleteMarker", true}})}}))});
  days(1);
  EXPECT_EQ(versions("DeleteMarkers"), 1U);
}

TEST_F(LifecycleTest, FiltersByPrefixTagAndSize) {
  make_bucket();
  put("logs/a", "x");
  put("data/a", "x");
  put("tagged", "x", object({{"Tagging", "temp=yes"}}));
  put("big", noise(3000));
  rules({with(rule(expire_after(1)), object({{"ID", "1"}, {"Filter", object({{"Prefix", "logs/"}})}})),
         with(rule(expire_after(1)),
              object({{"ID", "2"}, {"Filter", object({{"Tag", object({{"Key", "temp"}, {"Value", "yes"}})}})}})),
         with(rule(expire_after(1)), object({{"ID", "3"}, {"Filter", object({{"ObjectSizeGreaterThan", 2000}})}}))});
  days(2);
  EXPECT_EQ(got("logs/a"), "NoSuchKey");
  EXPECT_EQ(got("tagged"), "NoSuchKey");
  EXPECT_EQ(got("big"), "NoSuchKey");
  EXPECT_EQ(got("data/a"), "x");
}

TEST_F(LifecycleTest, DisabledRulesDoNothing) {
  make_bucket();
  put("k", "x");
  rules({with(rule(expire_after(1)), object({{"Status", "Disabled"}}))});
  days(5);
  EXPECT_EQ(got("k"), "x");
}

TEST_F(LifecycleTest, LockedVersionsStay) {
  make_bucket(kBucket, "", object({{"ObjectLockEnabledForBucket", true}}));
  did("PutObjectLockConfiguration",
      object({{"Bucket", kBucket},
              {"ObjectLockConfiguration",
               object({{"ObjectLockEnabled", "Enabled"},
                       {"Rule", object({{"DefaultRetention", object({{"Mode", "COMPLIANCE"}, {"Days", 30}})}})}})}}));
  rules({rule(object({{"NoncurrentVersionExpiration", object({{"NoncurrentDays", 1}})}}))});
  const Value checked = object({{"ContentMD5", "TO8vMKx9M0GdAMHZOgkAlQ=="}});
  put("k", "locked", checked);
  put("k", "locked", checked);
  const size_t both = versions();
  ASSERT_EQ(both, 2U);
  days(10);
  EXPECT_EQ(versions(), both);
  days(30);
  EXPECT_EQ(versions(), both - 1);
}

TEST_F(LifecycleTest, IncompleteUploadsAreAborted) {
  make_bucket();
  const std::string upload = begin_upload("k");
  put_part("k", upload, 1, noise(2'000'000));
  rules({rule(object({{"AbortIncompleteMultipartUpload", object({{"DaysAfterInitiation", 2}})}}))});
  days(1);
  EXPECT_EQ(rows_in("s3_uploads"), 1);
  days(2);
  EXPECT_EQ(rows_in("s3_uploads"), 0);
  collect();
  EXPECT_EQ(blocks(), 0U);
}

TEST_F(LifecycleTest, TransitionsAreRecordedAndSmallObjectsStay) {
  make_bucket();
  put("large", noise(200'000));
  put("small", "x");
  rules({rule(object({{"Transitions", api::List{object({{"Days", 30}, {"StorageClass", "STANDARD_IA"}}),
                                                object({{"Days", 60}, {"StorageClass", "GLACIER"}})}}}))});
  days(32);
  EXPECT_EQ(head("large").text("StorageClass"), "STANDARD_IA");
  EXPECT_EQ(head("small").text("StorageClass"), "");
  days(30);
  EXPECT_EQ(head("large").text("StorageClass"), "GLACIER");
  EXPECT_EQ(got("large"), "InvalidObjectState");
}

TEST_F(LifecycleTest, AKeyOfManyVersionsIsSeenWhole) {
  make_bucket(kBucket, "Enabled");
  for (int i = 0; i < 1100; ++i) put("k", "x");
  put("l", "x");
  rules({rule(
      object({{"NoncurrentVersionExpiration", object({{"NoncurrentDays", 1}, {"NewerNoncurrentVersions", 100}})}}))});
  days(3);
  EXPECT_EQ(rows_in("s3_versions"), 102);
}

}  // namespace
}  // namespace coffer::s3
