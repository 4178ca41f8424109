// Speed of the catalog on SQLite and of the audit log: catalog_speed FOLDER [RECORDS]. The folder decides the disk; the
// catalog in it is made anew.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "engine/crypto/ed25519.h"
#include "services/audit/audit_log.h"

namespace {

using namespace coffer;

template <class T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

double seconds(MonoTime from) { return std::chrono::duration<double>(SystemClock().mono() - from).count(); }

audit::Record sample(uint64_t number) {
  audit::Record r;
  r.time = SystemClock().wall();
  r.caller.kind = api::Caller::Kind::kUser;
  r.caller.account = r.account = "111122223333";
  r.caller.arn = r.caller.principal_arn = "arn:aws:iam::111122223333:user/team/alice";
  r.caller.user_id = r.caller.principal_id = "AIDAEXAMPLEEXAMPLE";
  r.caller.user_name = "alice";
  r.caller.access_key_id = "AKIAEXAMPLEEXAMPLE";
  r.service = "kms";
  r.operation = "Decrypt";
  r.region = "eu-central-1";
  r.source_ip = "192.0.2.7";
  r.user_agent = "aws-sdk-rust/1.3.9 os/linux lang/rust/1.81.0";
  r.request_id = "6c1d8e4e-5a6b-4c7d-8e9f-000000000000";
  r.request_parameters = R"({"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"vault":"main"}})";
  r.resources = {"arn:aws:kms:eu-central-1:111122223333:key/0000-" + std::to_string(number % 50)};
  return r;
}

void reads(catalog::Database& database) {
  constexpr int kRounds = 20'000;
  double best = 1e9;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const MonoTime begun = SystemClock().mono();
    for (int64_t i = 0; i < kRounds; ++i) {
      auto transaction = must(database.begin(Context(), catalog::Database::Mode::kRead));
      must(transaction->run("SELECT value FROM point WHERE id = $1", {i % 1000}));
      must(transaction->commit());
    }
    best = std::min(best, seconds(begun) / kRounds * 1e6);
  }
  std::printf("read transaction with one point query: %.1f us\n", best);
}

void commits(catalog::Database& database) {
  constexpr int kRounds = 500;
  const MonoTime begun = SystemClock().mono();
  for (int64_t i = 0; i < kRounds; ++i) {
    must(catalog::in_transaction(database, Context(), [&](catalog::Transaction& transaction) -> Status {
      COFFER_CHECK_OK(transaction.run("UPDATE point SET value = 'changed' WHERE id = $1", {i}));
      return ok_status();
    }));
  }
  std::printf("durable commits one after the other: %.0f/s\n", kRounds / seconds(begun));
}

void commits_of(catalog::Database& database, int64_t writers) {
  constexpr std::chrono::seconds kTime{3};
  const MonoTime begun = SystemClock().mono();
  std::vector<std::thread> threads;
  std::vector<std::vector<double>> waits(static_cast<size_t>(writers));
  for (int64_t w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      for (int64_t i = w; SystemClock().mono() - begun < kTime; i += writers) {
        const MonoTime asked = SystemClock().mono();
        must(catalog::in_transaction(database, Context(), [&](catalog::Transaction& transaction) -> Status {
          // Never the value that it has: that would write nothing.
          const std::string value = std::to_string(i) + " of " + std::to_string(writers);
          COFFER_CHECK_OK(transaction.run("UPDATE point SET value = $2 WHERE id = $1", {i % 1000, value}));
          return ok_status();
        }));
        waits[static_cast<size_t>(w)].push_back(seconds(asked) * 1e3);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::vector<double> all;
  for (const auto& some : waits) all.insert(all.end(), some.begin(), some.end());
  std::sort(all.begin(), all.end());
  std::printf("durable commits of %lld writers: %.0f/s, median %.2f ms, 99 of 100 within %.2f ms\n",
              static_cast<long long>(writers), static_cast<double>(all.size()) / seconds(begun), all[all.size() / 2],
              all[all.size() * 99 / 100]);
}

void appends(catalog::Database& database, audit::AuditLog& log) {
  constexpr int kRounds = 500;
  const MonoTime begun = SystemClock().mono();
  for (uint64_t i = 0; i < kRounds; ++i) {
    must(catalog::in_transaction(database, Context(), [&](catalog::Transaction& transaction) -> Status {
      COFFER_CHECK_OK(transaction.run("UPDATE point SET value = 'again' WHERE id = $1", {static_cast<int64_t>(i)}));
      return log.append(transaction, sample(i));
    }));
  }
  std::printf("the same with a record each: %.0f/s\n", kRounds / seconds(begun));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "catalog_speed FOLDER [RECORDS]\n"), 2;
  const uint64_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  const std::string path = std::string(argv[1]) + "/catalog_speed.db";
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  const Bytes seed(32, std::byte{7});
  SystemClock clock;
  SystemEntropy entropy;
  auto database = must(catalog::Database::open(path));
  must(database->migrate(Context(), audit::migrations()));
  must(catalog::in_transaction(*database, Context(), [](catalog::Transaction& transaction) -> Status {
    COFFER_CHECK_OK(transaction.run("CREATE TABLE point (id BIGINT PRIMARY KEY, value TEXT)"));
    for (int64_t i = 0; i < 1000; ++i)
      COFFER_CHECK_OK(transaction.run("INSERT INTO point (id, value) VALUES ($1, 'value')", {i}));
    return ok_status();
  }));
  reads(*database);
  commits(*database);
  for (int64_t writers : {1, 8, 32}) commits_of(*database, writers);
  {
    auto log = must(audit::open_audit_log(*database, clock, entropy, Secret::copy_of(seed)));
    appends(*database, *log);
    const MonoTime begun = clock.mono();
    std::vector<std::thread> callers;
    for (uint64_t t = 0; t < 2; ++t) {
      callers.emplace_back([&, t] {
        for (uint64_t i = t; i < count; i += 2) must(log->enqueue(sample(i)));
      });
    }
    for (auto& caller : callers) caller.join();
    must(log->flush(Context()));
    std::printf("enqueued and durable: %.0f/s\n", static_cast<double>(count) / seconds(begun));
    must(log->checkpoint(Context(), true));
  }
  const MonoTime begun = clock.mono();
  const auto report = must(audit::verify(*database, Context(), crypto::ed25519_public_key(seed)));
  std::printf("verified %llu records in %.2f s: %zu problems\n", static_cast<unsigned long long>(report.records),
              seconds(begun), report.problems.size());
  for (const auto& [key, value] : {std::pair{"Username", "alice"}, std::pair{"EventName", "CreateKey"},
                                   std::pair{"ResourceType", "AWS::KMS::Key"}, std::pair{"ReadOnly", "false"}}) {
    const MonoTime asked = clock.mono();
    auto transaction = must(database->begin(Context(), catalog::Database::Mode::kRead));
    const auto page =
        must(audit::lookup(*transaction, "111122223333", audit::LookupFilter{key, value}, {}, {}, {}, 50));
    std::printf("lookup by %s: %zu events in %.2f ms\n", key, page.events.size(), seconds(asked) * 1e3);
  }
  std::printf("the catalog has %.0f bytes a record\n",
              static_cast<double>(std::filesystem::file_size(path)) / static_cast<double>(report.records));
  return report.problems.empty() ? 0 : 1;
}
