// Work: things to do once, soon or at a time, by whichever daemon of the catalog comes first. An item is added in the
// transaction of the state change that makes it necessary and finished in the transaction of its effect, under a lease
// with a fencing token: a daemon that was killed or paused loses its lease, another one begins again, and what the
// first still wants to write is refused. A handler therefore finds out what an earlier attempt already did.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/result.h"
#include "services/catalog/database.h"

namespace coffer::work {

struct Item {
  int64_t id = 0;
  std::string kind;     // "backup.job": names the handler
  std::string subject;  // unique in its kind: the job's id
  std::string payload;  // JSON or empty; the handler's
  WallTime due;
  int64_t attempts = 0;  // begun, this one included
  std::string holder;
  int64_t token = 0;  // grows with every claim of this item
  WallTime lease_until;
};

/// Adds an item; when there is one of this kind and subject its due time becomes the earlier one and nothing else
/// changes.
Status add(catalog::Transaction& transaction, std::string_view kind, std::string_view subject, std::string_view payload,
           WallTime due);
/// Takes up to `limit` items of these kinds that are due and held by nobody (or by a lease that has run out), the
/// oldest due first. On PostgreSQL two daemons do not wait for each other.
Result<std::vector<Item>> claim(catalog::Transaction& transaction, std::span<const std::string> kinds,
                                std::string_view holder, WallTime now, std::chrono::seconds lease, int64_t limit);
/// Extends the lease; kFailedPrecondition when it was taken over, or the item is gone.
Status renew(catalog::Transaction& transaction, Item& item, WallTime now, std::chrono::seconds lease);
/// kFailedPrecondition when another one holds it now: what this transaction writes must not be.
Status check_fence(catalog::Transaction& transaction, const Item& item);
/// Done for good, with check_fence(): the item is gone.
Status finish(catalog::Transaction& transaction, const Item& item);
/// Again at `due`, held by nobody, with check_fence(). An empty `payload` keeps the old one. `begun` false: this claim
/// does not count as an attempt.
Status postpone(catalog::Transaction& transaction, const Item& item, WallTime due, std::string_view payload = {},
                bool begun = true);
/// The item of this kind and subject goes, whoever holds it: its holder's next write is refused.
Status cancel(catalog::Transaction& transaction, std::string_view kind, std::string_view subject);
/// When the next item of these kinds is due; nothing when there is none that nobody holds.
Result<std::optional<WallTime>> next_due(catalog::Transaction& transaction, std::span<const std::string> kinds);

/// Carries out one item. It ends the item itself with finish() or postpone() in its own transaction. When it returns an
/// error, or forgets to, the runner postpones the item: 1 s, doubling, at most 5 minutes. `context` is stopped when the
/// lease is lost.
using Handler = std::function<Status(const Context& context, Item item)>;

struct RunnerOptions {
  std::string holder;  // of this process, unique: "host:pid:random"
  std::chrono::seconds lease{60};
  std::map<std::string, int> parallel = {};  // kind -> at most so many at once in this process; others 4
};

/// Runs items by their handlers. Safe from many threads.
class Runner {
 public:
  /// All borrowed.
  Runner(catalog::Database& database, Clock& clock, RunnerOptions options,
         std::function<void(std::string_view level, std::string_view text)> log);
  /// Before the first run.
  void handle(std::string kind, Handler handler);
  /// Claims and carries out what is due, one item after the other, until nothing is; how many. For simulations and
  /// tests.
  Result<int64_t> run_due(const Context& context);
  /// Works with threads of its own until `context` stops, leases kept alive meanwhile; then waits for what runs (whose
  /// context is stopped as well).
  Status run(const Context& context, int threads);
  /// Something was added: look at once.
  void wake();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

std::span<const catalog::Migration> migrations();  // numbers 600-619

}  // namespace coffer::work
