// The zip of a function: taken or refused, never a crash; and what is taken unpacks to what was promised, inside.

#include <stdlib.h>

#include <filesystem>

#include "fuzz/require.h"
#include "services/lambda/code_archive.h"

using namespace coffer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView zip(reinterpret_cast<const std::byte*>(data), size);
  const lambda::ArchiveLimits limits{.unpacked_size_max = 1 << 20, .entries_max = 100};
  const auto checked = lambda::check_archive(zip, limits);
  if (!checked.ok()) return 0;
  require(checked->unpacked_size <= limits.unpacked_size_max && checked->entries <= limits.entries_max);

  char name[] = "/tmp/coffer-zip-fuzz-XXXXXX";
  const std::string outside = ::mkdtemp(name);
  std::filesystem::create_directory(outside + "/in");
  {
    auto folder = PosixFileSystem().open_directory(outside + "/in");
    require(folder.ok() && lambda::extract_archive(zip, **folder, limits).ok());
  }
  uint64_t written = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(outside + "/in")) {
    require(entry.is_directory() || (entry.is_regular_file() && !entry.is_symlink()));
    if (entry.is_regular_file()) written += entry.file_size();
  }
  require(written == checked->unpacked_size);
  require(std::distance(std::filesystem::directory_iterator(outside), {}) == 1);
  std::filesystem::remove_all(outside);
  return 0;
}
