// Restore, verify: the one reader of recovery points, with and without a writer at its end.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/jobs/environment.h"
#include "engine/vault/points.h"
#include "engine/vault/vault.h"

namespace coffer::jobs {

/// Where recovery stops. At most one; nothing: to the end of the WAL stored in the point.
struct RecoveryTarget {
  enum class Kind { kLatest, kImmediate, kTime, kLsn, kXid, kName };
  Kind kind = Kind::kLatest;
  std::string value;
  bool inclusive = true;
};
/// "latest", "immediate", "lsn:0/3000000", "xid:1234", "name:before-upgrade", or a time with zone
/// ("2026-11-24T12:00:00Z").
Result<RecoveryTarget> parse_recovery_target(std::string_view text);

struct RestoreOptions {
  std::string point_id;
  std::string target;                              // absolute directory; must be absent or empty unless `delta`
  std::map<std::string, std::string> tablespaces;  // path on the source (or oid) -> path here
  bool delta = false;                              // bring an existing, stopped copy of the same cluster to the point
  RecoveryTarget until;
  bool keep_archiving = false;  // else archive_mode is off in the restored copy
  bool standby = false;         // leave standby.signal instead of promoting
  bool write_settings = true;   // false: bytes only, nothing of ours (prove uses its own)
};

struct RestoreReport {
  uint64_t files = 0, directories = 0, size_bytes = 0;  // of the point
  uint64_t bytes_written = 0, bytes_kept = 0;           // delta and resume keep what is right already
  uint64_t files_removed = 0;                           // delta: what the point does not have
  std::string target;
  std::vector<std::string> notes;  // "archiving is switched off in postgresql.auto.conf", ...
  int64_t duration_ms = 0;
};

/// Everything is made beneath an opened directory (openat2); page fingerprints are checked on the way; the data
/// directory appears under its name only when it is complete and synced (staging directory and rename; where that is
/// not possible, pg_control comes last). Run again after a crash it keeps what is right and goes on. Refusals name the
/// reason: target not empty, a server runs in it, another cluster's files, a recovery target that the stored WAL does
/// not reach.
Result<RestoreReport> run_restore(const Context& context, const Environment& environment, const vault::Vault& vault,
                                  const RestoreOptions& options);

struct VerifyOptions {
  std::vector<std::string> point_ids;  // empty: every live point, and every object of the vault
};
struct VerifyFinding {
  std::string object;  // key of the damaged object, or the point's id
  std::string problem;
  std::vector<std::string> points;  // that need it
};
struct VerifyReport {
  uint64_t points = 0, objects = 0, object_bytes = 0, files = 0, pages = 0, size_bytes = 0;
  std::vector<VerifyFinding> findings;
  int64_t duration_ms = 0;
  [[nodiscard]] bool clean() const { return findings.empty(); }
};
/// Reads all bytes: each object opens, each chunk of the points decompresses, each page has its fingerprint, each file
/// its digest. Goes on after damage and names every object hit. Writes an attestation to each point. An error means
/// that the check could not run, which is not the same as damage.
Result<VerifyReport> run_verify(const Context& context, const Environment& environment, const vault::Vault& vault,
                                const VerifyOptions& options);

}  // namespace coffer::jobs
