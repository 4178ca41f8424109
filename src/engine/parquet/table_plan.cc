#include "engine/parquet/table_plan.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "engine/parquet/types.h"

namespace coffer::parquet {

using nlohmann::ordered_json;
using postgres::quote_identifier;

namespace {

constexpr std::array<std::string_view, 3> kStorages = {"native", "text", "bytes"};
constexpr size_t kColumnsMax = 1600;

std::string value_expression(const ColumnPlan& column) {
  const std::string name = quote_identifier(column.source.name);
  // Casts to text may be a user's, and that of inet adds a mask: the output function is what a client sees.
  if (column.storage == Storage::kNative) return name;
  const std::string text = "textin(" + column.source.type.output + "(" + name + "))";
  // As bytes nothing is converted, nor checked.
  return column.storage == Storage::kText ? text : "convert_to(" + text + ", current_setting('server_encoding'))";
}

// Text whose bytes in the server are those that we get.
bool hashed_as_text(const TablePlan& plan, const ColumnPlan& column) {
  if (!plan.utf8) return false;
  if (column.storage == Storage::kText) return true;
  if (column.storage == Storage::kBytes) return false;
  const uint32_t oid = column.source.type.oid;
  return oid == oids::kText || oid == oids::kVarchar || oid == oids::kName;
}

std::string hashed_expression(const TablePlan& plan, const ColumnPlan& column) {
  const std::string value = value_expression(column);
  if (hashed_as_text(plan, column)) return column.source.type.oid == oids::kName ? value + "::text" : value;
  if (column.storage == Storage::kText) return "textsend(" + value + ")";
  if (column.storage == Storage::kBytes) return value;
  return column.source.type.send + "(" + value + ")";
}

std::string hash_expression(const TablePlan& plan, size_t index) {
  const std::string v = "v" + std::to_string(index), seed = std::to_string(seed_of(index));
  if (hashed_as_text(plan, plan.columns[index])) return "hashtextextended(" + v + " COLLATE \"C\", " + seed + ")";
  return "CASE WHEN " + v + " IS NOT NULL THEN hash_array_extended(ARRAY[" + v + "], " + seed + ") END";
}

// Balanced, because the server's parser recurses once for each operator to the left.
std::string xor_of(size_t first, size_t last) {
  if (last - first == 1) return "coalesce(h" + std::to_string(first) + ", 0)";
  const size_t middle = first + (last - first) / 2;
  return "(" + xor_of(first, middle) + " # " + xor_of(middle, last) + ")";
}

std::string from_part(const SourcePart& part, const PageRange& range) {
  std::string text = " FROM ONLY " + quote_identifier(part.schema) + "." + quote_identifier(part.name);
  if (range.whole) return text;
  text += " WHERE ctid >= '(" + std::to_string(range.first) + ",0)'";
  if (range.last != 0) text += " AND ctid < '(" + std::to_string(range.last) + ",0)'";
  return text;
}

Result<std::vector<uint64_t>> numbers_of_array(std::string_view text) {
  if (!text.starts_with('{') || !text.ends_with('}'))
    return Error{ErrorCode::kCorruption, "the server answered with no array of numbers", {}};
  text = text.substr(1, text.size() - 2);
  std::vector<uint64_t> out;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    if (item == "NULL") {
      out.push_back(0);  // the sum of nothing
    } else {
      COFFER_TRY(uint64_t value, parse_modulo_2_64(item));
      out.push_back(value);
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

}  // namespace

std::vector<std::string> TablePlan::column_names() const {
  std::vector<std::string> names;
  for (const ColumnPlan& column : columns) names.push_back(column.source.name);
  return names;
}

TablePlan plan_table(const SourceDatabase& database, const SourceTable& table, Layout layout) {
  TablePlan plan;
  plan.layout = layout;
  plan.utf8 = database.encoding == "UTF8";
  plan.database = database.name;
  plan.schema = table.schema;
  plan.name = table.name;
  for (const SourceColumn& column : table.columns)
    plan.columns.push_back({column, is_native(column.type, layout) ? Storage::kNative : Storage::kText});
  return plan;
}

bool widen(TablePlan& plan, size_t column) {
  Storage& storage = plan.columns[column].storage;
  if (storage == Storage::kBytes) return false;
  storage = storage == Storage::kNative ? Storage::kText : Storage::kBytes;
  return true;
}

std::string copy_command(const TablePlan& plan, const SourcePart& part, const PageRange& range) {
  std::string text = "COPY (SELECT ";
  for (size_t i = 0; i < plan.columns.size(); ++i) text += (i == 0 ? "" : ", ") + value_expression(plan.columns[i]);
  return text + from_part(part, range) + ") TO STDOUT (FORMAT binary)";
}

std::string digest_query(const TablePlan& plan, const SourcePart& part, const PageRange& range) {
  std::string values, hashes, counts, sums;
  for (size_t i = 0; i < plan.columns.size(); ++i) {
    const std::string comma = i == 0 ? "" : ", ", n = std::to_string(i);
    values += comma + hashed_expression(plan, plan.columns[i]) + " AS v" + n;
    hashes += comma + hash_expression(plan, i) + " AS h" + n;
    counts += comma + "count(h" + n + ")";
    sums += comma + "sum(h" + n + ")";
  }
  return "SELECT count(*), ARRAY[" + counts + "], ARRAY[" + sums + "], sum(" + xor_of(0, plan.columns.size()) +
         ") FROM (SELECT " + hashes + " FROM (SELECT " + values + from_part(part, range) + " OFFSET 0) a OFFSET 0) b";
}

Result<TableDigest> digest_of_answer(const TablePlan& plan, const postgres::Rows& rows) {
  const Error unexpected{
      ErrorCode::kCorruption, "the server answered the question for digests with something else", {}};
  if (rows.size() != 1 || rows[0].values.size() != 4) return unexpected;
  TableDigest digest;
  COFFER_TRY(digest.rows, parse_modulo_2_64(rows[0].text(0)));
  COFFER_TRY(auto counts, numbers_of_array(rows[0].text(1)));
  COFFER_TRY(auto sums, numbers_of_array(rows[0].text(2)));
  if (rows[0].values[3]) {
    COFFER_TRY(digest.row_sum, parse_modulo_2_64(rows[0].text(3)));
  }
  if (counts.size() != plan.columns.size() || sums.size() != counts.size()) return unexpected;
  for (size_t i = 0; i < counts.size(); ++i) digest.columns.push_back({counts[i], sums[i]});
  return digest;
}

uint64_t seed_of(size_t column) { return column + 1; }

uint64_t added_to_hash(const TablePlan& plan, const ColumnPlan& column) {
  // The hash of an array begins with 1 and is multiplied by 31 for each element.
  return hashed_as_text(plan, column) ? 0 : 31;
}

ordered_json columns_to_json(const TablePlan& plan) {
  ordered_json list = ordered_json::array();
  for (const ColumnPlan& column : plan.columns) {
    const SourceColumn& source = column.source;
    ordered_json json{{"name", source.name},
                      {"original_type", source.type_text},
                      {"storage", kStorages[static_cast<size_t>(column.storage)]},
                      {"exported_type", exported_type(plan, column)},
                      {"not_null", source.not_null}};
    if (source.generated) json["generated"] = true;
    json["type"] = type_to_json(source.type);
    list.push_back(std::move(json));
  }
  return list;
}

Status columns_from_json(const ordered_json& json, TablePlan& plan) {
  const Error malformed{ErrorCode::kCorruption, "the list of columns has not the form that it should", {}};
  if (!json.is_array() || json.size() > kColumnsMax) return malformed;
  plan.columns.clear();
  for (const auto& item : json) {
    if (!item.is_object() || !item.contains("name") || !item.contains("storage") || !item.contains("type") ||
        !item["name"].is_string() || !item["storage"].is_string())
      return malformed;
    ColumnPlan column;
    column.source.name = item["name"].get<std::string>();
    const auto storage = item["storage"].get<std::string>();
    size_t index = 0;
    while (index < kStorages.size() && kStorages[index] != storage) ++index;
    if (index == kStorages.size()) return malformed;
    column.storage = static_cast<Storage>(index);
    COFFER_TRY(column.source.type, type_from_json(item["type"]));
    if (item.contains("original_type") && item["original_type"].is_string())
      column.source.type_text = item["original_type"].get<std::string>();
    column.source.not_null = item.contains("not_null") && item["not_null"].is_boolean() && item["not_null"].get<bool>();
    column.source.generated =
        item.contains("generated") && item["generated"].is_boolean() && item["generated"].get<bool>();
    if (column.storage == Storage::kNative && !is_native(column.source.type, plan.layout)) return malformed;
    plan.columns.push_back(std::move(column));
  }
  return ok_status();
}

}  // namespace coffer::parquet
