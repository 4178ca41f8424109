#include "engine/postgres/backup_files.h"

#include <gtest/gtest.h>

namespace coffer::postgres {
namespace {

constexpr std::string_view kLabel =
    "START WAL LOCATION: 0/820000E0 (file 000000010000000000000082)\n"
    "CHECKPOINT LOCATION: 0/82000118\n"
    "BACKUP METHOD: streamed\n"
    "BACKUP FROM: primary\n"
    "START TIME: 2026-11-24 03:09:38 UTC\n"
    "LABEL: nightly: the first\n"
    "START TIMELINE: 1\n";

TEST(BackupLabel, AllOfItIsRead) {
  auto label = parse_backup_label(kLabel);
  ASSERT_TRUE(label.ok()) << label.error().message;
  EXPECT_EQ(format_lsn(label->start), "0/820000E0");
  EXPECT_EQ(label->start_segment, "000000010000000000000082");
  EXPECT_EQ(format_lsn(label->checkpoint), "0/82000118");
  EXPECT_EQ(label->method, "streamed");
  EXPECT_EQ(label->from, "primary");
  EXPECT_EQ(label->start_time, "2026-11-24 03:09:38 UTC");
  EXPECT_EQ(label->label, "nightly: the first");
  EXPECT_EQ(label->timeline, 1U);
  EXPECT_FALSE(label->incremental);
  auto incremental = parse_backup_label(std::string(kLabel) + "INCREMENTAL FROM LSN: 0/1\nINCREMENTAL FROM TLI: 1\n");
  ASSERT_TRUE(incremental.ok());
  EXPECT_TRUE(incremental->incremental);
}

TEST(BackupLabel, EveryCutIsNoticed) {
  for (size_t size = 0; size < kLabel.size(); ++size) {
    EXPECT_EQ(parse_backup_label(kLabel.substr(0, size)).code(), ErrorCode::kCorruption) << size;
  }
}

TEST(BackupLabel, ValuesOutOfFormAreRefused) {
  auto with = [](std::string_view from, std::string_view to) {
    std::string text(kLabel);
    text.replace(text.find(from), from.size(), to);
    return parse_backup_label(text).ok();
  };
  EXPECT_TRUE(with("LABEL: nightly: the first", "LABEL: "));
  EXPECT_FALSE(with("0/820000E0", "0-820000E0"));
  EXPECT_FALSE(with("(file 000000010000000000000082)", "(file 0000)"));
  EXPECT_FALSE(with("(file 000000010000000000000082)", ""));
  EXPECT_FALSE(with("0/82000118", "x"));
  EXPECT_FALSE(with("TIMELINE: 1", "TIMELINE: 0"));
  EXPECT_FALSE(with("TIMELINE: 1", "TIMELINE: -1"));
  EXPECT_FALSE(with("TIMELINE: 1", "TIMELINE: 99999999999"));
  EXPECT_FALSE(with("the first", "x\nSTART WAL LOCATION: 0/1 (file 000000010000000000000001)")) << "a forged line";
  EXPECT_FALSE(parse_backup_label(std::string(100000, 'x')).ok());
}

TEST(TablespaceMap, WhatIsWrittenIsReadAgain) {
  std::vector<TablespaceLink> links = {
      {16384, "/a"}, {16385, "/with space/and\nline\rend\\back"}, {4294967295, "/\xc3\xa4"}};
  std::string text = format_tablespace_map(links);
  auto parsed = parse_tablespace_map(text);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  ASSERT_EQ(parsed->size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*parsed)[i].oid, links[i].oid);
    EXPECT_EQ((*parsed)[i].path, links[i].path);
  }
  EXPECT_EQ(format_tablespace_map({{5, "/x"}}), "5 /x\n");
  EXPECT_TRUE(parse_tablespace_map("")->empty());
}

TEST(TablespaceMap, WhatIsOutOfFormIsRefused) {
  for (std::string_view text :
       {"16384", "16384 ", "16384 /a", "16384 \n", "16384 a\n", "0 /a\n", "x /a\n", " /a\n", "-1 /a\n",
        "4294967296 /a\n", "1 /a\n1 /b\n", "1 /a\\", "1 pg_tblspc/1\n", "\n", "1 /a\n\n"}) {
    EXPECT_EQ(parse_tablespace_map(text).code(), ErrorCode::kCorruption) << text;
  }
  EXPECT_FALSE(parse_tablespace_map(std::string("1 /a\0b\n", 7)).ok());
  EXPECT_FALSE(parse_tablespace_map("1 /" + std::string(5000, 'a') + "\n").ok());
  std::string many;
  for (int i = 1; i <= 10'001; ++i) many += std::to_string(i) + " /a\n";
  EXPECT_FALSE(parse_tablespace_map(many).ok());
}

}  // namespace
}  // namespace coffer::postgres
