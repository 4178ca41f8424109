// Why: what keeps a point, when it goes, what it costs. Doctor: what is wrong, why, what to do next.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "engine/jobs/environment.h"
#include "engine/vault/points.h"
#include "engine/vault/retention.h"

namespace coffer::jobs {

struct WhyReport {
  vault::PointSummary point;
  std::vector<vault::Attestation> attestations;
  std::vector<vault::RetentionLine> retention;  // one line for this point, when a policy was given
  bool last_proven = false;
  uint64_t plain_bytes = 0;            // what it restores to
  uint64_t unique_stored_bytes = 0;    // what forgetting it alone would free
  uint64_t shared_stored_bytes = 0;    // compressed bytes it shares with other points
  std::vector<std::string> sentences;  // the answer in words
};
Result<WhyReport> run_why(const Context& context, const Environment& environment, const vault::Vault& vault,
                          const std::string& point_id, const vault::RetentionPolicy& policy);

struct DoctorLine {
  enum class Level { kGood, kWarning, kBad };
  Level level = Level::kGood;
  std::string id;  // stable: "vault.slots"
  std::string what, why, next;
};
struct DoctorOptions {
  std::string conninfo;  // empty: no source is looked at
  std::string pgdata;
};
/// `vault` may be null (then only the machine and the source are looked at). Looks at: space and inodes, descriptors,
/// sandbox features, server binaries per major of the points, clock; key slots >= 2, commit log, index coverage, stale
/// leases, tombstones due, age of the last proof per cluster, damaged points; source: reachability, role rights,
/// wal_level, WAL senders, summarize_wal, checksums, readable PGDATA.
Result<std::vector<DoctorLine>> run_doctor(const Context& context, const Environment& environment,
                                           const vault::Vault* vault, const DoctorOptions& options);

}  // namespace coffer::jobs
