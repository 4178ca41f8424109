// Puts the pieces of a source back into a directory, as a restore would.
#pragma once
#include <string>
#include <vector>

#include "engine/postgres/source.h"

namespace coffer::testing_support {

/// The whole life of a source, with `workers` tasks calling next(); every rule of source.h about pieces is checked by
/// the way. Throws when something fails.
struct AssembledCopy {
  postgres::SourceStart start;
  postgres::SourceEnd end;
  std::vector<postgres::SourceFile> files;  // sorted by path
  [[nodiscard]] const postgres::SourceFile* find(std::string_view path) const;
};
/// `directory` is made; tablespace n goes to "<directory>-tablespaces/<oid>", linked from pg_tblspc.
AssembledCopy assemble_copy(postgres::Source& source, const std::string& directory, int workers = 2);

/// Lets tablespace_map of an assembled copy name the folders beside it, so that a server may start there.
void point_tablespaces_at_copy(const AssembledCopy& copy, const std::string& directory);

}  // namespace coffer::testing_support
