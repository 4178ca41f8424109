#include "services/catalog/database.h"

#include <atomic>

#include "services/catalog/backends.h"

namespace coffer::catalog {
namespace {

std::atomic<uint64_t> epoch{1};

}  // namespace

namespace {

template <class T>
const T& column_or_empty(const Row::Column& column) {
  static const T kEmpty{};
  const T* value = std::get_if<T>(&column);
  return value ? *value : kEmpty;
}

constexpr Migration kMigrations[] = {
    {1, "catalog: generations, outbox and leases", R"(
CREATE TABLE catalog_generations (
  name TEXT PRIMARY KEY,
  value BIGINT NOT NULL
);
CREATE TABLE catalog_outbox (
  sequence {identity},
  topic TEXT NOT NULL,
  payload TEXT NOT NULL,
  created BIGINT NOT NULL,
  due BIGINT NOT NULL,
  attempts BIGINT NOT NULL
);
CREATE INDEX catalog_outbox_topic ON catalog_outbox (topic, sequence);
CREATE TABLE catalog_leases (
  name TEXT PRIMARY KEY,
  holder TEXT,
  token BIGINT NOT NULL,
  until BIGINT NOT NULL
);
)"},
};

}  // namespace

std::string with_row_locks(std::string_view sql, std::string_view spelling) {
  constexpr std::string_view kMark = "{skip_locked}";
  std::string text(sql);
  if (const size_t at = text.find(kMark); at != std::string::npos) text.replace(at, kMark.size(), spelling);
  return text;
}

int64_t Row::integer(size_t i) const { return column_or_empty<int64_t>(columns_[i]); }
const std::string& Row::text(size_t i) const { return column_or_empty<std::string>(columns_[i]); }
const Bytes& Row::blob(size_t i) const { return column_or_empty<Bytes>(columns_[i]); }

std::optional<std::string> Row::text_if(size_t i) const {
  const auto* value = std::get_if<std::string>(&columns_[i]);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<WallTime> Row::time_if(size_t i) const {
  const auto* value = std::get_if<int64_t>(&columns_[i]);
  return value ? std::optional(WallTime{*value}) : std::nullopt;
}

Result<std::optional<Row>> Transaction::first(std::string_view sql, std::initializer_list<Parameter> parameters) {
  COFFER_TRY(Rows rows, run(sql, parameters));
  if (rows.empty()) return std::optional<Row>();
  return std::optional<Row>(std::move(rows.front()));
}

Result<std::unique_ptr<Database>> Database::open(const std::string& where) {
  if (where == ":memory:") return open_sqlite_in_memory();
  if (where.starts_with("postgresql://") || where.starts_with("postgres://")) return open_postgres(where);
  return open_sqlite(where);
}

Status in_transaction(Database& database, const Context& context, const std::function<Status(Transaction&)>& work,
                      int attempts_max) {
  for (int attempt = 1;; ++attempt) {
    auto once = [&]() -> Status {
      COFFER_TRY(auto transaction, database.begin(context, Database::Mode::kWrite));
      COFFER_CHECK_OK(work(*transaction));
      return transaction->commit();
    };
    Status done = once();
    // A conflict that a service names is its answer to the user, not the database's.
    if (done.ok() || done.code() != ErrorCode::kConflict || !done.error().name.empty()) return done;
    if (attempt >= attempts_max) return done;
    COFFER_CHECK_OK(context.check());
    // Whoever won is on its way out; those who lost together must not come back together.
    if (attempt > 1) SystemClock().sleep_for(std::chrono::microseconds(500) * attempt * attempt);
  }
}

Result<int64_t> generation(Transaction& transaction, std::string_view name) {
  COFFER_TRY(auto row, transaction.first("SELECT value FROM catalog_generations WHERE name = $1", {name}));
  return row ? row->integer(0) : int64_t{0};
}

Status bump_generation(Transaction& transaction, std::string_view name) {
  COFFER_CHECK_OK(
      transaction.run("INSERT INTO catalog_generations (name, value) VALUES ($1, 1) "
                      "ON CONFLICT (name) DO UPDATE SET value = catalog_generations.value + 1",
                      {name}));
  transaction.on_commit([] { epoch.fetch_add(1, std::memory_order_release); });
  return ok_status();
}

uint64_t generation_epoch() { return epoch.load(std::memory_order_acquire); }

Error misuse(std::string message) { return Error{ErrorCode::kInternal, "catalog: " + std::move(message), {}}; }

Status GuardedTransaction::check_usable() const {
  if (failed_) return *failed_;
  if (ended_) return misuse("the transaction has ended");
  return ok_status();
}

Result<Rows> GuardedTransaction::run(std::string_view sql, std::span<const Parameter> parameters) {
  COFFER_CHECK_OK(check_usable());
  Result<Rows> rows = run_statement(sql, parameters);
  if (!rows.ok()) failed_ = rows.error();
  return rows;
}

Status GuardedTransaction::commit() {
  COFFER_CHECK_OK(check_usable());
  Status done = commit_work();
  if (!done.ok()) failed_ = done.error();
  end();
  if (done.ok()) {
    done = make_durable();
    if (!done.ok()) failed_ = done.error();
  }
  if (!done.ok()) return done;
  // Whoever is told may begin a transaction of its own: ours holds nothing any more.
  for (const auto& action : on_commit_) action();
  return done;
}

std::span<const Migration> migrations() { return kMigrations; }

namespace {

/// Eight characters at once, which most texts consist of.
bool is_ascii_without_nul(uint64_t eight) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  // Without high bits a byte borrows from its own high bit exactly when it is 0.
  return ((eight | (eight - kOnes)) & kHighs) == 0;
}

bool is_utf8_without_nul(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    if (text.size() - i >= 8 && is_ascii_without_nul(load_le<uint64_t>(reinterpret_cast<const std::byte*>(&text[i])))) {
      i += 8;
      continue;
    }
    const auto at = [&](size_t k) { return k < text.size() ? static_cast<uint8_t>(text[k]) : uint8_t{0}; };
    const uint8_t first = at(i);
    if (first == 0) return false;
    if (first < 0x80) {
      ++i;
      continue;
    }
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((at(i + k) & 0xc0) != 0x80) return false;
    }
    const uint8_t second = at(i + 1);
    // Overlong forms, surrogates, and what lies above U+10FFFF.
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f))
      return false;
    i += length;
  }
  return true;
}

}  // namespace

Status check_texts(std::span<const Parameter> parameters) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto* text = std::get_if<std::string_view>(&parameters[i].state());
    if (text && !is_utf8_without_nul(*text))
      return Error{ErrorCode::kInvalidArgument,
                   "catalog: the text for $" + std::to_string(i + 1) + " is not UTF-8, or has a NUL in it",
                   {}};
  }
  return ok_status();
}

}  // namespace coffer::catalog
