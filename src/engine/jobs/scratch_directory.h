// A private directory for one throw-away cluster, gone with its object.
#pragma once
#include <memory>
#include <string>

#include "base/filesystem.h"
#include "engine/jobs/environment.h"

namespace coffer::jobs {

/// `<environment.scratch>/p-<random>`, mode 0700: short, because a socket's path below it has at most 107 bytes. As
/// root it belongs to the database's user (else to nobody), since PostgreSQL refuses to run as root; the scratch
/// directory around it then becomes one that others may pass through, not list.
class ScratchDirectory {
 public:
  static Result<std::unique_ptr<ScratchDirectory>> create(const Environment& environment);
  /// Removes everything in it, following no link, unless keep() was called.
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Makes `name` below it, mode 0700, with its owner. Returns the whole path.
  Result<std::string> make(const std::string& name);
  void keep() { keep_ = true; }
  /// Removes now, and tells what could not be removed.
  Status remove();

 private:
  ScratchDirectory() = default;
  std::unique_ptr<Directory> parent_;
  std::string name_, path_;
  bool give_away_ = false;
  uint32_t uid_ = 0, gid_ = 0;
  bool keep_ = false;
};

/// Removes `relative` of `directory` and all below it; links are removed, never followed. What is not there is a
/// success.
Status remove_tree(Directory& directory, const std::string& relative);

}  // namespace coffer::jobs
