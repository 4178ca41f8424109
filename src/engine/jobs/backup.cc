#include "engine/jobs/backup.h"

#include <algorithm>

#include "engine/jobs/file_intake.h"
#include "engine/jobs/vault_access.h"
#include "engine/postgres/connection.h"
#include "engine/vault/collector.h"
#include "engine/vault/lease.h"
#include "engine/vault/points.h"

#ifndef COFFER_VERSION
#define COFFER_VERSION "0.1.0"
#endif

namespace coffer::jobs {

using namespace vault;

namespace {

constexpr uint64_t kPackSizeMin = 1 << 20;

// The workers of one backup: each with its own writer and intake, so that they share nothing but the dedup table.
struct Worker {
  Worker(IntakeShared& shared, WriteSession& session) : writer(session), intake(shared, writer) {}
  ChunkWriter writer;
  FileIntake intake;
};

Status run_workers(const Context& context, postgres::Source& source, std::vector<std::unique_ptr<Worker>>& workers) {
  TaskGroup group(context);
  for (auto& worker : workers)
    group.spawn([&source, &worker, &group]() -> Status {
      while (true) {
        COFFER_CHECK_OK(group.context().check());
        COFFER_TRY(std::optional<postgres::Piece> piece, source.next(group.context()));
        if (!piece) return ok_status();
        COFFER_CHECK_OK(worker->intake.take(group.context(), std::move(*piece)));
      }
    });
  return group.wait();
}

// Every file of the server's own manifest must have arrived here with the size and CRC that the server computed: an
// independent count (rule R4). Files that the server does not list (WAL, the manifest) are not looked at.
Status compare_with_server_manifest(const Context& context, Directory& scratch, ByteView server_manifest,
                                    FileListReader& list) {
  ExternalSorter theirs(scratch, 8 << 20);
  auto parsed = postgres::parse_backup_manifest(server_manifest, [&](postgres::ManifestFile&& file) -> Status {
    if (file.checksum_algorithm != "CRC32C" || file.checksum.size() != 4) return ok_status();
    // The archiver's marks of WAL files are listed and not kept: a copy must not believe that its WAL is archived.
    if (file.path.starts_with("pg_wal/")) return ok_status();
    Bytes record = to_bytes(file.path);
    ByteWriter w(record);
    w.u8(0);
    w.u64(file.size_bytes);
    w.bytes(file.checksum);
    return theirs.add(record);
  });
  if (!parsed.ok()) return std::move(parsed).error().in("the server's backup_manifest");
  COFFER_TRY(auto sorted, theirs.finish());
  while (true) {
    COFFER_TRY(std::optional<ByteView> record, sorted->next());
    if (!record) return ok_status();
    const std::string path = to_text(record->first(record->size() - 13));
    ByteReader r(record->last(12));
    const uint64_t size = r.u64();
    const Bytes checksum = to_bytes(r.bytes(4));
    COFFER_TRY(std::optional<FileEntry> ours, list.find(context, path));
    if (!ours || ours->size_bytes != size || postgres::manifest_crc32c(ours->crc32c) != checksum)
      return Error{ErrorCode::kCorruption,
                   path + (ours ? " arrived with other bytes than the server's manifest says"
                                : " is in the server's manifest and did not arrive"),
                   "run the backup again; when it repeats, check the network path and memory of both hosts"};
  }
}

void describe_source(Manifest& m, const postgres::SourceStart& start) {
  m.source_kind = start.kind;
  m.system_identifier = start.system_identifier;
  m.timeline = start.timeline;
  m.start_lsn = postgres::format_lsn(start.start);
  m.major = start.major;
  m.server_version_num = start.server_version_num;
  m.catalog_version = start.catalog_version;
  m.wal_segment_size_bytes = start.wal_segment_size_bytes;
  m.data_checksums = start.data_checksums;
  m.from_standby = start.from_standby;
  m.used_wal_summaries = start.uses_wal_summaries;
  m.full_read_because = start.summaries_unused_because;
  m.settings = start.settings;
  m.databases = start.databases;
  m.roles_needed = start.roles_needed;
  m.superuser = start.superuser;
  for (const auto& t : start.tablespaces) m.tablespaces[t.oid] = t.path;
}

void describe_end(Manifest& m, const postgres::SourceEnd& end) {
  m.stop_lsn = postgres::format_lsn(end.stop);
  m.warnings.insert(m.warnings.end(), end.warnings.begin(), end.warnings.end());
  for (const std::string& line : end.server_checksum_failures) m.warnings.push_back("the server reported: " + line);
  if (end.control) {
    m.catalog_version = end.control->catalog_version;
    m.data_checksums = end.control->data_checksum_version != 0;
  }
  // The server saw damage that our own rule may not have judged (a page above the start LSN): the mark must not be
  // lost.
  if (!end.server_checksum_failures.empty() && m.damaged_page_count == 0)
    m.damaged_page_count = end.server_checksum_failures.size();
}

}  // namespace

SourceFactory stream_source_factory(postgres::StreamOptions options) {
  return {.system_identifier = [options](const Context& context) -> Result<uint64_t> {
            COFFER_TRY(auto connection,
                       postgres::connect(context, options.conninfo, postgres::ConnectionKind::kReplication));
            COFFER_TRY(postgres::Rows rows, connection->query(context, "IDENTIFY_SYSTEM"));
            if (rows.size() != 1) return Error{ErrorCode::kUnavailable, "IDENTIFY_SYSTEM gave no row", {}};
            return static_cast<uint64_t>(std::strtoull(rows[0].text(0).c_str(), nullptr, 10));
          },
          .make =
              [options](const std::optional<postgres::ParentPoint>& parent) {
                postgres::StreamOptions o = options;
                if (parent && !o.expected_system_identifier) o.expected_system_identifier = parent->system_identifier;
                return postgres::make_stream_source(std::move(o));
              }};
}

SourceFactory local_source_factory(const Environment& environment, postgres::LocalOptions options) {
  return {.system_identifier = [options](const Context& context) -> Result<uint64_t> {
            COFFER_TRY(auto connection, postgres::connect(context, options.conninfo, postgres::ConnectionKind::kSql));
            COFFER_TRY(postgres::Rows rows,
                       connection->query(context, "SELECT system_identifier FROM pg_control_system()"));
            if (rows.size() != 1) return Error{ErrorCode::kUnavailable, "pg_control_system() gave no row", {}};
            return static_cast<uint64_t>(std::strtoull(rows[0].text(0).c_str(), nullptr, 10));
          },
          .make =
              [&files = environment.files, &clock = environment.clock,
               options](const std::optional<postgres::ParentPoint>& parent) {
                postgres::LocalOptions o = options;
                o.parent = parent;
                return postgres::make_local_source(files, clock, std::move(o));
              }};
}

Result<BackupReport> run_backup(const Context& context, const Environment& env, const Vault& vault,
                                const SourceFactory& factory, const BackupOptions& options) {
  const MonoTime began = env.clock.mono();
  BackupReport report;
  Manifest& manifest = report.manifest;
  manifest.started = env.clock.wall();
  manifest.vault_uuid = vault.format().uuid;
  manifest.epoch = vault.current().epoch;
  manifest.name = options.name;
  manifest.coffer_version = COFFER_VERSION;

  env.progress.step("connect", 0);
  COFFER_TRY(const uint64_t system_identifier, factory.system_identifier(context));
  COFFER_TRY(auto log, CommitLog::load(context, vault));
  COFFER_TRY(auto lease, Lease::acquire(context, vault, *log, "backup"));
  // After the lease: tombstones set before it are seen now, later ones cannot be acted upon while the lease is held.
  COFFER_CHECK_OK(log->refresh(context));
  COFFER_TRY(auto doomed, tombstoned_packs(context, vault, log->state()));
  COFFER_TRY(auto index, open_index(context, env, vault, log->state()));
  COFFER_TRY(auto scratch, env.files.open_directory(env.scratch));

  std::optional<Manifest> parent;
  if (options.read_everything) {
    report.full_read_because = "asked to read everything";
  } else {
    COFFER_TRY(parent, newest_point_of(context, vault, log->state(), system_identifier));
    if (!parent) report.full_read_because = "no earlier point of this cluster";
    if (parent && parent->epoch != vault.current().epoch) {
      parent.reset();
      report.full_read_because = "the earlier point is under an older key epoch";
    }
  }
  std::optional<postgres::ParentPoint> parent_point;
  if (parent) {
    manifest.parent_id = parent->id;
    COFFER_TRY(postgres::Lsn lsn, postgres::parse_lsn(parent->start_lsn));
    parent_point = postgres::ParentPoint{parent->system_identifier, parent->timeline, lsn};
  }

  std::unique_ptr<postgres::Source> source = factory.make(parent_point);
  env.progress.step("begin", 0);
  COFFER_TRY(postgres::SourceStart start, source->begin(context));
  if (start.system_identifier != system_identifier)
    return Error{ErrorCode::kConflict,
                 "the server changed under us: it was cluster " + std::to_string(system_identifier) + " and is now " +
                     std::to_string(start.system_identifier),
                 "run the backup again"};
  describe_source(manifest, start);
  if (report.full_read_because.empty()) report.full_read_because = start.summaries_unused_because;
  if (!start.summaries_unused_because.empty())
    env.progress.note("reading everything: " + start.summaries_unused_because);

  WriteOptions write = options.write;
  const auto jobs = static_cast<uint64_t>(std::max(1, env.jobs));
  write.pack_size_bytes =
      std::clamp<uint64_t>(env.budget.limit_bytes() / (4 * (jobs + 1)), kPackSizeMin, write.pack_size_bytes);
  WriteSession session(context, vault, *index, env.budget, write, std::move(doomed));
  PackCache packs(vault);
  IntakeShared shared(vault, *index, packs, *scratch, env.progress, start.start, parent);
  std::vector<std::unique_ptr<Worker>> workers;
  for (uint64_t i = 0; i < jobs; ++i) workers.push_back(std::make_unique<Worker>(shared, session));

  env.progress.step("copy", start.estimated_size_bytes);
  COFFER_CHECK_OK(run_workers(context, *source, workers));
  env.progress.step("finish", 0);
  COFFER_TRY(postgres::SourceEnd end, source->finish(context));
  env.progress.step("wal", 0);
  COFFER_CHECK_OK(run_workers(context, *source, workers));
  source.reset();

  env.progress.step("file list", 0);
  {
    COFFER_TRY(auto sorted, shared.sorted_entries());
    FileListWriter list([&](ByteView block) { return workers[0]->writer.put(context, block); });
    while (true) {
      COFFER_TRY(std::optional<ByteView> record, sorted->next());
      if (!record) break;
      COFFER_CHECK_OK(list.add(*record));
    }
    COFFER_TRY(manifest.list, list.finish());
  }
  for (auto& worker : workers) COFFER_CHECK_OK(worker->writer.close(context));
  workers.clear();
  env.progress.step("store", 0);
  COFFER_CHECK_OK(session.finish(context));

  manifest.written = session.totals();
  manifest.packs = session.packs();
  manifest.damaged_pages = shared.damaged_pages();
  manifest.damaged_page_count = shared.damaged_page_count();
  describe_end(manifest, end);
  const IntakeShared::Totals totals = shared.totals();
  manifest.files = totals.files;
  manifest.directories = totals.directories;
  manifest.size_bytes = totals.size_bytes;
  manifest.bytes_read = totals.bytes_read;
  manifest.pages_changed = totals.pages_changed;

  if (!shared.server_manifest().empty()) {
    env.progress.step("compare with the server's manifest", 0);
    ChunkReader reader(vault, *index, packs);
    FileListReader list(reader, manifest.list);
    COFFER_CHECK_OK(compare_with_server_manifest(context, *scratch, shared.server_manifest(), list));
  }

  env.progress.step("commit", 0);
  manifest.finished = env.clock.wall();
  manifest.id = new_point_id(manifest.finished, env.entropy);
  COFFER_CHECK_OK(commit_point(context, vault, *log, *lease, manifest));
  if (auto s = lease->release(context); !s.ok())
    env.progress.note("the lease was not released and will expire: " + s.error().message);
  if (auto s = merge_indexes(context, vault, *index, kIndexesMax); !s.ok())
    env.progress.note("indexes were not merged: " + s.error().message);
  report.duration_ms = (env.clock.mono() - began).count() / 1'000'000;
  return report;
}

}  // namespace coffer::jobs
