#include "engine/jobs/copy_packs.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/tasks.h"
#include "engine/jobs/vault_access.h"
#include "engine/vault/pack.h"
#include "engine/vault/put_checked.h"

namespace coffer::jobs {

using namespace vault;

namespace {

constexpr int kDistantTasks = 8;

class PackMover {
 public:
  PackMover(const Environment& env, const Vault& source, const Vault& mirror, const MirrorPacks& packs,
            const CopyNeeds& needs, const Manifest& manifest)
      : env_(env),
        source_(source),
        mirror_(mirror),
        damaged_(packs.damaged()),
        todo_(needs.packs.begin(), needs.packs.end()) {
    for (const WrittenPack& pack : manifest.packs) digests_[pack.id] = &pack;
  }

  Result<MovedPacks> run(const Context& context) {
    uint64_t total = 0;
    for (const auto& [id, size] : todo_) total += size;
    env_.progress.step("copy", total);
    int tasks = tasks_for(env_, mirror_);
    if (source_.store().capabilities().distant) tasks = std::max(tasks, kDistantTasks);
    std::atomic<size_t> next{0};
    TaskGroup group(context);
    for (int i = 0; i < tasks; ++i)
      group.spawn([&]() -> Status {
        for (size_t n; (n = next++) < todo_.size();) {
          COFFER_CHECK_OK(group.context().check());
          COFFER_CHECK_OK(move(group.context(), todo_[n].first, todo_[n].second));
        }
        return ok_status();
      });
    COFFER_CHECK_OK(group.wait());
    return std::move(moved_);
  }

 private:
  [[nodiscard]] Error of_source(Error error) const {
    return std::move(error).in("the source at " + source_.store().describe());
  }

  Status move(const Context& context, const PackId& id, uint64_t size) {
    const std::string key = pack_key(id);
    if (size == 0) {
      auto info = source_.store().head(context, key);
      if (!info.ok()) return of_source(std::move(info).error());
      size = info->size_bytes;
    }
    if (size > store::kObjectSizeMax)
      return of_source(Error{ErrorCode::kCorruption, key + " is larger than a pack may be", {}});
    // The sealed bytes, and once more as much while they are checked.
    COFFER_TRY(const auto share, env_.budget.take(context, 2 * size));
    auto sealed = source_.store().get(context, key, 0, size);
    if (!sealed.ok()) return of_source(std::move(sealed).error());
    auto check = check_sealed_pack(context, mirror_, id, *sealed);
    if (!check.ok()) return of_source(std::move(check).error());
    if (auto named = digests_.find(id); named != digests_.end()) {
      COFFER_TRY(const crypto::Digest256 digest, sealed_digest(*sealed));
      if (size != named->second->sealed_size_bytes || digest != named->second->digest)
        return of_source(Error{ErrorCode::kCorruption, key + " is not the pack that the manifest names", {}});
    }
    COFFER_TRY(const bool repaired, put(context, id, key, *sealed));
    env_.progress.advance(size);
    std::lock_guard lock(mutex_);
    moved_.packs.insert(id);
    moved_.bytes += size;
    moved_.chunks += check->chunks;
    moved_.repaired += repaired ? 1 : 0;
    return ok_status();
  }

  /// True when something damaged had to make room.
  Result<bool> put(const Context& context, const PackId& id, const std::string& key, ByteView sealed) {
    Status put = ok_status();
    if (!damaged_.contains(id)) {
      put = put_and_look(context, mirror_.store(), key, sealed);
      if (put.ok()) return false;
      if (put.code() != ErrorCode::kAlreadyExists) return std::move(put).error();
    }
    {
      auto there = mirror_.store().view(context, key);
      if (there.ok() && equal((*there)->bytes(), sealed)) return false;
      if (there.ok()) {
        auto sound = check_pack(context, mirror_, id);
        if (sound.ok())
          return Error{ErrorCode::kCorruption,
                       "the source at " + source_.store().describe() + " has other bytes as " + key +
                           " than were copied before, and both open",
                       "the source was altered: find out by whom; the copies that are here are not touched"};
        if (sound.code() != ErrorCode::kCorruption) return std::move(sound).error();
      } else if (there.code() != ErrorCode::kNotFound) {
        return std::move(there).error();
      }
    }
    env_.progress.note(key + " of the mirror is damaged or cut short and is replaced by the source's");
    COFFER_CHECK_OK(mirror_.store().remove(context, key));
    COFFER_CHECK_OK(put_and_look(context, mirror_.store(), key, sealed));
    return true;
  }

  const Environment& env_;
  const Vault& source_;
  const Vault& mirror_;
  const std::set<PackId>& damaged_;
  const std::vector<std::pair<PackId, uint64_t>> todo_;
  std::map<PackId, const WrittenPack*> digests_;
  std::mutex mutex_;
  MovedPacks moved_;
};

}  // namespace

Result<MovedPacks> move_packs(const Context& context, const Environment& environment, const Vault& source,
                              const Vault& mirror, const MirrorPacks& packs, const CopyNeeds& needs,
                              const Manifest& manifest) {
  return PackMover(environment, source, mirror, packs, needs, manifest).run(context);
}

}  // namespace coffer::jobs
