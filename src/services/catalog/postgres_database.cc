#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <unordered_map>

#include "services/catalog/backends.h"

namespace coffer::catalog {
namespace {

constexpr int kSliceMs = 100;
constexpr std::chrono::seconds kConnectTimeout{10};
constexpr std::chrono::seconds kCommitTimeout{60};
constexpr std::chrono::seconds kPoolTimeout{10};
constexpr size_t kConnectionsMax = 32;
constexpr size_t kIdleConnectionsMax = 16;
constexpr size_t kStatementsMax = 512;  // per connection
constexpr size_t kMessageSizeMax = 2048;
constexpr int kServerVersionMin = 130000;

// Of pg_type; they are the same in every version.
constexpr Oid kBool = 16, kBytea = 17, kChar = 18, kName = 19, kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25,
              kOid = 26, kUnknown = 705, kBpchar = 1042, kVarchar = 1043, kNumeric = 1700, kVoid = 2278;

struct FinishConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using ResultPtr = std::unique_ptr<PGresult, ClearResult>;

// "cached plan must not change result type"; no statement of ours asks for a feature that the server lacks.
constexpr std::string_view kPlanIsStale = "0A000";

/// One line of bounded length: the server's words end up in logs and on terminals.
std::string tame(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::string out(text.substr(0, kMessageSizeMax));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return out;
}

ErrorCode code_of(std::string_view state) {
  const auto in_class = [&](std::string_view prefix) { return state.starts_with(prefix); };
  if (state == "40001" || state == "40P01" || state == "55P03") return ErrorCode::kConflict;
  // 42P07 and 42710: a table, or its row type, that two processes make at once.
  if (state == "23505" || state == "42P07" || state == "42710") return ErrorCode::kAlreadyExists;
  if (in_class("23")) return ErrorCode::kFailedPrecondition;
  if (state == "22021" || state == "22P05") return ErrorCode::kInvalidArgument;
  if (state == "57014") return ErrorCode::kCancelled;
  if (state == "53300") return ErrorCode::kUnavailable;
  if (in_class("53")) return ErrorCode::kResourceExhausted;
  if (state == "08P01") return ErrorCode::kInternal;  // another number of values than placeholders
  if (in_class("08") || in_class("57") || in_class("58") || state == "25P03") return ErrorCode::kUnavailable;
  if (in_class("28") || state == "42501") return ErrorCode::kPermissionDenied;
  if (in_class("XX001") || in_class("XX002")) return ErrorCode::kCorruption;
  return ErrorCode::kInternal;
}

/// numeric, which sums and averages are, when it is a whole number of 64 bits.
std::optional<int64_t> whole_number(ByteView binary) {
  ByteReader in(binary);
  const int digits = in.u16();
  const int weight = static_cast<int16_t>(in.u16());
  const uint16_t sign = in.u16();
  in.u16();
  if ((sign != 0 && sign != 0x4000) || weight > 4) return std::nullopt;
  int64_t value = 0;  // negative until the end: there is one more of these
  for (int i = 0; i < std::max(digits, weight + 1); ++i) {
    const int digit = i < digits ? in.u16() : 0;
    if (i > weight) {
      if (digit != 0) return std::nullopt;
    } else if (__builtin_mul_overflow(value, 10000, &value) || __builtin_sub_overflow(value, digit, &value)) {
      return std::nullopt;
    }
  }
  if (!in.ok() || (sign == 0 && value == INT64_MIN)) return std::nullopt;
  return sign ? value : -value;
}

/// Nothing for a type that the common subset does not have.
std::optional<Row::Column> column_of(Oid type, ByteView value) {
  ByteReader in(value);
  const auto integer = [](int64_t v) { return Row::Column(v); };
  switch (type) {
    case kInt8: return integer(static_cast<int64_t>(in.u64()));
    case kInt4: return integer(static_cast<int32_t>(in.u32()));
    case kInt2: return integer(static_cast<int16_t>(in.u16()));
    case kOid: return integer(in.u32());
    case kBool: return integer(in.u8());
    case kNumeric:
      if (auto number = whole_number(value)) return integer(*number);
      return std::nullopt;
    case kBytea: return Row::Column(to_bytes(value));
    case kText:
    case kVarchar:
    case kBpchar:
    case kName:
    case kChar:
    case kUnknown: return Row::Column(to_text(value));
    case kVoid: return Row::Column();
    default: return std::nullopt;
  }
}

Result<Rows> rows_of(const PGresult* result) {
  Rows rows;
  const int count = PQntuples(result), width = PQnfields(result);
  rows.reserve(static_cast<size_t>(count));
  for (int r = 0; r < count; ++r) {
    std::vector<Row::Column> columns;
    columns.reserve(static_cast<size_t>(width));
    for (int c = 0; c < width; ++c) {
      if (PQgetisnull(result, r, c)) {
        columns.emplace_back();
        continue;
      }
      const ByteView value = as_bytes({PQgetvalue(result, r, c), static_cast<size_t>(PQgetlength(result, r, c))});
      auto column = column_of(PQftype(result, c), value);
      if (!column)
        return misuse("column " + std::to_string(c) + " of an answer is neither integer, text nor bytes (type " +
                      std::to_string(PQftype(result, c)) + ")");
      columns.push_back(std::move(*column));
    }
    rows.emplace_back(std::move(columns));
  }
  return rows;
}

/// Parameters as libpq wants them: binary, with the type of each.
class Bound {
 public:
  explicit Bound(std::span<const Parameter> parameters) {
    const size_t count = parameters.size();
    integers_.reserve(count);
    signature_.reserve(count);
    for (const Parameter& parameter : parameters) {
      const Parameter::State& state = parameter.state();
      if (const auto* integer = std::get_if<int64_t>(&state)) {
        auto& big_endian = integers_.emplace_back();
        for (size_t i = 0; i < 8; ++i)
          big_endian[i] = static_cast<char>(static_cast<uint64_t>(*integer) >> (8 * (7 - i)));
        add(kInt8, 'i', big_endian.data(), 8);
      } else if (const auto* text = std::get_if<std::string_view>(&state)) {
        add(kText, 't', text->data() ? text->data() : "", text->size());
      } else if (const auto* blob = std::get_if<ByteView>(&state)) {
        add(kBytea, 'b', blob->data() ? reinterpret_cast<const char*>(blob->data()) : "", blob->size());
      } else {
        add(0, 'n', nullptr, 0);  // the server takes the type from its place
      }
    }
  }
  [[nodiscard]] int count() const { return static_cast<int>(types_.size()); }
  [[nodiscard]] const Oid* types() const { return types_.data(); }
  [[nodiscard]] const char* const* values() const { return values_.data(); }
  [[nodiscard]] const int* sizes() const { return sizes_.data(); }
  [[nodiscard]] const int* formats() const { return formats_.data(); }
  /// A letter a parameter: one text has one prepared statement for each.
  [[nodiscard]] const std::string& signature() const { return signature_; }

