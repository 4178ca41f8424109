#include "services/s3/object_data.h"

#include <algorithm>
#include <charconv>

#include "services/s3/object_blocks.h"

namespace coffer::s3 {
namespace {

// An upload up to this size does not wait for its share of the memory.
constexpr uint64_t kUnbudgetedSize = uint64_t{1} << 20;
constexpr size_t kFirstReadSize = size_t{64} << 10;
constexpr uint64_t kBlockSizeMax = uint64_t{32} << 20;
constexpr size_t kIdleBuffersMax = 8;

constexpr size_t kTimeSize = 6;
constexpr size_t kBlockLog2At = kTimeSize;

PieceId new_piece_id(WallTime now, uint64_t block_size_bytes, Entropy& entropy) {
  PieceId id = entropy.array<16>();
  const auto milliseconds = static_cast<uint64_t>(std::max<int64_t>(0, now.micros / 1000));
  for (size_t i = 0; i < kTimeSize; ++i)
    id[i] = static_cast<std::byte>(milliseconds >> (8 * (kTimeSize - 1 - i)) & 0xff);
  id[kBlockLog2At] = static_cast<std::byte>(std::countr_zero(block_size_bytes));
  return id;
}

WallTime time_of(const PieceId& id) {
  int64_t milliseconds = 0;
  for (size_t i = 0; i < kTimeSize; ++i) milliseconds = milliseconds << 8 | static_cast<int64_t>(id[i]);
  return WallTime{milliseconds * 1000};
}

crypto::SealParameters block_parameters(const PieceId& id, uint64_t number) {
  return {.object_id = id, .kind = crypto::ObjectKind::kObjectBlock, .place = block_place(id, number)};
}

/// Fills `buffer`, which grows as bytes come, up to `limit` bytes. Less than that: the source has ended.
Result<size_t> fill(const Context& context, ByteSource& source, Bytes& buffer, size_t limit,
                    const std::function<void(ByteView)>& seen, const std::function<Status()>& before_large) {
  size_t used = 0;
  while (used < limit) {
    if (used == buffer.size()) {
      const size_t grown = std::min(limit, std::max(kFirstReadSize, 2 * buffer.size()));
      if (grown > kUnbudgetedSize) COFFER_CHECK_OK(before_large());
      if (buffer.size() < grown) buffer.resize(grown);
    }
    const auto room = MutableByteView(buffer).first(std::min(limit, buffer.size())).subspan(used);
    COFFER_TRY(const size_t count, source.read(context, room));
    if (count == 0) break;
    seen(room.first(count));
    used += count;
  }
  return used;
}

}  // namespace

std::string folder_of(uint8_t folder) {
  return std::string(kBlocksPrefix) + to_hex(std::array{static_cast<std::byte>(folder)}) + "/";
}

std::string block_key(const PieceId& id, uint64_t number) {
  return folder_of(static_cast<uint8_t>(id.back())) + to_hex(id) + "-" + std::to_string(number);
}

std::string block_place(const PieceId& id, uint64_t number) {
  return "s3:" + to_hex(id) + "/" + std::to_string(number);
}

std::optional<PieceId> piece_of_key(std::string_view key) {
  const size_t begin = key.rfind('/') + 1, end = std::min(key.find('-', begin), key.size());
  auto bytes = from_hex(key.substr(begin, end - begin));
  PieceId id{};
  if (!bytes.ok() || bytes->size() != id.size() || end == key.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), id.begin());
  uint64_t number = 0;
  std::from_chars(key.data() + end + 1, key.data() + key.size(), number);
  return block_key(id, number) == key ? std::optional(id) : std::nullopt;
}

uint64_t block_size_of(const PieceId& id) { return uint64_t{1} << (static_cast<unsigned>(id[kBlockLog2At]) & 63); }

uint64_t block_count_of(const Piece& piece) {
  const uint64_t block = block_size_of(piece.id);
  return piece.size_bytes / block + (piece.size_bytes % block != 0 ? 1 : 0);
}

uint64_t size_of_block(const Piece& piece, uint64_t number) {
  const uint64_t block = block_size_of(piece.id);
  return std::min(block, piece.size_bytes - number * block);
}

