#include <algorithm>
#include <atomic>
#include <condition_variable>

#include "base/tasks.h"
#include "services/work/work.h"

namespace coffer::work {
namespace {

constexpr int kParallel = 4;
constexpr std::chrono::milliseconds kLook{100};
constexpr std::chrono::seconds kFirstDelay{1}, kDelayMax{300};

std::chrono::seconds delay_after(int64_t attempts) {
  const int64_t doublings = std::clamp<int64_t>(attempts - 1, 0, 16);
  return std::min(kFirstDelay * (int64_t{1} << doublings), kDelayMax);
}

}  // namespace

struct Runner::State {
  /// An item at work in this process.
  struct Running {
    Item item;
    StopSource stop;
  };

  catalog::Database& database;
  Clock& clock;
  RunnerOptions options;
  std::function<void(std::string_view, std::string_view)> log;
  std::map<std::string, Handler> handlers;

  std::mutex mutex;
  std::condition_variable changed;
  std::map<int64_t, std::shared_ptr<Running>> running;
  bool look_now = false;

  State(catalog::Database& d, Clock& c, RunnerOptions o, std::function<void(std::string_view, std::string_view)> l)
      : database(d), clock(c), options(std::move(o)), log(std::move(l)) {}

  int parallel_of(const std::string& kind) const {
    const auto found = options.parallel.find(kind);
    return found == options.parallel.end() ? kParallel : found->second;
  }

  /// Kinds of which this process may have another one at work, and how many.
  std::map<std::string, int64_t> rooms() {
    std::map<std::string, int64_t> left;
    std::lock_guard lock(mutex);
    for (const auto& [kind, handler] : handlers) left[kind] = parallel_of(kind);
    for (const auto& [id, one] : running) --left[one->item.kind];
    std::erase_if(left, [](const auto& entry) { return entry.second <= 0; });
    return left;
  }

  Result<std::vector<Item>> claim_due(const Context& context, int64_t limit) {
    std::vector<Item> items;
    std::map<std::string, int64_t> due;
    {
      // Most looks find nothing, and a look that only reads waits for nobody.
      COFFER_TRY(auto reading, database.begin(context, catalog::Database::Mode::kRead));
      for (const auto& [kind, room] : rooms()) {
        COFFER_TRY(auto wake, next_due(*reading, std::span(&kind, 1)));
        if (wake && *wake <= clock.wall()) due.emplace(kind, room);
      }
    }
    for (const auto& [kind, room] : due) {
      const int64_t wanted = std::min(room, limit - static_cast<int64_t>(items.size()));
      if (wanted <= 0) break;
      std::vector<Item> claimed;
      COFFER_CHECK_OK(catalog::in_transaction(database, context, [&](catalog::Transaction& t) -> Status {
        COFFER_TRY(claimed, claim(t, std::span(&kind, 1), options.holder, clock.wall(), options.lease, wanted));
        return ok_status();
      }));
      std::move(claimed.begin(), claimed.end(), std::back_inserter(items));
    }
    return items;
  }

  /// What a handler left open is due again later. `stopping`: one that only ended because everything stops has not
  /// failed.
  void settle(const Item& item, const Status& done, bool stopping) {
    if (!done.ok() && !stopping)
      log("warning",
          item.kind + " " + item.subject + ", attempt " + std::to_string(item.attempts) + ": " + done.error().message);
    const WallTime again = stopping ? clock.wall() : clock.wall() + delay_after(item.attempts);
    const Status settled = catalog::in_transaction(database, Context(), [&](catalog::Transaction& t) -> Status {
      if (!check_fence(t, item).ok()) return ok_status();  // ended by the handler, or somebody else's now
      return postpone(t, item, again, {}, !stopping);
    });
    if (!settled.ok()) log("warning", item.kind + " " + item.subject + ": " + settled.error().message);
  }

  void carry_out(const Context& context, const std::shared_ptr<Running>& one) {
    const Item& item = one->item;
    Status done = ok_status();
    try {
      done = handlers.at(item.kind)(context.with_stop(one->stop), item);
    } catch (const std::exception& e) {
      done = Error{ErrorCode::kInternal, std::string("a handler threw: ") + e.what(), {}};
    }
    settle(item, done, context.stopped());
    std::lock_guard lock(mutex);
    running.erase(item.id);
    look_now = true;
    changed.notify_all();
  }

  bool nothing_runs() {
    std::lock_guard lock(mutex);
    return running.empty();
  }

  std::shared_ptr<Running> begin(Item item) {
    auto one = std::make_shared<Running>();
    one->item = std::move(item);
    std::lock_guard lock(mutex);
    running[one->item.id] = one;
    return one;
  }

  /// Extends what is held; a handler whose lease is lost is stopped.
  void keep_leases() {
    std::vector<std::shared_ptr<Running>> held;
    {
      std::lock_guard lock(mutex);
      for (const auto& [id, one] : running) held.push_back(one);
    }
    for (const auto& one : held) {
      Item copy = one->item;
      const Status renewed = catalog::in_transaction(
          database, Context(), [&](catalog::Transaction& t) { return renew(t, copy, clock.wall(), options.lease); });
      if (!renewed.ok() && renewed.code() == ErrorCode::kFailedPrecondition) one->stop.request_stop();
    }
  }
};

Runner::Runner(catalog::Database& database, Clock& clock, RunnerOptions options,
               std::function<void(std::string_view, std::string_view)> log)
    : state_(std::make_shared<State>(database, clock, std::move(options), std::move(log))) {}

void Runner::handle(std::string kind, Handler handler) { state_->handlers[std::move(kind)] = std::move(handler); }

Result<int64_t> Runner::run_due(const Context& context) {
  int64_t count = 0;
  while (!context.stopped()) {
    COFFER_TRY(std::vector<Item> items, state_->claim_due(context, 1));
    if (items.empty()) break;
    state_->carry_out(context, state_->begin(std::move(items.front())));
    ++count;
  }
  return count;
}

Status Runner::run(const Context& context, int threads) {
  Channel<std::shared_ptr<State::Running>> queue(static_cast<size_t>(threads) * 2);
  std::atomic<int> idle{threads};
  TaskGroup tasks{Context()};
  for (int i = 0; i < threads; ++i) {
    tasks.spawn([&] {
      while (auto one = queue.pop(tasks.context())) {
        state_->carry_out(context, *one);
        ++idle;
      }
      return ok_status();
    });
  }
  tasks.spawn([&] {
    MonoTime renewed = state_->clock.mono();
    while (!(context.stopped() && state_->nothing_runs())) {
      if (state_->clock.mono() - renewed > std::chrono::nanoseconds(state_->options.lease) / 3) {
        state_->keep_leases();
        renewed = state_->clock.mono();
      }
      Result<std::vector<Item>> items = context.stopped() ? std::vector<Item>() : state_->claim_due(context, idle);
      if (!items.ok() && items.code() != ErrorCode::kCancelled)
        state_->log("error", "looking for work: " + items.error().message);
      if (items.ok()) {
        for (Item& item : *items) {
          --idle;
          queue.push(tasks.context(), state_->begin(std::move(item)));
        }
      }
      std::unique_lock lock(state_->mutex);
      state_->changed.wait_for(lock, kLook, [&] { return state_->look_now; });
      state_->look_now = false;
    }
    queue.close();
    return ok_status();
  });
  return tasks.wait();
}

void Runner::wake() {
  std::lock_guard lock(state_->mutex);
  state_->look_now = true;
  state_->changed.notify_all();
}

}  // namespace coffer::work
