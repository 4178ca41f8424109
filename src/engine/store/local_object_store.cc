#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>

#include "base/this_process.h"
#include "engine/store/object_store.h"
#include "engine/store/store_checks.h"

namespace coffer::store {

namespace {

constexpr uint32_t kFolderMode = 0700, kObjectMode = 0600;

std::string_view folder_of(std::string_view key) {
  const size_t slash = key.rfind('/');
  return slash == key.npos ? std::string_view{} : key.substr(0, slash);
}

class LocalView final : public ObjectView {
 public:
  explicit LocalView(std::unique_ptr<MappedFile> mapped) : mapped_(std::move(mapped)) {}
  [[nodiscard]] ByteView bytes() const override { return mapped_->view(); }

 private:
  std::unique_ptr<MappedFile> mapped_;
};

// Whom new files are given to: as root, the owner of the store, or one prove run by root would shut out the account
// that takes the backups every night.
struct Owner {
  uint32_t uid = 0, gid = 0;
};

Result<std::optional<Owner>> heir(FileSystem& file_system, const std::string& root) {
  if (effective_user() != 0) return std::optional<Owner>();  // only root can give files away
  COFFER_TRY(FileStat stat, file_system.stat(root));
  if (stat.uid == 0) return std::optional<Owner>();
  return std::optional<Owner>(Owner{stat.uid, stat.gid});
}

// An object's key is its path below the root.
class LocalObjectStore final : public ObjectStore {
 public:
  LocalObjectStore(std::unique_ptr<Directory> root, std::optional<Owner> heir) : root_(std::move(root)), heir_(heir) {}

  // link(2) never replaces, on every POSIX file system; probe_conditional_create() tests the ones that only look like
  // it.
  [[nodiscard]] Capabilities capabilities() const override { return {.conditional_create = true}; }
  [[nodiscard]] std::string describe() const override { return root_->path(); }

  Result<ObjectInfo> put(const Context& context, std::string_view key, ByteView body) override;
  Result<Bytes> get(const Context& context, std::string_view key, uint64_t offset, uint64_t length) override;
  Result<ObjectInfo> head(const Context& context, std::string_view key) override;
  Result<std::unique_ptr<ObjectView>> view(const Context& context, std::string_view key) override;
  Status list(const Context& context, std::string_view prefix, const Visitor& visit) override;
  Status remove(const Context& context, std::string_view key) override;

 private:
  struct NamedFile {
    std::unique_ptr<File> file;
    std::string name;
  };

  Status put_unnamed(std::string_view key, ByteView body);
  Status put_by_temporary_name(std::string_view key, ByteView body);
  Result<NamedFile> create_temporary();
  Status link(File& file, std::string_view key);
  Status settle(Status linked, std::string_view key);
  Status ensure_folder(std::string_view folder);
  void forget_folders();
  Status give_away(File& file) const { return heir_ ? file.set_owner(heir_->uid, heir_->gid) : ok_status(); }
  Result<std::unique_ptr<File>> open_object(std::string_view key);
  bool is_folder(std::string_view path);
  Result<bool> list_folder(const Context& context, Directory& folder, const std::string& prefix, const Visitor& visit);

  const std::unique_ptr<Directory> root_;
  const std::optional<Owner> heir_;
  std::atomic<bool> links_unnamed_{true};  // until the file system says otherwise
  std::atomic<uint64_t> temporary_names_{0};
  std::mutex mutex_;
  std::set<std::string, std::less<>> known_folders_;  // they exist and survive a power cut
};

// Publish order: bytes, fsync, name, fsync of the folder. A crash between any two leaves either no object or the whole
// one, and an unnamed file cleans itself up.
Result<ObjectInfo> LocalObjectStore::put(const Context& context, std::string_view key, ByteView body) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_put(key, body));
  Status folder = ensure_folder(folder_of(key));
  if (!folder.ok() && folder.code() == ErrorCode::kNotFound) {  // somebody removed a folder that we knew
    forget_folders();
    folder = ensure_folder(folder_of(key));
  }
  if (!folder.ok()) return std::move(folder).error().in("storing " + std::string(key));
  Status status = links_unnamed_ ? put_unnamed(key, body) : put_by_temporary_name(key, body);
  if (!status.ok()) return std::move(status).error().in("storing " + std::string(key));
  return ObjectInfo{.key = std::string(key), .size_bytes = body.size()};
}

Status LocalObjectStore::put_unnamed(std::string_view key, ByteView body) {
  COFFER_TRY(auto file, root_->create_unnamed(kObjectMode));
  COFFER_CHECK_OK(give_away(*file));
  COFFER_CHECK_OK(file->write_at(0, body));
  COFFER_CHECK_OK(file->sync());
  Status linked = link(*file, key);
  if (linked.ok() || linked.code() != ErrorCode::kUnavailable) return settle(std::move(linked), key);
  links_unnamed_ = false;
  return put_by_temporary_name(key, body);
}

