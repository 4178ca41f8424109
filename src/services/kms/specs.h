// What each key spec can do, in one table.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/crypto/asymmetric.h"
#include "engine/crypto/hmac.h"

namespace coffer::kms {

struct Spec {
  std::string_view name;
  std::optional<crypto::KeyKind> kind;  // asymmetric ones
  std::optional<crypto::Hash> mac;      // HMAC ones
  bool signs = false, encrypts = false, agrees = false;

  [[nodiscard]] bool allows(std::string_view usage) const;
  [[nodiscard]] std::string_view default_usage() const;
};
/// Null for a spec that this installation does not have.
const Spec* find_spec(std::string_view name);

struct SigningAlgorithm {
  std::string_view name;
  crypto::SignatureScheme scheme;
  crypto::Hash hash;
};
const SigningAlgorithm* find_signing_algorithm(std::string_view name);
/// The names that a key of this spec takes.
std::vector<std::string> signing_algorithms(const Spec& spec);
std::vector<std::string> encryption_algorithms(const Spec& spec);
std::optional<crypto::Hash> oaep_hash(std::string_view algorithm);
std::optional<crypto::Hash> mac_hash(std::string_view algorithm);

}  // namespace coffer::kms
