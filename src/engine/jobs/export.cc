#include "engine/jobs/export.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "base/tasks.h"
#include "engine/jobs/export_files.h"
#include "engine/jobs/export_manifest.h"
#include "engine/jobs/export_paths.h"
#include "engine/jobs/export_schema.h"
#include "engine/jobs/open_export.h"
#include "engine/jobs/scratch_copy.h"
#include "engine/parquet/copy_stream.h"
#include "engine/parquet/part_reader.h"
#include "engine/parquet/part_writer.h"
#include "engine/postgres/copy_in.h"
#include "engine/vault/points.h"

namespace coffer::jobs {

using parquet::Layout;
using parquet::PageRange;
using parquet::SourceDatabase;
using parquet::SourcePart;
using parquet::SourceTable;
using parquet::TableDigest;
using parquet::TablePlan;

namespace {

constexpr uint64_t kRangeBytes = uint64_t{256} << 20;      // of a table, with TOAST, that become one file
constexpr uint64_t kRangeBytesMin = uint64_t{16} << 20;    // less is not divided so that all workers have some
constexpr uint64_t kRowGroupsBytes = uint64_t{128} << 20;  // of all workers at once
constexpr int kWorkersMax = 16;

struct TableState;

/// What one worker does at a time: the rows of some pages become a file.
struct Unit {
  TableState* table = nullptr;
  const SourcePart* part = nullptr;  // null: a partitioned table without partitions
  size_t part_index = 0, number = 0;
  PageRange range;
  uint64_t pages = 0;
  int generation = 0;
};

/// Guarded by the exporter's mutex, but for what never changes.
struct TableState {
  const SourceTable* source = nullptr;
  std::string folder;
  TablePlan plan;
  int generation = 0;  // grows when a column is widened: what an older one wrote does not count
  size_t units_left = 0;
  std::vector<ExportedFile> files;
  TableDigest digest;
  uint64_t value_bytes = 0, file_bytes = 0, pages_done = 0;
  WallTime started, finished;
  std::optional<std::string> skipped;
};

std::string sqlstate_of(const Error& error) {
  const size_t at = error.message.rfind("(SQLSTATE ");
  return at == std::string::npos ? std::string() : error.message.substr(at + 10, 5);
}

/// A fault of this table as it is here (a library that is missing, a type without an output function), as opposed to
/// damage, or to a server that went away.
bool is_of_the_table(const Error& error) {
  const std::string state = sqlstate_of(error);
  if (error.code == ErrorCode::kPermissionDenied) return true;
  if (error.message.find("could not access file") != std::string::npos) return true;
  return error.code == ErrorCode::kFailedPrecondition && !state.empty() && !state.starts_with("XX") &&
         !state.starts_with("57") && !state.starts_with("25");
}

uint64_t size_of(const SourceTable& table) {
  uint64_t bytes = 0;
  for (const SourcePart& part : table.parts) bytes += part.size_bytes;
  return bytes;
}

class Exporter {
 public:
  Exporter(const Context& context, const Environment& env, const vault::Vault& vault, const ExportOptions& options,
           ExportDestination& destination, ExportProgress* progress)
      : context_(context), env_(env), vault_(vault), options_(options), files_(destination, env), progress_(progress) {}

  Result<ExportReport> run();

