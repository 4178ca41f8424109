#include "engine/vault/collector.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "engine/crypto/digest.h"
#include "engine/vault/chunk_reader.h"
#include "engine/vault/chunk_writer.h"
#include "engine/vault/pack_survey.h"
#include "engine/vault/points.h"
#include "engine/vault/tombstone.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kPurpose = "collect";
constexpr int kIndexAttemptsMax = 10;
constexpr uint64_t kAnyTime = ~uint64_t{0};
constexpr uint64_t kRewriteBudget = 64 << 20;

std::string describe(const LeaseInfo& lease) {
  return "lease " + lease.id + " of " + lease.holder + " (" + lease.purpose + ") is running";
}

/// Whose packs no point names before it ends.
bool writes_points(const LeaseInfo& lease) { return lease.purpose == "backup" || lease.purpose == "copy"; }

bool has_passed(WallTime since, std::chrono::seconds grace, WallTime now) {
  return since <= now && now - since >= std::chrono::duration_cast<std::chrono::microseconds>(grace);
}

/// The second component of a key: "points/<id>/manifest" -> "<id>".
std::string second_component(std::string_view key) {
  const size_t begin = key.find('/') + 1;
  return std::string(key.substr(begin, key.find('/', begin) - begin));
}

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// The order of steps is the safety argument; each says what it relies on.
class Collection {
 public:
  Collection(const Context& context, const Vault& vault, CommitLog& log, Directory& scratch,
             const CollectOptions& options, Progress& progress)
      : context_(context), vault_(vault), log_(log), scratch_(scratch), options_(options), progress_(progress) {}

  Result<CollectResult> run();

 private:
  // Before the marks.
  Status list_objects();
  Status look_at_leases();
  Result<std::optional<std::string>> blocker(uint64_t log_index);
  Status choose_ripe_tombstones();
  Status choose_points();
  // The marks.
  Status load_index();
  Status read_tombstones();
  Status mark();
  // What follows from them.
  Status drop_reachable_tombstones();
  Status remove_ripe();
  Status scrub_indexes(const std::set<PackId>& packs);
  Status remove_packs(const std::set<PackId>& packs);
  Status remove_points();
  Status remove_leases();
  Status remove_lost_tombstones();
  Status bury_unreached();
  Status check_purge(const std::vector<IndexedPack>& unreached) const;
  Status read_forgotten_manifests();
  Status rewrite_sparse();
  Status copy_live_chunks(const std::set<PackId>& sparse, WriteSession& session);
  Status forget_old_places(const std::set<PackId>& sparse, const std::vector<crypto::ObjectId>& fresh);
  Status bury(const std::vector<IndexedPack>& packs);

  Result<uint64_t> append(LogEntryType type, const std::string& subject, ByteView body,
                          const std::function<Status(const LogState&)>& check = {}) {
    return log_.append(context_, type, subject, body, [&](const LogState& state) -> Status {
      COFFER_CHECK_OK(lease_->still_held(state));
      return check ? check(state) : ok_status();
    });
  }
  Status still_ours() {
    COFFER_CHECK_OK(log_.refresh(context_));
    return lease_->still_held(log_.state());
  }
  Status remove_object(const std::string& key) {
    COFFER_CHECK_OK(vault_.store().remove(context_, key));
    ++result_.objects_removed;
    return ok_status();
  }
  Status remove_all_below(const std::string& prefix);
  [[nodiscard]] bool is_doomed(const PackId& id) const { return doomed_.contains(id); }
  void set_doomed();
  [[nodiscard]] std::set<PackId> doomed_and(const std::set<PackId>& more) const {
    std::set<PackId> all = doomed_;
    all.insert(more.begin(), more.end());
    return all;
  }

  const Context& context_;
  const Vault& vault_;
  CommitLog& log_;
  Directory& scratch_;
  const CollectOptions& options_;
  Progress& progress_;
  CollectResult result_;

