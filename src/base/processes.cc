#include "base/processes.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>  // NOLINT: sigset_t and kill are POSIX
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <span>
#include <thread>

#include "base/bounded_output.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/filesystem.h"

namespace coffer {

namespace {

Error last_error(std::string_view doing) {
  const int error_number = errno;
  // No more processes for this user, the only way EAGAIN comes out of the calls here.
  if (error_number == EAGAIN)
    return Error{ErrorCode::kResourceExhausted, std::string(doing) + ": no process can be started now",
                 "raise the limit of processes (ulimit -u) or stop some"};
  return error_from_errno(error_number, doing);
}

// A descriptor above the standard three, so that dup2() onto those cannot destroy it when ours are closed.
Fd above_standard(Fd fd) {
  if (!fd.valid() || fd.get() > 2) return fd;
  return Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
}

struct Pipe {
  Fd read_end, write_end;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return last_error("making a pipe");
  Pipe pipe{above_standard(Fd(ends[0])), above_standard(Fd(ends[1]))};
  if (!pipe.read_end.valid() || !pipe.write_end.valid()) return last_error("making a pipe");
  return pipe;
}

// Everything the child needs, made before fork(): between fork() and exec() only async-signal-safe calls are allowed,
// because another thread may have held the allocator's lock.
struct ChildPlan {
  std::vector<std::string> environment_text;
  std::vector<char*> argv, environment;
  std::vector<std::string> candidates;  // paths to try in this order
  std::string working_directory;
  std::optional<uint32_t> uid, gid;
  int input = -1, output = -1, report = -1;
  pid_t parent = -1;
};

enum class ChildStep : int { kParent, kInput, kOutput, kGroups, kGid, kUid, kDirectory, kExec };

const char* step_name(ChildStep step) {
  switch (step) {
    case ChildStep::kParent: return "tying it to its parent";
    case ChildStep::kInput: return "setting up its input";
    case ChildStep::kOutput: return "setting up its output";
    case ChildStep::kGroups: return "dropping its groups";
    case ChildStep::kGid: return "changing its group";
    case ChildStep::kUid: return "changing its user";
    case ChildStep::kDirectory: return "changing to its working directory";
    case ChildStep::kExec: return "executing it";
  }
  return "starting it";
}

struct ChildReport {
  ChildStep step;
  int error_number;
};

[[noreturn]] void give_up(const ChildPlan& plan, ChildStep step) {
  const ChildReport report{step, errno};
  (void)!::write(plan.report, &report, sizeof report);  // fits in a pipe, so it is whole or not at all
  ::_exit(127);
}

// Raw system calls for the identity: glibc's wrappers would look for the threads that the child does not have.
void change_identity(const ChildPlan& plan) {
  if (plan.gid) {
    if (::geteuid() == 0 && ::syscall(SYS_setgroups, 0, nullptr) != 0) give_up(plan, ChildStep::kGroups);
    if (::syscall(SYS_setresgid, *plan.gid, *plan.gid, *plan.gid) != 0) give_up(plan, ChildStep::kGid);
  }
  if (plan.uid && ::syscall(SYS_setresuid, *plan.uid, *plan.uid, *plan.uid) != 0) give_up(plan, ChildStep::kUid);
}

void execute(const ChildPlan& plan) {
  int worst = ENOENT;
  for (const std::string& candidate : plan.candidates) {
    ::execve(candidate.c_str(), plan.argv.data(), plan.environment.data());
    if (errno != ENOENT && errno != ENOTDIR) worst = errno;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) break;
  }
  errno = worst;
}

[[noreturn]] void run_child(const ChildPlan& plan) {
  ::setsid();
  if (::dup2(plan.input, STDIN_FILENO) < 0) give_up(plan, ChildStep::kInput);
  if (::dup2(plan.output, STDOUT_FILENO) < 0 || ::dup2(plan.output, STDERR_FILENO) < 0)
    give_up(plan, ChildStep::kOutput);
  // Descriptors that a library opened without O_CLOEXEC do not leak either; an old kernel answers ENOSYS.
  constexpr unsigned kCloseRangeCloexec = 1U << 2;
  ::syscall(SYS_close_range, 3U, ~0U, kCloseRangeCloexec);
  change_identity(plan);
  // After the change of identity, which clears it. The parent may have died before this took effect.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(plan, ChildStep::kParent);
  if (::getppid() != plan.parent) ::_exit(127);
  if (!plan.working_directory.empty() && ::chdir(plan.working_directory.c_str()) != 0)
    give_up(plan, ChildStep::kDirectory);
  // Ignored signals and the mask are inherited through exec; handlers are not.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  execute(plan);
  give_up(plan, ChildStep::kExec);
}

// Signals stay blocked over fork(), so that no handler of ours runs in the child.
pid_t fork_child(const ChildPlan& plan) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) run_child(plan);
  const int error_number = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error_number;
  return pid;
}

