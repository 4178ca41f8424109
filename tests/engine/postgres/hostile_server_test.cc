// A server that lies, stalls or sends rubbish must end in a clean error: no crash, no endless work, no memory without
// end.
#include <gtest/gtest.h>

#include "engine/postgres/stream_source.h"
#include "support/control_file_builder.h"
#include "support/scripted_postgres.h"
#include "support/tar_builder.h"

namespace coffer::postgres {
namespace {

using testing_support::control_file_bytes;
using testing_support::ScriptedPostgres;
using testing_support::tar_end;
using testing_support::tar_entry;
using testing_support::tar_header;
using testing_support::TarEntry;
using testing_support::Wire;

constexpr uint64_t kSystem = 7123456789012345678ULL;

/// A whole and honest backup, of which a test changes what it likes.
struct Lie {
  std::string version = "15.1";
  std::string system = std::to_string(kSystem);
  std::vector<Wire::Values> archives = {{std::nullopt, std::nullopt, "1000"}};
  std::vector<TarEntry> members = {
      {.name = "backup_label",
       .content = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n"
                  "BACKUP METHOD: streamed\nBACKUP FROM: primary\nSTART TIME: 2026-01-01 00:00:00 UTC\nLABEL: coffer\n"
                  "START TIMELINE: 1\n"},
      {.name = "base/", .type = '5', .mode = 0700},
      {.name = "base/1", .type = '5', .mode = 0700},
      {.name = "base/1/1259", .content = std::string(8192, '\0')},
      {.name = "global/pg_control", .content = control_file_bytes(kSystem)}};
  Wire::Values start = {"0/2000028", "1"}, end = {"0/2000100", "1"};

  // Each step of the answer may be replaced.
  std::function<void(Wire&, const Lie&)> begin_copy = [](Wire& wire, const Lie&) { wire.copy_begin(); };
  std::function<void(Wire&, const Lie&)> send_archives = [](Wire& wire, const Lie& lie) {
    wire.copy_data(std::string("nbase.tar") + '\0' + '\0');
    lie.send_members(wire);
    wire.copy_data("d" + tar_end());
  };
  std::function<void(Wire&, const Lie&)> send_manifest = [](Wire& wire, const Lie&) {
    wire.copy_data("m");
    wire.copy_data("d{}\n");
  };
  std::function<void(Wire&, const Lie&)> send_end = [](Wire& wire, const Lie& lie) {
    wire.copy_done();
    wire.row(lie.end);
    wire.complete("BASE_BACKUP");
  };

  void send_members(Wire& wire) const {
    for (const TarEntry& member : members) wire.copy_data("d" + tar_entry(member));
  }
  TarEntry& member(std::string_view name) {
    for (TarEntry& entry : members) {
      if (entry.name == name) return entry;
    }
    throw std::runtime_error("no such member");
  }
  void add(TarEntry entry) { members.push_back(std::move(entry)); }

