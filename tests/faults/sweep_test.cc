// Sweeps: call N of the store or the file system fails, for N = 1, 2, 3 ... until a run ends without reaching N. After
// each: only whole points are visible, what is visible verifies, and the same job, run again, succeeds.
#include <gtest/gtest.h>

#include <cerrno>

#include "base/faulty_filesystem.h"
#include "engine/store/faulty_store.h"
#include "engine/vault/collector.h"
#include "engine/vault/points.h"
#include "faults/small_cluster.h"
#include "faults/tiers.h"

namespace coffer::faults {

namespace {

using store::Fault;
using store::FaultyStore;
using store::Operation;

constexpr uint64_t kCallsMax = 5000;  // no run of these makes as many

std::string name_of(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::kError: return "kError";
    case Fault::Kind::kErrorAfter: return "kErrorAfter";
    case Fault::Kind::kTornPut: return "kTornPut";
    case Fault::Kind::kLostPut: return "kLostPut";
    case Fault::Kind::kFlipBit: return "kFlipBit";
    case Fault::Kind::kCrash: return "kCrash";
    case Fault::Kind::kCrashAfter: return "kCrashAfter";
  }
  return "?";
}

// Runs `job` on a copy of `start` through a store whose call `n` fails. Tells whether call `n` came at all.
struct FaultRun {
  std::unique_ptr<store::ObjectStore> store;
  bool reached = false, crashed = false;
  Status outcome = ok_status();
};
FaultRun run_with_fault(World& world, const Objects& start, Fault fault, uint64_t n,
                        const std::function<Status(const vault::Vault&)>& job) {
  FaultRun run;
  run.store = store_of(start);
  uint64_t opening = 0;  // calls made to open the vault are not the job's
  std::atomic<bool> armed{false}, reached{false};
  FaultyStore faulty(*run.store, [&](uint64_t call, Operation, std::string_view) -> std::optional<Fault> {
    if (!armed || call != opening + n) return std::nullopt;
    reached = true;
    return fault;
  });
  auto vault = must(world.open_vault(faulty));
  opening = faulty.calls();
  armed = true;
  try {
    run.outcome = job(*vault);
  } catch (const store::SimulatedCrash&) {
    run.crashed = true;
  }
  vault.reset();
  run.reached = reached;
  return run;
}

// Every live point restores to one of the cluster's versions, and the whole vault verifies.
void expect_whole(World& world, store::ObjectStore& store, const std::map<std::string, int>& known, bool torn) {
  auto vault = world.open_vault(store);
  ASSERT_TRUE(vault.ok()) << vault.error().message;
  for (const std::string& id : world.live_points(**vault)) {
    const std::string target = world.directory().path("restored");
    auto restored = restore(world, **vault, id, target);
    ASSERT_TRUE(restored.ok()) << restored.error().message;
    const int version = known.contains(id) ? known.at(id) : 3;  // the job under test brings version 3
    EXPECT_TRUE(same_tree(read_tree(target), small_cluster_tree(version))) << "point " << id;
    std::filesystem::remove_all(target);
  }
  auto report = verify(world, **vault);
  ASSERT_TRUE(report.ok()) << report.error().message;
  for (const auto& f : report->findings)
    // A backend that tears a put leaves an object that is damaged, and verify is right to say so; no point may need it.
    if (!torn || !f.points.empty()) ADD_FAILURE() << f.object << ": " << f.problem;
}

class JobSweep : public ::testing::TestWithParam<Fault::Kind> {};

}  // namespace

TEST_P(JobSweep, ABackupThatFailsAnywhereLeavesNoHalfPointAndTheNextOneSucceeds) {
  const SmallVault& small = SmallVault::get();
  const std::map<std::string, int> known = {{small.first, 1}, {small.second, 2}};
  World world(2);
  auto job = [&](const vault::Vault& vault) -> Status {
    COFFER_CHECK_OK(back_up(world, vault, 3));
    return ok_status();
  };
  uint64_t n = 1;
  const uint64_t step = number_from_environment("COFFER_SWEEP_STEP", 3);
  for (; n < kCallsMax && !HasFailure(); n += step) {
    SCOPED_TRACE(name_of(GetParam()) + " at call " + std::to_string(n));
    FaultRun run = run_with_fault(world, small.objects, {GetParam(), ErrorCode::kUnavailable}, n, job);
    if (!run.reached) break;
    const bool torn = GetParam() == Fault::Kind::kTornPut;
    expect_whole(world, *run.store, known, torn);

    auto vault = must(world.open_vault(*run.store));
    const size_t before = world.live_points(*vault).size();
    EXPECT_GE(before, 2U);
    EXPECT_TRUE(before == 3 || !run.outcome.ok() || run.crashed) << "it said success";
    auto again = back_up(world, *vault, 3);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(world.live_points(*vault).size(), before + 1);
    expect_whole(world, *run.store, known, torn);
  }
  EXPECT_GT(n, 20U);
  EXPECT_LT(n, kCallsMax);
}

