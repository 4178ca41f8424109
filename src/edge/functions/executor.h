// Runs functions in sandboxes of bubblewrap on this machine.
//
// Vocabulary. environment: one sandbox with a started runtime, for one function and revision; it serves one invocation
// after the other, and between them nobody listens to it. slot: what limits how many there are; as root each has a user
// of its own. The network of a sandbox is its own and has two ports: the Runtime API and the installation's endpoint.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/filesystem.h"
#include "base/processes.h"
#include "edge/functions/runtimes.h"
#include "services/lambda/service.h"

namespace coffer::functions {

struct ExecutorOptions {
  std::string folder;           // for sockets and unpacked code; emptied when it is opened
  std::string sandbox_program;  // coffer-sandbox, see init/main.cc
  std::string bubblewrap = "bwrap";
  RuntimeOptions runtimes;
  /// Where the installation answers ("http://127.0.0.1:9443"): the only place that functions reach.
  std::function<std::string()> endpoint_url;
  std::string ca_file;  // for functions that check the endpoint's certificate; empty: the system's
  int environments_max = 50;
  /// Invocations at once. Each keeps a task of the server that answers its caller, and functions ask that server: when
  /// all tasks wait for functions, no function gets an answer.
  int at_work_max = 8;
  /// The user of the first slot; without it, and when this process is not root, functions run as this process's user.
  std::optional<uint32_t> first_uid = 61'440;
  int processes_max = 256;  // processes and threads of one environment
  std::chrono::seconds idle{300}, init_timeout{10};
  std::chrono::milliseconds rest_after{100};  // idle environments are stopped then, until they are called again
  bool control_groups = true;                 // where the machine lets us make them
  std::function<void(std::string_view level, std::string_view text)> log;
};

class Executor : public lambda::Executor {
 public:
  /// tend(), for who has no lambda::Service that does it.
  void expire() { tend(); }
  /// Environments that exist.
  [[nodiscard]] virtual size_t environments() const = 0;
};
/// kNotFound, kFailedPrecondition when the sandbox program or bubblewrap is missing. All borrowed.
Result<std::unique_ptr<Executor>> open_executor(FileSystem& files, Processes& processes, Clock& clock, Entropy& entropy,
                                                ExecutorOptions options);

}  // namespace coffer::functions