  void tell(Wire& wire) const {
    wire.row(start);
    wire.rows(archives, 3);
    begin_copy(wire, *this);
    send_archives(wire, *this);
    send_manifest(wire, *this);
    send_end(wire, *this);
  }
};

struct Outcome {
  std::optional<Error> error;
  std::vector<std::string> paths;
  SourceEnd end;
};

Outcome back_up(const Lie& lie, StreamOptions options = {}) {
  auto show = [](const std::string& value) { return [value](Wire& wire) { wire.row({value}); }; };
  ScriptedPostgres server({.version = lie.version,
                           .answers = {{"IDENTIFY_SYSTEM",
                                        [&](Wire& wire) {
                                          wire.row({lie.system, "1", "0/2000000", std::nullopt});
                                        }},
                                       {"SHOW wal_segment_size", show("16MB")},
                                       {"SHOW block_size", show("8192")},
                                       {"SHOW data_checksums", show("on")},
                                       {"CREATE_REPLICATION_SLOT",
                                        [](Wire& wire) {
                                          wire.row({"coffer_1", "0/0", std::nullopt, std::nullopt});
                                        }},
                                       {"BASE_BACKUP", [&](Wire& wire) { lie.tell(wire); }}}});
  options.conninfo = server.conninfo();
  auto source = make_stream_source(std::move(options));
  Outcome outcome;
  auto start = source->begin({});
  if (!start.ok()) outcome.error = start.error();
  auto drain = [&] {
    while (!outcome.error) {
      auto piece = source->next({});
      if (!piece.ok())
        outcome.error = piece.error();
      else if (!*piece)
        break;
      else
        outcome.paths.push_back((*piece)->file->path);
    }
  };
  drain();
  if (outcome.error) return outcome;
  auto end = source->finish({});
  if (!end.ok())
    outcome.error = end.error();
  else
    outcome.end = *end;
  drain();
  return outcome;
}

void expect_refused(const Lie& lie, ErrorCode code, std::string_view words) {
  Outcome outcome = back_up(lie);
  ASSERT_TRUE(outcome.error) << "it was believed";
  EXPECT_EQ(error_code_name(outcome.error->code), error_code_name(code)) << outcome.error->message;
  EXPECT_NE(outcome.error->message.find(words), std::string::npos) << outcome.error->message;
}
void expect_corruption(const Lie& lie, std::string_view words) { expect_refused(lie, ErrorCode::kCorruption, words); }

TEST(HostileServer, AnHonestScriptIsBelieved) {
  Outcome outcome = back_up({});
  ASSERT_FALSE(outcome.error) << outcome.error->message;
  EXPECT_EQ(outcome.paths, (std::vector<std::string>{"backup_label", "base", "base/1", "base/1/1259",
                                                     "global/pg_control", "backup_manifest"}));
  EXPECT_EQ(outcome.end.stop.value, 0x2000100U);
}

TEST(HostileServer, AnHonestScriptOfVersion13IsBelieved) {
  Lie lie;
  lie.version = "13.5";
  lie.send_archives = [](Wire& wire, const Lie& l) {
    for (const TarEntry& member : l.members) wire.copy_data(tar_entry(member));
    wire.copy_done();
  };
  lie.send_manifest = [](Wire& wire, const Lie&) {
    wire.copy_begin();
    wire.copy_data("{}\n");
  };
  Outcome outcome = back_up(lie);
  ASSERT_FALSE(outcome.error) << outcome.error->message;
  EXPECT_EQ(outcome.paths.size(), 6U);

  lie.send_manifest = [](Wire&, const Lie&) {};
  lie.send_end = [](Wire& wire, const Lie& l) { wire.row(l.end); };
  expect_corruption(lie, "before the manifest");
}

TEST(HostileServer, NamesThatLeadElsewhereAreRefused) {
  for (std::string name : {"../x", "/etc/passwd", "base/../../x", "base//x", "..", "base/./x", "base/\x01x", "base/1\n",
                           "././x", "global/..", "base/x/.."}) {
    Lie lie;
    lie.add({.name = name, .content = "x"});
    SCOPED_TRACE(name);
    expect_corruption(lie, "name");
  }
}

TEST(HostileServer, ANameWithoutEndIsRefused) {
  Lie lie;
  lie.add({.name = std::string(100, 'x'), .content = "x"});
  expect_corruption(lie, "name");
}

TEST(HostileServer, LinksAndDevicesAreRefused) {
  Lie lie;
  lie.add({.name = "base/link", .type = '2', .link = "/etc"});
  expect_corruption(lie, "symbolic link");
  for (char type : {'1', '3', '4', '6', '7', 'L', 'K', 'x', 'g', '\0'}) {
    Lie other;
    other.add({.name = "base/special", .type = type, .link = type == '1' ? "base/1/1259" : ""});
    expect_corruption(other, "type");
  }
}

TEST(HostileServer, ALinkOfATablespaceIsNotAFile) {
  Lie lie;
  lie.add({.name = "pg_tblspc/16384/", .type = '2', .link = "/elsewhere"});
  Outcome outcome = back_up(lie);
  ASSERT_FALSE(outcome.error);
  EXPECT_EQ(outcome.paths.size(), 6U);
}

TEST(HostileServer, AMemberBeyondTheBudgetIsRefusedAtItsHeader) {
  Lie lie;
  lie.add({.name = "base/1/endless", .size = 7LL << 30});
  lie.send_archives = [](Wire& wire, const Lie& l) {
    wire.copy_data(std::string("nbase.tar") + '\0' + '\0');
    l.send_members(wire);
    for (std::string zeros(size_t{1} << 20, '\0'); wire.alive();) wire.copy_data("d" + zeros);
  };
  expect_refused(lie, ErrorCode::kResourceExhausted, "bytes of files");
}

TEST(HostileServer, FilesWithoutEndAreRefused) {
  Lie lie;
  lie.send_archives = [](Wire& wire, const Lie&) {
    wire.copy_data(std::string("nbase.tar") + '\0' + '\0');
    for (int i = 0; wire.alive(); ++i) wire.copy_data("d" + tar_entry({.name = "base/1/" + std::to_string(i)}));
  };
  Outcome outcome = back_up(lie, {.members_max = 1000});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, ErrorCode::kResourceExhausted);
  EXPECT_LE(outcome.paths.size(), 1000U);
}

TEST(HostileServer, AMessageLargerThanAnyIsRefused) {
  Lie lie;
  lie.send_archives = [](Wire& wire, const Lie&) {
    wire.raw(std::string("d") + std::string("\x06\0\0\0", 4));  // 96 MiB follow
    for (std::string zeros(size_t{1} << 20, '\0'); wire.alive();) wire.raw(zeros);
  };
  expect_refused(lie, ErrorCode::kResourceExhausted, "message");
}

TEST(HostileServer, ALargeCompleteMessageIsRefused) {
  Lie lie;
  lie.send_archives = [](Wire& wire, const Lie&) { wire.copy_data(std::string((size_t{16} << 20) + 1, 'd')); };
  expect_refused(lie, ErrorCode::kResourceExhausted, "CopyData message");
}

TEST(HostileServer, AStreamThatEndsInsideAFileIsRefused) {
  Lie lie;
  lie.send_archives = [](Wire& wire, const Lie& l) {
    wire.copy_data(std::string("nbase.tar") + '\0' + '\0');
    wire.copy_data("d" + tar_entry(l.members[0]) + tar_header(l.members[3]) + "abc");
  };
  expect_corruption(lie, "ends inside");
}

TEST(HostileServer, AConnectionThatBreaksIsUnavailableAtEveryStep) {
  for (int step = 0; step < 3; ++step) {
    Lie lie;
    auto hang_up = [step](Wire& wire, const Lie&) {
      if (step == 1) wire.error("FATAL", "57P01", "terminating connection");
      wire.hang_up();
    };
    if (step == 0) lie.begin_copy = hang_up;
    if (step == 1) lie.send_archives = hang_up;
    if (step == 2) lie.send_manifest = hang_up;
    Outcome outcome = back_up(lie);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code, ErrorCode::kUnavailable) << outcome.error->message;
  }
}

