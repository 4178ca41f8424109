#include "services/backup/world.h"

namespace coffer::backup {
namespace {

using std::chrono::minutes;
using testing::ElementsAre;

class RecoveryPoints : public World {
 protected:
  RecoveryPoints() {
    daily_ = vault("daily");
    orders_ = database("orders");
  }
  Value named(const std::string& arn, Value more = {}) {
    if (more.is_null()) more = Value::object();
    more.set("BackupVaultName", "daily");
    more.set("RecoveryPointArn", arn);
    return more;
  }
  Value describe(const std::string& arn) { return must(backup("DescribeRecoveryPoint", named(arn))); }
  std::string hold(Value selection) {
    return std::string(must(backup("CreateLegalHold", object({{"Title", "case"},
                                                              {"Description", "of 2026"},
                                                              {"RecoveryPointSelection", std::move(selection)}})))
                           .text("LegalHoldId"));
  }
  std::string daily_, orders_;
};

TEST_F(RecoveryPoints, APointCountsItsAgeFromItsJobAndGoesWhenItIsOver) {
  const std::string arn = point("daily", orders_, object({{"Lifecycle", days(7)}}));
  const Value described = describe(arn);
  EXPECT_EQ(described.find("CalculatedLifecycle")->time("DeleteAt"),
            *described.time("CreationDate") + std::chrono::hours(24 * 7));
  EXPECT_EQ(events("Recovery Point State Change").back().detail().at("lifecycle").at("deleteAfterDays").as_int64(), 7);
  pass_days(7);
  EXPECT_EQ(status("daily", arn), "COMPLETED");
  pass(hours(4));
  EXPECT_EQ(status("daily", arn), "ResourceNotFoundException");
  EXPECT_EQ(engine_.count(), 0u);
  EXPECT_FALSE(must(rds::find_snapshot(*read(), arn)));
  EXPECT_EQ(events("Recovery Point State Change").back().state(), "DELETING");
  EXPECT_EQ(must(backup("ListProtectedResources")).list("Results").size(), 0u);
}

TEST_F(RecoveryPoints, TheLastPointOfAResourceDoesNotGoWithoutAnEventThatSaysSo) {
  const std::string first = point("daily", orders_, object({{"Lifecycle", days(1)}}));
  const std::string second = point("daily", orders_, object({{"Lifecycle", days(2)}}));
  pass_days(1);
  pass(hours(4));
  EXPECT_EQ(status("daily", first), "ResourceNotFoundException");
  EXPECT_TRUE(events("Last Recovery Point Expiring").empty());
  pass_days(2);
  const auto told = events("Last Recovery Point Expiring");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].event.at("resources").at(0).as_string(), second);
}

