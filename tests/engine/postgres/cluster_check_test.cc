#include "engine/postgres/cluster_check.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/postgres/local_cluster.h"
#include "engine/postgres/page.h"

namespace coffer::postgres {
namespace {

using namespace test;

std::string all_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}
std::string findings(const ClusterCheck& check) {
  std::string text;
  for (const DatabaseCheck& d : check.databases) text += all_of(d.findings);
  return text;
}
const DatabaseCheck& database(const ClusterCheck& check, const std::string& name) {
  auto it = std::find_if(check.databases.begin(), check.databases.end(),
                         [&](const DatabaseCheck& d) { return d.database == name; });
  if (it == check.databases.end()) throw std::runtime_error("no database " + name);
  return *it;
}

void overwrite(const std::string& path, uint64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
  if (!file) throw std::runtime_error("writing " + path);
}
// Makes the checksum of one page fit whatever is in it, as a broken disk controller would not but a bad writer does.
void mend_checksum(const std::string& path, uint32_t block) {
  Bytes page = to_bytes(read_text(path).substr(uint64_t{block} * kPageSize, kPageSize));
  const uint16_t sum = page_checksum(page.data(), block);
  overwrite(path, uint64_t{block} * kPageSize + 8, {static_cast<char>(sum & 0xff), static_cast<char>(sum >> 8)});
}

class ClusterCheckOnEachMajor : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    server_ = make_server(GetParam());
    server_->sql(
        "CREATE TABLE t (id int PRIMARY KEY, filler text); INSERT INTO t SELECT n, repeat('f', 200) FROM "
        "generate_series(1, 5000) n");
    server_->sql(
        "CREATE TABLE wide (id int, big text); ALTER TABLE wide ALTER big SET STORAGE EXTERNAL; INSERT INTO wide "
        "SELECT n, repeat('b', 9000) FROM "
        "generate_series(1, 50) n");
    server_->sql("CREATE MATERIALIZED VIEW m AS SELECT * FROM t WHERE id <= 7");
    server_->sql("CREATE MATERIALIZED VIEW empty AS SELECT * FROM t WITH NO DATA");
    server_->sql("CREATE UNLOGGED TABLE u AS SELECT 1 AS n");
    server_->sql("CREATE TABLE parts (n int) PARTITION BY RANGE (n)");
    server_->sql(
        "CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (100); INSERT INTO parts SELECT "
        "generate_series(1, 20)");
    server_->sql("CREATE INDEX h ON t USING hash (id)");
    server_->sql("CREATE DATABASE other");
    server_->sql("CREATE TABLE elsewhere AS SELECT generate_series(1, 33) AS n", "other");
    server_->sql("CREATE TABLE indexed_by_function (n int)", "other");
    server_->sql("CREATE FUNCTION helper(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1'", "other");
    server_->sql(
        "CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN public.helper($1); END'",
        "other");
    server_->sql(
        "INSERT INTO indexed_by_function SELECT generate_series(1, 10); CREATE INDEX ON indexed_by_function (f(n))",
        "other");
    server_->sql("VACUUM");
    for (const char* relation : {"t", "t_pkey", "wide"})
      paths_[relation] = server_->value(std::string("SELECT pg_relation_filepath('") + relation + "')");
    paths_["toast"] = server_->value("SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE relname = 'wide'");
    copy_ = take_copy(*make_local_source(files(), system_clock(), local_options(*server_)), folder_);
  }
  ClusterCheck check(bool thorough = true) {
    auto scratch = boot(copy_);
    ClusterCheck out = must(check_cluster({}, *scratch, thorough));
    return out;
  }
  std::string path(const std::string& relation) { return copy_.data + "/" + paths_[relation]; }
  std::unique_ptr<TestServer> server_;
  std::map<std::string, std::string> paths_;
  TemporaryFolder folder_;
  Copy copy_;
};
INSTANTIATE_TEST_SUITE_P(Majors, ClusterCheckOnEachMajor, ::testing::ValuesIn(majors_under_test()),
                         [](const auto& p) { return std::to_string(p.param); });

