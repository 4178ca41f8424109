#include "engine/postgres/stream_source.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "engine/postgres/page.h"
#include "support/piece_writer.h"
#include "support/postgres_server.h"

namespace coffer::postgres {
namespace {

using testing_support::assemble_copy;
using testing_support::AssembledCopy;
using testing_support::TestServer;
using testing_support::TestServerOptions;

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  return to_bytes(text);
}

/// Moves money between accounts and writes down each move, until destroyed: whatever the moment of a copy, the sum of
/// the balances equals the sum of what was written down.
class Load {
 public:
  explicit Load(TestServer& server) : connection_(server.connect()), task_([this] { run(); }) {}
  ~Load() {
    stop_ = true;
    task_.join();
  }
  [[nodiscard]] int rounds() const { return rounds_; }

 private:
  void run() {
    for (int i = 1; !stop_; ++i) {
      std::string id = std::to_string(i * 7919 % 20000 + 1), amount = std::to_string(i % 100);
      auto done =
          connection_->query({}, "BEGIN; UPDATE accounts SET balance = balance + " + amount + " WHERE id = " + id +
                                     "; INSERT INTO history VALUES (" + id + ", " + amount + "); COMMIT");
      if (!done.ok()) break;
      ++rounds_;
    }
  }
  std::unique_ptr<Connection> connection_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> rounds_ = 0;
  std::thread task_;
};

void make_accounts(TestServer& server) {
  std::string folder = server.work_directory() + "/space one";
  std::filesystem::create_directory(folder);
  TestServer::give_to_server_user(folder);
  server.sql("CREATE TABLESPACE aside LOCATION '" + folder + "'");
  server.sql(
      "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL DEFAULT 0, filler text);"
      "CREATE TABLE history (id int, amount bigint) TABLESPACE aside;"
      "INSERT INTO accounts SELECT g, 0, repeat('x', 1000) FROM generate_series(1, 20000) g;"
      "CREATE TABLE still TABLESPACE aside AS SELECT g, md5(g::text) FROM generate_series(1, 20000) g;"
      "CREATE UNLOGGED TABLE fleeting AS SELECT g FROM generate_series(1, 1000) g");
}

class StreamSourceOnMajor : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { COFFER_NEED_POSTGRES(GetParam()); }
};

TEST_P(StreamSourceOnMajor, ACopyTakenUnderLoadStartsAndIsConsistent) {
  auto server = TestServer::create({.major = GetParam()});
  make_accounts(*server);
  std::string copy_directory = server->work_directory() + "/copy";
  auto source = make_stream_source({.conninfo = server->conninfo(), .max_rate_kib_s = 32768});
  AssembledCopy copy;
  {
    Load load(*server);
    while (load.rounds() < 50) std::this_thread::yield();
    copy = assemble_copy(*source, copy_directory);
    EXPECT_GT(load.rounds(), 100) << "the load should go on during the copy";
  }
  source.reset();

  EXPECT_EQ(copy.start.kind, "stream");
  EXPECT_EQ(copy.start.major, GetParam());
  EXPECT_EQ(std::to_string(copy.start.system_identifier),
            server->value("SELECT system_identifier FROM pg_control_system()"));
  EXPECT_TRUE(copy.start.data_checksums);
  EXPECT_EQ(copy.start.wal_segment_size_bytes, uint64_t{16} << 20);
  EXPECT_EQ(copy.start.superuser, "postgres");
  EXPECT_EQ(copy.start.settings.at("wal_segment_size"), "16777216");
  EXPECT_EQ(copy.start.settings.at("max_connections"), "100");
  EXPECT_EQ(copy.start.tablespaces.size(), 1U);
  EXPECT_GT(copy.start.estimated_size_bytes, uint64_t{20} << 20);
  EXPECT_GT(copy.end.stop, copy.start.start);
  EXPECT_EQ(copy.end.label.label, "coffer");
  ASSERT_TRUE(copy.end.control);
  EXPECT_EQ(copy.end.control->major, GetParam());
  EXPECT_TRUE(copy.end.server_checksum_failures.empty());
  EXPECT_TRUE(copy.end.warnings.empty()) << copy.end.warnings.front();

  TestServer::give_to_server_user(copy_directory);
  TestServer::give_to_server_user(copy_directory + "-tablespaces");
  if (auto verify = server->tool("pg_verifybackup")) {
    ProcessResult verified = server->run({*verify, copy_directory});
    EXPECT_EQ(verified.exit_code, 0) << verified.output;
  }
  point_tablespaces_at_copy(copy, copy_directory);
  auto restored = TestServer::create({.major = GetParam(), .existing_data_directory = copy_directory});
  EXPECT_EQ(restored->value("SELECT (SELECT sum(balance) FROM accounts) = (SELECT sum(amount) FROM history)"), "t");
  EXPECT_GE(std::stoi(restored->value("SELECT count(*) FROM history")), 50);
  EXPECT_EQ(restored->value("SELECT count(DISTINCT md5) FROM still"), "20000");
  EXPECT_EQ(restored->value("SELECT count(*) FROM fleeting"), "0");
}

