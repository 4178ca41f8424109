// Claims of work a second by two daemons that share a catalog: work_claims CATALOG [ITEMS] [CLAIMS AT ONCE]. The
// catalog, best one on PostgreSQL, is an empty database; each daemon is a thread with connections of its own that
// claims and finishes until nothing is left.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "services/catalog/database.h"
#include "services/work/work.h"

namespace {

using namespace coffer;

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.error().message.c_str());
  std::exit(1);
}

std::unique_ptr<catalog::Database> open(const char* where) {
  auto database = catalog::Database::open(where);
  if (!database.ok()) must(std::move(database).error());
  return std::move(*database);
}

constexpr int kWorkers = 4;

int64_t drain(catalog::Database& database, const std::string& holder, int64_t at_once) {
  const std::vector<std::string> kinds{"bench"};
  int64_t done = 0;
  while (true) {
    std::vector<work::Item> items;
    must(catalog::in_transaction(
        database, Context(),
        [&](catalog::Transaction& t) -> Status {
          COFFER_TRY(items, work::claim(t, kinds, holder, SystemClock().wall(), std::chrono::seconds(60), at_once));
          return ok_status();
        },
        1000));
    if (items.empty()) return done;
    for (const work::Item& item : items) {
      must(catalog::in_transaction(
          database, Context(), [&](catalog::Transaction& t) { return work::finish(t, item); }, 1000));
      ++done;
    }
  }
}

/// How many this daemon did.
int64_t daemon_of(const char* where, const std::string& holder, int64_t at_once) {
  const auto database = open(where);
  std::atomic<int64_t> done{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < kWorkers; ++i) workers.emplace_back([&] { done += drain(*database, holder, at_once); });
  for (std::thread& worker : workers) worker.join();
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: work_claims CATALOG [ITEMS] [CLAIMS AT ONCE]\n");
    return 2;
  }
  const int64_t items = argc > 2 ? std::atoll(argv[2]) : 5000, at_once = argc > 3 ? std::atoll(argv[3]) : 4;
  const auto database = open(argv[1]);
  std::vector<catalog::Migration> all(catalog::migrations().begin(), catalog::migrations().end());
  all.insert(all.end(), work::migrations().begin(), work::migrations().end());
  must(database->migrate(Context(), all));
  must(catalog::in_transaction(*database, Context(), [&](catalog::Transaction& t) -> Status {
    for (int64_t i = 0; i < items; ++i)
      COFFER_CHECK_OK(work::add(t, "bench", std::to_string(i), "", SystemClock().wall()));
    return ok_status();
  }));
  const MonoTime begun = SystemClock().mono();
  std::atomic<int64_t> first{0}, second{0};
  std::thread other([&] { first = daemon_of(argv[1], "one", at_once); });
  second = daemon_of(argv[1], "two", at_once);
  other.join();
  const double seconds = std::chrono::duration<double>(SystemClock().mono() - begun).count();
  std::printf("%lld + %lld of %lld items in %.1f s: %.0f claimed and finished a second, %lld at a time\n",
              static_cast<long long>(first), static_cast<long long>(second), static_cast<long long>(items), seconds,
              static_cast<double>(items) / seconds, static_cast<long long>(at_once));
  return first + second == items ? 0 : 1;
}
