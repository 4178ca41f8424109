#include "engine/jobs/copy.h"

#include <gtest/gtest.h>

#include "engine/jobs/copy_world.h"
#include "engine/vault/put_checked.h"

namespace coffer::jobs {

namespace {

using store::Fault;
using store::FaultyStore;
using store::Operation;

bool is_write(Operation operation) { return operation == Operation::kPut || operation == Operation::kRemove; }

/// The plain bytes of a pack with another first byte in its first chunk of whole pages, and a table that fits.
Bytes with_one_page_altered(ByteView pack) {
  ByteReader footer(pack.last(vault::kPackFooterSize));
  footer.u32();
  auto frames = must(vault::parse_pack_table(pack.last(footer.u32() + vault::kPackFooterSize), pack.size()));
  Bytes out;
  bool altered = false;
  for (vault::PackFrame& frame : frames) {
    Bytes plain(frame.plain_size);
    must(vault::decompress_frame(frame.codec, pack.subspan(frame.offset, frame.stored_size), plain));
    size_t at = 0;
    for (const auto& chunk : frame.chunks) {
      if (!altered && chunk.size % vault::kPageSize == 0) {
        plain[at] ^= std::byte{1};
        altered = true;
      }
      at += chunk.size;
    }
    frame.offset = static_cast<uint32_t>(out.size());
    frame.codec = vault::Codec::kNone;
    frame.stored_size = frame.plain_size;
    append(out, plain);
  }
  EXPECT_TRUE(altered);
  append(out, vault::encode_pack_table(frames));
  return out;
}

class CopyTest : public ::testing::Test {
 protected:
  CopyTest() : source_store_(store::open_memory()), store_(store::open_memory()) {
    source_ = world_.create_vault(*source_store_);
    first_ = must(back_up(world_, *source_, 1)).manifest.id;
    mirror_ = must(open_receiver(world_, *source_, *store_));
  }
  std::string second() { return must(back_up(world_, *source_, 2)).manifest.id; }
  std::string third() { return must(back_up(world_, *source_, 3)).manifest.id; }
  CopyReport copied(const std::string& id, CopyOptions::Verify verify = CopyOptions::Verify::kAll) {
    return must(copy(world_, *source_, *mirror_, id, verify));
  }
  std::vector<std::string> keys(store::ObjectStore& store, std::string_view prefix) {
    std::vector<std::string> found;
    for (const auto& [key, body] : snapshot(store))
      if (key.starts_with(prefix)) found.push_back(key);
    return found;
  }
  /// What a source gives that is not what it was: `hostile` changes its objects; the copy must refuse and show nothing.
  Error refused(const std::function<void(store::ObjectStore&)>& hostile, const std::string& id) {
    auto altered = store_of(snapshot(*source_store_));
    hostile(*altered);
    auto source = must(world_.open_vault(*altered));
    auto result = copy(world_, *source, *mirror_, id, CopyOptions::Verify::kAll, false);
    EXPECT_FALSE(result.ok());
    const auto live = world_.live_points(*mirror_);
    EXPECT_EQ(std::count(live.begin(), live.end(), id), 0);
    return result.ok() ? Error{} : result.error();
  }

