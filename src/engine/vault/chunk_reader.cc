#include "engine/vault/chunk_reader.h"

#include <list>
#include <map>
#include <mutex>

#include "engine/vault/pack.h"

namespace coffer::vault {

struct PackCache::State {
  const Vault& vault;
  const size_t packs_max;
  std::mutex mutex;
  struct Slot {
    std::shared_ptr<const crypto::SealedReader> reader;
    uint64_t last_use = 0;
  };
  std::map<PackId, Slot> slots;
  uint64_t uses = 0;
};

PackCache::PackCache(const Vault& vault, size_t packs_max)
    : state_(new State{.vault = vault, .packs_max = packs_max, .mutex = {}, .slots = {}, .uses = 0}) {}
PackCache::~PackCache() = default;

Result<std::shared_ptr<const crypto::SealedReader>> PackCache::open(const Context& context, const PackId& id) {
  {
    std::lock_guard lock(state_->mutex);
    if (auto it = state_->slots.find(id); it != state_->slots.end()) {
      it->second.last_use = ++state_->uses;
      return it->second.reader;
    }
  }
  // Two tasks may open the same pack at once; one of the two readers is dropped, which costs less than waiting.
  const Vault& vault = state_->vault;
  const std::string key = pack_key(id);
  COFFER_TRY(store::ObjectInfo info, vault.store().head(context, key));
  auto read = [&vault, key](uint64_t offset, uint64_t length) {
    return vault.store().get(Context(), key, offset, length);
  };
  COFFER_TRY(Bytes header, read(0, crypto::kSealedHeaderSize));
  COFFER_TRY(crypto::SealedHeader parsed, [&]() -> Result<crypto::SealedHeader> {
    auto h = crypto::parse_sealed_header(header);
    if (!h.ok()) return std::move(h).error().in(key);
    return h;
  }());
  COFFER_TRY(const EpochKeys* keys, vault.epoch_of(parsed.key_id));
  auto opened =
      crypto::SealedReader::open(keys->root.view(), crypto::ObjectKind::kPack, vault.place(key), info.size_bytes, read);
  if (!opened.ok()) return std::move(opened).error().in(key);
  auto reader = std::make_shared<const crypto::SealedReader>(std::move(opened).value());

  std::lock_guard lock(state_->mutex);
  if (state_->slots.size() >= state_->packs_max) {
    auto oldest = state_->slots.begin();
    for (auto it = state_->slots.begin(); it != state_->slots.end(); ++it)
      if (it->second.last_use < oldest->second.last_use) oldest = it;
    state_->slots.erase(oldest);
  }
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
