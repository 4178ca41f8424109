// What a live server says of itself and of what a backup needs. For the files of this folder.
#pragma once
#include "base/context.h"
#include "base/filesystem.h"
#include "services/rds/engine.h"

namespace coffer::rds {

/// Connects as a backup would, by SQL and (unless the data directory is read here) by the replication protocol, and
/// says precisely what is missing: each finding has its remedy. An Error only when the server cannot be reached at all,
/// or is another cluster than access.system_identifier pins.
Result<Probe> probe_server(const Context& context, FileSystem& files, const DatabaseAccess& access);

}  // namespace coffer::rds
