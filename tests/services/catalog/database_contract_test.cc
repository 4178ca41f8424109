#include <limits>
#include <random>
#include <thread>

#include "services/catalog/catalogs.h"
#include "services/catalog/database.h"

namespace coffer::catalog {
namespace {

class DatabaseContract : public CatalogTest {
 protected:
  void SetUp() override {
    CatalogTest::SetUp();
    if (!database_) return;
    migrate(
        "CREATE TABLE t (\n  id BIGINT PRIMARY KEY,\n  name TEXT,\n  data {blob}\n);\n"
        "CREATE TABLE u (id BIGINT PRIMARY KEY, t BIGINT REFERENCES t (id), n BIGINT NOT NULL CHECK (n > 0));");
  }
  ErrorCode code_of(std::string_view sql, std::initializer_list<Parameter> parameters = {}) {
    const auto result = write()->run(sql, parameters);
    return result.ok() ? ErrorCode::kNotProven : result.code();
  }
};

TEST_P(DatabaseContract, ValuesComeBackAsTheyWent) {
  Bytes every_byte;
  for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<std::byte>(i));
  change("INSERT INTO t (id, name, data) VALUES ($1, $2, $3)",
         {std::numeric_limits<int64_t>::min(), "Gr\xc3\xbc\xc3\x9f' \"\\ $1 %s\n", every_byte});
  change("INSERT INTO t (id, name, data) VALUES ($1, $2, $3)", {std::numeric_limits<int64_t>::max(), "", Bytes()});
  change("INSERT INTO t (id, name, data) VALUES ($1, $2, $3)", {0, nullptr, nullptr});

  const Rows rows = must(read()->run("SELECT id, name, data FROM t ORDER BY id"));

  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].integer(0), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(rows[0].text(1), "Gr\xc3\xbc\xc3\x9f' \"\\ $1 %s\n");
  EXPECT_EQ(rows[0].blob(2), every_byte);
  EXPECT_TRUE(rows[1].is_null(1));
  EXPECT_TRUE(rows[1].is_null(2));
  EXPECT_EQ(rows[1].text_if(1), std::nullopt);
  EXPECT_EQ(rows[2].integer(0), std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(rows[2].is_null(1));
  EXPECT_FALSE(rows[2].is_null(2));
  EXPECT_EQ(rows[2].text_if(1), "");
}

TEST_P(DatabaseContract, AGetterOfAnotherTypeGivesTheEmptyValue) {
  change("INSERT INTO t (id, name) VALUES (1, 'x')");
  const Rows rows = must(read()->run("SELECT id, name, data FROM t"));
  EXPECT_EQ(rows[0].text(0), "");
  EXPECT_EQ(rows[0].integer(1), 0);
  EXPECT_EQ(rows[0].blob(1), Bytes());
  EXPECT_EQ(rows[0].time_if(2), std::nullopt);
  EXPECT_EQ(rows[0].time_if(0), WallTime{1});
}

TEST_P(DatabaseContract, OptionalsAndTimesAndFlagsAreParameters) {
  change("INSERT INTO t (id, name, data) VALUES ($1, $2, $3)",
         {WallTime{77}, std::optional<std::string>(), std::optional<Bytes>(Bytes(2))});
  change("INSERT INTO t (id, name) VALUES ($1, $2)", {true, std::optional<std::string>("there")});
  const Rows rows = must(read()->run("SELECT id, name, data FROM t ORDER BY id"));
  EXPECT_TRUE(rows[0].flag(0));
  EXPECT_EQ(rows[0].text(1), "there");
  EXPECT_EQ(rows[1].time(0), WallTime{77});
  EXPECT_TRUE(rows[1].is_null(1));
  EXPECT_EQ(rows[1].blob(2), Bytes(2));
}

TEST_P(DatabaseContract, APlaceholderMayBeUsedTwiceAndInAnyOrder) {
  const Rows rows = must(read()->run("SELECT $2, $1, $2, $3 || 'c' WHERE $1 = 7", {7, "a", "b"}));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].text(0), "a");
  EXPECT_EQ(rows[0].integer(1), 7);
  EXPECT_EQ(rows[0].text(2), "a");
  EXPECT_EQ(rows[0].text(3), "bc");
}

