#include "engine/postgres/connection.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>

#include "engine/postgres/copy_in.h"

namespace coffer::postgres {
namespace {

constexpr int kSliceMs = 100;
constexpr int kConnectTimeoutDefaultS = 30;

// libpq takes a whole message into memory before it shows it, however long the server says it is (up to 2 GiB). So the
// bytes that arrive without completing anything are counted, and too many are more than the largest message that is
// taken and this, which the kernel may hold twice over. It is looked at each time libpq runs out of input; a server
// that is never slower than we are (on this machine) is noticed only at the end of its message.
constexpr size_t kIncompleteSizeReserve = size_t{32} << 20;

struct ResultFree {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultFree>;

struct ConninfoFree {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

std::string_view without_trailing_space(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

/// At most `limit` bytes, on one line, so that a log or a terminal is not at the server's mercy.
std::string tame(std::string_view text, size_t limit) {
  text = without_trailing_space(text);
  bool cut = text.size() > limit;
  std::string out(text.substr(0, limit));
  for (char& c : out) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
  }
  if (cut) out += "...";
  return out;
}

std::string_view or_empty(const char* text) { return text == nullptr ? std::string_view{} : std::string_view{text}; }

ErrorCode code_of_sqlstate(std::string_view sqlstate) {
  if (sqlstate == "42501" || sqlstate.starts_with("28")) return ErrorCode::kPermissionDenied;
  if (sqlstate.starts_with("53")) return ErrorCode::kResourceExhausted;
  if (sqlstate.starts_with("57P0") || sqlstate.starts_with("08")) return ErrorCode::kUnavailable;
  return ErrorCode::kFailedPrecondition;
}

Result<std::map<std::string, std::string>> parse_conninfo(const std::string& conninfo) {
  char* message = nullptr;
  std::unique_ptr<PQconninfoOption, ConninfoFree> options(PQconninfoParse(conninfo.c_str(), &message));
  std::string text = tame(or_empty(message), kErrorTextSizeMax);
  PQfreemem(message);
  if (!options) {
    // Other messages of the parser quote the string, and so perhaps the password.
    bool safe = text.starts_with("invalid connection option") || text.starts_with("invalid URI query parameter");
    return Error{ErrorCode::kInvalidArgument,
                 "the connection string cannot be read" + (safe ? ": " + text : std::string()),
                 "write it as \"host=... user=... dbname=...\" or \"postgresql://user@host/database\""};
  }
  std::map<std::string, std::string> given;
  for (PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) given[option->keyword] = option->val;
  }
  return given;
}

/// "FATAL:  28P01: password authentication failed" -> 28P01. Only the verbose form of a message has it.
std::string sqlstate_in(std::string_view message) {
  for (size_t at = message.find(": "); at != std::string_view::npos; at = message.find(": ", at + 1)) {
    std::string_view rest = message.substr(at + 2);
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    if (rest.size() < 7 || rest.substr(5, 2) != ": ") continue;
    std::string_view word = rest.substr(0, 5);
    // "FATAL: " has the same shape, but every SQLSTATE has a digit.
    bool in_form = word.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos;
    if (in_form && word.find_first_of("0123456789") != std::string_view::npos) return std::string(word);
  }
  return {};
}

/// What to check when no session came about. The server's words may be in any language; its SQLSTATE, file names and
/// the errors of this host's kernel are not.
Error connection_failure(std::string_view raw, bool password_missing, ConnectionKind kind) {
  std::string sqlstate = sqlstate_in(raw);
  if (size_t location = raw.find("\nLOCATION:"); location != std::string_view::npos) raw = raw.substr(0, location);
  std::string text = tame(raw, kErrorTextSizeMax);
  auto says = [&](std::string_view words) { return text.find(words) != std::string::npos; };

  Error error{ErrorCode::kUnavailable, "cannot connect: " + text, {}};
  if (!sqlstate.empty()) error.code = code_of_sqlstate(sqlstate);
  if (password_missing) {
    error.code = ErrorCode::kPermissionDenied;
    error.next_step = "the server asks for a password: put it into a password file (~/.pgpass) or PGPASSWORD";
  } else if (sqlstate == "28P01") {
    error.next_step = "check user and password of the connection";
  } else if (says("pg_hba.conf")) {
    error.code = ErrorCode::kPermissionDenied;
    error.next_step = kind == ConnectionKind::kReplication
                          ? "add a line for this user and host to pg_hba.conf with the database field \"replication\" "
                            "(\"all\" does not include it), then reload the server"
                          : "add a line for this user, database and host to pg_hba.conf, then reload the server";
  } else if (kind == ConnectionKind::kReplication &&
             (sqlstate == "42501" || says("replication role") || says("WAL sender"))) {
    error.code = ErrorCode::kPermissionDenied;
    error.next_step = "give the role what it needs: ALTER ROLE ... REPLICATION";
  } else if (sqlstate == "28000") {
    error.next_step = "check that the role exists and may log in";
  } else if (sqlstate == "3D000") {
    error.next_step = "check the database name of the connection";
  } else if (sqlstate == "53300") {
    error.next_step = "the server has no free connection: raise max_connections (or max_wal_senders) or try later";
  } else if (sqlstate == "57P03") {
    error.next_step = "the server is starting or stopping: try again later";
  } else if (says("Connection refused") || says("No such file or directory")) {
    error.next_step = "check host and port (or socket folder), that the server runs, and its listen_addresses";
  } else if (says("could not translate host name")) {
    error.next_step = "check the host name and the name service of this machine";
  } else if (says("certificate") || says("SSL")) {
    error.next_step = "check sslmode, the server's certificate and sslrootcert";
  }
  return error;
}

class LibpqConnection final : public Connection, public CopyInSession {
 public:
  LibpqConnection(PGconn* connection, ConnectionKind kind) : connection_(connection), kind_(kind) {
    PQsetNoticeReceiver(connection_, &LibpqConnection::on_notice, this);
  }
  ~LibpqConnection() override { PQfinish(connection_); }
  LibpqConnection(const LibpqConnection&) = delete;
  LibpqConnection& operator=(const LibpqConnection&) = delete;

