#include "engine/postgres/scratch_server.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>

#include "engine/postgres/scratch_config.h"

namespace coffer::postgres {

namespace {

constexpr size_t kSocketPathMax = 107;  // sockaddr_un::sun_path with its zero
constexpr uint64_t kLogTailSize = 64 << 10;
constexpr std::chrono::milliseconds kPoll{50};
constexpr std::chrono::milliseconds kConnectPauseMax{1000};
constexpr std::chrono::seconds kStopTimeout{600};
constexpr std::chrono::seconds kTeardownTimeout{10};

constexpr std::string_view kLogName = "server.log";

Status write_new(Directory& directory, std::string_view name, std::string_view text, const FileStat& owner) {
  if (Status gone = directory.remove_file(name); !gone.ok() && gone.code() != ErrorCode::kNotFound) return gone;
  COFFER_TRY(auto file, directory.create_file(name, 0600));
  COFFER_CHECK_OK(file->write_at(0, as_bytes(text)));
  COFFER_TRY(FileStat made, file->stat());
  if (made.uid != owner.uid) COFFER_CHECK_OK(file->set_owner(owner.uid, owner.gid));
  return ok_status();
}

Status remove_if_there(Directory& directory, std::string_view name) {
  Status gone = directory.remove_file(name);
  return gone.ok() || gone.code() == ErrorCode::kNotFound ? ok_status() : gone;
}

// The last bytes of a file as text, from the beginning of a line.
std::string tail_of(Directory& directory, std::string_view name, uint64_t limit) {
  auto file = directory.open_file(name);
  if (!file.ok()) return {};
  auto stat = (*file)->stat();
  if (!stat.ok()) return {};
  const uint64_t size = stat->size_bytes, from = size > limit ? size - limit : 0;
  Bytes bytes(size - from);
  auto got = (*file)->read_at(from, bytes);
  if (!got.ok()) return {};
  bytes.resize(*got);
  std::string text = to_text(bytes);
  if (from > 0) text.erase(0, text.find('\n') + 1);
  return text;
}

std::string last_lines(std::string_view text, size_t count) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  size_t at = text.size();
  for (size_t i = 0; i < count && at != std::string_view::npos && at > 0; ++i) at = text.rfind('\n', at - 1);
  return std::string(at == std::string_view::npos || at == 0 ? text : text.substr(at + 1));
}

// The first line that holds `what`, or nothing. The first FATAL is the cause, later ones its consequences.
std::string first_line_with(std::string_view text, std::string_view what) {
  const size_t at = text.find(what);
  if (at == std::string_view::npos) return {};
  const size_t begin = text.rfind('\n', at);
  const size_t from = begin == std::string_view::npos ? 0 : begin + 1;
  return std::string(text.substr(from, std::min<size_t>(text.find('\n', at) - from, 1000)));
}

// Why a server that is not there any more did not come up.
Error start_failure(const std::string& log) {
  // What the machine lacks says nothing about the copy.
  constexpr std::array<std::string_view, 6> kOurOwnTrouble = {"bwrap: ",
                                                              "No space left on device",
                                                              "Cannot allocate memory",
                                                              "could not map anonymous shared memory",
                                                              "could not create shared memory segment",
                                                              "error while loading shared libraries"};
  for (std::string_view trouble : kOurOwnTrouble) {
    std::string line = first_line_with(log, trouble);
    if (line.empty()) continue;
    if (trouble == kOurOwnTrouble[0])
      return {ErrorCode::kNotProven, "the sandbox of the scratch server cannot be set up: " + line,
              "allow unprivileged user namespaces for bubblewrap (sysctl kernel.unprivileged_userns_clone, "
              "kernel.apparmor_restrict_unprivileged_userns), or run as root"};
    return {ErrorCode::kNotProven, "the scratch server cannot run here: " + line,
            "free memory and disk space, or check the server programs"};
  }
  for (std::string_view word : {"FATAL:", "PANIC:"}) {
    std::string line = first_line_with(log, word);
    if (!line.empty()) return {ErrorCode::kFailedPrecondition, "the scratch server did not come up: " + line, {}};
  }
  return {ErrorCode::kFailedPrecondition,
          "the scratch server ended without saying why; its last words: " + last_lines(log, 3),
          {}};
}

class RunningServer final : public ScratchServer {
 public:
  RunningServer(FileSystem& file_system, Clock& clock, ScratchOptions options, int major)
      : file_system_(file_system), clock_(clock), options_(std::move(options)), major_(major) {}
  ~RunningServer() override;

