// What is asked of a scratch server to call a point proven: every table read, amcheck on heaps and B-trees, page
// checksums.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "engine/postgres/scratch_server.h"

namespace coffer::postgres {

struct DatabaseCheck {
  std::string database;
  uint64_t tables = 0, indexes = 0, rows = 0;
  std::vector<std::string> findings;     // damage, one line each with the relation's name
  std::vector<std::string> not_checked;  // what could not be looked at, and why ("needs library X")
  std::vector<std::string> uncheckable;  // what no check exists for anywhere: index methods that amcheck does not know
};
struct ClusterCheck {
  std::vector<DatabaseCheck> databases;
  [[nodiscard]] bool clean() const;
};
/// Every database that allows connections. Counts rows of every table (heap scan), runs amcheck's bt_index_check (with
/// heapallindexed when `thorough`) and, from 14 on, verify_heapam; without the extension that is a line in not_checked.
/// The server's own catalogs are read too, but not counted in tables, indexes and rows.
Result<ClusterCheck> check_cluster(const Context& context, const ScratchServer& server, bool thorough);

struct PageCheck {
  bool data_checksums = true;  // false: the cluster has none, nothing was looked at
  uint64_t files = 0, pages = 0;
  std::vector<std::string> findings;  // "base/5/16384 block 12: stored 1a2b, computed 3c4d"
};
/// Verifies the checksum of every page of every relation file below a cleanly stopped data directory (else kNotProven).
Result<PageCheck> check_page_checksums(const Context& context, FileSystem& file_system,
                                       const std::string& data_directory, int jobs);

}  // namespace coffer::postgres