  int server_version_num() const override { return PQserverVersion(connection_); }
  [[nodiscard]] int backend_pid() const override { return PQbackendPID(connection_); }
  Status establish(const Context& context, int timeout_s);
  Result<Rows> query(const Context& context, const std::string& sql) override;
  Status copy_out(const Context& context, const std::string& command, const CopyEvents& events,
                  std::string* sqlstate) override;
  Status begin_copy(const Context& context, const std::string& command) override;
  Result<CopyEvent> next_copy_event(const Context& context, const NoticeSink& on_notice,
                                    std::string* sqlstate) override;
  Status copy_in(const Context& context, const std::string& command,
                 const std::function<Status(ByteSink&)>& fill) override;
  void take_messages_up_to(size_t size_bytes) override { message_size_max_ = size_bytes; }

 private:
  class CopyInSink;
  struct CopyBufferFree {
    void operator()(char* buffer) const { PQfreemem(buffer); }
  };

  static void on_notice(void* self, const PGresult* result);
  /// Waits for the socket; true when it became ready within the slice.
  Result<bool> poll_slice(short events);
  Status flush(const Context& context);
  Status receive(const Context& context);
  Status send(const Context& context, const std::string& sql);
  Result<ResultPtr> next_result(const Context& context);
  using Taken = std::optional<CopyEvent>;
  Result<Taken> take_result(PGresult* result);
  Result<std::optional<ByteView>> next_copy_data(const Context& context);
  Status add_row(const PGresult* result);
  void note_error(const PGresult* result);
  /// A session that is out of step with its server is of no use to anybody.
  Error broken(Error error);
  Error lost();

  PGconn* connection_;
  const ConnectionKind kind_;
  std::string broken_because_;
  size_t incomplete_bytes_ = 0;
  size_t message_size_max_ = kCopyDataSizeMax;
  const NoticeSink* notice_sink_ = nullptr;

  bool command_open_ = false, in_copy_ = false;
  Rows rows_;
  size_t rows_size_ = 0;
  std::optional<Error> command_error_;
  std::string command_sqlstate_;
  std::unique_ptr<char, CopyBufferFree> copy_buffer_;
};

void LibpqConnection::on_notice(void* self, const PGresult* result) {
  auto* me = static_cast<LibpqConnection*>(self);
  me->incomplete_bytes_ = 0;
  if (me->notice_sink_ == nullptr || !*me->notice_sink_) return;
  std::string text(or_empty(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)).substr(0, kNoticeSizeMax + 1));
  if (std::string_view detail = or_empty(PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL)); !detail.empty()) {
    text += "; ";
    text += detail.substr(0, kNoticeSizeMax);
  }
  std::string severity = tame(or_empty(PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED)), 16);
  (*me->notice_sink_)(severity, tame(text, kNoticeSizeMax));
}

