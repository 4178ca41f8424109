// copy: points of one vault into the mirror of it that somebody else keeps.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "edge/cli/commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/units.h"
#include "engine/jobs/copy.h"
#include "engine/vault/points.h"

namespace coffer::cli {

using nlohmann::ordered_json;

namespace {

/// The receiver's side: its store, its keys, its mirror of the source.
struct Receiver {
  std::unique_ptr<store::ObjectStore> store;
  std::vector<std::unique_ptr<crypto::SlotKey>> keys;
  std::unique_ptr<vault::Vault> mirror;
};

Result<Receiver> open_receiver(Invocation& invocation, const vault::Vault& source) {
  const auto texts = invocation.arguments().all("to-key");
  if (texts.empty())
    return Error{ErrorCode::kInvalidArgument, "the copies need a key of their own", "give --to-key [NAME=]KEY"};
  COFFER_TRY(const std::string place, invocation.arguments().required("to"));
  Receiver receiver;
  COFFER_TRY(receiver.store, invocation.open_place(place, "opening the place of the copies", true));
  if (receiver.store->describe() == source.store().describe())
    return Error{ErrorCode::kInvalidArgument, "--vault and --to are the same place", "copies belong somewhere else"};
  auto format = receiver.store->head(invocation.context(), "format");
  if (!format.ok() && format.code() != ErrorCode::kNotFound) return std::move(format).error();
  std::vector<vault::NewSlot> slots;
  for (const std::string& text : texts) {
    COFFER_TRY(NamedKeySource source_of_key, parse_named_key_source(text));
    COFFER_TRY(auto key, invocation.key_loader().load(source_of_key.source,
                                                      "slot '" + source_of_key.name + "' of " + place, !format.ok()));
    receiver.keys.push_back(std::move(key));
    slots.push_back({source_of_key.name, receiver.keys.back().get()});
  }
  World& world = invocation.world();
  COFFER_TRY(receiver.mirror,
             vault::open_mirror(invocation.context(), source, *receiver.store, world.clock, world.entropy, slots));
  return receiver;
}

struct Outcome {
  std::vector<jobs::CopyReport> copied;
  std::vector<std::pair<std::string, Error>> failed;
};

/// A point that cannot be copied stops no other one; a place that cannot be reached stops all.
bool concerns_one_point(const Error& error) {
  return error.code == ErrorCode::kCorruption || error.code == ErrorCode::kNotFound ||
         error.code == ErrorCode::kFailedPrecondition;
}

ordered_json document_of(const Outcome& outcome, const vault::Vault& source, const vault::Vault& mirror) {
  ordered_json points = ordered_json::array(), failed = ordered_json::array();
  for (const jobs::CopyReport& r : outcome.copied)
    points.push_back({{"point", r.manifest.id},
                      {"was_there", r.was_there},
                      {"copied_bytes", r.bytes_copied},
                      {"packs_copied", r.packs_copied},
                      {"packs_repaired", r.packs_repaired},
                      {"chunks_new", r.chunks_new},
                      {"verified", r.verified_all},
                      {"verify_ms", r.verify_ms},
                      {"duration_ms", r.duration_ms}});
  for (const auto& [id, error] : outcome.failed)
    failed.push_back({{"point", id}, {"code", error_code_name(error.code)}, {"problem", error.message}});
  return {{"schema", "coffer.copy/1"},       {"vault", mirror.format().uuid}, {"from", source.store().describe()},
          {"to", mirror.store().describe()}, {"points", std::move(points)},   {"failed", std::move(failed)}};
}

std::string text_of(const jobs::CopyReport& r) {
  std::string text = "point " + r.manifest.id;
  if (r.was_there)
    text += " was there already";
  else
    text +=
        ": " + human_bytes(r.bytes_copied) + " in " + counted(r.packs_copied, "pack") + ", in " + took(r.duration_ms);
  if (r.verified_all) text += ", every page read back";
  if (r.packs_repaired > 0) text += ", " + counted(r.packs_repaired, "damaged pack") + " replaced";
  return text + "\n";
}

/// Live in the source, and not in the mirror; what the mirror forgot stays forgotten.
Result<std::vector<std::string>> points_to_copy(Invocation& invocation, const vault::Vault& mirror) {
  const Arguments& arguments = invocation.arguments();
  COFFER_TRY(vault::CommitLog * log, invocation.log());
  std::vector<std::string> ids;
  for (const std::string& text : arguments.all("POINT")) {
    COFFER_TRY(std::string id, vault::resolve_point(log->state(), text));
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(std::move(id));
  }
  if (!arguments.flag("all")) return ids;
  COFFER_TRY(auto there, vault::CommitLog::load(invocation.context(), mirror));
  for (const auto& point : log->state().live) {
    if (there->state().find(point.id) == nullptr && there->state().ever_committed.contains(point.id))
      invocation.progress().note("point " + point.id + " was forgotten in the mirror and is left out");
    else
      ids.push_back(point.id);
  }
  return ids;
}

}  // namespace

Result<int> run_copy_command(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  if (arguments.all("POINT").empty() != arguments.flag("all"))
    return Error{ErrorCode::kInvalidArgument, "say which points to copy",
                 "name points (latest is one), or give --all for every point that is not there yet"};
  jobs::CopyOptions options;
  options.name = arguments.text("name").value_or("");
  options.again = arguments.flag("again");
  options.lease_source = !arguments.flag("no-lease");
  if (arguments.text("verify").value_or("all") == "new") options.verify = jobs::CopyOptions::Verify::kNew;
  COFFER_TRY(const vault::Vault* source, invocation.vault());
  COFFER_TRY(Receiver receiver, open_receiver(invocation, *source));
  COFFER_TRY(const std::vector<std::string> ids, points_to_copy(invocation, *receiver.mirror));
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  Outcome outcome;
  for (const std::string& id : ids) {
    options.point_id = id;
    auto report = jobs::run_copy(invocation.context(), *environment, *source, *receiver.mirror, options);
    if (!report.ok()) {
      if (ids.size() == 1 || !concerns_one_point(report.error())) return std::move(report).error();
      invocation.warn(report.error().message, report.error().next_step);
      outcome.failed.emplace_back(id, std::move(report).error());
      continue;
    }
    if (!invocation.json()) invocation.print(text_of(*report));
    outcome.copied.push_back(std::move(*report));
  }
  if (invocation.json())
    invocation.print_document(document_of(outcome, *source, *receiver.mirror));
  else if (ids.empty())
    invocation.print("there is nothing to copy\n");
  if (receiver.mirror->keysets().back().slots.size() < 2)
    invocation.warn("THE COPIES HAVE ONE KEY SLOT. Whoever loses that key loses every copy, for ever.",
                    "add a second one that somebody else keeps: coffer keys add NAME --new-key KEY --vault " +
                        arguments.text("to").value_or("PLACE"));
  return outcome.failed.empty() ? kExitDone : kExitFindings;
}

}  // namespace coffer::cli
