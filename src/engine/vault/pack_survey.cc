#include "engine/vault/pack_survey.h"

#include <algorithm>

namespace coffer::vault {

Result<PackTable> list_packs(const Context& context, const Vault& vault) {
  PackTable packs;
  COFFER_CHECK_OK(vault.store().list(context, "packs/", [&](const store::ObjectInfo& info) {
    auto bytes = from_hex(std::string_view(info.key).substr(info.key.rfind('/') + 1));
    PackId id{};
    if (!bytes.ok() || bytes->size() != id.size()) return true;
    std::copy(bytes->begin(), bytes->end(), id.begin());
    // A name that no program of ours gives is nothing of ours.
    if (pack_key(id) != info.key) return true;
    PackFacts facts;
    facts.sealed_size_bytes = info.size_bytes;
    facts.present = true;
    facts.listed = true;
    packs.emplace(id, facts);
    return true;
  }));
  return packs;
}

Result<std::optional<ChunkId>> UniqueIds::next() {
  while (true) {
    COFFER_TRY(const auto record, sorted_.next());
    if (!record) return std::optional<ChunkId>{};
    COFFER_ASSERT(record->size() == sizeof(ChunkId::bytes));
    ChunkId id;
    std::copy(record->begin(), record->end(), id.bytes.begin());
    if (last_ == id) continue;
    last_ = id;
    return std::optional<ChunkId>(id);
  }
}

Result<bool> PlacesById::next(ChunkId& id, std::vector<ChunkPlace>& places) {
  places.clear();
  while (true) {
    if (!ahead_) {
      COFFER_TRY(ahead_, cursor_->next());
      if (!ahead_) return !places.empty();
    }
    if (!places.empty() && ahead_->id != id) return true;
    id = ahead_->id;
    // Two indexes may say the same of one pack.
    if (places.empty() || places.back().pack != ahead_->place.pack) places.push_back(ahead_->place);
    ahead_.reset();
  }
}

namespace {

class Surveyor {
 public:
  Surveyor(const Context& context, const Vault& vault, const std::set<PackId>& doomed, PackTable& packs)
      : context_(context), vault_(vault), doomed_(doomed), packs_(packs) {}

  Status unneeded(const std::vector<ChunkPlace>& places) {
    for (const ChunkPlace& place : places) {
      COFFER_TRY(PackFacts * facts, facts_of(place.pack));
      facts->total_bytes += place.size;
    }
    return ok_status();
  }
  Status needed(const ChunkId& id, const std::vector<ChunkPlace>& places) {
    ++result_.live_chunks;
    bool present = false, safe = false;
    for (const ChunkPlace& place : places) {
      COFFER_TRY(PackFacts * facts, facts_of(place.pack));
      facts->total_bytes += place.size;
      if (!facts->present) continue;
      facts->live_bytes += place.size;
      facts->old_epoch |= id.epoch() != vault_.current().epoch;
      present = true;
      safe |= !doomed_.contains(place.pack);
    }
    if (!present) return missing(id);
    if (safe) return ok_status();
    // Another tombstone's packs are no refuge: their turn may come at the same time.
    for (const ChunkPlace& place : places) {
      if (doomed_.contains(place.pack)) result_.rescued.insert(place.pack);
    }
    return ok_status();
  }
  Status missing(const ChunkId& id) {
    if (result_.missing_chunks++ == 0) result_.first_missing = id;
    return ok_status();
  }
  SurveyResult take() { return std::move(result_); }

 private:
  Result<PackFacts*> facts_of(const PackId& id) {
    const auto [it, fresh] = packs_.try_emplace(id);
    if (fresh) {
      // Put since the listing, or gone: only its own name tells.
      auto head = vault_.store().head(context_, pack_key(id));
      if (head.ok()) {
        it->second.present = true;
        it->second.sealed_size_bytes = head->size_bytes;
      } else if (head.code() == ErrorCode::kNotFound) {
        result_.gone.insert(id);
      } else {
        return std::move(head).error();
      }
    }
    return &it->second;
  }

  const Context& context_;
  const Vault& vault_;
  const std::set<PackId>& doomed_;
  PackTable& packs_;
  SurveyResult result_;
};

}  // namespace

Result<SurveyResult> survey_packs(const Context& context, const Vault& vault, const IndexSet& index, UniqueIds& live,
                                  const std::set<PackId>& doomed, PackTable& packs, ExternalSorter* keep) {
  Surveyor surveyor(context, vault, doomed, packs);
  PlacesById indexed(index.cursor());
  ChunkId id;
  std::vector<ChunkPlace> places;
  COFFER_TRY(bool more, indexed.next(id, places));
  while (true) {
    COFFER_TRY(const auto needed, live.next());
    while (more && (!needed || id < *needed)) {
      COFFER_CHECK_OK(surveyor.unneeded(places));
      COFFER_TRY(more, indexed.next(id, places));
    }
    if (!needed) return surveyor.take();
    COFFER_CHECK_OK(context.check());
    if (keep != nullptr) COFFER_CHECK_OK(keep->add(needed->bytes));
    if (!more || id != *needed) {
      COFFER_CHECK_OK(surveyor.missing(*needed));
      continue;
    }
    COFFER_CHECK_OK(surveyor.needed(id, places));
    COFFER_TRY(more, indexed.next(id, places));
  }
}

}  // namespace coffer::vault
