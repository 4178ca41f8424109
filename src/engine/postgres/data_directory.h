// What the names in a data directory mean, and which of them a backup takes (postgres-backup.md 2.3, 2.4).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::postgres {

enum class Fork : uint8_t { kMain, kFreeSpaceMap, kVisibilityMap, kInit };

/// A relation file by its path below the data directory.
struct RelationFile {
  uint32_t tablespace_oid = 0;   // 1663 pg_default, 1664 pg_global, else the oid of pg_tblspc/<oid>
  uint32_t database_oid = 0;     // 0 for global/
  uint32_t relation_number = 0;  // relfilenode
  Fork fork = Fork::kMain;
  uint32_t segment = 0;
  bool temporary = false;  // t<backend>_<relfilenode>
};
/// Nothing when the path is not that of a relation file.
std::optional<RelationFile> parse_relation_path(std::string_view path);

enum class Treatment {
  kTake,
  kSkip,           // neither the file nor its name
  kDirectoryOnly,  // the directory, never its content
};
/// By path below the data directory. `is_directory` as found, or as it will be stored (a symlinked pg_wal is a
/// directory). pg_wal is kDirectoryOnly, and so are archive_status and summaries in it: a reader adds these two itself.
/// Unlogged relations need the listing of their folder and are decided by unlogged_to_skip().
Treatment treatment_of(std::string_view path, bool is_directory);
/// True when a listed file of a relation folder belongs to an unlogged relation (its _init fork stands in the same
/// folder) and is not the init fork itself. `has_init(n)` tells whether "<n>_init" is there.
bool unlogged_to_skip(const RelationFile& file, bool has_init);

/// Is `path` one that may stand in a data directory that we restore? Checks form only: relative, no "..", components of
/// printable bytes, at most 1024 bytes, no device-like trickery. What the source sends is hostile input.
Status check_source_path(std::string_view path);

}  // namespace coffer::postgres
