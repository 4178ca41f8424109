// One run of one command: its arguments, and the things that it works with, each made when it is first asked for.
#pragma once
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/entropy.h"
#include "edge/cli/arguments.h"
#include "edge/cli/key_source.h"
#include "edge/cli/progress_renderer.h"
#include "engine/jobs/environment.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/vault.h"

namespace coffer::cli {

/// The outside. Made by main.cc, or by a test; all borrowed.
struct World {
  FileSystem& files;
  Clock& clock;
  Entropy& entropy;
  Processes& processes;
  Sink& out;       // data
  Sink& messages;  // everything else
  Prompter& prompter;
  const EnvironmentVariables& environment;
  const StopSource& stop;
};

class Invocation {
 public:
  Invocation(World& world, const Arguments& arguments);
  ~Invocation();
  Invocation(const Invocation&) = delete;
  Invocation& operator=(const Invocation&) = delete;

  [[nodiscard]] World& world() const { return world_; }
  [[nodiscard]] const Arguments& arguments() const { return arguments_; }
  [[nodiscard]] const Context& context() const { return context_; }
  [[nodiscard]] bool json() const { return arguments_.flag("json"); }

  /// Data, on standard output. The progress line is out of the way by then.
  void print(std::string_view text);
  void print_document(const nlohmann::ordered_json& document);
  /// For people, on standard error; silent with --json.
  void warn(std::string_view what, std::string_view next = {});

  Progress& progress();
  /// The store that --vault names: a directory, or s3://. `create` makes the directory.
  Result<store::ObjectStore*> store(bool create = false);
  /// Any other place: a directory, or s3://. `purpose` is for messages: "opening the vault".
  Result<std::unique_ptr<store::ObjectStore>> open_place(const std::string& place, std::string_view purpose,
                                                         bool create);
  /// What store() gives from now on.
  void adopt_store(std::unique_ptr<store::ObjectStore> store) { store_ = std::move(store); }
  [[nodiscard]] KeyLoader key_loader() const;
  /// The vault, opened with --key.
  Result<vault::Vault*> vault();
  [[nodiscard]] bool has_key() const { return arguments_.text("key").has_value(); }
  Result<vault::CommitLog*> log();
  /// What jobs are given; makes the private scratch directory.
  Result<const jobs::Environment*> environment();
  /// The private scratch directory stays when the run ends.
  void keep_scratch() { keep_scratch_ = true; }
  /// An absolute form of a path given on the command line.
  [[nodiscard]] static std::string absolute(const std::string& path);

 private:
  struct Scratch;
  Status make_scratch();
  Result<std::map<int, std::string>> pg_binaries() const;

  World& world_;
  const Arguments& arguments_;
  Context context_;
  std::optional<ProgressRenderer> renderer_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<vault::Vault> vault_;
  std::unique_ptr<vault::CommitLog> log_;
  std::unique_ptr<Scratch> scratch_;
  std::optional<ByteBudget> budget_;
  std::optional<jobs::Environment> environment_;
  bool keep_scratch_ = false;
};

/// Runs a whole command line; what main() returns.
int run_command_line(World& world, const std::vector<std::string>& words);

}  // namespace coffer::cli