TEST_P(ClusterCheckOnEachMajor, ASoundClusterIsCleanAndItsRowsAreCounted) {
  ClusterCheck result = check();
  EXPECT_TRUE(result.clean()) << findings(result);
  const DatabaseCheck& main = database(result, "postgres");
  EXPECT_EQ(main.rows, 5000U + 50 + 7 + 20);
  EXPECT_EQ(main.tables, 4U);
  EXPECT_EQ(main.indexes, 1U);
  EXPECT_EQ(all_of(main.uncheckable), "indexes of kind hash: amcheck has no check for them\n");
  EXPECT_EQ(database(result, "other").rows, 33U + 10U);
  EXPECT_TRUE(database(result, "other").not_checked.empty()) << all_of(database(result, "other").not_checked);
}

TEST_P(ClusterCheckOnEachMajor, ADamagedTablePageIsFoundByNameAndTheRestIsStillChecked) {
  overwrite(path("t"), 3 * kPageSize + 4000, std::string(100, '\xff'));
  ClusterCheck result = check();
  EXPECT_FALSE(result.clean());
  EXPECT_NE(findings(result).find("table public.t"), std::string::npos) << findings(result);
  EXPECT_EQ(database(result, "postgres").rows, 50U + 7 + 20);
  EXPECT_EQ(database(result, "other").rows, 33U + 10U);
}

TEST_P(ClusterCheckOnEachMajor, ADamagedIndexIsFoundEvenWhereItsChecksumFits) {
  // Two line pointers change places: the keys are out of order.
  const std::string before = read_text(path("t_pkey")).substr(kPageSize, kPageSize);
  overwrite(path("t_pkey"), kPageSize + 24 + 40,
            before.substr(24 + 80, 4) + before.substr(24 + 44, 36) + before.substr(24 + 40, 4));
  mend_checksum(path("t_pkey"), 1);
  ClusterCheck result = check(false);
  EXPECT_NE(findings(result).find("index public.t_pkey"), std::string::npos) << findings(result);
}

TEST_P(ClusterCheckOnEachMajor, DamageInToastIsFound) {
  if (GetParam() < 14) GTEST_SKIP() << "verify_heapam came with 14";
  overwrite(path("toast"), kPageSize + 3000, std::string(2000, '\0'));
  overwrite(path("toast"), kPageSize + 24, std::string(8, '\0'));
  mend_checksum(path("toast"), 1);
  ClusterCheck result = check();
  EXPECT_NE(findings(result).find("wide"), std::string::npos) << findings(result);
}

TEST_P(ClusterCheckOnEachMajor, AMissingFileIsFound) {
  std::remove(path("t").c_str());
  ClusterCheck result = check();
  EXPECT_NE(findings(result).find("could not open file"), std::string::npos) << findings(result);
}

TEST_P(ClusterCheckOnEachMajor, EveryBadPageOfAStoppedClusterIsNamed) {
  {
    auto scratch = boot(copy_);
    must(scratch->stop({}));
  }
  PageCheck clean = must(check_page_checksums({}, files(), copy_.data, 2));
  EXPECT_TRUE(clean.findings.empty()) << all_of(clean.findings);
  EXPECT_GT(clean.files, 300U);
  EXPECT_GT(clean.pages, 1000U);

  const uint16_t stored = load_le<uint16_t>(to_bytes(read_text(path("t")).substr(3 * kPageSize + 8, 2)).data());
  overwrite(path("t"), 3 * kPageSize + 4000, std::string(100, '\xff'));
  overwrite(path("t_pkey"), 2 * kPageSize, std::string(24, '\0') + "x");
  overwrite(path("wide"), std::filesystem::file_size(path("wide")), "torn");
  PageCheck damaged = must(check_page_checksums({}, files(), copy_.data, 2));
  ASSERT_EQ(damaged.findings.size(), 3U) << all_of(damaged.findings);
  const std::string text = all_of(damaged.findings);
  char expected[128];
  snprintf(expected, sizeof expected, "%s block 3: stored %04x, computed ", paths_["t"].c_str(), stored);
  EXPECT_NE(text.find(expected), std::string::npos) << text;
  EXPECT_NE(text.find(paths_["t_pkey"] + " block 2: no valid page"), std::string::npos) << text;
  EXPECT_NE(text.find(paths_["wide"] + " ends with 4 bytes of a page"), std::string::npos) << text;
}

TEST_P(ClusterCheckOnEachMajor, PagesOfAClusterThatWasNotStoppedAreNotJudged) {
  auto pages = check_page_checksums({}, files(), copy_.data, 2);
  ASSERT_FALSE(pages.ok());
  EXPECT_EQ(pages.code(), ErrorCode::kNotProven);
}

}  // namespace
}  // namespace coffer::postgres
