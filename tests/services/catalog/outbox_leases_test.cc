#include <thread>

#include "services/catalog/catalogs.h"
#include "services/catalog/leases.h"
#include "services/catalog/outbox.h"

namespace coffer::catalog {
namespace {

class OwnTables : public CatalogTest {
 protected:
  void SetUp() override {
    CatalogTest::SetUp();
    if (database_) must(database_->migrate(context_, migrations()));
  }
  template <class F>
  auto in_write(F work) {
    auto transaction = write();
    auto result = work(*transaction);
    if (result.ok()) must(transaction->commit());
    return result;
  }
};

class OutboxTest : public OwnTables {
 protected:
  void add(std::string_view topic, std::string_view payload) {
    must(in_write([&](Transaction& t) { return outbox_append(t, topic, payload, now_); }));
  }
  std::vector<OutboxEntry> due(std::string_view topic, int64_t limit = 10) {
    return must(outbox_due(*read(), topic, now_, limit));
  }
  std::string payloads(std::string_view topic, int64_t limit = 10) {
    std::string all;
    for (const OutboxEntry& entry : due(topic, limit)) all += entry.payload;
    return all;
  }
  WallTime now_{1'000'000};
};

TEST_P(OutboxTest, AnEntryExistsExactlyWhenItsTransactionDoes) {
  {
    auto transaction = write();
    must(outbox_append(*transaction, "events", "lost", now_));
  }
  add("events", "kept");
  ASSERT_EQ(due("events").size(), 1u);
  EXPECT_EQ(due("events")[0].payload, "kept");
  EXPECT_EQ(due("events")[0].topic, "events");
  EXPECT_EQ(due("events")[0].created, now_);
  EXPECT_EQ(due("events")[0].attempts, 0);
}

TEST_P(OutboxTest, EachTopicHasItsOrder) {
  for (const char* payload : {"a", "b", "c"}) add("one", payload), add("two", payload);
  EXPECT_EQ(payloads("one"), "abc");
  EXPECT_EQ(payloads("one", 2), "ab");
  must(in_write([&](Transaction& t) { return outbox_done(t, due("one")[0].sequence); }));
  EXPECT_EQ(payloads("one"), "bc");
  EXPECT_EQ(payloads("two"), "abc");
  EXPECT_EQ(payloads("three"), "");
}

TEST_P(OutboxTest, APostponedEntryHoldsBackThoseBehindIt) {
  for (const char* payload : {"a", "b", "c"}) add("one", payload);
  must(in_write(
      [&](Transaction& t) { return outbox_postpone(t, due("one")[1].sequence, now_ + std::chrono::seconds(5)); }));
  EXPECT_EQ(payloads("one"), "a");
  now_ = now_ + std::chrono::seconds(5);
  EXPECT_EQ(payloads("one"), "abc");
  EXPECT_EQ(due("one")[1].attempts, 1);
}

TEST_P(OutboxTest, ASequenceIsNeverUsedTwice) {
  int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    add("one", "x");
    const int64_t sequence = due("one").at(0).sequence;
    EXPECT_GT(sequence, last);
    last = sequence;
    must(in_write([&](Transaction& t) { return outbox_done(t, sequence); }));
  }
}

COFFER_ON_EVERY_CATALOG(OutboxTest);

class LeaseTest : public OwnTables {
 protected:
  Result<Lease> claim(std::string_view holder, std::string_view name = "job") {
    return in_write([&](Transaction& t) { return claim_lease(t, name, holder, now_, std::chrono::seconds(60)); });
  }
  Status renew(Lease& lease) {
    return in_write([&](Transaction& t) { return renew_lease(t, lease, now_, std::chrono::seconds(60)); });
  }
  Status fence(const Lease& lease) { return check_fence(*read(), lease); }
  Status release(const Lease& lease) {
    return in_write([&](Transaction& t) { return release_lease(t, lease); });
  }
  WallTime now_{1'000'000};
};

TEST_P(LeaseTest, OneHolderAtATime) {
  const Lease first = must(claim("a"));
  EXPECT_EQ(first.token, 1);
  EXPECT_EQ(first.until, now_ + std::chrono::seconds(60));
  EXPECT_EQ(claim("b").code(), ErrorCode::kConflict);
  EXPECT_EQ(must(claim("b", "another job")).token, 1);
  must(fence(first));
}

TEST_P(LeaseTest, ASilentHolderIsTakenOverAndMayWriteNothingMore) {
  Lease first = must(claim("a"));
  now_ = now_ + std::chrono::seconds(60);
  Lease second = must(claim("b"));
  EXPECT_GT(second.token, first.token);
  EXPECT_EQ(fence(first).code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(renew(first).code(), ErrorCode::kFailedPrecondition);
  must(release(first));  // no longer its own: nothing happens
  must(fence(second));
  EXPECT_EQ(claim("c").code(), ErrorCode::kConflict);
}

TEST_P(LeaseTest, TheSameHolderClaimsAgainWithANewToken) {
  const Lease first = must(claim("a"));
  const Lease second = must(claim("a"));
  EXPECT_GT(second.token, first.token);
  EXPECT_EQ(fence(first).code(), ErrorCode::kFailedPrecondition);
  must(fence(second));
}

TEST_P(LeaseTest, ARenewedLeaseLivesOn) {
  Lease lease = must(claim("a"));
  for (int i = 0; i < 5; ++i) {
    now_ = now_ + std::chrono::seconds(59);
    must(renew(lease));
    EXPECT_EQ(lease.until, now_ + std::chrono::seconds(60));
    EXPECT_EQ(claim("b").code(), ErrorCode::kConflict);
  }
}

TEST_P(LeaseTest, TheTokenGrowsOverARelease) {
  Lease first = must(claim("a"));
  must(release(first));
  EXPECT_EQ(fence(first).code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(renew(first).code(), ErrorCode::kFailedPrecondition);
  const Lease second = must(claim("b"));
  EXPECT_GT(second.token, first.token);
  must(release(second));
  EXPECT_GT(must(claim("a")).token, second.token);
}

TEST_P(LeaseTest, OfManyWhoClaimAtOnceOneWins) {
  std::atomic<int> winners = 0, losers = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      const Status done = in_transaction(
          database(), context_,
          [&](Transaction& transaction) -> Status {
            COFFER_CHECK_OK(
                claim_lease(transaction, "job", "holder " + std::to_string(t), now_, std::chrono::seconds(60)));
            return ok_status();
          },
          1000);
      if (done.ok()) ++winners;
      if (!done.ok() && done.error().name == "LeaseHeld") ++losers;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(losers, 5);
}

COFFER_ON_EVERY_CATALOG(LeaseTest);

}  // namespace
}  // namespace coffer::catalog
