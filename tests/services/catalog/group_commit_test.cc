// How commits of a catalog in a file become durable: together, before they are told, and never after a failed fsync.
#include <atomic>
#include <condition_variable>
#include <thread>

#include "services/catalog/backends.h"
#include "services/catalog/catalogs.h"

namespace coffer::catalog {
namespace {

class GroupCommit : public testing::Test {
 protected:
  using Real = std::function<Status()>;

  /// Each fsync of the log is counted and passed through `gate_`.
  std::unique_ptr<Database> open() {
    auto database = must(open_sqlite(folder_.file(), {.around_sync = [this](const Real& real) {
                                       const int number = ++begun_;
                                       Status done = gate_ ? gate_(number, real) : real();
                                       ++ended_;
                                       return done;
                                     }}));
    const Migration one[] = {{90, "a test's table", "CREATE TABLE a (id BIGINT PRIMARY KEY, filler TEXT)"}};
    must(database->migrate(Context(), one));
    return database;
  }
  static Status add(Database& database, int64_t id, std::string_view filler = "") {
    return in_transaction(database, Context(), [&](Transaction& t) -> Status {
      COFFER_CHECK_OK(t.run("INSERT INTO a (id, filler) VALUES ($1, $2)", {id, filler}));
      return ok_status();
    });
  }
  static int64_t count(Database& database) {
    auto transaction = must(database.begin(Context(), Database::Mode::kRead));
    return must(transaction->run("SELECT count(*) FROM a")).at(0).integer(0);
  }
  static void until(const std::function<bool()>& holds) {
    while (!holds()) std::this_thread::yield();
  }