std::string search_path(const ProcessSpec& spec) {
  for (const auto& [name, value] : spec.environment)
    if (name == "PATH") return value;
  const char* ours = ::getenv("PATH");
  return ours != nullptr ? ours : "/usr/local/bin:/usr/bin:/bin";
}

std::vector<std::string> candidates(const ProcessSpec& spec) {
  const std::string& program = spec.argv[0];
  if (program.find('/') != program.npos) return {program};
  std::vector<std::string> paths;
  const std::string search = search_path(spec);
  for (size_t begin = 0; begin <= search.size();) {
    const size_t end = std::min(search.find(':', begin), search.size());
    // An empty entry would mean the working directory: never a place to run programs from.
    if (end > begin) paths.push_back(search.substr(begin, end - begin) + "/" + program);
    begin = end + 1;
  }
  return paths;
}

Result<uint32_t> own_group_of(uint32_t uid) {
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  const int error_number = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return entry.pw_gid;
  if (error_number != 0) return error_from_errno(error_number, "looking up user " + std::to_string(uid));
  return Error{
      ErrorCode::kInvalidArgument, "user " + std::to_string(uid) + " has no group: it is not in the user database", {}};
}

Result<ChildPlan> make_plan(const ProcessSpec& spec) {
  auto has_zero = [](const std::string& text) { return text.find('\0') != text.npos; };
  if (spec.argv.empty() || spec.argv[0].empty()) return Error{ErrorCode::kInvalidArgument, "no program was named", {}};
  if (std::any_of(spec.argv.begin(), spec.argv.end(), has_zero) || has_zero(spec.working_directory))
    return Error{ErrorCode::kInvalidArgument, "starting " + spec.argv[0] + ": an argument holds a zero byte", {}};
  ChildPlan plan;
  for (const std::string& argument : spec.argv) plan.argv.push_back(const_cast<char*>(argument.c_str()));
  plan.argv.push_back(nullptr);
  for (const auto& [name, value] : spec.environment) {
    if (name.empty() || name.find('=') != name.npos || has_zero(name) || has_zero(value))
      return Error{ErrorCode::kInvalidArgument, "starting " + spec.argv[0] + ": a bad environment variable", {}};
    plan.environment_text.push_back(name + "=" + value);
  }
  for (std::string& text : plan.environment_text) plan.environment.push_back(text.data());
  plan.environment.push_back(nullptr);
  plan.candidates = candidates(spec);
  plan.working_directory = spec.working_directory;
  // Who is that user already need not, and without privilege cannot, become it.
  if (spec.uid && (*spec.uid != ::geteuid() || ::geteuid() == 0)) plan.uid = spec.uid;
  plan.gid = spec.gid;
  if (plan.uid && !plan.gid) {
    COFFER_TRY(plan.gid, own_group_of(*plan.uid));
  }
  if (plan.gid && ::geteuid() != 0 && *plan.gid == ::getegid()) plan.gid.reset();
  plan.parent = ::getpid();
  return plan;
}

int exit_code_of(const siginfo_t& info) { return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status; }

// Whether a process of the group still runs. Signal 0 cannot tell: it also reaches the dead whom init has not reaped
// yet, which takes a second under some inits and for ever under others.
bool group_lives(pid_t group) {
  PosixFileSystem file_system;
  auto proc = file_system.open_directory("/proc");
  if (!proc.ok()) return false;
  bool lives = false;
  (void)(*proc)->list("", [&](const DirectoryEntry& entry) {
    if (entry.name[0] < '0' || entry.name[0] > '9') return true;
    auto stat = (*proc)->open_file(entry.name + "/stat");
    std::array<char, 1024> buffer;
    auto size = stat.ok() ? (*stat)->read_at(0, std::as_writable_bytes(std::span(buffer))) : Result<size_t>(size_t{0});
    if (!size.ok()) return true;  // ended meanwhile
    // "pid (name) state ppid pgrp ...", and the name may hold anything, also ')'.
    const std::string_view text(buffer.data(), *size);
    const size_t name_end = text.rfind(')');
    char state = 'X';
    int parent = 0, its_group = 0;
    if (name_end == text.npos ||
        std::sscanf(std::string(text.substr(name_end + 1)).c_str(), " %c %d %d", &state, &parent, &its_group) != 3)
      return true;
    lives = its_group == group && state != 'Z' && state != 'X';
    return !lives;
  });
  return lives;
}

