#include "engine/postgres/local_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/faulty_filesystem.h"
#include "engine/postgres/cluster_check.h"
#include "engine/postgres/local_cluster.h"
#include "engine/postgres/page.h"

namespace coffer::postgres {
namespace {

using namespace test;
namespace fs = std::filesystem;

std::unique_ptr<Source> source_of(LocalOptions options) {
  return make_local_source(files(), system_clock(), std::move(options));
}
std::unique_ptr<Source> source_of(const TestServer& server) { return source_of(local_options(server)); }

std::string sum_of_balances(const ScratchServer& server) {
  return scratch_value(server, "SELECT sum(balance)::text FROM public.accounts");
}
std::string sum_of_history(const ScratchServer& server) {
  return scratch_value(server, "SELECT sum(delta)::text FROM public.history");
}

// What every copy must stand: it boots, no table or index is damaged, and after a clean stop every page checksum fits.
void expect_sound(const Copy& copy, const std::function<void(const ScratchServer&)>& ask = {}) {
  auto server = boot(copy);
  if (ask) ask(*server);
  ClusterCheck check = must(check_cluster({}, *server, true));
  for (const DatabaseCheck& database : check.databases)
    for (const std::string& finding : database.findings) ADD_FAILURE() << database.database << ": " << finding;
  must(server->stop({}));
  PageCheck pages = must(check_page_checksums({}, files(), copy.data, 2));
  for (const std::string& finding : pages.findings) ADD_FAILURE() << finding;
  EXPECT_EQ(pages.data_checksums, copy.start.data_checksums);
}

class LocalSourceOnEachMajor : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Majors, LocalSourceOnEachMajor, ::testing::ValuesIn(majors_under_test()),
                         [](const auto& p) { return std::to_string(p.param); });

TEST_P(LocalSourceOnEachMajor, ACopyTakenUnderLoadHoldsEqualSums) {
  auto server = make_server(GetParam());
  MoneyLoad::prepare(*server, 1000);
  server->sql("CREATE UNLOGGED TABLE scratchpad AS SELECT generate_series(1, 1000) AS n");
  TemporaryFolder folder;
  Copy copy;
  {
    MoneyLoad load(*server, 3);
    auto source = source_of(*server);
    copy = take_copy(*source, folder, [&](size_t n) {
      // Slow enough that the load changes what was already copied and what was not.
      if (n % 100 == 0) server->sql("SELECT pg_sleep(0.05)");
    });
  }
  EXPECT_EQ(copy.start.kind, "local");
  EXPECT_EQ(copy.start.superuser, "postgres");
  EXPECT_EQ(copy.start.system_identifier, copy.end.control->system_identifier);
  EXPECT_EQ(copy.end.label.start, copy.start.start);
  EXPECT_GT(copy.end.stop, copy.start.start);
  EXPECT_GT(copy.start.estimated_size_bytes, 1U << 20);
  EXPECT_EQ(read_text(copy.data + "/backup_label").substr(0, 18), "START WAL LOCATION");
  EXPECT_TRUE(copy.files.at("global/pg_control").size_bytes == 8192);
  EXPECT_GT(std::find(copy.order.begin(), copy.order.end(), "global/pg_control") - copy.order.begin(),
            std::find(copy.order.begin(), copy.order.end(), "pg_xact/0000") - copy.order.begin());
  expect_sound(copy, [](const ScratchServer& scratch) {
    EXPECT_EQ(sum_of_balances(scratch), sum_of_history(scratch));
    EXPECT_NE(sum_of_history(scratch), "");
    EXPECT_EQ(scratch_value(scratch, "SELECT count(*) FROM public.scratchpad"), "0");
  });
}

TEST_P(LocalSourceOnEachMajor, TablesAndDatabasesMayComeGoAndGrowWhileTheyAreRead) {
  auto server = make_server(GetParam(), {}, GetParam() % 2 == 1);
  const std::string place = server->work_directory() + "/place";
  fs::create_directory(place);
  TestServer::give_to_server_user(place);
  server->sql("CREATE TABLESPACE place LOCATION '" + place + "'");
  server->sql("CREATE TABLE kept TABLESPACE place AS SELECT generate_series(1, 5000) AS n");
  server->sql("CREATE TABLE grows AS SELECT generate_series(1, 100) AS n");
  server->sql("CREATE TABLE cut AS SELECT generate_series(1, 100000) AS n");
  for (int i = 0; i < 20; ++i)
    server->sql("CREATE TABLE dropped" + std::to_string(i) + " AS SELECT generate_series(1, 1000) AS n");
  server->sql("CREATE DATABASE goes");
  server->sql("CREATE TABLE t AS SELECT 1 AS n", "goes");
  TemporaryFolder folder;
  auto source = source_of(*server);
  Copy copy = take_copy(*source, folder, [&](size_t n) {
    if (n % 25 != 0) return;
    const std::string i = std::to_string(n / 25);
    if (n / 25 < 20) server->sql("DROP TABLE dropped" + i);
    if (n == 50) server->sql("CREATE DATABASE comes");
    if (n == 75) server->sql("CREATE TABLE t AS SELECT generate_series(1, 77) AS n", "comes");
    if (n == 100) server->sql("DROP DATABASE goes");
    if (n == 125) server->sql("DELETE FROM cut WHERE n > 10"), server->sql("VACUUM cut");
    if (n == 200) server->sql("CREATE TABLE moved TABLESPACE place AS SELECT generate_series(1, 99) AS n");
    server->sql("INSERT INTO grows SELECT generate_series(1, 2000)");
  });
  ASSERT_EQ(copy.start.tablespaces.size(), 1U);
  EXPECT_EQ(copy.start.tablespaces[0].path, place);
  const std::string grown = server->value("SELECT count(*) FROM grows");
  expect_sound(copy, [&](const ScratchServer& scratch) {
    EXPECT_EQ(scratch_value(scratch, "SELECT count(*) FROM public.kept"), "5000");
    EXPECT_EQ(scratch_value(scratch, "SELECT count(*) FROM public.moved"), "99");
    EXPECT_EQ(scratch_value(scratch, "SELECT count(*) FROM public.grows"), grown);
    EXPECT_EQ(scratch_value(scratch, "SELECT count(*) FROM public.cut"), "10");
    EXPECT_EQ(scratch_value(scratch, "SELECT count(*) FROM public.t", "comes"), "77");
    EXPECT_EQ(scratch_value(scratch, "SELECT count(*) FROM pg_database WHERE datname = 'goes'"), "0");
    EXPECT_EQ(scratch_value(scratch, "SELECT count(*) FROM pg_class WHERE relname LIKE 'dropped%'"), "0");
  });
}

TEST_P(LocalSourceOnEachMajor, AStandbyCanBeCopied) {
  auto primary = make_server(GetParam());
  MoneyLoad::prepare(*primary, 1000);
  TemporaryFolder standby_folder, folder;
  Copy base = take_copy(*source_of(*primary), standby_folder);
  write_text(base.data + "/standby.signal", "");
  TestServer::give_to_server_user(base.data);
  auto standby =
      start_server_on(base.data, GetParam(), {{"primary_conninfo", primary->conninfo()}, {"hot_standby", "on"}});
  Copy copy;
  {
    MoneyLoad load(*primary, 2);
    const std::string position = primary->value("SELECT pg_current_wal_insert_lsn()");
    while (standby->value("SELECT pg_last_wal_replay_lsn() >= '" + position + "'") != "t") {
    }
    primary->sql("CHECKPOINT");
    copy = take_copy(*source_of(*standby), folder, [&](size_t n) {
      if (n % 100 == 0) primary->sql("SELECT pg_sleep(0.05)");
    });
  }
  EXPECT_TRUE(copy.start.from_standby);
  fs::remove(copy.data + "/standby.signal");
  expect_sound(copy,
               [](const ScratchServer& scratch) { EXPECT_EQ(sum_of_balances(scratch), sum_of_history(scratch)); });
}

class LocalSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    COFFER_NEED_POSTGRES(15);
    server_ = make_server(15);
  }
  std::unique_ptr<TestServer> server_;
  TemporaryFolder folder_;
};

