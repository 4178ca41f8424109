// What only a database in a file can go through: crashes, full disks, other processes, foreign bytes.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <thread>

#include "services/catalog/catalogs.h"

namespace coffer::catalog {
namespace {

class SqliteFile : public testing::Test {
 protected:
  std::unique_ptr<Database> open() { return must(Database::open(path_)); }
  void make_tables(Database& database) {
    const Migration one[] = {{90, "a test's tables",
                              "CREATE TABLE a (id BIGINT PRIMARY KEY, filler TEXT);\n"
                              "CREATE TABLE b (id BIGINT PRIMARY KEY, filler TEXT);"}};
    must(database.migrate(context_, one));
  }
  Status write_pair(Database& database, int64_t id, std::string_view filler = "") {
    COFFER_TRY(auto transaction, database.begin(context_, Database::Mode::kWrite));
    COFFER_CHECK_OK(transaction->run("INSERT INTO a (id, filler) VALUES ($1, $2)", {id, filler}));
    COFFER_CHECK_OK(transaction->run("INSERT INTO b (id, filler) VALUES ($1, $2)", {id, filler}));
    return transaction->commit();
  }
  int64_t number(Database& database, std::string_view sql) {
    return must(must(database.begin(context_, Database::Mode::kRead))->run(sql)).at(0).integer(0);
  }
  static mode_t mode_of(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  Folder folder_;
  const std::string path_ = folder_.file();
  Context context_;
};

TEST_F(SqliteFile, OnlyItsOwnerReadsIt) {
  const mode_t old = umask(0);
  auto database = open();
  make_tables(*database);
  umask(old);
  for (const char* suffix : {"", "-wal", "-shm"}) EXPECT_EQ(mode_of(path_ + suffix), 0600u) << suffix;
}

TEST_F(SqliteFile, AFileThatOthersCouldReadIsClosedToThem) {
  open().reset();
  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
  auto database = open();
  EXPECT_EQ(mode_of(path_), 0600u);
}

TEST_F(SqliteFile, ItIsDurableAtEachCommit) {
  auto database = open();
  auto transaction = must(database->begin(context_, Database::Mode::kWrite));
  EXPECT_EQ(must(transaction->run("PRAGMA journal_mode"))[0].text(0), "wal");
  EXPECT_EQ(must(transaction->run("PRAGMA synchronous"))[0].integer(0),
            1);  // NORMAL: fsync at checkpoints, the rest is ours
  EXPECT_EQ(must(transaction->run("PRAGMA foreign_keys"))[0].integer(0), 1);
}

TEST_F(SqliteFile, AFolderThatIsNotThereIsSaid) {
  EXPECT_EQ(Database::open(folder_.file("missing/catalog.db")).code(), ErrorCode::kNotFound);
}

TEST_F(SqliteFile, AFileNameIsNeverAUri) {
  const std::string name = folder_.file("file:x?mode=memory");
  must(Database::open(name)).reset();
  EXPECT_TRUE(std::filesystem::exists(name));
}

TEST_F(SqliteFile, ForeignBytesAreCorruption) {
  std::ofstream(path_) << std::string(5000, 'x');
  EXPECT_EQ(Database::open(path_).code(), ErrorCode::kCorruption);
}

TEST_F(SqliteFile, ADamagedPageIsCorruption) {
  {
    auto database = open();
    make_tables(*database);
    for (int i = 0; i < 50; ++i) must(write_pair(*database, i, std::string(1000, 'f')));
  }
  const auto size = std::filesystem::file_size(path_);
  for (size_t at = 4096; at < size; at += 4096) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file << std::string(64, '\x7f');
  }
  auto database = Database::open(path_);
  const auto look = [&]() -> Result<Rows> {
    COFFER_TRY(auto transaction, (*database)->begin(context_, Database::Mode::kRead));
    return transaction->run("SELECT count(filler) FROM a");
  };
  EXPECT_EQ(database.ok() ? look().code() : database.code(), ErrorCode::kCorruption);
}

TEST_F(SqliteFile, ATruncatedFileIsCorruptionOrTheOldState) {
  {
    auto database = open();
    make_tables(*database);
    for (int i = 0; i < 20; ++i) must(write_pair(*database, i, std::string(1000, 'f')));
  }
  const auto size = std::filesystem::file_size(path_);
  for (uintmax_t left : {size - 1, size - 4096, size / 2, uintmax_t{4096}, uintmax_t{100}}) {
    const std::string copy = folder_.file("cut.db");
    std::filesystem::copy_file(path_, copy, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(copy, left);
    auto database = Database::open(copy);
    if (!database.ok()) {
      EXPECT_EQ(database.code(), ErrorCode::kCorruption) << left << database.error().message;
      continue;
    }
    auto transaction = must((*database)->begin(context_, Database::Mode::kRead));
    const auto rows = transaction->run("SELECT count(filler) FROM a");
    EXPECT_TRUE(rows.ok() ? rows->at(0).integer(0) == 20 : rows.code() == ErrorCode::kCorruption) << left;
  }
}

// The child tells of each commit over a pipe; whatever it told of is there, and nothing is there by half.
TEST_F(SqliteFile, AfterAKillEveryCommitIsWholeOrNotThere) {
  make_tables(*open());
  std::mt19937 random(20261124);
  int64_t told = -1;
  for (int round = 0; round < 12; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      auto database = Database::open(path_);
      for (int64_t id = told + 1; database.ok(); ++id) {
        // More than a page, so that a commit takes several writes.
        if (!write_pair(**database, id, std::string(6000, 'f')).ok()) break;
        if (::write(pipe_ends[1], &id, sizeof id) != sizeof id) break;
      }
      _exit(1);
    }
    close(pipe_ends[1]);
    const int64_t wanted = 1 + static_cast<int64_t>(random() % 8);
    for (int64_t i = 0; i < wanted; ++i) ASSERT_EQ(::read(pipe_ends[0], &told, sizeof told), 8);
    for (auto spin = random() % 20'000; spin > 0; --spin) asm volatile("");
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    for (int64_t id; ::read(pipe_ends[0], &id, sizeof id) == sizeof id;) told = id;
    close(pipe_ends[0]);

    auto database = open();
    const int64_t last = number(*database, "SELECT max(id) FROM a");
    EXPECT_GE(last, told);
    EXPECT_EQ(number(*database, "SELECT count(*) FROM a"), last + 1);
    EXPECT_EQ(number(*database, "SELECT count(*) FROM b"), last + 1);
    EXPECT_EQ(number(*database, "SELECT count(*) FROM a JOIN b ON a.id = b.id AND a.filler = b.filler"), last + 1);
    told = last;
  }
}

TEST_F(SqliteFile, AFullDiskIsSaidAndOvercome) {
  auto database = open();
  make_tables(*database);
  struct rlimit limit {};
  getrlimit(RLIMIT_FSIZE, &limit);
  struct Restore {
    struct rlimit limit;
    void (*handler)(int);
    ~Restore() {
      setrlimit(RLIMIT_FSIZE, &limit);
      signal(SIGXFSZ, handler);
    }
  };
  int64_t id = 0;
  {
    Restore restore{limit, signal(SIGXFSZ, SIG_IGN)};
    limit.rlim_cur = 600'000;
    setrlimit(RLIMIT_FSIZE, &limit);
    Status done = ok_status();
    while (done.ok() && id < 1000) done = write_pair(*database, id++, std::string(20'000, 'f'));
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.code(), ErrorCode::kResourceExhausted) << done.error().message;
    EXPECT_FALSE(done.error().next_step.empty());
    EXPECT_EQ(number(*database, "SELECT count(*) FROM a"), id - 1);  // reading goes on
  }
  must(write_pair(*database, id));
  database = open();
  EXPECT_EQ(number(*database, "SELECT count(*) FROM a"), id);
  EXPECT_EQ(number(*database, "SELECT count(*) FROM b"), id);
}

TEST_F(SqliteFile, AnotherProcessThatHoldsTheFileIsAConflict) {
  auto mine = open();
  auto other = open();  // has no queue in common with ours
  auto held = must(other->begin(context_, Database::Mode::kWrite));

  EXPECT_EQ(mine->begin(context_, Database::Mode::kWrite).code(), ErrorCode::kConflict);  // after the busy timeout

  StopSource stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(mine->begin(Context(stop), Database::Mode::kWrite).code(), ErrorCode::kCancelled);
  stopper.join();
  must(mine->begin(context_, Database::Mode::kRead));
  held.reset();
  must(mine->begin(context_, Database::Mode::kWrite));
}

TEST_F(SqliteFile, ASecondWritingTransactionOfOneThreadIsRefusedInsteadOfWaitingForEver) {
  auto database = open();
  auto first = must(database->begin(context_, Database::Mode::kWrite));
  EXPECT_EQ(database->begin(context_, Database::Mode::kWrite).code(), ErrorCode::kInternal);
  must(database->begin(context_, Database::Mode::kRead));
  first.reset();
  must(database->begin(context_, Database::Mode::kWrite));
}

TEST(SqliteMemory, EachDatabaseIsItsOwnAndGoesWithItsObject) {
  const auto leftovers = [] {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
      count += entry.path().filename().string().starts_with("coffer-catalog-");
    return count;
  };
  const size_t before = leftovers();
  {
    auto a = must(Database::open(":memory:")), b = must(Database::open(":memory:"));
    const Migration one[] = {{1, "one", "CREATE TABLE a (id BIGINT)"}};
    must(a->migrate(Context(), one));
    EXPECT_FALSE(must(b->begin(Context(), Database::Mode::kRead))->run("SELECT * FROM a").ok());
    EXPECT_FALSE(a->shared());
  }
  EXPECT_LE(leftovers(), before);
}

}  // namespace
}  // namespace coffer::catalog
