#include "engine/vault/collector.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "engine/vault/log_fixture.h"
#include "engine/vault/scratch_directory.h"
#include "engine/vault/small_backup.h"
#include "engine/vault/tombstone.h"

namespace coffer::vault {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

SmallFile pages(uint64_t first_seed, size_t count) {
  SmallFile file;
  for (size_t i = 0; i < count; ++i) file.push_back(first_seed * 1000 + i);
  return file;
}

class CollectorTest : public LogFixture {
 protected:
  struct Point {
    std::string id;
    SmallFiles files;
  };

  std::string backup(const SmallFiles& files) {
    clock_.advance(minutes(1));
    const std::string id = must(small_backup(*vault_, files));
    points_[id] = files;
    return id;
  }
  void forget(const std::string& id) {
    auto log = load_log(*vault_);
    must(forget_point({}, *log, id, "test"));
    points_.erase(id);
  }
  static std::unique_ptr<CommitLog> load_log(const Vault& vault) { return must(CommitLog::load({}, vault)); }

  Result<CollectResult> try_collect(const Vault& vault, CollectOptions options = {}) {
    COFFER_TRY(auto log, CommitLog::load({}, vault));
    NoProgress progress;
    return collect({}, vault, *log, scratch_.directory(), options, progress);
  }
  CollectResult run(CollectOptions options = {}) { return must(try_collect(*vault_, options)); }
  static CollectOptions without_rewrite() {
    CollectOptions options;
    options.rewrite_below = 0;
    return options;
  }
  void pass_grace() { clock_.advance(hours(25)); }

