// What comes from a server or a bucket is foreign: any cut or changed byte is refused, or is another sound value.
#include <nlohmann/json.hpp>
#include <random>

#include "engine/parquet/copy_stream.h"
#include "engine/parquet/table_world.h"
#include "engine/parquet/types.h"
#include "support/source_types.h"

namespace coffer::parquet {

using namespace testing_support;  // NOLINT: tests

namespace {

// Writes the value, and when the writer takes it, reads it again: it must come back as it was.
bool taken(const TablePlan& plan, ByteView value) {
  MemoryFile file;
  auto writer = must(PartWriter::open({}, plan, file, {}));
  auto added = writer->add(copy_of(value));
  if (!added.ok()) {
    EXPECT_TRUE(added.code() == ErrorCode::kCorruption || writer->misfit()) << added.error().message;
    return false;
  }
  auto totals = writer->finish();
  if (!totals.ok()) return false;  // a label that the enum does not have
  Bytes rows;
  must(read_part({}, plan, file, {0}, [&](ByteView more) {
    append(rows, more);
    return ok_status();
  }));
  const Bytes sent = copy_of(value);
  EXPECT_EQ(to_hex(rows), to_hex(ByteView(sent).subspan(19, sent.size() - 21))) << plan.columns[0].source.type.name;
  return true;
}

}  // namespace

TEST(CopyParsing, ValuesComeOutAlikeHoweverTheStreamIsCut) {
  Bytes stream;
  CopyFormatter::header(stream);
  for (int i = 0; i < 5; ++i) {
    CopyFormatter::begin_row(stream, 2);
    CopyFormatter::null(stream);
    const size_t mark = CopyFormatter::begin_value(stream);
    append(stream, as_bytes(std::string(static_cast<size_t>(i), 'x')));
    CopyFormatter::end_value(stream, mark);
  }
  CopyFormatter::trailer(stream);
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    CopyParser parser(2);
    size_t rows = 0;
    for (size_t at = 0; at < stream.size(); at += piece)
      must(parser.feed(ByteView(stream).subspan(at, std::min(piece, stream.size() - at)),
                       [&](std::span<const CopyValue> values) {
                         EXPECT_TRUE(values[0].is_null);
                         EXPECT_EQ(values[1].bytes.size(), rows);
                         ++rows;
                         return ok_status();
                       }));
    EXPECT_EQ(rows, 5U);
    EXPECT_TRUE(parser.finish().ok());
  }
}

TEST(CopyParsing, ACutStreamIsNotFinishedAndABrokenOneRefused) {
  const Bytes stream = copy_of(as_bytes("value"));
  for (size_t size = 0; size < stream.size(); ++size) {
    CopyParser parser(1);
    must(parser.feed(ByteView(stream).first(size), [](auto) { return ok_status(); }));
    EXPECT_FALSE(parser.finish().ok()) << size;
  }
  for (size_t i = 0; i < stream.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes changed = stream;
      changed[i] ^= static_cast<std::byte>(1 << bit);
      CopyParser parser(1);
      auto fed = parser.feed(changed, [](auto) { return ok_status(); });
      // Only the bytes of the value itself may be any others, and the low half of the flags.
      const bool free = (i >= 25 && i < 30) || (i >= 13 && i < 15);
      EXPECT_EQ(fed.ok() && parser.finish().ok(), free) << i;
    }
  }
  CopyParser parser(1);
  Bytes more = stream;
  more.push_back(std::byte{0});
  EXPECT_FALSE(parser.feed(more, [](auto) { return ok_status(); }).ok());
}

TEST(Decoders, TakeNoBytesThatDoNotComeBackAsTheyWere) {
  std::mt19937 random(1);
  size_t taken_count = 0;
  for (const SourceType& type : all_types()) {
    if (!is_native(type, Layout::kTyped)) continue;
    const TablePlan plan = plan_of(type);
    for (int round = 0; round < 60; ++round) {
      Bytes value(random() % 48);
      // Small numbers look like counts, lengths and flags, so they go deeper.
      for (std::byte& b : value) b = static_cast<std::byte>(random() % 3 == 0 ? random() % 256 : random() % 3);
      taken_count += taken(plan, value) ? 1 : 0;
    }
  }
  EXPECT_GT(taken_count, 50U);
}

