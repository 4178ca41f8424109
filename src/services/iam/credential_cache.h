// Credentials that were looked up before. For the files of this folder.
#pragma once
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "services/iam/authority.h"

namespace coffer::iam {

/// Entries are true in one epoch only: whoever puts one must have taken the epoch before he began to read the catalog.
/// Only credentials that exist are kept, so nobody fills it by guessing. Safe from many threads.
class CredentialCache {
 public:
  struct Entry {
    uint64_t epoch = 0;
    std::string session_token;
    Credential credential;
    std::optional<WallTime> expires;
  };
  /// Of this key with this token, in this epoch.
  [[nodiscard]] std::optional<Credential> find(std::string_view access_key_id, std::string_view session_token,
                                               uint64_t epoch, WallTime now) const;
  void put(std::string_view access_key_id, Entry entry);
  /// The unique id of the role behind a session's key; empty when it is not known.
  [[nodiscard]] std::string role_of(std::string_view access_key_id) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
};

}  // namespace coffer::iam
