#include "engine/postgres/piece_assembler.h"

#include <gtest/gtest.h>

#include "support/tar_builder.h"

namespace coffer::postgres {
namespace {

using testing_support::tar_entry;

constexpr PieceAssembler::Cluster kCluster{.data_checksums = true, .wal_segment_size_bytes = uint64_t{1} << 20};

Status feed(PieceAssembler& assembler, const BackupArchive& archive, const std::string& tar) {
  COFFER_CHECK_OK(assembler.archive_begin(archive));
  COFFER_CHECK_OK(assembler.archive_data(as_bytes(tar)));
  return assembler.archive_end();
}

std::vector<Piece> pieces(PieceAssembler& assembler) {
  std::vector<Piece> out;
  while (auto piece = assembler.take()) out.push_back(*std::move(piece));
  return out;
}

TEST(PieceAssembler, FilesAreCutAtMultiplesOfThePieceSize) {
  for (uint64_t size : {uint64_t{0}, uint64_t{1}, kPieceSize - 1, kPieceSize, kPieceSize + 1, 2 * kPieceSize}) {
    PieceAssembler assembler(kCluster, {});
    std::string content(size, 'x');
    ASSERT_TRUE(feed(assembler, {}, tar_entry({.name = "base/5/16384", .content = content})).ok());
    uint64_t offset = 0, count = 0;
    for (const Piece& piece : pieces(assembler)) {
      EXPECT_EQ(piece.offset, offset);
      EXPECT_EQ(piece.length, std::min(kPieceSize, size - offset));
      EXPECT_EQ(piece.data.size(), piece.length);
      EXPECT_TRUE(piece.file->has_page_checksums);
      offset += piece.length;
      ++count;
    }
    EXPECT_EQ(offset, size);
    EXPECT_EQ(count, std::max<uint64_t>(1, (size + kPieceSize - 1) / kPieceSize));
  }
}

TEST(PieceAssembler, TablespacesStandBelowTheirLink) {
  PieceAssembler assembler(kCluster, {});
  ASSERT_TRUE(
      feed(assembler, {.oid = 16384, .location = "/x"}, tar_entry({.name = "PG_15_202209061/5/77", .content = "x"}))
          .ok());
  auto got = pieces(assembler);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].file->path, "pg_tblspc/16384/PG_15_202209061/5/77");
  ASSERT_TRUE(got[0].file->relation);
  EXPECT_EQ(got[0].file->relation->tablespace_oid, 16384U);
}

TEST(PieceAssembler, MarksOfArchivedSegmentsAreLeftOut) {
  PieceAssembler assembler(kCluster, {});
  ASSERT_TRUE(feed(assembler, {},
                   tar_entry({.name = "pg_wal/archive_status/", .type = '5'}) +
                       tar_entry({.name = "pg_wal/archive_status/000000010000000000000002.done"}) +
                       tar_entry({.name = "pg_wal/00000002.history", .content = "1\t0/1\tx\n"}))
                  .ok());
  auto got = pieces(assembler);
  ASSERT_EQ(got.size(), 2U);
  EXPECT_TRUE(got[0].file->is_directory);
  EXPECT_EQ(got[1].file->path, "pg_wal/00000002.history");
}

TEST(PieceAssembler, LimitsOfSizesAndCountsHold) {
  AssemblerLimits limits{.members_max = 3, .data_size_max = 1000, .wal_size_max = 100, .manifest_size_max = 50};
  auto code = [&](const std::string& tar) {
    PieceAssembler assembler(kCluster, limits);
    Status status = feed(assembler, {}, tar);
    return status.ok() ? "ok" : error_code_name(status.code());
  };
  EXPECT_EQ(code(tar_entry({.name = "a", .content = std::string(1000, 'x')})), "ok");
  EXPECT_EQ(code(tar_entry({.name = "a", .content = std::string(1001, 'x')})), "resource_exhausted");
  EXPECT_EQ(code(tar_entry({.name = "a", .content = std::string(600, 'x')}) +
                 tar_entry({.name = "b", .content = std::string(600, 'x')})),
            "resource_exhausted");
  EXPECT_EQ(code(tar_entry({.name = "pg_wal/a", .content = std::string(101, 'x')})), "resource_exhausted");
  EXPECT_EQ(code(tar_entry({.name = "a"}) + tar_entry({.name = "b"}) + tar_entry({.name = "c"})), "ok");
  EXPECT_EQ(
      code(tar_entry({.name = "a"}) + tar_entry({.name = "b"}) + tar_entry({.name = "c"}) + tar_entry({.name = "d"})),
      "resource_exhausted");
  EXPECT_EQ(code(tar_entry({.name = "a", .size = 1LL << 32}).substr(0, 512)), "resource_exhausted");

  PieceAssembler assembler(kCluster, limits);
  EXPECT_TRUE(assembler.manifest_data(as_bytes(std::string(50, 'x'))).ok());
  EXPECT_EQ(assembler.manifest_data(as_bytes("x")).code(), ErrorCode::kResourceExhausted);
}

