#include "engine/postgres/directory_walk.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/faulty_filesystem.h"
#include "base/tasks.h"
#include "engine/postgres/local_cluster.h"

namespace coffer::postgres {
namespace {

using test::files;
using test::must;
using test::read_text;
using test::TemporaryFolder;
using test::write_text;
namespace fs = std::filesystem;

// A data directory without a server: only names and sizes matter to the walk.
class DirectoryWalkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"base/1", "base/5", "global", "pg_tblspc", "pg_wal/archive_status", "pg_xact", "pg_replslot/old"})
      fs::create_directories(folder_.path(name));
    put("PG_VERSION", "15\n");
    put("global/pg_control", std::string(8192, 'c'));
    put("pg_xact/0000", std::string(8192, 'x'));
  }
  void put(const std::string& name, const std::string& text) { write_text(folder_.path(name), text); }
  std::unique_ptr<DirectoryWalk> open(int major = 15) {
    WalkOptions options;
    options.pgdata = folder_.path();
    options.major = major;
    options.catalog_version = 202209061;
    options.blocks_per_segment = 131072;
    options.data_checksums = true;
    return must(DirectoryWalk::open(files(), std::move(options)));
  }
  static std::vector<Piece> all(DirectoryWalk& walk) {
    std::vector<Piece> pieces;
    while (auto piece = must(walk.next({}))) pieces.push_back(std::move(*piece));
    return pieces;
  }
  std::vector<std::string> paths(int major = 15) {
    auto walk = open(major);
    std::vector<std::string> out;
    for (const Piece& piece : all(*walk)) out.push_back(piece.file->path + (piece.file->is_directory ? "/" : ""));
    return out;
  }
  TemporaryFolder folder_;
};

TEST_F(DirectoryWalkTest, GivesDirectoriesBeforeTheirContentAndNamesInOrder) {
  put("base/5/200", "");
  put("base/5/100", "");
  EXPECT_EQ(paths(), (std::vector<std::string>{"PG_VERSION", "base/", "base/1/", "base/5/", "base/5/100", "base/5/200",
                                               "global/", "pg_replslot/", "pg_tblspc/", "pg_wal/",
                                               "pg_wal/archive_status/", "pg_xact/", "pg_xact/0000"}));
}

TEST_F(DirectoryWalkTest, From17OnTheFolderOfSummariesIsGivenToo) {
  auto given = paths(17);
  EXPECT_NE(std::find(given.begin(), given.end(), "pg_wal/summaries/"), given.end());
}

TEST_F(DirectoryWalkTest, LeavesOutWhatAnUnloggedRelationHoldsButItsInitFork) {
  for (const char* name : {"100", "100.1", "100_fsm", "100_vm", "100_init", "1001", "10"})
    put(std::string("base/5/") + name, "");
  std::vector<std::string> given;
  for (const std::string& path : paths())
    if (path.starts_with("base/5/1")) given.push_back(path);
  EXPECT_EQ(given, (std::vector<std::string>{"base/5/10", "base/5/1001", "base/5/100_init"}));
}

TEST_F(DirectoryWalkTest, LeavesOutTemporaryRelationsAndWhatTheServerLeavesOut) {
  for (const char* name : {"base/5/t3_100", "base/5/pg_internal.init", "postmaster.pid", "backup_label", "pgsql_tmp1.0",
                           "pg_wal/000000010000000000000001"})
    put(name, "x");
  for (const std::string& path : paths())
    EXPECT_TRUE(path.find("t3_") == std::string::npos && path.find("postmaster") == std::string::npos &&
                path.find("internal") == std::string::npos && path.find("0000000100") == std::string::npos &&
                path != "backup_label" && path.find("tmp1") == std::string::npos)
        << path;
}

TEST_F(DirectoryWalkTest, CutsALargeFileIntoPiecesThatShareOneReader) {
  put("base/5/100", "start");
  ASSERT_EQ(truncate(folder_.path("base/5/100").c_str(), 2 * kPieceSize + 8192), 0);
  auto walk = open();
  std::vector<Piece> pieces;
  for (Piece& piece : all(*walk))
    if (piece.file->path == "base/5/100") pieces.push_back(std::move(piece));
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_EQ(pieces[2].offset, 2 * kPieceSize);
  EXPECT_EQ(pieces[2].length, 8192U);
  EXPECT_EQ(pieces[0].reader, pieces[2].reader);
  EXPECT_EQ(pieces[0].file, pieces[2].file);
  EXPECT_TRUE(pieces[0].file->has_page_checksums);
  EXPECT_EQ(pieces[0].file->relation->relation_number, 100U);
}

