// What the local directory promises beyond the contract: what is on disk, and what happens when the disk fails.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/faulty_filesystem.h"
#include "base/testing.h"
#include "engine/store/object_store.h"

namespace coffer::store {
namespace {

const Context kContext;
const std::string kKey = "packs/ab/object";
const std::string kBody(10'000, 'b');

std::vector<std::string> keys(ObjectStore& store) {
  std::vector<std::string> found;
  must(store.list(kContext, "", [&](const ObjectInfo& info) {
    found.push_back(info.key);
    return true;
  }));
  return found;
}

// Every regular file below `path`, also those that a listing does not show.
std::vector<std::string> files_below(const std::string& path) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
    if (!entry.is_directory()) found.push_back(entry.path().lexically_relative(path).string());
  return found;
}

class LocalObjectStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<ObjectStore> open() { return must(open_local(posix_, root_, true)); }

  TemporaryDirectory directory_;
  const std::string root_ = directory_.path("vault");
  PosixFileSystem posix_;
};

TEST_F(LocalObjectStoreTest, ObjectIsAFileThatOnlyTheOwnerReads) {
  auto store = open();
  must(store->put(kContext, kKey, as_bytes(kBody)));

  EXPECT_EQ(read_text(root_ + "/" + kKey), kBody);
  EXPECT_EQ(must(posix_.stat(root_ + "/" + kKey)).mode, 0600U);
  for (std::string_view folder : {"", "/packs", "/packs/ab"})
    EXPECT_EQ(must(posix_.stat(root_ + std::string(folder))).mode, 0700U);
  EXPECT_EQ(store->describe(), root_);
}

TEST_F(LocalObjectStoreTest, RootIsCreatedOnlyWhenAskedTo) {
  EXPECT_TRUE(fails_with(open_local(posix_, root_, false), ErrorCode::kNotFound, root_));
  EXPECT_FALSE(std::filesystem::exists(root_));

  EXPECT_TRUE(succeeds(open_local(posix_, root_, true)));
  EXPECT_TRUE(succeeds(open_local(posix_, root_, false)));
}

TEST_F(LocalObjectStoreTest, AnotherStoreOnTheSameFolderSeesTheObjects) {
  auto one = open(), two = open();
  must(one->put(kContext, kKey, as_bytes("x")));

  EXPECT_TRUE(fails_with(two->put(kContext, kKey, as_bytes("y")), ErrorCode::kAlreadyExists));
  EXPECT_EQ(to_text(must(two->get_all(kContext, kKey))), "x");
}

TEST_F(LocalObjectStoreTest, FoldersRemovedBySomebodyAreMadeAgain) {
  auto store = open();
  must(store->put(kContext, "packs/ab/1", as_bytes("x")));
  std::filesystem::remove_all(root_ + "/packs/ab");
  must(store->put(kContext, "packs/ab/2", as_bytes("x")));
  std::filesystem::remove_all(root_ + "/packs");
  must(store->put(kContext, "packs/cd/3", as_bytes("x")));

  EXPECT_EQ(keys(*store), std::vector<std::string>{"packs/cd/3"});
}

TEST_F(LocalObjectStoreTest, ObjectThatWasCutIsCorruptionByName) {
  auto store = open();
  must(store->put(kContext, kKey, as_bytes(kBody)));
  std::filesystem::resize_file(root_ + "/" + kKey, kBody.size() - 1);

  EXPECT_TRUE(fails_with(store->get(kContext, kKey, 0, kBody.size()), ErrorCode::kCorruption, kKey));
  EXPECT_TRUE(succeeds(store->get(kContext, kKey, 0, kBody.size() - 1)));
}

TEST_F(LocalObjectStoreTest, LinkInPlaceOfAnObjectIsCorruptionAndNotFollowed) {
  auto store = open();
  must(store->put(kContext, "packs/a", as_bytes("x")));
  write_text(directory_.path("secret"), "secret");
  ASSERT_EQ(::symlink(directory_.path("secret").c_str(), (root_ + "/packs/b").c_str()), 0);

  EXPECT_TRUE(fails_with(store->get(kContext, "packs/b", 0, 1), ErrorCode::kCorruption, "packs/b"));
  EXPECT_TRUE(fails_with(store->head(kContext, "packs/b"), ErrorCode::kCorruption, "packs/b"));
  EXPECT_TRUE(fails_with(store->view(kContext, "packs/b"), ErrorCode::kCorruption, "packs/b"));
  EXPECT_TRUE(fails_with(store->put(kContext, "packs/b", {}), ErrorCode::kAlreadyExists));
  EXPECT_TRUE(
      fails_with(store->list(kContext, "", [](const ObjectInfo&) { return true; }), ErrorCode::kCorruption, "packs/b"));
  EXPECT_EQ(read_text(directory_.path("secret")), "secret");
}

TEST_F(LocalObjectStoreTest, LinkInPlaceOfAFolderIsNotFollowed) {
  auto store = open();
  must(store->put(kContext, "format", as_bytes("x")));
  std::filesystem::create_directory(directory_.path("elsewhere"));
  ASSERT_EQ(::symlink(directory_.path("elsewhere").c_str(), (root_ + "/packs").c_str()), 0);

  EXPECT_FALSE(store->put(kContext, "packs/a", as_bytes("x")).ok());
  EXPECT_FALSE(store->get(kContext, "packs/a", 0, 1).ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path("elsewhere")));
}

