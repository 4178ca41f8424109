// Many index objects as one: the set, merging, rewriting, and making them anew from packs.
#include "engine/vault/index.h"

#include <algorithm>
#include <map>
#include <queue>
#include <shared_mutex>
#include <utility>

#include "engine/vault/external_sorter.h"
#include "engine/vault/pack.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kIndexPrefix = "index/";
constexpr std::string_view kPacksPrefix = "packs/";
constexpr int kLoadAttemptsMax = 10;
constexpr int kRebuildAttemptsMax = 3;
constexpr size_t kRebuildSortMemory = 32 << 20;

/// The id that is the last component of a key; nothing for names that no program of ours gives.
std::optional<crypto::ObjectId> id_of_key(std::string_view key) {
  auto bytes = from_hex(key.substr(key.rfind('/') + 1));
  crypto::ObjectId id{};
  if (!bytes.ok() || bytes->size() != id.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), id.begin());
  return id;
}

Result<std::vector<crypto::ObjectId>> list_indexes(const Context& context, const Vault& vault) {
  std::vector<crypto::ObjectId> ids;
  COFFER_CHECK_OK(vault.store().list(context, kIndexPrefix, [&](const store::ObjectInfo& info) {
    const auto id = id_of_key(info.key);
    if (id && index_key(*id) == info.key) ids.push_back(*id);
    return true;
  }));
  return ids;
}

struct Loaded {
  crypto::ObjectId id{};
  std::shared_ptr<const IndexReader> reader;
};
using LoadedList = std::vector<Loaded>;

/// Merges cursors; equal entries come in the order of their cursors.
class MergeCursor final : public IndexCursor {
 public:
  explicit MergeCursor(LoadedList indexes) : indexes_(std::move(indexes)) {
    for (const Loaded& index : indexes_) sources_.push_back({index.reader->cursor(), {}});
  }
  Result<std::optional<IndexEntry>> next() override {
    if (!begun_) {
      begun_ = true;
      for (size_t i = 0; i < sources_.size(); ++i) COFFER_CHECK_OK(advance(i));
    } else if (last_ != kNone) {
      COFFER_CHECK_OK(advance(std::exchange(last_, kNone)));
    }
    if (heap_.empty()) return std::optional<IndexEntry>{};
    last_ = heap_.top();
    heap_.pop();
    return std::optional<IndexEntry>(sources_[last_].head);
  }

 private:
  static constexpr size_t kNone = ~size_t{0};
  struct Source {
    std::unique_ptr<IndexCursor> cursor;
    IndexEntry head;
  };
  struct Later {
    const std::vector<Source>* sources;
    bool operator()(size_t a, size_t b) const {
      const IndexEntry& x = (*sources)[a].head;
      const IndexEntry& y = (*sources)[b].head;
      if (comes_before(x, y) || comes_before(y, x)) return comes_before(y, x);
      return a > b;
    }
  };
  Status advance(size_t i) {
    COFFER_TRY(const auto entry, sources_[i].cursor->next());
    if (!entry) return ok_status();
    sources_[i].head = *entry;
    heap_.push(i);
    return ok_status();
  }
  LoadedList indexes_;
  std::vector<Source> sources_;
  std::priority_queue<size_t, std::vector<size_t>, Later> heap_{Later{&sources_}};
  bool begun_ = false;
  size_t last_ = kNone;
};

/// The groups of which every part is among `indexes`.
std::set<crypto::ObjectId> complete_groups(const LoadedList& indexes) {
  struct Seen {
    std::set<uint32_t> numbers;
    std::optional<uint32_t> last;
  };
  std::map<crypto::ObjectId, Seen> groups;
  for (const Loaded& index : indexes) {
    const IndexReader::Part part = index.reader->part();
    Seen& seen = groups[part.group];
    seen.numbers.insert(part.number);
    if (part.last) seen.last = part.number;
  }
  std::set<crypto::ObjectId> complete;
  for (const auto& [group, seen] : groups) {
    if (seen.last && seen.numbers.size() == size_t{*seen.last} + 1 && *seen.numbers.rbegin() == *seen.last) {
      complete.insert(group);
    }
  }
  return complete;
}

