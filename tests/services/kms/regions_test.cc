// Multi-Region keys: one key with one material in several Regions, everything else apart.
#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class Regions : public World {
 protected:
  std::string replicate(const std::string& key_id, Value more = object({})) {
    more.set("KeyId", key_id);
    if (!more.has("ReplicaRegion")) more.set("ReplicaRegion", kFar);
    return error_of(kms("ReplicateKey", std::move(more)));
  }
  static std::string type(const Value& metadata) {
    return std::string(metadata.find("MultiRegionConfiguration")->text("MultiRegionKeyType"));
  }
  const std::string id = key(object({{"MultiRegion", true}, {"Description", "here"}}));
  const Way there{.region = kFar};
};

TEST_F(Regions, APrimaryIsNamedAfterWhatItIs) {
  EXPECT_TRUE(id.starts_with("mrk-"));
  EXPECT_EQ(id.size(), 36U);
  const Value made = describe(id);
  EXPECT_TRUE(made.flag("MultiRegion"));
  EXPECT_EQ(type(made), "PRIMARY");
  EXPECT_EQ(made.find("MultiRegionConfiguration")->find("PrimaryKey")->text("Arn"), arn(id));
  EXPECT_TRUE(made.find("MultiRegionConfiguration")->list("ReplicaKeys").empty());
}

TEST_F(Regions, AReplicaOpensWhatThePrimarySealedAndTheOtherWayRound) {
  const Bytes here = encrypt(id, "here");
  const Value made = must(kms(
      "ReplicateKey",
      object({{"KeyId", id}, {"ReplicaRegion", kFar}, {"Description", "there"}, {"Tags", tag_list({{"a", "b"}})}})));
  const Value& metadata = *made.find("ReplicaKeyMetadata");
  EXPECT_EQ(metadata.text("KeyId"), id);
  EXPECT_EQ(metadata.text("Arn"), arn(id, kFar));
  EXPECT_EQ(metadata.text("Description"), "there");
  EXPECT_EQ(type(metadata), "REPLICA");
  EXPECT_EQ(made.list("ReplicaTags").size(), 1U);
  EXPECT_NE(made.text("ReplicaPolicy"), "");
  const Value configuration = *describe(id).find("MultiRegionConfiguration");
  EXPECT_EQ(configuration.list("ReplicaKeys").at(0).text("Region"), kFar);
  EXPECT_EQ(must(decrypt(here, {}, there)).text("KeyId"), arn(id, kFar));
  const Bytes sealed_there =
      to_bytes(must(far("Encrypt", object({{"KeyId", id}, {"Plaintext", to_bytes("there")}}))).blob("CiphertextBlob"));
  EXPECT_EQ(opened(sealed_there), "there");
}

TEST_F(Regions, KeysOfOneRegionStayThere) {
  const Bytes blob = encrypt(key(), "x");
  EXPECT_EQ(opened(blob, {}, there), "InvalidCiphertextException");
}

TEST_F(Regions, ReplicasAreMadeFromPrimariesOncePerRegion) {
  EXPECT_EQ(replicate(id), "");
  EXPECT_EQ(replicate(id), "AlreadyExistsException");
  EXPECT_EQ(replicate(id, object({{"ReplicaRegion", "us-east-1"}})), "AlreadyExistsException");
  EXPECT_EQ(replicate(id, object({{"ReplicaRegion", "mars-1"}})), "UnsupportedOperationException");
  EXPECT_EQ(replicate(key()), "UnsupportedOperationException");
  EXPECT_EQ(error_of(far("ReplicateKey", object({{"KeyId", id}, {"ReplicaRegion", "us-east-1"}}))),
            "UnsupportedOperationException");
}