TEST_F(LocalObjectStoreTest, ListingNamesWhatDoesNotBelongThere) {
  auto store = open();
  must(store->put(kContext, "packs/a", as_bytes("x")));
  write_text(root_ + "/packs/a b", "");

  Status status = store->list(kContext, "", [](const ObjectInfo&) { return true; });

  EXPECT_TRUE(fails_with(status, ErrorCode::kInvalidArgument, root_));
  EXPECT_TRUE(fails_with(status, ErrorCode::kInvalidArgument, "packs/a?b"));
}

TEST_F(LocalObjectStoreTest, ListingSkipsUnfinishedFilesAndLostAndFound) {
  auto store = open();
  must(store->put(kContext, "a", as_bytes("x")));
  write_text(root_ + "/.tmp-7", "half");
  std::filesystem::create_directory(root_ + "/lost+found");

  EXPECT_EQ(keys(*store), std::vector<std::string>{"a"});
}

// Sweep: call N to the file system fails, or the process dies there, for each N until a put makes no N calls.
class LocalObjectStoreSweep : public LocalObjectStoreTest, public ::testing::WithParamInterface<FileFault> {};

TEST_P(LocalObjectStoreSweep, PutLeavesNothingOrTheWholeAndARepetitionSucceeds) {
  bool reached = true;
  int failures = 0;
  for (uint64_t n = 1; reached; ++n) {
    ASSERT_LT(n, 100U);
    std::filesystem::remove_all(root_);
    must(posix_.create_directories(root_, 0700));
    FaultyFileSystem faulty(posix_, [n](const FileCall& call) -> std::optional<FileFault> {
      if (call.number == n) return LocalObjectStoreSweep::GetParam();
      return std::nullopt;
    });
    bool put_succeeded = false;
    try {
      auto store = open_local(faulty, root_, false);
      if (store.ok()) put_succeeded = (*store)->put(kContext, kKey, as_bytes(kBody)).ok();
    } catch (const FileSystemCrash&) {
    }
    reached = faulty.calls() >= n;
    failures += put_succeeded ? 0 : 1;

    auto after = open();
    if (put_succeeded) {
      EXPECT_EQ(to_text(must(after->get_all(kContext, kKey))), kBody) << "call " << n;
    }
    for (const std::string& file : files_below(root_)) EXPECT_EQ(file, kKey) << "call " << n << " left it behind";
    for (const std::string& key : keys(*after)) EXPECT_EQ(to_text(must(after->get_all(kContext, key))), kBody);

    auto again = after->put(kContext, kKey, as_bytes(kBody));
    EXPECT_TRUE(again.ok() || again.code() == ErrorCode::kAlreadyExists) << "call " << n;
    EXPECT_EQ(to_text(must(after->get_all(kContext, kKey))), kBody) << "call " << n;
  }
  EXPECT_GE(failures, 8) << "the sweep must have made calls fail";
}