Result<std::vector<IndexedPack>> packs_of(const LoadedList& indexes) {
  const auto complete = complete_groups(indexes);
  std::map<PackId, uint64_t> sizes;
  for (const Loaded& index : indexes) {
    if (!complete.contains(index.reader->part().group)) continue;
    COFFER_TRY(const auto packs, index.reader->packs());
    for (const IndexedPack& pack : packs) sizes.emplace(pack.id, pack.sealed_size_bytes);
  }
  std::vector<IndexedPack> all;
  all.reserve(sizes.size());
  for (const auto& [id, size] : sizes) all.push_back({id, size});
  return all;
}

class LoadedSet final : public IndexSet {
 public:
  explicit LoadedSet(const Vault& vault) : vault_(vault) {}

  Status reload(const Context& context);
  Result<std::optional<ChunkPlace>> find(const ChunkId& id) const override;
  void avoid(std::set<PackId> packs) override {
    auto shared = std::make_shared<const std::set<PackId>>(std::move(packs));
    std::unique_lock lock(mutex_);
    avoided_ = std::move(shared);
  }
  Status add(const Context& context, const crypto::ObjectId& id) override;
  void drop(const crypto::ObjectId& id) override {
    std::unique_lock lock(mutex_);
    auto fewer = std::make_shared<LoadedList>(*indexes_);
    std::erase_if(*fewer, [&](const Loaded& index) { return index.id == id; });
    indexes_ = std::move(fewer);
  }
  std::vector<crypto::ObjectId> ids() const override {
    std::vector<crypto::ObjectId> out;
    for (const Loaded& index : *indexes()) out.push_back(index.id);
    return out;
  }
  const std::vector<std::string>& damaged() const override { return damaged_; }
  Result<std::vector<IndexedPack>> packs() const override { return packs_of(*indexes()); }
  Status visit_all(const std::function<Status(const IndexEntry&)>& each) const override {
    const auto all = indexes();
    for (const Loaded& index : *all) COFFER_CHECK_OK(index.reader->visit(each));
    return ok_status();
  }
  uint64_t count() const override {
    uint64_t sum = 0;
    for (const Loaded& index : *indexes()) sum += index.reader->count();
    return sum;
  }
  std::unique_ptr<IndexCursor> cursor() const override { return std::make_unique<MergeCursor>(*indexes()); }

  [[nodiscard]] std::shared_ptr<const LoadedList> indexes() const {
    std::shared_lock lock(mutex_);
    return indexes_;
  }
  [[nodiscard]] std::shared_ptr<const std::set<PackId>> avoided() const {
    std::shared_lock lock(mutex_);
    return avoided_;
  }

 private:
  Status load_once(const Context& context);
  Result<bool> has_changed(const Context& context) const;

  const Vault& vault_;
  mutable std::shared_mutex mutex_;  // guards the two pointers, not what they point to
  std::shared_ptr<const LoadedList> indexes_ = std::make_shared<LoadedList>();
  std::shared_ptr<const std::set<PackId>> avoided_ = std::make_shared<std::set<PackId>>();
  std::vector<std::string> damaged_;
  std::vector<crypto::ObjectId> listed_;  // by the last load_once()
};

Status LoadedSet::load_once(const Context& context) {
  COFFER_TRY(auto ids, list_indexes(context, vault_));
  std::sort(ids.begin(), ids.end());
  auto loaded = std::make_shared<LoadedList>();
  std::vector<std::string> damaged;
  const auto before = indexes();
  for (const auto& id : ids) {
    const auto known =
        std::find_if(before->begin(), before->end(), [&](const Loaded& index) { return index.id == id; });
    if (known != before->end()) {
      loaded->push_back(*known);
      continue;
    }
    COFFER_CHECK_OK(context.check());
    auto reader = IndexReader::open(context, vault_, id);
    if (reader.ok()) {
      loaded->push_back({id, std::move(reader).value()});
    } else if (reader.code() == ErrorCode::kCorruption) {
      damaged.push_back(reader.error().message);
    } else {
      return std::move(reader).error();
    }
  }
  std::unique_lock lock(mutex_);
  indexes_ = std::move(loaded);
  damaged_ = std::move(damaged);
  listed_ = std::move(ids);
  return ok_status();
}