 private:
  Status prepare();
  /// An export of this name is whole: the same one, made by an earlier attempt, or somebody else's.
  Status take_finished();
  Status export_all(const postgres::ScratchServer& server);
  Status choose_databases(const postgres::ScratchServer& server);
  Status export_database(const postgres::ScratchServer& server, const std::string& name);
  Status choose_tables(SourceDatabase& source);
  void plan_units(TableState& state);
  Status work(const Context& context, const std::string& conninfo, const std::string& snapshot);
  Result<std::unique_ptr<postgres::Connection>> open_session(const Context& context, const std::string& conninfo,
                                                             const std::string& snapshot);
  Status do_unit(const Context& context, postgres::Connection& connection, const Unit& unit);
  struct Written {
    ExportedFile file;
    parquet::PartTotals totals;
    std::optional<size_t> misfit;
  };
  Status write_part(const Context& context, postgres::Connection& connection, const TablePlan& plan, const Unit& unit,
                    Written& out);
  Status finish_unit(const Context& context, const Unit& unit, const TablePlan& plan, const Written& written,
                     const TableDigest& digest);
  Status widen(const Context& context, const Unit& unit, const TablePlan& plan, const Written& written,
               const Error& why);
  Status skip_table(TableState& state, const Error& why);
  std::optional<Unit> next_unit(const Context& context);
  void unit_done();
  Status complete_table(const Context& context, TableState& state);
  void tell_progress();
  Status skip(std::string what, std::string reason);
  Status write_manifest();
  std::string path_of(const Unit& unit) const;
  [[nodiscard]] Layout layout() const { return options_.layout == ExportLayout::kRds ? Layout::kRds : Layout::kTyped; }
  [[nodiscard]] int workers() const { return std::clamp(env_.jobs, 1, kWorkersMax); }

  const Context& context_;
  const Environment& env_;
  const vault::Vault& vault_;
  ExportOptions options_;
  ExportFiles files_;
  ExportProgress* progress_;

