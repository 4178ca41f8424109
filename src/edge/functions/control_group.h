// Control groups around sandboxes, version 2 or 1, where this process may make any.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace coffer::functions {

/// Removed with its object; whoever is in it must be gone by then.
class ControlGroup {
 public:
  ControlGroup(std::vector<std::string> folders, bool is_v2) : folders_(std::move(folders)), v2_(is_v2) {}
  ~ControlGroup();
  ControlGroup(const ControlGroup&) = delete;
  /// The files to which a process writes itself to join.
  [[nodiscard]] std::vector<std::string> procs_files() const;
  /// Processes of it that were killed for want of memory.
  [[nodiscard]] int64_t memory_kills() const;

 private:
  std::vector<std::string> folders_;
  bool v2_;
};

/// Where groups can be made; found once.
class ControlGroups {
 public:
  /// `cgroup_file`: /proc/self/cgroup, `mount`: /sys/fs/cgroup. Nothing can be made: groups are null.
  static ControlGroups find(const std::string& cgroup_file, const std::string& mount);
  ControlGroups() = default;
  [[nodiscard]] bool available() const { return !memory_.empty(); }
  /// What "none", "v1" and "v2" are called in messages.
  [[nodiscard]] std::string describe() const { return !available() ? "none" : v2_ ? "v2" : "v1"; }
  /// Removes what processes that are gone have left: groups are named PREFIX-PID-...
  void remove_abandoned(const std::string& prefix) const;
  /// Null when none can be made.
  [[nodiscard]] std::unique_ptr<ControlGroup> create(const std::string& name, int64_t memory_bytes,
                                                     int64_t processes) const;

 private:
  std::string memory_, pids_;  // folders under which groups are made; the same for version 2
  bool v2_ = false;
};

}  // namespace coffer::functions
