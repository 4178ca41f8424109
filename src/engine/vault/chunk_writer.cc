#include "engine/vault/chunk_writer.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_set>

namespace coffer::vault {

Result<Compression> parse_compression(std::string_view text) {
  const Error bad{ErrorCode::kInvalidArgument, "cannot use the compression '" + std::string(text) + "'",
                  "write zstd:1 to zstd:19, lz4 or none"};
  if (text == "none") return Compression{Codec::kNone, 0};
  if (text == "lz4") return Compression{Codec::kLz4, 0};
  if (text == "zstd") return Compression{Codec::kZstd, 1};
  if (!text.starts_with("zstd:")) return bad;
  text.remove_prefix(5);
  int level = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error != std::errc{} || end != text.data() + text.size() || level < 1 || level > 19) return bad;
  return Compression{Codec::kZstd, level};
}

namespace {

// A sealed pack on its way to the store, with what the index will say of it.
struct SealedPack {
  PackId id{};
  Bytes sealed;
  std::vector<IndexEntry> entries;
  ByteBudget::Share budget;
};

constexpr size_t kUploaders = 2, kDistantUploaders = 8;
constexpr size_t kUploadQueue = 2;
constexpr size_t kDedupShards = 16;

}  // namespace

struct WriteSession::State {
  State(const Context& context, const Vault& v, IndexSet& i, ByteBudget& b, WriteOptions o, std::set<PackId> d)
      : vault(v), index(i), budget(b), options(o), doomed(std::move(d)), uploads(kUploadQueue), uploaders(context) {}

  const Vault& vault;
  IndexSet& index;
  ByteBudget& budget;
  const WriteOptions options;
  const std::set<PackId> doomed;

  // Ids that this session stores and that no index object holds yet. Sharded by id so that workers seldom meet.
  struct Shard {
    std::mutex mutex;
    std::unordered_set<ChunkId, ChunkIdHash> ids;
  };
  std::array<Shard, kDedupShards> fresh;
  Shard& shard(const ChunkId& id) { return fresh[static_cast<size_t>(id.bytes[8]) % kDedupShards]; }

  mutable std::mutex mutex;  // guards what follows
  WriteTotals totals;
  std::vector<WrittenPack> packs;
  std::vector<crypto::ObjectId> indexes;
  std::vector<IndexEntry> pending;  // of published packs that no index covers yet
  std::vector<IndexedPack> pending_packs;
  std::optional<Error> failed;

  std::mutex flush_mutex;  // one index is written at a time
  Channel<SealedPack> uploads;
  TaskGroup uploaders;  // last: its tasks use all of the above

  Status upload(const Context& context);
  Status publish(const Context& context, SealedPack pack);
  Status flush_index(const Context& context, size_t at_least);
  void fail(const Error& error) {
    std::lock_guard lock(mutex);
    if (!failed) failed = error;
  }
  Error failure() {
    std::lock_guard lock(mutex);
    return failed.value_or(Error{ErrorCode::kCancelled, "stopped on request", {}});
  }
};

Status WriteSession::State::upload(const Context& context) {
  while (auto pack = uploads.pop(context)) {
    if (auto s = publish(context, std::move(*pack)); !s.ok()) {
      fail(s.error());
      uploads.close();
      return s;
    }
  }
  return ok_status();
}

// Put, read back, and only then let the index know.
Status WriteSession::State::publish(const Context& context, SealedPack pack) {
  const std::string key = pack_key(pack.id);
  if (auto put = vault.store().put(context, key, pack.sealed); !put.ok())
    return std::move(put).error().in("storing " + key);
  if (!vault.store().capabilities().reads_back) {
    COFFER_TRY(auto view, vault.store().view(context, key));
    if (!equal(view->bytes(), pack.sealed))
      return Error{ErrorCode::kCorruption, "reading back " + key + " gave other bytes than were stored",
                   "the storage at " + vault.store().describe() + " cannot be trusted: check the disk and its logs"};
  }
  COFFER_TRY(crypto::Digest256 digest, sealed_digest(pack.sealed));
  size_t pending_count = 0;
  {
    std::lock_guard lock(mutex);
    packs.push_back({pack.id, pack.sealed.size(), digest});
    pending_packs.push_back({pack.id, pack.sealed.size()});
    pending.insert(pending.end(), pack.entries.begin(), pack.entries.end());
    ++totals.packs;
    totals.stored_bytes += pack.sealed.size();
    pending_count = pending.size();
  }
  if (pending_count >= options.index_flush_entries) return flush_index(context, options.index_flush_entries);
  return ok_status();
}