TEST_F(DirectoryWalkTest, WhatAFileLostSinceItWasOpenedReadsAsZeros) {
  put("base/5/100", std::string(16384, 'a'));
  auto walk = open();
  for (Piece& piece : all(*walk)) {
    if (piece.file->path != "base/5/100") continue;
    ASSERT_EQ(truncate(folder_.path("base/5/100").c_str(), 8192 + 1), 0);
    Bytes bytes(16384, std::byte{'z'});
    must(piece.reader->read_at(0, bytes));
    EXPECT_EQ(to_text(bytes), std::string(8193, 'a') + std::string(8191, '\0'));
    must(piece.reader->read_at(12000, MutableByteView(bytes).first(100)));
    EXPECT_TRUE(is_zero(ByteView(bytes).first(100)));
    return;
  }
  FAIL() << "the file was not given";
}

TEST_F(DirectoryWalkTest, WhatAFileGrewSinceItWasOpenedIsNotGiven) {
  put("base/5/100", std::string(8192, 'a'));
  auto walk = open();
  while (auto piece = must(walk->next({}))) {
    if (piece->file->path != "base/5/100") continue;
    put("base/5/100", std::string(3 * kPieceSize, 'b'));
    EXPECT_EQ(piece->length, 8192U);
    auto after = must(walk->next({}));
    EXPECT_NE(after->file->path, "base/5/100");
  }
}

TEST_F(DirectoryWalkTest, FilesThatVanishAreLeftOutAndAreWorthALineWhenTheyShouldStay) {
  put("base/5/100", "a");
  put("base/5/200", "a");
  put("base/5/PG_VERSION", "15");
  put("pg_xact/0001", "x");
  auto walk = open();
  std::vector<std::string> given;
  while (auto piece = must(walk->next({}))) {
    given.push_back(piece->file->path);
    if (piece->file->path == "base/5/100") {
      fs::remove(folder_.path("base/5/200"));
      fs::remove(folder_.path("base/5/PG_VERSION"));
    }
    if (piece->file->path == "pg_xact/0000") fs::remove(folder_.path("pg_xact/0001"));
  }
  EXPECT_EQ(std::find(given.begin(), given.end(), "base/5/200"), given.end());
  EXPECT_EQ(walk->warnings(), std::vector<std::string>{"vanished while the directory was read: base/5/PG_VERSION"});
}

TEST_F(DirectoryWalkTest, ADatabaseThatIsDroppedMeanwhileIsNoMatter) {
  put("base/5/100", "a");
  put("base/5/PG_VERSION", "15");
  auto walk = open();
  while (auto piece = must(walk->next({})))
    if (piece->file->path == "base/5/100") fs::remove_all(folder_.path("base/5"));
  EXPECT_TRUE(walk->warnings().empty());
}

TEST_F(DirectoryWalkTest, FollowsNoLinkButThoseOfTablespaces) {
  TemporaryFolder outside;
  fs::create_directories(outside.path("PG_15_202209061/5"));
  fs::create_directories(outside.path("PG_14_202107181/5"));
  write_text(outside.path("PG_15_202209061/5/100"), "a");
  write_text(outside.path("PG_14_202107181/5/100"), "other major");
  write_text(outside.path("secret"), "s");
  fs::create_directory_symlink(outside.path(), folder_.path("pg_tblspc/16400"));
  fs::create_symlink(outside.path("secret"), folder_.path("base/5/300"));
  fs::create_symlink(outside.path("secret"), folder_.path("postgresql.conf"));
  auto walk = open();
  std::vector<std::string> given;
  for (const Piece& piece : all(*walk))
    if (piece.file->path.starts_with("pg_tblspc/") || piece.file->path.ends_with("00") ||
        piece.file->path == "postgresql.conf")
      given.push_back(piece.file->path);
  EXPECT_EQ(given, (std::vector<std::string>{"pg_tblspc/16400/PG_15_202209061", "pg_tblspc/16400/PG_15_202209061/5",
                                             "pg_tblspc/16400/PG_15_202209061/5/100", "pg_xact/0000"}));
  EXPECT_EQ(walk->warnings().size(), 2U);
}

