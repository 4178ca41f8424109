// Key material that its owner brings: wrapping, tokens, expiry by the clock, coming back.
#include "engine/crypto/key_wrap.h"
#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class Import : public World {
 protected:
  std::string waiting(bool multi_region = false) {
    return key(object({{"Origin", "EXTERNAL"}, {"MultiRegion", multi_region}}));
  }
  Value parameters(const std::string& id, const char* algorithm, const char* spec = "RSA_2048") {
    return must(kms("GetParametersForImport",
                    object({{"KeyId", id}, {"WrappingAlgorithm", algorithm}, {"WrappingKeySpec", spec}})));
  }
  static Value wrapped(const std::string& id, const Value& from, ByteView material,
                       crypto::Hash hash = crypto::Hash::kSha256) {
    return object({{"KeyId", id},
                   {"ImportToken", to_bytes(from.blob("ImportToken"))},
                   {"EncryptedKeyMaterial", must(crypto::encrypt_oaep_to(from.blob("PublicKey"), hash, material))},
                   {"ExpirationModel", "KEY_MATERIAL_DOES_NOT_EXPIRE"}});
  }
  std::string dropped(const std::string& id) {
    return error_of(kms("DeleteImportedKeyMaterial", object({{"KeyId", id}})));
  }
  const Bytes mine = Bytes(32, std::byte{1}), other = Bytes(32, std::byte{2});
};

TEST_F(Import, AKeyWaitsForItsMaterialAndWorksWithIt) {
  const std::string id = waiting();
  EXPECT_EQ(state(id), "PendingImport");
  EXPECT_FALSE(describe(id).has("ExpirationModel"));
  EXPECT_FALSE(describe(id).has("CurrentKeyMaterialId"));
  EXPECT_EQ(using_key(root(), id), "KMSInvalidStateException");
  const Value done = must(import(id, mine));
  EXPECT_EQ(done.text("KeyId"), arn(id));
  EXPECT_EQ(state(id), "Enabled");
  EXPECT_EQ(describe(id).text("ExpirationModel"), "KEY_MATERIAL_DOES_NOT_EXPIRE");
  EXPECT_EQ(describe(id).text("CurrentKeyMaterialId"), done.text("KeyMaterialId"));
  EXPECT_EQ(opened(encrypt(id, "x")), "x");
}

TEST_F(Import, EveryWrappingOpens) {
  for (const auto& [algorithm, hash] :
       {std::pair{"RSAES_OAEP_SHA_1", crypto::Hash::kSha1}, {"RSAES_OAEP_SHA_256", crypto::Hash::kSha256}}) {
    const std::string id = waiting();
    EXPECT_EQ(error_of(kms("ImportKeyMaterial", wrapped(id, parameters(id, algorithm, "RSA_3072"), mine, hash))), "");
    EXPECT_EQ(opened(encrypt(id, "x")), "x");
  }
  for (const auto& [algorithm, hash] : {std::pair{"RSA_AES_KEY_WRAP_SHA_1", crypto::Hash::kSha1},
                                        {"RSA_AES_KEY_WRAP_SHA_256", crypto::Hash::kSha256}}) {
    const std::string id = waiting();
    const Bytes wrapper(32, std::byte{9});
    Value input = wrapped(id, parameters(id, algorithm), wrapper, hash);
    Bytes both = to_bytes(input.blob("EncryptedKeyMaterial"));
    append(both, crypto::wrap_key_padded(wrapper, mine));
    input.set("EncryptedKeyMaterial", both);
    EXPECT_EQ(error_of(kms("ImportKeyMaterial", input)), "");
    EXPECT_EQ(opened(encrypt(id, "x")), "x");
    for (size_t i : {size_t{0}, both.size() - 1}) {
      both[i] ^= std::byte{1};
      input.set("EncryptedKeyMaterial", both);
      EXPECT_EQ(error_of(kms("ImportKeyMaterial", input)), "InvalidCiphertextException") << i;
      both[i] ^= std::byte{1};
    }
    input.set("EncryptedKeyMaterial", Bytes(both.begin(), both.begin() + 100));
    EXPECT_EQ(error_of(kms("ImportKeyMaterial", input)), "InvalidCiphertextException");
  }
  EXPECT_EQ(
      error_of(kms(
          "GetParametersForImport",
          object({{"KeyId", waiting()}, {"WrappingAlgorithm", "RSAES_PKCS1_V1_5"}, {"WrappingKeySpec", "RSA_2048"}}))),
      "UnsupportedOperationException");
}

