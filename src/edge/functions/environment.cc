#include "edge/functions/environment.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>

#include "base/new_file.h"
#include "edge/functions/process_tree.h"
#include "edge/functions/sockets.h"

namespace coffer::functions {
namespace {

using lambda::Invocation;
using lambda::Outcome;

constexpr uint16_t kApiPort = 9001;
constexpr std::string_view kShownAt = "/mnt";
constexpr size_t kLogSizeMax = 256 << 10, kConnectionsMax = 16, kRelaysMax = 64;
constexpr int64_t kMegabyte = 1 << 20;
constexpr std::chrono::milliseconds kSampleEvery{20}, kStopLook{100};
/// A function that writes more than this per interval waits for the next one.
constexpr int64_t kLogBudget = 1 << 20;
constexpr std::chrono::milliseconds kLogInterval{10};
constexpr std::chrono::seconds kSampleIdle{1};

MonoTime operator+(MonoTime time, std::chrono::nanoseconds d) { return {time.nanos + d.count()}; }

std::chrono::microseconds micros(std::chrono::nanoseconds d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d);
}

std::string signal_name(int number) {
  switch (number) {
    case SIGKILL: return "killed";
    case SIGTERM: return "terminated";
    case SIGSEGV: return "segmentation fault";
    case SIGABRT: return "aborted";
    case SIGSYS: return "bad system call";
    case SIGBUS: return "bus error";
    case SIGILL: return "illegal instruction";
    case SIGFPE: return "floating point exception";
    default: return "signal " + std::to_string(number);
  }
}

std::string error_payload(std::string_view type, std::string_view message) {
  std::string out = R"({"errorType":")";
  out.append(type).append(R"(","errorMessage":")").append(message).append("\"}");
  return out;
}