Status WriteSession::State::flush_index(const Context& context, size_t at_least) {
  std::lock_guard flush(flush_mutex);
  std::vector<IndexEntry> entries;
  std::vector<IndexedPack> covered;
  {
    std::lock_guard lock(mutex);
    if (pending.size() < std::max<size_t>(1, at_least)) return ok_status();
    entries.swap(pending);
    covered.swap(pending_packs);
  }
  std::sort(entries.begin(), entries.end(), [](const IndexEntry& a, const IndexEntry& b) { return a.id < b.id; });
  size_t at = 0;
  COFFER_TRY(std::vector<crypto::ObjectId> ids,
             write_index(context, vault, covered, [&]() -> Result<std::optional<IndexEntry>> {
               if (at == entries.size()) return std::optional<IndexEntry>();
               return std::optional<IndexEntry>(entries[at++]);
             }));
  for (const auto& id : ids) COFFER_CHECK_OK(index.add(context, id));
  for (const IndexEntry& e : entries) {
    Shard& s = shard(e.id);
    std::lock_guard lock(s.mutex);
    s.ids.erase(e.id);
  }
  std::lock_guard lock(mutex);
  indexes.insert(indexes.end(), ids.begin(), ids.end());
  totals.stored_bytes += entries.size() * kIndexEntrySize;
  return ok_status();
}

WriteSession::WriteSession(const Context& context, const Vault& vault, IndexSet& index, ByteBudget& budget,
                           WriteOptions options, std::set<PackId> doomed)
    : state_(new State(context, vault, index, budget, options, std::move(doomed))) {
  const size_t uploaders = vault.store().capabilities().distant ? kDistantUploaders : kUploaders;
  for (size_t i = 0; i < uploaders; ++i)
    state_->uploaders.spawn([s = state_.get()] { return s->upload(s->uploaders.context()); });
}
WriteSession::~WriteSession() { state_->uploads.close(); }

Status WriteSession::finish(const Context& context) {
  state_->uploads.close();
  COFFER_CHECK_OK(state_->uploaders.wait());
  return state_->flush_index(context, 1);
}

WriteTotals WriteSession::totals() const {
  std::lock_guard lock(state_->mutex);
  return state_->totals;
}
std::vector<WrittenPack> WriteSession::packs() const {
  std::lock_guard lock(state_->mutex);
  return state_->packs;
}
std::vector<crypto::ObjectId> WriteSession::indexes() const {
  std::lock_guard lock(state_->mutex);
  return state_->indexes;
}

struct ChunkWriter::State {
  WriteSession::State& session;
  Bytes frame;  // plain bytes of the frame under way
  std::vector<PackFrame::Chunk> frame_chunks;
  Bytes pack;  // plain bytes of the pack under way
  std::vector<PackFrame> frames;
  ByteBudget::Share budget;  // for pack and frame
  Bytes compressed;
  WriteTotals totals;  // not yet added to the session's

  Status end_frame();
  Status end_pack(const Context& context);
  void add_totals() {
    std::lock_guard lock(session.mutex);
    session.totals.chunks += totals.chunks;
    session.totals.plain_bytes += totals.plain_bytes;
    session.totals.reused_chunks += totals.reused_chunks;
    session.totals.reused_bytes += totals.reused_bytes;
    totals = {};
  }
};

ChunkWriter::ChunkWriter(WriteSession& session)
    : state_(new State{.session = *session.state_,
                       .frame = {},
                       .frame_chunks = {},
                       .pack = {},
                       .frames = {},
                       .budget = {},
                       .compressed = {},
                       .totals = {}}) {}
ChunkWriter::~ChunkWriter() = default;