TEST_P(JobSweep, ACollectionThatFailsAnywhereLosesNothing) {
  const SmallVault& small = SmallVault::get();
  World world(2);
  // The first point is forgotten and what it alone needed was tombstoned: round two removes.
  Objects start;
  {
    auto store = store_of(small.objects);
    auto vault = must(world.open_vault(*store));
    auto log = must(vault::CommitLog::load(world.context(), *vault));
    must(vault::forget_point(world.context(), *log, small.first, "test"));
    start = snapshot(*store);
  }
  auto job = [&](const vault::Vault& vault) -> Status {
    COFFER_TRY(auto scratch, world.environment().files.open_directory(world.environment().scratch));
    vault::CollectOptions options;
    options.grace = std::chrono::seconds(0);
    for (int round = 0; round < 2; ++round) {
      COFFER_TRY(auto log, vault::CommitLog::load(world.context(), vault));
      COFFER_CHECK_OK(vault::collect(world.context(), vault, *log, *scratch, options, world.environment().progress));
    }
    return ok_status();
  };
  uint64_t n = 1;
  const uint64_t step = number_from_environment("COFFER_SWEEP_STEP", 3);
  for (; n < kCallsMax && !HasFailure(); n += step) {
    SCOPED_TRACE(name_of(GetParam()) + " at call " + std::to_string(n));
    FaultRun run = run_with_fault(world, start, {GetParam(), ErrorCode::kUnavailable}, n, job);
    if (!run.reached) break;
    const bool torn = GetParam() == Fault::Kind::kTornPut;
    expect_whole(world, *run.store, {{small.second, 2}}, torn);
    auto vault = must(world.open_vault(*run.store));
    EXPECT_EQ(world.live_points(*vault), std::vector<std::string>{small.second});
    auto collected = job(*vault);
    // Half an index, which only a backend without atomic put leaves, holds collections up and loses nothing.
    ASSERT_TRUE(collected.ok() || (torn && collected.error().message.find("index") != std::string::npos))
        << collected.error().message;
    auto again = back_up(world, *vault, 3);
    ASSERT_TRUE(again.ok()) << again.error().message;
    expect_whole(world, *run.store, {{small.second, 2}}, torn);
  }
  EXPECT_GT(n, 10U);
  EXPECT_LT(n, kCallsMax);
}

TEST_P(JobSweep, AForgetThatFailsAnywhereHappenedWhollyOrNotAtAll) {
  const SmallVault& small = SmallVault::get();
  World world(2);
  auto job = [&](const vault::Vault& vault) -> Status {
    COFFER_TRY(auto log, vault::CommitLog::load(world.context(), vault));
    return vault::forget_point(world.context(), *log, small.first, "test");
  };
  uint64_t n = 1;
  const uint64_t step = number_from_environment("COFFER_SWEEP_STEP", 3);
  for (; n < kCallsMax && !HasFailure(); n += step) {
    SCOPED_TRACE(name_of(GetParam()) + " at call " + std::to_string(n));
    FaultRun run = run_with_fault(world, small.objects, {GetParam(), ErrorCode::kUnavailable}, n, job);
    if (!run.reached) break;
    expect_whole(world, *run.store, {{small.first, 1}, {small.second, 2}}, GetParam() == Fault::Kind::kTornPut);
    auto vault = must(world.open_vault(*run.store));
    auto points = world.live_points(*vault);
    const bool there = std::find(points.begin(), points.end(), small.first) != points.end();
    EXPECT_TRUE(!there || !run.outcome.ok() || run.crashed) << "it said success";
    EXPECT_TRUE(!there || job(*vault).ok());
    EXPECT_EQ(world.live_points(*vault), std::vector<std::string>{small.second});
  }
  EXPECT_GT(n, 2U);
  EXPECT_LT(n, kCallsMax);
}

INSTANTIATE_TEST_SUITE_P(EachKind, JobSweep,
                         ::testing::Values(Fault::Kind::kError, Fault::Kind::kErrorAfter, Fault::Kind::kTornPut,
                                           Fault::Kind::kLostPut, Fault::Kind::kCrash, Fault::Kind::kCrashAfter),
                         [](const auto& p) { return name_of(p.param); });

