// An installation: its folder, its keyset, its audit key, its credentials file.
//
//   DATA/catalog.sqlite        the catalog, unless it is PostgreSQL
//   DATA/keys/keyset-<n>       the installation's keyset: one root, wrapped once per slot; <n> is its generation
//   DATA/keys/installation.key the key file that the daemon opens it with
//   DATA/recovery.key          the second slot's key file, to be taken away and kept elsewhere
//   DATA/audit.pub             the public key of the audit log, 64 hexadecimal digits
//   DATA/credentials           root access keys, in the form of an AWS shared credentials file
//   DATA/lock                  held while a daemon runs
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/filesystem.h"
#include "base/secret.h"
#include "edge/daemon/config.h"
#include "services/audit/audit_log.h"

namespace coffer::daemon {

/// What the audit log's signing key is derived for.
inline constexpr std::string_view kAuditKeyPurpose = "audit signing v1";

class Installation {
 public:
  /// Creates what is missing on the first start, opens what is there. kConflict while another daemon runs on the
  /// folder; kUnauthenticated when the key file opens no slot.
  static Result<std::unique_ptr<Installation>> open(FileSystem& files, Clock& clock, Entropy& entropy,
                                                    const Config& config);

  [[nodiscard]] bool is_new() const { return is_new_; }
  [[nodiscard]] const Secret& root() const { return root_; }  // 64 bytes
  /// A 32-byte secret derived from the root for one purpose ("audit signing v1").
  [[nodiscard]] Secret derive(std::string_view purpose) const;
  [[nodiscard]] Directory& folder() const { return *folder_; }
  [[nodiscard]] size_t slot_count() const { return slot_count_; }

  /// Adds a profile to DATA/credentials.
  Status add_credentials(std::string_view profile, std::string_view account, std::string_view access_key_id,
                         std::string_view secret_access_key);

 private:
  Installation() = default;
  std::unique_ptr<Directory> folder_;
  std::unique_ptr<File> lock_;
  Secret root_;
  bool is_new_ = false;
  size_t slot_count_ = 0;
};

/// Where the catalog of `config` is, as catalog::Database::open takes it.
std::string catalog_location(const Config& config);

}  // namespace coffer::daemon
