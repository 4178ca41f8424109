#include "base/filesystem.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>

#include "base/entropy.h"
#include "base/fd.h"

namespace coffer {

Error error_from_errno(int error_number, std::string_view doing) {
  auto make = [&](ErrorCode code, std::string_view next_step = {}) {
    // The kernel's text for ELOOP speaks of "too many" links, while here one is enough.
    std::string why =
        error_number == ELOOP ? "a symbolic link is in the way" : std::generic_category().message(error_number);
    return Error{code, std::string(doing) + ": " + why, std::string(next_step)};
  };
  switch (error_number) {
    case ENOENT:
    case ENOTDIR: return make(ErrorCode::kNotFound);
    case EEXIST: return make(ErrorCode::kAlreadyExists);
    case EACCES:
    case EPERM:
      return make(ErrorCode::kPermissionDenied, "check the owner and the mode of the file and of the folders above it");
    case EROFS:
      return make(ErrorCode::kPermissionDenied, "the file system is mounted read-only: see the kernel log for why");
    case ENOSPC:
      return make(ErrorCode::kResourceExhausted,
                  "free space (or inodes) on that file system, then run the command again");
    case EDQUOT:
      return make(ErrorCode::kResourceExhausted,
                  "raise the disk quota of this user or free space, then run the command again");
    case EFBIG:
      return make(ErrorCode::kResourceExhausted,
                  "raise the file size limit (ulimit -f), or use a file system that allows larger files");
    case EMFILE:
    case ENFILE:
      return make(ErrorCode::kResourceExhausted, "raise the limit of open files (ulimit -n) or use fewer jobs");
    case ENOMEM: return make(ErrorCode::kResourceExhausted, "free memory or lower the byte budget");
    case EXDEV:
    case ELOOP:
    case ENAMETOOLONG:
    case EISDIR: return make(ErrorCode::kInvalidArgument);
    case ENOTEMPTY:
    case EBUSY: return make(ErrorCode::kFailedPrecondition);
    case ENOSYS: return make(ErrorCode::kFailedPrecondition, "Linux 5.6 or newer is needed (openat2)");
    case EIO:
      return make(ErrorCode::kUnavailable, "the device reported an error: see the kernel log before trusting it again");
    case ESTALE:
    case ETIMEDOUT: return make(ErrorCode::kUnavailable, "check the network file system's server and mount");
    default: return make(ErrorCode::kInternal);
  }
}

Status check_relative_path(std::string_view path) {
  auto bad = [&](std::string_view why) {
    constexpr size_t kShownMax = 200;
    std::string shown(path.substr(0, kShownMax));
    for (char& c : shown)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return Error{ErrorCode::kInvalidArgument, "refused the path '" + shown + "': " + std::string(why), {}};
  };
  constexpr size_t kPathSizeMax = 4000;  // below PATH_MAX, so that the kernel never truncates the question
  if (path.empty()) return bad("it is empty");
  if (path.size() > kPathSizeMax) return bad("it is longer than 4000 bytes");
  if (path.find('\0') != path.npos) return bad("it holds a zero byte");
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = std::min(path.find('/', begin), path.size());
    std::string_view component = path.substr(begin, end - begin);
    if (component.empty()) return bad(begin == 0 ? "it is absolute" : "it has an empty component");
    if (component == "." || component == "..") return bad("'.' and '..' are not allowed in it");
    begin = end + 1;
  }
  return ok_status();
}

Result<Bytes> FileSystem::read_file(const std::string& path, uint64_t limit_bytes) {
  COFFER_TRY(auto file, open_file(path));
  // Files of /proc have size 0 and content all the same, so the end is found by reading.
  constexpr size_t kStep = 64 << 10;
  Bytes content;
  for (;;) {
    const size_t before = content.size();
    content.resize(before + kStep);
    COFFER_TRY(size_t got, file->read_at(before, MutableByteView(content).subspan(before)));
    content.resize(before + got);
    if (content.size() > limit_bytes)
      return Error{ErrorCode::kResourceExhausted,
                   "reading " + path + ": it is larger than " + std::to_string(limit_bytes) + " bytes",
                   {}};
    if (got < kStep) return content;
  }
}