TEST(HostileServer, AControlFileOfAnotherSystemIsRefused) {
  Lie lie;
  lie.system = "42";
  expect_corruption(lie, "is of system");
  lie.system = "no number";
  expect_corruption(lie, "which system");
}

TEST(HostileServer, NoticesWithoutEndAreCut) {
  Lie lie;
  lie.begin_copy = [](Wire& wire, const Lie&) {
    for (int i = 0; i < 5000; ++i) wire.notice("WARNING", std::string(20000, 'x'));
    wire.notice("NOTICE", std::string(40 << 20, 'y'));
    wire.copy_begin();
  };
  Outcome outcome = back_up(lie);
  ASSERT_FALSE(outcome.error) << outcome.error->message;
  EXPECT_LE(outcome.end.warnings.size(), 1002U);
  for (const std::string& line : outcome.end.warnings) EXPECT_LT(line.size(), 9000U);
}

TEST(HostileServer, MessagesOutOfPlaceAreRefused) {
  auto copy_of = [](std::function<void(Wire&)> send) {
    Lie lie;
    lie.send_archives = [send](Wire& wire, const Lie&) { send(wire); };
    return lie;
  };
  const std::string announce = std::string("nbase.tar") + '\0' + '\0';
  expect_corruption(copy_of([](Wire& w) { w.copy_data("dabc"); }), "belongs to no archive");
  expect_corruption(copy_of([](Wire& w) { w.copy_data("zabc"); }), "unknown type");
  expect_corruption(copy_of([](Wire& w) { w.copy_data("nbase.tar"); }), "name of an archive");
  expect_corruption(copy_of([](Wire& w) { w.copy_data("p1"); }), "progress");
  expect_corruption(copy_of([](Wire& w) { w.copy_data(std::string("n16384.tar") + '\0' + "/x" + '\0'); }),
                    "whose turn");
  expect_corruption(copy_of([](Wire&) {}), "manifest comes before");
  expect_corruption(copy_of([&](Wire& w) { w.copy_data(announce), w.copy_data(announce); }), "more archives");
  expect_corruption(copy_of([&](Wire& w) { w.copy_data(announce), w.copy_data("mx"); }), "manifest's message");

  Lie twice;
  twice.send_manifest = [](Wire& w, const Lie&) { w.copy_data("m"), w.copy_data("d{}"), w.copy_data("m"); };
  expect_corruption(twice, "second manifest");
  Lie late;
  late.send_manifest = [&](Wire& w, const Lie&) { w.copy_data("m"), w.copy_data(announce); };
  expect_corruption(late, "after the manifest");
  Lie none;
  none.send_manifest = [](Wire&, const Lie&) {};
  expect_corruption(none, "before the manifest");
}

