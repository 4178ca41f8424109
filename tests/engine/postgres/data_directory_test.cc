#include "engine/postgres/data_directory.h"

#include <gtest/gtest.h>

namespace coffer::postgres {
namespace {

TEST(RelationPath, RelationsAreRecognised) {
  auto plain = parse_relation_path("base/16384/16413");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->tablespace_oid, 1663U);
  EXPECT_EQ(plain->database_oid, 16384U);
  EXPECT_EQ(plain->relation_number, 16413U);
  EXPECT_EQ(plain->fork, Fork::kMain);
  EXPECT_EQ(plain->segment, 0U);

  auto segment = parse_relation_path("base/5/16413_vm.12");
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->fork, Fork::kVisibilityMap);
  EXPECT_EQ(segment->segment, 12U);

  auto global = parse_relation_path("global/1262_fsm");
  ASSERT_TRUE(global);
  EXPECT_EQ(global->tablespace_oid, 1664U);
  EXPECT_EQ(global->database_oid, 0U);
  EXPECT_EQ(global->fork, Fork::kFreeSpaceMap);

  auto other = parse_relation_path("pg_tblspc/16500/PG_15_202209061/5/4294967295_init");
  ASSERT_TRUE(other);
  EXPECT_EQ(other->tablespace_oid, 16500U);
  EXPECT_EQ(other->relation_number, 4294967295U);
  EXPECT_EQ(other->fork, Fork::kInit);

  auto temporary = parse_relation_path("base/5/t3_16413_fsm.1");
  ASSERT_TRUE(temporary);
  EXPECT_TRUE(temporary->temporary);
  EXPECT_EQ(temporary->relation_number, 16413U);
}

TEST(RelationPath, OtherFilesAreNot) {
  for (std::string_view path : {"",
                                "base",
                                "base/5",
                                "base/5/",
                                "base/5/PG_VERSION",
                                "base/5/pg_filenode.map",
                                "base/5/0123",
                                "base/5/0",
                                "base/5/16413_",
                                "base/5/16413_xyz",
                                "base/5/16413.",
                                "base/5/16413.0",
                                "base/5/16413.01",
                                "base/5/16413.1.2",
                                "base/5/16413.x",
                                "base/5/16413_fsm_vm",
                                "base/5/4294967296",
                                "base/x/16413",
                                "base/05/16413",
                                "base/5/a/16413",
                                "base/pgsql_tmp/16413",
                                "global/pg_control",
                                "global/5/16413",
                                "pg_xact/0000",
                                "pg_wal/16413",
                                "16413",
                                "pg_tblspc/16500/16413",
                                "pg_tblspc/16500/PG_15/5/16413",
                                "pg_tblspc/16500/PG_x_1/5/16413",
                                "pg_tblspc/16500/PG_15_202209061/16413",
                                "pg_tblspc/0/PG_15_202209061/5/16413",
                                "base/5/t_16413",
                                "base/5/t3_",
                                "base/5/tx_16413",
                                "base/5/t3",
                                "other/5/16413",
                                "/base/5/16413",
                                "base//16413"}) {
    EXPECT_FALSE(parse_relation_path(path)) << path;
  }
}

TEST(Treatment, FoldersWhoseContentIsMadeAnewAreKeptEmpty) {
  for (std::string_view folder : {"pg_wal", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots",
                                  "pg_stat_tmp", "pg_subtrans", "pg_wal/archive_status", "pg_wal/summaries"}) {
    EXPECT_EQ(treatment_of(folder, true), Treatment::kDirectoryOnly) << folder;
    EXPECT_EQ(treatment_of(std::string(folder) + "/file", false), Treatment::kSkip) << folder;
  }
  EXPECT_EQ(treatment_of("pg_wal/000000010000000000000001", false), Treatment::kSkip);
  EXPECT_EQ(treatment_of("pg_replslot/slot", true), Treatment::kSkip);
}

TEST(Treatment, FilesOfARunningServerAreLeftOutWhereverTheyLie) {
  for (std::string_view name :
       {"postmaster.pid", "postmaster.opts", "backup_label", "tablespace_map", "backup_manifest",
        "postgresql.auto.conf.tmp", "current_logfiles.tmp", "pg_internal.init", "pg_internal.init.1234", "pgsql_tmp",
        "pgsql_tmp123.4", "backup_label.old", "tablespace_map.old", "recovery.done", ".DS_Store"}) {
    EXPECT_EQ(treatment_of(name, false), Treatment::kSkip) << name;
    EXPECT_EQ(treatment_of("base/5/" + std::string(name), false), Treatment::kSkip) << name;
  }
  EXPECT_EQ(treatment_of("base/pgsql_tmp", true), Treatment::kSkip);
  EXPECT_EQ(treatment_of("lost+found", true), Treatment::kSkip);
  EXPECT_EQ(treatment_of("base/5/t3_16413", false), Treatment::kSkip);
}

TEST(Treatment, EverythingElseIsTaken) {
  for (std::string_view path :
       {"PG_VERSION", "postgresql.conf", "postgresql.auto.conf", "global/pg_control", "pg_xact/0000",
        "pg_stat/pgstat.stat", "base/5/16413", "base/5/16413_init", "log/postgresql.log", "core.123",
        "pg_logical/mappings/x", "standby.signal", "pg_wal_of_mine/x", "base/5/t3"}) {
    EXPECT_EQ(treatment_of(path, false), Treatment::kTake) << path;
  }
  for (std::string_view path :
       {"base", "base/5", "pg_tblspc", "pg_tblspc/16384", "pg_logical", "pg_stat", "backup_label"}) {
    EXPECT_EQ(treatment_of(path, true), Treatment::kTake) << path;
  }
}

TEST(Unlogged, OnlyTheInitForkIsTaken) {
  EXPECT_TRUE(unlogged_to_skip(*parse_relation_path("base/5/7"), true));
  EXPECT_TRUE(unlogged_to_skip(*parse_relation_path("base/5/7_fsm"), true));
  EXPECT_FALSE(unlogged_to_skip(*parse_relation_path("base/5/7_init"), true));
  EXPECT_FALSE(unlogged_to_skip(*parse_relation_path("base/5/7"), false));
}

TEST(SourcePath, OrdinaryPathsPass) {
  for (std::string_view path : {"a", "base/5/16413", "pg_tblspc/16384/PG_15_202209061/5/1", "log/\xc3\xa4.log", "a b",
                                "..a", "a..", "...", "-rf", "a\\b"}) {
    EXPECT_TRUE(check_source_path(path).ok()) << path;
  }
  EXPECT_TRUE(check_source_path(std::string(255, 'a')).ok());
}

TEST(SourcePath, PathsThatLeadElsewhereAreRefused) {
  for (std::string path : {"", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/..", "../a", "a/../b", "a/./b",
                           "a\nb", "a\x7f", "\x01", "a/\x1b[2J"}) {
    EXPECT_EQ(check_source_path(path).code(), ErrorCode::kInvalidArgument) << path;
  }
  EXPECT_FALSE(check_source_path(std::string("a\0b", 3)).ok());
  EXPECT_FALSE(check_source_path(std::string(256, 'a')).ok());
  std::string deep;
  while (deep.size() <= 1024) deep += "abcdefg/";
  EXPECT_FALSE(check_source_path(deep + "x").ok());
  // What is shown of it is harmless on a terminal.
  EXPECT_EQ(check_source_path("a/\x1b[2J").error().message.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace coffer::postgres
