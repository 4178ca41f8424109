// Which interpreter serves the runtime name of a function, and how it is started.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/filesystem.h"
#include "base/processes.h"

namespace coffer::functions {

/// How to start one runtime inside of a sandbox.
struct Runtime {
  std::string described;               // "python3.11", "nodejs20", "provided"
  std::vector<std::string> arguments;  // paths as they are in the sandbox
  std::string folder;                  // on the host: what is /var/runtime; empty: nothing
  std::vector<std::pair<std::string, std::string>> variables;
  /// What an interpreter maps beside what its program asks for: the limit on its data grows by it.
  int64_t data_mb = 256;
};

struct RuntimeOptions {
  /// Has a folder python3.N for each served N, with awslambdaric and boto3 for /usr/bin/python3.N.
  std::string packages;
  std::string node = "/usr/bin/node";  // empty or missing: no Node
};

/// What this machine has; looked up once.
class Runtimes {
 public:
  /// `folder`: where the files of the Node runtime are written to.
  static Runtimes find(FileSystem& files, Processes& processes, const RuntimeOptions& options,
                       const std::string& folder);
  /// kInvalidArgument says what there is instead.
  [[nodiscard]] Result<Runtime> serve(std::string_view name, const std::string& handler) const;
  /// "python3.11 (for python3.8)"; the name alone when it is served as it says.
  [[nodiscard]] Result<std::string> describe(std::string_view name) const;

 private:
  [[nodiscard]] std::string available() const;
  std::vector<int> pythons_;  // minor versions of Python 3, ascending
  std::string packages_;
  std::string node_, node_folder_;  // "nodejs20"; empty: none
  std::string node_program_;
};

/// The program that speaks the Runtime API for Node functions.
extern const std::string_view kNodeRuntime;

}  // namespace coffer::functions
