// Where things lie below an export, and which names are asked for.
#pragma once
#include <string>
#include <vector>

#include "engine/jobs/export.h"
#include "engine/parquet/catalog.h"

namespace coffer::jobs {

/// One item of `only`: empty schema or table means all of them.
struct ExportSelection {
  std::string database, schema, table;
  [[nodiscard]] bool takes_table(const std::string& d, const std::string& s, const std::string& t) const;
};
/// "db", "db.schema", "db.schema.table", of Latin letters, digits, '$' and '_' (RDS's rule). kInvalidArgument names the
/// item.
Result<std::vector<ExportSelection>> parse_export_only(const std::vector<std::string>& only);

/// Why RDS would leave out the table because of its name or a column's; empty: it would not.
std::string refused_by_rds(const parquet::SourceTable& table);

/// Folders of all tables of a database, in their order, each with the identifier first and without a slash at the end.
/// Layout rds: what an S3 path must not have becomes '_', and names that thereby meet get a suffix. Typed: such bytes
/// become %XX, and a name of more than 200 bytes ends in "~" and the hash of all of it.
std::vector<std::string> table_folders(const std::string& identifier, const parquet::SourceDatabase& database,
                                       ExportLayout layout);

std::string export_manifest_path(const std::string& identifier);
std::string export_signature_path(const std::string& identifier);
/// "pre-data.sql" and the like, of a database; globals.sql with an empty one.
std::string export_schema_path(const std::string& identifier, const std::string& database, const std::string& file);

}  // namespace coffer::jobs
