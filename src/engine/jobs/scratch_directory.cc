#include "engine/jobs/scratch_directory.h"

#include <charconv>
#include <optional>
#include <vector>

#include "base/this_process.h"

namespace coffer::jobs {

namespace {

constexpr int kDepthMax = 200;  // no data directory is a tenth as deep; a loop of mounts ends here

struct Account {
  uint32_t uid = 0, gid = 0;
};

// The first of "postgres" and "nobody" in the user database.
Result<Account> unprivileged_account(FileSystem& files) {
  COFFER_TRY(Bytes passwd, files.read_file("/etc/passwd"));
  std::optional<Account> found;
  for (std::string_view text = as_text(passwd); !text.empty();) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    std::vector<std::string_view> fields;
    for (size_t at = 0; at <= line.size();) {
      const size_t end = std::min(line.find(':', at), line.size());
      fields.push_back(line.substr(at, end - at));
      at = end + 1;
    }
    if (fields.size() < 4 || (fields[0] != "postgres" && fields[0] != "nobody")) continue;
    Account account;
    auto number = [](std::string_view digits, uint32_t& out) {
      return std::from_chars(digits.data(), digits.data() + digits.size(), out).ec == std::errc{};
    };
    if (!number(fields[2], account.uid) || !number(fields[3], account.gid) || account.uid == 0) continue;
    if (fields[0] == "postgres") return account;
    found = account;
  }
  if (found) return *found;
  return Error{ErrorCode::kNotProven, "there is no user 'postgres' or 'nobody' that a scratch server could run as",
               "create the user postgres, or run this as another user than root"};
}

Status remove_tree_at(Directory& directory, const std::string& relative, int depth) {
  if (depth > kDepthMax) return Error{ErrorCode::kFailedPrecondition, relative + " is nested too deeply", {}};
  std::vector<DirectoryEntry> entries;
  COFFER_CHECK_OK(directory.list(relative, [&](const DirectoryEntry& e) {
    entries.push_back(e);
    return true;
  }));
  for (const DirectoryEntry& e : entries) {
    const std::string path = relative + "/" + e.name;
    if (e.type == FileType::kDirectory) {
      COFFER_CHECK_OK(remove_tree_at(directory, path, depth + 1));
    } else {
      COFFER_CHECK_OK(directory.remove_file(path));
    }
  }
  return directory.remove_directory(relative);
}

}  // namespace

Status remove_tree(Directory& directory, const std::string& relative) {
  auto there = directory.stat(relative);
  if (!there.ok()) return there.code() == ErrorCode::kNotFound ? ok_status() : Status(std::move(there).error());
  if (there->type != FileType::kDirectory) return directory.remove_file(relative);
  return remove_tree_at(directory, relative, 0);
}

Result<std::unique_ptr<ScratchDirectory>> ScratchDirectory::create(const Environment& environment) {
  std::unique_ptr<ScratchDirectory> made(new ScratchDirectory);
  COFFER_TRY(made->parent_, environment.files.open_directory(environment.scratch));
  made->name_ = "p-" + to_hex(environment.entropy.array<4>());
  made->path_ = environment.scratch + "/" + made->name_;
  if (effective_user() == 0) {
    COFFER_TRY(Account account, unprivileged_account(environment.files));
    made->give_away_ = true;
    made->uid_ = account.uid;
    made->gid_ = account.gid;
    COFFER_TRY(FileStat around, environment.files.stat(environment.scratch));
    if ((around.mode & 0011) != 0011) {
      // A handle cannot change its own mode, so it is done by name in the directory above.
      const size_t slash = environment.scratch.rfind('/');
      const std::string above = slash == std::string::npos ? "."
                                : slash == 0               ? "/"
                                                           : environment.scratch.substr(0, slash);
      COFFER_TRY(auto outer, environment.files.open_directory(above));
      COFFER_CHECK_OK(outer->set_mode(environment.scratch.substr(slash + 1), around.mode | 0011));
    }
  }
  COFFER_CHECK_OK(made->parent_->create_directory(made->name_, 0700));
  if (made->give_away_) COFFER_CHECK_OK(made->parent_->set_owner(made->name_, made->uid_, made->gid_));
  return made;
}

Result<std::string> ScratchDirectory::make(const std::string& name) {
  COFFER_CHECK_OK(parent_->create_directory(name_ + "/" + name, 0700));
  if (give_away_) COFFER_CHECK_OK(parent_->set_owner(name_ + "/" + name, uid_, gid_));
  return path_ + "/" + name;
}

Status ScratchDirectory::remove() {
  keep_ = true;
  return remove_tree(*parent_, name_);
}

ScratchDirectory::~ScratchDirectory() {
  // Nobody is left to tell; the whole scratch directory goes with the process that made it.
  if (!keep_) static_cast<void>(remove_tree(*parent_, name_));
}

}  // namespace coffer::jobs