class SystemProcess final : public Process {
 public:
  SystemProcess(pid_t pid, Fd pid_fd, Fd output) : pid_(pid), pid_fd_(std::move(pid_fd)), output_(std::move(output)) {}
  SystemProcess(const SystemProcess&) = delete;
  SystemProcess& operator=(const SystemProcess&) = delete;
  ~SystemProcess() override { end_group(pid_); }

  [[nodiscard]] int pid() const override { return pid_; }

  Status signal(int signal_number) override {
    COFFER_TRY(bool ended, has_ended());
    if (ended)
      return Error{ErrorCode::kFailedPrecondition, "process " + std::to_string(pid_) + " has ended already", {}};
    if (::kill(pid_, signal_number) != 0) return last_error("signalling process " + std::to_string(pid_));
    return ok_status();
  }

  Result<std::optional<ProcessResult>> wait_for(std::chrono::milliseconds timeout) override {
    const SystemClock clock;
    const MonoTime start = clock.mono();
    for (;;) {
      // Asked before the output is taken: what the child wrote before its end is in the pipe by then.
      COFFER_TRY(bool ended, has_ended());
      COFFER_CHECK_OK(take_output());
      if (ended) return std::optional(ProcessResult{.exit_code = *exit_code_, .output = taken_.text()});
      const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(clock.mono() - start);
      if (spent >= timeout) return std::optional<ProcessResult>();
      COFFER_CHECK_OK(wait_for_event(timeout - spent));
    }
  }

  // Kills what is left of the group of `leader`, our child that nobody has reaped: until then its number is not given
  // to another process, so the signal cannot hit a stranger.
  static void end_group(pid_t leader) {
    ::kill(-leader, SIGKILL);
    retry_interrupted([&] { return ::waitpid(leader, nullptr, 0); });
    // Its own children die without us, some of them while they still hold files. They are reaped by init, or by us when
    // we are init. Bounded, because a process can be stuck in the kernel.
    constexpr int kLooksMax = 1000;
    for (int look = 0; look < kLooksMax; ++look) {
      while (::waitpid(-leader, nullptr, WNOHANG) > 0) {
      }
      if (::kill(-leader, 0) != 0 || !group_lives(leader)) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  // The child stays a zombie until the destructor, see end_group().
  Result<bool> has_ended() {
    if (exit_code_) return true;
    siginfo_t info{};
    if (retry_interrupted(
            [&] { return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT); }) != 0)
      return last_error("waiting for process " + std::to_string(pid_));
    if (info.si_pid == 0) return false;
    exit_code_ = exit_code_of(info);
    return true;
  }

  // Takes what is there without waiting. Bounded, so that a child's child that writes for ever cannot hold us.
  Status take_output() {
    std::array<char, 64 << 10> buffer;
    constexpr int kReadsMax = 64;
    for (int i = 0; i < kReadsMax && output_.valid(); ++i) {
      const ssize_t n = retry_interrupted([&] { return ::read(output_.get(), buffer.data(), buffer.size()); });
      if (n < 0 && errno == EAGAIN) break;
      if (n < 0) return last_error("reading the output of process " + std::to_string(pid_));
      if (n == 0) output_.reset();
      if (n > 0) taken_.append({buffer.data(), static_cast<size_t>(n)});
    }
    return ok_status();
  }

  Status wait_for_event(std::chrono::milliseconds timeout) {
    std::array<pollfd, 2> events{pollfd{.fd = pid_fd_.get(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = output_.get(), .events = POLLIN, .revents = 0}};  // -1 is skipped
    const auto milliseconds = static_cast<int>(std::clamp<int64_t>(timeout.count(), 0, 1'000'000));
    if (::poll(events.data(), events.size(), milliseconds) < 0 && errno != EINTR)
      return last_error("waiting for process " + std::to_string(pid_));
    return ok_status();
  }

  const pid_t pid_;
  const Fd pid_fd_;
  Fd output_;
  BoundedOutput taken_;
  std::optional<int> exit_code_;
};

struct Output {
  Fd child_end, our_end;  // ours is invalid when the output goes to a file
};

Result<Output> open_output(const std::string& path) {
  if (!path.empty()) {
    Fd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600));
    if (!file.valid()) return last_error("opening " + path);
    return Output{.child_end = above_standard(std::move(file)), .our_end = Fd()};
  }
  COFFER_TRY(Pipe pipe, make_pipe());
  if (::fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK) != 0) return last_error("making a pipe");
  return Output{.child_end = std::move(pipe.write_end), .our_end = std::move(pipe.read_end)};
}

