#include "engine/jobs/restore_target.h"

#include <algorithm>
#include <charconv>

#include "base/this_process.h"
#include "engine/postgres/control_file.h"
#include "engine/postgres/lsn.h"

namespace coffer::jobs {

using namespace vault;

namespace {

// While this file stands in a directory, a restore into it has not ended. PostgreSQL cannot start there: pg_control is
// missing.
constexpr std::string_view kMarker = "coffer-restore-incomplete";
constexpr std::string_view kControlFile = "global/pg_control";

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}
std::string base_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<bool> is_empty(Directory& directory) {
  bool empty = true;
  COFFER_CHECK_OK(directory.list("", [&](const DirectoryEntry& e) { return empty = e.name == "lost+found"; }));
  return empty;
}

// Is this a tablespace that lives inside the data directory (developer option of 15 and later)?
bool is_in_place(const std::string& source_path) { return !source_path.starts_with('/'); }

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

Error refuse(std::string message, std::string next) {
  return Error{ErrorCode::kFailedPrecondition, std::move(message), std::move(next)};
}

}  // namespace

Status RestoreTarget::mark(Directory& directory, const std::string& point_id) const {
  if (auto s = directory.remove_file(kMarker); !s.ok() && s.code() != ErrorCode::kNotFound) return s;
  COFFER_TRY(auto file, directory.create_file(kMarker, 0600));
  COFFER_CHECK_OK(file->write_at(0, as_bytes(point_id)));
  COFFER_CHECK_OK(file->sync());
  return directory.sync("");
}

Result<std::string> RestoreTarget::marked_point(Directory& directory) const {
  auto file = directory.open_file(kMarker);
  if (!file.ok()) {
    if (file.code() == ErrorCode::kNotFound) return std::string();
    return std::move(file).error();
  }
  Bytes text(200);
  COFFER_TRY(size_t n, (*file)->read_at(0, text));
  return to_text(ByteView(text).first(n));
}

Status RestoreTarget::refuse_running(Directory& directory) const {
  auto file = directory.open_file("postmaster.pid");
  if (!file.ok()) return file.code() == ErrorCode::kNotFound ? ok_status() : Status(std::move(file).error());
  Bytes text(64);
  COFFER_TRY(size_t n, (*file)->read_at(0, text));
  long pid = 0;
  std::from_chars(reinterpret_cast<const char*>(text.data()), reinterpret_cast<const char*>(text.data()) + n, pid);
  if (pid > 0 && files_.stat("/proc/" + std::to_string(pid)).ok())
    return refuse(target_ + " has a running server (process " + std::to_string(pid) + ")",
                  "stop it first: pg_ctl stop -D " + target_);
  return ok_status();
}

Result<std::unique_ptr<RestoreTarget>> RestoreTarget::prepare(FileSystem& files, const Manifest& manifest,
                                                              const RestoreOptions& options) {
  if (!options.target.starts_with('/'))
    return Error{ErrorCode::kInvalidArgument, "the target '" + options.target + "' is not an absolute path",
                 "give the whole path"};
  std::unique_ptr<RestoreTarget> t(new RestoreTarget(files, options));
  t->target_ = without_trailing_slashes(options.target);
  t->point_id_ = manifest.id;

  auto there = files.stat(t->target_);
  if (!there.ok() && there.code() != ErrorCode::kNotFound) return std::move(there).error();
  if (there.ok() && there->type != FileType::kDirectory)
    return refuse(t->target_ + " is not a directory", "choose another target");
  // As root we restore for whoever owns the place: PostgreSQL would not run on root's files.
  if (effective_user() == 0) {
    FileStat owner;
    if (there.ok()) {
      owner = *there;
    } else if (auto parent = files.stat(parent_of(t->target_)); parent.ok()) {
      owner = *parent;
    }
    t->uid_ = owner.uid;
    t->gid_ = owner.gid;
    t->give_away_ = owner.uid != 0;
    if (!t->give_away_)
      t->notes_.push_back("the files belong to root, as " + t->target_ +
                          " does; give them to the database's user before starting it: chown -R postgres " +
                          t->target_);
  }
  if (options.delta && there.ok()) {
    COFFER_TRY(t->root_, files.open_directory(t->target_));
    COFFER_CHECK_OK(t->prepare_delta(manifest));
  } else {
    COFFER_CHECK_OK(t->prepare_new(manifest, there.ok()));
  }
  if (auto s = t->prepare_tablespaces(manifest, options); !s.ok()) {
    t->withdraw();
    return std::move(s).error();
  }
  return t;
}

