#include "engine/vault/index.h"

#include <algorithm>
#include <map>
#include <random>
#include <thread>

#include "engine/store/faulty_store.h"
#include "engine/vault/pack.h"
#include "engine/vault/vault_fixture.h"

namespace coffer::vault {
namespace {

PackId pack_number(uint8_t n) {
  PackId id{};
  id.fill(static_cast<std::byte>(n));
  return id;
}

IndexEntry entry_of(uint64_t n, uint8_t pack = 1) {
  IndexEntry entry;
  Bytes seed;
  ByteWriter(seed).u64(n);
  const auto digest = crypto::sha256(seed);
  entry.id.bytes = digest;
  entry.place = {.pack = pack_number(pack),
                 .frame_offset = static_cast<uint32_t>(n % 1000),
                 .frame_stored_size = 1 + static_cast<uint32_t>(n % 5000),
                 .codec = static_cast<Codec>(n % 3),
                 .offset_in_frame = static_cast<uint32_t>(n % 777),
                 .size = 1 + static_cast<uint32_t>(n % 100000)};
  return entry;
}

bool same(const ChunkPlace& a, const ChunkPlace& b) {
  return a.pack == b.pack && a.frame_offset == b.frame_offset && a.frame_stored_size == b.frame_stored_size &&
         a.codec == b.codec && a.offset_in_frame == b.offset_in_frame && a.size == b.size;
}

std::vector<IndexEntry> sorted_entries(uint64_t first, uint64_t count, uint8_t pack = 1) {
  std::vector<IndexEntry> out;
  for (uint64_t n = first; n < first + count; ++n) out.push_back(entry_of(n, pack));
  std::sort(out.begin(), out.end(), [](const IndexEntry& a, const IndexEntry& b) { return a.id < b.id; });
  return out;
}

class IndexTest : public VaultFixture {
 protected:
  std::vector<crypto::ObjectId> write(const std::vector<IndexEntry>& entries, const std::vector<IndexedPack>& packs) {
    size_t at = 0;
    return must(write_index(context_, *vault_, packs, [&]() -> Result<std::optional<IndexEntry>> {
      if (at == entries.size()) return std::optional<IndexEntry>{};
      return std::optional<IndexEntry>(entries[at++]);
    }));
  }
  static std::vector<IndexEntry> drain(IndexCursor& cursor) {
    std::vector<IndexEntry> out;
    while (auto entry = must(cursor.next())) out.push_back(*entry);
    return out;
  }
};

TEST(IndexEntry, ComesBackAndSortsAsItsId) {
  for (uint64_t n = 0; n < 1000; ++n) {
    const IndexEntry entry = entry_of(n);
    const Bytes bytes = encode_index_entry(entry);
    ASSERT_EQ(bytes.size(), kIndexEntrySize);
    auto decoded = decode_index_entry(bytes);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->id, entry.id);
    EXPECT_TRUE(same(decoded->place, entry.place));
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(decode_index_entry(ByteView(bytes).first(size)).ok());
    EXPECT_EQ(entry.id < entry_of(n + 1).id, encode_index_entry(entry) < encode_index_entry(entry_of(n + 1)));
  }
}

TEST(IndexEntry, PlacesOutsideAPackOrFrameAreRefused) {
  auto refused = [](auto spoil) {
    IndexEntry entry = entry_of(5);
    spoil(entry.place);
    return decode_index_entry(encode_index_entry(entry)).code() == ErrorCode::kCorruption;
  };
  EXPECT_TRUE(refused([](ChunkPlace& p) { p.frame_offset = 0xffffffff; }));
  EXPECT_TRUE(refused([](ChunkPlace& p) { p.frame_stored_size = 0; }));
  EXPECT_TRUE(refused([](ChunkPlace& p) { p.codec = static_cast<Codec>(3); }));
  EXPECT_TRUE(refused([](ChunkPlace& p) { p.size = 0; }));
  EXPECT_TRUE(refused([](ChunkPlace& p) { p.size = kChunkSizeMax + 1; }));
  EXPECT_TRUE(refused([](ChunkPlace& p) { p.offset_in_frame = kFramePlainMax; }));
  Bytes bytes = encode_index_entry(entry_of(5));
  bytes[63] = std::byte{1};
  EXPECT_FALSE(decode_index_entry(bytes).ok());
}

TEST_F(IndexTest, FindsEveryIdAtEverySizeAndNothingElse) {
  for (uint64_t count : {1U, 2U, 63U, 64U, 65U, 128U, 1000U, 20000U, 40000U}) {
    const auto entries = sorted_entries(0, count);
    const auto ids = write(entries, {{pack_number(1), 5}});
    ASSERT_EQ(ids.size(), 1U);
    auto index = must(IndexReader::open(context_, *vault_, ids[0]));
    EXPECT_EQ(index->count(), count);
    const uint64_t step = count > 5000 ? 7 : 1;
    for (uint64_t n = 0; n < count; n += step) {
      auto place = must(index->find(entry_of(n).id));
      ASSERT_TRUE(place) << n << " of " << count;
      EXPECT_TRUE(same(*place, entry_of(n).place));
      EXPECT_FALSE(must(index->find(entry_of(n + count).id)));
    }
    ChunkId extreme;
    EXPECT_FALSE(must(index->find(extreme)));
    extreme.bytes.fill(std::byte{0xff});
    EXPECT_FALSE(must(index->find(extreme)));
    size_t visited = 0;
    must(index->visit([&](const IndexEntry& e) -> Status {
      EXPECT_EQ(e.id, entries[visited++].id);
      return ok_status();
    }));
    EXPECT_EQ(visited, count);
    ASSERT_EQ(must(index->packs()).size(), 1U);
    EXPECT_EQ(must(index->packs())[0].id, pack_number(1));
    EXPECT_EQ(must(index->packs())[0].sealed_size_bytes, 5U);
  }
}

TEST_F(IndexTest, FindsIdsThatShareTheirBeginningAcrossBlocks) {
  std::vector<IndexEntry> entries;
  for (uint32_t n = 0; n < 20000; ++n) {
    IndexEntry entry = entry_of(n);
    std::fill(entry.id.bytes.begin(), entry.id.bytes.end(), std::byte{7});
    entry.id.bytes[7] = static_cast<std::byte>(n / 5000);
    for (int i = 0; i < 4; ++i) entry.id.bytes[static_cast<size_t>(20 + i)] = static_cast<std::byte>(n >> (24 - 8 * i));
    entries.push_back(entry);
  }
  auto index = must(IndexReader::open(context_, *vault_, write(entries, {})[0]));
  for (size_t n = 0; n < entries.size(); n += 3) {
    auto place = must(index->find(entries[n].id));
    ASSERT_TRUE(place) << n;
    EXPECT_TRUE(same(*place, entries[n].place));
    ChunkId other = entries[n].id;
    other.bytes[31] ^= std::byte{1};
    EXPECT_FALSE(must(index->find(other)));
  }
}

TEST_F(IndexTest, EveryPlaceOfAnIdIsKeptAndTheSamePlaceOnce) {
  const auto entries = sorted_entries(0, 300);
  std::vector<IndexEntry> more;
  for (const auto& entry : entries) {
    for (const uint8_t pack : {uint8_t{3}, uint8_t{1}, uint8_t{2}, uint8_t{1}}) {
      more.push_back(entry);
      more.back().place.pack = pack_number(pack);
    }
  }
  auto index = must(IndexReader::open(context_, *vault_, write(more, {})[0]));
  EXPECT_EQ(index->count(), 900U);
  for (const auto& entry : entries) {
    std::vector<ChunkPlace> places;
    must(index->find_all(entry.id, places));
    ASSERT_EQ(places.size(), 3U) << "also where they cross blocks";
    for (uint8_t i = 0; i < 3; ++i) EXPECT_EQ(places[i].pack, pack_number(static_cast<uint8_t>(i + 1)));
  }
}

TEST_F(IndexTest, AMergeForgetsNoPlaceSoThatNobodyElsesRemovalLosesTheChunk) {
  write(sorted_entries(0, 10, 1), {{pack_number(1), 1}});
  write(sorted_entries(0, 10, 2), {{pack_number(2), 2}});
  auto set = must(IndexSet::load(context_, *vault_));
  must(merge_indexes(context_, *vault_, *set, 1));
  must(rewrite_indexes(context_, *vault_, *set,
                       {.concerns = [](const IndexReader&) { return true; },
                        .keep = [](const IndexEntry& e) { return e.place.pack != pack_number(1); },
                        .leave_out = {pack_number(1)},
                        .replaced = {}}));
  for (uint64_t n = 0; n < 10; ++n) EXPECT_EQ(must(set->find(entry_of(n).id))->pack, pack_number(2));
}

TEST_F(IndexTest, ALargeIndexIsSplitAndIsCompleteOnlyAsAWhole) {
  constexpr uint64_t kCount = 300'000;
  const auto entries = sorted_entries(0, kCount);
  const auto ids = write(entries, {{pack_number(1), 5}, {pack_number(2), 6}});
  ASSERT_EQ(ids.size(), 2U);
  auto set = must(IndexSet::load(context_, *vault_));
  EXPECT_EQ(set->count(), kCount);
  EXPECT_EQ(must(set->packs()).size(), 2U);
  for (uint64_t n = 0; n < kCount; n += 997) EXPECT_TRUE(must(set->find(entry_of(n).id)));
  EXPECT_EQ(drain(*set->cursor()).size(), kCount);

  for (const auto& id : ids) {
    const Bytes object = must(store_->get_all(context_, index_key(id)));
    must(store_->remove(context_, index_key(id)));
    auto partial = must(IndexSet::load(context_, *vault_));
    EXPECT_TRUE(must(partial->packs()).empty()) << "a pack whose entries may be in the missing part is not covered";
    EXPECT_GT(partial->count(), 0U);
    must(store_->put(context_, index_key(id), object));
  }
}

TEST_F(IndexTest, ManyPacksAreSplitToo) {
  std::vector<IndexedPack> packs;
  for (uint32_t n = 0; n < 150'000; ++n) {
    IndexedPack pack{.id = {}, .sealed_size_bytes = n};
    std::memcpy(pack.id.data(), &n, sizeof n);
    packs.push_back(pack);
  }
  EXPECT_EQ(write(sorted_entries(0, 10), packs).size(), 3U);
  EXPECT_EQ(must(must(IndexSet::load(context_, *vault_))->packs()).size(), packs.size());
}

TEST_F(IndexTest, EveryFlippedBitAndTruncationIsRefusedOrHarmless) {
  const auto entries = sorted_entries(0, 200);
  const auto id = write(entries, {{pack_number(1), 5}})[0];
  const Bytes object = must(store_->get_all(context_, index_key(id)));
  std::mt19937_64 random(1);
  for (int i = 0; i < 400; ++i) {
    Bytes changed = object;
    if (i % 2 == 0) {
      changed[random() % changed.size()] ^= static_cast<std::byte>(1 << random() % 8);
    } else {
      changed.resize(random() % changed.size());
    }
    must(store_->remove(context_, index_key(id)));
    must(store_->put(context_, index_key(id), changed));
    auto set = must(IndexSet::load(context_, *vault_));
    if (!set->damaged().empty()) {
      EXPECT_NE(set->damaged()[0].find(index_key(id)), std::string::npos) << "the object is named";
      continue;
    }
    for (const auto& entry : entries) {
      auto place = set->find(entry.id);
      EXPECT_TRUE(!place.ok() || !*place || same(**place, entry.place));
    }
    EXPECT_EQ(set->visit_all([](const IndexEntry&) -> Status { return ok_status(); }).ok(), false);
  }
}

TEST_F(IndexTest, TwoIndexesSwappedAreFound) {
  const auto a = write(sorted_entries(0, 10), {})[0], b = write(sorted_entries(10, 10), {})[0];
  const Bytes of_a = must(store_->get_all(context_, index_key(a))),
              of_b = must(store_->get_all(context_, index_key(b)));
  testing_support::overwrite(*store_, index_key(a), of_b);
  testing_support::overwrite(*store_, index_key(b), of_a);
  EXPECT_EQ(must(IndexSet::load(context_, *vault_))->damaged().size(), 2U);
}

TEST_F(IndexTest, AvoidedPacksAreTheLastChoice) {
  write(sorted_entries(0, 10, 1), {});
  write(sorted_entries(0, 5, 2), {});
  auto set = must(IndexSet::load(context_, *vault_));
  set->avoid({pack_number(1)});
  EXPECT_EQ(must(set->find(entry_of(3).id))->pack, pack_number(2));
  EXPECT_EQ(must(set->find(entry_of(7).id))->pack, pack_number(1));
  set->avoid({pack_number(2)});
  EXPECT_EQ(must(set->find(entry_of(3).id))->pack, pack_number(1));
}

TEST_F(IndexTest, AddAndDropFollowTheStore) {
  auto set = must(IndexSet::load(context_, *vault_));
  EXPECT_FALSE(must(set->find(entry_of(1).id)));
  const auto id = write(sorted_entries(0, 10), {})[0];
  must(set->add(context_, id));
  must(set->add(context_, id));
  EXPECT_EQ(set->count(), 10U);
  EXPECT_TRUE(must(set->find(entry_of(1).id)));
  set->drop(id);
  EXPECT_FALSE(must(set->find(entry_of(1).id)));
}

TEST_F(IndexTest, AddingAnIndexThatWasMergedMeanwhileFindsTheMergedOne) {
  auto set = must(IndexSet::load(context_, *vault_));
  const auto id = write(sorted_entries(0, 10), {})[0];
  write(sorted_entries(10, 10), {});
  auto other = must(IndexSet::load(context_, *vault_));
  must(merge_indexes(context_, *vault_, *other, 1));
  must(set->add(context_, id));
  EXPECT_EQ(set->count(), 20U);
}

TEST_F(IndexTest, MergingKeepsEveryEntryAndPackAndLeavesFewObjects) {
  for (uint8_t i = 0; i < 20; ++i) write(sorted_entries(i * 100U, 100, i), {{pack_number(i), i}});
  write(sorted_entries(100'000, 20'000, 99), {{pack_number(99), 9}});
  auto set = must(IndexSet::load(context_, *vault_));
  must(merge_indexes(context_, *vault_, *set, 30));
  EXPECT_EQ(keys("index/").size(), 21U) << "nothing to do";
  must(merge_indexes(context_, *vault_, *set, 4));
  EXPECT_EQ(keys("index/").size(), 2U) << "the large one is not copied for the sake of the small ones";
  auto fresh = must(IndexSet::load(context_, *vault_));
  for (const IndexSet* s : {set.get(), fresh.get()}) {
    EXPECT_EQ(s->count(), 22'000U);
    EXPECT_EQ(must(s->packs()).size(), 21U);
    for (uint64_t n = 0; n < 2000; ++n)
      EXPECT_EQ(must(s->find(entry_of(n).id))->pack, pack_number(static_cast<uint8_t>(n / 100)));
  }
}

TEST_F(IndexTest, ManySmallIndexesOneByOneAreMergedToAFew) {
  auto set = must(IndexSet::load(context_, *vault_));
  for (uint64_t i = 0; i < 60; ++i) {
    must(set->add(context_, write(sorted_entries(i * 50, 50), {})[0]));
    must(merge_indexes(context_, *vault_, *set, 8));
    EXPECT_LE(keys("index/").size(), 8U);
  }
  EXPECT_EQ(must(IndexSet::load(context_, *vault_))->count(), 3000U);
}

TEST_F(IndexTest, AMergeIsWithdrawnWhenAnotherProgramReplacedWhatItRead) {
  for (uint64_t i = 0; i < 4; ++i) write(sorted_entries(i * 10, 10), {});
  auto mine = must(IndexSet::load(context_, *vault_));
  auto other = must(IndexSet::load(context_, *vault_));
  must(merge_indexes(context_, *vault_, *other, 1));
  must(merge_indexes(context_, *vault_, *mine, 1));
  EXPECT_EQ(keys("index/").size(), 1U);
  EXPECT_EQ(mine->count(), 40U) << "what is mapped stays readable";
}

TEST_F(IndexTest, RewritingDropsWhatIsRefusedAndWhatWasReplaced) {
  write(sorted_entries(0, 10, 1), {{pack_number(1), 1}});
  write(sorted_entries(5, 10, 2), {{pack_number(2), 2}});
  write(sorted_entries(100, 10, 3), {{pack_number(3), 3}});
  auto set = must(IndexSet::load(context_, *vault_));
  auto result =
      must(rewrite_indexes(context_, *vault_, *set,
                           {.concerns = [](const IndexReader& i) { return must(i.packs())[0].id != pack_number(3); },
                            .keep = [](const IndexEntry& e) { return e.id != entry_of(0).id; },
                            .leave_out = {pack_number(1)},
                            .replaced = {pack_number(1)}}));
  EXPECT_EQ(result.removed, 2U);
  EXPECT_EQ(result.written.size(), 1U);
  auto fresh = must(IndexSet::load(context_, *vault_));
  EXPECT_EQ(fresh->count(), 24U);
  EXPECT_EQ(must(fresh->packs()).size(), 2U);
  EXPECT_FALSE(must(fresh->find(entry_of(0).id)));
  EXPECT_EQ(must(fresh->find(entry_of(3).id))->pack, pack_number(1)) << "its only place";
  EXPECT_EQ(must(fresh->find(entry_of(7).id))->pack, pack_number(2));
}

TEST_F(IndexTest, ARebuiltIndexFindsEveryChunkAsTheFirstDid) {
  std::vector<Bytes> chunks;
  for (uint64_t i = 0; i < 200; ++i) chunks.push_back(bytes_of(i, 3000));
  const auto ids = write_chunks(chunks);
  auto before = must(IndexSet::load(context_, *vault_));
  std::map<ChunkId, ChunkPlace> places;
  for (const auto& id : ids) places[id] = *must(before->find(id));
  for (const auto& key : keys("index/")) must(store_->remove(context_, key));

  auto rebuilt = must(rebuild_index(context_, *vault_, *scratch_, {}));
  EXPECT_EQ(rebuilt.packs, keys("packs/").size());
  EXPECT_EQ(rebuilt.chunks, 200U);
  EXPECT_TRUE(rebuilt.unreadable.empty());
  auto after = must(IndexSet::load(context_, *vault_));
  for (const auto& [id, place] : places) {
    auto found = must(after->find(id));
    ASSERT_TRUE(found);
    EXPECT_TRUE(same(*found, place));
  }
  EXPECT_EQ(must(after->packs()).size(), rebuilt.packs);
  auto again = must(rebuild_index(context_, *vault_, *scratch_, must(after->packs())));
  EXPECT_TRUE(again.written.empty()) << "covered packs are left alone";
}

TEST_F(IndexTest, ADamagedPackIsNamedAndTheOthersAreIndexed) {
  std::vector<Bytes> chunks;
  for (uint64_t i = 0; i < 100; ++i) chunks.push_back(bytes_of(i, 3000));
  write_chunks(chunks);
  const auto packs = keys("packs/");
  ASSERT_GT(packs.size(), 2U);
  Bytes damaged = must(store_->get_all(context_, packs[1]));
  damaged.back() ^= std::byte{1};
  testing_support::overwrite(*store_, packs[1], damaged);
  auto rebuilt = must(rebuild_index(context_, *vault_, *scratch_, {}));
  EXPECT_EQ(rebuilt.packs, packs.size() - 1);
  ASSERT_EQ(rebuilt.unreadable.size(), 1U);
  EXPECT_NE(rebuilt.unreadable[0].find(packs[1]), std::string::npos);
}

TEST_F(IndexTest, ARebuildThatMeetsAPackBeingRemovedLeavesNoEntryOfIt) {
  std::vector<Bytes> chunks;
  for (uint64_t i = 0; i < 100; ++i) chunks.push_back(bytes_of(i, 3000));
  const auto ids = write_chunks(chunks);
  for (const auto& key : keys("index/")) must(store_->remove(context_, key));
  const std::string victim = keys("packs/")[0];
  bool removed = false;
  store::FaultyStore watching(
      *store_, [&](uint64_t, store::Operation operation, std::string_view key) -> std::optional<store::Fault> {
        if (operation == store::Operation::kPut && key.starts_with("index/") && !std::exchange(removed, true)) {
          must(store_->remove(context_, victim));
        }
        return std::nullopt;
      });
  auto vault = must(world_.open_vault(watching));
  auto rebuilt = must(rebuild_index(context_, *vault, *scratch_, {}));
  EXPECT_TRUE(removed);
  EXPECT_EQ(rebuilt.packs, keys("packs/").size());
  auto set = must(IndexSet::load(context_, *vault_));
  must(set->visit_all([&](const IndexEntry& entry) -> Status {
    EXPECT_NE(pack_key(entry.place.pack), victim);
    return ok_status();
  }));
}

TEST_F(IndexTest, AnIndexThatIsMergedBeforeItIsReadBackIsNoFailure) {
  for (const auto when : {store::Operation::kGet, store::Operation::kView, store::Operation::kHead}) {
    int merges = 0;
    std::string fresh;
    store::FaultyStore watching(
        *store_, [&](uint64_t, store::Operation operation, std::string_view key) -> std::optional<store::Fault> {
          if (operation == store::Operation::kPut && key.starts_with("index/")) fresh = std::string(key);
          if (operation == when && key == fresh && merges == 0) {
            ++merges;
            write(sorted_entries(500, 10), {});
            auto set = must(IndexSet::load(context_, *vault_));
            must(merge_indexes(context_, *vault_, *set, 1));
            EXPECT_FALSE(store_->head(context_, fresh).ok());
          }
          return std::nullopt;
        });
    auto vault = must(world_.open_vault(watching));
    auto set = must(IndexSet::load(context_, *vault));
    size_t at = 0;
    const auto entries = sorted_entries(0, 10);
    auto written = write_index(context_, *vault, {}, [&]() -> Result<std::optional<IndexEntry>> {
      if (at == entries.size()) return std::optional<IndexEntry>{};
      return std::optional<IndexEntry>(entries[at++]);
    });
    ASSERT_TRUE(written.ok()) << written.error().message;
    for (const auto& id : *written) must(set->add(context_, id));
    for (uint64_t n = 0; n < 10; ++n) EXPECT_TRUE(must(set->find(entry_of(n).id)));
  }
}

TEST_F(IndexTest, AStoreThatLosesEveryIndexIsFoundOut) {
  store::FaultyStore losing(
      *store_, [](uint64_t, store::Operation operation, std::string_view key) -> std::optional<store::Fault> {
        if (operation == store::Operation::kPut && key.starts_with("index/"))
          return store::Fault{.kind = store::Fault::Kind::kLostPut};
        return std::nullopt;
      });
  auto vault = must(world_.open_vault(losing));
  bool given = false;
  auto written = write_index(context_, *vault, {}, [&]() -> Result<std::optional<IndexEntry>> {
    return std::exchange(given, true) ? std::optional<IndexEntry>{} : std::optional<IndexEntry>(entry_of(1));
  });
  EXPECT_FALSE(written.ok());
}

// A crash at any call of a merge or a rebuild: no entry is lost, and the next run finishes.
TEST_F(IndexTest, ACrashAtAnyCallOfAMergeLosesNoEntry) {
  for (uint64_t i = 0; i < 5; ++i) write(sorted_entries(i * 10, 10), {{pack_number(static_cast<uint8_t>(i)), i}});
  const auto objects = testing_support::snapshot(*store_);
  bool crashed = true;
  for (uint64_t call = 1; crashed; ++call) {
    for (const auto kind :
         {store::Fault::Kind::kCrash, store::Fault::Kind::kCrashAfter, store::Fault::Kind::kErrorAfter}) {
      auto store = testing_support::store_of(objects);
      uint64_t from = ~uint64_t{0};
      store::FaultyStore faulty(*store,
                                [&](uint64_t n, store::Operation, std::string_view) -> std::optional<store::Fault> {
                                  if (n == from) return store::Fault{.kind = kind};
                                  return std::nullopt;
                                });
      auto vault = must(world_.open_vault(faulty));
      from = faulty.calls() + call;
      crashed = true;
      try {
        auto set = IndexSet::load(context_, *vault);
        crashed = !set.ok() || !merge_indexes(context_, *vault, **set, 1).ok();
      } catch (const store::SimulatedCrash&) {
      }
      auto sound = must(world_.open_vault(*store));
      auto set = must(IndexSet::load(context_, *sound));
      EXPECT_TRUE(set->damaged().empty());
      EXPECT_EQ(must(set->packs()).size(), 5U);
      for (uint64_t n = 0; n < 50; ++n) EXPECT_TRUE(must(set->find(entry_of(n).id))) << "call " << call;
      must(merge_indexes(context_, *sound, *set, 1));
      EXPECT_EQ(must(IndexSet::load(context_, *sound))->count(), 50U);
    }
    ASSERT_LT(call, 200U);
  }
}

TEST_F(IndexTest, LookupsFromManyThreadsBesideAddAndMergeAllSucceed) {
  auto set = must(IndexSet::load(context_, *vault_));
  must(set->add(context_, write(sorted_entries(0, 20'000), {})[0]));
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  std::atomic<int> misses{0};
  for (uint64_t t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      for (uint64_t n = t; !done; n = (n + 7) % 20'000) {
        if (!must(set->find(entry_of(n).id))) ++misses;
      }
    });
  }
  for (uint64_t i = 0; i < 20; ++i) {
    must(set->add(context_, write(sorted_entries(100'000 + i * 100, 100), {})[0]));
    must(merge_indexes(context_, *vault_, *set, 3));
  }
  done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(misses, 0);
}

}  // namespace
}  // namespace coffer::vault