  std::unique_ptr<Lease> lease_;  // none in a dry run
  WallTime now_;
  PackTable packs_;
  std::set<std::string> listed_points_, listed_leases_, listed_tombstones_;
  std::vector<LeaseInfo> leases_;  // of others
  bool other_collector_ = false, writer_running_ = false;

  std::set<std::string> ripe_;  // tombstones whose grace has passed and that no lease blocks
  std::map<std::string, std::string> unripe_because_;
  std::vector<std::string> forgotten_to_remove_, uncommitted_to_remove_;

  LogState state_;  // what was marked
  bool something_was_forgotten_ = false;
  std::unique_ptr<IndexSet> index_;
  std::map<std::string, std::vector<IndexedPack>> open_;                         // open tombstones that could be read
  std::set<PackId> doomed_;                                                      // all packs of open_
  std::unordered_set<PackId, PackIdHash> of_live_points_, of_forgotten_points_;  // packs that manifests name as theirs
  SurveyResult survey_;
  std::unique_ptr<ExternalSorter> live_ids_;
};

/// Is there a forgotten point whose packs no collected tombstone can have named yet, or a tombstone that was dropped?
bool was_something_forgotten(const std::vector<LogEntry>& entries) {
  std::map<std::string, uint64_t> tombstones;
  uint64_t collected_up_to = 0;
  for (const LogEntry& entry : entries) {
    if (entry.type == LogEntryType::kTombstone) tombstones[entry.subject] = entry.index;
    if (entry.type == LogEntryType::kCollected) collected_up_to = std::max(collected_up_to, tombstones[entry.subject]);
  }
  return std::any_of(entries.begin(), entries.end(), [&](const LogEntry& entry) {
    return entry.index >= collected_up_to &&
           (entry.type == LogEntryType::kPointForgotten || entry.type == LogEntryType::kTombstoneDropped);
  });
}

Result<CollectResult> Collection::run() {
  COFFER_CHECK_OK(log_.refresh(context_));
  if (!options_.dry_run) {
    COFFER_TRY(lease_, Lease::acquire(context_, vault_, log_, std::string(kPurpose)));
  }
  now_ = vault_.clock().wall();
  progress_.step("list", 0);
  // Listings first, leases after them, the log last: what was listed and belongs to a job was put under a lease that is
  // seen now, or the job has ended and what it committed is in the log.
  COFFER_CHECK_OK(list_objects());
  COFFER_CHECK_OK(look_at_leases());
  if (!other_collector_) {
    COFFER_CHECK_OK(choose_ripe_tombstones());
    COFFER_CHECK_OK(choose_points());
    // From here on nobody can commit a point that needs a pack of a ripe tombstone: leases as old as it are over or
    // fenced, their commits are in this state; younger ones have seen it and adopt nothing of it.
    COFFER_CHECK_OK(log_.refresh(context_));
    state_ = log_.state();
    something_was_forgotten_ = was_something_forgotten(log_.entries());
    COFFER_CHECK_OK(load_index());
    COFFER_CHECK_OK(read_tombstones());
    COFFER_CHECK_OK(mark());
    COFFER_CHECK_OK(drop_reachable_tombstones());
    COFFER_CHECK_OK(remove_ripe());
    COFFER_CHECK_OK(remove_points());
    COFFER_CHECK_OK(remove_leases());
    COFFER_CHECK_OK(remove_lost_tombstones());
    COFFER_CHECK_OK(bury_unreached());
    COFFER_CHECK_OK(rewrite_sparse());
  }
  if (lease_) {
    if (auto released = lease_->release(context_); !released.ok()) {
      progress_.note("the collector's lease was not released and will expire: " + released.error().message);
    }
  }
  return std::move(result_);
}