  World world_;
  std::unique_ptr<store::ObjectStore> source_store_, store_;
  std::unique_ptr<vault::Vault> source_, mirror_;
  std::string first_;
};

}  // namespace

TEST_F(CopyTest, ACopiedPointRestoresFromTheMirrorAloneWithTheReceiversKeyAlone) {
  const CopyReport report = copied(first_);
  EXPECT_FALSE(report.was_there);
  EXPECT_TRUE(report.verified_all);
  EXPECT_GT(report.bytes_copied, 0U);
  source_.reset();
  for (const std::string& key : keys(*source_store_, "")) must(source_store_->remove({}, key));

  EXPECT_FALSE(world_.open_vault(*store_, test_key()).ok()) << "the source's key opens the mirror";
  auto alone = must(world_.open_vault(*store_, receiver_key()));
  EXPECT_EQ(world_.live_points(*alone), std::vector{first_});
  expect_restores(world_, *alone, first_, 1);
  EXPECT_TRUE(must(verify(world_, *alone)).clean());
}

TEST_F(CopyTest, WhatIsCopiedIsTheSameBytes) {
  copied(first_);
  const Objects source = snapshot(*source_store_), mirror = snapshot(*store_);
  size_t packs = 0;
  for (const auto& [key, body] : mirror) {
    if (!key.starts_with("packs/") && !key.ends_with("/manifest") && key != "format") continue;
    ASSERT_TRUE(source.contains(key)) << key;
    EXPECT_EQ(source.at(key), body) << key;
    packs += key.starts_with("packs/");
  }
  EXPECT_GT(packs, 0U);
}

TEST_F(CopyTest, TheMirrorHasItsOwnLogAndItsOwnSlots) {
  copied(first_);
  auto log = must(vault::CommitLog::load(world_.context(), *mirror_));
  EXPECT_EQ(log->size(), 1U);
  ASSERT_EQ(mirror_->keysets().size(), 1U);
  ASSERT_EQ(mirror_->keysets()[0].slots.size(), 1U);
  EXPECT_EQ(mirror_->keysets()[0].slots[0].name, "receiver");
}

TEST_F(CopyTest, ASecondCopyMovesAndWritesNothing) {
  copied(first_);
  const Objects before = snapshot(*store_);
  const CopyReport again = copied(first_);
  EXPECT_TRUE(again.was_there);
  EXPECT_TRUE(again.verified_all);
  EXPECT_EQ(again.bytes_copied, 0U);
  EXPECT_EQ(snapshot(*store_), before);
}

TEST_F(CopyTest, OnlyWhatIsNewTravels) {
  copied(first_);
  const vault::Manifest next = must(back_up(world_, *source_, 2)).manifest;
  const CopyReport report = copied(next.id);
  EXPECT_EQ(report.packs_copied, next.packs.size());
  uint64_t new_bytes = 0;
  for (const auto& pack : next.packs) new_bytes += pack.sealed_size_bytes;
  EXPECT_LE(report.bytes_copied, new_bytes * 13 / 10);
  expect_restores(world_, *mirror_, next.id, 2);
  expect_restores(world_, *mirror_, first_, 1);
}

TEST_F(CopyTest, ALaterPointAloneBringsWhatItNeedsOfEarlierOnes) {
  const std::string id = second();
  copied(id);
  EXPECT_EQ(world_.live_points(*mirror_), std::vector{id});
  expect_restores(world_, *mirror_, id, 2);
  copied(first_);
  expect_restores(world_, *mirror_, first_, 1);
  EXPECT_TRUE(must(verify(world_, *mirror_)).clean());
}

TEST_F(CopyTest, WithoutReadingAllOfItThePointIsCompletedAndNotVerified) {
  const CopyReport report = copied(first_, CopyOptions::Verify::kNew);
  EXPECT_FALSE(report.verified_all);
  EXPECT_TRUE(must(vault::read_attestations(world_.context(), *mirror_, first_)).empty());
  EXPECT_TRUE(copied(first_).verified_all) << "asked again, it is read";
  EXPECT_EQ(must(vault::read_attestations(world_.context(), *mirror_, first_)).size(), 1U);
}

TEST_F(CopyTest, NothingIsEverWrittenToASourceThatIsCopiedWithoutALease) {
  uint64_t writes = 0;
  FaultyStore watched(*source_store_, [&](uint64_t, Operation operation, std::string_view) -> std::optional<Fault> {
    writes += is_write(operation);
    return std::nullopt;
  });
  auto source = must(world_.open_vault(watched));
  must(copy(world_, *source, *mirror_, first_, CopyOptions::Verify::kAll, false));
  EXPECT_EQ(writes, 0U);
}

TEST_F(CopyTest, ASourceThatCannotBeWrittenToIsCopiedAllTheSame) {
  FaultyStore readable(*source_store_, [&](uint64_t, Operation operation, std::string_view) -> std::optional<Fault> {
    if (!is_write(operation)) return std::nullopt;
    return Fault{Fault::Kind::kError, ErrorCode::kPermissionDenied};
  });
  auto source = must(world_.open_vault(readable));
  must(copy(world_, *source, *mirror_, first_));
  expect_restores(world_, *mirror_, first_, 1);
}

TEST_F(CopyTest, AMirrorCanBeMirrored) {
  copied(first_);
  auto third_store = store::open_memory();
  auto third = must(open_receiver(world_, *mirror_, *third_store, Secret(Bytes(32, std::byte{0x33}))));
  must(copy(world_, *mirror_, *third, first_));
  expect_restores(world_, *third, first_, 1);
}

TEST_F(CopyTest, APointThatIsNotThereIsNotFound) {
  auto result = copy(world_, *source_, *mirror_, "20200101T000000Z-00000000");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.code(), ErrorCode::kNotFound);
}

