// Recovery points of real servers become Parquet, and what lies there is what the database holds.
#include "engine/jobs/export.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "engine/jobs/backup.h"
#include "engine/jobs/export_manifest.h"
#include "engine/jobs/export_paths.h"
#include "support/postgres_server.h"
#include "support/vault_world.h"

namespace coffer::jobs {

using namespace testing_support;  // NOLINT: tests

namespace {

/// A server with some tables, and one recovery point of it.
class ExportWorld {
 public:
  explicit ExportWorld(int major, const std::string& sql, const std::vector<std::string>& databases = {})
      : store_(store::open_memory()), vault_(world_.create_vault(*store_)) {
    ::chmod(world_.directory().path().c_str(), 0755);
    server_ = TestServer::create({.major = major,
                                  .initdb_args = {"--encoding=UTF8", "--no-locale"},
                                  .settings = {{"wal_level", "replica"}, {"max_wal_senders", "4"}}});
    for (const std::string& name : databases) server_->sql("CREATE DATABASE " + name);
    server_->sql(sql);
    take_point();
  }
  void take_point() {
    postgres::StreamOptions options;
    options.conninfo = server_->conninfo();
    auto report =
        must(run_backup(world_.context(), environment(), *vault_, stream_source_factory(std::move(options)), {}));
    point_ = report.manifest.id;
  }
  [[nodiscard]] Environment environment() const {
    const Environment& e = world_.environment();
    return {.files = e.files,
            .clock = e.clock,
            .entropy = e.entropy,
            .processes = e.processes,
            .budget = e.budget,
            .progress = e.progress,
            .scratch = e.scratch,
            .jobs = 2,
            .pg_binaries = {{server_->major(), *TestServer::binaries(server_->major())}}};
  }
  ExportOptions options(ExportLayout layout, const std::string& identifier = "first") const {
    ExportOptions options;
    options.point_id = point_;
    options.identifier = identifier;
    options.layout = layout;
    return options;
  }
  Result<ExportReport> run(const ExportOptions& options) {
    auto destination = open();
    return run_export(world_.context(), environment(), *vault_, options, *destination, nullptr);
  }
  Result<ExportVerifyReport> verify(const std::string& identifier = {}, bool with_vault = true) {
    auto destination = open();
    return run_export_verify(world_.context(), environment(), with_vault ? vault_.get() : nullptr, identifier,
                             *destination);
  }
  std::unique_ptr<ExportDestination> open() {
    return must(open_export_directory(world_.files(), world_.directory().path("out"), true));
  }
  std::vector<std::string> paths() { return must(open()->list({}, "")); }
  std::string folder() const { return world_.directory().path("out"); }
  std::string text_of(const std::string& path) {
    std::ifstream in(folder() + "/" + path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  TestServer& server() { return *server_; }
  World& world() { return world_; }
  vault::Vault& vault() { return *vault_; }

 private:
  World world_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<vault::Vault> vault_;
  std::unique_ptr<TestServer> server_;
  std::string point_;
};

constexpr const char* kShop =
    "CREATE TABLE orders (id int8 PRIMARY KEY, customer text NOT NULL, total numeric(12,2), placed timestamptz, "
    "open bool); INSERT INTO orders SELECT i, 'customer ' || i % 97, i * 1.25, '2026-01-01'::timestamptz + i * "
    "'1 min'::interval, i % 3 = 0 FROM generate_series(1, 5000) i;"
    "CREATE TABLE nothing (a int4, b text);"
    "CREATE SCHEMA s2; CREATE TABLE s2.small (v int2); INSERT INTO s2.small VALUES (1), (NULL);";

class Export : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { COFFER_NEED_POSTGRES(GetParam()); }
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Majors, Export, ::testing::Values(15, 17, 18));

TEST_P(Export, OfAPointHasAllRowsInBothLayoutsAndVerifies) {
  ExportWorld w(GetParam(), kShop);
  for (ExportLayout layout : {ExportLayout::kRds, ExportLayout::kTyped}) {
    const std::string name(export_layout_name(layout));
    auto report = must(w.run(w.options(layout, name)));
    EXPECT_EQ(report.tables, 3U);
    EXPECT_EQ(report.rows, 5002U);
    EXPECT_TRUE(report.skipped.empty());
    auto verified = must(w.verify(name));
    EXPECT_TRUE(verified.findings.empty()) << verified.findings.front();
    EXPECT_EQ(verified.rows, 5002U);
    EXPECT_TRUE(verified.signature_checked);
  }
  EXPECT_TRUE(std::filesystem::is_empty(w.environment().scratch));
}

TEST(ExportOfOne, InTheLayoutOfRdsHasItsFoldersAndItsTwoFiles) {
  COFFER_NEED_POSTGRES(15);
  ExportWorld w(15, kShop);
  ExportOptions options = w.options(ExportLayout::kRds, "task-1");
  options.source_arn = "arn:aws:rds:eu-west-1:123456789012:snapshot:s";
  options.bucket = "exports";
  options.prefix = "a/b";
  options.task_start_time = must(parse_utc("2026-06-26T15:43:58Z"));
  must(w.run(options));
  std::set<std::string> kinds;
  for (const std::string& path : w.paths()) {
    std::string kind = path;
    if (const size_t part = kind.find("part-"); part != std::string::npos)
      kind = kind.substr(0, part + 10) + kind.substr(kind.find("-c000"));
    kinds.insert(kind);
  }
  for (const std::string table : {"public.orders", "public.nothing", "s2.small"}) {
    EXPECT_TRUE(kinds.contains("task-1/postgres/" + table + "/1/_SUCCESS")) << table;
    EXPECT_TRUE(kinds.contains("task-1/postgres/" + table + "/1/part-00000-c000.gz.parquet")) << table;
  }
  const auto info = nlohmann::json::parse(w.text_of("task-1/export_info_task-1.json"));
  EXPECT_EQ(info["exportTaskIdentifier"], "task-1");
  EXPECT_EQ(info["exportedFilesPath"], "a/b/task-1");
  EXPECT_EQ(info["taskStartTime"], "Jun 26, 2026, 3:43:58 PM");
  EXPECT_EQ(info["percentProgress"], 100);
  EXPECT_EQ(info["status"], "COMPLETE");
  const auto tables = nlohmann::json::parse(w.text_of("task-1/export_tables_info_task-1_from_1_to_3.json"));
  ASSERT_EQ(tables["perTableStatus"].size(), 3U);
  const auto& orders = tables["perTableStatus"][1];
  EXPECT_EQ(orders["target"], "postgres.public.orders");
  const auto& columns = orders["schemaMetadata"]["originalTypeMappings"];
  EXPECT_EQ(columns[0]["originalType"], "bigint");
  EXPECT_EQ(columns[0]["expectedExportedType"], "int64");
  EXPECT_EQ(columns[0]["originalNumPrecision"], 64);
  EXPECT_EQ(columns[2]["originalType"], "numeric");
  EXPECT_EQ(columns[2]["expectedExportedType"], "binary (UTF8)");
  EXPECT_EQ(columns[3]["originalType"], "timestamp with time zone");
}

TEST(ExportOfOne, TakesOnlyWhatIsNamedAndRefusesNamesThatAreNotThere) {
  COFFER_NEED_POSTGRES(15);
  ExportWorld w(15, kShop);
  ExportOptions options = w.options(ExportLayout::kTyped);
  options.only = {"postgres.s2"};
  EXPECT_EQ(must(w.run(options)).tables, 1U);
  options.identifier = "second";
  options.only = {"postgres.public.orders", "postgres.s2.small"};
  EXPECT_EQ(must(w.run(options)).tables, 2U);
  options.identifier = "third";
  for (const char* wrong :
       {"nowhere", "postgres.nowhere", "postgres.public.nowhere", "postgres.public.a.b", "post*", ""}) {
    options.only = {wrong};
    auto refused = w.run(options);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.code(), ErrorCode::kInvalidArgument) << wrong;
  }
  for (const std::string& path : w.paths()) EXPECT_FALSE(path.starts_with("third/")) << path;
}

TEST(ExportOfOne, IsMadeOnceUnderItsNameAndClearsWhatAKilledRunLeft) {
  COFFER_NEED_POSTGRES(15);
  ExportWorld w(15, "CREATE TABLE t AS SELECT 1 AS v");
  const std::string left = w.folder() + "/first/postgres/public.gone/1";
  std::filesystem::create_directories(left);
  std::ofstream(left + "/part-00000-x-c000.zstd.parquet") << "half";
  must(w.run(w.options(ExportLayout::kTyped)));
  EXPECT_FALSE(std::filesystem::exists(left));
  // Whoever asks again, because nobody told that it is done, gets the same one.
  const auto before = read_tree(w.folder());
  auto again = must(w.run(w.options(ExportLayout::kTyped)));
  EXPECT_EQ(again.rows, 1U);
  EXPECT_EQ(again.notes.size(), 1U);
  EXPECT_TRUE(read_tree(w.folder()) == before);
  auto other = w.run(w.options(ExportLayout::kRds));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.code(), ErrorCode::kAlreadyExists);
  w.take_point();
  EXPECT_EQ(w.run(w.options(ExportLayout::kTyped)).code(), ErrorCode::kAlreadyExists);
  EXPECT_TRUE(read_tree(w.folder()) == before);
  EXPECT_TRUE(must(w.verify()).findings.empty());
  for (const char* name : {"", "1a", "a--b", "a-", "a/b", "ä"}) {
    auto refused = w.run(w.options(ExportLayout::kTyped, name));
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.code(), ErrorCode::kInvalidArgument) << name;
  }
}

