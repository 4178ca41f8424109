// Exports a point from a vault in a folder, and tells how long the export took without restoring and starting:
// export_only VAULT KEY-FILE POINT DIR NAME typed|rds JOBS
#include <sys/resource.h>

#include <cstdlib>
#include <iostream>

#include "engine/jobs/export.h"
#include "engine/vault/points.h"

using namespace coffer;  // NOLINT: a measurement

namespace {

Status run(const std::vector<std::string>& words) {
  if (words.size() != 7) return Error{ErrorCode::kInvalidArgument, "seven words are needed", {}};
  PosixFileSystem files;
  SystemClock clock;
  SystemEntropy entropy;
  SystemProcesses processes;
  ByteBudget budget(ByteBudget::default_limit());
  NoProgress progress;
  const Context context;
  const char* scratch = std::getenv("COFFER_SCRATCH");
  const jobs::Environment environment{.files = files,
                                      .clock = clock,
                                      .entropy = entropy,
                                      .processes = processes,
                                      .budget = budget,
                                      .progress = progress,
                                      .scratch = scratch != nullptr ? scratch : "/var/tmp",
                                      .jobs = std::atoi(words[6].c_str()),
                                      .pg_binaries = {}};
  COFFER_TRY(auto store, store::open_local(files, words[0], false));
  COFFER_TRY(Bytes key_file, files.read_file(words[1]));
  COFFER_TRY(Secret key, crypto::parse_key_file(key_file));
  auto slot = crypto::key_file_slot(std::move(key));
  COFFER_TRY(auto vault, vault::Vault::open(context, *store, clock, entropy, *slot));
  jobs::ExportOptions options;
  options.point_id = words[2];
  options.identifier = words[4];
  options.layout = words[5] == "rds" ? jobs::ExportLayout::kRds : jobs::ExportLayout::kTyped;
  COFFER_TRY(auto destination, jobs::open_export_directory(files, words[3], true));
  COFFER_TRY(jobs::ExportReport report, jobs::run_export(context, environment, *vault, options, *destination, nullptr));
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  std::cout << "{\"rows\":" << report.rows << ",\"export_ms\":" << report.export_ms
            << ",\"restore_ms\":" << report.restore_ms << ",\"extracted_bytes\":" << report.extracted_bytes
            << ",\"file_bytes\":" << report.file_bytes << ",\"peak_kib\":" << usage.ru_maxrss << "}\n";
  return ok_status();
}

}  // namespace

int main(int argc, char** argv) {
  auto done = run({argv + 1, argv + argc});
  if (!done.ok()) std::cerr << done.error().message << "\n";
  return done.ok() ? 0 : 1;
}
