// FaultyFileSystem: a FileSystem that fails on purpose, for sweeps ("fail call N for N = 1, 2, 3 ...").
#pragma once
#include <atomic>
#include <cerrno>
#include <functional>
#include <optional>
#include <string_view>

#include "base/filesystem.h"

namespace coffer {

struct FileFault {
  enum class Kind {
    kError,       // the call fails, nothing happened
    kErrorAfter,  // the call happened and fails all the same
    kTornWrite,   // write_at: the first half is written and the call fails; any other call: kError
    kFlipBit,     // read_at: one bit of what was read is flipped; any other call: nothing
    kCrash,       // throws FileSystemCrash before the call
    kCrashAfter,  // throws FileSystemCrash after the call happened
  };
  Kind kind = Kind::kError;
  int error_number = EIO;  // an errno value, turned into an Error as the kernel's would be
};

/// Stands for kill -9: unwinds to the test, which then looks at what is left on the disk. The dead do nothing more: a
/// later call through the same FaultyFileSystem fails and changes nothing.
struct FileSystemCrash {};

/// One call that is about to be made. `operation` is the name of the method ("write_at", "sync", "link", "rename" ...);
/// `path` is the whole path of what it is called on: of the file, of the new name in link and create, of the source in
/// rename.
struct FileCall {
  uint64_t number = 0;  // from 1
  std::string_view operation;
  std::string_view path;
};

/// Wraps `inner` (borrowed), and every Directory and File that comes out of it; outlives them all. `decide` is asked
/// before each call, from as many threads as make calls. After a sync() that failed, each later sync() and write of
/// that File fails with the same error, as File promises. Closing and MappedFile::view() cannot fail and are not
/// counted.
class FaultyFileSystem final : public FileSystem {
 public:
  using Decide = std::function<std::optional<FileFault>(const FileCall&)>;
  FaultyFileSystem(FileSystem& inner, Decide decide) : inner_(inner), decide_(std::move(decide)) {}
  [[nodiscard]] uint64_t calls() const { return calls_; }

  Result<std::unique_ptr<Directory>> open_directory(const std::string& path) override;
  Result<std::unique_ptr<Directory>> create_directories(const std::string& path, uint32_t mode) override;
  Result<FileStat> stat(const std::string& path) override;
  Result<std::unique_ptr<File>> open_file(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;

 private:
  friend class FaultyDirectory;
  friend class FaultyFile;
  std::optional<FileFault> next(std::string_view operation, std::string_view path);
  [[noreturn]] void crash();
  /// Makes `call` unless the fault forbids it. `call` returns a Result.
  template <class Call>
  auto with_fault(std::string_view operation, const std::string& path, Call call) -> decltype(call());
  template <class Call>
  auto apply(const std::optional<FileFault>& fault, std::string_view operation, const std::string& path, Call call)
      -> decltype(call());

  FileSystem& inner_;
  Decide decide_;
  std::atomic<uint64_t> calls_{0};
  std::atomic<bool> crashed_{false};
};

}  // namespace coffer