TEST_F(LocalSourceTest, RefusesADataDirectoryOfAnotherCluster) {
  auto other = make_server(15);
  LocalOptions options = local_options(*server_);
  options.pgdata = other->data_directory();
  auto begun = source_of(options)->begin({});
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.code(), ErrorCode::kFailedPrecondition);
  EXPECT_NE(begun.error().message.find("system identifier"), std::string::npos);
}

TEST_F(LocalSourceTest, RefusesAClusterThatIsNotTheExpectedOne) {
  LocalOptions options = local_options(*server_);
  options.expected_system_identifier = 42;
  auto begun = source_of(options)->begin({});
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.code(), ErrorCode::kFailedPrecondition);
}

TEST_F(LocalSourceTest, AnAbandonedSourceEndsTheServersBackupMode) {
  {
    auto source = source_of(*server_);
    must(source->begin({}));
    must(source->next({}));
    EXPECT_EQ(server_->value("SELECT count(*) FROM pg_replication_slots WHERE temporary"), "1");
  }
  while (server_->value(
             "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coffer' AND pid <> pg_backend_pid()") !=
         "0") {
  }
  EXPECT_EQ(server_->value("SELECT count(*) FROM pg_replication_slots"), "0");
  EXPECT_NE(server_->log().find("aborting backup due to backend exiting"), std::string::npos);
}

