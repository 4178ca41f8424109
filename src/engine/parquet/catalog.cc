#include "engine/parquet/catalog.h"

#include <charconv>
#include <map>
#include <set>

namespace coffer::parquet {

using postgres::Connection;
using postgres::Row;
using postgres::Rows;

namespace {

template <class T>
T number(std::string_view text) {
  T value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// What pg_type and its companions say, by oid.
struct TypeRow {
  std::string name, schema;
  char kind = 'b', category = ' ';
  uint32_t element = 0, base = 0, relation = 0, range_of = 0;  // range_of: bound of a range, range of a multirange
  int32_t modifier = -1;
  std::string send, output;
  std::vector<std::string> labels;
  struct Attribute {
    std::string name;
    uint32_t type = 0;
    int32_t modifier = -1;
  };
  std::vector<Attribute> attributes;
};

std::string list_of(const std::set<uint32_t>& oids) {
  std::string text = "'{";
  for (uint32_t oid : oids) text += (text.size() > 2 ? "," : "") + std::to_string(oid);
  return text + "}'::oid[]";
}

// All types that some columns need, fetched level by level.
class Types {
 public:
  Types(const Context& context, Connection& connection) : context_(context), connection_(connection) {}
  Status need(std::set<uint32_t> oids);
  Result<SourceType> build(uint32_t oid, int32_t modifier, int depth = 0) const;

 private:
  Status fetch(const std::set<uint32_t>& oids);

  const Context& context_;
  Connection& connection_;
  std::map<uint32_t, TypeRow> rows_;
};

Status Types::fetch(const std::set<uint32_t>& oids) {
  const std::string function =
      "(SELECT pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(f.proname) FROM pg_catalog.pg_proc "
      "f JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace WHERE f.oid = ";
  COFFER_TRY(Rows rows,
             connection_.query(
                 context_,
                 "SELECT t.oid, t.typname, n.nspname, t.typtype, t.typcategory, t.typelem, t.typbasetype, t.typrelid,"
                 " t.typtypmod, " +
                     function + "t.typsend), " + function + "t.typoutput)" +
                     (connection_.major() >= 14
                          ? ", coalesce(r.rngsubtype, m.rngtypid, 0) FROM pg_catalog.pg_type t LEFT JOIN "
                            "pg_catalog.pg_range m ON m.rngmultitypid = t.oid"
                          : ", coalesce(r.rngsubtype, 0) FROM pg_catalog.pg_type t") +
                     " JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
                     " LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid WHERE t.oid = ANY(" +
                     list_of(oids) + ")"));
  std::set<uint32_t> relations, enums;
  std::map<uint32_t, uint32_t> type_of_relation;
  for (const Row& row : rows) {
    TypeRow type;
    const auto oid = number<uint32_t>(row.text(0));
    type.name = row.text(1);
    type.schema = row.text(2);
    type.kind = row.text(3).empty() ? 'b' : row.text(3)[0];
    type.category = row.text(4).empty() ? ' ' : row.text(4)[0];
    type.element = number<uint32_t>(row.text(5));
    type.base = number<uint32_t>(row.text(6));
    type.relation = number<uint32_t>(row.text(7));
    type.modifier = number<int32_t>(row.text(8));
    type.send = row.text(9);
    type.output = row.text(10);
    type.range_of = number<uint32_t>(row.text(11));
    if (type.kind == 'e') enums.insert(oid);
    if (type.kind == 'c') relations.insert(type.relation), type_of_relation[type.relation] = oid;
    rows_.emplace(oid, std::move(type));
  }
  if (!relations.empty()) {
    COFFER_TRY(Rows attributes,
               connection_.query(
                   context_,
                   "SELECT attrelid, attname, atttypid, atttypmod FROM pg_catalog.pg_attribute WHERE attrelid = ANY(" +
                       list_of(relations) + ") AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum"));
    for (const Row& row : attributes)
      rows_.at(type_of_relation.at(number<uint32_t>(row.text(0))))
          .attributes.push_back({row.text(1), number<uint32_t>(row.text(2)), number<int32_t>(row.text(3))});
  }
  if (!enums.empty()) {
    COFFER_TRY(Rows labels, connection_.query(
                                context_, "SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = ANY(" +
                                              list_of(enums) + ") ORDER BY enumtypid, enumsortorder"));
    for (const Row& row : labels) rows_.at(number<uint32_t>(row.text(0))).labels.push_back(row.text(1));
  }
  return ok_status();
}

Status Types::need(std::set<uint32_t> oids) {
  for (int depth = 0; !oids.empty() && depth <= 2 * kTypeDepthMax; ++depth) {
    COFFER_CHECK_OK(fetch(oids));
    std::set<uint32_t> next;
    for (uint32_t oid : oids) {
      auto it = rows_.find(oid);
      if (it == rows_.end()) continue;
      for (uint32_t other : {it->second.element, it->second.base, it->second.range_of})
        if (other != 0) next.insert(other);
      for (const auto& attribute : it->second.attributes) next.insert(attribute.type);
    }
    oids.clear();
    for (uint32_t oid : next)
      if (!rows_.contains(oid)) oids.insert(oid);
  }
  return ok_status();
}

Result<SourceType> Types::build(uint32_t oid, int32_t modifier, int depth) const {
  const Error unknown{ErrorCode::kFailedPrecondition, "the catalogs do not describe type " + std::to_string(oid), {}};
  if (depth > kTypeDepthMax)
    return Error{ErrorCode::kFailedPrecondition, "type " + std::to_string(oid) + " is nested too deeply", {}};
  auto it = rows_.find(oid);
  if (it == rows_.end()) return unknown;
  SourceType type;
  type.wire_oid = oid;
  for (int domains = 0; it->second.kind == 'd'; ++domains) {
    if (modifier == -1) modifier = it->second.modifier;
    oid = it->second.base;
    it = rows_.find(oid);
    if (it == rows_.end() || domains > kTypeDepthMax) return unknown;
  }
  const TypeRow& row = it->second;
  type.oid = oid;
  type.name = row.name;
  type.modifier = modifier;
  type.send = row.send;
  type.output = row.output;
  auto add = [&](uint32_t part, int32_t part_modifier) -> Status {
    COFFER_TRY(SourceType built, build(part, part_modifier, depth + 1));
    type.parts.push_back(std::move(built));
    return ok_status();
  };
  if (row.kind == 'e') {
    type.kind = SourceType::Kind::kEnum;
    type.labels = row.labels;
  } else if (row.kind == 'c') {
    type.kind = SourceType::Kind::kComposite;
    for (const auto& attribute : row.attributes) {
      COFFER_CHECK_OK(add(attribute.type, attribute.modifier));
      type.part_names.push_back(attribute.name);
    }
  } else if (row.kind == 'r') {
    type.kind = SourceType::Kind::kRange;
    COFFER_CHECK_OK(add(row.range_of, -1));
  } else if (row.kind == 'm') {
    type.kind = SourceType::Kind::kMultirange;
    COFFER_CHECK_OK(add(row.range_of, -1));
  } else if (row.category == 'A' && row.element != 0 && row.send == "pg_catalog.array_send") {
    type.kind = SourceType::Kind::kArray;
    COFFER_CHECK_OK(add(row.element, modifier));
  }
  return type;
}

constexpr std::string_view kUsersRelation =
    " n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' AND"
    " c.relpersistence <> 't' AND (NOT EXISTS (SELECT FROM pg_catalog.pg_depend x WHERE x.classid ="
    " 'pg_catalog.pg_class'::regclass AND x.objid = c.oid AND x.refclassid = 'pg_catalog.pg_extension'::regclass AND"
    " x.deptype = 'e') OR EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE c.oid = ANY(e.extconfig)))";

struct RawColumn {
  SourceColumn column;
  uint32_t type = 0;
  int32_t modifier = -1;
};

class Reader {
 public:
  Reader(const Context& context, Connection& connection) : context_(context), connection_(connection) {}
  Result<SourceDatabase> run(const std::string& name);

 private:
  Status read_tables();
  Status read_columns();
  Status read_leaves();

  const Context& context_;
  Connection& connection_;
  SourceDatabase database_;
  std::map<uint32_t, size_t> table_of_;  // oid of a table -> its index
  std::map<uint32_t, size_t> roots_;     // oid of a partitioned table -> its index
};

Status Reader::read_tables() {
  COFFER_TRY(Rows rows,
             connection_.query(
                 context_,
                 "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, CASE WHEN c.relkind = 'r' THEN "
                 "pg_catalog.pg_relation_size(c.oid) ELSE 0 END, CASE WHEN c.relkind = 'r' THEN "
                 "pg_catalog.pg_table_size(c.oid) ELSE 0 END FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                 "ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f', 'm') AND NOT c.relispartition AND" +
                     std::string(kUsersRelation) + " ORDER BY n.nspname, c.relname"));
  for (const Row& row : rows) {
    const auto oid = number<uint32_t>(row.text(0));
    const std::string name = row.text(1) + "." + row.text(2);
    const std::string& kind = row.text(3);
    if (kind == "f") {
      database_.left_out.push_back({name, "a foreign table: its rows are on another server"});
    } else if (kind == "m") {
      database_.left_out.push_back({name, "a materialized view: its rows are made from others"});
    } else if (kind == "r" && row.text(4) == "u") {
      database_.left_out.push_back({name, "unlogged: empty after a restore"});
    } else {
      SourceTable table;
      table.schema = row.text(1);
      table.name = row.text(2);
      if (kind == "r")
        table.parts.push_back({oid, row.text(1), row.text(2), number<uint64_t>(row.text(5)) / database_.page_size_bytes,
                               number<uint64_t>(row.text(6))});
      else
        roots_[oid] = database_.tables.size();
      table_of_[oid] = database_.tables.size();
      database_.tables.push_back(std::move(table));
    }
  }
  return ok_status();
}

Status Reader::read_leaves() {
  if (roots_.empty()) return ok_status();
  COFFER_TRY(Rows rows,
             connection_.query(
                 context_,
                 "SELECT r.oid, c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, CASE WHEN c.relkind = 'r' "
                 "THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END, CASE WHEN c.relkind = 'r' THEN "
                 "pg_catalog.pg_table_size(c.oid) ELSE 0 END FROM pg_catalog.pg_class r CROSS JOIN LATERAL "
                 "pg_catalog.pg_partition_tree(r.oid) p JOIN pg_catalog.pg_class c ON c.oid = p.relid JOIN "
                 "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE r.relkind = 'p' AND NOT r.relispartition "
                 "AND p.isleaf AND c.relkind <> 'p' ORDER BY r.oid, n.nspname, c.relname"));
  for (const Row& row : rows) {
    auto root = roots_.find(number<uint32_t>(row.text(0)));
    if (root == roots_.end()) continue;
    const std::string name = row.text(2) + "." + row.text(3);
    if (row.text(4) == "f")
      database_.left_out.push_back({name, "a foreign partition: its rows are on another server"});
    else if (row.text(5) == "u")
      database_.left_out.push_back({name, "unlogged: empty after a restore"});
    else
      database_.tables[root->second].parts.push_back({number<uint32_t>(row.text(1)), row.text(2), row.text(3),
                                                      number<uint64_t>(row.text(6)) / database_.page_size_bytes,
                                                      number<uint64_t>(row.text(7))});
  }
  return ok_status();
}

Status Reader::read_columns() {
  COFFER_TRY(
      Rows rows,
      connection_.query(
          context_,
          "SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod),"
          " a.attnotnull, a.attgenerated <> '',"
          // As information_schema.columns says it, without reading that slow view.
          " CASE WHEN t.typtype = 'd' THEN CASE WHEN bt.typelem <> 0 AND bt.typlen = -1 THEN 'ARRAY' WHEN bn.nspname = "
          "'pg_catalog' THEN pg_catalog.format_type(t.typbasetype, NULL) ELSE 'USER-DEFINED' END ELSE CASE WHEN "
          "t.typelem <> 0 AND t.typlen = -1 THEN 'ARRAY' WHEN n.nspname = 'pg_catalog' THEN "
          "pg_catalog.format_type(a.atttypid, NULL) ELSE 'USER-DEFINED' END END,"
          " information_schema._pg_char_max_length(information_schema._pg_truetypid(a, t), "
          "information_schema._pg_truetypmod(a, t)),"
          " information_schema._pg_numeric_precision(information_schema._pg_truetypid(a, t), "
          "information_schema._pg_truetypmod(a, t)),"
          " information_schema._pg_datetime_precision(information_schema._pg_truetypid(a, t), "
          "information_schema._pg_truetypmod(a, t))"
          " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN "
          "pg_catalog.pg_namespace "
          "cn ON cn.oid = c.relnamespace JOIN pg_catalog.pg_type t ON t.oid = a.atttypid JOIN pg_catalog.pg_namespace "
          "n "
          "ON n.oid = t.typnamespace LEFT JOIN pg_catalog.pg_type bt ON bt.oid = t.typbasetype LEFT JOIN "
          "pg_catalog.pg_namespace bn ON bn.oid = bt.typnamespace"
          " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped AND "
          "cn.nspname NOT IN ('pg_catalog', 'information_schema') AND cn.nspname !~ '^pg_(toast|temp)'"
          " ORDER BY a.attrelid, a.attnum"));
  std::map<size_t, std::vector<RawColumn>> raw;
  std::set<uint32_t> oids;
  for (const Row& row : rows) {
    auto table = table_of_.find(number<uint32_t>(row.text(0)));
    if (table == table_of_.end()) continue;
    RawColumn column;
    column.column.name = row.text(1);
    column.type = number<uint32_t>(row.text(2));
    column.modifier = number<int32_t>(row.text(3));
    column.column.type_text = row.text(4);
    column.column.not_null = row.text(5) == "t";
    column.column.generated = row.text(6) == "t";
    column.column.data_type = row.text(7);
    column.column.char_length_max = number<int64_t>(row.text(8));
    column.column.numeric_precision = number<int64_t>(row.text(9));
    column.column.datetime_precision = number<int64_t>(row.text(10));
    oids.insert(column.type);
    raw[table->second].push_back(std::move(column));
  }
  Types types(context_, connection_);
  COFFER_CHECK_OK(types.need(std::move(oids)));
  for (auto& [index, columns] : raw) {
    for (RawColumn& column : columns) {
      auto type = types.build(column.type, column.modifier);
      if (!type.ok())
        return std::move(type).error().in("column " + column.column.name + " of " + database_.tables[index].name);
      column.column.type = std::move(type).value();
      database_.tables[index].columns.push_back(std::move(column.column));
    }
  }
  return ok_status();
}

Result<SourceDatabase> Reader::run(const std::string& name) {
  database_.name = name;
  COFFER_TRY(Rows facts, connection_.query(context_,
                                           "SELECT pg_catalog.current_setting('server_encoding'), "
                                           "pg_catalog.current_setting('block_size')"));
  if (!facts.empty()) {
    database_.encoding = facts[0].text(0);
    database_.page_size_bytes = number<uint64_t>(facts[0].text(1));
  }
  if (database_.page_size_bytes == 0) database_.page_size_bytes = 8192;
  COFFER_CHECK_OK(read_tables());
  COFFER_CHECK_OK(read_leaves());
  COFFER_CHECK_OK(read_columns());
  return std::move(database_);
}

}  // namespace

std::string session_settings() {
  // Databases and roles of the source may have set any of these. Bytes of a database without an encoding are not
  // converted, or the server would refuse those that are no text.
  return "SET search_path = pg_catalog; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET TimeZone = "
         "'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex'; SET xmlbinary = 'base64'; SET row_security = "
         "off; SET synchronize_seqscans = off; SET standard_conforming_strings = on; SET statement_timeout = 0; SET "
         "enable_indexonlyscan = off; SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT "
         "set_config('client_encoding', CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE "
         "'UTF8' END, false)";
}

Result<std::vector<std::string>> list_databases(const Context& context, Connection& connection) {
  COFFER_TRY(Rows rows, connection.query(context,
                                         "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT "
                                         "datistemplate ORDER BY datname"));
  std::vector<std::string> names;
  for (const Row& row : rows) names.push_back(row.text(0));
  return names;
}

Result<SourceDatabase> read_database(const Context& context, Connection& connection, const std::string& name) {
  return Reader(context, connection).run(name);
}

}  // namespace coffer::parquet
