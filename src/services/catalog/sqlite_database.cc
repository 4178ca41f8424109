#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/entropy.h"
#include "base/filesystem.h"
#include "services/catalog/backends.h"

namespace coffer::catalog {
namespace {

// How long another process may hold the database (a backup tool, the sqlite3 shell) before we give up.
constexpr std::chrono::seconds kBusyTimeout{5};
constexpr size_t kIdleConnectionsMax = 16;
// Frames in the log at which they are moved into the database: a page each.
constexpr int kCheckpointPages = 4000;
// When readers kept a checkpoint from finishing, the next is tried after so many more.
constexpr int kCheckpointAgainPages = 1000;
constexpr size_t kStatementsMax = 512;  // per connection; the code base has fewer texts
// A stop request has no way to wake a waiting writer, so it looks this often.
constexpr std::chrono::milliseconds kPoll{50};

struct CloseConnection {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

ErrorCode code_of(int extended, int system_errno) {
  switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID: return ErrorCode::kAlreadyExists;
    default: break;
  }
  switch (extended & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ErrorCode::kConflict;
    case SQLITE_FULL:
    case SQLITE_NOMEM: return ErrorCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ErrorCode::kCorruption;
    case SQLITE_IOERR:
      // The quota of a process or user is a full disk for us; SQLite counts only ENOSPC as one.
      if (system_errno == EFBIG || system_errno == EDQUOT || system_errno == ENOSPC)
        return ErrorCode::kResourceExhausted;
      return ErrorCode::kUnavailable;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL: return ErrorCode::kUnavailable;
    case SQLITE_PERM:
    case SQLITE_AUTH: return ErrorCode::kPermissionDenied;
    case SQLITE_CONSTRAINT: return ErrorCode::kFailedPrecondition;
    case SQLITE_TOOBIG: return ErrorCode::kInvalidArgument;
    case SQLITE_INTERRUPT: return ErrorCode::kCancelled;
    default: return ErrorCode::kInternal;
  }
}

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// Used by one thread at a time.
class Connection {
 public:
  struct Options {
    bool durable = true;
  };
  static Result<std::unique_ptr<Connection>> open(const std::string& path, Options options);

  /// `context` is asked while another process makes us wait.
  Status begin(const Context& context, bool writes);
  Status commit() { return control(commit_); }
  /// Frames in the log as of the last commit() of this connection.
  [[nodiscard]] int log_pages() const { return log_pages_; }
  /// Moves frames into the database, after an fsync of the log and before one of the database. False: not all of them,
  /// because of readers or for want of room.
  Result<bool> checkpoint();
  /// fsync of the log. On a connection that nobody else uses meanwhile.
  Status sync_log();
  /// Closing the last connection moves the log into the database, unless this was called.
  void leave_log_alone() { sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr); }
  /// False when this connection is not to be used again.
  bool end();
  Result<Rows> run(std::string_view sql, std::span<const Parameter> parameters, bool may_write);

 private:
  using Handle = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;
  struct Statement {
    Handle handle;
    bool reads_only = false;
    std::vector<size_t> numbers;  // of $N, by SQLite's own index
  };

  Result<Handle> prepare(std::string_view sql);
  Result<Statement*> statement(std::string_view sql);
  Status bind(const Statement& statement, std::span<const Parameter> parameters);
  Status control(const Handle& handle);
  static Row row_of(sqlite3_stmt* statement, bool& has_other_types);
  static int on_busy(void* self, int attempts);
  static int on_log(void* self, sqlite3*, const char*, int pages) {
    static_cast<Connection*>(self)->log_pages_ = pages;
    return SQLITE_OK;
  }
  Error error();
  Error error(std::string_view sql);