Status LoadedSet::reload(const Context& context) {
  for (int attempt = 1;; ++attempt) {
    // An index that was listed and is gone was replaced by another, which the same listing may not have had; and a
    // listing that runs beside a merge may miss both the old and the new. So it counts when the next one says the same.
    auto loaded = load_once(context);
    if (loaded.ok()) {
      COFFER_TRY(const bool changed, has_changed(context));
      if (!changed) return loaded;
    } else if (loaded.code() != ErrorCode::kNotFound) {
      return loaded;
    }
    if (attempt < kLoadAttemptsMax) continue;
    return Error{ErrorCode::kUnavailable, "the indexes change faster than they can be read", "try again"};
  }
}

Result<bool> LoadedSet::has_changed(const Context& context) const {
  COFFER_TRY(auto now, list_indexes(context, vault_));
  std::sort(now.begin(), now.end());
  return now != listed_;
}

Result<std::optional<ChunkPlace>> LoadedSet::find(const ChunkId& id) const {
  const auto all = indexes();
  const auto avoided_now = avoided();
  std::optional<ChunkPlace> second_best;
  std::vector<ChunkPlace> places;
  for (const Loaded& index : *all) {
    places.clear();
    COFFER_CHECK_OK(index.reader->find_all(id, places));
    for (const ChunkPlace& place : places) {
      if (!avoided_now->contains(place.pack)) return std::optional<ChunkPlace>(place);
      second_best = place;
    }
  }
  return second_best;
}

Status LoadedSet::add(const Context& context, const crypto::ObjectId& id) {
  auto reader = IndexReader::open(context, vault_, id);
  // Another program has merged it already.
  if (!reader.ok() && reader.code() == ErrorCode::kNotFound) return reload(context);
  if (!reader.ok()) return std::move(reader).error();
  std::unique_lock lock(mutex_);
  if (std::any_of(indexes_->begin(), indexes_->end(), [&](const Loaded& index) { return index.id == id; }))
    return ok_status();
  auto more = std::make_shared<LoadedList>(*indexes_);
  more->push_back({id, std::move(reader).value()});
  indexes_ = std::move(more);
  return ok_status();
}

/// What of the entries a rewrite leaves.
class RemainingEntries {
 public:
  RemainingEntries(std::unique_ptr<IndexCursor> cursor, const IndexRewrite& rewrite, const std::set<PackId>& avoided)
      : cursor_(std::move(cursor)), rewrite_(rewrite), avoided_(avoided) {}

  Result<std::optional<IndexEntry>> next() {
    while (at_ == same_id_.size()) {
      COFFER_TRY(const bool more, gather());
      if (!more) return std::optional<IndexEntry>{};
    }
    ++count_;
    return std::optional<IndexEntry>(same_id_[at_++]);
  }
  [[nodiscard]] uint64_t count() const { return count_; }

 private:
  /// The next id's entries, as far as they remain; false at the end.
  Result<bool> gather() {
    same_id_.clear();
    at_ = 0;
    if (!ahead_) {
      COFFER_TRY(ahead_, cursor_->next());
      if (!ahead_) return false;
    }
    const ChunkId id = ahead_->id;
    while (ahead_ && ahead_->id == id) {
      const bool again = !same_id_.empty() && !comes_before(same_id_.back(), *ahead_);
      if (!again && (!rewrite_.keep || rewrite_.keep(*ahead_))) same_id_.push_back(*ahead_);
      COFFER_TRY(ahead_, cursor_->next());
    }
    const bool elsewhere = std::any_of(same_id_.begin(), same_id_.end(), [&](const IndexEntry& entry) {
      return !rewrite_.replaced.contains(entry.place.pack) && !avoided_.contains(entry.place.pack);
    });
    if (elsewhere)
      std::erase_if(same_id_, [&](const IndexEntry& entry) { return rewrite_.replaced.contains(entry.place.pack); });
    return true;
  }

  std::unique_ptr<IndexCursor> cursor_;
  const IndexRewrite& rewrite_;
  const std::set<PackId>& avoided_;
  std::optional<IndexEntry> ahead_;
  std::vector<IndexEntry> same_id_;
  size_t at_ = 0;
  uint64_t count_ = 0;
};

/// Removes what was just written and nobody may rely on; an index that stays all the same does no harm to the data.
void withdraw(const Context& context, const Vault& vault, const std::vector<crypto::ObjectId>& ids) {
  for (const auto& id : ids) static_cast<void>(vault.store().remove(context, index_key(id)));
}