ObjectData::State::State(store::ObjectStore& s, Clock& c, Entropy& e, const Options& o)
    : store(s),
      clock(c),
      entropy(e),
      options(o),
      // What is sealed waits for the store alone, what is not sealed for a client: the latter never holds up the
      // former.
      plain_budget(o.memory_max_bytes / 4 * 3),
      sealed_budget(o.memory_max_bytes / 4) {
  COFFER_ASSERT(std::has_single_bit(o.block_size_bytes) && o.block_size_bytes <= kBlockSizeMax);
  COFFER_ASSERT(o.inline_size_max_bytes <= o.block_size_bytes && o.window_size_bytes > 0);
}

ObjectData::State::Use::Use(State& state, const PieceId& id) : state_(&state), id_(id) {
  std::lock_guard lock(state.mutex);
  ++state.uses[id];
}

ObjectData::State::Use::~Use() {
  if (!state_) return;
  std::lock_guard lock(state_->mutex);
  const auto found = state_->uses.find(id_);
  if (--found->second == 0) state_->uses.erase(found);
}

Bytes ObjectData::State::take_buffer() {
  std::lock_guard lock(mutex);
  if (buffers.empty()) return {};
  Bytes buffer = std::move(buffers.back());
  buffers.pop_back();
  return buffer;
}

void ObjectData::State::give_buffer(Bytes buffer) {
  if (buffer.size() <= kUnbudgetedSize) return;
  std::lock_guard lock(mutex);
  if (buffers.size() < kIdleBuffersMax) buffers.push_back(std::move(buffer));
}

Result<crypto::SealedReader> ObjectData::State::open_block(std::shared_ptr<const Context> context, ByteView root,
                                                           const Piece& piece, uint64_t number) {
  const std::string key = block_key(piece.id, number);
  const uint64_t plain_size = size_of_block(piece, number);
  auto opened = crypto::SealedReader::open(
      root, crypto::ObjectKind::kObjectBlock, block_place(piece.id, number), crypto::sealed_size(plain_size),
      [this, context, key](uint64_t offset, uint64_t length) { return store.get(*context, key, offset, length); });
  if (!opened.ok()) return broken_block(std::move(opened).error(), key);
  // Another segment size would fit the same sealed size.
  if (opened->plain_size() != plain_size)
    return broken_block(Error{ErrorCode::kCorruption, "it has another size than its object says", {}}, key);
  return opened;
}

Error broken_block(Error error, std::string_view key) {
  if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kCorruption;
  return std::move(error).in("reading " + std::string(key));
}

namespace {

/// One upload. The blocks of a piece are stored in order, one at a time; by a helper as soon as there may be more than
/// one: while it stores, the next is read and sealed.
class Upload {
 public:
  Upload(const Context& context, ObjectData::State& state, ByteView root)
      : context_(context),
        state_(state),
        root_(root),
        id_(new_piece_id(state.clock.wall(), state.options.block_size_bytes, state.entropy)),
        use_(state, id_),
        tasks_(context) {}

  Result<WrittenPiece> run(ByteSource& source, const std::function<void(ByteView)>& seen) {
    auto written = read_all(source, seen);
    if (!written.ok()) tasks_.request_stop();
    to_store_.close();
    const Status stored = tasks_.wait();
    if (written.ok() && stored.ok()) return written;
    remove_all();
    // Whoever only saw the other's stop has nothing to say.
    if (written.ok() || (written.code() == ErrorCode::kCancelled && !stored.ok())) return stored.error();
    return std::move(written).error();
  }

 private:
  struct Sealed {
    uint64_t number = 0;
    Bytes bytes;
    ByteBudget::Share share;
  };

