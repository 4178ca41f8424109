// The place that a restore writes to: staging, tablespaces, refusals, publishing.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "engine/jobs/restore.h"
#include "engine/vault/manifest.h"

namespace coffer::jobs {

/// Only one process restores into a target; not thread-safe but for the file calls of the directories it gives.
class RestoreTarget {
 public:
  /// Looks and refuses, makes the staging directory (or marks the directory in place) and the tablespace directories.
  /// After a crash the same call with the same point finds what is there and goes on: `resumes()`.
  static Result<std::unique_ptr<RestoreTarget>> prepare(FileSystem& files, const vault::Manifest& manifest,
                                                        const RestoreOptions& options);

  struct Location {
    Directory* directory = nullptr;
    std::string relative;  // empty: the directory itself
  };
  /// Where a path of the point lies: below the data directory, or below a tablespace's own directory.
  [[nodiscard]] Location locate(const std::string& path) const;
  /// Files are there already and are to be compared, not created.
  [[nodiscard]] bool resumes() const { return resumes_; }
  /// oid -> absolute path here; without tablespaces that live inside the data directory.
  [[nodiscard]] const std::map<uint32_t, std::string>& tablespaces() const { return tablespaces_; }
  [[nodiscard]] Directory& root() const { return *root_; }
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// Gives `file` (or the path) to the owner that the target has, when we are root; else nothing.
  Status own(File& file) const;
  Status own(const Location& location) const;
  /// Missing parents are made with `mode` and owned.
  Status make_directories(const Location& location, uint32_t mode) const;

  /// Removes what the point does not have. `keep` tells which paths it has. Only for a delta or a resumed restore.
  Result<uint64_t> remove_others(const std::function<Result<bool>(const std::string& path, bool is_directory)>& keep);
  /// Writes global/pg_control last, syncs everything, gives the directory its name.
  Status publish(ByteView control_file, uint32_t control_mode);

 private:
  RestoreTarget(FileSystem& files, const RestoreOptions& options) : files_(files), target_(options.target) {}
  Status refuse_running(Directory& directory) const;
  Status prepare_delta(const vault::Manifest& manifest);
  Status prepare_new(const vault::Manifest& manifest, bool exists);
  Status prepare_tablespaces(const vault::Manifest& manifest, const RestoreOptions& options);
  Result<uint64_t> remove_others_in(Directory& directory, const std::string& inside, const std::string& prefix,
                                    const std::function<Result<bool>(const std::string&, bool)>& keep);
  void withdraw();
  Status mark(Directory& directory, const std::string& point_id) const;
  Result<std::string> marked_point(Directory& directory) const;  // empty: no marker

  FileSystem& files_;
  std::string target_, staging_;  // staging_ empty: in place
  std::string point_id_;
  std::unique_ptr<Directory> root_;
  std::map<uint32_t, std::string> tablespaces_;
  std::map<uint32_t, std::unique_ptr<Directory>> tablespace_directories_;
  bool resumes_ = false;
  bool give_away_ = false;
  uint32_t uid_ = 0, gid_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace coffer::jobs
