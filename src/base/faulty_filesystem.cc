#include "base/faulty_filesystem.h"

#include <mutex>

namespace coffer {

std::optional<FileFault> FaultyFileSystem::next(std::string_view operation, std::string_view path) {
  const uint64_t number = ++calls_;
  if (crashed_) return FileFault{.kind = FileFault::Kind::kError, .error_number = EIO};
  return decide_(FileCall{.number = number, .operation = operation, .path = path});
}

void FaultyFileSystem::crash() {
  crashed_ = true;
  throw FileSystemCrash{};
}

template <class Call>
auto FaultyFileSystem::apply(const std::optional<FileFault>& fault, std::string_view operation, const std::string& path,
                             Call call) -> decltype(call()) {
  if (!fault) return call();
  auto injected = [&] {
    return error_from_errno(fault->error_number, "injected fault in " + std::string(operation) + " of " + path);
  };
  switch (fault->kind) {
    case FileFault::Kind::kFlipBit: return call();
    case FileFault::Kind::kCrash: crash();
    case FileFault::Kind::kError:
    case FileFault::Kind::kTornWrite: return injected();
    case FileFault::Kind::kErrorAfter: {
      auto result = call();
      if (!result.ok()) return result;
      return injected();
    }
    case FileFault::Kind::kCrashAfter: {
      auto result = call();
      if (!result.ok()) return result;
      crash();
    }
  }
  return call();
}

template <class Call>
auto FaultyFileSystem::with_fault(std::string_view operation, const std::string& path, Call call) -> decltype(call()) {
  return apply(next(operation, path), operation, path, std::move(call));
}

class FaultyFile final : public File {
 public:
  FaultyFile(FaultyFileSystem& owner, std::unique_ptr<File> inner, std::string path)
      : owner_(owner), inner_(std::move(inner)), path_(std::move(path)) {}

  Result<size_t> read_at(uint64_t offset, MutableByteView out) override {
    const auto fault = owner_.next("read_at", path_);
    auto result = owner_.apply(fault, "read_at", path_, [&] { return inner_->read_at(offset, out); });
    if (result.ok() && *result > 0 && fault && fault->kind == FileFault::Kind::kFlipBit)
      out[*result / 2] ^= std::byte{0x10};
    return result;
  }

  Status write_at(uint64_t offset, ByteView in) override {
    COFFER_CHECK_OK(check_sync());
    const auto fault = owner_.next("write_at", path_);
    if (fault && fault->kind == FileFault::Kind::kTornWrite)
      COFFER_CHECK_OK(inner_->write_at(offset, in.first(in.size() / 2)));
    return owner_.apply(fault, "write_at", path_, [&] { return inner_->write_at(offset, in); });
  }

  Status truncate(uint64_t size_bytes) override {
    COFFER_CHECK_OK(check_sync());
    return owner_.with_fault("truncate", path_, [&] { return inner_->truncate(size_bytes); });
  }

  Status sync() override {
    COFFER_CHECK_OK(check_sync());
    Status status = owner_.with_fault("sync", path_, [&] { return inner_->sync(); });
    if (status.ok()) return status;
    std::lock_guard lock(mutex_);
    sync_error_ = status.error();
    return status;
  }

  Result<FileStat> stat() override {
    return owner_.with_fault("stat", path_, [&] { return inner_->stat(); });
  }
  Status set_mode(uint32_t mode) override {
    return owner_.with_fault("set_mode", path_, [&] { return inner_->set_mode(mode); });
  }
  Status set_owner(uint32_t uid, uint32_t gid) override {
    return owner_.with_fault("set_owner", path_, [&] { return inner_->set_owner(uid, gid); });
  }
  Status set_mtime(int64_t mtime_ns) override {
    return owner_.with_fault("set_mtime", path_, [&] { return inner_->set_mtime(mtime_ns); });
  }
  Result<std::unique_ptr<MappedFile>> map() override {
    return owner_.with_fault("map", path_, [&] { return inner_->map(); });
  }

  File& inner() { return *inner_; }

 private:
  Status check_sync() {
    std::lock_guard lock(mutex_);
    if (sync_error_) return *sync_error_;
    return ok_status();
  }

  FaultyFileSystem& owner_;
  const std::unique_ptr<File> inner_;
  const std::string path_;
  std::mutex mutex_;
  std::optional<Error> sync_error_;
};

class FaultyDirectory final : public Directory {
 public:
  using OpenedFile = Result<std::unique_ptr<File>>;
  using OpenedDirectory = Result<std::unique_ptr<Directory>>;

  FaultyDirectory(FaultyFileSystem& owner, std::unique_ptr<Directory> inner)
      : owner_(owner), inner_(std::move(inner)) {}

  [[nodiscard]] const std::string& path() const override { return inner_->path(); }

  OpenedFile open_file(std::string_view relative) override {
    return opened("open_file", relative, [&] { return inner_->open_file(relative); });
  }
  OpenedFile open_file_for_write(std::string_view relative) override {
    return opened("open_file_for_write", relative, [&] { return inner_->open_file_for_write(relative); });
  }
  OpenedFile create_file(std::string_view relative, uint32_t mode) override {
    return opened("create_file", relative, [&] { return inner_->create_file(relative, mode); });
  }
  OpenedFile create_unnamed(uint32_t mode) override {
    return opened("create_unnamed", "(unnamed)", [&] { return inner_->create_unnamed(mode); });
  }
  Status link(File& unnamed, std::string_view relative) override {
    auto* file = dynamic_cast<FaultyFile*>(&unnamed);
    COFFER_ASSERT(file != nullptr);
    return with_fault("link", relative, [&] { return inner_->link(file->inner(), relative); });
  }