  Result<WrittenPiece> read_all(ByteSource& source, const std::function<void(ByteView)>& seen) {
    const uint64_t block_size = state_.options.block_size_bytes;
    ByteBudget::Share share;
    Bytes plain;
    const auto before_large = [&]() -> Status {
      if (has_share_) return ok_status();
      COFFER_TRY(share, state_.plain_budget.take(context_, block_size));
      has_share_ = true;
      // What was read so far is worth less than memory that is there already.
      Bytes used_before = state_.take_buffer();
      if (used_before.size() > plain.size()) {
        std::copy(plain.begin(), plain.end(), used_before.begin());
        plain = std::move(used_before);
      }
      return ok_status();
    };
    WrittenPiece written;
    written.piece.id = id_;
    for (bool ended = false; !ended;) {
      COFFER_TRY(const size_t size, fill(context_, source, plain, block_size, seen, before_large));
      ended = size < block_size;
      written.piece.size_bytes += size;
      const ByteView block = ByteView(plain).first(size);
      if (ended && written.piece.size_bytes <= state_.options.inline_size_max_bytes) {
        written.piece.is_inline = true;
        if (size != 0) written.inline_bytes = crypto::seal(root_, block_parameters(id_, 0), block, state_.entropy);
      } else if (ended && count_ == 0) {
        COFFER_TRY(const Sealed sealed, seal(block));
        COFFER_CHECK_OK(store_block(context_, sealed));
      } else if (size != 0) {
        COFFER_TRY(Sealed sealed, seal(block));
        COFFER_CHECK_OK(hand_over(std::move(sealed)));
      }
    }
    state_.give_buffer(std::move(plain));
    return written;
  }

  Result<Sealed> seal(ByteView block) {
    Sealed sealed;
    sealed.number = count_++;
    if (has_share_) {
      COFFER_TRY(sealed.share, state_.sealed_budget.take(tasks_.context(), block.size()));
      sealed.bytes = state_.take_buffer();
    }
    crypto::seal_into(sealed.bytes, root_, block_parameters(id_, sealed.number), block, state_.entropy);
    return sealed;
  }

  Status hand_over(Sealed sealed) {
    if (sealed.number == 0) {
      tasks_.spawn([this]() -> Status {
        while (auto next = to_store_.pop(tasks_.context())) {
          COFFER_CHECK_OK(store_block(tasks_.context(), *next));
          state_.give_buffer(std::move(next->bytes));
        }
        return tasks_.context().check();
      });
    }
    if (to_store_.push(tasks_.context(), std::move(sealed))) return ok_status();
    return Error{ErrorCode::kCancelled, "stopped on request", {}};
  }

  Status store_block(const Context& context, const Sealed& sealed) {
    const std::string key = block_key(id_, sealed.number);
    stored_count_ = sealed.number + 1;
    auto put = state_.store.put(context, key, sealed.bytes);
    if (!put.ok() && put.code() == ErrorCode::kAlreadyExists) {
      stored_count_ = sealed.number;  // not ours to remove
      return Error{ErrorCode::kInternal, "s3: two pieces have the id " + to_hex(id_), {}};
    }
    if (!put.ok()) return std::move(put).error().in("storing " + key);
    auto there = state_.store.head(context, key);
    if (!there.ok()) return broken_block(std::move(there).error(), key);
    if (there->size_bytes != sealed.bytes.size())
      return Error{ErrorCode::kCorruption, "storing " + key + ": the store kept another size", {}};
    return ok_status();
  }

  /// What cannot be removed is found by its age later.
  void remove_all() {
    for (uint64_t number = stored_count_; number-- > 0;) {
      if (!state_.store.remove(Context(), block_key(id_, number)).ok()) return;
    }
  }

  const Context context_;
  ObjectData::State& state_;
  const ByteView root_;
  const PieceId id_;
  const ObjectData::State::Use use_;
  bool has_share_ = false;
  uint64_t count_ = 0;         // of blocks that were sealed
  uint64_t stored_count_ = 0;  // of blocks that may lie in the store; the helper's as long as it runs
  Channel<Sealed> to_store_{1};
  TaskGroup tasks_;  // joined before anything else goes
};

}  // namespace

ObjectData::ObjectData(store::ObjectStore& store, Clock& clock, Entropy& entropy, Options options)
    : state_(std::make_shared<State>(store, clock, entropy, options)) {}
ObjectData::~ObjectData() = default;

Result<WrittenPiece> ObjectData::write(const Context& context, ByteView object_root, ByteSource& source,
                                       const std::function<void(ByteView)>& seen) {
  return Upload(context, *state_, object_root).run(source, seen);
}

bool ObjectData::may_be_committed(const PieceId& id) const {
  return state_->clock.wall() - time_of(id) <= kAbandonedAfter / 2;
}

