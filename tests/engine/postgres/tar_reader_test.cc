#include "engine/postgres/tar_reader.h"

#include <gtest/gtest.h>

#include "support/tar_builder.h"

namespace coffer::postgres {
namespace {

using testing_support::seal_tar_header;
using testing_support::tar_end;
using testing_support::tar_entry;
using testing_support::tar_header;

struct Read {
  std::vector<TarMember> members;
  std::vector<std::string> contents;
  size_t ended = 0;
  Status status = ok_status();
};

/// Reads an archive given in pieces of `cut` bytes.
Read read(const std::string& archive, size_t cut = SIZE_MAX) {
  Read out;
  TarReader reader;
  for (size_t at = 0; at < archive.size();) {
    size_t size = std::min(cut, archive.size() - at);
    reader.feed(as_bytes(std::string_view(archive).substr(at, size)));
    at += size;
    for (;;) {
      auto event = reader.next();
      if (!event.ok()) return out.status = event.error(), out;
      if (*event == TarReader::Event::kNone) break;
      if (*event == TarReader::Event::kMember) out.members.push_back(reader.member()), out.contents.emplace_back();
      if (*event == TarReader::Event::kData) out.contents.back() += as_text(reader.data());
      if (*event == TarReader::Event::kEndOfMember) ++out.ended;
    }
  }
  out.status = reader.finish();
  return out;
}

std::string sample() {
  return tar_entry({.name = "backup_label", .content = "hello"}) +
         tar_entry({.name = "./pg_wal/archive_status/", .type = '5', .mode = 0700}) + tar_entry({.name = "empty"}) +
         tar_entry({.name = "base/1", .content = std::string(1024, 'x')}) +
         tar_entry({.name = "pg_tblspc/5/", .type = '2', .link = "/space"});
}

TEST(TarReader, MembersComeWholeHoweverTheInputIsCut) {
  for (size_t cut : {size_t{1}, size_t{7}, size_t{511}, size_t{512}, size_t{513}, SIZE_MAX}) {
    Read got = read(sample() + tar_end(), cut);
    ASSERT_TRUE(got.status.ok()) << got.status.error().message;
    ASSERT_EQ(got.members.size(), 5U);
    EXPECT_EQ(got.ended, 5U);
    EXPECT_EQ(got.contents[0], "hello");
    EXPECT_EQ(got.members[0].mode, 0600U);
    EXPECT_EQ(got.members[0].mtime_s, 1'700'000'000);
    EXPECT_EQ(got.members[1].path, "pg_wal/archive_status");
    EXPECT_EQ(got.members[1].type, TarMember::Type::kDirectory);
    EXPECT_EQ(got.contents[2], "");
    EXPECT_EQ(got.contents[3], std::string(1024, 'x'));
    EXPECT_EQ(got.members[4].path, "pg_tblspc/5");
    EXPECT_EQ(got.members[4].link_target, "/space");
  }
}

TEST(TarReader, TheBlocksAtTheEndAreOptional) {
  EXPECT_TRUE(read(sample()).status.ok());
  EXPECT_TRUE(read("").status.ok());
  EXPECT_TRUE(read(tar_end()).status.ok());
}

TEST(TarReader, ACutAnywhereElseIsNoticed) {
  const std::string archive = sample() + tar_end();
  std::vector<size_t> whole = {0, 1024, 1536, 2048, 3584, 4096, 5120};  // after each member, and at the end
  for (size_t size = 0; size <= archive.size(); ++size) {
    bool expected = std::find(whole.begin(), whole.end(), size) != whole.end();
    EXPECT_EQ(read(archive.substr(0, size)).status.ok(), expected) << size;
  }
}

TEST(TarReader, AFlippedBitInAHeaderIsNoticed) {
  const std::string header = tar_header({.name = "base/1"});
  for (size_t at = 0; at < 512; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string broken = header;
      broken[at] = static_cast<char>(broken[at] ^ (1 << bit));
      Read got = read(broken);
      // The checksum field may say the same number in another way: the space at its end for a NUL.
      if (got.status.ok()) {
        EXPECT_GE(at, 148U) << at;
        EXPECT_LT(at, 156U) << at;
      }
    }
  }
}

/// A header changed by `change`, its checksum right again.
template <class F>
Status status_of(F change, testing_support::TarEntry entry = {.name = "base/1"}) {
  std::string header = tar_header(entry);
  change(header);
  seal_tar_header(header);
  return read(header).status;
}

TEST(TarReader, HeadersOutOfFormAreRefused) {
  auto put = [](size_t at, std::string text) { return [=](std::string& h) { h.replace(at, text.size(), text); }; };
  EXPECT_TRUE(status_of(put(0, "base/2")).ok());
  EXPECT_EQ(status_of(put(257, "ustar  ")).code(), ErrorCode::kCorruption) << "GNU's magic";
  EXPECT_FALSE(status_of(put(0, std::string(100, 'x'))).ok()) << "a name without end";
  EXPECT_FALSE(status_of(put(0, std::string("a\0b", 3))).ok()) << "bytes after the end of a name";
  EXPECT_FALSE(status_of(put(345, "prefix")).ok());
  EXPECT_FALSE(status_of(put(124, "9999999999 ")).ok()) << "not octal";
  EXPECT_FALSE(status_of(put(124, "           ")).ok());
  EXPECT_FALSE(status_of(put(124, "000 0000000 ")).ok());
  EXPECT_FALSE(status_of(put(124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")).ok()) << "negative";
  EXPECT_FALSE(status_of(put(124, std::string("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12))).ok()) << "2^63";
  EXPECT_FALSE(status_of(put(124, std::string("\x80\0\0\x01\0\0\0\0\0\0\0\0", 12))).ok()) << "2^64";
  EXPECT_FALSE(status_of(put(157, "link")).ok()) << "a file with a link target";
  EXPECT_FALSE(status_of(put(156, "2")).ok()) << "a link without target";
  EXPECT_FALSE(status_of([](std::string& h) { h.replace(0, 6, 6, '\0'); }).ok()) << "no name";
  EXPECT_FALSE(status_of(put(0, std::string("./\0\0\0\0", 6))).ok());
  EXPECT_FALSE(status_of(put(0, std::string("base/\0", 6))).ok()) << "a file with a directory's name";
  EXPECT_FALSE(status_of([](std::string&) {}, {.name = "d", .type = '5', .size = 512}).ok())
      << "a directory with content";
  for (int type = 0; type < 256; ++type) {
    if (type == '0' || type == '2' || type == '5') continue;
    EXPECT_FALSE(status_of(put(156, std::string(1, static_cast<char>(type)))).ok()) << type;
  }
}

TEST(TarReader, SizesBeyondEightGigabytesAreRead) {
  std::string header = tar_header({.name = "log/huge"});
  header.replace(124, 12, std::string("\x80\0\0\0\0\0\0\x05\0\0\0\0", 12));
  seal_tar_header(header);
  Read got = read(header);
  ASSERT_EQ(got.members.size(), 1U);
  EXPECT_EQ(got.members[0].size_bytes, uint64_t{5} << 32);
  EXPECT_FALSE(got.status.ok());
}

TEST(TarReader, ATimeBefore1970IsRead) {
  std::string header = tar_header({.name = "old"});
  header.replace(136, 12, std::string("\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12));
  seal_tar_header(header);
  Read got = read(header);
  ASSERT_EQ(got.members.size(), 1U);
  EXPECT_EQ(got.members[0].mtime_s, -1);
}

TEST(TarReader, PaddingAndEndMustBeZero) {
  std::string padded = tar_entry({.name = "a", .content = "x"});
  padded[1000] = 'y';
  EXPECT_FALSE(read(padded).status.ok());
  EXPECT_FALSE(read(sample() + tar_end() + tar_entry({.name = "late"})).status.ok());
  EXPECT_FALSE(read(sample() + std::string(512, '\0') + tar_entry({.name = "late"})).status.ok());
  EXPECT_FALSE(read(sample() + tar_end() + std::string(512, '\0')).status.ok());
}

}  // namespace
}  // namespace coffer::postgres