/// The last part, from the beginning of a line where there is one.
void keep_end(std::string& text, size_t size) {
  if (text.size() <= size) return;
  text.erase(0, text.size() - size);
  const size_t line = text.find('\n');
  if (line != std::string::npos && line < 4096) text.erase(0, line + 1);
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view url) {
  const bool secure = url.starts_with("https://");
  if (!secure && !url.starts_with("http://")) return std::nullopt;
  std::string_view rest = url.substr(secure ? 8 : 7);
  rest = rest.substr(0, rest.find('/'));
  Endpoint found;
  std::string_view port;
  if (rest.starts_with('[')) {
    const size_t end = rest.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    found.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const size_t colon = rest.find(':');
    found.host = rest.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : rest.substr(colon);
  }
  int number = secure ? 443 : 80;
  if (port.size() > 1) {
    const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
    if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  }
  if (found.host.empty() || number < 1 || number > 65535) return std::nullopt;
  found.port = static_cast<uint16_t>(number);
  unsigned char address[sizeof(in6_addr)];
  const bool is_address =
      inet_pton(AF_INET, found.host.c_str(), address) == 1 || inet_pton(AF_INET6, found.host.c_str(), address) == 1;
  if (!is_address) found.name = found.host;
  // Whoever listens on every address is found on this one.
  if (found.host == "0.0.0.0") found.host = "127.0.0.1";
  if (found.host == "::") found.host = "::1";
  // Nobody inside may listen on a low port.
  found.inner_port = static_cast<uint16_t>(number < 1024 || number == kApiPort ? number + 20'000 : number);
  found.inner_url = (secure ? "https://" : "http://") + (found.name.empty() ? std::string("127.0.0.1") : found.name) +
                    ":" + std::to_string(found.inner_port);
  return found;
}

Result<std::unique_ptr<Environment>> Environment::start(FileSystem& files, Processes& processes, Clock& clock,
                                                        const ExecutorOptions& options, EnvironmentSetup setup) {
  std::unique_ptr<Environment> environment(new Environment(clock, options, std::move(setup)));
  COFFER_CHECK_OK(environment->open(files, processes));
  return environment;
}

Status Environment::open(FileSystem& files, Processes& processes) {
  COFFER_TRY(const Fd folder, open_folder(setup_.folder));
  COFFER_TRY(log_pipe_, make_pipe(folder, "log", setup_.uid));
  COFFER_TRY(api_listener_, listen_unix(folder, "api", setup_.uid));
  if (setup_.endpoint) {
    COFFER_TRY(endpoint_listener_, listen_unix(folder, "endpoint", setup_.uid));
  }
  COFFER_CHECK_OK(write_start(files));
  ProcessSpec spec;
  spec.argv = command_line();
  spec.environment = {{"PATH", "/usr/bin:/bin"}};
  spec.working_directory = "/";
  COFFER_TRY(process_, processes.start(spec));
  watch_ = watch_process(process_->pid());
  return ok_status();
}

/// The program with its arguments and environment: in a file, since command lines are for everybody to see, and since
/// nothing of a function's variables may reach the programs that build its sandbox.
Status Environment::write_start(FileSystem& files) const {
  std::map<std::string, std::string> all{{"PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"},
                                         {"LD_LIBRARY_PATH", "/var/task:/var/task/lib:/opt/lib"},
                                         {"LANG", "en_US.UTF-8"}};
  for (const auto& [name, value] : setup_.runtime.variables) all[name] = value;
  for (const auto& [name, value] : setup_.variables) {
    std::string& set = all[name];
    // The runtime itself is found there.
    set = name == "PYTHONPATH" && !set.empty() ? value + ":" + set : value;
  }
  all["AWS_LAMBDA_RUNTIME_API"] = "127.0.0.1:" + std::to_string(kApiPort);
  if (setup_.endpoint && options_.endpoint_url && all["AWS_ENDPOINT_URL"] == options_.endpoint_url())
    all["AWS_ENDPOINT_URL"] = setup_.endpoint->inner_url;
  if (!options_.ca_file.empty()) all.emplace("AWS_CA_BUNDLE", "/etc/ssl/coffer-endpoint.pem");
  std::string text = std::to_string(setup_.runtime.arguments.size());
  text += '\0';
  for (const std::string& argument : setup_.runtime.arguments) (text += argument) += '\0';
  for (const auto& [name, value] : all) {
    if (!name.empty()) (text += name + "=" + value) += '\0';
  }
  COFFER_TRY(auto folder, files.open_directory(setup_.folder));
  COFFER_TRY(auto file, folder->create_file("start", 0400));
  COFFER_CHECK_OK(file->write_at(0, as_bytes(text)));
  if (setup_.uid) COFFER_CHECK_OK(file->set_owner(*setup_.uid, *setup_.uid));
  COFFER_TRY(auto hosts, folder->create_file("hosts", 0444));
  const std::string name = setup_.endpoint ? setup_.endpoint->name : "";
  return hosts->write_at(0, as_bytes("127.0.0.1 localhost " + name + "\n"));
}

std::vector<std::string> Environment::command_line() const {
  std::vector<std::string> line{options_.sandbox_program, "enter"}, sandbox;
  const auto add = [&](std::initializer_list<std::string> more) { sandbox.insert(sandbox.end(), more); };
  // Another user does not get into our folders by their paths: root shows them at a place of the sandbox's own first.
  int shown = 0;
  const auto bind = [&](const std::string& from, const std::string& to) {
    if (setup_.uid) line.insert(line.end(), {"--show", from});
    add({"--ro-bind", setup_.uid ? std::string(kShownAt) + "/" + std::to_string(shown++) : from, to});
  };
  if (setup_.uid) line.insert(line.end(), {"--at", std::string(kShownAt)});
  if (setup_.group) {
    for (const std::string& file : setup_.group->procs_files()) line.insert(line.end(), {"--cgroup", file});
  }
  if (setup_.uid) {
    const std::string uid = std::to_string(*setup_.uid);
    line.insert(line.end(), {"--uid", uid, "--gid", uid});
  }
  add({"--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin", "--symlink",
       "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"});
  for (const char* path : {"/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl/certs", "/etc/ca-certificates",
                           "/etc/localtime", "/etc/mime.types", "/etc/services", "/etc/protocols"})
    add({"--ro-bind-try", path, path});
  for (const char* name : {"passwd", "group", "nsswitch.conf"})
    bind(options_.folder + "/etc/" + name, std::string("/etc/") + name);
  bind(setup_.folder + "/hosts", "/etc/hosts");
  if (!options_.ca_file.empty()) bind(options_.ca_file, "/etc/ssl/coffer-endpoint.pem");
  add({"--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"});
  // Its pages are memory of this machine: the quota is what keeps them few.
  add({"--perms", "1777", "--size", std::to_string(setup_.tmp_mb * kMegabyte), "--tmpfs", "/tmp"});
  add({"--dir", "/opt"});
  bind(setup_.code_folder, "/var/task");
  if (setup_.runtime.folder.empty()) {
    add({"--dir", "/var/runtime"});
  } else {
    bind(setup_.runtime.folder, "/var/runtime");
  }
  bind(setup_.folder, "/run/coffer");
  bind(options_.sandbox_program, "/run/init");
  add({"--chdir", "/var/task", "--remount-ro", "/", "--", "/run/init", "init", "--start", "/run/coffer/start", "--log",
       "/run/coffer/log", "--forward", std::to_string(kApiPort) + "=/run/coffer/api"});
  if (setup_.endpoint) add({"--forward", std::to_string(setup_.endpoint->inner_port) + "=/run/coffer/endpoint"});
  add({"--processes", std::to_string(options_.processes_max), "--data",
       std::to_string((2 * setup_.memory_mb + setup_.runtime.data_mb) * kMegabyte), "--files",
       std::to_string(setup_.tmp_mb * kMegabyte)});
  line.insert(line.end(),
              {"--", options_.bubblewrap, "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net",
               "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--as-pid-1", "--uid",
               "993", "--gid", "990", "--hostname", "localhost", "--cap-drop", "ALL"});
  line.insert(line.end(), sandbox.begin(), sandbox.end());
  return line;
}

Environment::~Environment() { kill(); }

void Environment::kill() {
  dead_ = true;
  if (!process_) return;
  process_.reset();  // the sandbox's first process dies with its parent, and everything inside with that
  connections_.clear();
}

std::vector<int> Environment::inside() const {
  std::vector<int> tree = process_tree(process_->pid());
  tree.erase(tree.begin(), tree.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(2, tree.size())));
  return tree;
}