TEST_P(Export, OfStrangeNamesIsCompleteInTypedAndNamesWhatRdsRefuses) {
  ExportWorld w(GetParam(),
                R"sql(CREATE SCHEMA "S p"; CREATE TABLE "S p"."a/b" (v int4); INSERT INTO "S p"."a/b" VALUES (1);
    CREATE TABLE "Mixed" (v int4); CREATE TABLE mixed (v int4); INSERT INTO mixed VALUES (2);
    CREATE TABLE "dotted.name" (v int4); CREATE SCHEMA dotted; CREATE TABLE "..%" ("q""uote" int4, "ü" text);
    INSERT INTO "..%" VALUES (1, 'ö');
    CREATE TABLE columns ("a b" int4, "c;d" text); INSERT INTO columns VALUES (1, 'x');)sql");
  auto typed = must(w.run(w.options(ExportLayout::kTyped, "typed")));
  EXPECT_EQ(typed.tables, 6U);
  EXPECT_EQ(typed.rows, 4U);
  EXPECT_TRUE(must(w.verify("typed")).findings.empty());

  ExportOptions rds = w.options(ExportLayout::kRds, "rds");
  auto refused = w.run(rds);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.code(), ErrorCode::kFailedPrecondition);
  for (const std::string& path : w.paths()) EXPECT_FALSE(path.starts_with("rds/")) << path;
  rds.allow_skipped = true;
  auto report = must(w.run(rds));
  EXPECT_EQ(report.tables, 4U);
  std::set<std::string> skipped;
  for (const auto& item : report.skipped) skipped.insert(item.what);
  EXPECT_EQ(skipped, (std::set<std::string>{"postgres.S p.a/b", "postgres.public.columns"}));
  const auto warning = nlohmann::json::parse(report.warning_message);
  EXPECT_EQ(warning["skippedTables"].size(), 2U);
}

