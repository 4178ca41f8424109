// TestServer: a throw-away PostgreSQL of a given major, reachable only by a socket in its own folder. As root, it runs
// as the user "postgres", because the server refuses root.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/processes.h"
#include "engine/postgres/connection.h"

namespace coffer::testing_support {

/// Skips the test where the server programs of this major are not installed.
#define COFFER_NEED_POSTGRES(major)                                                                  \
  if (!::coffer::testing_support::TestServer::binaries(major))                                       \
  GTEST_SKIP() << "needs PostgreSQL " << (major) << ": install it, or let COFFER_PG_BIN_" << (major) \
               << " name the folder of its initdb and postgres"

struct TestServerOptions {
  int major = 15;
  bool data_checksums = true;
  std::vector<std::string> initdb_args = {};         // further ones
  std::map<std::string, std::string> settings = {};  // given on the command line, so they win
  std::string existing_data_directory = {};          // start this one (a restored copy) instead of a new cluster
  std::chrono::seconds start_timeout{60};
};

class TestServer {
 public:
  /// The folder with initdb and postgres: COFFER_PG_BIN_<major>, else Debian's.
  static std::optional<std::string> binaries(int major);

  /// Makes the cluster and starts it; throws with the server's log when that fails. Destroyed: killed, its files
  /// removed (an existing data directory stays).
  static std::unique_ptr<TestServer> create(TestServerOptions options = {});
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  [[nodiscard]] int major() const { return options_.major; }
  [[nodiscard]] const std::string& data_directory() const { return data_directory_; }
  /// A folder of the server's user, for copies, tablespaces and the like; goes with the server.
  [[nodiscard]] const std::string& work_directory() const { return work_directory_; }
  [[nodiscard]] std::string conninfo(const std::string& database = "postgres",
                                     const std::string& user = "postgres") const;
  [[nodiscard]] std::string log() const;

  std::unique_ptr<postgres::Connection> connect(const std::string& database = "postgres",
                                                postgres::ConnectionKind kind = postgres::ConnectionKind::kSql) const;
  /// Rows of the last statement, over a connection of its own; throws with the server's message.
  postgres::Rows sql(const std::string& statements, const std::string& database = "postgres") const;
  /// The one value of a query.
  std::string value(const std::string& query, const std::string& database = "postgres") const;

  /// A clean stop ("fast"); the files stay, and start() continues with them.
  void stop();
  void start();
  /// As a power cut would: SIGQUIT to the server, no checkpoint.
  void crash();

  /// The path of another program of this major, when it is installed ("pg_verifybackup").
  [[nodiscard]] std::optional<std::string> tool(const std::string& name) const;
  /// Runs a program as the server's user, with PATH and the socket folder in PGHOST.
  ProcessResult run(std::vector<std::string> argv, std::chrono::seconds timeout = std::chrono::seconds(120)) const;
  /// Starts one and does not wait (pgbench beside a backup).
  std::unique_ptr<Process> start_program(std::vector<std::string> argv) const;
  /// Makes `path` and all below it the server user's, when we are root.
  static void give_to_server_user(const std::string& path);

 private:
  explicit TestServer(TestServerOptions options);
  void init_cluster();
  void shut_down(int signal_number);
  [[nodiscard]] ProcessSpec spec(std::vector<std::string> argv) const;

  TestServerOptions options_;
  std::string binaries_, work_directory_, data_directory_, log_path_;
  std::unique_ptr<Process> process_;
};

}  // namespace coffer::testing_support
