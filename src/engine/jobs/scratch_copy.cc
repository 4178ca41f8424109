#include "engine/jobs/scratch_copy.h"

#include <cstdlib>

namespace coffer::jobs {

namespace {

constexpr uint64_t kSpaceReserve = 512ull << 20;  // for the WAL and temporary files of recovery

}  // namespace

std::string ScratchCopy::superuser() const { return manifest_.superuser.empty() ? "postgres" : manifest_.superuser; }

// A folder that holds another major would only make the copy look broken.
Status ScratchCopy::check_program(const Context& context) {
  ProcessSpec spec;
  spec.argv = {binaries_ + "/postgres", "--version"};
  spec.environment = {{"LC_ALL", "C"}};
  auto asked = env_.processes.run(context, spec, std::chrono::seconds(60));
  if (!asked.ok()) {
    Error error = std::move(asked).error().in("asking the server program for its version");
    error.code = ErrorCode::kNotProven;
    return error;
  }
  const std::string said = asked->output.substr(0, asked->output.find('\n')).substr(0, 200);
  const size_t digits = said.find_first_of("0123456789");
  if (asked->exit_code == 0 && digits != std::string::npos && std::atoi(said.c_str() + digits) == manifest_.major)
    return ok_status();
  const std::string major = std::to_string(manifest_.major);
  return Error{ErrorCode::kNotProven, binaries_ + "/postgres is not PostgreSQL " + major + ", but says '" + said + "'",
               "correct --pg-bin " + major + "=... or COFFER_PG_BIN_" + major};
}

Status ScratchCopy::prepare(const Context& context) {
  COFFER_TRY(binaries_, postgres::find_server_binaries(env_.files, manifest_.major, env_.pg_binaries));
  COFFER_CHECK_OK(check_program(context));
  COFFER_TRY(auto around, env_.files.open_directory(env_.scratch));
  COFFER_TRY(uint64_t free_bytes, around->free_bytes());
  if (free_bytes < manifest_.size_bytes + kSpaceReserve)
    return Error{ErrorCode::kNotProven,
                 "the scratch directory " + env_.scratch + " has " + std::to_string(free_bytes) +
                     " bytes free, the restored copy needs " + std::to_string(manifest_.size_bytes + kSpaceReserve),
                 "free space there, or give a larger place with --scratch"};
  COFFER_TRY(scratch_, ScratchDirectory::create(env_));
  COFFER_TRY(data_, scratch_->make("d"));
  COFFER_TRY(work_, scratch_->make("w"));
  for (const auto& [oid, source_path] : manifest_.tablespaces) {
    if (!source_path.starts_with('/')) continue;  // lies inside the data directory and comes with it
    COFFER_TRY(tablespaces_[oid], scratch_->make("t" + std::to_string(oid)));
  }
  return ok_status();
}

Result<RestoreReport> ScratchCopy::restore(const Context& context) {
  RestoreOptions options;
  options.point_id = manifest_.id;
  options.target = data_;
  options.write_settings = false;
  for (const auto& [oid, path] : tablespaces_) options.tablespaces[std::to_string(oid)] = path;
  return run_restore(context, env_, vault_, options);
}

Result<postgres::ControlFile> ScratchCopy::control_file() const {
  COFFER_TRY(Bytes contents, env_.files.read_file(data_ + "/global/pg_control", 64 << 10));
  return postgres::parse_control_file(contents);
}

Result<std::unique_ptr<postgres::ScratchServer>> ScratchCopy::boot(const Context& context,
                                                                   const std::map<std::string, std::string>& settings) {
  postgres::ScratchOptions options;
  COFFER_TRY(options.control, control_file());
  options.data_directory = data_;
  options.work_directory = work_;
  options.binaries = binaries_;
  options.superuser = superuser();
  options.settings = settings;
  for (const auto& [oid, path] : tablespaces_) options.tablespace_directories.push_back(path);
  auto server = postgres::start_scratch_server(context, env_.files, env_.clock, env_.processes, options);
  if (!server.ok()) return std::move(server).error().in("starting a server on the restored copy");
  return server;
}

}  // namespace coffer::jobs
