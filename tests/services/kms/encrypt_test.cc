// Symmetric keys: Encrypt, Decrypt, ReEncrypt, data keys, random bytes.
#include "engine/crypto/kms_blob.h"
#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class EncryptTest : public World {
 protected:
  const std::string id = key(), other = key();
  const Value context = map_of({{"app", "x"}, {"zone", "ü"}});
};

TEST_F(EncryptTest, DecryptGivesBackWhatWasEncryptedAndNamesTheKey) {
  const Value sealed = must(kms("Encrypt", object({{"KeyId", id}, {"Plaintext", to_bytes("secret")}})));
  EXPECT_EQ(sealed.text("KeyId"), arn(id));
  EXPECT_EQ(sealed.text("EncryptionAlgorithm"), "SYMMETRIC_DEFAULT");
  const Value plain = must(decrypt(to_bytes(sealed.blob("CiphertextBlob"))));
  EXPECT_EQ(to_text(plain.blob("Plaintext")), "secret");
  EXPECT_EQ(plain.text("KeyId"), arn(id));
  EXPECT_EQ(plain.text("KeyMaterialId"), describe(id).text("CurrentKeyMaterialId"));
}

TEST_F(EncryptTest, NoTwoCiphertextsAreEqual) { EXPECT_NE(encrypt(id, "x"), encrypt(id, "x")); }

TEST_F(EncryptTest, TheContextMustBeGivenAgainExactly) {
  const Bytes blob = encrypt(id, "secret", context);
  EXPECT_EQ(opened(blob, context), "secret");
  EXPECT_EQ(opened(blob, map_of({{"zone", "ü"}, {"app", "x"}})), "secret");  // in any order
  const std::string wrong = "InvalidCiphertextException";
  EXPECT_EQ(opened(blob), wrong);
  EXPECT_EQ(opened(blob, map_of({{"app", "x"}})), wrong);
  EXPECT_EQ(opened(blob, map_of({{"app", "X"}, {"zone", "ü"}})), wrong);
  EXPECT_EQ(opened(blob, map_of({{"App", "x"}, {"zone", "ü"}})), wrong);
  EXPECT_EQ(opened(blob, map_of({{"app", "x"}, {"zone", "ü"}, {"more", ""}})), wrong);
  EXPECT_EQ(opened(encrypt(id, "y"), context), wrong);
}

TEST_F(EncryptTest, AContextHasALimit) {
  const std::string big(8200, 'c');
  EXPECT_EQ(
      error_of(kms("Encrypt",
                   object({{"KeyId", id}, {"Plaintext", to_bytes("x")}, {"EncryptionContext", object({{"k", big}})}}))),
      "ValidationException");
}

TEST_F(EncryptTest, EveryFlippedByteAndEveryCutIsFound) {
  const Bytes blob = encrypt(id, "secret", context);
  for (size_t i = 0; i < blob.size(); ++i) {
    Bytes flipped = blob;
    flipped[i] ^= std::byte{1};
    EXPECT_EQ(opened(flipped, context), "InvalidCiphertextException") << i;
  }
  for (size_t size = 1; size < blob.size(); ++size)
    EXPECT_EQ(opened(Bytes(blob.begin(), blob.begin() + static_cast<ptrdiff_t>(size)), context),
              "InvalidCiphertextException")
        << size;
  Bytes longer = blob;
  longer.push_back(std::byte{0});
  EXPECT_EQ(opened(longer, context), "InvalidCiphertextException");
}

TEST_F(EncryptTest, ABlobThatNamesAnotherKeyOrMaterialDoesNotOpen) {
  const Bytes blob = encrypt(id, "secret");
  Bytes moved = blob;
  const Bytes there = encrypt(other, "x");
  std::copy(there.begin() + 2, there.begin() + 18, moved.begin() + 2);
  EXPECT_EQ(opened(moved), "InvalidCiphertextException");
  Bytes newer = blob;
  newer[21] = std::byte{2};
  EXPECT_EQ(opened(newer), "InvalidCiphertextException");
}

TEST_F(EncryptTest, AKeyThatIsNamedMustBeTheBlobsKey) {
  const Bytes blob = encrypt(id, "secret");
  const auto with = [&](const std::string& name) {
    return error_of(kms("Decrypt", object({{"CiphertextBlob", blob}, {"KeyId", name}})));
  };
  must(kms("CreateAlias", object({{"AliasName", "alias/mine"}, {"TargetKeyId", id}})));
  EXPECT_EQ(with(id), "");
  EXPECT_EQ(with(arn(id)), "");
  EXPECT_EQ(with("alias/mine"), "");
  EXPECT_EQ(with(other), "IncorrectKeyException");
  EXPECT_EQ(with("alias/none"), "NotFoundException");
}

