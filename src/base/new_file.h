// Small files that are whole or not there: keys, credentials, settings.
#pragma once
#include <string>

#include "base/filesystem.h"

namespace coffer {

/// Writes `contents` under a name that is free; kAlreadyExists otherwise. The file gets its name only when it is whole
/// and on disk: half a key file would be a key that opens nothing.
Status write_new_file(Directory& directory, const std::string& name, ByteView contents, uint32_t mode = 0600);
/// The same over a file that may exist: after a crash the old one is there, or the new one.
Status replace_file(Directory& directory, const std::string& name, ByteView contents, uint32_t mode = 0600);

}  // namespace coffer