TEST_P(StreamSourceOnMajor, FilesAreDescribed) {
  auto server = TestServer::create({.major = GetParam()});
  make_accounts(*server);
  auto source = make_stream_source({.conninfo = server->conninfo()});
  AssembledCopy copy = assemble_copy(*source, server->work_directory() + "/copy", 1);

  const SourceFile* accounts = copy.find(server->value("SELECT pg_relation_filepath('accounts')"));
  ASSERT_NE(accounts, nullptr);
  ASSERT_TRUE(accounts->relation);
  EXPECT_EQ(accounts->relation->tablespace_oid, 1663U);
  EXPECT_TRUE(accounts->has_page_checksums);
  EXPECT_GT(accounts->size_bytes, kPieceSize) << "so that a file of several pieces is among them";
  EXPECT_EQ(accounts->mode, 0600U);
  EXPECT_GT(accounts->mtime_ns, 0);

  const SourceFile* still = copy.find(server->value("SELECT pg_relation_filepath('still')"));
  ASSERT_NE(still, nullptr);
  EXPECT_EQ(std::to_string(still->relation->tablespace_oid),
            server->value("SELECT oid FROM pg_tablespace WHERE spcname = 'aside'"));

  for (const SourceFile& file : copy.files) {
    EXPECT_FALSE(file.path.ends_with(".done")) << file.path;
    EXPECT_TRUE(check_source_path(file.path).ok()) << file.path;
  }
  ASSERT_NE(copy.find("pg_wal/archive_status"), nullptr);
  EXPECT_TRUE(copy.find("pg_wal/archive_status")->is_directory);
  EXPECT_FALSE(copy.find("global/pg_control")->has_page_checksums);
  EXPECT_NE(copy.find("backup_manifest"), nullptr);
  EXPECT_NE(copy.find("tablespace_map"), nullptr);
}

