// Keys that sign, encrypt for a public key, agree or authenticate: every spec with every algorithm.
#include "engine/crypto/digest.h"
#include "services/kms/specs.h"
#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class Asymmetric : public World {
 protected:
  std::string made(const std::string& spec, const std::string& usage) {
    return key(object({{"KeySpec", spec}, {"KeyUsage", usage}}));
  }
  Value public_key(const std::string& id) { return must(kms("GetPublicKey", object({{"KeyId", id}}))); }
};

class Signing : public Asymmetric, public testing::WithParamInterface<const char*> {};

TEST_P(Signing, VerifiesWhatItSignedWithEachOfItsAlgorithms) {
  const std::string id = made(GetParam(), "SIGN_VERIFY");
  const std::vector<std::string> algorithms = describe(id).texts("SigningAlgorithms");
  EXPECT_EQ(public_key(id).texts("SigningAlgorithms"), algorithms);
  ASSERT_FALSE(algorithms.empty());
  for (const std::string& algorithm : algorithms) {
    Value input = object({{"KeyId", id}, {"Message", to_bytes("message")}, {"SigningAlgorithm", algorithm}});
    const Value output = must(kms("Sign", input));
    EXPECT_EQ(output.text("KeyId"), arn(id));
    EXPECT_EQ(output.text("SigningAlgorithm"), algorithm);
    const Bytes signature = to_bytes(output.blob("Signature"));
    input.set("Signature", signature);
    EXPECT_TRUE(must(kms("Verify", input)).flag("SignatureValid")) << algorithm;

    // Anybody who has the public key can check it too.
    const SigningAlgorithm* known = find_signing_algorithm(algorithm);
    ASSERT_TRUE(known);
    const Bytes digest = known->scheme == crypto::SignatureScheme::kEd25519
                             ? to_bytes("message")
                             : to_bytes(crypto::hash_of(known->hash, as_bytes("message")));
    EXPECT_TRUE(crypto::verify_with(public_key(id).blob("PublicKey"), known->scheme, known->hash, digest, signature));

    Value other = input;
    other.set("Message", to_bytes("Message"));
    EXPECT_EQ(error_of(kms("Verify", other)), "KMSInvalidSignatureException");
    Bytes flipped = signature;
    flipped[flipped.size() / 2] ^= std::byte{1};
    other = input;
    other.set("Signature", flipped);
    EXPECT_EQ(error_of(kms("Verify", other)), "KMSInvalidSignatureException");
    other.set("Signature", to_bytes("x"));
    EXPECT_EQ(error_of(kms("Verify", other)), "KMSInvalidSignatureException");

    if (known->scheme == crypto::SignatureScheme::kEd25519) continue;
    Value by_digest =
        object({{"KeyId", id}, {"Message", digest}, {"MessageType", "DIGEST"}, {"SigningAlgorithm", algorithm}});
    by_digest.set("Signature", to_bytes(must(kms("Sign", by_digest)).blob("Signature")));
    EXPECT_EQ(error_of(kms("Verify", by_digest)), "");
    by_digest.set("Message", Bytes(digest.begin(), digest.end() - 1));
    EXPECT_EQ(error_of(kms("Sign", by_digest)), "ValidationException");
  }
}

TEST_P(Signing, RefusesTheAlgorithmsOfOtherSpecs) {
  const std::string id = made(GetParam(), "SIGN_VERIFY");
  const std::vector<std::string> own = describe(id).texts("SigningAlgorithms");
  for (const char* algorithm : {"RSASSA_PSS_SHA_256", "RSASSA_PKCS1_V1_5_SHA_512", "ECDSA_SHA_256", "ECDSA_SHA_384",
                                "ECDSA_SHA_512", "ED25519_SHA_512", "SM2DSA", "ML_DSA_SHAKE_256"}) {
    const bool fits = std::find(own.begin(), own.end(), algorithm) != own.end();
    EXPECT_EQ(
        error_of(kms("Sign", object({{"KeyId", id}, {"Message", to_bytes("m")}, {"SigningAlgorithm", algorithm}}))),
        fits ? "" : "InvalidKeyUsageException")
        << algorithm;
  }
}