TEST_F(CopyTest, APointThatWasForgottenInTheMirrorDoesNotComeBack) {
  copied(first_);
  forget(world_, *mirror_, first_);
  auto result = copy(world_, *source_, *mirror_, first_);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.code(), ErrorCode::kFailedPrecondition) << result.error().message;
}

TEST_F(CopyTest, AskedForAPointThatWasForgottenComesBackUnderANumberedId) {
  copied(first_);
  forget(world_, *mirror_, first_);
  CopyOptions options;
  options.point_id = first_;
  options.again = true;
  auto again = [&] { return must(run_copy(world_.context(), world_.environment(), *source_, *mirror_, options)); };
  EXPECT_EQ(again().manifest.id, first_ + "-2");
  expect_restores(world_, *mirror_, first_ + "-2", 1);
  const CopyReport third = again();
  EXPECT_TRUE(third.was_there);
  EXPECT_EQ(third.manifest.id, first_ + "-2");
  forget(world_, *mirror_, first_ + "-2");
  collect_all(world_, *mirror_);
  EXPECT_EQ(again().manifest.id, first_ + "-3");
  EXPECT_EQ(world_.live_points(*mirror_), std::vector{first_ + "-3"});
  expect_restores(world_, *mirror_, first_ + "-3", 1);
  EXPECT_TRUE(must(verify(world_, *mirror_)).clean());
}

TEST_F(CopyTest, AnotherVaultsMirrorIsRefused) {
  auto other_store = store::open_memory();
  auto other = world_.create_vault(*other_store);
  auto opened = open_receiver(world_, *other, *store_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.code(), ErrorCode::kFailedPrecondition) << opened.error().message;
  auto result = copy(world_, *other, *mirror_, first_);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.code(), ErrorCode::kFailedPrecondition) << result.error().message;
}

TEST_F(CopyTest, APlaceThatHoldsSomethingElseIsRefused) {
  auto other_store = store::open_memory();
  must(other_store->put({}, "photos/1", to_bytes("x")));
  auto opened = open_receiver(world_, *source_, *other_store);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.code(), ErrorCode::kFailedPrecondition) << opened.error().message;
}

TEST_F(CopyTest, ASourceOfTheSameNameAndOtherKeysIsRefused) {
  // Whoever replaces the source's folder by a vault of their own may give it the old uuid.
  auto forged_store = store::open_memory();
  auto forged = world_.create_vault(*forged_store);
  const auto& real = source_->keysets()[0];
  Bytes root = to_bytes(ByteView(forged->current().root.view()));
  crypto::Keyset keyset = forged->keysets()[0];
  keyset.vault_uuid = real.vault_uuid;
  auto key = crypto::key_file_slot(test_key());
  keyset.slots = {must(key->wrap("test", root, crypto::slot_binding(keyset), world_.entropy()))};
  overwrite(*forged_store, vault::keyset_key(keyset.key_id, 1), crypto::encode_keyset(keyset, root));
  overwrite(*forged_store, "format", vault::encode_format(source_->format()));
  auto opened = must(world_.open_vault(*forged_store));
  auto mirror = open_receiver(world_, *opened, *store_);
  ASSERT_FALSE(mirror.ok());
  EXPECT_EQ(mirror.code(), ErrorCode::kFailedPrecondition) << mirror.error().message;
  EXPECT_NE(mirror.error().message.find("other keys"), std::string::npos) << mirror.error().message;
}

TEST_F(CopyTest, TheMirrorIsOpenedByItsOwnKeyOnly) {
  auto opened = open_receiver(world_, *source_, *store_, test_key());
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.code(), ErrorCode::kUnauthenticated) << opened.error().message;
}

