// points, why.
#include <nlohmann/json.hpp>

#include "edge/cli/commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/point_list.h"
#include "edge/cli/retention_options.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"
#include "engine/jobs/explain.h"

namespace coffer::cli {

using nlohmann::ordered_json;

Result<int> run_points(Invocation& invocation) {
  COFFER_TRY(const vault::Vault* vault, invocation.vault());
  COFFER_TRY(PointList list, read_points(invocation));
  if (invocation.arguments().flag("ids")) {
    std::string ids;
    for (const auto& p : list.points) ids += p.manifest.id + "\n";
    invocation.print(ids);
  } else if (invocation.json()) {
    invocation.print_document(points_document(list, vault->format().uuid));
  } else {
    invocation.print(points_text(list, invocation.world().clock.wall()));
  }
  return list.damaged.empty() ? kExitDone : kExitFindings;
}

namespace {

ordered_json attestation_document(const vault::Attestation& a) {
  return {{"kind", a.kind == vault::ProofKind::kProven ? "prove" : "verify"},
          {"success", a.success},
          {"time", format_utc(a.time)},
          {"duration_ms", a.duration_ms},
          {"size_bytes", a.size_bytes},
          {"summary", a.summary},
          {"findings", a.findings},
          {"facts", a.facts}};
}

ordered_json why_document(const jobs::WhyReport& report) {
  ordered_json attestations = ordered_json::array(), retention = ordered_json::array();
  for (const auto& a : report.attestations) attestations.push_back(attestation_document(a));
  for (const auto& line : report.retention)
    retention.push_back({{"id", line.id}, {"keep", line.keep}, {"reason", line.reason}});
  return {{"schema", "coffer.why/1"},
          {"point", point_document(report.point)},
          {"last_proven_of_cluster", report.last_proven},
          {"restores_to_bytes", report.plain_bytes},
          {"unique_stored_bytes", report.unique_stored_bytes},
          {"shared_stored_bytes", report.shared_stored_bytes},
          {"retention", std::move(retention)},
          {"checks", std::move(attestations)},
          {"sentences", report.sentences}};
}

std::string why_text(const jobs::WhyReport& report, WallTime now) {
  std::string text = report.point.manifest.id + "  " + std::string(vault::point_state_name(report.point.state)) +
                     (report.point.manifest.name.empty() ? "" : "  \"" + printable(report.point.manifest.name) + "\"") +
                     "\n\n";
  for (const std::string& sentence : report.sentences) text += printable_lines(sentence) + "\n";
  text += "\nrestores to " + human_bytes(report.plain_bytes) + "; forgetting it alone would free " +
          human_bytes(report.unique_stored_bytes) + "; it shares " + human_bytes(report.shared_stored_bytes) +
          " with other points\n";
  for (const auto& line : report.retention)
    text += "this policy would " + std::string(line.keep ? "keep it: " : "forget it: ") + line.reason + "\n";
  for (const auto& a : report.attestations) {
    text += std::string(a.kind == vault::ProofKind::kProven ? "prove " : "verify ") + age(a.time, now) + ": " +
            (a.success ? "" : "FAILED: ") + printable(a.summary) + "\n";
    for (const std::string& finding : a.findings) text += "    " + printable(finding) + "\n";
  }
  return text;
}

}  // namespace

Result<int> run_why_command(Invocation& invocation) {
  COFFER_TRY(vault::RetentionPolicy policy, retention_policy(invocation.arguments()));
  COFFER_TRY(std::string text, invocation.arguments().required("POINT"));
  COFFER_TRY(const vault::Vault* vault, invocation.vault());
  COFFER_TRY(vault::CommitLog * log, invocation.log());
  COFFER_TRY(std::string id, vault::resolve_point(log->state(), text));
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(jobs::WhyReport report, jobs::run_why(invocation.context(), *environment, *vault, id, policy));
  if (invocation.json())
    invocation.print_document(why_document(report));
  else
    invocation.print(why_text(report, invocation.world().clock.wall()));
  return kExitDone;
}

}  // namespace coffer::cli