namespace {

constexpr int kFileFlags = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;  // O_NONBLOCK: a FIFO must not hold us
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// For the errno of the call just made. Takes views, so that nothing allocates (and changes errno) before it is read.
Error last_error(std::string_view doing, std::string_view path) {
  const int error_number = errno;
  return error_from_errno(error_number, std::string(doing) + " " + std::string(path));
}

// The one call that resolves names of more than one component.
Fd open_beneath(int directory, const char* path, int flags, uint32_t mode = 0) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return Fd(
      static_cast<int>(retry_interrupted([&] { return syscall(SYS_openat2, directory, path, &how, sizeof how); })));
}

FileType type_of(mode_t mode) {
  if (S_ISREG(mode)) return FileType::kRegular;
  if (S_ISDIR(mode)) return FileType::kDirectory;
  if (S_ISLNK(mode)) return FileType::kSymlink;
  return FileType::kOther;
}

FileStat convert(const struct stat& st) {
  auto nanoseconds = [](const timespec& t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
  return FileStat{.type = type_of(st.st_mode),
                  .mode = st.st_mode & 07777,
                  .size_bytes = static_cast<uint64_t>(st.st_size),
                  .mtime_ns = nanoseconds(st.st_mtim),
                  .ctime_ns = nanoseconds(st.st_ctim),
                  .inode = st.st_ino,
                  .device = st.st_dev,
                  .uid = st.st_uid,
                  .gid = st.st_gid};
}

// An fsync that failed once has failed for good: the kernel may have dropped the pages and reports the error only once,
// so a second call could answer with a false success. The lock makes a concurrent call see the failure too.
class SyncOnce {
 public:
  Status sync(int fd, const std::string& path) {
    std::lock_guard lock(mutex_);
    if (error_) return *error_;
    if (retry_interrupted([&] { return ::fsync(fd); }) == 0) return ok_status();
    return remember(last_error("syncing", path));
  }
  Status sync_filesystem(int fd, const std::string& path) {
    std::lock_guard lock(mutex_);
    if (error_) return *error_;
    if (retry_interrupted([&] { return ::syncfs(fd); }) == 0) return ok_status();
    return remember(last_error("syncing the file system of", path));
  }
  Status check() {
    if (!failed_.load(std::memory_order_acquire)) return ok_status();
    std::lock_guard lock(mutex_);
    return *error_;
  }

 private:
  Error remember(Error error) {
    error_ =
        std::move(error).advise("what was written may be lost: check the device, then write it again from its source");
    failed_.store(true, std::memory_order_release);
    return *error_;
  }
  std::mutex mutex_;
  std::optional<Error> error_;
  std::atomic<bool> failed_{false};
};

class PosixMappedFile final : public MappedFile {
 public:
  PosixMappedFile(void* address, size_t size_bytes) : address_(address), size_bytes_(size_bytes) {}
  PosixMappedFile(const PosixMappedFile&) = delete;
  PosixMappedFile& operator=(const PosixMappedFile&) = delete;
  ~PosixMappedFile() override {
    if (size_bytes_ != 0) ::munmap(address_, size_bytes_);
  }
  [[nodiscard]] ByteView view() const override { return {static_cast<const std::byte*>(address_), size_bytes_}; }

 private:
  void* address_;
  size_t size_bytes_;
};

class PosixFile final : public File {
 public:
  PosixFile(Fd fd, std::string path, bool linkable) : fd_(std::move(fd)), path_(std::move(path)), linkable_(linkable) {}

  Result<size_t> read_at(uint64_t offset, MutableByteView out) override {
    size_t done = 0;
    while (done < out.size()) {
      ssize_t n = retry_interrupted(
          [&] { return ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done)); });
      if (n < 0) return failed("reading");
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status write_at(uint64_t offset, ByteView in) override { return write_through(fd_.get(), offset, in); }

  Status write_around_cache(uint64_t offset, ByteView in) override {
    const bool aligned = offset % kDirectAlignment == 0 && in.size() % kDirectAlignment == 0 &&
                         reinterpret_cast<uintptr_t>(in.data()) % kDirectAlignment == 0;
    if (!aligned) return write_at(offset, in);
    // A second description of the same file: O_DIRECT on the first would also hold for reads and unaligned tails.
    std::call_once(direct_once_, [this] {
      const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
      direct_ = Fd(::open(self.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
    });
    if (!direct_.valid()) return write_at(offset, in);
    Status direct = write_through(direct_.get(), offset, in);
    // A device with larger sectors than kDirectAlignment refuses (EINVAL): the cache takes it, or tells the real error.
    if (!direct.ok() && direct.code() == ErrorCode::kInternal) return write_at(offset, in);
    return direct;
  }

  Status try_lock() override {
    if (retry_interrupted([&] { return ::flock(fd_.get(), LOCK_EX | LOCK_NB); }) == 0) return ok_status();
    if (errno == EWOULDBLOCK) return Error{ErrorCode::kConflict, path_ + " is held by another process", {}};
    return failed("locking");
  }

  Status truncate(uint64_t size_bytes) override {
    COFFER_CHECK_OK(sync_.check());
    return done_or_failed(retry_interrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)); }),
                          "setting the size of");
  }

  // fsync, not fdatasync: modes and times that a restore sets must survive as well.
  Status sync() override { return sync_.sync(fd_.get(), path_); }

  Result<FileStat> stat() override {
    struct stat st;
    if (::fstat(fd_.get(), &st) != 0) return failed("looking at");
    return convert(st);
  }

  Status set_mode(uint32_t mode) override {
    return done_or_failed(::fchmod(fd_.get(), static_cast<mode_t>(mode)), "setting the mode of");
  }

  Status set_owner(uint32_t uid, uint32_t gid) override {
    return done_or_failed(::fchown(fd_.get(), uid, gid), "setting the owner of");
  }

  Status set_mtime(int64_t mtime_ns) override {
    int64_t seconds = mtime_ns / 1'000'000'000, nanoseconds = mtime_ns % 1'000'000'000;
    if (nanoseconds < 0) nanoseconds += 1'000'000'000, --seconds;
    const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = seconds, .tv_nsec = nanoseconds}};
    return done_or_failed(::futimens(fd_.get(), times), "setting the time of");
  }

  Result<std::unique_ptr<MappedFile>> map() override {
    COFFER_TRY(FileStat st, stat());
    if (st.size_bytes == 0) return std::unique_ptr<MappedFile>(std::make_unique<PosixMappedFile>(nullptr, 0));
    void* address = ::mmap(nullptr, st.size_bytes, PROT_READ, MAP_SHARED, fd_.get(), 0);
    if (address == MAP_FAILED) return failed("mapping");
    return std::unique_ptr<MappedFile>(std::make_unique<PosixMappedFile>(address, st.size_bytes));
  }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool linkable() const { return linkable_; }

 private:
  Status write_through(int fd, uint64_t offset, ByteView in) {
    COFFER_CHECK_OK(sync_.check());
    size_t done = 0;
    while (done < in.size()) {
      ssize_t n = retry_interrupted(
          [&] { return ::pwrite(fd, in.data() + done, in.size() - done, static_cast<off_t>(offset + done)); });
      if (n < 0) return failed("writing");
      if (n == 0) return error_from_errno(ENOSPC, "writing " + path_);
      done += static_cast<size_t>(n);
    }
    return ok_status();
  }

  [[nodiscard]] Error failed(std::string_view doing) const { return last_error(doing, path_); }
  Status done_or_failed(int result, std::string_view doing) const {
    if (result == 0) return ok_status();
    return failed(doing);
  }

  Fd fd_;
  std::once_flag direct_once_;
  Fd direct_;  // opened when first used
  const std::string path_;
  const bool linkable_;
  SyncOnce sync_;
};

