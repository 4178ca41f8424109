// Items of work: once, under a lease, on every catalog.
#include "services/work/work.h"

#include <atomic>
#include <set>
#include <thread>

#include "services/catalog/catalogs.h"

namespace coffer::work {
namespace {

using catalog::CatalogTest;
using catalog::must;
using catalog::Transaction;

const std::vector<std::string> kJob{"job"};

class WorkTest : public CatalogTest {
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
  void add_item(std::string_view subject, WallTime due, std::string_view payload = "p") {
    must(in_write([&](Transaction& t) { return add(t, "job", subject, payload, due); }));
  }
  std::vector<Item> claim_some(WallTime now, int64_t limit = 10, std::string_view holder = "a") {
    return must(in_write([&](Transaction& t) { return claim(t, kJob, holder, now, std::chrono::seconds(60), limit); }));
  }
  Runner runner(Clock& clock, RunnerOptions options = {.holder = "r"}) {
    return {database(), clock, std::move(options), [this](std::string_view, std::string_view text) {
              std::lock_guard lock(mutex_);
              log_.emplace_back(text);
            }};
  }
  std::mutex mutex_;
  std::vector<std::string> log_;
  const WallTime now_{1'000'000'000};
  const std::chrono::seconds second_{1};
};

TEST_P(WorkTest, AnItemIsClaimedWhenItIsDueAndByOneHolderOnly) {
  add_item("later", now_ + second_);
  add_item("now", now_, "what to do");
  const std::vector<Item> mine = claim_some(now_);
  ASSERT_EQ(mine.size(), 1u);
  EXPECT_EQ(mine[0].subject, "now");
  EXPECT_EQ(mine[0].payload, "what to do");
  EXPECT_EQ(mine[0].due, now_);
  EXPECT_EQ(mine[0].attempts, 1);
  EXPECT_TRUE(claim_some(now_, 10, "b").empty());
  EXPECT_EQ(claim_some(now_ + second_, 10, "b").at(0).subject, "later");
}

TEST_P(WorkTest, TheOldestComeFirstAndNoMoreThanAskedFor) {
  for (int i = 0; i < 5; ++i) add_item(std::to_string(i), now_ - second_ * i);
  const std::vector<Item> two = claim_some(now_, 2);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].subject, "4");
  EXPECT_EQ(two[1].subject, "3");
}

TEST_P(WorkTest, FinishedWorkIsGone) {
  add_item("x", now_);
  const Item item = claim_some(now_).at(0);
  must(in_write([&](Transaction& t) { return finish(t, item); }));
  EXPECT_TRUE(claim_some(now_ + second_ * 1000).empty());
  EXPECT_EQ(in_write([&](Transaction& t) { return finish(t, item); }).code(), ErrorCode::kFailedPrecondition);
}

TEST_P(WorkTest, WhoLostItsLeaseCanWriteNothing) {
  add_item("x", now_);
  Item slow = claim_some(now_).at(0);
  const Item next = claim_some(now_ + std::chrono::seconds(61), 1, "b").at(0);
  EXPECT_EQ(next.attempts, 2);
  EXPECT_EQ(next.due, now_);
  EXPECT_EQ(in_write([&](Transaction& t) { return check_fence(t, slow); }).code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(in_write([&](Transaction& t) { return finish(t, slow); }).code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(in_write([&](Transaction& t) { return postpone(t, slow, now_); }).code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(in_write([&](Transaction& t) { return renew(t, slow, now_, second_); }).code(),
            ErrorCode::kFailedPrecondition);
  must(in_write([&](Transaction& t) { return finish(t, next); }));
}

TEST_P(WorkTest, ARenewedLeaseHolds) {
  add_item("x", now_);
  Item item = claim_some(now_).at(0);
  must(in_write([&](Transaction& t) { return renew(t, item, now_ + second_ * 50, std::chrono::seconds(60)); }));
  EXPECT_TRUE(claim_some(now_ + second_ * 100, 1, "b").empty());
  EXPECT_EQ(claim_some(now_ + second_ * 110, 1, "b").size(), 1u);
}

TEST_P(WorkTest, AddingTwiceIsOneItemAtTheEarlierTime) {
  add_item("x", now_ + second_ * 9, "first");
  add_item("x", now_ + second_ * 5, "second");
  add_item("x", now_ + second_ * 7, "third");
  EXPECT_TRUE(claim_some(now_ + second_ * 4).empty());
  EXPECT_EQ(claim_some(now_ + second_ * 5).at(0).payload, "first");
}

TEST_P(WorkTest, WhatIsAskedForWhileItIsAtWorkComesOnceMore) {
  add_item("x", now_);
  const Item item = claim_some(now_).at(0);
  add_item("x", now_ + second_);
  EXPECT_TRUE(claim_some(now_ + second_ * 2, 1, "b").empty()) << "it is still held";
  must(in_write([&](Transaction& t) { return finish(t, item); }));
  const Item again = claim_some(now_ + second_ * 2).at(0);
  EXPECT_EQ(again.attempts, 1);
  must(in_write([&](Transaction& t) { return finish(t, again); }));
  EXPECT_TRUE(claim_some(now_ + second_ * 1000).empty());
}

TEST_P(WorkTest, PostponedWorkComesBackWithItsNewPayload) {
  add_item("x", now_);
  Item item = claim_some(now_).at(0);
  must(in_write([&](Transaction& t) { return postpone(t, item, now_ + second_ * 3, "half done"); }));
  EXPECT_TRUE(claim_some(now_ + second_ * 2).empty());
  item = claim_some(now_ + second_ * 3).at(0);
  EXPECT_EQ(item.payload, "half done");
  EXPECT_EQ(item.attempts, 2);
  must(in_write([&](Transaction& t) { return postpone(t, item, now_, {}, false); }));
  item = claim_some(now_ + second_ * 3).at(0);
  EXPECT_EQ(item.attempts, 2);
  EXPECT_EQ(item.payload, "half done");
}

TEST_P(WorkTest, CancelledWorkIsRefusedToItsHolder) {
  add_item("x", now_);
  const Item item = claim_some(now_).at(0);
  must(in_write([&](Transaction& t) { return cancel(t, "job", "x"); }));
  EXPECT_EQ(in_write([&](Transaction& t) { return finish(t, item); }).code(), ErrorCode::kFailedPrecondition);
  add_item("x", now_);
  EXPECT_EQ(in_write([&](Transaction& t) { return finish(t, item); }).code(), ErrorCode::kFailedPrecondition)
      << "an item of the same name is another one";
}

TEST_P(WorkTest, TheRunnerCarriesOutWhatIsDueAndComesBackToFailures) {
  ManualClock clock(now_);
  Runner run = runner(clock);
  int calls = 0;
  run.handle("job", [&](const Context&, Item item) -> Status {
    if (++calls < 3) return Error{ErrorCode::kUnavailable, "not yet", {}};
    return in_write([&](Transaction& t) { return finish(t, item); });
  });
  add_item("x", now_);
  EXPECT_EQ(must(run.run_due(context_)), 1);
  EXPECT_EQ(must(run.run_due(context_)), 0) << "a second has to pass first";
  clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(must(run.run_due(context_)), 1);
  clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(must(run.run_due(context_)), 0) << "then two";
  clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(must(run.run_due(context_)), 1);
  clock.advance(std::chrono::hours(1));
  EXPECT_EQ(must(run.run_due(context_)), 0);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(log_.size(), 2u);
}

TEST_P(WorkTest, AHandlerThatThrowsOrForgetsToFinishIsTriedAgain) {
  ManualClock clock(now_);
  Runner run = runner(clock);
  int calls = 0;
  run.handle("job", [&](const Context&, const Item&) -> Status {
    if (++calls == 1) throw std::runtime_error("broken");
    return ok_status();
  });
  add_item("x", now_);
  EXPECT_EQ(must(run.run_due(context_)), 1);
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(must(run.run_due(context_)), 1);
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(must(run.run_due(context_)), 1);
}

TEST_P(WorkTest, TwoRunnersDoEverythingOnce) {
  SystemClock clock;
  constexpr int kItems = 60;
  for (int i = 0; i < kItems; ++i) add_item(std::to_string(i), now_);
  std::mutex mutex;
  std::multiset<std::string> done;
  std::atomic<int> most{0}, at_once{0};
  StopSource stop;
  const Context context(stop);
  auto start = [&](const char* holder) {
    return std::thread([&, holder] {
      Runner run = runner(clock, {.holder = holder, .parallel = {{"job", 2}}});
      run.handle("job", [&](const Context&, Item item) -> Status {
        most = std::max(most.load(), ++at_once);
        Status ended = catalog::in_transaction(database(), Context(), [&](Transaction& t) { return finish(t, item); });
        --at_once;
        std::lock_guard lock(mutex);
        if (ended.ok()) done.insert(item.subject);
        if (done.size() == kItems) stop.request_stop();
        return ended;
      });
      must(run.run(context, 4));
    });
  };
  std::thread one = start("one"), two = start("two");
  one.join();
  two.join();
  EXPECT_EQ(done.size(), static_cast<size_t>(kItems));
  EXPECT_EQ(std::set<std::string>(done.begin(), done.end()).size(), done.size());
  EXPECT_LE(most, 4) << "two each";
  EXPECT_EQ(number("SELECT COUNT(*) FROM work_items"), 0);
}

TEST_P(WorkTest, ALongHandlerKeepsItsLease) {
  SystemClock clock;
  add_item("x", now_);
  StopSource stop;
  const Context context(stop);
  Runner run = runner(clock, {.holder = "r", .lease = std::chrono::seconds(1)});
  std::atomic<bool> stopped_early{false};
  run.handle("job", [&](const Context& inner, Item item) -> Status {
    for (int i = 0; i < 25; ++i) clock.sleep_for(std::chrono::milliseconds(100));
    stopped_early = inner.stopped();
    stop.request_stop();
    return catalog::in_transaction(database(), Context(), [&](Transaction& t) { return finish(t, item); });
  });
  must(run.run(context, 2));
  EXPECT_FALSE(stopped_early);
  EXPECT_EQ(number("SELECT COUNT(*) FROM work_items"), 0);
}

TEST_P(WorkTest, AHandlerWhoseLeaseIsLostIsStopped) {
  SystemClock clock;
  add_item("x", now_);
  StopSource stop;
  const Context context(stop);
  Runner run = runner(clock, {.holder = "r", .lease = std::chrono::seconds(1)});
  run.handle("job", [&](const Context& inner, const Item&) -> Status {
    must(in_write([&](Transaction& t) { return cancel(t, "job", "x"); }));
    while (!inner.stopped()) clock.sleep_for(std::chrono::milliseconds(20));
    stop.request_stop();
    return Error{ErrorCode::kCancelled, "stopped", {}};
  });
  must(run.run(context, 2));
  EXPECT_EQ(number("SELECT COUNT(*) FROM work_items"), 0);
}

COFFER_ON_EVERY_CATALOG(WorkTest);

}  // namespace
}  // namespace coffer::work