TEST_P(Export, OfPartitionsInheritanceAndGeneratedColumnsHasEachRowOnce) {
  ExportWorld w(GetParam(),
                R"sql(CREATE TABLE p (k int4, v text, gone int4) PARTITION BY RANGE (k);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
    CREATE TABLE p2 (v text, k int4, extra int4); ALTER TABLE p2 DROP COLUMN extra; ALTER TABLE p2 ADD gone int4;
    ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20); ALTER TABLE p DROP COLUMN gone;
    CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30) PARTITION BY LIST (k);
    CREATE TABLE p3a PARTITION OF p3 FOR VALUES IN (21);
    INSERT INTO p SELECT i, 'row ' || i FROM generate_series(0, 19) i; INSERT INTO p VALUES (21, 'deep');
    CREATE TABLE bare (a int4) PARTITION BY LIST (a);
    CREATE TABLE parent (a int4); CREATE TABLE child (b int4) INHERITS (parent);
    INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
    CREATE TABLE made (a int4, twice int4 GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO made VALUES (21);
    CREATE UNLOGGED TABLE unlogged (a int4); CREATE VIEW view AS SELECT 1; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS x;)sql");
  auto report = must(w.run(w.options(ExportLayout::kTyped)));
  EXPECT_EQ(report.tables, 5U);
  EXPECT_EQ(report.rows, 21U + 0U + 1U + 1U + 1U);
  EXPECT_TRUE(must(w.verify()).findings.empty());
  const auto manifest = must(decode_export_manifest(w.text_of(export_manifest_path("first"))));
  std::set<std::string> left_out;
  for (const auto& item : manifest.databases.at(0).left_out) left_out.insert(item.name);
  EXPECT_EQ(left_out, (std::set<std::string>{"public.mv", "public.unlogged"}));
}