// ---- a source that lies

TEST_F(CopyTest, DamagedTruncatedMissingAndSwappedObjectsOfTheSourceAreRefusedByName) {
  const auto packs = keys(*source_store_, "packs/");
  ASSERT_GE(packs.size(), 1U);
  for (const std::string& key : packs) {
    const Bytes good = must(source_store_->get_all({}, key));
    for (size_t at : {size_t{0}, size_t{40}, size_t{100}, good.size() / 2, good.size() - 1}) {
      const Error e = refused(
          [&](store::ObjectStore& s) {
            Bytes bad = good;
            bad[at] ^= std::byte{1};
            overwrite(s, key, bad);
          },
          first_);
      EXPECT_EQ(e.code, ErrorCode::kCorruption) << e.message;
      EXPECT_NE(e.message.find(key), std::string::npos) << e.message;
    }
    for (size_t size : {size_t{0}, size_t{64}, size_t{128}, good.size() - 1}) {
      const Error e = refused([&](store::ObjectStore& s) { overwrite(s, key, ByteView(good).first(size)); }, first_);
      EXPECT_EQ(e.code, ErrorCode::kCorruption) << e.message;
    }
    const Error missing = refused([&](store::ObjectStore& s) { must(s.remove({}, key)); }, first_);
    EXPECT_NE(missing.message.find(key), std::string::npos) << missing.message;
  }
  // A pack of another point under this name: its place does not hold.
  const vault::Manifest next = must(back_up(world_, *source_, 2)).manifest;
  const std::string other = vault::pack_key(next.packs.front().id);
  const Bytes foreign = must(source_store_->get_all({}, other));
  const Error swapped = refused([&](store::ObjectStore& s) { overwrite(s, packs.front(), foreign); }, first_);
  EXPECT_EQ(swapped.code, ErrorCode::kCorruption) << swapped.message;
  copied(first_);
  expect_restores(world_, *mirror_, first_, 1);
}

TEST_F(CopyTest, AManifestThatTheLogDoesNotNameIsRefused) {
  const std::string id = second();
  const Bytes other = must(source_store_->get_all({}, vault::manifest_key(id)));
  const Error e = refused([&](store::ObjectStore& s) { overwrite(s, vault::manifest_key(first_), other); }, first_);
  EXPECT_TRUE(e.code == ErrorCode::kCorruption) << e.message;
}

TEST_F(CopyTest, ASourceThatShowsAnotherPointUnderACopiedIdIsRefusedAndTheCopyStays) {
  copied(first_);
  // The holder of the root can seal anything: the same point once more, under another salt, with a log that names it.
  auto forged_store = store_of(snapshot(*source_store_));
  auto forged = must(world_.open_vault(*forged_store));
  const Bytes plain = must(forged->get_sealed({}, vault::manifest_key(first_), crypto::ObjectKind::kManifest));
  must(forged_store->remove({}, vault::manifest_key(first_)));
  must(forged->put_sealed({}, vault::manifest_key(first_), crypto::ObjectKind::kManifest, plain));
  const Bytes sealed = must(forged_store->get_all({}, vault::manifest_key(first_)));
  for (const std::string& key : keys(*forged_store, "log/")) must(forged_store->remove({}, key));
  auto log = must(vault::CommitLog::load({}, *forged));
  must(log->append({}, vault::LogEntryType::kPointCommitted, first_,
                   vault::encode_commit_body({sealed.size(), crypto::sha256(sealed), "0123456789abcdef"}), {}));
  auto result = copy(world_, *forged, *mirror_, first_);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.code(), ErrorCode::kCorruption) << result.error().message;
  expect_restores(world_, *mirror_, first_, 1);
}

