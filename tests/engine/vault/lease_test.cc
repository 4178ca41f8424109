#include "engine/vault/lease.h"

#include "engine/vault/lease_holder.h"
#include "engine/vault/log_fixture.h"

namespace coffer::vault {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr seconds kTerm = minutes(15);

class LeaseTest : public LogFixture {
 protected:
  LeaseTest() : log_(must(CommitLog::load({}, *vault_))) {}
  std::vector<LeaseInfo> leases() { return must(list_leases({}, *vault_)); }
  std::vector<std::string> objects() { return keys_of(*store_, "leases/"); }
  LeaseHolder held(const Vault& vault) { return LeaseHolder(vault, kTerm); }

  std::unique_ptr<CommitLog> log_;
};

TEST_F(LeaseTest, ItsObjectComesBackOrIsRefused) {
  const LeaseInfo info{.id = "abc",
                       .holder = "host pid 1",
                       .purpose = "backup",
                       .acquired = kNoon,
                       .expires = kNoon + minutes(1),
                       .log_size = 9,
                       .renewals = 3,
                       .released = true};
  Bytes bytes = encode_lease(info);
  const LeaseInfo again = must(decode_lease(bytes));
  EXPECT_EQ(encode_lease(again), bytes);
  EXPECT_EQ(again.holder, info.holder);
  EXPECT_EQ(again.expires, info.expires);
  EXPECT_TRUE(again.released);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_TRUE(fails_with(decode_lease(ByteView(bytes).first(size)), ErrorCode::kCorruption)) << size;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes bad = bytes;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    if (auto read = decode_lease(bad); read.ok()) {
      EXPECT_EQ(encode_lease(*read), bad);
    }
  }
}

TEST_F(LeaseTest, EverybodyWhoSharesTheVaultSeesWhoWrites) {
  commit(*log_, "a");
  auto lease = must(Lease::acquire({}, *vault_, *log_, "backup", kTerm));
  ASSERT_EQ(leases().size(), 1u);
  const LeaseInfo info = leases()[0];
  EXPECT_EQ(info.id, lease->id());
  EXPECT_EQ(info.purpose, "backup");
  EXPECT_NE(info.holder.find(" pid "), std::string::npos);
  EXPECT_EQ(info.acquired, kNoon);
  EXPECT_EQ(info.expires, kNoon + kTerm);
  EXPECT_EQ(info.log_size, 1u);
  EXPECT_TRUE(lease->still_held(log_->state()).ok());
  auto second = must(Lease::acquire({}, *vault_, *log_, "restore", kTerm));
  EXPECT_NE(second->id(), lease->id());
  EXPECT_EQ(leases().size(), 2u);
}

TEST_F(LeaseTest, ReleasedItIsNoLongerListedAndLeavesOneObject) {
  auto lease = must(Lease::acquire({}, *vault_, *log_, "backup", kTerm));
  must(lease->release({}));
  EXPECT_TRUE(leases().empty());
  EXPECT_EQ(objects(), std::vector<std::string>{lease_key(lease->id(), 1)});
  EXPECT_TRUE(fails_with(lease->still_held(log_->state()), ErrorCode::kConflict, "released"));
  must(lease->release({}));
  EXPECT_EQ(objects().size(), 1u);
}

TEST_F(LeaseTest, GoingAwayReleasesIt) {
  static_cast<void>(must(Lease::acquire({}, *vault_, *log_, "backup", kTerm)));
  EXPECT_TRUE(leases().empty());
}

TEST_F(LeaseTest, RenewingMovesTheExpiryAndKeepsTheId) {
  LeaseHolder holder = held(*vault_);
  must(holder.acquire({}, *log_, "backup"));
  clock_.advance(minutes(5));
  must(holder.renew({}));
  clock_.advance(minutes(5));
  must(holder.renew({}));
  ASSERT_EQ(leases().size(), 1u);
  EXPECT_EQ(leases()[0].renewals, 2u);
  EXPECT_EQ(leases()[0].acquired, kNoon);
  EXPECT_EQ(leases()[0].expires, kNoon + minutes(25));
  must(holder.release({}));
  EXPECT_EQ(objects().size(), 1u);
}