void Environment::rest() {
  if (rests_ || dead_) return;
  rests_ = true;
  // Until nobody is found that was not stopped: a process may start another one before its turn comes.
  constexpr int kRoundsMax = 20;
  std::vector<int> stopped;
  for (int round = 0; round < kRoundsMax; ++round) {
    std::vector<int> found = inside();
    if (found == stopped) return;
    for (int pid : found) ::kill(pid, SIGSTOP);
    stopped = std::move(found);
  }
}

bool Environment::has_ended() {
  if (ended_ || !process_) return true;
  if (watch_.valid()) {
    pollfd ready{watch_.get(), POLLIN, 0};
    if (::poll(&ready, 1, 0) <= 0) return false;
  }
  auto waited = process_->wait_for(std::chrono::milliseconds(0));
  if (waited.ok() && *waited) ended_ = std::move(**waited);
  return ended_.has_value();
}

bool Environment::is_usable() { return !dead_ && !has_ended(); }

void Environment::read_log() {
  const MonoTime now = clock_.mono();
  if (now - log_budget_since_ >= kLogInterval) {
    log_budget_since_ = now;
    log_budget_ = kLogBudget;
  }
  char piece[64 << 10];
  while (log_budget_ > 0) {
    const ssize_t n = ::read(log_pipe_.get(), piece, sizeof piece);
    if (n == 0) log_open_ = false;  // everybody has closed it; nobody opens it again
    if (n <= 0) break;
    log_budget_ -= n;
    log_.append(piece, static_cast<size_t>(n));
    if (log_.size() > 2 * kLogSizeMax) keep_end(log_, kLogSizeMax);
  }
}

void Environment::accept_connections() {
  while (connections_.size() < kConnectionsMax) {
    auto fd = accept_from(api_listener_);
    if (!fd) break;
    connections_.emplace_back(std::move(*fd));
  }
  while (endpoint_listener_.valid() && relay_.size() < kRelaysMax) {
    auto fd = accept_from(endpoint_listener_);
    if (!fd) break;
    auto other = connect_tcp(setup_.endpoint->host, setup_.endpoint->port);
    if (other.ok()) relay_.add(fd->release(), other->release());
  }
}

void Environment::flush(Connection& connection) {
  while (!connection.out.empty()) {
    const ssize_t n = ::send(connection.fd.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN && errno != EINTR) connection.fd.reset();
      return;
    }
    connection.out.erase(0, static_cast<size_t>(n));
  }
  if (connection.closes) connection.fd.reset();
}

