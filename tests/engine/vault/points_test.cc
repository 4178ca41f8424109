#include "engine/vault/points.h"

#include "engine/vault/log_fixture.h"
#include "engine/vault/manifest_samples.h"
#include "engine/vault/pack.h"

namespace coffer::vault {
namespace {

class PointsTest : public LogFixture {
 protected:
  PointsTest() : log_(must(CommitLog::load({}, *vault_))) {}

  /// As a writer leaves it in the store; the digest is of the sealed bytes.
  WrittenPack put_pack(uint8_t number) {
    WrittenPack pack;
    pack.id.fill(std::byte{number});
    Bytes plain(200'000);
    entropy_.fill(plain);
    must(vault_->put_sealed({}, pack_key(pack.id), crypto::ObjectKind::kPack, plain, pack.id));
    const Bytes sealed = must(store_->get_all({}, pack_key(pack.id)));
    pack.sealed_size_bytes = sealed.size();
    pack.digest = must(sealed_digest(sealed));
    return pack;
  }
  Manifest manifest_of(const std::string& id, std::vector<WrittenPack> packs = {}) {
    Manifest m = full_manifest();
    m.id = id;
    m.vault_uuid = vault_->format().uuid;
    m.packs = std::move(packs);
    return m;
  }
  Status commit_point_of(const std::string& id) { return commit_point({}, *vault_, *log_, lease_, manifest_of(id)); }
  Status attest(const std::string& id, ProofKind kind, bool success, std::chrono::seconds after_noon) {
    return write_attestation({}, *vault_,
                             {.point_id = id,
                              .kind = kind,
                              .success = success,
                              .time = kNoon + after_noon,
                              .duration_ms = -5,
                              .size_bytes = 1,
                              .summary = "s\xff",
                              .findings = {"f"},
                              .facts = {{"rows.a", "7"}}});
  }
  PointSummary summary_of(const std::string& id) {
    for (PointSummary& s : must(list_points({}, *vault_, log_->state(), nullptr)))
      if (s.manifest.id == id) return s;
    throw std::runtime_error("no such point");
  }

  std::unique_ptr<CommitLog> log_;
  FakeLease lease_;
};

// ---- committing

TEST_F(PointsTest, ACommittedPointIsThereForEverybody) {
  const Manifest manifest = manifest_of("20261124T120000Z-00000001", {put_pack(1), put_pack(2)});
  must(commit_point({}, *vault_, *log_, lease_, manifest));
  auto other = must(CommitLog::load({}, *vault_));
  ASSERT_EQ(other->state().live.size(), 1u);
  EXPECT_EQ(other->state().live[0].id, manifest.id);
  EXPECT_EQ(encode_manifest(must(read_manifest({}, *vault_, other->state(), manifest.id))), encode_manifest(manifest));
  EXPECT_EQ(must(decode_commit_body(other->entries()[0].body)).lease_id, lease_.id());
}

TEST_F(PointsTest, CommittingTheSamePointAgainIsTheSamePoint) {
  must(commit_point_of("a"));
  must(commit_point_of("a"));
  EXPECT_EQ(log_->size(), 1u);
  Manifest other = manifest_of("a");
  other.name = "another";
  EXPECT_TRUE(
      fails_with(commit_point({}, *vault_, *log_, lease_, other), ErrorCode::kAlreadyExists, "recovery point a"));
}

TEST_F(PointsTest, AForgottenIdIsNeverUsedAgain) {
  must(commit_point_of("a"));
  must(forget_point({}, *log_, "a", "test"));
  EXPECT_TRUE(fails_with(commit_point_of("a"), ErrorCode::kAlreadyExists));
}

TEST_F(PointsTest, APackThatIsMissingShortOrChangedKeepsThePointFromExisting) {
  const WrittenPack good = put_pack(1), bad = put_pack(2);
  const std::string key = pack_key(bad.id);
  const Bytes whole = must(store_->get_all({}, key));
  auto expect_refused = [&](ErrorCode code) {
    auto committed = commit_point({}, *vault_, *log_, lease_, manifest_of("a", {good, bad}));
    EXPECT_TRUE(fails_with(committed, code, key));
    EXPECT_TRUE(must(CommitLog::load({}, *vault_))->state().live.empty());
  };
  must(store_->remove({}, key));
  expect_refused(ErrorCode::kNotFound);
  for (size_t size : {size_t{0}, size_t{100}, whole.size() / 2, whole.size() - 1}) {
    overwrite(*store_, key, ByteView(whole).first(size));
    expect_refused(ErrorCode::kCorruption);
  }
  Bytes changed = whole;
  changed.back() ^= std::byte{1};
  overwrite(*store_, key, changed);
  expect_refused(ErrorCode::kCorruption);
  overwrite(*store_, key, must(store_->get_all({}, pack_key(good.id))));
  expect_refused(ErrorCode::kCorruption);
  overwrite(*store_, key, whole);
  must(commit_point({}, *vault_, *log_, lease_, manifest_of("a", {good, bad})));
}

TEST_F(PointsTest, WithoutItsLeaseNothingIsCommitted) {
  lease_.lost = true;
  EXPECT_TRUE(fails_with(commit_point_of("a"), ErrorCode::kConflict, "lease is lost"));
  lease_.lost = false;
  auto other = must(CommitLog::load({}, *vault_));
  must(other->append({}, LogEntryType::kLeaseFenced, lease_.id(), {}, nullptr));
  EXPECT_TRUE(fails_with(commit_point_of("a"), ErrorCode::kConflict, "lease is lost"));
  EXPECT_EQ(must(CommitLog::load({}, *vault_))->size(), 1u);
}

TEST_F(PointsTest, ALeaseFencedAtTheLastMomentIsSeen) {
  // The collector's entry takes the place that our commit wanted.
  bool fenced = false;
  FaultyStore faulty(*store_, [&](uint64_t, Operation o, std::string_view key) -> std::optional<Fault> {
    if (o == Operation::kPut && key == entry_key(0) && !std::exchange(fenced, true)) {
      auto other = must(CommitLog::load({}, *vault_));
      must(other->append({}, LogEntryType::kLeaseFenced, lease_.id(), {}, nullptr));
    }
    return std::nullopt;
  });
  auto vault = open(faulty);
  auto log = must(CommitLog::load({}, *vault));
  EXPECT_TRUE(
      fails_with(commit_point({}, *vault, *log, lease_, manifest_of("a")), ErrorCode::kConflict, "lease is lost"));
  EXPECT_TRUE(must(CommitLog::load({}, *vault_))->state().live.empty());
}

TEST_F(PointsTest, AManifestOfAnotherVaultOrWithABadIdIsRefused) {
  Manifest foreign = manifest_of("a");
  foreign.vault_uuid = "another";
  EXPECT_TRUE(fails_with(commit_point({}, *vault_, *log_, lease_, foreign), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(commit_point({}, *vault_, *log_, lease_, manifest_of("../a")), ErrorCode::kInvalidArgument));
}

TEST_F(PointsTest, WhateverFailsWhileCommittingThereIsNoHalfPointAndTryingAgainSucceeds) {
  const Manifest manifest = manifest_of("a", {put_pack(1), put_pack(2)});
  for (Fault::Kind kind : kEveryFault) {
    std::unique_ptr<store::ObjectStore> store;
    bool committed = false;
    sweep(
        kind, [&]() -> store::ObjectStore& { return committed = false, *(store = store_of(snapshot(*store_))); },
        [&](store::ObjectStore& faulty) {
          auto vault = Vault::open({}, faulty, clock_, entropy_, *key_);
          if (!vault.ok()) return;
          auto log = CommitLog::load({}, **vault);
          if (log.ok()) committed = commit_point({}, **vault, **log, lease_, manifest).ok();
        },
        [&](uint64_t) {
          auto vault = open(*store);
          auto log = must(CommitLog::load({}, *vault));
          const bool visible = log->state().find("a") != nullptr;
          if (committed) {
            EXPECT_TRUE(visible);
          }
          if (visible) {
            auto read = read_manifest({}, *vault, log->state(), "a");
            ASSERT_TRUE(read.ok()) << read.error().message;
            EXPECT_EQ(encode_manifest(*read), encode_manifest(manifest));
          }
          if (kind == Fault::Kind::kTornPut && !visible) {
            // A store without atomic put may leave half a manifest; the id is then used up, and a new one works.
            Manifest next = manifest;
            if (vault->store().head({}, manifest_key("a")).ok()) next.id = "b";
            must(commit_point({}, *vault, *log, lease_, next));
            return;
          }
          must(commit_point({}, *vault, *log, lease_, manifest));
          EXPECT_EQ(must(CommitLog::load({}, *vault))->size(), 1u);
        });
  }
}

// ---- reading

TEST_F(PointsTest, AReplacedManifestIsFoundThoughItIsAuthentic) {
  must(commit_point_of("a"));
  Manifest forged = manifest_of("a");
  forged.name = "forged by somebody with the key";
  must(store_->remove({}, manifest_key("a")));
  must(vault_->put_sealed({}, manifest_key("a"), crypto::ObjectKind::kManifest, encode_manifest(forged)));
  EXPECT_TRUE(fails_with(read_manifest({}, *vault_, log_->state(), "a"), ErrorCode::kCorruption,
                         "is not the manifest that the commit log names"));
}

TEST_F(PointsTest, ManifestsExchangedBetweenPointsAreRefused) {
  must(commit_point_of("a"));
  must(commit_point_of("b"));
  const Bytes a = must(store_->get_all({}, manifest_key("a"))), b = must(store_->get_all({}, manifest_key("b")));
  overwrite(*store_, manifest_key("a"), b);
  overwrite(*store_, manifest_key("b"), a);
  for (const char* id : {"a", "b"})
    EXPECT_TRUE(fails_with(read_manifest({}, *vault_, log_->state(), id), ErrorCode::kCorruption, manifest_key(id)));
}

TEST_F(PointsTest, AnUnknownPointNamesThoseNearIt) {
  EXPECT_TRUE(fails_with(read_manifest({}, *vault_, log_->state(), "x"), ErrorCode::kNotFound, "the vault has none"));
  for (const char* id : {"20261124T120000Z-00000001", "20261125T120000Z-00000002", "20270101T120000Z-00000003",
                         "20280101T120000Z-00000004"})
    must(commit_point_of(id));
  auto missing = read_manifest({}, *vault_, log_->state(), "20261125T120000Z-00000009");
  EXPECT_TRUE(
      fails_with(missing, ErrorCode::kNotFound, "there is 20261125T120000Z-00000002, 20261124T120000Z-00000001, "));
  must(forget_point({}, *log_, "20270101T120000Z-00000003", "test"));
  EXPECT_TRUE(fails_with(read_manifest({}, *vault_, log_->state(), "20270101T120000Z-00000003"), ErrorCode::kNotFound,
                         "was forgotten"));
}

TEST_F(PointsTest, APointIsNamedByItsIdItsBeginningOrLatest) {
  EXPECT_TRUE(fails_with(resolve_point(log_->state(), "latest"), ErrorCode::kNotFound));
  for (const char* id : {"20261124T120000Z-00000001", "20261124T120000Z-00000002", "20261125T120000Z-00000003"})
    must(commit_point_of(id));
  const LogState& state = log_->state();
  EXPECT_EQ(must(resolve_point(state, "latest")), "20261125T120000Z-00000003");
  EXPECT_EQ(must(resolve_point(state, "20261125")), "20261125T120000Z-00000003");
  EXPECT_EQ(must(resolve_point(state, "20261124T120000Z-00000002")), "20261124T120000Z-00000002");
  EXPECT_TRUE(fails_with(resolve_point(state, "20261124"), ErrorCode::kInvalidArgument,
                         "several recovery points: 20261124T120000Z-00000001, "));
  EXPECT_TRUE(fails_with(resolve_point(state, "202"), ErrorCode::kNotFound));
  EXPECT_TRUE(fails_with(resolve_point(state, "2027"), ErrorCode::kNotFound));
  EXPECT_TRUE(fails_with(resolve_point(state, ""), ErrorCode::kNotFound));
}

TEST_F(PointsTest, AWholeIdThatBeginsAnotherIsItself) {
  must(commit_point_of("aaaa"));
  must(commit_point_of("aaaa-1"));
  EXPECT_EQ(must(resolve_point(log_->state(), "aaaa")), "aaaa");
}

TEST_F(PointsTest, OnlyLivePointsAreForgotten) {
  must(commit_point_of("a"));
  EXPECT_TRUE(fails_with(forget_point({}, *log_, "b", "test"), ErrorCode::kNotFound, "there is a"));
  must(forget_point({}, *log_, "a", "retention: 7 days"));
  EXPECT_TRUE(fails_with(forget_point({}, *log_, "a", "again"), ErrorCode::kNotFound));
  EXPECT_EQ(to_text(log_->entries().back().body), "retention: 7 days");
}

// ---- attestations and states

TEST_F(PointsTest, AttestationsComeBackNewestFirst) {
  must(commit_point_of("a"));
  for (int second : {2, 1, 3}) must(attest("a", ProofKind::kVerified, true, std::chrono::seconds(second)));
  const auto all = must(read_attestations({}, *vault_, "a"));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].time, kNoon + std::chrono::seconds(3));
  EXPECT_EQ(all[2].time, kNoon + std::chrono::seconds(1));
  EXPECT_EQ(all[0].summary, "s\xff");
  EXPECT_EQ(all[0].duration_ms, -5);
  EXPECT_EQ(all[0].findings, std::vector<std::string>{"f"});
  EXPECT_EQ(all[0].facts.at("rows.a"), "7");
  EXPECT_TRUE(must(read_attestations({}, *vault_, "b")).empty());
  EXPECT_FALSE(read_attestations({}, *vault_, "../b").ok());
  EXPECT_FALSE(attest("../b", ProofKind::kProven, true, {}).ok());
}

TEST_F(PointsTest, TheStateFollowsFromTheNewestOfEachProof) {
  using std::chrono::seconds;
  must(commit_point_of("a"));
  auto state = [&] { return summary_of("a").state; };
  EXPECT_EQ(state(), PointState::kCompleted);
  must(attest("a", ProofKind::kVerified, true, seconds(1)));
  EXPECT_EQ(state(), PointState::kVerified);
  EXPECT_EQ(summary_of("a").last_proof, std::nullopt);
  must(attest("a", ProofKind::kProven, true, seconds(2)));
  EXPECT_EQ(state(), PointState::kProven);
  must(attest("a", ProofKind::kVerified, false, seconds(3)));
  EXPECT_EQ(state(), PointState::kDamaged);
  EXPECT_EQ(summary_of("a").last_proof, kNoon + seconds(2));
  must(attest("a", ProofKind::kVerified, true, seconds(4)));
  EXPECT_EQ(state(), PointState::kProven);
  must(attest("a", ProofKind::kProven, false, seconds(5)));
  EXPECT_EQ(state(), PointState::kDamaged);
  EXPECT_EQ(point_state_name(state()), "DAMAGED");
}

TEST_F(PointsTest, ACheckThatCouldNotRunSpeaksNeitherForNorAgainstThePoint) {
  using std::chrono::seconds;
  must(commit_point_of("a"));
  auto could_not = [&](seconds after) {
    Attestation a;
    a.point_id = "a";
    a.kind = ProofKind::kProven;
    a.time = kNoon + after;
    must(write_attestation({}, *vault_, a));
  };
  could_not(seconds(1));
  EXPECT_EQ(summary_of("a").state, PointState::kCompleted);
  must(attest("a", ProofKind::kProven, true, seconds(2)));
  could_not(seconds(3));
  EXPECT_EQ(summary_of("a").state, PointState::kProven);
  must(attest("a", ProofKind::kProven, false, seconds(4)));
  could_not(seconds(5));
  EXPECT_EQ(summary_of("a").state, PointState::kDamaged);
}

TEST_F(PointsTest, AnAttestationOfAnotherPointIsRefused) {
  must(commit_point_of("a"));
  must(commit_point_of("b"));
  must(attest("a", ProofKind::kProven, true, {}));
  const std::string key = keys_of(*store_, "points/a/attestations/").front();
  const std::string moved = "points/b" + key.substr(std::string("points/a").size());
  must(store_->put({}, moved, must(store_->get_all({}, key))));
  EXPECT_TRUE(fails_with(read_attestations({}, *vault_, "b"), ErrorCode::kCorruption, moved));
}

TEST_F(PointsTest, AListShowsEveryLivePointOldestFirstWithoutItsLongParts) {
  for (const char* id : {"c", "a", "b"}) must(commit_point_of(id));
  must(forget_point({}, *log_, "a", "test"));
  const auto points = must(list_points({}, *vault_, log_->state(), nullptr));
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].manifest.id, "c");
  EXPECT_EQ(points[1].manifest.id, "b");
  EXPECT_TRUE(points[0].manifest.list.empty());
  EXPECT_EQ(points[0].manifest.databases, full_manifest().databases);
}

