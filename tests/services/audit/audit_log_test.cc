#include "services/audit/audit_log.h"

#include <thread>

#include "services/audit/audit_fixture.h"

namespace coffer::audit {
namespace {

using AuditLogTest = AuditTest;

TEST_P(AuditLogTest, TheRecordExistsExactlyWhenTheEffectDoes) {
  {
    auto transaction = write();
    must(log().append(*transaction, record("RolledBack")));
  }
  append(record("Committed"));
  must(log().flush(context_));

  const auto all = records();

  ASSERT_EQ(all.size(), 1u);
  EXPECT_NE(all[0].find("\"eventName\":\"Committed\""), std::string::npos);
  EXPECT_TRUE(verified().problems.empty());
}

TEST_P(AuditLogTest, SeveralRecordsInOneTransactionAreChained) {
  auto transaction = write();
  for (int i = 0; i < 5; ++i) must(log().append(*transaction, record()));
  must(transaction->commit());
  must(log().flush(context_));

  const VerifyReport report = verified();

  EXPECT_EQ(report.records, 5u);
  EXPECT_EQ(report.unsigned_tail, 5u);
  EXPECT_EQ(report.problems, std::vector<std::string>());
}

TEST_P(AuditLogTest, WhatWasEnqueuedIsThereAfterAFlush) {
  for (int i = 0; i < 2000; ++i) must(log().enqueue(record("Describe" + std::to_string(i))));
  must(log().flush(context_));

  EXPECT_EQ(verified().records, 2000u);
  EXPECT_EQ(verified().problems, std::vector<std::string>());
}

TEST_P(AuditLogTest, WhatWasEnqueuedIsWrittenWithoutAFlush) {
  must(log().enqueue(record()));
  const MonoTime begun = SystemClock().mono();
  while (records().empty() && SystemClock().mono() - begun < std::chrono::seconds(20)) std::this_thread::yield();
  EXPECT_EQ(records().size(), 1u);
}

TEST_P(AuditLogTest, ClosingTheLogWritesWhatWasEnqueued) {
  for (int i = 0; i < 1500; ++i) must(log().enqueue(record()));
  log_.reset();
  EXPECT_EQ(records().size(), 1500u);
}

TEST_P(AuditLogTest, ManyThreadsMakeOneChain) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        if (t % 2 == 0) {
          must(log().enqueue(record("Enqueued")));
        } else {
          must(catalog::in_transaction(database(), context_, [&](catalog::Transaction& transaction) {
            return log().append(transaction, record("Appended"));
          }));
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  must(log().flush(context_));
  checkpoint();

  const VerifyReport report = verified();
  EXPECT_EQ(report.records, 160u);
  EXPECT_EQ(report.problems, std::vector<std::string>());
  EXPECT_EQ(report.unsigned_tail, 0u);
}

TEST_P(AuditLogTest, ASecondLogOnTheSameCatalogGoesOnWithTheChain) {
  append_many(10);
  checkpoint();
  open_log();
  append_many(7);
  checkpoint();

  const VerifyReport report = verified();
  EXPECT_EQ(report.records, 17u);
  EXPECT_EQ(report.checkpoints, 2u);
  EXPECT_EQ(report.problems, std::vector<std::string>());
}

TEST_P(AuditLogTest, ACheckpointIsSignedEveryHourAndWhenForced) {
  checkpoint(false);
  EXPECT_EQ(verified().checkpoints, 0u);  // of nothing
  append_many(1);
  checkpoint(false);
  EXPECT_EQ(verified().checkpoints, 1u);
  append_many(1);
  clock_.advance(std::chrono::minutes(59));
  checkpoint(false);
  EXPECT_EQ(verified().checkpoints, 1u);
  EXPECT_EQ(verified().unsigned_tail, 1u);
  checkpoint(true);
  EXPECT_EQ(verified().checkpoints, 2u);
  checkpoint(true);
  EXPECT_EQ(verified().checkpoints, 2u);  // there is nothing new to sign
  clock_.advance(std::chrono::hours(1));
  checkpoint(false);
  EXPECT_EQ(verified().checkpoints, 3u);  // that nothing was recorded in this hour is something to sign
  EXPECT_EQ(verified().problems, std::vector<std::string>());
}

TEST_P(AuditLogTest, ForeignBytesAndLongTextsDoNotKeepACallFromBeingRecorded) {
  Record r = record();
  r.user_agent = std::string("\xff\xfe evil \x00 agent \x1f", 16) + std::string(100'000, 'x');
  r.operation = "\xc3(";
  r.caller.user_name = std::string("al\0ice", 6);
  r.error_message = std::string(1023, 'e') + "\xc3\xbc";  // the cut would go through a character
  r.request_parameters = "{\"broken\":";
  append(r);
  must(log().enqueue(r));
  must(log().flush(context_));

  EXPECT_EQ(verified().problems, std::vector<std::string>());
  for (const std::string& json : records()) {
    EXPECT_LT(json.size(), 5000u);
    EXPECT_NE(json.find("\"requestParameters\":null"), std::string::npos) << json;
  }
}

COFFER_ON_EVERY_CATALOG(AuditLogTest);

using SharedAuditLog = AuditTest;

TEST_P(SharedAuditLog, SeveralDaemonsShareOneChain) {
  auto other_database = must(Database::open(where_));
  auto other = must(open_audit_log(*other_database, clock_, entropy_, Secret(test_seed())));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      AuditLog& mine = t % 2 == 0 ? log() : *other;
      Database& at = t % 2 == 0 ? database() : *other_database;
      for (int i = 0; i < 50; ++i) {
        must(catalog::in_transaction(
            at, context_, [&](catalog::Transaction& transaction) { return mine.append(transaction, record()); }));
        must(mine.enqueue(record("ListKeys")));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  must(log().flush(context_));
  must(other->flush(context_));
  must(other->checkpoint(context_, true));

  const VerifyReport report = verified();
  EXPECT_EQ(report.records, 400u);
  EXPECT_EQ(report.unsigned_tail, 0u);
  EXPECT_EQ(report.problems, std::vector<std::string>());
}

TEST_P(SharedAuditLog, RecordsThatADeadDaemonLeftPendingAreChainedByAnother) {
  {
    auto transaction = write();
    must(append_pending(*transaction, record_json(record("LeftBehind"))));
    must(transaction->commit());
  }
  EXPECT_EQ(verified().unsigned_tail, 1u);
  must(log().flush(context_));
  EXPECT_EQ(records().size(), 1u);
  EXPECT_EQ(verified().problems, std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(All, SharedAuditLog, testing::Values(Backend::kPostgres), catalog::backend_name);

}  // namespace
}  // namespace coffer::audit