 private:
  void add(Oid type, char letter, const char* data, size_t size) {
    types_.push_back(type);
    values_.push_back(data);
    sizes_.push_back(static_cast<int>(size));
    formats_.push_back(1);
    signature_ += letter;
  }
  std::vector<std::array<char, 8>> integers_;
  std::vector<Oid> types_;
  std::vector<const char*> values_;
  std::vector<int> sizes_, formats_;
  std::string signature_;
};

/// Used by one thread at a time. Once broken() it is good for nothing but to be dropped, which rolls back.
class Session {
 public:
  static Result<std::unique_ptr<Session>> connect(const Context& context, const std::string& conninfo);

  Status begin(const Context& context, bool writes) {
    return command(context, writes ? "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
                                   : "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY");
  }
  Result<Rows> run(const Context& context, std::string_view sql, std::span<const Parameter> parameters);
  Status commit();
  /// Rolls back what is open. False when the session is not to be used again.
  bool end();

 private:
  explicit Session(PGconn* connection) : connection_(connection) {}
  Status establish(const Context& context);
  Status wait(const Context& context, short events, std::optional<MonoTime> deadline);
  /// The last result of what was sent, after all were read.
  Result<ResultPtr> answer(const Context& context, std::optional<MonoTime> deadline = {});
  Status command(const Context& context, const char* sql);
  Result<const std::string*> prepared(const Context& context, std::string_view sql, const Bound& bound);
  Error lost();
  Error failure(const PGresult* result);

