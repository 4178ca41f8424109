// Prove: restore into scratch, boot in a sandbox, read everything. "Could not check" is a failure.
#pragma once
#include <string>
#include <vector>

#include "engine/jobs/environment.h"
#include "engine/jobs/restore.h"
#include "engine/postgres/cluster_check.h"
#include "engine/vault/points.h"

namespace coffer::jobs {

struct ProveOptions {
  std::string point_id;
  bool thorough = false;      // heapallindexed
  bool keep_scratch = false;  // leave the restored copy and say where it is
};
struct ProveReport {
  vault::Attestation attestation;
  postgres::ClusterCheck checks;
  postgres::PageCheck pages;
  int64_t restore_ms = 0, recovery_ms = 0, check_ms = 0;
  std::string scratch;  // when kept
};
/// The attestation is written also when the point failed. kNotProven when the check could not run (no server of the
/// major, no sandbox, no space): nothing is attested then but the failure itself, with `success` false.
Result<ProveReport> run_prove(const Context& context, const Environment& environment, const vault::Vault& vault,
                              const ProveOptions& options);

}  // namespace coffer::jobs
