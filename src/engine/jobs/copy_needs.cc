#include "engine/jobs/copy_needs.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/tasks.h"
#include "engine/jobs/vault_access.h"
#include "engine/vault/chunk_reader.h"
#include "engine/vault/file_list.h"
#include "engine/vault/file_map.h"
#include "engine/vault/pack.h"
#include "engine/vault/pack_survey.h"
#include "engine/vault/points.h"

namespace coffer::jobs {

using namespace vault;

namespace {

constexpr size_t kBasePointsMax = 2;
constexpr size_t kBasePointsTriedMax = 16;

bool is_damage(const Error& error) {
  return error.code == ErrorCode::kCorruption || error.code == ErrorCode::kNotFound;
}

/// Calls `check` for each of `packs` on several tasks; gives those for which it told damage.
Result<std::set<PackId>> damaged_of(const Context& context, int tasks, const std::vector<PackId>& packs,
                                    const std::function<Status(const Context&, const PackId&)>& check) {
  std::set<PackId> damaged;
  std::mutex mutex;
  std::atomic<size_t> next{0};
  TaskGroup group(context);
  for (int i = 0; i < tasks; ++i)
    group.spawn([&]() -> Status {
      for (size_t n; (n = next++) < packs.size();) {
        COFFER_CHECK_OK(group.context().check());
        Status checked = check(group.context(), packs[n]);
        if (checked.ok()) continue;
        if (!is_damage(checked.error())) return checked;
        std::lock_guard lock(mutex);
        damaged.insert(packs[n]);
      }
      return ok_status();
    });
  COFFER_CHECK_OK(group.wait());
  return damaged;
}

}  // namespace

Result<std::unique_ptr<MirrorPacks>> MirrorPacks::open(const Context& context, const Environment& environment,
                                                       const Vault& mirror, const LogState& state,
                                                       const Manifest& manifest) {
  auto packs = std::unique_ptr<MirrorPacks>(new MirrorPacks(mirror));
  COFFER_TRY(packs->doomed_, tombstoned_packs(context, mirror, state));
  COFFER_TRY(packs->index_, IndexSet::load(context, mirror));
  for (const std::string& index : packs->index_->damaged())
    environment.progress.note("index " + index + " of the mirror is damaged and is rebuilt from the packs");
  COFFER_CHECK_OK(packs->look(context, environment, manifest));
  packs->avoid_unsound();
  return packs;
}

Status MirrorPacks::look(const Context& context, const Environment& environment, const Manifest& manifest) {
  COFFER_TRY(const PackTable listed, list_packs(context, mirror_));
  COFFER_TRY(const std::vector<IndexedPack> covered, index_->packs());
  std::set<PackId> named;
  for (const IndexedPack& pack : covered) {
    named.insert(pack.id);
    const auto there = listed.find(pack.id);
    if (there == listed.end() || there->second.sealed_size_bytes != pack.sealed_size_bytes) damaged_.insert(pack.id);
  }
  std::vector<PackId> uncovered, comparable;
  for (const auto& [id, facts] : listed)
    if (!named.contains(id) && !doomed_.contains(id)) uncovered.push_back(id);
  // Nobody vouches for what a killed copy left: its bytes may never have been read back.
  COFFER_TRY(std::set<PackId> bad, damaged_of(context, tasks_for(environment, mirror_), uncovered,
                                              [this](const Context& c, const PackId& id) -> Status {
                                                COFFER_CHECK_OK(check_pack(c, mirror_, id));
                                                return ok_status();
                                              }));
  damaged_.merge(bad);
  std::map<PackId, const WrittenPack*> digests;
  for (const WrittenPack& pack : manifest.packs)
    if (listed.contains(pack.id) && !doomed_.contains(pack.id)) {
      digests[pack.id] = &pack;
      comparable.push_back(pack.id);
    }
  COFFER_TRY(
      bad, damaged_of(context, tasks_for(environment, mirror_), comparable,
                      [&](const Context& c, const PackId& id) -> Status {
                        auto view = mirror_.store().view(c, pack_key(id));
                        if (!view.ok()) return std::move(view).error();
                        COFFER_TRY(const crypto::Digest256 digest, sealed_digest((*view)->bytes()));
                        if ((*view)->bytes().size() == digests[id]->sealed_size_bytes && digest == digests[id]->digest)
                          return ok_status();
                        return Error{ErrorCode::kCorruption, "other bytes than the manifest says", {}};
                      }));
  damaged_.merge(bad);
  return index_uncovered(context, environment);
}

Status MirrorPacks::index_uncovered(const Context& context, const Environment& environment) {
  COFFER_TRY(std::vector<IndexedPack> covered, index_->packs());
  for (const auto* unsound : {&doomed_, &damaged_})
    for (const PackId& id : *unsound) covered.push_back({id, 0});
  COFFER_TRY(auto scratch, environment.files.open_directory(environment.scratch));
  COFFER_TRY(const RebuildResult rebuilt, rebuild_index(context, mirror_, *scratch, covered));
  for (const auto& id : rebuilt.written) COFFER_CHECK_OK(index_->add(context, id));
  for (const std::string& pack : rebuilt.unreadable) environment.progress.note("cannot index " + pack);
  return ok_status();
}

void MirrorPacks::avoid_unsound() {
  std::set<PackId> unsound = doomed_;
  unsound.insert(damaged_.begin(), damaged_.end());
  index_->avoid(std::move(unsound));
}

Status MirrorPacks::read_all(const Context& context, const Environment& environment) {
  COFFER_TRY(const PackTable listed, list_packs(context, mirror_));
  std::vector<PackId> packs;
  for (const auto& [id, facts] : listed)
    if (!doomed_.contains(id)) packs.push_back(id);
  COFFER_TRY(std::set<PackId> bad,
             damaged_of(context, tasks_for(environment, mirror_), packs, [this](const Context& c, const PackId& id) {
               auto checked = check_pack(c, mirror_, id);
               return checked.ok() ? ok_status() : Status(std::move(checked).error());
             }));
  damaged_.merge(bad);
  avoid_unsound();
  return ok_status();
}

Status MirrorPacks::add_arrived(const Context& context, const Environment& environment,
                                const std::set<PackId>& arrived) {
  for (const PackId& id : arrived) damaged_.erase(id);
  COFFER_CHECK_OK(index_uncovered(context, environment));
  avoid_unsound();
  return ok_status();
}

Result<bool> MirrorPacks::has(const ChunkId& id) const {
  COFFER_TRY(const auto place, index_->find(id));
  return place && !doomed_.contains(place->pack) && !damaged_.contains(place->pack);
}

namespace {

/// Of the base's list: all blocks, and of those that the new point does not share the maps of the files in them.
Status add_known(const Context& context, ChunkReader& reader, const Manifest& base, const ChunkIds& shared_lists,
                 ChunkIds& known) {
  std::vector<ListBlockRef> differing;
  for (const ListBlockRef& block : base.list) {
    known.insert(block.id);
    if (!shared_lists.contains(block.id)) differing.push_back(block);
  }
  FileListReader list(reader, std::move(differing));
  return list.visit(context, [&](FileEntry&& entry) -> Status {
    if (entry.map_kind != MapKind::kBlock && entry.map_kind != MapKind::kRoot) return ok_status();
    known.insert(entry.map);
    if (entry.map_kind == MapKind::kBlock) return ok_status();
    COFFER_TRY(const ByteView root, reader.get(context, entry.map));
    COFFER_TRY(const auto blocks, decode_map_root(root));
    for (const MapBlockRef& block : blocks) known.insert(block.id);
    return ok_status();
  });
}

}  // namespace

Result<ChunkIds> known_blocks(const Context& context, const Vault& mirror, const MirrorPacks& packs,
                              const LogState& state, const Manifest& manifest) {
  ChunkIds known, lists;
  if (!packs.damaged().empty()) return known;
  for (const ListBlockRef& block : manifest.list) lists.insert(block.id);
  PackCache cache(mirror);
  ChunkReader reader(mirror, packs.index(), cache);
  size_t used = 0, tried = 0;
  for (auto it = state.live.rbegin(); it != state.live.rend() && used < kBasePointsMax; ++it) {
    if (++tried > kBasePointsTriedMax) break;
    auto base = read_manifest(context, mirror, state, it->id);
    if (!base.ok() || base->system_identifier != manifest.system_identifier) continue;
    ChunkIds of_base;
    auto added = add_known(context, reader, *base, lists, of_base);
    // A base that cannot be read is no base; what it shares with the new point is then looked at like everything else.
    if (!added.ok() && !is_damage(added.error())) return std::move(added).error();
    if (!added.ok()) continue;
    known.merge(of_base);
    ++used;
  }
  return known;
}

Result<CopyNeeds> find_needs(const Context& context, const Vault& source, const IndexSet& source_index,
                             const MirrorPacks& packs, const Manifest& manifest, ChunkIds known) {
  CopyNeeds needs;
  auto look = [&](const ChunkId& id) -> Status {
    COFFER_TRY(const bool there, packs.has(id));
    if (there) return ok_status();
    COFFER_TRY(const auto place, source_index.find(id));
    if (!place)
      return Error{ErrorCode::kNotFound, "chunk " + id.hex() + " is in no index of the source",
                   "run 'coffer verify --all' on the source, which rebuilds the index from the packs where it can"};
    if (packs.doomed().contains(place->pack))
      needs.reseal.insert(id);
    else
      needs.packs.try_emplace(place->pack, 0);
    return ok_status();
  };
  COFFER_CHECK_OK(mark_point(
      context, source, source_index, manifest, [&](const ChunkId& id) { return known.insert(id).second; }, look));
  COFFER_TRY(const std::vector<IndexedPack> indexed, source_index.packs());
  for (const IndexedPack& pack : indexed)
    if (auto needed = needs.packs.find(pack.id); needed != needs.packs.end()) needed->second = pack.sealed_size_bytes;
  return needs;
}

Status check_complete(const Context& context, const Vault& mirror, const MirrorPacks& packs, const Manifest& manifest,
                      ChunkIds known) {
  return mark_point(
      context, mirror, packs.index(), manifest, [&](const ChunkId& id) { return known.insert(id).second; },
      [&](const ChunkId& id) -> Status {
        COFFER_TRY(const bool there, packs.has(id));
        if (there) return ok_status();
        return Error{ErrorCode::kCorruption, "chunk " + id.hex() + " did not arrive", {}};
      });
}

}  // namespace coffer::jobs