// After a refusal the place looks as it did before, but for what an earlier run left there.
void RestoreTarget::withdraw() {
  if (resumes_) return;
  static_cast<void>(root_->remove_file(kMarker));
  root_.reset();
  if (staging_.empty()) return;
  auto parent = files_.open_directory(parent_of(staging_));
  if (parent.ok()) static_cast<void>((*parent)->remove_directory(base_of(staging_)));
}

// Bringing an existing copy to the point: it must be stopped, and be this very cluster.
Status RestoreTarget::prepare_delta(const Manifest& manifest) {
  COFFER_CHECK_OK(refuse_running(*root_));
  COFFER_TRY(bool empty, is_empty(*root_));
  COFFER_TRY(std::string marked, marked_point(*root_));
  if (empty || !marked.empty()) {
    // An interrupted restore was let in here once; what it left is compared like anything else.
    resumes_ = !empty;
  } else {
    const std::string next =
        "restore into an empty directory instead; --delta only replaces a stopped copy of cluster " +
        std::to_string(manifest.system_identifier);
    auto file = root_->open_file(kControlFile);
    if (!file.ok())
      return refuse(target_ + " is not empty and has no readable global/pg_control: it may be anything", next);
    Bytes contents(8192);
    COFFER_TRY(size_t n, (*file)->read_at(0, contents));
    auto control = postgres::parse_control_file(ByteView(contents).first(n));
    // A torn pg_control still begins with the identifier; its checksum is no reason to refuse a repair.
    const uint64_t identifier =
        control.ok() ? control->system_identifier : (n >= 8 ? load_le<uint64_t>(contents.data()) : 0);
    if (identifier != manifest.system_identifier)
      return refuse(target_ + " holds another cluster (" + std::to_string(identifier) + ", the point is of " +
                        std::to_string(manifest.system_identifier) + ")",
                    next);
    resumes_ = true;
  }
  COFFER_CHECK_OK(mark(*root_, manifest.id));
  // From here on nothing can start on the mixture of old and new files.
  for (std::string_view name : {kControlFile, std::string_view("postmaster.pid")})
    if (auto s = root_->remove_file(name); !s.ok() && s.code() != ErrorCode::kNotFound) return s;
  return ok_status();
}

Status RestoreTarget::prepare_new(const Manifest& manifest, bool exists) {
  bool in_place = false;
  if (exists) {
    COFFER_TRY(root_, files_.open_directory(target_));
    COFFER_TRY(std::string marked, marked_point(*root_));
    if (marked == manifest.id) {
      resumes_ = true;
      in_place = true;
    } else {
      COFFER_CHECK_OK(refuse_running(*root_));
      COFFER_TRY(bool empty, is_empty(*root_));
      if (!marked.empty())
        return refuse(target_ + " holds an interrupted restore of point " + marked,
                      "finish that restore, or empty the directory");
      if (!empty)
        return refuse(target_ + " is not empty",
                      "choose an empty directory, or --delta to bring a stopped copy of the same cluster to the point");
      // A mount point cannot be replaced by a rename: then the files are made in it and pg_control comes last.
      auto parent = files_.stat(parent_of(target_));
      COFFER_TRY(FileStat self, files_.stat(target_));
      in_place = !parent.ok() || parent->device != self.device;
      // Neither can one with a lost+found, the only entry that "empty" allows.
      COFFER_CHECK_OK(root_->list("", [&](const DirectoryEntry&) { return !(in_place = true); }));
    }
  }
  if (!in_place) {
    const std::string staging = (parent_of(target_) == "/" ? "" : parent_of(target_)) + "/." + base_of(target_) +
                                ".coffer-restore-" + manifest.id;
    resumes_ = files_.stat(staging).ok();
    auto made = files_.create_directories(staging, 0700);
    if (made.ok()) {
      root_ = std::move(made).value();
      staging_ = staging;
      COFFER_CHECK_OK(mark(*root_, manifest.id));
      return ok_status();
    }
    if (!exists) return std::move(made).error().in("making " + target_);
  }
  return mark(*root_, manifest.id);
}