TEST_F(Regions, PolicyTagsAliasesGrantsAndStateAreApart) {
  replicate(id);
  must(far("DisableKey", object({{"KeyId", id}})));
  EXPECT_EQ(state(id), "Enabled");
  must(far("CreateAlias", object({{"AliasName", "alias/far"}, {"TargetKeyId", id}})));
  EXPECT_EQ(error_of(kms("DescribeKey", object({{"KeyId", "alias/far"}}))), "NotFoundException");
  must(far("TagResource", object({{"KeyId", id}, {"Tags", tag_list({{"a", "b"}})}})));
  EXPECT_TRUE(must(kms("ListResourceTags", object({{"KeyId", id}}))).list("Tags").empty());
  const Keys alice = user("alice");
  must(kms("CreateGrant",
           object({{"KeyId", id}, {"GranteePrincipal", user_arn("alice")}, {"Operations", texts({"DescribeKey"})}})));
  EXPECT_EQ(error_of(kms(alice, "DescribeKey", object({{"KeyId", id}}))), "");
  EXPECT_EQ(error_of(kms(alice, "DescribeKey", object({{"KeyId", id}}), there)), kDenied);
}

TEST_F(Regions, RotationIsOneForAll) {
  replicate(id);
  const Bytes old = encrypt(id, "old");
  must(kms("EnableKeyRotation", object({{"KeyId", id}, {"RotationPeriodInDays", 90}})));
  EXPECT_TRUE(must(far("GetKeyRotationStatus", object({{"KeyId", id}}))).flag("KeyRotationEnabled"));
  pass(days(90));
  EXPECT_EQ(describe(id).text("CurrentKeyMaterialId"), describe(id, kFar).text("CurrentKeyMaterialId"));
  EXPECT_EQ(must(far("ListKeyRotations", object({{"KeyId", id}}))).list("Rotations").size(), 1U);
  EXPECT_EQ(opened(old, {}, there), "old");
  EXPECT_EQ(opened(encrypt(id, "new"), {}, there), "new");
}

TEST_F(Regions, RotationIsSetOnThePrimaryAlone) {
  replicate(id);
  must(kms("EnableKeyRotation", object({{"KeyId", id}})));
  for (const char* operation : {"EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"})
    EXPECT_EQ(error_of(far(operation, object({{"KeyId", id}}))), "UnsupportedOperationException") << operation;
  EXPECT_TRUE(must(kms("GetKeyRotationStatus", object({{"KeyId", id}}))).flag("KeyRotationEnabled"));
}

class PrimaryRegion : public Regions {
 protected:
  std::string moved(const Keys& keys, const std::string& region, const Way& way = {}) {
    return error_of(kms(keys, "UpdatePrimaryRegion", object({{"KeyId", id}, {"PrimaryRegion", region}}), way));
  }
  std::string moved(const std::string& region, const Way& way = {}) { return moved(root(), region, way); }
};

TEST_F(PrimaryRegion, MovesToAReplicaAndBack) {
  replicate(id);
  must(kms("EnableKeyRotation", object({{"KeyId", id}, {"RotationPeriodInDays", 90}})));
  const Bytes blob = encrypt(id, "x");
  EXPECT_EQ(moved(kFar), "");
  EXPECT_EQ(type(describe(id)), "REPLICA");
  EXPECT_EQ(type(describe(id, kFar)), "PRIMARY");
  const Value configuration = *describe(id).find("MultiRegionConfiguration");
  EXPECT_EQ(configuration.find("PrimaryKey")->text("Region"), kFar);
  EXPECT_EQ(configuration.list("ReplicaKeys").at(0).text("Region"), "us-east-1");
  EXPECT_EQ(opened(blob), "x");
  // What belongs to the primary goes with it.
  EXPECT_EQ(error_of(kms("RotateKeyOnDemand", object({{"KeyId", id}}))), "UnsupportedOperationException");
  EXPECT_EQ(error_of(far("RotateKeyOnDemand", object({{"KeyId", id}}))), "");
  EXPECT_EQ(must(kms("ScheduleKeyDeletion", object({{"KeyId", id}}))).text("KeyState"), "PendingDeletion");
  must(kms("CancelKeyDeletion", object({{"KeyId", id}})));
  must(kms("EnableKey", object({{"KeyId", id}})));
  pass(days(90));
  EXPECT_EQ(must(far("ListKeyRotations", object({{"KeyId", id}}))).list("Rotations").size(), 2U);
  EXPECT_EQ(moved("us-east-1", there), "");
  EXPECT_EQ(type(describe(id)), "PRIMARY");
}

