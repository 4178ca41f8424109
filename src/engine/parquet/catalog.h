// Which tables a database has, read from its catalogs over a connection that is inside of the snapshot.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "engine/parquet/source_type.h"
#include "engine/postgres/connection.h"

namespace coffer::parquet {

struct SourcePart {
  uint32_t oid = 0;
  std::string schema, name;
  uint64_t pages = 0;       // of the main fork
  uint64_t size_bytes = 0;  // with TOAST
};
struct SourceTable {
  std::string schema, name;
  std::vector<SourceColumn> columns;  // not the dropped ones
  std::vector<SourcePart> parts;      // the table itself, or the leaves of a partitioned one (there may be none)
};
/// A relation whose rows are not looked at, and why ("unlogged: empty after a restore").
struct LeftOut {
  std::string name;  // "schema.name"
  std::string reason;
};
struct SourceDatabase {
  std::string name;
  std::string encoding;  // "UTF8"
  uint64_t page_size_bytes = 8192;
  std::vector<SourceTable> tables;  // by schema and name
  std::vector<LeftOut> left_out;
};

/// The settings under which values are printed and read; first command of each session, before its transaction.
std::string session_settings();
/// Databases that take connections, without templates.
Result<std::vector<std::string>> list_databases(const Context& context, postgres::Connection& connection);
/// Ordinary and partitioned tables of users; system schemas, temporary tables and members of extensions are not theirs,
/// the configuration tables of extensions are.
Result<SourceDatabase> read_database(const Context& context, postgres::Connection& connection, const std::string& name);

}  // namespace coffer::parquet
