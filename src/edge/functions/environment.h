// One execution environment: a sandbox, its runtime, and the conversation with it.
#pragma once
#include <poll.h>

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/processes.h"
#include "edge/functions/control_group.h"
#include "edge/functions/executor.h"
#include "edge/functions/http_reader.h"
#include "edge/functions/init/relay.h"
#include "edge/functions/runtime_api.h"

namespace coffer::functions {

/// The host and port of an endpoint, and the URL by which a sandbox reaches it.
struct Endpoint {
  std::string host;  // to connect to, from outside
  uint16_t port = 0;
  std::string name;         // its name inside, beside 127.0.0.1; may be empty
  uint16_t inner_port = 0;  // on 127.0.0.1 inside
  std::string inner_url;
};
/// Nothing for what is no http(s) URL.
std::optional<Endpoint> parse_endpoint(std::string_view url);

struct EnvironmentSetup {
  std::string id, folder;  // folder: on the host, made and removed by the owner
  std::string code_folder;
  Runtime runtime;
  std::map<std::string, std::string> variables;
  std::optional<Endpoint> endpoint;
  std::optional<uint32_t> uid;
  std::unique_ptr<ControlGroup> group;
  int64_t memory_mb = 128, tmp_mb = 512;
  WallTime valid_until;
};

/// Used by one thread at a time, which does all its input and output while it waits: between invocations what runs
/// inside finds nobody to talk to.
class Environment {
 public:
  /// The sandbox is being started when it returns; the first invoke() waits for the runtime.
  static Result<std::unique_ptr<Environment>> start(FileSystem& files, Processes& processes, Clock& clock,
                                                    const ExecutorOptions& options, EnvironmentSetup setup);
  ~Environment();

  /// An error: no function ran (the sandbox could not be made). Whether it may be used again: is_usable().
  Result<lambda::Outcome> invoke(const Context& context, const lambda::Invocation& invocation);
  /// Stops everything inside until the next invocation: nobody works on the machine's time between two.
  void rest();
  /// Looks at the process.
  [[nodiscard]] bool is_usable();
  [[nodiscard]] const std::string& id() const { return setup_.id; }
  [[nodiscard]] WallTime valid_until() const { return setup_.valid_until; }

 private:
  struct Connection {
    explicit Connection(Fd f) : fd(std::move(f)) {}
    Fd fd;
    HttpReader reader{kResponseSizeMax};
    std::string out;
    bool is_waiting = false, closes = false;
  };
  enum class Why { kDone, kTimeout, kEnded, kMemory, kStopped };

  Environment(Clock& clock, const ExecutorOptions& options, EnvironmentSetup setup)
      : clock_(clock), options_(options), setup_(std::move(setup)) {}
  Status open(FileSystem& files, Processes& processes);
  [[nodiscard]] std::vector<std::string> command_line() const;
  Status write_start(FileSystem& files) const;

  /// Serves everybody until `done`, the deadline, or the end of the process or its memory.
  Why pump(const Context& context, MonoTime deadline, const std::function<bool()>& done);
  void step(int timeout_ms);
  void read_log();
  void accept_connections();
  void serve(Connection& connection);
  static void flush(Connection& connection);
  /// False: there is too much of it.
  bool sample_memory(bool always);
  [[nodiscard]] bool has_ended();

  Result<lambda::Outcome> initialise(const Context& context);
  Why deliver(const Context& context, const lambda::Invocation& invocation, MonoTime deadline);
  /// What a caller is told about an invocation that has no result.
  void explain(Why why, const lambda::Invocation& invocation, lambda::Outcome& outcome);
  void explain_end(const std::string& request, lambda::Outcome& outcome);
  void kill();
  /// All but the two processes that make the sandbox.
  [[nodiscard]] std::vector<int> inside() const;

  Clock& clock_;
  const ExecutorOptions& options_;
  EnvironmentSetup setup_;
  RuntimeApi api_;
  Fd log_pipe_, api_listener_, endpoint_listener_, watch_;
  std::unique_ptr<Process> process_;
  std::optional<ProcessResult> ended_;
  std::list<Connection> connections_;
  Relay relay_;
  std::vector<pollfd> polled_;
  std::string log_;
  int64_t log_budget_ = 0;
  MonoTime log_budget_since_, sampled_;
  int64_t memory_max_bytes_ = 0;
  bool initialised_ = false, dead_ = false, log_open_ = true, rests_ = false;
};

}  // namespace coffer::functions
