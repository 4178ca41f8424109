// A folder as the destination of exports.
#include <algorithm>
#include <mutex>

#include "engine/jobs/export.h"

namespace coffer::jobs {

namespace {

constexpr size_t kPieceSize = 1 << 20;

class FileSource final : public ByteSource {
 public:
  explicit FileSource(std::unique_ptr<File> file) : file_(std::move(file)) {}
  Result<size_t> read(const Context& context, MutableByteView out) override {
    COFFER_CHECK_OK(context.check());
    COFFER_TRY(size_t got, file_->read_at(at_, out));
    at_ += got;
    return got;
  }

 private:
  std::unique_ptr<File> file_;
  uint64_t at_ = 0;
};

class ExportDirectory final : public ExportDestination {
 public:
  explicit ExportDirectory(std::unique_ptr<Directory> directory) : directory_(std::move(directory)) {}

  Status put(const Context& context, std::string_view path, ByteSource& bytes) override {
    COFFER_CHECK_OK(check_relative_path(path));
    const size_t slash = path.rfind('/');
    const std::string folder(path.substr(0, slash == std::string_view::npos ? 0 : slash));
    if (!folder.empty()) {
      // Two tasks that make the same folder at once would each be told that it is there already.
      std::lock_guard lock(mutex_);
      COFFER_CHECK_OK(directory_->create_directories(folder, 0755));
    }
    // Written beside its place and renamed: rename replaces, and a file that is half there has no name of ours.
    const std::string part = (folder.empty() ? "" : folder + "/") + ".part-" + std::string(path.substr(slash + 1));
    (void)directory_->remove_file(part);
    COFFER_TRY(auto file, directory_->create_file(part, 0644));
    Status written = copy(context, bytes, *file);
    if (written.ok()) written = file->sync();
    if (written.ok()) written = directory_->rename(part, path);
    if (!written.ok()) {
      (void)directory_->remove_file(part);
      return written;
    }
    return directory_->sync(folder);
  }

  Result<std::unique_ptr<ByteSource>> open(const Context&, std::string_view path) override {
    COFFER_CHECK_OK(check_relative_path(path));
    COFFER_TRY(auto file, directory_->open_file(path));
    return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(std::move(file)));
  }

  Status remove(const Context&, std::string_view path) override {
    COFFER_CHECK_OK(check_relative_path(path));
    auto removed = directory_->remove_file(path);
    if (!removed.ok() && removed.code() != ErrorCode::kNotFound) return removed;
    // A folder stands for nothing but the files in it.
    std::string folder(path);
    for (size_t slash = folder.rfind('/'); slash != std::string::npos; slash = folder.rfind('/')) {
      folder.resize(slash);
      if (!directory_->remove_directory(folder).ok()) break;
    }
    return ok_status();
  }

  Result<std::vector<std::string>> list(const Context& context, std::string_view prefix) override {
    std::vector<std::string> found;
    COFFER_CHECK_OK(walk(context, "", prefix, found));
    std::sort(found.begin(), found.end());
    return found;
  }

 private:
  static Status copy(const Context& context, ByteSource& from, File& to) {
    Bytes piece(kPieceSize);
    for (uint64_t at = 0;;) {
      COFFER_TRY(size_t got, from.read(context, piece));
      if (got == 0) return ok_status();
      COFFER_CHECK_OK(to.write_at(at, ByteView(piece).first(got)));
      at += got;
    }
  }

  Status walk(const Context& context, const std::string& folder, std::string_view prefix,
              std::vector<std::string>& found) {
    COFFER_CHECK_OK(context.check());
    std::vector<std::string> folders;
    auto listed = directory_->list(folder, [&](const DirectoryEntry& entry) {
      const std::string path = folder.empty() ? entry.name : folder + "/" + entry.name;
      if (entry.type == FileType::kDirectory) {
        // Only where files of the prefix can be.
        const std::string below = path + "/";
        if (below.starts_with(prefix) || prefix.starts_with(below)) folders.push_back(path);
      } else if (entry.type == FileType::kRegular && path.starts_with(prefix)) {
        found.push_back(path);
      }
      return true;
    });
    if (!listed.ok()) return listed.code() == ErrorCode::kNotFound ? ok_status() : listed;
    for (const std::string& below : folders) COFFER_CHECK_OK(walk(context, below, prefix, found));
    return ok_status();
  }

  std::unique_ptr<Directory> directory_;
  std::mutex mutex_;
};

}  // namespace

Result<std::unique_ptr<ExportDestination>> open_export_directory(FileSystem& files, const std::string& root,
                                                                 bool create) {
  auto directory = create ? files.create_directories(root, 0755) : files.open_directory(root);
  if (!directory.ok()) return std::move(directory).error().in("the folder of the export");
  return std::unique_ptr<ExportDestination>(std::make_unique<ExportDirectory>(std::move(*directory)));
}

}  // namespace coffer::jobs
