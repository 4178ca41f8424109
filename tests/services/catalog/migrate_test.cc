#include <thread>

#include "services/catalog/backends.h"
#include "services/catalog/catalogs.h"

namespace coffer::catalog {
namespace {

using MigrateTest = CatalogTest;

TEST_P(MigrateTest, EachStepIsAppliedOnceInTheOrderOfTheNumbers) {
  const Migration steps[] = {{200, "second", "INSERT INTO a (id) VALUES (2)"},
                             {100, "first", "CREATE TABLE a (id BIGINT PRIMARY KEY)"}};
  must(database().migrate(context_, steps));
  must(database().migrate(context_, steps));
  const Migration more[] = {steps[0], {150, "late", "INSERT INTO a (id) VALUES (3)"}, steps[1]};
  must(database().migrate(context_, more));
  EXPECT_EQ(number("SELECT count(*) FROM a"), 2);
}

TEST_P(MigrateTest, TheCatalogsOwnTablesAreMade) {
  must(database().migrate(context_, migrations()));
  EXPECT_EQ(number("SELECT count(*) FROM catalog_outbox"), 0);
}

TEST_P(MigrateTest, AStepThatFailsLeavesNothingAndStopsThere) {
  const Migration steps[] = {{1, "good", "CREATE TABLE a (id BIGINT)"},
                             {2, "bad", "CREATE TABLE b (id BIGINT);\nINSERT INTO missing VALUES (1);"},
                             {3, "after", "CREATE TABLE c (id BIGINT)"}};
  const Status done = database().migrate(context_, steps);
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message.find("catalog step 2 (bad)"), std::string::npos) << done.error().message;
  EXPECT_EQ(number("SELECT count(*) FROM a"), 0);
  EXPECT_FALSE(read()->run("SELECT * FROM b").ok());
  EXPECT_FALSE(read()->run("SELECT * FROM c").ok());

  const Migration repaired[] = {steps[0], {2, "good now", "CREATE TABLE b (id BIGINT)"}, steps[2]};
  must(database().migrate(context_, repaired));
  EXPECT_EQ(number("SELECT count(*) FROM c"), 0);
}

TEST_P(MigrateTest, ACatalogOfANewerVersionIsRefusedUntouched) {
  const Migration newer[] = {{1, "one", "CREATE TABLE a (id BIGINT)"},
                             {7, "from the future", "CREATE TABLE f (id BIGINT)"}};
  must(database().migrate(context_, newer));
  const Migration older[] = {newer[0], {2, "two", "CREATE TABLE b (id BIGINT)"}};
  const Status done = database().migrate(context_, older);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.code(), ErrorCode::kFailedPrecondition);
  EXPECT_NE(done.error().message.find("step 7 (from the future)"), std::string::npos);
  EXPECT_FALSE(done.error().next_step.empty());
  EXPECT_FALSE(read()->run("SELECT * FROM b").ok());
}

TEST_P(MigrateTest, AnOlderCatalogIsBroughtUpWithItsRows) {
  const Migration old[] = {{1, "one", "CREATE TABLE a (id BIGINT)"}};
  must(database().migrate(context_, old));
  change("INSERT INTO a (id) VALUES (5)");
  open();
  const Migration now[] = {old[0], {2, "two", "ALTER TABLE a ADD COLUMN name TEXT NOT NULL DEFAULT 'none'"}};
  if (GetParam() == Backend::kMemory) must(database().migrate(context_, old));  // opened anew, it is empty
  must(database().migrate(context_, now));
  EXPECT_EQ(number("SELECT count(*) FROM a WHERE name = 'none'"), GetParam() == Backend::kMemory ? 0 : 1);
}

TEST_P(MigrateTest, TheSameNumberTwiceIsABug) {
  const Migration twice[] = {{1, "one", "CREATE TABLE a (id BIGINT)"}, {1, "other", "CREATE TABLE b (id BIGINT)"}};
  EXPECT_THROW((void)database().migrate(context_, twice).ok(), std::logic_error);
}

TEST_P(MigrateTest, SeveralProcessesMayMigrateAtOnce) {
  std::vector<Migration> steps;
  std::vector<std::string> texts;
  for (int i = 1; i <= 8; ++i) texts.push_back("CREATE TABLE m" + std::to_string(i) + " (id BIGINT PRIMARY KEY)");
  for (int i = 1; i <= 8; ++i) steps.push_back({i, "step", texts[static_cast<size_t>(i - 1)]});
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      auto mine = GetParam() == Backend::kMemory ? nullptr : must(Database::open(where_));
      must((mine ? *mine : database()).migrate(context_, steps));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(number("SELECT count(*) FROM catalog_migrations"), 8);
  EXPECT_EQ(number("SELECT count(*) FROM m8"), 0);
}

COFFER_ON_EVERY_CATALOG(MigrateTest);

TEST(StatementsOf, AreSplitAtTheEndOfALineOnly) {
  const Dialect dialect{"BLOB", "IDENTITY", "TEXT COLLATE \"C\"", ""};
  const auto statements = statements_of(
      "\nCREATE TABLE a (\n  x TEXT NOT NULL, -- a;b\n  y {blob}, id {identity}\n);  \n\n;\n"
      "INSERT INTO a VALUES ('x;y', CAST(1 AS TEXT), CONTEXT);\nSELECT 1",
      dialect);
  EXPECT_EQ(statements,
            (std::vector<std::string>{"CREATE TABLE a (\nx TEXT COLLATE \"C\" NOT NULL, -- a;b\ny BLOB, id IDENTITY\n)",
                                      "INSERT INTO a VALUES ('x;y', CAST(1 AS TEXT), CONTEXT)", "SELECT 1"}));
}

}  // namespace
}  // namespace coffer::catalog
