// The replication stream as a source: BASE_BACKUP of PostgreSQL 13 to 18, from anywhere, with the REPLICATION role
// only.
#pragma once
#include <string>

#include "engine/postgres/source.h"

namespace coffer::postgres {

struct StreamOptions {
  std::string conninfo = {};
  std::string label = "coffer";
  bool fast_checkpoint = true;
  uint32_t max_rate_kib_s = 0;                              // 0: unlimited
  uint64_t members_max = 20'000'000;                        // caps against a hostile server
  std::optional<uint64_t> expected_system_identifier = {};  // refuse another cluster before anything is read
};
/// Nothing is contacted before begin().
std::unique_ptr<Source> make_stream_source(StreamOptions options);

}  // namespace coffer::postgres