TEST_F(Import, ATokenIsForOneKeyAndOneDay) {
  const std::string id = waiting(), another = waiting();
  const Value from = parameters(id, "RSAES_OAEP_SHA_256");
  EXPECT_EQ(from.time("ParametersValidTo")->micros, clock_.wall().micros + std::chrono::microseconds(days(1)).count());
  const Value good = wrapped(id, from, mine);
  Value bad = good;
  bad.set("KeyId", another);
  EXPECT_EQ(error_of(kms("ImportKeyMaterial", bad)), "InvalidImportTokenException");
  Bytes token = to_bytes(good.blob("ImportToken"));
  for (size_t i = 0; i < token.size(); i += 37) {
    Bytes flipped = token;
    flipped[i] ^= std::byte{1};
    bad = good;
    bad.set("ImportToken", flipped);
    EXPECT_EQ(error_of(kms("ImportKeyMaterial", bad)), "InvalidImportTokenException") << i;
  }
  bad = good;
  bad.set("EncryptedKeyMaterial", to_bytes("junk"));
  EXPECT_EQ(error_of(kms("ImportKeyMaterial", bad)), "InvalidCiphertextException");
  clock_.advance(days(1));
  EXPECT_EQ(error_of(kms("ImportKeyMaterial", good)), "ExpiredImportTokenException");
}

TEST_F(Import, MaterialHas32BytesAndIsAlwaysTheSame) {
  const std::string id = waiting();
  EXPECT_EQ(error_of(import(id, Bytes(31))), "IncorrectKeyMaterialException");
  EXPECT_EQ(error_of(import(id, Bytes(33))), "IncorrectKeyMaterialException");
  must(import(id, mine));
  const Bytes blob = encrypt(id, "x");
  EXPECT_EQ(error_of(import(id, other)), "IncorrectKeyMaterialException");
  EXPECT_EQ(error_of(import(id, mine)), "");
  EXPECT_EQ(dropped(id), "");
  EXPECT_EQ(state(id), "PendingImport");
  EXPECT_EQ(opened(blob), "KMSInvalidStateException");
  EXPECT_EQ(dropped(id), "");  // there is nothing left to do
  EXPECT_EQ(error_of(import(id, other)), "IncorrectKeyMaterialException");
  EXPECT_EQ(error_of(import(id, mine)), "");
  EXPECT_EQ(opened(blob), "x");
}

TEST_F(Import, WhatWasDroppedIsNotInTheCatalog) {
  const std::string id = waiting();
  must(import(id, mine));
  dropped(id);
  const auto rows = must(read()->run("SELECT sealed FROM kms_materials WHERE id = $1", {id}));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_TRUE(rows[0].blob(0).empty());
}

TEST_F(Import, MaterialExpiresByTheClock) {
  const std::string id = waiting();
  const WallTime until = clock_.wall() + days(10);
  must(import(id, mine, until));
  EXPECT_EQ(describe(id).text("ExpirationModel"), "KEY_MATERIAL_EXPIRES");
  EXPECT_EQ(describe(id).time("ValidTo"), until);
  const Bytes blob = encrypt(id, "x");
  pass(days(9));
  EXPECT_EQ(opened(blob), "x");
  pass(days(1));
  EXPECT_EQ(state(id), "PendingImport");
  EXPECT_FALSE(describe(id).has("ValidTo"));
  EXPECT_EQ(opened(blob), "KMSInvalidStateException");
  must(import(id, mine));
  EXPECT_EQ(opened(blob), "x");
  pass(days(100));
  EXPECT_EQ(opened(blob), "x");
}