TEST_F(EncryptTest, ReEncryptMovesAPlaintextToAnotherKeyAndContext) {
  const Bytes blob = encrypt(id, "secret", context);
  const Value to = map_of({{"new", "place"}});
  const Value input = object({{"CiphertextBlob", blob},
                              {"SourceEncryptionContext", context},
                              {"DestinationKeyId", other},
                              {"DestinationEncryptionContext", to}});
  const Value moved = must(kms("ReEncrypt", input));
  EXPECT_EQ(moved.text("SourceKeyId"), arn(id));
  EXPECT_EQ(moved.text("KeyId"), arn(other));
  EXPECT_EQ(moved.text("SourceKeyMaterialId"), describe(id).text("CurrentKeyMaterialId"));
  EXPECT_EQ(moved.text("DestinationKeyMaterialId"), describe(other).text("CurrentKeyMaterialId"));
  EXPECT_FALSE(moved.has("Plaintext"));
  const Bytes after = to_bytes(moved.blob("CiphertextBlob"));
  EXPECT_EQ(opened(after, to), "secret");
  EXPECT_EQ(opened(after, context), "InvalidCiphertextException");
  EXPECT_EQ(must(decrypt(after, to)).text("KeyId"), arn(other));

  Value wrong = input;
  wrong.set("SourceEncryptionContext", to);
  EXPECT_EQ(error_of(kms("ReEncrypt", wrong)), "InvalidCiphertextException");
  wrong = input;
  wrong.set("SourceKeyId", other);
  EXPECT_EQ(error_of(kms("ReEncrypt", wrong)), "IncorrectKeyException");
}

TEST_F(EncryptTest, DataKeysOpenToTheirPlaintext) {
  const auto made = [&](Value input) {
    input.set("KeyId", id);
    input.set("EncryptionContext", context);
    const Value output = must(kms("GenerateDataKey", input));
    EXPECT_EQ(opened(to_bytes(output.blob("CiphertextBlob")), context), to_text(output.blob("Plaintext")));
    EXPECT_EQ(output.text("KeyId"), arn(id));
    EXPECT_EQ(output.text("KeyMaterialId"), describe(id).text("CurrentKeyMaterialId"));
    return output.blob("Plaintext").size();
  };
  EXPECT_EQ(made(object({{"KeySpec", "AES_256"}})), 32U);
  EXPECT_EQ(made(object({{"KeySpec", "AES_128"}})), 16U);
  EXPECT_EQ(made(object({{"NumberOfBytes", 1}})), 1U);
  EXPECT_EQ(made(object({{"NumberOfBytes", 1024}})), 1024U);
  for (Value wrong : {object({{"KeyId", id}}), object({{"KeyId", id}, {"KeySpec", "AES_256"}, {"NumberOfBytes", 32}})})
    EXPECT_EQ(error_of(kms("GenerateDataKey", wrong)), "ValidationException");
}

TEST_F(EncryptTest, ADataKeyWithoutPlaintextShowsNone) {
  const Value output = must(kms("GenerateDataKeyWithoutPlaintext", object({{"KeyId", id}, {"KeySpec", "AES_128"}})));
  EXPECT_FALSE(output.has("Plaintext"));
  EXPECT_EQ(opened(to_bytes(output.blob("CiphertextBlob"))).size(), 16U);
}

TEST_F(EncryptTest, PairsOfEverySpecOpenToTheirPrivateKey) {
  for (const auto& [spec, kind] : {std::pair{"RSA_2048", crypto::KeyKind::kRsa2048},
                                   {"ECC_NIST_P256", crypto::KeyKind::kP256},
                                   {"ECC_NIST_P384", crypto::KeyKind::kP384},
                                   {"ECC_NIST_P521", crypto::KeyKind::kP521},
                                   {"ECC_SECG_P256K1", crypto::KeyKind::kSecp256k1},
                                   {"ECC_NIST_EDWARDS25519", crypto::KeyKind::kEd25519}}) {
    const Value input = object({{"KeyId", id}, {"KeyPairSpec", spec}, {"EncryptionContext", context}});
    const Value pair = must(kms("GenerateDataKeyPair", input));
    EXPECT_EQ(pair.text("KeyPairSpec"), spec);
    const std::string secret = opened(to_bytes(pair.blob("PrivateKeyCiphertextBlob")), context);
    EXPECT_EQ(secret, to_text(pair.blob("PrivateKeyPlaintext")));
    auto read = crypto::KeyPair::from_pkcs8(kind, as_bytes(secret));
    ASSERT_TRUE(read.ok()) << spec;
    EXPECT_EQ(to_text(read->public_key()), to_text(pair.blob("PublicKey")));

    const Value hidden = must(kms("GenerateDataKeyPairWithoutPlaintext", input));
    EXPECT_FALSE(hidden.has("PrivateKeyPlaintext"));
    EXPECT_FALSE(opened(to_bytes(hidden.blob("PrivateKeyCiphertextBlob")), context).empty());
  }
  for (const char* spec : {"SM2", "SYMMETRIC_DEFAULT", "HMAC_256"})
    EXPECT_EQ(error_of(kms("GenerateDataKeyPair", object({{"KeyId", id}, {"KeyPairSpec", spec}}))),
              "UnsupportedOperationException");
}