TEST_F(LocalSourceTest, ARoleWithTheTwoFunctionsAloneIsEnoughAndItsGapsAreTold) {
  server_->sql(
      "CREATE ROLE saver LOGIN; GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean) TO "
      "saver");
  LocalOptions options = local_options(*server_);
  options.conninfo = server_->conninfo("postgres", "saver");
  options.pgdata = server_->data_directory();
  Copy copy = take_copy(*source_of(options), folder_);
  ASSERT_FALSE(copy.end.warnings.empty());
  EXPECT_NE(copy.end.warnings[0].find("slot"), std::string::npos);
  expect_sound(copy);
}

TEST_F(LocalSourceTest, ARoleWithoutRightsIsToldWhatToGrant) {
  server_->sql("CREATE ROLE nobody_special LOGIN");
  LocalOptions options = local_options(*server_);
  options.conninfo = server_->conninfo("postgres", "nobody_special");
  options.pgdata = server_->data_directory();
  auto begun = source_of(options)->begin({});
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(begun.error().next_step.find("GRANT EXECUTE"), std::string::npos);
}

TEST_F(LocalSourceTest, ConfigurationOutsideTheDataDirectoryIsStoredBesideIt) {
  const std::string other = folder_.path("etc");
  fs::create_directory(other);
  chmod(other.c_str(), 0755);
  fs::rename(server_->data_directory() + "/pg_hba.conf", other + "/hba");
  TestServer::give_to_server_user(other);
  server_->sql("ALTER SYSTEM SET hba_file = '" + other + "/hba'");
  server_->stop();
  server_->start();
  Copy copy = take_copy(*source_of(*server_), folder_);
  EXPECT_TRUE(copy.files.contains("coffer/config/pg_hba.conf"));
  EXPECT_FALSE(copy.files.contains("coffer/config/postgresql.conf"));
  EXPECT_TRUE(copy.files.contains("postgresql.conf"));
  EXPECT_EQ(read_text(copy.data + "/coffer/config/pg_hba.conf"), read_text(other + "/hba"));
}

TEST_F(LocalSourceTest, WalIsReadWhereverItsFolderIs) {
  server_->stop();
  const std::string elsewhere = folder_.path("wal");
  fs::rename(server_->data_directory() + "/pg_wal", elsewhere);
  chmod(folder_.path().c_str(), 0755);
  fs::create_directory_symlink(elsewhere, server_->data_directory() + "/pg_wal");
  server_->start();
  Copy copy = take_copy(*source_of(*server_), folder_);
  EXPECT_FALSE(fs::is_symlink(copy.data + "/pg_wal"));
  expect_sound(copy);
}

TEST_F(LocalSourceTest, SmallWalSegmentsAreAllBroughtAlong) {
  auto server = make_server(15, {{"max_wal_size", "4MB"}, {"min_wal_size", "2MB"}}, true, {"--wal-segsize=1"});
  MoneyLoad::prepare(*server, 1000);
  Copy copy;
  {
    MoneyLoad load(*server, 2);
    copy = take_copy(*source_of(*server), folder_, [&](size_t n) {
      if (n % 100 == 0) server->sql("INSERT INTO history (account, delta) SELECT 1, 0 FROM generate_series(1, 20000)");
      // Without the slot these would take the segments away.
      if (n % 200 == 0) server->sql("CHECKPOINT");
    });
  }
  EXPECT_EQ(copy.start.wal_segment_size_bytes, 1U << 20);
  const auto segments = std::count_if(copy.order.begin(), copy.order.end(),
                                      [](const std::string& p) { return p.starts_with("pg_wal/0"); });
  EXPECT_EQ(static_cast<uint64_t>(segments),
            (copy.end.stop.value - 1) / (1 << 20) - copy.start.start.value / (1 << 20) + 1);
  EXPECT_GT(segments, 5);
  expect_sound(copy,
               [](const ScratchServer& scratch) { EXPECT_EQ(sum_of_balances(scratch), sum_of_history(scratch)); });
}

