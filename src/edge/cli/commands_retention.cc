// forget, collect.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "edge/cli/commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/point_list.h"
#include "edge/cli/retention_options.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"
#include "engine/vault/collector.h"

namespace coffer::cli {

using nlohmann::ordered_json;

namespace {

constexpr uint64_t kKeepMax = 100'000;

struct ForgetPlan {
  std::vector<vault::RetentionLine> lines;
  std::string reason;    // for the log
  bool refused = false;  // a point that was named has to stay

  [[nodiscard]] uint64_t going() const {
    return static_cast<uint64_t>(std::count_if(lines.begin(), lines.end(), [](const auto& l) { return !l.keep; }));
  }
};

// From the log's times and the proofs beside the points. A point whose manifest does not open has no cluster to belong
// to, so policies leave it alone; it can be forgotten by name.
Result<std::vector<vault::RetentionPoint>> retention_points(Invocation& invocation, bool with_unreadable) {
  COFFER_TRY(PointList list, read_points(invocation));
  COFFER_TRY(vault::CommitLog * log, invocation.log());
  std::vector<vault::RetentionPoint> points;
  for (const auto& p : list.points) {
    const auto* committed = log->state().find(p.manifest.id);
    points.push_back({p.manifest.id, p.manifest.system_identifier,
                      committed == nullptr ? p.manifest.finished : committed->time, p.state});
  }
  for (const auto& [id, error] : list.damaged) {
    const auto* committed = log->state().find(id);
    if (with_unreadable && committed != nullptr)
      points.push_back({id, 0, committed->time, vault::PointState::kDamaged});
    if (!with_unreadable)
      invocation.progress().note("point " + id + " is left alone, its manifest does not open: " + error.message);
  }
  return points;
}

Result<ForgetPlan> make_plan(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  COFFER_TRY(vault::RetentionPolicy policy, retention_policy(arguments));
  const auto named = arguments.all("POINT");
  if (named.empty() == policy.empty())
    return Error{ErrorCode::kInvalidArgument,
                 named.empty() ? "nothing says which points to forget" : "name points or give a policy, not both",
                 "name them, or give --keep-daily 7 and the like; --dry-run changes nothing"};
  if (arguments.flag("even-last-proven") && named.empty())
    return Error{ErrorCode::kInvalidArgument,
                 "--even-last-proven goes with points that are named; no policy removes the last proof",
                 {}};
  COFFER_TRY(auto points, retention_points(invocation, !named.empty()));
  ForgetPlan plan;
  if (named.empty()) {
    plan.lines = vault::plan_retention(points, policy, invocation.world().clock.wall());
    plan.reason = "by policy";
    return plan;
  }
  COFFER_TRY(vault::CommitLog * log, invocation.log());
  std::vector<std::string> ids;
  for (const std::string& text : named) {
    COFFER_TRY(std::string id, vault::resolve_point(log->state(), text));
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(std::move(id));
  }
  plan.reason = "by name";
  for (auto& line : vault::plan_forget_by_id(points, ids, arguments.flag("even-last-proven"))) {
    const bool asked = std::find(ids.begin(), ids.end(), line.id) != ids.end();
    if (!asked) continue;  // of the others there is nothing to say
    plan.refused |= line.keep;
    plan.lines.push_back(std::move(line));
  }
  return plan;
}

void print_plan(Invocation& invocation, const ForgetPlan& plan, bool acted) {
  if (invocation.json()) {
    ordered_json lines = ordered_json::array();
    for (const auto& l : plan.lines) lines.push_back({{"id", l.id}, {"keep", l.keep}, {"reason", l.reason}});
    invocation.print_document(ordered_json{
        {"schema", "coffer.forget/1"}, {"done", acted}, {"forgets", plan.going()}, {"lines", std::move(lines)}});
    return;
  }
  if (acted) return invocation.print(counted(plan.going(), "point") + " forgotten; 'coffer collect' frees the space\n");
  TextTable table({{"POINT"}, {""}, {"WHY"}});
  for (const auto& l : plan.lines) table.add({l.id, l.keep ? "keep" : "FORGET", l.reason});
  invocation.print(table.text() + "\n" + counted(plan.going(), "point") + " to forget, " +
                   std::to_string(plan.lines.size() - plan.going()) + " to keep\n");
}

Result<bool> agreed(Invocation& invocation, const std::string& question) {
  if (invocation.arguments().flag("yes")) return true;
  if (invocation.json() || !invocation.world().prompter.available())
    return Error{ErrorCode::kInvalidArgument, "a confirmation is needed; nothing was changed",
                 "add --yes, or --dry-run to only look"};
  return invocation.world().prompter.confirm(question);
}

}  // namespace

Result<vault::RetentionPolicy> retention_policy(const Arguments& arguments) {
  vault::RetentionPolicy policy;
  if (auto text = arguments.text("keep-within")) {
    auto duration = parse_duration(*text);
    if (!duration.ok()) return std::move(duration).error().in("--keep-within");
    policy.keep_within = *duration;
  }
  const std::pair<const char*, uint32_t*> counts[] = {{"keep-last", &policy.keep_last},
                                                      {"keep-daily", &policy.keep_daily},
                                                      {"keep-weekly", &policy.keep_weekly},
                                                      {"keep-monthly", &policy.keep_monthly},
                                                      {"keep-yearly", &policy.keep_yearly}};
  for (const auto& [name, count] : counts) {
    if (auto text = arguments.text(name)) {
      COFFER_TRY(uint64_t number, parse_number(std::string("--") + name, *text, kKeepMax));
      *count = static_cast<uint32_t>(number);
    }
  }
  return policy;
}

Result<int> run_forget(Invocation& invocation) {
  COFFER_TRY(ForgetPlan plan, make_plan(invocation));
  const bool dry_run = invocation.arguments().flag("dry-run");
  if (!invocation.json() || dry_run || plan.refused || plan.going() == 0) print_plan(invocation, plan, false);
  if (plan.refused)
    return Error{ErrorCode::kConflict, "a point that was named is kept, so nothing was forgotten",
                 "prove a newer point first, or add --even-last-proven"};
  if (dry_run || plan.going() == 0) return kExitDone;
  COFFER_TRY(bool yes, agreed(invocation, "Forget " + counted(plan.going(), "point") + "?"));
  if (!yes) return Error{ErrorCode::kInvalidArgument, "not confirmed, nothing was changed", {}};
  COFFER_TRY(vault::CommitLog * log, invocation.log());
  for (const auto& line : plan.lines) {
    if (line.keep) continue;
    COFFER_CHECK_OK(vault::forget_point(invocation.context(), *log, line.id, plan.reason + ": " + line.reason));
  }
  print_plan(invocation, plan, true);
  return kExitDone;
}

Result<int> run_collect(Invocation& invocation) {
  vault::CollectOptions options;
  options.dry_run = invocation.arguments().flag("dry-run");
  if (auto text = invocation.arguments().text("grace")) {
    auto grace = parse_duration(*text);
    if (!grace.ok()) return std::move(grace).error().in("--grace");
    options.grace = *grace;
  }
  COFFER_TRY(const vault::Vault* vault, invocation.vault());
  COFFER_TRY(vault::CommitLog * log, invocation.log());
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(auto scratch, invocation.world().files.open_directory(environment->scratch));
  COFFER_TRY(vault::CollectResult r,
             vault::collect(invocation.context(), *vault, *log, *scratch, options, invocation.progress()));
  if (invocation.json()) {
    invocation.print_document(ordered_json{{"schema", "coffer.collect/1"},
                                           {"dry_run", options.dry_run},
                                           {"live_points", r.live_points},
                                           {"live_chunks", r.live_chunks},
                                           {"packs", r.packs_before},
                                           {"packs_marked", r.packs_tombstoned},
                                           {"bytes_marked", r.bytes_tombstoned},
                                           {"packs_removed", r.packs_removed},
                                           {"bytes_removed", r.bytes_removed},
                                           {"packs_rewritten", r.packs_rewritten},
                                           {"bytes_rewritten", r.bytes_rewritten},
                                           {"objects_removed", r.objects_removed},
                                           {"kept_because", r.kept_because}});
    return kExitDone;
  }
  const std::string would = options.dry_run ? "would be " : "";
  std::string text = counted(r.live_points, "point") + " need " + counted(r.live_chunks, "chunk") + "; " +
                     counted(r.packs_before, "pack") + " looked at\n" + would +
                     "removed: " + counted(r.packs_removed, "pack") + ", " + human_bytes(r.bytes_removed) + ", and " +
                     counted(r.objects_removed, "other object") + "\n" + would +
                     "marked for removal after the grace period: " + counted(r.packs_tombstoned, "pack") + ", " +
                     human_bytes(r.bytes_tombstoned) + "\n";
  if (r.packs_rewritten > 0)
    text += would + "rewritten: " + counted(r.packs_rewritten, "pack") + ", " + human_bytes(r.bytes_rewritten) + "\n";
  for (const std::string& reason : r.kept_because) text += "kept: " + printable(reason) + "\n";
  invocation.print(text);
  return kExitDone;
}

}  // namespace coffer::cli