Result<ChunkId> ChunkWriter::put(const Context& context, ByteView plain) {
  COFFER_ASSERT(!plain.empty() && plain.size() <= kChunkSizeMax);
  State& s = *state_;
  const ChunkId id = s.session.vault.chunk_id(plain);
  WriteSession::State::Shard& shard = s.session.shard(id);
  auto reused = [&] {
    ++s.totals.reused_chunks;
    s.totals.reused_bytes += plain.size();
    return id;
  };
  {
    std::lock_guard lock(shard.mutex);
    if (shard.ids.contains(id)) return reused();
  }
  COFFER_TRY(std::optional<ChunkPlace> place, s.session.index.find(id));
  if (place && !s.session.doomed.contains(place->pack)) return reused();
  {
    // Another worker may have come between; of two that bring the same chunk one stores it.
    std::lock_guard lock(shard.mutex);
    if (!shard.ids.insert(id).second) return reused();
  }
  if (s.frame.size() + plain.size() > s.session.options.frame_size_bytes) COFFER_CHECK_OK(s.end_frame());
  if (s.pack.size() >= s.session.options.pack_size_bytes) COFFER_CHECK_OK(s.end_pack(context));
  if (s.pack.capacity() == 0) {
    // The plain pack and what sealing and checking it takes beside it.
    COFFER_TRY(s.budget, s.session.budget.take(context, 2 * s.session.options.pack_size_bytes));
    s.pack.reserve(s.session.options.pack_size_bytes + s.session.options.frame_size_bytes + (64 << 10));
    s.frame.reserve(s.session.options.frame_size_bytes);
  }
  append(s.frame, plain);
  s.frame_chunks.push_back({id, static_cast<uint32_t>(plain.size())});
  ++s.totals.chunks;
  s.totals.plain_bytes += plain.size();
  return id;
}

Status ChunkWriter::State::end_frame() {
  if (frame.empty()) return ok_status();
  PackFrame f;
  f.offset = static_cast<uint32_t>(pack.size());
  f.plain_size = static_cast<uint32_t>(frame.size());
  COFFER_TRY(f.codec,
             compress_frame(session.options.compression.codec, session.options.compression.level, frame, compressed));
  f.stored_size = static_cast<uint32_t>(compressed.size());
  append(pack, compressed);
  f.chunks = std::move(frame_chunks);
  frames.push_back(std::move(f));
  frame.clear();
  frame_chunks.clear();
  return ok_status();
}

Status ChunkWriter::State::end_pack(const Context& context) {
  if (frames.empty()) return ok_status();
  SealedPack out;
  out.id = session.vault.entropy().array<16>();
  for (const PackFrame& f : frames) {
    uint32_t offset = 0;
    for (const auto& c : f.chunks) {
      out.entries.push_back({c.id, {out.id, f.offset, f.stored_size, f.codec, offset, c.size}});
      offset += c.size;
    }
  }
  append(pack, encode_pack_table(frames));
  const EpochKeys& keys = session.vault.current();
  const std::string place = session.vault.place(pack_key(out.id));
  crypto::SealParameters parameters;
  parameters.key_id = keys.key_id;
  parameters.object_id = out.id;
  parameters.kind = crypto::ObjectKind::kPack;
  parameters.place = place;
  COFFER_TRY(out.budget, session.budget.take(context, pack.size()));
  out.sealed = crypto::seal(keys.root.view(), parameters, pack, session.vault.entropy());
  COFFER_TRY(Bytes opened, crypto::open_sealed(keys.root.view(), crypto::ObjectKind::kPack, place, out.sealed));
  if (!equal(opened, pack))
    return Error{ErrorCode::kCorruption, "a sealed pack did not open to what was sealed",
                 "this machine's memory or processor may be faulty: test it before trusting backups made here"};
  pack.clear();
  frames.clear();
  add_totals();
  if (!session.uploads.push(session.uploaders.context(), std::move(out))) return session.failure();
  return ok_status();
}

Status ChunkWriter::close(const Context& context) {
  COFFER_CHECK_OK(state_->end_frame());
  COFFER_CHECK_OK(state_->end_pack(context));
  state_->add_totals();
  state_->pack = {};
  state_->frame = {};
  state_->budget = {};
  return ok_status();
}

}  // namespace coffer::vault