Status Collection::list_objects() {
  COFFER_TRY(packs_, list_packs(context_, vault_));
  result_.packs_before = packs_.size();
  // Names that no program of ours gives are none of our business.
  auto list_names = [&](std::string_view prefix, std::set<std::string>& names, auto is_ours) {
    return vault_.store().list(context_, prefix, [&](const store::ObjectInfo& info) {
      std::string name = second_component(info.key);
      if (is_ours(name)) names.insert(std::move(name));
      return true;
    });
  };
  COFFER_CHECK_OK(list_names("points/", listed_points_, [](const std::string& name) { return is_point_id(name); }));
  COFFER_CHECK_OK(list_names("leases/", listed_leases_, [](const std::string& name) { return is_hex(name, 16); }));
  return list_names(kTombstonePrefix, listed_tombstones_, [](const std::string& name) { return is_hex(name, 32); });
}

Status Collection::look_at_leases() {
  COFFER_TRY(leases_, list_leases(context_, vault_));
  if (lease_) std::erase_if(leases_, [&](const LeaseInfo& lease) { return lease.id == lease_->id(); });
  std::set<std::string> unended;
  for (const LeaseInfo& lease : leases_) {
    unended.insert(lease.id);
    if (log_.state().fenced_leases.contains(lease.id)) continue;
    if (lease.expires > now_) {
      if (lease.purpose == kPurpose) {
        // Two collectors that each rely on what the other removes would be one proof too few.
        other_collector_ = true;
        result_.kept_because.push_back(describe(lease));
      }
      if (writes_points(lease)) writer_running_ = true;
    } else if (lease_ && (lease.purpose == kPurpose || has_passed(lease.expires, options_.grace, now_))) {
      COFFER_CHECK_OK(append(LogEntryType::kLeaseFenced, lease.id, {}));
    }
  }
  // What is left are the leases to clean away: released ones, and (below) fenced ones.
  std::erase_if(listed_leases_, [&](const std::string& id) {
    return (lease_ && id == lease_->id()) || (unended.contains(id) && !log_.state().fenced_leases.contains(id));
  });
  return ok_status();
}

/// What of the leases stands against removing something that was given up at `log_index`. Expired ones are fenced:
/// after that their holders cannot commit, whatever their clocks say.
Result<std::optional<std::string>> Collection::blocker(uint64_t log_index) {
  std::vector<const LeaseInfo*> expired;
  for (const LeaseInfo& lease : leases_) {
    if (lease.log_size > log_index || log_.state().fenced_leases.contains(lease.id)) continue;
    if (lease.expires > now_) return std::optional<std::string>(describe(lease));
    expired.push_back(&lease);
  }
  if (lease_) {
    for (const LeaseInfo* lease : expired) COFFER_CHECK_OK(append(LogEntryType::kLeaseFenced, lease->id, {}));
  }
  return std::optional<std::string>{};
}

Status Collection::choose_ripe_tombstones() {
  const auto open = log_.state().open_tombstones;  // a copy: fencing moves the state on
  for (const LogState::Tombstone& tombstone : open) {
    if (!has_passed(tombstone.time, options_.grace, now_)) {
      unripe_because_[tombstone.id] = "grace ends " + format_utc(tombstone.time + options_.grace);
      continue;
    }
    COFFER_TRY(auto because, blocker(tombstone.log_index));
    if (because) {
      unripe_because_[tombstone.id] = std::move(*because);
    } else {
      ripe_.insert(tombstone.id);
    }
  }
  return ok_status();
}