// For file systems without O_TMPFILE (NFS, some FUSE ones). A crash may leave the temporary name; listings skip it.
Status LocalObjectStore::put_by_temporary_name(std::string_view key, ByteView body) {
  COFFER_TRY(NamedFile temporary, create_temporary());
  auto write_and_publish = [&]() -> Status {
    COFFER_CHECK_OK(give_away(*temporary.file));
    COFFER_CHECK_OK(temporary.file->write_at(0, body));
    COFFER_CHECK_OK(temporary.file->sync());
    return settle(link(*temporary.file, key), key);
  };
  Status status = write_and_publish();
  // A second name of a published object does no harm, so a failure here does not undo the success.
  (void)root_->remove_file(temporary.name);
  return status;
}

Result<LocalObjectStore::NamedFile> LocalObjectStore::create_temporary() {
  constexpr int kAttemptsMax = 10'000;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    std::string name = std::string(kTemporaryPrefix) + std::to_string(++temporary_names_);
    auto file = root_->create_file(name, kObjectMode);
    if (file.ok()) return NamedFile{std::move(file).value(), std::move(name)};
    if (file.code() != ErrorCode::kAlreadyExists) return std::move(file).error();
  }
  return Error{ErrorCode::kResourceExhausted, "too many unfinished files in " + root_->path(),
               "while no coffer runs, remove the files whose names begin with " + std::string(kTemporaryPrefix)};
}

Status LocalObjectStore::link(File& file, std::string_view key) {
  Status linked = root_->link(file, key);
  if (linked.ok() || linked.code() != ErrorCode::kNotFound) return linked;
  // Somebody removed a folder that we knew.
  forget_folders();
  COFFER_CHECK_OK(ensure_folder(folder_of(key)));
  return root_->link(file, key);
}

// Ends a put after link() answered `linked`.
Status LocalObjectStore::settle(Status linked, std::string_view key) {
  if (!linked.ok() && linked.code() != ErrorCode::kAlreadyExists) return linked;
  if (!linked.ok() && is_folder(key)) return key_is_folder(key);
  // Also when another put won: who is told that the object exists may rely on it from then on.
  COFFER_CHECK_OK(root_->sync(folder_of(key)));
  if (!linked.ok()) return object_exists(key);
  return ok_status();
}

// A folder found in place is synced into its parent like a new one: its creator may have died before doing so.
Status LocalObjectStore::ensure_folder(std::string_view folder) {
  if (folder.empty()) return ok_status();
  {
    std::lock_guard lock(mutex_);
    if (known_folders_.contains(folder)) return ok_status();
  }
  COFFER_CHECK_OK(ensure_folder(folder_of(folder)));
  Status created = root_->create_directory(folder, kFolderMode);
  if (!created.ok() && created.code() != ErrorCode::kAlreadyExists) return created;
  if (!created.ok() && !is_folder(folder)) return key_is_folder(folder);
  if (heir_) COFFER_CHECK_OK(root_->set_owner(folder, heir_->uid, heir_->gid));
  COFFER_CHECK_OK(root_->sync(folder_of(folder)));
  std::lock_guard lock(mutex_);
  known_folders_.emplace(folder);
  return ok_status();
}

void LocalObjectStore::forget_folders() {
  std::lock_guard lock(mutex_);
  known_folders_.clear();
}

Result<std::unique_ptr<File>> LocalObjectStore::open_object(std::string_view key) {
  auto file = root_->open_file(key);
  if (file.ok()) return file;
  if (file.code() == ErrorCode::kNotFound) return no_such_object(key);
  if (file.code() == ErrorCode::kInvalidArgument) {
    if (is_folder(key)) return no_such_object(key);
    file.error().code = ErrorCode::kCorruption;  // a link, a device: not what put() left there
  }
  return std::move(file).error().in("opening the object " + std::string(key));
}

bool LocalObjectStore::is_folder(std::string_view path) {
  auto stat = root_->stat(path);
  return stat.ok() && stat->type == FileType::kDirectory;
}

Result<Bytes> LocalObjectStore::get(const Context& context, std::string_view key, uint64_t offset, uint64_t length) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_key(key));
  COFFER_TRY(auto file, open_object(key));
  COFFER_TRY(FileStat stat, file->stat());
  // Before the range sizes a buffer: it may come from a damaged index.
  COFFER_CHECK_OK(check_range(key, stat.size_bytes, offset, length));
  Bytes bytes(length);
  auto got = file->read_at(offset, bytes);
  if (!got.ok()) return std::move(got).error().in("reading the object " + std::string(key));
  COFFER_CHECK_OK(check_range(key, offset + *got, offset, length));
  return bytes;
}

