// The settings of buckets: what is taken, what is refused, and what a bucket without one answers.
#include "services/s3/bucket_world.h"

namespace coffer::s3 {
namespace {

using List = api::List;

class BucketSettingsTest : public BucketWorld {
 protected:
  BucketSettingsTest() { make_bucket(); }
  std::string doing(const std::string& operation, const Value& more = Value::object()) {
    return s3(operation, on_bucket(more)).error();
  }
  static Value nested(const char* outer, const Value& inner) { return object({{outer, inner}}); }
  static Value rules_of(const char* outer, std::initializer_list<Value> rules) {
    return nested(outer, object({{"Rules", List(rules)}}));
  }
};

TEST_F(BucketSettingsTest, AbsentOnesHaveNamesOfTheirOwn) {
  did("DeletePublicAccessBlock", on_bucket());
  did("DeleteBucketOwnershipControls", on_bucket());
  const std::pair<const char*, const char*> all[] = {
      {"GetBucketPolicy", "NoSuchBucketPolicy"},
      {"GetBucketPolicyStatus", "NoSuchBucketPolicy"},
      {"GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"},
      {"GetBucketOwnershipControls", "OwnershipControlsNotFoundError"},
      {"GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"},
      {"GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"},
      {"GetBucketReplication", "ReplicationConfigurationNotFoundError"},
      {"GetBucketCors", "NoSuchCORSConfiguration"},
      {"GetBucketTagging", "NoSuchTagSet"},
      {"GetBucketWebsite", "NoSuchWebsiteConfiguration"}};
  for (const auto& [operation, name] : all) EXPECT_EQ(doing(operation), name) << operation;
  for (const char* operation : {"GetBucketVersioning", "GetBucketNotificationConfiguration", "GetBucketLogging",
                                "GetBucketAccelerateConfiguration"})
    EXPECT_EQ(did(operation, on_bucket()), Value::object()) << operation;
  EXPECT_EQ(did("GetBucketRequestPayment", on_bucket()).text("Payer"), "BucketOwner");
}

TEST_F(BucketSettingsTest, WhatIsRemovedTwiceIsStillGone) {
  for (const char* operation :
       {"DeleteBucketPolicy", "DeletePublicAccessBlock", "DeleteBucketOwnershipControls", "DeleteBucketLifecycle",
        "DeleteBucketReplication", "DeleteBucketCors", "DeleteBucketTagging", "DeleteBucketWebsite"}) {
    EXPECT_EQ(doing(operation), "") << operation;
    EXPECT_EQ(doing(operation), "") << operation;
  }
}

TEST_F(BucketSettingsTest, EachNeedsABucket) {
  for (const char* operation : {"GetBucketPolicy", "PutBucketVersioning", "DeleteBucketCors", "ListObjectsV2"})
    EXPECT_EQ(s3(operation, on_bucket({}, "missing")).error(), "NoSuchBucket") << operation;
}

// ---- versioning

TEST_F(BucketSettingsTest, VersioningGoesOnAndIsSuspendedButNeverGoes) {
  const auto put = [&](const Value& configuration) {
    return doing("PutBucketVersioning", nested("VersioningConfiguration", configuration));
  };
  EXPECT_EQ(put(object({})), "IllegalVersioningConfigurationException");
  EXPECT_EQ(put(object({{"Status", "Off"}})), "MalformedXML");
  EXPECT_EQ(put(object({{"Status", "Enabled"}, {"MFADelete", "Enabled"}})), "NotImplemented");
  EXPECT_EQ(put(object({{"Status", "Enabled"}, {"MFADelete", "Disabled"}})), "");
  EXPECT_EQ(did("GetBucketVersioning", on_bucket()).text("Status"), "Enabled");
  EXPECT_EQ(put(object({{"Status", "Suspended"}})), "");
  EXPECT_EQ(did("GetBucketVersioning", on_bucket()).text("Status"), "Suspended");
}

TEST_F(BucketSettingsTest, LockAndReplicationKeepVersioningOn) {
  set_versioning("Enabled");
  const Value suspend = nested("VersioningConfiguration", object({{"Status", "Suspended"}}));
  make_bucket("destination", "Enabled");
  const Value rule =
      object({{"Status", "Enabled"}, {"Prefix", ""}, {"Destination", object({{"Bucket", bucket_arn("destination")}})}});
  EXPECT_EQ(doing("PutBucketReplication",
                  nested("ReplicationConfiguration",
                         object({{"Role", "arn:aws:iam::" + kHome + ":role/r"}, {"Rules", List{rule}}}))),
            "");
  EXPECT_EQ(doing("PutBucketVersioning", suspend), "InvalidBucketState");
  did("DeleteBucketReplication", on_bucket());
  EXPECT_EQ(doing("PutBucketVersioning", suspend), "");
  set_versioning("Enabled");
  EXPECT_EQ(doing("PutObjectLockConfiguration",
                  nested("ObjectLockConfiguration", object({{"ObjectLockEnabled", "Enabled"}}))),
            "");
  EXPECT_EQ(doing("PutBucketVersioning", suspend), "InvalidBucketState");
}

// ---- policy

TEST_F(BucketSettingsTest, APolicyComesBackAsItWasGiven) {
  const std::string text =
      " " + policy_of({said("Allow", iam::aws(kms::root_arn(kOther)), "s3:GetObject", objects_arn())}) + "\n";
  ASSERT_EQ(put_policy(root(), text).error(), "");
  EXPECT_EQ(did("GetBucketPolicy", on_bucket()).text("Policy"), text);
  EXPECT_FALSE(did("GetBucketPolicyStatus", on_bucket()).find("PolicyStatus")->flag("IsPublic"));
  block_public_access(false);
  policy({said("Allow", kAnyone, "s3:GetObject", objects_arn())});
  EXPECT_TRUE(did("GetBucketPolicyStatus", on_bucket()).find("PolicyStatus")->flag("IsPublic"));
}

TEST_F(BucketSettingsTest, MalformedPolicies) {
  const std::string mine = iam::aws(kms::root_arn(kHome));
  const std::string refused[] = {
      "",
      "nothing",
      "[]",
      "{}",
      R"({"Version":"2012-10-17","Statement":[]})",
      policy_of({said("Allow", mine, "s3:GetObject", "*")}),
      policy_of({said("Allow", mine, "s3:GetObject", objects_arn("other"))}),
      policy_of({said("Allow", mine, "s3:GetObject", bucket_arn("bucket2") + "/*")}),
      policy_of({said("Allow", mine, "s3:GetObject", "arn:aws:s3:::*/*")}),
      policy_of({said("Allow", mine, "kms:Decrypt", objects_arn())}),
      policy_of({said("Allow", mine, "s3:GetObject", bucket_arn())}),
      policy_of({said("Allow", mine, "s3:ListBucket", objects_arn())}),
      policy_of({said("Allow", mine, "s3:PutBucketObjectLockConfiguration", objects_arn())}),
      policy_of({said("Allow", iam::aws("arn:aws:iam::" + kHome + ":user/nobody"), "s3:GetObject", objects_arn())}),
      policy_of({said("Allow", R"({"AWS":"nonsense"})", "s3:GetObject", objects_arn())}),
      policy_of({R"({"Effect":"Allow","Action":"s3:GetObject","Resource":")" + objects_arn() + R"("})"}),
      policy_of({said("Allow", mine, "s3:GetObject", objects_arn(), R"("Extra":1)")}),
      policy_of({said("Allow", mine, "s3:GetObject", objects_arn(), R"("Sid":")" + std::string(20'480, 'x') + "\"")})};
  for (const std::string& text : refused)
    EXPECT_EQ(put_policy(root(), text).error(), "MalformedPolicy") << text.substr(0, 200);
  EXPECT_EQ(doing("GetBucketPolicy"), "NoSuchBucketPolicy");
}

TEST_F(BucketSettingsTest, EveryTruncationOfAPolicyIsRefused) {
  const std::string text = policy_of({said("Allow", iam::aws(kms::root_arn(kOther)), "s3:Get*", objects_arn(),
                                           condition("StringLike", "aws:PrincipalArn", "arn:aws:iam::*:role/x"))});
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_EQ(put_policy(root(), text.substr(0, size)).error(), "MalformedPolicy") << size;
  EXPECT_EQ(put_policy(root(), text).error(), "");
}

TEST_F(BucketSettingsTest, ResourcesWithinTheBucket) {
  const std::string mine = iam::aws(kms::root_arn(kHome));
  for (const std::string& resource : {objects_arn(), bucket_arn() + "/a/*/b", bucket_arn() + "*", bucket_arn() + "/k"})
    EXPECT_EQ(put_policy(root(), policy_of({said("Allow", mine, "s3:GetObject", resource)})).error(), "") << resource;
  EXPECT_EQ(put_policy(root(), policy_of({said("Allow", mine, "s3:ListBucket", bucket_arn())})).error(), "");
  EXPECT_EQ(put_policy(root(), policy_of({said("Allow", mine, "s3:Get*", bucket_arn())})).error(), "");
}

TEST_F(BucketSettingsTest, APolicyOf20KilobytesIsTaken) {
  const std::string frame = policy_of({said("Deny", kAnyone, "s3:DeleteObject", objects_arn(), R"("Sid":"")")});
  std::string text = frame;
  text.insert(text.rfind("\"}"), std::string(20 * 1024 - frame.size(), 'x'));
  ASSERT_EQ(text.size(), 20u * 1024);
  EXPECT_EQ(put_policy(root(), text).error(), "");
  EXPECT_EQ(put_policy(root(), text + " ").error(), "MalformedPolicy");
}

TEST_F(BucketSettingsTest, WhoWouldLockItselfOutMustConfirm) {
  const Keys admin = user("admin", allow("s3:*"));
  const std::string text = policy_of({said("Deny", iam::aws(user_arn("admin")), "s3:PutBucketPolicy", bucket_arn())});
  EXPECT_EQ(put_policy(admin, text).error(), "MalformedPolicy");
  EXPECT_EQ(put_policy(admin, text, object({{"ConfirmRemoveSelfBucketAccess", true}})).error(), "");
  EXPECT_EQ(refusal(put_policy(admin, text)), "denied");
  // The root user has a way back, so nothing needs to be confirmed.
  EXPECT_EQ(put_policy(root(), policy_of({said("Deny", kAnyone, "s3:PutBucketPolicy", bucket_arn())})).error(), "");
}

// ---- ownership and lists

TEST_F(BucketSettingsTest, OwnershipControls) {
  const auto put = [&](const char* ownership) {
    return doing("PutBucketOwnershipControls",
                 rules_of("OwnershipControls", {object({{"ObjectOwnership", ownership}})}));
  };
  for (const char* ownership : {"BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"}) {
    EXPECT_EQ(put(ownership), "");
    EXPECT_EQ(did("GetBucketOwnershipControls", on_bucket())
                  .find("OwnershipControls")
                  ->list("Rules")[0]
                  .text("ObjectOwnership"),
              ownership);
  }
  EXPECT_EQ(put("Anybody"), "MalformedXML");
  EXPECT_EQ(doing("PutBucketOwnershipControls", rules_of("OwnershipControls", {})), "MalformedXML");
}

TEST_F(BucketSettingsTest, ListsSayThatTheOwnerHasEverything) {
  must(put("k", "text").output);
  const Value list = did("GetBucketAcl", on_bucket());
  ASSERT_EQ(list.list("Grants").size(), 1u);
  EXPECT_EQ(list.list("Grants")[0].text("Permission"), "FULL_CONTROL");
  EXPECT_EQ(list.list("Grants")[0].find("Grantee")->text("ID"), list.find("Owner")->text("ID"));
  EXPECT_EQ(did("GetObjectAcl", at("k")), list);
  EXPECT_EQ(s3("GetObjectAcl", at("missing")).error(), "NoSuchKey");
  // What was read may be written back.
  EXPECT_EQ(doing("PutBucketAcl", nested("AccessControlPolicy", list)), "");
  EXPECT_EQ(s3("PutObjectAcl", at("k", nested("AccessControlPolicy", list))).error(), "");
}

TEST_F(BucketSettingsTest, ListsThatGiveAnythingToOthersAreRefusedUnlessTheyAreOnAndCanned) {
  must(put("k", "text").output);
  for (const char* operation : {"PutBucketAcl", "PutObjectAcl"}) {
    const auto put_acl = [&](const Value& more) { return s3(operation, at("k", more)).error(); };
    EXPECT_EQ(put_acl(object({{"ACL", "private"}})), "");
    EXPECT_EQ(put_acl(object({{"ACL", "bucket-owner-full-control"}})), "");
    EXPECT_EQ(put_acl(object({{"ACL", "public-read"}})), "AccessControlListNotSupported");
    EXPECT_EQ(put_acl(object({{"GrantRead", "id=x"}})), "AccessControlListNotSupported");
    EXPECT_EQ(put_acl(object({{"ACL", "private"}, {"GrantRead", "id=x"}})), "InvalidRequest");
    EXPECT_EQ(put_acl(object({})), "MissingSecurityHeader");
  }
  EXPECT_EQ(put("new", "text", object({{"ACL", "public-read"}})).error(), "AccessControlListNotSupported");
  EXPECT_EQ(put("new", "text", object({{"ACL", "bucket-owner-full-control"}})).error(), "");
  doing("PutBucketOwnershipControls", rules_of("OwnershipControls", {object({{"ObjectOwnership", "ObjectWriter"}})}));
  EXPECT_EQ(doing("PutBucketAcl", object({{"ACL", "public-read"}})), "AccessDenied");
  block_public_access(false);
  EXPECT_EQ(doing("PutBucketAcl", object({{"ACL", "public-read"}})), "");
  EXPECT_EQ(doing("PutBucketAcl", object({{"GrantRead", "id=x"}})), "NotImplemented");
  EXPECT_EQ(put("new", "text", object({{"ACL", "aws-exec-read"}})).error(), "NotImplemented");
}

// ---- encryption

TEST_F(BucketSettingsTest, Encryption) {
  const auto put = [&](const Value& rule) {
    return doing("PutBucketEncryption", rules_of("ServerSideEncryptionConfiguration", {rule}));
  };
  const auto by = [](const char* algorithm, const char* key = nullptr) {
    Value by_default = object({{"SSEAlgorithm", algorithm}});
    if (key) by_default.set("KMSMasterKeyID", key);
    return object({{"ApplyServerSideEncryptionByDefault", by_default}});
  };
  const auto rule = [&] {
    return did("GetBucketEncryption", on_bucket()).find("ServerSideEncryptionConfiguration")->list("Rules")[0];
  };
  EXPECT_EQ(put(with(by("aws:kms", "alias/mine"), object({{"BucketKeyEnabled", true}}))), "");
  EXPECT_EQ(rule().find("ApplyServerSideEncryptionByDefault")->text("KMSMasterKeyID"), "alias/mine");
  EXPECT_TRUE(rule().flag("BucketKeyEnabled"));
  // Who does not speak of SSE-C changes nothing about it.
  EXPECT_EQ(rule().find("BlockedEncryptionTypes")->texts("EncryptionType"), std::vector<std::string>{"SSE-C"});
  const auto blocking = [](List types) {
    return object({{"BlockedEncryptionTypes", object({{"EncryptionType", std::move(types)}})}});
  };
  EXPECT_EQ(put(with(by("AES256"), blocking({"NONE"}))), "");
  EXPECT_EQ(rule().find("BlockedEncryptionTypes")->texts("EncryptionType"), std::vector<std::string>{"NONE"});
  EXPECT_EQ(put(by("AES256")), "");
  EXPECT_EQ(rule().find("BlockedEncryptionTypes")->texts("EncryptionType"), std::vector<std::string>{"NONE"});

  EXPECT_EQ(put(by("AES256", "alias/mine")), "InvalidArgument");
  EXPECT_EQ(put(by("aws:kms:dsse")), "NotImplemented");
  EXPECT_EQ(put(by("ROT13")), "MalformedXML");
  EXPECT_EQ(put(blocking({"NONE", "SSE-C"})), "MalformedXML");
  EXPECT_EQ(put(blocking({"SSE-X"})), "MalformedXML");
  EXPECT_EQ(doing("PutBucketEncryption", rules_of("ServerSideEncryptionConfiguration", {by("AES256"), by("AES256")})),
            "MalformedXML");
  EXPECT_EQ(doing("PutBucketEncryption", rules_of("ServerSideEncryptionConfiguration", {})), "MalformedXML");
  did("DeleteBucketEncryption", on_bucket());
  EXPECT_EQ(rule().find("ApplyServerSideEncryptionByDefault")->text("SSEAlgorithm"), "AES256");
  EXPECT_EQ(rule().find("BlockedEncryptionTypes")->texts("EncryptionType"), std::vector<std::string>{"SSE-C"});
}

// ---- object lock

TEST_F(BucketSettingsTest, ObjectLockConfiguration) {
  const auto put = [&](const Value& configuration) {
    return doing("PutObjectLockConfiguration", nested("ObjectLockConfiguration", configuration));
  };
  const auto keeping = [](const Value& retention) {
    return object({{"ObjectLockEnabled", "Enabled"}, {"Rule", object({{"DefaultRetention", retention}})}});
  };
  const auto retention = [&](const char* mode, std::optional<int> days, std::optional<int> years) {
    Value value = object({{"Mode", mode}});
    if (days) value.set("Days", *days);
    if (years) value.set("Years", *years);
    return keeping(value);
  };
  EXPECT_EQ(put(retention("GOVERNANCE", 1, {})), "InvalidBucketState");
  set_versioning("Enabled");
  EXPECT_EQ(put(retention("GOVERNANCE", 1, {})), "");
  EXPECT_EQ(put(retention("COMPLIANCE", {}, 100)), "");
  EXPECT_EQ(put(retention("COMPLIANCE", 36'500, {})), "");
  EXPECT_EQ(put(retention("COMPLIANCE", 36'501, {})), "InvalidArgument");
  EXPECT_EQ(put(retention("COMPLIANCE", {}, 101)), "InvalidArgument");
  EXPECT_EQ(put(retention("COMPLIANCE", 0, {})), "InvalidArgument");
  EXPECT_EQ(put(retention("COMPLIANCE", {}, -1)), "InvalidArgument");
  EXPECT_EQ(put(retention("COMPLIANCE", 1, 1)), "MalformedXML");
  EXPECT_EQ(put(retention("COMPLIANCE", {}, {})), "MalformedXML");
  EXPECT_EQ(put(retention("STRICT", 1, {})), "MalformedXML");
  EXPECT_EQ(put(object({{"ObjectLockEnabled", "Disabled"}})), "MalformedXML");
  EXPECT_EQ(put(object({{"ObjectLockEnabled", "Enabled"}, {"Rule", object({})}})), "MalformedXML");
  EXPECT_EQ(did("GetObjectLockConfiguration", on_bucket())
                .find("ObjectLockConfiguration")
                ->find("Rule")
                ->find("DefaultRetention")
                ->integer("Days"),
            36'500);
  // The rule goes, the lock stays.
  EXPECT_EQ(put(object({{"ObjectLockEnabled", "Enabled"}})), "");
  EXPECT_FALSE(did("GetObjectLockConfiguration", on_bucket()).find("ObjectLockConfiguration")->has("Rule"));
}

// ---- lifecycle: the rules themselves are in lifecycle_rules_test.cc

TEST_F(BucketSettingsTest, LifecycleRulesGetNamesAndComeBack) {
  const Value rule =
      object({{"Status", "Enabled"}, {"Filter", object({{"Prefix", "logs/"}})}, {"Expiration", object({{"Days", 7}})}});
  const Value output = did("PutBucketLifecycleConfiguration", on_bucket(rules_of("LifecycleConfiguration", {rule})));
  EXPECT_EQ(output.text("TransitionDefaultMinimumObjectSize"), "all_storage_classes_128K");
  const Value stored = did("GetBucketLifecycleConfiguration", on_bucket());
  EXPECT_EQ(stored.text("TransitionDefaultMinimumObjectSize"), "all_storage_classes_128K");
  ASSERT_EQ(stored.list("Rules").size(), 1u);
  EXPECT_FALSE(stored.list("Rules")[0].text("ID").empty());
  EXPECT_EQ(stored.list("Rules")[0].find("Expiration")->integer("Days"), 7);
  EXPECT_EQ(doing("PutBucketLifecycleConfiguration",
                  with(rules_of("LifecycleConfiguration", {rule}),
                       object({{"TransitionDefaultMinimumObjectSize", "varies_by_storage_class"}}))),
            "");
  EXPECT_EQ(doing("PutBucketLifecycleConfiguration", rules_of("LifecycleConfiguration", {})), "MalformedXML");
  EXPECT_EQ(did("GetBucketLifecycleConfiguration", on_bucket()).text("TransitionDefaultMinimumObjectSize"),
            "varies_by_storage_class");
  did("DeleteBucketLifecycle", on_bucket());
  EXPECT_EQ(doing("GetBucketLifecycleConfiguration"), "NoSuchLifecycleConfiguration");
}

// ---- replication

class ReplicationSettingTest : public BucketSettingsTest {
 protected:
  ReplicationSettingTest() {
    set_versioning("Enabled");
    make_bucket("destination", "Enabled");
  }
  static Value to(const Value& more = Value::object(), const std::string& bucket = "destination") {
    return object({{"Destination", with(object({{"Bucket", bucket_arn(bucket)}}), more)}});
  }
  static Value v1(const Value& more = Value::object()) {
    return with(with(object({{"Status", "Enabled"}, {"Prefix", ""}}), to()), more);
  }
  static Value v2(const Value& more = Value::object()) {
    return with(with(object({{"Status", "Enabled"},
                             {"Priority", 1},
                             {"Filter", object({{"Prefix", ""}})},
                             {"DeleteMarkerReplication", object({{"Status", "Disabled"}})}}),
                     to()),
                more);
  }
  std::string putting(std::initializer_list<Value> rules,
                      const std::string& role = "arn:aws:iam::" + kHome + ":role/service-role/copier") {
    return doing("PutBucketReplication",
                 nested("ReplicationConfiguration", object({{"Role", role}, {"Rules", List(rules)}})));
  }
  static Value tag_filter() { return object({{"Filter", object({{"Tag", object({{"Key", "a"}, {"Value", "b"}})}})}}); }
  static Value markers(const char* status) {
    return object({{"DeleteMarkerReplication", object({{"Status", status}})}});
  }
};

TEST_F(ReplicationSettingTest, BothVersionsOfRulesAreTaken) {
  EXPECT_EQ(putting({v1()}), "");
  EXPECT_EQ(putting({v2()}), "");
  EXPECT_EQ(putting({v2(object({{"Filter", object({})}}))}), "");
  const Value stored = *did("GetBucketReplication", on_bucket()).find("ReplicationConfiguration");
  EXPECT_FALSE(stored.list("Rules")[0].text("ID").empty());
  EXPECT_EQ(stored.text("Role"), "arn:aws:iam::" + kHome + ":role/service-role/copier");
}

TEST_F(ReplicationSettingTest, BothBucketsNeedVersioning) {
  make_bucket("plain");
  EXPECT_EQ(putting({v1(to({}, "plain"))}), "InvalidRequest");
  EXPECT_EQ(s3("PutBucketReplication",
               on_bucket(nested("ReplicationConfiguration", object({{"Role", "arn:aws:iam::" + kHome + ":role/r"},
                                                                    {"Rules", List{v1(to({}, kBucket))}}})),
                         "plain"))
                .error(),
            "InvalidRequest");
}

TEST_F(ReplicationSettingTest, ALockedBucketIsReplicatedToALockedOne) {
  did("PutObjectLockConfiguration",
      on_bucket(nested("ObjectLockConfiguration", object({{"ObjectLockEnabled", "Enabled"}}))));
  EXPECT_EQ(putting({v1()}), "InvalidRequest");
  make_bucket("locked", "", object({{"ObjectLockEnabledForBucket", true}}));
  EXPECT_EQ(putting({v1(to({}, "locked"))}), "");
}

TEST_F(ReplicationSettingTest, RulesThatAreRefused) {
  const auto second = [&](const Value& more) { return v2(with(object({{"Priority", 2}}), more)); };
  const Value kms_on =
      object({{"SourceSelectionCriteria", object({{"SseKmsEncryptedObjects", object({{"Status", "Enabled"}})}})}});
  const Value key = object({{"EncryptionConfiguration", object({{"ReplicaKmsKeyID", arn("k")}})}});
  const Value metrics = object({{"Metrics", object({{"Status", "Enabled"}})}});
  const auto time = [](int minutes) {
    return object({{"ReplicationTime", object({{"Status", "Enabled"}, {"Time", object({{"Minutes", minutes}})}})}});
  };
  const std::tuple<std::string, std::string, int> all[] = {
      {putting({}), "MalformedXML", __LINE__},
      {putting({v1()}, "nobody"), "InvalidArgument", __LINE__},
      {putting({v1()}, "arn:aws:iam::" + kOther + ":role/r"), kms::kDenied, __LINE__},
      {putting({v1(object({{"Status", "Maybe"}}))}), "MalformedXML", __LINE__},
      {putting({v1(object({{"Priority", 1}}))}), "InvalidRequest", __LINE__},
      {putting({v1(markers("Enabled"))}), "InvalidRequest", __LINE__},
      {putting({v1(object({{"Filter", object({{"Prefix", ""}})}}))}), "MalformedXML", __LINE__},
      {putting({without(v2(), "DeleteMarkerReplication")}), "InvalidRequest", __LINE__},
      {putting({without(v2(), "Priority")}), "InvalidRequest", __LINE__},
      {putting({v2(object({{"Priority", -1}}))}), "InvalidArgument", __LINE__},
      {putting({v2(with(tag_filter(), markers("Enabled")))}), "InvalidRequest", __LINE__},
      {putting({v2(tag_filter())}), "", __LINE__},
      {putting({v2(), v1()}), "InvalidRequest", __LINE__},
      {putting({v2(), v2()}), "InvalidRequest", __LINE__},
      {putting({v2(), second({})}), "", __LINE__},
      {putting({v2(object({{"ID", "x"}})), second(object({{"ID", "x"}}))}), "InvalidArgument", __LINE__},
      {putting({v2(object({{"ID", std::string(256, 'x')}}))}), "InvalidArgument", __LINE__},
      {putting({v2(object({{"ID", std::string(255, 'x')}}))}), "", __LINE__},
      {putting({v2(object({{"ExistingObjectReplication", object({{"Status", "Enabled"}})}}))}), "InvalidRequest",
       __LINE__},
      {putting({v2(object({{"Destination", object({{"Bucket", "destination"}})}}))}), "InvalidArgument", __LINE__},
      {putting({v2(to({}, kBucket))}), "InvalidRequest", __LINE__},
      {putting({v2(to({}, "missing"))}), "InvalidRequest", __LINE__},
      {putting({v2(to(object({{"Account", kOther}}), "elsewhere"))}), "", __LINE__},
      {putting({v2(to(object({{"Account", kOther}})))}), "InvalidRequest", __LINE__},
      {putting({v2(to(object({{"StorageClass", "LUKEWARM"}})))}), "MalformedXML", __LINE__},
      {putting({v2(to(object({{"AccessControlTranslation", object({{"Owner", "Destination"}})}})))}), "InvalidRequest",
       __LINE__},
      {putting({v2(kms_on)}), "InvalidRequest", __LINE__},
      {putting({v2(to(key))}), "InvalidRequest", __LINE__},
      {putting({v2(with(kms_on, to(key)))}), "", __LINE__},
      {putting({v2(to(time(15)))}), "InvalidRequest", __LINE__},
      {putting({v2(to(with(time(15), metrics)))}), "", __LINE__},
      {putting({v2(to(with(time(10), metrics)))}), "InvalidArgument", __LINE__}};
  for (const auto& [answer, expected, line] : all) EXPECT_EQ(answer, expected) << "line " << line;
  std::vector<Value> many(1001, v2());
  EXPECT_EQ(doing("PutBucketReplication",
                  nested("ReplicationConfiguration", object({{"Role", "arn:aws:iam::" + kHome + ":role/r"},
                                                             {"Rules", List(many.begin(), many.end())}}))),
            "MalformedXML");
}

// ---- notification, logging, CORS, tags

TEST_F(BucketSettingsTest, Notification) {
  const auto put = [&](const Value& configuration, bool skip = true) {
    return doing("PutBucketNotificationConfiguration",
                 object({{"NotificationConfiguration", configuration}, {"SkipDestinationValidation", skip}}));
  };
  const auto queue = [](const Value& more = Value::object()) {
    return with(object({{"QueueArn", "arn:aws:sqs:us-east-1:" + kHome + ":q"}, {"Events", List{"s3:ObjectCreated:*"}}}),
                more);
  };
  const auto queues = [](std::initializer_list<Value> all) { return object({{"QueueConfigurations", List(all)}}); };
  const auto filter = [](const char* name, const char* value) {
    return object(
        {{"Filter", object({{"Key", object({{"FilterRules", List{object({{"Name", name}, {"Value", value}})}}})}})}});
  };
  EXPECT_EQ(put(object({{"EventBridgeConfiguration", Value::object()}})), "");
  EXPECT_TRUE(did("GetBucketNotificationConfiguration", on_bucket()).has("EventBridgeConfiguration"));
  EXPECT_EQ(put(queues({queue()}), false), "InvalidArgument");
  EXPECT_EQ(put(queues({queue()})), "");
  EXPECT_FALSE(
      did("GetBucketNotificationConfiguration", on_bucket()).list("QueueConfigurations")[0].text("Id").empty());
  EXPECT_EQ(put(queues({queue(object({{"QueueArn", "arn:aws:sns:us-east-1:" + kHome + ":q"}}))})), "InvalidArgument");
  EXPECT_EQ(put(queues({queue(object({{"Events", List{"s3:ObjectEaten"}}}))})), "InvalidArgument");
  EXPECT_EQ(put(queues({queue(filter("infix", "a"))})), "InvalidArgument");
  EXPECT_EQ(put(queues({queue(filter("Prefix", "a"))})), "");
  EXPECT_EQ(put(queues({queue(), queue()})), "InvalidArgument");
  EXPECT_EQ(put(queues({queue(filter("prefix", "a")), queue(filter("prefix", "ab"))})), "InvalidArgument");
  EXPECT_EQ(put(queues({queue(filter("prefix", "a")), queue(filter("prefix", "b"))})), "");
  EXPECT_EQ(
      put(queues({queue(object({{"Id", "x"}})), queue(object({{"Id", "x"}, {"Events", List{"s3:ObjectTagging:*"}}}))})),
      "InvalidArgument");
  EXPECT_EQ(put(Value::object()), "");
  EXPECT_EQ(did("GetBucketNotificationConfiguration", on_bucket()), Value::object());
}

TEST_F(BucketSettingsTest, Logging) {
  make_bucket("logs");
  must(s3(root(kOther), "CreateBucket", on_bucket({}, "theirs")).output);
  did("CreateBucket",
      on_bucket(object({{"CreateBucketConfiguration", object({{"LocationConstraint", kms::kFar}})}}), "far"));
  const auto put_all = [&](const Value& enabled) {
    return doing("PutBucketLogging", nested("BucketLoggingStatus", object({{"LoggingEnabled", enabled}})));
  };
  const auto put = [&](const char* target) {
    return put_all(object({{"TargetBucket", target}, {"TargetPrefix", "log/"}}));
  };
  EXPECT_EQ(put("logs"), "");
  EXPECT_EQ(did("GetBucketLogging", on_bucket()).find("LoggingEnabled")->text("TargetBucket"), "logs");
  EXPECT_EQ(put("missing"), "InvalidTargetBucketForLogging");
  EXPECT_EQ(put("theirs"), "InvalidTargetBucketForLogging");
  EXPECT_EQ(put("far"), "CrossLocationLoggingProhibited");
  EXPECT_EQ(put_all(object({{"TargetBucket", "logs"}})), "MalformedXML");
  EXPECT_EQ(doing("PutBucketLogging", nested("BucketLoggingStatus", object({}))), "");
  EXPECT_EQ(did("GetBucketLogging", on_bucket()), Value::object());
}

TEST_F(BucketSettingsTest, Cors) {
  const auto put = [&](const Value& more) {
    const Value rule = with(object({{"AllowedMethods", List{"GET"}}, {"AllowedOrigins", List{"*"}}}), more);
    return doing("PutBucketCors", nested("CORSConfiguration", object({{"CORSRules", List{rule}}})));
  };
  EXPECT_EQ(put(object({{"AllowedHeaders", List{"x-*"}}, {"ExposeHeaders", List{"ETag"}}, {"MaxAgeSeconds", 5}})), "");
  EXPECT_EQ(did("GetBucketCors", on_bucket()).list("CORSRules")[0].integer("MaxAgeSeconds"), 5);
  EXPECT_EQ(must(s3_->cors_of(Context(), kBucket)), did("GetBucketCors", on_bucket()));
  EXPECT_TRUE(must(s3_->cors_of(Context(), "missing")).is_null());
  EXPECT_EQ(put(object({{"AllowedMethods", List{"PATCH"}}})), "InvalidRequest");
  EXPECT_EQ(put(object({{"AllowedMethods", List{}}})), "MalformedXML");
  EXPECT_EQ(put(object({{"AllowedOrigins", List{"http://*.a.*"}}})), "InvalidRequest");
  EXPECT_EQ(put(object({{"AllowedHeaders", List{"*a*"}}})), "InvalidRequest");
  EXPECT_EQ(put(object({{"ExposeHeaders", List{"x-*"}}})), "InvalidRequest");
  EXPECT_EQ(doing("PutBucketCors", nested("CORSConfiguration", object({{"CORSRules", List{}}}))), "MalformedXML");
}

TEST_F(BucketSettingsTest, Tags) {
  const auto put = [&](const Value& set) {
    return doing("PutBucketTagging", nested("Tagging", object({{"TagSet", set}})));
  };
  EXPECT_EQ(put(iam::tags({{"b", "2"}, {"a", ""}})), "");
  EXPECT_EQ(did("GetBucketTagging", on_bucket()).list("TagSet").size(), 2u);
  EXPECT_EQ(put(iam::tags({{"a", "1"}, {"a", "2"}})), "InvalidTag");
  EXPECT_EQ(put(iam::tags({{"", "1"}})), "InvalidTag");
  EXPECT_EQ(put(iam::tags({{"aws:x", "1"}})), "InvalidTag");
  EXPECT_EQ(put(iam::tags({{"a&b", "1"}})), "InvalidTag");
  EXPECT_EQ(put(iam::tags({{std::string(129, 'a').c_str(), "1"}})), "InvalidTag");
  EXPECT_EQ(put(iam::tags({{"a", std::string(257, 'a').c_str()}})), "InvalidTag");
  EXPECT_EQ(put(iam::tags({{std::string(128, 'a').c_str(), std::string(256, 'b').c_str()}})), "");
  List many;
  for (int i = 0; i < 50; ++i) many.push_back(object({{"Key", "k" + std::to_string(i)}, {"Value", "v"}}));
  EXPECT_EQ(put(many), "");
  many.push_back(object({{"Key", "one more"}, {"Value", "v"}}));
  EXPECT_EQ(put(many), "BadRequest");
  did("DeleteBucketTagging", on_bucket());
  EXPECT_EQ(doing("GetBucketTagging"), "NoSuchTagSet");
}

TEST_F(BucketSettingsTest, ThoseOfWhichThereIsOnlyTheDefault) {
  const auto payer = [&](const char* who) {
    return doing("PutBucketRequestPayment", nested("RequestPaymentConfiguration", object({{"Payer", who}})));
  };
  EXPECT_EQ(payer("BucketOwner"), "");
  EXPECT_EQ(payer("Requester"), "NotImplemented");
  EXPECT_EQ(payer("Nobody"), "MalformedXML");
  const auto accelerate = [&](const char* status) {
    return doing("PutBucketAccelerateConfiguration", nested("AccelerateConfiguration", object({{"Status", status}})));
  };
  EXPECT_EQ(accelerate("Suspended"), "");
  EXPECT_EQ(accelerate("Enabled"), "NotImplemented");
}

}  // namespace
}  // namespace coffer::s3