Status Collection::choose_points() {
  struct Forgotten {
    uint64_t log_index = 0;
    WallTime time;
  };
  std::map<std::string, Forgotten> forgotten;
  for (const LogEntry& entry : log_.entries()) {
    if (entry.type == LogEntryType::kPointForgotten) forgotten[entry.subject] = {entry.index, entry.time};
  }
  for (const std::string& id : listed_points_) {
    if (log_.state().find(id) != nullptr) continue;
    if (!log_.state().ever_committed.contains(id)) {
      // The manifest of a job that ended before its commit. While any lease runs, it may be about to commit.
      COFFER_TRY(const auto because, blocker(kAnyTime));
      if (!because) uncommitted_to_remove_.push_back(id);
      continue;
    }
    const auto entry = forgotten.find(id);
    if (entry == forgotten.end()) continue;
    if (!has_passed(entry->second.time, options_.grace, now_)) {
      result_.kept_because.push_back("point " + id + ": grace ends " + format_utc(entry->second.time + options_.grace));
      continue;
    }
    COFFER_TRY(const auto because, blocker(entry->second.log_index));
    if (because) {
      result_.kept_because.push_back("point " + id + ": " + *because);
    } else {
      forgotten_to_remove_.push_back(id);
    }
  }
  return ok_status();
}

Status Collection::load_index() {
  COFFER_TRY(index_, IndexSet::load(context_, vault_));
  if (index_->damaged().empty()) return ok_status();
  return Error{ErrorCode::kCorruption, "nothing is collected while an index is damaged: " + index_->damaged().front(),
               "run 'coffer verify --all', which names the damage and rebuilds indexes from packs"};
}

Status Collection::read_tombstones() {
  for (const LogState::Tombstone& tombstone : state_.open_tombstones) {
    auto packs = read_tombstone(context_, vault_, tombstone);
    if (packs.ok()) {
      open_[tombstone.id] = std::move(packs).value();
    } else if (packs.code() == ErrorCode::kNotFound || packs.code() == ErrorCode::kCorruption) {
      // Without its list nothing can be removed in its name. What it named is found again.
      progress_.note("tombstone " + tombstone.id + " cannot be read and is dropped: " + packs.error().message);
      if (lease_) COFFER_CHECK_OK(append(LogEntryType::kTombstoneDropped, tombstone.id, {}));
    } else {
      return std::move(packs).error();
    }
  }
  set_doomed();
  return ok_status();
}

void Collection::set_doomed() {
  doomed_.clear();
  for (const auto& [id, packs] : open_) {
    for (const IndexedPack& pack : packs) doomed_.insert(pack.id);
  }
  index_->avoid(doomed_);
}

/// What a live point needs and the store does not have is damage here, not a wrong name.
Error as_damage(Error error) {
  if (error.code != ErrorCode::kNotFound) return error;
  error.code = ErrorCode::kCorruption;
  return std::move(error)
      .in("nothing is collected while an object is missing")
      .advise("run 'coffer verify --all', which names the points");
}

Status Collection::mark() {
  progress_.step("mark", 0);
  ExternalSorter ids(scratch_, options_.sort_memory_bytes);
  {
    // Ids of list blocks, map roots and map blocks, whole ids: taking two for one would lose marks. About 64 bytes for
    // each 8 MiB of distinct file content.
    std::unordered_set<ChunkId, ChunkIdHash> seen;
    for (const LogState::Committed& point : state_.live) {
      const auto manifest = read_manifest(context_, vault_, state_, point.id);
      if (!manifest.ok()) return as_damage(manifest.error());
      for (const WrittenPack& pack : manifest->packs) of_live_points_.insert(pack.id);
      auto marked = mark_point(
          context_, vault_, *index_, *manifest, [&](const ChunkId& id) { return seen.insert(id).second; },
          [&](const ChunkId& id) { return ids.add(id.bytes); });
      if (!marked.ok()) return as_damage(std::move(marked).error());
      ++result_.live_points;
    }
  }
  progress_.step("compare with the packs", 0);
  if (options_.rewrite_below > 0) live_ids_ = std::make_unique<ExternalSorter>(scratch_, options_.sort_memory_bytes);
  COFFER_TRY(auto sorted, ids.finish());
  UniqueIds live(*sorted);
  COFFER_TRY(survey_, survey_packs(context_, vault_, *index_, live, doomed_, packs_, live_ids_.get()));
  result_.live_chunks = survey_.live_chunks;
  if (survey_.missing_chunks == 0) return ok_status();
  return Error{ErrorCode::kCorruption,
               std::to_string(survey_.missing_chunks) +
                   " chunks that live points need are in no pack that is there, the first is " +
                   survey_.first_missing.hex() + "; nothing was removed",
               "run 'coffer verify --all', which names the points and rebuilds indexes from packs"};
}

