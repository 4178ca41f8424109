#include "engine/postgres/stream_source.h"

#include <algorithm>
#include <charconv>
#include <mutex>

#include "engine/postgres/base_backup_protocol.h"
#include "engine/postgres/cluster_facts.h"
#include "engine/postgres/page.h"
#include "engine/postgres/piece_assembler.h"

namespace coffer::postgres {
namespace {

constexpr int kMajorMin = 13, kMajorMax = 18;
constexpr size_t kNoticesKeptMax = 1000;
// What may come on top of twice the reported size: a small cluster that grows, and the WAL of a long backup of a busy
// one.
constexpr uint64_t kDataSlack = uint64_t{1} << 30;
constexpr uint64_t kWalSlack = uint64_t{64} << 30;

uint64_t twice_and(uint64_t size, uint64_t slack) {
  return size > (UINT64_MAX - slack) / 2 ? UINT64_MAX : size * 2 + slack;
}

template <class T>
bool parse_decimal(const std::string& text, T& out) {
  if (text.empty()) return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

/// "16MB" and "1GB", as SHOW wal_segment_size writes it.
uint64_t parse_segment_size(const std::string& text) {
  uint64_t number = 0;
  size_t digits = text.find_first_not_of("0123456789");
  if (digits == std::string::npos || !parse_decimal(text.substr(0, digits), number) || number > 1024) return 0;
  if (text.substr(digits) == "MB") return number << 20;
  if (text.substr(digits) == "GB") return number << 30;
  return 0;
}

class StreamSource final : public Source {
 public:
  explicit StreamSource(StreamOptions options) : options_(std::move(options)) {}

  Result<SourceStart> begin(const Context& context) override;
  Result<std::optional<Piece>> next(const Context& context) override;
  Result<SourceEnd> finish(const Context& context) override;

 private:
  enum class State { kNew, kStreaming, kEnded, kFinished, kFailed };

  Result<SourceStart> begin_backup(const Context& context);
  Status identify(const Context& context);
  Status read_settings(const Context& context);
  Status ask_facts(const Context& context);
  Status hold_wal(const Context& context);
  /// Takes one event from the server.
  Status pump(const Context& context);
  Status take_event(const Connection::CopyEvent& event);
  void note(std::string_view severity, std::string_view text);
  Status prepare_assembler();
  Status check_tablespaces() const;
  Result<SourceEnd> end_backup();
  Error failed(Error error);

  const StreamOptions options_;
  // Whoever calls next() moves the backup on until a piece is complete, so it is held while waiting for the server.
  // Others that wait for it are let in at the latest when that call sees its context stopped.
  std::mutex mutex_;
  State state_ = State::kNew;
  Error failure_;  // once kFailed: told again to every later caller
  SourceStart start_;
  std::unique_ptr<Connection> connection_;
  std::optional<PieceAssembler> assembler_;
  std::optional<BaseBackupDecoder> decoder_;
  struct Notice {
    bool is_warning;
    std::string text;
  };
  std::vector<Notice> notices_;
  std::vector<std::string> warnings_;
  std::optional<std::string> checksums_failed_;  // the server's verdict at the end
  size_t notices_dropped_ = 0;

  // The decoder exists before the limits of the assembler are known, so its events come by way of this.
  class Relay final : public BaseBackupSink {
   public:
    explicit Relay(StreamSource& source) : source_(source) {}
    Status archive_begin(const BackupArchive& archive) override { return source_.assembler_->archive_begin(archive); }
    Status archive_data(ByteView bytes) override { return source_.assembler_->archive_data(bytes); }
    Status archive_end() override { return source_.assembler_->archive_end(); }
    Status manifest_data(ByteView bytes) override { return source_.assembler_->manifest_data(bytes); }

   private:
    StreamSource& source_;
  } relay_{*this};
};

Error StreamSource::failed(Error error) {
  state_ = State::kFailed;
  failure_ = error;
  connection_.reset();  // ends the server's backup mode
  return error;
}

void StreamSource::note(std::string_view severity, std::string_view text) {
  if (severity != "WARNING" && severity != "NOTICE") return;
  if (notices_.size() == kNoticesKeptMax) {
    ++notices_dropped_;
    return;
  }
  notices_.push_back({severity == "WARNING", "the server: " + std::string(text)});
}

Status StreamSource::identify(const Context& context) {
  COFFER_TRY(Rows rows, connection_->query(context, "IDENTIFY_SYSTEM"));
  if (rows.size() != 1 || !parse_decimal(rows[0].text(0), start_.system_identifier)) {
    return Error{ErrorCode::kCorruption, "the server does not say which system it is", {}};
  }
  if (options_.expected_system_identifier && *options_.expected_system_identifier != start_.system_identifier) {
    return Error{ErrorCode::kFailedPrecondition,
                 "the server is system " + std::to_string(start_.system_identifier) + ", not " +
                     std::to_string(*options_.expected_system_identifier) + " as before",
                 "check the connection; if the cluster was made anew on purpose, back it up under another name"};
  }
  return ok_status();
}

Status StreamSource::read_settings(const Context& context) {
  for (const char* name :
       {"server_version", "wal_segment_size", "data_checksums", "block_size", "max_connections", "max_worker_processes",
        "max_wal_senders", "max_prepared_transactions", "max_locks_per_transaction", "wal_level", "wal_log_hints",
        "full_page_writes", "in_hot_standby"}) {
    auto rows = connection_->query(context, std::string("SHOW ") + name);
    // One that this version or this role does not show is done without, except those asked for below.
    if (!rows.ok() && (rows.code() == ErrorCode::kUnavailable || rows.code() == ErrorCode::kCancelled)) {
      return std::move(rows).error();
    }
    if (rows.ok() && rows->size() == 1) start_.settings[name] = (*rows)[0].text(0);
  }
  start_.wal_segment_size_bytes = parse_segment_size(start_.settings["wal_segment_size"]);
  if (start_.wal_segment_size_bytes == 0) {
    return Error{ErrorCode::kFailedPrecondition, "the server does not say how large its WAL segments are", {}};
  }
  start_.settings["wal_segment_size"] = std::to_string(start_.wal_segment_size_bytes);
  if (start_.settings["block_size"] != std::to_string(kPageSize)) {
    return Error{
        ErrorCode::kFailedPrecondition,
        "the server was built with blocks of " + start_.settings["block_size"] + " bytes; only 8192 is supported",
        {}};
  }
  start_.data_checksums = start_.settings["data_checksums"] == "on";
  start_.from_standby = start_.settings["in_hot_standby"] == "on";
  start_.settings.erase("in_hot_standby");
  return ok_status();
}

/// What only SQL tells. The backup is as good without it, so a failure is no more than a warning.
Status StreamSource::ask_facts(const Context& context) {
  auto ask = [&]() -> Result<ClusterFacts> {
    COFFER_TRY(std::string conninfo, conninfo_with_default_database(options_.conninfo, "postgres"));
    COFFER_TRY(auto sql, connect(context, conninfo, ConnectionKind::kSql));
    return collect_cluster_facts(context, *sql);
  };
  auto facts = ask();
  if (facts.ok()) {
    start_.from_standby = facts->in_recovery;
    apply(*std::move(facts), start_);
    return ok_status();
  }
  COFFER_CHECK_OK(context.check());
  warnings_.push_back("databases, roles and some settings are not recorded with this point: " + facts.error().message);
  return ok_status();
}

/// BASE_BACKUP sends the WAL after everything else, and each checkpoint meanwhile may remove what it will need. A
/// temporary slot of this session keeps it. Without one the backup may still succeed, so a failure is no more than a
/// warning.
Status StreamSource::hold_wal(const Context& context) {
  auto made =
      connection_->query(context, "CREATE_REPLICATION_SLOT coffer_" + std::to_string(connection_->backend_pid()) +
                                      " TEMPORARY PHYSICAL RESERVE_WAL");
  if (made.ok()) return ok_status();
  if (made.code() == ErrorCode::kUnavailable || made.code() == ErrorCode::kCancelled) return std::move(made).error();
  warnings_.push_back("the server may recycle WAL before it is sent, as no replication slot could be made: " +
                      made.error().message);
  return ok_status();
}

Status StreamSource::prepare_assembler() {
  for (const BackupArchive& archive : decoder_->archives()) {
    start_.estimated_size_bytes += archive.size_bytes;
    if (archive.oid == 0) continue;
    if (!archive.location.starts_with('/')) {
      return Error{ErrorCode::kFailedPrecondition,
                   "tablespace " + std::to_string(archive.oid) +
                       " lies inside the data directory "
                       "(allow_in_place_tablespaces), which is not supported",
                   "move what it holds to a tablespace with a folder of its own"};
    }
    start_.tablespaces.push_back({archive.oid, archive.location});
  }
  AssemblerLimits limits;
  limits.members_max = options_.members_max;
  limits.data_size_max = twice_and(start_.estimated_size_bytes, kDataSlack);
  limits.wal_size_max = twice_and(start_.estimated_size_bytes, kWalSlack);
  assembler_.emplace(PieceAssembler::Cluster{start_.data_checksums, start_.wal_segment_size_bytes}, limits);
  return ok_status();
}

Result<SourceStart> StreamSource::begin_backup(const Context& context) {
  COFFER_TRY(connection_, connect(context, options_.conninfo, ConnectionKind::kReplication));
  start_.kind = "stream";
  start_.server_version_num = connection_->server_version_num();
  start_.major = connection_->major();
  if (start_.major < kMajorMin || start_.major > kMajorMax) {
    return Error{ErrorCode::kFailedPrecondition,
                 "the server is PostgreSQL " + std::to_string(start_.major) + "; 13 to 18 are supported",
                 {}};
  }
  COFFER_TRY(std::string command, format_base_backup({.label = options_.label,
                                                      .fast_checkpoint = options_.fast_checkpoint,
                                                      .max_rate_kib_s = options_.max_rate_kib_s},
                                                     start_.major));
  COFFER_CHECK_OK(identify(context));
  COFFER_CHECK_OK(read_settings(context));
  COFFER_CHECK_OK(ask_facts(context));
  COFFER_CHECK_OK(hold_wal(context));

  decoder_.emplace(start_.major, relay_);
  COFFER_CHECK_OK(connection_->begin_copy(context, command));
  state_ = State::kStreaming;
  while (!decoder_->announced()) {
    COFFER_CHECK_OK(pump(context));
    if (state_ != State::kStreaming)
      return Error{ErrorCode::kCorruption, "the server ended the backup before it began", {}};
  }
  start_.start = decoder_->start().lsn;
  start_.timeline = decoder_->start().timeline;
  COFFER_CHECK_OK(prepare_assembler());
  return start_;
}

Result<SourceStart> StreamSource::begin(const Context& context) {
  std::lock_guard lock(mutex_);
  COFFER_ASSERT(state_ == State::kNew);
  auto started = begin_backup(context);
  if (!started.ok()) return failed(std::move(started).error().in("starting a base backup"));
  return started;
}

Status StreamSource::take_event(const Connection::CopyEvent& event) {
  switch (event.kind) {
    case Connection::CopyEvent::Kind::kRows: return decoder_->on_rows(event.rows);
    case Connection::CopyEvent::Kind::kCopyBegin: return decoder_->on_copy_begin();
    case Connection::CopyEvent::Kind::kCopyData: return decoder_->on_copy_data(event.data);
    case Connection::CopyEvent::Kind::kEnd: break;
  }
  if (!decoder_->complete())
    return Error{ErrorCode::kCorruption, "the server ended the backup before its end position", {}};
  state_ = State::kEnded;
  return ok_status();
}

Status StreamSource::pump(const Context& context) {
  std::string sqlstate;
  auto event = connection_->next_copy_event(
      context, [this](std::string_view severity, std::string_view text) { note(severity, text); }, &sqlstate);
  if (event.ok()) return take_event(*event);
  // The server tells at the very end that pages did not match their checksums. The copy is complete, and it is for the
  // caller to say what it is worth. Its words may be in any language, so all its warnings stand for the pages.
  if (sqlstate == "XX001" && decoder_->complete()) {
    checksums_failed_ = "the server: " + event.error().message;
    state_ = State::kEnded;
    return ok_status();
  }
  Error error = std::move(event).error();
  if (error.message.find("has already been removed") != std::string::npos)
    return std::move(error).advise(
        "raise max_replication_slots so that a slot can keep the WAL, or wal_keep_size, and back up again");
  return error;
}

Result<std::optional<Piece>> StreamSource::next(const Context& context) {
  std::lock_guard lock(mutex_);
  if (state_ == State::kFailed) {
    return Error{ErrorCode::kUnavailable, "the base backup failed before: " + failure_.message, failure_.next_step};
  }
  COFFER_ASSERT(state_ != State::kNew);
  for (;;) {
    if (state_ == State::kFinished) return assembler_->take_manifest();
    if (auto piece = assembler_->take()) return piece;
    if (state_ == State::kEnded) return std::optional<Piece>();
    if (Status moved = pump(context); !moved.ok())
      return failed(std::move(moved).error().in("streaming a base backup"));
  }
}

/// The map and the list of archives name the same tablespaces.
Status StreamSource::check_tablespaces() const {
  std::vector<TablespaceLink> links;
  if (const auto& map = assembler_->tablespace_map()) {
    COFFER_TRY(links, parse_tablespace_map(as_text(*map)));
  }
  auto same = [](const TablespaceLink& a, const TablespaceLink& b) { return a.oid == b.oid && a.path == b.path; };
  if (!std::is_permutation(links.begin(), links.end(), start_.tablespaces.begin(), start_.tablespaces.end(), same)) {
    return Error{ErrorCode::kCorruption, "tablespace_map does not name the tablespaces that the server sent", {}};
  }
  return ok_status();
}

Result<SourceEnd> StreamSource::end_backup() {
  SourceEnd end;
  end.stop = decoder_->end().lsn;
  end.timeline = decoder_->end().timeline;
  if (!assembler_->backup_label()) return Error{ErrorCode::kCorruption, "the server sent no backup_label", {}};
  COFFER_TRY(end.label, parse_backup_label(as_text(*assembler_->backup_label())));
  if (end.label.start != start_.start || end.label.timeline != start_.timeline || end.label.incremental) {
    return Error{ErrorCode::kCorruption,
                 "backup_label is not that of this backup: it starts at " + format_lsn(end.label.start) +
                     ", the backup at " + format_lsn(start_.start),
                 {}};
  }
  COFFER_CHECK_OK(check_tablespaces());
  if (!assembler_->control_file()) return Error{ErrorCode::kCorruption, "the server sent no global/pg_control", {}};
  auto control = parse_control_file(*assembler_->control_file());
  if (!control.ok()) return std::move(control).error().in("in this copy").advise("take the backup again");
  if (control->system_identifier != start_.system_identifier) {
    return Error{ErrorCode::kCorruption,
                 "global/pg_control is of system " + std::to_string(control->system_identifier) + ", the server said " +
                     std::to_string(start_.system_identifier),
                 {}};
  }
  end.control = *control;

  for (Notice& notice : notices_) {
    auto& lines = checksums_failed_ && notice.is_warning ? end.server_checksum_failures : warnings_;
    lines.push_back(std::move(notice.text));
  }
  if (checksums_failed_) end.server_checksum_failures.push_back(*checksums_failed_);
  if (notices_dropped_ != 0)
    warnings_.push_back("the server sent " + std::to_string(notices_dropped_) + " further notices");
  end.warnings = std::move(warnings_);
  return end;
}

Result<SourceEnd> StreamSource::finish(const Context& context) {
  std::lock_guard lock(mutex_);
  COFFER_CHECK_OK(context.check());
  if (state_ != State::kEnded) {
    return Error{ErrorCode::kFailedPrecondition, "the base backup is not at its end: " + failure_.message,
                 failure_.next_step};
  }
  auto ended = end_backup();
  if (!ended.ok()) return failed(std::move(ended).error().in("finishing a base backup"));
  connection_.reset();
  state_ = State::kFinished;
  return ended;
}

}  // namespace

std::unique_ptr<Source> make_stream_source(StreamOptions options) {
  return std::make_unique<StreamSource>(std::move(options));
}

}  // namespace coffer::postgres
