#include "engine/vault/chunk_reader.h"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>

#include "engine/vault/pack.h"

namespace coffer::vault {

using Reader = std::shared_ptr<const crypto::SealedReader>;

namespace {

constexpr size_t kWholePacksMax = 24;
// A pack that was fetched whole so often and pushed out again is read by ranges from then on.
constexpr int kWholeFetchesMax = 2;

Result<Reader> open_reader(const Vault& vault, const std::string& key, uint64_t size_bytes,
                           crypto::SealedReader::ReadRange read) {
  COFFER_TRY(Bytes header, read(0, std::min<uint64_t>(size_bytes, crypto::kSealedHeaderSize)));
  auto parsed = crypto::parse_sealed_header(header);
  if (!parsed.ok()) return std::move(parsed).error().in(key);
  COFFER_TRY(const EpochKeys* keys, vault.epoch_of(parsed->key_id));
  auto opened = crypto::SealedReader::open(keys->root.view(), crypto::ObjectKind::kPack, vault.place(key), size_bytes,
                                           std::move(read));
  if (!opened.ok()) return std::move(opened).error().in(key);
  return std::make_shared<const crypto::SealedReader>(std::move(opened).value());
}

Result<Reader> open_by_ranges(const Context& context, const Vault& vault, const std::string& key) {
  COFFER_TRY(store::ObjectInfo info, vault.store().head(context, key));
  return open_reader(vault, key, info.size_bytes, [&vault, key](uint64_t offset, uint64_t length) {
    return vault.store().get(Context(), key, offset, length);
  });
}

Result<Reader> open_whole(const Context& context, const Vault& vault, const std::string& key) {
  COFFER_TRY(std::shared_ptr<const store::ObjectView> view, vault.store().view(context, key));
  const uint64_t size_bytes = view->bytes().size();
  return open_reader(vault, key, size_bytes, [view, key](uint64_t offset, uint64_t length) -> Result<Bytes> {
    const ByteView bytes = view->bytes();
    if (offset > bytes.size() || length > bytes.size() - offset)
      return Error{ErrorCode::kCorruption, "the object " + key + " is too short", {}};
    return to_bytes(bytes.subspan(offset, length));
  });
}

}  // namespace

struct PackCache::State {
  const Vault& vault;
  const bool whole;
  const size_t packs_max;
  std::mutex mutex;
  std::condition_variable changed;
  struct Slot {
    Reader reader;  // null: somebody is fetching it
    uint64_t last_use = 0;
  };
  std::map<PackId, Slot> slots;
  std::map<PackId, int> fetches;  // of whole packs
  uint64_t uses = 0;

