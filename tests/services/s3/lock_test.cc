// Locks by the clock, tags of objects, and restores.
#include "services/s3/bucket_world.h"

namespace coffer::s3 {
namespace {

using std::chrono::hours;

class LockTest : public BucketWorld {
 protected:
  LockTest() { make_bucket(kBucket, "", object({{"ObjectLockEnabledForBucket", true}})); }

  std::string write(const Value& more = Value::object()) {
    return std::string(must(put("k", "text", with(object({{"ContentMD5", "HLJR7A1WjeapKbUgxK7Y0Q=="}}), more)).output)
                           .text("VersionId"));
  }
  WallTime in(int days) { return clock_.wall() + hours(24 * days); }
  Answer retain(const Keys& keys, const std::string& id, const Value& retention, bool bypass = false) {
    return s3(keys, "PutObjectRetention",
              at("k", object({{"VersionId", id}, {"Retention", retention}, {"BypassGovernanceRetention", bypass}})));
  }
  std::string retain(const std::string& id, const char* mode, int days, bool bypass = false) {
    return refusal(retain(root(), id, object({{"Mode", mode}, {"RetainUntilDate", in(days)}}), bypass));
  }
  std::string deleting(const std::string& id, bool bypass = false) {
    return refusal(
        remove("k", object({{"VersionId", id}, {"BypassGovernanceRetention", bypass ? Value(true) : Value()}})));
  }
  std::string hold(const std::string& id, const char* status) {
    return s3("PutObjectLegalHold", at("k", object({{"VersionId", id}, {"LegalHold", object({{"Status", status}})}})))
        .error();
  }
};

TEST_F(LockTest, ComplianceHoldsAgainstEveryoneUntilItsTime) {
  const std::string id = write();
  ASSERT_EQ(retain(id, "COMPLIANCE", 10), "");
  EXPECT_EQ(deleting(id), "denied");
  EXPECT_EQ(deleting(id, true), "denied");
  EXPECT_EQ(retain(id, "COMPLIANCE", 9, true), "denied");
  EXPECT_EQ(retain(id, "GOVERNANCE", 11, true), "denied");
  EXPECT_EQ(refusal(retain(root(), id, Value::object(), true)), "denied");
  EXPECT_EQ(retain(id, "COMPLIANCE", 12), "");
  clock_.advance(hours(24 * 12) - hours(1));
  EXPECT_EQ(deleting(id), "denied");
  clock_.advance(hours(2));
  EXPECT_EQ(deleting(id), "");
}

TEST_F(LockTest, GovernanceGivesWayToWhoMayBypassAndSaysSo) {
  const Keys plain = user("plain", R"({"Version":"2012-10-17","Statement":[
      {"Effect":"Allow","Action":"s3:*","Resource":"*"},
      {"Effect":"Deny","Action":"s3:BypassGovernanceRetention","Resource":"*"}]})");
  const std::string id = write();
  ASSERT_EQ(retain(id, "GOVERNANCE", 10), "");
  const auto shorter = [&](const Keys& keys, bool bypass) {
    return refusal(retain(keys, id, object({{"Mode", "GOVERNANCE"}, {"RetainUntilDate", in(5)}}), bypass));
  };
  EXPECT_EQ(shorter(root(), false), "denied");
  EXPECT_EQ(shorter(plain, true), "denied");
  EXPECT_EQ(refusal(retain(plain, id, object({{"Mode", "GOVERNANCE"}, {"RetainUntilDate", in(11)}}))), "");
  EXPECT_EQ(retain(id, "COMPLIANCE", 20), "denied");
  EXPECT_EQ(deleting(id), "denied");
  EXPECT_EQ(shorter(root(), true), "");
  EXPECT_EQ(refusal(retain(root(), id, Value::object(), true)), "");
  EXPECT_EQ(s3("GetObjectRetention", at("k", object({{"VersionId", id}}))).error(), "NoSuchObjectLockConfiguration");
  EXPECT_EQ(deleting(id), "");
}

TEST_F(LockTest, GovernanceMayBecomeCompliance) {
  const std::string id = write();
  ASSERT_EQ(retain(id, "GOVERNANCE", 10), "");
  EXPECT_EQ(retain(id, "COMPLIANCE", 10, true), "");
  EXPECT_EQ(deleting(id, true), "denied");
}

