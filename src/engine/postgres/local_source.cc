#include "engine/postgres/local_source.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <deque>
#include <mutex>

#include "engine/postgres/cluster_facts.h"
#include "engine/postgres/directory_walk.h"
#include "engine/postgres/wal_summary.h"
#include "engine/postgres/wal_tail.h"

namespace coffer::postgres {

namespace {

constexpr int kControlFileAttemptsMax = 10;
constexpr std::chrono::milliseconds kControlFilePause{10};
constexpr uint32_t kBlocksPerSegment = 131072;
constexpr uint64_t kConfigurationFileMax = 16 << 20;

struct ControlFileCopy {
  Bytes contents;
  FileStat stat;
  ControlFile parsed;
};

// The server rewrites it in place, so a read may be torn.
Result<ControlFileCopy> read_control_file(const Context& context, Clock& clock, Directory& root) {
  for (int attempt = 1;; ++attempt) {
    COFFER_CHECK_OK(context.check());
    ControlFileCopy copy;
    COFFER_TRY(auto file, root.open_file("global/pg_control"));
    COFFER_TRY(copy.stat, file->stat());
    copy.contents.resize(std::min<uint64_t>(copy.stat.size_bytes, 64 << 10));
    COFFER_TRY(size_t got, file->read_at(0, copy.contents));
    copy.contents.resize(got);
    auto parsed = parse_control_file(copy.contents);
    if (parsed.ok()) {
      copy.parsed = *parsed;
      return copy;
    }
    if (parsed.code() != ErrorCode::kCorruption || attempt == kControlFileAttemptsMax)
      return std::move(parsed).error().in("reading " + root.path() + "/global/pg_control");
    clock.sleep_for(kControlFilePause);
  }
}

Result<Row> one_row(const Context& context, Connection& connection, const std::string& sql, size_t columns) {
  COFFER_TRY(Rows rows, connection.query(context, sql));
  if (rows.size() != 1 || rows[0].values.size() != columns)
    return Error{ErrorCode::kUnavailable, "the server gave an answer of another form than expected to: " + sql, {}};
  return std::move(rows[0]);
}

class LocalSource final : public Source {
 public:
  LocalSource(FileSystem& file_system, Clock& clock, LocalOptions options)
      : file_system_(file_system), clock_(clock), options_(std::move(options)) {}

  Result<SourceStart> begin(const Context& context) override;
  Result<std::optional<Piece>> next(const Context& context) override;
  Result<SourceEnd> finish(const Context& context) override;

 private:
  Status open_data_directory(const Context& context);
  Status check_identity(const Context& context);
  Status hold_wal(const Context& context);
  Status start_backup(const Context& context);
  Result<std::optional<ChangedBlockTable>> changed_blocks(const Context& context);
  Result<std::vector<TablespaceLink>> tablespaces(const Context& context);
  uint64_t estimated_size(const Context& context);
  Result<Timeline> stop_timeline(const Context& context, const ControlFile& copied);
  Status open_wal_tail(const SourceEnd& end);
  void give(const std::string& path, Bytes contents, const FileStat& stat);
  [[nodiscard]] bool in_the_walk(const std::string& path) const;
  void give_configuration(const Context& context);

  FileSystem& file_system_;
  Clock& clock_;
  LocalOptions options_;
  // Open for as long as the backup lasts: the server ends backup mode and drops the slot when it closes.
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Directory> root_;
  std::string server_data_directory_;  // as the server calls it; empty when it does not tell
  SourceStart start_;
  std::unique_ptr<DirectoryWalk> walk_;
  std::vector<std::string> warnings_;