INSTANTIATE_TEST_SUITE_P(Faults, LocalObjectStoreSweep,
                         ::testing::Values(FileFault{.kind = FileFault::Kind::kError, .error_number = ENOSPC},
                                           FileFault{.kind = FileFault::Kind::kErrorAfter, .error_number = ENOSPC},
                                           FileFault{.kind = FileFault::Kind::kTornWrite, .error_number = ENOSPC},
                                           FileFault{.kind = FileFault::Kind::kCrash},
                                           FileFault{.kind = FileFault::Kind::kCrashAfter}));

// Every single step whose failure could lose the bytes must fail the put.
TEST_F(LocalObjectStoreTest, NoStepOfAPutMayFailUnnoticed) {
  for (std::string_view operation : {"create_directory", "create_unnamed", "write_at", "sync", "link"}) {
    std::filesystem::remove_all(root_);
    FaultyFileSystem faulty(posix_, [&](const FileCall& call) -> std::optional<FileFault> {
      if (call.operation == operation) return FileFault{.error_number = ENOSPC};
      return std::nullopt;
    });
    auto store = must(open_local(faulty, root_, true));

    EXPECT_TRUE(fails_with(store->put(kContext, kKey, as_bytes(kBody)), ErrorCode::kResourceExhausted, kKey))
        << operation;
  }
}

TEST_F(LocalObjectStoreTest, BytesAreSyncedBeforeTheNameAndTheFolderAfterIt) {
  std::vector<std::string> order;
  FaultyFileSystem watched(posix_, [&](const FileCall& call) -> std::optional<FileFault> {
    if (call.operation != "stat")
      order.push_back(std::string(call.operation) + " " + std::string(call.path).substr(root_.size()));
    return std::nullopt;
  });
  auto store = must(open_local(watched, root_, true));
  must(store->put(kContext, kKey, as_bytes(kBody)));

  EXPECT_EQ(order, (std::vector<std::string>{"create_directories ", "create_directory /packs", "sync ",
                                             "create_directory /packs/ab", "sync /packs", "create_unnamed /(unnamed)",
                                             "write_at /(unnamed)", "sync /(unnamed)", "link /packs/ab/object",
                                             "sync /packs/ab"}));

  order.clear();
  EXPECT_FALSE(store->put(kContext, kKey, as_bytes(kBody)).ok());
  EXPECT_EQ(order.back(), "sync /packs/ab") << "who is told that it exists may rely on it";

  order.clear();
  must(store->remove(kContext, kKey));
  EXPECT_EQ(order, (std::vector<std::string>{"remove_file /packs/ab/object", "sync /packs/ab"}));
}

TEST_F(LocalObjectStoreTest, AfterAFailedFolderSyncNothingIsAcknowledged) {
  bool fail = true;
  FaultyFileSystem faulty(posix_, [&](const FileCall& call) -> std::optional<FileFault> {
    if (call.operation == "sync" && call.path.ends_with("/ab") && std::exchange(fail, false)) return FileFault{};
    return std::nullopt;
  });
  auto store = must(open_local(faulty, root_, true));
  EXPECT_FALSE(store->put(kContext, kKey, as_bytes(kBody)).ok());

  EXPECT_TRUE(fails_with(store->put(kContext, kKey, as_bytes(kBody)), ErrorCode::kUnavailable));
  EXPECT_TRUE(fails_with(store->put(kContext, "packs/ab/other", {}), ErrorCode::kUnavailable));
}