INSTANTIATE_TEST_SUITE_P(EverySpec, Signing,
                         testing::Values("RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384",
                                         "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"),
                         [](const auto& one) { return std::string(one.param); });

TEST_F(Asymmetric, RsaKeysDecryptWhatTheirPublicKeyEncrypted) {
  const std::string id = made("RSA_2048", "ENCRYPT_DECRYPT");
  EXPECT_EQ(describe(id).texts("EncryptionAlgorithms"),
            (std::vector<std::string>{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"}));
  for (const auto& [algorithm, hash, size_max] : {std::tuple{"RSAES_OAEP_SHA_1", crypto::Hash::kSha1, size_t{214}},
                                                  {"RSAES_OAEP_SHA_256", crypto::Hash::kSha256, size_t{190}}}) {
    const Bytes longest(size_max, std::byte{7});
    Value input = object({{"KeyId", id}, {"Plaintext", longest}, {"EncryptionAlgorithm", algorithm}});
    const Value sealed = must(kms("Encrypt", input));
    EXPECT_EQ(sealed.text("EncryptionAlgorithm"), algorithm);
    const auto opened_with = [&](const Bytes& blob) {
      return kms("Decrypt", object({{"KeyId", id}, {"CiphertextBlob", blob}, {"EncryptionAlgorithm", algorithm}}));
    };
    EXPECT_EQ(to_bytes(must(opened_with(to_bytes(sealed.blob("CiphertextBlob")))).blob("Plaintext")), longest);
    const Bytes outside = must(crypto::encrypt_oaep_to(public_key(id).blob("PublicKey"), hash, as_bytes("x")));
    EXPECT_EQ(to_text(must(opened_with(outside)).blob("Plaintext")), "x");
    Bytes flipped = outside;
    flipped[9] ^= std::byte{1};
    EXPECT_EQ(error_of(opened_with(flipped)), "InvalidCiphertextException");
    input.set("Plaintext", Bytes(size_max + 1));
    EXPECT_EQ(error_of(kms("Encrypt", input)), "ValidationException");
    EXPECT_EQ(error_of(kms("Decrypt", object({{"CiphertextBlob", outside}, {"EncryptionAlgorithm", algorithm}}))),
              "ValidationException");  // such a ciphertext names no key
  }
  EXPECT_EQ(error_of(kms("Encrypt", object({{"KeyId", id}, {"Plaintext", to_bytes("x")}}))),
            "InvalidKeyUsageException");
  EXPECT_EQ(error_of(kms("Encrypt", object({{"KeyId", id},
                                            {"Plaintext", to_bytes("x")},
                                            {"EncryptionAlgorithm", "RSAES_OAEP_SHA_256"},
                                            {"EncryptionContext", map_of({{"a", "b"}})}}))),
            "ValidationException");
}

TEST_F(Asymmetric, ReEncryptGoesFromRsaToSymmetricAndBack) {
  const std::string rsa = made("RSA_2048", "ENCRYPT_DECRYPT"), symmetric = key();
  const Value sealed =
      must(kms("Encrypt",
               object({{"KeyId", rsa}, {"Plaintext", to_bytes("x")}, {"EncryptionAlgorithm", "RSAES_OAEP_SHA_256"}})));
  const Value moved = must(kms("ReEncrypt", object({{"CiphertextBlob", to_bytes(sealed.blob("CiphertextBlob"))},
                                                    {"SourceKeyId", rsa},
                                                    {"SourceEncryptionAlgorithm", "RSAES_OAEP_SHA_256"},
                                                    {"DestinationKeyId", symmetric}})));
  const Bytes blob = to_bytes(moved.blob("CiphertextBlob"));
  EXPECT_EQ(opened(blob), "x");
  const Value back = must(kms("ReEncrypt", object({{"CiphertextBlob", blob},
                                                   {"DestinationKeyId", rsa},
                                                   {"DestinationEncryptionAlgorithm", "RSAES_OAEP_SHA_1"}})));
  EXPECT_EQ(to_text(must(kms("Decrypt", object({{"KeyId", rsa},
                                                {"CiphertextBlob", to_bytes(back.blob("CiphertextBlob"))},
                                                {"EncryptionAlgorithm", "RSAES_OAEP_SHA_1"}})))
                        .blob("Plaintext")),
            "x");
}

TEST_F(Asymmetric, TwoSidesDeriveOneSecret) {
  for (const auto& [spec, kind] : {std::pair{"ECC_NIST_P256", crypto::KeyKind::kP256},
                                   {"ECC_NIST_P384", crypto::KeyKind::kP384},
                                   {"ECC_NIST_P521", crypto::KeyKind::kP521}}) {
    const std::string id = made(spec, "KEY_AGREEMENT");
    EXPECT_EQ(describe(id).texts("KeyAgreementAlgorithms"), std::vector<std::string>{"ECDH"});
    const crypto::KeyPair peer = crypto::KeyPair::generate(kind);
    Value input = object({{"KeyId", id}, {"KeyAgreementAlgorithm", "ECDH"}, {"PublicKey", peer.public_key()}});
    const Value output = must(kms("DeriveSharedSecret", input));
    EXPECT_EQ(to_text(output.blob("SharedSecret")),
              to_text(must(peer.derive(public_key(id).blob("PublicKey"))).view()));
    EXPECT_EQ(output.text("KeyOrigin"), "AWS_KMS");
    input.set("PublicKey", crypto::KeyPair::generate(crypto::KeyKind::kSecp256k1).public_key());
    EXPECT_EQ(error_of(kms("DeriveSharedSecret", input)), "ValidationException");
    input.set("PublicKey", to_bytes("nonsense"));
    EXPECT_EQ(error_of(kms("DeriveSharedSecret", input)), "ValidationException");
  }
  const Bytes peer = crypto::KeyPair::generate(crypto::KeyKind::kP256).public_key();
  EXPECT_EQ(error_of(kms("DeriveSharedSecret", object({{"KeyId", made("ECC_NIST_P256", "SIGN_VERIFY")},
                                                       {"KeyAgreementAlgorithm", "ECDH"},
                                                       {"PublicKey", peer}}))),
            "InvalidKeyUsageException");
}

TEST_F(Asymmetric, MacsOfEverySpecAreVerified) {
  for (const char* bits : {"224", "256", "384", "512"}) {
    const std::string algorithm = std::string("HMAC_SHA_") + bits;
    const std::string id = made(std::string("HMAC_") + bits, "GENERATE_VERIFY_MAC");
    EXPECT_EQ(describe(id).texts("MacAlgorithms"), std::vector<std::string>{algorithm});
    Value input = object({{"KeyId", id}, {"Message", to_bytes("m")}, {"MacAlgorithm", algorithm}});
    const Bytes mac = to_bytes(must(kms("GenerateMac", input)).blob("Mac"));
    EXPECT_EQ(mac.size() * 8, static_cast<size_t>(std::stoi(bits)));
    input.set("Mac", mac);
    EXPECT_TRUE(must(kms("VerifyMac", input)).flag("MacValid"));
    for (size_t i = 0; i < mac.size(); ++i) {
      Bytes flipped = mac;
      flipped[i] ^= std::byte{0x80};
      input.set("Mac", flipped);
      EXPECT_EQ(error_of(kms("VerifyMac", input)), "KMSInvalidMacException");
    }
    input.set("Mac", Bytes(mac.begin(), mac.end() - 1));
    EXPECT_EQ(error_of(kms("VerifyMac", input)), "KMSInvalidMacException");
    input.set("MacAlgorithm", std::string("HMAC_SHA_") + (algorithm.ends_with("256") ? "512" : "256"));
    EXPECT_EQ(error_of(kms("GenerateMac", input)), "InvalidKeyUsageException");
  }
}

TEST_F(Asymmetric, OnlyPairsHaveAPublicKey) {
  EXPECT_EQ(error_of(kms("GetPublicKey", object({{"KeyId", key()}}))), "UnsupportedOperationException");
  EXPECT_EQ(error_of(kms("GetPublicKey", object({{"KeyId", made("HMAC_256", "GENERATE_VERIFY_MAC")}}))),
            "UnsupportedOperationException");
}

}  // namespace
}  // namespace coffer::kms