TEST_P(StreamSourceOnMajor, PagesAndWalOfARealClusterPassOurOwnChecks) {
  auto server = TestServer::create({.major = GetParam()});
  make_accounts(*server);
  std::string directory = server->work_directory() + "/copy";
  auto source = make_stream_source({.conninfo = server->conninfo()});
  AssembledCopy copy = assemble_copy(*source, directory);

  uint64_t good = 0, segments = 0;
  for (const SourceFile& file : copy.files) {
    if (file.has_page_checksums) {
      Bytes bytes = read_file(directory + "/" + file.path);
      for (size_t at = 0; at + kPageSize <= bytes.size(); at += kPageSize) {
        uint32_t block =
            static_cast<uint32_t>(at / kPageSize) + file.relation->segment * copy.end.control->blocks_per_segment;
        if (is_new_page(bytes.data() + at)) continue;
        ASSERT_EQ(page_checksum(bytes.data() + at, block), stored_checksum(bytes.data() + at))
            << file.path << " " << block;
        ++good;
      }
    }
    if (!file.path.starts_with("pg_wal/") || file.is_directory) continue;
    auto segment = parse_wal_segment_name(file.path.substr(7), copy.start.wal_segment_size_bytes);
    if (!segment.ok()) continue;
    Status checked = check_wal_segment(
        read_file(directory + "/" + file.path), *segment,
        {copy.start.major, copy.start.system_identifier, copy.start.wal_segment_size_bytes}, copy.end.stop);
    EXPECT_TRUE(checked.ok()) << checked.error().message;
    ++segments;
  }
  EXPECT_GT(good, 3000U);
  EXPECT_GE(segments, 1U);

  // The manifest names what came, byte for byte as our own writer spells it.
  Bytes manifest = read_file(directory + "/backup_manifest");
  std::string rewritten;
  ManifestWriter writer(copy.start.major, copy.start.system_identifier,
                        [&](ByteView bytes) { return rewritten += as_text(bytes), ok_status(); });
  size_t listed = 0;
  auto header = parse_backup_manifest(manifest, [&](ManifestFile&& file) {
    // Listed by the server, left out by us, ignored by pg_verifybackup.
    if (file.path.ends_with(".done")) return writer.add(file);
    const SourceFile* found = copy.find(file.path);
    EXPECT_TRUE(found != nullptr && found->size_bytes == file.size_bytes) << file.path;
    ++listed;
    return writer.add(file);
  });
  ASSERT_TRUE(header.ok()) << header.error().message;
  EXPECT_GT(listed, 900U);
  ASSERT_TRUE(writer.finish(header->wal_ranges).ok());
  EXPECT_EQ(rewritten, as_text(manifest));
}

INSTANTIATE_TEST_SUITE_P(Majors, StreamSourceOnMajor, ::testing::Values(13, 14, 15, 16, 17, 18),
                         [](const auto& major) { return std::to_string(major.param); });

class StreamSourceTest : public ::testing::Test {
 protected:
  void SetUp() override { COFFER_NEED_POSTGRES(15); }
};

TEST_F(StreamSourceTest, AnotherSystemIsRefusedBeforeAnythingIsRead) {
  auto server = TestServer::create();
  auto source = make_stream_source({.conninfo = server->conninfo(), .expected_system_identifier = 42});
  auto start = source->begin({});
  ASSERT_FALSE(start.ok());
  EXPECT_EQ(start.code(), ErrorCode::kFailedPrecondition);
  EXPECT_NE(start.error().message.find("not 42"), std::string::npos) << start.error().message;
  EXPECT_EQ(source->next({}).code(), ErrorCode::kUnavailable);
}