TEST_F(DirectoryWalkTest, ATablespaceInsideTheDataDirectoryIsGivenOnce) {
  fs::create_directories(folder_.path("inside/PG_15_202209061/5"));
  put("inside/PG_15_202209061/5/100", "a");
  fs::create_directory_symlink(folder_.path("inside"), folder_.path("pg_tblspc/16400"));
  int times = 0;
  for (const std::string& path : paths()) times += path.ends_with("/100");
  EXPECT_EQ(times, 1);
}

TEST_F(DirectoryWalkTest, AWalFolderElsewhereIsGivenAsAPlainDirectory) {
  TemporaryFolder outside;
  fs::remove_all(folder_.path("pg_wal"));
  fs::create_directory_symlink(outside.path(), folder_.path("pg_wal"));
  auto given = paths();
  EXPECT_NE(std::find(given.begin(), given.end(), "pg_wal/archive_status/"), given.end());
  auto root = must(files().open_directory(folder_.path()));
  EXPECT_TRUE(open_wal_directory(files(), *root).ok());
}

TEST_F(DirectoryWalkTest, RefusesADataDirectoryWhoseCoreIsALink) {
  TemporaryFolder outside;
  fs::remove_all(folder_.path("pg_xact"));
  fs::create_directory_symlink(outside.path(), folder_.path("pg_xact"));
  auto walk = open();
  Status last = ok_status();
  for (bool more = true; more;) {
    auto piece = walk->next({});
    more = piece.ok() && piece->has_value();
    if (!piece.ok()) last = piece.error();
  }
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.code(), ErrorCode::kFailedPrecondition);
}

TEST_F(DirectoryWalkTest, SpecialFilesAndStrangeNamesAreLeftOutWithALine) {
  ASSERT_EQ(mkfifo(folder_.path("pipe").c_str(), 0600), 0);
  put("line\nbreak", "x");
  auto walk = open();
  for (const Piece& piece : all(*walk))
    EXPECT_TRUE(piece.file->path != "pipe" && piece.file->path.find('\n') == std::string::npos);
  EXPECT_EQ(walk->warnings().size(), 2U);
}

TEST_F(DirectoryWalkTest, ManyWorkersGetEveryPieceOnce) {
  for (int i = 1; i <= 2000; ++i) put("base/5/" + std::to_string(i), "x");
  auto walk = open();
  std::mutex mutex;
  std::multiset<std::string> given;
  TaskGroup group{Context()};
  for (int worker = 0; worker < 4; ++worker)
    group.spawn([&]() -> Status {
      while (true) {
        COFFER_TRY(auto piece, walk->next(group.context()));
        if (!piece) return ok_status();
        std::lock_guard lock(mutex);
        given.insert(piece->file->path);
      }
    });
  must(group.wait());
  EXPECT_EQ(given.size(), 2000U + 11U);
  EXPECT_EQ(std::set<std::string>(given.begin(), given.end()).size(), given.size());
  EXPECT_TRUE(walk->finished());
}

// A disk that fails at any one call: either the walk says so, or it had all it needed.
TEST_F(DirectoryWalkTest, AReadErrorAtAnyCallIsNeverAShorterList) {
  put("base/5/100", std::string(10000, 'a'));
  const size_t complete = paths().size();
  for (uint64_t n = 1;; ++n) {
    FaultyFileSystem faulty(files(), [&](const FileCall& call) -> std::optional<FileFault> {
      if (call.number != n) return std::nullopt;
      return FileFault{FileFault::Kind::kError, EIO};
    });
    WalkOptions options;
    options.pgdata = folder_.path();
    options.major = 15;
    options.catalog_version = 202209061;
    size_t given = 0;
    Status status = [&]() -> Status {
      COFFER_TRY(auto walk, DirectoryWalk::open(faulty, std::move(options)));
      while (true) {
        COFFER_TRY(auto piece, walk->next({}));
        if (!piece) return ok_status();
        ++given;
        Bytes bytes(piece->length);
        if (piece->reader) COFFER_CHECK_OK(piece->reader->read_at(piece->offset, bytes));
      }
    }();
    if (faulty.calls() < n) break;
    if (status.ok()) {
      EXPECT_EQ(given, complete) << "call " << n;
    } else {
      EXPECT_EQ(status.code(), ErrorCode::kUnavailable) << "call " << n << ": " << status.error().message;
    }
  }
}

TEST_F(DirectoryWalkTest, StopsWhenAskedTo) {
  StopSource stop;
  stop.request_stop();
  auto piece = open()->next(Context(stop));
  ASSERT_FALSE(piece.ok());
  EXPECT_EQ(piece.code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace coffer::postgres
