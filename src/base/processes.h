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
  std::vector<std::string> argv;  // argv[0] is looked up in PATH unless it holds a '/'
  std::vector<std::pair<std::string, std::string>> environment;  // the whole environment, nothing is inherited
  std::string working_directory;  // empty: the caller's
  std::string output_path;        // stdout and stderr are appended to this file; empty: captured, see ProcessResult
  std::optional<uint32_t> uid, gid;  // drop to these (supplementary groups emptied) when we are root
};

struct ProcessResult {
  int exit_code = -1;  // 128 + signal when a signal ended it
  std::string output;  // stdout and stderr together, at most the first and last 64 KiB
};

/// A running child. Its whole process group is killed and reaped by the destructor: nothing is left behind, also
/// when we die (PR_SET_PDEATHSIG).
class Process {
 public:
  virtual ~Process() = default;
  [[nodiscard]] virtual int pid() const = 0;
  virtual Status signal(int signal_number) = 0;
  /// Nothing when it still runs after `timeout`.
  virtual Result<std::optional<ProcessResult>> wait_for(std::chrono::milliseconds timeout) = 0;
};

class Processes {
 public:
  virtual ~Processes() = default;
  virtual Result<std::unique_ptr<Process>> start(const ProcessSpec& spec) = 0;
  /// Starts and waits; kills it when the context is stopped or `timeout` passes (kDeadlineExceeded).
  Result<ProcessResult> run(const Context& context, const ProcessSpec& spec, std::chrono::milliseconds timeout);
};

class SystemProcesses final : public Processes {
 public:
  Result<std::unique_ptr<Process>> start(const ProcessSpec& spec) override;
};

}  // namespace coffer
