#include "engine/postgres/scratch_server.h"

#include <sys/stat.h>

#include <filesystem>

#include "engine/postgres/local_cluster.h"
#include "engine/postgres/scratch_config.h"

namespace coffer::postgres {
namespace {

using namespace test;
namespace fs = std::filesystem;

class ScratchServerOnEachMajor : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { server_ = make_server(GetParam()); }
  Copy copy() { return take_copy(*make_local_source(files(), system_clock(), local_options(*server_)), folder_); }
  std::unique_ptr<TestServer> server_;
  TemporaryFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Majors, ScratchServerOnEachMajor, ::testing::ValuesIn(majors_under_test()),
                         [](const auto& p) { return std::to_string(p.param); });

TEST_P(ScratchServerOnEachMajor, RecoversTakesWritesAndStopsCleanly) {
  server_->sql("CREATE TABLE t AS SELECT generate_series(1, 10) AS n");
  Copy made = copy();
  auto scratch = boot(made);
  EXPECT_EQ(scratch->major(), GetParam());
  EXPECT_EQ(scratch_value(*scratch, "INSERT INTO public.t VALUES (11) RETURNING n"), "11");
  EXPECT_EQ(scratch_value(*scratch, "SELECT pg_is_in_recovery()"), "f");
  must(scratch->stop({}));
  Bytes control = must(files().read_file(made.data + "/global/pg_control"));
  EXPECT_EQ(must(parse_control_file(control)).state, 1);
}

// What the source's ALTER SYSTEM, ALTER ROLE and ALTER DATABASE left behind must not run, load or lock us out.
TEST_P(ScratchServerOnEachMajor, NothingOfTheSourcesConfigurationHasAnEffect) {
  server_->sql("CREATE TABLE t (n int)");
  Copy made = copy();
  const std::string canary = made.work + "/canary";
  write_text(
      made.data + "/postgresql.auto.conf",
      "shared_preload_libraries = 'no_such_library'\narchive_mode = on\narchive_command = 'touch " + canary +
          "'\nlisten_addresses = '*'\nssl = on\n" + "restore_command = 'touch " + canary +
          "'\ndata_directory = '/nowhere'\nunix_socket_directories = '/tmp'\narchive_cleanup_command = 'touch " +
          canary +
          "'\nhba_file = '/nowhere/hba'\nsession_preload_libraries = 'no_such_library'\nlc_messages = 'xx_YY'\n");
  write_text(made.data + "/postgresql.conf", "this is = not a configuration {\n");
  write_text(made.data + "/standby.signal", "");
  {
    auto scratch = boot(made);
    for (const char* sql :
         {"ALTER ROLE postgres SET session_preload_libraries = 'no_such_library'",
          "ALTER ROLE postgres SET default_transaction_read_only = on",
          "ALTER DATABASE postgres SET search_path = nowhere", "ALTER DATABASE postgres SET statement_timeout = 1"})
      scratch_value(*scratch, sql);
    EXPECT_EQ(scratch_value(*scratch, "SHOW listen_addresses"), "");
    scratch_value(*scratch, "INSERT INTO public.t VALUES (1)");
    scratch_value(*scratch, "SELECT pg_switch_wal()");
    scratch_value(*scratch, "CHECKPOINT");
    must(scratch->stop({}));
  }
  EXPECT_FALSE(fs::exists(canary));
  EXPECT_NE(read_text(made.work + "/postgresql.auto.conf.coffer-saved").find("archive_command"), std::string::npos);
  EXPECT_EQ(read_text(made.data + "/postgresql.auto.conf"), "");
}

TEST_P(ScratchServerOnEachMajor, TheSandboxHasNoNetworkAndSeesNothingElse) {
  TemporaryFolder elsewhere;
  write_text(elsewhere.path("secret"), "s");
  chmod(elsewhere.path("secret").c_str(), 0644);
  Copy made = copy();
  auto scratch = boot(made);
  auto run = [&](const std::string& shell) {
    auto connection = must(connect({}, scratch->conninfo("postgres"), ConnectionKind::kSql));
    must(connection->query({}, "CREATE TEMP TABLE out (line text); COPY out FROM PROGRAM $p$" + shell +
                                   "$p$ (FORMAT csv, DELIMITER e'\\x01', QUOTE e'\\x02')"));
    Rows rows = must(connection->query({}, "SELECT string_agg(line, '|') FROM out"));
    return rows[0].text(0);
  };
  EXPECT_EQ(run("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"), "lo");
  EXPECT_EQ(run("tail -n +2 /proc/net/route | wc -l"), "0");
  EXPECT_EQ(run("cat " + elsewhere.path("secret") + " 2>/dev/null || echo hidden"), "hidden");
  // Not all of /var: the server's own programs may lie in it.
  EXPECT_EQ(run("ls /root /home /etc/shadow /var/lib /var/tmp /var/log /var/spool 2>/dev/null | wc -l"), "0");
  EXPECT_EQ(run("touch /usr/canary 2>/dev/null || echo read-only"), "read-only");
  EXPECT_EQ(run("grep CapEff /proc/self/status | tr -d '\\t'"), "CapEff:0000000000000000");
  EXPECT_EQ(run("env | grep -c HOME || true"), "0");
}

TEST_P(ScratchServerOnEachMajor, ADestroyedServerIsGoneWithAllItsProcesses) {
  Copy made = copy();
  auto scratch = boot(made);
  const std::string conninfo = scratch->conninfo("postgres");
  scratch.reset();
  EXPECT_FALSE(connect({}, conninfo, ConnectionKind::kSql).ok());
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string command = read_text(entry.path() / "cmdline");
    EXPECT_EQ(command.find(made.data), std::string::npos) << command;
  }
}

