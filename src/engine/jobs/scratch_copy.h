// ScratchCopy: a recovery point restored into a private directory, with a sandboxed server of its major on it. What
// prove and export have in common.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "engine/jobs/environment.h"
#include "engine/jobs/restore.h"
#include "engine/jobs/scratch_directory.h"
#include "engine/postgres/control_file.h"
#include "engine/postgres/scratch_server.h"
#include "engine/vault/manifest.h"
#include "engine/vault/vault.h"

namespace coffer::jobs {

/// Borrows all that it is given.
class ScratchCopy {
 public:
  ScratchCopy(const Environment& environment, const vault::Vault& vault, const vault::Manifest& manifest)
      : env_(environment), vault_(vault), manifest_(manifest) {}

  /// Asks for everything that may be missing on this machine (server programs of the major, space) before anything is
  /// copied: kNotProven when it is. Then the directories are there.
  Status prepare(const Context& context);
  Result<RestoreReport> restore(const Context& context);
  /// Without a recovery target the server replays all WAL that the point holds, as a restore of it would. `settings`
  /// are those that postgres::ScratchOptions takes.
  Result<std::unique_ptr<postgres::ScratchServer>> boot(const Context& context,
                                                        const std::map<std::string, std::string>& settings = {});
  Result<postgres::ControlFile> control_file() const;

  /// The restored data directory, and the folder of the server's programs.
  [[nodiscard]] const std::string& data() const { return data_; }
  [[nodiscard]] const std::string& binaries() const { return binaries_; }
  /// Null before prepare().
  [[nodiscard]] ScratchDirectory* directory() const { return scratch_.get(); }
  [[nodiscard]] std::string superuser() const;

 private:
  Status check_program(const Context& context);

  const Environment& env_;
  const vault::Vault& vault_;
  const vault::Manifest& manifest_;
  std::unique_ptr<ScratchDirectory> scratch_;
  std::string binaries_, data_, work_;
  std::map<uint32_t, std::string> tablespaces_;  // oid -> directory in the scratch
};

}  // namespace coffer::jobs
