// A throw-away server on a restored copy: own minimal configuration, bubblewrap sandbox without network, same major.
// Nothing of the source's configuration is trusted (postgres-backup.md section 6).
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/filesystem.h"
#include "base/processes.h"
#include "base/result.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/control_file.h"

namespace coffer::postgres {

/// Where server programs are: "15" -> "/usr/lib/postgresql/15/bin". From configuration (--pg-bin 17=/opt/pg17/bin,
/// environment COFFER_PG_BIN_17), else the usual folders of Debian and Red Hat. kNotProven, with what to install, when
/// there is none.
Result<std::string> find_server_binaries(FileSystem& file_system, int major,
                                         const std::map<int, std::string>& configured);

struct ScratchOptions {
  std::string data_directory;                       // a restored cluster, ours to change and throw away
  std::string work_directory;                       // for the socket, log and configuration; private, short path
  std::string binaries;                             // bin folder of the same major
  ControlFile control;                              // for the five settings that recovery insists on
  std::string superuser;                            // bootstrap role of the source
  std::vector<std::string> tablespace_directories;  // absolute, bound into the sandbox
  std::chrono::seconds start_timeout{3600};
  bool sandbox = true;                          // bubblewrap; false only where a test says so
  std::map<std::string, std::string> settings;  // allow-listed overrides, e.g. {"recovery_target", "immediate"}
};

class ScratchServer {
 public:
  virtual ~ScratchServer() = default;  // stops it (immediate) and leaves the files
  /// For libpq: private socket, superuser.
  [[nodiscard]] virtual std::string conninfo(const std::string& database) const = 0;
  [[nodiscard]] virtual int major() const = 0;
  /// The last lines of its log, for error messages.
  [[nodiscard]] virtual std::string log_tail() const = 0;
  /// A clean stop, so that pg_control says "shut down" and page checksums can be judged.
  virtual Status stop(const Context& context) = 0;
};

/// Returns once recovery has ended and the server takes writes. Failures carry the server's own FATAL line.
Result<std::unique_ptr<ScratchServer>> start_scratch_server(const Context& context, FileSystem& file_system,
                                                            Clock& clock, Processes& processes,
                                                            const ScratchOptions& options);

}  // namespace coffer::postgres
