#include "engine/postgres/control_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/control_file_builder.h"
#include "support/postgres_server.h"

namespace coffer::postgres {
namespace {

using testing_support::control_file_bytes;
using testing_support::seal_control_file;
using testing_support::TestServer;

Result<ControlFile> parse(const std::string& bytes) { return parse_control_file(as_bytes(bytes)); }

TEST(ControlFile, FieldsAreReadOfEveryLayout) {
  struct {
    uint32_t version, catalog;
    int major;
  } cases[] = {{1300, 202007201, 13}, {1300, 202107181, 14}, {1300, 202209061, 15},
               {1300, 202307071, 16}, {1700, 202406281, 17}, {1800, 202506291, 18}};
  for (const auto& known : cases) {
    auto control = parse(control_file_bytes(42, known.version, known.catalog));
    ASSERT_TRUE(control.ok()) << control.error().message;
    EXPECT_EQ(control->major, known.major);
    EXPECT_EQ(control->system_identifier, 42U);
    EXPECT_EQ(control->redo.value, 0x2000028U);
    EXPECT_EQ(control->max_connections, 100);
    EXPECT_EQ(control->wal_segment_size_bytes, 16U << 20);
    EXPECT_EQ(control->data_checksum_version, 1U);
    EXPECT_EQ(control_state_name(control->state), "in production");
  }
}

TEST(ControlFile, EveryFlippedByteBeforeTheChecksumIsNoticed) {
  const std::string good = control_file_bytes(42);
  for (size_t at = 0; at < 292; ++at) {
    std::string broken = good;
    broken[at] = static_cast<char>(broken[at] ^ 0x10);
    EXPECT_FALSE(parse(broken).ok()) << at;
  }
}

TEST(ControlFile, EveryCutIsRefused) {
  const std::string good = control_file_bytes(42);
  for (size_t size = 0; size < 296; ++size) EXPECT_EQ(parse(good.substr(0, size)).code(), ErrorCode::kCorruption);
}

TEST(ControlFile, WhatIsNotSupportedIsNamed) {
  auto unknown = parse(control_file_bytes(42, 1900));
  EXPECT_EQ(unknown.code(), ErrorCode::kFailedPrecondition);
  EXPECT_NE(unknown.error().message.find("1900"), std::string::npos);

  auto changed = [](size_t at, uint32_t value) {
    std::string bytes = control_file_bytes(42);
    std::memcpy(bytes.data() + at, &value, sizeof value);
    seal_control_file(bytes);
    return parse(bytes);
  };
  EXPECT_EQ(changed(216, 32768).code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(changed(224, 4096).code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(changed(228, 12345).code(), ErrorCode::kCorruption);
  EXPECT_EQ(changed(228, 0).code(), ErrorCode::kCorruption);
  EXPECT_EQ(changed(220, 0).code(), ErrorCode::kCorruption);
  EXPECT_EQ(changed(12, 5)->major, 0) << "a catalog version that is not known is no error by itself";
}

TEST(ControlFile, ARealOneSaysWhatTheServerSays) {
  COFFER_NEED_POSTGRES(15);
  auto server = TestServer::create({.settings = {{"max_connections", "33"}, {"wal_log_hints", "on"}}});
  server->sql("CHECKPOINT");
  std::string identifier = server->value("SELECT system_identifier FROM pg_control_system()");
  std::string redo = server->value("SELECT redo_lsn FROM pg_control_checkpoint()");
  std::ifstream in(server->data_directory() + "/global/pg_control", std::ios::binary);
  auto control = parse(std::string{std::istreambuf_iterator<char>(in), {}});
  ASSERT_TRUE(control.ok()) << control.error().message;
  EXPECT_EQ(std::to_string(control->system_identifier), identifier);
  EXPECT_EQ(format_lsn(control->redo), redo);
  EXPECT_EQ(control->max_connections, 33);
  EXPECT_TRUE(control->wal_log_hints);
  EXPECT_EQ(control->blocks_per_segment, 131072U);
  EXPECT_EQ(control->timeline, 1U);
}

}  // namespace
}  // namespace coffer::postgres
