#include <algorithm>
#include <map>
#include <set>

#include "services/catalog/backends.h"

namespace coffer::catalog {
namespace {

constexpr int kAttemptsMax = 10;

void replace_all(std::string& in, std::string_view what, std::string_view by) {
  for (size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + by.size()))
    in.replace(at, what.size(), by);
}

bool is_word(char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

/// TEXT where it is the type of a column; not in "CAST(x AS TEXT)", which takes no collation.
void replace_text_type(std::string& sql, std::string_view by) {
  constexpr std::string_view kType = "TEXT";
  for (size_t at = sql.find(kType); at != std::string::npos; at = sql.find(kType, at)) {
    const size_t end = at + kType.size();
    const bool whole = (at == 0 || !is_word(sql[at - 1])) && (end == sql.size() || !is_word(sql[end]));
    const bool cast = at >= 3 && std::string_view(sql).substr(at - 3, 3) == "AS ";
    if (whole && !cast) {
      sql.replace(at, kType.size(), by);
      at += by.size();
    } else {
      at = end;
    }
  }
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Status create_own_table(Transaction& transaction) {
  COFFER_CHECK_OK(
      transaction.run("CREATE TABLE IF NOT EXISTS catalog_migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL)"));
  return ok_status();
}

Result<std::map<int64_t, std::string>> applied(Transaction& transaction) {
  COFFER_TRY(Rows rows, transaction.run("SELECT number, name FROM catalog_migrations"));
  std::map<int64_t, std::string> numbers;
  for (const Row& row : rows) numbers.emplace(row.integer(0), row.text(1));
  return numbers;
}

/// Nothing is applied to a catalog that a newer version has been at: the older one does not know what it would break.
Status check_known(const std::map<int64_t, std::string>& present, const std::vector<Migration>& known) {
  for (const auto& [number, name] : present) {
    const auto same = [number = number](const Migration& m) { return m.number == number; };
    if (std::find_if(known.begin(), known.end(), same) == known.end())
      return Error{ErrorCode::kFailedPrecondition,
                   "the catalog was made by a newer version: it has step " + std::to_string(number) + " (" + name +
                       "), which this version does not know",
                   "run the newer version, or restore the catalog's backup from before the upgrade"};
  }
  return ok_status();
}

Status apply_one(Database& database, const Context& context, const Migration& migration,
                 const std::vector<Migration>& known, const Dialect& dialect) {
  return in_transaction(
      database, context,
      [&](Transaction& transaction) -> Status {
        // Before the first look, so that this sees what the process that we waited for did.
        if (!dialect.lock.empty()) COFFER_CHECK_OK(transaction.run(dialect.lock));
        COFFER_TRY(auto present, applied(transaction));
        COFFER_CHECK_OK(check_known(present, known));
        if (present.contains(migration.number)) return ok_status();
        for (const std::string& statement : statements_of(migration.sql, dialect))
          COFFER_CHECK_OK(transaction.run(statement));
        COFFER_CHECK_OK(transaction.run("INSERT INTO catalog_migrations (number, name) VALUES ($1, $2)",
                                        {migration.number, migration.name}));
        return ok_status();
      },
      kAttemptsMax);
}

/// Two processes that create the same table at once: for PostgreSQL one of them breaks a unique constraint of its own
/// catalogs, and the next attempt finds the table.
Status again_if_taken(const std::function<Status()>& work) {
  Status done = work();
  for (int attempt = 1; attempt < kAttemptsMax && !done.ok() && done.code() == ErrorCode::kAlreadyExists; ++attempt)
    done = work();
  return done;
}

}  // namespace

std::vector<std::string> statements_of(std::string_view sql, const Dialect& dialect) {
  std::vector<std::string> statements;
  std::string statement;
  const auto add = [&] {
    std::string one(trimmed(statement));
    statement.clear();
    if (one.empty()) return;
    replace_text_type(one, dialect.text);
    replace_all(one, "{blob}", dialect.blob);
    replace_all(one, "{identity}", dialect.identity);
    statements.push_back(std::move(one));
  };
  while (!sql.empty()) {
    const size_t end = std::min(sql.find('\n'), sql.size());
    std::string_view line = trimmed(sql.substr(0, end));
    sql.remove_prefix(std::min(end + 1, sql.size()));
    const bool last = line.ends_with(';');
    if (last) line.remove_suffix(1);
    statement += line;
    statement += '\n';
    if (last) add();
  }
  add();
  return statements;
}

Status apply_migrations(Database& database, const Context& context, std::span<const Migration> migrations,
                        const Dialect& dialect) {
  std::vector<Migration> known(migrations.begin(), migrations.end());
  std::sort(known.begin(), known.end(), [](const Migration& a, const Migration& b) { return a.number < b.number; });
  const auto twice = std::adjacent_find(known.begin(), known.end(),
                                        [](const Migration& a, const Migration& b) { return a.number == b.number; });
  COFFER_ASSERT(twice == known.end());

  COFFER_CHECK_OK(again_if_taken([&] { return in_transaction(database, context, create_own_table); }));
  std::map<int64_t, std::string> present;
  {
    COFFER_TRY(auto transaction, database.begin(context, Database::Mode::kRead));
    COFFER_TRY(present, applied(*transaction));
  }
  COFFER_CHECK_OK(check_known(present, known));
  for (const Migration& migration : known) {
    if (present.contains(migration.number)) continue;
    Status done = apply_one(database, context, migration, known, dialect);
    if (!done.ok())
      return std::move(done).error().in("catalog step " + std::to_string(migration.number) + " (" +
                                        std::string(migration.name) + ")");
  }
  return ok_status();
}

}  // namespace coffer::catalog