TEST(ExportOfOne, IsNotTrustedOnceAnythingOfItChanged) {
  COFFER_NEED_POSTGRES(15);
  ExportWorld w(15, kShop);
  must(w.run(w.options(ExportLayout::kTyped)));
  std::string part;
  for (const std::string& path : w.paths())
    if (path.find("public.orders") != std::string::npos && path.ends_with(".parquet")) part = path;
  auto overwrite = [&](const std::string& path, const std::string& text) {
    std::ofstream(w.folder() + "/" + path, std::ios::binary | std::ios::trunc) << text;
  };
  const std::string whole = w.text_of(part);
  std::string changed = whole;
  changed[whole.size() / 2] ^= 1;
  overwrite(part, changed);
  EXPECT_EQ(must(w.verify()).findings.size(), 1U);
  overwrite(part, whole.substr(0, whole.size() - 1));
  EXPECT_EQ(must(w.verify()).findings.size(), 1U);
  std::filesystem::remove(w.folder() + "/" + part);
  EXPECT_EQ(must(w.verify()).findings.size(), 1U);
  overwrite(part, whole);
  EXPECT_TRUE(must(w.verify()).findings.empty());

  const std::string path = export_manifest_path("first"), manifest = w.text_of(path);
  std::string forged = manifest;
  forged.replace(forged.find("5000"), 4, "5001");
  overwrite(path, forged);
  for (bool with_vault : {true, false}) {
    auto refused = w.verify({}, with_vault);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.code(), ErrorCode::kUnauthenticated);
  }
  // Another vault may sign what it likes, but not for this one.
  auto store = store::open_memory();
  auto other = w.world().create_vault(*store);
  overwrite(export_signature_path("first"), sign_export_manifest(forged, *other));
  EXPECT_TRUE(w.verify({}, false).ok());
  EXPECT_FALSE(w.verify({}, true).ok());
}

// A destination that fails, or lies.
class BadDestination final : public ExportDestination {
 public:
  explicit BadDestination(ExportDestination& under) : under_(under) {}
  Status put(const Context& context, std::string_view path, ByteSource& bytes) override {
    if (++puts == fail_put) return Error{ErrorCode::kUnavailable, "the bucket went away", {}};
    return under_.put(context, path, bytes);
  }
  Result<std::unique_ptr<ByteSource>> open(const Context& context, std::string_view path) override {
    if (lie_about.empty() || path.find(lie_about) == std::string_view::npos) return under_.open(context, path);
    return under_.open(context, other);
  }
  Status remove(const Context& context, std::string_view path) override { return under_.remove(context, path); }
  Result<std::vector<std::string>> list(const Context& context, std::string_view prefix) override {
    return under_.list(context, prefix);
  }
  int puts = 0, fail_put = 0;
  std::string lie_about, other;

 private:
  ExportDestination& under_;
};