  std::string conninfo(const std::string& database) const override {
    return scratch_conninfo(options_, major_, database);
  }
  int major() const override { return major_; }
  std::string log_tail() const override { return last_lines(log(), 20); }
  Status stop(const Context& context) override;

  Status prepare();
  Status launch(Processes& processes);
  Status wait_until_ready(const Context& context);

 private:
  std::string log() const { return work_ ? tail_of(*work_, kLogName, kLogTailSize) : std::string(); }
  Status prepare_data_directory(const FileStat& owner);
  std::optional<int> sandbox_init() const;
  void wait_for_teardown(int init_pid);
  Status ask_to_stop(const Context& context);

  FileSystem& file_system_;
  Clock& clock_;
  const ScratchOptions options_;
  const int major_;
  std::unique_ptr<Directory> work_, data_;
  FileStat owner_;
  std::unique_ptr<Process> process_;
};

Status RunningServer::prepare() {
  for (const std::string* path : {&options_.data_directory, &options_.work_directory, &options_.binaries})
    if (!path->starts_with('/') || path->find('\n') != std::string::npos)
      return Error{ErrorCode::kInvalidArgument, "a scratch server needs absolute paths, not '" + *path + "'", {}};
  const std::string socket = options_.work_directory + "/.s.PGSQL." + std::to_string(kScratchPort);
  if (socket.size() >= kSocketPathMax)
    return Error{
        ErrorCode::kInvalidArgument,
        "the path of the socket " + socket + " is longer than " + std::to_string(kSocketPathMax - 1) + " bytes",
        "choose a scratch directory with a shorter path"};
  COFFER_TRY(owner_, file_system_.stat(options_.data_directory));
  COFFER_TRY(FileStat work_owner, file_system_.stat(options_.work_directory));
  if (work_owner.uid != owner_.uid)
    return Error{ErrorCode::kInvalidArgument,
                 options_.work_directory + " and " + options_.data_directory + " belong to different users",
                 {}};
  COFFER_TRY(work_, file_system_.open_directory(options_.work_directory));
  COFFER_TRY(data_, file_system_.open_directory(options_.data_directory));
  COFFER_TRY(std::string configuration, scratch_configuration(options_, major_));
  COFFER_TRY(std::string hba, scratch_hba(options_.superuser));
  COFFER_CHECK_OK(write_new(*work_, "postgresql.conf", configuration, owner_));
  COFFER_CHECK_OK(write_new(*work_, "pg_hba.conf", hba, owner_));
  COFFER_CHECK_OK(write_new(*work_, "pg_ident.conf", "", owner_));
  COFFER_CHECK_OK(write_new(*work_, kLogName, "", owner_));
  return prepare_data_directory(owner_);
}

Status RunningServer::prepare_data_directory(const FileStat& owner) {
  // ALTER SYSTEM of the source lives here, and the server reads it whatever the command line says.
  if (auto stat = data_->stat("postgresql.auto.conf"); stat.ok() && stat->type == FileType::kRegular) {
    COFFER_TRY(auto file, data_->open_file("postgresql.auto.conf"));
    Bytes contents(std::min<uint64_t>(stat->size_bytes, 16 << 20));
    COFFER_TRY(size_t got, file->read_at(0, contents));
    contents.resize(got);
    COFFER_CHECK_OK(write_new(*work_, "postgresql.auto.conf.coffer-saved", as_text(contents), owner));
  }
  COFFER_CHECK_OK(write_new(*data_, "postgresql.auto.conf", "", owner));
  for (std::string_view name : {"standby.signal", "recovery.signal", "postmaster.pid", "postmaster.opts"})
    COFFER_CHECK_OK(remove_if_there(*data_, name));
  if (wants_targeted_recovery(options_.settings)) COFFER_CHECK_OK(write_new(*data_, "recovery.signal", "", owner));
  return ok_status();
}

Status RunningServer::launch(Processes& processes) {
  ProcessSpec spec;
  spec.argv = scratch_command(options_);
  spec.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"LC_ALL", "C"}};
  spec.working_directory = "/";
  spec.output_path = options_.work_directory + "/" + std::string(kLogName);
  if (owner_.uid != 0) spec.uid = owner_.uid, spec.gid = owner_.gid;
  auto started = processes.start(spec);
  if (!started.ok()) {
    Error error = std::move(started).error();
    error.code = ErrorCode::kNotProven;
    error.next_step = options_.sandbox ? "install bubblewrap (apt-get install bubblewrap)"
                                       : "check the server programs in " + options_.binaries;
    return std::move(error).in("starting the scratch server");
  }
  process_ = std::move(*started);
  return ok_status();
}