  Folder folder_;
  std::atomic<int> begun_{0}, ended_{0};
  std::function<Status(int number, const Real& real)> gate_;
};

TEST_F(GroupCommit, ACommitIsToldAfterAnFsyncThatBeganAfterIt) {
  auto database = open();
  const int before = begun_;
  must(add(*database, 1));
  EXPECT_EQ(ended_, before + 1);
  must(add(*database, 2));
  EXPECT_EQ(ended_, before + 2);
}

TEST_F(GroupCommit, OneFsyncServesAllWhoCommittedBeforeItBegan) {
  constexpr int64_t kWriters = 32;
  auto database = open();
  const int before = begun_;
  // The first fsync ends when all have committed: those who did so after it began need one more, and only one.
  gate_ = [&](int number, const Real& real) {
    if (number == before + 1) until([&] { return count(*database) == kWriters; });
    return real();
  };
  std::vector<std::thread> writers;
  std::atomic<int> told{0};
  for (int64_t id = 0; id < kWriters; ++id) {
    writers.emplace_back([&, id] {
      if (add(*database, id).ok()) ++told;
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(told, kWriters);
  EXPECT_LE(begun_ - before, 2);
}

TEST_F(GroupCommit, WhoCommitsDuringAnFsyncWaitsForTheNext) {
  auto database = open();
  const int before = begun_;
  std::atomic<bool> go_on{false}, first_told{false}, second_told{false};
  std::atomic<int> ended_when_told{0};
  gate_ = [&](int number, const Real& real) {
    if (number == before + 1) until([&] { return go_on.load(); });
    return real();
  };
  std::thread first([&] {
    must(add(*database, 1));
    first_told = true;
  });
  until([&] { return begun_ == before + 1; });
  EXPECT_EQ(count(*database), 1);  // to be seen already, and not yet told
  EXPECT_FALSE(first_told);
  std::thread second([&] {
    must(add(*database, 2));
    ended_when_told = ended_.load();
    second_told = true;
  });
  until([&] { return count(*database) == 2; });
  EXPECT_FALSE(second_told);
  go_on = true;
  first.join();
  second.join();
  EXPECT_EQ(ended_when_told, before + 2);
}

TEST_F(GroupCommit, WhatFollowsFromACommitWaitsForItToBeDurable) {
  auto database = open();
  const int before = ended_;
  int ended_at_action = 0;
  auto transaction = must(database->begin(Context(), Database::Mode::kWrite));
  must(transaction->run("INSERT INTO a (id) VALUES (1)"));
  transaction->on_commit([&] { ended_at_action = ended_; });
  must(transaction->commit());
  EXPECT_EQ(ended_at_action, before + 1);
}

TEST_F(GroupCommit, WhoeverActsOnWhatItSawCanWaitForIt) {
  auto database = open();
  must(add(*database, 1));
  const int before = begun_;
  must(database->wait_until_durable());
  EXPECT_EQ(begun_, before);
  std::atomic<bool> go_on{false};
  gate_ = [&](int, const Real& real) {
    until([&] { return go_on.load(); });
    return real();
  };
  std::thread writer([&] { must(add(*database, 2)); });
  until([&] { return count(*database) == 2; });
  std::atomic<int> ended_when_sure{0};
  std::thread reader([&] {
    must(database->wait_until_durable());
    ended_when_sure = ended_.load();
  });
  go_on = true;
  writer.join();
  reader.join();
  EXPECT_GE(ended_when_sure, before + 1);
}

TEST_F(GroupCommit, ReadingAndTakingBackNeedNoFsync) {
  auto database = open();
  must(add(*database, 1));
  const int before = begun_;
  EXPECT_EQ(count(*database), 1);
  {
    auto transaction = must(database->begin(Context(), Database::Mode::kWrite));
    must(transaction->run("INSERT INTO a (id) VALUES (2)"));
  }
  EXPECT_EQ(begun_, before);
}

TEST_F(GroupCommit, AfterAFailedFsyncNobodyIsToldASuccess) {
  constexpr int64_t kWriters = 8;
  auto database = open();
  must(add(*database, 1000));
  const int before = begun_;
  gate_ = [&](int number, const Real& real) -> Status {
    if (number != before + 1) return real();
    until([&] { return count(*database) == kWriters + 1; });
    return Error{ErrorCode::kResourceExhausted, "the disk gave up", {}};
  };
  std::vector<std::thread> writers;
  std::atomic<int> refused{0};
  std::atomic<bool> action_ran{false};
  for (int64_t id = 0; id < kWriters; ++id) {
    writers.emplace_back([&, id] {
      auto transaction = must(database->begin(Context(), Database::Mode::kWrite));
      must(transaction->run("INSERT INTO a (id) VALUES ($1)", {id}));
      transaction->on_commit([&] { action_ran = true; });
      const Status done = transaction->commit();
      if (!done.ok() && done.code() == ErrorCode::kUnavailable) ++refused;
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(refused, kWriters);
  EXPECT_FALSE(action_ran);

  // No second fsync is believed, and reading goes on.
  const auto closed = database->begin(Context(), Database::Mode::kWrite);
  EXPECT_EQ(closed.code(), ErrorCode::kUnavailable);
  EXPECT_NE(closed.error().message.find("the disk gave up"), std::string::npos) << closed.error().message;
  EXPECT_FALSE(closed.error().next_step.empty());
  EXPECT_EQ(begun_, before + 1);
  EXPECT_EQ(count(*database), kWriters + 1);
  // The log stays for the next start, which checks it; the end of this one moves nothing out of it.
  database.reset();
  EXPECT_GT(std::filesystem::file_size(folder_.file() + "-wal"), 0u);
  gate_ = nullptr;
  database = open();
  must(add(*database, 2000));
  EXPECT_GE(count(*database), 2);
}

TEST_F(GroupCommit, AnEndWithoutFailuresLeavesNoLog) {
  auto database = open();
  must(add(*database, 1));
  database.reset();
  EXPECT_FALSE(std::filesystem::exists(folder_.file() + "-wal"));
  EXPECT_EQ(count(*open()), 1);
}

TEST_F(GroupCommit, TheLogDoesNotGrowForEver) {
  auto database = open();
  const std::string filler(100'000, 'f');
  for (int64_t id = 0; id < 500; ++id) must(add(*database, id, filler));
  EXPECT_LT(std::filesystem::file_size(folder_.file() + "-wal"), uintmax_t{20} << 20);
  EXPECT_GT(std::filesystem::file_size(folder_.file()), uintmax_t{30} << 20);
}

TEST_F(GroupCommit, AReaderThatStaysKeepsTheLogAndItShrinksInUseAfterwards) {
  auto database = open();
  must(add(*database, 0));
  const std::string filler(100'000, 'f');
  {
    auto reader = must(database->begin(Context(), Database::Mode::kRead));
    EXPECT_EQ(must(reader->run("SELECT count(*) FROM a")).at(0).integer(0), 1);
    for (int64_t id = 1; id < 400; ++id) must(add(*database, id, filler));
    EXPECT_EQ(must(reader->run("SELECT count(*) FROM a")).at(0).integer(0), 1);
  }
  const auto largest = std::filesystem::file_size(folder_.file() + "-wal");
  for (int64_t id = 400; id < 1000; ++id) must(add(*database, id, filler));
  EXPECT_LE(std::filesystem::file_size(folder_.file() + "-wal"), std::max<uintmax_t>(largest, uintmax_t{64} << 20));
  EXPECT_EQ(count(*database), 1000);
}

}  // namespace
}  // namespace coffer::catalog
