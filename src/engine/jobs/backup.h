// Backup: a source becomes a recovery point. One pipeline for both sources (ARCHITECTURE.md, "Backup").
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "engine/jobs/environment.h"
#include "engine/postgres/local_source.h"
#include "engine/postgres/source.h"
#include "engine/postgres/stream_source.h"
#include "engine/vault/chunk_writer.h"
#include "engine/vault/manifest.h"
#include "engine/vault/vault.h"

namespace coffer::jobs {

struct BackupOptions {
  vault::WriteOptions write;
  std::string name;              // the user's label
  bool read_everything = false;  // ignore WAL summaries and the parent's maps: decide from the bytes alone
};

struct BackupReport {
  vault::Manifest manifest;
  std::string full_read_because;  // why a parent or summaries were not used; empty when they were
  int64_t duration_ms = 0;
};

/// Where a source comes from: asked for the cluster's identity first, so that the newest point of that cluster can be
/// its parent.
struct SourceFactory {
  std::function<Result<uint64_t>(const Context&)> system_identifier;
  std::function<std::unique_ptr<postgres::Source>(const std::optional<postgres::ParentPoint>&)> make;
};
SourceFactory stream_source_factory(postgres::StreamOptions options);
SourceFactory local_source_factory(const Environment& environment, postgres::LocalOptions options);

/// Takes a lease, backs up, reads back, commits, releases. On any failure no point is visible, and what was stored is
/// found again (by its chunk ids) by the next run or removed by the collector. A damaged page does not fail the backup:
/// the point is marked, see Manifest::damaged_pages.
Result<BackupReport> run_backup(const Context& context, const Environment& environment, const vault::Vault& vault,
                                const SourceFactory& source, const BackupOptions& options);

}  // namespace coffer::jobs