Status Collection::drop_reachable_tombstones() {
  bool changed = false;
  for (auto it = open_.begin(); it != open_.end();) {
    const bool reachable = std::any_of(it->second.begin(), it->second.end(),
                                       [&](const IndexedPack& pack) { return survey_.rescued.contains(pack.id); });
    if (!reachable) {
      ++it;
      continue;
    }
    // The rest of it is unreached as before and gets a new tombstone, with a new grace period, in this run.
    if (lease_) COFFER_CHECK_OK(append(LogEntryType::kTombstoneDropped, it->first, {}));
    if (lease_) COFFER_CHECK_OK(remove_object(tombstone_key(it->first)));
    result_.kept_because.push_back("tombstone " + it->first + ": a point that was committed since needs a pack of it");
    it = open_.erase(it);
    changed = true;
  }
  if (changed) set_doomed();
  return ok_status();
}

Status Collection::remove_ripe() {
  std::set<PackId> packs;
  std::vector<std::string> ended;
  for (const auto& [id, named] : open_) {
    if (!ripe_.contains(id)) {
      const auto because = unripe_because_.find(id);
      result_.kept_because.push_back(
          "tombstone " + id + ": " +
          (because != unripe_because_.end() ? because->second : "it was set during this run"));
      continue;
    }
    ended.push_back(id);
    for (const IndexedPack& pack : named) packs.insert(pack.id);
  }
  for (const PackId& id : packs) {
    const auto facts = packs_.find(id);
    if (facts == packs_.end() || !facts->second.present) continue;
    ++result_.packs_removed;
    result_.bytes_removed += facts->second.sealed_size_bytes;
  }
  if (!lease_) return ok_status();

  // Indexes first, so that whoever opens them from now on is led to no pack that goes; entries of packs that are long
  // gone (an index was published by somebody who died) go with them.
  std::set<PackId> unnamed = packs;
  unnamed.insert(survey_.gone.begin(), survey_.gone.end());
  if (unnamed.empty() && ended.empty()) return ok_status();
  progress_.step("remove", result_.bytes_removed);
  COFFER_CHECK_OK(scrub_indexes(unnamed));
  COFFER_CHECK_OK(still_ours());
  COFFER_CHECK_OK(remove_packs(packs));
  // A merge or rebuild that ran beside us may have published an index with these packs since; see index.h.
  COFFER_TRY(index_, IndexSet::load(context_, vault_));
  index_->avoid(doomed_);
  COFFER_CHECK_OK(scrub_indexes(unnamed));
  for (const std::string& id : ended) {
    COFFER_CHECK_OK(append(LogEntryType::kCollected, id, {}));
    COFFER_CHECK_OK(remove_object(tombstone_key(id)));
    open_.erase(id);
  }
  set_doomed();
  return ok_status();
}

/// Does any entry lie in one of these packs? The index's own list of packs is not asked alone: an index made from an
/// incomplete one does not list all.
Result<bool> mentions(const IndexReader& index, const std::set<PackId>& packs) {
  COFFER_TRY(const auto listed, index.packs());
  for (const IndexedPack& pack : listed) {
    if (packs.contains(pack.id)) return true;
  }
  auto cursor = index.cursor();
  while (true) {
    COFFER_TRY(const auto entry, cursor->next());
    if (!entry) return false;
    if (packs.contains(entry->place.pack)) return true;
  }
}