  void expect_all_restorable(const Vault& vault) {
    auto log = load_log(vault);
    ASSERT_EQ(log->state().live.size(), points_.size());
    for (const auto& [id, files] : points_) {
      auto restored = small_restore(vault, id, files);
      ASSERT_TRUE(restored.ok()) << id << ": " << restored.error().message;
      EXPECT_EQ(*restored, files);
    }
  }
  void expect_all_restorable() { expect_all_restorable(*vault_); }
  static std::set<std::string> packs_in_indexes(const Vault& vault) {
    std::set<std::string> packs;
    must(must(IndexSet::load({}, vault))->visit_all([&](const IndexEntry& entry) -> Status {
      packs.insert(pack_key(entry.place.pack));
      return ok_status();
    }));
    return packs;
  }
  size_t pack_count() { return keys_of(*store_, "packs/").size(); }
  /// No garbage is left, and no index says otherwise.
  void expect_clean(const Vault& vault) {
    const auto stored = keys_of(vault.store(), "packs/");
    EXPECT_EQ(packs_in_indexes(vault), std::set<std::string>(stored.begin(), stored.end()));
    EXPECT_TRUE(keys_of(vault.store(), "tombstones/").empty());
    EXPECT_TRUE(load_log(vault)->state().open_tombstones.empty());
    EXPECT_EQ(keys_of(vault.store(), "points/").size(), points_.size());
  }
  static bool mentions(const CollectResult& result, std::string_view text) {
    return std::any_of(result.kept_because.begin(), result.kept_because.end(),
                       [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }

  ScratchDirectory scratch_;
  std::map<std::string, SmallFiles> points_;
};

TEST_F(CollectorTest, WhatIsNeededStays) {
  backup({{"base/1", pages(1, 40)}, {"base/2", {}}, {"zeros", SmallFile(20, 0)}});
  backup({{"base/1", pages(1, 40)}, {"base/3", pages(3, 3)}});
  const auto before = keys_of(*store_, "packs/");
  const CollectResult result = run();
  EXPECT_EQ(result.live_points, 2U);
  EXPECT_GT(result.live_chunks, 4U);
  EXPECT_EQ(result.packs_before, before.size());
  EXPECT_EQ(result.packs_tombstoned, 0U);
  EXPECT_EQ(keys_of(*store_, "packs/"), before);
  EXPECT_TRUE(load_log(*vault_)->state().open_tombstones.empty());
  expect_all_restorable();
}

TEST_F(CollectorTest, AnEmptyVaultIsCollectedWithoutComplaint) {
  const CollectResult result = run();
  EXPECT_EQ(result.packs_before, 0U);
  EXPECT_TRUE(result.kept_because.empty());
}

TEST_F(CollectorTest, AForgottenPointIsFreedAfterTwoProofsAndTheGrace) {
  backup({{"a", pages(1, 30)}});
  const size_t needed = pack_count();
  const std::string doomed = backup({{"a", pages(1, 30)}, {"b", pages(2, 60)}});
  const size_t all = pack_count();
  forget(doomed);

  CollectResult result = run(without_rewrite());
  EXPECT_GE(result.packs_tombstoned, all - needed - 1);
  EXPECT_GT(result.bytes_tombstoned, 0U);
  EXPECT_EQ(result.packs_removed, 0U);
  EXPECT_EQ(pack_count(), all) << "the first proof removes nothing";
  EXPECT_EQ(load_log(*vault_)->state().open_tombstones.size(), 1U);

  clock_.advance(hours(23));
  result = run(without_rewrite());
  EXPECT_EQ(result.packs_removed, 0U);
  EXPECT_EQ(result.packs_tombstoned, 0U) << "no second tombstone for the same packs";
  EXPECT_TRUE(mentions(result, "grace ends")) << "it says what it waits for";
  EXPECT_EQ(pack_count(), all);

  clock_.advance(hours(2));
  result = run(without_rewrite());
  EXPECT_GE(result.packs_removed, all - needed - 1);
  EXPECT_GT(result.bytes_removed, 0U);
  EXPECT_EQ(pack_count(), all - result.packs_removed);
  expect_all_restorable();
  expect_clean(*vault_);
}

TEST_F(CollectorTest, ADryRunChangesNothingAndForetells) {
  backup({{"a", pages(1, 30)}});
  const std::string doomed = backup({{"b", pages(2, 60)}});
  forget(doomed);
  CollectOptions dry = without_rewrite();
  dry.dry_run = true;
  auto before = snapshot(*store_);
  const CollectResult foretold = run(dry);
  EXPECT_EQ(snapshot(*store_), before);
  const CollectResult real = run(without_rewrite());
  EXPECT_EQ(foretold.packs_tombstoned, real.packs_tombstoned);
  EXPECT_EQ(foretold.bytes_tombstoned, real.bytes_tombstoned);
  pass_grace();
  before = snapshot(*store_);
  const CollectResult foretold_removal = run(dry);
  EXPECT_EQ(snapshot(*store_), before);
  const CollectResult removal = run(without_rewrite());
  EXPECT_GT(removal.packs_removed, 0U);
  EXPECT_EQ(foretold_removal.packs_removed, removal.packs_removed);
  EXPECT_EQ(foretold_removal.bytes_removed, removal.bytes_removed);
}

TEST_F(CollectorTest, ALeaseAsOldAsTheTombstoneKeepsItsPacks) {
  backup({{"a", pages(1, 30)}});
  const std::string doomed = backup({{"b", pages(2, 60)}});
  auto log = load_log(*vault_);
  auto reading = must(Lease::acquire({}, *vault_, *log, "restore", hours(1000)));
  forget(doomed);
  run();
  pass_grace();
  const size_t all = pack_count();
  CollectResult result = run();
  EXPECT_EQ(result.packs_removed, 0U);
  EXPECT_TRUE(mentions(result, "lease " + reading->id()));
  EXPECT_TRUE(mentions(result, "(restore) is running"));
  EXPECT_EQ(pack_count(), all);
  EXPECT_EQ(keys_of(*store_, "points/").size(), 2U) << "its manifest stays as well";
  must(reading->release({}));
  EXPECT_GT(run().packs_removed, 0U);
  expect_all_restorable();
  expect_clean(*vault_);
}

TEST_F(CollectorTest, ALeaseThatBeganAfterTheTombstoneKeepsNothing) {
  backup({{"a", pages(1, 30)}});
  forget(backup({{"b", pages(2, 60)}}));
  run();
  auto log = load_log(*vault_);
  auto reading = must(Lease::acquire({}, *vault_, *log, "backup", hours(1000)));
  pass_grace();
  EXPECT_GT(run().packs_removed, 0U);
  expect_all_restorable();
}

TEST_F(CollectorTest, AnExpiredLeaseIsFencedBeforeItIsIgnoredAndItsHolderCannotCommit) {
  backup({{"a", pages(1, 30)}});
  const std::string doomed = backup({{"b", pages(2, 60)}});
  SmallBackup sleeper(*vault_);
  must(sleeper.begin());
  must(sleeper.write({{"b", pages(2, 60)}}));
  forget(doomed);
  run();
  pass_grace();  // the lease of 15 minutes has ended, its holder does not know
  const CollectResult result = run();
  EXPECT_GT(result.packs_removed, 0U);
  EXPECT_TRUE(load_log(*vault_)->state().fenced_leases.contains(sleeper.lease().id()));
  EXPECT_EQ(sleeper.commit().code(), ErrorCode::kConflict);
  expect_all_restorable();
}

TEST_F(CollectorTest, AWriterThatAdoptedBeforeTheTombstoneSavesWhatItAdopted) {
  backup({{"a", pages(1, 30)}});
  const std::string doomed = backup({{"b", pages(2, 16)}, {"c", pages(3, 64)}});
  SmallBackup running(*vault_);
  must(running.begin());
  must(running.write({{"b", pages(2, 16)}}));
  forget(doomed);
  EXPECT_GT(run(without_rewrite()).packs_tombstoned, 1U);
  clock_.advance(minutes(5));
  must(running.commit());
  points_[running.id()] = {{"b", pages(2, 16)}};
  pass_grace();
  CollectResult result = run(without_rewrite());
  EXPECT_EQ(result.packs_removed, 0U) << "a tombstone that named something needed removes nothing at all";
  EXPECT_TRUE(mentions(result, "needs a pack of it"));
  EXPECT_GT(result.packs_tombstoned, 0U) << "the rest has a new tombstone";
  expect_all_restorable();
  pass_grace();
  EXPECT_GT(run(without_rewrite()).packs_removed, 0U);
  expect_all_restorable();
  expect_clean(*vault_);
}

TEST_F(CollectorTest, AHolderWhoseClockIsBehindCannotCommitWhatWasRemoved) {
  backup({{"a", pages(1, 30)}});
  const std::string doomed = backup({{"b", pages(2, 60)}});
  SmallBackup behind(*vault_);
  must(behind.begin());
  must(behind.write({{"b", pages(2, 60)}}));
  forget(doomed);
  run();
  clock_.jump_to(clock_.wall() + minutes(20));  // the collector's; the holder's monotonic time stands still
  ASSERT_TRUE(behind.lease().still_held(load_log(*vault_)->state()).ok());
  CollectOptions options;
  options.grace = minutes(10);
  EXPECT_GT(run(options).packs_removed, 0U);
  EXPECT_EQ(behind.commit().code(), ErrorCode::kConflict);
  expect_all_restorable();
}

TEST_F(CollectorTest, AChunkWhosePlacesAreAllTombstonedKeepsThem) {
  backup({{"a", pages(1, 30)}});
  const std::string first = backup({{"b", pages(2, 16)}});
  SmallBackup old(*vault_);
  must(old.begin());
  must(old.write({{"b", pages(2, 16)}}));  // adopts from the first's packs
  forget(first);
  EXPECT_GT(run().packs_tombstoned, 0U);
  const std::string second = backup({{"b", pages(2, 16)}});  // stores again
  forget(second);
  EXPECT_GT(run().packs_tombstoned, 0U);
  ASSERT_EQ(load_log(*vault_)->state().open_tombstones.size(), 2U);
  must(old.commit());
  points_[old.id()] = {{"b", pages(2, 16)}};
  for (int i = 0; i < 4; ++i) {
    pass_grace();
    run();
    expect_all_restorable();
  }
}

TEST_F(CollectorTest, NoIndexLeadsToAPackWhenItGoes) {
  backup({{"a", pages(1, 30)}});
  forget(backup({{"b", pages(2, 60)}}));
  run();
  pass_grace();
  int removed = 0;
  FaultyStore watching(*store_, [&](uint64_t, Operation operation, std::string_view key) -> std::optional<Fault> {
    if (operation == Operation::kRemove && key.starts_with("packs/")) {
      EXPECT_FALSE(packs_in_indexes(*vault_).contains(std::string(key)));
      ++removed;
    }
    return std::nullopt;
  });
  auto vault = open(watching);
  must(try_collect(*vault));
  EXPECT_GT(removed, 0);
}

TEST_F(CollectorTest, AWriterAfterTheTombstoneStoresAgainWhatIsGoing) {
  backup({{"a", pages(1, 30)}});
  forget(backup({{"b", pages(2, 60)}}));
  run();
  backup({{"b", pages(2, 60)}});
  pass_grace();
  EXPECT_GT(run().packs_removed, 0U);
  expect_all_restorable();
  expect_clean(*vault_);
}

TEST_F(CollectorTest, TheWorkOfARunningBackupIsLeftAloneAndThatOfAKilledOneIsFreed) {
  backup({{"a", pages(1, 30)}});
  const size_t needed = pack_count();
  auto killed = std::make_unique<SmallBackup>(*vault_);
  must(killed->begin());
  must(killed->write({{"b", pages(2, 60)}}));
  for (const auto& id : killed->session().indexes()) must(store_->remove({}, index_key(id)));  // not even an index yet
  CollectResult result = run();
  EXPECT_EQ(result.packs_tombstoned, 0U);
  EXPECT_TRUE(mentions(result, "(backup) is running"));
  const Objects with_lease = snapshot(*store_);
  killed.reset();
  store_ = store_of(with_lease);  // killed: nobody released the lease
  vault_ = open(*store_);
  clock_.advance(minutes(16));
  result = run();
  EXPECT_EQ(result.packs_tombstoned, pack_count() - needed);
  pass_grace();
  run();
  EXPECT_EQ(pack_count(), needed);
  expect_all_restorable();
  expect_clean(*vault_);
}

TEST_F(CollectorTest, ANewPointIsNotMistakenForGarbageWhileItIsMade) {
  backup({{"a", pages(1, 30)}});
  SmallBackup running(*vault_);
  must(running.begin());
  must(running.write({{"b", pages(2, 60)}}));
  CollectOptions hasty;
  hasty.grace = std::chrono::seconds(0);
  for (int i = 0; i < 3; ++i) run(hasty);
  must(running.commit());
  points_[running.id()] = {{"b", pages(2, 60)}};
  for (int i = 0; i < 3; ++i) run(hasty);
  expect_all_restorable();
}

TEST_F(CollectorTest, AManifestWithoutItsCommitGoesOnlyWhenNobodyCanCommitItAnyMore) {
  backup({{"a", pages(1, 30)}});
  const std::string orphan = "20261124T000000Z-00000000";
  must(vault_->put_sealed({}, manifest_key(orphan), crypto::ObjectKind::kManifest, as_bytes("{}")));
  auto log = load_log(*vault_);
  auto lease = must(Lease::acquire({}, *vault_, *log, "backup", hours(1000)));
  run();
  EXPECT_EQ(keys_of(*store_, "points/").size(), 2U);
  must(lease->release({}));
  run();
  EXPECT_EQ(keys_of(*store_, "points/").size(), 1U);
  expect_all_restorable();
}

TEST_F(CollectorTest, ReleasedAndFencedLeasesAreCleanedAwayAndForeignNamesAreNot) {
  must(store_->put({}, "leases/notes/readme", as_bytes("x")));
  must(store_->put({}, "packs/zz/readme", as_bytes("x")));
  backup({{"a", pages(1, 3)}});
  EXPECT_GE(keys_of(*store_, "leases/").size(), 2U);
  run();
  // What stays beside the foreign object is the end of this collection's own lease.
  EXPECT_EQ(keys_of(*store_, "leases/").size(), 2U);
  pass_grace();
  run();
  EXPECT_EQ(keys_of(*store_, "leases/notes/").size(), 1U);
  EXPECT_EQ(keys_of(*store_, "packs/zz/").size(), 1U);
}

TEST_F(CollectorTest, AMissingChunkStopsEverything) {
  int refused = 0;
  backup({{"a", pages(1, 30)}});
  forget(backup({{"b", pages(2, 60)}}));
  run();
  pass_grace();
  // Whichever pack is lost: either it is needed and the collection refuses, or nothing that is needed goes.
  for (const auto& pack : must(must(IndexSet::load({}, *vault_))->packs())) {
    auto lost = store_of(snapshot(*store_));
    must(lost->remove({}, pack_key(pack.id)));
    auto vault = open(*lost);
    const auto before = keys_of(*lost, "packs/");
    auto result = try_collect(*vault);
    if (result.ok()) {
      expect_all_restorable(*vault);
      continue;
    }
    EXPECT_EQ(result.code(), ErrorCode::kCorruption) << result.error().message;
    EXPECT_EQ(keys_of(*lost, "packs/"), before);
    ++refused;
  }
  EXPECT_GT(refused, 0);
}

TEST_F(CollectorTest, ALostIndexIsNoProofThatItsPacksAreUnneeded) {
  backup({{"a", pages(1, 30)}});
  for (const auto& key : keys_of(*store_, "index/")) must(store_->remove({}, key));
  const auto before = keys_of(*store_, "packs/");
  EXPECT_TRUE(fails_with(try_collect(*vault_), ErrorCode::kCorruption));
  EXPECT_EQ(keys_of(*store_, "packs/"), before);
  EXPECT_TRUE(load_log(*vault_)->state().open_tombstones.empty());
}

TEST_F(CollectorTest, ADamagedIndexStopsEverything) {
  backup({{"a", pages(1, 30)}});
  forget(backup({{"b", pages(2, 60)}}));
  run();
  pass_grace();
  const std::string key = keys_of(*store_, "index/")[0];
  Bytes index = must(store_->get_all({}, key));
  index[index.size() / 2] ^= std::byte{1};
  index.back() ^= std::byte{1};
  overwrite(*store_, key, index);
  const auto before = keys_of(*store_, "packs/");
  EXPECT_TRUE(fails_with(try_collect(*vault_), ErrorCode::kCorruption, key));
  EXPECT_EQ(keys_of(*store_, "packs/"), before);
}

TEST_F(CollectorTest, ALostManifestStopsEverything) {
  const std::string id = backup({{"a", pages(1, 30)}});
  must(store_->remove({}, manifest_key(id)));
  const auto before = keys_of(*store_, "packs/");
  EXPECT_FALSE(try_collect(*vault_).ok());
  EXPECT_EQ(keys_of(*store_, "packs/"), before);
}

TEST_F(CollectorTest, ATombstoneThatIsDamagedSwappedOrLostRemovesNothingAndIsDropped) {
  backup({{"a", pages(1, 30)}});
  forget(backup({{"b", pages(2, 60)}}));
  run(without_rewrite());
  pass_grace();
  const std::string key = keys_of(*store_, "tombstones/")[0];
  const std::string id = key.substr(key.find('/') + 1);
  const Objects objects = snapshot(*store_);
  for (int how = 0; how < 3; ++how) {
    store_ = store_of(objects);
    vault_ = open(*store_);
    must(store_->remove({}, key));
    // Another list under a good seal: the log knows which one was meant.
    if (how == 1) {
      std::vector<IndexedPack> all = must(must(IndexSet::load({}, *vault_))->packs());
      must(vault_->put_sealed({}, key, crypto::ObjectKind::kTombstone, encode_tombstone(all)));
      EXPECT_TRUE(fails_with(tombstoned_packs({}, *vault_, load_log(*vault_)->state()), ErrorCode::kCorruption, id));
    }
    if (how == 2) must(store_->put({}, key, as_bytes("nonsense")));
    const size_t before = pack_count();
    const CollectResult result = run(without_rewrite());
    EXPECT_EQ(result.packs_removed, 0U);
    EXPECT_EQ(pack_count(), before);
    EXPECT_GT(result.packs_tombstoned, 0U) << "what it named is found again";
    EXPECT_EQ(load_log(*vault_)->state().open_tombstones.size(), 1U);
    EXPECT_NE(load_log(*vault_)->state().open_tombstones[0].id, id);
    expect_all_restorable();
  }
}

TEST_F(CollectorTest, OfTwoCollectorsOneWaits) {
  backup({{"a", pages(1, 30)}});
  forget(backup({{"b", pages(2, 60)}}));
  auto log = load_log(*vault_);
  auto other = must(Lease::acquire({}, *vault_, *log, "collect"));
  CollectResult result = run();
  EXPECT_EQ(result.packs_tombstoned, 0U);
  EXPECT_TRUE(mentions(result, "(collect) is running"));
  clock_.advance(minutes(16));
  EXPECT_GT(run().packs_tombstoned, 0U) << "one that died waits for its lease to end";
  EXPECT_TRUE(load_log(*vault_)->state().fenced_leases.contains(other->id()));
}

TEST_F(CollectorTest, SparsePacksAreRewrittenAndFreed) {
  // One pack holds chunks of many files; most of them are forgotten.
  SmallFiles many, few;
  for (uint64_t i = 0; i < 40; ++i) {
    many["f" + std::to_string(i)] = pages(i + 1, 1);
    if (i % 8 == 0) few["f" + std::to_string(i)] = pages(i + 1, 1);
  }
  const std::string first = backup(many);
  backup(few);
  forget(first);
  CollectResult result = run();
  EXPECT_GT(result.packs_rewritten, 0U);
  EXPECT_GT(result.bytes_rewritten, 0U);
  EXPECT_GE(result.packs_tombstoned, result.packs_rewritten);
  expect_all_restorable();
  pass_grace();
  result = run();
  EXPECT_GT(result.packs_removed, 0U);
  EXPECT_EQ(result.packs_rewritten, 0U);
  expect_all_restorable();
  expect_clean(*vault_);
  uint64_t stored = 0;
  must(store_->list({}, "packs/", [&](const store::ObjectInfo& info) {
    stored += info.size_bytes;
    return true;
  }));
  EXPECT_LT(stored, 10 * kPageSize);
}

TEST_F(CollectorTest, AReaderThatBeginsAfterARewriteIsNotLedToThePackThatGoes) {
  SmallFiles many, few;
  for (uint64_t i = 0; i < 40; ++i) {
    many["f" + std::to_string(i)] = pages(i + 1, 1);
    if (i % 8 == 0) few["f" + std::to_string(i)] = pages(i + 1, 1);
  }
  const std::string first = backup(many);
  const std::string second = backup(few);
  forget(first);
  ASSERT_GT(run().packs_rewritten, 0U);
  auto log = load_log(*vault_);
  const auto doomed = must(tombstoned_packs({}, *vault_, log->state()));
  auto index = must(IndexSet::load({}, *vault_));
  const Manifest manifest = must(read_manifest({}, *vault_, log->state(), second));
  std::set<ChunkId> needed;
  must(mark_point({}, *vault_, *index, manifest, {}, [&](const ChunkId& id) -> Status {
    needed.insert(id);
    return ok_status();
  }));
  must(index->visit_all([&](const IndexEntry& entry) -> Status {
    EXPECT_FALSE(needed.contains(entry.id) && doomed.contains(entry.place.pack)) << entry.id.hex();
    return ok_status();
  }));
}

TEST_F(CollectorTest, NoPurgeWhenNoPointWasForgotten) {
  // A live point that names many packs as its own and needs few: as if the marks were wrong.
  SmallBackup backup(*vault_);
  must(backup.begin());
  std::vector<Bytes> unused;
  for (uint64_t i = 0; i < 40; ++i) unused.push_back(page_of(9000 + i));
  must(backup.write({{"a", pages(1, 3)}}, unused));
  must(backup.commit());
  points_[backup.id()] = {{"a", pages(1, 3)}};
  const auto before = keys_of(*store_, "packs/");
  EXPECT_TRUE(fails_with(try_collect(*vault_), ErrorCode::kFailedPrecondition, "no point was forgotten"));
  EXPECT_TRUE(load_log(*vault_)->state().open_tombstones.empty());
  EXPECT_EQ(keys_of(*store_, "packs/"), before);
}

TEST_F(CollectorTest, IndexEntriesOfPacksThatAreGoneAreCleanedAway) {
  backup({{"a", pages(1, 30)}});
  IndexEntry entry;
  entry.id.bytes.fill(std::byte{5});
  entry.place = {.pack = PackId{},
                 .frame_offset = 0,
                 .frame_stored_size = 5,
                 .codec = Codec::kNone,
                 .offset_in_frame = 0,
                 .size = 5};
  bool given = false;
  must(write_index({}, *vault_, {{PackId{}, 10}}, [&]() -> Result<std::optional<IndexEntry>> {
    return std::exchange(given, true) ? std::optional<IndexEntry>{} : std::optional<IndexEntry>(entry);
  }));
  run();
  EXPECT_FALSE(packs_in_indexes(*vault_).contains(pack_key(PackId{})));
  expect_all_restorable();
}

TEST_F(CollectorTest, AnIndexThatAMergePublishesDuringTheRemovalIsCleanedToo) {
  backup({{"a", pages(1, 30)}});
  forget(backup({{"b", pages(2, 60)}}));
  run(without_rewrite());
  pass_grace();
  auto before = must(IndexSet::load({}, *vault_));  // as a merge read it, before the collector came
  bool published = false;
  FaultyStore watching(*store_, [&](uint64_t, Operation operation, std::string_view key) -> std::optional<Fault> {
    if (operation == Operation::kRemove && key.starts_with("packs/") && !std::exchange(published, true)) {
      auto cursor = before->cursor();
      must(write_index({}, *vault_, must(before->packs()), [&] { return cursor->next(); }));
    }
    return std::nullopt;
  });
  auto vault = open(watching);
  EXPECT_GT(must(try_collect(*vault, without_rewrite())).packs_removed, 0U);
  EXPECT_TRUE(published);
  expect_all_restorable();
  expect_clean(*vault_);
}

// A fault at any call of a collection: every live point stays restorable, and later collections finish the work.
class CollectorSweep : public CollectorTest, public ::testing::WithParamInterface<Fault::Kind> {
 protected:
  void sweep_from(const Objects& objects, const CollectOptions& options) {
    std::unique_ptr<store::ObjectStore> inner;
    const WallTime begun = clock_.wall();
    sweep(
        GetParam(),
        [&]() -> store::ObjectStore& {
          inner = store_of(objects);
          clock_.jump_to(begun);
          return *inner;
        },
        [&](store::ObjectStore& faulty) {
          auto vault = Vault::open({}, faulty, clock_, entropy_, *key_);
          if (vault.ok()) static_cast<void>(try_collect(**vault, options));
        },
        [&](uint64_t) {
          auto vault = open(*inner);
          expect_all_restorable(*vault);
          // Half an object is what no store of ours leaves behind; where one does, verify has to tell.
          if (GetParam() == Fault::Kind::kTornPut) return;
          for (int i = 0; i < 5; ++i) {
            pass_grace();
            auto again = try_collect(*vault, options);
            ASSERT_TRUE(again.ok()) << again.error().message;
          }
          expect_all_restorable(*vault);
          expect_clean(*vault);
        });
  }
};

TEST_P(CollectorSweep, InTheFirstRound) {
  backup({{"a", pages(1, 8)}});
  forget(backup({{"a", pages(1, 8)}, {"b", pages(2, 16)}}));
  sweep_from(snapshot(*store_), without_rewrite());
}

TEST_P(CollectorSweep, InTheSecondRound) {
  backup({{"a", pages(1, 8)}});
  forget(backup({{"a", pages(1, 8)}, {"b", pages(2, 16)}}));
  run(without_rewrite());
  pass_grace();
  sweep_from(snapshot(*store_), without_rewrite());
}

TEST_P(CollectorSweep, WhileItRewrites) {
  SmallFiles many, few;
  for (uint64_t i = 0; i < 12; ++i) {
    many["f" + std::to_string(i)] = pages(i + 1, 1);
    if (i % 6 == 0) few["f" + std::to_string(i)] = pages(i + 1, 1);
  }
  const std::string first = backup(many);
  backup(few);
  forget(first);
  sweep_from(snapshot(*store_), {});
}

INSTANTIATE_TEST_SUITE_P(Faults, CollectorSweep, ::testing::ValuesIn(kEveryFault));

// Histories of backups, forgetting, kills and collections, with every writer at any stage.
TEST_F(CollectorTest, AnyHistoryLeavesEveryLivePointRestorable) {
  const char* more = std::getenv("COFFER_TEST_SEEDS");
  const uint64_t seeds = more != nullptr ? std::strtoull(more, nullptr, 10) : 60;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    store_ = store::open_memory();
    vault_ = must(Vault::create({}, *store_, clock_, entropy_, {{"one", key_.get()}, {"two", other_key_.get()}}));
    points_.clear();
    struct Running {
      std::unique_ptr<SmallBackup> backup;
      SmallFiles files;
      bool written = false;
    };
    std::vector<Running> running;
    for (int step = 0; step < 40; ++step) {
      clock_.advance(minutes(random() % 10));
      if (random() % 8 == 0) pass_grace();
      switch (random() % 6) {
        case 0:
        case 1: {
          Running fresh;
          fresh.backup = std::make_unique<SmallBackup>(*vault_);
          must(fresh.backup->begin());
          for (uint64_t i = 0; i < 1 + random() % 6; ++i) {
            const uint64_t n = random() % 20;
            fresh.files["f" + std::to_string(n)] = pages(n + 1, 1 + random() % 3);
          }
          running.push_back(std::move(fresh));
          break;
        }
        case 2:
        case 3: {
          if (running.empty()) break;
          const size_t which = random() % running.size();
          Running& r = running[which];
          if (!r.written) {
            // A write may fail only because what it read was collected under a fenced lease.
            r.written = r.backup->write(r.files).ok();
            if (r.written) break;
          } else if (r.backup->commit().ok()) {
            points_[r.backup->id()] = r.files;
          }
          running.erase(running.begin() + static_cast<ptrdiff_t>(which));
          break;
        }
        case 4: {
          if (points_.empty()) break;
          auto victim = points_.begin();
          std::advance(victim, random() % points_.size());
          forget(victim->first);
          break;
        }
        default: {
          CollectOptions options;
          if (random() % 2 == 0) options.grace = std::chrono::seconds(0);
          auto result = try_collect(*vault_, options);
          ASSERT_TRUE(result.ok()) << result.error().message;
        }
      }
    }
    expect_all_restorable();
    running.clear();
    for (int i = 0; i < 4; ++i) {
      pass_grace();
      run();
    }
    expect_all_restorable();
    expect_clean(*vault_);
    if (HasFailure()) return;
  }
}

// Real threads and a real clock: backups, forgetting, merging and hasty collections at once.
TEST(CollectorThreads, BackupsAndCollectionsAtTheSameTimeLoseNothing) {
  testing_support::World world;
  auto store = store::open_memory();
  auto vault = world.create_vault(*store);
  std::atomic<bool> done{false};
  std::thread collector([&] {
    ScratchDirectory scratch;
    NoProgress progress;
    CollectOptions hasty;
    hasty.grace = std::chrono::seconds(0);
    while (!done) {
      auto log = must(CommitLog::load({}, *vault));
      auto result = collect({}, *vault, *log, scratch.directory(), hasty, progress);
      EXPECT_TRUE(result.ok()) << result.error().message;
    }
  });
  std::vector<std::thread> writers;
  std::atomic<int> committed{0};
  for (uint64_t w = 0; w < 2; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937_64 random(w);
      std::map<std::string, SmallFiles> mine;
      for (int i = 0; i < 12; ++i) {
        SmallFiles files;
        for (int f = 0; f < 4; ++f) {
          const uint64_t n = random() % 12;
          files["f" + std::to_string(n)] = pages(n + 1, 2);
        }
        auto id = small_backup(*vault, files);
        ASSERT_TRUE(id.ok()) << id.error().message;
        mine[*id] = files;
        ++committed;
        if (i % 3 == 2) {
          auto set = must(IndexSet::load({}, *vault));
          must(merge_indexes({}, *vault, *set, 2));
        }
        if (mine.size() > 3) {
          auto log = must(CommitLog::load({}, *vault));
          must(forget_point({}, *log, mine.begin()->first, "test"));
          mine.erase(mine.begin());
        }
        for (const auto& [point, content] : mine) {
          auto log = must(CommitLog::load({}, *vault));
          auto lease = must(Lease::acquire({}, *vault, *log, "restore"));
          auto restored = small_restore(*vault, point, content);
          ASSERT_TRUE(restored.ok()) << restored.error().message;
          must(lease->release({}));
        }
      }
    });
  }
  for (auto& writer : writers) writer.join();
  done = true;
  collector.join();
  EXPECT_EQ(committed, 24);
}