TEST_F(LocalSourceTest, ACopyOfALaterTimelineBringsItsHistory) {
  auto server = make_server(15, {{"restore_command", "false"}});
  server->stop();
  write_text(server->data_directory() + "/recovery.signal", "");
  TestServer::give_to_server_user(server->data_directory() + "/recovery.signal");
  server->start();
  while (server->value("SELECT pg_is_in_recovery()") == "t") {
  }
  Copy copy = take_copy(*source_of(*server), folder_);
  EXPECT_EQ(copy.end.timeline, 2U);
  EXPECT_TRUE(copy.files.contains("pg_wal/00000002.history"));
  expect_sound(copy);
}

TEST_F(LocalSourceTest, ALostSessionIsAFailureThatSaysSo) {
  auto source = source_of(*server_);
  must(source->begin({}));
  server_->sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'coffer' AND pid <> "
      "pg_backend_pid()");
  while (must(source->next({}))) {
  }
  auto end = source->finish({});
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.code(), ErrorCode::kUnavailable);
  EXPECT_NE(end.error().message.find("ending the backup"), std::string::npos);
}

TEST_F(LocalSourceTest, AControlFileTornByAWriteIsReadAgain) {
  // The server only writes this file, so it does not mind what stands there between two of its writes.
  const std::string path = server_->data_directory() + "/global/pg_control", whole = read_text(path);
  std::string half = whole;
  half[30] = static_cast<char>(half[30] ^ 1);
  int torn = 3;
  FaultyFileSystem tearing(files(), [&](const FileCall& call) -> std::optional<FileFault> {
    if (call.operation == "read_at" && call.path.ends_with("pg_control") && torn >= 0)
      write_text(path, torn-- > 0 ? half : whole);
    return std::nullopt;
  });
  must(make_local_source(tearing, system_clock(), local_options(*server_))->begin({}));
  EXPECT_LT(torn, 0);
  torn = 1000;
  auto begun = make_local_source(tearing, system_clock(), local_options(*server_))->begin({});
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.code(), ErrorCode::kCorruption);
  EXPECT_NE(begun.error().message.find("pg_control"), std::string::npos);
  EXPECT_EQ(torn, 990);
}

TEST_F(LocalSourceTest, WalThatIsGoneOrDamagedEndsTheBackupWithItsName) {
  for (const bool gone : {true, false}) {
    auto source = source_of(*server_);
    must(source->begin({}));
    while (must(source->next({}))) {
    }
    SourceEnd end = must(source->finish({}));
    const std::string path = server_->data_directory() + "/pg_wal/" + end.label.start_segment;
    if (gone) {
      fs::rename(path, folder_.path("kept"));
    } else {
      std::string text = read_text(path);
      text[8] = static_cast<char>(text[8] ^ 1);  // the page's own address
      write_text(path, text);
    }
    Status status = [&]() -> Status {
      while (true) {
        COFFER_TRY(auto piece, source->next({}));
        if (!piece) return ok_status();
      }
    }();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), gone ? ErrorCode::kFailedPrecondition : ErrorCode::kCorruption) << status.error().message;
    EXPECT_NE(status.error().message.find(end.label.start_segment), std::string::npos) << status.error().message;
    if (gone) fs::rename(folder_.path("kept"), path);
  }
}

TEST_F(LocalSourceTest, BlocksOfAMissingParentAreNotGuessedBelow17) {
  LocalOptions options = local_options(*server_);
  options.parent = ParentPoint{1, 1, Lsn{1}};
  auto start = must(source_of(options)->begin({}));
  EXPECT_FALSE(start.uses_wal_summaries);
  EXPECT_NE(start.summaries_unused_because.find("no WAL summaries"), std::string::npos);
}

// --- WAL summaries, 17 and later ---

class SummaryTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    COFFER_NEED_POSTGRES(GetParam());
    server_ = make_server(GetParam(), {{"summarize_wal", "on"}});
    MoneyLoad::prepare(*server_, 20000);
    server_->sql("CREATE TABLE quiet AS SELECT generate_series(1, 200000) AS n, repeat('q', 100) AS filler");
    server_->sql("VACUUM ANALYZE");
  }
  LocalOptions options_after(const Copy& parent) {
    LocalOptions options = local_options(*server_);
    options.parent = ParentPoint{parent.start.system_identifier, parent.end.timeline, parent.start.start};
    return options;
  }
  std::unique_ptr<TestServer> server_;
  TemporaryFolder first_, second_;
};
INSTANTIATE_TEST_SUITE_P(Majors, SummaryTest, ::testing::Values(17, 18),
                         [](const auto& p) { return std::to_string(p.param); });

struct Difference {
  uint64_t differing_pages = 0, named_pages = 0, all_pages = 0, vouched_files = 0;
  std::vector<std::string> missed;
};
// Compares two copies page by page with what the second one's source said about changes.
Difference compare(const Copy& parent, const Copy& child) {
  Difference d;
  for (const auto& [path, file] : child.files) {
    if (!file.changed || !parent.files.contains(path)) continue;
    ++d.vouched_files;
    const std::string before = read_text(parent.data + "/" + path), now = read_text(child.data + "/" + path);
    for (size_t at = 0, block = 0; at < now.size(); at += kPageSize, ++block) {
      ++d.all_pages;
      const bool named = block >= file.changed->all_from ||
                         std::binary_search(file.changed->blocks.begin(), file.changed->blocks.end(), block);
      d.named_pages += named;
      // Pages after the parent's end are read anyway.
      if (at + kPageSize > before.size() || before.compare(at, kPageSize, now, at, kPageSize) == 0) continue;
      ++d.differing_pages;
      if (!named) d.missed.push_back(path + " block " + std::to_string(block));
    }
  }
  return d;
}

TEST_P(SummaryTest, EveryPageThatDiffersFromTheParentIsNamedAndFewOthersAre) {
  Copy parent = take_copy(*source_of(*server_), first_);
  {
    MoneyLoad load(*server_, 2);
    server_->sql("SELECT pg_sleep(0.5)");
    server_->sql("CREATE TABLE anew AS SELECT generate_series(1, 5000) AS n");
    server_->sql("UPDATE quiet SET filler = 'changed' WHERE n BETWEEN 1000 AND 1100");
    server_->sql("CREATE DATABASE copied STRATEGY file_copy");
    server_->sql("TRUNCATE anew");
  }
  Copy child = take_copy(*source_of(options_after(parent)), second_);
  ASSERT_TRUE(child.start.uses_wal_summaries) << child.start.summaries_unused_because;
  Difference d = compare(parent, child);
  for (const std::string& missed : d.missed) ADD_FAILURE() << missed;
  EXPECT_GT(d.differing_pages, 10U);
  EXPECT_GT(d.vouched_files, 200U);
  EXPECT_LT(d.named_pages, d.all_pages / 4) << "of " << d.all_pages;
  for (const auto& [path, file] : child.files) {
    const bool vouched = file.relation && (file.relation->fork == Fork::kMain || file.relation->fork == Fork::kInit);
    EXPECT_EQ(file.changed.has_value(), vouched) << path;
  }
  expect_sound(child);
}

// The parent's pages wherever the source says that nothing changed, as the backup job puts them together. The summaries
// of some servers do not tell that visibility map bits were cleared; the map and the heap must still agree.
TEST_P(SummaryTest, RowsDeletedSinceTheParentStayDeletedForIndexOnlyScans) {
  server_->sql("CREATE INDEX ON quiet (n)");
  server_->sql("VACUUM quiet");
  Copy parent = take_copy(*source_of(*server_), first_);
  server_->sql("DELETE FROM quiet WHERE n % 50 = 0");
  Copy child = take_copy(*source_of(options_after(parent)), second_);
  ASSERT_TRUE(child.start.uses_wal_summaries) << child.start.summaries_unused_because;
  for (const auto& [path, file] : child.files) {
    if (!file.changed || !parent.files.contains(path)) continue;
    const std::string before = read_text(parent.data + "/" + path);
    std::string now = read_text(child.data + "/" + path);
    for (size_t at = 0, block = 0; at < std::min(now.size(), before.size()); at += kPageSize, ++block)
      if (block < file.changed->all_from &&
          !std::binary_search(file.changed->blocks.begin(), file.changed->blocks.end(), block))
        now.replace(at, kPageSize, before, at, kPageSize);
    write_text(child.data + "/" + path, now);
  }
  expect_sound(child, [](const ScratchServer& scratch) {
    auto connection = must(connect({}, scratch.conninfo("postgres"), ConnectionKind::kSql));
    must(connection->query({}, "SET enable_seqscan = off; SET enable_bitmapscan = off"));
    Rows rows = must(connection->query({}, "SELECT count(*) FROM public.quiet WHERE n > 0"));
    EXPECT_EQ(rows[0].text(0), "196000");
  });
}

