#include <algorithm>

#include "services/s3/object_blocks.h"

namespace coffer::s3 {
namespace {

/// A range of one piece.
struct Stretch {
  Piece piece;
  uint64_t begin = 0, end = 0;
  Bytes inline_plain;  // of the range
};

/// Decrypts a window at a time. For a long read the next window is read by a helper while this one is taken away.
class ObjectSource final : public ByteSource {
 public:
  ObjectSource(std::shared_ptr<ObjectData::State> state, Secret root, std::vector<Stretch> stretches)
      : state_(std::move(state)), root_(std::move(root)), stretches_(std::move(stretches)) {
    for (const Stretch& stretch : stretches_) uses_.emplace_back(*state_, stretch.piece.id);
    if (!stretches_.empty()) at_ = stretches_.front().begin;
  }
  ~ObjectSource() override { end_ahead(); }

  Result<size_t> read(const Context& context, MutableByteView out) override {
    COFFER_CHECK_OK(context.check());
    if (failed_) return *failed_;
    if (taken_ == window_.size()) {
      Status loaded = next_window(context);
      if (!loaded.ok()) return *(failed_ = std::move(loaded).error());
    }
    const size_t count = std::min(out.size(), window_.size() - taken_);
    if (count != 0) std::memcpy(out.data(), window_.data() + taken_, count);
    taken_ += count;
    return count;
  }

 private:
  struct Ahead {
    explicit Ahead(const Context& context) : tasks(context) {}
    Bytes window;
    TaskGroup tasks;
  };

  Status next_window(const Context& context) {
    taken_ = 0;
    if (ahead_) {
      const Status loaded = ahead_->tasks.wait();
      std::swap(window_, ahead_->window);
      spare_ = std::move(ahead_->window);
      end_ahead();
      COFFER_CHECK_OK(loaded);
    } else {
      COFFER_CHECK_OK(load(context, window_));
    }
    if (!at_end() && !stretches_[stretch_].piece.is_inline && begin_ahead(context)) {
      ahead_->window = std::move(spare_);
      ahead_->tasks.spawn([this, ahead = ahead_.get()] { return load(ahead->tasks.context(), ahead->window); });
    }
    return ok_status();
  }

  /// False when the sources together hold too much already.
  bool begin_ahead(const Context& context) {
    const uint64_t size = state_->options.window_size_bytes;
    if (state_->read_ahead_bytes.fetch_add(size) + size > state_->options.read_ahead_max_bytes) {
      state_->read_ahead_bytes -= size;
      return false;
    }
    ahead_ = std::make_unique<Ahead>(context);
    return true;
  }
  void end_ahead() {
    if (!ahead_) return;
    ahead_.reset();
    state_->read_ahead_bytes -= state_->options.window_size_bytes;
  }

  [[nodiscard]] bool at_end() const { return stretch_ == stretches_.size(); }

  /// The next bytes, of one block or one inline piece; none at the end. Called by one thread at a time.
  Status load(const Context& context, Bytes& window) {
    window.clear();
    *context_ = context;
    if (at_end()) return ok_status();
    Stretch& stretch = stretches_[stretch_];
    if (stretch.piece.is_inline) {
      window = std::move(stretch.inline_plain);
      at_ = stretch.end;
    } else {
      const uint64_t block_size = block_size_of(stretch.piece.id), number = at_ / block_size;
      COFFER_TRY(const crypto::SealedReader* block, block_of(stretch.piece, number));
      const uint64_t offset = at_ - number * block_size;
      window.resize(std::min({stretch.end - at_, size_of_block(stretch.piece, number) - offset, window_size()}));
      Status read = block->read_plain(offset, window);
      if (!read.ok()) return broken_block(std::move(read).error(), block_key(stretch.piece.id, number));
      at_ += window.size();
    }
    if (at_ == stretch.end && ++stretch_ < stretches_.size()) at_ = stretches_[stretch_].begin;
    return ok_status();
  }

  [[nodiscard]] uint64_t window_size() const { return state_->options.window_size_bytes; }

  Result<const crypto::SealedReader*> block_of(const Piece& piece, uint64_t number) {
    if (!block_ || block_piece_ != piece.id || block_number_ != number) {
      COFFER_TRY(block_, state_->open_block(context_, root_.view(), piece, number));
      block_piece_ = piece.id;
      block_number_ = number;
    }
    return &*block_;
  }

  const std::shared_ptr<ObjectData::State> state_;
  const Secret root_;
  std::vector<Stretch> stretches_;
  std::vector<ObjectData::State::Use> uses_;
  std::optional<Error> failed_;
  Bytes window_, spare_;
  size_t taken_ = 0;  // of the window

  // Where the next window begins: the helper's as long as it runs.
  size_t stretch_ = 0;
  uint64_t at_ = 0;
  const std::shared_ptr<Context> context_ = std::make_shared<Context>();
  std::optional<crypto::SealedReader> block_;
  PieceId block_piece_{};
  uint64_t block_number_ = 0;
  std::unique_ptr<Ahead> ahead_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> ObjectData::open(const Context& context, Secret object_root, const Layout& layout,
                                                     uint64_t offset, uint64_t length, const FindInline& inline_bytes) {
  COFFER_CHECK_OK(context.check());
  uint64_t size_bytes = 0, begin = 0;
  for (const Piece& piece : layout) size_bytes += piece.size_bytes;
  if (offset > size_bytes || length > size_bytes - offset)
    return Error{ErrorCode::kInvalidArgument, "a range past the end of an object", {}};
  std::vector<Stretch> stretches;
  for (const Piece& piece : layout) {
    const uint64_t from = std::max(offset, begin), to = std::min(offset + length, begin + piece.size_bytes);
    if (from < to) {
      Stretch stretch{.piece = piece, .begin = from - begin, .end = to - begin, .inline_plain = {}};
      if (piece.is_inline) {
        COFFER_TRY(const Bytes sealed, inline_bytes(piece.id));
        auto plain =
            crypto::open_sealed(object_root.view(), crypto::ObjectKind::kObjectBlock, block_place(piece.id, 0), sealed);
        if (!plain.ok()) return std::move(plain).error().in("reading the piece " + to_hex(piece.id));
        if (plain->size() != piece.size_bytes)
          return Error{ErrorCode::kCorruption, "the piece " + to_hex(piece.id) + " has another size than it had", {}};
        stretch.inline_plain = to_bytes(ByteView(*plain).subspan(stretch.begin, to - from));
      }
      stretches.push_back(std::move(stretch));
    }
    begin += piece.size_bytes;
  }
  return std::unique_ptr<ByteSource>(
      std::make_unique<ObjectSource>(state_, std::move(object_root), std::move(stretches)));
}

}  // namespace coffer::s3