TEST_F(LockTest, WhatIsAskedForMustMakeSense) {
  const std::string id = write();
  EXPECT_EQ(retain(id, "GOVERNANCE", 0), "InvalidArgument");
  EXPECT_EQ(retain(id, "GOVERNANCE", -1), "InvalidArgument");
  EXPECT_EQ(retain(id, "STRICT", 1), "MalformedXML");
  EXPECT_EQ(retain(root(), id, object({{"Mode", "GOVERNANCE"}})).error(), "MalformedXML");
  EXPECT_EQ(retain(root(), id, object({{"RetainUntilDate", in(1)}})).error(), "MalformedXML");
  EXPECT_EQ(s3("PutObjectRetention", at("k")).error(), "MalformedXML");
  EXPECT_EQ(hold(id, "MAYBE"), "MalformedXML");
  make_bucket("plain");
  for (const char* operation : {"PutObjectRetention", "GetObjectRetention", "PutObjectLegalHold", "GetObjectLegalHold"})
    EXPECT_EQ(s3(operation, object({{"Bucket", "plain"}, {"Key", "k"}})).error(), "InvalidRequest") << operation;
}

TEST_F(LockTest, LegalHoldAndRetentionAreIndependent) {
  const std::string id = write();
  ASSERT_EQ(hold(id, "ON"), "");
  EXPECT_EQ(did("GetObjectLegalHold", at("k")).find("LegalHold")->text("Status"), "ON");
  EXPECT_EQ(deleting(id, true), "denied");
  ASSERT_EQ(retain(id, "GOVERNANCE", 1), "");
  ASSERT_EQ(hold(id, "OFF"), "");
  EXPECT_EQ(did("GetObjectLegalHold", at("k")).find("LegalHold")->text("Status"), "OFF");
  EXPECT_EQ(deleting(id), "denied");
  ASSERT_EQ(hold(id, "ON"), "");
  clock_.advance(hours(48));
  EXPECT_EQ(deleting(id), "denied");
  ASSERT_EQ(hold(id, "OFF"), "");
  EXPECT_EQ(deleting(id), "");
}

TEST_F(LockTest, ALockedVersionIsHiddenByAMarkerButStays) {
  const std::string id = write();
  ASSERT_EQ(retain(id, "COMPLIANCE", 10), "");
  EXPECT_EQ(remove("k").error(), "");
  EXPECT_EQ(got("k"), "NoSuchKey");
  EXPECT_EQ(got("k", object({{"VersionId", id}})), "text");
}

TEST_F(LockTest, TheBucketsRuleLocksNewVersions) {
  did("PutObjectLockConfiguration",
      on_bucket(object(
          {{"ObjectLockConfiguration",
            object({{"ObjectLockEnabled", "Enabled"},
                    {"Rule", object({{"DefaultRetention", object({{"Mode", "COMPLIANCE"}, {"Days", 3}})}})}})}})));
  const std::string id = write();
  const Value retention = *did("GetObjectRetention", at("k")).find("Retention");
  EXPECT_EQ(retention.text("Mode"), "COMPLIANCE");
  EXPECT_EQ(retention.time("RetainUntilDate"), in(3));
  EXPECT_EQ(deleting(id, true), "denied");
  clock_.advance(hours(73));
  EXPECT_EQ(deleting(id), "");
}

TEST_F(LockTest, ConditionsOnRetentionDecide) {
  const std::string id = write();
  policy({said("Deny", kAnyone, "s3:PutObjectRetention", objects_arn(),
               condition("NumericGreaterThan", "s3:object-lock-remaining-retention-days", "30"))});
  EXPECT_EQ(retain(id, "GOVERNANCE", 31), "denied");
  EXPECT_EQ(retain(id, "GOVERNANCE", 30), "");
}

// ---- tags

class ObjectTaggingTest : public BucketWorld {
 protected:
  ObjectTaggingTest() {
    make_bucket(kBucket, "Enabled");
    first_ = put("k", "1").text("VersionId");
    second_ = put("k", "2").text("VersionId");
  }
  Answer tag(std::initializer_list<std::pair<const char*, const char*>> tags, const std::string& id = "") {
    return s3("PutObjectTagging",
              at("k", object({{"Tagging", object({{"TagSet", iam::tags(tags)}})}, {"VersionId", id}})));
  }
  std::string tags(const std::string& id = "") {
    std::string all;
    const Answer answer = s3("GetObjectTagging", at("k", object({{"VersionId", id}})));
    for (const Value& one : answer.value().list("TagSet"))
      all += std::string(one.text("Key")) + "=" + std::string(one.text("Value")) + ";";
    return all;
  }
  std::string first_, second_;
};

TEST_F(ObjectTaggingTest, ASetIsReplacedOnItsVersionAlone) {
  EXPECT_EQ(tag({{"a", "1"}, {"b", "2"}}).text("VersionId"), second_);
  EXPECT_EQ(tag({{"c", "3"}}, first_).text("VersionId"), first_);
  EXPECT_EQ(tags(), "a=1;b=2;");
  EXPECT_EQ(tags(first_), "c=3;");
  must(tag({{"d", ""}}).output);
  EXPECT_EQ(tags(), "d=;");
  EXPECT_EQ(s3("DeleteObjectTagging", at("k")).text("VersionId"), second_);
  EXPECT_EQ(tags(), "");
  EXPECT_EQ(tags(first_), "c=3;");
}

