// KMS: keys, aliases, grants, policies and the cryptographic operations. API version 2014-11-01.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/secret.h"
#include "engine/crypto/keyset.h"
#include "services/api/action.h"
#include "services/catalog/database.h"
#include "services/iam/authority.h"

namespace coffer::kms {

struct Options {
  std::vector<std::string> regions;  // where multi-Region keys may have replicas; the first is the default
};

class Service {
 public:
  virtual ~Service() = default;
  virtual api::ServiceTable actions() = 0;
  /// Scheduled deletions, automatic rotations and expiries of imported material that are due at `now`. Called by the
  /// daemon's loop; idempotent.
  virtual Status run_due(const Context& context, WallTime now) = 0;
};
/// `sealing_root`: 64 bytes, the installation's root. Everything borrowed outlives the service.
std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, Secret sealing_root,
                                      Clock& clock, Entropy& entropy, Options options);

/// How a vault's KMS slot reaches a key: in this process, or over the network. Encrypt and Decrypt with a context.
class KeyClient {
 public:
  virtual ~KeyClient() = default;
  virtual Result<Bytes> encrypt(std::string_view key_id, ByteView plaintext,
                                const std::vector<std::pair<std::string, std::string>>& context) = 0;
  virtual Result<Secret> decrypt(std::string_view key_id, ByteView ciphertext,
                                 const std::vector<std::pair<std::string, std::string>>& context) = 0;
};
/// A slot of type "kms": the keyset's root, encrypted under a KMS key with the vault's identity as encryption context.
std::unique_ptr<crypto::SlotKey> kms_slot(KeyClient& client, std::string key_arn);

std::span<const catalog::Migration> migrations();  // numbers 200-299

}  // namespace coffer::kms