Status ObjectData::remove(const Context& context, const Piece& piece) {
  if (piece.is_inline) return ok_status();
  if (piece.size_bytes != 0) {
    // The first goes last: as long as anything is there, so is what a listing finds.
    for (uint64_t number = block_count_of(piece); number-- > 0;)
      COFFER_CHECK_OK(state_->store.remove(context, block_key(piece.id, number)));
    return ok_status();
  }
  std::vector<std::string> keys;
  COFFER_CHECK_OK(
      state_->store.list(context, folder_of(static_cast<uint8_t>(piece.id.back())), [&](const store::ObjectInfo& info) {
        if (piece_of_key(info.key) == piece.id) keys.push_back(info.key);
        return true;
      }));
  for (const std::string& key : keys) COFFER_CHECK_OK(state_->store.remove(context, key));
  return ok_status();
}

bool ObjectData::in_use(const PieceId& id) const {
  std::lock_guard lock(state_->mutex);
  return state_->uses.contains(id);
}

Status ObjectData::list_old_pieces(const Context& context, WallTime now,
                                   const std::function<bool(const PieceId&)>& visit, std::optional<uint8_t> folder) {
  std::optional<PieceId> last;  // the blocks of a piece follow each other
  return state_->store.list(context, folder ? folder_of(*folder) : std::string(kBlocksPrefix),
                            [&](const store::ObjectInfo& info) {
                              const auto id = piece_of_key(info.key);
                              if (!id || id == last) return true;
                              last = id;
                              if (now - time_of(*id) < kAbandonedAfter || in_use(*id)) return true;
                              return visit(*id);
                            });
}

Status ObjectData::check_without_root(const Context& context, const Piece& piece) {
  if (piece.is_inline) return ok_status();
  for (uint64_t number = 0; number < block_count_of(piece); ++number) {
    const std::string key = block_key(piece.id, number);
    const uint64_t size_bytes = crypto::sealed_size(size_of_block(piece, number));
    auto there = state_->store.head(context, key);
    if (!there.ok()) return broken_block(std::move(there).error(), key);
    if (there->size_bytes != size_bytes)
      return broken_block(Error{ErrorCode::kCorruption, "it has another size than it had", {}}, key);
    for (uint64_t offset = 0; offset < size_bytes; offset += state_->options.window_size_bytes) {
      auto part =
          state_->store.get(context, key, offset, std::min(state_->options.window_size_bytes, size_bytes - offset));
      if (!part.ok()) return broken_block(std::move(part).error(), key);
      if (offset != 0) continue;
      const auto header =
          crypto::parse_sealed_header(ByteView(*part).first(std::min(part->size(), crypto::kSealedHeaderSize)));
      if (!header.ok() || header->kind != crypto::ObjectKind::kObjectBlock || header->object_id != piece.id)
        return broken_block(Error{ErrorCode::kCorruption, "it is not a block of its piece", {}}, key);
    }
  }
  return ok_status();
}

Status ObjectData::check(const Context& context, ByteView object_root, const Piece& piece) {
  if (piece.is_inline) return ok_status();
  const auto shared_context = std::make_shared<const Context>(context);
  Bytes window(std::min(block_size_of(piece.id), state_->options.window_size_bytes));
  for (uint64_t number = 0; number < block_count_of(piece); ++number) {
    COFFER_TRY(const auto block, state_->open_block(shared_context, object_root, piece, number));
    const std::string key = block_key(piece.id, number);
    COFFER_TRY(const auto there, state_->store.head(context, key));
    if (there.size_bytes != crypto::sealed_size(block.plain_size()))
      return broken_block(Error{ErrorCode::kCorruption, "it is longer than it was", {}}, key);
    for (uint64_t offset = 0; offset < block.plain_size(); offset += window.size()) {
      COFFER_CHECK_OK(context.check());
      const auto part = MutableByteView(window).first(std::min<uint64_t>(window.size(), block.plain_size() - offset));
      Status read = block.read_plain(offset, part);
      if (!read.ok()) return broken_block(std::move(read).error(), key);
    }
  }
  return ok_status();
}

}  // namespace coffer::s3