// Modes are exact whatever the umask is: a restored cluster must get the modes it had. The owner's own bits are not
// looked at again, which spares a call for the usual 0600 and 0700.
Status force_mode(int fd, uint32_t mode, const std::string& path) {
  if ((mode & ~0700U) == 0 || ::fchmod(fd, static_cast<mode_t>(mode)) == 0) return ok_status();
  return last_error("setting the mode of", path);
}

Result<std::unique_ptr<File>> opened_regular(Fd fd, std::string path) {
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return last_error("looking at", path);
  if (!S_ISREG(st.st_mode))
    return Error{ErrorCode::kInvalidArgument, "opening " + path + ": it is not a regular file", {}};
  return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), std::move(path), true));
}

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

class PosixDirectory final : public Directory {
 public:
  PosixDirectory(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  [[nodiscard]] const std::string& path() const override { return path_; }

  Result<std::unique_ptr<File>> open_file(std::string_view relative) override {
    return open_existing(relative, O_RDONLY);
  }
  Result<std::unique_ptr<File>> open_file_for_write(std::string_view relative) override {
    return open_existing(relative, O_RDWR);
  }

  Result<std::unique_ptr<File>> create_file(std::string_view relative, uint32_t mode) override {
    COFFER_CHECK_OK(check_relative_path(relative));
    Fd fd = open_beneath(fd_.get(), std::string(relative).c_str(), O_RDWR | O_CREAT | O_EXCL | kFileFlags, mode);
    if (!fd.valid()) return failed("creating", relative);
    COFFER_CHECK_OK(force_mode(fd.get(), mode, full(relative)));
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), full(relative), true));
  }

  Result<std::unique_ptr<File>> create_unnamed(uint32_t mode) override {
    const std::string path = path_ + "/(unnamed)";
    bool linkable = true;
    Fd fd(retry_interrupted(
        [&] { return ::openat(fd_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, static_cast<mode_t>(mode)); }));
    if (!fd.valid() && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
      linkable = false;
      const std::string name = ".tmp-" + to_hex(SystemEntropy().array<12>());
      fd = open_beneath(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | kFileFlags, mode);
      if (fd.valid() && ::unlinkat(fd_.get(), name.c_str(), 0) != 0) return failed("removing", name);
    }
    if (!fd.valid()) return last_error("creating a file in", path_);
    COFFER_CHECK_OK(force_mode(fd.get(), mode, path));
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), path, linkable));
  }

  Status link(File& unnamed, std::string_view relative) override {
    auto* file = dynamic_cast<PosixFile*>(&unnamed);
    COFFER_ASSERT(file != nullptr);
    if (!file->linkable())
      return Error{
          ErrorCode::kUnavailable, "linking " + full(relative) + ": this file system has no unnamed files", {}};
    COFFER_TRY(Parent parent, open_parent(relative));
    const std::string source = "/proc/self/fd/" + std::to_string(file->fd());
    return done_or_failed(::linkat(AT_FDCWD, source.c_str(), parent.fd(), parent.name.c_str(), AT_SYMLINK_FOLLOW),
                          "linking", relative);
  }

  Result<std::unique_ptr<Directory>> open_directory(std::string_view relative) override {
    COFFER_TRY(Fd fd, open_for_listing(relative, "opening"));
    return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(std::move(fd), full(relative)));
  }

  Status create_directory(std::string_view relative, uint32_t mode) override {
    COFFER_TRY(Parent parent, open_parent(relative));
    if (::mkdirat(parent.fd(), parent.name.c_str(), static_cast<mode_t>(mode)) != 0)
      return failed("creating", relative);
    if ((mode & ~0700U) == 0) return ok_status();
    return set_mode(relative, mode);
  }

  Status create_directories(std::string_view relative, uint32_t mode) override {
    COFFER_CHECK_OK(check_relative_path(relative));
    if (open_beneath(fd_.get(), std::string(relative).c_str(), kDirectoryFlags).valid()) return ok_status();
    for (size_t end = relative.find('/');; end = relative.find('/', end + 1)) {
      const std::string_view part = relative.substr(0, end);
      Status created = create_directory(part, mode);
      if (created.ok()) {
        const size_t slash = part.rfind('/');
        COFFER_CHECK_OK(sync(slash == part.npos ? std::string_view{} : part.substr(0, slash)));
      } else if (created.code() != ErrorCode::kAlreadyExists) {
        return created;
      } else {
        COFFER_TRY(FileStat st, stat(part));
        if (st.type != FileType::kDirectory) return std::move(created).error().in("it is there and not a directory");
      }
      if (end == relative.npos) return ok_status();
    }
  }

  Status create_symlink(std::string_view target, std::string_view relative) override {
    if (target.empty() || target.find('\0') != target.npos)
      return Error{
          ErrorCode::kInvalidArgument, "linking " + full(relative) + ": its target is empty or holds a zero byte", {}};
    COFFER_TRY(Parent parent, open_parent(relative));
    return done_or_failed(::symlinkat(std::string(target).c_str(), parent.fd(), parent.name.c_str()), "linking",
                          relative);
  }

  Result<std::string> read_symlink(std::string_view relative) override {
    COFFER_TRY(Parent parent, open_parent(relative));
    std::string target(4096, '\0');  // PATH_MAX: no link of Linux is longer
    ssize_t n = ::readlinkat(parent.fd(), parent.name.c_str(), target.data(), target.size());
    if (n < 0 && errno == EINVAL)
      return Error{
          ErrorCode::kInvalidArgument, "reading the link " + full(relative) + ": it is not a symbolic link", {}};
    if (n < 0) return failed("reading the link", relative);
    target.resize(static_cast<size_t>(n));
    return target;
  }

  Result<FileStat> stat(std::string_view relative) override {
    COFFER_TRY(Parent parent, open_parent(relative));
    struct stat st;
    if (::fstatat(parent.fd(), parent.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
      return failed("looking at", relative);
    return convert(st);
  }

  Status list(std::string_view relative, const std::function<bool(const DirectoryEntry&)>& visit) override {
    COFFER_TRY(Fd fd, open_for_listing(relative, "listing"));
    std::unique_ptr<DIR, CloseDir> dir(::fdopendir(fd.get()));
    if (!dir) return failed("listing", relative);
    const int dir_fd = fd.release();
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(dir.get());
      if (entry == nullptr) return errno == 0 ? ok_status() : Status(failed("listing", relative));
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      FileType type = FileType::kOther;
      switch (entry->d_type) {
        case DT_REG: type = FileType::kRegular; break;
        case DT_DIR: type = FileType::kDirectory; break;
        case DT_LNK: type = FileType::kSymlink; break;
        case DT_UNKNOWN: {
          struct stat st;
          if (::fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) continue;  // removed since the kernel named it
            return failed("looking at",
                          relative.empty() ? std::string(name) : std::string(relative) + "/" + entry->d_name);
          }
          type = type_of(st.st_mode);
          break;
        }
        default: break;
      }
      if (!visit(DirectoryEntry{std::string(name), type})) return ok_status();
    }
  }

  Status rename(std::string_view from, std::string_view to) override {
    COFFER_TRY(Parent source, open_parent(from));
    COFFER_TRY(Parent target, open_parent(to));
    if (::renameat(source.fd(), source.name.c_str(), target.fd(), target.name.c_str()) == 0) return ok_status();
    const int error_number = errno;
    return error_from_errno(error_number, "renaming " + full(from) + " to " + full(to));
  }

  Status remove_file(std::string_view relative) override {
    COFFER_TRY(Parent parent, open_parent(relative));
    return done_or_failed(::unlinkat(parent.fd(), parent.name.c_str(), 0), "removing", relative);
  }

  Status remove_directory(std::string_view relative) override {
    COFFER_TRY(Parent parent, open_parent(relative));
    return done_or_failed(::unlinkat(parent.fd(), parent.name.c_str(), AT_REMOVEDIR), "removing", relative);
  }

  Status set_owner(std::string_view relative, uint32_t uid, uint32_t gid) override {
    COFFER_CHECK_OK(check_relative_path(relative));
    Fd fd = open_beneath(fd_.get(), std::string(relative).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (!fd.valid() || ::fchownat(fd.get(), "", uid, gid, AT_EMPTY_PATH) != 0)
      return failed("setting the owner of", relative);
    return ok_status();
  }

  Status set_mode(std::string_view relative, uint32_t mode) override {
    COFFER_CHECK_OK(check_relative_path(relative));
    // Through an O_PATH handle, because a file that its owner may not read still gets its mode, and because
    // fchmodat(2) by name would follow a link that was put there meanwhile.
    Fd fd = open_beneath(fd_.get(), std::string(relative).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (!fd.valid()) return failed("setting the mode of", relative);
    struct stat st;
    if (::fstat(fd.get(), &st) != 0) return failed("setting the mode of", relative);
    if (S_ISLNK(st.st_mode)) return error_from_errno(ELOOP, "setting the mode of " + full(relative));
    return done_or_failed(::chmod(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), static_cast<mode_t>(mode)),
                          "setting the mode of", relative);
  }

  Status sync(std::string_view relative) override {
    if (relative.empty()) return sync_.sync(fd_.get(), path_);
    COFFER_CHECK_OK(sync_.check());
    COFFER_TRY(Fd fd, open_for_listing(relative, "syncing"));
    return sync_.sync(fd.get(), full(relative));
  }

  Status sync_filesystem() override { return sync_.sync_filesystem(fd_.get(), path_); }

  Result<uint64_t> free_bytes() override {
    struct statvfs st;
    if (retry_interrupted([&] { return ::fstatvfs(fd_.get(), &st); }) != 0)
      return last_error("asking for the free space of", path_);
    return uint64_t{st.f_bavail} * st.f_frsize;
  }

  Result<uint64_t> free_files() override {
    struct statvfs st;
    if (retry_interrupted([&] { return ::fstatvfs(fd_.get(), &st); }) != 0)
      return last_error("asking for the free inodes of", path_);
    return st.f_files == 0 ? UINT64_MAX : uint64_t{st.f_favail};
  }

 private:
  // The directory that holds the last component: our own, or one opened beneath it.
  struct Parent {
    int own = -1;
    Fd opened;
    std::string name;
    [[nodiscard]] int fd() const { return opened.valid() ? opened.get() : own; }
  };

  Result<Parent> open_parent(std::string_view relative) const {
    COFFER_CHECK_OK(check_relative_path(relative));
    const size_t slash = relative.rfind('/');
    if (slash == relative.npos) return Parent{.own = fd_.get(), .opened = Fd(), .name = std::string(relative)};
    const std::string parent(relative.substr(0, slash));
    Fd fd = open_beneath(fd_.get(), parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (!fd.valid()) return failed("opening", parent);
    return Parent{.own = -1, .opened = std::move(fd), .name = std::string(relative.substr(slash + 1))};
  }

  // A fresh handle with its own read position; "" is this directory.
  Result<Fd> open_for_listing(std::string_view relative, std::string_view doing) const {
    if (!relative.empty()) COFFER_CHECK_OK(check_relative_path(relative));
    Fd fd = open_beneath(fd_.get(), relative.empty() ? "." : std::string(relative).c_str(), kDirectoryFlags);
    if (!fd.valid()) return failed(doing, relative);
    return fd;
  }

  Result<std::unique_ptr<File>> open_existing(std::string_view relative, int access) {
    COFFER_CHECK_OK(check_relative_path(relative));
    Fd fd = open_beneath(fd_.get(), std::string(relative).c_str(), access | kFileFlags);
    if (!fd.valid()) return failed("opening", relative);
    return opened_regular(std::move(fd), full(relative));
  }

  [[nodiscard]] std::string full(std::string_view relative) const {
    return relative.empty() ? path_ : path_ + "/" + std::string(relative);
  }
  [[nodiscard]] Error failed(std::string_view doing, std::string_view relative) const {
    const int error_number = errno;  // building the text may change errno
    return error_from_errno(error_number, std::string(doing) + " " + full(relative));
  }
  [[nodiscard]] Status done_or_failed(int result, std::string_view doing, std::string_view relative) const {
    if (result == 0) return ok_status();
    return failed(doing, relative);
  }

  Fd fd_;
  const std::string path_;
  SyncOnce sync_;
};

// What the kernel sees of a std::string ends at its first zero byte, so such a path would name something else.
Status check_any_path(const std::string& path) {
  if (path.empty() || path.find('\0') != path.npos)
    return Error{ErrorCode::kInvalidArgument, "a path is empty or holds a zero byte", {}};
  return ok_status();
}

// The directory that holds the entry `path`, in the caller's terms.
std::string parent_of(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status sync_directory(const std::string& path) {
  Fd fd(retry_interrupted([&] { return ::open(path.c_str(), kDirectoryFlags); }));
  if (!fd.valid() || retry_interrupted([&] { return ::fsync(fd.get()); }) != 0) return last_error("syncing", path);
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<Directory>> PosixFileSystem::open_directory(const std::string& path) {
  COFFER_CHECK_OK(check_any_path(path));
  Fd fd(retry_interrupted([&] { return ::open(path.c_str(), kDirectoryFlags); }));
  if (!fd.valid()) return last_error("opening", path);
  return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(std::move(fd), path));
}

Result<std::unique_ptr<Directory>> PosixFileSystem::create_directories(const std::string& path, uint32_t mode) {
  COFFER_CHECK_OK(check_any_path(path));
  if (auto there = open_directory(path); there.ok()) return there;
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), static_cast<mode_t>(mode)) == 0) {
      COFFER_CHECK_OK(sync_directory(parent_of(part)));
    } else if (errno != EEXIST) {
      return last_error("creating", part);
    }
    if (end == path.npos) break;
  }
  return open_directory(path);
}

Result<FileStat> PosixFileSystem::stat(const std::string& path) {
  COFFER_CHECK_OK(check_any_path(path));
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return last_error("looking at", path);
  return convert(st);
}

Result<std::unique_ptr<File>> PosixFileSystem::open_file(const std::string& path) {
  COFFER_CHECK_OK(check_any_path(path));
  Fd fd(retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | (kFileFlags & ~O_NOFOLLOW)); }));
  if (!fd.valid()) return last_error("opening", path);
  return opened_regular(std::move(fd), path);
}

Status PosixFileSystem::rename(const std::string& from, const std::string& to) {
  COFFER_CHECK_OK(check_any_path(from));
  COFFER_CHECK_OK(check_any_path(to));
  if (::rename(from.c_str(), to.c_str()) == 0) return ok_status();
  const int error_number = errno;
  return error_from_errno(error_number, "renaming " + from + " to " + to);
}

}  // namespace coffer
