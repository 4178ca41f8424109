// Processes: starting other programs. The only caller of fork and exec.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace coffer {

struct ProcessSpec {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH (of `environment`, else ours) unless it holds a '/'
  std::vector<std::pair<std::string, std::string>> environment;  // the whole environment, nothing is inherited
  std::string working_directory;                                 // empty: the caller's
  std::string output_path;  // stdout and stderr are appended to this file; empty: captured, see ProcessResult
  // Drop to these, supplementary groups emptied; kPermissionDenied when we are neither root nor already that user.
  // Without a gid it is the uid's own of the user database.
  std::optional<uint32_t> uid, gid;
};

struct ProcessResult {
  int exit_code = -1;  // 128 + signal when a signal ended it
  std::string output;  // stdout and stderr together, at most the first and last 64 KiB
};

/// A running child, leader of its own session and process group, standard input empty. The whole group is killed and
/// reaped by the destructor: nothing is left behind, also when we die (PR_SET_PDEATHSIG). Used by one thread at a time.
/// Captured output is taken from the pipe by wait_for() alone: a child that writes much stands still between two calls.
class Process {
 public:
  virtual ~Process() = default;
  [[nodiscard]] virtual int pid() const = 0;
  /// To the child itself, not its group. kFailedPrecondition once it has ended.
  virtual Status signal(int signal_number) = 0;
  /// Nothing when it still runs after `timeout`; the same result again once it has ended. What the child's own children
  /// write after its end is not waited for.
  virtual Result<std::optional<ProcessResult>> wait_for(std::chrono::milliseconds timeout) = 0;
};

class Processes {
 public:
  virtual ~Processes() = default;
  /// An error when the program could not be executed (kNotFound, kPermissionDenied ...): then nothing runs.
  virtual Result<std::unique_ptr<Process>> start(const ProcessSpec& spec) = 0;
  /// Starts and waits; kills it when the context is stopped or `timeout` passes (kDeadlineExceeded).
  Result<ProcessResult> run(const Context& context, const ProcessSpec& spec, std::chrono::milliseconds timeout);
};

/// The kernel's processes. Outlives what it started; safe from many threads at once. The kernel counts the death of the
/// *thread* that forked as the death of the parent, so one thread of ours, kept as long as this lives, does all forks.
class SystemProcesses final : public Processes {
 public:
  SystemProcesses();
  ~SystemProcesses() override;
  Result<std::unique_ptr<Process>> start(const ProcessSpec& spec) override;

 private:
  class ForkThread;
  std::unique_ptr<ForkThread> fork_thread_;
};

}  // namespace coffer
