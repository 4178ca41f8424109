#include "services/s3/object_data.h"

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "base/testing.h"
#include "engine/crypto/sealed_object.h"
#include "engine/store/faulty_store.h"
#include "rapidcheck.h"

namespace coffer::s3 {
namespace {

using store::Fault;
using store::FaultyStore;

constexpr uint64_t kBlock = 4096, kInline = 100;

ObjectData::Options small_blocks() {
  return {.block_size_bytes = kBlock,
          .inline_size_max_bytes = kInline,
          .memory_max_bytes = uint64_t{1} << 20,
          .window_size_bytes = 1000,
          .read_ahead_max_bytes = 10'000};
}

Bytes random_bytes(size_t size, uint64_t seed = 1) {
  Bytes bytes(size);
  SeededEntropy(seed).fill(bytes);
  return bytes;
}

/// Gives bytes in pieces of changing size; may end in an error.
class TestSource final : public ByteSource {
 public:
  explicit TestSource(Bytes bytes, std::optional<size_t> fails_at = {})
      : bytes_(std::move(bytes)), fails_at_(fails_at) {}
  Result<size_t> read(const Context&, MutableByteView out) override {
    if (fails_at_ && at_ >= *fails_at_) return Error{ErrorCode::kUnavailable, "the client went away", {}};
    const size_t end = fails_at_ ? std::min(*fails_at_, bytes_.size()) : bytes_.size();
    const size_t count = std::min({out.size(), end - at_, 1 + random_() % 3000});
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(at_), count, out.begin());
    at_ += count;
    return count;
  }

 private:
  Bytes bytes_;
  std::optional<size_t> fails_at_;
  size_t at_ = 0;
  std::minstd_rand random_{7};
};

class ObjectDataTest : public testing::Test {
 protected:
  explicit ObjectDataTest(ObjectData::Options options = small_blocks()) : options_(options) {}

  ObjectData data_in(store::ObjectStore& store) { return ObjectData(store, clock_, entropy_, options_); }

  Result<WrittenPiece> write(ObjectData& data, const Bytes& bytes, std::optional<size_t> fails_at = {}) {
    TestSource source(bytes, fails_at);
    seen_.clear();
    return data.write(Context(), root_, source, [this](ByteView part) { append(seen_, part); });
  }
  Result<WrittenPiece> write(const Bytes& bytes) { return write(data_, bytes); }

  Result<std::unique_ptr<ByteSource>> open(ObjectData& data, const std::vector<WrittenPiece>& pieces, uint64_t offset,
                                           uint64_t length) {
    Layout layout;
    for (const auto& one : pieces) layout.push_back(one.piece);
    return data.open(Context(), Secret::copy_of(root_), layout, offset, length,
                     [&](const PieceId& id) -> Result<Bytes> {
                       for (const auto& one : pieces) {
                         if (one.piece.id == id) return one.inline_bytes;
                       }
                       return Error{ErrorCode::kCorruption, "no such inline piece", {}};
                     });
  }
  static Result<Bytes> drain(ByteSource& source, size_t out_size = 700) {
    Bytes all, out(out_size);
    for (;;) {
      COFFER_TRY(const size_t count, source.read(Context(), out));
      if (count == 0) return all;
      append(all, ByteView(out).first(count));
    }
  }
  Result<Bytes> read(ObjectData& data, const std::vector<WrittenPiece>& pieces, uint64_t offset, uint64_t length) {
    COFFER_TRY(auto source, open(data, pieces, offset, length));
    return drain(*source);
  }
  Result<Bytes> read(const WrittenPiece& piece) { return read(data_, {piece}, 0, piece.piece.size_bytes); }

  std::vector<std::string> keys() {
    std::vector<std::string> keys;
    must(store_->list(Context(), "", [&](const store::ObjectInfo& info) {
      keys.push_back(info.key);
      return true;
    }));
    return keys;
  }
  /// Replaces the bytes of a block.
  void tamper(const std::string& key, const std::function<void(Bytes&)>& change) {
    Bytes bytes = must(store_->get_all(Context(), key));
    change(bytes);
    must(store_->remove(Context(), key));
    must(store_->put(Context(), key, bytes));
  }

