#include "engine/vault/commit_log.h"

#include <algorithm>
#include <numeric>
#include <thread>

#include "engine/vault/log_fixture.h"

namespace coffer::vault {
namespace {

LogEntry some_entry() {
  LogEntry entry{.index = 258,
                 .type = LogEntryType::kTombstone,
                 .time = kNoon,
                 .subject = "a-tombstone",
                 .body = Bytes(32, std::byte{5}),
                 .previous_root = {}};
  entry.previous_root.fill(std::byte{9});
  return entry;
}

// ---- encoding

TEST(LogEntryTest, ComesBackAndHasOneEncoding) {
  const LogEntry entry = some_entry();
  const Bytes bytes = encode_log_entry(entry);
  const LogEntry again = must(decode_log_entry(bytes));
  EXPECT_EQ(again.index, entry.index);
  EXPECT_EQ(again.type, entry.type);
  EXPECT_EQ(again.time, entry.time);
  EXPECT_EQ(again.subject, entry.subject);
  EXPECT_EQ(again.body, entry.body);
  EXPECT_EQ(again.previous_root, entry.previous_root);
  EXPECT_EQ(encode_log_entry(again), bytes);
}

TEST(LogEntryTest, EveryTruncationAndEveryTrailingByteIsRefused) {
  Bytes bytes = encode_log_entry(some_entry());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_TRUE(fails_with(decode_log_entry(ByteView(bytes).first(size)), ErrorCode::kCorruption)) << size;
  bytes.push_back({});
  EXPECT_TRUE(fails_with(decode_log_entry(bytes), ErrorCode::kCorruption));
}

TEST(LogEntryTest, WhateverDecodesEncodesToTheSameBytes) {
  const Bytes whole = encode_log_entry(some_entry());
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes bad = whole;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    auto read = decode_log_entry(bad);
    if (read.ok()) {
      EXPECT_EQ(encode_log_entry(*read), bad);
    }
  }
}

TEST(LogEntryTest, ATypeOfALaterVersionSaysWhatToDo) {
  LogEntry entry = some_entry();
  entry.type = static_cast<LogEntryType>(8);
  auto read = decode_log_entry(encode_log_entry(entry));
  EXPECT_TRUE(fails_with(read, ErrorCode::kCorruption, "type 8"));
  EXPECT_NE(read.error().next_step.find("newer version"), std::string::npos);
}

TEST(LogEntryTest, ACommitBodyComesBackOrIsRefused) {
  CommitBody body{.manifest_size_bytes = 12345, .manifest_sha256 = {}, .lease_id = "abc"};
  body.manifest_sha256.fill(std::byte{7});
  Bytes bytes = encode_commit_body(body);
  const CommitBody again = must(decode_commit_body(bytes));
  EXPECT_EQ(again.manifest_size_bytes, body.manifest_size_bytes);
  EXPECT_EQ(again.manifest_sha256, body.manifest_sha256);
  EXPECT_EQ(again.lease_id, body.lease_id);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_commit_body(ByteView(bytes).first(size)).ok()) << size;
}

// ---- the fold

LogEntry entry_of(LogEntryType type, std::string subject, Bytes body = {}) {
  return {.index = 0,
          .type = type,
          .time = kNoon,
          .subject = std::move(subject),
          .body = std::move(body),
          .previous_root = {}};
}
Bytes commit_under(const std::string& lease) {
  return encode_commit_body({.manifest_size_bytes = 1, .manifest_sha256 = {}, .lease_id = lease});
}