TEST_P(ScratchServerOnEachMajor, StopsAtARecoveryTarget) {
  server_->sql("CREATE TABLE t AS SELECT generate_series(1, 10) AS n");
  Copy made = copy();
  ScratchOptions options = scratch_options(made);
  options.settings = {{"recovery_target", "immediate"}};
  auto scratch = must(start_scratch_server({}, files(), system_clock(), processes(), options));
  EXPECT_EQ(scratch_value(*scratch, "SELECT count(*) FROM public.t"), "10");
  // Reaching a target ends in a timeline of its own.
  EXPECT_EQ(scratch_value(*scratch, "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"), "00000002");
}

TEST_P(ScratchServerOnEachMajor, AFailedRecoveryCarriesTheServersOwnWords) {
  Copy made = copy();
  for (const auto& entry : fs::directory_iterator(made.data + "/pg_wal"))
    if (entry.is_regular_file()) fs::remove(entry.path());
  auto started = start_scratch_server({}, files(), system_clock(), processes(), scratch_options(made));
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.code(), ErrorCode::kFailedPrecondition);
  EXPECT_NE(started.error().message.find("could not locate"), std::string::npos) << started.error().message;
}

TEST_P(ScratchServerOnEachMajor, AWrongSuperuserIsAnErrorAndNotAWait) {
  Copy made = copy();
  ScratchOptions options = scratch_options(made);
  options.superuser = "somebody";
  auto started = start_scratch_server({}, files(), system_clock(), processes(), options);
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message.find("somebody"), std::string::npos) << started.error().message;
}

class ScratchServerTest : public ::testing::Test {
 protected:
  ScratchServerTest() {
    fs::create_directories(folder_.path("data"));
    fs::create_directories(folder_.path("work"));
    options_.data_directory = folder_.path("data");
    options_.work_directory = folder_.path("work");
    options_.binaries = "/usr/lib/postgresql/15/bin";
    options_.control.major = 15;
    options_.superuser = "postgres";
    options_.start_timeout = std::chrono::seconds(60);
  }
  Result<std::unique_ptr<ScratchServer>> start(Processes& with) {
    return start_scratch_server({}, files(), system_clock(), with, options_);
  }
  TemporaryFolder folder_;
  ScratchOptions options_;
};

