#include "services/lambda/code_archive.h"

#include <gtest/gtest.h>
#include <zip.h>

#include <filesystem>
#include <random>

#include "support/zip_builder.h"

namespace coffer::lambda {
namespace {

using testing_support::zip_of;
using testing_support::ZipBuilder;

std::string refusal(const Bytes& zip, const ArchiveLimits& limits = {}) {
  const auto checked = check_archive(zip, limits);
  return checked.ok() ? "" : checked.error().message;
}

/// One file of `size` zeros, deflated.
Bytes bomb(uint64_t size, int files = 1) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_t* archive = zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, &error);
  const std::string zeros(size, '\0');
  for (int i = 0; i < files; ++i) {
    zip_source_t* source = zip_source_buffer(archive, zeros.data(), zeros.size(), 0);
    zip_file_add(archive, ("zeros" + std::to_string(i)).c_str(), source, 0);
  }
  zip_source_keep(target);
  EXPECT_EQ(zip_close(archive), 0);
  zip_stat_t stat;
  zip_source_stat(target, &stat);
  Bytes bytes(stat.size);
  zip_source_open(target);
  zip_source_read(target, bytes.data(), bytes.size());
  zip_source_close(target);
  zip_source_free(target);
  return bytes;
}

class Extracted : public testing::Test {
 protected:
  Extracted() {
    char name[] = "/tmp/coffer-zip-XXXXXX";
    folder_ = ::mkdtemp(name);
    std::filesystem::create_directory(folder_ + "/in");
  }
  ~Extracted() override { std::filesystem::remove_all(folder_); }
  Status extract(const Bytes& zip, const ArchiveLimits& limits = {}) {
    auto directory = PosixFileSystem().open_directory(folder_ + "/in");
    return extract_archive(zip, **directory, limits);
  }
  /// Nothing was written beside the folder.
  void expect_inside() {
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) EXPECT_EQ(entry.path().filename(), "in");
  }
  std::string folder_;
};

TEST(CodeArchive, APlainArchiveIsTaken) {
  const auto summary = check_archive(ZipBuilder().add("a/", "", 040755).add("a/b.py", "x").add("c", "yz").bytes());
  ASSERT_TRUE(summary.ok()) << summary.error().message;
  EXPECT_EQ(summary->entries, 3U);
  EXPECT_EQ(summary->unpacked_size, 3U);
}

TEST(CodeArchive, NamesThatLeadElsewhereAreRefused) {
  for (const std::string name :
       {"../x", "a/../../x", "/etc/passwd", "a//b", "./x", "..", "a/./b", "a\\..\\b", "C:\\x", "a/..", "/"})
    EXPECT_NE(refusal(ZipBuilder().add(name, "x").bytes()), "") << name;
  EXPECT_NE(refusal(ZipBuilder().add(std::string(2000, 'x'), "x").bytes()), "");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "d/";
  EXPECT_NE(refusal(ZipBuilder().add(deep + "f", "x").bytes()), "");
}

TEST(CodeArchive, LinksAndDevicesAreRefused) {
  for (uint32_t mode : {0120777U, 0020644U, 0060644U, 0010644U, 0140644U})
    EXPECT_NE(refusal(ZipBuilder().add("x", "/etc/passwd", mode).bytes()).find("neither a file nor a folder"),
              std::string::npos)
        << mode;
}

TEST(CodeArchive, NamesAreThereOnce) {
  EXPECT_NE(refusal(ZipBuilder().add("x", "1").add("x", "2").bytes()), "");
  EXPECT_NE(refusal(ZipBuilder().add("x", "1").add("x/y", "2").bytes()), "");
  EXPECT_NE(refusal(ZipBuilder().add("x/y", "1").add("x", "2").bytes()), "");
}

TEST(CodeArchive, EntriesThatOverlapAreRefused) {
  ZipBuilder::Entry second{"b", "hello"};
  second.local = 0;
  EXPECT_NE(refusal(ZipBuilder().add("a", "hello").add(second).bytes()), "");
}