TEST_P(DatabaseContract, OneTextWorksWithNullsAndWithValues) {
  for (int i = 0; i < 3; ++i) {
    change("INSERT INTO t (id, name, data) VALUES ($1, $2, $3)", {2 * i, nullptr, Bytes(1)});
    change("INSERT INTO t (id, name, data) VALUES ($1, $2, $3)", {2 * i + 1, "n", nullptr});
  }
  EXPECT_EQ(number("SELECT count(*) FROM t WHERE name IS NULL"), 3);
  EXPECT_EQ(number("SELECT count(*) FROM t WHERE data IS NULL"), 3);
}

TEST_P(DatabaseContract, CountsAndSumsAreIntegers) {
  change("INSERT INTO t (id) VALUES (-40000), (9000000000), (3)");
  EXPECT_EQ(number("SELECT sum(id) FROM t"), 8'999'960'003);
  EXPECT_EQ(number("SELECT sum(id) FROM t WHERE id < 0"), -40000);
  EXPECT_EQ(number("SELECT coalesce(sum(id), 0) FROM t WHERE id = 5"), 0);
  EXPECT_EQ(number("SELECT max(id) FROM t"), 9'000'000'000);
}

TEST_P(DatabaseContract, FirstIsTheFirstRowOrNothing) {
  change("INSERT INTO t (id) VALUES (1), (2)");
  EXPECT_EQ(must(read()->first("SELECT id FROM t ORDER BY id DESC"))->integer(0), 2);
  EXPECT_FALSE(must(read()->first("SELECT id FROM t WHERE id = 3")));
}

TEST_P(DatabaseContract, TextSortsAndComparesByteByByte) {
  for (const char* name : {"b", "B", "a", "\xc3\xa4", "_", "a b", "ab"})
    change("INSERT INTO t (id, name) SELECT coalesce(max(id), 0) + 1, $1 FROM t", {name});
  std::vector<std::string> names;
  for (const Row& row : must(read()->run("SELECT name FROM t ORDER BY name"))) names.push_back(row.text(0));
  EXPECT_EQ(names, (std::vector<std::string>{"B", "_", "a", "a b", "ab", "b", "\xc3\xa4"}));
  EXPECT_EQ(number("SELECT count(*) FROM t WHERE name > 'Z'"), 6);
}

TEST_P(DatabaseContract, BrokenConstraintsAreToldApart) {
  change("INSERT INTO t (id) VALUES (1)");
  EXPECT_EQ(code_of("INSERT INTO t (id) VALUES (1)"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(code_of("INSERT INTO u (id, t, n) VALUES (1, 1, 0)"), ErrorCode::kFailedPrecondition);     // check
  EXPECT_EQ(code_of("INSERT INTO u (id, t, n) VALUES (1, 1, NULL)"), ErrorCode::kFailedPrecondition);  // not null
  EXPECT_EQ(code_of("INSERT INTO u (id, t, n) VALUES (1, 2, 1)"), ErrorCode::kFailedPrecondition);     // foreign key
  EXPECT_EQ(code_of("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO NOTHING"), ErrorCode::kNotProven);
}

TEST_P(DatabaseContract, AnErrorQuotesNoValues) {
  change("INSERT INTO t (id, name) VALUES (4711, 'x')");
  const auto result = write()->run("INSERT INTO t (id, name) VALUES ($1, $2)", {4711, "hunter2"});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message.find("4711"), std::string::npos) << result.error().message;
  EXPECT_EQ(result.error().message.find("hunter2"), std::string::npos) << result.error().message;
}

TEST_P(DatabaseContract, WrongStatementsAreOurBugs) {
  EXPECT_EQ(code_of("SELEC 1"), ErrorCode::kInternal);
  EXPECT_EQ(code_of(""), ErrorCode::kInternal);
  EXPECT_EQ(code_of("SELECT missing FROM t"), ErrorCode::kInternal);
  EXPECT_EQ(code_of("SELECT \"missing\" FROM t"), ErrorCode::kInternal);  // never a string
  EXPECT_EQ(code_of("SELECT 1.5"), ErrorCode::kInternal);                 // a type that is not in the common subset
  EXPECT_EQ(code_of("SELECT id FROM t WHERE id = $2", {1}), ErrorCode::kInternal);
  EXPECT_EQ(code_of("INSERT INTO t (id) VALUES (1); INSERT INTO t (id) VALUES (2)"), ErrorCode::kInternal);
}

TEST_P(DatabaseContract, TextThatOneBackendRefusesBothRefuse) {
  for (std::string_view text : {std::string_view("a\0b", 3), std::string_view("\xff"), std::string_view("\xc0\x80"),
                                std::string_view("\xed\xa0\x80"), std::string_view("cut \xe2\x82")})
    EXPECT_EQ(code_of("INSERT INTO t (id, name) VALUES (1, $1)", {text}), ErrorCode::kInvalidArgument);
  change("INSERT INTO t (id, name) VALUES (1, $1)", {"\xed\x9f\xbf \xf0\x9f\x94\x92 \x01"});
}

TEST_P(DatabaseContract, ValuesAreNeverPartOfAStatement) {
  const std::string_view attacks[] = {"'; DROP TABLE t; --",
                                      "' OR '1'='1",
                                      "\\'; DELETE FROM t; --",
                                      "$1",
                                      "\"",
                                      "%",
                                      "x' UNION SELECT name FROM catalog_migrations --",
                                      "\n;\n--"};
  int64_t id = 0;
  for (std::string_view attack : attacks) change("INSERT INTO t (id, name) VALUES ($1, $2)", {++id, attack});
  for (std::string_view attack : attacks) {
    const Rows rows = must(read()->run("SELECT name FROM t WHERE name = $1", {attack}));
    ASSERT_EQ(rows.size(), 1u) << attack;
    EXPECT_EQ(rows[0].text(0), attack);
  }
  EXPECT_EQ(number("SELECT count(*) FROM t"), static_cast<int64_t>(std::size(attacks)));
}

TEST_P(DatabaseContract, NothingRemainsOfATransactionThatWasNotCommitted) {
  {
    auto transaction = write();
    must(transaction->run("INSERT INTO t (id) VALUES (1)"));
    EXPECT_EQ(must(transaction->run("SELECT id FROM t")).size(), 1u);  // it sees its own
  }
  EXPECT_EQ(number("SELECT count(*) FROM t"), 0);
}

TEST_P(DatabaseContract, AfterAFailedStatementTheTransactionCanOnlyBeRolledBack) {
  change("INSERT INTO t (id) VALUES (1)");
  {
    auto transaction = write();
    must(transaction->run("INSERT INTO t (id) VALUES (2)"));
    EXPECT_EQ(transaction->run("INSERT INTO t (id) VALUES (1)").code(), ErrorCode::kAlreadyExists);
    EXPECT_EQ(transaction->run("INSERT INTO t (id) VALUES (3)").code(), ErrorCode::kAlreadyExists);
    EXPECT_EQ(transaction->commit().code(), ErrorCode::kAlreadyExists);
  }
  EXPECT_EQ(number("SELECT count(*) FROM t"), 1);
}

TEST_P(DatabaseContract, NothingWorksAfterTheCommit) {
  auto transaction = write();
  must(transaction->commit());
  EXPECT_EQ(transaction->run("SELECT 1").code(), ErrorCode::kInternal);
  EXPECT_EQ(transaction->commit().code(), ErrorCode::kInternal);
}

TEST_P(DatabaseContract, AReadingTransactionDoesNotWrite) {
  auto transaction = read();
  EXPECT_FALSE(transaction->writes());
  EXPECT_TRUE(write()->writes());
  EXPECT_EQ(transaction->run("INSERT INTO t (id) VALUES (1)").code(), ErrorCode::kInternal);
  transaction.reset();
  EXPECT_EQ(number("SELECT count(*) FROM t"), 0);
}

TEST_P(DatabaseContract, AReaderKeepsItsSnapshotWhileAWriterCommitsBesideIt) {
  change("INSERT INTO t (id) VALUES (1)");
  auto reader = read();
  EXPECT_EQ(must(reader->run("SELECT id FROM t")).size(), 1u);
  auto writer = write();
  must(writer->run("INSERT INTO t (id) VALUES (2)"));
  EXPECT_EQ(must(reader->run("SELECT id FROM t")).size(), 1u);
  EXPECT_EQ(number("SELECT count(*) FROM t"), 1);  // not committed yet
  must(writer->commit());
  EXPECT_EQ(must(reader->run("SELECT id FROM t")).size(), 1u);
  EXPECT_EQ(number("SELECT count(*) FROM t"), 2);
}

TEST_P(DatabaseContract, ActionsRunInOrderAfterTheCommitAndOnlyThen) {
  std::vector<int> ran;
  {
    auto transaction = write();
    transaction->on_commit([&] { ran.push_back(0); });
  }
  EXPECT_EQ(ran, std::vector<int>());
  auto transaction = write();
  must(transaction->run("INSERT INTO t (id) VALUES (1)"));
  // An action may write itself: the transaction holds nothing any more.
  transaction->on_commit([&] {
    ran.push_back(1);
    change("INSERT INTO t (id) VALUES (2)");
  });
  transaction->on_commit([&] { ran.push_back(static_cast<int>(number("SELECT count(*) FROM t"))); });
  must(transaction->commit());
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
}

TEST_P(DatabaseContract, WritersDoNotLoseEachOthersUpdates) {
  change("INSERT INTO u (id, n) VALUES (1, 1)");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        must(in_transaction(
            database(), context_,
            [](Transaction& transaction) -> Status {
              COFFER_TRY(auto row, transaction.first("SELECT n FROM u WHERE id = 1"));
              COFFER_CHECK_OK(transaction.run("UPDATE u SET n = $1 WHERE id = 1", {row->integer(0) + 1}));
              return ok_status();
            },
            1000));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(number("SELECT n FROM u"), 101);
}

// Write skew: each looks whether another is on duty and then goes off duty. One after the other, somebody stays.
TEST_P(DatabaseContract, NoAnomalyComesThroughThatOneAfterTheOtherWouldNotHave) {
  for (int round = 0; round < 10; ++round) {
    change("DELETE FROM u");
    change("INSERT INTO u (id, n) VALUES (1, 2), (2, 2)");
    std::vector<std::thread> threads;
    for (int64_t id : {1, 2}) {
      threads.emplace_back([&, id] {
        must(in_transaction(
            database(), context_,
            [&](Transaction& transaction) -> Status {
              COFFER_TRY(auto on_duty, transaction.first("SELECT count(*) FROM u WHERE n = 2"));
              if (on_duty->integer(0) < 2) return ok_status();
              COFFER_CHECK_OK(transaction.run("UPDATE u SET n = 1 WHERE id = $1", {id}));
              return ok_status();
            },
            100));
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(number("SELECT count(*) FROM u WHERE n = 2"), 1);
  }
}

TEST_P(DatabaseContract, AConflictIsTriedAgainFromTheStartAsOftenAsAllowed) {
  int attempts = 0;
  const auto conflict = [&](Transaction& transaction) -> Status {
    ++attempts;
    COFFER_CHECK_OK(transaction.run("INSERT INTO t (id) VALUES (1)"));
    if (attempts < 4) return Error{ErrorCode::kConflict, "lost a race", {}};
    return ok_status();
  };
  must(in_transaction(database(), context_, conflict));
  EXPECT_EQ(attempts, 4);
  EXPECT_EQ(number("SELECT count(*) FROM t"), 1);

  attempts = -1000;
  change("DELETE FROM t");
  EXPECT_EQ(in_transaction(database(), context_, conflict, 3).code(), ErrorCode::kConflict);
  EXPECT_EQ(attempts, -997);
  EXPECT_EQ(number("SELECT count(*) FROM t"), 0);
}

TEST_P(DatabaseContract, OtherFailuresAreNotTriedAgain) {
  for (const Error& error :
       {Error{ErrorCode::kNotFound, "no", {}}, Error{ErrorCode::kConflict, "no", {}, "TheirName"}}) {
    int attempts = 0;
    const Status done = in_transaction(database(), context_, [&](Transaction&) -> Status {
      ++attempts;
      return error;
    });
    EXPECT_EQ(done.code(), error.code);
    EXPECT_EQ(attempts, 1);
  }
}

TEST_P(DatabaseContract, WhoWaitsForAWriterCanBeStopped) {
  change("INSERT INTO t (id) VALUES (1)");
  auto holder = write();
  must(holder->run("UPDATE t SET name = 'held' WHERE id = 1"));
  StopSource stop;
  std::atomic<bool> began = false;
  std::optional<ErrorCode> code;
  std::thread waiter([&] {
    const Context context(stop);
    began = true;
    // SQLite waits in begin(), PostgreSQL for the row.
    auto transaction = database().begin(context, Database::Mode::kWrite);
    if (!transaction.ok()) {
      code = transaction.code();
      return;
    }
    const auto result = (*transaction)->run("UPDATE t SET name = 'mine' WHERE id = 1");
    code = result.ok() ? ErrorCode::kNotProven : result.code();
  });
  while (!began) std::this_thread::yield();
  stop.request_stop();
  waiter.join();
  EXPECT_EQ(code, ErrorCode::kCancelled);
  must(holder->commit());
  EXPECT_EQ(number("SELECT count(*) FROM t WHERE name = 'held'"), 1);
}

TEST_P(DatabaseContract, AStoppedContextBeginsNothing) {
  StopSource stop;
  stop.request_stop();
  for (auto mode : {Database::Mode::kRead, Database::Mode::kWrite})
    EXPECT_EQ(database().begin(Context(stop), mode).code(), ErrorCode::kCancelled);
}

TEST_P(DatabaseContract, ManyReadersAndWritersAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 30; ++i) {
        if (t < 2) {
          const int64_t id = t * 1000 + i;
          must(in_transaction(
              database(), context_,
              [&](Transaction& transaction) -> Status {
                COFFER_CHECK_OK(transaction.run("INSERT INTO t (id) VALUES ($1)", {id}));
                COFFER_CHECK_OK(transaction.run("INSERT INTO u (id, t, n) VALUES ($1, $1, 1)", {id}));
                return ok_status();
              },
              1000));
        } else {
          // Each sees both rows of a transaction or none. A reader may be asked to begin again, too.
          auto transaction = read();
          const auto in_t = transaction->run("SELECT count(*) FROM t");
          const auto in_u = in_t.ok() ? transaction->run("SELECT count(*) FROM u") : in_t;
          if (in_u.ok() ? in_t->at(0).integer(0) != in_u->at(0).integer(0) : in_u.code() != ErrorCode::kConflict)
            ++wrong;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(number("SELECT count(*) FROM u"), 60);
}

TEST_P(DatabaseContract, AHundredThousandRowsAreListedInPages) {
  {
    auto transaction = write();
    std::mt19937_64 random(1);
    for (int batch = 0; batch < 1000; ++batch) {
      std::string sql = "INSERT INTO t (id, name) VALUES ";
      std::vector<Parameter> parameters;
      for (int i = 0; i < 100; ++i) {
        sql += (i ? ", ($" : "($") + std::to_string(2 * i + 1) + ", $" + std::to_string(2 * i + 2) + ")";
        parameters.emplace_back((batch * 100 + i) * int64_t{7919} % 100'003);
        parameters.emplace_back("name");
      }
      must(transaction->run(sql, parameters));
    }
    must(transaction->commit());
  }
  int64_t last = -1, seen = 0;
  for (;;) {
    const Rows page = must(read()->run("SELECT id, name FROM t WHERE id > $1 ORDER BY id LIMIT 1000", {last}));
    for (const Row& row : page) {
      ASSERT_GT(row.integer(0), last);
      last = row.integer(0);
      ++seen;
    }
    if (page.size() < 1000) break;
  }
  EXPECT_EQ(seen, 100'000);
}

TEST_P(DatabaseContract, MoreTextsThanAConnectionKeepsArePrepared) {
  auto transaction = read();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 700; ++i)
      ASSERT_EQ(must(transaction->run("SELECT " + std::to_string(i) + " + $1", {1}))[0].integer(0), i + 1);
  }
}

TEST_P(DatabaseContract, AGenerationCountsItsBumps) {
  must(database().migrate(context_, std::vector<Migration>{migrations()[0], {90, "a test's tables", ""}}));
  EXPECT_EQ(must(generation(*read(), "iam")), 0);
  for (int i = 1; i <= 3; ++i) {
    auto transaction = write();
    must(bump_generation(*transaction, "iam"));
    must(transaction->commit());
    EXPECT_EQ(must(generation(*read(), "iam")), i);
  }
  {
    auto transaction = write();
    must(bump_generation(*transaction, "iam"));
  }
  EXPECT_EQ(must(generation(*read(), "iam")), 3);
  EXPECT_EQ(must(generation(*read(), "kms")), 0);
}

COFFER_ON_EVERY_CATALOG(DatabaseContract);

}  // namespace
}  // namespace coffer::catalog
