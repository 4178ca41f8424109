// When a key was last used, as the audit log has it.
#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class LastUsage : public World {
 protected:
  Value asked(const std::string& key_id, const std::string& region = "us-east-1") {
    must(audit_->flush(Context()));
    return must(kms(root(), "GetKeyLastUsage", object({{"KeyId", key_id}}), Way{.region = region}));
  }
  std::string operation(const std::string& key_id, const std::string& region = "us-east-1") {
    const Value answer = asked(key_id, region);
    const Value* usage = answer.find("KeyLastUsage");
    return usage ? std::string(usage->text("Operation")) : "";
  }
  const std::string id = key();
};

TEST_F(LastUsage, OfAKeyThatWasNeverUsedIsAbsent) {
  const Value answer = asked(id);
  EXPECT_EQ(answer.text("KeyId"), arn(id));
  EXPECT_FALSE(answer.has("KeyLastUsage"));
  EXPECT_EQ(answer.time("KeyCreationDate"), describe(id).time("CreationDate"));
  EXPECT_EQ(answer.time("TrackingStartDate"), answer.time("KeyCreationDate"));
}

TEST_F(LastUsage, IsTheNewestSuccessfulUseAndNothingElse) {
  const Bytes blob = encrypt(id, "x");
  clock_.advance(std::chrono::hours(1));
  opened(blob);
  const WallTime used = clock_.wall();
  clock_.advance(std::chrono::hours(1));
  describe(id);
  EXPECT_EQ(opened(blob, map_of({{"wrong", "context"}})), "InvalidCiphertextException");
  EXPECT_EQ(using_key(user("nobody"), id), kDenied);
  EXPECT_EQ(error_of(kms("Encrypt", object({{"KeyId", id}, {"Plaintext", to_bytes("x")}, {"DryRun", true}}))),
            "DryRunOperationException");
  encrypt(key(), "with another key");
  const Value usage = *asked(id).find("KeyLastUsage");
  EXPECT_EQ(usage.text("Operation"), "Decrypt");
  EXPECT_EQ(usage.time("Timestamp"), used);
  EXPECT_EQ(usage.text("CloudTrailEventId").size(), 36U);
  EXPECT_EQ(usage.text("KmsRequestId"), "00000000-0000-4000-8000-000000000000");
}

TEST_F(LastUsage, IsFoundBehindManyOtherRecords) {
  encrypt(id, "x");
  clock_.advance(std::chrono::seconds(1));
  for (int i = 0; i < 450; ++i) describe(id);
  EXPECT_EQ(operation(id), "Encrypt");
}

TEST_F(LastUsage, IsKeptForBothKeysOfAReEncrypt) {
  const std::string other = key();
  must(kms("ReEncrypt", object({{"CiphertextBlob", encrypt(id, "x")}, {"DestinationKeyId", other}})));
  EXPECT_EQ(operation(other), "ReEncrypt");
}

TEST_F(LastUsage, OfAReplicaIsItsOwn) {
  const std::string shared = key(object({{"MultiRegion", true}}));
  must(kms("ReplicateKey", object({{"KeyId", shared}, {"ReplicaRegion", kFar}})));
  must(far("Encrypt", object({{"KeyId", shared}, {"Plaintext", to_bytes("x")}})));
  EXPECT_EQ(operation(shared), "");
  EXPECT_EQ(operation(shared, kFar), "Encrypt");
}

TEST_F(LastUsage, ByAnotherAccountIsSeenByTheOwner) {
  const std::string shared = key(object({{"Policy", key_policy({account_statement(), account_statement(kOther)})}}));
  EXPECT_EQ(using_key(stranger("with", allow("kms:*")), shared), "");
  EXPECT_EQ(operation(shared), "Encrypt");
  EXPECT_EQ(error_of(kms(stranger("curious", allow("kms:*")), "GetKeyLastUsage", object({{"KeyId", arn(shared)}}))),
            kDenied);
}

}  // namespace
}  // namespace coffer::kms
