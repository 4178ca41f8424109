// What a source asks a running cluster by SQL: things a restore will want to know, and that the files do not tell
// easily.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/postgres/connection.h"
#include "engine/postgres/source.h"

namespace coffer::postgres {

struct ClusterFacts {
  /// Name -> value as pg_settings has it (sizes in the setting's own unit, wal_segment_size in bytes). A setting that
  /// the role may not see, or that the version lacks, is absent.
  std::map<std::string, std::string> settings;
  std::vector<std::string> databases;     // those that take connections, by name
  std::vector<std::string> roles_needed;  // owners of databases and tablespaces, by name
  std::string superuser;                  // name of role oid 10
  bool in_recovery = false;
};
/// Needs no privilege; `pg_read_all_settings` shows shared_preload_libraries too.
Result<ClusterFacts> collect_cluster_facts(const Context& context, Connection& connection);
void apply(ClusterFacts&& facts, SourceStart& start);

}  // namespace coffer::postgres
