// The way back: a typed export into an empty database.
#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/tasks.h"
#include "engine/jobs/export_files.h"
#include "engine/jobs/export_paths.h"
#include "engine/jobs/export_schema.h"
#include "engine/jobs/open_export.h"
#include "engine/parquet/copy_stream.h"
#include "engine/parquet/part_reader.h"
#include "engine/postgres/copy_in.h"

namespace coffer::jobs {

using parquet::SourceDatabase;
using parquet::SourceTable;
using parquet::Storage;
using parquet::TableDigest;
using parquet::TablePlan;
using postgres::quote_identifier;

namespace {

constexpr uint64_t kSchemaSizeMax = uint64_t{256} << 20;

class Importer {
 public:
  Importer(const Context& context, const Environment& env, const vault::Vault* vault, const ImportOptions& options,
           ExportDestination& from)
      : context_(context), env_(env), vault_(vault), options_(options), files_(from, env) {}
  Result<ImportReport> run();

 private:
  Status choose_database();
  Result<std::unique_ptr<postgres::Connection>> open_session(const Context& context);
  Result<std::string> schema_text(const char* name);
  Status run_script(postgres::Connection& session, const char* name);
  Status make_tables(postgres::Connection& session);
  Result<SourceDatabase> read_target(postgres::Connection& session);
  Status load_all();
  Status load_table(const Context& context, postgres::Connection& session, const ExportedTable& table);
  Result<const SourceTable*> target_of(const ExportedTable& table) const;
  /// The export's columns with the types that this database has for them: object identifiers differ.
  static Result<TablePlan> target_plan(const ExportedTable& table, const SourceTable& target);

