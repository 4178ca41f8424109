#include <gtest/gtest.h>

#include "engine/crypto/digest.h"
#include "engine/postgres/backup_files.h"
#include "engine/postgres/json_reader.h"

namespace coffer::postgres {
namespace {

/// `body` up to its last line, with the checksum that belongs to it.
std::string sealed(const std::string& body) {
  return body + "\"Manifest-Checksum\": \"" + to_hex(crypto::sha256(as_bytes(body))) + "\"}\n";
}

std::string manifest(
    const std::string& files, const std::string& head = "\"PostgreSQL-Backup-Manifest-Version\": 1",
    const std::string& ranges = "{ \"Timeline\": 1, \"Start-LSN\": \"0/28\", \"End-LSN\": \"0/100\" }") {
  return sealed("{ " + head + ",\n\"Files\": [\n" + files + "\n],\n\"WAL-Ranges\": [\n" + ranges + "\n],\n");
}

const std::string kFile =
    R"({ "Path": "base/1/1259", "Size": 114688, "Last-Modified": "2026-11-24 03:09:38 GMT", "Checksum-Algorithm": "CRC32C", "Checksum": "64440205" })";

struct Parsed {
  Result<ManifestHeader> header = Error{};
  std::vector<ManifestFile> files;
};
Parsed parse(const std::string& text) {
  Parsed out;
  out.header = parse_backup_manifest(as_bytes(text), [&](ManifestFile&& file) {
    out.files.push_back(std::move(file));
    return ok_status();
  });
  return out;
}
ErrorCode code_of(const std::string& text) {
  Parsed parsed = parse(text);
  return parsed.header.ok() ? ErrorCode::kInternal : parsed.header.code();
}

TEST(BackupManifest, FilesAndRangesAreRead) {
  Parsed parsed = parse(manifest(kFile + R"(,
{ "Encoded-Path": "62617365ff", "Size": 18446744073709551615, "Last-Modified": "1969-12-31 23:59:59 GMT" })"));
  ASSERT_TRUE(parsed.header.ok()) << parsed.header.error().message;
  ASSERT_EQ(parsed.files.size(), 2U);
  EXPECT_EQ(parsed.files[0].path, "base/1/1259");
  EXPECT_EQ(parsed.files[0].size_bytes, 114688U);
  EXPECT_EQ(parsed.files[0].mtime_s, 1795489778);
  EXPECT_EQ(parsed.files[0].checksum_algorithm, "CRC32C");
  EXPECT_TRUE(equal(parsed.files[0].checksum, manifest_crc32c(0x05024464)));
  EXPECT_EQ(parsed.files[1].path, "base\xff");
  EXPECT_EQ(parsed.files[1].size_bytes, UINT64_MAX);
  EXPECT_EQ(parsed.files[1].mtime_s, -1);
  EXPECT_EQ(parsed.files[1].checksum_algorithm, "");
  ASSERT_EQ(parsed.header->wal_ranges.size(), 1U);
  EXPECT_EQ(parsed.header->wal_ranges[0].end.value, 0x100U);
  EXPECT_FALSE(parsed.header->system_identifier);
}

TEST(BackupManifest, ASystemIdentifierStaysExact) {
  Parsed parsed =
      parse(manifest(kFile, "\"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": 9223372036854775807"));
  ASSERT_TRUE(parsed.header.ok()) << parsed.header.error().message;
  EXPECT_EQ(parsed.header->version, 2);
  EXPECT_EQ(parsed.header->system_identifier, 9223372036854775807U);
}

TEST(BackupManifest, WhatIsWrittenIsReadAgain) {
  for (int major : {13, 16, 17, 18}) {
    std::vector<ManifestFile> files = {
        {"base/1/1", 8192, 1'700'000'000, "SHA256", Bytes(32, std::byte{7})},
        {"with \"quotes\" and \\ and \t and \x01", 0, 0, "", {}},
        {"not utf-8 \xff", UINT64_MAX, -86400, "CRC32C", manifest_crc32c(1)},
    };
    std::string text;
    ManifestWriter writer(major, 4711, [&](ByteView bytes) { return text += as_text(bytes), ok_status(); });
    for (const ManifestFile& file : files) ASSERT_TRUE(writer.add(file).ok());
    ASSERT_TRUE(writer.finish({{1, {1}, {2}}, {2, {2}, {3}}}).ok());
    Parsed parsed = parse(text);
    ASSERT_TRUE(parsed.header.ok()) << parsed.header.error().message;
    EXPECT_EQ(parsed.header->version, major >= 17 ? 2 : 1);
    EXPECT_EQ(parsed.header->wal_ranges.size(), 2U);
    ASSERT_EQ(parsed.files.size(), files.size());
    for (size_t i = 0; i < files.size(); ++i) {
      EXPECT_EQ(parsed.files[i].path, files[i].path);
      EXPECT_EQ(parsed.files[i].size_bytes, files[i].size_bytes);
      EXPECT_EQ(parsed.files[i].mtime_s, files[i].mtime_s);
      EXPECT_TRUE(equal(parsed.files[i].checksum, files[i].checksum));
    }
  }
}

TEST(BackupManifest, EveryCutAndEveryFlippedByteIsNoticed) {
  const std::string good = manifest(kFile);
  ASSERT_TRUE(parse(good).header.ok());
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(code_of(good.substr(0, size)), ErrorCode::kCorruption) << size;
  for (size_t at = 0; at < good.size(); ++at) {
    std::string broken = good;
    broken[at] = static_cast<char>(broken[at] ^ 1);
    Parsed parsed = parse(broken);
    EXPECT_FALSE(parsed.header.ok()) << at;
    EXPECT_TRUE(parsed.files.empty()) << "nothing is believed before the checksum is";
  }
}

TEST(BackupManifest, FilesOutOfFormAreRefused) {
  for (std::string_view file : {R"({})",
                                R"({ "Path": "a" })",
                                R"({ "Size": 1 })",
                                R"({ "Path": "", "Size": 1 })",
                                R"({ "Path": "a", "Size": -1 })",
                                R"({ "Path": "a", "Size": 1.5 })",
                                R"({ "Path": "a", "Size": 1e3 })",
                                R"({ "Path": "a", "Size": "1" })",
                                R"({ "Path": "a", "Size": 18446744073709551616 })",
                                R"({ "Path": "a", "Size": 01 })",
                                R"({ "Path": "a", "Path": "b", "Size": 1 })",
                                R"({ "Path": "a", "Encoded-Path": "62", "Size": 1 })",
                                R"({ "Path": "a", "Size": 1, "Size": 2 })",
                                R"({ "Encoded-Path": "6", "Size": 1 })",
                                R"({ "Path": "a", "Size": 1, "Checksum": "00000000" })",
                                R"({ "Path": "a", "Size": 1, "Checksum-Algorithm": "CRC32C" })",
                                R"({ "Path": "a", "Size": 1, "Checksum-Algorithm": "CRC32C", "Checksum": "00" })",
                                R"({ "Path": "a", "Size": 1, "Checksum-Algorithm": "MD5", "Checksum": "00000000" })",
                                R"({ "Path": "a", "Size": 1, "Last-Modified": "yesterday" })",
                                R"({ "Path": "a", "Size": 1, "Last-Modified": "2026-13-24 03:09:38 GMT" })",
                                R"({ "Path": "a", "Size": 1, "Other": 1 })",
                                R"({ "Path": "\ud800", "Size": 1 })",
                                R"({ "Path": "\u0000", "Size": 1 })",
                                R"({ "Path": "\x", "Size": 1 })",
                                "{ \"Path\": \"\xff\", \"Size\": 1 }",
                                R"([])",
                                R"(null)",
                                R"({ "Path": "a", "Size": 1 },)",
                                R"({ "Path": "a" "Size": 1 })"}) {
    EXPECT_EQ(code_of(manifest(std::string(file))), ErrorCode::kCorruption) << file;
  }
  EXPECT_EQ(code_of(manifest(R"({ "Path": ")" + std::string(9000, 'a') + R"(", "Size": 1 })")), ErrorCode::kCorruption);
  EXPECT_EQ(code_of(manifest(std::string(100'000, '['))), ErrorCode::kCorruption);
}

TEST(BackupManifest, HeadsAndRangesOutOfFormAreRefused) {
  EXPECT_EQ(code_of(manifest(kFile, "\"PostgreSQL-Backup-Manifest-Version\": 3")), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(code_of(manifest(kFile, "\"PostgreSQL-Backup-Manifest-Version\": 2")), ErrorCode::kCorruption);
  EXPECT_EQ(code_of(manifest(kFile, "\"System-Identifier\": 1")), ErrorCode::kCorruption);
  EXPECT_EQ(code_of(manifest(kFile, "\"PostgreSQL-Backup-Manifest-Version\": 1, \"Other\": 1")),
            ErrorCode::kCorruption);
  const std::string head = "\"PostgreSQL-Backup-Manifest-Version\": 1";
  for (std::string_view range : {R"({})", R"({ "Timeline": 0, "Start-LSN": "0/1", "End-LSN": "0/2" })",
                                 R"({ "Timeline": 1, "Start-LSN": "0/3", "End-LSN": "0/2" })",
                                 R"({ "Timeline": 4294967296, "Start-LSN": "0/1", "End-LSN": "0/2" })",
                                 R"({ "Timeline": 1, "Start-LSN": "x", "End-LSN": "0/2" })",
                                 R"({ "Timeline": 1, "Timeline": 1, "Start-LSN": "0/1", "End-LSN": "0/2" })"}) {
    EXPECT_EQ(code_of(manifest(kFile, head, std::string(range))), ErrorCode::kCorruption) << range;
  }
  EXPECT_EQ(code_of(sealed("{ " + head + ",\n\"Files\": [],\n")), ErrorCode::kCorruption) << "no ranges";
}

TEST(BackupManifest, AVisitorMayEndIt) {
  auto ended = parse_backup_manifest(as_bytes(manifest(kFile)), [](ManifestFile&&) -> Status {
    return Error{ErrorCode::kResourceExhausted, "enough", {}};
  });
  EXPECT_EQ(ended.code(), ErrorCode::kResourceExhausted);
}

TEST(JsonReader, EscapesAreUndone) {
  JsonReader reader(R"("a\"\\\/\b\f\n\r\tA\u00e4\u20ac\ud83d\ude00")");
  auto text = reader.string();
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(*text, "a\"\\/\b\f\n\r\tA\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(Utf8, OnlyShortestFormsOfCharactersPass) {
  EXPECT_TRUE(is_valid_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (std::string_view bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x80\x80", "\xe2\x82", "\xed\xa0\x80",
                               "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3\x28"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
}

}  // namespace
}  // namespace coffer::postgres
