// What database.cc knows of the two backends, and what they share.
#pragma once
#include "services/catalog/database.h"

namespace coffer::catalog {

struct SqliteOptions {
  /// Stands around each fsync of the log, which is `real`: for tests that count, hold up or fail it.
  std::function<Status(const std::function<Status()>& real)> around_sync = nullptr;
};
Result<std::unique_ptr<Database>> open_sqlite(const std::string& path, SqliteOptions options = {});
/// A database of its own that ends with the object.
Result<std::unique_ptr<Database>> open_sqlite_in_memory();
Result<std::unique_ptr<Database>> open_postgres(const std::string& conninfo);

/// What both backends' transactions have in common: the first failure stays the answer until the end (one that the
/// caller overlooked must not be committed around), and nothing works after the end. A derived class calls end() in its
/// destructor.
class GuardedTransaction : public Transaction {
 public:
  explicit GuardedTransaction(bool writes) : writes_(writes) {}
  Result<Rows> run(std::string_view sql, std::span<const Parameter> parameters) final;
  Status commit() final;
  [[nodiscard]] bool writes() const final { return writes_; }

 protected:
  virtual Result<Rows> run_statement(std::string_view sql, std::span<const Parameter> parameters) = 0;
  virtual Status commit_work() = 0;
  /// Called once commit_work() and release() are done: what still has to happen before the commit is told. Others may
  /// see it already.
  virtual Status make_durable() { return ok_status(); }
  /// Gives back what the transaction holds, rolled back unless it was committed.
  virtual void release() = 0;
  void end() {
    if (!ended_) release();
    ended_ = true;
  }

 private:
  Status check_usable() const;
  const bool writes_;
  bool ended_ = false;
  std::optional<Error> failed_;
};

/// kInternal: a caller broke a rule of database.h.
Error misuse(std::string message);

/// kInvalidArgument for text that one of the backends would refuse (not UTF-8, or with a NUL in it), so that both do.
Status check_texts(std::span<const Parameter> parameters);

/// `sql` with {skip_locked} as `spelling`.
std::string with_row_locks(std::string_view sql, std::string_view spelling);

/// How a backend spells what the common subset lacks.
struct Dialect {
  std::string_view blob;      // {blob}
  std::string_view identity;  // {identity}
  std::string_view text;      // TEXT as the type of a column: compared byte by byte on both
  std::string_view lock;      // a statement that keeps other migrating processes out; "" where there is one writer
};
/// The statements of a migration, in order.
std::vector<std::string> statements_of(std::string_view sql, const Dialect& dialect);
/// Database::migrate() for every backend.
Status apply_migrations(Database& database, const Context& context, std::span<const Migration> migrations,
                        const Dialect& dialect);

}  // namespace coffer::catalog