  OpenedDirectory open_directory(std::string_view relative) override {
    return wrap(owner_, with_fault("open_directory", relative, [&] { return inner_->open_directory(relative); }));
  }
  Status create_directory(std::string_view relative, uint32_t mode) override {
    return with_fault("create_directory", relative, [&] { return inner_->create_directory(relative, mode); });
  }
  Status create_directories(std::string_view relative, uint32_t mode) override {
    return with_fault("create_directories", relative, [&] { return inner_->create_directories(relative, mode); });
  }
  Status create_symlink(std::string_view target, std::string_view relative) override {
    return with_fault("create_symlink", relative, [&] { return inner_->create_symlink(target, relative); });
  }
  Result<std::string> read_symlink(std::string_view relative) override {
    return with_fault("read_symlink", relative, [&] { return inner_->read_symlink(relative); });
  }

  Result<FileStat> stat(std::string_view relative) override {
    return with_fault("stat", relative, [&] { return inner_->stat(relative); });
  }
  Status list(std::string_view relative, const std::function<bool(const DirectoryEntry&)>& visit) override {
    return with_fault("list", relative, [&] { return inner_->list(relative, visit); });
  }
  Status rename(std::string_view from, std::string_view to) override {
    return with_fault("rename", from, [&] { return inner_->rename(from, to); });
  }
  Status remove_file(std::string_view relative) override {
    return with_fault("remove_file", relative, [&] { return inner_->remove_file(relative); });
  }
  Status remove_directory(std::string_view relative) override {
    return with_fault("remove_directory", relative, [&] { return inner_->remove_directory(relative); });
  }
  Status set_mode(std::string_view relative, uint32_t mode) override {
    return with_fault("set_mode", relative, [&] { return inner_->set_mode(relative, mode); });
  }
  Status set_owner(std::string_view relative, uint32_t uid, uint32_t gid) override {
    return with_fault("set_owner", relative, [&] { return inner_->set_owner(relative, uid, gid); });
  }
  Status sync(std::string_view relative) override {
    return synced("sync", relative, [&] { return inner_->sync(relative); });
  }
  Status sync_filesystem() override {
    return synced("sync_filesystem", "", [&] { return inner_->sync_filesystem(); });
  }
  Result<uint64_t> free_bytes() override {
    return with_fault("free_bytes", "", [&] { return inner_->free_bytes(); });
  }
  Result<uint64_t> free_files() override {
    return with_fault("free_files", "", [&] { return inner_->free_files(); });
  }

  static OpenedDirectory wrap(FaultyFileSystem& owner, OpenedDirectory opened) {
    if (!opened.ok()) return opened;
    return std::unique_ptr<Directory>(std::make_unique<FaultyDirectory>(owner, std::move(opened).value()));
  }

 private:
  [[nodiscard]] std::string full(std::string_view relative) const {
    return relative.empty() ? path() : path() + "/" + std::string(relative);
  }
  template <class Call>
  auto with_fault(std::string_view operation, std::string_view relative, Call call) -> decltype(call()) {
    return owner_.with_fault(operation, full(relative), std::move(call));
  }
  template <class Call>
  OpenedFile opened(std::string_view operation, std::string_view relative, Call call) {
    auto file = with_fault(operation, relative, std::move(call));
    if (!file.ok()) return file;
    return std::unique_ptr<File>(std::make_unique<FaultyFile>(owner_, std::move(file).value(), full(relative)));
  }
  template <class Call>
  Status synced(std::string_view operation, std::string_view relative, Call call) {
    {
      std::lock_guard lock(mutex_);
      if (sync_error_) return *sync_error_;
    }
    Status status = with_fault(operation, relative, std::move(call));
    // As the real one: a folder that is not there is no failed sync.
    if (status.ok() || status.code() == ErrorCode::kNotFound) return status;
    std::lock_guard lock(mutex_);
    sync_error_ = status.error();
    return status;
  }

  FaultyFileSystem& owner_;
  const std::unique_ptr<Directory> inner_;
  std::mutex mutex_;
  std::optional<Error> sync_error_;
};

Result<std::unique_ptr<Directory>> FaultyFileSystem::open_directory(const std::string& path) {
  return FaultyDirectory::wrap(*this, with_fault("open_directory", path, [&] { return inner_.open_directory(path); }));
}

Result<std::unique_ptr<Directory>> FaultyFileSystem::create_directories(const std::string& path, uint32_t mode) {
  return FaultyDirectory::wrap(
      *this, with_fault("create_directories", path, [&] { return inner_.create_directories(path, mode); }));
}

Result<FileStat> FaultyFileSystem::stat(const std::string& path) {
  return with_fault("stat", path, [&] { return inner_.stat(path); });
}

Result<std::unique_ptr<File>> FaultyFileSystem::open_file(const std::string& path) {
  auto file = with_fault("open_file", path, [&] { return inner_.open_file(path); });
  if (!file.ok()) return file;
  return std::unique_ptr<File>(std::make_unique<FaultyFile>(*this, std::move(file).value(), path));
}

Status FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  return with_fault("rename", from, [&] { return inner_.rename(from, to); });
}

}  // namespace coffer
