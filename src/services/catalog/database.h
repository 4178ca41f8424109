// The catalog: what an installation knows besides its vaults. SQLite (a file) or PostgreSQL (a connection string)
// behind one small SQL layer: the same statements, the same tests on both.
//
// SQL here is the common subset: placeholders $1, $2 ... (each may be used more than once), BIGINT, TEXT, and {blob}
// for bytes in migrations (BLOB or BYTEA); INSERT ... ON CONFLICT, RETURNING and LIMIT exist on both. Times are BIGINT
// microseconds, booleans BIGINT. Text is UTF-8 without NUL, and compares and sorts byte by byte on both. In migrations
// {identity} is the type of a key that the database gives, growing and never used twice (gaps are possible). A null for
// a placeholder that has no type from its place ("$1 IS NULL") needs one: CAST($1 AS BIGINT). A SELECT that ends in
// {skip_locked} locks its rows and passes over those that another transaction has locked, where writers run side by
// side.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/context.h"
#include "base/result.h"

namespace coffer::catalog {

/// A value bound to a placeholder. Views are only used during the call.
class Parameter {
 public:
  Parameter(std::nullptr_t) {}
  Parameter(int v) : state_(static_cast<int64_t>(v)) {}
  Parameter(int64_t v) : state_(v) {}
  Parameter(bool v) : state_(static_cast<int64_t>(v)) {}
  Parameter(WallTime v) : state_(v.micros) {}
  Parameter(std::string_view v) : state_(v) {}
  Parameter(const std::string& v) : state_(std::string_view(v)) {}
  Parameter(const char* v) : state_(std::string_view(v)) {}
  Parameter(ByteView v) : state_(v) {}
  Parameter(const Bytes& v) : state_(ByteView(v)) {}
  template <class T>
  Parameter(const std::optional<T>& v) {
    if (v) *this = Parameter(*v);
  }
  using State = std::variant<std::monostate, int64_t, std::string_view, ByteView>;
  [[nodiscard]] const State& state() const { return state_; }

 private:
  State state_;
};

/// One row of an answer; columns by position. A getter of another type than the column's gives the empty value.
class Row {
 public:
  using Column = std::variant<std::monostate, int64_t, std::string, Bytes>;
  explicit Row(std::vector<Column> columns) : columns_(std::move(columns)) {}
  [[nodiscard]] bool is_null(size_t i) const { return columns_[i].index() == 0; }
  [[nodiscard]] int64_t integer(size_t i) const;
  [[nodiscard]] bool flag(size_t i) const { return integer(i) != 0; }
  [[nodiscard]] WallTime time(size_t i) const { return WallTime{integer(i)}; }
  [[nodiscard]] const std::string& text(size_t i) const;
  [[nodiscard]] const Bytes& blob(size_t i) const;
  [[nodiscard]] std::optional<std::string> text_if(size_t i) const;
  [[nodiscard]] std::optional<WallTime> time_if(size_t i) const;
  [[nodiscard]] size_t size() const { return columns_.size(); }

 private:
  std::vector<Column> columns_;
};
using Rows = std::vector<Row>;

/// A transaction, serializable. Destroyed without commit(): rolled back. Not for several threads at once.
/// After an error from run() it can only be rolled back.
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// One statement. kAlreadyExists for a broken unique constraint, kConflict for a lost race (begin again),
  /// kUnavailable when the database is away, kResourceExhausted for a full disk. Prepared once per connection and text.
  virtual Result<Rows> run(std::string_view sql, std::span<const Parameter> parameters) = 0;
  Result<Rows> run(std::string_view sql, std::initializer_list<Parameter> parameters = {}) {
    return run(sql, std::span<const Parameter>(parameters.begin(), parameters.size()));
  }
  /// The first row, if any.
  Result<std::optional<Row>> first(std::string_view sql, std::initializer_list<Parameter> parameters = {});
  /// Makes it durable. kConflict: nothing happened, begin again. After kUnavailable it is unknown whether it happened.
  virtual Status commit() = 0;
  [[nodiscard]] virtual bool writes() const = 0;
  /// Called after a successful commit, in order: for caches to forget, for waiters to wake.
  void on_commit(std::function<void()> action) { on_commit_.push_back(std::move(action)); }

 protected:
  std::vector<std::function<void()>> on_commit_;
};

/// A step of the schema, applied once, in order of `number`, in a transaction. Forward only; never changed once
/// released.
struct Migration {
  /// Unique over all services: catalog 1-99, iam 100-199, kms 200-299, audit 300-399, organizations 400-499,
  /// s3 500-599, work 600-619, events 700-799, logs 800-849, lambda 850-899, rds 900-949, backup 1000-1099.
  int number = 0;
  std::string_view name;  // "iam: users and roles"
  std::string_view sql;   // statements separated by ';' at the end of a line
};

/// Safe from many threads; each transaction has a connection of its own from a small pool.
class Database {
 public:
  virtual ~Database() = default;
  /// `where`: a file path, ":memory:", or "postgresql://...". On SQLite a commit is told when it is
  /// durable; transactions that begin meanwhile see it already (docs/decisions/0008-group-commit.md).
  static Result<std::unique_ptr<Database>> open(const std::string& where);

  enum class Mode { kRead, kWrite };
  /// kWrite waits for the writer before it (SQLite has one at a time), within the context's stop.
  virtual Result<std::unique_ptr<Transaction>> begin(const Context& context, Mode mode) = 0;
  /// Applies what is missing of `migrations` (of all services, any order). Refuses a catalog with a number that is not
  /// in the list (kFailedPrecondition: made by a newer version).
  virtual Status migrate(const Context& context, std::span<const Migration> migrations) = 0;
  /// What any transaction has seen until now is durable when this returns. For who does something outside of the
  /// catalog that is lost without it, like encrypting with a key that was just made.
  virtual Status wait_until_durable() { return ok_status(); }
  /// True when other processes may write to it (PostgreSQL): caches must look at a generation now and then.
  [[nodiscard]] virtual bool shared() const = 0;
};

/// Runs `work` in a writing transaction and commits; again from the start after kConflict, at most `attempts_max`
/// times.
Status in_transaction(Database& database, const Context& context, const std::function<Status(Transaction&)>& work,
                      int attempts_max = 10);

/// Reads and bumps a named counter row, for caches: a change of what `name` stands for bumps it in its transaction.
Result<int64_t> generation(Transaction& transaction, std::string_view name);
Status bump_generation(Transaction& transaction, std::string_view name);
/// Grows whenever a transaction of this process that bumped any generation commits: what a cache compares on each use.
/// Writers in other processes (shared()) are only seen by reading the generation.
uint64_t generation_epoch();

/// The catalog's own tables (generations, outbox, leases).
std::span<const Migration> migrations();

}  // namespace coffer::catalog