TEST_F(CopyTest, APackWhoseChunksAreNotWhatTheirIdsSayNeverReachesTheMirror) {
  // Whoever holds the root seals a pack in which a chunk id that older points use has other bytes.
  copied(first_);
  const std::string id = second();
  const vault::Manifest manifest = [&] {
    auto log = must(vault::CommitLog::load({}, *source_));
    return must(vault::read_manifest({}, *source_, log->state(), id));
  }();
  const std::string key = vault::pack_key(manifest.packs.front().id);
  auto altered = store_of(snapshot(*source_store_));
  auto source = must(world_.open_vault(*altered));
  const Bytes forged = with_one_page_altered(must(source->get_sealed({}, key, crypto::ObjectKind::kPack)));
  must(altered->remove({}, key));
  must(source->put_sealed({}, key, crypto::ObjectKind::kPack, forged, manifest.packs.front().id));
  for (const std::string& index : keys(*altered, "index/")) must(altered->remove({}, index));
  auto scratch = must(world_.files().open_directory(world_.environment().scratch));
  must(vault::rebuild_index({}, *source, *scratch, {}));
  auto result = copy(world_, *source, *mirror_, id, CopyOptions::Verify::kNew, false);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.code(), ErrorCode::kCorruption) << result.error().message;
  EXPECT_NE(result.error().message.find("than its id says"), std::string::npos) << result.error().message;
  EXPECT_FALSE(store_->head({}, key).ok());
  expect_restores(world_, *mirror_, first_, 1);
}

TEST_F(CopyTest, APackThatWasCopiedAndIsAnotherInTheSourceNowIsRefusedWhereItIsNeeded) {
  copied(first_);
  // The same chunks sealed again under the same name, and the mirror's index of it lost together with nothing else.
  const std::string key = keys(*store_, "packs/").front();
  const Bytes good = must(store_->get_all({}, key));
  auto altered = store_of(snapshot(*source_store_));
  auto source = must(world_.open_vault(*altered));
  const Bytes plain = must(source->get_sealed({}, key, crypto::ObjectKind::kPack));
  const vault::PackId id = [&] {
    const Bytes hex = must(from_hex(std::string_view(key).substr(key.rfind('/') + 1)));
    vault::PackId p{};
    std::copy(hex.begin(), hex.end(), p.begin());
    return p;
  }();
  must(altered->remove({}, key));
  must(source->put_sealed({}, key, crypto::ObjectKind::kPack, plain, id));
  const std::string next = must(back_up(world_, *source, 2)).manifest.id;
  must(copy(world_, *source, *mirror_, next));  // needs the pack, and takes the mirror's own
  EXPECT_EQ(must(store_->get_all({}, key)), good);
  expect_restores(world_, *mirror_, first_, 1);
  expect_restores(world_, *mirror_, next, 2);
}

// ---- what a copy finds in the mirror

TEST_F(CopyTest, AnUncommittedPackThatRottedIsReplacedByTheSources) {
  // An earlier copy was killed before its commit, and the disk lost a sector since.
  for (const std::string& key : keys(*source_store_, "packs/")) {
    Bytes bad = must(source_store_->get_all({}, key));
    bad[bad.size() / 2] ^= std::byte{1};
    must(store_->put({}, key, bad));
  }
  const CopyReport report = copied(first_);
  EXPECT_GT(report.packs_repaired, 0U);
  expect_restores(world_, *mirror_, first_, 1);
}

TEST_F(CopyTest, WhatAKilledCopyBroughtDoesNotTravelAgain) {
  const auto packs = keys(*source_store_, "packs/");
  uint64_t bytes = 0;
  for (const std::string& key : packs) {
    const Bytes body = must(source_store_->get_all({}, key));
    bytes += body.size();
    must(store_->put({}, key, body));
  }
  const CopyReport report = copied(first_);
  EXPECT_EQ(report.packs_copied, 0U);
  EXPECT_LT(report.bytes_copied, bytes / 2) << "the manifest";
  expect_restores(world_, *mirror_, first_, 1);
}

TEST_F(CopyTest, DamageInTheMirrorThatTheNewPointSharesIsRepaired) {
  copied(first_);
  const std::string key = keys(*store_, "packs/").front();
  const Bytes good = must(store_->get_all({}, key));
  overwrite(*store_, key, ByteView(good).first(good.size() / 2));
  const std::string id = second();
  const CopyReport report = copied(id);
  EXPECT_EQ(report.packs_repaired, 1U);
  EXPECT_EQ(must(store_->get_all({}, key)), good);
  expect_restores(world_, *mirror_, first_, 1);
  expect_restores(world_, *mirror_, id, 2);
}