Status RestoreTarget::prepare_tablespaces(const Manifest& manifest, const RestoreOptions& options) {
  for (const auto& [from, to] : options.tablespaces) {
    const bool used =
        std::any_of(manifest.tablespaces.begin(), manifest.tablespaces.end(),
                    [&, &from = from](const auto& t) { return from == t.second || from == std::to_string(t.first); });
    if (!used) {
      std::string known;
      for (const auto& [oid, path] : manifest.tablespaces) known += (known.empty() ? "" : ", ") + path;
      return Error{ErrorCode::kInvalidArgument, "the point has no tablespace at '" + from + "'",
                   known.empty() ? "it has none at all" : "it has: " + known};
    }
  }
  std::map<std::string, uint32_t> taken;
  for (const auto& [oid, source_path] : manifest.tablespaces) {
    if (is_in_place(source_path)) continue;
    std::string path = source_path;
    if (auto link = root_->read_symlink("pg_tblspc/" + std::to_string(oid)); link.ok()) path = *link;
    if (auto it = options.tablespaces.find(source_path); it != options.tablespaces.end()) path = it->second;
    if (auto it = options.tablespaces.find(std::to_string(oid)); it != options.tablespaces.end()) path = it->second;
    path = without_trailing_slashes(path);
    const std::string name = "tablespace " + std::to_string(oid);
    if (!path.starts_with('/'))
      return Error{ErrorCode::kInvalidArgument, name + ": '" + path + "' is not an absolute path", {}};
    if ((path + "/").starts_with(target_ + "/"))
      return Error{ErrorCode::kInvalidArgument, name + ": " + path + " lies inside the data directory",
                   "choose a place outside " + target_};
    if (auto [it, fresh] = taken.try_emplace(path, oid); !fresh)
      return Error{ErrorCode::kInvalidArgument,
                   name + " and tablespace " + std::to_string(it->second) + " would both go to " + path,
                   {}};
    auto directory = files_.create_directories(path, 0700);
    if (!directory.ok())
      return std::move(directory).error().in(name).advise("map it elsewhere: --tablespace " + source_path +
                                                          "=/another/place");
    const std::string version = "PG_" + std::to_string(manifest.major) + "_" + std::to_string(manifest.catalog_version);
    COFFER_TRY(std::string marked, marked_point(**directory));
    if (!resumes_ && marked != point_id_ && (*directory)->stat(version).ok())
      return refuse(name + ": " + path + " already holds " + version,
                    "map it elsewhere: --tablespace " + source_path + "=/another/place");
    COFFER_CHECK_OK(mark(**directory, point_id_));
    if (give_away_) COFFER_CHECK_OK(own(Location{directory->get(), std::string(kMarker)}));
    tablespaces_[oid] = path;
    tablespace_directories_[oid] = std::move(directory).value();
    if (give_away_) {
      // The directory itself: through its parent, because a handle cannot rename its own owner.
      COFFER_TRY(auto parent, files_.open_directory(parent_of(path)));
      COFFER_CHECK_OK(parent->set_owner(base_of(path), uid_, gid_));
    }
  }
  return ok_status();
}

RestoreTarget::Location RestoreTarget::locate(const std::string& path) const {
  constexpr std::string_view kTablespaces = "pg_tblspc/";
  if (path.starts_with(kTablespaces)) {
    const size_t end = std::min(path.find('/', kTablespaces.size()), path.size());
    uint32_t oid = 0;
    std::from_chars(path.data() + kTablespaces.size(), path.data() + end, oid);
    if (auto it = tablespace_directories_.find(oid); it != tablespace_directories_.end())
      return {it->second.get(), end == path.size() ? "" : path.substr(end + 1)};
  }
  return {root_.get(), path};
}

Status RestoreTarget::own(File& file) const { return give_away_ ? file.set_owner(uid_, gid_) : ok_status(); }
Status RestoreTarget::own(const Location& location) const {
  return give_away_ && !location.relative.empty() ? location.directory->set_owner(location.relative, uid_, gid_)
                                                  : ok_status();
}

