// coffer-sandbox: the small program at both ends of a function's sandbox. Linked statically and without anything else
// of this project, so that nothing of the daemon is inside.
//
//   coffer-sandbox enter [--open PATH]... [--cgroup FILE]... [--uid N --gid N] -- PROGRAM ARGUMENT...
//     Opens paths (see opened.h), joins control groups by writing itself to their cgroup.procs, gives up root and
//     becomes PROGRAM (bubblewrap).
//   coffer-sandbox init --start FILE --log FIFO [--forward PORT=SOCKET]... [--processes N] [--data BYTES] [--files
//   BYTES]
//     The first process inside: starts the program that FILE names (argument count, arguments, environment, each ended
//     by a NUL), its output into FIFO, limited and with system calls forbidden; forwards connections; ends with it.
//   coffer-sandbox forbidden PROGRAM ARGUMENT...
//     PROGRAM under the filter of system calls alone, for tests.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "edge/functions/init/forwarder.h"
#include "edge/functions/init/landlock.h"
#include "edge/functions/init/seccomp.h"

namespace coffer::functions {
namespace {

constexpr int kFailed = 125;  // something of ours, not of the program

[[noreturn]] void fail(const std::string& doing) {
  std::fprintf(stderr, "coffer-sandbox: %s: %s\n", doing.c_str(), std::strerror(errno));
  _exit(kFailed);
}

struct Arguments {
  std::vector<std::pair<std::string, std::string>> options;
  std::vector<char*> program;  // with a null at its end