TEST(LogStateTest, WhatNoCorrectWriterAppendsIsRefusedAndChangesNothing) {
  LogState state;
  must(state.apply(entry_of(LogEntryType::kPointCommitted, "a", commit_under("L"))));
  must(state.apply(entry_of(LogEntryType::kPointCommitted, "b", commit_under("L"))));
  must(state.apply(entry_of(LogEntryType::kPointForgotten, "b")));
  must(state.apply(entry_of(LogEntryType::kTombstone, "t", Bytes(32))));
  must(state.apply(entry_of(LogEntryType::kLeaseFenced, "F")));
  auto refused = [&](const LogEntry& entry, std::string_view says) {
    EXPECT_TRUE(fails_with(state.apply(entry), ErrorCode::kCorruption, says));
    EXPECT_EQ(state.live.size(), 1u);
    EXPECT_EQ(state.ever_committed.size(), 2u);
    EXPECT_EQ(state.open_tombstones.size(), 1u);
    EXPECT_EQ(state.fenced_leases.size(), 1u);
  };
  refused(entry_of(LogEntryType::kPointCommitted, "a", commit_under("L")), "a second time");
  refused(entry_of(LogEntryType::kPointCommitted, "b", commit_under("L")), "a second time");
  refused(entry_of(LogEntryType::kPointCommitted, "c", commit_under("F")), "fenced");
  refused(entry_of(LogEntryType::kPointCommitted, "c", Bytes(10)), "cut short");
  refused(entry_of(LogEntryType::kPointCommitted, "../c", commit_under("L")), "id is none");
  refused(entry_of(LogEntryType::kPointForgotten, "b"), "not live");
  refused(entry_of(LogEntryType::kPointForgotten, "never"), "not live");
  refused(entry_of(LogEntryType::kTombstone, "t", Bytes(32)), "a second time");
  refused(entry_of(LogEntryType::kTombstone, "u", Bytes(31)), "without a digest");
  refused(entry_of(LogEntryType::kCollected, "u"), "not open");
  refused(entry_of(LogEntryType::kTombstoneDropped, "u"), "not open");
}

TEST(LogStateTest, AddsUpToWhatAModelAddsUpTo) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    LogState state;
    std::vector<std::string> live, tombstones;
    std::set<std::string> ever, fenced;
    for (int step = 0; step < 60; ++step) {
      const auto type = static_cast<LogEntryType>(1 + random() % 7);
      const std::string name = "n" + std::to_string(random() % 8);
      auto has = [&](const std::vector<std::string>& in) { return std::find(in.begin(), in.end(), name) != in.end(); };
      const bool live_now = has(live), open_now = has(tombstones);
      bool right = true;
      LogEntry entry = entry_of(type, name);
      switch (type) {
        case LogEntryType::kPointCommitted:
          entry.body = commit_under(name);
          right = !ever.contains(name) && !fenced.contains(name);
          if (right) live.push_back(name), ever.insert(name);
          break;
        case LogEntryType::kPointForgotten:
          right = live_now;
          std::erase(live, name);
          break;
        case LogEntryType::kTombstone:
          entry.body = Bytes(32);
          right = !open_now;
          if (right) tombstones.push_back(name);
          break;
        case LogEntryType::kCollected:
        case LogEntryType::kTombstoneDropped:
          right = open_now;
          std::erase(tombstones, name);
          break;
        case LogEntryType::kLeaseFenced: fenced.insert(name); break;
        case LogEntryType::kKeysetChanged: break;
      }
      EXPECT_EQ(state.check(entry).ok(), right);
      EXPECT_EQ(state.apply(entry).ok(), right);
      std::vector<std::string> ids, open;
      for (const auto& c : state.live) ids.push_back(c.id);
      for (const auto& t : state.open_tombstones) open.push_back(t.id);
      ASSERT_EQ(ids, live);
      ASSERT_EQ(open, tombstones);
      ASSERT_EQ(state.ever_committed, ever);
      ASSERT_EQ(state.fenced_leases, fenced);
      for (const std::string& id : live) EXPECT_NE(state.find(id), nullptr);
    }
  }
}

// ---- the log

class CommitLogTest : public LogFixture {
 protected:
  std::unique_ptr<CommitLog> load() { return must(CommitLog::load({}, *vault_)); }
  void append_points(uint64_t count) {
    auto log = load();
    for (uint64_t i = log->size(), end = i + count; i < end; ++i) commit(*log, "p" + std::to_string(i));
  }
  Status try_load() {
    auto log = CommitLog::load({}, *vault_);
    if (!log.ok()) return std::move(log).error();
    return ok_status();
  }
  static std::string says(uint64_t index) { return "entry " + std::to_string(index) + " of the commit log"; }
};

TEST_F(CommitLogTest, OfANewVaultIsEmpty) {
  auto log = load();
  EXPECT_EQ(log->size(), 0u);
  EXPECT_EQ(log->root(), crypto::sha256({}));
  EXPECT_TRUE(log->state().live.empty());
}

TEST_F(CommitLogTest, WhatWasAppendedIsReadByTheNextInOrder) {
  append_points(5);
  auto log = load();
  ASSERT_EQ(log->size(), 5u);
  EXPECT_EQ(log->state().live[3].id, "p3");
  EXPECT_EQ(log->state().live[3].log_index, 3u);
  EXPECT_EQ(log->entries()[4].time, kNoon);
}