namespace {

struct DiskFault {
  const char* name;
  int error_number;
  const char* operation;  // empty: every one
  bool for_ever;          // a full disk stays full; a bad sector is one
  const char* says;       // part of the message that a person needs
};

class DiskSweep : public ::testing::TestWithParam<DiskFault> {};

}  // namespace

// The vault's own disk: full, read-only, failing, failing to sync. A local store over a file system that fails at call
// N.
TEST_P(DiskSweep, AFailingVaultDiskEndsTheBackupWithAReasonAndLeavesTheVaultGood) {
  const SmallVault& small = SmallVault::get();
  const DiskFault& fault = GetParam();
  World world(2);
  const std::string root = world.directory().path("vault");
  uint64_t n = 1, failures = 0;
  const uint64_t step = number_from_environment("COFFER_SWEEP_STEP", 7);  // every file call would take minutes
  for (; n < kCallsMax && !HasFailure(); n += step) {
    SCOPED_TRACE(std::string(fault.name) + " at call " + std::to_string(n));
    std::filesystem::remove_all(root);
    {
      auto store = must(store::open_local(world.files(), root, true));
      for (const auto& [key, body] : small.objects) must(store->put({}, key, body));
    }
    std::atomic<uint64_t> matching{0};
    std::atomic<bool> armed{false}, reached{false};
    FaultyFileSystem faulty(world.files(), [&](const FileCall& call) -> std::optional<FileFault> {
      if (!armed || (fault.operation[0] != 0 && call.operation != fault.operation)) return std::nullopt;
      const uint64_t number = ++matching;
      if (fault.for_ever ? number < n : number != n) return std::nullopt;
      reached = true;
      return FileFault{FileFault::Kind::kError, fault.error_number};
    });
    auto store = must(store::open_local(faulty, root, false));
    auto vault = must(world.open_vault(*store));
    armed = true;
    auto taken = back_up(world, *vault, 3);
    armed = false;
    if (!reached) break;
    if (!taken.ok()) {
      ++failures;
      EXPECT_NE(taken.error().message.find(fault.says), std::string::npos) << taken.error().message;
    }
    // The next run of the tool opens the store anew: after a folder that could not be synced this one takes nothing
    // more.
    vault.reset();
    store = must(store::open_local(world.files(), root, false));
    expect_whole(world, *store, {{small.first, 1}, {small.second, 2}}, false);
    vault = must(world.open_vault(*store));
    auto again = back_up(world, *vault, 3);
    ASSERT_TRUE(again.ok()) << again.error().message;
  }
  EXPECT_GT(failures, 0U);
  EXPECT_LT(n, kCallsMax);
}

INSTANTIATE_TEST_SUITE_P(EachFault, DiskSweep,
                         ::testing::Values(DiskFault{"DiskFull", ENOSPC, "write_at", true, "No space left"},
                                           DiskFault{"Quota", EDQUOT, "write_at", true, "quota"},
                                           DiskFault{"ReadOnly", EROFS, "create_unnamed", true, "Read-only"},
                                           DiskFault{"NotPermitted", EACCES, "link", true, "Permission denied"},
                                           DiskFault{"SyncFails", EIO, "sync", false, "nput/output error"},
                                           DiskFault{"ReadFails", EIO, "read_at", true, "nput/output error"}),
                         [](const auto& p) { return p.param.name; });

// The scratch directory's disk is full: what the job spills there fails, and nothing else suffers.
TEST(FailingScratch, AFullScratchDiskEndsTheBackupWithAReason) {
  const SmallVault& small = SmallVault::get();
  PosixFileSystem real;
  std::atomic<bool> armed{false};
  FaultyFileSystem faulty(real, [&](const FileCall& call) -> std::optional<FileFault> {
    if (!armed || (call.operation != "create_unnamed" && call.operation != "write_at")) return std::nullopt;
    return FileFault{FileFault::Kind::kError, ENOSPC};
  });
  World world(2, &faulty);
  auto store = store_of(small.objects);
  auto vault = must(world.open_vault(*store));
  armed = true;
  auto taken = back_up(world, *vault, 3);
  armed = false;
  EXPECT_TRUE(taken.ok() || taken.error().message.find("No space left") != std::string::npos) << taken.error().message;
  expect_whole(world, *store, {{small.first, 1}, {small.second, 2}}, false);
  EXPECT_TRUE(back_up(world, *vault, 3).ok());
}