  std::unique_ptr<PGconn, FinishConnection> connection_;
  std::unordered_map<std::string, std::string> statements_;  // text and signature -> its name on the server
  std::string key_;
  uint64_t statement_count_ = 0;
  bool broken_ = false;
};

Error Session::lost() {
  broken_ = true;
  return Error{ErrorCode::kUnavailable, "catalog: " + tame(PQerrorMessage(connection_.get())),
               "check that the catalog's PostgreSQL server runs and can be reached"};
}

Error Session::failure(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (!state) return lost();  // made by libpq itself
  const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  // The primary message names tables and constraints; the detail would quote values.
  Error error{code_of(state), "catalog: " + tame(text ? text : "") + " (" + state + ")", {}};
  if (error.code == ErrorCode::kUnavailable) broken_ = true;
  if (std::string_view(state) == kPlanIsStale) {
    // Another process changed the schema under a statement that we had prepared: a new session prepares it anew.
    broken_ = true;
    error.code = ErrorCode::kConflict;
  }
  return error;
}

Status Session::wait(const Context& context, short events, std::optional<MonoTime> deadline) {
  for (;;) {
    pollfd fd{PQsocket(connection_.get()), events, 0};
    const int ready = poll(&fd, 1, kSliceMs);
    if (ready > 0) return ok_status();
    if (Status status = context.check(); !status.ok()) {
      broken_ = true;  // the answer is still to come; nobody will read it
      return status;
    }
    if (deadline && SystemClock().mono() > *deadline) {
      broken_ = true;
      return Error{ErrorCode::kUnavailable, "catalog: the server does not answer",
                   "check that the catalog's PostgreSQL server runs and can be reached"};
    }
  }
}

Status Session::establish(const Context& context) {
  // The server's SQLSTATE stands in the long form of the message only.
  PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);
  const MonoTime deadline{SystemClock().mono().nanos + std::chrono::nanoseconds(kConnectTimeout).count()};
  for (PostgresPollingStatusType state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
    if (state == PGRES_POLLING_FAILED || PQstatus(connection_.get()) == CONNECTION_BAD) {
      std::string text = PQerrorMessage(connection_.get());
      const bool refused = text.find(":  28") != std::string::npos;
      if (const size_t location = text.find("\nLOCATION:"); location != std::string::npos) text.resize(location);
      return Error{refused ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable, "catalog: " + tame(text),
                   refused ? "check user and password of the catalog's connection string"
                           : "check that the catalog's PostgreSQL server runs and can be reached"};
    }
    COFFER_CHECK_OK(wait(context, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline));
    state = PQconnectPoll(connection_.get());
  }
  PQsetErrorVerbosity(connection_.get(), PQERRORS_DEFAULT);
  PQsetNoticeReceiver(
      connection_.get(), [](void*, const PGresult*) {}, nullptr);
  if (PQserverVersion(connection_.get()) < kServerVersionMin)
    return Error{ErrorCode::kFailedPrecondition, "catalog: the server is older than PostgreSQL 13", {}};
  // A stopped process of ours must not hold row locks for ever, and nobody waits for one for ever. A commit is on the
  // server's disk, whatever its settings.
  return command(context,
                 "SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '30s'; SET statement_timeout = 0;"
                 "SELECT set_config('synchronous_commit', 'on', false) "
                 "WHERE current_setting('synchronous_commit') = 'off'");
}

Result<std::unique_ptr<Session>> Session::connect(const Context& context, const std::string& conninfo) {
  // What stands before dbname is a default, what stands after it wins over the connection string.
  const char* const keywords[] = {"application_name", "keepalives_idle", "keepalives_interval", "keepalives_count",
                                  "tcp_user_timeout", "dbname",          "client_encoding",     nullptr};
  const char* const values[] = {"coffer", "30", "10", "3", "60000", conninfo.c_str(), "UTF8", nullptr};
  PGconn* connection = PQconnectStartParams(keywords, values, 1);
  if (!connection) return Error{ErrorCode::kResourceExhausted, "catalog: no memory for a connection", {}};
  std::unique_ptr<Session> session(new Session(connection));
  COFFER_CHECK_OK(session->establish(context));
  return session;
}

Result<ResultPtr> Session::answer(const Context& context, std::optional<MonoTime> deadline) {
  PGconn* connection = connection_.get();
  ResultPtr last;
  for (;;) {
    for (int unsent = PQflush(connection); unsent != 0; unsent = PQflush(connection)) {
      if (unsent < 0) return lost();
      COFFER_CHECK_OK(wait(context, POLLIN | POLLOUT, deadline));
      if (!PQconsumeInput(connection)) return lost();
    }
    while (PQisBusy(connection)) {
      COFFER_CHECK_OK(wait(context, POLLIN, deadline));
      if (!PQconsumeInput(connection)) return lost();
    }
    ResultPtr next(PQgetResult(connection));
    if (!next) break;
    // The first failure counts; what follows it is its echo.
    if (!last || PQresultStatus(last.get()) != PGRES_FATAL_ERROR) last = std::move(next);
  }
  if (!last) return lost();
  const ExecStatusType status = PQresultStatus(last.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return last;
  if (status == PGRES_FATAL_ERROR) {
    Error error = failure(last.get());
    if (PQstatus(connection) == CONNECTION_BAD) broken_ = true;
    return error;
  }
  broken_ = true;
  return misuse("a statement of an unexpected kind");
}

Status Session::command(const Context& context, const char* sql) {
  if (!PQsendQuery(connection_.get(), sql)) return lost();
  COFFER_CHECK_OK(answer(context));
  return ok_status();
}

Result<const std::string*> Session::prepared(const Context& context, std::string_view sql, const Bound& bound) {
  key_.assign(sql);
  key_ += '\0';
  key_ += bound.signature();
  if (auto found = statements_.find(key_); found != statements_.end()) return &found->second;
  if (statements_.size() >= kStatementsMax) {
    statements_.clear();
    COFFER_CHECK_OK(command(context, "DEALLOCATE ALL"));
  }
  std::string name = "c" + std::to_string(++statement_count_);
  const std::string text = with_row_locks(sql, "FOR UPDATE SKIP LOCKED");
  if (!PQsendPrepare(connection_.get(), name.c_str(), text.c_str(), bound.count(), bound.types())) return lost();
  COFFER_CHECK_OK(answer(context));
  return &statements_.emplace(key_, std::move(name)).first->second;
}

Result<Rows> Session::run(const Context& context, std::string_view sql, std::span<const Parameter> parameters) {
  COFFER_CHECK_OK(check_texts(parameters));
  const Bound bound(parameters);
  const auto describe = [&](Error error) {
    if (error.code == ErrorCode::kInternal) error.message += " in \"" + std::string(sql.substr(0, 200)) + "\"";
    return error;
  };
  auto name = prepared(context, sql, bound);
  if (!name.ok()) return describe(std::move(name).error());
  if (!PQsendQueryPrepared(connection_.get(), (*name)->c_str(), bound.count(), bound.values(), bound.sizes(),
                           bound.formats(), 1))
    return lost();
  auto result = answer(context);
  if (!result.ok()) return describe(std::move(result).error());
  auto rows = rows_of(result->get());
  if (!rows.ok()) return describe(std::move(rows).error());
  return rows;
}

Status Session::commit() {
  // Not to be interrupted: who stops now would not know whether it happened.
  const MonoTime deadline{SystemClock().mono().nanos + std::chrono::nanoseconds(kCommitTimeout).count()};
  if (!PQsendQuery(connection_.get(), "COMMIT")) return lost();
  auto result = answer(Context(), deadline);
  if (!result.ok()) return std::move(result).error();
  if (std::string_view(PQcmdStatus(result->get())) != "COMMIT")
    return misuse("the server rolled back what was to be committed");
  return ok_status();
}

bool Session::end() {
  if (broken_) return false;
  if (PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) static_cast<void>(command(Context(), "ROLLBACK").ok());
  return !broken_ && PQtransactionStatus(connection_.get()) == PQTRANS_IDLE;
}

class PostgresDatabase final : public Database {
 public:
  explicit PostgresDatabase(std::string conninfo) : conninfo_(std::move(conninfo)) {}

  Result<std::unique_ptr<Transaction>> begin(const Context& context, Mode mode) override;
  Status migrate(const Context& context, std::span<const Migration> migrations) override {
    static constexpr Dialect kDialect{"BYTEA", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "TEXT COLLATE \"C\"",
                                      "LOCK TABLE catalog_migrations IN EXCLUSIVE MODE"};
    return apply_migrations(*this, context, migrations, kDialect);
  }
  [[nodiscard]] bool shared() const override { return true; }

  /// A session with an open transaction.
  Result<std::unique_ptr<Session>> take(const Context& context, bool writes);
  void give(std::unique_ptr<Session> session) {
    std::lock_guard lock(mutex_);
    --used_count_;
    if (session && idle_.size() < kIdleConnectionsMax) idle_.push_back(std::move(session));
    freed_.notify_one();
  }

 private:
  Result<std::unique_ptr<Session>> begun(const Context& context, bool writes);
  Status reserve(const Context& context);

  const std::string conninfo_;
  std::mutex mutex_;
  std::condition_variable freed_;
  size_t used_count_ = 0;
  std::vector<std::unique_ptr<Session>> idle_;
};

class PostgresTransaction final : public GuardedTransaction {
 public:
  PostgresTransaction(PostgresDatabase& database, std::unique_ptr<Session> session, const Context& context, bool writes)
      : GuardedTransaction(writes), database_(database), session_(std::move(session)), context_(context) {}
  ~PostgresTransaction() override { end(); }

 private:
  Result<Rows> run_statement(std::string_view sql, std::span<const Parameter> parameters) override {
    return session_->run(context_, sql, parameters);
  }
  Status commit_work() override { return session_->commit(); }
  void release() override {
    if (!session_->end()) session_.reset();
    database_.give(std::move(session_));
  }

  PostgresDatabase& database_;
  std::unique_ptr<Session> session_;
  const Context context_;
};

Status PostgresDatabase::reserve(const Context& context) {
  std::unique_lock lock(mutex_);
  const MonoTime begun = SystemClock().mono();
  while (used_count_ >= kConnectionsMax) {
    COFFER_CHECK_OK(context.check());
    if (SystemClock().mono() - begun > kPoolTimeout)
      return Error{ErrorCode::kUnavailable, "catalog: all connections to the server are in use", {}};
    freed_.wait_for(lock, std::chrono::milliseconds(kSliceMs));
  }
  ++used_count_;
  return ok_status();
}

Result<std::unique_ptr<Session>> PostgresDatabase::begun(const Context& context, bool writes) {
  for (;;) {
    std::unique_ptr<Session> session;
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        session = std::move(idle_.back());
        idle_.pop_back();
      }
    }
    const bool fresh = !session;
    if (fresh) {
      COFFER_TRY(session, Session::connect(context, conninfo_));
    }
    Status begun = session->begin(context, writes);
    if (begun.ok()) return session;
    // An idle one may have died long ago with its server; nothing was asked of it yet.
    if (fresh || begun.code() != ErrorCode::kUnavailable) return std::move(begun).error();
  }
}

Result<std::unique_ptr<Session>> PostgresDatabase::take(const Context& context, bool writes) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(reserve(context));
  auto session = begun(context, writes);
  if (!session.ok()) give(nullptr);
  return session;
}

Result<std::unique_ptr<Transaction>> PostgresDatabase::begin(const Context& context, Mode mode) {
  const bool writes = mode == Mode::kWrite;
  COFFER_TRY(auto session, take(context, writes));
  return std::unique_ptr<Transaction>(
      std::make_unique<PostgresTransaction>(*this, std::move(session), context, writes));
}

}  // namespace

Result<std::unique_ptr<Database>> open_postgres(const std::string& conninfo) {
  char* message = nullptr;
  std::unique_ptr<PQconninfoOption, FreeOptions> options(PQconninfoParse(conninfo.c_str(), &message));
  PQfreemem(message);  // it may quote the password
  if (!options)
    return Error{ErrorCode::kInvalidArgument, "the catalog's connection string cannot be read",
                 "write it as postgresql://user@host:port/database"};
  auto database = std::make_unique<PostgresDatabase>(conninfo);
  // A server that is away, or refuses us, is told of now.
  COFFER_CHECK_OK(database->begin(Context(), Database::Mode::kRead));
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace coffer::catalog
