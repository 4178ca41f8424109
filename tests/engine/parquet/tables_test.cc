// Tables that strain: other encodings, wide ones, many row groups, plans that widen more than once.
#include "engine/parquet/table_world.h"

namespace coffer::parquet {

namespace {

class Tables : public ::testing::Test {
 protected:
  void SetUp() override {
    COFFER_NEED_POSTGRES(15);
    server_ = TestServer::create({.major = 15, .initdb_args = {"--encoding=UTF8", "--no-locale"}});
  }
  void open(const std::string& database) {
    connection_ = open_session(*server_, database);
    database_ = must(read_database({}, *connection_, database));
  }
  std::unique_ptr<Exported> exported(const std::string& table, Layout layout, PartWriterOptions options = {}) {
    auto out = export_table(*connection_, database_, table_named(database_, table), layout, options);
    EXPECT_EQ(difference(out->by_sql, out->by_parquet, out->plan.column_names()), "") << table;
    return out;
  }
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<postgres::Connection> connection_;
  SourceDatabase database_;
};

}  // namespace

TEST_F(Tables, OfADatabaseInLatin1AreUtf8InTheFile) {
  server_->sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
  server_->sql(R"(CREATE TYPE "möd" AS ENUM ('ä', 'o'); CREATE TABLE t ("ü" text, c char(5), e "möd", a text[], j json);
               INSERT INTO t VALUES ('Grüße', 'é', 'ä', '{ß,NULL}', '{"ü": 1}'), (NULL, NULL, NULL, NULL, NULL))",
               "latin");
  open("latin");
  EXPECT_EQ(database_.encoding, "LATIN1");
  for (Layout layout : {Layout::kRds, Layout::kTyped}) {
    auto out = exported("t", layout);
    EXPECT_TRUE(out->widened.empty());
    EXPECT_EQ(out->plan.columns[0].source.name, "ü");
    const std::string text(reinterpret_cast<const char*>(out->file.bytes.data()), out->file.bytes.size());
    EXPECT_EQ(out->by_sql.rows, 2U);
  }
}

TEST_F(Tables, OfADatabaseWithoutEncodingKeepBytesThatAreNoText) {
  server_->sql("CREATE DATABASE raw ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
  server_->sql(
      R"(CREATE TABLE t (good text, bad text, n int4); INSERT INTO t VALUES ('plain', E'\377\376', 1), ('x', 'y', 2))",
      "raw");
  open("raw");
  for (Layout layout : {Layout::kRds, Layout::kTyped}) {
    auto out = exported("t", layout);
    EXPECT_EQ(out->plan.columns[0].storage, Storage::kNative);
    EXPECT_EQ(out->plan.columns[1].storage, Storage::kBytes);
  }
}

TEST_F(Tables, MayHave1600Columns) {
  server_->sql(
      "DO $$ BEGIN EXECUTE 'CREATE TABLE wide (' || (SELECT string_agg('c' || i || ' ' || CASE i % 3 WHEN 0 THEN "
      "'int2' "
      "WHEN 1 THEN 'bool' ELSE 'text' END, ',') FROM generate_series(1, 1600) i) || ')'; END $$;"
      "INSERT INTO wide (c1, c2, c1600) VALUES (true, 'a', true), (NULL, NULL, false)");
  open("postgres");
  for (Layout layout : {Layout::kRds, Layout::kTyped})
    EXPECT_EQ(exported("wide", layout)->by_sql.columns.size(), 1600U);
}

TEST_F(Tables, OfManyBatchesAndRowGroupsHaveAllRows) {
  server_->sql(
      "CREATE TABLE many AS SELECT i AS id, md5(i::text) AS t, CASE WHEN i % 5 = 0 THEN NULL ELSE ARRAY[i, i + 1] END "
      "AS "
      "a FROM generate_series(1, 30000) i");
  open("postgres");
  for (Layout layout : {Layout::kRds, Layout::kTyped}) {
    auto out = exported("many", layout, {.row_group_size_bytes = 200'000, .batch_size_bytes = 30'000});
    EXPECT_EQ(out->totals.rows, 30000U);
  }
}

TEST_F(Tables, SplitByPagesAddUpToTheWhole) {
  server_->sql("CREATE TABLE pages AS SELECT i AS id, repeat('x', 500) AS t FROM generate_series(1, 2000) i");
  open("postgres");
  const SourceTable& table = table_named(database_, "pages");
  const TablePlan plan = plan_table(database_, table, Layout::kTyped);
  const uint64_t pages = table.parts.at(0).pages;
  ASSERT_GT(pages, 10U);
  auto digest = [&](const PageRange& range) {
    return must(digest_of_answer(plan, must(connection_->query({}, digest_query(plan, table.parts[0], range)))));
  };
  TableDigest sum;
  for (const auto& [first, last] : std::vector<std::pair<uint64_t, uint64_t>>{{0, 3}, {3, pages / 2}, {pages / 2, 0}})
    sum.add(digest({.first = first, .last = last, .whole = false}));
  EXPECT_EQ(sum, digest({}));
  EXPECT_EQ(sum.rows, 2000U);
}

TEST_F(Tables, WhoseValuesChangedRowsOrPlacesHaveOtherDigests) {
  server_->sql(
      "CREATE TABLE a (x text, y text); INSERT INTO a VALUES ('1', 'p'), ('2', 'q'); CREATE TABLE b (x text, y text); "
      "INSERT INTO b VALUES ('1', 'q'), ('2', 'p'); CREATE TABLE c (x text, y text); INSERT INTO c VALUES ('2', 'q'), "
      "('1', 'p'); CREATE TABLE d (x text, y text); INSERT INTO d VALUES ('1', 'p'), ('2', 'r')");
  open("postgres");
  const TableDigest a = exported("a", Layout::kTyped)->by_parquet, b = exported("b", Layout::kTyped)->by_parquet,
                    c = exported("c", Layout::kTyped)->by_parquet, d = exported("d", Layout::kTyped)->by_parquet;
  EXPECT_EQ(a, c);
  EXPECT_EQ(difference(a, b, {"x", "y"}), "values stand in other rows");
  EXPECT_EQ(difference(a, d, {"x", "y"}), "column y has other values");
}

TEST_F(Tables, OfExtensionsAreLeftOutButNotTheirData) {
  server_->sql(
      "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TABLE e (h hstore, c citext); INSERT INTO e "
      "VALUES ('a=>1, b=>NULL', 'MiXed'), (NULL, NULL)");
  open("postgres");
  for (Layout layout : {Layout::kRds, Layout::kTyped}) {
    auto out = exported("e", layout);
    EXPECT_EQ(out->plan.columns[0].storage, Storage::kText);
    EXPECT_EQ(out->plan.columns[1].storage, Storage::kText);
  }
}

TEST_F(Tables, WithUsersCastsToTextAreReadByTheOutputFunction) {
  server_->sql(
      "CREATE TYPE temperature AS (degrees int4); CREATE FUNCTION warm(temperature) RETURNS text LANGUAGE sql "
      "IMMUTABLE "
      "AS $$ SELECT 'wrong' $$; CREATE CAST (temperature AS text) WITH FUNCTION warm(temperature); CREATE TABLE t (v "
      "temperature); INSERT INTO t VALUES (ROW(5)::temperature)");
  open("postgres");
  auto out = exported("t", Layout::kRds);
  Bytes rows;
  must(read_part({}, out->plan, out->file, {0}, [&](ByteView more) {
    append(rows, more);
    return ok_status();
  }));
  EXPECT_NE(to_text(rows).find("(5)"), std::string::npos);
}

}  // namespace coffer::parquet