  const Context& context_;
  const Environment& env_;
  const vault::Vault* vault_;
  const ImportOptions& options_;
  ExportFiles files_;
  ExportManifest manifest_;
  const ExportedDatabase* database_ = nullptr;
  SourceDatabase target_;
  ImportReport report_;
};

Status Importer::choose_database() {
  std::string names;
  for (const ExportedDatabase& database : manifest_.databases) {
    names += (names.empty() ? "" : ", ") + database.name;
    if (options_.database == database.name || (options_.database.empty() && manifest_.databases.size() == 1))
      database_ = &database;
  }
  if (database_ != nullptr) return ok_status();
  return Error{ErrorCode::kInvalidArgument,
               options_.database.empty() ? "the export has several databases: " + names
                                         : "the export has no database " + options_.database + ", but " + names,
               "name one with --database"};
}

Result<std::unique_ptr<postgres::Connection>> Importer::open_session(const Context& context) {
  COFFER_TRY(auto session, postgres::connect(context, options_.conninfo, postgres::ConnectionKind::kSql));
  COFFER_CHECK_OK(session->query(context, parquet::session_settings()));
  return session;
}

Result<SourceDatabase> Importer::read_target(postgres::Connection& session) {
  COFFER_TRY(auto name, session.query(context_, "SELECT pg_catalog.current_database()"));
  return parquet::read_database(context_, session, name.empty() ? std::string() : name[0].text(0));
}

Result<std::string> Importer::schema_text(const char* name) {
  const std::string path = export_schema_path(manifest_.identifier, database_->name, name);
  for (const ExportedFile& file : database_->schema_files) {
    if (file.path != path) continue;
    if (file.size_bytes > kSchemaSizeMax)
      return Error{ErrorCode::kResourceExhausted, path + " is too large to be run at once", {}};
    std::string text(file.size_bytes, '\0');
    COFFER_CHECK_OK(files_.read_back(context_, file, [&](File& whole) -> Status {
      COFFER_TRY(size_t got, whole.read_at(0, {reinterpret_cast<std::byte*>(text.data()), text.size()}));
      text.resize(got);
      return ok_status();
    }));
    return text;
  }
  return std::string();
}

Status Importer::run_script(postgres::Connection& session, const char* name) {
  COFFER_TRY(std::string text, schema_text(name));
  if (text.empty()) return ok_status();
  auto ran = session.query(context_, without_meta_commands(text));
  if (!ran.ok()) return std::move(ran).error().in(std::string("running ") + name + " of the export");
  COFFER_CHECK_OK(session.query(context_, parquet::session_settings()));  // scripts have settings of their own
  return ok_status();
}

// Without a schema beside the data: columns and their types, nothing else.
Status Importer::make_tables(postgres::Connection& session) {
  report_.notes.emplace_back("the export has no schema: only tables and columns were made");
  for (const ExportedTable& table : database_->tables) {
    std::string columns;
    for (const auto& column : table.plan.columns)
      columns += (columns.empty() ? "" : ", ") + quote_identifier(column.source.name) + " " + column.source.type_text +
                 (column.source.not_null ? " NOT NULL" : "");
    const std::string schema = quote_identifier(table.plan.schema);
    COFFER_CHECK_OK(session.query(context_, "CREATE SCHEMA IF NOT EXISTS " + schema + "; CREATE TABLE " + schema + "." +
                                                quote_identifier(table.plan.name) + " (" + columns + ")"));
  }
  return ok_status();
}

Result<const SourceTable*> Importer::target_of(const ExportedTable& table) const {
  for (const SourceTable& candidate : target_.tables)
    if (candidate.schema == table.plan.schema && candidate.name == table.plan.name) return &candidate;
  return Error{ErrorCode::kFailedPrecondition,
               "the schema of the export made no table " + table.plan.schema + "." + table.plan.name,
               {}};
}

Result<TablePlan> Importer::target_plan(const ExportedTable& table, const SourceTable& target) {
  TablePlan plan = table.plan;
  for (auto& column : plan.columns) {
    auto found = std::find_if(target.columns.begin(), target.columns.end(),
                              [&](const auto& c) { return c.name == column.source.name; });
    if (found == target.columns.end())
      return Error{ErrorCode::kFailedPrecondition,
                   "table " + plan.schema + "." + plan.name + " has no column " + column.source.name,
                   {}};
    column.source.type = found->type;
    column.source.type_text = found->type_text;
    if (column.storage == Storage::kNative && !parquet::is_native(found->type, plan.layout))
      return Error{ErrorCode::kFailedPrecondition,
                   "column " + column.source.name + " of " + plan.name + " has another type here",
                   {}};
  }
  return plan;
}

Status Importer::load_table(const Context& context, postgres::Connection& session, const ExportedTable& table) {
  COFFER_TRY(const SourceTable* target, target_of(table));
  COFFER_TRY(TablePlan plan, target_plan(table, *target));
  plan.utf8 = target_.encoding == "UTF8";
  const std::string name = quote_identifier(plan.schema) + "." + quote_identifier(plan.name);
  // Generated columns are made again. Text needs a cast, which COPY does not do: such tables go through another one.
  std::vector<size_t> order;
  bool staged = false;
  std::string columns, stage_columns, casts;
  for (size_t i = 0; i < plan.columns.size(); ++i) {
    const auto& column = plan.columns[i];
    if (column.source.generated) continue;
    order.push_back(i);
    const std::string comma = columns.empty() ? "" : ", ", stage = "c" + std::to_string(i);
    columns += comma + quote_identifier(column.source.name);
    const bool native = column.storage == Storage::kNative;
    staged = staged || !native;
    stage_columns += comma + stage + " " +
                     (native                             ? column.source.type_text
                      : column.storage == Storage::kText ? "text"
                                                         : "bytea");
    casts +=
        comma + (native ? stage
                 : column.storage == Storage::kText
                     ? stage + "::" + column.source.type_text
                     : "convert_from(" + stage + ", current_setting('server_encoding'))::" + column.source.type_text);
  }
  COFFER_CHECK_OK(session.query(context, "BEGIN"));
  if (staged)
    COFFER_CHECK_OK(
        session.query(context, "CREATE TEMPORARY TABLE coffer_stage (" + stage_columns + ") ON COMMIT DROP"));
  TableDigest in_files, expected;
  expected.columns.resize(plan.columns.size());
  in_files.columns.resize(plan.columns.size());
  const std::string command = staged ? "COPY pg_temp.coffer_stage FROM STDIN (FORMAT binary)"
                                     : "COPY " + name + " (" + columns + ") FROM STDIN (FORMAT binary)";
  for (const ExportedFile& file : table.files) {
    COFFER_CHECK_OK(files_.read_back(context, file, [&](File& spool) -> Status {
      COFFER_TRY(TableDigest of_file, parquet::digest_part(context, table.plan, spool));
      in_files.add(of_file);
      if (plan.columns != table.plan.columns || plan.utf8 != table.plan.utf8) {
        COFFER_TRY(of_file, parquet::digest_part(context, plan, spool));
      }
      expected.add(of_file);
      if (of_file.rows == 0) return ok_status();
      return postgres::copy_in(context, session, command, [&](ByteSink& sink) -> Status {
        Bytes mark;
        parquet::CopyFormatter::header(mark);
        COFFER_CHECK_OK(sink.write(context, mark));
        COFFER_CHECK_OK(
            parquet::read_part(context, plan, spool, order, [&](ByteView rows) { return sink.write(context, rows); }));
        mark.clear();
        parquet::CopyFormatter::trailer(mark);
        return sink.write(context, mark);
      });
    }));
    env_.progress.advance(file.size_bytes);
  }
  if (const std::string what = parquet::difference(table.digest, in_files, plan.column_names()); !what.empty())
    return Error{ErrorCode::kCorruption, "the files are not what was exported: " + what, {}};
  if (staged)
    COFFER_CHECK_OK(session.query(context, "INSERT INTO " + name + " (" + columns +
                                               ") OVERRIDING SYSTEM VALUE SELECT " + casts +
                                               " FROM pg_temp.coffer_stage"));
  TableDigest loaded;
  loaded.columns.resize(plan.columns.size());
  for (const auto& part : target->parts) {
    COFFER_TRY(auto answer, session.query(context, parquet::digest_query(plan, part, {})));
    COFFER_TRY(TableDigest of_part, parquet::digest_of_answer(plan, answer));
    loaded.add(of_part);
  }
  if (const std::string what = parquet::difference(expected, loaded, plan.column_names()); !what.empty())
    return Error{ErrorCode::kCorruption, "what was loaded is not what was exported: " + what, {}};
  COFFER_CHECK_OK(session.query(context, "COMMIT"));
  return ok_status();
}

Status Importer::load_all() {
  uint64_t bytes = 0;
  for (const ExportedTable& table : database_->tables) bytes += table.file_bytes;
  env_.progress.step("import", bytes);
  std::atomic<size_t> next{0};
  TaskGroup group(context_);
  const int workers = std::clamp(env_.jobs, 1, static_cast<int>(std::max<size_t>(database_->tables.size(), 1)));
  for (int i = 0; i < workers; ++i) {
    group.spawn([&]() -> Status {
      COFFER_TRY(auto session, open_session(group.context()));
      for (size_t at = next++; at < database_->tables.size(); at = next++) {
        const ExportedTable& table = database_->tables[at];
        Status loaded = load_table(group.context(), *session, table);
        if (!loaded.ok())
          return std::move(loaded).error().in("loading table " + table.plan.schema + "." + table.plan.name);
      }
      return ok_status();
    });
  }
  COFFER_CHECK_OK(group.wait());
  for (const ExportedTable& table : database_->tables) {
    ++report_.tables;
    report_.rows += table.digest.rows;
  }
  return ok_status();
}

Result<ImportReport> Importer::run() {
  const MonoTime began = env_.clock.mono();
  COFFER_TRY(manifest_, open_export(context_, files_, options_.identifier, vault_));
  if (manifest_.layout != ExportLayout::kTyped)
    return Error{ErrorCode::kFailedPrecondition, "an export in the layout of RDS has lost the types of its values",
                 "export the point again with --layout typed"};
  COFFER_CHECK_OK(choose_database());
  COFFER_TRY(auto session, open_session(context_));
  COFFER_TRY(SourceDatabase before, read_target(*session));
  if (!before.tables.empty())
    return Error{ErrorCode::kFailedPrecondition,
                 "the database " + before.name + " is not empty: it has a table " + before.tables[0].schema + "." +
                     before.tables[0].name,
                 "make a new one: CREATE DATABASE ... TEMPLATE template0"};
  COFFER_TRY(std::string schema, schema_text(kPreDataFile));
  if (schema.empty())
    COFFER_CHECK_OK(make_tables(*session));
  else
    COFFER_CHECK_OK(run_script(*session, kPreDataFile));
  COFFER_TRY(target_, read_target(*session));
  if (Status loaded = load_all(); !loaded.ok())
    return std::move(loaded).error().advise("the database is left as it is now: drop it, and import into a new one");
  COFFER_CHECK_OK(run_script(*session, kSequencesFile));
  env_.progress.step("indexes and constraints", 0);
  COFFER_CHECK_OK(run_script(*session, kPostDataFile));
  for (const auto& item : manifest_.skipped) report_.notes.push_back("not in the export: " + item.what);
  report_.duration_ms = (env_.clock.mono() - began).count() / 1'000'000;
  return std::move(report_);
}

}  // namespace

Result<ImportReport> run_import(const Context& context, const Environment& environment, const vault::Vault* vault,
                                const ImportOptions& options, ExportDestination& destination) {
  return Importer(context, environment, vault, options, destination).run();
}

}  // namespace coffer::jobs