Status RunningServer::wait_until_ready(const Context& context) {
  const MonoTime began = clock_.mono();
  MonoTime next_try = began;
  std::chrono::milliseconds pause = kPoll;
  while (true) {
    COFFER_CHECK_OK(context.check());
    COFFER_TRY(auto ended, process_->wait_for(kPoll));
    if (ended) return start_failure(log());
    const MonoTime now = clock_.mono();
    if (now - began >= options_.start_timeout)
      return Error{ErrorCode::kDeadlineExceeded,
                   "the scratch server did not end its recovery within " + format_duration(options_.start_timeout) +
                       "; its last words: " + last_lines(log(), 3),
                   "give it more time"};
    if (now < next_try) continue;
    // hot_standby is off: nobody gets in before recovery has ended. Every cluster has template1.
    auto connection = connect(context, conninfo("template1"), ConnectionKind::kSql);
    if (connection.ok()) {
      COFFER_TRY(Rows rows, (*connection)->query(context, "SELECT pg_catalog.pg_is_in_recovery()"));
      if (!rows.empty() && rows[0].text(0) == "f") return ok_status();
    } else if (connection.code() != ErrorCode::kUnavailable && connection.code() != ErrorCode::kDeadlineExceeded) {
      return std::move(connection).error().in("connecting to the scratch server");
    }
    next_try = clock_.mono();
    next_try.nanos += std::chrono::nanoseconds(pause).count();
    pause = std::min(pause * 2, kConnectPauseMax);
  }
}

Status RunningServer::ask_to_stop(const Context& context) {
  if (!options_.sandbox) return process_->signal(SIGINT);
  // A signal to the sandbox would kill what is in it, so the server's first process is asked from within. Its shutdown
  // sends SIGTERM to the asking shell as well.
  COFFER_TRY(auto connection, connect(context, conninfo("template1"), ConnectionKind::kSql));
  auto asked = connection->query(
      context, "COPY (SELECT 1) TO PROGRAM 'trap \"\" TERM; cat >/dev/null; kill -INT $(head -n 1 postmaster.pid)'");
  // The shutdown may overtake the answer.
  if (!asked.ok() && asked.code() != ErrorCode::kUnavailable) return std::move(asked).error();
  return ok_status();
}

Status RunningServer::stop(const Context& context) {
  if (!process_) return ok_status();
  Status asked = ask_to_stop(context);
  if (!asked.ok()) return std::move(asked).error().in("stopping the scratch server");
  const MonoTime began = clock_.mono();
  while (true) {
    COFFER_CHECK_OK(context.check());
    COFFER_TRY(auto ended, process_->wait_for(kPoll));
    if (ended) {
      process_.reset();
      if (ended->exit_code != 0)
        return Error{
            ErrorCode::kFailedPrecondition, "the scratch server did not stop cleanly: " + last_lines(log(), 3), {}};
      return ok_status();
    }
    if (clock_.mono() - began >= kStopTimeout)
      return Error{
          ErrorCode::kDeadlineExceeded, "the scratch server did not stop within " + format_duration(kStopTimeout), {}};
  }
}

