#include "engine/postgres/data_directory.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace coffer::postgres {
namespace {

constexpr size_t kPathSizeMax = 1024, kComponentSizeMax = 255;
constexpr uint32_t kDefaultTablespace = 1663, kGlobalTablespace = 1664;

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// A decimal number without leading zero, at least 1. That is how PostgreSQL writes oids, relfilenodes and segments.
bool parse_number(std::string_view text, uint32_t& out) {
  if (!all_digits(text) || text.front() == '0') return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

/// Cuts the first component off `path`.
std::string_view take_component(std::string_view& path) {
  size_t slash = path.find('/');
  std::string_view component = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  return component;
}

/// "PG_15_202209061"
bool is_version_directory(std::string_view name) {
  if (!name.starts_with("PG_")) return false;
  name.remove_prefix(3);
  size_t bar = name.find('_');
  return bar != std::string_view::npos && all_digits(name.substr(0, bar)) && all_digits(name.substr(bar + 1));
}

/// `path` becomes the part below the folder of relations that it begins with; false when it is in none.
bool take_relation_folder(std::string_view& path, RelationFile& out) {
  std::string_view top = take_component(path);
  if (top == "global") {
    out.tablespace_oid = kGlobalTablespace;
    return true;
  }
  if (top == "base") {
    out.tablespace_oid = kDefaultTablespace;
    return parse_number(take_component(path), out.database_oid);
  }
  if (top != "pg_tblspc") return false;
  return parse_number(take_component(path), out.tablespace_oid) && is_version_directory(take_component(path)) &&
         parse_number(take_component(path), out.database_oid);
}

bool take_fork(std::string_view& name, Fork& out) {
  size_t bar = name.find('_');
  if (bar == std::string_view::npos) return true;
  std::string_view fork = name.substr(bar + 1);
  name = name.substr(0, bar);
  if (fork == "fsm")
    out = Fork::kFreeSpaceMap;
  else if (fork == "vm")
    out = Fork::kVisibilityMap;
  else if (fork == "init")
    out = Fork::kInit;
  else
    return false;
  return true;
}

template <size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Folders whose content is of no use in a copy: the server makes it anew, it comes separately (pg_wal), or it would be
// wrong there (slots).
constexpr std::array<std::string_view, 8> kEmptied = {"pg_wal",    "pg_replslot",  "pg_dynshmem", "pg_notify",
                                                      "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans"};
// And the folders in them that must be there all the same.
constexpr std::array<std::string_view, 2> kEmptiedInside = {"pg_wal/archive_status", "pg_wal/summaries"};

// Files that are left out wherever they lie, as the server does; the second half is what earlier restores and other
// systems leave behind.
constexpr std::array<std::string_view, 12> kSkippedNames = {
    "postmaster.pid",           "postmaster.opts",      "backup_label",     "tablespace_map",
    "backup_manifest",          "current_logfiles.tmp", "backup_label.old", "tablespace_map.old",
    "postgresql.auto.conf.tmp", "recovery.done",        ".DS_Store",        "backup_manifest.tmp"};

bool below_emptied(std::string_view path) {
  return std::any_of(kEmptied.begin(), kEmptied.end(), [&](std::string_view folder) {
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
  });
}

}  // namespace

std::optional<RelationFile> parse_relation_path(std::string_view path) {
  RelationFile file;
  if (!take_relation_folder(path, file) || path.find('/') != std::string_view::npos) return std::nullopt;

  std::string_view name = path;
  if (size_t dot = name.find('.'); dot != std::string_view::npos) {
    if (!parse_number(name.substr(dot + 1), file.segment)) return std::nullopt;
    name = name.substr(0, dot);
  }
  if (name.starts_with('t')) {
    file.temporary = true;
    size_t bar = name.find('_');
    if (bar == std::string_view::npos || !all_digits(name.substr(1, bar - 1))) return std::nullopt;
    name = name.substr(bar + 1);
  }
  if (!take_fork(name, file.fork) || !parse_number(name, file.relation_number)) return std::nullopt;
  return file;
}

Treatment treatment_of(std::string_view path, bool is_directory) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (name.starts_with("pgsql_tmp") || name.starts_with("pg_internal.init") || path == "lost+found") {
    return Treatment::kSkip;
  }
  if (is_directory && (is_one_of(path, kEmptied) || is_one_of(path, kEmptiedInside))) return Treatment::kDirectoryOnly;
  if (below_emptied(path)) return Treatment::kSkip;
  if (is_directory) return Treatment::kTake;
  if (is_one_of(name, kSkippedNames)) return Treatment::kSkip;
  if (auto relation = parse_relation_path(path); relation && relation->temporary) return Treatment::kSkip;
  return Treatment::kTake;
}

bool unlogged_to_skip(const RelationFile& file, bool has_init) { return has_init && file.fork != Fork::kInit; }

Status check_source_path(std::string_view path) {
  auto refused = [&](std::string_view why) {
    std::string shown;
    for (char c : path.substr(0, 80)) shown += c >= 0x20 && c < 0x7f ? c : '?';
    return Error{ErrorCode::kInvalidArgument, "the path '" + shown + "' " + std::string(why), {}};
  };
  if (path.empty()) return refused("is empty");
  if (path.size() > kPathSizeMax) return refused("is longer than 1024 bytes");
  for (std::string_view rest = path;;) {
    size_t slash = rest.find('/');
    std::string_view component = rest.substr(0, slash);
    if (component.empty()) return refused("is absolute or has an empty component");
    if (component == "." || component == "..") return refused("has a component that leads elsewhere");
    if (component.size() > kComponentSizeMax) return refused("has a component of more than 255 bytes");
    for (char c : component) {
      auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte == 0x7f) return refused("has a control character");
    }
    if (slash == std::string_view::npos) return ok_status();
    rest = rest.substr(slash + 1);
  }
}

}  // namespace coffer::postgres
