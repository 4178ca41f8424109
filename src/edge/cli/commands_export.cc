// export, import: points as Parquet, and back.
#include <nlohmann/json.hpp>

#include "edge/cli/commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"
#include "engine/jobs/export.h"
#include "engine/vault/points.h"

namespace coffer::cli {

using nlohmann::ordered_json;

namespace {

ordered_json export_document(const jobs::ExportOptions& options, const std::string& to,
                             const jobs::ExportReport& report) {
  ordered_json skipped = ordered_json::array();
  for (const auto& item : report.skipped) skipped.push_back({{"what", item.what}, {"reason", item.reason}});
  return {{"schema", "coffer.export-report/1"},
          {"point", options.point_id},
          {"identifier", options.identifier},
          {"layout", jobs::export_layout_name(options.layout)},
          {"to", to},
          {"tables", report.tables},
          {"rows", report.rows},
          {"files", report.files},
          {"extracted_bytes", report.extracted_bytes},
          {"file_bytes", report.file_bytes},
          {"skipped", std::move(skipped)},
          {"notes", report.notes},
          {"restore_ms", report.restore_ms},
          {"recovery_ms", report.recovery_ms},
          {"export_ms", report.export_ms},
          {"duration_ms", report.duration_ms}};
}

std::string export_text(const jobs::ExportOptions& options, const std::string& to, const jobs::ExportReport& report) {
  std::string text = "exported " + options.point_id + " to " + printable(to) + "/" + options.identifier + "\n  " +
                     counted(report.rows, "row") + " of " + counted(report.tables, "table") + " in " +
                     counted(report.files, "file") + ", " + human_bytes(report.file_bytes) + " from " +
                     human_bytes(report.extracted_bytes) + "\n  restored in " + took(report.restore_ms) +
                     ", recovered in " + took(report.recovery_ms) + ", exported and compared in " +
                     took(report.export_ms) + "\n";
  for (const auto& item : report.skipped)
    text += "  SKIPPED: " + printable(item.what) + ": " + printable(item.reason) + "\n";
  for (const std::string& note : report.notes) text += "  " + printable(note) + "\n";
  return text;
}

// A manifest can be checked without the vault, but then only with the key that it names itself.
Result<const vault::Vault*> vault_if_given(Invocation& invocation) {
  if (!invocation.arguments().text("vault") || !invocation.has_key()) return static_cast<const vault::Vault*>(nullptr);
  COFFER_TRY(const vault::Vault* vault, invocation.vault());
  return vault;
}

Result<int> verify_export(Invocation& invocation, const std::string& folder) {
  COFFER_TRY(const vault::Vault* vault, vault_if_given(invocation));
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(auto from, jobs::open_export_directory(environment->files, Invocation::absolute(folder), false));
  COFFER_TRY(jobs::ExportVerifyReport report,
             jobs::run_export_verify(invocation.context(), *environment, vault,
                                     invocation.arguments().text("name").value_or(""), *from));
  if (invocation.json()) {
    invocation.print_document(ordered_json{{"schema", "coffer.export-verify/1"},
                                           {"clean", report.findings.empty()},
                                           {"tables", report.tables},
                                           {"rows", report.rows},
                                           {"files", report.files},
                                           {"file_bytes", report.file_bytes},
                                           {"signature", report.signature_checked ? "of the vault" : "its own"},
                                           {"findings", report.findings}});
  } else {
    std::string text = counted(report.rows, "row") + " of " + counted(report.tables, "table") + " in " +
                       counted(report.files, "file") + " (" + human_bytes(report.file_bytes) + ") read\n";
    for (const std::string& finding : report.findings) text += "  FOUND: " + printable(finding) + "\n";
    if (report.findings.empty()) text += "every count and digest is what was exported\n";
    invocation.print(text);
    if (!report.signature_checked)
      invocation.warn("the signature was checked only with the key that the export names itself",
                      "give --vault and --key to check that this vault signed it");
  }
  return report.findings.empty() ? kExitDone : kExitFindings;
}

}  // namespace

Result<int> run_export_command(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  const auto words = arguments.all("POINT");
  if (words.size() == 2 && words[0] == "verify") return verify_export(invocation, words[1]);
  if (words.size() != 1 || words[0] == "verify")
    return Error{ErrorCode::kInvalidArgument, "say which point to export",
                 "coffer export POINT --to DIR, or coffer export verify DIR"};
  COFFER_TRY(std::string to, arguments.required("to"));
  to = Invocation::absolute(to);
  jobs::ExportOptions options;
  COFFER_TRY(vault::CommitLog * log, invocation.log());
  COFFER_TRY(options.point_id, vault::resolve_point(log->state(), words[0]));
  options.identifier = arguments.text("name").value_or("point-" + options.point_id);
  options.layout =
      arguments.text("layout").value_or("typed") == "rds" ? jobs::ExportLayout::kRds : jobs::ExportLayout::kTyped;
  options.only = arguments.all("only");
  options.allow_skipped = arguments.flag("allow-skipped");
  COFFER_TRY(const vault::Vault* vault, invocation.vault());
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(auto destination, jobs::open_export_directory(environment->files, to, true));
  COFFER_TRY(jobs::ExportReport report,
             jobs::run_export(invocation.context(), *environment, *vault, options, *destination, nullptr));
  if (invocation.json())
    invocation.print_document(export_document(options, to, report));
  else
    invocation.print(export_text(options, to, report));
  return kExitDone;
}

Result<int> run_import_command(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  COFFER_TRY(std::string folder, arguments.required("DIR"));
  jobs::ImportOptions options;
  COFFER_TRY(const vault::Vault* vault, vault_if_given(invocation));
  COFFER_TRY(options.conninfo, arguments.required("conninfo"));
  options.identifier = arguments.text("name").value_or("");
  options.database = arguments.text("database").value_or("");
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(auto from, jobs::open_export_directory(environment->files, Invocation::absolute(folder), false));
  COFFER_TRY(jobs::ImportReport report, jobs::run_import(invocation.context(), *environment, vault, options, *from));
  if (invocation.json()) {
    invocation.print_document(ordered_json{{"schema", "coffer.import/1"},
                                           {"tables", report.tables},
                                           {"rows", report.rows},
                                           {"notes", report.notes},
                                           {"duration_ms", report.duration_ms}});
    return kExitDone;
  }
  std::string out = "imported " + counted(report.rows, "row") + " into " + counted(report.tables, "table") + " in " +
                    took(report.duration_ms) + "; every count and digest is that of the source\n";
  for (const std::string& note : report.notes) out += "  " + printable(note) + "\n";
  invocation.print(out);
  return kExitDone;
}

}  // namespace coffer::cli