  const ObjectData::Options options_;
  ManualClock clock_{WallTime{1'790'000'000'000'000}};
  SystemEntropy entropy_;
  const Bytes root_ = random_bytes(crypto::kRootSize, 9);
  std::unique_ptr<store::ObjectStore> store_ = store::open_memory();
  ObjectData data_ = data_in(*store_);
  Bytes seen_;
};

TEST_F(ObjectDataTest, EverySizeComesBack) {
  for (size_t size : {size_t{1}, kInline - 1, kInline, kInline + 1, kBlock - 1, kBlock, kBlock + 1, kBlock + kInline,
                      2 * kBlock, 3 * kBlock + 17, 20 * kBlock}) {
    const Bytes bytes = random_bytes(size, size);
    const WrittenPiece written = must(write(bytes));
    EXPECT_EQ(written.piece.size_bytes, size);
    EXPECT_EQ(written.piece.is_inline, size <= kInline);
    EXPECT_EQ(written.inline_bytes.empty(), size > kInline);
    EXPECT_EQ(seen_, bytes);
    EXPECT_EQ(must(read(written)), bytes) << size;
    must(data_.check(Context(), root_, written.piece));
  }
}

TEST_F(ObjectDataTest, NoBytesAreAnInlinePieceWithoutAny) {
  const WrittenPiece written = must(write({}));
  EXPECT_TRUE(written.piece.is_inline);
  EXPECT_TRUE(written.inline_bytes.empty());
  EXPECT_TRUE(keys().empty());
  EXPECT_TRUE(must(read(written)).empty());
  EXPECT_TRUE(must(read(data_, {}, 0, 0)).empty());
}

TEST_F(ObjectDataTest, TheStoreSeesNothingOfThePlainBytes) {
  const Bytes zeros(3 * kBlock);
  must(write(zeros));
  std::set<Bytes> blocks;
  for (const std::string& key : keys()) {
    const Bytes sealed = must(store_->get_all(Context(), key));
    blocks.insert(sealed);
    EXPECT_EQ(std::search_n(sealed.begin(), sealed.end(), 64, std::byte{0}), sealed.end());
  }
  EXPECT_EQ(blocks.size(), 3u);
}

TEST_F(ObjectDataTest, ARangeReadsOnlyTheSegmentsItNeeds) {
  ObjectData::Options options;  // blocks of 8 MiB
  ObjectData large(*store_, clock_, entropy_, options);
  const Bytes bytes = random_bytes(20 << 20);
  const WrittenPiece written = must(write(large, bytes));
  EXPECT_EQ(keys().size(), 3u);
  uint64_t fetched = 0;
  class Counting final : public store::ObjectStore {
   public:
    Counting(ObjectStore& inner, uint64_t& fetched) : inner_(inner), fetched_(fetched) {}
    store::Capabilities capabilities() const override { return inner_.capabilities(); }
    std::string describe() const override { return inner_.describe(); }
    Result<store::ObjectInfo> put(const Context& c, std::string_view key, ByteView body) override {
      return inner_.put(c, key, body);
    }
    Result<Bytes> get(const Context& c, std::string_view key, uint64_t offset, uint64_t length) override {
      fetched_ += length;
      return inner_.get(c, key, offset, length);
    }
    Result<store::ObjectInfo> head(const Context& c, std::string_view key) override { return inner_.head(c, key); }
    Result<std::unique_ptr<store::ObjectView>> view(const Context& c, std::string_view key) override {
      return inner_.view(c, key);
    }
    Status list(const Context& c, std::string_view prefix, const Visitor& visit) override {
      return inner_.list(c, prefix, visit);
    }
    Status remove(const Context& c, std::string_view key) override { return inner_.remove(c, key); }

   private:
    ObjectStore& inner_;
    uint64_t& fetched_;
  } counting(*store_, fetched);
  ObjectData counted(counting, clock_, entropy_, options);
  const Bytes part = must(read(counted, {written}, 9'000'000, 1000));
  EXPECT_TRUE(equal(part, ByteView(bytes).subspan(9'000'000, 1000)));
  EXPECT_LT(fetched, uint64_t{200} << 10);
}

TEST_F(ObjectDataTest, APieceIsReadableWhenTheBlockSizeHasChanged) {
  const Bytes bytes = random_bytes(5 * kBlock + 1);
  const WrittenPiece written = must(write(bytes));
  ObjectData::Options larger = small_blocks();
  larger.block_size_bytes = 4 * kBlock;
  ObjectData later(*store_, clock_, entropy_, larger);
  EXPECT_EQ(must(read(later, {written}, 0, bytes.size())), bytes);
  must(later.remove(Context(), written.piece));
  EXPECT_TRUE(keys().empty());
}

TEST_F(ObjectDataTest, RangesAgreeWithAPlainString) {
  EXPECT_TRUE(rc::check([&] {
    std::vector<WrittenPiece> pieces;
    Bytes model;
    const auto count = *rc::gen::inRange(0, 5);
    for (int i = 0; i < count; ++i) {
      const auto size = *rc::gen::element<size_t>(0, 1, kInline, kInline + 1, kBlock, 2 * kBlock, 3 * kBlock + 5);
      const Bytes bytes = random_bytes(size, static_cast<uint64_t>(i) * 1000 + size);
      pieces.push_back(must(write(bytes)));
      append(model, bytes);
    }
    const auto offset = *rc::gen::inRange<size_t>(0, model.size() + 1);
    const auto length = *rc::gen::inRange<size_t>(0, model.size() - offset + 1);
    auto source = must(open(data_, pieces, offset, length));
    const Bytes got = must(drain(*source, *rc::gen::inRange<size_t>(1, 6000)));
    RC_ASSERT(equal(got, ByteView(model).subspan(offset, length)));
  }));
}

TEST_F(ObjectDataTest, ARangePastTheEndIsRefused) {
  const WrittenPiece written = must(write(random_bytes(1000)));
  for (auto [offset, length] : {std::pair<uint64_t, uint64_t>{0, 1001}, {1000, 1}, {1001, 0}, {1, UINT64_MAX}})
    EXPECT_EQ(open(data_, {written}, offset, length).code(), ErrorCode::kInvalidArgument) << offset;
}

TEST_F(ObjectDataTest, ASourceStaysAtItsEnd) {
  const WrittenPiece written = must(write(random_bytes(kBlock + 1)));
  auto source = must(open(data_, {written}, 0, kBlock + 1));
  must(drain(*source));
  Bytes out(10);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(must(source->read(Context(), out)), 0u);
}

// ---- what goes wrong in the store

TEST_F(ObjectDataTest, AFlippedBitAnywhereIsCorruption) {
  const Bytes bytes = random_bytes(kBlock + 500);
  const WrittenPiece written = must(write(bytes));
  for (const std::string& key : keys()) {
    const size_t size = must(store_->head(Context(), key)).size_bytes;
    for (size_t at = 0; at < size; at += at < 200 ? 1 : 61) {
      tamper(key, [&](Bytes& b) { b[at] ^= std::byte{1}; });
      // The reserved bytes of the header are authentic too; every flip is noticed by the whole reading.
      EXPECT_EQ(read(written).code(), ErrorCode::kCorruption) << key << " " << at;
      EXPECT_EQ(data_.check(Context(), root_, written.piece).code(), ErrorCode::kCorruption) << key << " " << at;
      tamper(key, [&](Bytes& b) { b[at] ^= std::byte{1}; });
    }
  }
  EXPECT_EQ(must(read(written)), bytes);
}

TEST_F(ObjectDataTest, ATruncatedBlockIsCorruption) {
  const WrittenPiece written = must(write(random_bytes(kBlock + 500)));
  for (const std::string& key : keys()) {
    const Bytes whole = must(store_->get_all(Context(), key));
    for (size_t size = 0; size < whole.size(); size += 37) {
      tamper(key, [&](Bytes& b) { b.resize(size); });
      EXPECT_EQ(read(written).code(), ErrorCode::kCorruption) << size;
      EXPECT_EQ(data_.check(Context(), root_, written.piece).code(), ErrorCode::kCorruption) << size;
    }
    tamper(key, [&](Bytes& b) { b = whole; });
  }
  must(read(written));
}

TEST_F(ObjectDataTest, ABlockThatGrewIsFoundByTheCheck) {
  const WrittenPiece written = must(write(random_bytes(kBlock + 500)));
  tamper(keys().front(), [](Bytes& b) { b.push_back(std::byte{0}); });
  EXPECT_EQ(data_.check(Context(), root_, written.piece).code(), ErrorCode::kCorruption);
}

TEST_F(ObjectDataTest, AMissingBlockIsCorruptionThatNamesIt) {
  const WrittenPiece written = must(write(random_bytes(3 * kBlock)));
  const std::string key = keys()[1];
  must(store_->remove(Context(), key));
  for (const Error& error : {read(written).error(), data_.check(Context(), root_, written.piece).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kCorruption);
    EXPECT_NE(error.message.find(key), std::string::npos) << error.message;
  }
  // What lies before it is given.
  auto source = must(open(data_, {written}, 0, 3 * kBlock));
  Bytes got, out(500);
  for (;;) {
    auto count = source->read(Context(), out);
    if (!count.ok()) break;
    append(got, ByteView(out).first(*count));
  }
  EXPECT_EQ(got.size(), kBlock);
  EXPECT_EQ(source->read(Context(), out).code(), ErrorCode::kCorruption);  // and stays so
}

TEST_F(ObjectDataTest, SwappedBlocksAreCorruption) {
  const WrittenPiece written = must(write(random_bytes(2 * kBlock)));
  const auto both = keys();
  const Bytes first = must(store_->get_all(Context(), both[0])), second = must(store_->get_all(Context(), both[1]));
  tamper(both[0], [&](Bytes& b) { b = second; });
  tamper(both[1], [&](Bytes& b) { b = first; });
  EXPECT_EQ(read(written).code(), ErrorCode::kCorruption);
}

TEST_F(ObjectDataTest, ABlockOfAnotherPieceOfTheSameObjectIsCorruption) {
  const WrittenPiece one = must(write(random_bytes(kBlock)));
  const std::string key = keys().front();
  must(write(random_bytes(kBlock, 2)));
  const auto both = keys();
  const Bytes other = must(store_->get_all(Context(), both[0] == key ? both[1] : both[0]));
  tamper(key, [&](Bytes& b) { b = other; });
  EXPECT_EQ(read(one).code(), ErrorCode::kCorruption);
}

TEST_F(ObjectDataTest, AnotherRootOpensNothing) {
  for (size_t size : {size_t{50}, size_t{5000}}) {
    const WrittenPiece written = must(write(random_bytes(size)));
    const Bytes other = random_bytes(crypto::kRootSize, 10);
    auto source = data_.open(Context(), Secret::copy_of(other), {written.piece}, 0, size,
                             [&](const PieceId&) { return Result<Bytes>(written.inline_bytes); });
    EXPECT_EQ(source.ok() ? drain(**source).code() : source.code(), ErrorCode::kCorruption);
  }
}

TEST_F(ObjectDataTest, ABrokenInlinePieceIsSaidWhenItIsOpened) {
  WrittenPiece written = must(write(random_bytes(50)));
  written.inline_bytes[140] ^= std::byte{1};
  EXPECT_EQ(open(data_, {written}, 0, 50).code(), ErrorCode::kCorruption);
  written.inline_bytes[140] ^= std::byte{1};
  written.piece.size_bytes = 49;
  EXPECT_EQ(open(data_, {written}, 0, 49).code(), ErrorCode::kCorruption);
}

// ---- what goes wrong while writing

TEST_F(ObjectDataTest, WhenAnyCallOfTheStoreFailsNothingIsLeft) {
  const Bytes bytes = random_bytes(4 * kBlock + 500);
  for (Fault::Kind kind :
       {Fault::Kind::kError, Fault::Kind::kErrorAfter, Fault::Kind::kTornPut, Fault::Kind::kLostPut}) {
    for (uint64_t broken = 1;; ++broken) {
      FaultyStore faulty(*store_, [&](uint64_t call, store::Operation, std::string_view) -> std::optional<Fault> {
        if (call == broken) return Fault{.kind = kind};
        return std::nullopt;
      });
      ObjectData data = data_in(faulty);
      auto written = write(data, bytes);
      if (written.ok()) {
        // A fault that fits no call of its number changes nothing; one beyond the last call ends the sweep.
        EXPECT_EQ(must(read(data_, {*written}, 0, bytes.size())), bytes);
        must(data_.remove(Context(), written->piece));
        if (faulty.calls() < broken) break;
        continue;
      }
      EXPECT_NE(written.code(), ErrorCode::kCancelled);
      EXPECT_TRUE(keys().empty()) << static_cast<int>(kind) << " " << broken;
    }
  }
}

TEST_F(ObjectDataTest, WhenTheSourceFailsNothingIsLeftAndItsErrorIsTold) {
  for (size_t at : {size_t{0}, size_t{50}, size_t{kBlock}, size_t{2 * kBlock}, size_t{3 * kBlock + 9}}) {
    auto written = write(data_, random_bytes(4 * kBlock), at);
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.code(), ErrorCode::kUnavailable);
    EXPECT_NE(written.error().message.find("went away"), std::string::npos);
    EXPECT_TRUE(keys().empty()) << at;
  }
}

TEST_F(ObjectDataTest, AStoppedUploadLeavesNothing) {
  StopSource stop;
  class Stopping final : public ByteSource {
   public:
    explicit Stopping(StopSource& stop) : stop_(stop) {}
    Result<size_t> read(const Context& context, MutableByteView out) override {
      if (++calls_ == 5) stop_.request_stop();
      COFFER_CHECK_OK(context.check());
      return out.size();
    }

   private:
    StopSource& stop_;
    int calls_ = 0;
  } source(stop);
  auto written = data_.write(Context(stop), root_, source, [](ByteView) {});
  EXPECT_EQ(written.code(), ErrorCode::kCancelled);
  EXPECT_TRUE(keys().empty());
}

TEST_F(ObjectDataTest, AnIdThatIsTakenLosesNobodysBytes) {
  SeededEntropy same(1);
  ObjectData first(*store_, clock_, same, options_);
  const Bytes bytes = random_bytes(2 * kBlock);
  const WrittenPiece written = must(write(first, bytes));
  SeededEntropy again(1);
  ObjectData second(*store_, clock_, again, options_);
  EXPECT_EQ(write(second, random_bytes(2 * kBlock, 5)).code(), ErrorCode::kInternal);
  EXPECT_EQ(must(read(written)), bytes);
}

TEST_F(ObjectDataTest, UploadsWaitForMemoryAndAllComeThrough) {
  ObjectData::Options options;
  options.block_size_bytes = uint64_t{2} << 20;
  options.memory_max_bytes = uint64_t{6} << 20;  // two blocks unsealed, not one sealed
  ObjectData data(*store_, clock_, entropy_, options);
  std::vector<Bytes> bodies;
  for (uint64_t i = 0; i < 6; ++i) bodies.push_back(random_bytes((5 << 20) + i, i));
  std::vector<std::optional<WrittenPiece>> written(bodies.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < bodies.size(); ++i) {
    threads.emplace_back([&, i] {
      TestSource source(bodies[i]);
      auto done = data.write(Context(), root_, source, [](ByteView) {});
      if (done.ok()) written[i] = *done;
    });
  }
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < bodies.size(); ++i) {
    ASSERT_TRUE(written[i]);
    EXPECT_EQ(must(read(data, {*written[i]}, 0, bodies[i].size())), bodies[i]);
  }
}

// ---- removing, and what is left behind

TEST_F(ObjectDataTest, RemovingTakesEveryBlockAndMayBeRepeated) {
  const WrittenPiece kept = must(write(random_bytes(2 * kBlock)));
  const WrittenPiece gone = must(write(random_bytes(11 * kBlock + 1)));
  must(data_.remove(Context(), gone.piece));
  must(data_.remove(Context(), gone.piece));
  EXPECT_EQ(keys().size(), 2u);
  must(read(kept));
  EXPECT_EQ(read(gone).code(), ErrorCode::kCorruption);
}

TEST_F(ObjectDataTest, OfAPieceWithoutAKnownSizeTheStoreIsAsked) {
  const WrittenPiece kept = must(write(random_bytes(2 * kBlock)));
  const WrittenPiece gone = must(write(random_bytes(11 * kBlock + 1)));
  must(data_.remove(Context(), Piece{.id = gone.piece.id}));
  EXPECT_EQ(keys().size(), 2u);
  must(read(kept));
}

TEST_F(ObjectDataTest, WhatACrashLeavesIsListedOnceItIsOld) {
  FaultyStore crashing(*store_, [](uint64_t call, store::Operation, std::string_view) -> std::optional<Fault> {
    if (call == 5) return Fault{.kind = Fault::Kind::kCrashAfter};
    return std::nullopt;
  });
  ObjectData data = data_in(crashing);
  EXPECT_THROW((void)write(data, random_bytes(6 * kBlock)), store::SimulatedCrash);
  ASSERT_FALSE(keys().empty());
  must(store_->put(Context(), "objects/aa/something-else", as_bytes("x")));
  must(store_->put(Context(), "objects/notes", as_bytes("x")));

  const auto old_pieces = [&] {
    std::vector<PieceId> ids;
    must(data_.list_old_pieces(Context(), clock_.wall(), [&](const PieceId& id) {
      ids.push_back(id);
      return true;
    }));
    return ids;
  };
  EXPECT_TRUE(old_pieces().empty());
  clock_.advance(ObjectData::kAbandonedAfter - std::chrono::minutes(1));
  EXPECT_TRUE(old_pieces().empty());
  clock_.advance(std::chrono::minutes(2));
  must(write(random_bytes(kBlock)));
  const auto found = old_pieces();
  ASSERT_EQ(found.size(), 1u);
  int in_folders = 0;
  for (int folder = 0; folder < 256; ++folder) {
    must(data_.list_old_pieces(
        Context(), clock_.wall(), [&](const PieceId& id) { return ++in_folders, id == found[0]; },
        static_cast<uint8_t>(folder)));
  }
  EXPECT_EQ(in_folders, 1);
  must(data_.remove(Context(), Piece{.id = found[0]}));
  EXPECT_TRUE(old_pieces().empty());
}

TEST_F(ObjectDataTest, WhatIsBeingReadIsInUseAndNotListed) {
  const WrittenPiece written = must(write(random_bytes(3 * kBlock)));
  EXPECT_FALSE(data_.in_use(written.piece.id));
  auto source = must(open(data_, {written}, 0, 3 * kBlock));
  auto another = must(open(data_, {written}, 0, 10));
  EXPECT_TRUE(data_.in_use(written.piece.id));
  clock_.advance(2 * ObjectData::kAbandonedAfter);
  const auto count = [&] {
    int found = 0;
    must(data_.list_old_pieces(Context(), clock_.wall(), [&](const PieceId&) { return ++found, true; }));
    return found;
  };
  EXPECT_EQ(count(), 0);
  source.reset();
  EXPECT_TRUE(data_.in_use(written.piece.id));
  another.reset();
  EXPECT_FALSE(data_.in_use(written.piece.id));
  EXPECT_EQ(count(), 1);
}

TEST_F(ObjectDataTest, WhatIsBeingWrittenIsInUse) {
  class Asking final : public ByteSource {
   public:
    explicit Asking(std::function<void()> ask) : ask_(std::move(ask)) {}
    Result<size_t> read(const Context&, MutableByteView out) override {
      if (++calls_ == 8) return size_t{0};
      if (calls_ == 7) ask_();
      return out.size();
    }

   private:
    std::function<void()> ask_;
    int calls_ = 0;
  };
  int found = -1;
  Asking source([&] {
    clock_.advance(2 * ObjectData::kAbandonedAfter);
    found = 0;
    must(data_.list_old_pieces(Context(), clock_.wall(), [&](const PieceId&) { return ++found, true; }));
  });
  const WrittenPiece written = must(data_.write(Context(), root_, source, [](ByteView) {}));
  EXPECT_EQ(found, 0);
  EXPECT_FALSE(data_.may_be_committed(written.piece.id));
}

TEST_F(ObjectDataTest, APieceMayBeCommittedForHalfTheTimeAfterWhichItIsAbandoned) {
  const WrittenPiece written = must(write(random_bytes(kBlock)));
  EXPECT_TRUE(data_.may_be_committed(written.piece.id));
  clock_.advance(ObjectData::kAbandonedAfter / 2 - std::chrono::seconds(1));
  EXPECT_TRUE(data_.may_be_committed(written.piece.id));
  clock_.advance(std::chrono::seconds(2));
  EXPECT_FALSE(data_.may_be_committed(written.piece.id));
}

TEST_F(ObjectDataTest, ASourceMayBeDroppedWhileItReadsAhead) {
  const WrittenPiece written = must(write(random_bytes(50 * kBlock)));
  for (int i = 0; i < 50; ++i) {
    auto source = must(open(data_, {written}, 0, 50 * kBlock));
    Bytes out(10);
    must(source->read(Context(), out));
  }
  EXPECT_FALSE(data_.in_use(written.piece.id));
  EXPECT_EQ(must(read(written)).size(), 50 * kBlock);  // the memory for reading ahead was given back
}

TEST(ObjectDataLocal, ALocalFolderKeepsObjects) {
  TemporaryDirectory directory;
  PosixFileSystem file_system;
  auto store = must(store::open_local(file_system, directory.path("objects"), true));
  SystemClock clock;
  SystemEntropy entropy;
  const Bytes root = random_bytes(crypto::kRootSize, 9), bytes = random_bytes(20'000'000);
  WrittenPiece written;
  {
    ObjectData data(*store, clock, entropy, {});
    TestSource source(bytes);
    written = must(data.write(Context(), root, source, [](ByteView) {}));
  }
  store = must(store::open_local(file_system, directory.path("objects"), false));
  ObjectData data(*store, clock, entropy, {});
  must(data.check(Context(), root, written.piece));
  auto source = must(data.open(Context(), Secret::copy_of(root), {written.piece}, 1, bytes.size() - 1,
                               [](const PieceId&) { return Result<Bytes>(Bytes()); }));
  Bytes got, out(1 << 20);
  while (const size_t count = must(source->read(Context(), out))) append(got, ByteView(out).first(count));
  EXPECT_TRUE(equal(got, ByteView(bytes).subspan(1)));
}

// ---- layouts as bytes

Layout example() {
  Layout layout;
  for (int i = 0; i < 3; ++i) {
    Piece piece;
    SeededEntropy(static_cast<uint64_t>(i)).fill(piece.id);
    piece.size_bytes = uint64_t{5} << (10 * i);
    piece.part_number = i == 0 ? 0 : 9999 + i - 1;
    piece.is_inline = i == 0;
    piece.checksum = std::string(static_cast<size_t>(i) * 4, '\x80');
    layout.push_back(piece);
  }
  return layout;
}

bool same(const Layout& a, const Layout& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Piece& x, const Piece& y) {
    return x.id == y.id && x.size_bytes == y.size_bytes && x.is_inline == y.is_inline &&
           x.part_number == y.part_number && x.checksum == y.checksum;
  });
}

