// restore, recover, verify, prove: the ways to read a point.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "edge/cli/commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/point_list.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"
#include "engine/jobs/prove.h"
#include "engine/jobs/restore.h"

namespace coffer::cli {

using nlohmann::ordered_json;

namespace {

Result<std::map<std::string, std::string>> tablespaces(const Arguments& arguments) {
  std::map<std::string, std::string> map;
  for (const std::string& text : arguments.all("tablespace")) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
      return Error{ErrorCode::kInvalidArgument, "--tablespace: '" + text + "' is not OLD=NEW",
                   "write it like --tablespace /fast=/srv/fast"};
    if (!map.emplace(text.substr(0, equals), Invocation::absolute(text.substr(equals + 1))).second)
      return Error{ErrorCode::kInvalidArgument, "--tablespace: " + text.substr(0, equals) + " is given twice", {}};
  }
  return map;
}

Result<jobs::RestoreOptions> restore_options(const Arguments& arguments) {
  jobs::RestoreOptions options;
  COFFER_TRY(std::string target, arguments.required("to"));
  options.target = Invocation::absolute(target);
  COFFER_TRY(options.tablespaces, tablespaces(arguments));
  if (auto until = arguments.text("until")) {
    auto parsed = jobs::parse_recovery_target(*until);
    if (!parsed.ok()) return std::move(parsed).error().in("--until");
    options.until = *parsed;
  }
  options.delta = arguments.flag("delta");
  options.keep_archiving = arguments.flag("keep-archiving");
  options.standby = arguments.flag("standby");
  return options;
}

Result<int> restore(Invocation& invocation, jobs::RestoreOptions options) {
  COFFER_TRY(const vault::Vault* vault, invocation.vault());
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(jobs::RestoreReport report, jobs::run_restore(invocation.context(), *environment, *vault, options));
  if (invocation.json()) {
    invocation.print_document(ordered_json{{"schema", "coffer.restore/1"},
                                           {"point", options.point_id},
                                           {"target", report.target},
                                           {"files", report.files},
                                           {"directories", report.directories},
                                           {"size_bytes", report.size_bytes},
                                           {"written_bytes", report.bytes_written},
                                           {"kept_bytes", report.bytes_kept},
                                           {"files_removed", report.files_removed},
                                           {"notes", report.notes},
                                           {"duration_ms", report.duration_ms}});
    return kExitDone;
  }
  std::string text = "restored " + options.point_id + " to " + printable(report.target) + "\n  " +
                     human_bytes(report.size_bytes) + " in " + counted(report.files, "file") + "; wrote " +
                     human_bytes(report.bytes_written);
  if (report.bytes_kept > 0) text += ", kept " + human_bytes(report.bytes_kept) + " that was right already";
  if (report.files_removed > 0) text += ", removed " + counted(report.files_removed, "file");
  text += ", in " + took(report.duration_ms) + "\n";
  for (const std::string& note : report.notes) text += "  " + printable(note) + "\n";
  invocation.print(text);
  return kExitDone;
}

Result<std::string> point_argument(Invocation& invocation, const std::string& text) {
  COFFER_TRY(vault::CommitLog * log, invocation.log());
  return vault::resolve_point(log->state(), text);
}

ordered_json findings_document(const std::vector<jobs::VerifyFinding>& findings) {
  ordered_json list = ordered_json::array();
  for (const auto& f : findings) list.push_back({{"object", f.object}, {"problem", f.problem}, {"points", f.points}});
  return list;
}

std::string verify_text(const jobs::VerifyReport& report) {
  std::string text = counted(report.points, "point") + ", " + counted(report.objects, "object") + " (" +
                     human_bytes(report.object_bytes) + "), " + counted(report.files, "file") + ", " +
                     counted(report.pages, "page") + " (" + human_bytes(report.size_bytes) + ") in " +
                     took(report.duration_ms) + "\n";
  if (report.clean()) return text + "every byte is what was stored\n";
  text += "\nDAMAGED: " + counted(report.findings.size(), "finding") + "\n";
  for (const auto& f : report.findings) {
    text += "  " + printable(f.object) + ": " + printable_lines(f.problem) + "\n";
    for (const std::string& point : f.points) text += "      needed by " + point + "\n";
  }
  return text;
}

std::string prove_text(const jobs::ProveReport& report) {
  const vault::Attestation& a = report.attestation;
  std::string text =
      "point " + a.point_id + " is " + (a.success ? "PROVEN" : "NOT SOUND") + ": " + printable(a.summary) + "\n";
  text += "  restored " + human_bytes(a.size_bytes) + " in " + took(report.restore_ms) + ", recovered in " +
          took(report.recovery_ms) + ", checked in " + took(report.check_ms) + "\n";
  for (const auto& database : report.checks.databases)
    text += "  " + printable(database.database) + ": " + counted(database.rows, "row") + " in " +
            counted(database.tables, "table") + ", " + std::to_string(database.indexes) +
            (database.indexes == 1 ? " index" : " indexes") + " checked\n";
  if (auto pages = a.facts.find("page checksums"); pages != a.facts.end())
    text += "  page checksums: " + printable(pages->second) + "\n";
  for (const std::string& finding : a.findings) text += "  FOUND: " + printable(finding) + "\n";
  if (!report.scratch.empty()) text += "  the restored copy is in " + printable(report.scratch) + "\n";
  return text;
}

ordered_json prove_document(const jobs::ProveReport& report) {
  const vault::Attestation& a = report.attestation;
  ordered_json databases = ordered_json::array();
  for (const auto& d : report.checks.databases)
    databases.push_back({{"database", d.database},
                         {"tables", d.tables},
                         {"indexes", d.indexes},
                         {"rows", d.rows},
                         {"findings", d.findings}});
  ordered_json document{{"schema", "coffer.prove/1"},
                        {"point", a.point_id},
                        {"success", a.success},
                        {"time", format_utc(a.time)},
                        {"summary", a.summary},
                        {"size_bytes", a.size_bytes},
                        {"restore_ms", report.restore_ms},
                        {"recovery_ms", report.recovery_ms},
                        {"check_ms", report.check_ms},
                        {"duration_ms", a.duration_ms},
                        {"databases", std::move(databases)},
                        {"findings", a.findings},
                        {"facts", a.facts}};
  if (!report.scratch.empty()) document["scratch"] = report.scratch;
  return document;
}

}  // namespace

