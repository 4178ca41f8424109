// An export, compared with its manifest.
#include <atomic>
#include <mutex>

#include "base/tasks.h"
#include "engine/jobs/export_files.h"
#include "engine/jobs/export_paths.h"
#include "engine/jobs/open_export.h"
#include "engine/parquet/part_reader.h"

namespace coffer::jobs {

namespace {

constexpr uint64_t kManifestSizeMax = uint64_t{512} << 20;
constexpr std::string_view kManifestBeginning = "/coffer_manifest_";

/// The identifier of the only export there is.
Result<std::string> only_identifier(const Context& context, ExportFiles& files) {
  COFFER_TRY(auto paths, files.list(context, ""));
  std::string found;
  for (const std::string& path : paths) {
    const size_t slash = path.find('/');
    if (slash == std::string::npos || !path.substr(slash).starts_with(kManifestBeginning) || !path.ends_with(".json"))
      continue;
    if (!found.empty())
      return Error{ErrorCode::kInvalidArgument, "there are several exports: " + found + ", " + path.substr(0, slash),
                   "name one of them"};
    found = path.substr(0, slash);
  }
  if (found.empty())
    return Error{ErrorCode::kNotFound, "there is no export here: no manifest was found",
                 "name the folder that the export was written to; one that failed has no manifest"};
  return found;
}

struct Job {
  const ExportedTable* table = nullptr;
  const ExportedFile* file = nullptr;
  size_t index = 0;  // of the table
};

bool is_finding(const Error& error) {
  return error.code == ErrorCode::kCorruption || error.code == ErrorCode::kNotFound;
}

}  // namespace

Result<ExportManifest> open_export(const Context& context, ExportFiles& files, std::string identifier,
                                   const vault::Vault* vault) {
  if (identifier.empty()) {
    COFFER_TRY(identifier, only_identifier(context, files));
  }
  if (!is_export_identifier(identifier))
    return Error{ErrorCode::kInvalidArgument, "'" + identifier.substr(0, 100) + "' names no export", {}};
  COFFER_TRY(std::string text, files.read_text(context, export_manifest_path(identifier), kManifestSizeMax));
  COFFER_TRY(std::string signature, files.read_text(context, export_signature_path(identifier), 1 << 20));
  COFFER_CHECK_OK(check_export_signature(text, signature, vault));
  COFFER_TRY(ExportManifest manifest, decode_export_manifest(text));
  if (manifest.identifier != identifier)
    return Error{ErrorCode::kCorruption, "the manifest is that of the export " + manifest.identifier, {}};
  return manifest;
}

Result<ExportVerifyReport> run_export_verify(const Context& context, const Environment& environment,
                                             const vault::Vault* vault, const std::string& identifier,
                                             ExportDestination& destination) {
  ExportFiles files(destination, environment);
  COFFER_TRY(ExportManifest manifest, open_export(context, files, identifier, vault));
  ExportVerifyReport report;
  report.signature_checked = vault != nullptr;
  std::vector<const ExportedTable*> tables;
  std::vector<Job> jobs;
  uint64_t bytes = 0;
  for (const auto& database : manifest.databases) {
    for (const ExportedTable& table : database.tables) {
      for (const ExportedFile& file : table.files) jobs.push_back({&table, &file, tables.size()});
      bytes += table.file_bytes;
      tables.push_back(&table);
    }
  }
  environment.progress.step("verify", bytes);
  std::mutex mutex;
  std::vector<parquet::TableDigest> digests(tables.size());
  std::vector<bool> damaged(tables.size());
  std::atomic<size_t> next{0};
  TaskGroup group(context);
  for (int i = 0; i < std::max(1, environment.jobs); ++i) {
    group.spawn([&]() -> Status {
      for (size_t at = next++; at < jobs.size(); at = next++) {
        const Job& job = jobs[at];
        parquet::TableDigest found;
        Status read = files.read_back(group.context(), *job.file, [&](File& file) -> Status {
          COFFER_TRY(found, parquet::digest_part(group.context(), job.table->plan, file));
          return ok_status();
        });
        if (!read.ok() && !is_finding(read.error())) return read;
        environment.progress.advance(job.file->size_bytes);
        std::lock_guard lock(mutex);
        if (read.ok()) {
          digests[job.index].add(found);
        } else {
          damaged[job.index] = true;
          report.findings.push_back(job.file->path + ": " + read.error().message);
        }
      }
      return ok_status();
    });
  }
  COFFER_CHECK_OK(group.wait());
  for (size_t i = 0; i < tables.size(); ++i) {
    const ExportedTable& table = *tables[i];
    ++report.tables;
    report.rows += table.digest.rows;
    report.files += table.files.size();
    report.file_bytes += table.file_bytes;
    if (damaged[i]) continue;
    if (const std::string what = parquet::difference(table.digest, digests[i], table.plan.column_names());
        !what.empty())
      report.findings.push_back(table.folder + ": " + what);
  }
  // What lies beside the tables: schemas, globals.
  for (const auto& database : manifest.databases) {
    for (const ExportedFile& file : database.schema_files) {
      Status read = files.read_back(context, file, [](File&) { return ok_status(); });
      if (!read.ok() && !is_finding(read.error())) return std::move(read).error();
      if (!read.ok()) report.findings.push_back(file.path + ": " + read.error().message);
    }
  }
  for (const ExportedFile& file : manifest.global_files) {
    Status read = files.read_back(context, file, [](File&) { return ok_status(); });
    if (!read.ok() && !is_finding(read.error())) return std::move(read).error();
    if (!read.ok()) report.findings.push_back(file.path + ": " + read.error().message);
  }
  return report;
}

}  // namespace coffer::jobs
