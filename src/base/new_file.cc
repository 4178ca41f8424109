#include "base/new_file.h"

namespace coffer {
namespace {

Status fill(File& file, ByteView contents) {
  COFFER_CHECK_OK(file.write_at(0, contents));
  return file.sync();
}

}  // namespace

Status write_new_file(Directory& directory, const std::string& name, ByteView contents, uint32_t mode) {
  COFFER_TRY(auto unnamed, directory.create_unnamed(mode));
  COFFER_CHECK_OK(fill(*unnamed, contents));
  Status named = directory.link(*unnamed, name);
  if (named.ok()) return directory.sync("");
  if (named.code() != ErrorCode::kUnavailable) return named;
  // A memory stick's file system may not know files without names: there it is written in place, and taken away again
  // when that fails.
  COFFER_TRY(auto file, directory.create_file(name, mode));
  if (Status filled = fill(*file, contents); !filled.ok()) {
    static_cast<void>(directory.remove_file(name).ok());
    return filled;
  }
  return directory.sync("");
}

Status replace_file(Directory& directory, const std::string& name, ByteView contents, uint32_t mode) {
  const std::string temporary = name + ".new";
  if (Status gone = directory.remove_file(temporary); !gone.ok() && gone.code() != ErrorCode::kNotFound) return gone;
  COFFER_TRY(auto file, directory.create_file(temporary, mode));
  COFFER_CHECK_OK(fill(*file, contents));
  COFFER_CHECK_OK(directory.rename(temporary, name));
  return directory.sync("");
}

}  // namespace coffer
