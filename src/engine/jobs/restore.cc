#include "engine/jobs/restore.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "engine/jobs/point_reader.h"
#include "engine/jobs/restore_settings.h"
#include "engine/jobs/restore_target.h"
#include "engine/jobs/vault_access.h"
#include "engine/postgres/backup_files.h"
#include "engine/postgres/data_directory.h"
#include "engine/vault/lease.h"

namespace coffer::jobs {

using namespace vault;

namespace {

constexpr size_t kWriteSpan = 4 * kGroupSize;
// A worker waits for the disk about as long as it decrypts and decompresses, so two share a core.
constexpr int kWorkersPerJob = 2;
constexpr std::string_view kControlFile = "global/pg_control";
constexpr std::string_view kAutoConf = "postgresql.auto.conf";
constexpr std::string_view kTablespaceMap = "tablespace_map";
constexpr std::string_view kManifestFile = "backup_manifest";
constexpr std::string_view kConfigPrefix = "coffer/config/";  // configuration files from outside the data directory

// A file of several map blocks that workers fill together.
struct SharedFile {
  FileEntry entry;
  std::vector<MapBlockRef> refs;
  std::unique_ptr<File> file;
  std::atomic<uint64_t> blocks_left{0};
};

struct Unit {
  std::shared_ptr<SharedFile> shared;  // one block of a large file, or
  uint64_t block = 0;
  FileEntry entry;  // a whole small file
};

class Restorer {
 public:
  Restorer(const Context& context, const Environment& env, const Vault& vault, const RestoreOptions& options,
           const Manifest& manifest, const IndexSet& index, RestoreTarget& target)
      : context_(context),
        env_(env),
        vault_(vault),
        options_(options),
        manifest_(manifest),
        index_(index),
        packs_(vault, options.delta ? PackCache::Need::kSome : PackCache::Need::kMost),
        target_(target) {}

  Status run();
  RestoreReport report;

 private:
  Status walk(const Context& context, Channel<Unit>& units);
  Status work(const Context& context, Channel<Unit>& units);
  Result<std::unique_ptr<File>> open_target(const FileEntry& entry, bool& existed);
  Status write_block(const Context& context, PointReader& reader, const FileEntry& entry, const MapBlock& block,
                     uint64_t offset, File& file, bool existed, MutableByteView buffer);
  Status finish_file(const FileEntry& entry, File& file);
  Result<Bytes> small_file(const FileEntry& entry);
  Status write_small_file(const std::string& path, ByteView content, uint32_t mode);
  Status write_specials();
  Status write_manifest();
  Status write_links();
  Status remove_others();
  [[nodiscard]] std::string path_here(const FileEntry& entry) const {
    return entry.path.starts_with(kConfigPrefix) ? "coffer-config/" + entry.path.substr(kConfigPrefix.size())
                                                 : entry.path;
  }
  [[nodiscard]] bool left_out(const std::string& path) const {
    return path == "recovery.signal" || path == "standby.signal" || path == "recovery.done" || path == "postmaster.pid";
  }

