#include "engine/sigv4/keys.h"

#include <utility>

#include "base/secret.h"

namespace coffer::sigv4 {
namespace {

constexpr size_t kProcessKeysMax = 2048;

/// Secret and scope in one buffer with their lengths, so that no two pairs read the same.
crypto::Digest256 digest_of(ByteView secret, const KeyScope& scope) {
  Bytes text;
  text.reserve(secret.size() + scope.date.size() + scope.region.size() + scope.service.size() + 40);
  ByteWriter writer(text);
  for (std::string_view part : {as_text(secret), scope.date, scope.region, scope.service}) {
    writer.varint(part.size());
    writer.bytes(as_bytes(part));
  }
  crypto::Digest256 digest = crypto::sha256(text);
  wipe(text);
  return digest;
}

}  // namespace

SigningKey derive_signing_key(ByteView secret_access_key, const KeyScope& scope) {
  Bytes first;
  first.reserve(4 + secret_access_key.size());
  append(first, as_bytes("AWS4"));
  append(first, secret_access_key);
  crypto::Digest256 key = crypto::HmacSha256(first).of(as_bytes(scope.date));
  wipe(first);
  for (std::string_view part : {scope.region, scope.service, std::string_view("aws4_request")}) {
    crypto::Digest256 next = crypto::HmacSha256(key).of(as_bytes(part));
    wipe(key);
    key = next;
    wipe(next);
  }
  auto derived = std::make_shared<const crypto::HmacSha256>(key);
  wipe(key);
  return derived;
}

SigningKey SigningKeyCache::get(ByteView secret_access_key, const KeyScope& scope) {
  const crypto::Digest256 digest = digest_of(secret_access_key, scope);
  {
    std::lock_guard lock(mutex_);
    if (SigningKey key = find(digest)) return key;
  }
  SigningKey key = derive_signing_key(secret_access_key, scope);
  std::lock_guard lock(mutex_);
  add(digest, key);
  return key;
}

size_t SigningKeyCache::size() const {
  std::lock_guard lock(mutex_);
  return young_.size() + old_.size();
}

SigningKey SigningKeyCache::find(const crypto::Digest256& digest) {
  if (auto it = young_.find(digest); it != young_.end()) return it->second;
  auto it = old_.find(digest);
  if (it == old_.end()) return nullptr;
  SigningKey key = it->second;
  old_.erase(it);
  add(digest, key);
  return key;
}

void SigningKeyCache::add(const crypto::Digest256& digest, SigningKey key) {
  if (young_.size() >= generation_max_) old_ = std::exchange(young_, {});
  young_.insert_or_assign(digest, std::move(key));
}

SigningKeyCache& signing_keys() {
  static SigningKeyCache cache(kProcessKeysMax);
  return cache;
}

}  // namespace coffer::sigv4
