// A process that dies at any commit, before or after it, leaves nothing half done: the next one ends the work once.
#include "services/backup/island.h"

namespace coffer::backup {
namespace {

using api::Value;
using std::chrono::minutes;

Value object(std::initializer_list<api::Members::value_type> members) { return Value::object(members); }

struct Told {
  std::string type, id, state;
};
std::vector<Told> told(Island& island) {
  std::vector<Told> all;
  auto t = island.read();
  for (const auto& entry : Island::must(catalog::outbox_due(*t, api::kEventTopic, WallTime{INT64_MAX}, 1'000'000))) {
    const auto event = boost::json::parse(entry.payload).as_object();
    const auto& detail = event.at("detail").as_object();
    const auto text = [&](const char* name) {
      const auto* value = detail.if_contains(name);
      return value && value->is_string() ? std::string(value->as_string()) : std::string();
    };
    std::string id = text("backupJobId") + text("copyJobId") + text("restoreJobId");
    all.push_back({std::string(event.at("detail-type").as_string()), id, text("state") + text("status")});
  }
  return all;
}
int64_t count(const std::vector<Told>& all, const std::string& type, const std::string& state) {
  return std::count_if(all.begin(), all.end(), [&](const Told& one) { return one.type == type && one.state == state; });
}

/// Prepares, makes the process die at the N-th commit of `work`, brings up another one until all is quiet, checks. For
/// every N until `work` ends without dying.
void sweep(const std::function<void(Island&)>& prepare, const std::function<void(Island&)>& work,
           const std::function<void(Island&)>& check) {
  int64_t commits = 0;
  for (const bool after : {false, true}) {
    bool died = true;
    for (int64_t number = 1; died; ++number) {
      SCOPED_TRACE((after ? "after commit " : "before commit ") + std::to_string(number));
      Island island(static_cast<uint64_t>(number));
      prepare(island);
      island.database.die_at(number, after);
      try {
        work(island);
      } catch (const testing_support::Died&) {
      }
      died = island.database.dead();
      commits = number;
      island.reopen();
      for (int i = 0; i < 8; ++i) {
        island.clock.advance(minutes(11));
        ASSERT_TRUE(island.tick());
      }
      check(island);
      if (testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(commits, 3) << "the sweep met too few commits to mean something";
}

void make_vaults(Island& island) {
  Island::must(island.call("CreateBackupVault", object({{"BackupVaultName", "daily"}})));
  Island::must(island.call("CreateBackupVault", object({{"BackupVaultName", "away"}}), "eu-west-1"));
  island.add_database("orders");
}
std::string start(Island& island) {
  return std::string(Island::must(island.call("StartBackupJob",
                                              object({{"BackupVaultName", "daily"},
                                                      {"ResourceArn", "arn:aws:rds:us-east-1:111111111111:db:orders"},
                                                      {"IamRoleArn", kIslandRole},
                                                      {"Lifecycle", object({{"DeleteAfterDays", 1}})}})))
                         .text("BackupJobId"));
}
void make_point(Island& island) {
  make_vaults(island);
  start(island);
  ASSERT_TRUE(island.tick());
}

TEST(Crashes, ABackupJobCompletesOnceWhereverItsProcessDies) {
  sweep([](Island& island) { make_vaults(island), start(island); }, [](Island& island) { island.tick(); },
        [](Island& island) {
          const auto jobs = island.all<rows::Job>();
          ASSERT_EQ(jobs.size(), 1u);
          EXPECT_EQ(jobs[0].state, "COMPLETED");
          EXPECT_EQ(island.all<rows::Point>().size(), 1u);
          EXPECT_EQ(island.engine.count(), 1u);
          EXPECT_EQ(island.engine.taken[jobs[0].label()], 1);
          const auto all = told(island);
          for (const char* state : {"CREATED", "RUNNING", "COMPLETED"})
            EXPECT_EQ(count(all, "Backup Job State Change", state), 1) << state;
          EXPECT_EQ(count(all, "Recovery Point State Change", "COMPLETED"), 1);
        });
}

TEST(Crashes, AProcessThatDiesInTheEngineIsFollowedByOneThatFindsWhatWasTaken) {
  sweep(
      [](Island& island) {
        make_vaults(island), start(island);
        island.engine.after = [&island](std::string_view) {
          island.engine.after = nullptr;
          throw testing_support::Died();
        };
      },
      [](Island& island) { island.tick(); },
      [](Island& island) {
        EXPECT_EQ(island.all<rows::Job>()[0].state, "COMPLETED");
        EXPECT_EQ(island.engine.count(), 1u);
        EXPECT_EQ(count(told(island), "Backup Job State Change", "COMPLETED"), 1);
      });
}

TEST(Crashes, AJobThatFailsFailsOnceWithItsReason) {
  sweep(
      [](Island& island) {
        make_vaults(island), start(island);
        island.engine.before = [](std::string_view what) -> Status {
          if (what == "take") return Error{ErrorCode::kFailedPrecondition, "no", {}};
          return ok_status();
        };
      },
      [](Island& island) { island.tick(); },
      [](Island& island) {
        const auto jobs = island.all<rows::Job>();
        EXPECT_EQ(jobs[0].state, "FAILED");
        EXPECT_EQ(jobs[0].message, "no");
        EXPECT_EQ(count(told(island), "Backup Job State Change", "FAILED"), 1);
      });
}

TEST(Crashes, ACopyIsMadeOnce) {
  sweep(
      [](Island& island) {
        make_point(island);
        Island::must(island.call("StartCopyJob", object({{"RecoveryPointArn", island.all<rows::Point>()[0].arn},
                                                         {"SourceBackupVaultName", "daily"},
                                                         {"DestinationBackupVaultArn",
                                                          "arn:aws:backup:eu-west-1:111111111111:backup-vault:away"},
                                                         {"IamRoleArn", kIslandRole}})));
      },
      [](Island& island) { island.tick(); },
      [](Island& island) {
        EXPECT_EQ(island.all<rows::Copy>()[0].state, "COMPLETED");
        EXPECT_EQ(island.all<rows::Point>().size(), 2u);
        EXPECT_EQ(island.engine.count(), 2u);
        EXPECT_EQ(count(told(island), "Copy Job State Change", "COMPLETED"), 1);
      });
}

TEST(Crashes, ARestoreRegistersItsDatabaseOnce) {
  sweep(
      [](Island& island) {
        make_point(island);
        Island::must(
            island.call("StartRestoreJob", object({{"RecoveryPointArn", island.all<rows::Point>()[0].arn},
                                                   {"IamRoleArn", kIslandRole},
                                                   {"Metadata", object({{"DBInstanceIdentifier", "again"}})}})));
      },
      [](Island& island) { island.tick(); },
      [](Island& island) {
        EXPECT_EQ(island.all<rows::Restore>()[0].state, "COMPLETED") << island.all<rows::Restore>()[0].message;
        EXPECT_EQ(count(told(island), "Restore Job State Change", "COMPLETED"), 1);
      });
}

TEST(Crashes, ADeletionGoesThroughToTheEnd) {
  sweep(
      [](Island& island) {
        make_point(island);
        Island::must(island.call(
            "DeleteRecoveryPoint",
            object({{"BackupVaultName", "daily"}, {"RecoveryPointArn", island.all<rows::Point>()[0].arn}})));
      },
      [](Island& island) {
        island.tick();
        island.clock.advance(minutes(20));
        if (!island.database.dead()) island.tick();
      },
      [](Island& island) {
        EXPECT_TRUE(island.all<rows::Point>().empty());
        EXPECT_EQ(island.engine.count(), 0u);
        EXPECT_EQ(count(told(island), "Recovery Point State Change", "DELETING"), 1);
      });
}

TEST(Crashes, APlansRunIsMadeOnceForEachDatabase) {
  sweep(
      [](Island& island) {
        make_vaults(island);
        for (const char* name : {"a", "b", "c"}) island.add_database(name);
        const std::string plan(
            Island::must(
                island.call(
                    "CreateBackupPlan",
                    object({{"BackupPlan",
                             object({{"BackupPlanName", "p"},
                                     {"Rules", api::List{object({{"RuleName", "r"},
                                                                 {"TargetBackupVaultName", "daily"},
                                                                 {"ScheduleExpression", "cron(0 5 ? * * *)"}})}}})}})))
                .text("BackupPlanId"));
        Island::must(island.call("CreateBackupSelection",
                                 object({{"BackupPlanId", plan},
                                         {"BackupSelection", object({{"SelectionName", "s"},
                                                                     {"IamRoleArn", kIslandRole},
                                                                     {"Resources", api::text_list({"*"})}})}})));
        constexpr int64_t kDay = 86'400'000'000;
        const int64_t today = island.clock.wall().micros % kDay;
        island.clock.advance(std::chrono::microseconds(kDay - today) + std::chrono::hours(5));
      },
      [](Island& island) { island.tick(); },
      [](Island& island) {
        const auto jobs = island.all<rows::Job>();
        EXPECT_EQ(jobs.size(), 4u);
        for (const rows::Job& job : jobs) EXPECT_EQ(job.state, "COMPLETED");
        EXPECT_EQ(count(told(island), "Backup Job State Change", "COMPLETED"), 4);
      });
}

}  // namespace
}  // namespace coffer::backup