Error LibpqConnection::broken(Error error) {
  if (broken_because_.empty()) broken_because_ = error.message;
  command_open_ = in_copy_ = false;
  return error;
}

Error LibpqConnection::lost() {
  std::string text = tame(PQerrorMessage(connection_), kErrorTextSizeMax);
  return broken({ErrorCode::kUnavailable, "the connection to the server was lost" + (text.empty() ? text : ": " + text),
                 "look at the server's log; when the server is back, run the same command again"});
}

Result<bool> LibpqConnection::poll_slice(short events) {
  pollfd waited{PQsocket(connection_), events, 0};
  if (waited.fd < 0) return lost();
  int ready = poll(&waited, 1, kSliceMs);
  if (ready < 0 && errno != EINTR) return broken({ErrorCode::kInternal, "poll on the server's connection failed", {}});
  return ready > 0;
}

Status LibpqConnection::establish(const Context& context, int timeout_s) {
  int slices_left = timeout_s * 1000 / kSliceMs;
  // The first poll is for writing, as the manual of libpq asks.
  for (PostgresPollingStatusType state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
    if (state == PGRES_POLLING_FAILED) {
      return connection_failure(PQerrorMessage(connection_), PQconnectionNeedsPassword(connection_) != 0, kind_);
    }
    COFFER_CHECK_OK(context.check());
    COFFER_TRY(bool ready, poll_slice(state == PGRES_POLLING_READING ? POLLIN : POLLOUT));
    if (ready) {
      state = PQconnectPoll(connection_);
    } else if (--slices_left <= 0) {
      return Error{ErrorCode::kUnavailable, "cannot connect: no answer within " + std::to_string(timeout_s) + " s",
                   "check host and port, and firewalls between here and the server"};
    }
  }
  PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
  if (PQsetnonblocking(connection_, 1) != 0) return lost();
  return ok_status();
}

Status LibpqConnection::flush(const Context& context) {
  for (;;) {
    int left = PQflush(connection_);
    if (left == 0) return ok_status();
    if (left < 0) return lost();
    COFFER_CHECK_OK(context.check());
    COFFER_TRY(bool ready, poll_slice(POLLIN | POLLOUT));
    if (ready && PQconsumeInput(connection_) == 0) return lost();
  }
}

/// Waits for input, once, and takes it.
Status LibpqConnection::receive(const Context& context) {
  for (bool ready = false; !ready;) {
    if (context.stopped()) {
      // A server on this machine is told, so that a long query does not go on for nobody. Others see the end of the
      // connection: reaching them again could take longer than a stop may.
      if (or_empty(PQhost(connection_)).starts_with('/')) {
        if (PGcancel* cancel = PQgetCancel(connection_); cancel != nullptr) {
          char text[256];
          PQcancel(cancel, text, sizeof text);
          PQfreeCancel(cancel);
        }
      }
      return broken({ErrorCode::kCancelled, "stopped on request", {}});
    }
    COFFER_TRY(ready, poll_slice(POLLIN));
  }
  int waiting = 0;
  if (ioctl(PQsocket(connection_), FIONREAD, &waiting) == 0 && waiting > 0) {
    incomplete_bytes_ += static_cast<size_t>(waiting);
  }
  if (PQconsumeInput(connection_) == 0) return lost();
  if (incomplete_bytes_ > message_size_max_ + kIncompleteSizeReserve) {
    return broken({ErrorCode::kResourceExhausted, "the server sends a message that is larger than any it should", {}});
  }
  return ok_status();
}

Status LibpqConnection::send(const Context& context, const std::string& sql) {
  if (!broken_because_.empty()) {
    return Error{ErrorCode::kUnavailable, "the connection is no longer usable: " + broken_because_, {}};
  }
  COFFER_ASSERT(!command_open_);
  COFFER_CHECK_OK(context.check());
  if (PQsendQuery(connection_, sql.c_str()) == 0) return lost();
  // Row by row, so that a result without end is noticed while it is small.
  PQsetSingleRowMode(connection_);
  command_open_ = true;
  command_error_.reset();
  command_sqlstate_.clear();
  rows_.clear();
  rows_size_ = incomplete_bytes_ = 0;
  if (Status flushed = flush(context); !flushed.ok()) return broken(std::move(flushed).error());
  return ok_status();
}

