// What time does to keys: rotation, deletion; and what a restart must not do.
#include <filesystem>

#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class Lifecycle : public World {
 protected:
  using World::World;
  Value rotation(const std::string& id) { return must(kms("GetKeyRotationStatus", object({{"KeyId", id}}))); }
  std::vector<Value> rotations(const std::string& id, bool all = false) {
    Value input = object({{"KeyId", id}});
    if (all) input.set("IncludeKeyMaterial", "ALL_KEY_MATERIAL");
    return list("ListKeyRotations", "Rotations", input, 2);
  }
  std::string rotated(const std::string& id) { return error_of(kms("RotateKeyOnDemand", object({{"KeyId", id}}))); }
};

TEST_F(Lifecycle, RotationComesByTheClockAndOldMaterialKeepsDecrypting) {
  const std::string id = key();
  EXPECT_FALSE(rotation(id).flag("KeyRotationEnabled"));
  must(kms("EnableKeyRotation", object({{"KeyId", id}, {"RotationPeriodInDays", 90}})));
  EXPECT_EQ(rotation(id).integer("RotationPeriodInDays"), 90);
  EXPECT_EQ(rotation(id).time("NextRotationDate")->micros,
            clock_.wall().micros + std::chrono::microseconds(days(90)).count());
  std::vector<Bytes> blobs;
  std::vector<std::string> materials;
  for (int i = 0; i < 4; ++i) {
    blobs.push_back(encrypt(id, "at " + std::to_string(i)));
    materials.emplace_back(describe(id).text("CurrentKeyMaterialId"));
    pass(days(89));
    EXPECT_EQ(describe(id).text("CurrentKeyMaterialId"), materials.back());
    pass(days(1));
    EXPECT_NE(describe(id).text("CurrentKeyMaterialId"), materials.back());
  }
  for (int i = 0; i < 4; ++i) {
    const Value plain = must(decrypt(blobs[static_cast<size_t>(i)]));
    EXPECT_EQ(to_text(plain.blob("Plaintext")), "at " + std::to_string(i));
    EXPECT_EQ(plain.text("KeyMaterialId"), materials[static_cast<size_t>(i)]);
  }
  EXPECT_EQ(rotations(id).size(), 4U);
  const auto all = rotations(id, true);
  ASSERT_EQ(all.size(), 5U);
  EXPECT_FALSE(all[0].has("RotationDate"));
  for (size_t i = 1; i < all.size(); ++i) {
    EXPECT_EQ(all[i].text("RotationType"), "AUTOMATIC");
    EXPECT_EQ(all[i].text("KeyMaterialState"), i == 4 ? "CURRENT" : "NON_CURRENT");
  }
  must(kms("DisableKeyRotation", object({{"KeyId", id}})));
  EXPECT_FALSE(rotation(id).has("NextRotationDate"));
  pass(days(400));
  EXPECT_EQ(rotations(id).size(), 4U);
}

TEST_F(Lifecycle, TheDefaultPeriodIsAYear) {
  const std::string id = key();
  must(kms("EnableKeyRotation", object({{"KeyId", id}})));
  EXPECT_EQ(rotation(id).integer("RotationPeriodInDays"), 365);
}

TEST_F(Lifecycle, ADisabledKeyIsRotatedOnceItIsEnabledAgain) {
  const std::string id = key();
  must(kms("EnableKeyRotation", object({{"KeyId", id}, {"RotationPeriodInDays", 90}})));
  must(kms("DisableKey", object({{"KeyId", id}})));
  pass(days(100));
  EXPECT_TRUE(rotations(id).empty());
  must(kms("EnableKey", object({{"KeyId", id}})));
  pass(days(0));
  EXPECT_EQ(rotations(id).size(), 1U);
}

TEST_F(Lifecycle, AKeyThatIsGoingDoesNotRotate) {
  const std::string id = key();
  must(kms("EnableKeyRotation", object({{"KeyId", id}, {"RotationPeriodInDays", 90}})));
  must(kms("ScheduleKeyDeletion", object({{"KeyId", id}})));
  EXPECT_FALSE(rotation(id).flag("KeyRotationEnabled"));
  must(kms("CancelKeyDeletion", object({{"KeyId", id}})));
  EXPECT_TRUE(rotation(id).flag("KeyRotationEnabled"));
}

