// How a table becomes columns of Parquet: which type each gets, and what is asked of the server for it.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/parquet/catalog.h"
#include "engine/parquet/value_digest.h"

namespace coffer::parquet {

enum class Layout { kRds, kTyped };

/// How the values of a column are stored. Later ones take what the earlier cannot.
enum class Storage {
  kNative,  // nearest type of Parquet
  kText,    // as PostgreSQL prints them, UTF-8
  kBytes,   // the same, but bytes that are not UTF-8 (databases of encoding SQL_ASCII)
};

struct ColumnPlan {
  SourceColumn source;
  Storage storage = Storage::kNative;
  friend bool operator==(const ColumnPlan&, const ColumnPlan&) = default;
};

struct TablePlan {
  Layout layout = Layout::kTyped;
  bool utf8 = true;  // the database's encoding; other ones are converted when they are sent
  std::string database, schema, name;
  std::vector<ColumnPlan> columns;
  [[nodiscard]] std::vector<std::string> column_names() const;
};

/// Native where the layout has a type for it, else text.
TablePlan plan_table(const SourceDatabase& database, const SourceTable& table, Layout layout);
/// The plan after a value of `column` did not fit: its next storage. False when there is none.
bool widen(TablePlan& plan, size_t column);
/// True when the layout has a native type for values of this type.
bool is_native(const SourceType& type, Layout layout);

/// The pages [first, last) of a part; `last` 0: to its end. `whole`: all pages, without a condition.
struct PageRange {
  uint64_t first = 0, last = 0;
  bool whole = true;
};
/// "COPY (SELECT ...) TO STDOUT (FORMAT binary)".
std::string copy_command(const TablePlan& plan, const SourcePart& part, const PageRange& range);
/// One row: count, values and sums of the columns as arrays, the sum of rows. For digest_of_answer().
std::string digest_query(const TablePlan& plan, const SourcePart& part, const PageRange& range);
Result<TableDigest> digest_of_answer(const TablePlan& plan, const postgres::Rows& rows);

/// The seed under which values of a column are hashed; and what the server's way to hash adds: it hashes binary forms
/// as arrays of one element, text as it is.
uint64_t seed_of(size_t column);
uint64_t added_to_hash(const TablePlan& plan, const ColumnPlan& column);

/// What Parquet gets, in words: "int64", "binary (UTF8)", "decimal(10, 2)".
std::string exported_type(const TablePlan& plan, const ColumnPlan& column);

nlohmann::ordered_json columns_to_json(const TablePlan& plan);
/// Reads `columns` of what columns_to_json() wrote into `plan`.
Status columns_from_json(const nlohmann::ordered_json& json, TablePlan& plan);

}  // namespace coffer::parquet