// A machine where the program cannot be run, or ends at once with these words.
class BrokenMachine final : public Processes {
 public:
  explicit BrokenMachine(std::string says) : says_(std::move(says)) {}
  Result<std::unique_ptr<Process>> start(const ProcessSpec& spec) override {
    if (says_.empty()) return Error{ErrorCode::kNotFound, "bwrap is not installed", {}};
    ProcessSpec instead = spec;
    instead.argv = {"/bin/sh", "-c", "echo '" + says_ + "'; exit 1"};
    return processes().start(instead);
  }

 private:
  std::string says_;
};

TEST_F(ScratchServerTest, WithoutASandboxNothingIsProven) {
  BrokenMachine no_program(""), no_namespaces("bwrap: No permissions to create new namespace");
  for (Processes* machine : {static_cast<Processes*>(&no_program), static_cast<Processes*>(&no_namespaces)}) {
    auto started = start(*machine);
    ASSERT_FALSE(started.ok());
    EXPECT_EQ(started.code(), ErrorCode::kNotProven) << started.error().message;
    EXPECT_FALSE(started.error().next_step.empty());
  }
}

TEST_F(ScratchServerTest, AFullDiskProvesNothingEither) {
  BrokenMachine machine("FATAL:  could not write lock file \"postmaster.pid\": No space left on device");
  auto started = start(machine);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.code(), ErrorCode::kNotProven) << started.error().message;
}

TEST_F(ScratchServerTest, AServerThatDoesNotComeUpInTimeIsGivenUp) {
  class Sleeper final : public Processes {
   public:
    Result<std::unique_ptr<Process>> start(const ProcessSpec& spec) override {
      ProcessSpec instead = spec;
      instead.argv = {"sleep", "1000"};
      return processes().start(instead);
    }
  } sleeper;
  options_.start_timeout = std::chrono::seconds(0);
  auto started = start(sleeper);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.code(), ErrorCode::kDeadlineExceeded);
  StopSource stop;
  stop.request_stop();
  options_.start_timeout = std::chrono::seconds(60);
  auto stopped = start_scratch_server(Context(stop), files(), system_clock(), sleeper, options_);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.code(), ErrorCode::kCancelled);
}

TEST_F(ScratchServerTest, APathTooLongForASocketIsRefusedWithAdvice) {
  options_.work_directory = folder_.path(std::string(100, 'w'));
  fs::create_directories(options_.work_directory);
  auto started = start(processes());
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(started.error().next_step.empty());
}

TEST_F(ScratchServerTest, SettingsOutsideTheListAndLineBreaksAreRefused) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"archive_command", "rm"}, {"shared_buffers", "1MB\narchive_command = rm"}}) {
    options_.settings = {{name, value}};
    EXPECT_EQ(scratch_configuration(options_, 15).code(), ErrorCode::kInvalidArgument) << name;
  }
  EXPECT_FALSE(scratch_hba("a\nhost all all 0.0.0.0/0 trust").ok());
  EXPECT_FALSE(scratch_hba("").ok());
  EXPECT_EQ(must(scratch_hba("we\"ird")).substr(0, 21), "local all \"we\"\"ird\" t");
}

TEST_F(ScratchServerTest, ServerProgramsAreFoundByConfigurationFirst) {
  fs::create_directories(folder_.path("bin"));
  write_text(folder_.path("bin/postgres"), "");
  EXPECT_EQ(must(find_server_binaries(files(), 17, {{17, folder_.path("bin")}})), folder_.path("bin"));
  auto wrong = find_server_binaries(files(), 15, {{15, folder_.path("nowhere")}});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.code(), ErrorCode::kNotProven);
  auto missing = find_server_binaries(files(), 99, {});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.code(), ErrorCode::kNotProven);
  EXPECT_NE(missing.error().next_step.find("postgresql-99"), std::string::npos);
}

}  // namespace
}  // namespace coffer::postgres