TEST_F(Lifecycle, RotationOnDemandHasItsLimit) {
  const std::string id = key();
  const Bytes blob = encrypt(id, "first");
  for (int i = 0; i < 25; ++i) EXPECT_EQ(rotated(id), "");
  EXPECT_EQ(rotated(id), "LimitExceededException");
  EXPECT_EQ(opened(blob), "first");
  EXPECT_EQ(opened(encrypt(id, "last")), "last");
  ASSERT_EQ(rotations(id).size(), 25U);
  EXPECT_EQ(rotations(id)[0].text("RotationType"), "ON_DEMAND");
}

TEST_F(Lifecycle, RotationOnDemandLeavesTheScheduleAlone) {
  const std::string id = key();
  must(kms("EnableKeyRotation", object({{"KeyId", id}, {"RotationPeriodInDays", 90}})));
  const auto next = rotation(id).time("NextRotationDate");
  pass(days(10));
  EXPECT_EQ(rotated(id), "");
  EXPECT_EQ(rotation(id).time("NextRotationDate"), next);
  clock_.advance(days(80) - std::chrono::minutes(20));
  EXPECT_EQ(rotated(id), "ConflictException");  // the other one is about to come
  pass(std::chrono::hours(1));
  EXPECT_EQ(rotated(id), "");
  EXPECT_EQ(rotations(id).size(), 3U);
}

TEST_F(Lifecycle, OnlySymmetricKeysRotate) {
  const std::string mac = key(object({{"KeySpec", "HMAC_256"}, {"KeyUsage", "GENERATE_VERIFY_MAC"}}));
  EXPECT_EQ(rotated(mac), "UnsupportedOperationException");
  for (const char* operation : {"EnableKeyRotation", "DisableKeyRotation", "GetKeyRotationStatus", "ListKeyRotations"})
    EXPECT_EQ(error_of(kms(operation, object({{"KeyId", mac}}))), "UnsupportedOperationException") << operation;
}

// Deletion.

TEST_F(Lifecycle, DeletionComesAfterTheWindow) {
  const std::string id = key();
  const Bytes blob = encrypt(id, "x");
  const Value scheduled = must(kms("ScheduleKeyDeletion", object({{"KeyId", id}, {"PendingWindowInDays", 7}})));
  EXPECT_EQ(scheduled.text("KeyId"), arn(id));
  EXPECT_EQ(scheduled.text("KeyState"), "PendingDeletion");
  EXPECT_EQ(scheduled.integer("PendingWindowInDays"), 7);
  EXPECT_EQ(describe(id).time("DeletionDate"), scheduled.time("DeletionDate"));
  pass(days(7) - std::chrono::hours(1));
  EXPECT_EQ(state(id), "PendingDeletion");
  pass(std::chrono::hours(1));
  EXPECT_EQ(error_of(kms("DescribeKey", object({{"KeyId", id}}))), "NotFoundException");
  EXPECT_EQ(opened(blob), "InvalidCiphertextException");
  auto t = read();
  for (const char* table : {"kms_keys", "kms_materials"})
    EXPECT_EQ(must(t->run(std::string("SELECT 1 FROM ") + table)).size(), 0U) << table;
}

TEST_F(Lifecycle, ACancelledDeletionLeavesTheKeyDisabled) {
  const std::string id = key();
  const Bytes blob = encrypt(id, "x");
  must(kms("ScheduleKeyDeletion", object({{"KeyId", id}})));
  EXPECT_EQ(must(kms("CancelKeyDeletion", object({{"KeyId", id}}))).text("KeyId"), arn(id));
  EXPECT_EQ(state(id), "Disabled");
  EXPECT_FALSE(describe(id).has("DeletionDate"));
  pass(days(40));
  must(kms("EnableKey", object({{"KeyId", id}})));
  EXPECT_EQ(opened(blob), "x");
}

