#include "base/faulty_filesystem.h"

#include <vector>

#include "base/testing.h"

namespace coffer {
namespace {

using Kind = FileFault::Kind;

class FaultyFileSystemTest : public ::testing::Test {
 protected:
  // The directory through a file system that fails each call of `operation`.
  std::unique_ptr<Directory> failing(std::string operation, FileFault fault) {
    faulty_.emplace(file_system_, [operation, fault, this](const FileCall& call) -> std::optional<FileFault> {
      seen_.push_back(std::string(call.operation) + " " + std::string(call.path).substr(directory_.path().size()));
      if (call.operation == operation) return fault;
      return std::nullopt;
    });
    return must(faulty_->open_directory(directory_.path()));
  }

  TemporaryDirectory directory_;
  PosixFileSystem file_system_;
  std::vector<std::string> seen_;
  std::optional<FaultyFileSystem> faulty_;
};

TEST_F(FaultyFileSystemTest, WithoutFaultsItIsTheInnerOne) {
  auto root = failing("none", {});
  auto file = must(root->create_unnamed(0600));
  must(file->write_at(0, as_bytes("hello")));
  must(file->sync());
  must(root->create_directories("a/b", 0700));
  must(root->link(*file, "a/b/c"));
  must(root->sync("a/b"));

  EXPECT_EQ(read_text(directory_.path("a/b/c")), "hello");
  EXPECT_EQ(seen_,
            (std::vector<std::string>{"open_directory ", "create_unnamed /(unnamed)", "write_at /(unnamed)",
                                      "sync /(unnamed)", "create_directories /a/b", "link /a/b/c", "sync /a/b"}));
  EXPECT_EQ(faulty_->calls(), 7U);
}

TEST_F(FaultyFileSystemTest, ErrorStopsTheCall) {
  auto root = failing("create_file", {.kind = Kind::kError, .error_number = ENOSPC});

  EXPECT_TRUE(fails_with(root->create_file("a", 0600), ErrorCode::kResourceExhausted,
                         "create_file of " + directory_.path("a")));
  EXPECT_FALSE(std::filesystem::exists(directory_.path("a")));
}

TEST_F(FaultyFileSystemTest, ErrorAfterLetsTheCallHappen) {
  auto root = failing("create_directory", {.kind = Kind::kErrorAfter});

  EXPECT_TRUE(fails_with(root->create_directory("a", 0700), ErrorCode::kUnavailable));
  EXPECT_TRUE(std::filesystem::exists(directory_.path("a")));
}

TEST_F(FaultyFileSystemTest, TornWriteLeavesHalf) {
  auto root = failing("write_at", {.kind = Kind::kTornWrite, .error_number = ENOSPC});
  auto file = must(root->create_file("a", 0600));

  EXPECT_TRUE(fails_with(file->write_at(0, as_bytes("12345678")), ErrorCode::kResourceExhausted));
  EXPECT_EQ(read_text(directory_.path("a")), "1234");
}

TEST_F(FaultyFileSystemTest, FlippedBitIsSeenByTheReaderAlone) {
  write_text(directory_.path("a"), "hello");
  auto root = failing("read_at", {.kind = Kind::kFlipBit});
  Bytes bytes(5);

  EXPECT_EQ(must(must(root->open_file("a"))->read_at(0, bytes)), 5U);
  EXPECT_NE(as_text(bytes), "hello");
  EXPECT_EQ(read_text(directory_.path("a")), "hello");
}

TEST_F(FaultyFileSystemTest, FailedSyncStaysFailed) {
  int syncs = 0;
  FaultyFileSystem once(file_system_, [&](const FileCall& call) -> std::optional<FileFault> {
    if (call.operation == "sync" && ++syncs == 1) return FileFault{.kind = Kind::kError, .error_number = EIO};
    return std::nullopt;
  });
  auto file = must(must(once.open_directory(directory_.path()))->create_file("a", 0600));

  EXPECT_TRUE(fails_with(file->sync(), ErrorCode::kUnavailable));
  EXPECT_TRUE(fails_with(file->sync(), ErrorCode::kUnavailable));
  EXPECT_TRUE(fails_with(file->write_at(0, as_bytes("x")), ErrorCode::kUnavailable));
}

TEST_F(FaultyFileSystemTest, CrashUnwindsAndNothingHappensAfterIt) {
  auto root = failing("create_file", {.kind = Kind::kCrash});
  EXPECT_THROW((void)root->create_file("a", 0600), FileSystemCrash);

  EXPECT_FALSE(root->create_directory("b", 0700).ok());

  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(FaultyFileSystemTest, CrashAfterLetsTheCallHappen) {
  auto root = failing("create_file", {.kind = Kind::kCrashAfter});

  EXPECT_THROW((void)root->create_file("a", 0600), FileSystemCrash);
  EXPECT_TRUE(std::filesystem::exists(directory_.path("a")));
}

TEST_F(FaultyFileSystemTest, EntryPointFailsToo) {
  failing("rename", {.kind = Kind::kError, .error_number = EXDEV});
  write_text(directory_.path("a"), "x");

  EXPECT_TRUE(fails_with(faulty_->rename(directory_.path("a"), directory_.path("b")), ErrorCode::kInvalidArgument));
  EXPECT_EQ(to_text(must(faulty_->read_file(directory_.path("a")))), "x");
}

}  // namespace
}  // namespace coffer
