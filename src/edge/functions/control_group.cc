#include "edge/functions/control_group.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <sstream>

#include "base/fd.h"

namespace coffer::functions {
namespace {

std::string read_text(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(8192, '\0');
  const ssize_t n = fd.valid() ? ::read(fd.get(), text.data(), text.size()) : 0;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

bool write_text(const std::string& path, const std::string& text) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd.valid() && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string one; words >> one;) {
    if (one == word) return true;
  }
  return false;
}

/// Makes and removes one, since permission shows only then.
bool can_make_groups(const std::string& folder, const std::string& needed_file) {
  const std::string probe = folder + "/coffer-probe-" + std::to_string(::getpid());
  if (::mkdir(probe.c_str(), 0755) != 0) return false;
  const bool works = ::access((probe + "/" + needed_file).c_str(), W_OK) == 0;
  ::rmdir(probe.c_str());
  return works;
}

}  // namespace

ControlGroups ControlGroups::find(const std::string& cgroup_file, const std::string& mount) {
  ControlGroups groups;
  std::istringstream lines(read_text(cgroup_file));
  std::string v2_path, memory_path, pids_path;
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controllers == ",,") v2_path = mount + path;
    if (controllers.find(",memory,") != std::string::npos) memory_path = mount + "/memory" + path;
    if (controllers.find(",pids,") != std::string::npos) pids_path = mount + "/pids" + path;
  }
  if (!v2_path.empty() && has_word(read_text(v2_path + "/cgroup.controllers"), "memory")) {
    // A service that was delegated its group has itself in it: groups with controllers come only beside processes.
    write_text(v2_path + "/cgroup.subtree_control", "+memory +pids");
    if (!has_word(read_text(v2_path + "/cgroup.subtree_control"), "memory")) {
      const std::string own = v2_path + "/coffer";
      ::mkdir(own.c_str(), 0755);
      if (read_text(v2_path + "/cgroup.procs") == std::to_string(::getpid()) + "\n" &&
          write_text(own + "/cgroup.procs", "0"))
        write_text(v2_path + "/cgroup.subtree_control", "+memory +pids");
    }
    if (can_make_groups(v2_path, "memory.max")) {
      groups.memory_ = groups.pids_ = v2_path;
      groups.v2_ = true;
    }
    return groups;
  }
  if (!memory_path.empty() && !pids_path.empty() && can_make_groups(memory_path, "memory.limit_in_bytes") &&
      can_make_groups(pids_path, "pids.max")) {
    groups.memory_ = memory_path;
    groups.pids_ = pids_path;
  }
  return groups;
}

void ControlGroups::remove_abandoned(const std::string& prefix) const {
  for (const std::string& folder : {memory_, pids_}) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder.empty() ? "/nowhere" : folder, ignored)) {
      const std::string name = entry.path().filename();
      if (!name.starts_with(prefix + "-")) continue;
      const int pid = std::atoi(name.c_str() + prefix.size() + 1);
      if (pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) ::rmdir(entry.path().c_str());
    }
  }
}

std::unique_ptr<ControlGroup> ControlGroups::create(const std::string& name, int64_t memory_bytes,
                                                    int64_t processes) const {
  if (!available()) return nullptr;
  std::vector<std::string> folders{memory_ + "/" + name};
  if (!v2_) folders.push_back(pids_ + "/" + name);
  for (const std::string& folder : folders) {
    if (::mkdir(folder.c_str(), 0755) != 0) return nullptr;
  }
  auto group = std::make_unique<ControlGroup>(folders, v2_);
  bool limited =
      write_text(folders.front() + (v2_ ? "/memory.max" : "/memory.limit_in_bytes"), std::to_string(memory_bytes)) &&
      write_text(folders.back() + "/pids.max", std::to_string(processes));
  // Where there is swap a function does not use it; where the kernel does not count it there is nothing to write.
  if (v2_) write_text(folders.front() + "/memory.swap.max", "0");
  if (!v2_) write_text(folders.front() + "/memory.memsw.limit_in_bytes", std::to_string(memory_bytes));
  return limited ? std::move(group) : nullptr;
}

ControlGroup::~ControlGroup() {
  // The last processes are killed already, and leave within milliseconds.
  constexpr int kTriesMax = 100;
  constexpr timespec kPause{0, 2'000'000};
  for (const std::string& folder : folders_) {
    for (int tries = 0; ::rmdir(folder.c_str()) != 0 && errno == EBUSY && tries < kTriesMax; ++tries)
      ::nanosleep(&kPause, nullptr);
  }
}

std::vector<std::string> ControlGroup::procs_files() const {
  std::vector<std::string> files;
  for (const std::string& folder : folders_) files.push_back(folder + "/cgroup.procs");
  return files;
}

int64_t ControlGroup::memory_kills() const {
  std::istringstream words(read_text(folders_.front() + (v2_ ? "/memory.events" : "/memory.oom_control")));
  for (std::string name, value; words >> name >> value;) {
    if (name == "oom_kill") return std::strtoll(value.c_str(), nullptr, 10);
  }
  return 0;
}

}  // namespace coffer::functions