TEST_F(EncryptTest, KeysOfAnotherUsageDoNotEncrypt) {
  const std::string mac = key(object({{"KeySpec", "HMAC_256"}, {"KeyUsage", "GENERATE_VERIFY_MAC"}}));
  for (const auto& [operation, input] :
       {std::pair{"Encrypt", object({{"KeyId", mac}, {"Plaintext", to_bytes("x")}})},
        {"GenerateDataKey", object({{"KeyId", mac}, {"KeySpec", "AES_256"}})},
        {"GenerateDataKeyPair", object({{"KeyId", mac}, {"KeyPairSpec", "ECC_NIST_P256"}})},
        {"ReEncrypt", object({{"CiphertextBlob", encrypt(id, "x")}, {"DestinationKeyId", mac}})}})
    EXPECT_EQ(error_of(kms(operation, input)), "InvalidKeyUsageException") << operation;
  EXPECT_EQ(error_of(kms(
                "Encrypt",
                object({{"KeyId", id}, {"Plaintext", to_bytes("x")}, {"EncryptionAlgorithm", "RSAES_OAEP_SHA_256"}}))),
            "InvalidKeyUsageException");
}

TEST_F(EncryptTest, ADryRunChecksEverythingAndDoesNothing) {
  const std::string would = "DryRunOperationException";
  const Bytes blob = encrypt(id, "x");
  const auto dry = [&](const char* operation, Value input) {
    input.set("DryRun", true);
    return error_of(kms(operation, std::move(input)));
  };
  EXPECT_EQ(dry("Encrypt", object({{"KeyId", id}, {"Plaintext", to_bytes("x")}})), would);
  EXPECT_EQ(dry("Decrypt", object({{"CiphertextBlob", blob}})), would);
  EXPECT_EQ(dry("ReEncrypt", object({{"CiphertextBlob", blob}, {"DestinationKeyId", other}})), would);
  EXPECT_EQ(dry("GenerateDataKey", object({{"KeyId", id}, {"KeySpec", "AES_256"}})), would);
  EXPECT_EQ(dry("GenerateDataKeyPair", object({{"KeyId", id}, {"KeyPairSpec", "ECC_NIST_P256"}})), would);
  EXPECT_EQ(dry("Decrypt", object({{"CiphertextBlob", blob}, {"EncryptionContext", context}})),
            "InvalidCiphertextException");
  EXPECT_EQ(dry("Encrypt", object({{"KeyId", "alias/none"}, {"Plaintext", to_bytes("x")}})), "NotFoundException");
}

TEST_F(EncryptTest, EnclavesAndKeyStoresAreRefusedByName) {
  const Value recipient = object({{"KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256"}});
  EXPECT_EQ(error_of(kms("GenerateDataKey", object({{"KeyId", id}, {"KeySpec", "AES_256"}, {"Recipient", recipient}}))),
            "UnsupportedOperationException");
  EXPECT_EQ(error_of(kms("Decrypt", object({{"CiphertextBlob", encrypt(id, "x")}, {"Recipient", recipient}}))),
            "UnsupportedOperationException");
  EXPECT_EQ(error_of(kms("GenerateRandom", object({{"NumberOfBytes", 8}, {"CustomKeyStoreId", "cks-1"}}))),
            "CustomKeyStoreNotFoundException");
}

TEST_F(EncryptTest, RandomBytesComeInTheSizeAskedForAndNeverTwice) {
  for (int size : {1, 32, 1024}) {
    const Value output = must(kms("GenerateRandom", object({{"NumberOfBytes", size}})));
    EXPECT_EQ(output.blob("Plaintext").size(), static_cast<size_t>(size));
  }
  const auto random = [&] {
    return to_text(must(kms("GenerateRandom", object({{"NumberOfBytes", 32}}))).blob("Plaintext"));
  };
  EXPECT_NE(random(), random());
  EXPECT_EQ(error_of(kms("GenerateRandom")), "ValidationException");
}

}  // namespace
}  // namespace coffer::kms