TEST_F(RecoveryPoints, NoJumpOfTheClockDeletesEarly) {
  const std::string arn = point("daily", orders_, object({{"Lifecycle", days(7)}}));
  const WallTime began = clock_.wall();
  for (const int64_t seconds : {1LL, 3600LL, 86'400LL * 8, 86'400LL * 36'500}) {
    for (const int64_t sign : {1, -1}) {
      clock_.jump_to(began + std::chrono::seconds(sign * seconds));
      work();
      pass(hours(5));
      EXPECT_EQ(status("daily", arn), "COMPLETED") << seconds * sign;
      restart();
      pass(hours(5));
      EXPECT_EQ(status("daily", arn), "COMPLETED") << seconds * sign;
    }
  }
  clock_.jump_to(began + std::chrono::hours(80));  // as much as has really passed
  pass_days(3);
  EXPECT_EQ(status("daily", arn), "COMPLETED");
  pass_days(2);
  EXPECT_EQ(status("daily", arn), "ResourceNotFoundException");
}

TEST_F(RecoveryPoints, TimeWithoutADaemonDoesNotAgeAPoint) {
  const std::string arn = point("daily", orders_, object({{"Lifecycle", days(7)}}));
  pass_days(1);
  close_backup();
  clock_.advance(std::chrono::hours(24 * 30));
  open_backup();
  pass_days(5);
  EXPECT_EQ(status("daily", arn), "COMPLETED");
  pass_days(2);
  EXPECT_EQ(status("daily", arn), "ResourceNotFoundException");
}

TEST_F(RecoveryPoints, ALifecycleCanBeMadeLongerAfterTheFirstDecision) {
  const std::string arn = point("daily", orders_, object({{"Lifecycle", days(1)}}));
  pass_days(1);
  pass(minutes(30));
  EXPECT_EQ(status("daily", arn), "COMPLETED");  // decided once
  must(backup("UpdateRecoveryPointLifecycle", named(arn, object({{"Lifecycle", days(3)}}))));
  pass_days(1);
  EXPECT_EQ(status("daily", arn), "COMPLETED");
  must(backup("UpdateRecoveryPointLifecycle", named(arn, object({{"Lifecycle", days(-1)}}))));
  pass_days(10);
  EXPECT_EQ(status("daily", arn), "COMPLETED");
}

TEST_F(RecoveryPoints, ALegalHoldKeepsWhatIsDueUntilItIsCancelled) {
  const std::string arn = point("daily", orders_, object({{"Lifecycle", days(1)}}));
  const std::string id = hold(object({{"VaultNames", texts({"daily"})}}));
  const std::string later = point("daily", orders_, object({{"Lifecycle", days(1)}}));
  EXPECT_EQ(must(backup("ListRecoveryPointsByLegalHold", object({{"LegalHoldId", id}}))).list("RecoveryPoints").size(),
            1u);
  EXPECT_EQ(error_of(backup("DeleteRecoveryPoint", named(arn))), "InvalidRequestException");
  pass_days(2);
  EXPECT_EQ(status("daily", arn), "EXPIRED");
  EXPECT_EQ(status("daily", later), "ResourceNotFoundException");
  clock_.jump_to(clock_.wall() + std::chrono::hours(24 * 36'500));
  pass_days(2);
  EXPECT_EQ(status("daily", arn), "EXPIRED");
  must(backup("CancelLegalHold", object({{"LegalHoldId", id}, {"CancelDescription", "closed"}})));
  pass(hours(23));
  EXPECT_EQ(status("daily", arn), "ResourceNotFoundException");
  EXPECT_EQ(must(backup("GetLegalHold", object({{"LegalHoldId", id}}))).text("Status"), "CANCELED");
  EXPECT_EQ(error_of(backup("CancelLegalHold", object({{"LegalHoldId", id}, {"CancelDescription", "x"}}))),
            "InvalidResourceStateException");
}

TEST_F(RecoveryPoints, APointWhoseRoleIsGoneStaysAsExpired) {
  const std::string arn = point("daily", orders_, object({{"Lifecycle", days(1)}}));
  for (const char* managed : {"AWSBackupServiceRolePolicyForBackup", "AWSBackupServiceRolePolicyForRestores"})
    must(iam("DetachRolePolicy",
             object({{"RoleName", "AWSBackupDefaultServiceRole"},
                     {"PolicyArn", std::string("arn:aws:iam::aws:policy/service-role/") + managed}})));
  pass_days(3);
  EXPECT_EQ(status("daily", arn), "EXPIRED");
  must(backup("DeleteRecoveryPoint", named(arn)));
  work();
  EXPECT_EQ(status("daily", arn), "ResourceNotFoundException");
}

TEST_F(RecoveryPoints, PointsAndResourcesAreListed) {
  const std::string first = point("daily", orders_), second = point("daily", database("users"));
  const Value listed = must(backup("ListRecoveryPointsByBackupVault", object({{"BackupVaultName", "daily"}})));
  EXPECT_EQ(listed.list("RecoveryPoints").size(), 2u);
  const Value of_orders = must(backup("ListRecoveryPointsByResource", object({{"ResourceArn", orders_}})));
  ASSERT_EQ(of_orders.list("RecoveryPoints").size(), 1u);
  EXPECT_EQ(of_orders.list("RecoveryPoints")[0].text("RecoveryPointArn"), first);
  EXPECT_EQ(of_orders.list("RecoveryPoints")[0].integer("BackupSizeBytes"), 1'000'000);
  EXPECT_EQ(must(backup("ListProtectedResources")).list("Results").size(), 2u);
  EXPECT_EQ(must(backup("ListProtectedResourcesByBackupVault", object({{"BackupVaultName", "daily"}})))
                .list("Results")
                .size(),
            2u);
  EXPECT_EQ(must(backup("DescribeProtectedResource", object({{"ResourceArn", orders_}}))).text("LastRecoveryPointArn"),
            first);
  EXPECT_EQ(describe(first).text("StorageClass"), "WARM");
  EXPECT_EQ(must(backup("GetRecoveryPointRestoreMetadata", named(first)))
                .find("RestoreMetadata")
                ->text("DBInstanceIdentifier"),
            "orders");
  EXPECT_EQ(error_of(backup("DisassociateRecoveryPoint", named(first))), "InvalidRequestException");
  const Value page =
      must(backup("ListRecoveryPointsByBackupVault", object({{"BackupVaultName", "daily"}, {"MaxResults", 1}})));
  EXPECT_EQ(page.list("RecoveryPoints").size(), 1u);
  EXPECT_TRUE(page.has("NextToken"));
}

TEST_F(RecoveryPoints, ACopyHasItsOwnExpiryAndCountsFromTheOriginal) {
  const std::string far = vault("away", {}, kFar);
  const std::string arn = point("daily", orders_, object({{"Lifecycle", days(2)}}));
  clock_.advance(std::chrono::hours(5));
  const Value input = object({{"RecoveryPointArn", arn},
                              {"SourceBackupVaultName", "daily"},
                              {"DestinationBackupVaultArn", far},
                              {"IamRoleArn", role_},
                              {"Lifecycle", days(4)},
                              {"IdempotencyToken", "once"}});
  const std::string id(must(backup("StartCopyJob", input)).text("CopyJobId"));
  EXPECT_EQ(must(backup("StartCopyJob", input)).text("CopyJobId"), id);
  work();
  const Value copy = *must(backup("DescribeCopyJob", object({{"CopyJobId", id}}))).find("CopyJob");
  ASSERT_EQ(copy.text("State"), "COMPLETED") << copy.text("StatusMessage");
  const std::string made(copy.text("DestinationRecoveryPointArn"));
  EXPECT_TRUE(made.starts_with("arn:aws:rds:eu-west-1:111111111111:snapshot:awsbackup:copyjob-"));
  const Value there = must(
      call(root(), "DescribeRecoveryPoint", object({{"BackupVaultName", "away"}, {"RecoveryPointArn", made}}), kFar));
  EXPECT_EQ(there.find("CalculatedLifecycle")->time("DeleteAt"),
            *describe(arn).time("CreationDate") + std::chrono::hours(24 * 4));
  EXPECT_EQ(there.text("SourceBackupVaultArn"), daily_);
  std::vector<std::string> states;
  for (const Told& told : events("Copy Job State Change")) states.push_back(told.state());
  EXPECT_THAT(states, ElementsAre("CREATED", "RUNNING", "COMPLETED"));
  EXPECT_TRUE(events("Copy Job State Change")[1].detail().at("destinationRecoveryPointArn").as_object().empty());
  EXPECT_TRUE(events("Copy Job State Change")[2].detail().at("backupSizeInBytes").is_int64());
  pass_days(3);
  EXPECT_EQ(status("daily", arn), "ResourceNotFoundException");
  EXPECT_EQ(engine_.count(), 1u);
  pass_days(2);
  EXPECT_EQ(engine_.count(), 0u);
}

TEST_F(RecoveryPoints, ARulesCopyActionsStartCopies) {
  to_midnight();
  const std::string far = vault("away", {}, kFar);
  const std::string id =
      plan("p", {rule("a", "daily", "cron(0 5 ? * * *)",
                      object({{"CopyActions",
                               api::List{object({{"DestinationBackupVaultArn", far}, {"Lifecycle", days(3)}})}}}))});
  select_all(id);
  pass(hours(6));
  const auto copies = must(backup("ListCopyJobs")).list("CopyJobs");
  ASSERT_EQ(copies.size(), 1u);
  EXPECT_EQ(copies[0].text("State"), "COMPLETED");
  EXPECT_EQ(copies[0].find("CreatedBy")->text("BackupPlanId"), id);
  EXPECT_EQ(copies[0].text("CreatedByBackupJobId"), jobs()[0].text("BackupJobId"));
}

TEST_F(RecoveryPoints, ACopyIntoAnotherAccountNeedsOneOrganizationItsSettingAndTheVaultsPolicy) {
  const std::string theirs = vault("safe", {}, kRegion, kOther);
  const std::string arn = point("daily", orders_);
  const auto copy = [&]() -> std::string {
    const std::string id(must(backup("StartCopyJob", object({{"RecoveryPointArn", arn},
                                                             {"SourceBackupVaultName", "daily"},
                                                             {"DestinationBackupVaultArn", theirs},
                                                             {"IamRoleArn", role_}})))
                             .text("CopyJobId"));
    work();
    return std::string(must(backup("DescribeCopyJob", object({{"CopyJobId", id}}))).find("CopyJob")->text("State"));
  };
  EXPECT_EQ(copy(), "FAILED");
  EXPECT_EQ(error_of(backup("UpdateGlobalSettings",
                            object({{"GlobalSettings", api::text_map({{"isCrossAccountBackupEnabled", "true"}})}}))),
            "InvalidRequestException");
  must(World::House::call(root(), "organizations", "CreateOrganization"));
  const Value invited = must(World::House::call(root(), "organizations", "InviteAccountToOrganization",
                                                object({{"Target", object({{"Id", kOther}, {"Type", "ACCOUNT"}})}})));
  must(World::House::call(root(kOther), "organizations", "AcceptHandshake",
                          object({{"HandshakeId", invited.find("Handshake")->text("Id")}})));
  EXPECT_EQ(copy(), "FAILED");
  must(backup("UpdateGlobalSettings",
              object({{"GlobalSettings", api::text_map({{"isCrossAccountBackupEnabled", "true"}})}})));
  EXPECT_EQ(copy(), "FAILED");  // the vault allows nobody yet
  must(call(root(kOther), "PutBackupVaultAccessPolicy",
            object({{"BackupVaultName", "safe"}, {"Policy", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow",
      "Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"backup:CopyIntoBackupVault","Resource":"*"}]})"}})));
  EXPECT_EQ(copy(), "COMPLETED");
  EXPECT_EQ(must(call(root(kOther), "ListRecoveryPointsByBackupVault", object({{"BackupVaultName", "safe"}})))
                .list("RecoveryPoints")
                .size(),
            1u);
}

TEST_F(RecoveryPoints, APointThatIsCopiedIsNotDeleted) {
  const std::string far = vault("away", {}, kFar);
  const std::string arn = point("daily", orders_);
  must(backup("StartCopyJob", object({{"RecoveryPointArn", arn},
                                      {"SourceBackupVaultName", "daily"},
                                      {"DestinationBackupVaultArn", far},
                                      {"IamRoleArn", role_}})));
  EXPECT_EQ(error_of(backup("DeleteRecoveryPoint", named(arn))), "InvalidResourceStateException");
  work();
  EXPECT_EQ(error_of(backup("DeleteRecoveryPoint", named(arn))), "");
}

class Restores : public RecoveryPoints {
 protected:
  Result<Value> start_restore(const std::string& arn, std::map<std::string, std::string> metadata) {
    return backup("StartRestoreJob",
                  object({{"RecoveryPointArn", arn}, {"IamRoleArn", role_}, {"Metadata", api::text_map(metadata)}}));
  }
  Value restore(const std::string& arn, std::map<std::string, std::string> metadata) {
    const std::string id(must(start_restore(arn, std::move(metadata))).text("RestoreJobId"));
    work();
    return must(backup("DescribeRestoreJob", object({{"RestoreJobId", id}})));
  }
};

TEST_F(Restores, ARestoreWithANameBecomesADatabaseAndTellsItsStates) {
  const std::string arn = point("daily", orders_);
  const Value job = restore(arn, {{"DBInstanceIdentifier", "orders-again"}, {"MultiAZ", "false"}});
  EXPECT_EQ(job.text("Status"), "COMPLETED") << job.text("StatusMessage");
  EXPECT_EQ(job.text("CreatedResourceArn"), "arn:aws:rds:us-east-1:111111111111:db:orders-again");
  EXPECT_THAT(engine_.restored, ElementsAre("/restores/111111111111/orders-again"));
  ASSERT_EQ(rds_.registered.size(), 1u);
  EXPECT_EQ(rds_.registered[0].data_directory, "/restores/111111111111/orders-again");
  EXPECT_EQ(rds_.registered[0].system_identifier, 7u);
  std::vector<std::string> states;
  for (const Told& told : events("Restore Job State Change")) states.push_back(told.state());
  EXPECT_THAT(states, ElementsAre("CREATED", "PENDING", "RUNNING", "COMPLETED"));
  EXPECT_TRUE(events("Restore Job State Change")[0].detail().contains("state"));
  EXPECT_TRUE(events("Restore Job State Change")[3].detail().contains("status"));
  EXPECT_TRUE(describe(arn).has("LastRestoreTime"));
  EXPECT_EQ(
      must(backup("ListRestoreJobsByProtectedResource", object({{"ResourceArn", orders_}}))).list("RestoreJobs").size(),
      1u);
}

TEST_F(Restores, ARestoreIntoAFolderStaysInsideTheAccountsPlace) {
  const std::string arn = point("daily", orders_);
  EXPECT_EQ(restore(arn, {{"TargetDirectory", "/restores/111111111111/try/one"}}).text("Status"), "COMPLETED");
  for (const char* folder : {"/etc", "/restores/222222222222/x", "/restores/111111111111", "/restores/111111111111/",
                             "/restores/111111111111/../222222222222/x", "/restores/111111111111/a//b", "relative",
                             "/restores/1111111111112/x", "/restores/111111111111/."})
    EXPECT_EQ(error_of(start_restore(arn, {{"TargetDirectory", folder}})), "InvalidParameterValueException") << folder;
  EXPECT_EQ(error_of(start_restore(arn, {{"DBInstanceIdentifier", "orders"}})), "InvalidParameterValueException");
  EXPECT_EQ(error_of(start_restore(arn, {{"DBInstanceIdentifier", "../x"}})), "InvalidParameterValueException");
  EXPECT_EQ(error_of(start_restore(arn, {{"Nonsense", "x"}, {"DBInstanceIdentifier", "y"}})),
            "InvalidParameterValueException");
}

TEST_F(Restores, AFailedRestoreSaysWhy) {
  const std::string arn = point("daily", orders_);
  engine_.before = [](std::string_view what) -> Status {
    if (what == "restore") return Error{ErrorCode::kFailedPrecondition, "the target is not empty", {}};
    return ok_status();
  };
  const Value job = restore(arn, {{"DBInstanceIdentifier", "again"}});
  EXPECT_EQ(job.text("Status"), "FAILED");
  EXPECT_EQ(job.text("StatusMessage"), "the target is not empty");
  EXPECT_TRUE(rds_.registered.empty());
}

TEST_F(Restores, AValidationIsPutOnce) {
  const std::string arn = point("daily", orders_);
  const std::string id(restore(arn, {{"DBInstanceIdentifier", "again"}}).text("RestoreJobId"));
  const Value input = object({{"RestoreJobId", id}, {"ValidationStatus", "SUCCESSFUL"}});
  must(backup("PutRestoreValidationResult", input));
  EXPECT_EQ(error_of(backup("PutRestoreValidationResult", input)), "InvalidRequestException");
}

TEST_F(RecoveryPoints, SummariesCountJobsPerDay) {
  to_midnight();
  point("daily", orders_);
  clock_.advance(std::chrono::hours(24));
  const auto rows =
      must(backup("ListBackupJobSummaries", object({{"AggregationPeriod", "ONE_DAY"}}))).list("BackupJobSummaries");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].text("State"), "COMPLETED");
  EXPECT_EQ(rows[0].integer("Count"), 1);
  EXPECT_TRUE(must(backup("ListCopyJobSummaries")).list("CopyJobSummaries").empty());
  EXPECT_TRUE(must(backup("ListRestoreJobSummaries")).list("RestoreJobSummaries").empty());
}

}  // namespace
}  // namespace coffer::backup
