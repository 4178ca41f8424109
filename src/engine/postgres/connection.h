// One connection to a server through libpq: ordinary SQL, and the replication commands. Never PQexec: a command may
// return several results (postgres-backup.md trap 6).
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/context.h"
#include "base/result.h"

namespace coffer::postgres {

struct Row {
  std::vector<std::optional<std::string>> values;
  [[nodiscard]] const std::string& text(size_t column) const;  // "" for NULL
};
using Rows = std::vector<Row>;

enum class ConnectionKind {
  kSql,
  kReplication,  // physical walsender: replication=true
};

/// Not thread-safe: one task at a time. Waits in poll(2) in slices, so that a stopped context is seen within 100 ms.
class Connection {
 public:
  virtual ~Connection() = default;
  [[nodiscard]] virtual int server_version_num() const = 0;  // 150018
  [[nodiscard]] int major() const { return server_version_num() / 10000; }
  /// Of the server's process that serves us: unique among its sessions.
  [[nodiscard]] virtual int backend_pid() const = 0;

  /// Rows of the last result set. Server errors: kPermissionDenied for 42501 and failed authentication, kUnavailable
  /// for a lost connection, class 53 kResourceExhausted, 57P0x kUnavailable, others kFailedPrecondition; the message
  /// holds the server's text and SQLSTATE, cut at 2 KiB.
  virtual Result<Rows> query(const Context& context, const std::string& sql) = 0;

  /// A command that gives result sets around COPY OUT data (BASE_BACKUP, COPY ... TO STDOUT).
  struct CopyEvents {
    std::function<Status(const Rows&)> on_rows;    // one result set
    std::function<Status()> on_copy_begin;         // CopyOutResponse
    std::function<Status(ByteView)> on_copy_data;  // one CopyData message
    std::function<void(std::string_view severity, std::string_view text)> on_notice;
  };
  /// The error that ended the command, if any, comes after all events. `sqlstate` of it is put there when not null.
  virtual Status copy_out(const Context& context, const std::string& command, const CopyEvents& events,
                          std::string* sqlstate) = 0;

  /// The same one event at a time, for callers that pull: begin_copy(), then next_copy_event() until kEnd or an error.
  /// `data` is valid until the next call on this connection. The connection does nothing else meanwhile.
  struct CopyEvent {
    enum class Kind { kRows, kCopyBegin, kCopyData, kEnd };
    Kind kind = Kind::kEnd;
    Rows rows;
    ByteView data;
  };
  using NoticeSink = std::function<void(std::string_view severity, std::string_view text)>;
  virtual Status begin_copy(const Context& context, const std::string& command) = 0;
  virtual Result<CopyEvent> next_copy_event(const Context& context, const NoticeSink& on_notice,
                                            std::string* sqlstate) = 0;
};

/// Limits on what a server may send: beyond them a notice is cut, all else ends the connection with kResourceExhausted.
inline constexpr size_t kNoticeSizeMax = size_t{8} << 10;
inline constexpr size_t kErrorTextSizeMax = size_t{2} << 10;
inline constexpr size_t kCopyDataSizeMax = size_t{16} << 20;  // one CopyData message
inline constexpr size_t kResultSizeMax = size_t{256} << 20;   // the rows of one query

/// `conninfo` is a libpq connection string or URI. TCP keepalives on, application_name=coffer unless given; the
/// session's statement, idle and transaction timeouts are switched off. The message of a failed connection says what to
/// check. Waits at most connect_timeout of `conninfo`, 30 s when it has none. Text arrives in UTF-8 on SQL connections.
Result<std::unique_ptr<Connection>> connect(const Context& context, const std::string& conninfo, ConnectionKind kind);

/// `conninfo` with `database` where it names none (libpq would take the user's name). kInvalidArgument as connect().
Result<std::string> conninfo_with_default_database(const std::string& conninfo, const std::string& database);

/// A string literal for a replication command or SQL: quotes doubled.
std::string quote_literal(std::string_view text);
std::string quote_identifier(std::string_view text);

}  // namespace coffer::postgres