// The first process inside the sandbox; when it is gone the kernel has ended all others there.
std::optional<int> RunningServer::sandbox_init() const {
  if (!process_ || !options_.sandbox) return std::nullopt;
  const std::string pid = std::to_string(process_->pid());
  auto children = file_system_.read_file("/proc/" + pid + "/task/" + pid + "/children", 4096);
  if (!children.ok()) return std::nullopt;
  const std::string text = to_text(*children);
  const int child = std::atoi(text.c_str());
  return child > 0 ? std::optional(child) : std::nullopt;
}

// Killing bubblewrap ends the sandbox a moment later; until then the server could still write into files that the owner
// is about to remove.
void RunningServer::wait_for_teardown(int init_pid) {
  const MonoTime began = clock_.mono();
  while (clock_.mono() - began < kTeardownTimeout) {
    auto stat = file_system_.read_file("/proc/" + std::to_string(init_pid) + "/stat", 4096);
    if (!stat.ok()) return;
    const std::string text = to_text(*stat);
    const size_t after_name = text.rfind(") ");
    if (after_name != std::string::npos && text.substr(after_name + 2, 1) == "Z") return;
    clock_.sleep_for(kPoll);
  }
}

RunningServer::~RunningServer() {
  const std::optional<int> init = sandbox_init();
  process_.reset();
  if (init) wait_for_teardown(*init);
}

Result<int> major_of(const ScratchOptions& options, FileSystem& file_system) {
  if (options.control.major != 0) return options.control.major;
  COFFER_TRY(Bytes version, file_system.read_file(options.data_directory + "/PG_VERSION", 64));
  const int major = std::atoi(to_text(version).c_str());
  if (major < 13 || major > 18)
    return Error{ErrorCode::kFailedPrecondition, "PG_VERSION of the copy says '" + to_text(version) + "'", {}};
  return major;
}

}  // namespace

Result<std::string> find_server_binaries(FileSystem& file_system, int major,
                                         const std::map<int, std::string>& configured) {
  const std::string number = std::to_string(major);
  auto has_server = [&](const std::string& folder) {
    auto stat = file_system.stat(folder + "/postgres");
    return stat.ok() && stat->type == FileType::kRegular;
  };
  if (auto it = configured.find(major); it != configured.end()) {
    if (has_server(it->second)) return it->second;
    return Error{ErrorCode::kNotProven,
                 "there is no server program in " + it->second + ", which is configured for PostgreSQL " + number,
                 "correct --pg-bin " + number + "=... or COFFER_PG_BIN_" + number};
  }
  for (const std::string& folder : {"/usr/lib/postgresql/" + number + "/bin", "/usr/pgsql-" + number + "/bin",
                                    "/usr/lib64/pgsql-" + number + "/bin", "/opt/postgresql/" + number + "/bin",
                                    "/usr/local/pgsql-" + number + "/bin"})
    if (has_server(folder)) return folder;
  return Error{
      ErrorCode::kNotProven,
      "PostgreSQL " + number + " is not installed on this machine, so a copy of that version cannot be started",
      "install postgresql-" + number + ", or name its programs with --pg-bin " + number +
          "=DIRECTORY or COFFER_PG_BIN_" + number};
}

Result<std::unique_ptr<ScratchServer>> start_scratch_server(const Context& context, FileSystem& file_system,
                                                            Clock& clock, Processes& processes,
                                                            const ScratchOptions& options) {
  COFFER_TRY(int major, major_of(options, file_system));
  auto server = std::make_unique<RunningServer>(file_system, clock, options, major);
  COFFER_CHECK_OK(server->prepare());
  COFFER_CHECK_OK(server->launch(processes));
  COFFER_CHECK_OK(server->wait_until_ready(context));
  return std::unique_ptr<ScratchServer>(std::move(server));
}

}  // namespace coffer::postgres
