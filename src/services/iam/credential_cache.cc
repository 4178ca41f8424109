#include "services/iam/credential_cache.h"

#include <mutex>

#include "engine/crypto/digest.h"

namespace coffer::iam {
namespace {

constexpr size_t kEntriesMax = 10'000;

}  // namespace

std::optional<Credential> CredentialCache::find(std::string_view access_key_id, std::string_view session_token,
                                                uint64_t epoch, WallTime now) const {
  std::shared_lock lock(mutex_);
  const auto found = entries_.find(access_key_id);
  if (found == entries_.end()) return std::nullopt;
  const Entry& entry = found->second;
  if (entry.epoch != epoch || (entry.expires && now >= *entry.expires)) return std::nullopt;
  if (!crypto::equal_constant_time(as_bytes(entry.session_token), as_bytes(session_token))) return std::nullopt;
  return entry.credential;
}

void CredentialCache::put(std::string_view access_key_id, Entry entry) {
  std::unique_lock lock(mutex_);
  if (entries_.size() >= kEntriesMax) entries_.clear();
  entries_.insert_or_assign(std::string(access_key_id), std::move(entry));
}

std::string CredentialCache::role_of(std::string_view access_key_id) const {
  std::shared_lock lock(mutex_);
  const auto found = entries_.find(access_key_id);
  if (found == entries_.end()) return {};
  const api::Caller& caller = found->second.credential.identity->caller;
  return caller.kind == api::Caller::Kind::kRoleSession ? caller.principal_id : std::string();
}

}  // namespace coffer::iam
