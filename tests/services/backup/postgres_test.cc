// The same on a shared catalog: the statements of jobs, points and lists on PostgreSQL.
#include "services/backup/world.h"
#include "services/catalog/catalogs.h"

namespace coffer::backup {
namespace {

std::string postgres_or_memory() {
  return testing_support::TestServer::binaries(15) ? catalog::SharedServer::new_database() : ":memory:";
}

class OnPostgres : public World {
 protected:
  OnPostgres() : OnPostgres(postgres_or_memory()) {}
  explicit OnPostgres(const std::string& where) : World(where), where_(where) {}
  void SetUp() override { COFFER_NEED_POSTGRES(15); }
  const std::string where_;
};

TEST_F(OnPostgres, ALifeOfPlansJobsPointsCopiesRestoresAndHolds) {
  to_midnight();
  vault("daily");
  const std::string far = vault("away", {}, kFar);
  const std::string orders = database("orders", {{"team", "a"}});
  const std::string id =
      plan("p", {rule("a", "daily", "cron(0 5 ? * * *)",
                      object({{"Lifecycle", days(2)},
                              {"CopyActions", api::List{object({{"DestinationBackupVaultArn", far}})}}}))});
  select_all(id);
  pass(hours(6));
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0].text("State"), "COMPLETED") << jobs()[0].text("StatusMessage");
  const std::string arn(jobs()[0].text("RecoveryPointArn"));
  EXPECT_EQ(must(backup("ListCopyJobs")).list("CopyJobs")[0].text("State"), "COMPLETED");
  must(backup("StartRestoreJob", object({{"RecoveryPointArn", arn},
                                         {"IamRoleArn", role_},
                                         {"Metadata", api::text_map({{"DBInstanceIdentifier", "again"}})}})));
  work();
  EXPECT_EQ(must(backup("ListRestoreJobs")).list("RestoreJobs")[0].text("Status"), "COMPLETED");
  EXPECT_EQ(
      must(backup("ListRestoreJobsByProtectedResource", object({{"ResourceArn", orders}}))).list("RestoreJobs").size(),
      1u);
  const Value hold =
      must(backup("CreateLegalHold", object({{"Title", "t"},
                                             {"Description", "d"},
                                             {"RecoveryPointSelection", object({{"VaultNames", texts({"daily"})}})}})));
  pass(hours(2));
  EXPECT_EQ(must(backup("ListRecoveryPointsByLegalHold", object({{"LegalHoldId", hold.text("LegalHoldId")}})))
                .list("RecoveryPoints")
                .size(),
            1u);
  for (const char* filter : {"ByState", "ByBackupVaultName", "ByResourceArn", "ByResourceType", "ByMessageCategory"})
    EXPECT_TRUE(backup("ListBackupJobs", object({{filter, "nothing"}})).ok()) << filter;
  EXPECT_EQ(
      jobs(object({{"ByCompleteAfter", WallTime{0}}, {"ByCompleteBefore", clock_.wall()}, {"MaxResults", 1}})).size(),
      1u);
  EXPECT_EQ(
      must(backup("ListRecoveryPointsByBackupVault",
                  object({{"BackupVaultName", "daily"}, {"ByCreatedAfter", WallTime{0}}, {"ByBackupPlanId", id}})))
          .list("RecoveryPoints")
          .size(),
      1u);
  EXPECT_EQ(must(backup("ListProtectedResourcesByBackupVault", object({{"BackupVaultName", "daily"}})))
                .list("Results")
                .size(),
            1u);
  for (const char* operation : {"ListBackupPlans", "ListBackupVaults", "ListLegalHolds", "ListProtectedResources",
                                "ListBackupJobSummaries", "ListCopyJobSummaries", "ListRestoreJobSummaries"})
    EXPECT_EQ(error_of(backup(operation)), "") << operation;
  clock_.jump_to(clock_.wall() - std::chrono::hours(30));
  work();
  clock_.jump_to(clock_.wall() + std::chrono::hours(30));
  pass_days(3);
  EXPECT_EQ(status("daily", arn), "EXPIRED");
  must(backup(
      "CancelLegalHold",
      object({{"LegalHoldId", hold.text("LegalHoldId")}, {"CancelDescription", "x"}, {"RetainRecordInDays", 0}})));
  pass(hours(5));
  EXPECT_EQ(status("daily", arn), "ResourceNotFoundException");
  EXPECT_TRUE(must(backup("ListLegalHolds")).list("LegalHolds").empty());
  EXPECT_TRUE(log_.empty()) << log_.front();
}

TEST_F(OnPostgres, OfTwoDaemonsThatShareACatalogOneDiesAndTheOtherEndsItsJobOnce) {
  vault("daily");
  const std::string id = start("daily", database("orders"));
  const std::unique_ptr<catalog::Database> same = iam::must(catalog::Database::open(where_));
  const auto nothing = [](const api::Call&, const iam::Identity*, const Value&) -> Result<Value> { return Value(); };
  const auto second =
      open_service(*same, *authority_, nothing, rds_, engine_, clock_, entropy_, {{kRegion}, "/restores"});
  work::RunnerOptions options;
  options.holder = "second";
  work::Runner other(*same, clock_, options, [](std::string_view, std::string_view) {});
  second->add_handlers(other);
  engine_.meanwhile = [&](const Context&, Progress&) -> Status {
    engine_.meanwhile = nullptr;
    EXPECT_EQ(must(other.run_due(Context())), 0);  // it is held
    clock_.advance(std::chrono::seconds(61));      // the first one hangs, and loses it
    EXPECT_EQ(must(other.run_due(Context())), 1);
    EXPECT_EQ(state(id), "COMPLETED");
    return ok_status();
  };
  work();  // comes back too late: what it still wants to write is refused
  EXPECT_EQ(state(id), "COMPLETED");
  EXPECT_THAT(job_states(id), testing::ElementsAre("CREATED", "RUNNING", "COMPLETED"));
  EXPECT_EQ(engine_.count(), 1u);
}

}  // namespace
}  // namespace coffer::backup