TEST_F(LeaseTest, NotRenewedForItsTermItIsLostByTheMonotonicClock) {
  LeaseHolder holder = held(*vault_);
  must(holder.acquire({}, *log_, "backup"));
  clock_.advance(kTerm - seconds(1));
  EXPECT_TRUE(holder.still_held(log_->state()).ok());
  clock_.jump_to({0});  // NTP steps the wall clock: nothing changes
  EXPECT_TRUE(holder.still_held(log_->state()).ok());
  clock_.jump_to(kNoon + std::chrono::hours(1000));
  EXPECT_TRUE(holder.still_held(log_->state()).ok());
  clock_.advance(seconds(1));
  EXPECT_TRUE(fails_with(holder.still_held(log_->state()), ErrorCode::kConflict, "could not be renewed in time"));
}

TEST_F(LeaseTest, AFailedRenewalIsRepeatedAndSaysWhyWhenTimeIsOut) {
  bool broken = false;
  FaultyStore faulty(
      *store_, [&](uint64_t, Operation, std::string_view) { return broken ? std::optional(Fault{}) : std::nullopt; });
  auto vault = open(faulty);
  LeaseHolder holder = held(*vault);
  must(holder.acquire({}, *log_, "backup"));
  broken = true;
  clock_.advance(minutes(5));
  EXPECT_FALSE(holder.renew({}).ok());
  EXPECT_TRUE(holder.still_held(log_->state()).ok());
  broken = false;
  clock_.advance(minutes(5));
  must(holder.renew({}));
  clock_.advance(minutes(14));
  EXPECT_TRUE(holder.still_held(log_->state()).ok());
  broken = true;
  EXPECT_FALSE(holder.renew({}).ok());
  clock_.advance(minutes(1));
  EXPECT_TRUE(fails_with(holder.still_held(log_->state()), ErrorCode::kConflict, "injected fault"));
}

TEST_F(LeaseTest, ARenewalWhoseAnswerWasLostIsFollowedByAnother) {
  bool lose = false;
  FaultyStore faulty(*store_, [&](uint64_t, Operation o, std::string_view) -> std::optional<Fault> {
    if (lose && o == Operation::kPut) return Fault{.kind = Fault::Kind::kErrorAfter};
    return std::nullopt;
  });
  auto vault = open(faulty);
  LeaseHolder holder = held(*vault);
  must(holder.acquire({}, *log_, "backup"));
  lose = true;
  EXPECT_FALSE(holder.renew({}).ok());
  lose = false;
  clock_.advance(minutes(5));
  must(holder.renew({}));
  EXPECT_EQ(leases()[0].expires, kNoon + minutes(20));
  EXPECT_EQ(objects().size(), 3u);
}

TEST_F(LeaseTest, FencedInTheLogItsHolderMayCommitNothingMore) {
  auto lease = must(Lease::acquire({}, *vault_, *log_, "backup", kTerm));
  must(log_->append({}, LogEntryType::kLeaseFenced, lease->id(), {}, nullptr));
  EXPECT_TRUE(fails_with(lease->still_held(log_->state()), ErrorCode::kConflict, "fenced"));
  auto check = [&](const LogState& state) { return lease->still_held(state); };
  EXPECT_TRUE(fails_with(log_->append({}, LogEntryType::kPointCommitted, "a", commit_body(lease->id()), check),
                         ErrorCode::kConflict));
  // Nor when it does not look.
  EXPECT_FALSE(log_->append({}, LogEntryType::kPointCommitted, "a", commit_body(lease->id()), nullptr).ok());
}

TEST_F(LeaseTest, ADamagedOrMovedLeaseIsAnErrorAndNeverNoLease) {
  auto lease = must(Lease::acquire({}, *vault_, *log_, "backup", kTerm));
  const std::string key = lease_key(lease->id(), 0);
  const Bytes whole = must(store_->get_all({}, key));
  Bytes bad = whole;
  bad[140] ^= std::byte{1};
  overwrite(*store_, key, bad);
  EXPECT_TRUE(fails_with(list_leases({}, *vault_), ErrorCode::kCorruption, key));
  overwrite(*store_, key, whole);
  must(store_->put({}, lease_key("ffff", 0), whole));
  EXPECT_TRUE(fails_with(list_leases({}, *vault_), ErrorCode::kCorruption, lease_key("ffff", 0)));
}