Status Collection::scrub_indexes(const std::set<PackId>& packs) {
  if (packs.empty()) return ok_status();
  for (int attempt = 1;; ++attempt) {
    std::optional<Error> failed;
    auto rewritten =
        rewrite_indexes(context_, vault_, *index_,
                        {.concerns =
                             [&](const IndexReader& index) {
                               auto found = mentions(index, packs);
                               if (!found.ok()) failed = found.error();
                               return found.ok() && *found;
                             },
                         .keep = [&](const IndexEntry& entry) { return !packs.contains(entry.place.pack); },
                         .leave_out = packs,
                         .replaced = {}});
    if (failed) return std::move(*failed);
    if (rewritten.ok()) {
      result_.objects_removed += rewritten->removed;
      return ok_status();
    }
    if (rewritten.code() != ErrorCode::kConflict || attempt == kIndexAttemptsMax) return std::move(rewritten).error();
    COFFER_TRY(index_, IndexSet::load(context_, vault_));
    index_->avoid(doomed_);
  }
}

Status Collection::remove_packs(const std::set<PackId>& packs) {
  for (const PackId& id : packs) {
    COFFER_CHECK_OK(context_.check());
    COFFER_CHECK_OK(lease_->still_held(log_.state()));
    COFFER_CHECK_OK(vault_.store().remove(context_, pack_key(id)));
    const auto facts = packs_.find(id);
    if (facts == packs_.end()) continue;
    progress_.advance(facts->second.sealed_size_bytes);
    packs_.erase(facts);
  }
  return ok_status();
}

Status Collection::remove_all_below(const std::string& prefix) {
  std::vector<std::string> keys;
  COFFER_CHECK_OK(vault_.store().list(context_, prefix, [&](const store::ObjectInfo& info) {
    keys.push_back(info.key);
    return true;
  }));
  // Ascending: of a lease the last object goes last, and no older one speaks for it again.
  for (const std::string& key : keys) COFFER_CHECK_OK(remove_object(key));
  return ok_status();
}

Status Collection::remove_points() {
  if (!lease_) return ok_status();
  for (const auto* ids : {&forgotten_to_remove_, &uncommitted_to_remove_}) {
    for (const std::string& id : *ids) {
      const bool wanted =
          state_.find(id) != nullptr || (ids == &uncommitted_to_remove_ && state_.ever_committed.contains(id));
      if (!wanted) COFFER_CHECK_OK(remove_all_below("points/" + id + "/"));
    }
  }
  return ok_status();
}

Status Collection::remove_leases() {
  if (!lease_) return ok_status();
  for (const std::string& id : listed_leases_) COFFER_CHECK_OK(remove_all_below("leases/" + id + "/"));
  return ok_status();
}

Status Collection::remove_lost_tombstones() {
  if (!lease_) return ok_status();
  for (const std::string& id : listed_tombstones_) {
    const bool open = std::any_of(log_.state().open_tombstones.begin(), log_.state().open_tombstones.end(),
                                  [&](const LogState::Tombstone& tombstone) { return tombstone.id == id; });
    if (!open) COFFER_CHECK_OK(remove_object(tombstone_key(id)));
  }
  return ok_status();
}

Status Collection::read_forgotten_manifests() {
  for (const std::string& id : listed_points_) {
    if (state_.find(id) != nullptr || !state_.ever_committed.contains(id)) continue;
    auto plain = vault_.get_sealed(context_, manifest_key(id), crypto::ObjectKind::kManifest);
    if (!plain.ok()) continue;  // it only tells which packs are surely nobody's new ones
    auto manifest = decode_manifest(*plain);
    if (!manifest.ok()) continue;
    for (const WrittenPack& pack : manifest->packs) of_forgotten_points_.insert(pack.id);
  }
  return ok_status();
}

