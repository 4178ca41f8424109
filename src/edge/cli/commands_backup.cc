// backup, doctor.
#include <nlohmann/json.hpp>

#include "edge/cli/commands.h"
#include "edge/cli/doctor_accounts.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/point_list.h"
#include "edge/cli/source_choice.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"
#include "engine/jobs/backup.h"
#include "engine/jobs/explain.h"

namespace coffer::cli {

using nlohmann::ordered_json;

namespace {

constexpr size_t kDamagedPagesShown = 20;

Result<jobs::SourceFactory> source_of(Invocation& invocation, const jobs::Environment& environment) {
  const Arguments& arguments = invocation.arguments();
  const std::string conninfo = arguments.text("conninfo").value_or("");
  const std::string pgdata = arguments.text("pgdata") ? Invocation::absolute(*arguments.text("pgdata")) : "";
  const std::string wanted = arguments.text("source").value_or("auto");
  const bool fast = arguments.text("checkpoint").value_or("fast") == "fast";
  if (wanted == "stream" && !pgdata.empty())
    return Error{ErrorCode::kInvalidArgument, "--pgdata is for the local reader, and --source says stream",
                 "leave one of them out"};

  SourceChoice choice{wanted == "local", {}};
  if (wanted == "auto") {
    choice = choose_source(invocation.context(), invocation.world().files, conninfo, pgdata);
    invocation.progress().note(std::string(choice.local ? "local reader: " : "replication stream: ") + choice.because);
  }
  if (choice.local) {
    if (arguments.text("max-rate"))
      return Error{ErrorCode::kInvalidArgument, "--max-rate is for the replication stream", "add --source stream"};
    postgres::LocalOptions options;
    options.conninfo = conninfo;
    options.pgdata = pgdata;
    options.fast_checkpoint = fast;
    options.use_wal_summaries = !arguments.flag("read-everything");
    return jobs::local_source_factory(environment, std::move(options));
  }
  postgres::StreamOptions options;
  options.conninfo = conninfo;
  options.fast_checkpoint = fast;
  if (auto text = arguments.text("max-rate")) {
    COFFER_TRY(uint64_t bytes, parse_bytes(*text));
    // The server's own limits.
    if (bytes < (32 << 10) || bytes > (uint64_t{1} << 30))
      return Error{ErrorCode::kInvalidArgument, "--max-rate must be between 32k and 1G", {}};
    options.max_rate_kib_s = static_cast<uint32_t>(bytes >> 10);
  }
  return jobs::stream_source_factory(std::move(options));
}

std::string backup_text(const jobs::BackupReport& report) {
  const vault::Manifest& m = report.manifest;
  std::string text = "point " + m.id + (m.name.empty() ? "" : "  \"" + printable(m.name) + "\"") + "\n";
  text += "  PostgreSQL " + std::to_string(m.major) + ", cluster " + std::to_string(m.system_identifier) +
          ", timeline " + std::to_string(m.timeline) + ", WAL " + m.start_lsn + " to " + m.stop_lsn + "\n";
  text += "  " + human_bytes(m.size_bytes) + " in " + counted(m.files, "file") + "; read " + human_bytes(m.bytes_read) +
          " from the " + (m.source_kind == "local" ? "data directory" : "replication stream") +
          (m.used_wal_summaries ? ", by WAL summaries" : "") + "\n";
  text += "  stored " + human_bytes(m.written.stored_bytes) + " new (" + counted(m.pages_changed, "changed page") +
          "), reused " + human_bytes(m.written.reused_bytes) + ", in " + took(report.duration_ms) + "\n";
  if (!report.full_read_because.empty()) text += "  everything was read: " + printable(report.full_read_because) + "\n";
  for (const std::string& warning : m.warnings) text += "  warning: " + printable(warning) + "\n";
  if (m.damaged_page_count > 0) {
    text += "  DAMAGED on the source: " + counted(m.damaged_page_count, "page") + "\n";
    for (size_t i = 0; i < m.damaged_pages.size() && i < kDamagedPagesShown; ++i)
      text += "    " + printable(m.damaged_pages[i].path) + " block " + std::to_string(m.damaged_pages[i].block) + "\n";
    if (m.damaged_page_count > kDamagedPagesShown) text += "    and more: coffer points --json lists them\n";
  }
  return text;
}

ordered_json backup_document(const jobs::BackupReport& report) {
  vault::PointSummary summary;
  summary.manifest = report.manifest;
  return {{"schema", "coffer.backup/1"},
          {"point", point_document(summary)},
          {"parent", report.manifest.parent_id},
          {"pages_changed", report.manifest.pages_changed},
          {"full_read_because", report.full_read_because},
          {"chunks_new", report.manifest.written.chunks},
          {"chunks_reused", report.manifest.written.reused_chunks},
          {"reused_bytes", report.manifest.written.reused_bytes},
          {"duration_ms", report.duration_ms}};
}

std::string_view level_name(jobs::DoctorLine::Level level) {
  switch (level) {
    case jobs::DoctorLine::Level::kGood: return "good";
    case jobs::DoctorLine::Level::kWarning: return "warning";
    case jobs::DoctorLine::Level::kBad: return "bad";
  }
  return "bad";
}

std::string doctor_text(const std::vector<jobs::DoctorLine>& lines) {
  std::string text;
  size_t bad = 0, warnings = 0;
  for (const auto& line : lines) {
    const bool good = line.level == jobs::DoctorLine::Level::kGood;
    bad += line.level == jobs::DoctorLine::Level::kBad;
    warnings += line.level == jobs::DoctorLine::Level::kWarning;
    text += std::string(good                                          ? "  good     "
                        : line.level == jobs::DoctorLine::Level::kBad ? "  BAD      "
                                                                      : "  warning  ") +
            printable_lines(line.what) + "\n";
    if (!line.why.empty()) text += "           why:  " + printable_lines(line.why) + "\n";
    if (!line.next.empty()) text += "           next: " + printable_lines(line.next) + "\n";
  }
  return text + "\n" + std::to_string(bad) + " bad, " + counted(warnings, "warning") + ", " +
         std::to_string(lines.size() - bad - warnings) + " good\n";
}

}  // namespace

Result<int> run_backup_command(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  jobs::BackupOptions options;
  if (auto text = arguments.text("compress")) {
    auto compression = vault::parse_compression(*text);
    if (!compression.ok()) return std::move(compression).error().in("--compress");
    options.write.compression = *compression;
  }
  options.name = arguments.text("name").value_or("");
  options.read_everything = arguments.flag("read-everything");
  COFFER_TRY(const vault::Vault* vault, invocation.vault());
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(jobs::SourceFactory source, source_of(invocation, *environment));
  COFFER_TRY(jobs::BackupReport report, jobs::run_backup(invocation.context(), *environment, *vault, source, options));
  if (invocation.json())
    invocation.print_document(backup_document(report));
  else
    invocation.print(backup_text(report));
  return report.manifest.damaged_page_count > 0 ? kExitFindings : kExitDone;
}

Result<int> run_doctor_command(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  jobs::DoctorOptions options;
  options.conninfo = arguments.text("conninfo").value_or("");
  if (auto text = arguments.text("pgdata")) options.pgdata = Invocation::absolute(*text);
  const vault::Vault* vault = nullptr;
  if (arguments.text("vault")) {
    COFFER_TRY(vault, invocation.vault());
  }
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(auto lines, jobs::run_doctor(invocation.context(), *environment, vault, options));
  if (auto data = arguments.text("data")) {
    COFFER_TRY(auto more, doctor_of_accounts(invocation, Invocation::absolute(*data)));
    lines.insert(lines.end(), more.begin(), more.end());
  }
  bool healthy = true;
  for (const auto& line : lines) healthy &= line.level != jobs::DoctorLine::Level::kBad;
  if (invocation.json()) {
    ordered_json list = ordered_json::array();
    for (const auto& line : lines)
      list.push_back({{"id", line.id},
                      {"level", level_name(line.level)},
                      {"what", line.what},
                      {"why", line.why},
                      {"next", line.next}});
    invocation.print_document(
        ordered_json{{"schema", "coffer.doctor/1"}, {"healthy", healthy}, {"lines", std::move(list)}});
  } else {
    invocation.print(doctor_text(lines));
  }
  return healthy ? kExitDone : kExitFindings;
}

}  // namespace coffer::cli
