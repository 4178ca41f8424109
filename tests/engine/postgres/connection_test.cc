#include "engine/postgres/connection.h"

#include <gtest/gtest.h>

#include "support/postgres_server.h"

namespace coffer::postgres {
namespace {

using testing_support::TestServer;

class ConnectionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (TestServer::binaries(15)) server_ = TestServer::create();
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override { COFFER_NEED_POSTGRES(15); }
  static std::unique_ptr<TestServer> server_;
};
std::unique_ptr<TestServer> ConnectionTest::server_;

TEST_F(ConnectionTest, QueryGivesTheRowsOfTheLastStatementWithNulls) {
  auto connection = server_->connect();
  auto rows = connection->query({}, "SELECT 1; SELECT 'a' || n, NULL FROM generate_series(1, 3) n");
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  ASSERT_EQ(rows->size(), 3U);
  EXPECT_EQ((*rows)[2].text(0), "a3");
  EXPECT_FALSE((*rows)[2].values[1].has_value());
  EXPECT_EQ((*rows)[2].text(1), "");
  EXPECT_EQ((*rows)[2].text(7), "");
  EXPECT_EQ(connection->major(), 15);
}

TEST_F(ConnectionTest, ServerErrorsKeepTheConnectionUsable) {
  auto connection = server_->connect();
  auto rows = connection->query({}, "SELECT 1/0");
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.code(), ErrorCode::kFailedPrecondition);
  EXPECT_NE(rows.error().message.find("22012"), std::string::npos) << rows.error().message;
  EXPECT_TRUE(connection->query({}, "SELECT 1").ok());
}

TEST_F(ConnectionTest, MissingPrivilegesAreTold) {
  server_->sql("DROP ROLE IF EXISTS small; CREATE ROLE small LOGIN");
  auto connection = connect({}, server_->conninfo("postgres", "small"), ConnectionKind::kSql);
  ASSERT_TRUE(connection.ok());
  EXPECT_EQ((*connection)->query({}, "SELECT * FROM pg_authid").code(), ErrorCode::kPermissionDenied);

  auto walsender = connect({}, server_->conninfo("postgres", "small"), ConnectionKind::kReplication);
  ASSERT_FALSE(walsender.ok());
  EXPECT_EQ(walsender.code(), ErrorCode::kPermissionDenied) << walsender.error().message;
  EXPECT_NE(walsender.error().next_step.find("REPLICATION"), std::string::npos);
}

