#include "base/tasks.h"

#include <atomic>
#include <numeric>

#include "base/testing.h"

namespace coffer {
namespace {

TEST(TaskGroup, WaitsForAllTasks) {
  std::atomic<int> done = 0;
  TaskGroup group{Context()};
  for (int i = 0; i < 20; ++i)
    group.spawn([&] {
      ++done;
      return ok_status();
    });

  EXPECT_TRUE(succeeds(group.wait()));
  EXPECT_EQ(done, 20);
}

TEST(TaskGroup, FirstFailureStopsTheOthersAndReachesTheOwner) {
  TaskGroup group{Context()};
  Channel<int> never(1);
  for (int i = 0; i < 4; ++i)
    group.spawn([&]() -> Status {
      never.pop(group.context());  // ends only by the stop
      return group.context().check();
    });
  group.spawn([]() -> Status { return Error{ErrorCode::kCorruption, "pack 12ab", {}}; });

  EXPECT_TRUE(fails_with(group.wait(), ErrorCode::kCorruption, "pack 12ab"));
}

TEST(TaskGroup, ParentStopReachesTheTasks) {
  StopSource stop;
  TaskGroup group{Context(stop)};
  Channel<int> never(1);
  group.spawn([&]() -> Status {
    never.pop(group.context());
    return group.context().check();
  });
  stop.request_stop();

  EXPECT_TRUE(fails_with(group.wait(), ErrorCode::kCancelled));
}

TEST(TaskGroup, ExceptionBecomesAnError) {
  TaskGroup group{Context()};
  group.spawn([]() -> Status {
    COFFER_ASSERT(false);
    return ok_status();
  });

  EXPECT_TRUE(fails_with(group.wait(), ErrorCode::kInternal, "invariant"));
}

// A simulated crash is no std::exception: it must unwind to the test that planted it, through the threads of a job.
TEST(TaskGroup, WhatIsNoStdExceptionIsThrownByWait) {
  struct Crash {};
  TaskGroup group{Context()};
  group.spawn([]() -> Status { throw Crash{}; });

  EXPECT_THROW((void)group.wait(), Crash);
}

TEST(TaskGroup, DestructorStopsAndJoins) {
  std::atomic<bool> ended = false;
  Channel<int> never(1);
  {
    TaskGroup group{Context()};
    group.spawn([&] {
      never.pop(group.context());
      ended = true;
      return ok_status();
    });
  }
  EXPECT_TRUE(ended);
}

TEST(Channel, GivesEveryItemOnceInOrder) {
  Channel<int> channel(3);
  const Context context;
  std::vector<int> got;
  TaskGroup group(context);
  group.spawn([&] {
    for (int i = 0; i < 1000; ++i) channel.push(group.context(), i);
    channel.close();
    return ok_status();
  });
  while (auto item = channel.pop(context)) got.push_back(*item);
  EXPECT_TRUE(succeeds(group.wait()));

  std::vector<int> expected(1000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(got, expected);
}

TEST(Channel, ManyReadersShareTheItems) {
  Channel<int> channel(2);
  std::atomic<int> sum = 0;
  TaskGroup group{Context()};
  for (int reader = 0; reader < 4; ++reader)
    group.spawn([&] {
      while (auto item = channel.pop(group.context())) sum += *item;
      return ok_status();
    });
  for (int i = 1; i <= 100; ++i) channel.push(Context(), i);
  channel.close();

  EXPECT_TRUE(succeeds(group.wait()));
  EXPECT_EQ(sum, 5050);
}

TEST(Channel, CloseKeepsWhatIsInIt) {
  Channel<int> channel(2);
  channel.push(Context(), 1);
  channel.close();

  EXPECT_FALSE(channel.push(Context(), 2));
  EXPECT_EQ(channel.pop(Context()), 1);
  EXPECT_EQ(channel.pop(Context()), std::nullopt);
}

TEST(Channel, StopEndsBothSides) {
  StopSource stop;
  const Context context(stop);
  Channel<int> full(1), empty(1);
  full.push(context, 1);
  stop.request_stop();

  EXPECT_FALSE(full.push(context, 2));
  EXPECT_EQ(empty.pop(context), std::nullopt);
}

TEST(ByteBudget, SharesNeverExceedTheLimit) {
  ByteBudget budget(100);
  std::atomic<int64_t> used = 0, most = 0;
  TaskGroup group{Context()};
  for (int task = 0; task < 4; ++task)
    group.spawn([&]() -> Status {
      for (int i = 0; i < 200; ++i) {
        COFFER_TRY(auto share, budget.take(group.context(), 40));
        const int64_t now = used += 40;
        for (int64_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        used -= 40;
      }
      return ok_status();
    });

  EXPECT_TRUE(succeeds(group.wait()));
  EXPECT_LE(most, 100);
}

TEST(ByteBudget, ShareLargerThanTheBudgetIsGrantedAlone) {
  ByteBudget budget(100);
  EXPECT_TRUE(succeeds(budget.take(Context(), 1000)));
}

TEST(ByteBudget, WaiterGivesUpWhenStopped) {
  ByteBudget budget(100);
  auto held = must(budget.take(Context(), 80));
  StopSource stop;
  stop.request_stop();

  EXPECT_TRUE(fails_with(budget.take(Context(stop), 40), ErrorCode::kCancelled));
}

TEST(ByteBudget, MovedShareIsGivenBackOnce) {
  ByteBudget budget(100);
  {
    auto first = must(budget.take(Context(), 100));
    auto second = std::move(first);
    second = ByteBudget::Share();
  }
  StopSource stop;
  stop.request_stop();
  EXPECT_TRUE(succeeds(budget.take(Context(stop), 100)));
}

}  // namespace
}  // namespace coffer
