// escrow create, escrow check, escrow drill.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/new_file.h"
#include "edge/cli/commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"
#include "engine/jobs/escrow.h"
#include "engine/jobs/key_slots.h"

namespace coffer::cli {

using nlohmann::ordered_json;

namespace {

std::string share_text(const crypto::EscrowShare& share, const std::string& slot, const std::string& vault_uuid) {
  return "# share " + std::to_string(share.index) + " of " + std::to_string(share.count) + " of the escrow " + slot +
         " of vault " + vault_uuid + "\n# any " + std::to_string(share.threshold) +
         " of them open the vault: coffer recover --key escrow:FILE,FILE,...\n" + crypto::format_share(share) + "\n";
}

/// Writes each share to a file of its own, and reads it back.
Result<std::vector<std::string>> write_shares(Invocation& invocation, const crypto::EscrowSet& set,
                                              const std::string& slot, const std::string& vault_uuid) {
  COFFER_TRY(const std::string given, invocation.arguments().required("to"));
  const std::string folder = Invocation::absolute(given);
  World& world = invocation.world();
  COFFER_TRY(auto directory, world.files.create_directories(folder, 0700));
  std::vector<std::string> paths;
  for (const crypto::EscrowShare& share : set.shares) {
    const std::string name = slot + "-share-" + std::to_string(share.index) + "-of-" + std::to_string(share.count);
    std::string text = share_text(share, slot, vault_uuid);
    Status written = write_new_file(*directory, name, as_bytes(text));
    wipe({reinterpret_cast<std::byte*>(text.data()), text.size()});
    if (!written.ok() && written.code() == ErrorCode::kAlreadyExists)
      return Error{ErrorCode::kAlreadyExists, folder + "/" + name + " exists, and a share is never overwritten",
                   "name another folder"};
    if (!written.ok()) return std::move(written).error().in("writing " + folder + "/" + name);
    paths.push_back(folder + "/" + name);
  }
  return paths;
}

/// The first and the last quorum of what stands in the files open the keyset.
Status prove_quorums(Invocation& invocation, const std::vector<std::string>& paths, uint8_t threshold) {
  COFFER_TRY(store::ObjectStore * place, invocation.store());
  COFFER_TRY(const vault::VaultKeysets keysets, vault::Vault::inspect(invocation.context(), *place));
  for (size_t first : {size_t{0}, paths.size() - threshold}) {
    const auto begin = paths.begin() + static_cast<ptrdiff_t>(first);
    COFFER_TRY(auto shares, invocation.key_loader().load_shares({begin, begin + threshold}));
    COFFER_TRY(auto key, crypto::combine_escrow(std::move(shares)));
    COFFER_CHECK_OK(crypto::unlock_keyset(keysets.keysets.back(), keysets.encoded.back(), *key));
  }
  return ok_status();
}

ordered_json numbers_of(const std::vector<uint8_t>& numbers) {
  ordered_json list = ordered_json::array();
  for (uint8_t n : numbers) list.push_back(n);
  return list;
}

}  // namespace

Result<int> run_escrow_create(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  COFFER_TRY(const std::string name, arguments.required("NAME"));
  COFFER_CHECK_OK(check_slot_name(name));
  COFFER_CHECK_OK(arguments.required("to"));
  COFFER_TRY(const uint64_t count, parse_number("--shares", arguments.text("shares").value_or("5"), 255));
  COFFER_TRY(const uint64_t threshold, parse_number("--threshold", arguments.text("threshold").value_or("3"), 255));
  COFFER_TRY(vault::Vault * vault, invocation.vault());
  COFFER_TRY(crypto::EscrowSet set, crypto::make_escrow(static_cast<uint8_t>(threshold), static_cast<uint8_t>(count),
                                                        invocation.world().entropy));
  // The shares first: a slot whose shares were never written down would look like protection.
  COFFER_TRY(const auto paths, write_shares(invocation, set, name, vault->format().uuid));
  COFFER_CHECK_OK(jobs::add_key_slot(invocation.context(), *vault, {name, set.key.get()}));
  COFFER_CHECK_OK(prove_quorums(invocation, paths, static_cast<uint8_t>(threshold)));
  if (invocation.json()) {
    invocation.print_document(ordered_json{{"schema", "coffer.escrow/1"},
                                           {"slot", name},
                                           {"set", to_hex(set.shares.front().set)},
                                           {"threshold", threshold},
                                           {"shares", count},
                                           {"files", paths}});
    return kExitDone;
  }
  std::string text = "slot " + name + " opens with any " + std::to_string(threshold) + " of these:\n";
  for (const std::string& path : paths) text += "  " + path + "\n";
  invocation.print(text);
  invocation.warn(
      "THE SHARES ARE TOGETHER NOW. Together they are a key.",
      "give each to another holder, on paper or a stick, and remove the files; then try them: coffer escrow "
      "drill");
  return kExitDone;
}

Result<int> run_escrow_check(Invocation& invocation) {
  COFFER_TRY(store::ObjectStore * place, invocation.store());
  COFFER_TRY(const vault::VaultKeysets keysets, vault::Vault::inspect(invocation.context(), *place));
  const crypto::Keyset& keyset = keysets.keysets.back();
  TextTable table({{"SHARE"}, {"SET"}, {"SLOT"}, {"FILE"}});
  ordered_json lines = ordered_json::array();
  std::vector<crypto::EscrowShare> good;
  bool all_good = true;
  for (const std::string& path : invocation.arguments().all("SHARE")) {
    auto shares = invocation.key_loader().load_shares({path});
    std::string number = "-", set = "-", slot_name;
    std::string problem = shares.ok() ? "" : shares.error().message;
    if (shares.ok()) {
      const crypto::EscrowShare& share = shares->front();
      number = std::to_string(share.index) + " of " + std::to_string(share.count);
      set = to_hex(share.set);
      problem = "is of no escrow of this vault";
      for (const crypto::KeySlot& slot : keyset.slots) {
        auto info = crypto::escrow_slot_info(slot);
        if (!info.ok() || info->set != share.set) continue;
        slot_name = slot.name;
        problem = crypto::is_share_of(*info, share) ? "" : "is not what was handed out";
      }
    }
    all_good = all_good && problem.empty();
    table.add({number, set, problem.empty() ? slot_name : "WRONG: " + printable(problem), path});
    lines.push_back({{"file", path}, {"share", number}, {"set", set}, {"slot", slot_name}, {"problem", problem}});
    if (problem.empty()) good.push_back(std::move(shares->front()));
  }
  auto key = crypto::combine_escrow(std::move(good));
  Status opens = key.ok() ? ok_status() : Status(key.error());
  if (key.ok()) {
    auto root = crypto::unlock_keyset(keyset, keysets.encoded.back(), **key);
    if (!root.ok()) opens = std::move(root).error();
  }
  if (invocation.json()) {
    invocation.print_document(ordered_json{{"schema", "coffer.escrow-check/1"},
                                           {"opens", opens.ok()},
                                           {"problem", opens.ok() ? "" : opens.error().message},
                                           {"shares", std::move(lines)}});
  } else {
    invocation.print(table.text() + "\n" +
                     (opens.ok() ? std::string("together they open the vault\n")
                                 : "they do not open the vault: " + printable(opens.error().message) + "\n"));
  }
  return opens.ok() && all_good ? kExitDone : kExitFindings;
}

Result<int> run_escrow_drill_command(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  COFFER_TRY(store::ObjectStore * place, invocation.store());
  COFFER_TRY(auto shares, invocation.key_loader().load_shares(arguments.all("SHARE")));
  COFFER_TRY(auto again, invocation.key_loader().load_shares(arguments.all("SHARE")));
  COFFER_TRY(auto key, crypto::combine_escrow(std::move(again)));
  World& world = invocation.world();
  COFFER_TRY(auto vault, vault::Vault::open(invocation.context(), *place, world.clock, world.entropy, *key));
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(jobs::EscrowDrill drill, jobs::run_escrow_drill(invocation.context(), *environment, *vault, shares));
  const vault::Attestation& a = drill.attestation;
  if (invocation.json()) {
    invocation.print_document(ordered_json{{"schema", "coffer.escrow-drill/1"},
                                           {"slot", drill.slot},
                                           {"shares", numbers_of(drill.shares)},
                                           {"point", drill.point_id},
                                           {"success", a.success},
                                           {"summary", a.summary},
                                           {"findings", a.findings},
                                           {"time", format_utc(a.time)},
                                           {"duration_ms", a.duration_ms}});
  } else {
    std::string text = "escrow " + drill.slot + ", shares " + a.facts.at("shares") + ": " + a.summary + "\n";
    if (!drill.point_id.empty()) text += "  point " + drill.point_id + ", " + human_bytes(a.size_bytes) + " read\n";
    for (const std::string& finding : a.findings) text += "  FOUND: " + printable(finding) + "\n";
    invocation.print(text);
  }
  return a.success ? kExitDone : kExitFindings;
}

}  // namespace coffer::cli
