// The configuration of a scratch server: ours alone, nothing of the source's is read (postgres-backup.md section 6).
#pragma once
#include <map>
#include <string>

#include "engine/postgres/scratch_server.h"

namespace coffer::postgres {

inline constexpr int kScratchPort = 5432;  // names the socket file; nothing listens on a network

/// postgresql.conf. kInvalidArgument for a setting that is not allow-listed or a value that cannot be quoted.
Result<std::string> scratch_configuration(const ScratchOptions& options, int major);
/// pg_hba.conf: the superuser over the private socket, nobody else.
Result<std::string> scratch_hba(const std::string& superuser);
/// True when a recovery target or timeline is among the settings: recovery.signal is then needed.
bool wants_targeted_recovery(const std::map<std::string, std::string>& settings);
/// libpq connection string. Its options undo what ALTER ROLE and ALTER DATABASE of the source may have set.
std::string scratch_conninfo(const ScratchOptions& options, int major, const std::string& database);
/// The command line: bubblewrap around the server, or the server alone where the options say so.
std::vector<std::string> scratch_command(const ScratchOptions& options);

}  // namespace coffer::postgres
