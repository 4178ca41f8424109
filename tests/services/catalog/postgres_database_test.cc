// What only a database on a server can go through: lost connections, other processes, limits of the server.
#include <thread>

#include "services/catalog/catalogs.h"

namespace coffer::catalog {
namespace {

using testing_support::TestServer;

class PostgresCatalog : public testing::Test {
 protected:
  void SetUp() override {
    COFFER_NEED_POSTGRES(15);
    where_ = SharedServer::new_database();
    database_ = must(Database::open(where_));
  }
  std::unique_ptr<Transaction> read() { return must(database_->begin(context_, Database::Mode::kRead)); }
  std::unique_ptr<Transaction> write() { return must(database_->begin(context_, Database::Mode::kWrite)); }
  void change(std::string_view sql) {
    auto transaction = write();
    must(transaction->run(sql));
    must(transaction->commit());
  }
  static void end_sessions() {
    SharedServer::get().sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'coffer' AND pid <> "
        "pg_backend_pid() AND datname LIKE 'catalog%'");
  }

  std::string where_;
  std::unique_ptr<Database> database_;
  Context context_;
};

TEST_F(PostgresCatalog, IsSharedAndSerializable) {
  EXPECT_TRUE(database_->shared());
  EXPECT_EQ(must(read()->run("SHOW transaction_isolation"))[0].text(0), "serializable");
  EXPECT_EQ(must(read()->run("SHOW transaction_read_only"))[0].text(0), "on");
  EXPECT_EQ(must(write()->run("SHOW transaction_read_only"))[0].text(0), "off");
  EXPECT_EQ(must(write()->run("SHOW client_encoding"))[0].text(0), "UTF8");
}

TEST_F(PostgresCatalog, AnAnomalyIsAConflictOfOneOfTheTwo) {
  change("CREATE TABLE duty (id BIGINT PRIMARY KEY, n BIGINT)");
  change("INSERT INTO duty VALUES (1, 1), (2, 1)");
  auto a = write(), b = write();
  EXPECT_EQ(must(a->run("SELECT sum(n) FROM duty"))[0].integer(0), 2);
  EXPECT_EQ(must(b->run("SELECT sum(n) FROM duty"))[0].integer(0), 2);
  must(a->run("UPDATE duty SET n = 0 WHERE id = 1"));
  must(a->commit());
  const auto second = b->run("UPDATE duty SET n = 0 WHERE id = 2");
  const Status done = second.ok() ? b->commit() : Status(second.error());
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.code(), ErrorCode::kConflict);
}

TEST_F(PostgresCatalog, ADeadlockIsAConflict) {
  change("CREATE TABLE d (id BIGINT PRIMARY KEY, n BIGINT)");
  change("INSERT INTO d VALUES (1, 1), (2, 1)");
  auto a = write(), b = write();
  must(a->run("UPDATE d SET n = 2 WHERE id = 1"));
  must(b->run("UPDATE d SET n = 3 WHERE id = 2"));
  std::optional<Result<Rows>> of_a;
  std::thread thread([&] { of_a = a->run("UPDATE d SET n = 2 WHERE id = 2"); });
  const auto of_b = b->run("UPDATE d SET n = 3 WHERE id = 1");
  if (of_b.ok()) b.reset();  // a was the victim, or is let go now
  if (!of_b.ok()) b.reset();
  thread.join();
  EXPECT_TRUE((of_b.ok() || of_b.code() == ErrorCode::kConflict));
  EXPECT_TRUE((of_a->ok() || of_a->code() == ErrorCode::kConflict));
  EXPECT_FALSE(of_a->ok() && of_b.ok());
}

TEST_F(PostgresCatalog, IdleConnectionsThatDiedAreReplacedUnseen) {
  { auto a = read(), b = read(), c = write(); }
  end_sessions();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(must(read()->run("SELECT 1"))[0].integer(0), 1);
}

TEST_F(PostgresCatalog, AConnectionLostInATransactionIsUnavailableAndReplaced) {
  change("CREATE TABLE t (id BIGINT PRIMARY KEY)");
  auto transaction = write();
  must(transaction->run("INSERT INTO t VALUES (1)"));
  end_sessions();
  const auto lost = transaction->run("INSERT INTO t VALUES (2)");
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.code(), ErrorCode::kUnavailable) << lost.error().message;
  EXPECT_EQ(transaction->commit().code(), ErrorCode::kUnavailable);
  transaction.reset();
  EXPECT_EQ(must(read()->run("SELECT count(*) FROM t"))[0].integer(0), 0);
}