TEST_F(StreamSourceTest, TheReplicationRoleAloneIsEnough) {
  auto server = TestServer::create();
  server->sql("CREATE ROLE copier LOGIN REPLICATION; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
  auto source = make_stream_source({.conninfo = server->conninfo("postgres", "copier")});
  AssembledCopy copy = assemble_copy(*source, server->work_directory() + "/copy");
  // Without SQL some facts are missing, which is said, and those that a recovery needs are there.
  ASSERT_EQ(copy.end.warnings.size(), 1U);
  EXPECT_NE(copy.end.warnings[0].find("databases, roles"), std::string::npos) << copy.end.warnings[0];
  EXPECT_TRUE(copy.start.databases.empty());
  EXPECT_EQ(copy.start.settings.at("max_connections"), "100");
  EXPECT_TRUE(copy.start.data_checksums);
}

TEST_F(StreamSourceTest, DamagedPagesAreReportedAndTheCopyIsStillComplete) {
  auto server = TestServer::create();
  make_accounts(*server);
  server->sql("CHECKPOINT");
  std::string path = server->value("SELECT pg_relation_filepath('still')");
  server->stop();
  {
    std::fstream file(server->data_directory() + "/" + path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5 * static_cast<std::streamoff>(kPageSize) + 4000);
    file.write("damage", 6);
  }
  server->start();
  std::string directory = server->work_directory() + "/copy";
  auto source = make_stream_source({.conninfo = server->conninfo()});
  AssembledCopy copy = assemble_copy(*source, directory);
  ASSERT_GE(copy.end.server_checksum_failures.size(), 2U);
  EXPECT_NE(copy.end.server_checksum_failures[0].find(path.substr(path.rfind("/"))), std::string::npos)
      << copy.end.server_checksum_failures[0];
  EXPECT_NE(copy.end.server_checksum_failures.back().find("XX001"), std::string::npos);
  ASSERT_NE(copy.find("backup_manifest"), nullptr);
  Bytes page = read_file(directory + "/" + path);
  EXPECT_EQ(judge_page(page.data() + 5 * kPageSize, 5, copy.start.start), PageVerdict::kBad);
  EXPECT_EQ(judge_page(page.data() + 6 * kPageSize, 6, copy.start.start), PageVerdict::kGood);
}

TEST_F(StreamSourceTest, ClustersWithoutChecksumsSaySo) {
  auto server = TestServer::create({.data_checksums = false, .initdb_args = {"--wal-segsize=1"}});
  auto source = make_stream_source({.conninfo = server->conninfo()});
  AssembledCopy copy = assemble_copy(*source, server->work_directory() + "/copy");
  EXPECT_FALSE(copy.start.data_checksums);
  EXPECT_EQ(copy.start.wal_segment_size_bytes, uint64_t{1} << 20);
  for (const SourceFile& file : copy.files) EXPECT_FALSE(file.has_page_checksums);
}

/// A standby of `primary`, made from a copy of our own.
std::unique_ptr<TestServer> make_standby(TestServer& primary) {
  std::string directory = primary.work_directory() + "/standby";
  auto source = make_stream_source({.conninfo = primary.conninfo()});
  assemble_copy(*source, directory);
  std::ofstream(directory + "/standby.signal").flush();
  TestServer::give_to_server_user(directory);
  return TestServer::create(
      {.settings = {{"primary_conninfo", primary.conninfo()}}, .existing_data_directory = directory});
}

TEST_F(StreamSourceTest, AStandbyIsASourceToo) {
  auto primary = TestServer::create();
  auto standby = make_standby(*primary);
  primary->sql("CREATE TABLE late AS SELECT g FROM generate_series(1, 1000) g; CHECKPOINT");
  std::string target = primary->value("SELECT pg_current_wal_lsn()");
  while (standby->value("SELECT pg_last_wal_replay_lsn() >= '" + target + "'") != "t") std::this_thread::yield();

  std::string directory = standby->work_directory() + "/copy";
  auto source = make_stream_source({.conninfo = standby->conninfo()});
  AssembledCopy copy = assemble_copy(*source, directory);
  EXPECT_TRUE(copy.start.from_standby);
  EXPECT_EQ(copy.end.label.from, "standby");
  ASSERT_TRUE(copy.end.control);
  EXPECT_EQ(control_state_name(copy.end.control->state), "in archive recovery");

  // The role without SQL learns it as well.
  primary->sql("CREATE ROLE copier LOGIN REPLICATION; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
  while (standby->value("SELECT count(*) FROM pg_roles WHERE rolname = 'copier'") != "1") std::this_thread::yield();
  while (standby->value("SELECT count(*) FROM pg_database WHERE datname = 'postgres' AND datacl IS NOT NULL") != "1") {
    std::this_thread::yield();
  }
  auto blind = make_stream_source({.conninfo = standby->conninfo("postgres", "copier")});
  auto start = blind->begin({});
  ASSERT_TRUE(start.ok()) << start.error().message;
  EXPECT_TRUE(start->databases.empty());
  EXPECT_TRUE(start->from_standby);
}

TEST_F(StreamSourceTest, WalOfANewTimelinePassesFromItsFirstSegment) {
  auto primary = TestServer::create();
  primary->sql("CREATE TABLE t AS SELECT g FROM generate_series(1, 100000) g");
  auto standby = make_standby(*primary);
  standby->sql("SELECT pg_promote()");
  standby->sql("INSERT INTO t SELECT generate_series(1, 100000); CHECKPOINT");
  std::string end_text = standby->value("SELECT pg_current_wal_flush_lsn()");
  uint64_t identifier = std::stoull(standby->value("SELECT system_identifier FROM pg_control_system()"));
  int on_new_timeline = 0;
  for (const auto& entry : std::filesystem::directory_iterator(standby->data_directory() + "/pg_wal")) {
    auto segment = parse_wal_segment_name(entry.path().filename().string(), 16 << 20);
    if (!segment.ok() || segment->timeline != 2 || segment->number << 24 >= parse_lsn(end_text)->value) continue;
    Status checked =
        check_wal_segment(read_file(entry.path()), *segment, {15, identifier, 16 << 20}, *parse_lsn(end_text));
    EXPECT_TRUE(checked.ok()) << checked.error().message;
    ++on_new_timeline;
  }
  EXPECT_GE(on_new_timeline, 1);
  auto history = parse_timeline_history(as_text(read_file(standby->data_directory() + "/pg_wal/00000002.history")));
  ASSERT_TRUE(history.ok());
  EXPECT_EQ(history->at(0).parent, 1U);

  auto source = make_stream_source({.conninfo = standby->conninfo()});
  AssembledCopy copy = assemble_copy(*source, standby->work_directory() + "/copy");
  EXPECT_EQ(copy.start.timeline, 2U);
  EXPECT_NE(copy.find("pg_wal/00000002.history"), nullptr);
}

TEST_F(StreamSourceTest, DroppingASourceHalfWayEndsTheServersBackup) {
  auto server = TestServer::create();
  make_accounts(*server);
  auto source = make_stream_source({.conninfo = server->conninfo(), .max_rate_kib_s = 1024});
  ASSERT_TRUE(source->begin({}).ok());
  ASSERT_TRUE(source->next({}).ok());
  source.reset();
  while (server->value("SELECT count(*) FROM pg_stat_replication") != "0") std::this_thread::yield();
}

TEST_F(StreamSourceTest, AStoppedContextEndsIt) {
  auto server = TestServer::create();
  make_accounts(*server);
  auto source = make_stream_source({.conninfo = server->conninfo(), .max_rate_kib_s = 1024});
  StopSource stop;
  Context context(stop);
  ASSERT_TRUE(source->begin(context).ok());
  stop.request_stop();
  ErrorCode code = ErrorCode::kInternal;
  for (bool going = true; going;) {
    auto piece = source->next(context);
    going = piece.ok() && *piece;
    if (!piece.ok()) code = piece.code();
  }
  EXPECT_EQ(code, ErrorCode::kCancelled);
}

TEST_F(StreamSourceTest, ALostServerIsUnavailable) {
  auto server = TestServer::create();
  make_accounts(*server);
  auto source = make_stream_source({.conninfo = server->conninfo(), .max_rate_kib_s = 1024});
  ASSERT_TRUE(source->begin({}).ok());
  server->crash();
  ErrorCode code = ErrorCode::kInternal;
  for (bool going = true; going;) {
    auto piece = source->next({});
    going = piece.ok() && *piece;
    if (!piece.ok()) code = piece.code();
  }
  EXPECT_EQ(code, ErrorCode::kUnavailable);
  EXPECT_EQ(source->finish({}).code(), ErrorCode::kFailedPrecondition);
}

TEST_F(StreamSourceTest, MoreFilesThanAllowedEndTheBackup) {
  auto server = TestServer::create();
  auto source = make_stream_source({.conninfo = server->conninfo(), .members_max = 100});
  ASSERT_TRUE(source->begin({}).ok());
  ErrorCode code = ErrorCode::kInternal;
  for (bool going = true; going;) {
    auto piece = source->next({});
    going = piece.ok() && *piece;
    if (!piece.ok()) code = piece.code();
  }
  EXPECT_EQ(code, ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace coffer::postgres