TEST(LayoutBytes, ComeBack) {
  EXPECT_TRUE(same(must(decode_layout(encode_layout(example()))), example()));
  EXPECT_TRUE(encode_layout({}).empty());
  EXPECT_TRUE(must(decode_layout({})).empty());
}

TEST(LayoutBytes, EveryTruncationAndEveryAppendedByteIsCorruption) {
  Bytes bytes = encode_layout(example());
  for (size_t size = 1; size < bytes.size(); ++size)
    EXPECT_EQ(decode_layout(ByteView(bytes).first(size)).code(), ErrorCode::kCorruption) << size;
  bytes.push_back(std::byte{0});
  EXPECT_EQ(decode_layout(bytes).code(), ErrorCode::kCorruption);
}

TEST(LayoutBytes, WhateverIsReadIsWhatIsWritten) {
  const Bytes bytes = encode_layout(example());
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      Bytes changed = bytes;
      changed[at] = static_cast<std::byte>(value);
      const auto read = decode_layout(changed);
      EXPECT_TRUE(read.ok() ? encode_layout(*read) == changed : read.code() == ErrorCode::kCorruption);
    }
  }
}

TEST(LayoutBytes, AHugeCountSizesNothing) {
  EXPECT_EQ(decode_layout(must(from_hex("01ffffffffffffffffff01"))).code(), ErrorCode::kCorruption);
}

}  // namespace
}  // namespace coffer::s3