TEST_F(PostgresCatalog, ACommitOverALostConnectionIsUnavailable) {
  auto transaction = write();
  must(transaction->run("CREATE TABLE t (id BIGINT)"));
  end_sessions();
  EXPECT_EQ(transaction->commit().code(), ErrorCode::kUnavailable);
  change("CREATE TABLE t (id BIGINT)");
}

TEST_F(PostgresCatalog, AServerThatIsAwayIsUnavailableUntilItIsBack) {
  auto server = TestServer::create();
  auto database = must(Database::open(SharedServer::uri(*server, "postgres")));
  const auto write_row = [&](std::string_view sql) {
    return in_transaction(*database, context_, [&](Transaction& transaction) -> Status {
      COFFER_CHECK_OK(transaction.run(sql));
      return ok_status();
    });
  };
  must(write_row("CREATE TABLE t (id BIGINT PRIMARY KEY)"));
  must(write_row("INSERT INTO t VALUES (1)"));
  server->crash();
  EXPECT_EQ(write_row("INSERT INTO t VALUES (2)").code(), ErrorCode::kUnavailable);
  EXPECT_EQ(Database::open(SharedServer::uri(*server, "postgres")).code(), ErrorCode::kUnavailable);
  server->start();
  must(write_row("INSERT INTO t VALUES (3)"));
  const auto transaction = must(database->begin(context_, Database::Mode::kRead));
  EXPECT_EQ(must(transaction->run("SELECT sum(id) FROM t"))[0].integer(0), 4);
}

TEST_F(PostgresCatalog, ABadConnectionStringIsRefusedWithoutQuotingIt) {
  const auto bad = Database::open("postgresql://u:hunter2@[broken/db");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(bad.error().message.find("hunter2"), std::string::npos);
}

TEST_F(PostgresCatalog, AnUnknownUserIsAMatterOfPermission) {
  std::string where = where_;
  where.replace(where.find("user=postgres"), 13, "user=nobody1");
  const auto refused = Database::open(where);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.code(), ErrorCode::kPermissionDenied) << refused.error().message;
}

TEST_F(PostgresCatalog, WhenAllConnectionsAreInUseTheNextWaitsAndCanBeStopped) {
  std::vector<std::unique_ptr<Transaction>> all;
  for (int i = 0; i < 32; ++i) all.push_back(read());
  StopSource stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(database_->begin(Context(stop), Database::Mode::kRead).code(), ErrorCode::kCancelled);
  stopper.join();
  all.pop_back();
  read();
}

TEST_F(PostgresCatalog, AStatementThatAnotherProcessMadeStaleIsPreparedAnew) {
  change("CREATE TABLE t (id BIGINT)");
  change("INSERT INTO t VALUES (1)");
  EXPECT_EQ(must(read()->run("SELECT * FROM t"))[0].size(), 1u);
  must(Database::open(where_)).reset();
  {
    auto other = must(Database::open(where_));
    auto transaction = must(other->begin(context_, Database::Mode::kWrite));
    must(transaction->run("ALTER TABLE t ADD COLUMN name TEXT"));
    must(transaction->commit());
  }
  size_t width = 0;
  must(in_transaction(*database_, context_, [&](Transaction& transaction) -> Status {
    COFFER_TRY(auto row, transaction.first("SELECT * FROM t"));
    width = row->size();
    return ok_status();
  }));
  EXPECT_EQ(width, 2u);
}

TEST_F(PostgresCatalog, AStoppedStatementLeavesTheOthersAlone) {
  StopSource stop;
  auto transaction = must(database_->begin(Context(stop), Database::Mode::kRead));
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(transaction->run("SELECT pg_sleep(600)").code(), ErrorCode::kCancelled);
  stopper.join();
  transaction.reset();
  EXPECT_EQ(must(read()->run("SELECT 7"))[0].integer(0), 7);
}

}  // namespace
}  // namespace coffer::catalog
