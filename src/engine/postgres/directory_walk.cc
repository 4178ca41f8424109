#include "engine/postgres/directory_walk.h"

#include <algorithm>
#include <array>

namespace coffer::postgres {

namespace {

constexpr size_t kDepthMax = 64;
constexpr size_t kWarningsMax = 100;

class OpenFileReader final : public FileReader {
 public:
  OpenFileReader(std::unique_ptr<File> file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  Status read_at(uint64_t offset, MutableByteView out) override {
    auto got = file_->read_at(offset, out);
    if (!got.ok()) {
      Error error = std::move(got).error();
      error.code = ErrorCode::kUnavailable;
      return std::move(error).in("reading " + path_);
    }
    // Truncated since it was opened: WAL replay truncates it again, so the missing bytes are never looked at.
    if (*got < out.size()) std::fill(out.begin() + static_cast<std::ptrdiff_t>(*got), out.end(), std::byte{0});
    return ok_status();
  }

 private:
  std::unique_ptr<File> file_;
  std::string path_;
};

class MemoryReader final : public FileReader {
 public:
  explicit MemoryReader(Bytes contents) : contents_(std::move(contents)) {}
  Status read_at(uint64_t offset, MutableByteView out) override {
    std::fill(out.begin(), out.end(), std::byte{0});
    if (offset < contents_.size()) {
      const size_t n = std::min<size_t>(out.size(), contents_.size() - offset);
      std::memcpy(out.data(), contents_.data() + offset, n);
    }
    return ok_status();
  }

