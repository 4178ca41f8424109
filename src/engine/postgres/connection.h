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
  kReplication,        // physical walsender: replication=true
};

/// Not thread-safe: one task at a time. Waits in poll(2) in slices, so that a stopped context is seen within 100 ms.
class Connection {
 public:
  virtual ~Connection() = default;
  [[nodiscard]] virtual int server_version_num() const = 0;  // 150018
  [[nodiscard]] int major() const { return server_version_num() / 10000; }

  /// Rows of the last result set. Server errors: kPermissionDenied for 42501 and failed authentication, kUnavailable for
  /// a lost connection, class 53 kResourceExhausted, 57P0x kUnavailable, others kFailedPrecondition; the message holds the
  /// server's text and SQLSTATE, cut at 2 KiB.
  virtual Result<Rows> query(const Context& context, const std::string& sql) = 0;

  /// A command that gives result sets around COPY OUT data (BASE_BACKUP, COPY ... TO STDOUT).
  struct CopyEvents {
    std::function<Status(const Rows&)> on_rows;      // one result set
    std::function<Status()> on_copy_begin;           // CopyOutResponse
    std::function<Status(ByteView)> on_copy_data;    // one CopyData message
    std::function<void(std::string_view severity, std::string_view text)> on_notice;
  };
  /// The error that ended the command, if any, comes after all events. `sqlstate` of it is put there when not null.
  virtual Status copy_out(const Context& context, const std::string& command, const CopyEvents& events, std::string* sqlstate) = 0;
};

/// `conninfo` is a libpq connection string or URI. TCP keepalives on, application_name=coffer unless given; the session's
/// statement, idle and transaction timeouts are switched off. The message of a failed connection says what to check.
Result<std::unique_ptr<Connection>> connect(const Context& context, const std::string& conninfo, ConnectionKind kind);

/// A string literal for a replication command or SQL: quotes doubled.
std::string quote_literal(std::string_view text);
std::string quote_identifier(std::string_view text);

}  // namespace coffer::postgres