TEST_F(PointsTest, ADamagedOrMissingManifestIsNamedAndLeavesTheOthersReadable) {
  for (const char* id : {"a", "b", "c"}) must(commit_point_of(id));
  overwrite(*store_, manifest_key("a"), as_bytes("garbage"));
  must(store_->remove({}, manifest_key("b")));
  EXPECT_TRUE(fails_with(list_points({}, *vault_, log_->state(), nullptr), ErrorCode::kCorruption, manifest_key("a")));
  std::map<std::string, std::string> damaged;
  const auto points = must(list_points({}, *vault_, log_->state(), [&](const std::string& id, const Error& e) {
    EXPECT_EQ(e.code, ErrorCode::kCorruption);
    damaged[id] = e.message;
  }));
  ASSERT_EQ(points.size(), 1u);
  EXPECT_EQ(points[0].manifest.id, "c");
  ASSERT_EQ(damaged.size(), 2u);
  EXPECT_NE(damaged["b"].find(manifest_key("b")), std::string::npos);
}

TEST_F(PointsTest, AStoreThatIsAwayIsNotTakenForDamage) {
  must(commit_point_of("a"));
  FaultyStore faulty(*store_, [](uint64_t, Operation o, std::string_view key) -> std::optional<Fault> {
    if (o == Operation::kView && key == manifest_key("a")) return Fault{};
    return std::nullopt;
  });
  EXPECT_TRUE(
      fails_with(list_points({}, *open(faulty), log_->state(), [](const std::string&, const Error&) { FAIL(); }),
                 ErrorCode::kUnavailable));
}

}  // namespace
}  // namespace coffer::vault