Result<int> run_restore_command(Invocation& invocation) {
  COFFER_TRY(jobs::RestoreOptions options, restore_options(invocation.arguments()));
  COFFER_TRY(std::string text, invocation.arguments().required("POINT"));
  COFFER_TRY(options.point_id, point_argument(invocation, text));
  return restore(invocation, std::move(options));
}

Result<int> run_recover(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  if (auto kit = arguments.text("kit")) COFFER_CHECK_OK(use_kit(invocation, *kit));
  if (!arguments.text("to")) {
    if (arguments.text("POINT"))
      return Error{ErrorCode::kInvalidArgument, "nothing says where the point should go", "give --to DIR"};
    COFFER_TRY(int code, run_points(invocation));
    if (!invocation.json())
      invocation.world().messages.write(
          "  next: coffer recover --to DIR restores the newest sound one, or name a point\n");
    return code;
  }
  COFFER_TRY(jobs::RestoreOptions options, restore_options(arguments));
  if (auto text = arguments.text("POINT")) {
    COFFER_TRY(options.point_id, point_argument(invocation, *text));
  } else {
    COFFER_TRY(PointList list, read_points(invocation));
    for (const auto& [id, error] : list.damaged) invocation.warn("point " + id + " cannot be read: " + error.message);
    COFFER_TRY(options.point_id, newest_good_point(list));
    invocation.progress().note("the newest sound point is " + options.point_id);
  }
  return restore(invocation, std::move(options));
}

Result<int> run_verify_command(Invocation& invocation) {
  jobs::VerifyOptions options;
  const auto named = invocation.arguments().all("POINT");
  if (named.empty() != invocation.arguments().flag("all"))
    return Error{ErrorCode::kInvalidArgument, "say which points to verify",
                 "name points, or give --all for everything in the vault"};
  COFFER_TRY(const vault::Vault* vault, invocation.vault());
  for (const std::string& text : named) {
    COFFER_TRY(std::string id, point_argument(invocation, text));
    if (std::find(options.point_ids.begin(), options.point_ids.end(), id) == options.point_ids.end())
      options.point_ids.push_back(std::move(id));
  }
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(jobs::VerifyReport report, jobs::run_verify(invocation.context(), *environment, *vault, options));
  if (invocation.json())
    invocation.print_document(ordered_json{{"schema", "coffer.verify/1"},
                                           {"clean", report.clean()},
                                           {"points", report.points},
                                           {"objects", report.objects},
                                           {"object_bytes", report.object_bytes},
                                           {"files", report.files},
                                           {"pages", report.pages},
                                           {"size_bytes", report.size_bytes},
                                           {"findings", findings_document(report.findings)},
                                           {"duration_ms", report.duration_ms}});
  else
    invocation.print(verify_text(report));
  return report.clean() ? kExitDone : kExitFindings;
}

Result<int> run_prove_command(Invocation& invocation) {
  COFFER_TRY(std::string text, invocation.arguments().required("POINT"));
  COFFER_TRY(const vault::Vault* vault, invocation.vault());
  jobs::ProveOptions options;
  COFFER_TRY(options.point_id, point_argument(invocation, text));
  options.thorough = invocation.arguments().flag("thorough");
  options.keep_scratch = invocation.arguments().flag("keep-scratch");
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(jobs::ProveReport report, jobs::run_prove(invocation.context(), *environment, *vault, options));
  if (!report.scratch.empty()) invocation.keep_scratch();
  if (invocation.json())
    invocation.print_document(prove_document(report));
  else
    invocation.print(prove_text(report));
  return report.attestation.success ? kExitDone : kExitFindings;
}

}  // namespace coffer::cli
