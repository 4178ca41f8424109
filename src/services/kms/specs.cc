#include "services/kms/specs.h"

#include <algorithm>

namespace coffer::kms {
namespace {

using crypto::Hash;
using crypto::KeyKind;
using crypto::SignatureScheme;

constexpr Spec kSpecs[] = {
    {"SYMMETRIC_DEFAULT", std::nullopt, std::nullopt, false, true, false},
    {"RSA_2048", KeyKind::kRsa2048, std::nullopt, true, true, false},
    {"RSA_3072", KeyKind::kRsa3072, std::nullopt, true, true, false},
    {"RSA_4096", KeyKind::kRsa4096, std::nullopt, true, true, false},
    {"ECC_NIST_P256", KeyKind::kP256, std::nullopt, true, false, true},
    {"ECC_NIST_P384", KeyKind::kP384, std::nullopt, true, false, true},
    {"ECC_NIST_P521", KeyKind::kP521, std::nullopt, true, false, true},
    {"ECC_SECG_P256K1", KeyKind::kSecp256k1, std::nullopt, true, false, false},
    {"ECC_NIST_EDWARDS25519", KeyKind::kEd25519, std::nullopt, true, false, false},
    {"HMAC_224", std::nullopt, Hash::kSha224, false, false, false},
    {"HMAC_256", std::nullopt, Hash::kSha256, false, false, false},
    {"HMAC_384", std::nullopt, Hash::kSha384, false, false, false},
    {"HMAC_512", std::nullopt, Hash::kSha512, false, false, false},
};

constexpr SigningAlgorithm kSigning[] = {
    {"RSASSA_PSS_SHA_256", SignatureScheme::kRsaPss, Hash::kSha256},
    {"RSASSA_PSS_SHA_384", SignatureScheme::kRsaPss, Hash::kSha384},
    {"RSASSA_PSS_SHA_512", SignatureScheme::kRsaPss, Hash::kSha512},
    {"RSASSA_PKCS1_V1_5_SHA_256", SignatureScheme::kRsaPkcs1, Hash::kSha256},
    {"RSASSA_PKCS1_V1_5_SHA_384", SignatureScheme::kRsaPkcs1, Hash::kSha384},
    {"RSASSA_PKCS1_V1_5_SHA_512", SignatureScheme::kRsaPkcs1, Hash::kSha512},
    {"ECDSA_SHA_256", SignatureScheme::kEcdsa, Hash::kSha256},
    {"ECDSA_SHA_384", SignatureScheme::kEcdsa, Hash::kSha384},
    {"ECDSA_SHA_512", SignatureScheme::kEcdsa, Hash::kSha512},
    {"ED25519_SHA_512", SignatureScheme::kEd25519, Hash::kSha512},
};

}  // namespace

bool Spec::allows(std::string_view usage) const {
  if (usage == "ENCRYPT_DECRYPT") return encrypts;
  if (usage == "SIGN_VERIFY") return signs;
  if (usage == "GENERATE_VERIFY_MAC") return mac.has_value();
  return usage == "KEY_AGREEMENT" && agrees;
}

std::string_view Spec::default_usage() const {
  if (mac) return "GENERATE_VERIFY_MAC";
  return encrypts && !signs ? "ENCRYPT_DECRYPT" : "";
}

const Spec* find_spec(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kSpecs), std::end(kSpecs), [&](const Spec& spec) { return spec.name == name; });
  return found == std::end(kSpecs) ? nullptr : found;
}

const SigningAlgorithm* find_signing_algorithm(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kSigning), std::end(kSigning), [&](const SigningAlgorithm& a) { return a.name == name; });
  return found == std::end(kSigning) ? nullptr : found;
}

std::vector<std::string> signing_algorithms(const Spec& spec) {
  std::vector<std::string> names;
  if (!spec.kind) return names;
  // Each curve has the hash of its size (KMS guide, "Key spec reference").
  const auto curve_hash = *spec.kind == KeyKind::kP384   ? Hash::kSha384
                          : *spec.kind == KeyKind::kP521 ? Hash::kSha512
                                                         : Hash::kSha256;
  for (const SigningAlgorithm& algorithm : kSigning) {
    const bool rsa = algorithm.scheme == SignatureScheme::kRsaPss || algorithm.scheme == SignatureScheme::kRsaPkcs1;
    const bool ed25519 = algorithm.scheme == SignatureScheme::kEd25519;
    if (crypto::is_rsa(*spec.kind)        ? !rsa
        : *spec.kind == KeyKind::kEd25519 ? !ed25519
                                          : rsa || ed25519 || algorithm.hash != curve_hash)
      continue;
    names.emplace_back(algorithm.name);
  }
  return names;
}

std::vector<std::string> encryption_algorithms(const Spec& spec) {
  if (!spec.encrypts) return {};
  if (!spec.kind) return {"SYMMETRIC_DEFAULT"};
  return {"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"};
}

std::optional<Hash> oaep_hash(std::string_view algorithm) {
  if (algorithm == "RSAES_OAEP_SHA_1") return Hash::kSha1;
  if (algorithm == "RSAES_OAEP_SHA_256") return Hash::kSha256;
  return std::nullopt;
}

std::optional<Hash> mac_hash(std::string_view algorithm) {
  if (algorithm == "HMAC_SHA_224") return Hash::kSha224;
  if (algorithm == "HMAC_SHA_256") return Hash::kSha256;
  if (algorithm == "HMAC_SHA_384") return Hash::kSha384;
  if (algorithm == "HMAC_SHA_512") return Hash::kSha512;
  return std::nullopt;
}

}  // namespace coffer::kms