  void make_room();
  Result<Reader> open_once(const Context& context, const PackId& id);
};

PackCache::PackCache(const Vault& vault, Need need, size_t packs_max)
    : state_(new State{.vault = vault,
                       .whole = need == Need::kMost && vault.store().capabilities().distant,
                       .packs_max = packs_max,
                       .mutex = {},
                       .changed = {},
                       .slots = {},
                       .fetches = {},
                       .uses = 0}) {}
PackCache::~PackCache() = default;

// Under the mutex.
void PackCache::State::make_room() {
  while (slots.size() >= (whole ? std::min(packs_max, kWholePacksMax) : packs_max)) {
    auto oldest = slots.end();
    for (auto it = slots.begin(); it != slots.end(); ++it)
      if (it->second.reader && (oldest == slots.end() || it->second.last_use < oldest->second.last_use)) oldest = it;
    if (oldest == slots.end()) return;  // all are on their way
    slots.erase(oldest);
  }
}

// Of the tasks that want a whole pack at once one fetches it.
Result<Reader> PackCache::State::open_once(const Context& context, const PackId& id) {
  const std::string key = pack_key(id);
  {
    std::unique_lock lock(mutex);
    for (;;) {
      COFFER_CHECK_OK(context.check());
      auto it = slots.find(id);
      if (it == slots.end()) break;
      if (it->second.reader) {
        it->second.last_use = ++uses;
        return it->second.reader;
      }
      changed.wait_for(lock, std::chrono::milliseconds(50));
    }
    make_room();
    slots[id] = Slot{nullptr, ++uses};
  }
  const bool again = [&] {
    std::lock_guard lock(mutex);
    return ++fetches[id] > kWholeFetchesMax;
  }();
  auto opened = again ? open_by_ranges(context, vault, key) : open_whole(context, vault, key);
  std::lock_guard lock(mutex);
  if (opened.ok())
    slots[id].reader = *opened;
  else
    slots.erase(id);
  changed.notify_all();
  return opened;
}

Result<Reader> PackCache::open(const Context& context, const PackId& id) {
  if (state_->whole) return state_->open_once(context, id);
  {
    std::lock_guard lock(state_->mutex);
    if (auto it = state_->slots.find(id); it != state_->slots.end()) {
      it->second.last_use = ++state_->uses;
      return it->second.reader;
    }
  }
  // Two tasks may open the same pack at once; one of the two readers is dropped, which costs less than waiting.
  COFFER_TRY(Reader reader, open_by_ranges(context, state_->vault, pack_key(id)));
  std::lock_guard lock(state_->mutex);
  state_->make_room();
  state_->slots[id] = State::Slot{reader, ++state_->uses};
  return reader;
}

struct ChunkReader::State {
  const Vault& vault;
  const IndexSet& index;
  PackCache& packs;
  const size_t frames_max;
  struct Frame {
    PackId pack{};
    uint32_t offset = 0;
    Bytes plain;
  };
  std::list<Frame> frames;  // most recently used first
  Bytes stored;
};

ChunkReader::ChunkReader(const Vault& vault, const IndexSet& index, PackCache& packs, size_t frames_cached)
    : state_(new State{.vault = vault,
                       .index = index,
                       .packs = packs,
                       .frames_max = std::max<size_t>(1, frames_cached),
                       .frames = {},
                       .stored = {}}) {}
ChunkReader::~ChunkReader() = default;

Result<ByteView> ChunkReader::get(const Context& context, const ChunkId& id, bool check_id) {
  State& s = *state_;
  COFFER_TRY(std::optional<ChunkPlace> place, s.index.find(id));
  if (!place)
    return Error{ErrorCode::kCorruption, "chunk " + id.hex() + " is in no index",
                 "run 'coffer verify --all', which rebuilds the index from the packs where it can"};
  auto at = [&](Error e) { return std::move(e).in("chunk " + id.hex() + " in " + pack_key(place->pack)); };

  auto found = s.frames.begin();
  while (found != s.frames.end() && !(found->offset == place->frame_offset && found->pack == place->pack)) ++found;
  if (found == s.frames.end()) {
    auto reader = s.packs.open(context, place->pack);
    if (!reader.ok()) return at(std::move(reader).error());
    s.stored.resize(place->frame_stored_size);
    if (place->frame_offset + uint64_t{place->frame_stored_size} > (*reader)->plain_size())
      return at(Error{ErrorCode::kCorruption, "the index points outside the pack", {}});
    if (auto r = (*reader)->read_plain(place->frame_offset, s.stored); !r.ok()) return at(std::move(r).error());
    auto size = frame_plain_size(place->codec, s.stored);
    if (!size.ok()) return at(std::move(size).error());
    // The least recently used frame's buffer is used again: a restore allocates a handful of frames, not one a chunk.
    if (s.frames.size() < s.frames_max) {
      s.frames.emplace_front();
    } else {
      s.frames.splice(s.frames.begin(), s.frames, std::prev(s.frames.end()));
    }
    found = s.frames.begin();
    found->pack = {};
    found->plain.resize(*size);
    if (auto r = decompress_frame(place->codec, s.stored, found->plain); !r.ok()) {
      s.frames.erase(found);
      return at(std::move(r).error());
    }
    found->pack = place->pack;
    found->offset = place->frame_offset;
  } else {
    s.frames.splice(s.frames.begin(), s.frames, found);
  }
  const Bytes& plain = found->plain;
  if (place->offset_in_frame + uint64_t{place->size} > plain.size())
    return at(Error{ErrorCode::kCorruption, "the index points outside the frame", {}});
  ByteView chunk = ByteView(plain).subspan(place->offset_in_frame, place->size);
  if (check_id) {
    COFFER_TRY(const EpochKeys* keys, s.vault.epoch(id.epoch()));
    auto mac = keys->chunk_ids->of(chunk);
    if (std::memcmp(mac.data(), id.bytes.data(), 30) != 0)
      return at(Error{ErrorCode::kCorruption, "other bytes than the id says", {}});
  }
  return chunk;
}

}  // namespace coffer::vault