class MarkTest : public CollectorTest {};

TEST_F(MarkTest, EveryKindOfMapIsFollowedAndKnownBlocksAreSkipped) {
  SmallFile large(kGroupPages * kGroupsPerMapBlock + 5, 0);  // two map blocks, a map root
  large.front() = 77;
  large.back() = 78;
  const SmallFiles files = {{"block", pages(4, 40)}, {"empty", {}}, {"inline", pages(5, 2)}, {"root", large}};
  const std::string id = backup(files);
  auto log = load_log(*vault_);
  const Manifest manifest = must(read_manifest({}, *vault_, log->state(), id));
  auto index = must(IndexSet::load({}, *vault_));
  std::set<ChunkId> all;
  must(mark_point({}, *vault_, *index, manifest, {}, [&](const ChunkId& chunk) -> Status {
    all.insert(chunk);
    return ok_status();
  }));
  EXPECT_EQ(all.size(), index->count()) << "a fresh vault holds exactly what its only point needs";
  std::set<ChunkId> seen;
  auto mark_again = [&] {
    size_t visits = 0;
    must(mark_point(
        {}, *vault_, *index, manifest, [&](const ChunkId& chunk) { return seen.insert(chunk).second; },
        [&](const ChunkId&) -> Status {
          ++visits;
          return ok_status();
        }));
    return visits;
  };
  EXPECT_GE(mark_again(), all.size());
  EXPECT_EQ(mark_again(), manifest.list.size()) << "what was walked once is not walked again";
  expect_all_restorable();
}

