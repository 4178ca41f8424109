// What a restore's metadata asks for.
#pragma once
#include "services/backup/operations.h"

namespace coffer::backup {

/// Metadata, read. A restore goes to a folder, and becomes a registered database when it has a name.
struct RestoreTarget {
  std::string identifier;  // DBInstanceIdentifier; empty: only the folder
  std::string folder;      // TargetDirectory, or the place of a database of this name
  std::string until;       // RestoreTime; empty: all that is stored
  int64_t port = 5432;
};
/// "InvalidParameterValueException": unknown members, a folder outside of the account's, a name that AWS would not
/// take. `root`: Options::restore_root.
Result<RestoreTarget> restore_target(const std::map<std::string, std::string>& metadata, std::string_view root,
                                     std::string_view account);

}  // namespace coffer::backup