  std::unique_ptr<sqlite3, CloseConnection> db_;
  Handle begin_read_, begin_write_, commit_, rollback_;
  std::unordered_map<std::string, Statement, TextHash, std::equal_to<>> statements_;
  Context context_;
  MonoTime busy_since_;
  int log_pages_ = 0;
  bool broken_ = false;
};

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, Options options) {
  auto connection = std::make_unique<Connection>();
  sqlite3* db = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  connection->db_.reset(db);
  if (!db) return Error{ErrorCode::kResourceExhausted, "catalog: no memory for a connection", {}};
  if (opened != SQLITE_OK) return connection->error().in("opening " + path);
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_handler(db, &Connection::on_busy, connection.get());
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // "x" is an identifier or an error, as on PostgreSQL; never a string.
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  COFFER_TRY(Rows mode, connection->run("PRAGMA journal_mode = WAL", {}, true));
  if (mode.empty() || mode.front().text(0) != "wal")
    return Error{ErrorCode::kUnavailable, "catalog: " + path + " cannot be used with a write-ahead log",
                 "put the catalog on a local file system"};
  for (std::string_view pragma :
       {options.durable ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = OFF", "PRAGMA foreign_keys = ON",
        "PRAGMA trusted_schema = OFF", "PRAGMA temp_store = MEMORY", "PRAGMA cache_size = -8192",
        "PRAGMA journal_size_limit = 67108864"})
    COFFER_CHECK_OK(connection->run(pragma, {}, true));
  // In place of automatic checkpoints, whose failures nobody would see.
  sqlite3_wal_hook(db, &Connection::on_log, connection.get());
  connection->statements_.clear();
  COFFER_TRY(connection->begin_read_, connection->prepare("BEGIN"));
  COFFER_TRY(connection->begin_write_, connection->prepare("BEGIN IMMEDIATE"));
  COFFER_TRY(connection->commit_, connection->prepare("COMMIT"));
  COFFER_TRY(connection->rollback_, connection->prepare("ROLLBACK"));
  return connection;
}

int Connection::on_busy(void* self, int attempts) {
  auto* me = static_cast<Connection*>(self);
  SystemClock clock;
  if (attempts == 0) me->busy_since_ = clock.mono();
  if (me->context_.stopped() || clock.mono() - me->busy_since_ > kBusyTimeout) return 0;
  clock.sleep_for(std::chrono::milliseconds(std::min(1 << std::min(attempts, 10), 50)));
  return 1;
}

Error Connection::error() {
  const int system_errno = errno;
  const int code = sqlite3_extended_errcode(db_.get());
  // SQLite forgets it when a commit fails, but nothing succeeded since that would have changed errno.
  const int remembered = sqlite3_system_errno(db_.get());
  Error e{
      code_of(code, remembered ? remembered : system_errno), std::string("catalog: ") + sqlite3_errmsg(db_.get()), {}};
  const int primary = code & 0xff;
  if (primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) broken_ = true;
  if (e.code == ErrorCode::kConflict && context_.stopped())
    return Error{ErrorCode::kCancelled, "stopped on request", {}};
  if (e.code == ErrorCode::kResourceExhausted) e.next_step = "free space on the disk of the catalog";
  if (e.code == ErrorCode::kConflict) e.next_step = "another process holds the catalog: see who has the file open";
  return e;
}

Error Connection::error(std::string_view sql) {
  Error e = error();
  if (e.code == ErrorCode::kInternal) e.message += " in \"" + std::string(sql.substr(0, 200)) + "\"";
  return e;
}

Result<Connection::Handle> Connection::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int size = static_cast<int>(std::min<size_t>(sql.size(), 1 << 20));
  const int done = sqlite3_prepare_v3(db_.get(), sql.data(), size, SQLITE_PREPARE_PERSISTENT, &raw, &tail);
  Handle handle(raw);
  if (done != SQLITE_OK) return error(sql);
  if (!handle) return misuse("an empty statement");
  if (sql.substr(static_cast<size_t>(tail - sql.data())).find_first_not_of(" \t\r\n;") != std::string_view::npos)
    return misuse("more than one statement in \"" + std::string(sql.substr(0, 200)) + "\"");
  return handle;
}

Result<Connection::Statement*> Connection::statement(std::string_view sql) {
  if (auto found = statements_.find(sql); found != statements_.end()) return &found->second;
  if (statements_.size() >= kStatementsMax) statements_.clear();
  Statement made;
  COFFER_TRY(made.handle, prepare(with_row_locks(sql, "")));
  made.reads_only = sqlite3_stmt_readonly(made.handle.get()) != 0;
  const int count = sqlite3_bind_parameter_count(made.handle.get());
  for (int i = 1; i <= count; ++i) {
    const char* name = sqlite3_bind_parameter_name(made.handle.get(), i);
    const std::string_view text = name ? name : "";
    size_t number = 0;
    const auto [end, ec] = text.empty() ? std::from_chars_result{nullptr, std::errc::invalid_argument}
                                        : std::from_chars(text.data() + 1, text.data() + text.size(), number);
    if (ec != std::errc() || text[0] != '$' || end != text.data() + text.size() || number == 0)
      return misuse("a placeholder that is not $N in \"" + std::string(sql.substr(0, 200)) + "\"");
    made.numbers.push_back(number);
  }
  return &statements_.emplace(std::string(sql), std::move(made)).first->second;
}