TEST_F(ConnectionTest, FailedConnectionsSayWhatToCheck) {
  auto no_server = connect({}, "host=" + server_->work_directory() + " port=5499 user=x", ConnectionKind::kSql);
  ASSERT_FALSE(no_server.ok());
  EXPECT_EQ(no_server.code(), ErrorCode::kUnavailable);
  EXPECT_NE(no_server.error().next_step.find("host and port"), std::string::npos) << no_server.error().message;

  auto no_role = connect({}, server_->conninfo("postgres", "nobody"), ConnectionKind::kSql);
  ASSERT_FALSE(no_role.ok());
  EXPECT_EQ(no_role.code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(no_role.error().message.find("LOCATION"), std::string::npos) << no_role.error().message;

  auto no_database = connect({}, server_->conninfo("nowhere"), ConnectionKind::kSql);
  ASSERT_FALSE(no_database.ok());
  EXPECT_NE(no_database.error().next_step.find("database name"), std::string::npos) << no_database.error().message;
}

TEST_F(ConnectionTest, AnUnreadableConninfoIsRefusedWithoutShowingIt) {
  auto bad = connect({}, "host=x password=se cret", ConnectionKind::kSql);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(bad.error().message.find("cret"), std::string::npos);
  EXPECT_EQ(connect({}, "hosst=x", ConnectionKind::kSql).code(), ErrorCode::kInvalidArgument);
}

TEST_F(ConnectionTest, AStoppedContextEndsALongQuery) {
  auto connection = server_->connect();
  StopSource stop;
  stop.request_stop();
  EXPECT_EQ(connection->query(Context(stop), "SELECT pg_sleep(600)").code(), ErrorCode::kCancelled);

  StopSource later;
  auto other = server_->connect();
  bool stopped_once = false;
  Connection::CopyEvents events;
  // The first notice comes while the server sleeps on.
  events.on_notice = [&](std::string_view, std::string_view) { later.request_stop(), stopped_once = true; };
  Status status =
      other->copy_out(Context(later), "DO $$ BEGIN RAISE NOTICE 'x'; PERFORM pg_sleep(600); END $$", events, nullptr);
  EXPECT_TRUE(stopped_once);
  EXPECT_EQ(status.code(), ErrorCode::kCancelled);
  EXPECT_EQ(other->query({}, "SELECT 1").code(), ErrorCode::kUnavailable);
}

TEST_F(ConnectionTest, CopyOutGivesDataBetweenItsEvents) {
  auto connection = server_->connect();
  std::string copied;
  int begins = 0;
  Connection::CopyEvents events;
  events.on_copy_begin = [&] { return ++begins, ok_status(); };
  events.on_copy_data = [&](ByteView data) { return copied += as_text(data), ok_status(); };
  std::string sqlstate;
  ASSERT_TRUE(connection->copy_out({}, "COPY (SELECT generate_series(1, 3)) TO STDOUT", events, &sqlstate).ok());
  EXPECT_EQ(copied, "1\n2\n3\n");
  EXPECT_EQ(begins, 1);
  EXPECT_EQ(sqlstate, "");

  Status failed =
      connection->copy_out({}, "COPY (SELECT 1/(3 - g) FROM generate_series(1, 3) g) TO STDOUT", events, &sqlstate);
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(sqlstate, "22012");
  EXPECT_TRUE(connection->query({}, "SELECT 1").ok());
}

TEST_F(ConnectionTest, AFailingCallbackEndsTheSession) {
  auto connection = server_->connect();
  Connection::CopyEvents events;
  events.on_copy_data = [](ByteView) -> Status { return Error{ErrorCode::kCorruption, "enough", {}}; };
  EXPECT_EQ(connection->copy_out({}, "COPY (SELECT generate_series(1, 100000)) TO STDOUT", events, nullptr).code(),
            ErrorCode::kCorruption);
  EXPECT_EQ(connection->query({}, "SELECT 1").code(), ErrorCode::kUnavailable);
}

TEST_F(ConnectionTest, AHugeNoticeIsCut) {
  auto connection = server_->connect();
  size_t longest = 0;
  std::string severity;
  Connection::CopyEvents events;
  events.on_notice = [&](std::string_view s, std::string_view text) {
    longest = std::max(longest, text.size()), severity = s;
  };
  ASSERT_TRUE(
      connection->copy_out({}, "DO $$ BEGIN RAISE WARNING '%', repeat('x', 1000000); END $$", events, nullptr).ok());
  EXPECT_GT(longest, kNoticeSizeMax - 1);
  EXPECT_LT(longest, kNoticeSizeMax + 16);
  EXPECT_EQ(severity, "WARNING");
}

TEST_F(ConnectionTest, ALostServerIsUnavailable) {
  auto connection = server_->connect();
  std::string pid = connection->query({}, "SELECT pg_backend_pid()")->at(0).text(0);
  server_->sql("SELECT pg_terminate_backend(" + pid + ")");
  auto rows = connection->query({}, "SELECT 1");
  EXPECT_EQ(rows.code(), ErrorCode::kUnavailable);
  EXPECT_EQ(connection->query({}, "SELECT 1").code(), ErrorCode::kUnavailable);
}

TEST_F(ConnectionTest, TimeoutsOfTheServerAreOff) {
  server_->sql(
      "ALTER ROLE postgres SET statement_timeout = '10min'; ALTER ROLE postgres SET idle_session_timeout = '10min'");
  auto connection = server_->connect();
  auto shown =
      connection->query({}, "SELECT current_setting('statement_timeout') || current_setting('idle_session_timeout')");
  server_->sql("ALTER ROLE postgres RESET ALL");
  ASSERT_TRUE(shown.ok()) << shown.error().message;
  EXPECT_EQ(shown->at(0).text(0), "00");
}

TEST_F(ConnectionTest, ReplicationConnectionsSpeakTheReplicationCommands) {
  auto connection = server_->connect("postgres", ConnectionKind::kReplication);
  auto rows = connection->query({}, "IDENTIFY_SYSTEM");
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->at(0).text(1), "1");
}

TEST(ConninfoTest, ADatabaseIsAddedOnlyWhereNoneIsNamed) {
  EXPECT_EQ(*conninfo_with_default_database("host=a", "postgres"), "dbname='postgres' host='a'");
  EXPECT_EQ(*conninfo_with_default_database("host=a dbname=b", "postgres"), "dbname='b' host='a'");
  EXPECT_EQ(*conninfo_with_default_database("postgresql://u@h/d?sslmode=require", "postgres"),
            "dbname='d' host='h' sslmode='require' user='u'");
  EXPECT_EQ(*conninfo_with_default_database(R"(host=a password='it\'s \\')", "x"),
            R"(dbname='x' host='a' password='it\'s \\')");
}

TEST(QuotingTest, QuotesAreDoubled) {
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
}

}  // namespace
}  // namespace coffer::postgres
