// Backup by itself: everybody may everything, keys are made up, the engine has no data, the process may die at any
// commit. For sweeps and simulations, which make thousands of jobs.
#pragma once
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <random>

#include "services/api/event.h"
#include "services/backup/rows.h"
#include "services/backup/service.h"
#include "services/catalog/outbox.h"
#include "services/iam/service.h"
#include "services/organizations/service.h"
#include "services/rds/rows.h"
#include "support/crashing_database.h"
#include "support/fake_engine.h"

namespace coffer::backup {

inline const std::string kIslandAccount = "111111111111", kIslandRole = "arn:aws:iam::111111111111:role/backup";

class OpenAuthority final : public iam::Authority {
 public:
  Result<iam::Credential> find_credential(const Context&, std::string_view, std::string_view, WallTime) override {
    return Error{ErrorCode::kUnauthenticated, "nobody signs here", {}};
  }
  Result<std::shared_ptr<const iam::Identity>> assume_for_service(catalog::Transaction&, std::string_view role,
                                                                  std::string_view, const api::Call&) override {
    auto identity = std::make_shared<iam::Identity>();
    identity->caller.kind = api::Caller::Kind::kRoleSession;
    identity->caller.account = kIslandAccount;
    identity->caller.arn = role;
    return std::shared_ptr<const iam::Identity>(std::move(identity));
  }
  Status authorize(catalog::Transaction&, const api::Call&, const iam::Identity&,
                   const std::vector<api::AccessRequest>&) override {
    return ok_status();
  }
  Result<bool> principal_exists(catalog::Transaction&, std::string_view) override { return true; }
  void note_use(std::string_view, std::string_view, std::string_view, WallTime) override {}
};

class Island {
 public:
  template <class T>
  static T must(Result<T> result) {
    if (!result.ok()) throw std::runtime_error(result.error().name + ": " + result.error().message);
    return std::move(result).value();
  }

  explicit Island(uint64_t seed)
      : entropy(seed), engine(clock), catalog_(must(catalog::Database::open(":memory:"))), database(*catalog_) {
    std::vector<catalog::Migration> all;
    for (auto some : {catalog::migrations(), iam::migrations(), organizations::migrations(), work::migrations(),
                      rds::migrations(), migrations()})
      all.insert(all.end(), some.begin(), some.end());
    must(catalog_->migrate(Context(), all));
    open();
  }

  void open() {
    Options options;
    options.regions = {"us-east-1", "eu-west-1"};
    options.restore_root = "/restores";
    service = open_service(
        database, authority_,
        [](const api::Call&, const iam::Identity*, const api::Value&) -> Result<api::Value> {
          return api::Value::object({{"KeyId", "key"}});
        },
        rds, engine, clock, entropy, options);
    actions_ = service->actions().actions;
    work::RunnerOptions runner_options;
    runner_options.holder = "daemon-" + std::to_string(++daemons_);
    runner = std::make_unique<work::Runner>(database, clock, runner_options, [](std::string_view, std::string_view) {});
    service->add_handlers(*runner);
  }
  void close() {
    runner.reset();
    service.reset();
    actions_.clear();
  }
  /// As when a daemon that died is started again.
  void reopen() {
    close();
    database.revive();
    open();
  }

  Result<api::Value> call(const std::string& operation, api::Value input, const std::string& region = "us-east-1") {
    for (const api::Action& action : actions_) {
      if (action.operation != operation) continue;
      api::Call call;
      call.caller.kind = api::Caller::Kind::kRoot;
      call.caller.account = kIslandAccount;
      call.caller.arn = "arn:aws:iam::" + kIslandAccount + ":root";
      call.service = "backup";
      call.operation = operation;
      call.region = region;
      call.time = clock.wall();
      COFFER_TRY(auto t, database.begin(call.context, action.changes ? catalog::Database::Mode::kWrite
                                                                     : catalog::Database::Mode::kRead));
      api::Operation o{call, input, *t};
      if (action.prepare) {
        COFFER_TRY(o.prepared, action.prepare(o));
      }
      COFFER_TRY(api::Value output, action.run(o));
      if (action.changes) COFFER_CHECK_OK(t->commit());
      return output;
    }
    throw std::logic_error("no operation " + operation);
  }

  std::string add_database(const std::string& name, const std::map<std::string, std::string>& tags = {}) {
    rds::Database d;
    d.account = kIslandAccount;
    d.region = "us-east-1";
    d.identifier = name;
    d.resource_id = "db-" + name;
    d.system_identifier = 7;
    d.engine_version = "15.18";
    d.tags = tags;
    d.created = d.probed = clock.wall();
    must(catalog::in_transaction(*catalog_, Context(),
                                 [&](catalog::Transaction& t) { return rds::rows::insert_database(t, d, Bytes(8)); }));
    return d.arn();
  }

  /// One look of the daemon. False: it died.
  bool tick() {
    try {
      const Status looked = service->run_due(Context(), clock.wall());
      if (!looked.ok() && !database.dead()) throw std::runtime_error("run_due: " + looked.error().message);
      if (between && !database.dead()) between();
      if (!database.dead()) {
        const auto ran = runner->run_due(Context());
        if (!ran.ok() && !database.dead()) throw std::runtime_error("runner: " + ran.error().message);
      }
    } catch (const testing_support::Died&) {
    }
    return !database.dead();
  }

  /// What is in the catalog, whether the daemon lives or not.
  std::unique_ptr<catalog::Transaction> read() {
    return must(catalog_->begin(Context(), catalog::Database::Mode::kRead));
  }
  template <class T>
  std::vector<T> all(std::string_view where = "") {
    return must(rows::select<T>(*read(), where));
  }

  std::function<void()> between;  // the two halves of a tick: what is due, and work
  ManualClock clock{WallTime{1'800'000'000'000'000}};
  SeededEntropy entropy;
  testing_support::FakeRds rds;
  testing_support::FakeEngine engine;

 private:
  std::unique_ptr<catalog::Database> catalog_;
  OpenAuthority authority_;
  std::vector<api::Action> actions_;
  int daemons_ = 0;

 public:
  testing_support::CrashingDatabase database;
  std::unique_ptr<Service> service;
  std::unique_ptr<work::Runner> runner;
};

}  // namespace coffer::backup