Status Connection::bind(const Statement& statement, std::span<const Parameter> parameters) {
  sqlite3_stmt* handle = statement.handle.get();
  for (size_t i = 0; i < statement.numbers.size(); ++i) {
    if (statement.numbers[i] > parameters.size())
      return misuse("no value for $" + std::to_string(statement.numbers[i]));
    const Parameter::State& value = parameters[statement.numbers[i] - 1].state();
    const int index = static_cast<int>(i + 1);
    int done = SQLITE_OK;
    // A null pointer would be NULL, also when the size is 0.
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      done = sqlite3_bind_int64(handle, index, *integer);
    } else if (const auto* text = std::get_if<std::string_view>(&value)) {
      done = sqlite3_bind_text64(handle, index, text->data() ? text->data() : "", text->size(), SQLITE_STATIC,
                                 SQLITE_UTF8);
    } else if (const auto* blob = std::get_if<ByteView>(&value)) {
      const void* data = blob->data() ? static_cast<const void*>(blob->data()) : "";
      done = sqlite3_bind_blob64(handle, index, data, blob->size(), SQLITE_STATIC);
    } else {
      done = sqlite3_bind_null(handle, index);
    }
    if (done != SQLITE_OK) return error();
  }
  return ok_status();
}

Row Connection::row_of(sqlite3_stmt* statement, bool& has_other_types) {
  const int count = sqlite3_column_count(statement);
  std::vector<Row::Column> columns;
  columns.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    const auto size = [&] { return static_cast<size_t>(sqlite3_column_bytes(statement, i)); };
    switch (sqlite3_column_type(statement, i)) {
      case SQLITE_INTEGER: columns.emplace_back(static_cast<int64_t>(sqlite3_column_int64(statement, i))); break;
      case SQLITE_TEXT: {
        const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
        columns.emplace_back(std::in_place_type<std::string>, data ? data : "", size());
        break;
      }
      case SQLITE_BLOB: {
        const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement, i));
        columns.emplace_back(std::in_place_type<Bytes>, data, data + size());
        break;
      }
      case SQLITE_FLOAT: has_other_types = true; [[fallthrough]];
      default: columns.emplace_back();
    }
  }
  return Row(std::move(columns));
}

Result<Rows> Connection::run(std::string_view sql, std::span<const Parameter> parameters, bool may_write) {
  COFFER_CHECK_OK(check_texts(parameters));
  COFFER_TRY(Statement * found, statement(sql));
  if (!may_write && !found->reads_only)
    return misuse("a reading transaction does not write: \"" + std::string(sql.substr(0, 200)) + "\"");
  sqlite3_stmt* handle = found->handle.get();
  struct Reset {
    sqlite3_stmt* handle;
    ~Reset() {
      sqlite3_reset(handle);
      sqlite3_clear_bindings(handle);
    }
  } reset{handle};
  COFFER_CHECK_OK(bind(*found, parameters));
  Rows rows;
  bool has_other_types = false;
  int step = sqlite3_step(handle);
  for (; step == SQLITE_ROW; step = sqlite3_step(handle)) rows.push_back(row_of(handle, has_other_types));
  if (step != SQLITE_DONE) return error(sql);
  if (has_other_types) return misuse("a column that is neither integer, text nor bytes");
  return rows;
}

Status Connection::control(const Handle& handle) {
  const int step = sqlite3_step(handle.get());
  Status done = ok_status();
  if (step != SQLITE_DONE) done = error();
  sqlite3_reset(handle.get());
  return done;
}

