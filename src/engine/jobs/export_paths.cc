#include "engine/jobs/export_paths.h"

#include <algorithm>
#include <map>

#include "engine/crypto/digest.h"

namespace coffer::jobs {

namespace {

constexpr size_t kIdentifierSizeMax = 60;
constexpr size_t kComponentSizeMax = 200;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string short_hash(std::string_view text) { return to_hex(ByteView(crypto::sha256(as_bytes(text))).first(8)); }

std::string as_rds(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    if (c == '\\' || c == '`' || c == '"' || c == ' ' || c == '/' || static_cast<unsigned char>(c) < 0x20) c = '_';
  return out;
}

std::string percent_encoded(std::string_view name) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '$' || byte >= 0x80)
      out += c;
    else
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

std::string bounded(std::string component) {
  if (component.size() <= kComponentSizeMax) return component;
  const std::string hash = short_hash(component);
  size_t cut = kComponentSizeMax - hash.size() - 1;
  while (cut > 0 && (static_cast<unsigned char>(component[cut]) & 0xc0) == 0x80) --cut;
  return component.substr(0, cut) + "~" + hash;
}

std::string database_folder(const std::string& database, ExportLayout layout) {
  return layout == ExportLayout::kRds ? as_rds(database) : bounded(percent_encoded(database));
}

}  // namespace

bool is_export_identifier(std::string_view text) {
  if (text.empty() || text.size() > kIdentifierSizeMax || !is_letter(text[0]) || text.ends_with('-')) return false;
  if (text.find("--") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

std::string_view export_layout_name(ExportLayout layout) { return layout == ExportLayout::kRds ? "rds" : "typed"; }

bool ExportSelection::takes_table(const std::string& d, const std::string& s, const std::string& t) const {
  return database == d && (schema.empty() || schema == s) && (table.empty() || table == t);
}

Result<std::vector<ExportSelection>> parse_export_only(const std::vector<std::string>& only) {
  std::vector<ExportSelection> out;
  for (const std::string& item : only) {
    const Error wrong{ErrorCode::kInvalidArgument, "'" + item.substr(0, 200) + "' names no part of an export",
                      "write database, database.schema or database.schema.table, of letters, digits, $ and _"};
    std::vector<std::string> names(1);
    for (char c : item) {
      if (c == '.')
        names.emplace_back();
      else if (is_letter(c) || is_digit(c) || c == '_' || c == '$')
        names.back() += c;
      else
        return wrong;
    }
    if (names.size() > 3 || std::any_of(names.begin(), names.end(), [](const auto& n) { return n.empty(); }))
      return wrong;
    names.resize(3);
    out.push_back({names[0], names[1], names[2]});
  }
  return out;
}

std::string refused_by_rds(const parquet::SourceTable& table) {
  if (table.name.find('/') != std::string::npos || table.schema.find('/') != std::string::npos)
    return "the name has a slash";
  for (const parquet::SourceColumn& column : table.columns)
    if (column.name.find_first_of(",;{}()\n\t= ") != std::string::npos)
      return "the name of column '" + column.name + "' has a character that the layout does not allow";
  return {};
}

std::vector<std::string> table_folders(const std::string& identifier, const parquet::SourceDatabase& database,
                                       ExportLayout layout) {
  const std::string above = identifier + "/" + database_folder(database.name, layout) + "/";
  std::vector<std::string> folders;
  std::map<std::string, int> times;
  for (const auto& table : database.tables) {
    if (layout == ExportLayout::kRds)
      folders.push_back(as_rds(table.schema) + "." + as_rds(table.name));
    else
      folders.push_back(bounded(percent_encoded(table.schema) + "." + percent_encoded(table.name)));
    ++times[folders.back()];
  }
  for (size_t i = 0; i < folders.size(); ++i) {
    const auto& table = database.tables[i];
    // A dot within a name makes two tables look alike, and so does what was replaced.
    if (times[folders[i]] > 1) folders[i] += "_" + short_hash(table.schema + std::string(1, '\0') + table.name);
    folders[i] = above + folders[i];
  }
  return folders;
}

std::string export_manifest_path(const std::string& identifier) {
  return identifier + "/coffer_manifest_" + identifier + ".json";
}
std::string export_signature_path(const std::string& identifier) {
  return identifier + "/coffer_manifest_" + identifier + ".sig";
}
std::string export_schema_path(const std::string& identifier, const std::string& database, const std::string& file) {
  return identifier + "/coffer_schema/" + (database.empty() ? "" : bounded(percent_encoded(database)) + "/") + file;
}

}  // namespace coffer::jobs
