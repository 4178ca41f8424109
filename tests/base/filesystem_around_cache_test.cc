#include <gtest/gtest.h>

#include "base/filesystem.h"
#include "base/testing.h"

namespace coffer {
namespace {

// Whatever the alignment, what was written around the cache is what is read, and a tail written the usual way fits to
// it.
TEST(WriteAroundCache, GivesTheSameFileAsOrdinaryWrites) {
  TemporaryDirectory temporary;
  PosixFileSystem files;
  auto directory = must(files.open_directory(temporary.path()));
  auto file = must(directory->create_file("large", 0600));
  Bytes memory(5 * kDirectAlignment);
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<std::byte>(i * 7 % 251);
  const size_t skip = kDirectAlignment - reinterpret_cast<uintptr_t>(memory.data()) % kDirectAlignment;
  const ByteView aligned = ByteView(memory).subspan(skip, 2 * kDirectAlignment);
  const ByteView crooked = ByteView(memory).subspan(skip + 1, 1000);

  ASSERT_TRUE(file->write_around_cache(0, aligned).ok());
  ASSERT_TRUE(file->write_around_cache(aligned.size(), crooked).ok());
  ASSERT_TRUE(file->sync().ok());

  Bytes got(aligned.size() + crooked.size());
  ASSERT_EQ(must(file->read_at(0, got)), got.size());
  EXPECT_TRUE(equal(ByteView(got).first(aligned.size()), aligned));
  EXPECT_TRUE(equal(ByteView(got).subspan(aligned.size()), crooked));
}

}  // namespace
}  // namespace coffer