 private:
  Bytes contents_;
};

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string join(const std::string& directory, std::string_view name) {
  return directory.empty() ? std::string(name) : directory + "/" + std::string(name);
}

// Without these no copy starts. A link in their place would be left out, so it is refused instead.
bool needed_by_every_copy(std::string_view path) {
  constexpr std::array<std::string_view, 9> kNeeded = {"base",         "global",       "pg_xact",
                                                       "pg_multixact", "pg_commit_ts", "pg_logical",
                                                       "pg_twophase",  "pg_tblspc",    "PG_VERSION"};
  return std::find(kNeeded.begin(), kNeeded.end(), path) != kNeeded.end();
}

// Names that come and go on a healthy server (postgres-backup.md 2.5).
bool may_vanish(std::string_view path) {
  constexpr std::array<std::string_view, 8> kComeAndGo = {"pg_xact/", "pg_multixact/", "pg_commit_ts/", "pg_logical/",
                                                          "pg_stat/", "pg_twophase/",  "log/",          "pg_log/"};
  return std::any_of(kComeAndGo.begin(), kComeAndGo.end(), [&](std::string_view p) { return path.starts_with(p); });
}

void copy_attributes(const FileStat& stat, SourceFile& file) {
  file.mode = stat.mode;
  file.mtime_ns = stat.mtime_ns;
  file.ctime_ns = stat.ctime_ns;
  file.inode = stat.inode;
}

std::string version_directory(int major, uint32_t catalog_version) {
  return "PG_" + std::to_string(major) + "_" + std::to_string(catalog_version);
}

}  // namespace

Result<std::shared_ptr<SourceFile>> describe_file(File& file, std::string path) {
  COFFER_TRY(FileStat stat, file.stat());
  auto out = std::make_shared<SourceFile>();
  out->path = std::move(path);
  out->size_bytes = stat.size_bytes;
  copy_attributes(stat, *out);
  return out;
}

std::shared_ptr<FileReader> make_file_reader(std::unique_ptr<File> file, std::string path) {
  return std::make_shared<OpenFileReader>(std::move(file), std::move(path));
}
std::shared_ptr<FileReader> make_memory_reader(Bytes contents) {
  return std::make_shared<MemoryReader>(std::move(contents));
}

PieceCutter::PieceCutter(std::shared_ptr<const SourceFile> file, std::shared_ptr<FileReader> reader)
    : file_(std::move(file)), reader_(std::move(reader)), done_(false) {}

std::optional<Piece> PieceCutter::next() {
  if (done_) return std::nullopt;
  Piece piece;
  piece.file = file_;
  piece.reader = reader_;
  piece.offset = offset_;
  piece.length = std::min(kPieceSize, file_->size_bytes - offset_);
  offset_ += piece.length;
  if (offset_ == file_->size_bytes) *this = PieceCutter();
  return piece;
}

Result<std::unique_ptr<Directory>> open_wal_directory(FileSystem& file_system, Directory& data_directory) {
  COFFER_TRY(FileStat stat, data_directory.stat("pg_wal"));
  if (stat.type != FileType::kSymlink) return data_directory.open_directory("pg_wal");
  COFFER_TRY(std::string target, data_directory.read_symlink("pg_wal"));
  if (!target.starts_with('/')) target = data_directory.path() + "/" + target;
  return file_system.open_directory(target);
}

DirectoryWalk::DirectoryWalk(FileSystem& file_system, WalkOptions options)
    : file_system_(file_system), options_(std::move(options)) {}

Result<std::unique_ptr<DirectoryWalk>> DirectoryWalk::open(FileSystem& file_system, WalkOptions options) {
  std::unique_ptr<DirectoryWalk> walk(new DirectoryWalk(file_system, std::move(options)));
  COFFER_TRY(auto root, file_system.open_directory(walk->options_.pgdata));
  // A tablespace inside the data directory (the server only warns) would be met twice.
  std::vector<std::string> links;
  COFFER_CHECK_OK(root->list("pg_tblspc", [&](const DirectoryEntry& entry) {
    if (entry.type == FileType::kSymlink) links.push_back(entry.name);
    return true;
  }));
  for (const std::string& link : links) {
    auto target = root->read_symlink("pg_tblspc/" + link);
    if (target.ok() && target->starts_with(walk->options_.pgdata + "/"))
      walk->tablespaces_inside_.push_back(target->substr(walk->options_.pgdata.size() + 1));
  }
  COFFER_CHECK_OK(walk->enter("", std::move(root)));
  return walk;
}

bool DirectoryWalk::finished() const {
  std::lock_guard lock(mutex_);
  return levels_.empty() && ready_.empty();
}

std::vector<std::string> DirectoryWalk::warnings() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> out = warnings_;
  if (warnings_dropped_ > 0) out.push_back("and " + std::to_string(warnings_dropped_) + " more of this kind");
  return out;
}

void DirectoryWalk::warn(std::string text) {
  if (warnings_.size() < kWarningsMax) {
    warnings_.push_back(std::move(text));
  } else {
    ++warnings_dropped_;
  }
}

Result<std::optional<Piece>> DirectoryWalk::next(const Context& context) {
  std::lock_guard lock(mutex_);
  while (true) {
    if (!ready_.empty()) {
      Piece piece = std::move(ready_.front());
      ready_.pop_front();
      return std::optional<Piece>(std::move(piece));
    }
    if (auto piece = cutter_.next()) return piece;
    COFFER_CHECK_OK(context.check());
    if (levels_.empty()) return std::optional<Piece>();
    Level& level = levels_.back();
    if (level.next == level.entries.size()) {
      levels_.pop_back();
      continue;
    }
    // By value: visiting may enter a directory, which moves the levels.
    const DirectoryEntry entry = level.entries[level.next++];
    COFFER_CHECK_OK(visit(entry.name, entry.type));
  }
}

Status DirectoryWalk::enter(std::string path, std::unique_ptr<Directory> directory) {
  if (levels_.size() >= kDepthMax)
    return Error{ErrorCode::kFailedPrecondition,
                 path + " is nested deeper than " + std::to_string(kDepthMax) + " directories",
                 {}};
  Level level{std::move(path), std::move(directory), {}, 0};
  Status listed = level.directory->list("", [&](const DirectoryEntry& entry) {
    level.entries.push_back(entry);
    return true;
  });
  if (!listed.ok()) {
    if (listed.code() == ErrorCode::kNotFound && !level.path.empty()) return ok_status();  // its database was dropped
    return listed;
  }
  std::sort(level.entries.begin(), level.entries.end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
  levels_.push_back(std::move(level));
  return ok_status();
}

Status DirectoryWalk::visit(const std::string& name, FileType type) {
  const std::string path = join(levels_.back().path, name);
  const Treatment treatment = treatment_of(path, type == FileType::kDirectory);
  if (Status good = check_source_path(path); !good.ok()) {
    if (treatment != Treatment::kSkip) warn("left out: " + good.error().message);
    return ok_status();
  }
  switch (type) {
    case FileType::kDirectory: return treatment == Treatment::kSkip ? ok_status() : visit_directory(path, name);
    case FileType::kSymlink: return visit_link(path, name);
    case FileType::kRegular:
      return treatment == Treatment::kTake && path != "global/pg_control" ? visit_file(path, name) : ok_status();
    case FileType::kOther: break;
  }
  if (treatment != Treatment::kSkip) warn("left out: " + path + " is a special file");
  return ok_status();
}

void DirectoryWalk::give_directory_only(const std::string& path, const FileStat& stat) {
  auto file = std::make_shared<SourceFile>();
  file->path = path;
  file->is_directory = true;
  copy_attributes(stat, *file);
  Piece piece;
  piece.file = std::move(file);
  ready_.push_back(std::move(piece));
}

Status DirectoryWalk::give_directory(const std::string& path, const FileStat& stat) {
  give_directory_only(path, stat);
  if (path != "pg_wal") return ok_status();
  // Its content is not taken, but these two must stand there: with the same rights, made fresh where they are missing.
  give_directory_only("pg_wal/archive_status", stat);
  if (options_.major >= 17) give_directory_only("pg_wal/summaries", stat);
  return ok_status();
}

Status DirectoryWalk::visit_directory(const std::string& path, const std::string& name) {
  Directory& here = *levels_.back().directory;
  auto stat = here.stat(name);
  if (!stat.ok()) return stat.code() == ErrorCode::kNotFound ? ok_status() : Status(std::move(stat).error());
  COFFER_CHECK_OK(give_directory(path, *stat));
  const bool inside =
      std::find(tablespaces_inside_.begin(), tablespaces_inside_.end(), path) != tablespaces_inside_.end();
  if (inside || treatment_of(path, true) == Treatment::kDirectoryOnly) return ok_status();
  auto directory = here.open_directory(name);
  if (!directory.ok())
    return directory.code() == ErrorCode::kNotFound ? ok_status() : Status(std::move(directory).error());
  return enter(path, std::move(*directory));
}

Status DirectoryWalk::visit_link(const std::string& path, const std::string& name) {
  if (levels_.back().path == "pg_tblspc" && is_number(name)) return visit_tablespace(path, name);
  if (treatment_of(path, true) == Treatment::kDirectoryOnly) {
    // pg_wal on a disk of its own, pg_stat_tmp in memory: a plain directory takes its place in the copy.
    FileStat stat;
    stat.mode = 0700;
    return give_directory(path, stat);
  }
  if (needed_by_every_copy(path))
    return Error{ErrorCode::kFailedPrecondition,
                 path + " is a symbolic link, which the server's own backups leave out too",
                 "move the directory into " + options_.pgdata + ", or use a tablespace"};
  if (treatment_of(path, false) != Treatment::kSkip) warn("left out: " + path + " is a symbolic link");
  return ok_status();
}

Status DirectoryWalk::visit_tablespace(const std::string& path, const std::string& name) {
  auto target = levels_.back().directory->read_symlink(name);
  if (!target.ok()) return target.code() == ErrorCode::kNotFound ? ok_status() : Status(std::move(target).error());
  auto outer = file_system_.open_directory(*target);
  // A tablespace that is dropped meanwhile is gone with its directory. Without its link it was dropped; with it, it is
  // broken.
  if (!outer.ok()) {
    if (outer.code() == ErrorCode::kNotFound && levels_.back().directory->stat(name).ok())
      warn("left out: " + path + " points to " + *target + ", which is not there");
    return outer.code() == ErrorCode::kNotFound
               ? ok_status()
               : Status(std::move(outer).error().in("opening the tablespace of " + path));
  }
  // Servers of other majors may keep their own directories there.
  const std::string version = version_directory(options_.major, options_.catalog_version);
  auto stat = (*outer)->stat(version);
  if (!stat.ok()) {
    if (stat.code() != ErrorCode::kNotFound) return std::move(stat).error();
    if (levels_.back().directory->stat(name).ok())
      warn("left out: the tablespace of " + path + " has no directory " + version);
    return ok_status();
  }
  auto directory = (*outer)->open_directory(version);
  if (!directory.ok())
    return directory.code() == ErrorCode::kNotFound ? ok_status() : Status(std::move(directory).error());
  COFFER_CHECK_OK(give_directory(path + "/" + version, *stat));
  return enter(path + "/" + version, std::move(*directory));
}

Status DirectoryWalk::visit_file(const std::string& path, const std::string& name) {
  Level& level = levels_.back();
  const std::optional<RelationFile> relation = parse_relation_path(path);
  if (relation) {
    if (relation->temporary) return ok_status();
    const auto has_init = [&] {
      const std::string init = std::to_string(relation->relation_number) + "_init";
      auto it = std::lower_bound(level.entries.begin(), level.entries.end(), init,
                                 [](const DirectoryEntry& e, const std::string& n) { return e.name < n; });
      return it != level.entries.end() && it->name == init;
    };
    if (relation->fork != Fork::kInit && unlogged_to_skip(*relation, has_init())) return ok_status();
  }
  auto opened = level.directory->open_file(name);
  if (!opened.ok()) {
    if (opened.code() != ErrorCode::kNotFound) return std::move(opened).error().in("opening " + path);
    note_vanished(path, relation ? &*relation : nullptr);
    return ok_status();
  }
  COFFER_TRY(auto file, describe_file(**opened, path));
  file->relation = relation;
  file->has_page_checksums = relation && options_.data_checksums;
  if (relation && options_.changed) file->changed = options_.changed->changed(*relation, options_.blocks_per_segment);
  cutter_ = PieceCutter(std::move(file), make_file_reader(std::move(*opened), path));
  return ok_status();
}

void DirectoryWalk::note_vanished(const std::string& path, const RelationFile* relation) {
  if (relation || may_vanish(path)) return;
  // With its whole directory: the database was dropped, and the WAL knows.
  const Level& level = levels_.back();
  if (levels_.size() > 1 && !level.path.starts_with("global")) {
    bool empty = true;
    (void)level.directory->list("", [&](const DirectoryEntry&) { return empty = false; });
    if (empty) return;
  }
  warn("vanished while the directory was read: " + path);
}

}  // namespace coffer::postgres