TEST_F(PrimaryRegion, MovesOnlyFromThePrimaryToAReplicaThatWorks) {
  EXPECT_EQ(moved(kFar), "NotFoundException");
  EXPECT_EQ(moved("us-east-1"), "UnsupportedOperationException");
  replicate(id);
  EXPECT_EQ(moved("us-east-1", there), "UnsupportedOperationException");
  EXPECT_EQ(error_of(kms("UpdatePrimaryRegion", object({{"KeyId", key()}, {"PrimaryRegion", kFar}}))),
            "UnsupportedOperationException");
  must(kms("DisableKey", object({{"KeyId", id}})));
  EXPECT_EQ(moved(kFar), "DisabledException");
  must(kms("EnableKey", object({{"KeyId", id}})));
  must(far("DisableKey", object({{"KeyId", id}})));
  EXPECT_EQ(moved(kFar), "DisabledException");
  must(far("ScheduleKeyDeletion", object({{"KeyId", id}})));
  EXPECT_EQ(moved(kFar), "KMSInvalidStateException");
}

TEST_F(PrimaryRegion, NeedsAPermissionOnBothKeys) {
  replicate(id);
  const Keys here = user("here", allow("kms:UpdatePrimaryRegion", arn(id)));
  const Keys over_there = user("over-there", allow("kms:UpdatePrimaryRegion", arn(id, kFar)));
  EXPECT_EQ(moved(here, kFar), kDenied);
  EXPECT_EQ(moved(over_there, kFar), kDenied);
  EXPECT_EQ(moved(user("both", allow("kms:UpdatePrimaryRegion")), kFar), "");
}

TEST_F(Regions, ThePrimaryGoesAfterItsLastReplica) {
  replicate(id);
  const Bytes blob = encrypt(id, "x");
  const Value scheduled = must(kms("ScheduleKeyDeletion", object({{"KeyId", id}, {"PendingWindowInDays", 10}})));
  EXPECT_EQ(scheduled.text("KeyState"), "PendingReplicaDeletion");
  EXPECT_FALSE(scheduled.has("DeletionDate"));
  EXPECT_EQ(describe(id).integer("PendingDeletionWindowInDays"), 10);
  pass(days(50));
  EXPECT_EQ(state(id), "PendingReplicaDeletion");
  EXPECT_EQ(opened(blob, {}, there), "x");
  must(far("ScheduleKeyDeletion", object({{"KeyId", id}, {"PendingWindowInDays", 7}})));
  pass(days(7));
  EXPECT_EQ(error_of(far("DescribeKey", object({{"KeyId", id}}))), "NotFoundException");
  EXPECT_EQ(state(id), "PendingDeletion");  // its own window begins now
  pass(days(9));
  EXPECT_EQ(state(id), "PendingDeletion");
  pass(days(1));
  EXPECT_EQ(error_of(kms("DescribeKey", object({{"KeyId", id}}))), "NotFoundException");
  EXPECT_TRUE(must(read()->run("SELECT 1 FROM kms_materials")).empty());
}

TEST_F(Regions, AReplicaGoesAlone) {
  replicate(id);
  const Bytes blob = encrypt(id, "x");
  must(far("ScheduleKeyDeletion", object({{"KeyId", id}, {"PendingWindowInDays", 7}})));
  pass(days(7));
  EXPECT_EQ(opened(blob), "x");
  EXPECT_EQ(replicate(id), "");
  EXPECT_EQ(opened(blob, {}, there), "x");
}

}  // namespace
}  // namespace coffer::kms