TEST_P(SummaryTest, AnIdleClusterHasNearlyNothingToRead) {
  Copy parent = take_copy(*source_of(*server_), first_);
  Copy child = take_copy(*source_of(options_after(parent)), second_);
  ASSERT_TRUE(child.start.uses_wal_summaries) << child.start.summaries_unused_because;
  EXPECT_LT(compare(parent, child).named_pages, 200U);
}

TEST_P(SummaryTest, AHoleMeansAFullReadAndIsTold) {
  Copy parent = take_copy(*source_of(*server_), first_);
  server_->sql("INSERT INTO history (account, delta) SELECT 1, 0 FROM generate_series(1, 1000)");
  server_->stop();
  server_->start();
  server_->sql("CHECKPOINT");
  const std::string summaries = server_->data_directory() + "/pg_wal/summaries";
  while (server_->value("SELECT summarized_lsn > '" + format_lsn(parent.end.stop) +
                        "' FROM pg_get_wal_summarizer_state()") != "t") {
  }
  for (const auto& entry : fs::directory_iterator(summaries)) {
    // The one that holds the parent's start.
    const std::string name = entry.path().filename();
    const uint64_t from = std::stoull(name.substr(8, 16), nullptr, 16),
                   to = std::stoull(name.substr(24, 16), nullptr, 16);
    if (from <= parent.start.start.value && parent.start.start.value < to) fs::remove(entry.path());
  }
  auto source = source_of(options_after(parent));
  SourceStart start = must(source->begin({}));
  EXPECT_FALSE(start.uses_wal_summaries);
  EXPECT_NE(start.summaries_unused_because.find("hole"), std::string::npos) << start.summaries_unused_because;
  while (auto piece = must(source->next({}))) EXPECT_FALSE(piece->file->changed.has_value());
}

TEST_P(SummaryTest, AParentOfAnotherClusterTimelineOrTheFutureIsNotUsed) {
  SourceStart now = must(source_of(*server_)->begin({}));
  auto because = [&](ParentPoint parent) {
    LocalOptions options = local_options(*server_);
    options.parent = parent;
    SourceStart start = must(source_of(options)->begin({}));
    EXPECT_FALSE(start.uses_wal_summaries);
    return start.summaries_unused_because;
  };
  EXPECT_NE(because({1, 1, now.start}).find("another cluster"), std::string::npos);
  EXPECT_NE(because({now.system_identifier, 2, now.start}).find("timeline"), std::string::npos);
  EXPECT_NE(because({now.system_identifier, 1, Lsn{UINT64_MAX / 2}}).find("after"), std::string::npos);
}

TEST_P(SummaryTest, SwitchedOffSummariesAreTold) {
  SourceStart now = must(source_of(*server_)->begin({}));
  server_->stop();
  auto off = start_server_on(server_->data_directory(), GetParam(), {});
  LocalOptions options = local_options(*off);
  options.parent = ParentPoint{now.system_identifier, 1, now.start};
  EXPECT_EQ(must(source_of(options)->begin({})).summaries_unused_because, "summarize_wal is off");
}

TEST_P(SummaryTest, ASummarizerThatStandsStillIsWaitedForAndThenToldAbout) {
  Copy parent = take_copy(*source_of(*server_), first_);
  // Stopped by a signal it is alive and silent, as on a machine that hangs.
  const std::string pid = server_->value("SELECT summarizer_pid FROM pg_get_wal_summarizer_state()");
  server_->run({"/bin/sh", "-c", "kill -STOP " + pid});
  LocalOptions options = options_after(parent);
  options.summarizer_patience = std::chrono::seconds(2);
  SourceStart start = must(source_of(options)->begin({}));
  server_->run({"/bin/sh", "-c", "kill -CONT " + pid});
  EXPECT_FALSE(start.uses_wal_summaries);
  EXPECT_NE(start.summaries_unused_because.find("did not move"), std::string::npos) << start.summaries_unused_because;
}

}  // namespace
}  // namespace coffer::postgres
