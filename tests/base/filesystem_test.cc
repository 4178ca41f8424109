#include "base/filesystem.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <thread>

#include "base/testing.h"

namespace coffer {
namespace {

class FileSystemTest : public ::testing::Test {
 protected:
  std::string contents(std::string_view relative) {
    auto file = must(root_->open_file(relative));
    Bytes bytes(must(file->stat()).size_bytes);
    EXPECT_EQ(must(file->read_at(0, bytes)), bytes.size());
    return to_text(bytes);
  }
  void put(std::string_view relative, std::string_view text) {
    auto file = must(root_->create_file(relative, 0600));
    ASSERT_TRUE(succeeds(file->write_at(0, as_bytes(text))));
  }
  std::map<std::string, FileType> entries(std::string_view relative) {
    std::map<std::string, FileType> found;
    EXPECT_TRUE(succeeds(root_->list(relative, [&](const DirectoryEntry& entry) {
      found.emplace(entry.name, entry.type);
      return true;
    })));
    return found;
  }

  TemporaryDirectory outside_;
  TemporaryDirectory directory_;
  PosixFileSystem file_system_;
  std::unique_ptr<Directory> root_ = must(file_system_.open_directory(directory_.path()));
};

TEST(CheckRelativePath, AcceptsPlainPaths) {
  for (std::string_view path : {"a", "a/b", "base/16384/2619_vm", "...", "..a/b..", "a b/\xc3\xa4", ".hidden"})
    EXPECT_TRUE(succeeds(check_relative_path(path))) << path;
  EXPECT_TRUE(succeeds(check_relative_path(std::string(4000, 'a'))));
}

TEST(CheckRelativePath, RefusesWhatCouldLeadElsewhere) {
  for (std::string_view path :
       {"", "/", "/etc", "..", ".", "a/..", "../a", "a/../b", "./a", "a/.", "a//b", "a/", "//a"})
    EXPECT_TRUE(fails_with(check_relative_path(path), ErrorCode::kInvalidArgument)) << path;
  EXPECT_TRUE(fails_with(check_relative_path(std::string_view("a\0b", 3)), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(check_relative_path(std::string(4001, 'a')), ErrorCode::kInvalidArgument));
}

TEST(ErrorFromErrno, MapsWhatCallersActOn) {
  const std::map<int, ErrorCode> expected = {
      {ENOENT, ErrorCode::kNotFound},          {EEXIST, ErrorCode::kAlreadyExists},
      {EACCES, ErrorCode::kPermissionDenied},  {EPERM, ErrorCode::kPermissionDenied},
      {ENOSPC, ErrorCode::kResourceExhausted}, {EDQUOT, ErrorCode::kResourceExhausted},
      {EFBIG, ErrorCode::kResourceExhausted},  {EMFILE, ErrorCode::kResourceExhausted},
      {EXDEV, ErrorCode::kInvalidArgument},    {ELOOP, ErrorCode::kInvalidArgument},
      {EIO, ErrorCode::kUnavailable},          {EINVAL, ErrorCode::kInternal}};
  for (auto [number, code] : expected) EXPECT_EQ(error_from_errno(number, "x").code, code) << number;
}

TEST(ErrorFromErrno, SaysWhatAndWhyAndForAFullDiskWhatNext) {
  const Error error = error_from_errno(ENOSPC, "writing /srv/vault/a");

  EXPECT_EQ(error.message, "writing /srv/vault/a: No space left on device");
  EXPECT_NE(error.next_step.find("free space"), std::string::npos);
}

TEST_F(FileSystemTest, FileGivesBackWhatWasWritten) {
  auto file = must(root_->create_file("a", 0600));
  ASSERT_TRUE(succeeds(file->write_at(0, as_bytes("hello"))));
  ASSERT_TRUE(succeeds(file->write_at(10, as_bytes("world"))));
  ASSERT_TRUE(succeeds(file->sync()));

  EXPECT_EQ(contents("a"), std::string("hello\0\0\0\0\0world", 15));
}

TEST_F(FileSystemTest, ReadIsShortOnlyAtTheEnd) {
  put("a", "hello");
  auto file = must(root_->open_file("a"));
  Bytes buffer(10);

  EXPECT_EQ(must(file->read_at(0, buffer)), 5U);
  EXPECT_EQ(must(file->read_at(3, buffer)), 2U);
  EXPECT_EQ(must(file->read_at(5, buffer)), 0U);
  EXPECT_EQ(must(file->read_at(500, buffer)), 0U);
}

TEST_F(FileSystemTest, PositionedCallsOfManyThreadsDoNotMix) {
  auto file = must(root_->create_file("a", 0600));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      const std::string piece(1000, static_cast<char>('a' + i));
      for (size_t k = 0; k < 50; ++k) must(file->write_at((k * 8 + i) * 1000, as_bytes(piece)));
    });
  for (auto& thread : threads) thread.join();

