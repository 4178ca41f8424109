// The local reader: PGDATA read in parallel between pg_backup_start and pg_backup_stop, as the database's OS user or
// root.
#pragma once
#include <string>

#include "base/clock.h"
#include "base/filesystem.h"
#include "engine/postgres/source.h"

namespace coffer::postgres {

struct LocalOptions {
  std::string conninfo;
  std::string pgdata;  // empty: asked of the server (SHOW data_directory)
  std::string label = "coffer";
  bool fast_checkpoint = true;
  std::optional<ParentPoint> parent;
  bool use_wal_summaries = true;
  std::chrono::seconds summarizer_patience{60};  // a late summarizer is not a broken one
  std::optional<uint64_t> expected_system_identifier;
};
/// `file_system` and `clock` are borrowed. pg_control of `pgdata` must name the connected cluster, else
/// kFailedPrecondition.
std::unique_ptr<Source> make_local_source(FileSystem& file_system, Clock& clock, LocalOptions options);

}  // namespace coffer::postgres