Error replaced_meanwhile() {
  return Error{ErrorCode::kConflict, "another program replaced an index meanwhile", "try again"};
}

Result<bool> all_there(const Context& context, const Vault& vault, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    auto head = vault.store().head(context, key);
    if (!head.ok() && head.code() == ErrorCode::kNotFound) return false;
    COFFER_CHECK_OK(head);
  }
  return true;
}

LoadedList whole_groups(const LoadedList& all, const std::function<bool(const IndexReader&)>& concerns) {
  std::set<crypto::ObjectId> groups;
  for (const Loaded& index : all) {
    if (concerns(*index.reader)) groups.insert(index.reader->part().group);
  }
  LoadedList inputs;
  for (const Loaded& index : all) {
    if (groups.contains(index.reader->part().group)) inputs.push_back(index);
  }
  return inputs;
}

/// Adds the places that a pack's own table of contents names.
Status add_pack(const Context& context, const Vault& vault, const PackId& id, ExternalSorter& sorter) {
  COFFER_TRY(const auto object, vault.open_sealed_view(context, pack_key(id), crypto::ObjectKind::kPack));
  auto frames = read_pack_table(*object.reader);
  if (!frames.ok()) return std::move(frames).error().in(pack_key(id));
  for (const PackFrame& frame : *frames) {
    uint32_t offset = 0;
    for (const PackFrame::Chunk& chunk : frame.chunks) {
      const IndexEntry entry{.id = chunk.id,
                             .place = {.pack = id,
                                       .frame_offset = frame.offset,
                                       .frame_stored_size = frame.stored_size,
                                       .codec = frame.codec,
                                       .offset_in_frame = offset,
                                       .size = chunk.size}};
      COFFER_CHECK_OK(sorter.add(encode_index_entry(entry)));
      offset += chunk.size;
    }
  }
  return ok_status();
}

Result<RebuildResult> rebuild_once(const Context& context, const Vault& vault, Directory& scratch,
                                   const std::set<PackId>& covered) {
  RebuildResult result;
  std::vector<IndexedPack> found;
  COFFER_CHECK_OK(vault.store().list(context, kPacksPrefix, [&](const store::ObjectInfo& info) {
    const auto id = id_of_key(info.key);
    if (id && pack_key(*id) == info.key && !covered.contains(*id)) found.push_back({*id, info.size_bytes});
    return true;
  }));
  ExternalSorter sorter(scratch, kRebuildSortMemory);
  std::vector<IndexedPack> packs;
  for (const IndexedPack& pack : found) {
    COFFER_CHECK_OK(context.check());
    auto added = add_pack(context, vault, pack.id, sorter);
    if (added.ok()) {
      packs.push_back(pack);
    } else if (added.code() == ErrorCode::kCorruption || added.code() == ErrorCode::kUnauthenticated) {
      result.unreadable.push_back(added.error().message);
    } else if (added.code() != ErrorCode::kNotFound) {  // collected since it was listed
      return std::move(added).error();
    }
  }
  result.packs = packs.size();
  result.chunks = sorter.count();
  if (packs.empty()) return result;
  COFFER_TRY(auto sorted, sorter.finish());
  COFFER_TRY(result.written, write_index(context, vault, packs, [&]() -> Result<std::optional<IndexEntry>> {
               COFFER_TRY(const auto record, sorted->next());
               if (!record) return std::optional<IndexEntry>{};
               COFFER_TRY(IndexEntry entry, decode_index_entry(*record));
               return std::optional<IndexEntry>(entry);
             }));
  std::vector<std::string> keys;
  for (const IndexedPack& pack : packs) keys.push_back(pack_key(pack.id));
  COFFER_TRY(const bool there, all_there(context, vault, keys));
  if (there) return result;
  withdraw(context, vault, result.written);
  return Error{ErrorCode::kConflict, "packs were removed while they were indexed", "try again"};
}

}  // namespace

Result<std::unique_ptr<IndexSet>> IndexSet::load(const Context& context, const Vault& vault) {
  auto set = std::make_unique<LoadedSet>(vault);
  COFFER_CHECK_OK(set->reload(context));
  return std::unique_ptr<IndexSet>(std::move(set));
}