TEST_F(CopyTest, AVaultIsRepairedFromItsMirrorByACopyTheOtherWay) {
  const std::string id = second();
  copied(first_);
  copied(id);
  const Objects good = snapshot(*source_store_);
  std::vector<std::string> packs = keys(*source_store_, "packs/");
  for (size_t i = 0; i < packs.size(); ++i) {
    Bytes bad = good.at(packs[i]);
    bad[bad.size() / 2] ^= std::byte{1};
    if (i % 2 == 0)
      overwrite(*source_store_, packs[i], bad);
    else
      must(source_store_->remove({}, packs[i]));
  }
  EXPECT_FALSE(must(verify(world_, *source_)).clean());
  for (const std::string& point : {first_, id}) EXPECT_TRUE(must(copy(world_, *mirror_, *source_, point)).verified_all);
  for (const std::string& key : packs) EXPECT_EQ(must(source_store_->get_all({}, key)), good.at(key)) << key;
  expect_restores(world_, *source_, first_, 1);
  expect_restores(world_, *source_, id, 2);
  EXPECT_TRUE(must(verify(world_, *source_)).clean());
}

TEST_F(CopyTest, AMissingPackOfTheMirrorIsBroughtAgain) {
  copied(first_);
  const std::string key = keys(*store_, "packs/").front();
  must(store_->remove({}, key));
  copied(second());
  expect_restores(world_, *mirror_, first_, 1);
}

// ---- retention and collection on both sides

TEST_F(CopyTest, TheMirrorsRetentionIsItsOwn) {
  const std::string id = second();
  copied(first_);
  copied(id);
  forget(world_, *mirror_, first_);
  collect_all(world_, *mirror_);
  EXPECT_EQ(world_.live_points(*mirror_), std::vector{id});
  expect_restores(world_, *mirror_, id, 2);
  EXPECT_EQ(world_.live_points(*source_), (std::vector{first_, id}));
  EXPECT_TRUE(must(verify(world_, *source_)).clean());
}

TEST_F(CopyTest, WhatTheSourceForgetsAndCollectsStaysInTheMirror) {
  copied(first_);
  const std::string id = second();
  forget(world_, *source_, first_);
  collect_all(world_, *source_);
  copied(id);
  expect_restores(world_, *mirror_, first_, 1);
  expect_restores(world_, *mirror_, id, 2);
}

TEST_F(CopyTest, ChunksWhosePackIsUnderATombstoneAreSealedAnew) {
  copied(first_);
  forget(world_, *mirror_, first_);
  collect_all(world_, *mirror_, std::chrono::hours(24), 1);  // tombstones, and a grace period
  const std::string id = second();
  const CopyReport report = copied(id);
  EXPECT_GT(report.chunks_sealed_new, 0U);
  expect_restores(world_, *mirror_, id, 2);
  collect_all(world_, *mirror_, std::chrono::seconds(0), 3);  // the tombstones end
  expect_restores(world_, *mirror_, id, 2);
  EXPECT_TRUE(must(verify(world_, *mirror_)).clean());
}

TEST_F(CopyTest, ACollectionDuringACopyTakesNothingOfIt) {
  // At every put of the copy a collector without grace runs through in the mirror.
  std::atomic<bool> inside{false};
  uint64_t collections = 0;
  FaultyStore busy(*store_, [&](uint64_t, Operation operation, std::string_view key) -> std::optional<Fault> {
    if (operation == Operation::kPut && (key.starts_with("packs/") || key.ends_with("/manifest")) &&
        !inside.exchange(true)) {
      auto vault = must(world_.open_vault(*store_, receiver_key()));
      collect_all(world_, *vault, std::chrono::seconds(0), 3);
      ++collections;
      inside = false;
    }
    return std::nullopt;
  });
  auto mirror = must(open_receiver(world_, *source_, busy));
  must(copy(world_, *source_, *mirror, first_));
  EXPECT_GT(collections, 0U);
  expect_restores(world_, *mirror_, first_, 1);
  collect_all(world_, *mirror_, std::chrono::seconds(0), 3);
  expect_restores(world_, *mirror_, first_, 1);
}