  [[nodiscard]] std::string find(std::string_view name) const {
    for (const auto& [key, value] : options) {
      if (key == name) return value;
    }
    return "";
  }
  [[nodiscard]] rlim_t number(std::string_view name) const { return std::strtoull(find(name).c_str(), nullptr, 10); }
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  int i = 2;
  for (; i + 1 < argc && std::string_view(argv[i]) != "--"; i += 2)
    arguments.options.emplace_back(argv[i], argv[i + 1]);
  for (++i; i < argc; ++i) arguments.program.push_back(argv[i]);
  arguments.program.push_back(nullptr);
  return arguments;
}

void limit(decltype(RLIMIT_CORE) which, rlim_t most, const char* name) {
  const rlimit wanted{most, most};
  if (setrlimit(which, &wanted) != 0) fail(std::string("limiting ") + name);
}

/// Binds each --show PATH as a numbered entry of --at FOLDER, in mounts that only this process and what it becomes
/// have.
void show(const Arguments& arguments) {
  const std::string at = arguments.find("--at");
  if (at.empty()) return;
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    fail("making mounts of its own");
  if (mount("tmpfs", at.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") != 0) fail("mounting on " + at);
  int number = 0;
  for (const auto& [name, path] : arguments.options) {
    if (name != "--show") continue;
    const std::string to = at + "/" + std::to_string(number++);
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) fail("looking at " + path);
    const int made = S_ISDIR(status.st_mode) ? mkdir(to.c_str(), 0755) : mknod(to.c_str(), S_IFREG | 0644, 0);
    if (made != 0 || mount(path.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) != 0) fail("showing " + path);
  }
}

int enter(const Arguments& arguments) {
  show(arguments);
  for (const auto& [name, file] : arguments.options) {
    if (name != "--cgroup") continue;
    const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) fail("joining " + file);
    close(fd);
  }
  if (!arguments.find("--uid").empty()) {
    const auto uid = static_cast<uid_t>(arguments.number("--uid"));
    const auto gid = static_cast<gid_t>(arguments.number("--gid"));
    const pid_t parent = getppid();
    if (setgroups(0, nullptr) != 0 || setgid(gid) != 0 || setuid(uid) != 0) fail("becoming another user");
    // A change of user forgets that we die with the parent.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) fail("staying with the parent");
  }
  limit(RLIMIT_CORE, 0, "core files");
  execvp(arguments.program[0], arguments.program.data());
  fail(std::string("starting ") + arguments.program[0]);
}

std::string read_all(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("opening " + path);
  std::string text;
  char piece[4096];
  for (ssize_t n = 0; (n = read(fd, piece, sizeof piece)) > 0;) text.append(piece, static_cast<size_t>(n));
  close(fd);
  return text;
}

/// What is to be started: arguments, environment.
struct Start {
  std::string text;
  std::vector<char*> arguments, environment;
};

Start read_start(const std::string& path) {
  Start start;
  start.text = read_all(path);
  std::vector<char*> parts;
  for (size_t at = 0; at < start.text.size(); at += std::strlen(start.text.data() + at) + 1)
    parts.push_back(start.text.data() + at);
  const size_t count = parts.empty() ? 0 : std::strtoul(parts[0], nullptr, 10);
  if (count == 0 || parts.size() < count + 1) {
    errno = EINVAL;
    fail("reading " + path);
  }
  start.arguments.assign(parts.begin() + 1, parts.begin() + 1 + static_cast<std::ptrdiff_t>(count));
  start.arguments.push_back(nullptr);
  start.environment.assign(parts.begin() + 1 + static_cast<std::ptrdiff_t>(count), parts.end());
  start.environment.push_back(nullptr);
  return start;
}

[[noreturn]] void become(const Arguments& arguments, const Start& start, int log) {
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) fail("connecting its output");
  limit(RLIMIT_CORE, 0, "core files");
  limit(RLIMIT_NOFILE, 1024, "open files");
  if (const rlim_t most = arguments.number("--processes")) limit(RLIMIT_NPROC, most, "processes");
  if (const rlim_t most = arguments.number("--data")) limit(RLIMIT_DATA, most, "memory");
  if (const rlim_t most = arguments.number("--files")) limit(RLIMIT_FSIZE, most, "the size of files");
  if (!confine_writes(arguments.find("--log"))) fail("confining writes");
  if (!forbid_system_calls()) fail("forbidding system calls");
  execve(start.arguments[0], start.arguments.data(), start.environment.data());
  std::fprintf(stderr, "%s cannot be started: %s\n", start.arguments[0], std::strerror(errno));
  _exit(errno == ENOENT ? 127 : 126);
}

int init(const Arguments& arguments) {
  // Whoever is inside may not look into this process, which is of the same user.
  prctl(PR_SET_DUMPABLE, 0);
  if (close_range(3, ~0U, 0) != 0) fail("closing what is not the function's");
  const Start start = read_start(arguments.find("--start"));
  const int log = open(arguments.find("--log").c_str(), O_WRONLY | O_CLOEXEC);
  if (log < 0) fail("opening the log");
  Forwarder forwarder;
  for (const auto& [name, value] : arguments.options) {
    if (name != "--forward") continue;
    const size_t equals = value.find('=');
    const auto port = static_cast<unsigned short>(std::strtoul(value.c_str(), nullptr, 10));
    if (!forwarder.add(port, value.substr(equals + 1))) fail("listening on port " + value.substr(0, equals));
  }
  signal(SIGPIPE, SIG_IGN);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, nullptr);
  const int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) fail("waiting for children");
  const pid_t child = fork();
  if (child < 0) fail("starting the runtime");
  if (child == 0) become(arguments, start, log);
  close(log);
  for (;;) {
    forwarder.step(signals);
    signalfd_siginfo info;
    while (read(signals, &info, sizeof info) > 0) {
    }
    int status = 0;
    for (pid_t ended = 0; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended != child) continue;
      // The rest of the sandbox ends with this process.
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }
}

}  // namespace
}  // namespace coffer::functions

int main(int argc, char** argv) {
  using namespace coffer::functions;
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "enter") return enter(parse(argc, argv));
  if (mode == "init") _exit(init(parse(argc, argv)));  // all there is goes with it
  if (mode == "forbidden" && argc > 2) {
    if (!forbid_system_calls()) fail("forbidding system calls");
    execvp(argv[2], argv + 2);
    fail("starting the program");
  }
  std::fprintf(stderr, "coffer-sandbox is started by cofferd, around functions\n");
  return 2;
}