Result<IndexRewriteResult> rewrite_indexes(const Context& context, const Vault& vault, IndexSet& set,
                                           const IndexRewrite& rewrite) {
  auto& loaded = dynamic_cast<LoadedSet&>(set);
  const LoadedList inputs = whole_groups(*loaded.indexes(), rewrite.concerns);
  IndexRewriteResult result;
  if (inputs.empty()) return result;

  COFFER_TRY(auto packs, packs_of(inputs));
  std::erase_if(packs, [&](const IndexedPack& pack) { return rewrite.leave_out.contains(pack.id); });
  const auto avoided = loaded.avoided();
  RemainingEntries entries(std::make_unique<MergeCursor>(inputs), rewrite, *avoided);
  COFFER_TRY(result.written, write_index(context, vault, packs, [&] { return entries.next(); }));

  uint64_t count = 0;
  for (const auto& id : result.written) {
    auto reader = IndexReader::open(context, vault, id);
    if (!reader.ok() && reader.code() == ErrorCode::kNotFound) {
      withdraw(context, vault, result.written);
      return replaced_meanwhile();
    }
    if (!reader.ok()) return std::move(reader).error();
    count += (*reader)->count();
  }
  if (count != entries.count()) {
    withdraw(context, vault, result.written);
    return Error{ErrorCode::kCorruption, "a merged index was read back with another number of entries", {}};
  }
  std::vector<std::string> keys;
  for (const Loaded& input : inputs) keys.push_back(index_key(input.id));
  COFFER_TRY(const bool there, all_there(context, vault, keys));
  if (!there) {
    withdraw(context, vault, result.written);
    return replaced_meanwhile();
  }
  for (const auto& id : result.written) COFFER_CHECK_OK(set.add(context, id));
  for (const Loaded& input : inputs) {
    COFFER_CHECK_OK(vault.store().remove(context, index_key(input.id)));
    set.drop(input.id);
    ++result.removed;
  }
  return result;
}

Status merge_indexes(const Context& context, const Vault& vault, IndexSet& set, size_t keep_max) {
  const auto all = dynamic_cast<LoadedSet&>(set).indexes();
  // The parts of a group that somebody is writing at this moment are left to them.
  std::map<crypto::ObjectId, uint64_t> counts;
  for (const auto& group : complete_groups(*all)) counts[group] = 0;
  for (const Loaded& index : *all) {
    if (const auto it = counts.find(index.reader->part().group); it != counts.end())
      it->second += index.reader->count();
  }
  if (counts.size() <= std::max<size_t>(keep_max, 1)) return ok_status();

  // The smaller ones go together, down to half of keep_max, and each larger one that is not much larger than their sum:
  // so an entry is copied a few times in its life, however large the vault.
  std::vector<std::pair<uint64_t, crypto::ObjectId>> by_count;
  for (const auto& [group, count] : counts) by_count.emplace_back(count, group);
  std::sort(by_count.begin(), by_count.end());
  const size_t keep = std::max<size_t>(keep_max / 2, 1);
  std::set<crypto::ObjectId> chosen;
  uint64_t sum = 0;
  for (const auto& [count, group] : by_count) {
    if (by_count.size() - chosen.size() + 1 <= keep && count > sum) break;
    chosen.insert(group);
    sum += count;
  }
  auto merged =
      rewrite_indexes(context, vault, set,
                      {.concerns = [&](const IndexReader& index) { return chosen.contains(index.part().group); },
                       .keep = {},
                       .leave_out = {},
                       .replaced = {}});
  if (!merged.ok() && merged.code() == ErrorCode::kConflict) return ok_status();  // somebody else does it
  COFFER_CHECK_OK(merged);
  return ok_status();
}

Result<RebuildResult> rebuild_index(const Context& context, const Vault& vault, Directory& scratch,
                                    const std::vector<IndexedPack>& covered) {
  std::set<PackId> known;
  for (const IndexedPack& pack : covered) known.insert(pack.id);
  for (int attempt = 1;; ++attempt) {
    auto rebuilt = rebuild_once(context, vault, scratch, known);
    if (rebuilt.ok() || rebuilt.code() != ErrorCode::kConflict || attempt == kRebuildAttemptsMax) return rebuilt;
  }
}

}  // namespace coffer::vault