TEST_F(CommitLogTest, TheRootIsThatOfTheMerkleTreeOverTheEntries) {
  append_points(7);
  auto log = load();
  crypto::MerkleFrontier tree;
  for (const LogEntry& entry : log->entries()) {
    EXPECT_EQ(entry.previous_root, tree.root());
    tree.append(crypto::merkle_leaf(encode_log_entry(entry)));
  }
  EXPECT_EQ(log->root(), tree.root());
}

TEST_F(CommitLogTest, RefreshSeesWhatOthersAppended) {
  auto one = load(), two = load();
  commit(*one, "a");
  EXPECT_EQ(two->size(), 0u);
  must(two->refresh({}));
  EXPECT_EQ(two->size(), 1u);
  EXPECT_EQ(commit(*two, "b"), 1u);
  EXPECT_EQ(commit(*one, "c"), 2u);
  EXPECT_EQ(load()->root(), one->root());
}

TEST_F(CommitLogTest, TheCheckSeesTheStateOfTheMomentAndItsErrorAppendsNothing) {
  auto one = load(), two = load();
  commit(*one, "a");
  auto refuse = [](const LogState& state) -> Status {
    if (state.find("a") != nullptr) return Error{ErrorCode::kAlreadyExists, "a is there", {}};
    return ok_status();
  };
  EXPECT_TRUE(fails_with(two->append({}, LogEntryType::kPointCommitted, "b", commit_body(), refuse),
                         ErrorCode::kAlreadyExists, "a is there"));
  EXPECT_EQ(load()->size(), 1u);
}

TEST_F(CommitLogTest, AnEntryThatNoCorrectWriterAppendsIsRefused) {
  auto log = load();
  commit(*log, "a");
  EXPECT_TRUE(fails_with(log->append({}, LogEntryType::kPointCommitted, "a", commit_body(), nullptr),
                         ErrorCode::kFailedPrecondition, "second time"));
  EXPECT_TRUE(fails_with(log->append({}, LogEntryType::kPointForgotten, "b", {}, nullptr),
                         ErrorCode::kFailedPrecondition, "not live"));
  EXPECT_TRUE(fails_with(log->append({}, LogEntryType::kKeysetChanged, std::string(300, 'x'), {}, nullptr),
                         ErrorCode::kInvalidArgument));
  EXPECT_EQ(load()->size(), 1u);
}

TEST_F(CommitLogTest, OfAppendersThatRaceEachEntryGetsItsPlaceExactlyOnce) {
  constexpr int kWriters = 4, kEach = 25;
  SystemClock clock;
  SystemEntropy entropy;
  auto vault = must(Vault::open({}, *store_, clock, entropy, *key_));
  std::vector<std::thread> threads;
  std::vector<std::vector<uint64_t>> indexes(kWriters);
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      auto log = must(CommitLog::load({}, *vault));
      for (int i = 0; i < kEach; ++i)
        indexes[static_cast<size_t>(w)].push_back(commit(*log, "w" + std::to_string(w) + "-" + std::to_string(i)));
    });
  }
  for (auto& t : threads) t.join();
  auto log = load();
  ASSERT_EQ(log->size(), static_cast<uint64_t>(kWriters * kEach));
  std::vector<uint64_t> all;
  for (int w = 0; w < kWriters; ++w) {
    for (int i = 0; i < kEach; ++i) {
      const uint64_t index = indexes[static_cast<size_t>(w)][static_cast<size_t>(i)];
      EXPECT_EQ(log->entries()[index].subject, "w" + std::to_string(w) + "-" + std::to_string(i));
      all.push_back(index);
    }
  }
  std::sort(all.begin(), all.end());
  std::vector<uint64_t> expected(all.size());
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
}

// ---- tampering

TEST_F(CommitLogTest, EveryFlippedByteOfEveryEntryIsFoundAndNamed) {
  append_points(4);
  const Objects honest = snapshot(*store_);
  for (uint64_t index = 0; index < 4; ++index) {
    const Bytes& whole = honest.at(entry_key(index));
    for (size_t i = 0; i < whole.size(); i += 3) {
      Bytes bad = whole;
      bad[i] ^= std::byte{0x40};
      overwrite(*store_, entry_key(index), bad);
      EXPECT_TRUE(fails_with(try_load(), ErrorCode::kCorruption, says(index))) << i;
    }
    overwrite(*store_, entry_key(index), whole);
  }
}