TEST_F(LeaseTest, ALeaseThatIsReleasedWhileItIsLookedForIsNoError) {
  auto lease = must(Lease::acquire({}, *vault_, *log_, "backup", kTerm));
  const std::string key = lease_key(lease->id(), 0);
  bool released = false;
  FaultyStore faulty(*store_, [&](uint64_t, Operation o, std::string_view k) -> std::optional<Fault> {
    if (o == Operation::kView && k == key && !std::exchange(released, true)) must(lease->release({}));
    return std::nullopt;
  });
  EXPECT_TRUE(must(list_leases({}, *open(faulty))).empty());
  EXPECT_TRUE(released);
}

TEST_F(LeaseTest, ALeaseWhoseMarkerIsCollectedWhileItIsLookedForIsGone) {
  auto lease = must(Lease::acquire({}, *vault_, *log_, "backup", kTerm));
  const std::string key = lease_key(lease->id(), 0);
  FaultyStore faulty(*store_, [&](uint64_t, Operation o, std::string_view k) -> std::optional<Fault> {
    if (o == Operation::kView && k == key && !objects().empty()) {
      must(lease->release({}));
      for (const std::string& object : objects()) must(store_->remove({}, object));
    }
    return std::nullopt;
  });
  EXPECT_TRUE(must(list_leases({}, *open(faulty))).empty());
}

TEST_F(LeaseTest, AListedLeaseThatCannotBeReadIsNotTakenForGone) {
  auto lease = must(Lease::acquire({}, *vault_, *log_, "backup", kTerm));
  FaultyStore faulty(*store_, [&](uint64_t, Operation o, std::string_view k) -> std::optional<Fault> {
    if (o == Operation::kView && k.starts_with("leases/"))
      return Fault{.kind = Fault::Kind::kError, .code = ErrorCode::kNotFound};
    return std::nullopt;
  });
  EXPECT_TRUE(fails_with(list_leases({}, *open(faulty)), ErrorCode::kUnavailable, lease->id()));
}

TEST_F(LeaseTest, AStoreThatFailsOrCrashesWhileItIsTakenOrReleasedLeavesAtMostALeaseThatExpires) {
  for (Fault::Kind kind : {Fault::Kind::kError, Fault::Kind::kErrorAfter, Fault::Kind::kCrash, Fault::Kind::kCrashAfter,
                           Fault::Kind::kLostPut}) {
    std::unique_ptr<store::ObjectStore> store;
    bool released = false;
    sweep(
        kind, [&]() -> store::ObjectStore& { return released = false, *(store = store_of(snapshot(*store_))); },
        [&](store::ObjectStore& faulty) {
          auto vault = Vault::open({}, faulty, clock_, entropy_, *key_);
          if (!vault.ok()) return;
          auto lease = Lease::acquire({}, **vault, *log_, "backup", kTerm);
          released = lease.ok() && (*lease)->release({}).ok();
        },
        [&](uint64_t) {
          auto left = list_leases({}, *open(*store));
          ASSERT_TRUE(left.ok()) << left.error().message;
          if (released) {
            EXPECT_TRUE(left->empty());
          }
          for (const LeaseInfo& info : *left) EXPECT_EQ(info.expires, kNoon + kTerm);
        });
  }
}

TEST_F(LeaseTest, ItNeedsATerm) {
  EXPECT_TRUE(fails_with(Lease::acquire({}, *vault_, *log_, "backup", seconds(0)), ErrorCode::kInvalidArgument));
}

// The one test that waits for real time: the condition, not a sleep, ends it.
TEST_F(LeaseTest, AThreadRenewsItInTime) {
  SystemClock clock;
  SystemEntropy entropy;
  std::mutex mutex;
  std::condition_variable changed;
  int renewals = 0;
  FaultyStore watched(*store_, [&](uint64_t, Operation o, std::string_view key) -> std::optional<Fault> {
    std::lock_guard lock(mutex);
    if (o == Operation::kPut && key.starts_with("leases/")) ++renewals, changed.notify_all();
    return std::nullopt;
  });
  auto vault = must(Vault::open({}, watched, clock, entropy, *key_));
  auto lease = must(Lease::acquire({}, *vault, *log_, "backup", seconds(1)));
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, seconds(30), [&] { return renewals >= 3; }));
  }
  must(lease->release({}));
}

}  // namespace
}  // namespace coffer::vault