TEST_F(CopyTest, ASourceThatGivesThePointUpMeanwhileEndsTheCopyOrLosesNothing) {
  // Without a lease, the source's collector may strike between any two reads.
  for (uint64_t at : {1U, 3U, 5U, 8U, 12U, 20U, 40U}) {
    SCOPED_TRACE("at read " + std::to_string(at));
    auto inner = store_of(snapshot(*source_store_));
    auto own = must(world_.open_vault(*inner));
    uint64_t reads = 0;
    bool armed = false, struck = false;
    FaultyStore watched(*inner, [&](uint64_t, Operation operation, std::string_view) -> std::optional<Fault> {
      if (armed && !struck && !is_write(operation) && ++reads == at) {
        struck = true;
        forget(world_, *own, first_);
        collect_all(world_, *own, std::chrono::seconds(0), 2);
      }
      return std::nullopt;
    });
    auto source = must(world_.open_vault(watched));
    auto store = store::open_memory();
    auto mirror = must(open_receiver(world_, *source, *store));
    armed = true;
    World single(1);
    auto result = copy(single, *source, *mirror, first_, CopyOptions::Verify::kAll, false);
    if (result.ok()) {
      expect_restores(world_, *mirror, first_, 1);
    } else {
      EXPECT_EQ(result.code(), ErrorCode::kNotFound) << result.error().message;
      EXPECT_TRUE(world_.live_points(*mirror).empty());
    }
  }
}

TEST_F(CopyTest, TheLeaseInTheSourceKeepsItsCollectorAway) {
  uint64_t reads = 0;
  bool struck = false;
  FaultyStore watched(*source_store_, [&](uint64_t, Operation operation, std::string_view key) -> std::optional<Fault> {
    if (!struck && operation == Operation::kGet && key.starts_with("packs/") && ++reads == 1) {
      struck = true;
      auto own = must(world_.open_vault(*source_store_));
      forget(world_, *own, first_);
      collect_all(world_, *own, std::chrono::seconds(0), 3);
    }
    return std::nullopt;
  });
  auto source = must(world_.open_vault(watched));
  auto result = copy(world_, *source, *mirror_, first_);
  EXPECT_TRUE(struck);
  ASSERT_TRUE(result.ok()) << result.error().message;
  expect_restores(world_, *mirror_, first_, 1);
}

TEST_F(CopyTest, TwoCopiesOfOnePointAtOnceGiveOnePoint) {
  TaskGroup group{Context()};
  std::atomic<int> done{0};
  for (int i = 0; i < 3; ++i)
    group.spawn([&]() -> Status {
      World own(1);
      auto mirror = must(open_receiver(own, *source_, *store_));
      COFFER_CHECK_OK(copy(own, *source_, *mirror, first_));
      ++done;
      return ok_status();
    });
  auto status = group.wait();
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(done, 3);
  EXPECT_EQ(world_.live_points(*mirror_), std::vector{first_});
  expect_restores(world_, *mirror_, first_, 1);
}

TEST_F(CopyTest, ACreationOfAMirrorThatIsCutOffAnywhereIsFinishedByTheNext) {
  for (auto kind : {Fault::Kind::kError, Fault::Kind::kErrorAfter, Fault::Kind::kTornPut, Fault::Kind::kCrash,
                    Fault::Kind::kCrashAfter}) {
    for (uint64_t n = 1 + static_cast<uint64_t>(kind) % 5;; n += 5) {
      SCOPED_TRACE("call " + std::to_string(n));
      auto store = store::open_memory();
      bool reached = false;
      FaultyStore faulty(*store, [&](uint64_t call, Operation, std::string_view) -> std::optional<Fault> {
        if (call != n) return std::nullopt;
        reached = true;
        return Fault{kind, ErrorCode::kUnavailable};
      });
      try {
        static_cast<void>(open_receiver(world_, *source_, faulty));
      } catch (const store::SimulatedCrash&) {
      }
      if (!reached) break;
      ASSERT_LT(n, 1000U);
      auto mirror = open_receiver(world_, *source_, *store);
      ASSERT_TRUE(mirror.ok()) << mirror.error().message;
      if (n % 3 == 0) must(copy(world_, *source_, **mirror, first_, CopyOptions::Verify::kNew));
    }
  }
}

}  // namespace coffer::jobs