  const std::string all = contents("a");
  ASSERT_EQ(all.size(), 400'000U);
  for (size_t at = 0; at < all.size(); ++at) ASSERT_EQ(all[at], static_cast<char>('a' + at / 1000 % 8)) << at;
}

TEST_F(FileSystemTest, TruncateSetsTheSize) {
  put("a", "hello");
  auto file = must(root_->open_file_for_write("a"));
  ASSERT_TRUE(succeeds(file->truncate(3)));
  EXPECT_EQ(contents("a"), "hel");
  ASSERT_TRUE(succeeds(file->truncate(5)));
  EXPECT_EQ(contents("a"), std::string("hel\0\0", 5));
}

TEST_F(FileSystemTest, CreateNeverOpensWhatIsThere) {
  put("a", "first");

  EXPECT_TRUE(fails_with(root_->create_file("a", 0600), ErrorCode::kAlreadyExists, directory_.path("a")));
  EXPECT_EQ(contents("a"), "first");
}

TEST_F(FileSystemTest, MissingFileIsNotFoundByName) {
  EXPECT_TRUE(fails_with(root_->open_file("a/b"), ErrorCode::kNotFound, directory_.path("a/b")));
  EXPECT_TRUE(fails_with(root_->open_file_for_write("a"), ErrorCode::kNotFound));
  EXPECT_TRUE(fails_with(root_->stat("a"), ErrorCode::kNotFound));
  EXPECT_TRUE(fails_with(root_->remove_file("a"), ErrorCode::kNotFound));
  EXPECT_TRUE(fails_with(root_->open_directory("a"), ErrorCode::kNotFound));
}

TEST_F(FileSystemTest, WriteThroughAReadOnlyFileFails) {
  put("a", "first");
  auto file = must(root_->open_file("a"));

  EXPECT_FALSE(file->write_at(0, as_bytes("x")).ok());
  EXPECT_EQ(contents("a"), "first");
}

TEST_F(FileSystemTest, ModesAreExactWhateverTheUmask) {
  const mode_t before = ::umask(077);
  must(root_->create_file("file", 0640));
  must(root_->create_directory("folder", 0750));
  must(root_->create_directories("x/y", 0750));
  auto unnamed = must(root_->create_unnamed(0640));
  ::umask(before);

  EXPECT_EQ(must(root_->stat("file")).mode, 0640U);
  EXPECT_EQ(must(root_->stat("folder")).mode, 0750U);
  EXPECT_EQ(must(root_->stat("x/y")).mode, 0750U);
  EXPECT_EQ(must(unnamed->stat()).mode, 0640U);
}

TEST_F(FileSystemTest, ModeAndTimeAreSet) {
  put("a", "x");
  auto file = must(root_->open_file_for_write("a"));
  ASSERT_TRUE(succeeds(file->set_mode(0400)));
  ASSERT_TRUE(succeeds(file->set_mtime(1'700'000'000'123'456'789)));

  const FileStat stat = must(root_->stat("a"));
  EXPECT_EQ(stat.mode, 0400U);
  EXPECT_EQ(stat.mtime_ns, 1'700'000'000'123'456'789);
  ASSERT_TRUE(succeeds(file->set_mtime(-1)));
  EXPECT_EQ(must(file->stat()).mtime_ns, -1);
}

TEST_F(FileSystemTest, SetModeByNameWorksWhereTheOwnerMayNotRead) {
  put("a", "x");
  ASSERT_TRUE(succeeds(root_->set_mode("a", 0)));
  ASSERT_TRUE(succeeds(root_->set_mode("a", 0600)));

  EXPECT_EQ(must(root_->stat("a")).mode, 0600U);
}

TEST_F(FileSystemTest, StatTellsTypesAndDoesNotFollowALink) {
  put("a", "hello");
  must(root_->create_directory("folder", 0700));
  must(root_->create_symlink("a", "link"));
  ASSERT_EQ(::mkfifo(directory_.path("fifo").c_str(), 0600), 0);

  EXPECT_EQ(must(root_->stat("a")).type, FileType::kRegular);
  EXPECT_EQ(must(root_->stat("a")).size_bytes, 5U);
  EXPECT_EQ(must(root_->stat("folder")).type, FileType::kDirectory);
  EXPECT_EQ(must(root_->stat("link")).type, FileType::kSymlink);
  EXPECT_EQ(must(root_->stat("fifo")).type, FileType::kOther);
}

TEST_F(FileSystemTest, OnlyRegularFilesAreOpened) {
  must(root_->create_directory("folder", 0700));
  ASSERT_EQ(::mkfifo(directory_.path("fifo").c_str(), 0600), 0);

  EXPECT_TRUE(fails_with(root_->open_file("folder"), ErrorCode::kInvalidArgument, "regular"));
  EXPECT_TRUE(fails_with(root_->open_file("fifo"), ErrorCode::kInvalidArgument, "regular"));
  EXPECT_TRUE(fails_with(root_->open_file_for_write("fifo"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(file_system_.open_file("/dev/null"), ErrorCode::kInvalidArgument));
}

// A hostile name in a backup must not reach outside of the target.
TEST_F(FileSystemTest, SymlinkInTheMiddleIsRefusedByEveryCall) {
  write_text(outside_.path("secret"), "secret");
  ASSERT_EQ(::symlink(outside_.path().c_str(), directory_.path("way").c_str()), 0);
  put("mine", "mine");

  EXPECT_TRUE(fails_with(root_->open_file("way/secret"), ErrorCode::kInvalidArgument, "symbolic link"));
  EXPECT_TRUE(fails_with(root_->open_file_for_write("way/secret"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->create_file("way/new", 0600), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->open_directory("way"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->create_directory("way/new", 0700), ErrorCode::kInvalidArgument));
  EXPECT_FALSE(root_->create_directories("way/new/newer", 0700).ok());
  EXPECT_TRUE(fails_with(root_->create_symlink("x", "way/new"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->stat("way/secret"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->list("way", [](const DirectoryEntry&) { return true; }), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->rename("mine", "way/new"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->rename("way/secret", "stolen"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->remove_file("way/secret"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->set_mode("way/secret", 0777), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->set_owner("way/secret", 1, 1), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->sync("way"), ErrorCode::kInvalidArgument));
  auto unnamed = must(root_->create_unnamed(0600));
  EXPECT_TRUE(fails_with(root_->link(*unnamed, "way/new"), ErrorCode::kInvalidArgument));
  EXPECT_EQ(read_text(outside_.path("secret")), "secret");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(outside_.path()), {}), 1);
}

TEST_F(FileSystemTest, FinalSymlinkIsNeverFollowed) {
  write_text(outside_.path("secret"), "secret");
  ASSERT_EQ(::chmod(outside_.path("secret").c_str(), 0600), 0);
  ASSERT_EQ(::symlink(outside_.path("secret").c_str(), directory_.path("link").c_str()), 0);
  ASSERT_EQ(::symlink(outside_.path("new").c_str(), directory_.path("dangling").c_str()), 0);

  EXPECT_TRUE(fails_with(root_->open_file("link"), ErrorCode::kInvalidArgument, "symbolic link"));
  EXPECT_TRUE(fails_with(root_->open_file_for_write("link"), ErrorCode::kInvalidArgument));
  EXPECT_FALSE(root_->create_file("dangling", 0600).ok());
  EXPECT_TRUE(fails_with(root_->set_mode("link", 0777), ErrorCode::kInvalidArgument));
  auto unnamed = must(root_->create_unnamed(0600));
  EXPECT_TRUE(fails_with(root_->link(*unnamed, "dangling"), ErrorCode::kAlreadyExists));
  ASSERT_TRUE(succeeds(root_->remove_file("link")));
  EXPECT_EQ(read_text(outside_.path("secret")), "secret");
  EXPECT_EQ(must(file_system_.stat(outside_.path("secret"))).mode, 0600U);
  EXPECT_FALSE(std::filesystem::exists(outside_.path("new")));
}

TEST_F(FileSystemTest, SymlinkThatStaysInsideIsRefusedAsWell) {
  put("a", "x");
  must(root_->create_symlink("a", "link"));

  EXPECT_TRUE(fails_with(root_->open_file("link"), ErrorCode::kInvalidArgument));
}

TEST_F(FileSystemTest, PathsThatAreNotRelativeAreRefusedByEveryCall) {
  for (std::string_view path : {"..", "../x", "a/../../x", "/etc/passwd", "a//b", "./a"}) {
    EXPECT_TRUE(fails_with(root_->open_file(path), ErrorCode::kInvalidArgument)) << path;
    EXPECT_TRUE(fails_with(root_->create_file(path, 0600), ErrorCode::kInvalidArgument)) << path;
    EXPECT_TRUE(fails_with(root_->open_directory(path), ErrorCode::kInvalidArgument)) << path;
    EXPECT_TRUE(fails_with(root_->create_directories(path, 0700), ErrorCode::kInvalidArgument)) << path;
    EXPECT_TRUE(fails_with(root_->stat(path), ErrorCode::kInvalidArgument)) << path;
    EXPECT_TRUE(fails_with(root_->rename(path, "x"), ErrorCode::kInvalidArgument)) << path;
    EXPECT_TRUE(fails_with(root_->remove_file(path), ErrorCode::kInvalidArgument)) << path;
    EXPECT_TRUE(fails_with(root_->remove_directory(path), ErrorCode::kInvalidArgument)) << path;
    EXPECT_TRUE(fails_with(root_->sync(path), ErrorCode::kInvalidArgument)) << path;
  }
}

TEST_F(FileSystemTest, NameLongerThanTheFileSystemAllowsIsRefused) {
  put(std::string(255, 'n'), "x");

  EXPECT_TRUE(fails_with(root_->create_file(std::string(256, 'n'), 0600), ErrorCode::kInvalidArgument));
}

TEST_F(FileSystemTest, UnnamedFileAppearsWholeByItsLink) {
  must(root_->create_directory("folder", 0700));
  auto file = must(root_->create_unnamed(0600));
  ASSERT_TRUE(succeeds(file->write_at(0, as_bytes("whole"))));
  EXPECT_EQ(entries("").size(), 1U);

  ASSERT_TRUE(succeeds(root_->link(*file, "folder/a")));

  EXPECT_EQ(contents("folder/a"), "whole");
}

TEST_F(FileSystemTest, UnnamedFileVanishesWhenItIsClosed) {
  must(root_->create_unnamed(0600)).reset();

  EXPECT_TRUE(entries("").empty());
}

TEST_F(FileSystemTest, LinkNeverReplaces) {
  put("a", "first");
  auto file = must(root_->create_unnamed(0600));

  EXPECT_TRUE(fails_with(root_->link(*file, "a"), ErrorCode::kAlreadyExists, directory_.path("a")));
  EXPECT_EQ(contents("a"), "first");
}

TEST_F(FileSystemTest, NamedFileGetsASecondName) {
  auto file = must(root_->create_file(".tmp-1", 0600));
  ASSERT_TRUE(succeeds(file->write_at(0, as_bytes("x"))));

  ASSERT_TRUE(succeeds(root_->link(*file, "a")));

  ASSERT_TRUE(succeeds(root_->remove_file(".tmp-1")));
  EXPECT_EQ(contents("a"), "x");
}

TEST_F(FileSystemTest, CreateDirectoriesMakesWhatIsMissing) {
  must(root_->create_directory("a", 0700));

  ASSERT_TRUE(succeeds(root_->create_directories("a/b/c", 0700)));
  ASSERT_TRUE(succeeds(root_->create_directories("a/b/c", 0700)));

  put("a/b/c/file", "x");
  EXPECT_EQ(contents("a/b/c/file"), "x");
}

TEST_F(FileSystemTest, CreateDirectoriesRefusesAFileInTheWay) {
  put("a", "x");

  EXPECT_TRUE(fails_with(root_->create_directories("a", 0700), ErrorCode::kAlreadyExists));
  EXPECT_FALSE(root_->create_directories("a/b", 0700).ok());
  EXPECT_TRUE(fails_with(root_->create_directory("a", 0700), ErrorCode::kAlreadyExists));
}

TEST_F(FileSystemTest, SymlinkKeepsAnyTarget) {
  const std::string target = "/srv/" + std::string(1000, 't');
  ASSERT_TRUE(succeeds(root_->create_symlink(target, "link")));

  EXPECT_EQ(must(root_->read_symlink("link")), target);
  put("a", "x");
  EXPECT_TRUE(fails_with(root_->read_symlink("a"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(root_->create_symlink("", "b"), ErrorCode::kInvalidArgument));
}

TEST_F(FileSystemTest, ListNamesEveryEntryWithItsType) {
  must(root_->create_directory("folder", 0700));
  must(root_->create_symlink("x", "folder/link"));
  must(root_->create_directory("folder/below", 0700));
  for (int i = 0; i < 3000; ++i) put("folder/" + std::to_string(i), "");

  const auto found = entries("folder");

  EXPECT_EQ(found.size(), 3002U);
  EXPECT_EQ(found.at("link"), FileType::kSymlink);
  EXPECT_EQ(found.at("below"), FileType::kDirectory);
  EXPECT_EQ(found.at("2999"), FileType::kRegular);
  EXPECT_EQ(entries("").size(), 1U);
  EXPECT_EQ(entries("").size(), 1U) << "a second listing begins anew";
}

TEST_F(FileSystemTest, ListStopsWhenTheVisitorSaysSo) {
  for (int i = 0; i < 10; ++i) put(std::to_string(i), "");
  int seen = 0;

  ASSERT_TRUE(succeeds(root_->list("", [&](const DirectoryEntry&) { return ++seen < 3; })));

  EXPECT_EQ(seen, 3);
}

TEST_F(FileSystemTest, RenameReplacesAFile) {
  must(root_->create_directory("folder", 0700));
  put("a", "new");
  put("folder/b", "old");

  ASSERT_TRUE(succeeds(root_->rename("a", "folder/b")));

  EXPECT_EQ(contents("folder/b"), "new");
  EXPECT_TRUE(fails_with(root_->rename("a", "c"), ErrorCode::kNotFound, directory_.path("a")));
}

TEST_F(FileSystemTest, RemoveDirectoryWantsItEmpty) {
  must(root_->create_directories("a/b", 0700));

  EXPECT_TRUE(fails_with(root_->remove_directory("a"), ErrorCode::kFailedPrecondition));
  EXPECT_TRUE(succeeds(root_->remove_directory("a/b")));
  EXPECT_TRUE(succeeds(root_->remove_directory("a")));
}

TEST_F(FileSystemTest, DirectoryHandleStaysWithWhatItOpened) {
  must(root_->create_directory("a", 0700));
  auto folder = must(root_->open_directory("a"));
  ASSERT_TRUE(succeeds(root_->rename("a", "b")));

  must(folder->create_file("file", 0600));

  EXPECT_EQ(entries("b").size(), 1U);
  EXPECT_EQ(folder->path(), directory_.path("a"));
}

TEST_F(FileSystemTest, MappingShowsTheWholeFile) {
  put("a", "hello");
  put("empty", "");
  auto mapped = must(must(root_->open_file("a"))->map());
  ASSERT_TRUE(succeeds(root_->remove_file("a")));

  EXPECT_EQ(as_text(mapped->view()), "hello") << "also after the file is closed and removed";
  EXPECT_TRUE(must(must(root_->open_file("empty"))->map())->view().empty());
}

TEST_F(FileSystemTest, SyncsWork) {
  must(root_->create_directory("a", 0700));

  EXPECT_TRUE(succeeds(root_->sync("")));
  EXPECT_TRUE(succeeds(root_->sync("a")));
  EXPECT_TRUE(succeeds(root_->sync_filesystem()));
  EXPECT_TRUE(fails_with(root_->sync("b"), ErrorCode::kNotFound));
  EXPECT_TRUE(succeeds(root_->sync(""))) << "a folder that is not there is no failed sync";
  EXPECT_GT(must(root_->free_bytes()), 0U);
}

// The kernel reports a lost write once. /proc refuses every fsync, which stands for a device that fails.
TEST_F(FileSystemTest, FailedSyncIsNeverFollowedByASuccess) {
  auto file = must(file_system_.open_file("/proc/self/status"));
  Status first = file->sync();
  ASSERT_FALSE(first.ok());

  Status second = file->sync(), write = file->write_at(0, as_bytes("x")), cut = file->truncate(0);

  for (const Status* later : {&second, &write, &cut}) {
    ASSERT_FALSE(later->ok());
    EXPECT_EQ(later->error().message, first.error().message);
  }
  EXPECT_NE(first.error().next_step.find("lost"), std::string::npos);
}

TEST_F(FileSystemTest, FailedSyncOfADirectoryIsNeverFollowedByASuccess) {
  auto directory = must(file_system_.open_directory("/proc"));
  Status first = directory->sync("");
  if (first.ok()) GTEST_SKIP() << "this kernel syncs /proc";

  Status below = directory->sync("self/task");

  ASSERT_FALSE(directory->sync("").ok());
  ASSERT_FALSE(below.ok());
  EXPECT_EQ(below.error().message, first.error().message);
}

TEST_F(FileSystemTest, ReadFileGivesTheWholeFileWithinItsLimit) {
  const std::string large(200'000, 'x');
  write_text(directory_.path("large"), large);
  write_text(directory_.path("exact"), std::string(64 << 10, 'y'));
  write_text(directory_.path("empty"), "");

  EXPECT_EQ(to_text(must(file_system_.read_file(directory_.path("large")))), large);
  EXPECT_EQ(must(file_system_.read_file(directory_.path("exact"), 64 << 10)).size(), size_t{64} << 10);
  EXPECT_TRUE(must(file_system_.read_file(directory_.path("empty"))).empty());
  EXPECT_TRUE(fails_with(file_system_.read_file(directory_.path("large"), 199'999), ErrorCode::kResourceExhausted));
  EXPECT_TRUE(fails_with(file_system_.read_file(directory_.path("none")), ErrorCode::kNotFound));
  EXPECT_FALSE(must(file_system_.read_file("/proc/self/status")).empty()) << "its size is 0 to stat";
}

TEST_F(FileSystemTest, EntryPointFollowsLinksAndMakesFolders) {
  write_text(outside_.path("a"), "x");
  ASSERT_EQ(::symlink(outside_.path().c_str(), directory_.path("way").c_str()), 0);

  EXPECT_EQ(must(file_system_.stat(directory_.path("way/a"))).size_bytes, 1U);
  EXPECT_TRUE(succeeds(file_system_.open_file(directory_.path("way/a"))));
  EXPECT_TRUE(succeeds(file_system_.create_directories(directory_.path("x//y/z/"), 0700)));
  EXPECT_TRUE(succeeds(file_system_.create_directories(directory_.path("x/y/z"), 0700)));
  EXPECT_TRUE(succeeds(file_system_.rename(directory_.path("x/y"), outside_.path("y"))));
  EXPECT_TRUE(std::filesystem::is_directory(outside_.path("y/z")));
}

TEST_F(FileSystemTest, EntryPointRefusesPathsThatTheKernelWouldCut) {
  EXPECT_TRUE(fails_with(file_system_.open_file(""), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(file_system_.open_directory(std::string("/tmp\0x", 6)), ErrorCode::kInvalidArgument));
}

TEST_F(FileSystemTest, FolderThatMayNotBeReadIsPermissionDenied) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  must(root_->create_directory("a", 0));

  EXPECT_TRUE(fails_with(root_->open_directory("a"), ErrorCode::kPermissionDenied));
}

TEST_F(FileSystemTest, FullDiskFailsWithAdvice) {
  if (::mount("coffer-test", directory_.path().c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "mounting is not permitted here";
  {
    auto full = must(file_system_.open_directory(directory_.path()));
    auto file = must(full->create_file("a", 0600));
    Status status = file->write_at(0, Bytes(2 << 20, std::byte{1}));

    EXPECT_TRUE(fails_with(status, ErrorCode::kResourceExhausted, directory_.path("a")));
    EXPECT_FALSE(status.ok() || status.error().next_step.empty());
  }
  EXPECT_EQ(::umount(directory_.path().c_str()), 0);
}

// In a child, because the limit is the whole process's.
TEST_F(FileSystemTest, FileSizeLimitIsResourceExhausted) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(2);
    auto file = root_->create_file("a", 0600);
    Status status = file.ok() ? (*file)->write_at(0, Bytes(2 << 20)) : ok_status();
    ::_exit(!status.ok() && status.code() == ErrorCode::kResourceExhausted ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace coffer