TEST(PieceAssembler, SumsThatWouldWrapAreRefused) {
  PieceAssembler assembler(kCluster, {.members_max = 10, .data_size_max = UINT64_MAX});
  std::string header = tar_entry({.name = "a", .content = "x"});
  header.replace(124, 12, std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12));
  testing_support::seal_tar_header(header);
  EXPECT_EQ(feed(assembler, {}, header).code(), ErrorCode::kCorruption);
}

TEST(PieceAssembler, SmallFilesThatMatterAreKept) {
  PieceAssembler assembler(kCluster, {});
  ASSERT_TRUE(feed(assembler, {},
                   tar_entry({.name = "backup_label", .content = "label"}) +
                       tar_entry({.name = "tablespace_map", .content = "map"}) +
                       tar_entry({.name = "global/pg_control", .content = "control"}))
                  .ok());
  EXPECT_EQ(as_text(*assembler.backup_label()), "label");
  EXPECT_EQ(as_text(*assembler.tablespace_map()), "map");
  EXPECT_EQ(as_text(*assembler.control_file()), "control");
  EXPECT_EQ(pieces(assembler).size(), 3U);
}

TEST(PieceAssembler, TheManifestIsAFileOfItsOwn) {
  PieceAssembler assembler(kCluster, {});
  std::string text(kPieceSize + 10, 'm');
  for (size_t at = 0; at < text.size(); at += 100'000) {
    ASSERT_TRUE(assembler.manifest_data(as_bytes(std::string_view(text).substr(at, 100'000))).ok());
  }
  auto first = assembler.take_manifest(), second = assembler.take_manifest();
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(assembler.take_manifest());
  EXPECT_EQ(first->file->path, "backup_manifest");
  EXPECT_EQ(first->file->size_bytes, text.size());
  EXPECT_EQ(first->length, kPieceSize);
  EXPECT_EQ(second->offset, kPieceSize);
  EXPECT_EQ(second->length, 10U);
}

TEST(BaseBackupCommand, EachSyntaxIsUsedWhereItIsUnderstood) {
  EXPECT_EQ(*format_base_backup({.label = "it's", .max_rate_kib_s = 64}, 13),
            "BASE_BACKUP LABEL 'it''s' PROGRESS FAST WAL NOWAIT MAX_RATE 64 TABLESPACE_MAP MANIFEST 'yes' "
            "MANIFEST_CHECKSUMS 'CRC32C'");
  EXPECT_EQ(*format_base_backup({.label = "x", .fast_checkpoint = false}, 15),
            "BASE_BACKUP (LABEL 'x', PROGRESS, CHECKPOINT 'spread', WAL, WAIT false, TABLESPACE_MAP, MANIFEST 'yes', "
            "MANIFEST_CHECKSUMS 'CRC32C')");
}

TEST(BaseBackupCommand, LabelsAndRatesThatTheServerRefusesAreRefused) {
  EXPECT_FALSE(format_base_backup({.label = ""}, 15).ok());
  EXPECT_FALSE(format_base_backup({.label = "a\nSTART WAL LOCATION: 0/1"}, 15).ok());
  EXPECT_FALSE(format_base_backup({.label = std::string(1025, 'x')}, 15).ok());
  EXPECT_FALSE(format_base_backup({.label = "x", .max_rate_kib_s = 31}, 15).ok());
  EXPECT_FALSE(format_base_backup({.label = "x", .max_rate_kib_s = 1'048'577}, 15).ok());
}

}  // namespace
}  // namespace coffer::postgres