TEST_F(ObjectTaggingTest, TenAreTheMost) {
  api::List many;
  for (int i = 0; i < 10; ++i) many.push_back(object({{"Key", "k" + std::to_string(i)}, {"Value", "v"}}));
  const auto put_many = [&] {
    return s3("PutObjectTagging", at("k", object({{"Tagging", object({{"TagSet", many}})}}))).error();
  };
  EXPECT_EQ(put_many(), "");
  many.push_back(object({{"Key", "k10"}, {"Value", "v"}}));
  EXPECT_EQ(put_many(), "BadRequest");
  EXPECT_EQ(tag({{"a", "1"}, {"a", "2"}}).error(), "InvalidTag");
}

TEST_F(ObjectTaggingTest, WhatIsNotThereHasNoTags) {
  EXPECT_EQ(s3("GetObjectTagging", at("missing")).error(), "NoSuchKey");
  EXPECT_EQ(s3("GetObjectTagging", at("k", object({{"VersionId", "0123456789abcdef0123456789abcdef"}}))).error(),
            "NoSuchVersion");
  const std::string marker = remove("k").text("VersionId");
  EXPECT_EQ(s3("GetObjectTagging", at("k", object({{"VersionId", marker}}))).error(), "MethodNotAllowed");
  EXPECT_EQ(tag({{"a", "1"}}, marker).error(), "MethodNotAllowed");
}

TEST_F(ObjectTaggingTest, TheHeaderOfAnUploadIsRead) {
  must(put("k", "3", object({{"Tagging", "a=1&b=x%20y&c"}})).output);
  EXPECT_EQ(tags(), "a=1;b=x y;c=;");
  EXPECT_EQ(put("k", "4", object({{"Tagging", "a=1&a=2"}})).error(), "InvalidArgument");
  EXPECT_EQ(put("k", "4", object({{"Tagging", "a=%zz"}})).error(), "InvalidArgument");
}

// ---- restores

class RestoreTest : public BucketWorld {
 protected:
  RestoreTest() { make_bucket(); }
  std::string restore(const std::string& key, const Value& more) {
    return s3("RestoreObject", at(key, object({{"RestoreRequest", more}}))).error();
  }
};

TEST_F(RestoreTest, AnArchivedObjectIsReadableAfterItsRestore) {
  must(put("k", "text", object({{"StorageClass", "GLACIER"}})).output);
  EXPECT_EQ(got("k"), "InvalidObjectState");
  EXPECT_EQ(restore("k", object({{"Days", 2}, {"GlacierJobParameters", object({{"Tier", "Bulk"}})}})), "");
  EXPECT_EQ(got("k"), "text");
  EXPECT_TRUE(head("k").text("Restore").starts_with("ongoing-request=\"false\", expiry-date=\""));
  EXPECT_EQ(head("k").text("StorageClass"), "GLACIER");
  const Value one = did("ListObjectsV2", on_bucket(object({{"OptionalObjectAttributes", api::List{"RestoreStatus"}}})))
                        .list("Contents")[0];
  ASSERT_TRUE(one.has("RestoreStatus"));
  EXPECT_FALSE(one.find("RestoreStatus")->flag("IsRestoreInProgress"));
  const auto until = one.find("RestoreStatus")->time("RestoreExpiryDate");
  ASSERT_TRUE(until);
  EXPECT_EQ(until->micros % 86'400'000'000, 0);
  EXPECT_GE(*until, clock_.wall() + hours(48));
  EXPECT_EQ(restore("k", object({{"Days", 9}})), "");
}

TEST_F(RestoreTest, WhatIsNotArchivedOrNotMeantIsRefused) {
  must(put("k", "text").output);
  EXPECT_EQ(restore("k", object({{"Days", 1}})), "InvalidObjectState");
  must(put("cold", "text", object({{"StorageClass", "DEEP_ARCHIVE"}})).output);
  EXPECT_EQ(restore("cold", object({{"Days", 0}})), "InvalidArgument");
  EXPECT_EQ(restore("cold", Value::object()), "MalformedXML");
  EXPECT_EQ(restore("cold", object({{"Days", 1}, {"Tier", "Expedited"}})), "InvalidArgument");
  EXPECT_EQ(restore("cold", object({{"Days", 1}, {"Tier", "Slow"}})), "MalformedXML");
  EXPECT_EQ(restore("cold", object({{"Type", "SELECT"}})), "NotImplemented");
}

}  // namespace
}  // namespace coffer::s3