TEST_F(Import, ExpiryIsGivenExactlyWhenThereIsOne) {
  const std::string id = waiting();
  Value input = wrapped(id, parameters(id, "RSAES_OAEP_SHA_256"), mine);
  input.set("ValidTo", clock_.wall() + days(1));
  EXPECT_EQ(error_of(kms("ImportKeyMaterial", input)), "ValidationException");
  input.set("ExpirationModel", "KEY_MATERIAL_EXPIRES");
  input.set("ValidTo", clock_.wall());
  EXPECT_EQ(error_of(kms("ImportKeyMaterial", input)), "ValidationException");
  input.set("ValidTo", Value());
  EXPECT_EQ(error_of(kms("ImportKeyMaterial", input)), "ValidationException");
}

TEST_F(Import, IsOnlyForKeysMadeForIt) {
  const std::string id = key();
  EXPECT_EQ(error_of(import(id, mine)), "UnsupportedOperationException");
  EXPECT_EQ(dropped(id), "UnsupportedOperationException");
}

TEST_F(Import, ADisabledKeyStaysDisabledWhenItsMaterialComesAgain) {
  const std::string id = waiting();
  must(import(id, mine));
  must(kms("DisableKey", object({{"KeyId", id}})));
  must(import(id, mine, clock_.wall() + days(3)));
  EXPECT_EQ(state(id), "Disabled");
}

TEST_F(Import, AKeyWithoutMaterialComesBackFromDeletionWithoutIt) {
  const std::string id = waiting();
  must(kms("ScheduleKeyDeletion", object({{"KeyId", id}})));
  must(kms("CancelKeyDeletion", object({{"KeyId", id}})));
  EXPECT_EQ(state(id), "PendingImport");
  must(import(id, mine));
  EXPECT_EQ(state(id), "Enabled");
}

TEST_F(Import, MaterialThatExpiresInTheWindowDoesNotStopTheDeletion) {
  const std::string id = waiting();
  must(import(id, mine, clock_.wall() + days(2)));
  must(kms("ScheduleKeyDeletion", object({{"KeyId", id}, {"PendingWindowInDays", 7}})));
  pass(days(3));
  EXPECT_EQ(state(id), "PendingDeletion");
  EXPECT_TRUE(describe(id).has("DeletionDate"));
  must(kms("CancelKeyDeletion", object({{"KeyId", id}})));
  EXPECT_EQ(state(id), "PendingImport");
  must(kms("ScheduleKeyDeletion", object({{"KeyId", id}, {"PendingWindowInDays", 7}})));
  pass(days(8));
  EXPECT_EQ(error_of(kms("DescribeKey", object({{"KeyId", id}}))), "NotFoundException");
}

TEST_F(Import, EachRegionImportsAndLosesItByItself) {
  const std::string id = waiting(true);
  must(import(id, mine));
  must(kms("ReplicateKey", object({{"KeyId", id}, {"ReplicaRegion", kFar}})));
  EXPECT_EQ(state(id, kFar), "PendingImport");
  EXPECT_EQ(error_of(import(id, other, {}, kFar)), "IncorrectKeyMaterialException");
  must(import(id, mine, clock_.wall() + days(5), kFar));
  EXPECT_EQ(state(id, kFar), "Enabled");
  const Bytes blob = encrypt(id, "x");
  EXPECT_EQ(opened(blob, {}, Way{.region = kFar}), "x");
  pass(days(6));
  EXPECT_EQ(state(id, kFar), "PendingImport");
  EXPECT_EQ(state(id), "Enabled");
  EXPECT_EQ(opened(blob), "x");
  EXPECT_EQ(opened(blob, {}, Way{.region = kFar}), "KMSInvalidStateException");
  must(import(id, mine, {}, kFar));
  EXPECT_EQ(dropped(id), "");
  EXPECT_EQ(opened(blob, {}, Way{.region = kFar}), "x");
}

}  // namespace
}  // namespace coffer::kms