Result<ResultPtr> LibpqConnection::next_result(const Context& context) {
  while (PQisBusy(connection_) != 0) COFFER_CHECK_OK(receive(context));
  incomplete_bytes_ = 0;
  return ResultPtr(PQgetResult(connection_));
}

Status LibpqConnection::add_row(const PGresult* result) {
  for (int i = 0; i < PQntuples(result); ++i) {
    Row row;
    for (int j = 0; j < PQnfields(result); ++j) {
      rows_size_ += sizeof(row.values[0]) + static_cast<size_t>(PQgetlength(result, i, j));
      if (PQgetisnull(result, i, j) != 0) {
        row.values.emplace_back(std::nullopt);
      } else {
        row.values.emplace_back(std::string(PQgetvalue(result, i, j), static_cast<size_t>(PQgetlength(result, i, j))));
      }
    }
    rows_size_ += sizeof row;
    if (rows_size_ > kResultSizeMax) {
      return broken({ErrorCode::kResourceExhausted, "the server sends a result larger than any it should", {}});
    }
    rows_.push_back(std::move(row));
  }
  return ok_status();
}

void LibpqConnection::note_error(const PGresult* result) {
  if (command_error_) return;
  command_sqlstate_ = tame(or_empty(PQresultErrorField(result, PG_DIAG_SQLSTATE)), 5);
  std::string_view primary = or_empty(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  std::string text(primary.empty() ? or_empty(PQresultErrorMessage(result)) : primary);
  for (int field : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT}) {
    if (std::string_view more = or_empty(PQresultErrorField(result, field)); !more.empty())
      text.append("; ").append(more);
  }
  text = tame(text, kErrorTextSizeMax);
  if (!command_sqlstate_.empty()) text += " (SQLSTATE " + command_sqlstate_ + ")";
  // Without a SQLSTATE the words are libpq's own: it no longer understands the server, or lost it.
  ErrorCode code = command_sqlstate_.empty() ? ErrorCode::kUnavailable : code_of_sqlstate(command_sqlstate_);
  if (PQstatus(connection_) == CONNECTION_BAD) code = ErrorCode::kUnavailable;
  command_error_ = Error{code, std::move(text), {}};
}

/// What one PGresult means; nothing when it is only a step on the way.
Result<LibpqConnection::Taken> LibpqConnection::take_result(PGresult* result) {
  switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE: COFFER_CHECK_OK(add_row(result)); return Taken{};
    case PGRES_TUPLES_OK: {
      COFFER_CHECK_OK(add_row(result));
      CopyEvent event{.kind = CopyEvent::Kind::kRows, .rows = std::move(rows_), .data = {}};
      rows_.clear();
      rows_size_ = 0;
      return Taken(std::move(event));
    }
    case PGRES_COPY_OUT: in_copy_ = true; return Taken({.kind = CopyEvent::Kind::kCopyBegin, .rows = {}, .data = {}});
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY: return Taken{};
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_FATAL_ERROR: note_error(result); return Taken{};
    default:
      return broken({ErrorCode::kCorruption,
                     std::string("the server answered with ") + PQresStatus(PQresultStatus(result)) +
                         ", which this command never gives",
                     {}});
  }
}

/// One CopyData message, or nothing at the end of this COPY.
Result<std::optional<ByteView>> LibpqConnection::next_copy_data(const Context& context) {
  for (;;) {
    copy_buffer_.reset();
    char* buffer = nullptr;
    int size = PQgetCopyData(connection_, &buffer, 1);
    copy_buffer_.reset(buffer);
    if (size == 0) {
      COFFER_CHECK_OK(receive(context));
      continue;
    }
    incomplete_bytes_ = 0;
    if (size == -1) return std::optional<ByteView>();
    if (size < 0) return lost();
    if (static_cast<size_t>(size) > message_size_max_) {
      return broken({ErrorCode::kResourceExhausted,
                     "the server sent a CopyData message of " + std::to_string(size) + " bytes",
                     {}});
    }
    return std::optional(as_bytes({buffer, static_cast<size_t>(size)}));
  }
}

Status LibpqConnection::begin_copy(const Context& context, const std::string& command) {
  return send(context, command);
}