TEST_F(CommitLogTest, EveryTruncationOfAnEntryIsFoundAndNamed) {
  append_points(3);
  const Bytes whole = must(store_->get_all({}, entry_key(1)));
  for (size_t size = 0; size < whole.size(); ++size) {
    overwrite(*store_, entry_key(1), ByteView(whole).first(size));
    EXPECT_TRUE(fails_with(try_load(), ErrorCode::kCorruption, says(1))) << size;
  }
}

TEST_F(CommitLogTest, EveryPairOfEntriesExchangedIsFoundAndNamed) {
  append_points(5);
  const Objects honest = snapshot(*store_);
  for (uint64_t a = 0; a < 5; ++a) {
    for (uint64_t b = a + 1; b < 5; ++b) {
      auto store = store_of(honest);
      overwrite(*store, entry_key(a), honest.at(entry_key(b)));
      overwrite(*store, entry_key(b), honest.at(entry_key(a)));
      EXPECT_TRUE(fails_with(CommitLog::load({}, *open(*store)), ErrorCode::kCorruption, says(a)));
    }
  }
}

TEST_F(CommitLogTest, AnEntryThatIsGoneIsFoundAndNamed) {
  append_points(5);
  const Objects honest = snapshot(*store_);
  for (uint64_t index = 0; index + 1 < 5; ++index) {
    auto store = store_of(honest);
    must(store->remove({}, entry_key(index)));
    EXPECT_TRUE(fails_with(CommitLog::load({}, *open(*store)), ErrorCode::kCorruption,
                           says(index) + " (object " + entry_key(index) + "): it is missing"));
  }
}

TEST_F(CommitLogTest, AnEntryOfAnotherHistoryOfTheSameVaultIsFound) {
  append_points(2);
  const Objects common = snapshot(*store_);
  append_points(4);
  auto forked = store_of(common);
  {
    auto vault = open(*forked);
    auto log = must(CommitLog::load({}, *vault));
    for (const char* id : {"x", "y", "z"}) commit(*log, id);
  }
  const Objects other = snapshot(*forked);
  // Each is authentic and continues the same beginning; only the one after it can tell.
  overwrite(*store_, entry_key(2), other.at(entry_key(2)));
  EXPECT_TRUE(fails_with(try_load(), ErrorCode::kCorruption, says(3)));
  overwrite(*store_, entry_key(2), must(store_of(other)->get_all({}, entry_key(2))));
  overwrite(*store_, entry_key(3), other.at(entry_key(3)));
  EXPECT_TRUE(fails_with(try_load(), ErrorCode::kCorruption, says(4)));
}

TEST_F(CommitLogTest, AReaderWhoSawTheEndFindsThatItWasReplaced) {
  append_points(2);
  const Objects before = snapshot(*store_);
  auto reader = load();
  append_points(1);
  must(reader->refresh({}));
  // The store is rolled back and goes on with another history.
  must(store_->remove({}, entry_key(2)));
  auto other = load();
  commit(*other, "x");
  commit(*other, "y");
  EXPECT_TRUE(fails_with(reader->refresh({}), ErrorCode::kCorruption, says(3)));
  EXPECT_FALSE(reader->append({}, LogEntryType::kPointForgotten, "p0", {}, nullptr).ok());
}

// ---- bundles

TEST_F(CommitLogTest, OpensFromBundlesAsFromEntries) {
  append_points(600);
  EXPECT_EQ(keys_of(*store_, "log/bundles/").size(), 2u);
  EXPECT_EQ(keys_of(*store_, "log/tiles/0/").size(), 2u);
  const auto from_entries = [&] {
    auto store = store_of(snapshot(*store_));
    for (const std::string& key : keys_of(*store, "log/bundles/")) must(store->remove({}, key));
    return must(CommitLog::load({}, *open(*store)))->root();
  }();
  uint64_t calls = 0;
  FaultyStore counting(*store_, [&](uint64_t, Operation, std::string_view) { return ++calls, std::nullopt; });
  auto vault = open(counting);
  calls = 0;
  auto log = must(CommitLog::load({}, *vault));
  EXPECT_EQ(log->size(), 600u);
  EXPECT_EQ(log->root(), from_entries);
  EXPECT_LE(calls, 2 + 2 + (600 - 512) + 1u);
}

