// Copies whose call N to the source's or the mirror's store fails, for N = 1, 2, 3 ...: only whole points are visible
// in the mirror, the source is as it was, and the next copy brings what is missing and no more.
#include <gtest/gtest.h>

#include <array>
#include <mutex>

#include "engine/jobs/copy_world.h"
#include "faults/tiers.h"

namespace coffer::faults {

namespace {

using store::Fault;
using store::FaultyStore;
using store::Operation;

constexpr uint64_t kCallsMax = 5000;

std::map<std::string, size_t> packs_of(const Objects& objects) {
  std::map<std::string, size_t> packs;
  for (const auto& [key, body] : objects)
    if (key.starts_with("packs/")) packs[key] = body.size();
  return packs;
}

// The mirror of SmallVault after its first point, made once.
const Objects& mirror_of_first() {
  static const Objects made = [] {
    World world;
    const SmallVault& small = SmallVault::get();
    auto source_store = store_of(small.objects);
    auto source = must(world.open_vault(*source_store));
    auto store = store::open_memory();
    auto mirror = must(jobs::open_receiver(world, *source, *store));
    must(jobs::copy(world, *source, *mirror, small.first));
    return snapshot(*store);
  }();
  return made;
}

class CopySweep : public ::testing::TestWithParam<Fault::Kind> {
 protected:
  struct Run {
    std::unique_ptr<store::ObjectStore> source, mirror;
    bool reached = false;
    Status outcome = ok_status();
  };
  /// A copy of the second point; call `n` of one of the two stores has the fault.
  Run run_with_fault(bool in_mirror, uint64_t n, bool first_is_there) {
    const SmallVault& small = SmallVault::get();
    Run run;
    run.source = store_of(small.objects);
    run.mirror = first_is_there ? store_of(mirror_of_first()) : store::open_memory();
    std::atomic<bool> reached{false};
    auto decide = [&](uint64_t call, Operation, std::string_view) -> std::optional<Fault> {
      if (call != n) return std::nullopt;
      reached = true;
      return Fault{GetParam(), ErrorCode::kUnavailable};
    };
    auto never = [](uint64_t, Operation, std::string_view) { return std::optional<Fault>(); };
    auto job = [&]() -> Status {
      FaultyStore source_store(*run.source, in_mirror ? FaultyStore::Decide(never) : decide);
      FaultyStore mirror_store(*run.mirror, in_mirror ? FaultyStore::Decide(decide) : never);
      COFFER_TRY(auto source, world_.open_vault(source_store));
      COFFER_TRY(auto mirror, jobs::open_receiver(world_, *source, mirror_store));
      COFFER_CHECK_OK(jobs::copy(world_, *source, *mirror, small.second));
      return ok_status();
    };
    try {
      run.outcome = job();
    } catch (const store::SimulatedCrash&) {
      run.outcome = Error{ErrorCode::kInternal, "crashed", {}};
    }
    run.reached = reached;
    return run;
  }

  void check(Run& run, bool first_is_there) {
    const SmallVault& small = SmallVault::get();
    auto source = must(world_.open_vault(*run.source));
    auto mirror = jobs::open_receiver(world_, *source, *run.mirror);
    ASSERT_TRUE(mirror.ok()) << mirror.error().message;
    const auto live = world_.live_points(**mirror);
    EXPECT_GE(live.size(), first_is_there ? 1U : 0U);
    const bool visible = std::find(live.begin(), live.end(), small.second) != live.end();
    EXPECT_TRUE(visible || !run.outcome.ok()) << "it said success";
    for (const std::string& id : live) jobs::expect_restores(world_, **mirror, id, small.version_of(id));

    const auto before = packs_of(snapshot(*run.mirror));
    auto again = jobs::copy(world_, *source, **mirror, small.second);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(again->was_there, visible);
    for (const std::string& id : world_.live_points(**mirror))
      jobs::expect_restores(world_, **mirror, id, small.version_of(id));
    // What was whole did not travel again.
    const auto original = packs_of(small.objects), after = packs_of(snapshot(*run.mirror));
    uint64_t missing = 0;
    for (const auto& [key, size] : after)
      if (!before.contains(key) || before.at(key) != size) missing += size;
    const uint64_t most = again->was_there ? 0 : missing + small.objects.at(vault::manifest_key(small.second)).size();
    EXPECT_LE(again->bytes_copied, most);
    for (const auto& [key, size] : after) EXPECT_EQ(original.at(key), size) << key;
    EXPECT_EQ(packs_of(snapshot(*run.source)), original);
  }