  std::vector<ExportSelection> only_;
  ExportManifest manifest_;
  ExportReport report_;
  std::vector<std::string> databases_;
  std::string run_uuid_;
  std::string binaries_;  // folder of the server's programs

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<TableState> tables_;
  std::deque<Unit> units_;
  size_t outstanding_ = 0;  // units that wait or are worked on
  uint64_t pages_total_ = 0, pages_done_ = 0;
  size_t databases_done_ = 0;
  bool finished_before_ = false;
  int percent_told_ = -1;
};

Status Exporter::prepare() {
  if (!is_export_identifier(options_.identifier))
    return Error{ErrorCode::kInvalidArgument, "'" + options_.identifier.substr(0, 100) + "' cannot name an export",
                 "begin with a letter; letters, digits and single hyphens, at most 60, none at the end"};
  COFFER_TRY(only_, parse_export_only(options_.only));
  COFFER_TRY(auto there, files_.list(context_, options_.identifier + "/"));
  if (std::find(there.begin(), there.end(), export_manifest_path(options_.identifier)) != there.end())
    return take_finished();
  // What a run that was killed left behind is worth nothing without its manifest.
  for (const std::string& path : there) COFFER_CHECK_OK(files_.remove(context_, path));
  return ok_status();
}

Status Exporter::take_finished() {
  const Error other{ErrorCode::kAlreadyExists,
                    "the export " + options_.identifier + " is there already, of another kind",
                    "choose another identifier, or remove it"};
  auto opened = open_export(context_, files_, options_.identifier, &vault_);
  if (!opened.ok()) return other;
  if (opened->point_id != options_.point_id || opened->layout != options_.layout || opened->only != options_.only)
    return other;
  for (const auto& database : opened->databases) {
    for (const ExportedTable& table : database.tables) {
      ++report_.tables;
      report_.rows += table.digest.rows;
      report_.files += table.files.size();
      report_.extracted_bytes += table.value_bytes;
      report_.file_bytes += table.file_bytes;
    }
  }
  report_.skipped = opened->skipped;
  report_.notes = opened->notes;
  report_.notes.emplace_back("was exported by an earlier attempt");
  report_.warning_message = rds_warning_message(opened->skipped);
  finished_before_ = true;
  return ok_status();
}

Status Exporter::skip(std::string what, std::string reason) {
  if (!options_.allow_skipped)
    return Error{ErrorCode::kFailedPrecondition, what + " cannot be exported: " + reason,
                 "leave it out with --only, or let what cannot be exported be skipped with --allow-skipped"};
  env_.progress.note(what + " is skipped: " + reason);
  std::lock_guard lock(mutex_);
  manifest_.skipped.push_back({std::move(what), std::move(reason)});
  return ok_status();
}

Status Exporter::choose_databases(const postgres::ScratchServer& server) {
  COFFER_TRY(auto connection,
             postgres::connect(context_, server.conninfo("template1"), postgres::ConnectionKind::kSql));
  COFFER_TRY(auto names, parquet::list_databases(context_, *connection));
  for (const ExportSelection& item : only_)
    if (std::find(names.begin(), names.end(), item.database) == names.end())
      return Error{ErrorCode::kInvalidArgument, "there is no database " + item.database + " in this point", {}};
  for (const std::string& name : names) {
    const bool wanted = only_.empty() || std::any_of(only_.begin(), only_.end(),
                                                     [&](const ExportSelection& s) { return s.database == name; });
    if (wanted) databases_.push_back(name);
  }
  return ok_status();
}

Status Exporter::choose_tables(SourceDatabase& source) {
  std::vector<bool> used(only_.size());
  std::vector<SourceTable> chosen;
  for (SourceTable& table : source.tables) {
    bool wanted = only_.empty();
    for (size_t i = 0; i < only_.size(); ++i)
      if (only_[i].takes_table(source.name, table.schema, table.name)) wanted = used[i] = true;
    if (!wanted) continue;
    const std::string what = source.name + "." + table.schema + "." + table.name;
    std::string reason = table.columns.empty() ? "it has no columns" : "";
    if (reason.empty() && options_.layout == ExportLayout::kRds) reason = refused_by_rds(table);
    if (!reason.empty())
      COFFER_CHECK_OK(skip(what, reason));
    else
      chosen.push_back(std::move(table));
  }
  for (size_t i = 0; i < only_.size(); ++i)
    if (only_[i].database == source.name && !only_[i].schema.empty() && !used[i])
      return Error{ErrorCode::kInvalidArgument,
                   "there is no table " + options_.only[i] + (only_[i].table.empty() ? ".*" : "") + " in this point",
                   {}};
  source.tables = std::move(chosen);
  return ok_status();
}

void Exporter::plan_units(TableState& state) {
  // The server filters a whole scan for each range before version 14.
  const bool split = manifest_.server_version_num >= 140000;
  auto add = [&](Unit unit) {
    unit.table = &state;
    unit.generation = state.generation;
    units_.push_back(unit);
    ++state.units_left;
    ++outstanding_;
  };
  for (size_t p = 0; p < state.source->parts.size(); ++p) {
    const SourcePart& part = state.source->parts[p];
    const uint64_t bytes = std::max(part.size_bytes, part.pages * 8192);
    const uint64_t wanted =
        std::max(bytes / kRangeBytes, std::min<uint64_t>(static_cast<uint64_t>(workers()), bytes / kRangeBytesMin));
    const uint64_t ranges = split ? std::clamp<uint64_t>(wanted, 1, std::max<uint64_t>(part.pages, 1)) : 1;
    for (uint64_t r = 0; r < ranges; ++r) {
      Unit unit;
      unit.part = &part;
      unit.part_index = p;
      unit.number = r;
      if (ranges > 1) {
        // The last one is open: nothing that the snapshot sees lies behind it, but nothing is lost either.
        unit.range = {.first = part.pages * r / ranges,
                      .last = r + 1 == ranges ? 0 : part.pages * (r + 1) / ranges,
                      .whole = false};
      }
      unit.pages = part.pages * (r + 1) / ranges - part.pages * r / ranges;
      add(unit);
    }
  }
  if (state.source->parts.empty()) add({});
}

std::optional<Unit> Exporter::next_unit(const Context& context) {
  std::unique_lock lock(mutex_);
  while (units_.empty()) {
    if (outstanding_ == 0 || context.stopped()) return std::nullopt;
    changed_.wait_for(lock, std::chrono::milliseconds(50));
  }
  Unit unit = units_.front();
  units_.pop_front();
  return unit;
}

void Exporter::unit_done() {
  std::lock_guard lock(mutex_);
  --outstanding_;
  changed_.notify_all();
}

std::string Exporter::path_of(const Unit& unit) const {
  std::string number = std::to_string(unit.number);
  if (number.size() < 5) number.insert(0, 5 - number.size(), '0');
  // Another generation is another file: a late removal of the old one must not hit it.
  std::string uuid = run_uuid_;
  uuid.back() = "0123456789abcdef"[static_cast<size_t>(unit.generation) % 16];
  return unit.table->folder + "/" + std::to_string(unit.part_index + 1) + "/part-" + number + "-" + uuid + "-c000." +
         (options_.layout == ExportLayout::kRds ? "gz" : "zstd") + ".parquet";
}

Result<std::unique_ptr<postgres::Connection>> Exporter::open_session(const Context& context,
                                                                     const std::string& conninfo,
                                                                     const std::string& snapshot) {
  COFFER_TRY(auto connection, postgres::connect(context, conninfo, postgres::ConnectionKind::kSql));
  postgres::take_messages_up_to(*connection, kExportedRowSizeMax);
  COFFER_CHECK_OK(connection->query(context, parquet::session_settings()));
  COFFER_CHECK_OK(connection->query(context, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  if (!snapshot.empty())
    COFFER_CHECK_OK(connection->query(context, "SET TRANSACTION SNAPSHOT " + postgres::quote_literal(snapshot)));
  return connection;
}

Status Exporter::write_part(const Context& context, postgres::Connection& connection, const TablePlan& plan,
                            const Unit& unit, Written& out) {
  out.file.path = path_of(unit);
  return files_.write(context, out.file, [&](ByteSink& sink) -> Status {
    parquet::PartWriterOptions options;
    options.row_group_size_bytes = kRowGroupsBytes / static_cast<uint64_t>(workers());
    options.batch_size_bytes = std::min<uint64_t>(options.batch_size_bytes, options.row_group_size_bytes);
    options.created_by = std::string("coffer ") + COFFER_VERSION;
    COFFER_TRY(auto writer, parquet::PartWriter::open(context, plan, sink, options));
    Status read = ok_status();
    if (unit.part == nullptr) {
      Bytes nothing;
      parquet::CopyFormatter::header(nothing);
      parquet::CopyFormatter::trailer(nothing);
      read = writer->add(nothing);
    } else {
      read = connection.copy_out(context, parquet::copy_command(plan, *unit.part, unit.range),
                                 {.on_rows = {},
                                  .on_copy_begin = {},
                                  .on_copy_data = [&](ByteView data) { return writer->add(data); },
                                  .on_notice = {}},
                                 nullptr);
    }
    out.misfit = writer->misfit();
    COFFER_CHECK_OK(read);
    COFFER_TRY(out.totals, writer->finish());
    out.file.rows = out.totals.rows;
    return ok_status();
  });
}

Status Exporter::widen(const Context& context, const Unit& unit, const TablePlan& plan, const Written& written,
                       const Error& why) {
  std::vector<ExportedFile> stale;
  std::string note;
  {
    std::lock_guard lock(mutex_);
    TableState& state = *unit.table;
    if (state.generation != unit.generation) return ok_status();  // another worker met it first
    if (!parquet::widen(state.plan, *written.misfit)) return why;
    const auto& column = state.plan.columns[*written.misfit];
    note = plan.database + "." + plan.schema + "." + plan.name + ": column " + column.source.name + " is stored as " +
           (column.storage == parquet::Storage::kText ? "text" : "bytes") + ": " + why.message;
    manifest_.notes.push_back(note);
    ++state.generation;
    stale.swap(state.files);
    state.digest = {};
    state.value_bytes = state.file_bytes = 0;
    pages_done_ -= state.pages_done;
    state.pages_done = 0;
    state.units_left = 0;
    plan_units(state);
    changed_.notify_all();
  }
  env_.progress.note(note);
  for (const ExportedFile& file : stale) COFFER_CHECK_OK(files_.remove(context, file.path));
  return ok_status();
}

Status Exporter::skip_table(TableState& state, const Error& why) {
  {
    std::lock_guard lock(mutex_);
    if (state.skipped) return ok_status();
    state.skipped = why.message;
    ++state.generation;
  }
  return skip(state.plan.database + "." + state.plan.schema + "." + state.plan.name, why.message);
}

void Exporter::tell_progress() {
  if (progress_ == nullptr) return;
  int percent = 0;
  uint64_t bytes = 0;
  {
    std::lock_guard lock(mutex_);
    const double done = pages_total_ == 0 ? 0 : static_cast<double>(pages_done_) / static_cast<double>(pages_total_);
    const auto databases = static_cast<double>(std::max<size_t>(databases_.size(), 1));
    percent = static_cast<int>(99.0 * (static_cast<double>(databases_done_) + done) / databases);
    if (percent <= percent_told_) return;
    percent_told_ = percent;
    bytes = report_.extracted_bytes;
  }
  progress_->percent(percent, bytes);
}

Status Exporter::complete_table(const Context& context, TableState& state) {
  std::vector<std::string> folders;
  for (const ExportedFile& file : state.files) folders.push_back(file.path.substr(0, file.path.rfind('/')));
  std::sort(folders.begin(), folders.end());
  folders.erase(std::unique(folders.begin(), folders.end()), folders.end());
  for (const std::string& folder : folders) {
    ExportedFile success{.path = folder + "/_SUCCESS", .rows = 0, .size_bytes = 0, .sha256 = {}};
    COFFER_CHECK_OK(files_.write(context, success, [](ByteSink&) { return ok_status(); }));
  }
  return ok_status();
}

Status Exporter::finish_unit(const Context& context, const Unit& unit, const TablePlan& plan, const Written& written,
                             const TableDigest& digest) {
  bool stale = false, complete = false;
  {
    std::lock_guard lock(mutex_);
    TableState& state = *unit.table;
    stale = state.generation != unit.generation;
    if (!stale) {
      state.files.push_back(written.file);
      if (state.digest.columns.empty()) state.digest.columns.resize(plan.columns.size());
      state.digest.add(digest);
      state.value_bytes += written.totals.value_bytes;
      state.file_bytes += written.file.size_bytes;
      state.pages_done += unit.pages;
      pages_done_ += unit.pages;
      report_.extracted_bytes += written.totals.value_bytes;
      complete = --state.units_left == 0;
      if (complete) state.finished = env_.clock.wall();
    }
  }
  if (stale) return files_.remove(context, written.file.path);
  env_.progress.advance(written.totals.value_bytes);
  if (complete) COFFER_CHECK_OK(complete_table(context, *unit.table));
  tell_progress();
  return ok_status();
}

Status Exporter::do_unit(const Context& context, postgres::Connection& connection, const Unit& unit) {
  TablePlan plan;
  {
    std::lock_guard lock(mutex_);
    if (unit.generation != unit.table->generation) return ok_status();
    plan = unit.table->plan;
    if (unit.table->started.micros == 0) unit.table->started = env_.clock.wall();
  }
  const std::string name = plan.database + "." + plan.schema + "." + plan.name;
  Written written;
  if (Status status = write_part(context, connection, plan, unit, written); !status.ok()) {
    if (written.misfit) return widen(context, unit, plan, written, status.error());
    return std::move(status).error().in("table " + name);
  }
  TableDigest expected;
  expected.columns.resize(plan.columns.size());
  if (unit.part != nullptr) {
    auto answer = connection.query(context, parquet::digest_query(plan, *unit.part, unit.range));
    if (!answer.ok()) return std::move(answer).error().in("computing the digests of table " + name);
    COFFER_TRY(expected, parquet::digest_of_answer(plan, *answer));
  }
  TableDigest found;
  Status read = files_.read_back(context, written.file, [&](File& file) -> Status {
    COFFER_TRY(found, parquet::digest_part(context, plan, file));
    return ok_status();
  });
  if (!read.ok()) return std::move(read).error().in("reading " + written.file.path + " again");
  if (const std::string what = parquet::difference(expected, found, plan.column_names()); !what.empty())
    return Error{
        ErrorCode::kCorruption, "what was exported of table " + name + " is not what the database holds: " + what, {}};
  return finish_unit(context, unit, plan, written, found);
}

Status Exporter::work(const Context& context, const std::string& conninfo, const std::string& snapshot) {
  std::unique_ptr<postgres::Connection> connection;
  while (auto unit = next_unit(context)) {
    if (!connection) {
      COFFER_TRY(connection, open_session(context, conninfo, snapshot));
    }
    Status done = do_unit(context, *connection, *unit);
    bool restarted = false;
    {
      std::lock_guard lock(mutex_);
      restarted = unit->generation != unit->table->generation;
    }
    // The session was left in the middle of an answer, or its transaction is lost.
    if (!done.ok() || restarted) connection.reset();
    if (!done.ok() && is_of_the_table(done.error())) done = skip_table(*unit->table, done.error());
    unit_done();
    COFFER_CHECK_OK(done);
  }
  return context.check();
}

Status Exporter::export_database(const postgres::ScratchServer& server, const std::string& name) {
  COFFER_TRY(auto leader, open_session(context_, server.conninfo(name), ""));
  COFFER_TRY(auto exported, leader->query(context_, "SELECT pg_catalog.pg_export_snapshot()"));
  if (exported.empty()) return Error{ErrorCode::kInternal, "the server exported no snapshot", {}};
  COFFER_TRY(SourceDatabase source, parquet::read_database(context_, *leader, name));
  COFFER_CHECK_OK(choose_tables(source));
  const std::vector<std::string> folders = table_folders(options_.identifier, source, options_.layout);
  {
    std::lock_guard lock(mutex_);
    tables_.clear();
    pages_total_ = pages_done_ = 0;
    for (size_t i = 0; i < source.tables.size(); ++i) {
      TableState& state = tables_.emplace_back();
      state.source = &source.tables[i];
      state.folder = folders[i];
      state.plan = parquet::plan_table(source, source.tables[i], layout());
      for (const SourcePart& part : source.tables[i].parts) pages_total_ += part.pages;
    }
    // The largest first, or a worker would end alone with it.
    std::vector<TableState*> by_size;
    for (TableState& state : tables_) by_size.push_back(&state);
    std::stable_sort(by_size.begin(), by_size.end(), [](const TableState* a, const TableState* b) {
      return size_of(*a->source) > size_of(*b->source);
    });
    for (TableState* state : by_size) plan_units(*state);
  }
  uint64_t bytes = 0;
  for (const SourceTable& table : source.tables) bytes += size_of(table);
  env_.progress.step("export " + name, bytes);
  ExportedDatabase database{
      .name = name, .encoding = source.encoding, .tables = {}, .left_out = {}, .schema_files = {}};
  std::vector<std::string> schema_notes;
  TaskGroup group(context_);
  for (int i = 0; i < workers(); ++i)
    group.spawn([&] { return work(group.context(), server.conninfo(name), exported[0].text(0)); });
  group.spawn([&]() -> Status {
    const SchemaSource schema{
        .binaries = binaries_, .conninfo = server.conninfo(name), .database = name, .snapshot = exported[0].text(0)};
    COFFER_CHECK_OK(
        export_schema(group.context(), env_, files_, schema, *leader, options_.identifier, database, schema_notes));
    if (!manifest_.global_files.empty()) return ok_status();
    return export_globals(group.context(), env_, files_, schema, options_.identifier, manifest_.global_files);
  });
  COFFER_CHECK_OK(group.wait());
  manifest_.notes.insert(manifest_.notes.end(), schema_notes.begin(), schema_notes.end());

  database.left_out = std::move(source.left_out);
  for (TableState& state : tables_) {
    if (state.skipped) {
      COFFER_TRY(auto paths, files_.list(context_, state.folder + "/"));
      for (const std::string& path : paths) COFFER_CHECK_OK(files_.remove(context_, path));
      continue;
    }
    std::sort(state.files.begin(), state.files.end(),
              [](const ExportedFile& a, const ExportedFile& b) { return a.path < b.path; });
    ++report_.tables;
    report_.rows += state.digest.rows;
    report_.files += state.files.size();
    report_.file_bytes += state.file_bytes;
    database.tables.push_back({.plan = std::move(state.plan),
                               .folder = std::move(state.folder),
                               .digest = std::move(state.digest),
                               .files = std::move(state.files),
                               .partitions = std::max<size_t>(state.source->parts.size(), 1),
                               .value_bytes = state.value_bytes,
                               .file_bytes = state.file_bytes,
                               .started = state.started,
                               .finished = state.finished});
  }
  manifest_.databases.push_back(std::move(database));
  ++databases_done_;
  return ok_status();
}

Status Exporter::export_all(const postgres::ScratchServer& server) {
  COFFER_CHECK_OK(choose_databases(server));
  for (const std::string& name : databases_) {
    auto done = export_database(server, name);
    if (!done.ok()) return std::move(done).error().in("exporting database " + name);
  }
  return ok_status();
}

Status Exporter::write_manifest() {
  manifest_.finished = env_.clock.wall();
  if (options_.layout == ExportLayout::kRds) {
    size_t count = 0;
    const std::string tables = rds_tables_info(manifest_, count);
    const std::string beginning = options_.identifier + "/export_";
    COFFER_CHECK_OK(files_.write_text(
        context_, beginning + "tables_info_" + options_.identifier + "_from_1_to_" + std::to_string(count) + ".json",
        tables));
    COFFER_CHECK_OK(files_.write_text(context_, beginning + "info_" + options_.identifier + ".json",
                                      rds_export_info(options_, manifest_)));
  }
  const std::string text = encode_export_manifest(manifest_);
  COFFER_CHECK_OK(
      files_.write_text(context_, export_signature_path(options_.identifier), sign_export_manifest(text, vault_)));
  // Last of all: with it the export is whole.
  return files_.write_text(context_, export_manifest_path(options_.identifier), text);
}

Result<ExportReport> Exporter::run() {
  const MonoTime began = env_.clock.mono();
  auto ms_since = [&](MonoTime t) { return (env_.clock.mono() - t).count() / 1'000'000; };
  COFFER_CHECK_OK(prepare());
  if (finished_before_) return std::move(report_);
  COFFER_TRY(auto log, vault::CommitLog::load(context_, vault_));
  COFFER_TRY(vault::Manifest point, vault::read_manifest(context_, vault_, log->state(), options_.point_id));
  log.reset();
  run_uuid_ = random_uuid(env_.entropy);
  manifest_.identifier = options_.identifier;
  manifest_.point_id = point.id;
  manifest_.vault_uuid = vault_.format().uuid;
  manifest_.coffer_version = COFFER_VERSION;
  manifest_.layout = options_.layout;
  manifest_.system_identifier = point.system_identifier;
  manifest_.server_version_num = point.server_version_num;
  manifest_.only = options_.only;
  manifest_.started = env_.clock.wall();
  if (options_.snapshot_time.micros == 0) options_.snapshot_time = point.finished;
  if (options_.task_start_time.micros == 0) options_.task_start_time = manifest_.started;

  ScratchCopy copy(env_, vault_, point);
  COFFER_CHECK_OK(copy.prepare(context_));
  binaries_ = copy.binaries();
  MonoTime step = env_.clock.mono();
  COFFER_CHECK_OK(copy.restore(context_));
  report_.restore_ms = ms_since(step);
  step = env_.clock.mono();
  env_.progress.step("recover", 0);
  COFFER_TRY(auto server, copy.boot(context_));
  report_.recovery_ms = ms_since(step);
  step = env_.clock.mono();

  Status done = export_all(*server);
  if (done.ok()) done = write_manifest();
  if (!done.ok()) {
    // Whoever finds files there shall not take them for an export. The job was perhaps asked to stop; this still runs.
    if (auto removed = files_.remove_all(Context(), options_.identifier + "/"); !removed.ok())
      env_.progress.note("what was written of the export could not be removed: " + removed.error().message);
    return std::move(done).error();
  }
  report_.export_ms = ms_since(step);
  server.reset();
  if (auto removed = copy.directory()->remove(); !removed.ok())
    env_.progress.note("the scratch copy in " + copy.directory()->path() +
                       " was not removed: " + removed.error().message);
  report_.skipped = manifest_.skipped;
  report_.notes = manifest_.notes;
  report_.warning_message = rds_warning_message(manifest_.skipped);
  report_.duration_ms = ms_since(began);
  if (progress_ != nullptr) progress_->percent(100, report_.extracted_bytes);
  return std::move(report_);
}

}  // namespace

Result<ExportReport> run_export(const Context& context, const Environment& environment, const vault::Vault& vault,
                                const ExportOptions& options, ExportDestination& destination,
                                ExportProgress* progress) {
  return Exporter(context, environment, vault, options, destination, progress).run();
}

}  // namespace coffer::jobs
