// DirectoryWalk: the files of a live data directory and its tablespaces, one piece at a time (postgres-backup.md 2.3
// to 2.5).
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "engine/postgres/source.h"
#include "engine/postgres/wal_summary.h"

namespace coffer::postgres {

/// A file as it is read beneath an opened directory: its attributes are those at opening.
Result<std::shared_ptr<SourceFile>> describe_file(File& file, std::string path);
/// Reads from an open file; what it no longer has is zeros.
std::shared_ptr<FileReader> make_file_reader(std::unique_ptr<File> file, std::string path);
/// Reads from memory, for the small files that are made or checked before they are handed on.
std::shared_ptr<FileReader> make_memory_reader(Bytes contents);

/// Cuts one file into pieces that share its reader.
class PieceCutter {
 public:
  PieceCutter() = default;
  PieceCutter(std::shared_ptr<const SourceFile> file, std::shared_ptr<FileReader> reader);
  /// Nothing when the file is used up (or there is none). A file of 0 bytes gives one piece.
  std::optional<Piece> next();

 private:
  std::shared_ptr<const SourceFile> file_;
  std::shared_ptr<FileReader> reader_;
  uint64_t offset_ = 0;
  bool done_ = true;
};

/// Opens pg_wal below an opened data directory, also where it is a symbolic link.
Result<std::unique_ptr<Directory>> open_wal_directory(FileSystem& file_system, Directory& data_directory);

struct WalkOptions {
  std::string pgdata;
  int major = 0;
  uint32_t catalog_version = 0;
  uint32_t blocks_per_segment = 0;
  bool data_checksums = false;
  std::optional<ChangedBlockTable> changed;  // when WAL summaries say what to read
};

/// Depth first, each directory in the order of its names. Holds the names of the directories on the way down and no
/// more. global/pg_control is left out: it is read last, by the owner. Safe from many threads at once.
class DirectoryWalk {
 public:
  static Result<std::unique_ptr<DirectoryWalk>> open(FileSystem& file_system, WalkOptions options);
  /// Nothing at the end. Files that vanish are left out; an error reading a directory or opening a file ends the walk.
  Result<std::optional<Piece>> next(const Context& context);
  [[nodiscard]] bool finished() const;
  /// For the operator, at most a hundred lines.
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  struct Level {
    std::string path;  // below the data directory; "" for itself
    std::unique_ptr<Directory> directory;
    std::vector<DirectoryEntry> entries;  // by name
    size_t next = 0;
  };
  DirectoryWalk(FileSystem& file_system, WalkOptions options);

  Status enter(std::string path, std::unique_ptr<Directory> directory);
  Status visit(const std::string& name, FileType type);
  Status visit_directory(const std::string& path, const std::string& name);
  Status visit_link(const std::string& path, const std::string& name);
  Status visit_tablespace(const std::string& path, const std::string& name);
  Status visit_file(const std::string& path, const std::string& name);
  Status give_directory(const std::string& path, const FileStat& stat);
  void give_directory_only(const std::string& path, const FileStat& stat);
  void note_vanished(const std::string& path, const RelationFile* relation);
  void warn(std::string text);

  FileSystem& file_system_;
  const WalkOptions options_;
  mutable std::mutex mutex_;                     // guards what follows
  std::vector<std::string> tablespaces_inside_;  // paths below the data directory that pg_tblspc links to
  std::vector<Level> levels_;
  std::deque<Piece> ready_;
  PieceCutter cutter_;
  std::vector<std::string> warnings_;
  size_t warnings_dropped_ = 0;
};

}  // namespace coffer::postgres
