// Export: a recovery point as Parquet files, proven row by row. Import: the way back.
//
// Vocabulary. layout: how the files lie and which types their columns have; *rds* is what RDS writes for PostgreSQL,
// *typed* keeps each value's type and can be imported. part: one Parquet file, the rows of one range of pages of a
// table. manifest: what was exported, with counts and digests; written last, signed with a key of the vault.
// docs/export.md describes all of it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/clock.h"
#include "base/context.h"
#include "base/result.h"
#include "engine/jobs/environment.h"
#include "engine/vault/vault.h"

namespace coffer::jobs {

/// Where the files of an export go, or lie: a folder, a bucket. Paths have components separated by '/'. Safe from many
/// threads at once.
class ExportDestination {
 public:
  virtual ~ExportDestination() = default;
  /// Stores a whole file in the place of any older one; nothing is visible under `path` before it is whole.
  virtual Status put(const Context& context, std::string_view path, ByteSource& bytes) = 0;
  /// kNotFound when there is none.
  virtual Result<std::unique_ptr<ByteSource>> open(const Context& context, std::string_view path) = 0;
  /// What is not there is a success.
  virtual Status remove(const Context& context, std::string_view path) = 0;
  /// Paths that begin with `prefix`, in ascending order.
  virtual Result<std::vector<std::string>> list(const Context& context, std::string_view prefix) = 0;
};
/// Files below the folder `root`, which is made when `create`. Borrows `files`.
Result<std::unique_ptr<ExportDestination>> open_export_directory(FileSystem& files, const std::string& root,
                                                                 bool create);

/// A larger row fails the export, by name: it would stand in memory as a whole, several times.
inline constexpr size_t kExportedRowSizeMax = size_t{256} << 20;

enum class ExportLayout { kRds, kTyped };
std::string_view export_layout_name(ExportLayout layout);  // "rds", "typed"

struct ExportOptions {
  std::string point_id;
  std::string identifier;  // the folder below the destination: [A-Za-z0-9-], see is_export_identifier()
  ExportLayout layout = ExportLayout::kRds;
  std::vector<std::string> only;  // "db", "db.schema", "db.schema.table"; empty: all
  /// What cannot be exported (a table that cannot be read, a name that RDS refuses) is named in the report and the
  /// manifest. Unless this is set, it also fails the export before anything is written.
  bool allow_skipped = false;
  /// As they stand in export_info_<id>.json; nothing of it is interpreted.
  std::string source_arn, bucket, prefix, role_arn, kms_key_id;
  WallTime snapshot_time, task_start_time;  // zero: of the point, of this run
};
/// RDS's rule: begins with a letter, letters, digits and single hyphens, no hyphen at the end, at most 60.
bool is_export_identifier(std::string_view text);

struct ExportSkipped {
  std::string what;    // "db.schema.table", or "db"
  std::string reason;  // "PERMISSIONS_DO_NOT_EXIST: ..."
};
struct ExportReport {
  uint64_t tables = 0, rows = 0, files = 0;
  uint64_t extracted_bytes = 0;  // as COPY gave them
  uint64_t file_bytes = 0;
  std::vector<ExportSkipped> skipped;
  std::vector<std::string> notes;  // columns stored as text because of a value, ...
  std::string warning_message;     // RDS's JSON text; empty: nothing to warn of
  int64_t restore_ms = 0, recovery_ms = 0, export_ms = 0, duration_ms = 0;
};
class ExportProgress {
 public:
  virtual ~ExportProgress() = default;
  virtual void percent(int value, uint64_t extracted_bytes) = 0;
};
/// Restores the point into scratch, boots it, reads each database in one snapshot, writes below
/// `options.identifier`/, reads every file again from the destination and compares counts and digests with those that
/// the scratch server computes by SQL. On failure (also kCorruption, when they differ) the files of this run are
/// removed. An export of this identifier that is whole, signed by this vault and of the same point, layout and `only`
/// is the answer as it is; another one is kAlreadyExists. `progress` may be null.
Result<ExportReport> run_export(const Context& context, const Environment& environment, const vault::Vault& vault,
                                const ExportOptions& options, ExportDestination& destination, ExportProgress* progress);

struct ExportVerifyReport {
  uint64_t tables = 0, rows = 0, files = 0, file_bytes = 0;
  std::vector<std::string> findings;  // damage, one line each
  bool signature_checked = false;     // against a vault's key; else only that the manifest is whole
};
/// Reads every file of the export `identifier` (empty: the only one there) and compares it with the manifest. `vault`
/// may be null: then the manifest's signature is checked with the key that it names itself.
Result<ExportVerifyReport> run_export_verify(const Context& context, const Environment& environment,
                                             const vault::Vault* vault, const std::string& identifier,
                                             ExportDestination& destination);

struct ImportOptions {
  std::string identifier;  // empty: the only export there
  std::string database;    // of the export; empty: the only one in it
  std::string conninfo;    // of an empty database
};
struct ImportReport {
  uint64_t tables = 0, rows = 0;
  std::vector<std::string> notes;
  int64_t duration_ms = 0;
};
/// Loads one database of a typed export into an empty one, and compares counts and digests. kFailedPrecondition when
/// the database is not empty, or the export is of layout rds. `vault` as for run_export_verify().
Result<ImportReport> run_import(const Context& context, const Environment& environment, const vault::Vault* vault,
                                const ImportOptions& options, ExportDestination& destination);

}  // namespace coffer::jobs
