#include "engine/jobs/export_schema.h"

#include "engine/jobs/export_paths.h"
#include "engine/jobs/scratch_directory.h"

namespace coffer::jobs {

namespace {

constexpr std::chrono::hours kDumpTimeout{2};
constexpr size_t kPieceSize = 1 << 20;

bool has_program(const Environment& env, const std::string& path) {
  auto stat = env.files.stat(path);
  return stat.ok() && stat->type == FileType::kRegular;
}

// Runs a dump program into a file of its own in the scratch directory, and stores that.
Status dump(const Context& context, const Environment& env, ExportFiles& files, std::vector<std::string> argv,
            const std::string& path, std::vector<ExportedFile>& list) {
  COFFER_TRY(auto folder, ScratchDirectory::create(env));
  const std::string name = folder->path() + "/dump.sql";
  argv.push_back("--file=" + name);
  ProcessSpec spec;
  spec.argv = argv;
  spec.environment = {{"LC_ALL", "C"}, {"PATH", "/usr/bin:/bin"}};
  auto ran = env.processes.run(context, spec, kDumpTimeout);
  if (!ran.ok()) return std::move(ran).error().in("running " + argv[0]);
  if (ran->exit_code != 0)
    return Error{ErrorCode::kFailedPrecondition,
                 argv[0] + " ended with " + std::to_string(ran->exit_code) + ": " + ran->output.substr(0, 500),
                 {}};
  COFFER_TRY(auto file, env.files.open_file(name));
  ExportedFile stored{.path = path, .rows = 0, .size_bytes = 0, .sha256 = {}};
  COFFER_CHECK_OK(files.write(context, stored, [&](ByteSink& sink) -> Status {
    Bytes piece(kPieceSize);
    for (uint64_t at = 0;;) {
      COFFER_TRY(size_t got, file->read_at(at, piece));
      if (got == 0) return ok_status();
      COFFER_CHECK_OK(sink.write(context, ByteView(piece).first(got)));
      at += got;
    }
  }));
  list.push_back(std::move(stored));
  return ok_status();
}

}  // namespace

Status export_schema(const Context& context, const Environment& environment, ExportFiles& files,
                     const SchemaSource& source, postgres::Connection& session, const std::string& identifier,
                     ExportedDatabase& database, std::vector<std::string>& notes) {
  COFFER_TRY(auto rows, session.query(context,
                                      "SELECT pg_catalog.format('SELECT pg_catalog.setval(%L, %s, %L);', "
                                      "pg_catalog.quote_ident(schemaname) || '.' || "
                                      "pg_catalog.quote_ident(sequencename), coalesce(last_value, start_value), "
                                      "last_value IS NOT NULL) FROM pg_catalog.pg_sequences WHERE schemaname !~ "
                                      "'^pg_' ORDER BY schemaname, sequencename"));
  std::string sequences;
  for (const auto& row : rows) sequences += row.text(0) + "\n";
  ExportedFile file{
      .path = export_schema_path(identifier, database.name, kSequencesFile), .rows = 0, .size_bytes = 0, .sha256 = {}};
  COFFER_CHECK_OK(files.write(context, file, [&](ByteSink& sink) { return sink.write(context, as_bytes(sequences)); }));
  database.schema_files.push_back(std::move(file));

  const std::string program = source.binaries + "/pg_dump";
  if (!has_program(environment, program)) {
    notes.push_back("database " + database.name + " has no schema beside its tables: there is no pg_dump in " +
                    source.binaries);
    return ok_status();
  }
  const std::vector<std::string> common = {program, "--dbname=" + source.conninfo, "--snapshot=" + source.snapshot,
                                           "--no-password", "--encoding=UTF8"};
  auto make = [&](std::vector<std::string> more, const char* name) {
    std::vector<std::string> argv = common;
    argv.insert(argv.end(), more.begin(), more.end());
    return dump(context, environment, files, std::move(argv), export_schema_path(identifier, database.name, name),
                database.schema_files);
  };
  COFFER_CHECK_OK(make({"--section=pre-data", "--no-owner", "--no-privileges"}, kPreDataFile));
  COFFER_CHECK_OK(make({"--section=post-data", "--no-owner", "--no-privileges"}, kPostDataFile));
  return make({"--schema-only"}, kWholeSchemaFile);
}

Status export_globals(const Context& context, const Environment& environment, ExportFiles& files,
                      const SchemaSource& source, const std::string& identifier,
                      std::vector<ExportedFile>& global_files) {
  const std::string program = source.binaries + "/pg_dumpall";
  if (!has_program(environment, program)) return ok_status();
  return dump(context, environment, files,
              {program, "--dbname=" + source.conninfo, "--globals-only", "--no-role-passwords", "--no-password"},
              export_schema_path(identifier, "", kGlobalsFile), global_files);
}

std::string without_meta_commands(std::string_view dump) {
  // pg_dump puts its dump between the line "\restrict TOKEN" and the line "\unrestrict TOKEN".
  constexpr std::string_view kBegin = "\\restrict ";
  std::string out, end_line;
  while (!dump.empty()) {
    const size_t size = std::min(dump.find('\n'), dump.size() - 1) + 1;
    const std::string_view line = dump.substr(0, size);
    dump.remove_prefix(size);
    if (end_line.empty() && line.starts_with(kBegin)) {
      end_line = "\\unrestrict " + std::string(line.substr(kBegin.size()));
    } else if (end_line.empty() || line != end_line) {
      out += line;
    }
  }
  return out;
}

}  // namespace coffer::jobs