Result<ObjectInfo> LocalObjectStore::head(const Context& context, std::string_view key) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_key(key));
  auto stat = root_->stat(key);
  if (!stat.ok() && stat.code() == ErrorCode::kNotFound) return no_such_object(key);
  if (!stat.ok()) return std::move(stat).error().in("looking for the object " + std::string(key));
  if (stat->type == FileType::kDirectory) return no_such_object(key);
  if (stat->type != FileType::kRegular)
    return Error{ErrorCode::kCorruption, "the object " + std::string(key) + " is not a regular file", {}};
  return ObjectInfo{.key = std::string(key), .size_bytes = stat->size_bytes};
}

Result<std::unique_ptr<ObjectView>> LocalObjectStore::view(const Context& context, std::string_view key) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_key(key));
  COFFER_TRY(auto file, open_object(key));
  COFFER_TRY(auto mapped, file->map());
  return std::unique_ptr<ObjectView>(std::make_unique<LocalView>(std::move(mapped)));
}

Status LocalObjectStore::list(const Context& context, std::string_view prefix, const Visitor& visit) {
  COFFER_CHECK_OK(check_prefix(prefix));
  if (prefix.empty()) {
    COFFER_TRY(bool wants_more, list_folder(context, *root_, "", visit));
    (void)wants_more;
    return ok_status();
  }
  auto folder = root_->open_directory(prefix.substr(0, prefix.size() - 1));
  if (!folder.ok() && folder.code() == ErrorCode::kNotFound) return ok_status();
  if (!folder.ok()) return std::move(folder).error();
  COFFER_TRY(bool wants_more, list_folder(context, **folder, std::string(prefix), visit));
  (void)wants_more;
  return ok_status();
}

// False when the visitor wants no more. What is neither object nor folder is an error, never skipped: a listing that
// hides something would let the collector and verify believe that all is seen.
Result<bool> LocalObjectStore::list_folder(const Context& context, Directory& folder, const std::string& prefix,
                                           const Visitor& visit) {
  // A folder sorts as its name with the '/', so that keys ascend over nested folders ("a-b" < "a/b").
  std::vector<std::string> names;
  std::optional<Error> foreign;
  COFFER_CHECK_OK(folder.list("", [&](const DirectoryEntry& entry) {
    if (entry.name.starts_with(kTemporaryPrefix)) return true;
    if (prefix.empty() && entry.name == "lost+found") return true;  // the root of an ext4 file system has one
    Status valid = check_key(prefix + entry.name);
    if (!valid.ok()) {
      foreign = std::move(valid).error();
    } else if (entry.type == FileType::kDirectory) {
      names.push_back(entry.name + "/");
    } else if (entry.type == FileType::kRegular) {
      names.push_back(entry.name);
    } else {
      foreign = Error{ErrorCode::kCorruption, prefix + entry.name + " is neither a regular file nor a directory", {}};
    }
    return !foreign.has_value();
  }));
  if (foreign)
    return std::move(*foreign)
        .in("listing " + folder.path())
        .advise("move what coffer did not write out of " + describe());
  std::sort(names.begin(), names.end());

  for (const std::string& name : names) {
    COFFER_CHECK_OK(context.check());
    if (name.ends_with('/')) {
      auto below = folder.open_directory(name.substr(0, name.size() - 1));
      if (!below.ok() && below.code() == ErrorCode::kNotFound) continue;  // removed since it was named
      if (!below.ok()) return std::move(below).error();
      COFFER_TRY(bool wants_more, list_folder(context, **below, prefix + name, visit));
      if (!wants_more) return false;
    } else {
      auto stat = folder.stat(name);
      if (!stat.ok() && stat.code() == ErrorCode::kNotFound) continue;  // removed since it was named
      if (!stat.ok()) return std::move(stat).error();
      if (!visit(ObjectInfo{.key = prefix + name, .size_bytes = stat->size_bytes})) return false;
    }
  }
  return true;
}

Status LocalObjectStore::remove(const Context& context, std::string_view key) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_key(key));
  Status removed = root_->remove_file(key);
  if (removed.ok()) return root_->sync(folder_of(key));
  if (removed.code() == ErrorCode::kNotFound) return ok_status();
  if (removed.code() == ErrorCode::kInvalidArgument && is_folder(key)) return ok_status();
  return std::move(removed).error().in("removing the object " + std::string(key));
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_local(FileSystem& file_system, const std::string& root, bool create) {
  COFFER_TRY(auto directory,
             create ? file_system.create_directories(root, kFolderMode) : file_system.open_directory(root));
  COFFER_TRY(std::optional<Owner> owner, heir(file_system, root));
  return std::unique_ptr<ObjectStore>(std::make_unique<LocalObjectStore>(std::move(directory), owner));
}

}  // namespace coffer::store
