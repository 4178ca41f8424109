// What lies beside the tables of an export so that they can be a database again: definitions by pg_dump, sequences.
#pragma once
#include <string>

#include "engine/jobs/export_files.h"
#include "engine/jobs/export_manifest.h"
#include "engine/postgres/connection.h"

namespace coffer::jobs {

inline constexpr const char* kPreDataFile = "pre-data.sql";    // without owners and privileges: what import runs first
inline constexpr const char* kPostDataFile = "post-data.sql";  // indexes, constraints, triggers: what it runs last
inline constexpr const char* kSequencesFile = "sequences.sql";
inline constexpr const char* kWholeSchemaFile = "schema.sql";  // with owners and privileges, for people
inline constexpr const char* kGlobalsFile = "globals.sql";     // roles without passwords

/// What the dumps are made with.
struct SchemaSource {
  std::string binaries;  // folder of the server's programs
  std::string conninfo;  // of the database
  std::string database;
  std::string snapshot;  // exported by `session`'s transaction
};
/// Without a pg_dump of the server's version only the sequences are written, and `notes` says so.
Status export_schema(const Context& context, const Environment& environment, ExportFiles& files,
                     const SchemaSource& source, postgres::Connection& session, const std::string& identifier,
                     ExportedDatabase& database, std::vector<std::string>& notes);
Status export_globals(const Context& context, const Environment& environment, ExportFiles& files,
                      const SchemaSource& source, const std::string& identifier,
                      std::vector<ExportedFile>& global_files);

/// The statements of a dump for a server: without the lines that only psql understands.
std::string without_meta_commands(std::string_view dump);

}  // namespace coffer::jobs