Result<bool> Connection::checkpoint() {
  int pages = 0, moved = 0;
  const int done = sqlite3_wal_checkpoint_v2(db_.get(), "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
  if ((done & 0xff) == SQLITE_BUSY) return false;
  // No room in the database's file: the frames stay where they are.
  if (done == SQLITE_FULL || done == SQLITE_IOERR_WRITE) return false;
  if (done != SQLITE_OK) return error();
  return pages == moved;
}

Status Connection::sync_log() {
  sqlite3_file* log = nullptr;
  sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (!log || !log->pMethods) return Error{ErrorCode::kInternal, "catalog: there is no log to make durable", {}};
  const int done = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
  if (done == SQLITE_OK) return ok_status();
  const int system_errno = errno;
  return Error{code_of(done, system_errno), "catalog: the log could not be made durable", {}};
}

Status Connection::begin(const Context& context, bool writes) {
  context_ = context;
  return control(writes ? begin_write_ : begin_read_);
}

bool Connection::end() {
  // A failed statement may have ended the transaction by itself.
  if (sqlite3_get_autocommit(db_.get()) == 0 && !control(rollback_).ok()) broken_ = true;
  context_ = Context();
  return !broken_;
}

/// Lets in one writer at a time, in the order in which they came.
class WriterQueue {
 public:
  Status enter(const Context& context) {
    std::unique_lock lock(mutex_);
    if (held_ && holder_ == std::this_thread::get_id())
      return misuse("this thread already has a writing transaction, for which a second one would wait for ever");
    Waiter me;
    waiting_.push_back(&me);
    while (held_ || waiting_.front() != &me) {
      me.wake.wait_for(lock, kPoll);
      if (Status status = context.check(); !status.ok()) {
        waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &me));
        wake_first();
        return status;
      }
    }
    waiting_.pop_front();
    held_ = true;
    holder_ = std::this_thread::get_id();
    return ok_status();
  }
  void leave() {
    std::lock_guard lock(mutex_);
    held_ = false;
    wake_first();
  }

 private:
  struct Waiter {
    std::condition_variable wake;
  };
  void wake_first() {
    if (!held_ && !waiting_.empty()) waiting_.front()->wake.notify_one();
  }

  std::mutex mutex_;
  bool held_ = false;
  std::thread::id holder_;
  std::deque<Waiter*> waiting_;
};

/// Makes commits durable together: whoever waits first has the log synced for all who committed before that began; who
/// commits meanwhile waits for the next time. After a failure nothing is durable any more: what the kernel could not
/// write it may have dropped, and a second fsync would succeed without it.
class LogSync {
 public:
  using Sync = std::function<Status()>;
  explicit LogSync(Sync sync) : sync_(std::move(sync)) {}