// The source's side: a server that restarts, a connection that is cut, a sector that cannot be read, a file we may not
// open.
TEST(FailingSource, AServerThatGoesAwayAtAnyPieceLeavesNoPointAndTheNextBackupSucceeds) {
  const SmallVault& small = SmallVault::get();
  World world(2);
  uint64_t n = 1;
  for (;; ++n) {
    SCOPED_TRACE("piece " + std::to_string(n));
    auto store = store_of(small.objects);
    auto vault = must(world.open_vault(*store));
    std::atomic<bool> reached{false};
    auto taken = back_up(world, *vault, 3, [&](uint64_t piece) -> Status {
      if (piece != n) return ok_status();
      reached = true;
      return Error{ErrorCode::kUnavailable, "terminating connection due to administrator command",
                   "run the backup again"};
    });
    if (!reached) break;
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.code(), ErrorCode::kUnavailable);
    EXPECT_NE(taken.error().message.find("administrator command"), std::string::npos) << taken.error().message;
    EXPECT_FALSE(taken.error().next_step.empty());
    EXPECT_EQ(world.live_points(*vault), (std::vector<std::string>{small.first, small.second}));
    auto again = back_up(world, *vault, 3);
    ASSERT_TRUE(again.ok()) << again.error().message;
    expect_whole(world, *store, {{small.first, 1}, {small.second, 2}}, false);
  }
  EXPECT_GT(n, 15U);
}

TEST(FailingSource, AFileThatCannotBeReadFailsTheBackupByName) {
  const SmallVault& small = SmallVault::get();
  for (const auto& [number, code] :
       {std::pair{EIO, ErrorCode::kUnavailable}, std::pair{EACCES, ErrorCode::kPermissionDenied}}) {
    World world(2);
    auto store = store_of(small.objects);
    auto vault = must(world.open_vault(*store));
    auto files = small_cluster_files(3);
    for (FakeFile& f : files)
      if (f.path == "base/1/1002")
        f.read = [n = number](uint64_t, MutableByteView) -> Status {
          return error_from_errno(n, "reading base/1/1002");
        };
    auto taken =
        jobs::run_backup(world.context(), world.environment(), *vault, fake_source_factory(FakeCluster::of(files)), {});
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.code(), code) << taken.error().message;
    EXPECT_NE(taken.error().message.find("base/1/1002"), std::string::npos) << taken.error().message;
    EXPECT_EQ(world.live_points(*vault).size(), 2U);
    expect_whole(world, *store, {{small.first, 1}, {small.second, 2}}, false);
  }
}

// Restores: the target's disk is full, or the process dies, at any call; a second run completes what the first began.
TEST(FailingRestore, ARestoreThatFailsAnywhereNeverLooksFinishedAndTheNextRunCompletesIt) {
  const SmallVault& small = SmallVault::get();
  uint64_t n = 1;
  const uint64_t step = number_from_environment("COFFER_SWEEP_STEP", 3);
  bool crash = false;
  for (;; n += step, crash = !crash) {
    SCOPED_TRACE((crash ? "crash at call " : "full disk at call ") + std::to_string(n));
    PosixFileSystem real;
    std::atomic<uint64_t> calls{0};
    std::atomic<bool> armed{true}, reached{false};
    FaultyFileSystem faulty(real, [&](const FileCall& call) -> std::optional<FileFault> {
      if (!armed || call.path.find("/target") == std::string_view::npos || ++calls < n) return std::nullopt;
      reached = true;
      return crash ? FileFault{FileFault::Kind::kCrash, 0} : FileFault{FileFault::Kind::kError, ENOSPC};
    });
    World world(2, &faulty);
    World again(2);
    auto store = store_of(small.objects);
    auto vault = must(world.open_vault(*store));
    std::filesystem::create_directory(again.directory().path("target"));
    const std::string target = again.directory().path("target/data");
    bool finished = false;
    try {
      finished = restore(world, *vault, small.second, target).ok();
    } catch (const FileSystemCrash&) {
    }
    if (!reached) {
      EXPECT_TRUE(finished);
      break;
    }
    armed = false;
    if (std::filesystem::exists(target + "/global/pg_control")) {
      // The fault came after the last step: it can be started, so it must be whole.
      EXPECT_TRUE(same_tree(read_tree(target), small_cluster_tree(2)));
      continue;
    }
    auto completed = restore(again, *vault, small.second, target);
    ASSERT_TRUE(completed.ok()) << completed.error().message;
    EXPECT_TRUE(same_tree(read_tree(target), small_cluster_tree(2)));
  }
  EXPECT_GT(n, 60U);
}

}  // namespace coffer::faults
