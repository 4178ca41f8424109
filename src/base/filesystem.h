// FileSystem, Directory and File: the only way to the disk. Everything below an opened Directory is reached with
// openat2(2) RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS, so a hostile name cannot lead outside.
//
// Vocabulary. A *relative path* has components separated by '/', none empty, "." or "..", and does not begin with '/';
// others are refused with kInvalidArgument before the kernel sees them. "sync" means that the bytes (File) or the
// entries (Directory) survive a power cut once it returned success; after a failed sync they must be taken as lost
// (PostgreSQL's lesson of 2018) and are never synced a second time as if that could help.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer {

enum class FileType : uint8_t { kRegular, kDirectory, kSymlink, kOther };

struct FileStat {
  FileType type = FileType::kRegular;
  uint32_t mode = 0;  // permission bits only, 07777
  uint64_t size_bytes = 0;
  int64_t mtime_ns = 0;  // since 1970, UTC
  int64_t ctime_ns = 0;
  uint64_t inode = 0;
  uint64_t device = 0;
  uint32_t uid = 0, gid = 0;
};

/// A read-only mapping of a whole file; unmapped when destroyed. Only for files that nobody shortens (vault objects).
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  [[nodiscard]] virtual ByteView view() const = 0;
};

inline constexpr size_t kDirectAlignment = 4096;

/// An open regular file. Positioned calls are safe from many threads at once. Closed by the destructor.
class File {
 public:
  virtual ~File() = default;
  /// Reads up to out.size() bytes; fewer only at the end of the file. Returns how many.
  virtual Result<size_t> read_at(uint64_t offset, MutableByteView out) = 0;
  /// Writes all of `in` or fails. kResourceExhausted when the disk or quota is full.
  virtual Status write_at(uint64_t offset, ByteView in) = 0;
  /// As write_at, for bytes that nobody reads soon: passes the page cache by where the file system can and offset, size
  /// and memory are multiples of kDirectAlignment. Not to be mixed with a mapping of the file.
  virtual Status write_around_cache(uint64_t offset, ByteView in) { return write_at(offset, in); }
  virtual Status truncate(uint64_t size_bytes) = 0;
  virtual Status sync() = 0;
  virtual Result<FileStat> stat() = 0;
  virtual Status set_mode(uint32_t mode) = 0;
  virtual Status set_mtime(int64_t mtime_ns) = 0;
  virtual Status set_owner(uint32_t uid, uint32_t gid) = 0;  // only root may give files away
  virtual Result<std::unique_ptr<MappedFile>> map() = 0;
  /// Holds the file for this process until it is closed (flock). kConflict while another process holds it.
  virtual Status try_lock() { return Error{ErrorCode::kUnavailable, "this file system has no locks", {}}; }
};

struct DirectoryEntry {
  std::string name;
  FileType type = FileType::kOther;
};

/// An open directory. Paths are relative to it (see above). Safe from many threads at once. The `mode` of what is
/// created is exact, whatever the umask.
class Directory {
 public:
  virtual ~Directory() = default;
  /// The path it was opened with, for messages only.
  [[nodiscard]] virtual const std::string& path() const = 0;

  virtual Result<std::unique_ptr<File>> open_file(std::string_view relative) = 0;            // read only
  virtual Result<std::unique_ptr<File>> open_file_for_write(std::string_view relative) = 0;  // exists already
  /// New, empty, open for reading and writing. kAlreadyExists when the name is taken.
  virtual Result<std::unique_ptr<File>> create_file(std::string_view relative, uint32_t mode) = 0;
  /// A file without a name (O_TMPFILE); gone when closed unless linked. Falls back to a random ".tmp-" name that is
  /// unlinked at once where the file system has no O_TMPFILE, in which case link() is kUnavailable.
  virtual Result<std::unique_ptr<File>> create_unnamed(uint32_t mode) = 0;
  /// Gives an unnamed file of this directory its name (or a named one a second). kAlreadyExists leaves the old one
  /// alone.
  virtual Status link(File& unnamed, std::string_view relative) = 0;

  virtual Result<std::unique_ptr<Directory>> open_directory(std::string_view relative) = 0;
  virtual Status create_directory(std::string_view relative, uint32_t mode) = 0;  // kAlreadyExists when taken
  /// Creates every missing component and syncs each parent of a new one.
  virtual Status create_directories(std::string_view relative, uint32_t mode) = 0;
  virtual Status create_symlink(std::string_view target, std::string_view relative) = 0;
  virtual Result<std::string> read_symlink(std::string_view relative) = 0;

  /// Does not follow a final symlink.
  virtual Result<FileStat> stat(std::string_view relative) = 0;
  /// Entries of one directory ("" = this one) in no order, without "." and "..". The visitor returns false to stop.
  virtual Status list(std::string_view relative, const std::function<bool(const DirectoryEntry&)>& visit) = 0;
  virtual Status rename(std::string_view from, std::string_view to) = 0;  // replaces a file at `to`
  virtual Status remove_file(std::string_view relative) = 0;  // kNotFound when it is not there; also removes a symlink
  virtual Status remove_directory(std::string_view relative) = 0;  // must be empty
  virtual Status set_mode(std::string_view relative, uint32_t mode) = 0;
  virtual Status set_owner(std::string_view relative, uint32_t uid, uint32_t gid) = 0;  // of a link: the link's own
  /// fsync of one directory ("" = this one).
  virtual Status sync(std::string_view relative) = 0;
  /// syncfs(2): everything of the file system that holds this directory.
  virtual Status sync_filesystem() = 0;
  /// Free bytes for an unprivileged writer.
  virtual Result<uint64_t> free_bytes() = 0;
  /// Files that may still be made (free inodes); UINT64_MAX where the file system has no such limit.
  virtual Result<uint64_t> free_files() = 0;
};

/// The entry point. Absolute and process-relative paths are allowed here and only here.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<Directory>> open_directory(const std::string& path) = 0;
  /// mkdir -p, each new component synced into its parent; then open.
  virtual Result<std::unique_ptr<Directory>> create_directories(const std::string& path, uint32_t mode) = 0;
  virtual Result<FileStat> stat(const std::string& path) = 0;  // follows symlinks
  virtual Result<std::unique_ptr<File>> open_file(const std::string& path) = 0;
  /// Renames across directories of one file system.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  /// A whole small file (at most `limit_bytes`, kResourceExhausted beyond), for key files, settings, /proc.
  Result<Bytes> read_file(const std::string& path, uint64_t limit_bytes = 16 << 20);
};

/// The kernel's file system. Stateless.
class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<Directory>> open_directory(const std::string& path) override;
  Result<std::unique_ptr<Directory>> create_directories(const std::string& path, uint32_t mode) override;
  Result<FileStat> stat(const std::string& path) override;
  Result<std::unique_ptr<File>> open_file(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
};

/// kInvalidArgument unless `path` is a relative path as defined at the top, of at most 4000 bytes.
Status check_relative_path(std::string_view path);
/// The Error for an errno value, with advice where there is some: ENOENT/ENOTDIR kNotFound, EEXIST kAlreadyExists,
/// EACCES/EPERM/EROFS kPermissionDenied, ENOSPC/EDQUOT/EFBIG/EMFILE/ENFILE/ENOMEM kResourceExhausted,
/// EXDEV/ELOOP/ENAMETOOLONG/EISDIR kInvalidArgument, ENOTEMPTY/EBUSY/ENOSYS kFailedPrecondition,
/// EIO/ESTALE/ETIMEDOUT kUnavailable, others kInternal.
Error error_from_errno(int error_number, std::string_view doing);

}  // namespace coffer