TEST(HostileServer, AnEndOutOfPlaceIsRefused) {
  Lie early;
  early.begin_copy = early.send_archives = early.send_manifest = [](Wire&, const Lie&) {};
  early.send_end = [](Wire& wire, const Lie&) { wire.complete("BASE_BACKUP"); };
  expect_corruption(early, "before its end position");
  Lie backwards;
  backwards.end = {"0/1000000", "1"};
  expect_corruption(backwards, "end position");
  Lie rubbish;
  rubbish.end = {"rubbish", "1"};
  expect_corruption(rubbish, "end position");
  Lie more;
  more.send_end = [](Wire& wire, const Lie& l) {
    wire.copy_done(), wire.row(l.end), wire.row(l.end), wire.complete("X");
  };
  expect_corruption(more, "after the end");
  Lie again;
  again.send_end = [](Wire& wire, const Lie& l) {
    wire.copy_done(), wire.row(l.end), wire.copy_begin(), wire.copy_done();
  };
  expect_corruption(again, "after its place");
}

TEST(HostileServer, ACopyInTheWrongDirectionIsRefused) {
  for (char type : {'G', 'W'}) {
    Lie lie;
    lie.begin_copy = [type](Wire& wire, const Lie&) { wire.copy_begin(type); };
    Outcome outcome = back_up(lie);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code, ErrorCode::kCorruption) << outcome.error->message;
  }
}

TEST(HostileServer, AListOfArchivesOutOfFormIsRefused) {
  auto with = [](std::vector<Wire::Values> archives) {
    Lie lie;
    lie.archives = std::move(archives);
    return lie;
  };
  const Wire::Values base = {std::nullopt, std::nullopt, "1000"};
  expect_corruption(with({}), "no list");
  expect_corruption(with({{"16384", "/x", "1"}}), "not the last");
  expect_corruption(with({base, base}), "not the last");
  expect_corruption(with({{"16384", "/x", "1"}, {"16384", "/y", "1"}, base}), "oid");
  expect_corruption(with({{"0", "/x", "1"}, base}), "oid");
  expect_corruption(with({{"x", "/x", "1"}, base}), "oid");
  expect_corruption(with({{std::nullopt, std::nullopt, "-5"}}), "size");
  expect_corruption(with({{std::nullopt, std::nullopt, "18446744073709551615"}}), "size");
  expect_corruption(with({{"16384", std::string(5000, '/'), "1"}, base}), "too long");
  expect_refused(with({{"16384", "pg_tblspc/16384", "1"}, base}), ErrorCode::kFailedPrecondition, "in_place");
  std::vector<Wire::Values> many;
  for (int i = 1; i <= 10'001; ++i) many.push_back({std::to_string(i), "/x", "1"});
  many.push_back(base);
  expect_corruption(with(many), "length");
  Lie start;
  start.start = {"0/2000028", "0"};
  expect_corruption(start, "start position");
}

TEST(HostileServer, ACopyWithoutItsOwnFilesIsRefused) {
  for (std::string name : {"backup_label", "global/pg_control"}) {
    Lie lie;
    lie.member(name).name = "base/1/other";
    expect_corruption(lie, name);
  }
  Lie label;
  label.member("backup_label").content.replace(20, 9, "0/9000028");
  expect_corruption(label, "not that of this backup");
  Lie torn;
  torn.member("global/pg_control").content[200] ^= 1;
  expect_corruption(torn, "checksum");
  Lie large;
  large.member("backup_label").content = std::string((size_t{8} << 20) + 1, 'x');
  expect_corruption(large, "impossible backup_label");
  Lie map;
  map.add({.name = "tablespace_map", .content = "16384 /elsewhere\n"});
  expect_corruption(map, "tablespace_map");
}

TEST(HostileServer, AManifestAsAMemberIsRefused) {
  Lie lie;
  lie.add({.name = "backup_manifest", .content = "{}"});
  expect_corruption(lie, "manifest");
}

TEST(HostileServer, AWalSegmentOfAnotherSizeIsRefused) {
  Lie lie;
  lie.add({.name = "pg_wal/000000010000000000000002", .content = "short"});
  expect_corruption(lie, "WAL segment");
}

TEST(HostileServer, ErrorsThatComeTooEarlyAreNotTakenForDamagedPages) {
  Lie lie;
  lie.send_manifest = [](Wire& wire, const Lie&) { wire.error("ERROR", "XX001", "checksum verification failure"); };
  lie.send_end = [](Wire&, const Lie&) {};
  Outcome outcome = back_up(lie);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, ErrorCode::kFailedPrecondition) << outcome.error->message;
}

TEST(HostileServer, VersionsThatAreNotKnownAreRefused) {
  for (std::string version : {"12.9", "19.0", "9.6.1", ""}) {
    Lie lie;
    lie.version = version;
    expect_refused(lie, ErrorCode::kFailedPrecondition, "13 to 18");
  }
}

}  // namespace
}  // namespace coffer::postgres
