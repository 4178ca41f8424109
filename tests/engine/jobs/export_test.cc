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

}  // namespace coffer::jobs