// Runs on the fork thread.
Result<std::unique_ptr<Process>> start_child(const ProcessSpec& spec) {
  COFFER_TRY(ChildPlan plan, make_plan(spec));
  COFFER_TRY(Output output, open_output(spec.output_path));
  COFFER_TRY(Pipe report, make_pipe());
  const Fd input = above_standard(Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  if (!input.valid()) return last_error("opening /dev/null");
  plan.input = input.get();
  plan.output = output.child_end.get();
  plan.report = report.write_end.get();

  const pid_t pid = fork_child(plan);
  if (pid < 0) return last_error("starting " + spec.argv[0]);
  report.write_end.reset();
  output.child_end.reset();
  // A success closes the pipe (O_CLOEXEC) without a word.
  ChildReport failure{};
  const ssize_t n = retry_interrupted([&] { return ::read(report.read_end.get(), &failure, sizeof failure); });
  Fd pid_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const bool opened = pid_fd.valid();
  Status started = n == 0 && opened ? ok_status() : Status(last_error("watching " + spec.argv[0]));
  if (n == static_cast<ssize_t>(sizeof failure)) {
    errno = failure.error_number;
    started = last_error("starting " + spec.argv[0] + ": " + step_name(failure.step));
    const bool identity = failure.step == ChildStep::kUid || failure.step == ChildStep::kGid;
    if (identity && failure.error_number == EPERM)
      started.error().next_step = "run this as root, or as the user that the program is to run as";
  }
  if (!started.ok()) {
    SystemProcess::end_group(pid);
    return std::move(started).error();
  }
  return std::unique_ptr<Process>(std::make_unique<SystemProcess>(pid, std::move(pid_fd), std::move(output.our_end)));
}

}  // namespace

class SystemProcesses::ForkThread {
 public:
  using Started = Result<std::unique_ptr<Process>>;

  ~ForkThread() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  Started start(const ProcessSpec& spec) {
    std::packaged_task<Started()> task([&spec] { return start_child(spec); });
    auto started = task.get_future();
    {
      std::lock_guard lock(mutex_);
      if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
      tasks_.push_back(std::move(task));
    }
    changed_.notify_all();
    return started.get();
  }

 private:
  void work() {
    // Signals are for the threads that know what to do with them.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return closed_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::packaged_task<Started()>> tasks_;
  bool closed_ = false;
  std::thread thread_;
};

SystemProcesses::SystemProcesses() : fork_thread_(std::make_unique<ForkThread>()) {}
SystemProcesses::~SystemProcesses() = default;

Result<std::unique_ptr<Process>> SystemProcesses::start(const ProcessSpec& spec) { return fork_thread_->start(spec); }

Result<ProcessResult> Processes::run(const Context& context, const ProcessSpec& spec,
                                     std::chrono::milliseconds timeout) {
  COFFER_CHECK_OK(context.check());
  COFFER_TRY(auto process, start(spec));
  // Time is counted in slices that wait_for() has used up, so that no clock is needed; a stop is seen once a slice.
  constexpr std::chrono::milliseconds kSlice{50};
  for (auto left = timeout;;) {
    const auto slice = std::clamp(left, std::chrono::milliseconds(0), kSlice);
    COFFER_TRY(auto result, process->wait_for(slice));
    if (result) return std::move(*result);
    left -= slice;
    COFFER_CHECK_OK(context.check());
    if (left.count() <= 0)
      return Error{ErrorCode::kDeadlineExceeded,
                   spec.argv[0] + " did not end within " + std::to_string(timeout.count()) + " ms and was killed",
                   {}};
  }
}

}  // namespace coffer
