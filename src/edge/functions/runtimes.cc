#include "edge/functions/runtimes.h"

#include <algorithm>
#include <charconv>

#include "base/new_file.h"

namespace coffer::functions {
namespace {

constexpr int kPythonMin = 6, kPythonMax = 20;
constexpr std::chrono::seconds kVersionTimeout{10};

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// N of "python3.N".
std::optional<int> python_minor(std::string_view name) {
  constexpr std::string_view kPrefix = "python3.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const auto minor = number(name.substr(kPrefix.size()));
  return minor && *minor >= kPythonMin && *minor <= kPythonMax ? minor : std::nullopt;
}

bool is_node(std::string_view name) {
  return name.starts_with("nodejs") && name.ends_with(".x") && number(name.substr(6, name.size() - 8)).has_value();
}

bool is_provided(std::string_view name) {
  return name == "provided" || name == "provided.al2" || name == "provided.al2023";
}

std::string python(int minor) { return "python3." + std::to_string(minor); }

}  // namespace

Runtimes Runtimes::find(FileSystem& files, Processes& processes, const RuntimeOptions& options,
                        const std::string& folder) {
  Runtimes all;
  all.packages_ = options.packages;
  for (int minor = kPythonMin; minor <= kPythonMax; ++minor) {
    if (files.stat("/usr/bin/" + python(minor)).ok() &&
        files.stat(options.packages + "/" + python(minor) + "/awslambdaric").ok())
      all.pythons_.push_back(minor);
  }
  if (options.node.empty() || !files.stat(options.node).ok()) return all;
  ProcessSpec version;
  version.argv = {options.node, "--version"};
  auto ran = processes.run(Context(), version, kVersionTimeout);
  if (!ran.ok() || ran->exit_code != 0 || !ran->output.starts_with('v')) return all;
  auto runtime = files.create_directories(folder + "/node", 0755);
  if (!runtime.ok()) return all;
  Status written = write_new_file(**runtime, "runtime.mjs", as_bytes(kNodeRuntime), 0444);
  if (!written.ok() && written.code() != ErrorCode::kAlreadyExists) return all;
  all.node_ = "nodejs" + ran->output.substr(1, ran->output.find('.') - 1);
  all.node_folder_ = folder + "/node";
  all.node_program_ = options.node;
  return all;
}

std::string Runtimes::available() const {
  std::string text;
  for (int minor : pythons_) text += python(minor) + ", ";
  if (!node_.empty()) text += node_ + ".x, ";
  return text + "provided.al2023";
}

Result<Runtime> Runtimes::serve(std::string_view name, const std::string& handler) const {
  if (const auto minor = python_minor(name); minor && !pythons_.empty()) {
    const bool same = std::find(pythons_.begin(), pythons_.end(), *minor) != pythons_.end();
    const std::string version = python(same ? *minor : pythons_.back());
    return Runtime{version,
                   {"/usr/bin/" + version, "-m", "awslambdaric", handler},
                   packages_ + "/" + version,
                   {{"PYTHONPATH", "/var/runtime"}, {"PYTHONDONTWRITEBYTECODE", "1"}},
                   256};
  }
  if (is_node(name) && !node_.empty()) {
    return Runtime{node_,
                   {node_program_, "/var/runtime/runtime.mjs"},
                   node_folder_,
                   {{"NODE_PATH", "/opt/nodejs/node_modules:/var/task/node_modules"}},
                   1024};
  }
  if (is_provided(name)) return Runtime{std::string(name), {"/var/task/bootstrap"}, "", {}, 1024};
  const bool known = python_minor(name) || is_node(name);
  return Error{ErrorCode::kInvalidArgument,
               known ? "The runtime " + std::string(name) +
                           " is not served here: its interpreter or its packages are "
                           "missing. This installation has " +
                           available() + "."
                     : "The runtime parameter of " + std::string(name) +
                           " is not supported by this installation. It has " + available() + ".",
               "run scripts/setup"};
}

Result<std::string> Runtimes::describe(std::string_view name) const {
  COFFER_TRY(const Runtime runtime, serve(name, ""));
  const bool same = runtime.described == name || runtime.described + ".x" == name;
  return same ? runtime.described : runtime.described + " (for " + std::string(name) + ")";
}

}  // namespace coffer::functions