TEST_F(Lifecycle, TheWindowIsSevenToThirtyDays) {
  for (int window : {1, 6, 31, 365})
    EXPECT_EQ(error_of(kms("ScheduleKeyDeletion", object({{"KeyId", key()}, {"PendingWindowInDays", window}}))),
              "ValidationException");
  const std::string id = key();
  EXPECT_EQ(must(kms("ScheduleKeyDeletion", object({{"KeyId", id}}))).integer("PendingWindowInDays"), 30);
}

// Restart.

class Restart : public Lifecycle {
 protected:
  static std::string fresh() {
    const std::string path = testing::TempDir() + "kms_restart_" + std::to_string(getpid()) + ".db";
    for (const char* part : {"", "-wal", "-shm"}) std::filesystem::remove(path + part);
    return path;
  }
  Restart() : Restart(fresh()) {}
  explicit Restart(const std::string& path) : Lifecycle(path), path_(path) {}
  void restart() {
    close_kms();
    authority_.reset();
    database_ = must(catalog::Database::open(path_));
    reopen();
    open_kms();
  }
  const std::string path_;
};

TEST_F(Restart, ChangesNothing) {
  const std::string id = key(object({{"MultiRegion", true}, {"Tags", tag_list({{"a", "b"}})}}));
  const Value context = map_of({{"line\nbreak", "back\\slash"}});
  std::vector<Bytes> blobs;
  for (int i = 0; i < 3; ++i) {
    blobs.push_back(encrypt(id, std::to_string(i), context));
    rotated(id);
  }
  const std::string signer = key(object({{"KeySpec", "ECC_NIST_P256"}, {"KeyUsage", "SIGN_VERIFY"}}));
  Value signing = object({{"KeyId", signer}, {"Message", to_bytes("m")}, {"SigningAlgorithm", "ECDSA_SHA_256"}});
  signing.set("Signature", to_bytes(must(kms("Sign", signing)).blob("Signature")));
  const std::string mac = key(object({{"KeySpec", "HMAC_512"}, {"KeyUsage", "GENERATE_VERIFY_MAC"}}));
  Value macing = object({{"KeyId", mac}, {"Message", to_bytes("m")}, {"MacAlgorithm", "HMAC_SHA_512"}});
  macing.set("Mac", to_bytes(must(kms("GenerateMac", macing)).blob("Mac")));
  must(kms("CreateAlias", object({{"AliasName", "alias/a"}, {"TargetKeyId", id}})));
  must(kms("ReplicateKey", object({{"KeyId", id}, {"ReplicaRegion", kFar}})));
  const Keys grantee = user("grantee");
  must(kms("CreateGrant", object({{"KeyId", id},
                                  {"GranteePrincipal", user_arn("grantee")},
                                  {"Operations", texts({"Encrypt", "Decrypt"})},
                                  {"Constraints", object({{"EncryptionContextEquals", context}})}})));
  const Value before = describe(id);
  const std::string marker(must(kms("ListKeys", object({{"Limit", 1}}))).text("NextMarker"));

  restart();

  EXPECT_EQ(describe("alias/a"), before);
  for (size_t i = 0; i < blobs.size(); ++i) {
    EXPECT_EQ(opened(blobs[i], context), std::to_string(i));
    EXPECT_EQ(opened(blobs[i], context, Way{.region = kFar}), std::to_string(i));
  }
  EXPECT_EQ(error_of(kms("Verify", signing)), "");
  EXPECT_EQ(error_of(kms("VerifyMac", macing)), "");
  EXPECT_EQ(using_key(grantee, id, context), "");
  EXPECT_EQ(using_key(grantee, id), kDenied);
  EXPECT_EQ(error_of(kms("ListKeys", object({{"Marker", marker}}))), "");
  EXPECT_EQ(must(kms("ListResourceTags", object({{"KeyId", id}}))).list("Tags").size(), 1U);
}

TEST_F(Restart, WithAnotherRootOpensNothing) {
  const Bytes blob = encrypt(key(), "x");
  root_ = Secret(Bytes(64, std::byte{9}));
  close_kms();
  open_kms();  // IAM keeps the old one: only key material is looked at
  const auto failure = decrypt(blob);
  ASSERT_FALSE(failure.ok());
  EXPECT_EQ(failure.code(), ErrorCode::kCorruption);
}

}  // namespace
}  // namespace coffer::kms