  std::atomic<bool> finished_{false};
  std::mutex mutex_;  // guards what the second phase gives
  std::deque<Piece> ready_;
  std::unique_ptr<WalTail> wal_;
};

Status LocalSource::open_data_directory(const Context& context) {
  auto shown = connection_->query(context, "SHOW data_directory");
  if (shown.ok() && !shown->empty()) server_data_directory_ = (*shown)[0].text(0);
  if (options_.pgdata.empty()) {
    if (!shown.ok())
      return std::move(shown)
          .error()
          .in("asking for the data directory")
          .advise("give it with --pgdata, or GRANT pg_read_all_settings to the role");
    options_.pgdata = server_data_directory_;
  }
  while (options_.pgdata.size() > 1 && options_.pgdata.ends_with('/')) options_.pgdata.pop_back();
  auto opened = file_system_.open_directory(options_.pgdata);
  if (!opened.ok())
    return std::move(opened)
        .error()
        .in("opening the data directory")
        .advise(
            "run on the database server's machine, as its operating system user or root; elsewhere back up by the "
            "replication stream");
  root_ = std::move(*opened);
  return ok_status();
}

// The files under --pgdata must be those of the server that we talk to, or the copy would be a mixture of two clusters.
Status LocalSource::check_identity(const Context& context) {
  COFFER_TRY(ControlFileCopy control, read_control_file(context, clock_, *root_));
  COFFER_TRY(Row row,
             one_row(context, *connection_, "SELECT system_identifier FROM pg_catalog.pg_control_system()", 1));
  const std::string on_disk = std::to_string(control.parsed.system_identifier);
  if (row.text(0) != on_disk)
    return Error{ErrorCode::kFailedPrecondition,
                 options_.pgdata + " belongs to the cluster with system identifier " + on_disk +
                     ", the connected server to " + row.text(0),
                 "give the data directory of the server that the connection string leads to"};
  if (options_.expected_system_identifier && *options_.expected_system_identifier != control.parsed.system_identifier)
    return Error{ErrorCode::kFailedPrecondition,
                 "the server is the cluster with system identifier " + on_disk + ", expected was " +
                     std::to_string(*options_.expected_system_identifier),
                 "back up another cluster under its own name"};
  // Block numbers, and with them checksums, are counted over segments of this size everywhere.
  if (control.parsed.blocks_per_segment != kBlocksPerSegment)
    return Error{ErrorCode::kFailedPrecondition,
                 "the cluster has segments of " + std::to_string(control.parsed.blocks_per_segment) +
                     " blocks; only the usual 1 GiB (" + std::to_string(kBlocksPerSegment) + " blocks) is supported",
                 {}};
  start_.system_identifier = control.parsed.system_identifier;
  return ok_status();
}

// A temporary slot keeps the WAL of the backup in pg_wal until we have read it. It goes with the session.
Status LocalSource::hold_wal(const Context& context) {
  COFFER_TRY(Row row, one_row(context, *connection_, "SELECT pg_catalog.pg_backend_pid()", 1));
  auto made = connection_->query(
      context, "SELECT pg_catalog.pg_create_physical_replication_slot('coffer_" + row.text(0) + "', true, true)");
  if (made.ok()) return ok_status();
  if (made.code() == ErrorCode::kCancelled || made.code() == ErrorCode::kUnavailable) return std::move(made).error();
  warnings_.push_back("the server may recycle WAL before it is read, as no replication slot could be made: " +
                      made.error().message);
  return ok_status();
}

Status LocalSource::start_backup(const Context& context) {
  const std::string label = quote_literal(options_.label), fast = options_.fast_checkpoint ? "true" : "false";
  const std::string call = start_.major >= 15 ? "pg_backup_start(" + label + ", " + fast + ")"
                                              : "pg_start_backup(" + label + ", " + fast + ", false)";
  auto started = one_row(context, *connection_, "SELECT pg_catalog." + call, 1);
  if (!started.ok()) {
    Error error = std::move(started).error().in("starting the backup");
    if (error.code == ErrorCode::kPermissionDenied)
      return std::move(error).advise(
          start_.major >= 15
              ? "GRANT EXECUTE ON FUNCTION pg_backup_start(text,boolean), pg_backup_stop(boolean) TO the role"
              : "GRANT EXECUTE ON FUNCTION pg_start_backup(text,boolean,boolean), pg_stop_backup(boolean,boolean) TO "
                "the role");
    return error;
  }
  COFFER_TRY(start_.start, parse_lsn(started->text(0)));
  return ok_status();
}

Result<std::optional<ChangedBlockTable>> LocalSource::changed_blocks(const Context& context) {
  if (!options_.parent) return std::optional<ChangedBlockTable>();
  if (!options_.use_wal_summaries) {
    start_.summaries_unused_because = "a full read was asked for";
    return std::optional<ChangedBlockTable>();
  }
  SummaryRequest request;
  request.system_identifier = start_.system_identifier;
  request.timeline = start_.timeline;
  request.start = start_.start;
  request.parent = *options_.parent;
  request.patience = options_.summarizer_patience;
  COFFER_TRY(SummaryOutcome outcome, load_wal_summaries(context, clock_, *connection_, request));
  start_.uses_wal_summaries = outcome.table.has_value();
  start_.summaries_unused_because = outcome.unused_because;
  return std::move(outcome.table);
}

Result<std::vector<TablespaceLink>> LocalSource::tablespaces(const Context& context) {
  COFFER_TRY(Rows rows,
             connection_->query(context,
                                "SELECT oid, pg_catalog.pg_tablespace_location(oid) FROM pg_catalog.pg_tablespace"
                                " WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY oid"));
  std::vector<TablespaceLink> links;
  for (const Row& row : rows) {
    TablespaceLink link;
    const std::string& oid = row.text(0);
    std::from_chars(oid.data(), oid.data() + oid.size(), link.oid);
    link.path = row.text(1);
    // One that lies in place (a relative path) is part of the data directory.
    if (link.path.starts_with('/')) links.push_back(std::move(link));
  }
  return links;
}

// For the progress display: what the statistics rights of the role allow, else unknown.
uint64_t LocalSource::estimated_size(const Context& context) {
  auto rows = connection_->query(
      context, "SELECT pg_catalog.sum(pg_catalog.pg_database_size(oid))::bigint FROM pg_catalog.pg_database");
  uint64_t size = 0;
  if (rows.ok() && !rows->empty()) {
    const std::string& text = (*rows)[0].text(0);
    std::from_chars(text.data(), text.data() + text.size(), size);
  }
  return size;
}

Result<SourceStart> LocalSource::begin(const Context& context) {
  COFFER_ASSERT(!connection_);
  COFFER_TRY(connection_, connect(context, options_.conninfo, ConnectionKind::kSql));
  start_.kind = "local";
  start_.major = connection_->major();
  start_.server_version_num = connection_->server_version_num();
  if (start_.major < 13 || start_.major > 18)
    return Error{ErrorCode::kFailedPrecondition, "PostgreSQL " + std::to_string(start_.major) + " is not supported",
                 "13 to 18 are"};
  COFFER_CHECK_OK(open_data_directory(context));
  COFFER_CHECK_OK(check_identity(context));
  COFFER_TRY(ClusterFacts facts, collect_cluster_facts(context, *connection_));
  start_.from_standby = facts.in_recovery;
  apply(std::move(facts), start_);
  COFFER_CHECK_OK(hold_wal(context));
  COFFER_CHECK_OK(start_backup(context));
  // Read again: the checkpoint of the start is in it, with the timeline that the label will name.
  COFFER_TRY(ControlFileCopy control, read_control_file(context, clock_, *root_));
  start_.timeline = control.parsed.timeline;
  start_.catalog_version = control.parsed.catalog_version;
  start_.wal_segment_size_bytes = control.parsed.wal_segment_size_bytes;
  start_.data_checksums = control.parsed.data_checksum_version != 0;

  WalkOptions walk;
  walk.pgdata = options_.pgdata;
  walk.major = start_.major;
  walk.catalog_version = start_.catalog_version;
  walk.blocks_per_segment = control.parsed.blocks_per_segment;
  walk.data_checksums = start_.data_checksums;
  COFFER_TRY(walk.changed, changed_blocks(context));
  COFFER_TRY(walk_, DirectoryWalk::open(file_system_, std::move(walk)));
  COFFER_TRY(start_.tablespaces, tablespaces(context));
  start_.estimated_size_bytes = estimated_size(context);
  return start_;
}

Result<std::optional<Piece>> LocalSource::next(const Context& context) {
  COFFER_ASSERT(walk_ != nullptr);
  if (!finished_) return walk_->next(context);
  COFFER_CHECK_OK(context.check());
  std::lock_guard lock(mutex_);
  if (!ready_.empty()) {
    Piece piece = std::move(ready_.front());
    ready_.pop_front();
    return std::optional<Piece>(std::move(piece));
  }
  return wal_->next();
}

void LocalSource::give(const std::string& path, Bytes contents, const FileStat& stat) {
  auto file = std::make_shared<SourceFile>();
  file->path = path;
  file->mode = stat.mode;
  file->mtime_ns = stat.mtime_ns;
  file->ctime_ns = stat.ctime_ns;
  file->inode = stat.inode;
  file->size_bytes = contents.size();
  PieceCutter cutter(std::move(file), make_memory_reader(std::move(contents)));
  while (auto piece = cutter.next()) ready_.push_back(std::move(*piece));
}

bool LocalSource::in_the_walk(const std::string& path) const {
  for (const std::string& pgdata : {options_.pgdata, server_data_directory_}) {
    if (pgdata.empty() || !path.starts_with(pgdata + "/")) continue;
    auto stat = root_->stat(path.substr(pgdata.size() + 1));
    if (stat.ok() && stat->type == FileType::kRegular) return true;
  }
  return false;
}

// Where distributions keep them outside the data directory, they are stored beside it: the copy starts without them,
// but a person restoring wants to see them.
void LocalSource::give_configuration(const Context& context) {
  const std::pair<const char*, std::string> kFiles[] = {
      {"config_file", "postgresql.conf"}, {"hba_file", "pg_hba.conf"}, {"ident_file", "pg_ident.conf"}};
  for (const auto& [setting, name] : kFiles) {
    auto shown = connection_->query(context, std::string("SHOW ") + setting);
    if (!shown.ok() || shown->empty()) {
      warnings_.push_back(name + " is not stored: the role may not see " + setting);
      continue;
    }
    const std::string path = (*shown)[0].text(0);
    if (path.empty() || in_the_walk(path)) continue;
    auto contents = file_system_.read_file(path, kConfigurationFileMax);
    auto stat = file_system_.stat(path);
    if (contents.ok() && stat.ok()) {
      give("coffer/config/" + name, std::move(*contents), *stat);
    } else {
      warnings_.push_back(path + " is not stored: " + (contents.ok() ? stat.error() : contents.error()).message);
    }
  }
}

// On a primary the timeline cannot change during a backup. On a standby the stop is minRecoveryPoint, whose timeline
// pg_control tells; both readings, around the stop, must agree.
Result<Timeline> LocalSource::stop_timeline(const Context& context, const ControlFile& copied) {
  if (!start_.from_standby) return start_.timeline;
  COFFER_TRY(ControlFileCopy after, read_control_file(context, clock_, *root_));
  if (after.parsed.min_recovery_timeline != copied.min_recovery_timeline)
    return Error{ErrorCode::kUnavailable, "the standby went over to another timeline while the backup ended",
                 "back up again"};
  return copied.min_recovery_timeline == 0 ? start_.timeline : copied.min_recovery_timeline;
}

Status LocalSource::open_wal_tail(const SourceEnd& end) {
  WalTailOptions tail;
  tail.start = start_.start;
  tail.stop = end.stop;
  tail.start_timeline = start_.timeline;
  tail.stop_timeline = end.timeline;
  tail.expected.major = start_.major;
  tail.expected.system_identifier = start_.system_identifier;
  tail.expected.segment_size_bytes = start_.wal_segment_size_bytes;
  COFFER_TRY(auto directory, open_wal_directory(file_system_, *root_));
  COFFER_TRY(wal_, WalTail::open(std::move(directory), tail, warnings_));
  return ok_status();
}

Result<SourceEnd> LocalSource::finish(const Context& context) {
  COFFER_ASSERT(walk_ != nullptr);
  COFFER_ASSERT(!finished_ && walk_->finished());
  // After every data file: on a standby its minRecoveryPoint is what marks the copy as consistent.
  COFFER_TRY(ControlFileCopy control, read_control_file(context, clock_, *root_));
  const std::string call = start_.major >= 15 ? "pg_backup_stop(false)" : "pg_stop_backup(false, false)";
  auto stopped = one_row(context, *connection_, "SELECT lsn, labelfile, spcmapfile FROM pg_catalog." + call, 3);
  if (!stopped.ok()) return std::move(stopped).error().in("ending the backup");

  SourceEnd end;
  COFFER_TRY(end.stop, parse_lsn(stopped->text(0)));
  const std::string &label = stopped->text(1), &map = stopped->text(2);
  COFFER_TRY(end.label, parse_backup_label(label));
  if (end.label.start != start_.start)
    return Error{
        ErrorCode::kCorruption,
        "the backup label begins at " + format_lsn(end.label.start) + ", the backup at " + format_lsn(start_.start),
        {}};
  start_.timeline = end.label.timeline;
  COFFER_TRY(end.timeline, stop_timeline(context, control.parsed));
  end.control = control.parsed;

  FileStat made_now = control.stat;
  made_now.inode = 0;
  made_now.ctime_ns = 0;
  made_now.mtime_ns = clock_.wall().micros * 1000;
  give("backup_label", to_bytes(label), made_now);
  if (!map.empty()) give("tablespace_map", to_bytes(map), made_now);
  give("global/pg_control", std::move(control.contents), control.stat);
  give_configuration(context);
  COFFER_CHECK_OK(open_wal_tail(end));
  finished_ = true;

  end.warnings = warnings_;
  for (std::string& warning : walk_->warnings()) end.warnings.push_back(std::move(warning));
  return end;
}

}  // namespace

std::unique_ptr<Source> make_local_source(FileSystem& file_system, Clock& clock, LocalOptions options) {
  return std::make_unique<LocalSource>(file_system, clock, std::move(options));
}

}  // namespace coffer::postgres
