// What an export says of itself: Coffer's signed manifest, and the two files of JSON that RDS writes.
#pragma once
#include <string>
#include <vector>

#include "engine/jobs/export.h"
#include "engine/parquet/table_plan.h"

namespace coffer::jobs {

struct ExportedFile {
  std::string path;
  uint64_t rows = 0, size_bytes = 0;
  std::string sha256;  // hexadecimal
};
struct ExportedTable {
  parquet::TablePlan plan;
  std::string folder;
  parquet::TableDigest digest;
  std::vector<ExportedFile> files;  // with rows; by path
  size_t partitions = 1;
  uint64_t value_bytes = 0, file_bytes = 0;
  WallTime started, finished;
};
struct ExportedDatabase {
  std::string name, encoding;
  std::vector<ExportedTable> tables;
  std::vector<parquet::LeftOut> left_out;
  std::vector<ExportedFile> schema_files;  // "pre-data.sql", ...
};
struct ExportManifest {
  std::string identifier, point_id, vault_uuid, coffer_version;
  ExportLayout layout = ExportLayout::kTyped;
  uint64_t system_identifier = 0;
  int server_version_num = 0;
  WallTime started, finished;
  std::vector<std::string> only;
  std::vector<ExportedDatabase> databases;
  std::vector<ExportedFile> global_files;
  std::vector<ExportSkipped> skipped;
  std::vector<std::string> notes;
};

std::string encode_export_manifest(const ExportManifest& manifest);
/// kCorruption for what is none; kFailedPrecondition for one of a newer form.
Result<ExportManifest> decode_export_manifest(std::string_view text);

/// Signs with a key that is derived from the root of the vault's current epoch, so who opens the vault can check it.
std::string sign_export_manifest(std::string_view manifest, const vault::Vault& vault);
/// kUnauthenticated when the signature is not one of this manifest; with a vault, also when its key is none of the
/// vault's.
Status check_export_signature(std::string_view manifest, std::string_view signature, const vault::Vault* vault);

/// export_info_<id>.json, as RDS writes it when a task is complete.
std::string rds_export_info(const ExportOptions& options, const ExportManifest& manifest);
/// export_tables_info_<id>_from_1_to_<n>.json; `count` is n.
std::string rds_tables_info(const ExportManifest& manifest, size_t& count);
/// WarningMessage of the task; empty when nothing was skipped.
std::string rds_warning_message(const std::vector<ExportSkipped>& skipped);
/// "Jun 26, 2024, 3:43:58 PM"
std::string us_time(WallTime time);
/// A number as Java prints a double: "8.4154E-6", "0.004", "0.0".
std::string java_double(double value);

}  // namespace coffer::jobs