  /// Under the writers' lock, around COMMIT: others see what it wrote before it returns.
  uint64_t begin_commit() {
    std::lock_guard lock(mutex_);
    return ++begun_;
  }
  void end_commit() {
    std::lock_guard lock(mutex_);
    committed_ = begun_;
    changed_.notify_all();
  }
  /// Until commit `number` is durable, with all before it.
  Status wait(uint64_t number) {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (synced_ >= number) return ok_status();
      if (failed_) return *failed_;
      if (!syncing_ && committed_ > synced_) {
        lead(lock);
      } else {
        changed_.wait(lock);
      }
    }
  }
  /// Until everything that anybody can have seen is durable.
  Status wait() {
    uint64_t number = 0;
    {
      std::lock_guard lock(mutex_);
      number = begun_;
    }
    return wait(number);
  }
  Status check() const {
    std::lock_guard lock(mutex_);
    return failed_ ? Status(*failed_) : ok_status();
  }
  void fail(const Error& error) {
    std::lock_guard lock(mutex_);
    fail_locked(error);
  }

 private:
  void lead(std::unique_lock<std::mutex>& lock) {
    syncing_ = true;
    const uint64_t number = committed_;
    lock.unlock();
    const Status done = sync_();
    lock.lock();
    syncing_ = false;
    if (done.ok()) {
      synced_ = std::max(synced_, number);
    } else {
      fail_locked(done.error());
    }
    changed_.notify_all();
  }
  void fail_locked(const Error& error) {
    if (failed_) return;
    failed_ = error;
    // Trying again is of no use before the next start, whatever it was.
    failed_->code = ErrorCode::kUnavailable;
    failed_->message += "; the catalog is closed to changes";
    failed_->next_step = "look after the disk of the catalog, then start again";
  }

  const Sync sync_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t begun_ = 0, committed_ = 0, synced_ = 0;
  bool syncing_ = false;
  std::optional<Error> failed_;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string path, Connection::Options options, SqliteOptions more = {})
      : path_(std::move(path)), options_(options), more_(std::move(more)), log_([this] { return sync_log(); }) {}
  ~SqliteDatabase() override {
    idle_.clear();
    // After a failed fsync the log may not be what it seems to be. The next start reads it from the disk, by its
    // checksums.
    if (keeper_ && !log_.check().ok()) keeper_->leave_log_alone();
  }

  /// Before the first transaction, and not for a database in memory.
  Status keep_log();

  Result<std::unique_ptr<Transaction>> begin(const Context& context, Mode mode) override;
  Status migrate(const Context& context, std::span<const Migration> migrations) override {
    static constexpr Dialect kDialect{"BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT", ""};
    return apply_migrations(*this, context, migrations, kDialect);
  }
  [[nodiscard]] bool shared() const override { return false; }
  Status wait_until_durable() override { return log_.wait(); }

  Result<std::unique_ptr<Connection>> take() {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto connection = std::move(idle_.back());
        idle_.pop_back();
        return connection;
      }
    }
    return Connection::open(path_, options_);
  }
  void give(std::unique_ptr<Connection> connection) {
    std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleConnectionsMax) idle_.push_back(std::move(connection));
  }
  WriterQueue& writers() { return writers_; }
  LogSync& log() { return log_; }

  /// By a writer, who keeps the others out: COMMIT, and a checkpoint when it is time for one. The number to wait for.
  Result<uint64_t> commit(Connection& connection);

 private:
  Status sync_log() {
    if (!keeper_) return ok_status();
    const auto real = [this] { return keeper_->sync_log(); };
    return more_.around_sync ? more_.around_sync(real) : real();
  }

  const std::string path_;
  const Connection::Options options_;
  const SqliteOptions more_;
  WriterQueue writers_;
  int checkpoint_at_ = kCheckpointPages;  // the writer's
  // Holds the log open: without a connection SQLite would remove it, and the next one would begin another file. Its
  // descriptor was there before any write, so it is told of each one that failed.
  std::unique_ptr<Connection> keeper_;
  LogSync log_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

struct SplitPath {
  std::string folder, name;
};
SplitPath split_path(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {path.substr(0, std::max<size_t>(slash, 1)), path.substr(slash + 1)};
}

class SqliteTransaction final : public GuardedTransaction {
 public:
  SqliteTransaction(SqliteDatabase& database, std::unique_ptr<Connection> connection, bool writes)
      : GuardedTransaction(writes), database_(database), connection_(std::move(connection)) {}
  ~SqliteTransaction() override { end(); }

 private:
  Result<Rows> run_statement(std::string_view sql, std::span<const Parameter> parameters) override {
    return connection_->run(sql, parameters, writes());
  }
  Status commit_work() override {
    if (!writes()) return connection_->commit();
    COFFER_TRY(number_, database_.commit(*connection_));
    return ok_status();
  }
  Status make_durable() override { return writes() ? database_.log().wait(number_) : ok_status(); }
  void release() override {
    if (connection_->end()) {
      database_.give(std::move(connection_));
    } else {
      connection_.reset();
    }
    if (writes()) database_.writers().leave();
  }

  SqliteDatabase& database_;
  std::unique_ptr<Connection> connection_;
  uint64_t number_ = 0;
};

Status SqliteDatabase::keep_log() {
  COFFER_TRY(keeper_, Connection::open(path_, options_));
  // The first look opens the log.
  COFFER_CHECK_OK(keeper_->run("SELECT count(*) FROM sqlite_master", {}, false));
  PosixFileSystem files;
  COFFER_TRY(auto folder, files.open_directory(split_path(path_).folder));
  return folder->sync("");
}

Result<uint64_t> SqliteDatabase::commit(Connection& connection) {
  COFFER_CHECK_OK(log_.check());
  const uint64_t number = log_.begin_commit();
  const Status committed = connection.commit();
  log_.end_commit();
  COFFER_CHECK_OK(committed);
  if (connection.log_pages() < kCheckpointPages) checkpoint_at_ = kCheckpointPages;
  if (connection.log_pages() < checkpoint_at_) return number;
  auto whole = connection.checkpoint();
  // That it failed may mean that the log is not durable, or that the database is not.
  if (!whole.ok()) log_.fail(whole.error());
  checkpoint_at_ = whole.ok() && *whole ? kCheckpointPages : connection.log_pages() + kCheckpointAgainPages;
  return number;
}