TEST_F(MarkTest, ADamagedListNamesThePoint) {
  const std::string id = backup({{"block", pages(4, 40)}});
  auto log = load_log(*vault_);
  Manifest manifest = must(read_manifest({}, *vault_, log->state(), id));
  manifest.list[0].entries = 9;
  auto index = must(IndexSet::load({}, *vault_));
  EXPECT_TRUE(
      fails_with(mark_point({}, *vault_, *index, manifest, {}, [](const ChunkId&) -> Status { return ok_status(); }),
                 ErrorCode::kCorruption, id));
}

TEST(Tombstone, ComesBackSortedAndRefusesWhatIsNotOne) {
  std::vector<IndexedPack> packs;
  for (uint8_t i = 0; i < 5; ++i) {
    IndexedPack pack{.id = {}, .sealed_size_bytes = i};
    pack.id.fill(static_cast<std::byte>(9 - i));
    packs.push_back(pack);
  }
  const Bytes bytes = encode_tombstone(packs);
  auto decoded = decode_tombstone(bytes);
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->size(), 5U);
  EXPECT_EQ(decoded->front().id, packs.back().id);
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(decode_tombstone(ByteView(bytes).first(n)).ok()) << n;
  Bytes twice = bytes;
  std::copy_n(twice.begin() + 12, 24, twice.begin() + 36);
  EXPECT_FALSE(decode_tombstone(twice).ok());
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_tombstone(longer).ok());
}

}  // namespace
}  // namespace coffer::vault