Status RestoreTarget::make_directories(const Location& location, uint32_t mode) const {
  for (size_t at = 0; at != std::string::npos && !location.relative.empty();) {
    at = location.relative.find('/', at + 1);
    Location part{location.directory, location.relative.substr(0, at)};
    auto made = part.directory->create_directory(part.relative, mode);
    if (made.ok()) {
      COFFER_CHECK_OK(own(part));
    } else if (made.code() == ErrorCode::kAlreadyExists) {
      COFFER_TRY(FileStat there, part.directory->stat(part.relative));
      if (there.type == FileType::kDirectory) continue;
      // A delta restore finds a file or a link where the point has a directory.
      COFFER_CHECK_OK(part.directory->remove_file(part.relative));
      COFFER_CHECK_OK(part.directory->create_directory(part.relative, mode));
      COFFER_CHECK_OK(own(part));
    } else {
      return made;
    }
  }
  return ok_status();
}

Result<uint64_t> RestoreTarget::remove_others(const std::function<Result<bool>(const std::string&, bool)>& keep) {
  COFFER_TRY(uint64_t removed, remove_others_in(*root_, "", "", keep));
  for (const auto& [oid, directory] : tablespace_directories_) {
    const std::string prefix = "pg_tblspc/" + std::to_string(oid) + "/";
    COFFER_TRY(uint64_t more, remove_others_in(*directory, "", prefix, keep));
    removed += more;
  }
  return removed;
}

// `inside` is relative to `directory`, `prefix` turns it into a path of the point. Links are removed, never followed.
Result<uint64_t> RestoreTarget::remove_others_in(Directory& directory, const std::string& inside,
                                                 const std::string& prefix,
                                                 const std::function<Result<bool>(const std::string&, bool)>& keep) {
  std::vector<DirectoryEntry> entries;
  COFFER_CHECK_OK(directory.list(inside, [&](const DirectoryEntry& e) {
    entries.push_back(e);
    return true;
  }));
  uint64_t removed = 0;
  for (const DirectoryEntry& e : entries) {
    const std::string relative = inside.empty() ? e.name : inside + "/" + e.name;
    const std::string path = prefix + relative;
    if (relative == kMarker || relative == "lost+found") continue;
    const bool is_directory = e.type == FileType::kDirectory;
    const bool our_link = e.type == FileType::kSymlink && locate(path).directory != root_.get();
    if (our_link) continue;
    COFFER_TRY(bool wanted, keep(path, is_directory));
    if (is_directory) {
      COFFER_TRY(uint64_t more, remove_others_in(directory, relative, prefix, keep));
      removed += more;
      if (!wanted) COFFER_CHECK_OK(directory.remove_directory(relative));
    } else if (!wanted) {
      COFFER_CHECK_OK(directory.remove_file(relative));
      ++removed;
    }
  }
  return removed;
}

// Order: everything but pg_control synced; pg_control under its name, synced; the marker away; the directory's own
// name. A crash before the last step leaves something that PostgreSQL refuses to start and that a second run completes.
Status RestoreTarget::publish(ByteView control_file, uint32_t control_mode) {
  COFFER_CHECK_OK(root_->sync_filesystem());
  for (const auto& [oid, directory] : tablespace_directories_) COFFER_CHECK_OK(directory->sync_filesystem());

  const std::string temporary = "global/coffer-pg_control.tmp";
  if (auto s = root_->remove_file(temporary); !s.ok() && s.code() != ErrorCode::kNotFound) return s;
  COFFER_TRY(auto file, root_->create_file(temporary, control_mode));
  COFFER_CHECK_OK(file->write_at(0, control_file));
  COFFER_CHECK_OK(own(*file));
  COFFER_CHECK_OK(file->sync());
  COFFER_CHECK_OK(root_->rename(temporary, kControlFile));
  COFFER_CHECK_OK(root_->sync("global"));
  for (const auto& [oid, directory] : tablespace_directories_) {
    COFFER_CHECK_OK(directory->remove_file(kMarker));
    COFFER_CHECK_OK(directory->sync(""));
  }
  COFFER_CHECK_OK(root_->remove_file(kMarker));
  COFFER_CHECK_OK(root_->sync(""));
  COFFER_TRY(auto parent, files_.open_directory(parent_of(target_)));
  if (!staging_.empty()) {
    if (give_away_) COFFER_CHECK_OK(parent->set_owner(base_of(staging_), uid_, gid_));
    if (auto s = files_.rename(staging_, target_); !s.ok())
      return std::move(s)
          .error()
          .in("giving the finished copy its name")
          .advise("it is whole in " + staging_ + ": move it by hand");
  } else if (give_away_) {
    COFFER_CHECK_OK(parent->set_owner(base_of(target_), uid_, gid_));
  }
  return parent->sync("");
}

}  // namespace coffer::jobs