Result<std::unique_ptr<Transaction>> SqliteDatabase::begin(const Context& context, Mode mode) {
  const bool writes = mode == Mode::kWrite;
  COFFER_CHECK_OK(context.check());
  if (writes) COFFER_CHECK_OK(log_.check());
  if (writes) COFFER_CHECK_OK(writers_.enter(context));
  auto connection = take();
  if (!connection.ok()) {
    if (writes) writers_.leave();
    return std::move(connection).error();
  }
  // From here on the transaction gives everything back, whatever happens.
  Connection& raw = **connection;
  auto transaction = std::make_unique<SqliteTransaction>(*this, std::move(*connection), writes);
  COFFER_CHECK_OK(raw.begin(context, writes));
  return std::unique_ptr<Transaction>(std::move(transaction));
}

/// SQLite would create the file readable for everybody; its -wal and -shm take over the mode that the file has.
Status create_private_file(const std::string& path) {
  const auto& [folder, name] = split_path(path);
  PosixFileSystem files;
  COFFER_TRY(auto directory, files.open_directory(folder));
  auto made = directory->create_file(name, 0600);
  if (made.ok()) return directory->sync("");
  if (made.code() != ErrorCode::kAlreadyExists) return std::move(made).error();
  COFFER_TRY(FileStat stat, directory->stat(name));
  if (stat.type == FileType::kRegular && (stat.mode & 077) != 0) return directory->set_mode(name, 0600);
  return ok_status();
}

/// A database on a memory file system: SQLite's own memory databases let nobody read beside the writer, and callers do.
class MemoryDatabase final : public Database {
 public:
  static Result<std::unique_ptr<Database>> open();
  ~MemoryDatabase() override;
  Result<std::unique_ptr<Transaction>> begin(const Context& context, Mode mode) override {
    return inner_->begin(context, mode);
  }
  Status migrate(const Context& context, std::span<const Migration> migrations) override {
    return inner_->migrate(context, migrations);
  }
  [[nodiscard]] bool shared() const override { return false; }

 private:
  std::unique_ptr<Directory> parent_;
  std::string name_;
  std::unique_ptr<SqliteDatabase> inner_;
};

Result<std::unique_ptr<Database>> MemoryDatabase::open() {
  PosixFileSystem files;
  SystemEntropy entropy;
  auto database = std::make_unique<MemoryDatabase>();
  std::string root = "/dev/shm";
  auto parent = files.open_directory(root);
  if (!parent.ok()) {
    root = "/tmp";
    parent = files.open_directory(root);
  }
  if (!parent.ok()) return std::move(parent).error().in("opening a catalog in memory");
  database->parent_ = std::move(*parent);
  database->name_ = "coffer-catalog-" + random_uuid(entropy);
  COFFER_CHECK_OK(database->parent_->create_directory(database->name_, 0700));
  const std::string path = root + "/" + database->name_ + "/catalog";
  COFFER_CHECK_OK(create_private_file(path));
  database->inner_ = std::make_unique<SqliteDatabase>(path, Connection::Options{.durable = false});
  COFFER_TRY(auto first, database->inner_->take());
  database->inner_->give(std::move(first));
  return std::unique_ptr<Database>(std::move(database));
}

MemoryDatabase::~MemoryDatabase() {
  inner_.reset();
  if (name_.empty()) return;
  // What is left behind is a small file in memory; there is nobody to tell.
  for (const char* file : {"/catalog", "/catalog-wal", "/catalog-shm"})
    static_cast<void>(parent_->remove_file(name_ + file).ok());
  static_cast<void>(parent_->remove_directory(name_).ok());
}

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(const std::string& path, SqliteOptions options) {
  Status made = create_private_file(path);
  if (!made.ok()) return std::move(made).error().in("the catalog " + path);
  auto database = std::make_unique<SqliteDatabase>(path, Connection::Options{}, std::move(options));
  // A file that is no catalog is refused now, not by the first request.
  COFFER_CHECK_OK(database->keep_log());
  return std::unique_ptr<Database>(std::move(database));
}

Result<std::unique_ptr<Database>> open_sqlite_in_memory() { return MemoryDatabase::open(); }

}  // namespace coffer::catalog