Result<Connection::CopyEvent> LibpqConnection::next_copy_event(const Context& context, const NoticeSink& on_notice,
                                                               std::string* sqlstate) {
  COFFER_ASSERT(command_open_);
  notice_sink_ = &on_notice;
  struct Reset {
    const NoticeSink*& sink;
    ~Reset() { sink = nullptr; }
  } reset{notice_sink_};
  for (;;) {
    if (Status going_on = context.check(); !going_on.ok()) return broken(std::move(going_on).error());
    if (in_copy_) {
      COFFER_TRY(auto data, next_copy_data(context));
      if (data) return CopyEvent{.kind = CopyEvent::Kind::kCopyData, .rows = {}, .data = *data};
      in_copy_ = false;
    }
    COFFER_TRY(ResultPtr result, next_result(context));
    if (!result) {
      command_open_ = false;
      if (sqlstate != nullptr) *sqlstate = command_sqlstate_;
      if (PQstatus(connection_) == CONNECTION_BAD && !command_error_) return lost();
      if (PQstatus(connection_) == CONNECTION_BAD) return broken(*std::move(command_error_));
      if (command_error_) return *std::move(command_error_);
      return CopyEvent{};
    }
    COFFER_TRY(auto event, take_result(result.get()));
    if (event) return *std::move(event);
  }
}

Status LibpqConnection::copy_out(const Context& context, const std::string& command, const CopyEvents& events,
                                 std::string* sqlstate) {
  COFFER_CHECK_OK(begin_copy(context, command));
  for (;;) {
    COFFER_TRY(CopyEvent event, next_copy_event(context, events.on_notice, sqlstate));
    Status taken = ok_status();
    switch (event.kind) {
      case CopyEvent::Kind::kRows:
        if (events.on_rows) taken = events.on_rows(event.rows);
        break;
      case CopyEvent::Kind::kCopyBegin:
        if (events.on_copy_begin) taken = events.on_copy_begin();
        break;
      case CopyEvent::Kind::kCopyData:
        if (events.on_copy_data) taken = events.on_copy_data(event.data);
        break;
      case CopyEvent::Kind::kEnd: return ok_status();
    }
    // The rest of the answer is still on its way, so nothing else can be asked of this session.
    if (!taken.ok()) return broken(std::move(taken).error());
  }
}

class LibpqConnection::CopyInSink final : public ByteSink {
 public:
  explicit CopyInSink(LibpqConnection& session) : session_(session) {}
  Status write(const Context& context, ByteView bytes) override {
    constexpr size_t kMessageSize = size_t{1} << 20;
    while (!bytes.empty()) {
      const ByteView piece = bytes.first(std::min(bytes.size(), kMessageSize));
      const int put = PQputCopyData(session_.connection_, reinterpret_cast<const char*>(piece.data()),
                                    static_cast<int>(piece.size()));
      if (put < 0) return session_.lost();
      // Flushed each time: libpq would otherwise keep what the server has not taken, however much.
      COFFER_CHECK_OK(session_.flush(context));
      if (put == 1) bytes = bytes.subspan(piece.size());
    }
    return ok_status();
  }

 private:
  LibpqConnection& session_;
};

Status LibpqConnection::copy_in(const Context& context, const std::string& command,
                                const std::function<Status(ByteSink&)>& fill) {
  COFFER_CHECK_OK(send(context, command));
  bool ready = false;
  while (!ready) {
    COFFER_TRY(ResultPtr result, next_result(context));
    if (!result) {
      command_open_ = false;
      if (command_error_) return *std::move(command_error_);
      return Error{ErrorCode::kInternal, "copy_in() was given another command", {}};
    }
    if (PQresultStatus(result.get()) == PGRES_COPY_IN)
      ready = true;
    else
      COFFER_CHECK_OK(take_result(result.get()));
  }
  CopyInSink sink(*this);
  Status filled = fill(sink);
  if (!broken_because_.empty()) return filled.ok() ? Status(lost()) : filled;
  for (;;) {
    const int put = PQputCopyEnd(connection_, filled.ok() ? nullptr : "the client gave up");
    if (put < 0) return lost();
    if (Status flushed = flush(context); !flushed.ok()) return broken(std::move(flushed).error());
    if (put == 1) break;
  }
  for (;;) {
    COFFER_TRY(CopyEvent event, [&]() -> Result<CopyEvent> {
      auto next = next_copy_event(context, {}, nullptr);
      // The server's complaint about our giving up says less than why we did.
      if (!next.ok() && !filled.ok() && broken_because_.empty()) return filled.error();
      return next;
    }());
    if (event.kind == CopyEvent::Kind::kEnd) return filled;
  }
}