TEST_F(CommitLogTest, ADamagedOrMissingBundleIsReadFromItsEntriesAndAMissingOneIsWrittenAgain) {
  append_points(300);
  const std::string bundle = keys_of(*store_, "log/bundles/").front();
  const Bytes whole = must(store_->get_all({}, bundle));
  overwrite(*store_, bundle, ByteView(whole).first(whole.size() / 2));
  EXPECT_EQ(load()->size(), 300u);
  must(store_->remove({}, bundle));
  append_points(1);
  EXPECT_EQ(keys_of(*store_, "log/bundles/").size(), 1u);
  EXPECT_EQ(load()->size(), 301u);
}

TEST_F(CommitLogTest, EntriesCutOffBelowABundleAreFound) {
  append_points(256);
  const std::string bundle = keys_of(*store_, "log/bundles/").front();
  overwrite(*store_, bundle, as_bytes("not a bundle"));
  must(store_->remove({}, entry_key(255)));
  EXPECT_TRUE(fails_with(try_load(), ErrorCode::kCorruption, says(255)));
}

TEST_F(CommitLogTest, ABundleOfAnotherHistoryIsAFork) {
  auto forked = store_of(snapshot(*store_));
  {
    auto vault = open(*forked);
    auto log = must(CommitLog::load({}, *vault));
    for (int i = 0; i < 256; ++i) commit(*log, "x" + std::to_string(i));
  }
  append_points(255);
  const std::string bundle = keys_of(*forked, "log/bundles/").front();
  auto log = load();
  must(store_->put({}, bundle, must(forked->get_all({}, bundle))));
  commit(*log, "p255");  // it is in the log; that the bundle disagrees stops everything after it
  EXPECT_TRUE(fails_with(log->refresh({}), ErrorCode::kCorruption, "another history"));
  EXPECT_TRUE(fails_with(log->append({}, LogEntryType::kPointForgotten, "p0", {}, nullptr), ErrorCode::kCorruption,
                         "another history"));
}

// ---- failing stores

TEST_F(CommitLogTest, WhateverFailsWhileAppendingTheEntryIsThereOnceOrNotAtAll) {
  append_points(2);
  for (Fault::Kind kind : kEveryFault) {
    std::unique_ptr<store::ObjectStore> store;
    bool appended = false;
    sweep(
        kind, [&]() -> store::ObjectStore& { return appended = false, *(store = store_of(snapshot(*store_))); },
        [&](store::ObjectStore& faulty) {
          auto vault = Vault::open({}, faulty, clock_, entropy_, *key_);
          if (!vault.ok()) return;
          auto log = CommitLog::load({}, **vault);
          if (log.ok())
            appended = (*log)->append({}, LogEntryType::kPointCommitted, "new", commit_body(), nullptr).ok();
        },
        [&](uint64_t) {
          auto vault = open(*store);
          auto log = CommitLog::load({}, *vault);
          ASSERT_TRUE(log.ok()) << log.error().message;
          const bool there = (*log)->state().find("new") != nullptr;
          if (appended) {
            EXPECT_TRUE(there);
          }
          if (!there) commit(**log, "new");
          EXPECT_EQ((*log)->size(), 3u);
          EXPECT_EQ(must(CommitLog::load({}, *vault))->size(), 3u);
        });
  }
}

TEST_F(CommitLogTest, ALostAnswerIsNotALostEntry) {
  append_points(1);
  FaultyStore faulty(*store_, [](uint64_t, Operation o, std::string_view key) -> std::optional<Fault> {
    if (o == Operation::kPut && key.starts_with("log/entries/")) return Fault{.kind = Fault::Kind::kErrorAfter};
    return std::nullopt;
  });
  auto vault = open(faulty);
  auto log = must(CommitLog::load({}, *vault));
  EXPECT_EQ(commit(*log, "a"), 1u);
  EXPECT_EQ(commit(*log, "b"), 2u);
  EXPECT_EQ(load()->size(), 3u);
}

TEST_F(CommitLogTest, AListingThatLagsHidesNoEntry) {
  append_points(3);
  LaggingStore lagging(*store_, [](std::string_view key) { return key.starts_with("log/"); });
  EXPECT_EQ(must(CommitLog::load({}, *open(lagging)))->size(), 3u);
}

TEST_F(CommitLogTest, AStoppedAppendDoesNotAppend) {
  auto log = load();
  StopSource stop;
  const Context context(stop);
  stop.request_stop();
  EXPECT_TRUE(fails_with(log->append(context, LogEntryType::kPointCommitted, "a", commit_body(), nullptr),
                         ErrorCode::kCancelled));
  EXPECT_EQ(load()->size(), 0u);
}

}  // namespace
}  // namespace coffer::vault