Status Collection::bury_unreached() {
  if (writer_running_) COFFER_CHECK_OK(read_forgotten_manifests());
  std::vector<IndexedPack> unreached;
  bool left_alone = false;
  for (const auto& [id, facts] : packs_) {
    if (!facts.listed || facts.live_bytes > 0 || is_doomed(id)) continue;
    // What no manifest names may be the work of a backup or copy that runs now.
    if (writer_running_ && !of_live_points_.contains(id) && !of_forgotten_points_.contains(id)) {
      left_alone = true;
      continue;
    }
    unreached.push_back({id, facts.sealed_size_bytes});
  }
  if (left_alone) {
    for (const LeaseInfo& lease : leases_) {
      if (writes_points(lease) && lease.expires > now_) {
        result_.kept_because.push_back(describe(lease) + ": packs that no point names yet are left alone");
      }
    }
  }
  COFFER_CHECK_OK(check_purge(unreached));
  return bury(unreached);
}

/// No purge when no point was removed: that would say that the marks are wrong, not that the packs are unneeded.
Status Collection::check_purge(const std::vector<IndexedPack>& unreached) const {
  if (of_live_points_.empty() || something_was_forgotten_) return ok_status();
  constexpr double kShareMax = 0.5;
  const auto count = std::count_if(unreached.begin(), unreached.end(),
                                   [&](const IndexedPack& pack) { return of_live_points_.contains(pack.id); });
  if (static_cast<double>(count) <= kShareMax * static_cast<double>(of_live_points_.size())) return ok_status();
  return Error{ErrorCode::kFailedPrecondition,
               std::to_string(count) + " of " + std::to_string(of_live_points_.size()) +
                   " packs that live points wrote seem unneeded although no point was forgotten; nothing was given up",
               "run 'coffer verify --all'; if it finds nothing, report this"};
}

Status Collection::bury(const std::vector<IndexedPack>& packs) {
  if (packs.empty()) return ok_status();
  result_.packs_tombstoned += packs.size();
  for (const IndexedPack& pack : packs) result_.bytes_tombstoned += pack.sealed_size_bytes;
  if (!lease_) return ok_status();
  const std::string id = to_hex(vault_.entropy().array<16>());
  const Bytes plain = encode_tombstone(packs);
  COFFER_CHECK_OK(vault_.put_sealed(context_, tombstone_key(id), crypto::ObjectKind::kTombstone, plain));
  COFFER_CHECK_OK(append(LogEntryType::kTombstone, id, crypto::sha256(plain)));
  open_[id] = packs;
  set_doomed();
  return ok_status();
}

Status Collection::rewrite_sparse() {
  if (!live_ids_) return ok_status();
  std::set<PackId> sparse;
  std::vector<IndexedPack> buried;
  for (const auto& [id, facts] : packs_) {
    if (!facts.listed || facts.live_bytes == 0 || facts.old_epoch || is_doomed(id)) continue;
    if (static_cast<double>(facts.live_bytes) >= options_.rewrite_below * static_cast<double>(facts.total_bytes))
      continue;
    sparse.insert(id);
    buried.push_back({id, facts.sealed_size_bytes});
    ++result_.packs_rewritten;
    result_.bytes_rewritten += facts.live_bytes;
  }
  if (sparse.empty()) return ok_status();
  if (!lease_) return bury(buried);

  progress_.step("rewrite", result_.bytes_rewritten);
  index_->avoid(doomed_and(sparse));
  std::vector<crypto::ObjectId> fresh;
  {
    ByteBudget budget(kRewriteBudget);
    WriteSession session(context_, vault_, *index_, budget, {}, doomed_and(sparse));
    COFFER_CHECK_OK(copy_live_chunks(sparse, session));
    COFFER_CHECK_OK(session.finish(context_));
    fresh = session.indexes();
  }
  COFFER_CHECK_OK(forget_old_places(sparse, fresh));
  return bury(buried);
}