  void sweep(bool in_mirror, bool first_is_there) {
    const uint64_t step = number_from_environment("COFFER_SWEEP_STEP", 13);
    uint64_t n = 1;
    for (; n < kCallsMax && !HasFailure(); n += step) {
      SCOPED_TRACE(std::string(in_mirror ? "mirror" : "source") + " call " + std::to_string(n));
      Run run = run_with_fault(in_mirror, n, first_is_there);
      if (!run.reached) break;
      check(run, first_is_there);
    }
    EXPECT_GT(n, 5U);
    EXPECT_LT(n, kCallsMax);
  }

  World world_{2};
};

}  // namespace

// Faults of all kinds on both sides at once, again and again on the same mirror, until a copy gets through.
TEST(CopyUnderFaults, ManyFaultsAtRandomEndInAWholePointAndNothingTravelsTwice) {
  const SmallVault& small = SmallVault::get();
  const uint64_t runs = number_from_environment("COFFER_COPY_RUNS", 20);
  constexpr std::array kKinds = {Fault::Kind::kError,     Fault::Kind::kErrorAfter, Fault::Kind::kTornPut,
                                 Fault::Kind::kLostPut,   Fault::Kind::kFlipBit,    Fault::Kind::kCrash,
                                 Fault::Kind::kCrashAfter};
  World world(2);
  for (uint64_t seed = 1; seed <= runs && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededEntropy random(seed);
    std::mutex mutex;
    const uint64_t rarity = 20 + seed * 7 % 180;  // of faults, in calls
    auto decide = [&](uint64_t, Operation, std::string_view) -> std::optional<Fault> {
      std::lock_guard lock(mutex);
      const auto drawn = load_le<uint64_t>(random.array<8>().data());
      if (drawn % rarity != 0) return std::nullopt;
      return Fault{kKinds[drawn / rarity % kKinds.size()], ErrorCode::kUnavailable};
    };
    auto source_inner = store_of(small.objects);
    auto mirror_inner = seed % 2 == 0 ? store_of(mirror_of_first()) : store::open_memory();
    uint64_t attempts = 0;
    for (bool done = false; !done;) {
      ASSERT_LT(++attempts, 200U) << "no copy gets through";
      try {
        FaultyStore source_store(*source_inner, decide), mirror_store(*mirror_inner, decide);
        auto source = world.open_vault(source_store);
        if (!source.ok()) continue;
        auto mirror = jobs::open_receiver(world, **source, mirror_store);
        if (!mirror.ok()) continue;
        done = jobs::copy(world, **source, **mirror, small.second).ok();
      } catch (const store::SimulatedCrash&) {
      }
    }
    auto source = must(world.open_vault(*source_inner));
    auto mirror = must(jobs::open_receiver(world, *source, *mirror_inner));
    for (const std::string& id : world.live_points(*mirror))
      jobs::expect_restores(world, *mirror, id, small.version_of(id));
    const Objects before = snapshot(*mirror_inner);
    EXPECT_TRUE(must(jobs::copy(world, *source, *mirror, small.second)).was_there);
    EXPECT_EQ(snapshot(*mirror_inner), before);
    for (const auto& [key, size] : packs_of(before)) EXPECT_EQ(packs_of(small.objects).at(key), size) << key;
  }
}

TEST_P(CopySweep, AFirstCopyThatFailsAnywhereInTheMirrorShowsNothingHalfAndGoesOnLater) { sweep(true, false); }
TEST_P(CopySweep, ALaterCopyThatFailsAnywhereInTheMirrorShowsNothingHalfAndGoesOnLater) { sweep(true, true); }
TEST_P(CopySweep, ACopyWhoseSourceFailsAnywhereShowsNothingHalfAndGoesOnLater) { sweep(false, false); }

INSTANTIATE_TEST_SUITE_P(Faults, CopySweep,
                         ::testing::Values(Fault::Kind::kError, Fault::Kind::kErrorAfter, Fault::Kind::kTornPut,
                                           Fault::Kind::kLostPut, Fault::Kind::kFlipBit, Fault::Kind::kCrash,
                                           Fault::Kind::kCrashAfter),
                         [](const auto& tested) -> std::string {
                           switch (tested.param) {
                             case Fault::Kind::kError: return "Error";
                             case Fault::Kind::kErrorAfter: return "ErrorAfter";
                             case Fault::Kind::kTornPut: return "TornPut";
                             case Fault::Kind::kLostPut: return "LostPut";
                             case Fault::Kind::kFlipBit: return "FlipBit";
                             case Fault::Kind::kCrash: return "Crash";
                             case Fault::Kind::kCrashAfter: return "CrashAfter";
                           }
                           return "Unknown";
                         });

}  // namespace coffer::faults
