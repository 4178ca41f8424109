// Engine: what the services want done with data. Behind it are the jobs of engine/jobs on vaults in folders or in S3
// (engine_vaults.cc); in simulations, a fake. Calls take long: never within a transaction. All of them may be made
// again after a crash with the same label and have their effect once.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/clock.h"
#include "base/context.h"
#include "base/progress.h"
#include "base/result.h"
#include "base/secret.h"

namespace coffer::rds {

/// A vault of an account: where its bytes are follows from the three names.
struct VaultPlace {
  std::string account, region;
  std::string name;     // of the Backup vault; "aws/rds" for what RDS itself keeps (manual snapshots)
  std::string key_arn;  // KMS key of the vault's slot
  friend bool operator==(const VaultPlace&, const VaultPlace&) = default;
};

/// How a registered database is reached.
struct DatabaseAccess {
  Secret conninfo;             // libpq's, with the password
  std::string data_directory;  // PGDATA on this machine: read locally; empty: by the replication stream
  uint64_t system_identifier = 0;
};

/// A recovery point as the engine knows it.
struct Point {
  std::string reference;  // opaque: the engine finds it in its place by this
  std::string label;      // what it was taken under
  WallTime started, finished;
  uint64_t size_bytes = 0;         // of the cluster
  uint64_t transferred_bytes = 0;  // what this point added to the vault
  std::string engine_version;      // "15.18"
  uint64_t system_identifier = 0;
  std::string state;  // "COMPLETED", "VERIFIED", "PROVEN", "DAMAGED"
  std::optional<WallTime> last_proof;
  std::vector<std::string> warnings;
};

/// What a live server says of itself and of what a backup needs.
struct ProbeFinding {
  std::string what;       // "role backup has not REPLICATION"
  std::string next_step;  // "ALTER ROLE backup REPLICATION;"
};
struct Probe {
  std::string engine_version;
  uint64_t system_identifier = 0;
  uint64_t size_bytes = 0;
  std::string host, user, database;
  int port = 5432;
  std::vector<ProbeFinding> findings;  // empty: a backup would work
};

struct RestoreRequest {
  std::string reference;
  std::string target;  // absolute folder
  std::string until;   // as jobs::parse_recovery_target() takes it; empty: the end of what is stored
};
struct RestoreResult {
  uint64_t size_bytes = 0;
  uint64_t system_identifier = 0;
  std::vector<std::string> notes;
};

/// Where an export's files go: a bucket, a folder.
class ExportSink {
 public:
  virtual ~ExportSink() = default;
  /// Stores a whole file; nothing is visible under `path` before it is whole.
  virtual Status put(const Context& context, std::string_view path, ByteSource& bytes) = 0;
  virtual Result<std::unique_ptr<ByteSource>> open(const Context& context, std::string_view path) = 0;
  virtual Status remove(const Context& context, std::string_view path) = 0;
  virtual Result<std::vector<std::string>> list(const Context& context, std::string_view prefix) = 0;
};
struct ExportRequest {
  std::string reference;
  std::string identifier;         // of the task
  std::string layout = "rds";     // or "typed"
  std::vector<std::string> only;  // "db", "db.schema", "db.schema.table"
  // As they appear in export_info_<id>.json.
  std::string source_arn, bucket, prefix, role_arn, kms_key_id;
  WallTime snapshot_time, task_start_time;
};
struct ExportResult {
  uint64_t tables = 0, rows = 0, extracted_bytes = 0;
  std::string warning_message;  // RDS's JSON text; empty: none
};
class ExportProgress {
 public:
  virtual ~ExportProgress() = default;
  virtual void percent(int value, uint64_t extracted_bytes) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  /// Makes the vault when it is missing: its folder, its keyset with a KMS slot and the installation's recovery slot.
  virtual Status open_vault(const Context& context, const VaultPlace& place) = 0;
  virtual Result<Probe> probe(const Context& context, const DatabaseAccess& access) = 0;
  /// Backs up. A point of this label that is there already (the daemon died after the commit) is the answer.
  virtual Result<Point> take(const Context& context, const VaultPlace& place, const DatabaseAccess& access,
                             std::string_view label, Progress& progress) = 0;
  virtual Result<std::vector<Point>> list(const Context& context, const VaultPlace& place) = 0;
  virtual Result<std::optional<Point>> find(const Context& context, const VaultPlace& place,
                                            std::string_view label) = 0;
  /// The point is forgotten; one that is not there is a success. Space comes back by collect().
  virtual Status forget(const Context& context, const VaultPlace& place, std::string_view reference,
                        std::string_view reason) = 0;
  virtual Status collect(const Context& context, const VaultPlace& place) = 0;
  /// Sealed objects go as they are; `to` opens them with its own key. Only what is missing travels.
  virtual Result<Point> copy(const Context& context, const VaultPlace& from, std::string_view reference,
                             const VaultPlace& to, std::string_view label, Progress& progress) = 0;
  virtual Result<RestoreResult> restore(const Context& context, const VaultPlace& place, const RestoreRequest& request,
                                        Progress& progress) = 0;
  /// Restores into scratch, boots, reads everything; the point's state afterwards.
  virtual Result<Point> prove(const Context& context, const VaultPlace& place, std::string_view reference,
                              Progress& progress) = 0;
  virtual Result<ExportResult> export_point(const Context& context, const VaultPlace& place,
                                            const ExportRequest& request, ExportSink& sink,
                                            ExportProgress& progress) = 0;
};

}  // namespace coffer::rds