Status Collection::copy_live_chunks(const std::set<PackId>& sparse, WriteSession& session) {
  ExternalSorter to_copy(scratch_, options_.sort_memory_bytes);  // pack, frame, offset, id: each frame is read once
  {
    COFFER_TRY(auto sorted, live_ids_->finish());
    UniqueIds live(*sorted);
    PlacesById indexed(index_->cursor());
    ChunkId id;
    std::vector<ChunkPlace> places;
    COFFER_TRY(auto needed, live.next());
    while (needed) {
      COFFER_TRY(const bool more, indexed.next(id, places));
      if (!more) break;
      while (needed && *needed < id) {
        COFFER_TRY(needed, live.next());
      }
      if (!needed || *needed != id) continue;
      const bool elsewhere = std::any_of(places.begin(), places.end(), [&](const ChunkPlace& place) {
        const auto facts = packs_.find(place.pack);
        return !sparse.contains(place.pack) && !is_doomed(place.pack) && facts != packs_.end() && facts->second.present;
      });
      const auto place =
          std::find_if(places.begin(), places.end(), [&](const ChunkPlace& p) { return sparse.contains(p.pack); });
      if (elsewhere || place == places.end()) continue;
      Bytes record = to_bytes(place->pack);
      ByteWriter w(record);
      w.u32(place->frame_offset);
      w.u32(place->offset_in_frame);
      w.bytes(id.bytes);
      COFFER_CHECK_OK(to_copy.add(record));
    }
  }
  PackCache packs(vault_);
  ChunkReader reader(vault_, *index_, packs);
  ChunkWriter writer(session);
  COFFER_TRY(auto sorted, to_copy.finish());
  while (true) {
    COFFER_TRY(const auto record, sorted->next());
    if (!record) break;
    COFFER_CHECK_OK(context_.check());
    ChunkId id;
    std::copy_n(record->end() - static_cast<ptrdiff_t>(id.bytes.size()), id.bytes.size(), id.bytes.begin());
    COFFER_TRY(const ByteView plain, reader.get(context_, id));
    COFFER_TRY(const ChunkId copied, writer.put(context_, plain));
    if (copied != id) return Error{ErrorCode::kInternal, "chunk " + id.hex() + " was copied under another id", {}};
    progress_.advance(plain.size());
  }
  return writer.close(context_);
}

/// Of the chunks that now lie in two packs the index keeps the new place, so that jobs that begin after the tombstone
/// do not read from a pack that may go while they run. Entries of unneeded chunks stay: a backup that runs may have
/// adopted one.
Status Collection::forget_old_places(const std::set<PackId>& sparse, const std::vector<crypto::ObjectId>& fresh) {
  const std::set<crypto::ObjectId> fresh_groups(fresh.begin(), fresh.end());  // a group has the name of its first part
  for (int attempt = 1;; ++attempt) {
    std::optional<Error> failed;
    auto rewritten = rewrite_indexes(context_, vault_, *index_,
                                     {.concerns =
                                          [&](const IndexReader& index) {
                                            if (fresh_groups.contains(index.part().group)) return true;
                                            auto found = mentions(index, sparse);
                                            if (!found.ok()) failed = found.error();
                                            return found.ok() && *found;
                                          },
                                      .keep = {},
                                      .leave_out = {},
                                      .replaced = sparse});
    if (failed) return std::move(*failed);
    if (rewritten.ok()) {
      result_.objects_removed += rewritten->removed;
      return ok_status();
    }
    if (rewritten.code() != ErrorCode::kConflict || attempt == kIndexAttemptsMax) return std::move(rewritten).error();
    COFFER_TRY(index_, IndexSet::load(context_, vault_));
    index_->avoid(doomed_and(sparse));
  }
}

}  // namespace

Result<CollectResult> collect(const Context& context, const Vault& vault, CommitLog& log, Directory& scratch,
                              const CollectOptions& options, Progress& progress) {
  return Collection(context, vault, log, scratch, options, progress).run();
}

}  // namespace coffer::vault