  const Context& context_;
  const Environment& env_;
  const Vault& vault_;
  const RestoreOptions& options_;
  const Manifest& manifest_;
  const IndexSet& index_;
  PackCache packs_;
  RestoreTarget& target_;
  std::optional<FileEntry> control_, auto_conf_, tablespace_map_, server_manifest_;
  std::map<std::string, std::pair<uint64_t, uint32_t>> rewritten_;  // path -> size, CRC of what we wrote in its place
  std::atomic<uint64_t> written_{0}, kept_{0};
};

Result<std::unique_ptr<File>> Restorer::open_target(const FileEntry& entry, bool& existed) {
  const RestoreTarget::Location at = target_.locate(path_here(entry));
  existed = false;
  if (target_.resumes()) {
    auto there = at.directory->stat(at.relative);
    if (there.ok() && there->type == FileType::kRegular) {
      // A file that we may not even open is made anew like one that is missing.
      if (auto file = at.directory->open_file_for_write(at.relative); file.ok()) {
        existed = true;
        COFFER_CHECK_OK((*file)->set_mode(entry.mode));
        COFFER_CHECK_OK(target_.own(**file));
        return file;
      }
    }
    if (there.ok()) {
      if (there->type == FileType::kDirectory)
        return Error{ErrorCode::kFailedPrecondition, path_here(entry) + " is a directory here and a file in the point",
                     "empty the target and restore again"};
      COFFER_CHECK_OK(at.directory->remove_file(at.relative));
    }
  }
  auto file = at.directory->create_file(at.relative, entry.mode);
  if (!file.ok() && file.code() == ErrorCode::kNotFound && at.relative.find('/') != std::string::npos) {
    COFFER_CHECK_OK(target_.make_directories({at.directory, at.relative.substr(0, at.relative.rfind('/'))}, 0700));
    file = at.directory->create_file(at.relative, entry.mode);
  }
  if (file.ok()) COFFER_CHECK_OK(target_.own(**file));
  return file;
}

// Writes the groups of one map block. Over an existing file only the groups that differ are read from the vault and
// written.
Status Restorer::write_block(const Context& context, PointReader& reader, const FileEntry& entry, const MapBlock& block,
                             uint64_t offset, File& file, bool existed, MutableByteView buffer) {
  uint64_t pending_offset = offset;
  size_t pending = 0;  // bytes in `buffer` that wait to be written at pending_offset
  auto flush = [&]() -> Status {
    if (pending > 0) {
      // A large new file goes around the page cache: a restore would fill memory with pages that nobody reads for long.
      const bool around = !existed && entry.size_bytes > kMapBlockSpan;
      ByteView bytes = buffer.first(pending);
      COFFER_CHECK_OK(around ? file.write_around_cache(pending_offset, bytes) : file.write_at(pending_offset, bytes));
    }
    written_ += pending;
    pending = 0;
    return ok_status();
  };
  for (const PageGroup& group : block) {
    if (existed) {
      COFFER_CHECK_OK(flush());
      MutableByteView bytes = buffer.first(group.size_bytes);
      COFFER_TRY(size_t n, file.read_at(offset, bytes));
      if (n == bytes.size() && reader.matches(group, bytes)) {
        kept_ += n;
        offset += group.size_bytes;
        pending_offset = offset;
        env_.progress.advance(n);
        continue;
      }
    }
    if (pending + group.size_bytes > buffer.size()) {
      COFFER_CHECK_OK(flush());
    }
    if (pending == 0) pending_offset = offset;
    if (auto s = reader.read_group(context, group, buffer.subspan(pending, group.size_bytes)); !s.ok())
      return std::move(s).error().in(entry.path + " at byte " + std::to_string(offset));
    const bool hole = !existed && group.run_count == 1 && group.runs[0].chunk == kZeroRun;
    if (hole) {
      COFFER_CHECK_OK(flush());  // nothing to write: the file's size makes these zeros
    } else {
      pending += group.size_bytes;
    }
    offset += group.size_bytes;
    env_.progress.advance(group.size_bytes);
  }
  return flush();
}

Status Restorer::finish_file(const FileEntry& entry, File& file) {
  COFFER_CHECK_OK(file.truncate(entry.size_bytes));
  return file.set_mtime(entry.mtime_ns);
}

Status Restorer::work(const Context& context, Channel<Unit>& units) {
  PointReader reader(vault_, index_, packs_);
  // Aligned by hand, for writes around the cache.
  Bytes memory(kWriteSpan + kDirectAlignment);
  const size_t skip = kDirectAlignment - reinterpret_cast<uintptr_t>(memory.data()) % kDirectAlignment;
  MutableByteView buffer = MutableByteView(memory).subspan(skip, kWriteSpan);
  while (auto unit = units.pop(context)) {
    if (unit->shared) {
      SharedFile& shared = *unit->shared;
      COFFER_TRY(MapBlock block, reader.block(context, shared.entry, shared.refs, unit->block));
      COFFER_CHECK_OK(write_block(context, reader, shared.entry, block, unit->block * kMapBlockSpan, *shared.file,
                                  target_.resumes(), buffer));
      if (--shared.blocks_left == 0) COFFER_CHECK_OK(finish_file(shared.entry, *shared.file));
      continue;
    }
    const FileEntry& entry = unit->entry;
    bool existed = false;
    auto file = open_target(entry, existed);
    if (!file.ok()) return std::move(file).error().in("restoring " + entry.path);
    COFFER_TRY(auto refs, reader.blocks_of(context, entry));
    for (uint64_t b = 0; b < refs.size(); ++b) {
      COFFER_TRY(MapBlock block, reader.block(context, entry, refs, b));
      COFFER_CHECK_OK(write_block(context, reader, entry, block, b * kMapBlockSpan, **file, existed, buffer));
    }
    COFFER_CHECK_OK(finish_file(entry, **file));
  }
  return context.check();
}

// Makes directories and hands out files, in the list's order.
Status Restorer::walk(const Context& context, Channel<Unit>& units) {
  PointReader reader(vault_, index_, packs_);
  FileListReader list(reader.chunks(), manifest_.list);
  auto push = [&](Unit unit) -> Status {
    if (!units.push(context, std::move(unit))) return Error{ErrorCode::kCancelled, "stopped on request", {}};
    return ok_status();
  };
  COFFER_CHECK_OK(list.visit(context, [&](FileEntry&& entry) -> Status {
    COFFER_CHECK_OK(postgres::check_source_path(entry.path));
    if (entry.is_directory) {
      ++report.directories;
      const RestoreTarget::Location at = target_.locate(path_here(entry));
      if (at.relative.empty()) return ok_status();
      COFFER_CHECK_OK(target_.make_directories(at, entry.mode));
      return at.directory->set_mode(at.relative, entry.mode);
    }
    ++report.files;
    report.size_bytes += entry.size_bytes;
    if (left_out(entry.path)) return ok_status();
    for (auto& [path, slot] : {std::pair<std::string_view, std::optional<FileEntry>*>{kControlFile, &control_},
                               {kAutoConf, &auto_conf_},
                               {kTablespaceMap, &tablespace_map_},
                               {kManifestFile, &server_manifest_}})
      if (entry.path == path) {
        *slot = std::move(entry);
        return ok_status();
      }
    if (map_block_count(entry.size_bytes) <= 1) {
      Unit unit;
      unit.entry = std::move(entry);
      return push(std::move(unit));
    }
    auto shared = std::make_shared<SharedFile>();
    COFFER_TRY(shared->refs, reader.blocks_of(context, entry));
    bool existed = false;
    auto file = open_target(entry, existed);
    if (!file.ok()) return std::move(file).error().in("restoring " + entry.path);
    shared->file = std::move(file).value();
    // The size first: writes inside it need no lock on the inode, and zero pages that are not written are holes.
    if (!existed) COFFER_CHECK_OK(shared->file->truncate(entry.size_bytes));
    shared->entry = std::move(entry);
    shared->blocks_left = shared->refs.size();
    for (uint64_t b = 0; b < shared->refs.size(); ++b) {
      Unit unit;
      unit.shared = shared;
      unit.block = b;
      COFFER_CHECK_OK(push(std::move(unit)));
    }
    return ok_status();
  }));
  units.close();
  return ok_status();
}

Result<Bytes> Restorer::small_file(const FileEntry& entry) {
  constexpr uint64_t kLimit = 64 << 20;
  if (entry.size_bytes > kLimit) return Error{ErrorCode::kCorruption, entry.path + " is impossibly large", {}};
  PointReader reader(vault_, index_, packs_);
  Bytes out(entry.size_bytes);
  COFFER_TRY(auto refs, reader.blocks_of(context_, entry));
  for (uint64_t b = 0; b < refs.size(); ++b) {
    COFFER_TRY(MapBlock block, reader.block(context_, entry, refs, b));
    uint64_t at = b * kMapBlockSpan;
    for (const PageGroup& g : block) {
      COFFER_CHECK_OK(reader.read_group(context_, g, MutableByteView(out).subspan(at, g.size_bytes)));
      at += g.size_bytes;
    }
  }
  return out;
}

Status Restorer::write_small_file(const std::string& path, ByteView content, uint32_t mode) {
  FileEntry entry;
  entry.path = path;
  entry.mode = mode;
  bool existed = false;
  COFFER_TRY(auto file, open_target(entry, existed));
  COFFER_CHECK_OK(file->truncate(0));
  COFFER_CHECK_OK(file->write_at(0, content));
  rewritten_[path] = {content.size(), crypto::crc32c(content)};
  written_ += content.size();
  return ok_status();
}

// The server makes the links of pg_tblspc from tablespace_map when it starts; we make them as well, so that tools which
// look before that see the truth.
Status Restorer::write_links() {
  for (const auto& [oid, path] : target_.tablespaces()) {
    const std::string link = "pg_tblspc/" + std::to_string(oid);
    Directory& root = target_.root();
    COFFER_CHECK_OK(target_.make_directories({&root, "pg_tblspc"}, 0700));
    auto there = root.stat(link);
    if (there.ok() && there->type == FileType::kDirectory) COFFER_CHECK_OK(root.remove_directory(link));
    if (there.ok() && there->type != FileType::kDirectory) COFFER_CHECK_OK(root.remove_file(link));
    COFFER_CHECK_OK(root.create_symlink(path, link));
    COFFER_CHECK_OK(target_.own({&root, link}));
  }
  return ok_status();
}

Status Restorer::write_specials() {
  bool moved = false;
  for (const auto& [oid, path] : target_.tablespaces()) moved = moved || manifest_.tablespaces.at(oid) != path;
  if (tablespace_map_ || moved) {
    std::vector<postgres::TablespaceLink> links;
    for (const auto& [oid, path] : target_.tablespaces()) links.push_back({oid, path});
    if (!links.empty())
      COFFER_CHECK_OK(
          write_small_file(std::string(kTablespaceMap), as_bytes(postgres::format_tablespace_map(links)), 0600));
  }
  COFFER_CHECK_OK(write_links());
  Bytes auto_conf;
  if (auto_conf_) {
    COFFER_TRY(auto_conf, small_file(*auto_conf_));
  }
  if (options_.write_settings) {
    append(auto_conf, as_bytes(recovery_settings(manifest_, options_)));
    const std::string signal = recovery_signal(options_);
    if (!signal.empty()) COFFER_CHECK_OK(write_small_file(signal, {}, 0600));
    if (!options_.keep_archiving)
      report.notes.push_back(
          "archiving is switched off in postgresql.auto.conf, so that the copy cannot write into the original's "
          "archive; remove the "
          "line, or restore with --keep-archiving, when it takes the original's place");
  }
  if (auto_conf_ || !auto_conf.empty())
    COFFER_CHECK_OK(write_small_file(std::string(kAutoConf), auto_conf, auto_conf_ ? auto_conf_->mode : 0600));
  if (server_manifest_ && !moved) {
    COFFER_TRY(Bytes manifest, small_file(*server_manifest_));
    return write_small_file(std::string(kManifestFile), manifest, server_manifest_->mode);
  }
  return write_manifest();
}

// A backup_manifest with the CRCs that were taken from the source's bytes, so that pg_verifybackup can check the copy
// by itself.
Status Restorer::write_manifest() {
  FileEntry entry;
  entry.path = kManifestFile;
  bool existed = false;
  COFFER_TRY(auto file, open_target(entry, existed));
  COFFER_CHECK_OK(file->truncate(0));
  uint64_t offset = 0;
  Bytes buffer;
  auto flush = [&]() -> Status {
    COFFER_CHECK_OK(file->write_at(offset, buffer));
    offset += buffer.size();
    buffer.clear();
    return ok_status();
  };
  postgres::ManifestWriter writer(manifest_.major, manifest_.system_identifier, [&](ByteView text) -> Status {
    append(buffer, text);
    return buffer.size() < (1 << 20) ? ok_status() : flush();
  });
  PointReader reader(vault_, index_, packs_);
  FileListReader list(reader.chunks(), manifest_.list);
  COFFER_CHECK_OK(list.visit(context_, [&](FileEntry&& e) -> Status {
    const std::string path = path_here(e);
    if (e.is_directory || left_out(path) || path.starts_with("pg_wal/") || path == kManifestFile) return ok_status();
    uint64_t size = e.size_bytes;
    uint32_t crc = e.crc32c;
    if (auto it = rewritten_.find(path); it != rewritten_.end()) std::tie(size, crc) = it->second;
    return writer.add({path, size, e.mtime_ns / 1'000'000'000, "CRC32C", postgres::manifest_crc32c(crc)});
  }));
  COFFER_TRY(postgres::Lsn start, postgres::parse_lsn(manifest_.start_lsn));
  COFFER_TRY(postgres::Lsn stop, postgres::parse_lsn(manifest_.stop_lsn));
  COFFER_CHECK_OK(writer.finish({{manifest_.timeline, start, stop}}));
  return flush();
}

Status Restorer::remove_others() {
  PointReader reader(vault_, index_, packs_);
  FileListReader list(reader.chunks(), manifest_.list);
  auto removed = target_.remove_others([&](const std::string& path, bool is_directory) -> Result<bool> {
    if (path == kManifestFile || path == kAutoConf || path == kTablespaceMap || path == recovery_signal(options_))
      return true;
    const bool config = path.starts_with("coffer-config/") || path == "coffer-config";
    const std::string listed =
        config ? std::string(kConfigPrefix) + path.substr(std::min<size_t>(path.size(), 14)) : path;
    if (config && is_directory) return true;
    if (left_out(listed)) return false;
    COFFER_TRY(std::optional<FileEntry> entry, list.find(context_, listed));
    return entry && entry->is_directory == is_directory;
  });
  if (!removed.ok()) return std::move(removed).error().in("removing what the point does not have");
  report.files_removed = *removed;
  return ok_status();
}

Status Restorer::run() {
  if (target_.resumes()) {
    env_.progress.step("remove", 0);
    COFFER_CHECK_OK(remove_others());
  }
  env_.progress.step("restore", manifest_.size_bytes);
  Channel<Unit> units(256);
  TaskGroup group(context_);
  group.spawn([&] { return walk(group.context(), units); });
  const int workers = std::max(kWorkersPerJob * std::max(1, env_.jobs), tasks_for(env_, vault_));
  for (int i = 0; i < workers; ++i) group.spawn([&] { return work(group.context(), units); });
  COFFER_CHECK_OK(group.wait());

  if (!control_) return Error{ErrorCode::kCorruption, "the point has no global/pg_control", "restore another point"};
  if (report.files != manifest_.files || report.size_bytes != manifest_.size_bytes)
    return Error{ErrorCode::kCorruption,
                 "the file list has " + std::to_string(report.files) + " files of " +
                     std::to_string(report.size_bytes) + " bytes, the manifest says " +
                     std::to_string(manifest_.files) + " of " + std::to_string(manifest_.size_bytes),
                 "restore another point, and run 'coffer verify --all'"};
  env_.progress.step("finish", 0);
  COFFER_CHECK_OK(write_specials());
  COFFER_TRY(Bytes control, small_file(*control_));
  env_.progress.step("sync", 0);
  COFFER_CHECK_OK(target_.publish(control, control_->mode));
  report.bytes_written = written_ + control.size();
  report.bytes_kept = kept_;
  return ok_status();
}

}  // namespace

Result<RestoreReport> run_restore(const Context& context, const Environment& env, const Vault& vault,
                                  const RestoreOptions& options) {
  const MonoTime began = env.clock.mono();
  env.progress.step("open", 0);
  COFFER_TRY(auto log, CommitLog::load(context, vault));
  COFFER_TRY(auto lease, Lease::acquire(context, vault, *log, "restore"));
  COFFER_CHECK_OK(log->refresh(context));
  COFFER_TRY(Manifest manifest, read_manifest(context, vault, log->state(), options.point_id));
  COFFER_CHECK_OK(check_recovery_target(manifest, options.until));
  COFFER_TRY(auto index, open_index(context, env, vault, log->state()));
  COFFER_TRY(auto target, RestoreTarget::prepare(env.files, manifest, options));

  Restorer restorer(context, env, vault, options, manifest, *index, *target);
  COFFER_CHECK_OK(restorer.run());
  if (auto s = lease->release(context); !s.ok())
    env.progress.note("the lease was not released and will expire: " + s.error().message);
  RestoreReport report = std::move(restorer.report);
  report.target = options.target;
  report.notes.insert(report.notes.end(), target->notes().begin(), target->notes().end());
  if (manifest.damaged_page_count > 0)
    report.notes.push_back("the source had " + std::to_string(manifest.damaged_page_count) +
                           " damaged pages when this point was taken; they are restored as "
                           "they were");
  report.duration_ms = (env.clock.mono() - began).count() / 1'000'000;
  return report;
}

}  // namespace coffer::jobs