void Environment::serve(Connection& connection) {
  char piece[64 << 10];
  const ssize_t n = ::recv(connection.fd.get(), piece, sizeof piece, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const bool good = n > 0 && connection.reader.feed({piece, static_cast<size_t>(n)}).ok();
  if (!good) {
    if (connection.is_waiting) api_.stop_waiting();
    connection.fd.reset();
    return;
  }
  if (connection.reader.wants_continue()) connection.out += "HTTP/1.1 100 Continue\r\n\r\n";
  while (!connection.is_waiting) {
    auto request = connection.reader.take();
    if (!request) break;
    connection.closes = connection.closes || !request->keep_alive;
    if (auto answer = api_.handle(*request)) {
      connection.out += *answer;
    } else {
      connection.is_waiting = true;
    }
    // What was sent behind it is parsed now.
    if (!connection.reader.feed({}).ok()) connection.closes = true;
  }
  if (!connection.is_waiting) flush(connection);
}

void Environment::step(int timeout_ms) {
  polled_.clear();
  const auto watch = [&](const Fd& fd, short events) { polled_.push_back({fd.valid() ? fd.get() : -1, events, 0}); };
  watch(watch_, POLLIN);
  polled_.push_back({log_open_ && log_budget_ > 0 ? log_pipe_.get() : -1, POLLIN, 0});
  watch(api_listener_, connections_.size() < kConnectionsMax ? POLLIN : 0);
  watch(endpoint_listener_, relay_.size() < kRelaysMax ? POLLIN : 0);
  const size_t first = polled_.size();
  for (const Connection& connection : connections_)
    watch(connection.fd, static_cast<short>(POLLIN | (connection.out.empty() ? 0 : POLLOUT)));
  const size_t relays = polled_.size();
  relay_.watch(polled_);
  if (::poll(polled_.data(), polled_.size(), timeout_ms) < 0) return;
  read_log();
  size_t at = first;
  for (auto connection = connections_.begin(); connection != connections_.end(); ++at) {
    const short events = polled_[at].revents;
    if (events & POLLOUT) flush(*connection);
    if (connection->fd.valid() && (events & (POLLIN | POLLHUP | POLLERR))) serve(*connection);
    connection = connection->fd.valid() ? std::next(connection) : connections_.erase(connection);
  }
  relay_.step(polled_.data() + relays);
  if ((polled_[2].revents | polled_[3].revents) & POLLIN) accept_connections();
}

bool Environment::sample_memory(bool always) {
  const MonoTime now = clock_.mono();
  if (!always && now - sampled_ < kSampleEvery) return true;
  sampled_ = now;
  const std::vector<int> tree = process_tree(process_->pid());
  int64_t used = resident_bytes(tree);
  if (used > setup_.memory_mb * kMegabyte) used = proportional_bytes(tree);
  memory_max_bytes_ = std::max(memory_max_bytes_, used);
  return used <= setup_.memory_mb * kMegabyte;
}

Environment::Why Environment::pump(const Context& context, MonoTime deadline, const std::function<bool()>& done) {
  MonoTime looked = clock_.mono();
  for (;;) {
    if (done()) return Why::kDone;
    const MonoTime now = clock_.mono();
    if (now >= deadline) return Why::kTimeout;
    if (now - looked >= kStopLook) {
      looked = now;
      if (context.stopped()) return Why::kStopped;
    }
    if (!sample_memory(false)) return Why::kMemory;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(
        std::min<std::chrono::nanoseconds>(deadline - now, log_budget_ > 0 ? kSampleEvery : kLogInterval));
    step(static_cast<int>(wait.count()));
    if (done()) return Why::kDone;
    if (has_ended()) {
      step(0);  // what it had said before
      log_budget_ = kLogBudget;
      read_log();
      return done() ? Why::kDone : Why::kEnded;
    }
  }
}

void Environment::explain_end(const std::string& request, Outcome& outcome) {
  const int code = ended_ ? ended_->exit_code : -1;
  std::string type = "Runtime.ExitError", message = request + " Error: ";
  const bool out_of_memory = setup_.group && setup_.group->memory_kills() > 0;
  if (!initialised_ && (code == 126 || code == 127) && setup_.runtime.described.starts_with("provided")) {
    type = "Runtime.InvalidEntrypoint";
    message += "Couldn't find valid bootstrap(s): [/var/task/bootstrap]";
  } else if (code == 0) {
    message += "Runtime exited without providing a reason";
  } else if (code > 128) {
    if (out_of_memory) type = "Runtime.OutOfMemory";
    message += "Runtime exited with error: signal: " + signal_name(code - 128);
  } else {
    message += "Runtime exited with error: exit status " + std::to_string(code);
  }
  outcome.payload = to_bytes(error_payload(type, message));
}

void Environment::explain(Why why, const Invocation& invocation, Outcome& outcome) {
  outcome.kind = Outcome::Kind::kFunctionError;
  outcome.cause = "error";
  const std::string request = "RequestId: " + invocation.request_id;
  switch (why) {
    case Why::kTimeout: {
      outcome.cause = "timeout";
      char seconds[32];
      std::snprintf(seconds, sizeof seconds, "%.2f", static_cast<double>(invocation.timeout.count()) / 1000.0);
      outcome.payload =
          to_bytes(error_payload("Sandbox.Timedout", request + " Error: Task timed out after " + seconds + " seconds"));
      break;
    }
    case Why::kMemory:
      outcome.payload =
          to_bytes(error_payload("Runtime.OutOfMemory", request + " Error: Runtime exited with error: signal: killed"));
      break;
    default: explain_end(request, outcome);
  }
  kill();
}

/// Until the runtime asks for work. An Outcome with kFunctionError when it never will; kTimeout of the init phase is no
/// failure: the invocation goes on waiting.
Result<Outcome> Environment::initialise(const Context& context) {
  Outcome outcome;
  outcome.cold = true;
  const MonoTime begin = clock_.mono();
  log_budget_ = kLogBudget;
  const Why why =
      pump(context, begin + options_.init_timeout, [&] { return api_.is_ready() || api_.init_error().has_value(); });
  outcome.init_duration = micros(clock_.mono() - begin);
  outcome.init_log = std::exchange(log_, {});
  keep_end(outcome.init_log, kLogSizeMax);
  if (why == Why::kStopped) return context.check().error();
  const bool sandbox_failed =
      why == Why::kEnded && ended_ && (ended_->output.starts_with("bwrap: ") || ended_->output.starts_with("coffer-"));
  if (sandbox_failed) {
    kill();
    return Error{ErrorCode::kUnavailable, "the function's sandbox cannot be made: " + ended_->output.substr(0, 500),
                 "see the log of cofferd"};
  }
  if (api_.init_error()) {
    outcome.kind = Outcome::Kind::kFunctionError;
    outcome.cause = "error";
    outcome.payload = to_bytes(*api_.init_error());
    kill();
  } else if (why == Why::kEnded || why == Why::kMemory) {
    Invocation none;
    explain(why, none, outcome);
  } else {
    initialised_ = why == Why::kDone;
  }
  return outcome;
}

Environment::Why Environment::deliver(const Context& context, const Invocation& invocation, MonoTime deadline) {
  // After an answer a runtime comes back for more; it may be on its way.
  if (const Why why = pump(context, deadline, [&] { return api_.is_ready() || api_.init_error().has_value(); });
      why != Why::kDone)
    return why;
  if (!api_.is_ready()) return Why::kEnded;
  initialised_ = true;
  for (Connection& connection : connections_) {
    if (!connection.is_waiting) continue;
    connection.is_waiting = false;
    connection.out += api_.give(invocation, clock_.wall() + invocation.timeout);
    flush(connection);
  }
  return Why::kDone;
}

Result<Outcome> Environment::invoke(const Context& context, const Invocation& invocation) {
  Outcome outcome;
  log_budget_ = kLogBudget;
  if (std::exchange(rests_, false)) {
    for (int pid : inside()) ::kill(pid, SIGCONT);
  }
  if (!initialised_) {
    COFFER_TRY(outcome, initialise(context));
    outcome.interpreter = setup_.runtime.described;
  }
  outcome.environment = setup_.id;
  if (!dead_) {
    const MonoTime begin = clock_.mono(), deadline = begin + invocation.timeout;
    std::optional<RuntimeApi::Result> result;
    Why why = deliver(context, invocation, deadline);
    if (why == Why::kDone) {
      why = pump(context, deadline, [&] {
        if (!result) result = api_.take_result();
        return result.has_value();
      });
    }
    outcome.duration = micros(clock_.mono() - begin);
    if (why == Why::kStopped) {
      kill();
      return context.check().error();
    }
    if (result) {
      // What it wrote before it answered is in the pipe by now.
      read_log();
      if (clock_.mono() - sampled_ > kSampleIdle || memory_max_bytes_ == 0) static_cast<void>(sample_memory(true));
      outcome.payload = to_bytes(result->payload);
      if (result->is_error) {
        outcome.kind = Outcome::Kind::kFunctionError;
        outcome.cause = "error";
      }
    } else if (api_.init_error()) {
      outcome.kind = Outcome::Kind::kFunctionError;
      outcome.cause = "error";
      outcome.payload = to_bytes(*api_.init_error());
      kill();
    } else {
      explain(why, invocation, outcome);
    }
  }
  outcome.log = std::exchange(log_, {});
  keep_end(outcome.log, kLogSizeMax);
  outcome.max_memory_mb = (memory_max_bytes_ + kMegabyte - 1) / kMegabyte;
  return outcome;
}

}  // namespace coffer::functions
