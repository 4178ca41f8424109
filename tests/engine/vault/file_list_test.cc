#include "engine/vault/file_list.h"

#include <algorithm>
#include <random>

#include "engine/vault/file_map.h"
#include "engine/vault/vault_fixture.h"

namespace coffer::vault {
namespace {

PageGroup small_group(uint32_t size_bytes) {
  PageGroup group;
  group.size_bytes = size_bytes;
  std::array<PageGroup::Place, kGroupPages> places{};
  EXPECT_TRUE(group.set_places(places, {}));
  return group;
}

FileEntry file(std::string path, MapKind kind = MapKind::kBlock) {
  FileEntry entry;
  entry.path = std::move(path);
  entry.mode = 0640;
  entry.mtime_ns = -5;
  entry.ctime_ns = 1'700'000'000'123'456'789;
  entry.inode = 77;
  entry.map_kind = kind;
  entry.crc32c = 0x12345678;
  entry.digest.fill(std::byte{9});
  switch (kind) {
    case MapKind::kNone: entry.size_bytes = 0; break;
    case MapKind::kInline:
      entry.size_bytes = 9000;
      entry.inline_map = encode_map_block({small_group(9000)});
      break;
    case MapKind::kBlock: entry.size_bytes = kMapBlockSpan; break;
    case MapKind::kRoot: entry.size_bytes = 3 * kMapBlockSpan + 1; break;
  }
  if (kind == MapKind::kBlock || kind == MapKind::kRoot) entry.map.bytes.fill(std::byte{3});
  return entry;
}

FileEntry directory(std::string path) {
  FileEntry entry;
  entry.path = std::move(path);
  entry.is_directory = true;
  entry.mode = 0700;
  return entry;
}

void expect_same(const FileEntry& a, const FileEntry& b) {
  EXPECT_EQ(a.path, b.path);
  EXPECT_EQ(a.is_directory, b.is_directory);
  EXPECT_EQ(a.damaged_pages, b.damaged_pages);
  EXPECT_EQ(a.mode, b.mode);
  EXPECT_EQ(a.mtime_ns, b.mtime_ns);
  EXPECT_EQ(a.ctime_ns, b.ctime_ns);
  EXPECT_EQ(a.inode, b.inode);
  EXPECT_EQ(a.size_bytes, b.size_bytes);
  EXPECT_EQ(a.crc32c, b.crc32c);
  EXPECT_EQ(a.digest, b.digest);
  EXPECT_EQ(a.map_kind, b.map_kind);
  EXPECT_EQ(a.inline_map, b.inline_map);
  EXPECT_EQ(a.map, b.map);
}

TEST(FileEntry, EveryKindComesBackAsItWas) {
  std::vector<FileEntry> entries = {directory("base"), file("base/1/1"), file("a", MapKind::kNone),
                                    file("b", MapKind::kInline), file("c", MapKind::kRoot)};
  entries[1].damaged_pages = true;
  for (const FileEntry& entry : entries) {
    auto decoded = decode_file_entry(encode_file_entry(entry));
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    expect_same(entry, *decoded);
  }
}

TEST(FileEntry, EveryTruncationIsRefused) {
  for (const FileEntry& entry : {directory("base/x"), file("b", MapKind::kInline), file("c", MapKind::kRoot)}) {
    const Bytes whole = encode_file_entry(entry);
    for (size_t n = 0; n < whole.size(); ++n) {
      EXPECT_EQ(decode_file_entry(ByteView(whole).first(n)).code(), ErrorCode::kCorruption) << n;
    }
    Bytes longer = whole;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(decode_file_entry(longer).ok());
  }
}

TEST(FileEntry, WhateverDecodesAfterAFlippedBitHasASafePath) {
  for (const FileEntry& entry : {directory("base/x"), file("b", MapKind::kInline), file("c", MapKind::kRoot)}) {
    const Bytes whole = encode_file_entry(entry);
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
      Bytes flipped = whole;
      flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      auto decoded = decode_file_entry(flipped);
      EXPECT_TRUE(!decoded.ok() || check_relative_path(decoded->path).ok());
    }
  }
}

TEST(FileEntry, PathsThatLeadOutsideAreRefused) {
  for (const char* path : {"", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/"}) {
    EXPECT_EQ(decode_file_entry(encode_file_entry(file(path))).code(), ErrorCode::kCorruption) << path;
  }
  EXPECT_FALSE(decode_file_entry(encode_file_entry(file(std::string(4001, 'a')))).ok());
}

TEST(FileEntry, MapsThatDoNotFitTheSizeAreRefused) {
  FileEntry entry = file("a", MapKind::kBlock);
  entry.size_bytes = kMapBlockSpan + 1;
  EXPECT_FALSE(decode_file_entry(encode_file_entry(entry)).ok());
  entry = file("a", MapKind::kNone);
  entry.size_bytes = 1;
  EXPECT_FALSE(decode_file_entry(encode_file_entry(entry)).ok());
  entry = file("a", MapKind::kInline);
  entry.size_bytes = 8999;
  EXPECT_FALSE(decode_file_entry(encode_file_entry(entry)).ok());
  entry = file("a", MapKind::kRoot);
  entry.size_bytes = 0;
  EXPECT_FALSE(decode_file_entry(encode_file_entry(entry)).ok());
}

class FileListTest : public VaultFixture {
 protected:
  static std::vector<std::string> paths(size_t count, uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    std::vector<std::string> out;
    for (size_t i = 0; i < count; ++i)
      out.push_back("base/" + std::to_string(random() % 5) + "/" + std::to_string(random()));
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

  std::vector<ListBlockRef> write(const std::vector<std::string>& sorted_paths) {
    chunks_.clear();
    FileListWriter writer([&](ByteView block) -> Result<ChunkId> {
      EXPECT_LE(block.size(), size_t{256} << 10);
      chunks_.push_back(to_bytes(block));
      return vault_->chunk_id(block);
    });
    for (const auto& path : sorted_paths) must(writer.add(encode_file_entry(file(path))));
    return must(writer.finish());
  }

  void open(std::vector<ListBlockRef> refs) {
    write_chunks(chunks_);
    index_ = must(IndexSet::load(context_, *vault_));
    packs_ = std::make_unique<PackCache>(*vault_);
    chunk_reader_ = std::make_unique<ChunkReader>(*vault_, *index_, *packs_);
    list_ = std::make_unique<FileListReader>(*chunk_reader_, std::move(refs));
  }
  Result<std::vector<std::string>> visited() {
    std::vector<std::string> out;
    COFFER_CHECK_OK(list_->visit(context_, [&](FileEntry&& entry) -> Status {
      out.push_back(entry.path);
      return ok_status();
    }));
    return out;
  }

  std::vector<Bytes> chunks_;
  std::unique_ptr<IndexSet> index_;
  std::unique_ptr<PackCache> packs_;
  std::unique_ptr<ChunkReader> chunk_reader_;
  std::unique_ptr<FileListReader> list_;
};

TEST_F(FileListTest, VisitGivesEveryEntryInOrder) {
  const auto sorted = paths(5000);
  auto refs = write(sorted);
  EXPECT_GT(refs.size(), 4U);
  open(refs);
  EXPECT_EQ(must(visited()), sorted);
}

TEST_F(FileListTest, FindFindsExactlyWhatIsThere) {
  const auto sorted = paths(3000);
  open(write(sorted));
  std::mt19937_64 random(3);
  for (int i = 0; i < 3000; ++i) {
    const std::string& path = sorted[random() % sorted.size()];
    auto found = must(list_->find(context_, path));
    ASSERT_TRUE(found) << path;
    expect_same(*found, file(path));
    EXPECT_FALSE(must(list_->find(context_, path + "0")));
  }
  EXPECT_FALSE(must(list_->find(context_, "")));
  EXPECT_FALSE(must(list_->find(context_, "zzz")));
}

TEST_F(FileListTest, AnEmptyListHasNoBlocks) {
  open(write({}));
  EXPECT_TRUE(must(visited()).empty());
  EXPECT_FALSE(must(list_->find(context_, "a")));
}

TEST_F(FileListTest, ANewFileChangesOnlyItsNeighbourhood) {
  auto sorted = paths(20000);
  const auto before = write(sorted);
  sorted.insert(std::lower_bound(sorted.begin(), sorted.end(), "base/2/5"), "base/2/5");
  const auto after = write(sorted);
  std::set<ChunkId> old_ids;
  for (const auto& ref : before) old_ids.insert(ref.id);
  size_t fresh = 0;
  for (const auto& ref : after) fresh += old_ids.contains(ref.id) ? 0 : 1;
  EXPECT_LE(fresh, 2U);
  EXPECT_GT(before.size(), 20U);
}

TEST_F(FileListTest, BlocksStayBelowTheirLimitHoweverPathsHash) {
  std::vector<std::string> sorted;
  for (int i = 0; i < 300; ++i) sorted.push_back(std::string(3000, 'x') + std::to_string(1000 + i));
  const auto refs = write(sorted);  // write() checks the size of each block
  EXPECT_GE(refs.size(), 3U);
}

TEST_F(FileListTest, EntriesOutOfOrderOrTwiceAreRefused) {
  FileListWriter writer([&](ByteView block) -> Result<ChunkId> { return vault_->chunk_id(block); });
  must(writer.add(encode_file_entry(file("b"))));
  EXPECT_EQ(writer.add(encode_file_entry(file("a"))).code(), ErrorCode::kCorruption);
  EXPECT_EQ(writer.add(encode_file_entry(file("b"))).code(), ErrorCode::kCorruption);
  EXPECT_EQ(writer.add(as_bytes("no end")).code(), ErrorCode::kCorruption);
}

TEST_F(FileListTest, AManifestThatMisnamesABlockIsRefused) {
  const auto refs = write(paths(3000));
  ASSERT_GT(refs.size(), 2U);
  auto swapped = refs;
  std::swap(swapped[0].id, swapped[1].id);
  open(swapped);
  EXPECT_EQ(visited().code(), ErrorCode::kCorruption);
  auto counted = refs;
  ++counted[1].entries;
  open(counted);
  EXPECT_EQ(visited().code(), ErrorCode::kCorruption);
  auto reordered = refs;
  std::swap(reordered[0], reordered[1]);
  open(reordered);
  EXPECT_EQ(visited().code(), ErrorCode::kCorruption);
  auto twice = refs;
  twice.insert(twice.begin(), twice[0]);
  open(twice);
  EXPECT_EQ(visited().code(), ErrorCode::kCorruption);
  auto missing = refs;
  missing[0].id.bytes[0] ^= std::byte{1};
  open(missing);
  EXPECT_EQ(visited().code(), ErrorCode::kCorruption);
}

TEST_F(FileListTest, AVisitorMayLookUpOtherEntries) {
  const auto sorted = paths(3000);
  open(write(sorted));
  size_t at = 0;
  must(list_->visit(context_, [&](FileEntry&& entry) -> Status {
    EXPECT_EQ(entry.path, sorted[at]);
    if (at % 100 == 0) {
      auto other = must(list_->find(context_, sorted[sorted.size() - 1 - at]));
      EXPECT_TRUE(other);
    }
    ++at;
    return ok_status();
  }));
}

}  // namespace
}  // namespace coffer::vault