TEST(ExportFaults, WhateverFileCannotBeStoredTheExportFailsLeavesNothingAndWorksTheNextTime) {
  COFFER_NEED_POSTGRES(15);
  ExportWorld w(15, "CREATE TABLE t AS SELECT 1 AS v; CREATE TABLE u AS SELECT 'a' AS v");
  auto under = w.open();
  int failures = 0;
  for (int n = 1;; n += 3) {
    BadDestination destination(*under);
    destination.fail_put = n;
    auto report = run_export(w.world().context(), w.environment(), w.vault(), w.options(ExportLayout::kRds),
                             destination, nullptr);
    if (report.ok()) break;
    ++failures;
    EXPECT_EQ(report.code(), ErrorCode::kUnavailable) << report.error().message;
    EXPECT_TRUE(must(under->list({}, "")).empty()) << n;
    EXPECT_TRUE(std::filesystem::is_empty(w.environment().scratch)) << n;
  }
  EXPECT_GT(failures, 2);
  EXPECT_TRUE(must(w.verify()).findings.empty());
}

TEST(ExportFaults, ADestinationThatGivesBackOtherBytesIsNoticed) {
  COFFER_NEED_POSTGRES(15);
  ExportWorld w(15, "CREATE TABLE t AS SELECT 1 AS v; CREATE TABLE u AS SELECT 2 AS v");
  must(w.run(w.options(ExportLayout::kTyped, "honest")));
  auto under = w.open();
  BadDestination destination(*under);
  destination.lie_about = "public.t";
  for (const std::string& path : w.paths())
    if (path.find("public.u") != std::string::npos && path.ends_with(".parquet")) destination.other = path;
  auto report = run_export(w.world().context(), w.environment(), w.vault(), w.options(ExportLayout::kTyped),
                           destination, nullptr);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.code(), ErrorCode::kCorruption);
  EXPECT_TRUE(must(under->list({}, "first/")).empty());
}

TEST(ExportText, TimesAndNumbersAreWrittenAsRdsWritesThem) {
  EXPECT_EQ(us_time(must(parse_utc("2024-06-26T15:43:58Z"))), "Jun 26, 2024, 3:43:58 PM");
  EXPECT_EQ(us_time(must(parse_utc("2024-12-01T00:05:09Z"))), "Dec 1, 2024, 12:05:09 AM");
  EXPECT_EQ(us_time(must(parse_utc("2024-12-01T12:00:00Z"))), "Dec 1, 2024, 12:00:00 PM");
  EXPECT_EQ(java_double(8.4154e-6), "8.4154E-6");
  EXPECT_EQ(java_double(0.0004), "4.0E-4");
  EXPECT_EQ(java_double(0.001), "0.001");
  EXPECT_EQ(java_double(0), "0.0");
  EXPECT_EQ(java_double(3), "3.0");
  EXPECT_EQ(java_double(12345678), "1.2345678E7");
}

TEST(ExportManifests, CutOrChangedAnywhereAreRefusedOrReadWithoutHarm) {
  ExportManifest manifest;
  manifest.identifier = "a";
  manifest.databases.push_back({.name = "d", .encoding = "UTF8", .tables = {}, .left_out = {}, .schema_files = {}});
  ExportedTable table;
  table.plan.schema = "s";
  table.plan.name = "t";
  parquet::SourceColumn column;
  column.name = "c";
  column.type = {.kind = parquet::SourceType::Kind::kBase,
                 .oid = 23,
                 .wire_oid = 23,
                 .name = "int4",
                 .send = "x",
                 .output = "y",
                 .parts = {},
                 .part_names = {},
                 .labels = {}};
  table.plan.columns.push_back({column});
  table.digest.columns.push_back({1, 2});
  table.files.push_back({.path = "a/b", .rows = 1, .size_bytes = 2, .sha256 = "00"});
  manifest.databases[0].tables.push_back(table);
  const std::string text = encode_export_manifest(manifest);
  auto again = must(decode_export_manifest(text));
  EXPECT_EQ(encode_export_manifest(again), text);
  for (size_t size = 0; size + 2 < text.size(); ++size)
    EXPECT_FALSE(decode_export_manifest(std::string_view(text).substr(0, size)).ok());
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    if (auto read = decode_export_manifest(changed); read.ok()) (void)encode_export_manifest(*read);
  }
  std::string escape = text;
  escape.replace(escape.find("a/b"), 3, "../");
  EXPECT_FALSE(decode_export_manifest(escape).ok());
}

}  // namespace coffer::jobs