TEST(Decoders, TakeSoundNestedValuesAndRefuseEachCutOfThem) {
  // '{[1,5),[7,9]}'::int4range[] and an array of pairs, as a server sends them.
  Bytes array;
  ByteWriter w(array);
  const SourceType element = base(oids::kInt4, "int4");
  w.u32(1), w.u32(1), w.u32(oids::kInt4), w.u32(3), w.u32(1);
  w.u32(4), w.u32(7), w.u32(0xffffffff), w.u32(4), w.u32(9);
  const TablePlan plan = plan_of(array_of(element));
  EXPECT_TRUE(taken(plan, array));
  for (size_t size = 0; size < array.size(); ++size) EXPECT_FALSE(taken(plan, ByteView(array).first(size))) << size;

  Bytes range;
  ByteWriter r(range);
  r.u8(2), r.u32(4), r.u32(1), r.u32(4), r.u32(5);
  const TablePlan ranges = plan_of(range_of(element));
  EXPECT_TRUE(taken(ranges, range));
  for (size_t size = 0; size < range.size(); ++size) EXPECT_FALSE(taken(ranges, ByteView(range).first(size))) << size;
}

TEST(DamagedFiles, AreRefusedAtEachCutAndDoNotPassForOthersWhenAByteChanges) {
  TablePlan plan = plan_of(base(oids::kText, "text"));
  plan.columns.push_back(
      {.source = {.name = "n", .type = base(oids::kInt4, "int4"), .type_text = "int4", .data_type = {}}});
  MemoryFile file;
  auto writer = must(PartWriter::open({}, plan, file, {}));
  Bytes stream;
  CopyFormatter::header(stream);
  for (uint32_t i = 0; i < 50; ++i) {
    CopyFormatter::begin_row(stream, 2);
    size_t mark = CopyFormatter::begin_value(stream);
    append(stream, as_bytes("value " + std::to_string(i)));
    CopyFormatter::end_value(stream, mark);
    mark = CopyFormatter::begin_value(stream);
    ByteWriter(stream).u32(i);
    CopyFormatter::end_value(stream, mark);
  }
  CopyFormatter::trailer(stream);
  must(writer->add(stream));
  must(writer->finish());
  const TableDigest whole = must(digest_part({}, plan, file));
  const Bytes bytes = file.bytes;
  for (size_t size = 0; size < bytes.size(); size += 7) {
    file.bytes.assign(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(digest_part({}, plan, file).ok()) << size;
  }
  size_t noticed = 0;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    file.bytes = bytes;
    file.bytes[i] ^= std::byte{0x10};
    auto read = digest_part({}, plan, file);
    if (!read.ok() || !(*read == whole)) ++noticed;
  }
  EXPECT_GT(noticed, bytes.size() / 3 / 4);  // the rest is metadata that says nothing of values; the SHA-256 covers it
}

TEST(DamagedFiles, OfOtherColumnsAreRefused) {
  const TablePlan plan = plan_of(base(oids::kInt4, "int4"));
  MemoryFile file;
  auto writer = must(PartWriter::open({}, plan, file, {}));
  must(writer->add(copy_of(Bytes(4))));
  must(writer->finish());
  EXPECT_TRUE(digest_part({}, plan, file).ok());
  for (const SourceType& type : all_types()) {
    if (!is_native(type, Layout::kTyped)) continue;
    auto read = digest_part({}, plan_of(type), file);
    EXPECT_FALSE(read.ok()) << type.name;
  }
  TablePlan renamed = plan;
  renamed.columns[0].source.name = "w";
  EXPECT_FALSE(digest_part({}, renamed, file).ok());
  TablePlan more = plan;
  more.columns.push_back(plan.columns[0]);
  EXPECT_FALSE(digest_part({}, more, file).ok());
}

TEST(TypeDescriptions, ComeBackFromJsonAndAreRefusedWhenNested) {
  for (const SourceType& type : all_types()) EXPECT_EQ(must(type_from_json(type_to_json(type))), type);
  SourceType deep = base(oids::kInt4, "int4");
  for (int i = 0; i < 100; ++i) deep = array_of(deep);
  EXPECT_FALSE(type_from_json(type_to_json(deep)).ok());
  EXPECT_FALSE(is_native(deep, Layout::kTyped));
}

}  // namespace coffer::parquet
