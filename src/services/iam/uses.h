// When access keys and roles were last used: kept in memory, written now and then. For the files of this folder.
#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "services/iam/authority.h"

namespace coffer::iam {

/// Safe from many threads.
class UseNotes {
 public:
  UseNotes(catalog::Database& database, Clock& clock) : database_(database), clock_(clock) {}
  /// `id`: an access key id (AKIA...) or a role's unique id. The memory it takes is bounded.
  void note(std::string_view id, AccessKeyUse use);
  [[nodiscard]] std::optional<AccessKeyUse> find(std::string_view id) const;
  /// Writes what is noted, at most once in some seconds; the caller holds no transaction.
  void write_if_due();
  void write();

 private:
  catalog::Database& database_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, AccessKeyUse, std::less<>> notes_;
  MonoTime written_;
};

}  // namespace coffer::iam