TEST_F(LocalObjectStoreTest, ReadErrorNamesTheObject) {
  must(open()->put(kContext, kKey, as_bytes(kBody)));
  FaultyFileSystem faulty(posix_, [&](const FileCall& call) -> std::optional<FileFault> {
    if (call.operation == "read_at" || call.operation == "map") return FileFault{.error_number = EIO};
    return std::nullopt;
  });
  auto store = must(open_local(faulty, root_, false));

  EXPECT_TRUE(fails_with(store->get(kContext, kKey, 0, 10), ErrorCode::kUnavailable, kKey));
  EXPECT_TRUE(fails_with(store->view(kContext, kKey), ErrorCode::kUnavailable, kKey));
}

// Without unnamed files a crash may leave a temporary name; it must never look like an object nor stop the next put.
TEST_F(LocalObjectStoreTest, TemporaryNameLeftByACrashIsHarmless) {
  int links = 0;
  FaultyFileSystem faulty(posix_, [&](const FileCall& call) -> std::optional<FileFault> {
    if (call.operation != "link") return std::nullopt;
    return ++links == 1 ? FileFault{} : FileFault{.kind = FileFault::Kind::kCrash};
  });
  auto dying = must(open_local(faulty, root_, true));
  EXPECT_THROW((void)dying->put(kContext, kKey, as_bytes(kBody)), FileSystemCrash);
  ASSERT_EQ(files_below(root_), std::vector<std::string>{".tmp-1"});

  links = 0;
  FaultyFileSystem once(posix_, [&](const FileCall& call) -> std::optional<FileFault> {
    if (call.operation == "link" && ++links == 1) return FileFault{};
    return std::nullopt;
  });
  auto store = must(open_local(once, root_, true));
  EXPECT_TRUE(keys(*store).empty());
  must(store->put(kContext, kKey, as_bytes(kBody)));

  EXPECT_EQ(keys(*store), std::vector<std::string>{kKey});
  EXPECT_EQ(to_text(must(store->get_all(kContext, kKey))), kBody);
}

TEST_F(LocalObjectStoreTest, FullDiskFailsWithAdviceAndLeavesNothingBehind) {
  std::filesystem::create_directory(root_);
  if (::mount("coffer-test", root_.c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "mounting is not permitted here";
  {
    auto store = open();
    must(store->put(kContext, "packs/small", as_bytes(kBody)));

    auto put = store->put(kContext, "packs/large", Bytes(2 << 20, std::byte{1}));

    EXPECT_TRUE(fails_with(put, ErrorCode::kResourceExhausted, "packs/large"));
    EXPECT_FALSE(put.ok() || put.error().next_step.empty());
    EXPECT_EQ(files_below(root_), std::vector<std::string>{"packs/small"});
    EXPECT_TRUE(succeeds(store->put(kContext, "packs/medium", Bytes(500 << 10, std::byte{1}))))
        << "its space is free again";
  }
  EXPECT_EQ(::umount(root_.c_str()), 0);
}

}  // namespace
// Else one command run by root would shut out the account that takes the backups.
TEST(LocalObjectStoreOwner, WhatRootMakesBelongsToTheOwnerOfTheStore) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uint32_t kNobody = 65534;
  TemporaryDirectory directory;
  ASSERT_EQ(::chown(directory.path().c_str(), kNobody, kNobody), 0);
  PosixFileSystem files;
  auto store = must(open_local(files, directory.path(), false));
  must(store->put({}, "points/a/manifest", as_bytes("bytes")));
  for (const char* path : {"points", "points/a", "points/a/manifest"}) {
    const FileStat made = must(files.stat(directory.path(path)));
    EXPECT_EQ(made.uid, kNobody) << path;
    EXPECT_EQ(made.gid, kNobody) << path;
  }
}

}  // namespace coffer::store