TEST(CodeArchive, WhatIsEncryptedOrPackedInOtherWaysIsRefused) {
  ZipBuilder::Entry encrypted{"a", "hello world, hello"};
  encrypted.flags = 1;
  EXPECT_NE(refusal(ZipBuilder().add(encrypted).bytes()), "");
  ZipBuilder::Entry other{"a", "hello"};
  other.method = 14;
  EXPECT_NE(refusal(ZipBuilder().add(other).bytes()), "");
}

TEST(CodeArchive, SizesAndSumsMustBeTrue) {
  ZipBuilder::Entry e{"a", "hello"};
  e.crc = 1;
  EXPECT_NE(refusal(ZipBuilder().add(e).bytes()), "");
  for (uint32_t size : {0U, 4U, 6U, 4'000'000'000U}) {
    ZipBuilder::Entry wrong{"a", "hello"};
    wrong.size = size;
    EXPECT_NE(refusal(ZipBuilder().add(wrong).bytes()), "") << size;
  }
}

TEST(CodeArchive, ABombOf250MegabytesIsRefusedByItsDirectory) {
  const Bytes zip = bomb(262'000'000);
  EXPECT_LT(zip.size(), 1'000'000U);
  EXPECT_NE(refusal(zip).find("100 times"), std::string::npos) << refusal(zip);
  EXPECT_NE(refusal(bomb(90'000'000, 3)).find("Unzipped size must be smaller than 262144000 bytes"), std::string::npos);
}

TEST(CodeArchive, WhatIsSmallMayBeDense) { EXPECT_EQ(refusal(bomb(900'000)), ""); }

TEST(CodeArchive, LimitsHold) {
  ZipBuilder many;
  for (int i = 0; i < 11; ++i) many.add("f" + std::to_string(i), "x");
  EXPECT_NE(refusal(many.bytes(), {.entries_max = 10}), "");
  EXPECT_NE(refusal(zip_of("a", std::string(100, 'x')), {.unpacked_size_max = 99}), "");
  EXPECT_NE(refusal(zip_of("a", std::string(100, 'x')), {.zip_size_max = 100}), "");
}

TEST(CodeArchive, NothingAtAllIsRefused) {
  EXPECT_NE(refusal({}), "");
  EXPECT_NE(refusal(ZipBuilder().bytes()), "");
  EXPECT_NE(refusal(to_bytes(std::string("not a zip file at all, whatever its name says"))), "");
}

TEST(CodeArchive, EveryTruncationIsRefused) {
  const Bytes zip = ZipBuilder().add("a/b.py", "print(1)").add("c", "yz").bytes();
  for (size_t size = 0; size < zip.size(); ++size)
    EXPECT_NE(refusal(Bytes(zip.begin(), zip.begin() + static_cast<std::ptrdiff_t>(size))), "") << size;
}

TEST_F(Extracted, FlippedBytesNeverLeadOutside) {
  const Bytes zip = ZipBuilder().add("a/b.py", "print(1)").add("c", "yz").bytes();
  for (size_t at = 0; at < zip.size(); ++at) {
    for (int flip : {0x01, 0x80, 0xFF}) {
      Bytes changed = zip;
      changed[at] ^= static_cast<std::byte>(flip);
      const bool taken = check_archive(changed).ok();
      const bool extracted = extract(changed).ok();
      EXPECT_EQ(taken, extracted) << at;
      expect_inside();
      std::filesystem::remove_all(folder_ + "/in");
      std::filesystem::create_directory(folder_ + "/in");
    }
  }
}

TEST_F(Extracted, FilesAndModesAreThose) {
  ASSERT_TRUE(extract(ZipBuilder().add("bootstrap", "#!", 0100755).add("d/e/f.py", "x").bytes()).ok());
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(folder_ + "/in/bootstrap").permissions(), perms(0555));
  EXPECT_EQ(std::filesystem::status(folder_ + "/in/d/e/f.py").permissions(), perms(0444));
}

TEST_F(Extracted, ABombStopsAtTheLimitWhileItIsInflated) {
  EXPECT_FALSE(extract(bomb(50'000'000), {.unpacked_size_max = 1'000'000}).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/in"));
}

}  // namespace
}  // namespace coffer::lambda
