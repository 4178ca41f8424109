#include "engine/jobs/vault_access.h"

#include <algorithm>
#include <set>

#include "engine/vault/collector.h"
#include "engine/vault/points.h"

namespace coffer::jobs {

using namespace vault;

Result<std::unique_ptr<IndexSet>> open_index(const Context& context, const Environment& environment, const Vault& vault,
                                             const LogState& state) {
  COFFER_TRY(auto set, IndexSet::load(context, vault));
  if (auto doomed = tombstoned_packs(context, vault, state); doomed.ok()) {
    set->avoid(std::move(doomed).value());
  } else {
    environment.progress.note("a tombstone cannot be read: " + doomed.error().message);
  }
  for (const std::string& damaged : set->damaged())
    environment.progress.note("index " + damaged + " is damaged and is rebuilt from the packs");
  COFFER_TRY(std::vector<IndexedPack> covered, set->packs());
  std::set<PackId> known;
  for (const IndexedPack& p : covered) known.insert(p.id);
  bool missing = false;
  COFFER_CHECK_OK(vault.store().list(context, "packs/", [&](const store::ObjectInfo& info) {
    auto id = from_hex(std::string_view(info.key).substr(info.key.rfind('/') + 1));
    PackId pack{};
    if (id.ok() && id->size() == pack.size()) std::memcpy(pack.data(), id->data(), pack.size());
    missing = !known.contains(pack);
    return !missing;
  }));
  if (!missing) return set;
  COFFER_TRY(auto scratch, environment.files.open_directory(environment.scratch));
  COFFER_TRY(RebuildResult rebuilt, rebuild_index(context, vault, *scratch, covered));
  for (const auto& id : rebuilt.written) COFFER_CHECK_OK(set->add(context, id));
  for (const std::string& pack : rebuilt.unreadable) environment.progress.note("cannot index " + pack);
  if (rebuilt.packs > 0)
    environment.progress.note("indexed " + std::to_string(rebuilt.packs) + " packs that no index named (" +
                              std::to_string(rebuilt.chunks) + " chunks)");
  return set;
}

int tasks_for(const Environment& environment, const Vault& vault) {
  constexpr int kDistantTasks = 8;
  const int tasks = std::max(1, environment.jobs);
  return vault.store().capabilities().distant ? std::max(tasks, kDistantTasks) : tasks;
}

Result<std::optional<Manifest>> newest_point_of(const Context& context, const Vault& vault, const LogState& state,
                                                uint64_t system_identifier) {
  for (auto it = state.live.rbegin(); it != state.live.rend(); ++it) {
    COFFER_TRY(Manifest manifest, read_manifest(context, vault, state, it->id));
    if (manifest.system_identifier != system_identifier) continue;
    COFFER_TRY(std::vector<Attestation> attestations, read_attestations(context, vault, it->id));
    const auto conclusive = std::find_if(attestations.begin(), attestations.end(),
                                         [](const Attestation& a) { return !a.could_not_check(); });
    if (conclusive != attestations.end() && !conclusive->success) continue;
    return std::optional<Manifest>(std::move(manifest));
  }
  return std::optional<Manifest>();
}

}  // namespace coffer::jobs