Result<Rows> LibpqConnection::query(const Context& context, const std::string& sql) {
  COFFER_CHECK_OK(send(context, sql));
  Rows last;
  for (;;) {
    COFFER_TRY(CopyEvent event, next_copy_event(context, {}, nullptr));
    if (event.kind == CopyEvent::Kind::kEnd) return last;
    if (event.kind == CopyEvent::Kind::kRows) last = std::move(event.rows);
    if (event.kind == CopyEvent::Kind::kCopyBegin) {
      return broken({ErrorCode::kInternal, "query() was given a COPY command", {}});
    }
  }
}

Status switch_timeouts_off(const Context& context, Connection& connection) {
  std::string sql = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";
  if (connection.major() >= 14) sql += "; SET idle_session_timeout = 0";
  if (connection.major() >= 17) sql += "; SET transaction_timeout = 0";
  COFFER_TRY(Rows ignored, connection.query(context, sql));
  (void)ignored;
  return ok_status();
}

void add_defaults(std::map<std::string, std::string>& settings, ConnectionKind kind) {
  settings.try_emplace("fallback_application_name", "coffer");
  settings.try_emplace("keepalives", "1");
  settings.try_emplace("keepalives_idle", "30");
  settings.try_emplace("keepalives_interval", "10");
  settings.try_emplace("keepalives_count", "6");
  if (kind == ConnectionKind::kSql) {
    settings.try_emplace("client_encoding", "UTF8");
    settings.erase("replication");
  } else {
    settings["replication"] = "true";
  }
}

}  // namespace

const std::string& Row::text(size_t column) const {
  static const std::string kEmpty;
  return column < values.size() && values[column] ? *values[column] : kEmpty;
}

Status copy_in(const Context& context, Connection& connection, const std::string& command,
               const std::function<Status(ByteSink&)>& fill) {
  auto* session = dynamic_cast<CopyInSession*>(&connection);
  if (session == nullptr) return Error{ErrorCode::kInternal, "this connection cannot be sent rows", {}};
  return session->copy_in(context, command, fill);
}

void take_messages_up_to(Connection& connection, size_t size_bytes) {
  if (auto* session = dynamic_cast<CopyInSession*>(&connection)) session->take_messages_up_to(size_bytes);
}

Result<std::unique_ptr<Connection>> connect(const Context& context, const std::string& conninfo, ConnectionKind kind) {
  COFFER_CHECK_OK(context.check());
  COFFER_TRY(auto settings, parse_conninfo(conninfo));
  add_defaults(settings, kind);
  int timeout_s = kConnectTimeoutDefaultS;
  if (auto found = settings.find("connect_timeout"); found != settings.end()) {
    int given = std::atoi(found->second.c_str());
    if (given > 0) timeout_s = std::min(given, 3600);
  }
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : settings) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);

  PGconn* raw = PQconnectStartParams(keys.data(), values.data(), 0);
  if (raw == nullptr) return Error{ErrorCode::kResourceExhausted, "no memory for a connection", {}};
  auto connection = std::make_unique<LibpqConnection>(raw, kind);
  if (PQstatus(raw) == CONNECTION_BAD) return connection_failure(PQerrorMessage(raw), false, kind);
  // For the SQLSTATE of a refusal, which the usual form of the message leaves out.
  PQsetErrorVerbosity(raw, PQERRORS_VERBOSE);
  COFFER_CHECK_OK(connection->establish(context, timeout_s));
  if (kind == ConnectionKind::kSql) COFFER_CHECK_OK(switch_timeouts_off(context, *connection));
  return std::unique_ptr<Connection>(std::move(connection));
}

Result<std::string> conninfo_with_default_database(const std::string& conninfo, const std::string& database) {
  COFFER_TRY(auto settings, parse_conninfo(conninfo));
  settings.try_emplace("dbname", database);
  std::string out;
  for (const auto& [key, value] : settings) {
    out += (out.empty() ? "" : " ") + key + "='";
    for (char c : value) {
      if (c == '\\' || c == '\'') out += '\\';
      out += c;
    }
    out += '\'';
  }
  return out;
}

static std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out + quote;
}

std::string quote_literal(std::string_view text) { return quoted(text, '\''); }
std::string quote_identifier(std::string_view text) { return quoted(text, '"'); }

}  // namespace coffer::postgres
