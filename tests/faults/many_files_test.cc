// 200 000 small relation files: each job within 256 MiB of resident memory, and a second backup that stores next to
// nothing. Every job runs in a process of its own, started anew, so that its peak (VmHWM) is its own.
#include <gtest/gtest.h>

#include <fstream>

#include "base/processes.h"
#include "engine/vault/collector.h"
#include "engine/vault/points.h"
#include "faults/small_cluster.h"
#include "faults/tiers.h"

namespace coffer::faults {

namespace {

constexpr uint64_t kResidentMax = 256 << 20;
constexpr const char* kPhase = "COFFER_MANY_FILES_PHASE";  // set in the child only
constexpr const char* kPlace = "COFFER_MANY_FILES_DIRECTORY";

// Files of one or two pages. Nothing of them is kept in memory.
FakeCluster many_files(size_t count) {
  FakeCluster cluster;
  cluster.count = count + 4;
  cluster.file = [](size_t n) -> FakeFile {
    constexpr const char* kDirectories[] = {"base", "base/1", "global", "pg_wal"};
    if (n < 4) return directory(kDirectories[n]);
    FakeFile file;
    file.path = "base/1/" + std::to_string(10000 + n);
    const uint32_t pages = 1 + n % 2;
    file.size_bytes = pages * postgres::kPageSize;
    file.read = [n](uint64_t offset, MutableByteView out) -> Status {
      for (uint64_t at = 0; at < out.size(); at += postgres::kPageSize)
        fill_page(out.subspan(at, postgres::kPageSize), static_cast<uint32_t>((offset + at) / postgres::kPageSize), n);
      return ok_status();
    };
    return file;
  };
  return cluster;
}

uint64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) << 10;
  return UINT64_MAX;
}

size_t file_count() { return number_from_environment("COFFER_MANY_FILES", 200'000); }

void tell(const std::string& place, const std::string& name, uint64_t value) {
  std::ofstream(place + "/" + name) << value;
}
uint64_t told(const std::string& place, const std::string& name) {
  uint64_t value = UINT64_MAX;
  std::ifstream(place + "/" + name) >> value;
  return value;
}

void run_phase(const std::string& phase, const std::string& place) {
  PosixFileSystem files;
  SystemClock clock;
  SystemEntropy entropy;
  SystemProcesses processes;
  NoProgress progress;
  ByteBudget budget(ByteBudget::default_limit());
  const Context context;
  std::filesystem::create_directory(place + "/scratch");
  const jobs::Environment environment{.files = files,
                                      .clock = clock,
                                      .entropy = entropy,
                                      .processes = processes,
                                      .budget = budget,
                                      .progress = progress,
                                      .scratch = place + "/scratch",
                                      .jobs = 2,
                                      .pg_binaries = {}};
  auto store = must(store::open_local(files, place + "/vault", true));
  auto key = crypto::key_file_slot(test_key());
  auto vault = phase == "first" ? must(vault::Vault::create(context, *store, clock, entropy, {{"test", key.get()}}))
                                : must(vault::Vault::open(context, *store, clock, entropy, *key));
  auto log = must(vault::CommitLog::load(context, *vault));
  if (phase == "first" || phase == "second") {
    auto report =
        must(jobs::run_backup(context, environment, *vault, fake_source_factory(many_files(file_count())), {}));
    tell(place, phase + ".size", report.manifest.size_bytes);
    tell(place, phase + ".stored", report.manifest.written.stored_bytes);
  } else if (phase == "restore") {
    jobs::RestoreOptions options;
    options.point_id = log->state().live.back().id;
    options.target = place + "/restored";
    options.write_settings = false;
    auto report = must(jobs::run_restore(context, environment, *vault, options));
    tell(place, "restore.size", report.size_bytes);
  } else if (phase == "verify") {
    auto report = must(jobs::run_verify(context, environment, *vault, {}));
    tell(place, "verify.findings", report.findings.size());
  } else {
    must(vault::forget_point(context, *log, log->state().live.front().id, "test"));
    vault::CollectOptions options;
    options.grace = std::chrono::seconds(0);
    auto scratch = must(files.open_directory(environment.scratch));
    auto result = must(vault::collect(context, *vault, *log, *scratch, options, progress));
    tell(place, "collect.live_points", result.live_points);
  }
  tell(place, phase + ".peak", peak_resident_bytes());
}

}  // namespace

TEST(ManyFiles, EachJobStaysWithin256MiBAndAnUnchangedClusterStoresNextToNothing) {
  if (const char* phase = std::getenv(kPhase)) {
    run_phase(phase, std::getenv(kPlace));
    return;
  }
  // Memory if there is plenty: a disk takes minutes to make and remove so many files, and what a file system keeps in
  // memory is not the process's own.
  constexpr uintmax_t kPlenty = uintmax_t{6} << 30;
  std::error_code no_such_place;
  const bool in_memory = std::filesystem::space("/dev/shm", no_such_place).available > kPlenty && !no_such_place;
  std::string place = ((in_memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) /
                       "coffer-many-files-XXXXXX")
                          .string();
  ASSERT_NE(::mkdtemp(place.data()), nullptr);
  struct Cleanup {
    std::string path;
    ~Cleanup() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  } cleanup{place};

  SystemProcesses processes;
  for (const std::string phase : {"first", "second", "restore", "verify", "collect"}) {
    ProcessSpec spec;
    spec.argv = {std::filesystem::read_symlink("/proc/self/exe").string(), "--gtest_filter=ManyFiles.*"};
    spec.environment = {{kPhase, phase}, {kPlace, place}, {"COFFER_MANY_FILES", std::to_string(file_count())}};
    auto ran = must(processes.run({}, spec, std::chrono::minutes(30)));
    ASSERT_EQ(ran.exit_code, 0) << phase << ": " << ran.output;
    const uint64_t peak = told(place, phase + ".peak");
    std::cout << phase << ": peak resident " << (peak >> 20) << " MiB" << std::endl;
    EXPECT_LE(peak, kResidentMax) << phase;
  }
  const uint64_t size = told(place, "first.size"), stored = told(place, "second.stored");
  std::cout << "second backup stored " << stored << " of " << size << " bytes" << std::endl;
  EXPECT_GT(size, uint64_t{file_count()} * postgres::kPageSize);
  EXPECT_LT(stored, size / 1000);
  EXPECT_EQ(told(place, "restore.size"), size);
  EXPECT_EQ(told(place, "verify.findings"), 0U);
  EXPECT_EQ(told(place, "collect.live_points"), 1U);
}

}  // namespace coffer::faults
