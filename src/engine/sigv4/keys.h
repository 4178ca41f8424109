// Derived signing keys, and a small memory of them: deriving one takes four HMACs, which is most of a verification.
#pragma once
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "engine/crypto/digest.h"

namespace coffer::sigv4 {

/// Region and service of a credential scope, and its day (YYYYMMDD).
struct KeyScope {
  std::string_view date, region, service;
};

using SigningKey = std::shared_ptr<const crypto::HmacSha256>;

/// The chain "AWS4" + secret, date, region, service, "aws4_request".
SigningKey derive_signing_key(ByteView secret_access_key, const KeyScope& scope);

/// Keys by a digest of secret and scope, so the secret itself is not kept. Two generations of at most `size_max` / 2
/// each: what was not asked for during a generation goes. Safe from many threads.
class SigningKeyCache {
 public:
  explicit SigningKeyCache(size_t size_max) : generation_max_(size_max / 2) {}
  SigningKey get(ByteView secret_access_key, const KeyScope& scope);
  [[nodiscard]] size_t size() const;

 private:
  struct DigestHash {
    size_t operator()(const crypto::Digest256& digest) const { return load_le<size_t>(digest.data()); }
  };
  using Generation = std::unordered_map<crypto::Digest256, SigningKey, DigestHash>;
  SigningKey find(const crypto::Digest256& digest);
  void add(const crypto::Digest256& digest, SigningKey key);

  const size_t generation_max_;
  mutable std::mutex mutex_;
  Generation young_, old_;
};

/// The process's own: a key is a pure function of its inputs, so all callers may share it.
SigningKeyCache& signing_keys();

}  // namespace coffer::sigv4
